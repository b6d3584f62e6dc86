"""The coverage laboratory: its arithmetic on made-up replicates, a small study end to end,
resumption, and bad arguments.
"""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import norm

import bayesmixer as bm
from bayesmixer.card import studied
from bayesmixer.errors import InputError
from bayesmixer.laboratory.cells import kind_of, numbers, read_cells
from bayesmixer.laboratory.replicates import LEVELS
from bayesmixer.laboratory.table import coverage_table, markdown
from bayesmixer.mixer.cards import LOG_H2, LOGIT_MAF_S, LOGIT_PI
from bayesmixer.mixer.cell import Cell

CELL = "pi=0.01,n=100000,h2=0.02"


def made_up(share, size=4000, seed=0):
    """Replicates of a normal estimate of sd 1 whose stated sd is `share`."""
    rng = np.random.default_rng(seed)
    x = rng.normal(2.0, 1.0, size)
    out = pd.DataFrame(
        {
            "cell": "a",
            "parameter": "log_h2",
            "replicate": np.arange(size),
            "truth": 2.0,
            "estimate": x,
            "concerns": "",
        }
    )
    for k in ("pi", "n", "h2", "sigma2_0", "maf_s", "mean_chi2", "cpu_seconds"):
        out[k] = 1.0
    out["converged"] = True
    for prefix, sd in (("", share), ("raw_", 0.5)):
        out[f"{prefix}sd"] = sd
        for level in LEVELS:
            half = sd * norm.ppf(0.5 + level / 200)
            out[f"{prefix}low{level}"], out[f"{prefix}high{level}"] = x - half, x + half
    return out


def test_coverage_width_and_bias_of_made_up_normal_estimates_are_the_closed_forms():
    row = coverage_table(made_up(0.8), Cell).iloc[0]
    for level in LEVELS:
        half = norm.ppf(0.5 + level / 200)
        assert row[f"cover{level}"] == pytest.approx(2 * norm.cdf(0.8 * half) - 1, abs=0.025)
        assert row[f"raw_cover{level}"] == pytest.approx(2 * norm.cdf(0.5 * half) - 1, abs=0.025)
    assert row["width_ratio"] == pytest.approx(0.8, abs=0.03)
    assert row["bias"] == pytest.approx(0, abs=0.06)
    assert row["rmse"] == pytest.approx(row["sampling_sd"], rel=0.01)


def test_markdown_has_a_line_a_row_and_its_columns():
    lines = markdown(coverage_table(made_up(1.0), Cell)).strip().splitlines()
    assert len(lines) == 3
    assert len({line.count("|") for line in lines}) == 1


def test_cells_are_read_from_text_and_have_their_truth():
    (cell,) = read_cells(["pi=0.003,n=50000,sigma2_0=1.2"], Cell)
    assert cell == Cell(0.003, 50_000, 0.15, 1.2)
    assert Cell(1.0, 1e5).effects.polygenicity[0] == 1
    assert len(read_cells(None, Cell)) >= 8


def test_truth_of_a_parameter_comes_from_its_card_and_is_nan_where_there_is_none():
    data = xr.Dataset(coords={"maf_s": [-1.0, -0.5, 0.0]})
    truth = numbers(Cell(0.003, 50_000, maf_s=-0.25)) | {"h2_realised": 0.1}
    assert LOGIT_PI.truth(truth, data) == pytest.approx(np.log(0.003 / 0.997))
    assert LOGIT_MAF_S.truth(truth, data) == pytest.approx(np.log(3))
    assert np.isnan(LOGIT_MAF_S.truth(truth | {"maf_s": 0.0}, data))
    assert np.isnan(LOGIT_PI.truth(truth | {"pi": 1.0}, data))
    assert LOG_H2.truth(truth, data) == pytest.approx(np.log(0.15))
    assert LOG_H2.realised(truth) == pytest.approx(np.log(0.1))


def test_models_of_which_the_wing_simulates_cells_can_be_studied_the_usual_one_first():
    assert studied() == ("univariate_mixer", "infinitesimal", "bivariate_mixer")
    assert {kind_of(model) for model in studied()[:2]} == {Cell}


