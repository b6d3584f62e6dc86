"""The calibrated posterior of LD score regression on its natural scale: prior times Student's t of
the estimates of h2, genetic covariance and intercepts, V their jackknife by LD block, cut to h2 > 0
and |rg| < 1.

The estimator is the mode of the composite likelihood without bounds (the regression iterated to its
end), which is near normal on this scale at any heritability; on the scales of log h2 and atanh rg
zero and one are infinitely far, and no covariance there tells how far from them the truth may be.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import stdtr, stdtrit

from bayesmixer.jackknife import Estimate
from bayesmixer.ldsc.cards import LOG_INTERCEPT
from bayesmixer.ldsc.regression import Array
from bayesmixer.mixer.heritability import quantiles as quantiles_of_h2
from bayesmixer.pair.cards import ATANH_RHO_0
from bayesmixer.pair.chart import MOST_RHO_0

PROPOSALS = 5_000


@dataclass(frozen=True)
class Natural:
    """Estimates of one trait or two, and their posterior.

    Attributes
    ----------
    joint
        h2 (k), genetic covariance where k = 2, intercepts (k), their covariance where k = 2.
    traits
        k, 1 or 2.
    """

    joint: Estimate
    traits: int

    @cached_property
    def freedom(self) -> float:
        """Of Student's t: the effective number of LD blocks, of the estimate that has fewest."""
        most = self.traits * (self.traits + 1) // 2
        return max(float(self.joint.influence.effective[:most].min()) - 1, 2.0)

    @cached_property
    def _with_prior(self) -> tuple[Array, Array]:
        """Estimates and V, the priors of the intercepts in them, as normal laws."""
        value, v = self.joint.value, self.joint.covariance
        k = self.traits
        first = k * (k + 1) // 2
        precision, centre = np.zeros(len(value)), value.copy()
        at = value[first : first + k]
        precision[first : first + k] = (LOG_INTERCEPT.weak.numbers[1] * at) ** -2.0
        centre[first : first + k] = 1.0
        if k == 2:
            precision[-1] = 1 / (ATANH_RHO_0.weak.numbers[1] ** 2 * at[0] * at[1])
            centre[-1] = 0.0
        gain = v @ np.linalg.inv(np.eye(len(v)) + precision[:, None] * v)
        out = gain.T  # (V^-1 + Q)^-1, symmetric up to rounding
        return value + out @ (precision * (centre - value)), (out + out.T) / 2

    def draws(self, count: int, rng: np.random.Generator) -> Array:
        """(count, P) draws, in the order of `joint`."""
        h = self._heritabilities(count, rng)
        if self.traits == 2:
            h = np.column_stack([h, self._covariance_given(h).drawn(rng)])
        rest = self._given(h)
        centre, scale = rest.centre, rest.scale
        freedom = self.freedom + h.shape[1]
        normal = rng.standard_normal((len(h), scale.shape[-1]))
        spread = np.sqrt(rest.factor * freedom / rng.chisquare(freedom, len(h)))
        noise = centre + spread[:, None] * (normal @ np.linalg.cholesky(scale).T)
        b = np.maximum(noise[:, : self.traits], 0.05)
        if self.traits == 2:
            most = 0.999 * MOST_RHO_0 * np.sqrt(b.prod(axis=1))
            b = np.column_stack([b, np.clip(noise[:, 2], -most, most)])
        return np.column_stack([h, b])

    def _heritabilities(self, count: int, rng: np.random.Generator) -> Array:
        """(count, k) of h2, by importance: each by itself, weighed by how they go together and by
        the share of genetic covariances that |rg| < 1 allows.
        """
        value, v = self._with_prior
        k = self.traits
        size = count if k == 1 else max(PROPOSALS, 10 * count)
        places = [(rng.permutation(size) + rng.random(size)) / size for _ in range(k)]
        h = np.column_stack(
            [
                quantiles_of_h2(float(value[i]), float(np.sqrt(v[i, i])), self.freedom, places[i])
                for i in range(k)
            ]
        )
        if k == 1:
            return h
        away = h - value[:2]
        alone = away**2 / np.diag(v)[:2]
        both = np.einsum("si,ij,sj->s", away, np.linalg.inv(v[:2, :2]), away)
        log_weight = (
            -0.5 * (self.freedom + 2) * np.log1p(both / self.freedom)
            + 0.5 * (self.freedom + 1) * np.log1p(alone / self.freedom).sum(axis=1)
            + self._covariance_given(h).log_share
        )
        weight = np.exp(log_weight - log_weight.max())
        total = np.cumsum(weight)
        # systematic: as few repeats as the weights allow
        rows = np.searchsorted(total, (np.arange(count) + rng.random()) / count * total[-1])
        return np.asarray(rng.permutation(h[np.minimum(rows, size - 1)]))

    def _given(self, first: Array, upto: int | None = None) -> Conditional:
        """The estimates behind the first ones, given these (S, q), up to place `upto`."""
        value, v = self._with_prior
        q = first.shape[1]
        slope = np.linalg.solve(v[:q, :q], v[:q, q:upto])
        away = first - value[:q]
        distance = np.einsum("si,ij,sj->s", away, np.linalg.inv(v[:q, :q]), away)
        return Conditional(
            value[q:upto] + away @ slope,
            v[q:upto, q:upto] - v[q:upto, :q] @ slope,
            (self.freedom + distance) / (self.freedom + q),
        )

    def _covariance_given(self, h: Array) -> Between:
        """Genetic covariance given the heritabilities (S, 2), with rg uniform."""
        given = self._given(h, 3)
        sd = np.sqrt(given.scale[0, 0] * given.factor)
        return Between(given.centre[:, 0], sd, np.sqrt(h.prod(axis=1)), self.freedom + 2)

    def moved(self, draws: Array, names: list[str], seed: int = 0) -> Array:
        """Draws (.., P) of the model's parameters, replaced."""
        k = self.traits
        made = self.draws(int(np.prod(draws.shape[:-1])), np.random.default_rng(seed))
        if k == 1:
            columns = {"log_h2": np.log(made[:, 0]), "log_intercept": np.log(made[:, 1])}
        else:
            h, rho, b, c = made[:, :2], made[:, 2], made[:, 3:5], made[:, 5]
            columns = {f"log_h2[{i}]": np.log(h[:, i]) for i in (0, 1)}
            columns |= {f"log_intercept[{i}]": np.log(b[:, i]) for i in (0, 1)}
            rg = np.clip(rho / np.sqrt(h.prod(axis=1)), -1 + 1e-9, 1 - 1e-9)
            columns["atanh_rg"] = np.arctanh(rg)
            columns["atanh_rho_0"] = np.arctanh(c / np.sqrt(b.prod(axis=1)) / MOST_RHO_0)
        if set(columns) != set(names):  # some are held
            return draws
        out = np.column_stack([columns[name] for name in names])
        return np.asarray(out.reshape(draws.shape))


