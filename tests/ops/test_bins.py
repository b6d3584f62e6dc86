"""Bins of alike variants: what their sums keep exactly, how the rest shrinks, and what a bin may
not hold.
"""

import numpy as np
import pytest

from bayesmixer.ld.spectrum import nodes
from bayesmixer.ops.binned import features, partition, weighted_means
from bayesmixer.ops.likelihood import log_density

K = 16
MIXTURE = (np.array([0.004]), np.array([3e-4]), 1.1)


@pytest.fixture(scope="module")
def variants():
    """3,000 variants with varied z, N, LD and weights."""
    rng = np.random.default_rng(7)
    size = 3000
    spectrum = rng.dirichlet(np.full(K, 0.3), size) * rng.lognormal(2, 0.8, size)[:, None]
    return (
        rng.normal(0, 1.6, size),
        rng.uniform(6e4, 1e5, size),
        spectrum,
        rng.uniform(0.1, 1, size),
    )


def binned(variants, bins):
    z, n, spectrum, weight = variants
    label = partition(features(z, n, spectrum, nodes(K), weight, *MIXTURE), weight, bins)
    return label, np.bincount(label, weight)


def test_sums_of_linear_functions_of_z_n_and_n_times_spectrum_are_kept_exactly(variants):
    z, n, spectrum, weight = variants
    y = np.column_stack([np.abs(z), n, n[:, None] * spectrum])
    label, total = binned(variants, 40)
    slope = np.random.default_rng(0).standard_normal(y.shape[1])
    assert total.sum() == pytest.approx(weight.sum(), rel=1e-13)
    assert total @ (3 + weighted_means(label, weight, y) @ slope) == pytest.approx(
        weight @ (3 + y @ slope), rel=1e-12
    )


def test_weighted_means_are_those_of_numpy(variants):
    _, _, spectrum, weight = variants
    label, _ = binned(variants, 25)
    means = weighted_means(label, weight, spectrum)
    for b in range(label.max() + 1):
        np.testing.assert_allclose(
            means[b], np.average(spectrum[label == b], axis=0, weights=weight[label == b])
        )


def test_sum_of_squares_on_a_line_shrinks_with_the_square_of_the_number_of_bins():
    x = np.random.default_rng(1).uniform(0, 1, (4000, 1))
    weight = np.ones(4000)
    for bins in (16, 64):
        label = partition(x, weight, bins)
        missed = (x**2).sum() - np.bincount(label) @ weighted_means(label, weight, x) ** 2
        assert missed[0] == pytest.approx(4000 / 12 / bins**2, rel=0.35)


def test_binned_log_likelihood_nears_the_brute_force_sum_as_bins_are_added(variants):
    z, n, spectrum, weight = variants
    exact = weight @ log_density(z, n, spectrum, nodes(K), *MIXTURE)
    error = []
    for bins in (30, 120, 480):
        label, total = binned(variants, bins)
        n_bin = weighted_means(label, weight, n[:, None])[:, 0]
        z_bin = weighted_means(label, weight, np.abs(z)[:, None])[:, 0]
        error.append(
            abs(
                total
                @ log_density(
                    z_bin, n_bin, weighted_means(label, weight * n, spectrum), nodes(K), *MIXTURE
                )
                - exact
            )
        )
    assert error[2] < error[1] < error[0]
    assert error[2] < 1e-3 * abs(exact)


def test_groups_never_share_a_bin_and_every_label_is_used(variants):
    z, n, spectrum, weight = variants
    group = (np.abs(z) > 2).astype(np.int64)
    label = partition(features(z, n, spectrum, nodes(K), weight, *MIXTURE), weight, 50, group)
    assert len(np.unique(label)) == 50
    assert set(label) == set(range(50))
    assert not set(label[group == 0]) & set(label[group == 1])


def test_there_are_no_more_bins_than_different_variants():
    x = np.repeat(np.arange(5.0), 40)[:, None]
    label = partition(x, np.ones(200), 50)
    assert [len(np.unique(label[x[:, 0] == v])) for v in range(5)] == [1] * 5
    assert label.max() == 4


def test_coordinates_do_not_depend_on_the_sign_of_z_or_on_the_order_of_variants(variants):
    z, n, spectrum, weight = variants
    order = np.random.default_rng(3).permutation(z.size)
    here = features(z, n, spectrum, nodes(K), weight, *MIXTURE)
    there = features(-z[order], n[order], spectrum[order], nodes(K), weight[order], *MIXTURE)
    np.testing.assert_allclose(
        np.abs(there), np.abs(here[order]), atol=1e-8
    )  # an axis may turn round
