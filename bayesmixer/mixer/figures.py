"""The MiXeR models' own figures in a report: which are drawn for which fit, and their captions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.mixer.manhattan import plot_manhattan
from bayesmixer.mixer.power import plot_power, power_draws
from bayesmixer.mixer.prediction import parameters
from bayesmixer.mixer.profile import has_profile, plot_profile
from bayesmixer.mixer.qq import plot_qq, plot_qq_strata
from bayesmixer.mixer.spectrum import plot_spectrum
from bayesmixer.style import as_number
from bayesmixer.wings import card_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Planned = tuple[str, str, str, "Callable[[], tuple[Figure, str]]"]
"""Name, title, caption, and what draws the figure and says its alternative text."""

CAPTIONS = {
    "qq": (
        "Black: the data, each variant counted by its weight; its band is what resampling "
        "whole LD blocks gives, so that "
        "variants in LD do not count as independent. Red: what the model expects, averaged "
        "over posterior draws, with its "
        "credible band. Where red leaves the black band, the model does not describe the data. "
        "Dotted: no effects, no inflation."
    ),
    "qq_strata": (
        "QQ plots in tertiles of minor allele frequency (rows) and LD score (columns). A model "
        "with the right total can still "
        "be wrong here: misfit that grows along the rows says that effects depend on "
        "frequency, along the columns that they "
        "depend on LD."
    ),
    "power": (
        "Share of the SNP heritability that lies in variants with P < 5e-8 as the sample grows "
        "(Frei et al. 2019, equation 10). "
        "The dashed line is this study; dots mark the sample sizes at which half and 90% of "
        "the heritability will be found, "
        "with 90% intervals."
    ),
    "manhattan": (
        "Every evaluated variant along the genome (dull ones thinned out); the dashed line is "
        "P = 5e-8. "
        "One tower that dominates the picture may also dominate the fit."
    ),
    "spectrum": (
        "How the LD score of a variant splits over the strength of its partners "
        "(heterozygosity times squared correlation). "
        "LD score regression uses the height of the bars only; this model also uses whether it "
        "comes from few strong or many "
        "weak partners."
    ),
    "profile": (
        "At each polygenicity the other parameters are refitted. A sharp peak means that the "
        "data determine polygenicity; "
        "a plateau towards the right, that a larger polygenicity, up to the infinitesimal "
        "model, fits as well."
    ),
}


def figures(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Planned | str]:
    """Figures of a fit and its data, and a sentence for each that it cannot have."""
    if data is None:
        yield (
            "QQ plots, power curve, Manhattan and LD-spectrum plots need the data: give them "
            "to the report to have them drawn."
        )
    else:
        yield from _of_data(results, data)
    if has_profile(results):
        yield (
            "profile",
            "Profile of the likelihood along polygenicity",
            CAPTIONS["profile"],
            lambda: (
                _figure(plot_profile(results)),
                "Profile log-likelihood against polygenicity, with its maximum at the estimate.",
            ),
        )
    elif (card := card_of(results)) is not None and card.profile is not None:
        yield "No profile of the likelihood along pi: the fit did not store one."


def _of_data(results: xr.DataTree, data: xr.Dataset) -> Iterator[Planned]:
    """Figures of the fitted trait's data."""
    try:
        parameters(results, 1)
        predictable: xr.DataTree | None = results
    except InputError:
        predictable = None
    yield (
        "qq",
        "QQ plot",
        CAPTIONS["qq"],
        lambda: (
            _figure(plot_qq(data, predictable)),
            "QQ plot of the z-scores with the model's prediction and the line of no effects.",
        ),
    )
    yield (
        "qq_strata",
        "QQ plots by allele frequency and LD score",
        CAPTIONS["qq_strata"],
        lambda: (
            _figure(plot_qq_strata(data, predictable)),
            "Nine QQ plots, by tertile of minor allele frequency and of LD score, each with "
            "the model's prediction.",
        ),
    )
    if predictable is not None:
        yield (
            "power",
            "Power curve",
            CAPTIONS["power"],
            lambda: _power(data, results),
        )
    yield (
        "manhattan",
        "Overview of the z-scores",
        CAPTIONS["manhattan"],
        lambda: (
            _figure(plot_manhattan(data)),
            "Manhattan plot of the evaluated variants, by chromosome.",
        ),
    )
    yield (
        "spectrum",
        "LD spectrum",
        CAPTIONS["spectrum"],
        lambda: (
            _figure(plot_spectrum(data)),
            "Stacked bars of the mean LD score by its percentile, split by strength of the "
            "partners.",
        ),
    )


def _power(data: xr.Dataset, results: xr.DataTree) -> tuple[Figure, str]:
    curves = power_draws(data, results)
    now = float(curves["power_now"].mean())
    half = float(np.median(curves["n_needed"].sel(share=0.5)))
    found = (
        f"{as_number(100 * now)}% of the heritability found at N = "
        f"{as_number(curves.attrs['n_now'])}"
    )
    alt = f"Power curve: {found}, half of it at N = {as_number(half)}."
    figure: Any = plot_power(data, results, curves=curves).figure
    return figure, alt


def _figure(axes: Any) -> Figure:
    figure: Figure = np.ravel(axes)[0].figure
    return figure
