"""Sparse factors of strong effects."""

from __future__ import annotations

import numpy as np
import pytest

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.mash.sparse_factors import factors, thinned

PATTERNS = np.array([
    [1, 1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, -1, 0, 0], [0, 0, 0, 0, 0, 0, 0, 1.0],
])  # fmt: skip
UNITS = np.array([1.0, 10, 0.1, 1, 5, 1, 1, 2])


def simulated() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    size = np.array([12.0, 9.0, 6.0]) * rng.standard_normal((300, 3))
    kind = rng.integers(3, size=300)
    true = (size * np.eye(3)[kind]) @ PATTERNS
    return true + rng.standard_normal(true.shape), kind


def test_the_conditions_of_each_pattern_are_found_whatever_the_units() -> None:
    z, _ = simulated()
    effects = bm.read_effects(z * UNITS, np.broadcast_to(UNITS, z.shape))
    found = bm.mash.covariances(effects, "sparse", strong=np.arange(300), n_components=3)
    assert found["covariance"].values.tolist() == ["sparse_1", "sparse_2", "sparse_3", "sparse"]
    u = found["U"].values / np.outer(UNITS, UNITS)
    for one, pattern in zip(u, PATTERNS, strict=False):
        expected = np.outer(pattern, pattern) / (pattern @ pattern)
        assert ((one != 0) == (expected != 0)).all()
        np.testing.assert_allclose(one, expected, atol=0.05)
    assert np.linalg.matrix_rank(u[3]) == 3
    fit = bm.mash.fit(effects, found)
    assert float(fit["estimate"]["covariance_weight"].sum()) > 0.5


def test_without_noise_nothing_is_shrunk_and_layers_add_up() -> None:
    rng = np.random.default_rng(4)
    u = np.linalg.qr(rng.standard_normal((40, 3)))[0]
    v = PATTERNS / np.linalg.norm(PATTERNS, axis=1, keepdims=True)
    x = (u * [3, 2, 1]) @ v
    found = factors(x, 5)
    assert len(found) == 3
    np.testing.assert_allclose([d for d, _ in found], [3, 2, 1], rtol=1e-6)
    for (_, one), pattern in zip(found, v, strict=True):
        np.testing.assert_allclose(np.abs(one), np.abs(pattern), atol=1e-5)


def test_the_threshold_is_the_one_of_the_smallest_criterion() -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((30, 6)) + 4 * np.outer(rng.standard_normal(30), [1, 1, 0, 0, 0, 0])
    u = np.linalg.svd(x)[0][:, 0]
    full = x.T @ u
    noise = (np.square(x - np.outer(u, full)).sum()) / (x.size - 6)

    def criterion(threshold: float) -> float:
        v = np.sign(full) * np.maximum(np.abs(full) - threshold, 0)
        left = np.square(x - np.outer(u, v)).sum() / (x.size * noise)
        return float(left + np.log(x.size) / x.size * (v != 0).sum())

    best = min([0.0, *np.sort(np.abs(full))[:-1]], key=criterion)
    expected = np.sign(full) * np.maximum(np.abs(full) - best, 0)
    np.testing.assert_allclose(thinned(x, u), expected, atol=1e-12)


def test_no_strong_effects_have_no_factors() -> None:
    effects = bm.read_effects(np.zeros((5, 3)), 1.0)
    with pytest.raises(InputError, match="no strong effects"):
        bm.mash.covariances(effects, "sparse", strong=[])
