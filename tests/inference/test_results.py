"""What a fit holds, how it is saved and read again, and the criteria in it by hand."""

import json
import re
import warnings

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import minimize

import bayesmixer as bm
from bayesmixer import facts
from bayesmixer.errors import InputError
from bayesmixer.inference.density import LogDensity
from tests.inference.conftest import LAPLACE_DRAWS

POSTERIOR = {"h2", "pi", "sigma2_0", "sigma2_beta", "n_causal", "n90"}


def test_groups_variables_and_dims_are_those_of_the_documentation(laplace_small, root):
    text = (root / "docs/reference/data_structures.md").read_text().split("## Results")[1]
    groups = {
        "posterior",
        "sample_stats",
        "log_likelihood",
        "estimate",
        "constant_data",
        "unconstrained_posterior",
        "calibration",
        "h2_test",
        "log_prior",
    }
    groups |= {"uncalibrated_posterior", "uncalibrated_unconstrained_posterior"}
    assert groups <= set(re.findall(r"`(\w+)`", text))
    assert set(laplace_small.children) == groups
    posterior = laplace_small["posterior"]
    assert set(posterior.data_vars) == POSTERIOR
    assert all(v.dims == ("chain", "draw") for v in posterior.data_vars.values())
    assert set(laplace_small["unconstrained_posterior"].data_vars) == {
        "log_h2",
        "logit_pi",
        "log_sigma2_0",
    }
    assert laplace_small["log_likelihood"]["z"].dims == ("chain", "draw", "ld_block")
    assert laplace_small["log_likelihood"].sizes["ld_block"] == 60
    assert set(laplace_small["constant_data"].data_vars) | set(
        laplace_small["constant_data"].coords
    ) >= {"node_x", "h_bin_value", "h_bin_count"}
    estimate = laplace_small["estimate"]
    assert set(estimate.data_vars) >= POSTERIOR
    assert estimate["hessian"].dims == estimate["covariance"].dims == ("parameter", "parameter_bis")
    assert list(estimate["parameter"].values) == ["log_h2", "logit_pi", "log_sigma2_0"]
    assert {"optimum_log_posterior", "optimum_converged"} <= set(estimate.data_vars)
    documented = re.search(r"attrs (.*?), and where fitted (.*?) \|", text)
    assert documented is not None
    for name in re.findall(r"`(\w+)`", documented.group(0)):
        assert name in estimate.attrs, name
    for name in re.findall(r"`(\w+)(?:=\S+)?`", text.split("Attributes of the root:")[1]):
        assert name in laplace_small.attrs, name
    assert json.loads(laplace_small.attrs["versions"])["pymc"]
    assert json.loads(laplace_small.attrs["data"])["kind"] == "gwas_data"


def test_posterior_unconstrained_posterior_and_log_likelihood_belong_to_the_same_draws(
    laplace_small, small
):
    free, draws = laplace_small["unconstrained_posterior"], laplace_small["posterior"]
    np.testing.assert_allclose(np.exp(free["log_h2"].values), draws["h2"].values)
    np.testing.assert_allclose(1 / (1 + np.exp(-free["logit_pi"].values)), draws["pi"].values)
    density = LogDensity(bm.models.univariate_mixer(small))
    raw = laplace_small[
        "uncalibrated_unconstrained_posterior"
    ]  # the log-likelihood belongs to the draws before calibration
    x = np.array([float(raw[name][0, 17]) for name in density.names])
    np.testing.assert_allclose(
        laplace_small["log_likelihood"]["z"].values[0, 17],
        density.value_and_blocks(x)[1]["z"],
        rtol=1e-9,
        atol=1e-8,
    )


def test_estimate_is_the_mode_that_another_optimiser_finds(laplace_small, small):
    density = LogDensity(bm.models.univariate_mixer(small))
    other = minimize(
        lambda x: -density.value_and_gradient(x)[0],
        np.array([-1.5, -3.0, 0.1]),
        method="Nelder-Mead",
        options={"xatol": 1e-6, "fatol": 1e-9},
    )
    estimate = laplace_small["estimate"]
    assert estimate.attrs["log_posterior"] >= -other.fun - 1e-6
    sd = np.sqrt(np.diag(estimate["covariance"].values))
    np.testing.assert_allclose(estimate["mode"].values, other.x, atol=1e-2 * sd.min())
    assert float(estimate["h2"]) == pytest.approx(np.exp(other.x[0]), rel=1e-3)


