"""What the commands leave behind: places for files, claimed before the work begins, and tables that
fit the screen.
"""

from __future__ import annotations

import shutil
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bayesmixer import aside, kinds
from bayesmixer.cli.wording import spoken
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.progress import is_quiet

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from bayesmixer.reporting.verdict import Verdict

RESULTS = (".nc", ".zarr")
_CLAIMS: ExitStack | None = None
HEADINGS = {"map": "mode", "eti90_lb": "5%", "eti90_ub": "95%"}


def say(text: object) -> None:
    """Print a line on standard output, unless --quiet was given."""
    if not is_quiet():
        typer.echo(str(text))


def leave_out(where: str, options: dict[str, Any]) -> None:
    """Refuse options that would be passed over: of those given (not None, a flag that is set).

    Raises
    ------
    InputError
        Some is.
    """
    for name, one in options.items():
        if one is not None and one is not False and one != []:
            raise InputError(name, f"given {where}, where it says nothing", "Leave it out.")


def say_wrapped(text: object) -> None:
    """Print text whose lines are wrapped at the width of the terminal, 80 where there is none."""
    for line in str(text).splitlines():
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        say(
            textwrap.fill(
                line,
                _width(),
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
        )


def say_verdict(verdict: Verdict) -> None:
    """Print how far to trust a fit; what is grave is said with --quiet too, as warnings."""
    say_wrapped(spoken(str(verdict)))
    for finding in verdict.findings if is_quiet() else ():
        if finding.severity == "stop":
            warnings.warn(
                f"do not trust this estimate: {finding.sentence}", DataWarning, stacklevel=2
            )


def _width() -> int:
    return shutil.get_terminal_size((80, 24)).columns


def check_inputs(*paths: Path | None) -> None:
    """Check, before anything is loaded, that files to read are there (None: not given).

    Raises
    ------
    InputError
        There is no such file.
    """
    for path in paths:
        if path is not None and not path.exists():
            raise InputError(path, "no such file", "Check the name.")


def check_reference(path: Path) -> None:
    """As `check_inputs`, of an LD reference, which may be what the names of LDSC's files begin
    with.
    """
    from bayesmixer.io.ld_score_files import ldsc_files

    if not path.exists() and not ldsc_files(path):
        raise InputError(
            path, "no such file or folder, and no LD scores begin so", "Check the name."
        )


def claim(
    places: Mapping[str, tuple[Path | None, tuple[str, ...]]],
    force: bool,
    known: Mapping[str, aside.Kind] | None = None,
) -> None:
    """Check, before anything long runs, that every file can be written and that none is overwritten
    unasked.

    Parameters
    ----------
    places
        By option: where a file is to lie (None where the option was not given), and the endings
        that are understood (none: any).
    force
        Whether what bayesmixer wrote there earlier may be replaced.
    known
        By option: what it writes, where the option's name and endings do not say it.

    Raises
    ------
    InputError
        Another ending, a folder that does not exist or cannot be written to, something that is
        there already, or one place for two options.
    """
    taken: dict[Path, str] = {}
    for option, (path, endings) in places.items():
        if path is None:
            continue
        if endings and path.suffix not in endings:
            raise InputError(
                option,
                f"'{path}' ends in '{path.suffix}', expected {' or '.join(endings)}",
                "Change the name.",
            )
        kind = (known or {}).get(option) or _kind(option, path, endings)
        aside.place(path, kind, replace=force, where=option, argument="--force")
        if _CLAIMS is not None:
            _CLAIMS.enter_context(aside.claimed(path, where=option))
        aside.check(path, kind, replace=force, where=option, argument="--force")
        if path.resolve() in taken:
            raise InputError(
                option,
                f"'{path}' is also what {taken[path.resolve()]} writes",
                "Choose another name.",
            )
        taken[path.resolve()] = option


@contextmanager
def claiming() -> Iterator[None]:
    """Context manager within which what `claim` claims is this process's alone: the second of two
    of one command at once is refused.
    """
    global _CLAIMS
    with ExitStack() as stack:
        _CLAIMS = stack
        try:
            yield
        finally:
            _CLAIMS = None


def _kind(option: str, path: Path, endings: tuple[str, ...]) -> aside.Kind:
    """What an option writes."""
    if endings == RESULTS:
        return kinds.stored("gwas_data" if option == "--save-data" else "fit", path)
    return {"--json": kinds.JSON, "--tsv": kinds.TABLE}.get(option, kinds.REPORT)


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
    aside.make_folder(path, argument)
    aside.check(path / ".bayesmixer", aside.OWN, where=argument)
    return path


def number(value: float) -> str:
    """Write a number with three significant digits, without an exponent where it can be read
    without.
    """
    if value != value:
        return ""
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.2e}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def print_table(table: pd.DataFrame, title: str, truth: Mapping[str, float] | None = None) -> None:
    """Print a table of numbers on standard output, unless --quiet was given.

    Parameters
    ----------
    table
        A row a quantity, such as `bayesmixer.summary` returns.
    title
        Line above the table.
    truth
        True value of the quantities that have one (simulated data); shown beside the estimates.
    """
    if truth is not None:
        table = table.assign(truth=[truth.get(str(name), float("nan")) for name in table.index])
    columns = [("", [str(name) for name in table.index])]
    for name in table.columns:
        cells = [number(float(v)) if isinstance(v, int | float) else str(v) for v in table[name]]
        columns.append((HEADINGS.get(str(name), str(name)), cells))
    say_wrapped(title)
    for line in columns_as_lines(columns, _width()):
        say(line)


def export(results: xr.DataTree, json: Path | None, tsv: Path | None) -> None:
    """Write a fit for other programs, where that was asked for."""
    from bayesmixer.reporting import export as write

    if json is not None:
        write.to_json(results, json)
    if tsv is not None:
        write.to_tsv(results, tsv)


def export_table(
    table: pd.DataFrame,
    kind: str,
    json: Path | None,
    tsv: Path | None,
    inputs: Sequence[Path] = (),
    found: Mapping[str, object] | None = None,
) -> None:
    """Write a table (and what else was found) for other programs, where that was asked for."""
    from bayesmixer.reporting import export as write

    if json is not None:
        write.write_json(
            {**write.heading(kind, inputs), **(found or {}), "table": write.rows(table)}, json
        )
    if tsv is not None:
        write.write_tsv(table, tsv)


def columns_as_lines(columns: Sequence[tuple[str, Sequence[str]]], width: int) -> list[str]:
    """Lines of a table of plain text in which no word is cut.

    Columns that do not fit beside the others follow below, with the first column again, so that the
    table reads well in a narrow terminal and in a log.

    Parameters
    ----------
    columns
        Heading and cells of each; the first names the rows and is set flush left, the others flush
        right.
    width
        Characters a line may have; a single column wider than that is not broken.
    """
    (heading, names), *rest = columns
    first = max(map(len, (heading, *names)))
    lines: list[str] = []
    while rest:
        taken, room = 0, width - first
        for heading_, cells in rest:
            room -= 2 + max(map(len, (heading_, *cells)))
            if taken and room < 0:
                break
            taken += 1
        part, rest = rest[:taken], rest[taken:]
        widths = [max(map(len, (h, *cells))) for h, cells in part]
        if lines:
            lines.append("")
        for name, *cells in [
            (heading, *(h for h, _ in part)),
            *zip(names, *(c for _, c in part), strict=True),
        ]:
            row = [
                name.ljust(first),
                *(cell.rjust(w) for cell, w in zip(cells, widths, strict=True)),
            ]
            lines.append("  ".join(row).rstrip())
    return lines
