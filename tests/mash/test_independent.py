"""The component of effects that are independent between conditions: ash, condition by condition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import bayesmixer as bm
from bayesmixer.mash.earned_weights import without_coincidences
from bayesmixer.mash.independent import Alone, log_density
from bayesmixer.mash.rows import rows_of
from bayesmixer.mash.weights import optimal_weights
from tests.mash.test_mash import GRID, KINDS, R, U, V, gappy, simulated

OWN = np.random.default_rng(0).dirichlet(np.ones(1 + len(GRID)), R)
SOME = np.arange(3)  # components of covariances, beside one of independent effects
ALL = np.eye(1, 2 + len(GRID) * len(U), 1 + len(GRID) * len(U))[0]  # of the component, last


def sparse(n: int, seed: int, r: int = R, s: float = 0.3) -> tuple[Any, Any]:
    """Effects of a tenth of cells, whatever the row."""
    rng = np.random.default_rng(seed)
    true = rng.standard_normal((n, r)) * (rng.random((n, r)) < 0.1)
    return true, true + s * rng.standard_normal((n, r))


def test_posteriors_within_it_are_those_of_ash() -> None:
    _, b = sparse(400, 1)
    s = 0.3 * np.exp(0.3 * np.random.default_rng(2).standard_normal(b.shape))
    effects = bm.read_effects(b, s)
    fit = bm.mash.fit(effects, U, independent=True)["estimate"]
    grid, weights = fit["grid"].values, fit["independent_weights"].values
    only = np.eye(1, 2 + len(grid) * len(U), 1 + len(grid) * len(U))[0]
    found = bm.mash.posterior(bm.mash.given(U, grid, only, independent=weights), effects)
    for r in range(R):
        own = bm.ash(b[:, r], s[:, r], grid=grid)
        np.testing.assert_allclose(weights[r], own["estimate"]["weights"], atol=1e-6)
        for name in ("mean", "sd", "lfsr", "lfdr", "negative_prob"):
            np.testing.assert_allclose(found[name][:, r], own["effects"][name], atol=2e-6)
    total = sum(
        float(bm.ash(b[:, r], s[:, r], grid=grid)["estimate"]["log_likelihood"]) for r in range(R)
    )
    assert float(found["log_likelihood"].sum()) == pytest.approx(total, abs=1e-3)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_without_effects_has_the_density_of_its_errors(kind: str, missing: bool) -> None:
    b, s = simulated(60, np.random.default_rng(4))
    if kind in ("common", "correlated"):
        s = np.broadcast_to(s[0], b.shape)
    if missing:
        b, s = gappy(b, s, np.random.default_rng(5))
    v = {"c": V, "v": np.broadcast_to(V, (60, R, R))}.get(kind[0]) if kind != "common" else None
    rows = rows_of(bm.read_effects(b, s, v=v))
    nothing = Alone(np.eye(1, 4).repeat(R, 0), np.r_[0, GRID])
    for part in rows.parts:
        found = log_density(rows, nothing, part, part.members)
        for j, one in zip(part.members, found, strict=True):
            seen = rows.seen[j]
            error = rows.covariance(np.array([j]))[0][np.ix_(seen, seen)]
            expected = stats.multivariate_normal.logpdf(rows.b[j, seen], cov=error)
            assert one == pytest.approx(expected, abs=1e-9)


def test_with_correlated_errors_it_is_a_density_with_each_conditions_own() -> None:
    v = np.array([[1, 0.7], [0.7, 1]])
    own = Alone(np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3]]), np.array([0, 0.5, 2]))
    at = np.linspace(-25, 25, 4001)
    for b in (0.0, 0.8, -3.0):
        rows = rows_of(bm.read_effects(np.c_[np.full_like(at, b), at], 0.5, v=v))
        density = np.exp(log_density(rows, own, rows.parts[0], np.arange(len(at))))
        expected = own.weights[0] @ stats.norm.pdf(b, scale=np.sqrt(0.25 + own.scales**2))
        assert np.trapezoid(density, at) == pytest.approx(expected, rel=1e-6)


def test_where_effects_are_independent_it_takes_the_weight_and_signs_are_right() -> None:
    true, b = sparse(3000, 6, r=16)
    effects = bm.read_effects(b, 0.3)
    wrong = {}
    for independent in (False, True):
        fit = bm.mash.fit(effects, bm.mash.covariances(effects), independent=independent)
        found = bm.mash.posterior(fit, effects)
        called = found["lfsr"].values < 0.05
        miss = np.sign(found["mean"].values[called]) != np.sign(true[called])
        wrong[independent] = miss.mean(), found["lfsr"].values[called].mean()
        assert float(fit["estimate"]["duality_gap"]) < 1e-4
    assert float(fit["estimate"]["independent_weight"]) > 0.8
    assert str(fit["estimate"]["component"].values[-1]) == "independent"
    assert wrong[False][0] > 2 * wrong[False][1]
    assert wrong[True][0] < 1.25 * wrong[True][1] + 0.005  # two standard errors of 1,000 calls
    pi0 = float(fit["estimate"]["weights"][0]) + float(
        fit["estimate"]["independent_weight"]
    ) * np.prod(fit["estimate"]["independent_weights"].values[:, 0])
    assert float(fit["estimate"]["pi0"]) == pytest.approx(pi0)


def test_where_effects_are_shared_it_has_no_weight() -> None:
    rng = np.random.default_rng(7)
    true = rng.standard_normal((3000, 1)) * (rng.random((3000, 1)) < 0.2) * np.ones(R)
    effects = bm.read_effects(true + 0.3 * rng.standard_normal((3000, R)), 0.3)
    fit = bm.mash.fit(effects, U, independent=True)["estimate"]
    assert float(fit["independent_weight"]) < 1e-3
    without = bm.mash.fit(effects, U)["estimate"]
    spared = int(((without["covariance_weight"] > 0) & (fit["covariance_weight"] == 0)).sum())
    lost = float(without["penalised_log_likelihood"]) - float(fit["penalised_log_likelihood"])
    assert lost <= 2 * spared + 1e-5


def test_covariances_that_bring_less_than_their_numbers_have_no_weight() -> None:
    """Noise that is a little wider in one condition is no effect there; some effects are."""
    b = np.random.default_rng(2).standard_normal((2000, 6))
    null = bm.read_effects(b, 1.0)
    u = bm.mash.covariances(null, "canonical")
    plain, spare = (bm.mash.fit(null, u, independent=one)["estimate"] for one in (False, True))
    assert float(plain["pi0"]) < 0.98
    assert float(spare["pi0"]) > 0.999
    b[:200] += 2 * np.random.default_rng(3).standard_normal((200, 1)) * np.ones(6)
    found = bm.mash.fit(bm.read_effects(b, 1.0), u, independent=True)["estimate"]
    weight = found["covariance_weight"]
    assert float(weight.sel(covariance="equal")) > 0.1
    assert float(weight.sel(covariance="equal")) == float(weight.sum())
    assert float(found["duality_gap"]) < 1e-4


@pytest.mark.parametrize("seed", [0, 3])
def test_noise_in_many_conditions_leaves_no_independent_effects(seed: int) -> None:
    """Each condition's own mixture is a little better than none by chance, and the product of all
    is so like the point mass that it shared its weight.
    """
    noise = np.random.default_rng(seed).standard_normal((5000, 44))
    found = bm.mash.run(bm.read_effects(noise, 1.0))["estimate"]
    assert float(found["pi0"]) >= 0.98
    assert float(found["independent_weight"]) == 0


def test_conditions_with_effects_by_themselves_keep_their_own_mixture() -> None:
    rng = np.random.default_rng(5)
    b = rng.standard_normal((3000, 10))
    b[:300, :3] += 4 * rng.standard_normal((300, 3))
    b[:300] = rng.permuted(b[:300], axis=0)  # not of one row in two conditions
    effects = bm.read_effects(b, 1.0)
    found = bm.mash.fit(effects, bm.mash.covariances(effects, "canonical"), independent=True)
    found = found["estimate"]
    assert float(found["independent_weight"]) > 0.5
    none = found["independent_weights"].isel(independent_scale=0)
    assert (none[:3] < 0.95).all() and (none[3:] > 0.99).sum() >= 6


def test_missing_cells_get_the_prior_of_their_condition() -> None:
    fit = bm.mash.given(U, GRID, ALL, independent=OWN)
    found = bm.mash.posterior(fit, bm.read_effects([[1.0, np.nan, 0.2, -1]], 0.5), covariance=True)
    assert float(found["mean"][0, 1]) == 0
    assert float(found["sd"][0, 1]) ** 2 == pytest.approx(OWN[1, 1:] @ GRID**2)
    assert float(found["lfdr"][0, 1]) == pytest.approx(OWN[1, 0])
    np.testing.assert_allclose(
        found["covariance"][0], np.diag(found["sd"][0].values ** 2), atol=1e-12
    )


def test_contrasts_of_independent_effects_have_their_moments() -> None:
    effects = bm.read_effects([[1.0, 0.3, 0.2, -1]], 0.5)
    fit = bm.mash.given(U, GRID, ALL, independent=OWN)
    plain = bm.mash.posterior(fit, effects)
    a = np.array([[1.0, -1, 0, 0], [0, 0, 0, -2], [0.5, 0.5, 0.5, 0.5]])
    found = bm.mash.posterior(fit, effects, contrasts=a, covariance=True)
    np.testing.assert_allclose(found["mean"][0], a @ plain["mean"][0].values)
    variance = plain["sd"][0].values ** 2
    np.testing.assert_allclose(found["covariance"][0], a @ np.diag(variance) @ a.T, atol=1e-12)
    assert float(found["negative_prob"][0, 1]) == pytest.approx(
        1 - float(plain["negative_prob"][0, 3]) - float(plain["lfdr"][0, 3])
    )
    assert float(found["lfdr"][0, 0]) == pytest.approx(
        float(plain["lfdr"][0, 0] * plain["lfdr"][0, 1])
    )


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_fit_with_it_is_saved_and_says_the_same(tmp_path: Path, alpha: float) -> None:
    _, b = sparse(300, 8)
    effects = bm.read_effects(b, 0.3, v=V, alpha=alpha)
    fit = bm.mash.fit(effects, U, independent=True)
    bm.save(fit, tmp_path / "fit.nc")
    found = bm.mash.posterior(fit, effects)
    assert bm.mash.posterior(bm.load(tmp_path / "fit.nc"), effects).equals(found)
    assert np.isfinite(found["mean"]).all()
    assert bm.mash.rank_one(fit, effects, found).max() <= 1


@pytest.mark.parametrize(("reason", "kept"), [(7.3, False), (12.0, True)])
def test_a_component_that_one_effect_alone_asks_for_must_be_worth_its_choice(
    reason: float, kept: bool
) -> None:
    """It gets weight from 6.9 = log 1,000 effects on, and log(1,000 x 4 components) is 8.3."""
    rng = np.random.default_rng(8)
    matrix = np.exp(-rng.uniform(0, 3, (4, 1000)))
    matrix[1:3] *= 1e-6
    matrix[:, 0] = np.exp([-50, 0, -50, -reason])
    best = optimal_weights(matrix.copy(), np.zeros(4))
    assert best.x[1] > 5e-4
    found = without_coincidences(matrix, np.zeros(4), best, SOME)
    assert (found.x[1] > 0) == kept
    assert found.x.sum() == pytest.approx(1, abs=1e-12)
    assert (found.height < best.height - 0.1) == (not kept)
    assert found.gap < 1e-4


def test_what_thousands_of_effects_give_a_little_of_is_no_reason_beside_one() -> None:
    """A component of small scale takes a thousandth of every effect that is nothing."""
    rng = np.random.default_rng(10)
    matrix = np.exp(-rng.uniform(0, 3, (4, 1000)))
    matrix[1], matrix[2] = 0.7 * matrix[[0, 3]].mean(0), 1e-6
    matrix[:, 0] = np.exp([-50, 0, -50, -7.3])
    best = optimal_weights(matrix.copy(), np.zeros(4))
    assert best.x[1] > 1e-3
    assert without_coincidences(matrix, np.zeros(4), best, SOME).x[1] == 0


def test_two_components_that_one_effect_alone_asks_for_do_not_leave_it_without_any() -> None:
    rng = np.random.default_rng(9)
    matrix = np.exp(-rng.uniform(0, 3, (4, 1000)))
    matrix[1:3] *= 1e-6
    matrix[:, 0] = np.exp([-900, 0, -0.1, -800])
    matrix[1, 1] = matrix[2, 2] = 0.3  # as each has some other
    best = optimal_weights(matrix, np.zeros(4))
    with_both = best._replace(x=np.array([0.4, 6e-4, 5e-4, 0.5989]))
    found = without_coincidences(matrix, np.zeros(4), with_both, SOME)
    assert found.x[1] > 5e-4


def test_no_other_effect_is_left_without_any_either() -> None:
    """Two components are each most of one effect, and together all that a third has."""
    rng = np.random.default_rng(9)
    matrix = np.exp(-rng.uniform(0, 3, (4, 1000)))
    matrix[1:3] = 0
    matrix[:, 0] = np.exp([-8, 0, -50, -8])
    matrix[:, 1] = [0, 1, 0.8, 0]
    matrix[:, 2] = np.exp([-8, -50, 0, -8])
    best = optimal_weights(matrix, np.zeros(4))
    with_both = best._replace(x=np.array([0.4, 1e-3, 1e-3, 0.598]))
    found = without_coincidences(matrix, np.zeros(4), with_both, SOME)
    assert np.isfinite(found.height)
    assert ((found.x @ matrix) > 0).all()


def test_what_is_learned_from_few_effects_must_be_worth_it() -> None:
    """Effects that are equal or independent need no third covariance; those along a line do."""
    rng = np.random.default_rng(11)
    line = np.array([1, -1, 1, -1, 0.5, 1, -1])
    kinds = {"alike": np.ones(7), "along": line}
    used = {}
    for name, shape in kinds.items():
        true = np.zeros((3000, 7))
        true[:300] = rng.standard_normal((300, 1)) * shape * 1.5
        true[300:450] = rng.standard_normal((150, 7))
        effects = bm.read_effects(true + rng.standard_normal(true.shape), 1.0)
        strong = bm.mash.strong(effects)[:10]
        u = bm.mash.covariances(effects, strong=strong)
        assert u["learned_from"].sel(covariance="ed").item() == 10
        assert (u["learned_from"].sel(covariance=["identity", "equal"]) == 0).all()
        for independent in (False, True):
            fit = bm.mash.fit(effects, u, independent=independent)["estimate"]
            weight = fit["covariance_weight"]
            used[name, independent] = float(weight[u["learned_from"].values > 0].sum())
    assert used["alike", False] > 0
    assert used["alike", True] == 0
    assert used["along", True] > 0.03


def test_the_point_mass_is_no_coincidence() -> None:
    effects = bm.read_effects([[0.1, 0.0, -0.1]], 1.0)
    u = bm.mash.covariances(effects, "canonical")
    fit = bm.mash.fit(effects, u, prior="uniform", independent=True, grid=[3.0, 9.0])
    assert float(fit["estimate"]["pi0"]) > 0.99
