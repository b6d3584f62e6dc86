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
from bayesmixer.ldsc.regression import UPDATES, Array, Fit, Rows, solved
from bayesmixer.ldsc.traits import SIGNS

PIECE = 40_000  # numbers of all traits that are summed at a time
Pairs = NDArray[np.intp]


@dataclass(frozen=True)
class Aligned:
    """Traits on the same variants, of the same alleles.

    Attributes
    ----------
    z, n
        (J,) of each trait, both 0 where it has no usable variant.
    seen
        (J,) whether it has one; None for a trait that has all.
    common, usable
        (k, k) numbers of variants that two traits have, and of those with matching alleles.
    apart
        Pairs whose alleles must be compared by themselves.
    """

    z: list[Array]
    n: list[Array]
    seen: list[NDArray[np.bool_] | None]
    common: NDArray[np.int64]
    usable: NDArray[np.int64]
    apart: set[tuple[int, int]]


def aligned(
    z: Sequence[Array],
    n: Sequence[Array],
    seen: Sequence[NDArray[np.bool_] | None],
    alleles: Sequence[NDArray[np.uint8]] | None,
) -> Aligned:
    """Effects of all traits of one allele, that of the first trait which has the variant.

    Parameters
    ----------
    z, n, seen, alleles
        (J,) of each trait, its codes of alleles as `Trait` has them; None where they need not be
        compared. What stands where a trait has no variant does not matter.
    """
    size, count = len(z[0]), len(z)
    kept, moved, sizes = list(seen), list(z), list(n)
    odd: list[NDArray[np.bool_] | None] = [None] * count
    if alleles is not None:
        of_all = np.full(size, 255, np.uint8)
        valid = SIGNS.diagonal() != 0
        for codes, has in zip(alleles, seen, strict=True):
            free = (of_all == 255) & valid[codes]
            free = free if has is None else free & has
            of_all[free] = codes[free]
        table = np.vstack([SIGNS, np.zeros((255 - len(SIGNS) + 1, SIGNS.shape[1]), np.int8)])
        for i, codes in enumerate(alleles):
            if kept[i] is None and np.array_equal(codes, of_all):
                continue
            sign = table[of_all, codes]
            own = seen[i]
            off = (sign == 0) & valid[codes]
            odd[i] = off if own is None else off & own
            usable = sign != 0 if own is None else (sign != 0) & own
            kept[i] = None if usable.all() else usable
            if (sign < 0).any():
                moved[i] = moved[i] * sign
    for i, has in enumerate(kept):
        if has is not None:
            moved[i], sizes[i] = moved[i] * has, sizes[i] * has
    apart = {
        (i, j)
        for i in range(count)
        for j in range(i + 1, count)
        if (a := odd[i]) is not None and (b := odd[j]) is not None and (a & b).any()
    }
    return Aligned(moved, sizes, kept, _in_common(seen, size), _in_common(kept, size), apart)


