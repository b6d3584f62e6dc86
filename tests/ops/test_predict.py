"""Predicted QQ curves and power against enumeration, the oracle, closed forms and direct sampling
of causal configurations.
"""

import mpmath as mp
import numpy as np
import pytest
from scipy.special import erfc

from bayesmixer.errors import InputError
from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from bayesmixer.ops.oracle import log_density
from bayesmixer.ops.predict import cluster_variants, power_curve, survival
from tests.ops.mp_oracle import configurations

X = np.array([0.42, 0.2, 0.07, 0.003])
CASES = {
    "sparse": ([0.004], [0.00048], 1.05, 80_000.0),
    "polygenic": ([0.3], [6e-6], 1.2, 80_000.0),
    "everyone": ([1.0], [1e-6], 0.9, 80_000.0),
    "two components": ([0.01, 0.0005], [5e-5, 0.002], 1.1, 60_000.0),
}


@pytest.fixture(scope="module")
def panel():
    """6,000 variants of 1 to 60 partners each: pairs (indptr, x), spectrum of 24 nodes, sample
    sizes, weights.
    """
    rng = np.random.default_rng(3)
    counts = rng.integers(1, 60, 6000)
    indptr = np.append(0, np.cumsum(counts))
    x = rng.beta(0.35, 2.5, indptr[-1]) / 2
    return (
        indptr,
        x,
        spectrum_from_pairs(indptr, x, 24),
        80_000 * rng.uniform(0.7, 1, 6000),
        rng.uniform(0, 1, 6000),
    )


@pytest.mark.parametrize("case", CASES)
def test_survival_equals_enumeration_of_causal_configurations_to_the_smallest_doubles(case):
    pi, sigma2, zero, n = CASES[case]
    c = np.array([0.0, 0.4, 1.5, 3.0, 5.45, 9.0, 15.0, 25.0, 37.0])
    lists = np.stack([X, [0, *X[1:3], 0]])
    weight = np.array([1.0, 3.0])
    with mp.workdps(30):
        pairs = [list(configurations([x for x in row if x], n, pi, sigma2, zero)) for row in lists]
        truth = [
            float(
                sum(
                    w / 4 * sum(p * mp.erfc(mp.mpf(t) / mp.sqrt(2 * v)) for p, v in ps)
                    for w, ps in zip(weight, pairs, strict=True)
                )
            )
            for t in c
        ]
    assert 0 < truth[-1] < 1e-3
    np.testing.assert_allclose(survival(c, n, lists, X, pi, sigma2, zero, weight), truth, rtol=1e-7)


def test_survival_of_variants_of_different_sample_sizes_is_the_mean_of_their_own(panel):
    _, _, spectrum, n, weight = panel
    pi, sigma2, zero, _ = CASES["sparse"]
    rows = slice(0, 25)
    found = survival(
        [0.5, 4.0, 9.0], n[rows], spectrum[rows], nodes(24), pi, sigma2, zero, weight[rows]
    )
    each = [
        np.exp(
            log_density(
                99.0, n[rows], spectrum[rows], nodes(24), pi, sigma2, zero, censor=c, tolerance=1e-9
            )
        )
        for c in (0.5, 4.0, 9.0)
    ]
    np.testing.assert_allclose(
        found, [weight[rows] @ p / weight[rows].sum() for p in each], rtol=1e-5
    )


@pytest.mark.parametrize("case", CASES)
def test_clusters_keep_the_survival_and_the_power_of_all_variants(panel, case):
    _, _, spectrum, n, weight = panel
    pi, sigma2, zero, _ = CASES[case]
    c = np.linspace(0.1, 20, 60)
    every = survival(c, n, spectrum, nodes(24), pi, sigma2, zero, weight, clusters=None)
    few = survival(c, n, spectrum, nodes(24), pi, sigma2, zero, weight, clusters=1000)
    np.testing.assert_allclose(few[c < 6], every[c < 6], rtol=5e-4)
    np.testing.assert_allclose(few, every, rtol=1e-2)
    group = cluster_variants(1e5, spectrum, nodes(24), pi, sigma2, zero, weight, 1000)
    assert len(group.weight) <= 1000
    np.testing.assert_allclose(group.weight.sum(), 1)
    np.testing.assert_allclose(
        group.weight @ group.spectrum, weight @ spectrum / weight.sum(), rtol=1e-9, atol=1e-12
    )
    size = np.logspace(4, 8, 9)
    whole = power_curve(size, spectrum, nodes(24), pi, sigma2, zero, weight)
    np.testing.assert_allclose(
        power_curve(size, group.spectrum, nodes(24), pi, sigma2, zero, group.weight),
        whole,
        atol=2e-4,
    )


