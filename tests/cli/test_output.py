"""What the commands write is whole or absent, and the table on the screen reads well."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayesmixer.cli.output import check_folder, claim, columns_as_lines, number, print_table
from bayesmixer.errors import InputError
from bayesmixer.io.saved import save


def results(value: float) -> xr.DataTree:
    tree = xr.DataTree.from_dict(
        {"posterior": xr.Dataset({"h2": (("chain", "draw"), np.full((1, 3), value))})}
    )
    tree.attrs["kind"] = "fit"
    return tree


@pytest.mark.parametrize("name", ["fit.nc", "fit.zarr"])
def test_saved_results_come_back_the_same_and_replace_earlier_ones(
    name: str, tmp_path: Path
) -> None:
    for value in (1.0, 2.0):
        save(results(value), tmp_path / name)
        engine = "zarr" if name.endswith("zarr") else "h5netcdf"
        with xr.open_datatree(tmp_path / name, engine=engine) as back:
            assert back.attrs["kind"] == "fit"
            assert back["posterior"]["h2"].to_numpy().tolist() == [[value] * 3]
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["fit.nc", "fit.zarr"])
def test_interrupted_writing_leaves_the_earlier_file_and_nothing_else(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
            claim({"--out": (path, (".nc", ".zarr"))}, force=True)
    with pytest.raises(InputError, match=r"^--out: .*cannot be made"):
        check_folder(tmp_path / "file/folder", "--out")
    with pytest.raises(InputError, match=r"^--out: .*cannot be made"):
        check_folder(tmp_path / "file", "--out")
    assert check_folder(tmp_path / "a/b", "--out").is_dir()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0123456, "0.0123"),
        (0.0, "0"),
        (1234567.8, "1,234,568"),
        (278.4, "278"),
        (2.2559e-6, "2.26e-06"),
        (-0.5, "-0.5"),
        (float("nan"), ""),
    ],
)
def test_numbers_have_three_digits_and_no_needless_exponent(value: float, text: str) -> None:
    assert number(value) == text


def test_the_table_shows_the_truth_only_where_there_is_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = pd.DataFrame({"mean": [0.5, 7.0], "draws": np.array([10, 20])}, index=["h2", "n90"])
    print_table(table, "a table", {"h2": 0.25})
    title, *lines = capsys.readouterr().out.splitlines()
    assert title == "a table"
    assert [line.split() for line in lines] == [
        ["mean", "draws", "truth"],
        ["h2", "0.5", "10", "0.25"],
        ["n90", "7", "20"],
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_a_table_cuts_no_cell_and_keeps_to_the_width(width: int) -> None:
    names = ["h2", "sigma2_beta", "pi[small]"]
    columns = [("", names)] + [
        (f"column {k}", [f"{10**j}.{k}" for j in range(3)]) for k in range(9)
    ]
    lines = columns_as_lines(columns, width)
    assert max(map(len, lines)) <= max(width, 11 + 2 + 8)
    cells = [re.split(r"\s{2,}", line.strip()) for line in lines if line]
    for i, name in enumerate(names):  # every cell is there, in its row, under its heading
        found = [cell for row in cells if row[0] == name for cell in row[1:]]
        assert found == [c[i] for _, c in columns[1:]]
    assert [cell for row in cells if row[0].startswith("column") for cell in row] == [
        heading for heading, _ in columns[1:]
    ]


def test_columns_of_unequal_width_are_right_aligned_under_their_headings() -> None:
    assert columns_as_lines([("", ["a", "bb"]), ("x", ["1", "22"]), ("long", ["3", ""])], 80) == [
        "     x  long",
        "a    1     3",
        "bb  22",
    ]


def test_no_progress_is_shown_on_a_terminal_that_was_asked_to_be_quiet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import io
    import sys

    from bayesmixer.progress import bar, be_quiet

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for quiet in (False, True):
        monkeypatch.setattr(sys, "stderr", Terminal())
        be_quiet(quiet)
        try:
            with bar("working", 2) as b:
                b.advance()
        finally:
            be_quiet(False)
        assert (sys.stderr.getvalue() == "") == quiet  # type: ignore[attr-defined]
