"""The scale mixture, which no hall knows of: fitted, sampled, compared, checked and reported."""

import inspect

import numpy as np
import pytest
from scipy.special import erfc

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.inference.density import LogDensity
from bayesmixer.mixer.cards import SCALE_MIXTURE
from bayesmixer.mixer.laid_out import h_total
from bayesmixer.models import scale_mixture, univariate_mixer
from bayesmixer.models.common import bound_of
from tests.models.small_gwas import simulate_gwas

GRID = [1e-3, 1e-2, 1e-1]


@pytest.fixture(scope="module")
def data():
    return simulate_gwas(h2=0.4, pi=0.05, n=20_000, blocks=30, size=12, seed=2)


@pytest.fixture(scope="module")
def fitted(data):
    return bm.fit(scale_mixture(data, grid=GRID), draws=200, progress=False)


def unconstrained(weights):
    """PyMC's simplex transform."""
    log = np.log(weights)
    return log[:-1] - log.mean()


def test_two_components_of_nearly_one_variance_are_univariate_mixer(data):
    density = LogDensity(scale_mixture(data, grid=[0.0249, 0.0251]))
    pi, sigma2_0 = 0.05, 1.04
    weights = np.array([1 - pi, pi / 2, pi / 2])
    point = {"effect_weights_simplex__": unconstrained(weights), "log_sigma2_0": np.log(sigma2_0)}
    mine = density.value_and_blocks(density.flatten(point))[1]["z"]
    other = LogDensity(univariate_mixer(data))
    h2 = pi * 0.025 * h_total(data)
    x = {"log_h2": np.log(h2), "logit_pi": np.log(pi / (1 - pi)), "log_sigma2_0": np.log(sigma2_0)}
    theirs = other.value_and_blocks(other.flatten(x))[1]["z"]
    np.testing.assert_allclose(mine, theirs, rtol=1e-3)  # the spread of variances, squared, is 2e-5


def test_reported_numbers_are_those_of_brute_force(data, fitted):
    posterior = fitted["posterior"].to_dataset().isel(chain=0, draw=3)
    pi, s = posterior["pi"].values, posterior["sigma2_beta"].values
    h = np.repeat(data["h_bin_value"].values, data["h_bin_count"].values.astype(int))
    h = h[h > 0].astype(float)
    np.testing.assert_allclose(posterior["h2"], pi @ s * h.sum(), rtol=1e-3)
    cut = np.exp(np.linspace(np.log(1e-12), np.log(30 * s.max()), 4000))
    number, explained = np.zeros(cut.size), np.zeros(cut.size)
    for p, v in zip(pi, s, strict=True):
        for value, count in zip(*np.unique(h, return_counts=True), strict=True):
            root = np.sqrt(cut / (value * v))
            tail = erfc(root / np.sqrt(2))
            number += p * count * tail
            part = 2 * root * np.exp(-(root**2) / 2) / np.sqrt(2 * np.pi) + tail
            explained += p * count * value * v * part
    share = explained / (pi @ s * h.sum())
    for name, part in (("n50", 0.5), ("n90", 0.9)):
        assert float(posterior[name]) == pytest.approx(
            np.interp(part, share[::-1], number[::-1]), rel=0.02
        )
    second, fourth = h.sum() * (pi @ s), 3 * (h**2).sum() * (pi @ s**2)
    assert float(posterior["n_effective"]) == pytest.approx(3 * second**2 / fourth, rel=0.02)


def test_it_recovers_h2_and_is_calibrated_over_ld_blocks(data, fitted):
    table = bm.summary(fitted)
    assert table.loc["h2", "eti90_lb"] < 0.4 < table.loc["h2", "eti90_ub"]
    assert fitted.attrs["calibrated"] == "affine"
    weights = fitted["unconstrained_posterior"]["effect_weights_simplex__"]
    assert weights.dims[:2] == ("chain", "draw") and weights.shape[2] == 3
    assert {"aic_infinitesimal", "aic_univariate_mixer"} <= {*fitted["estimate"].attrs}


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
def test_it_is_saved_compared_checked_and_reported_like_any_model(data, fitted, tmp_path):
    bm.save(fitted, tmp_path / "fit.nc")
    again = bm.load(tmp_path / "fit.nc")
    density = LogDensity(bm.rebuild(again, data))
    value = density.value_and_gradient(again["estimate"]["mode"].values)[0]
    assert value == pytest.approx(again["estimate"].attrs["log_posterior"], rel=1e-9)
    assert np.isfinite(bm.check(again, data, draws=2, progress=False).table["p"]).any()
    page = bm.report(again, data, tmp_path / "fit.html", progress=False).read_text()
    assert "scale mixture" in page and "n50" in page


def test_bad_grids_are_refused_in_one_line(data):
    for options, words in (
        ({"components": 1}, "components: 1, expected a whole number"),
        ({"grid": [1e-3]}, "grid: .*expected two or more rising positive"),
        ({"grid": [1e-3, 1e-4]}, "grid: "),
        ({"grid": ["a", "b"]}, "grid: .*expected two or more rising positive"),
        ({"grid": GRID, "components": 3}, "components: given beside grid, expected one of them"),
    ):
        with pytest.raises(InputError, match=words):
            scale_mixture(data, **options)


def test_its_card_names_every_option_and_a_fit_keeps_those_that_it_was_made_with(data):
    options = inspect.signature(scale_mixture).parameters.keys() - {"data", "prior"}
    assert {*SCALE_MIXTURE.options} == options
    kept = bound_of(scale_mixture(data, components=3, censor=5.0)).options
    again = bound_of(scale_mixture(data, **kept))
    assert again.options == kept and len(kept["grid"]) == 3
