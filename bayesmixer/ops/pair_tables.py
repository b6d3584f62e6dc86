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

from bayesmixer.ops.frequencies import log_total
from bayesmixer.ops.tables import GONE


@nb.njit(cache=True)
def form(gamma, s1, s2, q):
    """Fill q (C,) with q_c(s)."""
    for c in range(q.size):
        q[c] = 0.5 * (gamma[c, 0] * s1 * s1 + gamma[c, 1] * s2 * s2) + gamma[c, 2] * s1 * s2


@nb.njit(nogil=True, cache=True)
def pair_table(node_x, s, pi, gamma, g, share, less):
    """Fill g (M, K or more) and, unless they are empty, share = e_c / T and less = (e_c - 1) / (x
    T), both (C, K, M), at the real frequencies s (M, 2).
    """
    c_n = pi.size
    rest = max(1.0 - pi.sum(), 0.0)
    gradient = share.size > 0
    q, lost = np.empty(c_n), np.empty(c_n)
    for f in range(s.shape[0]):
        form(gamma, s[f, 0], s[f, 1], q)
        least = q.min()
        for k in range(node_x.size):
            x = node_x[k]
            if x == 0.0:
                g[f, k] = -(pi * q).sum()
                if gradient:
                    for c in range(c_n):
                        share[c, k, f], less[c, k, f] = 1.0, -q[c]
                continue
            if x * least > GONE and rest > 1e-8:  # nothing is left of strong effects
                g[f, k] = math.log(rest) / x
                if gradient:
                    for c in range(c_n):
                        share[c, k, f], less[c, k, f] = 0.0, -1.0 / (rest * x)
                continue
            change = 0.0  # T - 1
            for c in range(c_n):
                lost[c] = math.expm1(-x * q[c])
                change += pi[c] * lost[c]
            if change > -0.9:
                inverse = 1.0 / (1.0 + change)
                g[f, k] = math.log1p(change) / x
                if gradient:
                    for c in range(c_n):
                        share[c, k, f] = (1.0 + lost[c]) * inverse
                        less[c, k, f] = lost[c] * inverse / x
                continue
            log_t = log_total(x, -1.0, pi, q, rest)
            g[f, k] = log_t / x
            if gradient:
                inverse = math.exp(-log_t) if log_t > -600 else 0.0
                for c in range(c_n):
                    e = math.exp(-x * q[c] - log_t)
                    share[c, k, f] = e
                    near = x * q[c] < 0.7 and inverse > 0.0
                    less[c, k, f] = (math.expm1(-x * q[c]) * inverse if near else e - inverse) / x


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
