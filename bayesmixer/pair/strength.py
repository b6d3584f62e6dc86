"""How strong the effects of either trait may be where the mode of a pair is sought: as for one
trait (bayesmixer/mixer/strength.py), whichever is the stronger.
"""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from scipy.special import expit

from bayesmixer.bound import Bound
from bayesmixer.mixer import strength as one_trait
from bayesmixer.mixer.laid_out import h_total, largest_n
from bayesmixer.ops.layout import Array
from bayesmixer.pair.univariate import alone

NAMES = ("log_h2[0]", "log_h2[1]", "logit_pi_mean", "logit_pi_difference")


class Strength:
    """log of N sigma2_beta H (H = 1/2, the largest N) of the trait of stronger effects, less the
    log of its limit, as a function of the flat vector.

    Never above its limit where h2 and pi are held, or have priors of other scales.
    """

    named = "logit_pi_mean"
    """Parameter that is said to lie at its edge where the limit is met."""

    def __init__(self, bound: Bound, names: list[str]) -> None:
        self.at = [names.index(name) for name in NAMES if name in names]
        limit = one_trait.LIMIT * one_trait.served(bound.data.sizes["node"])
        total = h_total(bound.data)
        self.offset = [
            math.log(largest_n(alone(bound.data, k).data) * 0.5 / total / limit) for k in (0, 1)
        ]

    def __call__(self, x: Array) -> tuple[float, Array]:
        """Value and gradient (P,)."""
        slope = np.zeros(x.size)
        if len(self.at) < len(NAMES):
            return -math.inf, slope
        *h2, mean, difference = (float(x[i]) for i in self.at)
        logit = (mean + difference / 2, mean - difference / 2)
        values = [h2[k] + float(np.logaddexp(0.0, -logit[k])) + self.offset[k] for k in (0, 1)]
        k = int(np.argmax(values))
        rise = -float(expit(-logit[k]))
        slope[self.at[k]] = 1.0
        slope[self.at[2]], slope[self.at[3]] = rise, rise * (0.5, -0.5)[k]
        return values[k], slope


def strained(bound: Bound, estimate: xr.Dataset) -> list[str]:
    """What to say where effects of a trait are stronger at the mode than the nodes of the LD
    spectrum serve.
    """
    if "pi" not in estimate:
        return []
    traits = [str(name) for name in estimate["trait"].to_numpy()]
    said = []
    for k, name in enumerate(traits):
        said += [
            f"{name}: {sentence}"
            for sentence in one_trait.strained(
                alone(bound.data, k), estimate[["sigma2_beta"]].isel(trait=k)
            )
        ]
    return said
