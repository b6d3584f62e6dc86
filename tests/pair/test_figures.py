"""What figures of two traits show, against the model's own density, simulation, and the figures of
one trait.
"""

import numpy as np
import pytest

from bayesmixer.errors import InputError
from bayesmixer.identity import data_of_fit
from bayesmixer.mixer.power import power_draws
from bayesmixer.mixer.prediction import parameters
from bayesmixer.mixer.qq import block_bootstrap, log10_p, observed_survival, plot_qq
from bayesmixer.ops.pair import PairLogLik, pair_log_density
from bayesmixer.ops.pair_layout import PairData
from bayesmixer.ops.pair_predict import PairMixture, pair_density
from bayesmixer.pair.along_overlap import excess_of, plot_along_overlap
from bayesmixer.pair.conditional_qq import plot_conditional_qq, predicted_conditional
from bayesmixer.pair.density import expected_effects, plot_effects, plot_z_density
from bayesmixer.pair.figures import figures
from bayesmixer.pair.prediction import middle, mixtures, pair
from bayesmixer.pair.surface import overlap_surface, plot_surface, thinned
from bayesmixer.reporting.posterior import plot_pair, plotted
from tests.pair.fabricate import TRAITS, make_pair_data, make_pair_fit
from tests.reporting.fabricate import H_TOTAL


def test_mixture_of_a_draw_gives_back_its_heritabilities_and_correlation(pair_fit):
    posterior = pair_fit["posterior"].isel(chain=0)
    for i, m in list(enumerate(mixtures(pair_fit)))[::100]:
        v1, v2, both = H_TOTAL * m.pi @ m.sigma_beta
        np.testing.assert_allclose([v1, v2], posterior["h2"].values[i], rtol=1e-9)
        assert both / np.sqrt(v1 * v2) == pytest.approx(float(posterior["rg"][i]), rel=1e-9)


def test_density_is_the_mean_of_the_variants_own(pair_data, pair_fit):
    """The Fourier series of the mean against each variant's own quadrature."""
    p, (m,) = pair(pair_data, pair_fit), mixtures(pair_fit, 1)
    rows = np.arange(0, len(p.z), 60)
    one, two = p.traits
    grid, density = pair_density(4, 9, p.clusters(m, None), p.node_x, m)
    n = np.column_stack([one.n, two.n])[rows]
    some = pair(pair_data.isel(variant=np.flatnonzero(pair_data["weight"].values > 0)[rows]))
    _, exact = pair_density(4, 9, some.clusters(m, None), p.node_x, m)
    for i, j in ((0, 0), (4, 4), (6, 3), (2, 7)):
        z = np.tile([grid[i], grid[j]], (len(rows), 1))
        log = pair_log_density(z, n, one.spectrum[rows], p.node_x, *m)
        expected = np.average(np.exp(log), weights=p.weight[rows])
        assert exact[i, j] == pytest.approx(expected, rel=1e-4)
    assert density.max() == pytest.approx(exact.max(), rel=0.2)


def test_model_that_made_the_data_lies_in_the_bands_of_the_conditional_curves():
    """Where 20 or more variants are expected, 70% of the true curves or more lie within the 90%
    bands; those of a model that shares nothing do not.
    """
    data = make_pair_data(m=6000, blocks=6000, seed=5)
    fit = make_pair_fit(data, spread=1e-9, draws=2)
    nothing = make_pair_fit(data, spread=1e-9, draws=2, u=1e-6, t=1e-9)
    p = pair(data, fit)
    given = np.array([1.645, 2.576])
    inside = {True: [], False: []}
    for trait in (0, 1):
        own, other = p.traits[trait], p.traits[1 - trait]
        for j, d in enumerate(given):
            rows = np.flatnonzero(other.z >= d)
            c, share = observed_survival(own[rows], 60)
            c = c[share > 20 / len(rows)]
            low, high = block_bootstrap(own[rows], c)
            for one, made_it in ((fit, True), (nothing, False)):
                curve = predicted_conditional(p, mixtures(one, 1), c, given, trait)[0, :, j]
                inside[made_it].append(np.mean((low <= curve) & (curve <= high)))
    assert np.mean(inside[True]) > 0.7
    assert np.mean(inside[False]) < 0.5


