"""Find the variants of one GWAS in an LD panel, by identifier or by position, and turn them to the
panel's alleles.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import DataWarning, InputError
from bayesmixer.io.alleles import AlleleMatch, match_alleles
from bayesmixer.io.chromosomes import chromosome_name, chromosome_rank
from bayesmixer.ld.builds import name_builds, name_builds_by_position
from bayesmixer.ld.identifiers import join, join_names

_OTHER_CHROMOSOME = 0.001  # identifiers merged or moved between builds stay well below


@dataclass
class Panel:
    """The variants of all chromosomes of a reference, side by side in genome order."""

    names: list[str]
    """Chromosomes, in genome order."""
    chrom: NDArray[np.int64]
    """Number of the chromosome in `names`, shape (variant,)."""
    row: NDArray[np.int64]
    """Row within the chromosome."""
    snp: NDArray[Any]
    pos: NDArray[np.int64]
    a1: NDArray[Any]
    a2: NDArray[Any]
    freq: NDArray[np.float64]
    heterozygosity: NDArray[np.float64]
    build: str = ""

    @classmethod
    def read(cls, chromosomes: dict[str, xr.Dataset], build: str = "") -> Panel:
        """Collect the columns that matching needs, without spectra; alleles are "" and frequencies
        NaN where the reference does not know them.
        """
        sizes = [ds.sizes["variant"] for ds in chromosomes.values()]

        def column(name: str, dtype: Any, unknown: Any = None) -> NDArray[Any]:
            parts = [
                ds[name].values.astype(dtype)
                if name in ds or unknown is None
                else np.full(m, unknown, dtype)
                for ds, m in zip(chromosomes.values(), sizes, strict=True)
            ]
            return np.concatenate(parts)

        panel = cls(
            names=list(chromosomes),
            chrom=np.repeat(np.arange(len(sizes)), sizes),
            row=np.concatenate([np.arange(m) for m in sizes]),
            snp=column("snp", object),
            pos=column("pos", np.int64),
            **{name: column(name, object, "") for name in ("a1", "a2")},
            **{name: column(name, np.float64, np.nan) for name in ("freq", "heterozygosity")},
            build=build,
        )
        backwards = (np.diff(panel.pos) < 0) & (np.diff(panel.chrom) == 0)
        if backwards.any():
            bad = panel.names[panel.chrom[np.flatnonzero(backwards)[0]]]
            raise InputError(
                "reference",
                f"positions of chromosome {bad} are not in order",
                "Sort the genotypes by position and build the reference again.",
            )
        return panel

    def __len__(self) -> int:
        return len(self.pos)

    def take_alleles(self, sumstats: Iterable[xr.Dataset]) -> None:
        """Give variants of unknown alleles those of the first GWAS that has them, so that several
        GWAS are turned to the same.
        """
        for ds in sumstats:
            ss = _Columns.read(ds, np.ones(ds.sizes["variant"], bool), self)
            for how in ("id", "position"):
                i, j = _same(ss, self, how)
                i, j = i[::-1], j[::-1]  # of repeats the first stays
                i, j = i[new := self.a1[j] == ""], j[new]
                self.a1[j], self.a2[j] = ss.a1[i], ss.a2[i]


@dataclass
class Matched:
    """One GWAS on the panel's rows and alleles."""

    row: NDArray[np.int64]
    """Row of the panel, rising, shape (matched,)."""
    z: NDArray[np.float64]
    n: NDArray[np.float64]
    filters: dict[str, int] = field(default_factory=dict)
    overlap: dict[str, Any] = field(default_factory=dict)

    def has(self, row: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the GWAS has each of these rows of the panel."""
        return np.isin(row, self.row, assume_unique=True)

    def on(self, row: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
        """z or N on these rows of the panel, NaN where the GWAS has none."""
        there, out = self.has(row), np.full(len(row), np.nan)
        out[there] = values[np.searchsorted(self.row, row[there])]
        return out


def match(sumstats: xr.Dataset, panel: Panel, *, by: str, ambiguous: str, name: str) -> Matched:
    """Match one GWAS with a panel.

    Parameters
    ----------
    sumstats
        A Sumstats dataset.
    panel
        The panel.
    by
        "id", "position" or "auto" (what matches more).
    ambiguous
        "drop", "frequency" or "keep": what becomes of A/T and C/G.
    name
        What to call the GWAS in messages.

    Returns
    -------
    Matched
        z and N of the panel's `a1`, with counts of every filter.

    Raises
    ------
    InputError
        No z-score or N, no or nearly no variant in the panel, or `ambiguous="frequency"` without
        frequencies.
    """
    z, n = (np.asarray(sumstats[v].values, np.float64) for v in ("z", "n"))
    finite = np.isfinite(z) & np.isfinite(n) & (n > 0)
    if not np.isfinite(n).any():
        raise InputError(
            name,
            "no variant has a sample size",
            "Give it when reading the summary statistics (n=...).",
        )
    if not finite.any():
        raise InputError(
            name, f"none of its {len(z):,} variants has both a z-score and a sample size above 0"
        )
    filters = {"z_or_n_missing": int((~finite).sum())}
    ss = _Columns.read(sumstats, finite, panel)
    eaf = (
        np.asarray(sumstats["eaf"].values, np.float64)[finite]
        if "eaf" in sumstats
        else np.full(len(ss.pos), np.nan)
    )
    if ambiguous == "frequency" and not np.isfinite(eaf).any():
        raise InputError(
            name, "no allele frequency, which ambiguous='frequency' needs", "Use ambiguous='drop'."
        )
    pairs = {how: _fit(ss, panel, how) for how in ("id", "position")}
    count = {how: _distinct(p.panel[p.alleles.sign != 0]) for how, p in pairs.items()}
    how = by if by != "auto" else "id" if count["id"] >= count["position"] else "position"
    if count[how] == 0:
        raise _no_overlap(ss, panel, pairs, how, by, name)
    overlap: dict[str, Any] = {
        "sumstats_variants": len(z),
        "matched_by": how,
        "matched_by_id": count["id"],
        "matched_by_position": count["position"],
        "warnings": [],
    }
    chosen = pairs[how]
    if how == "id":
        _check_chromosomes(ss, panel, chosen, name, overlap)
    builds = _check_build(ss, panel, pairs, count, how, name, overlap)
    met, fitting = _distinct(chosen.gwas), _distinct(chosen.gwas[chosen.alleles.sign != 0])
    overlap["on_reference_chromosomes"], overlap["in_reference"] = int((ss.chrom >= 0).sum()), met
    filters["not_in_reference"], filters["allele_mismatch"] = len(ss.pos) - met, met - fitting
    i, j, sign, flipped, unclear = chosen.keep(chosen.alleles.sign != 0)
    f = np.where(sign > 0, eaf[i], 1 - eaf[i])
    trusted = _check_frequency(f[~unclear], panel.freq[j[~unclear]], name, overlap)
    overlap["strand_flipped"], overlap["swapped"] = int(flipped.sum()), int((sign < 0).sum())
    keep = np.ones(len(i), bool)
    if ambiguous == "drop":
        keep = ~unclear
    elif ambiguous == "frequency":
        # the same side of 1/2 by a margin: letters as they stand; the other side: other strand, so
        # the other allele
        clear = (np.abs(f - 0.5) > 0.1) & (np.abs(panel.freq[j] - 0.5) > 0.1) & trusted
        opposite = clear & ((f - 0.5) * (panel.freq[j] - 0.5) < 0)
        sign = np.where(unclear & opposite, -sign, sign)
        keep = ~unclear | clear
        overlap["ambiguous_resolved"] = int((unclear & clear).sum())
        overlap["ambiguous_flipped"] = int((unclear & opposite).sum())
    i, j, sign = i[keep], j[keep], sign[keep]
    before = _distinct(i)
    filters["ambiguous"] = fitting - before
    value, size = z[finite][i] * sign, n[finite][i]
    first = _without_duplicates(i, j, value, size)
    filters["duplicate"] = before - len(first)
    overlap["matched"] = len(first)
    if builds is not None:
        warnings.warn(builds, DataWarning, stacklevel=3)
    return Matched(j[first], value[first], size[first], filters, overlap)


@dataclass
class _Columns:
    """Identity of the usable variants of a GWAS."""

    snp: NDArray[Any]
    chrom: NDArray[np.int64]
    """Number of the chromosome in the panel, -1 elsewhere or unknown."""
    name: NDArray[Any]
    """Name of the chromosome, "" where unknown."""
    elsewhere: NDArray[np.bool_]
    """Whether the chromosome is known and not in the panel."""
    pos: NDArray[np.int64]
    a1: NDArray[Any]
    a2: NDArray[Any]
    chromosomes: list[str]
    build: str

    @classmethod
    def read(cls, ds: xr.Dataset, usable: NDArray[np.bool_], panel: Panel) -> _Columns:
        snp, a1, a2, chrom = (
            np.asarray(ds[v].values, dtype=object)[usable] for v in ("snp", "a1", "a2", "chrom")
        )
        code, names = pd.factorize(chrom)
        plain = [chromosome_name(c) for c in names]
        table = np.array(
            [panel.names.index(c) if c in panel.names else -1 for c in plain] + [-1], np.int64
        )
        other = np.array([bool(c) and c not in panel.names for c in plain] + [False])
        known = sorted((c for c in set(plain) if c), key=chromosome_rank)
        return cls(
            snp,
            table[code],
            np.array([*plain, ""], object)[code],
            other[code],
            np.asarray(ds["pos"].values, np.int64)[usable],
            a1,
            a2,
            known,
            str(ds.attrs.get("build", "")),
        )


@dataclass
class _Pairs:
    """Rows of the GWAS and of the panel with the same identity, and how their alleles fit."""

    gwas: NDArray[np.int64]
    panel: NDArray[np.int64]
    alleles: AlleleMatch

    def keep(self, mask: NDArray[np.bool_]) -> tuple[NDArray[Any], ...]:
        a = self.alleles
        return self.gwas[mask], self.panel[mask], a.sign[mask], a.flipped[mask], a.ambiguous[mask]


def _same(ss: _Columns, panel: Panel, how: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the GWAS and of the panel with the same identity, whatever their alleles."""
    if how == "id":
        return join_names(ss.snp, panel.snp)
    there = np.where(panel.pos > 0, panel.chrom << 40 | panel.pos, -1)
    here = np.where((ss.pos > 0) & (ss.chrom >= 0), ss.chrom << 40 | ss.pos, -1)
    return join(here, there)


def _fit(ss: _Columns, panel: Panel, how: str) -> _Pairs:
    i, j = _same(ss, panel, how)
    return _Pairs(i, j, match_alleles(ss.a1[i], ss.a2[i], panel.a1[j], panel.a2[j]))


def _distinct(rows: NDArray[np.int64]) -> int:
    """Number of different row numbers; a table of counts is much faster than sorting or hashing."""
    return int((np.bincount(rows) > 0).sum())


def _without_duplicates(
    i: NDArray[Any], j: NDArray[Any], z: NDArray[Any], n: NDArray[Any]
) -> NDArray[np.int64]:
    """Pairs to keep, by panel row: one of equal rows, none of rows that disagree, the panel's first
    of its own repeats.
    """
    order = np.lexsort((j, i))
    order = order[np.concatenate([[True], np.diff(i[order]) > 0])] if len(order) else order
    order = order[np.lexsort((n[order], z[order], j[order]))]
    if not len(order):
        return np.asarray(order, np.int64)
    start = np.concatenate([[True], np.diff(j[order]) > 0])
    group = np.cumsum(start) - 1
    first = order[start][group]
    conflict = np.bincount(group, (z[order] != z[first]) | (n[order] != n[first]))
    return np.asarray(order[start][conflict == 0], np.int64)


def _check_chromosomes(
    ss: _Columns, panel: Panel, pairs: _Pairs, name: str, overlap: dict[str, Any]
) -> None:
    """Warn of variants whose identifier lies on another chromosome in the reference."""
    i, j, *_ = pairs.keep(
        (pairs.alleles.sign != 0) & ((ss.chrom[pairs.gwas] >= 0) | ss.elsewhere[pairs.gwas])
    )
    differ = ss.elsewhere[i] | (ss.chrom[i] != panel.chrom[j])
    overlap["chromosomes_differ"] = int(differ.sum())
    if not len(i) or differ.mean() <= _OTHER_CHROMOSOME:
        return
    first = np.flatnonzero(differ)[0]
    message = (
        f"{name}: {int(differ.sum()):,} of {len(i):,} variants matched by identifier lie on "
        "another chromosome in the reference "
        f"(first: {ss.snp[i[first]]}, {ss.name[i[first]]} here and "
        f"{panel.names[panel.chrom[j[first]]]} there). "
        "Check identifiers and the chromosome column, or match by='position'."
    )
    overlap["warnings"].append(message)
    warnings.warn(message, DataWarning, stacklevel=4)


def _check_build(
    ss: _Columns,
    panel: Panel,
    pairs: dict[str, _Pairs],
    count: dict[str, int],
    how: str,
    name: str,
    overlap: dict[str, Any],
) -> str | None:
    """Compare the positions of what matches by id; the warning to give, or None."""
    same = pairs["id"]
    i, j, *_ = same.keep(
        (same.alleles.sign != 0)
        & (ss.pos[same.gwas] > 0)
        & (panel.pos[same.panel] > 0)
        & (ss.chrom[same.gwas] >= 0)
    )
    differ = (ss.pos[i] != panel.pos[j]) | (ss.chrom[i] != panel.chrom[j])
    overlap["positions_compared"], overlap["positions_differ"] = len(i), int(differ.sum())
    shared = min(
        int(
            (np.bincount(ss.chrom[ss.chrom >= 0], minlength=len(panel.names)) > 0)[
                panel.chrom
            ].sum()
        ),
        int((ss.chrom >= 0).sum()),
    )
    few = how == "position" and count["position"] < 0.05 * shared and shared >= 20
    if len(i) and differ.mean() > 0.5:
        text, builds = _builds_text(ss, panel, i[differ], j[differ])
        overlap["builds"] = builds
        share = (
            f"{int(differ.sum()):,} of {len(i):,} variants with the reference's identifiers lie at "
            "other positions"
        )
        if how == "position":
            raise InputError(name, f"{share}: {text}", "Match by='id', or lift the positions over.")
        message = f"{name}: {share}: {text}. Matched by id; the reference's positions are used."
        overlap["warnings"].append(message)
        return message
    if few:
        text, overlap["builds"] = _builds_text(ss, panel)
        raise InputError(
            name,
            f"only {count['position']:,} of {shared:,} variants lie at positions of the "
            f"reference: {text}",
            "Lift the positions over, or give identifiers and match by='id'.",
        )
    return None


def _builds_text(
    ss: _Columns, panel: Panel, i: NDArray[Any] | None = None, j: NDArray[Any] | None = None
) -> tuple[str, list[str]]:
    names = np.array([*panel.names, ""], dtype=object)
    if i is not None and j is not None:
        shift = ss.pos[i] - panel.pos[j]
        if np.isin(shift, (-1, 1)).all():
            return "positions are off by one (counted from 0 in one of the two)", ["", ""]
        here, there = name_builds(names[panel.chrom[j]], ss.pos[i], panel.pos[j])
    else:
        here, there = name_builds_by_position(
            names[ss.chrom], ss.pos, names[panel.chrom], panel.pos
        )
    here, there = here or ss.build, there or panel.build
    if here and there and here != there:
        return f"positions look like {here} while the reference is {there}", [here, there]
    return "positions look like another genome build than the reference's", [here, there]


def _check_frequency(
    f: NDArray[Any], panel_f: NDArray[Any], name: str, overlap: dict[str, Any]
) -> bool:
    """Compare allele frequencies after alignment; False where those of the GWAS cannot be
    trusted.
    """
    known = np.isfinite(f) & np.isfinite(panel_f)
    f, panel_f = f[known], panel_f[known]
    overlap["frequencies_compared"] = len(f)
    if len(f) < 50:
        return True
    differ = np.abs(f - panel_f) > 0.2
    varies = f.std() > 0 and panel_f.std() > 0
    r = float(np.corrcoef(f, panel_f)[0, 1]) if varies else 0.0
    overlap["frequencies_differ"], overlap["frequency_correlation"] = int(differ.sum()), round(r, 4)
    if differ.mean() <= 0.05:
        return True
    found = (
        f"{name}: {int(differ.sum()):,} of {len(f):,} allele frequencies differ by more than 0.2 "
        f"from the reference's (correlation {r:.2f})"
    )
    if r < 0:
        cause = (
            "a1 is probably not the effect allele, or eaf the frequency of a2; every z may have "
            "the wrong sign. Check the columns."
        )
    else:
        cause = (
            "another population, the minor allele's frequency in place of the effect allele's, or "
            "mislabelled alleles. Check before trusting the fit."
        )
    overlap["warnings"].append(f"{found}: {cause}")
    warnings.warn(overlap["warnings"][-1], DataWarning, stacklevel=4)
    return False


def _no_overlap(
    ss: _Columns, panel: Panel, pairs: dict[str, _Pairs], how: str, by: str, name: str
) -> InputError:
    """The error of an empty match, with its likeliest cause."""
    other = "position" if how == "id" else "id"
    problem = (
        f"none of its {len(ss.pos):,} usable variants matches the {len(panel):,} of the reference"
    )
    met = {h: len(p.gwas) for h, p in pairs.items()}
    if by != "auto" and (pairs[other].alleles.sign != 0).any():
        there = _distinct(pairs[other].panel[pairs[other].alleles.sign != 0])
        return InputError(
            name, f"{problem} by {how}, but {there:,} do by {other}", f"Use by='{other}'."
        )
    if met[how]:
        example = (
            f"{ss.a1[pairs[how].gwas[0]]}/{ss.a2[pairs[how].gwas[0]]} against "
            f"{panel.a1[pairs[how].panel[0]]}/{panel.a2[pairs[how].panel[0]]}"
        )
        return InputError(
            name,
            f"{problem}: {met[how]:,} meet by {how} but their alleles differ (first: {example})",
            "Check the allele columns.",
        )
    if ss.chromosomes and not set(ss.chromosomes) & set(panel.names):
        return InputError(
            name,
            f"{problem}: it holds chromosomes {', '.join(ss.chromosomes[:25])}, the reference "
            f"{', '.join(panel.names)}",
        )
    if not (ss.chrom >= 0).any() or not (ss.pos > 0).any():
        ids = f"it has no positions, and identifiers such as '{ss.snp[0]}' against '{panel.snp[0]}'"
        return InputError(name, f"{problem}: {ids}", "Give columns with chromosome and position.")
    text, _ = _builds_text(ss, panel)
    ids = f"identifiers such as '{ss.snp[0]}' against '{panel.snp[0]}'"
    return InputError(
        name, f"{problem}: {ids}, and {text}", "Lift the positions over or give identifiers."
    )
