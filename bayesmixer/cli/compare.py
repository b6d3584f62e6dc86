"""`bayesmixer compare`: which of several saved fits of the same data predicts best?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayesmixer.cli.options import Data, Force, Json, Quiet, Seed, Threads, Tsv
from bayesmixer.cli.output import check_inputs, claim, export_table, print_table, say_wrapped
from bayesmixer.errors import InputError
from bayesmixer.inference.limits import LEAST


def command(
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Fits that 'bayesmixer fit' saved, of the same summary statistics and reference.",
            show_default=False,
        ),
    ],
    data: Data = None,
    draws: Annotated[
        int, typer.Option(min=LEAST["draws"], help="Posterior draws of a fit without a block.")
    ] = 500,
    seed: Seed = 0,
    json: Json = None,
    tsv: Tsv = None,
    threads: Threads = None,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Compare saved fits of the same data by how well each predicts LD blocks left out of it.

    With --data, blocks whose prediction cannot be had from the draws are left out by fitting again.

    \b
    Example:
      bayesmixer compare one.nc two.nc infinitesimal.nc --data height_data.nc
    """
    names = _names(results)
    claim({"--json": (json, ()), "--tsv": (tsv, ())}, force)
    check_inputs(*results, data)

    import bayesmixer as bm
    from bayesmixer.reporting.load import open_data

    fits = {name: bm.load(path) for name, path in zip(names, results, strict=True)}
    held = None if data is None else open_data(data)
    table = bm.compare(fits, held, reloo=held is not None, draws=draws, seed=seed)
    inputs = [*results, *([] if data is None else [data])]
    export_table(
        table.reset_index(), "compare", json, tsv, inputs, {"choice": table.attrs["choice"]}
    )
    verdicts = table["verdict"]
    columns = [c for c in table.columns if c not in ("model", "prior", "method", "verdict")]
    print_table(table[columns], "compare: best first")
    for fit_name, verdict in verdicts.items():
        say_wrapped(f"{fit_name}: {verdict}")


def _names(paths: list[Path]) -> list[str]:
    """Short names of the files, or the paths where those are not different."""
    if len(set(paths)) < len(paths):
        twice = next(p for p in paths if paths.count(p) > 1)
        raise InputError("results", f"'{twice}' is there twice", "Name each fit once.")
    stems = [p.stem for p in paths]
    return stems if len(set(stems)) == len(stems) else [str(p) for p in paths]
