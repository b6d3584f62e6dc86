"""The tests of the models wait for the likelihood's compilation."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def compiled(kernel):
    pass
