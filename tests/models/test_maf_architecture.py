"""Univariate MiXeR with S: derived quantities, its limits, fixed and free S, and a fit that
recovers S.
"""

import warnings

import numpy as np
import pytest
from scipy.stats import chi2, norm

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.inference.density import LogDensity
from bayesmixer.ld.exponents import at_exponent, exponents, h_total_at, pick
from bayesmixer.mixer.derived import n90_fraction, n90_fraction_at
from bayesmixer.mixer.prediction import at_fitted_s, parameters
from bayesmixer.mixer.starts import thin
from bayesmixer.models import infinitesimal, univariate_mixer
from bayesmixer.models.common import bound_of
from tests.models.maf_gwas import HELD, heterozygosity, maf_gwas, spectrum_at

POINT = np.array([-0.7, -3.0, 0.05, 0.2])


@pytest.fixture(scope="module")
def data():
    return maf_gwas()


@pytest.fixture(scope="module")
def density(data):
    return LogDensity(univariate_mixer(data, prior="flat", maf_s="free"))


def maf_s_at(logit):
    return HELD[0] + (HELD[-1] - HELD[0]) / (1 + np.exp(-logit))


def test_free_s_adds_one_parameter_and_h2_is_pi_sigma2_beta_times_the_sum_of_h_to_the_one_plus_s(
    density,
):
    assert density.names == ["log_h2", "logit_pi", "log_sigma2_0", "logit_maf_s"]
    draw = {k: v.item() for k, v in density.posterior(POINT[None, None]).items()}
    s = maf_s_at(POINT[3])
    h = heterozygosity()
    assert draw["maf_s"] == pytest.approx(s)
    assert draw["pi"] * draw["sigma2_beta"] * (h ** (1 + s)).sum() == pytest.approx(
        draw["h2"], rel=1e-5
    )


def test_h_total_is_exact_at_the_exponents_held_and_close_between(data):
    h = heterozygosity()
    for s in (*HELD, -0.9, -0.6, 0.1):
        assert h_total_at(data, s) == pytest.approx(
            (h ** (1 + s)).sum(), rel=1e-10 if s in HELD else 1e-6
        )  # a sum of thousands of positive terms


def test_with_s_of_minus_one_all_variants_explain_alike_so_that_n90_is_a_quantile_of_chi_squared(
    data,
):
    # share of chi2_1 above t is E[chi2_1; > t] = P(chi2_3 > t)
    expected = chi2.sf(chi2.isf(0.9, 3), 1)
    assert n90_fraction(data, -1.0) == pytest.approx(
        expected, abs=5e-4
    )  # of the interpolation along its grid
    for s in (-0.83, -0.31, 0.2):
        assert n90_fraction_at(data, s) == pytest.approx(n90_fraction(data, s), abs=3e-4)


def test_a_number_that_is_held_gives_the_model_of_that_exponent_alone(data):
    fixed = LogDensity(univariate_mixer(data, prior="flat", maf_s=-0.5))
    alone = LogDensity(univariate_mixer(pick(data, -0.5), prior="flat"))
    np.testing.assert_array_equal(
        fixed.value_and_blocks(POINT[:3])[1]["z"], alone.value_and_blocks(POINT[:3])[1]["z"]
    )
    assert bound_of(fixed.model).data["maf_s"].values.tolist() == [-0.5]


def test_no_number_means_zero_where_the_data_hold_several(data):
    zero = LogDensity(univariate_mixer(data, prior="flat", maf_s=0)).value_and_gradient(POINT[:3])
    none = LogDensity(univariate_mixer(data, prior="flat")).value_and_gradient(POINT[:3])
    assert none[0] == zero[0]


def test_a_number_between_is_the_free_model_there_and_the_model_of_the_interpolated_data(
    data, density
):
    s = float(maf_s_at(POINT[3]))
    fixed = LogDensity(univariate_mixer(data, prior="flat", maf_s=s))
    free = density.value_and_blocks(POINT)[1]["z"]
    # two kernels: each right to 1e-8 (likelihood_cases.assert_same_to_rounding)
    np.testing.assert_allclose(
        fixed.value_and_blocks(POINT[:3])[1]["z"], free, rtol=1e-9, atol=2e-8
    )
    one = at_exponent(data, s)
    assert exponents(one) == pytest.approx([s])
    np.testing.assert_allclose(
        LogDensity(univariate_mixer(one, prior="flat")).value_and_blocks(POINT[:3])[1]["z"],
        free,
        atol=2e-3,
    )
    # strengths of the interpolated data are one constant times those of spectra built at s
    direct = spectrum_at(s, float(data["node_x"][0])).sum(1) * one.attrs["strength_scale"]
    np.testing.assert_allclose(one["spectrum"].values[0].sum(1), direct, rtol=1e-4)
    np.testing.assert_allclose(one["ld_score_h"].values[0], direct, rtol=1e-4)


