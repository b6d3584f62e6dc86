"""`bayesmixer variants`: what a saved fit makes of every variant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayesmixer.cli.options import Fit, Force, Quiet, Threads
from bayesmixer.cli.output import check_inputs, claim, export_table, print_table, say

SHOWN = ("chrom", "pos", "z", "marginal_effect", "causal_effect", "p_causal", "p_partner")


def command(
    results: Fit,
    data: Annotated[
        Path,
        typer.Option(
            help="Data of the fit, as 'bayesmixer fit --save-data' kept them.", show_default=False
        ),
    ],
    tsv: Annotated[Path, typer.Option(help="The table, tab-separated.", show_default=False)],
    reference: Annotated[
        Path | None,
        typer.Option(
            help="LD reference of the fit: adds what is said of a variant's close partners.",
            show_default=False,
        ),
    ] = None,
    r2_min: Annotated[float, typer.Option(help="r^2 from which a partner is close.")] = 0.1,
    draws: Annotated[int, typer.Option(min=1, help="Posterior draws to average over.")] = 100,
    threads: Threads = None,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """What a saved fit makes of every variant: effects, probabilities to be causal, FDR.

    \b
    Example:
      bayesmixer variants height.nc --data height_data.nc \\
        --reference panel.zarr --tsv height_variants.tsv
    """
    claim({"--tsv": (tsv, ())}, force)
    check_inputs(results, data, reference)

    import bayesmixer as bm
    from bayesmixer.reporting.load import open_data, open_results

    table = bm.variants(
        open_results(results), open_data(data), reference, r2_min=r2_min, draws=draws
    )
    frame = table.to_dataframe()
    export_table(frame, "variants", None, tsv)
    first = frame.nlargest(10, "p_causal").set_index("snp")
    print_table(first[[c for c in SHOWN if c in first]], "likeliest to be causal themselves")
    if table.attrs["left_out"]:
        say(f"left out: {table.attrs['left_out']}")
    say(f"table of {len(frame):,} variants: {tsv}")
