"""Reading what a report is made of: a fit's DataTree and its GwasData, from netCDF or Zarr, checked
before anything is drawn.
"""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.identity import as_results, check_estimates, check_results, is_estimates
from bayesmixer.kinds import NAMES


def open_results(path: str | Path) -> xr.DataTree:
    """Read a fit that was saved as netCDF (.nc) or Zarr (.zarr) into memory.

    Raises
    ------
    InputError
        No such file, not readable as netCDF or Zarr, or not a fit.
    """
    from bayesmixer.io.saved import load

    found = as_results(load(path))
    check = check_estimates if is_estimates(found) else check_results
    return check(found, str(path))


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
        raise InputError(
            path, f"{NAMES[str(data.attrs['kind'])]}, expected GwasData", "Give what 'align' made."
        )
    return data
