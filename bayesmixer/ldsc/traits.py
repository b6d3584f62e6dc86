"""Summary statistics as the regressions take them, and on the list of variants of LD scores.

Neither pandas nor xarray is imported here; files of other formats than LDSC's go through the
general reader, which imports them.
"""

from __future__ import annotations

import os
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bayesmixer.errors import DataWarning, InputError
from bayesmixer.io.ld_score_files import MISSING, LDScores, read_ld_scores

Array = NDArray[np.float64]
Index = NDArray[np.int64]

COLUMNS = ("SNP", "A1", "A2", "Z", "N")
LETTERS = "ACGT"
OTHER = 16  # code of alleles that are no pair of different bases


@dataclass(frozen=True)
class Trait:
    """Summary statistics of one trait.

    Attributes
    ----------
    name, source
        Of the trait; the file or object.
    snp
        (V,) identifiers.
    z, n
        (V,).
    alleles
        (V,) effect allele and other allele as one number, 4 times the first's place in ACGT and
        the second's, `OTHER` for what is no pair of bases; None where the file has none.
    """

    name: str
    source: str
    snp: pl.Series
    z: Array
    n: Array
    alleles: NDArray[np.uint8] | None

    def __len__(self) -> int:
        return len(self.z)

    def at(self, rows: Index) -> Trait:
        """Some of its variants, without identifiers, which of many traits would fill the memory;
        nothing is copied where they are all, as they stand.
        """
        same = len(rows) == len(self) and bool((np.diff(rows) == 1).all())
        codes = self.alleles
        return Trait(
            self.name,
            self.source,
            self.snp.clear(),
            self.z if same else self.z[rows],
            self.n if same else self.n[rows],
            codes if same or codes is None else codes[rows],
        )


@dataclass(frozen=True)
class Origin:
    """Where summary statistics are from.

    Attributes
    ----------
    name, source
        Of the trait; the file or object.
    n_read, n_reference, n_weights
        Variants that were read, those of them with an LD score of the reference, and with a weight
        too.
    """

    name: str
    source: str
    n_read: int
    n_reference: int
    n_weights: int


def read_trait(sumstats: Any, where: str = "sumstats") -> Trait:
    """A trait from a path, a Sumstats dataset, or a table with the columns SNP, Z, N (A1, A2).

    Raises
    ------
    InputError
        It cannot be read or lacks z or N, or no variant has both.
    """
    if isinstance(sumstats, Trait):
        return sumstats
    name, source = "", where
    if isinstance(sumstats, str | os.PathLike):
        path = Path(sumstats)
        name, source = _stem(path), str(path)
        table = _ldsc_table(path)
        if table is None:
            from bayesmixer.io.sumstats import read_sumstats

            sumstats = read_sumstats(path)
        else:
            return _of_table(table, name, source)
    if hasattr(sumstats, "data_vars"):
        lacking = [v for v in ("snp", "z", "n") if v not in sumstats]
        if lacking or sumstats["z"].ndim != 1:
            raise InputError(
                where,
                f"no {', '.join(lacking)} in it" if lacking else "several traits in it",
                "Give what read_sumstats returns.",
            )
        given = {
            column: sumstats[v].values
            for column, v in zip(COLUMNS, ("snp", "a1", "a2", "z", "n"), strict=True)
            if v in sumstats
        }
        table = pl.DataFrame(
            {c: pl.Series(v.astype(str)) if v.dtype.kind in "OUST" else v for c, v in given.items()}
        )
        name = str(sumstats.attrs.get("trait") or name or where)
        return _of_table(table, name, str(sumstats.attrs.get("source") or source))
    if isinstance(sumstats, pl.DataFrame):
        table = sumstats
    elif hasattr(sumstats, "columns") and hasattr(sumstats, "to_dict"):
        table = pl.DataFrame(
            {
                c: sumstats[c].to_numpy() if c in ("Z", "N") else sumstats[c].astype(str).to_list()
                for c in COLUMNS
                if c in sumstats
            }
        )
    else:
        raise InputError(
            where,
            f"a {type(sumstats).__name__}, expected a path, what read_sumstats returns, or a table "
            "with the columns SNP, A1, A2, Z and N",
        )
    return _of_table(table, name or where, source)


def _stem(path: Path) -> str:
    name = path.name
    for ending in (".gz", ".bz2", ".xz", ".zst", ".parquet", ".tsv", ".txt", ".sumstats"):
        name = name.removesuffix(ending)
    return name


