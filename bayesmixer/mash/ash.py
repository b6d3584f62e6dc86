"""`bayesmixer.ash`: adaptive shrinkage of effects in one condition (Stephens 2017), which is mash
in one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.arguments import choice
from bayesmixer.errors import InputError
from bayesmixer.io.effects import read_effects
from bayesmixer.mash.grid import checked_grid, default_grid
from bayesmixer.mash.learning import learn
from bayesmixer.mash.mixture import Mixture
from bayesmixer.mash.moments import moments
from bayesmixer.mash.rows import rows_of
from bayesmixer.results import assemble

Array = NDArray[np.float64]
MIXTURES = ("normal",)


def ash(
    bhat: Any,
    shat: Any = None,
    mixture: str = "normal",
    *,
    grid: Any = None,
    prior: Any = "nullbiased",
    point_mass: bool = True,
    alpha: float = 0,
) -> xr.DataTree:
    """Effects under a mixture around 0 that is learned from all of them.

    Parameters
    ----------
    bhat, shat
        Effects and their standard errors, or one number for all (as `read_effects` takes them).
    mixture
        "normal": normals of mean 0.
    grid
        Their standard deviations, in units of bhat / shat^alpha; None takes steps of sqrt(2) from a
        tenth of the smallest standard error to twice the largest effect beyond its error.
    prior
        Dirichlet penalty: "nullbiased" (10 for the point mass, 1 for the others), "uniform", or a
        number of at least 1 for each component.
    point_mass
        Whether there is a component of effects that are exactly 0.
    alpha
        What comes from the mixture is b / shat^alpha.

    Returns
    -------
    xarray.DataTree
        `estimate`: `weights` and `prior_sd` (component; the point mass has 0), `pi0`,
        `log_likelihood`, `penalised_log_likelihood`, `duality_gap`. `effects`: `mean`, `sd`, local
        false sign rate `lfsr`, `svalue` (mean lfsr of all effects whose own is not larger), `lfdr`,
        `negative_prob` (effect).

    Raises
    ------
    InputError
        An argument cannot be used, or there is more than one condition.

    References
    ----------
    Stephens 2017, Biostatistics 18:275.

    Examples
    --------
    >>> import bayesmixer as bm
    >>> found = bm.ash([0.1, -0.2, 3.0, 0.3], 0.5)
    >>> found["effects"]["lfsr"].round(2).values.tolist()
    [0.99, 0.99, 0.0, 0.99]
    """
    choice("mixture", mixture, MIXTURES)
    effects = read_effects(bhat, shat, alpha=alpha)
    if effects.sizes["condition"] > 1:
        found = f"{effects.sizes['condition']} conditions, expected one"
        raise InputError("bhat", found, "Several are for bm.mash.")
    rows = rows_of(effects)
    scales = default_grid(rows) if grid is None else checked_grid(grid)
    learned = learn(rows, Mixture(np.ones((1, 1, 1)), scales, bool(point_mass)), prior)
    weights = learned.mixture.weights
    assert weights is not None
    estimate: dict[str, Any] = {
        "weights": ("component", weights),
        "prior_sd": ("component", np.r_[np.zeros(int(point_mass)), scales]),
        "prior": ("component", learned.prior),
        "log_likelihood": learned.log_likelihood,
        "penalised_log_likelihood": learned.penalised,
        "duality_gap": learned.gap,
    }
    if point_mass:
        estimate["pi0"] = float(weights[0])
    what = moments(rows, learned.mixture)
    lfsr = what.lfsr[:, 0]
    columns = {
        "mean": what.mean[:, 0],
        "sd": what.sd[:, 0],
        "lfsr": lfsr,
        "svalue": svalues(lfsr),
        "lfdr": np.clip(what.zero[:, 0], 0, 1),
        "negative_prob": np.clip(what.negative[:, 0], 0, 1),
    }
    return assemble(
        {
            "estimate": xr.Dataset(estimate),
            "effects": xr.Dataset(
                {name: ("effect", x) for name, x in columns.items()},
                coords={"effect": effects["effect"].values},
            ),
        },
        {"method": "ash", "model": "ash", "mixture": mixture, "alpha": float(alpha)},
    )


def svalues(lfsr: Array) -> Array:
    """Mean local false sign rate of all effects whose own is not larger; equal ones share it."""
    ordered = np.sort(lfsr)
    running = np.cumsum(ordered) / np.arange(1, len(lfsr) + 1)
    values: Array = running[np.searchsorted(ordered, lfsr, side="right") - 1]
    return values
