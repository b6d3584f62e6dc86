"""Verbs that take saved fits: report, check, compare, and what they write for other programs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.cli.main import main
from bayesmixer.cli.wording import on_command_line, options_of
from tests.reporting.fabricate import make_data, make_fit

pytestmark = pytest.mark.filterwarnings("ignore:k-hat")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Saved fits of one data set, and the data."""
    folder = tmp_path_factory.mktemp("saved")
    data = make_data(m=600, blocks=60)
    bm.save(make_fit(data, draws=100), folder / "one.nc")
    bm.save(make_fit(data, "infinitesimal", draws=100, spread=0.05), folder / "none.nc")
    bm.save(make_fit(data, method="map"), folder / "map.nc")
    bm.save(xr.DataTree(data), folder / "data.nc")
    return folder


@pytest.fixture
def run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run a command in that folder: exit code, standard output, standard error."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")

    def command(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([*words])
        return (int(stop.value.code or 0), *capsys.readouterr())

    return command


def test_check_prints_a_row_a_check_and_writes_it_for_programs(
    run: Callable[..., tuple[int, str, str]], folder: Path
) -> None:
    code, out, err = run(
        "check", "one.nc", "--data", "data.nc", "--json", "check.json", "--tsv", "check.tsv"
    )
    assert (code, err) == (0, "")
    found = json.loads((folder / "check.json").read_text())
    assert [row["check"] for row in found["table"]] == pd.read_csv(folder / "check.tsv", sep="\t")[
        "check"
    ].tolist()
    assert {Path(i["file"]).name for i in found["inputs"]} == {"one.nc", "data.nc"}
    assert all(len(i["sha256"]) == 64 for i in found["inputs"])
    assert all(
        any(line.startswith(row["check"]) for line in out.splitlines()) for row in found["table"]
    )
    assert found["verdict"]["checked"]
    assert " ".join(out.split("Verdict: ")[1].split()).startswith(found["verdict"]["sentence"])
    assert found["ok"] == (
        not any(row["flagged"] for row in found["table"] if row["check"] != "prior")
    )
    assert max(map(len, out.splitlines())) <= 80


def test_variants_writes_the_table_of_the_function(
    run: Callable[..., tuple[int, str, str]], folder: Path
) -> None:
    code, out, err = run(
        "variants", "one.nc", "--data", "data.nc", "--tsv", "variants.tsv", "--draws", "3"
    )
    assert (code, err) == (0, "")
    found = pd.read_csv(folder / "variants.tsv", sep="\t", float_precision="round_trip")
    table = bm.variants(bm.load(folder / "one.nc"), bm.load(folder / "data.nc"), draws=3)
    assert found["p_causal"].tolist() == table["p_causal"].values.tolist()
    assert "left out: p_partner" in out
    assert max(map(len, out.splitlines())) <= 80


def test_compare_ranks_the_fits_as_the_function_does(
    run: Callable[..., tuple[int, str, str]], folder: Path
) -> None:
    code, out, _ = run(
        "compare", "one.nc", "none.nc", "--json", "compare.json", "--tsv", "compare.tsv"
    )
    assert code == 0
    table = bm.compare(
        {name: bm.load(folder / f"{name}.nc") for name in ("one", "none")}, reloo=False
    )
    found = json.loads((folder / "compare.json").read_text())
    assert [row["fit"] for row in found["table"]] == table.index.tolist()
    assert [row["elpd_loo"] for row in found["table"]] == table["elpd_loo"].tolist()
    assert found["choice"] == table.attrs["choice"]
    assert (
        pd.read_csv(folder / "compare.tsv", sep="\t", float_precision="round_trip")[
            "elpd_loo"
        ].tolist()
        == table["elpd_loo"].tolist()
    )
    assert max(map(len, out.splitlines())) <= 80


def test_report_prints_the_verdict_in_the_words_of_the_command_line(
    run: Callable[..., tuple[int, str, str]], folder: Path
) -> None:
    code, out, _ = run("report", "one.nc", "--out", "one.html")
    assert code == 0
    verdict = str(bm.verdict(bm.load(folder / "one.nc")))
    assert "calibrate=True" in verdict
    assert " ".join(out.split()).startswith(
        " ".join(on_command_line(verdict, options_of(["report"])).split())
    )
    assert "--calibrate (the default)" in out
    code, out, err = run("report", "one.nc", "--out", "quiet.html", "--quiet")
    assert (code, out) == (0, "")
    stops = [f for f in bm.verdict(bm.load(folder / "one.nc")).findings if f.severity == "stop"]
    assert err.splitlines() == [f"warning: do not trust this estimate: {f.sentence}" for f in stops]


def test_report_takes_a_fit_of_the_mode_alone(
    run: Callable[..., tuple[int, str, str]], folder: Path
) -> None:
    assert run("report", "map.nc", "--data", "data.nc", "--out", "map.html")[0] == 0
    assert (folder / "map.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    "words",
    [
        ("report", "one.nc", "--out", "taken.html"),
        ("check", "one.nc", "--data", "data.nc", "--json", "taken.json"),
        ("check", "one.nc", "--data", "data.nc", "--tsv", "taken.tsv"),
        ("compare", "one.nc", "none.nc", "--json", "taken.json"),
    ],
)
def test_nothing_is_overwritten_without_force_nor_what_is_not_ours_with_it(
    words: tuple[str, ...], run: Callable[..., tuple[int, str, str]], folder: Path
) -> None:
    taken = folder / words[-1]
    taken.write_text("somebody else's\n")
    for more in ((), ("--force",)):
        code, out, err = run(*words, *more)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert f"{words[-2]}: '{taken.name}' is there already" in err
        assert taken.read_text() == "somebody else's\n"


def test_a_fit_does_not_take_the_place_of_an_ld_reference_even_when_told_to(
    run: Callable[..., tuple[int, str, str]], folder: Path
) -> None:
    panel = folder / "panel.zarr"
    panel.mkdir()
    (panel / "zarr.json").write_text('{"node_type": "group", "attributes": {"kind": "reference"}}')
    for option, other in (("--out", []), ("--save-data", ["--out", "new.nc"])):
        code, out, err = run(
            "fit",
            "univariate",
            "none.txt",
            "--reference",
            "panel.zarr",
            option,
            "panel.zarr",
            *other,
            "--force",
        )
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert re.match(
            rf"error: {option}: 'panel.zarr' is there already and is not .* that bayesmixer "
            rf"wrote: it stays",
            err,
        )
    assert [p.name for p in panel.iterdir()] == ["zarr.json"]


def test_the_notes_of_another_verb_are_no_results(
    run: Callable[..., tuple[int, str, str]], folder: Path
) -> None:
    notes = folder / "height.sumstats.gz.json"
    notes.write_text('{"bayesmixer": "0.1.0", "rows_read": 7}')
    code, _, err = run("check", "one.nc", "--data", "data.nc", "--json", notes.name, "--force")
    assert (code, notes.read_text()) == (2, '{"bayesmixer": "0.1.0", "rows_read": 7}')
    assert "it stays" in err


def test_force_replaces_what_the_program_wrote(
    run: Callable[..., tuple[int, str, str]], folder: Path
) -> None:
    words = ("compare", "one.nc", "none.nc", "--json", "ours.json", "--tsv", "ours.tsv", "--quiet")
    assert run(*words)[0] == 0
    before = [(folder / f"ours.{end}").read_bytes() for end in ("json", "tsv")]
    code, _, err = run(*words)
    assert code == 2
    assert "'ours.json' is there already" in err
    assert "--force" in err
    code, out, _ = run(*words, "--force")
    assert (code, out) == (0, "")
    assert [(folder / f"ours.{end}").read_bytes() for end in ("json", "tsv")] == before
