"""LD of one chromosome in one pass: blocked products of standardised genotypes, summed into LD
scores and spectra as they come.

r_ij is the product of two standardised rows. A tile of it (a few hundred variants square) is
visited once for its rows and once, transposed, for its columns; every pair adds to the LD score
(Bulik-Sullivan et al. 2015: sum of r^2 - (1 - r^2) / (n - 2)) and, with strength x_ij = H_i^(1+S)
r_ij^2, to the moments of `ld/spectrum.py`. No more than a window of genotypes is ever in memory.
Where genotypes are missing, a pair's r and its n are those of the samples called in both: with the
mean in their place r would shrink.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from bayesmixer.io.genotypes import Panel
from bayesmixer.ld.neighbours import close_pairs, symmetric_csr
from bayesmixer.ld.spectrum import PairTable, add_pair, cardinal, pair_table, x_max_of
from bayesmixer.ld.window import tiles

Float = NDArray[np.float64]
Int = NDArray[np.int64]

NEIGHBOUR_R2 = 0.1
READ_AT_ONCE = 1 << 26  # genotypes


@dataclass(frozen=True)
class Rule:
    """How a pair counts: nodes of the spectrum, exponents S, "plain" or "unbiased" r^2, and the r^2
    cut-off.
    """

    k: int
    maf_s: tuple[float, ...]
    r2_rule: str
    r2_cutoff: float

    @property
    def x_max(self) -> float:
        """Largest node."""
        return x_max_of(self.maf_s)


@dataclass
class ChromosomeLD:
    """What one chromosome's tags know of their partners; arrays over tags, with exponents S first
    where there are several.
    """

    ld_score: Float
    ld_score_h: Float
    ld_below: Float
    spectrum: NDArray[np.float32]
    neighbour_indptr: Int
    neighbour_index: NDArray[np.int32]
    neighbour_r2: NDArray[np.float32]
    x_below: Float


@nb.njit(cache=True, nogil=True)
def count_genotypes(g: NDArray[np.int8], counts: Int) -> None:
    """Add to `counts` (variant, 4) the genotypes 0, 1, 2 and missing of each row."""
    for j in range(g.shape[0]):
        c0, c1, c2 = 0, 0, 0
        for v in g[j]:
            c0 += v == 0
            c1 += v == 1
            c2 += v == 2
        counts[j, 0], counts[j, 1], counts[j, 2], counts[j, 3] = (
            c0,
            c1,
            c2,
            g.shape[1] - c0 - c1 - c2,
        )


@nb.njit(cache=True, nogil=True)
def standardise(g: NDArray[np.int8], value: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Look each genotype up in its row of `value` (0, 1, 2, missing)."""
    for j in range(g.shape[0]):
        for i in range(g.shape[1]):
            v = g[j, i]
            out[j, i] = value[j, v if v >= 0 else 3]


@nb.njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"})
def _add_rows(  # type: ignore[no-untyped-def]
    r, shared, samples, first, itself, last, h, cut, bias, r2_sum, noise, below, below2, moments,
    split, fine, coarse, n_fine, n_cells
):  # fmt: skip
    """Add to each row of a tile its partners first..last-1, `itself` left out; `bias` is 1 / (n -
    2), or 0 for plain r^2.

    `shared` holds the samples called in both of each pair, or nothing where all `samples` are;
    `noise` gets what r^2 is too large by beyond (1 - r^2) / (samples - 2).
    """
    n_inverse = bias / (1.0 + 2.0 * bias)
    complete = shared.shape[0] == 0
    for j in range(r.shape[0]):
        if not complete:
            for c in range(first[j], last[j]):
                if c != itself[j]:
                    noise[j] += (1.0 - r[j, c] * r[j, c]) * (
                        1.0 / max(shared[j, c] - 2.0, 1.0) - 1.0 / (samples - 2.0)
                    )
        total = 0.0
        for c in range(first[j], last[j]):
            total += r[j, c] * r[j, c]
        if first[j] <= itself[j] < last[j]:
            total -= r[j, itself[j]] * r[j, itself[j]]
        r2_sum[j] += total
        for s in range(h.shape[0]):
            row, weak, weak2 = moments[s, j], 0.0, 0.0
            for c in range(first[j], last[j]):
                if c == itself[j]:
                    continue
                r2 = min(1.0, np.float64(r[j, c]) * np.float64(r[j, c]))
                if not complete and bias > 0.0:
                    n_inverse = 1.0 / max(np.float64(shared[j, c]), 3.0)
                    bias = 1.0 / (max(np.float64(shared[j, c]), 3.0) - 2.0)
                u = r2 - (1.0 - r2) * bias
                x = h[s, c] * u
                if r2 >= cut and x >= 0.0:
                    add_pair(row, x, np.sqrt(x), split, fine, coarse, n_fine, n_cells)
                else:
                    weak += x
                    # without bias: E[u^2] = rho^4 + 4 rho^2 / n + 2 / n^2 for weak LD, so that the
                    # second moment is unbiased too
                    weak2 += (
                        h[s, c]
                        * h[s, c]
                        * (u * u - 4.0 * u * n_inverse - 2.0 * n_inverse * n_inverse)
                    )
            below[s, j] += weak
            below2[s, j] += weak2


