"""`bayesmixer munge`: any GWAS file in, clean summary statistics and their provenance out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bayesmixer.cli.of_ldsc import needs_rules
from bayesmixer.cli.options import Force, Quiet, Threads
from bayesmixer.cli.output import check_inputs, say
from bayesmixer.errors import InputError


class ZFrom(StrEnum):
    """Where z-scores come from first."""

    auto = "auto"
    z = "z"
    beta = "beta"
    p = "p"


def _column(what: str, *names: str) -> Any:
    return typer.Option(
        *names, help=f"Column with {what}.", show_default=False, rich_help_panel="Columns"
    )


def _ldsc(what: str, *names: str) -> Any:
    return typer.Option(*names, help=f"With --like-ldsc: {what}.", show_default=False)


def how_read(path: Path, attributes: Mapping[str, Any]) -> str:
    """One line: the format recognised, the column taken as effect allele, and where z and N come
    from.
    """
    how = {
        name: attributes[name]
        for name in ("format", "effect_allele", "z_definition", "n_definition")
    }
    return (
        f"{path.name}: {how['format']}, effect allele {how['effect_allele']}, z from "
        f"{how['z_definition']}, N: {how['n_definition']}"
    )


def command(
    out: Annotated[
        Path,
        typer.Option(
            help="Output: .sumstats.gz, .tsv.gz, .tsv or .parquet; provenance goes to OUT.json.",
            show_default=False,
        ),
    ],
    sumstats: Annotated[
        Path | None,
        typer.Argument(
            help="GWAS file of any common format: text (plain, gzip, bgzip, zstd) or Parquet.",
            show_default=False,
        ),
    ] = None,
    named: Annotated[
        Path | None,
        typer.Option("--sumstats", help="The GWAS file, as LDSC names it.", show_default=False),
    ] = None,
    trait: Annotated[
        str, typer.Option(help="Name of the trait; the file's name without.", show_default=False)
    ] = "",
    build: Annotated[str, typer.Option(help="GRCh37 or GRCh38.", show_default=False)] = "",
    sample_size: Annotated[
        float | None,
        typer.Option(
            "--sample-size",
            "--N",
            help="Sample size, where the file has no column of it.",
            show_default=False,
        ),
    ] = None,
    n_case: Annotated[
        str | None,
        typer.Option(
            "--n-case",
            "--N-cas",
            "--N-cas-col",
            help="Cases: a number, or the column's name.",
            show_default=False,
        ),
    ] = None,
    n_control: Annotated[
        str | None,
        typer.Option(
            "--n-control",
            "--N-con",
            "--N-con-col",
            help="Controls: a number, or the column's name.",
            show_default=False,
        ),
    ] = None,
    n_eff_half: Annotated[
        str | None, _column("half of the effective sample size, as PGC writes it")
    ] = None,
    info_min: Annotated[
        float,
        typer.Option(min=0, help="Keep variants with imputation INFO above this; 0 keeps all."),
    ] = 0.9,
    maf_min: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.5,
            help="Keep variants with minor allele frequency above this; 0 keeps all.",
        ),
    ] = 0.01,
    n_min: Annotated[
        str,
        typer.Option(
            help="Keep variants with at least this N; auto: 90th percentile / 1.5; 0 keeps all."
        ),
    ] = "auto",
    keep_ambiguous: Annotated[
        bool, typer.Option("--keep-ambiguous", help="Keep A/T and C/G variants.")
    ] = False,
    keep_indels: Annotated[
        bool, typer.Option("--keep-indels", help="Keep insertions and deletions.")
    ] = False,
    keep_mhc: Annotated[
        bool, typer.Option("--keep-mhc", help="Keep chromosome 6, 25-35 Mb.")
    ] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            help=(
                "Leave out a region (6:25000000-35000000) or those of a BED file; repeat for more."
            ),
            show_default=False,
        ),
    ] = None,
    max_loss: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Largest share of the rows that one reason other than a limit may take.",
        ),
    ] = 0.2,
    z_from: Annotated[
        ZFrom, typer.Option(help="Take z from: a z column, beta / se, or P and sign.")
    ] = ZFrom.auto,
    a1_increasing: Annotated[
        bool,
        typer.Option("--a1-increasing", "--a1-inc", help="a1 increases the trait in every row."),
    ] = False,
    separator: Annotated[
        str | None,
        typer.Option(help="tab, comma, semicolon, space or a character.", show_default=False),
    ] = None,
    decimal: Annotated[
        str, typer.Option(help="point, or comma for numbers written 0,05.")
    ] = "point",
    snp: Annotated[str | None, _column("the identifier")] = None,
    chrom: Annotated[str | None, _column("the chromosome")] = None,
    pos: Annotated[str | None, _column("the position")] = None,
    a1: Annotated[str | None, _column("the effect allele (ID:4: part 4 of a column ID)")] = None,
    a2: Annotated[str | None, _column("the other allele")] = None,
    z: Annotated[str | None, _column("z-scores")] = None,
    beta: Annotated[str | None, _column("effects or log odds ratios")] = None,
    odds_ratio: Annotated[str | None, _column("odds ratios")] = None,
    se: Annotated[str | None, _column("standard errors")] = None,
    p: Annotated[str | None, _column("P values")] = None,
    log10p: Annotated[str | None, _column("-log10 P")] = None,
    lnp: Annotated[str | None, _column("ln P")] = None,
    ci_lower: Annotated[str | None, _column("lower ends of 95% confidence intervals")] = None,
    ci_upper: Annotated[str | None, _column("upper ends of 95% confidence intervals")] = None,
    n: Annotated[str | None, _column("sample sizes (or a number)", "--n", "--N-col")] = None,
    eaf: Annotated[str | None, _column("the effect allele's frequency", "--eaf", "--frq")] = None,
    maf: Annotated[str | None, _column("the minor allele's frequency")] = None,
    info: Annotated[str | None, _column("imputation INFO")] = None,
    like_ldsc: Annotated[
        bool,
        typer.Option(
            "--like-ldsc",
            help="The rules of LDSC's munge_sumstats.py: its columns, filters, z and N.",
        ),
    ] = False,
    signed_sumstats: Annotated[
        str | None, _ldsc("the signed column and its value without effect, such as OR,1")
    ] = None,
    merge_alleles: Annotated[
        Path | None,
        _ldsc("file of SNP, A1, A2; all of its variants are written, in its order"),
    ] = None,
    info_list: Annotated[
        str | None, _ldsc("columns of INFO with commas between, whose mean counts")
    ] = None,
    nstudy: Annotated[str | None, _ldsc("column with the number of studies")] = None,
    nstudy_min: Annotated[
        float | None, _ldsc("least number of studies, where there is no N; their largest without")
    ] = None,
    ignore: Annotated[str | None, _ldsc("columns to ignore, with commas between")] = None,
    daner: Annotated[
        bool, _ldsc("cases and controls are in the names FRQ_A_n, FRQ_U_n", "--daner")
    ] = False,
    daner_n: Annotated[bool, _ldsc("they are in columns Nca and Nco", "--daner-n")] = False,
    no_alleles: Annotated[bool, _ldsc("without alleles", "--no-alleles")] = False,
    keep_maf: Annotated[bool, _ldsc("write the frequency, FRQ", "--keep-maf")] = False,
    chunksize: Annotated[
        int | None,
        typer.Option(
            "--chunksize",
            help="Taken as LDSC has it; the result does not depend on it.",
            show_default=False,
        ),
    ] = None,
    threads: Threads = None,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Clean GWAS summary statistics: recognise the format, filter, count, write.

    \b
    Examples:
      bayesmixer munge height.fastGWA.gz --out height.sumstats.gz
      bayesmixer munge scz.txt --n-case 20000 --n-control 30000 \\
        --beta LogOR --out scz.parquet
      bayesmixer munge daner_scz.gz --like-ldsc --daner --out scz.sumstats.gz
    """
    if sumstats is not None and named is not None:
        raise InputError("--sumstats", f"'{named}' beside '{sumstats}', expected one file")
    if (file := sumstats or named) is None:
        raise InputError("SUMSTATS", "missing", "Give the GWAS file: 'bayesmixer munge FILE'.")
    check_inputs(file)

    import json

    from bayesmixer.io.filters import ORDER
    from bayesmixer.io.sumstats import munge_file

    extra = {
        "signed_sumstats": signed_sumstats, "merge_alleles": merge_alleles,
        "info_list": info_list, "nstudy": nstudy, "nstudy_min": nstudy_min, "ignore": ignore,
        "daner": daner, "daner_n": daner_n, "no_alleles": no_alleles, "keep_maf": keep_maf,
    }  # fmt: skip
    extra = {name: value for name, value in extra.items() if value not in (None, False)}
    if extra and not like_ldsc:
        raise needs_rules(next(iter(extra)))
    if like_ldsc and not re.search(r"\.(sumstats|tsv|txt|parquet)(\.gz)?$", out.name):
        out = out.with_name(f"{out.name}.sumstats.gz")  # LDSC's --out is what the name begins with
    try:
        smallest: float | str | None = "auto" if n_min == "auto" else float(n_min) or None
    except ValueError:
        raise InputError(
            "--n-min", f"'{n_min}' is neither a number nor 'auto'", "Give a number, or auto."
        ) from None
    if smallest is None and like_ldsc:
        smallest = "auto"  # LDSC takes 0 for none given
    _, attrs = munge_file(
        file,
        out,
        force,
        trait=trait,
        build=build,
        snp=snp,
        chrom=chrom,
        pos=pos,
        a1=a1,
        a2=a2,
        z=z,
        beta=beta,
        odds_ratio=odds_ratio,
        se=se,
        p=p,
        log10p=log10p,
        lnp=lnp,
        ci_lower=ci_lower,
        ci_upper=ci_upper,
        n=n,
        n_case=n_case,
        n_control=n_control,
        n_eff_half=n_eff_half,
        sample_size=sample_size,
        eaf=eaf,
        maf=maf,
        info=info,
        separator=separator,
        decimal=decimal,
        a1_increasing=a1_increasing,
        z_from=z_from.value,
        info_min=info_min if like_ldsc else info_min or None,
        maf_min=maf_min if like_ldsc else maf_min or None,
        n_min=smallest,
        keep_ambiguous=keep_ambiguous,
        keep_indels=keep_indels,
        keep_mhc=keep_mhc,
        exclude=exclude or (),
        max_loss=max_loss,
        like_ldsc=(extra or True) if like_ldsc else False,
    )
    say(how_read(file, attrs))
    for role, count in json.loads(attrs["taken_as_unknown"]).items():
        say(
            f"  {count:>10,} values of {role} that cannot be: taken as unknown, the rows stay "
            "where another column serves"
        )
    for name, count in json.loads(attrs["filters"]).items():
        if count:
            say(f"  {count:>10,} {name}: {ORDER[name]} ({count / attrs['rows_read']:.1%})")
    for name, why in json.loads(attrs["filters_skipped"]).items():
        say(f"  {'-':>10} {name}: not applied, {why}")
    say(
        f"kept {attrs['rows_kept']:,} of {attrs['rows_read']:,} variants: {out} and {out.name}.json"
    )
