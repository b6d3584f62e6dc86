"""Cards of the models of two traits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bayesmixer.card import Card, Free, Prior, Quantity
from bayesmixer.mixer import cards as one_trait


def _floats(values: Any) -> Any:
    """As an array; NumPy waits until then, since every --help reads the cards."""
    import numpy as np

    return np.asarray(values, float)


def _logs(values: Any) -> Any:
    import numpy as np

    return np.log(_floats(values))


def _shared(truth: Mapping[str, Any]) -> tuple[float, float]:
    """(pi_shared, rho_beta) of a simulation."""
    parts = {part["name"]: part for part in truth["components"]}
    one = parts.get("shared", parts.get("causal", {"pi": 0.0, "rho": 0.0}))
    return float(one["pi"]), float(one["rho"])


def _rho_beta(truth: Mapping[str, Any]) -> float:
    """Of a simulation; NaN where nothing is shared."""
    shared, rho = _shared(truth)
    return rho if shared > 0 else math.nan


def _place(truth: Mapping[str, Any]) -> tuple[float, float]:
    """(x, y) of a simulation."""
    from bayesmixer.pair.chart import place

    x, y = place(*_shared(truth), *truth["polygenicity"])
    return float(x), float(y)


def _logits(truth: Mapping[str, Any]) -> Any:
    import numpy as np

    pi = _floats(truth["polygenicity"])
    with np.errstate(divide="ignore"):
        return np.log(pi / (1 - pi))


def _rho_0(truth: Mapping[str, Any]) -> float:
    from bayesmixer.pair.chart import MOST_RHO_0

    return math.atanh(truth["rho_0"] / MOST_RHO_0)


def _drawn(truth: Mapping[str, Any], trait: int | None = None) -> float:
    """Number of shared causal variants that were drawn, or of those of a trait."""
    found = truth["n_causal"]
    both = found.get("shared", found.get("causal", 0))
    return float(both if trait is None else both + found.get(f"unique_{trait + 1}", 0))


def _drawn_by_trait(truth: Mapping[str, Any]) -> Any:
    return _floats([_drawn(truth, 0), _drawn(truth, 1)])


LOG_H2 = replace(
    one_trait.LOG_H2,
    truth=lambda truth, data: _logs(truth["h2"]),
    realised=lambda truth: _logs(truth["h2_realised"]),
)
LOGIT_PI_MEAN = Free(
    "logit_pi_mean",
    one_trait.LOGIT_PI.box,
    one_trait.LOGIT_PI.scatter,
    Prior("normal", (-5.5, 2.5), "the middle of the two pi between 3e-5 and 0.35"),
    truth=lambda truth, data: float(_logits(truth).mean()),
)
LOGIT_PI_DIFFERENCE = Free(
    "logit_pi_difference",
    (-8.0, 8.0),
    (-2.0, 2.0),
    # independent priors of the two would have ratios beyond 10 every other time, and bound rg
    Prior("normal", (0.0, 1.5), "polygenicities differ by a factor of up to 19"),
    truth=lambda truth, data: float(_logits(truth)[0] - _logits(truth)[1]),
    fold=0.0,  # the smaller polygenicity is the other trait's on the other side
)
LOG_SIGMA2_0 = replace(one_trait.LOG_SIGMA2_0, truth=lambda truth, data: _logs(truth["sigma2_0"]))
ATANH_U = Free(
    "atanh_u",
    (-5.0, 5.0),  # |rg| up to 0.9999 of what the polygenicities allow
    (-1.0, 1.0),
    Prior("logistic", (0.0, 0.5), "rg anywhere between its bounds +-rg_max, uniformly"),
    truth=lambda truth, data: _place(truth)[0],
    fold=0.0,  # the least overlap is |u|, and the excess over it has a uniform prior
)
LOGIT_T = Free(
    "logit_t",
    (-14.0, 14.0),  # e within 1e-6 of its ends; 1e-3 where rg = 0
    (-3.0, 3.0),
    Prior("excess", (), "overlap anywhere between the least that rg requires and all, uniformly"),
    truth=lambda truth, data: _place(truth)[1],
)
ATANH_RHO_0 = Free(
    "atanh_rho_0",
    (-4.0, 4.0),
    (-0.5, 0.5),
    Prior("normal", (0.0, 0.5), "rho_0 between -0.75 and 0.75: shared samples, correlated traits"),
    truth=lambda truth, data: _rho_0(truth),
)
ATANH_RG = Free(
    "atanh_rg",
    (-5.0, 5.0),
    (-1.0, 1.0),
    Prior("logistic", (0.0, 0.5), "rg between -1 and 1, uniformly"),
    truth=lambda truth, data: math.atanh(truth["rg"]),
)


def _by_trait(one: Quantity, truth: Callable[[Mapping[str, Any]], Any] | None) -> Quantity:
    return replace(one, truth=truth)


H2 = _by_trait(one_trait.H2, lambda truth: _floats(truth.get("h2_realised", truth["h2"])))
PI = _by_trait(one_trait.PI, lambda truth: _drawn_by_trait(truth) / truth["variants"])
SIGMA2_0 = _by_trait(one_trait.SIGMA2_0, lambda truth: _floats(truth["sigma2_0"]))
SIGMA2_BETA = _by_trait(one_trait.SIGMA2_BETA, None)
N_CAUSAL = _by_trait(one_trait.N_CAUSAL, _drawn_by_trait)
RG = Quantity(
    "rg",
    "genetic correlation: of the effects of all variants",
    shown=True,
    nothing=0.0,
    truth=lambda truth: truth.get("rg_realised", truth["rg"]),
)
RHO_0 = Quantity(
    "rho_0",
    "correlation of the errors of the two z-scores: shared samples times phenotypic correlation",
    shown=True,
    nothing=0.0,
    truth=lambda truth: truth["rho_0"],
)

FROM_NOTHING = (0.0, math.inf)
OVERLAP = (
    RG,
    Quantity(
        "pi_shared",
        "share of the reference variants that are causal for both traits",
        log=True,
        truth=lambda truth: _drawn(truth) / truth["variants"],
        ends=FROM_NOTHING,
    ),
    Quantity(
        "n_shared",
        "number of variants that are causal for both",
        shown=True,
        truth=_drawn,
        ends=FROM_NOTHING,
    ),
    Quantity(
        "rho_beta",
        "correlation of the two effects of a shared causal variant",
        shown=True,
        truth=_rho_beta,
    ),
    Quantity(
        "dice",
        "shared variants over the mean number of causal ones",
        shown=True,
        truth=lambda truth: 2 * _drawn(truth) / _drawn_by_trait(truth).sum(),
        ends=FROM_NOTHING,
    ),
    Quantity(
        "jaccard",
        "shared variants over all that are causal for either",
        truth=lambda truth: _drawn(truth) / (_drawn_by_trait(truth).sum() - _drawn(truth)),
        ends=FROM_NOTHING,
    ),
    Quantity(
        "fraction_concordant",
        "share of the shared variants whose effects agree in sign",
        truth=lambda truth: 0.5 + math.asin(_rho_beta(truth)) / math.pi,
    ),
    Quantity(
        "n_concordant",
        "number of shared variants whose effects agree in sign",
        ends=FROM_NOTHING,
    ),
    Quantity(
        "n_discordant",
        "number of shared variants of opposite effects",
        ends=FROM_NOTHING,
    ),
    Quantity(
        "n90_shared",
        "shared variants among a trait's n90",
        ends=FROM_NOTHING,
    ),
    Quantity(
        "n90_unique",
        "variants of one trait alone among its n90",
        ends=FROM_NOTHING,
    ),
    Quantity(
        "n_unique",
        "number of variants that are causal for one trait alone",
        truth=lambda truth: _drawn_by_trait(truth) - _drawn(truth),
        ends=FROM_NOTHING,
    ),
    Quantity(
        "pi_unique",
        "share of the reference variants that are causal for one trait alone",
        ends=FROM_NOTHING,
    ),
    Quantity(
        "rg_max",
        "the largest |rg| that the polygenicities allow",
        ends=(-math.inf, 1.0),
        truth=lambda truth: math.sqrt(min(truth["polygenicity"]) / max(truth["polygenicity"])),
    ),
    Quantity(
        "pi_shared_min",
        "the smallest pi_shared that rg and the polygenicities allow",
        ends=FROM_NOTHING,
    ),
    Quantity("n_expected_overlap", "number of shared variants that chance gives, M pi1 pi2"),
)

BIVARIATE = Card(
    "bivariate_mixer",
    "bivariate MiXeR",
    "bivariate",
    "Bivariate MiXeR (Frei et al. 2019): polygenic overlap of two traits, beyond their genetic "
    "correlation.",
    free=(
        LOG_H2,
        LOGIT_PI_MEAN,
        LOGIT_PI_DIFFERENCE,
        LOG_SIGMA2_0,
        ATANH_U,
        LOGIT_T,
        ATANH_RHO_0,
    ),
    reported=(
        # figures of the posterior show six: polygenicities and what is shared
        *(replace(one, shown=one is PI) for one in (H2, PI, SIGMA2_0, RHO_0)),
        SIGMA2_BETA,
        N_CAUSAL,
        one_trait.N90,
        one_trait.N50,
        *OVERLAP,
    ),
    needs=(*one_trait.MOMENTS, "spectrum", *one_trait.KEEPS),
    traits=2,
    each=(one_trait.UNIVARIATE.name, "univariate"),
    wing="bayesmixer.pair",
    null="infinitesimal_pair",
    rivals=("least_overlap", "complete_overlap", "overlap_at_1_percent", "overlap_at_99_percent"),
    keeps=one_trait.KEEPS,
    staged=True,
    cell="cell",
    judged=(
        "n_shared",
        "dice",
        "rg",
        "rg_max",
        "rho_beta",
        "fraction_concordant",
        "pi",
        "h2",
        "rho_0",
    ),
    options=("censor", "t", "univariate"),
    observed_by=("censor",),
)
INFINITESIMAL_PAIR = replace(
    BIVARIATE,
    name="infinitesimal_pair",
    title="infinitesimal model of two traits",
    verb="",
    summary="The infinitesimal model of two traits: heritabilities and genetic correlation.",
    free=(LOG_H2, LOG_SIGMA2_0, ATANH_RG, ATANH_RHO_0),
    reported=(H2, SIGMA2_0, RHO_0, SIGMA2_BETA, RG),
    each=None,
    null="",
    rivals=(),
    richer="bivariate_mixer",
    staged=False,
    starts="infinitesimal_starts",
    cell="",
    judged=(),
    options=("censor",),
)
