"""Regions of long-range LD, which name themselves among the regions to leave out: LD so long that
it survives the windows of a reference, mostly inversions, centromeres and the MHC.

The 24 regions of Price et al. 2008 (American Journal of Human Genetics 83:132, table 1), with the
MHC and the inversion of 8p23 as widely as the University of Michigan's list of regions of high LD
has them in GRCh37. Those of GRCh38 are the same, each end moved by the shift of its neighbourhood
between the builds and rounded to 0.1 Mb; Anderson et al. 2010 (Nature Protocols 5:1564) tell why
such regions are left out of principal components.
"""

from __future__ import annotations

GRCH37 = """
1:48-52 2:86-100.5 2:134.5-138 2:183-190 3:47.5-50 3:83.5-87 3:89-97.5 5:44.5-50.5 5:98-100.5
5:129-132 5:135.5-138.5 6:25-35 6:57-64 6:140-142.5 7:55-66 8:7-13 8:43-50 8:112-115 10:37-43
11:46-57 11:87.5-90.5 12:33-40 12:109.5-112 20:32-34.5
"""
GRCH38 = """
1:47.5-51.5 2:85.8-99.9 2:133.7-137.2 2:182.1-189.1 3:47.5-50 3:83.5-87 3:89-97.8 5:44.5-51.2
5:98.7-101.2 5:129.7-132.7 5:136.2-139.2 6:25-35 6:57.1-63.3 6:139.7-142.2 7:54.9-66.5 8:7.1-13.1
8:43.1-49.1 8:111-114 10:36.7-42.5 11:46-57.2 11:87.8-90.8 12:32.8-39.6 12:109.1-111.6 20:33.4-35.9
"""


def _parsed(lines: str) -> tuple[tuple[str, int, int], ...]:
    """(chromosome, first and last base pair) of regions written in Mb."""
    out = []
    for text in lines.split():
        chrom, _, ends = text.partition(":")
        start, end = (round(float(mb) * 1e6) for mb in ends.split("-"))
        out.append((chrom, start, end))
    return tuple(out)


LONG_RANGE_LD = {
    "LONG-RANGE-LD-GRCH37": _parsed(GRCH37),
    "LONG-RANGE-LD-GRCH38": _parsed(GRCH38),
}
"""Regions by their name in upper case."""
