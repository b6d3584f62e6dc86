"""Zarr stores whose arrays have their length from the start and are filled by blocks of rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayesmixer.io.stores import CHUNK_ROWS, text


@contextmanager
def _quietly() -> Iterator[None]:
    """Text of fixed width has no entry in Zarr's specification yet; zarr reads it back."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="zarr")
        warnings.filterwarnings("ignore", message=".*(Zarr V3|Zarr format 3) specification.*")
        yield


EMPTY: dict[str, Any] = {"f": np.nan, "U": ""}
Room = Mapping[str, tuple[tuple[str, ...], tuple[int, ...], Any]]


def begin(into: Path, frame: xr.Dataset, arrays: Room) -> None:
    """Make a store of what does not grow and room for the rest.

    Parameters
    ----------
    into
        The folder.
    frame
        Coordinates, variables and attributes that are known.
    arrays
        Dimensions, shape and dtype of what is to be filled, rows first.
    """
    import zarr

    for name, one in frame.variables.items():
        if one.dtype.kind == "O":
            frame = frame.assign_coords({name: (one.dims, text(one.values))})
    with _quietly():
        frame.drop_encoding().to_zarr(into, mode="w", zarr_format=3, consolidated=False)
        group = zarr.open_group(str(into), mode="a", zarr_format=3)
        for name, (dims, shape, dtype) in arrays.items():
            group.create_array(
                name, shape=shape, chunks=(max(1, min(CHUNK_ROWS, shape[0])), *shape[1:]),
                dtype=dtype, compressors=None, dimension_names=list(dims),
                fill_value=EMPTY.get(np.dtype(dtype).kind, 0),
            )  # fmt: skip


def put(into: Path, part: slice, values: Mapping[str, Any]) -> None:
    """Fill rows."""
    import zarr

    with _quietly():
        group = zarr.open_group(str(into), mode="a", zarr_format=3)
        for name, one in values.items():
            group[name][part] = one  # type: ignore[index]


def finish(into: Path) -> None:
    """Gather what describes the arrays in one file, so that the store opens at once."""
    import zarr

    with _quietly():
        zarr.consolidate_metadata(str(into), zarr_format=3)
