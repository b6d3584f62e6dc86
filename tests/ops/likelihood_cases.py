"""Synthetic variants whose LD spectra come from lists of partners, as real ones do."""

from __future__ import annotations

import numpy as np

from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from bayesmixer.ops.layout import LikelihoodData
from bayesmixer.ops.likelihood import MixtureLogLik

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
    return spectrum_from_pairs(
        np.concatenate([[0], np.cumsum([len(x) for x in lists])]), np.concatenate(lists), K
    ), lists


def compile_kernel():
    """Evaluate the likelihood once."""
    s, _ = spectra(np.random.default_rng(0), 40)
    z = np.linspace(0, 9, 40)
    MixtureLogLik(
        LikelihoodData(z, np.full(40, N_REF), np.ones(40), s, NODE_X, np.arange(40))
    ).evaluate([0.004], [4.8e-4], 1.05)


def assert_same_to_rounding(found, expected):
    """Log-likelihoods (L,), and Jacobians (L, P) where there are, from two orders of the same sums:
    another compilation, processor or number of threads.

    A cosine sum of terms of size one gives densities down to 1e-7 (frequencies.LOG_COSINE_FLOOR),
    so that log p is right to 10 eps / 1e-7 = 2e-8; a shifted line loses at most e^13
    (CANCELLATION), 1e-9. Few variants are near either end: a block of hundreds stays below 1e-8 in
    all. Derivatives have the relative error of the density, of their column's size.
    """
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-9, atol=1e-8)
    for column in range(np.shape(expected[1])[1] if len(expected) > 1 else 0):
        size = np.abs(expected[1][:, column]).max()
        np.testing.assert_allclose(
            found[1][:, column], expected[1][:, column], rtol=1e-7, atol=1e-8 * size
        )
