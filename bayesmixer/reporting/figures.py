"""The report's figures: which are drawn for which fit, as inline images with a caption that says
how to read them.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from bayesmixer.checks.strata import plot_pit_views
from bayesmixer.reporting.posterior import plot_pair, plot_rank, plot_trace
from bayesmixer.style import RC
from bayesmixer.wings import offers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLED = ("nuts", "smc")
CAPTIONS = {
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
    "pit": (
        "Predictive probability of a smaller |z| than was seen, of all variants by weight: uniform "
        "where the model is right. Grey: what chance allows (95% for each bar); dots lie outside. "
        "Each trait by itself, and their sum and difference, which see how the two go together."
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
    """Which figures a fit can have, the wing's first, and a sentence for each that it cannot."""
    plans, skipped = [], []
    draw = offers(results, "figures")
    for one in () if draw is None else draw(results, data):
        if isinstance(one, str):
            skipped.append(one)
        else:
            plans.append(Plan(*one))
    one_draw = results["posterior"].sizes["chain"] * results["posterior"].sizes["draw"] == 1
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


def of_views(pit: xr.Dataset | None) -> list[Plan]:
    """The figure of a check along several views; of one the QQ plots show the same."""
    if pit is None or "view" not in pit.dims:
        return []
    names = ", ".join(pit["view"].values.tolist())
    return [
        Plan(
            "pit",
            "Do the z-scores look as predicted?",
            CAPTIONS["pit"],
            lambda: (
                _figure(plot_pit_views(pit)),
                f"Histograms of the predictive probability transform: {names}.",
            ),
        )
    ]


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
