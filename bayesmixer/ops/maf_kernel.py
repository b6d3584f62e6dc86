"""The compiled likelihood with S as a parameter: the kernel of fixed S (ops/kernel.py) on spectra
interpolated in S, and its derivative in S.

The spectrum at S is the Lagrange polynomial through those of the exponents held, S_jk(S) = sum_s
L_s(S) S'_jks (ld/exponents.py), its derivative that of the weights. For the bulk spectra have twice
as many columns, [S_jk, dS_jk/dS] with tables [g, 0]: the derivative in S is then the contraction of
the same small matrix with [0, g], exact and for one more matrix product. In the tails, where few
variants are, it is a central difference along dS_jk/dS on the same line of integration.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from bayesmixer.ld.exponents import H_REF, lagrange
from bayesmixer.ops.elementary import FAST
from bayesmixer.ops.frequencies import plan_bands, which_tail
from bayesmixer.ops.kernel import band_tables, cosine_blocks, plan_tail, share_parts, tail_rows
from bayesmixer.ops.layout import Chunks, Rows, Tail

_LOG_REF = float(np.log(H_REF))
_STEP = 3e-4  # of S, in the tails


def _bulk_plan(data, s, pi, sigma2, sigma2_zero, gradient):
    """Bands with their LD scores at S; frequencies; tables [g, 0] and, of every parameter and S,
    [dg, 0], [0, g].
    """
    one = data.one
    n_bands, k, p = data.log_ld_max.shape[1], one.node_x.size, 2 * pi.size
    held = np.sort(data.held)
    # an LD score is log-convex in S, so that its chord is a bound
    top = np.exp([np.interp(s, held, line) for line in data.log_ld_max.T])
    bands = one.bands._replace(ld_max=top)
    # the strongest partner there can be, H = 1/2 and r^2 = 1
    strongest = min(0.5 ** (1 + s) * H_REF ** (held[0] - s), one.node_x[0])
    m, ds = plan_bands(bands, strongest, one.n_ref, pi, sigma2, sigma2_zero)
    g, dg = band_tables(m, ds, one.node_x, one.n_ref, pi, sigma2)
    if not gradient:
        return bands, m, ds, g, dg
    tables = np.zeros((n_bands, g.shape[1], 2 * k))
    d_tables = np.zeros((n_bands, p + 1, g.shape[1], 2 * k))
    tables[:, :, :k] = g
    d_tables[:, :p, :, :k] = dg
    d_tables[:, p, :, k:] = g
    return bands, m, ds, tables, d_tables


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def _spectra_at(first, last, data, weight, slope, gradient):
    """Spectra of chunks first .. last - 1 at S, and dS_jk/dS below them in each chunk where
    `gradient`; in double precision, to be smooth in S.
    """
    start = data.one.chunks.start
    every = data.one.chunks.spectra
    k = data.one.node_x.size
    n_s = data.held.size
    wide = 2 * k if gradient else k
    out = np.zeros(wide * (start[last] - start[first]))
    for c in range(first, last):
        size = k * (start[c + 1] - start[c])
        place = wide * (start[c] - start[first])
        for i in range(n_s):
            packed = every[n_s * k * start[c] + i * size : n_s * k * start[c] + (i + 1) * size]
            w, d = weight[i], slope[i]
            value = out[place : place + size]
            for a in range(size):
                value[a] += w * packed[a]
            if gradient:
                derivative = out[place + size : place + 2 * size]
                for a in range(size):
                    derivative[a] += d * packed[a]
    return out


def _bulk(lo, hi, data, plan, weight, slope, sigma2_zero, gradient, loglik, jac):
    """Cosine sums of LD blocks lo .. hi - 1."""
    bands, m, ds, tables, d_tables = plan
    c = data.one.chunks
    first, last = c.block_chunk[lo], c.block_chunk[hi]
    a, b = c.start[first], c.start[last]
    spectra = _spectra_at(first, last, data, weight, slope, gradient)
    here = Chunks(
        c.z[a:b], c.inv_nu[a:b], c.weight[a:b], spectra, c.start - a, c.band, c.block_chunk
    )
    cosine_blocks(lo, hi, here, bands, m, ds, tables, d_tables, sigma2_zero, gradient, loglik, jac)


def _rows_at(data, tail, weight, slope):
    """Rows of a tail with their spectra at S, dS_jk/dS (J, K), and where they now lie."""
    one, r = data.one.rows, tail.row
    spectrum, derivative = np.zeros((2, r.size, data.one.node_x.size))
    for s, matrix in enumerate(data.matrices):
        moved = data.source[s, data.order[r]].astype(float) @ matrix
        spectrum += weight[s] * moved
        derivative += slope[s] * moved
    rows = Rows(one.zt[r], one.inv_nu[r], one.weight[r], spectrum, one.censored[r])
    return rows, derivative, Tail(np.arange(r.size), tail.block_row)


def _tails(lo, hi, tail, rows, derivative, plan, parameters, gradient, loglik, jac):
    """Shifted lines of LD blocks lo .. hi - 1; the last columns of jac are S and sigma2_zero."""
    p = jac.shape[1] - 2
    part = np.zeros((loglik.size, p + 1))
    tail_rows(lo, hi, tail, rows, plan, *parameters, gradient, loglik, part)
    if not gradient:
        return
    up, down = np.zeros(loglik.size), np.zeros(loglik.size)
    for value, step in ((up, _STEP), (down, -_STEP)):
        moved = rows._replace(spectrum=rows.spectrum + step * derivative)
        tail_rows(lo, hi, tail, moved, plan, *parameters, False, value, part)
    jac[lo:hi, :p] += part[lo:hi, :p]
    jac[lo:hi, p] += (up[lo:hi] - down[lo:hi]) / (2 * _STEP)
    jac[lo:hi, p + 1] += part[lo:hi, p]


def _columns(jac, sigma2_beta, scale):
    """Derivatives (L, 2C + 2) in (pi, sigma2_beta, sigma2_0, S) from those in (pi, the scaled
    sigma2_beta, S, sigma2_0).
    """
    c = sigma2_beta.size
    d_pi, d_sigma2, d_s, d_zero = np.split(jac, [c, 2 * c, 2 * c + 1], axis=1)
    d_sigma2 = d_sigma2 * scale
    return np.hstack([d_pi, d_sigma2, d_zero, d_s + _LOG_REF * d_sigma2 @ sigma2_beta[:, None]])


def evaluate(data, tails, pi, sigma2_beta, sigma2_zero, s, gradient, threads):
    """Weighted log-likelihood (L,) and Jacobian (L, 2C + 2) in (pi, sigma2_beta, sigma2_0, S), on
    `threads` Python threads.

    Each LD block's sums are made by one thread, so results do not depend on their number. Compiled,
    this would hold a copy of each kernel that it calls.
    """
    scale = float(H_REF ** (s - data.held.min()))
    sigma2 = sigma2_beta * scale
    n_blocks = data.one.chunks.block_chunk.size - 1
    loglik, jac = np.zeros(n_blocks), np.zeros((n_blocks, 2 * pi.size + 2))
    weight, slope = lagrange(data.held, s)
    bulk = _bulk_plan(data, s, pi, sigma2, sigma2_zero, gradient)
    if bulk[1].min() < 0:
        return np.full(n_blocks, -np.inf), jac
    rows, derivative, tail = _rows_at(data, tails[which_tail(bulk[1], bulk[0])], weight, slope)
    parameters = (data.one.node_x, data.one.n_ref, pi, sigma2, sigma2_zero)
    plan = plan_tail(tail, rows, *parameters, gradient)

    def part(lo, hi):  # no other thread writes the entries of these blocks
        _bulk(lo, hi, data, bulk, weight, slope, sigma2_zero, gradient, loglik, jac)
        _tails(lo, hi, tail, rows, derivative, plan, parameters, gradient, loglik, jac)

    share_parts(part, data.one.parts, threads)
    return loglik, _columns(jac, sigma2_beta, scale)
