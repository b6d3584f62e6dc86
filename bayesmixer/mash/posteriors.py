"""`bayesmixer.mash.posterior`: what a mixture says about each effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.io.contrasts import matrix_of
from bayesmixer.mash.ash import of_effects
from bayesmixer.mash.mixture import Mixture
from bayesmixer.mash.moments import averaged, moments
from bayesmixer.mash.rows import Rows, rows_of, same_conditions
from bayesmixer.mash.trees import MADE_BY, mixture_of, mixtures_of, under_errors


def posterior(
    fit: xr.DataTree, effects: xr.Dataset, *, contrasts: Any = None, covariance: bool = False
) -> xr.Dataset:
    """Posterior of every effect in every condition, in the units of bhat.

    Parameters
    ----------
    fit
        What `bayesmixer.mash.fit` or `given` returned; it may have learned from other effects. With
        draws of its weights (`bayesmixer.fit` of `bayesmixer.models.mash`, and of `ash` in one
        condition), or of more (`bayesmixer.mash.sample_mixture`), probabilities and moments are
        averaged over them, and rates are those of the averages.
    effects
        What `bayesmixer.read_effects` returned. An effect missing in a condition gets its posterior
        from the others (with alpha > 0 and no standard error either, in units of that). Where they
        hold no correlation of errors (`v`), theirs is that which the fit was learned under; errors
        that are independent all the same have the identity as `v`.
    contrasts
        Matrix (contrast, condition), or a frame with conditions as columns: report these
        combinations in place of conditions.
    covariance
        Report posterior covariances too.

    Returns
    -------
    xarray.Dataset
        `mean`, `sd`; `lfsr`, the local false sign rate min(P(<= 0), P(>= 0)); `lfdr`, the
        probability of exactly 0 in that condition; `negative_prob` (effect, condition); `log10_bf`
        (effect), of the components that are not the point mass over it (absent without one);
        `log_likelihood` (effect), natural, of bhat; `covariance` (effect, condition, condition_bis)
        where asked for. Components of weight 1e-10 or less are left out; probabilities are right to
        1e-15.

    Raises
    ------
    InputError
        Fit and effects do not belong together, or contrasts have another shape.

    References
    ----------
    Urbut et al. 2019, Nature Genetics 51:187.

    Examples
    --------
    >>> import bayesmixer as bm
    >>> effects = bm.read_effects([[0.5, 0.4], [-0.2, 0.1]], 0.1)
    >>> fit = bm.mash.given({"equal": [[1, 1], [1, 1]]}, [0.5], [0.5, 0.5])
    >>> bm.mash.posterior(fit, effects)["mean"].round(3).values.tolist()
    [[0.441, 0.441], [-0.007, -0.007]]
    """
    if isinstance(fit, xr.DataTree) and fit.attrs.get("method") == "ash":
        rows_of(effects)
        return of_effects(fit, effects)
    fit, drawn = mixtures_of(fit)
    rows, mixture, _ = of_fit(fit, effects)
    conditions = [str(name) for name in effects["condition"].values]
    report, names = None, conditions
    if contrasts is not None:
        report, names = matrix_of(contrasts, conditions)
    elif "reported" in effects:
        report = effects["reported"].values
        names = [str(name) for name in effects["reported_condition"].values]
    if drawn:
        under = ((one, rows if v is None else replace(rows, v=v)) for one, v in drawn)
        what = averaged(moments(known, one, report, covariance) for one, known in under)
    else:
        what = moments(rows, mixture, report, covariance)
    both = ("effect", "condition")
    out: dict[str, Any] = {
        "mean": (both, what.mean),
        "sd": (both, what.sd),
        "lfsr": (both, what.lfsr),
        "lfdr": (both, np.clip(what.zero, 0, 1)),
        "negative_prob": (both, np.clip(what.negative, 0, 1)),
        "log_likelihood": ("effect", what.log_likelihood),
    }
    if what.log10_bf is not None:
        out["log10_bf"] = ("effect", what.log10_bf)
    # names of effects, and where they lie
    coords: dict[str, Any] = {str(k): v for k, v in effects.coords.items() if v.dims == ("effect",)}
    coords |= {"effect": effects["effect"].values, "condition": names}
    if covariance:
        out["covariance"] = ((*both, "condition_bis"), what.covariance)
        coords["condition_bis"] = names
    return xr.Dataset(out, coords=coords, attrs={"kind": "mash_posterior", "wing": MADE_BY["wing"]})


def of_fit(fit: xr.DataTree, effects: xr.Dataset) -> tuple[Rows, Mixture, xr.Dataset]:
    """Effects as rows under the errors of a fit, its mixture and its estimate, where they are for
    such effects.

    Raises
    ------
    InputError
        They are of other conditions or another alpha.
    """
    rows_of(effects)
    mixture, estimate = mixture_of(fit)
    conditions = [str(name) for name in effects["condition"].values]
    if fit.attrs.get("named", 1):
        same_conditions(effects, estimate["condition"].values, "fit")
    elif estimate.sizes["condition"] != len(conditions):
        found = f"of {estimate.sizes['condition']} conditions, the effects have {len(conditions)}"
        raise InputError("fit", found)
    learned = float(fit.attrs.get("alpha", effects.attrs["alpha"]))
    if learned != effects.attrs["alpha"]:
        found = f"learned with alpha {learned:g}, the effects have {effects.attrs['alpha']:g}"
        raise InputError("fit", found, "Read them with one alpha.")
    return rows_of(under_errors(fit, effects)), mixture, estimate
