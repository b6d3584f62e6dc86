"""Whether z-scores can be those of a whole GWAS: all the same, cut off by their P value, or with
less variance than chance alone has.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOW = 0.02  # the smallest |z| of a file: this share of it
IMPROBABLE = 1e-4
FEW_TO_JUDGE = 10
HARDLY = 1.02  # LDSC's own warning level
NO_POWER = "the study has next to no power"


def all_equal(z: NDArray[np.float64]) -> str | None:
    """What to say of z-scores that are all the same number, or None."""
    if len(z) < 2 or np.ptp(z) > 0:
        return None
    return f"all {len(z):,} z-scores are {z[0]:g}: this is no GWAS"


def cut_off(z: NDArray[np.float64]) -> str | None:
    """What to say of z-scores of which the small ones are missing, or None.

    The smallest 2% of |z| (at least one) are compared with a normal distribution of the same
    variance about 0. GWAS have more z-scores near 0 than that, whatever their architecture; a file
    of top hits, or of P below some limit, has none.

    Parameters
    ----------
    z
        (variant,) finite z-scores.
    """
    from scipy.special import bdtr, ndtr

    size = np.sort(np.abs(z))
    if size.size < FEW_TO_JUDGE:
        return None
    below = int(LOW * size.size)
    limit = float(size[below])
    expected = 2 * ndtr(limit / np.sqrt(np.mean(size**2))) - 1
    if not bdtr(below, size.size, expected) < IMPROBABLE:
        return None
    p = 2 * ndtr(-limit)
    chosen = f"next to no variant has P above {p:.2g} (|z| below {limit:.2f})"
    return (
        f"{chosen}: the variants were chosen by their P value (a file of top hits), which no model "
        "of a whole GWAS fits"
    )


def low_variance(z: NDArray[np.float64], weight: NDArray[np.float64]) -> str | None:
    """What to say where the weighted mean of z^2 is below that of chance alone, or barely above it;
    None otherwise.
    """
    total = float(weight.sum())
    if not total > 0:
        return None
    mean = float(weight @ z**2) / total
    error = 1.5 / np.sqrt(max(total, 1.0))
    if mean < 0.95 and mean < 1 - 4 * error:
        return (
            f"the mean of z^2 is {mean:.2f}, below the 1 of chance alone: genomic control, "
            "standard errors that are too large, or z-scores cut short"
        )
    if mean < HARDLY and total > 1_000:
        return f"the mean of z^2 is {mean:.3f}, hardly above the 1 of chance alone: {NO_POWER}"
    return None
