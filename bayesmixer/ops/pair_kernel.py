"""The compiled two-trait likelihood: cosine sums over half-disc lattices, a shifted plane beyond
their reach, and the Jacobian per LD block (docs/ideas/likelihood.md).

For a chunk of variants E = [g; -s_1^2 / 2; -s_2^2 / 2; -s_1 s_2]' [S; error variances; covariance]
is one matrix product, phi = exp(E), p = sum of phi cos(s'z); backward, one more product with the
same right-hand side gives a small table, from which every derivative is a contraction. Nothing of
size variants x frequencies is held.

Where less than `SINGLE_LOSS` e-folds cancel the products and the exponentials are of single
precision, which leaves six digits of the density.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba as nb
import numpy as np

from bayesmixer.ops.elementary import FAST
from bayesmixer.ops.kernel import share_parts
from bayesmixer.ops.pair_box import exceeding
from bayesmixer.ops.pair_far import add_far
from bayesmixer.ops.pair_lattice import (
    COSINE_LOSS,
    LOG_ERROR,
    MAX_FREQUENCIES,
    classes,
    frame,
    frequencies,
    lattices,
    plan_rows,
)
from bayesmixer.ops.pair_tables import pair_table

SINGLE_LOSS = 4.5
CHUNK = 96  # variants a chunk, at most
TOGETHER = 32  # and at least, of several LD blocks, where there are so many
SPACE = 1 << 20  # bytes of a chunk's (frequencies, variants), about
HELD = 1 << 20  # bytes of the sums of LD blocks that wait for their contraction, about
SLOTS = 16  # and their number, at most
TILE = 128  # frequencies that are contracted together
SHEET = 1024  # frequencies whose tables are made together
COMPRESSED = 1e-8  # of the exponent, what its few functions leave where nothing is damped
LANES = 8
RUN = 512  # exponentials at a time
CLASSES = 12, 4  # of single and of double precision, at most
TABLE = 240.0  # what a frequency of a table costs, in terms of one row's
BLOCK = 10.0  # and its contraction for an LD block
# exp(x) = 2^j exp(r), r = x - j ln 2: x / ln 2 + ROUND holds the integer j in its last bits
ROUND = {np.float32: 1.5 * 2.0**23, np.float64: 1.5 * 2.0**52}
LOWEST = {np.float32: -87.0, np.float64: -700.0}


def _constants(kind: Any) -> np.ndarray:
    """1 / n! for n = 0 .. 11, log2 e, ln 2, the rounding constant and the lowest exponent."""
    taylor = [1 / math.factorial(n) for n in range(12)]
    return np.array([*taylor, math.log2(math.e), math.log(2), ROUND[kind], LOWEST[kind]], kind)


CONSTANTS = {kind: _constants(kind) for kind in ROUND}
WHOLE = {np.float32: np.zeros(1, np.int32), np.float64: np.zeros(1, np.int64)}


@nb.njit(fastmath={"contract", "nsz"}, nogil=True, cache=True)
def _exp(e, bits, lo, hi, rounded, places, constants, shift):
    """Replace e[lo:hi] by its exponential; `bits` are those of e, `places` those of `rounded`."""
    c0, c1, c2, c3 = constants[0], constants[1], constants[2], constants[3]
    c4, c5, c6, c7 = constants[4], constants[5], constants[6], constants[7]
    c8, c9, c10, c11 = constants[8], constants[9], constants[10], constants[11]
    per_ln2, ln2, magic, low = constants[12], constants[13], constants[14], constants[15]
    for start in range(lo, hi, rounded.size):
        f, whole = e[start : min(start + rounded.size, hi)], bits[start : start + rounded.size]
        if shift == 23:  # single precision
            for v in range(f.size):
                x = max(f[v], low)
                t = x * per_ln2 + magic
                rounded[v] = t
                r = x - (t - magic) * ln2
                y = c7 * r + c6
                y = y * r + c5
                y = y * r + c4
                y = y * r + c3
                y = y * r + c2
                y = y * r + c1
                f[v] = y * r + c0
            for v in range(f.size):
                whole[v] += places[v] << 23
        else:
            for v in range(f.size):
                x = max(f[v], low)
                t = x * per_ln2 + magic
                rounded[v] = t
                r = x - (t - magic) * ln2
                y = c11 * r + c10
                y = y * r + c9
                y = y * r + c8
                y = y * r + c7
                y = y * r + c6
                y = y * r + c5
                y = y * r + c4
                y = y * r + c3
                y = y * r + c2
                y = y * r + c1
                f[v] = y * r + c0
            for v in range(f.size):
                whole[v] += places[v] << 52


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def _phases(u, step, c, s, last, middle, turns):
    """c[middle + j, v] and s[middle + j, v] = cos and sin of j step u[v], j = 0 .. last (and their
    mirror images where there is a middle), by rotation in double precision.
    """
    x, y, cr, sr = turns[0], turns[1], turns[2], turns[3]
    for v in range(u.size):
        x[v], y[v] = math.cos(step * u[v]), math.sin(step * u[v])
        cr[v], sr[v] = 1.0, 0.0
    for j in range(last + 1):
        mirror = middle - j if middle else j
        cj, sj, ck, sk = c[middle + j], s[middle + j], c[mirror], s[mirror]
        for v in range(u.size):
            ck[v] = cr[v]
            sk[v] = -sr[v]
        for v in range(u.size):
            cj[v] = cr[v]
            sj[v] = sr[v]
        for v in range(u.size):
            t = cr[v] * x[v] - sr[v] * y[v]
            sr[v] = sr[v] * x[v] + cr[v] * y[v]
            cr[v] = t


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def _forward(tier, lo, hi, s, flat, turn, middle, tools, p):
    """flat = phi cos(s'z) at the frequencies lo .. hi - 1 of a tier (half of it at 0) of the
    variants whose spectra and errors are s (K + 3, N), and p (N,) += its sum over them.
    """
    constants, bits, rounded, places, row, shift = tools
    c1, s1, c2, s2 = turn
    m, n, half = hi - lo, s.shape[1], constants[2]
    e = flat[: m * n].reshape(m, n)
    np.dot(tier.table[lo:hi], s, e)
    j = 0
    while j < m:  # frequencies of one a
        ia, last = tier.a[lo + j], j
        while last < m and tier.a[lo + last] == ia:
            last += 1
        _exp(flat, bits, j * n, last * n, rounded, places, constants, shift)
        if ia == 0 and tier.b[lo + j] == 0:  # frequency 0 stands for itself alone
            for v in range(n):
                e[j, v] *= half
        ca, sa = c1[ia], s1[ia]
        for v in range(n):
            row[v] = half - half
        for h in range(j, last):
            eh, ib = e[h], tier.b[lo + h] + middle
            cb, sb = c2[ib], s2[ib]
            for v in range(n):
                y = eh[v] * (ca[v] * cb[v] - sa[v] * sb[v])
                eh[v] = y
                row[v] += y
        for v in range(n):
            p[v] += row[v]
        j = last


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def _backward(m, s, flat, first, last, add, spare, more, sums):
    """sums (K + 3, M) = s e' over the variants first .. last - 1, added to what is there or not."""
    wide, n = s.shape
    e = flat[: m * n].reshape(m, n)
    few = last - first
    if few < n:  # the columns of one LD block, side by side
        part, right = spare[: m * few].reshape(m, few), np.empty((wide, few), s.dtype)
        for j in range(m):
            for v in range(few):
                part[j, v] = e[j, first + v]
        for k in range(wide):
            for v in range(few):
                right[k, v] = s[k, first + v]
    else:
        part, right = e, s
    if add:
        other = more[: wide * m].reshape(wide, m)
        np.dot(right, part.T, other)
        for k in range(wide):
            for j in range(m):
                sums[k, j] += other[k, j]
    else:
        np.dot(right, part.T, sums)


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def _contract(tier, lo, hi, sums, blocks, pi, jac):
    """Add sums (B, K + 3, M) over variants of LD blocks (B,), contracted with the derivatives of
    the exponent at the frequencies lo .. hi - 1, to the rows `blocks` of jac (L, 4C + 3).

    A few frequencies at a time, whose derivatives stay near while block after block uses them.
    """
    c_n, k_n = pi.size, tier.share.shape[1]
    t, u = np.empty(TILE, sums.dtype), np.empty(TILE, sums.dtype)
    zero = sums.dtype.type(0)
    for at in range(lo, hi, TILE):
        n = min(TILE, hi - at)
        to = at - lo
        q1, q2 = tier.form[0, at : at + n], tier.form[1, at : at + n]
        q12 = tier.form[2, at : at + n]
        for c in range(c_n):
            for i in range(blocks.size):
                out, own = jac[blocks[i]], sums[i]
                for j in range(n):
                    t[j], u[j] = zero, zero
                k = 0
                while k + 1 < k_n:  # two at a time: half the way to and from t and u
                    a, b = own[k, to : to + n], own[k + 1, to : to + n]
                    one, two = tier.less[c, k, at : at + n], tier.less[c, k + 1, at : at + n]
                    for j in range(n):
                        t[j] += a[j] * one[j] + b[j] * two[j]
                    one, two = tier.share[c, k, at : at + n], tier.share[c, k + 1, at : at + n]
                    for j in range(n):
                        u[j] += a[j] * one[j] + b[j] * two[j]
                    k += 2
                if k < k_n:
                    a = own[k, to : to + n]
                    one, two = tier.less[c, k, at : at + n], tier.share[c, k, at : at + n]
                    for j in range(n):
                        t[j] += a[j] * one[j]
                    for j in range(n):
                        u[j] += a[j] * two[j]
                d, d1, d2, d12 = zero, zero, zero, zero
                for j in range(n):
                    d += t[j]
                    d1 += u[j] * q1[j]
                    d2 += u[j] * q2[j]
                    d12 += u[j] * q12[j]
                out[c] += d
                out[c_n + 3 * c] -= pi[c] * d1
                out[c_n + 3 * c + 1] -= pi[c] * d2
                out[c_n + 3 * c + 2] -= pi[c] * d12
        for i in range(blocks.size):
            out, own = jac[blocks[i]], sums[i]
            a, b, both = own[k_n, to : to + n], own[k_n + 1, to : to + n], own[k_n + 2, to : to + n]
            d1, d2, d12 = zero, zero, zero
            for j in range(n):
                d1 += a[j] * q1[j]
                d2 += b[j] * q2[j]
                d12 += both[j] * q12[j]
            out[4 * c_n] -= d1
            out[4 * c_n + 1] -= d2
            out[4 * c_n + 2] -= d12


@nb.njit(nogil=True, cache=True)
def rows_together(edge, block, at, stop, most):
    """How many rows from `at`, one of `block`'s, make a chunk: the block's own in even parts of at
    most `most`, or, where they are few, those of whole blocks behind it; block l has rows edge[l]
    .. edge[l + 1] - 1.
    """
    n = edge[block + 1] - at
    if n > most:
        n = -(-n // (-(-n // most)))
    after = block + 1
    # a part of a block looks for no company: it ends before the next block begins
    while n < TOGETHER and at + n < stop and edge[after] == at + n:
        more = edge[after + 1] - edge[after]
        if n + more > most:
            break
        n, after = n + more, after + 1
    return n


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def cosine_blocks(
    lo,
    hi,
    rows,
    order,
    edge,
    to_u,
    lattice,
    fine,
    plain,
    basis,
    pi,
    constants,
    gradient,
    loglik,
    jac,
):
    """Add LD blocks lo .. hi - 1 to loglik (L,) and jac (L, 4C + 3), derivatives in pi, gamma and
    the error covariance.

    Block l has rows `order[edge[i, l] : edge[i, l + 1]]` of class i. `fine` and `plain` are the
    frequencies of double and of single precision, the latter in `basis` (R, K). Chunks of rows do
    not end where blocks do; their second products do.
    """
    k_n, few = rows.spectrum.shape[1], basis.shape[0]
    largest, phase = 0, lattice.most.max() + 1
    for i in range(lattice.weight.size):
        m = fine.start[i + 1] - fine.start[i], plain.start[i + 1] - plain.start[i]
        largest = max(largest, m[0] + m[1])
    space = max(largest * LANES, SPACE // 4)
    flat1, flat2 = np.empty(space if fine.a.size else 0), np.empty(space, np.float32)
    spare1 = np.empty(flat1.size if gradient else 0)
    spare2 = np.empty(flat2.size if gradient else 0, np.float32)
    kept = max(HELD // 4, (k_n + 3) * largest) if gradient else 0
    held1, held2 = np.empty(kept if fine.a.size else 0), np.empty(kept, np.float32)
    more = (k_n + 3) * largest if gradient else 0
    more1, more2 = np.empty(more if fine.a.size else 0), np.empty(more, np.float32)
    raw, thin = np.empty((k_n + 3) * CHUNK), np.empty(few * CHUNK)
    single = np.empty((few + 3) * CHUNK, np.float32)
    turn1 = (
        np.empty((phase, CHUNK)),
        np.empty((phase, CHUNK)),
        np.empty((2 * phase, CHUNK)),
        np.empty((2 * phase, CHUNK)),
    )
    turn2 = (
        np.empty((phase, CHUNK), np.float32),
        np.empty((phase, CHUNK), np.float32),
        np.empty((2 * phase, CHUNK), np.float32),
        np.empty((2 * phase, CHUNK), np.float32),
    )
    rounded1, rounded2 = np.empty(RUN), np.empty(RUN, np.float32)
    places1, places2 = rounded1.view(np.int64), rounded2.view(np.int32)
    tools1 = constants[0], flat1.view(np.int64), rounded1, places1, np.empty(CHUNK), 52
    row2 = np.empty(CHUNK, np.float32)
    tools2 = constants[1], flat2.view(np.int32), rounded2, places2, row2, 23
    turns = np.empty((4, CHUNK))
    u1, u2, p = np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK)
    slots = np.empty(SLOTS, np.int64)
    for i in range(lattice.weight.size):
        at, stop = edge[i, lo], edge[i, hi]
        if at == stop:
            continue
        f0, f1, g0, g1 = fine.start[i], fine.start[i + 1], plain.start[i], plain.start[i + 1]
        m1, m2 = f1 - f0, g1 - g0
        most = SPACE // (8 * m1 + 4 * m2) // LANES * LANES
        most = min(CHUNK, max(LANES, most))
        a_most, b_most = lattice.most[i, 0], lattice.most[i, 1]
        n_slots = HELD // (8 * (k_n + 3) * m1 + 4 * (few + 3) * m2)
        n_slots = min(SLOTS, max(1, n_slots)) if gradient else 0
        size1, size2 = (k_n + 3) * m1, (few + 3) * m2
        sums1 = held1[: n_slots * size1].reshape(n_slots, k_n + 3, m1)
        sums2 = held2[: n_slots * size2].reshape(n_slots, few + 3, m2)
        block, used = lo, 0
        while at < stop:
            while edge[i, block + 1] <= at:
                block += 1
            n = rows_together(edge[i], block, at, stop, most)
            padded = -(-n // LANES) * LANES
            s = raw[: (k_n + 3) * padded].reshape(k_n + 3, padded)
            s[:, n:] = 0.0
            u1[:padded], u2[:padded], p[:padded] = 0.0, 0.0, 0.0
            for v in range(n):
                r = order[at + v]
                for k in range(k_n):
                    s[k, v] = rows.spectrum[r, k]
                for k in range(3):
                    s[k_n + k, v] = rows.error[r, k]
                u1[v] = to_u[0, 0] * rows.z[r, 0] + to_u[1, 0] * rows.z[r, 1]
                u2[v] = to_u[0, 1] * rows.z[r, 0] + to_u[1, 1] * rows.z[r, 1]
            x = single[: (few + 3) * padded].reshape(few + 3, padded)
            projected = thin[: few * padded].reshape(few, padded)
            np.dot(basis, s[:k_n], projected)
            for k in range(few):
                for v in range(padded):
                    x[k, v] = projected[k, v]
            for k in range(3):
                for v in range(padded):
                    x[few + k, v] = s[k_n + k, v]
            _phases(u1[:padded], lattice.step[i, 0], turn2[0], turn2[1], a_most, 0, turns)
            _phases(u2[:padded], lattice.step[i, 1], turn2[2], turn2[3], b_most, b_most, turns)
            if m1:
                _phases(u1[:padded], lattice.step[i, 0], turn1[0], turn1[1], a_most, 0, turns)
                _phases(u2[:padded], lattice.step[i, 1], turn1[2], turn1[3], b_most, b_most, turns)
                _forward(fine, f0, f1, s, flat1, turn1, b_most, tools1, p)
            if m2:
                _forward(plain, g0, g1, x, flat2, turn2, b_most, tools2, p)
            first = 0
            while first < n:  # one LD block after the other
                while edge[i, block + 1] <= at + first:
                    block += 1
                last = min(n, edge[i, block + 1] - at)
                value = 0.0
                for v in range(first, last):
                    r = order[at + v]
                    density = max(p[v], 1e-300)
                    scale = lattice.weight[i] * rows.error[r, 2]
                    value += rows.weight[r] * math.log(density * scale)
                    p[v] = rows.weight[r] / density
                loglik[block] += value
                if gradient:
                    add = used > 0 and slots[used - 1] == block
                    if not add:
                        if used == n_slots:
                            _contract(fine, f0, f1, sums1, slots[:used], pi, jac)
                            _contract(plain, g0, g1, sums2, slots[:used], pi, jac)
                            used = 0
                        slots[used] = block
                        used += 1
                    for v in range(first, last):
                        for k in range(k_n + 3):
                            s[k, v] *= p[v]
                        for k in range(few + 3):
                            x[k, v] *= p[v]
                    end = padded if first == 0 and last == n else last
                    if m1:
                        _backward(m1, s, flat1, first, end, add, spare1, more1, sums1[used - 1])
                    if m2:
                        _backward(m2, x, flat2, first, end, add, spare2, more2, sums2[used - 1])
                first = last
            at += n
        if gradient and used:
            _contract(fine, f0, f1, sums1, slots[:used], pi, jac)
            _contract(plain, g0, g1, sums2, slots[:used], pi, jac)


def _add_densities(data, rows, pi, gamma, sigma_0, gradient, threads, loglik, jac):
    blocks = data.n_blocks
    view, need, loss = plan(data, rows, pi, gamma, sigma_0, threads)
    label, wanted = np.zeros(loss.size, np.int64), np.empty((0, 4))
    inner, most_lost = np.empty(0), np.empty(0)
    for most, chosen in (
        (CLASSES[0], loss <= SINGLE_LOSS),
        (CLASSES[1], (loss > SINGLE_LOSS) & (loss <= COSINE_LOSS)),
    ):
        order = np.flatnonzero(chosen)
        if not order.size:
            continue
        table = TABLE + BLOCK * min(blocks, order.size)
        own, needed = classes(need[order], view.across, most, table)
        label[order] = own + len(wanted)
        lost = np.maximum(loss[order] - SINGLE_LOSS, 0.0)
        within = need[order, 0] ** 2 * lost / (loss[order] - LOG_ERROR)
        inside = [own == i for i in range(len(needed))]
        wanted = np.concatenate([wanted, needed])
        inner = np.concatenate([inner, [within[v].max() for v in inside]])
        most_lost = np.concatenate([most_lost, [lost[v].max() for v in inside]])
    order = np.flatnonzero(loss <= COSINE_LOSS)
    if order.size:
        if frequencies(wanted, view.across).max() > MAX_FREQUENCIES:
            loglik[:] = -np.inf
            return
        lattice = lattices(wanted, view)
        place = label[order] * blocks + data.block_of_row[order]
        order = order[np.argsort(place, kind="stable")]
        first = np.arange(len(wanted))[:, None] * blocks + np.arange(blocks + 1)
        edge = np.searchsorted(np.sort(place), first)
        fine, plain, basis = tiers(lattice, inner, most_lost, data, pi, gamma, sigma_0, gradient)
        constants = CONSTANTS[np.float64], CONSTANTS[np.float32]

        def part(lo, hi):  # no other thread writes the entries of these blocks
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


def tiers(lattice, inner, lost, data, pi, gamma, sigma_0, gradient):
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
    return *(
        Tier(
            np.searchsorted(here, lattice.start), lattice.a[here], lattice.b[here],
            *(v.astype(kind, copy=False) for v in (*made, np.ascontiguousarray(form[:, here]))),
        )
        for here, kind, made in ((fine, np.float64, double), (plain, np.float32, single))
    ), basis  # fmt: skip


def compressed(g, weight, second_moment):
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


def evaluate(data, pi, sigma_beta, sigma_0, gradient, threads):
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

    data: Any
    pi: Any
    gamma: Any
    sigma_0: Any
    factor: Any
    entry: Any


def turned(data, pi, sigma_beta, sigma_0) -> Turned:
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


def plan(data, rows, pi, gamma, sigma_0, threads=1, log_error=LOG_ERROR):
    """Frame of the lattices, what each row needs (J, 4) for that error, and its loss (J,)."""
    node_x = data.node_x
    typical = (rows.error * sigma_0).mean(0)
    view = frame(node_x, data.mean_spectrum, pi, gamma, typical)
    need, loss = np.empty((rows.weight.size, 4)), np.empty(rows.weight.size)

    def part(lo, hi):
        first, last = rows.block_row[lo], rows.block_row[hi]
        plan_rows(first, last, rows, node_x, view, sigma_0, pi, gamma, log_error, need, loss)

    blocks = rows.block_row.size - 1
    share_parts(part, data.parts if threads > 1 else (0, blocks), threads)
    return view, need, loss


def tables(s, node_x, pi, gamma, sigma_0, gradient):
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
