"""Marginal likelihood along a parameter whose ends are models of their own (`card.Ends`), both ends
included: at each place between them the other parameters are integrated out by Laplace.

With e the parameter's place, uniform under its prior, L(e) = integral of p(D | theta, e) p(theta)
over the others, so that the integral of L over e is the evidence of the model between the ends, and
L(0), L(1) are the evidences of the ends themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesmixer.card import Ends
from bayesmixer.inference.ascent import ascend
from bayesmixer.inference.density import Array, LogDensity
from bayesmixer.inference.find_map import covariance_of
from bayesmixer.inference.information import Information
from bayesmixer.progress import track

PLACES = (0.0, 0.04, 0.12, 0.25, 0.4, 0.55, 0.7, 0.82, 0.92, 1.0)
AROUND = (-2.5, -1.0, 0.0, 1.0, 2.5)  # standard deviations from the mode, where places are added
LEAST_GAP = 0.012
EDGE = 1e-3  # place at which derivatives of an end are taken
GAIN = 5e-4  # of log-likelihood, left where a climb rests
# of a posterior sd: where the height has a kink a |x| at its top, the curvature by central
# differences so wide is that whose Laplace integral is true to first order in a (E|x| = 0.8 sd)
STEP = 0.6
LONGEST_STEP = 0.1
_DIFFERENCE = 1e-5


class Held(LogDensity):
    """The density of a model without the prior of one parameter.

    Parameters
    ----------
    density
        The model's own density, whose compiled scores serve here too.
    parameter
        Name of the parameter.
    """

    def __init__(self, density: LogDensity, parameter: str) -> None:
        super().__init__(density.model)
        self.need_units()
        self.whole, self.parameter = density, parameter

    def log_prior_of_all(self) -> Any:
        """Prior of the other parameters, as a graph."""
        others = [rv for rv in self.model.free_RVs if rv.name != self.parameter]
        return self.model.logp(vars=others)

    def log_posterior(self) -> Any:
        """Likelihood and the prior of the others, as a graph."""
        return self.log_prior_of_all() + sum(v.sum() for v in self.log_likelihoods())

    def prior_gradient(self, x: Array) -> Array:
        """Gradient of the others' prior (P,)."""
        return np.asarray(self._prior_gradient(x))


@dataclass(frozen=True)
class Slice:
    """A place between the ends: the others at their best there.

    Attributes
    ----------
    excess
        The place, 0 to 1.
    x
        (P,) all parameters.
    height
        Likelihood times the others' prior, its log.
    loglik
        (L,) log-likelihood by unit.
    scores
        (L, P - 1) its gradient in the others, the place held.
    """

    excess: float
    x: Array
    height: float
    loglik: Array
    scores: Array


@dataclass(frozen=True)
class Local:
    """Information at a place: that of the others, and the efficient score of leaving it.

    Attributes
    ----------
    others
        Of the P - 1 other parameters.
    score
        (L,) derivative of the log-likelihood of each unit in the place, less what the others
        explain of it.
    """

    others: Information
    score: Array

    @property
    def log_determinant(self) -> float:
        """Of the others' negative Hessian, positive in every direction."""
        return -float(np.linalg.slogdet(covariance_of(self.others.hessian))[1])

    @property
    def share(self) -> float:
        """Of the information on the others that is real, on average: P / tr(H^-1 J), the prior's
        part in both (Pace, Salvan & Sartori 2011, Statistica Sinica 21:129).
        """
        info = self.others
        ratio = np.linalg.solve(info.hessian, info.variability + info.prior)
        return float(len(ratio) / np.trace(ratio))


@dataclass(frozen=True)
class Along:
    """The marginal likelihood along a parameter.

    Attributes
    ----------
    slices
        From the low end to the high end.
    log_marginal
        (S,) log L of each.
    low, best, high
        Information at both ends and where L is largest.
    """

    slices: list[Slice]
    log_marginal: Array
    low: Local
    best: Local
    high: Local

    @property
    def excess(self) -> Array:
        """(S,) places."""
        return np.array([one.excess for one in self.slices])