def test_with_every_variant_causal_it_is_the_infinitesimal_model_of_that_s(data):
    data = data.assign(
        z=data["z"].clip(-9, 9)
    )  # beyond, where few lines reach, the saddle point of a mixture is no Gaussian's
    density = LogDensity(univariate_mixer(data, prior="flat", maf_s="free"))
    every = POINT.copy()
    every[1] = 30.0
    gaussian = LogDensity(infinitesimal(data, prior="flat", maf_s="free"))
    assert gaussian.names == ["log_h2", "log_sigma2_0", "logit_maf_s"]
    found = gaussian.value_and_blocks(POINT[[0, 2, 3]])[1]["z"]
    np.testing.assert_allclose(density.value_and_blocks(every)[1]["z"], found, atol=5e-3)
    s = maf_s_at(POINT[3])
    h = heterozygosity()
    sd = np.sqrt(
        np.exp(POINT[2])
        + data["n"].values[:, 0]
        * spectrum_at(s, float(data["node_x"][0])).sum(1)
        * np.exp(POINT[0])
        / (h ** (1 + s)).sum()
    )
    expected = np.bincount(
        data["ld_block"].values,
        data["weight"].values * norm.logpdf(data["z"].values[:, 0], scale=sd),
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_gradient_is_the_slope_of_the_log_posterior(data):
    density = LogDensity(univariate_mixer(data, prior="weak", maf_s="free"))
    slope = density.value_and_gradient(POINT)[1]
    for i in range(4):
        e = np.zeros(4)
        e[i] = 1e-4
        expected = (
            density.value_and_gradient(POINT + e)[0] - density.value_and_gradient(POINT - e)[0]
        ) / 2e-4
        assert slope[i] == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_weak_prior_of_s_is_uniform_over_its_range(data):
    weak, flat = (
        LogDensity(univariate_mixer(data, prior=p, maf_s="free")) for p in ("weak", "flat")
    )
    points = [
        np.array([np.log(0.1), -5.5, 0.0, v]) for v in (-1.0, 0.0, 2.0)
    ]  # the other priors are flat to first order there
    found = [weak.value_and_gradient(p)[0] - flat.value_and_gradient(p)[0] for p in points]
    jacobian = [np.log(np.exp(-p[3]) / (1 + np.exp(-p[3])) ** 2) for p in points]  # dS / d logit
    np.testing.assert_allclose(np.diff(found), np.diff(jacobian), rtol=1e-6)


@pytest.fixture(scope="module")
def fitted(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bm.DataWarning)  # 60 LD blocks are few
        return bm.fit(
            univariate_mixer(data, maf_s="free"), "laplace", draws=500, seed=2, progress=False
        )


def test_a_fit_recovers_s_and_rejects_zero(data, fitted):
    table = bm.summary(fitted)
    found, sd = table.loc["maf_s", "map"], table.loc["maf_s", "sd"]
    assert 0.01 < sd < 0.4  # 60 LD blocks say little
    assert abs(found - -0.6) < 3 * sd
    zero = fit_quietly(univariate_mixer(data, maf_s=0))
    assert fitted["estimate"].attrs["log_likelihood"] - zero["estimate"].attrs["log_likelihood"] > 2
    assert fitted["log_likelihood"]["z"].sizes["ld_block"] == 60
    assert fitted["estimate"].attrs["n_parameters_infinitesimal"] == 3


def fit_quietly(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bm.DataWarning)
        return bm.fit(model, "map", progress=False)


def test_s_is_calibrated_with_the_other_parameters(fitted):
    calibration = fitted["calibration"]
    assert list(calibration["parameter"].values) == [
        "log_h2",
        "logit_pi",
        "log_sigma2_0",
        "logit_maf_s",
    ]
    assert (calibration["sd_ratio"] > 0.3).all()
    moved, raw = (
        fitted[f"{group}unconstrained_posterior"]["logit_maf_s"] for group in ("", "uncalibrated_")
    )
    assert float(moved.std() / raw.std()) == pytest.approx(
        float(calibration["sd_ratio"].sel(parameter="logit_maf_s")), rel=0.3
    )
    place = (float(fitted["estimate"]["maf_s"]) - HELD[0]) / (HELD[-1] - HELD[0])
    slope = (HELD[-1] - HELD[0]) * place * (1 - place)
    variance = fitted["estimate"]["covariance_calibrated"].sel(
        parameter="logit_maf_s", parameter_bis="logit_maf_s"
    )
    assert float(fitted["estimate"]["maf_s_se"]) == pytest.approx(
        slope * np.sqrt(float(variance)), rel=1e-4
    )


def test_predictions_of_a_free_s_stand_at_its_mode_and_keep_the_h2_of_each_draw(data, fitted):
    one = at_fitted_s(data, fitted)
    assert one["maf_s"].item() == float(fitted["estimate"]["maf_s"])
    p = parameters(fitted, data=one)
    h2 = fitted["posterior"]["h2"].values.ravel()
    np.testing.assert_allclose(p.pi[:, 0] * p.sigma2_beta[:, 0] * one.attrs["h_total"][0], h2)
    held = at_fitted_s(data, fit_quietly(univariate_mixer(data, maf_s=-0.5)))
    np.testing.assert_array_equal(held["spectrum"], data["spectrum"].sel(maf_s=[-0.5]))
    assert at_fitted_s(data, None)["maf_s"].item() == 0


def test_report_check_and_comparison_of_a_free_s(data, fitted, tmp_path):
    text = bm.report(fitted, data, tmp_path / "s.html", progress=False).read_text()
    assert "proportional to heterozygosity to the power S = " in text
    assert "No figure" not in text
    found = bm.check(fitted, data, draws=4, progress=False)
    assert np.isfinite(found.table["p"]).any()
    assert "logit_maf_s" in found.prior.index
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bm.DataWarning)  # k-hat of one of the few blocks
        table = bm.compare({"S free": fitted}, progress=False, reloo=False)
    assert table.loc["S free", "n_parameters"] == 4


