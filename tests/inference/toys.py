"""PyMC models whose posterior is known on paper."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

MEAN, COVARIANCE = np.array([1.5, -0.7]), np.array([[0.5, 0.3], [0.3, 0.4]])


def gaussian():
    """Bivariate normal of mean MEAN and covariance COVARIANCE."""
    with pm.Model() as model:
        x = pm.Flat("x", shape=2, initval=np.zeros(2))
        d = x - MEAN
        pm.Potential("height", -0.5 * pt.dot(d, pt.dot(np.linalg.inv(COVARIANCE), d)))
    return model


def banana():
    """Rosenbrock's valley, its mode at (1, 1)."""
    with pm.Model() as model:
        x, y = pm.Flat("x", initval=-1.2), pm.Flat("y", initval=1.0)
        pm.Potential("height", -0.5 * (1 - x) ** 2 - 50 * (y - x**2) ** 2)
    return model


def folded(slope=1.5):
    """A ridge that turns at x = 0, along which it falls to either side: the mode is at (0, 1)."""
    with pm.Model() as model:
        x, y = pm.Flat("x", initval=0.4), pm.Flat("y", initval=0.0)
        along = pt.abs(x)
        pm.Potential("height", -slope * along - 50 * (y - 1 - 0.5 * along) ** 2 - x**2)
    return model


def bimodal(gap=6.0, upper=0.7):
    """Normals of sd 1 at 0 (weight 1 - upper) and `gap` (weight `upper`)."""
    with pm.Model() as model:
        x = pm.Flat("x", initval=1.0)
        pm.Potential(
            "height",
            pt.logaddexp(np.log(upper) - 0.5 * (x - gap) ** 2, np.log(1 - upper) - 0.5 * x**2),
        )
    return model


def log_gamma(shape=2.0, rate=3.0):
    """x = log of a Gamma(shape, rate): skewed to the left, every moment known."""
    with pm.Model() as model:
        x = pm.Flat("x", initval=0.0)
        pm.Potential("height", shape * x - rate * pt.exp(x))
    return model


def heavy_tailed():
    """Tails of |x|^-1.3: far beyond those of any Student proposal that has a variance."""
    with pm.Model() as model:
        x = pm.Flat("x", initval=0.1)
        pm.Potential("height", -0.65 * pt.log1p(x**2))
    return model


def constrained():
    """A model with transformed parameters, a vector among them."""
    with pm.Model(coords={"arm": ["a", "b", "c"]}) as model:
        sd = pm.HalfNormal("sd", 2.0)
        mu = pm.Normal("mu", 0.0, 1.0, dims="arm")
        pm.Normal("y", mu, sd, observed=np.array([0.3, -0.2, 1.4]), dims="arm")
    return model
