"""What halls may ask of LD score regression as a model: starting points, the test of heritability,
predictions, views.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import ndtr, stdtrit

from bayesmixer.bound import Bound
from bayesmixer.card import View
from bayesmixer.facts import read_json
from bayesmixer.identity import trait_names
from bayesmixer.ld.exponents import of_one_s
from bayesmixer.ldsc.evidence import scales
from bayesmixer.ldsc.heritability import heritability as heritability_of
from bayesmixer.ldsc.regression import Array
from bayesmixer.ldsc.words import POWERED
from bayesmixer.mixer import heritability
from bayesmixer.mixer.laid_out import h_total
from bayesmixer.mixer.starts import moments_h2
from bayesmixer.pair.starts import infinitesimal_starts
from bayesmixer.variables import evaluated
from bayesmixer.wings import Withheld


def h2_starts(bound: Bound) -> list[dict[str, Any]]:
    """One start: weighted least squares."""
    h2, intercept = moments_h2(bound.data)
    return [{"log_h2": math.log(h2), "log_intercept": math.log(intercept)}]


def rg_starts(bound: Bound) -> list[dict[str, Any]]:
    """One start: weighted least squares of squares and products."""
    (start,) = infinitesimal_starts(bound)
    return [{"log_intercept" if name == "log_sigma2_0" else name: v for name, v in start.items()}]


record = heritability.record


def partitioned_starts(bound: Bound) -> list[dict[str, Any]]:
    """One start: weighted least squares by annotation, within half of what the variances allow."""
    (whole,) = h2_starts(bound)
    data = bound.data
    m = data["m_5_50"].values.astype(float)
    used = evaluated(data)
    fit = heritability_of(
        data["z"].values[used, 0] ** 2,
        data["annotation_ld_score"].values[used].astype(float),
        1 / data["weight"].values[used],
        data["n"].values[used, 0].astype(float),
        m,
    )
    mean = math.exp(whole["log_h2"]) / m.sum()
    relative = np.clip(fit.coefficient.value[1:] / mean, -1.0, 3.0) / 2
    rest = {
        "deviation": relative,
        "deviation_raw": np.zeros(len(m) - 1),
        "log_local": np.zeros(len(m) - 1),
        "log_global": 0.0,
    }
    return [whole | {name: v for name, v in rest.items() if name in bound.free}]


def withheld(results: xr.DataTree) -> Withheld | None:
    """What a fit of a trait that shows no heritability must not tell. Of the intercept it tells
    what the regression says, whose h2 may be below 0: with h2 >= 0 its interval lies too low. So
    does a fit of two traits of the intercept of one that shows none.
    """
    test = heritability.unseen(results)
    if test is None:
        return _of_pair(results)
    group, instead = results[test.group].to_dataset(), {}
    if "intercept" in group and "posterior" in results.children:
        instead["intercept"] = spread_out(
            float(group["intercept"]),
            float(group["intercept_se"]),
            float(group["intercept_blocks"]),
            results["posterior"]["intercept"].size,
        )
    scale = float(scales(read_json(results.attrs.get("options"), {}), 1)[0])
    limits = {"h2": test.h2_upper, "h2_liability": scale * test.h2_upper}
    return Withheld(test.sentence, ("intercept",), limits, instead)


def _of_pair(results: xr.DataTree) -> Withheld | None:
    """Of traits that show no heritability the limit, and of weak ones the intercept by the
    regression: not of those alone, whose estimates of it are the highest. Of a mode without draws
    no rg either, which then is the prior's.
    """
    if "regression" not in results.children:
        return None
    found = results["regression"].to_dataset()
    if "intercept_blocks" not in found:  # of an earlier version
        return None
    drawn = results["posterior" if "posterior" in results.children else "estimate"].to_dataset()
    names, count = found["trait"].values, drawn["rg"].size
    scale = dict(zip(names, scales(read_json(results.attrs.get("options"), {}), 2), strict=True))
    instead: dict[str, Array] = {}
    limits: dict[str, float | None] = {}
    said = []
    for name in names[found["h2"].values < POWERED * found["h2_se"].values]:
        value, error, blocks = (
            float(found[f"intercept{end}"].sel(trait=name)) for end in ("", "_se", "_blocks")
        )
        instead[f"intercept [{name}]"] = spread_out(value, error, blocks, count)
    for name in names[found["h2_p"].values > heritability.LEVEL]:
        if count > 1:
            upper = float(drawn["h2"].sel(trait=name).quantile(heritability.UPPER))
        else:
            value, error = (float(found[of].sel(trait=name)) for of in ("h2", "h2_se"))
            freedom, place = float(found["blocks_effective"]), np.array([heritability.UPPER])
            upper = float(heritability.quantiles(value, error, freedom, place)[0])
            limits["rg"] = None
        limits[f"h2 [{name}]"] = upper
        if "h2_liability" in drawn:
            limits[f"h2_liability [{name}]"] = float(scale[name]) * upper
        said.append(f"{name}: no heritability seen, h2 < {upper:.2g} (95%).")
    if said:
        low, high = (float(found[f"rg_{end}"]) for end in ("lower", "upper"))
        said.append(f"Of rg {low:.2g} to {high:.2g} fit (90%, Fieller's set).")
    return Withheld(" ".join(said), None, limits, instead) if instead or limits else None


def spread_out(value: float, error: float, blocks: float, count: int) -> Array:
    """(count,) draws, as even as can be, of Student's t of an estimate with so many blocks."""
    place = (np.arange(count) + 0.5) / count
    return np.asarray(value + error * stdtrit(max(blocks - 1, 1.0), place))


