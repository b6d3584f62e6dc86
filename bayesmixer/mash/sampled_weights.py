"""What `bayesmixer.fit` makes of a model of a mixture's weights: the mode by the convex problem,
draws by Gibbs sampling, NUTS or a weighted bootstrap.

The mode lies at 0 for most weights, where there is no Gaussian; and neighbouring scales trade
weight at almost no cost, so that what is told of chains is told of masses that data identify.
"""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import DataWarning, InputError
from bayesmixer.mash.transfers import taking_part
from bayesmixer.mash.trees import thinned
from bayesmixer.mash.weight_chains import LARGEST_R_HAT, chain, largest_r_hat
from bayesmixer.mash.weight_problem import BoundWeights, Problem
from bayesmixer.progress import bar

Array = NDArray[np.float64]

ALONE = "independent"  # the last of the groups, where there is this component
METHODS = ("map", "gibbs", "nuts", "bootstrap")
DRAWS = {"gibbs": 1000, "nuts": 500, "bootstrap": 200}
"""Where none are asked for: a chain, of the bootstrap in all."""
LONGEST = 4  # sweeps between draws that are kept, where nobody says how many
MOST = 100  # components that NUTS takes
FOR_NUTS = "NUTS takes some tens of components"


def fitted(model: Any, bound: BoundWeights, method: str, asked: Any) -> xr.DataTree:
    """The mode of the weights, and by every method but "map" draws of them.

    Parameters
    ----------
    model, bound
        The model and its card.
    method
        "map", "gibbs", "nuts" or "bootstrap".
    asked
        `draws`, `tune`, `chains`, `cores`, `seed`, `sampler`, `target_accept`, `progress` of
        `bayesmixer.fit`.

    Returns
    -------
    xarray.DataTree
        As `bayesmixer.mash.fit` or `bayesmixer.ash`; with draws also `posterior`: `weights` (chain,
        draw, component), `pi0`, `near_null`, the weight of each group (of mash with independent
        effects `independent_weight` by itself), `log_likelihood`; and in `estimate` their `_mean`
        and `_sd`.

    Raises
    ------
    InputError
        There is no such method for weights.

    Warns
    -----
    DataWarning
        Chains disagree on what data identify.
    """
    problem = bound.problem
    assert problem is not None
    if method == "laplace":
        found = "'laplace', but many weights are 0 at the mode, where no Gaussian describes them"
        raise InputError("method", found, f"Use one of {', '.join(METHODS)}.")
    if method not in METHODS:
        raise InputError("method", f"{method!r}, expected one of {', '.join(METHODS)}")
    if method == "nuts" and problem.prior.size > MOST:
        found = f"'nuts' with {problem.prior.size:,} components; {FOR_NUTS}"
        raise InputError("method", found, "Use 'gibbs'.")
    said: list[str] = []
    groups: dict[str, xr.Dataset] = {}
    mode = problem.mode()
    if method == "map":
        tree = problem.described(mode, None)
    else:
        sampler = {"gibbs": _gibbs, "nuts": _nuts, "bootstrap": _bootstrap}[method]
        weights, stats = sampler(model, problem, mode.x, asked)
        groups["posterior"] = _apart(problem.functionals(weights))
        if stats is not None:
            groups["sample_stats"] = stats
        said = _concerns(groups["posterior"], stats) if len(weights) > 1 else []
        tree = problem.described(mode, thinned(weights))
    if "posterior" in groups:
        tree["estimate"] = xr.DataTree(_with_spread(tree, groups["posterior"]))
    for name, group in groups.items():
        tree[name] = xr.DataTree(group)
    tree.attrs |= {"sampler": method, "seed": asked.seed, "options": json.dumps(bound.options)}
    tree.attrs["warnings"] = json.dumps(said)
    for sentence in said:
        warnings.warn(sentence, DataWarning, stacklevel=4)
    return tree


