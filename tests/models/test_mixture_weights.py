"""Models of a mixture's weights: density, modes, samplers that agree, averaged posteriors."""

from __future__ import annotations

import json
import pickle
import warnings
from typing import Any

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from scipy import stats
from scipy.special import logsumexp

import bayesmixer as bm
from bayesmixer.mash.weight_step import step_of
from bayesmixer.models.common import bound_of

RNG = np.random.default_rng(0)
BHAT = RNG.normal(0, 1, (300, 2)) * (RNG.random((300, 1)) < 0.3) + RNG.normal(0, 0.4, (300, 2))
U = {"identity": np.eye(2), "equal": np.ones((2, 2))}
GRID = [0.3, 1.0]


@pytest.fixture(scope="module")
def effects() -> xr.Dataset:
    return bm.read_effects(BHAT, 0.4)


@pytest.fixture(scope="module")
def model(effects: xr.Dataset) -> pm.Model:
    return bm.models.mash(effects, U, grid=GRID)


@pytest.fixture(scope="module")
def sampled(model: pm.Model) -> xr.DataTree:
    return bm.fit(model, "gibbs", draws=2000, chains=2, seed=1)


def masses(held: Any) -> dict[str, float]:
    """Means and standard deviations of what data identify."""
    return {
        f"{name} {what}": float(getattr(held[name], what)())
        for name in ("pi0", "near_null", "effect_sd")
        for what in ("mean", "std")
    } | {
        f"{one} {what}": float(getattr(held["covariance_weight"].sel(covariance=one), what)())
        for one in U
        for what in ("mean", "std")
    }


def test_the_density_is_that_of_dirichlets_and_normals(model: pm.Model) -> None:
    null, group, scale = 0.6, np.array([0.3, 0.7]), np.array([[0.2, 0.8], [0.9, 0.1]])
    point = {"null_mass": null, "group_share": group, "scale_share": scale}
    value = {
        model.rvs_to_values[model[name]].name: model.rvs_to_transforms[model[name]]
        .forward(np.asarray(one), *model[name].owner.inputs)
        .eval()
        for name, one in point.items()
    }
    log_density = model.compile_logp(jacobian=False)(value)
    prior = stats.beta(10, 1).logpdf(null) + stats.dirichlet([2.5, 2.5]).logpdf(group)
    prior += sum(stats.dirichlet([2.5, 2.5]).logpdf(row) for row in scale)
    terms = [np.log(null) + stats.multivariate_normal(np.zeros(2), 0.16 * np.eye(2)).logpdf(BHAT)]
    for k, u in enumerate(U.values()):
        for i, sd in enumerate(GRID):
            v = 0.16 * np.eye(2) + sd**2 * u
            weight = np.log((1 - null) * group[k] * scale[k, i])
            terms.append(weight + stats.multivariate_normal(np.zeros(2), v).logpdf(BHAT))
    expected = prior + logsumexp(terms, axis=0).sum()
    # PyMC's own Beta(10, 1) is 5e-7 off, a constant
    assert float(log_density) == pytest.approx(expected, abs=1e-6)


def test_components_stand_in_the_order_of_the_fit(effects: xr.Dataset, model: pm.Model) -> None:
    own = bm.mash.fit(effects, U, grid=GRID)["estimate"]
    mode = bm.fit(model, "map")["estimate"]
    assert list(mode["component"].values) == list(own["component"].values)
    np.testing.assert_allclose(mode["weights"], own["weights"], atol=1e-6)
    for name in ("log_likelihood", "penalised_log_likelihood", "pi0"):
        assert float(mode[name]) == pytest.approx(float(own[name]), abs=1e-6)
    assert list(model.coords["component"]) == list(own["component"].values)


def test_gaussians_at_the_mode_are_refused_in_one_line(model: pm.Model) -> None:
    with pytest.raises(bm.InputError, match=r"^method: 'laplace', but many weights are 0"):
        bm.fit(model)
    with pytest.raises(bm.InputError, match=r"^method: 'binned', expected one of map, gibbs"):
        bm.fit(model, "binned")


