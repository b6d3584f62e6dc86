"""Cards of the MiXeR models of one trait."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bayesmixer.card import Card, Free, Prior, Profile, Quantity

if TYPE_CHECKING:
    import xarray as xr


def _one(value: Any) -> float:
    """A trait's value of what a simulation records: a number, or a list of one."""
    (number,) = value if isinstance(value, Sequence) else (value,)
    return float(number)


def _logit(share: float) -> float:
    return math.log(share / (1 - share)) if 0 < share < 1 else math.nan


def _between_exponents(s: float, data: xr.Dataset) -> float:
    """S on the unconstrained scale that the exponents of the data make."""
    from bayesmixer.ld.exponents import exponents

    held = exponents(data)
    below, above = s - min(held), max(held) - s
    return math.log(below / above) if below > 0 and above > 0 else math.nan


def _share(truth: Mapping[str, Any]) -> float:
    """Share of causal variants: as drawn where that is recorded."""
    if "variants" in truth:
        return float(sum(truth["n_causal"].values()) / truth["variants"])
    return _one(truth["pi"])


def _variance(truth: Mapping[str, Any]) -> float:
    """Variance of the effects where they are of one kind."""
    (component,) = truth["components"]
    return _one(component["sigma2_beta"])


LOG_H2 = Free(
    "log_h2",
    (math.log(1e-6), math.log(20.0)),
    (math.log(0.01), 0.0),
    Prior("log_half_normal", (0.5,), "h2 below 0.98, and h2 = 0 can be reached"),
    truth=lambda truth, data: math.log(_one(truth["h2"])),
    realised=lambda truth: math.log(_one(truth["h2_realised"])),
)
LOGIT_PI = Free(
    "logit_pi",
    (-13.8, 9.2),  # pi from 1e-6 to 0.9999
    (-9.0, 0.0),
    Prior("normal", (-5.5, 2.5), "pi between 3e-5 and 0.35"),
    truth=lambda truth, data: _logit(_one(truth["pi"])),
)
LOG_SIGMA2_0 = Free(
    "log_sigma2_0",
    (math.log(0.3), math.log(20.0)),
    (-0.2, 0.6),
    Prior(
        "normal",
        (0.0, 0.25),
        "sigma2_0 between 0.61 and 1.63: stratification, relatedness, genomic control",
    ),
    truth=lambda truth, data: math.log(_one(truth["sigma2_0"])),
)
LOGIT_MAF_S = Free(
    "logit_maf_s",
    (-5.0, 5.0),  # S within 0.7% of the ends of its range
    (-1.0, 1.0),
    Prior("logistic", (0.0, 1.0), "S anywhere between the exponents of the data, uniformly"),
    truth=lambda truth, data: _between_exponents(truth["maf_s"], data),
)
LOGIT_SHARE_LARGE = Free(
    "logit_share_large",
    (-7.0, 7.0),
    (-2.0, 2.0),
    Prior("normal", (0.0, 1.5), "the large effects explain between 0.05 and 0.95 of h2"),
)
LOG_PI_RATIO = Free(
    "log_pi_ratio",
    (0.0, 9.0),
    (1.0, 6.0),
    Prior("normal", (3.0, 1.0), "large effects are 2.8 to 143 times fewer than small ones"),
)

WEIGHTS = Free(
    "effect_weights",
    (-30.0, 30.0),
    (-3.0, 3.0),
    Prior("dirichlet", (1.0,), "any shares of no effect and of each size, uniformly"),
)

H2 = Quantity(
    "h2",
    "SNP heritability, on the scale of the z-scores (observed scale for case-control studies)",
    shown=True,
    nothing=0.0,
    truth=lambda truth: _one(truth.get("h2_realised", truth["h2"])),
)
PI = Quantity(
    "pi",
    "polygenicity: share of the reference variants that are causal",
    log=True,
    shown=True,
    truth=_share,
)
SIGMA2_0 = Quantity(
    "sigma2_0",
    "variance of z where nothing is causal; 1 without inflation",
    shown=True,
    nothing=1.0,
    truth=lambda truth: _one(truth["sigma2_0"]),
)
SIGMA2_BETA = Quantity(
    "sigma2_beta",
    "discoverability: variance of a causal variant's effect, per allele of a standardised trait",
    log=True,
    truth=_variance,
)
N_CAUSAL = Quantity(
    "n_causal",
    "number of causal variants of the panel",
    log=True,
    truth=lambda truth: float(sum(truth["n_causal"].values())),
)
N90 = Quantity("n90", "number of variants that explain 90% of h2, strongest first", log=True)
MAF_S = Quantity(
    "maf_s",
    "exponent S: effect variance is proportional to heterozygosity to the power S",
    shown=True,
    truth=lambda truth: truth["maf_s"],
)
N50 = Quantity("n50", "number of variants that explain 50% of h2, strongest first", log=True)
N_EFFECTIVE = Quantity(
    "n_effective",
    "effective polygenicity: number of variants with Gaussian effects of one variance that would "
    "spread h2 as widely",
    log=True,
)
SHARE_LARGE = Quantity("share_large", "share of h2 due to the large effects")

