"""The LD spectrum: S_jk = sum_i x_ij l_k(x_ij), the LD score of variant j split by the strength x
of its partners.

x_ij = H_i^(1+S) r_ij^2 is the strength of partner i (H = 2 f (1 - f) its heterozygosity) and l_k
are the cardinal functions of barycentric interpolation in u = log(x + x0) on K Chebyshev-Lobatto
nodes. A sum over all partners of x g(x), for any smooth g, is then sum_k S_jk g(x_k): the log
characteristic function of a z-score under MiXeR's model needs nothing else (Frei et al. 2019, eq.
1-7; docs/evidence/likelihood.md has the error table).

Evaluating K cardinal functions for every pair is slow. They are smooth in q = sqrt(x), so
`PairTable` cuts the range of q into a few dozen cells with one polynomial of degree 7 each; a pair
adds x t^p (t its place in the cell) to eight moments of one cell, and one matrix product turns a
variant's moments into its spectrum. The error is below 1e-9 of the LD score.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesmixer.errors import InputError

Float = NDArray[np.float64]

K_DEFAULT = 24
X_MAX = 0.5
X0 = 3e-3
_DEGREE = 7
_MOMENTS = _DEGREE + 1


def x_max_of(maf_s: ArrayLike = (0.0,)) -> float:
    """Largest strength that a partner can have under the exponents `maf_s`: (1/2)^(1 + min(S, 0)),
    r^2 = 1 and H = 1/2.
    """
    return float(X_MAX ** (1 + min(0.0, float(np.min(np.asarray(maf_s, dtype=float))))))


def nodes(k: int = K_DEFAULT, x_max: float = X_MAX) -> Float:
    """Strengths x_k of the spectrum's nodes.

    Parameters
    ----------
    k
        Number of nodes, at least 2.
    x_max
        Largest strength; 1/2 unless effects depend on MAF with S < 0 (`x_max_of`).

    Returns
    -------
    numpy.ndarray
        (k,) strengths, descending from `x_max` to 0.
    """
    lo, hi = np.log(X0), np.log(x_max + X0)
    x: Float = np.maximum(
        np.exp(lo + (hi - lo) * (np.cos(np.pi * np.arange(k) / (k - 1)) + 1) / 2) - X0, 0.0
    )
    x[0], x[-1] = x_max, 0.0
    return x


def cardinal(x: ArrayLike, k: int = K_DEFAULT, x_max: float = X_MAX) -> Float:
    """Cardinal functions of the nodes at given strengths (barycentric formula; rows sum to one).

    Parameters
    ----------
    x
        (n,) strengths in [0, x_max].
    k, x_max
        As in `nodes`.

    Returns
    -------
    numpy.ndarray
        (n, k): l_k(x).

    References
    ----------
    Berrut & Trefethen (2004), Barycentric Lagrange interpolation, SIAM Review 46, eq. 4.2.
    """
    lo, hi = np.log(X0), np.log(x_max + X0)
    v = 2 * (np.log(np.asarray(x, dtype=float) + X0) - lo) / (hi - lo) - 1
    w = (-1.0) ** np.arange(k)
    w[[0, -1]] /= 2
    d = v[:, None] - np.cos(np.pi * np.arange(k) / (k - 1))
    d[np.abs(d) < 1e-14] = 1e-14
    q = w / d
    return np.asarray(q / q.sum(1, keepdims=True))


def moving(factor: ArrayLike, node_x: ArrayLike, k: int, x_max: float) -> Float:
    """Matrices that bring spectra at some nodes to strengths multiplied by a factor, at others.

    Parameters
    ----------
    factor
        (n,) by which all strengths are multiplied.
    node_x
        (K,) the nodes that the spectra are at.
    k, x_max
        Those that they are brought to, as in `nodes`; no strength may come to lie above `x_max`.

    Returns
    -------
    numpy.ndarray
        (n, K, k): `spectrum @ matrix`.
    """
    c, x = np.atleast_1d(np.asarray(factor, float)), np.asarray(node_x, float)
    place = cardinal((c[:, None] * x).ravel(), k, x_max)
    return np.asarray(c[:, None, None] * place.reshape(c.size, x.size, k))


def check_nodes(node_x: Float, so: str, remedy: str) -> None:
    """Refuse strengths that are not those of `nodes`.

    Raises
    ------
    InputError
        They are not; it says what hence cannot be done, and the remedy.
    """
    if np.abs(node_x - nodes(node_x.size, node_x[0])).max() > 1e-6 * node_x[0]:
        raise InputError("node_x", f"is not the nodes of an LD spectrum, so {so}", remedy)


@dataclass(frozen=True)
class PairTable:
    """Cells of q = sqrt(x) and the matrix that turns their moments into a spectrum.

    Cells are uniform in q with `fine` cells per unit below `split` and `coarse` above; cell c has
    the moments sum x t^p, p = 0..7, at positions 8 c + p, where t in [-1, 1] is the place of q in
    the cell.
    """

    k: int
    x_max: float
    split: float
    fine: float
    coarse: float
    n_fine: int
    n_cells: int
    to_spectrum: Float

    @property
    def size(self) -> int:
        """Moments per variant."""
        return self.n_cells * _MOMENTS

    @property
    def grid(self) -> tuple[float, float, float, int, int]:
        """What the compiled kernels need: split, fine, coarse, n_fine, n_cells."""
        return self.split, self.fine, self.coarse, self.n_fine, self.n_cells


@lru_cache(maxsize=16)
def pair_table(k: int = K_DEFAULT, x_max: float = X_MAX) -> PairTable:
    """`PairTable` for `k` nodes; the cells shrink as the nodes grow in number."""
    q_max, split = float(np.sqrt(x_max)), 0.16
    # near q = 0 the angle arccos(v) moves 2 / sqrt(L x0) per unit of q; a cell is about 1 / (k - 1)
    # of it wide, above the split, where the angle moves more slowly, twice that
    length = np.log((x_max + X0) / X0)
    steep = (k - 1) * 2 / np.sqrt(length * X0)
    n_fine = max(24, int(np.ceil(split * steep)))
    n_coarse = max(24, int(np.ceil((q_max - split) * steep / 2)))
    fine, coarse = n_fine / split, n_coarse / (q_max - split)
    edges = np.concatenate([np.arange(n_fine) / fine, split + np.arange(n_coarse + 1) / coarse])
    t = np.cos(np.pi * (np.arange(_MOMENTS) + 0.5) / _MOMENTS)
    middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    q = np.clip(middle[:, None] + half[:, None] * t, 0, q_max)
    values = cardinal(q.ravel() ** 2, k, x_max).reshape(len(middle), _MOMENTS, k)
    coefficients = np.linalg.solve(np.vander(t, _MOMENTS, increasing=True), values)
    return PairTable(
        k,
        x_max,
        split,
        fine,
        coarse,
        n_fine,
        len(middle),
        np.ascontiguousarray(coefficients.reshape(-1, k)),
    )


@nb.njit(cache=True, nogil=True, inline="always")
def add_pair(
    moments: Float,
    x: float,
    q: float,
    split: float,
    fine: float,
    coarse: float,
    n_fine: int,
    n_cells: int,
) -> None:
    """Add one pair of strength x = q^2 to a variant's moments."""
    if q < split:
        v = q * fine
        c = int(v)
    else:
        v = (q - split) * coarse + n_fine
        c = min(int(v), n_cells - 1)
    t = 2.0 * (v - c) - 1.0
    t2 = t * t
    t4 = t2 * t2
    o = 8 * c
    a, b, d, e = x, x * t, x * t2, x * t2 * t
    moments[o] += a
    moments[o + 1] += b
    moments[o + 2] += d
    moments[o + 3] += e
    moments[o + 4] += a * t4
    moments[o + 5] += b * t4
    moments[o + 6] += d * t4
    moments[o + 7] += e * t4


