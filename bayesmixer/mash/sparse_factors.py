"""Covariances of sparse factors: patterns of few conditions each, that strong effects are made of,
by sparse singular vectors (Lee, Shen, Huang and Marron 2010).

One layer at a time: of what is left of the effects, X = d u v', the v that is shrunk towards 0 by
as much as the Bayesian information criterion says, then u = X v / |X v|, until v stays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmixer.mash.learned_covariances import in_standard_errors
from bayesmixer.mash.rows import Index, Rows, picked

Array = NDArray[np.float64]

STAYS = 1e-10
TURNS = 500


def sparse(rows: Rows, chosen: Index, n: int) -> dict[str, Array]:
    """`sparse_1`, ...: v v' of up to n factors of the chosen rows, in units of standard errors; and
    `sparse`, their sum by their sizes, all on the scale of the mixture.
    """
    few, unit = in_standard_errors(picked(rows, chosen))
    found: dict[str, Array] = {}
    whole = np.zeros((len(unit), len(unit)))
    for d, v in factors(few.b, n):
        one = np.outer(v * unit, v * unit)
        found[f"sparse_{len(found) + 1}"] = one
        whole += d * d / len(chosen) * one
    return found | ({"sparse": whole} if found else {})


def factors(x: Array, n: int) -> list[tuple[float, Array]]:
    """Sizes d and sparse unit vectors v of up to n layers d u v' of x (row, condition)."""
    x = x.copy()
    found: list[tuple[float, Array]] = []
    rank = np.linalg.matrix_rank(x)
    for _ in range(min(n, int(rank))):
        u, _, vt = np.linalg.svd(x, full_matrices=False)
        u, v = u[:, 0], vt[0]
        for _ in range(TURNS):
            before, v = v, thinned(x, u)
            size = float(np.linalg.norm(v))
            if not size:
                return found
            v /= size
            u = x @ v
            u /= np.linalg.norm(u)
            if np.abs(v - before).max() < STAYS:
                break
        d = float(u @ x @ v)
        x -= d * np.outer(u, v)
        found.append((d, v))
    return found


def thinned(x: Array, u: Array) -> Array:
    """x' u shrunk towards 0 by the threshold, one of its own entries or 0, of the smallest BIC."""
    full = x.T @ u
    size = np.abs(full)
    entries = x.size
    squares = float(np.square(x).sum())
    noise = max(squares - float(full @ full), 1e-12 * squares) / max(entries - len(full), 1)
    thresholds = np.r_[0.0, np.sort(size)[:-1]]
    kept = np.maximum(size - thresholds[:, None], 0)
    left = squares - 2 * kept @ size + np.square(kept).sum(1)
    bic = left / (entries * noise) + np.log(entries) / entries * (kept > 0).sum(1)
    out: Array = np.sign(full) * kept[np.argmin(bic)]
    return out