def _in_common(seen: Sequence[NDArray[np.bool_] | None], size: int) -> NDArray[np.int64]:
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
    """
    k, total = len(traits.z), float(m.sum())
    first, second = np.triu_indices(k, 1)
    per_l = np.array([min(max(float(one.total.value[0]), 0.0), 1.0) / total for one in alone])
    at = np.array([one.fit.at for one in alone])
    sums = _Sums(traits, ld, w_ld, per_l, at, cut)
    count = traits.usable[first, second].astype(float)
    blocks = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    with ThreadPoolExecutor(threads or _threads()) as pool:
        parts = list(pool.map(sums.moments, blocks))
        of_n, of_z, of_ln = (sum(one)[first, second] for one in zip(*parts, strict=True))
        mean_n, start = of_n / count, total * of_z / of_ln

        def summed(rho: Array, b: Array, near: bool) -> Array:
            """(B, pairs, 5) at genetic covariances and intercepts."""
            clipped = np.clip(rho, -1.0, 1.0) / total
            return np.array(list(pool.map(lambda one: sums.normal(one, clipped, b, near), blocks)))

        rho, b = start, np.zeros(len(count))
        for _ in range(UPDATES):
            xx, x1, ones, xy, y1 = summed(rho, b, cut is not None).sum(axis=0).T
            scale = xx * ones - x1**2
            rho, b = total * (ones * xy - x1 * y1) / scale, (xx * y1 - x1 * xy) / scale
        by_block = summed(rho, b, cut is not None)
        joint = [_both(by_block[:, p], mean_n[p]) for p in range(len(count))]
        if cut is not None:
            found = np.array([one.value[1] for one in joint])
            rho, b, pull = start, np.zeros(len(count)), np.zeros(len(count))
            for step in range(UPDATES):
                xx, x1, _, xy, _ = summed(rho, b, False).sum(axis=0).T
                pull = x1 / xx if step == 0 else pull
                rho, b = total * (xy - found * x1) / xx, found
            by_block = summed(rho, b, False)
            joint = [
                _second(by_block[:, p], mean_n[p], one, pull[p] * mean_n[p])
                for p, one in enumerate(joint)
            ]
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


def _both(sums: Array, n: float) -> Estimate:
    """(2,) slope on l N / mean N and intercept, of sums (B, 5) by block."""
    xx, x1, ones, xy, y1 = sums.T
    left = np.array([[xx / n**2, x1 / n], [x1 / n, ones]]).transpose(2, 0, 1)
    return solved(left, np.column_stack([xy / n, y1]))


def _second(sums: Array, n: float, first: Estimate, pull: float) -> Estimate:
    """(2,) of the second of two steps: the slope given the intercept of the `first`, which moves it
    by `pull`.
    """
    xx, x1, _, xy, _ = sums.T
    at = first.value[1]
    one = solved((xx / n**2)[:, None, None], ((xy - at * x1) / n)[:, None])
    without = one.without[:, 0] - pull * (first.without[:, 1] - at)
    return Estimate(np.array([one.value[0], at]), np.column_stack([without, first.without[:, 1]]))


def _threads() -> int:
    given = os.environ.get("OMP_NUM_THREADS", "")
    return max(int(given), 1) if given.isdigit() else os.cpu_count() or 1


@dataclass(frozen=True)
class _Sums:
    """Sums over variants of every pair."""

    traits: Aligned
    ld: Array
    w_ld: Array
    per_l: Array
    at: Array
    cut: float | None

    def pieces(self, block: tuple[int, int]) -> Iterator[slice]:
        """Slices of a block that fit the cache for all traits."""
        step = min(max(PIECE // len(self.traits.z), 256), 4096)
        for i in range(*block, step):
            yield slice(i, min(i + step, block[1]))

    def moments(self, block: tuple[int, int]) -> tuple[Array, Array, Array]:
        """(k, k) sums of sqrt(n_i n_j), of z_i z_j and of l sqrt(n_i n_j)."""
        k = len(self.traits.z)
        of_n, of_z, of_ln = np.zeros((k, k)), np.zeros((k, k)), np.zeros((k, k))
        for piece in self.pieces(block):
            z = np.stack([one[piece] for one in self.traits.z])
            root = np.sqrt(np.stack([one[piece] for one in self.traits.n]))
            of_n += root @ root.T
            of_z += z @ z.T
            of_ln += (root * self.ld[piece]) @ root.T
        return of_n, of_z, of_ln

    def normal(self, block: tuple[int, int], rho: Array, b: Array, near: bool) -> Array:
        """(pairs, 5) sums of w x x, w x, w, w x y and w y at (pairs,) genetic covariances over M
        and intercepts, with x = l sqrt(n_i n_j); of variants below the cut alone if `near`.
        """
        k = len(self.traits.z)
        out = np.zeros((len(rho), 5))
        for piece in self.pieces(block):
            z = np.stack([one[piece] for one in self.traits.z])
            n = np.stack([one[piece] for one in self.traits.n])
            ld = self.ld[piece]
            clipped, w = np.maximum(ld, 1.0), np.maximum(self.w_ld[piece], 1.0)
            variance = n * clipped
            variance *= self.per_l[:, None]
            variance += self.at[:, None]
            variance *= np.sqrt(w)
            root = np.sqrt(n)
            by_l, same = root * clipped, bool((ld >= 1).all())
            has = z * z < self.cut if near and self.cut is not None else None
            if any(one is not None for one in self.traits.seen):
                has = np.ones(z.shape, bool) if has is None else has
                for row, one in zip(has, self.traits.seen, strict=True):
                    if one is not None:
                        row &= one[piece]
            ones, first = np.ones(len(ld)), 0
            for i in range(k - 1):
                last = first + k - 1 - i
                rows, others = slice(first, last), slice(i + 1, None)
                x = by_l[i] * root[others]
                weight = x * rho[rows, None]
                weight += b[rows, None]
                weight *= weight
                weight *= w
                weight += variance[i] * variance[others]
                np.divide(1, weight, out=weight)
                if has is not None:
                    weight *= has[i] & has[others]
                if not same:
                    x = (root[i] * ld) * root[others]
                out[rows, 2] += weight @ ones
                out[rows, 4] += (weight * z[others]) @ z[i]
                weight *= x
                out[rows, 1] += weight @ ones
                out[rows, 3] += (weight * z[others]) @ z[i]
                weight *= x
                out[rows, 0] += weight @ ones
                first = last
        return out
