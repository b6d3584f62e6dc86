"""Each rule of report/trust.py: silent on a sound fit, and heard, with the right severity, on the
fit that it is about.
"""

import json

import numpy as np
import pytest
import xarray as xr

from bayesmixer.identity import check_results
from bayesmixer.mixer.cards import INFLATION
from bayesmixer.mixer.heritability import HeritabilityTest
from bayesmixer.reporting.block_error import block_standard_errors
from bayesmixer.reporting.tables import diagnostics
from bayesmixer.reporting.trust import FEW_BLOCKS, Finding, rules, trust
from tests.reporting.fabricate import make_data, make_fit


@pytest.fixture(scope="module")
def large():
    return make_data(m=1200, blocks=400, chromosomes=22)


def sound(large, **kwargs):
    """A fit that no rule objects to."""
    fit = make_fit(large, **kwargs)
    fit["estimate"].attrs["effective_variants"] = 80_000.0
    estimate = fit["estimate"].to_dataset()
    if "optimum_log_posterior" in estimate:
        estimate["optimum_log_posterior"][:] = -5000.0
    fit["estimate"] = xr.DataTree(estimate)
    return fit


def alter(fit, group, **variables):
    changed = fit[group].to_dataset().assign(**variables)
    fit[group] = xr.DataTree(changed)
    return fit


def about(findings, words):
    return [f for f in findings if words in f.sentence]


@pytest.mark.parametrize(
    ("model", "method"),
    [
        ("univariate_mixer", "laplace"),
        ("univariate_mixer", "nuts"),
        ("two_component_mixer", "laplace"),
        ("infinitesimal", "nuts"),
    ],
)
def test_a_sound_fit_passes_every_rule(large, model, method):
    assert trust(sound(large, model=model, method=method), large) == []


def test_a_sound_fit_passes_without_its_data(large):
    assert trust(sound(large)) == []


def test_every_finding_has_a_sentence_and_a_remedy_and_the_gravest_comes_first():
    data = make_data(m=300, blocks=20, chromosomes=1)
    found = trust(make_fit(data, draws=50, spread=2.0), data)
    assert len(found) > 4
    order = [("stop", "caution", "note").index(f.severity) for f in found]
    assert order == sorted(order)
    for finding in found:
        assert isinstance(finding, Finding)
        assert finding.sentence.endswith(".")
        assert finding.remedy.endswith(".")


@pytest.mark.parametrize(("chromosomes", "severity"), [(1, "stop"), (4, "caution"), (5, None)])
@pytest.mark.parametrize("with_data", [True, False])
def test_fewer_than_five_chromosomes_are_too_few_and_one_is_none(chromosomes, severity, with_data):
    data = make_data(m=400, blocks=300, chromosomes=chromosomes)
    found = about(trust(make_fit(data, draws=20), data if with_data else None), "chromosome")
    assert [f.severity for f in found] == ([severity] if severity else [])


@pytest.mark.parametrize(("blocks", "heard"), [(150, True), (400, False)])
def test_fewer_than_200_ld_blocks_are_few(blocks, heard):
    data = make_data(m=6 * blocks, blocks=blocks)
    assert (blocks < FEW_BLOCKS) == heard
    assert bool(about(trust(make_fit(data, draws=20), data), "LD blocks; standard errors")) == heard


@pytest.mark.parametrize(
    ("effective", "severity"), [(500, "stop"), (5_000, "caution"), (10_000, None)]
)
def test_a_small_sum_of_weights_is_heard(large, effective, severity):
    fit = sound(large)
    fit["estimate"].attrs["effective_variants"] = float(effective)
    found = about(trust(fit), "weights of all variants sum")
    assert [f.severity for f in found] == ([severity] if severity else [])


@pytest.mark.parametrize(("chi2", "heard"), [(1.01, True), (1.03, False)])
def test_a_weighted_mean_chi2_below_1_02_is_no_power(large, chi2, heard):
    w, z = large["weight"].values, large["z"].values[:, 0]
    scale = np.sqrt(chi2 / np.average(z[w > 0] ** 2, weights=w[w > 0]))
    weak = large.assign(z=large["z"] * scale)
    found = about(trust(sound(weak), weak), "next to no power")
    assert bool(found) == heard
    assert all(f.severity == "stop" for f in found)


