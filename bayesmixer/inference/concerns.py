"""What makes a calibration itself uncertain: a sentence each, with what to do."""

from __future__ import annotations

import numpy as np

from bayesmixer.bound import Bound
from bayesmixer.card import UNIT, unit_in_words
from bayesmixer.inference.density import Array
from bayesmixer.inference.information import Information
from bayesmixer.style import as_parameter

FEWEST_BLOCKS = 200
DOMINANT = 0.5  # share of one unit in a parameter's variance that is worth a word


def concerns(
    info: Information, names: list[str], at_bound: list[str], bound: Bound | None = None
) -> list[str]:
    """What makes the calibrated covariance itself uncertain, with a remedy."""
    said = []
    n, unit = len(info.blocks), unit_in_words(UNIT if bound is None else bound.card.unit)
    if n < FEWEST_BLOCKS:
        said.append(
            f"{n} {unit}s (at least {FEWEST_BLOCKS} wanted): the calibrated widths are "
            "themselves uncertain; use more chromosomes."
        )
    j = np.linalg.cond(_scaled(info.variability + info.prior, info.hessian))
    if j > 1e6:
        said.append(
            f"The variability of the score is nearly singular (condition {j:.0e}): a parameter "
            "is not determined; fix it, or use a simpler model."
        )
    share = info.influence.share
    heavy = [
        f"{as_parameter(name)} ({s:.0%})"
        for name, s in zip(names, share.max(0), strict=True)
        if s > DOMINANT
    ]
    if heavy:
        label = info.blocks[int(np.argmax(share.max(1)))]
        place = f"{unit} {label}" if bound is None else bound.place(label)
        said.append(
            f"{place} makes up much of the variance of "
            f"{', '.join(heavy)}: the estimate hangs on one locus; "
            "compare a fit without it (its weight 0), or calibrate(..., adjust='bootstrap')."
        )
    if at_bound:
        said.append(
            f"Not calibrated in {', '.join(map(as_parameter, at_bound))}: the mode is at the edge "
            "of the search box; read the other parameters only."
        )
    return said


def _scaled(j: Array, h: Array) -> Array:
    """J in units of H's diagonal."""
    d = 1 / np.sqrt(np.diag(h))
    return np.asarray(d[:, None] * j * d)


def far_from_gaussian(draws: Array, names: list[str], besides: str = "") -> list[str]:
    """A warning where the raw posterior is so skewed that an affine map says little of its
    tails; the parameter `besides` is calibrated otherwise.
    """
    flat = draws.reshape(-1, draws.shape[-1])
    away = (flat - flat.mean(0)) / np.maximum(flat.std(0), 1e-12)
    skew = (away**3).mean(0)
    bad = [
        f"{as_parameter(name)} ({s:+.1f})"
        for name, s in zip(names, skew, strict=True)
        if abs(s) > 1.5 and name != besides
    ]
    if not bad:
        return []
    return [
        f"The posterior is far from Gaussian (skewness {', '.join(bad)}): its tails are rough; "
        "compare adjust='curvature' or 'bootstrap'."
    ]
