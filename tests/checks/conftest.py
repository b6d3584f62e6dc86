"""The fabricated fit and data of tests/reporting."""

from tests.reporting.conftest import compiled, data, fit

__all__ = ["compiled", "data", "fit"]
