"""Genetic correlations of several traits: variants that both have, alleles made alike, and every
trait's heritability once.

The default takes each trait's heritability from all its own variants and with the same rules as
alone, with blocks of the jackknife cut at the same variants for all traits. `like_ldsc` fits both
traits anew on the variants that a pair shares, in one step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmixer.arguments import choice
from bayesmixer.errors import InputError
from bayesmixer.io.ld_score_files import LDScores
from bayesmixer.ldsc.all_pairs import aligned, covariances
from bayesmixer.ldsc.covariance import Pair, covariance
from bayesmixer.ldsc.heritability import Heritability, heritability
from bayesmixer.ldsc.one_trait import (
    BLOCKS,
    OneTrait,
    informative,
    number,
    on_rows,
    rows_of,
    step_of,
    whole,
)
from bayesmixer.ldsc.regression import equal_blocks
from bayesmixer.ldsc.traits import SIGNS, Index, Panel, Trait, read_panel, read_trait

Array = NDArray[np.float64]
MANY = 3  # pairs from which they are summed together


@dataclass(frozen=True)
class OnPanel:
    """A trait on the panel's variants.

    Attributes
    ----------
    trait
        As read.
    found
        (J,) its row of each variant of the panel, -1 where it has none.
    here
        Its variants on the reference.
    """

    trait: Trait
    found: Index
    here: int

    @cached_property
    def rows(self) -> Index:
        """Rows of the panel that it has."""
        return np.flatnonzero(self.found >= 0)

    @cached_property
    def _own(self) -> tuple[Array, Array, NDArray[np.uint8] | None]:
        at = self.found[self.rows]
        trait = self.trait
        return trait.z[at], trait.n[at], None if trait.alleles is None else trait.alleles[at]

    def take(self, rows: Index) -> tuple[Array, Array]:
        """z and n of rows of the panel."""
        if len(rows) == len(self.rows):
            return self._own[:2]
        at = self.found[rows]
        return self.trait.z[at], self.trait.n[at]

    def alleles(self, rows: Index) -> NDArray[np.uint8]:
        """Codes of alleles of rows of the panel.

        Raises
        ------
        InputError
            It has none.
        """
        if self.trait.alleles is None:
            raise InputError(
                self.trait.source,
                "no alleles A1 and A2, which tell whose effect z is",
                "Give them, or check_alleles=False where all z are of the same allele.",
            )
        if len(rows) == len(self.rows):
            own = self._own[2]
            assert own is not None
            return own
        return self.trait.alleles[self.found[rows]]


@dataclass(frozen=True)
class PairFit:
    """A pair's regression: who, what, on how many variants, and the fixed intercept of products."""

    i: int
    j: int
    fit: Pair
    n_common: int
    n_alleles: int
    fixed: float | None


@dataclass(frozen=True)
class ManyTraits:
    """Traits and their pairs.

    Attributes
    ----------
    traits
        As read.
    scores, m
        LD scores and numbers of variants that took part.
    alone
        Each trait by itself; [] with `like_ldsc`, which has it by pair.
    pairs
        Regressions of the pairs asked for.
    """

    traits: list[OnPanel]
    scores: LDScores
    m: Array
    panel: Panel
    alone: list[OneTrait]
    pairs: list[PairFit]


def per_trait(name: str, value: Any, count: int, above: float = -np.inf) -> list[float | None]:
    """A number of each trait: one for all, or as many; None or nan where there is none.

    Raises
    ------
    InputError
        Another number of them.
    """
    if value is None or np.ndim(value) == 0:
        return [number(name, value, above)] * count
    given = list(value)
    if len(given) != count:
        raise InputError(name, f"{len(given)} numbers, expected {count}, one a trait")
    return [
        None if v is None or (isinstance(v, float) and np.isnan(v)) else number(name, v, above)
        for v in given
    ]


def on_panel(traits: Iterable[Trait], panel: Panel) -> Iterator[OnPanel]:
    """Traits on a panel; those of the same list of variants share it, and the search."""
    known: dict[tuple[int, int], OnPanel] = {}
    for trait in traits:
        hashes = trait.snp.hash().to_numpy()
        order = np.arange(1, 2 * len(hashes), 2, dtype=np.uint64)  # odd: no factor is lost
        key = len(hashes), int((hashes * order).sum())
        if key not in known:
            known[key] = OnPanel(trait, *rows_of(trait, panel))
        first = known[key]
        # names have been found: those of many traits would fill the memory
        one = OnPanel(replace(trait, snp=trait.snp.clear()), first.found, first.here)
        one.__dict__["rows"] = first.rows
        known[key] = one
        yield one


