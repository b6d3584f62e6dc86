"""The compiled likelihood: reference densities, the oracle, properties over all parameters, and its life as a PyTensor Op."""

from __future__ import annotations

import json
import pickle

import numba as nb
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.graph.rewriting.utils import rewrite_graph

from bayesmixer.ld.spectrum import spectrum_from_pairs
from bayesmixer.ops import kernel, oracle
from bayesmixer.ops.layout import LikelihoodData
from bayesmixer.ops.likelihood import MixtureLogLik, log_density
from tests.ops.likelihood_cases import N_REF, NODE_X, K, spectra

ONE = (np.array([0.004]), np.array([4.8e-4]), 1.05)
TWO = (np.array([0.02, 0.001]), np.array([2e-5, 8e-4]), 1.1)
DENSE = (np.array([0.3]), np.array([6e-6]), 1.2)
SMALL_ERROR = (np.array([0.004]), np.array([4.8e-4]), 0.45)
PARAMETERS = {"one component": ONE, "two components": TWO, "polygenic": DENSE, "all variants on the shifted line": SMALL_ERROR}


def make(variants=300, blocks=7, seed=0, censor=None, dtype=np.float64, empty=()):
    """Variants of several sample sizes and weights in ragged blocks, some far out, and the rows in plain arrays."""
    rng = np.random.default_rng(seed)
    s, _ = spectra(rng, variants)
    z = np.concatenate([rng.normal(0, 1.5, variants - 20), rng.uniform(3.5, 9, 20)])[rng.permutation(variants)]
    n, w = N_REF * rng.uniform(0.6, 1, variants), rng.uniform(0.2, 1.5, variants)
    label = np.sort(rng.integers(0, blocks, variants))
    for e in empty:
        label[label == e] = e + 1
    arrays = (z, n, w, s.astype(dtype), label)
    return LikelihoodData(z, n, w, arrays[3], NODE_X, label, censor, n_blocks=max(blocks, label.max() + 1)), arrays


def both(data, parameters):
    """Value and Jacobian of the serial kernel."""
    return kernel.evaluate_serial(data.packed, data.tails, *parameters, True)


# Reference densities


@pytest.fixture(scope="module")
def reference(shared):
    folder = shared / "reference/mixer"
    inputs = np.load(folder / "inputs.npz")
    x = (inputs["H"][inputs["indices"]] * inputs["r2"]).astype(float)
    points = json.loads((folder / "points.json").read_text())["univariate"]
    return inputs, spectrum_from_pairs(inputs["indptr"], x), np.load(folder / "univariate.npz"), points


@pytest.mark.parametrize("trait", [1, 2])
@pytest.mark.parametrize("point", ["U0", "U1", "U2", "U3", "U4", "U5_inf"])
def test_density_of_every_variant_and_the_cost_equal_the_exact_reference(reference, point, trait):
    inputs, s, exact, points = reference
    p = points[point]["params"]
    z, n, w = (inputs[name].astype(float) for name in (f"z{trait}", f"n{trait}", "weights"))
    found = log_density(z, n, s, NODE_X, [p["pi"]], [p["sig2_beta"]], p["sig2_zero"])
    expected = exact[f"{point}_z{trait}"]
    bulk = expected >= np.log(1e-9)
    assert np.abs(found - expected)[bulk].max() <= 1e-5
    assert np.abs(found - expected)[~bulk].max(initial=0.0) <= 0.02
    label = np.arange(len(z)) // 500
    data = LikelihoodData(z, n, w, s, NODE_X, label)
    cost = -MixtureLogLik(data, gradient=False).evaluate([p["pi"]], [p["sig2_beta"]], p["sig2_zero"])[0].sum()
    assert cost == pytest.approx(-(w * expected).sum(), abs=1e-3)
    assert cost == pytest.approx(points[point][f"z{trait}"]["exact_cost"], abs=1e-3)


# Against the oracle


@pytest.mark.parametrize("censor", [None, 3.0])
@pytest.mark.parametrize("case", PARAMETERS)
def test_value_and_jacobian_of_every_variant_equal_the_oracle(case, censor):
    parameters = PARAMETERS[case]
    _, (z, n, _, s, _) = make(80, seed=1)
    data = LikelihoodData(z, n, np.ones(80), s, NODE_X, np.arange(80), censor)
    value, jacobian = both(data, parameters)
    exact, slope = oracle.log_density_gradient(z, n, s, NODE_X, *parameters, censor=censor)
    near = exact > np.log(1e-9)
    assert near.sum() > 50
    np.testing.assert_allclose(value[near], exact[near], atol=2e-8)
    np.testing.assert_allclose(value, exact, atol=1e-4)
    theta = np.concatenate([parameters[0], parameters[1], [parameters[2]]])
    scale = np.abs(slope * theta).max(1, keepdims=True) / theta  # a derivative that happens to vanish is measured by the others
    assert (np.abs(jacobian - slope) <= 1e-6 * np.maximum(np.abs(slope), 0.1 * scale))[near].all()


