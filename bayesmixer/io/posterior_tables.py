"""Posteriors of effects as tables for other programs: tab-separated or parquet with a row an effect
and condition, or .npz with an array a quantity.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmixer import aside
from bayesmixer.aside import Kind
from bayesmixer.errors import InputError


def _is_loci(path: Path) -> bool:
    return {"effect", "lfsr", "n_near"} <= set(pd.read_csv(path, sep="\t", nrows=0).columns)


LOCI = Kind("a table of loci", _is_loci)
ENDINGS = (".tsv", ".tsv.gz", ".parquet", ".npz")
MARK = {"effect", "condition", "mean", "lfsr"}


def table(posterior: xr.Dataset) -> pd.DataFrame:
    """A row an effect and condition: names, what is known of where the effect lies, and every
    quantity; `log10_bf` and `log_likelihood` of an effect stand in each of its rows.
    """
    n, r = posterior.sizes["effect"], posterior.sizes["condition"]
    columns: dict[str, Any] = {"effect": np.repeat(posterior["effect"].values.astype(str), r)}
    for name, one in posterior.coords.items():
        if name != "effect" and one.dims == ("effect",):
            columns[str(name)] = np.repeat(one.values, r)
    columns["condition"] = np.tile(posterior["condition"].values.astype(str), n)
    for name, one in posterior.data_vars.items():
        if one.dims == ("effect", "condition"):
            columns[str(name)] = one.values.ravel()
        elif one.dims == ("effect",):
            columns[str(name)] = np.repeat(one.values, r)
    return pd.DataFrame(columns)


def place_of(path: str | os.PathLike[str]) -> Kind:
    """What such a file is known again by.

    Raises
    ------
    InputError
        Another ending.
    """
    if not str(path).endswith(ENDINGS):
        raise InputError(path, f"expected a name ending in {', '.join(ENDINGS)}")
    return Kind("a table of posteriors", _mine)


def _mine(path: Path) -> bool:
    name = str(path)
    if name.endswith(".parquet"):
        import pyarrow.parquet as pq

        found = set(pq.read_schema(path).names)
    elif name.endswith(".npz"):
        with np.load(path, allow_pickle=False) as held:
            found = set(held.files)
    else:
        found = set(pd.read_csv(path, sep="\t", nrows=0).columns)
    return found >= MARK


def write_posterior(
    posterior: xr.Dataset, path: str | os.PathLike[str], *, replace: bool = True
) -> Path:
    """Write posteriors as a table.

    Parameters
    ----------
    posterior
        What `bayesmixer.mash.posterior` returned.
    path
        Ending in .tsv, .tsv.gz, .parquet (a row an effect and condition), or .npz (arrays of the
        names and shapes in the posterior).
    replace
        Whether such a table that is there already is replaced; another file always stays.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    InputError
        Another ending, or the file cannot be written.
    """
    kind = place_of(path)
    aside.place(path, kind, replace=replace)
    name = str(path)
    with aside.writing(path, kind, replace=replace) as beside:
        if name.endswith(".npz"):
            arrays = {
                str(k): v.values.astype(str) if v.dtype.kind == "O" else v.values
                for k, v in posterior.variables.items()
            }
            with beside.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
        elif name.endswith(".parquet"):
            table(posterior).to_parquet(beside, index=False)
        else:
            packed: Any = "gzip" if name.endswith(".gz") else None
            rows = table(posterior)
            rows.to_csv(beside, sep="\t", index=False, compression=packed, lineterminator="\n")
    return Path(path)
