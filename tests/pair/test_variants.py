"""The table of variants of two traits, on fits that need no sampler; conditional FDR by
counting.
"""

import json

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

import bayesmixer as bm
from bayesmixer.fingerprint import fingerprint
from bayesmixer.ops.given_z import given_z
from bayesmixer.pair.conditional_fdr import conditional_fdr
from bayesmixer.pair.variants import mixtures
from tests.models.small_pair import simulate_pair

EACH = {"z", "n", "marginal_effect", "causal_effect", "p_causal", "conditional_fdr"}
JOINT = {"snp", "chrom", "pos", "a1", "a2", "p_causal_both", "conjunctional_fdr"}


@pytest.fixture(scope="module")
def data():
    return simulate_pair(blocks=20)


def fit_of(data, draws=3, pi_shared=0.015, rho_beta=0.6, rho_0=0.2):
    """A fit as bayesmixer.fit lays it out, its draws near the truth."""
    near = 1 + 0.05 * np.arange(draws) / draws
    total = float(data["h_total"][0])
    pi = np.array([0.012, 0.008]) + 0.015
    values = {
        "pi": pi,
        "pi_unique": pi - pi_shared,
        "sigma2_beta": np.array([0.3, 0.25]) / (pi * total),
        "sigma2_0": np.array([1.05, 1.02]),
    }
    posterior = xr.Dataset(
        {
            **{
                k: (("chain", "draw", "trait"), (near[:, None] * v)[None])
                for k, v in values.items()
            },
            "pi_shared": (("chain", "draw"), (near * pi_shared)[None]),
            "rho_beta": (("chain", "draw"), np.full((1, draws), rho_beta)),
            "rho_0": (("chain", "draw"), np.full((1, draws), rho_0)),
        },
        coords={"trait": data["trait"].values},
    )
    attrs = {
        "kind": "fit",
        "model": "bivariate_mixer",
        "method": "laplace",
        "traits": json.dumps([str(t) for t in data["trait"].values]),
    }
    return xr.DataTree.from_dict(
        {
            "/": xr.Dataset(attrs=attrs),
            "posterior": posterior,
            "constant_data": fingerprint(data),
        }
    )


def test_table_has_columns_of_each_trait_and_of_both_that_join_to_the_input(data):
    table = bm.variants(fit_of(data), data, draws=2)
    assert set(table.data_vars) == EACH | JOINT
    assert {name for name in table.data_vars if "trait" in table[name].dims} == EACH
    assert table["trait"].values.tolist() == ["first", "second"]
    frame = table.to_dataframe().reset_index()
    assert len(frame) == 2 * data.sizes["variant"]
    first = frame[frame["trait"] == "first"]
    assert first["snp"].tolist() == data["snp"].values.tolist()
    np.testing.assert_array_equal(first["z"], data["z"].values[:, 0])
    assert np.isfinite(frame["p_causal"]).all()
    assert "p_partner_both" in table.attrs["left_out"]


def test_both_is_at_most_either_and_shared_variants_alone_are_both(data):
    table = bm.variants(fit_of(data), data, draws=2)
    assert (table["p_causal_both"] <= table["p_causal"].min("trait") + 1e-6).all()
    whole = bm.variants(fit_of(data, pi_shared=0.0), data, draws=2)
    np.testing.assert_allclose(whole["p_causal_both"], 0, atol=1e-6)


def test_draws_are_the_posterior_s_in_the_kernel_s_terms(data):
    results = fit_of(data)
    first = mixtures(results, 100)[0]
    posterior = results["posterior"].isel(chain=0, draw=0)
    np.testing.assert_allclose(first.pi, [0.012, 0.008, 0.015])
    v = posterior["sigma2_beta"].values
    np.testing.assert_allclose(first.sigma_beta[2], [*v, 0.6 * np.sqrt(v.prod())])
    np.testing.assert_allclose(first.sigma_0[2], 0.2 * np.sqrt(1.05 * 1.02))


def test_traits_without_anything_in_common_are_as_each_alone(data):
    """pi_shared = pi_1 pi_2, no correlation: to the 1e-3 of the density that the lattice leaves."""
    share = (0.027 * 0.023) / 1.0
    fit = fit_of(data, draws=1, pi_shared=share, rho_beta=0.0, rho_0=0.0)
    table = bm.variants(fit, data, draws=1)
    mixture = mixtures(fit, 1)[0]
    for t in (0, 1):
        one = given_z(
            data["z"].values[:, t],
            data["n"].values[:, t],
            data["spectrum"].values[0],
            data["node_x"].values,
            data["heterozygosity"].values,
            [
                (
                    np.array([mixture.pi[t] + mixture.pi[2]]),
                    mixture.sigma_beta[[t], t],
                    mixture.sigma_0[t],
                )
            ],
        )
        bulk = np.abs(data["z"].values).max(1) < 5
        np.testing.assert_allclose(table["p_causal"].values[bulk, t], one.causal[bulk], atol=4e-3)


def test_variants_that_a_trait_lacks_are_left_out(data):
    holed = data.copy(deep=True)
    holed["z"].values[3, 1] = np.nan
    holed.attrs["join"] = "outer"
    table = bm.variants(fit_of(holed), holed, draws=1)
    assert table.sizes["variant"] == data.sizes["variant"] - 1
    assert data["snp"].values[3] not in set(table["snp"].values)


def test_conditional_fdr_is_p_over_its_share_among_those_of_as_small_a_p_in_the_other_trait():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 2)) * np.where(rng.random((400, 1)) < 0.2, 3, 1)
    weight = np.where(rng.random(400) < 0.2, 0.0, rng.random(400))
    found = conditional_fdr(z, weight)
    p = 2 * norm.sf(np.abs(z))
    level = np.floor(-np.log10(p) / 0.1)
    typical = weight[weight > 0].mean()
    for j in range(0, 400, 7):
        for t in (0, 1):
            inside = level[:, 1 - t] >= level[j, 1 - t]
            itself = 0.0 if weight[j] > 0 else typical
            share = (weight[inside & (p[:, t] <= p[j, t])].sum() + itself) / (
                weight[inside].sum() + itself
            )
            assert found[j, t] == pytest.approx(min(p[j, t] / share, 1.0), rel=1e-9)


def test_conditional_fdr_falls_where_the_other_trait_is_associated():
    rng = np.random.default_rng(1)
    shared = rng.random(20_000) < 0.05
    z = rng.normal(size=(20_000, 2)) + np.where(shared[:, None], 4.0, 0.0)
    found = conditional_fdr(z, np.ones(len(z)))
    alone = conditional_fdr(np.column_stack([z[:, 0], rng.normal(size=len(z))]), np.ones(len(z)))
    strong = (np.abs(z[:, 1]) > 4) & (np.abs(z[:, 0]) > 2.5)
    assert np.median(found[strong, 0]) < 0.5 * np.median(alone[strong, 0])
