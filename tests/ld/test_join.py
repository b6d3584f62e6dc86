"""Traits joined over the variants seen in any of them: each model counts its own trait's."""

from __future__ import annotations

import json

import numpy as np
import pytest

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.fingerprint import differences, fingerprint
from bayesmixer.identity import data_of_fit
from bayesmixer.inference.density import LogDensity
from bayesmixer.ld.align import align
from tests.ld.align_panel import panel, sumstats

REFERENCE = panel()
OPTIONS = {"ambiguous": "keep", "exclude_regions": (), "dominant": "keep", "weights": "none"}


@pytest.fixture(scope="module")
def gwas():
    """The first 400 of 500 variants, and the last 300."""
    whole = sumstats(REFERENCE)
    other = sumstats(REFERENCE, seed=2)
    return {
        "a": whole.isel(variant=slice(0, 400)),
        "b": other.isel(variant=slice(200, 500)),
    }


@pytest.fixture(scope="module")
def outer(gwas):
    return align(gwas, REFERENCE, join="outer", **OPTIONS)


def test_outer_holds_every_variant_seen_and_nan_where_a_trait_lacks_it(gwas, outer):
    inner = align(gwas, REFERENCE, **OPTIONS)
    assert (inner.sizes["variant"], outer.sizes["variant"]) == (200, 500)
    seen = np.isfinite(outer["z"].values)
    np.testing.assert_array_equal(seen, np.isfinite(outer["n"].values))
    np.testing.assert_array_equal(seen[:, 0], np.arange(500) < 400)
    np.testing.assert_array_equal(seen[:, 1], np.arange(500) >= 200)
    np.testing.assert_array_equal(outer["z"].values[seen.all(1)], inner["z"].values)
    filters = json.loads(outer.attrs["filters"])
    assert (filters["a: not_seen"], filters["b: not_seen"]) == (100, 200)
    assert "a: not_in_all_traits" not in filters


def test_of_gwas_with_the_same_variants_outer_is_inner(gwas):
    same = {"a": gwas["a"], "b": gwas["a"].assign(z=-gwas["a"]["z"])}
    inner, outer = (align(same, REFERENCE, join=j, **OPTIONS) for j in ("inner", "outer"))
    assert not np.isnan(outer["z"]).any()
    assert inner.drop_attrs().identical(outer.drop_attrs())
    assert differences(fingerprint(inner), fingerprint(outer)) == ""


def test_fingerprints_tell_the_joins_apart(gwas, outer):
    inner = align(gwas, REFERENCE, **OPTIONS)
    found = differences(fingerprint(inner.isel(trait=[0])), fingerprint(outer.isel(trait=[0])))
    assert "differ" in found


@pytest.mark.parametrize("k", [0, 1])
def test_a_model_of_one_trait_counts_that_trait_s_variants_alone(gwas, outer, k):
    one = outer.isel(trait=[k])
    alone = outer.isel(trait=[k], variant=np.isfinite(outer["z"].values[:, k]))
    point = np.array([-1.0, 0.1])
    joined, known = (
        LogDensity(bm.models.infinitesimal(d, prior="flat")).value_and_gradient(point)[0]
        for d in (one, alone)
    )
    assert joined == pytest.approx(known, rel=1e-12)
    assert one["weight"].values.all()  # the caller's data stay


@pytest.mark.filterwarnings("ignore:No heritability seen")
def test_a_fit_knows_its_trait_of_joined_data_again(outer):
    fit = bm.fit(bm.models.infinitesimal(outer.isel(trait=[1])), "map", progress=False)
    assert fit["estimate"].attrs["effective_variants"] == 300
    one = data_of_fit(fit, outer)
    assert one["trait"].values.tolist() == ["b"]
    assert float(one["weight"].sum()) == 300
    with pytest.raises(InputError, match="not what this fit"):
        data_of_fit(fit, outer, trait="a")


def test_a_dominant_locus_is_found_where_the_other_trait_has_no_variant(gwas):
    z = gwas["a"]["z"].values.copy()
    z[50] = 60.0
    strong = gwas | {"a": gwas["a"].assign(z=("variant", z))}
    with pytest.warns(bm.DataWarning, match="1 locus dominates"):
        data = align(strong, REFERENCE, join="outer", **(OPTIONS | {"dominant": "exclude"}))
    assert data["weight"].values[50] == 0


def test_another_join_is_refused():
    with pytest.raises(InputError, match="join: 'left', expected"):
        align(sumstats(REFERENCE), REFERENCE, join="left")
