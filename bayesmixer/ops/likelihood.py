"""The PyTensor Op of the LD-convolved likelihood: (pi, sigma2_beta, sigma2_0) -> log-likelihood per LD block, and its Jacobian.

The Jacobian is the Op's own second output, so that a gradient costs one evaluation. Run as plain Python (PyTensor's `perform`, as the optimiser and
the Laplace draws do) the kernel uses all threads; compiled by numba (as samplers do, one chain a thread) it is serial; under JAX it is plain
array code of the same formula.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.link.numba.dispatch.basic import register_funcify_and_cache_key
from pytensor.tensor.rewriting.basic import register_specialize

from bayesmixer.ops import kernel
from bayesmixer.ops.layout import Array, LikelihoodData


class MixtureLogLik(Op):
    """Weighted log-likelihood of the z-scores of one trait, per LD block, under a mixture of Gaussian effects convolved with LD.

    Inputs: `pi` (C,) weights of the causal components (sum <= 1, the rest of the effects is 0), `sigma2_beta` (C,) their variances,
    `sigma2_0` () error variance. Outputs: `loglik` (L,) sum of weight_j log p(z_j) over the variants of each LD block, `jacobian`
    (L, 2C + 1) its derivatives in (pi, sigma2_beta, sigma2_0), or (L, 0) where `gradient` is False.

    Source: Frei et al. 2019 (Nature Communications 10:2417), eq. 3-4 for the model and eq. 7 for censoring; docs/likelihood.md for the computation.

    Parameters
    ----------
    data
        Variants, in memory layout (`LikelihoodData`).
    gradient
        Whether to compute the Jacobian; a rewrite drops it from graphs that do not use it.
    """

    __props__ = ("digest", "gradient")

    def __init__(self, data: LikelihoodData, gradient: bool = True) -> None:
        self.data, self.gradient, self.digest = data, gradient, data.digest

    def make_node(self, pi: Any, sigma2_beta: Any, sigma2_0: Any) -> Apply:
        """Node of the three parameters."""
        inputs = [pt.as_tensor_variable(v, dtype="float64") for v in (pi, sigma2_beta, sigma2_0)]
        if [v.type.ndim for v in inputs] != [1, 1, 0]:
            raise TypeError(f"pi, sigma2_beta, sigma2_0: expected a vector, a vector and a scalar, found {[v.type.ndim for v in inputs]} dimensions")
        blocks = self.data.n_blocks
        return Apply(
            self, inputs, [pt.tensor("loglik", shape=(blocks,), dtype="float64"), pt.tensor("jacobian", shape=(blocks, None), dtype="float64")]
        )

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        """Evaluate on all threads."""
        loglik, jacobian = self.evaluate(*inputs)
        outputs[0][0], outputs[1][0] = loglik, jacobian

    def evaluate(self, pi: Array, sigma2_beta: Array, sigma2_0: Any) -> tuple[Array, Array]:
        """Log-likelihood per LD block (L,) and Jacobian (L, 2C + 1) in plain NumPy, on all threads."""
        pi, sigma2_beta, sigma2_0 = np.atleast_1d(np.asarray(pi, float)), np.atleast_1d(np.asarray(sigma2_beta, float)), float(sigma2_0)
        return _evaluate(self.data, pi, sigma2_beta, sigma2_0, self.gradient)

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """Contract the cotangent of `loglik` with this node's own Jacobian."""
        if not isinstance(cotangents[1].type, DisconnectedType):
            raise NotImplementedError("MixtureLogLik: second derivatives are not available; differentiate the gradient numerically")
        if isinstance(cotangents[0].type, DisconnectedType):
            return [disconnected_type() for _ in inputs]
        outputs = outputs if self.gradient else MixtureLogLik(self.data)(*inputs)
        slope = pt.dot(cotangents[0], outputs[1])
        c = inputs[0].type.shape[0]  # JAX needs to know it when it compiles
        c = inputs[0].shape[0] if c is None else c
        return [slope[:c], slope[c : 2 * c], slope[2 * c]]

    def infer_shape(self, node: Apply, shapes: Any) -> list[tuple[Any, ...]]:
        """Shapes of the outputs."""
        blocks = pt.as_tensor_variable(np.int64(self.data.n_blocks))
        return [(blocks,), (blocks, 2 * shapes[0][0] + 1 if self.gradient else pt.as_tensor_variable(np.int64(0)))]


