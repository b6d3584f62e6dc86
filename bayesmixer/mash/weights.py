"""Weights of a mixture whose components are known: the concave problem

    maximise sum_j c_j log(sum_p x_p f_pj) + sum_p a_p log x_p    over x >= 0, sum x = 1,

by Newton steps (a non-negative least-squares problem each) on the components that matter, others
joining as their gradient asks for it. With N = sum c + sum a the gradient g has sum x g = N, and by
Jensen's inequality the optimum lies at most N log(max g / N) above: the duality gap.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Array = NDArray[np.float64]
Index = NDArray[np.intp]

GAP = 1e-5  # units of log-likelihood
FIRST = 30  # components of the first Newton steps
JOIN = 20  # components that may join at a time
EM_STEPS = 5
ROUNDS = 200
STEPS = 60
SLOPE = 1e-12  # predicted gain at which Newton steps end
DARK = 1e-200  # a likelihood over the row's largest that is as good as none
LEAST = 1e-9  # of a weight that must not be 0, within a step


class Weights(NamedTuple):
    """Weights, their penalised log-likelihood (over the rows' largest), and the duality gap."""

    x: Array
    height: float
    gap: float


def optimal_weights(
    matrix: Array,
    penalty: Array,
    gap: float = GAP,
    counts: Array | None = None,
    start: Array | None = None,
) -> Weights:
    """Weights of the components.

    Parameters
    ----------
    matrix
        Likelihoods f (component, effect), each effect's largest 1.
    penalty
        a (component): the Dirichlet parameters less 1, none below 0.
    gap
        Largest duality gap wanted; what was reached is returned.
    counts
        c (effect): what each counts for; 1 where not given.
    start
        Weights nearby, from which a few steps lead to these.
    """
    p, j = matrix.shape
    c = np.ones(j) if counts is None else counts
    total = float(c.sum() + penalty.sum())
    x = np.full(p, 1 / p) if start is None else start
    m = x @ matrix
    for _ in range(EM_STEPS if start is None else 0):
        x = (x * (matrix @ (c / m)) + penalty) / total
        m = x @ matrix
    forced = penalty > 0
    first = np.argsort(-x)[:FIRST] if start is None else np.flatnonzero(x)
    chosen = np.union1d(np.flatnonzero(forced), first)
    dark = ~(matrix[chosen] > DARK).any(0)
    needed = np.unique(matrix[:, dark].argmax(0))  # by effects that none of these explains
    chosen = np.union1d(chosen, needed)
    part = np.maximum(x[chosen], np.where(forced[chosen] | np.isin(chosen, needed), LEAST, 0))
    part /= part.sum()
    best = Weights(x, -np.inf, np.inf)
    for _ in range(ROUNDS):
        part = _newton(matrix[chosen], penalty[chosen], part, c)
        kept = (part > 0) | forced[chosen]
        chosen, part = chosen[kept], part[kept] / part[kept].sum()
        mixed = part @ matrix[chosen]
        gradient = matrix @ (c / mixed)
        gradient[chosen] += penalty[chosen] / np.where(forced[chosen], part, 1)
        now = _state(chosen, part, mixed, penalty, gradient, c)
        if now.gap < best.gap:
            best = now
        excess = gradient - total
        excess[chosen] = -1
        joining = np.argsort(-excess)[:JOIN]
        joining = joining[excess[joining] > max(0.0, 0.02 * excess.max())]
        if now.gap <= gap or not len(joining):
            break
        part = np.r_[part * (1 - 1e-6), np.full(len(joining), 1e-6 / len(joining))]
        chosen = np.r_[chosen, joining]
        order = np.argsort(chosen)
        chosen, part = chosen[order], part[order]
    return best


def _state(
    chosen: Index, part: Array, mixed: Array, penalty: Array, gradient: Array, c: Array
) -> Weights:
    x = np.zeros(len(gradient))
    x[chosen] = part
    forced = penalty > 0
    height = (c * np.log(mixed)).sum() + penalty[forced] @ np.log(x[forced])
    total = float(c.sum() + penalty.sum())
    return Weights(x, float(height), float(total * np.log(max(gradient.max() / total, 1.0))))


def _newton(f: Array, penalty: Array, x: Array, c: Array) -> Array:
    """Newton steps over x >= 0 of the objective less N sum x, which has its optimum at sum 1."""
    forced = penalty > 0
    total = float(c.sum() + penalty.sum())
    root_c = np.sqrt(c)
    for _ in range(STEPS):
        mixed = x @ f
        share = f * (root_c / mixed)
        hessian = share @ share.T
        gradient = share @ root_c
        hessian[forced, forced] += penalty[forced] / x[forced] ** 2
        gradient[forced] += penalty[forced] / x[forced]
        lower = _root(hessian)
        # with what the root adds to the Hessian, so that this does not move the optimum
        target = lower @ (lower.T @ x) + gradient - total
        to, _ = nnls(lower.T, np.linalg.solve(lower, target), maxiter=50 * len(x))
        to[forced] = np.maximum(to[forced], LEAST)
        way = to - x
        slope = float((gradient - total) @ way)
        if slope < SLOPE:
            return to if slope > 0 else x
        x = _along(f, penalty, x, way, mixed, slope, c)
        kept = (x > 0) | forced
        if not kept.all():  # those at 0 stay there for the rest of this round
            rest = np.zeros(len(x))
            rest[kept] = _newton(f[kept], penalty[kept], x[kept], c)
            return rest
    return x


def _along(
    f: Array, penalty: Array, x: Array, way: Array, mixed: Array, slope: float, c: Array
) -> Array:
    """Where a step along `way` rises as it promises."""
    forced = penalty > 0
    moved = way @ f
    total = float(c.sum() + penalty.sum())

    def height(at: Array, m: Array) -> float:
        value = (c * np.log(m)).sum() + penalty[forced] @ np.log(at[forced]) - total * at.sum()
        return float(value)

    start, step = height(x, mixed), 1.0
    while step > 1e-10:
        at, m = x + step * way, mixed + step * moved
        inside = m.min() > 0 and (at[forced] > 0).all()
        if inside and height(at, m) >= start + 1e-4 * step * slope - 1e-9:
            break
        step /= 2
    return np.clip(x + step * way, 0, None)


def _root(hessian: Array) -> Array:
    """Cholesky factor, of a matrix that neighbouring scales make nearly singular."""
    size = np.trace(hessian) / len(hessian)
    for ridge in (1e-10, 1e-8, 1e-6):
        try:
            lower: Array = np.linalg.cholesky(hessian + ridge * size * np.eye(len(hessian)))
        except np.linalg.LinAlgError:
            continue
        return lower
    return np.sqrt(np.diag(np.diag(hessian)))
