"""Where a search begins in a model that has no density at its initial point: the mode of a cheap
stand-in for its log posterior.
"""

from __future__ import annotations

from typing import Any

from bayesmixer.inference.density import Array, LogDensity
from bayesmixer.inference.find_map import climb
from bayesmixer.models.common import origin_of


class StandIn(LogDensity):
    """The stand-in that a model's record makes (`Bound.stand_in`), as a density."""

    def log_posterior(self) -> Any:
        """It as a graph of the model's value variables."""
        origin = origin_of(self.model)
        assert origin is not None and origin.stand_in is not None
        return origin.stand_in()


def start(density: LogDensity) -> Array | None:
    """Mode (P,) of the stand-in for a density; None where its model has none."""
    origin = origin_of(density.model)
    if origin is None or origin.stand_in is None:
        return None
    stand_in = StandIn(density.model)
    return climb(stand_in, stand_in.initial, stand_in.box).x
