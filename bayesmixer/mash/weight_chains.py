"""Chains of a mixture's weights, and whether they agree: sweeps over the components of all effects
(`nested_weights`), transfers between components (`transfers`) and groups (`group_transfers`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.mash.group_transfers import between_groups
from bayesmixer.mash.nested_weights import Nested
from bayesmixer.mash.transfers import Part, transfer

Array = NDArray[np.float64]
LARGEST_R_HAT = 1.05
RENEWED = 1e-300  # weights below it are drawn anew by the first sweep


def chain(
    prior: Nested,
    relative: Array,
    start: Array,
    part: Part,
    draws: int,
    tune: int,
    rng: np.random.Generator,
    advance: Callable[[], object] = lambda: None,
    every: int = 1,
) -> Array:
    """Weights (draw, component) of a chain.

    Parameters
    ----------
    prior, relative
        Prior, and likelihoods (component, effect).
    start
        Weights (component) at which it begins.
    part
        Components between which weight is moved (`taking_part`).
    draws, tune
        How many are kept, after how many that are not.
    rng
        Random numbers.
    advance
        Called after each sweep.
    every
        Sweeps between two that are kept.
    """
    log_weights, kept = np.log(np.maximum(start, RENEWED)), np.empty((draws, prior.size))
    for i in range(1, tune + draws * every + 1):
        log_weights = moved(prior, relative, log_weights, part, rng)
        if i > tune and (i - tune) % every == 0:
            kept[(i - tune) // every - 1] = np.exp(log_weights)
        advance()
    return kept


def moved(
    prior: Nested, relative: Array, log_weights: Array, part: Part, rng: np.random.Generator
) -> Array:
    """Logs of weights (component) after a sweep and transfers."""
    new = prior.sweep(relative, log_weights, rng)
    between_groups(prior, relative, new, rng)
    transfer(prior, relative, new, part, rng)
    return new


def largest_r_hat(held: xr.Dataset) -> float:
    """The largest R-hat of what data identify."""
    import arviz as az

    # a mass that is the same in all draws has none
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore")
        r_hat = az.rhat(held.drop_vars("weights"))
        return max(float(np.nanmax(v.values)) for v in r_hat.data_vars.values())
