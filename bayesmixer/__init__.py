"""bayesmixer: probabilistic models of GWAS summary statistics with LD-convolved likelihoods.

The public functions are the arrows of docs/reference/data_structures.md; each is imported when
first used, so that `import bayesmixer` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from bayesmixer import interrupts as _interrupts

if TYPE_CHECKING:
    from bayesmixer import ldsc as ldsc
    from bayesmixer import mash as mash
    from bayesmixer import models as models
    from bayesmixer.checks.check import check as check
    from bayesmixer.checks.predictive import (
        sample_posterior_predictive as sample_posterior_predictive,
    )
    from bayesmixer.checks.predictive import sample_prior_predictive as sample_prior_predictive
    from bayesmixer.errors import DataWarning as DataWarning
    from bayesmixer.errors import InputError as InputError
    from bayesmixer.example import example_data as example_data
    from bayesmixer.inference.calibration import calibrate as calibrate
    from bayesmixer.inference.compare import compare as compare
    from bayesmixer.inference.fit import fit as fit
    from bayesmixer.inference.loo import loo as loo
    from bayesmixer.io.effects import read_effects as read_effects
    from bayesmixer.io.saved import load as load
    from bayesmixer.io.saved import save as save
    from bayesmixer.io.sumstats import munge as munge
    from bayesmixer.io.sumstats import read_sumstats as read_sumstats
    from bayesmixer.laboratory.coverage import coverage as coverage
    from bayesmixer.laboratory.pairs import fit_pairs as fit_pairs
    from bayesmixer.ld.align import align as align
    from bayesmixer.ld.gwas_data import gwas_data_from_arrays as gwas_data_from_arrays
    from bayesmixer.ld.reference import build_reference as build_reference
    from bayesmixer.ld.reference import open_reference as open_reference
    from bayesmixer.mash.ash import ash as ash
    from bayesmixer.models.ld_mixture import ld_mixture as ld_mixture
    from bayesmixer.models.rebuild import rebuild as rebuild
    from bayesmixer.reporting.export import to_json as to_json
    from bayesmixer.reporting.export import to_tsv as to_tsv
    from bayesmixer.reporting.html import report as report
    from bayesmixer.reporting.variants import variants as variants
    from bayesmixer.reporting.verdict import verdict as verdict
    from bayesmixer.results import summary as summary
    from bayesmixer.simulation.simulate import simulate as simulate

try:
    __version__ = version("bayesmixer")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"

_HOME = {
    "DataWarning": "errors",
    "InputError": "errors",
    "align": "ld.align",
    "ash": "mash.ash",
    "build_reference": "ld.reference",
    "calibrate": "inference.calibration",
    "check": "checks.check",
    "compare": "inference.compare",
    "coverage": "laboratory.coverage",
    "example_data": "example",
    "fit": "inference.fit",
    "fit_pairs": "laboratory.pairs",
    "gwas_data_from_arrays": "ld.gwas_data",
    "ld_mixture": "models.ld_mixture",
    "load": "io.saved",
    "loo": "inference.loo",
    "munge": "io.sumstats",
    "open_reference": "ld.reference",
    "read_effects": "io.effects",
    "read_sumstats": "io.sumstats",
    "rebuild": "models.rebuild",
    "report": "reporting.html",
    "sample_posterior_predictive": "checks.predictive",
    "sample_prior_predictive": "checks.predictive",
    "save": "io.saved",
    "simulate": "simulation.simulate",
    "summary": "results",
    "to_json": "reporting.export",
    "to_tsv": "reporting.export",
    "variants": "reporting.variants",
    "verdict": "reporting.verdict",
}

__all__ = [*sorted(_HOME), "ldsc", "mash", "models"]


def __getattr__(name: str) -> Any:
    if name in ("ldsc", "mash", "models"):
        return import_module(f"bayesmixer.{name}")
    if name in _HOME:
        value = getattr(import_module(f"bayesmixer.{_HOME[name]}"), name)
        _interrupts.check()  # a Ctrl-C that fell into a callback of what was imported
        globals()[name] = value
        return value
    raise AttributeError(f"module 'bayesmixer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_HOME, "ldsc", "mash", "models"]
