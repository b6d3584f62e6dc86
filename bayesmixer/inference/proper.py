"""Whether a posterior under flat priors has a finite mass: on the log and logit scales the
likelihood of no effect never falls to 0.

Where it falls far enough on the way to the edge of the search box, no sampler gets there and the
rest does not matter.
"""

from __future__ import annotations

import numpy as np
import pymc as pm

from bayesmixer.errors import InputError
from bayesmixer.inference.density import Array, LogDensity
from bayesmixer.models.common import origin_of
from bayesmixer.style import as_parameter

# log-likelihood units, e^-8 = 3e-4: below, a chain may leave through that edge and never come back
FALL = 8.0
STEPS = 4
_NEAR = 2e-2


def flat(density: LogDensity) -> list[int]:
    """Places of parameters without a prior."""
    kinds = (pm.distributions.continuous.FlatRV, pm.distributions.continuous.HalfFlatRV)
    names = {rv.name for rv in density.model.free_RVs if isinstance(rv.owner.op, kinds)}
    return [i for i, name in enumerate(density.owners) if name in names]


def refuse(density: LogDensity, mode: Array, covariance: Array, bounds: Array) -> None:
    """Refuse to send chains where a parameter without a prior has its mode at an edge of the search
    box, or the likelihood hardly falls towards one.

    Raises
    ------
    InputError
        It falls by less than `FALL`, the other parameters following: the posterior is improper
        there.
    """
    places = flat(density)
    for i in places:
        if min(mode[i] - bounds[i, 0], bounds[i, 1] - mode[i]) < _NEAR:
            raise _improper(density, i, "its mode lies at the edge of the search box")
    if not _ours(density):  # nobody knows how far its parameters go
        return
    height = density.value_and_gradient(mode)[0]
    for i in places:
        for edge in bounds[i]:
            fall = height - _height_at(density, mode, covariance, bounds, i, edge)
            if fall < FALL:
                raise _improper(
                    density,
                    i,
                    f"the likelihood falls by {max(fall, 0.0):.1f} log units only from the "
                    "mode to the edge of the search box",
                )


def _height_at(
    density: LogDensity, mode: Array, covariance: Array, bounds: Array, i: int, edge: float
) -> float:
    """The most that is found of the log density with parameter i at the edge: from where the others
    are and from where they lean, by Newton steps.
    """
    rest = np.delete(np.arange(mode.size), i)
    inverse = np.linalg.inv(np.linalg.inv(covariance)[np.ix_(rest, rest)])
    lean = covariance[rest, i] / covariance[i, i] * (edge - mode[i])
    best = -np.inf
    for start in (np.zeros(rest.size), lean):
        x = mode.copy()
        x[i] = edge
        x[rest] = np.clip(mode[rest] + start, *bounds[rest].T)
        for _ in range(STEPS):
            value, gradient = density.value_and_gradient(x)
            if not (np.isfinite(value) and np.isfinite(gradient).all()):
                break
            best = max(best, value)
            x[rest] = np.clip(
                x[rest] + np.clip(inverse @ gradient[rest], -1.0, 1.0), *bounds[rest].T
            )
    return best


def _ours(density: LogDensity) -> bool:
    """Whether the parameters are those of a card."""
    origin = origin_of(density.model)
    return origin is not None and bool(origin.free)


def _improper(density: LogDensity, i: int, why: str) -> InputError:
    where = "prior" if _ours(density) else "model"
    remedy = (
        "Use prior='weak', or method='map' for the estimate alone."
        if where == "prior"
        else "Give it a prior, or use method='map'."
    )
    return InputError(
        where,
        f"flat for {as_parameter(density.names[i])}, and the posterior is improper: {why}",
        remedy,
    )
