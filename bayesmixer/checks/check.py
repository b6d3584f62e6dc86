"""`check`: is a fit compatible with its data? Tests of predictive residuals by stratum, joined by
Holm's rule, and a sentence for each that fails.

The chance of any false alarm over all checks is at most `level`; the tests themselves are in
`families`, the transform in `moments`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from bayesmixer.arguments import fraction
from bayesmixer.card import View
from bayesmixer.checks.families import FEWEST_BLOCKS, Context, Row, rows
from bayesmixer.checks.moment_tests import levels
from bayesmixer.checks.moments import BINS, Floats, Point, moments
from bayesmixer.checks.prior_sensitivity import prior_sensitivity, unconstrained
from bayesmixer.checks.strata import strata
from bayesmixer.errors import InputError
from bayesmixer.identity import check_results, data_of_fit, trait_names
from bayesmixer.inference.fitted import check_density
from bayesmixer.models.rebuild import check_model, remade
from bayesmixer.wings import card_of

if TYPE_CHECKING:
    import pymc as pm


@dataclass(frozen=True)
class Check:
    """What `check` found.

    Attributes
    ----------
    table
        One row a check: `statistic`, `df` (numerator of F; 1 for a z-score), `p`, `p_adjusted`
        (Holm), `flagged`, `in_words`.
    dataset
        PIT by stratum (dims stratum, bin): `share` of the weight, `low`, `high` (95% of what chance
        allows around the uniform), `z_level` (stratum: residual of the mean PIT in standard
        errors), `weight`, and `all_share`, `all_low`, `all_high` (bin); `pit` (variant) of the
        evaluated variants. A fit of two traits has all of them along `view`: each trait, their sum
        and their difference; NaN where a view sees no variant.
    prior
        Table of ArviZ's power-scaling sensitivity, or None where it cannot be had (the row `prior`
        says why).
    """

    table: pd.DataFrame
    dataset: xr.Dataset
    prior: pd.DataFrame | None = field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """True where no check of fit is flagged; the row `prior` (a property of the data's
        information, not of fit) does not count.
        """
        return not bool(self.table["flagged"].drop(index="prior", errors="ignore").any())

    @property
    def sentences(self) -> list[str]:
        """The sentences of the flagged checks."""
        return [str(s) for s in self.table.loc[self.table["flagged"], "in_words"]]

    def __str__(self) -> str:
        shown = self.table.assign(flagged=np.where(self.table["flagged"], "FLAGGED", "")).drop(
            columns="in_words"
        )
        text = shown.to_string(float_format=lambda x: f"{x:.3g}", na_rep="")
        return "\n".join([text, "", *(self.sentences or ["Nothing speaks against the fit."])])

    def _repr_html_(self) -> str:
        return str(self.table.to_html(float_format=lambda x: f"{x:.3g}", na_rep=""))


def check(
    results: xr.DataTree,
    data: xr.Dataset,
    *,
    model: pm.Model | None = None,
    trait: str | int | None = None,
    draws: int = 16,
    level: float = 0.05,
    inflation: tuple[float, float] | None = None,
    progress: bool | None = None,
) -> Check:
    """Check a fit against its data; one of two traits in each trait, their sum and their
    difference.

    Parameters
    ----------
    results
        What `fit` returned; by method "map" the mode alone is checked.
    data
        The GwasData it was made with.
    model
        The model; needed for those that cannot be made again of the fit and its data, as models of
        other makers.
    trait
        Name or position of the trait, of a model of one's own of several; None takes the fitted
        one. A fit of two traits is checked in both.
    draws
        Posterior draws that the PIT of the dataset is averaged over; the tests stand at the mode.
    level
        Chance of any false alarm, over all checks.
    inflation
        Values of the inflation that sampling and weak LD explain; a fit that excludes this range is
        flagged. None takes the model's own (0.95 to 1.1 for the MiXeR models).
    progress
        Progress bar; None shows it on a terminal.

    Returns
    -------
    Check
        `table` (a row a check, with a sentence), `ok`, `sentences`, `dataset` (PIT by stratum with
        bands, dims stratum and bin, of two traits also view), `prior`.

    Raises
    ------
    InputError
        `results` is no fit, `data` are not those that were fitted, `trait` is unknown, there are
        fewer than 20 LD blocks, or nothing is known of what the model predicts.

    References
    ----------
    Dawid 1984 (JRSS A 147:278), predictive PIT. Newey 1985 (Econometrica 53:1047), conditional
    moment tests. Neyman 1937, smooth tests. Holm 1979 (Scand J Stat 6:65). Kallioinen et al. 2024
    (Stat Comput 34:57), prior sensitivity.
    """
    if draws < 1:
        raise InputError("draws", f"{draws}, expected at least 1")
    fraction("level", level, "a probability")
    if inflation is not None and not 0 < inflation[0] <= inflation[1]:
        raise InputError("inflation", f"{inflation}, expected two rising positive numbers")
    results = check_results(results)
    card = card_of(results)
    if trait is not None and card is not None and card.traits > 1:
        found = f"{trait!r}, but the traits of this fit are checked together"
        raise InputError("trait", found, "Leave it out.")
    data = data_of_fit(results, data, trait=trait)
    return of_data(results, data, model, draws, level, inflation, progress)


def of_data(
    results: xr.DataTree,
    data: xr.Dataset,
    model: pm.Model | None = None,
    draws: int = 16,
    level: float = 0.05,
    inflation: tuple[float, float] | None = None,
    progress: bool | None = None,
) -> Check:
    """`check` of data that are known to be the fit's."""
    if model is not None:
        check_model(results, model)
    made = remade(results, data) if model is None else model
    names = trait_names(data)
    point = Point(made, names[0] if names else 0)
    if model is not None:
        check_density(results, point.density)
    if (blocks := int(point.block.max()) + 1) < FEWEST_BLOCKS:
        raise InputError(
            "data",
            f"{blocks} LD blocks, expected at least {FEWEST_BLOCKS}",
            "Use more of the genome.",
        )
    x = _mode(results, point)
    cells = strata(point.at(point.there(x)).data)
    contexts = [
        Context(results, data, m, cells, point, x, inflation, view, _trait(names, view))
        for view, m in zip(
            point.views,
            moments(point, x, _draws(results, draws), cells.cell, progress),
            strict=True,
        )
    ]
    table = list(rows(contexts))
    sensitivity, sentence = prior_sensitivity(results, made)
    table.append(
        Row(
            "prior",
            np.nan if sensitivity is None else float(sensitivity["prior"].max()),
            np.nan,
            np.nan,
            *sentence,
        )
    )
    return Check(_table(table, level), _dataset(contexts), sensitivity)


