"""`bayesmixer.mash.sample_mixture`: a posterior of all that `fit` takes as known, weights, learned
covariances and the correlation of errors.
"""

from __future__ import annotations

import fnmatch
import json
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import invwishart

from bayesmixer.arguments import whole_number
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.mash.diagonal_errors import typical_errors
from bayesmixer.mash.mixture import Mixture, prior_variances
from bayesmixer.mash.mixture_chains import STEP, Chains, State
from bayesmixer.mash.nested_weights import CONCENTRATION, NULL, Nested
from bayesmixer.mash.posteriors import of_fit
from bayesmixer.mash.reported import OWN
from bayesmixer.mash.rows import Rows
from bayesmixer.mash.transfers import taking_part
from bayesmixer.mash.trees import SQUARE
from bayesmixer.mash.weight_chains import LARGEST_R_HAT, largest_r_hat
from bayesmixer.progress import bar
from bayesmixer.results import assemble

Array = NDArray[np.float64]
# of the effects that a fit was put together with
OF_POSTERIOR = ("n_called", "promised_wrong", "n_effects_by_conditions", *OWN)
LEFT_OUT = ("versions", "command", "created", "n_posterior", "errors")
LEAST = 1e-12  # weight of a component at which a chain begins


def sample_mixture(
    fit: xr.DataTree,
    effects: xr.Dataset,
    *,
    learned: str | Sequence[str] = "ed*",
    errors: bool = True,
    strength: float | None = None,
    draws: int = 200,
    tune: int = 200,
    chains: int = 2,
    seed: int = 0,
    progress: bool | None = None,
) -> xr.DataTree:
    """Draws of a mixture's weights, of covariances that were learned and of the correlation of
    errors, over which `bayesmixer.mash.posterior` averages.

    Before the effects are seen the learned covariances are inverse Wishart about one that they
    share, this Wishart about the covariance of typical errors; that correlation is uniform over all
    correlation matrices, and weights have the prior of `bayesmixer.models.mash`. Each sweep takes
    the likelihood of all effects anew: learn from some thousand random effects.

    Parameters
    ----------
    fit
        What `bayesmixer.mash.fit` or `run` returned, without weight on independent effects: its
        grid and covariances, where chains begin, and the correlation of errors where effects bring
        none.
    effects
        Those to learn from, not chosen ones.
    learned
        Names or patterns of the covariances that are drawn; the others are as they are.
    errors
        Whether the correlation of errors is drawn.
    strength
        As how many effects the prior counts for each covariance; None: as many as there are
        conditions.
    draws, tune, chains
        Sweeps that are kept, before these, and how many chains; the even ones begin at the fit, the
        odd ones at a draw from the prior, equal weights and independent errors.
    seed
        Of the draws.
    progress
        Show a progress bar; None shows it on a terminal.

    Returns
    -------
    xarray.DataTree
        `estimate`: that of the fit. `posterior` (chain, draw): `weights` (component), `U` (learned,
        condition, condition_bis), `error_correlation` (condition, condition_bis), `pi0`,
        `effect_sd` (condition), `log_likelihood`.

    Raises
    ------
    InputError
        No covariance has such a name, or the correlation of errors differs by effect.

    Warns
    -----
    DataWarning
        Chains disagree on what data identify.

    References
    ----------
    Barnard, McCulloch and Meng 2000, Statistica Sinica 10:1281 (correlations one by one).
    """
    rows, mixture, estimate = of_fit(fit, effects)
    if mixture.alone is not None and mixture.weights is not None and mixture.weights[-1] > 0:
        found = "effects that are independent between conditions have weight in it"
        raise InputError("fit", found, "Fit with independent=False.")
    names = [str(name) for name in estimate["covariance"].values]
    asked = [learned] if isinstance(learned, str) else list(learned)
    drawn = [i for i, n in enumerate(names) if any(fnmatch.fnmatchcase(n, one) for one in asked)]
    if not drawn and not errors:
        raise InputError("learned", f"no covariance is named {', '.join(asked)}")
    if errors and rows.v is not None and rows.v.ndim == 3:
        found = "the correlation of errors differs by effect"
        raise InputError("errors", found, "Take it as known: errors=False.")
    if strength is not None and not 0 < strength < np.inf:
        raise InputError("strength", f"{strength!r}, expected a positive number")
    number = [whole_number(name, x, 1) for name, x in (("draws", draws), ("chains", chains))]
    known = _known(rows, mixture, drawn, errors, strength)
    every_rng = np.random.default_rng(seed).spawn(number[1] + 1)
    starts, rngs = _starts(rows, mixture, known, every_rng[0]), every_rng[1:]
    kept: list[list[State]] = []
    with bar("sweeps", number[1] * (number[0] + tune), progress) as b:
        for i, rng in enumerate(rngs):
            state, held = starts[i % 2], list[State]()
            for sweep in range(tune + number[0]):
                state = known.sweep(state, rng)
                if sweep >= tune:
                    held.append(state)
                b.advance()
            kept.append(held)
    posterior = _as_dataset(kept, known, mixture, estimate, [names[i] for i in drawn])
    said = []
    if number[1] > 1 and (worst := largest_r_hat(posterior.drop_vars("U"))) > LARGEST_R_HAT:
        said = [
            f"Chains disagree on what data identify (R-hat {worst:.2f} > {LARGEST_R_HAT:g}): give"
            " more draws (draws=)."
        ]
    for sentence in said:
        warnings.warn(sentence, DataWarning, stacklevel=2)
    estimate = estimate.drop_vars(OF_POSTERIOR, errors="ignore")
    attrs = {str(k): v for k, v in fit.attrs.items() if k not in LEFT_OUT}
    attrs |= {"sampler": "gibbs", "seed": int(seed), "warnings": json.dumps(said)}
    return assemble({"estimate": estimate, "posterior": posterior}, attrs)


