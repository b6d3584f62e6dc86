"""The verdict: made for every fit, kept in it, and one for the rules of trust and the flags of
`check`.
"""

import json

import numpy as np
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.card import cards
from bayesmixer.checks.check import Check
from bayesmixer.facts import alignment_warnings, mean_chi2
from bayesmixer.identity import judge
from bayesmixer.io.plausible import NO_POWER
from bayesmixer.reporting.trust import CHECKED, OF_DATA, OF_FIT, Finding
from bayesmixer.reporting.verdict import Verdict, by_rules, stored, with_check
from tests.models.small_gwas import simulate_gwas
from tests.reporting.fabricate import OPTIONS, make_data, make_fit


@pytest.fixture(scope="module")
def clean():
    """A fit of 22 chromosomes that no rule objects to, and its data."""
    data = make_data(m=1200, blocks=400, chromosomes=22)
    fit = make_fit(data, method="nuts", draws=300)
    fit["estimate"].attrs["effective_variants"] = 80_000.0
    estimate = fit["estimate"].to_dataset()
    estimate["optimum_log_posterior"][:] = -5000.0
    fit["estimate"] = xr.DataTree(estimate)
    return fit, data


def test_rules_and_check_give_one_verdict(clean):
    fit, data = clean
    fit = fit.copy(deep=True)
    assert bm.verdict(fit, data, progress=False) == Verdict((), True, True)
    assert (
        bm.verdict(fit, data).sentence
        == "No rule speaks against this estimate, and the data fit the model."
    )
    found = bm.check(fit, data, progress=False)
    table = found.table.copy()
    table.loc["QQ, tail", ["flagged", "in_words"]] = (
        True,
        "More lie beyond: single loci; censor them.",
    )
    table.loc["prior", ["flagged", "in_words"]] = (
        True,
        "The prior moves it: little data; compare prior='flat'.",
    )
    both = with_check(fit, data, Check(table, found.dataset))
    assert both.findings == (
        Finding("caution", "More lie beyond: single loci.", "Censor them."),
        Finding("note", "The prior moves it: little data.", "Compare prior='flat'."),
    )
    assert both.level == "caution" and both.sentence == "Read this estimate with the caution below."
    fit["estimate"].attrs["converged"] = 0
    worst = with_check(fit, data, Check(table, found.dataset))
    assert [f.severity for f in worst.findings] == ["stop", "caution", "note"]
    assert (
        str(worst).splitlines()[0]
        == "Verdict: Do not rely on this estimate: 1 of the findings below is grave."
    )


def test_inflation_that_is_grave_by_the_rules_is_so_by_check(clean):
    fit, data = clean
    found = bm.check(fit, data, progress=False)
    table = found.table.copy()
    table.loc["inflation", ["flagged", "in_words"]] = (
        True,
        "sigma2_0 is far from 1: stratification; correct the GWAS.",
    )
    for level, value in (("caution", 1.3), ("stop", 1.9)):
        inflated = fit.copy(deep=True)
        inflated["posterior"]["sigma2_0"] = inflated["posterior"]["sigma2_0"] * 0 + value
        assert with_check(inflated, data, Check(table, found.dataset)).level == level


def test_a_verdict_without_check_says_so(clean):
    fit, data = clean
    assert (
        "was not checked" in by_rules(fit, data).sentence
        and "was not checked" in bm.verdict(fit).sentence
    )


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_a_verdict_is_stored_in_the_fit_and_survives_the_file(clean, tmp_path, suffix):
    fit = clean[0].copy()
    made = Verdict((Finding("caution", "So it is: why.", "Do that."),), True, True)
    assert stored(fit) is None
    made.store(fit)
    bm.save(fit, tmp_path / f"fit{suffix}")
    assert bm.verdict(bm.load(tmp_path / f"fit{suffix}")) == made
    assert (
        made.as_dict()["level"] == "caution" and json.loads(fit.attrs["verdict"]) == made.as_dict()
    )


@pytest.mark.parametrize("method", ["map", "laplace"])
def test_every_fit_holds_its_verdict_from_the_start(method):
    data = simulate_gwas(seed=4)
    with_draws = {"draws": 100} if method == "laplace" else {}
    fit = bm.fit(
        bm.models.infinitesimal(data), method, calibrate=False, progress=False, **with_draws
    )
    verdict = bm.verdict(fit)
    assert verdict == stored(fit) and verdict.with_data and not verdict.checked
    assert verdict.level == "stop" and any(
        "Only chromosome 1" in f.sentence for f in verdict.findings
    )


def test_a_rule_that_fails_does_not_cost_the_fit(clean, monkeypatch):
    from bayesmixer.reporting import trust

    def fails(*_):
        raise RuntimeError("of its own")

    monkeypatch.setattr(trust, "OF_FIT", (fails,))
    fit = clean[0].copy()
    with pytest.warns(bm.DataWarning, match="No verdict on this fit"):
        judge(fit, None)
    assert "verdict" not in fit.attrs


def test_too_few_blocks_for_a_check_are_a_note(clean):
    data = make_data(m=300, blocks=12, chromosomes=6)
    verdict = bm.verdict(make_fit(data), data)
    assert not verdict.checked
    assert [
        f.remedy
        for f in verdict.findings
        if "was not compared with its data (12 LD blocks" in f.sentence
    ] == ["Use more of the genome."]


def test_report_with_data_that_were_not_compared_does_not_say_that_there_were_none(
    tmp_path, monkeypatch
):
    from bayesmixer.reporting import figures

    monkeypatch.setattr(figures, "plan", lambda *_: ([], []))
    data = make_data(m=300, blocks=12, chromosomes=6)
    fit = make_fit(data)
    text = bm.report(fit, data, tmp_path / "r.html", progress=False).read_text()
    assert "The fit was not compared with its z-scores.<" in text
    assert "made without the data" not in text
    without = bm.report(fit, path=tmp_path / "w.html", progress=False).read_text()
    assert "The fit was not compared with its z-scores: the report was made without" in without


