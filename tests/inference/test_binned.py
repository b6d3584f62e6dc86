"""The binned surrogate against the exact density it stands for, and its re-weighted draws against
the exact posterior.
"""

import numpy as np
import pytest
import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.inference import binned, laplace
from bayesmixer.inference.density import LogDensity
from bayesmixer.inference.find_map import covariance_of, find_modes, hessian
from bayesmixer.mixer.bins import bin_data
from bayesmixer.models import infinitesimal, two_component_mixer, univariate_mixer
from bayesmixer.models.common import bound_of
from tests.inference import toys

BINS = 300


def at_mode(model):
    """Density, mode and covariance of a model."""
    density, record = LogDensity(model), bound_of(model)
    best = find_modes(density, [density.flatten(record.starts()[0])], density.box).best
    return density, best.x, covariance_of(best.hessian)


@pytest.fixture(scope="module")
def case(example_of):
    """The embedded polygenic trait, all variants: density, mode, covariance, surrogate."""
    density, mode, covariance = at_mode(univariate_mixer(example_of("polygenic")))
    return density, mode, covariance, binned.binned_density(density, mode, covariance, BINS)


@pytest.fixture(scope="module")
def small_mode(small):
    """Density, mode and covariance of univariate MiXeR of `small`."""
    return at_mode(univariate_mixer(small))


@pytest.mark.parametrize("model", [univariate_mixer, two_component_mixer, infinitesimal])
def test_surrogate_has_the_exact_value_gradient_and_hessian_at_the_mode(small, small_mode, model):
    density, mode, covariance = small_mode if model is univariate_mixer else at_mode(model(small))
    surrogate = binned.binned_density(density, mode, covariance, 100)
    assert surrogate.names == density.names
    root = np.linalg.cholesky(covariance)
    (value, gradient), (value_q, gradient_q) = (
        density.value_and_gradient(mode),
        surrogate.value_and_gradient(mode),
    )
    assert value_q == pytest.approx(value, abs=1e-6)
    np.testing.assert_allclose(root.T @ gradient_q, root.T @ gradient, atol=1e-6)
    step = 0.02 * np.sqrt(np.diag(covariance))
    white = [root.T @ hessian(d, mode, step) @ root for d in (density, surrogate)]
    np.testing.assert_allclose(white[1], white[0], atol=0.01)


def test_bins_alone_would_miss_what_the_expansion_puts_right(case):
    density, mode, covariance, surrogate = case
    plain = LogDensity(bound_of(density.model).build(surrogate.data))
    root = np.linalg.cholesky(covariance)
    missed = root.T @ (density.value_and_gradient(mode)[1] - plain.value_and_gradient(mode)[1])
    np.testing.assert_allclose(surrogate.correction[1], missed, atol=1e-8)
    assert np.abs(missed).max() > 0.05


def test_log_density_is_right_within_four_standard_deviations(case):
    density, mode, covariance, surrogate = case
    root = np.linalg.cholesky(covariance)
    rng = np.random.default_rng(5)
    for radius, most in ((1.0, 0.02), (2.0, 0.1), (4.0, 0.6)):
        way = rng.standard_normal((12, mode.size))
        points = mode + (radius * way / np.linalg.norm(way, axis=1)[:, None]) @ root.T
        error = [surrogate.value_and_blocks(x)[0] - density.value_and_blocks(x)[0] for x in points]
        assert np.abs(error).max() < most, radius


def test_re_weighted_draws_have_the_exact_posterior_means(case):
    density, mode, covariance, surrogate = case
    bounds = density.box
    exact = laplace.sample(density, mode, covariance, bounds, 400, np.random.default_rng(2), False)
    mean = np.exp(exact.log_weight) @ exact.proposals
    sd = np.sqrt(np.exp(exact.log_weight) @ (exact.proposals - mean) ** 2)
    drawn = laplace.sample(
        surrogate, mode, covariance, bounds, 4000, np.random.default_rng(1), False
    )
    result = binned.reweight(
        density, surrogate, drawn.proposals[drawn.rows].reshape(4, 1000, -1), 400
    )
    assert result.pareto_k < 0.7
    assert not result.said
    assert result.effective > 380
    # the Monte-Carlo error of 400 draws is 0.05 sd, twice
    assert (np.abs(np.exp(result.log_weight) @ result.proposals - mean) < 4 * 0.07 * sd).all()
    assert result.attrs["binned_mean_shift_sd"] < 0.1
    assert result.attrs["binned_log_ratio_sd"] < 0.2
    blocks = density.value_and_blocks(result.proposals[7])[1]["z"]
    np.testing.assert_allclose(result.blocks["z"][7], blocks)


