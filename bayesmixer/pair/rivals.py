"""What a pair's fit is compared with by AIC and BIC: the least overlap that rg requires, and
complete overlap, both exactly and with all else at its best; and beside them the ends of MiXeR's
scan, 1% and 99% of the way, with all else held (Frei et al. 2019, Methods).
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayesmixer.bound import Bound
from bayesmixer.pair.chart import place
from bayesmixer.pair.search import Array, Search, W, X, Y, overlap_at, point

ACCURACY = 0.01  # log-likelihood units that an end may lack
LEAST, COMPLETE = "least_overlap", "complete_overlap"
NEAR_ENDS = {"overlap_at_1_percent": 0.01, "overlap_at_99_percent": 0.99}
"""As MiXeR has them: parts of the way from the least pi_shared to the largest."""


def criteria(bound: Bound, estimate: xr.Dataset) -> dict[str, tuple[float, int]]:
    """Log-likelihood and number of parameters of the models shown beside a fit, by name.

    Parameters
    ----------
    bound
        The model that was fitted; nothing is shown beside one of held overlap.
    estimate
        Its mode.
    """
    names = [str(name) for name in estimate["parameter"].values]
    if "logit_t" not in names:
        return {}
    search, v = Search(bound.data, bound.options.get("censor")), mode(estimate)
    free = [*range(Y), W] if bound.options.get("univariate", "joint") == "joint" else [X, W]
    k = len(names) - 1
    out = {}
    for name, t in ((LEAST, 0.0), (COMPLETE, 1.0)):
        spread = rest_covariance(estimate, names)
        out[name] = (search.climb(v, free, t, spread, ACCURACY)[1], k)
    at, pi = overlap_at(v)
    low, high = float(at.least) * pi.min(), pi.min()
    for name, part in NEAR_ENDS.items():
        shared, moved = low + part * (high - low), v.copy()
        rho_beta = np.tanh(v[X]) * pi.min() / shared
        moved[Y] = place(shared, rho_beta, *pi)[1]
        out[name] = (search.height(moved), k)
    return out


def mode(estimate: xr.Dataset) -> Array:
    """The nine entries at what an estimate reports, off the infinities of the chart."""
    h2, pi, sigma2_0 = (estimate[name].values for name in ("h2", "pi", "sigma2_0"))
    u = np.clip(float(estimate["rg"] / estimate["rg_max"]), -1 + 1e-9, 1 - 1e-9)
    y = place(float(estimate["pi_shared"]), float(estimate["rho_beta"]), *pi)[1]
    return point(h2, pi, sigma2_0, float(u), float(np.clip(y, -30, 30)), float(estimate["rho_0"]))


def rest_covariance(estimate: xr.Dataset, names: list[str]) -> Array:
    """Covariance of the parameters with the overlap held at the mode, in the order of the nine."""
    rest = np.array([name != "logit_t" for name in names])
    hessian = estimate["hessian"].values[np.ix_(rest, rest)]
    value, vector = np.linalg.eigh(hessian)
    return np.asarray((vector / np.maximum(value, 1.0)) @ vector.T)
