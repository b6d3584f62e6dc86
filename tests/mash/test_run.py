"""The one call: what it does is what its steps do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import bayesmixer as bm

R = 5


def simulated(n: int = 1500, rho: float = 0.0, seed: int = 1) -> Any:
    rng = np.random.default_rng(seed)
    line = np.array([1, 1, 1, -1, 0])
    true = 2 * rng.standard_normal((n, 1)) * (rng.random((n, 1)) < 0.1) * line
    errors = rng.multivariate_normal(np.zeros(R), np.full((R, R), rho) + (1 - rho) * np.eye(R), n)
    return true, true + 0.5 * errors


def test_it_is_its_steps() -> None:
    _, b = simulated()
    effects = bm.read_effects(b, 0.5)
    found = bm.mash.run(effects)
    strong = bm.mash.strong(effects)
    fit = bm.mash.fit(effects, bm.mash.covariances(effects, strong=strong), independent=True)
    xr.testing.assert_equal(found["effects"].to_dataset(), bm.mash.posterior(fit, effects))
    assert int(found["estimate"]["n_strong"]) == len(strong)
    assert "error_correlation" not in found["estimate"]
    again = bm.mash.posterior(found, effects)
    np.testing.assert_allclose(again["mean"], found["effects"]["mean"])


def test_correlated_errors_are_found_and_used() -> None:
    true, b = simulated(rho=0.6)
    effects = bm.read_effects(b, 0.5)
    found = bm.mash.run(effects)
    v = found["estimate"]["error_correlation"].values
    assert v[~np.eye(R, dtype=bool)].mean() == pytest.approx(0.6, abs=0.05)
    taken = bm.mash.run(effects, errors="independent")
    far = [np.square(one["effects"]["mean"].values - true).mean() for one in (found, taken)]
    assert far[0] < far[1]
    known = bm.mash.run(bm.read_effects(b, 0.5, v=v))
    np.testing.assert_array_equal(known["estimate"]["error_correlation"], v)
    np.testing.assert_allclose(known["effects"]["mean"], found["effects"]["mean"], atol=1e-12)


def test_strong_effects_are_learned_from_as_often_as_they_come() -> None:
    _, b = simulated()
    effects = bm.read_effects(b, 0.5)
    some = bm.mash.run(effects, learn_from=700, seed=3)
    assert some.attrs["n_effects"] == 700
    assert some["effects"].sizes["effect"] == 1500
    assert float(some["estimate"]["pi0"]) < 0.95


def test_what_it_found_goes_into_all_that_takes_posteriors() -> None:
    _, b = simulated()
    effects = bm.read_effects(b, 0.5)
    found = bm.mash.run(effects)
    known = found["effects"].to_dataset()
    for whole in (found, found["effects"]):
        for made in (
            bm.mash.sharing,
            bm.mash.by_effect,
            bm.mash.svalues,
            lambda one: bm.mash.effective_size(one, effects),
            lambda one: bm.mash.rank_one(found, effects, one),
        ):
            assert made(whole).equals(made(known))
        bm.mash.plot_sharing(whole)
        bm.mash.plot_n_conditions(whole)
        bm.mash.plot_effect(effects, whole, 0)
    with pytest.raises(bm.InputError, match="posterior: no mean and lfsr"):
        bm.mash.sharing(bm.ash(b[:, 0], 0.5))


@pytest.mark.parametrize("huge", [1e8, 1e25])
@pytest.mark.parametrize("v", [None, 0.5 * np.eye(R) + 0.5])
def test_one_row_far_beyond_its_errors_is_taken(huge: float, v: Any) -> None:
    _, b = simulated(400)
    rest = np.arange(1, len(b))
    plain = bm.mash.run(bm.read_effects(b, 0.5, v=v))["effects"].isel(effect=rest)
    for bhat, shat in ((huge, 0.5), (b[0].copy(), 0.5 / huge)):
        b[0], s = bhat, np.full(b.shape, 0.5)
        s[0] = shat
        found = bm.mash.run(bm.read_effects(b, s, v=v))["effects"]
        for name in ("mean", "sd", "lfsr"):
            assert np.isfinite(found[name]).all()
        assert np.allclose(found["mean"][0], bhat, rtol=1e-6)
        assert abs(found["mean"].isel(effect=rest) - plain["mean"]).max() < 0.5


@pytest.mark.parametrize("what", ["null", "one", "baseline", "missing", "row", "zeros"])
def test_it_takes_what_effects_there_are(what: str) -> None:
    true, b = simulated()
    rng = np.random.default_rng(0)
    if what == "null":
        effects = bm.read_effects(z=rng.standard_normal((2000, R)))
    elif what == "zeros":
        effects = bm.read_effects(np.zeros((50, R)), 1.0)
    elif what == "one":
        effects = bm.read_effects(b[:, 0], 0.5)
    elif what == "baseline":
        effects = bm.read_effects(b, 0.5, baseline="mean")
    elif what == "missing":
        gone = rng.random(b.shape) < 0.2
        gone[:, 1] = False
        effects = bm.read_effects(np.where(gone, np.nan, b), 0.5)
    else:
        effects = bm.read_effects(b[:1], 0.5)
    found = bm.mash.run(effects)
    for name in ("mean", "sd", "lfsr"):
        assert np.isfinite(found["effects"][name]).all()
    if what == "null":
        assert float(found["effects"]["lfsr"].min()) > 0.05
        assert float(found["estimate"]["pi0"]) > 0.95
    if what == "baseline":
        centred = true - true.mean(1, keepdims=True)
        assert np.corrcoef(found["effects"]["mean"].values.ravel(), centred.ravel())[0, 1] > 0.8


def test_covariances_of_conditions_are_seen_through_their_contrasts() -> None:
    """In deviations from the mean each condition has its own; differences from one have them."""
    rng = np.random.default_rng(7)
    b = rng.standard_normal((60, R))
    deviations = bm.read_effects(b, 1.0, baseline="mean")
    u = bm.mash.covariances(deviations, ("canonical", "carried"))["U"]
    seen = np.eye(R)[:-1] - 1 / R
    np.testing.assert_allclose(u.sel(covariance="carried_identity"), seen @ seen.T, atol=1e-15)
    moved = seen[:, [2]] @ seen[:, [2]].T
    np.testing.assert_allclose(u.sel(covariance="carried_only_condition_3"), moved, atol=1e-15)
    # one in the last moves all others alike; one in all moves none
    names = [str(name) for name in u["covariance"].values if "carried" in str(name)]
    only = [f"carried_only_condition_{i}" for i in range(1, R)]
    assert names == ["carried_identity", *only]
    plain = ("canonical", "carried")
    for kinds in (bm.read_effects(b, 1.0), bm.read_effects(b, 1.0, baseline=0)):
        u = bm.mash.covariances(kinds, plain)
        assert not any("carried" in str(name) for name in u["covariance"].values)
