"""Genetic covariances of all pairs of many traits in one pass over their variants: what belongs to
a trait is computed once, not once a pair, and a piece of all traits stays in the cache while every
pair of it is summed. The numbers are those of `covariance`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmixer.jackknife import Estimate
from bayesmixer.ldsc.covariance import Covariance
from bayesmixer.ldsc.heritability import Heritability
from bayesmixer.ldsc.regression import UPDATES, Array, Fit, Rows, given_intercept, solved
from bayesmixer.ldsc.traits import SIGNS

PIECE = 250_000  # numbers of all traits that are summed at a time
BUFFER = 512  # of NumPy, beyond which rows that are repeated are not copied first
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Aligned:
    """Traits on the same variants, of the same alleles.

    Attributes
    ----------
    z, n
        (J,) of each trait, both 0 where it has no variant.
    sign
        (J,) by which z is multiplied, 0 where the variant is of no use; None for a trait of which
        all are as they are.
    common, usable
        (k, k) numbers of variants that two traits have, and of those with matching alleles.
    apart
        Pairs whose alleles must be compared by themselves.
    """

    z: Sequence[Array]
    n: Sequence[Array]
    sign: Sequence[NDArray[np.int8] | None]
    common: NDArray[np.int64]
    usable: NDArray[np.int64]
    apart: set[tuple[int, int]]


def aligned(
    z: Sequence[Array],
    n: Sequence[Array],
    seen: Sequence[Mask | None],
    alleles: Sequence[NDArray[np.uint8]] | None,
) -> Aligned:
    """Effects of all traits of one allele, that of the first trait which has the variant.

    Parameters
    ----------
    z, n
        (J,) of each trait, both 0 where it has no variant.
    seen, alleles
        (J,) where it has one (None for everywhere), and its codes of alleles as `Trait` has them;
        None where they need not be compared. What codes stand where it has none does not matter.
    """
    size, count = len(z[0]), len(z)
    signs: list[NDArray[np.int8] | None] = [None if s is None else s.astype(np.int8) for s in seen]
    odd: list[Mask | None] = [None] * count
    if alleles is not None:
        of_all = np.full(size, 255, np.uint8)
        valid = SIGNS.diagonal() != 0
        for codes, has in zip(alleles, seen, strict=True):
            free = (of_all == 255) & valid[codes]
            free = free if has is None else free & has
            of_all[free] = codes[free]
        table = np.vstack([SIGNS, np.zeros((255 - len(SIGNS) + 1, SIGNS.shape[1]), np.int8)])
        for i, codes in enumerate(alleles):
            own = seen[i]
            if own is None and np.array_equal(codes, of_all):
                continue
            sign = table[of_all, codes]
            off = (sign == 0) & valid[codes]
            odd[i] = off if own is None else off & own
            sign = sign if own is None else sign * own
            signs[i] = None if (sign == 1).all() else sign
    apart = {
        (i, j)
        for i in range(count)
        for j in range(i + 1, count)
        if (a := odd[i]) is not None and (b := odd[j]) is not None and (a & b).any()
    }
    usable = _in_common([None if s is None else s != 0 for s in signs], size)
    return Aligned(z, n, signs, _in_common(seen, size), usable, apart)


def _in_common(seen: Sequence[Mask | None], size: int) -> NDArray[np.int64]:
    """(k, k) numbers of variants that two traits have."""
    has = [i for i, one in enumerate(seen) if one is not None]
    out = np.full((len(seen), len(seen)), size, np.int64)
    if has:
        bits = np.array([np.packbits(seen[i]) for i in has])  # type: ignore[arg-type]
        for a, i in enumerate(has):
            both = np.bitwise_count(bits[a] & bits[a:]).sum(axis=1, dtype=np.int64)
            out[i] = np.minimum(out[i], both[0])
            out[:, i] = out[i]
            out[i, has[a:]] = out[has[a:], i] = both
        for a, i in enumerate(has):  # one that lacks none has what the other has
            own = np.bitwise_count(bits[a]).sum(dtype=np.int64)
            rest = [j for j in range(len(seen)) if j not in has]
            out[i, rest] = out[rest, i] = out[i, i] = own
    return out


def covariances(
    traits: Aligned,
    ld: Array,
    w_ld: Array,
    m: Array,
    alone: Sequence[Heritability],
    edges: Rows,
    cut: float | None = None,
    threads: int | None = None,
    firsts: range | None = None,
) -> dict[tuple[int, int], Covariance]:
    """Genetic covariance of each pair, as `covariance` has it with a free intercept.

    Parameters
    ----------
    traits
        The k traits.
    ld, w_ld
        (J,) LD scores, of one annotation, and with the variants of the regression.
    m
        (1,) number of variants.
    alone
        Heritability of each trait.
    edges
        (B + 1,) of the jackknife's blocks.
    cut
        Chi-squared, below which both traits must be for a variant to take part in the first of two
        steps; None for one step.
    threads
        Blocks at a time; None takes OMP_NUM_THREADS, or the processors.
    firsts
        Traits whose pairs with those behind them are wanted; None for all.
    """
    firsts = range(len(traits.z) - 1) if firsts is None else firsts
    total = float(m.sum())
    first, second = np.array(
        [(i, j) for i in firsts for j in range(i + 1, len(traits.z))], np.intp
    ).T
    per_l = np.array([min(max(float(one.total.value[0]), 0.0), 1.0) / total for one in alone])
    at = np.array([one.fit.at for one in alone])
    sums = _Sums(traits, firsts, ld, w_ld, per_l, at, cut)
    count = traits.usable[first, second].astype(float)
    blocks = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    workers = min(threads or _threads(), len(blocks))
    each = [part.tolist() for part in np.array_split(np.array(blocks), workers)]
    both = (True, False)  # of variants below the cut alone, and of all
    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(sums.moments, each))
        at_pair = first - firsts.start, second - firsts.start
        of_n, of_z, of_ln = (sum(one)[at_pair] for one in zip(*parts, strict=True))
        mean_n, start = of_n / count, total * of_z / of_ln

        def summed(rho: Array, b: Array, *which: bool) -> Array:
            """(B, which, pairs, 5) at genetic covariances and intercepts."""
            clipped = np.clip(rho, -1.0, 1.0) / total
            found = pool.map(lambda some: sums.normal(some, clipped, b, which), each)
            return np.concatenate(list(found))

        none = np.zeros(len(count))
        begun = summed(start, none, *(both if cut is not None else both[1:])).sum(axis=0)
        rho, b = _slopes(begun[0], total)  # from the same weights both steps begin
        for _ in range(UPDATES - 1):
            rho, b = _slopes(summed(rho, b, cut is not None).sum(axis=0)[0], total)
        by_block = summed(rho, b, cut is not None)[:, 0]
        joint = [_both(by_block[:, p], mean_n[p]) for p in range(len(count))]
        if cut is not None:
            found = np.array([one.value[1] for one in joint])
            xx, x1, _, xy, _ = begun[1].T
            rho = total * (xy - found * x1) / xx
            for _ in range(UPDATES - 1):
                xx, x1, _, xy, _ = summed(rho, found, False).sum(axis=0)[0].T
                rho = total * (xy - found * x1) / xx
            by_block = summed(rho, found, False)[:, 0]
            joint = [_second(by_block[:, p], mean_n[p], one) for p, one in enumerate(joint)]
    out = {}
    for p, (i, j) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        one = joint[p]
        slope, intercept = (
            Estimate(one.value[at], one.without[:, at]) for at in (slice(1), slice(1, 2))
        )
        fit = Fit(slope, intercept, float(one.value[1]), edges, one)
        mean_z = float(of_z[p] / count[p])
        out[i, j] = Covariance(fit, float(mean_n[p]), m, mean_z, int(count[p]))
    return out


def _slopes(sums: Array, total: float) -> tuple[Array, Array]:
    """(pairs,) genetic covariances and intercepts of sums (pairs, 5)."""
    xx, x1, ones, xy, y1 = sums.T
    scale = xx * ones - x1**2
    return total * (ones * xy - x1 * y1) / scale, (xx * y1 - x1 * xy) / scale


def _both(sums: Array, n: float) -> Estimate:
    """(2,) slope on l N / mean N and intercept, of sums (B, 5) by block."""
    xx, x1, ones, xy, y1 = sums.T
    left = np.array([[xx / n**2, x1 / n], [x1 / n, ones]]).transpose(2, 0, 1)
    return solved(left, np.column_stack([xy / n, y1]))


def _second(sums: Array, n: float, first: Estimate) -> Estimate:
    """(2,) of the second of two steps: the slope given the intercept of the `first`."""
    xx, x1, _, xy, _ = sums.T
    intercept = Estimate(first.value[1:], first.without[:, 1:])
    return given_intercept(xx / n**2, x1 / n, xy / n, intercept)


def _threads() -> int:
    given = os.environ.get("OMP_NUM_THREADS", "")
    return max(int(given), 1) if given.isdigit() else os.cpu_count() or 1


@dataclass(frozen=True)
class _Piece:
    """Some variants of the traits: z, n and whether they are of no use (k, s), LD scores (s,)."""

    z: Array
    n: Array
    ld: Array
    w_ld: Array
    out: Mask | None

    def of(self, kept: Mask) -> _Piece:
        """Some of the variants."""
        out = None if self.out is None else self.out[:, kept]
        return _Piece(self.z[:, kept], self.n[:, kept], self.ld[kept], self.w_ld[kept], out)


@dataclass(frozen=True)
class _Sums:
    """Sums over variants of every pair of `firsts` with a trait behind it."""

    traits: Aligned
    firsts: range
    ld: Array
    w_ld: Array
    per_l: Array
    at: Array
    cut: float | None

    @property
    def count(self) -> int:
        """Traits that take part."""
        return len(self.traits.z) - self.firsts.start

    def loaded(self, blocks: Sequence[Sequence[int]]) -> Iterator[tuple[int, _Piece]]:
        """Pieces of blocks, one at a time in the same memory, each with the place of its block."""
        step = min(max(PIECE // self.count, 256), 4096)
        both = np.empty((2, self.count, step))
        for place, (begin, end) in enumerate(blocks):
            for i in range(begin, end, step):
                at = slice(i, min(i + step, end))
                z, n = both[:, :, : at.stop - i]
                signs = self.traits.sign[self.firsts.start :]
                out = np.zeros(z.shape, bool) if any(s is not None for s in signs) else None
                for row, sign in enumerate(signs):
                    trait = self.firsts.start + row
                    z[row], n[row] = self.traits.z[trait][at], self.traits.n[trait][at]
                    if sign is not None and out is not None:
                        z[row] *= sign[at]
                        n[row] *= sign[at] != 0
                        out[row] = sign[at] == 0
                yield place, _Piece(z, n, self.ld[at], self.w_ld[at], out)

    def moments(self, blocks: Sequence[Sequence[int]]) -> tuple[Array, Array, Array]:
        """(firsts, k) sums of sqrt(n_i n_j), of z_i z_j and of l sqrt(n_i n_j)."""
        few, shape = len(self.firsts), (len(self.firsts), self.count)
        of_n, of_z, of_ln = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        for _, one in self.loaded(blocks):
            root = np.sqrt(one.n)
            of_n += root[:few] @ root.T
            of_z += one.z[:few] @ one.z.T
            of_ln += (root[:few] * one.ld) @ root.T
        return of_n, of_z, of_ln

    def normal(
        self, blocks: Sequence[Sequence[int]], rho: Array, b: Array, which: Sequence[bool]
    ) -> Array:
        """(B, which, pairs, 5) sums of w x x, w x, w, w x y and w y by block at (pairs,) genetic
        covariances over M and intercepts, with x = l sqrt(n_i n_j): of variants below the cut
        alone where `which` is true, of all where it is not.
        """
        out = np.zeros((len(blocks), len(which), len(rho), 5))
        room = np.empty((0, 0, 0))
        before = np.setbufsize(BUFFER)
        try:
            for place, one in self.loaded(blocks):
                if one.z.shape[1] > room.shape[2]:  # made once: new memory costs as much as sums
                    room = np.empty((6, *one.z.shape))
                far = one.z * one.z >= self.cut if any(which) and self.cut is not None else None
                if far is None or not far.any():
                    out[place] += self._summed(one, None, rho, b, room)
                elif len(which) == 1:
                    out[place] += self._summed(one, far, rho, b, room)
                else:  # the two differ by few variants
                    some = far.any(axis=0)
                    out[place] += self._summed(one.of(~some), None, rho, b, room)
                    rest = one.of(some)
                    for row, near in enumerate(which):
                        beyond = far[:, some] if near else None
                        out[place, row] += self._summed(rest, beyond, rho, b, room)
        finally:
            np.setbufsize(before)
        return out

    def _summed(self, one: _Piece, far: Mask | None, rho: Array, b: Array, room: Array) -> Array:
        """(pairs, 5) of a piece, without those of its variants that are `far` (k, s)."""
        root, variance, by_l, products, weights, sizes = room[:, :, : len(one.ld)]
        clipped, inverse = np.maximum(one.ld, 1.0), 1 / np.maximum(one.w_ld, 1.0)
        start = self.firsts.start
        np.multiply(one.n, clipped, out=variance)
        variance *= self.per_l[start:, None]
        variance += self.at[start:, None]
        without = far if one.out is None else one.out if far is None else one.out | far
        if without is not None:  # an infinite variance is a weight of 0
            variance[variance == 0] = np.finfo(float).tiny
            variance[without] = np.inf
        np.sqrt(one.n, out=root)
        np.multiply(root, clipped, out=by_l)
        ones, same = np.ones(len(one.ld)), bool((one.ld >= 1).all())
        out, first = np.zeros((len(rho), 5)), 0
        for i in range(len(self.firsts)):
            last = first + self.count - 1 - i
            rows, others = slice(first, last), slice(i + 1, None)
            x, weight, y = (part[: last - first] for part in (sizes, weights, products))
            np.multiply(by_l[i], root[others], out=x)
            np.multiply(x, rho[rows, None], out=weight)
            weight += b[rows, None]
            weight *= weight
            weight += np.multiply(variance[i], variance[others], out=y)
            np.divide(inverse, weight, out=weight)
            if not same:
                np.multiply(root[i] * one.ld, root[others], out=x)
            np.multiply(one.z[i], one.z[others], out=y)
            out[rows, 2] = weight @ ones
            out[rows, 4] = np.vecdot(weight, y)
            weight *= x
            out[rows, 1] = weight @ ones
            out[rows, 3] = np.vecdot(weight, y)
            out[rows, 0] = np.vecdot(weight, x)
            first = last
        return out
