"""The test of h2 = 0: its score is the likelihood's, its size holds on pure noise, sparse traits
are seen, its limit is the posterior's, and every fit holds it.
"""

import dataclasses
import warnings

import numpy as np
import pytest
from scipy.stats import truncnorm

import bayesmixer as bm
from bayesmixer.inference.density import LogDensity
from bayesmixer.mixer.heritability import LEVEL, heritability_test, read
from tests.models.small_gwas import panel, simulate_gwas

MODELS = ("infinitesimal", "univariate_mixer", "two_component_mixer")


@pytest.fixture(scope="module")
def noise():
    """GwasData of pure noise."""
    return simulate_gwas(h2=0.0, pi=1.0, n=100_000, seed=3)


def columns(data):
    x = data["n"].values[:, 0] * data["ld_score_h"].values[0] / data.attrs["h_total"][0]
    return x, data["z"].values[:, 0] ** 2, data["weight"].values, data["ld_block"].values


@pytest.mark.parametrize(
    ("model", "others"),
    [("infinitesimal", []), ("univariate_mixer", [-1.0]), ("univariate_mixer", [-4.0])],
)
def test_the_score_is_the_slope_in_h2_of_every_models_likelihood(noise, model, others):
    x, z2, w, _ = columns(noise)
    sigma2_0 = np.average(z2, weights=w)
    density = LogDensity(getattr(bm.models, model)(noise, prior="flat"))
    height = [
        density.value_and_gradient(np.array([np.log(h2), *others, np.log(sigma2_0)]))[0]
        for h2 in (1e-9, 1e-7)
    ]
    score = (w * (x - np.average(x, weights=w)) * z2).sum() / (
        2 * sigma2_0**2
    )  # as the module says, times the weight of the null variance
    assert (height[1] - height[0]) / (1e-7 - 1e-9) == pytest.approx(score, rel=0.02)
    assert np.sign(heritability_test(noise).z) == np.sign(score)


def test_the_estimate_is_the_weighted_slope_and_its_error_the_jackknifes(noise):
    x, z2, w, block = columns(noise)
    test = heritability_test(noise)
    slope = lambda kept: np.polyfit(x[kept], z2[kept], 1, w=np.sqrt(w[kept]))[0]  # noqa: E731
    assert test.h2 == pytest.approx(slope(w > 0), rel=1e-8)
    left_out = np.array([slope(block != b) for b in range(60)])
    assert test.h2_se == pytest.approx(
        np.sqrt(59 / 60 * ((left_out - left_out.mean()) ** 2).sum()), rel=0.1
    )


def test_size_on_pure_noise_is_at_most_five_per_cent(noise):
    _, _, root, _, _ = panel()
    rng = np.random.default_rng(1)
    z = np.sqrt(1.05) * np.einsum("bij,rbj->rbi", root, rng.standard_normal((600, 60, 30))).reshape(
        600, -1
    )
    p = np.array(
        [heritability_test(noise.assign(z=(("variant", "trait"), row[:, None]))).p for row in z]
    )
    assert (p < LEVEL).mean() < 0.05 + 2.3 * np.sqrt(0.05 * 0.95 / 600)  # 99% of a true size of 5%
    assert (p < 0.3).mean() > 0.1  # not by never rejecting


def test_few_strong_loci_are_seen_where_the_score_is_blind(noise):
    z = noise["z"].values.copy()
    z[[100, 700]] = 8.0
    test = heritability_test(noise.assign(z=(("variant", "trait"), z)))
    assert test.seen and test.p_score > 0.02 and test.p == pytest.approx(10 * test.p_hits)


def test_inflation_is_not_heritability(noise):
    before, after = heritability_test(noise), heritability_test(noise.assign(z=2 * noise["z"]))
    assert (after.p, after.z, after.p_hits) == pytest.approx((before.p, before.z, before.p_hits))


def test_a_censored_locus_is_a_hit_but_has_no_pull_on_the_estimate(noise):
    z = noise["z"].values.copy()
    z[100] = 60.0
    loud, before = noise.assign(z=(("variant", "trait"), z)), heritability_test(noise)
    free, censored = heritability_test(loud), heritability_test(loud, censor=5.0)
    assert free.p_hits < 1e-100 and censored.p_hits < 1e-100
    assert free.h2_se > 5 * before.h2_se > 3 * censored.h2_se


