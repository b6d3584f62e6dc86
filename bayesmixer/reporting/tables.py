"""The report's tables and its headline: what was estimated, from what, with which filters, settings
and versions, and how the fit went.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from bayesmixer import facts
from bayesmixer.card import cards, unit_in_words
from bayesmixer.facts import data_attributes, read_json
from bayesmixer.identity import of_trait
from bayesmixer.interval import interval
from bayesmixer.reporting.block_error import block_standard_errors
from bayesmixer.style import INTERVAL, as_count, as_interval, as_middle, as_number, as_parameter
from bayesmixer.wings import card_of, offers, unit_of, withheld

METHODS = {
    "map": "posterior mode only",
    "laplace": "Laplace approximation, importance-resampled (PSIS)",
    "nuts": "NUTS",
    "binned": "NUTS on bins of alike variants, re-weighted by the exact likelihood (PSIS)",
    "smc": "sequential Monte Carlo",
}


@dataclass(frozen=True)
class Table:
    """Rows of text under a heading; the columns in `numeric` are set flush right."""

    caption: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]] = ()
    numeric: tuple[int, ...] = ()


def headline(results: xr.DataTree) -> list[str]:
    """Sentences that say what was found, each quantity with its 90% interval: those of the model's
    wing, else one for each of the few quantities that matter.
    """
    own = offers(results, "headline")
    if own is not None and (said := list(own(results))):
        return said
    told, hidden = {*facts.shown_names(results)}, withheld(results)
    values, out = facts.quantities(results), list[str]()
    if hidden is not None:
        values = {label: x for label, x in values.items() if hidden.keeps(label)}
        out += [hidden.sentence] if hidden.sentence else []
        values |= hidden.instead
    for label, draws in values.items():
        name = label.split(" [")[0]
        if name in told and len(out) < facts.MOST_SHOWN:
            one = facts.quantity_of(results, name)
            meaning = "" if one is None else f": {one.meaning}"
            middle = as_middle(draws, None if one is None else one.ends)
            out.append(f"{label} is {middle}{meaning}.")
    return out


def parameter_table(results: xr.DataTree) -> Table:
    """Mean, median, sd and interval of everything in the posterior, the mode, and the sd before
    calibration (or error over LD blocks).
    """
    import arviz as az

    hidden = withheld(results)
    draws = facts.quantities(results) | ({} if hidden is None else dict(hidden.instead))
    flat = xr.Dataset({name: (("chain", "draw"), x.reshape(1, -1)) for name, x in draws.items()})
    # one row even where there is one draw (map): ArviZ then gives no interval worth printing
    summary = az.summary(
        xr.DataTree.from_dict({"posterior": flat}),
        kind="stats",
        ci_kind="eti",
        ci_prob=INTERVAL,
        round_to="none",
    )
    errors = {name: error for name, (error, _) in block_standard_errors(results).items()}
    mode = _modes(results)
    calibrated = "uncalibrated_posterior" in results.children
    if calibrated:
        raw = facts.quantities(
            xr.DataTree.from_dict({"/posterior": results["uncalibrated_posterior"].to_dataset()})
        )
        errors = {name: float(x.std(ddof=1)) for name, x in raw.items()}
    rows = []
    for name, x in draws.items():
        s, fixed = summary.loc[name], np.ptp(x) == 0
        one_of = facts.quantity_of(results, name.split(" [")[0])
        ends = None if one_of is None else one_of.ends
        shown = "–" if fixed else as_interval(*interval(x, INTERVAL, ends))
        if hidden is not None and not hidden.keeps(name):
            limit = hidden.limits.get(name)
            shown = "–" if limit is None else f"below {as_number(limit)} (95%)"
        rows.append(
            (
                name,
                as_number(s["mean"]),
                as_number(float(np.median(x))),
                "–" if fixed else as_number(s["sd"]),
                shown,
                as_number(mode[name]) if name in mode else "–",
                as_number(errors[name]) if name in errors and not fixed else "–",
                "" if one_of is None else one_of.meaning,
            )
        )
    columns = (
        "quantity",
        "mean",
        "median",
        "sd",
        f"{INTERVAL:.0%} interval",
        "mode",
        "sd before calibration" if calibrated else "s.e. over LD blocks",
        "meaning",
    )
    kept = [i for i in range(8) if i != 6 or any(row[6] != "–" for row in rows)]
    return Table(
        "Posterior",
        tuple(columns[i] for i in kept),
        [tuple(row[i] for i in kept) for row in rows],
        numeric=tuple(range(1, len(kept) - 1)),
    )


def _modes(results: xr.DataTree) -> dict[str, float]:
    if "estimate" not in results.children:
        return {}
    out = {}
    for name, values in results["estimate"].to_dataset().data_vars.items():
        if name in results["posterior"].data_vars and values.ndim <= 1:
            for label, x in facts.by_component(values):
                out[f"{name}{label}"] = float(x[0])
    return out


def comparison_table(results: xr.DataTree) -> Table | None:
    """Log-likelihood, AIC and BIC at the mode, beside the model's null model where that was fitted;
    None without an estimate.
    """
    if "estimate" not in results.children or facts.estimate_number(results, "aic") is None:
        return None

    def number(name: str, behind: str) -> float | None:
        return facts.estimate_number(results, f"{name}{behind}")

    def row(title: str, behind: str = "") -> tuple[str, ...]:
        cells = [number(name, behind) for name in ("log_likelihood", "aic", "bic")]
        k = number("n_parameters", behind)
        shown = ["–" if x is None else f"{x:,.2f}" for x in cells]
        return title, "–" if k is None else f"{k:.0f}", *shown

    rows = [row(facts.title_of(results))]
    card = card_of(results)
    null = None if card is None else cards().get(card.null)
    if card is not None and null is not None and number("aic", f"_{null.name}") is not None:
        rows.append(row(null.title, f"_{null.name}"))
        pairs = [(number(k, f"_{null.name}"), number(k, "")) for k in ("aic", "bic")]
        gain = ["–" if a is None or b is None else f"{a - b:,.2f}" for a, b in pairs]
        rows.append(("difference (positive favours the richer model)", "", "", *gain))
        rows += [
            row(name.replace("_", " "), f"_{name}")
            for name in card.rivals
            if name not in cards() and number("aic", f"_{name}") is not None
        ]
    own = number("log_likelihood", "")
    rivals = [number("log_likelihood", f"_{name}") for name in (card.rivals if card else ())]
    caption = "Fit at the mode (lower AIC and BIC are better)"
    if any(own is not None and x is not None and x > own for x in rivals):
        caption += "; the prior has a share in the mode, the models beside are at their likeliest"
    return Table(
        caption,
        ("model", "parameters", "log-likelihood", "AIC", "BIC"),
        rows,
        (1, 2, 3, 4),
    )


def optimum_table(results: xr.DataTree) -> Table | None:
    """The optimum that each start ended in, best first; None where not recorded."""
    heights = facts.optimum_heights(results)
    if not len(heights):
        return None
    estimate = results["estimate"].to_dataset()
    columns: dict[str, list[str]] = {}
    for name, values in (
        (str(k), v)
        for k, v in estimate.data_vars.items()
        if str(k).startswith("optimum") and v.dims[:1] == ("start",)
    ):
        if values.dims == ("start", "parameter") and name == "optimum":
            for k, parameter in enumerate(values["parameter"].to_numpy()):
                columns[as_parameter(str(parameter))] = [
                    as_number(float(x)) for x in values.to_numpy()[:, k]
                ]
        elif values.dims == ("start",):
            columns[name.removeprefix("optimum_").replace("_", " ")] = [
                _optimum_cell(name, x) for x in values.to_numpy()
            ]
    height = next(
        estimate[n].to_numpy()
        for n in ("optimum_log_posterior", "optimum_log_likelihood")
        if n in estimate
    )
    order = np.argsort(-np.nan_to_num(height.astype(float), nan=-np.inf), kind="stable")
    rows = [(str(k + 1), *(cells[j] for cells in columns.values())) for k, j in enumerate(order)]
    return Table(
        "Optimum met from each start, best first",
        ("", *columns),
        rows,
        tuple(range(1, len(columns) + 1)),
    )


def _optimum_cell(name: str, value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return f"{float(value):,.2f}" if "_log_" in name else as_number(float(value))


def diagnostics(results: xr.DataTree, data: xr.Dataset | None) -> list[str]:
    """How the fit went, in words."""
    said = []
    attrs = results["estimate"].attrs if "estimate" in results.children else {}
    if "converged" in attrs:
        starts = facts.optimum_heights(results)
        word = "converged" if bool(attrs["converged"]) else "did NOT converge"
        tail = ""
        if len(starts):
            same = int(np.sum(starts.max() - starts <= 0.1))
            tail = (
                f"; {same} of {len(starts)} starts met the best optimum"
                if len(starts) > 1
                else "; one start"
            )
        if "gradient_evaluations" in attrs:
            tail += f" ({as_count(float(attrs['gradient_evaluations']))} gradient evaluations)"
        said.append(f"The optimiser {word}{tail}.")
    k = facts.pareto_k(results)
    if k is not None:
        alike = facts.log_ratio_sd(results)
        verdict = (
            "not reliable"
            if facts.weights_fail(k, alike)
            else f"of no consequence: the weights differ by {alike:.1%}"
            if k > facts.HIGH_PARETO_K
            else "usable"
            if k > 0.5
            else "good"
        )
        said.append(
            f"Pareto k-hat of the importance weights: {k:.2f} ({verdict}; below "
            f"{facts.HIGH_PARETO_K} is wanted)."
        )
    r_hat, ess = facts.mixing(results)
    if r_hat is not None:
        said.append(f"Largest R-hat: {r_hat:.3f} (below 1.01 is wanted).")
    if ess is not None:
        said.append(f"Smallest effective sample size: {as_count(ess)} (over 400 is wanted).")
    if "sample_stats" in results.children and "diverging" in results["sample_stats"].data_vars:
        said.append(
            f"Divergences: {as_count(facts.number_of_divergences(results))} (none is wanted)."
        )
    blocks = facts.number_of_blocks(results, data)
    effective = facts.effective_variants(results, data)
    if blocks is not None:
        unit = unit_in_words(unit_of(results))
        said.append(f"{unit[0].upper()}{unit[1:]}s, the independent units: {as_count(blocks)}.")
    if effective is not None:
        said.append(f"Effective number of variants (sum of weights): {as_count(effective)}.")
    rule = data_attributes(results).get("weights") or (
        data.attrs.get("weights") if data is not None else None
    )
    if rule:
        said.append(f"Weights: {_plain(rule)}.")
    if data is not None and "z" in data:
        said += [
            f"Weighted mean of z squared{of}: {facts.mean_chi2(one):.3f}."
            for of, one in facts.each_trait(data)
        ]
    return said


def _plain(value: Any) -> str:
    decoded = value
    if isinstance(value, str) and value[:1] in "{[":
        decoded = json.loads(value)
    if isinstance(decoded, dict):
        return ", ".join(f"{k} {_plain(v)}" for k, v in decoded.items())
    if isinstance(decoded, list | tuple | np.ndarray):
        return ", ".join(_plain(v) for v in decoded)
    if isinstance(decoded, float):
        return f"{decoded:g}"
    if isinstance(decoded, int) and not isinstance(decoded, bool):
        return as_count(decoded)
    return str(decoded)


def input_table(results: xr.DataTree) -> Table:
    """Every file that went in, with its SHA-256."""
    attrs = data_attributes(results)
    rows = []
    for one in of_trait(read_json(attrs.get("sumstats"), []), results.attrs.get("trait")):
        kept = (
            f"{as_count(one['rows_kept'])} of {as_count(one['rows_read'])} rows kept"
            if {"rows_kept", "rows_read"} <= one.keys()
            else ""
        )
        facts_ = [
            one.get("format"),
            one.get("build"),
            kept,
            f"N: {one['n_definition']}" if one.get("n_definition") else "",
        ]
        rows.append(
            (
                f"summary statistics{_of(one)}",
                str(one.get("source", "")),
                "; ".join(str(f) for f in facts_ if f),
                str(one.get("sha256", "")),
            )
        )
    reference = read_json(attrs.get("reference"), {})
    sources = read_json(reference.get("sources"), reference.get("sources") or [])
    about = ", ".join(
        text
        for key, text in (
            ("samples", f"{_plain(reference.get('samples'))} samples"),
            (
                "window",
                f"window {_plain(reference.get('window'))} "
                f"{reference.get('window_unit', '')}".rstrip(),
            ),
            ("r2_rule", f"{reference.get('r2_rule')} r2"),
            ("r2_cutoff", f"cut-off {_plain(reference.get('r2_cutoff'))}"),
        )
        if key in reference
    )
    for name, digest in dict.fromkeys(_sources(sources)):  # each chromosome names its own
        rows.append(("LD reference", name, about, digest))
    if reference and not sources:
        rows.append(
            (
                "LD reference",
                str(reference.get("source", "")),
                about,
                str(reference.get("sha256", "")),
            )
        )
    return Table("Inputs", ("role", "file", "about", "SHA-256"), rows)


def _of(one: dict[str, Any]) -> str:
    return f" of {one['trait']}" if one.get("trait") else ""


def _sources(sources: Any) -> list[tuple[str, str]]:
    """(file, sha256) of each source: of a record or list of records, or of a mapping of file to
    digest, by chromosome or not.
    """
    if isinstance(sources, list):
        return [pair for one in sources for pair in _sources(one)]
    if not isinstance(sources, dict):
        return [(str(sources), "")]
    name = next((sources[k] for k in ("source", "file", "path") if k in sources), None)
    if name is not None:
        return [(str(name), str(sources.get("sha256", "")))]
    out: list[tuple[str, str]] = []
    for key, value in sources.items():
        if isinstance(value, dict) and set(value) == {"sha256"}:
            out.append((str(key), str(value["sha256"])))
        else:
            out += [(str(key), value)] if isinstance(value, str) else _sources(value)
    return out


def filter_table(results: xr.DataTree) -> Table:
    """Every filter in its order with the number of variants that it removed: of reading, then of
    aligning.
    """
    attrs = data_attributes(results)
    rows = []
    trait = results.attrs.get("trait")
    for one in of_trait(read_json(attrs.get("sumstats"), []), trait):
        stage = f"reading {one.get('source', 'summary statistics')}"
        if "rows_read" in one:
            rows.append((stage, "rows in the file", as_count(one["rows_read"])))
        rows += [
            (stage, f"− {_words(name)}", as_count(count))
            for name, count in read_json(one.get("filters"), {}).items()
        ]
        if "rows_kept" in one:
            rows.append((stage, "= kept", as_count(one["rows_kept"])))
    overlap = read_json(attrs.get("overlap"), {})
    for counts in [*of_trait(overlap.get("traits", []), trait), overlap]:
        rows += [
            ("aligning with the reference", _words(name), as_count(n))
            for name, n in counts.items()
            if type(n) is int
        ]
    rows += [
        ("aligning with the reference", f"− {_words(name)}", as_count(count))
        for name, count in read_json(attrs.get("filters"), {}).items()
    ]
    return Table("Variants removed by each filter", ("step", "filter", "variants"), rows, (2,))


def _words(name: str) -> str:
    return str(name).replace("_", " ")


def settings_table(results: xr.DataTree) -> Table:
    """Model, prior, method, seed, command, weights, panel."""
    a, d = results.attrs, data_attributes(results)
    pairs = [
        ("model", facts.title_of(results)),
        ("prior", a.get("prior")),
        ("method", METHODS.get(a.get("method", ""), a.get("method"))),
        ("seed", a.get("seed")),
        ("command", a.get("command")),
        ("created", a.get("created")),
        ("time", f"{as_number(float(a['seconds']))} s" if "seconds" in a else None),
        ("chromosomes", _plain(d["chromosomes"]) if "chromosomes" in d else None),
        ("weights", _plain(d["weights"]) if "weights" in d else None),
        ("seed of the weights", d.get("seed")),
        ("reference variants", as_count(d["n_reference"]) if "n_reference" in d else None),
        *(own(results) if (own := offers(results, "settings")) is not None else ()),
    ]
    return Table(
        "Settings",
        ("setting", "value"),
        [(name, str(value)) for name, value in pairs if value not in (None, "")],
    )


def version_table(results: xr.DataTree) -> Table:
    """Programs that made the fit, and their versions."""
    versions = read_json(results.attrs.get("versions"), {})
    return Table(
        "Versions", ("program", "version"), [(str(k), str(v)) for k, v in versions.items()]
    )
