"""Small GWAS with blocks of LD, simulated from the model's own words: z = sqrt(N) R sqrt(H) beta +
e, e ~ N(0, sigma2_0 R).
"""

from functools import lru_cache

import numpy as np

from bayesmixer.ld.gwas_data import gwas_data_from_arrays
from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs

K = 24


@lru_cache(maxsize=8)
def panel(blocks=60, size=30, seed=1):
    """(H, R of each block, Cholesky factors, LD spectrum, LD block) of `blocks` blocks of `size`
    variants in autoregressive LD.
    """
    rng = np.random.default_rng(seed)
    freq = rng.uniform(0.05, 0.95, blocks * size)
    h = 2 * freq * (1 - freq)
    r = np.empty((blocks, size, size))
    for b in range(blocks):
        place = np.cumsum(rng.exponential(1.0, size))
        sign = rng.choice([-1.0, 1.0], size)
        r[b] = (
            np.exp(-np.abs(place[:, None] - place) / np.exp(rng.uniform(-1.5, 2.5)))
            * sign[:, None]
            * sign
        )
    strength = h.reshape(blocks, 1, size) * r**2
    spectrum = spectrum_from_pairs(np.arange(blocks * size + 1) * size, strength.ravel(), K)
    return h, r, np.linalg.cholesky(r), spectrum, np.repeat(np.arange(blocks), size)


def simulate_gwas(
    h2=0.3, pi=0.02, sigma2_0=1.05, n=20_000, seed=0, blocks=60, size=30, components=None, **kwargs
):
    """GwasData of one trait; `components` is a list of (pi, share of h2), by default one component
    of all h2.
    """
    rng = np.random.default_rng(seed)
    h, r, root, spectrum, block = panel(blocks, size)
    beta = np.zeros(h.size)
    which = rng.random(h.size)
    for p, share in components or [(pi, 1.0)]:
        chosen = (which >= 0) & (which < p)
        beta[chosen] = rng.normal(0, np.sqrt(h2 * share / (p * h.sum())), chosen.sum())
        which = which - p
    signal = np.einsum("bij,bj->bi", r, (np.sqrt(h) * beta).reshape(blocks, size))
    noise = np.einsum("bij,bj->bi", root, rng.standard_normal((blocks, size)))
    z = (np.sqrt(n) * signal + np.sqrt(sigma2_0) * noise).ravel()
    options = {
        "ld_block": block,
        "weight": np.random.default_rng(99).uniform(0, 1, h.size),
        **kwargs,
    }
    return gwas_data_from_arrays(z, n, spectrum, nodes(K), h, **options)
