"""Alleles against a panel's: the rules by hand, and an oracle that walks through every case one by
one.
"""

import itertools

import numpy as np

from bayesmixer.io.alleles import complement, is_ambiguous, match_alleles

BASES = "ACGT"


def oracle(a1: str, a2: str, p1: str, p2: str) -> tuple[int, bool, bool]:
    """Sign, flipped and ambiguous of one variant, straight from the rules."""
    other = dict(zip("ACGT", "TGCA", strict=True))
    ambiguous = other.get(a1) == a2
    if a1 == a2:
        return 0, False, False
    for flipped in (False, True):
        b1, b2 = (other.get(a1, "-"), other.get(a2, "-")) if flipped else (a1, a2)
        if (b1, b2) == (p1, p2):
            return 1, flipped, ambiguous
        if (b2, b1) == (p1, p2):
            return -1, flipped, ambiguous
    return 0, False, ambiguous


def test_every_combination_of_alleles_agrees_with_the_rules_one_by_one():
    alleles = [*BASES, "AT", "ATT", "I", "D"]
    cases = list(itertools.product(alleles, repeat=4))
    columns = [np.array(c, dtype=object) for c in zip(*cases, strict=True)]
    found = match_alleles(*columns)
    expected = [oracle(*c) for c in cases]
    for got, want, name in zip(
        found, zip(*expected, strict=True), ("sign", "flipped", "ambiguous"), strict=True
    ):
        bad = np.flatnonzero(got != np.array(want))
        assert not len(bad), f"{name} of {cases[bad[0]]}: {got[bad[0]]}, rules say {want[bad[0]]}"


def test_indels_match_by_letters_and_never_by_complement():
    assert match_alleles(
        ["AT", "A", "TA"], ["A", "AT", "T"], ["AT"] * 3, ["A"] * 3
    ).sign.tolist() == [1, -1, 0]
    assert complement("AT") is None
    assert complement("g") == "C"


def test_ambiguous_are_exactly_the_four_palindromic_pairs():
    pairs = list(itertools.permutations(BASES, 2))
    flagged = {p for p, f in zip(pairs, is_ambiguous(*zip(*pairs, strict=True)), strict=True) if f}
    assert flagged == {("A", "T"), ("T", "A"), ("C", "G"), ("G", "C")}


def test_lower_case_and_fixed_width_text_read_the_same():
    upper = match_alleles(["A", "T"], ["G", "C"], ["A", "A"], ["G", "G"])
    lower = match_alleles(
        np.array(["a", "t"]), np.array(["g", "c"]), np.array(["A", "A"]), np.array(["G", "G"])
    )
    assert all(np.array_equal(x, y) for x, y in zip(upper, lower, strict=True))


def test_a_million_variants_take_seconds_not_minutes():
    import time

    rng = np.random.default_rng(0)
    columns = [np.array(list(BASES), dtype=object)[rng.integers(0, 4, 1_000_000)] for _ in range(4)]
    start = time.process_time()
    match_alleles(*columns)
    assert time.process_time() - start < 5
