"""`save` and `load`: fits and data on disk as netCDF or Zarr, whatever they hold, and nothing else
replaced.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayesmixer import aside
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.kinds import NAMES, stored
from bayesmixer.variables import KINDS, validate

SAVED = (
    "fit",
    "estimate",
    "loo",
    "gwas_data",
    "sumstats",
    "effects",
    "covariances",
    "mash_posterior",
)


def save(
    results: xr.DataTree | xr.Dataset,
    path: str | os.PathLike[str],
    *,
    replace: bool = True,
) -> Path:
    """Save a fit, estimates, data or posteriors of effects as netCDF (.nc) or Zarr (.zarr): written
    aside, then renamed.

    Parameters
    ----------
    results
        What `fit`, `loo`, `align`, `read_sumstats`, `read_effects` or a function of `bm.ldsc` or
        `bm.mash` returned.
    path
        File ending in .nc, or folder ending in .zarr.
    replace
        Whether what was saved there before is replaced, if it is of the same kind; anything else
        (an LD reference, another's file) always stays.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    InputError
        The ending is another, the folder does not exist, something is there that is not to be
        replaced, or the disk does not take it.

    Warns
    -----
    DataWarning
        A variable cannot be written in these formats and was left out.
    """
    tree = (
        results
        if isinstance(results, xr.DataTree)
        else xr.DataTree(results)
        if isinstance(results, xr.Dataset)
        else None
    )
    if tree is None:
        raise InputError(
            "results",
            f"a {type(results).__name__}, expected what fit, loo, align or read_sumstats returned",
        )
    kind = tree.attrs.get("kind")
    if kind not in SAVED:
        found = f"kind '{kind}'" if kind else "no attribute 'kind'"
        raise InputError(
            "results",
            f"{found}, expected what fit, loo, align or read_sumstats returned",
            "An LD reference is on disk already.",
        )
    what = stored(kind, path)
    aside.place(path, what, replace=replace)  # before the work
    written = xr.DataTree.from_dict(
        {node.path: _plain(node.to_dataset(inherit=False)) for node in tree.subtree}
    )
    with warnings.catch_warnings():
        # text of fixed width and consolidated metadata have no entry in Zarr's specification yet;
        # zarr reads them back all the same
        warnings.filterwarnings("ignore", module="zarr")
        warnings.filterwarnings(
            "ignore", message=".*(Zarr V3 specification|Zarr format 3 specification).*"
        )
        with aside.writing(path, what, replace=replace) as beside:
            if what.folder:
                written.to_zarr(beside, mode="w")
            else:
                # in memory first: HDF5 itself, where the disk is full, leaves handles that fail
                # once more as the process ends
                with _no_cluster():
                    beside.write_bytes(written.to_netcdf(engine="h5netcdf"))
    return Path(path)


def _no_cluster() -> AbstractContextManager[Any]:
    """Where dask.distributed is at work xarray asks its scheduler for a lock, which it does not
    know for bytes in memory; they are nobody else's.
    """
    if "distributed" not in sys.modules:
        return nullcontext()
    import dask

    return dask.config.set(scheduler="synchronous")


def save_finished(
    results: xr.DataTree, path: str | os.PathLike[str], *, replace: bool = True
) -> Path:
    """`save` what took long to make: where that fails it goes to the folder of temporary files, and
    the error says so.

    Raises
    ------
    InputError
        As `save`.
    """
    try:
        return save(results, path, replace=replace)
    except InputError as error:
        rescue = aside.free_name(Path(tempfile.gettempdir()) / f"bayesmixer-{Path(path).name}")
        try:
            save(results, rescue)
        except InputError:
            raise error from None
        raise InputError(
            error.where,
            error.problem,
            f"The finished fit was saved as {rescue} instead: move it where there is space.",
        ) from None


def load(path: str | os.PathLike[str]) -> Any:
    """Read what `save` saved, into memory.

    Parameters
    ----------
    path
        The .nc or .zarr.

    Returns
    -------
    xarray.DataTree or xarray.Dataset
        A tree for a fit, estimates and what `loo` found, a dataset for GwasData and Sumstats.

    Raises
    ------
    InputError
        There is no such file, or it is nothing that was saved.
    """
    if not Path(path).exists():
        raise InputError(path, "no such file")
    try:
        with xr.open_datatree(path, engine="zarr" if Path(path).is_dir() else "h5netcdf") as opened:
            kind = str(opened.attrs.get("kind", ""))
            tree = opened.load() if kind in SAVED else None
    except Exception as error:
        raise InputError(
            path,
            f"not a saved fit, nor data ({type(error).__name__})",
            "Give a .nc or .zarr that bayesmixer wrote.",
        ) from None
    if tree is None:
        remedy = "Open it with open_reference." if kind == "reference" else ""
        raise InputError(
            path,
            f"kind '{kind or 'unknown'}' ({NAMES.get(kind, 'not ours')}), expected a saved "
            "fit, GwasData or Sumstats",
            remedy,
        )
    if kind in ("fit", "estimate", "loo"):
        return tree
    data = tree.to_dataset()
    if kind not in KINDS:
        return data
    if "h_total" in data.attrs:  # netCDF makes a number of a list of one
        data.attrs["h_total"] = np.atleast_1d(data.attrs["h_total"]).tolist()
    return validate(data, kind, str(path))


def _plain(data: xr.Dataset) -> xr.Dataset:
    """A dataset as both formats can hold it: text of fixed width, ragged arrays padded with nan,
    indices of several levels as plain coordinates.
    """
    data = data.copy().drop_encoding()
    several = {dim for dim, index in data.indexes.items() if index.nlevels > 1}
    data = data.reset_index(list(several)) if several else data
    for name, variable in data.variables.items():
        if variable.dtype.kind in "OcV" or variable.dtype.kind == "T":
            made = _array(variable, f"{name}_element")
            if made is None:
                warnings.warn(
                    f"{name} is not saved: netCDF and Zarr have no such type ({variable.dtype})",
                    DataWarning,
                    stacklevel=3,
                )
                data = data.drop_vars(str(name))
            else:
                data = (
                    data.assign_coords({name: made})
                    if name in data.coords
                    else data.assign({name: made})
                )
    for variable in data.variables.values():
        variable.attrs = {str(k): _attribute(v) for k, v in variable.attrs.items()}
    data.attrs = {str(k): _attribute(v) for k, v in data.attrs.items()}
    return data


def _array(variable: xr.Variable, extra: str) -> xr.Variable | None:
    """Objects as text, as numbers, or as rows of numbers of equal length along one more dimension;
    None where they are neither.
    """
    values = variable.to_numpy()
    if variable.dtype.kind in "cV":
        return None
    flat = list(values.ravel())
    if any(isinstance(v, (str, bytes)) for v in flat):
        if not all(
            v is None or isinstance(v, (str, bytes, float)) for v in flat
        ):  # a missing text may be nan
            return None
        text = np.array(
            [
                aside.written(
                    v.decode("utf-8", "replace")
                    if isinstance(v, bytes)
                    else v
                    if isinstance(v, str)
                    else ""
                )
                for v in flat
            ],
            str,
        )
        return xr.Variable(
            variable.dims,
            (text if text.dtype.itemsize else text.astype("U1")).reshape(values.shape),
            variable.attrs,
        )
    try:
        rows = [np.asarray(np.nan if v is None else v, float) for v in flat]
    except (TypeError, ValueError):
        return None
    if all(row.ndim == 0 for row in rows):
        return xr.Variable(
            variable.dims, np.array(rows, float).reshape(values.shape), variable.attrs
        )
    rows = [row.ravel() for row in rows]
    padded = np.full((len(rows), max(row.size for row in rows)), np.nan)
    for i, row in enumerate(rows):
        padded[i, : row.size] = row
    return xr.Variable((*variable.dims, extra), padded.reshape((*values.shape, -1)), variable.attrs)


def _attribute(value: Any) -> Any:
    """An attribute as both formats can hold it."""
    if isinstance(value, str):
        return aside.written(value)
    if value is None:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return int(value)
    if isinstance(value, (int, float, np.integer, np.floating)):
        return value
    if isinstance(value, (list, tuple, np.ndarray)):
        array = np.asarray(value, object)
        if array.size and all(
            isinstance(v, (int, float, np.integer, np.floating)) for v in array.ravel()
        ):
            return np.asarray(value).tolist()
        value = array.tolist()
    return aside.written(json.dumps(value, default=str))
