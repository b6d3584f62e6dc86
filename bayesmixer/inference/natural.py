"""Calibration of a bounded parameter on its natural scale: near an end its unconstrained coordinate
runs away and has no curvature, where a smooth function of the parameters that ends there has one.

With c = (the others, natural(x)) and J = dc/dx, scores become s J^-1 and negative Hessians J^-T (H
+ s_n D^2 n) J^-1, s_n the score in the natural coordinate n. The parameter's own prior becomes that
of its uniform excess, of variance 1/12.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bayesmixer.bound import Bound
from bayesmixer.card import Ends
from bayesmixer.inference.density import Array
from bayesmixer.inference.information import Information
from bayesmixer.inference.mode_covariance import Calibration, from_information
from bayesmixer.jackknife import spread

UNIFORM = 12.0  # precision of a uniform law on (0, 1)
_FIRST, _SECOND = 1e-5, 1e-3  # differences for gradients, and for second derivatives

Function = Callable[[Mapping[str, Any]], Any]


def gradient_of(function: Function, names: list[str], x: Array) -> Array:
    """Gradient (P,) of a function of the named parameters."""
    up, down = (_at(function, names, x + h * np.eye(x.size)) for h in (_FIRST, -_FIRST))
    return np.asarray((up - down) / (2 * _FIRST))


def calibrated(
    ends: Ends,
    names: list[str],
    mode: Array,
    found: Calibration,
    at_bound: list[str],
    covariance: str = "jackknife",
    bound: Bound | None = None,
) -> tuple[Calibration, float | None]:
    """A calibration made anew on the natural scale, and the share of the likelihood's information
    on the excess that is real: its variance as stated over the calibrated one.

    Parameters
    ----------
    ends
        The parameter and its natural scale.
    names, mode
        Of the P parameters, and where `found` is of.
    found
        The calibration on the unconstrained scale.
    at_bound, covariance, bound
        As of `covariance_of_mode`.

    Returns
    -------
    tuple
        Covariances in the unconstrained coordinates, by the delta method, and the share: None
        where the mode leans against an end, the score there beyond its standard deviation, since
        curvature then tells nothing of the variance; `found` and None where the likelihood has no
        curvature on the natural scale.
    """
    info, at = found.information, names.index(ends.parameter)
    jacobian = np.eye(mode.size)
    jacobian[at] = gradient_of(ends.natural, names, mode)
    if not (info.by_unit and jacobian[at, at] > 0):
        return found, None
    inverse = np.linalg.inv(jacobian)
    scores = info.scores @ inverse
    bend = _second(ends.natural, names, mode)
    curvature = inverse.T @ (info.curvature + scores[:, at, None, None] * bend) @ inverse
    of_excess = gradient_of(ends.excess, names, mode) @ inverse
    prior = info.prior.copy()
    prior[at], prior[:, at] = 0.0, 0.0
    prior[at, at] = UNIFORM * of_excess[at] ** 2
    moved = Information(
        scores,
        curvature,
        prior,
        info.blocks,
        {row: jacobian @ move for row, move in info.refits.items()},
    )
    there = from_information(
        moved, jacobian @ found.raw @ jacobian.T, names, at_bound, covariance, bound
    )
    if isinstance(there, str):
        return found, None
    leans = scores[:, at].sum() ** 2 > spread(scores[:, [at]])[0, 0]
    share = (of_excess @ there.raw @ of_excess) / (of_excess @ there.covariance @ of_excess)
    back = [inverse @ m @ inverse.T for m in (there.raw, there.covariance)]
    return replace(there, information=info, raw=back[0], covariance=back[1]), (
        None if leans else float(share)
    )


def _at(function: Function, names: list[str], points: Array) -> Array:
    """A function of the named parameters at points (..., P)."""
    columns = np.moveaxis(points, -1, 0)
    return np.asarray(function(dict(zip(names, columns, strict=True))), float)


def _second(function: Function, names: list[str], x: Array) -> Array:
    """Second derivatives (P, P) of a function of the named parameters."""
    h = _SECOND * np.eye(x.size)
    corners = [
        _at(function, names, x + a * h[:, None] + b * h[None, :])
        for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))
    ]
    return np.asarray((corners[0] - corners[1] - corners[2] + corners[3]) / (4 * _SECOND**2))
