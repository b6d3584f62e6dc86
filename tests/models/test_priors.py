"""Priors: 'weak' adds the documented densities, half-normal on h2, 'flat' nothing;
the cards state what they mean.
"""

import re
import warnings

import numpy as np
import pymc as pm
import pytest
from scipy.special import expit
from scipy.stats import halfnorm, kstest, norm

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.inference.density import LogDensity
from bayesmixer.mixer.cards import LOG_H2, TWO_COMPONENT
from bayesmixer.models import infinitesimal, two_component_mixer, univariate_mixer
from bayesmixer.models.common import free
from bayesmixer.models.half_normal import log_density
from bayesmixer.models.rebuild import check_model
from tests.models.small_gwas import simulate_gwas

# as the cards say: mean and sd on the unconstrained scale, the scale that is read, the
# 95% range there
SCALE, NINETY_FIVE = 0.5, 0.98  # of the half-normal of h2
STATED = {
    "logit_pi": (-5.5, 2.5, expit, (3.0e-5, 0.35)),
    "log_sigma2_0": (0.0, 0.25, np.exp, (0.61, 1.63)),
    "logit_share_large": (0.0, 1.5, expit, (0.05, 0.95)),
    "log_pi_ratio": (3.0, 1.0, np.exp, (2.8, 143.0)),
}


def stated(name, v):
    """Log density that the documentation states of a free parameter at v."""
    if name == "log_h2":
        return halfnorm.logpdf(np.exp(v), scale=SCALE) + v  # the Jacobian of the log
    return norm.logpdf(v, *STATED[name][:2])


@pytest.mark.parametrize("build", [infinitesimal, univariate_mixer, two_component_mixer])
def test_weak_prior_adds_the_stated_densities_and_flat_nothing(build):
    data = simulate_gwas(blocks=10)
    weak, flat = LogDensity(build(data)), LogDensity(build(data, prior="flat"))
    assert weak.names == flat.names
    rng = np.random.default_rng(0)
    for _ in range(3):
        # near the middle: where a few variants hold all of h2 the data are impossible and every
        # density is minus infinity
        x = np.array([rng.normal(STATED.get(name, (-2.0,))[0], 0.5) for name in weak.names])
        likelihood = flat.value_and_blocks(x)[1]["z"].sum()
        assert np.isfinite(likelihood)
        assert flat.value_and_gradient(x)[0] == pytest.approx(likelihood, rel=1e-10)
        expected = sum(stated(name, v) for v, name in zip(x, weak.names, strict=True))
        assert weak.value_and_gradient(x)[0] - likelihood == pytest.approx(expected, abs=1e-6)


def test_stated_ranges_are_those_of_the_priors():
    weak = {one.name: one.weak for one in TWO_COMPONENT.free}
    assert weak.pop("log_h2").numbers == (SCALE,) and set(weak) == set(STATED)
    assert halfnorm.ppf(0.95, scale=SCALE) == pytest.approx(NINETY_FIVE, rel=0.01)
    for name, (mean, sd, scale, (low, high)) in STATED.items():
        assert weak[name].numbers == pytest.approx((mean, sd))
        assert scale(norm.ppf([0.025, 0.975], mean, sd)) == pytest.approx([low, high], rel=0.02)


def test_cards_say_what_95_percent_of_every_prior_means():
    means = {one.name: one.weak.means for one in TWO_COMPONENT.free}
    assert f"h2 below {NINETY_FIVE}" in means.pop("log_h2")
    for name, said in means.items():
        numbers = [float(v) for v in re.findall(r"\b\d+(?:\.\d+)?(?:e-?\d+)?\b", said)][:2]
        assert numbers == pytest.approx(STATED[name][3], rel=0.02), said


def test_search_box_holds_the_priors_middle_999_of_1000():
    for one in TWO_COMPONENT.free:
        if one.weak.family == "normal":
            low, high = norm.cdf(one.box, *one.weak.numbers)
            assert high - low > 0.995, one.name
    low, high = np.exp(LOG_H2.box)
    assert halfnorm.cdf(high, scale=SCALE) - halfnorm.cdf(low, scale=SCALE) > 0.995


def test_the_prior_of_h2_is_finite_at_zero_and_flat_there():
    near_zero = np.log(np.array([1e-12, 1e-9, 1e-6, 1e-3]))
    of_h2 = log_density(near_zero, *LOG_H2.weak.numbers) - near_zero  # density of h2 itself
    np.testing.assert_allclose(np.exp(of_h2), 2 * norm.pdf(0, scale=SCALE), rtol=1e-5)


def test_prior_draws_of_h2_are_half_normal():
    with pm.Model() as model:
        pm.Deterministic("h2", pm.math.exp(free(LOG_H2, "weak")))
    with model:
        drawn = pm.sample_prior_predictive(2000, var_names=["h2"], random_seed=1)["prior"][
            "h2"
        ].values.ravel()
    assert kstest(drawn, halfnorm(scale=SCALE).cdf).pvalue > 0.001


