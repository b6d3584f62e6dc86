"""Overview of the z-scores along the genome, to see at a glance what drives a fit: -log10 p of
every evaluated variant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from bayesmixer.identity import position_of
from bayesmixer.mixer.qq import log10_p
from bayesmixer.style import BLUE, SKY, VERMILION, axes_or_new
from bayesmixer.variables import evaluated

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIGNIFICANT = 5e-8


def plot_manhattan(
    data: xr.Dataset,
    ax: Axes | None = None,
    *,
    trait: str | int = 0,
    dull: float = 1.0,
    seed: int = 0,
) -> Axes:
    """Manhattan plot of the variants that have a positive weight.

    Parameters
    ----------
    data, trait
        GwasData, and which trait.
    ax
        Axes to draw in; a new figure where None.
    dull
        Of the variants with -log10 p below this at most 5,000 are drawn.
    seed
        Of their choice.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_or_new(ax, 8.0, 3.2)
    one = data.isel(trait=position_of(data, trait))
    z = np.asarray(one["z"], dtype=float)
    chrom = np.asarray(one["chrom"]).astype(str)
    pos = np.asarray(one["pos"], dtype=float)
    kept = evaluated(one)
    kept = kept[np.isfinite(z[kept])]
    z, chrom, pos = z[kept], chrom[kept], pos[kept]
    _, first = np.unique(chrom, return_index=True)
    names = chrom[np.sort(first)]
    height, rng, offset, ticks = log10_p(z), np.random.default_rng(seed), 0.0, []
    quiet = np.flatnonzero(height < dull)
    drawn = np.ones(len(z), bool)
    if len(quiet) > 5000:
        drawn[rng.choice(quiet, len(quiet) - 5000, replace=False)] = False
    for k, name in enumerate(names):
        here = chrom == name
        start, stop = pos[here].min(), pos[here].max()
        shown = here & drawn
        ax.plot(
            (pos[shown] - start + offset) / 1e6,
            height[shown],
            ".",
            ms=2.5,
            color=(BLUE, SKY)[k % 2],
            rasterized=True,
            mew=0,
        )
        ticks.append((offset + (stop - start) / 2) / 1e6)
        offset += stop - start + 5e6
    ax.axhline(-np.log10(SIGNIFICANT), color=VERMILION, lw=1, ls="--")
    ax.set_xticks(ticks, list(names), fontsize=8)
    ax.grid(visible=False, axis="x")
    ax.set_xlim(-3, max(offset / 1e6 - 2, 1))
    ax.set_ylim(0, max(8.0, float(height.max()) * 1.05))
    ax.set_xlabel("chromosome")
    ax.set_ylabel(r"$-\log_{10}$ P (two-sided)")
    return ax
