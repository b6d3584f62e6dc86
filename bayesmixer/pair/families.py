"""Checks that the models of two traits have besides those of any fit: inflation of each trait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import xarray as xr

from bayesmixer.mixer.families import Row, against_tails, noise
from bayesmixer.mixer.rules import VERY_INFLATED
from bayesmixer.pair.prediction import draws_of, names_of

__all__ = ["FAMILIES", "STRATUM_SCORES", "against_tails", "grave"]

STRATUM_SCORES = {
    "log_h2": "The effects",
    "log_sigma2_0": "The noise",
    "atanh_u": "The genetic correlation",
    "atanh_rg": "The genetic correlation",
    "atanh_rho_0": "The correlation of the errors",
}
"""Parameters whose scores `check` compares between strata, and what they stand for."""


def inflation(c: Any) -> Iterator[Row]:
    """sigma2_0 of each trait, as of one.

    Parameters
    ----------
    c
        The context of `check` (bayesmixer.checks.families.Context).
    """
    for k, name in enumerate(names_of(c.results, c.data)):

        def sigma2_0(there: xr.Dataset, k: int = k) -> float:
            return float(there["sigma2_0"].isel(trait=k))

        for row, statistic, df, p, words in noise(c, sigma2_0):
            yield f"{name}: {row}", statistic, df, p, f"{name}: {words}"


def grave(row: str, results: xr.DataTree) -> bool:
    """Whether a flagged row of `check` is grave, as of one trait."""
    return any(
        row == f"{name}: inflation" and draws_of(results, "sigma2_0", k).mean() > VERY_INFLATED
        for k, name in enumerate(names_of(results))
    )


FAMILIES = (inflation,)