def test_sweeps_as_a_step_of_pymc_draw_the_same(model: pm.Model, sampled: xr.DataTree) -> None:
    with model, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pm.sample(
            draws=2000,
            tune=200,
            chains=2,
            cores=1,
            step=[step_of(model)],
            random_seed=2,
            progressbar=False,
        )
    expected = masses(sampled["posterior"])
    # sds of up to .06, some hundred effective draws
    for name, one in masses(found["posterior"]).items():
        assert one == pytest.approx(expected[name], abs=0.015), name


def test_nuts_draws_the_same(model: pm.Model, sampled: xr.DataTree) -> None:
    found = bm.fit(model, "nuts", draws=500, tune=300, chains=2, cores=1, seed=3)
    expected = masses(sampled["posterior"])
    for name, one in masses(found["posterior"]).items():
        assert one == pytest.approx(expected[name], abs=0.015), name
    assert int(found["sample_stats"]["diverging"].sum()) == 0


def test_effects_are_averaged_over_draws(effects: xr.Dataset, sampled: xr.DataTree) -> None:
    some = sampled.copy()
    some["posterior"] = xr.DataTree(
        sampled["posterior"].to_dataset().isel(draw=slice(None, None, 250))
    )
    found = bm.mash.posterior(some, effects)
    mode = bm.mash.posterior(bm.mash.fit(effects, U, grid=GRID), effects)
    assert float(np.abs(found["mean"] - mode["mean"]).max()) < 0.1
    draws = some["posterior"]["weights"].values.reshape(-1, 5)
    parts = [bm.mash.posterior(bm.mash.given(U, GRID, w), effects) for w in draws]
    negative = np.mean([one["negative_prob"].values for one in parts], 0)
    np.testing.assert_allclose(found["negative_prob"], negative, atol=1e-12)


def test_dependent_effects_have_wider_masses() -> None:
    once = RNG.normal(0, 1, (80, 1)) * (RNG.random((80, 1)) < 0.4) + RNG.normal(0, 0.4, (80, 1))
    gene = np.repeat(np.arange(80), 5)
    # five effects of a gene are one effect seen five times
    repeated = once[gene]
    widths = []
    for block in (None, gene):
        model = bm.models.ash(repeated, 0.4, grid=[0.3, 1.0], block=block)
        found = bm.fit(model, "bootstrap", draws=150, seed=4)
        widths.append(float(found["posterior"]["pi0"].std()))
    assert widths[1] / widths[0] == pytest.approx(5**0.5, rel=0.35)


