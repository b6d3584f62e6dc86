r"""What a mixture of two traits predicts of pairs of z-scores: their density, and how often both
exceed thresholds (Frei et al. 2019, figures 4 and 5), as weighted means over variants.

A mean of densities has the mean characteristic function phi. On a lattice of step h it is the
Fourier series of the distribution of (Z1, Z2) wrapped to squares of side 2 pi / h, so that a
Fourier transform gives the density and

    P(|Z1| <= a, |Z2| <= b) = (h / 2 pi)^2 sum_s phi(s) [2 sin(a s1) / s1] [2 sin(b s2) / s2].

What lies beyond the square is counted within it, at the far end of the other side: with a square
well beyond the thresholds it exceeds them all the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesmixer.errors import InputError
from bayesmixer.ops.predict import at_one_size, checked_weights, grouped

Array = NDArray[np.float64]

CLUSTERS = 300
DECAY = 20.0  # phi below exp(-DECAY) is left out: 2e-9 of a probability
MARGIN = 8.0  # of the square, beyond twice the largest threshold: what is wrapped lies there
RATIOS = 6  # of the two sample sizes that are told apart
EQUAL = 0.02  # ratios within this of one another count as one
_DIRECTIONS = np.array([[1, 0], [0, 1], [1, 1], [1, -1]], float)
_LENGTHS = np.array([0.3, 0.7, 1.3, 2.2, 3.5])
_HEIGHTS = (2.0, 5.0)  # of the largest exponent of a partner


class PairMixture(NamedTuple):
    """Parameters of a mixture of two traits.

    Attributes
    ----------
    pi
        (C,) shares of the components.
    sigma_beta
        (C, 3) variance of the effects on trait 1, on trait 2, and their covariance.
    sigma_0
        (3,) the same of the error parts of z.
    """

    pi: Array
    sigma_beta: Array
    sigma_0: Array


class PairClusters(NamedTuple):
    """Groups of similar variants: sample sizes n (G, 2), spectrum (G, K), weight (G,) of sum 1, of
    one ratio of the sample sizes together.
    """

    n: Array
    spectrum: Array
    weight: Array


def exponents(n: Array, m: PairMixture, s1: Array, s2: Array) -> Array:
    """q_c(s) = s' Sigma_c s / 2 at the sample sizes n (2,): (C, F)."""
    v1, v2, both = (m.sigma_beta * [n[0], n[1], np.sqrt(n[0] * n[1])]).T[:, :, None]
    return np.asarray((v1 * s1**2 + v2 * s2**2) / 2 + both * s1 * s2)


def table(q: Array, node_x: Array, pi: Array) -> Array:
    """g(x_k; s) at the exponents q (C, F): (K, F); the log of the characteristic function of a
    variant's genetic part is its spectrum times this.
    """
    inside = np.zeros((node_x.size, q.shape[1]))
    for share, one in zip(pi, q, strict=True):
        inside += share * np.expm1(-np.outer(node_x, one))
    x, log = node_x[:, None], np.log1p(np.maximum(inside, -1 + 1e-16))
    return np.where(x > 1e-12, log / np.maximum(x, 1e-300), -(pi @ q))


def telling(n: Array, node_x: Array, m: PairMixture) -> Array:
    """g at frequencies that tell variants apart, (K, F): real ones, for the bulk of the
    distribution, and imaginary ones, for its tails.
    """
    s1, s2 = (_LENGTHS[:, None, None] * _DIRECTIONS / np.sqrt(m.sigma_0[:2])).reshape(-1, 2).T
    bulk = exponents(n, m, s1, s2)
    along = exponents(n, m, *_DIRECTIONS.T)
    largest = np.maximum(along.max(axis=0) * node_x.max(), 1e-300)
    tail = -np.concatenate([along * (height / largest) for height in _HEIGHTS], axis=1)
    return table(np.concatenate([bulk, tail], axis=1), node_x, m.pi)


