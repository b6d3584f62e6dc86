"""Calibration: widths against closed forms, brute-force derivatives and the bootstrap; both
posteriors kept; bad arguments in one line.
"""

import dataclasses
import json
import warnings

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import xarray as xr
from scipy import stats

import bayesmixer as bm
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.inference import calibration, mode_covariance
from bayesmixer.inference.adjusted import AdjustedDensity, curvature_matrix
from bayesmixer.inference.bootstrap import bootstrap
from bayesmixer.inference.concerns import concerns
from bayesmixer.inference.density import LogDensity
from bayesmixer.inference.find_map import covariance_of
from bayesmixer.inference.information import (
    Information,
    information,
    jackknife_covariance,
    sandwich_covariance,
    share_left,
    within_prior,
)
from bayesmixer.models.common import bound_of
from tests.models.small_gwas import panel, simulate_gwas

BOX = np.tile([-50.0, 50.0], (2, 1))


def counted(copies, blocks=400, seed=1):
    """A normal mean and log sd whose observations, one an LD block, each count `copies` times; and
    the observations.
    """
    y = np.random.default_rng(seed).normal(0.3, 2.0, blocks)
    with pm.Model(coords={"ld_block": np.arange(blocks)}) as model:
        mean, log_sd = pm.Flat("mean", initval=0.0), pm.Flat("log_sd", initval=0.5)
        pm.Deterministic("sd", pt.exp(log_sd))
        pm.Potential(
            "z", copies * (-0.5 * ((y - mean) / pt.exp(log_sd)) ** 2 - log_sd), dims="ld_block"
        )
    return model, y


def at_mode(model, y):
    density = LogDensity(model)
    mode = density.flatten({"mean": y.mean(), "log_sd": np.log(y.std())})
    return density, mode, information(density, mode, np.array([0.1, 0.05]))


@pytest.mark.parametrize("copies", [1, 4])
def test_sandwich_of_a_normal_sample_is_the_closed_form_however_often_each_value_counts(copies):
    """Robust variances: s^2 / n of the mean, (m4 / s^4 - 1) / (4 n) of log sd (Huber 1967)."""
    model, y = counted(copies)
    _, _, info = at_mode(model, y)
    v, n, e = sandwich_covariance(info), len(y), y - y.mean()
    assert v[0, 0] == pytest.approx(n / (n - 1) * e.var() / n, rel=1e-5)
    assert v[1, 1] == pytest.approx(
        n / (n - 1) * ((e**4).mean() / e.var() ** 2 - 1) / (4 * n), rel=2e-4
    )
    assert np.linalg.inv(info.hessian)[0, 0] == pytest.approx(
        e.var() / n / copies, rel=1e-4
    )  # what the likelihood states


def test_jackknife_of_a_mean_of_forty_is_the_exact_delete_one_variance():
    y = np.random.default_rng(1).normal(0.3, 2.0, 40)
    info = Information(
        (y - y.mean())[:, None] / 4, np.full((40, 1, 1), 0.25), np.zeros((1, 1)), np.arange(40)
    )
    left_out = (y.sum() - y) / 39
    assert jackknife_covariance(info)[0, 0] == pytest.approx(
        39 / 40 * ((left_out - left_out.mean()) ** 2).sum(), rel=1e-12
    )


def test_curvature_of_many_parameters_is_kept_as_its_sum_alone(monkeypatch):
    model, y = counted(1)
    density, mode, dense = at_mode(model, y)
    monkeypatch.setattr("bayesmixer.inference.information.DENSE", 1)
    info = information(density, mode, np.array([0.1, 0.05]))
    assert (info.curvature.shape, dense.curvature.shape) == ((2, 2), (400, 2, 2))
    np.testing.assert_allclose(info.hessian, dense.hessian, rtol=1e-12, atol=1e-9)
    widths = [np.diag(jackknife_covariance(i.grouped(2))) for i in (info, dense)]
    np.testing.assert_allclose(widths[0], widths[1], rtol=0.1)  # one step, without H_b
    box = np.tile([-9.0, 9.0], (2, 1))
    assert bootstrap(density, mode, info, box, replicates=10, show=False).converged.all()
    group = calibration.group_of(
        mode_covariance.from_information(info, np.linalg.inv(info.hessian), density.names, []),
        density,
        "affine",
        "jackknife",
    )
    assert "curvature" not in group
    assert group.attrs["ld_blocks"] == 400


