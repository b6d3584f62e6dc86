"""Bins of alike variants of two traits, and the surrogate that is made of them."""

import numpy as np
import pymc as pm
import pytest

from bayesmixer.inference import binned
from bayesmixer.inference.density import LogDensity
from bayesmixer.models import bivariate_mixer, infinitesimal_pair
from bayesmixer.models.common import bound_of
from bayesmixer.pair.bins import PER_TRAIT, bins
from bayesmixer.pair.search import point
from tests.pair.fabricate import TRUTH

X = point(TRUTH["h2"], TRUTH["pi"], TRUTH["sigma2_0"], TRUTH["u"], -1.0, TRUTH["rho_0"])
SD = np.array([0.08, 0.08, 0.15, 0.2, 0.02, 0.02, 0.1, 0.6, 0.02])


@pytest.fixture(scope="module")
def density(pair_data):
    return LogDensity(bivariate_mixer(pair_data))


def test_a_potential_that_a_user_adds_keeps_the_blocks_it_is_made_of(pair_data):
    """Gradients go in units larger than LD blocks, of models as they were built alone."""
    with bivariate_mixer(pair_data) as model:
        pm.Potential("own", -0.01 * (model["z"] ** 2).sum())
    changed = LogDensity(model)
    assert changed.value_and_gradient(X)[0] == pytest.approx(changed.value_and_blocks(X)[0])


def made(density, data, number=60):
    bound = bound_of(bivariate_mixer(data))
    return bins(bound, density.posterior(X[None, None]), number)


def test_weights_are_kept_and_a_mirrored_trait_has_the_same_bins(density, pair_data):
    one = made(density, pair_data)
    assert one.sizes["variant"] == 60 * PER_TRAIT
    assert float(one["weight"].sum()) == pytest.approx(float(pair_data["weight"].sum()))
    other = made(density, pair_data.assign(z=-pair_data["z"]))
    np.testing.assert_allclose(other["z"], one["z"], atol=1e-12)


def test_variants_seen_in_one_trait_or_exceeding_have_bins_of_their_own(density, pair_data):
    z = pair_data["z"].copy()
    z[::3, 1] = np.nan
    z[1::5, 0] = np.nan
    data = pair_data.assign(z=z, n=pair_data["n"].where(z.notnull()))
    data = data.isel(variant=np.flatnonzero(z.notnull().any("trait"))).assign_attrs(join="outer")
    seen = data.isel(variant=np.flatnonzero(data["weight"].values > 0))
    out = made(density, data)
    for a, b in ((True, True), (True, False), (False, True)):
        here = (out["z"].notnull().values == [a, b]).all(1)
        there = (seen["z"].notnull().values == [a, b]).all(1)
        assert out["weight"].values[here].sum() == pytest.approx(seen["weight"].values[there].sum())
    bound = bound_of(bivariate_mixer(pair_data, censor=3.0))
    out = bins(bound, density.posterior(X[None, None]), 60)
    beyond = (np.abs(pair_data["z"].values) > 3).any(1)
    few = (np.abs(out["z"].values) > 3).any(1)
    assert out["weight"].values[few].sum() == pytest.approx(
        pair_data["weight"].values[beyond].sum(), rel=0.2
    )


@pytest.mark.parametrize("model", [bivariate_mixer, infinitesimal_pair])
def test_the_surrogate_errs_little_within_two_standard_deviations(density, pair_data, model):
    exact = density if model is bivariate_mixer else LogDensity(model(pair_data))
    sd, centre = SD, X
    if model is infinitesimal_pair:
        flat = {"log_h2": X[:2], "log_sigma2_0": X[4:6], "atanh_rg": X[6], "atanh_rho_0": X[8]}
        centre = exact.flatten(flat)
        sd = np.full(centre.size, 0.05)
    surrogate = binned.binned_density(exact, centre, np.diag(sd**2), 250)
    rng = np.random.default_rng(2)
    points = centre + rng.standard_normal((12, centre.size)) * sd
    error = np.array(
        [surrogate.value_and_blocks(x)[0] - exact.value_and_blocks(x)[0] for x in points]
    )
    spread = np.ptp([exact.value_and_blocks(x)[0] for x in points])
    assert error.std() < 0.02 * spread
