"""The kinds of files and folders that the program writes, each known again by a mark that it
bears.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from bayesmixer.aside import Kind
from bayesmixer.errors import InputError

NAMES = {
    "fit": "a saved fit",
    "estimate": "saved estimates",
    "loo": "what loo found",
    "gwas_data": "GwasData",
    "sumstats": "a Sumstats dataset",
    "effects": "Effects",
    "covariances": "covariances of effects",
    "mash_posterior": "posteriors of effects",
    "reference": "an LD reference",
}


def root_attributes(path: str | Path) -> dict[str, Any] | None:
    """Attributes of the group at `path`, or None where there is no Zarr group (version 3)."""
    meta = Path(path) / "zarr.json"
    if not meta.is_file():
        return None
    try:
        found = json.loads(meta.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return (
        dict(found.get("attributes", {}))
        if isinstance(found, dict) and found.get("node_type") == "group"
        else None
    )


def kind_of(path: str | Path) -> str:
    """Attribute `kind` of a netCDF file or Zarr store; "" where it has none or is neither."""
    if Path(path).is_dir():
        return str((root_attributes(path) or {}).get("kind", ""))
    import h5netcdf  # type: ignore[import-untyped]

    with h5netcdf.File(path, "r") as file:
        return str(file.attrs.get("kind", ""))


def stored(kind: str, path: str | os.PathLike[str]) -> Kind:
    """A dataset of this `kind` (of `NAMES`) as a netCDF file (.nc) or a Zarr store (.zarr), as the
    ending of `path` says.

    Raises
    ------
    InputError
        Another ending.
    """
    suffix = Path(path).suffix
    if suffix not in (".nc", ".zarr"):
        raise InputError(
            path, f"ending '{suffix}', expected .nc (netCDF) or .zarr", "Change the name."
        )
    return Kind(NAMES[kind], lambda there: kind_of(there) == kind, folder=suffix == ".zarr")


def _head(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(4096).decode("utf-8", "replace")


def is_report(path: Path) -> bool:
    """Whether an HTML file is a report that the program wrote."""
    return re.search(r'<meta name="generator" content="bayesmixer [^"]*">', _head(path)) is not None


def is_report_with_data(path: Path) -> bool:
    """Whether an HTML file is a report that was made with the data of its fit."""
    return is_report(path) and '<meta name="bayesmixer-data" content="yes">' in _head(path)


REPORT = Kind("a report", is_report)
POORER_REPORT = Kind("a report", lambda path: is_report(path) and not is_report_with_data(path))


def is_table(path: Path) -> bool:
    """Whether a tab-separated file is a table that the program exported: each kind has columns of
    its own.
    """
    columns = set(_head(path).split("\n")[0].split("\t"))
    return any(
        own <= columns
        for own in (
            {"quantity", "mode", "se"},
            {"in_words", "flagged"},
            {"fit", "verdict"},
            {"cell", "parameter", "replicates"},
        )
    )


EXPORTED = ("fit", "estimate", "check", "compare", "coverage")


def is_json(path: Path) -> bool:
    """Whether a JSON file is what the program exported of a fit, check, comparison or study; notes
    beside other files are not.
    """
    found = json_object(path)
    return "bayesmixer" in found and found.get("kind") in EXPORTED


JSON = Kind("JSON of results", is_json)
TABLE = Kind("a table of results", is_table)


def json_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; {} where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
