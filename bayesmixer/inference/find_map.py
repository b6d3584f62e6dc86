"""The mode: trust-region Newton climbs from several starts, every optimum met is kept.

The search is staged (mixer/starts.py); each start is first climbed on thinned data, whose curvature
then conditions the climb on all of it. On the way the curvature is corrected by the gradients met
(symmetric rank one: Nocedal & Wright 2006, Numerical Optimization, 6.2); at its end it is computed.
Convergence is judged by the Newton decrement g' H^-1 g / 2 of that, the gain that is still to be
had, in log-likelihood units.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from bayesmixer.inference.density import Array, LogDensity
from bayesmixer.inference.information import Information, information
from bayesmixer.models.common import origin_of

DECREMENT = 1e-6  # log-likelihood units left to gain at a mode
WALL = 1e4  # curvature of the wall around the search box
STEEP = 1e12  # of the gradient: beyond, a point is as good as one without a density
BESIDE = 1e-3  # squared standard deviations, to where a mode's information is still its own
NEARLY = 0.03  # left where Newton steps do as well without a trust region
LEARNED = 1e-8  # left by the curvature learned where the exact one is computed
JITTER = 1e-3  # of values: the place of a likelihood's nodes follows its parameters
LONGEST = 2.0  # units of a Newton step: far corners of the box can take minutes to evaluate
SHORT = 1e-3  # of a standard deviation: from shorter steps no curvature is learned


@dataclass
class Optimum:
    """One mode: where, how high, the curvature there, and how it was reached; `information` where
    the search was asked for it and its curvature is that.
    """

    x: Array
    log_posterior: float
    gradient: Array
    hessian: Array
    decrement: float
    converged: bool
    at_bound: list[str]
    start: Array
    evaluations: int
    information: Information | None = None


def _stands(value: float, gradient: Array) -> bool:
    return bool(np.isfinite(value) and np.abs(gradient).max() < STEEP)


def climbable(density: LogDensity, x: Array, bounds: Array) -> bool:
    """Whether a search may begin at x (P,), brought into the box (P, 2)."""
    return _stands(*density.value_and_gradient(np.clip(x, *bounds.T)))


@dataclass
class Modes:
    """All optima met, best first; `best` is the estimate."""

    best: Optimum
    all: list[Optimum] = field(default_factory=list)


class Walled:
    """Negative log density, continued quadratically outside a box so that no step can overflow,
    and rising beyond the strongest effects.
    """

    def __init__(self, density: LogDensity, bounds: Array) -> None:
        self.density, self.low, self.high = density, bounds[:, 0], bounds[:, 1]
        self.met: tuple[Array, Array] | None = None  # the last point, and its gradient
        bound = origin_of(density.model)
        limit = None if bound is None else bound.card.ask("ceiling")
        self.limit = None if limit is None else limit(bound, density.names)

    def strength(self, x: Array) -> tuple[float, Array]:
        """How far beyond the wing's limit a point lies (negative: within), and the gradient."""
        return (-np.inf, np.zeros(x.size)) if self.limit is None else self.limit(x)

    def __call__(self, x: Array) -> tuple[float, Array]:
        """Value and gradient of minus the walled log density."""
        inside = np.clip(x, self.low, self.high)
        value, gradient = self.density.value_and_gradient(inside)
        out = x - inside
        if not _stands(value, gradient):
            return STEEP + WALL * float(out @ out), WALL * out
        self.met = inside, gradient
        slope = np.where(out == 0, -gradient, WALL * out)
        over, up = self.strength(inside)
        over = max(over, 0.0)
        return -value + 0.5 * WALL * (float(out @ out) + over**2), slope + WALL * over * np.where(
            out == 0, up, 0.0
        )

    def curvature(self, x: Array) -> Array:
        """Of the rise beyond the strongest effects, (P, P)."""
        up = self.strength(x)[1]
        return WALL * np.outer(up, up) if self.side(x) >= 0 else np.zeros((x.size, x.size))

    def side(self, x: Array) -> int:
        """-1 where effects are weaker than the strongest, 0 at it, 1 beyond."""
        over = self.strength(x)[0]
        return int(over > -0.01) + int(over > 0.01) - 1

    def free(self, x: Array, near: NDArray[np.bool_]) -> Array:
        """Orthonormal directions (P, F) that stay within box and strength."""
        up = self.strength(x)[1][~near]
        kept = np.eye(x.size)[:, ~near]
        return (
            kept
            if self.side(x) < 0 or not up.any()
            else np.asarray(kept @ np.linalg.svd(up[None])[2][1:].T)
        )


