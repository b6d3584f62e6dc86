"""The report of two traits."""

import pytest

import bayesmixer as bm
from bayesmixer.reporting import figures
from bayesmixer.reporting.tables import comparison_table
from bayesmixer.reporting.verdict import by_rules
from tests.models.small_pair import simulate_pair
from tests.pair.faulty import fit_from
from tests.reporting.chromium import Browser, executable


def test_report_of_two_traits_names_both_and_says_what_is_shared(pair_fit, tmp_path):
    path = bm.report(pair_fit, None, tmp_path / "pair.html", progress=False)
    text = path.read_text()
    assert "height and asthma: bivariate MiXeR fit" in text
    assert "height and asthma share" in text
    assert "prior 1/2" in text
    for title in ("What both traits share", "Likelihood along overlap", "Density of the effects"):
        assert title in text
    assert "need the data" in text
    assert "pi [height]" in text


@pytest.mark.skipif(
    executable() is None, reason="no chromium on PATH (Debian: apt-get install chromium)"
)
def test_report_of_two_traits_in_a_browser_complains_of_nothing_and_fits(pair_fit, tmp_path):
    path = bm.report(pair_fit, None, tmp_path / "pair.html", progress=False)
    browser = Browser()
    try:
        browser.open(path)
        assert browser.complaints() == []
        assert browser.requests() == [path.resolve().as_uri()]
        drawn = browser.evaluate("[...document.images].map(i => i.complete && i.naturalWidth)")
        assert len(drawn) > 3 and min(drawn) > 300
        for width in (360, 1280):
            browser.resize(width, 800)
            assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    finally:
        browser.close()


def test_verdict_of_two_traits_is_that_of_their_rules(pair_fit, pair_data):
    verdict = by_rules(pair_fit, pair_data)
    assert any("shares of these" in finding.sentence for finding in verdict.findings)


def test_a_nested_model_that_is_likelier_than_the_mode_is_explained(pair_fit):
    fit = pair_fit.copy(deep=True)
    attrs = fit["estimate"].attrs
    attrs |= {"log_likelihood": -500.0, "aic": 1018.0, "log_likelihood_least_overlap": -501.0}
    assert "prior" not in comparison_table(fit).caption
    attrs["log_likelihood_least_overlap"] = -499.6
    assert "the prior has a share in the mode" in comparison_table(fit).caption


def test_report_with_data_holds_the_pair_against_them_and_draws_every_view(
    kernel, tmp_path, monkeypatch
):
    """The check's own figure; the others have tests of their own."""
    monkeypatch.setattr(figures, "plan", lambda *a: ([], []))
    data = simulate_pair(seed=2)
    start = {"log_h2": [-1.2, -1.4], "log_sigma2_0": [0.05, 0.02], "atanh_rg": 0.4}
    fit = fit_from(data, start | {"atanh_rho_0": 0.2}, "infinitesimal_pair")
    verdict = bm.verdict(fit, data, progress=False)
    assert verdict.checked and verdict.pit.sizes["view"] == 4
    path = bm.report(fit, data, tmp_path / "pair.html", progress=False, verdict=verdict)
    text = path.read_text()
    assert text.count("<img") == 1 and "Do the z-scores look as predicted?" in text
    assert "first, second, first + second, first - second" in text
    assert "predicted?</strong>" in text and "of equal tails, or from the end of a range" in text
