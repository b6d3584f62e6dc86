"""Likelihoods where errors are independent and differ by row: U = diag(delta) + F F', of low rank,
so that a scale w is a diagonal and a part of low rank, and all rows are done in products of
matrices.

With D = V_j + w diag(delta),

    log N(b; 0, D + w F F') = log N(b; 0, D) - log|K| / 2 + w y' K^-1 y / 2

with K = I + w F' D^-1 F and y = F' D^-1 b, whose Cholesky factors are taken of all rows at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bayesmixer.mash.mixture import factor
from bayesmixer.mash.rows import Rows

Array = NDArray[np.float64]

LOW_RANK = 6  # up to it a diagonal and a part of low rank are cheaper than a decomposition a row
RIDGE = 1e-13  # eigenvalues within this part of the largest of the least are the diagonal's
TOGETHER = 12  # factors whose product is taken before its logarithm


class DiagonalAndFew:
    """Covariances split into a diagonal and a part of low rank; `others` are those that have none
    of low rank.
    """

    def __init__(self, u: Array, units: Array, w: Array) -> None:
        splits = [ridge(one, units) for one in u]
        self.w = w
        self.others = [i for i, (_, f) in enumerate(splits) if f.shape[1] > LOW_RANK]
        groups: dict[bytes, list[int]] = {}
        for i, (delta, _) in enumerate(splits):
            if i not in self.others:
                groups.setdefault(delta.tobytes(), []).append(i)
        self.groups = [
            _Group(splits[m[0]][0], m, [splits[i][1] for i in m]) for m in groups.values()
        ]

    def gains(self, b: Array, precision: Array, out: Array) -> None:
        """Write what components add to the null's log-likelihood (scale, covariance, row), from the
        estimates and the inverse variances of their errors, 0 where one is missing (row, R).
        """
        for group in self.groups:
            plain = not group.delta.any()
            known = inverse = None
            base: Array | float = 0.0
            for scale, w in enumerate(self.w):
                if known is None or not plain:
                    inverse, known, base = _diagonal(b, precision, w * group.delta)
                    products = [(inverse @ f).T for f in group.products]
                    sides = [(known @ f).T for f in group.roots]
                for members, product, side in zip(group.members, products, sides, strict=True):
                    m, n = len(members), len(b)
                    gain = (
                        _gain(product.reshape(len(product) // m, m, n), side.reshape(-1, m, n), w)
                        if len(side)
                        else 0.0
                    )
                    out[scale, members] = gain + base


class _Group:
    """Covariances of one diagonal, those of one rank together: F of all of them side by side, first
    columns first, and the products of the columns of each.
    """

    def __init__(self, delta: Array, members: Sequence[int], roots: Sequence[Array]) -> None:
        self.delta = delta
        self.members: list[list[int]] = []
        self.roots: list[Array] = []
        self.products: list[Array] = []
        for rank in sorted({f.shape[1] for f in roots}):
            some = [n for n, f in enumerate(roots) if f.shape[1] == rank]
            f = np.array([roots[n] for n in some]).transpose(2, 1, 0)  # (rank, R, member)
            a, b = np.tril_indices(rank)
            self.members.append([members[n] for n in some])
            self.roots.append(np.hstack([*f]) if rank else np.zeros((len(delta), 0)))
            self.products.append(np.hstack([*(f[a] * f[b])]) if rank else np.zeros((len(delta), 0)))


def _diagonal(b: Array, precision: Array, extra: Array) -> tuple[Array, Array, Array]:
    """D^-1 for D the variances of errors and extra ones, D^-1 b, and what they add to the null's
    log-likelihood.
    """
    if not extra.any():
        return precision, precision * b, np.zeros(len(b))
    inflated = precision * extra
    inflated += 1
    inverse = precision / inflated
    known = inverse * b
    quadratic = np.einsum("nr,nr->n", precision * b - known, b)
    return inverse, known, 0.5 * (quadratic - _log_of_product(inflated))


def _log_of_product(x: Array) -> Array:
    """Sum of logs over columns of numbers from 1 on, few logarithms for many."""
    while x.shape[1] >= TOGETHER:
        half = x.shape[1] // 2
        folded = x[:, :half] * x[:, half : 2 * half]
        if x.shape[1] % 2:
            folded[:, 0] *= x[:, -1]
        x = folded
    total: Array = np.log(x).sum(1)
    return total


def _gain(products: Array, side: Array, w: float) -> Array:
    """What w F F' adds (member, row), from the lower triangle of F' D^-1 F (pair, member, row) and
    F' D^-1 b (rank, member, row).

    Cholesky and forward substitution by hand, all rows at once: LAPACK takes them one by one.
    """
    rank = len(side)
    lower: dict[tuple[int, int], Array] = {}
    solved: list[Array] = []
    fit = np.zeros(side.shape[1:])
    det = np.ones(side.shape[1:])
    at = 0
    for i in range(rank):
        for j in range(i):
            entry = w * products[at]
            at += 1
            for c in range(j):
                entry -= lower[i, c] * lower[j, c]
            entry /= lower[j, j]
            lower[i, j] = entry
        pivot, rest = w * products[at], side[i].copy()
        at += 1
        pivot += 1
        for c in range(i):
            pivot -= lower[i, c] ** 2
            rest -= lower[i, c] * solved[c]
        det *= pivot
        lower[i, i] = np.sqrt(pivot)
        rest /= lower[i, i]
        solved.append(rest)
        fit += rest * rest
    gain: Array = 0.5 * (w * fit - np.log(det))
    return gain


def ridge(u: Array, units: Array) -> tuple[Array, Array]:
    """The diagonal (R) and F of U = diagonal + F F', a diagonal of equal entries or one of equal
    entries in these units, whichever leaves F the lower rank.
    """
    found = []
    for c in (np.ones(len(u)), units):
        d, q = np.linalg.eigh(u / np.outer(c, c))
        delta = max(float(d[0]), 0.0)
        if delta <= RIDGE * d[-1]:
            found.append((np.zeros(len(u)), factor(u)))
        else:
            above = d - delta > RIDGE * d[-1]
            root = q[:, above] * np.sqrt(d[above] - delta)
            found.append((delta * c**2, c[:, None] * root))
    return min(found, key=lambda one: one[1].shape[1])


def typical_errors(rows: Rows) -> Array:
    """Median standard error of each condition, 1 where it has none."""
    s = np.where(rows.seen, rows.s, np.nan)
    units = np.ones(s.shape[1])
    some = rows.seen.any(0)
    units[some] = np.nanmedian(s[:, some], 0)
    return units
