"""LD score regression as models: z_j ~ N(0, b + N_j h2 l_j / M), each variant counted by the
inverse of its LD score; of two traits, bivariate normal.

The score of this composite likelihood is (chi2 - v) / (2 v^2) dv: its mode is the regression with
weights that follow the fit to the end, under h2 >= 0 and |rg| <= 1 by construction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from bayesmixer.arguments import choice
from bayesmixer.bound import Bound
from bayesmixer.errors import InputError
from bayesmixer.identity import trait_names
from bayesmixer.ld.exponents import of_one_s
from bayesmixer.ldsc.cards import (
    DEVIATION,
    LDSC_H2,
    LDSC_PARTITIONED,
    LDSC_RG,
    LOG_GLOBAL,
    LOG_INTERCEPT,
    LOG_LOCAL,
    RAW,
)
from bayesmixer.ldsc.exposure import exposed
from bayesmixer.ldsc.liability import factor, factors_of
from bayesmixer.ldsc.many_traits import per_trait
from bayesmixer.ldsc.model_offers import LEAST
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

SLAB = 10.0  # tau over the mean that an annotation may have without shrinkage


@in_one_line
def ldsc_h2(
    data: xr.Dataset,
    prior: str | Mapping[str, Any] = "weak",
    censor: float | None = None,
    samp_prev: float | None = None,
    pop_prev: float | None = None,
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
    samp_prev, pop_prev
        Share of cases in the sample (0.5 where N is the effective one) and in the population, for
        `h2_liability`.

    Returns
    -------
    pymc.Model
        Free: `log_h2`, `log_intercept`. Deterministic: `h2`, `intercept`, `attenuation_ratio` (what
        does not follow LD of the inflation: (b - 1) / (b - 1 + h2 mean(N l) / M)), and with
        prevalences `h2_liability`. The potential `z` is the weighted log-likelihood, dim ld_block.

    Raises
    ------
    InputError
        `data` is not GwasData of one trait, does not say M, `prior` is unknown, or a prevalence is
        no share or given alone.

    References
    ----------
    Bulik-Sullivan et al. 2015, Nature Genetics 47:291.
    """
    data = one_trait(exposed(data), "ldsc_h2")
    censor, scale = censoring_point(censor), factor(samp_prev, pop_prev)
    used = evaluated(data)
    used = used[np.argsort(data["ld_block"].values[used], kind="stable")]
    z, n, weight = (data[name].values[used].astype(float) for name in ("z", "n", "weight"))
    exposure = n[:, 0] * of_one_s(data, "ld_score_h")[used] / h_total(data)
    with pm.Model(coords=coords(data), model=None) as model:
        h2 = pm.Deterministic("h2", pt.exp(free(LOG_H2, prior)))
        intercept = pm.Deterministic("intercept", pt.exp(free(LOG_INTERCEPT, prior)))
        if scale != 1:
            pm.Deterministic("h2_liability", scale * h2)
        above = intercept - 1
        pm.Deterministic("attenuation_ratio", above / (above + h2 * exposure.mean()))
        terms = weight * gaussian(z[:, 0] ** 2, intercept + h2 * exposure, censor)
        block = data["ld_block"].values[used]
        pm.Potential("z", by_block(terms, block, len(model.coords["ld_block"])), dims="ld_block")
    given = {"censor": censor, "samp_prev": samp_prev, "pop_prev": pop_prev}
    options = {name: value for name, value in given.items() if value is not None}
    build = partial(ldsc_h2, prior=prior, censor=censor, samp_prev=samp_prev, pop_prev=pop_prev)
    bound = Bound(LDSC_H2, prior, data, build, ("log_h2", "log_intercept"), options)
    return remember(model, bound)


