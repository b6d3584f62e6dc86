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

from bayesmixer.card import withheld
from bayesmixer.identity import of_trait
from bayesmixer.mixer.prediction import data_attributes, read_json
from bayesmixer.reporting import facts
from bayesmixer.reporting.block_error import block_standard_errors
from bayesmixer.style import INTERVAL, TAILS, as_count, as_interval, as_number

MEANING = {
    "h2": (
        "SNP heritability, on the scale of the z-scores (observed scale for case-control studies)"
    ),
    "pi": "polygenicity: share of the reference variants that are causal",
    "sigma2_0": "variance of z where nothing is causal; 1 without inflation",
    "sigma2_beta": (
        "discoverability: variance of a causal variant's effect, per allele of a standardised trait"
    ),
    "n_causal": "number of causal variants of the panel",
    "n90": "number of variants that explain 90% of h2, strongest first",
    "maf_s": "exponent S: effect variance is proportional to heterozygosity to the power S",
    "share_large": "share of h2 due to the large effects",
}
MODELS = {
    "univariate_mixer": "univariate MiXeR",
    "infinitesimal": "infinitesimal",
    "two_component_mixer": "two-component MiXeR",
}
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


def quantities(results: xr.DataTree) -> dict[str, np.ndarray]:
    """Draws of every quantity of the posterior as flat arrays, components apart (`pi [small]`)."""
    out: dict[str, np.ndarray] = {}
    for name, values in results["posterior"].to_dataset().data_vars.items():
        if (
            values.dtype.kind not in "fiu"
            or not {"chain", "draw"} <= set(values.dims)
            or values.ndim > 3
        ):
            continue
        for label, draws in facts.by_component(values.transpose("chain", "draw", ...)):
            out[f"{name}{label}"] = draws.astype(float)
    return out


def headline(results: xr.DataTree) -> list[str]:
    """Sentences that say what was found: h2, polygenicity, n90, inflation, each with its 90%
    interval.
    """
    draws = quantities(results)
    sentences = []
    if (test := withheld(results)) is not None:
        sentences.append(test.sentence)
        draws = {name: x for name, x in draws.items() if name in test.kept}
    elif "h2" in draws:
        sentences.append(
            f"The variants of the reference explain {_percent(draws['h2'])} of the trait's "
            "variance (SNP heritability h2)."
        )
    pi = {name: x for name, x in draws.items() if name == "pi" or name.startswith("pi [")}
    for name, x in pi.items():
        if x.std() == 0 and len(x) > 1:
            continue
        which = name.removeprefix("pi").strip(" []")
        effect = f" with {which} effects" if which else ""
        count = draws.get("n_causal" + name.removeprefix("pi"))
        sentence = f"{_percent(x)} of the variants are causal{effect} (polygenicity pi)"
        sentences.append(
            sentence + (f": about {_middle(count)} variants." if count is not None else ".")
        )
    if test is None and (not pi or all(x.std() == 0 and len(x) > 1 for x in pi.values())):
        sentences.append(
            "The model is infinitesimal: every variant has an effect, and polygenicity is not "
            "estimated."
        )
    elif len(pi) > 1 and "n_causal" in draws:
        sentences.append(f"Together these are about {_middle(draws['n_causal'])} variants.")
    if "n90" in draws and any(x.std() > 0 or len(x) == 1 for x in pi.values()):
        sentences.append(f"{_middle(draws['n90'])} variants explain 90% of the heritability (n90).")
    if "maf_s" in draws:
        sentences.append(
            "Effect variance is proportional to heterozygosity to the power S = "
            f"{_middle(draws['maf_s'])}."
        )
    if "sigma2_0" in draws:
        sentences.append(
            f"The inflation sigma2_0 is {_middle(draws['sigma2_0'])} (1 without stratification "
            "or relatedness)."
        )
    return sentences


def _middle(x: np.ndarray) -> str:
    if len(x) == 1:
        return as_number(float(x[0]))
    low, high = np.quantile(x, TAILS)
    return f"{as_number(float(x.mean()))} ({as_interval(low, high)})"


def _percent(x: np.ndarray) -> str:
    if len(x) == 1:
        return f"{as_number(100 * float(x[0]))}%"
    low, high = 100 * np.quantile(x, TAILS)
    return f"{as_number(100 * float(x.mean()))}% ({as_interval(low, high)}%)"


