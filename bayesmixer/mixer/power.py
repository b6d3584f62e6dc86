"""Power curve: the share of SNP heritability in genome-wide significant variants as the sample
grows (Frei et al. 2019, equation 10).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.mixer.prediction import (
    CLUSTERS,
    Floats,
    band,
    parameters,
    predicted_power,
    shown,
    variants,
)
from bayesmixer.style import BLUE, GREY, TAILS, VERMILION, as_number, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Z_THRESHOLD = 5.45
"""|z| of genome-wide significance, P = 5e-8."""
N_GRID = np.geomspace(1e3, 1e9, 73)


def power_draws(
    data: xr.Dataset,
    results: xr.DataTree,
    trait: str | int | None = None,
    draws: int = 60,
    clusters: int | None = CLUSTERS,
) -> xr.Dataset:
    """Share of h2 in significant variants at each sample size, per posterior draw, and the sample
    sizes at which it reaches 50% and 90%.

    Parameters
    ----------
    data, results, trait, draws, clusters
        As in `bayesmixer.mixer.qq.plot_qq`.

    Returns
    -------
    xarray.Dataset
        `power` (draw, n); `n_needed` (draw, share); `power_now` (draw) at the attribute `n_now`,
        the weighted mean of the data's N.

    Raises
    ------
    InputError
        The data are not those of the fit, or the prediction is not finite: an empty figure is never
        drawn.
    """
    data = shown(data, results, trait)
    v = variants(data)
    p = parameters(results, draws, data)
    n_now = float(np.average(v.n, weights=v.weight))
    grid = np.unique(np.append(N_GRID, n_now))
    curves = predicted_power(v, p, grid, Z_THRESHOLD, clusters)
    if not np.isfinite(curves).all():
        raise InputError(
            "results",
            "the power curve is not finite for "
            f"{int((~np.isfinite(curves)).any(axis=1).sum())} of {len(p)} draws",
        )
    shares = (0.5, 0.9)
    needed = np.array([[crossing(grid, curve, share) for share in shares] for curve in curves])
    return xr.Dataset(
        {
            "power": (("draw", "n"), curves),
            "n_needed": (("draw", "share"), needed),
            "power_now": ("draw", curves[:, np.searchsorted(grid, n_now)]),
        },
        coords={"n": grid, "share": list(shares)},
        attrs={"n_now": n_now},
    )


def crossing(n: Floats, power: Floats, share: float) -> float:
    """Sample size at which an increasing curve reaches `share`, interpolated in log n; infinity
    where it never does.
    """
    above = np.flatnonzero(power >= share)
    if not len(above):
        return float("inf")
    k = int(above[0])
    if k == 0:
        return float(n[0])
    part = (share - power[k - 1]) / (power[k] - power[k - 1])
    return float(np.exp(np.log(n[k - 1]) + part * (np.log(n[k]) - np.log(n[k - 1]))))


def plot_power(
    data: xr.Dataset,
    results: xr.DataTree,
    ax: Axes | None = None,
    *,
    trait: str | int | None = None,
    draws: int = 60,
    clusters: int | None = CLUSTERS,
    curves: xr.Dataset | None = None,
) -> Axes:
    """Power curve with its 90% credible band, today's sample size, and the sizes that find half and
    90% of the SNP heritability.

    Parameters
    ----------
    data, results, trait, draws, clusters
        As in `bayesmixer.mixer.qq.plot_qq`.
    ax
        Axes to draw in; a new figure where None.
    curves
        What `power_draws` returned, so as not to compute it again.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, 6.4, 4.4)
    if curves is None:
        curves = power_draws(data, results, trait, draws, clusters)
    n, (mean, low, high) = curves["n"].to_numpy(), band(100 * curves["power"].to_numpy())
    ax.fill_between(n, low, high, color=BLUE, alpha=0.25, lw=0, label="90% credible band")
    ax.plot(n, mean, color=BLUE, lw=2, label="posterior mean")
    n_now, now = curves.attrs["n_now"], 100 * curves["power_now"].to_numpy()
    ax.axvline(
        n_now,
        color=VERMILION,
        lw=1.2,
        ls="--",
        label=f"this study: N = {as_number(n_now)}, {as_number(now.mean())}%",
    )
    ends = [n_now]
    for share in (0.5, 0.9):
        needed = curves["n_needed"].sel(share=share).to_numpy()
        middle = float(np.median(needed))
        if np.isfinite(middle):
            a, b = np.quantile(needed, TAILS, method="nearest")
            ax.plot([middle], [100 * share], "o", color=BLUE, ms=6, mec="white", zorder=4)
            ax.annotate(
                f"{share:.0%}: N = {as_number(middle)}\n({as_number(a)} to {as_number(b)})",
                (middle, 100 * share),
                (8, -18),
                textcoords="offset points",
                fontsize=8.5,
                color="#222",
                bbox={"facecolor": "white", "alpha": 0.8, "lw": 0, "pad": 1},
            )
            ends.append(middle)
    ax.axhline(100, color=GREY, lw=0.8, ls=":")
    ax.set_xscale("log")
    # from where the curve leaves 0 to well beyond the 90% point, so that its label has room
    rising = n[np.argmax(mean > 0.05)] if np.any(mean > 0.05) else n[0]
    ax.set_xlim(min(rising, n_now / 2), min(max(ends) * 60, n[-1] * 10))
    ax.set_ylim(0, 104)
    ax.set_xlabel("sample size N (people; effective N for case-control studies)")
    ax.set_ylabel("SNP heritability in variants with P < 5e-8 (%)")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, columnspacing=1.2)
    return ax