def hessian(density: LogDensity, x: Array, step: Array) -> Array:
    """Negative Hessian (P, P) by central differences of the exact gradient, of shorter steps where
    the density ends (a share below 0).
    """
    rows = []
    for i, h in enumerate(step):
        for shorter in (1.0, 0.1, 0.01):
            e = np.zeros(x.size)
            e[i] = shorter * h
            low, high = (density.value_and_gradient(at) for at in (x - e, x + e))
            if _stands(*low) and _stands(*high):
                break
        rows.append((low[1] - high[1]) / (2 * e[i]))
    out: Array = np.array(rows)
    return np.asarray((out + out.T) / 2)


def covariance_of(h: Array, floor: float = 0.05) -> Array:
    """Inverse of `h` with its eigenvalues raised to `floor`: a direction the data leave open gets a
    standard deviation of 1 / sqrt(floor).
    """
    value, vector = np.linalg.eigh(np.where(np.isfinite(h), h, 0.0))
    out = (vector / np.maximum(value, floor)) @ vector.T
    return np.asarray((out + out.T) / 2)


class Curvature:
    """Negative Hessian along a climb: `learned` from the gradients met, `exact` where asked.

    Parameters
    ----------
    objective
        What is climbed.
    bounds
        (P, 2) search box.
    start
        (P,) where it begins.
    rough
        (P, P) Hessian of thinned data there; None to begin with an exact one.
    informed
        Whether the exact one is `information`'s, by unit.
    """

    def __init__(
        self,
        objective: Walled,
        bounds: Array,
        start: Array,
        rough: Array | None,
        informed: bool = False,
    ) -> None:
        self.objective, self.density, self.bounds = objective, objective.density, bounds
        self.informed, self.learns = informed, True
        self.information: Information | None = None
        self.at: Array | None = None
        self.last: tuple[Array, Array] | None = None
        self.value = self.computed = np.eye(start.size)
        self.spread = np.full(start.size, 0.3)
        if rough is None:
            self.exact(start)
        else:
            self._is(rough)

    def _is(self, value: Array) -> None:
        self.value, self.spread = value, np.sqrt(np.diag(covariance_of(value, 1.0)))

    def __call__(self, x: Array) -> Array:
        """What the optimiser may use at x, where it has just been."""
        if self.learns and self.objective.met is not None:
            self.learned(*self.objective.met)
        return (self.value if self.learns else self.exact(x)) + self.objective.curvature(x)

    def learned(self, x: Array, gradient: Array) -> Array:
        """Corrected by the gradient at x, a step from where it was last asked."""
        if self.last is not None:
            step = x - self.last[0]
            miss = self.last[1] - gradient - self.value @ step
            along = float(miss @ step)
            if (np.abs(step) > SHORT * self.spread).any() and (
                abs(along) > 1e-8 * np.linalg.norm(miss) * np.linalg.norm(step)
            ):
                self._is(self.value + np.outer(miss, miss) / along)
        self.last = x, gradient
        return self.value

    def known(self, x: Array) -> Information | None:
        """Information at x, where it was asked for and the last exact Hessian was computed within
        a thirtieth of a standard deviation.
        """
        move = x - (x if self.at is None else self.at)
        return self.information if move @ self.computed @ move < BESIDE else None

    def exact(self, x: Array, gradient: Array | None = None) -> Array:
        """Of all the data at or near x, whatever the gradient: anew where x is away by a tenth of a
        standard deviation.
        """
        x = np.clip(x, *self.bounds.T)
        move = x - (x if self.at is None else self.at)
        near = (
            0.01 if self.objective.side(x) < 0 else 0.25
        )  # evaluations are dear where effects are strongest, and the place is none to report
        if (
            self.at is None
            or move @ self.computed @ move > near
            or (np.abs(move) > 0.5 * self.spread).any()
        ):
            known = information(self.density, x, self.spread) if self.informed else None
            fresh = (
                hessian(self.density, x, np.clip(0.1 * self.spread, 1e-4, 0.05))
                if known is None
                else known.hessian
            )
            if (
                np.abs(fresh).max() < 1e15
            ):  # never for nan: a point without a gradient must not end the search
                self._is(fresh)
                self.information = known
            self.at, self.computed = x, self.value
        return self.computed