def test_a_stratum_is_the_same_as_weights_of_zero_elsewhere(panel):
    _, _, spectrum, n, weight = panel
    pi, sigma2, zero, _ = CASES["sparse"]
    part = np.arange(len(weight)) < 300
    args = (nodes(24), pi, sigma2, zero)
    alone = survival([1.0, 6.0], n[part], spectrum[part], *args, weight[part], clusters=None)
    masked = survival([1.0, 6.0], n, spectrum, *args, weight * part, clusters=400)
    np.testing.assert_allclose(alone, masked, rtol=1e-6)


def test_power_has_its_closed_form_when_every_variant_is_causal():
    size, zero, t = np.logspace(2, 8, 13), 1.1, 5.45
    v = size[:, None] * 1e-6 * np.array([X.sum(), X[:2].sum()])
    s = v + zero
    captured = (
        2 * t * np.exp(-t * t / (2 * s)) / np.sqrt(2 * np.pi * s) * v * v / s
        + erfc(t / np.sqrt(2 * s)) * v
    )
    lists = np.stack([X, [*X[:2], 0, 0]])
    np.testing.assert_allclose(
        power_curve(size, lists, X, 1.0, 1e-6, zero), captured.sum(1) / v.sum(1), atol=1e-9
    )


@pytest.mark.parametrize("case", ["sparse", "polygenic", "two components"])
def test_power_equals_sampling_of_causal_configurations(panel, case):
    indptr, x, spectrum, _, _ = panel
    pi, sigma2, zero, _ = CASES[case]
    size, t, rng = np.logspace(4.5, 7.5, 7), 5.45, np.random.default_rng(4)
    rows = [5, 17, 40]
    share = []
    for _ in range(20):
        captured, total = np.zeros(len(size)), 0.0
        for j in rows:
            partners = x[indptr[j] : indptr[j + 1]]
            effect = rng.choice([0.0, *sigma2], (10_000, len(partners)), p=[1 - sum(pi), *pi])
            variance = effect @ partners
            v = size[:, None] * variance
            z = np.sqrt(v) * rng.standard_normal(v.shape)
            noise = np.sqrt(zero) * rng.standard_normal(v.shape)
            captured += (z * z * (np.abs(z + noise) > t)).mean(1) / size
            total += partners.sum() * np.dot(pi, sigma2)
        share.append(captured / total)
    error = np.std(share, axis=0, ddof=1) / np.sqrt(len(share))
    found = power_curve(size, spectrum[rows], nodes(24), pi, sigma2, zero)
    assert (np.abs(found - np.mean(share, axis=0)) < 4 * error + 1e-6).all()
    assert (np.diff(found) > 0).all()


def test_bad_arguments_are_named():
    with pytest.raises(InputError, match="weight"):
        survival([1.0], 1e4, X[None], X, 0.1, 1e-4, 1.0, weight=[0.0])
    with pytest.raises(InputError, match="n_grid"):
        power_curve([0.0], X[None], X, 0.1, 1e-4, 1.0)
    with pytest.raises(InputError, match="node_x"):
        survival([1.0], [1e4, 2e4], np.tile(X, (2, 1)), X, 0.1, 1e-4, 1.0)


def test_no_number_of_clusters_leaves_every_variant_its_own():
    from bayesmixer.ld.spectrum import nodes
    from bayesmixer.ops.predict import cluster_variants

    spectrum = np.random.default_rng(0).uniform(0, 1, (40, 24))
    group = cluster_variants(np.full(40, 1e5), spectrum, nodes(24), 0.01, 1e-5, 1.0, None, None)
    np.testing.assert_array_equal(group.spectrum, spectrum)
