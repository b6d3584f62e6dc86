"""A climb of a log density from where its curvature is about known: quasi-Newton steps by gradients
alone, for the many places that lie beside a mode.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayesmixer.inference.density import Array
from bayesmixer.inference.find_map import JITTER

LONGEST = 2.0  # standard deviations of a step
SHORTER = (1.0, 0.25, 0.06)
MOST_STEPS = 40
NOISE = 1e-6  # below, gains that no longer halve are the rounding of gradients
BESIDE = 1e-9  # of a fold, where the slope is that of one side


class Ascent(NamedTuple):
    """Where a climb rests, the log density there, and what a Newton step would still gain."""

    x: Array
    value: float
    left: float


def ascend(
    function: Callable[[Array], tuple[float, Array]],
    start: Array,
    box: Array,
    inverse: Array,
    enough: float,
) -> Ascent:
    """Climb until less than `enough` is expected to be gained, or no step goes higher, or gains
    are rounding.

    Parameters
    ----------
    function
        Log density and gradient (P,) at a point.
    start
        (P,), brought into the box.
    box
        (P, 2), never left.
    inverse
        (P, P) the inverse of minus the Hessian, roughly; learned on the way.
    enough
        Log-likelihood units.
    """
    low, high = box.T
    x = np.clip(start, low, high)
    value, gradient = function(x)
    left = np.inf
    for _ in range(MOST_STEPS):
        free = ~((x <= low) & (gradient < 0) | (x >= high) & (gradient > 0))
        step = _within(inverse, free) @ gradient
        before, left = left, 0.5 * float(gradient @ step)
        if not left >= enough or before / 2 < left < NOISE:
            break
        step *= min(1.0, LONGEST / np.sqrt(2 * left))
        for shorter in SHORTER:
            trial = np.clip(x + shorter * step, low, high)
            v, g = function(trial)
            if v >= value - JITTER and np.isfinite(g).all():
                break
        else:
            break  # nothing is higher: the noise of the sums, or the last of them
        inverse = _learned(inverse, trial - x, gradient - g)
        x, value, gradient = trial, v, g
    return Ascent(x, value, left)


def ascend_folded(
    function: Callable[[Array], tuple[float, Array]],
    start: Array,
    box: Array,
    folds: Array,
    inverse: Array,
    enough: float,
) -> Ascent:
    """`ascend` of a density that is smooth on either side of `folds` (P,), nan where there is none:
    on the start's side, and where that ends at a fold, on from there on the other.
    """
    half, inside = box.copy(), (box[:, 0] < folds) & (folds < box[:, 1])
    for i in np.flatnonzero(inside):
        half[i, int(start[i] < folds[i])] = folds[i] + (BESIDE if start[i] >= folds[i] else -BESIDE)
    found = ascend(function, start, half, inverse, enough)
    for i in np.flatnonzero(inside & (np.abs(found.x - folds) <= BESIDE)):
        other = half.copy()
        other[i], side = box[i], int(start[i] >= folds[i])
        other[i, side] = folds[i] + (-BESIDE if side else BESIDE)
        one = ascend(function, found.x, other, inverse, enough)
        found = max(found, one, key=lambda ascent: ascent.value)
    return found


def _within(inverse: Array, free: NDArray[np.bool_]) -> Array:
    """The inverse curvature (P, P) with the rest held: 0 outside of the `free` (P,)."""
    if free.all():
        return inverse
    out = np.zeros_like(inverse)
    rest = np.linalg.inv(inverse)[np.ix_(free, free)]
    out[np.ix_(free, free)] = np.linalg.inv(rest)
    return out


def _learned(inverse: Array, step: Array, change: Array) -> Array:
    """The inverse curvature corrected by a step and what it changed of the slope (BFGS, damped so
    that it stays positive definite: Powell 1978, Nocedal & Wright 2006, 18.3).
    """
    expected = np.linalg.solve(inverse, step)
    along, known = float(step @ change), float(step @ expected)
    if not known > 0:
        return inverse
    if along < 0.2 * known:
        share = 0.8 * known / (known - along)
        change = share * change + (1 - share) * expected
        along = float(step @ change)
    turn = np.eye(step.size) - np.outer(step, change) / along
    return np.asarray(turn @ inverse @ turn.T + np.outer(step, step) / along)
