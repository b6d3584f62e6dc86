"""The infinitesimal model of two traits: every variant is causal for both.

    (z_1j, z_2j) ~ N(0, Sigma_0 + G_j),  G_j[a, b] = sqrt(N_aj N_bj h2_a h2_b) rg_ab l_j / H_total

with l_j = sum_i H_i r_ij^2, rg_aa = 1.
The null model of a pair's AIC and BIC, and cross-trait LD score regression's model as a likelihood.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from bayesmixer.bound import Bound
from bayesmixer.identity import trait_names
from bayesmixer.mixer.laid_out import h_total
from bayesmixer.models.common import (
    censoring_point,
    coords,
    free,
    gaussian_pair,
    in_one_line,
    remember,
    two_traits,
)
from bayesmixer.models.own import evaluable
from bayesmixer.ops.pair import PairLogLik
from bayesmixer.pair.cards import ATANH_RG, ATANH_RHO_0, INFINITESIMAL_PAIR, LOG_H2, LOG_SIGMA2_0
from bayesmixer.pair.chart import MOST_RHO_0
from bayesmixer.pair.laid_out import pair_data


@in_one_line
def infinitesimal_pair(
    data: xr.Dataset,
    prior: str | Mapping[str, Any] = "weak",
    censor: float | None = None,
) -> pm.Model:
    """Infinitesimal model of two traits.

    Parameters
    ----------
    data
        GwasData of two traits (dims maf_s=1, variant, trait=2, node), as of `bivariate_mixer`.
    prior
        "weak" (default; docs/reference/models.md says what it means), "flat", or one's own.
    censor
        |z| beyond which a variant only counts as exceeding it, as in `bivariate_mixer`: the null
        model of a censored fit.

    Returns
    -------
    pymc.Model
        Free: `log_h2`, `log_sigma2_0` (dim trait), `atanh_rg`, `atanh_rho_0`. Deterministic: `h2`,
        `sigma2_0`, `sigma2_beta` (dim trait), `rg`, `rho_0`. The potential `z` is the weighted
        log-likelihood, dim ld_block.

    Raises
    ------
    InputError
        `data` is not GwasData of two traits and one S, or `prior` is unknown.

    References
    ----------
    Bulik-Sullivan et al. 2015 (Nature Genetics 47:1236); Frei et al. 2019 (Nature Communications
    10:2417).
    """
    data = two_traits(data, "infinitesimal_pair")
    censor = censoring_point(censor)
    with pm.Model(coords=coords(data, trait=trait_names(data) or [0, 1]), model=None) as model:
        h2 = pm.Deterministic("h2", pt.exp(free(LOG_H2, prior, dims="trait")), dims="trait")
        sigma2_0 = pm.Deterministic(
            "sigma2_0", pt.exp(free(LOG_SIGMA2_0, prior, dims="trait")), dims="trait"
        )
        rg = pm.Deterministic("rg", pt.tanh(free(ATANH_RG, prior)))
        rho_0 = pm.Deterministic("rho_0", MOST_RHO_0 * pt.tanh(free(ATANH_RHO_0, prior)))
        beta = pm.Deterministic("sigma2_beta", h2 / h_total(data), dims="trait")

        covariance = rg * pt.sqrt(beta[0] * beta[1])
        error = rho_0 * pt.sqrt(sigma2_0[0] * sigma2_0[1])
        if censor is None:
            loglik = gaussian_pair(data, beta, covariance, sigma2_0, error)
        else:  # one component of weight 1
            loglik, _ = PairLogLik(pair_data(data, censor))(
                np.ones(1),
                pt.stack([beta[0], beta[1], covariance])[None],
                pt.stack([sigma2_0[0], sigma2_0[1], error]),
            )
        pm.Potential("z", evaluable(loglik), dims="ld_block")
    bound = Bound(
        INFINITESIMAL_PAIR,
        prior,
        data,
        partial(infinitesimal_pair, prior=prior, censor=censor),
        ("log_h2", "log_sigma2_0", "atanh_rg", "atanh_rho_0"),
        {"censor": censor},
        record={"traits": json.dumps(trait_names(data))},
    )
    return remember(model, bound)
