"""One self-contained HTML page of a coverage study: its table, and a figure of calibrated and raw
coverage by cell.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = {
    "parameter": "parameter",
    "replicates": "replicates",
    "mean_chi2": "mean chi2",
    "bias": "bias",
    "sampling_sd": "sampling sd",
    "rmse": "RMSE",
    "width_ratio": "90% width / (3.29 sampling sd)",
    "cover50": "50%",
    "cover80": "80%",
    "cover90": "90%",
    "cover95": "95%",
    "raw_cover90": "raw 90%",
    "raw_width_ratio": "raw width",
    "hdi_cover90": "shortest 90%",
    "hdi_width_ratio": "shortest width",
    "flagged": "flagged",
    "cpu_seconds": "CPU s a fit",
}

TEMPLATE = """\
<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Coverage study</title><style>
body{font:15px sans-serif;max-width:70em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}td,th{padding:.2em .6em;text-align:right}img{max-width:100%}
</style></head><body>
<h1>Coverage study</h1>
<p>Share of simulated GWAS whose intervals hold the true parameter, and their width relative to the
spread of the estimates over replicates. The band is 86 to 94%.</p>
{% for parameter, image in figures.items() -%}
<img alt="coverage of {{ parameter }}" src="data:image/png;base64,{{ image }}">
{% endfor -%}
<h2>Table</h2>{{ table }}<h2>Settings</h2><table>
{% for name, value in facts.items() %}<tr><th>{{ name }}</th><td>{{ value }}</td></tr>
{% endfor %}</table></body></html>
"""


def plot_coverage(table: pd.DataFrame, parameter: str, ax: Axes | None = None) -> Axes:
    """Coverage of the 90% intervals in every cell, calibrated and raw (or shortest), with Monte
    Carlo error.

    Parameters
    ----------
    table
        What `coverage` returned.
    parameter
        One of its parameters.
    ax
        Axes to draw in; a new figure where None.

    Returns
    -------
    matplotlib.axes.Axes
    """
    from bayesmixer.style import axes_or_new

    ax = axes_or_new(ax, 6.0, 3.2)
    rows = table[table["parameter"] == parameter]
    x = np.arange(len(rows))
    two = (
        ("", -0.08, "calibrated", "#0072B2"),
        ("raw_", 0.08, "raw", "#D55E00"),
        ("hdi_", 0.08, "shortest", "#D55E00"),
    )
    for prefix, offset, label, colour in (one for one in two if f"{one[0]}cover90" in rows):
        p = rows[f"{prefix}cover90"].to_numpy()
        ax.errorbar(
            x + offset,
            p,
            np.sqrt(p * (1 - p) / rows["replicates"].to_numpy()),
            fmt="o",
            color=colour,
            label=label,
        )
    ax.axhspan(0.86, 0.94, color="0.92", zorder=0)
    ax.axhline(0.9, color="0.5", lw=1)
    headings = table.attrs.get("headings", {})  # a table read from a file has none
    ticks = [
        "\n".join(f"{word} {row[key]:g}" for key, word in headings.items()) or row["cell"]
        for row in rows.to_dict("records")
    ]
    ax.set_xticks(x, ticks, fontsize=7)
    ax.set_ylabel("share of intervals that hold the truth")
    shown = [c for c in ("cover90", "raw_cover90", "hdi_cover90") if c in rows]
    ax.set_ylim(min(0.5, float(rows[shown].min().min()) - 0.05), 1.02)
    ax.set_title(parameter)
    ax.legend(loc="lower right")
    return ax


def page(replicates: pd.DataFrame, table: pd.DataFrame, settings: dict[str, Any]) -> str:
    """The page's HTML.

    Parameters
    ----------
    replicates, table
        Rows of the study, and `coverage_table` of them.
    settings
        What every replicate shared.
    """
    from jinja2 import Environment
    from markupsafe import Markup

    from bayesmixer.results import versions

    figures = {}
    for parameter in map(str, dict.fromkeys(table["parameter"])):
        memory = io.BytesIO()
        figure: Any = plot_coverage(table, parameter).figure
        figure.savefig(memory, format="png", dpi=130, bbox_inches="tight")
        figures[parameter] = base64.b64encode(memory.getvalue()).decode()
    columns = table.attrs["headings"] | COLUMNS
    shown = table[[c for c in columns if c in table]].rename(columns=columns)
    paths = {
        k: Path(str(settings[k])).name
        for k in ("genotypes", "ld_blocks", "reference")
        if k in settings
    }
    fits = replicates.drop_duplicates(["cell", "replicate"])
    hours = f"{fits['cpu_seconds'].sum() / 3600:.2f}"
    return (
        Environment(autoescape=True)
        .from_string(TEMPLATE)
        .render(
            figures=figures,
            table=Markup(shown.to_html(index=False, float_format=lambda v: f"{v:.3g}", border=0)),
            facts=settings | paths | dict(versions()) | {"fits": len(fits), "CPU hours": hours},
        )
    )
