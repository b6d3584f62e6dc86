"""Effects as the mixture sees them: on the scale b / s^alpha, missing cells marked, rows whose
errors have one covariance put together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import InputError

Array = NDArray[np.float64]
Index = NDArray[np.intp]

EQUAL = 1e-10  # relative difference of standard errors that counts as none
TOGETHER = 24  # rows of one covariance for which its factorisations are worth while


class Part(NamedTuple):
    """Rows, and whether the covariance of their errors is one."""

    members: Index
    common: bool


@dataclass(frozen=True)
class Rows:
    """b, standard errors s and their factor to the data's units (effect, condition).

    Where a cell is not `seen`, b is 0 and s is 1. v is the correlation of errors: None, common, or
    one an effect.
    """

    b: Array
    s: Array
    seen: NDArray[np.bool_]
    unit: Array
    v: Array | None
    jacobian: Array

    def covariance(self, index: Index) -> Array:
        """Covariances of errors (row, R, R); of cells that are missing 1 on the diagonal."""
        s, seen = self.s[index], self.seen[index]
        r = s.shape[1]
        if self.v is None:
            return np.eye(r) * (s * s)[:, None, :]
        v = self.v if self.v.ndim == 2 else self.v[index]
        both = seen[:, :, None] & seen[:, None, :]
        return np.where(both, v * s[:, :, None] * s[:, None, :], np.eye(r))

    @cached_property
    def parts(self) -> list[Part]:
        """Rows of one covariance together where they are many, the others in one part."""
        every = np.arange(len(self.s))
        if not len(every):
            return []
        if self.v is not None and self.v.ndim == 3:
            return [Part(every, False)]
        key = np.rint(np.log(self.s / np.median(self.s, 0)) / EQUAL).astype(np.int64)
        key[~self.seen] = np.iinfo(np.int64).max
        if (key == key[0]).all():
            return [Part(every, True)]
        _, group, count = np.unique(key, axis=0, return_inverse=True, return_counts=True)
        group = group.ravel()
        many = np.flatnonzero(count >= TOGETHER)
        order = np.argsort(group, kind="stable")
        end = np.cumsum(count)
        parts = [Part(order[end[g] - count[g] : end[g]], True) for g in many]
        alone = np.flatnonzero(count[group] < TOGETHER)
        return [*parts, Part(alone, False)] if len(alone) else parts


def rows_of(effects: Any, name: str = "effects") -> Rows:
    """The rows of what `bayesmixer.read_effects` returned.

    Raises
    ------
    InputError
        It is another thing, or has no conditions.
    """
    if not isinstance(effects, xr.Dataset) or effects.attrs.get("kind") != "effects":
        raise InputError(name, "not effects", "Make them with bm.read_effects.")
    if {"effect", "condition"} - set(effects.dims):
        raise InputError(
            name, "one alone, without its dimension", "Pick it by a list: isel(x=[i])."
        )
    if not effects.sizes["condition"]:
        raise InputError(name, "no conditions")
    alpha = float(effects.attrs["alpha"])
    b, s = effects["bhat"].values, effects["shat"].values
    seen = ~np.isnan(b)
    v = None
    if "v" in effects:  # of the conditions that were picked, where some were
        v = effects["v"].sel(condition_bis=effects["condition"].values).values
        if v.ndim == 2 and (v == np.eye(len(v))).all():
            v = None
    unit = np.where(np.isnan(s), 1.0, s) ** alpha
    return Rows(
        b=np.where(seen, b, 0) / unit,
        s=np.where(seen, np.where(seen, s, 1) ** (1 - alpha), 1.0),
        seen=seen,
        unit=unit,
        v=v,
        jacobian=-np.sum(np.log(unit), 1, where=seen),
    )


def picked(rows: Rows, chosen: Index) -> Rows:
    """Some of the rows."""
    return Rows(
        b=rows.b[chosen],
        s=rows.s[chosen],
        seen=rows.seen[chosen],
        unit=rows.unit[chosen],
        v=rows.v[chosen] if rows.v is not None and rows.v.ndim == 3 else rows.v,
        jacobian=rows.jacobian[chosen],
    )


def in_condition(rows: Rows, condition: int, index: Index) -> Rows:
    """Some of the rows in one condition by itself."""
    column = slice(condition, condition + 1)
    variance = np.ones(len(index))
    if rows.v is not None:
        v = rows.v[..., condition, condition]
        variance = np.broadcast_to(v if v.ndim == 0 else v[index], variance.shape)
    return Rows(
        b=rows.b[index, column],
        s=rows.s[index, column] * np.sqrt(variance)[:, None],
        seen=rows.seen[index, column],
        unit=rows.unit[index, column],
        v=None,
        jacobian=rows.jacobian[index],
    )


def same_conditions(effects: xr.Dataset, names: Any, where: str) -> None:
    """Refuse what was learned in other conditions.

    Raises
    ------
    InputError
        Names or their order differ.
    """
    own, other = [*map(str, effects["condition"].values)], [*map(str, names)]
    if own != other:
        found = f"of the conditions {_some(other)}, expected those of the effects, {_some(own)}"
        raise InputError(where, found)


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f", ... ({len(names)})" if len(names) > 4 else "")
