"""A paper's staged estimate in place of the joint mode: the wing knows the stages, and says where
they come to rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from bayesmixer.bound import Bound
from bayesmixer.errors import InputError
from bayesmixer.inference.density import LogDensity
from bayesmixer.inference.find_map import Modes, Optimum, covariance_of, hessian


def staged_modes(
    density: LogDensity, bound: Bound | None, method: str, starts: Any
) -> tuple[Modes, xr.Dataset]:
    """The staged estimate as the search would return a mode, and what its stages found.

    Its `decrement` is what the joint mode is above it, by the curvature there.

    Raises
    ------
    InputError
        The method is another than "map", starts are given, or the model has no stages.
    """
    if method != "map":
        raise InputError("staged", f"method {method!r}, expected 'map'", "It has no posterior.")
    if starts is not None:
        raise InputError("staged", "given with starts", "The stages have their own.")
    known = None if bound is None else bound.card.ask("staged")
    if known is None or bound is None or any(name not in bound.free for name in density.variables):
        raise InputError("staged", "not an estimate that this model has", "Leave it out.")
    point, found = known(bound)
    x = density.flatten(point)
    value, gradient = density.value_and_gradient(x)
    curvature = hessian(density, x, np.full(x.size, 0.02))
    gain = 0.5 * float(gradient @ covariance_of(curvature) @ gradient)
    best = Optimum(x, value, gradient, curvature, gain, True, [], x, density.evaluations)
    return Modes(best, [best]), found
