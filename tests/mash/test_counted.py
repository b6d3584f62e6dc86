"""Counts over conditions, s-values, and what is predicted of effects left out."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import bayesmixer as bm
from tests.mash.test_mash import simulated


def posterior() -> xr.Dataset:
    mean = np.array([[2.0, 1.5, -1.0, 0.1], [0.0, 0.0, 0.0, 0.0], [3.0, 0.2, 0.2, -4.0]])
    lfsr = np.array([[0.01, 0.02, 0.04, 0.5], [1.0, 1.0, 1.0, 1.0], [0.01, 0.5, 0.5, 0.06]])
    both = ("effect", "condition")
    return xr.Dataset(
        {"mean": (both, mean), "lfsr": (both, lfsr)},
        coords={"effect": list("xyz"), "condition": list("abcd")},
    )


def test_counts_are_those_by_hand() -> None:
    found = bm.mash.by_effect(posterior())
    assert found["n_significant"].values.tolist() == [3, 0, 1]
    assert found["strongest"].values.tolist() == ["a", "a", "a"]
    assert found["n_share_sign"].values.tolist() == [3, 0, 3]
    assert found["n_share_size"].values.tolist() == [2, 0, 1]
    assert found["only"].values.tolist() == [False, False, True]
    assert bm.mash.by_effect(posterior(), 0.01)["n_share_size"].values.tolist() == [3, 0, 3]
    with pytest.raises(bm.InputError, match="factor: 1, expected"):
        bm.mash.by_effect(posterior(), 1)


def test_sharing_counts_ratios_that_equal_the_factor_where_asked_to() -> None:
    found = posterior().isel(effect=[0])
    found["mean"].values[0] = [2, 1, 4, 0]
    assert bm.mash.sharing(found).values[0].tolist() == [1, 0, 0, 0]
    assert bm.mash.sharing(found, inclusive=True).values[0].tolist() == [1, 1, 1, 0]
    assert bm.mash.sharing(found, 0, inclusive=True).values[0].tolist() == [1, 1, 1, 0]
    for wrong in (3, np.sum):
        with pytest.raises(bm.InputError, match="function: "):
            bm.mash.sharing(found, function=wrong)  # type: ignore[arg-type]


def test_svalues_are_means_of_the_rates_up_to_there() -> None:
    found = bm.mash.svalues(posterior())
    lfsr = posterior()["lfsr"].values
    for value, own in zip(found.values.ravel(), lfsr.ravel(), strict=True):
        assert value == pytest.approx(lfsr[lfsr <= own].mean())


def test_folds_hold_whole_blocks_and_predict_what_a_fit_of_the_others_does() -> None:
    rng = np.random.default_rng(2)
    effects = bm.read_effects(*simulated(200, rng))
    gene = rng.integers(40, size=200)
    u = bm.mash.covariances(effects, "canonical")
    found = bm.mash.cross_validate(effects, u, folds=4, blocks=gene)
    fold = found["fold"].values
    assert all(len(set(fold[gene == g])) == 1 for g in set(gene))
    assert set(np.bincount(fold) > 20) == {True}
    left = fold != 2
    fit = bm.mash.fit(effects.isel(effect=left), u, independent=True)
    other = bm.mash.posterior(fit, effects.isel(effect=~left))["log_likelihood"]
    np.testing.assert_allclose(found["log_likelihood"].values[~left], other)
    assert float(found["total"].sum()) == pytest.approx(float(found["log_likelihood"].sum()))
    assert float(found["mean"]) == pytest.approx(float(found["log_likelihood"].mean()))
    # of effects by themselves the standard error is that of a mean
    plain = bm.mash.cross_validate(effects, u, folds=2)
    expected = plain["log_likelihood"].values.std(ddof=1) / np.sqrt(200)
    assert float(plain["se"]) == pytest.approx(expected)


def test_learned_covariances_are_learned_anew_in_every_fold() -> None:
    rng = np.random.default_rng(3)
    true = 3 * rng.standard_normal((300, 1)) * (rng.random((300, 1)) < 0.3) * [1, -1, 1, 0]
    effects = bm.read_effects(true + rng.standard_normal((300, 4)), 1)
    learned = bm.mash.cross_validate(effects, folds=3)
    canonical = bm.mash.cross_validate(effects, bm.mash.covariances(effects, "canonical"), folds=3)
    assert float(learned["mean"]) > float(canonical["mean"])


def test_folds_that_cannot_be_are_refused() -> None:
    effects = bm.read_effects(*simulated(20))
    with pytest.raises(bm.InputError, match="folds: 3 of 2 blocks"):
        bm.mash.cross_validate(effects, folds=3, blocks=[0, 1] * 10)
    with pytest.raises(bm.InputError, match="blocks: of shape"):
        bm.mash.cross_validate(effects, blocks=[0])


def test_sharing_of_draws_is_the_mean_of_that_of_each_draw() -> None:
    rng = np.random.default_rng(5)
    effects = bm.read_effects(rng.standard_normal((40, 3)) + rng.standard_normal((40, 1)) * 3, 0.5)
    fit = bm.mash.given({"equal": np.ones((3, 3)), "each": np.eye(3)}, [2.0], [0.2, 0.4, 0.4])
    found = bm.mash.posterior(fit, effects)
    draws = bm.mash.sample(fit, effects, 50)
    for options in ({}, {"factor": 0}, {"function": np.abs, "inclusive": True}):
        each = [bm.mash.sharing(found.assign(mean=one), **options) for one in draws]
        shared = bm.mash.sharing(found, samples=draws, **options)
        np.testing.assert_allclose(shared, np.mean(each, axis=0), rtol=1e-12)
    for other in (draws[:, :9], draws.values, draws.isel(condition=[1, 0, 2])):
        with pytest.raises(bm.InputError, match=r"^samples: "):
            bm.mash.sharing(found, samples=other)