class Sliced:
    """A density as a function of the other parameters and the place of one.

    Parameters
    ----------
    density
        The model's own density.
    ends
        The parameter and its ends.
    """

    def __init__(self, density: LogDensity, ends: Ends) -> None:
        self.held, self.ends = Held(density, ends.parameter), ends
        self.at = density.names.index(ends.parameter)
        self.rest = np.delete(np.arange(density.size), self.at)
        self.box = density.box[self.rest]

    def named(self, x: Array) -> Mapping[str, Any]:
        """Parameters (..., P) by name."""
        return dict(zip(self.held.names, np.moveaxis(x, -1, 0), strict=True))

    def full(self, others: Array, e: float) -> Array:
        """(..., P) parameters of others (..., P - 1) and a place."""
        x = np.empty((*others.shape[:-1], others.shape[-1] + 1))
        x[..., self.rest], x[..., self.at] = others, 0.0
        end = self.ends.low if e <= 0 else self.ends.high if e >= 1 else None
        x[..., self.at] = self.ends.place(e, self.named(x)) if end is None else end.at
        return x

    def slope(self, others: Array, e: float) -> tuple[Array, float]:
        """Derivatives of the parameter in the others (P - 1,) and in the place."""
        if not 0 < e < 1:
            return np.zeros(others.size), 0.0
        step = _DIFFERENCE * np.eye(others.size)
        value = self.full(np.concatenate([others + step, others - step]), e)[:, self.at]
        by_others = (value[: others.size] - value[others.size :]) / (2 * _DIFFERENCE)
        h = 1e-3 * min(e, 1 - e)
        above, below = (self.full(others, p)[self.at] for p in (e + h, e - h))
        return by_others, float(above - below) / (2 * h)

    def value_and_gradient(self, others: Array, e: float) -> tuple[float, Array]:
        """Log density and its gradient (P - 1,), the place held."""
        value, gradient, _ = self.slopes(others, e)
        return value, gradient

    def slopes(self, others: Array, e: float) -> tuple[float, Array, float]:
        """Log density and its derivatives in the others (P - 1,) and in the place."""
        value, gradient = self.held.value_and_gradient(self.full(others, e))
        by_others, by_place = self.slope(others, e)
        along = float(gradient[self.at])
        return value, gradient[self.rest] + along * by_others, along * by_place

    def scores(self, others: Array, e: float) -> tuple[Array, Array]:
        """Scores by unit in the others (L, P - 1) and in the place (L,)."""
        scores = self.held.whole.scores(self.full(others, e))[0]
        by_others, by_place = self.slope(others, e)
        own = scores[:, self.at]
        return scores[:, self.rest] + own[:, None] * by_others, own * by_place

    def climb(self, others: Array, e: float, inverse: Array) -> tuple[Array, float]:
        """The others at their best at a place, and the log density there; `inverse` (P - 1, P - 1)
        is about their covariance.
        """
        found = ascend(lambda x: self.value_and_gradient(x, e), others, self.box, inverse, GAIN)
        return found.x, found.value + (found.left if found.left < GAIN else 0.0)

    def local(self, others: Array, e: float, sd: Array) -> Local:
        """Information at a place, by central differences of the gradient: 2 P - 1 evaluations.

        Curvature is that of all units together: at a kink those of single units jump, and only
        their sum is flat.
        """
        scores, own = self.scores(others, e)
        columns, across, prior = [], [], []
        for i, h in enumerate(np.clip(STEP * sd, 1e-4, LONGEST_STEP)):
            step = np.zeros(others.size)
            step[i] = h
            ends = others - step, others + step
            (_, low, low_own), (_, high, high_own) = (self.slopes(x, e) for x in ends)
            columns.append((low - high) / (2 * h))
            across.append((low_own - high_own) / (2 * h))
            low, high = (self.held.prior_gradient(self.full(x, e))[self.rest] for x in ends)
            prior.append((low - high) / (2 * h))
        whole, q = np.stack(columns, -1), np.stack(prior, -1)
        units = np.flatnonzero((scores != 0).any(1))
        curvature = whole - q
        info = Information(scores[units], (curvature + curvature.T) / 2, (q + q.T) / 2, units)
        explained = np.linalg.solve(info.hessian, np.array(across))
        return Local(info, own[units] - info.scores @ explained)


