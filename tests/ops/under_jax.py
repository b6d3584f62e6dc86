"""A likelihood Op under JAX beside itself."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.graph.fg import FunctionGraph


def same_under_jax(op, point):
    """Value and slopes, PyTensor's and those of JAX's own reverse mode, are the Op's."""
    jax = pytest.importorskip("jax")
    from pytensor.link.jax.dispatch import jax_funcify

    before = jax.config.values["jax_enable_x64"]
    jax.config.update("jax_enable_x64", True)
    try:
        point = [np.asarray(v, float) for v in point]
        inputs = [pt.tensor(shape=v.shape, dtype="float64") for v in point]
        total = op(*inputs)[0].sum()
        outputs = [total, *pytensor.grad(total, inputs)]
        loglik = op.evaluate(*point)[0]
        both, jacobian = type(op)(op.data).evaluate(*point)
        expected = [loglik.sum(), jacobian.sum(0)]
        found = pytensor.function(inputs, outputs, mode="JAX")(*point)
        value = jax_funcify(FunctionGraph(inputs, [total]))
        slopes = jax.grad(lambda *v: value(*v)[0], argnums=tuple(range(len(point))))(*point)
    finally:
        jax.config.update("jax_enable_x64", before)
    for one in (found[1:], slopes):
        flat = np.concatenate([np.ravel(v) for v in one])
        np.testing.assert_allclose(flat, expected[1], rtol=1e-12)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12)
    # another order of sums in single precision, per LD block
    np.testing.assert_allclose(both, loglik, atol=2e-5)
