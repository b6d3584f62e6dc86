"""The ends of overlap: places and excesses are inverse, the ends exact, statements never without
their factors.
"""

import json

import numpy as np
import pytest
import xarray as xr

from bayesmixer.bound import Bound
from bayesmixer.pair import statements
from bayesmixer.pair.cards import BIVARIATE
from bayesmixer.pair.chart import overlap, polygenicities, sigmoid
from bayesmixer.pair.ends import COMPLETE, LEAST, ends


def bound(prior="weak", **options):
    free = tuple(one.name for one in BIVARIATE.free if one.name not in options.pop("without", ()))
    return Bound(BIVARIATE, prior, xr.Dataset(), lambda data: None, free, options)


def points(n=2_000, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "atanh_u": rng.logistic(0, 0.5, n),
        "logit_t": rng.normal(0, 4, n),
        "logit_pi_mean": rng.normal(-4, 3, n),
        "logit_pi_difference": rng.normal(0, 1.5, n),
    }


def test_places_of_excesses_are_where_the_excess_is_that():
    found, at = ends(bound()), points()
    e = np.random.default_rng(1).uniform(1e-3, 1 - 1e-3, at["logit_t"].size)
    there = at | {"logit_t": found.place(e, at)}
    assert found.excess(there) == pytest.approx(e, abs=1e-9)
    assert np.all((found.excess(at) >= 0) & (found.excess(at) <= 1))


def test_the_ends_are_the_least_and_complete_overlap_to_the_last_digit():
    found, at = ends(bound()), points()
    pi = polygenicities(at["logit_pi_mean"], at["logit_pi_difference"])
    for end, e in ((LEAST, 0.0), (COMPLETE, 1.0)):
        there = at | {"logit_t": np.full(at["logit_t"].size, end.at)}
        f = found.natural(there)
        exact = overlap(np.tanh(at["atanh_u"]), e, *pi)
        assert np.array_equal(f, exact.f) and (found.excess(there) == e).all()
        assert (np.abs(exact.rho_beta) == 1).any() if e == 0 else (f == 1).all()


def test_the_natural_scale_is_smooth_where_the_excess_has_a_kink():
    """f at u = 0 has no slope in u at any t > 0."""
    found = ends(bound())
    at = {"logit_t": 0.3, "logit_pi_mean": -5.0, "logit_pi_difference": 0.4}
    f = [found.natural(at | {"atanh_u": u}) for u in (-1e-4, 0.0, 1e-4)]
    assert f[0] == pytest.approx(f[1], abs=1e-8) and f[2] == pytest.approx(f[1], abs=1e-8)
    assert f[1] == pytest.approx(np.sqrt(sigmoid(0.3)))


def test_ends_are_offered_only_where_overlap_is_free_and_its_excess_uniform():
    assert ends(bound("flat")) is None
    assert ends(bound({"logit_t": object()})) is None
    assert ends(bound({"log_h2": object()})) is not None
    held = ends(bound(univariate={"pi": [0.001, 0.004]}))
    assert held.natural({"atanh_u": 0.0, "logit_t": 0.0}) == pytest.approx(np.sqrt(0.5))
    one = bound()
    one.free = tuple(name for name in one.free if name != "logit_t")
    assert ends(one) is None


def fit(log10_beyond=2.5, log10_less=-0.7):
    group = xr.Dataset(
        {
            "p_beyond_rg": 1 / (1 + 10**-log10_beyond),
            "log10_bf_beyond_rg": log10_beyond,
            "p_less_than_complete": 1 / (1 + 10**-log10_less),
            "log10_bf_less_than_complete": log10_less,
            "p_model": ("model", [0.001, 0.2, 0.799]),
            "scaling": 0.8,
        },
        coords={"model": ["least", "between", "complete"]},
        attrs={
            "prior": 0.5,
            "prior_of_three": 1 / 3,
            "prior_above": 0.9,
            "method": "Laplace",
            "claims": json.dumps({one.statement: one.claim for one in (LEAST, COMPLETE)}),
        },
    )
    return xr.DataTree.from_dict({"/overlap": group})


def test_no_probability_is_said_without_its_bayes_factor():
    said = statements.sentences(fit())
    assert len(said) == 2
    for sentence in said:
        assert sentence.count("probability") == sentence.count("Bayes factor") == 1
        assert "prior 1/2" in sentence
    assert ": yes (probability 1, Bayes factor 316" in said[0]
    assert "the data do not decide" in said[1]
    found = statements.record(fit())["overlap"]
    for name in ("beyond_rg", "less_than_complete"):
        assert {f"p_{name}", f"log10_bf_{name}"} <= found.keys()
    assert found["p_model"]["complete"] == 0.799
    json.dumps(found)


def test_the_three_models_stand_in_a_table_with_their_prior_and_factors():
    table = statements.table(fit())
    assert table["probability"].sum() == pytest.approx(1) and (table["prior"] == 1 / 3).all()
    assert table.loc["least", "log10_bf"] == -2.5 and table.loc["complete", "log10_bf"] == 0.7


def test_a_fit_without_statements_says_nothing_of_overlap():
    empty = xr.DataTree()
    assert statements.sentences(empty) == [] and statements.record(empty) == {"overlap": None}
    assert statements.table(empty).empty
