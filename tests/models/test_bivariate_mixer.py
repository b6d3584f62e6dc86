"""Bivariate MiXeR: what it reports, its symmetries, its limits, and a fit that recovers a
simulation.
"""

import numpy as np
import pymc as pm
import pytest
from scipy.special import expit
from scipy.stats import multivariate_normal, norm

from bayesmixer.errors import InputError
from bayesmixer.inference.density import LogDensity
from bayesmixer.inference.information import information
from bayesmixer.models import bivariate_mixer, infinitesimal_pair, univariate_mixer
from bayesmixer.models.common import bound_of
from tests.models.small_pair import simulate_pair

NAMES = [
    "log_h2[0]",
    "log_h2[1]",
    "logit_pi_mean",
    "logit_pi_difference",
    "log_sigma2_0[0]",
    "log_sigma2_0[1]",
    "atanh_u",
    "logit_t",
    "atanh_rho_0",
]
POINT = np.array([-0.9, -1.2, -3.6, 0.4, 0.05, 0.02, 0.3, -0.4, 0.2])


@pytest.fixture(scope="module")
def data():
    return simulate_pair()


@pytest.fixture(scope="module")
def density(data):
    return LogDensity(bivariate_mixer(data, prior="flat"))


def reported(density, x):
    return density.posterior(np.asarray(x)[None, None]).isel(chain=0, draw=0)


def flipped(data):
    return data.assign(z=data["z"] * [1, -1])


def swapped(data):
    return data.isel(trait=[1, 0])


def test_names_dims_and_units(density, data):
    assert density.names == NAMES
    draw = reported(density, POINT)
    by_trait = {name for name, v in draw.data_vars.items() if v.dims == ("trait",)}
    assert by_trait == {
        "h2", "pi", "sigma2_0", "sigma2_beta", "n_causal", "n90", "n50", "n_unique", "n90_unique",
        "n90_shared", "pi_unique",
    }  # fmt: skip
    assert {name for name, v in draw.data_vars.items() if v.dims == ()} == {
        "pi_shared", "n_shared", "rho_beta", "rg", "rg_max", "rho_0", "dice", "jaccard",
        "fraction_concordant", "n_concordant", "n_discordant", "pi_shared_min",
        "n_expected_overlap",
    }  # fmt: skip
    assert list(draw["trait"].values) == ["first", "second"]
    card = bound_of(density.model).card
    assert {one.name for one in card.reported} == set(draw.data_vars)
    np.testing.assert_allclose(draw["pi"], expit(POINT[2] + np.array([0.5, -0.5]) * POINT[3]))
    np.testing.assert_allclose(draw["h2"], np.exp(POINT[:2]))
    np.testing.assert_allclose(
        draw["h2"], draw["pi"] * draw["sigma2_beta"] * data.attrs["h_total"][0]
    )


