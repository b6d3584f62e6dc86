"""Far tails of two traits: the plane of integration shifted to s = t - i k, where little cancels.

    p(z) = (1 / 4 pi^2) int exp(log phi(t - i k) - i (t - i k)'z) dt

At the saddle point K'(k) = z nothing cancels, but 1 + sum_c pi_c (exp(-x q_c) - 1) has zeros above
the real plane, and the powers of a spectrum are not whole, so that they are branch points
(docs/ideas/likelihood.md). Hence the least part of the way to the saddle point that leaves `LEAST`
e-folds to cancel, rounded to a coarse grid, so that the rows of one shift share its table. The
logarithm is continued from its real value at t = 0, each frequency from a neighbour nearer to it.

A lattice adds p(z + P) exp(k'P): with slopes k + h e the bounds are those of `pair_lattice`, to
either side. Rows that would need more than `MOST` frequencies have the density of the saddle point,
which is positive but off by up to a few e-folds. So have rows whose sum went round a zero: tilted
by k, a mean of normal densities of covariance M or more is at most 1 / (2 pi sqrt(det M)), so that
log p <= K(k) - k'z - log(2 pi sqrt(det M)) for every k.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from bayesmixer.ops.elementary import exp_cos_sin
from bayesmixer.ops.layout import Array
from bayesmixer.ops.pair_lattice import LADDER, Frame, Lattices, frequencies, lattices
from bayesmixer.ops.pair_saddle import cumulant, saddle_point
from bayesmixer.ops.pair_tables import cumulant_table, form

LEAST = 18.0  # e-folds that may cancel
SPACING = 0.7  # of the grid of shifts, in u
MOST = 20_000
MARGIN = 4.0  # e-folds by which the saddle point may overrate a density
LOG_ERROR = math.log(1e-5)
SLACK = 0.02  # of log p: beyond a bound by more is no density


@nb.njit(nogil=True, cache=True)
def choose_shifts(far, rows, node_x, inverse, sigma_0, pi, gamma, place, log_p, most, side):
    """Fill place (R, 2), whole steps of the grid of shifts in u, log_p (R,), the saddle point's,
    most (R,), what a log density is at most, and side (R,), the sign of z that goes with them.
    `inverse` is that of the axes.
    """
    wide, error, d = np.empty(node_x.size), np.empty(3), np.empty(5)
    for i in range(far.size):
        r = far[i]
        wide[:] = rows.spectrum[r]
        error[:] = sigma_0 * rows.error[r]
        z1, z2 = rows.z[r, 0], rows.z[r, 1]
        log_p[i], k1, k2, best = saddle_point(z1, z2, wide, node_x, error, pi, gamma)
        bare = error[0] * error[1] - error[2] * error[2]
        most[i] = best - math.log(2 * math.pi) - 0.5 * math.log(bare)
        low, high = 0.0, 1.0
        if best > -LEAST:
            high = 0.0
        for _ in range(20):
            mid = 0.5 * (low + high)
            left = cumulant(mid * k1, mid * k2, wide, node_x, error, pi, gamma, d)
            left -= mid * (k1 * z1 + k2 * z2)
            if left - best > LEAST:
                low = mid
            else:
                high = mid
        u1 = high * (inverse[0, 0] * k1 + inverse[0, 1] * k2) / SPACING
        u2 = high * (inverse[1, 0] * k1 + inverse[1, 1] * k2) / SPACING
        side[i] = -1.0 if u1 < -0.5 or (u1 <= 0.5 and u2 < -0.5) else 1.0
        place[i, 0] = math.floor(side[i] * u1 + 0.5)
        place[i, 1] = math.floor(side[i] * u2 + 0.5)


@nb.njit(error_model="numpy", nogil=True, cache=True)
def shifted_table(node_x, s, visit, before, pi, gamma, g, share, less):
    """Fill g (M, K) and, unless they are empty, share and less (C, K, M) of `pair_tables` at
    complex s (M, 2), visited in the order `visit`, each after its neighbour `before`.
    """
    c_n, m = pi.size, visit.size
    rest = max(1.0 - pi.sum(), 0.0)
    log_rest = math.log(rest) if rest > 0.0 else -1e300
    q, one = np.empty((c_n, m), np.complex128), np.empty(c_n, np.complex128)
    re, im, top = np.empty((c_n, m)), np.empty((c_n, m)), np.empty(m)
    y, angle, size, cosine, sine = (
        np.empty(m), np.empty(m), np.empty(m), np.empty(m), np.empty(m)
    )  # fmt: skip
    phase, rate = np.empty(m), np.empty((m, 2), np.complex128)
    for f in range(m):
        form(gamma, s[f, 0], s[f, 1], one)
        q[:, f] = one
    for k in range(node_x.size):
        x = node_x[k]
        if x == 0.0:
            for f in range(m):
                total = 0.0j
                for c in range(c_n):
                    total -= pi[c] * q[c, f]
                    if share.size:
                        share[c, k, f], less[c, k, f] = 1.0, -q[c, f]
                g[f, k] = total
            continue
        per_x = 1.0 / x
        top[:] = log_rest
        for c in range(c_n):
            if pi[c] > 0.0:
                log_pi = math.log(pi[c])
                for f in range(m):
                    top[f] = max(top[f], log_pi - x * q[c, f].real)
        for c in range(c_n):
            for f in range(m):
                y[f] = min(-x * q[c, f].real - top[f], 600.0)
                angle[f] = -x * q[c, f].imag
            exp_cos_sin(y, angle, size, cosine, sine, m)
            for f in range(m):
                re[c, f] = size[f] * cosine[f]
                im[c, f] = size[f] * sine[f]
        for f in visit:
            none = math.exp(-top[f]) if top[f] > -600.0 else 0.0
            t, u = rest * none, 0.0
            for c in range(c_n):
                t += pi[c] * re[c, f]
                u += pi[c] * im[c, f]
            long = max(t * t + u * u, 1e-300)
            inverse = complex(t / long, -u / long)
            rate[f, 0], rate[f, 1] = 0.0j, 0.0j  # of log T, in s
            for c in range(c_n):
                w = -x * pi[c] * complex(re[c, f], im[c, f]) * inverse
                rate[f, 0] += w * (gamma[c, 0] * s[f, 0] + gamma[c, 2] * s[f, 1])
                rate[f, 1] += w * (gamma[c, 2] * s[f, 0] + gamma[c, 1] * s[f, 1])
            turned, guess = math.atan2(u, t), 0.0
            b = before[f]
            if b >= 0:
                step = (rate[b, 0] + rate[f, 0]) * (s[f, 0] - s[b, 0])
                step += (rate[b, 1] + rate[f, 1]) * (s[f, 1] - s[b, 1])
                guess = phase[b] + 0.5 * step.imag
            phase[f] = turned + 2 * math.pi * math.floor((guess - turned) / (2 * math.pi) + 0.5)
            g[f, k] = complex((top[f] + 0.5 * math.log(long)) * per_x, phase[f] * per_x)
            if share.size:
                for c in range(c_n):
                    e = complex(re[c, f], im[c, f]) * inverse
                    share[c, k, f], less[c, k, f] = e, (e - inverse * none) * per_x


@nb.njit(nogil=True, cache=True)
def shifted_rows(
    far, side, log_p, most, block_of, rows, s, g, share, less, weight, pi, sigma_0, loglik, jac
):
    """Add the rows `far` by their sums over complex frequencies s (M, 2) to loglik and jac; where a
    sum is not positive, or more than `most`, the saddle point's `log_p` (without its derivatives).
    """
    m, k_n, c_n = s.shape[0], g.shape[1], pi.size
    y, wide = np.empty(m, np.complex128), np.empty(k_n)
    for i in range(far.size):
        r, block = far[i], block_of[far[i]]
        wide[:] = rows.spectrum[r]
        z1, z2 = side[i] * rows.z[r, 0], side[i] * rows.z[r, 1]
        e1, e2, e12 = sigma_0 * rows.error[r]
        top = 0.0
        for f in range(m):
            s1, s2 = s[f, 0], s[f, 1]
            t = -0.5 * (e1 * s1 * s1 + e2 * s2 * s2) - e12 * s1 * s2 - 1j * (s1 * z1 + s2 * z2)
            for k in range(k_n):
                t += wide[k] * g[f, k]
            if f == 0:
                top = t.real  # the largest
            size = math.exp(t.real - top)
            y[f] = complex(size * math.cos(t.imag), size * math.sin(t.imag))
        y[0] *= 0.5
        total = 0.0
        for f in range(m):
            total += y[f].real
        w = rows.weight[r]
        if not (total > 1e-14 and top + math.log(total * weight) < most[i] + SLACK):
            loglik[block] += w * (log_p[i] + math.log(rows.error[r, 2]))
            continue
        loglik[block] += w * (top + math.log(total * weight * rows.error[r, 2]))
        if not share.size:
            continue
        w /= total
        for c in range(c_n):
            d, d1, d2, d12 = 0.0, 0.0, 0.0, 0.0
            for f in range(m):
                t, u = 0.0j, 0.0j
                for k in range(k_n):
                    t += wide[k] * less[c, k, f]
                    u += wide[k] * share[c, k, f]
                u *= y[f]
                s1, s2 = s[f, 0], s[f, 1]
                d += (t * y[f]).real
                d1 += (u * s1 * s1).real
                d2 += (u * s2 * s2).real
                d12 += (u * s1 * s2).real
            jac[block, c] += w * d
            jac[block, c_n + 3 * c] -= 0.5 * w * pi[c] * d1
            jac[block, c_n + 3 * c + 1] -= 0.5 * w * pi[c] * d2
            jac[block, c_n + 3 * c + 2] -= w * pi[c] * d12
        d1, d2, d12 = 0.0, 0.0, 0.0
        for f in range(m):
            s1, s2 = s[f, 0], s[f, 1]
            d1 += (y[f] * s1 * s1).real
            d2 += (y[f] * s2 * s2).real
            d12 += (y[f] * s1 * s2).real
        jac[block, 4 * c_n] -= 0.5 * w * d1 * rows.error[r, 0]
        jac[block, 4 * c_n + 1] -= 0.5 * w * d2 * rows.error[r, 1]
        jac[block, 4 * c_n + 2] -= w * d12 * rows.error[r, 2]


def needs(
    rows: Any,
    far: Any,
    side: Any,
    log_p: Any,
    k: Any,
    node_x: Any,
    view: Any,
    sigma_0: Any,
    pi: Any,
    gamma: Any,
) -> Array:
    """What the rows `far` (R,) of shift k (2,) need (R, 4), as in `pair_lattice.plan_rows`."""
    slopes = np.concatenate(
        [k + sign * np.outer(LADDER, view.a @ e) for e in view.across for sign in (1.0, -1.0)]
        + [k[None]]
    )
    g = np.empty((node_x.size, len(slopes)))
    cumulant_table(node_x, slopes, pi, gamma, g)
    error = rows.error[far] * sigma_0
    square = np.column_stack([slopes**2 / 2, slopes[:, 0] * slopes[:, 1]])
    value = rows.spectrum[far].astype(float) @ g + error @ square.T
    value -= (rows.z[far] * side[:, None]) @ slopes.T
    value -= (log_p - MARGIN + LOG_ERROR)[:, None]
    a = view.a
    m = np.einsum("it,rij,ju->rtu", a, error[:, [[0, 2], [2, 1]]], a)
    least = np.linalg.eigvalsh(m)[:, 0]
    need = np.zeros((len(far), 4))
    need[:, 0] = np.sqrt(2 * np.maximum(value[:, -1], 1.0) / least)
    reach = (value[:, :-1].reshape(len(far), 4, 2, -1) / LADDER).min(-1).max(-1)
    need[:, 1:3], need[:, 3] = reach[:, :2], reach[:, 2:].max(1)
    return np.asarray(np.maximum(need, 1.0))


def order(lattice: Lattices) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Frequencies of one lattice by their distance from 0, and for each a neighbour nearer to it
    (-1 for 0 itself).
    """
    a, b = lattice.a, lattice.b
    place = {(int(i), int(j)): n for n, (i, j) in enumerate(zip(a, b, strict=True))}
    i, j = a.copy(), b.copy()
    low = (a == 1) & (b < -1)
    step = (a > 0) & (b != 0) & ~low
    i[step] -= 1
    j[step] -= np.sign(b[step])
    j[low] += 2
    j[a == 0] -= 2
    i[(a > 0) & (b == 0)] -= 2
    before = np.array([place.get((int(p), int(q)), -1) for p, q in zip(i, j, strict=True)])
    radius = (a * lattice.step[0, 0]) ** 2 + (b * lattice.step[0, 1]) ** 2
    return np.argsort(radius, kind="stable").astype(np.int64), before.astype(np.int64)


