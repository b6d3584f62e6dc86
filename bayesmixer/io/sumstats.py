"""Summary statistics: any common GWAS file -> a Sumstats dataset, and the same munged to a file
(docs/reference/data_structures.md).
"""

from __future__ import annotations

import inspect
import json
import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bayesmixer.errors import DataWarning, InputError
from bayesmixer.io.filters import Filters, count_first, ordered
from bayesmixer.io.given import Given, given_columns, known_build, numeric_or_name
from bayesmixer.io.harmonise import Seen, numbers
from bayesmixer.io.like_ldsc import Extra, read_like_ldsc
from bayesmixer.io.loss import check_loss, check_max_loss, refuse_empty
from bayesmixer.io.munged import check_destination, write_munged
from bayesmixer.io.plausible import cut_off
from bayesmixer.io.recipe import Recipe, write_recipe
from bayesmixer.io.text import Table, open_table
from bayesmixer.progress import bar

if TYPE_CHECKING:
    import xarray as xr

MAF_MIN = 0.01
_FLOATS = ("z", "n", "beta", "se", "p", "eaf", "info", "n_case", "n_control")
VARIABLES = ("snp", "chrom", "pos", "a1", "a2", *_FLOATS)
_SUFFIXES = (
    ".gz",
    ".bgz",
    ".zst",
    ".bz2",
    ".xz",
    ".txt",
    ".tsv",
    ".csv",
    ".vcf",
    ".parquet",
    ".sumstats",
)


def read_sumstats(
    path: str | os.PathLike[str],
    *,
    trait: str = "",
    build: str = "",
    snp: str | None = None,
    chrom: str | None = None,
    pos: str | None = None,
    a1: str | None = None,
    a2: str | None = None,
    z: str | None = None,
    beta: str | None = None,
    odds_ratio: str | None = None,
    se: str | None = None,
    p: str | None = None,
    log10p: str | None = None,
    lnp: str | None = None,
    ci_lower: str | None = None,
    ci_upper: str | None = None,
    n: str | float | None = None,
    n_case: str | float | None = None,
    n_control: str | float | None = None,
    n_eff_half: str | None = None,
    sample_size: float | None = None,
    eaf: str | None = None,
    maf: str | None = None,
    info: str | None = None,
    separator: str | None = None,
    decimal: str = "point",
    a1_increasing: bool = False,
    z_from: str = "auto",
    info_min: float | None = 0.9,
    maf_min: float | None = MAF_MIN,
    n_min: float | str | None = "auto",
    keep_ambiguous: bool = False,
    keep_indels: bool = False,
    keep_mhc: bool = False,
    exclude: Iterable[str | os.PathLike[str]] = (),
    max_loss: float = 0.2,
    like_ldsc: bool | Mapping[str, Any] = False,
    progress: bool | None = None,
) -> xr.Dataset:
    """Read GWAS summary statistics in any common format.

    Parameters
    ----------
    path
        Text (plain, gzip, bgzip, zstd, bzip2, xz) or Parquet. Formats are told by their columns:
        LDSC, GWAS-SSF, PLINK 2, REGENIE, SAIGE, BOLT-LMM, fastGWA, GCTA .ma, PGC daner, METAL,
        GWAS-VCF, FinnGen, SNPTEST, or a table with usual names.
    trait
        Name of the trait; the file's name by default. In a GWAS-VCF with several samples, the one
        to read.
    build
        "GRCh37" or "GRCh38", where known.
    snp, chrom, pos, a1, a2, z, beta, odds_ratio, se, eaf, maf, info
        Names of columns, where the file's own do not say what they are. `a1` is the effect allele
        (`a1="ID:4"` is part 4 of a column ID of chromosome:position:allele:allele). Where an effect
        of several analyses is named (beta_EUR), its standard error, P and N come from the columns
        named alike (se_EUR, ...) and from no others.
    p, log10p, lnp, ci_lower, ci_upper
        Names of columns too: `log10p` is -log10 P, `lnp` ln P (of either sign); `ci_lower` and
        `ci_upper` are the ends of a 95% confidence interval.
    n, n_case, n_control
        Column names, or numbers that hold for all variants.
    n_eff_half
        Column with half of the effective sample size, as PGC writes it.
    sample_size
        N for a file without; the same as a number for `n`.
    separator
        "tab", "comma", "semicolon", "space" or a character; found from the file by default.
    decimal
        "point", or "comma" for numbers written 0,05.
    a1_increasing
        a1 increases the trait in every row (a file of P values without signs).
    z_from
        "z", "beta" (beta / se) or "p" (P and the effect's sign) first; "auto" takes them in that
        order, but P before beta / se where standard errors have fewer than three digits.
    info_min, maf_min
        Drop variants with INFO or MAF at or below, where the file has them; None keeps all.
    n_min
        Drop variants with smaller N; "auto" is the 90th percentile / 1.5 as in LDSC; None keeps
        all.
    keep_ambiguous, keep_indels, keep_mhc
        Keep A/T and C/G variants, indels, and chromosome 6, 25-35 Mb.
    exclude
        Further regions: "6:25000000-35000000", "X", or paths of BED files.
    max_loss
        Largest share of the rows that one reason (not a limit or region above) may take before the
        reader stops.
    like_ldsc
        Read by the rules of LDSC's munge_sumstats.py 1.0.1, or by these options of it
        (`io.like_ldsc.Extra`: `{"daner": True}`, merge_alleles, signed_sumstats, ...): its names of
        columns, its filters, |z| from P with the sign of one column, and no positions.
    progress
        Show a progress bar; None shows it on a terminal.

    Returns
    -------
    xarray.Dataset
        Sumstats: snp, chrom, pos, a1, a2, z, n (variant), and beta, se, p, eaf, info, n_case,
        n_control where the file has them; attrs["filters"] counts what each filter removed, in
        order; attrs["effect_allele"] is the column taken as a1.

    Raises
    ------
    InputError
        The file cannot be read, lacks something that z-scores need, could mean two things, loses
        much to one reason, or keeps no variant.

    Warns
    -----
    DataWarning
        A reason takes more than 1% of the rows; N is a total beside odds ratios, or was taken as
        half of the effective N; columns contradict each other.

    Notes
    -----
    z = beta / se, or sign(beta) Phi^-1(1 - P/2) by log P, exact for P < 1e-300. For cases and
    controls N is the effective 4 / (1/n_case + 1/n_control) (Willer et al. 2010, Bioinformatics
    26:2190).

    Examples
    --------
    >>> height = bm.read_sumstats("height.fastGWA.gz", build="GRCh37")  # doctest: +SKIP
    """
    return _dataset(*_read(SimpleNamespace(**locals())))


