"""Univariate MiXeR: a fraction pi of the variants is causal, beta ~ N(0, sigma2_beta), and z is their convolution with LD.

z_j = sqrt(N_j) sum_i sqrt(H_i) r_ij beta_i + e_j, e_j ~ N(0, sigma2_0); h2 = pi sigma2_beta H_total (Frei et al. 2019, eq. 1-4; docs/likelihood.md).
"""

from __future__ import annotations

from functools import partial

import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.models.common import Record, by_block, coords, evaluable, free, h_total, likelihood_data, one_trait
from bayesmixer.models.derived import n90_fraction
from bayesmixer.models.starts import mixer_starts
from bayesmixer.ops.likelihood import MixtureLogLik
from bayesmixer.ops.moments import fast_log_likelihood, spectrum_moments


def univariate_mixer(data: xr.Dataset, prior: str = "weak", censor: float | None = None, likelihood: str = "exact") -> pm.Model:
    """Univariate MiXeR of one trait.

    Parameters
    ----------
    data
        GwasData of one trait (dims variant, trait=1, node), from `align`.
    prior
        "weak" (default; normal on log h2, logit pi and log sigma2_0, models/common.py) or "flat" (the MAP is then the paper's estimate).
    censor
        |z| beyond which a variant only counts as exceeding it (Frei et al. 2019, eq. 7): single loci of very large effect then lose their pull.
    likelihood
        "exact" (default), or "fast": the paper's two-moment model (eq. 5), for comparison; its cost is above the exact one by units to tens.

    Returns
    -------
    pymc.Model
        Free: `log_h2`, `logit_pi`, `log_sigma2_0`. Deterministic: `h2`, `pi`, `sigma2_0`, `sigma2_beta` (variance of a causal effect on the
        standardised-genotype-per-sqrt(H) scale), `n_causal`, `n90`. The potential `z` is the weighted log-likelihood, dim ld_block.

    Raises
    ------
    InputError
        `data` is not GwasData of one trait, `prior` or `likelihood` is unknown, or `censor` is asked of the fast one.

    References
    ----------
    Frei et al. 2019, Nature Communications 10:2417.
    """
    one_trait(data, "univariate_mixer")
    if likelihood not in ("exact", "fast"):
        raise InputError("likelihood", f"{likelihood!r}, expected exact or fast")
    if likelihood == "fast" and censor is not None:
        raise InputError("censor", "the fast likelihood has no censoring", "Use likelihood='exact'.")
    variants = likelihood_data(data, censor)
    n_reference = float(data.attrs["n_reference"])
    with pm.Model(coords=coords(data)) as model:
        log_h2, logit_pi, log_sigma2_0 = free("log_h2", prior), free("logit_pi", prior), free("log_sigma2_0", prior)
        h2 = pm.Deterministic("h2", pt.exp(log_h2))
        pi = pm.Deterministic("pi", pt.sigmoid(logit_pi))
        sigma2_0 = pm.Deterministic("sigma2_0", pt.exp(log_sigma2_0))
        sigma2_beta = pm.Deterministic("sigma2_beta", h2 / (pi * h_total(data)))
        n_causal = pm.Deterministic("n_causal", pi * n_reference)
        pm.Deterministic("n90", n_causal * n90_fraction(data))

        if likelihood == "exact":
            by_ld_block = MixtureLogLik(variants)(pi[None], sigma2_beta[None], sigma2_0)[0]
        else:
            m1, m2 = spectrum_moments(variants.spectrum, variants.node_x)
            terms = variants.weight * fast_log_likelihood(variants.z, variants.n, m1, m2, pi, sigma2_beta, sigma2_0)
            by_ld_block = by_block(terms, variants.block, variants.n_blocks)
        pm.Potential("z", evaluable(by_ld_block), dims="ld_block")
    model.bayesmixer = Record(
        "univariate_mixer",
        prior,
        data,
        partial(univariate_mixer, prior=prior, censor=censor, likelihood=likelihood),
        ("log_h2", "logit_pi", "log_sigma2_0"),
        mixer_starts,
        {"censor": censor, "likelihood": likelihood},
    )
    return model
