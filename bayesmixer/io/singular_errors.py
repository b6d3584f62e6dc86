"""Errors of which others determine some: correlations of less than full rank.

Where V_j is singular, a combination of an effect's estimates has no error, and no density over all
conditions exists. Where the estimates obey the same combinations as the errors, so do the effects:
all lies in the range of V_j, and as many conditions K as its rank carry everything,

    b_K ~ N(beta_K, V_KK),   b = A b_K,   beta = A beta_K,   A = V_.K V_KK^-1,

if A is one for all effects. This is what a mean or another sum that was subtracted, or a condition
that is there twice, leaves. Estimates that break what V says of them contradict V.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.io.contrasts import Contrasts, independent

Array = NDArray[np.float64]

NONE = 1e-6  # part of the largest variance that may be rounding of 0, where estimates agree
DEFINITE = 1e-10  # and that is none of an error whatever estimates say
ROUNDED = 1e-5  # relative error of tables
UNTOLD = 1e-3  # standard errors that an estimate may be off what others make it
DETERMINED = "Leave out conditions that others determine."


def least_eigenvalue(v: Array) -> Array:
    """The smallest eigenvalue over the largest variance, of each matrix (..., R, R)."""
    largest = np.einsum("...rr->...r", v).max(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        least: Array = np.linalg.eigvalsh(v)[..., 0] / largest
    return np.where(largest > 0, least, 0.0)


def refuse_singular(v: Array) -> None:
    """Refuse correlations that are not positive definite.

    Raises
    ------
    InputError
        One is not.
    """
    least = least_eigenvalue(v)
    if (least <= DEFINITE).any():
        _refuse(least)


def _refuse(least: Array) -> None:
    one = "" if least.ndim == 0 else f" at effect {int(np.argmin(least))}"
    found = f"smallest eigenvalue {least.min():.3g}{one}, expected a positive definite matrix"
    raise InputError("v", found, DETERMINED)


def carrying(
    b: Array, s: Array, v: Array, effect: Sequence[str], condition: Sequence[str]
) -> Contrasts | None:
    """The conditions that carry all, and what makes the others of them; None where all do.

    Parameters
    ----------
    b, s
        Estimates and standard errors (effect, condition); NaN where missing.
    v
        Correlation of their errors, (condition, condition) or by effect.
    effect, condition
        Names.

    Raises
    ------
    InputError
        A correlation has a negative eigenvalue, or estimates do not obey it.
    """
    least = least_eigenvalue(v)
    if (least > NONE).all():
        return None
    if (least < -NONE).any() or not (np.einsum("...rr->...r", v) > 0).all():
        _refuse(least)
    whole = np.flatnonzero(~np.isnan(s).any(1))
    at = int(whole[0]) if len(whole) else 0
    d, q = np.linalg.eigh(v if v.ndim == 2 else v[at])
    some = d > NONE * d[-1]
    found = independent(q[:, some] * np.sqrt(d[some]), condition, ROUNDED)
    kept = [condition.index(name) for name in found.names]
    rest = np.setdiff1d(np.arange(len(condition)), kept)
    a = found.every[rest] * s[at, rest][:, None] / s[at, kept]
    said = _contradiction(b, s, v, a, kept, rest, effect, condition)
    if said is not None:
        if (least > DEFINITE).all():
            return None  # all but singular, and the effects are not
        raise InputError("v", *said)
    every = np.eye(len(condition))[:, kept]
    every[rest] = a
    return Contrasts(np.eye(len(condition))[kept], found.names, every, list(condition))


def _contradiction(
    b: Array, s: Array, v: Array, a: Array, kept: list[int], rest: NDArray[np.intp],
    effect: Sequence[str], condition: Sequence[str],
) -> tuple[str, str] | None:  # fmt: skip
    """What contradicts that all is A times what is kept, and what to do."""
    if np.isnan(a).any():
        return "singular, and no effect is there in all conditions", DETERMINED

    def first(bad: NDArray[np.bool_]) -> str:
        i, d = np.argwhere(bad)[0]
        return f"{condition[rest[d]]} (first: {effect[i]}, of {int(bad.any(1).sum()):,})"

    # in units of standard errors; what is missing agrees
    own = a * s[:, None, kept] / s[:, rest, None]
    own[np.broadcast_to(a == 0, own.shape)] = 0
    among = v[..., kept, :][..., kept]
    between = v[..., rest, :][..., kept]
    rounded = ROUNDED * np.einsum("...rr->...r", v).max(-1)
    off = np.abs(own @ among - between).max(2) > 10 * np.reshape(rounded, (-1, 1))
    if off.any():
        found = f"singular: others determine {first(off)}, by other factors than in other effects"
        return found, DETERMINED
    values = np.where(np.isnan(b), 0, b)
    near = UNTOLD * s[:, rest] + ROUNDED * (np.abs(values[:, kept]) @ np.abs(a).T)
    unknown = np.isnan(b[:, kept]).astype(float) @ (a != 0).T > 0
    lost = unknown & ~np.isnan(b[:, rest])
    if lost.any():
        found = f"singular: others determine {first(lost)}, which are missing where it is not"
        return found, "Leave it out, or fill them in."
    off = np.abs(values[:, rest] - values[:, kept] @ a.T) > near
    off &= ~np.isnan(b[:, rest])
    if off.any():
        found = f"singular: others determine {first(off)} without error, and its effect is another"
        return found, "Shrink v: 0.99 v with 0.01 more on its diagonal."
    return None
