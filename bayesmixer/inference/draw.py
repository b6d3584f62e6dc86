"""Draws of a posterior whose mode is known: Laplace with importance resampling, NUTS, NUTS on bins,
or SMC, behind one function.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr

from bayesmixer.card import unit_in_words
from bayesmixer.checkpoint import Checkpoint
from bayesmixer.errors import DataWarning
from bayesmixer.inference import binned, laplace, proper, sampling
from bayesmixer.inference.density import Array, LogDensity
from bayesmixer.inference.estimate import log_likelihood_group
from bayesmixer.inference.limits import DRAWS, ENOUGH
from bayesmixer.progress import bar

K_HAT = 0.7  # above it draws do not describe the posterior (Vehtari et al. 2024)
# of the trees of chains that nobody asked for: on a ridge a draw could take 1,023 gradients, so 31
FALL_DEPTH = 5


@dataclass(frozen=True)
class Settings:
    """What a user asked of the draws; the arguments of `fit` of these names."""

    draws: int | None = None
    tune: int = 300
    chains: int = 4
    cores: int | None = None
    seed: int = 0
    sampler: str = "nutpie"
    bins: int = binned.BINS
    progress: bool | None = None
    target_accept: float | None = None
    init: str | None = None
    depth: int | None = (
        # of the trees of NUTS, 2^depth - 1 gradients a draw at most; None: the sampler's own, 10
        None
    )
    falls: bool = True  # whether Laplace makes way for NUTS where it does not describe the density


@dataclass
class Drawn:
    """Draws (chain, draw, P) on the unconstrained scale, by `method`, with `log_likelihood` of each
    by LD block and `sample_stats`.

    `said` is what to warn of, `heard` what of it was said before the draws were made.
    """

    method: str
    draws: Array
    sample_stats: xr.Dataset
    log_likelihood: xr.Dataset
    said: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)


def draw(
    method: str,
    density: LogDensity,
    mode: Array,
    covariance: Array,
    bounds: Array,
    settings: Settings,
    kept: Checkpoint,
) -> Drawn:
    """Draw from a posterior.

    Parameters
    ----------
    method
        "laplace", "nuts", "binned" or "smc".
    density
        The log posterior of P parameters.
    mode, covariance, bounds
        (P,), (P, P), (P, 2): its mode, the inverse curvature there, and the search box.
    settings
        Numbers of draws and chains, seed.
    kept
        Where finished parts lie.

    Returns
    -------
    Drawn
        Its `method` is "nuts" where that of Laplace had k-hat > 0.7.

    Raises
    ------
    InputError
        The method cannot draw from this model, or its priors are flat and the posterior improper.

    Warns
    -----
    DataWarning
        Before NUTS begins in place of Laplace, with the most that it can take.
    """
    if method in ("nuts", "binned"):  # Laplace keeps to the search box, and SMC starts from a prior
        proper.refuse(density, mode, covariance, bounds)
    return {"laplace": _laplace, "nuts": _nuts, "binned": _binned, "smc": _smc}[method](
        density, mode, covariance, bounds, settings, kept
    )


def _laplace(
    density: LogDensity,
    mode: Array,
    covariance: Array,
    bounds: Array,
    settings: Settings,
    kept: Checkpoint,
) -> Drawn:
    """Draws of a Gaussian at the mode, importance-resampled; of NUTS where they do not do."""
    n = settings.draws or DRAWS["laplace"]
    result = laplace.sample(
        density,
        mode,
        covariance,
        bounds,
        n,
        np.random.default_rng(settings.seed),
        settings.progress,
        kept,
        None if settings.draws else ENOUGH,
    )
    if settings.falls and not result.pareto_k <= K_HAT:
        proper.refuse(density, mode, covariance, bounds)
        sentence = (
            "The Laplace approximation does not describe this posterior (k-hat "
            f"{result.pareto_k:.2f} > {K_HAT:g}, "
            f"{result.effective:.0f} effective draws): sampled by NUTS instead, "
            f"{_most(density, mode, settings)}."
        )
        warnings.warn(sentence, DataWarning, stacklevel=5)
        drawn = _nuts(
            density,
            mode,
            covariance,
            bounds,
            replace(settings, draws=DRAWS["nuts"], depth=FALL_DEPTH),
            kept,
        )
        drawn.said.insert(0, sentence)
        drawn.heard.append(sentence)
        return drawn
    raw = "" if settings.falls else "uncalibrated_"
    attrs = {
        f"{raw}pareto_k": result.pareto_k,
        f"{raw}effective_draws": result.effective,
        "proposals": len(result.proposals),
    }
    return _resampled(
        "laplace", density, result.proposals, result.rows, result.log_weight, result.blocks, attrs
    )


def _most(density: LogDensity, mode: Array, settings: Settings) -> str:
    """The most that bounded NUTS can take, in words."""
    began = time.perf_counter()
    density.value_and_gradient(mode)
    gradients = settings.chains * (settings.tune + DRAWS["nuts"]) * (2**FALL_DEPTH - 1)
    minutes = (
        gradients
        * (time.perf_counter() - began)
        / 60
        / min(settings.chains, settings.cores or os.cpu_count() or 1)
    )
    return (
        f"{settings.chains} chains of {DRAWS['nuts']} draws and at most {gradients:,} "
        f"gradients ({max(minutes, 0.1):.1g} minutes on this machine; "
        "method='nuts' has no such bound, 'map' no chains)"
    )


def _resampled(
    method: str,
    density: LogDensity,
    proposals: Array,
    rows: np.ndarray,
    log_weight: Array,
    blocks: dict[str, Array],
    attrs: dict[str, float],
) -> Drawn:
    """Weighted proposals, resampled, as several chains, since ArviZ compares chains."""
    rows = laplace.in_chains(rows)
    stats = xr.Dataset(
        {"log_weight": (("chain", "draw"), log_weight[rows])},
        coords={"chain": np.arange(rows.shape[0]), "draw": np.arange(rows.shape[1])},
        attrs=attrs,
    )
    return Drawn(
        method,
        proposals[rows],
        stats,
        log_likelihood_group({k: v[rows] for k, v in blocks.items()}, rows.shape, density),
    )


def _nuts(
    density: LogDensity,
    mode: Array,
    covariance: Array,
    bounds: Array,
    settings: Settings,
    kept: Checkpoint,
) -> Drawn:
    """Chains of NUTS, or of another sampler."""
    draws = settings.draws or DRAWS["nuts"]
    taken, stats = _chains_of(sampling.run, density, mode, covariance, settings, kept, draws)
    return Drawn(
        "nuts",
        taken,
        stats,
        _log_likelihood(density, taken, settings.progress),
        _concerns(density, taken, stats)[1],
    )


def _binned(
    density: LogDensity,
    mode: Array,
    covariance: Array,
    bounds: Array,
    settings: Settings,
    kept: Checkpoint,
) -> Drawn:
    """Chains of NUTS on bins, re-weighted by the exact likelihood."""
    run = _chains_of(
        binned.sample,
        density,
        mode,
        covariance,
        settings,
        kept,
        settings.draws or DRAWS["nuts"],
        bins=settings.bins,
    )
    r_hat, said = _concerns(run.density, run.draws, run.stats)
    attrs = run.exact.attrs | {"bins": run.density.bins, "binned_r_hat": r_hat}
    drawn = _resampled(
        "binned",
        density,
        run.exact.proposals,
        run.exact.rows,
        run.exact.log_weight,
        run.exact.blocks,
        attrs,
    )
    drawn.said = said + run.exact.said
    return drawn


def _chains_of[T](
    run: Callable[..., T],
    density: LogDensity,
    mode: Array,
    covariance: Array,
    settings: Settings,
    kept: Checkpoint,
    draws: int,
    **more: int,
) -> T:
    """Call a sampler with the settings."""
    return run(
        density,
        mode,
        covariance,
        sampler=settings.sampler,
        draws=draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=settings.cores,
        seed=settings.seed,
        show=settings.progress,
        kept=kept,
        target_accept=settings.target_accept,
        init=settings.init,
        depth=settings.depth,
        **more,
    )


def _smc(
    density: LogDensity,
    mode: Array,
    covariance: Array,
    bounds: Array,
    settings: Settings,
    kept: Checkpoint,
) -> Drawn:
    """Sequential Monte Carlo from the prior."""
    taken, stats = sampling.run_smc(
        density,
        draws=settings.draws or DRAWS["smc"],
        chains=settings.chains,
        cores=settings.cores,
        seed=settings.seed,
        show=settings.progress,
    )
    return Drawn(
        "smc",
        taken,
        stats,
        _log_likelihood(density, taken, settings.progress),
        _concerns(density, taken, stats)[1],
    )


def _log_likelihood(density: LogDensity, draws: Array, progress: bool | None) -> xr.Dataset:
    """Log-likelihood per LD block of every draw."""
    chains, n = draws.shape[:2]
    unit = unit_in_words(density.unit)
    with bar(f"log-likelihood by {unit}", chains * n, progress) as b:
        blocks = density.values_and_blocks(draws.reshape(chains * n, -1), b.advance)[1]
    return log_likelihood_group(blocks, (chains, n), density)


def _concerns(density: LogDensity, draws: Array, stats: xr.Dataset) -> tuple[float, list[str]]:
    """Largest R-hat (nan for one chain), and what is wrong with the chains, if anything."""
    import arviz as az

    worst, said = np.nan, []
    if draws.shape[0] > 1:
        r_hat = az.rhat(density.unconstrained(draws))
        worst = max(float(v.max()) for v in r_hat.data_vars.values())
        if worst > 1.01:
            said.append(f"Chains disagree (R-hat {worst:.3f} > 1.01): give more draws (draws=).")
    if "diverging" in stats and int(stats["diverging"].sum()):
        said.append(
            f"{int(stats['diverging'].sum())} divergent transitions: the posterior has a "
            "corner that the sampler misses."
        )
    return worst, said
