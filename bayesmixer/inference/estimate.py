"""Groups of a fit's results that its density gives: the mode, and the log-likelihood by unit."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from bayesmixer.inference.density import Array, LogDensity
from bayesmixer.inference.find_map import Modes, covariance_of


def log_likelihood_group(
    blocks: dict[str, Array], shape: tuple[int, int], density: LogDensity
) -> xr.Dataset:
    """Log-likelihood per LD block, (chain, draw, ld_block) for each potential."""
    if not blocks:  # a model of another kind, without LD blocks
        return xr.Dataset()
    found = density.model.coords.get(density.unit)
    labels = (
        np.arange(next(iter(blocks.values())).shape[-1]) if found is None else np.asarray(found)
    )
    data = {
        name: (("chain", "draw", density.unit), v.reshape((*shape, -1)))
        for name, v in blocks.items()
    }
    return xr.Dataset(
        data,
        coords={"chain": np.arange(shape[0]), "draw": np.arange(shape[1]), density.unit: labels},
    )


def estimate_group(density: LogDensity, modes: Modes) -> xr.Dataset:
    """The mode: reported variables there, curvature, every optimum met, and AIC and BIC as the
    paper defines them.

    AIC = 2 k - 2 log L, BIC = k ln(sum of weights) - 2 log L, with log L the weighted
    log-likelihood at the mode (Frei et al. 2019, Methods).
    """
    best = modes.best
    at_mode = density.posterior(best.x[None, None]).isel(chain=0, draw=0, drop=True)
    hessian, covariance = best.hessian, covariance_of(best.hessian)
    loglik = sum(float(v.sum()) for v in density.value_and_blocks(best.x)[1].values())
    group = at_mode.assign(
        hessian=(("parameter", "parameter_bis"), hessian),
        covariance=(("parameter", "parameter_bis"), covariance),
        mode=("parameter", best.x),
        gradient=("parameter", best.gradient),
        optimum=(("start", "parameter"), np.stack([o.x for o in modes.all])),
        optimum_start=(("start", "parameter"), np.stack([o.start for o in modes.all])),
        optimum_log_posterior=("start", np.array([o.log_posterior for o in modes.all])),
        optimum_converged=("start", np.array([o.converged for o in modes.all])),
        optimum_evaluations=("start", np.array([o.evaluations for o in modes.all])),
    ).assign_coords(parameter=density.names, parameter_bis=density.names)
    group.attrs = {
        "log_likelihood": loglik,
        "log_posterior": best.log_posterior,
        "n_parameters": density.size,
        "converged": int(best.converged),
        "decrement": best.decrement,
        "at_bound": json.dumps(best.at_bound),
        "gradient_evaluations": density.evaluations,
    }
    return group
