"""Comparison of fits: leave-one-block-out against quadrature of the exact posterior, ArviZ's own
table, refusals in words, and refits where PSIS fails.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import logsumexp
from scipy.stats import halfnorm, norm

import bayesmixer as bm
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.inference import leave_out
from bayesmixer.inference.compare import compare, stacking
from bayesmixer.inference.density import LogDensity
from bayesmixer.inference.leave_out import Fitted, LeftOut, bridge
from bayesmixer.inference.loo import loo
from bayesmixer.mixer.cards import LOG_H2, LOG_SIGMA2_0
from bayesmixer.models.common import bound_of
from tests.models.small_gwas import simulate_gwas


def fitted(model, method="laplace", **options):
    """A fit, as the likelihood has it, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return bm.fit(model, method, profile=False, calibrate=False, progress=False, **options)


@pytest.fixture(scope="module")
def tiny():
    """GwasData of 12 LD blocks of 30 variants."""
    return simulate_gwas(h2=0.3, pi=1.0, n=20_000, seed=8, blocks=12)


@pytest.fixture(scope="module")
def outlying(tiny):
    """The same with one LD block of giant effects, without which the posterior is another."""
    z = tiny["z"].values.copy()
    z[tiny["ld_block"].values == 4] *= 6
    return tiny.assign(z=(("variant", "trait"), z))


@pytest.fixture(scope="module")
def three(small):
    """Models and fits of `small`: infinitesimal, one and two Gaussians."""
    models = {
        name: getattr(bm.models, name)(small)
        for name in ("infinitesimal", "univariate_mixer", "two_component_mixer")
    }
    return models, {name: fitted(model, draws=400) for name, model in models.items()}


def quadrature(data, posterior_weight=None, points=161):
    """elpd of each LD block under the infinitesimal model, by summing its posterior over a grid of
    the two parameters.

    `posterior_weight` are the weights of the posterior, the data's own weights those of the
    prediction.
    """
    h = np.linspace(np.log(1e-4), np.log(8.0), points)
    zero = np.linspace(np.log(0.4), np.log(20.0), points)
    log_h2, log_zero = (v.ravel() for v in np.meshgrid(h, zero))
    of_h2 = (
        halfnorm.logpdf(np.exp(log_h2), scale=LOG_H2.weak.numbers[0]) + log_h2
    )  # the Jacobian of the log
    prior = of_h2 + norm.logpdf(log_zero, *LOG_SIGMA2_0.weak.numbers)
    exposure = data["n"].values[:, 0] * data["ld_score_h"].values[0] / data.attrs["h_total"][0]
    z, block = data["z"].values[:, 0], data["ld_block"].values
    own, target = np.zeros((block.max() + 1, prior.size)), np.zeros((block.max() + 1, prior.size))
    for j in range(z.size):
        variance = np.exp(log_zero) + np.exp(log_h2) * exposure[j]
        term = -0.5 * (np.log(2 * np.pi * variance) + z[j] ** 2 / variance)
        target[block[j]] += data["weight"].values[j] * term
        own[block[j]] += (data["weight"].values if posterior_weight is None else posterior_weight)[
            j
        ] * term
    rest = prior + own.sum(0) - own
    return logsumexp(rest + target, axis=1) - logsumexp(rest, axis=1)


def test_block_loo_equals_quadrature_of_the_posterior_without_each_block(tiny):
    scores = loo(
        fitted(bm.models.infinitesimal(tiny), draws=16_000)
    )  # Monte Carlo error below .016
    expected = quadrature(tiny)
    assert scores["pareto_k"].max() < 0.7
    np.testing.assert_allclose(scores["elpd"], expected, atol=0.02)
    assert float((scores["lpd"] - scores["elpd"]).min()) > -1e-6


