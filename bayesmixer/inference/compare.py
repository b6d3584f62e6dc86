"""Comparison of fits of the same data: their LOO, ranked, with ties told and stacking weights,
beside the papers' AIC and BIC.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from scipy.optimize import minimize

from bayesmixer.arguments import whole_number
from bayesmixer.bound import Bound
from bayesmixer.card import unit_in_words
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.fingerprint import differences, fingerprint_of, same_weights
from bayesmixer.identity import check_fit
from bayesmixer.inference.density import Array
from bayesmixer.inference.limits import LEAST
from bayesmixer.inference.loo import RELIABLE, Taken, error_of_sum, taken
from bayesmixer.models.rebuild import obstacle, rebuild
from bayesmixer.wings import card_of, unit_of

# log units below which a difference means little, however small its standard error (Sivula et al.
# 2020, arXiv:2008.10296)
TIE = 4.0
FROM_FIT = ("aic", "bic", "n_parameters", "model", "prior", "method")


def compare(
    fits: Mapping[str, xr.DataTree],
    data: xr.Dataset | Mapping[str, xr.Dataset] | None = None,
    *,
    models: Mapping[str, pm.Model] | None = None,
    reloo: bool = True,
    draws: int = 500,
    seed: int = 0,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Compare fits of the same data: other models, other priors, options, weights.

    Parameters
    ----------
    fits
        What `fit` returned (method "laplace", "nuts", "binned" or "smc"), or what `loo` made of it,
        by name.
    data
        The data that were fitted, or {name: data} where fits differ in weights: models are made
        again of them (`rebuild`), to refit without units whose k-hat exceeds 0.7, and to judge fits
        of other weights by those of the first.
    models
        Models that cannot be made again (with priors of one's own), by the same names.
    reloo
        Whether to make those refits.
    draws
        Posterior draws of a refit.
    seed
        Seed of the refits.
    progress
        Progress bar; None shows it on a terminal.

    Returns
    -------
    pandas.DataFrame
        One row a fit, best first: `elpd_loo`, `se`, `p_loo`, `elpd_diff` (to the best, <= 0),
        `dse`, `weight` (stacking), `worst_k`, `k_high` (units with k-hat > 0.7), `refitted` (of
        them), `aic`, `bic`, `n_parameters`, `model`, `prior`, `method`, `verdict` (in words). Two
        fits tie where |elpd_diff| < 2 dse or < 4; `attrs["choice"]` names the simplest that ties
        with the best.

    Raises
    ------
    InputError
        A fit has no posterior, or fits are of different data (which units differ is said), of
        observations that an option changed, or of other weights and their data are not given.

    Warns
    -----
    DataWarning
        k-hat > 0.7 in units that were not refitted, sameness of the data cannot be checked, or
        weights were made the same.

    References
    ----------
    Vehtari, Gelman & Gabry 2017, Statistics and Computing 27:1413 (PSIS-LOO). Yao et al. 2018,
    Bayesian Analysis 13:917 (stacking). Sivula et al. 2020, arXiv:2008.10296 (small differences).
    Frei et al. 2019, Nature Communications 10:2417 (AIC, BIC).
    """
    models = dict(models or {})
    if not fits:
        raise InputError("fits", "an empty dict, expected {name: fit}")
    whole_number("draws", draws, LEAST["draws"])
    of_each: dict[str, xr.Dataset] = (
        dict.fromkeys(fits, data) if isinstance(data, xr.Dataset) else dict(data or {})
    )
    for where, given in (("models", models), ("data", of_each)):
        if unknown := sorted(set(map(str, given)) - set(fits)):
            raise InputError(where, f"names {unknown}, expected some of {sorted(fits)}")
    entries = {
        name: one if _is_loo(one) else _taken(name, one, of_each.get(name), models.get(name))
        for name, one in fits.items()
    }
    _check_same(entries)
    other = _of_other_weights(entries)
    return _ranked(
        {
            name: one.score(other.get(name), reloo=reloo, draws=draws, seed=seed, progress=progress)
            if isinstance(one, Taken)
            else one
            for name, one in entries.items()
        }
    )


def _is_loo(one: Any) -> bool:
    return isinstance(one, xr.DataTree) and one.attrs.get("kind") == "loo"


def _taken(name: str, results: Any, data: xr.Dataset | None, model: pm.Model | None) -> Taken:
    where = f"fits[{name!r}]"
    if model is None and data is not None and not obstacle(check_fit(results, where)):
        model = rebuild(results, data)
    return taken(results, where, model, f"models[{name!r}]")


def _check_same(entries: Mapping[str, Taken | xr.DataTree]) -> None:
    """Refuse fits of different data."""
    prints = {name: _print(one) for name, one in entries.items()}
    (first, one), *others = entries.items()
    unknown = [name for name, found in prints.items() if found is None]
    if unknown and others:
        sentence = (
            f"{', '.join(map(repr, unknown))}: no fingerprint of the data, so that it cannot be "
            "checked whether all fits saw the same."
        )
        warnings.warn(sentence, DataWarning, stacklevel=3)
    for name, another in others:
        where, a, b = f"fits {first!r} and {name!r}", prints[first], prints[name]
        if a is not None and b is not None and (found := differences(a, b, model=False)):
            raise InputError(where, f"of different data: {found}", "Fit both to the same variants.")
        sizes = [len(x.labels if isinstance(x, Taken) else x["elpd"]) for x in (one, another)]
        if sizes[0] != sizes[1]:
            units = f"{unit_in_words(unit_of(_tree(one)))}s"
            raise InputError(
                where, f"{sizes[0]} and {sizes[1]} {units}", "Fit both to the same variants."
            )
        cut, other = _observed(one), _observed(another)
        for option in sorted({*cut, *other}):
            if cut.get(option) != other.get(option):
                raise InputError(
                    where,
                    f"{option} {cut.get(option)} and {other.get(option)}: densities of different "
                    "observations",
                    f"Fit both with the same {option}.",
                )


