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
import polars.selectors as cs

from bayesmixer import aside
from bayesmixer.errors import InputError
from bayesmixer.kinds import json_object
from bayesmixer.progress import bar

_TEXT = (".sumstats", ".tsv", ".txt")
_ROWS = 200_000
LEVEL = 1  # of gzip: a third of the time of the usual one, an eighth larger


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
    frame: pl.DataFrame,
    attributes: Mapping[str, Any],
    out: Path,
    options: Mapping[str, Any],
    progress: bool | None = None,
) -> None:
    """Write summary statistics and their provenance; both appear whole or not at all.

    Parameters
    ----------
    frame, attributes
        Variables of a Sumstats dataset by column, and its attributes.
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
        for k, v in attributes.items()
    }
    if isinstance(note.get("n_min"), float) and np.isnan(note["n_min"]):
        note["n_min"] = None
    z2 = frame["z"].fill_null(float("nan")).to_numpy() ** 2
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
            _write(frame, attributes, out, f, progress)
        note_beside.write_text(text, encoding="utf-8")


def _write(
    frame: pl.DataFrame,
    attributes: Mapping[str, Any],
    out: Path,
    f: BinaryIO,
    progress: bool | None,
) -> None:
    if out.suffix == ".parquet":
        frame.with_columns(cs.float().fill_null(float("nan"))).write_parquet(f, compression="zstd")
        return
    # no name and no time in the gzip header: the same input gives the same bytes
    stream: Any = (
        gzip.GzipFile(filename="", fileobj=f, mode="wb", compresslevel=LEVEL, mtime=0)
        if out.suffix == ".gz"
        else f
    )
    like_ldsc = bool(attributes.get("like_ldsc"))
    n = frame["n"]
    whole = bool((n % 1 == 0).all()) and not n.has_nulls()
    if like_ldsc:  # whole numbers without decimals only where the file has them
        whole = whole and "n" in json.loads(attributes["columns"])
    columns = {"snp": "SNP", "a1": "A1", "a2": "A2", "z": "Z", "n": "N"}
    if like_ldsc and not (frame["a1"] != "").any():  # --no-alleles
        columns = {name: columns[name] for name in ("snp", "z", "n")}
    if (frame["pos"] > 0).any():
        columns |= {"chrom": "CHR", "pos": "BP"}
    if "eaf" in frame.columns:  # of A1: without it nobody sees that alleles were taken the wrong
        columns["eaf"] = "FRQ"  # way round
    count = pl.col("N").cast(pl.Int64) if whole else pl.col("N").round(3)
    # six decimals of z are a thousandth of the rounding of any published P
    rounded = [count] if like_ldsc else [count, pl.col("Z").round(6)]
    if "eaf" in columns:
        rounded.append(pl.col("FRQ").fill_nan(None).round(6))
    with bar(f"Writing {out.name}", frame.height, progress) as b:
        for start in range(0, frame.height, _ROWS):
            part = (
                frame.slice(start, _ROWS)
                .select(list(columns))
                .rename(columns)
                .with_columns(rounded)
            )
            stream.write(_text(part, header=start == 0, decimals=3 if like_ldsc else None))
            b.advance(part.height)
    if stream is not f:
        stream.close()


def _text(part: pl.DataFrame, header: bool, decimals: int | None) -> bytes:
    return part.write_csv(
        separator="\t", include_header=header, quote_style="never", float_precision=decimals
    ).encode()
