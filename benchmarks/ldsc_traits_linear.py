"""How far intervals of rg of thirty traits hold where V is estimated from blocks: the model by two
factors made linear at the truth, fitted by least squares weighted by V's inverse.

    python benchmarks/ldsc_traits_linear.py [--replicates 10]

Each draw: z of 32,000 independent variants, one regression for all 465 products, V from 2,000
blocks. Printed: the share of 90% intervals of rg that hold, by draw, and the variance of rg over
that which V's inverse says, beside what the t of `bayesmixer.models.ldsc_traits` takes it for.
1.2 CPU s a draw.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from bayesmixer.models.ldsc_traits import _law

VARIANTS, BLOCKS, TRAITS, N, M, INTERCEPT = 32_000, 2_000, 30, 1e5, 1.17e6, 1.03
COLUMN, ROW = np.triu_indices(TRAITS)
SHARED = 0.1  # correlation of errors


def correlation(at: np.ndarray) -> np.ndarray:
    """(k, k) of heritabilities (k,) and loadings (k, 2), one behind the other."""
    loading = at[TRAITS:].reshape(TRAITS, 2)
    out = loading @ loading.T
    np.fill_diagonal(out, 1.0)
    return out


def covariance(at: np.ndarray) -> np.ndarray:
    """(k, k) genetic covariances."""
    return correlation(at) * np.sqrt(np.outer(at[:TRAITS], at[:TRAITS]))


def slopes(of: Callable[[np.ndarray], np.ndarray], at: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(rows, parameters) of the triangle of a matrix."""
    step = 1e-6
    moved = [of(at + step * unit) - of(at - step * unit) for unit in np.eye(len(at))]
    return np.array([one[COLUMN, ROW][rows] for one in moved]).T / (2 * step)


def main() -> None:
    """Draw, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=10)
    given = parser.parse_args()
    rng = np.random.default_rng(5)
    loading = rng.uniform(-0.8, 0.8, (TRAITS, 2)) / np.sqrt(2)
    truth = np.r_[rng.uniform(0.05, 0.4, TRAITS), loading.ravel()]
    expected = covariance(truth)[COLUMN, ROW]
    of_s = slopes(covariance, truth, np.full(len(ROW), True))
    of_rg = slopes(correlation, truth, COLUMN != ROW)
    # the two factors may be turned, which is no direction of the model
    _, size, turned = np.linalg.svd(of_s, full_matrices=False)
    basis = turned[size > 1e-8 * size[0]].T
    of_s, of_rg = of_s @ basis, of_rg @ basis
    q, p = of_s.shape
    freedom, wider = _law(q, BLOCKS, p)
    # of parameters, given the distance of the rest from the model
    rest = (q - p) * (BLOCKS - 1) / (BLOCKS - 2 - (q - p))
    law = wider * (freedom + rest / wider) / (freedom + q - p - 2)
    error = np.full((TRAITS, TRAITS), SHARED) + (1 - SHARED) * np.eye(TRAITS)
    root = [np.linalg.cholesky(v) for v in (covariance(truth), INTERCEPT * error)]
    scores = []
    for _ in range(given.replicates):
        x = N * rng.lognormal(2.87, 0.75, VARIANTS) / M
        z = np.sqrt(x)[:, None] * (rng.standard_normal((VARIANTS, TRAITS)) @ root[0].T)
        z += rng.standard_normal(z.shape) @ root[1].T
        columns = np.column_stack([x, np.ones(VARIANTS)])
        weighted = columns.T / (INTERCEPT + truth[:TRAITS].mean() * x) ** 2
        gain = np.linalg.solve(weighted @ columns, weighted)
        products = z[:, COLUMN] * z[:, ROW]
        found = gain @ products
        moved = gain[0][:, None] * (products - columns @ found)
        moved = moved.reshape(BLOCKS, -1, q).sum(axis=1)
        inverse = np.linalg.inv(BLOCKS * np.cov(moved.T))
        spread = np.linalg.inv(of_s.T @ inverse @ of_s)
        away = of_rg @ spread @ (of_s.T @ inverse @ (found[0] - expected))
        scores.append(away**2 / np.einsum("ip,pq,iq->i", of_rg, spread, of_rg))
    ratio = np.array(scores)
    held = (ratio < 1.645**2 * law).mean(axis=1)
    print("held, by draw:", " ".join(f"{one:.2f}" for one in held))
    print(f"held {held.mean():.3f} (sd {held.std(ddof=1):.3f}); variance over that of V's inverse "
          f"{ratio.mean():.2f}, by the t {law:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
