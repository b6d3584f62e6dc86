"""The weak prior of a pair's overlap: the law of y = logit t where the excess e = (f - L) / (1 - L)
over the least overlap L is uniform, whatever L (bayesmixer/pair/chart.py).

A prior of f and rho_beta by themselves would dictate how likely it is that nothing is shared beyond
what the genetic correlation requires; here that is as likely at any genetic correlation.
"""

from __future__ import annotations

from typing import Any

import pytensor.tensor as pt
from pymc.distributions.distribution import Continuous, SymbolicRandomVariable
from pymc.distributions.shape_utils import implicit_size_from_params, rv_size_is_none
from pymc.pytensorf import normalize_rng_param
from pytensor.tensor.random.basic import uniform
from pytensor.tensor.random.utils import normalize_size_param

from bayesmixer.pair.chart import log_density_of_place, place_of_excess


class ExcessRV(SymbolicRandomVariable):
    """Random draws: the places of uniform excesses."""

    name = "excess"
    extended_signature = "[rng],[size],()->[rng],()"
    _print_name = ("Excess", "\\operatorname{Excess}")

    @classmethod
    def rv_op(cls, least: Any, *, size: Any = None, rng: Any = None) -> Any:
        """Symbolic draws beyond a given least overlap."""
        least, rng, size = pt.as_tensor(least), normalize_rng_param(rng), normalize_size_param(size)
        if rv_size_is_none(size):
            size = implicit_size_from_params(least, ndims_params=cls.ndims_params)
        next_rng, e = uniform(0.0, 1.0, size=size, rng=rng, return_next_rng=True)
        y = place_of_excess(e, least, pt)
        return cls(inputs=[rng, size, least], outputs=[next_rng, y])(rng, size, least)


class Excess(Continuous):
    """Distribution of logit t beyond the overlap `least`; on the whole line, so without a
    transform.
    """

    rv_type = ExcessRV
    rv_op = ExcessRV.rv_op

    @classmethod
    def dist(cls, least: Any, **kwargs: Any) -> Any:
        """The distribution outside a model."""
        return super().dist([pt.as_tensor(least)], **kwargs)

    def support_point(rv: Any, size: Any, least: Any) -> Any:
        """Half of the excess."""
        middle = place_of_excess(0.5, least, pt)
        return middle if rv_size_is_none(size) else pt.full(size, middle)

    def logp(value: Any, least: Any) -> Any:
        """Log density."""
        return log_density_of_place(value, least, pt)
