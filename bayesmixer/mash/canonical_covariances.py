"""Covariances that say what is shared and ask no data: mash's canonical ones, and those that make
of mash the meta-analyses of Han and Eskin (2011, 2012) and the lite Bayesian one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmixer.errors import InputError

Array = NDArray[np.float64]
HETEROGENEITY = (0.25, 0.5, 0.75)
NOTHING = 1e-9  # rounding
MOST_SETS = 10  # conditions of which all sets are taken


def canonical(conditions: Sequence[str]) -> dict[str, Array]:
    """Identity, single conditions, all equal, and between; of one condition they are all the same,
    so that one is left.
    """
    r = len(conditions)
    eye, ones = np.eye(r), np.ones((r, r))
    found = {"identity": eye}
    if r == 1:
        return found
    found |= _single(conditions)
    found["equal"] = ones
    return found | {f"correlated_{h:g}": h * ones + (1 - h) * eye for h in HETEROGENEITY}


def bmalite(conditions: Sequence[str]) -> dict[str, Array]:
    """Single conditions, and all equal mixed with the identity."""
    return _single(conditions) | random(conditions)


def fixed(conditions: Sequence[str]) -> dict[str, Array]:
    """Fixed effects: the same in all conditions."""
    return {"equal": np.ones((len(conditions), len(conditions)))}


def random(conditions: Sequence[str]) -> dict[str, Array]:
    """Random effects: equal but for a part h of the variance that is each condition's own."""
    r = len(conditions)
    eye, ones = np.eye(r), np.ones((r, r))
    between = {f"correlated_{1 - h:g}": (1 - h) * ones + h * eye for h in (0.25, 0.5)}
    return fixed(conditions) | between | {"identity": eye}


def binary(conditions: Sequence[str]) -> dict[str, Array]:
    """Binary effects: the same in every condition of a set and nowhere else, for all sets.

    Raises
    ------
    InputError
        There are too many sets.
    """
    r = len(conditions)
    if r > MOST_SETS:
        found = f"{2**r - 1:,} sets of {r} conditions, expected at most {MOST_SETS} conditions"
        raise InputError("kinds", found, "Name the sets that matter with sets=.")
    every = chain.from_iterable(combinations(range(r), n) for n in range(1, r + 1))
    return {_named([conditions[i] for i in some]): _equal(r, some) for some in every}


def of_sets(sets: Any, conditions: Sequence[str]) -> dict[str, Array]:
    """Equal and independent effects within each of some named sets of conditions.

    Raises
    ------
    InputError
        They are no dict of conditions.
    """
    if not isinstance(sets, Mapping):
        raise InputError("sets", "expected a dict {name: conditions}")
    place = {name: i for i, name in enumerate(conditions)}
    found: dict[str, Array] = {}
    for name, members in sets.items():
        named = [members] if isinstance(members, str) else [str(one) for one in members]
        lacking = [one for one in named if one not in place]
        if lacking or not named:
            said = f"no condition is named {lacking[0]!r}" if lacking else "has no condition"
            raise InputError(f"set {name!r}", said)
        equal = _equal(len(conditions), [place[one] for one in named])
        found[f"equal_in_{name}"] = equal
        if len(named) > 1:
            found[f"identity_in_{name}"] = np.diag(np.diag(equal))
    return found


def carried(
    contrasts: Array, conditions: Sequence[str], known: Iterable[Array]
) -> dict[str, Array]:
    """Canonical covariances of conditions as contrasts (contrast, condition) of them show these,
    L U L', without those that are 0 or, but for a factor, known.

    In differences from one condition all are canonical again. In deviations from the mean none is:
    an effect in one condition moves all deviations.
    """
    shapes = [_shape(one) for one in known]
    found = {}
    for name, u in canonical(conditions).items():
        seen = contrasts @ u @ contrasts.T
        if np.abs(seen).max() < NOTHING * np.square(contrasts).sum(1).max():
            continue
        shape = _shape(seen)
        if not any(np.allclose(shape, one, rtol=0, atol=NOTHING) for one in shapes):
            shapes.append(shape)
            found[f"carried_{name}"] = seen
    return found


LISTS = {
    "canonical": canonical, "bmalite": bmalite, "fixed": fixed, "random": random, "binary": binary,
}  # fmt: skip


def _shape(u: Array) -> Array:
    shape: Array = u / np.abs(u).max()
    return shape


def _single(conditions: Sequence[str]) -> dict[str, Array]:
    eye = np.eye(len(conditions))
    return {f"only_{name}": np.outer(e, e) for name, e in zip(conditions, eye, strict=True)}


def _named(conditions: Sequence[str]) -> str:
    return f"only_{conditions[0]}" if len(conditions) == 1 else "equal_in_" + "+".join(conditions)


def _equal(r: int, members: Iterable[int]) -> Array:
    e = np.zeros(r)
    e[list(members)] = 1
    return np.outer(e, e)
