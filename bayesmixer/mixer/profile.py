"""Profile of the likelihood along polygenicity pi: at each pi the other parameters are at their
best (the paper fits along constant h2 to start).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.style import BLUE, GREY, INTERVAL, VERMILION, as_number, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def has_profile(results: xr.DataTree) -> bool:
    """Whether the fit stored `profile_pi` and `profile_log_likelihood` in its estimate group."""
    return "estimate" in results.children and {"profile_pi", "profile_log_likelihood"} <= set(
        results["estimate"].data_vars
    )


def plot_profile(results: xr.DataTree, ax: Axes | None = None, *, shown: float = 15.0) -> Axes:
    """Profile log-likelihood along pi, relative to its maximum.

    Parameters
    ----------
    results
        A fit whose `estimate` group holds `profile_pi` and `profile_log_likelihood` (dim
        `profile`).
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
        The fit holds no profile.
    """
    from scipy.stats import chi2

    if not has_profile(results):
        raise InputError(
            "results",
            "no 'profile_pi' and 'profile_log_likelihood' in the estimate group",
            "Only fits with a polygenicity have a profile.",
        )
    ax = axes_or_new(ax, 6.0, 3.8)
    estimate = results["estimate"].to_dataset()
    pi, value = (
        np.asarray(estimate[v], dtype=float).ravel()
        for v in ("profile_pi", "profile_log_likelihood")
    )
    kept = np.isfinite(pi) & np.isfinite(value) & (pi > 0)
    order = np.argsort(pi[kept])
    pi, value = pi[kept][order], value[kept][order]
    value = value - value.max()
    ax.plot(pi, value, "-o", color=BLUE, ms=4, label="profile")
    drop = chi2.ppf(INTERVAL, 1) / 2
    ax.axhline(
        -drop,
        color=GREY,
        ls=":",
        lw=1.2,
        label=f"{drop:.2f} below: 90% if variants were independent",
    )
    if "pi" in estimate and estimate["pi"].size == 1:
        best = float(estimate["pi"])
        ax.axvline(best, color=VERMILION, ls="--", lw=1.2, label=f"estimate {as_number(best)}")
    ax.set_xscale("log")
    ax.set_ylim(max(-shown, min(float(value.min()) * 1.05, -drop * 1.5)), 0.04 * shown)
    ax.set_xlabel("polygenicity pi (share of variants that are causal)")
    ax.set_ylabel("log-likelihood below maximum (nats)")
    ax.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=8.5, columnspacing=1.2
    )
    return ax
