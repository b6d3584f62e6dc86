"""What a model knows of itself lives in its copies, and no longer in what was made of it by
changing it.
"""

import copy
import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pymc as pm
import pytest

import bayesmixer as bm
from bayesmixer.models.common import bound_of, origin_of
from tests.models.small_gwas import simulate_gwas

MODELS = ["infinitesimal", "univariate_mixer", "two_component_mixer"]
WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "Model.copy": lambda model: model.copy(),
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "worker process": lambda model: pickle.loads(ForkingPickler.dumps(model)),
    "do nothing": lambda model: pm.do(model, {}),
}


@pytest.fixture(scope="module")
def data():
    return simulate_gwas(blocks=12)


def with_more(model, add):
    with model:
        add(model)
    return model


CHANGES = {
    "a parameter held": lambda model: pm.do(model, {"log_sigma2_0": 0.0}),
    "a parameter observed": lambda model: pm.observe(model, {"log_sigma2_0": 0.0}),
    "h2 held": lambda model: pm.do(model, {"h2": 0.2}),
    "sigma2_0 made of h2, every name as before": lambda model: pm.do(
        model, {"sigma2_0": model["h2"]}
    ),
    "another value of the same": lambda model: pm.do(pm.do(model, {"h2": 0.2}), {"h2": 0.3}),
    "a variable more": lambda model: with_more(model.copy(), lambda _: pm.Normal("more")),
    "a potential more": lambda model: with_more(
        model.copy(), lambda m: pm.Potential("more", -m["h2"])
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("prior", ["weak", "flat"])
@pytest.mark.parametrize("name", MODELS)
def test_copy_of_a_model_has_its_record(data, name, prior, way):
    model = getattr(bm.models, name)(data, prior=prior)
    record = bound_of(WAYS[way](model))
    assert (record.name, record.prior, record.free) == (name, prior, bound_of(model).free)
    assert record.build(data.isel(variant=slice(0, 60))).potentials


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", MODELS)
def test_changed_model_has_an_origin_and_no_record(data, name, change):
    changed = CHANGES[change](getattr(bm.models, name)(data))
    assert bound_of(changed) is None
    assert origin_of(changed).name == name


def test_a_deterministic_more_changes_nothing(data):
    model = with_more(
        bm.models.infinitesimal(data), lambda m: pm.Deterministic("twice", 2 * m["h2"])
    )
    assert bound_of(model).name == "infinitesimal"


def test_own_model_has_neither():
    with pm.Model() as model:
        pm.Normal("x")
    assert bound_of(model) is None
    assert origin_of(model) is None


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
@pytest.mark.parametrize("way", ["deepcopy", "pickle"])
def test_fit_of_a_copy_is_the_fit_of_the_model(data, way):
    model = bm.models.infinitesimal(data)
    one, other = (bm.fit(m, draws=100, seed=1, progress=False) for m in (model, WAYS[way](model)))
    assert other.attrs["calibrated"] == "affine"
    for group in ("posterior", "unconstrained_posterior", "uncalibrated_posterior", "calibration"):
        for variable, values in one[group].data_vars.items():
            np.testing.assert_array_equal(
                other[group][variable].values, values.values, err_msg=variable
            )
    skipped = {"gradient_evaluations"}
    assert {k: v for k, v in one["estimate"].attrs.items() if k not in skipped} == {
        k: v for k, v in other["estimate"].attrs.items() if k not in skipped
    }
    for name in ("model", "prior", "options", "data", "calibrated", "warnings"):
        assert one.attrs[name] == other.attrs[name]
