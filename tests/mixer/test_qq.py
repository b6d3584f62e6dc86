import sys

import mpmath
import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

from bayesmixer.checks.strata import strata
from bayesmixer.errors import InputError
from bayesmixer.ld.gwas_data import gwas_data_from_arrays
from bayesmixer.mixer.prediction import Parameters, parameters, predicted_survival, variants
from bayesmixer.mixer.qq import block_bootstrap, log10_p, observed_survival, plot_qq, plot_qq_strata
from tests.reporting.fabricate import N_GWAS, TRUTH, deposit, make_data, make_fit, nodes


@pytest.mark.parametrize("z", [0.1, 1.96, 5.45, 20, 40])
def test_log10_p_is_the_two_sided_normal_tail_to_twelve_digits(z):
    with mpmath.workdps(50):
        exact = -mpmath.log10(mpmath.erfc(mpmath.mpf(z) / mpmath.sqrt(2)))
        assert log10_p(np.array([-z]))[0] == pytest.approx(float(exact), rel=1e-12)


def test_observed_curve_is_the_weighted_share_of_variants_at_or_beyond_each_threshold(data):
    z, w = np.abs(data["z"].values[:, 0]), data["weight"].values
    threshold, share = observed_survival(variants(data))
    assert len(threshold) > 100
    for c, s in zip(threshold[::20], share[::20], strict=True):
        assert s == pytest.approx(w[z >= c].sum() / w.sum(), rel=1e-9)
    assert threshold[-1] == z[w > 0].max()


def test_strata_are_those_of_check_by_weight(data):
    """Where common variants weigh most, tertiles lie among them."""
    maf = np.minimum(data["freq"], 1 - data["freq"]).values
    heavy = data.assign(weight=("variant", np.where(maf > 0.3, 10.0, 0.1)))
    first, last = (plot_qq_strata(heavy)[i, 0].get_title() for i in (0, 2))
    labels = strata(heavy).labels["maf"]
    assert float(first.split()[2].rstrip(",")) == float(labels[0].split()[-1]) > 0.3
    assert float(last.split()[2].rstrip(",")) == float(labels[2].split()[-1])


def test_variants_of_weight_zero_change_nothing(data):
    outlier = data.copy(deep=True)
    outlier["z"].values[np.flatnonzero(data["weight"].values == 0)[0]] = 100.0
    for a, b in zip(
        observed_survival(variants(data)), observed_survival(variants(outlier)), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def _blocks_of(copies, blocks=1500):
    z = np.repeat(np.random.default_rng(3).normal(size=blocks), copies)
    m = len(z)
    return gwas_data_from_arrays(
        z,
        1e4,
        np.tile(deposit(np.array([0.3])), (m, 1)),
        nodes(),
        np.full(m, 0.3),
        ld_block=np.repeat(np.arange(blocks), copies),
    )


@pytest.mark.parametrize("copies", [1, 10])
def test_bootstrap_band_counts_blocks_and_not_variants(copies):
    """The binomial interval of 1,500 blocks, however many identical variants each block holds."""
    c = np.array([1.0])
    low, high = block_bootstrap(variants(_blocks_of(copies)), c, samples=4000)
    p = 2 * norm.sf(1.0)
    assert (high - low)[0] == pytest.approx(2 * 1.645 * np.sqrt(p * (1 - p) / 1500), rel=0.08)


def test_prediction_of_the_infinitesimal_model_is_the_gaussian_mixture_over_ld_scores(data):
    v = variants(data)
    beta = 2e-6
    p = Parameters(np.ones((1, 1)), np.full((1, 1), beta), np.array([1.1]))
    c = np.array([0.5, 1.5, 3.0, 5.0])
    sd = np.sqrt(1.1 + v.n * v.spectrum.sum(1) * beta)
    exact = np.average(2 * norm.sf(c[:, None] / sd), axis=1, weights=v.weight)
    np.testing.assert_allclose(predicted_survival(v, p, c)[0], exact, rtol=0.003)


def test_model_that_made_the_data_lies_in_their_bootstrap_band():
    """Where 20 or more variants are expected, 70% of the true curve or more lies within the 90%
    band (points are correlated); the null does not.
    """
    data = make_data(m=6000, blocks=6000, seed=5)
    h_total = data.attrs["h_total"][0]
    p = Parameters(
        np.array([[TRUTH["pi"]]]),
        np.array([[TRUTH["h2"] / (TRUTH["pi"] * h_total)]]),
        np.array([TRUTH["sigma2_0"]]),
    )
    v = variants(data)
    c, share = observed_survival(v, 60)
    c = c[share > 20 / len(v)]
    low, high = block_bootstrap(v, c)
    model = predicted_survival(v, p, c)[0]
    assert np.mean((low <= model) & (model <= high)) > 0.7
    null = 2 * norm.sf(c / np.sqrt(TRUTH["sigma2_0"]))
    assert np.mean((low <= null) & (null <= high)) < 0.5


def test_clustered_prediction_is_within_one_per_cent_of_all_variants(data, fit):
    v, p, c = variants(data), parameters(fit, 1), np.array([1.0, 3.0, 5.0, 8.0])
    np.testing.assert_allclose(
        predicted_survival(v, p, c, clusters=300),
        predicted_survival(v, p, c, clusters=len(v)),
        rtol=0.01,
    )


@pytest.mark.parametrize(
    ("model", "components"),
    [("univariate_mixer", 1), ("two_component_mixer", 2), ("infinitesimal", 1)],
)
def test_parameters_of_every_model_give_back_its_heritability(data, model, components):
    fit = make_fit(data, model=model)
    p = parameters(fit)
    assert p.pi.shape == p.sigma2_beta.shape == (1000, components)
    h2 = (p.pi * p.sigma2_beta).sum(1) * data.attrs["h_total"][0]
    np.testing.assert_allclose(h2, fit["posterior"]["h2"].values.ravel(), rtol=1e-9)


def test_plot_draws_in_the_given_axes_and_leaves_pyplot_alone(data, fit):
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert plot_qq(data, fit, ax, draws=5, clusters=50) is ax
    assert [line.get_label() for line in ax.lines] == ["data", "model", "no effects"]
    assert "log" in ax.get_xlabel()
    assert "log" in ax.get_ylabel()
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert (
        pyplot is None or ax.figure.number not in pyplot.get_fignums()
        if hasattr(ax.figure, "number")
        else True
    )


def test_data_alone_have_no_model_line(data):
    assert [line.get_label() for line in plot_qq(data).lines] == ["data", "no effects"]


def test_strata_hold_every_evaluated_variant_once(data, fit):
    axes = plot_qq_strata(data, fit, clusters=30)
    assert axes.shape == (3, 3)
    v = variants(data)
    # the largest |z| of each stratum is its curve's last point; over the strata, that of all
    # variants
    tops = [ax.lines[0].get_ydata().max() for ax in axes.flat]
    assert max(tops) == pytest.approx(log10_p(v.z).max())
    lengths = {ax.get_title() for ax in axes.flat}
    assert len(lengths) == 9


def test_no_usable_variant_is_an_error_of_one_line(data):
    with pytest.raises(InputError, match="no variant has a positive weight"):
        plot_qq(data.assign(weight=xr.zeros_like(data["weight"])))


def test_n_enters_the_prediction(data, fit):
    v, p = variants(data), parameters(fit, 1)
    c = np.array([3.0])
    half = variants(data.assign(n=data["n"] / 2))
    assert np.all(half.n == N_GWAS / 2)
    assert predicted_survival(half, p, c)[0, 0] < 0.9 * predicted_survival(v, p, c)[0, 0]
