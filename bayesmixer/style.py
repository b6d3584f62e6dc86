"""One look for every figure: colour-blind-safe colours (Okabe and Ito 2008), plain axes, and how
numbers are written.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
GREY = "#767676"
DATA, MODEL, NULL = BLACK, VERMILION, GREY

INTERVAL = 0.9
"""Probability of every interval in the report (equal tails, but see `interval.interval`)."""
TAILS = ((1 - INTERVAL) / 2, (1 + INTERVAL) / 2)

RC: Any = {
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "bayesmixer",
    "figure.max_open_warning": 0,
}


def new_figure(
    width: float = 6.0, height: float = 4.2, rows: int = 1, columns: int = 1, **subplots: Any
) -> tuple[Figure, Any]:
    """Figure and axes that no global pyplot state knows of (sizes in inches); the axes are one
    object, or an array where there are several.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(RC):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns, **subplots)


def axes_or_new(ax: Axes | None, width: float = 6.0, height: float = 4.2) -> Axes:
    """`ax`, or the axes of a new figure where it is None."""
    if ax is not None:
        return ax
    axes: Axes = new_figure(width, height)[1]
    return axes


def clustered(alike: np.ndarray) -> np.ndarray:
    """(k,) order in which things that are alike stand beside each other: the leaves of a tree of
    average linkage by 1 - `alike` (k, k), in [-1, 1]; what is not known counts as 0.
    """
    import numpy as np
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    if len(alike) < 3:
        return np.arange(len(alike))
    apart = 1 - np.clip(np.nan_to_num(alike), -1, 1)
    np.fill_diagonal(apart, 0)
    flat = squareform(apart, checks=False)
    return np.asarray(leaves_list(optimal_leaf_ordering(linkage(flat, "average"), flat)))


def as_number(x: float) -> str:
    """Three significant digits, thousands separated, powers of ten only below 1e-4: 0.00285,
    12,300, 3.1e-06.
    """
    if not math.isfinite(x):
        return "n/a" if math.isnan(x) else ("∞" if x > 0 else "-∞")
    if x == 0:
        return "0"
    size = math.floor(math.log10(abs(x)))
    if size < -4:
        return f"{x:.2g}"
    rounded = round(x, 2 - size)
    decimals = max(0, 2 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{decimals}f}"


def as_count(x: float) -> str:
    """A count in full, thousands separated."""
    return f"{round(x):,}"


def as_parameter(name: str) -> str:
    """A free parameter without the name of the scale on which PyMC has it: `share_logodds__[0]` as
    `share[0]`.
    """
    return re.sub(r"_(log_exp_m1|[a-z0-9-]+)__(?=\[|$)", "", name)


def as_interval(low: float, high: float) -> str:
    """An interval in words: `0.15 to 0.18`."""
    return f"{as_number(low)} to {as_number(high)}"


def as_middle(x: np.ndarray, ends: tuple[float, float] | None = None) -> str:
    """Mean and interval of draws in words: `0.16 (0.15 to 0.18)`; what is fixed as it is. `ends` of
    a range that the interval may reach.
    """
    import numpy as np

    from bayesmixer.interval import interval

    if np.ptp(x) == 0:
        return as_number(float(x[0]))
    low, high = interval(x, INTERVAL, ends)
    return f"{as_number(float(x.mean()))} ({as_interval(low, high)})"


def as_percent(x: np.ndarray, ends: tuple[float, float] | None = None) -> str:
    """`as_middle` of shares, in percent."""
    import numpy as np

    from bayesmixer.interval import interval

    if np.ptp(x) == 0:
        return f"{as_number(100 * float(x[0]))}%"
    low, high = (100 * end for end in interval(x, INTERVAL, ends))
    return f"{as_number(100 * float(x.mean()))}% ({as_interval(low, high)}%)"
