"""Rows whose errors have one covariance V but for cells that are missing, each row its own: what
extreme deconvolution needs of them, without a decomposition a row.

With P = (V + w U)^-1 of all conditions, M the missing cells of a row and C = (P_MM)^-1, the inverse
for the cells that are there is P - P_.M C P_M., its determinant that of P over that of P_MM. So the
row is one without holes that has -C (P b)_M in them, their mean given the others, and C is their
covariance given the others (Dempster, Laird and Rubin 1977): matrices of the size of what is
missing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayesmixer.mash.rows import EQUAL, Index, Rows

Array = NDArray[np.float64]
LOG_2PI = float(np.log(2 * np.pi))


class _Holes(NamedTuple):
    """Rows with as many missing cells, and these (row, missing)."""

    rows: Index
    cells: Index


class _Within(NamedTuple):
    """Of one covariance T of estimates: T^-1; T^-1 of filled rows (row, R); determinant's log and
    square of each row's cells that are there; C of every group of rows.
    """

    inverse: Array
    y: Array
    log_det: Array
    squares: Array
    spread: list[Array]


class _Given:
    """x within the covariance F F', at any scales."""

    def __init__(self, block: Filled, f: Array) -> None:
        self.block, self.f = block, f
        self.known: list[_Within] = []

    def gain(self, w: Array) -> Array:
        """What each scale adds to the null's log-likelihood (scale, row)."""
        u = self.f @ self.f.T
        self.known = [self.block.within(self.block.v + scale * u) for scale in w]
        null = self.block.nothing
        gain: Array = np.array(
            [null.log_det - one.log_det + null.squares - one.squares for one in self.known]
        )
        return 0.5 * gain

    def second(self, share: Array, w: Array) -> Array:
        """Sum of E[x x'] over rows and scales by their shares (scale, row)."""
        total = share.sum() * np.eye(self.f.shape[1])
        for part, scale, one in zip(share, w, self.known, strict=True):
            p = one.inverse
            inner = (one.y.T * part) @ one.y - part.sum() * p
            inner += p @ self.block.scattered(part, one.spread) @ p
            total += scale * self.f.T @ inner @ self.f
        return total


class Filled:
    """Rows (those of `index`) of the covariance v of errors, but for missing cells."""

    def __init__(self, rows: Rows, index: Index, v: Array) -> None:
        self.v, self.b = v, rows.b[index]
        missing = ~rows.seen[index]
        count = missing.sum(1)
        self.holes = []
        for m in np.unique(count[count > 0]):
            at = np.flatnonzero(count == m)
            self.holes.append(_Holes(at, np.nonzero(missing[at])[1].reshape(len(at), m)))
        self.nothing = self.within(v)
        n = len(v) - count
        self.null = -0.5 * (n * LOG_2PI + self.nothing.log_det + self.nothing.squares)

    def given(self, f: Array) -> _Given:
        """x within the covariance F F'."""
        return _Given(self, f)

    def within(self, t: Array) -> _Within:
        """Rows under the covariance t of estimates."""
        lower = np.linalg.cholesky(t)
        white = np.linalg.inv(lower)
        p = white.T @ white
        b, log_det = self.b.copy(), np.full(len(self.b), 2 * np.log(np.diag(lower)).sum())
        against, spread = b @ p, []
        for rows, cells in self.holes:
            inner = p[cells[:, :, None], cells[:, None, :]]
            c = np.linalg.inv(inner)
            b[rows[:, None], cells] = -np.einsum("nab,nb->na", c, against[rows[:, None], cells])
            log_det[rows] += np.linalg.slogdet(inner)[1]
            spread.append(c)
        z = b @ white.T
        return _Within(p, z @ white, log_det, np.einsum("nr,nr->n", z, z), spread)

    def scattered(self, share: Array, spread: list[Array]) -> Array:
        """Sum over rows of C, each at its missing cells (R, R), by their shares."""
        r = len(self.v)
        total = np.zeros(r * r)
        for (rows, cells), c in zip(self.holes, spread, strict=True):
            place = (cells[:, :, None] * r + cells[:, None, :]).ravel()
            total += np.bincount(place, (share[rows][:, None, None] * c).ravel(), r * r)
        return total.reshape(r, r)


def one_covariance(rows: Rows) -> Array | None:
    """The covariance of errors (R, R) that all rows have but for missing cells; None where they
    differ.
    """
    if rows.v is not None and rows.v.ndim == 3:
        return None
    least = np.min(rows.s, axis=0, where=rows.seen, initial=np.inf)
    most = np.max(rows.s, axis=0, where=rows.seen, initial=0)
    if not (most > 0).all() or (most - least > EQUAL * most).any():
        return None
    v = np.eye(len(most)) if rows.v is None else rows.v
    covariance: Array = v * most[:, None] * most
    return covariance
