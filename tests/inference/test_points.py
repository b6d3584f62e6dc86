"""Models at the ends of a parameter's range: evidences against quadrature, scaling against counted
likelihoods, the mixture's draws inside the constraints.
"""

import json

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy.special import expit
from scipy.stats import norm

import bayesmixer as bm
from bayesmixer.card import End, Ends
from bayesmixer.inference import mode_covariance, natural, points
from bayesmixer.inference.density import LogDensity
from bayesmixer.inference.ends import Sliced, marginal_along
from bayesmixer.inference.find_map import covariance_of, find_modes

BLOCKS = 100
BOX = np.array([[-6.0, 6.0], [-12.0, 12.0], [-20.0, 20.0]])


def least(v):
    return np.abs(np.tanh(v["x"]))


def share(v):
    """f between |u| and 1: u = tanh x, f^2 = u^2 + (1 - u^2) expit(y)."""
    return np.sqrt(least(v) ** 2 + (1 - least(v) ** 2) * expit(v["y"]))


def place(e, v):
    f = least(v) + (1 - least(v)) * e
    return np.log((f - least(v)) * (f + least(v))) - np.log((1 - f) * (1 + f))


ENDS = Ends(
    "y",
    End("least", -800.0, "beyond", "f beyond |u|"),
    End("whole", 40.0, "less", "f below 1"),
    "share",
    lambda v: (share(v) - least(v)) / (1 - least(v)),
    place,
    share,
)


def triangle(u, f, sd_u, sd_f, spread=1.0, seed=1):
    """A model of u, f and a nuisance a, |u| <= f <= 1, that observes each with normal errors, u
    uniform and f uniform given it; the observed means and their stated covariance.

    The data vary between blocks by `spread` times what the model states.
    """
    cov = np.diag([sd_u, sd_f, 0.5]) ** 2
    cov[0, 1] = cov[1, 0] = 0.3 * sd_u * sd_f
    cov[1, 2] = cov[2, 1] = 0.4 * sd_f * 0.5
    noise = np.random.default_rng(seed).multivariate_normal(np.zeros(3), cov * BLOCKS, size=BLOCKS)
    observed = np.array([u, f, 0.2]) + np.sqrt(spread) * noise
    precision = np.linalg.inv(cov) / BLOCKS
    with pm.Model(coords={"ld_block": np.arange(BLOCKS)}) as model:
        x, a = pm.Logistic("x", 0.0, 0.5), pm.Normal("a", 0.0, 3.0)
        y = pm.Flat("y", initval=0.0)
        low, t = abs(pt.tanh(x)), pt.sigmoid(y)
        square = low**2 + (1 - low**2) * t
        f = pm.Deterministic("f", pt.sqrt(square))
        excess = pt.log1p(low) + pt.log(t) + pt.log1p(-t) - np.log(2) - pt.log(f)
        pm.Potential("prior", excess)
        away = pt.stack([pt.tanh(x), f, a])[None, :] - observed
        pm.Potential("z", -0.5 * (pt.dot(away, precision) * away).sum(1), dims="ld_block")
    return model, observed.mean(0), cov


def at_mode(model):
    density = LogDensity(model)
    starts = [density.flatten({"x": x, "a": 0.0, "y": y}) for x, y in ((0.2, 0.0), (-0.2, 2.0))]
    box = BOX[[["x", "y", "a"].index(name) for name in density.names]]
    best = find_modes(density, starts, box).best
    return density, best.x, covariance_of(best.hessian)


def three(model):
    density, mode, covariance = at_mode(model)
    along = marginal_along(density, ENDS, mode, covariance)
    return density, mode, covariance, points.points_of(ENDS, along, 1.0, density.names)