@nb.njit(cache=True, nogil=True)
def _pairs(
    moments: Float,
    indptr: NDArray[np.int64],
    x: Float,
    split: float,
    fine: float,
    coarse: float,
    n_fine: int,
    n_cells: int,
) -> None:
    for j in range(len(indptr) - 1):
        row = moments[j]
        for e in range(indptr[j], indptr[j + 1]):
            add_pair(row, x[e], np.sqrt(x[e]), split, fine, coarse, n_fine, n_cells)


@nb.njit(cache=True, nogil=True)
def _block(
    moments: Float,
    r: Float,
    h: Float,
    split: float,
    fine: float,
    coarse: float,
    n_fine: int,
    n_cells: int,
) -> None:
    for j in range(moments.shape[0]):
        row = moments[j]
        for i in range(r.shape[1]):
            x = h[i] * r[j, i] * r[j, i]
            add_pair(row, x, np.sqrt(x), split, fine, coarse, n_fine, n_cells)


def spectrum_from_pairs(
    indptr: ArrayLike, x: ArrayLike, k: int = K_DEFAULT, x_max: float = X_MAX
) -> Float:
    """LD spectra of variants whose partners are listed one by one.

    Parameters
    ----------
    indptr
        (variants + 1,) row pointers: variant j has the partners indptr[j] .. indptr[j+1] - 1 (none
        is allowed).
    x
        (pairs,) strengths of the partners in [0, x_max], the variant itself included.
    k, x_max
        As in `nodes`.

    Returns
    -------
    numpy.ndarray
        (variants, k): S_jk; a row sums to the variant's sum of x.
    """
    rows = np.ascontiguousarray(indptr, dtype=np.int64)
    strength = np.ascontiguousarray(x, dtype=float)
    table = pair_table(k, x_max)
    out = np.zeros((len(rows) - 1, k))
    step = max(1, 2**24 // table.size)  # at most 128 MiB of moments at a time
    for a in range(0, len(out), step):
        part = rows[a : a + step + 1]
        moments = np.zeros((len(part) - 1, table.size))
        _pairs(moments, part, strength, *table.grid)
        out[a : a + step] = moments @ table.to_spectrum
    return out


def spectrum_of_block(
    r: ArrayLike, h: ArrayLike, k: int = K_DEFAULT, x_max: float = X_MAX
) -> Float:
    """LD spectra of the variants of one dense block, every pair counted as it is (plain r^2).

    Parameters
    ----------
    r
        (variants, partners) correlations; for a square block the diagonal is 1.
    h
        (partners,) heterozygosity, or H^(1+S).
    k, x_max
        As in `nodes`.

    Returns
    -------
    numpy.ndarray
        (variants, k): S_jk with x_ij = h_i r_ij^2.
    """
    rr, hh = np.ascontiguousarray(r, dtype=float), np.ascontiguousarray(h, dtype=float)
    table = pair_table(k, x_max)
    out = np.zeros((len(rr), k))
    step = max(1, 2**24 // table.size)
    for a in range(0, len(rr), step):
        moments = np.zeros((len(rr[a : a + step]), table.size))
        _block(moments, rr[a : a + step], hh, *table.grid)
        out[a : a + step] = moments @ table.to_spectrum
    return out
