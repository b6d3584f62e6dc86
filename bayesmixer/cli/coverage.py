"""`bayesmixer coverage`: the coverage laboratory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayesmixer.card import studied
from bayesmixer.cli.options import Force, Json, Quiet, Seed, Threads, Tsv
from bayesmixer.cli.output import claim, export_table, print_table, say


def command(
    out: Annotated[
        Path,
        typer.Argument(
            help="Directory of the study; a second run goes on from what is there.",
            show_default=False,
        ),
    ],
    genotypes: Annotated[
        str | None,
        typer.Option(
            help="Panel: prefix of PLINK files, {chrom} for the chromosome; simulated without.",
            show_default=False,
        ),
    ] = None,
    ld_blocks: Annotated[
        str | None,
        typer.Option(help="BED file of the panel's LD blocks, or eur_hg19.", show_default=False),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="LD reference of the panel, LD blocks as windows and plain r2; built without.",
            show_default=False,
        ),
    ] = None,
    cell: Annotated[
        list[str] | None,
        typer.Option(
            help="A truth, as pi=0.003,n=100000,h2=0.15,sigma2_0=1.05; again for more.",
            show_default=False,
        ),
    ] = None,
    replicates: Annotated[int, typer.Option(min=2, help="Simulated GWAS a cell.")] = 200,
    method: Annotated[
        str,
        typer.Option(
            help="map: normal intervals about the mode; laplace, nuts: quantiles of draws."
        ),
    ] = "map",
    model: Annotated[
        str, typer.Option(help=f"Model to fit: {' or '.join(studied())}.")
    ] = studied()[0],
    bootstrap: Annotated[
        int, typer.Option(min=0, help="LD-block bootstrap replicates of every fit.")
    ] = 0,
    processes: Annotated[
        int | None,
        typer.Option(min=1, help="Worker processes; one a core without.", show_default=False),
    ] = None,
    seed: Seed = 1,
    json: Json = None,
    tsv: Tsv = None,
    threads: Threads = None,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Simulate many GWAS, fit each, and count how often the intervals hold the truth.

    \b
    Example:
      bayesmixer coverage study --cell pi=0.003,n=100000,h2=0.02 --replicates 100
    """
    claim({"--json": (json, ()), "--tsv": (tsv, ())}, force)

    import bayesmixer as bm

    table = bm.coverage(
        out,
        genotypes=genotypes,
        ld_blocks=ld_blocks,
        reference=reference,
        cells=cell or None,
        replicates=replicates,
        method=method,
        model=model,
        bootstrap=bootstrap,
        processes=processes or threads,
        seed=seed,
    )
    export_table(table, "coverage", json, tsv)
    columns = [
        "bias",
        "sampling_sd",
        "width_ratio",
        "cover50",
        "cover80",
        "cover90",
        "cover95",
        "raw_cover90",
        "hdi_cover90",
        "flagged",
    ]
    shown = table.set_index(table["cell"] + " " + table["parameter"])
    print_table(shown[[c for c in columns if c in shown]], "coverage")
    say(f"page: {out / 'index.html'}")
