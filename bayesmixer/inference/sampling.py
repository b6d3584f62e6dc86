"""NUTS and the other PyMC samplers, started and scaled by the Laplace fit.

The model is sampled in coordinates in which the Laplace posterior is a standard normal (`whiten`):
the sampler's step size and mass matrix are right from the first draw, and a trajectory takes a few
leapfrogs instead of tens.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import xarray as xr
from pytensor.graph.replace import graph_replace

from bayesmixer.checkpoint import Checkpoint
from bayesmixer.errors import InputError
from bayesmixer.inference.density import Array, LogDensity, python_mode
from bayesmixer.inference.limits import NUTS_SAMPLERS
from bayesmixer.interrupts import check


def whiten(density: LogDensity, mode: Array, covariance: Array) -> pm.Model:
    """The same posterior as a model of `white` (P,), the parameters being mode + chol(covariance)
    white.
    """
    root = np.linalg.cholesky(covariance)
    with pm.Model(model=None) as model:  # also within the context of another
        white = pm.Flat("white", shape=mode.size, initval=np.zeros(mode.size))
        flat = pt.as_tensor(mode) + pt.dot(pt.as_tensor(root), white)
        replace, at = {}, 0
        for value, shape in zip(density.value_vars, density.shapes, strict=True):
            size = int(np.prod(shape))
            replace[value] = flat[at : at + size].reshape(shape) if shape else flat[at]
            at += size
        pm.Potential("log_posterior", graph_replace([density.log_posterior()], replace)[0])
    return model


def run(
    density: LogDensity,
    mode: Array,
    covariance: Array,
    *,
    sampler: str,
    draws: int,
    tune: int,
    chains: int,
    cores: int | None,
    seed: int,
    show: bool | None,
    kept: Checkpoint | None = None,
    backend: str = "numba",
    target_accept: float | None = None,
    init: str | None = None,
    depth: int | None = None,
) -> tuple[Array, xr.Dataset]:
    """Sample: draws on the unconstrained scale (chain, draw, P) and the sampler's statistics.

    `sampler` is "nutpie" (default), another NUTS sampler of PyMC ("pymc", "numpyro", "blackjax") or
    the name of a PyMC step method ("Slice", "DEMetropolisZ"). `target_accept` is the acceptance
    rate that NUTS tunes its steps to; None takes the sampler's own; `init` is that of PyMC's NUTS;
    `depth` bounds the trees of nutpie and PyMC's NUTS.

    Raises
    ------
    InputError
        There is no sampler of that name, its package is not installed, or PyMC and it do not go
        together.
    """
    model = whiten(density, mode, covariance)
    cores = cores or min(chains, os.cpu_count() or 1)
    show = bool(show) if show is not None else False
    rng = np.random.default_rng(seed)
    acceptance: dict[str, Any] = (
        {} if target_accept is None else {"target_accept": float(target_accept)}
    )
    if sampler == "nutpie":
        import nutpie

        if tune < 2:  # it would panic
            raise InputError("tune", f"{tune}, expected at least 2 for nutpie")
        if depth is not None:
            acceptance["maxdepth"] = depth

        compiled = nutpie.compile_pymc_model(model, backend=backend)
        check()
        kept = kept or Checkpoint(None)
        batches = []
        for first in range(
            0, chains, cores
        ):  # as many chains as run at once: what a restart need not do again
            name, n = f"nuts-{first}", min(cores, chains - first)
            done = kept.get(name)
            if done is None:
                trace = nutpie.sample(
                    compiled,
                    draws=draws,
                    tune=tune,
                    chains=n,
                    cores=n,
                    seed=seed + first,
                    progress_bar=show,
                    save_warmup=False,
                    **acceptance,
                )
                if trace["posterior"].sizes["draw"] < draws:  # what nutpie returns after Ctrl-C
                    raise KeyboardInterrupt
                stats = trace["sample_stats"].to_dataset()
                done = {"white": trace["posterior"]["white"].values} | {
                    f"stat_{v}": stats[v].values
                    for v in stats.data_vars
                    if stats[v].dims == ("chain", "draw") and stats[v].dtype.kind in "fiub"
                }
                kept.put(name, **done)
                check()
            batches.append(done)
        joined = {v: np.concatenate([b[v] for b in batches]) for v in batches[0]}
        coords = {"chain": np.arange(chains), "draw": np.arange(draws)}
        statistics = xr.Dataset(
            {v[5:]: (("chain", "draw"), a) for v, a in joined.items() if v.startswith("stat_")},
            coords=coords,
        )
        return mode + joined["white"] @ np.linalg.cholesky(covariance).T, statistics
    else:
        start = [{"white": rng.standard_normal(mode.size)} for _ in range(chains)]
        common: dict[str, Any] = {
            "draws": draws,
            "tune": tune,
            "chains": chains,
            "cores": cores,
            "random_seed": seed,
            "progressbar": show,
            "initvals": start,
        }
        common["compute_convergence_checks"] = False
        if init is not None:
            common["init"] = init
        try:
            with model:
                if sampler == "pymc" and depth is not None:
                    acceptance["nuts"] = {"max_treedepth": depth} | acceptance
                    acceptance.pop("target_accept", None)
                if sampler in NUTS_SAMPLERS:
                    trace = pm.sample(nuts_sampler=sampler, **acceptance, **common)
                elif isinstance(getattr(pm, sampler, None), type) and issubclass(
                    getattr(pm, sampler), pm.step_methods.compound.BlockedStep
                ):
                    trace = pm.sample(step=getattr(pm, sampler)(), **common)
                else:
                    raise InputError(
                        "sampler",
                        f"{sampler!r}, expected one of {', '.join(NUTS_SAMPLERS)} or a PyMC "
                        "step method such as Slice",
                    )
        except InputError:
            raise
        except ImportError as error:
            raise InputError(
                "sampler",
                f"{sampler!r} needs a package that is not installed ({error})",
                "Install it, or use sampler='nutpie'.",
            ) from None
        except (
            TypeError,
            AttributeError,
            ValueError,
            NotImplementedError,
            KeyError,
            RuntimeError,
        ) as error:  # a package of another version than PyMC expects
            found = f"{sampler!r} cannot sample this model here ({type(error).__name__}: {error})"
            raise InputError(
                "sampler", found, "Use sampler='nutpie', or another version of its package."
            ) from error
    check()  # after Ctrl-C PyMC returns what it has
    white = trace["posterior"]["white"].values
    return mode + white @ np.linalg.cholesky(covariance).T, trace["sample_stats"].to_dataset()


def run_smc(
    density: LogDensity, *, draws: int, chains: int, cores: int | None, seed: int, show: bool | None
) -> tuple[Array, xr.Dataset]:
    """Sequential Monte Carlo from the prior: draws on the unconstrained scale (chain, draw, P) and
    statistics.

    Raises
    ------
    InputError
        The model has a flat prior: there is nothing to start from.
    """
    model = density.model
    if any(isinstance(rv.owner.op, pm.distributions.continuous.FlatRV) for rv in model.free_RVs):
        raise InputError(
            "method", "smc starts from the prior, and this model's is flat", "Use prior='weak'."
        )
    with model:
        trace = pm.sample_smc(
            draws=draws,
            chains=chains,
            cores=cores or 1,
            random_seed=seed,
            progressbar=bool(show),
            compute_convergence_checks=False,
        )
    check()
    posterior = trace["posterior"]
    return unconstrained(density, posterior.to_dataset()), by_stage(
        trace["sample_stats"].to_dataset(), posterior.sizes["chain"]
    )


def unconstrained(density: LogDensity, draws: xr.Dataset) -> Array:
    """Draws of the free variables on their own scale as flat draws (chain, draw, P)."""
    model = density.model
    free = [model.values_to_rvs[value] for value in density.value_vars]
    taken = {rv: rv.type() for rv in free}
    values = []
    for rv in free:
        transform = model.rvs_to_transforms[rv]
        own = taken[rv] if transform is None else transform.forward(taken[rv], *rv.owner.inputs)
        values.append(own.flatten())
    (flat,) = graph_replace([pt.concatenate(values)], taken, strict=False)
    evaluate = pytensor.function([*taken.values()], flat, mode=python_mode())
    columns = [draws[rv.name].transpose("chain", "draw", ...).values for rv in free]
    shape = columns[0].shape[:2]
    rows = zip(*(c.reshape((-1, *c.shape[2:])) for c in columns), strict=True)
    return np.array([evaluate(*row) for row in rows], float).reshape((*shape, -1))


def by_stage(stats: xr.Dataset, chains: int) -> xr.Dataset:
    """Statistics of SMC as (chain, stage), nan after a chain's last stage: PyMC has a list of its
    own length for each chain.
    """
    made = {}
    for name, v in stats.data_vars.items():
        rows = [
            np.atleast_1d(np.asarray(row, float))
            for row in (v.values if chains > 1 else [v.values])
        ]
        table = np.full((chains, max(row.size for row in rows)), np.nan)
        for c, row in enumerate(rows):
            table[c, : row.size] = row
        made[str(name)] = (("chain", "stage"), table)
    return xr.Dataset(made, coords={"chain": np.arange(chains)})
