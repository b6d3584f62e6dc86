"""The prior of weights, their conjugate draws, and that draws given simulated effects are right."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from bayesmixer.mash.group_transfers import between_groups
from bayesmixer.mash.nested_weights import Nested, labels, log_dirichlet
from bayesmixer.mash.transfers import Part, taking_part, transfer
from bayesmixer.mash.weight_chains import chain

SD = np.array([0.5, 1.0, 2.0, 4.0])
GROUP, SCALE = np.tile([0, 1], 4), np.repeat(np.arange(4), 2)
PART = Part(np.arange(9), np.flatnonzero(np.r_[False, SCALE < 2]))
PRIOR = Nested((4.0, 2.0), 2.0, GROUP, SCALE)
MEANS = np.r_[0, np.where(GROUP == 0, -1, 1) * SD[SCALE]]  # two groups, told apart by their sign
SDS = np.r_[0, 0.3 * SD[SCALE]]


def simulated(weights: np.ndarray, n: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Likelihoods (component, effect), over the largest of each effect, and its log."""
    of = rng.choice(len(weights), n, p=weights)
    x = MEANS[of] + SDS[of] * rng.standard_normal(n) + 0.5 * rng.standard_normal(n)
    logs = stats.norm.logpdf(x, MEANS[:, None], np.sqrt(SDS[:, None] ** 2 + 0.25))
    return np.exp(logs - logs.max(0)), logs.max(0)


def functionals(weights: np.ndarray, relative: np.ndarray) -> np.ndarray:
    """What data identify: null, first group, small scales, log-likelihood (..., 4)."""
    heights = np.log(weights @ relative).sum(-1)
    small = weights[..., 0] + weights[..., 1:][..., SCALE < 2].sum(-1)
    group = weights[..., 1:][..., GROUP == 0].sum(-1)
    return np.stack([weights[..., 0], group, small, heights], -1)


def test_draws_of_shares_have_the_moments_of_dirichlet_distributions() -> None:
    rng = np.random.default_rng(1)
    alpha = np.array([0.3, 2.0, 5.0])
    draws = np.exp(log_dirichlet(np.broadcast_to(alpha, (20_000, 3)), rng))
    expected = stats.dirichlet(alpha)
    # 20,000 draws: standard errors of 0.002
    np.testing.assert_allclose(draws.mean(0), expected.mean(), atol=0.008)
    np.testing.assert_allclose(draws.var(0), expected.var(), atol=0.004)


def test_tiny_parameters_keep_their_logs() -> None:
    logs = log_dirichlet(np.full((100, 50), 1e-4), np.random.default_rng(2))
    assert np.isfinite(logs).all()
    assert (logs < -1000).any()
    np.testing.assert_allclose(logsumexp(logs, axis=1), 0, atol=1e-12)


def test_the_concentration_of_the_prior_does_not_grow_with_the_number_of_components() -> None:
    spread = []
    for k, n in ((2, 4), (40, 25)):
        group, scale = (a.ravel() for a in np.meshgrid(np.arange(k), np.arange(n)))
        prior, rng = Nested((10.0, 1.0), 5.0, group, scale), np.random.default_rng(3)
        draws = [prior.log_weights(prior.draw(np.zeros(prior.size), rng)) for _ in range(400)]
        weights = np.exp(np.array(draws))
        np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-10)
        assert weights[:, 0].mean() == pytest.approx(10 / 11, abs=0.02)
        spread.append(((weights[:, 1:] / weights[:, 1:].sum(1, keepdims=True)) ** 2).sum(1).mean())
    # the chance that two effects are of one component: 1 / (c + 1) at both stages and no less
    assert min(spread) > 1 / 36


def test_labels_are_drawn_by_their_probabilities() -> None:
    rng = np.random.default_rng(4)
    relative, weights = rng.random((3, 60_000)), np.array([0.2, 0.5, 0.3])
    relative[:] = relative[:, :1]
    own = labels(relative, weights, weights @ relative, rng.random(60_000))
    counts = np.bincount(own, minlength=3)
    share = weights * relative[:, 0] / (weights @ relative[:, 0])
    assert counts.sum() == 60_000
    # standard errors of 0.002
    np.testing.assert_allclose(counts / 60_000, share, atol=0.008)


def test_without_a_point_mass_all_is_shared_among_the_others() -> None:
    prior = Nested(None, 2.0, GROUP, SCALE)
    rng = np.random.default_rng(5)
    relative = simulated(np.r_[0, np.full(8, 1 / 8)], 300, rng)[0][1:]
    kept = chain(
        prior, relative, np.full(8, 1 / 8), Part(np.arange(8), np.zeros(0, int)), 50, 10, rng
    )
    np.testing.assert_allclose(kept.sum(1), 1, rtol=1e-10)


