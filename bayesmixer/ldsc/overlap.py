"""Annotations that overlap: what share of variants and of heritability each holds, and how much
richer it is than the rest.

Source: Finucane et al. 2015, Nature Genetics 47:1228; tau*: Gazal et al. 2017, Nature Genetics
49:1421.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from bayesmixer.errors import InputError
from bayesmixer.io.ld_score_files import ENDING, files_at, ldsc_files, prefixes, tabbed, unpacked
from bayesmixer.jackknife import Estimate
from bayesmixer.ldsc.heritability import Heritability
from bayesmixer.ldsc.laws import t_below
from bayesmixer.ldsc.panel import rows_in
from bayesmixer.ldsc.regression import Array

ANNOT = re.compile(r"\.annot(\.gz|\.bz2|\.xz)?$")
FREQUENCIES = re.compile(r"\.frq(\.gz|\.bz2|\.xz)?$")
PLACE = ("CHR", "BP", "SNP", "CM")
COMMON = 0.05
MOST = 30_000  # variants of annotations held at a time


@dataclass(frozen=True)
class Overlap:
    """How annotations overlap over the variants of the reference.

    Attributes
    ----------
    products
        (A, A) sums over variants of a_i a_j.
    sums
        (A,) of a_i.
    total
        Number of variants.
    """

    products: Array
    sums: Array
    total: int

    def of_annotations(self, kept: Sequence[int]) -> Overlap:
        """Some of the annotations."""
        at = list(kept)
        return Overlap(self.products[np.ix_(at, at)], self.sums[at], self.total)


def read_overlap(
    annot: str | Path | Sequence[str | Path],
    frq: str | Path | None,
    names: Sequence[str],
    *,
    common: bool,
) -> Overlap:
    """Sums of products of annotations from LDSC's annot files.

    Parameters
    ----------
    annot
        Prefix (or prefixes, one a set) of *.annot.gz beside which the LD scores lie.
    frq
        Prefix of *.frq files of the reference; needed for `common`.
    names
        (A,) columns of the LD scores, such as "baseL2".
    common
        Only variants with MAF above 5%, as in M_5_50.

    Raises
    ------
    InputError
        Files are missing or of other variants or annotations.
    """
    sets = prefixes(annot)
    by_set = [_files(one) for one in sets]
    frequencies: list[Path] = []
    if common:
        if frq is None:
            raise InputError(
                "frq",
                "missing: overlap over variants with MAF above 5% needs allele frequencies",
                "Give the prefix of the reference's .frq files, or m='M'.",
            )
        frequencies = files_at(frq, FREQUENCIES, "frequencies")
        if not frequencies:
            raise InputError(frq, "no files such as 22.frq there")
    if len({len(files) for files in by_set}) > 1:
        found = ", ".join(f"{len(files)} of {one}" for files, one in zip(by_set, sets, strict=True))
        raise InputError("annot", f"other numbers of files from set to set: {found}")
    size = len(names)
    products, sums, total = np.zeros((size, size)), np.zeros(size), 0
    for files in zip(*by_set, strict=True):
        matrix, snp = _joined(files, size, names)
        if common:
            kept = _common(frequencies, files[0], snp)
            matrix = matrix[kept]
        products += matrix.T @ matrix
        sums += matrix.sum(axis=0)
        total += len(matrix)
    return Overlap(products, sums, total)


def _files(prefix: str | Path) -> list[Path]:
    found = files_at(prefix, ANNOT, "annotations")
    if not found and (scores := ldsc_files(prefix)):
        beside = [
            next(
                (
                    f
                    for end in (".annot.bz2", ".annot.gz", ".annot.xz", ".annot")
                    if (f := file.with_name(stem + end)).is_file()
                ),
                None,
            )
            for file in scores
            for stem in [ENDING.sub("", file.name)]
        ]
        found = [file for file in beside if file is not None]
    if not found:
        raise InputError(
            prefix,
            "no annotations (files such as 22.annot.gz) there, which overlap needs",
            "Give annot, or overlap=False for annotations that share no variant.",
        )
    return sorted(found, key=lambda file: [int(v) for v in re.findall(r"\d+", file.name)])


def _joined(
    files: Sequence[Path], size: int, names: Sequence[str]
) -> tuple[Array, pl.Series | None]:
    """Annotations (J, A) of one chromosome from files of one set or several, and identifiers where
    the first has them.
    """
    tables = []
    for file in files:
        try:
            raw = tabbed(unpacked(file.read_bytes(), file.suffix))
            tables.append(pl.read_csv(raw, separator="\t", null_values=["NA"]))
        except Exception as error:
            said = " ".join(str(error).split())[:120]
            raise InputError(file, f"cannot be read ({type(error).__name__}: {said})") from None
        if len(tables[-1]) != len(tables[0]):
            raise InputError(
                file, f"{len(tables[-1]):,} variants, but {files[0].name} has {len(tables[0]):,}"
            )
    snp = tables[0]["SNP"] if "SNP" in tables[0].columns else None
    parts = [t.drop([c for c in PLACE if c in t.columns]) for t in tables]
    found = [c for part in parts for c in part.columns]
    if len(found) != size:
        raise InputError(
            files[0],
            f"{len(found)} annotations ({', '.join(found[:3])}, ...), but there are {size} LD "
            f"scores ({', '.join(names[:3])}, ...)",
        )
    matrix = np.concatenate([p.cast(pl.Float64).to_numpy() for p in parts], axis=1)
    short = [name.removesuffix("L2") for name in names]
    if found != short and sorted(found) == sorted(set(short)):  # in another order
        matrix = matrix[:, [found.index(name) for name in short]]
    if not np.isfinite(matrix).all():
        raise InputError(files[0], "an annotation is missing")
    return matrix, snp


def _chromosome(file: Path, ending: re.Pattern[str]) -> str:
    """The last number of a name: 22 of 1000G.EUR.QC.22.frq."""
    return str((re.findall(r"\d+", ending.sub("", file.name)) or [""])[-1])


def _common(frequencies: Sequence[Path], annot: Path, snp: pl.Series | None) -> Array:
    """Variants of MAF above 5% among those of a file of annotations."""
    chromosome = _chromosome(annot, ANNOT)
    at = [f for f in frequencies if _chromosome(f, FREQUENCIES) == chromosome]
    if not at and len(frequencies) == 1:
        at = list(frequencies)
    if not at:
        raise InputError(frequencies[0].parent, f"no frequencies for {annot.name} there")
    try:
        raw = unpacked(at[0].read_bytes(), at[0].suffix)
    except Exception as error:
        raise InputError(at[0], f"cannot be read ({error})") from None
    first = raw[: max(raw.find(b"\n"), 0)].split()
    try:
        separator = "\t" if b"\t" in raw[:200] else " "
        if separator == " " and (b"  " in raw or raw[:1] == b" "):  # as PLINK aligns columns
            raw = re.sub(rb"(?m)^ +| +$", b"", re.sub(rb" +", b" ", raw))
        names = [c.decode() for c in first]
        column = next(c for c in names if c in ("MAF", "FRQ", "ALT_FREQS"))
        table = pl.read_csv(
            raw,
            separator=separator,
            columns=[c for c in names if c in ("SNP", column)],
            null_values=["NA"],
            schema_overrides={"SNP": pl.String, column: pl.Float64},
        )
    except Exception:
        raise InputError(at[0], "cannot be read, or has no column MAF or FRQ") from None
    f = table[column].fill_null(np.nan).to_numpy()
    if snp is not None and "SNP" in names:
        there = table["SNP"]
        if not there.equals(snp):
            place = rows_in(snp, there)
            if (place < 0).any():
                raise InputError(at[0], f"lacks variants of {annot.name}")
            f = f[place]
    if snp is None and len(f) == 0:
        raise InputError(at[0], "no variants in it")
    return np.asarray((f > COMMON) & (f < 1 - COMMON))


@dataclass(frozen=True)
class Partition:
    """What overlapping annotations hold.

    Attributes
    ----------
    fit
        The regression.
    overlap
        Of the annotations.
    """

    fit: Heritability
    overlap: Overlap

    @cached_property
    def share_of_variants(self) -> Array:
        """(A,) share of the variants."""
        return np.asarray(self.fit.m / self.overlap.total)

    @cached_property
    def proportion(self) -> Estimate:
        """(A,) share of the heritability that its variants have."""
        return self.fit.proportion.through(self.overlap.products / self.fit.m[None, :])

    @cached_property
    def enrichment(self) -> Estimate:
        """(A,) share of heritability over share of variants."""
        return self.proportion.through(np.diag(1 / self.share_of_variants))

    def tests(self, blocks: int, like_ldsc: bool = False) -> Array:
        """(A,) two-sided p of the same heritability a variant inside an annotation as outside; nan
        for one that holds every variant.

        Parameters
        ----------
        blocks
            Degrees of freedom.
        like_ldsc
            Know an annotation that holds every variant by M alone, which may count fewer.
        """
        o, m, total = self.overlap.products, self.fit.m, self.overlap.total
        out = np.full(len(m), np.nan)
        for a in range(len(m)):
            if m[a] >= total or (not like_ldsc and self.overlap.sums[a] == o[a, a] == total):
                continue
            contrast = o[a] / m[a] - (m - o[a]) / (total - m[a])
            value = contrast @ self.fit.coefficient.value
            error = np.sqrt(contrast @ self.fit.coefficient.covariance @ contrast)
            out[a] = 2 * t_below(blocks, -abs(value / error)) if error > 0 else np.nan
        return out

    @cached_property
    def tau_star(self) -> Estimate:
        """(A,) change of per-variant heritability with one standard deviation of the annotation,
        as a share of the mean.
        """
        mean = self.overlap.sums / self.overlap.total
        square = np.diag(self.overlap.products) / self.overlap.total
        sd = np.sqrt(np.maximum(square - mean**2, 0))
        scaled = self.fit.coefficient.through(np.diag(self.overlap.total * sd))
        return scaled.over(self.fit.total)
