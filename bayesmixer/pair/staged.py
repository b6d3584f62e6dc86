"""The paper's staged estimate of a pair (Frei et al. 2019, Methods), by the exact likelihood
throughout.

Univariate fits come first, and their parameters stay. Then the genetic correlation and that of the
errors are fitted, here together with the overlap, where MiXeR 2.2 uses a single Gaussian that knows
neither overlap nor rho_beta. Last the overlap is scanned along its admissible range, rg and rho_0
held, and the best is refined.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from bayesmixer.bound import Bound
from bayesmixer.pair.chart import place
from bayesmixer.pair.search import Array, Search, W, X, Y, overlap_at
from bayesmixer.pair.starts import coarse, named, optima, own_point
from bayesmixer.variables import evaluated

SCANNED = 20  # places of the overlap, as MiXeR has them: from 1% to 99%, evenly in the logit
ACCURACY = 1e-4


def staged(bound: Bound) -> tuple[dict[str, Any], xr.Dataset]:
    """The staged estimate: the values of the free parameters by name, and what the stages found.

    Returns
    -------
    tuple
        A start as `pair_starts` has it, and a dataset of `profile_pi_shared` and
        `profile_log_likelihood` (dim profile), with the log-likelihood after each stage in the
        attribute `stages` (JSON).
    """
    censor = bound.options.get("censor")
    few, whole = coarse(bound.data), Search(bound.data, censor)
    v = own_point(bound, bound.data)
    heights = {"univariate": whole.height(v)}
    if bound.options.get("t") is not None:
        t = float(bound.options["t"])
        v, heights["correlations"] = whole.climb(v, [X, W], t, accuracy=ACCURACY)
        return _found(bound, v, heights, {})
    free = [X, Y, W]
    search = Search(few, censor) if evaluated(few).size < evaluated(bound.data).size else whole
    v = optima(v, search)[0]
    v, heights["correlations"] = whole.climb(v, free, accuracy=ACCURACY)
    at, pi = overlap_at(v)
    low, high, u = float(at.least) * pi.min(), float(pi.min()), float(np.tanh(v[X]))
    edge = np.log(99.0)
    shares = low + (high - low) / (1 + np.exp(-np.linspace(-edge, edge, SCANNED)))
    profile = []
    for shared in shares:
        moved = v.copy()
        moved[Y] = place(shared, u * high / shared, *pi)[1]
        profile.append((whole.height(moved), moved))
    best = max(profile, key=lambda pair: pair[0])
    start = best[1] if best[0] > heights["correlations"] else v
    v, heights["overlap"] = whole.climb(start, [Y], accuracy=ACCURACY)
    scan = {
        "profile_pi_shared": ("profile", shares),
        "profile_log_likelihood": ("profile", np.array([height for height, _ in profile])),
    }
    return _found(bound, v, heights, scan)


def _found(
    bound: Bound, v: Array, heights: dict[str, float], scan: dict[str, Any]
) -> tuple[dict[str, Any], xr.Dataset]:
    values = named(v)
    attrs = {"stages": json.dumps(heights)}
    return {name: values[name] for name in bound.free}, xr.Dataset(scan, attrs=attrs)
