"""Reading what a report is made of: a fit's DataTree and its GwasData, from netCDF or Zarr, checked before anything is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.variables import validate


def open_results(path: str | Path) -> xr.DataTree:
    """Read a fit that was saved as netCDF (.nc) or Zarr (.zarr) into memory.

    Raises
    ------
    InputError
        No such file, not readable as netCDF or Zarr, or not a fit.
    """
    from bayesmixer.inference.results import load

    return check_results(load(path), str(path))


def open_data(path: str | Path) -> xr.Dataset:
    """Read a GwasData that was saved as netCDF (.nc) or Zarr (.zarr) into memory.

    Raises
    ------
    InputError
        No such file, not readable, or not a GwasData.
    """
    path = _existing(path)
    try:
        with xr.open_dataset(path, engine=_engine(path)) as dataset:
            loaded = dataset.load()
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            path, f"cannot be read as {'Zarr' if path.is_dir() else 'netCDF'} ({_first_line(error)})", "Give what 'align' made."
        ) from error
    return validate(loaded, "gwas_data", str(path))


def check_results(results: xr.DataTree, name: str = "results") -> xr.DataTree:
    """Check that a DataTree is a fit that can be reported; the estimate of a fit by method "map" is taken as a posterior of one draw.

    Raises
    ------
    InputError
        Another kind of object, no posterior group, or an empty one.
    """
    if not isinstance(results, xr.DataTree):
        raise InputError(name, f"a {type(results).__name__}, expected the DataTree that bayesmixer.fit returns")
    kind = results.attrs.get("kind")
    if kind != "fit":
        found = f"the attribute kind is {kind!r}" if kind is not None else "there is no attribute 'kind'"
        raise InputError(name, f"not a fit: {found}, expected 'fit'", "Give what bayesmixer.fit returned.")
    if "posterior" not in results.children and results.attrs.get("method") == "map" and "estimate" in results.children:
        return _with_one_draw(results)
    if "posterior" not in results.children:
        raise InputError(
            name, f"no posterior group (groups: {', '.join(results.children) or 'none'})", "Fit again; every method of bayesmixer.fit makes one."
        )
    posterior = results["posterior"]
    if not {"chain", "draw"} <= set(posterior.sizes) or not posterior.data_vars:
        raise InputError(name, "the posterior group holds no draws (dims chain and draw)", "Fit again.")
    return results


def _with_one_draw(results: xr.DataTree) -> xr.DataTree:
    estimate = results["estimate"].to_dataset()
    about_search = {"parameter", "parameter_bis", "start", "profile"}
    values = {str(k): v for k, v in estimate.data_vars.items() if not about_search & set(map(str, v.dims))}
    one = xr.Dataset(values).expand_dims(chain=[0], draw=[0])
    completed = results.copy()
    completed["posterior"] = xr.DataTree(one.drop_vars(about_search, errors="ignore"))
    return completed


def check_data(data: xr.Dataset, results: xr.DataTree, name: str = "data") -> xr.Dataset:
    """Check that a GwasData is one, and the one that a fit was made with.

    Raises
    ------
    InputError
        Another kind of dataset, or numbers of variants, LD blocks or weights that differ from the fit's.
    """
    if not isinstance(data, xr.Dataset):
        raise InputError(name, f"a {type(data).__name__}, expected the GwasData dataset that bayesmixer.align returns")
    validate(data, "gwas_data", name)
    remedy = "Give the data that the fit was made with."
    recorded = results.attrs.get("n_variants")
    if recorded is not None and int(recorded) != data.sizes["variant"]:
        raise InputError(name, f"{data.sizes['variant']} variants, but the fit was made with {int(recorded)}", remedy)
    if "log_likelihood" in results.children and "ld_block" in results["log_likelihood"].sizes:
        fitted, label = results["log_likelihood"].sizes["ld_block"], np.asarray(data["ld_block"])
        blocks = {len(np.unique(label)), len(np.unique(label[np.asarray(data["weight"]) > 0])), int(label.max()) + 1}
        if fitted not in blocks:
            raise InputError(name, f"variants of {len(np.unique(label))} LD blocks, but the fit was made with {fitted}", remedy)
    effective = results["estimate"].attrs.get("effective_variants") if "estimate" in results.children else None
    total = float(data["weight"].sum())
    if effective is not None and np.isfinite(effective) and abs(total - float(effective)) > 1e-3 * max(total, float(effective)):
        raise InputError(name, f"weights that sum to {total:.1f}, but in the fit they summed to {float(effective):.1f}: other variants", remedy)
    return data


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.exists():
        raise InputError(path, "no such file", "Check the name.")
    return path


def _engine(path: Path) -> str:
    return "zarr" if path.is_dir() else "h5netcdf"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__
