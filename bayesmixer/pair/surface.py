"""The likelihood over polygenic overlap and the correlation of shared effects, with the posterior's
draws on it.

At one genetic correlation few shared variants with well correlated effects look much like many with
a loose correlation: the ridge of the surface. In the fourth moments of the z-scores overlap f =
pi_shared / min(pi) enters only by f + 2 u^2 / f, u = rho_beta f, so that f has a twin at 2 u^2 / f
and the ridge can have two tops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline

from bayesmixer.mixer.prediction import Floats
from bayesmixer.ops.pair import PairLogLik
from bayesmixer.ops.pair_layout import PairData
from bayesmixer.pair.prediction import Pair, draws_of, mixtures, pair
from bayesmixer.style import BLACK, BLUE, GREY, VERMILION, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 40_000  # variants that the surface is computed with
LOUD = 3.0  # |z| of either trait from which more are kept
SPREAD = 5.0  # standard deviations of u on either side that are shown
NODES = (7, 11)  # of overlap and of the correlation, between which the surface is interpolated
DROPS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


def thinned(p: Pair, most: int = MOST) -> tuple[NDArray[np.intp], Floats]:
    """Rows and equal weights of variants that stand for all, in two groups: those of large |z|, of
    which more are taken, and the others. Along the genome the k-th is where the weights before it
    sum to k times the new weight, so that what is in LD is thinned, which says the same twice.
    """
    large = np.abs(p.z).max(axis=1) >= LOUD
    rows, weights = [], []
    for group, number in ((large, most // 10), (~large, most - most // 10)):
        here = np.flatnonzero(group)
        total = np.cumsum(p.weight[here])
        if len(here) <= number:
            rows.append(here)
            weights.append(p.weight[here])
            continue
        at = np.searchsorted(total, (np.arange(number) + 0.5) / number * total[-1])
        rows.append(here[at])
        weights.append(np.full(number, total[-1] / number))
    return np.concatenate(rows), np.concatenate(weights)


def overlap_surface(
    data: xr.Dataset,
    results: xr.DataTree,
    *,
    nodes: tuple[int, int] = NODES,
    points: int = 81,
    most: int = MOST,
    whole: bool = False,
) -> xr.Dataset:
    """Log-likelihood over overlap and rho_beta, the other parameters at their posterior medians.

    Parameters
    ----------
    data
        GwasData of two traits.
    results
        A fit of `bivariate_mixer`.
    nodes
        Overlaps and correlations at which the likelihood is computed; cubic splines go through
        them.
    points
        Of the grid that is returned, per side.
    most
        Variants that are taken, each for several.
    whole
        Whether the whole range is taken, and not the part of it in which u = rho_beta f lies where
        the draws have it.

    Returns
    -------
    xarray.Dataset
        `log_likelihood` (overlap, rho_beta), its maximum taken off. Coordinates `overlap`
        (pi_shared / min(pi)), up to 1, and `rho_beta`.

    Raises
    ------
    InputError
        The data are not those of the fit, or not of two traits.
    """
    p = pair(data, results)
    rows, weight = thinned(p, most)
    one, two = p.traits
    n = np.column_stack([one.n, two.n])[rows]
    block = np.zeros(len(rows), np.int64)  # one: the sum is what is wanted
    kept = PairData(p.z[rows], n, weight, one.spectrum[rows], p.node_x, block)
    likelihood = PairLogLik(kept, gradient=False)
    pi, beta = (
        np.array([np.median(draws_of(results, name, k)) for k in (0, 1)])
        for name in ("pi", "sigma2_beta")
    )
    sigma_0 = np.median([m.sigma_0 for m in mixtures(results)], axis=0)
    least = max((pi.sum() - 1) / pi.min(), 0.0)
    shown, angle = (least, 1.0), (-1.0, 1.0)
    if not whole:
        shown, angle = _part(results, least)
    # closer together near the ends, where few variants without a partner decide
    place = [np.linspace(0, np.pi, number) for number in nodes]
    f, rho = (
        a + (b - a) * (1 - np.cos(x)) / 2 for x, (a, b) in zip(place, (shown, angle), strict=True)
    )
    value = np.empty(nodes)
    for i, shared in enumerate(f * pi.min()):
        shares = np.array([*np.maximum(pi - shared, 0), shared])
        for j, r in enumerate(rho if shared > 0 else rho[:1]):
            covariance = [[beta[0], 0, 0], [0, beta[1], 0], [*beta, r * np.sqrt(beta.prod())]]
            value[i, j] = likelihood.evaluate(shares, np.array(covariance), sigma_0)[0].sum()
        if shared == 0:  # nothing to correlate
            value[i] = value[i, 0]
    degree = {"kx": min(3, nodes[0] - 1), "ky": min(3, nodes[1] - 1)}
    at = np.linspace(0, 1, points)
    fine = np.arccos(1 - 2 * at)
    surface = RectBivariateSpline(*place, value, **degree)(fine, fine)
    return xr.Dataset(
        {"log_likelihood": (("overlap", "rho_beta"), surface - surface.max())},
        coords={
            "overlap": shown[0] + (shown[1] - shown[0]) * at,
            "rho_beta": angle[0] + (angle[1] - angle[0]) * at,
        },
    )


def _part(results: xr.DataTree, least: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ranges of overlap and of rho_beta that hold the ridge."""
    u = draws_of(results, "rg") / draws_of(results, "rg_max")
    away = max(SPREAD * float(u.std()), 0.1)
    ends = u.mean() - away, u.mean() + away
    if ends[0] <= 0 <= ends[1]:
        return (least, 1.0), (-1.0, 1.0)
    near = min(map(abs, ends))
    share = max(least, min(0.9 * near, 0.8))
    return (share, 1.0), (near, 1.0) if u.mean() > 0 else (-1.0, -near)


