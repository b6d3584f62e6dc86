"""`bayesmixer.ash`: adaptive shrinkage of effects in one condition (Stephens 2017)."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.mash.ash_arguments import (
    beyond,
    family_of,
    number,
    of_another,
    scales_of,
    weights_of,
)
from bayesmixer.mash.ash_components import around
from bayesmixer.mash.ash_estimates import Estimates, estimates
from bayesmixer.mash.ash_learning import Learned, best_mode, dirichlet, learn
from bayesmixer.mash.ash_posterior import Known, posterior, prior_of, running_means
from bayesmixer.mash.grid import RATIO, grid_of
from bayesmixer.mash.trees import MADE_BY, UNLISTED
from bayesmixer.results import assemble

Array = NDArray[np.float64]


def ash(
    bhat: Any,
    shat: Any = None,
    mixture: str | None = None,
    *,
    mode: Any = None,
    alpha: float | None = None,
    df: Any = None,
    grid: Any = None,
    gridmult: float | None = None,
    prior: Any = "nullbiased",
    null_weight: float = 10,
    point_mass: bool | None = None,
    weights: Any = None,
    given: xr.DataTree | None = None,
) -> xr.DataTree:
    """Effects under a mixture around one mode that is learned from all of them.

    Parameters
    ----------
    bhat, shat
        Effects and their standard errors, or one number for all (as `read_effects` takes them), or
        what it returned; or the path of one table that has both, in columns of usual names (beta,
        se). Effects that are missing, or have no error, 0 or an infinite one, take no
        part; their posterior is the prior.
    mixture
        "normal", also where none is named; "uniform", symmetric around the mode; "half-uniform",
        from the mode to either side, so that the effects may be skewed; "+uniform" and "-uniform",
        to one side only; "half-normal". "halfuniform" and "halfnormal" are the same.
    mode
        Number around which effects lie, in units of bhat / shat^alpha, 0 without; "estimate": that
        of the highest penalised likelihood.
    alpha
        What comes from the mixture is b / shat^alpha; without, that of effects that were read, or
        0.
    df
        Degrees of freedom where bhat / shat are t statistics: one number, or one an effect. With
        uniforms the likelihood is t; with normals the standard errors become those under which
        bhat / shat is as far out in a normal as it was in t, as in mash.
    grid
        Standard deviations of normals, widths of uniforms beside the mode, in units of bhat /
        shat^alpha; None takes steps of `gridmult` from a tenth of the smallest standard error to
        twice the largest effect beyond its error.
    gridmult
        Ratio of neighbouring scales; sqrt(2) without.
    prior
        Dirichlet penalty: "nullbiased" (`null_weight` for the point mass, 1 for the others),
        "uniform", or a number of at least 1 for each component (for the scales of one side: the
        other has the same).
    point_mass
        Whether there is a component of effects that are exactly the mode; there is without.
    weights
        Known weights of the components, with `grid`: nothing is learned.
    given
        What another call returned: the prior learned there, for these effects. What is said of it
        beside must be what it is.

    Returns
    -------
    xarray.DataTree
        `estimate`: `weights`, `prior_low`, `prior_high` and, of normals, `prior_sd` (component: the
        point mass, then all scales, of the negative side first where there are two), `grid`
        (scale), `mode`, `pi0`, `log_likelihood`, `log_likelihood_ratio` (over that of effects all
        0), `penalised_log_likelihood` (natural, of bhat), `duality_gap`. `effects`: `mean`, `sd`,
        local false sign rate `lfsr`, `svalue` (mean lfsr of all effects whose own is not larger),
        `lfdr`, `qvalue` (the same of lfdr), `negative_prob`, `positive_prob`, `log_likelihood`
        (effect).

    Raises
    ------
    InputError
        An argument cannot be used, or there is more than one condition.

    References
    ----------
    Stephens 2017, Biostatistics 18:275.

    Examples
    --------
    >>> import bayesmixer as bm
    >>> found = bm.ash([0.1, -0.2, 3.0, 0.3], 0.5)
    >>> found["effects"]["lfsr"].round(2).values.tolist()
    [0.99, 0.99, 0.0, 0.99]
    """
    draws = None
    if given is not None:
        asked = {"mixture": mixture, "mode": mode, "alpha": alpha, "point_mass": point_mass}
        asked |= {"grid": grid, "gridmult": gridmult, "weights": weights}
        mixture, alpha, mode, grid, weights, point_mass, draws = of_another(given, asked)
    family = family_of("normal" if mixture is None else mixture)
    data = estimates(bhat, shat, alpha, df, family.endswith("normal"))
    point_mass = point_mass is None or bool(point_mass)
    mode = 0 if mode is None else mode
    scales = None if grid is None else scales_of(grid, point_mass)
    ratio = beyond("gridmult", RATIO if gridmult is None else gridmult, 1)
    null_weight = beyond("null_weight", null_weight, 1, or_equal=True)
    known = None if weights is None else weights_of(weights)
    if known is not None and scales is None:
        raise InputError("weights", "given without the scales they are of", "Give grid too.")

    def at(mode: float) -> Learned:
        own = grid_of(data.x - mode, data.s, ratio) if scales is None else scales
        components = around(family, own, point_mass, mode)
        parameters = dirichlet(prior, null_weight, family, len(own), point_mass)
        if known is not None and known.shape != components.scale.shape:
            found = f"{known.size} of them, expected {components.scale.size}"
            raise InputError("weights", found)
        return learn(data.x, data.s, data.df, components, parameters, known)

    learned = (
        best_mode(data.x, at) if mode == "estimate" else at(number("mode", mode, ", or 'estimate'"))
    )
    return tree_of(data, learned, family, point_mass, draws)


def tree_of(
    data: Estimates,
    learned: Learned,
    family: str,
    point_mass: bool,
    draws: Array | None = None,
) -> xr.DataTree:
    """What was learned, and what it says about every effect, averaged over draws of the weights
    (draw, component) where there are some.
    """
    components, weights = learned.components, learned.weights
    mean = weights if draws is None else draws.mean(0)
    found = posterior(components, mean, data.x, data.s, data.df, draws)
    null = around(family, np.zeros(0), True, 0.0).log_likelihood(data.x, data.s, data.df)[0]
    jacobian = float(data.jacobian.sum())
    low, high = components.ends
    estimate: dict[str, Any] = {
        "weights": ("component", weights, UNLISTED),
        "prior_low": ("component", low, UNLISTED),
        "prior_high": ("component", high, UNLISTED),
        "prior": ("component", learned.prior, UNLISTED),
        "grid": ("scale", np.unique(components.scale[components.scale > 0]), UNLISTED),
        "mode": components.mode,
        "log_likelihood": learned.log_likelihood + jacobian,
        "log_likelihood_ratio": learned.log_likelihood - float(null.sum()),
        "penalised_log_likelihood": learned.penalised + jacobian,
        "duality_gap": learned.gap,
    }
    if components.normal:
        estimate["prior_sd"] = ("component", components.scale, UNLISTED)
    if point_mass:
        estimate["pi0"] = float(weights[0])
    columns = _columns(data, found, prior_of(components, mean))
    return assemble(
        {
            "estimate": xr.Dataset(estimate),
            "effects": xr.Dataset(
                {name: ("effect", x) for name, x in columns.items()},
                coords={"effect": data.names},
            ),
        },
        {
            **MADE_BY,
            "method": "ash",
            "model": "ash",
            "mixture": family,
            "alpha": data.alpha,
            "point_mass": int(point_mass),
            "n_effects": len(data.used),
            "n_without_estimate": int((~data.used).sum()),
            "t_errors": int(data.df is not None),
        },
    )


def _columns(data: Estimates, found: Known, without: Known) -> dict[str, Array]:
    """Of all effects, in the units of bhat (without an error, in those of the mixture)."""

    def whole(of_used: Array, of_others: Array) -> Array:
        out = np.full(len(data.used), of_others[0])
        out[data.used] = of_used
        return out

    lfsr, lfdr = whole(found.lfsr, without.lfsr), whole(found.zero, without.zero)
    return {
        "mean": whole(found.mean * data.unit, without.mean),
        "sd": whole(found.sd * data.unit, without.sd),
        "lfsr": lfsr,
        "svalue": running_means(lfsr),
        "lfdr": lfdr,
        "qvalue": running_means(lfdr),
        "negative_prob": whole(found.negative, without.negative),
        "positive_prob": whole(found.positive, without.positive),
        "log_likelihood": whole(found.log_likelihood + data.jacobian, without.log_likelihood),
    }


def of_effects(fit: xr.DataTree, effects: xr.Dataset) -> xr.Dataset:
    """What a prior learned by `ash`, or a model of it, says of other effects in the form of
    `bayesmixer.mash.posterior`.

    Raises
    ------
    InputError
        It was learned with t errors, or another alpha.
    """
    if fit.attrs["t_errors"]:
        raise InputError("fit", "learned with t errors", "Use bm.ash(..., df=, given=fit).")
    if float(fit.attrs["alpha"]) != effects.attrs.get("alpha"):
        other = f"learned with alpha {fit.attrs['alpha']:g}"
        raise InputError("fit", other, "Read the effects with that alpha.")
    found = ash(effects, given=fit)["effects"].to_dataset()
    by_effect = ["log_likelihood"]
    columns = ["mean", "sd", "lfsr", "lfdr", "negative_prob"]
    both = found[columns].expand_dims(condition=effects["condition"].values, axis=1)
    out: xr.Dataset = both.assign(found[by_effect]).assign_attrs(kind="mash_posterior")
    return out
