"""Credible Venn diagram of two traits: circles with areas true to the numbers of causal variants,
their overlap true to the number shared (Frei et al. 2019, figure 3), and what is not known of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy.optimize import brentq

from bayesmixer.arguments import choice
from bayesmixer.interval import interval
from bayesmixer.pair.cards import FROM_NOTHING
from bayesmixer.pair.prediction import draws_of, names_of
from bayesmixer.style import (
    BLUE,
    GREY,
    INTERVAL,
    VERMILION,
    as_count,
    as_interval,
    as_number,
    axes_or_new,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = {"n_causal": "causal variants", "n90": "variants that explain 90% of h2"}
SHARED = {"n_causal": "n_shared", "n90": "n90_shared"}
COLOURS = (BLUE, VERMILION)
RADIUS = float(np.sqrt(1 / np.pi))  # of the largest circle, whose area is 1


def lens(distance: float, r1: float, r2: float) -> float:
    """Area common to two circles whose centres lie so far apart."""
    if distance >= r1 + r2:
        return 0.0
    if distance <= abs(r1 - r2):
        return float(np.pi * min(r1, r2) ** 2)
    a = (distance**2 + r1**2 - r2**2) / (2 * distance)
    b = distance - a
    height = np.sqrt(max(r1**2 - a**2, 0.0))
    half = [r**2 * np.arccos(np.clip(c / r, -1, 1)) - c * height for r, c in ((r1, a), (r2, b))]
    return float(sum(half))


def distance_of(shared: float, r1: float, r2: float) -> float:
    """How far apart the centres are where circles of these radii have an area in common; those that
    share nothing touch.
    """
    near, far = abs(r1 - r2), r1 + r2
    whole = np.pi * min(r1, r2) ** 2
    if shared <= 0:
        return far
    if shared >= whole:
        return near
    return float(brentq(lambda d: lens(d, r1, r2) - shared, near, far))


def plot_venn(
    results: xr.DataTree,
    ax: Axes | None = None,
    *,
    kind: str = "n_causal",
    largest: float | None = None,
) -> Axes:
    """Venn diagram of a fit of two traits.

    Areas are the posterior medians. The faint circles show the second trait where as few or as many
    variants are shared as the ends of the 90% interval have it, its size kept.

    Parameters
    ----------
    results
        A fit of `bivariate_mixer`.
    ax
        Axes to draw in; a new figure where None.
    kind
        "n_causal" (all causal variants) or "n90" (those that explain 90% of h2).
    largest
        Number of variants that the largest circle of the figure stands for, to compare several
        figures; None takes this fit's own.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        The fit is of no two traits, or `kind` is unknown.
    """
    choice("kind", kind, KINDS)
    names = names_of(results)
    ax = axes_or_new(ax, 5.2, 4.0)
    totals = [draws_of(results, kind, k) for k in (0, 1)]
    both = draws_of(results, SHARED[kind], 0 if kind == "n90" else None)
    size = [float(np.median(total)) for total in totals]
    unit = max(*size, 1.0) if largest is None else largest
    r1, r2 = (float(np.sqrt(n / unit / np.pi)) for n in size)
    of = (float(np.median(both)), *interval(both, INTERVAL, FROM_NOTHING))
    middle, *ends = (min(q, *size) for q in of)
    distance = distance_of(middle / unit, r1, r2)
    left, right = -distance / 2, distance / 2
    for x, r, colour in ((left, r1, COLOURS[0]), (right, r2, COLOURS[1])):
        _circle(ax, x, r, facecolor=colour, alpha=0.3, lw=0)
        _circle(ax, x, r, facecolor="none", edgecolor=colour, lw=1.8)
    if len(both) > 1:
        for end in ends:
            x = left + distance_of(end / unit, r1, r2)
            _circle(ax, x, r2, facecolor="none", edgecolor=COLOURS[1], lw=1, ls="--", alpha=0.45)
    _numbers(ax, names, totals, both, (left, right), (r1, r2))
    ax.set_xlim(-2.3 * RADIUS, 2.3 * RADIUS)
    ax.set_ylim(-1.6 * RADIUS, 1.25 * RADIUS)
    ax.set_aspect("equal")
    ax.axis("off")
    return ax


def _circle(ax: Axes, x: float, radius: float, **style: Any) -> None:
    from matplotlib.patches import Circle

    ax.add_patch(Circle((x, 0.0), radius, **style))


def _numbers(
    ax: Axes,
    names: tuple[str, str],
    totals: list[Any],
    both: Any,
    centre: tuple[float, float],
    radius: tuple[float, float],
) -> None:
    """Names above the circles, medians within, intervals below."""
    top = RADIUS
    alone = [np.median(total - both) for total in totals]
    inner = (centre[1] - radius[1], centre[0] + radius[0])  # of the lens
    outer = (centre[0] - radius[0], centre[1] + radius[1])
    for k, side in enumerate(("right", "left")):
        sign = (-1, 1)[k]
        at = centre[k] + 0.35 * sign * radius[k]
        ax.text(at, 1.04 * top, names[k], ha=side, va="bottom", color=COLOURS[k], weight="bold")
        wide = sign * (outer[k] - inner[k]) > 0.35 * top
        place = (outer[k] + inner[k]) / 2 if wide else outer[k] + 0.06 * sign * top
        ax.text(place, 0, as_number(alone[k]), ha="center" if wide else side, va="center")
    if inner[1] - inner[0] > 0.4 * top:
        middle = as_number(np.median(both))
        ax.text(sum(inner) / 2, 0, middle, ha="center", va="center", weight="bold")
    lines = [f"shared {_middle(both)}"]
    lines += [f"{name} alone {_middle(t - both)}" for name, t in zip(names, totals, strict=True)]
    ax.text(0, -1.06 * top, "\n".join(lines), ha="center", va="top", fontsize=8.5, color="#222")


def _middle(draws: Any) -> str:
    """Median and 90% interval in words."""
    ends = as_interval(*interval(draws, INTERVAL, FROM_NOTHING))
    return as_number(float(np.median(draws))) + (f" ({ends})" if len(draws) > 1 else "")


def plot_venns(
    fits: Mapping[str, xr.DataTree] | list[xr.DataTree],
    axes: Any = None,
    *,
    kind: str = "n_causal",
    columns: int = 4,
) -> Any:
    """Venn diagrams of many pairs on one scale.

    Parameters
    ----------
    fits
        Fits of `bivariate_mixer`, by the titles they get, or a list.
    axes
        Array of axes, at least as many; a new figure where None.
    kind
        As in `plot_venn`.
    columns
        Of a new figure.

    Returns
    -------
    numpy.ndarray
        The axes that were drawn in, flat.

    Raises
    ------
    InputError
        As `plot_venn`.
    """
    choice("kind", kind, KINDS)
    titled = list(fits.items()) if isinstance(fits, Mapping) else [("", one) for one in fits]
    own = axes is None
    if own:
        wide = max(1, min(columns, len(titled)))
        rows = -(-len(titled) // wide)
        axes = new_figure(3.4 * wide, 3.1 * rows, rows, wide, squeeze=False)[1]
    flat = np.ravel(axes)
    largest = max(float(np.median(draws_of(one, kind, k))) for _, one in titled for k in (0, 1))
    for ax, (title, one) in zip(flat, titled, strict=False):
        plot_venn(one, ax, kind=kind, largest=largest)
        ax.set_title(title, fontsize=9)
    for ax in flat[len(titled) :]:
        ax.axis("off")
    if own:
        said = f"one scale: the largest circle is {as_count(largest)} {KINDS[kind]}"
        flat[0].figure.supxlabel(said, fontsize=8, color=GREY)
    return flat[: len(titled)]
