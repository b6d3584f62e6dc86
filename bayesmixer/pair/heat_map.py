"""Heat map of many pairs: one quantity of theirs above the diagonal, another below."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bayesmixer.errors import InputError

SCALES = {"dice": ("Blues", 0.0, 1.0), "jaccard": ("Blues", 0.0, 1.0)}
SIGNED = ("RdBu_r", -1.0, 1.0)


def plot_pairs(
    table: pd.DataFrame, lower: str = "dice", upper: str = "rg", ax: Axes | None = None
) -> Axes:
    """Two quantities of every pair of traits.

    Parameters
    ----------
    table
        What `fit_pairs` returned, or its `pairs.tsv` as a DataFrame; other tables with columns
        `trait_1`, `trait_2` and the two quantities do.
    lower, upper
        Columns shown below and above the diagonal; those of a part (dice, jaccard) from 0 to 1, all
        others from -1 to 1. Where the 90% interval of the upper one excludes 0 its number is bold.
    ax
        Axes to draw on; a new figure's where None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        A column is missing.
    """
    import matplotlib.pyplot as plt

    for name in ("trait_1", "trait_2", lower, upper):
        if name not in table:
            raise InputError("table", f"no column {name}, expected what fit_pairs returned")
    names = list(dict.fromkeys([*table["trait_1"], *table["trait_2"]]))
    place, size = {name: i for i, name in enumerate(names)}, len(names)
    if ax is None:
        side = 1.6 + 0.55 * size
        _, ax = plt.subplots(figsize=(side + 1.4, side), layout="constrained")
    for column, above in ((lower, False), (upper, True)):
        values, bold = np.full((size, size), np.nan), np.zeros((size, size), bool)
        for _, row in table.iterrows():
            i, j = sorted((place[row["trait_1"]], place[row["trait_2"]]), reverse=not above)
            values[i, j], bold[i, j] = row[column], above and _excludes_0(row, column)
        _half(ax, values, bold, column)
    ax.set_xticks(range(size), names, rotation=45, ha="right")
    ax.set_yticks(range(size), names)
    ax.set_title(f"{upper} above, {lower} below")
    return ax


def _excludes_0(row: pd.Series[Any], column: str) -> bool:
    low, high = row.get(f"{column}_low", np.nan), row.get(f"{column}_high", np.nan)
    return bool(low > 0 or high < 0)


def _half(ax: Axes, values: Any, bold: Any, column: str) -> None:
    colours, low, high = SCALES.get(column, SIGNED)
    image = ax.imshow(values, cmap=colours, vmin=low, vmax=high)
    assert ax.figure is not None
    ax.figure.colorbar(image, ax=ax, label=column, shrink=0.6)
    for i, j in np.argwhere(np.isfinite(values)):
        dark = abs(values[i, j]) > 0.6 * high
        ax.text(
            j,
            i,
            f"{values[i, j]:.2f}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if dark else "black",
            fontweight="bold" if bold[i, j] else "normal",
        )
