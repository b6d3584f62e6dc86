"""The two-trait likelihood of some data: which sums serve which variants, and what they come to.

Where less than `SINGLE_LOSS` e-folds cancel the products and the exponentials are of single
precision, which leaves six digits of the density; beyond the reach of cosine sums stands a shifted
plane (`pair_far`), and `pair_box` counts what exceeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayesmixer.ops.kernel import share_parts
from bayesmixer.ops.layout import Array
from bayesmixer.ops.pair_box import exceeding
from bayesmixer.ops.pair_far import add_far
from bayesmixer.ops.pair_kernel import CONSTANTS, by_class_and_block, cosine_blocks
from bayesmixer.ops.pair_lattice import (
    COSINE_LOSS,
    LOG_ERROR,
    MAX_FREQUENCIES,
    Frame,
    Lattices,
    classes,
    frame,
    frequencies,
    lattices,
    plan_rows,
)
from bayesmixer.ops.pair_layout import PairData, PairRows
from bayesmixer.ops.pair_tables import pair_table

SINGLE_LOSS = 4.5
SHEET = 1024  # frequencies whose tables are made together
COMPRESSED = 3e-7  # of the exponent, left by its few functions: as much as single precision leaves
CLASSES = 12, 4  # of single and of double precision, at most
TABLE = 240.0  # what a frequency of a table costs, in terms of one row's
BLOCK = 10.0  # and its contraction for an LD block, where there is a gradient


def _add_densities(
    data: PairData,
    rows: PairRows,
    pi: Array,
    gamma: Array,
    sigma_0: Array,
    gradient: bool,
    threads: int,
    loglik: Array,
    jac: Array,
) -> None:
    blocks = data.n_blocks
    view, need, loss = plan(data, rows, pi, gamma, sigma_0, threads)
    label, wanted = np.full(loss.size, -1), np.empty((0, 4))
    inner, most_lost = np.empty(0), np.empty(0)
    for most, chosen in (
        (CLASSES[0], loss <= SINGLE_LOSS),
        (CLASSES[1], (loss > SINGLE_LOSS) & (loss <= COSINE_LOSS)),
    ):
        order = np.flatnonzero(chosen)
        if not order.size:
            continue
        table = TABLE + (BLOCK * min(blocks, order.size) if gradient else 0.0)
        own, needed = classes(np.take(need, order, 0), view.across, most, table)
        label[order] = own + len(wanted)
        wanted = np.concatenate([wanted, needed])
        outer = np.zeros((2, len(needed)))
        if most == CLASSES[1]:
            lost = loss[order] - SINGLE_LOSS
            np.maximum.at(outer[0], own, need[order, 0] ** 2 * lost / (loss[order] - LOG_ERROR))
            np.maximum.at(outer[1], own, lost)
        inner = np.concatenate([inner, outer[0]])
        most_lost = np.concatenate([most_lost, outer[1]])
    if len(wanted):
        if frequencies(wanted, view.across).max() > MAX_FREQUENCIES:
            loglik[:] = -np.inf
            return
        lattice = lattices(wanted, view)
        order, edge = by_class_and_block(label, data.block_of_row, len(wanted), blocks)
        fine, plain, basis = tiers(lattice, inner, most_lost, data, pi, gamma, sigma_0, gradient)
        constants = CONSTANTS[np.float64], CONSTANTS[np.float32]

        def part(lo: int, hi: int) -> None:  # no other thread writes the entries of these blocks
            cosine_blocks(
                lo, hi, rows, order, edge, view.a, lattice, fine, plain, basis, pi, constants,
                gradient, loglik, jac,
            )  # fmt: skip

        share_parts(part, data.parts, threads)
    far = np.flatnonzero(~(loss <= COSINE_LOSS))
    if far.size:
        add_far(far, data, rows, view, pi, gamma, sigma_0, gradient, loglik, jac)


class Tier(NamedTuple):
    """Frequencies of one precision: class i has `start[i] : start[i + 1]` of the integers a, b
    (F,); table (F, K + 3) of the exponents, share and less (C, K, F) of `pair_table`, or (0, 0, 0),
    and form (3, F): s_1^2 / 2, s_2^2 / 2, s_1 s_2.
    """

    start: Any
    a: Any
    b: Any
    table: Any
    share: Any
    less: Any
    form: Any


def tiers(
    lattice: Lattices,
    inner: Array,
    lost: Array,
    data: PairData,
    pi: Array,
    gamma: Array,
    sigma_0: Array,
    gradient: bool,
) -> tuple[Tier, Tier, Array]:
    """Frequencies of double precision, of |u|^2 below `inner` (classes,), those of single
    precision, and the basis (R, K) of the latter's tables: few functions of a partner's strength,
    into which a spectrum is put before the products.

    `lost` (classes,) are the e-folds that cancel beyond `SINGLE_LOSS`, at most.
    """
    size, k_n = np.diff(lattice.start), data.node_x.size
    u = np.column_stack([lattice.a, lattice.b]) * np.repeat(lattice.step, size, axis=0)
    outside = (u**2).sum(1) >= np.repeat(inner, size)
    fine, plain = np.flatnonzero(~outside), np.flatnonzero(outside)
    parameters = data.node_x, pi, gamma, sigma_0
    few = plain[:: max(1, plain.size // 1000)]
    exponent = tables(lattice.s[few], *parameters, False)[0]
    weight = np.exp(np.minimum(exponent[:, k_n:].sum(1) + np.repeat(lost, size)[few], 0.0))
    into, basis = compressed(exponent[:, :k_n], weight, data.second_moment)
    sheets = []
    for at in range(0, plain.size, SHEET):  # few at a time, which stay near
        table, *slopes = tables(lattice.s[plain[at : at + SHEET]], *parameters, gradient)
        sheets.append(
            (np.column_stack([table[:, :k_n] @ into, table[:, k_n:]]).astype(np.float32),
             *(np.matmul(into.T, v).astype(np.float32) if gradient else v for v in slopes))
        )  # fmt: skip
    none = np.empty((0, 0, 0), np.float32)
    single = [
        np.concatenate([sheet[i] for sheet in sheets] or [np.empty((0, len(basis) + 3))], axis=axis)
        if i == 0 or (gradient and sheets)
        else none
        for i, axis in ((0, 0), (1, 2), (2, 2))
    ]
    s1, s2 = lattice.s.T
    form = np.stack([s1**2 / 2, s2**2 / 2, s1 * s2])
    double = tables(lattice.s[fine], *parameters, gradient)

    def tier(here: NDArray[np.int64], kind: Any, made: Sequence[NDArray[Any]]) -> Tier:
        return Tier(
            np.searchsorted(here, lattice.start), lattice.a[here], lattice.b[here],
            *(v.astype(kind, copy=False) for v in (*made, np.ascontiguousarray(form[:, here]))),
        )  # fmt: skip

    return tier(fine, np.float64, double), tier(plain, np.float32, single), basis


def compressed(g: Array, weight: Array, second_moment: Array) -> tuple[Array, Array]:
    """(K, R) and (R, K): what puts tables g (F, K), and spectra of that second moment (K, K), into
    few functions that leave `COMPRESSED` of a typical spectrum's exponent, times weight (F,).
    """
    value, axes = np.linalg.eigh(second_moment)
    scale = np.sqrt(np.maximum(value, 1e-12 * value[-1]))  # of a spectrum along the axes
    some = (g @ (axes * scale)) * weight[:, None]
    turn = np.linalg.eigh(some.T @ some)[1][:, ::-1]
    # what the functions from each on hold, at the frequency where it is most
    rest = np.sqrt(np.cumsum((some @ turn)[:, ::-1] ** 2, axis=1)[:, ::-1].max(0, initial=0.0))
    turn = turn[:, : max(1, int((rest > COMPRESSED).sum()))]
    return axes * scale @ turn, np.ascontiguousarray((axes / scale @ turn).T)


def evaluate(
    data: PairData, pi: Array, sigma_beta: Array, sigma_0: Array, gradient: bool, threads: int
) -> tuple[Array, Array]:
    """Weighted log-likelihood (L,) and Jacobian (L, 4C + 3) of the variants seen in both traits, on
    `threads` Python threads (the kernels hold no lock).
    """
    blocks, c_n = data.n_blocks, pi.size
    loglik, jac = np.zeros(blocks), np.zeros((blocks, 4 * c_n + 3))
    view = turned(data, pi, sigma_beta, sigma_0)
    data, pi, gamma, sigma_0 = view.data, view.pi, view.gamma, view.sigma_0
    rows = data.rows
    if rows.weight.size:
        _add_densities(data, rows, pi, gamma, sigma_0, gradient, threads, loglik, jac)
    if data.exceeding.weight.size:
        block, weight = data.block[data.exceeds & data.seen.all(1)], data.exceeding.weight
        value, slope = exceeding(data.exceeding, data.node_x, pi, gamma, sigma_0, gradient)
        np.add.at(loglik, block, weight * value)
        np.add.at(jac, block, weight[:, None] * slope)
    out = np.empty_like(jac)
    out[:, view.entry] = jac * view.factor
    return loglik, out


class Turned(NamedTuple):
    """Data and parameters of an evaluation in an order and sign of their own, so that a likelihood,
    its mirror image and that of the traits swapped are the same sums: the trait of larger z first,
    the genetic covariance positive, components by their variances. `factor` (4C + 3,) and `entry`
    take a Jacobian back.
    """

    data: PairData
    pi: Array
    gamma: Array
    sigma_0: Array
    factor: Array
    entry: NDArray[np.int64]


def turned(data: PairData, pi: Array, sigma_beta: Array, sigma_0: Array) -> Turned:
    """Data and parameters as they are summed."""
    c_n = pi.size
    covariance = float(pi @ sigma_beta[:, 2]) or float(sigma_0[2])
    sign = -1.0 if covariance < 0 else 1.0
    seen = data.view(bool(data.first), covariance < 0)
    traits = [1, 0, 2] if data.first else [0, 1, 2]
    n1, n2 = seen.n_ref
    beta = sigma_beta[:, traits]
    kinds = np.lexsort((pi, *(beta * [1, 1, sign]).T))
    to_gamma, errors = np.array([n1, n2, sign * math.sqrt(n1 * n2)]), np.array([1.0, 1.0, sign])
    variances = c_n + 3 * kinds[:, None] + traits
    return Turned(
        seen,
        pi[kinds],
        beta[kinds] * to_gamma,
        sigma_0[traits] * errors,
        np.concatenate([np.ones(c_n), np.tile(to_gamma, c_n), errors]),
        np.concatenate([kinds, variances.ravel(), 4 * c_n + np.array(traits)]),
    )


def plan(
    data: PairData,
    rows: PairRows,
    pi: Array,
    gamma: Array,
    sigma_0: Array,
    threads: int = 1,
    log_error: float = LOG_ERROR,
) -> tuple[Frame, Array, Array]:
    """Frame of the lattices, what each row needs (J, 4) for that error, and its loss (J,)."""
    node_x = data.node_x
    typical = np.ones(rows.weight.size) @ rows.error / rows.weight.size * sigma_0
    view = frame(node_x, data.mean_spectrum, pi, gamma, typical)
    need, loss = np.empty((rows.weight.size, 4)), np.empty(rows.weight.size)

    def part(lo: int, hi: int) -> None:
        first, last = rows.block_row[lo], rows.block_row[hi]
        plan_rows(first, last, rows, node_x, view, sigma_0, pi, gamma, log_error, need, loss)

    blocks = rows.block_row.size - 1
    share_parts(part, data.parts if threads > 1 else (0, blocks), threads)
    return view, need, loss


def tables(
    s: Array, node_x: Array, pi: Array, gamma: Array, sigma_0: Array, gradient: bool
) -> tuple[Array, Array, Array]:
    """Exponents (F, K + 3) of a row's spectrum and error factors at frequencies s (F, 2) and, for
    the gradient, share and less (C, K, F) of `pair_table` (else empty).
    """
    k_n = node_x.size
    table = np.empty((len(s), k_n + 3))
    shape = (pi.size, k_n, len(s)) if gradient else (0, 0, 0)
    share, less = np.empty(shape), np.empty(shape)
    pair_table(node_x, s, pi, gamma, table, share, less)
    table[:, k_n:] = -np.column_stack([s**2 / 2, s[:, 0] * s[:, 1]]) * sigma_0
    return table, share, less