def test_a_block_where_psis_fails_is_refitted_without_it_exactly(outlying):
    model = bm.models.infinitesimal(outlying)
    fit = fitted(model, draws=1000)
    expected = quadrature(outlying)
    with pytest.warns(DataWarning, match=r"LD block 4 \(chr1 .* Mb\).*Pass data= to refit"):
        scores = loo(fit)
    assert (
        int((scores["pareto_k"] > 0.7).sum()) >= 1 and int(scores["pareto_k"].values.argmax()) == 4
    )
    with pytest.warns(DataWarning, match=r"LD block 4 \(chr1 .* Mb\).*Pass data= to refit"):
        without = compare({"a": fit})
    with pytest.warns(DataWarning, match="takes . fits? without one"):
        found = loo(fit, outlying, draws=2000)
    table = compare({"a": found})
    assert table.loc["a", "refitted"] == table.loc["a", "k_high"] >= 1
    assert abs(table.loc["a", "elpd_loo"] - expected.sum()) < 0.4
    assert abs(without.loc["a", "elpd_loo"] - expected.sum()) > 10  # what the refit was for
    with pytest.warns(DataWarning, match="Pass reloo=True"):
        compare({"a": fit}, outlying, reloo=False)
    with pytest.warns(DataWarning, match="takes . fits? without one"):
        by_model = loo(fit, model=model, draws=2000)
    xr.testing.assert_identical(by_model, found)


def pooled(fit, model, block, draws):
    """The score of a block from the fit's draws and a few about the mode without it."""
    density = LogDensity(model)
    points = density.flat_draws(fit["unconstrained_posterior"].to_dataset()).reshape(-1, 2)
    log_p, blocks = density.values_and_blocks(points)
    mode = fit["estimate"]["mode"].values
    left_out = LeftOut(bound_of(model), block, mode, draws, seed=1)
    return left_out.pooled(Fitted(density, points, log_p), blocks["z"][:, block])


def test_a_hundred_draws_without_a_block_beside_those_of_the_fit_are_quadrature(tiny):
    model = bm.models.infinitesimal(tiny)
    fit, expected = fitted(model, draws=1000), quadrature(tiny)
    found = [pooled(fit, model, block, leave_out.FEW) for block in range(0, 12, 3)]
    # Monte Carlo error of a mean over 1,000 draws whose log-likelihood has sd .5: .016
    np.testing.assert_allclose(found, expected[::3], atol=0.06)


def test_draws_that_do_not_overlap_are_not_pooled(outlying):
    model = bm.models.infinitesimal(outlying)
    assert pooled(fitted(model, draws=400), model, 4, 2 * leave_out.FEW) is None


def test_blocks_that_need_more_draws_are_told_with_their_time_and_shown(tiny, monkeypatch, capsys):
    z = tiny["z"].values.copy()
    z[tiny["ld_block"].values == 4] *= 2.5
    data = tiny.assign(z=(("variant", "trait"), z))
    fit = fitted(bm.models.infinitesimal(data), draws=1000)
    monkeypatch.setattr("bayesmixer.inference.loo.RELIABLE", 0.6)
    monkeypatch.setattr(LeftOut, "posterior", lambda *a: pytest.fail("refitted in full"))
    with pytest.warns(
        DataWarning, match=r"4 \(chr1 .*takes 1 fit without one, about .* s on this machine"
    ):
        found = loo(fit, data, progress=True)
    assert "without LD block" in capsys.readouterr().err
    assert np.flatnonzero(found["refitted"]).tolist() == [4]
    assert float(found["elpd"][4]) == pytest.approx(quadrature(data)[4], abs=3 * leave_out.ERROR)


def test_table_agrees_with_arviz(three):
    import arviz as az

    _, fits = three
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, ours = az.compare(fits, round_to="none"), compare(fits)
    assert list(ours.index) == list(theirs.index)
    for column, other in (
        ("elpd_loo", "elpd"),
        ("se", "se"),
        ("p_loo", "p"),
        ("elpd_diff", "elpd_diff"),
    ):
        np.testing.assert_allclose(
            ours[column], theirs[other].astype(float), rtol=1e-8, atol=1e-8, err_msg=column
        )
    # ArviZ divides by L - 1 for se, by L for dse; here both by L - 1
    np.testing.assert_allclose(
        ours["dse"], theirs["dse"].astype(float) * np.sqrt(60 / 59), rtol=1e-8
    )
    np.testing.assert_allclose(ours["weight"], theirs["weight"].astype(float), atol=0.02)


