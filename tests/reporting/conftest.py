"""Data and fits that the report's tests share."""

import pytest
from fabricate import make_data, make_fit


@pytest.fixture(scope="session")
def data():
    return make_data()


@pytest.fixture(scope="session")
def fit(data):
    return make_fit(data)
