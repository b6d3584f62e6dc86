"""Correlation of errors between conditions, from effects that look like nothing, or from all
together with what is learned of them.
"""

from __future__ import annotations

from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.arguments import choice
from bayesmixer.errors import InputError
from bayesmixer.mash.canonical_covariances import canonical
from bayesmixer.mash.error_moments import mean_square
from bayesmixer.mash.grid import default_grid
from bayesmixer.mash.learning import learn
from bayesmixer.mash.mixture import Mixture, checked, normalised
from bayesmixer.mash.prior_covariances import matrices
from bayesmixer.mash.rows import Rows, picked, rows_of
from bayesmixer.mash.truncated_correlation import FEW, pairwise

Array = NDArray[np.float64]
METHODS = ("simple", "pairwise", "em")
LOOKS_NULL = 2.0  # |z| below it in every condition
STEPS = 100


def correlation(
    effects: xr.Dataset,
    method: str = "simple",
    *,
    covariances: Any = None,
    prior: Any = "nullbiased",
    rise: float = 1.0,
) -> xr.DataArray:
    """Correlation of the errors of one effect between conditions.

    Parameters
    ----------
    effects
        What `bayesmixer.read_effects` returned; those with a missing cell do not take part, but in
        "pairwise".
    method
        "simple": that of the z-scores of effects with |z| < 2 in all conditions. Leaving out large
        z-scores pulls it to 0: where all effects are null and the true correlation is 0.5, to 0.38
        in five conditions and 0.27 in twenty, and few are left. "pairwise": of two conditions the
        effects with |z| < 2 in both, with what leaving out the others does to a normal pair undone:
        right where most effects are null, in a moment. "em": from the simple one, by turns the
        weights of the mixture and the correlation of what is left of the estimates; the time of a
        fit for each turn.
    covariances
        As in `bayesmixer.mash.fit`, for "em"; None takes the canonical ones.
    prior
        As in `bayesmixer.mash.fit`, for "em".
    rise
        "em" ends where the log-likelihood rises by no more. mashr's is 1; smaller ones are nearer
        to the best correlation, and take more turns.

    Returns
    -------
    xarray.DataArray
        (condition, condition_bis), for `bayesmixer.read_effects(v=...)`. Of "em" with
        `log_likelihood` and `turns` among its attributes.

    Raises
    ------
    InputError
        An unknown method, or too few effects that look like nothing.
    """
    choice("method", method, METHODS)
    if isinstance(rise, bool) or not isinstance(rise, Real) or not float(rise) > 0:
        raise InputError("rise", f"{rise!r}, expected a number above 0")
    rows = rows_of(effects)
    if method == "pairwise":
        found, _, fewest = pairwise(rows.b / rows.s, rows.seen, LOOKS_NULL)
        if fewest < FEW:
            said = f"{fewest} have |z| < {LOOKS_NULL:g} in two conditions, expected {FEW} or more"
            raise InputError("effects", said, "Take random effects, not chosen ones.")
        return _named(found, effects, {"method": method})
    rows = picked(rows, np.flatnonzero(rows.seen.all(1)))
    found, attrs = simple(rows), dict[str, Any]()
    if method == "em":
        conditions = [str(name) for name in effects["condition"].values]
        given = canonical(conditions) if covariances is None else covariances
        u, names = matrices(given, effects)
        mixture = Mixture(normalised(checked(u, names)), default_grid(rows), True)
        found, heights = by_turns(replace(rows, v=found), mixture, prior, rise)
        attrs = {"log_likelihood": max(heights), "turns": len(heights)}
    return _named(found, effects, {"method": method, **attrs})


def beyond_chance(rows: Rows) -> bool:
    """Whether errors of null effects show any correlation between conditions."""
    return pairwise(rows.b / rows.s, rows.seen, LOOKS_NULL)[1]


def _named(v: Array, effects: xr.Dataset, attrs: dict[str, Any]) -> xr.DataArray:
    names = effects["condition"].values
    return xr.DataArray(
        v,
        dims=("condition", "condition_bis"),
        coords={"condition": names, "condition_bis": names},
        name="v",
        attrs=attrs,
    )


def simple(rows: Rows) -> Array:
    """Correlation of rows that look like nothing.

    Raises
    ------
    InputError
        They are too few.
    """
    z = rows.b / rows.s
    null: NDArray[np.bool_] = (np.abs(z) < LOOKS_NULL).all(1)
    n, r = int(null.sum()), z.shape[1]
    if n <= r:
        raise InputError(
            "effects",
            f"{n} of {len(z):,} have |z| < {LOOKS_NULL:g} in all {r} conditions, expected more"
            " than conditions",
            "Take random effects, not chosen ones.",
        )
    return np.atleast_2d(np.corrcoef(z[null], rowvar=False))


def by_turns(rows: Rows, mixture: Mixture, prior: Any, rise: float) -> tuple[Array, list[float]]:
    """Correlation of errors by EM, from that of the rows on, and the log-likelihoods on the way."""
    heights: list[float] = []
    kept = rows.v
    while len(heights) < STEPS:
        learned = learn(rows, mixture, prior)
        heights.append(learned.log_likelihood)
        if len(heights) > 1 and heights[-1] <= heights[-2] + rise:
            if heights[-1] >= heights[-2]:
                kept = rows.v
            break
        kept = rows.v
        square = mean_square(rows, learned.mixture)
        size = np.sqrt(np.diag(square))
        rows = replace(rows, v=square / np.outer(size, size))
    assert kept is not None
    return kept, heights
