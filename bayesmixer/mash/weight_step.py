"""Gibbs sampling of a mixture's weights as a step method of PyMC: components of all effects given
weights, then shares given these (`nested_weights`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
from numpy.typing import NDArray
from pymc.step_methods.compound import BlockedStep
from pymc.util import get_random_generator

from bayesmixer.errors import InputError
from bayesmixer.mash.nested_weights import Shares
from bayesmixer.mash.transfers import taking_part
from bayesmixer.mash.weight_chains import moved
from bayesmixer.mash.weight_problem import BoundWeights, Problem

Array = NDArray[np.float64]

NAMES = ("null_mass", "group_share", "scale_share")
"""Free variables of such a model: share of the point mass, of groups, of scales within groups."""


class ConjugateWeights(BlockedStep):
    """Draws `null_mass`, `group_share` and `scale_share` of a model together.

    Parameters
    ----------
    vars
        Their value variables.
    problem
        What the weights are of.
    model
        A model of these variables; None: that of the context.
    rng
        Random numbers, as PyMC takes them.
    """

    name = "conjugate_weights"

    def __init__(
        self,
        vars: Any,
        *,
        problem: Problem,
        model: Any = None,
        rng: Any = None,
        blocked: bool = True,
        **others: Any,
    ) -> None:
        model = pm.modelcontext(model)
        self.problem = problem
        self.vars = list(vars)
        self.var_names = tuple(str(value.name) for value in self.vars)
        self.values = {str(model.values_to_rvs[v].name): str(v.name) for v in self.vars}
        self.blocked = blocked
        self.rng = get_random_generator(rng)
        self.part = taking_part(problem.prior, problem.mode().x, problem.near)

    def step(self, point: dict[str, Array]) -> tuple[dict[str, Array], list[dict[str, Any]]]:
        """One sweep."""
        prior, relative = self.problem.prior, self.problem.components.relative
        log_weights = prior.log_weights(self._shares(point))
        shares = prior.shares(moved(prior, relative, log_weights, self.part, self.rng))
        new = dict(point)
        for name, value in self.values.items():
            new[value] = _unconstrained(name, shares)
        return new, []

    def _shares(self, point: dict[str, Array]) -> Shares:
        """Logs of the shares at a point."""
        prior = self.problem.prior
        null = np.array([-np.inf, 0.0])
        if "null_mass" in self.values:
            x = point[self.values["null_mass"]]
            null = -np.logaddexp(0, np.array([-x, x]))
        logs = {}
        for name, shape in (
            ("group_share", (prior.groups,)),
            ("scale_share", (prior.scaled, prior.scales)),
        ):
            logs[name] = np.zeros(shape)
            if name in self.values:
                x = point[self.values[name]]
                x = np.concatenate([x, -x.sum(-1, keepdims=True)], axis=-1)
                x = x - x.max(-1, keepdims=True)
                logs[name] = x - np.log(np.exp(x).sum(-1, keepdims=True))
        return Shares(null, logs["group_share"], logs["scale_share"])


def _unconstrained(name: str, shares: Shares) -> Array:
    """Logs of shares on the scale of PyMC's own transforms: log-odds, and logs of all but the last
    of a simplex less their mean.
    """
    if name == "null_mass":
        return np.asarray(shares.null[0] - shares.null[1])
    logs = shares.group if name == "group_share" else shares.scale
    centred: Array = logs[..., :-1] - logs.mean(-1, keepdims=True)
    return centred


def step_of(model: pm.Model, rng: Any = None) -> ConjugateWeights:
    """The step method for the weights of a model of this package, as it was made or changed; other
    variables are for other steps of `pymc.sample(step=[...])`.

    Raises
    ------
    InputError
        It is no model of such weights.
    """
    problem = next((found for p in model.potentials if (found := problem_at(p))), None)
    held = [value for rv, value in model.rvs_to_values.items() if rv.name in NAMES]
    if problem is None or not held:
        lacks = "no weights of a mixture with conjugate priors"
        raise InputError("model", lacks, "Make it with bm.models.mash or bm.models.ash.")
    return ConjugateWeights(held, problem=problem, model=model, rng=rng)


def problem_at(potential: Any) -> Problem | None:
    """The problem that a potential's card remembers."""
    bound = getattr(potential.tag, "bayesmixer", None)
    return bound.problem if isinstance(bound, BoundWeights) else None
