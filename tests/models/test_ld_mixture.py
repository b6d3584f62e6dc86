"""`ld_mixture`: the likelihood in a model of anyone's is that of our own pages, for any number of
components, S and censoring; a model built on it is known, copied and made again of other data.
"""

import json

import numpy as np
import pymc as pm
import pytest
from pytensor.graph.traversal import toposort

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.inference.density import LogDensity
from bayesmixer.ld.exponents import h_total_at
from bayesmixer.models.common import bound_of, origin_of
from bayesmixer.models.half_normal import LogHalfNormal
from bayesmixer.models.own import mixtures_of
from bayesmixer.ops.likelihood import MixtureLogLik
from tests.models.maf_gwas import maf_gwas
from tests.models.small_gwas import simulate_gwas

POINT = np.array([-1.2, -4.0, 0.05])


@pytest.fixture(scope="module")
def data():
    return simulate_gwas(blocks=12)


def like_ours(data, pi_sd=2.5, **options):
    """The univariate model, written anew on `ld_mixture`."""
    with pm.Model() as model:
        h2 = pm.math.exp(LogHalfNormal("log_h2", 0.5))
        pi = pm.math.sigmoid(pm.Normal("logit_pi", -5.5, pi_sd))
        sigma2_0 = pm.math.exp(pm.Normal("log_sigma2_0", 0.0, 0.25))
        s = options.get("maf_s")
        total = data.attrs["h_total"][0] if s is None else h_total_at(data, s)
        bm.ld_mixture("z", data, pi=pi, sigma2_beta=h2 / (pi * total), sigma2_0=sigma2_0, **options)
    return model


def same(a, b, x=POINT):
    (one, slope), (two, other) = (LogDensity(m).value_and_gradient(x) for m in (a, b))
    assert np.isfinite(one)
    assert one == pytest.approx(two, rel=1e-12)
    np.testing.assert_allclose(slope, other, rtol=1e-9)


@pytest.mark.parametrize("censor", [None, 2.0])
def test_own_model_equal_to_ours_has_its_density_and_gradient(data, censor):
    same(like_ours(data, censor=censor), bm.models.univariate_mixer(data, censor=censor))


@pytest.mark.parametrize("s", [-0.5, -0.6])
def test_s_is_a_number_that_the_data_hold_or_one_between(s):
    several = maf_gwas()
    same(like_ours(several, maf_s=s), bm.models.univariate_mixer(several, maf_s=s))


def test_s_is_a_variable():
    several = maf_gwas()
    with pm.Model() as model:
        s = pm.Uniform("s", -1.0, 0.25)
        bm.ld_mixture("z", several, pi=0.05, sigma2_beta=0.01, sigma2_0=1.0, maf_s=s)
    density = LogDensity(model)
    value = {h: density.value_and_blocks(np.array([h]))[1]["z"] for h in (0.3, 0.8)}
    for x, blocks in value.items():
        fixed = -1.0 + 1.25 / (1 + np.exp(-x))
        with pm.Model() as at:
            pm.Normal("nothing")
            bm.ld_mixture("z", several, pi=0.05, sigma2_beta=0.01, sigma2_0=1.0, maf_s=fixed)
        expected = LogDensity(at).value_and_blocks(np.zeros(1))[1]["z"]
        np.testing.assert_allclose(blocks, expected, rtol=1e-9)


def test_components_are_as_many_as_entries_and_one_given_twice_counts_once(data):
    def blocks(**parameters):
        with pm.Model() as model:
            pm.Normal("nothing")
            bm.ld_mixture("z", data, sigma2_0=1.1, **parameters)
        return LogDensity(model).value_and_blocks(np.zeros(1))[1]["z"]

    whole = blocks(pi=0.02, sigma2_beta=0.01)
    np.testing.assert_allclose(blocks(pi=[0.01, 0.01], sigma2_beta=0.01), whole, rtol=1e-9)
    three = blocks(pi=[0.005, 0.01, 0.005], sigma2_beta=[0.01, 0.01, 0.01])
    np.testing.assert_allclose(three, whole, rtol=1e-9)
    assert np.abs(blocks(pi=[0.01, 0.01], sigma2_beta=[0.01, 0.03]) - whole).max() > 1e-3