def _known(
    rows: Rows, mixture: Mixture, drawn: list[int], errors: bool, strength: float | None
) -> Chains:
    k, scales, r = len(mixture.u), len(mixture.grid), rows.b.shape[1]
    place = np.arange(scales * k)
    null = NULL if mixture.point_mass else None
    prior = Nested(null, CONCENTRATION, place % k, place // k)
    half = float(np.median(rows.s[rows.seen])) / 2
    near = np.r_[[True] * mixture.point_mass, (mixture.grid < half)[prior.scale]]
    assert mixture.weights is not None
    unit = typical_errors(rows)
    v = np.eye(r) if rows.v is None else rows.v if rows.v.ndim == 2 else rows.v.mean(0)
    centre = v * np.outer(unit, unit)
    return Chains(
        rows=rows,
        grid=mixture.grid,
        prior=prior,
        part=taking_part(prior, mixture.weights[: mixture.normals], near.astype(bool)),
        learned=np.array(drawn, dtype=np.intp),
        centre=centre / np.diag(centre).max(),
        strength=float(r) if strength is None else float(strength),
        steps=STEP * (1 - v**2) / np.sqrt(len(rows.b)) if errors else None,
    )


def _starts(rows: Rows, mixture: Mixture, known: Chains, rng: np.random.Generator) -> list[State]:
    """At the fit, and far from it."""
    assert mixture.weights is not None
    r = rows.b.shape[1]
    at_fit = np.log(np.maximum(mixture.weights[: mixture.normals], LEAST))
    far = mixture.u.copy()
    for k in known.learned:
        far[k] = invwishart.rvs(2 * r + 1, r * known.centre, random_state=rng)
    v = rows.v if rows.v is not None else np.eye(r)
    equal = np.full(len(at_fit), -np.log(len(at_fit)))
    of_fit, apart = (v, np.eye(r)) if known.steps is not None else (None, None)
    own = known.centre
    if len(known.learned):  # of full rank, as all draws are
        own = 0.9 * mixture.u[known.learned].mean(0) + 0.1 * own
    return [
        State(mixture.u, own, of_fit, at_fit, 0.0),
        State(far, known.centre, apart, equal, 0.0),
    ]


def _as_dataset(
    kept: list[list[State]], known: Chains, mixture: Mixture, estimate: xr.Dataset, names: list[str]
) -> xr.Dataset:
    """Draws (chain, draw)."""

    def stacked(of: Any) -> Array:
        return np.array([[of(one) for one in chain] for chain in kept])

    both, conditions = ("chain", "draw"), estimate["condition"].values
    weights = stacked(lambda one: np.exp(one.log_weights))

    def size(one: State) -> Array:
        here = Mixture(one.u, mixture.grid, mixture.point_mass)
        return np.asarray(np.sqrt(np.exp(one.log_weights) @ prior_variances(here)))

    found: dict[str, Any] = {
        "weights": ((*both, "component"), weights),
        "effect_sd": ((*both, "condition"), stacked(size)),
        "log_likelihood": (both, stacked(lambda one: one.log_likelihood)),
        "U": ((*both, "learned", *SQUARE[1:]), stacked(lambda one: one.u[known.learned])),
    }
    if mixture.point_mass:
        found["pi0"] = (both, weights[..., 0])
    if known.steps is not None:
        found["error_correlation"] = ((*both, *SQUARE[1:]), stacked(lambda one: one.v))
    coords = {
        "component": estimate["component"].values[: mixture.normals],
        "chain": np.arange(len(kept)),
        "draw": np.arange(len(kept[0])),
        "learned": names,
        "condition": conditions,
        "condition_bis": conditions,
    }
    return xr.Dataset(found, coords=coords)
