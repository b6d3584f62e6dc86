"""Data and fits that the tests of inference share: small simulated GWAS, and the embedded data set
with its fits.
"""

from functools import lru_cache

import pytest

import bayesmixer as bm
from tests.models.small_gwas import simulate_gwas

LAPLACE_DRAWS = 500


@pytest.fixture(scope="session", autouse=True)
def compiled(kernel):
    """The likelihood."""


@pytest.fixture(scope="session")
def small():
    """GwasData of 1,800 variants, pi 0.02."""
    return simulate_gwas(h2=0.3, pi=0.02, n=20_000, seed=4)


def _whole_example(folder):
    example = bm.example_data(folder)
    bm.build_reference(
        example.genotypes, folder / "panel.zarr", window=example.ld_blocks, r2_rule="plain"
    )


@pytest.fixture(scope="session")
def example(once):
    """The embedded data set, unpacked, with the LD reference of all of its chromosomes as
    `panel.zarr`.
    """
    return bm.example_data(once("whole_example", _whole_example))


@pytest.fixture(scope="session")
def example_of(example):
    """GwasData of a trait of the embedded data set, all of its chromosomes, by name."""

    @lru_cache
    def get(trait):
        return bm.align(
            bm.read_sumstats(example.sumstats[trait]),
            example.directory / "panel.zarr",
            progress=False,
        )

    return get


@pytest.fixture(scope="session")
def laplace_small(small):
    """Fit of `small` by univariate MiXeR and the default method."""
    return bm.fit(bm.models.univariate_mixer(small), draws=LAPLACE_DRAWS, seed=3, progress=False)
