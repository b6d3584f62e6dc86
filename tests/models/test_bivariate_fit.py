"""Fits of bivariate MiXeR to a small simulated pair: joint, staged, and what stands beside them."""

import json

import numpy as np
import pytest

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.inference.density import LogDensity
from bayesmixer.models import bivariate_mixer
from tests.models.small_pair import PI, simulate_pair


@pytest.fixture(scope="module")
def data():
    return simulate_pair(seed=2)


@pytest.fixture(scope="module")
def fit(data):
    return bm.fit(bivariate_mixer(data), "map", progress=False)


def test_the_joint_mode_recovers_the_simulation(fit):
    estimate = fit["estimate"]
    assert estimate.attrs["converged"]
    truth = {
        "h2": [0.3, 0.25],
        "sigma2_0": [1.05, 1.02],
        "rho_0": 0.2,
        "rg": 0.6 * PI[2] / np.sqrt((PI[0] + PI[2]) * (PI[1] + PI[2])),
    }
    for name, value in truth.items():
        away = (estimate[name] - np.array(value)) / estimate[f"{name}_se"]
        assert (np.abs(away.values) < 4).all(), name


def test_every_optimum_is_told_and_each_trait_by_itself(fit):
    estimate = fit["estimate"]
    heights = estimate["optimum_log_posterior"].values
    assert heights.max() == pytest.approx(estimate.attrs["log_posterior"])
    for name in ("h2", "pi", "sigma2_0"):
        assert estimate[f"{name}_univariate"].dims == ("trait",)
        # the other trait tells little of this one
        ratio = estimate[f"{name}_univariate"].values / estimate[name].values
        assert (np.abs(np.log(ratio)) < 1.5).all()


def test_the_ends_of_overlap_stand_beside_it(data, fit):
    estimate = fit["estimate"]
    x = np.delete(estimate["mode"].values, 7)
    for name, t in (("least_overlap", 0.0), ("complete_overlap", 1.0)):
        there = LogDensity(bivariate_mixer(data, prior="flat", t=t)).value_and_gradient(x)[0]
        height = estimate.attrs[f"log_likelihood_{name}"]
        assert height >= there - 1e-6
        assert estimate.attrs[f"aic_{name}"] == pytest.approx(16 - 2 * height)
    for name in ("overlap_at_1_percent", "overlap_at_99_percent"):
        assert estimate.attrs[f"n_parameters_{name}"] == 8
    assert estimate.attrs["bic_infinitesimal_pair"] > estimate.attrs["bic"]


def test_the_mode_is_mirrored_with_the_sign_of_the_second_trait(data, fit):
    """Value, slope and curvature at the mirrored mode: the mode and Laplace's moments are too."""
    estimate = fit["estimate"]
    flips = np.isin(estimate["parameter"].values, ["atanh_u", "atanh_rho_0"])
    signs = np.where(flips, -1.0, 1.0)
    other = LogDensity(bivariate_mixer(data.assign(z=data["z"] * [1, -1])))
    mode = estimate["mode"].values
    value, gradient = other.value_and_gradient(mode * signs)
    assert value == pytest.approx(estimate.attrs["log_posterior"], rel=1e-9)
    np.testing.assert_allclose(gradient * signs, estimate["gradient"], atol=1e-5)
    mine = LogDensity(bivariate_mixer(data))
    for sign in (1, -1):  # the two ends of a difference that curvature is made of
        e = np.zeros(9)
        e[6] = 0.02 * sign
        np.testing.assert_allclose(
            other.value_and_gradient((mode + e) * signs)[1] * signs,
            mine.value_and_gradient(mode + e)[1],
            atol=1e-5,
        )


def test_the_staged_estimate_keeps_each_traits_own(data):
    model = bivariate_mixer(data, prior="flat")
    staged = bm.fit(model, "map", staged=True, progress=False)
    estimate = staged["estimate"]
    for name in ("h2", "pi", "sigma2_0"):
        np.testing.assert_allclose(estimate[name], estimate[f"{name}_univariate"], rtol=1e-6)
    stages = json.loads(estimate.attrs["stages"])
    assert list(stages) == ["univariate", "correlations", "overlap"]
    assert stages["univariate"] <= stages["correlations"] <= stages["overlap"] + 1e-9
    assert estimate["profile_log_likelihood"].max() <= stages["overlap"] + 1e-3
    assert stages["overlap"] == pytest.approx(estimate.attrs["log_likelihood"], abs=1e-6)
    fixed = bm.fit(
        bivariate_mixer(data, prior="flat", univariate="fixed"), "map", progress=False,
        calibrate=False,
    )  # fmt: skip
    assert stages["overlap"] == pytest.approx(fixed["estimate"].attrs["log_likelihood"], abs=0.01)
    assert "h2_se" not in estimate


def test_stages_are_refused_where_there_are_none(data):
    one = bm.models.univariate_mixer(data.isel(trait=[0]))
    for model, options in (
        (one, {"method": "map"}),
        (bivariate_mixer(data), {"method": "laplace"}),
        (bivariate_mixer(data), {"method": "map", "starts": 3}),
    ):
        with pytest.raises(InputError, match="staged"):
            bm.fit(model, staged=True, progress=False, **options)


def test_the_fit_knows_its_data(data, fit):
    assert list(bm.rebuild(fit, data).coords["trait"]) == ["first", "second"]
    assert bm.rebuild(fit, data.isel(trait=[1, 0])).coords["trait"] == ("first", "second")
    with pytest.raises(InputError, match="no trait second"):
        bm.rebuild(fit, data.isel(trait=[0]))
    other = data.assign(z=data["z"] + np.array([0.0, 0.1]))
    with pytest.raises(InputError, match="z or N differ"):
        bm.rebuild(fit, other)
