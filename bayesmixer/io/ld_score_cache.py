"""LD scores once read, kept in the user's cache in a form that is read in a fifth of the time.

What lies there is known by the files it was made of: their paths, sizes, times and a digest of
their ends. If one of them is another, the text is read and what was kept of it replaced. Nothing is
written beside the files, nothing outside the folder of this package, and where that cannot be
written nothing is kept. `BAYESMIXER_CACHE` names another folder for it; `off` keeps nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from bayesmixer import aside

VERSION = "1"  # of what is kept
WORTH = 1 << 22  # bytes of text, packed or not, below which reading it takes no time
MOST = 20_000_000  # numbers that are kept of one set of files
SETS = 20  # that are kept, the newest
END = 1 << 16  # bytes at either end that are digested
OURS = re.compile(r"[0-9a-f]{16}\.[0-9a-f]{24}\.parquet")  # names that `place_of` gives


def folder() -> Path | None:
    """Where LD scores are kept; None where they are not."""
    named = os.environ.get("BAYESMIXER_CACHE")
    if named is not None and named.lower() in ("off", "0", ""):
        return None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bayesmixer"
    return (Path(named) if named else cache) / "ld_scores"


def place_of(files: Sequence[Path], beside: Sequence[Path]) -> Path | None:
    """Where the LD scores of these files are kept, or would be: its name tells the files' paths
    and contents. None where they are not worth it.

    Parameters
    ----------
    files, beside
        Of the LD scores, and of their totals.
    """
    into = folder()
    if into is None:
        return None
    try:
        stats = [file.stat() for file in files]
        if sum(one.st_size for one in stats) < WORTH:
            return None
        paths = hashlib.sha256("\0".join(str(file.resolve()) for file in files).encode())
        content = hashlib.sha256(VERSION.encode())
        for file, one in zip(files, stats, strict=True):
            content.update(f"{one.st_size} {one.st_mtime_ns} ".encode())
            with file.open("rb") as text:
                content.update(text.read(END))
                if one.st_size > END:
                    text.seek(-END, os.SEEK_END)
                    content.update(text.read(END))
        for file in beside:
            content.update(file.read_bytes())
    except OSError:
        return None
    return into / f"{paths.hexdigest()[:16]}.{content.hexdigest()[:24]}.parquet"


def get(place: Path | None) -> tuple[pl.DataFrame, dict[str, list[float]]] | None:
    """Table and totals kept at a place, None where there are none that can be read."""
    if place is None or not place.is_file():
        return None
    try:
        told = pl.read_parquet_metadata(place)
        return pl.read_parquet(place), json.loads(told["totals"])
    except Exception:  # half a file, or another program's: as if it were not there
        return None


def put(place: Path | None, table: pl.DataFrame, totals: dict[str, list[float]]) -> None:
    """Keep a table, and remove what was kept of the same files before they changed, and what is
    oldest of many.
    """
    if place is None or table.height * (table.width - 3) > MOST:
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with aside.writing(place) as beside:
            table.write_parquet(beside, compression="lz4", metadata={"totals": json.dumps(totals)})
        ours = (file for file in place.parent.iterdir() if OURS.fullmatch(file.name))
        kept = sorted(ours, key=lambda file: -file.stat().st_mtime_ns)
        own = place.name.split(".")[0]
        for i, other in enumerate(kept):
            if other != place and (i >= SETS or other.name.startswith(f"{own}.")):
                other.unlink(missing_ok=True)
    except Exception:  # full, or not ours to write: the next run reads the text again
        return
