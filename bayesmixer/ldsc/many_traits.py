"""Genetic correlations of several traits: variants that both have, alleles made alike, and every
trait's heritability once.

The default takes each trait's heritability from all its own variants and with the same rules as
alone, with blocks of the jackknife cut at the same variants for all traits. `like_ldsc` fits both
traits anew on the variants that a pair shares, in one step.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmixer.arguments import choice
from bayesmixer.checkpoint import Checkpoint
from bayesmixer.errors import InputError
from bayesmixer.io.ld_score_files import LDScores
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
from bayesmixer.ldsc.pairs import OnPanel, PairFit, Pairs, some
from bayesmixer.ldsc.panel import Index, Panel, read_panel
from bayesmixer.ldsc.regression import equal_blocks
from bayesmixer.ldsc.traits import Origin, Trait, read_trait

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ManyTraits:
    """Traits and their pairs.

    Attributes
    ----------
    traits
        Where they are from.
    scores, m
        LD scores and numbers of variants that took part.
    alone
        Each trait by itself; [] with `like_ldsc`, which has it by pair.
    pairs
        Regressions of the pairs asked for.
    """

    traits: list[Origin]
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


def of_list(sumstats: Any) -> None:
    """Raises
    ------
    InputError
        It is no list of traits.
    """
    if isinstance(sumstats, str) or not isinstance(sumstats, Sequence) or len(sumstats) < 2:
        raise InputError("sumstats", "expected a list of two traits or more")


def on_panel(traits: Iterable[Trait], panel: Panel) -> Iterator[tuple[Origin, Trait, Index]]:
    """What traits have of a panel, with its rows; those of the same list of variants share these,
    and the search.
    """
    known: dict[tuple[int, int], tuple[Index, int, Index]] = {}
    for trait in traits:
        hashes = trait.snp.hash().to_numpy()
        order = np.arange(1, 2 * len(hashes), 2, dtype=np.uint64)  # odd: no factor is lost
        key = len(hashes), int((hashes * order).sum())
        if key not in known:
            found, here = rows_of(trait, panel)
            rows = np.flatnonzero(found >= 0)
            known[key] = found[rows].astype(np.int32), here, rows.astype(np.int32)
        at, here, rows = known[key]
        yield Origin(trait.name, trait.source, len(trait), here, len(rows)), trait.at(at), rows


def spread(
    read: list[tuple[Origin, Trait, Index]], place: Index | None, size: int
) -> Iterator[OnPanel]:
    """Traits with a place for each of the panel's `size` variants, `place` of a row that was read;
    what was read is forgotten.
    """
    masks: dict[int, tuple[Index, NDArray[np.bool_]]] = {}

    def of(values: Any, at: Index) -> Any:
        out = np.zeros(size, values.dtype)
        out[at] = values
        return out

    read.reverse()
    while read:
        origin, trait, rows = read.pop()
        if len(rows) == size:
            yield OnPanel(origin, trait.z, trait.n, trait.alleles, None)
            continue
        at = rows if place is None else place[rows]
        if id(rows) not in masks:
            masks[id(rows)] = rows, of(np.ones(len(at), bool), at)
        codes = None if trait.alleles is None else of(trait.alleles, at)
        yield OnPanel(origin, of(trait.z, at), of(trait.n, at), codes, masks[id(rows)][1])


def _different(names: Sequence[str]) -> list[str]:
    """Names of which none is twice."""
    return [
        name if names.count(name) == 1 else f"{name} ({names[: i + 1].count(name)})"
        for i, name in enumerate(names)
    ]


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
    return [
        [None if np.isnan(v) else number("intercept_gencov", float(v), -np.inf) for v in row]
        for row in square
    ]


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
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    threads: int | None = None,
) -> ManyTraits:
    """Pairs of traits (`pairs` of their places; all without); arguments and errors as of
    `bayesmixer.ldsc.rg`.
    """
    of_list(sumstats)
    panel = ref_ld if isinstance(ref_ld, Panel) else read_panel(ref_ld, w_ld)
    read = list(on_panel((read_trait(s, f"sumstats[{i}]") for i, s in enumerate(sumstats)), panel))
    named = _different([origin.name for origin, _, _ in read])
    read = [
        (replace(origin, name=name), trait, rows)
        for name, (origin, trait, rows) in zip(named, read, strict=True)
    ]
    scores, ld, total = informative(panel, m, invert_anyway)
    origins, whole_panel, count = [origin for origin, _, _ in read], panel, len(read)
    noise = per_trait("intercept", intercept, count)
    cross = cross_intercepts(intercept_gencov, count)
    number_of_blocks, annotations = whole("n_blocks", n_blocks, 2), ld.shape[1]
    choice("blocks", blocks, BLOCKS)
    cut = number("chisq_max", chisq_max)
    seen = np.zeros(len(panel.rows), bool)
    for kept in {id(rows): rows for _, _, rows in read}.values():
        seen[kept] = True
    rows, place = np.flatnonzero(seen), None
    edges = equal_blocks(len(rows), number_of_blocks)
    cuts = np.concatenate([[0], rows[edges[1:-1]], [len(seen)]])
    if blocks == "position":
        cuts = panel.cuts_by_position(number_of_blocks)
    if annotations == 1 and len(rows) < len(seen):  # LD scores of many would take too much room
        cuts, ld, place = np.searchsorted(rows, cuts), ld[rows], np.cumsum(seen) - 1
        panel = replace(panel, rows=panel.rows[rows], weight=panel.weight[rows])
    size = len(panel.rows)
    traits, every = list(spread(read, place, size)), np.arange(size)

    def by_itself(one: OnPanel, b: float | None) -> OneTrait:
        rows = every if one.seen is None else np.flatnonzero(one.seen)
        return on_rows(
            one.origin, some(one.z, rows), some(one.n, rows), rows, panel, scores, ld, total,
            like_ldsc=False, intercept=b, two_step=two_step, chisq_max=chisq_max,
            n_blocks=n_blocks, cuts=cuts,
        )  # fmt: skip

    alone, step = [], None
    if not like_ldsc:
        alone = [by_itself(one, b) for one, b in zip(traits, noise, strict=True)]
    # as heritabilities: of strong loci else more is left in the product than in them. LDSC has one
    # step for products unless told, though its manual says two
    free = all(b is None for b in noise)
    if two_step not in ("auto", None, False) if like_ldsc else free:
        fixed = [b for b in (*noise, *(b for row in cross for b in row)) if b is not None]
        step = step_of(two_step, annotations, fixed[0] if like_ldsc and fixed else None)

    asked = list(combinations(range(count), 2)) if pairs is None else list(pairs)
    regressions = Pairs(
        traits, ld, panel.weight, total, cuts, number_of_blocks, [one.fit for one in alone],
        noise, cross, step, cut, check_alleles,
        frozenset(i for i, one in enumerate(alone) if one.aside is not None), threads,
    )  # fmt: skip
    parts = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
    found = regressions.fits(asked, parts)
    if parts is not checkpoint:
        parts.clear()
    return ManyTraits(origins, scores, total, whole_panel, alone, found)