def _trait(names: list[str], view: View) -> str | None:
    """Name of the trait that a view is of; None where it is of several, or has no name."""
    return names[view.traits[0]] if names and len(view.traits) == 1 else None


def _mode(results: xr.DataTree, point: Point) -> Floats:
    """(P,) the mode, or the mean of the draws where the fit kept none.

    Raises
    ------
    InputError
        The fit has neither.
    """
    if "estimate" in results.children and "mode" in results["estimate"].data_vars:
        mode = results["estimate"]["mode"]
        if set(point.names) == set(map(str, mode["parameter"].to_numpy())):
            return np.asarray(mode.sel(parameter=point.names), float)
    free = unconstrained(results)
    if free is None or not set(point.density.variables) <= set(free.data_vars):
        raise InputError("results", "no mode, and no draws of the free parameters", "Fit again.")
    means = free.mean(("chain", "draw"))
    return point.density.flatten({name: means[name].values for name in point.density.variables})


def _draws(results: xr.DataTree, number: int) -> list[xr.Dataset]:
    """What the model reports at so many draws of the posterior, evenly spaced over all chains."""
    posterior = results["posterior"].to_dataset()
    chains, length = posterior.sizes["chain"], posterior.sizes["draw"]
    rows = np.arange(chains * length)
    if number < len(rows):
        rows = rows[np.linspace(0, len(rows) - 1, number).round().astype(int)]
    return [posterior.isel(chain=i // length, draw=i % length, drop=True) for i in rows]


def _table(rows: list[Row], level: float) -> pd.DataFrame:
    """Rows with Holm's adjusted p."""
    p = np.array([row.p for row in rows])
    tests = np.flatnonzero(np.isfinite(p))
    adjusted = np.full(len(rows), np.nan)
    order = tests[np.argsort(p[tests], kind="stable")]
    adjusted[order] = np.minimum(
        1.0, np.maximum.accumulate(p[order] * (len(order) - np.arange(len(order))))
    )
    flagged = [
        bool(row.fact) if not np.isfinite(a) else bool(a < level)
        for row, a in zip(rows, adjusted, strict=True)
    ]
    fine = [row.words if f else "" for row, f in zip(rows, flagged, strict=True)]
    return pd.DataFrame(
        {
            "statistic": [row.statistic for row in rows],
            "df": [row.df for row in rows],
            "p": p,
            "p_adjusted": adjusted,
            "flagged": flagged,
            "in_words": fine,
        },
        index=pd.Index([row.name for row in rows], name="check"),
    )


def _dataset(contexts: list[Context]) -> xr.Dataset:
    """PIT by stratum with bands, along `view` where there are several."""
    parts, strata = [_pit(c) for c in contexts], contexts[0].strata
    out = parts[0]
    if len(parts) > 1:
        out = xr.concat(parts, "view").assign_coords(view=[c.view.label for c in contexts])
    names, _ = strata.crossed([*strata.of_cell])
    return (
        out.assign({f"stratum_{q}": ("stratum", of) for q, of in strata.of_cell.items()})
        .assign_coords(stratum=names, bin=(np.arange(BINS) + 0.5) / BINS)
        .assign_attrs(kind="check", band=0.95, labels=json.dumps(strata.labels))
    )


def _pit(c: Context) -> xr.Dataset:
    """PIT of one view."""
    from scipy.special import stdtrit

    m = c.moments
    weight = m.weight.sum(axis=0)
    seen = np.where(weight > 0, weight, np.nan)
    quantile = float(stdtrit(len(m.weight) - 1, 0.975))
    adjusted = m.share + m.influence(m.d_share)

    def error(x: Floats) -> Floats:
        away = x - x.mean(axis=0)
        return np.asarray(np.sqrt(len(x) / (len(x) - 1) * np.square(away).sum(axis=0)))

    share, se = 1 / BINS + m.share.sum(axis=0) / seen[:, None], error(adjusted) / seen[:, None]
    together = 1 / BINS + m.share.sum(axis=(0, 1)) / weight.sum()
    se_together = error(adjusted.sum(axis=1)) / weight.sum()
    dims = ("stratum", "bin")
    return xr.Dataset(
        {
            "share": (dims, share),
            "low": (dims, 1 / BINS - quantile * se),
            "high": (dims, 1 / BINS + quantile * se),
            "z_level": ("stratum", levels(m, 1).summed(np.eye(len(weight))).z),
            "weight": ("stratum", weight),
            "all_share": ("bin", together),
            "all_low": ("bin", 1 / BINS - quantile * se_together),
            "all_high": ("bin", 1 / BINS + quantile * se_together),
            "pit": ("variant", m.pit),
        }
    )
