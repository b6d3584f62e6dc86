"""Alleles of a GWAS against those of a panel: same or swapped order, same or other strand,
ambiguous, or not the same variant.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

_COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}


class AlleleMatch(NamedTuple):
    """How each pair of alleles fits the panel's; all arrays have shape (variant,)."""

    sign: NDArray[np.int8]
    """1: same effect allele; -1: swapped; 0: another variant."""
    flipped: NDArray[np.bool_]
    """Fits only after taking the complement of both alleles."""
    ambiguous: NDArray[np.bool_]
    """A/T or C/G: the letters do not tell the strand (`sign` takes it to be the same)."""


def complement(allele: str) -> str | None:
    """Allele on the other strand; None for what is no single base.

    Examples
    --------
    >>> complement("A"), complement("AT")
    ('T', None)
    """
    return _COMPLEMENT.get(allele.upper())


def is_ambiguous(a1: ArrayLike, a2: ArrayLike) -> NDArray[np.bool_]:
    """Tell which variants are strand-ambiguous (A/T or C/G).

    Parameters
    ----------
    a1, a2
        Alleles, shape (variant,).

    Returns
    -------
    numpy.ndarray
        bool, shape (variant,).
    """
    code, _, other = _codes(a1, a2)
    return np.asarray(other[code[0]] == code[1])


def match_alleles(
    a1: ArrayLike, a2: ArrayLike, panel_a1: ArrayLike, panel_a2: ArrayLike
) -> AlleleMatch:
    """Compare alleles pairwise with those of a panel.

    Bases match on either strand and in either order; insertions and deletions only letter by letter
    (in either order), since the complement of a left-aligned indel is another variant.

    Parameters
    ----------
    a1, a2
        Effect allele and other allele, shape (variant,).
    panel_a1, panel_a2
        The panel's counted allele and other allele of the same variants, shape (variant,).

    Returns
    -------
    AlleleMatch
        `sign` (int8: 1, -1 or 0), `flipped` and `ambiguous` (bool), shape (variant,).

    Examples
    --------
    >>> match = match_alleles(["A", "G", "T", "A"], ["G", "A", "C", "C"], ["A"] * 4, ["G"] * 4)
    >>> match.sign.tolist()
    [1, -1, 1, 0]
    """
    (x1, x2, p1, p2), _, other = _codes(a1, a2, panel_a1, panel_a2)
    c1, c2 = other[x1], other[x2]
    usable = x1 != x2
    same = (x1 == p1) & (x2 == p2) & usable
    swapped = (x1 == p2) & (x2 == p1) & usable
    ambiguous = (c1 == x2) & usable
    flipped_same = (c1 == p1) & (c2 == p2) & usable & ~same & ~swapped
    flipped_swapped = (c1 == p2) & (c2 == p1) & usable & ~same & ~swapped
    sign = np.zeros(len(x1), np.int8)
    sign[same | flipped_same] = 1
    sign[swapped | flipped_swapped] = -1
    return AlleleMatch(sign, flipped_same | flipped_swapped, ambiguous)


def _codes(*alleles: ArrayLike) -> tuple[list[NDArray[np.int64]], list[str], NDArray[np.int64]]:
    """Alleles as integers, the letters they stand for, and the integer of each one's complement (-2
    where it has none).

    There are few different alleles, so that text is handled once for each and the rest is integer
    arithmetic.
    """
    names: dict[str, int] = {}
    coded = []
    for column in alleles:
        code, unique = pd.factorize(np.asarray(column, dtype=object))
        table = np.array(
            [names.setdefault(str(u).upper(), len(names)) for u in unique] + [-1], np.int64
        )
        coded.append(table[code])
    for letter in list(names):
        if (paired := complement(letter)) is not None:
            names.setdefault(paired, len(names))
    letters = list(names)
    other = np.array([names.get(complement(v) or "", -2) for v in letters] + [-2], np.int64)
    return coded, letters, other