def _gibbs(model: Any, problem: Problem, mode: Array, asked: Any) -> tuple[Array, None]:
    """Chains of sweeps, the even ones from the mode, the odd ones from equal weights; where nobody
    says how long, as many more as it takes until they agree, of which fewer are kept.
    """
    draws = asked.draws or DRAWS["gibbs"]
    relative, equal = problem.components.relative, np.full(len(mode), 1 / len(mode))
    part = taking_part(problem.prior, mode, problem.near)
    every = np.random.default_rng(asked.seed).spawn(asked.chains)

    def sweeps(starts: list[Array], count: int, tune: int, apart: int, told: str) -> Array:
        with bar(told, asked.chains * (count * apart + tune), asked.progress) as b:
            return np.array([
                chain(problem.prior, relative, start, part, count, tune, rng, b.advance, apart)
                for start, rng in zip(starts, every, strict=True)
            ])  # fmt: skip

    starts = [equal if i % 2 else 0.99 * mode + 0.01 * equal for i in range(asked.chains)]
    kept, apart = sweeps(starts, draws, asked.tune, 1, "sweeps"), 1
    while asked.draws is None and asked.chains > 1 and apart < LONGEST:
        worst = largest_r_hat(problem.functionals(kept))
        if worst <= LARGEST_R_HAT:
            break
        apart *= 2
        told = f"more sweeps (R-hat {worst:.2f})"
        more = sweeps(list(kept[:, -1]), draws // 2, 0, apart, told)
        kept = np.concatenate([kept[:, 1::2], more], axis=1)
    return kept, None


def _nuts(model: Any, problem: Problem, mode: Array, asked: Any) -> tuple[Array, xr.Dataset]:
    """Chains of NUTS on PyMC's own scale of shares."""
    import pymc as pm

    own = {} if asked.target_accept is None else {"target_accept": asked.target_accept}
    with model:
        found = pm.sample(
            draws=asked.draws or DRAWS["nuts"],
            tune=asked.tune,
            chains=asked.chains,
            cores=asked.cores,
            random_seed=asked.seed,
            nuts_sampler=asked.sampler,
            progressbar=bool(asked.progress),
            compute_convergence_checks=False,
            **own,
        )
    stats = found["sample_stats"].to_dataset()
    kept = [name for name in stats if stats[name].dims == ("chain", "draw")]
    return np.asarray(found["posterior"]["weights"].values), stats[kept]


def _bootstrap(model: Any, problem: Problem, mode: Array, asked: Any) -> tuple[Array, None]:
    """Modes of blocks counted at random, as one chain."""
    draws = asked.draws or DRAWS["bootstrap"]
    rng = np.random.default_rng(asked.seed)
    kept = np.empty((1, draws, problem.prior.size))
    with bar("resampled blocks", draws, asked.progress) as b:
        for i, weights in enumerate(problem.resampled(mode, draws, rng)):
            kept[0, i] = weights
            b.advance()
    return kept, None


def _apart(held: xr.Dataset) -> xr.Dataset:
    """The weight of independent effects beside those of covariances, as the estimate has it."""
    if "covariance" not in held.dims or held["covariance"].values[-1] != ALONE:
        return held
    own = held["covariance_weight"].isel(covariance=-1, drop=True)
    return held.isel(covariance=slice(-1)).assign(independent_weight=own)


def _with_spread(tree: xr.DataTree, held: xr.Dataset) -> xr.Dataset:
    """The estimate with the posterior mean and standard deviation of what data identify."""
    draws = ("chain", "draw")
    more = {}
    for name, one in held.drop_vars(["weights", "log_likelihood"]).data_vars.items():
        more[f"{name}_mean"], more[f"{name}_sd"] = one.mean(draws), one.std(draws)
    out: xr.Dataset = tree["estimate"].to_dataset().assign(more)
    return out


def _concerns(held: xr.Dataset, stats: xr.Dataset | None) -> list[str]:
    """What is wrong with chains, of what data identify."""
    said = []
    worst = largest_r_hat(held)
    if worst > LARGEST_R_HAT:
        said.append(
            f"Chains disagree on masses that data identify (R-hat {worst:.2f} > {LARGEST_R_HAT:g})"
            ": give more draws (draws=)."
        )
    if stats is not None and "diverging" in stats and int(stats["diverging"].sum()):
        said.append(f"{int(stats['diverging'].sum())} divergent transitions: use 'gibbs'.")
    return said
