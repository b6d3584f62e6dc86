"""Sampling with a binned likelihood: NUTS on a thousand bins instead of a million rows, then
re-weighted by the exact likelihood.

The surrogate is the same model of the bins' mean rows (the wing's `bins`), plus the second-order
expansion at the mode of what is missing,

    log q(x) = log p_bins(x) + c + g' w + w' H w / 2,
    w = root^-1 (x - mode), root root' = covariance,

c, g, H the value, gradient and Hessian of log p - log p_bins there: q has the exact mode and
curvature, and errs from the third order on. Its draws are weighted by p / q and smoothed by PSIS
(Vehtari et al. 2024, JMLR 25:72), so that k-hat and the shift of the means say what the bins have
cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from scipy.special import logsumexp

from bayesmixer.arguments import whole_number
from bayesmixer.checkpoint import Checkpoint
from bayesmixer.errors import InputError
from bayesmixer.facts import HIGH_PARETO_K, weights_fail
from bayesmixer.inference import sampling
from bayesmixer.inference.density import Array, LogDensity
from bayesmixer.inference.limits import LEAST
from bayesmixer.models.common import bound_of
from bayesmixer.progress import bar

BINS = 1000
EXACT = 1000  # draws that are weighted
STEP = 0.3  # standard deviations, of the central differences for H
REACH = 8.0  # standard deviations at which the expansion levels off, lest it run away
BATCH = 100  # exact evaluations kept together on disk


class BinnedDensity(LogDensity):
    """Surrogate of a model's log density: bins plus expansion at the mode, as a PyMC model of the
    same parameters.

    Attributes
    ----------
    data
        GwasData of the bins.
    bins
        Their number.
    correction
        (c, g, H) of the expansion, in standard deviations of the Laplace fit: what the bins alone
        would have missed.
    """

    def __init__(
        self, model: pm.Model, data: xr.Dataset, bins: int, correction: tuple[float, Array, Array]
    ) -> None:
        super().__init__(model)
        self.data, self.bins, self.correction = data, bins, correction


@dataclass
class Reweighted:
    """Draws of a surrogate, weighted by the exact density.

    `proposals` (S, P), their smoothed `log_weight` (S,), `pareto_k`, `effective` draws, `rows` (S,)
    resampled by weight, log-likelihood per LD block of each (S, L) by potential; `shift` (P,):
    exact minus surrogate mean in posterior sd; `log_ratio_sd`: spread of log p - log q over the
    draws.
    """

    proposals: Array
    log_weight: Array
    pareto_k: float
    effective: float
    rows: np.ndarray
    blocks: dict[str, Array]
    shift: Array
    log_ratio_sd: float

    @property
    def attrs(self) -> dict[str, float]:
        """The quality of the draws, as attributes of `sample_stats`."""
        return {
            "pareto_k": self.pareto_k,
            "effective_draws": self.effective,
            "proposals": len(self.proposals),
            "binned_mean_shift_sd": float(np.abs(self.shift).max()),
            "binned_log_ratio_sd": self.log_ratio_sd,
        }

    @property
    def said(self) -> list[str]:
        """What a user must know: nothing where the weights can be trusted."""
        if not weights_fail(self.pareto_k, self.log_ratio_sd):
            return []
        return [
            "The binned likelihood does not describe this posterior (k-hat "
            f"{self.pareto_k:.2f} > {HIGH_PARETO_K}, {self.effective:.0f} effective draws): "
            "give more bins, or sample without them."
        ]


@dataclass
class Binned:
    """A binned NUTS run: the surrogate, its draws (chain, draw, P) and statistics, and the
    re-weighted posterior.
    """

    density: BinnedDensity
    draws: Array
    stats: xr.Dataset
    exact: Reweighted


def sample(
    density: LogDensity,
    mode: Array,
    covariance: Array,
    *,
    bins: int = BINS,
    exact: int = EXACT,
    sampler: str = "nutpie",
    draws: int = 1000,
    tune: int = 300,
    chains: int = 4,
    cores: int | None = None,
    seed: int = 0,
    show: bool | None = None,
    kept: Checkpoint | None = None,
    target_accept: float | None = None,
    init: str | None = None,
    depth: int | None = None,
) -> Binned:
    """Bin, sample the surrogate by NUTS, weigh by the exact likelihood.

    Parameters
    ----------
    density
        Log posterior of a model of this package.
    mode, covariance
        (P,), (P, P): its mode and inverse curvature there (`find_modes`, `covariance_of`).
    bins
        Number of bins.
    exact
        Number of draws, evenly spaced over the chains, that are weighted: each costs one exact
        evaluation.
    sampler, draws, tune, chains, cores, seed, show, kept, target_accept, init, depth
        As in `sampling.run`.

    Returns
    -------
    Binned

    Raises
    ------
    InputError
        An argument is unusable, or the model is not one of this package's.
    """
    surrogate = binned_density(density, mode, covariance, bins)
    taken, stats = sampling.run(
        surrogate,
        mode,
        covariance,
        sampler=sampler,
        draws=draws,
        tune=tune,
        chains=chains,
        cores=cores,
        seed=seed,
        show=show,
        kept=kept,
        target_accept=target_accept,
        init=init,
        depth=depth,
    )
    return Binned(
        surrogate,
        taken,
        stats,
        reweight(density, surrogate, taken, exact, seed=seed, show=show, kept=kept),
    )


def binned_density(
    density: LogDensity, mode: Array, covariance: Array, bins: int = BINS
) -> BinnedDensity:
    """The surrogate of a log density: 2 P + 1 exact gradients and one pass over the data.

    Parameters
    ----------
    density
        Log posterior of a model of this package.
    mode, covariance
        (P,), (P, P): where the surrogate is exact to second order, and the scale there.
    bins
        Number of bins.

    Returns
    -------
    BinnedDensity

    Raises
    ------
    InputError
        `bins` is unusable, the model is not one of this package's, or has no finite density around
        the mode.

    References
    ----------
    Expansion of a likelihood's remainder at the mode: Quiroz et al. 2019 (Journal of the American
    Statistical Association 114:831).
    """
    bound = bound_of(density.model)
    if bound is None:
        raise InputError(
            "model",
            "not a model of bayesmixer, and only those can be made anew of bins",
            "Sample without bins.",
        )
    whole_number("bins", bins, LEAST["bins"])
    mode, covariance = np.asarray(mode, float), np.asarray(covariance, float)
    if not np.isfinite(density.value_and_gradient(mode)[0]):
        raise InputError(
            "model",
            "no finite log density around the mode",
            "Give other starts, or sample without bins.",
        )
    make_bins = bound.card.ask("bins")
    if make_bins is None:
        raise InputError("method", f"'binned', but {bound.name} has no bins", "Use method='nuts'.")
    data = make_bins(bound, density.posterior(mode[None, None]), int(bins))
    plain = LogDensity(bound.build(data))
    root = np.linalg.cholesky(covariance)

    def missing(x: Array) -> tuple[float, Array]:
        (value, gradient), (value_bins, gradient_bins) = (
            density.value_and_gradient(x),
            plain.value_and_gradient(x),
        )
        return value - value_bins, root.T @ (gradient - gradient_bins)

    value, gradient = missing(mode)
    sides = [[missing(mode + side * STEP * axis)[1] for side in (1, -1)] for axis in root.T]
    hessian = np.array([(up - down) / (2 * STEP) for up, down in sides])
    if not (np.isfinite(value) and np.isfinite(gradient).all() and np.isfinite(hessian).all()):
        raise InputError(
            "model",
            "no finite log density around the mode",
            "Give other starts, or sample without bins.",
        )
    correction = (value, gradient, (hessian + hessian.T) / 2)
    model = bound.build(data)
    if any(t is not None for t in model.rvs_to_transforms.values()):
        raise InputError(
            "model",
            f"{bound.name} has parameters with bounds, expected free ones",
            "Sample without bins.",
        )
    with model:
        flat = pt.concatenate([pt.flatten(model[name]) for name in density.variables])
        white = pt.dot(pt.as_tensor(np.linalg.inv(root)), flat - pt.as_tensor(mode))
        near = white / (1 + (white / REACH) ** 4) ** 0.25
        pm.Potential(
            "missing",
            value + pt.dot(gradient, near) + 0.5 * pt.dot(near, pt.dot(correction[2], near)),
        )
    return BinnedDensity(model, data, bound.count(data), correction)


def reweight(
    density: LogDensity,
    surrogate: LogDensity,
    draws: Array,
    exact: int = EXACT,
    *,
    seed: int = 0,
    show: bool | None = None,
    kept: Checkpoint | None = None,
) -> Reweighted:
    """Weigh draws of a surrogate by the exact density: PSIS, k-hat, resampling, error.

    Parameters
    ----------
    density, surrogate
        Exact log density, and the one that was sampled.
    draws
        (chain, draw, P) of the surrogate.
    exact
        Number of draws to weigh, evenly spaced over all chains.
    seed
        Of the resampling.
    show, kept
        Progress bar; where finished batches lie.

    Returns
    -------
    Reweighted

    Raises
    ------
    InputError
        `exact` is below 50, or no draw has a finite density.
    """
    whole_number("exact", exact, LEAST["draws"])
    flat = draws.reshape(-1, draws.shape[-1])
    proposals = flat[
        np.unique(np.linspace(0, len(flat) - 1, min(int(exact), len(flat))).round().astype(int))
    ]
    kept, size = kept or Checkpoint(None), len(proposals)
    log_p, parts = [], []
    with bar("exact likelihood of the draws", size, show) as progress:
        for first in range(0, size, BATCH):
            done = kept.get(f"exact-{first}")
            if done is None:
                log_p_here, found = density.values_and_blocks(
                    proposals[first : first + BATCH], progress.advance
                )
                done = {"log_p": log_p_here} | {f"of_{name}": v for name, v in found.items()}
                kept.put(f"exact-{first}", **done)
            log_p.append(done["log_p"])
            parts.append(done)
    value = np.concatenate(log_p)
    ratio = np.where(np.isfinite(value), value, -np.inf) - surrogate.values_and_blocks(proposals)[0]
    if not np.isfinite(ratio).any():
        raise InputError(
            "draws",
            "the exact log density is not finite for any of them",
            "Give other starts, or sample without bins.",
        )
    log_weight, k = _smooth(ratio)
    weight = np.exp(log_weight)
    rng = np.random.default_rng(seed)
    # systematic resampling: as few repeats as the weights allow
    rows_taken = np.searchsorted(
        np.cumsum(weight), (np.arange(size) + rng.random()) / size * weight.sum()
    )
    mean = weight @ proposals
    sd = np.sqrt(weight @ (proposals - mean) ** 2)
    finite = ratio[np.isfinite(ratio)]
    return Reweighted(
        proposals,
        log_weight,
        k,
        float(1 / (weight**2).sum()),
        rng.permutation(np.minimum(rows_taken, size - 1)),
        {name: np.concatenate([p[f"of_{name}"] for p in parts]) for name in density.block_names},
        (mean - proposals.mean(0)) / np.where(sd > 0, sd, 1.0),
        float(finite.std()),
    )


def _smooth(ratio: Array) -> tuple[Array, float]:
    """Smoothed, normalised log weights, and k-hat (0 where all weights are the same)."""
    ratio = np.maximum(ratio - ratio.max(), -1e3)
    if np.ptp(ratio) < 1e-9:
        return np.full(ratio.size, -np.log(ratio.size)), 0.0
    from arviz_stats.base import array_stats  # it takes half a second

    smoothed, k = array_stats.psislw(-ratio)  # takes minus the log ratios
    return np.asarray(smoothed, float) - logsumexp(smoothed), float(np.asarray(k))