def test_gradient_and_scores_are_the_slopes_of_the_values(density):
    gradient = density.value_and_gradient(POINT)[1]
    scores, _ = density.scores(POINT)
    # the gradient sums larger units: other lattices, each within 2e-6, single precision in another
    # order
    assert (np.abs(scores.sum(0) - gradient) < 2e-6 * np.abs(scores).sum(0)).all()
    h = 1e-2  # five points that far apart: tables of single precision carry 1e-6 a block
    for i in range(POINT.size):
        e = np.zeros(POINT.size)
        e[i] = h
        at = {s: density.value_and_blocks(POINT + s * e)[1]["z"] for s in (-2, -1, 1, 2)}
        slope = (8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * h)
        np.testing.assert_allclose(scores[:, i], slope, rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("difference", [-2e-3, 0.0, 2e-3])
def test_curvature_by_block_is_that_of_its_own_side_where_polygenicities_are_equal(
    density, difference
):
    """The chart folds there: scores of a block jump, which is no curvature."""
    at = NAMES.index("logit_pi_difference")
    x, e = POINT.copy(), np.eye(POINT.size)[at]
    x[at] = difference
    info = information(density, x, np.full(x.size, 0.3))
    side = 1.0 if difference >= 0 else -1.0
    # on the same side, away from the fold
    away = x + side * 0.03 * e
    near, far = (density.scores(away + side * s * 0.02 * e)[0] for s in (-1, 1))
    slope = -side * (far - near) / 0.04
    curvature = info.curvature[:, at, at]
    jump = np.abs(density.scores(x + 0.03 * e)[0] - density.scores(x - 0.03 * e)[0])[:, at]
    assert np.abs(curvature - slope[:, at]).max() < 0.2 * np.abs(slope[:, at]).max()
    assert jump.max() / 0.06 > 2 * np.abs(slope[:, at]).max()  # what two sides would have said


def test_flipping_the_second_trait_flips_the_correlations_and_nothing_else(data, density):
    other = LogDensity(bivariate_mixer(flipped(data), prior="flat"))
    signs = np.where(np.isin(NAMES, ["atanh_u", "atanh_rho_0"]), -1.0, 1.0)
    mine, theirs = density.value_and_gradient(POINT), other.value_and_gradient(POINT * signs)
    assert theirs[0] == pytest.approx(mine[0], abs=1e-9 * abs(mine[0]))
    np.testing.assert_allclose(theirs[1] * signs, mine[1], rtol=1e-8, atol=1e-8)
    one, two = reported(density, POINT), reported(other, POINT * signs)
    for name in one.data_vars:
        if name in ("rho_beta", "rho_0", "rg"):
            np.testing.assert_allclose(two[name], -one[name])
        elif name not in ("fraction_concordant", "n_concordant", "n_discordant"):
            np.testing.assert_allclose(two[name], one[name])
    np.testing.assert_allclose(two["n_discordant"], one["n_concordant"])


def test_swapping_the_traits_swaps_everything(data, density):
    other = LogDensity(bivariate_mixer(swapped(data), prior="weak"))
    same = LogDensity(bivariate_mixer(data, prior="weak"))
    x = POINT[[1, 0, 2, 3, 5, 4, 6, 7, 8]] * np.where(np.array(NAMES) == NAMES[3], -1.0, 1.0)
    assert other.value_and_gradient(x)[0] == pytest.approx(same.value_and_gradient(POINT)[0])
    one, two = reported(density, POINT), reported(other, x)
    for name, v in one.data_vars.items():
        np.testing.assert_allclose(
            two[name].values[::-1] if v.dims else two[name], v.values, err_msg=name
        )


def test_of_independent_traits_it_is_the_sum_of_two_univariate_models(data):
    """pi_shared = pi1 pi2 and no correlations: the density factorises."""
    pi1, pi2 = expit(POINT[2] + 0.5 * POINT[3]), expit(POINT[2] - 0.5 * POINT[3])
    f = max(pi1, pi2)
    x = POINT.copy()
    x[6], x[7], x[8] = 0.0, np.log(f**2 / (1 - f**2)), 0.0
    both = LogDensity(bivariate_mixer(data, prior="flat")).value_and_blocks(x)[1]["z"]
    apart = 0.0
    for k, logit in ((0, np.log(pi1 / (1 - pi1))), (1, np.log(pi2 / (1 - pi2)))):
        one = LogDensity(univariate_mixer(data.isel(trait=[k]), prior="flat"))
        apart = apart + one.value_and_blocks(np.array([x[k], logit, x[4 + k]]))[1]["z"]
    np.testing.assert_allclose(both, apart, atol=2e-4)


def test_a_variant_seen_in_one_trait_tells_of_that_one(data, density):
    gone = np.zeros((data.sizes["variant"], 2), bool)
    gone[::3, 1], gone[1::3, 0] = True, True
    gone[0] = True
    outer = data.assign(
        z=data["z"].where(~gone), n=data["n"].where(~gone)
    ).assign_attrs(join="outer")  # fmt: skip
    model = bivariate_mixer(outer, prior="flat")
    found = LogDensity(model).value_and_blocks(POINT)[1]["z"].sum()
    part = 0.0
    seen = ~gone
    for rows, traits in (
        (seen.all(1), [0, 1]), (seen[:, 0] & ~seen[:, 1], [0]), (seen[:, 1] & ~seen[:, 0], [1])
    ):  # fmt: skip
        sub = data.isel(variant=np.flatnonzero(rows), trait=traits)
        if len(traits) == 2:
            part += (
                LogDensity(bivariate_mixer(sub, prior="flat")).value_and_blocks(POINT)[1]["z"].sum()
            )
        else:
            k = traits[0]
            logit = POINT[2] + (0.5, -0.5)[k] * POINT[3]
            one = LogDensity(univariate_mixer(sub, prior="flat"))
            part += one.value_and_blocks(np.array([POINT[k], logit, POINT[4 + k]]))[1]["z"].sum()
    assert found == pytest.approx(part, abs=1e-6 * abs(part))
    assert bound_of(model).data["weight"].values[0] == 0  # seen in neither


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_overlap_held_at_a_place_is_the_model_there(data, density, t):
    held = LogDensity(bivariate_mixer(data, prior="flat", t=t))
    assert held.names == [name for name in NAMES if name != "logit_t"]
    x = np.delete(POINT, 7)
    at = POINT.copy()
    at[7] = np.clip(np.log(t) - np.log1p(-t), -45, 45) if 0 < t < 1 else (t - 0.5) * 90
    np.testing.assert_allclose(
        held.value_and_blocks(x)[1]["z"], density.value_and_blocks(at)[1]["z"], atol=1e-6
    )
    draw = reported(held, x)
    if t == 0:
        assert float(draw["rho_beta"]) == 1
        assert float(draw["pi_shared"]) == pytest.approx(float(draw["pi_shared_min"]))
    if t == 1:
        assert float(draw["pi_shared"]) == float(draw["pi"].min())
    value, gradient = held.value_and_gradient(x)
    assert np.isfinite([value, *gradient]).all()


def test_univariate_parameters_can_be_held(data, density):
    draw = reported(density, POINT)
    held = {name: draw[name].values.tolist() for name in ("h2", "pi", "sigma2_0")}
    fixed = LogDensity(bivariate_mixer(data, prior="flat", univariate=held))
    assert fixed.names == ["atanh_u", "logit_t", "atanh_rho_0"]
    np.testing.assert_allclose(
        fixed.value_and_blocks(POINT[6:])[1]["z"], density.value_and_blocks(POINT)[1]["z"]
    )


def test_the_infinitesimal_pair_is_a_bivariate_normal_density(data):
    gone = np.zeros((data.sizes["variant"], 2), bool)
    gone[::5, 1], gone[1::5, 0] = True, True
    outer = data.assign(z=data["z"].where(~gone), n=data["n"].where(~gone)).assign_attrs(
        join="outer"
    )
    model = infinitesimal_pair(outer, prior="flat")
    density = LogDensity(model)
    x = np.array([-1.0, -1.3, 0.1, 0.05, 0.5, 0.2])
    draw = density.posterior(x[None, None]).isel(chain=0, draw=0)
    score = data["ld_score_h"].values[0] / data.attrs["h_total"][0]
    h2, zero = draw["h2"].values, draw["sigma2_0"].values
    rg, rho_0 = float(draw["rg"]), float(draw["rho_0"])
    total = 0.0
    for j in range(data.sizes["variant"]):
        n, z = data["n"].values[j], data["z"].values[j]
        v = zero + n * score[j] * h2
        c = rho_0 * np.sqrt(zero.prod()) + rg * np.sqrt(n.prod() * h2.prod()) * score[j]
        k = np.flatnonzero(~gone[j])
        w = float(data["weight"][j])
        total += w * (
            multivariate_normal([0, 0], [[v[0], c], [c, v[1]]]).logpdf(z)
            if k.size == 2
            else norm(0, np.sqrt(v[k[0]])).logpdf(z[k[0]])
        )
    assert density.value_and_blocks(x)[1]["z"].sum() == pytest.approx(total, rel=1e-10)


def test_with_every_variant_causal_for_both_it_is_the_infinitesimal_pair(data):
    # rg = u where both pi are 1
    joint = LogDensity(bivariate_mixer(data, prior="flat", t=1.0))
    whole = joint.value_and_blocks(np.array([-1.0, -1.3, 30.0, 0.0, 0.1, 0.05, 0.5, 0.2]))[1]["z"]
    null = LogDensity(infinitesimal_pair(data, prior="flat"))
    limit = null.value_and_blocks(np.array([-1.0, -1.3, 0.1, 0.05, 0.5, 0.2]))[1]["z"]
    # far in the tails the Gaussian is met by the saddle point's approximation
    size = data["weight"].groupby(data["ld_block"].rename("ld_block")).sum().values
    assert (np.abs(whole - limit) < 1e-3 * np.maximum(size, 1)).all()


def test_the_weak_prior_gives_the_excess_over_the_least_overlap_evenly(data):
    with bivariate_mixer(data, prior="weak"):
        drawn = pm.sample_prior_predictive(
            4000, random_seed=1, var_names=["rg", "rg_max", "pi_shared", "pi_shared_min", "pi"]
        )["prior"]
    m = drawn["pi"].min("trait")
    e = ((drawn["pi_shared"] - drawn["pi_shared_min"]) / (m - drawn["pi_shared_min"])).values
    u = (drawn["rg"] / drawn["rg_max"]).values
    for draws, low, high in ((e, 0, 1), (u, -1, 1)):
        edges = np.quantile(draws, [0.1, 0.5, 0.9])
        np.testing.assert_allclose(edges, np.array([0.1, 0.5, 0.9]) * (high - low) + low, atol=0.05)


REFUSED = {
    "one trait": (lambda d: bivariate_mixer(d.isel(trait=[0])), "1 traits, but bivariate_mixer"),
    "place beyond": (lambda d: bivariate_mixer(d, t=1.5), "expected a number from 0 to 1"),
    "unknown word": (lambda d: bivariate_mixer(d, univariate="both"), "'both', expected 'joint'"),
    "no such values": (lambda d: bivariate_mixer(d, univariate={"h2": [1, 1]}), "names ['h2']"),
    "out of range": (
        lambda d: bivariate_mixer(
            d, univariate={"h2": [0.1, 0.1], "pi": [0.1, 1.1], "sigma2_0": [1, 1]}
        ),
        "univariate['pi']",
    ),
    "one GWAS twice": (
        lambda d: bivariate_mixer(d.assign(z=d["z"] * [1, 0] + d["z"].values[:, :1] * [0, -1])),
        "z-scores correlate by -1.0000, expected 0.995 at most. The same GWAS twice?",
    ),
    "no common variant": (
        lambda d: bivariate_mixer(
            d.assign(z=d["z"].where(np.eye(2, dtype=bool)[np.arange(d.sizes["variant"]) % 2]),
                     n=d["n"].where(np.eye(2, dtype=bool)[np.arange(d.sizes["variant"]) % 2]))
        ),
        "no weighted variant is seen in both traits",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_it_cannot_use_is_refused_in_one_line(data, case):
    make, words = REFUSED[case]
    with pytest.raises(InputError) as caught:
        make(data)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
