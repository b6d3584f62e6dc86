"""Posterior of effects within one component of the mixture.

Within the component of covariance w F F' the posterior of an effect is normal with covariance G G',
G = sqrt(w) F K^-T where K K' = I + w H' H and H = L^-1 F (V = L L'), and mean G K^-1 sqrt(w) H'
L^-1 b: no inverse of V or U, so that singular U and missing cells need nothing special.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bayesmixer.mash.diagonal_errors import LOW_RANK, ridge, typical_errors
from bayesmixer.mash.likelihood import block_size, rows_at_once, run
from bayesmixer.mash.mixture import Mixture
from bayesmixer.mash.rows import Index, Part, Rows

Array = NDArray[np.float64]


class Known(NamedTuple):
    """Posterior of rows within a component, on the scale of the mixture: means (row, R), variances
    (R) or (row, R), and G (R, rank) or (row, R, rank) where it was needed.
    """

    mean: Array
    variance: Array
    root: Array | None


class Within(Protocol):
    """The posterior within a component of covariance u."""

    u: Array
    step: int  # rows at a time

    def of(self, rows: Rows, index: Index) -> Known:
        """Posterior of rows."""
        ...


class Whitened:
    """L^-1, V_j = L L' (row, R, R), and L^-1 b of rows, kept for the next component that asks for
    some of them: of a `block` of rows (positions, ascending) at once, where there is one.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.block: Index | None = None
        self.made: Index | None = None

    def of(self, index: Index) -> tuple[Array, Array]:
        """Of some rows."""
        if self.block is None:
            return self._make(index)
        if self.made is not self.block:
            self.white, self.c = self._make(self.block)
            self.made = self.block
        at = np.searchsorted(self.block, index)
        return self.white[at], self.c[at]

    def _make(self, index: Index) -> tuple[Array, Array]:
        white = _white(self.rows, index)
        return white, np.einsum("nrs,ns->nr", white, self.rows.b[index])


def within(
    rows: Rows, mixture: Mixture, at: int, part: Part, plain: bool, whitened: Whitened | None = None
) -> Within:
    """The cheapest way to the posterior within a component, of rows of a part; `plain`: no
    covariances are asked for; `whitened` keeps what components have in common.
    """
    scale, covariance = mixture.place(at)
    w, f, u = float(mixture.grid[scale] ** 2), mixture.factors[covariance], mixture.u[covariance]
    if part.common:
        return Common(rows, part.members[:1], w, f, u)
    if rows.v is None and plain:
        delta, low = ridge(u, typical_errors(rows))
        if low.shape[1] <= LOW_RANK:
            return _Independent(w, delta, low, u, block_size(rows))
    return _Each(w, f, u, rows_at_once(rows.b.shape[1]), whitened or Whitened(rows))


class Common:
    """Posterior of a component where all rows have one covariance of errors."""

    def __init__(self, rows: Rows, first: Index, w: float, f: Array, u: Array) -> None:
        self.u, self.step = u, block_size(rows)
        white = _white(rows, first)
        h = np.sqrt(w) * (white @ f)
        self.root = _root(np.sqrt(w) * f, h, np.zeros((1, f.shape[1])))[0][0]
        self.variance = np.einsum("ra,ra->r", self.root, self.root)
        inner = np.linalg.solve(np.eye(f.shape[1]) + h[0].T @ h[0], h[0].T @ white[0])
        self.slope = np.sqrt(w) * f @ inner
        self.columns = np.flatnonzero(np.diag(u))

    def of(self, rows: Rows, index: Index) -> Known:
        """Posterior of rows."""
        return Known(rows.b[run(index)] @ self.slope.T, self.variance, self.root)


@dataclass
class _Independent:
    """Posterior of the component of w (diag(delta) + F F') where errors are independent.

    With b = e + sqrt(w) F x, e ~ N(0, w diag(delta)), an effect given x shrinks by itself, and x is
    normal with precision I + w F' D^-1 F, D the variances of errors and e.
    """

    w: float
    delta: Array
    f: Array
    u: Array
    step: int

    def of(self, rows: Rows, index: Index) -> Known:
        """Posterior of rows."""
        at = run(index)
        seen, own = rows.seen[at], self.w * self.delta
        v = rows.s[at] ** 2
        inverse = seen / (v + own)
        gain = own * inverse
        mean = gain * rows.b[at]
        variance = np.where(seen, v * gain, own)
        rank = self.f.shape[1]
        if rank:
            f = np.sqrt(self.w) * self.f
            products = (f[:, :, None] * f[:, None, :]).reshape(len(f), -1)
            precision = (inverse @ products).reshape(-1, rank, rank) + np.eye(rank)
            spread = np.linalg.inv(precision)
            x = np.einsum("nab,nb->na", spread, (rows.b[at] * inverse) @ f)
            mean += (1 - gain) * (x @ f.T)
            variance += (1 - gain) ** 2 * (spread.reshape(len(mean), -1) @ products.T)
        return Known(mean, variance, None)


@dataclass
class _Each:
    """Posterior where rows each have a covariance of errors."""

    w: float
    f: Array
    u: Array
    step: int
    whitened: Whitened

    def of(self, rows: Rows, index: Index) -> Known:
        """Posterior of rows."""
        white, c = self.whitened.of(index)
        f = np.sqrt(self.w) * self.f
        h = white @ f
        root, y = _root(f, h, np.einsum("nra,nr->na", h, c))
        mean = np.einsum("nra,na->nr", root, y)
        return Known(mean, np.einsum("nra,nra->nr", root, root), root)


def _white(rows: Rows, index: Index) -> Array:
    """L^-1 of the covariances of errors, without the cells that are missing."""
    seen = rows.seen[index]
    if rows.v is None:
        r = seen.shape[1]
        diagonal: Array = np.eye(r) * (seen / rows.s[index])[:, None, :]
        return diagonal
    inverse: Array = np.linalg.inv(np.linalg.cholesky(rows.covariance(index)))
    return inverse * (seen[:, :, None] & seen[:, None, :])


def _root(f: Array, h: Array, y: Array) -> tuple[Array, Array]:
    """G = F K^-T and K^-1 y, K K' = I + H' H."""
    inner = np.eye(f.shape[1]) + h.transpose(0, 2, 1) @ h
    try:
        lower = np.linalg.cholesky(inner)
    except np.linalg.LinAlgError:  # scales of effects 1e8 errors wide: H' H takes too many digits
        both = np.concatenate([np.broadcast_to(np.eye(f.shape[1]), inner.shape), h], axis=1)
        lower = np.swapaxes(np.linalg.qr(both, mode="r"), 1, 2)
    sides = np.concatenate([np.broadcast_to(f.T, (len(y), *f.T.shape)), y[:, :, None]], axis=2)
    solved = np.linalg.solve(lower, sides)
    return solved[:, :, :-1].transpose(0, 2, 1), solved[:, :, -1]
