"""Arguments that fit refuses, each in one line that names the argument."""

import numpy as np
import pytest

import bayesmixer as bm
from bayesmixer.errors import InputError
from tests.inference import toys

BAD = {
    "method unknown": (
        {"method": "mcmc"},
        "method: 'mcmc', expected one of map, laplace, nuts, binned, smc",
    ),
    "method None": ({"method": None}, "method: None"),
    "too few draws": ({"draws": 10}, "draws: 10, expected a whole number of at least 50"),
    "draws not whole": ({"draws": 1000.5}, "draws: 1000.5"),
    "draws True": ({"draws": True}, "draws: True"),
    "negative tune": ({"tune": -1}, "tune: -1"),
    "no chains": ({"chains": 0}, "chains: 0"),
    "chains as text": ({"chains": "4"}, "chains: '4'"),
    "no cores": ({"cores": 0}, "cores: 0"),
    "negative seed": ({"seed": -1}, "seed: -1"),
    "seed as text": ({"seed": "today"}, "seed: 'today'"),
    "negative starts": ({"starts": -2}, "starts: -2"),
    "starts as text": ({"starts": "many"}, "starts: 'many'"),
    "starts as a dict": ({"starts": {"x": [0.0, 0.0]}}, "starts: "),
    "no starting point": ({"starts": []}, "starts: an empty list"),
    "start of other parameters": (
        {"starts": [{"y": 0.0}]},
        "starts[0]: parameters ['y'], expected ['x']",
    ),
    "draws of a mode": ({"method": "map", "draws": 100}, "draws: 100, but method 'map' makes none"),
    "unknown sampler": (
        {"method": "nuts", "sampler": "gibbs"},
        "sampler: 'gibbs', expected one of nutpie",
    ),
    "sampler that is no step method": (
        {"method": "nuts", "sampler": "Normal"},
        "sampler: 'Normal'",
    ),
    "too few bins": ({"method": "binned", "bins": 9}, "bins: 9"),
    "acceptance of one": (
        {"method": "nuts", "target_accept": 1.0},
        "target_accept: 1.0, expected a number between 0 and 1",
    ),
    "acceptance as text": ({"method": "nuts", "target_accept": "high"}, "target_accept: 'high'"),
    "acceptance without NUTS": (
        {"method": "nuts", "sampler": "Slice", "target_accept": 0.9},
        "target_accept: given, but sampler 'Slice'",
    ),
    "init that PyMC does not know": (
        {"method": "nuts", "sampler": "pymc", "init": "foo"},
        "init: 'foo', expected one of auto, adapt_diag",
    ),
    "init of a sampler without": (
        {"method": "nuts", "init": "adapt_diag"},
        "init: 'adapt_diag', but sampler 'nutpie' has none",
    ),
    "two seeds": ({"seed": 3, "random_seed": 4}, "random_seed: 4, but seed is 3"),
    "two samplers": (
        {"sampler": "pymc", "nuts_sampler": "blackjax"},
        "nuts_sampler: 'blackjax', but sampler is 'pymc'",
    ),
    "bins of a model of other makers": ({"method": "binned"}, "model: not a model of bayesmixer"),
    "smc without a prior to start from": ({"method": "smc"}, "method: smc starts from the prior"),
}


@pytest.fixture(scope="module")
def gaussian():
    return toys.gaussian()


@pytest.mark.parametrize("case", BAD)
def test_unusable_argument_is_refused_in_one_line(gaussian, case):
    arguments, words = BAD[case]
    with pytest.raises(InputError) as caught:
        bm.fit(gaussian, progress=False, **arguments)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model", [None, "univariate", np.ones(3), bm.models.univariate_mixer])
def test_what_is_no_model_is_refused(model):
    with pytest.raises(InputError, match=r"model: .*expected a pymc.Model"):
        bm.fit(model)


def test_start_without_a_finite_density_is_refused(gaussian):
    with pytest.raises(InputError, match="no finite log density"):
        bm.fit(gaussian, "map", starts=[{"x": [np.nan, 0.0]}], progress=False)
