"""The infinitesimal model: every variant causal, so z_j ~ N(0, sigma2_0 + N_j l_j h2 / H_total),
l_j = sum_i H_i r_ij^2.

The null model of MiXeR's AIC and BIC, and LD score regression's model as a likelihood.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from bayesmixer.bound import Bound
from bayesmixer.ld.exponents import h_total_at, ld_score_weights
from bayesmixer.mixer.cards import INFINITESIMAL, LOG_H2, LOG_SIGMA2_0
from bayesmixer.mixer.laid_out import h_total
from bayesmixer.models.common import (
    by_block,
    censoring_point,
    coords,
    free,
    gaussian,
    in_one_line,
    one_trait,
    remember,
    s_option,
    symbolic_exponent,
    take_exponent,
)
from bayesmixer.variables import evaluated


@in_one_line
def infinitesimal(
    data: xr.Dataset,
    prior: str | Mapping[str, Any] = "weak",
    maf_s: float | str | None = None,
    censor: float | None = None,
) -> pm.Model:
    """Infinitesimal model of one trait.

    Parameters
    ----------
    data
        GwasData of one trait (dims maf_s, variant, trait=1, node), from `align`.
    prior
        "weak" (default; half-normal on h2, normal on log sigma2_0, uniform on a free S:
        docs/reference/models.md), "flat" (the MAP is then the maximum-likelihood estimate), or
        one's own, as in `univariate_mixer`.
    maf_s
        S, where effect variance is proportional to H^S: a number, "free", or None (default), as in
        `univariate_mixer`.
    censor
        |z| beyond which a variant only counts as exceeding it, as in `univariate_mixer`
        (Frei et al. 2019, eq. 7): the null model of a censored fit.

    Returns
    -------
    pymc.Model
        Free: `log_h2`, `log_sigma2_0`, and `logit_maf_s` where S is free. Deterministic: `h2`,
        `sigma2_0`, `sigma2_beta`, and `maf_s` where free. The potential `z` is the weighted
        log-likelihood, dim ld_block.

    Raises
    ------
    InputError
        `data` is not GwasData of one trait, `prior` is unknown, or S is outside the exponents of
        the data.

    References
    ----------
    Bulik-Sullivan et al. 2015 (Nature Genetics 47:291); Frei et al. 2019 (Nature Communications
    10:2417).
    """
    data = one_trait(data, "infinitesimal", several_s=True)
    censor = censoring_point(censor)
    build = partial(infinitesimal, prior=prior, maf_s=maf_s, censor=censor)
    data, s, held = take_exponent(data, maf_s)
    used = evaluated(data)
    z, n, weight = data["z"].values[used, 0], data["n"].values[used, 0], data["weight"].values[used]
    scores = data["ld_score_h"].values[:, used].astype(float)
    block = data["ld_block"].values[used]
    order = np.argsort(block, kind="stable")
    z2, exposures, weight = z[order] ** 2, (n * scores)[:, order], weight[order]
    with pm.Model(coords=coords(data), model=None) as model:
        log_h2, log_sigma2_0 = free(LOG_H2, prior), free(LOG_SIGMA2_0, prior)
        h2 = pm.Deterministic("h2", pt.exp(log_h2))
        sigma2_0 = pm.Deterministic("sigma2_0", pt.exp(log_sigma2_0))
        if held:
            total, exposure = h_total(data), exposures[0] / h_total(data)
        else:
            exponent_s = symbolic_exponent(data, s, prior)
            total = h_total_at(data, exponent_s)
            exposure = pt.dot(ld_score_weights(data, exponent_s), exposures) / total
        pm.Deterministic("sigma2_beta", h2 / total)

        terms = weight * gaussian(z2, sigma2_0 + h2 * exposure, censor)
        pm.Potential(
            "z", by_block(terms, block[order], len(model.coords["ld_block"])), dims="ld_block"
        )
    names = (
        ("log_h2", "log_sigma2_0") if s is not None else ("log_h2", "log_sigma2_0", "logit_maf_s")
    )
    options = s_option(maf_s) | ({} if censor is None else {"censor": censor})
    bound = Bound(INFINITESIMAL, prior, data, build, names, options)
    return remember(model, bound)
