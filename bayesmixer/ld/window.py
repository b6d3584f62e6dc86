"""Which variants count as partners: windows in cM, kb or variants around a variant, or the LD block
it lies in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmixer.errors import InputError

_UNITS = {
    "cm": "cM",
    "kb": "kb",
    "mb": "Mb",
    "bp": "bp",
    "variant": "variants",
    "variants": "variants",
    "snp": "variants",
    "snps": "variants",
}
_IN_KB = {"kb": 1.0, "Mb": 1000.0, "bp": 0.001}


@dataclass(frozen=True)
class Window:
    """A window: `unit` is "cM", "kb", "variants" or "ld_blocks", `size` the distance (both sides),
    `name` how it is recorded.
    """

    unit: str
    size: float
    name: str
    blocks: pd.DataFrame | None = None


def parse_window(window: str | Path | pd.DataFrame) -> Window:
    """Understand the `window` argument of `build_reference`.

    Parameters
    ----------
    window
        A distance such as "1cM", "1000kb", "1Mb" or "500variants", the name of a set of LD blocks
        ("eur_hg19"), a BED file of LD blocks, or a table of them with columns chrom, start, stop.

    Returns
    -------
    Window

    Raises
    ------
    InputError
        Not one of these, or a distance that is not positive.
    """
    if isinstance(window, pd.DataFrame):
        from bayesmixer.ld.blocks import read_blocks

        return Window("ld_blocks", 0.0, "table", read_blocks(window))
    text = str(window).strip()
    match = re.fullmatch(r"([-+]?[0-9.]+(?:e[-+]?\d+)?)\s*([A-Za-z]+)", text)
    if match and match[2].lower() in _UNITS:
        unit = _UNITS[match[2].lower()]
        try:
            size = float(match[1])
        except ValueError:
            size = float("nan")
        if not (0 < size < float("inf")) or (unit == "variants" and size != int(size)):
            raise InputError(
                "window",
                f"'{text}', expected a positive distance such as 1cM, 1000kb or 500variants",
            )
        if unit in _IN_KB:
            size, unit = size * _IN_KB[unit], "kb"
        return Window(unit, size, f"{size:g}{unit}" if unit != "variants" else f"{size:g} variants")
    from bayesmixer.ld.blocks import NAMED_BLOCKS, read_blocks  # numba, half a second

    if text in NAMED_BLOCKS or Path(text).is_file():
        return Window(
            "ld_blocks", 0.0, text if text in NAMED_BLOCKS else Path(text).name, read_blocks(text)
        )
    raise InputError(
        "window",
        f"'{text}' is neither a distance nor a file of LD blocks",
        f"Expected 1cM, 1000kb, 500variants, a BED file or {', '.join(NAMED_BLOCKS)}.",
    )


def default_window(cm: list[NDArray[np.float64]]) -> Window:
    """1 cM where every chromosome has genetic positions, else 1000 kb."""
    return parse_window("1cM" if all(_has_cm(c) for c in cm) else "1000kb")


def _has_cm(cm: NDArray[np.float64]) -> bool:
    return len(cm) < 2 or bool(np.ptp(cm) > 0 and (np.diff(cm) >= 0).all())


def check_window(window: Window, chrom: str, cm: NDArray[np.float64], source: object) -> None:
    """Check, before anything long runs, that a chromosome can be cut by this window.

    Raises
    ------
    InputError
        A cM window without (or with falling) genetic positions, or no LD block on the chromosome.
    """
    if window.unit == "cM" and not _has_cm(cm):
        what = (
            "no genetic positions (cM is constant)"
            if np.ptp(cm) == 0
            else "genetic positions (cM) fall along the chromosome"
        )
        raise InputError(
            source,
            f"{what} on chromosome {chrom}",
            "Use a window in kb or LD blocks, or add a genetic map: plink --cm-map.",
        )
    if window.blocks is not None and not (window.blocks["chrom"] == chrom).any():
        has = ", ".join(dict.fromkeys(window.blocks["chrom"]))
        raise InputError(
            f"window {window.name}",
            f"no LD block on chromosome {chrom} (blocks of: {has})",
            "Give blocks for it, or choose chromosomes.",
        )


def bounds(
    window: Window, chrom: str, pos: NDArray[np.int64], cm: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """First and last partner of every variant of a chromosome.

    Parameters
    ----------
    window
        The window.
    chrom
        Name of the chromosome.
    pos, cm
        (variant,) positions, not decreasing.

    Returns
    -------
    lo, hi : numpy.ndarray
        (variant,) the partners of j are lo[j] .. hi[j] - 1, itself included; i is a partner of j
        when j is one of i.
    label : numpy.ndarray
        (variant,) LD block, -1 where the window is a distance.
    """
    m = len(pos)
    label = np.full(m, -1, np.int32)
    if window.blocks is not None:
        from bayesmixer.ld.blocks import label_blocks

        label = label_blocks(np.full(m, chrom, dtype=object), pos, window.blocks).astype(np.int32)
        hi = np.searchsorted(label, label, "right")
    elif window.unit == "variants":
        hi = np.minimum(np.arange(m) + int(window.size) + 1, m)
    else:
        # a hair wider, so that a distance of exactly the limit is inside whatever its rounding
        # (LDSC: |distance| <= limit)
        place = cm if window.unit == "cM" else pos / 1000.0
        hi = np.searchsorted(place, place + window.size * (1 + 1e-12) + 1e-9, "right")
    lo = np.searchsorted(hi, np.arange(m), "right")
    return lo.astype(np.int64), hi.astype(np.int64), label


def ldsc_bounds(
    lo: NDArray[np.int64], chunk: int = 50
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Windows as LDSC 1.0.1 has them: cut along the chromosome into chunks, so that what counts
    as a partner depends on their size.

    The window of a chunk's first variant, made longer to a whole number of chunks, serves them
    all; the variants up to the first whose window leaves one out are partners of each other.

    Parameters
    ----------
    lo
        (variant,) first partners in exact windows (`bounds`).
    chunk
        Variants a chunk; LDSC's `--chunk-size`.

    Returns
    -------
    lo, hi : numpy.ndarray
        (variant,) as of `bounds`.
    """
    m = len(lo)
    at = np.arange(m)
    start = at // chunk * chunk
    left_out = np.flatnonzero(lo > 0)
    first_block = min(-(-int(left_out[0]) // chunk) * chunk, m) if len(left_out) else m
    wide = start - -(-(start - lo[start]) // chunk) * chunk
    wide[at < first_block] = 0
    return wide, np.searchsorted(wide, at, "right").astype(np.int64)


def tiles(hi: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Cut a chromosome into runs of at most `size` variants, where possible between variants that
    have no partners in common.

    Returns
    -------
    numpy.ndarray
        Edges, 0 first and the number of variants last.
    """
    m = len(hi)
    breaks = (
        np.r_[np.flatnonzero(hi[: m - 1] == np.arange(1, m)) + 1, m] if m else np.zeros(0, np.int64)
    )
    edges, start = [0], 0
    for i, stop in enumerate(breaks.tolist()):
        if i + 1 < len(breaks) and breaks[i + 1] - start <= size:
            continue  # the next component fits in as well
        parts = max(1, -(-(stop - start) // size))
        edges += [start + (stop - start) * p // parts for p in range(1, parts + 1)]
        start = stop
    return np.asarray(edges, np.int64)