def munge(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    overwrite: bool = True,
    **options: Any,
) -> xr.Dataset:
    """Read summary statistics and write them clean, with their provenance beside them.

    Parameters
    ----------
    path
        Summary statistics in any format that `read_sumstats` reads.
    out
        `.sumstats.gz`, `.tsv.gz` or `.txt.gz` (without `.gz`: plain): the columns of LDSC (SNP A1
        A2 Z N) and CHR BP; `.parquet`: every variable. The provenance (a JSON object) goes to the
        same name with `.json` added.
    overwrite
        Replace files that are there; otherwise stop.
    **options
        As in `read_sumstats`.

    Returns
    -------
    xarray.Dataset
        The Sumstats dataset that was written.

    Raises
    ------
    InputError
        As in `read_sumstats`, or the output cannot be written. Nothing is left half-written.
    """
    return _dataset(*munge_file(path, out, overwrite, **options))


def munge_file(
    path: str | os.PathLike[str], out: str | os.PathLike[str], overwrite: bool, **options: Any
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """`munge` without a dataset: variables by column, and attributes. It needs no xarray, half a
    second.
    """
    out = Path(out)
    check_destination(out, Path(path), overwrite)
    asked = inspect.signature(read_sumstats).bind(path, **options)
    asked.apply_defaults()
    frame, attributes = _read(SimpleNamespace(**asked.arguments))
    chosen = {
        k: str(v) if isinstance(v, os.PathLike) else v
        for k, v in options.items()
        if k not in {"progress"} and v not in (None, "", (), False)
    }
    kept = [name for name in VARIABLES if name in frame.columns]
    write_munged(frame.select(kept), attributes, out, chosen, options.get("progress"))
    return frame, attributes


def _read(o: SimpleNamespace) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Variables by column and attributes of the dataset; `o` holds the arguments of
    `read_sumstats`.
    """
    path = Path(o.path)
    number = {}
    name: dict[str, str | None] = {}
    for role, value in (("n", o.n), ("n_case", o.n_case), ("n_control", o.n_control)):
        name[role], number[role] = numeric_or_name(value, role)
    if number["n"] is not None and o.sample_size is not None and number["n"] != o.sample_size:
        raise InputError(
            "sample_size", f"{o.sample_size:g} contradicts n={number['n']:g}", "Give one of them."
        )
    given = Given(
        given_columns(
            snp=o.snp,
            chrom=o.chrom,
            pos=o.pos,
            a1=o.a1,
            a2=o.a2,
            z=o.z,
            beta=o.beta,
            odds_ratio=o.odds_ratio,
            se=o.se,
            p=o.p,
            log10p=o.log10p,
            lnp=o.lnp,
            ci_lower=o.ci_lower,
            ci_upper=o.ci_upper,
            n_eff_half=o.n_eff_half,
            eaf=o.eaf,
            maf=o.maf,
            info=o.info,
            **name,
        ),
        number["n"] if o.sample_size is None else o.sample_size,
        number["n_case"],
        number["n_control"],
        o.a1_increasing,
        o.z_from,
        o.trait,
        o.decimal,
    )
    check_max_loss(o.max_loss)
    filters = Filters(
        o.info_min, o.maf_min, o.n_min, o.keep_ambiguous, o.keep_indels, o.keep_mhc, o.exclude
    )
    build = known_build(o.build)
    about = {"kind": "sumstats", "trait": o.trait or _stem(path), "source": path.name}
    if o.like_ldsc is not False:
        if o.z_from != "auto" or o.keep_ambiguous or o.keep_indels or o.keep_mhc or o.exclude:
            found = "given with z_from=, keep_ambiguous=, keep_indels=, keep_mhc= or exclude="
            raise InputError("like_ldsc", f"{found}, which LDSC has not", "Leave those out.")
        frame, told = read_like_ldsc(path, given, filters, Extra.of(o.like_ldsc), o.separator)
        return frame, about | {"build": build} | told
    with open_table(path, o.separator) as table:
        recipe = write_recipe(table, given)
        if recipe.format == "ldsc" and filters.maf_min == MAF_MIN:
            filters.maf_min = None  # the program that wrote the file has applied its own
        seen = Seen()
        frame, counts, rows = _read_rows(table, recipe, filters, seen, o.progress)
        digest = table.digest()
        columns = {role: table.names[i] for role, i in recipe.columns.items()}
    frame, limit = _finish(frame, recipe, filters, counts, seen)
    if not frame.height:
        refuse_empty(path, counts, rows, seen, columns)
    check_loss(path, counts, rows, seen, o.max_loss, columns)
    _check_z(path, frame, recipe)
    return frame, about | {
        "sha256": digest,
        "format": recipe.format,
        "build": build or recipe.build,
        "rows_read": rows,
        "rows_kept": frame.height,
        "filters": json.dumps(counts),
        "filters_skipped": json.dumps(_skipped(counts, frame, filters, recipe)),
        "taken_as_unknown": json.dumps(seen.aside),
        "effect_allele": recipe.effect_allele,
        "n_definition": recipe.n_definition,
        "z_definition": recipe.z_definition,
        "n_min": float("nan") if limit is None else limit,
        "columns": json.dumps(columns),
    }


def _read_rows(
    table: Table, recipe: Recipe, filters: Filters, seen: Seen, progress: bool | None
) -> tuple[pl.DataFrame, dict[str, int], int]:
    counts: dict[str, int] = {}
    frames, rows, done = [], 0, 0
    with bar(f"Reading {table.path.name}", table.size / 1e6, progress) as b:
        for chunk in table.chunks(list(recipe.columns.values())):
            text = recipe.text(chunk)
            rows += text.height
            frame, reasons = numbers(text, recipe.plan, seen)
            reasons |= filters.reasons(frame)
            frames.append(count_first(frame, reasons, counts))
            b.advance((table.position - done) / 1e6)
            done = table.position
    if table.broken:
        rows += len(table.broken)
        counts["broken_line"] = len(table.broken)
        found = (
            f"{len(table.broken)} lines have another number of columns than the header (first: "
            f"line {table.broken[0]})"
        )
        warnings.warn(f"{table.path}: {found}; left out", DataWarning, 4)
    if not rows:
        raise InputError(table.path, "no row below the header", "Make or fetch the file again.")
    return pl.concat(frames, rechunk=False), counts, rows


def _finish(
    frame: pl.DataFrame, recipe: Recipe, filters: Filters, counts: dict[str, int], seen: Seen
) -> tuple[pl.DataFrame, float | None]:
    """Filters that need the whole file; columns that hold nothing known go."""
    limit = None
    if frame.height:
        varies = recipe.plan.n_rule != "constant"
        frame, limit, seen.contradicting = filters.whole_file(
            frame, counts, munged=recipe.format == "ldsc" or not varies
        )
    done = ordered(counts)
    counts.clear()
    counts.update(done)
    for role in ("eaf", "maf", "info") if frame.height else ():
        if role in frame.columns and frame[role].is_null().all():
            frame = frame.drop(role)  # all unknown: as if the file had no such column
            counts.pop("info" if role == "info" else "maf", None)
    return frame, limit


def _check_z(path: Path, frame: pl.DataFrame, recipe: Recipe) -> None:
    """A word, or an error, about z-scores that are none."""
    z = frame["z"].to_numpy()
    if len(z) >= 20 and not z.any():
        raise InputError(
            path,
            f"every z-score is 0 (z from {recipe.z_definition})",
            "Name the right columns, e.g. z=, beta=, se= (--z, ...).",
        )
    chosen = cut_off(z[np.isfinite(z)])
    if chosen is not None:
        warnings.warn(f"{path}: {chosen}", DataWarning, 4)
    median = float(np.median(z))
    if frame.height >= 1000 and abs(median) > 0.5 and not recipe.plan.a1_increasing:
        warnings.warn(
            f"{path}: the median z-score is {median:.2f}, expected near 0; check which column "
            "holds the effect",
            DataWarning,
            4,
        )


def _skipped(
    counts: dict[str, int], frame: pl.DataFrame, filters: Filters, recipe: Recipe
) -> dict[str, str]:
    """Filters that are switched on but had nothing to work on."""
    out = {}
    if not filters.keep_mhc and not (frame["pos"] > 0).any():
        out["mhc"] = "the file has no positions"
    if filters.info_min is not None and "info" not in counts:
        out["info"] = "the file has no INFO"
    if filters.maf_min is not None and "maf" not in counts:
        out["maf"] = "the file has no allele frequency"
    if filters.n_min is not None and "n_low" not in counts:
        out["n_low"] = (
            "already applied by the program that wrote the file"
            if recipe.format == "ldsc"
            else "all variants have the same N"
        )
    return out


def _dataset(frame: pl.DataFrame, attributes: dict[str, Any]) -> xr.Dataset:
    """The Sumstats dataset of what `_read` returns."""
    import xarray as xr

    from bayesmixer.variables import validate

    # fastpath: without it xarray sends ten million strings through pandas and back
    data: dict[str, Any] = {
        "snp": xr.Variable(("variant",), frame["snp"].to_numpy().astype(object), fastpath=True)
    }
    for name in ("chrom", "a1", "a2"):
        data[name] = ("variant", _few_texts(frame[name]))
    data["pos"] = ("variant", frame["pos"].to_numpy().astype(np.int64))
    for name in _FLOATS:
        if name in frame.columns:
            data[name] = (
                "variant",
                frame[name].fill_null(float("nan")).to_numpy().astype(np.float64, copy=False),
            )
    ds = xr.Dataset({name: data[name] for name in VARIABLES if name in data}, attrs=attributes)
    return validate(ds, "sumstats", attributes["source"])


def _few_texts(values: pl.Series) -> NDArray[Any]:
    """Text with few distinct values: fixed width where short, else objects that share their
    strings.
    """
    unique = values.unique().sort()
    codes = values.replace_strict(
        unique, pl.Series(np.arange(len(unique), dtype=np.int32))
    ).to_numpy()
    short = max(map(len, unique.to_list()), default=1) <= 4
    texts: NDArray[Any] = np.asarray(unique.to_list(), dtype="U4" if short else object)
    return np.asarray(texts[codes])


def _stem(path: Path) -> str:
    name = path.name
    while Path(name).suffix.lower() in _SUFFIXES and Path(name).stem:
        name = Path(name).stem
    return name


__all__ = ["munge", "read_sumstats"]
