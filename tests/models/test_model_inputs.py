"""What a model refuses, each with one line that says why."""

import numpy as np
import pymc as pm
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.ld.gwas_data import gwas_data_from_arrays
from bayesmixer.ld.spectrum import nodes
from bayesmixer.mixer.cards import INFINITESIMAL
from bayesmixer.mixer.prediction import variants
from bayesmixer.models import infinitesimal, two_component_mixer, univariate_mixer
from bayesmixer.models.common import bound_of
from bayesmixer.variables import OBSERVATIONS
from tests.models.small_gwas import K, panel, simulate_gwas

MODELS = [infinitesimal, univariate_mixer, two_component_mixer]


def two_traits():
    h, *_, spectrum, _ = panel(5)
    return gwas_data_from_arrays(np.ones((h.size, 2)), 1e4, spectrum, nodes(K), h)


def two_exponents():
    h, *_, spectrum, _ = panel(5)
    return gwas_data_from_arrays(
        np.ones(h.size), 1e4, np.stack([spectrum, spectrum]), nodes(K), h, maf_s=[0.0, -0.25]
    )


def altered(**changes):
    data = simulate_gwas(blocks=5)
    for name, value in changes.items():
        data[name][...] = value
    return data


BAD = {
    "an array": (lambda: np.ones(5), "ndarray, expected the Dataset"),
    "a path": (lambda: "sumstats.txt", "str, expected the Dataset"),
    "an empty dataset": (xr.Dataset, "no variable"),
    "no LD scores": (lambda: simulate_gwas(blocks=5).drop_vars("ld_score_h"), "'ld_score_h'"),
    "two traits": (two_traits, "2 traits"),
    "no weights": (lambda: altered(weight=0.0), "no variant has a positive weight"),
    "missing z": (lambda: altered(z=np.nan), "z: not finite"),
    "sample size 0": (lambda: altered(n=0.0), "sample sizes must be positive"),
}


@pytest.mark.parametrize("build", MODELS)
@pytest.mark.parametrize("case", BAD)
def test_unusable_data_is_refused_in_one_line(build, case):
    make, words = BAD[case]
    with pytest.raises(InputError) as caught:
        build(make())
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("data: ")


def test_data_lack_what_the_model_does_not_need():
    whole = simulate_gwas(blocks=20)
    kept = [*INFINITESIMAL.needs, *OBSERVATIONS["gwas_data"].variables]
    part = whole[kept].drop_vars("node_x", errors="ignore")
    assert "spectrum" not in part
    a, b = (bm.fit(infinitesimal(data), "map") for data in (whole, part))
    for name in ("mode", "covariance_calibrated"):
        np.testing.assert_array_equal(a["estimate"][name], b["estimate"][name])
    assert bound_of(bm.rebuild(b, part)).name == "infinitesimal"
    assert "ld_hash" not in b["constant_data"]
    for build in (univariate_mixer, two_component_mixer):
        with pytest.raises(InputError, match=f"^data: no variable 'spectrum'.* {build.__name__}"):
            build(part)
    needed = r"^data: no variable '\w+' .* predictions need"
    with pytest.raises(InputError, match=needed):
        variants(part)
    with pytest.raises(InputError, match=needed):
        bm.check(b, part)
    assert "was not compared with its data" in str(bm.verdict(b, part))


def test_data_of_several_exponents_are_those_of_s_zero_or_refused():
    data = two_exponents()
    for build in (infinitesimal, univariate_mixer):
        assert bound_of(build(data)).data["maf_s"].values.tolist() == [0.0]
    with pytest.raises(
        InputError, match=r"^data: spectra for 2 values of S, but two_component_mixer takes one"
    ):
        two_component_mixer(data)


@pytest.mark.parametrize("build", MODELS)
@pytest.mark.parametrize("prior", ["strong", "", None, 1])
def test_unknown_prior_is_refused_with_the_known_ones(build, prior):
    with pytest.raises(InputError, match=r"prior: .*expected one of weak, flat"):
        build(simulate_gwas(blocks=5), prior=prior)


@pytest.mark.parametrize("build", MODELS)
@pytest.mark.parametrize("censor", [0.0, -1.0, np.nan, np.inf, True, "80", [5.0]])
def test_censoring_point_that_is_not_a_positive_number_is_refused(build, censor):
    with pytest.raises(InputError, match=r"^censor: .*expected a positive \|z\|"):
        build(simulate_gwas(blocks=5), censor=censor)


@pytest.mark.parametrize(
    ("build", "options", "words"),
    [
        (
            two_component_mixer,
            {"maf_s": "free"},
            "maf_s: not an option of two_component_mixer, which takes data, prior, censor",
        ),
        (
            two_component_mixer,
            {"likelihood": "fast"},
            "likelihood: not an option of two_component_mixer",
        ),
        (
            infinitesimal,
            {"likelihood": "fast"},
            "likelihood: not an option of infinitesimal, which takes data, prior, maf_s, censor",
        ),
        (univariate_mixer, {"components": 2}, "components: not an option of univariate_mixer"),
    ],
)
def test_option_of_another_model_is_refused_with_those_it_takes(build, options, words):
    with pytest.raises(InputError) as caught:
        build(simulate_gwas(blocks=5), **options)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("build", MODELS)
def test_too_many_arguments_or_none_are_refused(build):
    with pytest.raises(InputError, match=f"^{build.__name__}: missing a required argument"):
        build()
    with pytest.raises(InputError, match=f"^{build.__name__}: too many positional arguments"):
        build(simulate_gwas(blocks=5), *"abcdef")


@pytest.mark.parametrize("name", ["infinitesimal", "univariate_mixer", "two_component_mixer"])
def test_model_inside_the_context_of_another_is_refused_and_leaves_it_alone(name):
    data = simulate_gwas(blocks=3)
    with pm.Model() as outer:
        pm.Normal("x")
        with pytest.raises(InputError, match=rf"{name}: called inside the context of another"):
            getattr(bm.models, name)(data)
    assert list(outer.named_vars) == ["x"]


def test_model_made_while_one_of_ours_is_at_work_is_a_model_of_its_own():
    """As a fit within `with model:` does, which makes models beside it."""
    data = simulate_gwas(blocks=3)
    with bm.models.univariate_mixer(data) as outer:
        inner = bm.models.infinitesimal(data)
    assert "z" in inner.named_vars and inner.parent is None
    assert len(outer.potentials) == 1
