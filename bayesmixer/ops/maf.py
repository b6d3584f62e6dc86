"""The PyTensor Op of the likelihood with S as a parameter (effect variance sigma2_beta H^S): (pi,
sigma2_beta, sigma2_0, S) -> log-likelihood per LD block.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numba as nb
from pytensor.graph.basic import Apply

from bayesmixer.ops import maf_kernel
from bayesmixer.ops.block_loglik import BlockLogLik
from bayesmixer.ops.compiling import announce
from bayesmixer.ops.late import with_jax
from bayesmixer.ops.layout import Array
from bayesmixer.ops.likelihood import valid_mixture
from bayesmixer.ops.maf_layout import MafLikelihoodData
from bayesmixer.ops.on_host import on_host
from bayesmixer.ops.pytensor_doors import numba_implementation


class MafMixtureLogLik(BlockLogLik):
    """Weighted log-likelihood per LD block under a mixture of Gaussian effects whose variance is
    proportional to H^S.

    Inputs: `pi` (C,), `sigma2_beta` (C,) variances of effects at H = 1, `sigma2_0` (), `maf_s` ()
    the exponent S. Outputs: `loglik` (L,) and `jacobian` (L, 2C + 2), its derivatives in (pi,
    sigma2_beta, sigma2_0, maf_s), or (L, 0) where `gradient` is False. Minus infinity where S lies
    outside the exponents held.

    Source: Frei et al. 2019 (Nature Communications 10:2417), eq. 3-4, with strengths H^(1+S) r^2 as
    in its Discussion; docs/methods/maf_architecture.md.

    Parameters
    ----------
    data
        Variants, in memory layout (`MafLikelihoodData`).
    gradient
        Whether to compute the Jacobian; a rewrite drops it from graphs that do not use it.
    """

    arguments = (("pi", (None,)), ("sigma2_beta", (None,)), ("sigma2_0", ()), ("maf_s", ()))
    data: MafLikelihoodData

    def valid(self, *parameters: Any) -> bool:
        """Whether weights and variances are in their ranges, and S within the exponents held."""
        *mixture, maf_s = parameters
        held = self.data.held
        return valid_mixture(*mixture) and bool(held.min() - 1e-9 <= maf_s <= held.max() + 1e-9)

    def computed(self, *parameters: Any, threads: int | None = None) -> tuple[Array, Array]:
        """Log-likelihood per LD block (L,) and Jacobian (L, 2C + 2)."""
        data = self.data
        threads = (
            1 if data.one.z.size < 4000 else threads or nb.get_num_threads()
        )  # threads would cost more than they save
        announce(maf_kernel._spectra_at, "the likelihood of a free S")
        evaluate: Any = maf_kernel.evaluate
        loglik, jacobian = evaluate(data.packed, data.tails, *parameters, self.gradient, threads)
        return loglik, jacobian


@numba_implementation(MafMixtureLogLik)
def _numba_maf(op: MafMixtureLogLik, node: Apply, **kwargs: Any) -> Any:
    evaluate = partial(op.evaluate, threads=1)  # as in ops/likelihood.py

    @nb.njit
    def mixture(pi, sigma2_beta, sigma2_0, maf_s):  # type: ignore[no-untyped-def]
        with nb.objmode(loglik="float64[::1]", jacobian="float64[:, ::1]"):
            loglik, jacobian = evaluate(pi, sigma2_beta, sigma2_0, maf_s)
        return loglik, jacobian

    return mixture, None


@with_jax
def _register(jax_funcify: Any) -> None:
    @jax_funcify.register(MafMixtureLogLik)
    def _jax_maf(op: MafMixtureLogLik, node: Apply, **kwargs: Any) -> Any:
        return on_host(op)
