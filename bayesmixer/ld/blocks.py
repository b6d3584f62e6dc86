"""LD blocks: nearly independent stretches of the genome, read from a BED file or cut at the gaps of
the LD graph.

The named set `eur_hg19` is Berisa & Pickrell 2016 (Bioinformatics 32:283), European, GRCh37, 1,703
blocks.
"""

from __future__ import annotations

import zlib
from importlib.resources import as_file, files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from bayesmixer.errors import InputError
from bayesmixer.io.chromosomes import chromosome_name, chromosome_rank

NAMED_BLOCKS = {"eur_hg19": "ld_blocks_eur_hg19.bed.gz"}


def read_blocks(source: str | Path | pd.DataFrame) -> pd.DataFrame:
    """Read LD blocks from a BED-like file, a named set or a table.

    Parameters
    ----------
    source
        Path of a file with chromosome, start and stop in its first three columns (separated by
        white space, with or without a header, plain or gzip), the name `"eur_hg19"`, or a DataFrame
        with columns `chrom` (or `chr`), `start`, `stop` (or `end`).

    Returns
    -------
    pandas.DataFrame
        Columns `chrom` (str, as `"22"`), `start`, `stop` (int64, base pairs; a block is start < pos
        <= stop), in genome order.

    Raises
    ------
    InputError
        No such file, too few columns, a position that is no number, start >= stop, overlapping
        blocks, or no block at all.

    References
    ----------
    Berisa & Pickrell 2016, Bioinformatics 32:283 (the set `eur_hg19`).
    """
    if isinstance(source, pd.DataFrame):
        where, rows = "blocks", _rows_of_table(source)
    else:
        where, rows = str(source), _rows_of_file(source)
    if not rows:
        raise InputError(where, "no LD block in it", "Expected lines of chromosome, start, stop.")
    values = []
    for line, (chrom, start, stop) in rows:
        try:
            first, last = int(float(start)), int(float(stop))
        except (ValueError, OverflowError):
            raise InputError(
                f"{where}, line {line}",
                f"positions '{start}' and '{stop}', expected two whole numbers",
                "Expected chromosome, start, stop.",
            ) from None
        if not 0 <= first < last:
            raise InputError(
                f"{where}, line {line}", f"block from {first} to {last}, expected 0 <= start < stop"
            )
        values.append((chromosome_name(chrom), first, last))
    values.sort(key=lambda v: (chromosome_rank(v[0]), v[1]))
    for before, after in pairwise(values):
        if before[0] == after[0] and after[1] < before[2]:
            raise InputError(
                where,
                f"blocks {before[0]}:{before[1]}-{before[2]} and "
                f"{after[0]}:{after[1]}-{after[2]} overlap",
                "LD blocks must divide the chromosome; remove one of the two.",
            )
    return pd.DataFrame(
        {
            "chrom": [v[0] for v in values],
            "start": [v[1] for v in values],
            "stop": [v[2] for v in values],
        }
    )


def _rows_of_table(table: pd.DataFrame) -> list[tuple[int, tuple[Any, Any, Any]]]:
    names = {str(c).lower().lstrip("#"): c for c in table.columns}
    columns = [
        next((names[n] for n in wanted if n in names), None)
        for wanted in (("chrom", "chr", "chromosome"), ("start",), ("stop", "end"))
    ]
    if None in columns:
        raise InputError(
            "blocks", f"columns {', '.join(map(str, table.columns))}; expected chrom, start, stop"
        )
    return list(enumerate(zip(*(table[c] for c in columns), strict=True), start=1))


