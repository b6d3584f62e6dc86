"""How strong effects may be where the mode is sought: N sigma2_beta H far beyond what the LD
spectrum's nodes serve is no place for it.

On pure noise the posterior of log h2 rises into the corner of few and enormous effects that none of
the variants tags, up to the edge of what can be computed: thousands of frequencies an evaluation,
and no maximum. The search stops at `LIMIT` times what is served.
"""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from scipy.special import expit

from bayesmixer.bound import Bound
from bayesmixer.ld.exponents import exponents
from bayesmixer.mixer.heritability import unseen_under
from bayesmixer.mixer.laid_out import h_total, largest_n
from bayesmixer.ops.layout import Array

# N sigma2_beta H that 24 nodes serve to 0.01 of log p: benchmarks/strong_effects.py
STRONG = 1000.0
LIMIT = 30.0


def served(nodes: int) -> float:
    """N sigma2_beta H that so many nodes of the LD spectrum serve."""
    return STRONG * math.pow(nodes / 24, 1.5)


class Strength:
    """log of the strongest component's N sigma2_beta H (H = 1/2, the largest N), less the log of
    its limit, as a function of the flat vector.

    Never above its limit for models that have no such components, or a free S.
    """

    named = "logit_pi"
    """Parameter that is said to lie at its edge where the limit is met."""

    def __init__(self, bound: Bound, names: list[str]) -> None:
        self.at = {name: i for i, name in enumerate(names)}
        self.offset = -math.inf
        if set(bound.free) == set(names) and "logit_pi" in names and "logit_maf_s" not in names:
            data = bound.data
            n = largest_n(data)
            s = float(exponents(data)[0])
            self.offset = math.log(
                n * 0.5 ** (1 + s) / h_total(data) / LIMIT / served(data.sizes["node"])
            )

    def __call__(self, x: Array) -> tuple[float, Array]:
        """Value and gradient (P,)."""
        slope = np.zeros(x.size)
        if self.offset == -math.inf:
            return -math.inf, slope
        h2, pi = self.at["log_h2"], self.at["logit_pi"]
        value = x[h2] + np.logaddexp(0.0, -x[pi]) + self.offset
        slope[h2], slope[pi] = 1.0, -expit(-x[pi])
        if "log_pi_ratio" in self.at:
            share, ratio = self.at["logit_share_large"], self.at["log_pi_ratio"]
            value += np.logaddexp(0.0, -x[ratio])
            large = -np.logaddexp(0.0, -x[share]) + x[ratio]
            small = -np.logaddexp(0.0, x[share])
            value += max(large, small)
            slope[ratio] = expit(x[ratio]) if large >= small else -expit(-x[ratio])
            slope[share] = expit(-x[share]) if large >= small else -expit(x[share])
        return float(value), slope


def strained(bound: Bound, estimate: xr.Dataset) -> list[str]:
    """What to say where effects at the mode are stronger than the nodes of the LD spectrum serve
    (docs/evidence/likelihood.md).
    """
    said = unseen_under(bound)
    if bound.card.quantity("pi") is None or "sigma2_beta" not in estimate:
        return said  # every variant has an effect: none is strong
    nodes = bound.data.sizes["node"]
    n = largest_n(bound.data)
    s = float(estimate["maf_s"]) if "maf_s" in estimate else float(exponents(bound.data)[0])
    strength, limit = n * float(estimate["sigma2_beta"].max()) * 0.5 ** (1 + s), served(nodes)
    if not strength > limit:
        return said
    return [
        *said,
        f"Effects are strong at the mode: N sigma2_beta H is {strength:,.0f}, and the {nodes} "
        f"nodes of the LD spectrum serve up to {limit:,.0f}; "
        "the likelihood of single variants may be off by more than 0.01. Build the reference "
        f"with k={2 * nodes} (ld build --k {2 * nodes}).",
    ]
