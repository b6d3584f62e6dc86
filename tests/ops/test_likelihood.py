"""The compiled likelihood: reference densities, the oracle, properties over all parameters, and its
life as a PyTensor Op.
"""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.graph.rewriting.utils import rewrite_graph

from bayesmixer.ld.spectrum import spectrum_from_pairs
from bayesmixer.ops import kernel, oracle
from bayesmixer.ops.layout import LikelihoodData
from bayesmixer.ops.likelihood import MixtureLogLik, log_density
from tests.fixtures import mixer
from tests.ops.likelihood_cases import N_REF, NODE_X, K, assert_same_to_rounding, spectra

ONE = (np.array([0.004]), np.array([4.8e-4]), 1.05)
TWO = (np.array([0.02, 0.001]), np.array([2e-5, 8e-4]), 1.1)
DENSE = (np.array([0.3]), np.array([6e-6]), 1.2)
SMALL_ERROR = (np.array([0.004]), np.array([4.8e-4]), 0.45)
ROUNDING = 1e-8  # of totals and their slopes: see assert_same_to_rounding
PARAMETERS = {
    "one component": ONE,
    "two components": TWO,
    "polygenic": DENSE,
    "all variants on the shifted line": SMALL_ERROR,
}


def make(variants=300, blocks=7, seed=0, censor=None, dtype=np.float64, empty=()):
    """Variants of several sample sizes and weights in ragged blocks, some far out, and the rows in
    plain arrays.
    """
    rng = np.random.default_rng(seed)
    s, _ = spectra(rng, variants)
    z = np.concatenate([rng.normal(0, 1.5, variants - 20), rng.uniform(3.5, 9, 20)])[
        rng.permutation(variants)
    ]
    n, w = N_REF * rng.uniform(0.6, 1, variants), rng.uniform(0.2, 1.5, variants)
    label = np.sort(rng.integers(0, blocks, variants))
    for e in empty:
        label[label == e] = e + 1
    arrays = (z, n, w, s.astype(dtype), label)
    return LikelihoodData(
        z, n, w, arrays[3], NODE_X, label, censor, n_blocks=max(blocks, label.max() + 1)
    ), arrays


def both(data, parameters):
    """Value and Jacobian on one thread."""
    return kernel.evaluate(data.packed, data.tails, *parameters, True, 1)


# Reference densities


# as the tables of densities call them
POINTS = ["U0", "U1", "U2", "U3", "U4", "U5_inf"]


