"""Pairs of GWAS with a known fault, of independent variants in closed form (`independent`), and
fits of them at their modes: what tests and the benchmark of `check` look at.
"""

import json
from unittest.mock import patch

import numpy as np
import xarray as xr
from scipy.optimize import minimize

import bayesmixer as bm
from bayesmixer.fingerprint import fingerprint
from bayesmixer.identity import trait_names
from bayesmixer.inference.density import LogDensity
from bayesmixer.models.common import bound_of
from tests.pair import independent

PI, U, EXCESS, VARIANCE = (0.03, 0.02), 0.8, 0.4, 9.0
VARIANTS = 8000
FAULTS = {
    "clean": "nothing wrong",
    "swapped": "effect alleles of trait 2 swapped at a fifth of the variants",
    "shared": "rho_0 is as stated at half of the variants, 0 at the others",
    "n_half": "recorded N of trait 1 a quarter of the true one at half of the variants",
    "inflated": "errors of trait 2 of variance 1.3",
}


def faulty(fault, seed, rho_0=0.5):
    """GwasData of two traits, a and b, whose errors correlate by rho_0; MAF at random, which tells
    nothing.
    """
    data = _drawn(seed, rho_0)
    rng = np.random.default_rng([seed, 1])
    data = data.assign(freq=("variant", rng.uniform(0.05, 0.5, VARIANTS)))
    half, fifth = rng.random(VARIANTS) < 0.5, rng.random(VARIANTS) < 0.2
    z, n = data["z"].values.copy(), data["n"].values.copy()
    if fault == "swapped":
        z[fifth, 1] *= -1
    elif fault == "shared":
        z[half] = _drawn(seed + 10_000, 0.0)["z"].values[half]
    elif fault == "n_half":
        n[half, 0] /= 4
    elif fault == "inflated":
        z = _drawn(seed, rho_0, (independent.SIGMA2_0[0], 1.3))["z"].values
    return data.assign(z=(data["z"].dims, z), n=(data["n"].dims, n))


def _drawn(seed, rho_0, sigma2_0=independent.SIGMA2_0):
    with patch.multiple(independent, RHO_0=rho_0, SIGMA2_0=sigma2_0):
        return independent.simulate(U, EXCESS, PI, VARIANCE, VARIANTS, seed)


def checked(data, held=False):
    """`check` at the mode, under the likelihood of independent variants; `held`: what belongs to
    one trait is held at the truth.
    """
    start = independent.truth(U, EXCESS, PI, VARIANCE)
    own = {"h2": np.exp(start["log_h2"]), "pi": PI, "sigma2_0": independent.SIGMA2_0}
    with independent.closed_form([]):
        fit = fit_from(data, start, univariate=own) if held else fit_from(data, start)
        return bm.check(fit, data, progress=False)


def flagged(found):
    """Names of the flagged rows."""
    return set(found.table.index[found.table["flagged"]])


def fit_from(data, start, model="bivariate_mixer", **options):
    """The mode of a model next to `start`, a dict by free parameter, as a fit of one draw."""
    made = getattr(bm.models, model)(data, **options)
    density = LogDensity(made)

    def cost(x):
        value, slope = density.value_and_gradient(x)
        return -value, -slope

    x = minimize(cost, density.flatten(start), jac=True, method="BFGS", options={"gtol": 0.1}).x
    estimate = xr.Dataset({"mode": ("parameter", x)}, coords={"parameter": density.names})
    groups = {"posterior": density.posterior(x[None, None]), "estimate": estimate}
    fit = xr.DataTree.from_dict({**groups, "constant_data": fingerprint(data)})
    fit.attrs = {
        "kind": "fit",
        "model": model,
        "prior": "weak",
        "method": "map",
        "options": json.dumps(bound_of(made).options),
        "traits": json.dumps(trait_names(data)),
        "data": json.dumps({k: np.asarray(v).tolist() for k, v in data.attrs.items()}),
    }
    return fit
