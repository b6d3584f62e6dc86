"""The registry of variables: what a kind of data must hold, what a model needs of it, and which of
its rows count.
"""

import numpy as np
import pytest

from bayesmixer.errors import InputError
from bayesmixer.mixer.cards import INFINITESIMAL, UNIVARIATE
from bayesmixer.variables import GWAS_DATA, OBSERVATIONS, evaluated, require, validate
from tests.models.small_gwas import simulate_gwas

SMALL = simulate_gwas(blocks=5)


def test_variants_of_positive_weight_are_evaluated():
    weight = SMALL["weight"].copy()
    weight[[1, 4, 6]] = [0.0, np.nan, -1.0]
    found = evaluated(SMALL.assign(weight=weight))
    assert set(range(SMALL.sizes["variant"])) - set(found.tolist()) == {1, 4, 6}
    assert (np.diff(found) > 0).all()


def test_a_kind_must_hold_all_and_a_model_what_it_needs():
    for name in (name for name, spec in GWAS_DATA.items() if spec.required):
        with pytest.raises(InputError, match=rf"^dataset: no variable '{name}'.* a gwas_data"):
            validate(SMALL.drop_vars(name), "gwas_data")
    rows = OBSERVATIONS["gwas_data"].variables
    needed = {*INFINITESIMAL.needs, *rows, "ld_block"}
    bare = SMALL.drop_attrs(deep=False)  # of an earlier version's h_total, an attribute
    INFINITESIMAL.require(bare[sorted(needed)])
    for name in needed:
        with pytest.raises(InputError, match=rf"^data: no variable '{name}'.* infinitesimal needs"):
            INFINITESIMAL.require(bare.drop_vars(name))
    with pytest.raises(InputError, match=r"^x: no variable 'spectrum' .*univariate_mixer needs"):
        UNIVARIATE.require(SMALL.drop_vars("spectrum"), "x")


def test_a_dimension_that_was_taken_away_is_told_with_how_to_keep_it():
    with pytest.raises(
        InputError,
        match=r"'z' has dims .*Keep the dimension: data.isel\(trait=\[0\]\)",
    ):
        INFINITESIMAL.require(SMALL.isel(trait=0))


def test_what_is_there_is_well_formed_whether_it_is_needed_or_not():
    wrong = SMALL.assign(freq=SMALL["freq"].astype(str))
    with pytest.raises(InputError, match="'freq' has type"):
        require(wrong, ["z"], "somebody needs")
    with pytest.raises(InputError, match="'z' has dims"):
        require(SMALL.isel(trait=0), ["z"], "somebody needs")


def test_every_need_is_a_variable_of_the_kind():
    assert {*UNIVARIATE.needs, *INFINITESIMAL.needs} <= GWAS_DATA.keys()