def assert_densities_and_cost_are(expected, z, n, w, s, params):
    """To what the nodes of the spectrum leave, below 1e-5 where the density is above 1e-9 and 0.02
    beyond; of both signs, so that a cost is right to 1e-3.
    """
    point = [params["pi"]], [params["sig2_beta"]], params["sig2_zero"]
    found = log_density(z, n, s, NODE_X, *point)
    bulk = expected >= np.log(1e-9)
    assert np.abs(found - expected)[bulk].max() <= 1e-5
    assert np.abs(found - expected)[~bulk].max(initial=0.0) <= 0.02
    data = LikelihoodData(z, n, w, s, NODE_X, np.arange(len(z)) // 500)
    cost = -MixtureLogLik(data, gradient=False).evaluate(*point)[0].sum()
    assert cost == pytest.approx(-(w * expected).sum(), abs=1e-3)
    return cost


@pytest.mark.parametrize("trait", [1, 2])
@pytest.mark.parametrize("point", POINTS)
def test_density_of_every_variant_and_the_cost_equal_the_exact_reference(point, trait):
    kept = mixer.kept()
    params = mixer.table()["points"][point]["params"]
    assert_densities_and_cost_are(
        kept.exact[point, trait], kept.z[trait], kept.n[trait], kept.weight, kept.spectrum(), params
    )


@pytest.fixture(scope="module")
def every_variant(shared):
    folder = shared / "reference/mixer"
    inputs = np.load(folder / "inputs.npz")
    x = (inputs["H"][inputs["indices"]] * inputs["r2"]).astype(float)
    points = json.loads((folder / "points.json").read_text())["univariate"]
    return (
        inputs,
        spectrum_from_pairs(inputs["indptr"], x),
        np.load(folder / "univariate.npz"),
        points,
    )


@pytest.mark.parametrize(
    ("point", "trait"), [("U0", 1), ("U1", 2), ("U2", 1), ("U3", 2), ("U4", 1), ("U5_inf", 2)]
)
def test_density_and_cost_of_two_whole_chromosomes_equal_the_exact_reference(
    every_variant, point, trait
):
    inputs, s, exact, points = every_variant
    z, n, w = (inputs[name].astype(float) for name in (f"z{trait}", f"n{trait}", "weights"))
    cost = assert_densities_and_cost_are(
        exact[f"{point}_z{trait}"], z, n, w, s, points[point]["params"]
    )
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
    scale = (
        np.abs(slope * theta).max(1, keepdims=True) / theta
    )  # a derivative that happens to vanish is measured by the others
    assert (np.abs(jacobian - slope) <= 1e-6 * np.maximum(np.abs(slope), 0.1 * scale))[near].all()


# Blocks, order, weights, types, threads


@pytest.mark.parametrize("case", PARAMETERS)
@pytest.mark.parametrize(
    "blocks", [1, 7, 300], ids=["one block", "ragged blocks", "about one variant a block"]
)
def test_blocks_are_weighted_sums_over_their_variants_and_empty_blocks_are_zero(blocks, case):
    parameters = PARAMETERS[case]
    data, (z, n, w, s, label) = make(blocks=blocks, seed=2, empty=(2,) if blocks > 1 else ())
    value, jacobian = both(data, parameters)
    each = log_density(z, n, s, NODE_X, *parameters)
    _, slopes = both(LikelihoodData(z, n, np.ones(300), s, NODE_X, np.arange(300)), parameters)
    np.testing.assert_allclose(
        value, np.bincount(label, w * each, data.n_blocks), rtol=1e-10, atol=1e-9
    )
    for p in range(jacobian.shape[1]):
        expected = np.bincount(label, w * slopes[:, p], data.n_blocks)
        np.testing.assert_allclose(
            jacobian[:, p], expected, rtol=1e-7, atol=1e-8 * np.abs(w * slopes[:, p]).sum()
        )
    if blocks > 1:
        assert value[2] == 0
        assert not jacobian[2].any()


@pytest.mark.parametrize("case", PARAMETERS)
@pytest.mark.parametrize("censor", [None, 3.0])
def test_threads_give_the_same_bits_whatever_their_number(case, censor):
    data, _ = make(2000, blocks=40, seed=3, censor=censor)
    one, *others = (
        kernel.evaluate(data.packed, data.tails, *PARAMETERS[case], True, threads)
        for threads in (1, 2, 4)
    )
    for other in others:
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_single_precision_spectra_are_widened_and_not_computed_with():
    data, (z, n, w, s, label) = make(seed=4, dtype=np.float32)
    assert data.chunks.spectra.dtype == np.float32
    # in single precision p would be right to 1e-7 in the bulk and log p to nothing in the tail
    assert_same_to_rounding(
        both(data, TWO), both(LikelihoodData(z, n, w, s.astype(float), NODE_X, label), TWO)
    )


def test_order_of_variants_does_not_matter():
    data, (z, n, w, s, label) = make(seed=5)
    p = np.random.default_rng(0).permutation(300)
    moved = LikelihoodData(z[p], n[p], w[p], s[p], NODE_X, label[p])
    assert_same_to_rounding(both(data, ONE), both(moved, ONE))


def test_sign_of_z_does_not_matter_and_weights_multiply():
    data, (z, n, w, s, label) = make(seed=6)
    twice = LikelihoodData(-z, n, 2 * w, s, NODE_X, label)
    for one, other in zip(both(data, ONE), both(twice, ONE), strict=True):
        np.testing.assert_allclose(
            2 * one, other, rtol=1e-13
        )  # the same sums in the same order, times two


# As an Op


@pytest.fixture(scope="module")
def op():
    return MixtureLogLik(make(seed=7)[0])


def symbols(c=None):
    """The parameters; JAX needs the number of components when it compiles."""
    return (
        pt.tensor("pi", shape=(c,), dtype="float64"),
        pt.tensor("sigma2_beta", shape=(c,), dtype="float64"),
        pt.dscalar("sigma2_0"),
    )


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
        np.testing.assert_allclose(a, b, rtol=ROUNDING)
    theta, c = np.concatenate([*parameters[:2], [parameters[2]]]), len(parameters[0])

    def at(t):
        return (op.evaluate(t[:c], t[c : 2 * c], t[-1])[0] * weights).sum()

    for i, slope in enumerate(np.concatenate([np.ravel(v) for v in slopes])):
        h = 1e-3 * theta[i] * np.eye(len(theta))[i]
        expected = (
            8 * (at(theta + h) - at(theta - h)) - (at(theta + 2 * h) - at(theta - 2 * h))
        ) / (12 * h[i])
        assert slope == pytest.approx(expected, rel=1e-6, abs=1e-7 * abs(value) / theta[i])


def test_graphs_that_use_the_value_alone_do_not_compute_the_jacobian(op):
    inputs = symbols()
    f = pytensor.function(inputs, op(*inputs)[0])
    ops = [node.op for node in f.maker.fgraph.toposort() if isinstance(node.op, MixtureLogLik)]
    assert [o.gradient for o in ops] == [False]
    assert_same_to_rounding([f(*ONE)], op.evaluate(*ONE)[:1])


@pytest.mark.parametrize(
    "tidied", [False, True], ids=["as written", "tidied before differentiation"]
)
def test_graphs_that_use_the_gradient_evaluate_once(op, tidied):
    inputs = symbols()
    total = op(*inputs)[0].sum()
    if tidied:  # as samplers do
        total = rewrite_graph(total, include=("canonicalize", "stabilize"))
    f = pytensor.function(inputs, [total, *pytensor.grad(total, list(inputs))])
    assert sum(isinstance(node.op, MixtureLogLik) for node in f.maker.fgraph.toposort()) == 1


def test_gradient_of_an_op_without_jacobian_is_that_of_one_with(op):
    bare = MixtureLogLik(op.data, gradient=False)
    for a, b in zip(
        total_and_slopes(bare, 1.0)(*TWO), total_and_slopes(op, 1.0)(*TWO), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=ROUNDING)


def test_compiled_functions_come_back_for_the_one_kernel_on_one_thread_and_pass_interrupts_on(
    op, monkeypatch
):
    """Compiled in, each function of each data set would hold a copy of it, and take ten seconds."""
    inputs, threads, whole = symbols(), [], kernel.evaluate
    f = pytensor.function(inputs, op(*inputs)[0])
    monkeypatch.setattr(kernel, "evaluate", lambda *args: threads.append(args[-1]) or whole(*args))
    np.testing.assert_array_equal(f(*ONE), op.evaluate(*ONE)[0])
    assert threads[0] == 1

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(kernel, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        f(*ONE)


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
        assert total_and_slopes(one, 1.0)(*ONE)[0] == pytest.approx(
            one.evaluate(*ONE)[0].sum(), rel=ROUNDING
        )


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
    compiled = pytensor.function(inputs, op(*inputs)[0])
    with_jacobian = pytensor.function(inputs, op(*inputs))
    assert (compiled(*arrays) == -np.inf).all()
    assert (with_jacobian(*arrays)[0] == -np.inf).all()


def test_arguments_of_the_wrong_shape_are_refused(op):
    with pytest.raises(TypeError, match="expected a vector, a vector, a scalar"):
        op(0.1, [1e-4], 1.0)


def test_jax_agrees_with_numba_to_nine_digits(op):
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        for data, cases in (
            (op.data, (ONE, DENSE)),
            (make(seed=9, censor=3.0)[0], (TWO,)),
        ):  # JAX compiles for half a minute in all
            inputs = symbols(len(cases[0][0]))
            outputs = MixtureLogLik(data)(*inputs)
            f = pytensor.function(
                inputs, [*outputs, *pytensor.grad(outputs[0].sum(), list(inputs))], mode="JAX"
            )
            for parameters in cases:
                value, jacobian, *slopes = f(*parameters)
                expected = both(data, parameters)
                np.testing.assert_allclose(value, expected[0], rtol=1e-9)
                np.testing.assert_allclose(
                    jacobian, expected[1], rtol=1e-6, atol=1e-9 * np.abs(expected[1]).max()
                )
                np.testing.assert_allclose(
                    np.concatenate([np.ravel(v) for v in slopes]), expected[1].sum(0), rtol=1e-6
                )
    finally:
        jax.config.update("jax_enable_x64", before)


def test_spectra_have_the_default_number_of_nodes():
    assert make()[0].node_x.size == K == 24
