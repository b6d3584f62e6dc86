"""The compiled likelihood: cosine sums for the bulk, a shifted line for the tails, and the Jacobian
per LD block (docs/ideas/likelihood.md).

For a chunk of variants E = g(nodes, frequencies)' S is one matrix product, phi = exp(E + damping),
p = sum of phi cos; backward, one more product S (d log p / dE)' gives a small table from which the
derivative in any parameter is a contraction with d g / d theta: the cost does not grow with the
number of parameters. Nothing of size variants x frequencies is held.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from bayesmixer.ops.blas import one_blas_thread
from bayesmixer.ops.elementary import FAST, exp_cos_sin, exponential
from bayesmixer.ops.frequencies import (
    LOG_TOLERANCE,
    MAX_LINE,
    SHIFTS,
    choose_shift,
    cumulants,
    plan_bands,
    which_tail,
)
from bayesmixer.ops.layout import CHUNK, Array
from bayesmixer.ops.saddle import (
    HALF_WIDTH,
    LEAST_LOSS,
    branch_height,
    far_rows,
    saddle_rows,
)
from bayesmixer.ops.tables import cumulant_table, real_table, shifted_table

LOG_TAIL = LOG_TOLERANCE - 1.0
MARGIN = 5.0  # e-folds more of a line's range: derivatives weigh its end by t^2
# no density is above that of the error alone; one that is by e^0.05 shows that the nodes of the
# spectrum are too few for effects this strong
ABOVE = 0.05
CEILING = math.exp(ABOVE) / math.sqrt(2 * math.pi)


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def cosine_blocks(
    lo, hi, chunks, bands, m, ds, tables, d_tables, sigma2_zero, gradient, loglik, jac
):
    """Add the chunks of LD blocks lo .. hi - 1 to loglik (L,) and jac (L, P); the last parameter is
    sigma2_zero.
    """
    k_n = tables.shape[2]
    n_par = d_tables.shape[1]
    m_max = tables.shape[1]
    work = np.empty(m_max * CHUNK)
    wide = np.empty(k_n * CHUNK)
    c0 = np.empty(CHUNK)
    c1 = np.empty(CHUNK)
    c2 = np.empty(CHUNK)
    p = np.empty(CHUNK)
    d2 = np.empty(CHUNK)
    f = np.empty(CHUNK)
    acc, product = np.zeros((m_max, k_n)), np.empty((m_max, k_n))
    for block in range(lo, hi):
        value, d_zero, pending, possible = 0.0, 0.0, -1, True
        for c in range(chunks.block_chunk[block], chunks.block_chunk[block + 1]):
            band = chunks.band[c]
            mb = m[band]
            if mb == 0:
                continue
            if gradient and pending != band:
                if pending >= 0:
                    _contract(acc, d_tables[pending], m[pending], jac[block])
                acc[:mb] = 0.0
                pending = band
            start, n = chunks.start[c], chunks.start[c + 1] - chunks.start[c]
            packed = chunks.spectra[k_n * start : k_n * (start + n)]
            for i in range(k_n * n):  # a loop, which is vectorised; assigning slices is not
                wide[i] = packed[i]
            s = wide[: k_n * n].reshape(k_n, n)
            e = work[: mb * n].reshape(mb, n)
            np.dot(tables[band, :mb], s, e)
            z = chunks.z[start : start + n]
            inv_nu = chunks.inv_nu[start : start + n]
            weight = chunks.weight[start : start + n]
            step = ds[band]
            for i in range(n):
                c2[i] = 2 * math.cos(step * z[i])
                c0[i] = 1.0
                c1[i] = 0.5 * c2[i]
                p[i] = 0.0
                d2[i] = 0.0
            # cos(a ds z) by its three-term recurrence, two frequencies at a time
            for a in range(0, mb, 2):
                even, odd = e[a], e[a + 1]
                s2, t2 = (a * step) ** 2, ((a + 1) * step) ** 2
                q = step / math.pi
                first = q if a > 0 else 0.5 * q
                damp_s, damp_t = -0.5 * sigma2_zero * s2, -0.5 * sigma2_zero * t2
                for i in range(n):
                    u = exponential(even[i] + damp_s * inv_nu[i]) * first * c0[i]
                    v = exponential(odd[i] + damp_t * inv_nu[i]) * q * c1[i]
                    even[i] = u
                    odd[i] = v
                    p[i] += u + v
                    d2[i] += u * s2 + v * t2
                    c0[i] = c2[i] * c1[i] - c0[i]
                    c1[i] = c2[i] * c0[i] - c1[i]
            for i in range(n):
                density = max(p[i], 1e-300)
                possible &= density * math.sqrt(inv_nu[i] * sigma2_zero) < CEILING
                value += weight[i] * math.log(density * math.sqrt(inv_nu[i]))
                f[i] = weight[i] / density
                d_zero -= 0.5 * f[i] * d2[i] * inv_nu[i]
            if gradient:
                for k in range(k_n):
                    for i in range(n):
                        s[k, i] *= f[i]
                np.dot(e, s.T, product[:mb])
                for a in range(mb):
                    for k in range(k_n):
                        acc[a, k] += product[a, k]
        if gradient and pending >= 0:
            _contract(acc, d_tables[pending], m[pending], jac[block])
        loglik[block] += value if possible else -np.inf
        jac[block, n_par] += d_zero


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def _contract(acc, d_table, m, out):
    """out[p] += sum over frequencies and nodes of acc * d g / d theta_p."""
    for p in range(d_table.shape[0]):
        t = 0.0
        for a in range(m):
            for k in range(acc.shape[1]):
                t += acc[a, k] * d_table[p, a, k]
        out[p] += t


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def _plan_rows(tail, rows, g, top, sigma2_zero, shift, far, longest, deepest):
    """Shift of each tail row, and whether it may need the saddle point; of each shift the longest
    period and the largest loss of digits (e-folds) of its rows.

    `top` is the last shift below the zeros.
    """
    cumulant, wide = np.empty(SHIFTS.size), np.empty(g.shape[1])
    for i in range(tail.row.size):
        r = tail.row[i]
        for k in range(wide.size):
            wide[k] = rows.spectrum[r, k]
        cumulants(wide, rows.inv_nu[r], sigma2_zero, g, cumulant)
        z = rows.zt[r]
        l, period, at = choose_shift(cumulant, z, rows.censored[r], top, LOG_TAIL)
        lost = cumulant[l] - cumulant[at] - (SHIFTS[l] - SHIFTS[at]) * z
        shift[i], longest[l], deepest[l] = l, max(longest[l], period), max(deepest[l], lost)
        below = max(top - 1, 0)  # at most h / SHARE
        loss = cumulant[below] - cumulant[at] - (SHIFTS[below] - SHIFTS[at]) * z
        far[i] = below < at and loss > 0.5 * (
            LEAST_LOSS - HALF_WIDTH
        )  # coarse: the exact loss decides


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def _lines(lo, hi, tail, rows, plan, far, sigma2_zero, gradient, loglik, jac):
    """Tail rows lo .. hi - 1: add weight * log p to loglik[block] and its derivatives to
    jac[block]; `far` are those of them that the saddle point has a share in.
    """
    re, im, d_re, d_im = plan.re, plan.im, plan.d_re, plan.d_im
    k_n, n_par = re.shape[1], d_re.shape[1]
    size = re.shape[2]
    er = np.empty(size)
    ei = np.empty(size)
    x = np.empty(size)
    c = np.empty(size)
    s = np.empty(size)
    a = np.empty(size)
    b = np.empty(size)
    wide = np.empty(k_n)
    next_far = 0
    for i in range(lo, hi):
        r, l, block = tail.row[i], plan.shift[i], plan.block[i]
        v = next_far
        is_far = v < far.row.size and far.row[v] == i
        next_far += is_far
        u = plan.place[l]
        k_shift, n, step = SHIFTS[l], plan.m[u], plan.ds[u]
        if n == 0:  # too fine for any line
            loglik[block] = -np.inf
            continue
        z, inv_nu, weight, censored = rows.zt[r], rows.inv_nu[r], rows.weight[r], rows.censored[r]
        for k in range(k_n):
            wide[k] = rows.spectrum[r, k]
        share, log_far = 0.0, 0.0
        ceiling = ABOVE if censored else math.log(CEILING / math.sqrt(sigma2_zero))
        if is_far:
            share, log_far = far.share[v], far.log_p[v]
            if share == 1.0:
                loglik[block] += weight * log_far if log_far < ceiling else -np.inf
                if gradient:
                    for p in range(n_par + 1):
                        jac[block, p] += weight * far.d_log_p[v, p]
                continue
        base = 0.5 * sigma2_zero * inv_nu
        total = base * k_shift * k_shift  # K(k), the exponent at t = 0
        for k in range(k_n):
            total += wide[k] * plan.cumulant[l, k]
        for f in range(n):
            t = f * step
            er[f] = -base * (t * t - k_shift * k_shift) - total
            ei[f] = 2 * base * t * k_shift - t * z
        for k in range(k_n):
            amount = wide[k]
            g, h = re[u, k], im[u, k]
            for f in range(n):
                er[f] += amount * g[f]
                ei[f] += amount * h[f]
        exp_cos_sin(er, ei, x, c, s, n)
        x[0] *= 0.5
        value = 0.0
        if censored:  # divide by k + it: the tail probability instead of the density
            for f in range(n):
                t = f * step
                y = x[f] / (k_shift * k_shift + t * t)
                a[f] = y * (k_shift * c[f] + t * s[f])
                b[f] = y * (k_shift * s[f] - t * c[f])
                value += a[f]
            value = max(value, 1e-300)
            log_p = total - k_shift * z + math.log(2 * value * step / math.pi)
        else:
            for f in range(n):
                a[f] = x[f] * c[f]
                b[f] = x[f] * s[f]
                value += a[f]
            value = max(value, 1e-300)
            log_p = total - k_shift * z + math.log(value * step / math.pi * math.sqrt(inv_nu))
        line = 1.0  # its share of the density
        if share > 0.0:
            ratio = math.exp(min(log_p - log_far, 50.0))
            mixed = share + (1.0 - share) * ratio
            line = (1.0 - share) * ratio / mixed
            log_p = log_far + math.log(mixed)
            if gradient:  # the share moves with the parameters
                for p in range(n_par + 1):
                    jac[block, p] += weight * (
                        (1.0 - line) * far.d_log_p[v, p] + (1.0 - ratio) / mixed * far.d_share[v, p]
                    )
        loglik[block] += weight * log_p if log_p < ceiling else -np.inf
        if gradient:
            factor = weight * line / value
            for p in range(n_par):
                t = 0.0
                for k in range(k_n):
                    g, h = d_re[u, p, k], d_im[u, p, k]
                    w = 0.0
                    for f in range(n):
                        w += a[f] * g[f] - b[f] * h[f]
                    t += w * wide[k]
                jac[block, p] += factor * t
            w = 0.0
            for f in range(n):
                t = f * step
                w += -0.5 * a[f] * (t * t - k_shift * k_shift) - b[f] * t * k_shift
            jac[block, n_par] += factor * w * inv_nu


class TailPlan(NamedTuple):
    """How the rows of a tail are evaluated: shift, LD block, and whether the saddle point may have
    a share, of each; cumulants g(x_k; -i shift) (shifts, K); and the tables of the shifts in use,
    `place` (shifts,) saying where, m and ds their frequencies.
    """

    shift: NDArray[np.int64]
    block: NDArray[np.int64]
    far: NDArray[np.bool_]
    cumulant: Array
    place: NDArray[np.int64]
    m: NDArray[np.int64]
    ds: Array
    re: Array
    im: Array
    d_re: Array
    d_im: Array


def band_tables(m, ds, node_x, n_ref, pi, sigma2):
    """g (bands, M, K) and its derivatives (bands, 2C, M, K) at each band's frequencies."""
    m_max = max(m.max(), 1)
    tables = np.zeros((m.size, m_max, node_x.size))
    d_tables = np.zeros((m.size, 2 * pi.size, m_max, node_x.size))
    for b in np.flatnonzero(m > 0):
        s = ds[b] * np.arange(m[b])
        real_table(node_x, s, n_ref, pi, sigma2, tables[b], d_tables[b])
    return tables, d_tables


