"""Genetic covariance and correlation of two traits from the products of their z-scores.

Source: Bulik-Sullivan et al. 2015, Nature Genetics 47:1236.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmixer.jackknife import Estimate
from bayesmixer.ldsc.heritability import Heritability, PerAnnotation
from bayesmixer.ldsc.laws import beyond
from bayesmixer.ldsc.regression import Array, Design, Rows, regress, weights_by


@dataclass(frozen=True)
class Covariance(PerAnnotation):
    """Genetic covariance.

    Attributes
    ----------
    mean_z1z2
        Of the variants used.
    n_variants
        How many there are.
    """

    mean_z1z2: float
    n_variants: int


@dataclass(frozen=True)
class Pair:
    """Two traits: heritability of each, genetic covariance and correlation."""

    first: Heritability
    second: Heritability
    covariance: Covariance

    @property
    def defined(self) -> bool:
        """Whether both heritabilities are above 0."""
        return bool(self.first.total.value[0] > 0 and self.second.total.value[0] > 0)

    @property
    def correlation(self) -> Estimate:
        """(1,) rg; nan where a heritability is not above 0, and in blocks without which it is
        not.
        """
        h1, h2 = self.first.total, self.second.total
        with np.errstate(invalid="ignore", divide="ignore"):
            scale = Estimate(np.sqrt(h1.value * h2.value), np.sqrt(h1.without * h2.without))
            return self.covariance.total.over(scale)

    @property
    def joint(self) -> Estimate:
        """(3,) both heritabilities and the covariance."""
        parts = (self.first.total, self.second.total, self.covariance.total)
        return Estimate(
            np.concatenate([one.value for one in parts]),
            np.concatenate([one.without for one in parts], axis=1),
        )

    @property
    def tested(self) -> tuple[float, float, float, float]:
        """rg, standard error, z and p (of no correlation).

        The error is the jackknife's, or by the delta method from that of the heritabilities and the
        covariance where rg is not defined without some block.
        """
        if not self.defined:
            return np.nan, np.nan, np.nan, np.nan
        value, error = float(self.correlation.value[0]), float(self.correlation.error[0])
        if not np.isfinite(error):  # without some block a heritability is not above 0
            h1, h2, rho = self.joint.value
            scale = np.sqrt(h1 * h2)
            slope = np.array([-rho / (2 * h1 * scale), -rho / (2 * h2 * scale), 1 / scale])
            error = float(np.sqrt(slope @ self.joint.covariance @ slope))
        return value, error, value / error, beyond(value / error)


def covariance(
    z1: Array,
    z2: Array,
    ld: Array,
    w_ld: Array,
    n1: Array,
    n2: Array,
    m: Array,
    first: Heritability,
    second: Heritability,
    *,
    intercept: float | None = None,
    near: NDArray[np.bool_] | None = None,
    n_blocks: int = 200,
    edges: Rows | None = None,
    rows: Rows | None = None,
    by_first: bool = False,
) -> Covariance:
    """Regress z1 z2 on LD scores.

    Parameters
    ----------
    z1, z2, n1, n2
        (J,) z-scores of one effect allele, and sample sizes.
    first, second
        Heritability of each trait.
    ld, w_ld, m, intercept, near, n_blocks, edges, rows, by_first
        As of `heritability`; without two steps where `near` is None, and by LDSC's reading alone
        (`by_first`) is the slope without a block not found anew for the intercept without it.
    """
    product, n = z1 * z2, np.sqrt(n1 * n2)
    mean_n, total_m = float(n.mean()), float(m.sum())
    design = Design(ld, rows, n / mean_n)
    whole = design.sums
    noise = 0.0 if intercept is None else intercept
    alone = [
        (size, min(max(float(one.total.value[0]), 0.0), 1.0) / total_m, one.fit.at)
        for size, one in ((n1, first), (n2, second))
    ]

    def weight(rho: float, b: float, rows: slice | Rows) -> Array:
        # block by block, and nothing kept: what is made of a block stays in the cache
        clipped = np.maximum(whole[rows], 1.0)
        variance = n[rows] * clipped
        variance *= min(max(rho, -1.0), 1.0) / total_m
        variance += b
        variance *= variance
        both: Array | float = 1.0
        for size, per_l, at in alone:
            one = size[rows] * clipped
            one *= per_l
            one += at
            both = one * both
        variance += both
        variance *= np.maximum(w_ld[rows], 1.0)
        inverse: Array = np.divide(1, variance, out=variance)
        return inverse

    rho = float(total_m * (product.mean() - noise) / (whole @ n / len(n)))
    fit = regress(
        design,
        product,
        weights_by(weight, m, mean_n, intercept, (rho, noise), by_first),
        intercept=intercept,
        near=near,
        n_blocks=n_blocks,
        edges=edges,
        pulled=by_first,
    )
    return Covariance(fit, mean_n, m, float(product.mean()), len(product))
