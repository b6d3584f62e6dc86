"""Genomic regions to leave out: the MHC, the regions of long-range LD, `chromosome:start-end`, or a
BED file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.io.chromosomes import chromosome_name
from bayesmixer.io.compression import lines_of
from bayesmixer.io.long_range_ld import LONG_RANGE_LD

# as MiXeR 2.2 leaves out by default; covers the region in GRCh37 and GRCh38
MHC = "6:25000000-35000000"
_RANGE = re.compile(r"(?i)(?:chr)?([0-9]{1,2}|X|Y|XY|MT|M)(?::([\d,]+)-([\d,]+))?")
_MISSING = {"", ".", "NA", "NAN", "NULL", "NONE", "-", "0"}


def chromosome(name: str) -> str:
    """Plain name of a chromosome as `chromosome_name` gives it (and XY as X); "" for a missing
    one.
    """
    text = chromosome_name(name)
    return "" if text in _MISSING else "X" if text == "XY" else text


class Regions:
    """A set of genomic intervals, 1-based and inclusive.

    Parameters
    ----------
    items
        Each "MHC", "long-range-LD-GRCh37" or "long-range-LD-GRCh38" (`long_range_ld`), "6",
        "6:25000000-35000000" (a "chr" before is allowed) or the path of a BED file (0-based,
        half-open).
    """

    def __init__(self, items: Iterable[str | os.PathLike[str]]) -> None:
        raw: dict[str, list[tuple[int, int]]] = {}
        for item in items:
            for chrom, start, end in _parse(item):
                raw.setdefault(chrom, []).append((start, end))
        self._starts: dict[str, NDArray[np.int64]] = {}
        self._ends: dict[str, NDArray[np.int64]] = {}
        for chrom, intervals in raw.items():
            merged: list[list[int]] = []
            for start, end in sorted(intervals):
                if merged and start <= merged[-1][1] + 1:
                    merged[-1][1] = max(end, merged[-1][1])
                else:
                    merged.append([start, end])
            self._starts[chrom] = np.array([m[0] for m in merged], dtype=np.int64)
            self._ends[chrom] = np.array([m[1] for m in merged], dtype=np.int64)

    def __bool__(self) -> bool:
        return bool(self._starts)

    def contains(self, chrom: pl.Series, pos: pl.Series) -> pl.Series:
        """Boolean series: which variants lie in the regions (never those without a position)."""
        inside = np.zeros(len(pos), dtype=bool)
        positions = pos.to_numpy()
        for name, starts in self._starts.items():
            rows = np.flatnonzero((chrom == name).to_numpy())
            at = positions[rows]
            k = np.searchsorted(starts, at, side="right") - 1
            inside[rows] = (k >= 0) & (at <= self._ends[name][k]) & (at > 0)
        return pl.Series(inside)


def _parse(item: str | os.PathLike[str]) -> list[tuple[str, int, int]]:
    text = str(item).strip()
    if text.upper() == "MHC":
        text = MHC
    if text.upper() in LONG_RANGE_LD:
        return list(LONG_RANGE_LD[text.upper()])
    if match := _RANGE.fullmatch(text):
        start, end = (int(g.replace(",", "")) if g else None for g in match.groups()[1:])
        start, end = (1, 1 << 40) if start is None or end is None else (start, end)
        if end < start:
            raise InputError(
                "exclude",
                f"region '{text}' ends before it starts",
                "Write it as chromosome:start-end.",
            )
        return [(chromosome(match[1]), start, end)]
    path = Path(text)
    if not path.is_file():
        raise InputError(
            "exclude",
            f"'{text}' is neither a region nor a BED file",
            "Write 6:25000000-35000000, MHC, long-range-LD-GRCh37 (or 38), or the path of a BED "
            "file.",
        )
    return _read_bed(path)


def _read_bed(path: Path) -> list[tuple[str, int, int]]:
    out = []
    try:
        lines = lines_of(path, "strict")
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(
            path,
            f"cannot be read as a BED file ({error})",
            "Give plain text: chromosome, start, end.",
        ) from error
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields or fields[0].startswith(("#", "track", "browser")):
            continue
        if len(fields) >= 3 and fields[1].isdigit() and fields[2].isdigit():
            if int(fields[2]) < int(fields[1]):
                told = f"line {number} ends before it starts ({line[:40]!r})"
                raise InputError(path, told, "Write chromosome, start, end.")
            out.append((chromosome(fields[0]), int(fields[1]) + 1, int(fields[2])))
        elif number > 1:  # the first line may be a header
            raise InputError(
                path,
                f"line {number} is no BED interval ({line[:40]!r}), expected chromosome, "
                "start, end",
                "Repair the line.",
            )
    if not out:
        raise InputError(
            path, "no interval found, expected lines of chromosome, start, end", "Give a BED file."
        )
    return out
