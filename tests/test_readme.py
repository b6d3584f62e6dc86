"""What README.md and the quickstart show runs as it stands, on the embedded data set."""

from __future__ import annotations

import re
import shlex
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bayesmixer.cli.main import main

FEW = ["--draws", "100"]  # .ci/run makes the demo in full


@pytest.fixture
def home(example_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Working folder in which the examples' file names exist."""
    shutil.copytree(example_folder / "panel.zarr", tmp_path / "panel.zarr")
    shutil.copy(example_folder / "data/polygenic.txt.gz", tmp_path / "height.txt.gz")
    for suffix in (".bed", ".bim", ".fam"):
        shutil.copy(example_folder / f"data/genotypes{suffix}", tmp_path / f"panel{suffix}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_three_lines_of_the_readme_fit_a_model(
    root: Path, home: Path, example_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    import bayesmixer as bm

    monkeypatch.setattr(bm, "fit", partial(bm.fit, draws=100))
    (code,) = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(), re.S)
    lines = code.strip().splitlines()
    assert len(lines) == 3
    names: dict[str, Any] = {}
    exec(code, names)
    truth = json.loads((example_folder / "data/truth.json").read_text())["polygenic"]
    h2 = names["results"]["posterior"]["h2"]
    # half of the chromosomes carry about half of it; a wrong scale would be off by more than a
    # factor of two
    assert 0.5 < float(h2.mean()) / (truth["h2_realised"][0] / 2) < 2


def test_the_shell_commands_of_the_readme_write_what_they_say(
    root: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(home / "panel.zarr")
    commands = re.findall(r"^    (bayesmixer .*)$", (root / "README.md").read_text(), re.M)
    assert [c.split()[1] for c in commands] == ["ld", "fit"]
    for command in commands:
        with pytest.raises(SystemExit) as stop:
            main(shlex.split(command)[1:] + (FEW if "fit" in command else []))
        assert stop.value.code == 0, capsys.readouterr().err
    assert {p.name for p in home.iterdir()} >= {"panel.zarr", "height.nc", "height.html"}
    assert not [p for p in home.iterdir() if p.name.endswith(".tmp")]


def test_the_demo_prints_the_truth_beside_the_estimates_and_ends_with_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["demo", *FEW])
    out = capsys.readouterr().out
    assert stop.value.code == 0
    assert "truth" in out
    last = out.strip().splitlines()[-1]
    assert last == "report: demo_output/report.html"
    assert (tmp_path / "demo_output/report.html").stat().st_size > 50_000
    assert (tmp_path / "demo_output/posterior.nc").is_file()
