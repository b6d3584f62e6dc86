"""Moves of weight between two groups of a mixture, each with the shares of its scales as they are.

A group that has no weight at the mode has no part in transfers between single components, and gets
or loses weight by sweeps in hundreds of them; here each group is one component, the mixture of its
scales, as the point mass is. In weights W of groups and w_0 of the point mass the nested prior is

    (a - 1) log w_0 + (b - c) log(1 - w_0) + sum_k (c/K - 1) log W_k

and the share of one of two in their sum moves on the scale of log-odds.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from bayesmixer.mash.nested_weights import Nested

Array = NDArray[np.float64]

LEAST = -600.0  # log weight below which a group takes no part
NOTHING = -25.0  # log share of a scale that adds nothing to its group
SIZES = np.array([0.3, 1.0, 3.0, 8.0])  # of steps in log-odds
OF_NULL = 0.25  # how often one of the two is the point mass
EACH = 2  # moves a group
TOGETHER = 8  # ratios whose product is taken before its log


def between_groups(
    prior: Nested, relative: Array, log_weights: Array, rng: np.random.Generator
) -> float:
    """Move weight between groups, and the point mass; share of moves accepted.

    Parameters
    ----------
    prior
        Of the weights.
    relative
        Likelihoods (component, effect).
    log_weights
        Logs of the weights (component): changed in place.
    rng
        Random numbers.
    """
    null = int(prior.null is not None)
    parts = null + prior.groups
    if parts < 2:
        return 0.0
    # the point mass, then groups
    of = np.r_[[0] * null, null + prior.group, [parts - 1] * prior.alone].astype(np.intp)
    pairs = two_of(parts, EACH * parts, OF_NULL * null, rng)
    a, b = prior.null if prior.null is not None else (1.0, prior.concentration)
    powers = np.full(parts, prior.concentration / prior.groups)
    powers[:null] = a
    steps = rng.choice(SIZES, len(pairs)) * rng.standard_normal(len(pairs))
    mixed = np.exp(log_weights) @ relative
    accepted: int = _group_moves(
        relative, mixed, log_weights, of, powers, (b - prior.concentration) * null, pairs, steps,
        np.log(rng.random(len(pairs))),
    )  # fmt: skip
    return accepted / len(pairs)


def two_of(parts: int, n: int, first: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Two different of some parts, n times (n, 2), the first part in place of one of two others in
    so many of them.
    """
    pairs = rng.integers(parts, size=(n, 2))
    pairs[:, 1] = (pairs[:, 0] + 1 + rng.integers(parts - 1, size=n)) % parts
    if first:
        pairs[(rng.random(n) < first) & (pairs > 0).all(1), 0] = 0
    return pairs


@nb.njit(cache=True, nogil=True)
def change(first: Any, second: Any, mixed: Any, more: Any) -> Any:
    """What moving weight from the second to the first component adds to the log-likelihood; -inf
    where a row would be left without any.
    """
    total = 0.0
    rows = len(mixed)
    for start in range(0, rows, TOGETHER):
        product = 1.0
        for r in range(start, min(start + TOGETHER, rows)):
            ratio = 1.0 + more * (first[r] - second[r]) / mixed[r]
            product *= max(ratio, 0.0)
        if product <= 0.0:
            return -np.inf
        total += np.log(product)
    return total


@nb.njit(cache=True, nogil=True)
def _group_moves(
    relative: Any, mixed: Any, log_weights: Any, of: Any, powers: Any, power_of_rest: Any,
    pairs: Any, steps: Any, log_uniform: Any,
) -> Any:  # fmt: skip
    parts, rows = len(powers), relative.shape[1]
    top = np.full(parts, -np.inf)
    for p in range(len(of)):
        top[of[p]] = max(top[of[p]], log_weights[p])
    whole = np.zeros(parts)
    for p in range(len(of)):
        if top[of[p]] > -np.inf:
            whole[of[p]] += np.exp(log_weights[p] - top[of[p]])
    whole = np.log(whole) + top
    before = whole.copy()
    shapes = np.zeros((parts, rows))
    for p in range(len(of)):
        share = log_weights[p] - whole[of[p]]
        if share > NOTHING:
            share = np.exp(share)
            for r in range(rows):
                shapes[of[p], r] += share * relative[p, r]
    accepted = 0
    for n in range(len(pairs)):
        i, j = pairs[n]
        low, high = whole[i], whole[j]
        if not min(low, high) >= LEAST:
            continue
        total = max(low, high) + np.log1p(np.exp(-abs(low - high)))
        odds = low - high + steps[n]
        # logs of both shares, each to full precision
        one = total - (np.log1p(np.exp(-odds)) if odds > 0 else np.log1p(np.exp(odds)) - odds)
        two = total - (np.log1p(np.exp(odds)) if odds < 0 else np.log1p(np.exp(-odds)) + odds)
        if min(one, two) < LEAST:
            continue
        gain = powers[i] * (one - low) + powers[j] * (two - high)
        if power_of_rest != 0 and min(i, j) == 0:
            null, was = (one, low) if i == 0 else (two, high)
            gain += power_of_rest * np.log(np.expm1(null) / np.expm1(was))
        more = np.exp(one) - np.exp(low)
        gain += change(shapes[i], shapes[j], mixed, more)
        if log_uniform[n] < gain:
            accepted += 1
            whole[i], whole[j] = one, two
            for r in range(rows):
                mixed[r] += more * (shapes[i, r] - shapes[j, r])
    for p in range(len(of)):
        if whole[of[p]] != before[of[p]]:
            log_weights[p] += whole[of[p]] - before[of[p]]
    return accepted
