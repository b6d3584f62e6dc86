"""What can be said of a GWAS before anything is fitted: errors for what is none, sentences for what
will hardly do.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.io.plausible import all_equal, cut_off, low_variance

FEWEST_N = 50
FEWEST_VARIANTS = 200
SMALL_SHARE = 0.5


def check_scores(ds: xr.Dataset, name: str) -> None:
    """Refuse what is no GWAS.

    Raises
    ------
    InputError
        z-scores that are all the same, an N that is no sample size, or variants that were chosen by
        their P value.
    """
    z, n = (np.asarray(ds[v].values, np.float64) for v in ("z", "n"))
    usable = np.isfinite(z) & np.isfinite(n) & (n > 0)
    if not usable.any():
        return
    z, middle = z[usable], float(np.median(n[usable]))
    if (found := all_equal(z)) is not None:
        raise InputError(name, found, "Check which column holds the effect.")
    if middle < FEWEST_N:
        raise InputError(
            name,
            f"the median sample size is {middle:g}: no GWAS has so few",
            "Give N when reading (sample_size=, --sample-size).",
        )
    if (found := cut_off(z)) is not None:
        raise InputError(
            name, found, "Use the full summary statistics, of all variants whatever their P value."
        )


def doubts(
    z: NDArray[np.float64],
    weight: NDArray[np.float64],
    possible: dict[str, int],
    filters: dict[str, int],
    traits: list[str],
) -> list[str]:
    """What should be known of aligned data: how few variants are left and why, and z-scores of too
    little variance.

    Parameters
    ----------
    z, weight
        (variant, trait; NaN where not seen) and (variant,).
    possible
        How many variants of each trait could have matched: the smaller of the GWAS's and the
        reference's.
    filters
        Counts of what each filter took.
    traits
        Names.
    """
    said = []
    left = int(np.isfinite(z).sum(axis=0).min())
    reasons = ", ".join(
        f"{name} {count:,}"
        for name, count in sorted(filters.items(), key=lambda x: -x[1])[:4]
        if count
    )
    most = min(possible.values())
    if left < SMALL_SHARE * most and most >= 1_000:
        said.append(
            f"Only {left:,} of {most:,} variants that could be shared are left ({reasons}): "
            "compare identifiers, positions (genome build) and alleles "
            "of the GWAS with the reference's."
        )
    if left < FEWEST_VARIANTS:
        said.append(
            f"Only {left:,} variants are left{f' ({reasons})' if reasons else ''}, too few for "
            "a statement about a trait."
        )
    for trait, scores in zip(traits, z.T, strict=True):
        of = f"{trait}: " if len(traits) > 1 else ""
        seen = np.isfinite(scores)
        if (found := low_variance(scores[seen], weight[seen])) is not None:
            said.append(of + found[0].upper() + found[1:] + ".")
    for (one, x), (two, y) in combinations(zip(traits, z.T, strict=True), 2):
        both = np.isfinite(x) & np.isfinite(y)
        if both.any() and np.array_equal(x[both], y[both]):
            said.append(
                f"{one} and {two} have the same z-score at every variant, as one GWAS given twice: "
                "check that the two files are of two traits."
            )
    return said
