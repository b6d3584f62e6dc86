"""Starting points, staged as in the paper: infinitesimal first, then pi along constant h2, then (in
the optimiser) everything together.

The first stage is LD score regression by weighted least squares on z^2; the second scans pi on a
tenth of the variants with the exact likelihood, since the paper's fast model is above the exact
cost by up to tens of units where effects are large.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from bayesmixer.ld.exponents import exponents, of_one_s, pick
from bayesmixer.mixer.laid_out import h_total, likelihood_data
from bayesmixer.ops.likelihood import MixtureLogLik
from bayesmixer.variables import evaluated

if TYPE_CHECKING:
    from bayesmixer.bound import Bound

SCAN = np.array(
    [-9.5, -8.5, -7.5, -6.5, -5.5, -4.5, -3.5, -2.0, 0.0, 2.0]
)  # logit pi: 7e-5 to 0.88


def moments_h2(data: xr.Dataset) -> tuple[float, float]:
    """(h2, sigma2_0) by two rounds of weighted least squares of z^2 on N ld_score_h, kept positive.

    Of several exponents S the middle one serves. Source: Bulik-Sullivan et al. 2015, with weights 1
    / variance of z^2 times the composite weights.
    """
    data = pick(data, float(np.median(exponents(data))))
    w, used = data["weight"].values, evaluated(data)
    z2 = data["z"].values[used, 0] ** 2
    exposure = (
        data["n"].values[used, 0] * of_one_s(data, "ld_score_h")[used].astype(float) / h_total(data)
    )
    # a handful of giant loci would otherwise decide the slope
    z2 = np.minimum(z2, 80.0)
    h2, zero = 0.0, 1.0
    for _ in range(3):
        v = w[used] / (zero + h2 * exposure) ** 2
        mx, my = np.average(exposure, weights=v), np.average(z2, weights=v)
        sxx = np.average((exposure - mx) ** 2, weights=v)
        slope = np.average((exposure - mx) * (z2 - my), weights=v) / sxx if sxx > 0 else 0.0
        h2 = max(slope, 1e-4)
        zero = min(max(my - h2 * mx, 0.5), 5.0)
    return h2, zero


def infinitesimal_starts(bound: Bound) -> list[dict[str, float]]:
    """One start: the moments; for a free S, in the middle of its range."""
    h2, zero = moments_h2(bound.data)
    start = {"log_h2": math.log(h2), "log_sigma2_0": math.log(zero)}
    return [start | {"logit_maf_s": 0.0} if "logit_maf_s" in bound.free else start]


def thin(data: xr.Dataset, most: int = 15_000) -> xr.Dataset:
    """Every k-th weighted variant, with weights scaled up to the same sum: a cheap stand-in while
    searching.
    """
    rows = evaluated(data)
    step = max(1, rows.size // most)
    if step == 1:
        return data
    part = data.isel(variant=rows[::step])
    scale = float(data["weight"].sum() / part["weight"].sum())
    return part.assign(weight=part["weight"] * scale)


def scan_pi(bound: Bound) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Log-likelihood of the one-component model along logit pi at the moments' h2, on thinned data:
    (logit pi, log-likelihood, moments).
    """
    h2, zero = moments_h2(bound.data)
    op = MixtureLogLik(
        likelihood_data(thin(bound.data, 8_000), bound.options.get("censor")), gradient=False
    )
    value = []
    for logit in SCAN:
        pi = 1 / (1 + math.exp(-logit))
        loglik, _ = op.evaluate(
            np.array([pi]), np.array([h2 / (pi * h_total(bound.data))]), max(zero, 0.9)
        )
        value.append(loglik.sum())
    return SCAN, np.array(value), (h2, zero)


def mixer_starts(bound: Bound) -> list[dict[str, float]]:
    """Every local maximum of the scan along pi, best first, at most three; of data of several
    exponents the best of each.
    """
    if bound.data.sizes["maf_s"] > 1:
        return _of_each_s(bound)
    logit, value, (h2, zero) = scan_pi(bound)
    padded = np.concatenate([[-np.inf], value, [-np.inf]])
    peaks = [
        i
        for i in range(value.size)
        if padded[i + 1] >= padded[i] and padded[i + 1] >= padded[i + 2]
    ]
    peaks = sorted(peaks, key=lambda i: -value[i])[:3]
    return [
        {
            "log_h2": math.log(h2),
            "logit_pi": float(logit[i]),
            "log_sigma2_0": math.log(max(zero, 0.9)),
        }
        for i in peaks
    ]


def _of_each_s(bound: Bound) -> list[dict[str, float]]:
    """The best start of each of up to three exponents of the data, best first; the scan costs
    little.
    """
    held = np.sort(exponents(bound.data))
    places = held if "logit_maf_s" in bound.free else np.array([float(bound.options["maf_s"])])
    low, span = held[0], held[-1] - held[0]
    out = []
    for s in places[
        np.unique(np.linspace(0, places.size - 1, min(places.size, 5)).round().astype(int))
    ]:
        one = replace(bound, data=pick(bound.data, float(s)))  # the nearest that is held
        logit, value, (h2, zero) = scan_pi(one)
        best = int(np.argmax(value))
        start = {
            "log_h2": math.log(h2),
            "logit_pi": float(logit[best]),
            "log_sigma2_0": math.log(max(zero, 0.9)),
        }
        if "logit_maf_s" in bound.free:
            share = min(max((float(s) - low) / span, 0.1), 0.9)
            start["logit_maf_s"] = math.log(share / (1 - share))
        out.append((float(value[best]), start))
    out.sort(key=lambda pair: -pair[0])
    return [start for _, start in out[:3]]


def two_component_starts(bound: Bound) -> list[dict[str, float]]:
    """The scan's best pi split in two: large effects a tenth or a hundredth as many, with half or a
    fifth of h2.
    """
    best = mixer_starts(bound)[0]
    out = []
    for shift, ratio, share in ((0.5, 2.3, 0.0), (1.5, 4.0, -1.0), (0.0, 3.0, -2.0)):
        out.append(
            {
                "log_h2": best["log_h2"],
                "logit_share_large": share,
                "logit_pi": best["logit_pi"] + shift,
                "log_pi_ratio": ratio,
                "log_sigma2_0": best["log_sigma2_0"],
            }
        )
    return out