@nb.njit(cache=True)
def _valid(pi: Array, sigma2_beta: Array, sigma2_0: float) -> bool:
    ok = np.isfinite(pi).all() and np.isfinite(sigma2_beta).all() and np.isfinite(sigma2_0)
    return bool(ok and pi.min() >= 0 and pi.sum() <= 1 + 1e-9 and sigma2_beta.min() >= 0 and sigma2_0 > 1e-3)


def _evaluate(data: LikelihoodData, pi: Array, sigma2_beta: Array, sigma2_0: float, gradient: bool) -> tuple[Array, Array]:
    if not _valid(pi, sigma2_beta, sigma2_0):
        return np.full(data.n_blocks, -np.inf), np.zeros((data.n_blocks, 2 * pi.size + 1 if gradient else 0))
    few = data.z.size < 4000  # threads would cost more than they save
    evaluate = kernel.evaluate_serial if few or nb.get_num_threads() == 1 else kernel.evaluate_parallel
    loglik, jacobian = evaluate(data.packed, data.tails, pi, sigma2_beta, sigma2_0, gradient)
    return loglik, jacobian if gradient else jacobian[:, :0]


def log_density(
    z: Array,
    n: Array,
    spectrum: NDArray[np.floating],
    node_x: Array,
    pi: Array,
    sigma2_beta: Array,
    sigma2_0: float,
    censor: float | None = None,
) -> Array:
    """Log density of each z-score (log P(|Z| > censor) where |z| > censor) under the LD-convolved mixture.

    Parameters
    ----------
    z, n
        (J,) z-scores and sample sizes.
    spectrum, node_x
        (J, K) LD spectrum and (K,) strengths of its nodes.
    pi, sigma2_beta, sigma2_0
        (C,) weights, (C,) variances of the causal components and the error variance.
    censor
        See `LikelihoodData`.

    Returns
    -------
    (J,) natural log densities.
    """
    size = np.asarray(z).size
    data = LikelihoodData(z, n, np.ones(size), spectrum, node_x, np.arange(size), censor)
    return _evaluate(data, np.atleast_1d(np.asarray(pi, float)), np.atleast_1d(np.asarray(sigma2_beta, float)), float(sigma2_0), False)[0]


@register_specialize("fast_compile")
@node_rewriter([MixtureLogLik])
def local_value_only(fgraph: Any, node: Apply) -> list[Any] | None:
    """Drop the Jacobian where nothing uses it: Laplace draws, SMC and plain log-probabilities need values alone.

    Late (specialize): samplers tidy the graph before they differentiate it, and would then evaluate twice.
    """
    if not node.op.gradient or fgraph.clients[node.outputs[1]]:
        return None
    return list(MixtureLogLik(node.op.data, gradient=False)(*node.inputs, return_list=True))


@cache
def _source_digest() -> str:
    """Hash of the kernel's source: functions that PyTensor compiled with another version must not be found in its cache on disk."""
    folder = Path(__file__).parent
    names = ("elementary", "frequencies", "kernel", "layout", "likelihood", "saddle", "tables")
    return hashlib.sha256(b"".join((folder / f"{name}.py").read_bytes() for name in names)).hexdigest()[:24]


@register_funcify_and_cache_key(MixtureLogLik)
def _numba_mixture(op: MixtureLogLik, node: Apply, **kwargs: Any) -> Any:
    packed, tails, gradient = op.data.packed, op.data.tails, op.gradient
    blocks = op.data.n_blocks

    @nb.njit
    def mixture(pi, sigma2_beta, sigma2_0):  # type: ignore[no-untyped-def]
        zero = sigma2_0.item()
        if not _valid(pi, sigma2_beta, zero):
            return np.full(blocks, -np.inf), np.zeros((blocks, 2 * pi.size + 1 if gradient else 0))
        loglik, jacobian = kernel.evaluate_serial(packed, tails, np.ascontiguousarray(pi), np.ascontiguousarray(sigma2_beta), zero, gradient)
        return loglik, jacobian if gradient else jacobian[:, :0].copy()

    return mixture, f"MixtureLogLik-{op.digest}-{op.gradient}-{_source_digest()}"


try:
    from pytensor.link.jax.dispatch.basic import jax_funcify
except ImportError:  # JAX is optional
    pass
else:

    @jax_funcify.register(MixtureLogLik)
    def _jax_mixture(op: MixtureLogLik, node: Apply, **kwargs: Any) -> Any:
        from bayesmixer.ops import jax_kernel

        return jax_kernel.block_function(op.data, op.gradient)
