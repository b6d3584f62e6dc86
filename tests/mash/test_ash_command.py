"""`bayesmixer ash`: what it writes is what the function returns, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesmixer as bm
from tests.mash.test_command_line import run


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    s = rng.uniform(0.5, 1.5, 200)
    b = rng.normal(0, 2, 200) * (rng.random(200) < 0.3) + s * rng.standard_normal(200)
    b[7] = np.nan
    frame = pd.DataFrame({"gene": [f"g{i}" for i in range(200)], "Beta": b, "p": 0.5, "SE": s})
    frame.to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    return tmp_path / "a.tsv"


def test_tables_results_and_report_are_of_the_same_posteriors(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--posterior", tmp_path / "p.tsv", "--out", tmp_path / "r.nc")
    also = ("--report", tmp_path / "r.html", "--json", tmp_path / "r.json")
    assert run("ash", table, "--mixture", "half-uniform", *out, *also) == 0
    shown = capsys.readouterr().out
    assert "of effects are 0" in shown
    assert "1 effects without an estimate" in shown
    frame = pd.read_csv(table, sep="\t")
    known = bm.ash(frame["Beta"].values, frame["SE"].values, "half-uniform")["effects"]
    found = pd.read_csv(tmp_path / "p.tsv", sep="\t")
    assert found.loc[3, ["effect", "condition"]].tolist() == ["g3", "Beta"]
    for name in ("mean", "sd", "lfsr", "svalue"):
        np.testing.assert_allclose(found[name], known[name], rtol=1e-9)
    assert "Adaptive shrinkage" in (tmp_path / "r.html").read_text()
    assert run("ash", table, "--fit", tmp_path / "r.nc", "--posterior", tmp_path / "q.parquet") == 0
    again = pd.read_parquet(tmp_path / "q.parquet")
    np.testing.assert_allclose(again["mean"], found["mean"], rtol=1e-9)
    assert run("ash", table, *out) == 2
    assert "--force" in capsys.readouterr().err
    np.testing.assert_allclose(bm.ash(table, mixture="halfuniform")["effects"]["sd"], known["sd"])


def test_what_it_cannot_use_is_refused(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = tmp_path / "fit.nc"
    assert run("ash", table, "--mixture", "half-uniform", "--out", fit, "-q") == 0
    for words, says in (
        (("--bhat", "effect"), "no column 'effect' (columns: gene, Beta, p, SE)"),
        (("--mode", "best"), "--mode: 'best', expected a number, or estimate"),
        (("--fit", fit, "--mixture", "normal"), "the given prior has 'half-uniform'"),
        (("--fit", fit, "--prior", "uniform"), "--prior: given beside --fit"),
        (("--fit", fit, "--no-point-mass"), "--point-mass: False, but the given prior has True"),
        (("--mixture", "gamma"), "mixture: 'gamma', expected one of normal"),
        (("--posterior", "p.txt"), "expected a name ending in .tsv"),
    ):
        assert run("ash", table, *words) == 2
        assert says in capsys.readouterr().err