def test_conditional_qq_draws_the_data_and_the_model_of_each_level(pair_data, pair_fit):
    ax = plot_conditional_qq(pair_data, pair_fit, trait="asthma", draws=3, clusters=60)
    _, labels = ax.get_legend_handles_labels()
    p = pair(pair_data, pair_fit)
    beyond = p.traits[0].z >= 1.6449
    assert f"P ≤ 0.1 in height ({beyond.sum():,})" in labels
    assert "model, 90% credible" in labels
    x, y = ax.lines[1].get_data()
    z, w = p.traits[1].z[beyond], p.weight[beyond]
    for k in range(0, len(x), 60):
        share = w[log10_p(z) >= y[k] - 1e-12].sum() / w.sum()
        assert 10 ** -x[k] == pytest.approx(share, rel=1e-9)
    assert plot_conditional_qq(pair_data).get_ylabel().endswith("height")


def test_few_variants_at_a_level_are_said_and_not_drawn(pair_data):
    ax = plot_conditional_qq(pair_data, levels=(1.0, 1e-12))
    assert any("only" in label for label in ax.get_legend_handles_labels()[1])


def test_observed_density_is_the_weighted_histogram(pair_data, pair_fit):
    axes = plot_z_density(pair_data, pair_fit, draws=2, clusters=60)
    assert [ax.get_title() for ax in axes] == ["observed", "model"]
    values = np.nan_to_num(np.asarray(axes[0].collections[0].get_array().filled(np.nan)))
    p = pair(pair_data)
    reach = axes[0].get_xlim()[1]
    inside = (np.abs(p.z) <= reach).all(axis=1)
    share = p.weight[inside].sum() / p.weight.sum()
    assert values.sum() * 0.25**2 == pytest.approx(share, abs=1e-3)
    assert len(plot_z_density(pair_data)) == 1


MIXTURE = PairMixture(
    np.array([0.1, 0.2, 0.3]),
    np.array([[1.0, 0, 0], [0, 4.0, 0], [1.0, 4.0, 1.6]]),
    np.array([1.0, 1.0, 0.0]),
)


def test_expected_effects_are_those_drawn():
    edges = np.linspace(-8, 8, 22)
    found = expected_effects(MIXTURE, edges)
    rng, size = np.random.default_rng(0), 400_000
    a, b = rng.multivariate_normal([0, 0], [[1, 1.6], [1.6, 4]], size).T
    drawn = 0.3 * np.histogram2d(a, b, (edges, edges))[0] / size
    drawn[:, 10] += 0.1 * np.histogram(rng.normal(0, 1, size), edges)[0] / size
    drawn[10] += 0.2 * np.histogram(rng.normal(0, 2, size), edges)[0] / size
    np.testing.assert_allclose(found, drawn, atol=4 * np.sqrt(0.1 * 0.3 / size))
    assert found.sum() == pytest.approx(0.6, abs=1e-4)


@pytest.mark.parametrize("sign", [1, -1])
def test_perfectly_correlated_effects_lie_on_a_line(sign):
    m = MIXTURE._replace(
        pi=np.array([0.0, 0.0, 1.0]),
        sigma_beta=MIXTURE.sigma_beta * [1, 1, 1] + np.array([[0, 0, 0], [0, 0, 0], [0, 0, 0.4]]),
    )
    m = m._replace(sigma_beta=m.sigma_beta * [1, 1, sign])
    edges = np.linspace(-8, 8, 82)
    found = expected_effects(m, edges)
    middle_of = (edges[1:] + edges[:-1]) / 2
    off = np.abs(middle_of[None, :] - sign * 2 * middle_of[:, None]) > 0.6
    assert found[off].max() < 1e-9
    assert found.sum() == pytest.approx(1, abs=1e-3)


