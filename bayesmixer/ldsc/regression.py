"""Weighted least squares by blocks of variants, with weights that follow the fit, and the two-step
estimator: what heritability and genetic covariance have in common.

Source: Bulik-Sullivan et al. 2015, Nature Genetics 47:291 (weights, jackknife, two steps).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.jackknife import Estimate

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

UPDATES = 2  # of the weights
DENSE = 100  # annotations, up to which the sums of all blocks are kept
CACHED = 1 << 14  # rows that are summed at a time where blocks do not matter


def equal_blocks(rows: int, blocks: int) -> Rows:
    """(B + 1,) edges of blocks of neighbouring rows as equal as can be, at most one a row."""
    return np.floor(np.linspace(0, rows, min(blocks, rows) + 1)).astype(np.intp)


@dataclass(frozen=True)
class Design:
    """Columns of a regression, (J, A): LD scores of some variants times a number each, made block
    by block, so that LD scores of many annotations are never copied.

    Attributes
    ----------
    ld
        (all variants, A) LD scores, in memory or on disk.
    rows
        (J,) which of them take part; None for all.
    scale
        (J,) what each is multiplied by.
    """

    ld: Array
    rows: Rows | None
    scale: Array

    @property
    def width(self) -> int:
        """A."""
        return int(self.ld.shape[1])

    def part(self, block: slice) -> Array:
        """(rows of the block, A)."""
        ld = self.ld[block] if self.rows is None else self.ld[self.rows[block]]
        return np.asarray(ld * self.scale[block, None])

    def only(self, block: slice | Rows) -> Array:
        """(rows of the block,) the only column."""
        return self._column[block]

    @cached_property
    def _column(self) -> Array:
        """(J,) the only column, which every update asks for."""
        return np.asarray(self.sums * self.scale)

    @cached_property
    def sums(self) -> Array:
        """(J,) of the LD scores over annotations, without `scale`."""
        if self.width == 1:
            return self.ld[:, 0] if self.rows is None else self.ld[self.rows, 0]
        out = np.empty(len(self.scale))
        for block in pieces(len(out)):
            at = block if self.rows is None else self.rows[block]
            out[block] = self.ld[at].sum(axis=1)
        return out


def cached(rows: int) -> Rows:
    """(B + 1,) edges of blocks of rows that stay in the cache."""
    return np.append(np.arange(0, rows, CACHED), rows)


def pieces(rows: int, most: int = 1 << 15) -> list[slice]:
    """Slices of at most so many rows."""
    return [slice(i, min(i + most, rows)) for i in range(0, rows, most)]


def by_block(
    x: Design, y: Array, weight_of: Callable[[slice], Array], edges: Rows, free: bool
) -> Iterator[tuple[Array, Array]]:
    """X'WX (P, P) and X'Wy (P,) of each block of rows, X being x (J, A) and, where the intercept is
    `free`, a column of ones behind it.

    Weights are asked for block by block, so that what they are made of stays in the cache.
    """
    a = x.width
    p = a + free
    for i, j in pairwise(edges.tolist()):
        rows, xtx, xty = slice(i, j), np.empty((p, p)), np.empty(p)
        weight, right = weight_of(rows), y[rows]
        if a == 1:  # a product of two columns costs more than two sums
            part = x.only(rows)
            weighted = weight * part
            xtx[0, 0], xty[0] = weighted @ part, weighted @ right
        else:
            part = x.part(rows)
            weighted = part.T * weight
            xtx[:a, :a], xty[:a] = weighted @ part, weighted @ right
        if free:
            xtx[:a, a] = xtx[a, :a] = np.add.reduce(weighted, axis=-1)
            xtx[a, a], xty[a] = np.add.reduce(weight), weight @ right
        yield xtx, xty


def total(parts: Iterable[tuple[Array, Array]]) -> tuple[Array, Array]:
    """X'WX (P, P) and X'Wy (P,) of all blocks.

    Raises
    ------
    InputError
        They are not finite.
    """
    left, right = (np.array(v) for v in reduce(_added, parts))
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise InputError(
            "sumstats",
            "the regression ends where chi-squared would have no variance",
            "Are N, z and the LD scores of one study and ancestry? A fixed intercept may help.",
        )
    return left, right


def _added(a: tuple[Array, Array], b: tuple[Array, Array]) -> tuple[Array, Array]:
    return a[0] + b[0], a[1] + b[1]


def sums(
    x: Design, y: Array, weight_of: Callable[[slice], Array], edges: Rows, free: bool
) -> tuple[Array, Array]:
    """X'WX (B, P, P) and X'Wy (B, P), as `by_block`."""
    parts = list(by_block(x, y, weight_of, edges, free))
    return np.array([one for one, _ in parts]), np.array([one for _, one in parts])


def solved(xtx: Array, xty: Array) -> Estimate:
    """Coefficients of all blocks, and without each."""
    whole = total(zip(xtx, xty, strict=True))
    with _independent():
        value = np.linalg.solve(*whole)
        without = np.linalg.solve(whole[0] - xtx, (whole[1] - xty)[..., None])[..., 0]
    return Estimate(value, without)


def solved_in_turn(whole: tuple[Array, Array], parts: Iterable[tuple[Array, Array]]) -> Estimate:
    """The same given the sums of all blocks, one block in memory at a time."""
    with _independent():
        value = np.linalg.solve(*whole)
        without = [np.linalg.solve(whole[0] - xtx, whole[1] - xty) for xtx, xty in parts]
    return Estimate(value, np.array(without))


@contextmanager
def _independent() -> Iterator[None]:
    try:
        yield
    except np.linalg.LinAlgError:
        raise InputError(
            "LD scores",
            "they are linearly dependent, or too few variants tell them apart",
            "Leave out annotations that others add up to.",
        ) from None


@dataclass(frozen=True)
class Weights:
    """Weights of a regression, by block of rows.

    Attributes
    ----------
    at
        Weights of some rows at slopes (A,) and an intercept.
    start
        Weights of some rows to begin with.
    """

    at: Callable[[Array, float, slice], Array]
    start: Callable[[slice | Rows], Array]


def weights_by(
    weight: Callable[[float, float, slice | Rows], Array],
    m: Array,
    mean_n: float,
    intercept: float | None,
    start: tuple[float, float],
    by_first: bool,
) -> Weights:
    """Weights that follow the total of heritability or covariance and the intercept.

    Parameters
    ----------
    weight
        Weights of some rows at a total and an intercept.
    m, mean_n
        (A,) variants of each annotation, and N by which LD scores were scaled.
    intercept
        Where it is fixed; None where it is estimated.
    start
        Total and intercept to begin with.
    by_first
        Of several annotations take the first coefficient for all, and the second for the intercept
        where that is free, as LDSC does.
    """

    def at(slope: Array, b: float, rows: slice) -> Array:
        if by_first and len(slope) > 1:
            of_first = float(m.sum() * slope[0]) / mean_n
            return weight(of_first, float(slope[1]) if intercept is None else b, rows)
        return weight(float(m @ slope) / mean_n, b, rows)

    return Weights(at, lambda rows: weight(*start, rows))


def followed(
    x: Design,
    y: Array,
    weights: Weights,
    rows: int,
    updates: int,
    intercept: float | None,
    near: NDArray[np.bool_] | None = None,
    begun: tuple[Array, Array] | None = None,
) -> Callable[[slice], Array]:
    """Weights of some of the `rows` after `updates`.

    Parameters
    ----------
    x, y
        (J, A) LD scores times N / mean N, (J,).
    weights
        Of all rows.
    intercept
        Where it is fixed; None where it is the last coefficient.
    near
        (J,) which rows take part, where not all do: the others weigh nothing.
    begun
        X'WX and X'Wy by the weights to begin with, where they are known.
    """

    far = None if near is None else ~near

    def kept(block: slice, weight: Array) -> Array:
        if far is not None:
            weight[far[block]] = 0.0
        return weight

    def start(block: slice) -> Array:
        return kept(block, weights.start(block))

    weight = start
    of_all = cached(rows)
    for _ in range(updates):
        found = _solve(*(begun or total(by_block(x, y, weight, of_all, intercept is None))))
        begun = None
        slope, at = (found[:-1], float(found[-1])) if intercept is None else (found, intercept)

        def weight(block: slice, slope: Array = slope, at: float = at) -> Array:
            return kept(block, weights.at(slope, at, block))

    return weight


def reweighted(
    x: Design,
    y: Array,
    weights: Weights,
    edges: Rows,
    updates: int,
    intercept: float | None,
    near: NDArray[np.bool_] | None = None,
    begun: tuple[Array, Array] | None = None,
) -> Estimate:
    """Coefficients (P,) after updates of the weights (`followed`), which the blocks of rows between
    `edges` (B + 1,) then share.
    """
    free = intercept is None
    weight = followed(x, y, weights, int(edges[-1]), updates, intercept, near, begun)
    if x.width <= DENSE:
        return solved(*sums(x, y, weight, edges, free))
    # the sums of every block would take B P^2 numbers: they are made twice instead
    whole = total(by_block(x, y, weight, edges, free))
    return solved_in_turn(whole, by_block(x, y, weight, edges, free))


def _solve(left: Array, right: Array) -> Array:
    """Coefficients, of columns on one scale and least where they are dependent."""
    scale = np.sqrt(np.maximum(np.diag(left), np.finfo(float).tiny))
    found = np.linalg.lstsq(left / np.outer(scale, scale), right / scale, rcond=None)[0]
    return np.asarray(found / scale)


@dataclass(frozen=True)
class Fit:
    """Slopes (A,) and intercept of a regression on LD scores.

    Attributes
    ----------
    slope
        (A,) by annotation, of l N / mean N.
    intercept
        (1,) estimated, or None where it was fixed.
    at
        The intercept, whichever.
    edges
        (B + 1,) of the blocks.
    joint
        Slopes and intercept as one estimate (A + 1,), or slopes alone.
    beyond_cut
        Variants that the first of two steps left out; None without two steps.
    """

    slope: Estimate
    intercept: Estimate | None
    at: float
    edges: Rows
    joint: Estimate
    beyond_cut: int | None = None


def regress(
    x: Design,
    y: Array,
    weights: Weights,
    *,
    intercept: float | None,
    near: NDArray[np.bool_] | None,
    n_blocks: int,
    edges: Rows | None = None,
    updates: int = UPDATES,
    pulled: bool = False,
) -> Fit:
    """Regress y on LD scores.

    Parameters
    ----------
    x
        (J, A) LD scores times N / mean N.
    y
        (J,) chi-squared, or products of z.
    weights
        Of the rows.
    intercept
        Fixed, or None to estimate it.
    near
        (J,) variants of the first of two steps, which alone find the intercept; None for one step.
    n_blocks
        Blocks of equal numbers of variants (of the first step, where there are two).
    edges
        (B + 1,) blocks instead.
    updates
        Of the weights.
    pulled
        Of two steps: without each block the slope is moved with the intercept by the weights to
        begin with, as LDSC does, and not found anew by its own.
    """
    if near is None and edges is None:
        edges = equal_blocks(len(y), n_blocks)
    if intercept is not None:
        edges = equal_blocks(len(y), n_blocks) if edges is None else edges
        one = reweighted(x, y - intercept, weights, edges, updates, intercept)
        return Fit(one, None, intercept, edges, one)
    if near is None:
        assert edges is not None
        return _split(reweighted(x, y, weights, edges, updates, None), edges, None)
    if edges is None:
        rows = np.flatnonzero(near)
        within = equal_blocks(len(rows), n_blocks)
        edges = np.concatenate([[0], rows[within[1:-1]], [len(y)]])
    # both steps begin with the same weights, on what differs by few variants
    left, right = total(by_block(x, y, weights.start, cached(len(y)), True))
    far = np.flatnonzero(~near)
    part = np.column_stack([x.only(far), np.ones(len(far))])
    weighted = part.T * weights.start(far)
    begun = left - weighted @ part, right - weighted @ y[far]
    found = reweighted(x, y, weights, edges, updates, None, near, begun)
    first = _split(found, edges, None)
    assert first.intercept is not None
    begun = left[:1, :1], right[:1] - first.at * left[:1, 1]
    rest = y - first.at
    weight = followed(x, rest, weights, len(y), updates, first.at, None, begun)
    if pulled:
        second = solved(*sums(x, rest, weight, edges, False))
        pull = left[0, 1] / left[0, 0]
        moved = first.intercept.without - first.at
        joint = Estimate(
            np.append(second.value, first.at),
            np.column_stack([second.without - pull * moved, first.intercept.without]),
        )
    else:
        xtx, xty = sums(x, y, weight, edges, True)
        joint = given_intercept(xtx[:, 0, 0], xtx[:, 0, 1], xty[:, 0], first.intercept)
    return _split(joint, edges, int(len(y) - np.count_nonzero(near)))


def given_intercept(xx: Array, x1: Array, xy: Array, intercept: Estimate) -> Estimate:
    """(2,) of the second of two steps: the slope given an intercept (1,), without each block given
    that without the block, and the intercept; of sums of w x x, w x and w x y (B,) by block.
    """
    at, left_out = intercept.value, intercept.without[:, 0]
    slope = (xy.sum() - at * x1.sum()) / xx.sum()
    without = ((xy.sum() - xy) - left_out * (x1.sum() - x1)) / (xx.sum() - xx)
    return Estimate(np.append(slope, at), np.column_stack([without, left_out]))


def _split(joint: Estimate, edges: Rows, beyond_cut: int | None) -> Fit:
    slope = Estimate(joint.value[:-1], joint.without[:, :-1])
    intercept = Estimate(joint.value[-1:], joint.without[:, -1:])
    return Fit(slope, intercept, float(joint.value[-1]), edges, joint, beyond_cut)