# Blocks, order, weights, types, threads


@pytest.mark.parametrize("case", PARAMETERS)
@pytest.mark.parametrize("blocks", [1, 7, 300], ids=["one block", "ragged blocks", "about one variant a block"])
def test_blocks_are_weighted_sums_over_their_variants_and_empty_blocks_are_zero(blocks, case):
    parameters = PARAMETERS[case]
    data, (z, n, w, s, label) = make(blocks=blocks, seed=2, empty=(2,) if blocks > 1 else ())
    value, jacobian = both(data, parameters)
    each = log_density(z, n, s, NODE_X, *parameters)
    _, slopes = both(LikelihoodData(z, n, np.ones(300), s, NODE_X, np.arange(300)), parameters)
    np.testing.assert_allclose(value, np.bincount(label, w * each, data.n_blocks), rtol=1e-10, atol=1e-9)
    for p in range(jacobian.shape[1]):
        expected = np.bincount(label, w * slopes[:, p], data.n_blocks)
        np.testing.assert_allclose(jacobian[:, p], expected, rtol=1e-7, atol=1e-8 * np.abs(w * slopes[:, p]).sum())
    if blocks > 1:
        assert value[2] == 0
        assert not jacobian[2].any()


@pytest.mark.parametrize("case", PARAMETERS)
@pytest.mark.parametrize("censor", [None, 3.0])
def test_threads_give_the_same_bits_whatever_their_number_and_the_serial_kernel_the_same_to_rounding(case, censor):
    data, _ = make(2000, blocks=40, seed=3, censor=censor)
    arguments = data.packed, data.tails, *PARAMETERS[case], True
    before, found = nb.get_num_threads(), []
    try:
        for threads in range(1, nb.config.NUMBA_NUM_THREADS + 1):
            nb.set_num_threads(threads)
            found.append(kernel.evaluate_parallel(*arguments))
    finally:
        nb.set_num_threads(before)
    serial = kernel.evaluate_serial(*arguments)  # compiled on its own: the compiler may order its sums differently
    for i in range(2):
        for other in found[1:]:
            np.testing.assert_array_equal(found[0][i], other[i])
        np.testing.assert_allclose(found[0][i], serial[i], rtol=1e-11, atol=1e-12 * np.abs(serial[i]).max())


def test_single_precision_spectra_are_widened_and_not_computed_with():
    data, (z, n, w, s, label) = make(seed=4, dtype=np.float32)
    assert data.chunks.spectra.dtype == np.float32
    for one, other in zip(both(data, TWO), both(LikelihoodData(z, n, w, s.astype(float), NODE_X, label), TWO), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13 * np.abs(other).max())


def test_order_of_variants_does_not_matter():
    data, (z, n, w, s, label) = make(seed=5)
    p = np.random.default_rng(0).permutation(300)
    moved = LikelihoodData(z[p], n[p], w[p], s[p], NODE_X, label[p])
    for one, other in zip(both(data, ONE), both(moved, ONE), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-11 * np.abs(one).max())


def test_sign_of_z_does_not_matter_and_weights_multiply():
    data, (z, n, w, s, label) = make(seed=6)
    twice = LikelihoodData(-z, n, 2 * w, s, NODE_X, label)
    for one, other in zip(both(data, ONE), both(twice, ONE), strict=True):
        np.testing.assert_allclose(2 * one, other, rtol=1e-13)


# As an Op


@pytest.fixture(scope="module")
def op():
    return MixtureLogLik(make(seed=7)[0])


def symbols(c=None):
    """The parameters; JAX needs the number of components when it compiles."""
    return pt.tensor("pi", shape=(c,), dtype="float64"), pt.tensor("sigma2_beta", shape=(c,), dtype="float64"), pt.dscalar("sigma2_0")


def total_and_slopes(op, weights, mode=None):
    inputs = symbols()
    total = (op(*inputs)[0] * weights).sum()
    return pytensor.function(inputs, [total, *pytensor.grad(total, list(inputs))], mode=mode)


@pytest.mark.parametrize("parameters", [ONE, TWO], ids=["one", "two"])
def test_pytensor_gradient_equals_differences_of_the_value_under_every_linker(op, parameters):
    weights = np.linspace(0.5, 2, op.data.n_blocks)
    compiled, plain = total_and_slopes(op, weights), total_and_slopes(op, weights, "FAST_COMPILE")
    value, *slopes = compiled(*parameters)
    for a, b in zip(plain(*parameters), [value, *slopes], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)
    theta, c = np.concatenate([*parameters[:2], [parameters[2]]]), len(parameters[0])

    def at(t):
        return (op.evaluate(t[:c], t[c : 2 * c], t[-1])[0] * weights).sum()

    for i, slope in enumerate(np.concatenate([np.ravel(v) for v in slopes])):
        h = 1e-3 * theta[i] * np.eye(len(theta))[i]
        expected = (8 * (at(theta + h) - at(theta - h)) - (at(theta + 2 * h) - at(theta - 2 * h))) / (12 * h[i])
        assert slope == pytest.approx(expected, rel=1e-6, abs=1e-7 * abs(value) / theta[i])


