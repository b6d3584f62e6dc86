"""Whatever `save` saves `load` reads, whatever it holds; what is of another kind stays."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.io.saved import save_finished
from tests.reporting.fabricate import make_data, make_fit


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    made: xr.Dataset = make_data(m=120, blocks=12)
    return made


@pytest.fixture(scope="module")
def sumstats(data: xr.Dataset) -> xr.Dataset:
    columns = {
        name: ("variant", data[name].values.astype(object)) for name in ("snp", "chrom", "a1", "a2")
    }
    z = data["z"].values.ravel()
    columns |= {
        "pos": ("variant", data["pos"].values),
        "z": ("variant", z),
        "n": ("variant", np.full(z.size, 1e5)),
    }
    return xr.Dataset(
        columns,
        attrs={"kind": "sumstats", "trait": "größe", "n_min": float("nan"), "filters": "{}"},
    )


def several_s(data: xr.Dataset) -> xr.Dataset:
    out = xr.concat([data, data], "maf_s", data_vars="minimal").assign_coords(maf_s=[0.0, -1.0])
    return out.assign_attrs(h_total=out["h_total"].values.tolist())


VARIANTS = {
    "dataset": lambda d: d,
    "tree": lambda d: xr.DataTree(d),
    "several S": several_s,
    "coordinates": lambda d: d.assign_coords(
        variant=d["snp"].values.astype(object), place=("variant", np.arange(d.sizes["variant"]))
    ),
    "index of two levels": lambda d: d.assign_coords(
        place=("variant", np.arange(d.sizes["variant"]))
    ).set_index(variant=["snp", "place"]),
    "odd attributes": lambda d: d.assign_attrs(
        flag=True,
        nothing=None,
        lists=[["a"], 1],
        of_another_locale="h\udcf6he",
        one=[3.5],
        table={"a": 1},
    ),
}


@pytest.mark.parametrize("ending", ["nc", "zarr"])
@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_saved_data_come_back(data: xr.Dataset, variant: Any, ending: str, tmp_path: Path) -> None:
    given = variant(data)
    path = tmp_path / f"data.{ending}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bm.save(given, path)
        back = bm.load(path)
    assert isinstance(back, xr.Dataset)
    flat = given.to_dataset() if isinstance(given, xr.DataTree) else given
    for name in ("z", "n", "weight", "spectrum", "snp", "chrom", "ld_block"):
        np.testing.assert_array_equal(back[name].values, flat[name].values)
    assert back.attrs["h_total"] == np.ravel(flat.attrs["h_total"]).tolist()
    bm.models.infinitesimal(back)


@pytest.mark.parametrize("ending", ["nc", "zarr"])
def test_saved_sumstats_come_back(sumstats: xr.Dataset, ending: str, tmp_path: Path) -> None:
    back = bm.load(bm.save(sumstats, tmp_path / f"s.{ending}"))
    for name in sumstats:
        np.testing.assert_array_equal(back[name].values, sumstats[name].values)
    assert back.attrs["trait"] == "größe"


@pytest.mark.parametrize("ending", ["nc", "zarr"])
def test_ragged_statistics_are_padded_and_what_cannot_be_is_left_out_with_a_word(
    data: xr.Dataset, ending: str, tmp_path: Path
) -> None:
    fit = make_fit(data, draws=20)
    ragged = np.empty(2, object)
    ragged[:] = [np.arange(3.0), np.arange(5.0)]
    fit["sample_stats"] = xr.Dataset(
        {
            "beta": ("side", ragged),
            "words": ("side", np.array(["a", None], object)),
            "numbers": ("side", np.array([1, 2.5], object)),
            "functions": ("side", np.array([len, print], object)),
            "waves": ("side", np.array([1j, 2])),
        }
    )
    with pytest.warns(bm.DataWarning, match="is not saved") as said:
        bm.save(fit, tmp_path / f"fit.{ending}")
    assert sorted(str(w.message).split()[0] for w in said) == ["functions", "waves"]
    back = bm.load(tmp_path / f"fit.{ending}")["sample_stats"]
    np.testing.assert_array_equal(back["beta"].values, [[0, 1, 2, np.nan, np.nan], [0, 1, 2, 3, 4]])
    assert back["words"].values.tolist() == ["a", ""]
    assert back["numbers"].values.tolist() == [1, 2.5]
    assert set(back) == {"beta", "words", "numbers"}


@pytest.mark.parametrize("ending", ["nc", "zarr"])
def test_what_is_of_another_kind_stays(
    data: xr.Dataset, sumstats: xr.Dataset, ending: str, tmp_path: Path
) -> None:
    fit = make_fit(data, draws=20)
    path = bm.save(fit, tmp_path / f"x.{ending}")
    bm.save(fit, path)
    for other in (data, sumstats):
        with pytest.raises(bm.InputError, match="it stays"):
            bm.save(other, path)
    with pytest.raises(bm.InputError, match="is there already"):
        bm.save(fit, path, replace=False)
    assert bm.load(path).attrs["kind"] == "fit"


@pytest.mark.parametrize(
    "content", ["an LD reference", "a folder of somebody", "a store of somebody", "an empty folder"]
)
def test_no_folder_that_is_not_a_fit_is_replaced_by_one(
    data: xr.Dataset, content: str, tmp_path: Path
) -> None:
    path = tmp_path / "panel.zarr"
    path.mkdir()
    if content == "an LD reference":
        (path / "zarr.json").write_text(
            '{"zarr_format": 3, "node_type": "group", "attributes": {"kind": "reference"}}'
        )
    elif content == "a store of somebody":
        (path / "zarr.json").write_text(
            '{"zarr_format": 3, "node_type": "group", "attributes": {}}'
        )
    elif content == "a folder of somebody":
        (path / "thesis.tex").write_text("chapter 1")
    before = {p.name: p.read_text() for p in path.iterdir()}
    with pytest.raises(bm.InputError, match="is not a saved fit that bayesmixer wrote: it stays"):
        bm.save(make_fit(data, draws=20), path)
    assert {p.name: p.read_text() for p in path.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["panel.zarr"]


def test_what_load_would_refuse_is_not_saved(tmp_path: Path) -> None:
    for thing, message in (
        (xr.Dataset({"x": 1}), "no attribute 'kind'"),
        (
            xr.DataTree(xr.Dataset(attrs={"kind": "reference"})),
            "kind 'reference'.*LD reference is on disk already",
        ),
        ({"h2": 0.1}, "a dict, expected what fit, loo, align or read_sumstats returned"),
    ):
        with pytest.raises(bm.InputError, match=message):
            bm.save(thing, tmp_path / "x.nc")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_fit_from_a_path_in_another_encoding_is_saved(data: xr.Dataset, tmp_path: Path) -> None:
    fit = make_fit(data, draws=20, command="bayesmixer fit " + os.fsdecode(b"h\xf6he.txt"))
    for ending in ("nc", "zarr"):
        path = tmp_path / (os.fsdecode(b"h\xf6he.") + ending)
        bm.save(fit, path)
        assert bm.load(path).attrs["command"] == "bayesmixer fit h\N{REPLACEMENT CHARACTER}he.txt"


def test_a_finished_fit_whose_place_is_gone_is_saved_elsewhere_and_the_error_says_where(
    data: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(bm.InputError, match=r"was saved as (\S+) instead") as error:
        save_finished(make_fit(data, draws=20), tmp_path / "gone/fit.nc")
    (rescued,) = tmp_path.iterdir()
    assert str(rescued) in str(error.value)
    assert bm.load(rescued).attrs["kind"] == "fit"


def test_a_client_of_a_dask_cluster_and_its_workers_save(
    sumstats: xr.Dataset, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.Client(n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        bm.save(sumstats, tmp_path / "here.nc")
        client.submit(bm.save, sumstats, tmp_path / "there.nc").result(60)
    for name in ("here.nc", "there.nc"):
        np.testing.assert_array_equal(bm.load(tmp_path / name)["z"], sumstats["z"])
