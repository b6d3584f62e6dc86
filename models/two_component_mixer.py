"""MiXeR with small and large effects: beta ~ pi_1 N(0, sigma2_1) + pi_2 N(0, sigma2_2) + (1 - pi_1
- pi_2) delta_0.

The paper names it as future work (Frei et al. 2019, Discussion). Parametrised by h2, the large
effects' share of it, the small effects' pi and how many times fewer the large ones are, so that the
components keep their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from bayesmixer.bound import Bound
from bayesmixer.mixer.cards import (
    LOG_H2,
    LOG_PI_RATIO,
    LOG_SIGMA2_0,
    LOGIT_PI,
    LOGIT_SHARE_LARGE,
    TWO_COMPONENT,
)
from bayesmixer.mixer.derived import number_explaining
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


@in_one_line
def two_component_mixer(
    data: xr.Dataset, prior: str | Mapping[str, Any] = "weak", censor: float | None = None
) -> pm.Model:
    """MiXeR of one trait with a component of small and one of large effects.

    Parameters
    ----------
    data
        GwasData of one trait (dims maf_s=1, variant, trait=1, node), from `align`.
    prior
        "weak" (default; docs/reference/models.md says what it means), "flat", or one's own, as in
        `univariate_mixer`.
    censor
        See `univariate_mixer`.

    Returns
    -------
    pymc.Model
        Free: `log_h2`, `logit_share_large`, `logit_pi` (of the small effects), `log_pi_ratio` (log
        of small over large pi), `log_sigma2_0`. Deterministic: `h2`, `share_large`, `pi` and
        `sigma2_beta` (dim component: small, large), `sigma2_0`, `n_causal` (both components),
        `n90`. The potential `z` is the weighted log-likelihood, dim ld_block.

    Raises
    ------
    InputError
        `data` is not GwasData of one trait and one S, `prior` is unknown, or an option is not among
        these.

    References
    ----------
    Frei et al. 2019, Nature Communications 10:2417; Zhang et al. 2018, Nature Genetics 50:1318
    (two-component effects from summary statistics).
    """
    data = one_trait(data, "two_component_mixer")
    censor = censoring_point(censor)
    n_reference = float(data.attrs["n_reference"])
    with pm.Model(coords=coords(data, component=["small", "large"]), model=None) as model:
        log_h2 = free(LOG_H2, prior)
        logit_share = free(LOGIT_SHARE_LARGE, prior)
        logit_pi = free(LOGIT_PI, prior)
        log_ratio, log_sigma2_0 = free(LOG_PI_RATIO, prior), free(LOG_SIGMA2_0, prior)
        h2 = pm.Deterministic("h2", pt.exp(log_h2))
        sigma2_0 = pm.Deterministic("sigma2_0", pt.exp(log_sigma2_0))
        share = pm.Deterministic("share_large", pt.sigmoid(logit_share))
        both, ratio = pt.sigmoid(logit_pi), pt.exp(-log_ratio)
        # `both` is the sum of the two, so that it stays below 1
        pi = pm.Deterministic("pi", both * pt.stack([1.0, ratio]) / (1 + ratio), dims="component")
        sigma2_beta = pm.Deterministic(
            "sigma2_beta",
            h2 * pt.stack([1 - share, share]) / (pi * h_total(data)),
            dims="component",
        )
        pm.Deterministic("n_causal", both * n_reference)
        pm.Deterministic("n90", number_explaining(data, pi, sigma2_beta))

        ld_mixture("z", data, pi=pi, sigma2_beta=sigma2_beta, sigma2_0=sigma2_0, censor=censor)
    bound = Bound(
        TWO_COMPONENT,
        prior,
        data,
        partial(two_component_mixer, prior=prior, censor=censor),
        ("log_h2", "logit_share_large", "logit_pi", "log_pi_ratio", "log_sigma2_0"),
        {"censor": censor},
    )
    return remember(model, bound)
