"""Recorded cases of ashr with mixtures of normals around 0: given its mixture, and our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bayesmixer as bm
from bayesmixer.mash.grid import default_grid
from bayesmixer.mash.rows import rows_of
from tests.mash.cases import held

CASES: dict[str, dict[str, Any]] = {
    "ash_normal": {},
    "ash_normal_allnull": {},
    "ash_normal_alpha1": {"alpha": 1},
    "ash_normal_alphahalf": {"alpha": 0.5},
    "ash_normal_fixedgrid": {"grid": [0.25, 0.5, 1, 2, 4]},
    "ash_normal_gridmult2": {},
    "ash_normal_mixEM": {},
    "ash_normal_nopointmass": {"prior": "uniform", "point_mass": False},
    "ash_normal_nullweight100": {"prior": 100},
    "ash_normal_uniformprior": {"prior": "uniform"},
    "ash_small20": {},
}
NAMES = {
    "mean": "posterior_mean",
    "sd": "posterior_sd",
    "lfsr": "lfsr",
    "lfdr": "lfdr",
    "negative_prob": "negative_prob",
}


@pytest.fixture(scope="session")
def cases(shared: Path) -> Path:
    return shared / "reference/mash/cases"


def scales(one: dict[str, Any]) -> Any:
    sd = one["prior_sd"]
    return sd[sd > 0]


@pytest.mark.parametrize("name", CASES)
def test_posteriors_given_its_mixture_are_those_of_ashr(cases: Path, name: str) -> None:
    one, options = held(cases, name), CASES[name]
    point_mass = options.get("point_mass", True)
    data = bm.read_effects(one["betahat"], one["sebetahat"], alpha=options.get("alpha", 0))
    fit = bm.mash.given({"normal": [[1.0]]}, scales(one), one["pi"], point_mass)
    found = bm.mash.posterior(fit, data)
    far = {k: float(np.abs(found[k].values[:, 0] - one[v]).max()) for k, v in NAMES.items()}
    assert {k: x for k, x in far.items() if not x < 1e-9} == {}
    assert abs(float(found["log_likelihood"].sum()) - float(one["loglik"][0])) < 1e-7


@pytest.mark.parametrize("name", CASES)
def test_own_weights_are_at_least_as_good_as_those_of_ashr(cases: Path, name: str) -> None:
    one, options = held(cases, name), dict(CASES[name])
    if options.get("prior") == 100:
        options["prior"] = np.r_[100, np.ones(len(one["pi"]) - 1)]
    found = bm.ash(one["betahat"], one["sebetahat"], **{"grid": scales(one)} | options)
    estimate = found["estimate"]
    assert float(estimate["duality_gap"]) < 1e-4
    alpha = float(options.get("alpha", 0))
    jacobian = -alpha * np.log(one["sebetahat"]).sum()
    penalised = float(estimate["penalised_log_likelihood"])
    # ashr's penalised likelihood is of b / s^alpha
    assert penalised - jacobian > float(one["penloglik"][0]) - 1e-4
    for ours, theirs in NAMES.items():
        assert np.abs(found["effects"][ours].values - one[theirs]).max() < 2e-3


def test_the_grid_is_that_of_ashr(cases: Path) -> None:
    for name, ratio in (
        ("ash_normal", 2**0.5),
        ("ash_normal_gridmult2", 2),
        ("ash_small20", 2**0.5),
    ):
        one = held(cases, name)
        rows = rows_of(bm.read_effects(one["betahat"], one["sebetahat"]))
        np.testing.assert_allclose(default_grid(rows, ratio), scales(one), rtol=1e-12)


def test_s_values_are_those_of_ashr_and_equal_for_equal_rates(cases: Path) -> None:
    one = held(cases, "ash_normal")
    from bayesmixer.mash.ash import svalues

    np.testing.assert_allclose(svalues(one["lfsr"]), one["svalue"], atol=1e-12)
    assert svalues(np.array([0.1, 0.3, 0.1])).tolist() == pytest.approx([0.1, 0.5 / 3, 0.1])


def test_what_ash_cannot_use_is_refused_in_one_line() -> None:
    with pytest.raises(bm.InputError, match="mixture: 'uniform', expected one of normal"):
        bm.ash([1, 2], 1, "uniform")
    with pytest.raises(bm.InputError, match="bhat: 2 conditions, expected one"):
        bm.ash([[1, 2]], 1)
