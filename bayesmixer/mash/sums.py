"""Sums over the components of a mixture of what each says of the effects of a block of rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from bayesmixer.mash import independent
from bayesmixer.mash.within import Common, Known

Array = NDArray[np.float64]
Chosen = NDArray[np.intp] | slice

ZERO = 1e-12  # prior variance of a contrast over what it would be without cancellation


class Sums:
    """Means, second moments, probabilities of signs and of 0 (row, reported), and products of
    effects (row, reported, reported) where they are asked for.
    """

    def __init__(self, n: int, q: int, outer: bool = False) -> None:
        self.mean, self.second, self.negative, self.positive, self.zero = np.zeros((5, n, q))
        self.outer = np.zeros((n, q, q)) if outer else None
        self.room = np.empty((4, n * q))  # arrays made anew would cost more than the sums

    def add_common(self, one: Common, b: Array, chosen: Chosen, share: Array) -> None:
        """A component in which the posteriors of all rows have one covariance, but for its
        variances, which `add_shared` adds for all such components at once.
        """
        columns, n = one.columns, len(b)
        if not n:
            return
        mean, far, tail, rest = (x[: n * len(columns)].reshape(n, -1) for x in self.room)
        np.matmul(b, one.slope[columns].T, out=mean)
        np.abs(mean, out=far)
        far *= -1 / np.sqrt(one.variance[columns])
        part = share[:, None]
        ndtr(far, out=tail)
        tail *= part
        np.subtract(part, tail, out=rest)
        above = mean > 0
        at = (chosen, slice(None)) if len(columns) == self.mean.shape[1] else _both(chosen, columns)
        np.multiply(tail, above, out=far)
        self.negative[at] += far
        tail -= far  # of the rows where the mean is not above 0
        self.positive[at] += tail
        np.multiply(rest, above, out=far)
        self.positive[at] += far
        rest -= far
        self.negative[at] += rest
        np.multiply(mean, part, out=far)
        self.mean[at] += far
        far *= mean
        self.second[at] += far

    def add_shared(self, parts: list[Common], share: Array) -> None:
        """Variances and zeros of components of one covariance (component, row)."""
        self.second += share.T @ np.array([one.variance for one in parts])
        self.zero += share.T @ np.array([np.diag(one.u) == 0 for one in parts], dtype=float)

    def add(self, chosen: Chosen, share: Array, known: Known, zero: NDArray[np.bool_]) -> None:
        """A component: normal posteriors, of mean and variance 0 where `zero`."""
        mean, variance, root = known
        part = share[:, None]
        if zero.any():
            mean, variance = np.where(zero, 0, mean), np.where(zero, 0, variance)
            self.zero[chosen] += part * zero
            part = part * ~zero
        if self.outer is not None:
            assert root is not None
            within = root @ np.swapaxes(root, -1, -2) + mean[:, :, None] * mean[:, None, :]
            self.outer[chosen] += share[:, None, None] * within
        tail = np.abs(mean)
        tail *= -1 / np.sqrt(np.where(zero, 1, variance))
        ndtr(tail, out=tail)
        tail *= part
        rest = part - tail
        above = mean > 0
        self.negative[chosen] += np.where(above, tail, rest)
        self.positive[chosen] += np.where(above, rest, tail)
        weighted = mean * share[:, None]
        self.mean[chosen] += weighted
        weighted *= mean
        weighted += variance * share[:, None]
        self.second[chosen] += weighted

    def add_alone(
        self, chosen: Chosen, share: Array, own: independent.Known, to: Array | None
    ) -> None:
        """The component of effects that are independent between conditions, or combinations `to`
        (row, reported, condition) of them.
        """
        known = own if to is None else independent.combined(own, to)
        for into, one in zip(
            (self.mean, self.second, self.negative, self.positive, self.zero), known, strict=True
        ):
            into[chosen] += share[:, None] * one
        if self.outer is not None:
            spread = own.second - own.mean**2
            to = np.eye(spread.shape[1])[None] if to is None else to
            among = (to * spread[:, None, :]) @ np.swapaxes(to, 1, 2)
            among += known.mean[:, :, None] * known.mean[:, None, :]
            self.outer[chosen] += share[:, None, None] * among


def reported(known: Known, u: Array, to: Array) -> tuple[Known, NDArray[np.bool_]]:
    """Posterior within the covariance u of combinations `to` ([row,] reported, condition), and
    which of them are 0 (row or 1, reported).
    """
    assert known.root is not None
    mean = known.mean @ to.T if to.ndim == 2 else np.einsum("nqr,nr->nq", to, known.mean)
    root = to @ known.root
    variance = np.einsum("...qa,...qa->...q", root, root)
    before = np.einsum("...qr,...qr->...q", to @ u, to)
    size = (np.abs(to) @ np.sqrt(np.diag(u))) ** 2
    return Known(mean, variance, root), np.atleast_2d(before <= ZERO * size)


def _both(chosen: Chosen, columns: NDArray[np.intp]) -> tuple[Chosen, Chosen]:
    """Rows and columns, as slices where they can be."""
    first, last = int(columns[0]), int(columns[-1])
    if last - first + 1 == len(columns):
        return chosen, slice(first, last + 1)
    if isinstance(chosen, slice):
        return chosen, columns
    rows, cells = np.ix_(chosen, columns)
    return rows, cells