@dataclass(frozen=True)
class Conditional:
    """Student's t given other estimates: centres (S, q), scale (q, q) and its factor (S,)."""

    centre: Array
    scale: Array
    factor: Array


@dataclass(frozen=True)
class Between:
    """Student's t of centre (S,) and scale (S,) between -most and most (S,)."""

    centre: Array
    sd: Array
    most: Array
    freedom: float

    @cached_property
    def _tails(self) -> tuple[Array, Array, Array]:
        """Signs (S,) and P below either end, on the side where these are small numbers."""
        sign = np.where(self.centre > 0, 1.0, -1.0)
        low, high = ((e * self.most - sign * self.centre) / self.sd for e in (-1, 1))
        return sign, stdtr(self.freedom, low), stdtr(self.freedom, high)

    @property
    def log_share(self) -> Array:
        """(S,) log of the probability between, over the length."""
        _, low, high = self._tails
        return np.asarray(np.log(np.maximum(high - low, 1e-300) / self.most))

    def drawn(self, rng: np.random.Generator) -> Array:
        """(S,) draws."""
        sign, low, high = self._tails
        place = low + (high - low) * rng.random(len(low))
        x = sign * (np.abs(self.centre) + self.sd * stdtrit(self.freedom, place))
        return np.asarray(np.clip(x, -self.most, self.most))
