"""Draws of covariances and of the correlation of errors: truths from the prior rank uniformly among
them, and posteriors are averaged over them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import bayesmixer as bm
from bayesmixer.mash.mixture_chains import (
    Chains,
    State,
    drawn_effects,
    filled_errors,
    moved_correlation,
)
from bayesmixer.mash.nested_weights import CONCENTRATION, Nested
from bayesmixer.mash.rows import rows_of
from bayesmixer.mash.transfers import Part

R, GRID = 2, np.array([0.7, 2.0])
PRIOR = Nested((3.0, 3.0), CONCENTRATION, np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]))
CENTRE = np.array([[1.0, 0.4], [0.4, 0.8]])


def told(state: State) -> np.ndarray:
    """What is ranked: null mass, correlation of errors, a variance and a slope of effects, and what
    these are drawn to.
    """
    assert state.v is not None
    u, c = state.u[1], state.common
    return np.array(
        [np.exp(state.log_weights[0]), state.v[0, 1], u[0, 0], u[0, 1] / u[1, 1], c[1, 1]]
    )


def truth_and_chain(
    rng: np.random.Generator, centre: np.ndarray = CENTRE
) -> tuple[Any, Chains, State]:
    """A truth from the prior, and chains that know 60 estimates of its effects, of which a third
    lack a cell.
    """
    log_weights = PRIOR.log_weights(PRIOR.draw(np.zeros(5), rng))
    common = stats.wishart.rvs(2, CENTRE / 2, random_state=rng)
    u = np.array([np.eye(2), stats.invwishart.rvs(6, 3 * common, random_state=rng)])
    v = np.eye(2)
    v[0, 1] = v[1, 0] = rng.uniform(-1, 1)
    weights = np.exp(log_weights)
    of = rng.choice(5, 60, p=weights / weights.sum())
    s = rng.uniform(0.3, 0.8, (60, 2))
    b = s * rng.multivariate_normal(np.zeros(2), v, 60)
    for j in np.flatnonzero(of):
        scale, k = divmod(of[j] - 1, 2)
        b[j] += GRID[scale] * rng.multivariate_normal(np.zeros(2), u[k])
    b[np.arange(0, 60, 3), np.arange(20) % 2] = np.nan
    rows = rows_of(bm.read_effects(b, s))
    chains = Chains(
        rows=rows,
        grid=GRID,
        prior=PRIOR,
        part=Part(np.arange(5), np.array([1, 2])),
        learned=np.array([1]),
        centre=centre,
        strength=3.0,
        steps=np.full((2, 2), 0.3),
    )
    equal = np.full(5, -np.log(5))
    start = State(np.array([np.eye(2), CENTRE]), CENTRE, np.eye(2), equal, 0.0)
    return told(State(u, common, v, log_weights, 0.0)), chains, start


def ranks(n: int, rng: np.random.Generator, apart: int, tune: int, **options: Any) -> np.ndarray:
    """Ranks (truth, functional) among 9 draws."""
    found = []
    for _ in range(n):
        truth, chains, state = truth_and_chain(rng, **options)
        kept = []
        for sweep in range(1, tune + 9 * apart + 1):
            state = chains.sweep(state, rng)
            if sweep > tune and (sweep - tune) % apart == 0:
                kept.append(told(state))
        found.append((np.array(kept) < truth).sum(0))
    return np.array(found)


def test_simulated_truths_rank_uniformly_among_their_draws() -> None:
    """Simulation-based calibration (Talts et al. 2018) of all that is drawn; what covariances are
    drawn to moves slowly where few effects are of them.
    """
    found = ranks(60, np.random.default_rng(1), apart=24, tune=60)
    for name, rank in zip(("null", "errors", "variance", "shape", "common"), found.T, strict=True):
        counts = np.bincount(rank // 2, minlength=5)
        assert stats.chisquare(counts).pvalue > 0.001, (name, counts)


def test_the_calibration_finds_a_wrong_prior() -> None:
    """The same truths, by a sampler that takes effects for five times as large."""
    found = ranks(60, np.random.default_rng(2), apart=8, tune=20, centre=25 * CENTRE)[:, 2]
    assert stats.chisquare(np.bincount(found // 2, minlength=5)).pvalue < 1e-4


def test_effects_are_drawn_from_the_normal_that_estimates_leave() -> None:
    rng = np.random.default_rng(3)
    v, u, s = np.array([[1, 0.5], [0.5, 1]]), np.array([[2.0, 0.6], [0.6, 0.5]]), [0.4, 0.9]
    n, b = 40_000, np.array([1.0, -0.5])
    rows = rows_of(bm.read_effects(np.tile(b, (n, 1)), np.tile(s, (n, 1)), v=v))
    drawn = drawn_effects(rows, np.tile(u, (n, 1, 1)), np.full(n, 0.7), rng)
    prior, errors = 0.49 * u, v * np.outer(s, s)
    gain = prior @ np.linalg.inv(prior + errors)
    # standard errors of .003
    np.testing.assert_allclose(drawn.mean(0), gain @ b, atol=0.012)
    np.testing.assert_allclose(np.cov(drawn.T), prior - gain @ prior, atol=0.012)


def test_what_is_missing_is_drawn_from_what_the_other_cells_leave() -> None:
    rng = np.random.default_rng(7)
    v, n = np.array([[1, 0.5, 0.2], [0.5, 1, -0.3], [0.2, -0.3, 1]]), 40_000
    u, s = np.array([[2.0, 0.6, 0.1], [0.6, 0.5, 0.2], [0.1, 0.2, 1.0]]), np.array([0.4, 0.9, 0.5])
    b, seen = np.array([1.0, np.nan, -0.5]), [0, 2]
    rows = rows_of(bm.read_effects(np.tile(b, (n, 1)), np.tile(s, (n, 1)), v=v))
    drawn = drawn_effects(rows, np.tile(u, (n, 1, 1)), np.full(n, 0.7), rng)
    prior, errors = 0.49 * u, v * np.outer(s, s)
    gain = prior[:, seen] @ np.linalg.inv((prior + errors)[np.ix_(seen, seen)])
    np.testing.assert_allclose(drawn.mean(0), gain @ b[seen], atol=0.012)
    np.testing.assert_allclose(np.cov(drawn.T), prior - gain @ prior[seen], atol=0.012)
    e = np.tile([0.7, 9.0, -1.2], (n, 1))
    filled = filled_errors(e, rows.seen, v, rng)
    assert (filled[:, seen] == e[:, seen]).all()
    gain = v[1, seen] @ np.linalg.inv(v[np.ix_(seen, seen)])
    assert filled[:, 1].mean() == pytest.approx(gain @ e[0, seen], abs=0.02)
    assert filled[:, 1].var() == pytest.approx(1 - gain @ v[seen, 1], abs=0.02)


def test_correlations_of_errors_have_their_posterior_by_quadrature() -> None:
    rng = np.random.default_rng(4)
    e = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 30)
    square, v, kept = e.T @ e, np.eye(2), []
    for _ in range(3000):
        v = moved_correlation(v, square, 30, np.full((2, 2), 0.4), rng)
        kept.append(v[0, 1])
    rho = np.linspace(-0.999, 0.999, 4001)
    trace = (np.trace(square) - 2 * rho * square[0, 1]) / (1 - rho**2)
    height = -15 * np.log(1 - rho**2) - trace / 2
    density = np.exp(height - height.max())
    mean = (density @ rho) / density.sum()
    sd = np.sqrt(density @ (rho - mean) ** 2 / density.sum())
    # 1,000 effective draws or more
    assert np.mean(kept[50:]) == pytest.approx(mean, abs=0.15 * sd)
    assert np.std(kept[50:]) == pytest.approx(sd, rel=0.1)


@pytest.fixture(scope="module")
def few() -> tuple[Any, xr.Dataset, xr.DataTree]:
    rng = np.random.default_rng(5)
    v = np.full((3, 3), 0.4) + 0.6 * np.eye(3)
    true = np.zeros((300, 3))
    true[:60] = np.outer(rng.standard_normal(60), [1.0, 1.0, -0.5])
    b = true + 0.3 * rng.multivariate_normal(np.zeros(3), v, 300)
    effects = bm.read_effects(b, 0.3, v=v)
    return true, effects, bm.mash.run(effects, independent=False)


def test_posteriors_are_averages_over_mixtures(few: Any) -> None:
    _, effects, fit = few
    draws = bm.mash.sample_mixture(fit, effects, draws=5, tune=5, chains=1, progress=False)
    held, estimate = draws["posterior"], fit["estimate"]
    assert held["U"].dims == ("chain", "draw", "learned", "condition", "condition_bis")
    found = bm.mash.posterior(draws, effects)
    parts = []
    for i in range(5):
        one = held.to_dataset().isel(chain=0, draw=i)
        u = estimate["U"].copy()
        u.loc[one["learned"].values] = one["U"].values
        known = bm.mash.given(u.values, estimate["grid"], one["weights"].values)
        under = bm.read_effects(effects["bhat"].values, 0.3, v=one["error_correlation"].values)
        parts.append(bm.mash.posterior(known, under))
    mean = np.mean([one["mean"].values for one in parts], 0)
    np.testing.assert_allclose(found["mean"], mean, rtol=1e-9)
    square = np.mean([one["mean"].values ** 2 + one["sd"].values ** 2 for one in parts], 0)
    np.testing.assert_allclose(found["sd"] ** 2, square - mean**2, rtol=1e-7)
    below = np.mean([one["negative_prob"].values for one in parts], 0)
    zero = np.mean([one["lfdr"].values for one in parts], 0)
    np.testing.assert_allclose(found["lfsr"], np.minimum(below + zero, 1 - below), atol=1e-12)
    heights = [one["log_likelihood"].values for one in parts]
    np.testing.assert_allclose(
        found["log_likelihood"], np.logaddexp.reduce(heights) - np.log(5), rtol=1e-10
    )


def test_draws_are_told_saved_and_repeated(few: Any, tmp_path: Any) -> None:
    _, effects, fit = few
    options: Any = {"draws": 5, "tune": 2, "progress": False}
    with pytest.warns(bm.DataWarning, match="disagree"):
        one = bm.mash.sample_mixture(fit, effects, **options)
    with pytest.warns(bm.DataWarning, match="disagree"):
        again = bm.mash.sample_mixture(fit, effects, **options)
    xr.testing.assert_identical(one["posterior"].to_dataset(), again["posterior"].to_dataset())
    bm.verdict(one)
    bm.summary(one)
    bm.report(one, path=tmp_path / "draws.html")
    bm.save(one, tmp_path / "draws.nc")
    both = bm.mash.together(one, bm.mash.posterior(one, effects), effects)
    assert "plugged in" not in str(bm.verdict(both))
    held = bm.mash.posterior(bm.load(tmp_path / "draws.nc"), effects)
    np.testing.assert_allclose(held["mean"], bm.mash.posterior(one, effects)["mean"], rtol=1e-9)
    with pytest.raises(bm.InputError, match="draws of covariances"):
        bm.mash.sample(one, effects)


def test_errors_alone_are_drawn_where_no_covariance_was_learned(few: Any) -> None:
    _, effects, _ = few
    fit = bm.mash.fit(effects, bm.mash.covariances(effects, "canonical"))
    draws = bm.mash.sample_mixture(fit, effects, draws=5, tune=5, chains=1, progress=False)
    found = bm.mash.posterior(draws, effects)
    assert draws["posterior"].sizes["learned"] == 0
    assert np.isfinite(found["mean"]).all()


def test_what_cannot_be_drawn_is_refused(few: Any) -> None:
    _, effects, fit = few
    with pytest.raises(bm.InputError, match="no covariance is named nope"):
        bm.mash.sample_mixture(fit, effects, learned="nope", errors=False)
    by_effect = effects.drop_vars("v").assign(
        v=(("effect", "condition", "condition_bis"), np.tile(effects["v"].values, (300, 1, 1)))
    )
    with pytest.raises(bm.InputError, match="differs by effect"):
        bm.mash.sample_mixture(fit, by_effect)
    with pytest.raises(bm.InputError, match="strength"):
        bm.mash.sample_mixture(fit, effects, strength=0)
