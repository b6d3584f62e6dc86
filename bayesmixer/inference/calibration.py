"""Calibration: posterior draws moved so that their covariance is the one the LD blocks show
(`mode_covariance`).

The draws are moved by the affine map of the unconstrained scale that turns H^-1 into the calibrated
covariance, about the mode, which keeps their skewness; deterministics are computed anew. Docs:
intervals.md.
"""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from bayesmixer.arguments import choice, whole_number
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.identity import check_fit, judge
from bayesmixer.inference import points
from bayesmixer.inference.adjusted import AdjustedDensity, curvature_matrix
from bayesmixer.inference.bootstrap import bootstrap
from bayesmixer.inference.concerns import far_from_gaussian
from bayesmixer.inference.density import Array, LogDensity
from bayesmixer.inference.fitted import check_density
from bayesmixer.inference.mode_covariance import (
    COVARIANCES,
    Calibration,
    affine,
    covariance_of_mode,
    evidence_of,
    with_errors,
)
from bayesmixer.inference.points import Points
from bayesmixer.models.common import bound_of
from bayesmixer.models.rebuild import model_of
from bayesmixer.ops.pytensor_doors import forget_ops
from bayesmixer.wings import Evidence

ADJUST = ("affine", "magnitude", "curvature", "bootstrap")
RAW = "uncalibrated"


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
    three: Points | None = None,
    seed: int = 0,
) -> dict[str, xr.Dataset]:
    """Groups of a posterior calibrated by the affine map, beside those of the raw one; `draws`
    (chain, draw, P) are raw.

    Where a parameter may lie at its ends, they are those of the mixture of `three`. Where
    `evidence` knows a parameter better, it moves the draws further.
    """
    moved = (
        affine(draws, mode, calibration.raw, calibration.covariance)
        if three is None
        else three.mixed(draws, density.names, mode, calibration, seed)
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