def cluster_pairs(
    n: ArrayLike,
    spectrum: ArrayLike,
    node_x: ArrayLike,
    mixture: PairMixture,
    weight: ArrayLike | None = None,
    clusters: int | None = CLUSTERS,
) -> PairClusters:
    """Group variants whose pairs of z-scores have nearly the same distribution.

    Parameters
    ----------
    n
        (J, 2) sample sizes, or (2,) for all.
    spectrum, node_x
        (J, K) LD spectrum and (K,) strengths of its nodes.
    mixture
        Parameters near which predictions are wanted.
    weight
        (J,) weights, equal by default; variants of weight 0 are left out.
    clusters
        Number of groups, about; None leaves every variant its own.

    Returns
    -------
    PairClusters
        For `pair_survival` and `pair_density`. Ratios of the sample sizes are brought to at most
        six.

    Raises
    ------
    InputError
        Weights that are none, or variants of several sizes on nodes that are not a spectrum's.
    """
    s, x = np.atleast_2d(np.asarray(spectrum, np.float64)), np.asarray(node_x, np.float64)
    w = checked_weights(weight, len(s))
    kept = np.flatnonzero(w > 0)
    size = np.broadcast_to(np.asarray(n, np.float64), (w.size, 2))[kept]
    s, w = s[kept], w[kept]
    ratio = np.log(size[:, 0] / size[:, 1])
    label = np.zeros(len(s), int)
    if np.ptp(ratio) > EQUAL:
        edges = np.unique(np.quantile(ratio, np.arange(1, RATIOS) / RATIOS))
        label = np.searchsorted(edges, ratio)
    parts = []
    for one in np.unique(label):
        rows = np.flatnonzero(label == one)
        middle = np.exp(np.average(ratio[rows], weights=w[rows]) / 2)
        spectra, top = at_one_size(np.sqrt(size[rows].prod(axis=1)), s[rows], x)
        both, share = np.array([top * middle, top / middle]), w[rows]
        wanted = None if clusters is None else max(20, round(clusters * share.sum()))
        if wanted is not None and wanted < len(rows):
            spectra, share = grouped(spectra, share, telling(both, x, mixture), wanted)
        parts.append((np.tile(both, (len(spectra), 1)), spectra, share))
    return PairClusters(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class Lattice(NamedTuple):
    """phi (A + 1, 2 B + 1) at s1 = 0 .. A steps and s2 = -B .. B steps; phi(-s) = phi(s)."""

    phi: Array
    step: float


def lattice(group: PairClusters, node_x: ArrayLike, m: PairMixture, reach: float) -> Lattice:
    """Mean characteristic function on the lattice that wraps to the square of |z| <= `reach`."""
    x, step = np.asarray(node_x, np.float64), np.pi / reach
    v1, v2, both = m.sigma_0
    least = v1 * v2 - both**2
    if not (v1 > 0 and v2 > 0 and least > 0):
        raise InputError("sigma_0", f"{list(m.sigma_0)}, expected a covariance of full rank")
    # of the ellipse of what is not left out: its half axes along s1 and s2
    a, b = (int(np.sqrt(2 * DECAY * v / least) / step) + 1 for v in (v2, v1))
    s1, s2 = np.meshgrid(np.arange(a + 1) * step, np.arange(-b, b + 1) * step, indexing="ij")
    noise = (v1 * s1**2 + v2 * s2**2) / 2 + both * s1 * s2
    kept = noise <= DECAY
    one, two = s1[kept], s2[kept]
    total = np.zeros(one.size)
    sizes, label = np.unique(group.n, axis=0, return_inverse=True)
    for k, n in enumerate(sizes):
        rows = np.flatnonzero(label.ravel() == k)
        spectra, share = group.spectrum[rows], group.weight[rows]
        q, chunk = exponents(n, m, one, two), max(1, 2_000_000 // len(rows))
        for lo in range(0, one.size, chunk):
            part = slice(lo, lo + chunk)
            total[part] += share @ np.exp(spectra @ table(q[:, part], x, m.pi))
    phi = np.zeros(s1.shape)
    phi[kept] = total * np.exp(-noise[kept])
    return Lattice(phi, step)


def pair_survival(
    c1: ArrayLike, c2: ArrayLike, group: PairClusters, node_x: ArrayLike, mixture: PairMixture
) -> Array:
    """Predicted share of variants with |Z1| >= c1 and |Z2| >= c2.

    Parameters
    ----------
    c1, c2
        (P,) and (Q,) thresholds of |z|; 0 asks nothing of that trait.
    group
        Of `cluster_pairs`.
    node_x
        (K,) strengths of the spectrum's nodes.
    mixture
        Parameters.

    Returns
    -------
    numpy.ndarray
        (P, Q) shares; the error is about 1e-8.

    References
    ----------
    Frei et al. 2019, Nature Communications 10:2417, figure 5 (conditional QQ plots).
    """
    one, two = (np.atleast_1d(np.abs(np.asarray(c, np.float64))) for c in (c1, c2))
    reach = 2 * float(max(one.max(), two.max())) + MARGIN
    phi, step = lattice(group, node_x, mixture, reach)
    a, b = phi.shape[0] - 1, phi.shape[1] // 2
    # both signs of s2 and of s1 count alike in an even product
    even = (phi[:, b:] + phi[:, b::-1]) / 2
    even *= np.where(np.arange(a + 1) == 0, 1, 2)[:, None] * np.where(np.arange(b + 1) == 0, 1, 2)
    inside = [
        2 * c[:, None] * np.sinc(c[:, None] * np.arange(size + 1) * step / np.pi)
        for c, size in ((one, a), (two, b))
    ]
    whole = [2 * reach * (np.arange(size + 1) == 0) for size in (a, b)]
    beyond = [w - i for w, i in zip(whole, inside, strict=True)]
    share = (step / (2 * np.pi)) ** 2 * (beyond[0] @ even @ beyond[1].T)
    return np.asarray(np.clip(share, 0.0, 1.0))


def pair_density(
    reach: float, points: int, group: PairClusters, node_x: ArrayLike, mixture: PairMixture
) -> tuple[Array, Array]:
    """Predicted density of (Z1, Z2) on a square grid.

    Parameters
    ----------
    reach
        Largest |z| of the grid.
    points
        Of the grid, per side.
    group, node_x, mixture
        As in `pair_survival`.

    Returns
    -------
    z, density
        (points,) from -`reach` to `reach`, and (points, points) per unit of z1 and z2, trait 1
        along the first axis; the error is about 1e-8 of its peak.
    """
    z = np.linspace(-reach, reach, points)
    phi, step = lattice(group, node_x, mixture, 2 * reach + MARGIN)
    a, b = phi.shape[0] - 1, phi.shape[1] // 2
    half = np.where(np.arange(a + 1) == 0, 1, 2)[:, None] * phi
    wave1, wave2 = (
        np.exp(1j * np.outer(z, at * step)) for at in (np.arange(a + 1), np.arange(-b, b + 1))
    )
    # cos(s1 z1 + s2 z2) summed over the half plane
    density = (step / (2 * np.pi)) ** 2 * (wave1 @ half @ wave2.T).real
    return z, np.asarray(np.maximum(density, 0.0))
