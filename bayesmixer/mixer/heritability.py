"""Whether a trait shows any heritability: a test of h2 = 0 that is the same for every model, an
estimate that may be negative, and an upper limit.

As h2 goes to 0 the score in h2 of each model, whatever its polygenicity, becomes that of the
infinitesimal one, z_j ~ N(0, sigma2_0 + x_j h2) with x_j = N_j l_j / H_total. With sigma2_0
refitted at h2 = 0 (the weighted mean of z^2) the score is U = sum_j w_j (x_j - mean x) z_j^2, and
its variance is read off its parts by LD block, which are (nearly) independent. Few strong loci make
that variance large and are evident to the eye: the smallest p-value of single variants is the
second statistic, and the two share the size of the test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtr, stdtr

from bayesmixer.bound import Bound
from bayesmixer.ld.exponents import exponents, of_one_s, pick, totals
from bayesmixer.mixer.cards import H2, LOG_H2, SIGMA2_0
from bayesmixer.variables import evaluated
from bayesmixer.wings import Withheld

LEVEL = 0.05
SHARE_SCORE, SHARE_HITS = (
    0.8,
    0.1,
)  # of the size; a tenth is kept back, since a variance over LD blocks is itself uncertain
Array = NDArray[np.float64]

UPPER = 0.95  # probability of the upper limit
# standard errors of h2, below which intervals of log h2 hold it too rarely
# (docs/evidence/null_traits.md)
WEAK = 6.0
LARGE_SHARE = 0.3  # of the mean of z^2: up to there the weights of h2 = 0 serve
FEWEST_BLOCKS = 8  # below, a variance over LD blocks is not worth its name
GROUP = "h2_test"


@dataclass(frozen=True)
class HeritabilityTest:
    """The test of h2 = 0.

    Attributes
    ----------
    p
        p-value of h2 = 0 against h2 > 0: the smaller of `p_score` / 0.8 and `p_hits` / 0.1.
    z
        The score of h2 at h2 = 0 over its standard deviation by LD block.
    p_score
        One-sided p-value of `z`, its skewness taken out, by Student's t on the effective number of
        LD blocks.
    p_hits
        Smallest p-value of a variant, sigma2_0 taken out, times the number of variants.
    h2, h2_se
        Weighted least squares of z^2 on x at the weights of h2 = 0, negative where z^2 falls with
        x; standard error by leaving out LD blocks.
    h2_upper
        95% upper limit: quantile of the half-normal prior times Student's t about `h2`, on h2 >= 0.
    blocks, blocks_effective
        LD blocks with weighted variants, and as many of equal size as would give such a variance.
    share
        Of the mean of z^2 that is due to `h2`; where it is large, `h2` is a poor estimate.
    """

    p: float
    z: float
    p_score: float
    p_hits: float
    h2: float
    h2_se: float
    h2_upper: float
    blocks: int
    blocks_effective: float
    share: float = 0.0
    group: ClassVar[str] = GROUP
    whole: ClassVar[bool] = False

    @property
    def seen(self) -> bool:
        """Whether h2 = 0 is rejected at 5%."""
        return self.p < LEVEL

    @property
    def weak(self) -> bool:
        """Whether h2 is to be calibrated on its natural scale: not seen, or less than 6 standard
        errors of a trait of little signal without strong loci.
        """
        return not self.seen or (
            self.h2 < WEAK * self.h2_se
            and self.p_hits > LEVEL * SHARE_HITS
            and self.share < LARGE_SHARE
        )

    @property
    def sentence(self) -> str:
        """The verdict where h2 = 0 is not rejected."""
        return f"No heritability seen: h2 < {self.h2_upper:.2g} (95%); p = {self.p:.2g} for h2 = 0."

    def dataset(self) -> xr.Dataset:
        """The group `h2_test` of the results."""
        return xr.Dataset(
            {k: float(v) for k, v in asdict(self).items()},
            attrs={"level": LEVEL, "seen": int(self.seen)},
        )

    @property
    def errors(self) -> dict[str, float]:
        """The standard error of h2 on its natural scale, where the trait is `weak`."""
        return {"h2_se": self.h2_se} if self.weak else {}

    def moved(self, draws: Array, names: list[str]) -> Array:
        """Draws (..., P) of the parameters `names`, those of log h2 moved to the posterior of the
        natural scale where the trait is `weak`: on the scale of the log, zero is infinitely far.

        Their order is kept, and with it their dependence on the other parameters.
        """
        if not self.weak or "log_h2" not in names:
            return draws
        out, at = draws.copy(), names.index("log_h2")
        out[..., at] = np.log(self.calibrated(np.exp(draws[..., at])))
        return out

    def calibrated(self, h2: Array) -> Array:
        """Draws of h2, of any shape, moved in their order to the posterior of the natural scale, of
        which `h2_upper` is the 95% quantile.
        """
        from scipy.stats import rankdata  # it takes a second

        place = (rankdata(h2.ravel()) - 0.5) / h2.size
        return np.asarray(
            quantiles(self.h2, self.h2_se, self.blocks_effective, place).reshape(h2.shape)
        )


def heritability_test(
    data: xr.Dataset, maf_s: float | None = None, censor: float | None = None
) -> HeritabilityTest | None:
    """Test h2 = 0.

    Parameters
    ----------
    data
        GwasData of one trait. Of several exponents S the one nearest to `maf_s` counts, or the
        middle one.
    maf_s
        The model's S, None where it is free.
    censor
        |z| beyond which a variant only counts as exceeding it; in `p_hits` it counts as it is.

    Returns
    -------
    HeritabilityTest or None
        None with fewer than 8 LD blocks, or where x does not vary.

    References
    ----------
    Rao 1948, Proceedings of the Cambridge Philosophical Society 44:50 (score test). Hall 1992,
    Journal of the Royal Statistical Society B 54:221 (skewness). Bulik-Sullivan et al. 2015, Nature
    Genetics 47:291 (the regression).
    """
    data = pick(data, float(np.median(exponents(data))) if maf_s is None else maf_s)
    used = evaluated(data)
    w, z2 = data["weight"].values[used].astype(float), data["z"].values[used, 0].astype(float) ** 2
    x = (
        data["n"].values[used, 0]
        * of_one_s(data, "ld_score_h")[used].astype(float)
        / float(totals(data)[0])
    )
    largest = float(z2.max(initial=0.0))
    if censor is not None:
        z2 = np.minimum(z2, censor**2)
    block = np.unique(data["ld_block"].values[used], return_inverse=True)[1]
    away = x - np.average(x, weights=w)
    spread = w * away**2
    total = float(spread.sum())
    if block.max() + 1 < FEWEST_BLOCKS or not total > 1e-12 * float((w * x**2).sum()):
        return None
    sigma2_0 = float(np.average(z2, weights=w))
    if not sigma2_0 > 0:
        return None
    score = np.bincount(block, w * away * (z2 - sigma2_0))
    sd = _spread(score)
    freedom = _effective(score)
    statistic = float(score.sum()) / sd if sd > 0 else 0.0
    h2 = float(score.sum()) / total
    rest = z2 - sigma2_0 - h2 * away
    leverage = 1 - np.minimum(np.bincount(block, spread) / total, 0.9)
    move = (
        np.bincount(block, w * away * rest) / leverage
    )  # of the slope, times `total`, when an LD block is left out
    se = _spread(move) / total
    # Hall's transformation: sums of squares are skewed, and large ones come with a large variance
    skew = float((score**3).sum() / max((score**2).sum() ** 1.5, 1e-300))
    p_score = float(
        stdtr(
            freedom, -(statistic + skew * (1 + 2 * statistic**2) / 6 + skew**2 * statistic**3 / 27)
        )
    )
    p_hits = min(1.0, 2 * float(ndtr(-np.sqrt(largest / sigma2_0))) * used.size)
    share = float(np.clip(h2 * np.average(x, weights=w) / sigma2_0, 0.0, 1.0))
    p = min(1.0, p_score / SHARE_SCORE, p_hits / SHARE_HITS)
    upper = float(quantiles(h2, se, freedom, np.array([UPPER]))[0])
    return HeritabilityTest(
        p, statistic, p_score, p_hits, h2, se, upper, int(block.max() + 1), freedom, share
    )


def of_bound(bound: Bound | None) -> HeritabilityTest | None:
    """The test for the data and options of a model of this package; None for another model, one of
    several traits, or one whose prior of h2 is not the weak one that the test's limit rests on.
    """
    if bound is None or bound.data.sizes["trait"] != 1 or _own_prior(bound):
        return None
    s = bound.options.get("maf_s")
    return heritability_test(
        bound.data, s if isinstance(s, float) else None, bound.options.get("censor")
    )


def _own_prior(bound: Bound) -> bool:
    """Whether h2 has a prior of the user's."""
    if not isinstance(bound.prior, Mapping):
        return False
    one = bound.prior.get(LOG_H2.name)
    if one is None:
        return not bound.free  # a model of other parameters
    return str(getattr(getattr(getattr(one, "owner", None), "op", None), "name", "")) != (
        LOG_H2.weak.family
    )


