"""A small GWAS whose effect variance is proportional to H^S, with LD spectra of several exponents:
the panel of small_gwas.py.
"""

from functools import lru_cache

import numpy as np

from bayesmixer.ld.gwas_data import gwas_data_from_arrays
from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs, x_max_of
from tests.models.small_gwas import K, panel

HELD = (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25)
BLOCKS, SIZE = 60, 30


def strengths(s):
    """H_i^(1+S) r_ij^2, (variants, partners): every variant's partners are those of its LD
    block.
    """
    h, r, _, _, _ = panel(BLOCKS, SIZE)
    return ((h.reshape(BLOCKS, 1, SIZE) ** (1 + s)) * r**2).reshape(-1, SIZE)


@lru_cache(maxsize=64)
def spectrum_at(s, x_max):
    """The LD spectrum built directly at S."""
    x = strengths(s)
    return spectrum_from_pairs(np.arange(len(x) + 1) * SIZE, x.ravel(), K, x_max)


def heterozygosity():
    """H of the panel's variants."""
    return panel(BLOCKS, SIZE)[0]


def maf_gwas(s=-0.6, h2=0.5, pi=0.05, sigma2_0=1.05, n=20_000, seed=0, held=HELD, **kwargs):
    """GwasData of one trait with the exponents `held`; effects of variance proportional to H^s."""
    h, r, root, _, block = panel(BLOCKS, SIZE)
    rng = np.random.default_rng(seed)
    sd = np.sqrt(h2 / (pi * (h ** (1 + s)).sum()) * h**s)
    beta = np.where(rng.random(h.size) < pi, rng.normal(0, sd), 0)
    signal = np.einsum("bij,bj->bi", r, (np.sqrt(h) * beta).reshape(BLOCKS, SIZE))
    noise = np.einsum("bij,bj->bi", root, rng.standard_normal((BLOCKS, SIZE)))
    z = (np.sqrt(n) * signal + np.sqrt(sigma2_0) * noise).ravel()
    x_max = x_max_of(held)
    spectra = np.stack([spectrum_at(v, x_max) for v in held])
    return gwas_data_from_arrays(
        z, n, spectra, nodes(K, x_max), h, maf_s=held, **{"ld_block": block, **kwargs}
    )