@in_one_line
def ldsc_rg(
    data: xr.Dataset,
    prior: str | Mapping[str, Any] = "weak",
    samp_prev: Sequence[float | None] | float | None = None,
    pop_prev: Sequence[float | None] | float | None = None,
) -> pm.Model:
    """Genetic correlation of two traits by cross-trait LD score regression.

    Parameters
    ----------
    data
        GwasData of two traits, from `align({...}, reference, weights="inverse_ld")`; a variant that
        one trait lacks still tells of the other (`join="outer"`).
    prior
        "weak" (default; rg uniform between -1 and 1), "flat", or one's own.
    samp_prev, pop_prev
        As of `ldsc_h2`, one a trait; None or nan where a trait is quantitative.

    Returns
    -------
    pymc.Model
        Free: `log_h2`, `log_intercept` (dim trait), `atanh_rg`, `atanh_rho_0`. Deterministic: `h2`,
        `intercept` (dim trait), `rg`, `gencov`, `rho_0`, `intercept_gencov`, and with prevalences
        `h2_liability` (dim trait; of a quantitative trait its `h2`) and `gencov_liability`; rg is
        the same on either scale. The potential `z` is the weighted log-likelihood, dim ld_block.

    Raises
    ------
    InputError
        `data` is not GwasData of two traits, does not say M, `prior` is unknown, or a prevalence is
        no share or given alone.

    References
    ----------
    Bulik-Sullivan et al. 2015, Nature Genetics 47:1236.
    """
    data = two_traits(exposed(data), "ldsc_rg")
    given = {"samp_prev": samp_prev, "pop_prev": pop_prev}
    options: dict[str, Any] = {k: per_trait(k, v, 2) for k, v in given.items() if v is not None}
    scale = np.array(factors_of(samp_prev, pop_prev, 2))
    with pm.Model(coords=coords(data, trait=trait_names(data) or [0, 1]), model=None) as model:
        h2 = pm.Deterministic("h2", pt.exp(free(of_two.LOG_H2, prior, dims="trait")), dims="trait")
        intercept = pm.Deterministic(
            "intercept", pt.exp(free(LOG_INTERCEPT, prior, dims="trait")), dims="trait"
        )
        rg = pm.Deterministic("rg", pt.tanh(free(of_two.ATANH_RG, prior)))
        rho_0 = pm.Deterministic("rho_0", MOST_RHO_0 * pt.tanh(free(of_two.ATANH_RHO_0, prior)))
        gencov = pm.Deterministic("gencov", rg * pt.sqrt(h2[0] * h2[1]))
        if (scale != 1).any():
            pm.Deterministic("h2_liability", scale * h2, dims="trait")
            pm.Deterministic("gencov_liability", np.sqrt(scale.prod()) * gencov)
        error = pm.Deterministic("intercept_gencov", rho_0 * pt.sqrt(intercept[0] * intercept[1]))
        total = h_total(data)
        loglik = gaussian_pair(data, h2 / total, gencov / total, intercept, error)
        pm.Potential("z", loglik, dims="ld_block")
    names = ("log_h2", "log_intercept", "atanh_rg", "atanh_rho_0")
    record = {"traits": json.dumps(trait_names(data))}
    build = partial(ldsc_rg, prior=prior, **options)
    bound = Bound(LDSC_RG, prior, data, build, names, options, record=record)
    return remember(model, bound)