def test_simulated_truths_rank_uniformly_among_their_draws() -> None:
    """Simulation-based calibration (Talts et al. 2018) of the weights: 120 truths from the prior,
    60 effects each, 9 draws that are 8 sweeps apart.
    """
    rng = np.random.default_rng(6)
    ranks = []
    for _ in range(120):
        weights = np.exp(PRIOR.log_weights(PRIOR.draw(np.zeros(9), rng)))
        relative, _ = simulated(weights / weights.sum(), 60, rng)
        kept = chain(PRIOR, relative, np.full(9, 1 / 9), PART, 9 * 8, 20, rng)[::8]
        truth = functionals(weights, relative)
        ranks.append((functionals(kept, relative) < truth).sum(0))
    for name, rank in zip(("null", "group", "small", "likelihood"), np.array(ranks).T, strict=True):
        counts = np.bincount(rank // 2, minlength=5)
        p = stats.chisquare(counts).pvalue
        assert p > 0.001, (name, counts)


def test_the_calibration_finds_a_wrong_sampler() -> None:
    """The same truths under a prior of which the sampler knows nothing."""
    rng = np.random.default_rng(7)
    other, ranks = Nested((40.0, 2.0), 2.0, GROUP, SCALE), []
    for _ in range(120):
        weights = np.exp(PRIOR.log_weights(PRIOR.draw(np.zeros(9), rng)))
        relative, _ = simulated(weights / weights.sum(), 60, rng)
        kept = chain(other, relative, np.full(9, 1 / 9), PART, 9 * 8, 20, rng)[::8]
        ranks.append((kept[:, 0] < weights[0]).sum())
    assert stats.chisquare(np.bincount(np.array(ranks) // 2, minlength=5)).pvalue < 1e-6


@pytest.mark.parametrize("null", [(4.0, 2.0), None])
def test_transfers_alone_draw_from_the_prior_of_no_effects(
    null: tuple[float, float] | None,
) -> None:
    prior, rng = Nested(null, 6.0, GROUP, SCALE), np.random.default_rng(8)
    relative = np.ones((prior.size, 0))
    part = Part(np.arange(prior.size), PART.near if null else np.zeros(0, int))
    log_weights = np.log(np.full(prior.size, 1 / prior.size))
    kept = []
    for _ in range(3000):
        transfer(prior, relative, log_weights, part, rng)
        between_groups(prior, relative, log_weights, rng)
        kept.append(np.exp(log_weights))
    independent = [
        np.exp(prior.log_weights(prior.draw(np.zeros(prior.size), rng))) for _ in range(3000)
    ]
    # some thousand effective draws of weights of sd 0.1 to 0.2
    np.testing.assert_allclose(np.mean(kept, 0), np.mean(independent, 0), atol=0.02)
    np.testing.assert_allclose(np.std(kept, 0), np.std(independent, 0), atol=0.02)


def test_transfers_leave_the_sum_and_other_weights_alone() -> None:
    rng = np.random.default_rng(9)
    relative, _ = simulated(np.full(9, 1 / 9), 200, rng)
    log_weights = PRIOR.log_weights(PRIOR.draw(np.zeros(9), rng))
    before = log_weights.copy()
    part = Part(np.array([0, 2, 5]), np.array([2]))
    assert transfer(PRIOR, relative, log_weights, part, rng) > 0
    assert np.exp(log_weights).sum() == pytest.approx(1, abs=1e-12)
    others = np.setdiff1d(np.arange(9), part.single)
    np.testing.assert_array_equal(log_weights[others], before[others])
    found = taking_part(PRIOR, np.eye(9)[3], np.r_[True, SCALE < 1])
    assert found.single.tolist() == [0, 1, 3, 5, 7]
    assert found.near.tolist() == [1, 2]


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("null", [(4.0, 2.0), None])
def test_transfers_between_groups_draw_their_weights_from_the_prior_of_no_effects(
    null: tuple[float, float] | None, alone: bool
) -> None:
    prior, rng = Nested(null, 6.0, GROUP, SCALE, alone=alone), np.random.default_rng(12)
    relative = np.ones((prior.size, 0))
    log_weights = prior.log_weights(prior.draw(np.zeros(prior.size), rng))
    scales = prior.shares(log_weights).scale
    kept = []
    for _ in range(4000):
        between_groups(prior, relative, log_weights, rng)
        now = prior.shares(log_weights)
        kept.append(np.exp(np.r_[now.null[0], now.group]))
    np.testing.assert_allclose(now.scale, scales, atol=1e-9)
    assert np.exp(log_weights).sum() == pytest.approx(1, abs=1e-9)
    draws = [prior.draw(np.zeros(prior.size), rng) for _ in range(4000)]
    independent = np.exp([np.r_[one.null[0], one.group] for one in draws])
    # some thousand effective draws of shares of sd 0.2
    np.testing.assert_allclose(np.mean(kept, 0), independent.mean(0), atol=0.025)
    np.testing.assert_allclose(np.std(kept, 0), independent.std(0), atol=0.02)


@pytest.mark.parametrize("null", [(4.0, 2.0), None])
def test_shares_and_weights_are_each_others(null: tuple[float, float] | None) -> None:
    prior, rng = Nested(null, 3.0, GROUP, SCALE, alone=True), np.random.default_rng(10)
    shares = prior.draw(rng.integers(5, size=prior.size).astype(float), rng)
    logs = prior.log_weights(shares)
    assert np.exp(logs).sum() == pytest.approx(1, abs=1e-12)
    for one, other in zip(prior.shares(logs), shares, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)
