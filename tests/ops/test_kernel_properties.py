"""Properties of the density over all parameters: finite, monotone in the tails, no seam where the
cosine sum hands over to the shifted line.
"""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from bayesmixer.ops import kernel, oracle
from bayesmixer.ops.frequencies import LOG_COSINE_FLOOR
from bayesmixer.ops.layout import Z_EDGES, LikelihoodData
from bayesmixer.ops.likelihood import log_density
from tests.ops.likelihood_cases import N_REF, NODE_X, partners
from tests.ops.mp_oracle import gradient, spectrum_log_density

Z = np.linspace(0, 40, 161)
GRID = st.tuples(st.integers(0, 10_000), st.floats(-5, 0), st.floats(1e-3, 200), st.floats(0.5, 3))


def variant(seed):
    x = partners(np.random.default_rng(seed))
    return x, spectrum_from_pairs([0, len(x)], x)[0]


def per_variant(z, spectrum, parameters, n=N_REF, censor=None, node_x=NODE_X):
    """Value (J,) and Jacobian (J, P) of variants of one spectrum."""
    z = np.atleast_1d(z)
    data = LikelihoodData(
        z,
        np.broadcast_to(n, z.shape),
        np.ones(z.size),
        np.tile(spectrum, (z.size, 1)),
        node_x,
        np.arange(z.size),
        censor,
    )
    value, jacobian = kernel.evaluate(data.packed, data.tails, *parameters, True, 1)
    return value, jacobian


@settings(max_examples=60, deadline=None)
@given(GRID)
def test_density_and_slopes_are_finite_and_fall_monotonically_beyond_three_standard_deviations(
    case,
):
    seed, log10_pi, strength, sigma2_zero = case
    x, s = variant(seed)
    pi, sigma2 = (
        10**log10_pi,
        strength / (N_REF * 0.5),
    )  # N sigma2_beta H up to 200 for the largest H, 1/2
    value, jacobian = per_variant(Z, s, (np.array([pi]), np.array([sigma2]), sigma2_zero))
    assert np.isfinite(value).all()
    assert np.isfinite(jacobian).all()
    assert (
        value > -0.5 * 40**2 / 0.5 - 10
    ).all()  # no narrower than the error alone: nothing was cut off at a tiny density
    beyond = 3 * np.sqrt(sigma2_zero + pi * N_REF * sigma2 * x.sum()) < Z
    rise, level = np.diff(value[beyond]), value[beyond][:-1]
    assert (rise[level > np.log(1e-7)] < 0).all()
    # further out a spectrum of polynomials is only roughly a measure, and log p may waver: 0.5% of
    # such cases, by 2.0 at most in 8,000 of them
    assert (rise < 4).all()


@settings(max_examples=60, deadline=None, derandomize=True)  # corners: benchmarks/tail_stress.py
@given(GRID)
def test_density_is_that_of_the_list_of_partners_wherever_it_is_not_tiny(case):
    seed, log10_pi, strength, sigma2_zero = case
    x, s = variant(seed)
    pi, sigma2 = 10**log10_pi, strength / (N_REF * 0.5)
    z = Z[::8]
    exact = oracle.log_density(z, N_REF, np.tile(x, (z.size, 1)), x, pi, sigma2, sigma2_zero)
    error = np.abs(
        log_density(
            z, np.full(z.size, N_REF), np.tile(s, (z.size, 1)), NODE_X, [pi], [sigma2], sigma2_zero
        )
        - exact
    )
    assert (error[exact > np.log(1e-3)] <= 2e-5).all()
    # strong rare effects in the tails: the worst of 38,000 points (docs/evidence/likelihood.md)
    assert (error[exact > np.log(1e-6)] <= 0.03).all()
    assert (error[exact > np.log(1e-9)] <= 0.6).all()
    assert (error <= 1.0).all()


