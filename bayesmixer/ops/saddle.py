"""Far tails: the saddle-point density exp(K(k) - k z) / sqrt(2 pi K''(k)), K'(k) = z, with its next
term (Daniels 1954, eq. 2.6).

It serves where no line of integration does.

1 + sum_c pi_c (exp(y) - 1) has zeros at a height h above the real axis. The powers S_jk / x_k of a
spectrum are not whole, so that they are branch points, and a line above them gives a wrong (even
negative) sum. A line below cancels: an error of about 1e-8 of the spectrum grows by exp(loss) as z
grows. K itself is smooth on the imaginary axis, and the saddle-point density positive: it takes
over, smoothly, around the loss at the height h / SHARE where the next terms of its expansion are
about as large as the error of the line.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from bayesmixer.ops.frequencies import log_total
from bayesmixer.ops.layout import Array

SHARE = 1.3  # step of the grid of shifts: a shift of the grid lies between h / SHARE and h
# of a line that loses nothing, upper decile over random variants of one to sixty partners
LINE_ERROR = 3e-7
HALF_WIDTH = 1.5  # of the change of hands, in e-folds of loss
LEAST_LOSS, MOST_LOSS = 5.0, 10.5  # range of its middle
_STEP = 1e-5  # relative step of the central differences


@nb.njit(cache=True)
def branch_height(x_top, n_ref, pi, sigma2):
    """Height h of the lowest zero; for several components a lower bound in practice: each component
    against all the others.
    """
    h = 1e300
    for c in range(pi.size):
        if pi[c] > 0.0 and sigma2[c] > 0.0 and pi[c] < 1.0 - 1e-12:
            # Re sqrt(2 u / (N_ref x sigma2_beta)), u = log((1 - pi) / pi) + i pi
            real = math.log((1.0 - pi[c]) / pi[c])
            h = min(
                h,
                math.sqrt((math.hypot(real, math.pi) + real) / (n_ref * x_top * sigma2[c])),
            )
    return h


@nb.njit(cache=True)
def _cumulant(k, spectrum, node_x, n_ref, error, pi, sigma2, rest):
    """K, K', K'' at k; `error` is the variance of the error."""
    half = 0.5 * n_ref * k * k
    f0, f1, f2 = 0.0, 0.0, 0.0  # derivatives in `half`
    for j in range(node_x.size):
        x = node_x[j]
        if x == 0.0:
            mean = (pi * sigma2).sum()
            f0 += spectrum[j] * half * mean
            f1 += spectrum[j] * mean
            continue
        log_t = log_total(x, half, pi, sigma2, rest)
        mean, square = 0.0, 0.0
        for c in range(pi.size):
            if pi[c] > 0.0:
                share = math.exp(math.log(pi[c]) + x * half * sigma2[c] - log_t)
                mean += share * sigma2[c]
                square += share * sigma2[c] * sigma2[c]
        f0 += spectrum[j] * log_t / x
        f1 += spectrum[j] * mean
        f2 += spectrum[j] * x * (square - mean * mean)
    return (
        0.5 * error * k * k + f0,
        (error + n_ref * f1) * k,
        error + n_ref * f1 + f2 * (n_ref * k) ** 2,
    )


@nb.njit(cache=True)
def _next_term(k, curvature, spectrum, node_x, n_ref, pi, sigma2, rest):
    """The two parts K4 / (8 K2^2) and 5 K3^2 / (24 K2^3) of the next term of the expansion (Daniels
    1954, eq. 2.6), K2 = `curvature`.
    """
    half, slope = 0.5 * n_ref * k * k, n_ref * k
    f2, f3, f4 = (
        0.0,
        0.0,
        0.0,
    )  # derivatives in `half`: cumulants of sigma2_beta under the tilted shares
    for j in range(node_x.size):
        x = node_x[j]
        if x == 0.0:
            continue
        log_t = log_total(x, half, pi, sigma2, rest)
        mean, none = 0.0, 1.0
        for c in range(pi.size):
            if pi[c] > 0.0:
                share = math.exp(math.log(pi[c]) + x * half * sigma2[c] - log_t)
                mean += share * sigma2[c]
                none -= share
        m2, m3, m4 = none * mean**2, -none * mean**3, none * mean**4
        for c in range(pi.size):
            if pi[c] > 0.0:
                share = math.exp(math.log(pi[c]) + x * half * sigma2[c] - log_t)
                d = sigma2[c] - mean
                m2 += share * d**2
                m3 += share * d**3
                m4 += share * d**4
        f2 += spectrum[j] * x * m2
        f3 += spectrum[j] * x**2 * m3
        f4 += spectrum[j] * x**3 * (m4 - 3 * m2 * m2)
    third = f3 * slope**3 + 3 * f2 * slope * n_ref
    fourth = f4 * slope**4 + 6 * f3 * slope**2 * n_ref + 3 * f2 * n_ref**2
    return fourth / (8 * curvature**2), 5 * third**2 / (24 * curvature**3)


