"""Options that several verbs take, each declared once: a name means the same everywhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from bayesmixer.inference.limits import DRAWS, LEAST, Method
from bayesmixer.progress import be_quiet

THREADS = (
    "NUMBA_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
)


def _quiet(value: bool) -> bool:
    be_quiet(value)
    return value


def _threads(value: int | None) -> int | None:
    if value is not None:  # before NumPy, numba and polars are loaded, which read these once
        os.environ.update(dict.fromkeys(THREADS, str(value)))
    return value


Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help=(
            "Replace what bayesmixer wrote there before; without it nothing that exists is "
            "overwritten, and files of other makers never are."
        ),
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", callback=_quiet, help="No progress, no table; warnings and errors remain."
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1, callback=_threads, help="Threads and processes to use; all cores without.",
        show_default=False,
    ),
]  # fmt: skip
Json = Annotated[
    Path | None,
    typer.Option(
        "--json", help="Also write everything that was found here, as JSON for other programs.",
        show_default=False,
    ),
]  # fmt: skip
Tsv = Annotated[
    Path | None,
    typer.Option(
        "--tsv", help="Also write the table here in full precision, tab-separated.",
        show_default=False,
    ),
]  # fmt: skip
Seed = Annotated[int, typer.Option(min=LEAST["seed"], help="Seed of whatever is random.")]

How = Annotated[
    Method,
    typer.Option(
        help="map: the estimate and its standard errors; laplace: a posterior in seconds; nuts, "
        "smc: sampled; binned: nuts in minutes for a whole genome."
    ),
]
Draws = Annotated[
    int | None,
    typer.Option(
        min=LEAST["draws"],
        help=(
            f"Posterior draws, in all ({DRAWS['laplace']} by laplace) or a chain ({DRAWS['nuts']} "
            f"by nuts and binned, {DRAWS['smc']} by smc)."
        ),
        show_default=False,
    ),
]
Fit = Annotated[
    Path,
    typer.Argument(help="Fit that 'bayesmixer fit' saved: .nc or .zarr.", show_default=False),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help=(
            "Data of the fit, as 'bayesmixer fit --save-data' kept them: for figures of them and "
            "what needs them."
        ),
        show_default=False,
    ),
]
