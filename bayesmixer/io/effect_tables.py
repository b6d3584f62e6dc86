"""Tables of effects by condition, from arrays, frames or files: numbers with the names of rows and
columns, where they have them.
"""

from __future__ import annotations

import errno
import gzip
import os
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmixer.errors import InputError, reason

Array = NDArray[np.float64]
BHAT = ("bhat", "betahat", "beta", "b", "effect_size", "estimate", "log2foldchange", "logfc")
SHAT = ("shat", "sebetahat", "se", "stderr", "std_err", "standard_error", "std.error", "lfcse")
NAMELESS = ("", "Unnamed: 0")  # how pandas calls a column without a name
TEXT = (".tsv", ".txt", ".csv", ".tsv.gz", ".txt.gz", ".csv.gz")


@dataclass(frozen=True)
class Table:
    """Numbers (effect x condition) and their names, None where nothing names them."""

    values: Array
    effects: Sequence[str] | None = None
    conditions: Sequence[str] | None = None


def is_path(given: Any) -> bool:
    """Whether it names a file."""
    return isinstance(given, (str, Path))


def read_table(given: Any, where: str) -> Table:
    """A table from whatever holds one.

    Parameters
    ----------
    given
        Array of one or two dimensions; pandas, polars or xarray table; path of a file with a
        header, of tabs, commas or parquet, or of an .npy array (.txt: of tabs or blanks). A first
        column of text, or without a name (an index that is no count), has the names of the effects.
    where
        What to call it in errors.

    Raises
    ------
    InputError
        It cannot be read, or holds what is no number.
    """
    if is_path(given):
        if str(given).endswith(".npy"):
            return Table(_plane(read_array(Path(given)), str(given)))
        return _framed(_read(Path(given)), str(given))
    if hasattr(given, "to_pandas") and not hasattr(given, "iloc") and hasattr(given, "columns"):
        return _framed(given.to_pandas(), where)  # polars
    if hasattr(given, "dims") and hasattr(given, "coords"):  # xarray
        if getattr(given, "ndim", 0) not in (1, 2):  # a Dataset has none
            raise InputError(where, f"{len(given.dims)} dimensions, expected effect and condition")
        if tuple(given.dims) == ("condition", "effect"):
            given = given.transpose()
        names = [
            [*given[dim].values.astype(str)] if dim in given.coords else None for dim in given.dims
        ]
        values = numbers(given.values, where)
        if values.ndim == 1:
            return Table(values[:, None], names[0])
        return Table(values, names[0], names[1])
    if hasattr(given, "iloc"):
        return _framed(given.to_frame() if given.ndim == 1 else given, where)
    return Table(_plane(numbers(given, where), where))


def _plane(values: Array, where: str) -> Array:
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2:
        raise InputError(where, f"{values.ndim} dimensions, expected effect x condition")
    return values


NAME_THEM = "Name it: --bhat, --shat."


def read_columns(
    path: Path, bhat: str = "", shat: str = "", remedy: str = NAME_THEM
) -> tuple[Any, Any]:
    """Effects and standard errors in one condition, two columns of one table, as frames.

    Parameters
    ----------
    path
        The table; a first column of text names the effects.
    bhat, shat
        The columns; "" for one of the usual names, in any case (`BHAT`, `SHAT`).
    remedy
        What to do where there are none, or several.

    Raises
    ------
    InputError
        There is no such column, or none or several of the usual names.
    """
    frame = _read(path)
    found = [
        _column(frame, path, *one, remedy)
        for one in ((bhat, BHAT, "effects"), (shat, SHAT, "errors"))
    ]
    frame = _named(frame)
    return frame[found[:1]], frame[found[1:]]


def _column(
    frame: Any, path: Path, asked: str, usual: Sequence[str], what: str, remedy: str
) -> str:
    names = [str(name) for name in frame.columns]
    if asked:
        if asked not in names:
            raise InputError(path, f"no column {asked!r} (columns: {', '.join(names)})")
        return asked
    there = [name for name in names if name.lower() in usual]
    if len(there) != 1:
        found = f"{', '.join(there)}, more than one" if there else "no column"
        raise InputError(path, f"{found} of {what} (columns: {', '.join(names)})", remedy)
    return there[0]


def read_array(path: Path) -> Array:
    """The numbers of an .npy file.

    Raises
    ------
    InputError
        It cannot be read.
    """
    try:
        return numbers(np.load(path, allow_pickle=False), str(path))
    except (OSError, ValueError) as error:
        raise InputError(path, reason(error) or "not an .npy file of plain numbers") from None


