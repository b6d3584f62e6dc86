"""Errors of which others determine some: the mixture lives where effects do, all is reported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

import bayesmixer as bm

V = np.full((4, 4), 0.3) + 0.7 * np.eye(4)
CENTRED = np.eye(4) - 1 / 4
TWICE = [0, 1, 2, 3, 1]
U = np.array([np.eye(3), np.ones((3, 3)), np.diag([1.0, 0, 0])])
GRID = [0.5, 1.5]
WEIGHTS = np.r_[0.4, np.full(6, 0.1)]


def simulated(n: int = 30) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return 2 * rng.standard_normal((n, 4)), rng.uniform(0.3, 0.9, (n, 4))


def centred(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard errors and correlations (effect, ...) after the mean is subtracted."""
    covariance = CENTRED @ (s[:, :, None] * V * s[:, None, :]) @ CENTRED
    se = np.sqrt(np.einsum("jrr->jr", covariance))
    return se, covariance / se[:, :, None] / se[:, None, :]


@pytest.mark.parametrize("alike", [True, False])
def test_a_mean_that_was_subtracted_before_is_a_mean_that_is_subtracted(alike: bool) -> None:
    b, s = simulated()
    s = np.full_like(s, 0.5) if alike else s
    known = bm.read_effects(b, s, v=V, baseline="mean")
    se, v = centred(s)
    found = bm.read_effects(b @ CENTRED, se, v=v[0] if alike else v)
    np.testing.assert_allclose(found["reported"], known["reported"], atol=1e-12)
    fit = bm.mash.given(U, GRID, WEIGHTS)
    one, other = bm.mash.posterior(fit, found), bm.mash.posterior(fit, known)
    for name in ("mean", "sd", "lfsr", "lfdr", "log_likelihood"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-9, atol=1e-12)
    assert one["condition"].values.tolist() == [f"condition_{i}" for i in range(1, 5)]


def test_posteriors_are_those_in_an_orthonormal_basis_of_where_effects_lie() -> None:
    b, s = simulated(6)
    se, v = centred(np.full_like(s, 0.5))
    effects = bm.read_effects(b @ CENTRED, se, v=v[0])
    a = effects["reported"].values
    basis = np.linalg.svd(CENTRED)[0][:, :3]
    found = bm.mash.posterior(bm.mash.given(U, GRID, WEIGHTS), effects)
    errors = basis.T @ (v[0] * se[0][:, None] * se[0]) @ basis
    y = b @ CENTRED @ basis
    priors = [np.zeros((4, 4))] + [w * w * a @ u @ a.T for w in GRID for u in U]
    total, mean, below, zero = np.zeros(6), np.zeros((6, 4)), np.zeros((6, 4)), np.zeros((6, 4))
    for weight, prior in zip(WEIGHTS, priors, strict=True):
        within = basis.T @ prior @ basis
        part = weight * multivariate_normal.pdf(y, np.zeros(3), errors + within)
        slope = within @ np.linalg.inv(errors + within)
        centre = y @ slope.T @ basis.T
        variance = np.diag(basis @ (within - slope @ within) @ basis.T)
        null = np.diag(prior) < 1e-12
        total += part
        mean += part[:, None] * centre
        sign = norm.cdf(-centre / np.sqrt(np.where(null, 1, variance)))
        below += part[:, None] * np.where(null, 0, sign)
        zero += part[:, None] * null
    below, zero = below / total[:, None], zero / total[:, None]
    np.testing.assert_allclose(found["mean"], mean / total[:, None], atol=1e-9)
    np.testing.assert_allclose(found["lfdr"], zero, atol=1e-9)
    lfsr = np.minimum(below + zero, 1 - below)
    np.testing.assert_allclose(found["lfsr"], lfsr, atol=1e-9)
    # densities differ by that of the change of basis
    change = np.linalg.slogdet(basis.T @ a)[1]
    np.testing.assert_allclose(found["log_likelihood"], np.log(total) + change, atol=1e-9)


