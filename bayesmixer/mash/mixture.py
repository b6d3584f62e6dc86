"""The prior of mash: a point mass at 0 and normals of covariance grid_l^2 U_k, with weights.

Components stand in one order everywhere: the point mass, then for every scale (slowly) every
covariance (fast), and last, where there is one, that of effects independent between conditions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesmixer.errors import InputError
from bayesmixer.mash.independent import Alone

Array = NDArray[np.float64]
RANK = 1e-14  # eigenvalues below this part of the largest are rounding
LEAST = 1e-290  # of a likelihood over the largest
INDEFINITE = 1e-8  # the most that an eigenvalue may lie below 0, as part of the largest


@dataclass(frozen=True)
class Mixture:
    """Covariances u (K, R, R), standard deviations grid (L), and weights of the components; where
    their posterior is known too, `draws` of them (draw, component), of which weights are the mean.
    """

    u: Array
    grid: Array
    point_mass: bool
    weights: Array | None = None
    alone: Alone | None = None
    draws: Array | None = None

    @property
    def normals(self) -> int:
        """Number of components that are the point mass or a normal."""
        return self.point_mass + len(self.grid) * len(self.u)

    @property
    def size(self) -> int:
        """Number of components."""
        return self.normals + (self.alone is not None)

    @cached_property
    def factors(self) -> list[Array]:
        """F of U = F F' (R, rank) for every covariance."""
        return [factor(u) for u in self.u]

    def place(self, component: int) -> tuple[int, int]:
        """Scale and covariance of a component that is not the point mass."""
        scale, covariance = divmod(component - self.point_mass, len(self.u))
        return scale, covariance

    def active(self, least: float) -> tuple[Mixture, NDArray[np.intp]]:
        """The mixture of the scales and covariances that carry any weight above `least`, and the
        positions there of the components that do; its weights are theirs.
        """
        assert self.weights is not None
        kept = np.flatnonzero(self.weights > least)
        normal = kept[(kept >= self.point_mass) & (kept < self.normals)] - self.point_mass
        scale, covariance = np.divmod(normal, len(self.u))
        scales, covariances = np.unique(scale), np.unique(covariance)
        at = np.searchsorted(scales, scale) * len(covariances)
        at += np.searchsorted(covariances, covariance) + self.point_mass
        if self.point_mass and self.weights[0] > least:
            at = np.r_[0, at]
        alone = self.alone if self.alone and self.weights[-1] > least else None
        part = replace(
            self,
            u=self.u[covariances],
            grid=self.grid[scales],
            weights=self.weights[kept],
            alone=alone,
            draws=None if self.draws is None else self.draws[:, kept],
        )
        return part, np.r_[at, part.normals].astype(np.intp) if alone else at.astype(np.intp)


def shares(likely: Array, weights: Array, draws: Array | None) -> Array:
    """Probabilities of components given effects, averaged over draws of the weights where there
    are some.

    Parameters
    ----------
    likely
        Logs of weight times likelihood (component, effect).
    weights, draws
        The weights (component), and draws of them (draw, component).
    """
    if draws is None:
        known: Array = np.exp(likely - logsumexp(likely, axis=0))
        return known
    relative = draws / weights
    averaged = np.exp(likely - likely.max(0))
    # a draw whose components are all beyond the range of floats tells nothing
    averaged *= relative.T @ (1 / np.maximum(relative @ averaged, LEAST))
    averaged /= averaged.sum(0)
    return averaged


def prior_variances(mixture: Mixture) -> Array:
    """Variances of the effects within each component (component, condition)."""
    each = np.einsum("krr->kr", mixture.u)
    normal = (mixture.grid[:, None, None] ** 2 * each).reshape(-1, each.shape[1])
    parts = [np.zeros((int(mixture.point_mass), each.shape[1])), normal]
    if mixture.alone is not None:
        parts.append((mixture.alone.weights @ mixture.alone.scales**2)[None])
    return np.concatenate(parts)


def factor(u: Array) -> Array:
    """F (R, rank) of a covariance F F'."""
    d, q = np.linalg.eigh(u)
    kept = d > RANK * d[-1] if d[-1] > 0 else np.zeros(len(d), bool)
    root: Array = q[:, kept] * np.sqrt(d[kept])
    return root


def checked(u: Array, names: list[str]) -> Array:
    """Covariances that are finite, symmetric and positive semidefinite, symmetric to the last bit.

    Raises
    ------
    InputError
        One is not, or two have one name.
    """
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError("covariances", f"two are named {twice!r}")
    for one, name in zip(u, names, strict=True):
        where = f"covariance {name!r}"
        if not np.isfinite(one).all():
            raise InputError(where, "holds entries that are not finite")
        size = np.abs(one).max()
        if size == 0:
            raise InputError(where, "all zeros, which the point mass is", "Leave it out.")
        if np.abs(one - one.T).max() > INDEFINITE * size:
            raise InputError(where, "not symmetric")
        least = np.linalg.eigvalsh(one)[0]
        if least < -INDEFINITE * size:
            raise InputError(where, f"has the eigenvalue {least:.3g}, expected none below 0")
    return (u + np.swapaxes(u, 1, 2)) / 2


def normalised(u: Array) -> Array:
    """Each covariance over its largest variance."""
    largest: Array = np.einsum("krr->kr", u).max(1)
    return u / largest[:, None, None]
