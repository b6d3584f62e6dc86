"""Data and fits that the tests of inference share: small simulated GWAS, and the embedded data set with its fits."""

import pytest

import bayesmixer as bm
from tests.models.small_gwas import simulate_gwas


@pytest.fixture(scope="session")
def small():
    """GwasData of 1,800 variants, pi 0.02."""
    return simulate_gwas(h2=0.3, pi=0.02, n=20_000, seed=4)


@pytest.fixture(scope="session")
def example(tmp_path_factory):
    """The embedded data set, unpacked."""
    return bm.example_data(tmp_path_factory.mktemp("whole_example"))


@pytest.fixture(scope="session")
def example_of(example):
    """GwasData of a trait of the embedded data set, all of its chromosomes, by name."""
    made = {}
    panel = example.directory / "panel.zarr"

    def get(trait):
        if not panel.exists():
            bm.build_reference(example.genotypes, panel, window=example.ld_blocks, r2_rule="plain")
        if trait not in made:
            made[trait] = bm.align(bm.read_sumstats(example.sumstats[trait]), panel, progress=False)
        return made[trait]

    return get


@pytest.fixture(scope="session")
def laplace_small(small):
    """Fit of `small` by univariate MiXeR and the default method."""
    return bm.fit(bm.models.univariate_mixer(small), seed=3, progress=False)
