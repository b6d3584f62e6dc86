"""Local false sign rates on the log scale."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

import bayesmixer as bm
from tests.mash.test_mash import GRID, KINDS, R, U, V, gappy, simulated

OWN = np.random.default_rng(0).dirichlet(np.ones(1 + len(GRID)), R)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("independent", [None, OWN])
def test_it_is_the_log_of_the_rate_where_that_is_no_zero(kind: str, independent: Any) -> None:
    rng = np.random.default_rng(2)
    b, s = gappy(*simulated(60, rng), rng)
    if kind in ("common", "correlated"):
        s = np.where(np.isnan(b), np.nan, 0.4)
    v = {"c": V, "v": np.broadcast_to(V, (60, R, R))}.get(kind[0]) if kind != "common" else None
    effects = bm.read_effects(b, s, v=v, alpha=0.5)
    size = 1 + len(GRID) * len(U) + (independent is not None)
    weights = np.random.default_rng(1).dirichlet(np.ones(size))
    fit = bm.mash.given(U, GRID, weights, independent=independent)
    rate = bm.mash.posterior(fit, effects)["lfsr"].values
    found = bm.mash.log_lfsr(fit, effects)
    assert found.dims == ("effect", "condition")
    np.testing.assert_allclose(10**found.values, rate, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("z", [5.0, 40.0, 300.0])
def test_far_out_it_is_that_of_many_digits(z: float) -> None:
    effects = bm.read_effects([[z]], 1.0)
    fit = bm.mash.given({"one": [[1.0]]}, [0.5, 3.0], [0.2, 0.3, 0.5])
    with mpmath.workdps(60):
        null, tails, total = mpmath.mpf(0), mpmath.mpf(0), mpmath.mpf(0)
        for weight, sd in ((0.2, 0.0), (0.3, 0.5), (0.5, 3.0)):
            v = mpmath.mpf(sd) ** 2
            likely = weight * mpmath.npdf(z, 0, mpmath.sqrt(1 + v))
            total += likely
            if sd:
                tails += likely * mpmath.ncdf(-mpmath.sqrt(v / (1 + v)) * z)
            else:
                null += likely
        expected = float(mpmath.log10((null + tails) / total))
    assert float(bm.mash.log_lfsr(fit, effects)[0, 0]) == pytest.approx(expected, rel=1e-10)
    alone = bm.mash.given(
        {"one": [[1.0]]}, [0.5, 3.0], [0, 0, 0, 1.0], independent=[[0.2, 0.3, 0.5]]
    )
    assert float(bm.mash.log_lfsr(alone, effects)[0, 0]) == pytest.approx(expected, rel=1e-10)
