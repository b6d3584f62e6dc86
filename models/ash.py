"""Adaptive shrinkage with a posterior of its weights: effects in one condition under a mixture of
normals or uniforms around one mode.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from bayesmixer.mash.ash import tree_of
from bayesmixer.mash.ash_arguments import prepared
from bayesmixer.mash.ash_components import SIDES, around
from bayesmixer.mash.ash_components import Components as Around
from bayesmixer.mash.ash_estimates import Estimates
from bayesmixer.mash.ash_learning import Learned, dirichlet
from bayesmixer.mash.cards import ASH
from bayesmixer.mash.grid import RATIO
from bayesmixer.mash.nested_weights import CONCENTRATION, NULL, Nested
from bayesmixer.mash.weight_problem import Problem
from bayesmixer.mash.weights import Weights
from bayesmixer.models.common import in_one_line
from bayesmixer.models.mixture_weights import (
    blocks_of,
    checked_prior,
    weights_model,
)
from bayesmixer.ops.mixture import Components

NAMES = {-1: "negative", 0: "both", 1: "positive"}


@in_one_line
def ash(
    bhat: Any,
    shat: Any = None,
    mixture: str = "normal",
    *,
    mode: float = 0,
    alpha: float | None = None,
    df: Any = None,
    grid: Any = None,
    gridmult: float = RATIO,
    point_mass: bool = True,
    null: tuple[float, float] = NULL,
    concentration: float = CONCENTRATION,
    block: Any = None,
) -> pm.Model:
    """Weights of scales around a mode, with a prior that does not grow with their number.

    Parameters
    ----------
    bhat, shat, mixture, mode, alpha, df, grid, gridmult, point_mass
        As of `bayesmixer.ash`; the mode is a number.
    null, concentration, block
        As of `bayesmixer.models.mash`.

    Returns
    -------
    pymc.Model
        Free: `null_mass`, `group_share` (side) where the mixture has two sides, `scale_share`
        (side, scale). Deterministic: `weights` (component, in the order of `bayesmixer.ash`),
        `pi0`, `near_null`, `effect_sd`, `side_weight`. The potential `bhat` is the
        log-likelihood, dim effect.

    Raises
    ------
    InputError
        An argument cannot be used.

    References
    ----------
    Stephens 2017, Biostatistics 18:275.
    """
    data, family, scales = prepared(
        bhat, shat, mixture, mode, alpha, df, grid, gridmult, point_mass
    )
    components = around(family, scales, bool(point_mass), float(mode))
    given_null, total = checked_prior(null, concentration, bool(point_mass))
    sides = SIDES[family]
    place = np.arange(len(scales) * len(sides))
    prior = Nested(given_null, total, place // len(scales), place % len(scales))
    rows = Components.of_logs(components.log_likelihood(data.x, data.s, data.df))
    parameters = dirichlet("nullbiased", 10.0, family, len(scales), bool(point_mass))

    used = np.flatnonzero(data.used)
    problem = Problem(
        components=rows,
        prior=prior,
        penalty=parameters - 1,
        groups=("side", [NAMES[side] for side in sides]),
        near=components.scale < float(np.median(data.s)) / 2,
        variance=components.scale**2 / (1 if components.normal else 3),
        described=partial(_described, data, components, family, parameters, float(rows.top.sum())),
        block=blocks_of(None if block is None else np.asarray(block)[used], len(used)),
    )
    effects = xr.Dataset(coords={"effect": [data.names[i] for i in used]})
    options = {
        "mixture": family,
        "mode": float(mode),
        "grid": None if grid is None else scales.tolist(),
        "gridmult": float(gridmult),
        "point_mass": bool(point_mass),
        "null": list(null),
        "concentration": total,
    }
    names = [f"{NAMES[side]}@{i + 1}" for side in sides for i in range(len(scales))]
    return weights_model(problem, ASH, effects, ["null"] * bool(point_mass) + names, ash, options)


def _described(
    data: Estimates,
    components: Around,
    family: str,
    parameters: np.ndarray,
    top: float,
    found: Weights,
    draws: Any = None,
) -> xr.DataTree:
    """Weights as `bayesmixer.ash` returns them."""
    forced = parameters > 1
    penalty = float((parameters[forced] - 1) @ np.log(found.x[forced]))
    height = found.height + top
    learned = Learned(components, found.x, parameters, height - penalty, height, found.gap)
    return tree_of(data, learned, family, bool(components.scale[0] == 0), draws)