@pytest.mark.parametrize("mixture", ["normal", "half-uniform"])
def test_one_condition(mixture: str) -> None:
    model = bm.models.ash(BHAT[:, 0], 0.4, mixture, grid=GRID, block=np.arange(300) // 3)
    found = bm.fit(model, "gibbs", draws=400, seed=5)
    mode = bm.ash(BHAT[:, 0], 0.4, mixture, grid=GRID)
    np.testing.assert_allclose(found["estimate"]["weights"], mode["estimate"]["weights"], atol=1e-5)
    effects = bm.read_effects(BHAT[:, 0], 0.4)
    again = bm.mash.posterior(found, effects)
    np.testing.assert_allclose(again["lfsr"][:, 0], found["effects"]["lfsr"], atol=1e-12)
    np.testing.assert_allclose(
        bm.ash(BHAT[:, 0], 0.4, given=found)["effects"]["sd"], found["effects"]["sd"], atol=1e-12
    )
    assert float(np.abs(found["effects"]["mean"] - mode["effects"]["mean"]).max()) > 1e-4


def test_effects_in_one_condition_are_the_same_to_both_models() -> None:
    data = bm.read_effects(BHAT[:, 0], 0.4)
    one = bm.models.mash(data, {"one": [[1.0]]}, grid=GRID)
    other = bm.models.ash(data, grid=GRID)
    draws = [bm.fit(m, "gibbs", draws=300, seed=6)["posterior"]["weights"] for m in (one, other)]
    np.testing.assert_allclose(draws[0], draws[1], rtol=1e-9)


def test_all_null_effects_have_most_mass_near_0() -> None:
    x = np.random.default_rng(9).standard_normal(2000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bm.DataWarning)
        found = bm.fit(bm.models.ash(x, 1.0), "gibbs", draws=500, seed=7)
    assert float(found["posterior"]["near_null"].mean()) > 0.97


def test_models_travel_are_rebuilt_and_saved(
    tmp_path: Any, model: pm.Model, effects: xr.Dataset, sampled: xr.DataTree
) -> None:
    bound = bound_of(pickle.loads(pickle.dumps(model)))
    assert bound is not None
    smaller = bound.build(effects.isel(effect=slice(50)))
    assert len(smaller.coords["effect"]) == 50
    back = bm.load(bm.save(sampled, tmp_path / "sampled.nc"))
    np.testing.assert_allclose(
        bm.mash.posterior(back, effects)["lfsr"], bm.mash.posterior(sampled, effects)["lfsr"]
    )
    assert json.loads(back.attrs["options"])["concentration"] == 5
    assert bm.summary(sampled) is not None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"null": 3}, "null: 3, expected two positive numbers"),
        ({"null": (1, 0)}, r"null: \(1, 0\), expected two positive numbers"),
        ({"concentration": 0}, "concentration: 0, expected a positive number"),
        ({"block": [1, 2]}, "block: 2 labels for 300 effects"),
        ({"grid": [-1]}, "grid: expected positive numbers"),
        ({"prior": "flat"}, "prior: not an option of mash"),
    ],
)
def test_what_they_cannot_use_is_refused(
    effects: xr.Dataset, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(bm.InputError, match=f"^{says}"):
        bm.models.mash(effects, U, **({"grid": GRID} | options))


def test_the_component_of_independent_effects_is_one_more_group(effects: xr.Dataset) -> None:
    model = bm.models.mash(effects, U, grid=GRID, independent=True)
    own = bm.mash.fit(effects, U, grid=GRID, independent=True)["estimate"]
    found = bm.fit(model, "gibbs", draws=300, chains=2, seed=8)
    np.testing.assert_allclose(found["estimate"]["weights"], own["weights"], atol=1e-5)
    held = found["posterior"].to_dataset()
    assert held["covariance"].values.tolist() == [*U]
    total = held["covariance_weight"].sum("covariance") + held["pi0"]
    np.testing.assert_allclose(total + held["independent_weight"], 1, atol=1e-10)
    last = held["weights"].isel(component=-1)
    np.testing.assert_allclose(last, held["independent_weight"])
    spread = float(found["estimate"]["independent_weight_sd"])
    assert spread == pytest.approx(float(last.std()))
    assert "independent_weight" in {x["quantity"] for x in bm.to_json(found)["estimates"]}
    assert (bm.mash.posterior(found, effects)["lfsr"] <= 1).all()


def test_without_a_number_of_draws_chains_go_on_until_they_agree(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from bayesmixer.mash import sampled_weights

    model = bm.models.ash(np.random.default_rng(13).standard_normal(60) * 2, 1.0)
    told = iter([1.2, 1.01])
    monkeypatch.setattr(sampled_weights, "DRAWS", {"gibbs": 40})
    swept: list[int] = []
    plain = sampled_weights.chain

    def counted(*arguments: Any) -> Any:
        swept.append(arguments[4] * arguments[8] + arguments[5])
        return plain(*arguments)

    monkeypatch.setattr(sampled_weights, "chain", counted)
    monkeypatch.setattr(sampled_weights, "largest_r_hat", lambda held: next(told, 1.01))
    found = bm.fit(model, "gibbs", chains=2, tune=10, seed=1)
    assert found["posterior"].sizes["draw"] == 40
    assert swept == [50, 50, 40, 40]
    assert not json.loads(found.attrs["warnings"])
    told = iter([9.0] * 9)
    swept.clear()
    with pytest.warns(bm.DataWarning, match="R-hat 9.00"):
        bm.fit(model, "gibbs", chains=2, tune=10, seed=1)
    assert swept == [50, 50, 40, 40, 80, 80]
    swept.clear()
    with pytest.warns(bm.DataWarning, match="R-hat 9.00"):
        bm.fit(model, "gibbs", draws=50, chains=2, tune=10, seed=1)
    assert swept == [60, 60]


@pytest.mark.parametrize("one", ["mash", "ash", "uniform"])
def test_the_scale_of_effects_has_the_posterior_that_quadrature_gives(one: str) -> None:
    """Weights of 0 and two scales: a triangle."""
    rng = np.random.default_rng(2)
    s, n, sd = 0.5, 60, np.array([0.6, 2.5])
    b = s * rng.standard_normal(n) + sd[rng.integers(2, size=n)] * rng.standard_normal(n) * (
        rng.random(n) < 0.5
    )
    variance = np.r_[0, sd**2]
    if one == "mash":
        u = np.diag([1.0, 0.25])
        two = np.c_[b, s * rng.standard_normal(n)]
        fitted = bm.models.mash(bm.read_effects(two, s), {"one": u}, grid=sd, null=(2, 1.5))
        logs = [stats.multivariate_normal(np.zeros(2), s * s * np.eye(2)).logpdf(two)]
        for x in sd:
            v = s * s * np.eye(2) + x * x * u
            logs.append(stats.multivariate_normal(np.zeros(2), v).logpdf(two))
    else:
        family = "normal" if one == "ash" else "uniform"
        fitted = bm.models.ash(b, np.full(n, s), family, grid=sd, null=(2, 1.5))
        logs = [stats.norm.logpdf(b, 0, s)]
        for x in sd:
            if one == "ash":
                logs.append(stats.norm.logpdf(b, 0, np.hypot(s, x)))
            else:
                inside = stats.norm.cdf((x - b) / s) - stats.norm.cdf((-x - b) / s)
                logs.append(np.log(inside / (2 * x)))
        variance = variance / (1 if one == "ash" else 3)
    at = (np.arange(400) + 0.5) / 400
    null, first = (x.ravel() for x in np.meshgrid(at, at))
    weights = np.c_[null, (1 - null) * first, (1 - null) * (1 - first)]
    height = np.log(weights @ np.exp(logs)).sum(1)
    height += stats.beta(2, 1.5).logpdf(null) + stats.beta(2.5, 2.5).logpdf(first)
    density = np.exp(height - height.max())
    density /= density.sum()
    true = np.sqrt(weights @ variance)
    mean = density @ true
    spread = np.sqrt(density @ (true - mean) ** 2)
    found = bm.fit(fitted, "gibbs", draws=4000, chains=2, seed=3)
    held = found["posterior"]["effect_sd"]
    if one == "mash":
        np.testing.assert_allclose(held.isel(condition=1), held.isel(condition=0) / 2, rtol=1e-9)
        held = held.isel(condition=0)
        assert found["estimate"]["effect_sd_mean"].dims == ("condition",)
    # some thousand effective draws
    assert float(held.mean()) == pytest.approx(mean, abs=0.06 * spread)
    assert float(held.std()) == pytest.approx(spread, rel=0.06)
    with fitted:
        prior = pm.sample_prior_predictive(500, var_names=["effect_sd", "weights"], random_seed=1)
    drawn = prior["prior"].isel(chain=0)
    expected = np.sqrt(drawn["weights"].values @ variance)
    own = drawn["effect_sd"].values
    np.testing.assert_allclose(own[:, 0] if one == "mash" else own, expected, rtol=1e-9)
