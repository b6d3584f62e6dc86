r"""Alike variants in bins: sum_j w_j f(y_j) over variants becomes sum_b W_b f(y_b), with a bin's
total weight W_b and weighted mean y_b (docs/ideas/binned.md).

f is log p of a variant as a function of y = (|z|, N, N S): z-score, sample size, LD spectrum. With
means for y_b the error is of second order in the width of a bin: 1/2 sum_j w_j (y_j - y_b)' f''
(y_j - y_b). Bins are the leaves of a tree (`partition`) that is always split where this is largest,
in coordinates in which f'' is about 1 (`features`): a variant's LD and N enter by its
characteristic function phi_j(t) at a few frequencies.
"""

from __future__ import annotations

import heapq

import numba as nb
import numpy as np
from numpy.typing import NDArray

from bayesmixer.ops.tables import real_table

Array = NDArray[np.float64]
Floats = NDArray[np.floating]
Integers = NDArray[np.int64]

FREQUENCIES = 0.08 * 1.55 ** np.arange(
    8
)  # of z itself: 0.08 tells effects of |z| = 20 apart, 1.7 those of the bulk
AXES = 4  # principal axes of phi to split along
PHI_SCALE = 4.0  # of phi beside |z|; the best of 1, 2, 4, 8 on real LD
Z_SPREAD = 2.0  # |z| beyond which bins grow with |z|


def features(
    z: Array,
    n: Array,
    spectrum: Floats,
    node_x: Array,
    weight: Array,
    pi: Array,
    sigma2_beta: Array,
    sigma2_0: float,
) -> Array:
    """Coordinates in which variants that are close have like log densities.

    Parameters
    ----------
    z, n, weight
        (J,) z-scores, sample sizes, weights.
    spectrum, node_x
        (J, K) LD spectrum and (K,) strengths of its nodes.
    pi, sigma2_beta, sigma2_0
        (C,), (C,) and a scalar: the mixture where the likelihood is needed, roughly.

    Returns
    -------
    numpy.ndarray
        (J, 1 + up to `AXES`): a scale of |z| that is even in the bulk and logarithmic beyond, and
        the principal axes of phi_j, stretched where |z| is large (there log p hangs on it most).
    """
    n_mean = float(np.average(n, weights=weight))
    table = np.zeros((FREQUENCIES.size, node_x.size))
    slopes = np.zeros((2 * pi.size, FREQUENCIES.size, node_x.size))
    real_table(node_x, FREQUENCIES, n_mean, pi, sigma2_beta, table, slopes)
    # N moves the exponent in proportion, to first order; sigma2_0 alone acts on all variants alike
    exponent = (spectrum @ table.T.astype(spectrum.dtype)).astype(float) * (n / n_mean)[:, None]
    away = np.exp(np.minimum(exponent, 1.0) - 0.5 * sigma2_0 * FREQUENCIES**2)
    away -= np.average(away, axis=0, weights=weight)
    _, axes = np.linalg.eigh((away * weight[:, None]).T @ away / weight.sum())
    scores = away @ axes[:, ::-1][:, :AXES]
    scores *= PHI_SCALE * np.sqrt(0.5 + 0.5 * np.minimum(z**2, 30.0))[:, None]
    return np.column_stack([Z_SPREAD * np.arcsinh(np.abs(z) / Z_SPREAD), scores])


def partition(
    coordinates: Array, weight: Array, bins: int, group: Integers | None = None
) -> Integers:
    """Bin of each variant: leaves of a tree split along its widest axis at the mean, always the
    leaf with the largest weighted sum of squares.

    Parameters
    ----------
    coordinates
        (J, A) positions.
    weight
        (J,) positive weights.
    bins
        Number of bins wanted; there are fewer where fewer variants differ, and at least one a
        group.
    group
        (J,) labels of variants that must not share a bin, or None.

    Returns
    -------
    numpy.ndarray
        (J,) labels 0 .. B - 1.
    """
    group = np.zeros(weight.size, np.int64) if group is None else np.asarray(group)
    order = np.argsort(group, kind="stable")
    edges = np.flatnonzero(np.r_[True, np.diff(group[order]) != 0, True])
    return np.asarray(
        _partition(
            np.ascontiguousarray(coordinates, dtype=float),
            np.asarray(weight, float),
            order,
            edges,
            int(bins),
        )
    )


def weighted_means(label: Integers, weight: Array, values: Floats) -> Array:
    """Weighted means (B, M) of values (J, M) over the bins."""
    sums, total = _sums(label, np.asarray(weight, float), values, int(label.max()) + 1)
    return np.asarray(sums / total[:, None])


@nb.njit(cache=True)
def _sums(label: Integers, weight: Array, values: Floats, bins: int) -> tuple[Array, Array]:
    """Weighted sums of values and sums of weights over the bins."""
    out, total = np.zeros((bins, values.shape[1])), np.zeros(bins)
    for j in range(label.size):
        total[label[j]] += weight[j]
        for m in range(values.shape[1]):
            out[label[j], m] += weight[j] * values[j, m]
    return out, total


@nb.njit(cache=True)
def _widest(coordinates: Array, weight: Array, members: Integers) -> tuple[float, int, float]:
    """Largest weighted sum of squares about the mean over the axes, its axis, and the mean
    there.
    """
    most, axis, centre = -1.0, 0, 0.0
    total = weight[members].sum()
    for a in range(coordinates.shape[1]):
        s, q, first = 0.0, 0.0, coordinates[members[0], a]
        for j in members:
            d = coordinates[j, a] - first
            s += weight[j] * d
            q += weight[j] * d * d
        q -= s * s / total
        if q > most:
            most, axis, centre = q, a, first + s / total
    return most, axis, centre


@nb.njit(cache=True)
def _partition(
    coordinates: Array, weight: Array, order: Integers, edges: Integers, bins: int
) -> Integers:
    """Label of each variant; `order` sorts them by group, `edges` are the groups' edges in it.
    Reorders `order`.
    """
    heap = [
        (0.0, 0, 0, 0, 0.0) for _ in range(0)
    ]  # minus the sum of squares, first and last member, axis, mean
    for g in range(edges.size - 1):
        most, axis, centre = _widest(coordinates, weight, order[edges[g] : edges[g + 1]])
        heapq.heappush(heap, (-most, edges[g], edges[g + 1], axis, centre))
    while len(heap) < bins and heap[0][0] < -1e-12:
        _, lo, hi, axis, centre = heapq.heappop(heap)
        i, j = lo, hi - 1
        while i <= j:
            if coordinates[order[i], axis] <= centre:
                i += 1
            else:
                order[i], order[j] = order[j], order[i]
                j -= 1
        if i in (lo, hi):  # alike to rounding: a leaf for good
            heapq.heappush(heap, (0.0, lo, hi, axis, centre))
            continue
        for first, last in ((lo, i), (i, hi)):
            most, axis, centre = _widest(coordinates, weight, order[first:last])
            heapq.heappush(heap, (-most, first, last, axis, centre))
    label = np.empty(order.size, np.int64)
    for b in range(len(heap)):
        for i in range(heap[b][1], heap[b][2]):
            label[order[i]] = b
    return label
