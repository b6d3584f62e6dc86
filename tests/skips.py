"""In continuous integration (CI set in the environment) a test that cannot run fails, unless what
it lacks cannot be installed.

A skip is for a user's machine. Where everything was installed, a missing browser or extra means
that a fact is no longer tested.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

# what the reasons of the skips that stay say: data that are not published with the code, and a
# checkout that is none
ALLOWED = ("not beside this checkout", "not a git checkout")


def refused(reason: str) -> bool:
    """Whether a skip for this reason is a failure here."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false") and not any(
        words in reason for words in ALLOWED
    )


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if report.outcome == "skipped" and not hasattr(report, "wasxfail") and refused(reason):
        report.outcome = "failed"
        report.longrepr = (
            f"A test was skipped where everything should be there (CI is set): {reason}"
        )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse(report)
    return report
