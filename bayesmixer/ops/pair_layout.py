"""How the data of a two-trait likelihood lie in memory: variants seen in both traits sorted by LD
block, and those seen in one trait as data of that trait alone.

Standardisation, trait by trait as in `layout`: with nu_t = N_t / N_ref,t the score z_t / sqrt(nu_t)
has genetic variance that depends on N_ref,t alone, and errors of covariance (sigma_0,11 / nu_1,
sigma_0,22 / nu_2, sigma_0,12 / sqrt(nu_1 nu_2)).
"""

from __future__ import annotations

import hashlib
from copy import copy
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesmixer.ops.layout import LARGEST, Array, LikelihoodData

ALIKE = 4.0  # largest over smallest N of what shares lattices
UNIT = 1000  # variants
MOST_UNEQUAL = 1e3  # largest over smallest N of a trait that is computed


class PairRows(NamedTuple):
    """Variants seen in both traits, sorted by LD block.

    `z` (J, 2) standardised; `error` (J, 3) factors (1 / nu_1, 1 / nu_2, 1 / sqrt(nu_1 nu_2)) of the
    errors' variances and covariance; `weight` (J,); `spectrum` (J, K); LD block l holds rows
    `block_row[l] : block_row[l + 1]`.
    """

    z: Array
    error: Array
    weight: Array
    spectrum: NDArray[np.floating]
    block_row: NDArray[np.int64]