def unseen_under(bound: Bound) -> list[str]:
    """What to say of a trait that shows no heritability where h2 has a prior of the user's."""
    if bound.data.sizes["trait"] != 1 or not _own_prior(bound):
        return []
    s = bound.options.get("maf_s")
    test = heritability_test(
        bound.data, s if isinstance(s, float) else None, bound.options.get("censor")
    )
    if test is None or test.seen:
        return []
    return [
        f"No heritability seen (p = {test.p:.2g} for h2 = 0): under a prior of your own the "
        "intervals of h2 and pi say as much of the prior as of the data."
    ]


def read(results: xr.DataTree) -> HeritabilityTest | None:
    """The test that a fit holds, None where it holds none."""
    if GROUP not in results.children:
        return None
    group = results[GROUP].to_dataset()
    values = {
        k: float(group[k])
        for k in (field.name for field in fields(HeritabilityTest))
        if k != "blocks"
    }
    return HeritabilityTest(**values, blocks=int(group["blocks"]))


def unseen(results: xr.DataTree) -> HeritabilityTest | None:
    """The test where it does not reject h2 = 0: a two-sided interval of h2, or anything said of its
    causal variants, is then without ground.
    """
    test = read(results)
    return None if test is None or test.seen else test


def record(results: xr.DataTree) -> dict[str, Any]:
    """The test as a fit's JSON has it; None where the fit holds none."""
    test = read(results)
    if test is None:
        return {GROUP: None}
    said = {"seen": test.seen, "sentence": None if test.seen else test.sentence}
    return {GROUP: {**asdict(test), **said}}


