r"""The directions in which a fit of two traits is held against its data: each trait, their sum and
their difference.

Along a direction a of the effects,

    W_j = a_1 z_1j / sqrt(n_1j) + a_2 z_2j / sqrt(n_2j) = sum_i sqrt(H_i) r_ij a' beta_i + error_j,

so that W_j follows the mixture of one trait: the same shares of the components, a' Sigma_c a for
the variances of their effects, and an error of variance v_j = a' S_j a, S_j[s, t] = Sigma_0[s, t] /
sqrt(n_sj n_tj). Its distribution is exactly that of bayesmixer.mixer.predictive. Which allele is
counted turns the sign of both z, and |W| stays what it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from bayesmixer.bound import Bound
from bayesmixer.card import View
from bayesmixer.identity import trait_names
from bayesmixer.ld.exponents import of_one_s
from bayesmixer.mixer.predictive import Floats, cumulative
from bayesmixer.ops.pair_predict import PairMixture
from bayesmixer.pair.prediction import of_draws

CAUSES = (
    "unless the same is said of a trait by itself, effect alleles that one of the files has "
    "swapped for some of the variants, people who are shared at some variants more than at others "
    "(cohorts that differ), or effects on both traits that go together in another way than the "
    "model's"
)
DEED = (
    "check the effect alleles and frequencies of both files, and keep the variants of one set of "
    "cohorts"
)


@dataclass(frozen=True)
class Direction:
    """A direction of the effects on two traits.

    Attributes
    ----------
    a
        (2,) how much of each trait's effect it holds; 0 of a trait that it does not look at.
    """

    a: Floats

    def of(self, data: xr.Dataset) -> Floats:
        """(J,) W in units of its errors' standard deviation where Sigma_0 is the identity; NaN
        where a trait that it looks at was not seen.
        """
        step = self._steps(data)
        z = np.asarray(data["z"], float)[:, self._traits]
        return np.asarray((step * z).sum(axis=1) / np.sqrt(np.square(step).sum(axis=1)))

    def predictive(self, bound: Bound, there: xr.Dataset) -> Along:
        """The prediction of the model at a point."""
        return Along(bound.data, self, of_draws(there.expand_dims("sample"))[0])

    def law(self, data: xr.Dataset, m: PairMixture) -> tuple[Floats, Floats]:
        """(C,) variance of the effects' components along it, and (J,) variance of what `of`
        returns where no variant has an effect.
        """
        (a, b), (v1, v2, both) = self.a, m.sigma_beta.T
        beta = a**2 * v1 + b**2 * v2 + 2 * a * b * both
        step = self._steps(data)
        zero = np.array([[m.sigma_0[0], m.sigma_0[2]], [m.sigma_0[2], m.sigma_0[1]]])
        zero = zero[np.ix_(self._traits, self._traits)]
        noise = np.einsum("js,st,jt->j", step, zero, step) / np.square(step).sum(axis=1)
        return beta, noise

    def size(self, data: xr.Dataset) -> Floats:
        """(J,) sample size of a trait whose z-scores are those of `of`."""
        return np.asarray(1 / np.square(self._steps(data)).sum(axis=1))

    @property
    def _traits(self) -> list[int]:
        return np.flatnonzero(self.a).tolist()

    def _steps(self, data: xr.Dataset) -> Floats:
        """(J, traits) a_t / sqrt(n_jt) of the traits that it looks at."""
        n = np.asarray(data["n"], float)[:, self._traits]
        return np.asarray(self.a[self._traits] / np.sqrt(n))


@dataclass(frozen=True)
class Along:
    """Distribution of every variant's |W| at one point, in the units of `Direction.of`."""

    data: xr.Dataset
    direction: Direction
    mixture: PairMixture

    def cdf(self, at: Floats) -> Floats:
        """P(|W_j| <= at_jt), (J, T) as `at`; beyond about 12, 12 stands in its place."""
        beta, noise = self.direction.law(self.data, self.mixture)
        # the kernel has one variance of the errors: they differ with the ratio of the sizes
        zero = float(np.median(noise))
        scale = zero / noise
        return cumulative(
            self.direction.size(self.data) * scale,
            of_one_s(self.data, "spectrum"),
            np.asarray(self.data["node_x"], float),
            (self.mixture.pi, beta, zero),
            at * np.sqrt(scale)[:, None],
        )


def views(bound: Bound) -> list[View]:
    """Each trait, their sum and their difference, the two as z-scores of their median sizes."""
    data = bound.data
    names = trait_names(data) or ["trait 1", "trait 2"]
    one, two = np.sqrt(np.nanmedian(np.asarray(data["n"], float), axis=0))
    out = []
    for label, a, traits in (
        (names[0], (one, 0.0), (0,)),
        (names[1], (0.0, two), (1,)),
        (f"{names[0]} + {names[1]}", (one, two), (0, 1)),
        (f"{names[0]} - {names[1]}", (one, -two), (0, 1)),
    ):
        along = Direction(np.array(a))
        said = (CAUSES, DEED) if len(traits) > 1 else ("", "")
        out.append(View(label, along.of(data), along.predictive, traits, *said))
    return out
