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
from typing import Any

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
SPACE = 1 << 18  # bytes of a chunk's (frequencies, variants), about: the second cache
LANES = 8
RUN = 512  # exponentials at a time
CLASSES = 6, 2  # of single and of double precision
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
def cosine_blocks(
    lo,
    hi,
    rows,
    order,
    edge,
    to_u,
    lattice,
    tables,
    pi,
    constants,
    whole,
    gradient,
    loglik,
    jac,
):
    """Add LD blocks lo .. hi - 1 to loglik (L,) and jac (L, 4C + 3), derivatives in pi, gamma and
    the error covariance.

    Block l has rows `order[edge[i, l] : edge[i, l + 1]]` of class i. The type of `tables` is that
    of the computation.
    """
    table, share, less = tables
    kind, half = table.dtype, constants[2]
    zero = half - half
    shift = 23 if whole.itemsize == 4 else 52
    space = SPACE // whole.itemsize
    k_n = rows.spectrum.shape[1]
    wide = k_n + 3
    largest = 0
    for i in range(lattice.start.size - 1):
        largest = max(largest, lattice.start[i + 1] - lattice.start[i])
    phase = lattice.most.max() + 1
    work = np.empty(max(largest * LANES, space), kind)
    held = np.empty(wide * CHUNK, kind)
    c1, s1 = np.empty((phase, CHUNK), kind), np.empty((phase, CHUNK), kind)
    c2, s2 = np.empty((2 * phase, CHUNK), kind), np.empty((2 * phase, CHUNK), kind)
    rounded, row = np.empty(RUN, kind), np.empty(CHUNK, kind)
    places, turns = rounded.view(whole.dtype), np.empty((4, CHUNK))
    u1, u2, p = np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK)
    one_sum, two_sums = np.empty(wide * largest, kind), np.empty(wide * largest, kind)
    for task in range((hi - lo) * edge.shape[0]):  # class by class, whose tables stay near
        i, block = task // (hi - lo), lo + task % (hi - lo)
        at, stop = edge[i, block], edge[i, block + 1]
        if at < stop:
            first, m = lattice.start[i], lattice.start[i + 1] - lattice.start[i]
            m1, m2 = lattice.most[i, 0], lattice.most[i, 1]
            most = min(CHUNK, max(LANES, space // m // LANES * LANES))
            chunks = -(-(stop - at) // most)
            sums, more = one_sum[: wide * m].reshape(wide, m), two_sums[: wide * m].reshape(wide, m)
            fresh = True
            while at < stop:
                n = -(-(stop - at) // chunks)
                chunks -= 1
                padded = -(-n // LANES) * LANES
                s = held[: wide * padded].reshape(wide, padded)
                flat = work[: m * padded]
                e, bits = flat.reshape(m, padded), flat.view(whole.dtype)
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
                np.dot(table[first : first + m], s, e)
                _phases(u1[:padded], lattice.step[i, 0], c1, s1, m1, 0, turns)
                _phases(u2[:padded], lattice.step[i, 1], c2, s2, m2, m2, turns)
                j = 0
                while j < m:  # frequencies of one a
                    ia, last = lattice.a[first + j], j
                    while last < m and lattice.a[first + last] == ia:
                        last += 1
                    _exp(flat, bits, j * padded, last * padded, rounded, places, constants, shift)
                    if j == 0:  # frequency 0 stands for itself alone
                        for v in range(padded):
                            e[0, v] *= half
                    ca, sa = c1[ia], s1[ia]
                    for v in range(padded):
                        row[v] = zero
                    for h in range(j, last):
                        eh, ib = e[h], lattice.b[first + h] + m2
                        cb, sb = c2[ib], s2[ib]
                        for v in range(padded):
                            y = eh[v] * (ca[v] * cb[v] - sa[v] * sb[v])
                            eh[v] = y
                            row[v] += y
                    for v in range(padded):
                        p[v] += row[v]
                    j = last
                for v in range(n):
                    w = rows.weight[order[at + v]]
                    density = max(p[v], 1e-300)
                    scale = lattice.weight[i] * rows.error[order[at + v], 2]
                    loglik[block] += w * math.log(density * scale)
                    p[v] = w / density
                if gradient:
                    for k in range(wide):
                        for v in range(n):
                            s[k, v] *= p[v]
                    if fresh:
                        np.dot(s, e.T, sums)
                        fresh = False
                    else:
                        np.dot(s, e.T, more)
                        for k in range(wide):
                            for j in range(m):
                                sums[k, j] += more[k, j]
                at += n
            if gradient:
                contract(sums, lattice.s[first : first + m], share, less, first, pi, jac[block])


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def contract(sums, s, share, less, first, pi, out):
    """Add sums (K + 3, M) over variants, contracted with the derivatives of the exponent, to out
    (4C + 3,).
    """
    c_n, k_n, m = pi.size, share.shape[1], s.shape[0]
    t, u = np.empty(m, sums.dtype), np.empty(m, sums.dtype)
    last = first + m
    for c in range(c_n):
        t[:], u[:] = 0, 0
        for k in range(0, k_n - 1, 2):  # two nodes at a time: half the way to and from t and u
            a, b = sums[k], sums[k + 1]
            one, other = less[c, k, first:last], less[c, k + 1, first:last]
            for j in range(m):
                t[j] += a[j] * one[j] + b[j] * other[j]
            one, other = share[c, k, first:last], share[c, k + 1, first:last]
            for j in range(m):
                u[j] += a[j] * one[j] + b[j] * other[j]
        if k_n % 2:
            a, one, other = sums[k_n - 1], less[c, k_n - 1], share[c, k_n - 1]
            for j in range(m):
                t[j] += a[j] * one[first + j]
                u[j] += a[j] * other[first + j]
        d, d1, d2, d12 = 0.0, 0.0, 0.0, 0.0
        for j in range(m):
            d += t[j]
            d1 += u[j] * s[j, 0] ** 2
            d2 += u[j] * s[j, 1] ** 2
            d12 += u[j] * s[j, 0] * s[j, 1]
        out[c] += d
        out[c_n + 3 * c] -= 0.5 * pi[c] * d1
        out[c_n + 3 * c + 1] -= 0.5 * pi[c] * d2
        out[c_n + 3 * c + 2] -= pi[c] * d12
    d1, d2, d12 = 0.0, 0.0, 0.0
    for j in range(m):
        d1 += sums[k_n, j] * s[j, 0] ** 2
        d2 += sums[k_n + 1, j] * s[j, 1] ** 2
        d12 += sums[k_n + 2, j] * s[j, 0] * s[j, 1]
    out[4 * c_n] -= 0.5 * d1
    out[4 * c_n + 1] -= 0.5 * d2
    out[4 * c_n + 2] -= d12


def evaluate(data, pi, sigma_beta, sigma_0, gradient, threads):
    """Weighted log-likelihood (L,) and Jacobian (L, 4C + 3) of the variants seen in both traits, on
    `threads` Python threads (the kernels hold no lock).
    """
    blocks, c_n = data.n_blocks, pi.size
    loglik, jac = np.zeros(blocks), np.zeros((blocks, 4 * c_n + 3))
    to_gamma, errors, rows = turned(data, pi, sigma_beta, sigma_0)
    gamma, sigma_0 = sigma_beta * to_gamma, sigma_0 * errors
    if rows.weight.size:
        _add_densities(data, rows, pi, gamma, sigma_0, gradient, threads, loglik, jac)
    if data.exceeding.weight.size:
        block, weight = data.block[data.exceeds & data.seen.all(1)], data.exceeding.weight
        value, slope = exceeding(data.exceeding, data.node_x, pi, gamma, sigma_0, gradient)
        np.add.at(loglik, block, weight * value)
        np.add.at(jac, block, weight[:, None] * slope)
    jac *= np.concatenate([np.ones(c_n), np.tile(to_gamma, c_n), errors])
    return loglik, jac


def _add_densities(data, rows, pi, gamma, sigma_0, gradient, threads, loglik, jac):
    node_x, blocks = data.node_x, data.n_blocks
    view, need, loss = plan(data, rows, pi, gamma, sigma_0, threads)
    jobs = []
    for kind, most, chosen in (
        (np.float32, CLASSES[0], loss <= SINGLE_LOSS),
        (np.float64, CLASSES[1], (loss > SINGLE_LOSS) & (loss <= COSINE_LOSS)),
    ):
        order = np.flatnonzero(chosen)
        if not order.size:
            continue
        label = np.zeros(loss.size, np.int64)
        label[order], wanted = classes(need[order], view.across, most)
        if frequencies(wanted, view.across).max() > MAX_FREQUENCIES:
            loglik[:] = -np.inf
            return
        lattice = lattices(wanted, view)
        place = label[order] * blocks + data.block_of_row[order]
        order = order[np.argsort(place, kind="stable")]
        first = np.arange(len(wanted))[:, None] * blocks + np.arange(blocks + 1)
        edge = np.searchsorted(np.sort(place), first)
        table = [v.astype(kind) for v in tables(lattice, node_x, pi, gamma, sigma_0, gradient)]
        jobs.append((order, edge, view.a, lattice, tuple(table), kind))

    def part(lo, hi):  # no other thread writes the entries of these blocks
        for *job, kind in jobs:
            cosine_blocks(
                lo, hi, rows, *job, pi, CONSTANTS[kind], WHOLE[kind], gradient, loglik, jac
            )

    share_parts(part, data.parts if threads > 1 else (0, blocks), threads)
    far = np.flatnonzero(~(loss <= COSINE_LOSS))
    if far.size:
        add_far(far, data, rows, view, pi, gamma, sigma_0, gradient, loglik, jac)


def turned(data, pi, sigma_beta, sigma_0):
    """Factors (3,) that make gamma of sigma_beta, factors (3,) of sigma_0, and the rows, with the
    sign of trait 2 that makes the genetic covariance positive: a likelihood and its mirror image
    are the same sums.
    """
    n1, n2 = data.n_ref
    covariance = float(pi @ sigma_beta[:, 2]) or float(sigma_0[2])
    sign = -1.0 if covariance < 0 else 1.0
    rows = data.mirrored if covariance < 0 else data.rows
    return np.array([n1, n2, sign * math.sqrt(n1 * n2)]), np.array([1.0, 1.0, sign]), rows


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


def tables(lattice, node_x, pi, gamma, sigma_0, gradient):
    """Exponents (F, K + 3) of a row's spectrum and error factors at the lattices' frequencies and,
    for the gradient, share and less (C, K, F) of `pair_table` (else empty).
    """
    s, k_n = lattice.s, node_x.size
    table = np.empty((len(s), k_n + 3))
    shape = (pi.size, k_n, len(s)) if gradient else (0, 0, 0)
    share, less = np.empty(shape), np.empty(shape)
    pair_table(node_x, s, pi, gamma, table, share, less)
    table[:, k_n:] = -np.column_stack([s**2 / 2, s[:, 0] * s[:, 1]]) * sigma_0
    return table, share, less
