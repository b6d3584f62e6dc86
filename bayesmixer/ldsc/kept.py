"""Regressions as arrays and back, to keep those that are finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from bayesmixer.jackknife import Estimate
from bayesmixer.ldsc.heritability import PerAnnotation
from bayesmixer.ldsc.regression import Array, Fit

BY_BLOCK = ("mean_without",)
Arrays = dict[str, NDArray[np.generic]]


def packed(name: str, found: PerAnnotation) -> Arrays:
    """Arrays under names that begin with `name`."""
    fit = found.fit
    beyond = np.nan if fit.beyond_cut is None else fit.beyond_cut
    own = [getattr(found, one) for one in _own(type(found))]
    blocks = {f"{name}-{one}": getattr(found, one) for one in _by_block(type(found))}
    return blocks | {
        f"{name}-value": fit.joint.value,
        f"{name}-without": fit.joint.without,
        f"{name}-edges": fit.edges,
        f"{name}-numbers": np.array(
            [fit.at, fit.intercept is not None, beyond, found.mean_n, *own], float
        ),
    }


def unpacked[T: PerAnnotation](
    name: str, arrays: Mapping[str, NDArray[np.generic]], kind: type[T], m: Array
) -> T:
    """What was packed, on (A,) numbers of variants `m`."""
    value, without, edges, numbers = (
        arrays[f"{name}-{part}"] for part in ("value", "without", "edges", "numbers")
    )
    at, free, beyond, mean_n, *own = (float(v) for v in numbers)
    joint, a = Estimate(np.asarray(value, float), np.asarray(without, float)), len(m)
    intercept = Estimate(joint.value[a:], joint.without[:, a:]) if free else None
    slope = Estimate(joint.value[:a], joint.without[:, :a])
    cut = None if np.isnan(beyond) else int(beyond)
    fit = Fit(slope, intercept, at, np.asarray(edges, np.intp), joint, cut)
    rest = {
        one: int(v) if one == "n_variants" else v for one, v in zip(_own(kind), own, strict=True)
    }
    blocks = {one: arrays[f"{name}-{one}"] for one in _by_block(kind)}
    return kind(fit, mean_n, m, **rest, **blocks)


def _own(kind: type[PerAnnotation]) -> list[str]:
    """Numbers that a kind of regression has beside the fit."""
    known = ("fit", "mean_n", "m", *BY_BLOCK)
    return [one.name for one in fields(kind) if one.name not in known]


def _by_block(kind: type[PerAnnotation]) -> list[str]:
    """What it has by block beside the fit."""
    return [one.name for one in fields(kind) if one.name in BY_BLOCK]
