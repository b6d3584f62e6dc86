"""Tables of g(x_k; s) = log(1 + sum_c pi_c (exp(-x q_c(s)) - 1)) / x over two-dimensional
frequencies s, what its derivatives are made of, and the cumulant function on the imaginary plane.

q_c(s) = (gamma_c,11 s_1^2 + gamma_c,22 s_2^2 + 2 gamma_c,12 s_1 s_2) / 2, with gamma_c the effects'
covariance times (N_ref,1, N_ref,2, sqrt(N_ref,1 N_ref,2)). Everything is linear in it, so that
gamma_c,12^2 = gamma_c,11 gamma_c,22, a correlation of one, is an ordinary point.

With e_c = exp(-x q_c) and T = 1 + sum_c pi_c (e_c - 1):

    dg / d pi_c = (e_c - 1) / (x T)
    dg / d gamma_c = -pi_c e_c / T (s_1^2, s_2^2, 2 s_1 s_2) / 2
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from bayesmixer.ops.elementary import ROUND, power_of_two
from bayesmixer.ops.frequencies import log_total

EXACT = {"contract", "nsz"}  # no other order of sums: the last digits are meant
RUN = 256  # frequencies at a time
PER_LN2, LN2 = math.log2(math.e), math.log(2)
LN2_HIGH, LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10


@nb.njit(cache=True)
def form(gamma, s1, s2, q):
    """Fill q (C,) with q_c(s)."""
    for c in range(q.size):
        q[c] = 0.5 * (gamma[c, 0] * s1 * s1 + gamma[c, 1] * s2 * s2) + gamma[c, 2] * s1 * s2


@nb.njit(fastmath=EXACT, error_model="numpy", nogil=True, cache=True)
def _pieces(y, lost, n):
    """lost[:n] = exp(y[:n]) - 1, y <= 0, to 1e-15 of itself."""
    for v in range(n):
        j = max(y[v], -700.0) * PER_LN2 + ROUND - ROUND
        r = (max(y[v], -700.0) - j * LN2_HIGH) - j * LN2_LOW
        e = 1 / 6227020800.0
        e = e * r + 1 / 479001600.0
        e = e * r + 1 / 39916800.0
        e = e * r + 1 / 3628800.0
        e = e * r + 1 / 362880.0
        e = e * r + 1 / 40320.0
        e = e * r + 1 / 5040.0
        e = e * r + 1 / 720.0
        e = e * r + 1 / 120.0
        e = e * r + 1 / 24.0
        e = e * r + 1 / 6.0
        e = e * r + 0.5
        e = e * r + 1.0
        whole = power_of_two(j)
        lost[v] = whole * (e * r) + (whole - 1.0)


@nb.njit(fastmath=EXACT, error_model="numpy", nogil=True, cache=True)
def _log_of_one_and(change, log_t, n):
    """log_t[:n] = log(1 + change[:n]), -0.9 < change <= 0.4, to 1e-15 of itself."""
    for v in range(n):
        t = 1.0 + change[v]
        i = (1.0 if t < 0.7 else 0.0) + (1.0 if t < 0.35 else 0.0) + (1.0 if t < 0.175 else 0.0)
        big = 8.0 if t < 0.175 else 4.0 if t < 0.35 else 2.0
        c = t * big - 1.0 if t < 0.7 else change[v]
        w = c / (2.0 + c)
        u = w * w
        y = 1 / 23.0
        y = y * u + 1 / 21.0
        y = y * u + 1 / 19.0
        y = y * u + 1 / 17.0
        y = y * u + 1 / 15.0
        y = y * u + 1 / 13.0
        y = y * u + 1 / 11.0
        y = y * u + 1 / 9.0
        y = y * u + 1 / 7.0
        y = y * u + 0.2
        y = y * u + 1 / 3.0
        log_t[v] = 2.0 * (w + w * (u * y)) - i * LN2


@nb.njit(fastmath=EXACT, error_model="numpy", nogil=True, cache=True)
def pair_table(node_x, s, pi, gamma, g, share, less):
    """Fill g (M, K or more) and, unless they are empty, share = e_c / T and less = (e_c - 1) / (x
    T), both (C, K, M), at the real frequencies s (M, 2).

    Runs of frequencies go through polynomials that the compiler vectorises; what is left of T is
    found by the logarithm of a sum where it is less than a tenth.
    """
    c_n = pi.size
    rest = max(1.0 - pi.sum(), 0.0)
    gradient = share.size > 0
    q, lost = np.empty((c_n, RUN)), np.empty((c_n, RUN))
    y, change, log_t, one = np.empty(RUN), np.empty(RUN), np.empty(RUN), np.empty(c_n)
    for start in range(0, s.shape[0], RUN):
        n = min(RUN, s.shape[0] - start)
        for v in range(n):
            form(gamma, s[start + v, 0], s[start + v, 1], one)
            for c in range(c_n):
                q[c, v] = one[c]
        for k in range(node_x.size):
            x = node_x[k]
            if x == 0.0:
                for v in range(n):
                    g[start + v, k] = -(pi * q[:, v]).sum()
                if gradient:
                    for c in range(c_n):
                        for v in range(n):
                            share[c, k, start + v], less[c, k, start + v] = 1.0, -q[c, v]
                continue
            for v in range(n):
                change[v] = 0.0  # T - 1
            for c in range(c_n):
                for v in range(n):
                    y[v] = -x * q[c, v]
                _pieces(y, lost[c], n)
                for v in range(n):
                    change[v] += pi[c] * lost[c, v]
            _log_of_one_and(change, log_t, n)
            for v in range(n):
                g[start + v, k] = log_t[v] / x
            if gradient:
                for c in range(c_n):
                    shares, lesses = share[c, k, start : start + n], less[c, k, start : start + n]
                    for v in range(n):
                        inverse = 1.0 / (1.0 + change[v])
                        shares[v] = (1.0 + lost[c, v]) * inverse
                        lesses[v] = lost[c, v] * inverse / x
            for v in range(n):
                if not change[v] > -0.9:
                    f = start + v
                    for c in range(c_n):
                        one[c] = q[c, v]
                    log_one = log_total(x, -1.0, pi, one, rest)
                    g[f, k] = log_one / x
                    if gradient:
                        inverse = math.exp(-log_one) if log_one > -600 else 0.0
                        for c in range(c_n):
                            e = math.exp(-x * one[c] - log_one)
                            share[c, k, f] = e
                            near = x * one[c] < 0.7 and inverse > 0.0
                            gone = math.expm1(-x * one[c]) * inverse if near else e - inverse
                            less[c, k, f] = gone / x


@nb.njit(nogil=True, cache=True)
def cumulant_table(node_x, k, pi, gamma, g):
    """Fill g (K, M) with g(x_k; -i k), real, at the points k (M, 2) of the imaginary plane."""
    rest = max(1.0 - pi.sum(), 0.0)
    q = np.empty(pi.size)
    for f in range(k.shape[0]):
        form(gamma, k[f, 0], k[f, 1], q)
        for j in range(node_x.size):
            if node_x[j] == 0.0:
                g[j, f] = (pi * q).sum()
            else:
                g[j, f] = log_total(node_x[j], 1.0, pi, q, rest) / node_x[j]