@pytest.mark.parametrize(("share", "heard"), [(0.05, False), (0.2, True)])
def test_uneven_sample_sizes_are_noted_and_left_to_check(large, share, heard):
    n = large["n"].copy(deep=True)
    n[: int(share * n.sizes["variant"])] = 3e4
    uneven = large.assign(n=n)
    fit = sound(uneven)
    found = about(trust(fit, uneven), "sample size below two thirds")
    assert [f.severity for f in found] == (["note"] if heard else [])
    assert not about(rules(fit, uneven, checked=True), "sample size")


def with_test(fit, p):
    """The fit with a test of h2 = 0 of this p-value."""
    test = HeritabilityTest(
        p=p,
        z=0.4,
        p_score=p,
        p_hits=1.0,
        h2=0.001,
        h2_se=0.002,
        h2_upper=0.0046,
        blocks=400,
        blocks_effective=90.0,
    )
    fit["h2_test"] = xr.DataTree(test.dataset())
    return fit


@pytest.mark.parametrize(
    ("p", "heard"), [(0.2, True), (0.051, True), (0.049, False), (1e-9, False)]
)
def test_no_heritability_stops_by_the_test_whatever_the_posteriors_shape(large, p, heard):
    fit = with_test(sound(large), p)
    fit["estimate"].attrs["bic_infinitesimal"] = fit["estimate"].attrs["bic"] - 3
    found = trust(fit)
    assert [f.severity for f in about(found, "No heritability seen: h2 < 0.0046 (95%)")] == (
        ["stop"] if heard else []
    )
    assert any("Report h2" in f.remedy for f in found) != heard  # never beside it


def test_heritability_within_two_sd_of_zero_stops(large):
    fit = sound(large)
    draws = np.random.default_rng(0).lognormal(np.log(0.01), 1.0, (1, 1000))
    found = about(
        trust(alter(fit, "posterior", h2=(("chain", "draw"), draws))), "cannot be told from zero"
    )
    assert [f.severity for f in found] == ["stop"]


def test_a_small_but_well_known_heritability_is_not_called_zero(large):
    draws = np.random.default_rng(0).normal(0.006, 0.0008, (1, 1000))  # height on one chromosome
    assert not about(
        trust(alter(sound(large), "posterior", h2=(("chain", "draw"), draws))),
        "cannot be told from zero",
    )


@pytest.mark.parametrize(
    ("value", "words"), [(1.11, "above 1.1"), (0.94, "below 0.95"), (1.09, None), (0.96, None)]
)
def test_sigma2_0_whose_interval_excludes_the_range_of_check_is_heard(large, value, words):
    fit = sound(large)
    for sd, heard in ((1e-3, words is not None), (0.05, False)):
        draws = (
            fit["posterior"]["sigma2_0"] * 0
            + value
            + np.random.default_rng(0).normal(0, sd, (1, 1000))
        )
        found = about(trust(alter(fit, "posterior", sigma2_0=draws)), "sigma2_0 is")
        assert len(found) == heard
        assert all(words in f.sentence for f in found)
    assert INFLATION == (0.95, 1.1)  # what check takes where it is told nothing else


def test_sigma2_0_of_a_mode_alone_is_judged_by_its_standard_error(large):
    fit = sound(large, method="map")
    for se, heard in ((0.01, True), (0.2, False)):
        alter(fit, "estimate", sigma2_0=1.2, sigma2_0_se=se)
        assert bool(about(trust(fit), "sigma2_0 is 1.200")) == heard


@pytest.mark.parametrize(
    ("model", "gain", "severity"),
    [
        ("infinitesimal", 3.0, "caution"),
        ("infinitesimal", -3.0, None),
        ("two_component_mixer", 21.0, "stop"),
        ("two_component_mixer", -3.0, None),
    ],
)
def test_a_one_component_model_that_bic_prefers_is_said(large, model, gain, severity):
    fit = sound(large, model=model)
    attrs = fit["estimate"].attrs
    attrs["bic_univariate_mixer"] = attrs["bic"] - gain
    assert [f.severity for f in trust(fit) if f"(by {gain:.1f})" in f.sentence] == (
        [severity] if severity else []
    )


