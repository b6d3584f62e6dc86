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
    assert "error_correlation" not in known["estimate"]
    np.testing.assert_allclose(known["effects"]["mean"], found["effects"]["mean"], atol=1e-12)


def test_strong_effects_are_learned_from_as_often_as_they_come() -> None:
    _, b = simulated()
    effects = bm.read_effects(b, 0.5)
    some = bm.mash.run(effects, learn_from=700, seed=3)
    assert some.attrs["n_effects"] == 700
    assert some["effects"].sizes["effect"] == 1500
    assert float(some["estimate"]["pi0"]) < 0.95


@pytest.mark.parametrize("what", ["null", "one", "baseline", "missing", "row"])
def test_it_takes_what_effects_there_are(what: str) -> None:
    true, b = simulated()
    rng = np.random.default_rng(0)
    if what == "null":
        effects = bm.read_effects(z=rng.standard_normal((2000, R)))
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
