"""Where the search for the mode of a pair begins: each trait's univariate fit, rg and rho_0 by
moments, and overlap in both of the valleys that its profile can have.

In the fourth moments overlap enters at fixed rg through f (1 + 2 rho_beta^2) = f + 2 u^2 / f alone,
so that f and 2 u^2 / f are twins there: a search that starts at one may stay there. So the best of
a scan along f, its twin, the least overlap and complete overlap are climbed on few variants, each
trait's own parameters held, and what they come to are the starts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayesmixer.ld.exponents import of_one_s
from bayesmixer.mixer import starts as one_trait
from bayesmixer.mixer.laid_out import h_total
from bayesmixer.pair.chart import MOST_RHO_0, overlap, place, place_of_excess
from bayesmixer.pair.search import Array, Search, W, X, Y, overlap_at, point
from bayesmixer.pair.univariate import alone, fitted_alone
from bayesmixer.variables import evaluated

if TYPE_CHECKING:
    from bayesmixer.bound import Bound

SCAN = np.linspace(0.05, 0.95, 10)  # excess over the least overlap
FROM_ENDS = 0.02  # excess of the starts at the least and at complete overlap
MOST = 0.9  # |rg| and |rho_0| of moments, which know no bounds
SEARCHED, SCANNED = 10_000, 5_000  # variants
ROUGH = 0.02  # log-likelihood units that a start may lack
SAME = 0.05  # f within which two optima are one


def coarse(data: xr.Dataset) -> xr.Dataset:
    """A cheap stand-in while searching: an evaluation costs twenty times that of one trait."""
    return one_trait.thin(data, SEARCHED)


def cross_moments(data: xr.Dataset, h2: Any, sigma2_0: Any) -> tuple[float, float]:
    """(rg, rho_0) by weighted least squares of z1 z2 on sqrt(N1 N2) ld_score_h, within +-0.9, given
    (2,) heritabilities and error variances.

    Source: Bulik-Sullivan et al. 2015, Nature Genetics 47:1236, with weights 1 / variance of z1 z2
    times the composite weights.
    """
    used = evaluated(data)
    z, n = data["z"].values[used], data["n"].values[used]
    both = np.isfinite(z).all(axis=1)
    z, n, w = z[both], n[both], data["weight"].values[used][both]
    score = of_one_s(data, "ld_score_h")[used][both].astype(float) / h_total(data)
    product = np.clip(z, -9, 9).prod(axis=1)  # a giant locus would decide
    exposure = np.sqrt(n.prod(axis=1)) * score
    w = w / (sigma2_0 + n * score[:, None] * h2).prod(axis=1)
    mx, my = np.average(exposure, weights=w), np.average(product, weights=w)
    sxx = np.average((exposure - mx) ** 2, weights=w)
    slope = np.average((exposure - mx) * (product - my), weights=w) / sxx if sxx > 0 else 0.0
    rg = slope / math.sqrt(np.prod(h2))
    rho_0 = (my - slope * mx) / math.sqrt(np.prod(sigma2_0))
    return float(np.clip(rg, -MOST, MOST)), float(np.clip(rho_0, -MOST, MOST))


def infinitesimal_starts(bound: Bound) -> list[dict[str, Any]]:
    """One start: the moments."""
    traits = [one_trait.moments_h2(alone(bound.data, k).data) for k in (0, 1)]
    h2, zero = np.array(traits).T
    rg, rho_0 = cross_moments(bound.data, h2, zero)
    return [
        {
            "log_h2": np.log(h2),
            "log_sigma2_0": np.log(zero),
            "atanh_rg": math.atanh(rg),
            "atanh_rho_0": math.atanh(rho_0 / MOST_RHO_0),
        }
    ]


def own_point(bound: Bound, data: xr.Dataset) -> Array:
    """Nine entries from each trait's univariate fit to `data`, or what the model holds, and from
    moments, with half of the excess.
    """
    held = bound.options.get("univariate", "joint")
    own = fitted_alone(data, bound.options.get("censor")) if held == "joint" else held
    h2, pi, zero = (np.asarray(own[name]) for name in ("h2", "pi", "sigma2_0"))
    rg, rho_0 = cross_moments(bound.data, h2, zero)
    u = float(np.clip(rg / overlap(0.0, 0.0, *pi).rg_max, -MOST, MOST))
    y = float(place_of_excess(0.5, overlap(u, 0.0, *pi).least))
    return point(h2, pi, zero, u, y, rho_0)


def valleys(v: Array, search: Search) -> list[Array]:
    """The point at the best overlap of a scan, at its twin, and near both ends."""
    at, pi = overlap_at(v)
    least, u = float(at.least), math.tanh(v[X])

    def of_share(f: float) -> Array:
        out = v.copy()
        out[Y] = place(f * pi.min(), u / f, *pi)[1]
        return out

    shares = least + (1 - least) * SCAN
    best = float(shares[int(np.argmax([search.height(of_share(f)) for f in shares]))])
    twin = 2 * u**2 / best
    ends = [least + (1 - least) * e for e in (FROM_ENDS, 1 - FROM_ENDS)]
    apart = least < twin < 1 and abs(twin - best) > 0.05
    return [of_share(f) for f in (best, *([twin] if apart else []), *ends)]


def named(v: Array) -> dict[str, Any]:
    """A point by the names of the model's parameters."""
    return {
        "log_h2": v[:2],
        "logit_pi_mean": v[2],
        "logit_pi_difference": v[3],
        "log_sigma2_0": v[4:6],
        "atanh_u": v[X],
        "logit_t": v[Y],
        "atanh_rho_0": v[W],
    }


def optima(v: Array, search: Search) -> list[Array]:
    """Distinct optima of (x, y, rho_0) from all `valleys` of a point, best first."""
    found = [search.climb(one, [X, Y, W], accuracy=ROUGH) for one in valleys(v, search)]
    kept: list[Array] = []
    for one, _ in sorted(found, key=lambda pair: -pair[1]):
        f = float(overlap_at(one)[0].f)
        if all(abs(f - float(overlap_at(other)[0].f)) > SAME for other in kept):
            kept.append(one)
    return kept


def pair_starts(bound: Bound) -> list[dict[str, Any]]:
    """Up to four starts, best first; one where overlap is held."""
    v = own_point(bound, coarse(bound.data))
    points = [v]
    if bound.options.get("t") is None:
        few = one_trait.thin(bound.data, SCANNED)
        points = optima(v, Search(few, bound.options.get("censor")))
    return [{name: named(v)[name] for name in bound.free} for v in points]