def test_hessian_is_that_of_the_log_posterior_at_the_mode(laplace_small, small):
    density = LogDensity(bm.models.univariate_mixer(small))
    mode, h = laplace_small["estimate"]["mode"].values, 1e-3
    rows = [
        (density.value_and_gradient(mode - h * e)[1] - density.value_and_gradient(mode + h * e)[1])
        / (2 * h)
        for e in np.eye(3)
    ]
    np.testing.assert_allclose(
        laplace_small["estimate"]["hessian"].values,
        np.array(rows),
        rtol=0.05,
        atol=0.02 * np.abs(rows).max(),
    )


def test_aic_and_bic_are_the_papers_formulas(laplace_small, small):
    attrs, weight = laplace_small["estimate"].attrs, float(small["weight"].sum())
    density = LogDensity(bm.models.univariate_mixer(small, prior="flat"))
    loglik = density.value_and_gradient(laplace_small["estimate"]["mode"].values)[0]
    assert attrs["effective_variants"] == pytest.approx(weight)
    assert attrs["log_likelihood"] == pytest.approx(loglik)
    assert attrs["aic"] == pytest.approx(2 * 3 - 2 * loglik)
    assert attrs["bic"] == pytest.approx(3 * np.log(weight) - 2 * loglik)
    null = LogDensity(bm.models.infinitesimal(small, prior="flat"))
    best = -minimize(
        lambda x: -null.value_and_gradient(x)[0],
        np.array([-1.0, 0.1]),
        method="Nelder-Mead",
        options={"xatol": 1e-7, "fatol": 1e-9},
    ).fun
    assert attrs["aic_infinitesimal"] == pytest.approx(2 * 2 - 2 * best, abs=1e-4)
    assert attrs["bic_infinitesimal"] == pytest.approx(2 * np.log(weight) - 2 * best, abs=1e-4)


def test_profile_along_pi_is_below_and_close_to_the_profile_by_brute_force(small):
    results = bm.fit(
        bm.models.univariate_mixer(small, prior="flat"), "map", profile=True, progress=False
    )
    density = LogDensity(bm.models.univariate_mixer(small, prior="flat"))
    pi = results["estimate"]["profile_pi"].values
    found = results["estimate"]["profile_log_likelihood"].values
    for i in (3, 6, 9):
        logit = np.log(pi[i] / (1 - pi[i]))
        start = results["estimate"]["mode"].values[[0, 2]]
        best = -minimize(
            lambda x, at=logit: -density.value_and_gradient(np.array([x[0], at, x[1]]))[0],
            start,
            method="Nelder-Mead",
            options={"fatol": 1e-6},
        ).fun
        assert found[i] <= best + 1e-4
        assert found[i] == pytest.approx(best, abs=0.1)


def test_arviz_compares_and_summarises_a_fit(laplace_small):
    import arviz as az

    loo = az.loo(laplace_small, var_name="z", reff=1.0)
    assert loo.n_data_points == 60
    total = laplace_small["log_likelihood"]["z"].sum("ld_block").values
    assert loo.elpd < total.max()
    table = az.summary(laplace_small)
    assert set(table.index) == POSTERIOR


def test_summary_holds_the_estimate_beside_mean_sd_and_the_interval_of_the_draws(laplace_small):
    table = bm.summary(laplace_small, prob=0.8)
    assert set(table.index) == POSTERIOR
    assert list(table.columns[:3]) == ["map", "mean", "sd"]
    low, high = table.columns[3:5]
    assert low.startswith("eti80")
    draws = laplace_small["posterior"]["pi"].values.ravel()
    row = table.loc["pi"]
    assert row["map"] == pytest.approx(float(laplace_small["estimate"]["pi"]))
    assert row["mean"] == pytest.approx(draws.mean())
    assert row["sd"] == pytest.approx(draws.std(ddof=1), rel=1e-3)
    assert [row[low], row[high]] == pytest.approx(np.quantile(draws, [0.1, 0.9]).tolist(), rel=1e-2)
    for bad in (0.0, 1.0, 90):
        with pytest.raises(InputError, match="prob"):
            bm.summary(laplace_small, prob=bad)
    with pytest.raises(InputError, match="not a fit"):
        bm.summary({"h2": 0.1})


