"""`bayesmixer report`: a saved fit in, one self-contained HTML file out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayesmixer.cli.options import Data, Fit, Force, Json, Quiet, Threads, Tsv
from bayesmixer.cli.output import check_inputs, claim, export, say, say_verdict


def command(
    results: Fit,
    data: Data = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The HTML file.", show_default="name of the fit, ending in .html"),
    ] = None,
    json: Json = None,
    tsv: Tsv = None,
    title: Annotated[
        str | None, typer.Option(help="Heading of the report.", show_default="trait and model")
    ] = None,
    threads: Threads = None,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Write the report of a saved fit: estimates, how far to trust them, figures, provenance.

    \b
    Example:
      bayesmixer report height.nc --data height_data.nc --out height.html
    """
    target = results.with_suffix(".html") if out is None else out
    claim({"--out": (target, ()), "--json": (json, ()), "--tsv": (tsv, ())}, force)
    check_inputs(results, data)

    import bayesmixer as bm
    from bayesmixer.reporting.load import open_data, open_results

    fit = open_results(results)
    held = None if data is None else open_data(data)
    verdict = bm.verdict(fit, held)
    written = bm.report(fit, held, target, title=title, verdict=verdict, replace=force)
    verdict.store(fit)
    export(fit, json, tsv)
    say_verdict(verdict)
    say(f"report: {written}")
