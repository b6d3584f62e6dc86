"""Heritability of one trait from chi-squared statistics and LD scores, whole and by annotation.

Source: Bulik-Sullivan et al. 2015, Nature Genetics 47:291; Finucane et al. 2015, Nature Genetics
47:1228.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bayesmixer.jackknife import Estimate
from bayesmixer.ldsc.intervals import attenuation
from bayesmixer.ldsc.regression import Array, Design, Fit, Rows, regress, weights_by

CUT = 30.0  # chi-squared below which the first of two steps looks for the intercept
MEDIAN = 0.4549  # of chi-squared with one degree of freedom


@dataclass(frozen=True)
class PerAnnotation:
    """What slopes on LD scores say by annotation; of heritability or of genetic covariance.

    Attributes
    ----------
    fit
        The regression.
    mean_n
        N by which LD scores were scaled.
    m
        (A,) variants of each annotation.
    """

    fit: Fit
    mean_n: float
    m: Array

    @cached_property
    def coefficient(self) -> Estimate:
        """(A,) tau: per-variant heritability (covariance) that the annotation adds."""
        return self.fit.slope.through(np.eye(len(self.m)) / self.mean_n)

    @cached_property
    def category(self) -> Estimate:
        """(A,) M tau."""
        return self.coefficient.through(np.diag(self.m))

    @cached_property
    def total(self) -> Estimate:
        """(1,) sum over annotations."""
        return self.coefficient.through(self.m[None])

    @cached_property
    def proportion(self) -> Estimate:
        """(A,) of the total."""
        return self.category.over(self.total)

    @property
    def share_of_variants(self) -> Array:
        """(A,) M of the sum of all M."""
        return np.asarray(self.m / self.m.sum())

    @property
    def enrichment(self) -> Array:
        """(A,) proportion over share of variants, of annotations that do not overlap."""
        per_variant = self.total.value / self.m.sum()
        return np.asarray(self.category.value / self.m / per_variant)


@dataclass(frozen=True)
class Heritability(PerAnnotation):
    """Heritability and what stands beside it.

    Attributes
    ----------
    lambda_gc, mean_chi2
        Of the variants used.
    n_variants
        How many there are.
    mean_without
        (B,) mean chi-squared without each block.
    """

    lambda_gc: float
    mean_chi2: float
    n_variants: int
    mean_without: Array

    @property
    def ratio(self) -> tuple[float, float]:
        """(intercept - 1) / (mean chi-squared - 1) and its standard error; nan where the intercept
        was fixed or the mean is at most 1.
        """
        if self.fit.intercept is None or self.mean_chi2 <= 1:
            return np.nan, np.nan
        above = self.mean_chi2 - 1
        return (self.fit.at - 1) / above, float(self.fit.intercept.error[0]) / above

    def ratio_set(self, prob: float = 0.9) -> tuple[float, float]:
        """All ratios that fit; nan where the intercept was fixed."""
        if self.fit.intercept is None:
            return np.nan, np.nan
        mean = Estimate(np.array([self.mean_chi2]), self.mean_without[:, None])
        return attenuation(self.fit.intercept, mean, prob)


def heritability(
    chi2: Array,
    ld: Array,
    w_ld: Array,
    n: Array,
    m: Array,
    *,
    intercept: float | None = None,
    two_step: float | None = None,
    near: NDArray[np.bool_] | None = None,
    n_blocks: int = 200,
    edges: Rows | None = None,
    rows: Rows | None = None,
    updates: int = 2,
    by_first: bool = False,
) -> Heritability:
    """Regress chi-squared on LD scores.

    Parameters
    ----------
    chi2, n
        (J,) z squared, sample size.
    ld, w_ld
        (J, A) LD scores with each annotation, or those of more variants of which `rows` take part;
        (J,) with the variants of the regression.
    m
        (A,) variants of each annotation.
    intercept
        Fixed, or None.
    two_step
        Chi-squared from which a variant takes no part in the first step; None for one step.
    near
        (J,) mask of the first step instead.
    n_blocks, edges
        Of the jackknife.
    rows
        (J,) rows of `ld`; None for all.
    updates
        Of the weights.
    by_first
        Weights by LDSC's reading of the coefficients of several annotations: the first for all of
        them, the second for the intercept where that is free; not by the total.
    """
    mean_n, total_m = float(n.mean()), float(m.sum())
    design = Design(ld, rows, n / mean_n)
    whole = design.sums
    noise = 1.0 if intercept is None else intercept

    def weight(h2: float, b: float, rows: slice | Rows) -> Array:
        # twice the square is the variance: what is common to all does not matter. Block by block,
        # and nothing kept: memory for all variants costs as much as the sums
        variance = np.maximum(whole[rows], 1.0)
        variance *= n[rows]
        variance *= min(max(h2, 0.0), 1.0) / total_m
        variance += b
        variance *= variance
        variance *= np.maximum(w_ld[rows], 1.0)
        return np.divide(1, variance, out=variance)

    first = float(total_m * (chi2.mean() - noise) / (whole @ n / len(n)))
    if near is None and two_step is not None:
        near = chi2 < two_step
    fit = regress(
        design,
        chi2,
        weights_by(weight, m, mean_n, intercept, (first, noise), by_first),
        intercept=intercept,
        near=near,
        n_blocks=n_blocks,
        edges=edges,
        updates=updates,
        pulled=True,
    )
    sizes = np.diff(fit.edges)
    sums = np.array([chi2[i:j].sum() for i, j in pairwise(fit.edges.tolist())])
    without = (chi2.sum() - sums) / (len(chi2) - sizes)
    lambda_gc, mean = _median(chi2) / MEDIAN, float(chi2.mean())
    return Heritability(fit, mean_n, m, lambda_gc, mean, len(chi2), without)


def _median(x: Array) -> float:
    """Median; NumPy's looks for what is not finite as well, in six times the time."""
    half = len(x) // 2
    parted = np.partition(x, half)
    lower = parted[half] if len(x) % 2 else parted[:half].max()
    return float((lower + parted[half]) / 2)