def plan_tail(tail, rows, node_x, n_ref, pi, sigma2, sigma2_zero, gradient):
    """Shift of each tail row and the tables of the shifts in use."""
    n = tail.row.size
    g = np.empty((SHIFTS.size, node_x.size))
    shift, far = np.empty(n, np.int64), np.empty(n, np.bool_)
    longest, deepest = np.zeros(SHIFTS.size), np.zeros(SHIFTS.size)
    if n:
        cumulant_table(node_x, n_ref, pi, sigma2, g)
        height = branch_height.py_func(node_x[0], n_ref, pi, sigma2)
        # the last shift below the lowest branch point
        top = max(int(np.searchsorted(SHIFTS, height, side="right")) - 1, 0)
        _plan_rows(tail, rows, g, top, sigma2_zero, shift, far, longest, deepest)
    used = np.flatnonzero(longest)
    place = np.full(SHIFTS.size, -1)
    place[used] = np.arange(used.size)
    s_max = np.sqrt(2 * (deepest[used] + MARGIN - LOG_TAIL) / sigma2_zero)
    ds = 2 * np.pi / longest[used]
    m = np.where(s_max / ds < MAX_LINE - 2, s_max / ds + 2, 0).astype(np.int64)
    m_max, k_n, c_n = max(m.max(initial=0), 1), node_x.size, pi.size
    re, im = np.zeros((used.size, k_n, m_max)), np.zeros((used.size, k_n, m_max))
    d_re = np.zeros((used.size, 2 * c_n, k_n, m_max))
    d_im = np.zeros((used.size, 2 * c_n, k_n, m_max))
    for u, k_shift in enumerate(SHIFTS[used]):
        shifted_table(
            node_x,
            k_shift,
            ds[u],
            m[u],
            n_ref,
            pi,
            sigma2,
            gradient,
            re[u],
            im[u],
            d_re[u],
            d_im[u],
        )
    block = np.repeat(np.arange(tail.block_row.size - 1), np.diff(tail.block_row))
    return TailPlan(shift, block, far, g, place, m, ds, re, im, d_re, d_im)


