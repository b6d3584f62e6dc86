"""PSIS-LOO of one fit over its independent units (LD blocks), with more draws, or refits, without
a unit where it fails.

elpd_loo = sum_b log p(z_b | z_-b), b a unit, p its weighted composite likelihood. LD blocks are
(nearly) independent, so that leaving one out is a fair test of prediction although the variants
within it are not, and p_loo estimates tr(H^-1 J), which replaces the number of parameters where the
likelihood is composite (Vehtari, Gelman & Gabry 2017, Statistics and Computing 27:1413; Varin &
Vidoni 2005, Biometrika 92:519).
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from arviz_stats.base import array_stats
from scipy.special import logsumexp

from bayesmixer.arguments import whole_number
from bayesmixer.bound import Bound
from bayesmixer.card import unit_in_words
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.facts import varying
from bayesmixer.fingerprint import fingerprint, fingerprint_of, place
from bayesmixer.identity import check_fit
from bayesmixer.inference.density import Array, LogDensity
from bayesmixer.inference.fitted import density_of
from bayesmixer.inference.leave_out import FEW, Fitted, LeftOut, blocks_of
from bayesmixer.inference.limits import LEAST
from bayesmixer.models.common import bound_of
from bayesmixer.models.rebuild import model_of
from bayesmixer.ops.pytensor_doors import forget_ops
from bayesmixer.progress import Part, bar
from bayesmixer.wings import unit_of

RELIABLE = 0.7  # k-hat up to which PSIS is trusted
CLIMB = 25  # gradients to the mode without a unit, about


def loo(
    results: xr.DataTree,
    data: xr.Dataset | None = None,
    *,
    model: pm.Model | None = None,
    reloo: bool = True,
    draws: int = 500,
    seed: int = 0,
    progress: bool | None = None,
) -> xr.DataTree:
    """How well a fit predicts each of its units (LD blocks) from the others: leave-one-out by
    Pareto-smoothed importance sampling, and by fits without a unit where that fails.

    Parameters
    ----------
    results
        What `fit` returned (method "laplace", "nuts", "binned" or "smc").
    data
        The data that were fitted, from which the model is made again (`rebuild`). Needed, or
        `model`, to refit without a unit whose k-hat exceeds 0.7.
    model
        The model that was fitted, where it cannot be made again.
    reloo
        Whether to make those refits.
    draws
        Draws at most of a refit. Most take 100, about the mode without the unit, beside those of
        the fit (docs/ideas/compare.md).
    seed
        Seed of the refits.
    progress
        Progress bar; None shows it on a terminal.

    Returns
    -------
    xarray.DataTree
        By unit: `elpd` (log density of the unit predicted without it), `lpd` (with it), `pareto_k`
        (-inf where no draw weighs more than another), `refitted`, and `counted` (False for units
        without weighted observations). Attributes: `kind` ("loo"), `elpd_loo`, its standard error
        `se`, `p_loo`, and of the fit `model`, `prior`, `method`, `options`, `aic`, `bic`,
        `n_parameters`. Group `constant_data`: the fingerprint of the data. `compare`, `save` and
        `load` take it.

    Raises
    ------
    InputError
        Not a fit, one without a log-likelihood by unit, other data or another model than those
        that were fitted, or `draws` below 50.

    Warns
    -----
    DataWarning
        k-hat > 0.7 in units that were not refitted; or that are, before it begins, with about how
        long that takes.

    References
    ----------
    Vehtari, Gelman & Gabry 2017, Statistics and Computing 27:1413.
    """
    whole_number("draws", draws, LEAST["draws"])
    check_fit(results)
    made = None if data is None and model is None else model_of(results, data, model)
    fit = taken(results, "results", made, "model")
    return fit.score(None, reloo=reloo, draws=draws, seed=seed, progress=progress)


@dataclass
class Taken:
    """A fit whose units are left out.

    Attributes
    ----------
    where
        What to call it in messages.
    results
        The fit.
    bound, density
        Its model's card with data, and its density; None where the model is not at hand.
    print
        Fingerprint of its data, where known.
    labels, own
        The units (L,), and the log-likelihood (S, L) of each at the fit's draws.
    """

    where: str
    results: xr.DataTree
    bound: Bound | None
    density: LogDensity | None
    print: xr.Dataset | None
    labels: np.ndarray
    own: Array

    def score(
        self, judge: Bound | None, *, reloo: bool, draws: int, seed: int, progress: bool | None
    ) -> xr.DataTree:
        """The fit's LOO; with `judge`, each unit is predicted by its likelihood under the weights
        of that model's data.
        """
        data = None if self.bound is None else self.bound.data
        target, seen = self.own, self.print
        if judge is not None:
            assert self.bound is not None
            data = self.bound.reweighted(judge.data, self.where)
            other = LogDensity(self.bound.build(data))
            if (at := self._draws()) is None:
                raise InputError(
                    self.where, "the draws of its log-likelihood are not in it", "Fit again."
                )
            target = np.stack([blocks_of(other, x) for x in at])
            seen = fingerprint(data, self.bound.card.unit)
        elpd, lpd, k = _psis_loo(self.own, target, _relative_efficiency(self.results))
        high, refitted = np.flatnonzero(k > RELIABLE), np.zeros(k.size, bool)
        if high.size and reloo and self.bound is not None:
            judged = data if judge is not None else None
            elpd[high] = self._refit(high, judged, int(draws), seed, progress)
            refitted[high] = True
        elif high.size:
            remedy = "Pass data=" if self.bound is None else "Pass reloo=True"
            self._warn(high, f"is not reliable. {remedy} to refit without them.")
        return self._tree(target, elpd, lpd, k, refitted, seen, judged=judge is not None)

    def _refit(
        self,
        high: np.ndarray,
        judged: xr.Dataset | None,
        draws: int,
        seed: int,
        progress: bool | None,
    ) -> Array:
        """elpd of the units `high` without which k-hat is too large."""
        assert self.bound is not None and self.density is not None
        named = self.results["estimate"].to_dataset()["mode"]
        # by name: a copied model has them in another order
        mode = np.asarray(named.sel(parameter=self.density.names).values, float)
        each = draws if judged is not None else FEW
        took = self._how_long(mode, high.size, each)
        self._warn(high, f"takes {high.size} fit{'s' * (high.size > 1)} without one, {took}.")
        fit = None if judged is not None else self._fitted()
        found, unit = np.empty(high.size), unit_in_words(unit_of(self.results))
        with bar(f"{high.size} fit(s) without one {unit}", high.size * draws, progress) as b:
            for j, i in enumerate(high):
                b.describe(f"without {unit} {self._name(int(i))}, {j + 1} of {high.size}")
                left_out = LeftOut(self.bound, self.labels[i], mode, draws, seed)
                part, own, pooled = Part(b, draws), self.own[:, i], None
                if fit is not None:
                    pooled = left_out.pooled(fit, own, part.advance)
                if judged is not None:
                    found[j] = left_out.elpd_of(judged)
                else:
                    found[j] = left_out.elpd(own) if pooled is None else pooled
                forget_ops()
                part.finish()
        return found

    def _how_long(self, mode: Array, fits: int, draws: int) -> str:
        """About how long fits without a unit take, of so many draws each, in words."""
        assert self.density is not None
        seconds = []
        for evaluate in (self.density.value_and_gradient, self.density.value_and_blocks):
            evaluate(mode)  # the first one compiles
            began = time.perf_counter()
            evaluate(mode)
            seconds.append(time.perf_counter() - began)
        total = fits * (CLIMB * seconds[0] + draws * seconds[1])
        shown = f"{total:.0f} s" if total < 100 else f"{total / 60:.0f} minutes"
        return f"about {shown} on this machine"

    def _fitted(self) -> Fitted | None:
        """The posterior; None where its draws are not in the fit."""
        draws = self._draws()
        if draws is None:
            return None
        assert self.density is not None
        prior = self.density.log_prior(draws[None]).to_array().sum("variable").values[0]
        log_p = prior + self.own.sum(axis=1)
        if not np.isclose(log_p[0], self.density.value_and_blocks(draws[0])[0], rtol=1e-6):
            log_p = self.density.values_and_blocks(draws)[0]  # more terms than those of the card
        return Fitted(self.density, draws, log_p)

    def _warn(self, high: np.ndarray, consequence: str) -> None:
        units = "; ".join(self._name(int(i)) for i in high[:5])
        more = f"; and {high.size - 5} more" if high.size > 5 else ""
        warnings.warn(
            f"{self.where}: k-hat > 0.7, so that leaving out "
            f"{unit_in_words(unit_of(self.results))} {units}{more} {consequence}",
            DataWarning,
            stacklevel=4,
        )

    def _name(self, i: int) -> str:
        """A unit in words: 12 (chr22 16.1-18.3 Mb)."""
        label = str(self.labels[i])
        return label if self.print is None else f"{label} ({place(self.print, i)})"

    def _draws(self) -> Array | None:
        """The draws (S, P) at which the fit's log-likelihood was evaluated: a fit may hold others
        as well, moved by calibration. None where it lacks them.
        """
        assert self.density is not None
        for group in (child.to_dataset() for child in self.results.children.values()):
            draws = self.density.flat_draws(group)
            if draws is None:
                continue
            draws = draws.reshape(-1, draws.shape[-1])
            if len(draws) == len(self.own) and all(
                np.allclose(blocks_of(self.density, draws[i]), self.own[i], rtol=1e-6, atol=1e-8)
                for i in (0, -1)
            ):
                return draws
        return None

    def _tree(
        self,
        target: Array,
        elpd: Array,
        lpd: Array,
        k: Array,
        refitted: np.ndarray,
        seen: xr.Dataset | None,
        judged: bool,
    ) -> xr.DataTree:
        results, unit = self.results, unit_of(self.results)
        counted = target.any(axis=0)
        of_fit = results["estimate"].attrs if "estimate" in results.children else {}
        columns = {
            "elpd": elpd,
            "lpd": lpd,
            "pareto_k": k,
            "refitted": refitted,
            "counted": counted,
        }
        root = xr.Dataset(
            {name: (unit, values) for name, values in columns.items()},
            coords={unit: self.labels},
            attrs={
                "kind": "loo",
                "elpd_loo": float(elpd.sum()),
                "se": error_of_sum(elpd[counted]),
                "p_loo": float((lpd - elpd).sum()),
                "n_parameters": int(of_fit.get("n_parameters", 0)),
                # the criteria of other weights say nothing beside these
                **{c: np.nan if judged else float(of_fit.get(c, np.nan)) for c in ("aic", "bic")},
                **{key: str(results.attrs.get(key, "")) for key in ("model", "prior", "method")},
                "options": str(results.attrs.get("options", "{}")),
            },
        )
        return xr.DataTree.from_dict(
            {"/": root} | ({} if seen is None else {"constant_data": seen})
        )


def taken(results: Any, where: str, model: pm.Model | None, model_where: str) -> Taken:
    """A fit with its model, where there is one, checked.

    Raises
    ------
    InputError
        It has no log-likelihood by unit, or the model is another or of other makers.
    """
    labels, own = _log_likelihood(results, where)
    bound = density = None
    if model is not None:
        bound = bound_of(model)
        if bound is None:
            raise InputError(
                model_where,
                "not a model of bayesmixer.models, cannot be built again without one "
                f"{unit_in_words(unit_of(results))}",
                "Leave it out.",
            )
        density = density_of(results, model, model_where)
    seen = fingerprint_of(results)
    if seen is None and bound is not None:
        seen = fingerprint(bound.data, unit_of(results))
    if seen is not None:  # units without weighted variants may lack in the log-likelihood
        every = seen[unit_of(results)].values
        full = np.zeros((len(own), every.size))
        full[:, np.searchsorted(every, labels)] = own
        labels, own = every, full
    return Taken(where, results, bound, density, seen, labels, own)


def _log_likelihood(results: Any, where: str) -> tuple[np.ndarray, Array]:
    """Labels of the units (L,) and log-likelihood (S, L), summed over potentials."""
    check_fit(results, where)
    unit = unit_of(results)
    if "log_likelihood" not in results.children:
        method = results.attrs.get("method", "unknown")
        raise InputError(
            where,
            f"method '{method}' has no posterior to leave {unit_in_words(unit)}s out of",
            "Fit with method='laplace' or 'nuts'.",
        )
    group = results["log_likelihood"].to_dataset()
    dims = ("chain", "draw", unit)
    parts = [v.transpose(*dims) for v in group.data_vars.values() if set(v.dims) == set(dims)]
    if not parts:
        raise InputError(
            where,
            f"no log-likelihood by {unit_in_words(unit)}",
            "Compare models of bayesmixer.models, or use arviz.compare.",
        )
    total = np.sum([np.asarray(v.values, float) for v in parts], axis=0)
    return parts[0][unit].values, total.reshape(-1, total.shape[-1])


def _relative_efficiency(results: xr.DataTree) -> float:
    """Effective draws a draw, as arviz.loo takes it: 1 for one chain."""
    if "posterior" not in results.children or results["posterior"].sizes["chain"] == 1:
        return 1.0
    import arviz as az

    ess = az.ess(varying(results["posterior"].to_dataset()), method="mean")
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


def error_of_sum(terms: Array) -> float:
    """Standard error of the sum of independent terms, from their spread."""
    return float(np.sqrt(terms.size * terms.var(ddof=1))) if terms.size > 1 else float("nan")