def by_quadrature(mean, cov):
    """log10 Bayes factors of between against both ends."""
    u, a, e = np.linspace(-0.999, 0.999, 1201), np.linspace(-4, 4, 61), np.linspace(0, 1, 81)
    u_, a_ = np.meshgrid(u, a, indexing="ij")
    precision = np.linalg.inv(cov)
    evidence = []
    for one in e:
        f = abs(u_) + (1 - abs(u_)) * one
        d = np.stack([u_ - mean[0], f - mean[1], a_ - mean[2]], -1)
        log_p = -0.5 * np.einsum("...i,ij,...j", d, precision, d) + norm.logpdf(a_, 0, 3)
        evidence.append(np.exp(log_p).sum())
    between = np.trapezoid(evidence, e)
    return np.log10([between / evidence[0], between / evidence[-1]])


@pytest.mark.parametrize(
    "truth",
    [
        (0.4, 0.7, 0.05, 0.12),  # between
        (0.4, 0.4, 0.05, 0.12),  # at the low end
        (0.4, 1.0, 0.05, 0.12),  # at the high end
        (0.0, 0.5, 0.03, 0.10),  # across the kink of |u|
        (0.2, 0.5, 0.05, 0.30),  # hardly known
        (0.6, 0.65, 0.02, 0.03),  # near an end, well known
    ],
)
def test_bayes_factors_against_both_ends_are_those_of_quadrature(truth):
    """Laplace in two of three dimensions: 0.01 of log10."""
    model, mean, cov = triangle(*truth)
    _, _, _, found = three(model)
    assert found.log10_bf == pytest.approx(by_quadrature(mean, cov), abs=0.015)
    weight = 10.0 ** -np.array([found.log10_bf[0], 0.0, found.log10_bf[1]])
    assert found.shares == pytest.approx(weight / weight.sum(), rel=1e-9)


def test_bayes_factors_at_the_corner_where_nothing_is_shared_are_within_two_hundredths():
    """u = f = 0: the low end is kinked at its own mode."""
    model, mean, cov = triangle(0.0, 0.0, 0.03, 0.1)
    _, _, _, found = three(model)
    assert found.log10_bf[0] == pytest.approx(by_quadrature(mean, cov)[0], abs=0.02)


