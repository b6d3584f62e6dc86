"""Which genome builds two sets of positions come from, told by the shifts of well-known variants
between builds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BUILDS = ("NCBI36", "GRCh37", "GRCh38")

# id: chromosome, position in NCBI36, GRCh37, GRCh38 (0: not listed). Much-studied variants; a test
# checks GRCh37 against published LD scores. Between two builds whole stretches of a chromosome move
# by one constant, so a landmark speaks for its neighbourhood; a wrong entry would fit no shift and
# leave a build unnamed.
LANDMARKS: dict[str, tuple[str, tuple[int, int, int]]] = {
    "rs1801133": ("1", (0, 11856378, 11796321)),
    "rs2476601": ("1", (114179091, 114377568, 113834946)),
    "rs11209026": ("1", (0, 67705958, 67240275)),
    "rs780094": ("2", (27594741, 27741237, 27518370)),
    "rs4988235": ("2", (0, 136608646, 135851076)),
    "rs1801282": ("3", (12368125, 12393125, 12351626)),
    "rs1501299": ("3", (0, 186571123, 186853334)),
    "rs2231142": ("4", (0, 89052323, 88131171)),
    "rs1042713": ("5", (0, 148206440, 148826877)),
    "rs1799971": ("6", (0, 154360797, 154039662)),
    "rs1800795": ("7", (0, 22766645, 22727026)),
    "rs4994": ("8", (0, 37823798, 37966280)),
    "rs13266634": ("8", (118253964, 118184783, 117172544)),
    "rs6983267": ("8", (128482487, 128413305, 127401060)),
    "rs7903146": ("10", (114748339, 114758349, 112998590)),
    "rs1057910": ("10", (0, 96741053, 94981296)),
    "rs6265": ("11", (27636492, 27679916, 27658369)),
    "rs174547": ("11", (61327359, 61570783, 61803311)),
    "rs10830963": ("11", (0, 92708710, 92975544)),
    "rs1800497": ("11", (0, 113270828, 113400106)),
    "rs1006737": ("12", (0, 2345295, 2236129)),
    "rs3184504": ("12", (110368991, 111884608, 111446804)),
    "rs9536314": ("13", (0, 33628138, 33054001)),
    "rs6313": ("13", (0, 47469940, 46895805)),
    "rs28929474": ("14", (0, 94844947, 94378610)),
    "rs12913832": ("15", (0, 28365618, 28120472)),
    "rs1051730": ("15", (76681394, 78894339, 78601997)),
    "rs9923231": ("16", (0, 31107689, 31096368)),
    "rs9939609": ("16", (52378028, 53820527, 53786615)),
    "rs1805007": ("16", (0, 89986117, 89919709)),
    "rs1042522": ("17", (0, 7579472, 7676154)),
    "rs1799966": ("17", (0, 41223094, 43071077)),
    "rs17782313": ("18", (56002077, 57851097, 60183864)),
    "rs8099917": ("19", (0, 39743165, 39252525)),
    "rs4420638": ("19", (50114786, 45422946, 44919689)),
    "rs1799990": ("20", (0, 4680251, 4699605)),
    "rs63750847": ("21", (0, 27269932, 25897620)),
    "rs4680": ("22", (18331271, 19951271, 19963748)),
    "rs738409": ("22", (0, 44324727, 43928847)),
}


def name_builds(
    chrom: NDArray[Any], pos: NDArray[np.int64], reference_pos: NDArray[np.int64]
) -> tuple[str, str]:
    """Name the builds of two lists of positions of the same variants.

    Parameters
    ----------
    chrom
        Chromosome of each variant, shape (variant,).
    pos, reference_pos
        Their positions in the two lists, shape (variant,), base pairs.

    Returns
    -------
    tuple of str
        Build of `pos` and of `reference_pos` ("" where the shifts are those of no known pair), told
        by which pair of builds explains most of the shifts near the landmarks.
    """
    shift = pos - reference_pos
    votes: dict[tuple[str, str], int] = {}
    for c in {where for where, _ in LANDMARKS.values()}:
        there = shift[chrom == c]
        if not len(there):
            continue
        for first in range(3):
            for second in range(3):
                known = {
                    at[first] - at[second]
                    for where, at in LANDMARKS.values()
                    if where == c and at[first] and at[second]
                }
                if first != second and known:
                    pair = BUILDS[first], BUILDS[second]
                    votes[pair] = votes.get(pair, 0) + int(np.isin(there, list(known)).sum())
    best = max(votes, key=lambda pair: votes[pair], default=("", ""))
    # a stretch of one shift is millions of base pairs long: a chance hit or two proves nothing
    return best if votes.get(best, 0) >= max(3, 0.01 * len(shift)) else ("", "")


def name_builds_by_position(
    chrom: NDArray[Any],
    pos: NDArray[np.int64],
    reference_chrom: NDArray[Any],
    reference_pos: NDArray[np.int64],
) -> tuple[str, str]:
    """Name the builds of two lists of positions when nothing tells which variants are the same.

    Around each landmark the positions are moved from one build to the other; the pair of builds
    that makes most of them meet wins.

    Parameters
    ----------
    chrom, pos
        Chromosome and position of one list, shape (variant,).
    reference_chrom, reference_pos
        The same of the other list.

    Returns
    -------
    tuple of str
        Build of `pos` and of `reference_pos`; "" where no pair does clearly better than leaving
        positions alone.
    """
    reach = 250_000
    met: dict[tuple[str, str], int] = {}
    alone = 0
    for c, places in LANDMARKS.values():
        here, there = pos[chrom == c], reference_pos[reference_chrom == c]
        for first in range(3):
            for second in range(3):
                if first == second or not (places[first] and places[second]):
                    continue
                near = here[np.abs(here - places[first]) < reach]
                pair = BUILDS[first], BUILDS[second]
                met[pair] = met.get(pair, 0) + int(
                    np.isin(near - places[first] + places[second], there).sum()
                )
                alone = max(alone, int(np.isin(near, there).sum()))
    best = max(met, key=lambda pair: met[pair], default=("", ""))
    return best if met.get(best, 0) >= max(5, 3 * alone) else ("", "")