def of_rows(traits: Sequence[OnPanel], rows: Index) -> list[OnPanel]:
    """Traits on some rows of the panel, which hold all that a trait has; shared still where they
    were.
    """
    found = {id(one.found): one.found for one in traits}
    kept = {key: OnPanel(traits[0].trait, places[rows], 0) for key, places in found.items()}
    out = []
    for one in traits:
        same = kept[id(one.found)]
        moved = OnPanel(one.trait, same.found, one.here)
        moved.__dict__["rows"] = same.rows
        out.append(moved)
    return out


def _together(
    traits: Sequence[OnPanel],
    ld: Array,
    w_ld: Array,
    m: Array,
    alone: Sequence[OneTrait],
    edges: NDArray[np.intp],
    check_alleles: bool,
    step: float | None,
) -> dict[tuple[int, int], PairFit]:
    """All pairs at once, but those whose alleles must be compared by themselves."""
    size = len(ld)
    every = np.arange(size)
    seen = {id(t.found): None if len(t.rows) == size else t.found >= 0 for t in traits}
    of_all = [t.take(every) for t in traits]  # of what a trait lacks: some other row, not used
    found = aligned(
        [z for z, _ in of_all],
        [n for _, n in of_all],
        [seen[id(t.found)] for t in traits],
        [t.alleles(every) for t in traits] if check_alleles else None,
    )
    fits = [one.fit for one in alone]
    out = {}
    for (i, j), both in covariances(found, ld, w_ld, m, fits, edges, step).items():
        common, usable = int(found.common[i, j]), int(found.usable[i, j])
        if (i, j) not in found.apart:
            _enough(traits[i], traits[j], usable, common, 1)
            out[i, j] = PairFit(i, j, Pair(fits[i], fits[j], both), common, usable, None)
    return out


def _enough(one: OnPanel, two: OnPanel, usable: int, common: int, annotations: int) -> None:
    """Raises
    ------
    InputError
        Two traits have hardly a variant with matching alleles in common.
    """
    if usable < 2 * annotations + 10:
        raise InputError(
            f"{one.trait.source} and {two.trait.source}",
            f"{usable} of {common} common variants have matching alleles, expected far more",
            "Are the alleles of one strand and build?",
        )


def signs(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.int8] | None:
    """(J,) signs that make alleles of two traits alike, as `SIGNS` has them; None for all 1."""
    if np.array_equal(one, other):
        of_same = SIGNS.diagonal()[one]
        return None if of_same.all() else of_same
    return SIGNS[one, other]


def cross_intercepts(given: Any, count: int) -> list[list[float | None]]:
    """(k, k) fixed intercepts of products, None where they are estimated.

    Raises
    ------
    InputError
        Neither a number nor a square of them.
    """
    if given is None or np.ndim(given) == 0:
        value = number("intercept_gencov", given, -np.inf)
        return [[value] * count for _ in range(count)]
    square = np.array(given, float)
    if square.shape != (count, count):
        raise InputError(
            "intercept_gencov",
            f"shape {square.shape}, expected a number or ({count}, {count})",
        )
    return [[None if np.isnan(v) else float(v) for v in row] for row in square]


