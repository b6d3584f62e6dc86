"""When an estimate should not be trusted: one rule a function, each a sentence and what to do about
it.

The rules look at a fit (and at its GwasData where given) and change nothing. Thresholds stand at
the top, with where they come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np
import xarray as xr

from bayesmixer.identity import check_results, data_of_fit
from bayesmixer.io.plausible import HARDLY, NO_POWER
from bayesmixer.mixer.cards import INFLATION
from bayesmixer.mixer.heritability import read
from bayesmixer.mixer.prediction import read_json
from bayesmixer.reporting.block_error import block_standard_errors
from bayesmixer.reporting.facts import (
    by_component,
    chromosomes_used,
    effective_variants,
    estimate_number,
    evaluated,
    interval_of,
    mean_chi2,
    mixing,
    number_of_blocks,
    number_of_divergences,
    optimum_heights,
    pareto_k,
    share_of_prior_sd,
)
from bayesmixer.reporting.trust_data import (
    dominant_loci,
    impossible_heritability,
    warnings_of_alignment,
)
from bayesmixer.style import INTERVAL, TAILS, as_count, as_interval, as_number

Severity = Literal["stop", "caution", "note"]
SEVERITIES: tuple[Severity, ...] = ("stop", "caution", "note")


class Finding(NamedTuple):
    """What a rule has to say: how grave it is, a sentence, and what to do."""

    severity: Severity
    sentence: str
    remedy: str


Rule = Callable[[xr.DataTree, xr.Dataset | None], Iterator[tuple[Severity, str, str]]]

FEW_BLOCKS = 200  # the European genome has about 1,700 (Berisa and Pickrell 2016)
FEW_CHROMOSOMES = 5
FEW_EFFECTIVE_VARIANTS = 10_000  # sum of weights; a genome of HapMap3 variants has over 100,000
TOO_FEW_EFFECTIVE_VARIANTS = 1_000
HIGH_PARETO_K = 0.7  # Vehtari et al. 2024
HIGH_R_HAT, LOW_ESS = 1.01, 400  # Vehtari et al. 2021
VERY_INFLATED = 1.6  # sigma2_0
LOW_CHI2 = HARDLY
FEW_SD = 2.0
WIDE_PI = 100.0  # ratio of the ends of the interval
NEARLY_INFINITESIMAL = 0.3
PRIOR_SHARE = 0.7  # posterior sd of logit pi over the prior's
UNEQUAL_N = 0.1  # share of variants with N below two thirds of the 90th percentile (LDSC's filter)
NARROW = 1.3  # standard error over LD blocks over posterior sd


def trust(results: xr.DataTree, data: xr.Dataset | None = None) -> list[Finding]:
    """What speaks against trusting a fit.

    Parameters
    ----------
    results
        What `bayesmixer.fit` returned.
    data
        The GwasData it was made with; without it the rules on z and N are skipped.

    Returns
    -------
    list of Finding
        (severity, sentence, remedy), gravest first: "stop" (do not use the estimate), "caution",
        "note". Empty where no rule objects.

    Raises
    ------
    InputError
        `results` is no fit, or `data` are not those that were fitted.
    """
    results = check_results(results)
    return sorted(
        rules(results, None if data is None else data_of_fit(results, data)),
        key=lambda f: SEVERITIES.index(f.severity),
    )


def rules(results: xr.DataTree, data: xr.Dataset | None, checked: bool = False) -> list[Finding]:
    """What each rule says, in their order; `data` of the fitted trait, known to be the fit's;
    `checked`: without what `check` tests itself.
    """
    return [
        Finding(*finding)
        for rule in RULES
        if not (checked and rule in CHECKED)
        for finding in rule(results, data)
    ]


def in_two(words: str) -> tuple[str, str]:
    """A sentence of the form "what is so: why; what to do." as the sentence and what to do."""
    sentence, _, deed = words.rstrip(".").rpartition("; ")
    return f"{sentence}.", f"{deed[:1].upper()}{deed[1:]}."


def few_chromosomes(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Finding]:
    """Estimates from part of the genome have errors that LD blocks of that part cannot show."""
    chromosomes = chromosomes_used(results, data)
    if chromosomes is None or len(chromosomes) >= FEW_CHROMOSOMES:
        return
    remedy = "Fit all autosomes; the h2 of a part is that part's only, and pi may differ elsewhere."
    if len(chromosomes) == 1:
        yield Finding(
            "stop",
            f"Only chromosome {chromosomes[0]} was used: one chromosome is too little for a "
            "statement about a trait.",
            remedy,
        )
    else:
        yield Finding(
            "caution",
            f"Only {len(chromosomes)} chromosomes were used ({', '.join(chromosomes)}).",
            remedy,
        )


def few_blocks(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Finding]:
    """LD blocks are the independent units."""
    blocks = number_of_blocks(results, data)
    if blocks is not None and blocks < FEW_BLOCKS:
        yield Finding(
            "caution",
            f"The data span {as_count(blocks)} LD blocks; standard errors and comparisons over "
            f"blocks need about {FEW_BLOCKS}.",
            "Use more of the genome, or read the intervals as too narrow.",
        )


def few_variants(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Finding]:
    """The sum of weights is the number of variants' worth of information."""
    effective = effective_variants(results, data)
    if effective is None or effective >= FEW_EFFECTIVE_VARIANTS:
        return
    yield Finding(
        "stop" if effective < TOO_FEW_EFFECTIVE_VARIANTS else "caution",
        f"The weights of all variants sum to {as_count(effective)}, where "
        f"{as_count(FEW_EFFECTIVE_VARIANTS)} or more are wanted.",
        "Use more variants (the filters' counts say where they went), such as all HapMap3 "
        "variants, imputed where not genotyped.",
    )


