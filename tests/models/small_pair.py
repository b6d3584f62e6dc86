"""Small GWAS of two traits through the LD of `small_gwas`, and its truth as a simulation records
it.
"""

import numpy as np

from bayesmixer.ld.gwas_data import gwas_data_from_arrays
from bayesmixer.ld.spectrum import nodes
from tests.models.small_gwas import K, panel

PI = (0.015, 0.01, 0.025)  # unique to the first, to the second, shared


def simulate_pair(
    h2=(0.3, 0.25), pi=PI, rho_beta=0.6, sigma2_0=(1.05, 1.02), rho_0=0.2, n=(3_000, 2_500),
    seed=0, blocks=40, size=30, **kwargs,
):  # fmt: skip
    """GwasData of two traits."""
    rng = np.random.default_rng(seed)
    h, r, root, spectrum, block = panel(blocks, size)
    which = rng.choice(4, h.size, p=[*pi, 1 - sum(pi)])
    effect = rng.multivariate_normal([0, 0], [[1, rho_beta], [rho_beta, 1]], h.size)
    noise = rng.multivariate_normal([0, 0], [[1, rho_0], [rho_0, 1]], h.size)
    z = np.empty((h.size, 2))
    for t in (0, 1):
        scale = np.sqrt(h2[t] / ((pi[t] + pi[2]) * h.sum()))
        beta = np.where((which == t) | (which == 2), effect[:, t] * scale, 0.0)
        signal = np.einsum("bij,bj->bi", r, (np.sqrt(h) * beta).reshape(blocks, size))
        error = np.einsum("bij,bj->bi", root, noise[:, t].reshape(blocks, size))
        z[:, t] = (np.sqrt(n[t]) * signal + np.sqrt(sigma2_0[t]) * error).ravel()
    options = {
        "ld_block": block,
        "weight": np.random.default_rng(99).uniform(0, 1, h.size),
        "trait": ["first", "second"],
        **kwargs,
    }
    return gwas_data_from_arrays(z, np.array(n), spectrum, nodes(K), h, **options)