def test_weights_turn_draws_of_one_gaussian_into_another():
    import pymc as pm

    with pm.Model() as wide:
        pm.Normal("a", 0.5, 1.0)
    with pm.Model() as target:
        pm.Normal("a", 0.0, 0.8)
    draws = np.random.default_rng(0).normal(0.5, 1.0, (4, 2000, 1))
    result = binned.reweight(LogDensity(target), LogDensity(wide), draws, 8000)
    weight = np.exp(result.log_weight)
    assert weight.sum() == pytest.approx(1)
    assert weight @ result.proposals[:, 0] == pytest.approx(0.0, abs=0.06)
    assert weight @ result.proposals[:, 0] ** 2 == pytest.approx(0.64, abs=0.06)
    assert result.shift[0] == pytest.approx(-0.5 / 0.8, abs=0.1)
    assert result.proposals[result.rows].mean() == pytest.approx(0.0, abs=0.06)
    # log ratio: 0.125 - 0.5 a + a^2 (0.5 - 1 / 1.28) up to a constant, a ~ N(0.5, 1); its variance
    # on paper
    c = 0.5 - 1 / 1.28
    assert result.log_ratio_sd == pytest.approx(np.sqrt((-0.5 + c) ** 2 + 2 * c**2), rel=0.1)


def test_draws_that_miss_the_target_are_reported():
    import pymc as pm

    with pm.Model() as narrow:
        pm.Normal("a", 0.0, 0.2)
    with pm.Model() as target:
        pm.StudentT("a", 2.0, mu=1.0, sigma=1.0)
    draws = np.random.default_rng(0).normal(0.0, 0.2, (2, 500, 1))
    result = binned.reweight(LogDensity(target), LogDensity(narrow), draws, 1000)
    assert result.pareto_k > 0.7
    assert "k-hat" in result.said[0]


def test_equal_densities_give_equal_weights():
    density = LogDensity(toys.gaussian())
    draws = np.random.default_rng(0).multivariate_normal(toys.MEAN, toys.COVARIANCE, (2, 100))
    result = binned.reweight(density, LogDensity(toys.gaussian()), draws, 200)
    np.testing.assert_allclose(np.exp(result.log_weight), 1 / 200)
    assert result.pareto_k == 0
    assert sorted(result.rows) == list(range(200))


def test_bins_keep_total_weight_and_censored_variants_apart(small):
    data = bin_data(small, np.array([0.02]), np.array([1e-3]), 1.0, bins=60, censor=2.5)
    z, weight = np.abs(small["z"].values[:, 0]), small["weight"].values
    assert data.sizes["variant"] == 60
    assert float(data["weight"].sum()) == pytest.approx(weight.sum())
    beyond = data["z"].values[:, 0] > 2.5
    assert float(data["weight"].values[beyond].sum()) == pytest.approx(weight[z > 2.5].sum())
    assert data.attrs == small.attrs
    np.testing.assert_array_equal(data["h_bin_count"], small["h_bin_count"])


def test_censored_model_has_a_surrogate_too(small, small_mode):
    density = LogDensity(univariate_mixer(small, censor=4.0))
    _, mode, covariance = small_mode
    surrogate = binned.binned_density(density, mode, covariance, 150)
    x = mode + np.sqrt(np.diag(covariance))
    assert surrogate.value_and_blocks(x)[0] == pytest.approx(
        density.value_and_blocks(x)[0], abs=0.3
    )


def test_spectra_for_several_s_are_averaged_bin_by_bin(small):
    two = xr.concat([small, small], "maf_s", data_vars="minimal").assign_coords(maf_s=[0.0, -0.5])
    for name in ("spectrum", "ld_score_h", "h_total"):
        two[name][1] *= 2
    data = bin_data(two, np.array([0.02]), np.array([1e-3]), 1.0, bins=40)
    assert data["spectrum"].dims == ("maf_s", "variant", "node")
    np.testing.assert_allclose(
        data["spectrum"].values[1], 2 * data["spectrum"].values[0], rtol=1e-5
    )
    np.testing.assert_allclose(
        data["ld_score_h"].values[0], data["spectrum"].values[0].sum(1), rtol=1e-4
    )


@pytest.mark.parametrize("bins", [0, 9, 2.5, True])
def test_unusable_numbers_of_bins_are_refused(small, bins):
    density = LogDensity(infinitesimal(small))
    with pytest.raises(InputError, match=r"^bins: "):
        binned.binned_density(density, density.initial, np.eye(2), bins)


@pytest.mark.parametrize("exact", [0, 49, 100.5, True])
def test_unusable_numbers_of_exact_draws_are_refused(exact):
    density = LogDensity(toys.gaussian())
    with pytest.raises(InputError, match=r"^exact: "):
        binned.reweight(density, density, np.zeros((1, 100, 2)), exact)


def test_models_of_other_makers_are_refused():
    density = LogDensity(toys.gaussian())
    with pytest.raises(InputError, match=r"^model: not a model of bayesmixer"):
        binned.binned_density(density, toys.MEAN, toys.COVARIANCE)


def test_point_without_a_finite_density_is_refused(small):
    density = LogDensity(univariate_mixer(small))
    with pytest.raises(InputError, match="no finite log density around the mode"):
        binned.binned_density(density, np.array([800.0, -5.0, 0.0]), np.eye(3))