LEAST = 0.1  # of the intercept: what the variance of z is at least, whatever tau is


@dataclass(frozen=True)
class Normal:
    """z of every variant at one point: normal of variance (J,)."""

    data: xr.Dataset
    variance: Array

    def cdf(self, at: Array) -> Array:
        """P(|Z_j| <= at_jt), (J, T) as `at`."""
        return np.asarray(1 - 2 * ndtr(-at / np.sqrt(self.variance)[:, None]))


def predictive(bound: Bound, there: xr.Dataset) -> Normal:
    """The prediction of a model of one trait at a point."""
    return Normal(bound.data, _variances(bound.data, there)[:, 0])


def _variances(data: xr.Dataset, there: xr.Dataset) -> Array:
    """(J, traits) variances of z."""
    n = np.asarray(data["n"], float)
    if "coef" in there:
        explained = data["annotation_ld_score"].values @ np.asarray(there["coef"], float)
        b = float(there["intercept"])
        return np.asarray(np.maximum(b + n * explained[:, None], LEAST * b))
    exposure = of_one_s(data, "ld_score_h").astype(float) / h_total(data)
    h2, intercept = (np.asarray(there[v], float).reshape(1, -1) for v in ("h2", "intercept"))
    return np.asarray(intercept + h2 * n * exposure[:, None])


def views(bound: Bound) -> list[View] | None:
    """Each trait, their sum and their difference; the one trait of a model of one."""
    data = bound.data
    z = np.asarray(data["z"], float)
    if z.shape[1] == 1:
        return [View("", z[:, 0], predictive)]
    names = trait_names(data) or ["trait 1", "trait 2"]

    def along(a: tuple[int, int]) -> Any:
        def of(bound: Bound, there: xr.Dataset) -> Normal:
            data = bound.data
            exposure = of_one_s(data, "ld_score_h").astype(float) / h_total(data)
            size = np.sqrt(np.asarray(data["n"], float).prod(axis=1))
            both = float(there["intercept_gencov"]) + float(there["gencov"]) * size * exposure
            one, two = _variances(data, there).T
            return Normal(data, a[0] ** 2 * one + a[1] ** 2 * two + 2 * a[0] * a[1] * both)

        return of

    return [
        View(label, z @ np.array(a, float) if all(a) else z[:, a.index(1)], along(a), traits)
        for label, a, traits in (
            (names[0], (1, 0), (0,)),
            (names[1], (0, 1), (1,)),
            (f"{names[0]} + {names[1]}", (1, 1), (0, 1)),
            (f"{names[0]} - {names[1]}", (1, -1), (0, 1)),
        )
    ]
