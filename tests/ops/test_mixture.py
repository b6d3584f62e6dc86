"""The Op of a mixture of known components against log-sum-exp by mpmath and finite differences, as
PyTensor runs it by Python, numba and JAX.
"""

from __future__ import annotations

import pickle
import tracemalloc
from typing import Any

import mpmath as mp
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from bayesmixer.ops.mixture import Components, RowMixture

RNG = np.random.default_rng(8)
# some components thousands of units apart: their exponentials alone would vanish
LOGS = RNG.normal(0, 3, (6, 40)) - np.r_[np.zeros(20), np.full(20, 2000.0)]
LOGS[2, :5] -= 900
WEIGHTS = np.array([0.5, 0.2, 0.1, 0.2, 0.0, 1e-12])


def exact(logs: np.ndarray, weights: np.ndarray) -> list[float]:
    with mp.workdps(40):
        w = [mp.mpf(x) for x in weights]
        return [
            float(mp.log(sum(a * mp.exp(mp.mpf(v)) for a, v in zip(w, column, strict=True))))
            for column in logs.T
        ]


def compiled(mode: str | None) -> Any:
    weights = pt.vector("weights")
    rows = RowMixture(Components.of_logs(LOGS))(weights)
    factor = np.linspace(0.5, 2, 40)
    out = [rows, pytensor.grad((factor * rows).sum(), weights)]
    return pytensor.function([weights], out, mode=mode), factor


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "NUMBA", "JAX"])
def test_value_and_gradient_are_those_of_mpmath(mode: str) -> None:
    before = None
    if mode == "JAX":
        jax = pytest.importorskip("jax")
        before = jax.config.values["jax_enable_x64"]
        jax.config.update("jax_enable_x64", True)
    function, factor = compiled(mode)
    value, gradient = (np.asarray(v) for v in function(WEIGHTS))
    expected = np.array(exact(LOGS, WEIGHTS))
    np.testing.assert_allclose(value, expected, rtol=1e-14, atol=1e-13)
    responsibility = np.exp(LOGS - expected)
    np.testing.assert_allclose(gradient, responsibility @ factor, rtol=1e-12)
    if before is not None:
        jax.config.update("jax_enable_x64", before)


def test_the_gradient_is_that_of_finite_differences() -> None:
    function, factor = compiled("FAST_COMPILE")
    gradient = function(WEIGHTS + 0.01)[1]
    for p in range(len(WEIGHTS)):
        e = 1e-5 * (np.arange(len(WEIGHTS)) == p)
        up, down = (factor @ function(WEIGHTS + 0.01 + sign * e)[0] for sign in (1, -1))
        assert (up - down) / 2e-5 == pytest.approx(gradient[p], rel=1e-6)


def test_rows_without_weight_have_no_density_and_weights_below_0_no_value() -> None:
    op = RowMixture(Components(np.array([[1.0, 0.0], [0.2, 1.0]]), np.zeros(2)))
    assert op.evaluate(np.array([1.0, 0.0])).tolist() == [0.0, -np.inf]
    assert np.isnan(op.evaluate(np.array([1.1, -0.1]))).all()


def test_it_makes_no_second_matrix() -> None:
    data = Components(np.ones((300, 2000)), np.zeros(2000))
    function = RowMixture(data)
    weights = pt.vector("weights")
    f = pytensor.function(
        [weights], pytensor.grad(function(weights).sum(), weights), mode="FAST_COMPILE"
    )
    f(np.full(300, 1 / 300))
    tracemalloc.start()
    f(np.full(300, 1 / 300))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.05 * data.relative.nbytes


def test_ops_of_the_same_numbers_are_one_and_travel() -> None:
    one, two = (RowMixture(Components.of_logs(LOGS)) for _ in range(2))
    other = RowMixture(Components.of_logs(LOGS + 1))
    assert one == two
    assert one != other
    assert pickle.loads(pickle.dumps(one)) == one


def test_what_is_no_vector_is_refused_and_second_derivatives_say_so() -> None:
    with pytest.raises(TypeError, match="weights: expected a vector, found 2 dimensions"):
        RowMixture(Components.of_logs(LOGS))(pt.matrix())
    weights = pt.vector()
    slope = pytensor.grad(RowMixture(Components.of_logs(LOGS))(weights).sum(), weights)
    with pytest.raises(NotImplementedError, match="second derivatives"):
        pytensor.grad(slope.sum(), weights)
