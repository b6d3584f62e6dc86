"""Calibration: posterior draws moved so that their covariance is the one the LD blocks show, H^-1 J
H^-1, instead of the composite likelihood's H^-1.

A likelihood that multiplies variants in LD, whatever their weights, states a width that nothing
guarantees (Varin, Reid and Firth 2011). The draws are moved by the affine map of the unconstrained
scale that turns H^-1 into the sandwich, about the mode, which keeps their skewness; deterministics
are computed anew. Docs: intervals.md.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm
import xarray as xr

from bayesmixer.arguments import choice, whole_number
from bayesmixer.bound import Bound
from bayesmixer.card import UNIT, unit_in_words
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.identity import check_fit, judge
from bayesmixer.inference.adjusted import AdjustedDensity, curvature_matrix
from bayesmixer.inference.ascent import ascend_folded
from bayesmixer.inference.bootstrap import bootstrap
from bayesmixer.inference.concerns import concerns as concerns_of
from bayesmixer.inference.concerns import far_from_gaussian
from bayesmixer.inference.density import Array, LogDensity
from bayesmixer.inference.find_map import covariance_of, find_modes
from bayesmixer.inference.fitted import check_density
from bayesmixer.inference.information import (
    LINEAR,
    Information,
    information,
    jackknife_covariance,
    sandwich_covariance,
    share_left,
    within_prior,
)
from bayesmixer.models.common import bound_of
from bayesmixer.models.own import apart
from bayesmixer.models.rebuild import model_of
from bayesmixer.ops.pytensor_doors import forget_ops
from bayesmixer.wings import Evidence

if TYPE_CHECKING:
    from bayesmixer.inference.points import Points

ADJUST = ("affine", "magnitude", "curvature", "bootstrap")
COVARIANCES = {"jackknife": jackknife_covariance, "sandwich": sandwich_covariance}
REFITS = 5  # fits without one LD block, at most
REFITTED = 1e-12  # log-likelihood units that such a fit leaves,
ALMOST = 1e-3  # and may leave at most: a thirtieth of a standard deviation
RAW = "uncalibrated"


@dataclass(frozen=True)
class Calibration:
    """Covariances of the mode, (P, P): `raw` H^-1 and `covariance` the calibrated one; what they
    were made from; what to beware of.
    """

    information: Information
    raw: Array
    covariance: Array
    concerns: list[str]

    @property
    def ratio(self) -> Array:
        """(P,) calibrated over raw standard deviation."""
        return np.asarray(np.sqrt(np.diag(self.covariance) / np.diag(self.raw)))


def covariance_of_mode(
    density: LogDensity,
    mode: Array,
    raw: Array,
    at_bound: list[str],
    covariance: str = "jackknife",
    group: int = 1,
    known: Information | None = None,
) -> Calibration | str:
    """The calibrated covariance of the mode, or why there is none: no LD blocks, too few of them,
    or H is not positive.

    Parameters
    ----------
    density, mode, raw
        Log posterior, its mode (P,) and H^-1 (P, P) as the search left it.
    at_bound
        Parameters at the edge of the search box: they keep their raw variance and are left out of
        the sandwich.
    covariance
        "jackknife" or "sandwich".
    group
        Neighbouring LD blocks joined.
    known
        Information at the mode, where the search has it.
    """
    if not density.block_names:
        return f"the model has {density.no_units}"
    if why := apart(density.model):
        return why
    info = known or information(density, mode, np.sqrt(np.diag(raw)))
    info = info.grouped(group) if group > 1 else info
    bound = bound_of(density.model)
    found = from_information(info, raw, density.names, at_bound, covariance, bound)
    whole = group == 1 and covariance == "jackknife" and not at_bound
    if isinstance(found, str) or bound is None or not whole:
        return found
    refits = refitted(bound, found.information, mode)
    if not refits:
        return found
    info = replace(info, refits=refits)
    return from_information(info, raw, density.names, at_bound, covariance, bound)


def refitted(bound: Bound, info: Information, mode: Array) -> dict[int, Array]:
    """Moves of the mode (`Information.refits`) when the blocks are left out that hold so much of H
    that a Newton step does not tell; the five heaviest.

    Where H has no mode there without the block, the search begins anew as that of the fit does.
    """
    if not info.by_unit:
        return {}
    left, move = share_left(info), info.influence.move
    far = np.flatnonzero(left <= LINEAR)
    weight = np.abs(move[far] / move.std(0)).max(1)
    moves = {}
    for row in far[np.argsort(-weight)[:REFITS]].tolist():
        model = bound.build(bound.counted(info.blocks[row], 0.0))
        rest, anew = LogDensity(model), bound_of(model)
        function, folds = rest.value_and_gradient, rest.folds
        inverse = covariance_of(info.hessian - info.curvature[row], 1.0)
        found = ascend_folded(function, mode, rest.box, folds, inverse, REFITTED)
        if left[row] > 0 and found.left < ALMOST:
            moves[row] = found.x - mode
            continue
        starts = [] if anew is None else anew.starts()
        moves[row] = find_modes(rest, [mode, *map(rest.flatten, starts)], rest.box).best.x - mode
    return moves


def from_information(
    info: Information,
    raw: Array,
    names: list[str],
    at_bound: list[str],
    covariance: str = "jackknife",
    bound: Bound | None = None,
) -> Calibration | str:
    """As `covariance_of_mode`, from scores and curvature by unit that are at hand; `names` (P,) of
    the parameters, `bound` to name units.
    """
    free = np.array([name not in at_bound for name in names])
    if len(info.blocks) < 2 * len(names) + 2:
        unit = unit_in_words(UNIT if bound is None else bound.card.unit)
        return f"{len(info.blocks)} {unit}s hold data, fewer than {2 * len(names) + 2}"
    if not free.any():
        return "every parameter lies at the edge of the search box"
    part = info if free.all() else info.of(free)
    eigenvalues = np.linalg.eigvalsh(part.hessian)
    if not (np.isfinite(eigenvalues).all() and eigenvalues[0] > 0):
        return "the log posterior has no curvature at the mode"
    straight = raw.copy()
    straight[np.ix_(free, ~free)], straight[np.ix_(~free, free)] = 0.0, 0.0
    out = straight.copy()
    straight[np.ix_(free, free)] = np.linalg.inv(part.hessian)
    factor = (
        small_sample_factor(part) if covariance == "jackknife" else np.ones(part.scores.shape[1])
    )
    out[np.ix_(free, free)] = within_prior(
        COVARIANCES[covariance](part) * np.outer(factor, factor), part.prior
    )
    return Calibration(
        info,
        straight,
        out,
        concerns_of(
            part, [name for name, f in zip(names, free, strict=True) if f], at_bound, bound
        ),
    )


def small_sample_factor(info: Information) -> Array:
    """(P,) t quantile over normal quantile at 95%, with the effective number of units as
    degrees of freedom.

    A variance summed over few units that matter is itself uncertain. Satterthwaite's rule for sums
    of unequal squares would give twice the effective number; half of it is taken since an estimate
    that misses rare large effects misses their part of the variance too.
    """
    from scipy.special import ndtri, stdtrit

    return np.asarray(stdtrit(np.maximum(info.influence.effective, 2.0), 0.95) / ndtri(0.95))


def affine(draws: Array, mode: Array, raw: Array, covariance: Array) -> Array:
    """Draws (..., P) moved about the mode by A = root(covariance) root(raw)^-1, Cholesky roots:
    covariance `raw` becomes `covariance`.
    """
    matrix = np.linalg.cholesky(covariance) @ np.linalg.inv(np.linalg.cholesky(raw))
    return np.asarray(mode + (draws - mode) @ matrix.T)


def standard_errors(density: LogDensity, mode: Array, covariance: Array) -> xr.Dataset:
    """Standard errors of the reported variables at the mode, by the delta method from a covariance
    of the parameters.
    """
    step = 1e-4 * np.sqrt(np.diag(covariance))
    points = np.concatenate([mode + np.diag(step), mode - np.diag(step)])[None]
    moved = density.posterior(points)
    out = {}
    for name, v in moved.data_vars.items():
        values = v.values[0]
        slope = (values[: mode.size] - values[mode.size :]) / (
            2 * step.reshape((-1, *[1] * (values.ndim - 1)))
        )
        out[f"{name}_se"] = (
            v.dims[2:],
            np.sqrt(np.einsum("p...,pq,q...->...", slope, covariance, slope)),
        )
    return xr.Dataset(
        out, coords={k: c for k, c in moved.coords.items() if k not in ("chain", "draw")}
    )


def group_of(
    calibration: Calibration, density: LogDensity, adjust: str, covariance: str
) -> xr.Dataset:
    """The `calibration` group of the results."""
    info, unit, names = calibration.information, density.unit, density.names
    pair = ("parameter", "parameter_bis")
    return xr.Dataset(
        {
            "hessian": (pair, info.hessian),
            "variability": (pair, info.variability),
            "prior_precision": (pair, info.prior),
            "covariance_raw": (pair, calibration.raw),
            "covariance": (pair, calibration.covariance),
            "sd_ratio": ("parameter", calibration.ratio),
            "blocks_effective": ("parameter", info.influence.effective),
            "score": ((unit, "parameter"), info.scores),
            **({"curvature": ((unit, *pair), info.curvature)} if info.by_unit else {}),
        },
        coords={"parameter": names, "parameter_bis": names, unit: info.blocks},
        attrs={
            "adjust": adjust,
            "estimator": covariance,
            f"{unit}s": len(info.blocks),
            "condition_hessian": float(np.linalg.cond(info.hessian)),
            "condition_variability": float(np.linalg.cond(info.variability + info.prior)),
            "concerns": json.dumps(calibration.concerns),
        },
    )


def moved_groups(
    density: LogDensity,
    draws: Array,
    mode: Array,
    calibration: Calibration,
    evidence: Evidence | None = None,
    points: Points | None = None,
    seed: int = 0,
) -> dict[str, xr.Dataset]:
    """Groups of a posterior calibrated by the affine map, beside those of the raw one; `draws`
    (chain, draw, P) are raw.

    Where a parameter may lie at its ends, they are those of the mixture (`points`). Where
    `evidence` knows a parameter better, it moves the draws further.
    """
    moved = (
        affine(draws, mode, calibration.raw, calibration.covariance)
        if points is None
        else points.mixed(draws, density.names, mode, calibration, seed)
    )
    moved = moved if evidence is None else evidence.moved(moved, density.names)
    return {
        "posterior": density.posterior(moved),
        "unconstrained_posterior": density.unconstrained(moved),
        f"{RAW}_posterior": density.posterior(draws),
        f"{RAW}_unconstrained_posterior": density.unconstrained(draws),
    }


def calibrate(
    results: xr.DataTree,
    data: xr.Dataset | None = None,
    *,
    model: pm.Model | None = None,
    adjust: str = "affine",
    covariance: str = "jackknife",
    group: int = 1,
    replicates: int = 200,
    draws: int = 1000,
    seed: int = 0,
    progress: bool | None = None,
) -> xr.DataTree:
    """Calibrate a fit: give its posterior and standard errors the width that the spread of scores
    over LD blocks warrants.

    `fit` does this by itself (`calibrate=True`); call it to choose another adjustment, or to
    compare with the bootstrap.

    Parameters
    ----------
    results
        What `fit` returned, calibrated or not.
    data
        The data that were fitted: the model is made again of them (`rebuild`).
    model
        The model itself; needed for models of other makers, or with priors of one's own.
    adjust
        "affine" (default): the draws are moved about the mode by the affine map that turns H^-1
        into the calibrated covariance. "magnitude": the likelihood to the power P / tr(H^-1 J),
        resampled. "curvature": the likelihood evaluated at mode + C (theta - mode), so that its
        curvature is the inverse of the calibrated covariance, and sampled by the method that the
        fit used. "bootstrap": modes of `replicates` data sets of resampled LD blocks, the prior's
        centre drawn anew with them, take the place of the draws: the referee.
    covariance
        "jackknife" (default; one-step delete-block, larger where single LD blocks weigh much, times
        a t quantile over the normal one: `small_sample_factor`) or "sandwich" (H^-1 (J + Q) H^-1
        and nothing else).
    group
        Neighbouring LD blocks joined before all this, where LD crosses their borders.
    replicates
        Of the bootstrap.
    draws
        Draws by "magnitude" and "curvature" ("nuts": a chain).
    seed
        Of the bootstrap and of new draws.
    progress
        Progress bars; None shows them on a terminal.

    Returns
    -------
    xarray.DataTree
        As `fit` returns it, with `posterior` and `unconstrained_posterior` calibrated, the raw ones
        in `uncalibrated_posterior` and `uncalibrated_unconstrained_posterior`, standard errors
        `<variable>_se` and `covariance_calibrated` in `estimate`, and the group `calibration`.

    Raises
    ------
    InputError
        An argument is unknown, the model is not the one fitted, or nothing can be calibrated (no LD
        blocks, or hardly more than parameters).

    Warns
    -----
    DataWarning
        Fewer than 200 LD blocks, one block dominates, a parameter at the edge of the search box, or
        the draws are far from Gaussian.

    References
    ----------
    Varin, Reid & Firth 2011, Statistica Sinica 21:5. Ribatet, Cooley & Davison 2012, Statistica
    Sinica 22:813. Shaby 2014, JCGS 23:853 (affine map).
    """
    from bayesmixer.inference import points  # which imports this

    _check(results, adjust, covariance, group, replicates, draws)
    model = model_of(results, data, model)
    bound = bound_of(model)
    density = LogDensity(model)
    estimate = results["estimate"].to_dataset()
    check_density(results, density)
    # a copied model has them in another order
    estimate = estimate.sel(parameter=density.names, parameter_bis=density.names)
    mode, at_bound = estimate["mode"].values, json.loads(estimate.attrs["at_bound"])
    found = covariance_of_mode(
        density, mode, estimate["covariance"].values, at_bound, covariance, group
    )
    if isinstance(found, str):
        raise InputError("results", f"cannot be calibrated: {found}")
    groups = {name: node.to_dataset() for name, node in results.children.items()}
    raw = _raw_draws(groups, density)
    evidence = evidence_of(bound_of(model))
    on_scale, three = points.of_mode(
        density,
        bound,
        mode,
        estimate["covariance"].values,
        found,
        at_bound,
        covariance,
        raw is not None,
        progress,
    )
    found = on_scale or found
    if three is not None:
        groups[three.ends.group] = three.dataset(density, seed)
    groups["estimate"] = with_errors(estimate, density, mode, found, evidence)
    groups["calibration"] = group_of(found, density, adjust, covariance)
    bounds = density.box
    concerns = list(found.concerns)
    if adjust == "affine":
        if raw is not None:
            groups |= moved_groups(density, raw, mode, found, evidence, three, seed)
            if evidence is None or not evidence.whole:
                concerns += far_from_gaussian(raw, density.names, points.calibrated_apart(three))
    else:
        if adjust == "bootstrap":
            b = bootstrap(density, mode, found.information, bounds, replicates, seed, progress)
            new = b.modes[None]
            if not b.converged.all():
                concerns.append(
                    f"{int((~b.converged).sum())} of {replicates} bootstrap climbs did not "
                    "come to rest: no modes; choose another adjustment."
                )
        else:
            new = _sampled(
                density,
                mode,
                found,
                adjust,
                bounds,
                str(results.attrs.get("method")),
                draws,
                seed,
                progress,
            )
        groups |= {
            "posterior": density.posterior(new),
            "unconstrained_posterior": density.unconstrained(new),
        }
        if raw is not None:
            groups |= {
                f"{RAW}_posterior": density.posterior(raw),
                f"{RAW}_unconstrained_posterior": density.unconstrained(raw),
            }
    groups["calibration"].attrs["concerns"] = json.dumps(concerns)
    for sentence in concerns:
        warnings.warn(sentence, DataWarning, stacklevel=2)
    out = xr.DataTree.from_dict({f"/{name}": g for name, g in groups.items()})
    out.attrs = {**results.attrs, "calibrated": adjust}
    judge(out, None if bound is None else bound.data)
    forget_ops()
    return out


def evidence_of(bound: Bound | None) -> Evidence | None:
    """What the wing of a model says of the signal in its data; None where it says nothing."""
    find = None if bound is None else bound.card.ask("evidence")
    found: Evidence | None = None if find is None else find(bound)
    return found


def with_errors(
    estimate: xr.Dataset,
    density: LogDensity,
    mode: Array,
    found: Calibration,
    evidence: Evidence | None = None,
) -> xr.Dataset:
    """The estimate with calibrated standard errors of what it reports, and the calibrated
    covariance of the parameters.
    """
    errors = standard_errors(density, mode, found.covariance)
    if evidence is not None:
        known = {name: value for name, value in evidence.errors.items() if name in errors}
        errors = errors.assign({name: xr.DataArray(value) for name, value in known.items()})
    return estimate.merge(errors, compat="override").assign(
        covariance_calibrated=(("parameter", "parameter_bis"), found.covariance)
    )


def _raw_draws(groups: dict[str, Any], density: LogDensity) -> Array | None:
    """Raw draws (chain, draw, P) of a fit, calibrated or not."""
    for name in (f"{RAW}_unconstrained_posterior", "unconstrained_posterior"):
        if name in groups:
            return density.flat_draws(groups[name])
    return None


def _sampled(
    density: LogDensity,
    mode: Array,
    found: Calibration,
    adjust: str,
    bounds: Array,
    method: str,
    draws: int,
    seed: int,
    progress: bool | None,
) -> Array:
    """Draws (chain, draw, P) from the adjusted likelihood and the prior."""
    from bayesmixer.inference import laplace, sampling

    info = found.information
    h = info.hessian - info.prior
    if not np.linalg.eigvalsh(h)[0] > 0:
        raise InputError(
            "adjust",
            f"{adjust!r}: the likelihood alone, without the prior, has no curvature at the mode",
            "Use adjust='affine'.",
        )
    if adjust == "magnitude":
        power = density.size / float(np.trace(np.linalg.solve(h, info.variability)))
        matrix, covariance = np.eye(density.size), np.linalg.inv(power * h + info.prior)
    else:
        variability = (
            info.hessian @ found.covariance @ info.hessian - info.prior
        )  # J, as the calibrated covariance has it
        likelihood_covariance = np.linalg.inv(h) @ variability @ np.linalg.inv(h)
        matrix, power = curvature_matrix(h, likelihood_covariance), 1.0
        covariance = np.linalg.inv(np.linalg.inv(likelihood_covariance) + info.prior)
    adjusted = AdjustedDensity(density, mode, matrix, power)
    if method == "nuts":
        new, _ = sampling.run(
            adjusted,
            mode,
            covariance,
            sampler="nutpie",
            draws=draws,
            tune=300,
            chains=4,
            cores=None,
            seed=seed,
            show=progress,
        )
        return np.asarray(new)
    result = laplace.sample(
        adjusted, mode, covariance, bounds, draws, np.random.default_rng(seed), progress
    )
    if not result.pareto_k <= 0.7:
        warnings.warn(
            "The adjusted posterior is poorly described by importance resampling (k-hat "
            f"{result.pareto_k:.2f}).",
            DataWarning,
            stacklevel=3,
        )
    return np.asarray(result.proposals[laplace.in_chains(result.rows)])


def _check(
    results: xr.DataTree, adjust: str, covariance: str, group: int, replicates: int, draws: int
) -> None:
    check_fit(results, needs=("estimate",))
    choice("adjust", adjust, ADJUST)
    choice("covariance", covariance, COVARIANCES)
    for name, value, least in (
        ("group", group, 1),
        ("replicates", replicates, 10),
        ("draws", draws, 50),
    ):
        whole_number(name, value, least)
