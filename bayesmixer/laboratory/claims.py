"""What a study of reported quantities comes to: how often intervals hold the truth, by cell and
over all cells whose truth lies between the ends, and how often statements about the ends are
claimed where they are false and where they are true, with Wilson's bounds. Cells in which what the
fitted model assumes is not so are shown and never pooled.

Source: Wilson 1927, Journal of the American Statistical Association 22:209.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from bayesmixer.laboratory.cells import ReportedCell
from bayesmixer.laboratory.replicates import REALISED
from bayesmixer.laboratory.table import holds

CLAIMED = 0.95  # probability from which a statement is claimed
OFTEN = 0.1  # share of claims in a cell where the claim is false, from which it is said
TRUE = "true_"
POOLED = "between the ends"


def wilson(count: int, of: int, z: float = 1.959964) -> tuple[float, float]:
    """95% bounds of a share, `count` of `of`; (nan, nan) of none."""
    if of == 0:
        return math.nan, math.nan
    share, shrink = count / of, 1 + z * z / of
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / shrink
    middle = (share + z * z / (2 * of)) / shrink
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _as_assumed(replicates: pd.DataFrame, kind: type[ReportedCell]) -> pd.Series:
    """Whether all that the model assumes was so in each row's cell."""
    return (replicates[list(kind.assumed)] == pd.Series(kind.assumed)).all(axis=1)


def held_table(replicates: pd.DataFrame, kind: type[ReportedCell]) -> pd.DataFrame:
    """How often 90% intervals hold the truth, components of a quantity together.

    Parameters
    ----------
    replicates
        Rows of a study, as the laboratory's Parquet file holds them.
    kind
        Of its cells.

    Returns
    -------
    pandas.DataFrame
        One row a cell and quantity, and a quantity over the cells in which every statement is true
        (`cell` = "between the ends"): keys of the headings, `replicates`, `of` intervals, `held`,
        `share`, `low`, `high` of the central ones, and `hdi_` of the shortest; the shares
        `at_most` and `at_least` of the one-sided ones, which are open below and above.
    """
    statements = [c for c in replicates if str(c).startswith(TRUE)]
    between = replicates[statements].astype(bool).all(axis=1) & _as_assumed(replicates, kind)
    rows = []
    parts = [(str(cell), g) for cell, g in replicates.groupby("cell", sort=False)]
    for cell, part in [*parts, (POOLED, replicates[between])]:
        keys = {k: math.nan if cell == POOLED else float(part[k].iloc[0]) for k in kind.headings}
        quantity = part["parameter"].str.replace(r"\[.*\]", "", regex=True)
        for name, g in part.groupby(quantity, sort=False):
            fits = len(g[["cell", "replicate"]].drop_duplicates())
            row: dict[str, Any] = {
                "cell": cell,
                **keys,
                "quantity": name,
                "replicates": fits,
                "of": len(g),
            }
            for prefix in ("", "hdi_"):
                count = int(holds(g, prefix, 90).sum())
                low, high = wilson(count, len(g))
                found = {"held": count, "share": count / len(g), "low": low, "high": high}
                row |= {f"{prefix}{k}": v for k, v in found.items()}
            for side, end in (("at_most", {"low80": -np.inf}), ("at_least", {"high80": np.inf})):
                row[side] = float(holds(g.assign(**end), "", 80).mean())
            rows.append(row)
    return pd.DataFrame(rows)


