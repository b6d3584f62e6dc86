"""The one-component model beside a fit of another: does it explain the same data better, by AIC and
BIC (Frei et al. 2019, Methods)?

An infinitesimal fit of a trait with few causal variants, and a second component that one serves,
are told by it. The likelihood is climbed directly, a tenth of the variants first, so that it costs
seconds and compiles nothing; what it reaches is at most the maximum, so the rival is never
flattered.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import xarray as xr
from scipy.optimize import minimize

from bayesmixer.bound import Bound
from bayesmixer.ld.exponents import at_exponent
from bayesmixer.mixer.cards import LOG_H2, LOG_SIGMA2_0, LOGIT_PI, UNIVARIATE
from bayesmixer.mixer.laid_out import h_total, likelihood_data
from bayesmixer.mixer.starts import scan_pi, thin
from bayesmixer.ops.likelihood import MixtureLogLik

FREE = (LOGIT_PI, LOG_H2, LOG_SIGMA2_0)


def criteria(bound: Bound, estimate: xr.Dataset) -> dict[str, tuple[float, int]]:
    """Log-likelihood and number of parameters of the models shown beside a fit, by name.

    Parameters
    ----------
    bound
        The model that was fitted.
    estimate
        Its mode; where S was free, its `maf_s` is taken, and counted as a parameter.
    """
    if not set(UNIVARIATE.needs) <= set(bound.data.variables):
        return {}
    free_s = "maf_s" in estimate
    s = float(estimate["maf_s"]) if free_s else bound.options.get("maf_s")
    data = bound.data
    if data.sizes["maf_s"] > 1:
        data = at_exponent(data, 0.0 if s is None else float(s))
    return {UNIVARIATE.name: (climb(replace(bound, data=data))[1], len(FREE) + free_s)}


def climb(bound: Bound) -> tuple[np.ndarray, float]:
    """Where the search of the one-component model comes to rest, (logit pi, log h2, log sigma2_0),
    and its log-likelihood there; `bound` of data of one S.
    """
    logit, value, (h2, zero) = scan_pi(bound)
    x = np.array([logit[int(np.argmax(value))], math.log(h2), math.log(max(zero, 0.9))])
    total = h_total(bound.data)
    part = thin(bound.data)
    loglik = -math.inf
    for data in (part, bound.data) if part is not bound.data else (part,):
        op = MixtureLogLik(likelihood_data(data, bound.options.get("censor")))

        def cost(x: np.ndarray, op: MixtureLogLik = op) -> tuple[float, np.ndarray]:
            pi, h2, zero = 1 / (1 + math.exp(-x[0])), math.exp(x[1]), math.exp(x[2])
            beta = h2 / (pi * total)
            blocks, jacobian = op.evaluate(np.array([pi]), np.array([beta]), zero)
            by_pi, by_beta, by_zero = jacobian.sum(axis=0)
            if not (np.isfinite(blocks).all() and np.isfinite(jacobian).all()):
                return 1e12, x  # a step too far: the line search comes back from it
            return -float(blocks.sum()), -np.array(
                [(by_pi * pi - by_beta * beta) * (1 - pi), by_beta * beta, by_zero * zero]
            )

        found = minimize(
            cost,
            x,
            jac=True,
            method="L-BFGS-B",
            bounds=[one.box for one in FREE],
            options={"maxiter": 40, "ftol": 1e-9},
        )
        x, loglik = found.x, -float(found.fun)
    return x, loglik