@pytest.fixture(scope="module")
def told():
    """A trait that tells a good deal of h2 and sigma2_0, and its fit with flat priors."""
    data = simulate_gwas(h2=0.5, pi=1.0, n=1_000, seed=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bm.DataWarning)
        model = infinitesimal(data, prior="flat")
        return data, bm.fit(model, "map", calibrate=False, progress=False)


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
@pytest.mark.parametrize("as_function", [False, True])
def test_own_prior_moves_the_posterior_as_the_product_of_gaussians_says(told, as_function):
    data, flat = told
    mode, hessian = (flat["estimate"][name].values for name in ("mode", "hessian"))
    sd = np.sqrt(np.diag(np.linalg.inv(hessian)))
    # centred half a standard error away and as wide as the likelihood: within its parabola
    centre, scale = mode + 0.5 * sd, sd
    own = {
        name: pm.Normal.dist(centre[i], scale[i])
        for i, name in enumerate(["log_h2", "log_sigma2_0"])
    }
    prior = own.get if as_function else own
    fit = bm.fit(infinitesimal(data, prior=prior), "map", calibrate=False, progress=False)
    precision = np.diag(scale**-2)
    together = hessian + precision
    expected = np.linalg.solve(together, hessian @ mode + precision @ centre)
    found = fit["estimate"]
    np.testing.assert_allclose(found["mode"].values, expected, rtol=0, atol=0.01 * sd.min())
    np.testing.assert_allclose(found["hessian"].values, together, rtol=0.05)
    moved = np.abs(found["mode"].values - mode) / sd
    assert (moved > 0.08).all()


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
def test_fit_with_own_priors_says_them_and_is_made_again_by_the_model_alone(told):
    data, _ = told

    def cautious(name):
        return pm.Normal.dist(-2.0, 1.0) if name == "log_h2" else None

    def heavy(name):
        return pm.StudentT(name, nu=4, mu=-2.0, sigma=1.0)

    for prior, said in (
        ({"log_h2": pm.Normal.dist(-2.0, 1.0)}, "own: log_h2 ~ Normal"),
        (cautious, "own: cautious"),
        ({"log_h2": heavy}, "own: log_h2 ~ heavy"),
    ):
        model = infinitesimal(data, prior=prior)
        fit = bm.fit(model, "map", progress=False)
        assert fit.attrs["prior"] == said == bm.summary(fit).attrs["prior"]
        with pytest.raises(InputError, match=f"priors of its own .{said}.*model="):
            bm.rebuild(fit, data)
        assert bm.calibrate(fit, model=model).attrs["calibrated"] == "affine"


def test_own_prior_of_an_unknown_parameter_is_refused_in_one_line(told):
    words = "prior: given for log_h, expected some of log_h2, log_sigma2_0"
    with pytest.raises(InputError, match=words):
        infinitesimal(told[0], prior={"log_h": pm.Normal.dist()})
    with pytest.raises(InputError, match="prior: 3 for log_h2, expected a distribution"):
        infinitesimal(told[0], prior={"log_h2": 3})


def test_own_prior_of_another_shape_is_refused_and_of_a_vector_has_its_dim(told):
    data, _ = told
    with pytest.raises(InputError, match=r"prior: of shape \(2,\) for log_h2, expected \(\)"):
        infinitesimal(data, prior={"log_h2": pm.Normal.dist(0, 1, shape=2)})
    with pytest.raises(InputError, match=r"prior: of shape \(2,\) for effect_weights"):
        bm.models.scale_mixture(
            data, components=2, prior={"effect_weights": pm.Dirichlet.dist([1, 1])}
        )
    prior = {"effect_weights": pm.Dirichlet.dist([4.0, 1.0, 1.0])}
    model = bm.models.scale_mixture(data, components=2, prior=prior)
    assert model.named_vars_to_dims["effect_weights"] == ("effect_size",)


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
def test_prior_of_bounds_is_fitted_without_the_profile_of_its_parameter(told):
    prior = {"logit_pi": pm.Uniform.dist(-6.0, 3.0)}
    model = bm.models.univariate_mixer(told[0], prior=prior)
    fit = bm.fit(model, "map", profile=True, calibrate=False, progress=False)
    assert "profile_pi" not in fit["estimate"]


def test_model_with_its_variables_in_another_order_is_the_one_that_was_fitted(told):
    data, flat = told
    laws = {"log_h2": pm.Normal.dist(-2.0, 1.0), "log_sigma2_0": pm.Normal.dist(0.0, 1.0)}
    fit = flat.copy()
    fit.attrs["prior"] = "own: log_h2 ~ Normal, log_sigma2_0 ~ Normal"
    check_model(fit, infinitesimal(data, prior=dict(reversed(laws.items()))))
    with pytest.raises(InputError, match="but the fit is of"):
        check_model(fit, infinitesimal(data, prior={"log_h2": laws["log_h2"]}))