@pytest.mark.parametrize(("gain", "heard"), [(-3.0, True), (0.0, True), (2.0, False)])
def test_bic_that_prefers_the_infinitesimal_model_stops(large, gain, heard):
    fit = sound(large)
    attrs = fit["estimate"].attrs
    attrs["bic_infinitesimal"] = attrs["bic"] + gain
    found = about(trust(fit), "BIC prefers the infinitesimal")
    assert [f.severity for f in found] == (["stop"] if heard else [])


def test_an_interval_of_pi_over_a_factor_of_100_is_heard(large):
    pi = np.exp(np.random.default_rng(0).normal(np.log(0.003), 1.6, (1, 1000)))
    assert about(
        trust(alter(sound(large), "posterior", pi=(("chain", "draw"), np.minimum(pi, 1)))),
        "spans a factor",
    )


def test_an_interval_of_pi_that_reaches_the_infinitesimal_model_is_heard(large):
    pi = np.random.default_rng(0).uniform(0.1, 0.6, (1, 1000))
    assert about(
        trust(alter(sound(large), "posterior", pi=(("chain", "draw"), pi))),
        "can hardly be told from the infinitesimal",
    )


@pytest.mark.parametrize(("prior", "heard"), [("weak", True), ("flat", False)])
def test_a_posterior_of_pi_as_wide_as_its_prior_is_heard(large, prior, heard):
    from bayesmixer.mixer.cards import LOGIT_PI

    fit = sound(large, prior=prior)
    free = np.random.default_rng(0).normal(-6, 0.9 * LOGIT_PI.weak.numbers[1], (1, 1000))
    alter(fit, "unconstrained_posterior", logit_pi=(("chain", "draw"), free))
    assert bool(about(trust(fit), "close to its prior")) == heard


def test_an_optimiser_that_did_not_converge_stops(large):
    fit = sound(large)
    fit["estimate"].attrs["converged"] = 0
    assert [f.severity for f in about(trust(fit), "did not converge")] == ["stop"]


@pytest.mark.parametrize(("behind", "severity"), [(0.05, None), (2.0, "caution"), (40.0, "note")])
def test_other_optima_are_heard_and_close_ones_louder(large, behind, severity):
    fit = alter(
        sound(large),
        "estimate",
        optimum_log_posterior=("start", np.array([-5000.0, -5000.0 - behind, -5000.0])),
    )
    found = about(trust(fit), "another optimum")
    assert [f.severity for f in found] == ([severity] if severity else [])
    assert all("1 of 3 starts" in f.sentence for f in found)


@pytest.mark.parametrize(("k", "heard"), [(0.69, False), (0.75, True), (np.inf, True)])
def test_pareto_k_above_0_7_stops(large, k, heard):
    fit = sound(large)
    fit["sample_stats"].attrs["pareto_k"] = k
    found = about(trust(fit), "k-hat")
    assert [f.severity for f in found] == (["stop"] if heard else [])


@pytest.mark.parametrize(("spread", "heard"), [(0.05, False), (0.3, True)])
def test_the_tail_of_weights_that_are_alike_is_of_no_consequence(large, spread, heard):
    fit = sound(large)
    fit["sample_stats"].attrs |= {"pareto_k": 0.83, "binned_log_ratio_sd": spread}
    assert bool(about(trust(fit), "k-hat")) == heard
    told = " ".join(diagnostics(fit, None))
    assert ("the weights differ by 5.0%" in told) != heard
    assert ("not reliable" in told) == heard


def test_divergences_are_counted(large):
    fit = sound(large, method="nuts", draws=300)
    diverging = np.zeros((4, 300), bool)
    diverging[1, :7] = True
    found = about(
        trust(alter(fit, "sample_stats", diverging=(("chain", "draw"), diverging))), "divergences"
    )
    assert "7 divergences" in found[0].sentence


def test_chains_that_disagree_stop_and_few_effective_draws_are_heard(large):
    fit = sound(large, method="nuts", draws=300)
    h2 = fit["posterior"]["h2"] + 0.02 * np.arange(4)[:, None]
    found = trust(alter(fit, "posterior", h2=h2))
    assert [f.severity for f in about(found, "chains disagree")] == ["stop"]
    assert about(found, "effective sample size")


def test_importance_weights_on_few_draws_are_few_effective_draws(large):
    fit = sound(large)
    fit["sample_stats"].attrs["effective_draws"] = 100.0
    found = about(trust(fit), "effective sample size")
    assert "is 100," in found[0].sentence


