"""What the data show of LD score regression as a model, for fits and their calibration: the test of
h2 = 0 of one trait, the regressions of two, and the posterior of the natural scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from bayesmixer.bound import Bound
from bayesmixer.identity import trait_names
from bayesmixer.jackknife import Estimate
from bayesmixer.ldsc.covariance import Pair, covariance
from bayesmixer.ldsc.heritability import Heritability, heritability
from bayesmixer.ldsc.intervals import correlated, heritable
from bayesmixer.ldsc.liability import factors_of
from bayesmixer.ldsc.natural import Natural
from bayesmixer.ldsc.regression import Array
from bayesmixer.ldsc.words import POWERED
from bayesmixer.mixer.heritability import FEWEST_BLOCKS, HeritabilityTest, of_bound
from bayesmixer.mixer.laid_out import h_total
from bayesmixer.variables import evaluated

UPDATES = 4  # of the weights: the regression is then at its end, to 1e-5 of its errors
PROB = 0.9


@dataclass(frozen=True)
class OfOne:
    """What is known of one trait.

    Attributes
    ----------
    test
        Of h2 = 0.
    natural
        The posterior, which is the test's where that does not reject; None where h2 alone is moved,
        by the test.
    scale
        What makes h2 that of liability.
    exposure
        Mean of N l / M: what h2 adds to mean chi-squared.
    """

    test: HeritabilityTest
    natural: Natural | None
    scale: float
    exposure: float
    group = HeritabilityTest.group

    @property
    def whole(self) -> bool:
        """Whether draws are replaced."""
        return self.natural is not None

    @property
    def seen(self) -> bool:
        """Whether h2 = 0 is rejected."""
        return self.test.seen

    @property
    def sentence(self) -> str:
        """The verdict where it is not."""
        return self.test.sentence

    @property
    def errors(self) -> Mapping[str, Any]:
        """Standard errors of the natural scale."""
        if self.natural is None:
            out = dict(self.test.errors)
        else:
            error = self.natural.joint.error
            out = {
                "h2_se": error[0] if self.seen else self.test.h2_se,
                "intercept_se": error[1],
                "attenuation_ratio_se": _ratio(self.natural.joint, self.exposure).error[0],
            }
        return out | ({"h2_liability_se": self.scale * out["h2_se"]} if "h2_se" in out else {})

    def dataset(self) -> xr.Dataset:
        """The test, and the intercept of the regression, which knows no bound of h2."""
        if self.natural is None:
            return self.test.dataset()
        joint = self.natural.joint
        return self.test.dataset().assign(
            intercept=joint.value[1],
            intercept_se=joint.error[1],
            intercept_blocks=joint.influence.effective[1],
        )

    def moved(self, draws: Array, names: list[str]) -> Array:
        """Draws replaced."""
        if self.natural is None:
            return self.test.moved(draws, names)
        out = self.natural.moved(draws, names)
        return out if self.seen else self.test.moved(out, names)


@dataclass(frozen=True)
class OfPair:
    """What is known of two traits: regressions, posterior, and Fieller's set of rg."""

    pair: Pair
    natural: Natural
    names: tuple[str, str]
    scale: Array
    group = "regression"
    whole = True

    @cached_property
    def z(self) -> Array:
        """(2,) heritability over its standard error."""
        return np.asarray(self.pair.joint.value[:2] / self.pair.joint.error[:2])

    @cached_property
    def rg_set(self) -> tuple[float, float]:
        """All rg that fit, at 90%."""
        return correlated(self.pair.joint, PROB)

    @property
    def seen(self) -> bool:
        """Whether both heritabilities lie four standard errors above 0."""
        return bool((self.z >= POWERED).all())

    @property
    def sentence(self) -> str:
        """What to say of a weak pair."""
        at = int(np.argmin(self.z))
        low, high = self.rg_set
        return (
            f"Weak: h2 of {self.names[at]} is {self.z[at]:.1f} standard errors above 0, and rg is "
            f"read from {POWERED:g}; below, what fits is {low:.2g} to {high:.2g} (90%, Fieller's "
            "set)."
        )

    @property
    def errors(self) -> Mapping[str, Any]:
        """Standard errors of the natural scale; of rg where both traits are powered."""
        error = self.natural.joint.error
        out: dict[str, Any] = {
            "h2_se": xr.DataArray(error[:2], dims="trait"),
            "gencov_se": error[2],
            "intercept_se": xr.DataArray(error[3:5], dims="trait"),
            "intercept_gencov_se": error[5],
            "h2_liability_se": xr.DataArray(self.scale * error[:2], dims="trait"),
            "gencov_liability_se": np.sqrt(self.scale.prod()) * error[2],
        }
        return out | ({"rg_se": self.pair.tested[1]} if self.seen else {})

    def dataset(self) -> xr.Dataset:
        """The regressions."""
        value, error = self.natural.joint.value, self.natural.joint.error
        rg, rg_error, *_ = self.pair.tested
        p = [heritable(one.total)[2] for one in (self.pair.first, self.pair.second)]
        low, high = self.rg_set
        return xr.Dataset(
            {
                "h2": ("trait", value[:2]),
                "h2_se": ("trait", error[:2]),
                "h2_p": ("trait", p),
                "intercept": ("trait", value[3:5]),
                "intercept_se": ("trait", error[3:5]),
                "intercept_blocks": ("trait", self.natural.joint.influence.effective[3:5]),
                "gencov": value[2],
                "gencov_se": error[2],
                "intercept_gencov": value[5],
                "intercept_gencov_se": error[5],
                "rg": rg,
                "rg_se": rg_error,
                "rg_lower": low,
                "rg_upper": high,
                "blocks_effective": self.natural.freedom,
            },
            coords={"trait": list(self.names)},
            attrs={"seen": int(self.seen), "prob": PROB},
        )

    def moved(self, draws: Array, names: list[str]) -> Array:
        """Draws replaced."""
        return self.natural.moved(draws, names)


