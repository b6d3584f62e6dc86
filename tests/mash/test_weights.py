"""Weights of a mixture where effects count for more or less than one."""

from __future__ import annotations

import numpy as np
import pytest

from bayesmixer.mash.weights import optimal_weights

RNG = np.random.default_rng(0)
SD = np.r_[0, 0.1 * 2 ** (np.arange(24) / 2)]
X = np.where(RNG.random(800) < 0.3, RNG.normal(0, 2, 800), 0) + RNG.standard_normal(800)
LOGS = -0.5 * (np.log(1 + SD[:, None] ** 2) + X**2 / (1 + SD[:, None] ** 2))
MATRIX = np.exp(LOGS - LOGS.max(0))


@pytest.mark.parametrize("null", [0.0, 9.0])
def test_counts_are_repeated_effects_wherever_the_search_begins(null: float) -> None:
    penalty = np.r_[null, np.zeros(24)]
    counts = RNG.integers(0, 4, 800).astype(float)
    repeated = optimal_weights(np.repeat(MATRIX, counts.astype(int), axis=1), penalty)
    one = optimal_weights(MATRIX, penalty)
    for start in (None, one.x, np.eye(25)[24]):
        counted = optimal_weights(MATRIX, penalty, counts=counts, start=start)
        assert counted.gap < 1e-5
        assert counted.height == pytest.approx(repeated.height, abs=1e-5)


def test_all_counts_times_a_number_without_penalty_change_nothing() -> None:
    counts = RNG.exponential(size=800)
    one, ten = (optimal_weights(MATRIX, np.zeros(25), counts=k * counts) for k in (1, 10))
    assert ten.height == pytest.approx(10 * one.height, abs=1e-4)


def test_a_start_that_says_nothing_of_some_effect_is_one_all_the_same() -> None:
    rng = np.random.default_rng(3)
    matrix = rng.uniform(0.1, 1, (4, 50))
    matrix[:2, 7] = 0
    start = np.array([0.5, 0.5, 0, 0])
    found = optimal_weights(matrix, np.zeros(4), start=start)
    assert found.height == pytest.approx(optimal_weights(matrix, np.zeros(4)).height, abs=1e-4)
