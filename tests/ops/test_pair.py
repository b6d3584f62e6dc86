"""The two-trait likelihood: reference densities, its gradient, symmetries, missing traits, and its
life as a PyTensor Op.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from scipy.special import logsumexp

from bayesmixer.ld.spectrum import spectrum_from_pairs
from bayesmixer.ops import pair_oracle
from bayesmixer.ops.likelihood import log_density
from bayesmixer.ops.pair import PairLogLik, pair_log_density
from bayesmixer.ops.pair_kernel import rows_together
from bayesmixer.ops.pair_layout import PairData
from tests.ops.likelihood_cases import NODE_X
from tests.ops.pair_cases import POINT, make, parameters, reference, variants
from tests.ops.under_jax import same_under_jax

NEGATIVE = parameters(0.015, 0.005, 0.005, 1e-4, 1.7e-4, -0.9, 1.1, 1.0, -0.3)
EXACT_CORRELATION = parameters(0.003, 0.001, 0.002, 4e-4, 3e-4, 1.0, 1.05, 1.02, 0.3)
POINTS = {"partial": POINT, "negative": NEGATIVE, "rho_beta 1": EXACT_CORRELATION}


@pytest.fixture(scope="module")
def told(shared):
    return reference(shared)


@pytest.mark.parametrize("name", ["B0", "B1", "B2", "B3", "B4"])
def test_reference_densities_and_their_weighted_cost(told, name):
    z, n, w, s, points = told
    exact, theta, cost = points[name]
    block = np.arange(len(z)) // 200
    data = PairData(z, n, np.ones(len(z)), s, NODE_X, np.arange(len(z)))
    found = PairLogLik(data, gradient=False).evaluate(*theta)[0]
    near = exact > -20
    assert np.abs(found - exact)[near].max() <= 1e-5
    assert np.abs(found - exact)[~near].max(initial=0.0) <= 1e-3
    weighted = PairData(z, n, w, s, NODE_X, block)
    total = -PairLogLik(weighted, gradient=False).evaluate(*theta)[0].sum()
    assert total == pytest.approx(cost, abs=1e-3)


@pytest.mark.parametrize("case", POINTS)
def test_jacobian_equals_differences_of_the_value(case):
    data, theta = make(), POINTS[case]
    op = PairLogLik(data)
    flat = np.concatenate([v.ravel() for v in theta])
    _, jacobian = op.evaluate(*theta)
    assert jacobian.shape == (5, 15)

    def at(t):
        return PairLogLik(data, gradient=False).evaluate(t[:3], t[3:12].reshape(3, 3), t[12:])[0]

    # steps so wide that what the lattices leave of each density, 2e-6, is little beside the change;
    # what is 0, and covariances at their bounds, cannot be moved to both sides
    movable = np.flatnonzero(flat)
    if case == "rho_beta 1":
        movable = movable[(movable < 9)]
    scale = np.abs(jacobian * flat).max()
    for i in movable:
        h = 2e-2 * abs(flat[i]) * np.eye(15)[i]
        expected = (8 * (at(flat + h) - at(flat - h)) - (at(flat + 2 * h) - at(flat - 2 * h))) / (
            12 * h[i]
        )
        np.testing.assert_allclose(jacobian[:, i] * flat[i], expected * flat[i], atol=3e-5 * scale)


def test_a_sign_of_trait_2_is_a_sign_of_the_covariances():
    z, n, w, s, block = variants()
    flip = np.array([1, 1, -1.0])
    pi, sigma_beta, sigma_0 = POINT
    value, jacobian = PairLogLik(PairData(z, n, w, s, NODE_X, block)).evaluate(*POINT)
    other, slopes = PairLogLik(PairData(z * [1, -1], n, w, s, NODE_X, block)).evaluate(
        pi, sigma_beta * flip, sigma_0 * flip
    )
    np.testing.assert_array_equal(value, other)
    signs = np.concatenate([np.ones(3), np.tile(flip, 3), flip])
    np.testing.assert_allclose(
        jacobian, slopes * signs, rtol=1e-9, atol=1e-9 * float(np.abs(slopes).max())
    )


@pytest.mark.parametrize("censor", [None, (3.0, 4.0)])
def test_traits_may_be_swapped(censor):
    z, n, w, s, block = variants()
    pi, sigma_beta, sigma_0 = POINT
    swap = [1, 0, 2]
    value, jacobian = PairLogLik(PairData(z, n, w, s, NODE_X, block, censor)).evaluate(*POINT)
    back = censor and censor[::-1]
    other, slopes = PairLogLik(
        PairData(z[:, ::-1], n[:, ::-1], w, s, NODE_X, block, back)
    ).evaluate(pi[swap], sigma_beta[swap][:, swap], sigma_0[swap])
    np.testing.assert_allclose(value, other, rtol=1e-12)
    entry = [*swap, *(3 + 3 * c + t for c in swap for t in swap), *(12 + t for t in swap)]
    np.testing.assert_allclose(
        jacobian, slopes[:, entry], rtol=1e-9, atol=1e-9 * float(np.abs(slopes).max())
    )


def test_jax_calls_the_kernels_and_has_their_slopes():
    same_under_jax(PairLogLik(make()), POINT)
    same_under_jax(PairLogLik(make(), gradient=False), POINT)


def test_independent_traits_have_the_product_of_their_densities():
    z, n, _, s, _ = variants(80)
    p1, p2 = 0.004, 0.002
    theta = parameters(p1 * (1 - p2), p2 * (1 - p1), p1 * p2, 4e-4, 5e-4, 0.0, 1.05, 1.0, 0.0)
    found = pair_log_density(z, n, s, NODE_X, *theta)
    expected = log_density(z[:, 0], n[:, 0], s, NODE_X, [p1], [4e-4], 1.05)
    expected += log_density(z[:, 1], n[:, 1], s, NODE_X, [p2], [5e-4], 1.0)
    near = expected > -20
    assert near.mean() > 0.9
    np.testing.assert_allclose(found[near], expected[near], atol=1e-5)


def test_a_component_of_weight_0_is_as_if_absent():
    data, (pi, sigma_beta, sigma_0) = make(), POINT
    value, slopes = PairLogLik(data).evaluate(pi[:2], sigma_beta[:2], sigma_0)
    more, others = PairLogLik(data).evaluate([*pi[:2], 0.0], sigma_beta, sigma_0)
    np.testing.assert_allclose(more, value, rtol=1e-9)
    np.testing.assert_allclose(
        others[:, :2], slopes[:, :2], rtol=1e-6, atol=1e-6 * float(np.abs(slopes).max())
    )
    assert not others[:, 9:12].any()


def test_a_variant_seen_in_one_trait_informs_that_trait_alone():
    z, n, w, s, _ = variants(60)
    block = np.repeat([0, 1, 2], 20)
    z[:20, 1], z[20:40, 0], n[:20, 1] = np.nan, np.nan, np.nan
    pi, sigma_beta, sigma_0 = POINT
    data = PairData(z, n, w, s, NODE_X, block)
    value, jacobian = PairLogLik(data).evaluate(*POINT)
    for trait, rows in enumerate((slice(0, 20), slice(20, 40))):
        each = log_density(
            z[rows, trait],
            n[rows, trait],
            s[rows],
            NODE_X,
            pi,
            sigma_beta[:, trait],
            sigma_0[trait],
        )
        assert value[trait] == pytest.approx((w[rows] * each).sum())
        other = [3 + 3 * c + 1 - trait for c in range(3)]
        assert not jacobian[trait, [*other, 13 - trait, 14]].any()
    assert data.effective_variants == pytest.approx(w.sum())
    assert value[2] == pytest.approx(
        (w[40:] * pair_log_density(z[40:], n[40:], s[40:], NODE_X, *POINT)).sum(), abs=1e-6
    )


IMPOSSIBLE = {
    "weights above 1": ([0.5, 0.4, 0.2], POINT[1], POINT[2]),
    "negative weight": ([-0.1, 0.4, 0.2], POINT[1], POINT[2]),
    "negative variance": (POINT[0], POINT[1] * [-1, 1, 1], POINT[2]),
    "effects' correlation above 1": (POINT[0], POINT[1] * [1, 1, 2.01], POINT[2]),
    "errors' correlation above .995": (POINT[0], POINT[1], [1.0, 1.0, 0.996]),
    "not a number": (POINT[0], POINT[1], [1.0, np.nan, 0.0]),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_impossible_parameters_have_no_likelihood(case):
    value, jacobian = PairLogLik(make(40)).evaluate(*IMPOSSIBLE[case])
    assert (value == -np.inf).all()
    assert jacobian.shape == (5, 15)
    assert not jacobian.any()


def test_shapes_and_sample_sizes_are_checked():
    z, n, w, s, block = variants(30)
    with pytest.raises(ValueError, match=r"expected \(J, 2\)"):
        PairData(z[:, 0], n, w, s, NODE_X, block)
    with pytest.raises(ValueError, match="within a factor of 1,000"):
        PairData(z, n * np.linspace(1e-4, 1, 30)[:, None], w, s, NODE_X, block)
    with pytest.raises(ValueError, match="no variant with a z-score"):
        PairData(z * np.nan, n, w, s, NODE_X, block)
    with pytest.raises(TypeError, match=r"expected \(C,\), \(C, 3\) and \(3,\)"):
        PairLogLik(make(30)).evaluate(POINT[0], POINT[1][:2], POINT[2])


@pytest.mark.parametrize("mode", [None, "FAST_COMPILE"], ids=["numba", "python"])
def test_pytensor_gradient_is_the_weighted_jacobian(mode):
    op = PairLogLik(make(60))
    inputs = pt.dvector("pi"), pt.dmatrix("sigma_beta"), pt.dvector("sigma_0")
    weights = np.linspace(0.5, 2, op.data.n_blocks)
    total = (op(*inputs)[0] * weights).sum()
    f = pytensor.function(inputs, [total, *pytensor.grad(total, list(inputs))], mode=mode)
    value, *slopes = f(*POINT)
    loglik, jacobian = op.evaluate(*POINT)
    assert value == pytest.approx(weights @ loglik)
    np.testing.assert_allclose(
        np.concatenate([np.ravel(v) for v in slopes]), weights @ jacobian, rtol=1e-9
    )


@pytest.mark.parametrize("case", POINTS)
def test_densities_equal_the_oracle_at_the_centre_and_far_out(case):
    z, n, _, s, _ = variants(4, seed=3)
    z[:2] = [[6, -5], [7, 6]]
    found = pair_log_density(z, n, s, NODE_X, *POINTS[case])
    exact = pair_oracle.pair_log_density(z, n, s, NODE_X, *POINTS[case])
    near = exact > -20
    np.testing.assert_allclose(found[near], exact[near], atol=1e-5)
    np.testing.assert_allclose(found, exact, atol=2e-3)


@pytest.mark.parametrize("seed", range(1, 5))
def test_no_parameters_within_their_ranges_give_nan_or_too_much_density(seed):
    rng = np.random.default_rng(seed)
    z, n, _, s, _ = variants(150, seed=seed)
    z = rng.uniform(-40, 40, z.shape) * rng.choice([0.1, 0.3, 1.0], (150, 1))
    p1, p2 = np.exp(rng.uniform(np.log(1e-6), np.log(0.45), 2))
    v1, v2 = np.exp(rng.uniform(np.log(1e-7), np.log(2e-3), 2))
    rho_beta, rho_0 = rng.choice([-1, 1, rng.uniform(-1, 1)]), rng.choice([0.995, -0.995, 0.3])
    e1, e2 = rng.uniform(0.8, 2, 2)
    p12 = rng.uniform() * min(p1, p2)
    theta = parameters(p1 - p12, p2 - p12, p12, v1, v2, rho_beta, e1, e2, rho_0)
    loglik, jacobian = PairLogLik(PairData(z, n, np.ones(150), s, NODE_X, np.arange(150))).evaluate(
        *theta
    )
    assert not np.isnan(loglik).any()
    assert np.isfinite(jacobian).all()
    highest = -np.log(2 * np.pi * np.sqrt(e1 * e2 * (1 - rho_0**2)))
    assert (loglik <= highest + 1e-4).all()


def test_a_variant_exceeds_where_either_z_does():
    z, n, w, s, _ = variants(30, seed=5, spread=1.0)
    z = np.clip(z, -2.9, 2.9)
    z[:3], z[3, 0], z[4, 1] = [4, 1], -3.5, 7.0
    data = PairData(z, n, w, s, NODE_X, np.arange(30), censor=(3.0, 3.2))
    value = PairLogLik(data, gradient=False).evaluate(*POINT)[0]
    free = pair_log_density(z[5:], n[5:], s[5:], NODE_X, *POINT)
    np.testing.assert_allclose(value[5:], w[5:] * free, rtol=1e-6)
    # brute force: the density summed over a grid of the box
    grid = np.linspace(-1, 1, 61)
    weight = np.outer(*[np.where(abs(grid) == 1, 0.5, 1.0) * 3 / 30] * 2)
    points = np.stack(np.meshgrid(3.0 * grid, 3.2 * grid, indexing="ij"), -1).reshape(-1, 2)
    for j in (0, 4):
        rows = np.full(len(points), j)
        p = np.exp(pair_log_density(points, n[rows], s[rows], NODE_X, *POINT))
        # the trapezoid's error at the edges of the box is about a hundredth of what exceeds
        expected = np.log(1 - 3.2 / 3 * weight.ravel() @ p)
        assert value[j] / w[j] == pytest.approx(expected, abs=0.02)

    flat = np.concatenate([v.ravel() for v in POINT])
    few = PairData(z[:5], n[:5], w[:5], s[:5], NODE_X, np.zeros(5, int), censor=(3.0, 3.2))
    slope = PairLogLik(few).evaluate(*POINT)[1][0]

    def at(t):
        op = PairLogLik(few, gradient=False)
        return op.evaluate(t[:3], t[3:12].reshape(3, 3), t[12:])[0].sum()

    for i in np.flatnonzero(flat):
        h = 1e-4 * abs(flat[i]) * np.eye(15)[i]
        assert slope[i] == pytest.approx((at(flat + h) - at(flat - h)) / (2 * h[i]), rel=1e-5)


def test_improbable_exceeding_is_the_sum_of_both_traits():
    z, n, _, s, _ = variants(3, seed=6)
    z[:] = [[11, 0], [0, 11], [11, 11]]
    theta = parameters(1e-5, 1e-5, 0.0, 1e-7, 1e-7, 0.0, 1.0, 1.0, 0.0)
    found = pair_log_density(z, n, s, NODE_X, *theta, censor=10.0)
    one = [
        log_density(z[:, t] * 0 + 11, n[:, t], s, NODE_X, [1e-5], [1e-7], 1.0, censor=10.0)
        for t in (0, 1)
    ]
    np.testing.assert_allclose(found, np.logaddexp(*one), rtol=1e-6)


def test_a_variant_of_small_n_has_the_density_that_it_has_alone():
    z, n, _, s, _ = variants(20, seed=9, spread=1.1)
    n[:6, 0] /= 400
    n[3:9, 1] /= 400
    found = pair_log_density(z, n, s, NODE_X, *POINT)
    for j in range(8):
        alone = pair_log_density(z[[j]], n[[j]], s[[j]], NODE_X, *POINT)
        assert found[j] == pytest.approx(float(alone[0]), abs=1e-5)


@pytest.mark.parametrize(
    ("edge", "at", "most", "n"),
    [
        ([0, 40, 40, 40], 0, 24, 20),  # half of a block, before blocks without rows
        ([0, 40, 40, 40], 20, 24, 20),
        ([0, 5, 5, 12, 60], 0, 24, 12),  # whole blocks, until the next is too large
        ([0, 5, 9], 0, 24, 9),
        ([0, 40, 45], 0, 48, 40),
    ],
)
def test_chunks_are_parts_of_a_block_or_whole_blocks(edge, at, most, n):
    # as Python, which refuses to read behind the end
    assert rows_together.py_func(np.array(edge), 0, at, edge[-1], most) == n


def _all_configurations(z, n, x, pi, sigma_beta, sigma_0):
    """Log density of one variant by every choice of what its partners, of H r^2 x, are."""
    log_pi = np.log(np.r_[pi, 1 - pi.sum()])
    each = np.vstack([sigma_beta * [n[0], n[1], np.sqrt(n.prod())], np.zeros(3)])
    of = np.array(list(product(range(len(log_pi)), repeat=len(x))))
    v = (each[of] * x[None, :, None]).sum(1) + sigma_0
    det = v[:, 0] * v[:, 1] - v[:, 2] ** 2
    q = (v[:, 1] * z[0] ** 2 + v[:, 0] * z[1] ** 2 - 2 * v[:, 2] * z[0] * z[1]) / det
    return logsumexp(log_pi[of].sum(1) - q / 2 - np.log(det) / 2) - np.log(2 * np.pi)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_few_partners_and_dependent_errors_have_the_density_of_all_configurations(seed):
    """Far out the sum of some went round a zero, and was up to ten e-folds too much."""
    rng = np.random.default_rng(seed)
    for _ in range(40):
        lists = [
            rng.uniform(0.02, 0.5) * np.r_[1, rng.beta(0.4, 1.5, m)]
            for m in rng.integers(6, size=12)
        ]
        spectrum = spectrum_from_pairs(
            np.cumsum([0, *map(len, lists)]), np.concatenate(lists), len(NODE_X)
        )
        z = np.clip(rng.normal(0, rng.choice([1.2, 3]), (12, 2)), -20, 20)
        n = np.array([80_000.0, 50_000.0]) * rng.uniform(0.85, 1, (12, 2))
        pi = 10 ** rng.uniform(-5, -1, 3)
        v1, v2 = 10 ** rng.uniform(-7, -3.5, 2)
        covariance = rng.choice([-1, 1, rng.uniform(-1, 1)]) * np.sqrt(v1 * v2)
        e1, e2, rho_0 = *rng.uniform(0.9, 1.6, 2), rng.choice([-1, 1]) * rng.uniform(0.7, 0.99)
        sigma_beta = np.array([[v1, 0, 0], [0, v2, 0], [v1, v2, covariance]])
        sigma_0 = np.array([e1, e2, rho_0 * np.sqrt(e1 * e2)])
        found = pair_log_density(z, n, spectrum, NODE_X, pi, sigma_beta, sigma_0)
        of = zip(z, n, lists, strict=True)
        true = np.array([_all_configurations(*one, pi, sigma_beta, sigma_0) for one in of])
        near = true > -20
        np.testing.assert_allclose(found[near], true[near], rtol=0, atol=0.02)
        np.testing.assert_allclose(found, true, rtol=0, atol=2.5)  # the saddle point's
