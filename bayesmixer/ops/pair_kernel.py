"""The compiled two-trait likelihood: cosine sums over a half-disc lattice, the saddle point beyond
their reach, and the Jacobian per LD block (docs/ideas/likelihood.md).

For a chunk of variants E = [g; -s_1^2 / 2; -s_2^2 / 2; -s_1 s_2]' [S; error variances; covariance]
is one matrix product, phi = exp(E), p = sum of phi cos(s'z); backward, one more product with the
same right-hand side gives a small table, from which every derivative is a contraction. Nothing of
size variants x frequencies is held.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from bayesmixer.ops.elementary import FAST
from bayesmixer.ops.kernel import share_parts
from bayesmixer.ops.pair_lattice import (
    COSINE_LOSS,
    LADDER,
    MAX_FREQUENCIES,
    axes,
    classes,
    lattices,
    plan_rows,
)
from bayesmixer.ops.pair_saddle import saddle_point
from bayesmixer.ops.pair_tables import cumulant_table, pair_table

CHUNK = 96  # variants a chunk, at most
SPACE = 1 << 17  # numbers of a chunk's (frequencies, variants), about: the second cache
LANES = 8
_STEP = 1e-5  # relative step of central differences


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def cosine_blocks(
    lo, hi, rows, order, label, block_row, a, lattice, table, share, less, pi, gradient, loglik, jac
):
    """Add the rows `order` of LD blocks lo .. hi - 1, sorted by class `label` in each, to loglik
    (L,) and jac (L, 4C + 3), derivatives in pi, gamma and the error covariance.
    """
    k_n = rows.spectrum.shape[1]
    wide = k_n + 3
    largest = 0
    for i in range(lattice.start.size - 1):
        largest = max(largest, lattice.start[i + 1] - lattice.start[i])
    room = min(CHUNK, max(LANES, SPACE // max(largest, 1) // LANES * LANES))
    phase = lattice.most.max() + 1 if largest else 1
    work = np.empty(max(largest * room, SPACE))
    held = np.empty(wide * CHUNK)
    c1, s1 = np.empty((phase, CHUNK)), np.empty((phase, CHUNK))
    c2, s2 = np.empty((2 * phase, CHUNK)), np.empty((2 * phase, CHUNK))
    u1, u2, f, p = np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK)
    bits = np.empty(CHUNK, np.int64)
    pow2 = bits.view(np.float64)
    acc, product = np.empty((largest, wide)), np.empty((largest, wide))
    for block in range(lo, hi):
        at, end = block_row[block], block_row[block + 1]
        while at < end:  # rows of one class
            i = label[order[at]]
            stop = at
            while stop < end and label[order[stop]] == i:
                stop += 1
            first, m = lattice.start[i], lattice.start[i + 1] - lattice.start[i]
            m1, m2 = lattice.most[i, 0], lattice.most[i, 1]
            acc[:m] = 0.0
            most = min(CHUNK, max(LANES, SPACE // m // LANES * LANES))
            chunks = -(-(stop - at) // most)
            while at < stop:
                n = -(-(stop - at) // chunks)
                chunks -= 1
                padded = -(-n // LANES) * LANES
                s = held[: wide * padded].reshape(wide, padded)
                e = work[: m * padded].reshape(m, padded)
                s[:, n:] = 0.0
                for v in range(n):
                    r = order[at + v]
                    for k in range(k_n):
                        s[k, v] = rows.spectrum[r, k]
                    for k in range(3):
                        s[k_n + k, v] = rows.error[r, k]
                    u1[v] = a[0, 0] * rows.z[r, 0] + a[1, 0] * rows.z[r, 1]
                    u2[v] = a[0, 1] * rows.z[r, 0] + a[1, 1] * rows.z[r, 1]
                u1[n:padded], u2[n:padded] = 0.0, 0.0
                np.dot(table[first : first + m], s, e)
                for v in range(padded):
                    p[v] = 0.0
                    x, y = (
                        math.cos(lattice.step[i, 0] * u1[v]),
                        math.sin(lattice.step[i, 0] * u1[v]),
                    )
                    cr, sr = 1.0, 0.0
                    for j in range(m1 + 1):
                        c1[j, v], s1[j, v] = cr, sr
                        cr, sr = cr * x - sr * y, sr * x + cr * y
                    x, y = (
                        math.cos(lattice.step[i, 1] * u2[v]),
                        math.sin(lattice.step[i, 1] * u2[v]),
                    )
                    cr, sr = 1.0, 0.0
                    for j in range(m2 + 1):
                        c2[m2 + j, v], s2[m2 + j, v] = cr, sr
                        c2[m2 - j, v], s2[m2 - j, v] = cr, -sr
                        cr, sr = cr * x - sr * y, sr * x + cr * y
                for j in range(m):
                    ej, q = e[j], lattice.weight[first + j]
                    ca, sa = c1[lattice.a[first + j]], s1[lattice.a[first + j]]
                    cb, sb = c2[lattice.b[first + j] + m2], s2[lattice.b[first + j] + m2]
                    for v in range(padded):  # exp without branches, as in `kernel`
                        x = max(ej[v], -700.0)
                        t = np.floor(x * 1.4426950408889634 + 0.5)
                        r = x - t * 0.6931471805599453
                        bits[v] = (np.int64(t) + 1023) << 52
                        y = 1 / 39916800.0
                        y = y * r + 1 / 3628800.0
                        y = y * r + 1 / 362880.0
                        y = y * r + 1 / 40320.0
                        y = y * r + 1 / 5040.0
                        y = y * r + 1 / 720.0
                        y = y * r + 1 / 120.0
                        y = y * r + 1 / 24.0
                        y = y * r + 1 / 6.0
                        y = y * r + 0.5
                        y = y * r + 1.0
                        ej[v] = y * r + 1.0
                    for v in range(padded):
                        y = ej[v] * pow2[v] * q * (ca[v] * cb[v] - sa[v] * sb[v])
                        ej[v] = y
                        p[v] += y
                for v in range(padded):
                    f[v] = 0.0
                    if v < n:
                        w = rows.weight[order[at + v]]
                        density = max(p[v], 1e-300)
                        loglik[block] += w * math.log(density * s[k_n + 2, v])
                        f[v] = w / density
                if gradient:
                    for j in range(m):
                        for v in range(padded):
                            e[j, v] *= f[v]
                    np.dot(e, s.T, product[:m])
                    for j in range(m):
                        for k in range(wide):
                            acc[j, k] += product[j, k]
                at += n
            if gradient:
                contract(acc, lattice.s[first : first + m], share, less, first, pi, jac[block])


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def contract(acc, s, share, less, first, pi, out):
    """Add sum over frequencies and nodes of acc * derivative of the exponent to out (4C + 3,)."""
    c_n, k_n = pi.size, share.shape[2]
    for j in range(s.shape[0]):
        q1, q2, q12 = 0.5 * s[j, 0] ** 2, 0.5 * s[j, 1] ** 2, s[j, 0] * s[j, 1]
        for c in range(c_n):
            t, u = 0.0, 0.0
            for k in range(k_n):
                t += acc[j, k] * less[c, first + j, k]
                u += acc[j, k] * share[c, first + j, k]
            out[c] += t
            u *= -pi[c]
            out[c_n + 3 * c] += u * q1
            out[c_n + 3 * c + 1] += u * q2
            out[c_n + 3 * c + 2] += u * q12
        out[4 * c_n] -= acc[j, k_n] * q1
        out[4 * c_n + 1] -= acc[j, k_n + 1] * q2
        out[4 * c_n + 2] -= acc[j, k_n + 2] * q12


@nb.njit(nogil=True, cache=True)
def far_rows(far, block_of, rows, node_x, pi, gamma, sigma_0, gradient, loglik, jac):
    """Add the rows `far` by their saddle points; derivatives by central differences."""
    c_n = pi.size
    theta = np.concatenate((pi, gamma.ravel(), sigma_0))
    wide, error = np.empty(node_x.size), np.empty(3)
    for r in far:
        block, w = block_of[r], rows.weight[r]
        wide[:] = rows.spectrum[r]
        for i in range(-1, theta.size if gradient else 0):
            step, value = 0.0, 0.0
            for side in (1.0, -1.0):
                moved = theta.copy()
                if i >= 0:
                    step = _STEP * max(abs(theta[i]), 1e-12)
                    if i >= c_n and theta[i] == 0.0:
                        step = _STEP * 1e-3
                    moved[i] += side * step
                error[:] = moved[4 * c_n :] * rows.error[r]
                log_p = saddle_point(
                    rows.z[r, 0],
                    rows.z[r, 1],
                    wide,
                    node_x,
                    error,
                    moved[:c_n],
                    moved[c_n : 4 * c_n].reshape(c_n, 3),
                )[0]
                value += side * log_p
                if i < 0:
                    loglik[block] += w * (log_p + math.log(rows.error[r, 2]))
                    break
            if i >= 0:
                jac[block, i] += w * value / (2 * step)


def evaluate(data, pi, sigma_beta, sigma_0, gradient, threads):
    """Weighted log-likelihood (L,) and Jacobian (L, 4C + 3) of the variants seen in both traits, on
    `threads` Python threads (the kernels hold no lock).
    """
    rows, node_x, c_n = data.rows, data.node_x, pi.size
    blocks = rows.block_row.size - 1
    loglik, jac = np.zeros(blocks), np.zeros((blocks, 4 * c_n + 3))
    if not rows.weight.size:
        return loglik, jac
    n1, n2 = data.n_ref
    to_gamma = np.array([n1, n2, math.sqrt(n1 * n2)])
    gamma = sigma_beta * to_gamma
    a, need, loss = plan(data, pi, gamma, sigma_0, threads)
    near = loss <= COSINE_LOSS
    label = np.full(near.size, -1)
    far = np.flatnonzero(~near)
    if near.any():
        label[near], wanted = classes(need[near])
        if (wanted[:, 0] ** 2 * wanted[:, 1] * wanted[:, 2] / 25).max() > MAX_FREQUENCIES:
            return np.full(blocks, -np.inf), jac
        lattice = lattices(wanted, a)
        table, share, less = tables(lattice.s, node_x, pi, gamma, sigma_0, gradient)
        block_of = data.block_of_row
        order = np.flatnonzero(near)
        order = order[np.lexsort((label[order], block_of[order]))]
        edge = np.searchsorted(block_of[order], np.arange(blocks + 1)).astype(np.int64)

        def part(lo, hi):  # no other thread writes the entries of these blocks
            cosine_blocks(
                lo,
                hi,
                rows,
                order,
                label,
                edge,
                a,
                lattice,
                table,
                share,
                less,
                pi,
                gradient,
                loglik,
                jac,
            )

        share_parts(part, data.parts if threads > 1 else (0, blocks), threads)
    if far.size:
        far_rows(far, data.block_of_row, rows, node_x, pi, gamma, sigma_0, gradient, loglik, jac)
    jac[:, c_n : 4 * c_n] *= np.tile(to_gamma, c_n)
    return loglik, jac


def plan(data, pi, gamma, sigma_0, threads):
    """Axes (2, 2) of the lattices, what each row needs (J, 3), and its loss (J,)."""
    rows, node_x = data.rows, data.node_x
    mean = (rows.error * sigma_0).mean(0)
    a = axes(mean, pi @ gamma)
    k = np.concatenate([np.outer(LADDER, a[:, t]) for t in (0, 1)])
    ladder = np.empty((node_x.size, len(k)))
    cumulant_table(node_x, k, pi, gamma, ladder)
    need, loss = np.empty((rows.weight.size, 3)), np.empty(rows.weight.size)

    def part(lo, hi):
        first, last = rows.block_row[lo], rows.block_row[hi]
        plan_rows(first, last, rows, node_x, a, ladder, sigma_0, pi, gamma, need, loss)

    blocks = rows.block_row.size - 1
    share_parts(part, data.parts if threads > 1 else (0, blocks), threads)
    return a, need, loss


def tables(s, node_x, pi, gamma, sigma_0, gradient):
    """Exponents (F, K + 3) of a row's spectrum and error factors at frequencies s (F, 2), and, for
    the gradient, share and less (C, F, K) of `pair_table` (else empty).
    """
    f_n, k_n = len(s), node_x.size
    table = np.empty((f_n, k_n + 3))
    g = np.empty((f_n, k_n))
    shape = (pi.size, f_n, k_n) if gradient else (0, 0, 0)
    share, less = np.empty(shape), np.empty(shape)
    pair_table(node_x, s, pi, gamma, g, share, less)
    table[:, :k_n] = g
    table[:, k_n:] = -np.column_stack([s**2 / 2, s[:, 0] * s[:, 1]]) * sigma_0
    return table, share, less