def _rows_of_file(source: str | Path) -> list[tuple[int, tuple[str, str, str]]]:
    if str(source) in NAMED_BLOCKS:
        with as_file(files("bayesmixer.data") / NAMED_BLOCKS[str(source)]) as path:
            return _rows_of_file(path)
    path = Path(source)
    if not path.is_file():
        raise InputError(
            source,
            "no such file of LD blocks, and no set of that name",
            f"Give a BED file or one of: {', '.join(NAMED_BLOCKS)}.",
        )
    try:
        data = path.read_bytes()
        text = (zlib.decompress(data, 31) if data[:2] == b"\x1f\x8b" else data).decode()
    except (OSError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(
            source,
            f"cannot be read as text ({error})",
            "Expected a plain or gzip-compressed BED file.",
        ) from None
    rows: list[tuple[int, tuple[str, str, str]]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0] in ("track", "browser") or fields[0].startswith("#"):
            continue
        if len(fields) < 3:
            raise InputError(
                f"{source}, line {number}",
                f"{len(fields)} column(s), expected chromosome, start, stop separated by white "
                "space",
            )
        if not rows and fields[1].lower() in ("start", "chromstart", "begin"):
            continue
        rows.append((number, (fields[0], fields[1], fields[2])))
    return rows


def label_blocks(chrom: ArrayLike, pos: ArrayLike, blocks: pd.DataFrame) -> NDArray[np.int64]:
    """Label every variant with its LD block.

    Within a chromosome the label is the number of block ends below the position (a block is start <
    pos <= stop), so variants before the first or beyond the last block, or in a hole, have a label
    too. Chromosomes never share a label.

    Parameters
    ----------
    chrom
        Chromosome of each variant, shape (variant,).
    pos
        Base-pair position, shape (variant,).
    blocks
        What `read_blocks` returns.

    Returns
    -------
    numpy.ndarray
        int64, shape (variant,); rises with genome order, with holes where a block has no variant.

    Raises
    ------
    InputError
        A chromosome of the variants has no block.
    """
    codes, names = pd.factorize(np.asarray(chrom, dtype=object))
    position = np.asarray(pos, dtype=np.int64)
    label = np.zeros(len(position), np.int64)
    stops = {
        str(c): np.sort(g.to_numpy(np.int64))
        for c, g in blocks.groupby("chrom", sort=False)["stop"]
    }
    # one label more than there are blocks: what lies beyond the last stop
    offsets, total = {}, 0
    for c in sorted(stops, key=chromosome_rank):
        offsets[c] = total
        total += len(stops[c]) + 1
    for code, name in enumerate(names):
        c = chromosome_name(name)
        if c not in stops:
            raise InputError(
                "blocks",
                f"no LD block on chromosome {c}, which has {int((codes == code).sum()):,} variants",
                "Give blocks for each chromosome.",
            )
        of_c = codes == code
        label[of_c] = offsets[c] + np.searchsorted(stops[c], position[of_c])
    return label


def blocks_from_gaps(
    indptr: ArrayLike, index: ArrayLike, r2: ArrayLike, *, target_size: int = 600
) -> NDArray[np.int64]:
    """Cut one chromosome into LD blocks where the fewest neighbours are parted.

    The cuts minimise the sum of r^2 of the neighbour pairs that they part, plus ((size - target) /
    target)^2 for each block, among all divisions into blocks of half to one and a half times
    `target_size` variants (exact, by dynamic programming).

    Parameters
    ----------
    indptr, index, r2
        Neighbours as symmetric CSR: row pointers (variant + 1), columns and r^2 (edge), the self
        pair left out.
    target_size
        Wanted number of variants in a block.

    Returns
    -------
    numpy.ndarray
        int64, shape (variant,): 0, 1, ... without a hole.

    Raises
    ------
    InputError
        `target_size` is below 2.
    """
    if target_size < 2:
        raise InputError("target_size", f"{target_size} variants, expected at least 2")
    pointers = np.asarray(indptr, np.int64)
    n = len(pointers) - 1
    if n < 2 * target_size:
        # too short for the range of sizes: equal numbers decide, and one block is the floor
        lowest, highest = max(1, min(n, target_size // 2)), max(1, n)
    else:
        lowest, highest = target_size // 2, (3 * target_size) // 2
    if n == 0:
        return np.zeros(0, np.int64)
    crossing = _crossing(pointers, np.asarray(index, np.int64), np.asarray(r2, np.float64))
    return np.asarray(_cut(crossing, lowest, highest, float(target_size)), np.int64)


@nb.njit(cache=True)
def _crossing(indptr, index, r2):  # type: ignore[no-untyped-def]
    """Sum of r^2 of the pairs i < b <= j for every cut b, by differences."""
    n = len(indptr) - 1
    out = np.zeros(n + 1)
    for i in range(n):
        for e in range(indptr[i], indptr[i + 1]):
            if index[e] > i:
                out[i + 1] += r2[e]
                out[index[e] + 1] -= r2[e]
    total = 0.0
    for b in range(n + 1):
        total += out[b]
        out[b] = max(total, 0.0)
    return out


@nb.njit(cache=True)
def _cut(crossing, lowest, highest, target):  # type: ignore[no-untyped-def]
    """Labels of the cheapest division; best[b] is the cost of dividing the first b variants."""
    n = len(crossing) - 1
    best = np.full(n + 1, np.inf)
    previous = np.zeros(n + 1, np.int64)
    best[0] = 0.0
    for b in range(lowest, n + 1):
        cut = crossing[b] if b < n else 0.0
        for size in range(lowest, min(highest, b) + 1):
            cost = best[b - size] + cut + ((size - target) / target) ** 2
            if cost < best[b]:
                best[b] = cost
                previous[b] = b - size
    label = np.zeros(n, np.int64)
    b, blocks = n, 0
    while b > 0:
        label[previous[b] : b] = blocks
        blocks += 1
        b = previous[b]
    return blocks - 1 - label
