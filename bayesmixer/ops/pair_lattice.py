"""Which two-dimensional frequencies each variant needs, and the lattices that serve them.

Axes. With s = A u, A' Sigma_0 A = 1 and A' Gamma A diagonal (Gamma the mean genetic covariance) the
errors are round and the lattice lies along the density's own axes; z' = A' z.

How far. |phi(s)| <= exp(-u' M u / 2), M = A' Sigma_0,j A (the identity but for unequal N), so that
the sum ends on the disc of radius R = sqrt(2 (loss - log error) / least eigenvalue of M). `loss` =
log(1 / (2 pi p(z'))) bounds how much of the sum cancels: the density is a mean of normal densities
of covariance M + V, V >= 0 the genetic variance given which variants are causal, and 1 / sqrt(det)
is convex, so that loss <= z' M^-1 z' / 2 + log det(M + E V) / 2. Where that is large, the saddle
point says better.

How fine. A lattice adds p(z' + P) for every P != 0 of its dual. That is {(i a, j b): i + j even},
the densest packing of bodies between an ellipse (13% fewer frequencies than a rectangle) and a
diamond (50%: two independent heavy tails); its frequencies are {(pi i / a, pi j / b): i + j even}.
By Chernoff's bound p(y) <= exp(K(h e) - h y'e) for every h and direction e, so that |P'e| >= |z'e|
+ D_e, D_e = min_h (K(h e) + loss - log error) / h, keeps what P adds below the error: for P = (2a,
0) and (0, 2b) with e along the axes, for (a, b) and (a, -b) with two directions e across them.

Variants are sorted into a few classes by what they need, so that the sum of what all of them cost
is small; each class has one lattice.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from bayesmixer.ops.layout import Array
from bayesmixer.ops.pair_saddle import saddle_point
from bayesmixer.ops.pair_tables import cumulant_table

LOG_ERROR = math.log(2e-6)  # of the density, each of range and step, at most
OVERHEAD = 40.0  # of a variant, in frequencies
MAX_FREQUENCIES = 60_000  # parameters that need more have log-likelihood -inf
COSINE_LOSS = 20.0  # e-folds of cancellation up to which a cosine sum has six digits
REFINE = 14.0  # bound of the loss beyond which the saddle point is worth finding
MARGIN = 3.0  # e-folds by which it may overrate the density
_RUNGS = 11
LADDER = 0.04 * 1.6 ** np.arange(_RUNGS)  # h of Chernoff's bound, in z'
_PER = 1 / LADDER
_TOGETHER = 128  # rows whose cumulants are one matrix product
_WORTH = 0.01  # of all there is to do, what a cut must save
_PLACES = 48  # at which a cut is tried
_SAMPLE = 512  # rows from which the classes are made


class Lattices(NamedTuple):
    """Lattice of class i: frequencies `start[i] : start[i + 1]` of s (F, 2), the first 0, and their
    integers a, b; its steps (classes, 2) in u and largest integers (classes, 2).

    The density is weight (classes,) times the sum over them of phi(s) cos(s'z), half of it at 0.
    """

    start: NDArray[np.int64]
    s: Array
    a: NDArray[np.int64]
    b: NDArray[np.int64]
    step: Array
    most: NDArray[np.int64]
    weight: Array


class Frame(NamedTuple):
    """Axes a (2, 2) of u, directions (4, 2) of Chernoff's bounds in u (both axes and two across
    them), and g(x_k; -i A e h) (K, rungs 4) along them.
    """

    a: Array
    across: Array
    ladder: Array


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
    a = np.asarray(inverse @ turn)
    return a * np.where(a.sum(0) < 0, -1.0, 1.0)  # the same whichever trait is the first


def frame(node_x: Array, mean: Array, pi: Array, gamma: Array, sigma_0: Array) -> Frame:
    """Axes and bounds for parameters `pi` (C,), `gamma` (C, 3), errors `sigma_0` (3,).

    The directions across are those of the bounds of a variant of the spectrum `mean` (K,).
    """
    a = axes(sigma_0, pi @ gamma)
    g = np.empty((node_x.size, 2 * _RUNGS))
    cumulant_table(node_x, np.concatenate([np.outer(LADDER, e) for e in a.T]), pi, gamma, g)
    k = (mean @ g).reshape(2, _RUNGS) + 0.5 * LADDER**2
    d1, d2 = ((k - LOG_ERROR) / LADDER).min(1)
    across = (
        np.array([[1, 0], [0, 1], [d2, d1], [d2, -d1]])
        / np.array([1, 1, *[np.hypot(d1, d2)] * 2])[:, None]
    )
    ladder = np.empty((node_x.size, 4 * _RUNGS))
    steps = LADDER[:, None, None] * (across @ a.T)
    cumulant_table(node_x, steps.reshape(-1, 2), pi, gamma, ladder)
    return Frame(a, across, ladder)


@nb.njit(nogil=True, cache=True)
def plan_rows(lo, hi, rows, node_x, frame, sigma_0, pi, gamma, log_error, need, loss):
    """Fill need (J, 4), (R, T_1, T_2, T_3): radius, and what 2a, 2b and the product of (a, b) with
    a direction across must reach; and loss (J,), of rows lo .. hi - 1.
    """
    a, across = frame.a, frame.across
    k_n, rungs = rows.spectrum.shape[1], LADDER.size
    wide, cumulants = np.empty((_TOGETHER, k_n)), np.empty((_TOGETHER, 4 * rungs))
    mean = np.zeros(3)
    for c in range(pi.size):
        mean += pi[c] * gamma[c]
    error, half, reach = np.empty(3), np.empty(4), np.empty(4)
    stretch = math.log(abs(a[0, 0] * a[1, 1] - a[0, 1] * a[1, 0]))
    for r in range(lo, hi):
        i = (r - lo) % _TOGETHER
        if i == 0:
            some = min(_TOGETHER, hi - r)
            wide[:some] = rows.spectrum[r : r + some]
            np.dot(wide[:some], frame.ladder, cumulants[:some])
        cumulant, score = cumulants[i], wide[i].sum()
        e1 = sigma_0[0] * rows.error[r, 0]
        e2 = sigma_0[1] * rows.error[r, 1]
        e12 = sigma_0[2] * rows.error[r, 2]
        z1, z2 = rows.z[r, 0], rows.z[r, 1]
        det = e1 * e2 - e12 * e12
        v1, v2, v12 = e1 + score * mean[0], e2 + score * mean[1], e12 + score * mean[2]
        bound = 0.5 * (e2 * z1 * z1 + e1 * z2 * z2 - 2 * e12 * z1 * z2) / det
        bound += 0.5 * math.log(max(v1 * v2 - v12 * v12, 1e-300)) + stretch
        if bound > REFINE:
            error[0], error[1], error[2] = e1, e2, e12
            log_p = saddle_point(z1, z2, wide[i], node_x, error, pi, gamma)[0]
            bound = min(bound, MARGIN - log_p - math.log(2 * math.pi) + stretch)
        loss[r] = bound = max(bound, 0.0)
        log_tol = log_error - bound
        # M = A' Sigma A
        m11 = a[0, 0] * (e1 * a[0, 0] + 2 * e12 * a[1, 0]) + e2 * a[1, 0] ** 2
        m22 = a[0, 1] * (e1 * a[0, 1] + 2 * e12 * a[1, 1]) + e2 * a[1, 1] ** 2
        m12 = a[0, 0] * (e1 * a[0, 1] + e12 * a[1, 1]) + a[1, 0] * (e12 * a[0, 1] + e2 * a[1, 1])
        least = 0.5 * (m11 + m22) - math.sqrt(0.25 * (m11 - m22) ** 2 + m12 * m12)
        need[r, 0] = math.sqrt(-2 * log_tol / max(least, 1e-12))
        u1, u2 = a[0, 0] * z1 + a[1, 0] * z2, a[0, 1] * z1 + a[1, 1] * z2
        for t in range(4):
            x, y = across[t, 0], across[t, 1]
            half[t] = 0.5 * (x * x * m11 + y * y * m22 + 2 * x * y * m12)
            reach[t] = 1e300
        for l in range(rungs):
            h, per = LADDER[l], _PER[l]
            for t in range(4):  # all at once
                d = (cumulant[4 * l + t] - log_tol) * per + half[t] * h
                reach[t] = d if d < reach[t] else reach[t]
        for t in range(4):
            reach[t] += abs(across[t, 0] * u1 + across[t, 1] * u2)
        need[r, 1], need[r, 2], need[r, 3] = reach[0], reach[1], max(reach[2], reach[3])


def dual(need: Array, across: Array) -> Array:
    """(..., 2): a, b of the dual lattice that serves need (..., 4) with fewest frequencies."""
    (a1, b1), (a2, b2) = _duals(need, across)
    first = a1 * b1 <= a2 * b2
    return np.stack([np.where(first, a1, a2), np.where(first, b1, b2)], -1)


def _duals(need: Array, across: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Both candidates of `dual`: the least a with its b, and the least b with its a."""
    half1, half2, t3 = need[..., 1] / 2, need[..., 2] / 2, need[..., 3]
    x, y = across[2]
    return (half1, np.maximum(half2, (t3 - x * half1) / y)), (
        np.maximum(half1, (t3 - y * half2) / x),
        half2,
    )


