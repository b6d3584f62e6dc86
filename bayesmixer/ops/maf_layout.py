"""How the data of the likelihood with S as a parameter lie in memory: the layout of one exponent
(ops/layout.py), with the spectra of all in its chunks.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesmixer.ld.exponents import rescaling
from bayesmixer.ops.layout import (
    CHUNK,
    LANES,
    Array,
    Chunks,
    LikelihoodData,
    Packed,
    Tail,
    by_chunk,
)


class Several(NamedTuple):
    """What the kernels take.

    `one` is the layout of one exponent, but that chunk c holds in `chunks.spectra` an (S, K, n_c)
    array from `S * K * start[c]`. `held` (S,) are the exponents, `source` (S, J, K_held) the
    spectra as given, `order` (J',) the rows of it that are evaluated; `matrices` (S, K_held, K)
    bring them to the K nodes of the chunks' spectra (`ld.exponents.rescaling`). `log_ld_max` (S,
    bands), by rising S, stands in place of `bands.ld_max`.
    """

    one: Packed
    held: Array
    source: NDArray[np.floating]
    order: NDArray[np.int64]
    matrices: Array
    log_ld_max: Array


def halved(chunks: Chunks) -> Chunks:
    """Chunks cut in two: spectra are twice as wide here, and a product that grows beyond its size
    at fixed S may be given to several threads by BLAS.
    """
    size = np.diff(chunks.start)
    first = np.where(size > CHUNK // 2, -(-size // (2 * LANES)) * LANES, size)
    pieces = np.where(first < size, 2, 1)
    ends = np.stack([chunks.start[:-1] + first, chunks.start[1:]], axis=1)
    start = np.concatenate(
        [[0], ends[np.stack([pieces == 2, np.ones(size.size, bool)], axis=1)]]
    ).astype(np.int64)
    edge = np.concatenate([[0], np.cumsum(pieces)]).astype(np.int64)
    return chunks._replace(
        start=start, band=np.repeat(chunks.band, pieces), block_chunk=edge[chunks.block_chunk]
    )


class MafLikelihoodData:
    """z-scores, sample sizes, weights and LD spectra of several exponents S of the variants of one
    trait, ready for the kernels.

    Parameters
    ----------
    z, n, weight, ld_block, censor, n_blocks
        As in `LikelihoodData`.
    spectrum
        (S, J, K_held) LD spectra with strengths H^(1+S) r^2; kept as it is, not copied.
    node_x
        (K_held,) strengths of the nodes, those of `ld.spectrum.nodes`.
    held
        (S,) the exponents, at least two, all different.

    Raises
    ------
    ValueError
        As `LikelihoodData`, or the exponents do not fit the spectra.
    InputError
        Other nodes.
    """

    def __init__(
        self,
        z: ArrayLike,
        n: ArrayLike,
        weight: ArrayLike,
        spectrum: NDArray[np.floating],
        node_x: ArrayLike,
        ld_block: ArrayLike,
        held: ArrayLike,
        censor: float | None = None,
        n_blocks: int | None = None,
    ) -> None:
        self.held = np.asarray(held, np.float64)
        x = np.asarray(node_x, np.float64)
        if (
            spectrum.ndim != 3
            or self.held.shape != spectrum.shape[:1]
            or self.held.size < 2
            or np.unique(self.held).size < self.held.size
        ):
            raise ValueError(
                f"spectrum {spectrum.shape}, maf_s {self.held.tolist()}: expected (S, J, K) "
                "and S different exponents"
            )
        self.source = np.ascontiguousarray(
            spectrum, spectrum.dtype if spectrum.dtype in (np.float32, np.float64) else float
        )
        used = np.asarray(weight, float) > 0
        bad = (
            sum(int((~np.isfinite(of_s[used])).sum()) for of_s in self.source)
            if used.shape == spectrum.shape[1:2]
            else 0
        )
        if bad:
            raise ValueError(f"spectrum: not finite for {bad} values of weighted variants")
        if x.shape != spectrum.shape[2:]:
            raise ValueError(
                f"node_x {x.shape}, expected one strength per column of the spectrum "
                f"{spectrum.shape}"
            )
        self.node_x, self.matrices = rescaling(self.held, x)
        middle = int(np.argsort(self.held)[self.held.size // 2])
        self.one = LikelihoodData(
            z, n, weight, self._scaled(middle), self.node_x, ld_block, censor, n_blocks
        )
        self.n_blocks = self.one.n_blocks

    def _scaled(self, i: int) -> NDArray[np.floating]:
        """(J, K) spectra of exponent i, in strengths relative to `H_REF`."""
        return np.asarray(self.source[i] @ self.matrices[i].astype(self.source.dtype))

    @cached_property
    def digest(self) -> str:
        """Hash of everything the likelihood uses."""
        h = hashlib.sha256(self.one.digest.encode())
        h.update(self.held.tobytes())
        for of_s in self.source:
            h.update(np.ascontiguousarray(of_s[self.one.variant]))
        return h.hexdigest()[:24]

    @cached_property
    def packed(self) -> Several:
        """What the kernels take."""
        one, held = self.one, self.held
        band, n_bands = one.band_of_row, one.bands.z_limit.size
        ld_max, rows = np.zeros((held.size, n_bands)), []
        for i in range(held.size):
            spectra = self._scaled(i)[one.variant]
            rows.append(spectra[one.cut.row])
            ld = spectra.sum(1, dtype=float)
            ld_max[i] = [ld[band == b].max(initial=0.0) for b in range(n_bands)]
        chunks = halved(one.chunks)
        chunks = chunks._replace(
            spectra=by_chunk(np.concatenate(rows, axis=1), one.cut.place, chunks.start)
        )
        log_ld_max = np.log(np.maximum(ld_max[np.argsort(held)], 1e-12))
        return Several(
            one.packed._replace(chunks=chunks),
            held,
            self.source,
            one.variant,
            self.matrices,
            log_ld_max,
        )

    @property
    def tails(self) -> tuple[Tail, ...]:
        """As `LikelihoodData.tails`."""
        return self.one.tails
