"""Density of two traits' z-scores, observed and predicted, and of their effects (Frei et al. 2019,
figure 4).

What lies along the axes is of one trait alone, what lies along a diagonal is shared with effects
that agree or disagree; a round cloud is noise, a tilted one shared samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy.stats import norm

from bayesmixer.errors import InputError
from bayesmixer.mixer.prediction import Floats
from bayesmixer.ops.pair_predict import CLUSTERS, PairMixture, pair_density
from bayesmixer.pair.prediction import middle, mixtures, names_of, pair
from bayesmixer.style import GREY, MODEL, axes_or_new, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CELL = 0.25  # of z
DECADES = 5  # shown below the peak
CONTOURS = 10.0 ** np.arange(-5, 0)
GAUSS = 8  # points within a cell
CELLS = 61  # of the effects, per side


def plot_z_density(
    data: xr.Dataset,
    results: xr.DataTree | None = None,
    axes: Any = None,
    *,
    reach: float | None = None,
    draws: int = 8,
    clusters: int | None = CLUSTERS,
) -> Any:
    """Observed density of the pairs of z-scores, and beside it what the model predicts.

    Parameters
    ----------
    data
        GwasData of two traits; variants seen in both are drawn, by their weights.
    results
        A fit of a model of two traits; None draws the data alone.
    axes
        Array of two axes (one without a fit); a new figure where None.
    reach
        Largest |z| shown; None takes what 99.9% of the weight reaches, within 4 to 12.
    draws, clusters
        Posterior draws, and groups of similar variants, that the prediction averages over.

    Returns
    -------
    numpy.ndarray
        The axes.

    Raises
    ------
    InputError
        The data are not those of the fit, or not of two traits.
    """
    from matplotlib.colors import LogNorm

    p = pair(data, results)
    count = 1 if results is None else 2
    if axes is None:
        axes = np.ravel(new_figure(4.6 * count, 4.2, 1, count, sharex=True, sharey=True)[1])
    axes = np.ravel(axes)
    if reach is None:
        far, w = np.abs(p.z).max(axis=1), p.weight
        order = np.argsort(far)
        at = int(np.searchsorted(np.cumsum(w[order]), 0.999 * w.sum()))
        reach = float(np.clip(far[order[min(at, len(far) - 1)]], 4, 12))
    half = int(np.ceil(reach / CELL))
    edges = CELL * (np.arange(-half, half + 2) - 0.5)
    counts = np.histogram2d(p.z[:, 0], p.z[:, 1], [edges, edges], weights=p.weight)[0]
    observed = counts / (p.weight.sum() * CELL**2)
    scale = LogNorm(observed.max() * 10.0**-DECADES, observed.max())
    shown = [("observed", observed)]
    if results is not None:
        z, predicted = predicted_density(p, mixtures(results, draws), half * CELL, clusters)
        shown.append(("model", predicted))
    for ax, (name, values) in zip(axes, shown, strict=False):
        image = ax.pcolormesh(
            edges, edges, np.where(values > 0, values, np.nan).T, norm=scale, cmap="Blues",
            rasterized=True,
        )  # fmt: skip
        if results is not None:
            ax.contour(z, z, predicted.T, levels=CONTOURS, colors=MODEL, linewidths=0.8)
        ax.set_title(name)
        ax.set_aspect("equal")
        ax.set_xlabel(f"z of {p.names[0]}")
    axes[0].set_ylabel(f"z of {p.names[1]}")
    axes[0].figure.colorbar(image, ax=list(axes[:count]), label="density", shrink=0.8)
    return axes[:count]


def predicted_density(
    p: Any, of: list[PairMixture], reach: float, clusters: int | None = CLUSTERS
) -> tuple[Floats, Floats]:
    """Grid of z (point,) in steps of a cell, and the mean density over the draws (point, point)."""
    group, points = p.clusters(middle(of), clusters), 2 * round(reach / CELL) + 1
    each = [pair_density(reach, points, group, p.node_x, m) for m in of]
    return each[0][0], np.mean([density for _, density in each], axis=0)


def expected_effects(m: PairMixture, edges: Floats) -> Floats:
    """Share of the variants in each cell of the plane of effects, (cell, cell): those that are
    causal, with the effects on one trait alone in the cells of the axes.

    Parameters
    ----------
    m
        The mixture; exact also where the correlation of a component is 1 or -1.
    edges
        (cell + 1,) ends of the cells along both axes; 0 lies within one.
    """
    axis = int(np.searchsorted(edges, 0.0)) - 1
    out = np.zeros((len(edges) - 1, len(edges) - 1))
    node, gauss = np.polynomial.legendre.leggauss(GAUSS)
    width = np.diff(edges)
    for share, (v1, v2, both) in zip(m.pi, m.sigma_beta, strict=True):
        s1, s2 = np.sqrt(v1), np.sqrt(v2)
        if s1 == 0 or s2 == 0:
            inside = np.diff(norm.cdf(edges / (s1 + s2))) if s1 + s2 > 0 else None
            if inside is not None and s2 == 0:
                out[:, axis] += share * inside
            elif inside is not None:
                out[axis] += share * inside
            continue
        rho = np.clip(both / (s1 * s2), -1, 1)
        x = edges[:-1, None] + width[:, None] * (node + 1) / 2
        weight = norm.pdf(x, scale=s1) * gauss / 2 * width[:, None]
        left = max(s2 * np.sqrt(1 - rho**2), 1e-9 * s2)
        given = norm.cdf((edges - (rho * s2 / s1 * x)[..., None]) / left)
        out += share * np.einsum("ij,ijk->ik", weight, np.diff(given, axis=-1))
    return out


def plot_effects(
    results: xr.DataTree,
    ax: Axes | None = None,
    *,
    draws: int = 40,
    n_reference: float | None = None,
) -> Axes:
    """Expected number of causal variants by their effects on both traits, averaged over draws.

    Parameters
    ----------
    results
        A fit of `bivariate_mixer`.
    ax
        Axes to draw in; a new figure where None.
    draws
        Posterior draws that are averaged.
    n_reference
        Number of the reference's variants; None takes the one that the fit's numbers rest on.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        The fit is not of two traits, or all of its variants are causal.
    """
    from matplotlib.colors import LogNorm

    names, of = names_of(results), mixtures(results, draws)
    if len(of[0].pi) == 1:
        raise InputError("results", "every variant is causal for both", "Fit bivariate_mixer.")
    posterior = results["posterior"]
    if n_reference is None:
        n_reference = float((posterior["n_causal"] / posterior["pi"]).mean())
    mean = middle(of)
    reach = 3.5 * float(np.sqrt(max(mean.sigma_beta[0, 0], mean.sigma_beta[1, 1])))
    edges = np.linspace(-reach, reach, CELLS + 1)
    number = n_reference * np.mean([expected_effects(m, edges) for m in of], axis=0)
    ax = axes_or_new(ax, 5.0, 4.2)
    scale = LogNorm(number.max() * 1e-4, number.max())
    image = ax.pcolormesh(
        edges, edges, np.where(number > 0, number, np.nan).T, norm=scale, cmap="Blues",
        rasterized=True,
    )  # fmt: skip
    for line in (ax.axhline, ax.axvline):
        line(0, color=GREY, lw=0.6, ls=":")
    ax.set_aspect("equal")
    ax.set_title("causal effects")
    ax.set_xlabel(f"effect on {names[0]} (sd per allele)")
    ax.set_ylabel(f"effect on {names[1]} (sd per allele)")
    ax.figure.colorbar(image, ax=ax, label="expected number of variants per cell", shrink=0.8)
    return ax