@nb.njit(cache=True)
def saddle_density(z, inv_nu, censored, spectrum, node_x, n_ref, pi, sigma2, sigma2_zero):
    """Log density by the saddle point (log P(|Z| > z) where censored), and the place in the change
    of hands: the line's below 0, its own from 1.
    """
    error = sigma2_zero * inv_nu
    rest = max(1.0 - pi.sum(), 0.0)
    low, high = 0.0, 0.1
    while high < z / error:  # the lowest root: far above it a spectrum's K need not be convex
        if _cumulant(high, spectrum, node_x, n_ref, error, pi, sigma2, rest)[1] > z:
            break
        low, high = high, SHARE * high
    k = high
    for _ in range(100):
        value, slope, curvature = _cumulant(k, spectrum, node_x, n_ref, error, pi, sigma2, rest)
        if slope > z:
            high = k
        else:
            low = k
        step = k - (slope - z) / max(curvature, error)
        if not low <= step <= high:
            step = 0.5 * (low + high)
        if abs(step - k) <= 1e-14 * k:
            break
        k = step
    value, slope, curvature = _cumulant(k, spectrum, node_x, n_ref, error, pi, sigma2, rest)
    curvature = max(curvature, error)
    best = value - k * z
    kurtosis, skewness = _next_term(k, curvature, spectrum, node_x, n_ref, pi, sigma2, rest)
    term = kurtosis - skewness
    if censored:  # both tails: 2 exp(K - k z) times Mills' ratio over sqrt(2 pi)
        y = k * math.sqrt(curvature)
        mills = (
            0.5 * math.exp(0.5 * y * y) * math.erfc(y / math.sqrt(2.0))
            if y < 25.0
            else (1 - 1 / (y * y)) / (y * math.sqrt(2 * math.pi))
        )
        log_p = best + math.log(2.0 * mills)
    else:
        log_p = best - 0.5 * math.log(2 * math.pi * curvature / inv_nu) + term / (1.0 + abs(term))
    h = branch_height(node_x[0], n_ref, pi, sigma2) / SHARE
    if h >= k:
        return log_p, -1.0
    loss = _cumulant(h, spectrum, node_x, n_ref, error, pi, sigma2, rest)[0] - h * z - best
    size = abs(kurtosis) + skewness
    for nearby in (0.9 * k, 1.1 * k):  # both parts may vanish at one k
        there = max(_cumulant(nearby, spectrum, node_x, n_ref, error, pi, sigma2, rest)[2], error)
        kurtosis, skewness = _next_term(nearby, there, spectrum, node_x, n_ref, pi, sigma2, rest)
        size += abs(kurtosis) + skewness
    middle = min(max(math.log(size / (3 * LINE_ERROR) + 1e-300), LEAST_LOSS), MOST_LOSS)
    return log_p, 0.5 + (loss - middle) / (2 * HALF_WIDTH)


class Far(NamedTuple):
    """What `saddle_rows` finds of tail rows `row` (F,): log density, its share in a mixture with
    the line's, and derivatives (F, 2C + 1) of both in pi, sigma2_beta, sigma2_zero.
    """

    row: NDArray[np.int64]
    log_p: Array
    share: Array
    d_log_p: Array
    d_share: Array


def far_rows(row, parameters):
    """Room for tail rows `row`."""
    wide = (row.size, parameters)
    return Far(row, np.zeros(row.size), np.zeros(row.size), np.zeros(wide), np.zeros(wide))


@nb.njit(nogil=True, cache=True)
def saddle_rows(far, tail, rows, node_x, n_ref, pi, sigma2, sigma2_zero, gradient):
    """Fill `far`; derivatives by central differences: smooth functions, few variants."""
    c_n = pi.size
    theta = np.empty(2 * c_n + 1)
    for c in range(c_n):
        theta[c], theta[c_n + c] = pi[c], sigma2[c]
    theta[2 * c_n] = sigma2_zero
    wide, moved = np.empty(node_x.size), theta.copy()
    most = 0.5 * (1.0 - pi.sum())  # step of a weight: the rest must stay positive
    for v in range(far.row.size):
        r = tail.row[far.row[v]]
        z, inv_nu, censored = rows.zt[r], rows.inv_nu[r], rows.censored[r]
        for k in range(wide.size):
            wide[k] = rows.spectrum[r, k]
        far.log_p[v], place = saddle_density(
            z, inv_nu, censored, wide, node_x, n_ref, pi, sigma2, sigma2_zero
        )
        far.share[v], slope = blend(place)
        if far.share[v] == 0.0 or not gradient:
            continue
        for i in range(theta.size):
            step = _STEP * theta[i]
            if i < c_n:
                step = min(step, most)
            if step <= 0.0:
                continue
            for side in (1.0, -1.0):
                moved[i] = theta[i] + side * step
                log_p, place = saddle_density(
                    z,
                    inv_nu,
                    censored,
                    wide,
                    node_x,
                    n_ref,
                    moved[:c_n],
                    moved[c_n : 2 * c_n],
                    moved[2 * c_n],
                )
                far.d_log_p[v, i] += side * log_p / (2 * step)
                far.d_share[v, i] += slope * side * place / (2 * step)
            moved[i] = theta[i]


@nb.njit(cache=True)
def blend(place):
    """Share of the saddle-point density in a mixture with the line's, and its derivative in the
    place (a cubic step).
    """
    if place <= 0.0:
        return 0.0, 0.0
    if place >= 1.0:
        return 1.0, 0.0
    return place * place * (3 - 2 * place), 6 * place * (1 - place)
