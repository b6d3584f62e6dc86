"""Random pruning against all orders of small graphs and against MiXeR's own sum of weights."""

import itertools

import numpy as np
import pytest

from bayesmixer.errors import InputError
from bayesmixer.ld.weights import inverse_ld_weights, pruning_weights


def csr(adjacency: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, columns = np.nonzero(adjacency)
    return (
        np.concatenate([[0], np.cumsum((adjacency > 0).sum(1))]),
        columns,
        adjacency[rows, columns],
    )


def kept_over_all_orders(adjacency: np.ndarray, threshold: float) -> np.ndarray:
    """Probability of survival of each variant, by walking through every order."""
    m = len(adjacency)
    kept, orders = np.zeros(m), list(itertools.permutations(range(m)))
    for order in orders:
        alive: list[int] = []
        for o in order:
            if all(adjacency[o, k] < threshold for k in alive):
                alive.append(o)
        kept[alive] += 1
    return kept / len(orders)


@pytest.mark.parametrize("seed", range(5))
def test_weights_converge_to_the_survival_over_all_orders(seed):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.uniform(0.02, 1, (6, 6)) * (rng.random((6, 6)) < 0.5), 1)
    adjacency, rounds = upper + upper.T, 20_000
    exact = kept_over_all_orders(adjacency, 0.3)
    found = pruning_weights(*csr(adjacency), threshold=0.3, iterations=rounds, seed=seed)
    assert np.all(np.abs(found - exact) <= 5 * np.sqrt(exact * (1 - exact) / rounds) + 1e-12)


def test_rows_left_out_neither_shadow_nor_survive():
    chain = np.diag(np.full(4, 0.9), 1) + np.diag(np.full(4, 0.9), -1)
    assert pruning_weights(*csr(chain), rows=[0, 2, 4], iterations=10).tolist() == [1, 1, 1]
    within = pruning_weights(*csr(chain), rows=[0, 1, 4], iterations=64)
    assert within[0] + within[1] == 1
    assert within[2] == 1


def test_sum_of_weights_is_mixers_within_monte_carlo_error(shared):
    d = np.load(shared / "reference/mixer/inputs.npz")
    graph = d["indptr"], d["indices"].astype(np.int32), d["r2"]
    sums = np.array([pruning_weights(*graph, iterations=1, seed=s).sum() for s in range(64)])
    sd = sums.std(ddof=1)
    # both are means of 64 rounds
    assert abs(sums.mean() - d["weights"].sum()) < 4 * sd * np.sqrt(2 / 64)
    weight = pruning_weights(*graph, iterations=64, seed=0)
    noise = np.sqrt(2 * np.clip(d["weights"] * (1 - d["weights"]), 0.01, 1) / 64)
    assert np.abs((weight - d["weights"]) / noise).mean() < 1


def test_seed_fixes_the_weights_and_another_changes_them():
    adjacency = np.full((30, 30), 0.5) - np.diag(np.full(30, 0.5))
    first, again, other = (pruning_weights(*csr(adjacency), seed=s) for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.sum() == 1


def test_weights_are_counts_over_the_number_of_rounds_and_pairs_below_the_threshold_do_not_count():
    weight = pruning_weights(*csr(np.array([[0, 0.2], [0.2, 0]])), threshold=0.3, iterations=7)
    assert weight.tolist() == [1, 1]
    assert set(
        np.round(
            pruning_weights(*csr(np.array([[0, 0.4], [0.4, 0]])), threshold=0.3, iterations=7) * 7,
            9,
        )
        % 1
    ) == {0.0}


def test_inverse_ld_weights_are_capped_at_one():
    assert inverse_ld_weights([0.2, 1, 4, -3, np.nan]).tolist() == [1, 1, 0.25, 1, 1]


@pytest.mark.parametrize(
    ("option", "value"), [("iterations", 0), ("threshold", 0.0), ("threshold", 1.5)]
)
def test_impossible_options_are_errors(option, value):
    with pytest.raises(InputError):
        pruning_weights(np.zeros(2, int), np.zeros(0, int), np.zeros(0), **{option: value})