def frequencies(need: Array, across: Array) -> Array:
    """Points of the half-disc lattice that serves need (..., 4), about."""
    (a1, b1), (a2, b2) = _duals(need, across)
    return np.asarray(need[..., 0] ** 2 * np.minimum(a1 * b1, a2 * b2) / (4 * math.pi))


def classes(
    need: Array, across: Array, most: int, table: float = 0.0
) -> tuple[NDArray[np.int64], Array]:
    """Class (J,) of each row of need (J, 4), and what each class needs (classes, 4).

    The class where it saves most is cut in two, at the need and place that leave least to do in
    all, until that saves less than a hundredth or there are `most`. `table` is what a frequency
    costs a class itself, in rows. Rows are sampled for the choice of the cuts.
    """
    label = np.zeros(len(need), np.int64)
    every = -(-len(need) // _SAMPLE)
    sample = np.arange(0, len(need), every)
    cuts = [_cut(need[sample], across, table / every)]
    total = _cost(need[sample], across, table / every)
    inside = [sample]
    while len(cuts) < most:
        i = int(np.argmax([c[0] for c in cuts]))
        gain, axis, edge = cuts[i]
        if gain <= _WORTH * total:
            break
        total -= gain
        label[(label == i) & (need[:, axis] > edge)] = len(cuts)
        above = need[inside[i], axis] > edge
        inside.append(inside[i][above])
        inside[i] = inside[i][~above]
        cuts[i] = _cut(need[inside[i]], across, table / every)
        cuts.append(_cut(need[inside[-1]], across, table / every))
    return label, np.stack([need[label == i].max(0) for i in range(len(cuts))])


def _cut(need: Array, across: Array, table: float) -> tuple[float, int, float]:
    """What the best cut of some rows saves, the need that it cuts, and where."""
    n = len(need)
    if n < 2:
        return 0.0, 0, 0.0
    count = np.unique(np.linspace(1, n - 1, _PLACES).astype(np.int64))  # rows below the cut
    s = need[np.argsort(need, axis=0).T]  # (4, n, 4), sorted by each need
    # the largest of the rows between two cuts, then of those below and above each
    between = np.maximum.reduceat(s, np.concatenate([[0], count]), axis=1)
    below = np.maximum.accumulate(between[:, :-1], axis=1)
    above = np.maximum.accumulate(between[:, :0:-1], axis=1)[:, ::-1]
    size = frequencies(np.stack([below, above]), across)
    rows = np.stack([count, n - count])[:, None]
    total = ((rows + table) * size + rows * OVERHEAD).sum(0)
    axes = np.arange(4)[:, None]
    edge = s[axes, count - 1, axes]
    total[edge >= s[axes, count, axes]] = np.inf  # between equal rows
    axis, i = np.unravel_index(int(total.argmin()), total.shape)
    gain = _cost(need, across, table) - float(total[axis, i])
    return max(gain, 0.0), int(axis), float(edge[axis, i])


def _cost(need: Array, across: Array, table: float) -> float:
    """What rows cost as one class, in frequencies."""
    return (len(need) + table) * float(frequencies(need.max(0), across)) + len(need) * OVERHEAD


def lattices(need: Array, frame: Frame) -> Lattices:
    """Half-disc lattices for the needs (classes, 4): a > 0, or a = 0 and b >= 0, sorted by a, then
    b.
    """
    parts, most = [], np.zeros((len(need), 2), np.int64)
    steps = math.pi / dual(need, frame.across)
    for i, (radius, (d1, d2)) in enumerate(zip(need[:, 0], steps, strict=True)):
        most[i] = int(radius / d1), int(radius / d2)
        p, q = np.meshgrid(
            np.arange(most[i, 0] + 1), np.arange(-most[i, 1], most[i, 1] + 1), indexing="ij"
        )
        keep = ((p * d1) ** 2 + (q * d2) ** 2 <= radius**2) & ((p > 0) | (q >= 0))
        keep &= (p + q) % 2 == 0
        parts.append((np.column_stack([p[keep] * d1, q[keep] * d2]) @ frame.a.T, p[keep], q[keep]))
    start = np.cumsum([0, *(len(v[1]) for v in parts)]).astype(np.int64)
    weight = steps.prod(1) * abs(float(np.linalg.det(frame.a))) / math.pi**2
    s, p, q = (np.concatenate(v) for v in zip(*parts, strict=True))
    return Lattices(start, s, p, q, steps, most, weight)
