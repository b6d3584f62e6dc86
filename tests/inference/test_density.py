"""A model as a function of one flat vector: value, gradient, reported variables."""

import numpy as np
import pymc as pm
import pytest
from scipy.stats import halfnorm, norm

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.inference.density import LogDensity
from bayesmixer.models import infinitesimal, two_component_mixer, univariate_mixer
from tests.inference import toys

MODELS = {
    "infinitesimal": lambda data: infinitesimal(data),
    "univariate": lambda data: univariate_mixer(data),
    "univariate, flat": lambda data: univariate_mixer(data, prior="flat"),
    "univariate, censored": lambda data: univariate_mixer(data, censor=4.0),
    "two components": lambda data: two_component_mixer(data),
    "constrained toy": lambda data: toys.constrained(),
    "banana": lambda data: toys.banana(),
}
# N sigma2_beta H stays below 200, the largest for which the likelihood's error is stated
POINTS = {
    "log_h2": (-2.5, -1.0),
    "logit_pi": (-3.5, -1.0),
    "log_sigma2_0": (-0.1, 0.3),
    "logit_share_large": (-1.0, 1.0),
    "log_pi_ratio": (1.0, 4.0),
}


@pytest.mark.parametrize("name", MODELS)
def test_gradient_equals_differences_of_the_value(small, name):
    density = LogDensity(MODELS[name](small))
    rng = np.random.default_rng(1)
    for _ in range(2):
        x = np.array([rng.uniform(*POINTS.get(v, (-0.5, 0.5))) for v in density.names])
        gradient = density.value_and_gradient(x)[1]
        for i, h in enumerate(np.full(x.size, 1e-4)):
            e = np.zeros(x.size)
            e[i] = h
            values = [density.value_and_gradient(x + k * e)[0] for k in (-2, -1, 1, 2)]
            slope = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (
                12 * h
            )  # error of order h^4
            assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-5), density.names[i]


def test_value_equals_scipy_on_a_constrained_model_with_the_jacobian_of_its_transform():
    density = LogDensity(toys.constrained())
    assert density.names == ["sd_log__", "mu[0]", "mu[1]", "mu[2]"]
    log_sd, mu = 0.4, np.array([0.1, -0.3, 0.8])
    sd = np.exp(log_sd)
    expected = (
        halfnorm.logpdf(sd, scale=2)
        + log_sd
        + norm.logpdf(mu).sum()
        + norm.logpdf([0.3, -0.2, 1.4], mu, sd).sum()
    )
    assert density.value_and_gradient(np.append(log_sd, mu))[0] == pytest.approx(expected)


def test_posterior_of_another_model_holds_its_free_variables_on_their_scale_and_deterministics():
    model = toys.constrained()
    with model:
        pm.Deterministic("variance", model["sd"] ** 2)
    draws = LogDensity(model).posterior(np.array([[[0.4, 0.1, -0.3, 0.8], [0.0, 1.0, 2.0, 3.0]]]))
    assert set(draws.data_vars) == {"sd", "mu", "variance"}
    np.testing.assert_allclose(draws["sd"].values, [[np.exp(0.4), 1.0]])
    np.testing.assert_allclose(draws["variance"].values, [[np.exp(0.8), 1.0]])
    assert draws["mu"].dims == ("chain", "draw", "arm")
    assert list(draws["arm"].values) == ["a", "b", "c"]


def test_values_and_log_likelihoods_of_ld_blocks_agree(small):
    density = LogDensity(univariate_mixer(small, prior="flat"))
    x = np.array([-1.0, -4.0, 0.1])
    value, blocks = density.value_and_blocks(x)
    assert value == pytest.approx(density.value_and_gradient(x)[0], rel=1e-10)
    assert value == pytest.approx(sum(blocks["z"]), rel=1e-10)


def test_flat_vector_and_point_are_inverse_to_each_other():
    density = LogDensity(toys.constrained())
    x = np.arange(4.0)
    np.testing.assert_array_equal(density.flatten(density.point(x)), x)


def test_models_without_continuous_parameters_alone_are_refused():
    with pm.Model() as discrete:
        pm.Poisson("count", 3.0)
    with pm.Model() as empty:
        pass
    for model in (discrete, empty):
        with pytest.raises(InputError, match="discrete or no free parameters"):
            LogDensity(model)
    with pytest.raises(InputError, match=r"expected a pymc\.Model"):
        LogDensity({"pi": 0.1})


def test_a_finished_fit_leaves_no_data_behind(small):
    """PyTensor keeps every Op that it has rewritten; the data must not stay with them (docs: fits
    in a loop over traits).
    """
    import gc
    import weakref

    from pytensor.graph.traversal import ancestors

    from bayesmixer.ops.likelihood import MixtureLogLik

    def fitted():
        model = bm.models.univariate_mixer(small.assign(z=small["z"] * 1.01))
        bm.fit(model, "map", progress=False)
        (op,) = {
            v.owner.op
            for v in ancestors(model.potentials)
            if v.owner is not None and isinstance(v.owner.op, MixtureLogLik)
        }
        return weakref.ref(op.data)

    data = fitted()
    gc.collect()
    assert data() is None