class PairData:
    """z-scores of two traits, sample sizes, weights and LD spectra, ready for the kernels.

    Parameters
    ----------
    z, n
        (J, 2) z-scores and sample sizes. A variant whose z is NaN in one trait was not seen there:
        it informs the other trait alone (and its N there is not read). Seen in neither, it is left
        out.
    weight
        (J,) composite-likelihood weights. Variants of weight 0 are left out.
    spectrum
        (J, K) LD spectrum; its type (float32 or float64) is kept.
    node_x
        (K,) strengths of the nodes, descending, the last 0.
    ld_block
        (J,) label of the LD block, 0 .. L - 1.
    censor
        |z| beyond which a variant counts as "exceeds" (Frei et al. 2019, eq. 7), one for both
        traits or one each; a variant exceeds where either |z| does. None for never.
    n_blocks
        L; by default the largest label + 1.

    Raises
    ------
    ValueError
        Shapes disagree, or z, n, weight or spectrum is not finite, or n <= 0, or N differs by more
        than a factor of 1,000 within a trait, or nothing has a positive weight.
    """

    def __init__(
        self,
        z: ArrayLike,
        n: ArrayLike,
        weight: ArrayLike,
        spectrum: NDArray[np.floating],
        node_x: ArrayLike,
        ld_block: ArrayLike,
        censor: float | tuple[float, float] | None = None,
        n_blocks: int | None = None,
    ) -> None:
        z, n, weight = (np.asarray(v, dtype=float) for v in (z, n, weight))
        spectrum, node_x = np.asarray(spectrum), np.asarray(node_x, dtype=float)
        block = np.asarray(ld_block, dtype=np.int64)
        size = weight.shape
        if not (
            z.shape == n.shape == (*size, 2)
            and block.shape == spectrum.shape[:1] == size
            and spectrum.ndim == 2
        ):
            raise ValueError(
                f"z {z.shape}, n {n.shape}, weight {size}, ld_block {block.shape}, spectrum "
                f"{spectrum.shape}: expected (J, 2), (J, 2), (J,), (J,) and (J, K)"
            )
        self.n_blocks = int(block.max()) + 1 if n_blocks is None else int(n_blocks)
        self.censor = _two(censor)
        seen = ~np.isnan(z)
        keep = np.flatnonzero((weight > 0) & seen.any(1))
        if not keep.size:
            raise ValueError("weight: no variant with a z-score has a positive weight")
        _refuse_bad(z[keep], n[keep], seen[keep])
        keep = keep[np.argsort(block[keep], kind="stable")]
        self.variant = keep  # rows of the input that are evaluated
        self.z, self.n, self.weight, self.block = z[keep], n[keep], weight[keep], block[keep]
        self.spectrum, self.node_x = np.ascontiguousarray(spectrum[keep]), node_x
        self.seen = seen[keep]
        self.n_ref = np.array(
            [np.max(self.n[self.seen[:, t], t], initial=0.0) or 1.0 for t in (0, 1)]
        )
        checked = [self._one(t, self.seen[:, t]) for t in (0, 1)]  # as data of each trait
        both = self.seen.all(1)
        self.alone = tuple(
            None if one is None or both.all() else self._one(t, self.seen[:, t] & ~both)
            for t, one in enumerate(checked)
        )

    def _one(self, trait: int, rows: NDArray[np.bool_]) -> LikelihoodData | None:
        """Data of one trait at some rows."""
        if not rows.any():
            return None
        return LikelihoodData(
            self.z[rows, trait],
            self.n[rows, trait],
            self.weight[rows],
            self.spectrum[rows],
            self.node_x,
            self.block[rows],
            None if self.censor is None else self.censor[trait],
            self.n_blocks,
        )

    @property
    def effective_variants(self) -> float:
        """Sum of the weights: the nominal number of variants (cost_n of MiXeR)."""
        return float(self.weight.sum())

    @cached_property
    def digest(self) -> str:
        """Hash of everything the likelihood uses."""
        h = hashlib.sha256()
        for v in (self.z, self.n, self.weight, self.spectrum, self.node_x, self.block):
            h.update(np.ascontiguousarray(v).tobytes())
        h.update(repr((self.censor, self.n_blocks)).encode())
        return h.hexdigest()[:24]

    def subset(self, rows: NDArray[np.int64], weight: Array | None = None) -> PairData:
        """The likelihood of some of the evaluated variants (rows of the sorted arrays), with other
        weights if given.
        """
        return PairData(
            self.z[rows],
            self.n[rows],
            self.weight[rows] if weight is None else weight,
            self.spectrum[rows],
            self.node_x,
            self.block[rows],
            self.censor,
            self.n_blocks,
        )

    @cached_property
    def rows(self) -> PairRows:
        """The variants seen in both traits whose density is wanted."""
        return self._rows(np.flatnonzero(self.seen.all(1) & ~self.exceeds), self.z)

    @cached_property
    def alike(self) -> tuple[PairData, ...]:
        """The data cut by N, so that each part's differ by at most `ALIKE` in either trait: what is
        a good lattice for one N is not for another.
        """
        if not self.seen.all(1).any():
            return ()
        n = np.where(self.seen, self.n, self.n_ref)
        bins = np.floor(np.log(self.n_ref / n) / np.log(ALIKE) + 1e-9).astype(np.int64)
        _, label = np.unique(bins @ np.array([1, 1000]), return_inverse=True)
        both = self.seen.all(1)
        kinds = np.unique(label[both])
        if len(kinds) == 1 and both.all():
            return (self,)
        return tuple(self.subset(np.flatnonzero(both & (label == i))) for i in kinds)

    @cached_property
    def exceeding(self) -> PairRows:
        """The variants seen in both traits that exceed, `z` the points."""
        points = np.broadcast_to(np.array(self.censor or (np.inf, np.inf)), self.z.shape)
        return self._rows(np.flatnonzero(self.seen.all(1) & self.exceeds), points)

    def _rows(self, r: NDArray[np.int64], z: Array) -> PairRows:
        root = np.sqrt(self.n_ref / self.n[r])
        error = np.column_stack([root**2, root[:, 0] * root[:, 1]])
        return PairRows(
            np.ascontiguousarray(z[r] * root),
            error,
            self.weight[r],
            self.spectrum[r],
            np.searchsorted(self.block[r], np.arange(self.n_blocks + 1)).astype(np.int64),
        )

    @cached_property
    def coarse(self) -> PairData:
        """The same variants in larger units, of `UNIT` or more, for the sum over all of them: the
        Jacobian of each small LD block costs more than its variants. Itself where blocks are large.
        """
        if self.weight.size > UNIT * self.n_blocks / 2:
            return self
        unit = np.searchsorted(self.block, self.block) // UNIT  # by the first of each block
        _, unit = np.unique(unit, return_inverse=True)
        return PairData(self.z, self.n, self.weight, self.spectrum, self.node_x, unit, self.censor)

    def view(self, swapped: bool, mirrored: bool) -> PairData:
        """The same variants with the traits in the other order, and then with the other sign of
        trait 2; made once each.
        """
        if not (swapped or mirrored):
            return self
        known: dict[tuple[bool, bool], PairData] = self.__dict__.setdefault("_views", {})
        if (swapped, mirrored) not in known:
            turn, sign = [1, 0] if swapped else [0, 1], np.array([1, -1.0 if mirrored else 1])
            one = known[swapped, mirrored] = copy(self)
            for name in ("rows", "exceeding"):
                rows = getattr(self, name)
                side = sign if name == "rows" else np.ones(2)  # what exceeds, does at either side
                one.__dict__[name] = rows._replace(
                    z=np.ascontiguousarray(rows.z[:, turn] * side),
                    error=np.ascontiguousarray(rows.error[:, [*turn, 2]]),
                )
            one.n_ref = self.n_ref[turn]
        return known[swapped, mirrored]

    @cached_property
    def first(self) -> int:
        """The trait of the larger z, which comes first in the sums: that they are the same
        whichever the caller calls the first.
        """
        size = [float((self.rows.z[:, t].copy() ** 2).sum()) for t in (0, 1)]
        return int(size[1] > size[0])

    @cached_property
    def block_of_row(self) -> NDArray[np.int64]:
        """LD block of each of `rows`."""
        return np.repeat(np.arange(self.n_blocks), np.diff(self.rows.block_row))

    @cached_property
    def mean_spectrum(self) -> Array:
        """(K,) mean spectrum of `rows`."""
        return np.asarray(self.rows.spectrum.mean(0, dtype=float))

    @cached_property
    def second_moment(self) -> Array:
        """(K, K) mean product of the entries of the spectra of `rows`."""
        wide = self.rows.spectrum.astype(float)
        return np.asarray(wide.T @ wide / len(wide))

    @cached_property
    def parts(self) -> NDArray[np.int64]:
        """Edges of up to 64 runs of LD blocks of about equal size, and 4,000 variants or more, the
        unit of work of a thread.
        """
        edge = self.rows.block_row
        runs = max(1, min(64, self.n_blocks, int(edge[-1]) // 4000))
        inner = np.searchsorted(edge, np.linspace(0, edge[-1], runs + 1)[1:-1])
        return np.unique(np.concatenate([[0], inner, [self.n_blocks]])).astype(np.int64)

    @cached_property
    def exceeds(self) -> NDArray[np.bool_]:
        """(J,) whether either |z| lies beyond its `censor`."""
        if self.censor is None:
            return np.zeros(self.weight.size, bool)
        return np.asarray((np.abs(self.z) > self.censor).any(1))  # False where NaN


def _two(censor: float | tuple[float, float] | None) -> tuple[float, float] | None:
    """The point of each trait."""
    if censor is None:
        return None
    both = tuple(float(c) for c in np.broadcast_to(np.asarray(censor, float), 2))
    if not min(both) > 0:
        raise ValueError(f"censor: {censor}, expected a positive |z|, or one for each trait")
    return both[0], both[1]


def _refuse_bad(z: Array, n: Array, seen: NDArray[np.bool_]) -> None:
    """Refuse what `LikelihoodData` does not: infinite z, and N too unequal for a lattice."""
    if not (np.abs(z[seen]) < LARGEST).all():
        raise ValueError(
            f"z: up to {np.abs(z[seen]).max():.3g}, expected finite values below {LARGEST:.0e}"
        )
    for trait in (0, 1):
        x = n[seen[:, trait], trait]
        if x.size and x.min() > 0 and x.max() > MOST_UNEQUAL * x.min():
            raise ValueError(
                f"n: from {x.min():g} to {x.max():g} for weighted variants of trait {trait + 1}, "
                f"expected within a factor of {MOST_UNEQUAL:,.0f}: drop the outliers, or set their "
                "weight to 0"
            )
