"""The strongest effects that a search for the mode considers."""

import numpy as np
import pytest

from bayesmixer.inference.density import LogDensity
from bayesmixer.inference.find_map import climb
from bayesmixer.mixer.strength import LIMIT, STRONG, Strength
from bayesmixer.models import infinitesimal, two_component_mixer, univariate_mixer
from bayesmixer.models.common import origin_of
from tests.models.small_gwas import simulate_gwas


@pytest.fixture(scope="module")
def noise():
    """600 variants of noise at N 100,000."""
    data = simulate_gwas(n=100_000).isel(variant=slice(0, 600))
    return data.assign(
        z=(data["z"].dims, np.random.default_rng(1).standard_normal(data["z"].shape))
    )


@pytest.mark.parametrize("make", [univariate_mixer, two_component_mixer])
@pytest.mark.parametrize("share", [-2.0, 3.0])
def test_strength_is_that_of_the_strongest_component_and_its_gradient_the_slope(noise, make, share):
    density = LogDensity(make(noise))
    x = np.array(
        [
            {
                "log_h2": -1.2,
                "logit_pi": -6.0,
                "log_sigma2_0": 0.1,
                "logit_share_large": share,
                "log_pi_ratio": 0.3,
            }[n]
            for n in density.names
        ]
    )
    strength = Strength(origin_of(density.model), density.names)
    value, slope = strength(x)
    sigma2 = density.posterior(x[None, None])["sigma2_beta"].values.max()
    assert value == pytest.approx(np.log(1e5 * sigma2 * 0.5 / (LIMIT * STRONG)))
    for i, e in enumerate(1e-5 * np.eye(x.size)):
        assert slope[i] == pytest.approx((strength(x + e)[0] - strength(x - e)[0]) / 2e-5, abs=1e-8)


def test_models_without_causal_variants_have_no_strongest_effects(noise):
    density = LogDensity(infinitesimal(noise))
    assert Strength(origin_of(density.model), density.names)(np.zeros(2))[0] == -np.inf


def test_search_ends_at_the_strongest_effects_where_noise_pulls_it_into_their_corner(noise):
    """It once climbed to 370 times what is served, where the density is cut off, at 5,600
    frequencies an evaluation and without convergence.
    """
    density = LogDensity(two_component_mixer(noise))
    found = climb(
        density,
        np.array([-3.0, -1.0, -7.5, 2.3, -0.09]),
        density.box,
    )
    assert found.converged
    assert found.at_bound == ["logit_pi"]
    assert Strength(origin_of(density.model), density.names)(found.x)[0] == pytest.approx(
        0.0, abs=0.02
    )
    assert found.evaluations < 300
