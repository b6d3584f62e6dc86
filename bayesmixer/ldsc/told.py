"""What a report tells of an LD score regression: its sentences, its tables, and the figures that
need no data.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayesmixer.style import as_interval, as_number
from bayesmixer.wings import Told

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLES = {
    "ldsc.h2": "LD score regression",
    "ldsc.rg": "cross-trait LD score regression",
    "ldsc.partitioned": "stratified LD score regression",
    "ldsc.cts": "LD score regression of cell types",
}
MOST_PAIRS = 40  # of a forest
MOST_CELL_TYPES = 20

Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]


def told(results: xr.DataTree) -> Told:
    """What `report`, `verdict` and `to_json` say of results of this wing."""
    estimate, attrs = results["estimate"].to_dataset(), results.attrs
    said = json.loads(attrs.get("said", "[]"))
    sentences = [f"{s['subject']}: {s['sentence']}." for s in said if s["level"] == "note"]
    cautions = [
        (f"{s['subject']}: {s['sentence']}.", s["remedy"]) for s in said if s["level"] == "caution"
    ]
    if "cell_type" in estimate.dims:
        sentences = [_of_cell_types(estimate)]
    settings = {
        "summary statistics": _listed(attrs.get("sources", "")),
        "LD scores": attrs.get("ld_scores"),
        "variants that heritability is summed over": f"{attrs['m']:,.0f}" if "m" in attrs else None,
        "first of two steps below chi-squared": _number(attrs.get("two_step")),
        "left out from chi-squared": _number(attrs.get("chisq_max")),
        "as LDSC 1.0.1": "yes" if attrs.get("like_ldsc") else "no",
    }
    title = TITLES.get(str(attrs.get("model")), TITLES["ldsc.h2"])
    figures = list(_figures(results, estimate))
    kept = [(k, v) for k, v in settings.items() if v]
    return Told(title, sentences, cautions, list(_tables(estimate, attrs)), figures, kept)


def _listed(sources: str) -> str:
    try:
        return ", ".join(json.loads(sources))
    except ValueError:
        return sources


def _number(value: Any) -> str | None:
    return None if value is None or np.isnan(value) else as_number(float(value))


def _of_cell_types(estimate: xr.Dataset) -> str:
    count = estimate.sizes["cell_type"]
    kept = estimate["cell_type"].values[estimate["coef_p"].values < 0.05 / count]
    if not len(kept):
        return f"No cell type of {count} has a coefficient above 0 (p < 0.05 / {count})."
    names = ", ".join(map(str, kept[:MOST_CELL_TYPES]))
    return f"{len(kept)} of {count} cell types have one above 0 (p < 0.05 / {count}): {names}."


def _tables(estimate: xr.Dataset, attrs: Any) -> Iterator[Table]:
    if "trait" in estimate.dims:
        names = [str(name) for name in estimate["trait"].values]
        parts = [estimate.isel(trait=i, trait_bis=i) for i in range(len(names))]
    else:
        names, parts = [str(attrs.get("trait", ""))], [estimate]
    if "h2" in estimate:
        yield _table("Heritability", "trait", names, parts, (
            "h2", "interval:h2", "h2_p", "h2_liability", "intercept", "ratio", "interval:ratio",
            "mean_chi2",
            "lambda_gc", "n_variants",
        ))  # fmt: skip
    if "rg" in estimate:
        pairs = list(zip(*np.triu_indices(len(names), 1), strict=True))
        yield _table(
            "Genetic correlation", "pair", [f"{names[i]}, {names[j]}" for i, j in pairs],
            [estimate.isel(trait=i, trait_bis=j) for i, j in pairs],
            ("rg", "interval:rg", "rg_p", "gencov", "gencov_liability", "intercept_gencov",
             "n_common"),
        )  # fmt: skip
    for dim, columns in (
        ("annotation", ("share_of_variants", "proportion", "enrichment", "enrichment_p", "coef",
                        "tau_star")),
        ("cell_type", ("coef", "coef_p")),
    ):  # fmt: skip
        if dim in estimate.dims:
            labels = [str(name) for name in estimate[dim].values]
            rows = [estimate.isel({dim: i}) for i in range(len(labels))]
            caption = {"annotation": "Annotations", "cell_type": "Cell types"}[dim]
            yield _table(caption, dim.replace("_", " "), labels, rows, columns)


def _table(
    caption: str, of: str, labels: Sequence[str], parts: Sequence[xr.Dataset], names: Sequence[str]
) -> Table:
    """A row of text a part: numbers with standard errors in parentheses."""
    kept = [name for name in names if name.removeprefix("interval:") in parts[0]]

    def cell(one: xr.Dataset, name: str) -> str:
        if name.startswith("interval:"):
            stem = name.removeprefix("interval:")
            low, high = float(one[f"{stem}_lower"]), float(one[f"{stem}_upper"])
            return "unbounded" if np.isinf(low) else as_interval(low, high)
        shown = as_number(float(one[name]))
        error = float(one.get(f"{name}_se", np.nan))
        return f"{shown} ({as_number(error)})" if np.isfinite(error) else shown

    columns = [
        f"90% {'set' if name == 'interval:rg' else 'interval'}" if ":" in name
        else name.replace("_", " ")
        for name in kept
    ]  # fmt: skip
    rows = [
        (label, *(cell(one, name) for name in kept))
        for label, one in zip(labels, parts, strict=True)
    ]
    return f"{caption} (standard errors in parentheses)", (of, *columns), rows


def _figures(results: xr.DataTree, estimate: xr.Dataset) -> Iterator[Any]:
    from bayesmixer.ldsc.figures import plot_enrichment, plot_rg, plot_rg_matrix

    def drawn(ax: Axes, alt: str) -> Any:
        return ax.figure, alt

    if "rg" in estimate:
        k = estimate.sizes["trait"]
        if k * (k - 1) // 2 <= MOST_PAIRS:
            yield (
                "rg",
                "Genetic correlations",
                "Estimates with the 90% sets of what fits (Fieller's), at any power; grey where z "
                "of the heritability of a trait is below 4.",
                lambda: drawn(plot_rg(results), "Forest plot of genetic correlations."),
            )
        if k > 2:
            yield (
                "rg_matrix",
                "Genetic correlations of all traits",
                "Traits in the order of a tree by 1 - rg. Bold: the 90% set excludes 0. Empty: z "
                "of the heritability of a trait is below 4.",
                lambda: drawn(plot_rg_matrix(results), "Heat map of genetic correlations."),
            )
    elif "enrichment" in estimate:
        yield (
            "enrichment",
            "Enrichment of annotations",
            "Share of heritability over share of variants, with 90% intervals; at the right p of "
            "the same heritability a variant inside as outside, dark where below 0.05 over their "
            "number.",
            lambda: drawn(plot_enrichment(results), "Forest plot of enrichments."),
        )
    elif "h2" in estimate:
        yield ("Chi-squared against LD score needs the data: bayesmixer.ldsc.plot_regression.")