def low_power(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Finding]:
    """With a mean chi2 near 1 there is little signal to split into number and size of effects."""
    if data is None:
        return
    chi2 = mean_chi2(data)
    if chi2 < LOW_CHI2:
        yield Finding(
            "stop",
            f"The weighted mean of z squared is {chi2:.3f}, below {LOW_CHI2}: {NO_POWER}.",
            "Use a larger study, or check that z-scores were not corrected by genomic control.",
        )


def unequal_n(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Finding]:
    """Variants measured in part of the studies of a meta-analysis have other errors, and often
    other quality.
    """
    if data is None:
        return
    n = np.asarray(evaluated(data)["n"], dtype=float)
    low = float(np.mean(n < np.quantile(n, 0.9) / 1.5))
    if low > UNEQUAL_N:
        yield Finding(
            "note",
            f"{low:.0%} of the variants have a sample size below two thirds of the 90th "
            f"percentile ({as_count(float(np.quantile(n, 0.9)))}): "
            "each counts with its own, which is right if the column N is.",
            "Run check (bm.check), which tells whether z-scores and N agree; keep all variants "
            "where it flags nothing by N.",
        )


def heritability_near_zero(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Finding]:
    """Nothing can be said of the effects of a trait that shows no heritability: the test of h2 = 0
    says so, not the posterior's shape.
    """
    if (sentence := no_heritability(results)) is not None:
        yield Finding(
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


def inflation_far_from_one(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Finding]:
    """sigma2_0 is 1 in a clean study."""
    if "sigma2_0" not in results["posterior"]:
        return
    value, ends = float(results["posterior"]["sigma2_0"].mean()), interval_of(results, "sigma2_0")
    least, most = INFLATION
    if ends is None:
        return
    shown = f"sigma2_0 is {value:.3f} (95% interval {as_interval(*ends)})"
    if ends[0] > most:
        yield Finding(
            "caution" if value <= VERY_INFLATED else "stop",
            f"{shown}, above {most}: variance that no causal variant explains (stratification, "
            "relatedness, or LD missing from the panel).",
            "Check the study's covariates and that panel and study have the same ancestry; do "
            "not drop weak LD when building the reference.",
        )
    elif ends[1] < least:
        yield Finding(
            "caution",
            f"{shown}, below {least}: z-scores vary less than chance alone makes them.",
            "Look for genomic control in the study, standard errors that are too large, or an "
            "N that is too small.",
        )


def polygenicity_not_identified(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Finding]:
    """The mixture must beat the infinitesimal model before its polygenicity means anything."""
    posterior = results["posterior"]
    if (
        "pi" not in posterior
        or float(posterior["pi"].std()) == 0
        or no_heritability(results) is not None
    ):
        return
    remedy = "Report h2 only; polygenicity, n_causal and n90 need a larger study."
    bic, reference = (estimate_number(results, name) for name in ("bic", "bic_infinitesimal"))
    if bic is not None and reference is not None and reference <= bic:
        yield Finding(
            "stop",
            f"BIC prefers the infinitesimal model (by {bic - reference:.1f}): the polygenicity "
            "is not identified.",
            remedy,
        )
    for label, pi in by_component(posterior.to_dataset()["pi"]):
        low, high = np.quantile(pi, TAILS)
        if high > WIDE_PI * low:
            yield Finding(
                "caution",
                f"The interval of pi{label} spans a factor of {as_number(high / low)} "
                f"({as_interval(low, high)}).",
                remedy,
            )
        elif high > NEARLY_INFINITESIMAL:
            yield Finding(
                "caution",
                f"The interval of pi{label} reaches {as_number(high)}, where the mixture can "
                "hardly be told from the infinitesimal model.",
                remedy,
            )
    share = share_of_prior_sd(results)
    if share is not None and share > PRIOR_SHARE:
        yield Finding(
            "caution",
            "The posterior of pi is close to its prior (its spread on the logit scale is "
            f"{share:.0%} of the prior's): the data say little about it.",
            remedy,
        )


def another_model(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Finding]:
    """The one-component model must not explain the data better than what was fitted."""
    model = results.attrs.get("model")
    bic, one = (estimate_number(results, name) for name in ("bic", "bic_univariate_mixer"))
    if bic is None or one is None:
        return
    if model == "infinitesimal" and one < bic:
        yield Finding(
            "caution",
            f"BIC prefers a mixture to the infinitesimal model (by {bic - one:,.1f}): part of "
            "the variants has no effect, and h2 and its error rest "
            "on a wrong distribution of effects.",
            "Fit univariate_mixer, and compare h2.",
        )
    if model == "two_component_mixer" and one <= bic:
        yield Finding(
            "stop",
            f"BIC prefers one component (by {bic - one:,.1f}): a second scale of effects is "
            "not identified.",
            "Fit univariate_mixer, and report it in place of this fit.",
        )


def optimiser(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Finding]:
    """The mode must be one, and the same from every start."""
    if "estimate" not in results.children:
        return
    converged = results["estimate"].attrs.get("converged")
    if converged is not None and not bool(converged):
        yield Finding(
            "stop",
            "The optimiser did not converge: the estimate is no mode.",
            "Fit again with more starts (starts=20), and look at the profile of the likelihood.",
        )
    at_bound = read_json(results["estimate"].attrs.get("at_bound"), [])
    if at_bound:
        yield Finding(
            "stop",
            "The estimate lies at the edge of what is searched "
            f"({', '.join(map(str, at_bound))}): it is no maximum.",
            "Look at the profile, and at the fit of the infinitesimal model.",
        )
    heights = optimum_heights(results)
    if len(heights) > 1:
        behind = heights.max() - heights
        others = int(np.sum(behind > 0.1))
        if others:
            nearest = float(behind[behind > 0.1].min())
            yield Finding(
                "caution" if nearest < 5 else "note",
                f"{others} of {len(heights)} starts ended in another optimum, "
                f"{as_number(nearest)} or more below the best.",
                "Compare the optima (the report has a table of them); where they are close, "
                "use method 'nuts'.",
            )


def sampler(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Finding]:
    """Draws must come from the posterior, and be enough."""
    k = pareto_k(results)
    if k is not None and k > HIGH_PARETO_K:
        what = (
            "the bins are"
            if results.attrs.get("method") == "binned"
            else "the Laplace approximation is"
        )
        yield Finding(
            "stop",
            f"The Pareto k-hat of the importance weights is {k:.2f}, above {HIGH_PARETO_K}: "
            f"{what} too far off.",
            "Fit with method 'nuts'.",
        )
    divergences = number_of_divergences(results)
    if divergences:
        yield Finding(
            "caution",
            f"NUTS met {as_count(divergences)} divergences.",
            "Fit with target_accept=0.95, or tune=1000.",
        )
    r_hat, ess = mixing(results)
    if r_hat is not None and r_hat > HIGH_R_HAT:
        yield Finding(
            "stop",
            f"The chains disagree (largest R-hat {r_hat:.3f}, above {HIGH_R_HAT}).",
            "Fit with more draws (draws=), and look at the rank plots.",
        )
    if ess is not None and ess < LOW_ESS:
        yield Finding(
            "caution",
            f"The smallest effective sample size is {as_count(ess)}, below {LOW_ESS}: the ends "
            "of the intervals are rough.",
            "Fit with more draws (draws=).",
        )
    posterior = results["posterior"]
    if posterior.sizes["chain"] * posterior.sizes["draw"] == 1:
        yield Finding(
            "note",
            "The posterior holds one draw: there are no intervals.",
            "Fit with method 'laplace' or 'nuts'.",
        )


def narrow_intervals(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Finding]:
    """A pseudo-likelihood's curvature is not its information (docs/ideas/intervals.md)."""
    if "calibration" in results.children:
        for concern in read_json(results["calibration"].attrs.get("concerns"), []):
            sentence, remedy = in_two(concern)
            shown = sentence if sentence[:2].isupper() else sentence[0].lower() + sentence[1:]
            yield Finding(
                "caution", f"The calibration of the intervals is uncertain: {shown}", remedy
            )
        return
    errors = block_standard_errors(results)
    ratio = {
        name: error / sd for name, (error, sd) in errors.items() if name in ("h2", "pi", "sigma2_0")
    }
    if ratio and max(ratio.values()) > NARROW:
        words = ", ".join(f"{name} {value:.1f}" for name, value in ratio.items())
        yield Finding(
            "caution",
            "The intervals are too narrow: the standard error over LD blocks is larger than "
            f"the posterior's (ratio: {words}).",
            "Widen the intervals by that ratio; the table of parameters shows both errors.",
        )
    elif not ratio:
        yield Finding(
            "note",
            "The intervals are those of a weighted pseudo-likelihood, not checked against the "
            "variation between LD blocks; they may be too narrow.",
            "Fit with calibrate=True (the default).",
        )


RULES: tuple[Rule, ...] = (
    few_chromosomes,
    few_blocks,
    few_variants,
    warnings_of_alignment,
    dominant_loci,
    impossible_heritability,
    low_power,
    heritability_near_zero,
    polygenicity_not_identified,
    another_model,
    optimiser,
    sampler,
    inflation_far_from_one,
    unequal_n,
    narrow_intervals,
)
CHECKED: tuple[Rule, ...] = (inflation_far_from_one, unequal_n)
"""Rules whose question `check` answers by a test of its own."""
