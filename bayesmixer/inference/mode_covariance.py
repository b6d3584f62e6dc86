"""The calibrated covariance of a mode, and the standard errors it gives: H^-1 J H^-1 by the spread
of scores over LD blocks, or one-step jackknife, instead of the composite likelihood's H^-1.

A likelihood that multiplies variants in LD, whatever their weights, states a width that nothing
guarantees (Varin, Reid and Firth 2011). Docs: intervals.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from bayesmixer.bound import Bound
from bayesmixer.card import UNIT, unit_in_words
from bayesmixer.inference.ascent import ascend_folded
from bayesmixer.inference.concerns import concerns as concerns_of
from bayesmixer.inference.density import Array, LogDensity
from bayesmixer.inference.find_map import covariance_of, find_modes
from bayesmixer.inference.information import (
    LINEAR,
    Information,
    information,
    jackknife_covariance,
    sandwich_covariance,
    share_left,
    within_prior,
)
from bayesmixer.models.common import bound_of
from bayesmixer.models.own import apart
from bayesmixer.wings import Evidence

COVARIANCES = {"jackknife": jackknife_covariance, "sandwich": sandwich_covariance}
REFITS = 5  # fits without one LD block, at most
REFITTED = 1e-12  # log-likelihood units that such a fit leaves,
ALMOST = 1e-3  # and may leave at most: a thirtieth of a standard deviation


@dataclass(frozen=True)
class Calibration:
    """Covariances of the mode, (P, P): `raw` H^-1 and `covariance` the calibrated one; what they
    were made from; what to beware of.
    """

    information: Information
    raw: Array
    covariance: Array
    concerns: list[str]

    @property
    def ratio(self) -> Array:
        """(P,) calibrated over raw standard deviation."""
        return np.asarray(np.sqrt(np.diag(self.covariance) / np.diag(self.raw)))


def covariance_of_mode(
    density: LogDensity,
    mode: Array,
    raw: Array,
    at_bound: list[str],
    covariance: str = "jackknife",
    group: int = 1,
    known: Information | None = None,
) -> Calibration | str:
    """The calibrated covariance of the mode, or why there is none: no LD blocks, too few of them,
    or H is not positive.

    Parameters
    ----------
    density, mode, raw
        Log posterior, its mode (P,) and H^-1 (P, P) as the search left it.
    at_bound
        Parameters at the edge of the search box: they keep their raw variance and are left out of
        the sandwich.
    covariance
        "jackknife" or "sandwich".
    group
        Neighbouring LD blocks joined.
    known
        Information at the mode, where the search has it.
    """
    if not density.block_names:
        return f"the model has {density.no_units}"
    if why := apart(density.model):
        return why
    info = known or information(density, mode, np.sqrt(np.diag(raw)))
    info = info.grouped(group) if group > 1 else info
    bound = bound_of(density.model)
    found = from_information(info, raw, density.names, at_bound, covariance, bound)
    whole = group == 1 and covariance == "jackknife" and not at_bound
    if isinstance(found, str) or bound is None or not whole:
        return found
    refits = refitted(bound, found.information, mode)
    if not refits:
        return found
    info = replace(info, refits=refits)
    return from_information(info, raw, density.names, at_bound, covariance, bound)


def refitted(bound: Bound, info: Information, mode: Array) -> dict[int, Array]:
    """Moves of the mode (`Information.refits`) when the blocks are left out that hold so much of H
    that a Newton step does not tell; the five heaviest.

    Where H has no mode there without the block, the search begins anew as that of the fit does.
    """
    if not info.by_unit:
        return {}
    left, move = share_left(info), info.influence.move
    far = np.flatnonzero(left <= LINEAR)
    weight = np.abs(move[far] / move.std(0)).max(1)
    moves = {}
    for row in far[np.argsort(-weight)[:REFITS]].tolist():
        model = bound.build(bound.counted(info.blocks[row], 0.0))
        rest, anew = LogDensity(model), bound_of(model)
        function, folds = rest.value_and_gradient, rest.folds
        inverse = covariance_of(info.hessian - info.curvature[row], 1.0)
        found = ascend_folded(function, mode, rest.box, folds, inverse, REFITTED)
        if left[row] > 0 and found.left < ALMOST:
            moves[row] = found.x - mode
            continue
        starts = [] if anew is None else anew.starts()
        moves[row] = find_modes(rest, [mode, *map(rest.flatten, starts)], rest.box).best.x - mode
    return moves


def from_information(
    info: Information,
    raw: Array,
    names: list[str],
    at_bound: list[str],
    covariance: str = "jackknife",
    bound: Bound | None = None,
) -> Calibration | str:
    """As `covariance_of_mode`, from scores and curvature by unit that are at hand; `names` (P,) of
    the parameters, `bound` to name units.
    """
    free = np.array([name not in at_bound for name in names])
    if len(info.blocks) < 2 * len(names) + 2:
        unit = unit_in_words(UNIT if bound is None else bound.card.unit)
        return f"{len(info.blocks)} {unit}s hold data, fewer than {2 * len(names) + 2}"
    if not free.any():
        return "every parameter lies at the edge of the search box"
    part = info if free.all() else info.of(free)
    eigenvalues = np.linalg.eigvalsh(part.hessian)
    if not (np.isfinite(eigenvalues).all() and eigenvalues[0] > 0):
        return "the log posterior has no curvature at the mode"
    straight = raw.copy()
    straight[np.ix_(free, ~free)], straight[np.ix_(~free, free)] = 0.0, 0.0
    out = straight.copy()
    straight[np.ix_(free, free)] = np.linalg.inv(part.hessian)
    factor = (
        small_sample_factor(part) if covariance == "jackknife" else np.ones(part.scores.shape[1])
    )
    out[np.ix_(free, free)] = within_prior(
        COVARIANCES[covariance](part) * np.outer(factor, factor), part.prior
    )
    return Calibration(
        info,
        straight,
        out,
        concerns_of(
            part, [name for name, f in zip(names, free, strict=True) if f], at_bound, bound
        ),
    )


def small_sample_factor(info: Information) -> Array:
    """(P,) t quantile over normal quantile at 95%, with the effective number of units as
    degrees of freedom.

    A variance summed over few units that matter is itself uncertain. Satterthwaite's rule for sums
    of unequal squares would give twice the effective number; half of it is taken since an estimate
    that misses rare large effects misses their part of the variance too.
    """
    from scipy.special import ndtri, stdtrit

    return np.asarray(stdtrit(np.maximum(info.influence.effective, 2.0), 0.95) / ndtri(0.95))


def affine(draws: Array, mode: Array, raw: Array, covariance: Array) -> Array:
    """Draws (..., P) moved about the mode by A = root(covariance) root(raw)^-1, Cholesky roots:
    covariance `raw` becomes `covariance`.
    """
    matrix = np.linalg.cholesky(covariance) @ np.linalg.inv(np.linalg.cholesky(raw))
    return np.asarray(mode + (draws - mode) @ matrix.T)


def standard_errors(density: LogDensity, mode: Array, covariance: Array) -> xr.Dataset:
    """Standard errors of the reported variables at the mode, by the delta method from a covariance
    of the parameters.
    """
    step = 1e-4 * np.sqrt(np.diag(covariance))
    points = np.concatenate([mode + np.diag(step), mode - np.diag(step)])[None]
    moved = density.posterior(points)
    out = {}
    for name, v in moved.data_vars.items():
        values = v.values[0]
        slope = (values[: mode.size] - values[mode.size :]) / (
            2 * step.reshape((-1, *[1] * (values.ndim - 1)))
        )
        out[f"{name}_se"] = (
            v.dims[2:],
            np.sqrt(np.einsum("p...,pq,q...->...", slope, covariance, slope)),
        )
    return xr.Dataset(
        out, coords={k: c for k, c in moved.coords.items() if k not in ("chain", "draw")}
    )


def with_errors(
    estimate: xr.Dataset,
    density: LogDensity,
    mode: Array,
    found: Calibration,
    evidence: Evidence | None = None,
) -> xr.Dataset:
    """The estimate with calibrated standard errors of what it reports, and the calibrated
    covariance of the parameters.
    """
    errors = standard_errors(density, mode, found.covariance)
    if evidence is not None:
        known = {name: value for name, value in evidence.errors.items() if name in errors}
        errors = errors.assign({name: xr.DataArray(value) for name, value in known.items()})
    return estimate.merge(errors, compat="override").assign(
        covariance_calibrated=(("parameter", "parameter_bis"), found.covariance)
    )


def evidence_of(bound: Bound | None) -> Evidence | None:
    """What the wing of a model says of the signal in its data; None where it says nothing."""
    find = None if bound is None else bound.card.ask("evidence")
    found: Evidence | None = None if find is None else find(bound)
    return found