def plot_surface(
    data: xr.Dataset,
    results: xr.DataTree,
    ax: Axes | None = None,
    *,
    surface: xr.Dataset | None = None,
    draws: int = 400,
) -> Axes:
    """Contours of the likelihood over overlap and rho_beta, with the posterior's draws.

    Parameters
    ----------
    data, results
        As of `overlap_surface`.
    ax
        Axes to draw in; a new figure where None.
    surface
        What `overlap_surface` returned, so as not to compute it again.
    draws
        Draws that are shown.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, 6.4, 4.6)
    if surface is None:
        surface = overlap_surface(data, results)
    f, rho = surface["overlap"].to_numpy(), surface["rho_beta"].to_numpy()
    drop = np.minimum(-surface["log_likelihood"].to_numpy(), DROPS[-1])
    filled = ax.contourf(f, rho, drop.T, levels=DROPS, cmap="Blues_r")
    ax.contour(f, rho, drop.T, levels=DROPS[1:], colors=GREY, linewidths=0.5)
    small = np.minimum(draws_of(results, "pi", 0), draws_of(results, "pi", 1))
    share, own = draws_of(results, "pi_shared") / small, draws_of(results, "rho_beta")
    rows = np.unique(np.linspace(0, len(share) - 1, draws).round().astype(int))
    ax.plot(
        share[rows], own[rows], ".", color=VERMILION, ms=3, alpha=0.6, mew=0, label="draws",
        rasterized=True,
    )  # fmt: skip
    u = float(np.median(share * own))
    where = np.linspace(max(abs(u), 1e-3), 1, 200)
    ax.plot(where, u / where, color=BLACK, lw=1.1, ls="--", label="same genetic correlation")
    middle = float(np.median(share))
    twin = 2 * u**2 / middle if middle > 0 else 0.0
    if abs(u) < twin < 1:
        ax.plot(twin, u / twin, "D", color=BLUE, mec="white", ms=6, label="twin of the median")
    ax.set_xlim(f[0], 1)
    ax.set_ylim(rho[0], rho[-1])
    ax.set_xlabel("overlap: share of the less polygenic trait's causal variants")
    ax.set_ylabel(r"correlation of shared effects $\rho_\beta$")
    ax.figure.colorbar(filled, ax=ax, label="log-likelihood below its maximum", shrink=0.85)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, columnspacing=1.2)
    return ax