def _ldsc_table(path: Path) -> pl.DataFrame | None:
    """Columns of a file in LDSC's own format, or None where it is another."""
    if path.suffix == ".parquet":
        found = pl.read_parquet(path)
        return found if {"SNP", "Z", "N"} <= set(found.columns) else None
    try:
        raw = path.read_bytes()
        head = _head(raw) if path.suffix == ".gz" else raw[: max(raw.find(b"\n"), 0)]
    except (OSError, EOFError, zlib.error) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise InputError(path, f"cannot be read ({said})") from None
    first = head.decode("utf-8", "replace").strip("\r")
    for separator in ("\t", " "):
        names = first.split(separator)
        if {"SNP", "Z", "N"} <= set(names):
            break
    else:
        return None
    kept = [c for c in names if c in COLUMNS]
    bases = pl.Enum(list(LETTERS))
    # to look for words that mean missing, and letters that are no bases, takes twice as long
    for letters, missing in ((bases, None), (bases, ["", *MISSING]), (pl.String, ["", *MISSING])):
        types = {c: pl.Float64 if c in ("Z", "N") else letters for c in kept} | {"SNP": pl.String}
        try:
            table = pl.read_csv(
                raw, separator=separator, columns=kept, null_values=missing, schema_overrides=types
            )
        except Exception as error:
            said = " ".join(str(error).split())[:120]
            refused = InputError(path, f"cannot be read ({type(error).__name__}: {said})")
        else:
            if missing is not None or not _may_be_missing(table):
                return table
    raise refused


def _may_be_missing(table: pl.DataFrame) -> bool:
    """Whether a value is a word for none (`MISSING`)."""
    snp = table["SNP"]
    short = snp.filter(snp.str.len_bytes() <= max(map(len, MISSING)))  # few are, and quick to find
    return short.is_in(MISSING).any() or any(table[c].is_nan().any() for c in ("Z", "N"))


def _head(raw: bytes) -> bytes:
    """First line of what is packed by gzip."""
    unpack, text = zlib.decompressobj(31), b""
    for at in range(0, len(raw), 1 << 16):
        text += unpack.decompress(raw[at : at + (1 << 16)])
        if (end := text.find(b"\n")) >= 0:
            return text[:end]
    return b""


def _of_table(table: pl.DataFrame, name: str, source: str) -> Trait:
    if lacking := [c for c in ("SNP", "Z", "N") if c not in table.columns]:
        raise InputError(source, f"no column {', '.join(lacking)}")
    table = table.select([c for c in COLUMNS if c in table.columns])
    numbers = pl.col("Z", "N").cast(pl.Float64, strict=False)
    table = table.with_columns(pl.col("SNP").cast(pl.String), numbers)
    if sum(table.null_count().row(0)):
        table = table.drop_nulls()
    bad = ~(np.isfinite(table["Z"].to_numpy()) & (table["N"].to_numpy() > 0))
    if not len(table) or bad.all():
        raise InputError(source, "no variant with both z and N above 0")
    if bad.any():
        warnings.warn(
            f"{source}: {int(bad.sum()):,} of {len(bad):,} rows left out, whose z is not finite or "
            "whose N is not above 0",
            DataWarning,
            stacklevel=3,
        )
        table = table.filter(~bad)
    alleles = None
    if "A1" in table.columns and "A2" in table.columns:
        alleles = _codes(table["A1"], table["A2"])
    return Trait(name, source, table["SNP"], table["Z"].to_numpy(), table["N"].to_numpy(), alleles)


def _codes(a1: pl.Series, a2: pl.Series) -> NDArray[np.uint8]:
    letters = pl.Enum(list(LETTERS))
    x, y = (
        (a if a.dtype == letters else a.str.to_uppercase().cast(letters, strict=False))
        .to_physical()
        .cast(pl.UInt8)
        .fill_null(9)
        .to_numpy()
        for a in (a1, a2)
    )
    return np.where((x == y) | (x > 3) | (y > 3), OTHER, 4 * x + y).astype(np.uint8)


def _signs() -> NDArray[np.int8]:
    """(17, 17): 1 where two codes are the same variant with the same effect allele on either
    strand, -1 where the effect alleles are swapped, 0 where they are different variants or the
    strand cannot be told.
    """
    out = np.zeros((OTHER + 1, OTHER + 1), np.int8)
    for i in range(16):
        for j in range(16):
            a, b, c, d = i // 4, i % 4, j // 4, j % 4
            if a == b or a + b == 3 or c == d:  # the complement of a base is 3 less its place
                continue
            out[i, j] = ((c, d) in ((a, b), (3 - a, 3 - b))) - int(
                (c, d) in ((b, a), (3 - b, 3 - a))
            )
    return out


SIGNS = _signs()


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
    unmatched = np.ones(len(other), bool)
    unmatched[out[same]] = False
    free = np.flatnonzero(unmatched)
    more = rows_in(one.snp.gather(rest), other.snp.gather(free))
    out[rest] = np.where(more >= 0, free[more], -1)
    return out


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
        They cannot be read, or those of the regression have several annotations.
    """
    scores = as_scores(ref_ld, "ref_ld")
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
