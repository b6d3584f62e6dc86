"""What other programs read of a fit: strict JSON and a tidy table hold every number of it, in full
precision.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.reporting.export import strict, write_json
from tests.reporting.fabricate import make_data, make_fit


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return make_data(m=400, blocks=50)


@pytest.fixture(scope="module")
def fits(data: xr.Dataset) -> dict[str, xr.DataTree]:
    made = {
        "laplace": make_fit(data, draws=100),
        "map": make_fit(data, method="map"),
        "two": make_fit(data, "two_component_mixer", "nuts", draws=50),
        "infinitesimal": make_fit(data, "infinitesimal", draws=100),
    }
    made["laplace"]["estimate"] = (
        made["laplace"]["estimate"].to_dataset().assign(h2_se=0.0123456789012345)
    )
    made["laplace"]["uncalibrated_posterior"] = xr.DataTree(
        made["laplace"]["posterior"].to_dataset() * 2.0
    )
    return made


def refuse(token: str) -> None:
    raise AssertionError(f"{token} is not JSON")


@pytest.mark.parametrize("name", ["laplace", "map", "two", "infinitesimal"])
def test_the_file_is_strict_json_and_what_is_returned(
    name: str, fits: dict[str, xr.DataTree], tmp_path: Any
) -> None:
    found = bm.to_json(fits[name], tmp_path / "fit.json")
    assert json.loads((tmp_path / "fit.json").read_text("utf-8"), parse_constant=refuse) == found
    assert (found["bayesmixer"], found["kind"], found["trait"]) == (bm.__version__, "fit", "height")
    assert [p.name for p in tmp_path.iterdir()] == ["fit.json"]


@pytest.mark.parametrize("name", ["laplace", "two", "infinitesimal"])
def test_every_quantity_of_the_posterior_is_there_to_the_last_digit(
    name: str, fits: dict[str, xr.DataTree]
) -> None:
    posterior = fits[name]["posterior"].to_dataset()
    expected = {}
    for variable, values in posterior.data_vars.items():
        for component in values["component"].values if "component" in values.dims else [None]:
            expected[variable, component] = (
                values if component is None else values.sel(component=component)
            ).values.ravel()
    found = {(e["quantity"], e["component"]): e for e in bm.to_json(fits[name])["estimates"]}
    assert found.keys() == expected.keys()
    for key, draws in expected.items():
        assert (found[key]["mean"], found[key]["sd"]) == (draws.mean(), draws.std(ddof=1))
        for prob, (low, high) in found[key]["intervals"].items():
            assert np.mean((low <= draws) & (draws <= high)) == pytest.approx(
                float(prob), abs=2 / len(draws)
            )
    assert all("mode" in e for e in found.values())


def test_a_fit_of_the_mode_alone_has_its_mode_and_no_interval(fits: dict[str, xr.DataTree]) -> None:
    estimate = fits["map"]["estimate"].to_dataset()
    for one in bm.to_json(fits["map"])["estimates"]:
        assert one == {
            "quantity": one["quantity"],
            "component": None,
            "mode": float(estimate[one["quantity"]]),
        }


def test_standard_errors_and_the_posterior_before_calibration_stand_beside(
    fits: dict[str, xr.DataTree],
) -> None:
    h2 = bm.to_json(fits["laplace"])["estimates"][0]
    assert h2["se"] == 0.0123456789012345
    assert h2["uncalibrated"]["mean"] == pytest.approx(2 * h2["mean"], rel=1e-14)


def test_inputs_have_their_checksums_and_data_every_count(fits: dict[str, xr.DataTree]) -> None:
    found = bm.to_json(fits["laplace"])
    assert {(i["role"], i["sha256"]) for i in found["inputs"]} == {
        ("summary statistics of height", "ab" * 32),
        ("LD reference", "cd" * 32),
    }
    assert found["data"]["sumstats"][0]["filters"] == {"duplicate": 1000, "ambiguous_alleles": 234}
    assert found["versions"] == {"bayesmixer": "0.1.0", "pymc": "6.4.0"}
    assert found["warnings"] == ["sample sizes <differ> & so on"]
    assert found["criteria"]["bic_infinitesimal"] == 10115.0


def test_a_mode_without_draws_tells_of_as_many_ld_blocks_as_calibrated_it(
    data: xr.Dataset,
) -> None:
    fit = make_fit(data, method="map")
    fit = fit.filter(lambda node: node.name != "log_likelihood")
    fit["calibration"] = xr.DataTree(xr.Dataset({"score": (("ld_block", "p"), np.ones((7, 3)))}))
    assert bm.to_json(fit)["diagnostics"]["ld_blocks"] == 7


def test_the_table_reads_back_with_the_same_numbers(
    fits: dict[str, xr.DataTree], tmp_path: Any
) -> None:
    tables = []
    for name, fit in fits.items():
        table = bm.to_tsv(fit, tmp_path / "fit.tsv")
        back = pd.read_csv(
            tmp_path / "fit.tsv",
            sep="\t",
            keep_default_na=False,
            na_values={c: [""] for c in table if c != "component"},
        )
        numbers = table.select_dtypes("number")
        np.testing.assert_array_equal(
            back[numbers.columns].to_numpy(float), numbers.to_numpy(float), err_msg=name
        )
        assert back["component"].tolist() == table["component"].tolist()
        tables.append(table)
    together = pd.concat(tables)
    assert not together.duplicated(["model", "method", "quantity", "component"]).any()
    one = together.query(
        "model == 'univariate_mixer' and method == 'laplace' and quantity == 'pi'"
    ).iloc[0]
    pi = fits["laplace"]["posterior"]["pi"].values
    assert (one["q2.5"], one["q95"]) == (np.quantile(pi, 0.025), np.quantile(pi, 0.95))


def test_what_is_not_finite_is_null(tmp_path: Any) -> None:
    write_json(
        {"a": np.nan, "b": [np.inf, np.float32(0.5)], "c": np.array([1, 2]), "d": np.bool_(True)},
        tmp_path / "x.json",
    )
    assert json.loads((tmp_path / "x.json").read_text(), parse_constant=refuse) == {
        "a": None,
        "b": [None, 0.5],
        "c": [1, 2],
        "d": True,
    }
    assert strict({1: (np.int64(3),)}) == {"1": [3]}


def test_what_is_no_fit_is_refused() -> None:
    for write in (bm.to_json, bm.to_tsv):
        with pytest.raises(bm.InputError, match=r"^results: not a fit"):
            write(xr.DataTree())


def test_a_saved_fit_is_read_summed_up_judged_and_reported_without_pymc(
    fits: dict[str, xr.DataTree], tmp_path: Path
) -> None:
    bm.save(fits["laplace"], tmp_path / "fit.nc")
    code = """
import sys
import bayesmixer as bm
fit = bm.load("fit.nc")
bm.summary(fit), bm.to_json(fit, "fit.json"), bm.to_tsv(fit), bm.verdict(fit)
bm.report(fit, path="fit.html")
bm.save(fit, "again.nc")
print([m for m in ("pymc", "pytensor", "nutpie") if m in sys.modules])
"""
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"
    assert (tmp_path / "fit.html").stat().st_size > 10_000
