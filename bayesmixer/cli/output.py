"""What the commands leave behind: places for files, checked before the work begins, and a table of estimates on the screen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bayesmixer.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

RESULTS = (".nc", ".zarr")


def check_output(path: Path, argument: str, suffixes: tuple[str, ...]) -> Path:
    """Check, before anything long runs, that a file can be written.

    Parameters
    ----------
    path
        Where the file is to lie.
    argument
        The option it came from, for the error.
    suffixes
        Endings that are understood.

    Returns
    -------
    pathlib.Path
        `path`, unchanged.

    Raises
    ------
    InputError
        Another ending, a folder that does not exist, or one that cannot be written to.
    """
    if path.suffix not in suffixes:
        raise InputError(argument, f"'{path}' ends in '{path.suffix}', expected {' or '.join(suffixes)}", "Change the name.")
    folder = path.parent
    if not folder.is_dir():
        raise InputError(argument, f"the folder '{folder}' of '{path}' does not exist", "Make it first.")
    if not os.access(folder, os.W_OK):
        raise InputError(argument, f"the folder '{folder}' cannot be written to", "Choose another.")
    if path.is_dir() and path.suffix != ".zarr":
        raise InputError(argument, f"'{path}' is a folder, expected a file", "Change the name.")
    return path


def check_folder(path: Path, argument: str) -> Path:
    """Make a folder for output, or check that one is there and can be written to.

    Parameters
    ----------
    path
        The folder.
    argument
        The option it came from, for the error.

    Returns
    -------
    pathlib.Path
        `path`, unchanged.

    Raises
    ------
    InputError
        A file of that name, or a folder that cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(argument, f"the folder '{path}' cannot be made ({error.strerror})", "Choose another.") from None
    if not os.access(path, os.W_OK):
        raise InputError(argument, f"the folder '{path}' cannot be written to", "Choose another.")
    return path


def number(value: float) -> str:
    """Write a number with three significant digits, without an exponent where it can be read without."""
    if value != value:
        return ""
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.2e}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def print_table(table: pd.DataFrame, title: str, truth: Mapping[str, float] | None = None) -> None:
    """Print a table of estimates on standard output.

    Parameters
    ----------
    table
        What `bayesmixer.summary` returned: a row a quantity.
    title
        Line above the table.
    truth
        True value of the quantities that have one (simulated data); shown beside the estimates.
    """
    from rich.console import Console
    from rich.table import Table

    out = Table(title=title, title_justify="left")
    out.add_column("quantity")
    for column in table.columns:
        out.add_column(str(column), justify="right")
    if truth is not None:
        out.add_column("truth", justify="right", style="bold")
    for name, row in table.iterrows():
        cells = [number(float(v)) if isinstance(v, int | float) else str(v) for v in row]
        if truth is not None:
            cells.append(number(truth[str(name)]) if str(name) in truth else "")
        out.add_row(str(name), *cells)
    Console().print(out)