def test_few_effective_blocks_widen_intervals_to_those_of_students_t_and_many_do_not():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(400, 2))
    scores[:3, 0] *= 60
    scores -= scores.mean(0)
    info = Information(
        scores, np.repeat(np.eye(2)[None], 400, axis=0), np.zeros((2, 2)), np.arange(400)
    )
    effective = info.influence.effective
    assert effective[0] < 4
    assert effective[1] == pytest.approx(400 / 3, rel=0.2)  # the kurtosis of a normal
    few, many = mode_covariance.small_sample_factor(info)
    assert few == pytest.approx(stats.t.ppf(0.95, effective[0]) / 1.6449, rel=1e-3)
    assert 1 < many < 1.01


def test_a_covariance_is_cut_to_what_the_priors_precision_allows_and_only_there():
    prior = np.diag([0.25, 4.0])
    tight = np.array([[1.0, 0.1], [0.1, 0.2]])
    np.testing.assert_array_equal(within_prior(tight, prior), tight)
    cut = within_prior(np.array([[900.0, 5.0], [5.0, 0.2]]), prior)
    assert (
        np.linalg.eigvalsh(np.linalg.inv(prior) - cut).min() > -1e-9
    )  # no direction is wider than the prior
    assert cut[0, 0] == pytest.approx(4.0, rel=0.02)
    assert cut[1, 1] == pytest.approx(0.2, rel=0.2)


def test_a_prior_that_is_not_concave_takes_nothing_from_a_variance():
    rng = np.random.default_rng(1)
    scores = rng.normal(0, [1.0, 0.1], (40, 2))
    info = Information(
        scores, np.tile(np.diag([2.5, 5.0]), (40, 1, 1)), np.diag([4.0, -120.0]), np.arange(40)
    )
    inverse = np.linalg.inv(info.hessian)
    likelihood = inverse @ info.variability @ inverse
    for covariance, more in (
        (sandwich_covariance(info), likelihood),
        (jackknife_covariance(info), info.influence.covariance),
    ):
        assert np.linalg.eigvalsh(covariance)[0] > 0
        np.testing.assert_allclose(
            covariance - more, inverse @ np.diag([4.0, 0.0]) @ inverse, atol=1e-12
        )


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
def test_a_locus_of_60_standard_errors_leaves_a_calibrated_posterior_that_prior_and_refit_allow():
    """The one-step delete-block move is far off there: what counts is where the mode goes without
    the block.
    """
    data = simulate_gwas(h2=0.05, pi=0.1, n=20_000, seed=4)
    _, r, _, _, block = panel()
    data["weight"].values[615] = 1.0
    data["z"].values[block == 20, 0] += 60 * r[20][:, 15]
    model = bm.models.univariate_mixer(data)
    fit = bm.fit(model, "map", progress=False)
    heavy = (
        "LD block 20 (1:601-630, strongest variant616 with |z| 61.4) makes up much of the variance "
        "of log_h2"
    )
    assert any(w.startswith(heavy) for w in json.loads(fit.attrs["warnings"]))
    density, mode = LogDensity(model), fit["estimate"]["mode"].values
    info = information(density, mode, np.sqrt(np.diag(fit["estimate"]["covariance"].values)))
    assert share_left(info)[20] < 0  # without the block H has no mode here
    without = bm.models.univariate_mixer(
        data.assign(weight=data["weight"].where(data["ld_block"] != 20, 0))
    )
    moved = (
        bm.fit(without, "map", calibrate=False, progress=False)["estimate"]["mode"].values - mode
    )
    refits = mode_covariance.refitted(bound_of(model), info, mode)
    np.testing.assert_allclose(refits[20], moved, atol=5e-3)
    np.testing.assert_allclose(
        dataclasses.replace(info, refits=refits).influence.move[20], moved, atol=5e-3
    )
    sd = np.sqrt(np.diag(fit["calibration"]["covariance"].values))
    assert (sd <= [2.0, 2.5, 0.25]).all()  # the prior's
    assert sd[0] < np.abs(moved[0])  # the move is 2.5 units of log h2, beyond what the prior allows


