"""Covariances learned from strong effects: EM against brute force, units, missing cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

import bayesmixer as bm
from bayesmixer.mash import deconvolution
from bayesmixer.mash.deconvolution import Prior, deconvolve
from bayesmixer.mash.learned_covariances import WAYS, about_pooled
from bayesmixer.mash.rows import rows_of
from tests.mash.test_mash import KINDS, R, V, gappy, simulated

ROOTS = [np.ones((R, 1)), np.eye(R) + 0.5]
SCALES = (0.5, 1.0, 2.0)


def effects_of(kind: str, missing: bool) -> Any:
    rng = np.random.default_rng(len(kind))
    b, s = simulated(40, rng)
    if kind in ("common", "correlated"):
        s = np.broadcast_to(s[0], b.shape)
    if missing:
        b, s = gappy(b, s, rng)
    v = {"c": V, "v": np.broadcast_to(V, (40, R, R))}.get(kind[0]) if kind != "common" else None
    return bm.read_effects(b, s, v=v)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_likelihood_of_a_step_is_that_of_brute_force(kind: str, missing: bool) -> None:
    rows = rows_of(effects_of(kind, missing))
    expected = 0.0
    for j in range(40):
        seen = rows.seen[j]
        error = rows.covariance(np.array([j]))[0][np.ix_(seen, seen)]
        each = [
            stats.multivariate_normal.logpdf(
                rows.b[j, seen], cov=error + w * w * (f @ f.T)[np.ix_(seen, seen)]
            )
            for f in ROOTS
            for w in SCALES
        ]
        expected += float(logsumexp(each)) - np.log(6)
    assert deconvolve(rows, ROOTS, SCALES, steps=1).height == pytest.approx(expected / 40)


@pytest.mark.parametrize("prior", [None, Prior(3.0, V)])
@pytest.mark.parametrize("kind", ["common", "correlated"])
def test_rows_filled_at_once_are_learned_from_as_row_by_row(
    kind: str, prior: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(effects_of(kind, True))
    roots = ROOTS[1:] if prior else ROOTS
    assert not all(part.common for part in rows.parts)
    found = deconvolve(rows, roots, SCALES, prior, rise=0, steps=30)
    monkeypatch.setattr(deconvolution, "one_covariance", lambda rows: None)
    known = deconvolve(rows, roots, SCALES, prior, rise=0, steps=30)
    for name in ("u", "weights", "height"):
        own, other = getattr(found, name), getattr(known, name)
        np.testing.assert_allclose(own, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("prior", [None, Prior(3.0, V)])
@pytest.mark.parametrize("kind", KINDS)
def test_every_step_rises(kind: str, prior: Any) -> None:
    rows = rows_of(effects_of(kind, True))
    roots = ROOTS[1:] if prior else ROOTS
    heights = [deconvolve(rows, roots, SCALES, prior, steps=n, rise=-1).height for n in range(1, 7)]
    assert (np.diff(heights) > -1e-12).all()


def test_with_a_prior_the_steps_end_at_its_mode() -> None:
    rows, prior = rows_of(effects_of("correlated", False)), Prior(5.0, V)
    root = np.linalg.cholesky(deconvolve(rows, ROOTS[1:], prior=prior, rise=1e-12).u[0])
    top = deconvolve(rows, [root], prior=prior, steps=1).height
    for off in 1e-3 * np.random.default_rng(0).standard_normal((8, R, R)):
        assert deconvolve(rows, [root + off], prior=prior, steps=1).height < top


def test_the_rank_of_a_covariance_stays() -> None:
    found = deconvolve(rows_of(effects_of("by row", True)), [np.ones((R, 1)), np.eye(R)[:, :2] + 1])
    assert [np.linalg.matrix_rank(u, tol=1e-10) for u in found.u] == [1, 2]


@pytest.mark.parametrize("way", WAYS)
def test_covariances_do_not_depend_on_units(way: str) -> None:
    b, s = simulated(200, np.random.default_rng(8))
    chosen = np.flatnonzero(np.abs(b / s).max(1) > 4)
    units = np.array([1e-4, 1.0, 20.0, 1e3]) if way == "regularised" else np.full(R, 1e-4)
    found, other = (
        bm.mash.covariances(bm.read_effects(b * c, s * c), "ed", strong=chosen, deconvolution=way)[
            "U"
        ].values
        for c in (1.0, units)
    )
    # the principal components, at which the others start, are not those of other units
    tolerance = 1e-2 if way == "rank_preserving" else 1e-9
    back = other / np.outer(units, units)
    np.testing.assert_allclose(back, found, atol=tolerance * np.abs(found).max())
    assert np.linalg.eigvalsh(found).min() > -1e-12


def test_covariances_are_learned_from_effects_with_missing_cells_and_correlated_errors() -> None:
    for kind in KINDS:
        effects = effects_of(kind, True)
        found = bm.mash.covariances(effects, "ed", strong=np.arange(40), n_components=2)
        assert [str(n) for n in found["covariance"].values] == ["ed_1", "ed_2", "ed"]
        assert np.isfinite(found["U"]).all()


def test_shapes_of_strong_effects_are_found() -> None:
    rng = np.random.default_rng(4)
    lines = np.array([[1, 1, 1, 1], [1, -1, 0, 0]])
    kind = rng.integers(2, size=400)
    b = lines[kind] * rng.standard_normal((400, 1)) * 2 + 0.2 * rng.standard_normal((400, R))
    effects = bm.read_effects(b, 0.2)
    u = bm.mash.covariances(effects, "ed", n_components=2)["U"].values[:2]
    leading = np.linalg.eigh(u)[1][:, :, -1]
    cosines = np.abs(leading @ (lines / np.linalg.norm(lines, axis=1, keepdims=True)).T)
    np.testing.assert_allclose(np.sort(cosines.max(1)), 1, atol=1e-2)


def test_covariances_are_drawn_to_one_of_all_rows_as_far_as_that_is_known() -> None:
    rng = np.random.default_rng(21)
    u = np.ones((R, R)) + 0.5 * np.eye(R)
    b = rng.multivariate_normal(np.zeros(R), 4 * u + V, 500)
    rows = rows_of(bm.read_effects(b, 1.0, v=V))
    prior = Prior(float(R), V)
    found = about_pooled(rows, np.linalg.cholesky(np.eye(R)), prior)
    assert found.strength == prior.strength
    size = np.trace(V) / np.trace(u)
    np.testing.assert_allclose(found.v, size * u, atol=0.1)  # 500 rows: 0.06 of each variance
    few = rows_of(bm.read_effects(b[:R], 1.0, v=V))
    np.testing.assert_array_equal(about_pooled(few, np.eye(R), prior).v, V)