def test_graphs_that_use_the_value_alone_do_not_compute_the_jacobian(op):
    inputs = symbols()
    f = pytensor.function(inputs, op(*inputs)[0])
    ops = [node.op for node in f.maker.fgraph.toposort() if isinstance(node.op, MixtureLogLik)]
    assert [o.gradient for o in ops] == [False]
    np.testing.assert_allclose(f(*ONE), op.evaluate(*ONE)[0], rtol=1e-13)


@pytest.mark.parametrize("tidied", [False, True], ids=["as written", "tidied before differentiation"])
def test_graphs_that_use_the_gradient_evaluate_once(op, tidied):
    inputs = symbols()
    total = op(*inputs)[0].sum()
    if tidied:  # as samplers do
        total = rewrite_graph(total, include=("canonicalize", "stabilize"))
    f = pytensor.function(inputs, [total, *pytensor.grad(total, list(inputs))])
    assert sum(isinstance(node.op, MixtureLogLik) for node in f.maker.fgraph.toposort()) == 1


def test_gradient_of_an_op_without_jacobian_is_that_of_one_with(op):
    bare = MixtureLogLik(op.data, gradient=False)
    for a, b in zip(total_and_slopes(bare, 1.0)(*TWO), total_and_slopes(op, 1.0)(*TWO), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def test_ops_are_equal_when_their_data_are_and_survive_pickling(op):
    same, other = MixtureLogLik(make(seed=7)[0]), MixtureLogLik(make(seed=8)[0])
    assert same == op
    assert hash(same) == hash(op)
    assert other != op
    assert MixtureLogLik(op.data, False) != op
    back = pickle.loads(pickle.dumps(op))
    assert back == op
    np.testing.assert_array_equal(back.evaluate(*ONE)[1], op.evaluate(*ONE)[1])


def test_compiled_functions_of_different_data_are_not_mixed_up(op):
    other = MixtureLogLik(make(seed=8)[0])
    for one in (op, other):
        assert total_and_slopes(one, 1.0)(*ONE)[0] == pytest.approx(one.evaluate(*ONE)[0].sum(), rel=1e-13)


@pytest.mark.parametrize(
    "parameters",
    [
        ([0.6, 0.6], [1e-4, 1e-4], 1.0),
        ([-0.1], [1e-4], 1.0),
        ([0.1], [-1e-4], 1.0),
        ([0.1], [1e-4], 0.0),
        ([0.1], [1e-4], -1.0),
        ([np.nan], [1e-4], 1.0),
        ([0.1], [np.inf], 1.0),
        ([0.1], [1e-4], np.inf),
    ],
)
def test_impossible_parameters_have_likelihood_zero_and_raise_nothing(op, parameters):
    arrays = np.array(parameters[0]), np.array(parameters[1]), parameters[2]
    value, jacobian = op.evaluate(*arrays)
    assert (value == -np.inf).all()
    assert jacobian.shape == (op.data.n_blocks, 2 * len(arrays[0]) + 1)
    assert not jacobian.any()
    inputs = symbols()
    compiled, with_jacobian = pytensor.function(inputs, op(*inputs)[0]), pytensor.function(inputs, op(*inputs))
    assert (compiled(*arrays) == -np.inf).all()
    assert (with_jacobian(*arrays)[0] == -np.inf).all()


def test_arguments_of_the_wrong_shape_are_refused(op):
    with pytest.raises(TypeError, match="expected a vector, a vector and a scalar"):
        op(0.1, [1e-4], 1.0)


def test_jax_agrees_with_numba_to_nine_digits(op):
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        for data in (op.data, make(seed=9, censor=3.0)[0]):
            for parameters in (ONE, TWO, DENSE):
                inputs = symbols(len(parameters[0]))
                outputs = MixtureLogLik(data)(*inputs)
                found = pytensor.function(inputs, outputs, mode="JAX")(*parameters)
                expected = both(data, parameters)
                np.testing.assert_allclose(found[0], expected[0], rtol=1e-9)
                np.testing.assert_allclose(found[1], expected[1], rtol=1e-6, atol=1e-9 * np.abs(expected[1]).max())
                total = outputs[0].sum()
                slopes = pytensor.function(inputs, pytensor.grad(total, list(inputs)), mode="JAX")(*parameters)
                np.testing.assert_allclose(np.concatenate([np.ravel(v) for v in slopes]), expected[1].sum(0), rtol=1e-6)
    finally:
        jax.config.update("jax_enable_x64", before)


def test_spectra_have_the_default_number_of_nodes():
    assert make()[0].node_x.size == K == 24
