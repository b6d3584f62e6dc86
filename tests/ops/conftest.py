"""The tests of the likelihood wait for its compilation."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def compiled(kernel):
    pass