class _Tile:
    """A run of variants in memory: standardised genotypes of its tags and of the others, and sums
    of the tags.
    """

    def __init__(
        self,
        start: int,
        stop: int,
        x: NDArray[np.float32],
        called: NDArray[np.float32] | None,
        is_tag: NDArray[np.bool_],
        h: Float,
        table: PairTable,
    ) -> None:
        self.start, self.stop = start, stop
        here = is_tag[start:stop]
        self.called_tags = None if called is None else called[here]
        self.called_others = None if called is None else called[~here]
        self.tags, self.others = start + np.flatnonzero(here), start + np.flatnonzero(~here)
        self.x_tags = x if here.all() else x[here]
        self.x_others = x[~here]
        self.h_tags, self.h_others = (
            np.ascontiguousarray(h[:, self.tags]),
            np.ascontiguousarray(h[:, self.others]),
        )
        self.r2_sum, self.noise = np.zeros((2, len(self.tags)))
        self.below, self.below2 = np.zeros((2, len(h), len(self.tags)))
        self.moments = np.zeros((len(h), len(self.tags), table.size))

    def add(
        self,
        r: NDArray[np.float32],
        shared: NDArray[np.float32],
        columns: Int,
        h: Float,
        lo: Int,
        hi: Int,
        cut: float,
        bias: float,
        table: PairTable,
    ) -> None:
        """Add correlations `r` (tags, columns) with the variants `columns`, over `shared`
        samples.
        """
        first = np.searchsorted(columns, lo[self.tags])
        last = np.searchsorted(columns, hi[self.tags])
        itself = np.searchsorted(columns, self.tags)
        itself[
            (itself >= len(columns)) | (columns[np.minimum(itself, len(columns) - 1)] != self.tags)
        ] = -1
        _add_rows(
            r,
            shared,
            float(self.x_tags.shape[1]),
            first,
            itself,
            last,
            h,
            cut,
            bias,
            self.r2_sum,
            self.noise,
            self.below,
            self.below2,
            self.moments,
            *table.grid,
        )


