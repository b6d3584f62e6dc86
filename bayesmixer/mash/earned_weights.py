"""Weights of components that earn theirs: maximum likelihood spreads weight over whatever fits a
little better by chance, over covariances beside those that effects come from and over what single
effects ask for, and then knows less, or claims more, than it should.

Three rules leave components out, beside one of effects that are independent between conditions:
what one effect alone gives most of its weight, and covariances learned from few of the effects,
must make effects n P times as likely, of n effects and P components; and every covariance must be
worth the two numbers it adds, a weight and a scale, by Akaike's criterion. So must the component of
independent effects, two for every condition that has effects by itself: under nothing but noise it
is so like the point mass that it would share its weight.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmixer.mash.weights import DARK, Weights, optimal_weights

Array = NDArray[np.float64]
Index = NDArray[np.intp]

NONE = -1  # covariance of what is of none, or has a penalty of its own, and stays
NUMBERS = 2.0  # log-likelihood that a weight and a scale must bring
ALMOST = 1 - 1e-12  # all weight
GAP = 0.01  # of the weights without one covariance, beside that


def earned_weights(
    matrix: Array, penalty: Array, found: Weights, of: Index, scarce: NDArray[np.bool_]
) -> Weights:
    """Weights without components that do not earn theirs.

    Parameters
    ----------
    matrix, penalty, found
        Likelihoods (component, effect), the penalty and the best weights of all. The matrix loses
        likelihoods of components that are left out.
    of
        Which covariance each component is of (component), or `NONE`.
    scarce
        Which covariances were learned from few effects (covariance).
    """
    found = without_coincidences(matrix, penalty, found, np.flatnonzero(of != NONE))
    found = without_scarce(matrix, penalty, found, np.flatnonzero((of != NONE) & scarce[of]))
    return without_needless(matrix, penalty, found, of)


def without_independent(matrix: Array, penalty: Array, found: Weights, conditions: int) -> Weights:
    """Weights without the last component, unless it brings what it adds to the others in use: two
    numbers for each of the conditions that have effects by themselves.
    """
    if not found.x[-1]:
        return found
    at = np.flatnonzero((found.x[:-1] > 0) | (penalty[:-1] > 0))
    if not len(at) or (matrix[at].max(0) < DARK).any():
        return found
    start = found.x[at] / found.x[at].sum() if found.x[at].any() else None
    without = optimal_weights(matrix[at], penalty[at], start=start)
    if conditions and found.height - without.height >= NUMBERS * conditions:
        return found
    weights = np.zeros_like(found.x)
    weights[at] = without.x
    return without._replace(x=weights)


def without_coincidences(matrix: Array, penalty: Array, found: Weights, some: Index) -> Weights:
    """Weights without those of some components that one effect alone gives most of theirs, and
    gives too little reason for.

    Any effect is a coincidence of what its conditions have by themselves, by the component of
    independent effects; its best among P others, with the weight of one of n effects by maximum
    likelihood, is believed where some effect is n P times as likely by it: it was chosen among so
    many. Shares count by their squares, as which a component that lost its largest would lose or
    keep the others': those of thousands of effects that are nothing come to nothing.
    """
    while True:
        lone = _coincidences(matrix, found.x, some[found.x[some] > 0])
        if not len(lone):
            return found
        matrix[lone] = 0
        left = found.x.copy()
        left[lone] = 0
        found = optimal_weights(matrix, penalty, start=left / left.sum())


def _coincidences(matrix: Array, x: Array, some: Index) -> Index:
    """Which components they are."""
    mixed = x @ matrix
    share = x[some, None] * matrix[some] / mixed
    most = share.max(1)
    lone = most**2 > np.square(share).sum(1) / 2
    some, share = some[lone], share[lone]
    # over what is left of each effect's likelihood without all such components
    with np.errstate(divide="ignore", invalid="ignore"):
        times = matrix[some] / (mixed * np.maximum(1 - share.sum(0), 0))
    found: Index = some[np.nanmax(times, 1, initial=0) < matrix.size]
    return found


def without_scarce(matrix: Array, penalty: Array, found: Weights, some: Index) -> Weights:
    """Weights without some components, unless effects are n P times as likely with them.

    For covariances learned from few of these effects: they fit the noise of these as well, and the
    likelihood of the same effects does not hold it against them.
    """
    if not found.x[some].any():
        return found
    kept, matrix[some] = matrix[some], 0
    if not (matrix.max(0) < DARK).any():
        left = found.x.copy()
        left[some] = 0
        without = optimal_weights(matrix, penalty, start=left / left.sum())
        if found.height - without.height < np.log(matrix.size):
            return without
    matrix[some] = kept
    return found


def without_needless(matrix: Array, penalty: Array, found: Weights, of: Index) -> Weights:
    """Weights without covariances that bring less than the numbers they add, left out one by one,
    first the one that would be missed least.

    Others take over what it had at the scales that they have; in the end all scales are theirs.
    """
    total = matrix.shape[1] + float(penalty.sum())
    at = np.flatnonzero((found.x > 0) | (penalty > 0))
    x, own, f, height = found.x[at], of[at], matrix[at], found.height
    needed = {NONE}
    while left := [k for k in np.unique(own) if k not in needed]:
        mixed = x @ f
        rest = [np.maximum(mixed - x[own == k] @ f[own == k], DARK) for k in left]
        # where nothing else gains weight but in proportion, which is more than it costs
        gone = np.array([min(x[own == k].sum(), ALMOST) for k in left])
        cost = [np.log(mixed / one).sum() for one in rest] + total * np.log1p(-gone)
        k = left[int(np.argmin(cost))]
        some = own != k
        without = None
        if some.any() and not (f[some].max(0) < DARK).any():
            start = x[some] / x[some].sum()
            without = optimal_weights(f[some], penalty[at][some], GAP, start=start)
        if without is None or height - without.height >= NUMBERS:
            needed.add(k)
            continue
        at, own, f, x, height = at[some], own[some], f[some], without.x, without.height
    if set(own) == set(of[found.x > 0]):
        return found
    kept = np.flatnonzero(np.isin(of, [*own, NONE]))
    start = np.zeros_like(found.x)
    start[at] = x
    best = optimal_weights(matrix[kept], penalty[kept], start=start[kept])
    weights = np.zeros_like(found.x)
    weights[kept] = best.x
    return best._replace(x=weights)
