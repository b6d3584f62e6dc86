"""What the commands write is whole or absent, and the table on the screen reads well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayesmixer.cli.output import check_folder, check_output, number, print_table
from bayesmixer.errors import InputError
from bayesmixer.inference.results import save


def results(value: float) -> xr.DataTree:
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"h2": (("chain", "draw"), np.full((1, 3), value))})})
    tree.attrs["kind"] = "fit"
    return tree


@pytest.mark.parametrize("name", ["fit.nc", "fit.zarr"])
def test_saved_results_come_back_the_same_and_replace_earlier_ones(name: str, tmp_path: Path) -> None:
    for value in (1.0, 2.0):
        save(results(value), tmp_path / name)
        engine = "zarr" if name.endswith("zarr") else "h5netcdf"
        with xr.open_datatree(tmp_path / name, engine=engine) as back:
            assert back.attrs["kind"] == "fit"
            assert back["posterior"]["h2"].to_numpy().tolist() == [[value] * 3]
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["fit.nc", "fit.zarr"])
def test_interrupted_writing_leaves_the_earlier_file_and_nothing_else(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / name
    save(results(1.0), path)
    for method in ("to_netcdf", "to_zarr"):
        write = getattr(xr.DataTree, method)

        def interrupted(self: xr.DataTree, *args: Any, _write: Any = write, **kwargs: Any) -> None:
            _write(self, *args, **kwargs)
            raise KeyboardInterrupt

        monkeypatch.setattr(xr.DataTree, method, interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(results(2.0), path)
    with xr.open_datatree(path, engine="zarr" if name.endswith("zarr") else "h5netcdf") as back:
        assert float(back["posterior"]["h2"].mean()) == 1.0
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_places_that_cannot_be_written_are_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.nc").mkdir()
    for path in (tmp_path / "r.csv", tmp_path / "no/r.nc", tmp_path / "folder.nc"):
        with pytest.raises(InputError, match=r"^--out: "):
            check_output(path, "--out", (".nc", ".zarr"))
    with pytest.raises(InputError, match=r"^--out: .*cannot be made"):
        check_folder(tmp_path / "file/folder", "--out")
    with pytest.raises(InputError, match=r"^--out: .*cannot be made"):
        check_folder(tmp_path / "file", "--out")
    assert check_folder(tmp_path / "a/b", "--out").is_dir()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0123456, "0.0123"), (0.0, "0"), (1234567.8, "1,234,568"), (278.4, "278"), (2.2559e-6, "2.26e-06"), (-0.5, "-0.5"), (float("nan"), "")],
)
def test_numbers_have_three_digits_and_no_needless_exponent(value: float, text: str) -> None:
    assert number(value) == text


def test_the_table_shows_the_truth_only_where_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.DataFrame({"mean": [0.5, 7.0], "draws": np.array([10, 20])}, index=["h2", "n90"])
    print_table(table, "a table", {"h2": 0.25})
    rows = {line.split("│")[1].strip(): [c.strip() for c in line.split("│")[2:-1]] for line in capsys.readouterr().out.splitlines() if "│" in line}
    assert rows == {"h2": ["0.5", "10", "0.25"], "n90": ["7", "20", ""]}
