"""Fits of the embedded data set: the truth inside the intervals, one optimum from anywhere, and the
right model by AIC and BIC.
"""

import warnings

import numpy as np
import pytest

import bayesmixer as bm
from bayesmixer.mixer.starts import thin


def map_fit(data, model="univariate_mixer", prior="flat", **kwargs):
    return bm.fit(
        getattr(bm.models, model)(data, prior=prior),
        "map",
        calibrate=False,
        profile=False,
        progress=False,
        **kwargs,
    )


@pytest.fixture(scope="module")
def estimates(example_of):
    """Estimate of univariate MiXeR for each trait of the embedded data set, all of its variants."""
    return {
        trait: map_fit(example_of(trait))["estimate"] for trait in ("polygenic", "infinitesimal")
    }


def test_truth_lies_within_three_standard_errors_of_the_estimate(estimates, example):
    estimate = estimates["polygenic"]
    truth = example.read_truth("polygenic")
    # sandwich standard errors are 1.0 to 2.0 times the curvature's: three of the larger
    error = 3 * 2.0 * np.sqrt(np.diag(estimate["covariance"].values))
    for i, (name, value) in enumerate(
        [("h2", truth["h2_realised"]), ("pi", 0.01), ("sigma2_0", 1.05)]
    ):
        value = float(np.ravel(value)[0])
        assert abs(np.log(float(estimate[name]) / value)) < error[i], name
    assert error[0] < 1.0  # the test would notice h2 off by a factor e


def test_twenty_scattered_starts_reach_the_same_optimum_without_overflow(example_of):
    data = thin(example_of("polygenic"), 4000)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        with np.errstate(over="raise"):
            estimate = map_fit(data, starts=20)["estimate"]
    assert estimate.sizes["start"] >= 21
    sd = np.sqrt(np.diag(estimate["covariance"].values))
    assert bool(estimate["optimum_converged"].all())
    assert (np.abs(estimate["optimum"].values - estimate["mode"].values) / sd).max() < 1e-2
    assert (
        float(estimate["optimum_log_posterior"].max() - estimate["optimum_log_posterior"].min())
        < 1e-4
    )


def test_aic_and_bic_choose_the_model_that_made_the_data(estimates):
    polygenic, infinitesimal = (estimates[trait].attrs for trait in ("polygenic", "infinitesimal"))
    for criterion in ("aic", "bic"):
        assert polygenic[criterion] < polygenic[f"{criterion}_infinitesimal"] - 10
        assert infinitesimal[criterion] > infinitesimal[f"{criterion}_infinitesimal"]


def test_infinitesimal_fit_is_the_null_that_mixtures_are_compared_with(example_of, estimates):
    own = map_fit(example_of("infinitesimal"), "infinitesimal")["estimate"].attrs
    assert "bic_infinitesimal" not in own
    assert estimates["infinitesimal"].attrs["bic_infinitesimal"] == pytest.approx(
        own["bic"], abs=1e-3
    )


@pytest.mark.filterwarnings("ignore:.*optima within")
@pytest.mark.filterwarnings("ignore:The mode lies at the edge")
def test_two_components_are_never_below_one(small):
    one = map_fit(small)["estimate"].attrs
    two = map_fit(small, "two_component_mixer")["estimate"].attrs
    assert two["log_likelihood"] >= one["log_likelihood"] - 1e-2
    assert two["n_parameters"] == 5
