"""The fast model: its moments against enumeration, its cost against MiXeR's."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from scipy.integrate import quad

from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from bayesmixer.ops.moments import fast_log_likelihood, spectrum_moments
from bayesmixer.ops.oracle import log_density
from tests.fixtures import mixer
from tests.ops.mp_oracle import configurations

X = np.array([0.45, 0.2, 0.2, 0.01])


@pytest.mark.parametrize(
    ("pi", "sigma2"), [([0.05], [0.001]), ([0.2, 0.01], [1e-4, 0.002]), ([0.7, 0.3], [1e-4, 3e-4])]
)
def test_second_and_fourth_moments_equal_those_of_the_causal_configurations(pi, sigma2):
    n, zero = 20_000.0, 1.1
    pairs = [(float(p), float(v)) for p, v in configurations(X, n, pi, sigma2, zero)]

    z = pt.dscalar()
    density = pytensor.function(
        [z],
        pt.exp(fast_log_likelihood(z[None], [n], [X.sum()], [(X**2).sum()], pi, sigma2, zero))[0],
    )
    second, fourth = (
        2
        * quad(
            lambda t, r=r: t**r * density(t), 0, 300, points=[3, 10, 40], limit=300, epsrel=1e-11
        )[0]
        for r in (2, 4)
    )
    np.testing.assert_allclose(second, sum(p * v for p, v in pairs), rtol=1e-8)
    np.testing.assert_allclose(fourth, sum(3 * p * v * v for p, v in pairs), rtol=1e-8)


def test_fast_model_is_exact_when_every_variant_is_causal():
    z = np.array([0.0, 2.0, -9.0])
    fast = fast_log_likelihood(
        z, np.full(3, 5e4), np.full(3, X.sum()), np.full(3, (X**2).sum()), 1.0, 2e-5, 1.05
    ).eval()
    np.testing.assert_allclose(
        fast, log_density(z, 5e4, np.tile(X, (3, 1)), X, 1.0, 2e-5, 1.05), rtol=1e-12
    )


@pytest.mark.parametrize("value", [1.0, 0.3])
def test_gradient_is_finite_at_pi_one_in_far_tails_and_without_partners(value):
    pi, s, zero = pt.dscalars("pi", "s", "zero")
    z, m1 = np.array([0.0, 60.0, 3.0]), np.array([1.0, 1.0, 0.0])
    total = fast_log_likelihood(z, np.full(3, 1e5), m1, 0.2 * m1, pi, s, zero).sum()
    f = pytensor.function([pi, s, zero], [total, *pt.grad(total, [pi, s, zero])])
    at = np.array([value, 1e-5, 1.0])
    out = f(*at)
    assert np.isfinite(out).all()
    for i in range(3):
        step = np.eye(3)[i] * at * 1e-6
        np.testing.assert_allclose(
            out[1 + i], (f(*(at + step))[0] - f(*(at - step))[0]) / (2 * step[i]), rtol=1e-6
        )


def test_moments_of_a_spectrum_are_those_of_its_pairs():
    rng = np.random.default_rng(0)
    x = rng.beta(0.4, 2, 300) / 2
    m1, m2 = spectrum_moments(spectrum_from_pairs(np.array([0, 100, 300]), x, 24), nodes(24))
    np.testing.assert_allclose(m1, [x[:100].sum(), x[100:].sum()], rtol=1e-9)
    np.testing.assert_allclose(m2, [(x[:100] ** 2).sum(), (x[100:] ** 2).sum()], rtol=1e-7)


@pytest.mark.parametrize("point", ["U0", "U1", "U2", "U3", "U4", "U5_inf"])
def test_cost_equals_mixers_gaussian_calculator(point):
    d, known = mixer.whole(), mixer.table()["points"][point]
    p = known["params"]
    log_p = fast_log_likelihood(
        d.z, d.n, d.strength, d.strength2, p["pi"], p["sig2_beta"], p["sig2_zero"]
    ).eval()
    # MiXeR adds thirty thousand terms, each of parameters and moments rounded to float32
    np.testing.assert_allclose(-(d.weight * log_p).sum(), known["mixer_gaussian_z1"], rtol=1e-6)
