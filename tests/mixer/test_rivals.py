"""The one-component model beside other fits: the maximum that a fit of it finds, for the same
data.
"""

import pytest

import bayesmixer as bm
from bayesmixer.reporting.trust import trust
from tests.models.small_gwas import simulate_gwas


@pytest.fixture(scope="module")
def one(small):
    return bm.fit(
        bm.models.univariate_mixer(small, prior="flat"), "map", calibrate=False, progress=False
    )["estimate"].attrs


def test_an_infinitesimal_fit_holds_the_bic_of_a_mixture_and_says_when_it_is_better(small, one):
    fit = bm.fit(bm.models.infinitesimal(small), "map", calibrate=False, progress=False)
    attrs = fit["estimate"].attrs
    assert attrs["log_likelihood_univariate_mixer"] == pytest.approx(
        one["log_likelihood"], abs=0.05
    )
    assert attrs["log_likelihood_univariate_mixer"] <= one["log_likelihood"] + 1e-6
    assert attrs["bic_univariate_mixer"] == pytest.approx(one["bic"], abs=0.1)
    assert attrs["n_parameters_univariate_mixer"] == 3
    assert [
        f.severity
        for f in trust(fit)
        if "BIC prefers a mixture to the infinitesimal model" in f.sentence
    ] == ["caution"]


def test_an_infinitesimal_trait_is_left_to_the_infinitesimal_model():
    data = simulate_gwas(h2=0.3, pi=1.0, n=20_000, seed=1)
    fit = bm.fit(bm.models.infinitesimal(data), "map", calibrate=False, progress=False)
    assert fit["estimate"].attrs["bic_univariate_mixer"] > fit["estimate"].attrs["bic"]
    assert not [f for f in trust(fit) if "BIC" in f.sentence]


def test_a_second_component_that_one_serves_is_stopped(small, one):
    fit = bm.fit(bm.models.two_component_mixer(small), "map", calibrate=False, progress=False)
    attrs = fit["estimate"].attrs
    assert attrs["bic_univariate_mixer"] == pytest.approx(one["bic"], abs=0.1)
    assert attrs["bic"] > attrs["bic_univariate_mixer"]
    assert [f.severity for f in trust(fit) if "BIC prefers one component" in f.sentence] == ["stop"]


def test_a_univariate_fit_has_no_rival_but_the_infinitesimal_model(one):
    assert "bic_univariate_mixer" not in one