def test_slices_are_gradients_of_what_they_say_and_their_ends_exact():
    model, _, _ = triangle(0.4, 0.7, 0.05, 0.12)
    density, mode, _ = at_mode(model)
    sliced = Sliced(density, ENDS)
    others = mode[sliced.rest]
    for e in (0.0, 0.03, 0.5, 1.0):
        value, gradient = sliced.value_and_gradient(others, e)
        for i in range(others.size):
            h = 1e-5 * np.eye(others.size)[i]
            up, down = (sliced.value_and_gradient(others + d, e)[0] for d in (h, -h))
            assert gradient[i] == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-4)
        x = sliced.full(others, e)
        assert ENDS.excess(sliced.named(x)) == pytest.approx(e, abs=1e-12)
        assert np.isfinite(value)
    scores, own = sliced.scores(others, 0.5)
    assert scores.shape == (BLOCKS, others.size)
    up, down = (density.value_and_blocks(sliced.full(others, e))[1]["z"] for e in (0.501, 0.499))
    assert own == pytest.approx((up - down) / 0.002, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("spread", [1.0, 3.0])
def test_scaling_is_the_share_of_the_information_that_the_blocks_bear_out(spread):
    """Data that vary `spread` times as much as stated: 1 / spread, but for the error of a variance
    of 100 blocks.
    """
    found = []
    for seed in range(4):
        model, _, _ = triangle(0.4, 0.7, 0.03, 0.05, spread=spread, seed=seed)
        density, mode, covariance = at_mode(model)
        measured = mode_covariance.covariance_of_mode(density, mode, covariance, [])
        moved, share_real = natural.calibrated(ENDS, density.names, mode, measured, [])
        found.append(share_real * spread)
        assert np.linalg.eigvalsh(moved.covariance)[0] > 0
    # the calibrated variance is that of Student's t of a hundred blocks, 2% wider
    assert np.mean(found) == pytest.approx(0.98, abs=3 * np.sqrt(2 / BLOCKS / 4))


@pytest.mark.parametrize("spread", [1.0, 3.0])
def test_scaling_of_a_mode_against_an_end_is_that_of_the_others_there(monkeypatch, spread):
    """f is observed far below |u|: its curvature there is not asked."""
    monkeypatch.setattr(points, "ends_of", lambda bound: ENDS)
    model, _, _ = triangle(0.5, -0.2, 0.03, 0.1, spread=spread)
    density, mode, covariance = at_mode(model)
    measured = mode_covariance.covariance_of_mode(density, mode, covariance, [])
    assert natural.calibrated(ENDS, density.names, mode, measured, [])[1] is None
    _, found = points.of_mode(density, None, mode, covariance, measured, [], "jackknife", True)
    # two parameters, a variance of 100 blocks each
    assert found.scaling * spread == pytest.approx(1, abs=3 * np.sqrt(2 / BLOCKS / 2))


def test_calibration_on_the_natural_scale_is_that_of_a_model_of_natural_coordinates():
    """The likelihood is normal in (u, f, a): the posterior's variance of f is that of the observed
    mean and of the uniform prior, of variance (1 - u)^2 / 12.
    """
    model, _, cov = triangle(0.4, 0.7, 0.02, 0.04)
    density, mode, covariance = at_mode(model)
    measured = mode_covariance.covariance_of_mode(density, mode, covariance, [])
    moved, _ = natural.calibrated(ENDS, density.names, mode, measured, [], "sandwich")
    slope = natural.gradient_of(ENDS.natural, density.names, mode)
    expected = 1 / (1 / cov[1, 1] + 12 / (1 - 0.4) ** 2)
    assert slope @ moved.raw @ slope == pytest.approx(expected, rel=0.02)


def test_a_fit_says_both_statements_with_their_factors_and_draws_the_mixture(monkeypatch):
    monkeypatch.setattr(points, "ends_of", lambda bound: ENDS)
    model, _, _ = triangle(0.4, 0.5, 0.05, 0.12, seed=3)
    fit = bm.fit(model, draws=400, progress=False)
    group, draws = fit["share"].to_dataset(), fit["posterior"].to_dataset()
    for name in ("beyond", "less"):
        factor = 10 ** float(group[f"log10_bf_{name}"])
        assert float(group[f"p_{name}"]) == pytest.approx(factor / (1 + factor))
    assert group.attrs["prior"] == 0.5 and json.loads(group.attrs["claims"])["less"] == "f below 1"
    f = draws["f"].values.ravel()
    x = fit["unconstrained_posterior"]["x"].values.ravel()
    at_low = np.isclose(f, np.abs(np.tanh(x)), rtol=1e-9)
    assert at_low.mean() == pytest.approx(float(group["p_model"][0]), abs=2 / f.size)
    assert (f == 1).mean() == pytest.approx(float(group["p_model"][2]), abs=2 / f.size)
    assert (f >= np.abs(np.tanh(x)) - 1e-12).all() and (f <= 1).all()
    raw = fit["uncalibrated_posterior"]["f"].values
    assert not np.isclose(raw, 1).any()
    again = bm.calibrate(fit, model=model, covariance="sandwich", progress=False)
    assert again["share"]["p_beyond"].item() == pytest.approx(group["p_beyond"].item(), abs=0.05)


def test_the_bootstrap_of_blocks_scatters_the_excess_as_repeated_data_do():
    """The referee: sd of the largest likelihood's place over resampled blocks against its sd over
    data sets, far from the ends.
    """
    model, _, cov = triangle(0.4, 0.7, 0.02, 0.05)
    _, _, _, found = three(model)
    sd = found.bootstrap(0).std()
    u, f = 0.4, 0.7
    slope = np.array([-(1 - f) / (1 - u) ** 2, 1 / (1 - u)])
    assert sd == pytest.approx(np.sqrt(slope @ cov[:2, :2] @ slope), rel=0.2)
