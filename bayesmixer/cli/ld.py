"""`bayesmixer ld`: build an LD reference, and write its LD scores in the format of LD score
regression.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayesmixer.cli.options import Force, Quiet, Threads
from bayesmixer.cli.output import say

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


Genotypes = Annotated[
    list[str],
    typer.Argument(
        help="Prefix, .bed or .pgen file, or a pattern with @ for the chromosome; several allowed.",
        show_default=False,
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out", "-o", help="Folder of the reference, such as eur.zarr.", show_default=False
    ),
]
Window = Annotated[
    str | None,
    typer.Option(
        help=(
            "1cM, 1000kb, 500variants, eur_hg19 (LD blocks) or a BED file of blocks; without, 1cM "
            "or, lacking cM, 1000kb."
        ),
        show_default=False,
    ),
]
K = Annotated[int, typer.Option("--k", help="Nodes of the LD spectrum.")]
MafS = Annotated[
    list[float] | None,
    typer.Option(
        help="Exponent S of a MAF-dependent architecture (0 without); repeat for several."
    ),
]
Rule = Annotated[str, typer.Option(help="unbiased (corrected for the size of the panel) or plain.")]
Cutoff = Annotated[
    float | None,
    typer.Option(
        help="Pairs below it enter the spectrum as one sum; without, 1 / (samples - 1) (plain: 0)."
    ),
]
Tags = Annotated[
    Path | None,
    typer.Option(
        help="File of the variants that get a row, an id a line; all without.", show_default=False
    ),
]
Keep = Annotated[
    Path | None, typer.Option(help="File of the samples to use; all without.", show_default=False)
]
MinMaf = Annotated[float | None, typer.Option(help="Leave rarer variants out altogether.")]
Chromosomes = Annotated[
    str | None,
    typer.Option(
        help="Such as 20,21,22 or 1-22; the autosomes that are there without.", show_default=False
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(help="Chromosomes in work at the same time; the number of cores without."),
]
Fresh = Annotated[
    bool,
    typer.Option(
        "--force",
        "--fresh",
        help="Replace a reference that is already there instead of going on with it.",
    ),
]


@app.command("build")
def build(
    genotypes: Genotypes,
    out: Out,
    window: Window = None,
    k: K = 24,
    maf_s: MafS = None,
    r2_rule: Rule = "unbiased",
    r2_cutoff: Cutoff = None,
    tags: Tags = None,
    keep: Keep = None,
    min_maf: MinMaf = None,
    chromosomes: Chromosomes = None,
    workers: Workers = None,
    threads: Threads = None,
    quiet: Quiet = False,
    force: Fresh = False,
) -> None:
    """Build an LD reference from PLINK bed or PLINK2 pgen genotypes.

    A build that was stopped goes on where it was when the same command runs again.

    \b
    Example:
      bayesmixer ld build 1000g_eur_hm3.chr@ --out eur.zarr
      bayesmixer ld build panel.chr@.pgen --out eur.zarr \\
        --window eur_hg19 --tags w_hm3.snplist
    """
    from bayesmixer.ld.reference import build_reference

    reference = build_reference(
        genotypes, out, window=window, k=k, maf_s=tuple(maf_s or (0.0,)), r2_rule=r2_rule,
        r2_cutoff=r2_cutoff, tags=tags, keep=keep, min_maf=min_maf,
        chromosomes=chromosomes_of(chromosomes), workers=workers or threads, resume=not force,
    )  # fmt: skip
    groups = list(reference.children.values())
    rows = sum(g.sizes["variant"] for g in groups)
    panel = sum(g.attrs["n_reference"] for g in groups)
    dropped = sum(g.attrs["monomorphic"] for g in groups)
    say(
        f"{out}: {rows:,} variants with LD among {panel:,} of {len(groups)} chromosome(s), "
        f"{reference.attrs['samples']:,} samples, "
        f"window {reference.attrs['window']}; {dropped:,} monomorphic variants dropped"
    )


@app.command("scores")
def scores(
    reference: Annotated[Path, typer.Argument(help="Folder that `bayesmixer ld build` wrote.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files.")],
    prefix: Annotated[
        str,
        typer.Option(
            help="Put before each file name, such as eur. for eur.22.l2.ldscore.gz.",
            show_default=False,
        ),
    ] = "",
    threads: Threads = None,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Write LD scores as LD score regression reads them: CHROM.l2.ldscore.gz, CHROM.l2.M,
    CHROM.l2.M_5_50.

    \b
    Example:
      bayesmixer ld scores eur.zarr --out eur_ld_scores
    """
    from bayesmixer.ld.ldsc_files import write_ldsc_scores
    from bayesmixer.ld.reference import open_reference

    written = write_ldsc_scores(open_reference(reference), out, prefix=prefix, replace=force)
    say(f"{out}: {len(written)} files of {len(written) // 3} chromosome(s)")


def chromosomes_of(text: str | None) -> list[str] | None:
    """Understand "20,21,22" and "1-22"."""
    if text is None:
        return None
    out: list[str] = []
    for part in text.replace(" ", ",").split(","):
        first, dash, last = part.partition("-")
        if dash and first.isdecimal() and last.isdecimal():
            out += [str(c) for c in range(int(first), int(last) + 1)]
        elif part:
            out.append(part)
    return out
