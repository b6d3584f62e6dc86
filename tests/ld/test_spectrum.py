"""The LD spectrum against its definition."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from bayesmixer.errors import InputError
from bayesmixer.ld.spectrum import (
    cardinal,
    check_nodes,
    moving,
    nodes,
    spectrum_from_pairs,
    spectrum_of_block,
    x_max_of,
)


def by_definition(x, k, x_max):
    """Lagrange's product formula in u = log(x + x0), written out."""
    u, uk = np.log(x + 3e-3), np.log(nodes(k, x_max) + 3e-3)
    out = np.ones((len(x), k))
    for a in range(k):
        for b in range(k):
            if a != b:
                out[:, a] *= (u - uk[b]) / (uk[a] - uk[b])
    return out


@pytest.mark.parametrize("k", [4, 16, 24])
def test_nodes_are_chebyshev_lobatto_points_in_log_x_plus_x0(k):
    x = nodes(k)
    u = np.log(x + 3e-3)
    lo, hi = np.log(3e-3), np.log(0.503)
    assert np.allclose(
        (2 * u - lo - hi) / (hi - lo), np.cos(np.pi * np.arange(k) / (k - 1)), atol=1e-12
    )
    assert x[0] == 0.5
    assert x[-1] == 0.0
    assert (np.diff(x) < 0).all()


@pytest.mark.parametrize(("k", "x_max"), [(4, 0.5), (16, 0.5), (24, 0.5), (24, 0.8)])
def test_cardinal_functions_are_lagranges(k, x_max):
    x = np.concatenate([np.linspace(0, x_max, 301), nodes(k, x_max), np.geomspace(1e-9, x_max, 50)])
    assert np.abs(cardinal(x, k, x_max) - by_definition(x, k, x_max)).max() < 1e-9


@pytest.mark.parametrize("k", [4, 8, 16, 24, 32, 48, 64])
@pytest.mark.parametrize("x_max", [0.5, 0.5**0.5, 1.0])
def test_the_fast_deposit_is_within_1e9_of_x_times_the_cardinal_functions(k, x_max):
    rng = np.random.default_rng(k)
    x = np.concatenate(
        [rng.uniform(0, x_max, 5000), 10 ** rng.uniform(-9, np.log10(x_max), 5000), nodes(k, x_max)]
    )
    fast = spectrum_from_pairs(np.arange(len(x) + 1), x, k, x_max)
    assert (np.abs(fast - x[:, None] * cardinal(x, k, x_max)) <= 1e-9 * x[:, None] + 1e-300).all()


def test_a_spectrum_that_is_moved_is_that_of_the_multiplied_strengths():
    x = np.array([0.4, 0.11, 0.03, 0.002, 0.0001])
    factor = np.array([1.0, 0.9, 0.3, 0.01])
    spectrum = x @ cardinal(x, 24)
    for c, matrix in zip(factor, moving(factor, nodes(24), 48, 0.8), strict=True):
        moved = spectrum @ matrix
        assert moved.sum() == pytest.approx(c * x.sum(), rel=1e-12)
        for t in (1.0, 30.0, 300.0):  # sums of smooth functions of the strengths
            expected = (c * x / (1 + t * c * x)).sum()
            assert moved @ (1 / (1 + t * nodes(48, 0.8))) == pytest.approx(expected, rel=1e-5)
    same = moving(1.0, nodes(24), 24, 0.5)[0]
    assert np.abs(same - np.eye(24)).max() < 1e-9


def test_other_nodes_than_those_of_a_spectrum_are_refused():
    check_nodes(nodes(24, 0.8), "", "")
    with pytest.raises(InputError, match=r"^node_x: is not the nodes .*, so it ends\. Go\.$"):
        check_nodes(np.linspace(0.5, 0, 24), "it ends", "Go.")


def test_rows_add_up_and_a_variant_without_partners_has_an_empty_spectrum():
    rng = np.random.default_rng(1)
    sizes = np.array([3, 0, 40, 1, 0])
    x = rng.uniform(0, 0.5, sizes.sum())
    indptr = np.r_[0, np.cumsum(sizes)]
    s = spectrum_from_pairs(indptr, x)
    assert np.allclose(s.sum(1), [x[a:b].sum() for a, b in pairwise(indptr)], atol=1e-12)
    assert (s[[1, 4]] == 0).all()


def test_a_dense_block_equals_the_list_of_its_pairs():
    rng = np.random.default_rng(2)
    r = np.corrcoef(rng.standard_normal((30, 50)) + 2 * rng.standard_normal(50))
    h = rng.uniform(0.02, 0.5, 30)
    listed = spectrum_from_pairs(np.arange(0, 901, 30), (h * r**2).ravel())
    assert np.allclose(spectrum_of_block(r, h), listed, atol=1e-13)


def test_the_sum_over_partners_of_the_mixture_exponent_is_reproduced():
    """sum_i log(1 + pi (exp(-x_i q) - 1)) from the partners themselves and from the spectrum (N
    sigma2_beta = 10).
    """
    rng = np.random.default_rng(3)
    x = np.minimum(rng.exponential(0.02, (200, 60)), 0.5)
    x[:, 0] = rng.uniform(0.1, 0.5, 200)
    s = spectrum_from_pairs(np.arange(0, x.size + 1, 60), x.ravel())
    pi, q = 0.003, 0.5 * np.linspace(0, 5, 20) ** 2 * 10
    exact = np.log1p(pi * np.expm1(-x[..., None] * q)).sum(1)
    xk = nodes()[:, None]
    g = np.where(xk > 0, np.log1p(pi * np.expm1(-xk * q)) / np.maximum(xk, 1e-300), -pi * q)
    assert np.abs(s @ g - exact).max() < 1e-7


def test_the_largest_strength_follows_the_smallest_negative_exponent():
    assert x_max_of((0.0,)) == 0.5
    assert x_max_of((0.5, 0.0)) == 0.5
    assert x_max_of((0.0, -0.25, -1.0)) == pytest.approx(1.0)
    assert x_max_of((-0.25,)) == pytest.approx(0.5**0.75)