def claims_table(replicates: pd.DataFrame, kind: type[ReportedCell]) -> pd.DataFrame:
    """How often each statement is claimed, and how often its score test rejects its end at 5%.

    Returns
    -------
    pandas.DataFrame
        One row a cell and statement, and a statement over all cells in which it is false, or true
        (`cell` = "all"): `true`, `replicates`, `claimed`, `share`, `low`, `high`, `rejected`,
        `log10_bf` (median).
    """
    fits = replicates.drop_duplicates(["cell", "replicate"])
    pooled = _as_assumed(fits, kind)
    rows = []
    for statement in [str(c).removeprefix(TRUE) for c in fits if str(c).startswith(TRUE)]:
        groups = [(str(cell), g) for cell, g in fits.groupby("cell", sort=False)]
        truth = fits[TRUE + statement].astype(bool)
        for cell, g in [*groups, ("all", fits[~truth & pooled]), ("all", fits[truth & pooled])]:
            g = g[g[f"p_{statement}"].notna()]
            if g.empty:
                continue
            count = int((g[f"p_{statement}"] >= CLAIMED).sum())
            low, high = wilson(count, len(g))
            rows.append(
                {
                    "cell": cell,
                    **{
                        k: math.nan if cell == "all" else float(g[k].iloc[0]) for k in kind.headings
                    },
                    "statement": statement,
                    "true": bool(g[TRUE + statement].iloc[0]),
                    "replicates": len(g),
                    "claimed": count,
                    "share": count / len(g),
                    "low": low,
                    "high": high,
                    "rejected": float((g[f"score_p_{statement}"] < 0.05).mean()),
                    "log10_bf": float(g[f"log10_bf_{statement}"].median()),
                }
            )
    return pd.DataFrame(rows)


def markdown(held: pd.DataFrame, claims: pd.DataFrame, kind: type[ReportedCell]) -> str:
    """Central and shortest intervals of each quantity by cell, in per cent with Wilson's bounds,
    those of the aimed truth apart from those of what was realised; one-sided intervals, those open
    below before those open above; and claims, with a warning of each that is false and made in over
    a tenth of a cell's replicates.
    """
    out = []
    realised = held["quantity"].str.contains(REALISED)
    for title, part in (
        ("Central 90% intervals", held[~realised]),
        ("Shortest 90% intervals", held[~realised]),
        ("One-sided 90% intervals: at most, at least", held[~realised]),
        ("Central 90% intervals of what was realised", held[realised]),
    ):
        told = _one_sided if title.startswith("One") else _share
        prefix = "hdi_" if title.startswith("Shortest") else ""
        names = list(dict.fromkeys(part["quantity"]))
        lines = []
        for cell, g in part.groupby("cell", sort=False):
            one = g.set_index("quantity")
            shown = [told(one.loc[n], prefix) if n in one.index else "–" for n in names]
            lines.append([*_keys(g.iloc[0], str(cell), kind), str(g["replicates"].max()), *shown])
        head = [*kind.headings.values(), "replicates", *(n.replace(REALISED, "") for n in names)]
        out.append(f"{title}\n\n{_table(head, lines)}")
    lines = [
        [
            *_keys(row, str(row["cell"]), kind),
            row["statement"],
            "true" if row["true"] else "false",
            str(row["replicates"]),
            _share(row, ""),
            f"{100 * row['rejected']:.0f}",
            f"{row['log10_bf']:.1f}",
        ]
        for _, row in claims.iterrows()
    ]
    head = [*kind.headings.values(), "statement", "is", "replicates", "claimed", "score test",
            "median log10 BF"]  # fmt: skip
    out.append(f"Claims\n\n{_table(head, lines)}")
    often = claims[~claims["true"] & (claims["share"] > OFTEN) & (claims["cell"] != "all")]
    out += [
        f"Claimed too often where it is false: {row['statement']} in {_share(row, '')}% of "
        f"{row['replicates']} replicates of {row['cell']}.\n"
        for _, row in often.iterrows()
    ]
    return "\n".join(out)


def _keys(row: Any, cell: str, kind: type[ReportedCell]) -> list[str]:
    """The headings' entries of a row; of one over cells, which."""
    shown = [f"{row[key]:g}" if np.isfinite(row[key]) else "" for key in kind.headings]
    return shown if shown[0] else [cell, *shown[1:]]


def _share(row: Any, prefix: str) -> str:
    share, low, high = (100 * row[f"{prefix}{k}"] for k in ("share", "low", "high"))
    return f"{share:.0f} ({low:.0f}–{high:.0f})"


def _one_sided(row: Any, _: str) -> str:
    return f"{100 * row['at_most']:.0f}, {100 * row['at_least']:.0f}"


def _table(head: list[str], lines: list[list[str]]) -> str:
    rows = [head, ["--:"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"
