"""Climbs beside a mode: folds, bounds, and Newton steps that stay near."""

import numpy as np
import pymc as pm
import pytest

from bayesmixer.inference import find_map
from bayesmixer.inference.ascent import ascend, ascend_folded
from bayesmixer.inference.density import LogDensity

BOX = np.array([[-3.0, 3.0], [-3.0, 3.0]])
CURVATURE = np.array([[4.0, 1.5], [1.5, 2.0]])


def folded(top, jump):
    """A normal density about `top`, and a fall of `jump` |x_0|."""

    def function(x):
        off = x - top
        side = np.array([np.where(x[0] >= 0, 1.0, -1.0), 0.0])
        value = -0.5 * off @ CURVATURE @ off - jump * abs(x[0])
        return float(value), -CURVATURE @ off - jump * side

    return function


def test_a_climb_ends_at_the_top_or_at_the_edge_of_its_box():
    inverse = np.linalg.inv(CURVATURE)
    found = ascend(folded(np.array([0.4, -0.3]), 0.0), np.ones(2), BOX, inverse, 1e-10)
    np.testing.assert_allclose(found.x, [0.4, -0.3], atol=1e-4)
    assert found.left < 1e-10
    found = ascend(folded(np.array([5.0, 0.0]), 0.0), np.ones(2), BOX, inverse, 1e-10)
    # the other goes where it is best with the first held
    np.testing.assert_allclose(found.x, [3.0, 1.5], atol=1e-4)
    assert found.left < 1e-10


@pytest.mark.parametrize(
    ("top", "jump", "where"),
    [
        ((0.4, -0.3), 0.1, "beyond"),  # smooth tops on either side, whatever side it starts on
        ((-0.4, -0.3), 0.1, "beyond"),
        ((0.1, 0.2), 3.0, "fold"),
    ],
)
@pytest.mark.parametrize("start", [0.8, -0.8])
def test_a_climb_goes_through_a_fold_or_rests_there(top, jump, where, start):
    function = folded(np.array(top), jump)
    folds = np.array([0.0, np.nan])
    inverse = np.linalg.inv(CURVATURE)
    found = ascend_folded(function, np.array([start, 0.5]), BOX, folds, inverse, 1e-10)
    if where == "fold":
        expected = [0.0, top[1] + CURVATURE[0, 1] / CURVATURE[1, 1] * top[0]]
    else:
        away = np.linalg.solve(CURVATURE, [-jump * np.sign(top[0]), 0.0])
        expected = top + away
    np.testing.assert_allclose(found.x, expected, atol=1e-4)
    assert found.left < 1e-8


def test_a_fold_outside_of_the_box_does_not_open_it():
    box = np.array([[1.0, 3.0], [-3.0, 3.0]])
    function = folded(np.array([0.4, -0.3]), 0.0)
    folds, inverse = np.array([0.0, np.nan]), np.linalg.inv(CURVATURE)
    found = ascend_folded(function, np.array([2.0, 0.0]), box, folds, inverse, 1e-10)
    assert found.x[0] == 1.0


def test_newton_steps_of_a_search_stay_near_whatever_curvature_it_has_learned(monkeypatch):
    """At a kink there is none, and a step by its floor went to a corner of the box."""
    with pm.Model() as model:
        pm.Laplace("x", 0.0, 0.001)
    density, met = LogDensity(model), []
    of = density.value_and_gradient
    monkeypatch.setattr(density, "value_and_gradient", lambda x: met.append(x.copy()) or of(x))
    monkeypatch.setattr(find_map, "_ascended", lambda objective, curvature, start: start)
    find_map.climb(density, np.array([0.3]), np.array([[-1e3, 1e3]]), np.zeros((1, 1)))
    assert np.abs(np.concatenate(met)).max() < 2 * find_map.LONGEST * 8