def climb(
    density: LogDensity,
    start: Array,
    bounds: Array,
    rough: Array | None = None,
    informed: bool = False,
) -> Optimum:
    """Climb from one start; where that comes to rest at a fold (`Free.fold`) without a mode, once
    more on either side of it. Parameters as of `_climb`.
    """
    found = _climb(density, start, bounds, rough, informed)
    if found.converged:
        return found
    for i in _at_folds(density, found.x, found.hessian):
        for side in (0, 1):
            half = bounds.copy()
            half[i, side] = density.folds[i]
            one = _climb(density, found.x, half, found.hessian, informed)
            if abs(one.x[i] - density.folds[i]) < 1e-2:  # the fold is no wall
                one.at_bound = [name for name in one.at_bound if name != density.names[i]]
            if (one.converged, one.log_posterior) > (found.converged, found.log_posterior):
                found = replace(one, evaluations=found.evaluations + one.evaluations)
    return found


def _folded(density: LogDensity, x: Array, h: Array, bounds: Array) -> bool:
    """Whether a climb rests at a fold within its box, where exact curvature is no help."""
    near = _at_folds(density, x, h)
    inside = (bounds[near, 0] < density.folds[near]) & (density.folds[near] < bounds[near, 1])
    return bool(inside.any())


def _at_folds(density: LogDensity, x: Array, h: Array) -> NDArray[np.int64]:
    """Entries within a standard deviation of their fold."""
    return np.flatnonzero(np.abs(x - density.folds) < np.sqrt(np.diag(covariance_of(h))))


def _climb(
    density: LogDensity,
    start: Array,
    bounds: Array,
    rough: Array | None = None,
    informed: bool = False,
) -> Optimum:
    """Climb from one start: trust-region Newton steps of at most one unit (a factor e), then the
    decrement.

    Parameters
    ----------
    density
        What to maximise.
    start
        (P,) starting point.
    bounds
        (P, 2) search box.
    rough
        (P, P) Hessian of thinned data near the start, or None.
    informed
        Whether the mode's `information` is wanted: its Hessian is then that.
    """
    before = density.evaluations
    objective = Walled(density, bounds)
    # a margin keeps the start off the wall
    start = np.clip(start, bounds[:, 0] + 1e-3, bounds[:, 1] - 1e-3)
    curvature = Curvature(objective, bounds, start, rough, informed)
    x = start
    for learns in (True, False):  # the second only where the first does not end at a mode
        curvature.learns = learns
        x = np.clip(_ascended(objective, curvature, x), bounds[:, 0], bounds[:, 1])
        value, gradient = density.value_and_gradient(x)
        near = (x - bounds[:, 0] < 1e-2) | (bounds[:, 1] - x < 1e-2)
        free = objective.free(x, near)
        # by what is learned first, so that the exact Hessian is computed where the mode is
        for hessian_at, enough in ((curvature.learned, LEARNED), (curvature.exact, DECREMENT)):
            h = hessian_at(x, gradient)
            for _ in range(8):
                decrement = _decrement(gradient, h, free)
                if decrement < enough:
                    break
                move = free @ (covariance_of(free.T @ h @ free) @ (free.T @ gradient))
                move *= LONGEST / max(np.abs(move).max(), LONGEST)
                trial = np.clip(x + move, bounds[:, 0], bounds[:, 1])
                v, g = density.value_and_gradient(trial)
                better = v >= value - 1e-9 or (
                    v >= value - JITTER and _decrement(g, h, free) < decrement
                )
                if objective.side(trial) != objective.side(x):
                    break
                if not better and hessian_at == curvature.exact:
                    break
                h = hessian_at(trial, g)  # what fails teaches too
                if better:
                    x, value, gradient = trial, v, g
        decrement = _decrement(gradient, h, free)
        if decrement < 100 * DECREMENT or (learns and _folded(density, x, h, bounds)):
            break
    at_bound = [
        name
        for name, hit in zip(density.names, near, strict=True)
        if hit or (objective.side(x) >= 0 and name == getattr(objective.limit, "named", ""))
    ]
    return Optimum(
        x,
        value,
        gradient,
        h,
        decrement,
        bool(decrement < 100 * DECREMENT),
        at_bound,
        start,
        density.evaluations - before,
        curvature.known(x),
    )


