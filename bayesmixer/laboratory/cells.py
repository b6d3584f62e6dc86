"""A cell of a coverage study: the true parameters and the GWAS of one row of its table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.simulation.effects import Architecture, architecture

KEYS = ("pi", "n", "h2", "sigma2_0", "maf_s")


@dataclass(frozen=True)
class Cell:
    """Truth and size of one simulated GWAS: point-normal effects, or infinitesimal ones where pi =
    1.

    Attributes
    ----------
    pi
        Share of causal variants.
    n
        Sample size.
    h2
        Heritability that the panel's variants explain.
    sigma2_0
        Variance of z without genetic effects.
    maf_s
        S: effect variance is proportional to H^S.
    """

    pi: float
    n: float
    h2: float = 0.15
    sigma2_0: float = 1.05
    maf_s: float = 0.0

    @property
    def name(self) -> str:
        """Short name, also of the cell's files."""
        s = f"_s{self.maf_s:g}" if self.maf_s else ""
        return f"pi{self.pi:g}_n{self.n:g}_h{self.h2:g}_e{self.sigma2_0:g}{s}"

    @property
    def effects(self) -> Architecture:
        """Architecture of the true effects."""
        if self.pi == 1:
            return architecture("infinitesimal", self.h2, maf_s=self.maf_s)
        return architecture("univariate", self.h2, self.pi, maf_s=self.maf_s)

    def truth(self, exponents: Sequence[float] | NDArray[np.float64] = (0.0,)) -> dict[str, float]:
        """True value of every parameter that a univariate model may have, on the unconstrained
        scale; `exponents` are the S that the data hold.
        """
        out = {"log_h2": math.log(self.h2), "log_sigma2_0": math.log(self.sigma2_0)}
        if self.pi < 1:
            out["logit_pi"] = math.log(self.pi / (1 - self.pi))
        below, above = self.maf_s - min(exponents), max(exponents) - self.maf_s
        if below > 0 and above > 0:
            out["logit_maf_s"] = math.log(below / above)
        return out

    def as_dict(self) -> dict[str, float]:
        """Plain numbers."""
        return {k: float(v) for k, v in asdict(self).items()}


def standard_cells() -> list[Cell]:
    """The cells of docs/ideas/intervals.md: polygenicity 0.001, 0.003, 0.01, well and barely
    powered, and two very sparse traits.
    """
    wide = [Cell(pi, n) for pi in (1e-3, 3e-3, 1e-2) for n in (100_000, 25_000)]
    return [*wide, Cell(3e-4, 100_000), Cell(1e-4, 100_000)]


def read_cells(cells: Iterable[Cell | str | dict[str, Any]] | None) -> list[Cell]:
    """Cells from cells, dicts or texts like "pi=0.003,n=100000,h2=0.15"; None is `standard_cells`.

    Raises
    ------
    InputError
        A key is unknown, a value is no number or out of range, pi or n is missing, or two cells are
        the same.
    """
    if cells is None:
        return standard_cells()
    out = [_cell(c) for c in cells]
    if not out:
        raise InputError("cells", "none given, expected at least one")
    if len({c.name for c in out}) < len(out):
        raise InputError("cells", "the same cell twice", "Give each once, and more replicates.")
    return out


def _cell(given: Cell | str | dict[str, Any]) -> Cell:
    if isinstance(given, Cell):
        values: dict[str, Any] = given.as_dict()
    elif isinstance(given, str):
        values = {}
        for part in given.split(","):
            key, found, value = part.partition("=")
            if not found:
                raise InputError(
                    "cells", f"{given!r}, expected key=value pairs such as pi=0.003,n=100000"
                )
            values[key.strip()] = value
    else:
        values = dict(given)
    for key in values:
        if key not in KEYS:
            raise InputError("cells", f"{key!r}, expected one of {', '.join(KEYS)}")
    for key in ("pi", "n"):
        if key not in values:
            raise InputError("cells", f"{given!r} has no {key}", "Give at least pi and n.")
    try:
        cell = Cell(**{k: float(v) for k, v in values.items()})
    except (TypeError, ValueError):
        raise InputError("cells", f"{given!r}, expected numbers") from None
    if not (0 < cell.pi <= 1 and cell.n >= 2 and 0 < cell.sigma2_0 <= 100):
        raise InputError(
            "cells", f"{given!r}, expected 0 < pi <= 1, n >= 2 and 0 < sigma2_0 <= 100"
        )
    _ = cell.effects  # checks h2 and S
    return cell