INFLATION = (0.95, 1.1)
"""Values of sigma2_0 that sampling and weak LD explain; rules and `check` flag an interval that
excludes them.
"""

KEEPS = ("node_x", "h_bin_value", "h_bin_count")
MOMENTS = ("z", "n", "weight", "ld_score_h", "maf_s", "h_total", "ld_block")


def _expit(x: Any) -> Any:
    import numpy as np

    return 1 / (1 + np.exp(-np.asarray(x)))


UNIVARIATE = Card(
    "univariate_mixer",
    "univariate MiXeR",
    "univariate",
    "Univariate MiXeR (Frei et al. 2019): polygenicity, discoverability, heritability.",
    free=(LOG_H2, LOGIT_PI, LOG_SIGMA2_0, LOGIT_MAF_S),
    reported=(H2, PI, SIGMA2_0, MAF_S, SIGMA2_BETA, N_CAUSAL, N90),
    needs=(*MOMENTS, "spectrum", *KEEPS),
    wing="bayesmixer.mixer",
    null="infinitesimal",
    richer="two_component_mixer",
    profile=Profile("logit_pi", "pi", _expit),
    keeps=KEEPS,
    staged=True,
    cell="cell",
    usual=True,
    options=("censor", "maf_s"),
    observed_by=("censor",),
)
INFINITESIMAL = replace(
    UNIVARIATE,
    name="infinitesimal",
    title="infinitesimal",
    verb="infinitesimal",
    summary="The infinitesimal model, in which every variant is causal: heritability.",
    free=(LOG_H2, LOG_SIGMA2_0, LOGIT_MAF_S),
    reported=(H2, SIGMA2_0, MAF_S, SIGMA2_BETA),
    needs=MOMENTS,
    null="",
    rivals=("univariate_mixer",),
    richer="univariate_mixer",
    profile=None,
    staged=False,
    usual=False,
    starts="infinitesimal_starts",
)
TWO_COMPONENT = replace(
    UNIVARIATE,
    name="two_component_mixer",
    title="two-component MiXeR",
    verb="two-component",
    summary="Two causal components: many small effects and few large ones.",
    free=(LOG_H2, LOGIT_SHARE_LARGE, LOGIT_PI, LOG_PI_RATIO, LOG_SIGMA2_0),
    reported=(H2, SHARE_LARGE, PI, SIGMA2_BETA, SIGMA2_0, N_CAUSAL, N90),
    rivals=("univariate_mixer",),
    richer="",
    profile=None,
    starts="two_component_starts",
    cell="",
    usual=False,
    options=("censor",),
)
LD_MIXTURE = replace(
    UNIVARIATE,
    name="ld_mixture",
    title="own LD mixture",
    verb="",
    summary="A model of one's own, built on the LD-convolved likelihood.",
    free=(),
    null="",
    richer="",
    profile=None,
    staged=False,
    starts="",
    cell="",
    usual=False,
    options=(),
)
"""Of models that users build on `bayesmixer.ld_mixture`."""
SCALE_MIXTURE = replace(
    UNIVARIATE,
    name="scale_mixture",
    title="scale mixture",
    verb="scale-mixture",
    summary="A free distribution of effects: Gaussians on a grid of variances, and none at all.",
    free=(WEIGHTS, LOG_SIGMA2_0),
    reported=(
        H2,
        replace(N50, shown=True),
        replace(N90, shown=True),
        N_EFFECTIVE,
        Quantity(
            "pi",
            "share of the reference variants with an effect from each Gaussian of the grid; small "
            "ones take up variants of no effect, so that their sum is no polygenicity",
            log=True,
        ),
        Quantity("sigma2_beta", "variance of each Gaussian of the grid, fixed", log=True),
        SIGMA2_0,
    ),
    rivals=("univariate_mixer",),
    richer="",
    profile=None,
    starts="grid_starts",
    cell="",
    usual=False,
    options=("censor", "components", "grid"),
)
