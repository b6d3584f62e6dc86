"""`bayesmixer.mash.run`: the whole analysis of effects in many conditions, in one call."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from bayesmixer.arguments import choice, whole_number
from bayesmixer.errors import InputError
from bayesmixer.mash.error_correlation import METHODS, beyond_chance, correlation
from bayesmixer.mash.posteriors import posterior
from bayesmixer.mash.prior_covariances import DEFAULT, PLAIN, covariances
from bayesmixer.mash.reported import together
from bayesmixer.mash.rows import picked, rows_of, same_conditions
from bayesmixer.mash.samples import LEARN, fit_sample
from bayesmixer.mash.strong_effects import positions
from bayesmixer.mash.strong_effects import strong as strong_rows

MANY = 50_000  # effects from which the mixture is learned from some of them
ERRORS = ("auto", "independent", *METHODS)


def run(
    effects: xr.Dataset,
    *,
    errors: str = "auto",
    strong: Any = None,
    random: xr.Dataset | None = None,
    more: Any = None,
    independent: bool = True,
    learn_from: int | None = None,
    seed: int = 0,
    contrasts: Any = None,
    threshold: float = 0.05,
) -> xr.DataTree:
    """Learn the mixture that effects come from, and their posteriors under it.

    The correlation of the errors is estimated where effects bring none and it is beyond chance;
    covariances are the canonical ones and those that strong effects tell; weights are learned from
    all effects, or from random ones where there are many, the strong among them as often as they
    come: without them the mixture would be that of effects that are not strong.

    Parameters
    ----------
    effects
        What `bayesmixer.read_effects` returned: all effects, or random ones, not chosen ones alone
        without `random` ones beside.
    errors
        Correlation of their errors, where `effects` hold none: "auto", the pairwise estimate of
        `bayesmixer.mash.correlation`, of effects that are not strong, where it is beyond chance;
        "independent"; or one of its methods.
    strong
        Effects from which covariances are learned: positions, names or a mask; None takes those
        that are significant in some condition by itself, beside `random` ones all.
    random
        Effects drawn at random, beside which `effects` are strong ones: from these the weights and
        the correlation of errors are learned, from `effects` covariances, and the posteriors are of
        `effects` (the published workflow of two sets).
    more
        Further covariances, as in `bayesmixer.mash.covariances`.
    independent
        Whether there is a component of effects that are independent between conditions.
    learn_from
        Number of effects to learn weights from, drawn at random; None takes all up to 50,000, of
        more 20,000.
    seed
        Of the draw.
    contrasts
        As in `bayesmixer.mash.posterior`.
    threshold
        Called: a local false sign rate below it.

    Returns
    -------
    xarray.DataTree
        What `bayesmixer.mash.together` makes of fit and posterior: `estimate` (with `n_strong`) and
        `effects`. It serves as the fit of other effects too, which then are under the errors'
        correlation that was estimated here.

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
    >>> effects = bm.read_effects([[0.5, 0.4], [-0.2, 0.1], [0.0, 0.1]], 0.1)
    >>> bm.mash.run(effects)["effects"]["mean"].shape
    (3, 2)
    """
    choice("errors", errors, ERRORS)
    every = effects if random is None else _beside(effects, random)
    n = len(rows_of(every).b)
    if not n or not len(rows_of(effects).b):
        raise InputError("effects", "none")
    most = whole_number("learn_from", learn_from, 1) if learn_from is not None else None
    if strong is not None:
        chosen = strong
    else:
        chosen = strong_rows(effects) if random is None else np.arange(effects.sizes["effect"])
    every, _ = with_errors(every, errors, chosen if random is None else None)
    effects = every if random is None else under_errors_of(every, effects)
    kinds = DEFAULT if len(chosen) and effects.sizes["condition"] > 1 else PLAIN
    u = covariances(effects, kinds, strong=chosen, more=more)
    count = min(n, most or (n if n <= MANY else LEARN))
    fit = fit_sample(every, u, rows=count, seed=seed, others=False, independent=independent)
    fit["estimate"]["n_strong"] = len(chosen)
    found = posterior(fit, effects, contrasts=contrasts)
    return together(fit, found, effects, threshold=threshold)


def under_errors_of(random: xr.Dataset, effects: xr.Dataset) -> xr.Dataset:
    """Effects under the correlation of errors of random ones, where they hold none.

    Raises
    ------
    InputError
        Each random one has its own.
    """
    if "v" not in random or "v" in effects:
        return effects
    if random["v"].ndim > 2:
        found = "without a correlation of errors, of which each random one has its own"
        raise InputError("effects", found, "Read them with v=.")
    return effects.assign(v=random["v"])


def _beside(effects: xr.Dataset, random: xr.Dataset) -> xr.Dataset:
    """Random effects, of the same conditions and alpha as the effects.

    Raises
    ------
    InputError
        They are not.
    """
    rows_of(effects), rows_of(random, "random")
    same_conditions(effects, random["condition"].values, "random")
    if random.attrs["alpha"] != effects.attrs["alpha"]:
        found = f"read with alpha {random.attrs['alpha']:g}, effects {effects.attrs['alpha']:g}"
        raise InputError("random", found, "Read them with one alpha.")
    return random


def with_errors(
    effects: xr.Dataset, errors: str, strong: Any = None
) -> tuple[xr.Dataset, xr.DataArray | None]:
    """Effects with the correlation of their errors, and that where it was estimated.

    Parameters
    ----------
    effects, errors, strong
        As in `run`; "auto" learns from effects that are not strong, since these would pass for
        correlated errors.
    """
    rows = rows_of(effects)
    if "v" in effects or errors == "independent" or rows.b.shape[1] == 1:
        return effects, None
    if errors == "auto":
        chosen = strong_rows(effects) if strong is None else positions(strong, effects)
        left = np.setdiff1d(np.arange(len(rows.b)), chosen)
        if not len(left) or not beyond_chance(picked(rows, left)):
            return effects, None
        v = correlation(effects.isel(effect=left), "pairwise")
    else:
        v = correlation(effects, errors)
    return effects.assign(v=v.drop_attrs()), v
