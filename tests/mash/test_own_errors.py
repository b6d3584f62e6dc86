"""Rows that each have a covariance of errors: compiled loops beside dense Cholesky factors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bayesmixer as bm
from bayesmixer.mash import likelihood
from bayesmixer.mash.diagonal_errors import typical_errors
from bayesmixer.mash.mixture import Mixture
from bayesmixer.mash.own_errors import log_likelihoods, planned
from bayesmixer.mash.rows import rows_of

R = 9
GRID = np.array([0.05, 2.0, 0.4, 30.0])  # as somebody gave it, in no order


def covariances(rng: np.random.Generator, typical: np.ndarray) -> np.ndarray:
    """Of every rank, with and without a diagonal, alike and as typical errors are."""
    f = rng.standard_normal((R, R))
    single = np.zeros((R, R))
    single[2, 2] = 1
    units = np.outer(typical, typical)
    return np.array([
        np.eye(R), single, np.ones((R, R)), 0.25 + 0.75 * np.eye(R), f[:, :2] @ f[:, :2].T,
        f[:, :8] @ f[:, :8].T, f @ f.T, f[:, :3] @ f[:, :3].T + 0.1 * np.eye(R),
        f[:, 4:7] @ f[:, 4:7].T + 0.7 * np.eye(R),
        units * (f[:, :2] @ f[:, :2].T + 0.2 * np.eye(R)),
    ])  # fmt: skip


def effects(kind: str, rng: np.random.Generator, n: int = 40, spread: float = 0.7) -> Any:
    s = np.exp(spread * rng.standard_normal((n, R)))
    b = 3 * rng.standard_normal((n, R))
    v = None
    if "common" in kind:
        f = rng.standard_normal((R, 2 * R))
        v = np.corrcoef(f)
    elif "each" in kind:
        v = np.array([np.corrcoef(rng.standard_normal((R, 3 * R))) for _ in range(n)])
    if "missing" in kind:
        gone = rng.random((n, R)) < 0.3
        gone[:, 4] = False
        b[gone] = s[gone] = np.nan
    return bm.read_effects(b, s, v=v)


def dense(rows: Any, u: np.ndarray) -> np.ndarray:
    """Log-densities (scale x covariance + 1, row) by a Cholesky factor each."""
    out = []
    for j in range(len(rows.b)):
        some = np.flatnonzero(rows.seen[j])
        error = rows.covariance(np.array([j]))[0][np.ix_(some, some)]
        for w in [0, *GRID**2]:
            for one in u[:1] if w == 0 else u:
                lower = np.linalg.cholesky(error + w * one[np.ix_(some, some)])
                z = np.linalg.solve(lower, rows.b[j, some])
                out.append(-np.log(np.diag(lower)).sum() - z @ z / 2)
                out[-1] -= len(some) * np.log(2 * np.pi) / 2
    return np.array(out).reshape(len(rows.b), -1).T


@pytest.mark.parametrize(
    "kind", ["", "missing", "common", "common missing", "each", "each missing"]
)
def test_loops_give_what_cholesky_factors_give(kind: str) -> None:
    rng = np.random.default_rng(4)
    rows = rows_of(effects(kind, rng))
    typical = typical_errors(rows)
    mixture = Mixture(covariances(rng, typical), GRID, True)
    plan = planned(mixture.u, mixture.factors, typical)
    assert len(plan.units) == 2 and len(plan.single) == 5
    out = np.full((mixture.size, len(rows.b)), np.nan)
    left = log_likelihoods(rows, plan, GRID**2, np.arange(len(rows.b)), out)
    assert not len(left)
    expected = dense(rows, mixture.u)
    # condition numbers up to 1e6 of numbers of order 1e3
    np.testing.assert_allclose(out, expected, rtol=1e-9, atol=1e-9)


def test_rows_whose_smallest_errors_loops_would_lose_are_decomposed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(5)
    known = effects("common", rng, spread=2.5)
    rows = rows_of(known)
    u = covariances(rng, np.ones(R))
    plan = planned(u, Mixture(u, GRID, True).factors, np.ones(R))
    out = np.empty((1 + len(GRID) * len(u), len(rows.b)))
    left = log_likelihoods(rows, plan, GRID**2, np.arange(len(rows.b)), out)
    assert len(left) > 10
    monkeypatch.setattr(likelihood, "FEW", 0)
    for point_mass in (True, False):
        mixture = Mixture(u, GRID, point_mass)
        whole = np.concatenate([block for _, _, block in likelihood.blocks(rows, mixture)], axis=1)
        expected = dense(rows, u)[1 - point_mass :]
        # errors 1e5 times each other's leave an effect's own scale six digits
        np.testing.assert_allclose(whole, expected, rtol=1e-5, atol=1e-5)
