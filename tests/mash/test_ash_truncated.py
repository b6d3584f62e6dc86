"""Truncated normal and t distributions against mpmath."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest

from bayesmixer.mash.ash_truncated import log_density, log_mass, moments

ENDS = [
    (-1.0, 2.0), (0.0, 0.5), (-0.01, 0.01), (1.0, 1.0 + 1e-6), (40.0, 41.0), (40.0, 40.001),
    (-41.0, -40.0), (38.0, 400.0), (-400.0, -38.0), (-3.0, 900.0), (2.9, 3.3), (8.0, 8.2),
    (-1e-7, 1e-7), (-60.0, 55.0), (5.0, 5.5), (0.1, 12.0), (2.0, 2.4),
]  # fmt: skip


def exact(lo: float, hi: float, df: float | None) -> tuple[float, float, float]:
    """Log mass, mean distance from the nearer end and variance by mpmath."""
    with mp.workdps(32):
        if hi < -lo:
            log, distance, variance = exact(-hi, -lo, df)
            return log, -distance, variance
        a, b = mp.mpf(lo), mp.mpf(hi)

        def density(y: Any) -> Any:
            t = a + y
            if df is None:
                return mp.exp(-(t * t - max(a, 0) ** 2) / 2)
            v = mp.mpf(df)
            return ((1 + t * t / v) / (1 + max(a, 0) ** 2 / v)) ** (-(v + 1) / 2)

        scale = 1 / max(a, mp.mpf(1))
        cuts = sorted({x for x in (mp.mpf(0), b - a, *(scale * 2**k for k in range(-8, 14)),
                                   *(-a + s * 2**k for k in range(-4, 9) for s in (-1, 1)), -a)
                       if 0 <= x <= b - a})  # fmt: skip
        raw = [mp.quad(lambda y, k=k: y**k * density(y), cuts) for k in range(3)]
        top = -mp.log(2 * mp.pi) / 2 - max(a, 0) ** 2 / 2
        if df is not None:
            v = mp.mpf(df)
            top = mp.loggamma((v + 1) / 2) - mp.loggamma(v / 2) - mp.log(mp.pi * v) / 2
            top -= (v + 1) / 2 * mp.log(1 + max(a, 0) ** 2 / v)
        mean = raw[1] / raw[0]
        return float(mp.log(raw[0]) + top), float(mean), float(raw[2] / raw[0] - mean**2)


@pytest.mark.parametrize("df", [None, 1.0, 5.0])
def test_mass_mean_and_variance_are_those_of_mpmath(df: float | None) -> None:
    lo, hi = (np.array(x) for x in zip(*ENDS, strict=True))
    log, (end, distance, variance) = log_mass(lo, hi, df), moments(lo, hi, df)
    for i, (a, b) in enumerate(ENDS):
        to_log, to_distance, to_variance = exact(a, b, df)
        assert end[i] == (b if b < -a else a)
        # what exp keeps of a log of this size

        assert abs(log[i] - to_log) < 1e-13 * max(1, abs(to_log)), (a, b)
        assert distance[i] == pytest.approx(to_distance, rel=1e-10), (a, b)
        assert variance[i] == pytest.approx(to_variance, rel=1e-9), (a, b)


def test_a_billion_errors_out_the_tail_is_its_first_term() -> None:
    lo = np.array([1e5, 1e9])
    log, (end, distance, variance) = log_mass(lo, 2 * lo), moments(lo, 2 * lo)
    np.testing.assert_allclose(log, log_density(lo) - np.log(lo), rtol=1e-15)
    np.testing.assert_allclose(distance, 1 / lo, rtol=1e-9)
    np.testing.assert_allclose(variance, 1 / lo**2, rtol=1e-9)
    assert (end == lo).all()


def test_half_lines_are_those_of_mpmath() -> None:
    lo = np.array([-40.0, -5.0, -1.0, 0.0, 2.0, 8.0, 40.0, 300.0])
    hi = np.full(len(lo), np.inf)
    log, (_, distance, variance) = log_mass(lo, hi), moments(lo, hi)
    mirrored = moments(-hi, -lo)
    for i, a in enumerate(lo):
        to_log, to_distance, to_variance = exact(a, max(a, 0) + 60.0, None)
        assert abs(log[i] - to_log) < 1e-13 * max(1, abs(to_log))
        assert distance[i] == pytest.approx(to_distance, rel=1e-10)
        assert variance[i] == pytest.approx(to_variance, rel=1e-9)
    np.testing.assert_array_equal(mirrored[1], -distance)


def test_densities_are_those_of_scipy() -> None:
    from scipy import stats

    t = np.array([-30.0, 0.0, 1.5, 80.0])
    np.testing.assert_allclose(log_density(t), stats.norm.logpdf(t), rtol=1e-14)
    np.testing.assert_allclose(log_density(t, 3.5), stats.t.logpdf(t, 3.5), rtol=1e-12)