def evidence(bound: Bound | None) -> OfOne | OfPair | None:
    """What the data show of a model of this wing.

    The natural posterior under the weak prior, from all z; the test of h2 = 0 alone (one trait) or
    nothing where the prior is another, strong loci are censored, heritability is by annotation, or
    LD blocks are few.
    """
    if bound is None:
        return None
    data, test = bound.data, of_bound(bound)
    traits = data.sizes["trait"]
    scale = scales(bound.options, traits)
    at = evaluated(data)
    exposure = float((data["n"][at, 0] * data["ld_score_h"][0, at]).mean()) / h_total(data)
    alone = None if test is None else OfOne(test, None, float(scale[0]), exposure)
    if bound.prior != "weak" or "deviation" in bound.free:
        return alone
    if {"censor", "shrinkage"} & bound.options.keys() or (traits == 1 and test is None):
        return alone
    found = regressions(data)
    if found is None:
        return alone
    parts, natural = found
    if isinstance(parts, Pair):
        names = trait_names(data) or ["trait 1", "trait 2"]
        return OfPair(parts, natural, (str(names[0]), str(names[1])), scale)
    assert test is not None
    return OfOne(test, natural, float(scale[0]), exposure)


def _ratio(joint: Estimate, exposure: float) -> Estimate:
    """(1,) attenuation ratio of h2 and intercept, `exposure` being the mean of N l / M."""
    means = joint.through(np.array([[0.0, 1.0], [exposure, 1.0]]))  # of chi-squared
    value, without = means.value - 1, means.without - 1
    return Estimate(value[:1], without[:, :1]).over(Estimate(value[1:], without[:, 1:]))


def scales(options: Mapping[str, Any], traits: int) -> Array:
    """(traits,) what makes h2 that of liability, by a model's options."""
    return np.array(factors_of(options.get("samp_prev"), options.get("pop_prev"), traits))


def regressions(data: xr.Dataset) -> tuple[Heritability | Pair, Natural] | None:
    """The regressions of GwasData (`exposure.exposed`) iterated to their end, with the LD blocks as
    units; None with few of them, or where one does not vary.
    """
    used = evaluated(data)
    used = used[np.argsort(data["ld_block"].values[used], kind="stable")]
    z, n, weight = (data[name].values[used].astype(float) for name in ("z", "n", "weight"))
    block = data["ld_block"].values[used]
    begins = np.unique(block)
    if len(begins) < FEWEST_BLOCKS:
        return None
    ld, m = data["ld_score_h"].values[0][used].astype(float)[:, None], data["h_total"].values
    seen, w = np.isfinite(z), 1 / weight

    def edges(rows: Any) -> Any:
        return np.append(np.searchsorted(block[rows], begins), len(rows))

    fits = []
    for k in range(z.shape[1]):
        rows = np.flatnonzero(seen[:, k])
        at = None if len(rows) == len(z) else rows
        chi2, size = z[rows, k] ** 2, n[rows, k]
        fits.append(
            heritability(chi2, ld, w[rows], size, m, edges=edges(rows), rows=at, updates=UPDATES)
        )
    if len(fits) == 1:
        return _natural(fits[0], [fits[0].total, fits[0].fit.intercept], 1)
    rows = np.flatnonzero(seen.all(axis=1))
    if len(rows) < FEWEST_BLOCKS:
        return None
    (z1, z2), (n1, n2) = z[rows].T, n[rows].T
    both = covariance(
        z1, z2, ld, w[rows], n1, n2, m, fits[0], fits[1], edges=edges(rows),
        rows=None if len(rows) == len(z) else rows,
    )  # fmt: skip
    regressed = (*fits, both)
    parts = [*(one.total for one in regressed), *(one.fit.intercept for one in regressed)]
    return _natural(Pair(fits[0], fits[1], both), parts, 2)


def _natural(
    found: Heritability | Pair, parts: list[Any], traits: int
) -> tuple[Heritability | Pair, Natural] | None:
    joint = Estimate(
        np.concatenate([one.value for one in parts]),
        np.concatenate([one.without for one in parts], axis=1),
    )
    error = joint.error
    first = traits * (traits + 1) // 2
    whole = np.isfinite(joint.without).all() and (error > 0).all()
    if not whole or not (joint.value[first : first + traits] > 0).all():
        return None
    correlation = joint.covariance / np.outer(error, error)
    if np.linalg.eigvalsh(correlation)[0] < 1e-10:
        return None
    return found, Natural(joint, traits)
