"""Univariate MiXeR: a fraction pi of the variants is causal, beta ~ N(0, sigma2_beta), and z is
their convolution with LD.

z_j = sqrt(N_j) sum_i sqrt(H_i) r_ij beta_i + e_j, e_j ~ N(0, sigma2_0); h2 = pi sigma2_beta H_total
(Frei et al. 2019, eq. 1-4; docs/ideas/likelihood.md). With effects that depend on allele frequency,
beta_i ~ N(0, sigma2_beta H_i^S) and H_total = sum H^(1+S) (docs/methods/maf_architecture.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from bayesmixer.bound import Bound
from bayesmixer.errors import InputError
from bayesmixer.ld.exponents import h_total_at
from bayesmixer.mixer.cards import LOG_H2, LOG_SIGMA2_0, LOGIT_PI, UNIVARIATE
from bayesmixer.mixer.derived import n90_fraction, n90_fraction_at
from bayesmixer.mixer.laid_out import h_total, likelihood_data
from bayesmixer.models.common import (
    by_block,
    censoring_point,
    coords,
    free,
    in_one_line,
    one_trait,
    remember,
    s_option,
    symbolic_exponent,
    take_exponent,
)
from bayesmixer.models.ld_mixture import ld_mixture
from bayesmixer.models.own import evaluable
from bayesmixer.ops.moments import fast_log_likelihood, spectrum_moments


@in_one_line
def univariate_mixer(
    data: xr.Dataset,
    prior: str | Mapping[str, Any] = "weak",
    censor: float | None = None,
    likelihood: str = "exact",
    maf_s: float | str | None = None,
) -> pm.Model:
    """Univariate MiXeR of one trait.

    Parameters
    ----------
    data
        GwasData of one trait (dims maf_s, variant, trait=1, node), from `align`.
    prior
        "weak" (default; half-normal on h2, normal on logit pi and log sigma2_0, uniform on a free
        S: docs/reference/models.md), "flat" (the MAP is then the paper's estimate), or one's own,
        {"log_h2": pm.Normal.dist(-2, 1), ...} or a function of the name, weak for what it does not
        name.
    censor
        |z| beyond which a variant only counts as exceeding it (Frei et al. 2019, eq. 7): single
        loci of very large effect then lose their pull.
    likelihood
        "exact" (default), or "fast": the paper's two-moment model (eq. 5), for comparison; its cost
        is above the exact one by units to tens.
    maf_s
        S, where effect variance is proportional to H^S: a number within the exponents of the data,
        interpolated where they do not hold it; "free" to estimate it (data of three exponents or
        more); None (default) for the S of the data, 0 where they hold several.

    Returns
    -------
    pymc.Model
        Free: `log_h2`, `logit_pi`, `log_sigma2_0`, and `logit_maf_s` (place of a free S in its
        range). Deterministic: `h2`, `pi`, `sigma2_0`, `maf_s` (where free), `sigma2_beta` (variance
        of a causal effect on the standardised-genotype-per-sqrt(H) scale, times H^-S), `n_causal`,
        `n90`. The potential `z` is the weighted log-likelihood, dim ld_block.

    Raises
    ------
    InputError
        `data` is not GwasData of one trait, `prior` or `likelihood` is unknown, `censor` or a free
        S is asked of the fast one, or S is outside the exponents of the data.

    References
    ----------
    Frei et al. 2019, Nature Communications 10:2417.
    """
    data = one_trait(data, "univariate_mixer", several_s=True)
    censor = censoring_point(censor)
    if likelihood not in ("exact", "fast"):
        raise InputError("likelihood", f"{likelihood!r}, expected exact or fast")
    if likelihood == "fast" and censor is not None:
        raise InputError(
            "censor", "the fast likelihood has no censoring", "Use likelihood='exact'."
        )
    build = partial(
        univariate_mixer, prior=prior, censor=censor, likelihood=likelihood, maf_s=maf_s
    )
    data, s, plain = take_exponent(data, maf_s)
    if likelihood == "fast" and not plain:
        raise InputError(
            "likelihood",
            "'fast' takes one S that the data hold",
            "Use likelihood='exact', or an exponent of the reference.",
        )
    names = ("log_h2", "logit_pi", "log_sigma2_0")
    n_reference = float(data.attrs["n_reference"])
    with pm.Model(coords=coords(data), model=None) as model:
        log_h2, logit_pi, log_sigma2_0 = (
            free(one, prior) for one in (LOG_H2, LOGIT_PI, LOG_SIGMA2_0)
        )
        h2 = pm.Deterministic("h2", pt.exp(log_h2))
        pi = pm.Deterministic("pi", pt.sigmoid(logit_pi))
        sigma2_0 = pm.Deterministic("sigma2_0", pt.exp(log_sigma2_0))
        if plain:
            total, fraction = h_total(data), n90_fraction(data)
        else:
            exponent_s = symbolic_exponent(data, s, prior)
            total, fraction = h_total_at(data, exponent_s), n90_fraction_at(data, exponent_s)
        sigma2_beta = pm.Deterministic("sigma2_beta", h2 / (pi * total))
        n_causal = pm.Deterministic("n_causal", pi * n_reference)
        pm.Deterministic("n90", n_causal * fraction)

        if likelihood == "exact":
            ld_mixture(
                "z",
                data,
                pi=pi,
                sigma2_beta=sigma2_beta,
                sigma2_0=sigma2_0,
                maf_s=None if plain else exponent_s,
                censor=censor,
            )
        else:
            variants = likelihood_data(data)
            m1, m2 = spectrum_moments(variants.spectrum, variants.node_x)
            terms = variants.weight * fast_log_likelihood(
                variants.z, variants.n, m1, m2, pi, sigma2_beta, sigma2_0
            )
            by_ld_block = by_block(terms, variants.block, variants.n_blocks)
            pm.Potential("z", evaluable(by_ld_block), dims="ld_block")
    bound = Bound(
        UNIVARIATE,
        prior,
        data,
        build,
        names if s is not None else (*names, "logit_maf_s"),
        {"censor": censor, "likelihood": likelihood} | s_option(maf_s),
    )
    return remember(model, bound)