@pytest.mark.parametrize(
    ("cells", "word"),
    [
        (["pi=2,n=1000"], "0 < pi <= 1"),
        (["pi=0.1"], "no n"),
        (["pi=0.1,n=x"], "numbers"),
        (["power=3,pi=0.1,n=5"], "'power'"),
        (["nonsense"], "key=value"),
        ([], "at least one"),
        ([CELL, CELL], "twice"),
        (["pi=0.1,n=1000,h2=2"], "h2"),
    ],
)
def test_bad_cells_are_named_in_one_line(cells, word):
    with pytest.raises(InputError, match=word) as caught:
        read_cells(cells, Cell)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Five replicates of one cell on the embedded panel, chromosomes 1 and 2."""
    folder = tmp_path_factory.mktemp("study")
    example = bm.example_data(folder / "data")
    options = {
        "genotypes": example.genotypes,
        "ld_blocks": example.ld_blocks,
        "chromosomes": [1, 2],
        "cells": [CELL],
        "processes": 1,
        "progress": False,
    }
    return folder / "lab", options, bm.coverage(folder / "lab", replicates=5, **options)


def test_a_small_study_has_all_its_files_and_sensible_numbers(study):
    folder, _, table = study
    assert set(table["parameter"]) == {"log_h2", "log_h2_realised", "logit_pi", "log_sigma2_0"}
    assert (table["replicates"] == 5).all()
    rows = pd.read_parquet(folder / "replicates.parquet")
    h2 = rows[rows["parameter"] == "log_h2"]
    assert np.abs(h2["estimate"] - np.log(0.02)).max() < 2.5
    assert (rows["low90"] < rows["estimate"]).all()
    assert (rows["low95"] < rows["low90"]).all()
    page = (folder / "index.html").read_text()
    assert page.count("data:image/png") == 4
    assert "http" not in page.replace("http-equiv", "")
    assert str(folder.parent) not in page  # others need not know where it ran


def test_a_second_run_goes_on_and_gives_the_same_replicates(study):
    folder, options, _ = study
    before = pd.read_parquet(folder / "replicates.parquet")
    stamp = next((folder / "batches").glob("*-0000.parquet")).stat().st_mtime_ns
    table = bm.coverage(folder, replicates=6, **options)
    assert (table["replicates"] == 6).all()
    assert next((folder / "batches").glob("*-0000.parquet")).stat().st_mtime_ns == stamp
    after = pd.read_parquet(folder / "replicates.parquet")
    pd.testing.assert_frame_equal(after[after["replicate"] < 5].reset_index(drop=True), before)
    batch = next((folder / "batches").glob("*-0001.parquet"))
    batch.unlink()  # as if it had been interrupted there
    again = pd.read_parquet(folder / "replicates.parquet")
    bm.coverage(folder, replicates=6, **options)
    stable = [c for c in again.columns if "seconds" not in c]
    pd.testing.assert_frame_equal(
        pd.read_parquet(folder / "replicates.parquet")[stable],
        again[stable],
        check_exact=False,
        rtol=1e-6,
    )


def test_as_many_replicates_are_fitted_and_reported_as_were_asked(tmp_path, monkeypatch):
    from bayesmixer.laboratory import coverage, page

    fitted = []

    def work(settings, cell, number, size, path):
        fitted.append((number, size))
        rows = made_up(1.0, size).assign(cell=cell.name, replicate=5 * number + np.arange(size))
        rows.to_parquet(path, index=False)
        return path

    monkeypatch.setattr(coverage, "work", work)
    monkeypatch.setattr(coverage, "_prepare", lambda *_: None)
    monkeypatch.setattr(page, "page", lambda *_: "")

    def run(replicates):
        fitted.clear()
        table = bm.coverage(
            tmp_path / "lab",
            genotypes="x",
            ld_blocks="y",
            cells=[CELL],
            replicates=replicates,
            processes=1,
            progress=False,
        )
        assert (table["replicates"] == replicates).all()
        assert len(pd.read_parquet(tmp_path / "lab/replicates.parquet")) == replicates
        return fitted

    assert run(4) == [(0, 4)]
    assert run(12) == [(0, 5), (1, 5), (2, 2)]
    assert run(4) == []
    next((tmp_path / "lab/batches").glob("*-0001.parquet")).write_bytes(b"damaged")
    assert run(12) == [(1, 5)]


def test_a_folder_with_files_that_no_study_wrote_is_refused(tmp_path):
    (tmp_path / "table.csv").write_text("mine")
    with pytest.raises(
        InputError, match=r"table\.csv: is there already and no study wrote it: it stays"
    ):
        bm.coverage(tmp_path, genotypes="x", ld_blocks="y", cells=[CELL])
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def test_a_study_of_other_settings_is_refused(study):
    folder, options, _ = study
    with pytest.raises(InputError, match="seed = 1"):
        bm.coverage(folder, replicates=5, seed=2, **options)
    assert json.loads((folder / "settings.json").read_text())["seed"] == 1


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"model": "mash"}, "model"),
        ({"method": "bfgs"}, "method"),
        ({"replicates": 0}, "replicates"),
        ({"processes": 0}, "processes"),
        ({"genotypes": "x"}, "ld_blocks"),
    ],
)
def test_bad_arguments_are_named_in_one_line(tmp_path, change, word):
    with pytest.raises(InputError, match=f"^{word}"):
        bm.coverage(tmp_path / "lab", **change)
