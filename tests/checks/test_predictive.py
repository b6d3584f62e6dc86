"""z-scores drawn from the prior and from a fit: their distribution is the predicted one, and ArviZ
and PyMC take the results without help.
"""

import arviz as az
import numpy as np
import pymc as pm
import pytest
import xarray as xr
from scipy.stats import kstest, norm

import bayesmixer as bm
from bayesmixer.checks.predictive import _predicted
from bayesmixer.errors import InputError
from bayesmixer.ld.gwas_data import gwas_data_from_arrays
from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from bayesmixer.mixer.draws import GRID, inverted
from tests.models.small_gwas import simulate_gwas
from tests.models.test_ld_mixture import like_ours
from tests.simulation.test_simulation import panel_of

pytestmark = pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")


@pytest.fixture(scope="module")
def data():
    return simulate_gwas(h2=0.3, n=2_000, pi=1.0, seed=4)


@pytest.fixture(scope="module")
def fit(data):
    return bm.fit(bm.models.infinitesimal(data), draws=200, seed=1, progress=False)


@pytest.fixture(scope="module")
def predicted(fit, data):
    return bm.sample_posterior_predictive(fit, data, draws=25, random_seed=2)


def test_draws_by_inversion_have_the_distribution_that_was_inverted():
    sd = 1.7
    below = np.tile(2 * norm.cdf(GRID / sd) - 1, (4000, 1))
    drawn = inverted(below, np.random.default_rng(0))
    assert kstest(drawn, norm(scale=sd).cdf).pvalue > 0.01


def test_predicted_z_of_the_infinitesimal_model_are_normal_of_its_variance(fit, data, predicted):
    z = predicted["posterior_predictive"]["z"]
    assert z.dims == ("chain", "draw", "variant")
    assert list(z["variant"].values) == list(data["snp"].values)
    h2, zero = (float(fit["posterior"][name].mean()) for name in ("h2", "sigma2_0"))
    total = data.attrs["h_total"][0]
    variance = zero + data["n"].values[:, 0] * data["ld_score_h"].values[0] * h2 / total
    standardised = (z.values[0] / np.sqrt(variance)).std()
    assert standardised == pytest.approx(1, abs=0.03)
    np.testing.assert_array_equal(predicted["observed_data"]["z"], data["z"].values[:, 0])


def test_predicted_draws_are_the_same_for_the_same_seed_and_others_for_another(fit, data):
    one, same, other = (
        bm.sample_posterior_predictive(fit, data, draws=2, random_seed=s)["posterior_predictive"]
        for s in (1, 1, 2)
    )
    assert one.equals(same) and not one.equals(other)


def test_prior_predictive_has_the_groups_of_arviz_and_is_wider_than_the_posteriors(data, predicted):
    prior = bm.sample_prior_predictive(bm.models.infinitesimal(data), 25, random_seed=2)
    assert set(prior.children) == {"prior", "prior_predictive", "observed_data"}
    assert prior["prior"].sizes["draw"] == prior["prior_predictive"].sizes["draw"] == 25
    assert {"h2", "sigma2_0", "log_h2"} <= set(prior["prior"].data_vars)
    before, after = (
        float(tree["z"].std("variant").std())
        for tree in (prior["prior_predictive"], predicted["posterior_predictive"])
    )
    assert before > after


def test_own_model_is_predicted_as_ours_under_its_own_names(data):
    ours, own = (
        bm.sample_prior_predictive(model, 10, random_seed=3)["prior_predictive"]["z"]
        for model in (bm.models.univariate_mixer(data), like_ours(data))
    )
    assert ours.shape == own.shape
    assert np.isfinite(own.values).all()


def test_several_traits_are_predicted_together(data):
    other = simulate_gwas(h2=0.3, n=2_000, pi=1.0, seed=5, trait="other")
    with pm.Model() as model:
        h2 = pm.Beta("h2", 2, 5, shape=2)
        for k, one in enumerate((data, other)):
            variance = h2[k] / one.attrs["h_total"][0]
            bm.ld_mixture(f"z{k}", one, pi=1.0, sigma2_beta=variance, sigma2_0=1.05)
    prior = bm.sample_prior_predictive(model, 3, random_seed=1)
    assert prior["prior_predictive"]["z"].dims == ("chain", "draw", "variant", "trait")
    assert list(prior["observed_data"]["trait"].values) == ["trait1", "other"]


