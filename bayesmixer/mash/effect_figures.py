"""Figures of posteriors: sharing between conditions, in how many an effect is called, one effect
raw and shrunk, effective sample sizes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy.special import ndtri

from bayesmixer.errors import InputError
from bayesmixer.mash.forced_signs import check_posterior
from bayesmixer.mash.precision_gain import effective_size
from bayesmixer.mash.shared_effects import sharing
from bayesmixer.style import DATA, GREY, INTERVAL, MODEL, NULL, TAILS, axes_or_new, clustered

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HALF = float(ndtri(TAILS[1]))
FAR = 50  # times the smallest sample size, from which bars are on a log scale
MOST_NUMBERS = 20  # conditions of a matrix whose cells hold numbers


def plot_sharing(
    posterior: xr.Dataset | xr.DataArray,
    factor: float = 0.5,
    cluster: bool = True,
    ax: Axes | None = None,
    **options: Any,
) -> Axes:
    """Share of effects that two conditions share, as a heat map with alike conditions beside each
    other.

    Parameters
    ----------
    posterior
        What `bayesmixer.mash.posterior` returned, or `sharing` made of it.
    factor, options
        Of `bayesmixer.mash.sharing`: 0 asks for equal signs alone.
    cluster
        Whether conditions are put in the order of a tree of average linkage by 1 - sharing.
    ax
        Axes to draw on; a new figure's where None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Neither, or another factor than sharing takes.
    """
    if isinstance(posterior, xr.DataArray) and posterior.dims == ("condition", "condition_bis"):
        shared = posterior
    else:
        shared = sharing(posterior, factor, **options)  # type: ignore[arg-type]
    values = shared.values
    order = clustered(values) if cluster else np.arange(len(values))
    names = shared["condition"].values[order].astype(str)
    values = values[np.ix_(order, order)]
    side = 1.6 + (0.5 if len(order) <= MOST_NUMBERS else 0.2) * len(order)
    ax = axes_or_new(ax, side + 1.2, side)
    image = ax.imshow(values, cmap="viridis", vmin=0, vmax=1)
    ax.grid(False)
    for i, j in np.argwhere(np.isfinite(values)) if len(order) <= MOST_NUMBERS else ():
        ax.text(
            j, i, f"{values[i, j]:.2f}", ha="center", va="center", fontsize=8,
            color="black" if values[i, j] > 0.6 else "white",
        )  # fmt: skip
    ax.set_xticks(range(len(order)), names, rotation=90)
    ax.set_yticks(range(len(order)), names)
    within = float(shared.attrs.get("factor", factor))
    how = "of one sign" if within == 0 else f"within a factor of {1 / within:.3g}"
    ax.set_title(f"effects {how}")
    if ax.figure is not None:
        ax.figure.colorbar(image, ax=ax, label="share", shrink=0.6)
    return ax


def plot_n_conditions(
    posterior: xr.Dataset, threshold: float = 0.05, ax: Axes | None = None
) -> Axes:
    """How many effects are called in one condition, in two, ... in all.

    Parameters
    ----------
    posterior
        What `bayesmixer.mash.posterior` returned.
    threshold
        Called: a local false sign rate below it.
    ax
        Axes to draw on; a new figure's where None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        It is no posterior.
    """
    posterior = check_posterior(posterior)
    called = (posterior["lfsr"].values < threshold).sum(1)
    r = posterior.sizes["condition"]
    count = np.bincount(called, minlength=r + 1)
    ax = axes_or_new(ax, max(4.0, 1.6 + 0.16 * r), 3.6)
    ax.bar(np.arange(1, r + 1), count[1:], color=DATA)
    ax.set_xlabel(f"conditions with lfsr < {threshold:g}")
    ax.set_ylabel("effects")
    ax.set_title(f"{int(count[0]):,} of {len(called):,} effects in none")
    return ax


def plot_effect(
    effects: xr.Dataset,
    posterior: xr.Dataset,
    effect: str | int,
    threshold: float = 0.05,
    ax: Axes | None = None,
) -> Axes:
    """One effect in all conditions: its estimates (grey) and posterior means (colour), with 1.64
    standard errors or posterior standard deviations, filled where the local false sign rate is
    below the threshold.

    Parameters
    ----------
    effects
        What `bayesmixer.read_effects` returned.
    posterior
        What `bayesmixer.mash.posterior` made of them.
    effect
        Name, or position.
    threshold
        Of the local false sign rate.
    ax
        Axes to draw on; a new figure's where None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        There is no such effect, or effects and posterior are of other conditions.
    """
    posterior = check_posterior(posterior)
    if list(effects["condition"].values) != list(posterior["condition"].values):
        raise InputError("posterior", "of other conditions than the effects")
    names = posterior["effect"].values.astype(str)
    at = effect if isinstance(effect, int) else -1
    if isinstance(effect, str) and effect in set(names):
        at = int(np.flatnonzero(names == effect)[0])
    own = effects["effect"].values.astype(str)
    if not 0 <= at < len(names) or not (there := np.flatnonzero(own == names[at])).size:
        raise InputError("effect", f"{effect!r}, no such effect among {len(names):,}")
    raw, one = effects.isel(effect=int(there[0])), posterior.isel(effect=at)
    r = posterior.sizes["condition"]
    ax = axes_or_new(ax, 5.6, 1.4 + 0.3 * r)
    y = np.arange(r)
    for shift, value, error, colour, label in (
        (-0.14, raw["bhat"].values, raw["shat"].values, GREY, "estimate"),
        (0.14, one["mean"].values, one["sd"].values, MODEL, "posterior"),
    ):
        ax.errorbar(value, y + shift, xerr=HALF * error, fmt="none", ecolor=colour, elinewidth=1.4)
        called = (one["lfsr"].values < threshold) | (label == "estimate")
        for some, fill, told in (
            (called, colour, label),
            (~called, "white", f"{label}, lfsr {threshold:g} or more"),
        ):
            if some.any():
                ax.plot(
                    value[some], (y + shift)[some], "o", color=colour, ms=5, mfc=fill, label=told
                )
    ax.axvline(0, color=NULL, lw=0.8)
    ax.set_yticks(y, posterior["condition"].values.astype(str))
    ax.set_ylim(r - 0.5, -0.5)
    ax.set_xlabel(f"effect ({INTERVAL:.0%} of a normal)")
    ax.set_title(names[at])
    ax.legend(loc="best")
    return ax


def plot_effective_size(
    posterior: xr.Dataset, effects: xr.Dataset, n: Any = 1, ax: Axes | None = None, **options: Any
) -> Axes:
    """Effective sample size of each condition beside its own sample size.

    Parameters
    ----------
    posterior, effects, n, options
        As in `bayesmixer.mash.effective_size`.
    ax
        Axes to draw on; a new figure's where None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        As there.
    """
    size = effective_size(posterior, effects, n, **options)
    r = len(size)
    own = np.broadcast_to(np.asarray(n, dtype=np.float64), (r,))
    ax = axes_or_new(ax, 5.6, 1.3 + 0.26 * r)
    y = np.arange(r)
    ax.barh(y, size.values, color=MODEL, height=0.7, label="all conditions together")
    ax.barh(y, own, color=GREY, height=0.35, label="the condition alone")
    ax.set_yticks(y, size["condition"].values.astype(str))
    ax.set_ylim(r - 0.4, -0.6)
    known = size.values[np.isfinite(size.values)]
    if len(known) and (known.max() > FAR * own.min()):
        ax.set_xscale("log")
    alone = np.ndim(n) == 0 and float(n) == 1
    ax.set_xlabel("effective sample size" + (", as a multiple of the condition's" * alone))
    ax.legend(loc="best")
    return ax
