"""Whether a model is the one that a fit is of: parameters, and log prior and log-likelihood at the
fit's mode.

Names and options are compared where the model is given (`models.rebuild.check_model`); priors of
one's own are stored by name alone, so that their numbers show in the density only.
"""

from __future__ import annotations

import math

import numpy as np
import pymc as pm
import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.inference.density import LogDensity
from bayesmixer.models.rebuild import check_model

DIGITS = 1e-6  # of a log density: sums in another order, other processors
REMEDY = "Give the model that was fitted, or fit again."


def density_of(results: xr.DataTree, model: pm.Model, name: str = "model") -> LogDensity:
    """The density of a model that is said to be a fit's, checked: by what the fit has of it in
    words (`check_model`), then by `check_density`.

    Raises
    ------
    InputError
        It is another model.
    """
    check_model(results, model, name)
    density = LogDensity(model)
    check_density(results, density, name)
    return density


def check_density(results: xr.DataTree, density: LogDensity, name: str = "model") -> None:
    """Check that a density is the one that was fitted; fits that hold no mode pass.

    Parameters
    ----------
    results
        A fit.
    density
        Of the model that is said to be its.
    name
        What to call the model in the error.

    Raises
    ------
    InputError
        It has other parameters, or another log prior or log-likelihood at the fit's mode.
    """
    estimate = results["estimate"].to_dataset() if "estimate" in results.children else xr.Dataset()
    if "mode" not in estimate:
        return
    fitted = [str(one) for one in estimate["parameter"].values]
    if sorted(fitted) != sorted(density.names):
        found = f"parameters {density.names}, but the fit's are {fitted}"
        raise InputError(name, found, REMEDY)
    mode = np.asarray(estimate["mode"].sel(parameter=density.names), float)
    value, blocks = density.value_and_blocks(mode)
    likelihood = sum(float(one.sum()) for one in blocks.values())
    whole, part = (float(estimate.attrs[f"log_{of}"]) for of in ("posterior", "likelihood"))
    for of, now, then in (
        ("likelihood", likelihood, part),
        ("prior", value - likelihood, whole - part),  # a small part of the whole
    ):
        if not math.isclose(now, then, rel_tol=DIGITS, abs_tol=DIGITS + 1e-12 * abs(part)):
            found = f"log {of} {now:.6f} at the fit's mode, where the fit has {then:.6f}"
            raise InputError(name, found, REMEDY)
