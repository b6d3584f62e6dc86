"""Cards of LD score regression as models: heritability of one trait, whole and by annotation, and
genetic correlation of two.
"""

from __future__ import annotations

from dataclasses import replace

from bayesmixer.card import Free, Prior, Quantity
from bayesmixer.mixer import cards as one_trait
from bayesmixer.pair import cards as two_traits

LOG_INTERCEPT = Free(
    "log_intercept",
    one_trait.LOG_SIGMA2_0.box,
    one_trait.LOG_SIGMA2_0.scatter,
    Prior(
        "normal",
        (0.0, 0.1),
        "the intercept between 0.82 and 1.22: stratification, relatedness, genomic control",
    ),
    truth=one_trait.LOG_SIGMA2_0.truth,
)
INTERCEPT = Quantity(
    "intercept",
    "mean chi-squared of a variant without LD; 1 without confounding",
    shown=True,
    nothing=1.0,
    truth=one_trait.SIGMA2_0.truth,
)
INTERCEPT_GENCOV = Quantity(
    "intercept_gencov",
    "mean of z_1 z_2 of a variant without LD: shared samples times phenotypic correlation",
    nothing=0.0,
)
RATIO = Quantity(
    "attenuation_ratio",
    "share of the inflation of chi-squared that does not follow LD",
)
GENCOV = Quantity("gencov", "genetic covariance, on the scale of the z-scores", nothing=0.0)

DEVIATION = Free(
    "deviation",
    (-300.0, 300.0),
    (-1.0, 1.0),
    Prior("normal", (0.0, 5.0), "tau of an annotation within 10 times the mean over all variants"),
)
RAW = Free(
    "deviation_raw",
    (-30.0, 30.0),
    (-1.0, 1.0),
    Prior("normal", (0.0, 1.0), "tau within twice its scale"),
)
LOG_LOCAL = Free(
    "log_local",
    (-10.0, 10.0),
    (-1.0, 1.0),
    Prior("logistic", (0.0, 1.0), "an annotation's own scale anywhere, shrunk or free alike"),
)
LOG_GLOBAL = Free(
    "log_global",
    (-10.0, 5.0),
    (-2.0, 0.0),
    Prior("logistic", (-1.0, 1.0), "the scale of all annotations between 0.01 and 14"),
)
COEF = Quantity("coef", "tau: per-variant heritability that the annotation adds", nothing=0.0)
CATEGORY = Quantity("h2_category", "M tau: heritability that the annotation adds", nothing=0.0)
RELATIVE = Quantity(
    "tau_relative", "tau over the mean per-variant heritability", shown=True, nothing=0.0
)

H2_LIABILITY = Quantity(
    "h2_liability", "heritability on the liability scale, with prevalences", nothing=0.0
)

CATEGORY_LIABILITY = Quantity(
    "h2_category_liability",
    "heritability that the annotation adds, on the liability scale, with prevalences",
    nothing=0.0,
)
GENCOV_LIABILITY = Quantity(
    "gencov_liability",
    "genetic covariance on the liability scale of what has prevalences",
    nothing=0.0,
)

NEEDS = ("z", "n", "weight", "ld_score", "ld_block")

LDSC_H2 = replace(
    one_trait.INFINITESIMAL,
    name="ldsc_h2",
    title="LD score regression",
    verb="h2",
    summary="LD score regression as a model: heritability and intercept of one trait.",
    free=(one_trait.LOG_H2, LOG_INTERCEPT),
    reported=(one_trait.H2, H2_LIABILITY, INTERCEPT, RATIO),
    needs=NEEDS,
    wing="bayesmixer.ldsc",
    rivals=(),
    richer="",
    starts="h2_starts",
    cell="",
    options=("censor", "samp_prev", "pop_prev"),
    weights="inverse_ld",
)
LDSC_PARTITIONED = replace(
    LDSC_H2,
    name="ldsc_partitioned",
    title="stratified LD score regression",
    verb="partitioned",
    summary="Stratified LD score regression as a model: heritability by annotation.",
    free=(one_trait.LOG_H2, LOG_INTERCEPT, DEVIATION, RAW, LOG_LOCAL, LOG_GLOBAL),
    reported=(
        one_trait.H2,
        H2_LIABILITY,
        INTERCEPT,
        COEF,
        CATEGORY,
        CATEGORY_LIABILITY,
        RELATIVE,
    ),
    needs=(*NEEDS, "annotation_ld_score"),
    starts="partitioned_starts",
    options=("shrinkage", "samp_prev", "pop_prev"),
    observed_by=(),
)
LDSC_RG = replace(
    two_traits.INFINITESIMAL_PAIR,
    name="ldsc_rg",
    title="cross-trait LD score regression",
    verb="rg",
    summary="Cross-trait LD score regression as a model: genetic correlation of two traits.",
    free=(two_traits.LOG_H2, LOG_INTERCEPT, two_traits.ATANH_RG, two_traits.ATANH_RHO_0),
    reported=(
        replace(two_traits.H2, ends=two_traits.FROM_NOTHING),
        replace(H2_LIABILITY, ends=two_traits.FROM_NOTHING),
        INTERCEPT,
        replace(two_traits.RG, ends=(-1.0, 1.0)),
        GENCOV,
        GENCOV_LIABILITY,
        INTERCEPT_GENCOV,
        two_traits.RHO_0,
    ),
    needs=NEEDS,
    wing="bayesmixer.ldsc",
    richer="",
    starts="rg_starts",
    options=("samp_prev", "pop_prev"),
    observed_by=(),
    weights="inverse_ld",
)
