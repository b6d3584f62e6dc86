"""Correlation of errors: EM against mashr's, its step against posterior covariances."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import bayesmixer as bm
from bayesmixer.mash.error_correlation import beyond_chance
from bayesmixer.mash.error_moments import mean_square
from bayesmixer.mash.mixture import Mixture
from bayesmixer.mash.rows import rows_of
from tests.mash.cases import held
from tests.mash.test_mash import GRID, KINDS, R, U, V, simulated


@pytest.mark.parametrize("kind", KINDS)
def test_squares_of_errors_are_those_that_posterior_covariances_give(kind: str) -> None:
    rng = np.random.default_rng(1)
    b, s = simulated(60, rng)
    if kind in ("common", "correlated"):
        s = np.broadcast_to(s[0], b.shape)
    v = np.broadcast_to(V, (60, R, R)) if kind == "v by effect" else V
    effects = bm.read_effects(b, s, v=v)
    weights = rng.dirichlet(np.ones(1 + len(GRID) * len(U)))
    found = bm.mash.posterior(bm.mash.given(U, GRID, weights), effects, covariance=True)
    e = (b - found["mean"].values) / s
    spread = found["covariance"].values / (s[:, :, None] * s[:, None, :])
    expected = (e[:, :, None] * e[:, None, :] + spread).mean(0)
    square = mean_square(rows_of(effects), Mixture(U, GRID, True, weights))
    np.testing.assert_allclose(square, expected, atol=1e-8)


def test_the_correlation_by_em_is_that_of_mashr(shared: Path) -> None:
    one = held(shared / "reference/mash/cases", "a08")
    effects = bm.read_effects(one["Bhat"], one["Shat"])
    found = bm.mash.correlation(effects, "em", covariances=one["U"])
    np.testing.assert_allclose(found, one["V_em"], atol=1e-5)
    assert found.attrs["log_likelihood"] == pytest.approx(one["em_loglik"].max(), abs=1e-3)
    assert found.attrs["turns"] == len(one["em_loglik"])
    on = bm.mash.correlation(effects, "em", covariances=one["U"], rise=0.05)
    assert on.attrs["log_likelihood"] > found.attrs["log_likelihood"]
    far = [
        np.sqrt(np.square(v - one["V_true"]).mean())
        for v in (one["V_simple"], found.values, on.values)
    ]
    assert far == sorted(far, reverse=True)


def test_the_correlation_of_null_effects_is_found_without_being_pulled_to_0() -> None:
    rng = np.random.default_rng(2)
    v = np.full((5, 5), 0.5) + 0.5 * np.eye(5)
    z = rng.multivariate_normal(np.zeros(5), v, 4000)
    effects = bm.read_effects(z=z)
    off = ~np.eye(5, dtype=bool)
    assert bm.mash.correlation(effects).values[off].mean() < 0.42
    by_em = bm.mash.correlation(effects, "em", rise=0.1)
    assert by_em.values[off].mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("rho", [-0.2, 0.0, 0.5, 0.9])
def test_the_pairwise_correlation_of_null_effects_is_not_pulled_to_0(rho: float) -> None:
    v = np.full((5, 5), rho) + (1 - rho) * np.eye(5)
    z = np.random.default_rng(3).multivariate_normal(np.zeros(5), v, 20_000)
    z[np.random.default_rng(4).random(z.shape) < 0.1] = np.nan
    effects = bm.read_effects(z=z)
    found = bm.mash.correlation(effects, "pairwise").values[~np.eye(5, dtype=bool)]
    # standard error of a correlation of 20,000, a third larger for what is cut away
    assert np.abs(found - rho).max() < 4 * 1.4 * (1 - rho**2) / np.sqrt(16_000) + 2e-3
    assert beyond_chance(rows_of(effects)) == (rho != 0)


def test_the_pairwise_correlation_is_a_correlation_where_pairs_contradict_each_other() -> None:
    rng = np.random.default_rng(5)
    z = rng.standard_normal((300, 3))
    for n, (r, s, sign) in enumerate([(0, 1, 1), (1, 2, 1), (0, 2, -1)]):
        some = slice(100 * n, 100 * (n + 1))
        z[some, s] = sign * z[some, r]
        z[some, 3 - r - s] = np.nan
    found = bm.mash.correlation(bm.read_effects(z=z), "pairwise").values
    assert np.linalg.eigvalsh(found)[0] > 0
    np.testing.assert_allclose(np.diag(found), 1)


def test_effects_with_missing_cells_do_not_take_part() -> None:
    b, s = simulated(300, np.random.default_rng(3))
    whole = bm.mash.correlation(bm.read_effects(b, s), "em")
    gone = np.vstack([b, [np.nan, 1, 1, 1]])
    found = bm.mash.correlation(bm.read_effects(gone, np.vstack([s, s[:1]])), "em")
    np.testing.assert_allclose(found, whole, atol=1e-12)


def test_the_step_of_one_row_is_its_own_square() -> None:
    effects = bm.read_effects([[1.0, -2.0, 0.5, 0]], 0.5, v=V)
    rows = replace(rows_of(effects), v=V)
    null = Mixture(U, GRID, True, np.eye(1, 1 + len(GRID) * len(U))[0])
    np.testing.assert_allclose(mean_square(rows, null), np.outer(rows.b[0], rows.b[0]) / 0.25)
