"""The PyTensor Op of a mixture whose components are known: weights -> log sum_p w_p f_pj of every
row j, from a matrix f that is computed once.

Its gradient, the responsibilities f_pj / sum_q w_q f_qj summed over rows, is an Op of its own: a
product of the matrix with one number a row, so that nothing else of the size of the matrix is ever
made. Weights need not sum to 1.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

import numba as nb
import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmixer.ops.late import with_jax
from bayesmixer.ops.pytensor_doors import numba_implementation

Array = NDArray[np.float64]


class Components:
    """Likelihoods f (component, row), each row's largest 1, and the log of that (row).

    Parameters
    ----------
    relative, top
        As above.
    """

    def __init__(self, relative: Array, top: Array) -> None:
        self.relative = np.ascontiguousarray(relative, np.float64)
        self.top = np.ascontiguousarray(top, np.float64)

    @classmethod
    def of_logs(cls, log_likelihood: Array) -> Components:
        """From log-likelihoods (component, row)."""
        top = np.max(log_likelihood, axis=0)
        return cls(np.exp(log_likelihood - top), top)

    @property
    def size(self) -> int:
        """Number of components."""
        return len(self.relative)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.top)

    @cached_property
    def digest(self) -> str:
        """Hash of the numbers, so that Ops of the same are one to PyTensor."""
        return (
            hashlib.sha256(self.relative.data).hexdigest()
            + hashlib.sha256(self.top.data).hexdigest()
        )


class _OfComponents(Op):
    __props__ = ("digest",)

    def __init__(self, data: Components) -> None:
        self.data = data

    @property
    def digest(self) -> str:
        """That of the data."""
        return self.data.digest


class RowMixture(_OfComponents):
    """Log-likelihood (row) of weights (component); -inf for rows that no weight explains, and NaN
    where a weight is below 0.
    """

    def make_node(self, weights: Any) -> Apply:
        """Node of the weights."""
        weights = pt.as_tensor_variable(weights, dtype="float64")
        if weights.type.ndim != 1:
            raise TypeError(f"weights: expected a vector, found {weights.type.ndim} dimensions")
        return Apply(self, [weights], [pt.tensor(shape=(self.data.rows,), dtype="float64")])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        """Evaluate by NumPy."""
        outputs[0][0] = self.evaluate(inputs[0])

    def evaluate(self, weights: Array) -> Array:
        """Log-likelihoods (row)."""
        if not (weights >= 0).all():
            return np.full(self.data.rows, np.nan)
        with np.errstate(divide="ignore"):
            value: Array = np.log(weights @ self.data.relative)
        value += self.data.top
        return value

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """Responsibilities over weights, summed with the cotangents of the rows."""
        if isinstance(cotangents[0].type, DisconnectedType):
            return [disconnected_type()]
        return [RowMixtureSlope(self.data)(inputs[0], cotangents[0])]

    def infer_shape(self, node: Apply, shapes: Any) -> list[tuple[Any, ...]]:
        """One number a row."""
        return [(pt.as_tensor_variable(np.int64(self.data.rows)),)]


class RowMixtureSlope(_OfComponents):
    """sum_j c_j f_pj / sum_q w_q f_qj (component), of weights w and numbers c (row)."""

    def make_node(self, weights: Any, rows: Any) -> Apply:
        """Node of the weights and the rows' numbers."""
        inputs = [pt.as_tensor_variable(v, dtype="float64") for v in (weights, rows)]
        return Apply(self, inputs, [pt.tensor(shape=(self.data.size,), dtype="float64")])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        """Evaluate by NumPy."""
        outputs[0][0] = self.evaluate(*inputs)

    def evaluate(self, weights: Array, rows: Array) -> Array:
        """The sums (component)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            slope: Array = self.data.relative @ (rows / (weights @ self.data.relative))
        return slope

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError(
            "RowMixture: second derivatives are not available; differentiate the gradient "
            "numerically"
        )

    def infer_shape(self, node: Apply, shapes: Any) -> list[tuple[Any, ...]]:
        """One number a component."""
        return [(pt.as_tensor_variable(np.int64(self.data.size)),)]


@numba_implementation(RowMixture)
def _numba_mixture(op: RowMixture, node: Apply, **kwargs: Any) -> Any:
    evaluate = op.evaluate  # back to Python, as block_loglik explains

    @nb.njit
    def mixture(weights):  # type: ignore[no-untyped-def]
        with nb.objmode(value="float64[::1]"):
            value = evaluate(weights)
        return value

    return mixture, None


@numba_implementation(RowMixtureSlope)
def _numba_slope(op: RowMixtureSlope, node: Apply, **kwargs: Any) -> Any:
    evaluate = op.evaluate

    @nb.njit
    def slope(weights, rows):  # type: ignore[no-untyped-def]
        with nb.objmode(value="float64[::1]"):
            value = evaluate(weights, rows)
        return value

    return slope, None


@with_jax
def _register(jax_funcify: Any) -> None:
    @jax_funcify.register(RowMixture)
    def _jax_mixture(op: RowMixture, node: Apply, **kwargs: Any) -> Any:
        import jax.numpy as jnp

        relative, top = jnp.asarray(op.data.relative), jnp.asarray(op.data.top)

        def mixture(weights: Any) -> Any:
            value = jnp.log(weights @ relative) + top
            return jnp.where((weights >= 0).all(), value, jnp.nan)

        return mixture

    @jax_funcify.register(RowMixtureSlope)
    def _jax_slope(op: RowMixtureSlope, node: Apply, **kwargs: Any) -> Any:
        import jax.numpy as jnp

        relative = jnp.asarray(op.data.relative)

        def slope(weights: Any, rows: Any) -> Any:
            return relative @ (rows / (weights @ relative))

        return slope
