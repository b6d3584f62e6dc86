"""Sums over the partners of every variant of a chromosome: sum_i a_i r_ij^2 of many annotations a
in one pass, one product a tile of correlations.

Genotypes are whole numbers, so that the products of their tiles are exact in single precision
(twice as fast as double) and r^2 is centred and scaled in double: sums are good to 1e-12. Each
tile of r^2 is visited once for its rows and once for its columns, and no more than a window of
genotypes and sums is in memory.

r^2 is LDSC's unbiased r^2 - (1 - r^2) / (n - 2) (Bulik-Sullivan et al. 2015, Nature Genetics
47:291).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmixer.io.genotypes import Panel
from bayesmixer.ld.window import tiles

Float = NDArray[np.float64]
Int = NDArray[np.int64]
READ_AT_ONCE = 1 << 25  # genotypes
TILE = 256  # variants: a tile of r^2 in double stays in a processor's cache
EXACT = 1 << 22  # samples, below which sums of products of genotypes are exact in single precision


@dataclass(frozen=True)
class Moments:
    """Of every variant: samples called, mean, and sum of squares about it (0: without variance)."""

    called: Int
    mean: Float
    squares: Float

    @property
    def freq(self) -> Float:
        """Frequency of the counted allele."""
        return self.mean / 2


def genotype_moments(panel: Panel) -> Moments:
    """Moments of every variant of a panel, over the samples in which it is called."""
    m = len(panel.variants)
    one, two, called = np.zeros((3, m), np.int64)
    step = max(1, READ_AT_ONCE // panel.n_samples)
    for a in range(0, m, step):
        g = panel.read(a, b := min(a + step, m))
        one[a:b] = np.count_nonzero(g == 1, axis=1)
        two[a:b] = np.count_nonzero(g == 2, axis=1)
        called[a:b] = np.count_nonzero(g >= 0, axis=1)
    known = np.maximum(called, 1)
    total = one + 2 * two
    squares = one + 4 * two - total / known * total
    constant = (one == called) | (two == called) | (total == 0)
    return Moments(called, total / known, np.where(constant, 0.0, squares))


@dataclass
class _Tile:
    """A run of variants: genotypes with 0 for missing ones, where they are called (None:
    everywhere), weights, and the sums so far.
    """

    at: slice
    g: NDArray[Any]
    called: NDArray[Any] | None
    weights: Float
    sums: Float


def partner_sums(
    panel: Panel,
    rows: Int,
    moments: Moments,
    weights: Callable[[int, int], Float],
    lo: Int,
    hi: Int,
    *,
    mean_for_missing: bool = False,
) -> Iterator[tuple[slice, Float]]:
    """sum_i w_ia r_ij^2 of every variant j and column a, over its partners i and itself.

    Parameters
    ----------
    panel
        The genotypes.
    rows
        (variant,) which of the panel's variants, in order; each must vary.
    moments
        Of the panel's variants.
    weights
        weights(a, b): (b - a, A) of the variants a..b-1 among `rows`.
    lo, hi
        (variant,) first and last partner, as of `window.bounds`.
    mean_for_missing
        Put the mean where a genotype is missing, and count all samples in the correction, as LDSC
        does; otherwise r and its n are of the samples called in both.

    Yields
    ------
    slice, numpy.ndarray
        The next variants, in order, and their sums (variants, A).
    """
    n = panel.n_samples
    kind = np.float32 if n < EXACT else np.float64
    m = Moments(moments.called[rows], moments.mean[rows], moments.squares[rows])
    edges = tiles(hi, int(np.clip(2**24 // n, 32, TILE)))

    def load(t: int) -> _Tile:
        a, b = int(edges[t]), int(edges[t + 1])
        g = panel.read(int(rows[a]), int(rows[b - 1]) + 1)[rows[a:b] - rows[a]]
        called = None
        if (g < 0).any():
            called = (g >= 0).astype(kind)
            g = np.maximum(g, 0)
        w = weights(a, b)
        return _Tile(slice(a, b), g.astype(kind), called, w, np.zeros_like(w))

    live: deque[_Tile] = deque()
    loaded = 0
    for t in range(len(edges) - 1):
        reach = int(hi[edges[t + 1] - 1])
        while loaded < len(edges) - 1 and (loaded <= t or edges[loaded] < reach):
            live.append(load(loaded))
            loaded += 1
        here = live.popleft()
        for there in (here, *live):
            if there.at.start >= reach:
                break
            r2 = _unbiased_r2(here, there, m, n, mean_for_missing)
            first, last = lo[here.at], hi[here.at]
            if first[-1] > there.at.start or last[0] < there.at.stop:
                column = np.arange(there.at.start, there.at.stop)
                r2 *= (column >= first[:, None]) & (column < last[:, None])
            here.sums += r2 @ there.weights
            if there is not here:
                there.sums += r2.T @ here.weights
        yield here.at, here.sums


def _unbiased_r2(x: _Tile, y: _Tile, m: Moments, n: int, mean_for_missing: bool) -> Float:
    """r^2 - (1 - r^2) / (n - 2) of each pair of two tiles."""
    mean_x, mean_y = m.mean[x.at], m.mean[y.at]
    scale_x, scale_y = 1 / np.sqrt(m.squares[x.at]), 1 / np.sqrt(m.squares[y.at])
    r: Float = (x.g @ y.g.T).astype(np.float64)
    shared: Any = float(n)
    if x.called is None and y.called is None:
        r -= np.multiply.outer(n * mean_x, mean_y)
    else:
        in_x = np.ones_like(x.g) if x.called is None else x.called
        in_y = np.ones_like(y.g) if y.called is None else y.called
        both = (in_x @ in_y.T).astype(np.float64)
        r -= mean_y * (x.g @ in_y.T)
        r -= mean_x[:, None] * (in_x @ y.g.T)
        r += np.multiply.outer(mean_x, mean_y) * both
        if not mean_for_missing:  # each variant's own variance, over the samples it is called in
            r *= np.sqrt(np.multiply.outer(m.called[x.at], m.called[y.at])) / np.maximum(both, 1)
            r[both < 3] = 0.0
            shared = np.maximum(both, 3.0)
    r *= scale_y
    r *= scale_x[:, None]
    np.square(r, out=r)
    if not isinstance(shared, float):
        np.minimum(r, 1.0, out=r)
    r *= 1 + 1 / (shared - 2)
    r -= 1 / (shared - 2)
    return r
