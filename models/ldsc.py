"""LD score regression as models: z_j ~ N(0, b + N_j h2 l_j / M), each variant counted by the
inverse of its LD score; of two traits, bivariate normal.

The score of this composite likelihood is (chi2 - v) / (2 v^2) dv: its mode is the regression with
weights that follow the fit to the end, under h2 >= 0 and |rg| <= 1 by construction.
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

from bayesmixer.card import Bound
from bayesmixer.identity import trait_names
from bayesmixer.ld.exponents import of_one_s
from bayesmixer.ldsc.cards import LDSC_H2, LDSC_RG, LOG_INTERCEPT
from bayesmixer.ldsc.exposure import exposed
from bayesmixer.mixer.cards import LOG_H2
from bayesmixer.mixer.laid_out import h_total
from bayesmixer.models.common import (
    by_block,
    censoring_point,
    coords,
    free,
    gaussian,
    gaussian_pair,
    in_one_line,
    one_trait,
    remember,
    two_traits,
)
from bayesmixer.pair import cards as of_two
from bayesmixer.pair.chart import MOST_RHO_0
from bayesmixer.variables import evaluated


@in_one_line
def ldsc_h2(
    data: xr.Dataset,
    prior: str | Mapping[str, Any] = "weak",
    censor: float | None = None,
) -> pm.Model:
    """Heritability of one trait by LD score regression.

    Parameters
    ----------
    data
        GwasData of one trait, from `align(sumstats, reference, weights="inverse_ld")`; the
        reference may hold LD scores alone.
    prior
        "weak" (default; half-normal on h2, normal on the log of the intercept), "flat" (the mode is
        then the regression iterated to its end), or one's own, as in `univariate_mixer`.
    censor
        |z| beyond which a variant only counts as exceeding it: a few strong loci then do not move
        h2 (instead of LDSC's two steps).

    Returns
    -------
    pymc.Model
        Free: `log_h2`, `log_intercept`. Deterministic: `h2`, `intercept`. The potential `z` is the
        weighted log-likelihood, dim ld_block.

    Raises
    ------
    InputError
        `data` is not GwasData of one trait, does not say M, or `prior` is unknown.

    References
    ----------
    Bulik-Sullivan et al. 2015, Nature Genetics 47:291.
    """
    data = one_trait(exposed(data), "ldsc_h2")
    censor = censoring_point(censor)
    used = evaluated(data)
    used = used[np.argsort(data["ld_block"].values[used], kind="stable")]
    z, n, weight = (data[name].values[used].astype(float) for name in ("z", "n", "weight"))
    exposure = n[:, 0] * of_one_s(data, "ld_score_h")[used] / h_total(data)
    with pm.Model(coords=coords(data), model=None) as model:
        h2 = pm.Deterministic("h2", pt.exp(free(LOG_H2, prior)))
        intercept = pm.Deterministic("intercept", pt.exp(free(LOG_INTERCEPT, prior)))
        terms = weight * gaussian(z[:, 0] ** 2, intercept + h2 * exposure, censor)
        block = data["ld_block"].values[used]
        pm.Potential("z", by_block(terms, block, len(model.coords["ld_block"])), dims="ld_block")
    build = partial(ldsc_h2, prior=prior, censor=censor)
    options = {} if censor is None else {"censor": censor}
    bound = Bound(LDSC_H2, prior, data, build, ("log_h2", "log_intercept"), options)
    return remember(model, bound)


@in_one_line
def ldsc_rg(data: xr.Dataset, prior: str | Mapping[str, Any] = "weak") -> pm.Model:
    """Genetic correlation of two traits by cross-trait LD score regression.

    Parameters
    ----------
    data
        GwasData of two traits, from `align({...}, reference, weights="inverse_ld")`; a variant that
        one trait lacks still tells of the other (`join="outer"`).
    prior
        "weak" (default; rg uniform between -1 and 1), "flat", or one's own.

    Returns
    -------
    pymc.Model
        Free: `log_h2`, `log_intercept` (dim trait), `atanh_rg`, `atanh_rho_0`. Deterministic: `h2`,
        `intercept` (dim trait), `rg`, `gencov`, `rho_0`, `intercept_gencov`. The potential `z` is
        the weighted log-likelihood, dim ld_block.

    Raises
    ------
    InputError
        `data` is not GwasData of two traits, does not say M, or `prior` is unknown.

    References
    ----------
    Bulik-Sullivan et al. 2015, Nature Genetics 47:1236.
    """
    data = two_traits(exposed(data), "ldsc_rg")
    with pm.Model(coords=coords(data, trait=trait_names(data) or [0, 1]), model=None) as model:
        h2 = pm.Deterministic("h2", pt.exp(free(of_two.LOG_H2, prior, dims="trait")), dims="trait")
        intercept = pm.Deterministic(
            "intercept", pt.exp(free(LOG_INTERCEPT, prior, dims="trait")), dims="trait"
        )
        rg = pm.Deterministic("rg", pt.tanh(free(of_two.ATANH_RG, prior)))
        rho_0 = pm.Deterministic("rho_0", MOST_RHO_0 * pt.tanh(free(of_two.ATANH_RHO_0, prior)))
        gencov = pm.Deterministic("gencov", rg * pt.sqrt(h2[0] * h2[1]))
        error = pm.Deterministic("intercept_gencov", rho_0 * pt.sqrt(intercept[0] * intercept[1]))
        total = h_total(data)
        loglik = gaussian_pair(data, h2 / total, gencov / total, intercept, error)
        pm.Potential("z", loglik, dims="ld_block")
    names = ("log_h2", "log_intercept", "atanh_rg", "atanh_rho_0")
    record = {"traits": json.dumps(trait_names(data))}
    bound = Bound(LDSC_RG, prior, data, partial(ldsc_rg, prior=prior), names, record=record)
    return remember(model, bound)
