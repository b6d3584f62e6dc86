"""Weights of variants in the composite likelihood: random pruning (Frei et al. 2019, MiXeR) or
inverse LD score.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesmixer.errors import InputError

RULES = ("pruning", "inverse_ld", "none")


def pruning_weights(
    indptr: ArrayLike,
    index: ArrayLike,
    r2: ArrayLike,
    rows: ArrayLike | None = None,
    *,
    threshold: float = 0.1,
    iterations: int = 64,
    seed: int | np.random.Generator = 0,
) -> NDArray[np.float64]:
    """Weight each variant by how often it survives random pruning.

    One round draws variants in random order, keeps a variant unless one kept before it is its
    neighbour with r^2 >= `threshold`; the weight is the number of rounds that kept it over
    `iterations`.

    Parameters
    ----------
    indptr, index, r2
        Neighbours as symmetric CSR over all rows of a chromosome: pointers (variant + 1), columns
        and r^2 (edge).
    rows
        Rows that take part, shape (row,); all where left out. LD is then that of the subgraph of
        these rows.
    threshold
        Smallest r^2 that makes two variants neighbours.
    iterations
        Number of rounds.
    seed
        Seed or generator.

    Returns
    -------
    numpy.ndarray
        float64, shape (row,): weights in [0, 1], multiples of 1 / iterations.

    Raises
    ------
    InputError
        `iterations` below 1 or `threshold` outside (0, 1].

    References
    ----------
    Frei et al. 2019, Nature Communications 10:2417, Methods (random pruning).
    """
    if iterations < 1:
        raise InputError("prune_iterations", f"{iterations}, expected at least 1")
    if not 0 < threshold <= 1:
        raise InputError("prune_r2", f"{threshold}, expected above 0 and up to 1")
    pointers, columns, strength = np.asarray(indptr, np.int64), np.asarray(index), np.asarray(r2)
    chosen = np.arange(len(pointers) - 1) if rows is None else np.asarray(rows, np.int64)
    rng = np.random.default_rng(seed)
    done = np.zeros(len(pointers) - 1, np.int32)
    kept = np.zeros(len(pointers) - 1, np.int32)
    order = chosen.copy()
    # one round a call: Ctrl-C is heard between rounds
    for round_number in range(1, iterations + 1):
        rng.shuffle(order)
        _prune(pointers, columns, strength, threshold, order, np.int32(round_number), done, kept)
    return np.asarray(kept[chosen] / iterations, np.float64)


@nb.njit(cache=True)
def _prune(  # type: ignore[no-untyped-def]
    indptr, index, r2, threshold, order, round_number, done, kept
):
    """One round; done[i] == round_number marks what was kept or is a neighbour of something
    kept.
    """
    for o in order:
        if done[o] != round_number:
            done[o] = round_number
            kept[o] += 1
            for e in range(indptr[o], indptr[o + 1]):
                if r2[e] >= threshold:
                    done[index[e]] = round_number


def inverse_ld_weights(ld_score: ArrayLike) -> NDArray[np.float64]:
    """Weight each variant by 1 / max(ld_score, 1).

    Parameters
    ----------
    ld_score
        Sum of unbiased r^2, shape (variant,); noise can carry it below 1.

    Returns
    -------
    numpy.ndarray
        float64, shape (variant,), in (0, 1].

    References
    ----------
    Bulik-Sullivan et al. 2015, Nature Genetics 47:291, Methods (over-counting weights).
    """
    return np.asarray(1 / np.maximum(np.nan_to_num(np.asarray(ld_score, np.float64), nan=1.0), 1.0))