@pytest.mark.filterwarnings("ignore:.*k-hat > 0.7")
def test_point_normal_data_are_predicted_better_than_by_the_infinitesimal_model(three):
    _, fits = three
    table = compare(fits)
    assert table.attrs["choice"] == "univariate_mixer"
    assert (
        table.loc["infinitesimal", "elpd_diff"] < -4
        and "predicts worse" in table.loc["infinitesimal", "verdict"]
    )
    assert table["bic"].idxmin() == "univariate_mixer"
    assert table["weight"].sum() == pytest.approx(1) and table["elpd_diff"].iloc[0] == 0
    assert isinstance(table, pd.DataFrame) and table.loc["two_component_mixer", "n_parameters"] == 5


def test_fits_that_differ_only_in_their_prior_tie_and_the_simpler_model_is_chosen(tiny):
    weak = fitted(bm.models.infinitesimal(tiny), draws=400)
    flat = fitted(bm.models.infinitesimal(tiny, prior="flat"), draws=400)
    table = compare({"weak": weak, "flat": flat})
    assert table["verdict"].str.contains("tie").all()
    assert table["elpd_diff"].abs().max() < 1


@pytest.mark.filterwarnings("ignore:.*k-hat > 0.7")
def test_saved_fits_compare_like_those_in_memory(three, tmp_path):
    _, fits = three
    path = bm.save(fits["infinitesimal"], tmp_path / "fit.nc")
    pair = {"a": fits["infinitesimal"], "b": bm.load(path)}
    table = compare(pair)
    found = loo(pair["a"])
    again = bm.load(bm.save(found, tmp_path / "loo.zarr"))
    xr.testing.assert_identical(again.to_dataset(), found.to_dataset())
    pd.testing.assert_frame_equal(compare({"a": found, "b": again}), table)
    with pytest.raises(InputError, match="not a fit: the attribute kind is 'loo'"):
        loo(found)
    assert table["elpd_loo"].iloc[0] == table["elpd_loo"].iloc[1] and table.attrs["ld_blocks"] == 60


def test_other_data_are_refused_in_one_line_that_names_the_block(tiny):
    z = tiny["z"].values.copy()
    z[35] += 0.1
    fits = {
        name: fitted(bm.models.infinitesimal(d), draws=50)
        for name, d in (("a", tiny), ("b", tiny.assign(z=(("variant", "trait"), z))))
    }
    with pytest.raises(
        InputError,
        match=(
            r"fits 'a' and 'b': of different data: z or N differ in 1 of 12 LD blocks: chr1 .* Mb"
        ),
    ) as error:
        compare(fits)
    assert "\n" not in str(error.value)


def test_other_weights_are_judged_by_the_first_ones_where_models_are_given(tiny):
    weight = tiny["weight"].values
    other = np.random.default_rng(5).uniform(0, 1, weight.size)
    other[tiny["ld_block"].values == 2] = 0  # a block that the second fit has not seen
    second = tiny.assign(weight=("variant", other))
    models = {"a": bm.models.infinitesimal(tiny), "b": bm.models.infinitesimal(second)}
    fits = {name: fitted(model, draws=4000) for name, model in models.items()}
    with pytest.raises(InputError, match=r"other weights.*data=\{name: the data of each\}"):
        compare(fits)
    with pytest.raises(InputError, match=r"not what this fit .*was made with: weights differ"):
        compare(fits, tiny)
    with pytest.warns(DataWarning, match="judged by the weights of 'a'"):
        table = compare(fits, {"a": tiny, "b": second})
    assert abs(table.loc["a", "elpd_loo"] - quadrature(tiny).sum()) < 0.1
    assert abs(table.loc["b", "elpd_loo"] - quadrature(tiny, posterior_weight=other).sum()) < 0.1
    assert np.isnan(table.loc["b", "bic"]) and np.isfinite(table.loc["a", "bic"])


def test_draws_are_found_among_others_by_their_likelihood(tiny):
    second = tiny.assign(weight=("variant", np.where(np.arange(360) % 2 == 0, 1.0, 0.0)))
    models = {"a": bm.models.infinitesimal(tiny), "b": bm.models.infinitesimal(second)}
    fits = {name: fitted(model, draws=200) for name, model in models.items()}
    with pytest.warns(DataWarning, match="judged"):
        plain = compare(fits, models=models)
    raw = fits["b"]["unconstrained_posterior"].to_dataset()
    fits["b"]["unconstrained_posterior"] = xr.DataTree(raw + 0.5)  # as a calibrated posterior is
    with (
        pytest.raises(InputError, match="draws of its log-likelihood"),
        pytest.warns(DataWarning, match="judged"),
    ):
        compare(fits, models=models)
    fits["b"]["before"] = xr.DataTree(raw)
    with pytest.warns(DataWarning, match="judged"):
        pd.testing.assert_frame_equal(compare(fits, models=models), plain)