def genotype_counts(panel: Panel, stop: Callable[[], None]) -> Int:
    """Genotype counts of every variant of a panel: (variant, 4) of 0, 1, 2 and missing; `stop` is
    called between reads and may raise.
    """
    m = len(panel.variants)
    counts = np.zeros((m, 4), np.int64)
    step = max(1, READ_AT_ONCE // panel.n_samples)
    for a in range(0, m, step):
        stop()
        b = min(a + step, m)
        count_genotypes(panel.read(a, b), counts[a:b])
    return counts


def lookup(counts: Int) -> tuple[Float, Float, NDArray[np.float32]]:
    """Frequency, variance and the standardised value of each genotype, missing ones at the mean.

    Parameters
    ----------
    counts
        (variant, 4) of `genotype_counts`.

    Returns
    -------
    freq, variance, value : numpy.ndarray
        (variant,), (variant,) and (variant, 4): value is (g - mean) / (sd sqrt(n)), so that a
        product of two rows is r; 0 for a variant without variance.
    """
    n = counts.sum(1)
    known = np.maximum(counts[:, :3].sum(1), 1)
    mean = (counts[:, 1] + 2 * counts[:, 2]) / known
    centred = np.arange(3) - mean[:, None]
    total = (counts[:, :3] * centred**2).sum(1)
    constant = (counts[:, :3] > 0).sum(1) < 2
    scale = np.where(constant, 0.0, 1 / np.sqrt(np.where(constant, 1.0, total)))
    value = np.concatenate([centred * scale[:, None], np.zeros((len(n), 1))], axis=1)
    return mean / 2, np.where(constant, 0.0, total / n), value.astype(np.float32)


def chromosome_ld(
    panel: Panel,
    rows: Int,
    value: NDArray[np.float32],
    heterozygosity: Float,
    is_tag: NDArray[np.bool_],
    lo: Int,
    hi: Int,
    rule: Rule,
    advance: Callable[[int], None],
) -> ChromosomeLD:
    """LD scores, spectra and neighbours of the tags of one chromosome.

    Parameters
    ----------
    panel
        Genotypes.
    rows
        (variant,) the panel's variants that are used, ascending.
    value
        (variant, 4) of `lookup`, for these.
    heterozygosity
        (variant,) H.
    is_tag
        (variant,) whether the variant gets a row.
    lo, hi
        (variant,) first and last partner (`window.bounds`).
    rule
        How pairs count.
    advance
        Called with the number of variants done; may raise to stop.

    Returns
    -------
    ChromosomeLD
    """
    table = pair_table(rule.k, rule.x_max)
    n = panel.n_samples
    bias = 1 / (n - 2) if rule.r2_rule == "unbiased" else 0.0
    h = (
        np.stack([heterozygosity ** (1 + s) for s in rule.maf_s])
        if len(rows)
        else np.zeros((len(rule.maf_s), 0))
    )
    n_tags, n_s = int(is_tag.sum()), len(rule.maf_s)
    # 64 MiB of standardised genotypes a tile at most
    edges = tiles(hi, int(np.clip(2**24 // n, 32, 256)))
    count, below, below2 = np.zeros(n_tags), np.zeros((n_s, n_tags)), np.zeros((n_s, n_tags))
    r2_sum, noise, spectrum = np.zeros(n_tags), np.zeros(n_tags), np.zeros((n_s, n_tags, rule.k))
    tag_row = np.cumsum(is_tag) - 1
    pairs: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]] = []

    def load(t: int) -> _Tile:
        a, b = edges[t], edges[t + 1]
        g = panel.read(int(rows[a]), int(rows[b - 1]) + 1)
        if len(g) != b - a:
            g = g[rows[a:b] - rows[a]]
        x = np.empty((b - a, n), np.float32)
        standardise(g, value[a:b], x)
        called = (g >= 0).astype(np.float32) if (g < 0).any() else None
        return _Tile(int(a), int(b), x, called, is_tag, h, table)

    live: deque[_Tile] = deque()
    loaded = 0
    for t in range(len(edges) - 1):
        reach = int(hi[edges[t + 1] - 1])
        while loaded < len(edges) - 1 and (loaded <= t or edges[loaded] < reach):
            live.append(load(loaded))
            loaded += 1
        a = live.popleft()
        for b in (a, *live):
            if b.start >= reach:
                break
            _add_pairs_of_tiles(a, b, lo, hi, rule.r2_cutoff, bias, table, tag_row, pairs)
        at = tag_row[a.tags]
        r2_sum[at], noise[at], below[:, at], below2[:, at] = a.r2_sum, a.noise, a.below, a.below2
        for s in range(n_s):
            spectrum[s, at] = a.moments[s] @ table.to_spectrum
        advance(a.stop - a.start)
    count = (hi - lo - 1)[is_tag].astype(float)
    ld_score = 1 + r2_sum - (count - r2_sum) / (n - 2) - noise
    ld_score_h, x_below = _finish(spectrum, below, below2, h[:, is_tag], rule)
    return ChromosomeLD(
        ld_score,
        ld_score_h,
        below,
        spectrum.astype(np.float32),
        *symmetric_csr(pairs, n_tags),
        x_below,
    )


def _add_pairs_of_tiles(
    a: _Tile, b: _Tile, lo: Int, hi: Int, cut: float, bias: float, table: PairTable, tag_row: Int,
    pairs: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]],
) -> None:  # fmt: skip
    """All pairs of tile a with tile b >= a (or within it) that involve a tag."""
    if len(a.tags) and len(b.tags):
        r, shared = correlations(a.x_tags, a.called_tags, b.x_tags, b.called_tags)
        a.add(r, shared, b.tags, b.h_tags, lo, hi, cut, bias, table)
        if a is not b:
            b.add(
                np.ascontiguousarray(r.T),
                np.ascontiguousarray(shared.T),
                a.tags,
                a.h_tags,
                lo,
                hi,
                cut,
                bias,
                table,
            )
        pairs.append(close_pairs(r, a.tags, b.tags, hi, tag_row, NEIGHBOUR_R2))
    if len(a.tags) and len(b.others):
        a.add(
            *correlations(a.x_tags, a.called_tags, b.x_others, b.called_others),
            b.others,
            b.h_others,
            lo,
            hi,
            cut,
            bias,
            table,
        )
    if a is not b and len(b.tags) and len(a.others):
        b.add(
            *correlations(b.x_tags, b.called_tags, a.x_others, a.called_others),
            a.others,
            a.h_others,
            lo,
            hi,
            cut,
            bias,
            table,
        )


