"""Progress bars on standard error for whatever lasts over two seconds; silent where nobody is
looking.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from bayesmixer.interrupts import check

_QUIET = False


def be_quiet(quiet: bool = True) -> None:
    """Show no progress, even on a terminal, where nobody asks for it by `show`."""
    global _QUIET
    _QUIET = quiet


def is_quiet() -> bool:
    """Whether progress was switched off."""
    return _QUIET


class Bar:
    """One progress bar: `advance` it, `describe` what it is doing."""

    def __init__(self, progress: Any = None, task: Any = None) -> None:
        self._progress, self._task = progress, task

    def advance(self, step: float = 1) -> None:
        """Move the bar by `step` units."""
        check()
        if self._progress is not None:
            self._progress.advance(self._task, step)

    def describe(self, text: str) -> None:
        """Replace the bar's description."""
        if self._progress is not None:
            self._progress.update(self._task, description=text)


class Part(Bar):
    """A share of a bar for work of which at most is known how much it is: it never moves the bar by
    more than `total`, and by the rest of it at the end.
    """

    def __init__(self, whole: Bar, total: float) -> None:
        super().__init__()
        self._whole, self._left = whole, total

    def advance(self, step: float = 1) -> None:
        """Move the bar by `step` units, or what is left."""
        step = min(step, self._left)
        self._left -= step
        self._whole.advance(step)

    def finish(self) -> None:
        """Move the bar by what is left."""
        self.advance(self._left)


@contextmanager
def bar(description: str, total: float | None, show: bool | None = None) -> Iterator[Bar]:
    """Context manager of a progress bar.

    Parameters
    ----------
    description
        What is being done, a few words.
    total
        Units of work, or None when unknown (the bar pulses); nothing is shown for 0.
    show
        True or False to force; None shows it when standard error is a terminal and nobody asked for
        quiet.
    """
    if show is None:
        show = not _QUIET and sys.stderr.isatty()
    if not show or total == 0:
        yield Bar()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield Bar(progress, progress.add_task(description, total=total))


def track[T](
    items: Iterable[T], description: str, total: float | None = None, show: bool | None = None
) -> Iterator[T]:
    """Iterate over `items` with a progress bar (see `bar`)."""
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # type: ignore[arg-type]
    with bar(description, total, show) as b:
        for item in items:
            yield item
            b.advance()