def add_far(far, data, rows, view: Frame, pi, gamma, sigma_0, gradient, loglik, jac):
    """Add the rows `far` to loglik (L,) and jac (L, 4C + 3), derivatives in pi, gamma and the error
    covariance.
    """
    node_x, n = data.node_x, far.size
    place, log_p, most, side = np.empty((n, 2), np.int64), np.empty(n), np.empty(n), np.empty(n)
    inverse = np.linalg.inv(view.a)
    choose_shifts(far, rows, node_x, inverse, sigma_0, pi, gamma, place, log_p, most, side)
    shifts, which = np.unique(place, axis=0, return_inverse=True)
    for i, steps in enumerate(shifts):
        here = np.flatnonzero(which.ravel() == i)
        k = view.a @ (SPACING * steps)
        need = needs(rows, far[here], side[here], log_p[here], k, node_x, view, sigma_0, pi, gamma)
        fits = frequencies(need, view.across) <= MOST
        for h in here[~fits]:
            block = data.block_of_row[far[h]]
            loglik[block] += rows.weight[far[h]] * (log_p[h] + math.log(rows.error[far[h], 2]))
        here, need = here[fits], need[fits]
        if not here.size:
            continue
        wanted = need.max(0, keepdims=True)
        if frequencies(wanted, view.across)[0] > MOST:  # rows one by one
            groups = [(here[[j]], need[[j]]) for j in range(here.size)]
        else:
            groups = [(here, wanted)]
        for members, one in groups:
            lattice = lattices(one, view)
            visit, before = order(lattice)
            s = lattice.s - 1j * k
            m, k_n = len(s), node_x.size
            g = np.empty((m, k_n), complex)
            shape = (pi.size, k_n, m) if gradient else (0, 0, 0)
            share, less = np.empty(shape, complex), np.empty(shape, complex)
            shifted_table(node_x, s, visit, before, pi, gamma, g, share, less)
            shifted_rows(
                far[members],
                side[members],
                log_p[members],
                most[members],
                data.block_of_row,
                rows,
                s,
                g,
                share,
                less,
                lattice.weight[0],
                pi,
                sigma_0,
                loglik,
                jac,
            )
