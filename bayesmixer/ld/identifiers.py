"""Rows of two tables with an identifier in common; one field may hold several (rs1,rs2), or more
than an rs number (rs1:A:G).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray

NO_ID = ("", ".", "-", "NA", "NaN", "nan", "None", "none", "NULL", "null", "--", "---", "0")
_SEVERAL = r"[,;|&/]"  # between the names of one variant


def join_names(
    ours: NDArray[Any], theirs: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All pairs of rows with a name in common.

    Parameters
    ----------
    ours, theirs
        Identifiers, shapes (row,) and (other row,).

    Returns
    -------
    i, j
        Rows of `ours` and of `theirs`, shape (pair,).
    """
    our_row, our_name = _names(ours)
    their_row, their_name = _names(theirs)
    there, unique = pd.factorize(their_name)
    names = pd.Index(unique, dtype=object)
    here = names.get_indexer(pd.Index(our_name, dtype=object))
    none = names.get_indexer(pd.Index(NO_ID, dtype=object))
    there, here = (np.where(np.isin(code, none[none >= 0]), -1, code) for code in (there, here))
    i, j = join(here, there)
    i, j = our_row[i], their_row[j]
    if len(our_row) > len(ours) or len(their_row) > len(theirs):
        i, j = np.unique(np.stack([i, j]), axis=1)  # rows may have two names in common
    return i, j


def _names(field: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Rows and their names: the field as it stands, and each of "rs1,rs2" or "rs1;rs2", and rs1 of
    "rs1:A:G".
    """
    rows = np.arange(len(field))
    text = pl.Series("name", field.tolist(), dtype=pl.String)
    several = text.str.contains(rf"{_SEVERAL}|^rs\d+[:_]").fill_null(False).arg_true()
    if not len(several):
        return rows, field
    split = text.gather(several).str.replace_all(_SEVERAL, ",").str.split(",")
    parts = pl.DataFrame({"row": several.cast(pl.Int64), "name": split}).explode("name")
    parts = parts.with_columns(
        pl.col("name").str.strip_chars().str.replace(r"^(rs\d+)[:_].*$", "$1")
    )
    parts = parts.filter(pl.col("name").str.len_bytes() > 2)  # not the G of "1:1000:A:C,G"
    return np.concatenate([rows, parts["row"].to_numpy()]), np.concatenate(
        [field, parts["name"].to_numpy()]
    )


def join(here: NDArray[Any], there: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All pairs of rows with equal keys; -1 is no key."""
    order = np.argsort(there, kind="stable")
    keys = there[order]
    left, right = np.searchsorted(keys, here, "left"), np.searchsorted(keys, here, "right")
    count = np.where(here >= 0, right - left, 0)
    i = np.repeat(np.arange(len(here)), count)
    within = np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count)
    return i, order[np.repeat(left, count) + within]
