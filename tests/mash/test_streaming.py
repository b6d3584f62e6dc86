"""mash block by block: the same numbers as in memory, resumed where it was killed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.io import effect_stores, row_stores
from bayesmixer.mash import samples, streaming

R = 3


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (effect_stores, row_stores):
        monkeypatch.setattr(module, "CHUNK_ROWS", 100)
    monkeypatch.setattr(samples.row_blocks, "__defaults__", (100,))


def simulated(n: int = 730) -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    true = rng.normal(size=(n, 1)) * (rng.random((n, 1)) < 0.2) * np.ones((1, R))
    s = rng.uniform(0.2, 0.5, (n, R))
    return true + s * rng.standard_normal((n, R)), s


@pytest.fixture
def stored(tmp_path: Path, small_blocks: None) -> tuple[xr.Dataset, xr.Dataset]:
    """Effects in memory, and the same on disk."""
    b, s = simulated()
    np.save(tmp_path / "b.npy", b)
    np.save(tmp_path / "s.npy", s)
    v = 0.3 + 0.7 * np.eye(R)
    return (
        bm.read_effects(b, s, v=v),
        bm.mash.open_effects(tmp_path / "b.npy", tmp_path / "s.npy", v=v),
    )


def test_posteriors_in_a_store_are_those_in_memory(
    stored: tuple[xr.Dataset, xr.Dataset], tmp_path: Path
) -> None:
    effects, on_disk = stored
    xr.testing.assert_identical(on_disk.load().drop_attrs(), effects.drop_attrs())
    fit = bm.mash.fit(effects, bm.mash.covariances(effects, "canonical"))
    whole = bm.mash.posterior(fit, effects)
    path = bm.mash.posterior_to(fit, on_disk, tmp_path / "p.zarr")
    xr.testing.assert_allclose(bm.load(path), whole, rtol=1e-12)
    xr.testing.assert_allclose(xr.open_zarr(path, consolidated=False).load(), whole, rtol=1e-12)
    assert not list(tmp_path.glob("*.partial"))
    with pytest.raises(InputError, match="is there already"):
        bm.mash.posterior_to(fit, on_disk, path, replace=False)
    places = np.where(np.arange(len(effects["effect"])) < 300, "1", "22")
    placed = effects.assign_coords(chrom=("effect", places), pos=("effect", np.arange(730)))
    known = bm.load(bm.mash.posterior_to(fit, placed, path))
    xr.testing.assert_allclose(known, bm.mash.posterior(fit, placed), rtol=1e-12)
    assert known["chrom"].values[400] == "22"
    half = bm.mash.posterior_to(fit, on_disk, path, dtype="float32")
    np.testing.assert_allclose(bm.load(half)["mean"], whole["mean"], atol=1e-5)


def test_a_killed_run_goes_on_and_another_run_begins_anew(
    stored: tuple[xr.Dataset, xr.Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    effects, on_disk = stored
    fit = bm.mash.given({"equal": np.ones((R, R))}, [0.5], [0.5, 0.5])
    made: list[slice] = []
    put = streaming.put

    def killed(into: Path, part: slice, values: Any) -> None:
        made.append(part)
        if part.start == 300:
            raise KeyboardInterrupt
        put(into, part, values)

    monkeypatch.setattr(streaming, "put", killed)
    with pytest.raises(KeyboardInterrupt):
        bm.mash.posterior_to(fit, on_disk, tmp_path / "p.zarr")
    monkeypatch.setattr(streaming, "put", lambda *a: (made.append(a[1]), put(*a)))
    made.clear()
    path = bm.mash.posterior_to(fit, on_disk, tmp_path / "p.zarr")
    assert made[0].start == 300
    xr.testing.assert_allclose(bm.load(path), bm.mash.posterior(fit, effects), rtol=1e-12)
    other = tmp_path / "p.zarr.partial"
    other.mkdir()
    (other / "rows.json").write_text(json.dumps({"mark": "of another fit", "rows": 700}))
    made.clear()
    bm.mash.posterior_to(fit, on_disk, path)
    assert made[0].start == 0
    other.mkdir()
    (other / "thesis.txt").write_text("of the user")
    with pytest.raises(InputError, match="has not made"):
        bm.mash.posterior_to(fit, on_disk, path)
    assert (other / "thesis.txt").read_text() == "of the user"


def test_a_sample_is_fitted_and_the_others_are_predicted(
    stored: tuple[xr.Dataset, xr.Dataset],
) -> None:
    effects, on_disk = stored
    u = {"equal": np.ones((R, R)), "identity": np.eye(R)}
    rows = bm.mash.random_rows(effects, 300, seed=2)
    assert len(set(rows)) == 300
    assert (np.diff(rows) > 0).all()
    fit = bm.mash.fit_sample(on_disk, u, rows=300, seed=2)
    alone = bm.mash.fit(effects.isel(effect=rows), u)
    np.testing.assert_allclose(fit["estimate"]["weights"], alone["estimate"]["weights"], atol=1e-12)
    others = np.setdiff1d(np.arange(effects.sizes["effect"]), rows)
    known = bm.mash.posterior(alone, effects.isel(effect=others))["log_likelihood"].values
    estimate = fit["estimate"].to_dataset()
    assert float(estimate["log_likelihood_others"]) == pytest.approx(known.sum())
    assert float(estimate["mean_log_likelihood_others_se"]) == pytest.approx(
        known.std() / np.sqrt(len(known))
    )
    again = bm.mash.random_rows(effects, 300, 3, without=rows)
    best = bm.mash.fit(effects.isel(effect=again), u, grid=alone["estimate"]["grid"].values,
                       prior="uniform")  # fmt: skip
    learned = bm.mash.posterior(alone, effects.isel(effect=again))["log_likelihood"].sum()
    gain = (best["estimate"]["log_likelihood"] - learned) / 300
    assert float(estimate["gain_others"]) == pytest.approx(float(gain), abs=1e-9)
    assert "the other 430" in " ".join(bm.to_json(fit)["said"])


def test_the_largest_and_random_rows_beside_them(stored: tuple[xr.Dataset, xr.Dataset]) -> None:
    effects, on_disk = stored
    z = np.abs(effects["bhat"] / effects["shat"]).max("condition").values
    top = bm.mash.largest(on_disk, 50)
    assert sorted(top) == sorted(np.argsort(-z)[:50])
    assert not set(bm.mash.random_rows(on_disk, 10_000, without=top)) & set(top)


def test_parquet_becomes_a_store_that_is_read_in_part(tmp_path: Path, small_blocks: None) -> None:
    b, s = simulated(250)
    names = [f"rs{i}" for i in range(250)]
    for name, x in (("b", b), ("s", s)):
        frame = pd.DataFrame(x, columns=["brain", "liver", "skin"])
        frame.insert(0, "snp", names)
        frame.to_parquet(tmp_path / f"{name}.parquet", index=False)
    path = bm.mash.write_effects(
        tmp_path / "b.parquet", tmp_path / "s.parquet", tmp_path / "e.zarr", alpha=1
    )
    effects = bm.mash.open_effects(path)
    known = bm.read_effects(tmp_path / "b.parquet", tmp_path / "s.parquet", alpha=1)
    xr.testing.assert_identical(effects.load().set_xindex("effect"), known)
    assert effects.attrs == known.attrs
    part = bm.mash.open_effects(path).isel(effect=[3, 200])
    assert part["effect"].values.tolist() == ["rs3", "rs200"]
    np.save(tmp_path / "b.npy", b)
    np.save(tmp_path / "bad.npy", -s)
    with pytest.raises(InputError, match="are negative"):
        bm.mash.open_effects(tmp_path / "b.npy", tmp_path / "bad.npy")
    with pytest.raises(InputError, match="kind"):
        bm.mash.open_effects(tmp_path)


def test_posteriors_averaged_over_draws_of_weights_are_stored_as_in_memory(
    stored: tuple[xr.Dataset, xr.Dataset], tmp_path: Path
) -> None:
    effects, on_disk = stored
    model = bm.models.mash(effects, bm.mash.covariances(effects, "canonical"))
    fit = bm.fit(model, "gibbs", draws=50, tune=50, chains=1)
    whole = bm.mash.posterior(fit, effects)
    path = bm.mash.posterior_to(fit, on_disk, tmp_path / "p.zarr")
    xr.testing.assert_allclose(bm.load(path), whole, rtol=1e-12)
    plugged = bm.mash.posterior(bm.fit(model, "map"), effects)
    assert abs(whole["lfsr"] - plugged["lfsr"]).max() > 1e-4


def singular(tmp_path: Path, twice: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[Path]]:
    """Effects of which one condition is there twice, the first block with missing cells in all."""
    b, s = simulated()
    b[:120, 1] = s[:120, 1] = np.nan
    order = [0, 1, 2]
    order.insert(twice, 0)
    v = (0.3 + 0.7 * np.eye(R))[order][:, order]
    paths = [tmp_path / "b.npy", tmp_path / "s.npy"]
    for path, one in zip(paths, (b, s), strict=True):
        np.save(path, one[:, order])
    return b[:, order], s[:, order], v, paths


@pytest.mark.parametrize("twice", [1, 3])
def test_singular_errors_of_effects_on_disk_are_those_of_effects_in_memory(
    twice: int, tmp_path: Path, small_blocks: None
) -> None:
    b, s, v, paths = singular(tmp_path, twice)
    effects = bm.read_effects(b, s, v=v)
    assert "reported" in effects
    opened = bm.mash.open_effects(*paths, v=v)
    assert not isinstance(opened["bhat"].variable._data, np.ndarray) or twice == 3
    part = opened.isel(effect=slice(5, 9)).load()
    few = effects.isel(effect=slice(5, 9))
    xr.testing.assert_allclose(part.drop_attrs(), few.drop_attrs(), rtol=1e-15)
    fit = bm.mash.fit(effects, bm.mash.covariances(effects, "canonical"))
    whole = bm.mash.posterior(fit, effects)
    path = bm.mash.posterior_to(fit, opened, tmp_path / "p.zarr")
    xr.testing.assert_allclose(bm.load(path), whole, rtol=1e-12)
    store = bm.mash.write_effects(paths[0], paths[1], tmp_path / "e.zarr", v=v)
    again = bm.mash.open_effects(store).load()
    xr.testing.assert_allclose(again.drop_attrs(), effects.drop_attrs(), rtol=1e-15)


def test_effects_on_disk_that_contradict_singular_errors_are_refused_as_in_memory(
    tmp_path: Path, small_blocks: None
) -> None:
    b, s, v, paths = singular(tmp_path, 1)
    b[[350, 360, 700], 1] += 3
    np.save(paths[0], b)
    said = []
    for read in (
        lambda: bm.read_effects(b, s, v=v),
        lambda: bm.mash.open_effects(*paths, v=v),
        lambda: bm.mash.write_effects(paths[0], paths[1], tmp_path / "e.zarr", v=v),
    ):
        with pytest.raises(InputError, match="others determine") as found:
            read()
        said.append(str(found.value))
    assert said[0] == said[1] == said[2] and "of 3" in said[0]
    assert not (tmp_path / "e.zarr").exists()