def marginal_along(
    density: LogDensity, ends: Ends, mode: Array, covariance: Array, show: bool | None = None
) -> Along:
    """The marginal likelihood along a parameter, from its mode to both ends.

    Parameters
    ----------
    density
        Log posterior with a log-likelihood by unit.
    ends
        The parameter and its ends.
    mode, covariance
        (P,), (P, P): where the climbs begin, and the inverse curvature there.
    show
        Progress bar.

    Returns
    -------
    Along

    Raises
    ------
    InputError
        The model has no log-likelihood by unit.
    """
    sliced = Sliced(density, ends)
    gradient = _gradient(ends.excess, sliced, mode)
    rest, here = sliced.rest, float(ends.excess(sliced.named(mode)))
    to_place = (covariance @ gradient)[rest]
    variance = max(float(gradient @ covariance @ gradient), 1e-12)
    inside = covariance[np.ix_(rest, rest)] - np.outer(to_place, to_place) / variance
    inverse = covariance_of(covariance_of(inside, 1e-9), 1e-3)
    slope = to_place / variance
    places = _places(here, float(np.sqrt(variance)))
    middle = int(np.argmin(np.abs(places - here)))
    found: dict[int, tuple[Array, float]] = {}
    order = [*range(middle, places.size), *range(middle - 1, -1, -1)]
    for i in track(order, f"marginal likelihood along {ends.group}", show=show):
        known = [(j, found[j][0]) for j in (i - 1, i + 1, i - 2, i + 2) if j in found]
        others = mode[rest] + slope * (places[i] - here)
        if len(known) > 1:  # on along the line of the last two
            (j, near), (k, far) = known[:2]
            others = near + (near - far) * (places[i] - places[j]) / (places[j] - places[k])
        elif known:
            others = known[0][1] + slope * (places[i] - places[known[0][0]])
        found[i] = sliced.climb(others, float(places[i]), inverse)
    height = np.array([found[i][1] for i in range(places.size)])
    sd = np.sqrt(np.diag(inverse))
    top = int(np.argmax(height))
    at = {0: EDGE, places.size - 1: 1 - EDGE, top: float(np.clip(places[top], EDGE, 1 - EDGE))}
    local = {i: sliced.local(found[i][0], e, sd) for i, e in at.items()}
    knots = sorted(local)
    log_determinant = _through(
        places[knots], np.array([local[i].log_determinant for i in knots]), places
    )
    constant = 0.5 * rest.size * np.log(2 * np.pi)
    slices = []
    for i, e in enumerate(places):
        x = sliced.full(found[i][0], float(e))
        loglik = sum(density.value_and_blocks(x)[1].values())
        scores = sliced.scores(found[i][0], float(e))[0]
        slices.append(Slice(float(e), x, height[i], np.asarray(loglik), scores))
    return Along(
        slices,
        height + constant - 0.5 * log_determinant,
        local[0],
        local[top],
        local[places.size - 1],
    )


def _places(here: float, sd: float) -> Array:
    """Places from 0 to 1: the usual ones, and some around the mode, none too near another."""
    own = np.array([here + a * sd for a in AROUND])
    wanted = [0.0, 1.0, *own[(own > EDGE) & (own < 1 - EDGE)], *PLACES]
    kept: list[float] = []
    for e in wanted:
        if all(abs(e - other) >= LEAST_GAP for other in kept):
            kept.append(float(e))
    return np.array(sorted(kept))


def _through(knots: Array, values: Array, at: Array) -> Array:
    """The parabola (or line) through knots."""
    return np.asarray(np.polyval(np.polyfit(knots, values, knots.size - 1), at))


def _gradient(function: Any, sliced: Sliced, x: Array) -> Array:
    """Gradient (P,) of a function of the named parameters."""
    step = _DIFFERENCE * np.eye(x.size)
    value = np.asarray(function(sliced.named(np.concatenate([x + step, x - step]))))
    return np.asarray((value[: x.size] - value[x.size :]) / (2 * _DIFFERENCE))
