"""Munged summary statistics on disk: LDSC's .sumstats.gz or Parquet, and a JSON of where they come
from, both or neither.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
import xarray as xr

from bayesmixer import aside
from bayesmixer.errors import InputError
from bayesmixer.kinds import json_object
from bayesmixer.progress import bar

_TEXT = (".sumstats", ".tsv", ".txt")
_ROWS = 200_000


def provenance_path(out: Path) -> Path:
    """The JSON file that lies beside a munged file."""
    return out.with_name(out.name + ".json")


def _ours(out: Path) -> bool:
    note = json_object(provenance_path(out))
    return "bayesmixer" in note and note.get("output") == out.name


MUNGED = aside.Kind("munged summary statistics", _ours)
PROVENANCE = aside.Kind(
    "the provenance of munged summary statistics", lambda path: "bayesmixer" in json_object(path)
)


def check_destination(out: Path, source: Path, overwrite: bool) -> None:
    """Refuse, before any work, an output that cannot be written.

    Raises
    ------
    InputError
        Unknown suffix, no such folder, the input itself, or a file in the way that munge did not
        write or that is not to be overwritten.
    """
    plain = out.with_suffix("") if out.suffix == ".gz" else out
    if not (out.suffix == ".parquet" or plain.suffix in _TEXT):
        raise InputError(
            out,
            "unknown kind of output",
            "End its name with .sumstats.gz, .tsv.gz, .sumstats, .tsv, .txt or .parquet.",
        )
    if out.exists() and source.exists() and out.samefile(source):
        raise InputError(out, "is the input itself", "Give another name for the output.")
    aside.check(out, MUNGED, replace=overwrite, argument="overwrite=True")
    aside.place(provenance_path(out), PROVENANCE, replace=overwrite, argument="overwrite=True")


def write_munged(
    ds: xr.Dataset, out: Path, options: Mapping[str, Any], progress: bool | None = None
) -> None:
    """Write a Sumstats dataset and its provenance; both appear whole or not at all.

    Parameters
    ----------
    ds
        A Sumstats dataset.
    out
        Output file; its suffix says the kind, see `munge`.
    options
        Options of the run, kept in the provenance.
    progress
        Show a progress bar; None shows it on a terminal.
    """
    from bayesmixer import __version__

    note = {
        k: json.loads(v)
        if k in {"filters", "filters_skipped", "columns", "taken_as_unknown"}
        else v
        for k, v in ds.attrs.items()
    }
    if isinstance(note.get("n_min"), float) and np.isnan(note["n_min"]):
        note["n_min"] = None
    z2 = ds["z"].to_numpy() ** 2
    z2 = z2[np.isfinite(z2)]  # LDSC has blank variants, and an infinite z where P underflows
    note |= {
        "mean_chi2": float(z2.mean()),
        "lambda_gc": float(np.median(z2) / 0.4549),
        "max_chi2": float(z2.max()),
    }
    note |= {"options": dict(options), "output": out.name, "bayesmixer": __version__}
    text = json.dumps(note, indent=2, default=str) + "\n"
    # the provenance is renamed first: it is what says that the other is munge's own
    with (
        aside.writing(out, MUNGED) as beside,
        aside.writing(provenance_path(out), PROVENANCE) as note_beside,
    ):
        with beside.open("wb") as f:
            _write(ds, out, f, progress)
        note_beside.write_text(text, encoding="utf-8")


def _write(ds: xr.Dataset, out: Path, f: BinaryIO, progress: bool | None) -> None:
    if out.suffix == ".parquet":
        frame = pl.DataFrame({str(name): _series(ds[name].to_numpy()) for name in ds.data_vars})
        frame.write_parquet(f, compression="zstd")
        return
    # no name and no time in the gzip header: the same input gives the same bytes
    stream: Any = (
        gzip.GzipFile(filename="", fileobj=f, mode="wb", compresslevel=5, mtime=0)
        if out.suffix == ".gz"
        else f
    )
    n = ds.sizes["variant"]
    whole = bool((ds["n"].to_numpy() % 1 == 0).all())
    like_ldsc = bool(ds.attrs.get("like_ldsc"))
    if like_ldsc:  # whole numbers without decimals only where the file has them
        whole = whole and "n" in json.loads(ds.attrs["columns"])
    placed = bool((ds["pos"].to_numpy() > 0).any())
    with bar(f"Writing {out.name}", n, progress) as b:
        for start in range(0, n, _ROWS):
            part = ds.isel(variant=slice(start, start + _ROWS))
            columns = {"SNP": "snp", "A1": "a1", "A2": "a2", "Z": "z", "N": "n"} | (
                {"CHR": "chrom", "BP": "pos"} if placed else {}
            )
            if "eaf" in part:
                columns["FRQ"] = (
                    # of A1: without it nobody sees later that the alleles were taken the wrong way
                    # round
                    "eaf"
                )
            frame = pl.DataFrame(
                {head: _series(part[name].to_numpy()) for head, name in columns.items()}
            )
            if like_ldsc:
                frame = frame.fill_nan(None)
            # six decimals of z are a thousandth of the rounding of any published P
            frame = frame.with_columns(
                pl.col("Z") if like_ldsc else pl.col("Z").round(6),
                pl.col("N").cast(pl.Int64) if whole else pl.col("N").round(3),
            )
            if "FRQ" in columns:
                frame = frame.with_columns(pl.col("FRQ").fill_nan(None).round(6))
            stream.write(
                frame.write_csv(
                    separator="\t",
                    include_header=start == 0,
                    quote_style="never",
                    float_precision=3 if like_ldsc else None,
                ).encode()
            )
            b.advance(part.sizes["variant"])
    if stream is not f:
        stream.close()


def _series(values: np.ndarray) -> pl.Series:
    return (
        pl.Series(values.tolist(), dtype=pl.String)
        if values.dtype.kind in "OUT"
        else pl.Series(values)
    )
