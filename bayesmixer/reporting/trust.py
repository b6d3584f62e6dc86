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

from bayesmixer.card import cards, unit_in_words
from bayesmixer.facts import (
    HIGH_PARETO_K,
    chromosomes_used,
    each_trait,
    effective_variants,
    log_ratio_sd,
    mean_chi2,
    mixing,
    number_of_blocks,
    number_of_divergences,
    optimum_heights,
    pareto_k,
    read_json,
    shown_names,
    weights_fail,
)
from bayesmixer.identity import check_results, data_of_fit
from bayesmixer.io.plausible import HARDLY, NO_POWER
from bayesmixer.reporting.block_error import block_standard_errors
from bayesmixer.reporting.trust_data import dominant_loci, warnings_of_alignment
from bayesmixer.style import as_count, as_number, as_parameter
from bayesmixer.wings import card_of, offers, unit_of

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
HIGH_R_HAT, LOW_ESS = 1.01, 400  # Vehtari et al. 2021
LOW_CHI2 = HARDLY
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
    """What each rule says, those of the model's wing between those of the data and of the fit;
    `data` of the fitted trait, known to be the fit's; `checked`: without what `check` tests itself.
    """
    silent = (*CHECKED, *(offers(results, "checked") or ())) if checked else ()
    return [
        Finding(*finding)
        for rule in (*OF_DATA, *(offers(results, "rules") or ()), *OF_FIT)
        if rule not in silent
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
    remedy = "Fit all autosomes; what a part shows is that part's only, and may differ elsewhere."
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
    blocks, unit = number_of_blocks(results, data), unit_in_words(unit_of(results))
    if blocks is not None and blocks < FEW_BLOCKS:
        yield Finding(
            "caution",
            f"The data span {as_count(blocks)} {unit}s; standard errors and comparisons over "
            f"{unit.split()[-1]}s need about {FEW_BLOCKS}.",
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
    if data is None or "z" not in data:
        return
    for of, one in each_trait(data):
        chi2 = mean_chi2(one)
        if chi2 < LOW_CHI2:
            yield Finding(
                "stop",
                f"The weighted mean of z squared{of} is {chi2:.3f}, below {LOW_CHI2}: {NO_POWER}.",
                "Use a larger study, or check that z-scores were not corrected by genomic control.",
            )


def unequal_n(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Finding]:
    """Variants measured in part of the studies of a meta-analysis have other errors, and often
    other quality.
    """
    if data is None or "n" not in data:
        return
    for of, one in each_trait(data):
        n = np.asarray(one["n"], dtype=float)
        low = float(np.mean(n < np.quantile(n, 0.9) / 1.5))
        if low > UNEQUAL_N:
            yield Finding(
                "note",
                f"{low:.0%} of the variants{of} have a sample size below two thirds of the 90th "
                f"percentile ({as_count(float(np.quantile(n, 0.9)))}): "
                "each counts with its own, which is right if the column N is.",
                "Run check (bm.check), which tells whether z-scores and N agree; keep all "
                "variants where it flags nothing by N.",
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
            f"({', '.join(map(as_parameter, at_bound))}): it is no maximum.",
            _instead(results),
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


def _instead(results: xr.DataTree) -> str:
    """What to look at where the estimate is no maximum."""
    card = card_of(results)
    null = None if card is None else cards().get(card.null)
    if null is None:
        return "Look at the optima of the other starts, and at the priors."
    return f"Look at the profile, and at the fit of the {null.title} model."


def sampler(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Finding]:
    """Draws must come from the posterior, and be enough."""
    k = pareto_k(results)
    if k is not None and weights_fail(k, log_ratio_sd(results)):
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
    named = shown_names(results)
    ratio = {name: error / sd for name, (error, sd) in errors.items() if name in named}
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


OF_DATA: tuple[Rule, ...] = (
    few_chromosomes,
    few_blocks,
    few_variants,
    warnings_of_alignment,
    dominant_loci,
    low_power,
)
OF_FIT: tuple[Rule, ...] = (optimiser, sampler, unequal_n, narrow_intervals)
CHECKED: tuple[Rule, ...] = (unequal_n,)
"""Rules whose question `check` answers by a test of its own."""
