"""Results of LD score regression in the halls: told, exported and reported as what they are, and
mistaken for a model's fit by none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.style import as_number
from tests.ldsc.conftest import Small

pytestmark = pytest.mark.filterwarnings("ignore:.*estimates are rough")

Results = dict[str, xr.DataTree]


@pytest.fixture(scope="module")
def results(small: Small) -> Results:
    folder, traits = small
    annot, ld = f"{folder}/annot/", f"{folder}/ld/"
    one = bm.ldsc.read_ld_scores(annot).of_annotations([1])
    return {
        "h2": bm.ldsc.h2(traits["first"], ld),
        "rg": bm.ldsc.rg(list(traits.values()), ld, samp_prev=[0.5, None, None],
                         pop_prev=[0.1, None, None]),
        "partitioned": bm.ldsc.partitioned(traits["first"], annot, ld, frq=annot),
        "cts": bm.ldsc.cts(traits["first"], ld, ld, {"one": one}, progress=False),
    }  # fmt: skip


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.mark.parametrize("kind", ["h2", "rg", "partitioned", "cts"])
def test_a_report_holds_tables_sentences_and_figures_that_need_no_data(
    kind: str, results: Results, tmp_path: Path
) -> None:
    one = results[kind]
    again = bm.load(bm.save(one, tmp_path / "it.nc"))
    path = bm.report(again, path=tmp_path / "report.html", progress=False)
    page = path.read_text()
    text = text_of(page)
    for said in json.loads(one.attrs.get("said", "[]")):
        assert said["sentence"] in text.replace("&#39;", "'")
    figures = {"h2": 0, "rg": 2, "partitioned": 1, "cts": 0}[kind]
    assert page.count("<img") == figures
    estimate = one["estimate"].to_dataset()
    column = {"h2": "h2", "rg": "rg", "partitioned": "enrichment", "cts": "coef"}[kind]
    shown = float(np.ravel(estimate[column])[1 if kind == "rg" else 0])
    assert as_number(shown) in text
    assert "posterior" not in text.lower()
    assert "credible" not in text
    assert ("liability" in text) == (kind == "rg")


def test_tables_json_and_verdict_are_of_the_same_numbers(results: Results, tmp_path: Path) -> None:
    rg = results["rg"]
    estimate = rg["estimate"].to_dataset()
    summary = bm.summary(rg)
    assert list(summary.columns) == ["estimate", "se"]
    label = "rg[sumstats[0], sumstats[1]]"
    assert summary.loc[label, "estimate"] == float(estimate["rg"][0, 1])
    assert summary.loc[label, "se"] == float(estimate["rg_se"][0, 1])
    table = bm.to_tsv(rg, tmp_path / "rg.tsv").set_index(["quantity", "component"])
    assert table.loc[("rg", "sumstats[0], sumstats[1]"), "mode"] == float(estimate["rg"][0, 1])
    found = bm.to_json(rg, tmp_path / "rg.json")
    assert json.loads((tmp_path / "rg.json").read_text()) == found
    assert (found["kind"], found["model"]) == ("estimate", "ldsc.rg")
    cautions = [s for s in json.loads(rg.attrs["said"]) if s["level"] == "caution"]
    assert len(found["cautions"]) == len(cautions) > 0
    verdict = bm.verdict(rg)
    assert verdict.level == "caution"
    assert len(verdict.findings) == len(cautions)
    assert not any("covariance" in name for name in bm.summary(results["partitioned"]).index)


@pytest.mark.parametrize("kind", ["h2", "rg", "partitioned", "cts"])
def test_what_takes_a_fit_says_in_one_line_that_it_is_none(kind: str, results: Results) -> None:
    one = results[kind]
    data = xr.Dataset()
    calls: list[Callable[[], object]] = [
        lambda: bm.check(one, data),
        lambda: bm.calibrate(one, data),
        lambda: bm.loo(one),
        lambda: bm.compare({"a": one}),
        lambda: bm.compare({"a": one}, data),
        lambda: bm.rebuild(one, data),
        lambda: bm.variants(one, data),
        lambda: bm.sample_posterior_predictive(one, data),
    ]
    for call in calls:
        with pytest.raises(InputError, match=rf"estimates \(ldsc\.{kind}\), which have no") as e:
            call()
        assert "\n" not in str(e.value)
    with pytest.raises(InputError, match="given beside estimates"):
        bm.report(one, data)
