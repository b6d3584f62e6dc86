"""A posterior that may lie at an end of a parameter's range: three models (the low end, between,
the high end), their probabilities and Bayes factors, and draws of their mixture.

Under a continuous prior "not at the end" is true whatever the data, so each end gets a mass: 1/2 in
its own question, the only one with a guarantee (P(BF >= 19) <= 1/19 where the end is true: Markov's
inequality), 1/3 where the three are mixed. The likelihood is composite: log L(e) less its maximum
is multiplied by the share of its information on e that is real (Chandler & Bate 2007, Biometrika
94:167), a number that `natural.calibrated` gives at a mode between the ends; where the mode leans
against an end, it is the share of the information on the other parameters there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from scipy.interpolate import CubicSpline
from scipy.special import stdtr

from bayesmixer.bound import Bound
from bayesmixer.card import Ends
from bayesmixer.inference.density import Array, LogDensity
from bayesmixer.inference.ends import Along, Local, marginal_along
from bayesmixer.inference.find_map import covariance_of
from bayesmixer.inference.mode_covariance import Calibration, affine, from_information
from bayesmixer.inference.natural import calibrated
from bayesmixer.jackknife import Influence, spread

ABOVE = 0.1  # excess that counts as more than little
FINE = 4001  # places at which densities are read off
REPLICATES = 1000  # of the bootstrap


@dataclass(frozen=True)
class Points:
    """The three models of a fit.

    Attributes
    ----------
    ends, along
        What they are, and their marginal likelihood.
    scaling
        Share of the information on the excess that is real.
    covariances
        (P - 1, P - 1) of the others at the low and at the high end.
    """

    ends: Ends
    along: Along
    scaling: float
    covariances: tuple[Array, Array]

    @property
    def log_scaled(self) -> Array:
        """(S,) log L, its maximum taken off, scaled."""
        value = self.along.log_marginal
        return np.asarray(self.scaling * (value - value.max()))

    @property
    def between(self) -> tuple[Array, Array]:
        """Places (T,) and the scaled L there."""
        e = np.linspace(0.0, 1.0, FINE)
        return e, np.exp(CubicSpline(self.along.excess, self.log_scaled)(e))

    @property
    def log10_bf(self) -> tuple[float, float]:
        """Of between against the low end, and against the high end."""
        mean = np.log(np.trapezoid(self.between[1], self.between[0]))
        return tuple(float((mean - self.log_scaled[i]) / np.log(10)) for i in (0, -1))  # type: ignore[return-value]

    @property
    def shares(self) -> Array:
        """(3,) posterior probability of low, between and high, a third each before."""
        against = -np.array([self.log10_bf[0], 0.0, self.log10_bf[1]])
        weight = 10.0 ** (against - against.max())
        return np.asarray(weight / weight.sum())

    def excesses(self, count: int) -> Array:
        """So many quantiles, evenly spaced, of the excess between the ends."""
        e, density = self.between
        below = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
        inside = np.interp((np.arange(count) + 0.5) / count * below[-1], below, e)
        return np.asarray(np.clip(inside, 1e-9, 1 - 1e-9))

    def mixed(
        self, draws: Array, names: list[str], mode: Array, found: Calibration, seed: int
    ) -> Array:
        """Draws (chain, draw, P) of the model between the ends as draws of the mixture.

        The others are calibrated about the mode; the parameter goes, in its order, to the
        quantiles of the scaled marginal likelihood. At random places draws of the ends take theirs.
        """
        at = names.index(self.ends.parameter)
        rest, shape = np.delete(np.arange(mode.size), at), draws.shape
        pair = np.ix_(rest, rest)
        flat = draws.reshape(-1, mode.size)
        order = np.argsort(np.argsort(self.ends.excess(_named(flat, names)), kind="stable"))
        out = flat.copy()
        out[:, rest] = affine(flat[:, rest], mode[rest], found.raw[pair], found.covariance[pair])
        out[:, at] = self.ends.place(self.excesses(len(flat))[order], _named(out, names))
        rng = np.random.default_rng(seed)
        # systematic: as near to the probabilities as their number allows
        model = np.searchsorted(
            np.cumsum(self.shares[:2]), (np.arange(len(flat)) + rng.random()) / len(flat)
        )
        rng.shuffle(model)
        sides = ((0, self.ends.low, 0), (2, self.ends.high, -1))
        for which, end, place in sides:
            rows = np.flatnonzero(model == which)
            covariance = self.covariances[0 if which == 0 else 1]
            centre = self.along.slices[place].x[rest]
            root = np.linalg.cholesky(covariance)
            out[rows[:, None], rest] = centre + rng.standard_normal((rows.size, rest.size)) @ root.T
            out[rows, at] = end.at
        return out.reshape(shape)

    def dataset(self, density: LogDensity, seed: int) -> xr.Dataset:
        """The group of the results: docs/reference/data_structures.md."""
        along, ends = self.along, self.ends
        e, scaled = self.between
        height = scaled / np.trapezoid(scaled, e)
        modes = np.stack([one.x for one in along.slices])
        there = density.posterior(modes[None]).isel(chain=0, drop=True).rename(draw="place")
        boot = self.bootstrap(seed)
        out: dict[str, Any] = {
            "excess": ("place", along.excess),
            "log_marginal": ("place", along.log_marginal),
            "log_marginal_scaled": ("place", self.log_scaled),
            "log_likelihood": ("place", np.array([s.loglik.sum() for s in along.slices])),
            "excess_density": ("place", np.interp(along.excess, e, height)),
            "mode": (("place", "parameter"), modes),
            "p_model": ("model", self.shares),
            "scaling": float(self.scaling),
            "p_above": float(np.trapezoid(height[e >= ABOVE], e[e >= ABOVE])),
            "excess_bootstrap": ("replicate", boot),
        }
        for end, value, local, sign in (
            (ends.low, self.log10_bf[0], along.low, 1.0),
            (ends.high, self.log10_bf[1], along.high, -1.0),
        ):
            z, p = score_test(local, sign)
            out |= {
                f"p_{end.statement}": probability(value),
                f"log10_bf_{end.statement}": value,
                f"score_z_{end.statement}": z,
                f"score_p_{end.statement}": p,
            }
        group = there.drop_vars([name for name in out if name in there]).assign(out)
        return (
            group.drop_vars("place", errors="ignore")
            .assign_coords(
                parameter=density.names, model=[ends.low.name, "between", ends.high.name]
            )
            .assign_attrs(
                prior=0.5,
                prior_of_three=1 / 3,
                above=ABOVE,
                prior_above=1 - ABOVE,
                method="Laplace at each place, composite likelihood scaled (Chandler & Bate)",
                claims=json.dumps({one.statement: one.claim for one in (ends.low, ends.high)}),
            )
        )

    def bootstrap(self, seed: int, replicates: int = REPLICATES) -> Array:
        """(R,) places of the largest likelihood, of units drawn anew: the referee of `scaling`.

        The others follow by one Newton step.
        """
        slices = self.along.slices
        units = len(slices[0].loglik)
        rng = np.random.default_rng(seed)
        weight = rng.multinomial(units, np.full(units, 1 / units), size=replicates)
        value = np.empty((replicates, len(slices)))
        hessian = self.along.best.others.hessian
        for i, one in enumerate(slices):
            pull = (weight - 1) @ one.scores
            value[:, i] = weight @ one.loglik + 0.5 * np.einsum(
                "rp,rp->r", pull, np.linalg.solve(hessian, pull.T).T
            )
        e = np.linspace(0.0, 1.0, 1001)
        return np.asarray(e[np.argmax(CubicSpline(self.along.excess, value, axis=1)(e), axis=1)])


def of_mode(
    density: LogDensity,
    bound: Bound | None,
    mode: Array,
    raw: Array,
    found: Calibration | None,
    at_bound: list[str],
    covariance: str,
    wanted: bool,
    show: bool | None = None,
) -> tuple[Calibration | None, Points | None]:
    """The calibration `found` at a mode on the natural scale of the parameter whose ends are
    models, where there is one, and if `wanted` those models.

    Parameters
    ----------
    density, mode, raw, at_bound, covariance
        As of `covariance_of_mode`.
    bound
        The model, whose wing is asked.
    found
        None where nothing is calibrated: the likelihood is then taken as it is.
    wanted
        Whether the ends are evaluated: a hundred gradients.
    show
        Progress bar.
    """
    ends, scaling, scaled = ends_of(bound), None, found is not None
    if ends is None:
        return found, None
    if found is not None:
        found, scaling = calibrated(ends, density.names, mode, found, at_bound, covariance, bound)
    if not wanted:
        return found, None
    path = marginal_along(density, ends, mode, raw, show)
    if scaling is None:
        best = path.excess[np.argmax(path.log_marginal)]
        scaling = (path.low if best < 0.5 else path.high).share if scaled else 1.0
    return found, points_of(ends, path, scaling, density.names, covariance, bound)


def calibrated_apart(three: Points | None) -> str:
    """The parameter that the affine map leaves to the marginal likelihood; "" for none."""
    return "" if three is None else three.ends.parameter


def ends_of(bound: Bound | None) -> Ends | None:
    """What the wing of a model says of a parameter whose ends are models; None where nothing."""
    find = None if bound is None else bound.card.ask("ends")
    found: Ends | None = None if find is None else find(bound)
    return found


def points_of(
    ends: Ends,
    along: Along,
    scaling: float,
    names: list[str],
    covariance: str = "jackknife",
    bound: Bound | None = None,
) -> Points:
    """The three models, the others calibrated at either end as at the mode.

    Parameters
    ----------
    ends, along
        The parameter's ends, and the marginal likelihood from one to the other.
    scaling
        Share of the information on the excess that is real.
    names
        Of all parameters.
    covariance, bound
        As of `covariance_of_mode`.
    """
    others = [name for name in names if name != ends.parameter]

    def at(local: Local) -> Array:
        raw = covariance_of(local.others.hessian)
        found = from_information(local.others, raw, others, [], covariance, bound)
        return raw if isinstance(found, str) else found.covariance

    return Points(ends, along, scaling, (at(along.low), at(along.high)))


def probability(log10_bf: float) -> float:
    """BF / (1 + BF): of a statement that had 1/2 before."""
    return float(1 / (1 + 10.0 ** -np.clip(log10_bf, -300, 300)))


def score_test(local: Local, sign: float) -> tuple[float, float]:
    """Score of leaving an end over its standard deviation by units, positive where the data favour
    it, and its one-sided p-value by Student's t on the effective number of units: half a chi-square
    of 1 degree of freedom and half of 0 of its square.
    """
    parts = local.score
    z = sign * float(parts.sum()) / max(float(np.sqrt(spread(parts[:, None])[0, 0])), 1e-300)
    freedom = max(float(Influence(parts[:, None]).effective[0]), 2.0)
    return z, float(stdtr(freedom, -z))


def _named(x: Array, names: list[str]) -> dict[str, Array]:
    return dict(zip(names, np.moveaxis(x, -1, 0), strict=True))
