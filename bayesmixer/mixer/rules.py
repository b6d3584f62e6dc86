"""When an estimate of the MiXeR models should not be trusted: rules on h2, pi and sigma2_0, in the
form of bayesmixer.reporting.trust's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import xarray as xr

from bayesmixer.facts import by_component, estimate_number, interval_of, quantity_of
from bayesmixer.mixer.cards import INFLATION
from bayesmixer.mixer.heritability import read
from bayesmixer.style import INTERVAL, TAILS, as_interval, as_number
from bayesmixer.wings import card_of

Said = Iterator[tuple[Literal["stop", "caution", "note"], str, str]]

HIGHEST_H2 = 1.0
VERY_INFLATED = 1.6  # sigma2_0
FEW_SD = 2.0
WIDE_PI = 100.0  # ratio of the ends of the interval
NEARLY_INFINITESIMAL = 0.3
PRIOR_SHARE = 0.7  # posterior sd of logit pi over the prior's


def impossible_heritability(results: xr.DataTree, data: xr.Dataset | None) -> Said:
    """A heritability above 1 is none."""
    if "posterior" not in results.children or "h2" not in results["posterior"]:
        return
    h2 = float(results["posterior"]["h2"].median())
    if h2 > HIGHEST_H2:
        yield (
            "stop",
            f"h2 is {h2:.2f}, above {HIGHEST_H2:g}: no trait has that heritability.",
            "Check N (too small an N makes h2 too large), and whether the file holds all variants.",
        )


def heritability_near_zero(results: xr.DataTree, data: xr.Dataset | None) -> Said:
    """Nothing can be said of the effects of a trait that shows no heritability: the test of h2 = 0
    says so, not the posterior's shape.
    """
    if (sentence := no_heritability(results)) is not None:
        yield (
            "stop",
            sentence,
            "Use a larger study; read neither h2 (but for its limit) nor the polygenicity of "
            "this fit.",
        )


def no_heritability(results: xr.DataTree) -> str | None:
    """The sentence where h2 may be zero, by the test, or by the posterior of a fit that holds
    none.
    """
    test = read(results)
    if test is not None:
        return None if test.seen else test.sentence
    if "posterior" not in results.children or "h2" not in results["posterior"]:
        return None
    h2 = np.asarray(results["posterior"]["h2"], dtype=float).ravel()
    low, high = np.quantile(h2, TAILS)
    if (
        len(h2) > 1 and h2.mean() < FEW_SD * h2.std()
    ):  # no absolute bound: the h2 of one chromosome is small and well known
        return (
            f"The heritability cannot be told from zero ({INTERVAL:.0%} interval "
            f"{as_interval(low, high)})."
        )
    return None


def polygenicity_not_identified(results: xr.DataTree, data: xr.Dataset | None) -> Said:
    """The mixture must beat the infinitesimal model before its polygenicity means anything."""
    posterior, known = results["posterior"], quantity_of(results, "pi")
    if (
        "pi" not in posterior
        or float(posterior["pi"].std()) == 0
        or no_heritability(results) is not None
    ):
        return
    remedy = "Report h2 only; polygenicity, n_causal and n90 need a larger study."
    bic, reference = (estimate_number(results, name) for name in ("bic", "bic_infinitesimal"))
    if bic is not None and reference is not None and reference <= bic:
        yield (
            "stop",
            f"BIC prefers the infinitesimal model (by {bic - reference:.1f}): the polygenicity "
            "is not identified.",
            remedy,
        )
    # where the card does not show it, pi is that of components which stand for nothing
    told = known is not None and known.shown
    for label, pi in by_component(posterior.to_dataset()["pi"]) if told else ():
        low, high = np.quantile(pi, TAILS)
        if high > WIDE_PI * low:
            yield (
                "caution",
                f"The interval of pi{label} spans a factor of {as_number(high / low)} "
                f"({as_interval(low, high)}).",
                remedy,
            )
        elif high > NEARLY_INFINITESIMAL:
            yield (
                "caution",
                f"The interval of pi{label} reaches {as_number(high)}, where the mixture can "
                "hardly be told from the infinitesimal model.",
                remedy,
            )
    share = share_of_prior_sd(results)
    if share is not None and share > PRIOR_SHARE:
        yield (
            "caution",
            "The posterior of pi is close to its prior (its spread on the logit scale is "
            f"{share:.0%} of the prior's): the data say little about it.",
            remedy,
        )


def share_of_prior_sd(results: xr.DataTree) -> float | None:
    """Posterior over prior spread of the logit of pi, where the prior is the models' weak one."""
    if results.attrs.get("prior") != "weak" or "unconstrained_posterior" not in results.children:
        return None
    free = results["unconstrained_posterior"].to_dataset()
    card = card_of(results)
    one = None if card is None else card.parameter("logit_pi")
    if one is None or "logit_pi" not in free:
        return None
    return float(free["logit_pi"].std()) / one.weak.numbers[1]


def another_model(results: xr.DataTree, data: xr.Dataset | None) -> Said:
    """The one-component model must not explain the data better than what was fitted."""
    model = results.attrs.get("model")
    bic, one = (estimate_number(results, name) for name in ("bic", "bic_univariate_mixer"))
    if bic is None or one is None:
        return
    if model == "infinitesimal" and one < bic:
        yield (
            "caution",
            f"BIC prefers a mixture to the infinitesimal model (by {bic - one:,.1f}): part of "
            "the variants has no effect, and h2 and its error rest "
            "on a wrong distribution of effects.",
            "Fit univariate_mixer, and compare h2.",
        )
    if model == "two_component_mixer" and one <= bic:
        yield (
            "stop",
            f"BIC prefers one component (by {bic - one:,.1f}): a second scale of effects is "
            "not identified.",
            "Fit univariate_mixer, and report it in place of this fit.",
        )


def inflation_far_from_one(results: xr.DataTree, data: xr.Dataset | None) -> Said:
    """sigma2_0 is 1 in a clean study."""
    if "sigma2_0" not in results["posterior"]:
        return
    value, ends = float(results["posterior"]["sigma2_0"].mean()), interval_of(results, "sigma2_0")
    least, most = INFLATION
    if ends is None:
        return
    fixed = np.ptp(ends) == 0
    shown = f"sigma2_0 is {value:.3f}" + ("" if fixed else f" (95% interval {as_interval(*ends)})")
    if ends[0] > most:
        yield (
            "caution" if value <= VERY_INFLATED else "stop",
            f"{shown}, above {most}: variance that no causal variant explains (stratification, "
            "relatedness, or LD missing from the panel).",
            "Check the study's covariates and that panel and study have the same ancestry; do "
            "not drop weak LD when building the reference.",
        )
    elif ends[1] < least:
        yield (
            "caution",
            f"{shown}, below {least}: z-scores vary less than chance alone makes them.",
            "Look for genomic control in the study, standard errors that are too large, or an "
            "N that is too small.",
        )


def grave(row: str, results: xr.DataTree) -> bool:
    """Whether a flagged row of `check` is grave: inflation, where its rule would have it so."""
    return row == "inflation" and float(results["posterior"]["sigma2_0"].mean()) > VERY_INFLATED


RULES = (
    impossible_heritability,
    heritability_near_zero,
    polygenicity_not_identified,
    another_model,
    inflation_far_from_one,
)
CHECKED = (inflation_far_from_one,)
"""Rules whose question `check` answers by a test of its own."""
SAID = ("No heritability seen",)
"""Parts of a fit's warnings that the rules say in their own words."""
LOOKS_AT = "heritability against zero; whether polygenicity is identified; inflation"
"""What the rules look at, in words."""
