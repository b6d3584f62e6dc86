"""The chart of polygenic overlap: constraints, ends, inverse, its prior, and the four-class softmax
as the oracle.
"""

from itertools import pairwise

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from scipy.integrate import quad
from scipy.special import expit

from bayesmixer.pair.chart import (
    log_density_of_place,
    overlap,
    place,
    place_of_excess,
    polygenicities,
)


def drawn(size, seed=1):
    """Points of the chart, ends of u and t and both bounds of L among them."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0, 3, size), rng.normal(0, 6, size)
    mean, difference = rng.normal(-3, 3, size), rng.normal(0, 2, size)
    x[::1000], x[1::1000] = 0.0, 40.0
    y[::7], y[1::7] = -np.inf, np.inf
    return x, y, *polygenicities(mean, difference)


def test_every_constraint_holds_in_a_million_draws():
    x, y, pi1, pi2 = drawn(1_000_000)
    at = overlap(np.tanh(x), expit(y), pi1, pi2)
    slack = 4e-16
    assert (np.abs(at.rho_beta) <= 1).all()
    assert (at.pi_shared >= 0).all()
    assert (at.pi_shared <= np.minimum(pi1, pi2) * (1 + slack)).all()
    assert (pi1 + pi2 - at.pi_shared <= 1 + slack).all()
    assert (np.abs(at.rg) * np.sqrt(pi1 * pi2) <= at.pi_shared * (1 + 4 * slack)).all()
    np.testing.assert_allclose(
        at.rg, at.rho_beta * at.pi_shared / np.sqrt(pi1 * pi2), rtol=8e-16, atol=1e-300
    )
    assert (np.abs(at.rg) <= at.rg_max).all()


def test_the_ends_of_t_are_exact():
    u = np.array([-1.0, -0.7, -1e-200, 0.0, 1e-9, 0.3, 1.0])
    least, whole = (overlap(u, np.full(7, t), 0.01, 0.03) for t in (0.0, 1.0))
    np.testing.assert_array_equal(least.f, np.where(np.abs(u) < 1e-150, 0, np.abs(u)))
    np.testing.assert_array_equal(least.rho_beta[[0, 1, 4, 5, 6]], np.sign(u)[[0, 1, 4, 5, 6]])
    assert least.rho_beta[3] == 0
    np.testing.assert_array_equal(whole.f, 1.0)
    np.testing.assert_array_equal(whole.rho_beta, u)
    assert overlap(0.1, 0.0, 0.9, 0.4).pi_shared == pytest.approx(0.3)  # all variants are causal


def test_a_softmax_of_four_classes_goes_through_the_chart_and_back():
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 4, (4, 50_000))
    pi = np.exp(logits) / np.exp(logits).sum(0)
    rho = np.tanh(rng.normal(0, 1.5, 50_000))
    pi1, pi2 = pi[1] + pi[3], pi[2] + pi[3]
    x, y = place(pi[3], rho, pi1, pi2)
    kept = np.isfinite(y) & (np.abs(y) < 20)  # beyond, t is its end to rounding
    at = overlap(np.tanh(x), expit(y), pi1, pi2)
    assert kept.mean() > 0.9
    np.testing.assert_allclose(at.pi_shared[kept], pi[3][kept], rtol=1e-7)
    np.testing.assert_allclose(at.rho_beta[kept], rho[kept], rtol=1e-7, atol=1e-12)


def test_the_inverse_is_infinite_at_the_ends():
    assert place(0.0, 0.4, 0.01, 0.02) == (0.0, -np.inf)
    assert place(0.01, 0.4, 0.01, 0.02)[1] == np.inf
    assert place(0.004, -1.0, 0.01, 0.02)[1] == -np.inf
    assert np.isfinite(place(0.004, -0.5, 0.01, 0.02)).all()


@pytest.mark.parametrize("least", [0.0, 1e-3, 0.4, 0.999])
def test_the_excess_is_uniform_under_the_density_of_the_place(least):
    def mass(low, high):
        return quad(lambda y: np.exp(log_density_of_place(y, least)), low, high, limit=200)[0]

    ends = place_of_excess(np.array([1e-9, 0.05, 0.5, 0.95, 1 - 1e-9]), least)
    np.testing.assert_allclose(
        [mass(a, b) for a, b in pairwise(ends)],
        [0.05, 0.45, 0.45, 0.05],
        rtol=1e-6,
    )


def test_the_graph_is_the_same_function_with_finite_slopes():
    x, y, mean, difference = pt.dscalars("x", "y", "mean", "difference")
    pi1, pi2 = polygenicities(mean, difference, pt)
    at = overlap(pt.tanh(x), pt.sigmoid(y), pi1, pi2, pt)
    value = at.pi_shared + at.rho_beta + log_density_of_place(y, at.least, pt)
    f = pytensor.function(
        [x, y, mean, difference],
        [*at, value, *pytensor.grad(value, [x, y, mean, difference])],
        mode="FAST_COMPILE",
    )
    for point in ((0.3, -0.2, -5.0, 0.7), (0.0, -3.0, -5.0, 0.0), (-9.0, 30.0, 1.0, 2.0),
                  (0.0, -700.0, -5.0, 1.0), (1e-9, -40.0, -5.0, 1.0)):  # fmt: skip
        *parts, value, a, b, c, d = f(*point)
        mine = overlap(np.tanh(point[0]), expit(point[1]), *polygenicities(*point[2:]))
        np.testing.assert_allclose(parts, mine, rtol=1e-13, atol=1e-300)
        assert np.isfinite([value, a, b, c, d]).all()
