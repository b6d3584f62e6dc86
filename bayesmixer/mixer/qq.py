"""QQ plots: observed against expected -log10 p, with what the model predicts (Frei et al. 2019,
figure 2 and its supplement).

The abscissa of a threshold c is -log10 of the weighted share of variants with |z| >= c, the
ordinate -log10 of the two-sided P value of c. The data's band is a bootstrap over LD blocks, so
that variants in LD are not counted as independent; the model's comes from posterior draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayesmixer.mixer.prediction import (
    CLUSTERS,
    Floats,
    Parameters,
    Variants,
    band,
    parameters,
    predicted_survival,
    shown,
    variants,
)
from bayesmixer.style import DATA, MODEL, NULL, TAILS, as_number, axes_or_new, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST = 50
"""A stratum with fewer variants is not drawn."""
Y_MAX = 50.0
"""The axis of observed -log10 P ends here at the latest, so that the bulk of the variants stays
legible.
"""


def log10_p(z: Floats) -> Floats:
    """-log10 of the two-sided P value of |z|, exact far into the tail."""
    from scipy.stats import norm

    return np.asarray(-(np.log(2) + norm.logsf(np.abs(z))) / np.log(10))


def observed_survival(v: Variants, points: int = 400) -> tuple[Floats, Floats]:
    """Thresholds, and the weighted share of variants with |z| at or beyond each: from the median to
    the largest |z|, evenly in log share.

    Returns
    -------
    threshold, survival
        Arrays (point,), by increasing threshold.
    """
    z, inverse = np.unique(v.z, return_inverse=True)
    share = np.cumsum(np.bincount(inverse, v.weight)[::-1])[::-1] / v.weight.sum()
    wanted = np.geomspace(1, share[-1], points)
    rows = np.unique(np.searchsorted(-share, -wanted).clip(max=len(z) - 1))
    return z[rows], share[rows]


def block_bootstrap(
    v: Variants, threshold: Floats, samples: int = 400, seed: int = 0
) -> tuple[Floats, Floats]:
    """Ends of the 90% interval of the weighted share with |z| >= c when whole LD blocks are
    resampled.

    Returns
    -------
    low, high
        Arrays like `threshold`; `low` is 0 where a bootstrap sample may hold no such variant.
    """
    _, block = np.unique(v.ld_block, return_inverse=True)
    blocks, size = int(block.max()) + 1, len(threshold)
    reached = np.searchsorted(threshold, v.z, side="right")  # thresholds at or below |z|
    beyond = np.bincount(
        block * (size + 1) + reached, v.weight, minlength=blocks * (size + 1)
    ).reshape(blocks, size + 1)
    beyond = beyond[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    counts = (
        np.random.default_rng(seed)
        .multinomial(blocks, np.full(blocks, 1 / blocks), size=samples)
        .astype(float)
    )
    shares = (counts @ beyond) / (counts @ np.bincount(block, v.weight))[:, None]
    low, high = np.quantile(shares, TAILS, axis=0)
    return low, high


def plot_qq(
    data: xr.Dataset,
    results: xr.DataTree | None = None,
    ax: Axes | None = None,
    *,
    trait: str | int | None = None,
    draws: int = 24,
    clusters: int | None = CLUSTERS,
    seed: int = 0,
    y_max: float = Y_MAX,
) -> Axes:
    """QQ plot of the data, with the model's prediction where a fit is given.

    Parameters
    ----------
    data
        GwasData.
    results
        A fit of a univariate model; None plots the data alone.
    ax
        Axes to draw in; a new figure where None.
    trait
        Name or position of the trait; None takes the fitted one, or the first where there is no
        fit.
    draws, clusters
        Posterior draws, and clusters of similar variants, that the prediction averages over.
    seed
        Of the bootstrap.
    y_max
        Largest observed -log10 P that the axis shows; what lies beyond is said in the figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        The data are not those of the fit.
    """
    ax = axes_or_new(ax, 5.6, 4.8)
    data = shown(data, results, trait)
    p = None if results is None else parameters(results, draws, data)
    _draw(ax, variants(data), p, clusters, seed, y_max)
    ax.set_xlabel(r"expected $-\log_{10}$ P (weighted share of variants beyond)")
    ax.set_ylabel(r"observed $-\log_{10}$ P (two-sided)")
    ax.legend(loc="upper left")
    return ax


def plot_qq_strata(
    data: xr.Dataset,
    results: xr.DataTree | None = None,
    axes: Any = None,
    *,
    trait: str | int | None = None,
    clusters: int | None = 100,
    seed: int = 0,
) -> Any:
    """QQ plots in the nine strata of MAF x LD score (tertiles of the evaluated variants' weight, as
    in `check`).

    Parameters
    ----------
    data, results, trait, clusters, seed
        As in `plot_qq`; clusters of each stratum. The model's line is that of the posterior's
        geometric mean.
    axes
        Array (3, 3) of axes (rows: MAF, columns: LD score); a new figure where None.

    Returns
    -------
    numpy.ndarray
        The axes, (3, 3).
    """
    if axes is None:
        axes = new_figure(8.2, 7.6, 3, 3, sharex=True, sharey=True)[1]
    data = shown(data, results, trait)
    v = variants(data)
    p = None if results is None else parameters(results, data=data).as_one()
    thirds: Any = {"q": (1 / 3, 2 / 3), "weights": v.weight, "method": "inverted_cdf"}
    maf_edge, ld_edge = (np.quantile(x, **thirds) for x in (v.maf, v.ld_score))
    row, column = np.searchsorted(maf_edge, v.maf), np.searchsorted(ld_edge, v.ld_score)
    for i in range(3):
        for j in range(3):
            chosen, ax = np.flatnonzero((row == i) & (column == j)), axes[i, j]
            ax.set_title(
                f"{_range('MAF', maf_edge, i)}, {_range('LD score', ld_edge, j)}", fontsize=8.5
            )
            if len(chosen) < FEWEST:
                ax.text(
                    0.5,
                    0.5,
                    f"only {len(chosen)} variants",
                    ha="center",
                    va="center",
                    transform=ax.transAxes,
                )
                continue
            _draw(ax, v[chosen], p, clusters, seed)
    # the widest limits of all: autoscale of shared axes would take the last drawn
    drawn = [ax for ax in axes.flat if ax.lines]
    if drawn:
        axes[0, 0].set_xlim(0, max(ax.lines[0].get_xdata().max() for ax in drawn) * 1.08)
        axes[0, 0].set_ylim(
            0, min(max(ax.lines[0].get_ydata().max() for ax in drawn) * 1.08, Y_MAX)
        )
        drawn[0].legend(loc="upper left", fontsize=7.5)
    axes[2, 1].set_xlabel(r"expected $-\log_{10}$ P: share of the stratum's variants beyond")
    axes[1, 0].set_ylabel(r"observed $-\log_{10}$ P (two-sided)")
    return axes


def _range(name: str, edges: Floats, i: int) -> str:
    if i == 1:
        return f"{name} {as_number(edges[0])}–{as_number(edges[1])}"
    return f"{name} < {as_number(edges[0])}" if i == 0 else f"{name} > {as_number(edges[1])}"


def _draw(
    ax: Axes,
    v: Variants,
    p: Parameters | None,
    clusters: int | None,
    seed: int,
    y_max: float = Y_MAX,
) -> None:
    threshold, share = observed_survival(v)
    low, high = block_bootstrap(v, threshold, seed=seed)
    x, y = -np.log10(share), log10_p(threshold)
    right, top = max(x.max() * 1.08, 0.5), min(y.max() * 1.08, y_max)
    ax.plot(x, y, color=DATA, lw=1.8, label="data", zorder=3)
    ax.fill_betweenx(
        y,
        _x(high, right),
        _x(low, right),
        color=DATA,
        alpha=0.16,
        lw=0,
        label="data, 90% (LD-block bootstrap)",
        zorder=1,
    )
    if p is not None:
        end = min(threshold[-1], threshold[np.searchsorted(y, top).clip(max=len(y) - 1)]) * 1.05
        grid = np.linspace(0, end, 50)
        mean, model_low, model_high = band(predicted_survival(v, p, grid, clusters))
        ordinate = log10_p(grid)
        ax.plot(
            _x(mean, 2 * right),
            ordinate,
            color=MODEL,
            lw=1.8,
            ls=(0, (5, 1.5)),
            label="model",
            zorder=4,
        )
        if len(p) > 1:
            ax.fill_betweenx(
                ordinate,
                _x(model_high, 2 * right),
                _x(model_low, 2 * right),
                color=MODEL,
                alpha=0.3,
                lw=0,
                label="model, 90% credible",
                zorder=2,
            )
    ends = np.array([0, max(right, top)])
    ax.plot(ends, ends, color=NULL, lw=1, ls=":", label="no effects", zorder=0)
    ax.set_xlim(0, right)
    ax.set_ylim(0, top)
    beyond = int(np.sum(log10_p(v.z) > top))
    if beyond:
        ax.text(
            0.98,
            0.15,
            f"{beyond} variants above, to {y.max():.0f}",
            ha="right",
            va="bottom",
            fontsize=7.5,
            color=NULL,
            transform=ax.transAxes,
        )


def _x(share: Floats, largest: float) -> Floats:
    """-log10 of a share, at most `largest` (shares of 0 lie beyond the figure's edge)."""
    return np.minimum(-np.log10(np.maximum(share, 1e-300)), largest)
