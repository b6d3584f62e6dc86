"""Pairs in close LD (plain r^2 >= 0.1), gathered tile by tile into a symmetric CSR: what random
pruning walks along.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

Edges = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]


@nb.njit(cache=True, nogil=True)
def _close(r, rows, columns, hi, tag_row, least):  # type: ignore[no-untyped-def]
    n = 0
    for j in range(len(rows)):
        for c in range(len(columns)):
            n += rows[j] < columns[c] < hi[rows[j]] and r[j, c] * r[j, c] >= least
    left, right, r2 = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.float32)
    n = 0
    for j in range(len(rows)):
        for c in range(len(columns)):
            if rows[j] < columns[c] < hi[rows[j]] and r[j, c] * r[j, c] >= least:
                left[n], right[n] = tag_row[rows[j]], tag_row[columns[c]]
                r2[n] = min(r[j, c] * r[j, c], np.float32(1.0))
                n += 1
    return left, right, r2


def close_pairs(
    r: NDArray[np.float32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    hi: NDArray[np.int64],
    tag_row: NDArray[np.int64],
    least: float,
) -> Edges:
    """Pairs of a tile with r^2 >= `least`, each once, the left variant first, as rows of the tags.

    Parameters
    ----------
    r
        (rows, columns) correlations.
    rows, columns
        Variants of the tile.
    hi
        (variant,) partners of a variant j end before hi[j].
    tag_row
        (variant,) row of a variant among the tags.
    least
        Smallest r^2.

    Returns
    -------
    tuple of numpy.ndarray
        left, right, r2.
    """
    left, right, r2 = _close(r, rows, columns, hi, tag_row, np.float32(least))
    return left, right, r2


@nb.njit(cache=True, nogil=True)
def _fill(left, right, r2, n):  # type: ignore[no-untyped-def]
    indptr = np.zeros(n + 1, np.int64)
    for e in range(len(left)):
        indptr[left[e] + 1] += 1
        indptr[right[e] + 1] += 1
    for j in range(n):
        indptr[j + 1] += indptr[j]
    at = indptr[:-1].copy()
    index, value = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.float32)
    # pairs come sorted by (left, right): first what lies left of each row, then what lies right,
    # both ascending
    for e in range(len(left)):
        index[at[right[e]]], value[at[right[e]]] = left[e], r2[e]
        at[right[e]] += 1
    for e in range(len(left)):
        index[at[left[e]]], value[at[left[e]]] = right[e], r2[e]
        at[left[e]] += 1
    return indptr, index, value


def symmetric_csr(
    pairs: list[Edges], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Symmetric CSR of pairs listed once each.

    Parameters
    ----------
    pairs
        Lists of `close_pairs`.
    n
        Number of rows.

    Returns
    -------
    tuple of numpy.ndarray
        indptr (n + 1), index and r2 (edge), columns ascending in each row, the variant itself left
        out.
    """
    if not pairs:
        return np.zeros(n + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32)
    left, right, r2 = (np.concatenate(part) for part in zip(*pairs, strict=True))
    order = np.lexsort((right, left))
    indptr, index, value = _fill(left[order], right[order], r2[order], n)
    return indptr, index, value