@settings(max_examples=60, deadline=None, derandomize=True)  # corners: benchmarks/tail_stress.py
@given(GRID)
def test_slopes_are_those_of_the_value_from_the_centre_to_the_far_tail(case):
    """Also where the shifted line hands over to the saddle point: the line moves in steps of the
    grid, so that differences are good to 0.02 only.
    """
    seed, log10_pi, strength, sigma2_zero = case
    _, s = variant(seed)
    theta = np.array([min(10**log10_pi, 0.9), strength / (N_REF * 0.5), sigma2_zero])
    z = np.linspace(0.5, 39.5, 40)

    def at(t):
        return log_density(
            z, np.full(z.size, N_REF), np.tile(s, (z.size, 1)), NODE_X, t[:1], t[1:2], t[2]
        )

    value, jacobian = per_variant(z, s, (theta[:1], theta[1:2], theta[2]))
    near = value > np.log(1e-12)
    for i in range(3):
        h = 2e-3 * theta[i] * np.eye(3)[i]
        expected = (
            8 * (at(theta + h) - at(theta - h)) - (at(theta + 2 * h) - at(theta - 2 * h))
        ) / 24e-3
        np.testing.assert_allclose(
            (jacobian[:, i] * theta[i])[near], expected[near], rtol=0.02, atol=0.02
        )
        np.testing.assert_allclose(
            (jacobian[:, i] * theta[i])[~near], expected[~near], rtol=0.3, atol=1.0
        )


@pytest.mark.parametrize("edge", Z_EDGES)
@pytest.mark.parametrize("sigma2_zero", [1.05, 2.5])
@pytest.mark.parametrize("pi", [1e-4, 0.02, 1.0])
def test_no_seam_in_z_where_the_shifted_line_takes_over(edge, sigma2_zero, pi):
    _, s = variant(3)
    parameters = np.array([pi]), np.array([4e-6 / pi]), sigma2_zero
    (below, above), slopes = per_variant([edge, np.nextafter(edge, 9)], s, parameters)
    assert abs(below - above) <= 1e-7 * abs(below)
    np.testing.assert_allclose(slopes[0], slopes[1], rtol=1e-6, atol=1e-7 * np.abs(slopes).max())


@pytest.mark.parametrize("edge", Z_EDGES)
@pytest.mark.parametrize("pi", [1e-4, 0.02, 1.0])
def test_no_seam_in_sigma2_zero_where_the_cosine_sum_stops_serving_a_band(edge, pi):
    """A band is served while the smallest density of the error alone, exp(-z^2 / (2 sigma2_0)), is
    above the floor of the cosine sum.
    """
    _, s = variant(4)
    switch = -0.5 * edge**2 / LOG_COSINE_FLOOR
    z = np.array([0.3, 1.0, 2.0, 3.0, edge - 0.1, edge])
    s2 = 4e-6 / pi

    def at(sigma2_zero):
        return per_variant(z, s, (np.array([pi]), np.array([s2]), sigma2_zero))

    (low, d_low), (high, d_high) = at(switch * (1 - 1e-12)), at(switch * (1 + 1e-12))
    np.testing.assert_allclose(low, high, rtol=1e-7)
    np.testing.assert_allclose(d_low, d_high, rtol=1e-6, atol=1e-7 * np.abs(d_low).max(0).min())
    h = 2e-3 * switch
    across = (
        8 * (at(switch + h)[0] - at(switch - h)[0])
        - (at(switch + 2 * h)[0] - at(switch - 2 * h)[0])
    ) / (12 * h)
    np.testing.assert_allclose(d_low[:, -1], across, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("partners_of", "pi", "sigma2", "z"), [(2, 0.6, 1e-4, 11.0), (2, 0.25, 2e-4, 15.0)]
)
def test_a_line_below_the_zeros_takes_nothing_from_the_slow_tail_of_the_spectrum(
    partners_of, pi, sigma2, z
):
    """Beyond the zeros the density of a spectrum falls as exp(-h |z|), slower than that of
    partners: periods that trusted Chernoff's bound there were too short, and values hopped by 1e-5
    from one shift to the next, which no derivative can follow.
    """
    x = np.concatenate([[0.4], np.random.default_rng(3).uniform(0.02, 0.3, partners_of - 1)])
    s = spectrum_from_pairs([0, partners_of], x)[0]

    def truth(p, v, zero):
        return spectrum_log_density(z, N_REF, s, NODE_X, p, v, zero)

    value, jacobian = (
        a[0] for a in per_variant(np.array([z]), s, (np.array([pi]), np.array([sigma2]), 0.96))
    )
    with mp.workdps(30):
        assert value == pytest.approx(float(truth([pi], [sigma2], 0.96)), abs=1e-8)
        np.testing.assert_allclose(jacobian, gradient(truth, [pi], [sigma2], 0.96), rtol=1e-7)


