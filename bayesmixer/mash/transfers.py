"""Moves of weight between two components, by Metropolis steps on the weights' own posterior.

Sweeps that draw the component of every effect move no more weight than effects change their
component, so that null and small scales trade it in thousands of sweeps; a transfer is judged by
the likelihood of all effects at once, with no labels. In weights w the nested prior is

    (a - 1) log w_0 + (b - c) log(1 - w_0) + sum_k (c/K - c) log W_k + sum_p (c/L - 1) log w_p,

W_k the sum of w over group k; the share of one of two in their sum moves on the scale of log-odds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesmixer.mash.group_transfers import change, two_of
from bayesmixer.mash.nested_weights import Nested

Array = NDArray[np.float64]
Index = NDArray[np.intp]

NULL, ALONE = -1, -2  # in place of a group
LEAST = -600.0  # log weight below which a component takes no part
SIZES = np.array([0.05, 0.3, 1.0, 3.0, 8.0])  # of steps in log-odds
EXCHANGE = 0.1  # how often the two exchange their weights
WITH_NULL = 8  # moves of the point mass with all that are near it
OF_NULL = 0.4  # how often one of the two is the point mass
PART, FEWEST = 6, 20  # one transfer for so many components, and no fewer
ENOUGH, BESIDE = 1e-6, 2  # weight of components that take part, and scales beside them


class Part(NamedTuple):
    """Components between which weight is moved, and those that together trade with the null."""

    single: Index
    near: Index


def taking_part(prior: Nested, weights: Array, near: NDArray[np.bool_]) -> Part:
    """The point mass, components of some weight (component) and those of scales beside; and those
    that are `near` null (component).
    """
    null = int(prior.null is not None)
    place = np.full((prior.scaled, prior.scales), -1)
    place[prior.group, prior.scale] = null + np.arange(len(prior.group))
    chosen = ({0} if null else set()) | ({prior.size - 1} if prior.alone else set())
    for p in np.flatnonzero(weights[prior.pairs] > ENOUGH):
        k, scale = prior.group[p], prior.scale[p]
        chosen |= set(place[k, max(0, scale - BESIDE) : scale + BESIDE + 1].tolist())
    chosen |= set(place[np.argmax(np.bincount(prior.group, weights[prior.pairs]))].tolist())
    single = np.array(sorted(chosen - {-1}), dtype=np.intp)
    return Part(single, null + np.flatnonzero(near[null:]) if null else np.zeros(0, np.intp))


def transfer(
    prior: Nested, relative: Array, log_weights: Array, part: Part, rng: np.random.Generator
) -> float:
    """Move weight between components that take part, a number of times; share of moves accepted.
    Then between the point mass and all components near it, in their proportions.

    Parameters
    ----------
    prior
        Of the weights.
    relative
        Likelihoods (component, effect).
    log_weights
        Logs of the weights (component): changed in place.
    part
        What `taking_part` returned, or others, the same through a chain.
    rng
        Random numbers.
    """
    mixed = np.exp(log_weights) @ relative
    accepted = _between(prior, relative, log_weights, mixed, part.single, rng)
    if len(part.near):
        _with_null(prior, relative, log_weights, mixed, part.near, rng)
    return accepted


def _between(
    prior: Nested, relative: Array, log_weights: Array, mixed: Array, part: Index,
    rng: np.random.Generator,
) -> float:  # fmt: skip
    if len(part) < 2:
        return 0.0
    null = int(prior.null is not None)
    n = max(FEWEST, prior.size // PART)
    pairs = two_of(len(part), n, OF_NULL * (null and part[0] == 0), rng)
    steps = rng.choice(SIZES, n) * rng.standard_normal(n)
    steps[rng.random(n) < EXCHANGE] = np.nan
    members = np.empty((prior.scaled, prior.scales), np.intp)
    members[prior.group, prior.scale] = null + np.arange(len(prior.group))
    group = np.r_[[NULL] * null, prior.group, [ALONE] * prior.alone].astype(np.intp)
    c = prior.concentration
    a, b = prior.null if prior.null is not None else (1.0, c)
    each = c / prior.groups
    powers = np.array([a - 1, b - c, each - c, c / prior.scales - 1, each - 1])
    accepted: int = _moves(
        relative, mixed, log_weights, group, members, powers, part[pairs], steps,
        np.log(rng.random(n)),
    )  # fmt: skip
    return accepted / n


def _with_null(
    prior: Nested, relative: Array, log_weights: Array, mixed: Array, near: Index,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Moves between the point mass and all that are near it."""
    assert prior.null is not None
    (a, b), c = prior.null, prior.concentration
    log_near = float(logsumexp(log_weights[near]))
    if log_near < LEAST:
        return
    share = np.exp(log_weights[near] - log_near)
    shape = share @ relative[near]  # of their mixture
    of_near = np.bincount(prior.group[near - 1], share, prior.scaled)
    touched = np.flatnonzero(of_near)
    others = np.exp(log_weights[prior.pairs])
    others[near - 1] = 0
    rest = np.bincount(prior.group, others, prior.scaled)[touched]
    of_near = of_near[touched]
    power = len(near) * c / prior.scales

    def height(null: float, together: float) -> float:
        """Log prior, and what log-odds of one share of two, of so many components, add."""
        by_group = np.log(rest + of_near * np.exp(together)).sum()
        value = a * null + (b - c) * np.log(-np.expm1(null)) + power * together
        return float(value + (c / prior.groups - c) * by_group)

    null, together = float(log_weights[0]), log_near
    now = height(null, together)
    steps = rng.choice(SIZES, WITH_NULL) * rng.standard_normal(WITH_NULL)
    for step, log_uniform in zip(steps, np.log(rng.random(WITH_NULL)), strict=True):
        total, odds = np.logaddexp(null, together), null - together + step
        one, two = total - np.logaddexp(0, -odds), total - np.logaddexp(0, odds)
        more = np.exp(one) - np.exp(null)
        then = height(one, two)
        if min(one, two) > LEAST and log_uniform < then - now + change(
            relative[0], shape, mixed, more
        ):
            null, together, now = one, two, then
            mixed += more * (relative[0] - shape)
    log_weights[0] = null
    log_weights[near] += together - log_near


