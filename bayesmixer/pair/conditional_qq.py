"""Conditional QQ plots of two traits (Frei et al. 2019, figure 5): the QQ plot of one trait among
the variants whose P value in the other is small, with what the model predicts for them.

Where the other trait's small P values leave one trait's curve unchanged, nothing is shared; the
further to the left it moves, the more. With what the model predicts, P(|Z1| >= c given |Z2| >= c2)
as a mean over variants, no cut-off needs to be believed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy.stats import norm

from bayesmixer.identity import position_of
from bayesmixer.mixer.prediction import Floats, Variants, band
from bayesmixer.mixer.qq import FEWEST, Y_MAX, block_bootstrap, log10_p, observed_survival
from bayesmixer.ops.pair_predict import CLUSTERS, PairMixture, pair_survival
from bayesmixer.pair.prediction import Pair, middle, mixtures, pair
from bayesmixer.style import BLACK, BLUE, GREEN, NULL, ORANGE, PURPLE, axes_or_new, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEVELS = (1.0, 0.1, 0.01, 0.001)
COLOURS = (BLACK, BLUE, GREEN, ORANGE, PURPLE)


def predicted_conditional(
    p: Pair,
    of: list[PairMixture],
    thresholds: Floats,
    given: Floats,
    trait: int = 0,
    clusters: int | None = CLUSTERS,
) -> Floats:
    """P(|Z| >= c of one trait, given |Z| >= d of the other) under each draw, the weighted mean over
    variants.

    Parameters
    ----------
    p
        Of `pair`.
    of
        Of `mixtures`.
    thresholds, given
        (P,) c, and (Q,) d.
    trait
        0 or 1: which is the one.
    clusters
        Groups of similar variants.

    Returns
    -------
    numpy.ndarray
        (draw, P, Q).
    """
    group, out = p.clusters(middle(of), clusters), []
    for m in of:
        c1, c2 = (thresholds, given) if trait == 0 else (given, thresholds)
        both = pair_survival(np.append(c1, 0.0), np.append(c2, 0.0), group, p.node_x, m)
        both = both if trait == 0 else both.T
        out.append(both[:-1, :-1] / both[-1, :-1])
    return np.asarray(out)


def plot_conditional_qq(
    data: xr.Dataset,
    results: xr.DataTree | None = None,
    ax: Axes | None = None,
    *,
    trait: str | int = 0,
    levels: tuple[float, ...] = LEVELS,
    draws: int = 12,
    clusters: int | None = CLUSTERS,
    seed: int = 0,
    y_max: float = Y_MAX,
) -> Axes:
    """QQ plot of one trait among variants with P <= each level in the other.

    Parameters
    ----------
    data
        GwasData of two traits; variants seen in both are drawn.
    results
        A fit of a model of two traits; None plots the data alone.
    ax
        Axes to draw in; a new figure where None.
    trait
        Name or position of the trait whose P values are drawn.
    levels
        P values of the other trait, at most five; 1 takes all variants.
    draws, clusters
        Posterior draws, and groups of similar variants, that the prediction averages over.
    seed
        Of the bootstrap over LD blocks.
    y_max
        Largest observed -log10 P that the axis shows.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        The data are not those of the fit, or not of two traits.
    """
    ax = axes_or_new(ax, 5.8, 4.8)
    p = pair(data, results)
    k = position_of(data, trait)
    own, other = p.traits[k], p.traits[1 - k]
    cut = norm.isf(np.asarray(levels, float) / 2)
    drawn, right, top = [], 0.5, 0.0
    for level, c in zip(levels, cut, strict=True):
        rows = np.flatnonzero(other.z >= c)
        drawn.append(len(rows) >= FEWEST)
        if drawn[-1]:
            x, y = _data(ax, own[rows], level, p.names[1 - k], COLOURS[len(drawn) - 1], seed)
            right, top = max(right, x), max(top, y)
        else:
            ax.plot([], [], color=COLOURS[len(drawn) - 1], label=_few(level, len(rows)))
    top, right = min(1.05 * top, y_max), 1.05 * right
    if results is not None:
        _model(ax, p, mixtures(results, draws), cut, drawn, k, clusters, (right, top))
    ends = np.array([0, max(right, top)])
    ax.plot(ends, ends, color=NULL, lw=1, ls=":", zorder=0)
    ax.set_xlim(0, right)
    ax.set_ylim(0, top)
    ax.set_xlabel(r"expected $-\log_{10}$ P (weighted share of these variants beyond)")
    ax.set_ylabel(rf"observed $-\log_{{10}}$ P of {p.names[k]}")
    ax.legend(loc="upper left", fontsize=8)
    return ax


def _few(level: float, count: int) -> str:
    return f"P ≤ {level:g}: only {count} variants"


def _data(
    ax: Axes, v: Variants, level: float, other: str, colour: str, seed: int
) -> tuple[float, float]:
    """The observed curve with its band over LD blocks; how far it reaches."""
    threshold, share = observed_survival(v)
    low, high = block_bootstrap(v, threshold, seed=seed)
    x, y = -np.log10(share), log10_p(threshold)
    edge = 2 * x.max()
    name = "all variants" if level >= 1 else f"P ≤ {level:g} in {other}"
    ax.plot(x, y, color=colour, lw=1.7, label=f"{name} ({len(v):,})", zorder=3)
    ends = [np.minimum(-np.log10(np.maximum(s, 1e-300)), edge) for s in (high, low)]
    ax.fill_betweenx(y, *ends, color=colour, alpha=0.12, lw=0, zorder=1)
    return float(x.max()), float(y.max())


def _model(
    ax: Axes,
    p: Pair,
    of: list[PairMixture],
    cut: Floats,
    drawn: list[bool],
    trait: int,
    clusters: int | None,
    size: tuple[float, float],
) -> None:
    """The predicted curves of the levels that are drawn."""
    right, top = size
    grid = np.linspace(0, norm.isf(0.5 * 10.0**-top), 60)
    share = predicted_conditional(p, of, grid, cut, trait, clusters)
    y = log10_p(grid)
    for j in np.flatnonzero(drawn):
        mean, low, high = (
            np.minimum(-np.log10(np.maximum(s, 1e-300)), 2 * right) for s in band(share[:, :, j])
        )
        ax.plot(mean, y, color=COLOURS[j], lw=1.5, ls=(0, (4, 1.5)), zorder=4)
        if len(of) > 1:
            ax.fill_betweenx(y, high, low, color=COLOURS[j], alpha=0.3, lw=0, zorder=2)
    ax.plot([], [], color=BLACK, lw=1.5, ls=(0, (4, 1.5)), label="model, 90% credible")


def plot_conditional_qq_both(
    data: xr.Dataset, results: xr.DataTree | None = None, axes: Any = None, **options: Any
) -> Any:
    """`plot_conditional_qq` both ways, side by side.

    Returns
    -------
    numpy.ndarray
        The axes, (2,).
    """
    if axes is None:
        axes = new_figure(10.4, 4.8, 1, 2)[1]
    for k, ax in enumerate(axes):
        plot_conditional_qq(data, results, ax, trait=k, **options)
    return axes
