"""The report's figures: which are drawn for which fit, as inline images with a caption that says
how to read them.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.mixer.manhattan import plot_manhattan
from bayesmixer.mixer.power import plot_power, power_draws
from bayesmixer.mixer.prediction import parameters
from bayesmixer.mixer.profile import has_profile, plot_profile
from bayesmixer.mixer.qq import plot_qq, plot_qq_strata
from bayesmixer.mixer.spectrum import plot_spectrum
from bayesmixer.reporting.posterior import plot_pair, plot_rank, plot_trace
from bayesmixer.style import RC, as_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLED = ("nuts", "smc")
CAPTIONS = {
    "profile": (
        "At each polygenicity the other parameters are refitted. A sharp peak means that the "
        "data determine polygenicity; "
        "a plateau towards the right, that a larger polygenicity, up to the infinitesimal "
        "model, fits as well."
    ),
    "pair": (
        "Marginal posteriors on the diagonal, joint draws below it. "
        "A long ridge means that the data determine a combination of two parameters better "
        "than each."
    ),
    "rank": (
        "Difference between the distribution of each chain's ranks and the uniform. "
        "Chains that sample the same distribution stay within the grey envelope (99%)."
    ),
    "trace": (
        "Draws in the order in which they were made. They should look like noise around one level, "
        "the same in all chains."
    ),
    "qq": (
        "Black: the data, each variant counted by its weight; its band is what resampling "
        "whole LD blocks gives, so that "
        "variants in LD do not count as independent. Red: what the model expects, averaged "
        "over posterior draws, with its "
        "credible band. Where red leaves the black band, the model does not describe the data. "
        "Dotted: no effects, no inflation."
    ),
    "qq_strata": (
        "The same in tertiles of minor allele frequency (rows) and LD score (columns). A model "
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
}


class Image(NamedTuple):
    """A figure ready for the page: `source` is a data URI."""

    name: str
    title: str
    source: str
    alt: str
    caption: str


class Plan(NamedTuple):
    """A figure to be drawn: `draw` returns the figure and its alternative text."""

    name: str
    title: str
    caption: str
    draw: Callable[[], tuple[Figure, str]]


def plan(results: xr.DataTree, data: xr.Dataset | None) -> tuple[list[Plan], list[str]]:
    """Which figures a fit can have, and a sentence for each that it cannot."""
    plans, skipped = [], []
    if data is None:
        skipped.append(
            "QQ plots, power curve, Manhattan and LD-spectrum plots need the data: give them "
            "to the report to have them drawn."
        )
    else:
        plans += list(_of_data(results, data))
    one_draw = results["posterior"].sizes["chain"] * results["posterior"].sizes["draw"] == 1
    if has_profile(results):
        plans.append(
            Plan(
                "profile",
                "Profile of the likelihood along polygenicity",
                CAPTIONS["profile"],
                lambda: (
                    _figure(plot_profile(results)),
                    "Profile log-likelihood against polygenicity, with its maximum at the "
                    "estimate.",
                ),
            )
        )
    elif "pi" in results["posterior"]:
        skipped.append("No profile of the likelihood along pi: the fit did not store one.")
    if one_draw:
        skipped.append("No plots of the posterior: it holds one draw (method 'map').")
        return plans, skipped
    plans.append(
        Plan(
            "pair",
            "Posterior of the parameters",
            CAPTIONS["pair"],
            lambda: (
                _figure(plot_pair(results)),
                "Pair plot of the posterior draws of the model's parameters.",
            ),
        )
    )
    if str(results.attrs.get("method")) in SAMPLED and results["posterior"].sizes["chain"] > 1:
        plans.append(
            Plan(
                "rank",
                "Rank plots of the chains",
                CAPTIONS["rank"],
                lambda: (
                    _figure(plot_rank(results)),
                    "Rank plots: one line per chain around zero.",
                ),
            )
        )
        plans.append(
            Plan(
                "trace",
                "Traces of the chains",
                CAPTIONS["trace"],
                lambda: (
                    _figure(plot_trace(results)),
                    "Trace plots: draws of each chain in order.",
                ),
            )
        )
    return plans, skipped


def _of_data(results: xr.DataTree, data: xr.Dataset) -> Iterator[Plan]:
    """Figures of the fitted trait's data."""
    try:
        parameters(results, 1)
        predictable: xr.DataTree | None = results
    except InputError:
        predictable = None
    yield Plan(
        "qq",
        "QQ plot",
        CAPTIONS["qq"],
        lambda: (
            _figure(plot_qq(data, predictable)),
            "QQ plot of the z-scores with the model's prediction and the line of no effects.",
        ),
    )
    yield Plan(
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
        yield Plan(
            "power",
            "Power curve",
            CAPTIONS["power"],
            lambda: _power(data, results),
        )
    yield Plan(
        "manhattan",
        "Overview of the z-scores",
        CAPTIONS["manhattan"],
        lambda: (
            _figure(plot_manhattan(data)),
            "Manhattan plot of the evaluated variants, by chromosome.",
        ),
    )
    yield Plan(
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


def render(planned: Plan) -> Image:
    """Draw a figure and turn it into an inline SVG image."""
    import matplotlib as mpl

    with mpl.rc_context(RC):
        figure, alt = planned.draw()
        source = as_data_uri(figure)
    _close(figure)
    return Image(planned.name, planned.title, source, alt, planned.caption)


def as_data_uri(figure: Figure) -> str:
    """A figure as a data URI of an SVG image, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(
        buffer, format="svg", dpi=200, bbox_inches="tight", metadata={"Date": None, "Creator": None}
    )
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _close(figure: Figure) -> None:
    """Forget a figure that ArviZ made through pyplot; the others pyplot never knew."""
    import sys

    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(figure)