@nb.njit(cache=True, nogil=True)
def _moves(
    relative: Any, mixed: Any, log_weights: Any, group: Any, members: Any, powers: Any,
    pairs: Any, steps: Any, log_uniform: Any,
) -> Any:  # fmt: skip
    accepted = 0
    for n in range(len(pairs)):
        i, j = pairs[n]
        low, high = log_weights[i], log_weights[j]
        if min(low, high) < LEAST:
            continue
        total = np.exp(low) + np.exp(high)
        odds = low - high
        new = -odds if np.isnan(steps[n]) else odds + steps[n]
        one = np.log(total) - np.log1p(np.exp(-new)) if new > -600 else np.log(total) + new
        two = np.log(total) - np.log1p(np.exp(new)) if new < 600 else np.log(total) - new
        if min(one, two) < LEAST:
            continue
        before = _log_prior(i, j, log_weights, group, members, powers) + low + high
        log_weights[i], log_weights[j] = one, two
        gain = _log_prior(i, j, log_weights, group, members, powers) + one + two - before
        more = np.exp(one) - np.exp(low)
        gain += change(relative[i], relative[j], mixed, more)
        if log_uniform[n] < gain:
            accepted += 1
            for r in range(len(mixed)):
                mixed[r] += more * (relative[i, r] - relative[j, r])
        else:
            log_weights[i], log_weights[j] = low, high
    return accepted


@nb.njit(cache=True, nogil=True)
def _log_prior(i: Any, j: Any, log_weights: Any, group: Any, members: Any, powers: Any) -> Any:
    """Terms of the log prior density of weights that two of them change."""
    value = 0.0
    for p in (i, j):
        if group[p] == ALONE:
            value += powers[4] * log_weights[p]
            continue
        if group[p] == NULL:
            value += powers[0] * log_weights[p]
            value += powers[1] * np.log(-np.expm1(log_weights[p]))
            continue
        value += powers[3] * log_weights[p]
        if group[i] != group[j]:
            whole = 0.0
            for q in members[group[p]]:
                whole += np.exp(log_weights[q])
            value += powers[2] * np.log(whole)
    return value
