"""Whether something is a fit, and data are its own: one answer in every function that takes a
fit.
"""

import re
import warnings

import numpy as np
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.checks.prior_sensitivity import log_prior
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.fingerprint import differences, fingerprint
from bayesmixer.identity import check_fit, data_of_fit
from bayesmixer.mixer.power import power_draws
from bayesmixer.mixer.qq import plot_qq, plot_qq_strata
from bayesmixer.reporting.trust import trust


@pytest.fixture(scope="module")
def two(small):
    """GwasData of two traits of the same variants, of which the second was fitted."""
    z = np.concatenate([np.roll(small["z"].values, 7, axis=0), small["z"].values], axis=1)
    both = small.isel(trait=[0, 0]).assign_coords(trait=["height", "iq"])
    return both.assign(z=(("variant", "trait"), z))


@pytest.fixture(scope="module")
def fit(two):
    return bm.fit(
        bm.models.univariate_mixer(two.isel(trait=[1])), "map", calibrate=False, progress=False
    )


def test_the_fitted_trait_is_recorded_and_found_among_several(two, fit):
    assert fit.attrs["trait"] == "iq"
    for data in (
        two,
        two.isel(trait=[1]),
        two.assign_coords(trait=["iq", "height"]),
    ):  # names are a hint, data the proof
        np.testing.assert_array_equal(
            data_of_fit(fit, data)["z"].values[:, 0], two["z"].values[:, 1]
        )


def test_check_and_predictions_use_the_z_of_the_fitted_trait(two, fit):
    whole, one = (bm.check(fit, d, progress=False).table for d in (two, two.isel(trait=[1])))
    np.testing.assert_array_equal(whole["p"], one["p"])
    lines = [plot_qq(d, fit, clusters=20).lines[0].get_xydata() for d in (two, two.isel(trait=[1]))]
    np.testing.assert_array_equal(*lines)
    assert trust(fit, two) == trust(fit, two.isel(trait=[1]))


TAKERS = {
    "check": lambda f, d: bm.check(f, d, progress=False),
    "report": lambda f, d: bm.report(f, d, "never.html", progress=False),
    "trust": trust,
    "plot_qq": lambda f, d: plot_qq(d, f),
    "plot_qq_strata": lambda f, d: plot_qq_strata(d, f),
    "power_draws": lambda f, d: power_draws(d, f),
    "calibrate": lambda f, d: bm.calibrate(f, d),
    "log_prior": lambda f, d: log_prior(f, bm.models.univariate_mixer(d.isel(trait=[0]))),
}
OTHER = {
    "another trait": (lambda d: d.isel(trait=[0]), "z or N differ in 60 of 60 LD blocks"),
    "other weights": (
        lambda d: d.isel(trait=[1]).assign(weight=d["weight"] / 2),
        "weights differ in 60 of 60 LD blocks",
    ),
    "fewer variants": (
        lambda d: d.isel(trait=[1], variant=slice(1, None)),
        "variants differ in 1 of 60 LD blocks",
    ),
    "another reference": (
        lambda d: d.isel(trait=[1]).assign(ld_score=d["ld_score"] * 2),
        "LD scores (the reference) differ in 60",
    ),
}


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("other", OTHER)
def test_other_data_are_refused_in_one_line_by_everything_that_takes_a_fit(two, fit, taker, other):
    make, words = OTHER[other]
    whole = fit.copy()
    whole["unconstrained_posterior"] = xr.DataTree(
        xr.Dataset({"log_h2": (("chain", "draw"), np.zeros((1, 3)))})
    )
    with pytest.raises(InputError, match=re.escape(words)) as error:
        TAKERS[taker](whole, make(two))
    assert (
        "\n" not in str(error.value)
        and "of 60 LD blocks: chr" in str(error.value)
        and "iq" in str(error.value)
    )


def _of_old(fit):
    """The fit as a version without fingerprints and names of traits left it."""
    old = fit.copy()
    del old["constant_data"], old.attrs["trait"]
    return old


def test_a_fit_without_a_fingerprint_opens_with_a_word_and_is_not_guessed_among_traits(two, fit):
    old = _of_old(fit)
    with pytest.warns(DataWarning, match="no fingerprint of its data"):
        once = data_of_fit(old, two.isel(trait=[1]))
    assert once.sizes["trait"] == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data_of_fit(old, once)  # what takes it further does not say it again
    with pytest.raises(InputError, match="2 traits, and the fit does not record which"):
        data_of_fit(old, two)
    with pytest.raises(InputError, match="weights that sum to"):
        data_of_fit(old, two.isel(trait=[1], variant=slice(0, 900)))


@pytest.mark.parametrize("trait", ["weight", 2, -1])
def test_an_unknown_trait_is_said_with_those_there_are(two, fit, trait):
    with pytest.raises(
        InputError, match=f"^trait: {trait!r}, expected one of height, iq or 0 to 1"
    ):
        bm.check(fit, two, trait=trait)


NO_FITS = {
    "a dict": ({}, "a dict, expected the DataTree"),
    "another tree": (xr.DataTree(), "there is no attribute 'kind'"),
    "a saved reference": (
        xr.DataTree(xr.Dataset(attrs={"kind": "reference"})),
        "the attribute kind is 'reference'",
    ),
}


@pytest.mark.parametrize("no_fit", NO_FITS)
def test_what_is_no_fit_is_refused_alike_everywhere(two, no_fit):
    thing, words = NO_FITS[no_fit]
    data = two.isel(trait=[1])
    for taker in (*TAKERS, "summary", "compare"):
        call = (
            TAKERS.get(taker)
            or {
                "summary": lambda f, d: bm.summary(f),
                "compare": lambda f, d: bm.compare({"a": f}),
            }[taker]
        )
        if taker == "log_prior":  # of whatever draws it is given
            continue
        with pytest.raises(InputError, match=re.escape(words)) as error:
            call(thing, data)
        assert "not a fit" in str(error.value)


def test_a_group_that_is_needed_is_named(fit):
    with pytest.raises(InputError, match="no log_likelihood group in this fit by method 'map'"):
        check_fit(fit, needs=("log_likelihood",))


def test_fits_of_one_gwas_may_differ_in_weights_and_reference_where_models_are_compared(small):
    a = fingerprint(small)
    b = fingerprint(small.assign(weight=small["weight"] / 2, ld_score=small["ld_score"] * 2))
    assert differences(a, b, model=False) == ""
    assert differences(a, b).startswith("weights differ in 60 of 60 LD blocks: chr")
    assert (
        differences(a.drop_vars("ld_hash"), b.assign(weight_hash=a["weight_hash"])) == ""
    )  # fits before LD scores were hashed
