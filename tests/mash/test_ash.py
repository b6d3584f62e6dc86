"""Adaptive shrinkage: estimates without information, far tails, other spellings, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayesmixer as bm
from bayesmixer.mash.ash_components import SIDES

X = np.random.default_rng(3).normal(0, 1, 200) * np.r_[np.ones(100), 3 * np.ones(100)]


@pytest.mark.parametrize("family", SIDES)
@pytest.mark.parametrize("alpha", [0, 0.5])
def test_effects_without_information_get_the_prior(family: str, alpha: float) -> None:
    s = np.linspace(0.5, 1.5, 200)
    x, t = X.copy(), s.copy()
    x[3], t[4], t[5], x[6], t[6] = np.nan, np.inf, 0, np.nan, np.nan
    without = np.isin(np.arange(200), [3, 4, 5, 6])
    found = bm.ash(x, t, family, alpha=alpha)
    alone = bm.ash(x[~without], t[~without], family, alpha=alpha)
    for name in ("mean", "sd", "lfsr", "lfdr", "log_likelihood"):
        whole = found["effects"][name].values
        np.testing.assert_allclose(whole[~without], alone["effects"][name].values, rtol=1e-12)
        assert len(set(whole[without])) == 1
    # an enormous error says nothing either
    last = bm.ash([0.0], [1e9], family, given=found)["effects"] if alpha == 0 else None
    prior = found["effects"].isel(effect=3)
    estimate = found["estimate"]
    pi0 = float(estimate["pi0"])
    assert float(prior["lfdr"]) == pytest.approx(pi0)
    one_sided = {"+uniform": pi0, "-uniform": pi0}.get(family)
    if one_sided is not None:
        assert float(prior["lfsr"]) == pytest.approx(one_sided)
    if last is not None:
        for name in ("mean", "sd", "lfsr", "negative_prob", "positive_prob"):
            # errors of 1e9 leave 1e-9 of what the data say, and the rounding of that scale
            assert float(last[name][0]) == pytest.approx(float(prior[name]), abs=1e-6)


def test_right_rates_without_information_differ_from_one_less_the_negative_ones() -> None:
    x = np.r_[X, np.nan]
    found = bm.ash(x, 1.0)
    last = found["effects"].isel(effect=200)
    pi0 = float(found["estimate"]["pi0"])
    # a symmetric prior: half of what is not null has the wrong sign, whichever is named
    assert float(last["lfsr"]) == pytest.approx(pi0 + (1 - pi0) / 2)


@pytest.mark.parametrize("family", SIDES)
def test_estimates_far_out_have_finite_posteriors(family: str) -> None:
    x = np.r_[X, -45, 60]
    found = bm.ash(x, 1.0, family, grid=[0.1, 1, 10, 100])
    for name in found["effects"]:
        assert np.isfinite(found["effects"][name]).all(), name
    assert (found["effects"]["sd"] >= 0).all()
    if family in ("normal", "half-normal", "uniform", "half-uniform"):
        assert (found["effects"]["lfsr"][-2:] < 1e-8).all()


def test_an_estimate_on_the_wrong_side_of_a_uniform_shrinks_to_its_edge() -> None:
    known: dict[str, Any] = {"grid": [2.0], "point_mass": False, "weights": [1.0]}
    found = bm.ash([-40.0], 1.0, "+uniform", **known)["effects"]
    # the normal's tail from 40 on: mean 1/40 - 2/40^3, sd nearly the same
    assert float(found["mean"][0]) == pytest.approx(1 / 40 - 2 / 40**3, rel=1e-4)
    assert float(found["sd"][0]) == pytest.approx(1 / 40 - 3 / 40**3, rel=1e-3)
    assert float(found["lfsr"][0]) == 0


@pytest.mark.parametrize("family", ["normal", "half-normal"])
def test_degrees_of_freedom_of_normals_are_those_of_read_effects(family: str) -> None:
    adjusted = bm.read_effects(X, 1.0, df=5)
    with_df, without = bm.ash(X, 1.0, family, df=5), bm.ash(X, adjusted["shat"].values, family)
    np.testing.assert_allclose(with_df["effects"]["mean"], without["effects"]["mean"], rtol=1e-12)


@pytest.mark.parametrize("family", ["uniform", "half-uniform"])
def test_many_degrees_of_freedom_are_a_normal(family: str) -> None:
    normal, t = (bm.ash(X, 1.0, family, df=df, grid=[0.5, 2, 8]) for df in (np.inf, 1e7))
    np.testing.assert_allclose(t["effects"]["mean"], normal["effects"]["mean"], atol=1e-5)


def test_degrees_of_freedom_may_differ_by_effect() -> None:
    df = np.repeat([4.0, 30.0], 100)
    known = {"grid": [1.0, 4.0], "weights": [0.5, 0.3, 0.2]}
    both = bm.ash(X, 1.0, "uniform", df=df, **known)["effects"]["mean"].values
    for part, one in ((slice(0, 100), 4), (slice(100, 200), 30)):
        alone = bm.ash(X[part], 1.0, "uniform", df=one, **known)["effects"]["mean"].values
        np.testing.assert_allclose(both[part], alone, rtol=1e-12)


def test_a_mirror_image_has_mirrored_posteriors() -> None:
    plus, minus = bm.ash(X, 0.7, "+uniform", mode=0.3), bm.ash(-X, 0.7, "-uniform", mode=-0.3)
    np.testing.assert_allclose(plus["effects"]["mean"], -minus["effects"]["mean"], atol=1e-12)
    np.testing.assert_allclose(
        plus["effects"]["positive_prob"], minus["effects"]["negative_prob"], atol=1e-12
    )


def test_a_prior_serves_other_effects() -> None:
    learned = bm.ash(X, 1.0, "half-uniform", mode=0.2)
    again = bm.ash(X[:7], 1.0, given=learned)["effects"]
    np.testing.assert_allclose(again["mean"], learned["effects"]["mean"][:7], rtol=1e-12)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"mixture": "normal"}, "mixture: 'normal', but the given prior has 'half-uniform'"),
        ({"mode": 0}, "mode: 0, but the given prior has 0.2"),
        ({"alpha": 1}, "alpha: 1, but"),
        ({"point_mass": False}, "point_mass: False, but"),
        ({"grid": [1.0]}, "grid: said beside a given prior"),
        ({"gridmult": 2}, "gridmult: said beside a given prior"),
        ({"weights": [1.0]}, "weights: said beside a given prior"),
    ],
)
def test_what_a_prior_that_is_given_is_not_is_refused(said: dict[str, Any], told: str) -> None:
    learned = bm.ash(X, 1.0, "half-uniform", mode=0.2)
    with pytest.raises(bm.InputError, match=told):
        bm.ash(X[:7], 1.0, given=learned, **said)
    same = bm.ash(X[:7], 1.0, "halfuniform", mode=0.2, alpha=0, point_mass=True, given=learned)
    np.testing.assert_allclose(same["effects"]["mean"], learned["effects"]["mean"][:7], rtol=1e-12)


def test_effects_that_were_read_keep_their_alpha() -> None:
    effects = bm.read_effects(X, 1.0, alpha=1)
    assert bm.ash(effects).attrs["alpha"] == 1
    for alpha in (0, 0.5):
        with pytest.raises(bm.InputError, match="but the effects were read with 1"):
            bm.ash(effects, alpha=alpha)
    with pytest.raises(bm.InputError, match="but the effects were read with 1"):
        bm.ash(effects, given=bm.ash(X, 1.0))


def test_it_takes_names_of_others_frames_files_and_effects(tmp_path: Any) -> None:
    frame = pd.DataFrame({"b": X[:9], "se": 1.0}, index=[f"rs{i}" for i in range(9)])
    found = bm.ash(frame["b"], frame["se"], "halfuniform")
    assert found["effects"]["effect"].values[2] == "rs2"
    assert bm.ash(X[:9], 1, "halfnormal").attrs["mixture"] == "half-normal"
    assert bm.ash(bm.read_effects(X[:9], 1.0, alpha=1)).attrs["alpha"] == 1
    np.savez(tmp_path / "a.npz", bhat=X[:9], shat=np.ones(9))
    of_file = bm.ash(tmp_path / "a.npz", mixture="halfuniform")["effects"]["mean"].values
    np.testing.assert_allclose(of_file, found["effects"]["mean"], rtol=1e-12)
    back = bm.load(bm.save(found, tmp_path / "a.nc"))
    np.testing.assert_allclose(bm.ash(X[:9], 1, given=back)["effects"]["mean"], of_file, rtol=1e-12)


def test_all_null_effects_have_pi0_near_1() -> None:
    x = np.random.default_rng(5).standard_normal(2000)
    for family in SIDES:
        assert float(bm.ash(x, 1.0, family)["estimate"]["pi0"]) > 0.9, family


def test_one_effect_is_enough() -> None:
    for family in SIDES:
        found = bm.ash([2.0], 1.0, family, mode="estimate")["effects"]
        assert all(np.isfinite(found[name]).all() for name in found)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"mixture": "gamma"}, "mixture: 'gamma', expected one of normal, half-normal, uniform"),
        ({"bhat": [[1, 2]]}, "bhat: 2 conditions, expected one"),
        ({"bhat": [1, np.inf]}, "bhat: 1 are infinite"),
        ({"shat": [1, -1]}, "shat: 1 are negative"),
        ({"bhat": [np.nan, np.nan]}, "bhat: none of 2 effects has a value and a standard error"),
        ({"mode": "best"}, "mode: 'best', expected a number, or 'estimate'"),
        ({"alpha": 2}, "alpha: 2, expected a number from 0 to 1"),
        ({"df": 0}, "df: holds what is no positive number"),
        ({"df": "x"}, "df: 'x', expected one number, or one an effect"),
        ({"gridmult": 1}, "gridmult: 1, expected a number above 1"),
        ({"null_weight": 0.5}, "null_weight: 0.5, expected a number of at least 1"),
        ({"prior": "unit"}, "prior: 'unit', expected one of nullbiased, uniform"),
        ({"prior": [1, 2]}, "prior: expected nullbiased or uniform, or"),
        ({"weights": [1.0]}, "weights: given without the scales"),
        ({"weights": [1.0], "grid": [1, 2]}, "weights: 1 of them, expected 3"),
        ({"given": 3}, "given: not what bm.ash returned"),
    ],
)
def test_what_it_cannot_use_is_refused_in_one_line(given: dict[str, Any], says: str) -> None:
    with pytest.raises(bm.InputError) as refused:
        bm.ash(**({"bhat": [1, 2], "shat": 1} | given))
    assert str(refused.value).startswith(says)
    assert "\n" not in str(refused.value)


def test_effects_without_their_dimension_are_refused_in_one_line() -> None:
    effects = bm.read_effects(np.ones((3, 2)), 1.0)
    fit = bm.mash.given(np.eye(2), [1.0], [0.5, 0.5])
    for call in (
        lambda: bm.ash(effects.isel(condition=0)),
        lambda: bm.mash.run(effects.isel(condition=0)),
        lambda: bm.mash.posterior(fit, effects.isel(effect=0)),
        lambda: bm.mash.run(effects.isel(condition=[])),
        lambda: bm.mash.run(effects.isel(effect=[])),
        lambda: bm.ash([1e80, 1.0], 1.0),
    ):
        with pytest.raises(bm.InputError, match=r"effects: |bhat: "):
            call()


def test_what_python_users_are_told_names_what_they_can_give(tmp_path: Any) -> None:
    path = tmp_path / "table.tsv"
    path.write_text("a\tb\n1\t2\n")
    with pytest.raises(bm.InputError, match=r"no column of errors.*Give two columns") as caught:
        bm.ash(path)
    assert "--" not in str(caught.value)
    with pytest.raises(bm.InputError, match=r"mode: 'estimate', expected a number \(bm.ash est"):
        bm.models.ash(X, 1.0, mode="estimate")  # type: ignore[arg-type]
