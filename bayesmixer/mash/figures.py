"""Figures of the mixture: the weights of its covariances, and a covariance with its
eigenvectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.mash.trees import mixture_of, mixtures_of
from bayesmixer.style import DATA, axes_or_new, clustered

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIGNED = "RdBu_r"
VECTORS = 3
SHOWN = 20  # covariances of a bar chart
LEAST = 0.01  # share of the variance, below which an eigenvector is not drawn


def plot_weights(fit: xr.DataTree, most: int = SHOWN, ax: Axes | None = None) -> Axes:
    """Weight of each covariance, over all scales, the heaviest first, the component of independent
    effects as `independent`; the title has the weight of the point mass, which dwarfs them.

    Parameters
    ----------
    fit
        What `bayesmixer.mash.fit` or `given` returned.
    most
        How many to show; the others are put together.
    ax
        Axes to draw on; a new figure's where None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        It is no fit of mash.
    """
    mixture, estimate = mixture_of(mixtures_of(fit)[0])
    assert mixture.weights is not None
    weight = estimate["covariance_weight"].values
    names = estimate["covariance"].values.astype(str)
    if mixture.alone is not None:
        weight, names = np.r_[weight, mixture.weights[-1]], np.r_[names, ["independent"]]
    order = np.argsort(-weight, kind="stable")
    order = order[weight[order] > 0]
    bars = [(names[i], float(weight[i])) for i in order[:most]]
    if len(order) > most:
        bars.append((f"{len(order) - most} others", float(weight[order[most:]].sum())))
    ax = axes_or_new(ax, 6.0, 1.3 + 0.26 * len(bars))
    y = np.arange(len(bars))
    ax.barh(y, [w for _, w in bars], color=DATA)
    if mixture.point_mass:
        ax.set_title(f"{float(mixture.weights[0]):.3g} are null")
    ax.set_yticks(y, [n for n, _ in bars])
    ax.set_ylim(len(bars) - 0.4, -0.6)
    ax.set_xlabel("weight")
    return ax


def plot_covariance(
    fit: xr.DataTree, covariance: str | None = None, cluster: bool = True, ax: Axes | None = None
) -> Axes:
    """A covariance of effects as correlations, beside it its eigenvectors.

    Parameters
    ----------
    fit
        What `bayesmixer.mash.fit` or `given` returned.
    covariance
        Its name; the heaviest without.
    cluster
        Whether alike conditions are put beside each other.
    ax
        Axes to draw on; a new figure's where None.

    Returns
    -------
    matplotlib.axes.Axes
        The heat map. Conditions in which the covariance has no effects are empty. The eigenvectors,
        at most three, have their largest entry at 1 and their share of the variance above.

    Raises
    ------
    InputError
        It is no fit of mash, or has no such covariance.
    """
    _, estimate = mixture_of(mixtures_of(fit)[0])
    names = list(estimate["covariance"].values.astype(str))
    if covariance is None:
        covariance = names[int(np.argmax(estimate["covariance_weight"].values))]
    if covariance not in names:
        found = f"{covariance!r}, expected one of {', '.join(names[:10])}"
        raise InputError("covariance", found)
    i = names.index(covariance)
    u = estimate["U"].values[i]
    sd = np.sqrt(np.diag(u))
    with np.errstate(invalid="ignore", divide="ignore"):
        shown = u / np.outer(sd, sd)
    order = clustered(shown) if cluster else np.arange(len(u))
    conditions = estimate["condition"].values.astype(str)[order]
    side = 1.6 + max(0.2 * len(u), 1.2)
    ax = axes_or_new(ax, side + 2.4, side)
    image = ax.imshow(shown[np.ix_(order, order)], cmap=SIGNED, vmin=-1, vmax=1)
    ax.grid(False)
    ax.set_xticks(range(len(u)), conditions, rotation=90)
    ax.set_yticks(range(len(u)), conditions)
    ax.set_title(f"{covariance}, weight {float(estimate['covariance_weight'][i]):.3g}")
    values, vectors = np.linalg.eigh(u)
    share = values[::-1] / values.sum()
    kept = np.flatnonzero(share[:VECTORS] >= LEAST)
    vectors = vectors[:, ::-1][order][:, kept]
    peak = np.abs(vectors).argmax(0)
    vectors = vectors / vectors[peak, np.arange(len(kept))]
    beside = ax.inset_axes((1.03, 0, 0.09 * len(kept), 1))
    beside.imshow(vectors, cmap=SIGNED, vmin=-1, vmax=1, aspect="auto")
    beside.grid(False)
    beside.set_yticks([])
    beside.xaxis.tick_top()
    beside.set_xticks(range(len(kept)), [f"{share[k]:.0%}" for k in kept], rotation=90, fontsize=8)
    if ax.figure is not None:
        ax.figure.colorbar(image, ax=[ax], label="correlation", shrink=0.6)
    return ax
