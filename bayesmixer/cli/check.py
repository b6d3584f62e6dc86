"""`bayesmixer check`: is a saved fit compatible with its data?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayesmixer.cli.options import Fit, Force, Json, Quiet, Threads, Tsv
from bayesmixer.cli.output import check_inputs, claim, export_table, print_table, say_verdict


def command(
    results: Fit,
    data: Annotated[
        Path,
        typer.Option(
            help="Data of the fit, as 'bayesmixer fit --save-data' kept them.", show_default=False
        ),
    ],
    level: Annotated[
        float, typer.Option(min=0, max=1, help="Chance of any false alarm over all checks.")
    ] = 0.05,
    json: Json = None,
    tsv: Tsv = None,
    threads: Threads = None,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Check a saved fit against its data: do the z-scores look as the fit says they should?

    \b
    Example:
      bayesmixer check height.nc --data height_data.nc
    """
    claim({"--json": (json, ()), "--tsv": (tsv, ())}, force)
    check_inputs(results, data)

    import bayesmixer as bm
    from bayesmixer.identity import data_of_fit
    from bayesmixer.reporting.load import open_data, open_results
    from bayesmixer.reporting.verdict import with_check

    fit, held = open_results(results), open_data(data)
    held = data_of_fit(fit, held)
    found = bm.check(fit, held, level=level)
    verdict = with_check(fit, held, found)
    more = {"ok": found.ok, "sentences": found.sentences, "verdict": verdict.as_dict()}
    export_table(found.table.reset_index(), "check", json, tsv, [results, data], more)
    shown = found.table.assign(flagged=["FLAGGED" if f else "" for f in found.table["flagged"]])
    print_table(shown.drop(columns="in_words"), f"check: {results.name}")
    say_verdict(verdict)
