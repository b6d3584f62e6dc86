"""Overview along the genome: -log10 p of every evaluated variant, to see at a glance what drives a
fit, or what a fit makes of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.identity import position_of
from bayesmixer.mixer.qq import log10_p
from bayesmixer.style import BLUE, SKY, VERMILION, axes_or_new
from bayesmixer.variables import evaluated

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

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
    height = log10_p(z)
    _along_the_genome(ax, chrom, pos, height, dull, seed)
    ax.axhline(-np.log10(SIGNIFICANT), color=VERMILION, lw=1, ls="--")
    ax.set_ylim(0, max(8.0, float(height.max()) * 1.05))
    ax.set_ylabel(r"$-\log_{10}$ P (two-sided)")
    return ax


def plot_manhattan_causal(
    table: xr.Dataset,
    ax: Axes | None = None,
    *,
    column: str = "p_causal",
    dull: float = 0.01,
    seed: int = 0,
) -> Axes:
    """Manhattan plot of a probability of `bayesmixer.variants`.

    Parameters
    ----------
    table
        What `bayesmixer.variants` returned.
    ax
        Axes to draw in; a new figure where None.
    column
        What is drawn: `p_causal`, `p_partner`, or another of its columns of one value a variant.
    dull
        Of the variants below this at most 5,000 are drawn.
    seed
        Of their choice.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        The table has no such column.
    """
    if column not in table or table[column].dims != ("variant",):
        there = [str(v) for v in table if str(v).startswith("p_")]
        raise InputError("column", f"{column!r}, expected one of {', '.join(there)}")
    ax = axes_or_new(ax, 8.0, 3.2)
    height = np.asarray(table[column], float)
    place = (np.asarray(table["chrom"]).astype(str), np.asarray(table["pos"], float))
    _along_the_genome(ax, *place, height, dull, seed)
    ax.set_ylim(0, 1.02)
    ax.set_ylabel(str(table[column].attrs.get("label", column)))
    return ax


def _along_the_genome(
    ax: Axes, chrom: NDArray[Any], pos: Floats, height: Floats, dull: float, seed: int
) -> None:
    """Points at a height along the chromosomes, in the order in which these come; of those below
    `dull` at most 5,000.
    """
    _, first = np.unique(chrom, return_index=True)
    names = chrom[np.sort(first)]
    rng, offset, ticks = np.random.default_rng(seed), 0.0, []
    quiet = np.flatnonzero(height < dull)
    drawn = np.ones(len(height), bool)
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
    ax.set_xticks(ticks, list(names), fontsize=8)
    ax.grid(visible=False, axis="x")
    ax.set_xlim(-3, max(offset / 1e6 - 2, 1))
    ax.set_xlabel("chromosome")