def test_prior_enters_the_sandwich_so_that_nothing_moves_where_the_likelihood_is_right():
    """With J = curvature and prior precision Q: H^-1 (J + Q) H^-1 = H^-1."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(500, 3))
    a -= a.mean(0)
    curvature = np.repeat((np.cov(a.T) * 500)[None] / 500, 500, axis=0)
    info = Information(a, curvature, np.diag([0.3, 5.0, 90.0]), np.arange(500))
    np.testing.assert_allclose(sandwich_covariance(info), np.linalg.inv(info.hessian), rtol=1e-10)


@pytest.mark.parametrize("name", ["univariate_mixer", "infinitesimal", "two_component_mixer"])
def test_scores_by_block_are_central_differences_of_the_blocks_log_likelihoods(small, name):
    density = LogDensity(getattr(bm.models, name)(small))
    x = density.initial + 0.1
    scores, prior = density.scores(x)
    for i in range(density.size):
        h = 1e-4 * np.eye(density.size)[i]
        moved = [sum(density.value_and_blocks(x + m * h)[1].values()) for m in (-2, -1, 1, 2)]
        expected = (8 * (moved[2] - moved[1]) - (moved[3] - moved[0])) / 12e-4
        np.testing.assert_allclose(
            scores[:, i], expected, rtol=2e-5, atol=2e-5 * np.abs(expected).max()
        )
    np.testing.assert_allclose(
        scores.sum(0) + prior, density.value_and_gradient(x)[1], rtol=1e-8, atol=1e-8
    )


def test_hessian_equals_second_derivatives_by_automatic_differentiation(small):
    """JAX differentiates its own kernel's value twice; here H comes from differences of scores."""
    jax = pytest.importorskip("jax")
    from bayesmixer.mixer.laid_out import h_total, likelihood_data
    from bayesmixer.ops import jax_kernel

    model = bm.models.univariate_mixer(small, prior="flat")
    x = bm.fit(model, "map", calibrate=False, progress=False)["estimate"]["mode"].values
    with jax.enable_x64():
        evaluate = jax_kernel.block_function(likelihood_data(small), True)
    total = h_total(small)

    def gradient(x):
        h2, pi, zero = jax.numpy.exp(x[0]), jax.nn.sigmoid(x[1]), jax.numpy.exp(x[2])
        by_block = evaluate(pi[None], (h2 / (pi * total))[None], zero)[1].sum(0)
        slope = jax.jacfwd(
            lambda x: jax.numpy.stack(
                [
                    jax.nn.sigmoid(x[1]),
                    jax.numpy.exp(x[0]) / (jax.nn.sigmoid(x[1]) * total),
                    jax.numpy.exp(x[2]),
                ]
            )
        )(x)
        return by_block @ slope

    with jax.enable_x64():
        exact = -np.asarray(jax.jit(jax.jacfwd(gradient))(jax.numpy.asarray(x)))
    density = LogDensity(model)
    ours = information(density, x, np.sqrt(np.diag(covariance_of(exact)))).hessian
    np.testing.assert_allclose(ours, exact, rtol=2e-3, atol=2e-4 * np.abs(exact).max())


def test_calibration_takes_two_passes_a_parameter_and_one_more(small):
    density = LogDensity(bm.models.univariate_mixer(small))
    information(density, density.initial, np.full(3, 0.1))
    assert density.evaluations == 7


