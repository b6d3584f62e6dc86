"""Marginal likelihood along a parameter with ends: curvature at a place whose height has a kink."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.integrate import quad

from bayesmixer.card import End, Ends
from bayesmixer.inference import points
from bayesmixer.inference.ends import Along, Local, Sliced
from bayesmixer.inference.information import Information

UNITS, SD = 40, 0.05


class Kinked(Sliced):
    """Two others, independent normal of that SD, and a fall by `slope` |x| / SD of the first; the
    units' own slopes jump there by much more, to either side.
    """

    def __init__(self, slope):
        self.kink, self.rest, self.held = slope, np.arange(2), self
        noise = np.random.default_rng(0).normal(size=(UNITS, 2))
        self.noise = noise - noise.mean(0)

    def full(self, others, e):
        return others

    def prior_gradient(self, x):
        return np.zeros(2)

    def slopes(self, others, e):
        side = np.where(others[0] >= 0, 1.0, -1.0)
        slope = -others / SD**2 - self.kink * np.array([side, 0.0]) / SD
        return -0.5 * (slope @ slope) * SD**2, slope, 0.0

    def scores(self, others, e):
        side = np.where(others[0] >= 0, 1.0, -1.0)
        shared = self.slopes(others, e)[1] / UNITS
        return shared + (1 + side / SD) * self.noise, self.noise[:, 0]


@pytest.mark.parametrize("slope", [0.2, 0.05, 0.0, -0.05, -0.2])
def test_laplace_at_a_kink_is_the_integral_to_first_order_whichever_side_the_top_is_on(slope):
    exact = quad(lambda x: np.exp(-slope * abs(x) - x * x / 2), -np.inf, np.inf)[0]
    for top in (-1e-9, 0.0, 1e-9):
        found = Kinked(slope).local(np.array([top, 0.0]), 0.5, np.full(2, SD))
        laplace = np.sqrt(2 * np.pi) / SD**2 * np.exp(-found.log_determinant / 2)
        assert laplace == pytest.approx(exact, rel=3 * slope**2 + 1e-6)


def test_draws_of_an_end_without_curvature_are_those_that_the_data_leave_open():
    """A saddle there was an error of linear algebra, in the middle of a fit."""
    noise = np.random.default_rng(0).normal(size=(UNITS, 2))
    curvature = np.repeat(np.diag([1.0, -0.5])[None] / UNITS, UNITS, axis=0)
    info = Information(noise, curvature, np.zeros((2, 2)), np.arange(UNITS))
    saddle = Local(info, noise[:, 0])
    along = Along([], np.zeros(0), saddle, saddle, saddle)
    named = Ends(
        "t", End("low", -1, "a", "A"), End("high", 1, "b", "B"), "t", *[SimpleNamespace] * 3
    )
    found = points.points_of(named, along, 1.0, ["x", "y", "t"])
    assert np.isfinite(saddle.log_determinant)
    for covariance in found.covariances:
        assert np.linalg.eigvalsh(covariance).min() > 0
