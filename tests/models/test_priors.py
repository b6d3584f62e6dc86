"""Priors: 'weak' adds the documented normal densities, 'flat' nothing; docs/models.md states the same ranges."""

import re

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from bayesmixer.inference.density import LogDensity
from bayesmixer.models import infinitesimal, two_component_mixer, univariate_mixer
from bayesmixer.models.common import BOUNDS, WEAK
from tests.models.small_gwas import simulate_gwas

# as docs/models.md says: mean and sd on the unconstrained scale, the scale that is read, the 95% range there
STATED = {
    "log_h2": (np.log(0.1), 2.0, np.exp, (0.002, 5.0)),
    "logit_pi": (-5.5, 2.5, expit, (3.0e-5, 0.35)),
    "log_sigma2_0": (0.0, 0.25, np.exp, (0.61, 1.63)),
    "logit_share_large": (0.0, 1.5, expit, (0.05, 0.95)),
    "log_pi_ratio": (3.0, 1.0, np.exp, (2.8, 143.0)),
}


@pytest.mark.parametrize("build", [infinitesimal, univariate_mixer, two_component_mixer])
def test_weak_prior_adds_the_stated_normal_densities_and_flat_nothing(build):
    data = simulate_gwas(blocks=10)
    weak, flat = LogDensity(build(data)), LogDensity(build(data, prior="flat"))
    assert weak.names == flat.names
    rng = np.random.default_rng(0)
    for _ in range(3):
        x = np.array([rng.normal(*STATED[name][:2]) for name in weak.names])
        likelihood = flat.value_and_blocks(x)[1]["z"].sum()
        assert flat.value_and_gradient(x)[0] == pytest.approx(likelihood, rel=1e-10)
        expected = sum(norm.logpdf(v, *STATED[name][:2]) for v, name in zip(x, weak.names, strict=True))
        assert weak.value_and_gradient(x)[0] - likelihood == pytest.approx(expected, abs=1e-6)


def test_stated_ranges_are_those_of_the_priors():
    assert set(WEAK) == set(STATED)
    for name, (mean, sd, scale, (low, high)) in STATED.items():
        assert WEAK[name] == pytest.approx((mean, sd))
        assert scale(norm.ppf([0.025, 0.975], mean, sd)) == pytest.approx([low, high], rel=0.02)


def test_documentation_states_every_prior(root):
    rows = dict(re.findall(r"^\| `(\w+)` \| normal (.+?) \|$", (root / "docs/models.md").read_text(), re.M))
    assert set(rows) == set(STATED)
    for name, (mean, sd, _, (low, high)) in STATED.items():
        numbers = [float(v) for v in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", rows[name].replace("σ²₀", "").replace("95%", ""))]
        assert numbers == pytest.approx([mean, sd, low, high], rel=0.02), rows[name]


def test_search_box_holds_the_priors_middle_999_of_1000():
    for name, (mean, sd) in WEAK.items():
        low, high = BOUNDS[name]
        inside = norm.cdf(high, mean, sd) - norm.cdf(low, mean, sd)
        assert inside > 0.995, name
