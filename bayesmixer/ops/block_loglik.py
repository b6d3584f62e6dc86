"""What the likelihood Ops share: parameters of a mixture in, the log-likelihood of each LD block
and its Jacobian out.

The Jacobian is the Op's own second output, so that a gradient costs one evaluation; a rewrite drops
it from graphs that do not use it.

Functions that PyTensor compiles by numba come back to Python to call a kernel. Called directly,
numba would optimise a copy of the whole kernel, with the data as its constants, for each function
of each data set: ten seconds, where the way through Python costs 50 microseconds an evaluation. The
kernels run without the interpreter's lock, so that chains in threads do not wait for each other.
"""

from __future__ import annotations

import math
from itertools import accumulate, pairwise
from typing import Any, ClassVar

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.tensor.rewriting.basic import register_specialize

from bayesmixer.ops.layout import Array

Argument = tuple[str, tuple[int | None, ...]]


class BlockLogLik(Op):
    """Weighted log-likelihood per LD block: inputs as in `arguments`, outputs loglik (L,) and
    jacobian (L, P), P the number of all their entries, argument by argument and row by row.

    Parameters
    ----------
    data
        Variants in memory layout, with `digest` (a hash of everything the likelihood uses) and
        `n_blocks`.
    gradient
        Whether to compute the Jacobian; without, it is (L, 0).
    """

    __props__ = ("digest", "gradient")
    arguments: ClassVar[tuple[Argument, ...]]
    """Name and shape of each input; None stands for the number of components, one for all."""

    def __init__(self, data: Any, gradient: bool = True) -> None:
        self.data, self.gradient = data, gradient

    @property
    def digest(self) -> str:
        """Hash of the data, so that Ops of the same data are one to PyTensor."""
        return str(self.data.digest)

    def valid(self, *parameters: Any) -> bool:
        """Whether the likelihood exists there."""
        raise NotImplementedError

    def computed(self, *parameters: Any, threads: int | None = None) -> tuple[Array, Array]:
        """Log-likelihood (L,) and Jacobian (L, P) at a valid point, on `threads` threads or all
        there are.
        """
        raise NotImplementedError

    @property
    def in_all(self) -> BlockLogLik:
        """The Op to use where the sum over LD blocks alone is wanted; it may have fewer blocks."""
        return self

    def make_node(self, *inputs: Any) -> Apply:
        """Node of the parameters."""
        names = ", ".join(name for name, _ in self.arguments)
        if len(inputs) != len(self.arguments):
            raise TypeError(f"{names}: expected {len(self.arguments)} inputs, found {len(inputs)}")
        tensors = [pt.as_tensor_variable(v, dtype="float64") for v in inputs]
        shapes = [shape for _, shape in self.arguments]
        if [v.type.ndim for v in tensors] != [len(shape) for shape in shapes]:
            expected = ", ".join(_in_words(shape) for shape in shapes)
            found = [v.type.ndim for v in tensors]
            raise TypeError(f"{names}: expected {expected}, found {found} dimensions")
        blocks = self.data.n_blocks
        outputs = [
            pt.tensor("loglik", shape=(blocks,), dtype="float64"),
            pt.tensor("jacobian", shape=(blocks, None), dtype="float64"),
        ]
        return Apply(self, tensors, outputs)

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        """Evaluate on all threads."""
        outputs[0][0], outputs[1][0] = self.evaluate(*inputs)

    def evaluate(self, *parameters: Any, threads: int | None = None) -> tuple[Array, Array]:
        """Log-likelihood per LD block (L,), -inf where it does not exist, and Jacobian (L, P) or
        (L, 0), on `threads` threads or all there are.
        """
        values = [
            np.array(v, float, ndmin=len(shape), order="C") if shape else float(v)
            for v, (_, shape) in zip(parameters, self.arguments, strict=True)
        ]  # of one type, for which the kernels are compiled
        if not self.valid(*values):
            blocks = self.data.n_blocks
            size = sum(np.size(v) for v in values) if self.gradient else 0
            return np.full(blocks, -np.inf), np.zeros((blocks, size))
        loglik, jacobian = self.computed(*values, threads=threads)
        return loglik, jacobian if self.gradient else np.zeros((loglik.size, 0))

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """Contract the cotangent of `loglik` with this node's own Jacobian."""
        if not isinstance(cotangents[1].type, DisconnectedType):
            raise NotImplementedError(
                f"{type(self).__name__}: second derivatives are not available; differentiate "
                "the gradient numerically"
            )
        if isinstance(cotangents[0].type, DisconnectedType):
            return [disconnected_type() for _ in inputs]
        outputs = outputs if self.gradient else type(self)(self.data)(*inputs)
        slope = pt.dot(cotangents[0], outputs[1])
        c = inputs[0].type.shape[0]  # JAX needs to know it when it compiles
        c = inputs[0].shape[0] if c is None else c
        shapes = [[c if d is None else d for d in shape] for _, shape in self.arguments]
        edges = accumulate((math.prod(shape) for shape in shapes), initial=0)
        return [
            slope[a:b].reshape(shape) if len(shape) > 1 else slope[a:b] if shape else slope[a]
            for (a, b), shape in zip(pairwise(edges), shapes, strict=True)
        ]

    def infer_shape(self, node: Apply, shapes: Any) -> list[tuple[Any, ...]]:
        """Shapes of the outputs."""
        blocks = pt.as_tensor_variable(np.int64(self.data.n_blocks))
        size = sum(
            math.prod(shapes[0][0] if d is None else d for d in shape)
            for _, shape in self.arguments
        )
        return [
            (blocks,),
            (blocks, size if self.gradient else pt.as_tensor_variable(np.int64(0))),
        ]


def _in_words(shape: tuple[int | None, ...]) -> str:
    return ("a scalar", "a vector", "a matrix")[len(shape)]


@register_specialize("fast_compile")
@node_rewriter([BlockLogLik])
def local_value_only(fgraph: Any, node: Apply) -> list[Any] | None:
    """Drop the Jacobian where nothing uses it: Laplace draws, SMC and plain log-probabilities need
    values alone.

    Late (specialize): samplers tidy the graph before they differentiate it, and would then evaluate
    twice.
    """
    if not node.op.gradient or fgraph.clients[node.outputs[1]]:
        return None
    return list(type(node.op)(node.op.data, gradient=False)(*node.inputs, return_list=True))
