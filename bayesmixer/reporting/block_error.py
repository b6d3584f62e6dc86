"""Standard errors over LD blocks from posterior draws: the Bayesian infinitesimal jackknife
(Giordano and Broderick 2023, arXiv:2305.06466).

The likelihood is a weighted pseudo-likelihood, so its posterior may be too narrow. With l_b(theta)
the log-likelihood of LD block b, the influence of the block on the posterior mean of g is Cov(g,
l_b), and the sampling variance of that mean is sum_b (Cov(g, l_b) - average)^2.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayesmixer.wings import unit_of

FEWEST_DRAWS, FEWEST_BLOCKS = 200, 20
"""With fewer, the covariances or their sum over blocks are too noisy to print."""


def block_standard_errors(results: xr.DataTree) -> dict[str, tuple[float, float]]:
    """Standard error over LD blocks beside the posterior standard deviation, for every scalar
    quantity of the posterior.

    Parameters
    ----------
    results
        A fit that was not calibrated, with `log_likelihood` group (variable `z`, dims chain, draw,
        ld_block).

    Returns
    -------
    dict
        Name -> (standard error over blocks, posterior sd); empty where draws or blocks are too few,
        the group is absent, or the draws were moved.
    """
    if "calibration" in results.children:
        return {}
    if "log_likelihood" not in results.children or "z" not in results["log_likelihood"].data_vars:
        return {}
    unit, by_block = unit_of(results), results["log_likelihood"]["z"]
    posterior = results["posterior"].to_dataset()
    if any(by_block.sizes.get(d) != posterior.sizes[d] for d in ("chain", "draw")):
        return {}
    draws = posterior.sizes["chain"] * posterior.sizes["draw"]
    if draws < FEWEST_DRAWS or by_block.sizes[unit] < FEWEST_BLOCKS:
        return {}
    likelihood = by_block.transpose("chain", "draw", unit).to_numpy().reshape(draws, -1)
    likelihood = likelihood - likelihood.mean(axis=0)
    out = {}
    for name, values in posterior.data_vars.items():
        if set(values.dims) != {"chain", "draw"}:
            continue
        g = values.transpose("chain", "draw").to_numpy().ravel().astype(float)
        if not np.isfinite(g).all() or g.std() <= 1e-12 * abs(g.mean()):
            continue
        influence = (g - g.mean()) @ likelihood / (draws - 1)
        blocks = len(influence)
        variance = blocks / (blocks - 1) * np.sum((influence - influence.mean()) ** 2)
        out[str(name)] = (float(np.sqrt(variance)), float(g.std(ddof=1)))
    return out
