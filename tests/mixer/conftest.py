"""The fabricated fit of tests/reporting and the small GWAS of tests/inference."""

from tests.inference.conftest import small
from tests.reporting.conftest import compiled, data, fit

__all__ = ["compiled", "data", "fit", "small"]
