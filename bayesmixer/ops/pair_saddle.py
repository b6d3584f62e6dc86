"""Saddle point of a two-dimensional density: exp(K(k) - k'z) / (2 pi sqrt(det K''(k))), K'(k) = z,
with K(k) = log phi(-i k).
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from bayesmixer.ops.pair_tables import form

MOST_STEPS = 60
CLOSE = 1e-9  # Newton's decrement at which the search ends


@nb.njit(nogil=True, cache=True)
def cumulant(k1, k2, spectrum, node_x, error, pi, gamma, out):
    """K(k), and its derivatives into out (5,): K_1, K_2, K_11, K_22, K_12. `error` (3,) is the
    covariance of this variant's errors.
    """
    c_n = pi.size
    rest = max(1.0 - pi.sum(), 0.0)
    q, d1, d2, w = np.empty(c_n), np.empty(c_n), np.empty(c_n), np.empty(c_n)
    form(gamma, k1, k2, q)
    for c in range(c_n):
        d1[c] = gamma[c, 0] * k1 + gamma[c, 2] * k2
        d2[c] = gamma[c, 2] * k1 + gamma[c, 1] * k2
    value = 0.5 * (error[0] * k1 * k1 + error[1] * k2 * k2) + error[2] * k1 * k2
    out[0], out[1] = error[0] * k1 + error[2] * k2, error[2] * k1 + error[1] * k2
    out[2], out[3], out[4] = error[0], error[1], error[2]
    for j in range(node_x.size):
        x, s = node_x[j], spectrum[j]
        top = 0.0
        for c in range(c_n):
            if pi[c] > 0.0:
                top = max(top, x * q[c])
        total = rest * math.exp(-top)
        for c in range(c_n):
            w[c] = pi[c] * math.exp(x * q[c] - top) if pi[c] > 0.0 else 0.0
            total += w[c]
        value += s * ((top + math.log(max(total, 1e-300))) / x if x > 0.0 else (pi * q).sum())
        inverse = 1.0 / max(total, 1e-300)
        m1, m2, v11, v22, v12, g11, g22, g12 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for c in range(c_n):
            share = w[c] * inverse
            m1 += share * d1[c]
            m2 += share * d2[c]
            v11 += share * d1[c] * d1[c]
            v22 += share * d2[c] * d2[c]
            v12 += share * d1[c] * d2[c]
            g11 += share * gamma[c, 0]
            g22 += share * gamma[c, 1]
            g12 += share * gamma[c, 2]
        out[0] += s * m1
        out[1] += s * m2
        out[2] += s * (g11 + x * (v11 - m1 * m1))
        out[3] += s * (g22 + x * (v22 - m2 * m2))
        out[4] += s * (g12 + x * (v12 - m1 * m2))
    return value


@nb.njit(nogil=True, cache=True)
def saddle_point(z1, z2, spectrum, node_x, error, pi, gamma):
    """Log density at (z1, z2) by the saddle point, its k1, k2, and K(k) - k'z, by damped Newton
    steps from 0.
    """
    d, trial = np.empty(5), np.empty(5)
    k1, k2 = 0.0, 0.0
    value = cumulant(k1, k2, spectrum, node_x, error, pi, gamma, d)
    bare = error[0] * error[1] - error[2] * error[2]
    for _ in range(MOST_STEPS):
        r1, r2 = z1 - d[0], z2 - d[1]
        c11, c22, c12 = d[2], d[3], d[4]
        det = c11 * c22 - c12 * c12
        if not (det > 0.5 * bare and c11 > 0.0):  # far above the zeros K need not be convex
            c11, c22, c12, det = error[0], error[1], error[2], bare
        p1, p2 = (c22 * r1 - c12 * r2) / det, (c11 * r2 - c12 * r1) / det
        decrement = r1 * p1 + r2 * p2
        if decrement < CLOSE:
            break
        t, found = 1.0, False
        for _ in range(40):
            new = cumulant(k1 + t * p1, k2 + t * p2, spectrum, node_x, error, pi, gamma, trial)
            new -= (k1 + t * p1) * z1 + (k2 + t * p2) * z2
            if new <= value - 1e-4 * t * decrement:
                found = True
                break
            t *= 0.5
        if not found:
            break
        k1, k2, value = k1 + t * p1, k2 + t * p2, new
        d[:] = trial
    det = d[2] * d[3] - d[4] * d[4]
    if not det > 0.5 * bare:
        det = bare
    return value - math.log(2 * math.pi) - 0.5 * math.log(det), k1, k2, value
