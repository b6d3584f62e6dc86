"""Effects, covariances, fits and posteriors on disk and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import bayesmixer as bm


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_what_mash_makes_is_saved_and_serves_again(tmp_path: Path, ending: str) -> None:
    rng = np.random.default_rng(0)
    bhat = rng.normal(0, 0.5, (60, 3)) + rng.normal(size=(60, 1)) * (rng.random((60, 1)) < 0.3)
    bhat[3, 1] = np.nan
    effects = bm.read_effects(bhat, 0.5)
    covariances = bm.mash.covariances(effects, kinds=("canonical",))
    fit = bm.mash.fit(effects, covariances)
    posterior = bm.mash.posterior(fit, effects)
    made = {"effects": effects, "covariances": covariances, "fit": fit, "posterior": posterior}
    back = {name: bm.load(bm.save(one, tmp_path / f"{name}{ending}")) for name, one in made.items()}
    again = bm.mash.posterior(back["fit"], back["effects"])
    xr.testing.assert_allclose(again, posterior, rtol=1e-12)
    xr.testing.assert_allclose(back["posterior"], posterior, rtol=1e-15)
    refit = bm.mash.fit(back["effects"], back["covariances"])
    np.testing.assert_allclose(refit["estimate"]["weights"], fit["estimate"]["weights"], atol=1e-9)
