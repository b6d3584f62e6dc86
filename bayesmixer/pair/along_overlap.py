"""The likelihood along polygenic overlap, from the least that the genetic correlation requires to
complete overlap, with the posterior over it.

Both ends are drawn where they are; MiXeR's edges, 1% and 99% of the way, beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.pair.ends import GROUP
from bayesmixer.pair.prediction import draws_of
from bayesmixer.style import BLUE, GREY, ORANGE, VERMILION, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EDGES = (0.01, 0.99)
BINS = 40
NEAR = 1e-6  # of an end: a draw of its model


def along(results: xr.DataTree) -> xr.Dataset | None:
    """What a fit holds of its likelihood along overlap; None where it holds nothing."""
    return results[GROUP].to_dataset() if GROUP in results.children else None


def excess_of(results: xr.DataTree) -> np.ndarray:
    """Draws of the overlap's place between the least (0) and complete overlap (1)."""
    least, shared = (draws_of(results, name) for name in ("pi_shared_min", "pi_shared"))
    most = np.minimum(draws_of(results, "pi", 0), draws_of(results, "pi", 1))
    return np.clip((shared - least) / np.maximum(most - least, 1e-300), 0, 1)


def plot_along_overlap(
    results: xr.DataTree, ax: Axes | None = None, *, shown: float = 15.0
) -> Axes:
    """Profile and marginal likelihood along overlap, with a histogram of the posterior's draws.

    Parameters
    ----------
    results
        A fit of `bivariate_mixer` that holds its likelihood along overlap.
    ax
        Axes to draw in; a new figure where None.
    shown
        Units of log-likelihood below the maximum that the axis reaches at most.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        The fit does not hold it.
    """
    group = along(results)
    if group is None:
        raise InputError(
            "results", "no likelihood along overlap", "Fit by method 'laplace' or 'nuts'."
        )
    ax = axes_or_new(ax, 6.4, 4.2)
    place = group["excess"].to_numpy()
    profile, scaled = (
        group[name].to_numpy() - group[name].to_numpy().max()
        for name in ("log_likelihood", "log_marginal_scaled")
    )
    draws = excess_of(results)
    ends = [float(np.mean(draws <= NEAR)), float(np.mean(draws >= 1 - NEAR))]
    inside = draws[(draws > NEAR) & (draws < 1 - NEAR)]
    posterior = ax.twinx()
    posterior.grid(visible=False)
    edges = np.linspace(0, 1, BINS + 1)
    height = np.histogram(inside, edges)[0] / max(len(draws), 1)
    posterior.stairs(height, edges, fill=True, color=GREY, alpha=0.3)
    for x, mass in zip((0, 1), ends, strict=True):
        posterior.bar(x, mass, width=0.012, color=ORANGE, alpha=0.9)
        if mass > 0:
            posterior.annotate(
                f"{mass:.0%}", (x, mass), (0, 2), textcoords="offset points", ha="center",
                fontsize=8, color=ORANGE,
            )  # fmt: skip
    posterior.set_ylim(0, 2.5 * max(*height, *ends, 1e-3))
    posterior.set_yticks([tick for tick in posterior.get_yticks() if 0 <= tick <= 1])
    posterior.set_ylabel("share of the draws (bars: at the ends)")
    ax.set_zorder(posterior.get_zorder() + 1)
    ax.patch.set_visible(False)
    ax.plot(place, profile, "-o", color=BLUE, ms=4, label="profile")
    ax.plot(place, scaled, "--s", color=VERMILION, ms=3.5, label="others integrated out, scaled")
    for k, edge in enumerate(EDGES):
        label = "MiXeR's edges, 1% and 99%" if k == 0 else None
        ax.axvline(edge, color=GREY, lw=0.9, ls=":", label=label)
    low = min(profile.min(), scaled.min())
    ax.set_ylim(max(1.06 * low, -shown), 0.05 * min(-low, shown) + 0.05)
    ax.set_xlim(-0.03, 1.03)
    ax.set_xlabel("overlap, from the least that rg requires (0) to complete (1)")
    ax.set_ylabel("log-likelihood below maximum (nats)")
    if "n_shared" in group:
        _numbers(ax, place, group["n_shared"].to_numpy())
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.12), ncols=3, columnspacing=1.2)
    return ax


def _numbers(ax: Axes, place: np.ndarray, shared: np.ndarray) -> None:
    """Number of shared variants above the axis."""
    at = np.linspace(0, 1, 6)
    above = ax.twiny()
    above.set_xlim(ax.get_xlim())
    above.set_xticks(at, [f"{n:,.0f}" for n in np.interp(at, place, shared)], fontsize=8)
    above.set_xlabel("shared causal variants", fontsize=8.5)
    above.grid(visible=False)
