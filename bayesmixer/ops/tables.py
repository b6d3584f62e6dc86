"""Tables of g(x_k; s) = log(1 + sum_c pi_c (exp(-x q_c(s)) - 1)) / x and its derivatives, on the
real line and on shifted lines.

q_c(s) = N_ref sigma2_beta_c s^2 / 2. At x = 0, g = -sum_c pi_c q_c. Derivatives come in the order
pi_1 .. pi_C, sigma2_beta_1 .. sigma2_beta_C.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from bayesmixer.ops.frequencies import SHIFTS, log_total

GONE = 60.0  # x q at which exp(-x q) is nothing beside a rest of more than 1e-8


@nb.njit(cache=True)
def real_table(node_x, s, n_ref, pi, sigma2, g, dg):
    """Fill g (M, K) and dg (2C, M, K) at real frequencies s (M,)."""
    c_n = pi.size
    rest = max(1.0 - pi.sum(), 0.0)
    least = sigma2[0]
    for c in range(1, c_n):
        least = min(least, sigma2[c])
    for f in range(s.size):
        half = 0.5 * n_ref * s[f] * s[f]
        for k in range(node_x.size):
            x = node_x[k]
            if x == 0.0:
                t = 0.0
                for c in range(c_n):
                    q = half * sigma2[c]
                    t -= pi[c] * q
                    dg[c, f, k] = -q
                    dg[c_n + c, f, k] = -pi[c] * half
                g[f, k] = t
                continue
            if (
                x * half * least > GONE and rest > 1e-8
            ):  # strong effects: nothing is left of them at most frequencies
                g[f, k] = math.log(rest) / x
                for c in range(c_n):
                    dg[c, f, k], dg[c_n + c, f, k] = -1.0 / (rest * x), 0.0
                continue
            log_t = log_total(x, -half, pi, sigma2, rest)
            g[f, k] = log_t / x
            inverse = math.exp(-log_t) if log_t > -600 else 0.0
            for c in range(c_n):
                xq = x * half * sigma2[c]
                e = math.exp(-xq - log_t)  # exp(-x q_c) / total
                less = (
                    e - inverse if xq > 0.7 or inverse == 0.0 else math.expm1(-xq) * inverse
                )  # (exp(-x q_c) - 1) / total
                dg[c, f, k] = less / x
                dg[c_n + c, f, k] = -pi[c] * half * e


@nb.njit(cache=True)
def cumulant_table(node_x, n_ref, pi, sigma2, g):
    """Fill g (shifts, K) with g(x_k; -i k_l) at every shift of the ladder `SHIFTS`, all real."""
    rest = max(1.0 - pi.sum(), 0.0)
    for l in range(SHIFTS.size):
        half = 0.5 * n_ref * SHIFTS[l] ** 2
        for k in range(node_x.size):
            if node_x[k] == 0.0:
                g[l, k] = half * (pi * sigma2).sum()
            else:
                g[l, k] = log_total(node_x[k], half, pi, sigma2, rest) / node_x[k]


@nb.njit(cache=True)
def shifted_table(node_x, shift, ds, m, n_ref, pi, sigma2, gradient, re, im, d_re, d_im):
    """Fill re, im (K, M) and d_re, d_im (2C, K, M) with g and its derivatives at s = t - i shift, t
    = 0, ds, ..

    The logarithm is continued along t from its real value at t = 0: exponents are fractional parts
    of partners, so the branch matters.
    """
    c_n = pi.size
    rest = max(1.0 - pi.sum(), 0.0)
    er, ei = np.empty(c_n), np.empty(c_n)  # exp(-x q_c), scaled by exp(-top)
    for k in range(node_x.size):
        x = node_x[k]
        phase, last_rate = 0.0, 0.0
        for f in range(m):
            t = f * ds
            # s^2 / 2 = a - i b
            a, b = 0.5 * n_ref * (t * t - shift * shift), n_ref * t * shift
            if x == 0.0:
                r, i = 0.0, 0.0
                for c in range(c_n):
                    r -= pi[c] * sigma2[c] * a
                    i += pi[c] * sigma2[c] * b
                    d_re[c, k, f] = -sigma2[c] * a
                    d_im[c, k, f] = sigma2[c] * b
                    d_re[c_n + c, k, f] = -pi[c] * a
                    d_im[c_n + c, k, f] = pi[c] * b
                re[k, f], im[k, f] = r, i
                continue
            top = math.log(rest) if rest > 0.0 else -1e300
            for c in range(c_n):
                if pi[c] > 0.0:
                    top = max(top, math.log(pi[c]) - x * sigma2[c] * a)
            tr, ti = rest * math.exp(-top) if rest > 0 else 0.0, 0.0
            for c in range(c_n):
                e = math.exp(min(-x * sigma2[c] * a - top, 600.0))
                er[c], ei[c] = e * math.cos(x * sigma2[c] * b), e * math.sin(x * sigma2[c] * b)
                tr += pi[c] * er[c]
                ti += pi[c] * ei[c]
            size2 = max(tr * tr + ti * ti, 1e-300)
            # of the phase: a node stronger than any partner may turn by more than pi in a step
            rate = 0.0
            for c in range(c_n):
                qr, qi = (er[c] * tr + ei[c] * ti) / size2, (ei[c] * tr - er[c] * ti) / size2
                rate += pi[c] * n_ref * x * sigma2[c] * (qr * shift - qi * t)
            if f > 0:
                phase += 0.5 * (rate + last_rate) * ds
            last_rate = rate
            p = math.atan2(ti, tr)
            phase = p + 2 * math.pi * math.floor((phase - p) / (2 * math.pi) + 0.5)
            re[k, f] = (top + 0.5 * math.log(size2)) / x
            im[k, f] = phase / x
            if not gradient:
                continue
            u = math.exp(-top) / size2 if top > -600 else 0.0  # 1 / total = u (tr - i ti)
            for c in range(c_n):
                qr, qi = (
                    (er[c] * tr + ei[c] * ti) / size2,
                    (ei[c] * tr - er[c] * ti) / size2,
                )  # exp(-x q_c) / total
                d_re[c, k, f] = (qr - u * tr) / x
                d_im[c, k, f] = (qi + u * ti) / x
                d_re[c_n + c, k, f] = -pi[c] * (a * qr + b * qi)
                d_im[c_n + c, k, f] = -pi[c] * (a * qi - b * qr)
