"""Draws of effects have the moments and signs of their posterior, and components their shares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bayesmixer as bm
from tests.mash.cases import case

DRAWS = 4000
V = np.array([[1, 0.5, 0.2], [0.5, 1, 0.3], [0.2, 0.3, 1]])


def simulated(what: str) -> Any:
    rng = np.random.default_rng(4)
    b = rng.standard_normal((8, 3)) * [1, 2, 3]
    s = rng.uniform(0.5, 1.5, b.shape) if what != "alike" else np.full(b.shape, 0.8)
    if what == "missing":
        b[[0, 3], [1, 2]] = np.nan
    more: dict[str, Any] = {"alpha": 1} if what == "alpha" else {}
    if what == "mean":
        more["baseline"] = "mean"
    return bm.read_effects(b, s, v=V if what in ("correlated", "missing") else None, **more)


@pytest.mark.parametrize("what", ["alike", "own", "correlated", "missing", "alpha", "mean"])
def test_draws_have_the_moments_and_signs_of_the_posterior(what: str) -> None:
    effects = simulated(what)
    r = effects.sizes["condition"]
    u = bm.mash.covariances(effects, "canonical")
    k = 2 * u.sizes["covariance"]
    weights = np.r_[0.3, np.full(k, 0.4 / k), 0.3]
    own = np.tile([0.4, 0.3, 0.3], (r, 1))
    fit = bm.mash.given(u, [0.7, 2.0], weights, independent=own)
    found, known = bm.mash.sample(fit, effects, DRAWS), bm.mash.posterior(fit, effects)
    assert found.dims == ("draw", "effect", "condition")
    assert found["condition"].values.tolist() == known["condition"].values.tolist()
    far = 5 / np.sqrt(DRAWS)
    assert (abs(found.mean("draw") - known["mean"]) < far * known["sd"]).all()
    np.testing.assert_allclose(found.std("draw"), known["sd"], rtol=0.12)
    if what != "mean":  # signs of contrasts of independent effects are a normal's
        assert abs((found < 0).mean("draw") - known["negative_prob"]).max() < far / 2
        assert abs((found == 0).mean("draw") - known["lfdr"]).max() < far / 2
    covariance = bm.mash.posterior(fit, effects, covariance=True)["covariance"].values
    centred = found.values - found.values.mean(0)
    of_draws = np.einsum("dnr,dns->nrs", centred, centred) / DRAWS
    size = known["sd"].values[:, :, None] * known["sd"].values[:, None, :]
    assert (np.abs(of_draws - covariance) / size).max() < 0.15
    # neither the order of draws nor another number of rows ties effects to each other
    first = found.values[:, 0, 0], found.values[:, 1, 0]
    assert abs(np.corrcoef(*first)[0, 1]) < far
    assert bm.mash.sample(fit, effects, 9, seed=2).equals(bm.mash.sample(fit, effects, 9, seed=2))


def test_components_have_the_shares_of_mashr(shared: Path) -> None:
    for name in ("a01", "a17_effectV", "a16_alpha1"):
        one = case(shared / "reference/mash/cases", name)
        few = one.held["posterior_weights50"]
        found = bm.mash.components(one.given, one.effects.isel(effect=slice(len(few))))
        np.testing.assert_allclose(found, few, atol=1e-9)
        assert found["component"].values[0] == "null"


def test_draws_are_refused_for_other_effects() -> None:
    effects = simulated("alike")
    fit = bm.mash.given(np.eye(2), [1.0], [0.5, 0.5])
    for call in (bm.mash.sample, bm.mash.components):
        with pytest.raises(bm.InputError, match="fit: of 2 conditions, the effects have 3"):
            call(fit, effects)
    with pytest.raises(bm.InputError, match="draws: 0, expected"):
        bm.mash.sample(fit, effects.isel(condition=[0, 1]), 0)