def read_archive(path: Path) -> dict[str, Any]:
    """Every array of an .npz file.

    Raises
    ------
    InputError
        It cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as held:
            return dict(held)
    except (OSError, ValueError) as error:
        raise InputError(path, reason(error) or "not an .npz file of plain arrays") from None


def read_layers(given: Any) -> dict[str, Any]:
    """Every layer of an object like AnnData, effects as observations and conditions as variables,
    with their names.

    Raises
    ------
    InputError
        A layer holds what is no number.
    """
    held: dict[str, Any] = {}
    for name in given.layers:
        layer = given.layers[name]
        dense = layer.toarray() if hasattr(layer, "toarray") else layer
        held[str(name)] = numbers(dense, f"layer {name}")
    names = {"effect": given.obs_names, "condition": given.var_names}
    return held | {k: np.asarray(v).astype(str) for k, v in names.items()}


def _read(path: Path) -> Any:
    """The frame in a file."""
    import pandas as pd

    name = path.name.lower()
    try:
        if name.endswith((".parquet", *TEXT)) and not path.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if name.endswith(".parquet"):
            return pd.read_parquet(path)
        if name.endswith(TEXT):
            return _of_text(path, name.removesuffix(".gz"))
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(path, reason(error) or "cannot be read as a table") from None
    raise InputError(path, "expected a file named .tsv, .csv, .txt, .parquet, .npy or .npz")


def _of_text(path: Path, name: str) -> Any:
    """The frame in a file of text."""
    import pandas as pd

    def lines() -> Generator[str]:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8-sig") as file:
            yield from file

    sep = "," if name.endswith(".csv") else "\t"
    if name.endswith(".txt"):
        with closing(lines()) as every:
            sep = sep if "\t" in next(every, "") else r"\s+"
    # pandas would give the second of two columns of one name another
    header = pd.read_csv(path, sep=sep, header=None, nrows=1, dtype=str).iloc[0].dropna()
    if header.duplicated().any():
        twice = header[header.duplicated()].iloc[0]
        raise InputError(path, f"{twice!r} names {int((header == twice).sum())} columns")
    if (pd.to_numeric(header, errors="coerce").fillna(0) % 1 != 0).any():
        raise InputError(path, "its first line holds numbers, expected the names of columns")
    frame = pd.read_csv(path, sep=sep)
    if not len(frame):
        raise InputError(path, "holds no rows")
    if len(sep) == 1 and frame.iloc[:, -1].isna().any():
        fields = frame.shape[1] + (not isinstance(frame.index, pd.RangeIndex))
        for i, line in enumerate(lines()):
            if i and line.strip() and line.count(sep) + 1 < fields:
                found = f"line {i + 1} has {line.count(sep) + 1} of {fields} fields"
                raise InputError(path, found, "Write every cell, empty ones too.")
    return frame


def _named(frame: Any) -> Any:
    """A pandas frame whose index names effects, where a first column of text, or one without a
    name, as an index was written, does.
    """
    import pandas as pd

    if not frame.index.equals(pd.RangeIndex(len(frame))) or not frame.shape[1]:
        return frame
    text = not pd.api.types.is_numeric_dtype(frame.dtypes.iloc[0])
    return frame.set_index(frame.columns[0]) if text or frame.columns[0] in NAMELESS else frame


def _framed(frame: Any, where: str) -> Table:
    """A pandas frame; a first column of text or without a name, or an index that is no count, names
    effects.
    """
    import pandas as pd

    frame, effects = _named(frame), None
    if not frame.index.equals(pd.RangeIndex(len(frame))):
        effects = [str(name) for name in frame.index]
    for name, kind in frame.dtypes.items():
        if not pd.api.types.is_numeric_dtype(kind):
            raise InputError(where, f"column {str(name)!r} holds what is no number")
    values = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    return Table(values, effects, [str(name) for name in frame.columns])


def numbers(given: Any, where: str) -> Array:
    """An array of real numbers.

    Raises
    ------
    InputError
        It holds another thing.
    """
    try:
        if np.asarray(given).dtype.kind not in "cmM":  # of which a part would be lost
            return np.asarray(given, dtype=np.float64)
        raise TypeError
    except (TypeError, ValueError):
        raise InputError(where, "holds what is no number, or rows of different lengths") from None