def test_affine_map_gives_the_draws_the_covariance_and_leaves_the_mode():
    rng = np.random.default_rng(3)
    raw, wanted = np.array([[1.0, 0.3], [0.3, 2.0]]), np.array([[4.0, -1.0], [-1.0, 1.0]])
    draws = rng.multivariate_normal([1, 2], raw, (2, 50_000))
    moved = mode_covariance.affine(draws, np.array([1.0, 2.0]), raw, wanted)
    np.testing.assert_allclose(np.cov(moved.reshape(-1, 2).T), wanted, atol=0.08)
    np.testing.assert_allclose(moved.mean((0, 1)), [1, 2], atol=0.03)


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
def test_fit_is_calibrated_by_default_and_keeps_both_posteriors(laplace_small, small):
    fit = laplace_small
    assert fit.attrs["calibrated"] == "affine"
    ratio = fit["calibration"]["sd_ratio"].values
    raw, moved = (
        fit[g].to_dataset()
        for g in ("uncalibrated_unconstrained_posterior", "unconstrained_posterior")
    )
    spread = {name: float(moved[name].std() / raw[name].std()) for name in raw}
    assert spread["log_h2"] == pytest.approx(ratio[0], rel=0.15)
    assert abs(ratio - 1).max() > 0.01  # it would be noticed if nothing moved
    h2 = fit["posterior"]["h2"].values
    np.testing.assert_allclose(
        h2, np.exp(moved["log_h2"].values), rtol=1e-12
    )  # deterministics follow
    se = float(fit["estimate"]["h2_se"]) / float(fit["estimate"]["h2"])
    assert se == pytest.approx(
        np.sqrt(fit["estimate"]["covariance_calibrated"].values[0, 0]), rel=1e-4
    )
    plain = bm.fit(
        bm.models.univariate_mixer(small),
        "laplace",
        draws=200,
        seed=3,
        calibrate=False,
        progress=False,
    )
    assert plain.attrs["calibrated"] == "no"
    assert "calibration" not in plain.children


@pytest.mark.parametrize("adjust", ["magnitude", "curvature"])
def test_adjusted_likelihoods_of_a_sample_counted_four_times_have_the_width_of_one(adjust):
    model, y = counted(4)
    density, mode, info = at_mode(model, y)
    h, raw = info.hessian, np.linalg.inv(info.hessian)
    wanted = sandwich_covariance(info)
    if adjust == "magnitude":
        matrix, power = np.eye(2), 2 / np.trace(np.linalg.solve(h, info.variability))
        assert power == pytest.approx(0.25, rel=0.15)
    else:
        matrix, power = curvature_matrix(h, wanted), 1.0
    adjusted = AdjustedDensity(density, mode, matrix, power)
    new = np.linalg.inv(information(adjusted, mode, np.sqrt(np.diag(wanted))).hessian)
    if adjust == "curvature":
        np.testing.assert_allclose(new, wanted, rtol=1e-3, atol=1e-5)
    else:
        np.testing.assert_allclose(new, raw / power, rtol=1e-3, atol=1e-6)


def test_bootstrap_of_a_mean_has_its_standard_error_and_every_climb_rests():
    model, y = counted(3)
    density, mode, info = at_mode(model, y)
    made = bootstrap(density, mode, info, BOX, 400, seed=2, show=False)
    assert made.converged.all()
    np.testing.assert_allclose(
        made.modes.std(0), np.sqrt(np.diag(sandwich_covariance(info))), rtol=0.12
    )
    # the first replicate by brute force: the weighted mean and sd
    count = np.random.default_rng(2).multinomial(len(y), np.full(len(y), 1 / len(y)))
    mean = (count * y).sum() / count.sum()
    assert made.modes[0] == pytest.approx(
        [mean, 0.5 * np.log((count * (y - mean) ** 2).sum() / count.sum())], abs=2e-3
    )


def normal_mean(prior_sd, blocks=300):
    """A normal mean of sd 2 with one value a LD block, under a normal prior; and the posterior's sd
    on paper.
    """
    y = np.random.default_rng(3).normal(0.3, 2.0, blocks)
    y = (y - y.mean()) / y.std() * 2.0
    with pm.Model(coords={"ld_block": np.arange(blocks)}) as model:
        mean = pm.Normal("mean", 0.5, prior_sd)
        pm.Potential("z", -0.125 * (y - mean) ** 2, dims="ld_block")
    return model, (blocks / 4 + prior_sd**-2) ** -0.5


