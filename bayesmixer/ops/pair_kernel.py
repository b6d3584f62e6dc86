"""The compiled sums of the two-trait likelihood: cosines over half-disc lattices, and the Jacobian
per LD block (docs/ideas/likelihood.md).

For a chunk of variants E = [g; -s_1^2 / 2; -s_2^2 / 2; -s_1 s_2]' [S; error variances; covariance]
is one matrix product, phi = exp(E), p = sum of phi cos(s'z); backward, one more product with the
same right-hand side gives a small table, from which every derivative is a contraction. Nothing of
size variants x frequencies is held.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np
from numpy.polynomial import Chebyshev, Polynomial

from bayesmixer.ops.elementary import FAST, cos_sin, times_power_of_two

CHUNK = 96  # variants a chunk, at most
TOGETHER = 32  # and at least, of several LD blocks, where there are so many
SPACE = 1 << 20  # bytes of a chunk's (frequencies, variants), about
HELD = 1 << 20  # bytes of the sums of LD blocks that wait for their contraction, about
SLOTS = 16  # and their number, at most
TILE = 128  # frequencies that are contracted together
LANES = 8
# exp(x) = 2^j exp(r), r = x - j ln 2: x / ln 2 + ROUND holds the integer j in its last bits
ROUND = {np.float32: 1.5 * 2.0**23, np.float64: 1.5 * 2.0**52}
LOWEST = {np.float32: -87.0, np.float64: -700.0}


def _constants(kind: Any) -> np.ndarray:
    """The polynomial of exp on |r| <= ln 2 / 2 from its constant on, log2 e, ln 2, the rounding
    constant and the lowest exponent: of degree 6 at Chebyshev's points (error 4e-9) in single
    precision, Taylor's of degree 11 in double.
    """
    ln2 = math.log(2)
    if kind is np.float32:
        fit = Chebyshev.interpolate(np.exp, 6, domain=[-ln2 / 2, ln2 / 2])
        polynomial = fit.convert(kind=Polynomial).coef
    else:
        polynomial = np.array([1 / math.factorial(n) for n in range(12)])
    return np.array([*polynomial, math.log2(math.e), ln2, ROUND[kind], LOWEST[kind]], kind)


CONSTANTS = {kind: _constants(kind) for kind in ROUND}


@nb.njit(fastmath={"contract", "nsz"}, nogil=True, forceinline=True)
def _exp_single(e, c):
    """exp(e) of one number in single precision."""
    x = max(e, c[10])
    t = x * c[7] + c[9]
    r = x - (t - c[9]) * c[8]
    y = c[6] * r + c[5]
    y = y * r + c[4]
    y = y * r + c[3]
    y = y * r + c[2]
    y = y * r + c[1]
    return times_power_of_two(y * r + c[0], t)


@nb.njit(fastmath={"contract", "nsz"}, nogil=True, cache=True)
def _exp(e, lo, hi, constants):
    """Replace e[lo:hi] by its exponential."""
    f = e[lo:hi]
    if constants.itemsize == 4:
        for v in range(f.size):
            f[v] = _exp_single(f[v], constants)
    else:
        c0, c1, c2, c3 = constants[0], constants[1], constants[2], constants[3]
        c4, c5, c6, c7 = constants[4], constants[5], constants[6], constants[7]
        c8, c9, c10, c11 = constants[8], constants[9], constants[10], constants[11]
        per_ln2, ln2, magic, low = constants[12], constants[13], constants[14], constants[15]
        for v in range(f.size):
            x = max(f[v], low)
            t = x * per_ln2 + magic
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
            f[v] = times_power_of_two(y * r + c0, t)


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def _phases(u, step, c, s, last, turns):
    """c[j, v] and s[j, v] = cos and sin of j step u[v], j = 0 .. last, by rotation in double
    precision.
    """
    x, y, cr, sr = turns[0], turns[1], turns[2], turns[3]
    for v in range(u.size):
        x[v], y[v] = cos_sin(step * u[v])
        cr[v], sr[v] = 1.0, 0.0
    for j in range(last + 1):
        cj, sj = c[j], s[j]
        for v in range(u.size):
            cj[v] = cr[v]
            sj[v] = sr[v]
        for v in range(u.size):
            t = cr[v] * x[v] - sr[v] * y[v]
            sr[v] = sr[v] * x[v] + cr[v] * y[v]
            cr[v] = t


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def _forward(tier, lo, hi, s, flat, turn, tools, p):
    """flat = phi cos(s'z) at the frequencies lo .. hi - 1 of a tier (half of it at 0) of the
    variants whose spectra and errors are s (K + 3, N), and p (N,) += its sum over them.
    """
    constants, row = tools
    c1, s1, c2, s2 = turn
    m, n, half = hi - lo, s.shape[1], row.dtype.type(0.5)
    e = flat[: m * n].reshape(m, n)
    np.dot(tier.table[lo:hi], s, e)
    j = 0
    while j < m:  # frequencies of one a
        ia, last = tier.a[lo + j], j
        while last < m and tier.a[lo + last] == ia:
            last += 1
        _exp(flat, j * n, last * n, constants)
        if ia == 0 and tier.b[lo + j] == 0:  # frequency 0 stands for itself alone
            for v in range(n):
                e[j, v] *= half
        ca, sa = c1[ia], s1[ia]
        for v in range(n):
            row[v] = half - half
        for h in range(j, last):
            eh, ib = e[h], abs(tier.b[lo + h])
            cb, sb = c2[ib], s2[ib]
            if tier.b[lo + h] < 0:
                for v in range(n):
                    y = eh[v] * (ca[v] * cb[v] + sa[v] * sb[v])
                    eh[v] = y
                    row[v] += y
            else:
                for v in range(n):
                    y = eh[v] * (ca[v] * cb[v] - sa[v] * sb[v])
                    eh[v] = y
                    row[v] += y
        for v in range(n):
            p[v] += row[v]
        j = last


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def _summed(tier, lo, hi, s, flat, turn, tools, p):
    """What `_forward` adds to p (N,) in single precision, keeping nothing: exponential, cosine and
    sum are one loop, over b and -b at once.
    """
    constants, row = tools
    c1, s1, c2, s2 = turn
    m, n, half = hi - lo, s.shape[1], row.dtype.type(0.5)
    e = flat[: m * n].reshape(m, n)
    np.dot(tier.table[lo:hi], s, e)
    j = 0
    while j < m:  # frequencies of one a
        ia, last = tier.a[lo + j], j
        while last < m and tier.a[lo + last] == ia:
            last += 1
        ca, sa = c1[ia], s1[ia]
        for v in range(n):
            row[v] = half - half
        h, g = j, last - 1
        while h <= g:  # the largest b first
            eg, ib = e[g], tier.b[lo + g]
            cb, sb = c2[ib], s2[ib]
            if ia and ib:
                eh = e[h]
                for v in range(n):
                    y1, y2 = _exp_single(eg[v], constants), _exp_single(eh[v], constants)
                    row[v] += (y1 + y2) * (ca[v] * cb[v]) - (y1 - y2) * (sa[v] * sb[v])
                h += 1
            else:  # its own mirror image: one of the sines is 0
                for v in range(n):
                    row[v] += _exp_single(eg[v], constants) * (ca[v] * cb[v])
            g -= 1
        if ia == 0 and tier.b[lo + j] == 0:  # frequency 0 stands for itself alone
            for v in range(n):
                row[v] -= half
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
def by_class_and_block(label, block, classes, blocks):
    """Rows sorted by class and LD block, but for those of class -1; block l of class i has places
    edge[i, l] .. edge[i, l + 1] - 1.
    """
    count = np.zeros(classes * blocks + 1, np.int64)
    for r in range(label.size):
        if label[r] >= 0:
            count[label[r] * blocks + block[r] + 1] += 1
    start = np.cumsum(count)
    edge = np.empty((classes, blocks + 1), np.int64)
    for i in range(classes):
        edge[i] = start[i * blocks : (i + 1) * blocks + 1]
    order = np.empty(start[-1], np.int64)
    for r in range(label.size):
        if label[r] >= 0:
            place = label[r] * blocks + block[r]
            order[start[place]] = r
            start[place] += 1
    return order, edge


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


@nb.njit(nogil=True, cache=True)
def _projected(spectrum, basis):
    """(N, R), single: spectra (N, K) in `basis` (R, K)."""
    wide, some = np.zeros((CHUNK, spectrum.shape[1])), np.empty((CHUNK, basis.shape[0]))
    out = np.empty((len(spectrum), basis.shape[0]), np.float32)
    for at in range(0, len(spectrum), CHUNK):
        n = min(CHUNK, len(spectrum) - at)
        wide[:n] = spectrum[at : at + n]
        np.dot(wide, basis.T, some)
        out[at : at + n] = some[:n]
    return out


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
    wide = CHUNK if gradient else 2 * CHUNK
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
    raw = np.empty((k_n + 3) * wide)
    begin = rows.block_row[lo]
    thin = _projected(rows.spectrum[begin : rows.block_row[hi]], basis)
    single = np.empty((few + 3) * wide, np.float32)
    turn1 = (
        np.empty((phase, wide)),
        np.empty((phase, wide)),
        np.empty((phase, wide)),
        np.empty((phase, wide)),
    )
    turn2 = (
        np.empty((phase, wide), np.float32),
        np.empty((phase, wide), np.float32),
        np.empty((phase, wide), np.float32),
        np.empty((phase, wide), np.float32),
    )
    tools1 = constants[0], np.empty(wide)
    tools2 = constants[1], np.empty(wide, np.float32)
    turns = np.empty((4, wide))
    u1, u2, p = np.empty(wide), np.empty(wide), np.empty(wide)
    slots = np.empty(SLOTS, np.int64)
    for i in range(lattice.weight.size):
        at, stop = edge[i, lo], edge[i, hi]
        if at == stop:
            continue
        f0, f1, g0, g1 = fine.start[i], fine.start[i + 1], plain.start[i], plain.start[i + 1]
        m1, m2 = f1 - f0, g1 - g0
        most = SPACE // (8 * m1 + 4 * m2) // LANES * LANES
        most = min(wide, max(LANES, most))
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
            x = single[: (few + 3) * padded].reshape(few + 3, padded)
            x[:, n:] = 0.0
            u1[:padded], u2[:padded], p[:padded] = 0.0, 0.0, 0.0
            for v in range(n):
                r = order[at + v]
                for k in range(few):
                    x[k, v] = thin[r - begin, k]
                for k in range(3):
                    x[few + k, v] = rows.error[r, k]
                u1[v] = to_u[0, 0] * rows.z[r, 0] + to_u[1, 0] * rows.z[r, 1]
                u2[v] = to_u[0, 1] * rows.z[r, 0] + to_u[1, 1] * rows.z[r, 1]
            if m1:
                s[:, n:] = 0.0
                for v in range(n):
                    r = order[at + v]
                    for k in range(k_n):
                        s[k, v] = rows.spectrum[r, k]
                    for k in range(3):
                        s[k_n + k, v] = rows.error[r, k]
            _phases(u1[:padded], lattice.step[i, 0], turn2[0], turn2[1], a_most, turns)
            _phases(u2[:padded], lattice.step[i, 1], turn2[2], turn2[3], b_most, turns)
            if m1:
                _phases(u1[:padded], lattice.step[i, 0], turn1[0], turn1[1], a_most, turns)
                _phases(u2[:padded], lattice.step[i, 1], turn1[2], turn1[3], b_most, turns)
                _forward(fine, f0, f1, s, flat1, turn1, tools1, p)
            if m2 and gradient:
                _forward(plain, g0, g1, x, flat2, turn2, tools2, p)
            elif m2:
                _summed(plain, g0, g1, x, flat2, turn2, tools2, p)
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
                        for k in range(k_n + 3 if m1 else 0):
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
