"""Data and fits of two traits that the tests of this folder share."""

import pytest

from tests.pair.fabricate import make_pair_data, make_pair_fit, with_overlap
from tests.reporting.conftest import data


@pytest.fixture(scope="session", autouse=True)
def compiled(kernel):
    """The likelihood of one trait."""


@pytest.fixture(scope="session")
def pair_data():
    return make_pair_data()


@pytest.fixture(scope="session")
def pair_fit(pair_data):
    return with_overlap(make_pair_fit(pair_data, ends=(0.05, 0.0)))


__all__ = ["compiled", "data", "pair_data", "pair_fit"]