def correlations(
    x: NDArray[np.float32],
    x_called: NDArray[np.float32] | None,
    y: NDArray[np.float32],
    y_called: NDArray[np.float32] | None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """r (rows of x, rows of y) over the samples called in both, and their number; no number, shape
    (0, 0), where none is missing.
    """
    r = x @ y.T
    if x_called is None and y_called is None:
        return r, np.zeros((0, 0), np.float32)
    mine, theirs = (
        np.full(len(v), v.shape[1], np.float32) if called is None else called.sum(1)
        for v, called in ((x, x_called), (y, y_called))
    )
    shared: NDArray[Any] = np.minimum(mine[:, None], theirs)  # where one of the two is complete
    if x_called is not None and y_called is not None:
        shared = x_called @ y_called.T
    # x and y have unit length over their own called samples
    r *= np.sqrt(mine[:, None] * theirs) / np.maximum(shared, 1)
    return np.where(shared < 3, 0, np.clip(r, -1, 1)).astype(np.float32), shared.astype(np.float32)


def _finish(
    spectrum: Float, below: Float, below2: Float, h_tags: Float, rule: Rule
) -> tuple[Float, Float]:
    """Add the variant itself and the weak partners to the spectra, in place; returns ld_score_h and
    the strength of weak partners.

    The weak partners of a variant are one deposit of their corrected sum of x. Its place is sum x^2
    / sum x: of the variant where r^2 is plain, pooled over the chromosome where it is corrected (a
    variant's own second moment is noise then). A corrected sum below zero is taken off the strong
    partners in proportion, and the partners' total is never below zero.
    """
    x_below = np.zeros(len(spectrum))
    for s, power in enumerate(rule.maf_s):
        strong = spectrum[s].sum(1)
        largest = min(rule.r2_cutoff, 1.0) * 0.5 ** (1 + power)
        if rule.r2_rule == "plain":
            place = np.clip(below2[s] / np.maximum(below[s], 1e-300), 0, largest)
            x_below[s] = float((place * below[s]).sum() / max(below[s].sum(), 1e-300))
        else:
            total = below[s].sum()
            x_below[s] = float(np.clip(below2[s].sum() / total, 0, largest)) if total > 0 else 0.0
            place = x_below[s : s + 1]
            short = below[s] < 0
            keep = np.where(
                short, np.maximum(strong + below[s], 0) / np.maximum(strong, 1e-300), 1.0
            )
            spectrum[s] *= keep[:, None]
            below[s][short] = 0.0
        spectrum[s] += below[s][:, None] * cardinal(place, rule.k, rule.x_max)
        spectrum[s] += h_tags[s][:, None] * cardinal(h_tags[s], rule.k, rule.x_max)
    return spectrum.sum(2), x_below
