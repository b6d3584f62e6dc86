"""`bayesmixer report`: a saved fit in, one self-contained HTML file out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    results: Annotated[Path, typer.Argument(help="Fit that 'bayesmixer fit' saved: .nc or .zarr.", show_default=False)],
    data: Annotated[
        Path | None, typer.Option("--data", help="GwasData the fit was made with (.nc or .zarr), for QQ and power plots.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The HTML file.", show_default="name of the fit, ending in .html")] = None,
    title: Annotated[str | None, typer.Option("--title", help="Heading of the report.", show_default="trait and model")] = None,
) -> None:
    """Write the report of a saved fit: estimates, how far to trust them, figures, provenance.

    \b
    Example:
      bayesmixer report height.nc --data height_data.nc --out height.html
    """
    from bayesmixer.reporting.html import check_path, report
    from bayesmixer.reporting.load import open_data, open_results

    target = check_path(results.with_suffix(".html") if out is None else out)
    fit = open_results(results)
    typer.echo(report(fit, None if data is None else open_data(data), target, title=title))
