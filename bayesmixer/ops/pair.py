"""The PyTensor Op of the LD-convolved likelihood of two traits: (pi, sigma_beta, sigma_0) ->
log-likelihood per LD block, and its Jacobian.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray
from pytensor.graph.basic import Apply

from bayesmixer.ops import kernel, pair_evaluate, pair_kernel
from bayesmixer.ops.block_loglik import BlockLogLik
from bayesmixer.ops.compiling import announce
from bayesmixer.ops.late import with_jax
from bayesmixer.ops.layout import Array
from bayesmixer.ops.likelihood import valid_mixture
from bayesmixer.ops.on_host import on_host
from bayesmixer.ops.pair_layout import PairData
from bayesmixer.ops.pytensor_doors import numba_implementation

LARGEST_RHO_0 = 0.995  # beyond, the two z-scores are of one GWAS


class PairLogLik(BlockLogLik):
    """Weighted log-likelihood of the z-scores of two traits, per LD block, under a mixture of
    bivariate Gaussian effects convolved with LD.

    Inputs: `pi` (C,) weights of the causal components (sum <= 1, the rest of the effects is 0),
    `sigma_beta` (C, 3) variance in trait 1, variance in trait 2 and covariance of the effects of
    each, `sigma_0` (3,) the same of the errors. Outputs: `loglik` (L,) sum of weight_j log p(z_j)
    over the variants of each LD block, `jacobian` (L, 4C + 3) its derivatives in (pi, sigma_beta
    row by row, sigma_0), or (L, 0) where `gradient` is False. Minus infinity outside the
    parameters' ranges; correlations of the effects may be -1 or 1, that of the errors at most
    0.995 in size.

    A variant seen in one trait contributes the density of that trait's z alone.

    Source: Frei et al. 2019 (Nature Communications 10:2417), eq. 1-7; docs/ideas/likelihood.md for
    the computation.

    Parameters
    ----------
    data
        Variants, in memory layout (`PairData`).
    gradient
        Whether to compute the Jacobian; a rewrite drops it from graphs that do not use it.
    """

    arguments = (("pi", (None,)), ("sigma_beta", (None, 3)), ("sigma_0", (3,)))
    data: PairData

    @property
    def in_all(self) -> PairLogLik:
        """The Op of fewer, larger units; itself where LD blocks are large."""
        coarse = self.data.coarse
        return self if coarse is self.data else PairLogLik(coarse, self.gradient)

    def valid(self, *parameters: Any) -> bool:
        """Whether weights, variances and covariances are finite and in their ranges."""
        return valid_pair(*parameters)

    def computed(self, *parameters: Any, threads: int | None = None) -> tuple[Array, Array]:
        """Log-likelihood per LD block (L,) and Jacobian (L, 4C + 3)."""
        pi, sigma_beta, sigma_0 = parameters
        data, gradient, c = self.data, self.gradient, len(parameters[0])
        threads = 1 if len(data.weight) < 1000 else threads or nb.get_num_threads()
        announce(pair_kernel.cosine_blocks, "the likelihood of two traits")
        evaluate: Any = pair_evaluate.evaluate
        loglik, jacobian = np.zeros(data.n_blocks), np.zeros((data.n_blocks, 4 * c + 3))
        for part in data.alike:
            value, slope = evaluate(part, pi, sigma_beta, sigma_0, gradient, threads)
            loglik += value
            jacobian += slope
        one_trait: Any = kernel.evaluate
        for trait, one in enumerate(data.alone):
            if one is None:
                continue
            value, slope = one_trait(
                one.packed,
                one.tails,
                pi,
                np.ascontiguousarray(sigma_beta[:, trait]),
                float(sigma_0[trait]),
                gradient,
                threads,
            )
            loglik += value
            jacobian[:, :c] += slope[:, :c]
            jacobian[:, c + trait : 4 * c : 3] += slope[:, c : 2 * c]
            jacobian[:, 4 * c + trait] += slope[:, 2 * c]
        return loglik, jacobian


def valid_pair(pi: Array, sigma_beta: Array, sigma_0: Array) -> bool:
    """Whether weights, variances and covariances are finite and in their ranges."""
    if sigma_beta.shape != (pi.size, 3) or sigma_0.shape != (3,):
        raise TypeError(
            f"pi {pi.shape}, sigma_beta {sigma_beta.shape}, sigma_0 {sigma_0.shape}: expected "
            "(C,), (C, 3) and (3,)"
        )
    v1, v2, covariance = sigma_beta.T
    e1, e2, e12 = (float(v) for v in sigma_0)
    return bool(
        valid_mixture(pi, v1, e1)
        and valid_mixture(pi, v2, e2)
        and np.isfinite(covariance).all()
        and (covariance**2 <= v1 * v2 * (1 + 1e-9)).all()
        and abs(e12) <= LARGEST_RHO_0 * np.sqrt(e1 * e2) * (1 + 1e-9)
    )


def pair_log_density(
    z: ArrayLike,
    n: ArrayLike,
    spectrum: NDArray[np.floating],
    node_x: ArrayLike,
    pi: ArrayLike,
    sigma_beta: ArrayLike,
    sigma_0: ArrayLike,
    censor: float | tuple[float, float] | None = None,
) -> Array:
    """Log density of each pair of z-scores under the LD-convolved mixture.

    Parameters
    ----------
    z, n
        (J, 2) z-scores (NaN where a variant was not seen) and sample sizes.
    spectrum, node_x
        (J, K) LD spectrum and (K,) strengths of its nodes.
    pi, sigma_beta, sigma_0
        (C,) weights, (C, 3) variances and covariance of the causal components, (3,) of the errors.
    censor
        See `PairData`.

    Returns
    -------
    (J,) natural log densities; 0 where a variant was seen in neither trait.
    """
    size = len(np.asarray(z))
    data = PairData(z, n, np.ones(size), spectrum, node_x, np.arange(size), censor)
    return PairLogLik(data, gradient=False).evaluate(pi, sigma_beta, sigma_0)[0]


@numba_implementation(PairLogLik)
def _numba_pair(op: PairLogLik, node: Apply, **kwargs: Any) -> Any:
    evaluate = partial(op.evaluate, threads=1)  # as in ops/likelihood.py

    @nb.njit
    def mixture(pi, sigma_beta, sigma_0):  # type: ignore[no-untyped-def]
        with nb.objmode(loglik="float64[::1]", jacobian="float64[:, ::1]"):
            loglik, jacobian = evaluate(pi, sigma_beta, sigma_0)
        return loglik, jacobian

    return mixture, None


@with_jax
def _register(jax_funcify: Any) -> None:
    @jax_funcify.register(PairLogLik)
    def _jax_pair(op: PairLogLik, node: Apply, **kwargs: Any) -> Any:
        return on_host(op)