@in_one_line
def ldsc_partitioned(
    data: xr.Dataset,
    prior: str | Mapping[str, Any] = "weak",
    shrinkage: str = "none",
    samp_prev: float | None = None,
    pop_prev: float | None = None,
) -> pm.Model:
    """Heritability of one trait by annotation.

    Parameters
    ----------
    data
        GwasData of one trait with `annotation_ld_score`, from `align(sumstats, reference,
        weights="inverse_ld")` with LD scores of annotations for a reference; the first annotation
        is the one that the others are added to (base).
    prior
        "weak" (default), "flat", or one's own.
    shrinkage
        "none": tau of each annotation, over the mean per-variant heritability, has the prior
        `deviation`. "horseshoe": a regularised horseshoe of them, for many annotations of which few
        matter; its posterior is for NUTS.
    samp_prev, pop_prev
        As of `ldsc_h2`.

    Returns
    -------
    pymc.Model
        Free: `log_h2`, `log_intercept`, and `deviation` (dim added), or `deviation_raw`,
        `log_local` (dim added) and `log_global`. Deterministic: `h2`, the total, `intercept`,
        `coef` (tau), `h2_category` and `tau_relative` (dim annotation), and with prevalences
        `h2_liability` and `h2_category_liability`. tau may be negative; the variance of z is never
        below a tenth of the intercept. The potential `z` is the weighted log-likelihood, dim
        ld_block.

    Raises
    ------
    InputError
        `data` is not GwasData of one trait with several annotations, lacks their M, `shrinkage` is
        unknown, or a prevalence is no share or given alone.

    References
    ----------
    Finucane et al. 2015, Nature Genetics 47:1228. Piironen & Vehtari 2017, Electronic Journal of
    Statistics 11:5018 (regularised horseshoe; here the local scales are log-logistic).
    """
    choice("shrinkage", shrinkage, ("none", "horseshoe"))
    scale = factor(samp_prev, pop_prev)
    data = one_trait(exposed(data), "ldsc_partitioned")
    m = _totals_of_annotations(data)
    used = evaluated(data)
    used = used[np.argsort(data["ld_block"].values[used], kind="stable")]
    z, n, weight = (data[name].values[used].astype(float) for name in ("z", "n", "weight"))
    exposures = n * data["annotation_ld_score"].values[used].astype(float)
    names = [str(a) for a in data["annotation"].values]
    dims = coords(data, annotation=names, added=names[1:])
    with pm.Model(coords=dims, model=None) as model:
        h2 = pm.Deterministic("h2", pt.exp(free(LOG_H2, prior)))
        intercept = pm.Deterministic("intercept", pt.exp(free(LOG_INTERCEPT, prior)))
        if shrinkage == "none":
            added = free(DEVIATION, prior, dims="added")
        else:
            raw, local = (free(one, prior, dims="added") for one in (RAW, LOG_LOCAL))
            own = pt.exp(free(LOG_GLOBAL, prior) + local)
            added = raw * own / pt.sqrt(1 + (own / SLAB) ** 2)
        # the first makes the total what it is
        first = (m.sum() - pt.dot(m[1:], added)) / m[0]
        relative = pm.Deterministic(
            "tau_relative", pt.concatenate([first[None], added]), dims="annotation"
        )
        tau = pm.Deterministic("coef", h2 / m.sum() * relative, dims="annotation")
        category = pm.Deterministic("h2_category", m * tau, dims="annotation")
        if scale != 1:
            pm.Deterministic("h2_liability", scale * h2)
            pm.Deterministic("h2_category_liability", scale * category, dims="annotation")
        variance = pt.maximum(intercept + pt.dot(exposures, tau), LEAST * intercept)
        terms = weight * gaussian(z[:, 0] ** 2, variance)
        block = data["ld_block"].values[used]
        pm.Potential("z", by_block(terms, block, len(model.coords["ld_block"])), dims="ld_block")
    rest = ("deviation",) if shrinkage == "none" else ("deviation_raw", "log_local", "log_global")
    given = {"samp_prev": samp_prev, "pop_prev": pop_prev}
    options: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    build = partial(ldsc_partitioned, prior=prior, shrinkage=shrinkage, **options)
    if shrinkage != "none":
        options["shrinkage"] = shrinkage
    bound = Bound(LDSC_PARTITIONED, prior, data, build, ("log_h2", "log_intercept", *rest), options)
    return remember(model, bound)


def _totals_of_annotations(data: xr.Dataset) -> np.ndarray:
    """(A,) numbers of variants of each annotation.

    Raises
    ------
    InputError
        There are not several annotations, or their M is not known.
    """
    count = data.sizes.get("annotation", 0)
    if count < 2:
        raise InputError("data", f"{count} annotations, expected several")
    if "m_5_50" not in data:
        raise InputError(
            "data",
            "no m_5_50 of the annotations",
            "Align with LD scores that have .l2.M_5_50 files beside them.",
        )
    return np.asarray(data["m_5_50"].values, float)
