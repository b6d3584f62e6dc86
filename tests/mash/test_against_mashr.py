"""Every recorded number of mashr: given its mixture, and with weights of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bayesmixer as bm
from bayesmixer.mash.deconvolution import deconvolve
from bayesmixer.mash.grid import default_grid
from bayesmixer.mash.learning import learn
from bayesmixer.mash.likelihood import relative
from bayesmixer.mash.mixture import Mixture, factor
from bayesmixer.mash.rows import rows_of
from bayesmixer.mash.truncated import truncated
from bayesmixer.mash.weights import optimal_weights
from tests.mash.cases import ALL, BASELINE, CONTRASTS, MISSING, Case, canonical_of, case, held

# sums of likelihoods in another order and by another factorisation: relative 1e-15 of b' V^-1 b
# (up to 1e4), a million-fold within these
LOG_LIKELIHOOD = 1e-7
POSTERIOR = 1e-9


@pytest.fixture(scope="session")
def cases(shared: Path) -> Path:
    return shared / "reference/mash/cases"


def largest(found: Any, expected: Any) -> float:
    both = np.asarray(found) - np.asarray(expected)
    return float(np.nanmax(np.abs(both), initial=0))


@pytest.mark.parametrize("name", ALL)
def test_posteriors_given_its_mixture_are_those_of_mashr(cases: Path, name: str) -> None:
    one = case(cases, name)
    count = len(one.held.get("posterior_cov20", ()))
    found = bm.mash.posterior(one.given, one.effects, contrasts=one.contrasts)
    names = {
        "mean": "posterior_mean",
        "sd": "posterior_sd",
        "lfsr": "lfsr",
        "lfdr": "lfdr",
        "negative_prob": "negative_prob",
        "log10_bf": "log10bf",
    }
    far = {
        ours: largest(found[ours], one.held[theirs])
        for ours, theirs in names.items()
        if theirs in one.held
    }
    assert {k: x for k, x in far.items() if not x < POSTERIOR} == {}
    if "vloglik" in one.held:
        assert largest(found["log_likelihood"], one.held["vloglik"]) < LOG_LIKELIHOOD
    if "loglik" in one.held:
        total = float(found["log_likelihood"].sum())
        assert abs(total - float(one.held["loglik"][0])) < LOG_LIKELIHOOD
    if count:
        few = one.effects.isel(effect=slice(count))
        covariance = bm.mash.posterior(one.given, few, contrasts=one.contrasts, covariance=True)[
            "covariance"
        ]
        assert largest(covariance, one.held["posterior_cov20"]) < POSTERIOR


# of these components' likelihoods were not recorded
UNRECORDED = {
    "a01_grid2", "a01_nopointmass", "a01_nullweight1", "a01_uniform", "a12", "a12_alpha1",
    "a16_zonly", "a19_R1", "gtex", "gtex_published_prior",
}  # fmt: skip


@pytest.mark.parametrize("name", [n for n in ALL if n not in {*MISSING, *UNRECORDED}])
def test_log_likelihoods_of_components_are_those_of_mashr(cases: Path, name: str) -> None:
    one = case(cases, name)
    count = len(one.held["relative_loglik50"])
    few = rows_of(one.effects.isel(effect=slice(count)))
    matrix, top = relative(few, Mixture(one.u, one.held["grid"], one.point_mass))
    with np.errstate(divide="ignore"):
        found = np.log(matrix.T)
    kept = one.held["relative_loglik50"] > -700  # below, a likelihood is no number
    assert largest(found[kept], one.held["relative_loglik50"][kept]) < LOG_LIKELIHOOD
    # mashr's are of b / s^alpha
    assert largest(top - few.jacobian, one.held["lfactors50"]) < LOG_LIKELIHOOD


@pytest.mark.parametrize("name", [n for n in ALL if n not in ("gtex_published_prior", "a01_grid2")])
def test_the_grid_is_that_of_mashr(cases: Path, name: str) -> None:
    one = case(cases, name)
    grid = default_grid(rows_of(one.effects))
    np.testing.assert_allclose(grid, one.held["grid"], rtol=1e-12)


def test_the_grid_of_another_ratio_is_that_of_mashr(cases: Path) -> None:
    one = case(cases, "a01_grid2")
    np.testing.assert_allclose(default_grid(rows_of(one.effects), 2), one.held["grid"], rtol=1e-12)


FITTED = [n for n in ALL if n != "gtex_published_prior" and not n.startswith(("a12", "a18"))]


@pytest.mark.parametrize("name", [*FITTED, pytest.param("a18", marks=pytest.mark.slow)])
def test_own_weights_are_at_least_as_good_as_those_of_mashr(cases: Path, name: str) -> None:
    one = case(cases, name)
    prior = one.held.get("prior", "nullbiased")
    fit = bm.mash.fit(
        one.effects, one.u, grid=one.held["grid"], prior=prior, point_mass=one.point_mass
    )
    estimate = fit["estimate"]
    assert float(estimate["duality_gap"]) < 1e-4
    if "penalised_loglik" in one.held:
        best = float(one.held["penalised_loglik"][0])
        assert float(estimate["penalised_log_likelihood"]) > best - 1e-4
    found = bm.mash.posterior(fit, one.effects)
    assert largest(found["mean"], one.held["posterior_mean"]) < 1e-3
    assert largest(found["lfsr"], one.held["lfsr"]) < 1e-3
    assert float(estimate["weights"].sum()) == pytest.approx(1, abs=1e-12)
    if "pi_by_cov" in one.held:
        by = one.held["pi_by_cov"][int(one.point_mass) :]
        assert largest(estimate["covariance_weight"], by) < 1e-2


@pytest.mark.parametrize("name", CONTRASTS)
def test_contrasts_under_own_weights_are_those_of_mashr(cases: Path, name: str) -> None:
    one = case(cases, name)
    fit = bm.mash.fit(one.effects, one.u, grid=one.held["grid"])
    assert float(fit["estimate"]["duality_gap"]) < 1e-4
    theirs = bm.mash.posterior(one.given, one.effects)["log_likelihood"].sum()
    pi0 = float(one.held["pi"][0])
    penalised = float(theirs) + 9 * np.log(pi0)
    assert float(fit["estimate"]["penalised_log_likelihood"]) > penalised - 1e-4
    found = bm.mash.posterior(fit, one.effects, contrasts=one.contrasts)
    assert largest(found["mean"], one.held["posterior_mean"]) < 1e-3
    assert largest(found["lfsr"], one.held["lfsr"]) < 1e-3


def test_counts_of_significant_conditions_are_those_of_mashr(cases: Path) -> None:
    for name in ("a01", "a02", "a18"):
        one = case(cases, name)
        found = bm.mash.by_effect(bm.mash.posterior(one.given, one.effects))
        np.testing.assert_array_equal(found["n_significant"], one.held["n_significant_conditions"])


def test_sharing_is_that_of_mashr(cases: Path) -> None:
    for name in ALL:
        one = case(cases, name)
        if "sharing_magnitude" not in one.held:
            continue
        found = bm.mash.posterior(one.given, one.effects)
        for ours, theirs in (
            (bm.mash.sharing(found), "sharing_magnitude"),
            (bm.mash.sharing(found, 0), "sharing_sign"),
            (bm.mash.sharing(found, function=np.abs), "sharing_magnitude_abs"),
        ):
            if theirs in one.held:
                expected = one.held[theirs]
                assert largest(ours, expected) < 1e-12, (name, theirs)
                assert (np.isnan(ours.values) == np.isnan(expected)).all()


def test_weights_of_one_matrix_beat_every_optimiser_that_was_recorded(cases: Path) -> None:
    one = held(cases, "a01_optimizers")
    found = optimal_weights(np.exp(one["relative_loglik"].T), one["prior"] - 1)
    top = one["lfactors"].sum()
    for name in ("mixSQP", "mixEM", "cxxMixSquarem", "mixSQP_tight", "mixEM_tight"):
        assert found.height + top > float(one[f"penloglik_{name}"][0]) - 1e-6
    assert found.gap < 1e-5


def test_canonical_covariances_and_principal_components_are_those_of_mashr(cases: Path) -> None:
    for name, n in (("a02", 3), ("gtex", 5)):
        one = case(cases, name)
        kinds, strong = ("canonical", "pca"), one.held["strong"].astype(int)
        u = bm.mash.covariances(one.effects, kinds, strong=strong, n_components=n)
        found = u["U"].values
        r = one.effects.sizes["condition"]
        assert (found[: r + 5] == canonical_of(r)).all()
        np.testing.assert_allclose(found[r + 5 :], one.held["U_pca"], atol=1e-10)
    a01 = case(cases, "a01")
    assert largest(canonical_of(5), a01.u) == 0


def test_extreme_deconvolution_is_that_of_mashr(cases: Path) -> None:
    one = case(cases, "a02").held
    rows = rows_of(bm.read_effects(one["Bhat"], one["Shat"]).isel(effect=one["strong"].astype(int)))
    roots = [factor(u) for u in one["U_pca"]]
    ridge = np.eye(5) / np.sqrt(len(rows.b))  # which mashr adds
    few = deconvolve(rows, roots, steps=5)
    np.testing.assert_allclose(few.u + ridge, one["U_ed_5iter"], rtol=1e-8)
    np.testing.assert_allclose(few.weights[:, 0], one["ed_5iter_pi"], rtol=1e-8)
    found = deconvolve(rows, roots)
    assert found.steps == 279
    assert abs(found.height - float(one["ed_avloglik"][0])) < 1e-8
    alive = one["ed_pi"] > 1e-6
    np.testing.assert_allclose((found.u + ridge)[alive], one["U_ed"][alive], atol=1e-6)
    again = bm.mash.covariances(
        bm.read_effects(one["Bhat"], one["Shat"]), "ed", strong=one["strong"].astype(int),
        n_components=3, deconvolution="rank_preserving",
    )["U"]  # fmt: skip
    np.testing.assert_allclose(again[alive] + ridge, one["U_ed"][alive], atol=1e-6)


def test_covariances_of_truncated_eigenvalues_are_those_of_mashr(cases: Path) -> None:
    one = case(cases, "a02").held
    z = (one["Bhat"] / one["Shat"])[one["strong"].astype(int)]
    u, weights = truncated(z, one["U_pca"])
    np.testing.assert_allclose(u, one["U_teem"], atol=1e-10)
    np.testing.assert_allclose(weights, one["teem_w"], atol=1e-10)


def test_strong_effects_are_those_of_ash_by_condition(cases: Path) -> None:
    one = case(cases, "a02")
    assert sorted(one.held["strong"]) == bm.mash.strong(one.effects).tolist()


def test_the_simple_correlation_is_that_of_mashr(cases: Path) -> None:
    one = case(cases, "a08")
    data = bm.read_effects(one.held["Bhat"], one.held["Shat"])
    found = bm.mash.correlation(data)
    np.testing.assert_allclose(found, one.held["V_simple"], atol=1e-12)


def test_the_fit_with_the_correlation_by_em_is_that_of_mashr(cases: Path) -> None:
    one = case(cases, "a08")
    data = bm.read_effects(one.held["Bhat"], one.held["Shat"], v=one.held["V_em"])
    fit = bm.mash.given(one.u, one.held["em_fit_grid"], one.held["em_fit_pi"])
    found = bm.mash.posterior(fit, data)
    for ours, theirs in (("mean", "posterior_mean"), ("sd", "posterior_sd"), ("lfsr", "lfsr")):
        assert largest(found[ours], one.held[f"em_fit_{theirs}"]) < POSTERIOR


def test_standard_errors_are_those_of_mashr(cases: Path) -> None:
    t = held(cases, "a16_df")
    found = bm.read_effects(t["Bhat_input"], t["Shat_input"], df=t["df"])
    np.testing.assert_allclose(found["shat"], t["Shat"], rtol=1e-10)
    common = bm.read_effects(t["Bhat_input"], t["Shat_input"], df=5)
    np.testing.assert_allclose(common["shat"], t["Shat_df5"], rtol=1e-10)
    p = held(cases, "a16_pval")
    np.testing.assert_allclose(
        bm.read_effects(p["Bhat"], p=p["pval"])["shat"], p["Shat"], rtol=1e-10
    )


@pytest.mark.parametrize("name", BASELINE)
def test_contrasts_with_a_baseline_are_those_of_mashr(cases: Path, name: str) -> None:
    one = case(cases, name)
    np.testing.assert_allclose(one.effects["bhat"], one.held["Bhat"], atol=1e-13)
    np.testing.assert_allclose(one.effects["shat"], one.held["Shat"], rtol=1e-12)
    recorded = one.held.get("LSVSLt_cor", one.held.get("LSVSLt_cor20"))
    if recorded is not None:
        v = one.effects["v"].values
        np.testing.assert_allclose(v[:20] if v.ndim == 3 else v, recorded, atol=1e-12)


@pytest.mark.slow
def test_held_out_log_likelihoods_of_priors_are_those_of_mashr(cases: Path) -> None:
    recorded, z = held(cases, "gtex_crossvalidation"), held(cases, "gtex")["z"]
    train, test = bm.read_effects(z=z[:500]), bm.read_effects(z=z[500:])
    learned = recorded["cv_U_ed"]
    u = np.concatenate([canonical_of(44), learned])

    def held_out(fit: Any) -> float:
        return float(bm.mash.posterior(fit, test)["log_likelihood"].sum())

    data_driven = held_out(bm.mash.fit(train, u, grid=recorded["cv_grid"]))
    canonical = held_out(bm.mash.fit(train, canonical_of(44), grid=recorded["cv_grid"]))
    lite = bm.mash.fit(
        train, bm.mash.covariances(train, "bmalite"), grid=np.sqrt(0.1 * 4.0 ** np.arange(5))
    )
    assert held_out(lite) == pytest.approx(float(recorded["cv_loglik_bmalite"][0]), abs=0.5)
    ours = bm.mash.covariances(train, strong=np.arange(500))
    assert held_out(bm.mash.fit(train, ours)) > -39_000  # the published prior: -39,589
    assert data_driven == pytest.approx(float(recorded["cv_loglik_dd"][0]), abs=0.5)
    assert canonical == pytest.approx(float(recorded["cv_loglik_canonical"][0]), abs=0.5)


def test_learned_weights_do_not_depend_on_how_rows_are_blocked(cases: Path) -> None:
    one: Case = case(cases, "a01")
    again = one.effects.copy(deep=True)
    # one digit of one standard error: mashr leaves its fast path for it
    again["shat"].values[3, 2] *= 1 + 1e-12
    mixture = Mixture(one.u, one.held["grid"], True)
    heights = [learn(rows_of(data), mixture, "nullbiased") for data in (one.effects, again)]
    assert rows_of(again).parts[0].common
    assert abs(heights[0].penalised - heights[1].penalised) < 1e-7