@pytest.mark.parametrize("censor", [None, 2.5])
@pytest.mark.parametrize(
    "parameters",
    [([0.004], [4.8e-4], 1.05), ([0.3], [6e-6], 0.45), ([0.02, 0.001], [2e-5, 8e-4], 1.1)],
    ids=["one component", "all on the shifted line", "two components"],
)
def test_jacobian_equals_central_differences_of_the_multiprecision_oracle(parameters, censor):
    """Six nodes, so that thirty digits stay affordable; three sample sizes; |z| in every regime."""
    rng = np.random.default_rng(2)
    x = partners(rng)
    node_x = nodes(6)
    s = spectrum_from_pairs([0, len(x)], x, 6)[0]
    z, n = np.array([0.7, 3.1, 4.6, 6.2]), np.array([1e5, 8e4, 9e4, 7e4])
    arrays = np.array(parameters[0]), np.array(parameters[1]), parameters[2]
    value, jacobian = per_variant(z, s, arrays, n, censor, node_x)
    with mp.workdps(30):
        for i in range(z.size):

            def truth(pi, sigma2, sigma2_zero, i=i):
                return spectrum_log_density(z[i], n[i], s, node_x, pi, sigma2, sigma2_zero, censor)

            assert value[i] == pytest.approx(float(truth(*parameters)), abs=1e-8)
            assert jacobian[i] == pytest.approx(gradient(truth, *parameters), rel=1e-6)


@pytest.mark.parametrize(
    "parameters",
    [
        ([1e-6], [1.0], 1.0),
        ([1e-8], [1e-2], 0.6),
        ([1.0], [1e-2], 2.0),
        ([0.5, 0.5], [1e-2, 1e-9], 1.0),
        ([0.0], [0.0], 1.0),
        ([1e-6], [1e-12], 50.0),
        ([0.01], [1e-3], 2e-3),
    ],
)
@pytest.mark.parametrize("censor", [None, 5.0])
def test_extreme_parameters_give_finite_values_and_slopes(parameters, censor):
    _, s = variant(5)
    z = np.linspace(0, 40, 41)
    value, jacobian = per_variant(
        z, s, (np.array(parameters[0]), np.array(parameters[1]), parameters[2]), censor=censor
    )
    assert np.isfinite(value).all()
    assert np.isfinite(jacobian).all()


def test_without_genetic_effects_the_density_is_the_normal_density_far_into_the_tail():
    _, s = variant(6)
    for parameters in [([0.0], [1e-4], 1.3), ([0.1], [0.0], 1.3)]:
        value, jacobian = per_variant(
            Z, s, (np.array(parameters[0]), np.array(parameters[1]), parameters[2])
        )
        np.testing.assert_allclose(
            value, -0.5 * Z**2 / 1.3 - 0.5 * np.log(2 * np.pi * 1.3), rtol=1e-8
        )
        np.testing.assert_allclose(
            jacobian[:, -1], 0.5 * Z**2 / 1.3**2 - 0.5 / 1.3, rtol=1e-6, atol=1e-8
        )
