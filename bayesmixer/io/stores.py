"""Zarr stores on disk that are written group by group, each aside and then renamed, so that a
killed run leaves whole groups only.

Nothing in a store depends on when, where or in which order it was written: the same input gives the
same bytes.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayesmixer import aside
from bayesmixer.errors import InputError, reason
from bayesmixer.kinds import NAMES
from bayesmixer.kinds import root_attributes as root_attributes

_PARTIAL = ".partial-"
CHUNK_ROWS = 16384


def group_names(path: str | Path) -> list[str]:
    """Names of the finished groups of a store."""
    return sorted(
        p.name
        for p in Path(path).iterdir()
        if p.is_dir() and not p.name.startswith(".") and root_attributes(p) is not None
    )


def prepare(path: str | Path, kind: str) -> None:
    """Make the folder of a store, or check that one can be written to; nothing in it is touched.

    Raises
    ------
    InputError
        The path is a file, a folder of something else, or cannot be written to.
    """
    out = Path(path)
    if out.exists() and not out.is_dir():
        raise InputError(out, "exists and is a file", "Choose another path for the store.")
    if out.is_dir() and any(out.iterdir()):
        attributes = root_attributes(out)
        unfinished = all(p.name.startswith(_PARTIAL) for p in out.iterdir())
        if not unfinished and (attributes is None or attributes.get("kind") != kind):
            raise InputError(
                out, f"exists and is not {NAMES[kind]}", "Choose another path, or remove it."
            )
    if not out.parent.is_dir():
        raise InputError(out, f"the folder {out.parent} does not exist", "Make it first.")
    made = not out.exists()
    aside.make_folder(out)
    try:
        aside.check(out / f"{_PARTIAL}probe", aside.OWN, where=str(out))
    except InputError:
        if made:
            out.rmdir()
        raise


def beside(path: str | Path) -> Path:
    """Where the store is built that is to take the place of the one at `path`, links followed; a
    killed build goes on from there.
    """
    return Path(os.path.realpath(path) + ".partial")


def replace(path: str | Path) -> None:
    """Let the finished store beside `path` take its place; what lies in the earlier one and is
    no part of it moves along.
    """
    new, target = beside(path), Path(os.path.realpath(path))
    own = {"zarr.json", *map(str, (root_attributes(target) or {}).get("chromosomes", []))}
    for entry in list(target.iterdir()):
        if (
            entry.name not in own
            and not entry.name.startswith(_PARTIAL)
            and not (new / entry.name).exists()
        ):
            os.replace(entry, new / entry.name)
    aside.rename(new, target)


def clear_up(path: str | Path) -> None:
    """Remove what a killed run left unfinished: only for whoever has claimed the store."""
    for left in Path(path).glob(f"{_PARTIAL}*"):
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _writing(out: Path, name: str) -> Iterator[Path]:
    """A folder to write a part of a store to, removed whether or not that went well; what the disk
    refuses is one line.
    """
    partial = out / f"{_PARTIAL}{name}"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        yield partial
    except Exception as error:
        because = reason(error)
        if not because:
            raise
        raise InputError(
            out, f"cannot be written ({because})", f"{aside.SPACE} Finished chromosomes are kept."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_root(path: str | Path, attributes: Mapping[str, Any]) -> None:
    """Write the attributes of the store itself."""
    import zarr

    out = Path(path)
    with _writing(out, "root") as partial:
        zarr.create_group(
            store=str(partial), zarr_format=3, attributes=dict(attributes), overwrite=True
        )
        os.replace(partial / "zarr.json", out / "zarr.json")


def write_group(path: str | Path, name: str, ds: xr.Dataset) -> None:
    """Write a dataset as the group `name`, replacing what is there."""
    import zarr.codecs

    out = Path(path)
    encoding: dict[str, Any] = {}
    for variable, values in ds.variables.items():
        chunks = tuple(max(1, min(n, CHUNK_ROWS if n > 1024 else n)) for n in values.shape)
        # blosc would pack a little better, but its threads may order a chunk's blocks differently
        # from run to run
        encoding[str(variable)] = {
            "chunks": chunks,
            "compressors": [zarr.codecs.ZstdCodec(level=3)],
        }
    with warnings.catch_warnings(), _writing(out, name) as partial:
        # text of fixed width has no entry in the specification yet; zarr reads it back all the same
        warnings.filterwarnings("ignore", message=".*does not have a Zarr V3 specification.*")
        ds.to_zarr(partial, mode="w", zarr_format=3, consolidated=False, encoding=encoding)
        remove_group(out, name)
        os.replace(partial, out / name)


def remove_group(path: str | Path, name: str) -> None:
    """Remove a group if it is there: renamed first, so that no half of it is ever taken for the
    whole.
    """
    group, gone = Path(path) / name, Path(path) / f"{_PARTIAL}removed-{name}"
    if group.is_dir():
        os.replace(group, gone)
        shutil.rmtree(gone)


def open_group(path: str | Path, name: str, indexed: bool = True) -> xr.Dataset:
    """Open a group lazily: arrays are read from disk when they are used.

    Parameters
    ----------
    path, name
        The store and the group.
    indexed
        Whether names of rows are read at once, to look rows up by name.

    Raises
    ------
    InputError
        The group is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have a Zarr V3 specification.*")
            with _plainly_read():
                ds: xr.Dataset = xr.open_zarr(
                    Path(path) / name, consolidated=False, chunks=None,
                    create_default_indexes=indexed,
                )  # fmt: skip
            return ds
    except Exception as error:
        raise InputError(
            Path(path) / name,
            f"cannot be opened ({error})",
            "The store is damaged: build it again.",
        ) from None


def _plainly_read() -> AbstractContextManager[Any]:
    """Within it arrays are opened whose chunks zarr reads without its event loop, which costs more
    than it gains where chunks lie on a disk. Versions that cannot, read in their own way.
    """
    import zarr
    from zarr.core import codec_pipeline

    if not hasattr(codec_pipeline, "FusedCodecPipeline"):
        return nullcontext()
    path = "zarr.core.codec_pipeline.FusedCodecPipeline"
    opened: AbstractContextManager[Any] = zarr.config.set({"codec_pipeline.path": path})
    return opened


def text(values: Any) -> np.ndarray[Any, Any]:
    """Text as an array of fixed width."""
    array = np.asarray(values, dtype=str)
    return array if array.dtype.itemsize else array.astype("U1")