def test_unusable_arguments_are_refused_with_a_remedy(tiny, three):
    model = bm.models.infinitesimal(tiny)
    fit = fitted(model, draws=50)
    with pytest.raises(InputError, match=r"method 'map' has no posterior.*method='laplace'"):
        compare({"a": fitted(model, "map"), "b": fit})
    with pytest.raises(InputError, match="not a fit"):
        compare({"a": xr.DataTree()})
    with pytest.raises(InputError, match="empty dict"):
        compare({})
    with pytest.raises(InputError, match="names"):
        compare({"a": fit}, models={"c": model})
    with pytest.raises(InputError, match="but the fit is of infinitesimal"):
        compare({"a": fit}, models={"a": bm.models.infinitesimal(tiny, prior="flat")})
    with pytest.raises(InputError, match=r"not what this fit.* was made with: .*differ"):
        compare({"a": fit}, models={"a": three[0]["infinitesimal"]})
    with pytest.raises(InputError, match=r"data: names \['c'\], expected some of \['a'\]"):
        compare({"a": fit}, {"c": tiny})
    with pytest.raises(InputError, match="draws"):
        compare({"a": fit}, draws=3)


def test_censored_and_uncensored_fits_are_not_comparable(tiny):
    plain = fitted(bm.models.infinitesimal(tiny), draws=50)
    censored = plain.copy()
    censored.attrs = plain.attrs | {
        "options": '{"censor": 5.0}'
    }  # as univariate_mixer(data, censor=5.0) leaves it
    with pytest.raises(InputError, match=r"censor 5\.0 and None: densities of different"):
        compare({"a": censored, "b": plain})


def test_missing_fingerprints_are_warned_of(tiny):
    fit = fitted(bm.models.infinitesimal(tiny), draws=50)
    bare = fit.copy()
    bare["constant_data"] = xr.DataTree(xr.Dataset())
    with pytest.warns(DataWarning, match="'b': no fingerprint"):
        compare({"a": fit, "b": bare})


def test_blocks_without_weighted_variants_count_for_nothing(tiny):
    empty = tiny.assign(weight=tiny["weight"].where(tiny["ld_block"] != 3, 0.0))
    table = compare({"a": fitted(bm.models.infinitesimal(empty), draws=1500)})
    assert table.attrs["ld_blocks"] == 11
    assert abs(table["elpd_loo"].iloc[0] - quadrature(empty).sum()) < 0.15


def test_stacking_weights_maximise_the_mixture_score_however_small_the_densities():
    rng = np.random.default_rng(2)
    elpd = rng.normal([0.3, 0.0], 1, (300, 2))
    w = stacking(elpd - 5000)  # exp of it is 0
    grid = np.linspace(0, 1, 2001)
    best = grid[
        np.argmax(
            [
                np.logaddexp(
                    elpd[:, 0] + np.log(max(g, 1e-300)), elpd[:, 1] + np.log(max(1 - g, 1e-300))
                ).sum()
                for g in grid
            ]
        )
    ]
    assert w[0] == pytest.approx(best, abs=2e-3)
    assert stacking(np.zeros((5, 1))).tolist() == [1.0]


def test_bridge_finds_the_ratio_of_two_gaussian_integrals_and_says_when_they_do_not_overlap():
    rng = np.random.default_rng(1)
    # q1 = exp(-x^2 / 2), q2 = 5 exp(-(x - m)^2 / 8): integrals in the ratio 1 / 10
    for m, overlap in ((1.0, True), (60.0, False)):
        log_ratio = lambda x, m=m: -(x**2) / 2 + (x - m) ** 2 / 8 - np.log(5)  # noqa: E731
        value, shared = bridge(log_ratio(rng.normal(0, 1, 4000)), log_ratio(rng.normal(m, 2, 3000)))
        assert (shared > 30) == overlap
        if overlap:
            assert value == pytest.approx(np.log(1 / 10), abs=0.05)
