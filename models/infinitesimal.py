"""The infinitesimal model: every variant causal, so z_j ~ N(0, sigma2_0 + N_j l_j h2 / H_total), l_j = sum_i H_i r_ij^2.

The null model of MiXeR's AIC and BIC, and LD score regression's model as a likelihood.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from bayesmixer.models.common import Record, by_block, coords, free, h_total, one_trait
from bayesmixer.models.starts import infinitesimal_starts


def infinitesimal(data: xr.Dataset, prior: str = "weak") -> pm.Model:
    """Infinitesimal model of one trait.

    Parameters
    ----------
    data
        GwasData of one trait (dims variant, trait=1, node), from `align`.
    prior
        "weak" (default; normal on log h2 and log sigma2_0, models/common.py) or "flat" (the MAP is then the maximum-likelihood estimate).

    Returns
    -------
    pymc.Model
        Free: `log_h2`, `log_sigma2_0`. Deterministic: `h2`, `sigma2_0`, `sigma2_beta`. The potential `z` is the weighted log-likelihood, dim ld_block.

    Raises
    ------
    InputError
        `data` is not GwasData of one trait, or `prior` is unknown.

    References
    ----------
    Bulik-Sullivan et al. 2015 (Nature Genetics 47:291); Frei et al. 2019 (Nature Communications 10:2417).
    """
    one_trait(data, "infinitesimal")
    used = np.flatnonzero(data["weight"].values > 0)
    z, n, weight = data["z"].values[used, 0], data["n"].values[used, 0], data["weight"].values[used]
    ld, block = data["ld_score_h"].values[used].astype(float), data["ld_block"].values[used]
    order = np.argsort(block, kind="stable")
    z2, exposure, weight = z[order] ** 2, (n * ld)[order] / h_total(data), weight[order]
    with pm.Model(coords=coords(data)) as model:
        log_h2, log_sigma2_0 = free("log_h2", prior), free("log_sigma2_0", prior)
        h2, sigma2_0 = pm.Deterministic("h2", pt.exp(log_h2)), pm.Deterministic("sigma2_0", pt.exp(log_sigma2_0))
        pm.Deterministic("sigma2_beta", h2 / h_total(data))

        variance = sigma2_0 + h2 * exposure
        terms = weight * -0.5 * (np.log(2 * np.pi) + pt.log(variance) + z2 / variance)
        pm.Potential("z", by_block(terms, block[order], len(model.coords["ld_block"])), dims="ld_block")
    model.bayesmixer = Record("infinitesimal", prior, data, partial(infinitesimal, prior=prior), ("log_h2", "log_sigma2_0"), infinitesimal_starts)
    return model
