"""The PyTensor Op of the LD-convolved likelihood: (pi, sigma2_beta, sigma2_0) -> log-likelihood per
LD block, and its Jacobian.

Run as plain Python (PyTensor's `perform`, as the optimiser and the Laplace draws do) the kernel
uses all threads; compiled by numba (as samplers do, one chain a thread) it is serial; under JAX it
is plain array code of the same formula.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray
from pytensor.graph.basic import Apply

from bayesmixer.ops import kernel
from bayesmixer.ops.block_loglik import BlockLogLik
from bayesmixer.ops.compiling import announce
from bayesmixer.ops.late import with_jax
from bayesmixer.ops.layout import Array, LikelihoodData
from bayesmixer.ops.pytensor_doors import numba_implementation


class MixtureLogLik(BlockLogLik):
    """Weighted log-likelihood of the z-scores of one trait, per LD block, under a mixture of
    Gaussian effects convolved with LD.

    Inputs: `pi` (C,) weights of the causal components (sum <= 1, the rest of the effects is 0),
    `sigma2_beta` (C,) their variances, `sigma2_0` () error variance. Outputs: `loglik` (L,) sum of
    weight_j log p(z_j) over the variants of each LD block, `jacobian` (L, 2C + 1) its derivatives
    in (pi, sigma2_beta, sigma2_0), or (L, 0) where `gradient` is False.

    Source: Frei et al. 2019 (Nature Communications 10:2417), eq. 3-4 for the model and eq. 7 for
    censoring; docs/ideas/likelihood.md for the computation.

    Parameters
    ----------
    data
        Variants, in memory layout (`LikelihoodData`).
    gradient
        Whether to compute the Jacobian; a rewrite drops it from graphs that do not use it.
    """

    arguments = (("pi", (None,)), ("sigma2_beta", (None,)), ("sigma2_0", ()))
    data: LikelihoodData

    def valid(self, *parameters: Any) -> bool:
        """Whether weights and variances are finite and in their ranges."""
        return valid_mixture(*parameters)

    def computed(self, *parameters: Any, threads: int | None = None) -> tuple[Array, Array]:
        """Log-likelihood per LD block (L,) and Jacobian (L, 2C + 1)."""
        data = self.data
        threads = (
            1 if data.z.size < 4000 else threads or nb.get_num_threads()
        )  # threads would cost more than they save
        announce(kernel.cosine_blocks, "the likelihood")
        evaluate: Any = kernel.evaluate
        loglik, jacobian = evaluate(data.packed, data.tails, *parameters, self.gradient, threads)
        return loglik, jacobian


def valid_mixture(pi: Array, sigma2_beta: Array, sigma2_0: float) -> bool:
    """Whether weights and variances are finite and in their ranges."""
    ok = np.isfinite(pi).all() and np.isfinite(sigma2_beta).all() and np.isfinite(sigma2_0)
    return bool(
        ok and pi.min() >= 0 and pi.sum() <= 1 + 1e-9 and sigma2_beta.min() >= 0 and sigma2_0 > 1e-3
    )


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
    """Log density of each z-score (log P(|Z| > censor) where |z| > censor) under the LD-convolved
    mixture.

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
    return MixtureLogLik(data, gradient=False).evaluate(pi, sigma2_beta, sigma2_0)[0]


@numba_implementation(MixtureLogLik)
def _numba_mixture(op: MixtureLogLik, node: Apply, **kwargs: Any) -> Any:
    evaluate = partial(op.evaluate, threads=1)  # samplers have a thread for each chain

    @nb.njit
    def mixture(pi, sigma2_beta, sigma2_0):  # type: ignore[no-untyped-def]
        with nb.objmode(loglik="float64[::1]", jacobian="float64[:, ::1]"):
            loglik, jacobian = evaluate(pi, sigma2_beta, sigma2_0)
        return loglik, jacobian

    return mixture, None  # nothing worth a place in PyTensor's cache on disk


@with_jax
def _register(jax_funcify: Any) -> None:
    @jax_funcify.register(MixtureLogLik)
    def _jax_mixture(op: MixtureLogLik, node: Apply, **kwargs: Any) -> Any:
        from bayesmixer.ops import jax_kernel

        return jax_kernel.block_function(op.data, op.gradient)