def test_vector_whose_length_only_a_coordinate_tells_is_compiled_with_it(data):
    with pm.Model(coords={"component": ["small", "large"]}) as model:
        pi = pm.Dirichlet("pi", np.ones(3))[:2]
        variance = pm.HalfNormal("variance", 0.1, dims="component")
        bm.ld_mixture("z", data, pi=pi, sigma2_beta=variance, sigma2_0=1.0)
    density = LogDensity(model)
    x = np.array([-1.0, -1.0, -4.0, -3.5])
    value, slope = density.value_and_gradient(x)
    step = 1e-5 * np.eye(density.size)
    slopes = [
        (density.value_and_gradient(x + e)[0] - density.value_and_gradient(x - e)[0]) / 2e-5
        for e in step
    ]
    np.testing.assert_allclose(slope, slopes, rtol=1e-4, atol=1e-3)
    assert np.isfinite(value)
    node = next(n for n in toposort(model.potentials) if isinstance(n.op, MixtureLogLik))
    assert [v.type.shape for v in node.inputs] == [(2,), (2,), ()]


def test_shares_that_sum_to_more_than_one_are_impossible(data):
    with pm.Model() as model:
        pi = pm.Uniform("pi", 0, 1, shape=2)
        bm.ld_mixture("z", data, pi=pi, sigma2_beta=0.01, sigma2_0=1.0)
    density = LogDensity(model)
    assert np.isneginf(density.value_and_gradient(np.array([2.0, 2.0]))[0])
    assert np.isfinite(density.value_and_gradient(np.array([-4.0, -4.0]))[0])


def test_parameters_without_a_name_are_reported_under_the_potentials(data):
    model = like_ours(data)
    assert set(model.named_vars) >= {"z_pi", "z_sigma2_beta", "z_sigma2_0"}
    assert mixtures_of(model)["z"].parameters["pi"] == "z_pi"


