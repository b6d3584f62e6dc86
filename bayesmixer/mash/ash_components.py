"""Components of adaptive shrinkage around a mode: a point mass, normals, uniforms, and halves of
both; the likelihood of effects under each, and what is left of it given an effect.

A uniform and an error of any distribution leave that distribution, around the estimate, cut to the
uniform's interval; half a normal leaves a normal cut at the mode.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

from bayesmixer.mash.ash_truncated import LOG_2PI, log_density, log_mass, moments

Array = NDArray[np.float64]
LOG_2 = float(np.log(2))

SIDES: dict[str, tuple[int, ...]] = {
    "normal": (0,),
    "half-normal": (-1, 1),
    "uniform": (0,),
    "half-uniform": (-1, 1),
    "+uniform": (1,),
    "-uniform": (-1,),
}
"""Families, and on which sides of the mode (0: on both) each has all scales, in this order."""


class Left(NamedTuple):
    """An effect given its estimate and the component: mean, variance, P(< 0), P(> 0)."""

    mean: Any
    variance: Any
    negative: Any
    positive: Any


@dataclass(frozen=True)
class Components:
    """Scale (0: point mass) and side (component) of each, around one mode."""

    normal: bool
    mode: float
    scale: Array
    side: NDArray[np.int_]

    @property
    def ends(self) -> tuple[Array, Array]:
        """Least and largest effect of each component."""
        wide = np.where(self.scale > 0, np.inf if self.normal else self.scale, 0)
        low = self.mode - np.where(self.side <= 0, wide, 0)
        return low, self.mode + np.where(self.side >= 0, wide, 0)

    def of(self, index: NDArray[np.intp]) -> Components:
        """Some of them."""
        return replace(self, scale=self.scale[index], side=self.side[index])

    def log_likelihood(self, x: Array, s: Array, df: Any = None) -> Array:
        """Of estimates with errors s, normal or t with `df`, (component, effect)."""
        out = np.empty((len(self.scale), len(x)))
        low, high = self.ends
        for i, scale in enumerate(self.scale):
            if scale == 0:
                out[i] = log_density((x - self.mode) / s, df) - np.log(s)
            elif self.normal:
                v = s * s + scale**2
                out[i] = -0.5 * (LOG_2PI + np.log(v) + (x - self.mode) ** 2 / v)
                if self.side[i]:
                    gain = scale / (s * np.sqrt(v))
                    out[i] += LOG_2 + log_ndtr(self.side[i] * gain * (x - self.mode))
            else:
                mass = log_mass((low[i] - x) / s, (high[i] - x) / s, df)
                out[i] = mass - np.log(high[i] - low[i])
        return out

    def left(self, i: int, x: Array, s: Array, df: Any = None) -> Left:
        """Of component i, given estimates."""
        scale = float(self.scale[i])
        if scale == 0:
            one = np.ones(len(x))
            return Left(self.mode * one, 0 * one, (self.mode < 0) * one, (self.mode > 0) * one)
        low, high = (float(end[i]) for end in self.ends)
        if self.normal:
            v = s * s + scale**2
            x = self.mode + scale**2 / v * (x - self.mode)
            s = scale * s / np.sqrt(v)
            if not self.side[i]:
                return Left(x, s * s, ndtr(-x / s), ndtr(x / s))
        lo, hi = (low - x) / s, (high - x) / s
        end, distance, variance = moments(lo, hi, df)
        near = np.where(end == lo, low, high)
        negative, positive = _signs(low, high, x, s, df)
        return Left(near + s * distance, s * s * variance, negative, positive)

    def prior(self, i: int) -> Left:
        """Of component i, without an estimate, (1,)."""
        scale, low, high = (float(v[i]) for v in (self.scale, *self.ends))
        at = np.array([self.mode])
        if scale == 0:
            return Left(at, np.zeros(1), 1.0 * (at < 0), 1.0 * (at > 0))
        if not self.normal:
            wide = high - low
            below, above = (np.clip(np.array([v]) / wide, 0, 1) for v in (-low, high))
            return Left(np.array([(low + high) / 2]), np.array([wide**2 / 12]), below, above)
        if not self.side[i]:
            return Left(at, np.array([scale**2]), ndtr(-at / scale), ndtr(at / scale))
        half = np.sqrt(2 / np.pi) * scale
        negative, positive = _signs(low, high, at, np.array([scale]), None)
        return Left(at + self.side[i] * half, np.array([scale**2 - half**2]), negative, positive)


def _signs(low: float, high: float, x: Array, s: Array, df: Any) -> tuple[Array, Array]:
    """P(< 0) and P(> 0) of a distribution around x cut to [low, high]."""
    if high <= 0:
        return np.ones(len(x)), np.zeros(len(x))
    if low >= 0:
        return np.zeros(len(x)), np.ones(len(x))
    lo, hi, at = (low - x) / s, (high - x) / s, -x / s
    whole = log_mass(lo, hi, df)
    below, above = (np.exp(log_mass(*ends, df) - whole) for ends in ((lo, at), (at, hi)))
    return np.minimum(below, 1), np.minimum(above, 1)


def around(family: str, scales: Array, point_mass: bool, mode: float) -> Components:
    """All components of a family: the point mass, then all scales of each of its sides."""
    sides = SIDES[family]
    null = [0] * point_mass
    return Components(
        normal=family.endswith("normal"),
        mode=float(mode),
        scale=np.r_[null, np.tile(scales, len(sides))].astype(np.float64),
        side=np.r_[null, np.repeat(sides, len(scales))].astype(np.int_),
    )