@pytest.mark.parametrize("prior_sd", [0.005, 0.1, 50.0])
@pytest.mark.parametrize("adjust", ["affine", "curvature", "bootstrap"])
def test_where_the_likelihood_is_right_every_adjustment_leaves_the_width_whatever_the_prior(
    prior_sd, adjust
):
    """Precisions add up: 300 / 4 of the sample, 1 / prior_sd^2 of the prior."""
    model, sd = normal_mean(prior_sd)
    fit = bm.fit(model, draws=400, seed=1, progress=False)
    out = bm.calibrate(
        fit,
        model=model,
        adjust=adjust,
        covariance="sandwich",
        replicates=400,
        draws=400,
        progress=False,
    )
    assert float(out["unconstrained_posterior"]["mean"].std()) == pytest.approx(sd, rel=0.12)


def test_sandwich_asked_for_is_the_sandwich_and_nothing_else():
    model, y = counted(4, blocks=40)
    info = at_mode(model, y)[2]
    found = mode_covariance.from_information(
        info, np.linalg.inv(info.hessian), ["mean", "log_sd"], [], "sandwich"
    )
    np.testing.assert_allclose(found.covariance, sandwich_covariance(info), rtol=1e-12)
    wider = mode_covariance.from_information(
        info, np.linalg.inv(info.hessian), ["mean", "log_sd"], []
    )
    factor = mode_covariance.small_sample_factor(info)
    np.testing.assert_allclose(
        wider.covariance, jackknife_covariance(info) * np.outer(factor, factor), rtol=1e-12
    )


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
@pytest.mark.parametrize("adjust", ["magnitude", "curvature", "bootstrap"])
def test_every_adjustment_of_a_fit_keeps_the_raw_posterior_and_says_what_it_did(
    laplace_small, small, adjust
):
    out = bm.calibrate(
        laplace_small, small, adjust=adjust, replicates=20, draws=100, progress=False
    )
    assert out.attrs["calibrated"] == out["calibration"].attrs["adjust"] == adjust
    raw = "uncalibrated_unconstrained_posterior"
    xr.testing.assert_identical(out[raw].to_dataset(), laplace_small[raw].to_dataset())
    sd = np.sqrt(np.diag(out["calibration"]["covariance"].values))
    assert float(out["unconstrained_posterior"]["log_h2"].std()) == pytest.approx(sd[0], rel=0.5)


def test_one_heavy_block_and_few_blocks_are_heard(small):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(60, 2))
    scores[7] = 40
    info = Information(
        scores, np.repeat(np.eye(2)[None], 60, axis=0), np.zeros((2, 2)), np.arange(60)
    )
    said = " ".join(concerns(info, ["log_h2", "logit_pi"], []))
    assert "60 LD blocks" in said
    assert "LD block 7 makes up much of the variance of log_h2" in said


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"adjust": "sandwich"}, "adjust"),
        ({"covariance": "hc9"}, "covariance"),
        ({"group": 0}, "group"),
        ({"replicates": 3}, "replicates"),
        ({"draws": 1.5}, "draws"),
        ({"results": 3}, "results"),
    ],
)
def test_bad_arguments_are_named_in_one_line(laplace_small, small, change, word):
    arguments = {
        "results": laplace_small,
        "data": small,
        "progress": False,
    } | change
    with pytest.raises(InputError, match=f"^{word}") as caught:
        bm.calibrate(arguments.pop("results"), arguments.pop("data"), **arguments)
    assert "\n" not in str(caught.value)


def test_a_model_that_was_not_fitted_is_refused(laplace_small, small):
    other = small.assign(z=small["z"] * 1.1)
    with pytest.raises(InputError, match="not what this fit"):
        bm.calibrate(laplace_small, other)
    with pytest.raises(InputError, match=r"infinitesimal, .*but the fit is of univariate_mixer"):
        bm.calibrate(laplace_small, model=bm.models.infinitesimal(small))


def test_concerns_are_warned_of_and_stored(laplace_small, small):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", DataWarning)
        out = bm.calibrate(laplace_small, small, progress=False)
    concerns = json.loads(out["calibration"].attrs["concerns"])
    assert any("60 LD blocks" in s for s in concerns)
    assert [str(w.message) for w in heard] == concerns
