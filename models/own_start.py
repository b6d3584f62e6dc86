"""A stand-in for the likelihoods of a model of one's own that has no density at its initial point:
how well h2 and sigma2_0 agree with what the moments of z show, where effects are mild.

PyMC starts a variance of a wide prior at 1, and effects of variance 1 explain a multiple of the
trait: far beyond what the likelihood computes (docs/ideas/likelihood.md). The search begins at the
mode of the prior times this.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmixer.ld.exponents import exponents, pick
from bayesmixer.mixer.laid_out import h_total, largest_n
from bayesmixer.mixer.starts import moments_h2
from bayesmixer.mixer.strength import served

if TYPE_CHECKING:
    from bayesmixer.models.own import Mixture

ERROR = 0.1  # of the moments' h2 and sigma2_0, relative
MILD = 0.1  # of the strongest effects that the LD spectrum serves
EDGE = 0.01  # of a share beyond 0 or 1
LEAST = 0.1  # ratio below which its log goes on as a line, to negative ones too


def by_moments(model: pm.Model, mixtures: Iterable[Mixture]) -> Any:
    """Log prior of a model built on `ld_mixture`, plus log Gaussians of the moments' h2 and
    sigma2_0 of each trait, as a graph of the model's value variables.

    Parameters
    ----------
    model
        The model.
    mixtures
        What its potentials remember, one a trait.
    """
    away = reduce(add, [_away(model, one) for one in mixtures])
    return model.logp(vars=model.free_RVs) - model.replace_rvs_by_values([away])[0]


def _away(model: pm.Model, one: Mixture) -> Any:
    """How far the parameters of a mixture are from the moments, in log units of density."""
    pi, variance, zero = (
        pt.as_tensor_variable(model[v] if isinstance(v, str) else np.asarray(v))
        for v in (one.parameters[key] for key in ("pi", "sigma2_beta", "sigma2_0"))
    )
    data = pick(one.data, float(np.median(exponents(one.data))))
    h2, noise = moments_h2(data)
    strong = served(data.sizes["node"]) / largest_n(data)
    away = [
        _log(pt.sum(pi * variance) * h_total(data) / h2) / ERROR,
        _log(zero / noise) / ERROR,
        pt.maximum(_log(pt.max(variance) / (MILD * strong)), 0.0) / ERROR,
        pt.maximum(-pi, 0.0) / EDGE,
        pt.maximum(pt.sum(pi) - 1.0, 0.0) / EDGE,
    ]
    return reduce(add, [0.5 * pt.sum(distance**2) for distance in away])


def _log(ratio: Any) -> Any:
    line = math.log(LEAST) + ratio / LEAST - 1
    return pt.switch(ratio > LEAST, pt.log(pt.maximum(ratio, LEAST)), line)
