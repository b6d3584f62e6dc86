"""Univariate MiXeR: names, derived quantities, its limits, and its likelihood against the slow
oracle of the Op.
"""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from bayesmixer.errors import InputError
from bayesmixer.inference.density import LogDensity
from bayesmixer.mixer.derived import n90_fraction
from bayesmixer.models import infinitesimal, univariate_mixer
from bayesmixer.ops.oracle import log_density
from tests.models.small_gwas import simulate_gwas

POINT = np.array([-1.3, -4.0, 0.08])


@pytest.fixture(scope="module")
def data():
    return simulate_gwas(n_reference=2500, h_total=700.0)


@pytest.fixture(scope="module")
def density(data):
    return LogDensity(univariate_mixer(data, prior="flat"))


def test_names_dims_and_derived_quantities(data, density):
    model = density.model
    assert density.names == ["log_h2", "logit_pi", "log_sigma2_0"]
    assert [v.name for v in model.deterministics] == [
        "h2",
        "pi",
        "sigma2_0",
        "sigma2_beta",
        "n_causal",
        "n90",
    ]
    assert model.named_vars_to_dims["z"] == ("ld_block",)
    draw = {k: v.item() for k, v in density.posterior(POINT[None, None]).items()}
    h2, pi = np.exp(POINT[0]), expit(POINT[1])
    expected = {
        "h2": h2,
        "pi": pi,
        "sigma2_0": np.exp(POINT[2]),
        "sigma2_beta": h2 / (pi * 700.0),
        "n_causal": pi * 2500,
        "n90": pi * 2500 * n90_fraction(data),
    }
    assert draw == pytest.approx(expected)
    assert draw["pi"] * draw["sigma2_beta"] * data.attrs["h_total"][0] == pytest.approx(draw["h2"])


def test_log_likelihood_of_each_ld_block_is_the_weighted_sum_of_the_oracles_log_densities(
    data, density
):
    rows = np.flatnonzero((data["weight"].values > 0) & (data["ld_block"].values < 4))
    h2, pi, zero = np.exp(POINT[0]), expit(POINT[1]), np.exp(POINT[2])
    each = log_density(
        data["z"].values[rows, 0],
        data["n"].values[rows, 0],
        data["spectrum"].values[0, rows],
        data["node_x"].values,
        [pi],
        [h2 / (pi * 700.0)],
        zero,
    )
    expected = np.bincount(data["ld_block"].values[rows], data["weight"].values[rows] * each)
    np.testing.assert_allclose(density.value_and_blocks(POINT)[1]["z"][:4], expected, atol=1e-5)


def test_with_every_variant_causal_it_is_the_infinitesimal_model(data, density):
    every = np.array([POINT[0], 30.0, POINT[2]])
    expected = LogDensity(infinitesimal(data, prior="flat")).value_and_blocks(POINT[[0, 2]])[1]["z"]
    np.testing.assert_allclose(density.value_and_blocks(every)[1]["z"], expected, atol=2e-4)


def test_censoring_beyond_every_z_changes_nothing_and_censoring_all_leaves_tail_probabilities(data):
    from scipy.stats import norm

    largest = float(np.abs(data["z"]).max())
    free = LogDensity(univariate_mixer(data, prior="flat")).value_and_blocks(POINT)[1]["z"]
    beyond = LogDensity(univariate_mixer(data, prior="flat", censor=largest + 1)).value_and_blocks(
        POINT
    )[1]["z"]
    np.testing.assert_allclose(
        beyond, free, rtol=1e-9, atol=1e-8
    )  # to rounding (likelihood_cases.assert_same_to_rounding)
    # pi = 1 is Gaussian, so that P(|Z| > c) is known
    large = data.isel(variant=np.abs(data["z"].values[:, 0]) > 2.0)
    h2, zero = np.exp(POINT[[0, 2]])
    sd = np.sqrt(zero + large["n"].values[:, 0] * large["ld_score_h"].values[0] * h2 / 700.0)
    expected = (large["weight"].values * np.log(2 * norm.sf(2.0 / sd))).sum()
    found = (
        LogDensity(univariate_mixer(large, prior="flat", censor=2.0))
        .value_and_blocks(np.array([POINT[0], 30.0, POINT[2]]))[1]["z"]
        .sum()
    )
    assert found == pytest.approx(expected, abs=1e-2)


def test_fast_likelihood_is_the_mixture_of_two_gaussians_with_the_exact_second_and_fourth_moments(
    data,
):
    h2, pi, zero = np.exp(POINT[0]), expit(POINT[1]), np.exp(POINT[2])
    sigma2, used = h2 / (pi * 700.0), data["weight"].values > 0
    s, x = data["spectrum"].values[0, used].astype(float), data["node_x"].values
    z, n = data["z"].values[used, 0], data["n"].values[used, 0]
    a = n * s.sum(1) * pi * sigma2
    b = 3 * n**2 * (s @ x) * pi * (1 - pi) * sigma2**2
    share, variance = 3 * a**2 / (b + 3 * a**2), (b + 3 * a**2) / (3 * a)
    p = share * norm.pdf(z, scale=np.sqrt(zero + variance)) + (1 - share) * norm.pdf(
        z, scale=np.sqrt(zero)
    )
    expected = np.bincount(data["ld_block"].values[used], data["weight"].values[used] * np.log(p))
    fast = LogDensity(univariate_mixer(data, prior="flat", likelihood="fast"))
    np.testing.assert_allclose(fast.value_and_blocks(POINT)[1]["z"], expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"likelihood": "slow"}, "expected exact or fast"),
        ({"likelihood": "fast", "censor": 5.0}, "no censoring"),
    ],
)
def test_likelihoods_that_are_not_there_are_refused(data, options, words):
    with pytest.raises(InputError, match=words):
        univariate_mixer(data, **options)


@pytest.mark.parametrize(
    "point", [(5.67, -5.75, -0.66), (4.86, -2.12, -0.25), (12.0, -12.0, 3.0), (-40.0, 40.0, -3.0)]
)
def test_no_parameters_have_a_log_likelihood_that_is_nan_or_plus_infinity(density, point):
    assert density.value_and_gradient(np.array(point))[0] < 0
    assert (density.value_and_blocks(np.array(point))[1]["z"] < np.inf).all()
