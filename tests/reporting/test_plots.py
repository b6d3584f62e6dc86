"""Power curve, LD spectrum, profile, posterior and Manhattan plots."""

import numpy as np
import pytest
import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.ld.gwas_data import gwas_data_from_arrays
from bayesmixer.mixer.manhattan import plot_manhattan
from bayesmixer.mixer.power import Z_THRESHOLD, crossing, plot_power, power_draws
from bayesmixer.mixer.prediction import variants
from bayesmixer.mixer.profile import has_profile, plot_profile
from bayesmixer.mixer.qq import log10_p
from bayesmixer.mixer.spectrum import binned_spectrum, plot_spectrum
from bayesmixer.reporting.posterior import plot_pair, plot_rank, plotted
from bayesmixer.style import as_interval, as_number
from tests.reporting.fabricate import deposit, make_fit, nodes


def _one_partner(strength, m=60):
    """Variants with one partner each, themselves."""
    h = np.full(m, 0.4)
    return gwas_data_from_arrays(
        np.zeros(m),
        5e4,
        np.tile(deposit(np.array([strength])), (m, 1)),
        nodes(),
        h,
        h_total=1000.0,
        n_reference=2500,
    )


def test_power_is_the_expected_share_of_effects_beyond_the_threshold():
    """Monte Carlo of E[delta^2; |z| > 5.45] / E[delta^2] for variants that tag one causal variant
    each.
    """
    data = _one_partner(0.4)
    fit = make_fit(data, spread=1e-6, draws=300)
    curves = power_draws(data, fit, draws=2)
    beta2 = float(fit["posterior"]["sigma2_beta"].mean())
    zero = float(fit["posterior"]["sigma2_0"].mean())
    rng = np.random.default_rng(0)
    near = curves["power"].isel(draw=0)
    checked = 0
    for n in curves["n"].values[::6]:
        delta = rng.normal(0, np.sqrt(n * beta2 * 0.4), 400_000)
        z = delta + rng.normal(0, np.sqrt(zero), delta.size)
        share = np.sum(delta**2 * (np.abs(z) > Z_THRESHOLD)) / np.sum(delta**2)
        if 0.02 < share < 0.999:
            assert float(near.sel(n=n)) == pytest.approx(share, abs=0.005)
            checked += 1
    assert checked >= 2


def test_power_curve_rises_and_is_read_at_the_study_s_own_n(data, fit):
    curves = power_draws(data, fit, draws=5, clusters=100)
    assert curves.attrs["n_now"] == pytest.approx(1e5)
    assert np.all(np.diff(curves["power"].values, axis=1) > -1e-6)
    at = curves["power"].sel(n=curves.attrs["n_now"])
    np.testing.assert_array_equal(curves["power_now"].values, at.values)
    assert np.all(curves["n_needed"].sel(share=0.9) > curves["n_needed"].sel(share=0.5))
    ax = plot_power(data, fit, curves=curves)
    assert ax.get_xscale() == "log"
    assert "%" in ax.get_ylabel()


def test_crossing_is_interpolated_in_log_n():
    n = np.array([1e3, 1e4, 1e5])
    assert crossing(n, np.array([0.0, 0.25, 0.75]), 0.5) == pytest.approx(10**4.5)
    assert crossing(n, np.array([0.0, 0.1, 0.2]), 0.5) == np.inf


def test_classes_of_the_ld_spectrum_sum_to_the_mean_ld_score_of_each_bin(data):
    v = variants(data)
    total, by_class = binned_spectrum(v, bins=10)
    ordered = np.array_split(np.sort(v.ld_score), 10)
    np.testing.assert_allclose(total, [part.mean() for part in ordered], rtol=1e-5)
    np.testing.assert_allclose(by_class.sum(0), total, rtol=1e-12)


@pytest.mark.parametrize(("node", "wanted"), [(0, 4), (-1, 0)])
def test_a_partner_at_a_node_lands_in_that_node_s_class(node, wanted):
    _, by_class = binned_spectrum(variants(_one_partner(max(nodes()[node], 1e-9))), bins=1)
    assert int(np.argmax(np.abs(by_class[:, 0]))) == wanted


def test_negative_parts_of_a_spectrum_do_not_break_the_bars(data):
    changed = data.copy(deep=True)
    changed["spectrum"].values[..., -1] = -0.5
    ax = plot_spectrum(changed)
    assert all(patch.get_height() >= 0 for patch in ax.patches)


def test_profile_is_drawn_relative_to_its_maximum_and_marks_the_estimate(fit):
    ax = plot_profile(fit)
    x, y = ax.lines[0].get_data()
    assert np.max(y) == 0
    assert np.all(np.diff(x) > 0)
    assert ax.lines[2].get_xdata()[0] == pytest.approx(float(fit["estimate"]["pi"]))


def test_fit_without_profile_says_so(data):
    fit = make_fit(data, model="infinitesimal")
    assert not has_profile(fit)
    with pytest.raises(InputError, match="profile_pi"):
        plot_profile(fit)


def test_pair_plot_shows_components_apart_and_pi_on_the_log_scale(data):
    names = list(plotted(make_fit(data, model="two_component_mixer"))["posterior"].data_vars)
    assert names == ["h2", "log10 pi [small]", "log10 pi [large]", "sigma2_0"]


def test_what_does_not_vary_is_not_plotted(fit):
    constant = fit.copy()
    posterior = fit["posterior"].to_dataset()
    constant["posterior"] = xr.DataTree(posterior.assign(pi=xr.ones_like(posterior["pi"])))
    assert list(plotted(constant)["posterior"].data_vars) == ["h2", "sigma2_0"]


def test_pair_and_rank_plots_have_an_axes_per_quantity(data):
    fit = make_fit(data, method="nuts", draws=100)
    assert plot_pair(fit).shape == (3, 3)
    assert len(plot_rank(fit)) == 3


def test_manhattan_shows_every_significant_variant_and_every_chromosome(data):
    ax = plot_manhattan(data)
    z = data["z"].values[data["weight"].values > 0, 0]
    drawn = np.concatenate([line.get_ydata() for line in ax.lines[:6]])
    assert np.sum(drawn > 7.3) == np.sum(log10_p(z) > 7.3) > 0
    assert [t.get_text() for t in ax.get_xticklabels()] == list("123456")


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0028512, "0.00285"),
        (12345.6, "12,300"),
        (3.14e-6, "3.1e-06"),
        (0.9996, "1.00"),
        (0, "0"),
        (float("nan"), "n/a"),
        (-0.5, "-0.500"),
    ],
)
def test_numbers_have_three_significant_digits(x, text):
    assert as_number(x) == text
    assert as_interval(x, x) == f"{text} to {text}"
