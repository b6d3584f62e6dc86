"""The weak prior of h2 on the log scale: the law of log h2 where h2 is half-normal, so that h2 = 0
can be reached.

A normal prior on log h2 has density zero at h2 = 0: with data that say nothing its posterior keeps
away from zero, however large the study. The half-normal is finite and flat there. The density of y
= log h2 holds the Jacobian: log(2 / (scale sqrt(2 pi))) - exp(2 y) / (2 scale^2) + y.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.distribution import Continuous, SymbolicRandomVariable
from pymc.distributions.shape_utils import implicit_size_from_params, rv_size_is_none
from pymc.pytensorf import normalize_rng_param
from pytensor.tensor.random.basic import halfnormal
from pytensor.tensor.random.utils import normalize_size_param


class LogHalfNormalRV(SymbolicRandomVariable):
    """Random draws: the log of half-normal ones."""

    name = "log_half_normal"
    extended_signature = "[rng],[size],()->[rng],()"
    _print_name = ("LogHalfNormal", "\\operatorname{LogHalfNormal}")

    @classmethod
    def rv_op(cls, scale: Any, *, size: Any = None, rng: Any = None) -> Any:
        """Symbolic draws of a given scale and size."""
        scale, rng, size = pt.as_tensor(scale), normalize_rng_param(rng), normalize_size_param(size)
        if rv_size_is_none(size):
            size = implicit_size_from_params(scale, ndims_params=cls.ndims_params)
        next_rng, draws = halfnormal(0.0, scale, size=size, rng=rng, return_next_rng=True)
        return cls(inputs=[rng, size, scale], outputs=[next_rng, pt.log(draws)])(rng, size, scale)


class LogHalfNormal(Continuous):
    """Distribution of log x, x half-normal with `scale`; on the whole line, so without a
    transform.
    """

    rv_type = LogHalfNormalRV
    rv_op = LogHalfNormalRV.rv_op

    @classmethod
    def dist(cls, scale: Any, **kwargs: Any) -> Any:
        """The distribution outside a model."""
        return super().dist([pt.as_tensor(scale)], **kwargs)

    def support_point(rv: Any, size: Any, scale: Any) -> Any:
        """Log of the median."""
        middle = pt.log(0.6744897501960817 * scale)
        return middle if rv_size_is_none(size) else pt.full(size, middle)

    def logp(value: Any, scale: Any) -> Any:
        """Log density."""
        return log_density(value, scale, pt)


def log_density(value: Any, scale: Any, of: Any = np) -> Any:
    """Log density of y = log x, x half-normal with `scale`; `of` is numpy or pytensor.tensor."""
    return 0.5 * math.log(2 / math.pi) - of.log(scale) + value - of.exp(2 * value) / (2 * scale**2)
