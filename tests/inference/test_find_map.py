"""The search for modes, on functions whose modes are known."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

from bayesmixer.inference.density import LogDensity
from bayesmixer.inference.find_map import climb, covariance_of, distinct, find_modes
from bayesmixer.inference.information import information
from tests.inference import toys

WIDE = np.array([-1e3, 1e3])


def box(density, low=-1e3, high=1e3):
    return np.tile([float(low), float(high)], (density.size, 1))


def test_gaussian_mode_and_covariance_are_exact():
    density = LogDensity(toys.gaussian())
    found = climb(density, np.array([-3.0, 4.0]), box(density))
    assert found.converged
    assert not found.at_bound
    np.testing.assert_allclose(found.x, toys.MEAN, atol=1e-4)
    np.testing.assert_allclose(covariance_of(found.hessian), toys.COVARIANCE, rtol=1e-6)


@pytest.mark.parametrize("start", [(-1.2, 1.0), (3.0, -3.0), (0.0, 0.0), (-5.0, 20.0)])
def test_bottom_of_a_curved_valley_is_found(start):
    density = LogDensity(toys.banana())
    found = climb(density, np.array(start), box(density))
    assert found.converged
    np.testing.assert_allclose(found.x, [1.0, 1.0], atol=5e-3)
    assert found.log_posterior > -1e-5


@pytest.mark.parametrize("start", [(0.4, 0.0), (-1.0, 2.0)])
def test_a_mode_at_a_fold_is_found_and_is_one(start):
    density = LogDensity(toys.folded())
    assert not climb(density, np.array(start), box(density)).converged
    density.folds = np.array([0.0, np.nan])
    found = climb(density, np.array(start), box(density))
    assert found.converged
    assert not found.at_bound
    np.testing.assert_allclose(found.x, [0.0, 1.0], atol=1e-2)


def counts(blocks=40, seed=1):
    """A Poisson regression of blocks of counts, whose curvature changes along the climb."""
    rng = np.random.default_rng(seed)
    slope = rng.normal(size=(blocks, 2))
    seen = rng.poisson(np.exp(1 + slope @ [0.5, -0.3]))
    with pm.Model(coords={"ld_block": np.arange(blocks)}) as model:
        b = pm.Normal("b", 0.0, 3.0, shape=3)
        rate = b[0] + pt.dot(slope, b[1:])
        pm.Potential("n", seen * rate - pt.exp(rate), dims="ld_block")
    return LogDensity(model)


def test_a_climb_computes_one_hessian_and_that_is_the_information_at_the_mode():
    density = counts()
    plain = climb(density, np.array([3.0, -1.0, 1.0]), box(density), rough=40 * np.eye(3))
    found = climb(density, np.array([3.0, -1.0, 1.0]), box(density), 40 * np.eye(3), informed=True)
    sd = np.sqrt(np.diag(covariance_of(found.hessian)))
    np.testing.assert_allclose(found.x, plain.x, atol=2e-3 * sd.min())
    known = information(density, found.x, sd)
    # central differences of steps that differ a little, a decrement of 1e-6 apart
    np.testing.assert_allclose(found.information.hessian, known.hessian, rtol=2e-3)
    np.testing.assert_allclose(found.hessian, found.information.hessian)
    assert found.evaluations == plain.evaluations + 1
    assert found.evaluations < 30


def test_both_optima_of_a_bimodal_density_are_reported_best_first():
    density = LogDensity(toys.bimodal())
    modes = find_modes(density, [np.array([-1.0]), np.array([0.5]), np.array([7.0])], box(density))
    assert len(modes.all) == 3
    kept = distinct(modes.all)
    np.testing.assert_allclose([float(o.x[0]) for o in kept], [6.0, 0.0], atol=1e-2)
    assert modes.best is modes.all[0]
    assert kept[0].log_posterior - kept[1].log_posterior == pytest.approx(
        np.log(0.7 / 0.3), abs=1e-3
    )
    assert all(o.converged for o in modes.all)


def test_mode_outside_the_search_box_is_reported_at_its_edge():
    density = LogDensity(toys.gaussian())
    found = climb(density, np.array([0.0, 0.0]), np.array([[-1.0, 1.0], [-5.0, 5.0]]))
    assert found.at_bound == ["x[0]"]
    # the other coordinate is at its conditional mode
    slope = toys.COVARIANCE[1, 0] / toys.COVARIANCE[0, 0]
    np.testing.assert_allclose(
        found.x, [1.0, toys.MEAN[1] + slope * (1.0 - toys.MEAN[0])], atol=1e-2
    )
    assert found.converged


def test_climb_that_cannot_move_says_that_it_did_not_converge():
    class Broken:
        """A value that falls in every direction, and a gradient that says otherwise."""

        names, size, evaluations, model, folds = ["x"], 1, 0, pm.Model(), np.array([np.nan])

        def value_and_gradient(self, x):
            self.evaluations += 1
            return -abs(float(x[0]) - 0.3) * 1e3, np.array([500.0])

    found = climb(Broken(), np.array([0.3]), box(Broken()))
    assert not found.converged
    assert found.decrement > 1


def test_covariance_of_an_open_direction_is_limited():
    covariance = covariance_of(np.diag([4.0, 0.0]), floor=0.05)
    np.testing.assert_allclose(covariance, np.diag([0.25, 20.0]))
