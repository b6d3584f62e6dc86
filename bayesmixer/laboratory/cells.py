"""Cells of a coverage study, of the kind that the wing of the fitted model knows, from what a user
writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from bayesmixer.card import cards
from bayesmixer.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xarray as xr

    from bayesmixer.simulation.panel import PanelBlocks


class Cell(Protocol):
    """True parameters and size of one simulated GWAS: a frozen dataclass of numbers, whose fields
    are the keys of its text.
    """

    headings: ClassVar[Mapping[str, str]]
    """The keys that tell cells apart in a table, and their headings there."""
    example: ClassVar[str]
    """A cell as text."""
    batch: ClassVar[int]
    """Replicates that are simulated together and kept as one file."""
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __init__(self, **numbers: float) -> None: ...

    @property
    def name(self) -> str:
        """Short name, also of the cell's files: the seed of its replicates comes from it."""

    @property
    def expected(self) -> str:
        """What its numbers must fulfil and do not; "" where they can be used."""

    def simulate(self, panel: PanelBlocks, replicates: int, rng: np.random.Generator) -> xr.Dataset:
        """`z` (replicate, variant, trait) and `n` (variant, trait) of the panel's variants, and
        what `realised` reads.
        """

    def realised(self, replicate: xr.Dataset) -> dict[str, float]:
        """What one replicate's draws came to, under the names of columns."""

    @classmethod
    def standard(cls) -> list[Self]:
        """Those of a study that names none."""


class ReportedCell(Cell, Protocol):
    """A cell of a model that is judged by what it reports."""

    assumed: ClassVar[Mapping[str, float]]
    """What the fitted model takes for granted, by key: cells of other values are never pooled."""

    def truths(self, panel: PanelBlocks, replicate: xr.Dataset) -> dict[str, Mapping[str, Any]]:
        """What a simulation of it records, as the card's truths read it, by what follows a
        quantity's name: "" what the cell aims at, "_realised" what a replicate's draws came to.
        """


def kind_of(model: str) -> type[Cell]:
    """The kind of cell that a model's coverage is studied in."""
    card = cards()[model]
    kind: type[Cell] = card.ask(card.cell)
    return kind


def numbers(cell: Cell) -> dict[str, float]:
    """A cell as plain numbers by key."""
    return {key: float(getattr(cell, key)) for key in keys(type(cell))}


def complete(rows: pd.DataFrame, kind: type[Cell]) -> pd.DataFrame:
    """Rows of a study, those from before a kind of cell had a key with that key's default."""
    usual = {one.name: one.default for one in fields(kind) if one.default is not MISSING}
    return rows.assign(**{k: rows[k].fillna(v) if k in rows else v for k, v in usual.items()})


def keys(kind: type[Cell]) -> list[str]:
    """The keys of a kind of cell."""
    return [one.name for one in fields(kind)]


def read_cells(cells: Iterable[Cell | str | dict[str, Any]] | None, kind: type[Cell]) -> list[Cell]:
    """Cells from cells, dicts or texts of key=value pairs; None is the standard ones.

    Raises
    ------
    InputError
        A key is unknown or missing, a value is no number or out of range, or two cells are the
        same.
    """
    out = list(kind.standard()) if cells is None else [_cell(c, kind) for c in cells]
    if not out:
        raise InputError("cells", "none given, expected at least one")
    if len({c.name for c in out}) < len(out):
        raise InputError("cells", "the same cell twice", "Give each once, and more replicates.")
    return out


def _cell(given: Cell | str | dict[str, Any], kind: type[Cell]) -> Cell:
    needed = [one.name for one in fields(kind) if one.default is MISSING]
    if isinstance(given, kind):
        values: dict[str, Any] = numbers(given)
    elif isinstance(given, str):
        values = {}
        for part in given.split(","):
            key, found, value = part.partition("=")
            if not found:
                raise InputError(
                    "cells", f"{given!r}, expected key=value pairs such as {kind.example}"
                )
            values[key.strip()] = value
    else:
        values = dict(given)  # type: ignore[arg-type]
    for key in values:
        if key not in keys(kind):
            raise InputError("cells", f"{key!r}, expected one of {', '.join(keys(kind))}")
    for key in needed:
        if key not in values:
            least = f"Give at least {' and '.join(needed)}."
            raise InputError("cells", f"{given!r} has no {key}", least)
    try:
        cell = kind(**{k: float(v) for k, v in values.items()})
    except (TypeError, ValueError):
        raise InputError("cells", f"{given!r}, expected numbers") from None
    if cell.expected:
        raise InputError("cells", f"{given!r}, expected {cell.expected}")
    return cell
