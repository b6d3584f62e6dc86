"""Free variables that are vectors, simplices and matrices, against conjugate posteriors."""

import warnings

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr
from scipy.stats import dirichlet

import bayesmixer as bm
from bayesmixer.errors import DataWarning
from bayesmixer.inference.density import LogDensity
from bayesmixer.inference.sampling import unconstrained, whiten

rng = np.random.default_rng(3)
COUNTS = rng.multinomial(20, [0.4, 0.3, 0.2, 0.1], size=60)
Y = rng.normal([[1.0, -0.5], [0.3, 2.0], [0.0, 0.0]], 1.0, size=(60, 3, 2))


def shaped():
    """Shares of counts and means of normals: 60 LD blocks of each."""
    coords = {"ld_block": np.arange(60), "kind": list("abcd"), "row": list("xyz"), "side": [0, 1]}
    with pm.Model(coords=coords) as model:
        share = pm.Dirichlet("share", np.ones(4), dims="kind")
        mean = pm.Normal("mean", 0.0, 2.0, dims=("row", "side"))
        pm.Potential("counts", (COUNTS * pt.log(share)).sum(1), dims="ld_block")
        pm.Potential("normals", -0.5 * ((Y - mean) ** 2).sum((1, 2)), dims="ld_block")
        pm.Deterministic("first", share[0])
    return model


@pytest.fixture(scope="module")
def fit():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return bm.fit(shaped(), draws=4000, calibrate=False, progress=False)


def test_a_simplex_and_a_matrix_have_the_conjugate_posterior(fit):
    exact = dirichlet(1 + COUNTS.sum(0))
    post = fit["posterior"]
    np.testing.assert_allclose(post["share"].mean(("chain", "draw")), exact.mean(), rtol=0.01)
    np.testing.assert_allclose(post["share"].var(("chain", "draw")), exact.var(), rtol=0.15)
    assert post["mean"].dims == ("chain", "draw", "row", "side")
    np.testing.assert_allclose(
        post["mean"].mean(("chain", "draw")), Y.sum(0) / (60 + 0.25), atol=0.01
    )
    np.testing.assert_allclose(post["mean"].std(("chain", "draw")), 60.25**-0.5, rtol=0.1)
    np.testing.assert_allclose(post["first"], post["share"][..., 0], rtol=1e-12)


def test_labels_of_entries_and_summary_stay_with_a_saved_fit(fit, tmp_path):
    names = fit["estimate"]["parameter"].values.tolist()
    assert names[:4] == [
        "share_simplex__[0]",
        "share_simplex__[1]",
        "share_simplex__[2]",
        "mean[0,0]",
    ]
    assert len(names) == fit["estimate"].attrs["n_parameters"] == 9
    table = bm.summary(fit)
    assert {"share[a]", "share[d]", "mean[x, 0]", "mean[z, 1]", "first"} <= set(table.index)
    loaded = bm.load(bm.save(fit, tmp_path / "fit.nc"))
    pd.testing.assert_frame_equal(bm.summary(loaded), table)


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
def test_standard_errors_of_each_entry_are_those_of_the_units(fit):
    found = bm.calibrate(fit, model=shaped(), covariance="sandwich", progress=False)["estimate"]
    assert found["share_se"].dims == ("kind",)
    assert found["mean_se"].dims == ("row", "side")
    shares = COUNTS / 20
    np.testing.assert_allclose(found["share_se"], shares.std(0, ddof=1) / np.sqrt(60), rtol=0.05)
    np.testing.assert_allclose(found["mean_se"], Y.std(0, ddof=1) / np.sqrt(60), rtol=0.05)


def test_draws_too_large_for_memory_lie_in_a_file_and_are_the_same(tmp_path, monkeypatch):
    in_memory = bm.fit(shaped(), draws=60, calibrate=False, progress=False)
    monkeypatch.setattr("bayesmixer.inference.density.LARGE", 1000)
    on_disk = bm.fit(shaped(), draws=60, calibrate=False, progress=False)
    density = LogDensity(shaped())
    held = density.posterior(rng.normal(size=(2, 30, density.size)))["share"].variable._data
    assert isinstance(held.base, np.memmap)
    loaded = bm.load(bm.save(on_disk, tmp_path / "fit.zarr"))
    for group in ("posterior", "log_likelihood", "estimate"):
        expected = in_memory[group].to_dataset()
        for found in (on_disk, loaded):
            xr.testing.assert_equal(found[group].to_dataset(), expected)


def test_draws_of_smc_come_to_the_whole_line_and_back(fit):
    density = LogDensity(shaped())
    draws = fit["unconstrained_posterior"].to_dataset().isel(draw=slice(5))
    flat = density.flat_draws(draws)
    np.testing.assert_allclose(unconstrained(density, density.posterior(flat)), flat, atol=1e-9)


def test_the_whitened_model_has_the_same_density():
    density = LogDensity(shaped())
    size = density.size
    root = np.tril(np.full((size, size), 0.1)) + np.eye(size)
    model = whiten(density, density.initial, root @ root.T)
    white = rng.normal(size=size) / 5
    assert float(model.compile_logp(mode="FAST_COMPILE")({"white": white})) == pytest.approx(
        density.value_and_gradient(density.initial + root @ white)[0]
    )


def test_starts_and_search_box_hold_every_entry():
    density = LogDensity(shaped())
    assert density.box.shape == (9, 2)
    assert density.owners == ["share"] * 3 + ["mean"] * 6
    start = {"share_simplex__": np.zeros(3), "mean": np.ones((3, 2))}
    found = bm.fit(shaped(), "map", starts=[start], calibrate=False, progress=False)
    assert found["estimate"]["optimum_start"].values.tolist() == [[0.0] * 3 + [1.0] * 6]