def test_list_of_variables_and_numbers_is_a_vector(data):
    with pm.Model() as model:
        pi = pm.Beta("pi", 1, 99)
        bm.ld_mixture("z", data, pi=[pi, 0.01], sigma2_beta=[0.01, 0.03], sigma2_0=1.0)
    assert mixtures_of(model)["z"].parameters["pi"] == "z_pi"
    np.testing.assert_allclose(model["z_pi"].eval({pi: 0.02}), [0.02, 0.01])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pi": [[0.1]]}, "pi: 2 dimensions, expected a scalar or a vector"),
        ({"pi": 1.2}, r"pi: 1.2, expected values between 0 and 1, in sum"),
        ({"pi": "many"}, "pi: "),
        ({"sigma2_beta": [0.1, 0.1], "pi": [0.1] * 3}, "sigma2_beta: 2 components, but pi has 3"),
        ({"sigma2_0": -1.0}, "sigma2_0: -1.0, expected values of a variance"),
        ({"sigma2_0": [1.0, 1.0]}, "sigma2_0: 1 dimensions, expected a scalar"),
        ({"maf_s": "free"}, "maf_s: 'free', expected a number, a variable or None"),
        ({"maf_s": 3.0}, "maf_s"),
        ({"maf_s": [0, -0.5]}, r"maf_s: .0, -0.5., expected a number, a variable or None"),
        ({"sigma2_0": 1 + 2j}, "sigma2_0: complex numbers, expected real ones"),
        ({"pi": [0.1, 1j]}, "pi: complex numbers, expected real ones"),
        ({"censor": -1}, "censor: -1, expected a positive"),
        ({"name": "x"}, "name: 'x', expected a name that the model does not have yet"),
        ({"name": "ld_block"}, "name: 'ld_block', expected a name"),
        ({"pi": []}, "pi: no components, expected one or more"),
        ({"data": "z"}, "data: str, expected the Dataset that align returns"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(data, change, words):
    given = {"name": "z", "data": data, "pi": 0.1, "sigma2_beta": 0.01, "sigma2_0": 1.0}
    with pm.Model():
        pm.Normal("x")
        with pytest.raises(InputError, match=words) as error:
            bm.ld_mixture(**(given | change))
    assert "\n" not in str(error.value)


def test_random_variables_that_are_not_of_the_model_are_refused(data):
    with pm.Model():
        pi = pm.Beta("pi", 1, 99)
    with pm.Model():
        pm.Normal("z_pi")
        with pytest.raises(InputError, match=r"pi: depends on pi, no variable of this model"):
            bm.ld_mixture("z", data, pi=pi, sigma2_beta=0.01, sigma2_0=1.0)
        loose = 1 + pm.Beta.dist(1, 9)
        with pytest.raises(InputError, match=r"sigma2_0: depends on .*, no variable of this model"):
            bm.ld_mixture("z", data, pi=0.1, sigma2_beta=0.01, sigma2_0=loose)
        free = pm.math.sigmoid(pm.Normal("free"))
        with pytest.raises(InputError, match=r"name: the model already has a 'z_pi'"):
            bm.ld_mixture("z", data, pi=free, sigma2_beta=0.01, sigma2_0=1.0)


def test_random_variables_of_the_model_may_be_of_any_make(data):
    with pm.Model() as model:
        parts = [pm.LogNormal.dist(0, 0.1), pm.LogNormal.dist(0, 0.3)]
        sigma2_0 = pm.Mixture("sigma2_0", [0.5, 0.5], parts)
        pi = pm.Truncated("pi", pm.Beta.dist(1, 99), upper=0.5)
        bm.ld_mixture("z", data, pi=pi, sigma2_beta=0.01, sigma2_0=sigma2_0)
        with pm.Model(name="inner"):
            bm.ld_mixture("z", data, pi=pi, sigma2_beta=0.01, sigma2_0=sigma2_0)
    found = mixtures_of(model)
    assert list(found) == ["z", "inner::z"]
    assert found["z"].parameters["sigma2_0"] == "sigma2_0"


def test_variable_s_needs_data_of_several_exponents(data):
    with pm.Model():
        s = pm.Normal("s")
        with pytest.raises(InputError, match="maf_s: a variable, but the data hold S = 0 only"):
            bm.ld_mixture("z", data, pi=0.1, sigma2_beta=0.01, sigma2_0=1.0, maf_s=s)


def test_call_outside_a_model_is_refused(data):
    with pytest.raises(InputError, match="called outside a model"):
        bm.ld_mixture("z", data, pi=0.1, sigma2_beta=0.01, sigma2_0=1.0)


def test_own_model_is_known_with_its_data_also_once_changed(data):
    model = like_ours(data)
    held = pm.do(model, {"log_sigma2_0": 0.0})
    for one in (model, model.copy(), held, pm.observe(model, {"log_sigma2_0": 0.0})):
        bound = bound_of(one)
        assert (bound.name, bound.data.identical(data)) == ("ld_mixture", True)
    assert bound_of(held).signature != bound_of(model).signature
    assert origin_of(bm.models.univariate_mixer(data)).name == "univariate_mixer"


@pytest.mark.parametrize("change", [pm.do, pm.observe])
def test_parameter_that_was_given_a_value_is_recorded_by_it(data, change):
    with pm.Model() as model:
        sigma2_0 = pm.LogNormal("sigma2_0", 0, 0.25)
        bm.ld_mixture("z", data, pi=pm.Beta("pi", 1, 9), sigma2_beta=0.01, sigma2_0=sigma2_0)
    recorded = json.loads(bound_of(change(model, {"sigma2_0": 9.0})).record["mixtures"])
    assert recorded["z"]["sigma2_0"] == 9.0 and recorded["z"]["pi"] == "pi"


@pytest.mark.parametrize("start", [None, -3.0])
def test_own_model_is_made_again_of_other_data(data, start):
    model = like_ours(data)
    model.set_initval(model["logit_pi"], start)
    other = data.assign(weight=data["weight"].where(data["ld_block"] != 3, 0.0))
    same(bound_of(model).build(other), bm.models.univariate_mixer(other))
    assert LogDensity(model).point(POINT).keys() == LogDensity(like_ours(data)).point(POINT).keys()
    fewer = data.isel(variant=np.flatnonzero(data["ld_block"].values == 2))
    part = LogDensity(bound_of(model).build(fewer)).value_and_blocks(POINT)[1]["z"]
    whole = LogDensity(model).value_and_blocks(POINT)[1]["z"]
    np.testing.assert_allclose(part[2], whole[2], rtol=1e-6)
    assert part.size == 12 and not part[[0, 1, *range(3, 12)]].any()


def two_traits(one, two):
    with pm.Model() as model:
        pi = pm.Beta("pi", 1, 9, shape=2)
        for k, data in enumerate((one, two)):
            bm.ld_mixture(f"z{k}", data, pi=pi[k], sigma2_beta=0.01, sigma2_0=1.0)
    return model


def test_traits_of_the_same_variants_share_their_ld_blocks_and_are_one_data_set(data):
    other = simulate_gwas(blocks=12, seed=5, trait="other")
    model = two_traits(data, other)
    assert LogDensity(model).block_names == ["z0", "z1"]
    bound = bound_of(model)
    assert list(bound.data["trait"].values) == ["trait1", "other"]
    lighter = bound.data.assign(weight=bound.data["weight"] / 2)
    x = np.array([-2.0, -3.0])
    before, after = (LogDensity(m).value_and_blocks(x)[1] for m in (model, bound.build(lighter)))
    for name, blocks in before.items():
        np.testing.assert_allclose(after[name], blocks / 2, rtol=1e-9)


def test_traits_of_other_variants_have_ld_blocks_of_their_own_and_no_common_data(data):
    model = two_traits(data, simulate_gwas(blocks=10))
    assert model.named_vars_to_dims["z1"] == ("ld_block_z1",)
    assert len(model.coords["ld_block_z1"]) == 10
    assert bound_of(model) is None
    assert origin_of(model).data.identical(data)
