"""Synthetic variants whose LD spectra come from lists of partners, as real ones do."""

from __future__ import annotations

import numpy as np

from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs

K = 24
NODE_X = nodes(K)
N_REF = 1e5


def partners(rng, most=60):
    """Strengths H r^2 of the partners of one variant, itself first."""
    count = int(rng.integers(1, most))
    h, r2 = rng.uniform(0.02, 0.5, count), rng.beta(0.4, 1.5, count)
    r2[0] = 1.0
    return h * r2


def spectra(rng, variants, most=60):
    lists = [partners(rng, most) for _ in range(variants)]
    return spectrum_from_pairs(np.concatenate([[0], np.cumsum([len(x) for x in lists])]), np.concatenate(lists), K), lists