def many_traits(
    sumstats: Sequence[Any],
    ref_ld: Any,
    w_ld: Any = None,
    *,
    like_ldsc: bool = False,
    intercept: Any = None,
    intercept_gencov: Any = None,
    two_step: Any = "auto",
    chisq_max: float | None = None,
    n_blocks: int = 200,
    blocks: str = "count",
    m: Any = "M_5_50",
    check_alleles: bool = True,
    invert_anyway: bool = False,
    pairs: Sequence[tuple[int, int]] | None = None,
) -> ManyTraits:
    """Pairs of traits (`pairs` of their places; all without); arguments and errors as of
    `bayesmixer.ldsc.rg`.
    """
    if isinstance(sumstats, str) or not isinstance(sumstats, Sequence) or len(sumstats) < 2:
        raise InputError("sumstats", "expected a list of two traits or more")
    panel = ref_ld if isinstance(ref_ld, Panel) else read_panel(ref_ld, w_ld)
    traits = list(
        on_panel((read_trait(s, f"sumstats[{i}]") for i, s in enumerate(sumstats)), panel)
    )
    scores, ld, total = informative(panel, m, invert_anyway)
    read, whole_panel, count = traits, panel, len(traits)
    noise = per_trait("intercept", intercept, count)
    cross = cross_intercepts(intercept_gencov, count)
    number_of_blocks, annotations = whole("n_blocks", n_blocks, 2), ld.shape[1]
    choice("blocks", blocks, BLOCKS)
    cut = number("chisq_max", chisq_max)
    seen = np.zeros(len(panel.rows), bool)
    for found in {id(one.found): one.found for one in traits}.values():
        seen |= found >= 0
    rows = np.flatnonzero(seen)
    edges = equal_blocks(len(rows), number_of_blocks)
    cuts = np.concatenate([[0], rows[edges[1:-1]], [len(seen)]])
    if blocks == "position":
        cuts = panel.cuts_by_position(number_of_blocks)
    if annotations == 1 and len(rows) < len(seen):  # LD scores of many would take too much room
        cuts, ld = np.searchsorted(rows, cuts), ld[rows]
        if not like_ldsc:  # whose log counts them, places on the whole panel are of no more use
            read = [OnPanel(one.trait, np.zeros(0, np.intp), one.here) for one in traits]
        panel = replace(panel, rows=panel.rows[rows], weight=panel.weight[rows])
        traits = of_rows(traits, rows)
    alone, step = [], None
    if not like_ldsc:
        alone = [
            on_rows(
                one.trait, panel, one.found, one.here, scores, ld, total,
                like_ldsc=False, intercept=b, two_step=two_step, chisq_max=chisq_max,
                n_blocks=n_blocks, cuts=cuts,
            )
            for one, b in zip(traits, noise, strict=True)
        ]  # fmt: skip
    # as heritabilities: of strong loci else more is left in the product than in them. LDSC has one
    # step for products unless told, though its manual says two
    free = all(b is None for b in noise)
    if two_step not in ("auto", None, False) if like_ldsc else free:
        step = step_of(two_step, annotations, None)

    together: dict[tuple[int, int], PairFit] = {}
    asked = list(combinations(range(count), 2)) if pairs is None else list(pairs)
    plain = annotations == 1 and cut is None and intercept_gencov is None
    if plain and not like_ldsc and len(asked) >= MANY and pairs is None:
        together = _together(
            traits, ld[:, 0], panel.weight, total, alone, cuts, check_alleles, step
        )

    def pair(i: int, j: int) -> PairFit:
        if (i, j) in together:
            return together[i, j]
        one, two = traits[i], traits[j]
        rows = one.rows if one.found is two.found else one.rows[two.found[one.rows] >= 0]
        common, usable, sign = len(rows), len(rows), None
        if check_alleles:
            sign = signs(one.alleles(rows), two.alleles(rows))
            if sign is not None and not sign.all():
                rows, sign = rows[sign != 0], sign[sign != 0]
                usable = len(rows)
        _enough(one, two, usable, common, annotations)
        (z1, n1), (z2, n2) = one.take(rows), two.take(rows)
        if sign is not None:
            z2 = z2 * sign
        if cut is not None:
            kept = (z1 * z1) * (z2 * z2) < cut**2
            rows, z1, z2, n1, n2 = rows[kept], z1[kept], z2[kept], n1[kept], n2[kept]
        at, w = (None, panel.weight) if len(rows) == len(ld) else (rows, panel.weight[rows])
        fixed = cross[i][j] if cross[i][j] is not None else cross[j][i]
        near = None if step is None else (z1 * z1 < step) & (z2 * z2 < step)

        def of(z: Array, n: Array, b: float | None) -> Heritability:
            return heritability(
                z * z, ld, w, n, total, rows=at, intercept=b,
                two_step=step if b is None else None,
                n_blocks=number_of_blocks, by_first=True,
            )  # fmt: skip

        if like_ldsc:
            first, second = of(z1, n1, noise[i]), of(z2, n2, noise[j])
        else:
            first, second = alone[i].fit, alone[j].fit
        both = covariance(
            z1, z2, ld, w, n1, n2, total, first, second, rows=at,
            intercept=fixed, near=near if fixed is None else None, n_blocks=number_of_blocks,
            edges=None if like_ldsc else np.searchsorted(rows, cuts), by_first=like_ldsc,
        )  # fmt: skip
        return PairFit(i, j, Pair(first, second, both), common, usable, fixed)

    return ManyTraits(read, scores, total, whole_panel, alone, [pair(i, j) for i, j in asked])