def test_a_condition_that_is_there_twice_changes_nothing() -> None:
    b, _ = simulated(200)
    b[::2] *= 0.2
    once = bm.read_effects(b, 0.5, v=V)
    twice = bm.read_effects(b[:, TWICE], 0.5, v=V[np.ix_(TWICE, TWICE)])
    one, two = bm.mash.run(once), bm.mash.run(twice)
    assert two["effects"].sizes["condition"] == 5
    for name in ("mean", "lfsr", "lfdr"):
        again = one["effects"][name].values[:, TWICE]
        np.testing.assert_allclose(two["effects"][name], again, atol=1e-9)
    assert bm.report(two)


def test_rounded_tables_are_taken() -> None:
    b, s = simulated()
    se, v = centred(np.full_like(s, 0.5))
    found = bm.read_effects((b @ CENTRED).round(4), se, v=v[0].astype(np.float32))
    assert found.sizes["condition"] == 3
    np.testing.assert_allclose(found["reported"][3], -1, atol=1e-4)


def test_two_conditions_of_one_error_are_one_and_one_row_is_enough() -> None:
    b, _ = simulated(1)
    found = bm.read_effects(b[:, [0, 0]], 0.5, v=np.ones((2, 2)))
    assert found.sizes["condition"] == 1
    posterior = bm.mash.run(found)["effects"]
    assert posterior["mean"].shape == (1, 2)
    assert float(posterior["mean"][0, 0]) == float(posterior["mean"][0, 1])


def test_contrasts_of_singular_errors_are_reported_all() -> None:
    b, _ = simulated()
    v = V[np.ix_(TWICE, TWICE)]
    once = bm.read_effects(b, 0.5, v=V, baseline=0)
    twice = bm.read_effects(b[:, TWICE], 0.5, v=v, baseline=0)
    fit = bm.mash.given(U, GRID, WEIGHTS)
    one, two = (bm.mash.posterior(fit, e)["mean"].values for e in (once, twice))
    np.testing.assert_allclose(two, one[:, [0, 1, 2, 0]], atol=1e-12)


def test_what_contradicts_v_is_said_in_a_line() -> None:
    b, s = simulated()
    v = V[np.ix_(TWICE, TWICE)]
    twice = b[:, TWICE]
    hole, se = twice.copy(), np.full(twice.shape, 0.5)
    hole[3, 1] = se[3, 1] = np.nan
    other = twice.copy()
    other[7, 4] += 0.01
    bad: list[tuple[dict[str, Any], str]] = [
        ({"bhat": other, "shat": 0.5}, "condition_5 .first: 7, of 1. without error, and its"),
        ({"bhat": twice, "shat": s[:, [0, 1, 2, 3, 0]]}, "by other factors than in other"),
        ({"bhat": hole, "shat": se}, "condition_5 .first: 3, of 1., which are missing where"),
    ]
    for given, said in bad:
        with pytest.raises(bm.InputError, match=said) as caught:
            bm.read_effects(**given, v=v)
        assert "\n" not in str(caught.value)
    with pytest.raises(bm.InputError, match="baseline: 'condition_2-condition_1' has no error"):
        bm.read_effects(b[:, [0, 0]], 0.5, v=np.ones((2, 2)), baseline=0)
    # missing where others tell it: nothing is lost
    hole, se = twice.copy(), np.full(twice.shape, 0.5)
    hole[3, 4] = se[3, 4] = np.nan
    assert bm.read_effects(hole, se, v=v).sizes["condition"] == 4


def test_nearly_singular_errors_of_effects_that_are_not_stay_as_they_are() -> None:
    b, _ = simulated()
    v = V[np.ix_(TWICE, TWICE)] + 1e-8 * np.eye(5)
    loose = np.c_[b, b[:, 1] + 0.1]
    assert bm.read_effects(loose, 0.5, v=v).sizes["condition"] == 5
