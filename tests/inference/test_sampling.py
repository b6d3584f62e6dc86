"""Samplers against Laplace (itself held against quadrature in test_laplace) and against a posterior
known on paper.
"""

import numpy as np
import pymc as pm
import pytest

import bayesmixer as bm
from bayesmixer.inference import sampling
from bayesmixer.inference.density import LogDensity
from bayesmixer.mixer import starts
from tests.inference import toys
from tests.models.small_gwas import simulate_gwas

QUICK = {"calibrate": False, "profile": False, "progress": False}


def means_and_errors(results):
    """{variable: (mean, Monte-Carlo error)} on the free scale."""
    import arviz as az

    out = {}
    for name, v in results["unconstrained_posterior"].data_vars.items():
        if results.attrs["method"] == "laplace":
            error = float(v.std()) / np.sqrt(results["sample_stats"].attrs["effective_draws"])
        else:
            error = float(v.std()) / np.sqrt(float(az.ess(v.values)))
        out[name] = float(v.mean()), error, float(v.std())
    return out


def agree(one, other, spread=0.25):
    one, other = means_and_errors(one), means_and_errors(other)
    for name, (mean, error, sd) in one.items():
        assert abs(mean - other[name][0]) < 4 * np.hypot(error, other[name][1]), name
        assert other[name][2] == pytest.approx(sd, rel=spread), name


def test_whitened_model_is_the_posterior_in_coordinates_of_the_laplace_fit():
    density = LogDensity(toys.gaussian())
    white = LogDensity(sampling.whiten(density, toys.MEAN, toys.COVARIANCE))
    rng = np.random.default_rng(0)
    for w in rng.standard_normal((4, 2)):
        x = toys.MEAN + np.linalg.cholesky(toys.COVARIANCE) @ w
        value, gradient = white.value_and_gradient(w)
        assert value == pytest.approx(density.value_and_gradient(x)[0])
        assert value == pytest.approx(-0.5 * w @ w)
        np.testing.assert_allclose(gradient, -w, atol=1e-10)


@pytest.fixture(scope="module")
def thinned(example_of):
    """A tenth of the embedded polygenic trait's variants at the whole weight: as sharp a posterior,
    ten times faster.
    """
    return starts.thin(example_of("polygenic"), 2500)


@pytest.fixture(scope="module")
def by_laplace(thinned):
    return bm.fit(bm.models.univariate_mixer(thinned), seed=1, **QUICK)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Chains disagree")  # few draws
def test_nuts_agrees_with_laplace_on_the_embedded_data_set(thinned, by_laplace):
    assert by_laplace.attrs["method"] == "laplace"
    assert by_laplace["sample_stats"].attrs["pareto_k"] < 0.7
    nuts = bm.fit(
        bm.models.univariate_mixer(thinned), "nuts", draws=150, tune=60, chains=2, seed=1, **QUICK
    )
    assert nuts["posterior"].sizes == {"chain": 2, "draw": 150}
    assert nuts["log_likelihood"]["z"].dims == ("chain", "draw", "ld_block")
    assert int(nuts["sample_stats"]["diverging"].sum()) == 0
    agree(by_laplace, nuts)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Chains disagree")  # few draws
def test_fit_by_nuts_on_bins_has_the_means_of_exact_laplace():
    model = bm.models.univariate_mixer(simulate_gwas(h2=0.3, pi=0.1, n=10_000, seed=4))
    results = bm.fit(model, "binned", bins=200, draws=200, tune=80, chains=2, seed=1, **QUICK)
    exact = bm.fit(model, draws=1000, seed=3, **QUICK)["unconstrained_posterior"]
    stats = results["sample_stats"].attrs
    assert results.attrs["method"] == "binned"
    assert results["posterior"].sizes == {"chain": 4, "draw": 100}
    assert results["log_likelihood"]["z"].dims == ("chain", "draw", "ld_block")
    assert stats["bins"] == 200
    assert stats["pareto_k"] < 0.7
    assert stats["binned_r_hat"] < 1.05
    for name, found in results["unconstrained_posterior"].data_vars.items():
        mean, sd = float(exact[name].mean()), float(exact[name].std())
        assert float(found.mean()) == pytest.approx(mean, abs=0.2 * sd), name
        assert float(found.std()) == pytest.approx(sd, rel=0.2), name
    assert "ess_bulk" not in bm.summary(results)


@pytest.mark.filterwarnings("ignore:Chains disagree")
def test_trees_of_bounded_nuts_are_no_deeper_than_the_bound():
    density = LogDensity(toys.gaussian())
    narrow = toys.COVARIANCE * 1e-6  # a scale far too small: unbounded trees would go to depth 10
    for sampler in ("nutpie", "pymc"):
        _, stats = sampling.run(
            density,
            toys.MEAN,
            narrow,
            sampler=sampler,
            draws=20,
            tune=10,
            chains=1,
            cores=1,
            seed=1,
            show=False,
            depth=3,
        )
        steps = stats["n_steps"] if "n_steps" in stats else 2.0 ** stats["depth"] - 1
        assert float(steps.max()) <= 7


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Chains disagree")
def test_smc_from_the_weak_prior_agrees_with_laplace():
    model = bm.models.univariate_mixer(simulate_gwas(h2=0.3, pi=0.1, n=5_000, seed=4))
    laplace = bm.fit(model, draws=1000, seed=1, **QUICK)
    smc = bm.fit(model, "smc", draws=100, chains=2, cores=1, seed=1, **QUICK)
    assert laplace.attrs["method"] == "laplace"
    assert smc.attrs["method"] == "smc"
    for name, (mean, _, sd) in means_and_errors(laplace).items():
        found = smc["unconstrained_posterior"][name]
        assert abs(float(found.mean()) - mean) < 0.3 * sd, name
        assert float(found.std()) == pytest.approx(sd, rel=0.3), name


