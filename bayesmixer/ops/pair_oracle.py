"""The density of a pair of z-scores by brute quadrature: the slow, accurate answer that the
two-trait kernels are tested against.

    p(z) = (1 / 4 pi^2) int exp(log phi(t - i k) - i (t - i k)'z) dt

by a square lattice in the coordinates in which the errors are round, its step halved until log p no
longer changes. k = 0 while at most `SAFE_LOSS` e-folds cancel; then a third of the way to the
saddle point, most often below the zeros of phi, with the logarithm continued along one axis, then
along the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from bayesmixer.ops.layout import Array

Complex = NDArray[np.complex128]
SAFE_LOSS = 16.0
DIGITS = 22.0  # e-folds below the whole at which the lattice ends
POINTS = 16  # to either side of 0, of the first lattice
MOST_POINTS = 800
CLOSE = 1e-6  # change of log p at which the halving ends


def pair_log_density(
    z: ArrayLike,
    n: ArrayLike,
    spectrum: ArrayLike,
    node_x: ArrayLike,
    pi: ArrayLike,
    sigma_beta: ArrayLike,
    sigma_0: ArrayLike,
) -> Array:
    """Log density of each pair of z-scores, (J,), NaN where the halving does not end; arguments as
    `pair.pair_log_density`.
    """
    theta = np.asarray(pi, float), np.asarray(sigma_beta, float), np.asarray(sigma_0, float)
    x = np.asarray(node_x, float)
    rows = zip(np.asarray(z, float), np.asarray(n, float), np.asarray(spectrum, float), strict=True)
    return np.array([_one(*row, x, *theta) for row in rows])


def log_characteristic(
    s: Complex, n: Array, spectrum: Array, node_x: Array, pi: Array, sigma: Array, sigma_0: Array
) -> Complex:
    """log phi at s (A, B, 2), continued along the first axis at B = 0, then along the second."""
    half = np.stack([s[..., 0] ** 2 / 2, s[..., 1] ** 2 / 2, s[..., 0] * s[..., 1]], -1)
    q = half @ (sigma * [n[0], n[1], np.sqrt(n.prod())]).T  # (A, B, C)
    total = -half @ sigma_0 + spectrum[node_x == 0].sum() * -(q @ pi)
    for x, weight in zip(node_x, spectrum, strict=True):
        if x > 0:
            log_t = np.log1p((pi * np.expm1(-x * q)).sum(-1))
            angle = log_t.imag
            start = np.unwrap(angle[:, 0])
            angle = np.unwrap(angle, axis=1)
            angle += (start - angle[:, 0])[:, None]
            total += weight / x * (log_t.real + 1j * angle)
    return np.asarray(total)


def _one(z: Any, n: Any, spectrum: Any, node_x: Any, pi: Any, sigma: Any, sigma_0: Any) -> float:
    model = n, spectrum, node_x, pi, sigma, sigma_0

    def exponent(k: Array) -> float:  # of the integrand at t = 0
        with np.errstate(over="ignore"):
            value = log_characteristic(-1j * k[None, None].astype(complex), *model)[0, 0].real
        return float(value - k @ z) if np.isfinite(value) else 1e10

    e = np.array([[sigma_0[0], sigma_0[2]], [sigma_0[2], sigma_0[1]]])
    best = minimize(exponent, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-4})
    k = np.zeros(2) if best.fun > -SAFE_LOSS else 0.35 * best.x
    to_s = np.linalg.inv(np.linalg.cholesky(e)).T  # s = to_s u makes the errors round
    lost = exponent(k) - best.fun
    radius = np.sqrt(2 * (DIGITS + lost))
    points, last, now = POINTS, np.inf, np.nan
    while points <= MOST_POINTS:
        step = radius / points
        # from 0 outwards to each side, so that the logarithm is continued from 0
        side = step * np.arange(points + 1)
        total = 0.0
        for sign in (1.0, -1.0):
            u = np.stack(np.meshgrid(side, sign * side, indexing="ij"), -1)
            s = u @ to_s.T - 1j * k
            weight = np.outer(np.r_[0.5, np.ones(points)], np.r_[0.5, np.ones(points)])
            y = log_characteristic(s, *model) - 1j * (s @ z)
            total += float((weight * np.exp(y - exponent(k)).real).sum())
        total *= 2 * step**2 * abs(np.linalg.det(to_s)) / (4 * np.pi**2)
        now = np.log(total) + exponent(k) if total > 0 else -np.inf
        if abs(now - last) < CLOSE:
            return float(now)
        points, last = 2 * points, now
    return np.nan
