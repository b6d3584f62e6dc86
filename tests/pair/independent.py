"""Bivariate MiXeR of independent variants in closed form: each variant is its own only partner, so
that z is a mixture of four bivariate normals, with the parameters of the package's model.
"""

from contextlib import contextmanager
from importlib import import_module
from unittest.mock import patch

import numpy as np

from bayesmixer.ld.gwas_data import gwas_data_from_arrays
from bayesmixer.ld.spectrum import nodes
from bayesmixer.ops.block_loglik import BlockLogLik
from bayesmixer.ops.pair import PairLogLik
from bayesmixer.pair.chart import MOST_RHO_0, overlap, place_of_excess

VARIANTS_OF_GENOME = 200_000  # of which those that are simulated are a part
STRENGTH = 0.25  # H of each
H_TOTAL = STRENGTH * VARIANTS_OF_GENOME
RHO_0, SIGMA2_0 = 0.1, (1.05, 1.02)
BLOCKS = 160
N = 50_000.0


def components(pi, sigma_beta, sigma_0, scale=(N, N, N)):
    """(weight, variances and covariance of z) of each part of the mixture; `scale` n_1, n_2 and
    sqrt(n_1 n_2), of all variants or of each.
    """
    parts = [
        (float(p), tuple(v0 + n * STRENGTH * v for v0, n, v in zip(sigma_0, scale, s, strict=True)))
        for p, s in zip(pi, sigma_beta, strict=True)
    ]
    return [*parts, (1 - float(np.sum(pi)), tuple(sigma_0))]


class Rows:
    """What the closed form needs of data."""

    def __init__(self, data, censor=None):
        self.z, n = (data[name].values.T.copy() for name in ("z", "n"))
        self.scale = np.array([*n, np.sqrt(n.prod(axis=0))])
        self.weight, block = data["weight"].values, data["ld_block"].values
        self.n_blocks, self.digest = int(block.max()) + 1, "independent"
        self.edges = np.searchsorted(block, np.arange(self.n_blocks + 1))

    def summed(self, values):
        """Weighted sums of values (..., J) over LD blocks."""
        total = np.cumsum(self.weight * values, axis=-1)
        total = np.concatenate([np.zeros_like(total[..., :1]), total], axis=-1)
        return np.diff(total[..., self.edges], axis=-1)


class Independent(BlockLogLik):
    """The likelihood of `PairLogLik` where each variant is its own only partner."""

    arguments = PairLogLik.arguments

    def valid(self, *parameters):
        """As of the Op."""
        return PairLogLik.valid(self, *parameters)

    def computed(self, *parameters, threads=None):
        """Log-likelihood (L,) and Jacobian (L, 15)."""
        (z1, z2), slopes = self.data.z, []
        total = np.zeros_like(z1)
        for weight, (v1, v2, c) in components(*parameters, self.data.scale):
            det = v1 * v2 - c * c
            q1, q2, q12 = v2 / det, v1 / det, -c / det
            w1, w2 = q1 * z1 + q12 * z2, q12 * z1 + q2 * z2
            p = np.exp(-0.5 * (w1 * z1 + w2 * z2)) / (2 * np.pi * np.sqrt(det))
            total += weight * p
            by = weight * p * np.array([w1 * w1 - q1, w2 * w2 - q2, 2 * (w1 * w2 - q12)]) / 2
            slopes.append((p, by))
        *causal, (null, by_null) = slopes
        rows = np.concatenate(
            [
                [p - null for p, _ in causal],
                *[self.data.scale * STRENGTH * by for _, by in causal],
                sum((by for _, by in causal), by_null),
            ]
        )
        return self.data.summed(np.log(total)), self.data.summed(rows / total).T


def simulate(u, e, pi, variance, variants, seed):
    """GwasData of two traits whose variants are independent: u = rg / rg_max, excess e,
    polygenicities, variance of a causal effect on z.
    """
    rng = np.random.default_rng(seed)
    f = abs(u) + (1 - abs(u)) * e
    shared = f * min(pi)
    rho = u / f if f > 0 else 0.0
    error = np.array([*SIGMA2_0, RHO_0 * np.sqrt(np.prod(SIGMA2_0))])
    effect = variance * np.array([[1, 0, 0], [0, 1, 0], [1, 1, rho]]) / (N * STRENGTH)
    parts = components(np.array([pi[0] - shared, pi[1] - shared, shared]), effect, error)
    which = rng.choice(4, variants, p=[weight for weight, _ in parts])
    v1, v2, c = np.array([v for _, v in parts])[which].T
    a, b = rng.standard_normal((2, variants))
    z = [np.sqrt(v1) * a, c / np.sqrt(v1) * a + np.sqrt(np.maximum(v2 - c**2 / v1, 0.0)) * b]
    x = nodes(24)
    x[np.argmin(np.abs(x - STRENGTH))] = STRENGTH
    return gwas_data_from_arrays(
        np.column_stack(z),
        N,
        np.where(x == STRENGTH, STRENGTH, 0.0) * np.ones((variants, 1)),
        x,
        np.full(variants, STRENGTH),
        h_total=H_TOTAL,
        n_reference=VARIANTS_OF_GENOME,
        trait=["a", "b"],
        ld_block=np.arange(variants) * BLOCKS // variants,
    )


def truth(u, e, pi, variance):
    """The point of the chart, e strictly between 0 and 1."""
    h2 = np.array(pi) * variance * H_TOTAL / (N * STRENGTH)
    logit = np.log(np.array(pi) / (1 - np.array(pi)))
    return {
        "log_h2": np.log(h2),
        "log_sigma2_0": np.log(SIGMA2_0),
        "logit_pi_mean": logit.mean(),
        "logit_pi_difference": logit[0] - logit[1],
        "atanh_u": np.arctanh(u),
        "logit_t": place_of_excess(e, float(overlap(u, 0.0, *pi).least)),
        "atanh_rho_0": np.arctanh(RHO_0 / MOST_RHO_0),
    }


@contextmanager
def closed_form(kept):
    """The package's model over the closed form; what it lays out is appended to `kept`."""

    def laid_out(data, censor=None):
        kept.append(Rows(data))
        return kept[-1]

    page = import_module("bayesmixer.models.bivariate_mixer")
    with patch.object(page, "PairLogLik", Independent), patch.object(page, "pair_data", laid_out):
        yield
