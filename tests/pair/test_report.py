"""The report of two traits."""

import bayesmixer as bm
from bayesmixer.reporting.verdict import by_rules


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


def test_verdict_of_two_traits_is_that_of_their_rules(pair_fit, pair_data):
    verdict = by_rules(pair_fit, pair_data)
    assert any("shares of these" in finding.sentence for finding in verdict.findings)
