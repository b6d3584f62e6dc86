"""How the data of a likelihood lie in memory: variants sorted by |z| band, LD-score band and LD
block, in chunks (docs/ideas/likelihood.md).

Standardisation: with nu_j = N_j / N_ref, z~_j = |z_j| / sqrt(nu_j) has error variance sigma2_0 /
nu_j and genetic variance that depends on N_ref alone, so one table of g(x_k; s) serves every
variant. N_ref is the largest N, hence 1 / nu_j >= 1.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

CHUNK = 128  # variants a chunk: what stays in cache next to its spectra
LANES = 8  # chunks are padded to whole SIMD registers
# of the largest N: fewer than SOME variants of a smaller N are left to the shifted line, lest all
# pay for their fine steps
LOW_N = 1 / 400
SOME = 0.02
MOST_UNEQUAL = 1e5  # largest over smallest N that is computed
LARGEST = 1e12  # of |z| and of a spectrum
# |z| up to which the cosine sum may serve (frequencies.py decides); beyond: the shifted line
Z_EDGES = (2.0, 4.0, 5.5)


class Chunks(NamedTuple):
    """Variants of the bands, cut into chunks that belong to one LD block and one band each.

    `z`, `inv_nu`, `weight` are flat, padded with weight 0; chunk c holds variants `start[c] :
    start[c + 1]` and, in `spectra`, a (K, n_c) matrix from `K * start[c]`. LD block l holds chunks
    `block_chunk[l] : block_chunk[l + 1]`, sorted by `band`.
    """

    z: Array
    inv_nu: Array
    weight: Array
    spectra: NDArray[np.floating]
    start: NDArray[np.int64]
    band: NDArray[np.int64]
    block_chunk: NDArray[np.int64]


class Bands(NamedTuple):
    """Per band what its quadrature depends on: largest |z|, standardised |z~|, 1 / nu, LD score."""

    z_limit: Array
    zt_max: Array
    inv_nu_max: Array
    ld_max: Array


class Rows(NamedTuple):
    """All evaluated variants one by one (for the shifted line), sorted by LD block; `zt` is the
    censoring point where `censored`.
    """

    zt: Array
    inv_nu: Array
    weight: Array
    spectrum: NDArray[np.floating]
    censored: NDArray[np.bool_]


class Tail(NamedTuple):
    """Row numbers to evaluate on a shifted line, sorted by LD block, and the edges of each LD block
    in them.
    """

    row: NDArray[np.int64]
    block_row: NDArray[np.int64]


class Packed(NamedTuple):
    """Everything the kernels take of the data."""

    chunks: Chunks
    bands: Bands
    rows: Rows
    node_x: Array
    n_ref: float
    parts: NDArray[np.int64]


def _up(a: NDArray[np.int64], b: NDArray[np.int64] | int) -> NDArray[np.int64]:
    """a / b, rounded up."""
    return np.asarray(-(-a // b))


class Cut(NamedTuple):
    """Where the variants of the bands lie: their row numbers (J',) and places (J',) in the flat
    padded arrays; edges, band and LD blocks of the chunks.
    """

    row: NDArray[np.int64]
    place: NDArray[np.int64]
    start: NDArray[np.int64]
    band: NDArray[np.int64]
    block_chunk: NDArray[np.int64]


def by_chunk(
    values: NDArray[np.floating], place: NDArray[np.int64], start: NDArray[np.int64]
) -> NDArray[np.floating]:
    """Values (J', K) at their places as one (K, n_c) matrix a chunk, flat one after another; 0
    where a chunk is padded.
    """
    k = values.shape[1]
    padded = np.zeros((int(start[-1]), k), values.dtype)
    padded[place] = values
    out = np.empty(padded.size, values.dtype)
    for a, b in pairwise(start):
        out[k * a : k * b] = padded[a:b].T.ravel()
    return out


class LikelihoodData:
    """z-scores, sample sizes, weights and LD spectra of the variants of one trait, ready for the
    kernels.

    Parameters
    ----------
    z, n, weight
        (J,) z-scores, sample sizes, composite-likelihood weights. Variants of weight 0 are left
        out.
    spectrum
        (J, K) LD spectrum; its type (float32 or float64) is kept.
    node_x
        (K,) strengths of the nodes, descending, the last 0.
    ld_block
        (J,) label of the LD block, 0 .. L - 1.
    censor
        |z| beyond which a variant counts as "exceeds `censor`" (Frei et al. 2019, eq. 7); None for
        never.
    n_blocks
        L; by default the largest label + 1.

    Raises
    ------
    ValueError
        Shapes disagree, or z, n, weight or spectrum is not finite, or n <= 0, or nothing has a
        positive weight.
    """

    def __init__(
        self,
        z: ArrayLike,
        n: ArrayLike,
        weight: ArrayLike,
        spectrum: NDArray[np.floating],
        node_x: ArrayLike,
        ld_block: ArrayLike,
        censor: float | None = None,
        n_blocks: int | None = None,
    ) -> None:
        z, n, weight = (np.asarray(v, dtype=float) for v in (z, n, weight))
        spectrum = np.asarray(spectrum)
        node_x = np.asarray(node_x, dtype=float)
        block = np.asarray(ld_block, dtype=np.int64)
        if (
            not (z.shape == n.shape == weight.shape == block.shape == spectrum.shape[:1])
            or spectrum.ndim != 2
        ):
            raise ValueError(
                f"z {z.shape}, n {n.shape}, weight {weight.shape}, ld_block {block.shape}, "
                f"spectrum {spectrum.shape}: expected (J,) and (J, K)"
            )
        if node_x.shape != spectrum.shape[1:] or node_x[-1] != 0 or np.any(np.diff(node_x) >= 0):
            raise ValueError(
                "node_x: expected one strength per column of the spectrum, descending to 0"
            )
        if spectrum.dtype not in (np.float32, np.float64):
            spectrum = spectrum.astype(float)
        keep = np.flatnonzero(weight > 0)
        if not keep.size:
            raise ValueError("weight: no variant has a positive weight")
        for name, v in (("z", z), ("n", n), ("weight", weight), ("spectrum", spectrum)):
            if not np.isfinite(v[keep]).all():
                raise ValueError(
                    f"{name}: not finite for {int((~np.isfinite(v[keep])).sum())} values of "
                    "weighted variants"
                )
        for name, v in (("z", z), ("spectrum", spectrum)):
            if not (np.abs(v[keep]) < LARGEST).all():
                raise ValueError(
                    f"{name}: up to {np.abs(v[keep]).max():.3g}, expected below {LARGEST:.0e}"
                )
        if (n[keep] <= 0).any():
            raise ValueError("n: sample sizes must be positive")
        if n[keep].max() > MOST_UNEQUAL * n[keep].min():
            raise ValueError(
                f"n: from {n[keep].min():g} to {n[keep].max():g} for weighted variants, "
                f"expected within a factor of {MOST_UNEQUAL:.0e}: "
                "drop the outliers, or set their weight to 0"
            )
        if censor is not None and not censor > 0:
            raise ValueError(f"censor: {censor}, expected a positive |z|")
        order = keep[np.argsort(block[keep], kind="stable")]
        self.variant = order  # rows of the input that are evaluated
        self.z, self.n, self.weight, self.block = (
            np.abs(z[order]),
            n[order],
            weight[order],
            block[order],
        )
        self.spectrum, self.node_x, self.censor = (
            np.ascontiguousarray(spectrum[order]),
            node_x,
            censor,
        )
        self.n_blocks = int(block.max()) + 1 if n_blocks is None else int(n_blocks)
        self.n_ref = float(self.n.max())

    @property
    def effective_variants(self) -> float:
        """Sum of the weights: the nominal number of variants (cost_n of MiXeR)."""
        return float(self.weight.sum())

    @cached_property
    def digest(self) -> str:
        """Hash of everything the likelihood uses, so that compiled functions of different data are
        never mixed up.
        """
        h = hashlib.sha256()
        for v in (self.z, self.n, self.weight, self.spectrum, self.node_x, self.block):
            h.update(np.ascontiguousarray(v).tobytes())
        h.update(repr((self.censor, self.n_blocks)).encode())
        return h.hexdigest()[:24]

    def subset(self, rows: NDArray[np.int64], weight: Array | None = None) -> LikelihoodData:
        """The likelihood of some of the evaluated variants (rows of the sorted arrays), with other
        weights if given.
        """
        w = self.weight[rows] if weight is None else weight
        return LikelihoodData(
            self.z[rows],
            self.n[rows],
            w,
            self.spectrum[rows],
            self.node_x,
            self.block[rows],
            self.censor,
            self.n_blocks,
        )

    @cached_property
    def inv_nu(self) -> Array:
        """(J,) N_ref / N_j."""
        return self.n_ref / self.n

    @cached_property
    def rows(self) -> Rows:
        """The evaluated variants one by one."""
        censored = np.zeros(self.z.size, bool) if self.censor is None else self.z > self.censor
        z = np.where(censored, self.censor or 0.0, self.z)
        return Rows(z * np.sqrt(self.inv_nu), self.inv_nu, self.weight, self.spectrum, censored)

    @cached_property
    def tails(self) -> tuple[Tail, ...]:
        """Rows left to the shifted line when the cosine sum serves |z| up to 0, and to each edge
        (and all censored rows).
        """
        out = []
        for edge in (-1.0, *Z_EDGES):
            row = np.flatnonzero((self.z > edge) | (self.band_of_row < 0))
            out.append(
                Tail(
                    row,
                    np.searchsorted(self.block[row], np.arange(self.n_blocks + 1)).astype(np.int64),
                )
            )
        return tuple(out)

    @cached_property
    def alone(self) -> NDArray[np.bool_]:
        """Rows of an N so small that only the shifted line serves them, if they are few."""
        low = self.n < LOW_N * self.n_ref
        return np.asarray(low if low.mean() <= SOME else np.zeros(low.size, bool))

    @cached_property
    def band_of_row(self) -> NDArray[np.int64]:
        """Band of each row, -1 for rows that only the shifted line can serve."""
        ld = self.spectrum.sum(1, dtype=float)
        strong = ld > np.quantile(ld, 0.8)
        band = np.where(strong, 1, 0) + 2 * np.searchsorted(Z_EDGES, self.z)
        return np.where((band >= 2 * len(Z_EDGES)) | self.rows.censored | self.alone, -1, band)

    @cached_property
    def bands(self) -> Bands:
        """The bands: |z| up to each edge, times weaker and stronger LD."""
        n_bands = 2 * len(Z_EDGES)
        ld = self.spectrum.sum(1, dtype=float)
        out = np.zeros((3, n_bands))
        out[1] = 1.0
        for b in range(n_bands):
            rows = np.flatnonzero(self.band_of_row == b)
            if rows.size:
                out[:, b] = self.rows.zt[rows].max(), self.inv_nu[rows].max(), ld[rows].max()
        return Bands(np.repeat(Z_EDGES, 2).astype(float), *out)

    @cached_property
    def cut(self) -> Cut:
        """How the variants of the bands are cut into chunks."""
        band = self.band_of_row
        rows = np.flatnonzero(band >= 0)
        rows = rows[np.lexsort((band[rows], self.block[rows]))]
        n_bands = 2 * len(Z_EDGES)
        cell = self.block[rows] * n_bands + band[rows]  # LD block x band
        cells, first, count = np.unique(cell, return_index=True, return_counts=True)
        chunks = _up(count, CHUNK)  # as equal as can be, in whole registers
        size = _up(_up(count, chunks), LANES) * LANES if cells.size else count
        rank = np.arange(rows.size) - np.repeat(first, count)
        chunk_first = np.concatenate([[0], np.cumsum(chunks)]).astype(np.int64)
        start = np.concatenate([[0], np.cumsum(np.repeat(size, chunks))]).astype(np.int64)
        per = np.repeat(size, count)
        place = (
            start[np.repeat(chunk_first[:-1], count) + rank // per] + rank % per
            if rows.size
            else rank
        )
        chunk_cell = np.repeat(cells, chunks)
        block_chunk = np.searchsorted(chunk_cell // n_bands, np.arange(self.n_blocks + 1)).astype(
            np.int64
        )
        return Cut(rows, place, start, (chunk_cell % n_bands).astype(np.int64), block_chunk)

    @cached_property
    def chunks(self) -> Chunks:
        """The variants of the bands in chunks."""
        row, place, start, band, block_chunk = self.cut
        total = int(start[-1])
        z, inv_nu, weight = np.zeros(total), np.ones(total), np.zeros(total)
        z[place], inv_nu[place], weight[place] = (
            self.rows.zt[row],
            self.inv_nu[row],
            self.weight[row],
        )
        return Chunks(
            z, inv_nu, weight, by_chunk(self.spectrum[row], place, start), start, band, block_chunk
        )

    @cached_property
    def parts(self) -> NDArray[np.int64]:
        """Edges of up to 64 runs of LD blocks of about equal cost, the unit of work of a thread."""
        chunks = self.chunks
        cost = np.diff(chunks.start[chunks.block_chunk]) + 10 * np.diff(self.tails[-1].block_row)
        total = np.concatenate([[0], np.cumsum(cost)])
        edges = np.searchsorted(total, np.linspace(0, total[-1], min(64, self.n_blocks) + 1)[1:-1])
        return np.unique(np.concatenate([[0], edges, [self.n_blocks]])).astype(np.int64)

    @property
    def packed(self) -> Packed:
        """What the kernels take."""
        return Packed(self.chunks, self.bands, self.rows, self.node_x, self.n_ref, self.parts)