@pytest.mark.parametrize("sampler", ["Slice", "pymc"])
@pytest.mark.filterwarnings("ignore:Chains disagree")
def test_samplers_of_pymc_by_name_find_the_moments_of_a_gaussian(sampler):
    results = bm.fit(
        toys.gaussian(),
        "nuts",
        sampler=sampler,
        draws=1000,
        tune=200,
        chains=2,
        cores=1,
        seed=2,
        progress=False,
    )
    draws = results["posterior"]["x"].values.reshape(-1, 2)
    assert results["posterior"].sizes["draw"] == 1000
    np.testing.assert_allclose(draws.mean(0), toys.MEAN, atol=0.12)
    np.testing.assert_allclose(np.cov(draws.T), toys.COVARIANCE, atol=0.12)


@pytest.mark.filterwarnings("ignore:Chains disagree")
def test_nuts_with_the_same_seed_gives_the_same_draws():
    one, again = (
        bm.fit(
            toys.gaussian(), "nuts", draws=100, tune=100, chains=2, cores=1, seed=9, progress=False
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(one["posterior"]["x"].values, again["posterior"]["x"].values)
    assert len(np.unique(one["posterior"]["x"].values[..., 0])) > 150


@pytest.mark.parametrize(
    ("sampler", "place"), [("nutpie", "nutpie.sample"), ("pymc", "pymc.sample")]
)
def test_target_accept_reaches_the_sampler_and_no_other_number_does_unasked(
    sampler, place, monkeypatch
):
    class Reached(Exception):
        pass

    given = []

    def sample(*_, **options):
        given.append(options.get("target_accept"))
        raise Reached

    monkeypatch.setattr("nutpie.compile_pymc_model", lambda *_, **__: None)
    monkeypatch.setattr(place, sample)
    for target_accept in (0.95, None):
        with pytest.raises(Reached):
            bm.fit(
                toys.gaussian(),
                "nuts",
                sampler=sampler,
                target_accept=target_accept,
                progress=False,
            )
    assert given == [0.95, None]


def test_pymcs_names_of_sampler_and_seed_and_its_init_reach_pymc(monkeypatch):
    class Reached(Exception):
        pass

    given = {}

    def sample(**options):
        given.update(options)
        raise Reached

    monkeypatch.setattr("pymc.sample", sample)
    with pytest.raises(Reached):
        bm.fit(
            toys.gaussian(),
            "nuts",
            nuts_sampler="pymc",
            random_seed=7,
            init="adapt_diag",
            progress=False,
        )
    assert (given["nuts_sampler"], given["random_seed"], given["init"]) == ("pymc", 7, "adapt_diag")


@pytest.mark.parametrize("chains", [1, 3])
def test_statistics_of_smc_are_rectangular_and_end_at_temperature_one(chains, tmp_path):
    with pm.Model() as model:
        pm.Potential("height", -3 * (pm.Normal("x", 0.0, 5.0) - 1) ** 2)
    _, stats = sampling.run_smc(
        LogDensity(model), draws=100, chains=chains, cores=1, seed=3, show=False
    )
    beta = stats["beta"]
    assert beta.dims == ("chain", "stage")
    assert beta.sizes["chain"] == chains
    assert all(v.dtype == float for v in stats.data_vars.values())
    for row in beta.values:
        stages = row[np.isfinite(row)]
        assert stages[-1] == 1
        assert (np.diff(stages) > 0).all()
    stats.to_netcdf(tmp_path / "stats.nc", engine="h5netcdf")


def test_ragged_statistics_are_filled_with_nan():
    import xarray as xr

    ragged = np.empty(2, object)
    ragged[:] = [[0.1, 1.0], [0.2, 0.6, 1.0]]
    table = sampling.by_stage(xr.Dataset({"beta": ("chain", ragged)}), 2)["beta"].values
    np.testing.assert_array_equal(table, [[0.1, 1.0, np.nan], [0.2, 0.6, 1.0]])


@pytest.mark.parametrize("sampler", ["numpyro", "blackjax", "pymc"])
@pytest.mark.parametrize(
    "error",
    [
        TypeError("adapt() got an unexpected keyword"),
        ModuleNotFoundError("No module named 'x'"),
        AttributeError("y"),
    ],
)
def test_sampler_that_does_not_go_with_pymc_is_refused_in_one_line(monkeypatch, sampler, error):
    def sample(**options):
        raise error

    monkeypatch.setattr(pm, "sample", sample)
    with pytest.raises(bm.InputError, match=f"^sampler: '{sampler}' .*sampler='nutpie'") as caught:
        bm.fit(toys.gaussian(), "nuts", sampler=sampler, draws=50, progress=False)
    assert str(error) in str(caught.value)
    assert "\n" not in str(caught.value)
