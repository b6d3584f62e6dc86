"""mash with a posterior of its weights: effects in many conditions under a mixture of covariances
at several scales, b_j ~ pi_0 delta_0 + sum pi_kl N(0, grid_l^2 U_k).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from bayesmixer.mash.cards import MASH
from bayesmixer.mash.grid import checked_grid, default_grid
from bayesmixer.mash.learning import NULL as PENALTY
from bayesmixer.mash.learning import Learned, component_names, dirichlet, learn_alone
from bayesmixer.mash.likelihood import relative
from bayesmixer.mash.mixture import Mixture, checked, normalised, prior_variances
from bayesmixer.mash.nested_weights import CONCENTRATION, NULL, Nested
from bayesmixer.mash.prior_covariances import matrices
from bayesmixer.mash.rows import rows_of
from bayesmixer.mash.trees import of_mixture
from bayesmixer.mash.weight_problem import Problem
from bayesmixer.mash.weights import Weights
from bayesmixer.models.common import in_one_line
from bayesmixer.models.mixture_weights import (
    blocks_of,
    checked_prior,
    weights_model,
)
from bayesmixer.ops.mixture import Components


@in_one_line
def mash(
    effects: xr.Dataset,
    covariances: Any,
    *,
    grid: Any = None,
    point_mass: bool = True,
    independent: bool = False,
    null: tuple[float, float] = NULL,
    concentration: float = CONCENTRATION,
    block: Any = None,
) -> pm.Model:
    """Weights of covariances and scales, with a prior that does not grow with their number.

    Parameters
    ----------
    effects, covariances, grid, point_mass, independent
        As of `bayesmixer.mash.fit`; the conditions' own mixtures are taken as known.
    null
        Parameters of the Beta prior of the share of effects that are exactly 0.
    concentration
        Total of the Dirichlet priors of covariances, and of the scales of each.
    block
        Label of each effect (its gene, its LD block): effects of one label depend on each other,
        which the bootstrap heeds (`bayesmixer.fit(model, "bootstrap")`), Gibbs and NUTS do not.

    Returns
    -------
    pymc.Model
        Free: `null_mass`, `group_share` (covariance), `scale_share` (scaled_covariance,
        scale).
        Deterministic: `weights` (component, in the order of `bayesmixer.mash.fit`), `pi0`,
        `near_null`, `effect_sd` (condition), `covariance_weight`. The potential `bhat` is the
        log-likelihood, dim effect.

    Raises
    ------
    InputError
        An argument cannot be used.

    References
    ----------
    Urbut et al. 2019, Nature Genetics 51:187.
    """
    rows = rows_of(effects)
    u, names = matrices(covariances, effects)
    scales = default_grid(rows) if grid is None else checked_grid(grid)
    alone = learn_alone(rows, scales, bool(point_mass), "nullbiased") if independent else None
    mixture = Mixture(normalised(checked(u, names)), scales, bool(point_mass), alone=alone)
    given_null, total = checked_prior(null, concentration, mixture.point_mass)
    place = np.arange(len(scales) * len(u))
    prior = Nested(given_null, total, place % len(u), place // len(u), bool(independent))
    matrix, top = relative(rows, mixture)
    half = float(np.median(rows.s[rows.seen])) / 2
    parameters = dirichlet("nullbiased", mixture)

    attrs = {
        "alpha": effects.attrs["alpha"],
        "n_effects": effects.sizes["effect"],
        "independent": int(independent),
    }
    conditions = [str(name) for name in effects["condition"].values]
    problem = Problem(
        components=Components(matrix, top),
        prior=prior,
        penalty=parameters - 1,
        groups=("covariance", [*names, "independent"] if independent else names),
        near=np.r_[
            [True] * mixture.point_mass, (scales < half)[prior.scale], [False] * bool(independent)
        ].astype(bool),
        variance=prior_variances(mixture),
        conditions=conditions,
        described=partial(
            _described, mixture, names, conditions, attrs, parameters, float(top.sum()), rows.v
        ),
        block=blocks_of(block, len(rows.b)),
    )
    options = {
        "grid": None if grid is None else scales.tolist(),
        "point_mass": bool(point_mass),
        "independent": bool(independent),
        "null": list(null),
        "concentration": total,
    }
    build = partial(mash, covariances=covariances, block=block)
    return weights_model(problem, MASH, effects, component_names(mixture, names), build, options)


def _described(
    mixture: Mixture,
    names: list[str],
    conditions: list[str],
    attrs: dict[str, Any],
    parameters: np.ndarray,
    top: float,
    v: np.ndarray | None,
    found: Weights,
    draws: Any = None,
) -> xr.DataTree:
    """Weights as `bayesmixer.mash.fit` returns them."""
    penalty = (PENALTY - 1) * np.log(found.x[0]) if mixture.point_mass else 0.0
    height = found.height + top
    known = replace(mixture, weights=found.x)
    learned = Learned(known, parameters, height - penalty, height, found.gap)
    return of_mixture(known, names, conditions, attrs, learned, v)
