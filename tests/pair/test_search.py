"""Climbs of a pair's likelihood outside of PyMC, where its search starts, and each trait by
itself.
"""

import numpy as np
import pytest
from scipy.special import expit

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.inference.density import LogDensity
from bayesmixer.inference.information import information
from bayesmixer.models import bivariate_mixer
from bayesmixer.models.common import bound_of
from bayesmixer.pair.search import Search, W, X, Y, overlap_at, point
from bayesmixer.pair.starts import cross_moments, named, valleys
from bayesmixer.pair.univariate import held_values
from tests.models.small_pair import simulate_pair

TRUTH = point([0.3, 0.25], [0.04, 0.035], [1.05, 1.02], 0.45, 0.2, 0.2)


@pytest.fixture(scope="module")
def data():
    return simulate_pair()


@pytest.fixture(scope="module")
def search(data):
    return Search(data)


@pytest.mark.parametrize("t", [None, 0.0, 1.0])
def test_height_and_slope_are_those_of_the_model(data, search, t):
    density = LogDensity(bivariate_mixer(data, prior="flat", t=t))
    kept = [i for i in range(9) if t is None or i != Y]
    value, gradient = density.value_and_gradient(TRUTH[kept])
    height, slope = search.slope(TRUTH, t)
    # the value alone is another order of sums in single precision
    assert search.height(TRUTH, t) == pytest.approx(value, abs=1e-5)
    assert height == pytest.approx(value, abs=1e-6)
    np.testing.assert_allclose(slope[kept], gradient, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(
        density.flatten({k: v for k, v in named(TRUTH).items() if k in density.variables}),
        TRUTH[kept],
    )


def test_a_climb_moves_what_is_free_to_where_its_slope_is_nothing(search):
    found, height = search.climb(TRUTH, [X, W], accuracy=1e-6)
    held = [i for i in range(9) if i not in (X, W)]
    np.testing.assert_array_equal(found[held], TRUTH[held])
    slope = search.slope(found)[1]
    assert height >= search.height(TRUTH)
    assert abs(slope[X]) < 1
    assert abs(slope[W]) < 5


def test_starts_lie_in_both_valleys_and_at_both_ends(search):
    points = valleys(TRUTH, search)
    f = np.array([float(overlap_at(v)[0].f) for v in points])
    least = float(overlap_at(TRUTH)[0].least)
    np.testing.assert_allclose(f[-2:], [least + 0.02 * (1 - least), 1 - 0.02 * (1 - least)])
    if len(f) == 4:
        assert f[0] * f[1] == pytest.approx(2 * 0.45**2)
    for v in points:
        np.testing.assert_array_equal(np.delete(v, Y), np.delete(TRUTH, Y))


def test_moments_find_the_correlations_of_many_variants():
    data = simulate_pair(pi=(0.0, 0.0, 0.5), rho_beta=-0.5, rho_0=0.3, blocks=400, seed=3)
    rg, rho_0 = cross_moments(data, np.array([0.3, 0.25]), np.array([1.05, 1.02]))
    assert rg == pytest.approx(-0.5, abs=0.12)
    assert rho_0 == pytest.approx(0.3, abs=0.05)


def test_parameters_held_are_those_of_univariate_fits(data):
    held = held_values("fixed", data)
    fits = [
        bm.fit(bm.models.univariate_mixer(data.isel(trait=[k]), prior="flat"), "map",
               calibrate=False, progress=False)
        for k in (0, 1)
    ]  # fmt: skip
    theirs = held_values(fits, data)
    for name in ("h2", "pi", "sigma2_0"):
        np.testing.assert_allclose(held[name], theirs[name], rtol=0.02)
    with pytest.raises(InputError, match="a fit of second, expected one of first"):
        held_values(fits[::-1], data)


def test_starts_of_the_model_have_its_free_parameters(data):
    for options in ({}, {"t": 0.0}, {"univariate": {"h2": [0.3, 0.2], "pi": [0.04, 0.03],
                                                    "sigma2_0": [1.0, 1.0]}}):  # fmt: skip
        model = bivariate_mixer(data, **options)
        density, bound = LogDensity(model), bound_of(model)
        for start in bound.starts():
            assert set(start) == set(density.variables)
            assert np.isfinite(density.value_and_gradient(density.flatten(start))[0])


def test_the_point_of_natural_parameters_gives_them_back():
    at, pi = overlap_at(TRUTH)
    np.testing.assert_allclose(pi, [0.04, 0.035])
    np.testing.assert_allclose(np.exp(TRUTH[:2]), [0.3, 0.25])
    assert float(at.rg / at.rg_max) == pytest.approx(0.45)
    assert float(at.f**2 - 0.45**2) == pytest.approx((1 - 0.45**2) * expit(0.2))


@pytest.mark.parametrize("u", [0.004, -0.004])
def test_curvature_beside_an_rg_of_0_is_that_of_its_own_side(data, u):
    """The prior of the excess over |u| has a kink at u = 0, none of which is curvature."""
    density = LogDensity(bivariate_mixer(data))
    x = point([0.3, 0.25], [0.04, 0.035], [1.05, 1.02], u, 0.1, 0.2)
    at, h = density.names.index("atanh_u"), 1e-4
    e = h * np.eye(x.size)[at]
    own = (density.scores(x - e)[1] - density.scores(x + e)[1]) / (2 * h)
    found = information(density, x, np.full(x.size, 0.2)).prior[at]
    np.testing.assert_allclose(found, own, atol=0.1)
