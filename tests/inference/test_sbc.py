"""The calibration study of benchmarks/sbc.py: its simulator against the model's moments, its test
against posteriors known to be wrong.
"""

import importlib.util
import sys

import numpy as np
import pytest
from scipy.stats import halfnorm, kstest, norm

import bayesmixer as bm
from bayesmixer.inference.density import LogDensity


@pytest.fixture(scope="module")
def sbc(root):
    spec = importlib.util.spec_from_file_location("sbc", root / "benchmarks" / "sbc.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["sbc"] = module
    spec.loader.exec_module(module)
    return module


def ranks_of_a_normal_mean(sbc, width, shift, replicates=400, draws=99):
    """Ranks where the posterior of a normal mean (prior N(0, 1), one observation of variance 1) is
    made `width` times too wide and moved by `shift`.
    """
    rng = np.random.default_rng(3)
    out = []
    for _ in range(replicates):
        theta = rng.normal()
        y = rng.normal(theta, 1)
        out.append(sbc.rank_of(rng.normal(y / 2 + shift, width * np.sqrt(0.5), draws), theta, rng))
    return np.array(out)


def test_ranks_are_uniform_for_the_right_posterior_and_not_for_a_wrong_one(sbc):
    assert sbc.uniformity(ranks_of_a_normal_mean(sbc, 1.0, 0.0), 99)[0] > 0.01
    for width, shift in ((0.7, 0.0), (1.4, 0.0), (1.0, 0.3)):
        p, distance = sbc.uniformity(ranks_of_a_normal_mean(sbc, width, shift), 99)
        assert p < 1e-4 and distance > 0.04, (width, shift)


def test_rank_of_a_tie_is_drawn_at_random(sbc):
    rng = np.random.default_rng(0)
    ranks = {sbc.rank_of(np.array([1.0, 2.0, 2.0, 3.0]), 2.0, rng) for _ in range(100)}
    assert ranks == {1, 2, 3}


@pytest.mark.parametrize("model", ["infinitesimal", "univariate_mixer", "two_component_mixer"])
def test_simulated_z_scores_have_the_variance_that_the_parameters_say(sbc, model):
    plan = sbc.design(20_000, 50_000.0, 1)
    truth = {
        "log_h2": np.log(0.4),
        "logit_pi": -1.0,
        "logit_share_large": 0.3,
        "log_pi_ratio": 1.5,
        "log_sigma2_0": np.log(1.2),
    }
    z = sbc.simulate(plan, model, truth, np.random.default_rng(2))
    exposure = (
        plan.data["n"].values[:, 0]
        * plan.data["ld_score_h"].values[0]
        / plan.data.attrs["h_total"][0]
    )
    expected = 1.2 + 0.4 * exposure
    ratio = (z**2 / expected).mean()
    assert ratio == pytest.approx(1, abs=5 * (z**2 / expected).std() / np.sqrt(z.size))


@pytest.mark.parametrize("model", ["univariate_mixer", "two_component_mixer"])
def test_components_written_out_here_are_those_of_the_model(sbc, model):
    plan = sbc.design(200, 50_000.0, 1)
    truth = {
        "log_h2": -1.0,
        "logit_pi": -3.0,
        "logit_share_large": 0.3,
        "log_pi_ratio": 1.5,
        "log_sigma2_0": 0.1,
    }
    density = LogDensity(getattr(bm.models, model)(plan.data))
    of_model = density.posterior(
        density.flatten({name: truth[name] for name in sbc.FREE[model]})[None, None]
    )
    pi, sigma2 = (np.atleast_1d(of_model[name].values[0, 0]) for name in ("pi", "sigma2_beta"))
    found = sbc.components(model, truth, plan.data.attrs["h_total"][0])
    np.testing.assert_allclose(found, (pi, sigma2), rtol=1e-12)


def test_another_prior_takes_the_place_of_the_weak_one(sbc):
    plan = sbc.design(100, 50_000.0, 1)
    prior = sbc.read_prior(["log_h2=-1,0.5"], 1.0)
    made = sbc.build("infinitesimal", plan.data, prior)
    weak = sbc.build("infinitesimal", plan.data, sbc.PRIOR)
    at = [{"log_h2": h, "log_sigma2_0": 0.0} for h in (-1.0, -2.0)]
    logp, logp_weak = (
        [float(m.compile_logp(mode="FAST_COMPILE")(x)) for x in at] for m in (made, weak)
    )
    normal = norm.logpdf(-1, -1, 0.5) - norm.logpdf(-2, -1, 0.5)
    weak_h2 = (
        halfnorm.logpdf(np.exp(-1), scale=0.5) - halfnorm.logpdf(np.exp(-2), scale=0.5) + 1
    )  # 1: d h2 / d log h2
    assert (logp[0] - logp[1]) - (logp_weak[0] - logp_weak[1]) == pytest.approx(normal - weak_h2)
    with pytest.raises(bm.InputError, match="NAME=MEAN,SD"):
        sbc.read_prior(["log_h2"], 1.0)


def test_a_replicate_depends_on_its_seed_alone(sbc):
    plan = sbc.design(200, 50_000.0, 1)
    a, b = (sbc.replicate(plan, "infinitesimal", sbc.PRIOR, 300, 99, [1, 0, 7]) for _ in range(2))
    assert [row["rank"] for row in a] == [row["rank"] for row in b]
    assert {row["parameter"] for row in a} == {"log_h2", "log_sigma2_0", "log_likelihood"}


def test_the_prior_of_h2_is_drawn_half_normal(sbc):
    rng = np.random.default_rng(5)
    h2 = np.exp([sbc.draw_prior("infinitesimal", sbc.PRIOR, rng)["log_h2"] for _ in range(2000)])
    assert kstest(h2, halfnorm(scale=0.5).cdf).pvalue > 0.001
