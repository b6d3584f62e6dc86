"""`fit`: from a PyMC model to results, by one of five methods that share the mode as their first
step.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from bayesmixer import models
from bayesmixer.arguments import choice, fraction, whole_number
from bayesmixer.bound import Bound
from bayesmixer.card import Profile, cards
from bayesmixer.checkpoint import Checkpoint
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.fingerprint import fingerprint
from bayesmixer.identity import judge, trait_names
from bayesmixer.inference import calibration, mode_covariance, points, stand_in
from bayesmixer.inference.binned import BINS
from bayesmixer.inference.concerns import far_from_gaussian
from bayesmixer.inference.density import Array, LogDensity
from bayesmixer.inference.draw import Settings, draw
from bayesmixer.inference.estimate import estimate_group
from bayesmixer.inference.find_map import Modes, climbable, covariance_of, distinct, find_modes
from bayesmixer.inference.limits import INITS, LEAST, METHODS, NUTS_SAMPLERS
from bayesmixer.inference.staged import staged_modes
from bayesmixer.interrupts import remembered
from bayesmixer.models.common import bound_of, origin_of, prior_in_words
from bayesmixer.ops.pytensor_doors import forget_ops
from bayesmixer.progress import track
from bayesmixer.results import add_criteria, assemble
from bayesmixer.style import as_parameter


@remembered()
def fit(
    model: pm.Model,
    method: str = "laplace",
    *,
    draws: int | None = None,
    tune: int = 300,
    chains: int = 4,
    cores: int | None = None,
    seed: int = 0,
    starts: int | list[dict[str, float]] | None = None,
    staged: bool = False,
    sampler: str = "nutpie",
    bins: int = BINS,
    target_accept: float | None = None,
    init: str | None = None,
    random_seed: int | None = None,
    nuts_sampler: str | None = None,
    profile: bool | None = None,
    calibrate: bool = True,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    progress: bool | None = None,
) -> xr.DataTree:
    """Fit a model: its mode, and by default a posterior.

    Parameters
    ----------
    model
        A model of `bayesmixer.models`, or any PyMC model with continuous parameters.
    method
        "map": the mode alone (with flat priors, the paper's estimate), by gradients, staged as in
        the paper. "laplace" (default): draws of the Gaussian at the mode, importance-resampled
        (PSIS); falls through to "nuts" where k-hat > 0.7. "nuts": sampled from the Laplace fit on.
        "binned": NUTS on bins of alike variants, 1,000 of its draws re-weighted by the exact
        likelihood; minutes for a whole genome. "smc": sequential Monte Carlo from the prior. Models
        of the weights of a mixture (`models.mash`, `models.ash`) take "map", "gibbs", "nuts" and
        "bootstrap", and no other (docs/methods/mash.md).
    draws
        Draws a chain ("nuts", "binned": 1,000, "smc": 500) or in all ("laplace": as many as
        800 effective ones take, at most 1,500); "map" makes none, and refuses them.
    tune, chains, cores
        For "nuts", "binned" and "smc"; `cores` None means one a chain up to the machine's.
    seed
        Seed of every random number.
    starts
        None: the stages' own starting points. A number: that many scattered ones besides. A list of
        {parameter: value}: exactly these.
    staged
        With method "map", of models whose paper has a staged estimate: that, by the exact
        likelihood, in place of the joint one. Earlier stages stay as they are, so that it is no
        mode, and has no standard errors.
    sampler
        For "nuts" and "binned": "nutpie", another NUTS sampler of PyMC ("pymc", "numpyro",
        "blackjax") or a PyMC step method by name.
    bins
        For "binned": number of bins.
    target_accept
        For "nuts" and "binned": acceptance rate that NUTS tunes its step size to, between 0 and 1;
        higher means smaller steps and fewer divergences. None takes the sampler's own, 0.8.
    init
        For "nuts" by sampler "pymc": how it starts its mass matrix, as `pymc.sample` takes it.
    random_seed, nuts_sampler
        PyMC's names of `seed` and `sampler`.
    profile
        Whether to profile the likelihood along the parameter that the model names, if it names
        one; None does for every method but "map".
    calibrate
        Whether posterior and standard errors get the width that the spread of scores over LD blocks
        warrants (`bayesmixer.calibrate`, which has other adjustments); False leaves them as the
        composite likelihood states them.
    checkpoint
        Folder for finished parts ("laplace": every 100 draws; "nuts", "binned" by nutpie: every
        `cores` chains): the same call after an interruption goes on from them. Its own parts are
        removed when the fit is done, and the folder where it was made for them; those of other fits
        stay. A `Checkpoint` is left for the caller to clear, such as after the results were saved.
        None keeps nothing.
    progress
        Progress bars; None shows them on a terminal.

    Returns
    -------
    xarray.DataTree
        Groups `estimate`, `posterior`, `unconstrained_posterior` (both calibrated, with the raw
        ones in `uncalibrated_posterior` and `uncalibrated_unconstrained_posterior`), `calibration`,
        `log_likelihood` (dim ld_block, of the raw draws), `sample_stats`, `constant_data`:
        docs/reference/data_structures.md, Results.

    Raises
    ------
    InputError
        An argument is unusable, or the model has no finite density where the search starts.

    Warns
    -----
    DataWarning
        The optimiser did not converge, optima disagree, the mode is at the edge of the search box,
        k-hat > 0.7, or the calibration is itself uncertain (few LD blocks, one of them dominant).

    References
    ----------
    Frei et al. 2019, Nature Communications 10:2417 (staged fit, AIC, BIC). Vehtari et al. 2024,
    JMLR 25:72 (PSIS).
    """
    began = time.perf_counter()
    seed = _named_twice("seed", seed, 0, "random_seed", random_seed)
    sampler = _named_twice("sampler", sampler, "nutpie", "nuts_sampler", nuts_sampler)
    if method == "map" and draws is not None:
        raise InputError(
            "draws", f"{draws!r}, but method 'map' makes none", "Leave it out, or sample."
        )
    known = bound_of(model) if isinstance(model, pm.Model) else None  # LogDensity refuses the rest
    if known is not None and (own := known.card.ask("fitted")) is not None:
        _check("map", draws, tune, chains, cores, seed, bins, starts)
        asked = Settings(
            draws, tune, chains, cores, seed, sampler, bins, progress, target_accept, init
        )
        whole: xr.DataTree = own(model, known, method, asked)
        return whole
    _check(method, draws, tune, chains, cores, seed, bins, starts)
    _check_acceptance(target_accept, sampler)
    if init is not None and sampler != "pymc":
        raise InputError(
            "init", f"{init!r}, but sampler {sampler!r} has none", "Use sampler='pymc'."
        )
    if init is not None:
        choice("init", init, INITS)
    kept = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
    density = LogDensity(model)
    # of a changed model (do, observe, more variables) only data and search box are known
    bound, origin = bound_of(model), origin_of(model)
    said: list[str] = []
    heard: list[str] = []
    if staged:
        modes, stages = staged_modes(density, bound, method, starts)
    else:
        modes, stages = searched(density, bound, starts, seed, progress, calibrate), xr.Dataset()
    _judge(modes, said)
    estimate = _with(estimate_group(density, modes), stages)
    if bound is not None and (apart := bound.card.ask("apart")) is not None:
        estimate = _with(estimate, apart(bound, estimate))
    if origin is not None:
        strained = origin.card.ask("strained")
        said += [] if strained is None else strained(origin, estimate)
        add_criteria(estimate, origin.effective_size, _beside(bound, estimate))
    along = None if bound is None else bound.card.profile
    if along is not None and along.parameter not in density.names:
        along = None  # a prior of bounds has its parameter on another scale
    if along is not None and (profile if profile is not None else method != "map"):
        estimate = _with_profile(estimate, density, modes, along, progress)
    groups: dict[str, Any] = {}
    draws_taken: Array | None = None
    covariance = covariance_of(modes.best.hessian)
    bounds = density.box
    attempted = method
    settings = Settings(
        draws, tune, chains, cores, seed, sampler, bins, progress, target_accept, init
    )
    kept.identify(
        (
            density.names,
            modes.best.x.tolist(),
            modes.best.log_posterior,
            method,
            draws,
            tune,
            chains,
            cores,
            seed,
            sampler,
            bins,
            target_accept,
            *(() if init is None else (init,)),
        )
    )
    evidence = mode_covariance.evidence_of(bound)
    if method != "map":
        if calibrate and evidence is not None and evidence.whole:
            settings = replace(settings, falls=False)
        drawn = draw(method, density, modes.best.x, covariance, bounds, settings, kept)
        method, draws_taken = drawn.method, drawn.draws
        groups |= {"sample_stats": drawn.sample_stats, "log_likelihood": drawn.log_likelihood}
        said += drawn.said
        heard += drawn.heard
    if draws_taken is not None:
        groups["posterior"] = density.posterior(draws_taken)
        groups["unconstrained_posterior"] = density.unconstrained(draws_taken)
        groups["log_prior"] = density.log_prior(draws_taken)
    measured = (
        mode_covariance.covariance_of_mode(
            density,
            modes.best.x,
            covariance,
            modes.best.at_bound,
            known=modes.best.information,
        )
        if calibrate and not staged
        else None
    )
    found, three = points.of_mode(
        density,
        bound,
        modes.best.x,
        covariance,
        None if isinstance(measured, str) else measured,
        modes.best.at_bound,
        "jackknife",
        profile if profile is not None else method != "map",
        progress,
    )
    if three is not None:
        groups[three.ends.group] = three.dataset(density, seed)
    if found is not None:
        estimate = mode_covariance.with_errors(estimate, density, modes.best.x, found, evidence)
        if draws_taken is not None:
            groups |= calibration.moved_groups(
                density, draws_taken, modes.best.x, found, evidence, three, seed
            )
            if evidence is None or not evidence.whole:
                found.concerns.extend(
                    far_from_gaussian(draws_taken, density.names, points.calibrated_apart(three))
                )
        groups["calibration"] = calibration.group_of(found, density, "affine", "jackknife")
        said += found.concerns
    elif measured is not None:
        said.append(
            f"Not calibrated: {measured}; widths are those the composite likelihood states, often "
            "too short."
        )
    groups["estimate"] = estimate
    if evidence is not None:
        groups[evidence.group] = evidence.dataset()
        said += [] if evidence.seen else [evidence.sentence]
    attrs: dict[str, Any] = {
        "method": method,
        "method_asked": attempted,
        "seed": seed,
        "warnings": json.dumps(said),
        "calibrated": "no" if found is None else "affine",
    }
    if origin is not None:
        name, prior = (
            (origin.name, prior_in_words(origin.prior))
            if bound is not None or not origin.free
            else (f"{origin.name} (changed)", "custom")
        )
        attrs |= origin.record
        attrs |= {
            "model": name,
            "prior": prior,
            "options": json.dumps(origin.options),
            "data": json.dumps(_plain(origin.data.attrs)),
        }
        names = [name for name in origin.card.keeps if name in origin.data]
        panel = origin.data[names].drop_vars(
            [c for c in origin.data.coords if c not in names], errors="ignore"
        )
        groups["constant_data"] = panel.assign(fingerprint(origin.data, origin.card.unit).variables)
        attrs["trait"] = ", ".join(trait_names(origin.data))
    else:
        attrs |= {"model": model.name or "custom", "prior": "custom", "options": "{}", "data": "{}"}
    attrs["seconds"] = round(time.perf_counter() - began, 2)
    for sentence in said:
        if sentence not in heard:
            warnings.warn(sentence, DataWarning, stacklevel=3)
    results = assemble(groups, attrs)
    judge(results, None if bound is None else bound.data)
    if kept is not checkpoint:
        kept.clear()
    forget_ops()
    return results


def _named_twice[T](name: str, value: T, usual: T, other: str, given: T | None) -> T:
    """An argument that PyMC names otherwise, by whichever name it was given."""
    if given is None:
        return value
    if value not in (usual, given):
        raise InputError(other, f"{given!r}, but {name} is {value!r}", "Give one of them.")
    return given


def _check(
    method: str,
    draws: int | None,
    tune: int,
    chains: int,
    cores: int | None,
    seed: int,
    bins: int,
    starts: Any,
) -> None:
    choice("method", method, METHODS)
    asked = {
        "draws": draws,
        "tune": tune,
        "chains": chains,
        "cores": cores,
        "seed": seed,
        "bins": bins,
    }
    for name, value in asked.items():
        if value is not None:
            whole_number(name, value, LEAST[name])
    if (starts is not None and not isinstance(starts, (int, np.integer, list))) or (
        not isinstance(starts, list) and (starts or 0) < 0
    ):
        raise InputError(
            "starts", f"{starts!r}, expected a number of scattered starts, or a list of points"
        )
    if isinstance(starts, list) and not starts:
        raise InputError("starts", "an empty list, expected at least one point")


def _check_acceptance(target_accept: float | None, sampler: str) -> None:
    if target_accept is None:
        return
    fraction("target_accept", target_accept)
    if sampler not in NUTS_SAMPLERS:
        raise InputError(
            "target_accept",
            f"given, but sampler {sampler!r} is not NUTS",
            f"Leave it out, or use one of {', '.join(NUTS_SAMPLERS)}.",
        )


def _plain(attrs: dict[str, Any]) -> dict[str, Any]:
    """Attributes as JSON can hold them."""
    return {
        k: v.tolist() if isinstance(v, (np.ndarray, np.generic)) else v for k, v in attrs.items()
    }


def searched(
    density: LogDensity,
    bound: Bound | None,
    starts: int | list[dict[str, float]] | None = None,
    seed: int = 0,
    progress: bool | None = None,
    calibrate: bool = False,
) -> Modes:
    """Every optimum from the staged, scattered or given starts; arguments as of `fit`, and with
    `calibrate` the information there.
    """
    points: list[Array] = []
    origin = origin_of(density.model)
    if isinstance(starts, list):
        for i, point in enumerate(starts):
            unknown = set(point) ^ set(density.variables)
            if unknown:
                raise InputError(
                    f"starts[{i}]", f"parameters {sorted(point)}, expected {density.variables}"
                )
            points.append(density.flatten(point))
    else:
        proposed = [] if origin is None else origin.starts()
        own = density.point(density.initial)
        points = [density.flatten({**own, **p}) for p in proposed] or [density.initial]
        scatter = density.per_entry(lambda one: one.scatter, (-1.0, 1.0))
        rng = np.random.default_rng(seed)
        for _ in range(int(starts or 0)):
            points.append(np.array([rng.uniform(low, high) for low, high in scatter]))
    thinned = None
    if bound is not None and bound.card.staged and not starts:
        part = bound.card.ask("coarse")(bound.data)
        if part is not bound.data:
            thinned = LogDensity(bound.build(part))
    box = density.box
    if not climbable(density, points[0], box):
        instead = None if isinstance(starts, list) else stand_in.start(density)
        if instead is None or not climbable(density, instead, box):
            raise _nowhere(density, points[0])
        points[0] = instead
    shown = list(track(points, "climbing", show=progress)) if len(points) > 5 else points
    informed = calibrate and bool(density.block_names)
    return find_modes(density, shown, box, thinned, informed)


def _nowhere(density: LogDensity, x: Array) -> InputError:
    """That a search cannot begin at a point, with what the model reports there."""
    there = density.posterior(x[None, None])
    found = ", ".join(f"{k} {v.item():.3g}" for k, v in there.data_vars.items() if v.size == 1)
    return InputError(
        "model",
        "no finite log density, or no gradient, at the first start"
        + (f" ({found})" if found else ""),
        "Check data and priors, or give starts=[{...}].",
    )


def _judge(modes: Modes, said: list[str]) -> None:
    """Say what is wrong with the mode, if anything."""
    best = modes.best
    if not best.converged:
        said.append(
            f"The optimiser did not converge (still {best.decrement:.1g} log-likelihood units "
            "to gain): give more starts (starts=20)."
        )
    if best.at_bound:
        said.append(
            f"The mode lies at the edge of the search box in "
            f"{', '.join(map(as_parameter, best.at_bound))}: the "
            "data do not determine it; read the other parameters only."
        )
    rivals = [
        o
        for o in distinct(modes.all)[1:]
        if best.log_posterior - o.log_posterior < 2 and o.converged
    ]
    if rivals:
        said.append(
            f"{len(rivals) + 1} optima within 2 log-likelihood units of each other: report the "
            "posterior (method='nuts'), not the estimate."
        )


def _with(estimate: xr.Dataset, more: xr.Dataset) -> xr.Dataset:
    """An estimate with more variables and attributes."""
    return estimate.merge(more).assign_attrs({**estimate.attrs, **more.attrs})


def _beside(bound: Bound | None, estimate: xr.Dataset) -> dict[str, tuple[float, int]]:
    """Log-likelihood and number of parameters of the models that are shown beside a fit, by name:
    the null model, of the same data and options, and the wing's rivals.
    """
    if bound is None:
        return {}
    found = {}
    if null := bound.card.null:
        taken = cards()[null].options
        options = {name: value for name, value in bound.options.items() if name in taken}
        model = getattr(models, null)(bound.data, prior="flat", **options)
        density, beside = LogDensity(model), bound_of(model)
        assert beside is not None
        points = [density.flatten(p) for p in beside.starts()]
        found[null] = (find_modes(density, points, density.box).best.log_posterior, density.size)
    rivals = bound.card.ask("rivals")
    return found | (rivals(bound, estimate) if rivals is not None and bound.card.rivals else {})


def _with_profile(
    estimate: xr.Dataset, density: LogDensity, modes: Modes, along: Profile, progress: bool | None
) -> xr.Dataset:
    """Add the profile of the log-likelihood along a parameter: at each value the other parameters
    are climbed again.
    """
    at, bounds = density.names.index(along.parameter), density.box
    best = modes.best
    covariance = covariance_of(best.hessian)
    sd = np.sqrt(np.diag(covariance))
    values = np.linspace(
        max(bounds[at, 0], best.x[at] - 4 * sd[at]), min(bounds[at, 1], best.x[at] + 4 * sd[at]), 13
    )
    heights = np.empty(values.size)
    rest = np.delete(np.arange(density.size), at)
    # where the others go, to first order, when this one moves
    slope = covariance[rest, at] / covariance[at, at]
    inverse = covariance_of(best.hessian[np.ix_(rest, rest)])
    for i in track(range(values.size), f"profile along {along.quantity}", show=progress):
        x = best.x.copy()
        x[at] = values[i]
        x[rest] += slope * (values[i] - best.x[at])
        x = np.clip(x, *bounds.T)
        # two Newton steps with the mode's curvature, in the others alone
        for _ in range(2):
            _, gradient = density.value_and_gradient(x)
            step = np.clip(inverse @ gradient[rest], -0.5, 0.5)
            x[rest] = np.clip(x[rest] + step, *bounds[rest].T)
        heights[i] = sum(float(v.sum()) for v in density.value_and_blocks(x)[1].values())
    profile = {
        f"profile_{along.quantity}": ("profile", along.natural(values)),
        "profile_log_likelihood": ("profile", heights),
    }
    return estimate.assign(profile)