def tail_rows(
    lo, hi, tail, rows, plan, node_x, n_ref, pi, sigma2, sigma2_zero, gradient, loglik, jac
):
    """Add LD blocks lo .. hi - 1 of a tail to loglik (L,) and jac (L, P), P as in
    `cosine_blocks`.
    """
    a, b = tail.block_row[lo], tail.block_row[hi]
    if a == b:
        return
    far = far_rows(a + np.flatnonzero(plan.far[a:b]), 2 * pi.size + 1)
    if far.row.size:
        saddle_rows(far, tail, rows, node_x, n_ref, pi, sigma2, sigma2_zero, gradient)
    _lines(a, b, tail, rows, plan, far, sigma2_zero, gradient, loglik, jac)


def evaluate(data, tails, pi, sigma2, sigma2_zero, gradient, threads):
    """Weighted log-likelihood (L,) and Jacobian (L, 2C + 1), on `threads` Python threads (the
    kernels hold no lock).

    The sums of an LD block are made by one thread, so results do not depend on their number.
    Python's threads sleep while they wait, and do not quarrel with samplers' own, as numba's
    threading layers do. Compiled, this would hold a copy of each kernel that it calls.
    """
    chunks, bands, rows, node_x, n_ref = data.chunks, data.bands, data.rows, data.node_x, data.n_ref
    m, ds = plan_bands(bands, node_x[0], n_ref, pi, sigma2, sigma2_zero)
    tables, d_tables = band_tables(m, ds, node_x, n_ref, pi, sigma2)
    n_blocks = chunks.block_chunk.size - 1
    loglik, jac = np.zeros(n_blocks), np.zeros((n_blocks, 2 * pi.size + 1))
    if m.min() < 0:
        return np.full(n_blocks, -np.inf), jac
    tail = tails[which_tail(m, bands)]
    parameters = (node_x, n_ref, pi, sigma2, sigma2_zero, gradient)
    plan = plan_tail(tail, rows, *parameters)

    def part(lo, hi):  # no other thread writes the entries of these blocks
        cosine_blocks(
            lo, hi, chunks, bands, m, ds, tables, d_tables, sigma2_zero, gradient, loglik, jac
        )
        tail_rows(lo, hi, tail, rows, plan, *parameters, loglik, jac)

    share_parts(part, data.parts if threads > 1 else (0, n_blocks), threads)
    return loglik, jac


def share_parts(work: Callable[[int, int], None], edges: Iterable[int], threads: int) -> None:
    """Call work(lo, hi) for every part between `edges`, on the calling thread and threads - 1
    others, each of which takes the next one when it is free.
    """
    queue = deque(pairwise(edges))

    def take() -> None:
        while True:
            try:
                lo, hi = queue.popleft()
            except IndexError:  # all of them are taken
                return
            work(lo, hi)

    with one_blas_thread():
        others = [_pool(threads).submit(take) for _ in range(threads - 1)]
        try:
            take()
        finally:
            queue.clear()
            for other in others:
                other.result()


@cache
def _pool(threads):
    """The threads of `share_parts`, started once."""
    return ThreadPoolExecutor(threads, thread_name_prefix="bayesmixer")
