"""Posteriors of effects averaged over draws of the weights, against one call for each draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import bayesmixer as bm

RNG = np.random.default_rng(2)
BHAT = RNG.normal(0, 1.5, (30, 3)) * (RNG.random((30, 1)) < 0.5) + RNG.normal(0, 0.5, (30, 3))


def sampled(fit: xr.DataTree, weights: np.ndarray) -> xr.DataTree:
    """A fit with two chains of weights."""
    held = fit.copy()
    draws = weights.reshape(2, -1, weights.shape[-1])
    held["posterior"] = xr.DataTree(
        xr.Dataset({"weights": (("chain", "draw", "component"), draws)})
    )
    return held


@pytest.mark.parametrize("by_row", [False, True])
def test_probabilities_are_averaged_and_rates_are_of_the_averages(by_row: bool) -> None:
    shat = 0.5 * np.exp(0.3 * RNG.standard_normal(BHAT.shape)) if by_row else 0.5
    effects = bm.read_effects(BHAT, shat)
    fit = bm.mash.fit(effects, bm.mash.covariances(effects, ["canonical"]), grid=[0.5, 2])
    size = fit["estimate"].sizes["component"]
    weights = RNG.dirichlet(np.full(size, 0.1), 8)
    weights[0] = np.eye(size)[0]  # one under which all effects are 0
    u = fit["estimate"]["U"].values
    found = bm.mash.posterior(sampled(fit, weights), effects, covariance=True)
    each = [
        bm.mash.posterior(bm.mash.given(u, [0.5, 2], one), effects, covariance=True)
        for one in weights
    ]

    def mean(of: Any) -> np.ndarray:
        return np.mean([of(one) for one in each], axis=0)

    np.testing.assert_allclose(found["mean"], mean(lambda o: o["mean"].values), atol=1e-12)
    np.testing.assert_allclose(found["lfdr"], mean(lambda o: o["lfdr"].values), atol=1e-12)
    negative = mean(lambda o: o["negative_prob"].values)
    np.testing.assert_allclose(found["negative_prob"], negative, atol=1e-12)
    zero = mean(lambda o: o["lfdr"].values)
    lfsr = np.minimum(negative, 1 - negative - zero) + zero
    np.testing.assert_allclose(found["lfsr"], lfsr, atol=1e-12)
    # not the average of rates, which forgets that the sign itself may change
    assert (lfsr >= mean(lambda o: o["lfsr"].values) - 1e-12).all()
    second = mean(lambda o: o["sd"].values ** 2 + o["mean"].values ** 2)
    np.testing.assert_allclose(found["sd"] ** 2 + found["mean"] ** 2, second, atol=1e-12)
    density = mean(lambda o: np.exp(o["log_likelihood"].values))
    np.testing.assert_allclose(np.exp(found["log_likelihood"]), density, rtol=1e-12)
    outer = mean(
        lambda o: (
            o["covariance"].values + o["mean"].values[:, :, None] * o["mean"].values[:, None, :]
        )
    )
    own = found["mean"].values
    np.testing.assert_allclose(
        found["covariance"].values + own[:, :, None] * own[:, None, :], outer, atol=1e-12
    )
