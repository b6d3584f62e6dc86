r"""What the z-scores of two traits say of the effects behind them: as `given_z`, for both together.

Components are of the first trait, of the second, or of both; a question is a set of them: "of the
first" is {first alone, both}, "of both" {both}. With f(s) = 1 + sum_c pi_c (exp(-x q_c(s)) - 1) the
own factor of a variant in its characteristic function phi,

    E[signal | z]  = z + Sigma_0 grad p / p
    P(c | z)       = pi_c p_c / p,                        p_c of phi exp(-x q_c) / f
    E[own | z]     = -sum_c N x Sigma_c pi_c grad p_c / p
    P(no close partner is of a component in Q | z) = (1 - pi_Q)^a p_Q / p

with pi_Q the sum over Q and p_Q of phi in which each of the a close partners has the mixture
without Q, its weights over 1 - pi_Q.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesmixer.errors import InputError
from bayesmixer.ops import pair_given_z_kernel
from bayesmixer.ops.compiling import announce
from bayesmixer.ops.kernel import share_parts
from bayesmixer.ops.pair_evaluate import SINGLE_LOSS, plan, tables
from bayesmixer.ops.pair_kernel import CONSTANTS
from bayesmixer.ops.pair_lattice import (
    COSINE_LOSS,
    MAX_FREQUENCIES,
    Frame,
    classes,
    frequencies,
    lattices,
)
from bayesmixer.ops.pair_layout import PairData
from bayesmixer.ops.pair_predict import PairMixture
from bayesmixer.ops.pair_tables import pair_table

Array = NDArray[np.float64]

LOG_ERROR = float(np.log(1e-3))  # of the density, each of range and step, at most
COMPRESSED = 1e-4  # largest error of log phi by fewer functions of a partner's strength than nodes

SPACE = 1 << 14  # numbers of a chunk's (frequencies, variants), about
MOST = 128  # variants a chunk
CLASSES = 8  # of lattices
COMMON = 0.97  # quantile of the frequencies needed beyond which variants have lattices of their own
WIDTH = 1.05  # largest over smallest own strength of a chunk
_PART, _BLOCK = 4, 1000  # chunks that a thread takes at a time; rows, where it plans


class PairGiven(NamedTuple):
    """What is known of each variant given its z, averaged over the draws.

    Attributes
    ----------
    signal, own
        (2, J) E[signal part of z] and E[the variant's own part of it], in units of z.
    causal, close
        (Q, J) P(the variant is of one of the question's components), P(it or a close partner is).
    """

    signal: Array
    own: Array
    causal: Array
    close: Array


def pair_given_z(
    z: ArrayLike,
    n: ArrayLike,
    spectrum: NDArray[np.floating],
    node_x: ArrayLike,
    own_x: ArrayLike,
    draws: Iterable[PairMixture],
    questions: ArrayLike,
    close: NDArray[np.floating] | None = None,
    close_count: ArrayLike | None = None,
    threads: int | None = None,
) -> PairGiven:
    """What pairs of z-scores say of the effects behind them, averaged over draws of the parameters.

    Parameters
    ----------
    z, n
        (J, 2) z-scores and sample sizes, of variants seen in both traits.
    spectrum, node_x
        (J, K) LD spectra, and (K,) strengths of their nodes, descending to 0.
    own_x
        (J,) strength H^(1+S) of the variant itself.
    draws
        Mixtures of C components.
    questions
        (Q, C) which components each question is of.
    close, close_count
        (J, K) part of the spectrum that is of close partners, the variant itself among them, and
        (J,) their number. None: what is said of them is NaN.
    threads
        Threads that share the variants; None: as many as numba has.

    Returns
    -------
    PairGiven

    Raises
    ------
    InputError
        Effects of a draw are so strong that no lattice resolves them, or there is no draw.
    """
    z = np.asarray(z, float)
    size = len(z)
    block = np.arange(size) // _BLOCK
    data = PairData(z, n, np.ones(size), spectrum, node_x, block)
    sets, own = np.asarray(questions, bool), np.asarray(own_x, float)
    known = close is not None and close_count is not None
    near = np.asarray(close) if known else np.zeros((size, 1), np.float32)
    count = np.asarray(close_count if known else np.zeros(size), float)
    threads = 1 if size < _BLOCK else threads or nb.get_num_threads()
    total, number = np.zeros((4 + 2 * len(sets), size)), 0
    for draw in draws:
        _add(_Sites(data, near, count, own), draw, sets, threads, total)
        number += 1
    if not number:
        raise InputError("draws", "none, expected at least one draw of the parameters")
    mean = total / number
    scale = np.sqrt(data.n / data.n_ref).T
    said = np.clip(mean[4:], 0.0, 1.0).reshape(2, len(sets), size)
    if not known:
        said[1] = np.nan
    return PairGiven(mean[:2] * scale, mean[2:4] * scale, said[0], said[1])


class _Point(NamedTuple):
    """A draw in the kernels' terms, and what is asked of it."""

    pi: Array
    gamma: Array
    sigma_0: Array
    sets: NDArray[np.bool_]
    log_none: Array
    """(Q,) log of the share of variants that are of none of a question's components."""


class _Sites(NamedTuple):
    """The variants: their data, the spectra and numbers of their close partners (K = 1: unknown),
    their own strengths.
    """

    data: PairData
    close: NDArray[np.floating]
    number: Array
    own: Array


def _add(v: _Sites, draw: PairMixture, sets: NDArray[np.bool_], threads: int, total: Array) -> None:
    """Add a draw to `total` (4 + 2Q, J), of z over sqrt(nu)."""
    rows, node_x = v.data.rows, v.data.node_x
    pi, sigma_0 = np.asarray(draw.pi, float), np.asarray(draw.sigma_0, float)
    n1, n2 = v.data.n_ref
    gamma = np.asarray(draw.sigma_beta, float) * [n1, n2, np.sqrt(n1 * n2)]
    log_none = np.log(np.maximum([1 - pi[q].sum() for q in sets], 1e-300))
    point = _Point(pi, gamma, sigma_0, sets, log_none)
    planned: Any = plan
    view, need, loss = planned(v.data, rows, pi, gamma, sigma_0, threads, LOG_ERROR)
    announce(pair_given_z_kernel.cosine_chunks, "what is said of each variant of two traits")
    costly = frequencies(need, view.across)
    rare = (loss > COSINE_LOSS) | (costly > np.quantile(costly, COMMON))
    for kind, chosen in (
        (np.float32, ~rare & (loss <= SINGLE_LOSS)),
        (np.float64, ~rare & (loss > SINGLE_LOSS)),
        (np.float64, rare & (loss <= COSINE_LOSS)),
    ):
        if chosen.any():
            _add_cosines(v, point, view, need, np.flatnonzero(chosen), kind, threads, total)
    far = np.flatnonzero(loss > COSINE_LOSS)

    def part(lo: int, hi: int) -> None:
        pair_given_z_kernel.saddle_rows(
            lo, hi, far, rows, node_x, v.close, v.number, v.own, log_none, pi, gamma, sets, sigma_0,
            total,
        )  # fmt: skip

    if far.size:
        share_parts(part, _edges(far.size, 256), threads)


def _add_cosines(
    v: _Sites, point: _Point, view: Frame, need: Array, chosen: NDArray[np.int64], kind: type,
    threads: int, total: Array,
) -> None:  # fmt: skip
    """Add the rows `chosen` by lattices, in a type of numbers."""
    rows, node_x = v.data.rows, v.data.node_x
    label, wanted = classes(need[chosen], view.across, CLASSES)
    if frequencies(wanted, view.across).max() > MAX_FREQUENCIES:
        raise InputError(
            "draws",
            f"pi {point.pi}, effects {point.gamma.tolist()}: too strong for any lattice, expected "
            "those of a fit",
        )
    lattice = lattices(wanted, view)
    known = v.close.shape[1] > 1
    made: Any = tables
    table = made(lattice.s, node_x, point.pi, point.gamma, point.sigma_0, False)[0]
    less = np.empty((len(point.sets), len(lattice.s), node_x.size))
    for k, q in enumerate(point.sets):
        left = np.where(q, 0.0, point.pi / np.exp(point.log_none[k]))
        none = np.empty((0, 0, 0))
        pair_table(node_x, lattice.s, left, point.gamma, less[k], none, none)
        less[k] -= table[:, : node_x.size]
    basis, table, less = _compressed(rows.spectrum[chosen], table, less, known)
    order, edge, of_class, ends = _chunks(chosen, label, v.own, np.diff(lattice.start))
    whole: NDArray[Any] = np.zeros((len(rows.z), basis.shape[1]), kind)
    basis = basis.astype(np.result_type(kind, rows.spectrum))
    whole[chosen] = rows.spectrum[chosen] @ basis
    inside = np.zeros_like(whole) if known else whole
    if known:
        inside[chosen] = v.close[chosen] @ basis
    table, less = table.astype(kind), less.astype(kind)
    constants: Any = CONSTANTS

    def part(lo: int, hi: int) -> None:
        pair_given_z_kernel.cosine_chunks(
            lo, hi, edge, of_class, ends, order, rows, whole, inside, v.number, v.own, view.a,
            lattice, table, less, point.log_none, point.pi, point.gamma, point.sets, point.sigma_0,
            constants[kind], total,
        )  # fmt: skip

    share_parts(part, _edges(of_class.size, _PART), threads)


def _edges(size: int, step: int) -> NDArray[np.int64]:
    return np.unique(np.append(np.arange(0, size, step), size))


def _compressed(
    spectrum: NDArray[np.floating], table: Array, less: Array, known: bool
) -> tuple[Array, Array, Array]:
    """A basis (K, r) of few functions of a partner's strength that serve all the exponents, and
    these in it: table (F, r + 3) and less (Q, F, r), or (Q, F, 0) where nothing is known of the
    close ones.
    """
    k = spectrum.shape[1]
    size = np.sqrt((np.asarray(spectrum[:: max(1, len(spectrum) // 5000)], float) ** 2).mean(0))
    size = np.maximum(size, 1e-6 * size.max())
    parts = np.concatenate([table[:, :k], *(less if known else ())]) * size
    vectors = np.linalg.eigh(parts.T @ parts)[1][:, ::-1]
    moved = parts @ vectors
    # (F', K) norm of what the functions from the r-th on hold
    rest = np.sqrt(np.cumsum(moved[:, ::-1] ** 2, axis=1)[:, ::-1].max(0))
    r = max(1, int((rest * np.sqrt(k) > COMPRESSED).sum()))
    few = np.ascontiguousarray(moved[:, :r])
    exponents = np.concatenate([few[: len(table)], table[:, k:]], axis=1)
    gained = few[len(table) :].reshape(len(less), -1, r) if known else np.empty((len(less), 0, 0))
    return vectors[:, :r] / size[:, None], exponents, gained


def _chunks(
    chosen: NDArray[np.int64], label: NDArray[np.int64], own: Array, size: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Array]:
    """Rows in the order of their class and own strength; edges of chunks of one class and nearly
    one strength, the class of each, and two strengths (chunks, 2) that hold its rows' between them.
    """
    bins = np.floor(np.log(np.maximum(own[chosen], 1e-9)) / np.log(WIDTH)).astype(np.int64)
    sorting = np.lexsort((bins, label))
    order, of_class, bins = chosen[sorting], label[sorting], bins[sorting]
    new = (np.diff(bins) != 0) | (np.diff(of_class) != 0)
    first = np.concatenate([[0], np.flatnonzero(new) + 1, [order.size]])
    edge = [0]
    for lo, hi in pairwise(first.tolist()):
        most = int(np.clip(SPACE // size[of_class[lo]], 8, MOST))
        edge.extend(np.linspace(lo, hi, -(-(hi - lo) // most) + 1).astype(np.int64)[1:].tolist())
    edges = np.array(edge, np.int64)
    low = WIDTH ** bins[edges[:-1]].astype(float)
    ends = np.column_stack([low, low * WIDTH])
    return order.astype(np.int64), edges, of_class[edges[:-1]].astype(np.int64), ends
