"""Coverage, bias and width of every parameter in every cell of a study, from its replicates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bayesmixer.laboratory.cells import Cell, keys
from bayesmixer.laboratory.replicates import LEVELS, REALISED

Z90 = 2 * 1.6448536269514722
EDGE = 1e-9  # by which an interval that begins at an end of a range may miss it
OTHERS = ("raw_", "boot_", "hdi_")  # what stands before the ends of other intervals


def holds(rows: pd.DataFrame, prefix: str, level: int) -> pd.Series:
    """Whether the interval of each row holds its truth."""
    truth = rows["truth"]
    low, high = rows[f"{prefix}low{level}"], rows[f"{prefix}high{level}"]
    return (low <= truth + EDGE) & (truth - EDGE <= high)


def coverage_table(replicates: pd.DataFrame, kind: type[Cell]) -> pd.DataFrame:
    """Table of a study.

    Parameters
    ----------
    replicates
        One row a replicate and parameter, as the laboratory's Parquet file holds them.
    kind
        Of its cells.

    Returns
    -------
    pandas.DataFrame
        One row a cell and parameter: replicates, converged (share), flagged (share of fits with a
        warning), bias (of the mode), sampling_sd (of the modes), rmse, width_ratio (median 90%
        width over that of a normal with the sampling sd), cover50 .. cover95 of the calibrated
        intervals, cover90_se (Monte Carlo), raw_cover90 and raw_width_ratio, boot_cover90 where the
        bootstrap ran, hdi_cover90 (shortest intervals of draws) in place of the raw ones where a
        model is judged by what it reports, cpu_seconds (median a fit). Its attribute `headings` is
        that of the cells.
    """
    rows = []
    for (cell, parameter), g in replicates.groupby(["cell", "parameter"], sort=False):
        truth, sd = g["truth"].to_numpy(), float(g["estimate"].std(ddof=1))
        if REALISED in str(parameter):
            sd = float((g["estimate"] - g["truth"]).std(ddof=1))
        row: dict[str, Any] = {
            "cell": cell,
            **{key: float(g[key].iloc[0]) for key in keys(kind)},
            "parameter": parameter,
            "replicates": len(g),
            "mean_chi2": float(g["mean_chi2"].mean()),
            "converged": float(g["converged"].mean()),
            "flagged": float((g["concerns"] != "").mean()),
            "bias": float((g["estimate"] - truth).mean()),
            "sampling_sd": sd,
            "rmse": float(np.sqrt(((g["estimate"] - truth) ** 2).mean())),
        }
        for prefix in ("", *(one for one in OTHERS if f"{one}low90" in g)):
            row[f"{prefix}width_ratio"] = float(
                (g[f"{prefix}high90"] - g[f"{prefix}low90"]).median() / (Z90 * sd)
            )
            for level in LEVELS:
                row[f"{prefix}cover{level}"] = float(holds(g, prefix, level).mean())
        row["cover90_se"] = float(np.sqrt(row["cover90"] * (1 - row["cover90"]) / len(g)))
        row["blocks_effective"] = (
            float(g["blocks_effective"].median()) if "blocks_effective" in g else np.nan
        )
        row["cpu_seconds"] = float(g["cpu_seconds"].median())
        rows.append(row)
    table = pd.DataFrame(rows)
    table.attrs["headings"] = dict(kind.headings)
    return table


def markdown(table: pd.DataFrame) -> str:
    """The table's chief columns as Markdown."""
    headings: dict[str, str] = table.attrs["headings"]
    head = [
        *headings.values(),
        "parameter",
        "replicates",
        "bias / sd",
        "width",
        "50%",
        "80%",
        "90%",
        "95%",
        "raw 90%",
        "raw width",
        "flagged",
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + " --: |" * len(head)]
    for row in table.to_dict("records"):
        cells = [
            *(f"{row[key]:g}" for key in headings),
            row["parameter"],
            row["replicates"],
            f"{row['bias'] / row['sampling_sd']:+.2f}",
            f"{row['width_ratio']:.2f}",
        ]
        cells += [f"{100 * row[f'cover{level}']:.0f}" for level in LEVELS]
        cells += [
            f"{100 * row['raw_cover90']:.0f}",
            f"{row['raw_width_ratio']:.2f}",
            f"{100 * row['flagged']:.0f}%",
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"
