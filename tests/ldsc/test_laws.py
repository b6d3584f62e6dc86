"""Probabilities of the normal law and of Student's t against SciPy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from bayesmixer.ldsc.laws import beyond, normal_at, normal_below, t_at, t_below


@pytest.mark.parametrize("freedom", [1.0, 1.3, 5.7, 20.0, 199.0, 1999.0])
def test_student_s_t(freedom: float) -> None:
    # the logarithms of gamma functions, of hundreds, are known to 1e-16 of themselves
    for x in (-38.0, -8.0, -3.0, -1.0, -0.01, 0.0, 1e-3, 0.5, 2.0, 7.0, 40.0):
        np.testing.assert_allclose(t_below(freedom, x), special.stdtr(freedom, x), rtol=1e-11)
    for p in (0.001, 0.05, 0.5, 0.51, 0.6, 0.9, 0.95, 0.995, 0.9999):
        np.testing.assert_allclose(
            t_at(freedom, p), special.stdtrit(freedom, p), rtol=1e-10, atol=1e-12
        )


def test_student_s_t_at_its_ends() -> None:
    assert (t_below(9.0, -math.inf), t_below(9.0, math.inf)) == (0.0, 1.0)
    assert math.isnan(t_below(9.0, math.nan))


def test_the_normal_law() -> None:
    for z in (-30.0, -5.0, -0.3, 0.0, 1.0, 6.0):
        np.testing.assert_allclose(normal_below(z), special.ndtr(z), rtol=1e-12)
        np.testing.assert_allclose(beyond(z), special.chdtrc(1, z * z), rtol=1e-12)
    for p in (1e-9, 0.001, 0.3, 0.5, 0.99):
        np.testing.assert_allclose(normal_at(p), special.ndtri(p), rtol=1e-12, atol=1e-15)
