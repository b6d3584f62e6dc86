"""The one-component model beside a fit of another: does it explain the same data better, by AIC and BIC (Frei et al. 2019, Methods)?

An infinitesimal fit of a trait with few causal variants, and a second component that one serves, are told by it. The likelihood is climbed directly, a
tenth of the variants first, so that it costs seconds and compiles nothing; what it reaches is at most the maximum, so the rival is never flattered.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import xarray as xr
from scipy.optimize import minimize

from bayesmixer.inference.density import Array
from bayesmixer.ld.exponents import at_exponent
from bayesmixer.models.common import BOUNDS, Record, h_total, likelihood_data
from bayesmixer.models.starts import scan_pi, thin
from bayesmixer.ops.likelihood import MixtureLogLik

FREE = ("logit_pi", "log_h2", "log_sigma2_0")
BESIDE = ("infinitesimal", "two_component_mixer")  # models that are judged beside the one-component model


def add_one_component(group: xr.Dataset, record: Record) -> None:
    """Write log-likelihood, AIC and BIC of univariate_mixer into the attributes of an estimate, where the fit is of one of `BESIDE`.

    Parameters
    ----------
    group
        The estimate; where S was free, its `maf_s` is taken, and counted as a parameter.
    record
        Of the model that was fitted.
    """
    if record.name not in BESIDE:
        return
    free_s = "maf_s" in group
    s = float(group["maf_s"]) if free_s else record.options.get("maf_s")
    data = record.data
    if data["spectrum"].ndim != 2:
        data = at_exponent(data, 0.0 if s is None else float(s))
    loglik, k = climb(replace(record, data=data)), len(FREE) + free_s
    size = math.log(record.effective_variants)
    values = {"log_likelihood": loglik, "n_parameters": k, "aic": 2 * k - 2 * loglik, "bic": k * size - 2 * loglik}
    group.attrs |= {f"{name}_univariate_mixer": value for name, value in values.items()}


def climb(record: Record) -> float:
    """Log-likelihood of the one-component model where the search comes to rest; `record` of data of one S."""
    logit, value, (h2, zero) = scan_pi(record)
    x = np.array([logit[int(np.argmax(value))], math.log(h2), math.log(max(zero, 0.9))])
    total = h_total(record.data)
    part = thin(record.data)
    loglik = -math.inf
    for data in (part, record.data) if part is not record.data else (part,):
        op = MixtureLogLik(likelihood_data(data, record.options.get("censor")))

        def cost(x: Array, op: MixtureLogLik = op) -> tuple[float, Array]:
            pi, h2, zero = 1 / (1 + math.exp(-x[0])), math.exp(x[1]), math.exp(x[2])
            beta = h2 / (pi * total)
            blocks, jacobian = op.evaluate(np.array([pi]), np.array([beta]), zero)
            by_pi, by_beta, by_zero = jacobian.sum(axis=0)
            return -float(blocks.sum()), -np.array([(by_pi * pi - by_beta * beta) * (1 - pi), by_beta * beta, by_zero * zero])

        found = minimize(cost, x, jac=True, method="L-BFGS-B", bounds=[BOUNDS[name] for name in FREE], options={"maxiter": 40, "ftol": 1e-9})
        x, loglik = found.x, -float(found.fun)
    return loglik
