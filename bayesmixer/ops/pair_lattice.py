"""Which two-dimensional frequencies each variant needs, and the lattices that serve them.

Axes. With s = A u, A' Sigma_0 A = 1 and A' Gamma A diagonal (Gamma the mean genetic covariance) the
errors are round and the lattice {(a d_1, b d_2)} lies along the density's own axes; z' = A' z.

How far. |phi(s)| <= exp(-u' M u / 2), M = A' Sigma_0,j A (the identity but for unequal N), so that
the sum ends on the disc of radius R = sqrt(2 (loss - log error) / least eigenvalue of M). `loss` =
log(1 / (2 pi p(z'))) bounds how much of the sum cancels: the density is a mean of normal densities
of covariance M + V, V >= 0 the genetic variance given which variants are causal, and 1 / sqrt(det)
is convex, so that loss <= z' M^-1 z' / 2 + log det(M + E V) / 2. Where that is large, the saddle
point says better.

How fine. A lattice of steps d adds p(z' + 2 pi (m_1 / d_1, m_2 / d_2)), m != 0. By Chernoff's bound
p <= exp(K(h e_t) - h d) at distance d along axis t, for every h, so that the periods 2 pi / d_t =
|z'_t| + min_h (K(h e_t) + loss - log error) / h keep it below the error.

Variants are sorted into a few classes by the number of frequencies they need, R^2 T_1 T_2 / (8 pi),
so that the sum of what all of them cost is least; each class has one lattice.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from bayesmixer.ops.layout import Array
from bayesmixer.ops.pair_saddle import saddle_point

LOG_ERROR = math.log(1e-6)  # of the density, each of range and step, at most
CLASSES = 4
OVERHEAD = 60.0  # of a variant, in frequencies
MAX_FREQUENCIES = 60_000  # parameters that need more have log-likelihood -inf
COSINE_LOSS = 20.0  # e-folds of cancellation up to which a cosine sum has six digits
REFINE = 8.0  # bound of the loss beyond which the saddle point is worth finding
_RUNGS = 16
LADDER = 0.03 * 1.45 ** np.arange(_RUNGS)  # h of Chernoff's bound, in z'
_BINS = 64


class Lattices(NamedTuple):
    """Lattice of class i: frequencies `start[i] : start[i + 1]` of s (F, 2), weight (F,) and their
    integers a, b; its steps (classes, 2) in u and largest integers (classes, 2).
    """

    start: NDArray[np.int64]
    s: Array
    weight: Array
    a: NDArray[np.int64]
    b: NDArray[np.int64]
    step: Array
    most: NDArray[np.int64]


def axes(sigma_0: Array, gamma: Array) -> Array:
    """A (2, 2) with A' Sigma_0 A = 1 and A' Gamma A diagonal, the largest first.

    Parameters
    ----------
    sigma_0, gamma
        (3,) variances and covariance of the errors and of the effects.
    """
    m, v = (np.array([[c[0], c[2]], [c[2], c[1]]]) for c in (sigma_0, gamma))
    root = math.sqrt(m[0, 0] * m[1, 1] - m[0, 1] ** 2)
    half = (m + root * np.eye(2)) / math.sqrt(m[0, 0] + m[1, 1] + 2 * root)
    inverse = np.linalg.inv(half)
    w = inverse @ v @ inverse
    angle = 0.5 * math.atan2(2 * w[0, 1], w[0, 0] - w[1, 1])
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.asarray(inverse @ turn)


@nb.njit(nogil=True, cache=True)
def plan_rows(lo, hi, rows, node_x, a, ladder_table, sigma_0, pi, gamma, need, loss):
    """Fill need (J, 3), (R, T_1, T_2), and loss (J,) of rows lo .. hi - 1.

    `ladder_table` (K, 2 rungs) is g(x_k; -i A e_t h).
    """
    k_n, rungs = rows.spectrum.shape[1], LADDER.size
    cumulant = np.empty(2 * rungs)
    wide = np.empty(k_n)
    mean = np.zeros(3)
    for c in range(pi.size):
        mean += pi[c] * gamma[c]
    scale = np.empty(3)
    for r in range(lo, hi):
        e1 = sigma_0[0] * rows.error[r, 0]
        e2 = sigma_0[1] * rows.error[r, 1]
        e12 = sigma_0[2] * rows.error[r, 2]
        score = 0.0
        cumulant[:] = 0.0
        for k in range(k_n):
            v = np.float64(rows.spectrum[r, k])
            wide[k] = v
            score += v
            for l in range(2 * rungs):
                cumulant[l] += v * ladder_table[k, l]
        z1, z2 = rows.z[r, 0], rows.z[r, 1]
        det = e1 * e2 - e12 * e12
        v1, v2, v12 = e1 + score * mean[0], e2 + score * mean[1], e12 + score * mean[2]
        stretch = math.log(abs(a[0, 0] * a[1, 1] - a[0, 1] * a[1, 0]))
        bound = 0.5 * (e2 * z1 * z1 + e1 * z2 * z2 - 2 * e12 * z1 * z2) / det
        bound += 0.5 * math.log(max(v1 * v2 - v12 * v12, 1e-300)) + stretch
        if bound > REFINE:
            scale[0], scale[1], scale[2] = e1, e2, e12
            log_p = saddle_point(z1, z2, wide, node_x, scale, pi, gamma)[0]
            bound = min(bound, 0.5 - log_p - math.log(2 * math.pi) + stretch)
        loss[r] = bound = max(bound, 0.0)
        log_tol = LOG_ERROR - bound
        # M = A' Sigma A
        m11 = a[0, 0] * (e1 * a[0, 0] + 2 * e12 * a[1, 0]) + e2 * a[1, 0] ** 2
        m22 = a[0, 1] * (e1 * a[0, 1] + 2 * e12 * a[1, 1]) + e2 * a[1, 1] ** 2
        m12 = a[0, 0] * (e1 * a[0, 1] + e12 * a[1, 1]) + a[1, 0] * (e12 * a[0, 1] + e2 * a[1, 1])
        least = 0.5 * (m11 + m22) - math.sqrt(0.25 * (m11 - m22) ** 2 + m12 * m12)
        need[r, 0] = math.sqrt(-2 * log_tol / max(least, 1e-12))
        for t in range(2):
            m = m11 if t == 0 else m22
            d = 1e300
            for l in range(rungs):
                h = LADDER[l]
                d = min(d, (cumulant[t * rungs + l] + 0.5 * m * h * h - log_tol) / h)
            need[r, 1 + t] = abs(a[0, t] * z1 + a[1, t] * z2) + d


def frequencies(need: Array) -> Array:
    """Points of the half-disc lattice that serves each need (..., 3), about."""
    return np.asarray(need[..., 0] ** 2 * need[..., 1] * need[..., 2] / (8 * math.pi))


def classes(need: Array) -> tuple[NDArray[np.int64], Array]:
    """Class (J,) of each row of need (J, 3), and what each class needs (classes, 3): at most
    `CLASSES` of them, edged so that the frequencies of all rows are fewest.
    """
    size = np.log(frequencies(need) + OVERHEAD)
    low, high = float(size.min()), float(size.max())
    if high - low < 1e-9:
        return np.zeros(len(need), np.int64), need.max(0, keepdims=True)
    bins = np.minimum(((size - low) / (high - low) * _BINS).astype(np.int64), _BINS - 1)
    count = np.bincount(bins, minlength=_BINS)
    top = np.exp(low + (np.arange(_BINS) + 1) / _BINS * (high - low))
    total = np.concatenate([[0], np.cumsum(count)])
    # best[e]: least cost of bins 0 .. e - 1 in so many classes, the last from `first[e]`
    cost = np.where(
        np.arange(_BINS + 1)[:, None] < np.arange(_BINS + 1)[None],
        (total[None] - total[:, None]) * np.concatenate([[0.0], top])[None],
        np.inf,
    )
    best, back = cost[0].copy(), []
    best[0] = 0.0
    for _ in range(CLASSES - 1):
        through = best[:, None] + cost
        np.fill_diagonal(through, best)
        back.append(through.argmin(0))
        best = through.min(0)
    edges = [_BINS]
    for first in reversed(back):
        edges.append(int(first[edges[-1]]))
    label = np.searchsorted(np.unique(edges), bins, side="right")
    _, label = np.unique(label, return_inverse=True)
    return label.astype(np.int64), np.stack(
        [need[label == i].max(0) for i in range(label.max() + 1)]
    )


def lattices(need: Array, a: Array) -> Lattices:
    """Half-disc lattices for the needs (classes, 3) along the axes `a`: a > 0, or a = 0 and b >= 0,
    sorted by a, then b. The weights hold steps, the half at 0, and the density's scale |A|.
    """
    parts, most = [], np.zeros((len(need), 2), np.int64)
    steps = 2 * math.pi / need[:, 1:]
    det = abs(float(np.linalg.det(a)))
    for i, (radius, (d1, d2)) in enumerate(zip(need[:, 0], steps, strict=True)):
        most[i] = int(radius / d1), int(radius / d2)
        p, q = np.meshgrid(
            np.arange(most[i, 0] + 1), np.arange(-most[i, 1], most[i, 1] + 1), indexing="ij"
        )
        keep = ((p * d1) ** 2 + (q * d2) ** 2 <= radius**2) & ((p > 0) | (q >= 0))
        p, q = p[keep], q[keep]
        weight = np.where((p == 0) & (q == 0), 0.5, 1.0) * d1 * d2 * det / (2 * math.pi**2)
        parts.append((np.column_stack([p * d1, q * d2]) @ a.T, weight, p, q))
    s, weight, p, q = (np.concatenate(v) for v in zip(*parts, strict=True))
    start = np.cumsum([0, *(len(v[1]) for v in parts)]).astype(np.int64)
    return Lattices(start, s, weight, p, q, steps, most)
