"""What a skip is in continuous integration."""

import pytest

LACKS = """
    import pytest
    def test_browser(): pytest.skip("no chromium on PATH")
    def test_data(): pytest.skip("no x: real genotypes are not beside this checkout")
    @pytest.mark.skipif(True, reason="no jax")
    def test_extra(): pass
    @pytest.mark.xfail
    def test_known(): assert False
"""
MODULE = "import pytest\npytest.importorskip('no_such_extra')\ndef test_it(): pass"


@pytest.mark.parametrize(
    ("ci", "outcomes"),
    [
        ("true", {"failed": 1, "skipped": 1, "xfailed": 1, "errors": 2}),
        ("", {"skipped": 4, "xfailed": 1}),
    ],
)
def test_a_missing_browser_or_extra_is_a_failure_in_ci_and_missing_data_a_skip(
    ci, outcomes, pytester, monkeypatch
):
    monkeypatch.setenv("CI", ci)
    pytester.makepyfile(test_lacks=LACKS, test_module=MODULE)
    result = pytester.runpytest_inprocess(
        "-p",
        "tests.skips",
        "--continue-on-collection-errors",
        "-p",
        "no:randomly",
        "-p",
        "no:xdist",
    )
    assert result.parseoutcomes() == outcomes
