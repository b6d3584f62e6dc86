"""Extreme deconvolution: covariances of effects learned from estimates with known errors, by EM
(Bovy, Hogg and Roweis 2011, with means of 0), each covariance at one scale or at several.

An estimate is b = sqrt(w) F x + e with e ~ N(0, V_j), x ~ N(0, I) and U = F F'. With V_j^-1 = W'W
and (W F)' W F = Q diag(d) Q', x is normal given its component, with precision Q diag(1 + w d) Q':
one decomposition a U serves all scales w (`filled_cells` does without where rows differ in their
missing cells alone). The next U is F M F' with M the mean of E[x x'] over rows, weighted by their
shares, so that the rank of U never grows and low rank is cheap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesmixer.mash.filled_cells import Filled, one_covariance
from bayesmixer.mash.likelihood import rows_at_once
from bayesmixer.mash.rows import Index, Rows, picked

Array = NDArray[np.float64]

RISE = 1e-6  # of the mean log-likelihood a row, at which the steps end (mashr's)
STEPS = 10_000
LOG_2PI = float(np.log(2 * np.pi))


class Deconvolved(NamedTuple):
    """Covariances (K, R, R), weights (K, scale), the objective a row before the last step, and the
    number of steps.
    """

    u: Array
    weights: Array
    height: float
    steps: int


class Prior(NamedTuple):
    """Inverse Wishart of every U: as if `strength` more rows had come from it with covariance c V.

    c is each U's own, the harmonic mean of the eigenvalues of V^-1 U, where the prior is highest.
    """

    strength: float
    v: Array

    def height(self, f: Array) -> float:
        """Log density, up to a constant, of F F'."""
        d = np.linalg.eigvalsh(np.linalg.solve(self.v, f).T @ f)
        size = np.log(len(d) / (1 / d).sum())
        return -0.5 * self.strength * float(np.log(d).sum() - len(d) * size)

    def root(self, f: Array, moment: Array, count: float) -> Array:
        """F of the next U, from that of the last and the mean of E[x x'] over `count` rows."""
        d = np.linalg.eigvalsh(np.linalg.solve(self.v, f).T @ f)
        added = self.strength * len(d) / (1 / d).sum() * self.v
        u = (count * (f @ moment @ f.T) + added) / (count + self.strength)
        lower: Array = np.linalg.cholesky((u + u.T) / 2)
        return lower


def deconvolve(
    rows: Rows,
    roots: Sequence[Array],
    scales: Sequence[float] = (1.0,),
    prior: Prior | None = None,
    rise: float = RISE,
    steps: int = STEPS,
) -> Deconvolved:
    """Covariances that maximise the likelihood of rows, or its product with the prior.

    Parameters
    ----------
    rows
        The estimates to learn from.
    roots
        F (R, rank) of every covariance to start at.
    scales
        Standard deviations at which each covariance is taken, with weights of their own.
    prior
        None leaves the rank of each; with one they need full rank.
    rise
        The steps end where the mean of the objective over rows rises by no more.
    steps
        The most of them.
    """
    n, roots = len(rows.b), list(roots)
    w = np.square(np.asarray(scales, dtype=np.float64))
    blocks = _blocks(rows)
    weights = np.full((len(roots), len(w)), 1 / (len(roots) * len(w)))
    before, now, taken = -np.inf, -np.inf, 0
    while taken < steps:
        taken += 1
        with np.errstate(divide="ignore"):
            log_weights = np.log(weights)[:, :, None]
        moments = [np.zeros((f.shape[1], f.shape[1])) for f in roots]
        counts, total = np.zeros_like(weights), 0.0
        for block in blocks:
            known = [block.given(f) for f in roots]
            likely = np.array([block.null + one.gain(w) for one in known]) + log_weights
            each = logsumexp(likely, axis=(0, 1))
            total += float(each.sum())
            share = np.exp(likely - each)
            counts += share.sum(2)
            for moment, one, part in zip(moments, known, share, strict=True):
                moment += one.second(part, w)
        if prior is not None:
            total += sum(prior.height(f) for f in roots)
        weights, now = counts / n, total / n
        for k, count in enumerate(counts.sum(1)):
            if count > np.finfo(float).tiny:  # else nothing speaks of it, and it stays
                moment = moments[k] / count
                roots[k] = (
                    roots[k] @ _half(moment)
                    if prior is None
                    else prior.root(roots[k], moment, float(count))
                )
        if now - before <= rise:
            break
        before = now
    return Deconvolved(np.array([f @ f.T for f in roots]), weights, now, taken)