def parameter_table(results: xr.DataTree) -> Table:
    """Mean, median, sd and equal-tailed interval of everything in the posterior, the mode, and the
    sd before calibration (or error over LD blocks).
    """
    import arviz as az

    draws = quantities(results)
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
        raw = quantities(
            xr.DataTree.from_dict({"/posterior": results["uncalibrated_posterior"].to_dataset()})
        )
        errors = {name: float(x.std(ddof=1)) for name, x in raw.items()}
    low, high = [c for c in summary.columns if c not in ("mean", "sd")]
    rows, hidden = [], withheld(results)
    for name, x in draws.items():
        s, one = summary.loc[name], len(x) == 1
        interval = "–" if one else as_interval(s[low], s[high])
        if hidden is not None and name not in hidden.kept:
            limit = hidden.limits.get(name)
            interval = "–" if limit is None else f"below {as_number(limit)} (95%)"
        rows.append(
            (
                name,
                as_number(s["mean"]),
                as_number(float(np.median(x))),
                "–" if one else as_number(s["sd"]),
                interval,
                as_number(mode[name]) if name in mode else "–",
                as_number(errors[name]) if name in errors else "–",
                MEANING.get(name.split(" [")[0], ""),
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
    return Table("Posterior", columns, rows, numeric=tuple(range(1, 7)))


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
    """Log-likelihood, AIC and BIC at the mode, beside the infinitesimal model where that was
    fitted; None without an estimate.
    """
    if "estimate" not in results.children or facts.estimate_number(results, "aic") is None:
        return None
    model = MODELS.get(results.attrs.get("model", ""), str(results.attrs.get("model", "")))

    def cell(name: str) -> str:
        value = facts.estimate_number(results, name)
        return "–" if value is None else f"{value:,.2f}"

    parameters = facts.estimate_number(results, "n_parameters")
    rows: list[tuple[str, ...]] = [
        (
            model,
            "–" if parameters is None else f"{parameters:.0f}",
            cell("log_likelihood"),
            cell("aic"),
            cell("bic"),
        )
    ]
    aic_infinitesimal = facts.estimate_number(results, "aic_infinitesimal")
    if aic_infinitesimal is not None:
        null = facts.estimate_number(results, "n_parameters_infinitesimal") or 2
        rows.append(
            (
                "infinitesimal",
                f"{null:.0f}",
                cell("log_likelihood_infinitesimal"),
                cell("aic_infinitesimal"),
                cell("bic_infinitesimal"),
            )
        )
        by = [facts.estimate_number(results, f"{k}_infinitesimal") for k in ("aic", "bic")]
        own = [facts.estimate_number(results, k) for k in ("aic", "bic")]
        gain = [
            "–" if a is None or b is None else f"{a - b:,.2f}" for a, b in zip(by, own, strict=True)
        ]
        rows.append(("difference (positive favours the mixture)", "", "", *gain))
    return Table(
        "Fit at the mode (lower AIC and BIC are better)",
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
                columns[str(parameter)] = [as_number(float(x)) for x in values.to_numpy()[:, k]]
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
        verdict = "good" if k <= 0.5 else "usable" if k <= 0.7 else "not reliable"
        said.append(
            f"Pareto k-hat of the importance weights: {k:.2f} ({verdict}; below 0.7 is wanted)."
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
        said.append(f"LD blocks, the independent units: {as_count(blocks)}.")
    if effective is not None:
        said.append(f"Effective number of variants (sum of weights): {as_count(effective)}.")
    rule = data_attributes(results).get("weights") or (
        data.attrs.get("weights") if data is not None else None
    )
    if rule:
        said.append(f"Weights: {_plain(rule)}.")
    if data is not None:
        said.append(f"Weighted mean of z squared: {facts.mean_chi2(data):.3f}.")
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
    for name, digest in _sources(sources):
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
    h_total = np.atleast_1d(np.asarray(d.get("h_total", np.nan), dtype=float))
    asked, held = read_json(a.get("options"), {}).get("maf_s"), np.atleast_1d(d.get("maf_s", 0.0))
    s = asked if asked is not None else float(held[0]) if held.size == 1 else None
    pairs = [
        ("model", MODELS.get(a.get("model", ""), a.get("model"))),
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
        (
            "sum of their heterozygosities",
            as_count(h_total[0])
            if h_total.size == 1 and s in (None, 0.0) and np.isfinite(h_total[0])
            else None,
        ),
        (
            "S (effect variance by heterozygosity to the power S)",
            f"{s:g}" if isinstance(s, float) and s else s or None,
        ),
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