def test_report_shows_the_flags_of_check_and_the_stored_verdict(clean, tmp_path, monkeypatch):
    from bayesmixer.reporting import figures

    monkeypatch.setattr(figures, "plan", lambda *_: ([], []))
    fit, data = clean
    text = bm.report(fit, data, tmp_path / "r.html", progress=False).read_text()
    assert "No rule speaks against this estimate, and the data fit the model." in text
    assert "Tests compare the z-scores with the fit" in text
    fit = fit.copy()
    Verdict((Finding("stop", "It is wrong.", "Fit again."),), True, True).store(fit)
    text = bm.report(
        fit, path=tmp_path / "s.html"
    ).read_text()  # without data: what was found with them
    assert "It is wrong." in text and "Do not rely on this estimate" in text


def test_report_says_each_warning_once(clean, tmp_path, monkeypatch):
    from bayesmixer.reporting import figures

    monkeypatch.setattr(figures, "plan", lambda *_: ([], []))
    fit = clean[0].copy()
    concern = (
        "LD block 3 makes up much of the variance of log_h2 (60%): it hangs on one locus; compare "
        "a fit without it."
    )
    said = [
        concern,
        "The optimiser did not converge (still 3 units).",
        "Sample sizes are odd.",
        "No heritability seen: h2 < 0.1 (95%).",
    ]
    fit.attrs["warnings"] = json.dumps(said)
    fit["calibration"] = xr.DataTree(xr.Dataset(attrs={"concerns": json.dumps([concern])}))
    text = bm.report(fit, path=tmp_path / "r.html").read_text()
    assert text.count("makes up much of the variance") == text.count("Sample sizes are odd.") == 1
    assert "Compare a fit without it." in text and "still 3 units" not in text
    assert (
        "No heritability seen" not in text
    )  # the rule of that name speaks by the test, which this fit lacks


DEEDS = {
    "Fit",
    "Use",
    "Take",
    "Compare",
    "Look",
    "Run",
    "Check",
    "Read",
    "Report",
    "Drop",
    "Raise",
    "Sample",
    "Choose",
    "Give",
    "Widen",
    "Try",
    "Correct",
    "Fix",
}


def test_what_to_do_is_a_deed():
    """Every remedy that fits in bad shape are given begins with a verb."""
    data = make_data(m=300, blocks=30, chromosomes=2, seed=3)
    fit = make_fit(data, method="nuts", draws=50, spread=2.0)
    fit["estimate"].attrs |= {
        "converged": 0,
        "at_bound": '["logit_pi"]',
        "bic_infinitesimal": 0.0,
        "bic_univariate_mixer": 0.0,
    }
    concerns = [
        "12 LD blocks (at least 200 wanted): the calibrated widths are themselves uncertain; "
        "use more chromosomes.",
        "Not calibrated in log_h2: the mode is at the edge of the search box; read the other "
        "parameters only.",
    ]
    fit["calibration"] = xr.DataTree(xr.Dataset(attrs={"concerns": json.dumps(concerns)}))
    fit["sample_stats"] = xr.DataTree(
        xr.Dataset(
            {"diverging": (("chain", "draw"), np.ones((4, 50), bool))}, attrs={"pareto_k": 2.0}
        )
    )
    for model in ("univariate_mixer", "two_component_mixer", "infinitesimal"):
        fit.attrs |= {"model": model, "options": json.dumps(OPTIONS[model])}
        verdict = bm.verdict(fit, data, progress=False)
        assert len(verdict.findings) > 8
        for finding in verdict.findings:
            assert finding.remedy.split()[0] in DEEDS, finding


def test_every_rule_stands_in_the_table_of_the_docs_and_no_other(root):
    named = set()
    for page, title in [
        ("how-to/report", "The rules of trust"),
        ("methods/bivariate", "When not to trust it"),
    ]:
        text = (root / f"docs/{page}.md").read_text().split(f"## {title}")[1].split("\n## ")[0]
        named |= {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    general = {*OF_DATA, *OF_FIT}
    own = {rule for card in cards().values() for rule in card.ask("rules") or ()}
    assert named == {rule.__name__ for rule in general | own}
    assert set(CHECKED) <= general
    for card in cards().values():
        assert set(card.ask("checked") or ()) <= own


def test_next_to_no_power_is_said_once_by_its_rule_or_without_data_by_alignment(clean):
    fit, data = clean[0].copy(), clean[1]
    said = f"The mean of z^2 is 1.001, hardly above the 1 of chance alone: {NO_POWER}."
    fit.attrs["data"] = json.dumps(
        json.loads(fit.attrs["data"]) | {"overlap": json.dumps({"traits": [], "warnings": [said]})}
    )
    weak = data.assign(z=data["z"] * np.sqrt(1.001 / mean_chi2(data.isel(trait=0))))
    for given in (weak, None):
        assert sum(NO_POWER in f.sentence for f in by_rules(fit, given).findings) == 1


def test_warnings_of_aligning_another_trait_are_not_those_of_the_fit(clean):
    fit = clean[0].copy()
    traits = [
        {"trait": "iq", "warnings": ["iq: odd"]},
        {"trait": "height", "warnings": ["height: odd"]},
    ]
    attrs = {
        "overlap": json.dumps(
            {"traits": traits, "warnings": ["iq: odd", "height: odd", "the panel is odd"]}
        )
    }
    fit.attrs["data"] = json.dumps(json.loads(fit.attrs["data"]) | attrs)
    assert alignment_warnings(fit) == ["height: odd", "the panel is odd"]
