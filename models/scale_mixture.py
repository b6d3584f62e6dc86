"""MiXeR with a free distribution of effects: a spike at zero and Gaussians on a fixed grid of
variances, beta ~ w_0 delta_0 + sum_c w_c N(0, s_c), with Dirichlet weights w.

The grid is that of adaptive shrinkage (Stephens 2017, Biostatistics 18:275), under MiXeR's
likelihood (Frei et al. 2019). The number of causal variants is not identified when effects may be
arbitrarily small, so that none is reported: how many variants explain half and nine tenths of h2
is, and the effective polygenicity (O'Connor et al. 2019, American Journal of Human Genetics
105:456).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from bayesmixer.bound import Bound
from bayesmixer.mixer.cards import LOG_SIGMA2_0, SCALE_MIXTURE, WEIGHTS
from bayesmixer.mixer.derived import effective_polygenicity, number_explaining
from bayesmixer.mixer.grid import grid_of_variances
from bayesmixer.mixer.laid_out import h_total
from bayesmixer.models.common import (
    censoring_point,
    coords,
    free,
    in_one_line,
    one_trait,
    remember,
)
from bayesmixer.models.ld_mixture import ld_mixture

# share of a component below which the likelihood of variants that only it explains has no digits
LEAST = 1e-10


@in_one_line
def scale_mixture(
    data: xr.Dataset,
    prior: str | Mapping[str, Any] = "weak",
    components: int | None = None,
    grid: list[float] | None = None,
    censor: float | None = None,
) -> pm.Model:
    """MiXeR of one trait with a free distribution of effects.

    Parameters
    ----------
    data
        GwasData of one trait (dims variant, trait=1, node), from `align`.
    prior
        "weak" (default; docs/methods/mixer.md), "flat", or one's own, as in `univariate_mixer`.
    components
        Number of Gaussians, at least 2; None: 8, or as many as `grid` has.
    grid
        Their variances, rising, on the scale of sigma2_beta; None spaces `components` of them
        evenly in their logarithm, from effects that add .3 to a variant's z^2 to those that add
        1,000 (at the largest N and the mean heterozygosity). Fits keep the grid.
    censor
        See `univariate_mixer`.

    Returns
    -------
    pymc.Model
        Free: `effect_weights` (dim effect_size: none, then the Gaussians' variances), and
        `log_sigma2_0`.
        Deterministic: `h2`, `n50` and `n90` (number of variants that explain that share of h2,
        strongest first), `n_effective`, `pi` and `sigma2_beta` (dim component), `sigma2_0`. The
        potential `z` is the weighted log-likelihood, dim ld_block.

    Raises
    ------
    InputError
        `data` is not GwasData of one trait and one S, `prior` is unknown, the grid is not of
        rising positive variances, or both it and `components` are given.
    """
    data = one_trait(data, "scale_mixture")
    censor = censoring_point(censor)
    variances = grid_of_variances(data, components, grid)
    names = [f"{v:.6g}" for v in variances]
    with pm.Model(coords=coords(data, effect_size=["none", *names], component=names)) as model:
        weights = free(WEIGHTS, prior, dims="effect_size")
        sigma2_0 = pm.Deterministic("sigma2_0", pt.exp(free(LOG_SIGMA2_0, prior)))
        pi = pm.Deterministic("pi", pt.maximum(weights[1:], LEAST), dims="component")
        sigma2_beta = pm.Deterministic("sigma2_beta", pt.as_tensor(variances), dims="component")
        pm.Deterministic("h2", pt.dot(pi, sigma2_beta) * h_total(data))
        pm.Deterministic("n50", number_explaining(data, pi, sigma2_beta, 0.5))
        pm.Deterministic("n90", number_explaining(data, pi, sigma2_beta, 0.9))
        pm.Deterministic("n_effective", effective_polygenicity(data, pi, sigma2_beta))

        ld_mixture("z", data, pi=pi, sigma2_beta=sigma2_beta, sigma2_0=sigma2_0, censor=censor)
    # the grid is written down, so that it is the same for part of the data
    kept = {"grid": variances.tolist(), "censor": censor}
    bound = Bound(
        SCALE_MIXTURE,
        prior,
        data,
        partial(scale_mixture, prior=prior, **kept),
        ("effect_weights", "log_sigma2_0"),
        kept,
    )
    return remember(model, bound)
