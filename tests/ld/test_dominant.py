"""Dominant loci: found where few loci outweigh the rest, never among the tails of sparse or highly
powered traits; excluded by default and said.
"""

import json

import numpy as np
import pytest

from bayesmixer.errors import DataWarning
from bayesmixer.ld.align import align
from bayesmixer.ld.dominant import dominant_blocks
from tests.ld.align_panel import panel, sumstats

BLOCKS, SIZE = 400, 50


def scores(pi, ncp, seed, noise=1.0):
    """z and LD block of variants of which a share `pi` has z ~ N(0, 1 + ncp) and its two neighbours
    half of it.
    """
    rng = np.random.default_rng(seed)
    m = BLOCKS * SIZE
    effect = np.where(rng.random(m) < pi, rng.normal(0, np.sqrt(ncp), m), 0)
    z = effect + 0.5 * (np.roll(effect, 1) + np.roll(effect, -1)) + noise * rng.standard_normal(m)
    return z, np.repeat(np.arange(BLOCKS), SIZE)


def with_loci(z, places, size):
    z = z.copy()
    for at in places:
        z[at - 2 : at + 3] += size * np.array([0.3, 0.7, 1, 0.7, 0.3])
    return z


@pytest.mark.parametrize(
    ("pi", "ncp"), [(1.0, 0.05), (0.02, 10), (0.002, 100), (1e-3, 600), (0.01, 300), (0.0, 1.0)]
)
def test_tails_of_polygenic_sparse_and_highly_powered_traits_are_not_dominant(pi, ncp):
    found = [
        dominant_blocks(z, np.full(z.size, 0.3), block)
        for z, block in (scores(pi, ncp, seed) for seed in range(12))
    ]
    assert sum(map(bool, found)) <= 1


@pytest.mark.parametrize("loci", [1, 3, 10])
@pytest.mark.parametrize("size", [60, 100])
def test_all_of_several_strong_loci_are_found_and_nothing_else(loci, size):
    z, block = scores(0.02, 10, 7)
    places = np.arange(loci) * 1900 + 25
    found = dominant_blocks(with_loci(z, places, size), np.full(z.size, 0.3), block)
    assert sorted(found) == sorted(block[places])


@pytest.mark.parametrize("loci", [1, 3])
def test_strong_loci_alone_in_noise_are_found(loci):
    z, block = scores(0.0, 1.0, 3)
    assert (
        len(
            dominant_blocks(
                with_loci(z, np.arange(loci) * 1900 + 25, 60), np.full(z.size, 0.3), block
            )
        )
        == loci
    )


def test_align_gives_the_block_and_what_is_near_weight_0_and_says_what_it_explains():
    reference = panel({"21": 1500, "22": 1500})
    plain = sumstats(reference)
    at = 1800
    z = plain["z"].values.copy()
    z[at] = 50.0
    strong = plain.assign(z=("variant", z))
    lead = str(plain["snp"].values[at])
    with pytest.warns(
        DataWarning,
        match=(
            rf"1 locus dominates the data and got weight 0, \d+ variants in all: 22:\d+ \({lead}, "
            rf"\|z\| 50.0.*about 0.025 to h2"
        ),
    ):
        data = align(strong, reference, ambiguous="keep")
    before = align(plain, reference, ambiguous="keep")
    (locus,) = json.loads(data.attrs["dominant_loci"])
    assert (locus["snp"], locus["chrom"], locus["trait"]) == (lead, "22", "made")
    assert locus["h2"] == pytest.approx((50**2 - 1) / 1e5)
    gone = (data["ld_block"] == locus["ld_block"]) | (
        (data["chrom"] == "22") & (abs(data["pos"] - locus["pos"]) <= 500_000)
    )
    assert gone.sum() == locus["variants"] >= 25
    np.testing.assert_array_equal(data["weight"].values, np.where(gone, 0, before["weight"].values))
    with pytest.warns(DataWarning, match="1 locus dominates the data: .* Kept as asked"):
        kept = align(strong, reference, ambiguous="keep", dominant="keep")
    np.testing.assert_array_equal(kept["weight"].values, before["weight"].values)
