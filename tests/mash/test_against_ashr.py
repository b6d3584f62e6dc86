"""Recorded cases of ashr: its numbers given its mixture, and our own mixtures beside its."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bayesmixer as bm
from tests.mash.cases import held

CASES: dict[str, dict[str, Any]] = {
    "ash_normal": {},
    "ash_normal_allnull": {},
    "ash_normal_alpha1": {"alpha": 1},
    "ash_normal_alphahalf": {"alpha": 0.5},
    "ash_normal_fixedgrid": {"grid": [0.25, 0.5, 1, 2, 4]},
    "ash_normal_gridmult2": {"gridmult": 2},
    "ash_normal_mixEM": {},
    "ash_normal_mode1": {"mode": 1},
    "ash_normal_modeestimate": {"mode": "estimate"},
    "ash_normal_nopointmass": {"prior": "uniform", "point_mass": False},
    "ash_normal_nullweight100": {"null_weight": 100},
    "ash_normal_uniformprior": {"prior": "uniform"},
    "ash_small20": {},
    "ash_halfnormal": {"mixture": "half-normal"},
    "ash_halfuniform": {"mixture": "half-uniform"},
    "ash_halfuniform_df5": {"mixture": "half-uniform", "df": 5},
    "ash_plusuniform": {"mixture": "+uniform"},
    "ash_uniform": {"mixture": "uniform"},
    "ash_uniform_alpha1": {"mixture": "uniform", "alpha": 1},
    "ash_uniform_df5": {"mixture": "uniform", "df": 5},
}
NAMES = {
    "mean": "posterior_mean",
    "sd": "posterior_sd",
    "lfsr": "lfsr",
    "lfdr": "lfdr",
    "negative_prob": "negative_prob",
    "positive_prob": "positive_prob",
    "svalue": "svalue",
    "qvalue": "qvalue",
}


@pytest.fixture(scope="session")
def cases(shared: Path) -> Path:
    return shared / "reference/mash/cases"


def scales(one: dict[str, Any]) -> Any:
    wide = one["prior_sd"] if "prior_sd" in one else np.maximum(-one["prior_a"], one["prior_b"])
    return np.unique(wide[wide > 0])


def compared(name: str) -> dict[str, str]:
    """What is compared: not its sd of half-normals, which quadrature does not confirm (below)."""
    return {k: v for k, v in NAMES.items() if (name, k) != ("ash_halfnormal", "sd")}


@pytest.mark.parametrize("name", CASES)
def test_posteriors_given_its_mixture_are_those_of_ashr(cases: Path, name: str) -> None:
    one, options = held(cases, name), dict(CASES[name])
    if options.get("mode") == "estimate":
        options["mode"] = float(one["prior_mean"][0])
    known = options | {"grid": scales(one), "weights": one["pi"]}
    found = bm.ash(one["betahat"], one["sebetahat"], **known)
    effects, estimate = found["effects"], found["estimate"]
    far = {k: float(np.abs(effects[k] - one[v]).max()) for k, v in compared(name).items()}
    assert {k: x for k, x in far.items() if not x < 1e-12} == {}
    for ours, theirs in (("log_likelihood", "loglik"), ("log_likelihood_ratio", "logLR")):
        assert abs(float(estimate[ours]) - float(one[theirs][0])) < 1e-10
    assert abs(float(effects["log_likelihood"].sum()) - float(one["loglik"][0])) < 1e-10


@pytest.mark.parametrize("name", CASES)
def test_own_weights_are_at_least_as_good_as_those_of_ashr(cases: Path, name: str) -> None:
    one, options = held(cases, name), CASES[name]
    found = bm.ash(one["betahat"], one["sebetahat"], **options)
    effects, estimate = found["effects"], found["estimate"]
    # a mode found elsewhere moves the scales, whose largest is twice the largest distance from it
    close = 1e-4 if options.get("mode") == "estimate" else 1e-12
    np.testing.assert_allclose(estimate["grid"], scales(one), rtol=close)
    assert float(estimate["duality_gap"]) < 1e-4
    # ashr's penalised likelihood is of b / s^alpha
    jacobian = -float(options.get("alpha", 0)) * np.log(one["sebetahat"]).sum()
    penalised = float(estimate["penalised_log_likelihood"])
    assert penalised - jacobian > float(one["penloglik"][0]) - 1e-8
    for ours, theirs in compared(name).items():
        # where weights of neighbouring scales hardly matter (all null, t errors)
        assert np.abs(effects[ours].values - one[theirs]).max() < 2e-3


def test_sds_of_half_normals_are_those_of_quadrature(cases: Path) -> None:
    one = held(cases, "ash_halfnormal")
    known = {"grid": scales(one), "weights": one["pi"]}
    found = bm.ash(one["betahat"], one["sebetahat"], "half-normal", **known)["effects"]
    rows = np.r_[np.argsort(-np.abs(found["sd"].values - one["posterior_sd"]))[:20], :20]
    x, s = one["betahat"][rows, None], one["sebetahat"][rows, None]
    raw = one["pi"][0] * np.exp(-0.5 * (x[:, 0] / s[:, 0]) ** 2)[:, None] * np.array([1.0, 0, 0])
    node, weight = np.polynomial.legendre.leggauss(400)
    for sd, low, pi in zip(one["prior_sd"], one["prior_a"], one["pi"], strict=True):
        if pi > 0 and sd > 0:
            sign = 1 if low == 0 else -1
            b = sign * (10 * sd) * (1 + node) / 2
            prior = 2 * np.exp(-0.5 * (b / sd) ** 2) / (sd * np.sqrt(2 * np.pi)) * 5 * sd * weight
            height = pi * prior * np.exp(-0.5 * ((x - b) / s) ** 2)
            raw += np.stack([(height * b**k).sum(1) for k in range(3)], 1)
    mean = raw[:, 1] / raw[:, 0]
    np.testing.assert_allclose(found["mean"].values[rows], mean, atol=1e-10)
    sd = np.sqrt(raw[:, 2] / raw[:, 0] - mean**2)
    np.testing.assert_allclose(found["sd"].values[rows], sd, rtol=1e-9)


def test_s_values_are_equal_for_equal_rates() -> None:
    from bayesmixer.mash.ash_posterior import running_means

    shared = running_means(np.array([0.1, 0.3, 0.1]))
    assert shared.tolist() == pytest.approx([0.1, 0.5 / 3, 0.1])
