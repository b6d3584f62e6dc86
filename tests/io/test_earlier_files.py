"""Files that an early 0.1.0 saved open, and every verb says of them what it said then."""

import json

import numpy as np
import pytest

import bayesmixer as bm
from bayesmixer.inference.density import LogDensity

pytestmark = pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
NAMES = {"infinitesimal": "infinitesimal", "univariate_mixer": "univariate_map"}


@pytest.fixture(scope="module")
def saved(root):
    return root / "tests/fixtures/saved_0.1.0"


@pytest.fixture(scope="module")
def data(saved):
    return bm.load(saved / "gwas_data_0.1.0.nc")


@pytest.fixture(scope="module")
def said(saved):
    return json.loads((saved / "said.json").read_text())


@pytest.mark.parametrize("model", NAMES)
def test_an_earlier_fit_opens_with_its_summary_and_its_model_is_made_again(
    saved, data, said, model, kernel
):
    results = bm.load(saved / f"{NAMES[model]}_0.1.0.nc")
    table = bm.summary(results)
    for column, values in said[model]["summary"].items():
        for name, value in values.items():
            assert table.loc[name, column] == pytest.approx(value, rel=1e-12), (name, column)
    density = LogDensity(bm.rebuild(results, data))
    at_mode = density.value_and_gradient(results["estimate"]["mode"].values)[0]
    assert at_mode == pytest.approx(said[model]["log_posterior"], rel=1e-6)


def test_an_earlier_fit_is_checked_compared_calibrated_and_reported(
    saved, data, said, tmp_path, kernel
):
    results = bm.load(saved / "infinitesimal_0.1.0.nc")
    found = bm.check(results, data, draws=2, progress=False).table["p"]
    for name, p in said["infinitesimal"]["check"].items():
        if name.startswith(("PIT, all", "PIT by", "QQ")) and np.isfinite(p or np.nan):
            assert found[name] == pytest.approx(p, rel=0.05), name
    assert np.isfinite(bm.compare({"one": results}, data, reloo=False).loc["one", "elpd_loo"])
    again = bm.calibrate(results, data, progress=False)["posterior"]["h2"]
    np.testing.assert_allclose(again, results["posterior"]["h2"], rtol=1e-5)
    page = bm.report(results, data, tmp_path / "fit.html", progress=False).read_text()
    assert "Only fits" not in page and "No figure" not in page


def test_a_fit_of_today_finds_the_modes_of_then(data, said, kernel):
    for model in NAMES:
        fitted = bm.fit(getattr(bm.models, model)(data), "map", seed=3, progress=False)
        assert fitted["estimate"].attrs["log_posterior"] == pytest.approx(
            said[model]["log_posterior"], rel=1e-7
        )
        for name, value in said[model]["summary"]["map"].items():
            assert bm.summary(fitted).loc[name, "map"] == pytest.approx(value, rel=1e-3), name
