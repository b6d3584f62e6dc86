"""Dominant loci: few loci so strong that they, and not the trait's other variants, decide the
estimates of any model of one scale of effects.

APOE, LPA or UGT1A1 have effects that no distribution of the other effects would yield. A locus is
dominant when both hold:

- it is no tail of the others: under z^2 ~ s chi^2_1 beyond the genome-wide threshold, with s from
  the median of the loci's strongest variants (the
  strongest left out, three weak ones added, its standard error on top), less than 1e-7 loci as
  strong are expected;
- it outweighs them: the square of its LD block's summed weight (z^2 - 1) exceeds half of what all
  LD blocks without such loci have together.

Highly powered polygenic traits and sparse ones lose nothing (docs/evidence/strong_loci.md has the
counts).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGNIFICANT = 29.7  # z^2 at P = 5e-8
EXPECTED = np.log(1e-7)
OUTWEIGHS = 0.5
WEAK = 3  # weak loci that are added to those found
REACH = 500_000  # bp on either side of the strongest variant that go with its LD block


LOOKED_AT = ("z", "n", "weight", "ld_block", "snp", "chrom", "pos")


@dataclass(frozen=True)
class Locus:
    """One dominant locus: its strongest variant, where it lies, what it explains, and how much was
    left out with it.
    """

    trait: str
    snp: str
    chrom: str
    pos: int
    z: float
    h2: float
    """About (z^2 - 1) / N of the strongest variant, on the scale of h2."""
    ld_block: int
    outweighs: float
    """Square of the LD block's summed excess over that of all LD blocks without dominant loci."""
    variants: int

    def __str__(self) -> str:
        return (
            f"{self.chrom}:{self.pos} ({self.snp}, |z| {abs(self.z):.1f}, LD block "
            f"{self.ld_block}, h2 about {self.h2:.2g})"
        )


def explained(loci: list[dict[str, Any]]) -> str:
    """What loci, as attributes of data record them, explain together, in words."""
    return f"{sum(float(one['h2']) for one in loci):.2g} to h2"


def dominant_blocks(
    z: NDArray[np.float64], weight: NDArray[np.float64], ld_block: NDArray[Any]
) -> dict[int, float]:
    """LD blocks with a dominant locus, and by how much each outweighs all ordinary ones, strongest
    first.

    Parameters
    ----------
    z, weight
        (variant,) z-scores and weights, finite.
    ld_block
        (variant,) LD block 0, 1, ..., non-decreasing.
    """
    first = np.flatnonzero(np.r_[True, np.diff(ld_block) > 0])
    lead = np.maximum.reduceat(z**2, first)
    excess = np.add.reduceat(weight * (z**2 - 1), first) ** 2
    found = np.zeros(lead.size, bool)
    while True:
        # again without those found, which hide the scale of the rest
        strange = _log_expected(lead, lead[~found]) < EXPECTED
        ordinary = max(float(excess[~strange].sum()), 1e-300)
        more = found | (strange & (excess > OUTWEIGHS * ordinary))
        if (more == found).all():
            break
        found = more
    at = np.flatnonzero(found)
    return {int(ld_block[first[i]]): float(excess[i] / ordinary) for i in at[np.argsort(-lead[at])]}


def _log_expected(lead: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log number of loci expected to be as strong as each of `lead` (z^2 of the strongest variants)
    if `others` show the scale; 0 where not significant.
    """
    from scipy.special import log_ndtr

    def log_tail(chi2: Any) -> Any:  # of one degree of freedom, without log 2
        return log_ndtr(-np.sqrt(chi2))

    hits = np.sort(others[others > SIGNIFICANT])
    out = np.zeros(lead.size)
    known = np.sort(np.r_[hits[:-1], np.full(WEAK, 2 * SIGNIFICANT)])
    # the median, and its standard error more: of few loci it is uncertain, and a sparse trait must
    # lose nothing
    middle = float(known[int((0.5 + 0.5 / np.sqrt(known.size)) * (known.size - 1))])
    low, high = 2.0, 1e7
    for _ in range(60):
        scale = np.sqrt(low * high)
        above = log_tail(middle / scale) - log_tail(SIGNIFICANT / scale) > np.log(0.5)
        low, high = (low, scale) if above else (scale, high)
    at = lead > SIGNIFICANT
    out[at] = log_tail(lead[at] / high) - log_tail(SIGNIFICANT / high) + np.log(max(hits.size, 1))
    return out


def find_dominant(
    columns: dict[str, NDArray[Any]], traits: list[str]
) -> tuple[list[Locus], NDArray[np.bool_]]:
    """Dominant loci of one or several traits, and the variants that go with them.

    Parameters
    ----------
    columns
        z and n (variant, trait; NaN where not seen), weight, ld_block, snp, chrom and pos
        (variant,), in genome order.
    traits
        Names.

    Returns
    -------
    list of Locus, numpy.ndarray
        The loci, strongest first within each trait; (variant,) whether a variant lies in the LD
        block of one, or within 500 kb of its strongest variant.
    """
    z, n, weight, ld_block, snp, chrom, pos = (columns[v] for v in LOOKED_AT)
    loci, inside = [], np.zeros(len(weight), bool)
    for t, trait in enumerate(traits):
        seen = np.isfinite(z[:, t])
        scores = np.where(seen, z[:, t], 0.0)
        for block, outweighs in dominant_blocks(scores, weight * seen, ld_block).items():
            here = np.flatnonzero(ld_block == block)
            lead = here[np.argmax(np.abs(scores[here]))]
            near = (chrom == chrom[lead]) & (np.abs(pos - pos[lead]) <= REACH)
            near[here] = True
            inside |= near
            zz, size = float(z[lead, t]), float(n[lead, t])
            h2 = (zz**2 - 1) / size
            loci.append(
                Locus(
                    trait,
                    str(snp[lead]),
                    str(chrom[lead]),
                    int(pos[lead]),
                    round(zz, 3),
                    h2,
                    block,
                    round(outweighs, 2),
                    int(near.sum()),
                )
            )
    return loci, inside


def sentence(loci: list[Locus], excluded: bool) -> str:
    """What was found, in one line."""
    names = "; ".join(map(str, loci[:5])) + (f"; {len(loci) - 5} more" if len(loci) > 5 else "")
    many = "loci dominate" if len(loci) > 1 else "locus dominates"
    if excluded:
        total = sum(locus.h2 for locus in loci)
        return (
            f"{len(loci)} {many} the data and got weight 0, "
            f"{sum(locus.variants for locus in loci):,} variants in all: {names}. "
            f"Add about {total:.2g} to h2 for what they explain; dominant='keep' (--dominant "
            "keep) leaves them in."
        )
    return (
        f"{len(loci)} {many} the data: {names}. Kept as asked; estimates hang on them, "
        "dominant='exclude' gives them weight 0."
    )


def as_records(loci: list[Locus]) -> list[dict[str, Any]]:
    """The loci as plain values, for JSON."""
    return [asdict(locus) for locus in loci]
