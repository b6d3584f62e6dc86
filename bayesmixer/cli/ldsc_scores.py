"""`bayesmixer ldsc scores`: LD scores of a panel of genotypes, of one annotation or many, under the
option names of LDSC's `ldsc.py --l2`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bayesmixer.cli.ld import chromosomes_of
from bayesmixer.cli.options import Force, Quiet, Threads
from bayesmixer.cli.output import check_inputs, say
from bayesmixer.progress import Bar, bar

if TYPE_CHECKING:
    import pandas as pd

    from bayesmixer.ld.annotated import Scored
    from bayesmixer.ld.score_files import Block

_UNITS = {"cm": "cM", "kb": "kb", "snps": "variants"}


def command(
    bfile: Annotated[
        str,
        typer.Option(
            "--bfile",
            "--pfile",
            help="Prefix, .bed or .pgen file, or a pattern with @ for the chromosome.",
            show_default=False,
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            help="Beginning of the names OUT.l2.ldscore.gz, OUT.l2.M, OUT.l2.M_5_50; of several "
            "chromosomes with @ for the chromosome, which otherwise comes last.",
            show_default=False,
        ),
    ],
    ld_wind_cm: Annotated[
        float | None, typer.Option(help="Window in cM, both sides.", show_default=False)
    ] = None,
    ld_wind_kb: Annotated[
        float | None, typer.Option(help="Window in kb, both sides.", show_default=False)
    ] = None,
    ld_wind_snps: Annotated[
        int | None, typer.Option(help="Window in variants, both sides.", show_default=False)
    ] = None,
    annot: Annotated[
        str | None,
        typer.Option(
            help="LDSC's .annot file, with @ for the chromosome; one annotation of ones without.",
            show_default=False,
        ),
    ] = None,
    thin_annot: Annotated[
        bool,
        typer.Option("--thin-annot", help="It has no CHR, BP, SNP, CM: a row for each variant."),
    ] = False,
    bed: Annotated[
        list[str] | None,
        typer.Option(
            help="BED file of regions, FILE or NAME=FILE: an annotation that is 1 in them; repeat "
            "for several.",
            show_default=False,
        ),
    ] = None,
    cts_bin: Annotated[
        str | None,
        typer.Option(
            help="Files of variants and values, with commas between, cut into bins: an annotation "
            "a bin, of several files a combination.",
            show_default=False,
        ),
    ] = None,
    cts_breaks: Annotated[
        str | None,
        typer.Option(
            help="Where bins of --cts-bin end: 0.1,0.25,0.4; those of several files with x between "
            "(N for a minus sign).",
            show_default=False,
        ),
    ] = None,
    cts_names: Annotated[
        str | None,
        typer.Option(help="Names of the values of --cts-bin.", show_default=False),
    ] = None,
    min_maf: Annotated[
        float | None,
        typer.Option("--maf", help="Leave variants of this MAF and below out.", show_default=False),
    ] = None,
    extract: Annotated[
        Path | None,
        typer.Option(help="File of the variants to use, an id a line.", show_default=False),
    ] = None,
    print_snps: Annotated[
        Path | None,
        typer.Option(help="File of the variants whose scores are written.", show_default=False),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="File of the samples to use.", show_default=False)
    ] = None,
    per_allele: Annotated[
        bool, typer.Option("--per-allele", help="Scores per allele: --pq-exp 1.")
    ] = False,
    pq_exp: Annotated[
        float | None,
        typer.Option(help="Count partners by (p (1 - p))^S.", metavar="S", show_default=False),
    ] = None,
    yes_really: Annotated[
        bool, typer.Option("--yes-really", help="Take a window as wide as a chromosome.")
    ] = False,
    like_ldsc: Annotated[
        bool,
        typer.Option(
            "--like-ldsc",
            help="The numbers of LDSC 1.0.1: windows in chunks, the mean for missing genotypes.",
        ),
    ] = False,
    chunk_size: Annotated[
        int, typer.Option(min=1, help="Of --like-ldsc; exact windows have no chunks.")
    ] = 50,
    chromosomes: Annotated[
        str | None,
        typer.Option(help="Such as 20,21,22 or 1-22; all autosomes without.", show_default=False),
    ] = None,
    l2: Annotated[bool, typer.Option("--l2", hidden=True)] = False,
    no_print_annot: Annotated[bool, typer.Option("--no-print-annot", hidden=True)] = False,
    threads: Threads = None,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """LD scores of a panel of genotypes, for LD score regression.

    Windows are exact: partners are all variants within the limit, on both sides.

    \b
    Examples:
      bayesmixer ldsc scores --bfile 1000G.EUR.@ --ld-wind-cm 1 --out scores/eur.@
      bayesmixer ldsc scores --bfile 1000G.EUR.22 --ld-wind-cm 1 \\
        --annot baseline.22.annot.gz --print-snps hm3.snps --out baseline.22
    """  # fmt: skip
    from bayesmixer.errors import InputError
    from bayesmixer.ld.annotated import Rule, open_scored
    from bayesmixer.ld.score_files import Written, check_places, columns_of, write_scores

    windows = {"cm": ld_wind_cm, "kb": ld_wind_kb, "snps": ld_wind_snps}
    given = {unit: size for unit, size in windows.items() if size is not None}
    if len(given) > 1:
        options = " and ".join(f"--ld-wind-{unit}" for unit in given)
        raise InputError(options, "several windows", "Give one.")
    for unit, size in given.items():
        if not size > 0:
            raise InputError(f"--ld-wind-{unit}", f"{size:g}, expected a positive number")
    if per_allele and pq_exp is not None:
        raise InputError("--per-allele, --pq-exp", "both given", "--per-allele is --pq-exp 1.")
    check_inputs(extract, print_snps, keep)
    window = next((f"{size!r}{_UNITS[unit]}" for unit, size in given.items()), None)
    power = 1.0 if per_allele else pq_exp
    if cts_bin is not None and annot is not None:
        raise InputError("--cts-bin, --annot", "both given", "Give one of them.")
    annotations = annot if cts_bin is None else _binned(cts_bin, cts_breaks, cts_names)
    rule = Rule(annotations, _named(bed or ()), thin_annot, power, min_maf, extract, print_snps,
                yes_really, like_ldsc, chunk_size)  # fmt: skip
    panels, chosen, scored = open_scored(bfile, rule, window, keep, chromosomes_of(chromosomes))
    several = len(panels) > 1 and "@" not in out
    stem = {p.chrom: f"{out}{p.chrom}" if several else out.replace("@", p.chrom) for p in panels}
    written = Written(Path(f"{out.replace('@', '')}.l2.json"))
    check_places(stem.values(), written, replace=force)
    for one, panel in zip(scored, panels, strict=True):
        columns = columns_of(one.names, power)
        with bar(f"LD scores of chromosome {one.chrom}", len(one.variants)) as b:
            totals = [one.m, one.m_5_50]
            write_scores(stem[one.chrom], one.chrom, columns, _blocks(one, b), totals, written)
        panel.close()
        say(
            f"{stem[one.chrom]}.l2.ldscore.gz: {int(one.printed.sum()):,} variants, of "
            f"{len(one.variants):,} that count, {panel.n_samples:,} samples, window {chosen.name}, "
            f"{len(one.names):,} annotation(s)"
        )


def _blocks(one: Scored, b: Bar) -> Iterator[Block]:
    """The variants whose scores are asked for, as they are computed."""
    snp, pos = one.variants["snp"].to_numpy(object), one.variants["pos"].to_numpy()
    for at, sums in one.sums:
        show = one.printed[at]
        yield snp[at][show], pos[at][show], sums[show]
        b.advance(len(show))


def _binned(files: str, breaks: str | None, names: str | None) -> pd.DataFrame:
    """Annotations of `--cts-bin`."""
    from bayesmixer.errors import InputError
    from bayesmixer.ld.continuous import binned

    try:
        cuts = [
            [float(v.replace("N", "-")) for v in one.split(",")]
            for one in (breaks or "").split("x")
        ]
    except ValueError:
        raise InputError(
            "--cts-breaks",
            "missing" if breaks is None else f"'{breaks}', expected numbers with commas between",
            "Such as 0.1,0.25,0.4; x stands between those of several files.",
        ) from None
    return binned(files.split(","), cuts, None if names is None else names.split(","))


def _named(beds: list[str] | tuple[()]) -> dict[str, str]:
    """NAME=FILE and FILE, whose name is that of the annotation."""
    from bayesmixer.errors import InputError

    pairs = [
        (b.split("=", 1)[0], b.split("=", 1)[1])
        if "=" in b and not Path(b).is_file()
        else (Path(b).name.removesuffix(".bed"), b)
        for b in beds
    ]
    if len(dict(pairs)) < len(pairs):
        raise InputError("--bed", "two annotations of one name", "Name them: NAME=FILE.")
    return dict(pairs)