def test_few_blocks_give_no_test():
    assert heritability_test(simulate_gwas(blocks=7, seed=1)) is None


def test_the_limit_is_a_quantile_of_the_posterior_on_the_natural_scale(noise):
    test = heritability_test(noise)
    moved = test.calibrated(np.linspace(3.0, 1.0, 4000).reshape(2, 2000))
    assert (np.diff(moved.ravel()) < 0).all()  # in their order
    assert np.quantile(moved, 0.95) == pytest.approx(test.h2_upper, rel=0.01)
    many = type(test)(
        **{**test.__dict__, "blocks_effective": 1e7}
    )  # Student's t is then normal, and the prior flat where it matters
    a = -test.h2 / test.h2_se
    expected = truncnorm.ppf([0.1, 0.5, 0.95], a, np.inf, loc=test.h2, scale=test.h2_se)
    found = np.quantile(many.calibrated(np.arange(1.0, 20_001.0)), [0.1, 0.5, 0.95])
    np.testing.assert_allclose(found, expected, rtol=2e-3)


def test_draws_of_a_heritable_trait_stay_as_they_are():
    test = heritability_test(simulate_gwas(h2=0.5, pi=1.0, n=100_000, seed=2))
    draws = np.random.default_rng(0).normal(size=(1, 50, 2))
    assert test.seen and not test.weak
    np.testing.assert_array_equal(test.moved(draws, ["log_h2", "log_sigma2_0"]), draws)


def test_a_weak_trait_that_is_seen_is_calibrated_on_the_natural_scale_but_not_one_of_strong_loci(
    noise,
):
    test = heritability_test(noise)
    seen = dataclasses.replace(test, p=1e-3, p_score=8e-4, p_hits=1.0, h2=0.004, h2_se=0.001)
    draws = np.log(np.random.default_rng(0).lognormal(np.log(0.005), 0.2, (1, 4000, 1)))
    moved = np.exp(seen.moved(draws, ["log_h2"]))
    assert moved.mean() == pytest.approx(0.004, rel=0.03) and moved.std() == pytest.approx(
        0.001, rel=0.2
    )
    for other in (
        dataclasses.replace(seen, p_hits=1e-9),
        dataclasses.replace(seen, h2=0.0061),
        dataclasses.replace(seen, share=0.4),
    ):
        np.testing.assert_array_equal(other.moved(draws, ["log_h2"]), draws)


@pytest.fixture(scope="module")
def little():
    """Pure noise at 600 variants, of an N at which the search stays where evaluations are cheap: to
    be fitted.
    """
    return simulate_gwas(h2=0.0, pi=1.0, n=1_000, seed=3, blocks=20)


@pytest.fixture(scope="module")
def fits(little):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bm.DataWarning)
        return {
            name: bm.fit(getattr(bm.models, name)(little), "map", profile=False, progress=False)
            for name in MODELS
        }


def test_every_model_and_the_mode_alone_hold_the_same_test_and_say_its_verdict(little, fits):
    expected = heritability_test(little)
    for results in fits.values():
        assert read(results) == expected
        assert expected.sentence in results.attrs["warnings"]
        table = bm.summary(results)
        assert (
            table.attrs["note"] == expected.sentence
            and "No heritability seen: h2 <" in expected.sentence
        )
        assert table.loc["h2", "se"] == pytest.approx(expected.h2_se)
        assert list(table.index[table["map"].notna()]) == ["sigma2_0"]


def test_a_trait_without_heritability_has_no_two_sided_interval(noise):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bm.DataWarning)
        results = bm.fit(bm.models.infinitesimal(noise), "laplace", draws=300, progress=False)
    test, h2 = heritability_test(noise), results["posterior"]["h2"].values
    table = bm.summary(results)
    assert table.loc["h2", "eti90_lb"] == 0
    assert table.loc["h2", "eti90_ub"] == pytest.approx(np.quantile(h2, 0.9))
    assert np.quantile(h2, 0.95) == pytest.approx(test.h2_upper, rel=0.02)
    assert table.loc["sigma2_beta"].isna()["eti90_lb"] and table.loc["sigma2_0", "eti90_lb"] > 0
    again = bm.calibrate(results, noise)
    np.testing.assert_allclose(again["posterior"]["h2"].values, h2, rtol=1e-9)
