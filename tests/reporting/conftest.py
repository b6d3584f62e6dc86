"""Data and fits that the report's tests share."""

import pytest

from tests.reporting.fabricate import make_data, make_fit


@pytest.fixture(scope="session", autouse=True)
def compiled(kernel):
    """The likelihood."""


@pytest.fixture(scope="session")
def data():
    return make_data()


@pytest.fixture(scope="session")
def fit(data):
    return make_fit(data)


@pytest.fixture(scope="session")
def sampled_report(data, tmp_path_factory):
    """Report with every figure there is: a fit by NUTS, with its data."""
    import bayesmixer as bm

    path = tmp_path_factory.mktemp("report") / "report.html"
    assert bm.report(make_fit(data, method="nuts", draws=250), data, path, progress=False) == path
    return path
