"""Intervals of draws: central ones, and those that reach an end of a range."""

import numpy as np
import pytest

from bayesmixer.interval import interval, shortest

LEAST = (0.0, np.inf)
NORMAL = np.random.default_rng(1).standard_normal(20_000)


def test_an_interval_reaches_the_end_where_the_draws_are_densest_and_holds_as_much():
    half = np.abs(NORMAL)
    low, high = interval(half, 0.9, LEAST)
    assert low == 0
    assert high == pytest.approx(1.645, abs=0.03)
    assert np.mean((low <= half) & (half <= high)) == pytest.approx(0.9, abs=1e-3)
    assert interval(half, 0.9)[0] > 0.03  # the central one cannot
    assert interval(1 - half, 0.9, (-np.inf, 1.0))[1] == 1
    mixed = np.where(NORMAL[::-1] < 0, 1e-3 * half, 2 + half)  # mass at the end, and far away
    assert interval(mixed, 0.9, LEAST)[0] == 0


@pytest.mark.parametrize(
    "draws",
    [
        NORMAL + 50,  # no end near
        5 + np.abs(NORMAL),  # densest at its least value, which is not the end of the range
        np.random.default_rng(2).gamma(3.0, size=20_000),  # the end is where no draw goes
        NORMAL[:5] ** 2,
    ],
)
def test_elsewhere_it_is_central(draws):
    found = interval(draws.reshape(1, -1), 0.9, LEAST)
    assert found == pytest.approx(tuple(np.quantile(draws, [0.05, 0.95])))


def test_the_shortest_is_open_only_where_hardly_a_draw_is_left_out():
    assert np.isfinite(shortest(np.sort(NORMAL), 0.9)).all()
    low, high = shortest(np.sort(np.abs(NORMAL)), 0.9)
    assert (low, np.isfinite(high)) == (-np.inf, True)


def test_what_is_fixed_has_no_width():
    assert interval(np.full(50, 0.3), 0.9, LEAST) == (0.3, 0.3)
