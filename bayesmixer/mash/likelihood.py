"""Log-likelihood of every effect under every component, N(0, V_j + w U) for all scales w of U at
once.

With U = F F' and V_j = L_j L_j', H = L_j^-1 F has H' H = Q diag(d) Q', so that of all scales

    log N(b; 0, V_j + w U) = log N(b; 0, V_j) - sum log(1 + w d) / 2 + sum y^2 w / (1 + w d) / 2

with y = Q' H' L_j^-1 b: one decomposition a U, of the size of its rank, where rows have one V_j,
and then matrix products; `own_errors` is for rows that each have their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmixer.mash.diagonal_errors import typical_errors
from bayesmixer.mash.independent import log_density
from bayesmixer.mash.mixture import Mixture
from bayesmixer.mash.rows import Index, Part, Rows

Array = NDArray[np.float64]
Evaluate = Callable[[Index], Array]

CELLS = 22_000  # of effects at a time: what a processor's cache holds several times
BYTES = 2**25  # of the covariances of rows that each have their own
FEW = 5_000  # rows times covariances that are decomposed before loops would be compiled
LOG_2PI = float(np.log(2 * np.pi))


def relative(rows: Rows, mixture: Mixture) -> tuple[Array, Array]:
    """Likelihoods over the row's largest (component, effect), and the log of that (effect)."""
    matrix = np.empty((mixture.size, len(rows.b)))
    top = np.empty(len(rows.b))
    for _, index, block in blocks(rows, mixture):
        top[index] = block.max(0)
        block -= top[index]
        np.exp(block, out=block)
        matrix[:, run(index)] = block
    return matrix, top


def blocks(rows: Rows, mixture: Mixture) -> Iterator[tuple[Part, Index, Array]]:
    """Rows, block by block, and their log-likelihoods (component, row), those of the data's own
    units.
    """
    for part in rows.parts:
        evaluate, size = evaluator(rows, mixture, part)
        for first in range(0, len(part.members), size):
            index = part.members[first : first + size]
            block = evaluate(index)
            if mixture.alone is not None:
                block[-1] = log_density(rows, mixture.alone, part, index)
            block += rows.jacobian[index]
            yield part, index, block


def evaluator(rows: Rows, mixture: Mixture, part: Part) -> tuple[Evaluate, int]:
    """What gives log-likelihoods of rows of a part under normals and the point mass, with room for
    the component of independent effects, and for how many rows at a time.
    """
    if part.common:
        return _common(rows, mixture, part.members[:1]), block_size(rows)
    if len(part.members) * len(mixture.u) < FEW:
        step = rows_at_once(rows.b.shape[1])
        return partial(_decomposed, rows, mixture), step
    return _own(rows, mixture), block_size(rows)


def block_size(rows: Rows) -> int:
    """How many rows to take at a time."""
    return max(100, CELLS // int(rows.b.shape[1]))


def rows_at_once(conditions: int) -> int:
    """How many rows may each have a matrix of their own."""
    return max(1, BYTES // (8 * conditions * conditions))


def run(index: Index) -> Any:
    """Ascending positions as a slice, where they follow each other."""
    first, last = int(index[0]), int(index[-1])
    return slice(first, last + 1) if last - first + 1 == len(index) else index


def _null(whitened: Array, log_det: Any, seen: Any) -> Array:
    """log N(b; 0, V) from L^-1 b (rows last), the log-determinant of V and the cells seen."""
    squares: Array = np.einsum("rn,rn->n", whitened, whitened)
    null: Array = -0.5 * (seen * LOG_2PI + log_det + squares)
    return null


def _common(rows: Rows, mixture: Mixture, first: Index) -> Evaluate:
    """Rows of one covariance of errors: a product of matrices for all U, and one a U."""
    k = len(mixture.u)
    lower = np.linalg.cholesky(rows.covariance(first)[0])
    white = np.linalg.inv(lower)
    seen = rows.seen[first[0]]
    w = mixture.grid**2
    whole, spans, gains, losses, at = [white], [], [], [], len(white)
    for f in mixture.factors:
        h = white @ (f * seen[:, None])
        d, q = np.linalg.eigh(h.T @ h)
        d = np.clip(d, 0, None)
        inflated = 1 + w[:, None] * d
        whole.append((h @ q).T @ white)
        spans.append(slice(at, at := at + len(d)))
        gains.append(0.5 * w[:, None] / inflated)
        losses.append(-0.5 * np.log(inflated).sum(1))
    project = np.concatenate(whole)
    log_det = 2 * np.log(np.diag(lower)).sum()

    def evaluate(index: Index) -> Array:
        out = np.empty((mixture.size, len(index)))
        y = project @ rows.b[index].T
        null = _null(y[: len(white)], log_det, seen.sum())
        np.square(y, out=y)
        if mixture.point_mass:
            out[0] = null
        for i in range(k):
            block = out[mixture.point_mass + i : mixture.normals : k]
            np.matmul(gains[i], y[spans[i]], out=block)
            block += losses[i][:, None]
            block += null
        return out

    return evaluate


def _own(rows: Rows, mixture: Mixture) -> Evaluate:
    """Rows that each have a covariance of errors, in compiled loops; those of which these would
    lose digits by decompositions.
    """
    from bayesmixer.mash.own_errors import log_likelihoods, planned

    w = mixture.grid**2
    plan = planned(mixture.u, mixture.factors, typical_errors(rows))
    first = 1 - mixture.point_mass

    def evaluate(index: Index) -> Array:
        out = np.empty((first + mixture.size, len(index)))
        left = log_likelihoods(rows, plan, w, index, out[: first + mixture.normals])
        step = rows_at_once(rows.b.shape[1])
        for start in range(0, len(left), step):
            few = left[start : start + step]
            out[first:, few] = _decomposed(rows, mixture, index[few])
        return out[first:]

    return evaluate


def _decomposed(rows: Rows, mixture: Mixture, index: Index) -> Array:
    """Rows that each have a covariance of errors, by a decomposition a row and U."""
    k, w = len(mixture.u), mixture.grid**2
    out = np.empty((mixture.size, len(index)))
    white = _inverse_root(rows, index)
    seen = rows.seen[index]
    c = np.einsum("nrs,ns->nr", white, rows.b[index])
    log_det = -2 * np.log(np.einsum("nrr->nr", white)).sum(1)
    null = _null(c.T, log_det, seen.sum(1))
    if mixture.point_mass:
        out[0] = null
    for i, f in enumerate(mixture.factors):
        out[mixture.point_mass + i : mixture.normals : k] = null + _gain(
            white @ (f * seen[:, :, None]), c, w
        )
    return out


def _inverse_root(rows: Rows, index: Index) -> Array:
    """L_j^-1 of V_j = L_j L_j'."""
    inverse: Array = np.linalg.inv(np.linalg.cholesky(rows.covariance(index)))
    return inverse


def _gain(h: Array, c: Array, w: Array) -> Array:
    """What scales (L) of a U add to the null's log-likelihood, from H (row, R, rank) and L^-1 b."""
    d, q = np.linalg.eigh(h.transpose(0, 2, 1) @ h)
    d = np.clip(d, 0, None)
    y = np.einsum("nra,nr->na", h @ q, c) ** 2
    inflated = 1 + w[:, None, None] * d
    gain: Array = 0.5 * (w[:, None, None] * y / inflated - np.log(inflated)).sum(2)
    return gain
