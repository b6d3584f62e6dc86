"""Predictions of two traits against closed forms, the one-trait prediction, and simulation of the
model with independent variants.
"""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from bayesmixer.errors import InputError
from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from bayesmixer.ops.pair_predict import (
    PairMixture,
    cluster_pairs,
    pair_density,
    pair_survival,
)
from bayesmixer.ops.predict import survival

V1, V2, RHO = 8e-4, 6e-4, 0.6
MIXTURE = PairMixture(
    np.array([0.012, 0.007, 0.018]),
    np.array([[V1, 0, 0], [0, V2, 0], [V1, V2, RHO * np.sqrt(V1 * V2)]]),
    np.array([1.05, 1.03, 0.12]),
)
N = np.array([60_000.0, 40_000.0])
C1, C2 = np.array([0, 1, 2, 3, 5.0]), norm.isf(np.array([1, 0.1, 0.01, 0.001]) / 2)


def partners(variants=60, seed=2):
    """(variants, partners) strengths of rich and poor neighbourhoods, 0 where there is none."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.05, 0.5, (variants, 40)) * rng.beta(0.4, 1.2, (variants, 40))
    return np.where(np.arange(40) < rng.integers(1, 40, variants)[:, None], x, 0.0)


def spectra(x):
    kept = x > 0
    return spectrum_from_pairs(np.append(0, kept.sum(1).cumsum()), x[kept], 24)


def simulated(x, m, n, copies, seed=0):
    """z (variant * copy, 2) of independent variants: effects of each partner and errors drawn."""
    rng = np.random.default_rng(seed)
    out = []
    for one in x[:, None, :]:
        edges = np.cumsum([1 - m.pi.sum(), *m.pi[:2]])
        of = np.searchsorted(edges, rng.random((copies, one.size)))
        a, b = rng.normal(size=(2, copies, one.size))
        b = RHO * a + np.sqrt(1 - RHO**2) * b
        effect = np.stack([a * np.isin(of, (1, 3)) * V1**0.5, b * np.isin(of, (2, 3)) * V2**0.5])
        delta = (effect * np.sqrt(one)).sum(-1).T * np.sqrt(n)
        v1, v2, both = m.sigma_0
        out.append(delta + rng.multivariate_normal([0, 0], [[v1, both], [both, v2]], copies))
    return np.concatenate(out)


X = partners()
GROUP = cluster_pairs(N, spectra(X), nodes(24), MIXTURE, clusters=None)


@pytest.fixture(scope="module")
def z_pairs():
    return simulated(X, MIXTURE, N, 8_000)


def test_shares_and_conditional_shares_are_those_of_the_model_simulated(z_pairs):
    """480,000 pairs of z; conditional QQ curves of figure 5 stand on these ratios."""
    z = np.abs(z_pairs)
    predicted = pair_survival(C1, C2, GROUP, nodes(24), MIXTURE)
    for j, beyond in enumerate(C2):
        for i, c in enumerate(C1):
            hits = np.sum((z[:, 0] >= c) & (z[:, 1] >= beyond))
            expected = predicted[i, j] * len(z)
            assert abs(hits - expected) < 4.5 * np.sqrt(expected) + 1
    given = predicted / predicted[0]
    assert np.all(given[3, 1:] > 2 * given[3, 0])  # enriched where the other trait is significant
    other = pair_survival(0, C1, GROUP, nodes(24), MIXTURE)[0]
    np.testing.assert_allclose([np.mean(z[:, 1] >= c) for c in C1[1:3]], other[1:3], rtol=0.02)


def test_density_is_that_of_the_model_simulated(z_pairs):
    z = z_pairs
    grid, density = pair_density(6, 25, GROUP, nodes(24), MIXTURE)
    fine, at = pair_density(6, 241, GROUP, nodes(24), MIXTURE)
    np.testing.assert_allclose(at[::10, ::10], density, atol=1e-12)
    within = (np.abs(z) <= 6).all(axis=1).mean()
    assert at.sum() * (fine[1] - fine[0]) ** 2 == pytest.approx(within, abs=0.002)
    edges = np.append(grid - 0.25, grid[-1] + 0.25)
    counts = np.histogram2d(*z.T, bins=(edges, edges))[0][1:-1, 1:-1]
    step = (fine[1] - fine[0]) ** 2
    cells = [range(10 * k - 5, 10 * k + 6) for k in range(1, 24)]
    weight = np.r_[0.5, np.ones(9), 0.5]  # trapezoid over a cell
    expected = (
        len(z)
        * step
        * np.array([[weight @ at[np.ix_(a, b)] @ weight for b in cells] for a in cells])
    )
    busy = expected > 25
    assert busy.sum() > 80
    assert np.abs((counts - expected) / np.sqrt(expected))[busy].max() < 5
    assert ((counts - expected) ** 2 / expected)[busy].mean() == pytest.approx(1, abs=0.35)


def test_margins_are_the_shares_of_one_trait():
    c = np.array([0.5, 2, 4, 6])
    both = pair_survival(c, c, GROUP, nodes(24), MIXTURE)
    one = pair_survival(c, 0, GROUP, nodes(24), MIXTURE)[:, 0]
    expected = survival(
        c, N[0], spectra(X), nodes(24), MIXTURE.pi[[0, 2]], [V1, V1], 1.05, clusters=None
    )
    np.testing.assert_allclose(one, expected, rtol=1e-5, atol=1e-8)
    assert np.all(both <= one[:, None] + 1e-9)


def test_pair_without_point_mass_is_a_mixture_of_normals():
    m = PairMixture(np.array([1.0]), np.array([[2e-6, 3e-6, -1e-6]]), np.array([1.1, 1.0, 0.3]))
    ld = spectra(X).sum(1)
    grid, density = pair_density(
        5, 11, cluster_pairs(N, spectra(X), nodes(24), m, clusters=None), nodes(24), m
    )
    places = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1)
    n12 = np.sqrt(N.prod())
    expected = np.mean(
        [
            multivariate_normal(
                [0, 0],
                [
                    [1.1 + N[0] * 2e-6 * s, 0.3 - n12 * 1e-6 * s],
                    [0.3 - n12 * 1e-6 * s, 1.0 + N[1] * 3e-6 * s],
                ],
            ).pdf(places)
            for s in ld
        ],
        axis=0,
    )
    np.testing.assert_allclose(density, expected, rtol=1e-5, atol=1e-9)


def test_turning_trait_2_mirrors_the_density_and_leaves_the_shares():
    turned = MIXTURE._replace(
        sigma_beta=MIXTURE.sigma_beta * [1, 1, -1], sigma_0=MIXTURE.sigma_0 * [1, 1, -1]
    )
    _, a = pair_density(5, 21, GROUP, nodes(24), MIXTURE)
    _, b = pair_density(5, 21, GROUP, nodes(24), turned)
    np.testing.assert_allclose(a, b[:, ::-1], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        pair_survival(C1, C2, GROUP, nodes(24), turned),
        pair_survival(C1, C2, GROUP, nodes(24), MIXTURE),
        rtol=1e-9,
        atol=1e-12,
    )


def test_clusters_and_ratios_of_sample_sizes_change_nothing_that_shows():
    rng = np.random.default_rng(1)
    x = partners(3000, seed=3)
    n = N * rng.uniform(0.8, 1, (3000, 2))
    w = rng.uniform(0, 1, 3000)
    whole, some = (
        pair_survival(
            C1, C2, cluster_pairs(n, spectra(x), nodes(24), MIXTURE, w, k), nodes(24), MIXTURE
        )
        for k in (None, 300)
    )
    np.testing.assert_allclose(some, whole, rtol=1e-3)
    # each variant with its own ratio
    exact = sum(
        share
        * pair_survival(
            C1,
            C2,
            cluster_pairs(size, one[None], nodes(24), MIXTURE, clusters=None),
            nodes(24),
            MIXTURE,
        )
        for share, size, one in zip(w[:60] / w[:60].sum(), n, spectra(x), strict=False)
    )
    part = cluster_pairs(n[:60], spectra(x)[:60], nodes(24), MIXTURE, w[:60], None)
    np.testing.assert_allclose(pair_survival(C1, C2, part, nodes(24), MIXTURE), exact, rtol=3e-3)


def test_perfectly_correlated_effects_and_an_error_covariance_of_less_than_full_rank():
    m = MIXTURE._replace(sigma_beta=np.array([[V1, 0, 0], [0, V2, 0], [V1, V2, -np.sqrt(V1 * V2)]]))
    assert np.isfinite(pair_survival(C1, C2, GROUP, nodes(24), m)).all()
    with pytest.raises(InputError, match="full rank"):
        pair_survival(1, 1, GROUP, nodes(24), MIXTURE._replace(sigma_0=np.ones(3)))
