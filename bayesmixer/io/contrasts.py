"""Contrasts of conditions: effects L b with errors of covariance L V_j L', against a common
baseline, against the mean, or by any matrix (Urbut 2017, chapter 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.io.effect_tables import is_path, numbers, read_table

Array = NDArray[np.float64]
ALIKE = 1e-12  # relative difference of correlations that counts as none
OF_NOTHING = 1e-10  # part of a row of a matrix that is rounding
NO_ERROR = 1e-7  # standard error of a contrast over the sum of those it is made of: rounding


@dataclass(frozen=True)
class Contrasts:
    """Rows of L that do not depend on each other, and what makes all rows of them.

    `of_conditions` is (contrast, condition), `every` (reported, contrast).
    """

    of_conditions: Array
    names: list[str]
    every: Array
    every_name: list[str]

    def after(self, first: Contrasts) -> Contrasts:
        """These of those contrasts, in terms of the conditions of the first."""
        of_conditions = self.of_conditions @ first.of_conditions
        return Contrasts(of_conditions, self.names, first.every @ self.every, first.every_name)


def against(baseline: Any, conditions: Sequence[str]) -> Contrasts:
    """Every condition less one of them, or less the mean of all.

    Raises
    ------
    InputError
        There is no such condition, or only one.
    """
    names, r = list(conditions), len(conditions)
    if r < 2:
        raise InputError("baseline", "one condition has no baseline", "Leave baseline out.")
    if baseline == "mean" and "mean" not in names:
        return independent(np.eye(r) - 1 / r, [f"{name}-mean" for name in names])
    if isinstance(baseline, str) and baseline in names:
        at = names.index(baseline)
    elif (isinstance(baseline, str) and baseline.isdecimal() and int(baseline) < r) or (
        isinstance(baseline, (int, np.integer)) and baseline is not True and 0 <= baseline < r
    ):
        at = int(baseline)
    else:
        found = f"{baseline!r}, expected a condition's name, its position from 0, or 'mean'"
        raise InputError("baseline", found)
    rest = [i for i in range(r) if i != at]
    matrix = np.eye(r)[rest]
    matrix[:, at] = -1
    return independent(matrix, [f"{names[i]}-{names[at]}" for i in rest])


def given(contrasts: Any, conditions: Sequence[str]) -> Contrasts:
    """Contrasts by a matrix (contrast x condition), or a table with the conditions as columns.

    Raises
    ------
    InputError
        It is of another shape, or a row is zero or not finite.
    """
    matrix, names = matrix_of(contrasts, conditions)
    return independent(matrix, names)


def matrix_of(contrasts: Any, conditions: Sequence[str]) -> tuple[Array, list[str]]:
    """The matrix of some contrasts and their names.

    Raises
    ------
    InputError
        As `given`.
    """
    names = None
    if is_path(contrasts) or isinstance(contrasts, xr.DataArray):
        table = read_table(contrasts, "contrasts")
        rows = None if table.effects is None else [*table.effects]
        if table.conditions is None:
            contrasts, names = table.values, rows
        else:
            import pandas as pd

            contrasts = pd.DataFrame(table.values, index=rows, columns=[*table.conditions])
    if hasattr(contrasts, "columns"):
        contrasts = contrasts.rename(columns=str)
        lacking = [name for name in contrasts.columns if name not in conditions]
        if lacking:
            raise InputError("contrasts", f"column {lacking[0]!r} is no condition")
        contrasts = contrasts.reindex(columns=list(conditions), fill_value=0.0)
        names = [str(name) for name in contrasts.index]
    matrix = np.atleast_2d(numbers(contrasts, "contrasts"))
    if matrix.ndim != 2 or matrix.shape[1] != len(conditions) or not len(matrix):
        found = f"of shape {matrix.shape}, expected (contrast, {len(conditions)} conditions)"
        raise InputError("contrasts", found)
    if not np.isfinite(matrix).all():
        raise InputError("contrasts", "holds entries that are not finite")
    if not matrix.any(1).all():
        raise InputError("contrasts", f"row {int(np.argmin(matrix.any(1)))} is all zeros")
    names = names or [f"contrast_{i + 1}" for i in range(len(matrix))]
    if len(set(names)) < len(names):
        raise InputError("contrasts", "two have one name")
    return matrix, names


def independent(matrix: Array, names: Sequence[str], nothing: float = OF_NOTHING) -> Contrasts:
    """The first rows that do not depend on earlier ones, but for a part of `nothing`; the others
    are made of them.
    """
    kept: list[int] = []
    basis = np.zeros((0, matrix.shape[1]))
    for i, row in enumerate(matrix):
        rest = row - basis.T @ (basis @ row)
        rest -= basis.T @ (basis @ rest)
        if np.linalg.norm(rest) > nothing * np.linalg.norm(row):
            kept.append(i)
            basis = np.vstack([basis, rest / np.linalg.norm(rest)])
    chosen = matrix[kept]
    every = matrix @ np.linalg.pinv(chosen)
    every[kept] = np.eye(len(kept))
    every[np.abs(every) < nothing * np.abs(every).max()] = 0
    return Contrasts(chosen, [names[i] for i in kept], every, list(names))


def apply(
    matrix: Array, bhat: Array, shat: Array, v: Array | None
) -> tuple[Array, Array, Array | None]:
    """Contrasts of effects, their standard errors and the correlation of their errors.

    A contrast of which a part is missing (NaN) is missing.

    Parameters
    ----------
    matrix
        (contrast, condition).
    bhat, shat
        (effect, condition); NaN where missing.
    v
        Correlation of errors, common or by effect; None is independence.

    Returns
    -------
    bhat, shat
        (effect, contrast).
    v
        (contrast, contrast) where all rows agree, otherwise (effect, contrast, contrast).
    """
    missing = np.isnan(bhat) | np.isnan(shat)
    lacking = missing.astype(float) @ (matrix != 0).T.astype(float) > 0
    b = np.where(missing, 0, bhat) @ matrix.T
    s = np.where(missing, 1, shat)
    rows = matrix[None] * s[:, None, :]  # L diag(s_j)
    covariance = rows @ (np.eye(len(matrix.T)) if v is None else v) @ rows.transpose(0, 2, 1)
    se = np.sqrt(np.clip(np.einsum("jqq->jq", covariance), 0, None))
    se[se < NO_ERROR * np.abs(rows).sum(2)] = 0  # of conditions of one error
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = covariance / (se[:, :, None] * se[:, None, :])
    b[lacking] = np.nan
    se = np.where(lacking, np.nan, se)
    whole = correlation[~lacking.any(1)]
    if len(whole) and np.abs(whole - whole[0]).max() < ALIKE:
        return b, se, whole[0]
    return b, se, correlation
