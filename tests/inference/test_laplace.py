"""Laplace with importance resampling, where moments and weights are known by formula or quadrature;
and what happens where it fails.
"""

import json

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import digamma, polygamma
from scipy.stats import chi, chi2

import bayesmixer as bm
from bayesmixer.errors import DataWarning
from bayesmixer.inference import laplace
from bayesmixer.inference.density import LogDensity
from bayesmixer.inference.find_map import climb, covariance_of
from tests.inference import toys

DRAWS = 4000


def approximate(model, seed=1, draws=DRAWS, low=-1e3, high=1e3):
    density = LogDensity(model)
    box = np.tile([float(low), float(high)], (density.size, 1))
    mode = climb(density, density.initial, box)
    return mode, laplace.sample(
        density, mode.x, covariance_of(mode.hessian), box, draws, np.random.default_rng(seed), False
    )


def weighted(result, f=lambda x: x):
    """Self-normalised mean of f and its Monte-Carlo error."""
    w, v = np.exp(result.log_weight), f(result.proposals)
    mean = w @ v / w.sum()
    return mean, np.sqrt((w**2) @ (v - mean) ** 2) / w.sum()


def test_gaussian_posterior_has_small_k_hat_and_exact_moments():
    _, result = approximate(toys.gaussian())
    assert result.pareto_k < 0.5
    mean, error = weighted(result)
    assert (np.abs(mean - toys.MEAN) < 4 * error).all()
    second, error = weighted(result, lambda x: (x[:, 0] - toys.MEAN[0]) * (x[:, 1] - toys.MEAN[1]))
    assert abs(second - toys.COVARIANCE[0, 1]) < 4 * error


def test_effective_draws_of_a_gaussian_are_those_of_the_student_proposals_weights():
    # ratio of a bivariate normal to the bivariate t of 10 degrees of freedom, in the radius r,
    # under the normal
    def ratio(r):
        return np.exp(-0.5 * r**2) / (1 + r**2 / 10) ** -6

    mean_ratio = quad(lambda r: ratio(r) * chi.pdf(r, 2), 0, 30)[0]
    constant = (
        quad(lambda r: r * (1 + r**2 / 10) ** -6, 0, np.inf)[0]
        / quad(lambda r: r * np.exp(-0.5 * r**2), 0, np.inf)[0]
    )
    _, result = approximate(toys.gaussian(), draws=20_000)
    assert result.effective / 20_000 == pytest.approx(1 / (mean_ratio * constant), rel=0.03)


def test_where_nothing_is_asked_for_draws_end_when_enough_of_them_are_effective():
    fitted = bm.fit(toys.gaussian(), progress=False)
    stats = fitted["sample_stats"].attrs
    assert 800 <= stats["proposals"] < 1500 and stats["proposals"] % 100 == 0
    assert stats["effective_draws"] == pytest.approx(800, rel=0.2)
    assert fitted["posterior"].sizes["draw"] * 4 == stats["proposals"]
    asked = bm.fit(toys.gaussian(), draws=1500, progress=False)["sample_stats"].attrs
    assert asked["proposals"] == 1500


def test_weighted_mean_and_variance_of_a_skewed_posterior_are_right_where_the_mode_is_not():
    shape, rate = 2.0, 3.0
    mode, result = approximate(toys.log_gamma(shape, rate))
    truth = digamma(shape) - np.log(rate)
    assert result.pareto_k < 0.7
    mean, error = weighted(result, lambda x: x[:, 0])
    assert abs(mean - truth) < 4 * error
    assert abs(mode.x[0] - truth) > 10 * error  # the correction is what does it
    variance, error = weighted(result, lambda x: (x[:, 0] - truth) ** 2)
    assert abs(variance - polygamma(1, shape)) < 4 * error


def test_resampled_draws_carry_the_weights():
    _, result = approximate(toys.log_gamma())
    w = np.exp(result.log_weight) / np.exp(result.log_weight).sum()
    copies = np.bincount(result.rows, minlength=DRAWS)
    assert copies.sum() == DRAWS
    # systematic resampling: each count is the expected one rounded down or up
    assert (np.abs(copies - DRAWS * w) < 1 + 1e-6).all()


def test_proposals_outside_the_search_box_are_never_drawn():
    density = LogDensity(toys.gaussian())
    box = np.array([[-5.0, 2.0], [-5.0, 5.0]])
    result = laplace.sample(
        density, toys.MEAN, toys.COVARIANCE, box, DRAWS, np.random.default_rng(0), False
    )
    assert (result.proposals[:, 0] > 2.0).any()
    assert (result.proposals[result.rows, 0] <= 2.0).all()


def test_k_hat_tells_tails_that_the_proposals_cannot_serve():
    _, result = approximate(toys.heavy_tailed())
    assert result.pareto_k > 0.7


@pytest.mark.filterwarnings("ignore:Chains disagree")
@pytest.mark.filterwarnings("ignore:.*divergent")
def test_fit_falls_through_to_nuts_with_a_warning_where_k_hat_is_too_large():
    with pytest.warns(DataWarning, match=r"k-hat .* > 0.7.*NUTS instead"):
        results = bm.fit(toys.heavy_tailed(), chains=2, tune=200, cores=1, progress=False)
    assert results.attrs["method"] == "nuts"
    assert results.attrs["method_asked"] == "laplace"
    assert "NUTS instead" in json.loads(results.attrs["warnings"])[0]
    assert results["posterior"].sizes == {"chain": 2, "draw": 1000}
    assert abs(float(results["posterior"]["x"].median())) < 2


def test_fit_of_a_gaussian_by_laplace_needs_no_ld_blocks():
    results = bm.fit(toys.gaussian(), draws=2000, progress=False)
    assert results.attrs["method"] == "laplace"
    draws = results["posterior"]["x"].values.reshape(-1, 2)
    np.testing.assert_allclose(
        draws.mean(0), toys.MEAN, atol=4 * np.sqrt(np.diag(toys.COVARIANCE).max() / 1500)
    )
    # squared Mahalanobis distances are chi-square: compare the median
    d = draws - toys.MEAN
    distance = np.einsum("ij,jk,ik->i", d, np.linalg.inv(toys.COVARIANCE), d)
    assert np.mean(distance < chi2.ppf(0.5, 2)) == pytest.approx(0.5, abs=0.06)