def _tree(one: Taken | xr.DataTree) -> xr.DataTree:
    return one.results if isinstance(one, Taken) else one


def _print(one: Taken | xr.DataTree) -> xr.Dataset | None:
    return one.print if isinstance(one, Taken) else fingerprint_of(one)


def _observed(one: Taken | xr.DataTree) -> dict[str, Any]:
    """The options that change what is observed."""
    tree, card = _tree(one), card_of(_tree(one))
    options = json.loads(tree.attrs.get("options", "{}"))
    return {name: options.get(name) for name in (() if card is None else card.observed_by)}


def _of_other_weights(entries: Mapping[str, Taken | xr.DataTree]) -> dict[str, Bound]:
    """Which fits have other weights than the first, and whose weights they are judged by: its
    likelihood of each unit under them, at the fit's own draws.
    """
    (first, one), *others = entries.items()
    mine = _print(one)
    changed = {
        name: another
        for name, another in others
        if mine is not None
        and (theirs := _print(another)) is not None
        and not same_weights(mine, theirs)
    }
    if not changed:
        return {}
    names = ", ".join(map(repr, changed))
    judge = one.bound if isinstance(one, Taken) else None
    if judge is None or not all(isinstance(x, Taken) and x.bound for x in changed.values()):
        raise InputError(
            f"fits {first!r} and {names}",
            "the same variants with other weights, so that their likelihoods are of different size",
            "Give the fits themselves, and data={name: the data of each}.",
        )
    sentence = (
        f"{names}: other weights than {first!r}; all are judged by the weights of "
        f"{first!r}, and their AIC and BIC are left out."
    )
    warnings.warn(sentence, DataWarning, stacklevel=3)
    return dict.fromkeys(changed, judge)


def stacking(elpd: Array) -> Array:
    """Weights (M,) on the simplex that maximise sum_b log sum_m w_m exp(elpd_bm) (Yao et al. 2018,
    eq. 4), for elpd (L, M).

    Rows are taken relative to their largest entry: a block's elpd is hundreds of log units, whose
    exponential would underflow.
    """
    m = elpd.shape[1]
    if m == 1:
        return np.ones(1)
    p = np.exp(elpd - elpd.max(axis=1, keepdims=True))

    def score(w: Array) -> tuple[float, Array]:
        mean = np.maximum(p @ w, 1e-300)
        return -float(np.log(mean).sum()), -(p / mean[:, None]).sum(axis=0)

    simplex = {"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(m)}
    found = minimize(
        score,
        np.full(m, 1 / m),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * m,
        constraints=[simplex],
        options={"ftol": 1e-9},
    )
    w = np.clip(found.x, 0, None)
    return np.asarray(w / w.sum())


def _ranked(scored: Mapping[str, xr.DataTree]) -> pd.DataFrame:
    """The table, best first."""
    order = sorted(scored, key=lambda name: -scored[name].attrs["elpd_loo"])
    found = [scored[name].to_dataset() for name in order]
    best = found[0]
    weights = stacking(np.stack([one["elpd"].values for one in found], axis=1))
    rows = []
    for one, weight in zip(found, weights, strict=True):
        # units without weighted variants are no observations
        used = one["counted"].values | best["counted"].values
        away = (one["elpd"].values - best["elpd"].values)[used]
        k = one["pareto_k"].values
        rows.append(
            {
                "elpd_loo": one.attrs["elpd_loo"],
                "se": error_of_sum(one["elpd"].values[used]),
                "p_loo": one.attrs["p_loo"],
                "elpd_diff": away.sum(),
                "dse": error_of_sum(away),
                "weight": weight,
                "worst_k": float(k.max()),
                "k_high": int((k > RELIABLE).sum()),
                "refitted": int(one["refitted"].sum()),
                **{key: one.attrs[key] for key in FROM_FIT},
            }
        )
    table = pd.DataFrame(rows, index=pd.Index(order, name="fit"))
    tied = (table["elpd_diff"].abs() < np.maximum(2 * table["dse"], TIE)).to_numpy(copy=True)
    tied[0] = True
    choice = str(
        table[tied].sort_values(["n_parameters", "elpd_loo"], ascending=[True, False]).index[0]
    )
    table["verdict"] = [_verdict(i, table, tied, choice) for i in range(len(table))]
    table.attrs = {
        "choice": choice,
        f"{unit_of(scored[order[0]])}s": int(best["counted"].sum()),
        "tie": f"|elpd_diff| < 2 dse or < {TIE:g}",
    }
    return table


def _verdict(i: int, table: pd.DataFrame, tied: np.ndarray, choice: str) -> str:
    """One row's verdict in words."""
    name, row = str(table.index[i]), table.iloc[i]
    if not tied[i]:
        return f"predicts worse, by {-row['elpd_diff']:.1f} ± {row['dse']:.1f}"
    if tied.sum() == 1:
        return "predicts best" if len(table) > 1 else "alone"
    if name == choice:
        return (
            "best, and the simplest of those that tie"
            if i == 0
            else "ties with the best and is the simplest: take it"
        )
    return f"best, but {choice} is simpler and ties" if i == 0 else "ties with the best"