def withheld(results: xr.DataTree) -> Withheld | None:
    """What a fit of a trait that shows no heritability must not tell: all but the inflation, and of
    h2 an upper limit.
    """
    test = unseen(results)
    if test is None:
        return None
    return Withheld(test.sentence, (SIGMA2_0.name,), {H2.name: test.h2_upper})


def _spread(parts: Array) -> float:
    """Standard deviation of the sum of independent parts (L,)."""
    away = parts - parts.mean()
    return float(np.sqrt(parts.size / (parts.size - 1) * (away @ away)))


def _effective(parts: Array) -> float:
    """Effective number of parts, (sum u^2)^2 / sum u^4 (Satterthwaite's rule gives about twice
    that), at least 2.
    """
    square = parts**2
    return max(float(square.sum() ** 2 / max((square**2).sum(), 1e-300)), 2.0)


def quantiles(h2: float, se: float, freedom: float, place: Array) -> Array:
    """Quantiles at `place` of the density half-normal prior x Student's t of h2-hat, on h2 > 0."""
    scale = LOG_H2.weak.numbers[0]
    se = max(se, 1e-12)
    # even steps of the t where it lies, and of the prior where it ends first
    top = min(max(h2, 0.0) + 60 * se, 8 * scale)
    grid = np.concatenate([[0.0], np.geomspace(1e-6 * min(se, top), top, 4000)])
    log_t = -0.5 * (freedom + 1) * np.log1p(((grid - h2) / se) ** 2 / freedom)
    log_p = log_t - grid**2 / (2 * scale**2)
    p = np.exp(log_p - log_p.max())
    below = np.concatenate([[0.0], np.cumsum(np.diff(grid) * (p[1:] + p[:-1]) / 2)])
    return np.asarray(np.maximum(np.interp(place * below[-1], below, grid), grid[1]))
