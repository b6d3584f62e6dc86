"""A density whose likelihood is L(mode + C (theta - mode))^k: the composite likelihood brought to
the width that its information warrants.

C = 1, k < 1 is the magnitude adjustment, C' H C = V^-1 with k = 1 the curvature adjustment
(Ribatet, Cooley & Davison 2012, Statistica Sinica 22:813, sections 2.2 and 2.3), V the covariance
that the likelihood alone should have. The prior is left as it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.replace import graph_replace

from bayesmixer.inference.density import Array, LogDensity


class AdjustedDensity(LogDensity):
    """The density of a model with its log-likelihoods by LD block evaluated at mode + matrix (theta
    - mode), times `power`.

    Parameters
    ----------
    density
        The model's own density; its parameters must be on the whole line where `matrix` is not 1.
    mode, matrix, power
        (P,) centre, (P, P) C, and k.

    Raises
    ------
    InputError
        Nothing is a likelihood by LD block.
    """

    def __init__(self, density: LogDensity, mode: Array, matrix: Array, power: float = 1.0) -> None:
        super().__init__(density.model)
        self.need_units()
        self.mode, self.matrix, self.power = mode, matrix, power

    def log_likelihoods(self) -> list[Any]:
        """Adjusted log-likelihood by LD block of each of `block_names`."""
        values = self.value_vars
        away = pt.concatenate([v.reshape((-1,)) for v in values]) - pt.as_tensor(self.mode)
        moved = pt.as_tensor(self.mode) + pt.dot(pt.as_tensor(self.matrix), away)
        parts, at = [], 0
        for shape in self.shapes:
            size = int(np.prod(shape))
            parts.append(moved[at : at + size].reshape(shape) if shape else moved[at])
            at += size
        # through stand-ins, since what replaces a variable holds that variable itself
        stand_in = [v.type() for v in values]
        through = graph_replace(super().log_likelihoods(), dict(zip(values, stand_in, strict=True)))
        return [
            self.power * term
            for term in graph_replace(through, dict(zip(stand_in, parts, strict=True)))
        ]

    def log_posterior(self) -> Any:
        """Prior and adjusted likelihoods."""
        model = self.model
        rest = [*model.free_RVs, *(p for p in model.potentials if p.name not in self.block_names)]
        return model.logp(vars=rest) + sum(term.sum() for term in self.log_likelihoods())


def curvature_matrix(likelihood_hessian: Array, likelihood_covariance: Array) -> Array:
    """C with C' H C = V^-1, by Cholesky roots: H = M'M, V^-1 = N'N, C = M^-1 N."""
    m = np.linalg.cholesky(likelihood_hessian).T
    n = np.linalg.cholesky(np.linalg.inv(likelihood_covariance)).T
    return np.asarray(np.linalg.solve(m, n))
