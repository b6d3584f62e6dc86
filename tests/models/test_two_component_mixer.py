"""Small and large effects: derived quantities, and the two limits in which the model is univariate
MiXeR.
"""

import numpy as np
import pytest
from scipy.special import expit

from bayesmixer.inference.density import LogDensity
from bayesmixer.models import two_component_mixer, univariate_mixer
from tests.models.small_gwas import simulate_gwas

H2, LOGIT, ZERO = -1.3, -3.5, 0.08
SMALL, LARGE = 0, 1


@pytest.fixture(scope="module")
def data():
    return simulate_gwas(components=[(0.03, 0.5), (0.002, 0.5)])


@pytest.fixture(scope="module")
def density(data):
    return LogDensity(two_component_mixer(data, prior="flat"))


@pytest.fixture(scope="module")
def univariate(data):
    return LogDensity(univariate_mixer(data, prior="flat"))


def test_names_dims_and_derived_quantities(data, density):
    assert density.names == [
        "log_h2",
        "logit_share_large",
        "logit_pi",
        "log_pi_ratio",
        "log_sigma2_0",
    ]
    assert list(density.model.coords["component"]) == ["small", "large"]
    x = np.array([H2, -0.4, LOGIT, 2.0, ZERO])
    draw = density.posterior(x[None, None]).isel(chain=0, draw=0)
    assert draw["pi"].dims == draw["sigma2_beta"].dims == ("component",)
    pi, sigma2, h2, share = draw["pi"].values, draw["sigma2_beta"].values, np.exp(H2), expit(-0.4)
    assert float(draw["h2"]) == pytest.approx(h2)
    assert float(draw["share_large"]) == pytest.approx(share)
    assert pi[SMALL] / pi[LARGE] == pytest.approx(np.exp(2.0))
    assert pi.sum() == pytest.approx(expit(LOGIT))
    np.testing.assert_allclose(
        pi * sigma2 * data.attrs["h_total"][0], [h2 * (1 - share), h2 * share]
    )
    assert float(draw["n_causal"]) == pytest.approx(pi.sum() * data.attrs["n_reference"])
    assert 0 < float(draw["n90"]) < float(draw["n_causal"])


def test_equal_components_are_univariate_mixer(density, univariate):
    # equal numbers and equal shares: both components have the same variance
    two = density.posterior(np.array([[[H2, 0.0, LOGIT, 0.0, ZERO]]])).isel(chain=0, draw=0)
    one = univariate.posterior(np.array([[[H2, LOGIT, ZERO]]])).isel(chain=0, draw=0)
    np.testing.assert_allclose(two["sigma2_beta"], float(one["sigma2_beta"]))
    np.testing.assert_allclose(
        density.value_and_blocks(np.array([H2, 0.0, LOGIT, 0.0, ZERO]))[1]["z"],
        univariate.value_and_blocks(np.array([H2, LOGIT, ZERO]))[1]["z"],
        atol=1e-7,
    )
    assert float(two["n_causal"]) == pytest.approx(float(one["n_causal"]))
    assert float(two["n90"]) == pytest.approx(float(one["n90"]), rel=5e-3)


@pytest.mark.parametrize(("share", "ratio"), [(-35.0, 30.0), (-35.0, 4.0)])
def test_without_large_effects_it_is_univariate_mixer(density, univariate, share, ratio):
    small = expit(LOGIT) / (1 + np.exp(-ratio))
    one = np.array([H2, np.log(small / (1 - small)), ZERO])
    np.testing.assert_allclose(
        density.value_and_blocks(np.array([H2, share, LOGIT, ratio, ZERO]))[1]["z"],
        univariate.value_and_blocks(one)[1]["z"],
        atol=1e-6,
    )
    n90 = density.posterior(np.array([[[H2, share, LOGIT, ratio, ZERO]]]))["n90"].item()
    assert n90 == pytest.approx(univariate.posterior(one[None, None])["n90"].item(), rel=5e-3)
