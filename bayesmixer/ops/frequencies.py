"""Which frequencies the quadrature needs: step from a Chernoff bound on aliasing, range from the
error variance (docs/ideas/likelihood.md).

A trapezoid of step ds adds p(z + 2 pi m / ds), m != 0, to p(z). With the cumulant K(h) = log
phi(-ih) bounded above by K_up(h) over a band, p(-d) <= exp(K_up(h) - h d) for every h, so the
period 2 pi / ds = z_max + min_h (K_up(h) - log tol) / h keeps aliasing below tol. K_up: log(1 +
sum_c pi_c expm1(y)) / y rises with y, so a variant of LD score L whose partners are no stronger
than x_top has K(h) <= sigma2_0 h^2 / (2 nu) + (L / x_top) log(1 + sum_c pi_c expm1(x_top q_c(h))).
The range: |phi(s)| <= exp(-sigma2_0 s^2 / 2), since nu <= 1.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LOG_TOLERANCE = math.log(1e-9)  # error of p, relative to the smallest p of the band
# parameters that need more have log-likelihood -inf: effects of hundreds of standard errors
# (docs/ideas/likelihood.md)
MAX_FREQUENCIES = 8192  # of a cosine sum
MAX_LINE = 16_384  # of a shifted line
LOG_COSINE_FLOOR = math.log(
    1e-7
)  # below, the cosine sum would cancel (16 digits less 7, less a margin)
# e-folds that the shifted line may lose: the smallest shift that keeps ten digits is used
CANCELLATION = 13.0
WORTH = 0.75  # share of a period at which a shorter one is worth the table of another shift
_H = 2e-4 * 1.2 ** np.arange(78)  # slopes h tried in the bound
_LOW = 18  # shifts below 0.1, for densities of thousands of standard errors
SHIFTS = np.concatenate(
    [[0.0], 0.1 * 1.3 ** np.arange(-_LOW, 31)]
)  # shifts k of the line, 0.0009 to 265


@nb.njit(cache=True)
def log_total(x, half, pi, sigma2, rest):
    """log(1 - sum pi + sum_c pi_c exp(x half sigma2_c)) for any real `half`, without overflow;
    `rest` = 1 - sum pi.
    """
    top = 0.0
    for c in range(pi.size):
        top = max(top, x * half * sigma2[c])
    total = rest * math.exp(-top)
    for c in range(pi.size):
        total += pi[c] * math.exp(x * half * sigma2[c] - top)
    if top == 0.0 and total > 0.5:  # log1p where the terms are small
        t = 0.0
        for c in range(pi.size):
            t += pi[c] * math.expm1(x * half * sigma2[c])
        return math.log1p(t)
    if total > 1e-250:
        return top + math.log(total)
    top = -1e300  # no rest: the largest term leads
    for c in range(pi.size):
        if pi[c] > 0:
            top = max(top, math.log(pi[c]) + x * half * sigma2[c])
    if rest > 0:
        top = max(top, math.log(rest))
    total = rest * math.exp(-top) if rest > 0 else 0.0
    for c in range(pi.size):
        if pi[c] > 0:
            total += math.exp(math.log(pi[c]) + x * half * sigma2[c] - top)
    return top + math.log(total)


def plan_bands(
    bands: Any, x_top: float, n_ref: float, pi: Array, sigma2: Array, sigma2_zero: float
) -> tuple[NDArray[np.int64], Array]:
    """Number of frequencies and step of each band; 0 frequencies where the cosine sum cannot serve
    it, -1 where nothing can.

    Returns
    -------
    m (bands,) int64, ds (bands,) float64
    """
    y = x_top * 0.5 * n_ref * np.multiply.outer(_H**2, sigma2)
    with np.errstate(divide="ignore"):  # log 0 where nothing is left, or a component is absent
        terms = np.log(np.append(pi, max(1.0 - pi.sum(), 0.0)))
    log_total = np.where(  # as the function of that name
        y.max(1) < 1.0,
        np.log1p((pi * np.expm1(np.minimum(y, 1.0))).sum(1)),
        np.logaddexp.reduce(np.pad(y, [(0, 0), (0, 1)]) + terms, axis=1),
    )
    k_up = np.multiply.outer(bands.inv_nu_max, 0.5 * sigma2_zero * _H**2) + np.multiply.outer(
        bands.ld_max / x_top, log_total
    )
    floor = -0.5 * bands.z_limit**2 / sigma2_zero
    log_tol = LOG_TOLERANCE + floor
    period = bands.zt_max + ((k_up - log_tol[:, None]) / _H).min(1)
    ds = 2 * np.pi / period
    m = np.sqrt(-2 * log_tol / sigma2_zero) / ds
    # two more, and an even number: the kernel takes two at a time
    m = np.where(m < MAX_FREQUENCIES - 2, 2 * np.floor((m + 3) / 2), -1).astype(np.int64)
    served = floor >= LOG_COSINE_FLOOR
    return np.where(served, m, 0), np.where(served, ds, 1.0)


def which_tail(m, bands):
    """Index into `LikelihoodData.tails`: how many of the |z| edges the cosine sum serves."""
    served = 0
    for e in range(m.size // 2):
        # a band without variants has zt_max 0 and is served by whatever serves its edge
        if m[2 * e] > 0 and m[2 * e + 1] > 0:
            served = e + 1
    return served


@nb.njit(cache=True)
def cumulants(spectrum_row, inv_nu, sigma2_zero, g, out):
    """K(k_l) = log phi(-i k_l) of one variant at every shift, given g(x_k; -i k_l) as `g` (shifts,
    K).
    """
    for l in range(SHIFTS.size):
        t = 0.5 * sigma2_zero * inv_nu * SHIFTS[l] ** 2
        for k in range(spectrum_row.size):
            t += spectrum_row[k] * g[l, k]
        out[l] = t


@nb.njit(cache=True)
def choose_shift(cumulant, z, censored, top, log_tol):
    """Shift of the line for one variant, and the period that keeps aliasing below the tolerance.

    K(k) - k z is convex; the search stops where it has risen well above its minimum. The smallest
    shift within `CANCELLATION` of the minimum is taken: close to the real axis phi has no zeros to
    wind around. A censored variant needs distance from the pole at 0 too, and takes at least half
    of the shift `top` just below the zeros.

    The density of a spectrum falls no faster than exp(-h |z|), h the height of the zeros, however
    soon that of partners would: a line below them has its aliasing bounded by slopes up to `top`
    alone. Where the saddle point lies above, that makes periods long, and the shift is that of the
    shortest.

    Returns
    -------
    index into SHIFTS, period, index of the minimum of K(k) - k z
    """
    best, at, last = cumulant[0], 0, 0
    for l in range(SHIFTS.size):
        v = cumulant[l] - SHIFTS[l] * z
        last = l
        if v < best:
            best, at = v, l
        elif v > best + 80.0:
            break
    chosen = at
    for l in range(max(min(5 + _LOW, top - 3, at), 1) if censored else 0, at + 1):
        if cumulant[l] - SHIFTS[l] * z <= best + CANCELLATION:
            chosen = l
            break
    if censored:
        chosen = max(chosen, 1)
    if chosen >= top:
        return chosen, _period(cumulant, z, censored, chosen, last, best + log_tol), at
    last = min(last, top)
    period = _period(cumulant, z, censored, chosen, last, best + log_tol)
    shortest, place = period, chosen
    for l in range(chosen + 1, min(top, at + 1)):  # falls, then rises
        other = _period(cumulant, z, censored, l, last, best + log_tol)
        if other > shortest:
            break
        shortest, place = other, l
    if shortest < WORTH * period:
        return place, shortest, at
    return chosen, period, at


@nb.njit(cache=True)
def _period(cumulant, z, censored, chosen, last, log_least):
    """Period that keeps what a line at shift `chosen` takes for p(z) from elsewhere below
    exp(log_least), by slopes up to the shift `last`.
    """
    k, kk = SHIFTS[chosen], cumulant[chosen]
    tol = kk - k * z - log_least
    left = 1e300
    for l in range(0, last + 1):
        if SHIFTS[l] + k > 0 and not (censored and l > 0):
            left = min(left, z + (cumulant[l] + tol - kk) / (SHIFTS[l] + k))
    right = 1e300
    for l in range(chosen + 1, last + 1):
        right = min(right, -z + (cumulant[l] - kk + tol) / (SHIFTS[l] - k))
    if right == 1e300:
        right = 4 * z + 60
    return max(left, right, z + 5.0)
