"""Arguments of `bayesmixer.ash`, and of models of its weights, checked."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.arguments import choice
from bayesmixer.errors import InputError
from bayesmixer.mash.ash_components import SIDES
from bayesmixer.mash.ash_estimates import Estimates, estimates
from bayesmixer.mash.grid import checked_grid, grid_of
from bayesmixer.mash.trees import draws_of

Array = NDArray[np.float64]


def prepared(
    bhat: Any,
    shat: Any,
    mixture: str,
    mode: Any,
    alpha: Any,
    df: Any,
    grid: Any,
    gridmult: Any,
    point_mass: bool,
) -> tuple[Estimates, str, Array]:
    """Estimates, family and scales around a known mode, of arguments of `ash`.

    Raises
    ------
    InputError
        One cannot be used.
    """
    family = family_of(mixture)
    data = estimates(bhat, shat, alpha, df, family.endswith("normal"))
    known = " (bm.ash estimates it)" if mode == "estimate" else ""
    ratio, around_it = beyond("gridmult", gridmult, 1), number("mode", mode, known)
    if grid is not None:
        return data, family, scales_of(grid, bool(point_mass))
    return data, family, grid_of(data.x - around_it, data.s, ratio)


def family_of(mixture: Any) -> str:
    """A mixture by its name, as it is spelt here."""
    spelt = {name.replace("-", "") if name[0] != "-" else name: name for name in SIDES}
    family = spelt.get(name := str(mixture).lower().replace("_", "-"), name)
    choice("mixture", family if family in SIDES else mixture, SIDES)
    return family


def of_another(
    given: Any, asked: dict[str, Any]
) -> tuple[str, float, float, Array, Array, bool, Array | None]:
    """Mixture, alpha, mode, scales, weights, whether there is a point mass, and draws of weights
    where there are some, of another result; `asked` is what was said of them beside it.

    Raises
    ------
    InputError
        It is none, or what was asked for is another thing.
    """
    if not isinstance(given, xr.DataTree) or given.attrs.get("method") != "ash":
        raise InputError("given", "not what bm.ash returned")
    estimate = given["estimate"]
    draws = draws_of(given)
    family, alpha = str(given.attrs["mixture"]), float(given.attrs["alpha"])
    mode, point_mass = float(estimate["mode"]), bool(given.attrs["point_mass"])
    held = {"mixture": family, "alpha": alpha, "mode": mode, "point_mass": point_mass}
    for name, one in asked.items():
        if one is None:
            continue
        if name not in held:
            raise InputError(name, "said beside a given prior, which has its own", "Leave it out.")
        said = family_of(one) if name == "mixture" else one
        if said != held[name]:
            found = f"{one!r}, but the given prior has {held[name]!r}"
            raise InputError(name, found, "Leave it out.")
    weights = np.asarray(estimate["weights"].values) if draws is None else draws.mean(0)
    grid = np.asarray(estimate["grid"].values)
    return family, alpha, mode, grid, weights, point_mass, draws


def scales_of(grid: Any, point_mass: bool) -> Array:
    """A grid that somebody gave; a 0 in it is the point mass."""
    try:
        scales = np.asarray(grid, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        return checked_grid(grid)
    return checked_grid(scales[scales != 0] if point_mass else scales)


def weights_of(weights: Any) -> Array:
    """Weights that somebody knows.

    Raises
    ------
    InputError
        These are no probabilities.
    """
    try:
        known = np.asarray(weights, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        raise InputError("weights", "holds what is no number") from None
    if not (known >= 0).all() or not abs(known.sum() - 1) < 1e-6:
        raise InputError("weights", "expected probabilities that sum to 1")
    return known


def number(name: str, value: Any, or_else: str = "") -> float:
    """A finite number; `or_else`: what else the argument may be.

    Raises
    ------
    InputError
        It is another thing.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not np.isfinite(float(value)):
        raise InputError(name, f"{value!r}, expected a number{or_else}")
    return float(value)


def beyond(name: str, value: Any, least: float, or_equal: bool = False) -> float:
    """A finite number above a least one, or equal to it.

    Raises
    ------
    InputError
        It is another thing, or below.
    """
    real = isinstance(value, Real) and not isinstance(value, bool) and np.isfinite(float(value))
    if not real or not (value > least or (or_equal and value == least)):
        limit = f"of at least {least:g}" if or_equal else f"above {least:g}"
        raise InputError(name, f"{value!r}, expected a number {limit}")
    return float(value)
