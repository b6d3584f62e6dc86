"""Which variants are left out and why: row filters in a fixed order, each row counted at the first
that it fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike

import polars as pl

from bayesmixer.errors import InputError
from bayesmixer.io.regions import MHC, Regions

# In the order in which they run; the last ones need the whole file.
ORDER: dict[str, str] = {
    "broken_line": "lines with more or fewer columns than the header",
    "test_not_additive": "rows of tests other than the additive one (TEST column)",
    "vcf_filter": "VCF records whose FILTER is neither PASS nor '.'",
    "not_numeric": "text where a number belongs",
    "p_out_of_range": "P below 0 or above 1",
    "se_not_positive": "standard error zero, negative or infinite",
    "odds_ratio_not_positive": "odds ratio zero, negative or infinite",
    "n_not_positive": "sample size zero, negative or infinite",
    "p_zero": "P = 0 (or a bound such as <1e-300) and no effect and standard error to take z from",
    "sign_unknown": "effect of exactly 0 beside a P below 1",
    "missing": "no effect, allele, sample size, or name and position",
    "not_listed": "not among the variants of merge_alleles",
    "indel": "not a change of a single base",
    "not_acgt": "alleles other than A, C, G, T",
    "same_alleles": "both alleles the same",
    "ambiguous": "A/T and C/G, whose strand cannot be told",
    "info": "imputation INFO not above the limit",
    "maf": "minor allele frequency not above the limit",
    "mhc": "in the major histocompatibility complex, chromosome 6, 25-35 Mb",
    "region": "in the regions the user excluded",
    "duplicate": "same name, or same position and alleles, as an earlier row that was kept",
    "n_low": "sample size below the limit",
    "alleles_differ": "other alleles than those of merge_alleles",
}
_PALINDROMES = ("AT", "TA", "CG", "GC")


@dataclass
class Filters:
    """Limits of the filters.

    Parameters
    ----------
    info_min, maf_min
        Variants with INFO or MAF at or below are dropped, where the file has them; None switches
        the filter off.
    n_min
        Smallest sample size; "auto" is LDSC's rule, the 90th percentile / 1.5; None switches the
        filter off.
    keep_ambiguous, keep_indels, keep_mhc
        Whether these variants stay.
    exclude
        Further regions, see `Regions`.
    """

    info_min: float | None = 0.9
    maf_min: float | None = 0.01
    n_min: float | str | None = "auto"
    keep_ambiguous: bool = False
    keep_indels: bool = False
    keep_mhc: bool = False
    exclude: Iterable[str | PathLike[str]] = ()

    def __post_init__(self) -> None:
        for name, top in (("info_min", 2.0), ("maf_min", 0.5)):
            value = getattr(self, name)
            if value is not None and not 0 <= float(value) < top:
                raise InputError(
                    name,
                    f"{value} is outside 0 to {top:g}",
                    "Give a number in that range, or None to switch the filter off.",
                )
        if isinstance(self.n_min, str) and self.n_min != "auto":
            raise InputError(
                "n_min",
                f"'{self.n_min}' is neither a number nor 'auto'",
                "Give a number, 'auto' or None.",
            )
        if isinstance(self.n_min, int | float) and self.n_min < 0:
            raise InputError("n_min", f"{self.n_min} is negative", "Give a sample size.")
        items = [self.exclude] if isinstance(self.exclude, str | PathLike) else list(self.exclude)
        self._regions, self._mhc = Regions(items), Regions([MHC])

    def reasons(self, frame: pl.DataFrame) -> dict[str, pl.Series | pl.Expr]:
        """Row filters that need nothing but the row: name -> which rows fail."""
        a1, a2 = pl.col("a1"), pl.col("a2")
        out: dict[str, pl.Series | pl.Expr] = {}
        if self.keep_indels:
            letters = r"^([ACGT]+|[IDR*-]|<[A-Z:]+>)$"
            out["not_acgt"] = ~(a1.str.contains(letters) & a2.str.contains(letters))
        else:
            symbols = ["I", "D", "R", "-", "*"]
            out["indel"] = (
                (a1.str.len_bytes() > 1)
                | (a2.str.len_bytes() > 1)
                | a1.is_in(symbols)
                | a2.is_in(symbols)
            )
            out["not_acgt"] = ~(a1.is_in(list("ACGT")) & a2.is_in(list("ACGT")))
        out["same_alleles"] = a1 == a2
        if not self.keep_ambiguous:
            out["ambiguous"] = (a1 + a2).is_in(_PALINDROMES)
        if self.info_min is not None and "info" in frame.columns:
            out["info"] = pl.col("info") <= self.info_min
        frequency = next((name for name in ("maf", "eaf") if name in frame.columns), None)
        if self.maf_min is not None and frequency is not None:
            out["maf"] = pl.min_horizontal(pl.col(frequency), 1 - pl.col(frequency)) <= self.maf_min
        if not self.keep_mhc:
            out["mhc"] = self._mhc.contains(frame["chrom"], frame["pos"])
        if self._regions:
            out["region"] = self._regions.contains(frame["chrom"], frame["pos"])
        return out

    def whole_file(
        self, frame: pl.DataFrame, counts: dict[str, int], munged: bool
    ) -> tuple[pl.DataFrame, float | None, int]:
        """Drop duplicates and low sample sizes, counting into `counts`.

        Returns what is left, the limit on N (None: not applied), and how many of the duplicates
        have a z of their own.
        """
        before = frame.height
        first = frame.select(_first_of_name()).to_series()
        differing = 0
        if before - (kept := int(first.sum())) > 0.01 * before:
            differing = (
                frame.select(pl.struct("snp", "chrom", "pos", "z").is_first_distinct().sum()).item()
                - kept
            )
        frame = frame.filter(first)
        placed = frame["pos"] > 0
        if placed.any():
            keys = [
                pl.col("chrom"),
                pl.col("pos"),
                pl.min_horizontal("a1", "a2").alias("low"),
                pl.max_horizontal("a1", "a2").alias("high"),
            ]
            place = frame.select(keys).with_row_index("row").filter(placed)
            if (
                place["chrom"].n_unique() <= 100
                and place["low"].str.len_bytes().max() == 1 == place["high"].str.len_bytes().max()
            ):
                # one integer a variant: chromosome, position and the two letters
                letters = {"A": 0, "C": 1, "G": 2, "T": 3}
                pair = pl.col("low").replace_strict(letters, return_dtype=pl.Int64) * 4 + pl.col(
                    "high"
                ).replace_strict(letters, return_dtype=pl.Int64)
                code = {c: i for i, c in enumerate(place["chrom"].unique().to_list())}
                key = (
                    pl.col("chrom").replace_strict(code, return_dtype=pl.Int64) * 2**40
                    + pl.col("pos")
                ) * 16 + pair
            else:
                key = pl.struct("chrom", "pos", "low", "high")
            again = place.filter(~key.is_first_distinct())["row"]
            if len(again):
                frame = (
                    frame.with_row_index("row")
                    .filter(~pl.col("row").is_in(again.implode()))
                    .drop("row")
                )
        counts["duplicate"] = before - frame.height
        limit: float | None = None
        if self.n_min == "auto":
            # a file that LDSC or `munge` wrote has been through this rule: once is enough
            percentile = frame["n"].quantile(0.9, "linear")
            limit = None if munged or percentile is None else float(percentile) / 1.5
        elif self.n_min is not None:
            limit = float(self.n_min)
        if limit is not None:
            before = frame.height
            frame = frame.filter(pl.col("n") >= limit)
            counts["n_low"] = before - frame.height
        return frame, limit, max(0, differing)


def _first_of_name() -> pl.Expr:
    """Rows that are not another of an earlier name: names at different places are different
    variants.

    A name that is a place (1:1000) is shared by all variants there, whose alleles tell them apart.
    """
    snp, placed = pl.col("snp"), pl.col("pos") > 0
    here = pl.when(placed).then(pl.col("pos"))
    same = pl.struct(
        snp, pl.when(placed).then(pl.col("chrom")).alias("c"), here.alias("p")
    ).is_first_distinct()
    is_place = placed & snp.str.contains(r"(?i)^(chr)?[0-9XYMT]{1,2}[:_-]\d+$")
    return is_place | snp.is_unique() | same


def count_first(
    frame: pl.DataFrame,
    reasons: dict[str, pl.Series | pl.Expr],
    counts: dict[str, int],
    order: Sequence[str] = tuple(ORDER),
) -> pl.DataFrame:
    """Drop every row that fails a filter, adding to `counts` at the first it fails (unknown values
    pass).
    """
    names = [name for name in order if name in reasons]
    failed = frame.select(
        **{
            name: (
                value if isinstance(value := reasons[name], pl.Series) else value.fill_null(False)
            )
            for name in names
        },
    )
    alive: pl.Series | None = None
    for name in names:
        bad = failed[name]
        removed = bad if alive is None else bad & alive
        counts[name] = counts.get(name, 0) + int(removed.sum())
        alive = ~bad if alive is None else alive & ~bad
    return frame if alive is None else frame.filter(alive)


def ordered(counts: dict[str, int]) -> dict[str, int]:
    """Counts in the order in which the filters ran."""
    return {name: counts[name] for name in ORDER if name in counts}
