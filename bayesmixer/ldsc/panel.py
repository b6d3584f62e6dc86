"""The list of variants of the regressions: those with LD scores of the reference and a weight, and
where others are on it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.io.ld_score_files import LDScores, read_ld_scores

Array = NDArray[np.float64]
Index = NDArray[np.int64]
BY_FREQUENCY = re.compile(r"_S-?[\d.]+$")  # what LDSC adds to the name with --pq-exp


@dataclass(frozen=True)
class Panel:
    """LD scores of the variants that have both, of the reference and of the regression.

    Attributes
    ----------
    scores
        LD scores of the reference, all variants.
    rows
        (J,) those of them that have a weight too.
    weight
        (J,) LD score with the variants of the regression.
    n_weights
        Variants of the file of weights.
    """

    scores: LDScores
    rows: Index
    weight: Array
    n_weights: int

    @property
    def snp(self) -> pl.Series:
        """(J,) identifiers."""
        return self.scores.snp if self.whole else self.scores.snp.gather(self.rows)

    @property
    def whole(self) -> bool:
        """Whether all variants of the reference have a weight."""
        return len(self.rows) == len(self.scores)

    def cuts_by_position(self, blocks: int) -> NDArray[np.intp]:
        """(B + 1,) rows before which blocks of equal length along the genome begin; those without
        variants are left out.
        """
        chrom, pos = self.scores.chrom[self.rows], self.scores.pos[self.rows].astype(float)
        begins = np.flatnonzero(np.r_[True, np.diff(chrom) != 0])
        length = np.r_[begins[1:], len(pos)] - 1
        before = np.r_[0.0, np.cumsum(pos[length] - pos[begins] + 1)]
        place = pos - np.repeat(pos[begins] - before[:-1], np.diff(np.r_[begins, len(pos)]))
        return np.unique(np.searchsorted(place, np.linspace(0, before[-1], blocks + 1)))

    @property
    def ld(self) -> Array:
        """(J, A)."""
        return self.scores.values if self.whole else self.scores.values[self.rows]


def read_panel(ref_ld: Any, w_ld: Any = None) -> Panel:
    """LD scores of reference and regression joined.

    Parameters
    ----------
    ref_ld, w_ld
        Prefixes or what `read_ld_scores` returned; `w_ld` None takes the reference's (their sum,
        where it has several annotations).

    Raises
    ------
    InputError
        They cannot be read, those of the regression have several annotations, or none are given
        beside a reference's that are by allele frequency.
    """
    scores = as_scores(ref_ld, "ref_ld")
    scaled = next((name for name in scores.names if BY_FREQUENCY.search(name)), None)
    if w_ld is None and scaled is not None:
        raise InputError(
            "w_ld",
            f"missing beside {scaled}, LD scores times a power of p (1 - p), which cannot weigh",
            "Give plain LD scores.",
        )
    if w_ld is None or (isinstance(w_ld, str | Path) and str(w_ld) == scores.source):
        weights = scores
    else:
        weights = as_scores(w_ld, "w_ld")
        if weights.values.shape[1] != 1:
            raise InputError(
                "w_ld", f"{weights.values.shape[1]} LD scores a variant, expected one", ""
            )
    if weights is scores or weights.snp.equals(scores.snp):
        rows = np.arange(len(scores))
        return Panel(scores, rows, weights.values.sum(axis=1), len(weights))
    found = _beside(scores, weights)
    rows = np.flatnonzero(found >= 0)
    if not len(rows):
        raise InputError("w_ld", "no variant of the reference's LD scores in it")
    return Panel(scores, rows, weights.values[found[rows], 0], len(weights))


def as_scores(given: Any, where: str) -> LDScores:
    """LD scores from a prefix, prefixes, what `read_ld_scores` or `open_reference` returned.

    Raises
    ------
    InputError
        They cannot be read.
    """
    if isinstance(given, LDScores):
        return given
    if hasattr(given, "children"):
        return _of_reference(given)
    if isinstance(given, str | os.PathLike) or (
        isinstance(given, Sequence) and all(isinstance(one, str | os.PathLike) for one in given)
    ):
        return read_ld_scores(given if isinstance(given, str | Sequence) else Path(given))
    raise InputError(
        where,
        f"a {type(given).__name__}, expected a prefix of LD score files, or what read_ld_scores or "
        "open_reference returned",
    )


def _of_reference(reference: Any) -> LDScores:
    """LD scores of a reference of this package."""
    from bayesmixer.io.chromosomes import chromosome_rank

    parts = [group.to_dataset() for group in reference.children.values()]
    several = "annotation_ld_score" in parts[0]
    name = "annotation_ld_score" if several else "ld_score"
    names = tuple(map(str, parts[0]["annotation"].values)) if several else ("L2",)
    values = np.concatenate([p[name].values.reshape(p.sizes["variant"], -1) for p in parts])
    totals: dict[str, Array] = {}
    for key, variable, attribute in (("M", "m", "n_reference"), ("M_5_50", "m_5_50", "m_5_50")):
        if several:
            found = [p[variable].values for p in parts if variable in p]
        else:
            found = [np.array([p.attrs[attribute]], float) for p in parts if attribute in p.attrs]
            if not found and attribute in reference.attrs:
                totals[key] = np.array([reference.attrs[attribute]], float)
        if len(found) == len(parts):
            totals[key] = np.sum(found, axis=0)
    return LDScores(
        pl.Series(np.concatenate([p["snp"].values.astype(str) for p in parts])),
        np.concatenate(
            [
                np.full(p.sizes["variant"], chromosome_rank(str(c))[0])
                for c, p in zip(reference.children, parts, strict=True)
            ]
        ),
        np.concatenate([p["pos"].values for p in parts]).astype(np.int64),
        names,
        values.astype(float),
        totals,
        str(reference.attrs.get("sources", "the reference")),
        (0,) * len(names),
    )


def rows_in(snp: pl.Series, of: pl.Series) -> Index:
    """(J,) place of each of `snp` in `of`, -1 where it is not or stood before: of what is repeated
    in either, the first counts.
    """
    out = _places_of(snp, of)
    if out is None:
        rows = pl.Series(np.arange(len(of), dtype=np.int64))
        right = pl.DataFrame({"SNP": of, "row": rows}).filter(of.is_first_distinct())
        left = pl.DataFrame({"SNP": snp})
        found = left.join(right, on="SNP", how="left", maintain_order="left")["row"]
        out = found.fill_null(-1).to_numpy()
    if np.bincount(out[out >= 0], minlength=1).max() > 1:
        out = np.where(snp.is_first_distinct().to_numpy(), out, -1)
    return out


def _places_of(snp: pl.Series, of: pl.Series) -> Index | None:
    """(J,) place of each of `snp` in `of`, -1 where it is not, by hashes in order, in half the time
    of a join; None where one of `of` is repeated or two have one hash.
    """
    if not len(of):
        return np.full(len(snp), -1)
    keys, wanted = of.hash().to_numpy(), snp.hash().to_numpy()
    order = np.argsort(keys)
    keys = keys[order]
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    rows = np.flatnonzero(keys[place] == wanted)
    found = order[place[rows]]
    same = (of.gather(found) == snp.gather(rows)).fill_null(False)
    if (keys[1:] == keys[:-1]).any() or not same.all():
        return None
    out = np.full(len(snp), -1)
    out[rows] = found
    return out


def _beside(one: LDScores, other: LDScores) -> Index:
    """`rows_in` of two sets in genome order: most are found by position, which is quicker, and
    identifiers are looked for where they differ there or positions are not unique.
    """
    at, there = ((s.chrom << 40) + s.pos for s in (one, other))
    if (np.diff(at) <= 0).any() or (np.diff(there) <= 0).any():
        return rows_in(one.snp, other.snp)
    place = np.minimum(np.searchsorted(there, at), len(there) - 1)
    same = (other.snp.gather(place) == one.snp).to_numpy()
    if same.mean() < 0.5:
        return rows_in(one.snp, other.snp)
    out = np.where(same, place, -1)
    rest = np.flatnonzero(~same)
    if len(one) - len(rest) == len(other):
        return out
    unmatched = np.ones(len(other), bool)
    unmatched[out[same]] = False
    free = np.flatnonzero(unmatched)
    more = rows_in(one.snp.gather(rest), other.snp.gather(free))
    out[rest] = np.where(more >= 0, free[more], -1)
    return out
