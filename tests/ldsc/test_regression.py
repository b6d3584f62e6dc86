"""Blocks, weights and two steps against least squares written out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from bayesmixer.errors import InputError
from bayesmixer.jackknife import Estimate
from bayesmixer.ldsc import regression
from bayesmixer.ldsc.covariance import covariance
from bayesmixer.ldsc.heritability import heritability
from bayesmixer.ldsc.intervals import attenuation
from bayesmixer.ldsc.regression import Design, Weights, equal_blocks, regress, solved, sums


def least_squares(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    root = np.sqrt(w)
    return np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0]


@pytest.fixture
def data() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    ld = rng.gamma(2, 30, (500, 3))
    n = rng.uniform(5e4, 1e5, 500)
    m = np.array([1e5, 3e4, 2e4])
    expected = 1.05 + n * (ld @ [2e-6, 3e-6, -5e-7])
    return ld, rng.uniform(0, 50, 500), n, m, expected * rng.chisquare(1, 500)


def test_without_each_block_is_a_refit(data: tuple[np.ndarray, ...]) -> None:
    ld, w, _, _, y = data
    edges = equal_blocks(len(y), 7)
    found = solved(*sums(Design(ld, None, np.ones(len(y))), y, lambda rows: w[rows], edges, False))
    np.testing.assert_allclose(found.value, least_squares(ld, y, w), rtol=1e-9)
    for b in range(7):
        left = np.r_[0 : edges[b], edges[b + 1] : len(y)]
        np.testing.assert_allclose(
            found.without[b], least_squares(ld[left], y[left], w[left]), rtol=1e-9
        )


@pytest.mark.parametrize("updates", [0, 2])
def test_weights_follow_the_total_heritability(data: tuple[np.ndarray, ...], updates: int) -> None:
    ld, w_ld, n, m, y = data
    whole, scale = ld.sum(1), np.maximum(w_ld, 1)

    def weight(h2: float, b: float) -> np.ndarray:
        h2 = min(max(h2, 0), 1)
        return 1 / scale / (2 * (b + h2 * n * np.maximum(whole, 1) / m.sum()) ** 2)

    x = np.column_stack([ld * (n / n.mean())[:, None], np.ones(500)])
    w = weight(m.sum() * (y.mean() - 1) / (whole * n).mean(), 1.0)
    for _ in range(updates):
        c = least_squares(x, y, w)
        w = weight(m @ c[:3] / n.mean(), c[3])
    c = least_squares(x, y, w)
    found = heritability(y, ld, w_ld, n, m, updates=updates)
    np.testing.assert_allclose(found.coefficient.value, c[:3] / n.mean(), rtol=1e-8)
    np.testing.assert_allclose(found.fit.at, c[3], rtol=1e-9)
    np.testing.assert_allclose(found.total.value, m @ c[:3] / n.mean(), rtol=1e-8)


def test_two_steps_take_the_intercept_of_the_first(data: tuple[np.ndarray, ...]) -> None:
    ld, w_ld, n, m, y = data
    ld, m = ld[:, :1], m[:1]
    one = heritability(y, ld, w_ld, n, m, two_step=8.0)
    near = y < 8
    first = regress_near(y, ld, w_ld, n, m, near)
    assert one.fit.at == pytest.approx(first, rel=1e-12)
    assert one.fit.beyond_cut == int((~near).sum()) > 0
    given = heritability(y, ld, w_ld, n, m, intercept=first)
    # start weights of a free and of a fixed intercept differ
    assert one.total.value[0] == pytest.approx(given.total.value[0], rel=1e-3)


def regress_near(
    y: np.ndarray, ld: np.ndarray, w: np.ndarray, n: np.ndarray, m: np.ndarray, near: np.ndarray
) -> float:
    """The intercept by least squares on the variants of the first step."""
    scale = np.maximum(w, 1)

    def weight(h2: float, b: float) -> np.ndarray:
        h2 = min(max(h2, 0), 1)
        return 1 / scale / (2 * (b + h2 * n * np.maximum(ld[:, 0], 1) / m[0]) ** 2)

    x = np.column_stack([ld[:, 0] * n / n.mean(), np.ones(len(y))])
    w = weight(m[0] * (y.mean() - 1) / (ld[:, 0] * n).mean(), 1.0)
    for _ in range(2):
        c = least_squares(x[near], y[near], w[near])
        w = weight(m[0] * c[0] / n.mean(), c[1])
    return float(least_squares(x[near], y[near], w[near])[1])


def test_blocks_given_by_their_edges_may_be_empty(data: tuple[np.ndarray, ...]) -> None:
    ld, w_ld, n, m, y = data
    edges = np.array([0, 100, 100, 300, 500])
    found = heritability(y, ld, w_ld, n, m, edges=edges)
    assert len(found.total.without) == 4
    np.testing.assert_allclose(found.total.without[1], found.total.value)


def test_blocks_in_turn_are_blocks_at_once(
    data: tuple[np.ndarray, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    ld, w_ld, n, m, y = data
    once = heritability(y, ld, w_ld, n, m, n_blocks=9)
    monkeypatch.setattr(regression, "DENSE", 2)
    in_turn = heritability(y, ld, w_ld, n, m, n_blocks=9)
    np.testing.assert_allclose(in_turn.fit.joint.value, once.fit.joint.value, rtol=1e-9)
    np.testing.assert_allclose(in_turn.fit.joint.without, once.fit.joint.without, rtol=1e-9)


def test_dependent_annotations_are_one_line(data: tuple[np.ndarray, ...]) -> None:
    _, w_ld, _, _, y = data
    weights = Weights(lambda c, b, rows: w_ld[rows], lambda rows: w_ld[rows])
    with pytest.raises(InputError, match="linearly dependent"):
        regress(
            Design(np.ones((500, 1)), None, np.ones(500)),
            y,
            weights,
            intercept=None,
            near=None,
            n_blocks=5,
        )


def test_estimates_carry_their_blocks_through_sums_and_ratios() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal([2.0, 3.0], 1, (40, 2))
    without = np.array([np.delete(rows, i, 0).mean(0) for i in range(40)])
    mean = Estimate(rows.mean(0), without)
    np.testing.assert_allclose(mean.covariance, np.cov(rows.T) / 40, rtol=1e-12)
    added = mean.through(np.array([[1.0, 1.0]]))
    assert added.error[0] == pytest.approx(np.sqrt(np.ones(2) @ mean.covariance @ np.ones(2)))
    ratio = Estimate(mean.value[:1], mean.without[:, :1]).over(
        Estimate(mean.value[1:], mean.without[:, 1:])
    )
    assert ratio.value[0] == mean.value[0] / mean.value[1]
    r = ratio.without[:, 0]
    pseudo = 40 * ratio.value[0] - 39 * r
    assert ratio.unbiased[0] == pytest.approx(pseudo.mean())
    assert ratio.error[0] == pytest.approx(np.sqrt(pseudo.var(ddof=1) / 40))


def test_mean_chi_squared_is_known_without_each_block(data: tuple[np.ndarray, ...]) -> None:
    ld, w_ld, n, m, y = data
    edges = np.array([0, 40, 40, 250, 500])
    found = heritability(y, ld[:, :1], w_ld, n, m[:1], edges=edges)
    for b in range(4):
        left = np.r_[0 : edges[b], edges[b + 1] : len(y)]
        assert found.mean_without[b] == pytest.approx(y[left].mean(), rel=1e-12)


@pytest.mark.parametrize("mean", [1.5, 1.03])
def test_the_set_of_the_ratio_holds_what_is_within_its_error(mean: float) -> None:
    rng = np.random.default_rng(3)
    moves = rng.normal(size=(200, 2)) @ [[0.004, 0.003], [0.0, 0.004]] / np.sqrt(200)
    moves -= moves.mean(axis=0)
    b = Estimate(np.array([1.04]), 1.04 + moves[:, :1])
    whole = Estimate(np.array([mean]), mean + moves[:, 1:])
    low, high = attenuation(b, whole)
    freedom = min(float(one.influence.effective[0]) for one in (b, whole)) - 1

    def away(r: float) -> float:
        """(b - 1) - r (mean - 1) over what t allows of its error."""
        difference = Estimate(b.value - 1 - r * (whole.value - 1),
                              b.without - 1 - r * (whole.without - 1))  # fmt: skip
        return float(difference.value[0] / difference.error[0] / t.ppf(0.95, freedom))

    assert away(low) == pytest.approx(1, abs=1e-6) and away(high) == pytest.approx(-1, abs=1e-6)
    assert low < (1.04 - 1) / (mean - 1) < high


@pytest.mark.parametrize("mean", [1.005, 0.97])
def test_without_inflation_the_ratio_has_no_bounds(mean: float) -> None:
    moves = np.random.default_rng(3).normal(size=(200, 2)) * 0.07 / 200
    b = Estimate(np.array([1.01]), 1.01 + moves[:, :1])
    assert attenuation(b, Estimate(np.array([mean]), mean + moves[:, 1:])) == (-np.inf, np.inf)


def test_two_steps_of_products_that_leave_nothing_out_have_the_errors_of_one() -> None:
    rng = np.random.default_rng(5)
    ld, n, m = rng.lognormal(2.9, 0.75, 8000), np.full(8000, 2e4), np.array([1.2e6])
    noise = rng.normal(size=(2, 8000))
    noise[1] = 0.3 * noise[0] + np.sqrt(1 - 0.09) * noise[1]  # shared samples
    z = noise + np.sqrt(2e4 * 0.3 * ld / 1.2e6) * rng.normal(size=(2, 8000)) * [[1.0], [0.0]]
    alone = [heritability(one**2, ld[:, None], ld, n, m) for one in z]
    one, two = (
        covariance(*z, ld[:, None], ld, n, n, m, *alone, near=near)
        for near in (None, np.ones(8000, bool))
    )
    # the weights of the second step follow the covariance given the intercept
    np.testing.assert_allclose(two.total.without, one.total.without, atol=0.02 * one.total.error[0])
    assert two.total.error[0] == pytest.approx(one.total.error[0], rel=0.01)
