"""Regressions of pairs of traits on a panel: those of one annotation in one pass, others one by
one; finished ones are kept on disk where asked, and not computed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmixer import __version__
from bayesmixer.checkpoint import Checkpoint
from bayesmixer.errors import InputError
from bayesmixer.ldsc.all_pairs import Aligned, aligned, covariances
from bayesmixer.ldsc.covariance import Covariance, Pair, covariance
from bayesmixer.ldsc.heritability import Heritability, heritability
from bayesmixer.ldsc.kept import Arrays, packed, unpacked
from bayesmixer.ldsc.panel import Index
from bayesmixer.ldsc.regression import Array, Rows, pieces
from bayesmixer.ldsc.traits import SIGNS, Origin
from bayesmixer.progress import bar

MANY = 3  # pairs from which they are summed together
TOGETHER, APART = 500, 25  # pairs after which what is finished is kept
Codes = NDArray[np.uint8]


@dataclass(frozen=True)
class OnPanel:
    """A trait with a place for each variant of the panel.

    Attributes
    ----------
    origin
        Where it is from.
    z, n
        (J,) both 0 where it has no variant.
    codes
        (J,) alleles as `Trait` has them; None where they are not known.
    seen
        (J,) whether it has the variant; None for all.
    """

    origin: Origin
    z: Array
    n: Array
    codes: Codes | None
    seen: NDArray[np.bool_] | None

    @property
    def alleles(self) -> Codes:
        """Codes of alleles.

        Raises
        ------
        InputError
            It has none.
        """
        if self.codes is None:
            raise InputError(
                self.origin.source,
                "no alleles A1 and A2, which tell whose effect z is",
                "Give them, or check_alleles=False where all z are of the same allele.",
            )
        return self.codes


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
class Pairs:
    """What the regressions of pairs are made of.

    Attributes
    ----------
    traits
        The k traits.
    ld, w_ld, m
        (J, A) LD scores, (J,) with the variants of the regression, (A,) numbers of variants.
    cuts
        (B + 1,) rows before which blocks begin.
    n_blocks
        How many there are to be in a pair by itself.
    alone
        Heritability of each trait; [] to fit both of a pair anew, as LDSC does.
    noise, cross
        (k,) and (k, k) fixed intercepts, None where they are estimated.
    step, cut
        Chi-squared from which a variant takes no part in the first of two steps, and the root of
        z1^2 z2^2 from which in none; None for no limit.
    check_alleles
        Whether alleles are compared.
    once
        Traits whose products are in one step.
    threads
        As of `covariances`.
    """

    traits: Sequence[OnPanel]
    ld: Array
    w_ld: Array
    m: Array
    cuts: Rows
    n_blocks: int
    alone: Sequence[Heritability]
    noise: Sequence[float | None]
    cross: Sequence[Sequence[float | None]]
    step: float | None
    cut: float | None
    check_alleles: bool
    once: frozenset[int] = frozenset()
    threads: int | None = None

    def fits(self, asked: Sequence[tuple[int, int]], kept: Checkpoint) -> list[PairFit]:
        """Regressions of the pairs `asked` for, those that are finished from what was kept.

        Raises
        ------
        InputError
            What was kept is of other traits or options, or two traits have too little in common.
        """
        all_asked = len(asked) == len(self.traits) * (len(self.traits) - 1) // 2
        free = self.cut is None and all(b is None for row in self.cross for b in row)
        together = all_asked and free and self.ld.shape[1] == 1 and bool(self.alone)
        chunks = list(self._in_turn(asked, together and len(asked) >= MANY))
        if len(chunks) == 1:  # which would take hardly longer than to know it again
            kept = Checkpoint(None)
        elif kept.folder is not None:
            kept.identify(self._identity(asked))
            if kept.others():
                raise InputError(
                    kept.folder,
                    "holds pairs of other summary statistics, LD scores or options",
                    "Remove it, or choose another place.",
                )
        out: list[PairFit] = []
        with bar("Pairs of traits", len(asked)) as progress:
            for place, (firsts, some) in enumerate(chunks):
                found = kept.get(f"pairs-{place}")
                if found is not None:
                    out += self._again(some, found)
                else:
                    fits = self._together(firsts) if firsts is not None else {}
                    new = [fits[at] if at in fits else self._pair(*at) for at in some]
                    kept.put(f"pairs-{place}", **self._kept(new))
                    out += new
                progress.advance(len(some))
        return out

    def _in_turn(
        self, asked: Sequence[tuple[int, int]], together: bool
    ) -> Iterator[tuple[range | None, Sequence[tuple[int, int]]]]:
        """Pairs that are computed before what is finished is kept; together those of some traits
        with all behind them.
        """
        if not together:
            for at in range(0, len(asked), APART):
                yield None, asked[at : at + APART]
            return
        begin, some = 0, list[tuple[int, int]]()
        for i in range(len(self.traits) - 1):
            some += [(i, j) for j in range(i + 1, len(self.traits))]
            if len(some) >= TOGETHER or i == len(self.traits) - 2:
                yield range(begin, i + 1), some
                begin, some = i + 1, []

    def _kept(self, fits: Sequence[PairFit]) -> Arrays:
        """What must be known to have the pairs again."""
        out: Arrays = {"counts": np.array([(one.n_common, one.n_alleles) for one in fits])}
        for place, one in enumerate(fits):
            out |= packed(f"{place}-both", one.fit.covariance)
            if not self.alone:
                out |= packed(f"{place}-first", one.fit.first)
                out |= packed(f"{place}-second", one.fit.second)
        return out

    def _again(self, pairs: Sequence[tuple[int, int]], found: Arrays) -> Iterator[PairFit]:
        """The pairs that were kept."""
        for place, (i, j) in enumerate(pairs):
            if self.alone:
                first, second = self.alone[i], self.alone[j]
            else:
                first, second = (
                    unpacked(f"{place}-{which}", found, Heritability, self.m)
                    for which in ("first", "second")
                )
            both = unpacked(f"{place}-both", found, Covariance, self.m)
            common, usable = (int(v) for v in found["counts"][place])
            yield PairFit(i, j, Pair(first, second, both), common, usable, self._fixed(i, j))

    def _identity(self, asked: Sequence[tuple[int, int]]) -> str:
        """A digest of all that the pairs depend on."""
        told = (
            __version__, list(asked), self.n_blocks, bool(self.alone), self.noise, self.cross,
            self.step, self.cut, self.check_alleles, sorted(self.once),
            [(float(one.total.value[0]), one.fit.at) for one in self.alone],
        )  # fmt: skip
        digest = hashlib.blake2b(repr(told).encode())
        for part in pieces(len(self.ld)):
            digest.update(np.ascontiguousarray(self.ld[part]))
        arrays: list[NDArray[Any]] = [self.w_ld, self.m, self.cuts]
        for one in self.traits:
            arrays += [one.z, one.n, *([one.codes] if one.codes is not None else [])]
            arrays += [one.seen] if one.seen is not None else []
        for array in arrays:
            digest.update(np.ascontiguousarray(array))
        return digest.hexdigest()

    def _fixed(self, i: int, j: int) -> float | None:
        """Intercept of products of two traits, where it is fixed."""
        return self.cross[i][j] if self.cross[i][j] is not None else self.cross[j][i]

    def _step(self, i: int, j: int) -> float | None:
        """The cut of two steps of a pair."""
        return None if {i, j} & self.once else self.step

    @cached_property
    def _aligned(self) -> Aligned:
        """All traits, of the same alleles."""
        return aligned(
            [t.z for t in self.traits],
            [t.n for t in self.traits],
            [t.seen for t in self.traits],
            [t.alleles for t in self.traits] if self.check_alleles else None,
        )

    def _together(self, firsts: range) -> dict[tuple[int, int], PairFit]:
        """All pairs of some traits with those behind them, but pairs whose alleles must be compared
        by themselves.
        """
        of, out = self._aligned, {}
        pairs = [(i, j) for i in firsts for j in range(i + 1, len(self.traits))]
        for i, j in pairs:
            if (i, j) not in of.apart:
                self._enough(i, j, int(of.usable[i, j]), int(of.common[i, j]))
        for step in {self._step(i, j) for i, j in pairs}:
            found = covariances(
                of, self.ld[:, 0], self.w_ld, self.m, self.alone, self.cuts, step, self.threads,
                firsts,
            )  # fmt: skip
            for (i, j), both in found.items():
                common, usable = int(of.common[i, j]), int(of.usable[i, j])
                if (i, j) not in of.apart and self._step(i, j) == step:
                    pair = Pair(self.alone[i], self.alone[j], both)
                    out[i, j] = PairFit(i, j, pair, common, usable, None)
        return out

    def _enough(self, i: int, j: int, usable: int, common: int) -> None:
        """Raises
        ------
        InputError
            Two traits have hardly a variant with matching alleles in common.
        """
        if usable < 2 * self.ld.shape[1] + 10:
            found = f"{usable} of {common} common variants have matching alleles"
            remedy = "Are the alleles of one strand and build?"
            if usable == common:
                found, remedy = f"{common} common variants", "Are identifiers of one kind?"
            where = " and ".join(self.traits[at].origin.source for at in (i, j))
            raise InputError(where, f"{found}, expected far more", remedy)

    def _pair(self, i: int, j: int) -> PairFit:
        """A pair by itself."""
        one, two = self.traits[i], self.traits[j]
        masks = [t.seen for t in (one, two) if t.seen is not None]
        rows = np.flatnonzero(np.logical_and.reduce(masks)) if masks else np.arange(len(self.ld))
        common, usable, sign = len(rows), len(rows), None
        if self.check_alleles:
            sign = signs(some(one.alleles, rows), some(two.alleles, rows))
            if sign is not None and not sign.all():
                rows, sign = rows[sign != 0], sign[sign != 0]
                usable = len(rows)
        self._enough(i, j, usable, common)
        z1, n1, z2, n2 = (some(v, rows) for v in (one.z, one.n, two.z, two.n))
        if sign is not None:
            z2 = z2 * sign
        if self.cut is not None:
            kept = (z1 * z1) * (z2 * z2) < self.cut**2
            rows, z1, z2, n1, n2 = rows[kept], z1[kept], z2[kept], n1[kept], n2[kept]
        w = some(self.w_ld, rows)
        at = None if len(rows) == len(self.ld) else rows
        fixed, step = self._fixed(i, j), self._step(i, j)
        near = None if step is None else (z1 * z1 < step) & (z2 * z2 < step)

        def of(z: Array, n: Array, b: float | None) -> Heritability:
            return heritability(
                z * z, self.ld, w, n, self.m, rows=at, intercept=b,
                two_step=step if b is None else None, n_blocks=self.n_blocks, by_first=True,
            )  # fmt: skip

        if self.alone:
            first, second = self.alone[i], self.alone[j]
        else:
            first, second = of(z1, n1, self.noise[i]), of(z2, n2, self.noise[j])
        both = covariance(
            z1, z2, self.ld, w, n1, n2, self.m, first, second, rows=at,
            intercept=fixed, near=near if fixed is None else None, n_blocks=self.n_blocks,
            edges=np.searchsorted(rows, self.cuts) if self.alone else None,
            by_first=not self.alone,
        )  # fmt: skip
        return PairFit(i, j, Pair(first, second, both), common, usable, fixed)


def some(values: NDArray[Any], rows: Index) -> NDArray[Any]:
    """Values of some rows, in order; as they are where these are all."""
    return values if len(rows) == len(values) else values[rows]


def signs(one: Codes, other: Codes) -> NDArray[np.int8] | None:
    """(J,) signs that make alleles of two traits alike, as `SIGNS` has them; None for all 1."""
    if np.array_equal(one, other):
        of_same = SIGNS.diagonal()[one]
        return None if of_same.all() else of_same
    return SIGNS[one, other]
