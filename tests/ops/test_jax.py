"""The JAX likelihood against the NumPy oracle: values, derivatives, censoring, blocks, memory."""

import numpy as np
import pytest

from bayesmixer.errors import InputError
from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from bayesmixer.ops import jax_kernel
from bayesmixer.ops.jax_data import frequencies_needed
from bayesmixer.ops.layout import LikelihoodData
from bayesmixer.ops.oracle import branch_constant, log_density, log_density_gradient

jax = pytest.importorskip("jax")

X = np.array([0.48, 0.31, 0.12, 0.03, 0.004, 0.0])
CASES = {
    "sparse": ([0.004], [0.00048], 1.05, 80_000.0),
    "strong": ([1e-5], [0.005], 0.9, 80_000.0),
    "polygenic": ([0.3], [6e-6], 1.2, 80_000.0),
    "everyone": ([1.0], [1e-6], 5.0, 80_000.0),
    "rare, tiny error": ([1e-6], [0.002], 0.3, 100_000.0),
    "two components": ([0.01, 0.0005], [5e-5, 0.002], 1.1, 60_000.0),
}


@pytest.fixture(autouse=True)
def float64():
    """These tests run in float64 whatever ran before, and compile in a hurry: what is computed
    does not depend on how well.
    """
    before = {
        name: jax.config.values[name]
        for name in ("jax_enable_x64", "jax_disable_most_optimizations")
    }
    for name in before:
        jax.config.update(name, True)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture(scope="module")
def panel():
    """60 variants of 1 to 40 partners on 24 nodes, sample sizes as shares, z-scores."""
    rng = np.random.default_rng(5)
    counts = rng.integers(1, 40, 60)
    indptr = np.append(0, np.cumsum(counts))
    spectrum = spectrum_from_pairs(indptr, rng.beta(0.35, 2.5, indptr[-1]) / 2, 24)
    return (
        spectrum,
        rng.uniform(0.8, 1, 60),
        np.concatenate([rng.normal(0, 2, 45), rng.uniform(3, 9, 15)]),
    )


def _check(z, n, spectrum, x, case, value_error, slope_error, **kwargs):
    pi, sigma2, zero, _ = CASES[case]
    censored = kwargs.pop("censored", None)
    censor = None if censored is None else np.where(censored, np.nextafter(np.abs(z), 0), np.inf)
    value, slope = log_density_gradient(
        z, n, spectrum, x, pi, sigma2, zero, censor=censor, tolerance=1e-12
    )
    data = jax_kernel.prepare(
        z, n, spectrum, x, block=np.arange(len(z)), censored=censored, **kwargs
    )
    found, jacobian = map(
        np.asarray,
        jax.jit(lambda p, v, s: jax_kernel.block_loglik(data, p, v, s))(
            np.array(pi), np.array(sigma2), zero
        ),
    )
    np.testing.assert_allclose(found, value, rtol=value_error, atol=value_error)
    np.testing.assert_allclose(
        jacobian, slope, rtol=slope_error, atol=slope_error * np.abs(slope).max()
    )


@pytest.mark.parametrize("case", CASES)
def test_value_and_jacobian_equal_the_oracle_from_the_centre_to_the_far_tail(case):
    """Whole numbers of partners: log p is unambiguous however far out."""
    rng = np.random.default_rng(6)
    z = np.array([0.0, 0.5, -2.9, 3.1, 4.5, -6.0, 9.0, 13.0, 20.0, 40.0])
    spectrum = X * rng.integers(0, 3, (len(z), len(X)))
    spectrum[:, -1] = 0.05 * rng.uniform(size=len(z))
    _check(z, np.full(len(z), CASES[case][3]), spectrum, X, case, 1e-9, 1e-7, frequencies=512)


@pytest.mark.parametrize("case", CASES)
def test_spectra_several_sample_sizes_and_censored_variants_beside_others_equal_the_oracle(
    panel, case
):
    """JAX compiles three seconds for each case: every second variant beyond 1.5 is censored, the
    others count with their density.
    """
    spectrum, share, z = panel
    censored = (np.abs(z) > 1.5) & (np.arange(z.size) % 2 == 0)
    _check(z, CASES[case][3] * share, spectrum, nodes(24), case, 1e-9, 1e-7, censored=censored)


