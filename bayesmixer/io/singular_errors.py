"""Errors of which others determine some: correlations of less than full rank.

Where V_j is singular, a combination of an effect's estimates has no error, and no density over all
conditions exists. Where the estimates obey the same combinations as the errors, so do the effects:
all lies in the range of V_j, and as many conditions K as its rank carry everything,

    b_K ~ N(beta_K, V_KK),   b = A b_K,   beta = A beta_K,   A = V_.K V_KK^-1,

if A is one for all effects. This is what a mean or another sum that was subtracted, or a condition
that is there twice, leaves. Estimates that break what V says of them contradict V.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

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
SAID = {
    ", by other factors than in other effects": DETERMINED,
    ", which are missing where it is not": "Leave it out, or fill them in.",
    " without error, and its effect is another": (
        "Shrink v: 0.99 v with 0.01 more on its diagonal."
    ),
}
"""How effects can contradict that others determine some of them, worst first, and what to do."""
Blocks = Callable[[], Iterable[tuple[Array, Array, Sequence[str]]]]


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


def carrying(blocks: Blocks, v: Array, condition: Sequence[str]) -> Contrasts | None:
    """The conditions that carry all, and what makes the others of them; None where all do.

    Parameters
    ----------
    blocks
        Called, gives estimates and standard errors (effect, condition), NaN where missing, and the
        effects' names, block by block.
    v
        Correlation of their errors, (condition, condition), or by effect, where there is one block.
    condition
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
    at, errors = _whole(blocks, len(condition))
    d, q = np.linalg.eigh(v if v.ndim == 2 else v[at])
    some = d > NONE * d[-1]
    found = independent(q[:, some] * np.sqrt(d[some]), condition, ROUNDED)
    kept = [condition.index(name) for name in found.names]
    rest = np.setdiff1d(np.arange(len(condition)), kept)
    a = found.every[rest] * errors[rest][:, None] / errors[kept]
    said = _contradiction(blocks, v, a, kept, rest, condition)
    if said is not None:
        if (least > DEFINITE).all():
            return None  # all but singular, and the effects are not
        raise InputError("v", *said)
    every = np.eye(len(condition))[:, kept]
    every[rest] = a
    return Contrasts(np.eye(len(condition))[kept], found.names, every, list(condition))


def _whole(blocks: Blocks, conditions: int) -> tuple[int, Array]:
    """An effect that is there in all conditions, in its block, and its standard errors; NaN where
    there is none.
    """
    for _, s, _ in blocks():
        whole = np.flatnonzero(~np.isnan(s).any(1))
        if len(whole):
            return int(whole[0]), s[whole[0]]
    return 0, np.full(conditions, np.nan)


def _contradiction(
    blocks: Blocks, v: Array, a: Array, kept: list[int], rest: NDArray[np.intp],
    condition: Sequence[str],
) -> tuple[str, str] | None:  # fmt: skip
    """What contradicts that all is A times what is kept, and what to do."""
    if np.isnan(a).any():
        return "singular, and no effect is there in all conditions", DETERMINED
    first: dict[str, str] = {}
    count = dict.fromkeys(SAID, 0)
    for b, s, effect in blocks():
        for kind, bad in zip(SAID, _off(b, s, v, a, kept, rest), strict=True):
            if bad.any() and kind not in first:
                i, d = np.argwhere(bad)[0]
                first[kind] = f"{condition[rest[d]]} (first: {effect[i]}, of"
            count[kind] += int(bad.any(1).sum())
    for kind, remedy in SAID.items():
        if kind in first:
            return f"singular: others determine {first[kind]} {count[kind]:,}){kind}", remedy
    return None


def _off(
    b: Array, s: Array, v: Array, a: Array, kept: list[int], rest: NDArray[np.intp]
) -> tuple[NDArray[np.bool_], ...]:
    """Where effects (effect, rest) contradict, by what `SAID` says of it."""
    # in units of standard errors; what is missing agrees
    own = a * s[:, None, kept] / s[:, rest, None]
    own[np.broadcast_to(a == 0, own.shape)] = 0
    among = v[..., kept, :][..., kept]
    between = v[..., rest, :][..., kept]
    rounded = ROUNDED * np.einsum("...rr->...r", v).max(-1)
    factors = np.abs(own @ among - between).max(2) > 10 * np.reshape(rounded, (-1, 1))
    values = np.where(np.isnan(b), 0, b)
    near = UNTOLD * s[:, rest] + ROUNDED * (np.abs(values[:, kept]) @ np.abs(a).T)
    unknown = np.isnan(b[:, kept]).astype(float) @ (a != 0).T > 0
    lost = unknown & ~np.isnan(b[:, rest])
    far = np.abs(values[:, rest] - values[:, kept] @ a.T) > near
    return factors, lost, far & ~np.isnan(b[:, rest])