def test_thinned_data_keep_all_exponents(data):
    part = thin(data, 500)
    assert part["spectrum"].dims == ("maf_s", "variant", "node")
    assert part.sizes["variant"] < data.sizes["variant"]
    assert LogDensity(bound_of(univariate_mixer(data, maf_s="free")).build(part)).size == 4


@pytest.mark.parametrize(
    ("held", "options", "words"),
    [
        ((0.0,), {"maf_s": "free"}, "build_reference"),
        ((-0.5, 0.0), {"maf_s": "free"}, "build_reference"),
        ((0.0,), {"maf_s": -0.5}, "the data hold S = 0 only.*build_reference"),
        (HELD, {"maf_s": -1.2}, "between -1 and 0.25"),
        (HELD, {"maf_s": "Free"}, "expected a number, 'free' or None"),
        (HELD, {"maf_s": np.nan}, "expected a number, 'free' or None"),
        (HELD, {"maf_s": "free", "likelihood": "fast"}, "'fast' takes one S"),
        ((-0.75, -0.5, -0.25), {}, "between -0.75 and -0.25"),
    ],
)
def test_an_s_that_the_data_cannot_give_is_refused_in_one_line(held, options, words):
    data = maf_gwas(held=held)
    with pytest.raises(InputError, match=words) as error:
        univariate_mixer(data, **options)
    assert "\n" not in str(error.value)


def test_one_exponent_taken_by_isel_brings_its_own_h_total_or_is_refused(data):
    earlier = data.drop_vars("h_total").isel(maf_s=2)
    with pytest.raises(InputError, match="h_total has 6 values"):
        univariate_mixer(earlier)
    known = earlier.assign_attrs(maf_s=list(HELD))
    taken, by_isel, picked = (
        LogDensity(univariate_mixer(d, prior="flat")).value_and_gradient(POINT[:3])[0]
        for d in (known, data.isel(maf_s=2), pick(data, -0.5))
    )
    assert taken == by_isel == picked


def test_align_keeps_all_exponents_and_says_which_one_it_took(example_folder, tmp_path):
    example = bm.example_data(example_folder / "data")
    reference = bm.build_reference(
        example.genotypes,
        tmp_path / "p.zarr",
        window=example.ld_blocks,
        r2_rule="plain",
        chromosomes=[1],
        maf_s=[-0.5, 0, -1],
    )
    sumstats = bm.read_sumstats(example.sumstats["polygenic"])
    every = bm.align(sumstats, reference, maf_s="all")
    assert every["spectrum"].dims == ("maf_s", "variant", "node")
    assert exponents(every).tolist() == [-0.5, 0, -1]
    one = bm.align(sumstats, reference, maf_s=-0.5)
    assert one["spectrum"].dims == ("maf_s", "variant", "node")
    assert exponents(one).tolist() == [-0.5]
    assert one.attrs["h_total"] == every.attrs["h_total"][:1]
    np.testing.assert_array_equal(one["spectrum"], every["spectrum"].sel(maf_s=[-0.5]))
    with pytest.raises(InputError, match="expected numbers or 'all'"):
        bm.align(sumstats, reference, maf_s="some")
