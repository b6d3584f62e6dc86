"""`bayesmixer.mash.fit` and `given`: the mixture that effects come from, learned or known."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.io.effect_tables import numbers
from bayesmixer.mash.grid import checked_grid, default_grid
from bayesmixer.mash.independent import Alone
from bayesmixer.mash.learning import learn, learn_alone
from bayesmixer.mash.mixture import Mixture, checked, normalised
from bayesmixer.mash.prior_covariances import matrices, named, scarcely_learned
from bayesmixer.mash.rows import rows_of
from bayesmixer.mash.trees import of_mixture

Array = NDArray[np.float64]


def fit(
    effects: xr.Dataset,
    covariances: Any,
    *,
    grid: Any = None,
    prior: Any = "nullbiased",
    point_mass: bool = True,
    independent: bool = False,
) -> xr.DataTree:
    """Weights of a mixture of normals, of all covariances at all scales, that effects come from.

    Parameters
    ----------
    effects
        What `bayesmixer.read_effects` returned.
    covariances
        What `bayesmixer.mash.covariances` returned, a dict {name: matrix}, or an array (covariance,
        condition, condition). Each is divided by its largest variance.
    grid
        Standard deviations at which every covariance is taken, in units of b / shat^alpha; None
        takes steps of sqrt(2) from a tenth of the smallest standard error to twice the largest
        effect beyond its error.
    prior
        Dirichlet penalty: "nullbiased" (10 for the point mass, 1 for the others), "uniform", or a
        number of at least 1 for each component.
    point_mass
        Whether there is a component of effects that are exactly 0.
    independent
        One more component, last: effects that are independent between conditions, whose density is
        the product of the conditions' own mixtures (`bayesmixer.ash` at the same scales, learned
        from all effects first), joined by the Gaussian copula of the errors' correlation where
        there is one. Posteriors within it are those of `ash`, condition by condition. Beside it
        weights must be earned: a component that one effect alone gives most of its weight, and
        covariances that `covariances` learned from fewer than twice as many effects as there are
        conditions, must make some effect, or all together, as many times likelier as there are
        effects times components; and every covariance must be worth the two numbers it adds, a
        weight and a scale (2 units of log-likelihood).

    Returns
    -------
    xarray.DataTree
        `estimate`: `weights` and `prior` (component), `grid` (scale), `U` (covariance, condition,
        condition_bis), `covariance_weight` (covariance), `pi0`, the mass at exactly 0,
        `log_likelihood` (natural, of bhat), `penalised_log_likelihood`, and `duality_gap`, the most
        by which the latter can lie below its optimum, given the covariances and, with
        `independent`, each condition's own mixture and what was left out: its
        `independent_weights` (condition, independent_scale), their `independent_grid`, and the
        component's `independent_weight`; `error_correlation` (condition, condition_bis), that of
        the effects where they have one, which other effects that bring none are then under.
        Components: the point mass, then for every scale all covariances, then `independent`.

    Raises
    ------
    InputError
        An argument cannot be used.

    References
    ----------
    Urbut et al. 2019, Nature Genetics 51:187.

    Examples
    --------
    >>> import bayesmixer as bm
    >>> effects = bm.read_effects([[0.5, 0.4], [-0.2, 0.1]], 0.1)
    >>> fit = bm.mash.fit(effects, bm.mash.covariances(effects, ["canonical"]))
    >>> bool(fit["estimate"]["duality_gap"] < 1e-4)
    True
    """
    rows = rows_of(effects)
    conditions = [str(name) for name in effects["condition"].values]
    if not rows.seen.any(0).all():
        found = f"condition {conditions[int(np.argmin(rows.seen.any(0)))]} has no value"
        raise InputError("effects", found, "Leave it out.")
    u, names = matrices(covariances, effects)
    scales = default_grid(rows) if grid is None else checked_grid(grid)
    alone = None
    if independent:
        own = prior if isinstance(prior, str) else "nullbiased"
        alone = learn_alone(rows, scales, bool(point_mass), own)
    mixture = Mixture(normalised(checked(u, names)), scales, bool(point_mass), alone=alone)
    learned = learn(rows, mixture, prior, scarcely_learned(covariances))
    attrs = {
        "alpha": effects.attrs["alpha"],
        "sources": effects.attrs.get("source", ""),
        "n_effects": effects.sizes["effect"],
        "independent": int(independent),
    }
    return of_mixture(learned.mixture, names, conditions, attrs, learned, rows.v)


def given(
    covariances: Any, grid: Any, weights: Any, point_mass: bool = True, independent: Any = None
) -> xr.DataTree:
    """A mixture that is known already, in the form that `fit` returns.

    Parameters
    ----------
    covariances
        A Dataset `U` (covariance, condition, condition_bis), a dict {name: matrix} or an array
        (covariance, condition, condition); taken as they are.
    grid
        Standard deviations (scale).
    weights
        Of the point mass, where there is one, then for every scale all covariances, then of
        independent effects, where there are; they sum to 1.
    point_mass
        Whether the first weight is that of effects that are exactly 0.
    independent
        Weights (condition, scale) of each condition's own mixture, of 0 (with a point mass) and the
        grid; each condition's sum to 1. None: no component of independent effects.

    Raises
    ------
    InputError
        The numbers do not fit each other, or the weights are no probabilities.
    """
    covariances = named(covariances)
    if isinstance(covariances, xr.Dataset) and "U" in covariances:
        conditions = [str(name) for name in covariances["condition"].values]
        size = len(conditions)
    else:
        first = [*covariances.values()][0:1] if isinstance(covariances, dict) else covariances
        shape = numbers(first, "covariances").shape
        size = shape[-1] if len(shape) >= 2 else 0
        conditions = []
    place = conditions or [f"condition_{i + 1}" for i in range(size)]
    u, names = matrices(covariances, xr.Dataset(coords={"condition": place}))
    try:
        given_weights = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("weights", "holds what is no number") from None
    scales = checked_grid(grid)
    alone = None
    if independent is not None:
        own = np.asarray(independent, dtype=np.float64)
        expected = (size, int(point_mass) + len(scales))
        if own.shape != expected or not _probabilities(own):
            found = f"of shape {own.shape}, expected probabilities of shape {expected}"
            raise InputError("independent", found + " that sum to 1 for each condition")
        alone = Alone(own, np.r_[np.zeros(int(point_mass)), scales])
    mixture = Mixture(checked(u, names), scales, bool(point_mass), given_weights, alone)
    if given_weights.shape != (mixture.size,):
        found = f"of shape {given_weights.shape}, expected ({mixture.size},): "
        raise InputError(
            "weights",
            found + f"{'the point mass and ' if point_mass else ''}{len(mixture.grid)} scales of"
            f" {len(u)} covariances",
        )
    if not _probabilities(given_weights):
        raise InputError("weights", "expected probabilities that sum to 1")
    return of_mixture(
        mixture,
        names,
        place,
        {"named": int(bool(conditions)), "independent": int(alone is not None)},
    )


def _probabilities(weights: Array) -> bool:
    return bool((weights >= 0).all() and (np.abs(weights.sum(-1) - 1) < 1e-6).all())
