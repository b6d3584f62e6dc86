"""Chains of a whole mixture: weights, covariances that were learned from the effects themselves,
and the correlation of errors.

With a strength s and df = R + 1 + s the prior of K such covariances is

    U_k ~ inverse Wishart(df, s C),   C ~ Wishart(R, C_0 / R),   E[U_k | C] = C,  E[C] = C_0,

so that they are drawn to what they have in common. Given the component and the effect of every row
all is conjugate but the last:

    U_k | b, C ~ inverse Wishart(df + n_k, s C + sum b b' / w),
    C | U ~ Wishart(R + K df, (R C_0^-1 + s sum U_k^-1)^-1),
    p(V | e) ~ |V|^(-n/2) exp(-tr(V^-1 sum e e') / 2)   over correlations V,

with b the effects of the n_k rows of U_k at scales w, and e their errors in standard errors. V is
uniform over correlation matrices before; its entries move one by one by Metropolis steps, which the
rows enter by their sum of squares alone. What is missing, effects and errors, is drawn with the
rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import invwishart, wishart

from bayesmixer.mash.likelihood import relative
from bayesmixer.mash.mixture import Mixture
from bayesmixer.mash.nested_weights import Nested, labels
from bayesmixer.mash.rows import Rows, picked
from bayesmixer.mash.transfers import Part
from bayesmixer.mash.weight_chains import moved

Array = NDArray[np.float64]
Index = NDArray[np.intp]

STEP = 2.4  # standard errors of a correlation that it moves by: of one dimension, near the best
SIZES = (1.0, 0.3, 0.05)  # parts of it: near 1 and -1 only small steps are taken
AT_ONCE = 2**22  # cells of the rows' covariances


class State(NamedTuple):
    """Covariances (K, R, R), what those drawn are drawn to (R, R), correlation of errors (None:
    independent, or as the rows have it), logs of the weights (component), and the log-likelihood
    before the last sweep.
    """

    u: Array
    common: Array
    v: Array | None
    log_weights: Array
    log_likelihood: float


@dataclass(frozen=True)
class Chains:
    """What is known of rows, and what is drawn.

    Attributes
    ----------
    rows, grid, prior, part
        Effects, scales, prior of the weights, components that trade weight (`taking_part`).
    learned
        Which covariances are drawn (position).
    centre, strength
        C_0, and as how many rows C counts for each.
    steps
        Standard deviation of the steps of each correlation (R, R); None where errors are known.
    """

    rows: Rows
    grid: Array
    prior: Nested
    part: Part
    learned: Index
    centre: Array
    strength: float
    steps: Array | None

    def sweep(self, state: State, rng: np.random.Generator) -> State:
        """Weights, then the component and the effect of every row, then covariances and errors."""
        rows = self.rows if self.steps is None else replace(self.rows, v=state.v)
        null = int(self.prior.null is not None)
        matrix, top = relative(rows, Mixture(state.u, self.grid, bool(null)))
        log_weights = moved(self.prior, matrix, state.log_weights, self.part, rng)
        weights = np.exp(log_weights)
        mixed = weights @ matrix
        height = float(np.log(mixed).sum() + top.sum())
        own = labels(matrix, weights, mixed, rng.random(len(rows.b)))
        some = np.flatnonzero(own >= null)
        scale, which = np.divmod(own[some] - null, len(state.u))
        b = drawn_effects(picked(rows, some), state.u[which], self.grid[scale], rng)
        u, v = state.u.copy(), state.v
        for k in self.learned:
            one = which == k
            x = b[one] / self.grid[scale[one], None]
            df = len(self.centre) + 1 + self.strength + len(x)
            u[k] = invwishart.rvs(df, self.strength * state.common + x.T @ x, random_state=rng)
        if self.steps is not None and v is not None:
            errors = rows.b / rows.s
            errors[some] -= b / rows.s[some]
            errors = filled_errors(errors, rows.seen, v, rng)
            v = moved_correlation(v, errors.T @ errors, len(errors), self.steps, rng)
        return State(u, self.in_common(u[self.learned], rng), v, log_weights, height)

    def in_common(self, u: Array, rng: np.random.Generator) -> Array:
        """C given the covariances that are drawn (K, R, R)."""
        r = len(self.centre)
        precision = r * np.linalg.inv(self.centre) + self.strength * np.linalg.inv(u).sum(0)
        df = r + len(u) * (r + 1 + self.strength)
        drawn = np.atleast_2d(wishart.rvs(df, np.linalg.inv(precision), random_state=rng))
        return np.asarray((drawn + drawn.T) / 2)


def drawn_effects(rows: Rows, u: Array, sd: Array, rng: np.random.Generator) -> Array:
    """Effects (row, R) given their estimates, each of a normal of covariance sd^2 U (row, R, R).

    An effect and an estimate are drawn together, and the effect is moved by what is known of the
    difference to the estimate that was seen.
    """
    n, r = rows.b.shape
    out = np.empty((n, r))
    size = max(1, AT_ONCE // r**2)
    for first in range(0, n, size):
        index = np.arange(first, min(first + size, n))
        prior = u[index] * np.square(sd[index])[:, None, None]
        errors = rows.covariance(index)
        d, q = np.linalg.eigh(prior)
        x = q @ (np.sqrt(np.clip(d, 0, None)) * rng.standard_normal(d.shape))[:, :, None]
        e = np.linalg.cholesky(errors) @ rng.standard_normal((*d.shape, 1))
        there, seen = prior.copy(), rows.seen[index]
        there[~(seen[:, :, None] & seen[:, None, :])] = 0
        apart = np.where(seen[:, :, None], rows.b[index, :, None] - x - e, 0)
        out[index] = (x + prior @ np.linalg.solve(there + errors, apart))[:, :, 0]
    return out


def filled_errors(
    errors: Array, seen: NDArray[np.bool_], v: Array, rng: np.random.Generator
) -> Array:
    """Errors (row, R), in standard errors, with draws of those of missing cells given the others,
    made as `drawn_effects` makes effects.
    """
    out = errors.copy()
    some = np.flatnonzero(~seen.all(1))
    size = max(1, AT_ONCE // len(v) ** 2)
    for first in range(0, len(some), size):
        index = some[first : first + size]
        there = seen[index]
        both = there[:, :, None] & there[:, None, :]
        e = rng.standard_normal((len(index), len(v))) @ np.linalg.cholesky(v).T
        apart = np.where(there, errors[index] - e, 0)[:, :, None]
        moved = e + (v @ np.linalg.solve(np.where(both, v, np.eye(len(v))), apart))[:, :, 0]
        out[index] = np.where(there, errors[index], moved)
    return out


def moved_correlation(
    v: Array, square: Array, n: int, steps: Array, rng: np.random.Generator
) -> Array:
    """The correlation of n errors with this sum of squares (R, R) after Metropolis steps of each of
    its entries, one of each size.
    """
    v = v.copy()
    height = _height(v, square, n)
    for size, i, j in product(SIZES, range(1, len(v)), range(len(v) - 1)):
        if j >= i:
            continue
        old = v[i, j]
        v[i, j] = v[j, i] = old + size * steps[i, j] * rng.standard_normal()
        now = _height(v, square, n)
        if np.log(rng.random()) < now - height:
            height = now
        else:
            v[i, j] = v[j, i] = old
    return v


def _height(v: Array, square: Array, n: int) -> float:
    """Log density of errors, up to a constant; of what is no correlation none."""
    try:
        lower = np.linalg.cholesky(v)
    except np.linalg.LinAlgError:
        return -np.inf
    white = np.linalg.inv(lower)
    log_det = 2 * np.log(np.diag(lower)).sum()
    return float(-0.5 * (n * log_det + np.einsum("ij,ij->", white @ square, white)))
