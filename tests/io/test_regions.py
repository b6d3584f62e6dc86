"""Regions by name: those of long-range LD in both builds."""

import polars as pl
import pytest

from bayesmixer.io.long_range_ld import LONG_RANGE_LD
from bayesmixer.io.regions import MHC, Regions
from bayesmixer.ld.builds import BUILDS, LANDMARKS

NAMES = ("long-range-LD-GRCh37", "long-range-LD-GRCh38")


def inside(name, chrom, pos):
    return Regions([name]).contains(pl.Series([chrom]), pl.Series([pos]))[0]


def test_long_range_ld_is_24_regions_of_the_same_chromosomes_in_both_builds():
    one, two = (LONG_RANGE_LD[name.upper()] for name in NAMES)
    assert len(one) == len(two) == 24
    assert [chrom for chrom, _, _ in one] == [chrom for chrom, _, _ in two]
    for (_, a, b), (_, c, d) in zip(one, two, strict=True):
        assert b - a == pytest.approx(d - c, abs=1e6)


@pytest.mark.parametrize("name", NAMES)
def test_the_mhc_is_among_them(name):
    chrom, ends = MHC.split(":")
    for pos in map(int, ends.split("-")):
        assert inside(name, chrom, pos)
        assert inside(name.lower(), chrom, pos)


def test_well_known_variants_lie_in_them_in_both_builds_or_in_neither():
    """A region that was moved the wrong way, or to another build, would part them."""
    held = []
    for rsid, (chrom, at) in LANDMARKS.items():
        where = [inside(name, chrom, at[BUILDS.index(name.rpartition("-")[2])]) for name in NAMES]
        assert where[0] == where[1], rsid
        held += [rsid] if where[0] else []
    assert {"rs4988235", "rs3184504"} <= set(held)  # LCT, SH2B3