def test_blocks_are_weighted_sums_and_reverse_mode_agrees_with_the_jacobian(panel):
    spectrum, share, z = panel
    pi, sigma2, zero, n = CASES["two components"]
    weight, block = np.linspace(0, 1, len(z)), np.arange(len(z)) // 25
    data = jax_kernel.prepare(z, n * share, spectrum, nodes(24), weight, block)
    point = np.array(pi), np.array(sigma2), zero
    value, jacobian = jax.jit(lambda p, v, s: jax_kernel.block_loglik(data, p, v, s))(*point)
    each = weight * log_density(z, n * share, spectrum, nodes(24), pi, sigma2, zero)
    np.testing.assert_allclose(value, np.bincount(block, each), rtol=1e-9)
    grad = jax.jit(
        jax.grad(
            lambda p, v, s: (weight * jax_kernel.variant_loglik(data, p, v, s)).sum(),
            argnums=(0, 1, 2),
        )
    )(*point)
    np.testing.assert_allclose(
        np.concatenate([np.atleast_1d(g) for g in grad]), np.asarray(jacobian).sum(0), rtol=1e-8
    )


def test_op_implementation_equals_the_oracle_and_refuses_impossible_parameters(panel):
    spectrum, share, z = panel
    pi, sigma2, zero, n = CASES["sparse"]
    weight, block = np.linspace(0, 1, len(z)), np.arange(len(z)) // 12
    data = LikelihoodData(
        z, n * share, weight, spectrum, nodes(24), block, censor=4.0, n_blocks=block[-1] + 3
    )
    each = weight * log_density(z, n * share, spectrum, nodes(24), pi, sigma2, zero, censor=4.0)
    for gradient in (True, False):
        function = jax.jit(jax_kernel.block_function(data, gradient))
        value, jacobian = function(np.array(pi), np.array(sigma2), zero)
        np.testing.assert_allclose(value, np.bincount(block, each, block[-1] + 3), rtol=1e-9)
        assert jacobian.shape == (block[-1] + 3, 3 * gradient)
        value, jacobian = function(np.array([1.2]), np.array(sigma2), zero)
        assert np.isneginf(value).all()
        assert (jacobian == 0).all()


def test_frequencies_needed_are_enough_and_half_of_them_are_not(panel):
    spectrum, share, z = panel
    pi, sigma2, zero, n = CASES["strong"]
    bulk = np.abs(z) < 3
    args = (z[bulk], n * share[bulk], spectrum[bulk], nodes(24), pi, sigma2, zero)
    count = frequencies_needed(*args)
    truth = log_density(*args)
    errors = [
        np.abs(np.asarray(jax_kernel.log_density(*args, frequencies=m)) - truth).max()
        for m in (count, count // 3)
    ]
    assert errors[0] < 1e-9 < errors[1]


def test_nothing_of_size_variants_times_frequencies_is_held():
    jax.config.update("jax_disable_most_optimizations", False)  # as a fit is compiled
    rng = np.random.default_rng(7)
    variants, frequencies = 40_000, 256
    spectrum, z = np.abs(rng.normal(size=(variants, 24))), rng.normal(0, 1.5, variants)
    data = jax_kernel.prepare(z, 1e5, spectrum, nodes(24), frequencies=frequencies)
    lowered = jax.jit(lambda p, v, s: jax_kernel.block_loglik(data, p, v, s)).lower(
        np.array([0.003]), np.array([3e-4]), 1.0
    )
    assert lowered.compile().memory_analysis().temp_size_in_bytes < variants * frequencies * 8


def test_branch_constant_of_one_component_is_the_oracles():
    for p in (1e-6, 0.01, 0.5, 0.97):
        found = jax_kernel._branch_constant(jax, jax.numpy.array([p]), jax.numpy.array([2e-4]))
        np.testing.assert_allclose(
            found, branch_constant(np.array([p]), np.array([2e-4])), rtol=1e-12
        )


def test_traced_data_and_single_precision_are_refused_in_one_line(panel):
    spectrum, share, z = panel
    with pytest.raises(InputError, match="Data are constants"):
        jax.jit(lambda t: jax_kernel.prepare(t, share, spectrum, nodes(24)).z_max)(z)
    data = jax_kernel.prepare(z, share, spectrum, nodes(24))
    jax.config.update("jax_enable_x64", False)
    with pytest.raises(InputError, match="float64"):
        jax_kernel.variant_loglik(data, [0.1], [1e-4], 1.0)


def test_module_does_not_import_jax():
    import subprocess
    import sys

    code = "import sys, bayesmixer.ops.jax_kernel; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("case", ["sparse", "polygenic"])
def test_sample_sizes_a_hundred_times_apart_equal_the_oracle_and_more_are_refused(panel, case):
    spectrum, _, z = panel
    n = np.where(np.arange(60) % 3 == 0, 0.01, 1.0) * CASES[case][3]
    _check(z, n, spectrum, nodes(24), case, 1e-9, 1e-7)
    with pytest.raises(InputError, match="at most a factor of 100 between them with JAX"):
        jax_kernel.prepare(z, n / np.where(n < n.max(), 2, 1), spectrum, nodes(24))
