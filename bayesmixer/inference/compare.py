"""Comparison of fits of the same data: PSIS-LOO over LD blocks, exact refits where it fails,
stacking weights, beside the papers' AIC and BIC.

elpd_loo = sum_b log p(z_b | z_-b), b an LD block, p its weighted composite likelihood. LD blocks
are (nearly) independent, so that leaving one out is a fair test of prediction although the variants
within it are not, and p_loo estimates tr(H^-1 J), which replaces the number of parameters where the
likelihood is composite (Vehtari, Gelman & Gabry 2017, Statistics and Computing 27:1413; Varin &
Vidoni 2005, Biometrika 92:519).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from arviz_stats.base import array_stats
from scipy.optimize import minimize
from scipy.special import logsumexp

from bayesmixer.card import Bound, unit_of
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.fingerprint import differences, fingerprint, has_fingerprint, same_weights
from bayesmixer.identity import check_fit
from bayesmixer.inference.density import Array, LogDensity, forget_ops
from bayesmixer.inference.leave_out import LeftOut, blocks_of
from bayesmixer.models.common import bound_of
from bayesmixer.models.rebuild import check_model
from bayesmixer.progress import bar

RELIABLE = 0.7  # k-hat up to which PSIS is trusted
# log units below which a difference means little, however small its standard error (Sivula et al.
# 2020, arXiv:2008.10296)
TIE = 4.0


def loo_by_block(results: xr.DataTree) -> xr.Dataset:
    """PSIS-LOO of each LD block of a fit.

    Parameters
    ----------
    results
        A fit with a posterior ("laplace", "nuts" or "smc").

    Returns
    -------
    xarray.Dataset
        Dim `ld_block`: `elpd` (log density of the block predicted without it), `lpd` (with it) and
        `pareto_k`; 0 and -inf for blocks without weighted variants.

    Raises
    ------
    InputError
        Not a fit, or one without a log-likelihood by LD block.
    """
    labels, own = _log_likelihood(results, "results")
    elpd, lpd, k = _psis_loo(own, own, _relative_efficiency(results))
    unit = unit_of(results)
    return xr.Dataset(
        {"elpd": (unit, elpd), "lpd": (unit, lpd), "pareto_k": (unit, k)},
        coords={unit: labels},
    )


def compare(
    fits: Mapping[str, xr.DataTree],
    *,
    models: Mapping[str, pm.Model] | None = None,
    reloo: bool = True,
    draws: int = 500,
    seed: int = 0,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Compare fits of the same data: infinitesimal, one or two Gaussians, other priors, S, weights.

    Parameters
    ----------
    fits
        What `fit` returned (method "laplace", "nuts" or "smc"), by name.
    models
        The models that were fitted, by the same names. Needed to refit without a block whose k-hat
        exceeds 0.7, and where weights differ.
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
        `dse`, `weight` (stacking), `worst_k`, `k_high` (LD blocks with k-hat > 0.7), `refitted` (of
        them), `aic`, `bic`, `n_parameters`, `model`, `prior`, `method`, `verdict` (in words). Two
        fits tie where |elpd_diff| < 2 dse or < 4; `attrs["choice"]` names the simplest that ties
        with the best.

    Raises
    ------
    InputError
        A fit has no posterior, or fits are of different data (which LD blocks differ is said), of
        censored and uncensored z, or of other weights without `models`.

    Warns
    -----
    DataWarning
        k-hat > 0.7 in LD blocks that were not refitted, sameness of the data cannot be checked, or
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
    if isinstance(draws, bool) or not isinstance(draws, (int, np.integer)) or draws < 50:
        raise InputError("draws", f"{draws!r}, expected a whole number of at least 50")
    if set(models) - set(fits):
        raise InputError(
            "models", f"names {sorted(set(models) - set(fits))}, expected some of {sorted(fits)}"
        )
    entries = {name: _entry(name, results, models.get(name)) for name, results in fits.items()}
    _check_same(entries)
    _common_weights(entries, models)
    todo: list[tuple[_Entry, int]] = []
    for entry in entries.values():
        entry.elpd, entry.lpd, entry.k = _psis_loo(entry.own, entry.target, entry.efficiency)
        high = np.flatnonzero(entry.k > RELIABLE)
        if reloo and entry.bound is not None:
            todo += [(entry, int(b)) for b in high]
        elif high.size:
            where = "; ".join(_block_name(entry, int(b)) for b in high[:5]) + (
                f"; and {high.size - 5} more" if high.size > 5 else ""
            )
            remedy = (
                "Pass models={...} to refit without them"
                if entry.bound is None
                else "Pass reloo=True to refit without them"
            )
            sentence = (
                f"fits[{entry.name!r}]: k-hat > 0.7, so that leaving out LD block {where} is not "
                f"reliable. {remedy}."
            )
            warnings.warn(sentence, DataWarning, stacklevel=2)
    with bar("refits without an LD block", len(todo), progress if todo else False) as b:
        for entry, block in todo:
            entry.elpd[block] = _refitted(entry, block, int(draws), seed)
            entry.refitted += 1
            forget_ops()
            b.advance()
    return _ranked(list(entries.values()))


@dataclass
class _Entry:
    """A fit on its way to a row of the table; (S, L) log-likelihoods by LD block: `own`, and
    `target` under the weights that all are judged by.
    """

    name: str
    results: xr.DataTree
    bound: Bound | None
    density: LogDensity | None
    print: xr.Dataset | None
    own: Array
    target: Array
    efficiency: float
    target_data: xr.Dataset | None = None
    reweighted: bool = False
    elpd: Array = None  # type: ignore[assignment]
    lpd: Array = None  # type: ignore[assignment]
    k: Array = None  # type: ignore[assignment]
    refitted: int = 0


def _entry(name: str, results: Any, model: pm.Model | None) -> _Entry:
    where = f"fits[{name!r}]"
    labels, own = _log_likelihood(results, where)
    bound = density = None
    if model is not None:
        density, bound = LogDensity(model), bound_of(model)
        if bound is None:
            raise InputError(
                f"models[{name!r}]",
                "not a model of bayesmixer.models, cannot be built again without a block",
                "Leave it out.",
            )
        check_model(results, model, f"models[{name!r}]")
    kept = (
        results["constant_data"].to_dataset()
        if "constant_data" in results.children
        else xr.Dataset()
    )
    of_model = kept if has_fingerprint(kept) else None if bound is None else fingerprint(bound.data)
    if (
        of_model is not None
    ):  # LD blocks without weighted variants may be missing from the log-likelihood
        full = np.zeros((len(own), of_model.sizes[unit_of(results)]))
        full[:, labels] = own
        own = full
    return _Entry(
        name,
        results,
        bound,
        density,
        of_model,
        own,
        own,
        _relative_efficiency(results),
        None if bound is None else bound.data,
    )


def _log_likelihood(results: Any, where: str) -> tuple[np.ndarray, Array]:
    """Labels of LD blocks (L,) and log-likelihood (S, L), summed over potentials."""
    check_fit(results, where)
    if "log_likelihood" not in results.children:
        method = results.attrs.get("method", "unknown")
        raise InputError(
            where,
            f"method '{method}' has no posterior to leave blocks out of",
            "Fit with method='laplace' or 'nuts'.",
        )
    group = results["log_likelihood"].to_dataset()
    dims = ("chain", "draw", unit_of(results))
    parts = [v.transpose(*dims) for v in group.data_vars.values() if set(v.dims) == set(dims)]
    if not parts:
        raise InputError(
            where,
            "no log-likelihood by LD block",
            "Compare models of bayesmixer.models, or use arviz.compare.",
        )
    total = np.sum([np.asarray(v.values, float) for v in parts], axis=0)
    return np.asarray(parts[0][dims[-1]].values, np.int64), total.reshape(-1, total.shape[-1])


def _relative_efficiency(results: xr.DataTree) -> float:
    """Effective draws a draw, as arviz.loo takes it: 1 for one chain."""
    if "posterior" not in results.children or results["posterior"].sizes["chain"] == 1:
        return 1.0
    import arviz as az

    ess = az.ess(results["posterior"].to_dataset(), method="mean")
    n = results["posterior"].sizes["chain"] * results["posterior"].sizes["draw"]
    return float(np.nanmean(np.hstack([np.ravel(v.values) for v in ess.data_vars.values()])) / n)


def _psis_loo(own: Array, target: Array, efficiency: float) -> tuple[Array, Array, Array]:
    """(elpd, lpd, k-hat) by block: draws weighted by 1 / own likelihood of the block (PSIS),
    predicting it by `target`.
    """
    draws, blocks = own.shape
    elpd, k = np.empty(blocks), np.full(blocks, -np.inf)
    for b in range(blocks):
        if np.ptp(own[:, b]) == 0:
            elpd[b] = logsumexp(target[:, b]) - np.log(draws)
            continue
        try:
            log_weight, k[b] = array_stats.psislw(own[:, b], r_eff=efficiency)
        except ValueError:  # the largest ratios are repeats of one draw
            log_weight, k[b] = -own[:, b] - logsumexp(-own[:, b]), np.inf
        k[b] = np.inf if np.isnan(k[b]) else k[b]
        elpd[b] = logsumexp(log_weight + target[:, b])
    return elpd, logsumexp(target, axis=0) - np.log(draws), k


def _check_same(entries: dict[str, _Entry]) -> None:
    """Refuse fits of different data."""
    first, *others = entries.values()
    unknown = [e.name for e in entries.values() if e.print is None]
    if unknown and others:
        sentence = (
            f"{', '.join(map(repr, unknown))}: no fingerprint of the data, so that it cannot be "
            "checked whether all fits saw the same."
        )
        warnings.warn(sentence, DataWarning, stacklevel=3)
    for e in others:
        where = f"fits {first.name!r} and {e.name!r}"
        if (
            first.print is not None
            and e.print is not None
            and (found := differences(first.print, e.print, model=False))
        ):
            raise InputError(where, f"of different data: {found}", "Fit both to the same variants.")
        if first.own.shape[1] != e.own.shape[1]:
            raise InputError(
                where,
                f"{first.own.shape[1]} and {e.own.shape[1]} LD blocks",
                "Fit both to the same variants.",
            )
        cut, other = (
            json.loads(x.results.attrs.get("options", "{}")).get("censor") for x in (first, e)
        )
        if cut != other:
            raise InputError(
                where,
                f"|z| censored at {cut} and at {other}: densities of different observations",
                "Fit both with the same censor.",
            )


def _common_weights(entries: dict[str, _Entry], models: Mapping[str, pm.Model]) -> None:
    """Where weights differ, judge every fit by the first one's: its likelihood of each block under
    the first weights, at its own draws.
    """
    first, *others = entries.values()
    changed = [
        e
        for e in others
        if first.print is not None
        and e.print is not None
        and not same_weights(first.print, e.print)
    ]
    if not changed:
        return
    names = ", ".join(repr(e.name) for e in changed)
    if first.bound is None or any(e.bound is None for e in changed):
        raise InputError(
            f"fits {first.name!r} and {names}",
            "the same variants with other weights, so that their likelihoods are of different size",
            "Pass models={...}.",
        )
    sentence = (
        f"{names}: other weights than {first.name!r}; all are judged by the weights of "
        f"{first.name!r}, and their AIC and BIC are left out."
    )
    warnings.warn(sentence, DataWarning, stacklevel=3)
    for e in changed:
        assert e.bound is not None and e.density is not None
        if not np.array_equal(first.bound.data["snp"].values, e.bound.data["snp"].values):
            raise InputError(
                f"models[{e.name!r}]",
                f"its variants lie in another order than those of {first.name!r}",
                "Align both alike.",
            )
        e.target_data = e.bound.data.assign(weight=first.bound.data["weight"].variable)
        target = LogDensity(e.bound.build(e.target_data))
        e.target = np.stack([blocks_of(target, x) for x in _draws_of(e)])
        e.reweighted = True


def _draws_of(entry: _Entry) -> Array:
    """The draws (S, P) at which the fit's log-likelihood was evaluated: a fit may hold others as
    well, moved by calibration.
    """
    assert entry.density is not None
    names = entry.density.variables
    for group in (child.to_dataset() for child in entry.results.children.values()):
        if not all(
            name in group.data_vars and group[name].dims[:2] == ("chain", "draw") for name in names
        ):
            continue
        draws = np.concatenate(
            [group[n].values.reshape(*group[n].shape[:2], -1) for n in names], axis=2
        )
        draws = draws.reshape(-1, draws.shape[2])
        if len(draws) == len(entry.own) and all(
            np.allclose(blocks_of(entry.density, draws[i]), entry.own[i], rtol=1e-6, atol=1e-8)
            for i in (0, -1)
        ):
            return np.asarray(draws, float)
    raise InputError(
        f"fits[{entry.name!r}]", "the draws of its log-likelihood are not in it", "Fit again."
    )


def _refitted(entry: _Entry, block: int, draws: int, seed: int) -> float:
    """log p(z_b | z_-b) of one LD block, from refits."""
    assert entry.bound is not None and entry.target_data is not None
    mode = np.asarray(entry.results["estimate"].to_dataset()["mode"].values, float)
    left_out = LeftOut(entry.bound, block, mode, draws, seed)
    return (
        left_out.elpd_of(entry.target_data)
        if entry.reweighted
        else left_out.elpd(entry.own[:, block])
    )


def _block_name(entry: _Entry, b: int) -> str:
    """An LD block in words: 12 (chr22 16.1-18.3 Mb)."""
    if entry.print is None:
        return str(b)
    row = {name: entry.print[name].values[b] for name in ("chrom", "pos_first", "pos_last")}
    return f"{b} (chr{row['chrom']} {row['pos_first'] / 1e6:.2f}-{row['pos_last'] / 1e6:.2f} Mb)"


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


def _ranked(entries: list[_Entry]) -> pd.DataFrame:
    """The table, best first."""
    entries = sorted(entries, key=lambda e: -e.elpd.sum())
    best = entries[0]
    weights = stacking(np.stack([e.elpd for e in entries], axis=1))
    rows = []
    for e, weight in zip(entries, weights, strict=True):
        used = e.target.any(axis=0) | best.target.any(
            axis=0
        )  # blocks without weighted variants are no observations
        away = (e.elpd - best.elpd)[used]
        attrs = e.results["estimate"].attrs if "estimate" in e.results.children else {}
        row = {
            "elpd_loo": e.elpd.sum(),
            "se": _error_of_sum(e.elpd[used]),
            "p_loo": (e.lpd - e.elpd).sum(),
            "elpd_diff": away.sum(),
            "dse": _error_of_sum(away),
            "weight": weight,
            "worst_k": float(e.k.max()),
            "k_high": int((e.k > RELIABLE).sum()),
            "refitted": e.refitted,
            "aic": np.nan if e.reweighted else attrs.get("aic", np.nan),
            "bic": np.nan if e.reweighted else attrs.get("bic", np.nan),
            "n_parameters": int(attrs.get("n_parameters", 0)),
        }
        rows.append(
            row | {key: e.results.attrs.get(key, "") for key in ("model", "prior", "method")}
        )
    table = pd.DataFrame(rows, index=pd.Index([e.name for e in entries], name="fit"))
    tied = (table["elpd_diff"].abs() < np.maximum(2 * table["dse"], TIE)).to_numpy(copy=True)
    tied[0] = True
    choice = str(
        table[tied].sort_values(["n_parameters", "elpd_loo"], ascending=[True, False]).index[0]
    )
    table["verdict"] = [_verdict(i, table, tied, choice) for i in range(len(table))]
    table.attrs = {
        "choice": choice,
        "ld_blocks": int(best.target.any(axis=0).sum()),
        "tie": f"|elpd_diff| < 2 dse or < {TIE:g}",
    }
    return table


def _error_of_sum(terms: Array) -> float:
    """Standard error of the sum of independent terms, from their spread."""
    return float(np.sqrt(terms.size * terms.var(ddof=1))) if terms.size > 1 else float("nan")


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