def _half(moment: Array) -> Array:
    d, q = np.linalg.eigh(moment)
    root: Array = q * np.sqrt(np.clip(d, 0, None))
    return root


def _blocks(rows: Rows) -> list[_Block | Filled]:
    """Rows of one covariance of errors together; the others together where they differ in missing
    cells alone, else in blocks.
    """
    found: list[_Block | Filled] = []
    for part in rows.parts:
        v = None if part.common else one_covariance(picked(rows, part.members))
        if v is not None:
            found.append(Filled(rows, part.members, v))
            continue
        size = len(part.members) if part.common else rows_at_once(rows.b.shape[1])
        for first in range(0, len(part.members), size):
            found.append(_Block(rows, part.members[first : first + size], part.common))
    return found


class _Given(NamedTuple):
    """x within a covariance: d (rank) or (row, rank), its basis Q, and Q' F' V_j^-1 b."""

    d: Array
    q: Array
    y: Array

    def gain(self, w: Array) -> Array:
        """What each scale adds to the null's log-likelihood (scale, row)."""
        inflated = 1 + w[:, None, None] * self.d  # (scale, row or 1, rank)
        if self.d.ndim == 1:
            fit = (w[:, None] / inflated[:, 0]) @ np.square(self.y).T
        else:
            fit = (w[:, None, None] * np.square(self.y) / inflated).sum(2)
        gain: Array = 0.5 * (fit - np.log(inflated).sum(2))
        return gain

    def second(self, share: Array, w: Array) -> Array:
        """Sum of E[x x'] over rows and scales by their shares (scale, row)."""
        rank = self.y.shape[1]
        total = np.zeros((rank, rank))
        for part, scale in zip(share, w, strict=True):
            shrunk = 1 / (1 + scale * self.d)
            mean = self.y * (np.sqrt(scale) * shrunk)
            if self.d.ndim == 1:
                inner = (mean.T * part) @ mean
                inner[range(rank), range(rank)] += part.sum() * shrunk
                total += inner
            else:
                x = np.einsum("nab,nb->na", self.q, mean)
                spread = (self.q * shrunk[:, None, :]) @ self.q.transpose(0, 2, 1)
                total += (x.T * part) @ x + np.einsum("n,nab->ab", part, spread)
        return self.q @ total @ self.q.T if self.d.ndim == 1 else total


class _Block:
    """Rows whose errors have one covariance, or each its own: V_j^-1 = W'W, and W b."""

    def __init__(self, rows: Rows, index: Index, common: bool) -> None:
        few = index[:1] if common else index
        lower, seen = np.linalg.cholesky(rows.covariance(few)), rows.seen[few]
        white = np.linalg.inv(lower) * (seen[:, :, None] & seen[:, None, :])
        self.white = white[0] if common else white
        b = rows.b[index]
        self.c = b @ white[0].T if common else np.einsum("nrs,ns->nr", white, b)
        log_det = 2 * np.log(np.einsum("nrr->nr", lower)).sum(1)
        squares = np.einsum("nr,nr->n", self.c, self.c)
        self.null = -0.5 * (rows.seen[index].sum(1) * LOG_2PI + log_det + squares)

    def given(self, f: Array) -> _Given:
        """x within the covariance F F'."""
        h = self.white @ f
        d, q = np.linalg.eigh(np.swapaxes(h, -1, -2) @ h)
        d = np.clip(d, 0, None)
        if h.ndim == 2:
            return _Given(d, q, self.c @ (h @ q))
        return _Given(d, q, np.einsum("nra,nr->na", h @ q, self.c))
