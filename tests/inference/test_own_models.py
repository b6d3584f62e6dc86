"""Models of other makers, and ours once changed: calibrated where they have a likelihood by LD
block, and told why not where they have none.
"""

import json
import warnings

import numpy as np
import pymc as pm
import pytest

import bayesmixer as bm
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.models.half_normal import LogHalfNormal
from bayesmixer.models.own import own_bound
from tests.inference import toys
from tests.inference.test_calibration import counted
from tests.models.small_gwas import simulate_gwas
from tests.models.test_ld_mixture import like_ours


def heard(call):
    """What a call returns, and the warnings it raised."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", DataWarning)
        out = call()
    return out, " ".join(str(w.message) for w in said)


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
def test_own_model_with_a_likelihood_by_ld_block_gets_the_sandwichs_widths():
    """Each value counts four times: the likelihood states half of the standard error s /
    sqrt(n).
    """
    model, y = counted(4)
    fit = bm.fit(model, draws=1000, seed=1, progress=False)
    assert fit.attrs["calibrated"] == "affine"
    error = y.std() / np.sqrt(len(y))
    assert float(fit["unconstrained_posterior"]["mean"].std()) == pytest.approx(error, rel=0.1)
    assert float(fit["uncalibrated_unconstrained_posterior"]["mean"].std()) == pytest.approx(
        error / 2, rel=0.1
    )
    assert float(fit["estimate"]["sd_se"]) > 0


def test_own_model_without_ld_blocks_is_told_why_it_is_not_calibrated():
    fit, words = heard(lambda: bm.fit(toys.gaussian(), draws=100, seed=1, progress=False))
    assert fit.attrs["calibrated"] == "no"
    assert (
        "Not calibrated: the model has no log-likelihood by LD block (a potential with dim "
        "ld_block)" in words
    )
    assert "Not calibrated" in json.loads(fit.attrs["warnings"])[0]


def test_own_model_of_few_ld_blocks_is_told_how_many_are_needed():
    _, words = heard(lambda: bm.fit(counted(1, blocks=5)[0], "map", progress=False))
    assert "Not calibrated: 5 LD blocks hold data, fewer than 6" in words


def test_who_does_not_want_calibration_is_told_nothing():
    _, words = heard(lambda: bm.fit(toys.gaussian(), "map", calibrate=False, progress=False))
    assert words == ""


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
@pytest.mark.parametrize("change", [pm.do, pm.observe])
def test_model_with_a_parameter_held_is_calibrated_in_the_rest_and_shows_no_null_of_more_parameters(
    change,
):
    data = simulate_gwas(h2=0.3, n=20_000, seed=4)
    fit = bm.fit(
        change(bm.models.infinitesimal(data), {"log_sigma2_0": 0.05}),
        draws=200,
        seed=1,
        progress=False,
    )
    estimate = fit["estimate"]
    assert fit.attrs["calibrated"] == "affine"
    assert fit.attrs["model"] == "infinitesimal (changed)"
    assert list(estimate["parameter"].values) == ["log_h2"]
    assert float(estimate["sigma2_0"]) == pytest.approx(np.exp(0.05))
    assert float(estimate["h2_se"]) > 0
    assert "bic_infinitesimal" not in estimate.attrs
    assert estimate.attrs["aic"] == pytest.approx(2 - 2 * estimate.attrs["log_likelihood"])
    assert fit["constant_data"].sizes["ld_block"] == 60  # the fingerprint of the data


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
def test_parameter_that_only_the_prior_tells_of_keeps_the_priors_width_and_spoils_no_other():
    """What `pm.do` leaves of log sigma2_0 when the variable made of it is held."""
    data = simulate_gwas(h2=0.3, n=20_000, seed=4)
    fit, held = (
        bm.fit(
            pm.do(bm.models.infinitesimal(data), {name: value}), draws=200, seed=1, progress=False
        )
        for name, value in (("sigma2_0", 1.05), ("log_sigma2_0", np.log(1.05)))
    )
    calibrated = fit["estimate"]["covariance_calibrated"].to_numpy()
    raw = fit["estimate"]["covariance"].to_numpy()
    assert calibrated[1, 1] == pytest.approx(raw[1, 1], rel=0.05)
    assert float(fit["estimate"]["h2_se"]) == pytest.approx(
        float(held["estimate"]["h2_se"]), rel=0.02
    )
    assert np.isfinite(bm.summary(fit).loc["h2"]).all()


@pytest.fixture(scope="module")
def pair():
    """Our univariate fit, and that of the same model written anew on `ld_mixture`."""
    data = simulate_gwas(h2=0.3, seed=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        model = like_ours(data)
        ours = bm.fit(bm.models.univariate_mixer(data), draws=200, seed=1, progress=False)
        return data, ours, bm.fit(model, draws=200, seed=1, progress=False), model


def test_own_model_equal_to_ours_is_calibrated_equally(pair):
    _, ours, own, _ = pair
    assert own.attrs["calibrated"] == ours.attrs["calibrated"] == "affine"
    for name in ("covariance", "covariance_calibrated", "mode"):
        np.testing.assert_allclose(
            own["estimate"][name].values, ours["estimate"][name].values, rtol=2e-3, atol=2e-4
        )
    assert float(own["estimate"]["z_sigma2_beta_se"]) == pytest.approx(
        float(ours["estimate"]["sigma2_beta_se"]), rel=2e-3
    )
    assert own["h2_test"].to_dataset().equals(ours["h2_test"].to_dataset())


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
def test_own_model_equal_to_ours_is_checked_compared_and_reported_equally(pair, tmp_path):
    data, ours, own, model = pair
    one, other = (
        bm.check(fit, data, model=made, draws=2, progress=False).table.drop(index="prior")
        for fit, made in ((ours, None), (own, model))
    )
    np.testing.assert_allclose(one["p"], other["p"], rtol=0.02)
    table = bm.compare({"ours": ours, "own": own}, models={"own": model}, reloo=False)
    assert abs(table["elpd_diff"]).max() < 0.2
    assert set(table["model"]) == {"univariate_mixer", "ld_mixture"}
    page = bm.report(own, data, tmp_path / "own.html", model=model, progress=False).read_text()
    assert "own LD mixture" in page and "No figure" not in page and "not compared" not in page


def test_fit_of_an_own_model_says_whose_it_is_and_is_not_made_again_without_it(pair):
    data, _, own, model = pair
    assert own.attrs["model"] == "ld_mixture"
    assert own.attrs["prior"] == (
        "own: log_h2 ~ LogHalfNormal, logit_pi ~ Normal, log_sigma2_0 ~ Normal"
    )
    assert own["constant_data"].sizes["ld_block"] == 60
    with pytest.raises(InputError, match="Give the model itself: model="):
        bm.rebuild(own, data)
    with pytest.raises(InputError, match="not what this fit"):
        bm.check(own, simulate_gwas(h2=0.3, seed=5), progress=False)
    with pytest.raises(InputError, match="Give the model itself: model="):
        bm.check(own, data, progress=False)
    assert bm.calibrate(own, model=model).attrs["calibrated"] == "affine"


ASKED = {
    "calibrate": lambda fit, data, model, to: bm.calibrate(fit, model=model),
    "check": lambda fit, data, model, to: bm.check(fit, data, model=model, progress=False),
    "loo": lambda fit, data, model, to: bm.loo(fit, model=model),
    "compare": lambda fit, data, model, to: bm.compare({"own": fit}, models={"own": model}),
    "verdict": lambda fit, data, model, to: bm.verdict(fit, data, model=model, progress=False),
    "report": lambda fit, data, model, to: bm.report(
        fit, data, to / "own.html", model=model, progress=False
    ),
    "predict": lambda fit, data, model, to: bm.sample_posterior_predictive(fit, data, model=model),
}


@pytest.mark.parametrize("ask", ASKED)
def test_model_with_priors_of_other_numbers_is_not_the_fits(pair, ask, tmp_path):
    """Their names, which a fit stores, are the same."""
    data, _, own, _ = pair
    other = like_ours(data, pi_sd=2.6)
    with pytest.raises(InputError, match=r"log prior -\S+ at the fit's mode, where the fit has -"):
        ASKED[ask](own, data, other, tmp_path)


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
def test_own_model_after_do_is_calibrated_as_ours_after_do():
    data = simulate_gwas(h2=0.3, seed=4)
    ours, own = (
        bm.fit(pm.do(model, {"log_sigma2_0": 0.05}), draws=100, seed=1, progress=False)
        for model in (bm.models.univariate_mixer(data), like_ours(data))
    )
    assert (ours.attrs["model"], own.attrs["model"]) == ("univariate_mixer (changed)", "ld_mixture")
    for fit in (ours, own):
        assert fit.attrs["calibrated"] == "affine"
    left = ["log_h2", "logit_pi"]  # copies hold them in another order
    one, other = (
        fit["estimate"]["covariance_calibrated"].sel(parameter=left, parameter_bis=left)
        for fit in (ours, own)
    )
    np.testing.assert_allclose(one, other, rtol=0.02)


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
@pytest.mark.parametrize("held", [{"pi": 0.02}, {"sigma2_0": 1.05}])
def test_model_in_which_do_held_what_it_reports_is_predicted_and_checked_at_that_value(held):
    """As one written with the number: without pi, every variant would be taken for causal."""
    data = simulate_gwas(h2=0.3, seed=4)
    changed = pm.do(bm.models.univariate_mixer(data), held)
    with pm.Model() as written:
        h2 = pm.math.exp(LogHalfNormal("log_h2", 0.5))
        logit = pm.Normal("logit_pi", -5.5, 2.5) if "pi" not in held else 0.0
        pi = held.get("pi", pm.math.sigmoid(logit))
        zero = held.get("sigma2_0") or pm.math.exp(pm.Normal("log_sigma2_0", 0.0, 0.25))
        variance = h2 / (pi * data.attrs["h_total"][0])
        bm.ld_mixture("z", data, pi=pi, sigma2_beta=variance, sigma2_0=zero)
    fits = [bm.fit(model, "map", progress=False) for model in (changed, written)]
    assert [float(fits[0]["estimate"][name]) for name in held] == list(held.values())
    one, other = (
        bm.sample_posterior_predictive(fit, data, draws=1)["posterior_predictive"]["z"].values
        for fit in fits
    )
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)
    one, other = (
        bm.check(fit, data, model=model, draws=1, progress=False).table["p"].drop("prior")
        for fit, model in zip(fits, (changed, written), strict=True)
    )
    # a parameter that only its prior holds still counts as one that was fitted
    np.testing.assert_allclose(one, other, rtol=0.1)


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
def test_changed_model_of_which_no_part_can_be_made_is_said_to_be_one():
    data = simulate_gwas(h2=0.3, n=20_000, seed=4)
    changed = pm.do(bm.models.infinitesimal(data), {"log_sigma2_0": 0.05})
    fit = bm.fit(changed, "map", progress=False)
    with pytest.raises(InputError, match="infinitesimal, changed since it was made, cannot be"):
        bm.check(fit, data, model=changed, progress=False)


def traits(*data):
    """A pi for each trait, the rest known."""
    with pm.Model() as model:
        pi = pm.Beta("pi", 1, 20, shape=len(data))
        for k, one in enumerate(data):
            variance = 0.3 / (pi[k] * one.attrs["h_total"][0])
            bm.ld_mixture(f"z{k}", one, pi=pi[k], sigma2_beta=variance, sigma2_0=1.05)
    return model


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
def test_trait_that_is_given_twice_counts_once_in_the_calibrated_width():
    """Scores of an LD block are summed over the traits: a copy has the errors of the first."""
    data = simulate_gwas(h2=0.3, pi=0.05, seed=4)
    with pm.Model() as model:
        pi = pm.Beta("pi", 1, 20)
        variance = 0.3 / (pi * data.attrs["h_total"][0])
        for name in ("z", "again"):
            bm.ld_mixture(name, data, pi=pi, sigma2_beta=variance, sigma2_0=1.05)
    twice = bm.fit(model, "map", progress=False)["estimate"]
    once = bm.fit(traits(data), "map", progress=False)["estimate"]
    assert float(twice["pi_se"]) == pytest.approx(float(once["pi_se"][0]), rel=0.15)
    raw = float(twice["covariance"].squeeze()) / float(once["covariance"].squeeze())
    assert raw == pytest.approx(0.5, rel=0.15)


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
def test_fit_of_several_traits_is_checked_trait_by_trait_against_the_data_of_all():
    one = simulate_gwas(h2=0.3, pi=0.05, seed=4, trait="one")
    two = simulate_gwas(h2=0.3, pi=0.02, seed=5, trait="two")
    model = traits(one, two)
    fit = bm.fit(model, "map", progress=False)
    assert (fit.attrs["calibrated"], fit.attrs["trait"]) == ("affine", "one, two")
    both = own_bound(model).data
    assert np.isfinite(
        bm.check(fit, both, model=model, trait="two", draws=1, progress=False)
        .table["p"]
        .drop("prior")
    ).all()
    with pytest.raises(InputError, match="trait: not given, and the fit is of one, two together"):
        bm.check(fit, both, model=model, progress=False)
    with pytest.raises(InputError, match="data: not what this fit was made with: no trait two"):
        bm.check(fit, one, model=model, progress=False)


def test_traits_of_other_variants_are_told_why_they_are_not_calibrated():
    one = simulate_gwas(seed=4)
    model = traits(one, simulate_gwas(blocks=40, seed=5))
    fit, words = heard(lambda: bm.fit(model, "map", progress=False))
    assert fit.attrs["calibrated"] == "no"
    assert "Not calibrated: the LD blocks of z1 are others than those" in words
    with pytest.raises(InputError, match="model: the LD blocks of z1 are others than those"):
        bm.check(fit, one, model=model, progress=False)


def test_trait_without_heritability_under_a_prior_of_ones_own_is_told_so():
    data = simulate_gwas(h2=1e-6, n=2_000, seed=8)
    with pm.Model() as model:
        h2, total = pm.Beta("h2", 2, 8), data.attrs["h_total"][0]
        bm.ld_mixture("z", data, pi=0.1, sigma2_beta=h2 / (0.1 * total), sigma2_0=1.05)
    fit, words = heard(lambda: bm.fit(model, "map", progress=False))
    assert "No heritability seen (p = " in words
    assert "h2_test" not in fit.children


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
def test_refits_start_at_the_mode_of_a_fit_whose_variables_had_another_order(monkeypatch):
    from bayesmixer.inference import loo

    data = simulate_gwas(blocks=20, seed=4)

    def build(names):
        with pm.Model() as model:
            p = {name: pm.Beta(name, 1, 99) for name in names}
            bm.ld_mixture("z", data, pi=p["pi"], sigma2_beta=p["variance"], sigma2_0=1.0)
        return model

    fit = bm.fit(build(["pi", "variance"]), draws=100, progress=False)
    begun = []

    class Refit:
        def __init__(self, bound, block, mode, draws, seed):
            begun.append(mode)

        def pooled(self, fit, own, advance):
            return 0.0

    monkeypatch.setattr(loo, "LeftOut", Refit)
    monkeypatch.setattr(loo, "RELIABLE", -np.inf)
    bm.loo(fit, model=build(["variance", "pi"]))
    np.testing.assert_array_equal(begun[0], fit["estimate"]["mode"].values[::-1])
    again = bm.calibrate(fit, model=build(["variance", "pi"]))
    names = fit["estimate"]["parameter"].values
    one, other = (
        tree["estimate"]["covariance_calibrated"].sel(parameter=names, parameter_bis=names)
        for tree in (fit, again)
    )
    # differences of the scores, whose steps are a tenth of the sd: the search's sd in the fit, the
    # stored one here; their error is of second order in the step
    np.testing.assert_allclose(one, other, rtol=5e-5)