def test_what_cannot_be_drawn_is_refused_in_one_line(fit, data):
    with pytest.raises(InputError, match="flat priors of log_h2, log_sigma2_0"):
        bm.sample_prior_predictive(bm.models.infinitesimal(data, prior="flat"))
    with pm.Model() as stranger:
        pm.Normal("x")
    with pytest.raises(InputError, match="model: neither one of"):
        bm.sample_prior_predictive(stranger)
    with pytest.raises(InputError, match="draws: 0, expected a whole number of at least 1"):
        bm.sample_posterior_predictive(fit, data, draws=0)
    with pytest.raises(InputError, match="not what this fit"):
        bm.sample_posterior_predictive(fit, simulate_gwas(h2=0.3, n=2_000, pi=1.0, seed=5))


@pytest.mark.parametrize(
    "call",
    [
        lambda tree: az.psense_summary(tree),
        lambda tree: az.plot_ppc_dist(tree, backend="matplotlib"),
        lambda tree: az.plot_ppc_pit(tree, backend="matplotlib"),
        lambda tree: az.plot_rank(tree, backend="matplotlib"),
        lambda tree: az.loo(tree),
        lambda tree: az.compare({"one": tree, "other": tree}),
        lambda tree: az.summary(tree),
    ],
    ids=[
        "psense_summary",
        "plot_ppc_dist",
        "plot_ppc_pit",
        "plot_rank",
        "loo",
        "compare",
        "summary",
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_arviz_takes_a_fit_without_help(predicted, call):
    assert call(predicted) is not None


def test_pymc_draws_the_graph_of_a_model(data):
    for model in (bm.models.univariate_mixer(data), like_ours(data)):
        graph = pm.model_to_mermaid(model)
        assert "logit_pi" in graph and "Potential" in graph


def test_z_through_a_panel_has_its_ld_and_the_models_variance():
    """Every variant causal: the covariance of z is sigma2_0 R + N h2 / H_total R H R by block."""
    rng = np.random.default_rng(5)
    shared = rng.standard_normal((2, 10, 2, 80)).cumsum(axis=1)
    dosage = (shared > 0.3).sum(axis=2).reshape(20, 80)
    panel = panel_of(dosage, [0, 10, 20])
    h, total = panel.heterozygosity, float(panel.heterozygosity.sum())
    r = np.corrcoef(dosage.astype(float))
    r[:10, 10:] = r[10:, :10] = 0
    n, h2, zero = np.where(np.arange(20) < 10, 400.0, 100.0), 0.3, 1.2
    truth = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(
                {
                    "h2": (("chain", "draw"), np.full((1, 2000), h2)),
                    "sigma2_beta": (("chain", "draw"), np.full((1, 2000), h2 / total)),
                    "sigma2_0": (("chain", "draw"), np.full((1, 2000), zero)),
                }
            )
        }
    )
    truth.attrs = {"kind": "fit", "model": "infinitesimal", "options": "{}", "data": "{}"}
    strengths = (h * r**2)[r != 0]
    spectrum = spectrum_from_pairs(np.arange(21) * 10, strengths, 24)
    data = gwas_data_from_arrays(
        np.zeros(20),
        n,
        spectrum,
        nodes(24),
        h,
        ld_block=np.repeat([0, 1], 10),
        snp=panel.variants["snp"].to_numpy(),
        a1=["A"] * 19 + ["G"],
        a2=["G"] * 19 + ["A"],
    )
    z = _predicted(truth, data, 2000, panel, 1)["z"].values[0]
    sign = np.where(np.arange(20) < 19, 1, -1)
    root = np.sqrt(n)
    expected = zero * r + root[:, None] * root * (h2 / total) * (r * h) @ r
    expected = expected * sign[:, None] * sign
    np.testing.assert_allclose(np.cov(z.T), expected, atol=0.12 * np.diag(expected).max())
    alone = _predicted(truth, data, 2000, None, 1)["z"].values[0]
    np.testing.assert_allclose(alone.var(0), np.diag(expected), rtol=0.15)
    with pytest.raises(InputError, match="panel: lacks 20 of the 20 weighted variants"):
        _predicted(truth, data.assign(snp=("variant", [f"w{i}" for i in range(20)])), 2, panel, 1)
