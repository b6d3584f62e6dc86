"""Multiprecision truths that share no code with the package: quadrature for a spectrum, and
enumeration of every causal configuration.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import mpmath as mp


def log_phi(s, n, spectrum, node_x, pi, sigma2_beta, sigma2_zero):
    q = mp.mpf(n) * s * s / 2
    total = -mp.mpf(sigma2_zero) * s * s / 2
    for weight, x in zip(spectrum, node_x, strict=True):
        x = mp.mpf(float(x))
        if x == 0:
            g = -q * sum(p * v for p, v in zip(pi, sigma2_beta, strict=True))
        else:
            g = (
                mp.log(
                    1
                    + sum(
                        p * (mp.exp(-x * q * v) - 1) for p, v in zip(pi, sigma2_beta, strict=True)
                    )
                )
                / x
            )
        total += mp.mpf(float(weight)) * g
    return total


def spectrum_log_density(z, n, spectrum, node_x, pi, sigma2_beta, sigma2_zero, censor=None):
    """log p(z) for a spectrum by the cosine integral on the real line at the working precision; log
    P(|Z| > censor) where |z| > censor.
    """
    z = mp.mpf(float(z))
    pi = [mp.mpf(p) for p in pi]
    sigma2_beta = [mp.mpf(v) for v in sigma2_beta]
    sigma2_zero = mp.mpf(sigma2_zero)
    end = mp.sqrt(2 * mp.mp.dps * mp.log(10) / sigma2_zero)
    tail = censor is not None and abs(z) > censor

    def ordinates(points: int, which: range):
        out = mp.mpf(0)
        for i in which:
            s = end * i / points
            phi = mp.exp(log_phi(s, n, spectrum, node_x, pi, sigma2_beta, sigma2_zero))
            wave = (censor if s == 0 else mp.sin(s * censor) / s) if tail else mp.cos(s * z)
            out += phi * wave / (2 if i == 0 else 1)
        return out

    points, last = 64, None
    total = ordinates(points, range(points + 1))
    while True:
        now = total * end / points
        # P(|Z| > c) = 1 - (2 / pi) int phi sin(s c) / s; density = (1 / pi) int phi cos(s z)
        value = 1 - 2 * now / mp.pi if tail else now / mp.pi
        if last is not None and abs(value - last) < abs(value) * mp.mpf(10) ** -16:
            return mp.log(value)
        points, last = points * 2, value
        total += ordinates(points, range(1, points, 2))  # those between


def configurations(x: Sequence[float], n, pi, sigma2_beta, sigma2_zero):
    """Probability and variance of z of every assignment of the partners to components (0 = no
    effect).
    """
    pi, sigma2_beta = [mp.mpf(p) for p in pi], [mp.mpf(v) for v in sigma2_beta]
    rest = 1 - sum(pi)
    for choice in itertools.product(range(len(pi) + 1), repeat=len(x)):
        probability, variance = mp.mpf(1), mp.mpf(sigma2_zero)
        for c, xi in zip(choice, x, strict=True):
            probability *= rest if c == 0 else pi[c - 1]
            variance += 0 if c == 0 else mp.mpf(n) * mp.mpf(float(xi)) * sigma2_beta[c - 1]
        if probability > 0:
            yield probability, variance


def enumerated_log_density(z, n, x, pi, sigma2_beta, sigma2_zero, censor=None):
    """log p(z) of a list of partners: the mixture of Gaussians over all causal configurations;
    censored as in the package.
    """
    z, total = abs(mp.mpf(float(z))), mp.mpf(0)
    for probability, variance in configurations(x, n, pi, sigma2_beta, sigma2_zero):
        if censor is not None and z > censor:
            total += probability * mp.erfc(censor / mp.sqrt(2 * variance))
        else:
            total += probability * mp.exp(-z * z / (2 * variance)) / mp.sqrt(2 * mp.pi * variance)
    return mp.log(total)


def gradient(
    function: Callable, pi: Sequence[float], sigma2_beta: Sequence[float], sigma2_zero: float
) -> list[float]:
    """Derivatives of function(pi, sigma2_beta, sigma2_zero) in every parameter by mpmath's
    differences; run it with digits to spare.
    """
    flat, c = [*map(mp.mpf, pi), *map(mp.mpf, sigma2_beta), mp.mpf(sigma2_zero)], len(pi)
    out = []
    for i, value in enumerate(flat):
        step = value * mp.mpf(10) ** (-mp.mp.dps // 3)
        ends = []
        for sign in (1, -1):
            moved = [*flat]
            moved[i] = value + sign * step
            ends.append(function(moved[:c], moved[c : 2 * c], moved[-1]))
        out.append(float((ends[0] - ends[1]) / (2 * step)))
    return out
