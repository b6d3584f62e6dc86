"""Results for other programs: everything of a fit as strict JSON, its estimates as a tidy table, in
full precision.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmixer import aside, facts
from bayesmixer.facts import data_attributes, quantity_of, read_json
from bayesmixer.identity import check_estimates, is_estimates
from bayesmixer.interval import interval
from bayesmixer.kinds import JSON, TABLE
from bayesmixer.reporting.tables import input_table
from bayesmixer.wings import offers, told_of, withheld

INTERVALS = (0.5, 0.8, 0.9, 0.95)
SEARCH = {
    "parameter",
    "parameter_bis",
    "start",
    "profile",
}  # dims of what describes the search, not the trait
ABOUT = (
    "model",
    "prior",
    "method",
    "method_asked",
    "calibrated",
    "seed",
    "seconds",
    "created",
    "command",
)


def to_json(results: xr.DataTree, path: str | Path | None = None) -> dict[str, Any]:
    """Everything that a fit says, as objects that JSON can hold: finite numbers, text, lists, None.

    Parameters
    ----------
    results
        What `bayesmixer.fit` returned, by any method; or estimates without a model
        (`bayesmixer.ldsc`), whose `mode` is the estimate and which have `said`, `cautions` and
        `settings` in place of what only a fit has.
    path
        File to write it to, as strict JSON (a value that is not finite is null); None writes none.

    Returns
    -------
    dict
        `estimates` (a record a quantity and component: `mode`, `se`, `mean`, `median`, `sd`,
        `intervals` by probability, as in `summary`, and those of the posterior before calibration),
        what the model's wing records besides (docs/reference/cli.md; an estimate that it withholds
        has neither mode nor interval, or an interval from where nothing is), `verdict`,
        `warnings`, `criteria` (log-likelihood, AIC, BIC), `diagnostics`, `inputs` (file and
        SHA-256), `data` (what was read, with every filter's count), `versions`, and model, prior,
        method, seed, command.

    Raises
    ------
    InputError
        Not a fit, or the file cannot be written.
    """
    results = check_estimates(results)
    attrs = results.attrs
    if is_estimates(results):
        return _of_estimates(results, path)
    k, (r_hat, ess) = (
        facts.pareto_k(results),
        facts.mixing(results) if "posterior" in results.children else (None, None),
    )
    estimate = results["estimate"].attrs if "estimate" in results.children else {}
    diagnostics = {
        "converged": bool(estimate["converged"]) if "converged" in estimate else None,
        "at_bound": read_json(estimate.get("at_bound"), []),
        "pareto_k": k,
        "r_hat": r_hat,
        "effective_sample_size": ess,
        "divergences": facts.number_of_divergences(results),
        "ld_blocks": facts.number_of_blocks(results, None),
        "effective_variants": facts.effective_variants(results, None),
    }
    criteria = {
        k: v
        for k, v in estimate.items()
        if str(k).startswith(("log_", "aic", "bic", "n_parameters"))
    }
    found = {
        **heading("fit"),
        "trait": _trait(results),
        **{name: attrs[name] for name in ABOUT if name in attrs},
        "options": read_json(attrs.get("options"), {}),
        "verdict": read_json(attrs.get("verdict"), None),
        "warnings": read_json(attrs.get("warnings"), []),
        "estimates": estimates(results),
        **(record(results) if (record := offers(results, "record")) is not None else {}),
        "criteria": criteria,
        "diagnostics": diagnostics,
        "inputs": [
            dict(zip(("role", "file", "about", "sha256"), row, strict=True))
            for row in input_table(results).rows
        ],
        "data": _decoded(data_attributes(results)),
        "versions": read_json(attrs.get("versions"), {}),
    }
    plain: dict[str, Any] = strict(found)
    if path is not None:
        write_json(plain, path)
    return plain


def to_tsv(results: xr.DataTree, path: str | Path | None = None) -> pd.DataFrame:
    """The estimates of a fit as a tidy table: a row a quantity and component, whose rows of many
    fits can be put together.

    Parameters
    ----------
    results
        What `bayesmixer.fit` returned, by any method; or estimates without a model
        (`bayesmixer.ldsc`), whose `mode` is the estimate.
    path
        File to write it to, tab-separated, in full precision, nothing where there is no value; None
        writes none.

    Returns
    -------
    pandas.DataFrame
        Columns `trait`, `model`, `prior`, `method`, `quantity`, `component`, `mode`, `se`, `mean`,
        `median`, `sd`, and the quantiles `q2.5` to `q97.5`.

    Raises
    ------
    InputError
        Not a fit, or the file cannot be written.
    """
    results = check_estimates(results)
    shared = {
        "trait": _trait(results),
        **{name: str(results.attrs.get(name, "")) for name in ("model", "prior", "method")},
    }
    rows = []
    for one in estimates(results):
        ends: dict[str, float] = {}
        for prob, (low, high) in one.get("intervals", {}).items():
            tail = 50 * (1 - float(prob))
            ends |= {f"q{tail:g}": low, f"q{100 - tail:g}": high}
        if one.get("upper_limit") is not None:
            ends = dict.fromkeys(ends, np.nan) | {"q95": one["upper_limit"]}
        kept = ("quantity", "component", "mode", "se", "mean", "median", "sd")
        rows.append(
            shared
            | {name: one.get(name, np.nan) for name in kept}
            | dict(sorted(ends.items(), key=lambda e: float(e[0][1:])))
        )
    table = pd.DataFrame(rows)
    table["component"] = table["component"].fillna("")
    if path is not None:
        write_tsv(table, path)
    return table


def _of_estimates(results: xr.DataTree, path: str | Path | None) -> dict[str, Any]:
    """What `to_json` returns of estimates without a model."""
    told = told_of(results)
    found = {
        **heading("estimate"),
        "trait": _trait(results),
        **{name: results.attrs[name] for name in ABOUT if name in results.attrs},
        "estimates": estimates(results),
        "said": list(told.sentences),
        "cautions": [{"sentence": a, "remedy": b} for a, b in told.cautions],
        "notes": [{"sentence": a, "remedy": b} for a, b in told.notes],
        "settings": dict(told.settings),
        "versions": read_json(results.attrs.get("versions"), {}),
    }
    plain: dict[str, Any] = strict(found)
    if path is not None:
        write_json(plain, path)
    return plain


def estimates(results: xr.DataTree) -> list[dict[str, Any]]:
    """A record of every reported quantity: its mode with standard error, and mean, sd and intervals
    of its posterior, raw ones beside calibrated ones.
    """
    modes = results["estimate"].to_dataset() if "estimate" in results.children else xr.Dataset()
    posterior = results["posterior"].to_dataset() if "posterior" in results.children else None
    raw = (
        results["uncalibrated_posterior"].to_dataset()
        if "uncalibrated_posterior" in results.children
        else xr.Dataset()
    )
    named, hidden = posterior if posterior is not None else modes, withheld(results)
    out = []
    for name, values in named.data_vars.items():
        if (
            values.dtype.kind not in "fiu"
            or SEARCH & set(map(str, values.dims))
            or not values.attrs.get("listed", 1)
            or (name in modes and not modes[name].attrs.get("listed", 1))
            or str(name).endswith("_covariance")
            or (str(name).endswith("_se") and str(name)[:-3] in modes)
        ):
            continue
        for label, index in _parts(values):
            one: dict[str, Any] = {"quantity": str(name), "component": label}
            whole = f"{name} [{label}]" if label else str(name)
            for key, variable in (("mode", name), ("se", f"{name}_se")):
                if variable in modes and not SEARCH & set(map(str, modes[variable].dims)):
                    one[key] = float(modes[variable].sel(index))
            if posterior is not None:
                quantity = quantity_of(results, str(name))
                end = None if quantity is None else quantity.ends
                own = {} if hidden is None else hidden.instead
                one |= _spread(own.get(whole, values.sel(index)), end)
                if name in raw:
                    one["uncalibrated"] = _spread(raw[name].sel(index), end)
            if hidden is not None and not hidden.keeps(whole):
                # no mode but the prior's, no interval but a limited quantity's from zero
                told = {"mode", "intervals", "uncalibrated"}
                one = {k: v for k, v in one.items() if k not in told}
                if (limit := hidden.limits.get(whole)) is not None:
                    one["upper_limit"] = limit
                    if posterior is not None:
                        x = values.sel(index).values
                        ends = {f"{p:g}": [0.0, float(np.quantile(x, p))] for p in INTERVALS}
                        one["intervals"] = ends
            out.append(one)
    return out


def _parts(values: xr.DataArray) -> Iterable[tuple[str | None, dict[str, Any]]]:
    """(label, selection) of each part of a variable along its dimensions other than the draws'."""
    dims = [str(d) for d in values.dims if d not in ("chain", "draw")]
    for at in np.ndindex(*(values.sizes[d] for d in dims)):
        index = {d: values[d].to_numpy()[i] for d, i in zip(dims, at, strict=True)}
        yield ", ".join(map(str, index.values())) or None, index


def _spread(draws: Any, ends: tuple[float, float] | None) -> dict[str, Any]:
    """Mean, median, sd and intervals."""
    x = np.asarray(draws, float).ravel()
    intervals = {f"{p:g}": list(interval(x, p, ends)) for p in INTERVALS}
    sd = float(x.std(ddof=1)) if x.size > 1 else math.nan
    return {
        "mean": float(x.mean()),
        "median": float(np.median(x)),
        "sd": sd,
        "intervals": intervals,
    }


def _trait(results: xr.DataTree) -> str:
    recorded = read_json(data_attributes(results).get("sumstats"), [])
    first = recorded[0] if recorded else {}
    return str(results.attrs.get("trait") or first.get("trait") or first.get("source", ""))


def _decoded(value: Any) -> Any:
    """Attributes with the JSON that stands in them as text opened, at any depth."""
    if isinstance(value, str) and value[:1] in "{[":
        try:
            return _decoded(json.loads(value))
        except ValueError:
            return value
    if isinstance(value, Mapping):
        return {str(k): _decoded(v) for k, v in value.items()}
    return [_decoded(v) for v in value] if isinstance(value, list | tuple) else value


def heading(kind: str, inputs: Iterable[Path] = ()) -> dict[str, Any]:
    """What every JSON file begins with: program, version, kind, and checksums of `inputs` that are
    files.
    """
    from bayesmixer import __version__

    files = [
        {
            "file": str(p),
            "sha256": hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else None,
        }
        for p in inputs
    ]
    return {"bayesmixer": __version__, "kind": kind} | ({"inputs": files} if files else {})


def rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A table as records."""
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def strict(value: Any) -> Any:
    """A value as JSON can hold it: what is not finite becomes None, NumPy's scalars and arrays
    Python's.
    """
    if isinstance(value, Mapping):
        return {str(k): strict(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [strict(v) for v in value]
    if isinstance(value, np.generic):
        return strict(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def write_json(found: Mapping[str, Any], path: str | Path) -> None:
    """Write strict JSON: no NaN, numbers in full precision."""
    aside.write(
        path, json.dumps(strict(found), indent=1, ensure_ascii=False, allow_nan=False) + "\n", JSON
    )


def write_tsv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table, tab-separated, numbers in full precision, nothing where there is no value."""
    aside.write(path, table.to_csv(sep="\t", index=False, lineterminator="\n"), TABLE)
