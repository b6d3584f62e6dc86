"""Log-likelihood of every effect under every component, N(0, V_j + w U) for all scales w of U at
once.

With U = F F' and V_j = L_j L_j', H = L_j^-1 F has H' H = Q diag(d) Q', so that of all scales

    log N(b; 0, V_j + w U) = log N(b; 0, V_j) - sum log(1 + w d) / 2 + sum y^2 w / (1 + w d) / 2

with y = Q' H' L_j^-1 b: one decomposition a U, of the size of its rank. Where errors are
independent but differ by row, U = delta I + F F' and a scale is a diagonal plus a part of low rank,
which is done for all rows in matrix products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmixer.mash.independent import log_density
from bayesmixer.mash.mixture import Mixture, factor
from bayesmixer.mash.rows import Index, Part, Rows

Array = NDArray[np.float64]
Evaluate = Callable[[Index], Array]

CELLS = 22_000  # of effects at a time: what a processor's cache holds several times
BYTES = 2**25  # of the covariances of rows that each have their own
LOW_RANK = 6  # up to it a diagonal and a part of low rank are cheaper than a decomposition a row
RIDGE = 1e-13  # eigenvalues within this part of the largest of the least are the diagonal's
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
    if rows.v is None:
        return _independent(rows, mixture), block_size(rows)
    return _general(rows, mixture), rows_at_once(rows.b.shape[1])


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


def _general(rows: Rows, mixture: Mixture) -> Evaluate:
    """Rows that each have a covariance of errors: a decomposition a row and U."""
    k, w = len(mixture.u), mixture.grid**2

    def evaluate(index: Index) -> Array:
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

    return evaluate


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


def _independent(rows: Rows, mixture: Mixture) -> Evaluate:
    """Rows whose errors are independent and differ: U as a diagonal and a part of low rank."""
    k, w = len(mixture.u), mixture.grid**2
    units = typical_errors(rows)
    ridges = [ridge(u, units) for u in mixture.u]
    low = [i for i, (_, f) in enumerate(ridges) if f.shape[1] <= LOW_RANK]
    full = [i for i in range(k) if i not in low]
    by_ridge: dict[bytes, list[int]] = {}
    for i in low:
        by_ridge.setdefault(ridges[i][0].tobytes(), []).append(i)

    def evaluate(index: Index) -> Array:
        out = np.empty((mixture.size, len(index)))
        b, seen = rows.b[index], rows.seen[index]
        v = rows.s[index] ** 2
        counted = -0.5 * LOG_2PI * seen.sum(1)

        def diagonal(extra: Array | float) -> tuple[Array, Array, Array]:
            d = np.where(seen, v + extra, 1.0)
            inverse = seen / d
            known = b * inverse
            height = counted - 0.5 * (np.log(d).sum(1) + np.einsum("nr,nr->n", known, b))
            return inverse, known, height

        null = diagonal(0.0)[2]
        if mixture.point_mass:
            out[0] = null
        for scale, scaled in enumerate(w):
            for members in by_ridge.values():
                inverse, known, height = diagonal(scaled * ridges[members[0]][0])
                base = mixture.point_mass + scale * k
                ones = [i for i in members if ridges[i][1].shape[1] == 1]
                if ones:
                    f = np.hstack([ridges[i][1] for i in ones])
                    out[[base + i for i in ones]] = height + _rank_one(f, scaled, inverse, known)
                for i in members:
                    if i not in ones:
                        out[base + i] = height + _low_rank(ridges[i][1], scaled, inverse, known)
        if full:
            step = rows_at_once(b.shape[1])
            for first in range(0, len(index), step):
                part = slice(first, first + step)
                root = seen[part] / rows.s[index[part]]
                for i in full:
                    h = root[:, :, None] * mixture.factors[i]
                    at = slice(mixture.point_mass + i, mixture.normals, k)
                    out[at, part] = null[part] + _gain(h, root * b[part], w)
        return out

    return evaluate


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


def _rank_one(f: Array, w: float, inverse: Array, known: Array) -> Array:
    """As `_low_rank`, of several w f f' each by itself (column of f, row)."""
    inflated = 1 + w * ((f * f).T @ inverse.T)
    gain: Array = 0.5 * (w * (f.T @ known.T) ** 2 / inflated - np.log(inflated))
    return gain


def _low_rank(f: Array, w: float, inverse: Array, known: Array) -> Array:
    """What w F F' adds to the log-likelihood of a diagonal, given 1 / its entries and b over them
    (row, R).
    """
    rank = f.shape[1]
    y = f.T @ known.T
    a, b = np.tril_indices(rank)
    products = (f[:, a] * f[:, b]).T @ inverse.T
    products *= w
    inner = dict(zip(zip(a.tolist(), b.tolist(), strict=True), products, strict=True))
    # Cholesky and forward substitution by hand, all rows at once: LAPACK takes them one by one
    lower: dict[tuple[int, int], Array] = {}
    solved: list[Array] = []
    fit, det = np.zeros(len(known)), np.ones(len(known))
    for i in range(rank):
        for j in range(i):
            entry = inner[i, j]
            for c in range(j):
                entry = entry - lower[i, c] * lower[j, c]
            lower[i, j] = entry / lower[j, j]
        pivot, rest = inner[i, i] + 1, y[i]
        for c in range(i):
            pivot = pivot - lower[i, c] ** 2
            rest = rest - lower[i, c] * solved[c]
        lower[i, i] = np.sqrt(pivot)
        solved.append(rest / lower[i, i])
        fit += solved[i] ** 2
        det *= pivot
    gain: Array = 0.5 * (w * fit - np.log(det))
    return gain
