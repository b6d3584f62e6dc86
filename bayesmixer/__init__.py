"""bayesmixer: probabilistic models of GWAS summary statistics with LD-convolved likelihoods.

The public functions are the arrows of docs/data_structures.md; each is imported when first used,
so that `import bayesmixer` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayesmixer import models
    from bayesmixer.errors import DataWarning, InputError
    from bayesmixer.example import example_data
    from bayesmixer.inference.fit import fit
    from bayesmixer.inference.results import summary
    from bayesmixer.io.sumstats import munge, read_sumstats
    from bayesmixer.ld.align import align
    from bayesmixer.ld.reference import build_reference, open_reference
    from bayesmixer.reporting.html import report
    from bayesmixer.simulation import simulate

try:
    __version__ = version("bayesmixer")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"

_HOME = {
    "DataWarning": "errors",
    "InputError": "errors",
    "align": "ld.align",
    "build_reference": "ld.reference",
    "example_data": "example",
    "fit": "inference.fit",
    "munge": "io.sumstats",
    "open_reference": "ld.reference",
    "read_sumstats": "io.sumstats",
    "report": "reporting.html",
    "simulate": "simulation",
    "summary": "inference.results",
}

__all__ = [*sorted(_HOME), "models"]


def __getattr__(name: str) -> Any:
    if name == "models":
        return import_module("bayesmixer.models")
    if name in _HOME:
        value = getattr(import_module(f"bayesmixer.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'bayesmixer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_HOME, "models"]