def test_summary_and_mixing_ask_nothing_of_constants(laplace_small):
    chains = laplace_small.copy()
    posterior = chains["posterior"].to_dataset()
    two = posterior["pi"] * xr.DataArray([1.0, 0.0], coords={"component": ["one", "none"]})
    chains["posterior"] = xr.DataTree(posterior.assign(pi=two, sigma2_0=0 * two[..., 0] + 1.1))
    chains["sample_stats"] = xr.DataTree(xr.Dataset())
    chains.attrs = chains.attrs | {"method": "nuts"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = bm.summary(chains)
        r_hat, ess = facts.mixing(chains)
    fixed = table.loc["sigma2_0"]
    assert fixed["mean"] == pytest.approx(1.1) and fixed["sd"] < 1e-12
    assert np.isnan(table.loc["pi[none]", "r_hat"]) and np.isfinite(table.loc["pi[one]", "r_hat"])
    assert r_hat == pytest.approx(table["r_hat"].max()) and ess == pytest.approx(
        table[["ess_bulk", "ess_tail"]].min().min()
    )


def test_summary_of_a_map_fit_has_the_estimate_alone_and_one_row_a_component(small):
    results = bm.fit(bm.models.infinitesimal(small), "map", progress=False)
    assert "posterior" not in results.children
    table = bm.summary(results)
    assert list(table.columns) == ["map", "se"]
    assert table.loc["h2", "se"] == float(results["estimate"]["h2_se"])
    assert set(table.index) == {"h2", "sigma2_0", "sigma2_beta"}


def test_same_seed_gives_the_same_numbers_and_another_seed_others(laplace_small, small):
    model = bm.models.univariate_mixer(small)
    again = bm.fit(model, draws=LAPLACE_DRAWS, seed=3, profile=False, progress=False)
    for name in ("posterior", "unconstrained_posterior", "log_likelihood"):
        xr.testing.assert_equal(again[name].to_dataset(), laplace_small[name].to_dataset())
    other = bm.fit(model, draws=LAPLACE_DRAWS, seed=4, profile=False, progress=False)
    assert (other["posterior"]["pi"].values != laplace_small["posterior"]["pi"].values).any()
    np.testing.assert_allclose(
        other["estimate"]["mode"].values, laplace_small["estimate"]["mode"].values, atol=1e-9
    )


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_saved_fit_is_read_again_unchanged_and_by_plain_xarray(laplace_small, tmp_path, ending):
    path = tmp_path / f"fit{ending}"
    assert bm.save(laplace_small, path) == path
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    read = bm.load(path)
    assert set(read.children) == set(laplace_small.children)
    for name in laplace_small.children:
        xr.testing.assert_equal(read[name].to_dataset(), laplace_small[name].to_dataset())
    assert dict(read.attrs) == dict(laplace_small.attrs)
    assert {k: v for k, v in read["estimate"].attrs.items() if isinstance(v, str)} == {
        k: v for k, v in laplace_small["estimate"].attrs.items() if isinstance(v, str)
    }
    assert read["estimate"].attrs["bic"] == pytest.approx(laplace_small["estimate"].attrs["bic"])
    plain = xr.open_datatree(path)
    assert float(plain["posterior"]["h2"].mean()) == pytest.approx(
        float(laplace_small["posterior"]["h2"].mean())
    )
    plain.close()
    bm.summary(read)


@pytest.mark.parametrize(("ending", "writer"), [(".nc", "to_netcdf"), (".zarr", "to_zarr")])
@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()])
def test_failed_save_leaves_the_old_results_and_nothing_else(
    laplace_small, tmp_path, monkeypatch, ending, writer, failure
):
    path = tmp_path / f"fit{ending}"
    bm.save(laplace_small, path)

    def broken(self, aside=None, **kwargs):
        if aside is not None:
            aside.mkdir()
            (aside / "zarr.json").write_text("{")
        raise failure

    monkeypatch.setattr(xr.DataTree, writer, broken)
    with pytest.raises(InputError if isinstance(failure, OSError) else KeyboardInterrupt):
        bm.save(laplace_small, path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    monkeypatch.undo()
    xr.testing.assert_equal(
        bm.load(path)["posterior"].to_dataset(), laplace_small["posterior"].to_dataset()
    )


def test_saving_twice_replaces_the_first(laplace_small, small, tmp_path):
    other = bm.fit(bm.models.infinitesimal(small), "map", progress=False)
    for ending in (".nc", ".zarr"):
        path = tmp_path / f"fit{ending}"
        bm.save(laplace_small, path)
        bm.save(other, path)
        assert bm.load(path).attrs["model"] == "infinitesimal"


def test_what_cannot_be_saved_or_read_is_refused_in_one_line(laplace_small, tmp_path):
    with pytest.raises(InputError, match=r"expected .nc \(netCDF\) or .zarr"):
        bm.save(laplace_small, tmp_path / "fit.pkl")
    with pytest.raises(InputError, match="does not exist"):
        bm.save(laplace_small, tmp_path / "missing" / "fit.nc")
    with pytest.raises(InputError, match="no such file"):
        bm.load(tmp_path / "missing.nc")
    (tmp_path / "text.nc").write_text("h2 0.2")
    with pytest.raises(InputError, match="not a saved fit"):
        bm.load(tmp_path / "text.nc")
    xr.DataTree(xr.Dataset({"x": 1})).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(InputError, match="expected a saved fit"):
        bm.load(tmp_path / "other.nc")
