"""Reading what a report is made of: a fit's DataTree and its GwasData, from netCDF or Zarr, checked before anything is drawn."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.inference.identity import check_fit
from bayesmixer.kinds import NAMES


def open_results(path: str | Path) -> xr.DataTree:
    """Read a fit that was saved as netCDF (.nc) or Zarr (.zarr) into memory.

    Raises
    ------
    InputError
        No such file, not readable as netCDF or Zarr, or not a fit.
    """
    from bayesmixer.io.saved import load

    return check_results(load(path), str(path))


def open_data(path: str | Path) -> xr.Dataset:
    """Read a GwasData that was saved as netCDF (.nc) or Zarr (.zarr) into memory.

    Raises
    ------
    InputError
        No such file, not readable, or not a GwasData.
    """
    from bayesmixer.io.saved import load

    data = load(path)
    if not isinstance(data, xr.Dataset) or data.attrs.get("kind") != "gwas_data":
        raise InputError(path, f"{NAMES[str(data.attrs['kind'])]}, expected GwasData", "Give what 'align' made.")
    return data


def check_results(results: xr.DataTree, name: str = "results") -> xr.DataTree:
    """Check that a DataTree is a fit that can be reported; the estimate of a fit by method "map" is taken as a posterior of one draw.

    Raises
    ------
    InputError
        Another kind of object, no posterior group, or an empty one.
    """
    check_fit(results, name)
    if "posterior" not in results.children and results.attrs.get("method") == "map" and "estimate" in results.children:
        return _with_one_draw(results)
    posterior = check_fit(results, name, needs=("posterior",))["posterior"]
    if not {"chain", "draw"} <= set(posterior.sizes) or not posterior.data_vars:
        raise InputError(name, "the posterior group holds no draws (dims chain and draw)", "Fit again.")
    return results


def _with_one_draw(results: xr.DataTree) -> xr.DataTree:
    estimate = results["estimate"].to_dataset()
    about_search = {"parameter", "parameter_bis", "start", "profile"}
    values = {str(k): v for k, v in estimate.data_vars.items() if not about_search & set(map(str, v.dims))}
    values = {k: v for k, v in values.items() if k.removesuffix("_se") == k or k.removesuffix("_se") not in values}
    one = xr.Dataset(values).expand_dims(chain=[0], draw=[0])
    completed = results.copy()
    completed["posterior"] = xr.DataTree(one.drop_vars(about_search, errors="ignore"))
    return completed
