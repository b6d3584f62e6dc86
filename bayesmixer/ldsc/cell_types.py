"""Cell-type analysis: whether heritability is higher where one annotation at a time is, beside a
baseline of others.

Source: Finucane et al. 2018, Nature Genetics 50:621.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmixer.errors import InputError
from bayesmixer.io.ld_score_files import LDScores, ldsc_files, prefixes
from bayesmixer.ldsc.laws import normal_below
from bayesmixer.ldsc.one_trait import OneTrait, chosen_m, one_trait
from bayesmixer.ldsc.panel import Panel, as_scores, read_panel, rows_in
from bayesmixer.ldsc.traits import read_trait
from bayesmixer.progress import bar

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class CellType:
    """Coefficient of one annotation beside the baseline."""

    name: str
    coefficient: float
    error: float

    @property
    def p(self) -> float:
        """One-sided, of no higher heritability."""
        return normal_below(-self.coefficient / self.error)


def read_list(given: Any) -> dict[str, Any]:
    """Names and prefixes of cell types, from an .ldcts file (a name and prefixes, with commas
    between them, a line) or a mapping of names to prefixes or LD scores.

    Raises
    ------
    InputError
        It cannot be read, or a line is another.
    """
    if isinstance(given, Mapping):
        return {str(k): v for k, v in given.items()}
    path = Path(given)
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})") from None
    out: dict[str, Any] = {}
    for i, line in enumerate(lines, 1):
        if not line.strip():
            continue
        parts = line.split()
        if len(parts) != 2 or parts[0] in out:
            raise InputError(
                f"{path}, line {i}",
                f"'{line.strip()[:60]}', expected a name not used before and prefixes of LD scores",
            )
        found = []
        for prefix in map(str, prefixes(parts[1])):
            beside = path.parent / prefix
            found.append(prefix if ldsc_files(prefix) else str(beside))
        out[parts[0]] = ",".join(found)
    if not out:
        raise InputError(path, "no cell types in it")
    return out


def joined(first: LDScores, base: LDScores) -> LDScores:
    """LD scores of a cell type before those of the baseline, on the baseline's variants.

    Raises
    ------
    InputError
        A variant of the baseline has none of the cell type.
    """
    values = first.values
    if not first.snp.equals(base.snp):
        at = rows_in(base.snp, first.snp)
        if (at < 0).any():
            raise InputError(
                first.source,
                f"lacks {int((at < 0).sum()):,} of the {len(base):,} variants of the baseline",
                "LD scores of cell types and baseline hold the same variants.",
            )
        values = values[at]
    return replace(
        base,
        names=first.names + base.names,
        values=np.concatenate([values, base.values], axis=1),
        totals={
            k: np.concatenate([first.totals[k], base.totals[k]])
            for k in base.totals
            if k in first.totals
        },
        source=f"{first.source}, {base.source}",
        sets=(*(1 + max(base.sets) for _ in first.names), *base.sets),
    )


def each(
    sumstats: Any,
    ref_ld: Any,
    w_ld: Any,
    cts: Any,
    *,
    m: Any = "M_5_50",
    all_columns: bool = False,
    progress: bool | None = None,
    **options: Any,
) -> tuple[list[CellType], OneTrait]:
    """Coefficients of every cell type in the order of the list, and the last regression."""
    types = read_list(cts)
    panel = read_panel(ref_ld, w_ld)
    trait, base = read_trait(sumstats), panel.scores
    of_base = chosen_m(base, m)
    out, one = [], None
    with bar("cell types", len(types), progress) as progress_bar:
        for name, prefix in types.items():
            first = as_scores(prefix, "cts")
            both = Panel(joined(first, base), panel.rows, panel.weight, panel.n_weights)
            # numbers that are given are the baseline's
            whole = m if isinstance(m, str) else np.append(first.count("M_5_50"), of_base)
            one = one_trait(trait, both, m=whole, **options)
            tau = one.fit.coefficient
            for i in range(len(tau.value) - base.values.shape[1] if all_columns else 1):
                label = name if i == 0 else f"{name}_{i}"
                out.append(CellType(label, float(tau.value[i]), float(tau.error[i])))
            progress_bar.advance()
    assert one is not None
    return out, one


def cts(
    sumstats: Any,
    ref_ld: Any,
    w_ld: Any,
    cts: Any,
    *,
    like_ldsc: bool = False,
    chisq_max: float | None = None,
    n_blocks: int = 200,
    m: Any = "M_5_50",
    intercept: float | None = None,
    all_columns: bool = False,
    invert_anyway: bool = False,
    progress: bool | None = None,
) -> xr.DataTree:
    """Cell-type analysis.

    Parameters
    ----------
    sumstats, ref_ld, w_ld, like_ldsc, chisq_max, n_blocks, m, intercept, invert_anyway
        As of `partitioned`; `ref_ld` holds the baseline.
    cts
        An .ldcts file, each line a name and prefixes of LD scores (the cell type's, then those that
        stand beside it, such as of controls), or a mapping of the same.
    all_columns
        Report every column of these, not the first alone.
    progress
        Progress bar; None shows it on a terminal.

    Returns
    -------
    xarray.DataTree
        `estimate`: `coef`, `coef_se`, one-sided `coef_p` by `cell_type`, least p first.

    Raises
    ------
    InputError
        A file or argument cannot be used.

    References
    ----------
    Finucane et al. 2018, Nature Genetics 50:621.
    """
    import xarray as xr

    from bayesmixer.ldsc.trees import MADE_BY
    from bayesmixer.results import assemble

    found, one = each(
        sumstats, ref_ld, w_ld, cts, like_ldsc=like_ldsc, chisq_max=chisq_max, n_blocks=n_blocks,
        m=m, intercept=intercept, all_columns=all_columns, invert_anyway=invert_anyway,
        progress=progress,
    )  # fmt: skip
    ordered = by_p(found)
    estimate = xr.Dataset(
        {
            "coef": ("cell_type", np.array([c.coefficient for c in ordered])),
            "coef_se": ("cell_type", np.array([c.error for c in ordered])),
            "coef_p": ("cell_type", np.array([c.p for c in ordered])),
            "n_variants": one.fit.n_variants,
        },
        coords={"cell_type": [c.name for c in ordered]},
    )
    attrs = MADE_BY | {
        "model": "ldsc.cts",
        "trait": one.trait.name,
        "sources": one.trait.source,
        "like_ldsc": int(like_ldsc),
    }
    return assemble({"estimate": estimate}, attrs)


def by_p(found: list[CellType]) -> list[CellType]:
    """Least p first."""
    return sorted(found, key=lambda one: one.p)


def rows(found: list[CellType]) -> list[dict[str, Any]]:
    """A row a cell type, least p first."""
    return [
        {"cell_type": c.name, "coef": c.coefficient, "coef_se": c.error, "coef_p": c.p}
        for c in by_p(found)
    ]


def table(found: list[CellType]) -> str:
    """LDSC's table of cell types."""
    lines = ["Name\tCoefficient\tCoefficient_std_error\tCoefficient_P_value"]
    lines += [f"{c.name}\t{c.coefficient!r}\t{c.error!r}\t{c.p!r}" for c in by_p(found)]
    return "\n".join(lines) + "\n"
