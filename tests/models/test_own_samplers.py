"""A model built on `ld_mixture` under the samplers of PyMC itself, and its density in JAX."""

import numpy as np
import pymc as pm
import pytensor
import pytest

import bayesmixer as bm
from bayesmixer.inference.density import LogDensity
from tests.models.small_gwas import simulate_gwas


@pytest.fixture(scope="module")
def model():
    """Mild data: no |z| so large that numba's and JAX's tails differ."""
    data = simulate_gwas(h2=0.1, pi=0.1, n=5_000, blocks=8, seed=3)
    with pm.Model() as model:
        h2, pi = pm.Beta("h2", 2, 8), pm.Beta("pi", 1, 9)
        variance = h2 / (pi * data.attrs["h_total"][0])
        bm.ld_mixture("z", data, pi=pi, sigma2_beta=variance, sigma2_0=1.05)
    return model


@pytest.mark.parametrize("sampler", ["pymc", "nutpie"])
def test_pm_sample_draws_from_it(model, sampler):
    drawn = pm.sample(
        model=model,
        nuts_sampler=sampler,
        tune=10,
        draws=10,
        chains=2,
        cores=1,
        random_seed=1,
        progressbar=False,
        compute_convergence_checks=False,
    )
    posterior = drawn["posterior"].to_dataset()
    assert dict(posterior.sizes) == {"chain": 2, "draw": 10}
    for name in ("h2", "pi"):
        values = posterior[name].values
        assert ((values > 0) & (values < 1)).all() and np.unique(values).size > 2
    variance = posterior["h2"] / posterior["pi"]
    ratio = (posterior["z_sigma2_beta"] / variance).values
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-9)


def test_jax_has_the_density_and_gradient_of_numba(model):
    jax = pytest.importorskip("jax")
    density = LogDensity(model)
    value, slope = model.logp(), model.dlogp()
    settings = ("jax_enable_x64", "jax_disable_most_optimizations")  # exact, compiled in a hurry
    before = {name: jax.config.values[name] for name in settings}
    for name in settings:
        jax.config.update(name, True)
    try:
        of = pytensor.function(model.value_vars, [value, slope], mode="JAX")
        for x in (np.array([-2.0, -2.0]), np.array([-1.0, -4.0])):
            point = density.point(x)
            one, other = of(*(point[v.name] for v in model.value_vars))
            expected, gradient = density.value_and_gradient(x)
            assert float(one) == pytest.approx(expected, rel=1e-8)
            np.testing.assert_allclose(other, gradient, rtol=1e-5, atol=1e-5)
    finally:
        for name, had in before.items():
            jax.config.update(name, had)
