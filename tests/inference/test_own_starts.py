"""Where a fit of one's own model begins when PyMC's initial point has no density: ordinary priors
on natural scales, and those that allow what no share is.
"""

import warnings

import numpy as np
import pymc as pm
import pytest

import bayesmixer as bm
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.inference import stand_in
from bayesmixer.inference.density import LogDensity
from bayesmixer.mixer.starts import moments_h2
from tests.models.small_gwas import simulate_gwas


@pytest.fixture(scope="module")
def data():
    return simulate_gwas(h2=0.3, pi=0.02, seed=4)


def build(data, pi, sigma2_beta, sigma2_0=None):
    """Each parameter by a function of its name that makes the variable."""
    with pm.Model() as model:
        given = {"pi": pi, "sigma2_beta": sigma2_beta, "sigma2_0": sigma2_0 or noise}
        bm.ld_mixture("z", data, **{name: made(name) for name, made in given.items()})
    return model


def noise(name):
    return pm.LogNormal(name, 0, 0.25)


def half_normal(name):
    return pm.HalfNormal(name, 1)


WIDE = {
    "half-normal": (lambda name: pm.Beta(name, 1, 9), half_normal, None),
    "uniform": (lambda name: pm.Uniform(name, 0, 1), lambda name: pm.HalfCauchy(name, 1), None),
    "few": (lambda name: pm.Beta(name, 0.5, 10), half_normal, half_normal),
    "inverse gamma": (
        lambda name: pm.Beta(name, 1, 1),
        lambda name: pm.InverseGamma(name, 2, 1),
        None,
    ),
}


def fitted(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return bm.fit(model, "map", progress=False)["estimate"]


@pytest.mark.parametrize("law", WIDE)
def test_priors_on_natural_scales_are_fitted_though_pymc_starts_where_nothing_is_computed(
    data, law
):
    model = build(data, *WIDE[law])
    density = LogDensity(model)
    assert not np.isfinite(density.value_and_gradient(density.initial)[0])
    estimate = fitted(model)
    assert estimate.attrs["converged"]
    if law != "inverse gamma":  # which rules small variances out
        assert float(estimate["pi"]) == pytest.approx(0.035, rel=0.1)
    assert 0.8 < float(estimate["sigma2_0"]) < 1.2


def test_start_has_the_moments_h2_and_sigma2_0_in_each_trait():
    parts = [simulate_gwas(h2=h2, pi=0.05, seed=k) for k, h2 in enumerate((0.2, 0.5))]
    with pm.Model() as model:
        pi, variance = pm.Beta("pi", 1, 9, shape=2), pm.HalfCauchy("variance", 1, shape=(2, 2))
        for k, one in enumerate(parts):
            bm.ld_mixture(
                f"z{k}",
                one,
                pi=[pi[k], 0.001],
                sigma2_beta=variance[k],
                sigma2_0=noise(f"zero{k}"),
            )
    density = LogDensity(model)
    there = density.posterior(stand_in.start(density)[None, None])
    for k, one in enumerate(parts):
        h2, zero = moments_h2(one)
        shares = np.array([float(there["pi"][0, 0, k]), 0.001])
        explained = shares @ there["variance"].values[0, 0, k] * one.attrs["h_total"][0]
        assert explained == pytest.approx(h2, rel=0.3)
        assert there[f"zero{k}"].item() == pytest.approx(zero, rel=0.2)  # its prior pulls


@pytest.mark.parametrize("centre", [0, 0.01, -5])
def test_share_whose_prior_leaves_0_to_1_is_fitted_within(data, centre):
    """At a share of 0 the gradient is that of a density ratio of e600: no place to begin."""
    model = build(
        data, lambda name: pm.Normal(name, centre, 1), lambda name: pm.HalfNormal(name, 1e-3)
    )
    estimate = fitted(model)
    assert estimate.attrs["converged"] and estimate.attrs["gradient_evaluations"] < 200
    assert float(estimate["pi"]) == pytest.approx(0.047, rel=0.05)


@pytest.mark.parametrize("centre", [0, -5])
def test_where_nothing_helps_the_start_is_said_in_one_line(data, centre):
    with pm.Model() as model:
        h2, pi = pm.Beta("h2", 2, 8), pm.Normal("pi", centre, 1)
        variance = h2 / (pi * data.attrs["h_total"][0])
        bm.ld_mixture("z", data, pi=pi, sigma2_beta=variance, sigma2_0=noise("sigma2_0"))
    with pytest.raises(InputError, match=rf"at the first start \(h2 0.2, pi {centre}, ") as caught:
        bm.fit(model, "map", progress=False)
    assert "\n" not in str(caught.value)