def _ascended(objective: Walled, curvature: Curvature, start: Array) -> Array:
    """Where trust-region steps end."""

    def nearly(x: Array) -> None:
        met = objective.met
        if met is None or (met[0] != x).any():
            return
        if _decrement(met[1], curvature(x), np.eye(x.size)) < NEARLY:
            raise StopIteration

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = minimize(
            objective,
            start,
            jac=True,
            hess=curvature,
            method="trust-exact",
            callback=nearly if curvature.learns else None,
            options={
                "gtol": 1e-2,
                "initial_trust_radius": 1.0,
                "max_trust_radius": 2.0,
                "maxiter": 60,
            },
        )
    return np.asarray(found.x)


def _decrement(gradient: Array, h: Array, free: Array) -> float:
    """g' H^-1 g / 2 within the directions (P, F) that do not leave the box."""
    if not free.size:
        return 0.0
    g = free.T @ gradient
    return 0.5 * float(g @ covariance_of(free.T @ h @ free) @ g)


def find_modes(
    density: LogDensity,
    starts: list[Array],
    bounds: Array,
    thinned: LogDensity | None = None,
    informed: bool = False,
) -> Modes:
    """Climb from every start and sort the optima, best first.

    Parameters
    ----------
    density
        What to maximise.
    starts
        Starting points, (P,) each.
    bounds
        (P, 2) search box.
    thinned
        The density of fewer variants with the same total weight, to search on first; None to climb
        on all from the start.
    informed
        As of `climb`.
    """
    seeds: list[tuple[Array, Array | None]] = [(start, None) for start in starts]
    if thinned is not None:
        seeds = []
        for start in starts:
            rough = climb(thinned, start, bounds)
            covariance = covariance_of(rough.hessian)
            if not any(_same(rough.x, x, covariance) for x, _ in seeds):
                seeds.append((rough.x, rough.hessian))
    optima = [climb(density, x, bounds, h, informed) for x, h in seeds]
    optima.sort(key=lambda o: -o.log_posterior)
    return Modes(optima[0], optima)


def _same(x: Array, y: Array, covariance: Array) -> bool:
    """Whether two points are within a fifth of a standard deviation of each other."""
    sd = np.sqrt(np.diag(covariance))
    return bool((np.abs(x - y) <= 0.2 * sd + 1e-6).all())


def distinct(optima: list[Optimum]) -> list[Optimum]:
    """Optima that differ by more than a fifth of a standard deviation, best first."""
    out: list[Optimum] = []
    for o in optima:
        inverse = covariance_of(o.hessian)
        if not any(_same(o.x, kept.x, inverse) for kept in out):
            out.append(o)
    return out
