"""Effects too many for memory: kept on disk as a Zarr store or as two .npy arrays, and read block
by block.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.core import indexing  # what its guide to backends imports; there is no public door

from bayesmixer import aside
from bayesmixer.errors import InputError, reason
from bayesmixer.io.contrasts import Contrasts
from bayesmixer.io.effect_tables import is_path
from bayesmixer.io.effects import _check, _correlation, check_units, read_effects
from bayesmixer.io.row_stores import begin, finish, put
from bayesmixer.io.singular_errors import Blocks, carrying, refuse_singular
from bayesmixer.io.stores import CHUNK_ROWS, open_group
from bayesmixer.kinds import kind_of, stored
from bayesmixer.progress import bar

BOTH = ("effect", "condition")
Array = NDArray[np.float64]


def open_effects(
    bhat: Any, shat: Any = None, *, v: Any = None, alpha: float | None = None, condition: Any = None
) -> xr.Dataset:
    """Effects on disk, of which only what is used is read.

    Parameters
    ----------
    bhat
        A Zarr store that `bayesmixer.save` or `write_effects` made of effects; or the path of an
        .npy array (effect, condition).
    shat
        Path of the standard errors as an .npy array, or one number, beside an .npy array.
    v, alpha
        Of `bayesmixer.read_effects`, beside .npy arrays (alpha None: 0); v common to all effects.
    condition
        Names of the conditions, beside .npy arrays.

    Returns
    -------
    xarray.Dataset
        As `bayesmixer.read_effects` returns it; `isel` picks effects without reading the others,
        by name they are found after `set_xindex("effect")`, which reads all names.

    Raises
    ------
    InputError
        These are no effects, or one of them is what `read_effects` refuses.
    """
    if not is_path(bhat):
        raise InputError("bhat", f"a {type(bhat).__name__}, expected the path of a Zarr or .npy")
    path = Path(bhat)
    if path.is_dir():
        if kind_of(path) != "effects":
            raise InputError(path, f"kind '{kind_of(path)}', expected effects")
        found = open_group(path.parent, path.name, indexed=False)
        held = {"shat": shat, "v": v, "condition": condition}
        for name in [name for name, one in held.items() if one is not None]:
            raise InputError(
                name, f"given beside {path}, a store that has its own", "Leave it out."
            )
        if alpha is not None and alpha != found.attrs["alpha"]:
            stored_with = f"{alpha:g}, but {path} was stored with {found.attrs['alpha']:g}"
            raise InputError("alpha", stored_with, "Leave it out, or store it so.")
        return found.assign_coords(
            {k: found[k].values for k in ("condition", "condition_bis") if k in found.coords}
        )
    alpha = 0 if alpha is None else alpha
    if path.suffix != ".npy":
        remedy = "Make a store of it with bayesmixer.mash.write_effects."
        raise InputError(path, "expected a .zarr of effects, or an .npy array", remedy)
    b = _mapped(path)
    if shat is None or is_path(shat):
        s = _mapped(Path(shat)) if shat is not None else np.ones((1, 1))
    else:
        s = np.full((1, 1), float(shat))
    if s.shape not in (b.shape, (1, 1)):
        raise InputError("shat", f"of shape {s.shape}, expected that of bhat, {b.shape}")
    s = np.broadcast_to(s, b.shape)
    n, r = b.shape
    names = [f"condition_{i + 1}" for i in range(r)] if condition is None else list(condition)
    effect = np.arange(n).astype(f"U{len(str(n))}")

    def read() -> Iterator[tuple[Array, Array, list[str]]]:
        for first in range(0, n, CHUNK_ROWS):
            part = slice(first, first + CHUNK_ROWS)
            yield np.asarray(b[part]), np.asarray(s[part]), effect[part].tolist()

    for part, errors, some in read():
        _check(part, errors, some, names)
    check_units(np.asarray(s), alpha, names)
    more, kept = _errors_of_all(read, names, v)
    held = {"bhat": b, "shat": s}
    if kept is not None:
        held = {name: _columns(one, kept) for name, one in held.items()}
        names = [names[i] for i in kept]
    return xr.Dataset(
        {name: (BOTH, one) for name, one in held.items()} | more,
        coords={"effect": effect, "condition": names},
        attrs={"kind": "effects", "alpha": float(alpha), "source": str(path)},
    )


def _columns(array: Any, kept: list[int]) -> Any:
    """Some columns of an array on disk, of which nothing is read yet."""
    key = indexing.OuterIndexer((slice(None), np.array(kept)))
    indexable: Any = indexing.NumpyIndexingAdapter
    return indexing.LazilyIndexedArray(indexable(array), key)


def _determined(carried: Contrasts) -> dict[str, Any]:
    """What makes all conditions of those that are kept, as `read_effects` returns it."""
    dims = ("reported_condition", "condition")
    return {"reported": (dims, carried.every), "reported_condition": carried.every_name}


def _mapped(path: Path) -> np.ndarray[Any, Any]:
    """A two-dimensional array of numbers, left on disk."""
    try:
        found: np.ndarray[Any, Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(path, reason(error) or "not an .npy array of numbers") from None
    if found.ndim != 2 or found.dtype.kind != "f":
        said = f"{found.ndim} dimensions of {found.dtype}"
        raise InputError(path, f"{said}, expected effect x condition of float")
    return found


def write_effects(
    bhat: Any,
    shat: Any,
    path: str | Path,
    *,
    v: Any = None,
    alpha: float = 0,
    replace: bool = True,
    progress: bool | None = None,
) -> Path:
    """Make a store of effects of any number from two parquet files or .npy arrays, block by block.

    Parameters
    ----------
    bhat, shat
        Paths of parquet files of the same rows and columns (a first column of text names the
        effects), or .npy arrays, or one number for shat.
    path
        The store, ending in .zarr.
    v, alpha
        Of `bayesmixer.read_effects`; v common to all effects.
    replace
        Whether effects that were stored there before are replaced.
    progress
        Show a progress bar; None shows it on a terminal.

    Returns
    -------
    pathlib.Path
        The store, for `open_effects`.

    Raises
    ------
    InputError
        The files do not fit each other, hold what `read_effects` refuses, or the store cannot be
        written.
    """
    what = stored("effects", path)
    if not what.folder:
        raise InputError(path, "expected a name ending in .zarr")
    aside.place(path, what, replace=replace)
    _, total, width = _blocks(bhat, shat)

    def read() -> Iterator[tuple[Array, Array, list[str]]]:
        for one in _read(bhat, shat, alpha):
            yield one["bhat"].values, one["shat"].values, one["effect"].values.tolist()

    if not total:
        raise InputError("bhat", f"{bhat}: no effects")
    conditions = next(_read(bhat, shat, alpha))["condition"].values.tolist()
    more, kept = _errors_of_all(read, conditions, v)
    with aside.writing(path, what, replace=replace) as beside, bar("Storing", total, progress) as b:
        first = 0
        for block in _read(bhat, shat, alpha):
            part = block.isel(condition=slice(None) if kept is None else kept).assign(more)
            rows = slice(first, first + part.sizes["effect"])
            names = part["effect"].values
            if first == 0:
                grow = ("bhat", "shat")
                shape = (total, part.sizes["condition"])
                arrays: dict[str, Any] = {name: (BOTH, shape, "float64") for name in grow}
                arrays["effect"] = (("effect",), (total,), f"<U{width}")
                begin(beside, part.drop_vars(["bhat", "shat", "effect"]), arrays)
            values = {"bhat": part["bhat"].values, "shat": part["shat"].values, "effect": names}
            put(beside, rows, values)
            first = rows.stop
            b.advance(part.sizes["effect"])
        finish(beside)
    return Path(path)


def _read(bhat: Any, shat: Any, alpha: float) -> Iterator[xr.Dataset]:
    """Effects block by block, counted through where they have no names."""
    first = 0
    for own, errors in _blocks(bhat, shat)[0]:
        part = read_effects(own, errors, alpha=alpha).assign_attrs(source=str(bhat))
        n = part.sizes["effect"]
        names = np.arange(first, first + n) if not _is_named(own) else part["effect"].values
        yield part.assign_coords(effect=names.astype(str))
        first += n


def _errors_of_all(
    blocks: Blocks, names: list[str], v: Any
) -> tuple[dict[str, Any], list[int] | None]:
    """The correlation of errors as `read_effects` returns it, and which conditions are kept where
    others determine some.
    """
    if v is None:
        return {}, None
    known = _correlation(v, (0, len(names)), names)
    more: dict[str, Any] = {}
    kept = None
    carried = carrying(blocks, known, names)
    if carried is not None:
        more = _determined(carried)
        kept = [names.index(name) for name in carried.names]
        names, known = carried.names, known[np.ix_(kept, kept)]
    refuse_singular(known)
    return more | {"v": (("condition", "condition_bis"), known), "condition_bis": names}, kept


def _blocks(bhat: Any, shat: Any) -> tuple[Iterator[tuple[Any, Any]], int, int]:
    """Blocks of rows of both, how many rows there are, and characters of the longest name."""
    if str(bhat).endswith(".npy"):
        b = _mapped(Path(bhat))
        s = _mapped(Path(shat)) if is_path(shat) else None
        if s is not None and s.shape != b.shape:
            raise InputError("shat", f"of shape {s.shape}, expected that of bhat, {b.shape}")

        def arrays() -> Iterator[tuple[Any, Any]]:
            for first in range(0, len(b), CHUNK_ROWS):
                part = slice(first, first + CHUNK_ROWS)
                yield np.asarray(b[part]), shat if s is None else np.asarray(s[part])

        return arrays(), len(b), len(str(len(b)))
    if not str(bhat).endswith(".parquet"):
        raise InputError("bhat", f"{bhat}, expected a parquet file or an .npy array")
    import pyarrow.parquet as pq

    try:
        files = [pq.ParquetFile(one) for one in (bhat, shat) if is_path(one)]
    except (OSError, ValueError) as error:
        raise InputError(bhat, reason(error) or "no parquet file") from None
    rows = [one.metadata.num_rows for one in files]
    if len(set(rows)) > 1:
        raise InputError("shat", f"{rows[1]:,} rows, expected those of bhat, {rows[0]:,}")

    def tables() -> Iterator[tuple[Any, Any]]:
        for parts in zip(*(one.iter_batches(CHUNK_ROWS) for one in files), strict=True):
            frames = [_named(part.to_pandas()) for part in parts]
            yield frames[0], frames[1] if len(frames) > 1 else shat

    return tables(), rows[0], max(len(str(rows[0])), *_widths(files[0]))


def _named(frame: Any) -> Any:
    """A frame whose first column of text is its index."""
    import pandas as pd

    first = frame.columns[0]
    if pd.api.types.is_numeric_dtype(frame[first]):
        return frame
    return frame.set_index(first)


def _is_named(block: Any) -> bool:
    import pandas as pd

    return hasattr(block, "index") and not isinstance(block.index, pd.RangeIndex)


def _widths(file: Any) -> Iterator[int]:
    """Characters of the longest name in each block of a parquet file."""
    own = (file.schema_arrow.pandas_metadata or {}).get("index_columns", [])
    columns = [file.schema_arrow.names[0], *(name for name in own if isinstance(name, str))]
    yield 1
    for part in file.iter_batches(CHUNK_ROWS, columns=list(dict.fromkeys(columns))):
        index = _named(part.to_pandas().assign(_=0)).index
        yield int(index.astype(str).str.len().max())