def test_an_estimate_at_the_edge_of_the_search_stops(large):
    fit = sound(large)
    fit["estimate"].attrs["at_bound"] = json.dumps(["logit_pi"])
    assert [f.severity for f in about(trust(fit), "edge of what is searched (logit_pi)")] == [
        "stop"
    ]


def test_a_single_draw_has_no_intervals(large):
    assert about(trust(check_results(make_fit(large, method="map"))), "one draw")


def _normal_mean(copies, blocks=400, draws=8000, seed=0):
    """Posterior of a mean when each of `blocks` observations is counted `copies` times."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=blocks)
    theta = rng.normal(y.mean(), 1 / np.sqrt(copies * blocks), (1, draws))
    by_block = -0.5 * copies * (y - theta[..., None]) ** 2
    two = ("chain", "draw")
    fit = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"h2": (two, theta)}),
            "log_likelihood": xr.Dataset({"z": ((*two, "ld_block"), by_block)}),
        }
    )
    fit.attrs["kind"] = "fit"
    return y, fit


@pytest.mark.parametrize("copies", [1, 4])
def test_block_errors_are_those_of_the_blocks_however_often_they_are_counted(copies):
    y, fit = _normal_mean(copies)
    error, sd = block_standard_errors(fit)["h2"]
    assert error == pytest.approx(y.std(ddof=1) / np.sqrt(len(y)), rel=0.05)
    assert error / sd == pytest.approx(y.std(ddof=1) * np.sqrt(copies), rel=0.07)


@pytest.mark.parametrize(("copies", "heard"), [(1, False), (4, True)])
def test_intervals_narrower_than_the_blocks_allow_are_heard(copies, heard):
    assert bool(about(trust(_normal_mean(copies)[1]), "intervals are too narrow")) == heard


def test_a_fit_without_likelihood_by_block_says_that_its_intervals_are_unchecked(large):
    fit = sound(large)
    del fit["log_likelihood"]
    assert [f.severity for f in about(trust(fit), "pseudo-likelihood")] == ["note"]


def test_chromosomes_are_read_from_the_fit_when_there_are_no_data(large):
    fit = sound(large)
    fit.attrs["data"] = json.dumps(
        {**json.loads(fit.attrs["data"]), "chromosomes": json.dumps(["22"])}
    )
    assert about(trust(fit), "Only chromosome 22")


def with_data(large, **attrs):
    fit = sound(large)
    fit.attrs["data"] = json.dumps({**json.loads(fit.attrs.get("data") or "{}"), **attrs})
    return fit


@pytest.mark.parametrize(
    ("dominant", "severity", "words"),
    [("exclude", "note", "Add about 0.036 to h2"), ("keep", "caution", "dominant='exclude'")],
)
def test_dominant_loci_left_out_or_kept_are_named_with_their_h2(large, dominant, severity, words):
    locus = {"chrom": "19", "pos": 45411941, "snp": "rs429358", "z": -60.0, "h2": 0.036}
    (found,) = trust(with_data(large, dominant=dominant, dominant_loci=json.dumps([locus])))
    assert found.severity == severity
    assert "19:45411941 (rs429358, |z| 60.0)" in found.sentence
    assert words in found.remedy


def test_what_alignment_warned_of_is_still_said_of_the_fit(large):
    (found,) = trust(
        with_data(
            large,
            overlap=json.dumps(
                {
                    "one_chromosome": False,
                    "warnings": [
                        "Only 40 variants are left (ambiguous 60), too few for a statement."
                    ],
                }
            ),
        )
    )
    assert (found.severity, found.sentence[:26]) == ("caution", "Only 40 variants are left ")


def test_heritabilities_above_one_and_very_high_sigma2_0_stop(large):
    fit = sound(large)
    impossible = alter(fit, "posterior", h2=fit["posterior"]["h2"] * 0 + 2.3)
    assert about(trust(impossible), "h2 is 2.30, above 1")[0].severity == "stop"
    fit = sound(large)
    assert (
        about(
            trust(alter(fit, "posterior", sigma2_0=fit["posterior"]["sigma2_0"] * 0 + 1.9)),
            "sigma2_0 is 1.90",
        )[0].severity
        == "stop"
    )