def test_effects_plot_sums_to_the_number_of_causal_variants(pair_fit):
    ax = plot_effects(pair_fit, draws=5)
    shown = np.nansum(np.asarray(ax.collections[0].get_array().filled(np.nan)))
    posterior = pair_fit["posterior"]
    total = posterior["n_causal"].sum("trait").mean() - posterior["n_shared"].mean()
    assert shown == pytest.approx(float(total), rel=0.1)


def test_surface_is_the_likelihood_and_highest_near_the_truth(pair_data):
    fit = make_pair_fit(pair_data, spread=1e-6, draws=3)
    surface = overlap_surface(pair_data, fit, points=11, most=10**6, nodes=(7, 13), whole=True)
    value = surface["log_likelihood"]
    assert float(value.max()) == 0
    assert np.ptp(value.sel(overlap=0.0).values) < 1e-6
    p = pair(pair_data, fit)
    one, two = p.traits
    op = PairLogLik(
        PairData(
            p.z, np.column_stack([one.n, two.n]), p.weight, one.spectrum, p.node_x, one.ld_block
        ),
        gradient=False,
    )
    (m,) = mixtures(fit, 1)
    pi, beta = fit["estimate"]["pi"].values, fit["estimate"]["sigma2_beta"].values

    def exact(f, rho):
        shared = f * pi.min()
        covariance = [[beta[0], 0, 0], [0, beta[1], 0], [*beta, rho * np.sqrt(beta.prod())]]
        shares = np.array([*(pi - shared), shared])
        return op.evaluate(shares, np.array(covariance), m.sigma_0)[0].sum()

    for f, rho, error in ((1, -1, 1e-3), (0.3, 0.2, 0.1), (0.7, 0.8, 0.1)):
        there = value.sel(overlap=f, rho_beta=rho, method="nearest")
        difference = float(there - value.sel(overlap=0.5, rho_beta=0, method="nearest"))
        assert difference == pytest.approx(exact(f, rho) - exact(0.5, 0), abs=error)
    best = value.where(value == 0, drop=True)
    assert abs(float(best["rho_beta"][0]) - float(fit["estimate"]["rho_beta"])) <= 0.5
    ax = plot_surface(pair_data, fit, surface=surface)
    assert ax.get_xlim() == (0, 1)
    assert ax.get_ylim() == (-1, 1)


def test_surface_shows_where_the_draws_have_their_genetic_correlation(pair_data):
    for u, low, high in ((0.45, 0.3, 1), (-0.45, -1, -0.3), (0.02, -1, 1)):
        fit = make_pair_fit(pair_data, draws=100, u=u)
        surface = overlap_surface(pair_data, fit, nodes=(3, 3), points=3, most=200)
        ends = surface["rho_beta"].values[[0, -1]]
        np.testing.assert_allclose(ends, (low, high), atol=0.3)
        posterior = fit["posterior"]
        within = (posterior["rho_beta"] >= ends[0]) & (posterior["rho_beta"] <= ends[1])
        assert float(within.mean()) == 1
        assert surface["overlap"].values[-1] == 1


def test_thinned_variants_stand_for_all(pair_data):
    p = pair(pair_data)
    rows, weight = thinned(p, 1000)
    large = np.abs(p.z).max(axis=1) >= 3
    assert len(rows) == 900 + min(100, large.sum())
    for group in (large, ~large):
        assert weight[group[rows]].sum() == pytest.approx(p.weight[group].sum())
    product = p.z.prod(axis=1)
    error = np.sqrt(np.sum(weight**2 * product[rows] ** 2))
    assert abs(weight @ product[rows] - p.weight @ product) < 3 * error
    everything, own = thinned(p, 10**6)
    np.testing.assert_array_equal(p.weight[everything], own)


