"""What a fit of a pair says about its overlap, in words and for JSON: the two statements, never a
probability without its Bayes factor (bayesmixer/pair/ends.py).
"""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import xarray as xr

from bayesmixer.pair.ends import COMPLETE, GROUP, LEAST

STATEMENTS = (LEAST, COMPLETE)
CLEAR = 0.95  # probability from which a statement is claimed


def sentences(results: xr.DataTree) -> list[str]:
    """The two statements, each with its probability, Bayes factor and prior; none of a fit without
    them (a flat prior, method "map").
    """
    group = _group(results)
    if group is None:
        return []
    return [
        f"{one.claim}: {_verdict(group, one.statement)} (probability "
        f"{float(group[f'p_{one.statement}']):.2g}, {_factor(group, one.statement)}, prior 1/2)."
        for one in STATEMENTS
    ]


def record(results: xr.DataTree) -> dict[str, Any]:
    """The group as a fit's JSON has it: statements, the three models, scaling and score tests; None
    where the fit holds none.
    """
    group = _group(results)
    if group is None:
        return {GROUP: None}
    names = group["model"].values.tolist()
    return {
        GROUP: {
            **{str(k): float(v) for k, v in group.data_vars.items() if not v.dims and _ours(k)},
            "p_model": dict(zip(names, group["p_model"].values.tolist(), strict=True)),
            "prior": group.attrs["prior"],
            "prior_of_three": group.attrs["prior_of_three"],
            "prior_above": group.attrs["prior_above"],
            "method": group.attrs["method"],
            "sentences": sentences(results),
        }
    }


def table(results: xr.DataTree) -> pd.DataFrame:
    """The three models of overlap, a third each before.

    Returns
    -------
    pandas.DataFrame
        One row a model (least, between, complete): `prior`, `probability`, `log10_bf` against the
        model between, `claim` that denies it. Empty where the fit holds none.
    """
    group = _group(results)
    if group is None:
        return pd.DataFrame(columns=["prior", "probability", "log10_bf", "claim"])
    claims = json.loads(group.attrs["claims"])
    low, high = (f"log10_bf_{one.statement}" for one in STATEMENTS)
    return pd.DataFrame(
        {
            "prior": group.attrs["prior_of_three"],
            "probability": group["p_model"].values,
            "log10_bf": [-float(group[low]), 0.0, -float(group[high])],
            "claim": [claims[LEAST.statement], "", claims[COMPLETE.statement]],
        },
        index=pd.Index(group["model"].values, name="model"),
    )


def _group(results: xr.DataTree) -> xr.Dataset | None:
    return results[GROUP].to_dataset() if GROUP in results.children else None


def _ours(name: Any) -> bool:
    """Whether a number of the group is about the statements."""
    return str(name).startswith(("p_", "log10_bf_", "score_")) or name == "scaling"


def _verdict(group: xr.Dataset, statement: str) -> str:
    p = float(group[f"p_{statement}"])
    return "yes" if p >= CLEAR else "no" if p <= 1 - CLEAR else "the data do not decide"


def _factor(group: xr.Dataset, statement: str) -> str:
    log10 = float(group[f"log10_bf_{statement}"])
    return f"Bayes factor {10**log10:.3g}" if abs(log10) < 4 else f"Bayes factor 1e{log10:.0f}"
