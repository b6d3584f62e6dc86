"""LD-spectrum plot: how a variant's LD score sum_i H_i r_ij^2 splits over the strength x_ij = H_i
r_ij^2 of its partners.

LD score regression uses the height of a bar only; the MiXeR likelihood uses its colours too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from bayesmixer.mixer.prediction import Floats, Variants, variants
from bayesmixer.style import BLUE, GREEN, ORANGE, SKY, VERMILION, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EDGES = (0.01, 0.03, 0.1, 0.25)
"""Strengths between the classes; the strongest possible partner has H = 1/2 and r = 1."""
COLOURS = (SKY, BLUE, GREEN, ORANGE, VERMILION)


def binned_spectrum(v: Variants, bins: int = 20) -> tuple[Floats, Floats]:
    """Mean LD score of each class of partner strength, by quantile of the LD score.

    Nodes are assigned to classes by their strength. Single S_jk can be slightly negative (they are
    interpolation weights, not counts); sums over a class average that out.

    Returns
    -------
    ld_score, by_class
        Mean LD score of each bin (bin,), and its parts (class, bin), weakest class first; the parts
        sum to the first.
    """
    order = np.argsort(v.ld_score, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    class_of = np.searchsorted(EDGES, v.node_x, side="right")
    mean = np.stack([v.spectrum[rows].astype(float).mean(axis=0) for rows in parts], axis=1)
    by_class = np.stack([mean[class_of == k].sum(axis=0) for k in range(len(EDGES) + 1)])
    return by_class.sum(axis=0), by_class


def plot_spectrum(
    data: xr.Dataset, ax: Axes | None = None, *, trait: str | int = 0, bins: int = 20
) -> Axes:
    """Bars of the mean LD score by its quantile, split by the strength of the partners.

    Parameters
    ----------
    data, trait
        GwasData, and which trait's evaluated variants.
    ax
        Axes to draw in; a new figure where None.
    bins
        Number of quantile bins of the LD score.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, 6.4, 4.0)
    _, by_class = binned_spectrum(variants(data, trait), bins)
    where = (np.arange(by_class.shape[1]) + 0.5) * 100 / by_class.shape[1]
    bounds = ("0", *(f"{e:g}" for e in EDGES), "0.5")
    floor = np.zeros(len(where))
    for k, part in enumerate(by_class):
        shown = np.maximum(part, 0)
        ax.bar(
            where,
            shown,
            width=92 / len(where),
            bottom=floor,
            color=COLOURS[k],
            label=f"{bounds[k]} to {bounds[k + 1]}",
            zorder=2,
        )
        floor += shown
    ax.set_xlim(0, 100)
    ax.set_xlabel("variants by LD score (percentile)")
    ax.set_ylabel(r"LD score, $\sum_i H_i r_{ij}^2$")
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(
        handles[::-1],
        labels[::-1],
        title=r"partner's strength $H_i r_{ij}^2$",
        loc="upper left",
        title_fontsize=9,
    )
    return ax