def test_posterior_over_overlap_shows_the_mass_of_its_ends(pair_fit):
    e = excess_of(pair_fit)
    at_least = np.mean(e <= 1e-6)
    assert 0.02 < at_least < 0.09
    assert e.max() < 1
    ax = plot_along_overlap(pair_fit)
    posterior = next(a for a in ax.figure.axes if a.patches and a is not ax)
    assert max(p.get_height() for p in posterior.patches if hasattr(p, "get_height")) == (
        pytest.approx(at_least)
    )
    dotted = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"]
    assert dotted == [0.01, 0.99]
    x, y = ax.lines[0].get_data()
    assert (x[0], x[-1], y.max()) == (0, 1, 0)


def test_shares_of_draws_have_no_ticks_above_1(pair_fit):
    least = pair_fit.copy(deep=True)
    least["posterior"] = (
        least["posterior"].to_dataset().assign(pi_shared=least["posterior"]["pi_shared_min"])
    )
    ax = plot_along_overlap(least)
    (posterior,) = (a for a in ax.figure.axes if a.patches and a is not ax)
    assert posterior.get_ylim()[1] > 2 and 0.5 <= posterior.get_yticks().max() <= 1


def test_a_fit_without_its_likelihood_along_overlap_says_so(pair_data):
    with pytest.raises(InputError, match="no likelihood along overlap"):
        plot_along_overlap(make_pair_fit(pair_data, draws=5))


def test_traits_of_a_pair_have_the_figures_of_one_trait(pair_data, pair_fit):
    both = data_of_fit(pair_fit, pair_data)
    assert [str(t) for t in both["trait"].values] == TRAITS
    one = data_of_fit(pair_fit, pair_data, trait="asthma")
    p = parameters(pair_fit, data=one)
    np.testing.assert_allclose(
        (p.pi * p.sigma2_beta)[:, 0] * H_TOTAL,
        pair_fit["posterior"]["h2"].sel(trait="asthma").values.ravel(),
        rtol=1e-9,
    )
    curves = power_draws(pair_data, pair_fit, trait="asthma", draws=2, clusters=40)
    assert curves.attrs["n_now"] == pytest.approx(6e4)
    assert plot_qq(pair_data, pair_fit, trait=0, draws=2, clusters=40).lines
    with pytest.raises(InputError, match="no trait asthma"):
        data_of_fit(pair_fit, pair_data.isel(trait=[0]))
    other = pair_data.assign(z=pair_data["z"] + 1)
    with pytest.raises(InputError, match="not what this fit was made with"):
        pair(other, pair_fit)


def test_every_figure_of_a_fit_has_a_caption_and_what_is_lacking_is_said(pair_data, pair_fit):
    planned = list(figures(pair_fit, pair_data))
    assert all(isinstance(one, tuple) and one[2] for one in planned)
    assert len({one[0] for one in planned}) == len(planned) == 10
    alone = list(figures(pair_fit, None))
    assert [one[0] for one in alone if not isinstance(one, str)] == [
        "venn",
        "along_overlap",
        "effects",
    ]
    assert any("need the data" in one for one in alone if isinstance(one, str))
    bare = list(figures(make_pair_fit(pair_data, draws=5), None))
    assert "No likelihood along overlap: the fit did not store one." in bare


def test_figures_of_the_posterior_show_polygenicities_and_what_is_shared(pair_fit):
    assert list(plotted(pair_fit)["posterior"].data_vars) == [
        "log10 pi [height]",
        "log10 pi [asthma]",
        "rg",
        "n_shared",
        "rho_beta",
        "dice",
    ]
    assert plot_pair(pair_fit).shape == (6, 6)


def test_variants_that_one_trait_lacks_are_left_out(pair_data):
    z = pair_data["z"].values.copy()
    z[::3, 1] = np.nan
    outer = pair_data.assign(z=(("variant", "trait"), z)).assign_attrs(join="outer")
    kept = pair(outer)
    assert len(kept.z) == np.sum((pair_data["weight"].values > 0) & (np.arange(len(z)) % 3 > 0))
    assert np.isfinite(kept.z).all()
    assert np.isfinite(middle(mixtures(make_pair_fit(pair_data, draws=4))).pi).all()
