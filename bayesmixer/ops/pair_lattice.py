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
0) and (0, 2b) with e along the axes, for (a, b) and (a, -b) with two directions e across them. The
h tried are a few multiples of what is best for the mean spectrum in that direction.

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
LADDER = 0.04 * 1.35 ** np.arange(18)  # h of Chernoff's bound, in z'
_AROUND = np.array([1 / 8, 1 / 2.2, 0.8, 1, 1.25, 1.6, 2.2, 3.3])  # in what is best for the mean
_LOSS = 1.5  # of the mean
_TOGETHER = 128  # rows whose cumulants are one matrix product
_HUGE = 1e30  # where a cumulant bounds nothing
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
    them), h (4, rungs) along each, and g(x_k; -i A e h) (K, 4 rungs).
    """

    a: Array
    across: Array
    height: Array
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

    def cumulants(height: Array, direction: Array) -> Array:
        """g (K, D H) at heights (D, H) along directions (D, 2)."""
        g = np.empty((node_x.size, height.size))
        at = height[..., None] * (direction @ a.T)[:, None]
        cumulant_table(node_x, at.reshape(-1, 2), pi, gamma, g)
        return np.minimum(g, _HUGE)

    def bounds(direction: Array) -> Array:
        """Of the mean, at each height (D, H)."""
        k = mean @ cumulants(np.tile(LADDER, (len(direction), 1)), direction)
        return np.asarray((k.reshape(-1, LADDER.size) + _LOSS - LOG_ERROR) / LADDER + 0.5 * LADDER)

    d1, d2 = bounds(np.eye(2)).min(1)
    across = (
        np.array([[1, 0], [0, 1], [d2, d1], [d2, -d1]])
        / np.array([1, 1, *[np.hypot(d1, d2)] * 2])[:, None]
    )
    height = LADDER[bounds(across).argmin(1)][:, None] * _AROUND
    return Frame(a, across, height, cumulants(height, across))


@nb.njit(nogil=True, cache=True)
def plan_rows(lo, hi, rows, node_x, frame, sigma_0, pi, gamma, log_error, need, loss):
    """Fill need (J, 4), (R, T_1, T_2, T_3): radius, and what 2a, 2b and the product of (a, b) with
    a direction across must reach; and loss (J,), of rows lo .. hi - 1.
    """
    a, across = frame.a, frame.across
    k_n, rungs = rows.spectrum.shape[1], frame.height.shape[1]
    # in the precision of the spectra; the last row is the sum of each, its LD score
    cumulants = np.empty((4 * rungs + 1, _TOGETHER), rows.spectrum.dtype)
    wide = np.zeros((_TOGETHER, k_n), cumulants.dtype)
    ladder = np.ones((4 * rungs + 1, k_n), cumulants.dtype)
    for l in range(4 * rungs):
        for k in range(k_n):
            ladder[l, k] = frame.ladder[k, l]
    mean = np.zeros(3)
    for c in range(pi.size):
        mean += pi[c] * gamma[c]
    error = np.empty(3)
    half, reach = np.empty((4, _TOGETHER)), np.empty((4, _TOGETHER))
    log_tol = np.zeros(_TOGETHER)
    stretch = math.log(abs(a[0, 0] * a[1, 1] - a[0, 1] * a[1, 0]))
    for at in range(lo, hi, _TOGETHER):
        n = min(_TOGETHER, hi - at)
        wide[:n] = rows.spectrum[at : at + n]
        np.dot(ladder, wide.T, cumulants)
        for i in range(n):
            r, score = at + i, cumulants[4 * rungs, i]
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
            log_tol[i] = log_error - bound
            # M = A' Sigma A
            m11 = a[0, 0] * (e1 * a[0, 0] + 2 * e12 * a[1, 0]) + e2 * a[1, 0] ** 2
            m22 = a[0, 1] * (e1 * a[0, 1] + 2 * e12 * a[1, 1]) + e2 * a[1, 1] ** 2
            m12 = a[0, 0] * (e1 * a[0, 1] + e12 * a[1, 1])
            m12 += a[1, 0] * (e12 * a[0, 1] + e2 * a[1, 1])
            least = 0.5 * (m11 + m22) - math.sqrt(0.25 * (m11 - m22) ** 2 + m12 * m12)
            need[r, 0] = math.sqrt(-2 * log_tol[i] / max(least, 1e-12))
            for t in range(4):
                x, y = across[t, 0], across[t, 1]
                half[t, i] = 0.5 * (x * x * m11 + y * y * m22 + 2 * x * y * m12)
        reach[:] = 1e300
        for t in range(4):
            far, own = reach[t], half[t]
            for l in range(rungs):
                h, k = frame.height[t, l], cumulants[rungs * t + l]
                per = 1 / h
                for i in range(_TOGETHER):  # all variants at once
                    d = (k[i] - log_tol[i]) * per + own[i] * h
                    far[i] = d if d < far[i] else far[i]
        for i in range(n):
            r = at + i
            z1, z2 = rows.z[r, 0], rows.z[r, 1]
            u1, u2 = a[0, 0] * z1 + a[1, 0] * z2, a[0, 1] * z1 + a[1, 1] * z2
            for t in range(4):
                reach[t, i] += abs(across[t, 0] * u1 + across[t, 1] * u2)
            need[r, 1], need[r, 2] = reach[0, i], reach[1, i]
            need[r, 3] = max(reach[2, i], reach[3, i])


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
    every = -(-len(need) // _SAMPLE)
    sample = np.ascontiguousarray(need[::every])
    table, (x, y) = table / every, across[2]
    inside = [np.ascontiguousarray(np.argsort(sample, axis=0, kind="stable").T)]
    cuts = [_cut(sample, inside[0], x, y, table)]
    total = _cost(len(sample), sample.max(0), x, y, table)
    tree = []
    while len(cuts) < most:
        i = int(np.argmax([c[0] for c in cuts]))
        gain, axis, edge = cuts[i]
        if gain <= _WORTH * total:
            break
        total -= gain
        tree.append((i, axis, edge))
        above = (sample[:, axis] > edge)[inside[i]]
        inside.append(inside[i][above].reshape(4, -1))  # still sorted
        inside[i] = inside[i][~above].reshape(4, -1)
        cuts[i] = _cut(sample, inside[i], x, y, table)
        cuts.append(_cut(sample, inside[-1], x, y, table))
    label, largest = _sorted_by(np.array(tree).reshape(-1, 3), need)
    return label, largest


@nb.njit(nogil=True, cache=True)
def _sorted_by(tree, need):
    """Class (J,) of each row of need (J, 4) by cuts (class, axis, edge), each of which makes one
    more class of what lies above it, and what each class needs.
    """
    label, largest = np.zeros(len(need), np.int64), np.zeros((len(tree) + 1, 4))
    for i in range(len(tree)):  # cut by cut, without a branch
        of, axis, edge = int(tree[i, 0]), int(tree[i, 1]), tree[i, 2]
        for r in range(len(need)):
            own = label[r]
            label[r] = i + 1 if (own == of) & (need[r, axis] > edge) else own
    for r in range(len(need)):
        own = label[r]
        for t in range(4):
            largest[own, t] = max(largest[own, t], need[r, t])
    return label, largest


@nb.njit(nogil=True, cache=True)
def _cut(need, order, x, y, table):
    """What the best cut of some rows saves, the need that it cuts, and where; `order` (4, n) holds
    the rows sorted by each need.
    """
    n = order.shape[1]
    gain, axis, edge = 0.0, 0, 0.0
    if n < 2:
        return gain, axis, edge
    cost, above, below = math.inf, np.empty((_PLACES, 4)), np.empty(4)
    for t in range(4):
        rows = order[t]
        below[:], done = 0.0, n
        for i in range(_PLACES - 1, -1, -1):  # the largest of the rows from each place on
            count = _place(i, n)
            _enlarge(below, need, rows, count, done)
            above[i], done = below, count
        _enlarge(below, need, rows, 0, done)
        cost = _cost(n, below, x, y, table)
        below[:], done = 0.0, 0
        for i in range(_PLACES):
            count = _place(i, n)
            _enlarge(below, need, rows, done, count)
            done, last = count, need[rows[count - 1], t]
            if last >= need[rows[count], t]:  # between equal rows
                continue
            parts = _cost(count, below, x, y, table) + _cost(n - count, above[i], x, y, table)
            if cost - parts > gain:
                gain, axis, edge = cost - parts, t, last
    return gain, axis, edge


@nb.njit(nogil=True, cache=True)
def _enlarge(largest, need, rows, first, last):
    """largest (4,) of itself and the rows[first:last] of need."""
    for r in range(first, last):
        for t in range(4):
            largest[t] = max(largest[t], need[rows[r], t])


@nb.njit(nogil=True, cache=True)
def _place(i, n):
    """How many of n rows lie below place i."""
    return 1 + (n - 2) * i // (_PLACES - 1)


@nb.njit(nogil=True, cache=True)
def _cost(count, need, x, y, table):
    """What rows cost as one class, in frequencies (`frequencies` of need (4,))."""
    half1, half2 = need[1] / 2, need[2] / 2
    first = half1 * max(half2, (need[3] - x * half1) / y)
    second = max(half1, (need[3] - y * half2) / x) * half2
    return count * OVERHEAD + (count + table) * need[0] ** 2 * min(first, second) / (4 * math.pi)


def lattices(need: Array, frame: Frame) -> Lattices:
    """Half-disc lattices for the needs (classes, 4): a > 0, or a = 0 and b >= 0, sorted by a, then
    b.
    """
    steps = math.pi / dual(need, frame.across)
    most = (need[:, :1] / steps).astype(np.int64)
    start, a, b = _half_discs(need[:, 0], steps, most)
    step = np.repeat(steps, np.diff(start), axis=0)
    s = np.column_stack([a * step[:, 0], b * step[:, 1]]) @ frame.a.T
    weight = steps.prod(1) * abs(float(np.linalg.det(frame.a))) / math.pi**2
    return Lattices(start, s, a, b, steps, most, weight)


@nb.njit(nogil=True, cache=True)
def _half_discs(radius, steps, most):
    """First frequency of each class, and behind the last; integers a, b of all."""
    room = 0
    for i in range(len(radius)):
        room += (most[i, 0] + 1) * (most[i, 1] + 1)
    a, b = np.empty(room, np.int64), np.empty(room, np.int64)
    start, at = np.zeros(len(radius) + 1, np.int64), 0
    for i in range(len(radius)):
        for p in range(most[i, 0] + 1):
            for q in range(-most[i, 1] if p else 0, most[i, 1] + 1):
                inside = (p * steps[i, 0]) ** 2 + (q * steps[i, 1]) ** 2 <= radius[i] ** 2
                if inside and (p + q) % 2 == 0:
                    a[at], b[at] = p, q
                    at += 1
        start[i + 1] = at
    return start, a[:at].copy(), b[:at].copy()
