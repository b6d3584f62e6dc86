"""Posteriors on the natural scale: the sampler against rejection, and which fits have one."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.jackknife import Estimate
from bayesmixer.ldsc.evidence import OfOne, OfPair, evidence
from bayesmixer.ldsc.natural import Natural
from bayesmixer.models.common import bound_of
from tests.ldsc.conftest import Small

pytestmark = pytest.mark.filterwarnings("ignore::bayesmixer.DataWarning")


def estimated(value: list[float], v: np.ndarray, blocks: int = 400) -> Estimate:
    """Estimates whose jackknife has exactly this covariance."""
    moves = np.random.default_rng(2).standard_normal((blocks, len(value)))
    moves -= moves.mean(axis=0)
    root = np.linalg.inv(np.linalg.cholesky(moves.T @ moves)).T
    moves = moves @ root @ np.linalg.cholesky(v).T * np.sqrt(blocks / (blocks - 1))
    found = Estimate(np.array(value), np.array(value) + moves)
    np.testing.assert_allclose(found.covariance, v, rtol=1e-10)
    return found


SD = np.array([0.03, 0.02, 0.015, 0.01, 0.01, 0.008])


@pytest.mark.parametrize(
    ("value", "low"),
    [([0.06, 0.04, 0.035], 0.05), ([0.01, -0.01, 0.02], 1e-4), ([0.3, 0.2, 0.12], 0.9)],
)
def test_draws_of_a_pair_are_those_that_rejection_keeps(value: list[float], low: float) -> None:
    correlation = np.full((6, 6), 0.3) + 0.7 * np.eye(6)
    natural = Natural(estimated([*value, 1.0, 1.0, 0.0], correlation * np.outer(SD, SD)), 2)
    rng = np.random.default_rng(3)
    drawn = natural.draws(6000, rng)
    centre, v = natural._with_prior
    size = 600_000
    t = rng.standard_normal((size, 6)) @ np.linalg.cholesky(v).T
    t = centre + t / np.sqrt(rng.chisquare(natural.freedom, size) / natural.freedom)[:, None]
    with np.errstate(invalid="ignore"):
        most = np.sqrt(t[:, 0] * t[:, 1])
        inside = (t[:, 0] > 0) & (t[:, 1] > 0) & (np.abs(t[:, 2]) < most)
    assert inside.mean() > low
    t, most = t[inside], most[inside]
    # rg uniform: gencov has density 1 / (2 most); the prior of h2 is flat over so little
    weight = 1 / most
    order = np.sort(rng.choice(len(t), 20_000, p=weight / weight.sum()))
    kept = t[order]
    tolerance = 4 / np.sqrt(3000) * kept.std(axis=0)
    np.testing.assert_array_less(np.abs(drawn.mean(axis=0) - kept.mean(axis=0)), tolerance)
    np.testing.assert_allclose(drawn.std(axis=0), kept.std(axis=0), rtol=0.08)
    rg, expected = (x[:, 2] / np.sqrt(x[:, 0] * x[:, 1]) for x in (drawn, kept))
    places = [0.1, 0.5, 0.9]
    apart = np.quantile(rg, places) - np.quantile(expected, places)
    assert np.abs(apart).max() < 0.12 * expected.std()


def test_draws_of_one_trait_end_at_zero_and_follow_the_prior_of_the_intercept() -> None:
    v = np.array([[0.02**2, -0.8 * 0.02 * 0.01], [-0.8 * 0.02 * 0.01, 0.01**2]])
    drawn = Natural(estimated([-0.01, 1.05], v), 1).draws(4000, np.random.default_rng(1))
    assert (drawn[:, 0] > 0).all()
    # h2 is pushed up by 0, and the intercept goes down with it
    assert drawn[:, 1].mean() < 1.05 - 0.5 * 0.8 * 0.01
    far = Natural(estimated([0.5, 1.05], v), 1).draws(4000, np.random.default_rng(1))
    np.testing.assert_allclose(np.cov(far.T), v * 1.03, rtol=0.1)  # t of 130 degrees, and priors


@pytest.fixture(scope="module")
def data(small: Small) -> xr.Dataset:
    """A trait, and one without heritability."""
    folder = small[0]
    traits = {
        name: bm.read_sumstats(folder / f"{name}.sumstats", trait=name)
        for name in ("first", "none")
    }
    return bm.align(traits, bm.open_reference(folder / "ld"), weights="inverse_ld")


def test_a_weak_pair_is_fitted_without_chains(data: xr.Dataset) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fit = bm.fit(bm.models.ldsc_rg(data), draws=300, progress=False)
    assert fit.attrs["method"] == "laplace"
    assert any("h2 of none" in str(one.message) for one in said)
    found = fit["regression"].to_dataset()
    table = bm.summary(fit)
    h2 = table.loc["h2[none]"].filter(like="eti").to_numpy(float)
    assert h2[0] == 0
    assert h2[1] < float(np.maximum(found["h2"][1], 0) + 3 * found["h2_se"][1])
    assert -1 <= float(found["rg_lower"]) < float(found["rg_upper"]) <= 1
    assert float(fit["estimate"]["h2_se"][1]) == pytest.approx(float(found["h2_se"][1]))
    again = bm.calibrate(fit, data, progress=False)
    np.testing.assert_array_equal(again["posterior"]["rg"], fit["posterior"]["rg"])


def test_a_trait_beside_itself_has_rg_of_one(data: xr.Dataset) -> None:
    rng = np.random.default_rng(5)
    z = data["z"].values[:, [0, 0]] + 0.01 * rng.standard_normal((data.sizes["variant"], 2))
    same = data.assign(z=(data["z"].dims, z))
    found = evidence(bound_of(bm.models.ldsc_rg(same)))
    assert isinstance(found, OfPair)
    names = [f"{v}[{i}]" for v in ("log_h2", "log_intercept") for i in (0, 1)]
    moved = found.moved(np.zeros((2, 200, 6)), [*names, "atanh_rg", "atanh_rho_0"])
    assert np.isfinite(moved).all()
    assert np.tanh(moved[..., 4]).min() > 0.95


def test_only_models_under_the_weak_prior_have_it(data: xr.Dataset) -> None:
    one = data.isel(trait=[0])
    found = evidence(bound_of(bm.models.ldsc_h2(one)))
    assert isinstance(found, OfOne) and found.whole
    for other in (
        bm.models.ldsc_h2(one, prior="flat"),
        bm.models.ldsc_h2(one, censor=5.0),
    ):
        found = evidence(bound_of(other))
        assert found is not None and not found.whole  # the test of h2 = 0 alone
    assert evidence(bound_of(bm.models.ldsc_rg(data, prior="flat"))) is None
