"""The compiled loops of `given_z`: sums over the frequencies of a chunk of variants, and over the
shifted line of a single one.

Both write the columns of `given_z.Given`, z~ = |z| / sqrt(nu) in place of z.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from bayesmixer.ops.elementary import FAST, exp_cos_sin, exponential
from bayesmixer.ops.frequencies import SHIFTS
from bayesmixer.ops.layout import CHUNK
from bayesmixer.ops.saddle import blend, saddle_density


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def line_rows(
    lo, hi, row, shift, place, m, ds, re, im, rows, close, own, count, n_ref, pi, sigma2,
    sigma2_zero, out
):  # fmt: skip
    """Columns lo .. hi - 1 of `out` (6, rows) by the shifted line of each row."""
    k_n, size = re.shape[1], max(m.max(), 1)
    er, ei, cr, ci = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    e, c, s = np.empty(size), np.empty(size), np.empty(size)
    a, b = np.empty(size), np.empty(size)
    pr, pim, vr, vi = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    rest = max(1.0 - pi.sum(), 0.0)
    log_rest = math.log(max(rest, 1e-300))
    for i in range(lo, hi):
        r, u, k = row[i], place[shift[i]], SHIFTS[shift[i]]
        n, step = m[u], ds[u]
        z, error, x = rows.zt[r], sigma2_zero * rows.inv_nu[r], own[r]
        for f in range(n):
            t = f * step
            er[f], ei[f] = -0.5 * error * (t * t - k * k), error * t * k - t * z
        for node in range(k_n):
            v = rows.spectrum[r, node]
            for f in range(n):
                er[f] += v * re[u, node, f]
                ei[f] += v * im[u, node, f]
        peak = er[0]
        for f in range(n):
            er[f] -= peak
        exp_cos_sin(er, ei, e, c, s, n)
        for f in range(n):
            a[f], b[f] = e[f] * c[f], e[f] * s[f]
            pr[f], pim[f], vr[f], vi[f] = 0.0, 0.0, 0.0, 0.0
        a[0], b[0] = 0.5 * a[0], 0.5 * b[0]
        # the variant's own factor, over exp(top) lest it overflow: s^2 / 2 = half - i turn
        top = max(0.5 * n_ref * k * k * x * sigma2.max(), 0.0)
        for j in range(pi.size):
            for f in range(n):
                t = f * step
                cr[f] = -0.5 * n_ref * sigma2[j] * x * (t * t - k * k) - top
                ci[f] = n_ref * sigma2[j] * x * t * k
            exp_cos_sin(cr, ci, e, c, s, n)
            v = n_ref * x * sigma2[j]
            for f in range(n):
                pr[f] += pi[j] * e[f] * c[f]
                pim[f] += pi[j] * e[f] * s[f]
                vr[f] += v * pi[j] * e[f] * c[f]
                vi[f] += v * pi[j] * e[f] * s[f]
        none = rest * math.exp(-top)
        p, slope, beyond, causal, own_part, causal_beyond = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for f in range(n):
            t = f * step
            away = k * k + t * t
            qr, qi = none + pr[f], pim[f]
            square = 1.0 / (qr * qr + qi * qi)
            # w = (a + i b) / own factor
            wr, wi = (a[f] * qr + b[f] * qi) * square, (b[f] * qr - a[f] * qi) * square
            hr, hi_m = wr * pr[f] - wi * pim[f], wr * pim[f] + wi * pr[f]
            gr, gi = wr * vr[f] - wi * vi[f], wr * vi[f] + wi * vr[f]
            p += a[f]
            slope += -k * a[f] + t * b[f]
            beyond += (k * a[f] + t * b[f]) / away
            causal += hr
            causal_beyond += (k * hr + t * hi_m) / away
            own_part += k * gr - t * gi
        left, left_beyond = p, beyond
        if close.shape[1] == k_n:
            left, left_beyond = 0.0, 0.0
            for node in range(k_n):
                v = close[r, node]
                for f in range(n):
                    er[f] -= v * re[u, node, f]
                    ei[f] -= v * im[u, node, f]
            for f in range(n):
                er[f] += count[r] * log_rest
            exp_cos_sin(er, ei, e, c, s, n)
            e[0] *= 0.5
            for f in range(n):
                t = f * step
                left += e[f] * c[f]
                left_beyond += e[f] * (k * c[f] + t * s[f]) / (k * k + t * t)
        p, beyond = max(p, 1e-300), max(beyond, 1e-300)
        out[0, i], out[1, i] = z + error * slope / p, own_part / p
        out[2, i], out[3, i] = causal / p, 1.0 - left / p
        out[4, i], out[5, i] = causal_beyond / beyond, 1.0 - left_beyond / beyond


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def cosine_chunks(
    lo, hi, chunks, close, own, count, m, ds, tables, n_ref, pi, sigma2, sigma2_zero, out
):
    """Add what chunks lo .. hi - 1 say to the columns of `out` (6, padded variants)."""
    k_n, m_max = tables.shape[2], max(m.max(), 1)
    with_close = close.size == k_n * own.size
    rest = max(1.0 - pi.sum(), 0.0)
    log_rest = math.log(max(rest, 1e-300))
    e_work, f_work = np.empty(m_max * CHUNK), np.empty(m_max * CHUNK)
    own_work, some_work = np.empty(m_max * CHUNK), np.empty(m_max * CHUNK)
    wide = np.empty(k_n * CHUNK)
    c, s, cos_step, sin_step = np.empty((4, CHUNK))
    total = np.empty((8, CHUNK))
    for chunk in range(lo, hi):
        band = chunks.band[chunk]
        mb, step = m[band], ds[band]
        if mb == 0:
            continue
        start, n = chunks.start[chunk], chunks.start[chunk + 1] - chunks.start[chunk]
        z, inv_nu = chunks.z[start : start + n], chunks.inv_nu[start : start + n]
        x, number = own[start : start + n], count[start : start + n]
        packed = chunks.spectra[k_n * start : k_n * (start + n)]
        for i in range(k_n * n):
            wide[i] = packed[i]
        size = mb * n
        e, some = e_work[:size].reshape(mb, n), some_work[:size].reshape(mb, n)
        f, own_part = f_work[:size].reshape(mb, n), own_work[:size].reshape(mb, n)
        np.dot(tables[band, :mb], wide[: k_n * n].reshape(k_n, n), e)
        for a in range(mb):
            damp = 0.5 * sigma2_zero * (a * step) ** 2
            for i in range(n):
                e[a, i] -= damp * inv_nu[i]
        # f, and the part of it that is of causal effects, times N_ref sigma2_beta_c
        f[:], own_part[:] = rest, 0.0
        for k in range(pi.size):
            v = n_ref * sigma2[k]
            for a in range(mb):
                q = 0.5 * n_ref * sigma2[k] * (a * step) ** 2
                for i in range(n):
                    left = exponential(-q * x[i])
                    f[a, i] += pi[k] * left
                    own_part[a, i] += pi[k] * v * left
        if with_close:  # log of phi without close partners
            packed = close[k_n * start : k_n * (start + n)]
            for i in range(k_n * n):
                wide[i] = packed[i]
            np.dot(tables[band, :mb], wide[: k_n * n].reshape(k_n, n), some)
            for a in range(mb):
                for i in range(n):
                    some[a, i] = exponential(e[a, i] - some[a, i] + number[i] * log_rest)
        total[:] = 0.0
        for i in range(n):
            cos_step[i], sin_step[i] = math.cos(step * z[i]), math.sin(step * z[i])
            c[i], s[i] = 1.0, 0.0
        for a in range(mb):
            freq, half = a * step, 0.5 if a == 0 else 1.0
            over = 1.0 / freq if a > 0 else 0.0
            for i in range(n):
                phi = half * exponential(e[a, i])
                rest_of = phi / f[a, i]
                slope, within = freq * s[i], z[i] if a == 0 else s[i] * over
                total[0, i] += phi * c[i]
                total[1, i] += phi * slope
                total[2, i] += phi * within
                total[3, i] += rest_of * c[i]
                total[4, i] += rest_of * own_part[a, i] * slope
                total[5, i] += rest_of * within
                if with_close:
                    total[6, i] += half * some[a, i] * c[i]
                    total[7, i] += half * some[a, i] * within
                following = c[i] * cos_step[i] - s[i] * sin_step[i]
                s[i] = s[i] * cos_step[i] + c[i] * sin_step[i]
                c[i] = following
        circle = math.pi / (2.0 * step)
        for i in range(n):
            p = max(total[0, i], 1e-300)
            none = math.exp(number[i] * log_rest)
            beyond = max(circle - total[2, i], 1e-300)
            out[0, start + i] += z[i] - sigma2_zero * inv_nu[i] * total[1, i] / p
            out[1, start + i] += x[i] * total[4, i] / p
            out[2, start + i] += 1.0 - rest * total[3, i] / p
            out[3, start + i] += 1.0 - total[6, i] / p
            out[4, start + i] += 1.0 - rest * (circle - total[5, i]) / beyond
            out[5, start + i] += 1.0 - (none * circle - total[7, i]) / beyond


@nb.njit(cache=True)
def saddle_rows(
    row,
    k,
    rows,
    node_x,
    own_spectrum,
    close,
    own,
    count,
    n_ref,
    pi,
    sigma2,
    sigma2_zero,
    share,
    out,
):
    """Columns of `out` (6, rows) by the saddle-point densities with and without the variant itself
    or its close partners, where their `share` is positive; it is that of the likelihood where it is
    0 before. The own part is that of the integrand at the saddle points `k` of z~, in the
    proportion of the variant's probability.
    """
    log_rest = math.log(max(1.0 - pi.sum(), 1e-300))
    log_p = np.empty((2, 3))  # of z, and of a tail; of all, without itself, without the close
    for i in range(row.size):
        r = row[i]
        z, inv_nu, whole = rows.zt[r], rows.inv_nu[r], rows.spectrum[r].astype(np.float64)
        log_p[0, 0], place = saddle_density(
            z, inv_nu, False, whole, node_x, n_ref, pi, sigma2, sigma2_zero
        )
        share[i] = max(share[i], blend(place)[0])
        if share[i] == 0.0:
            continue
        step, slope = 1e-3 * z, 0.0
        for sign in (-1.0, 1.0):
            slope += (
                sign
                * saddle_density(
                    z + sign * step, inv_nu, False, whole, node_x, n_ref, pi, sigma2, sigma2_zero
                )[0]
            )
        out[0, i] = z + sigma2_zero * inv_nu * slope / (2 * step)
        for tail in range(2):
            for j in range(3):
                left = whole
                if j > 0:
                    left = whole - (own_spectrum[i] if j == 1 else close[i])
                log_p[tail, j] = saddle_density(
                    z, inv_nu, tail == 1, left, node_x, n_ref, pi, sigma2, sigma2_zero
                )[0]
                if j > 0:
                    number = 1.0 if j == 1 else count[r]
                    none = number * log_rest + log_p[tail, j] - log_p[tail, 0]
                    out[1 + j + 2 * tail, i] = 1.0 - math.exp(min(none, 0.0))
        half = 0.5 * n_ref * own[r] * k[i] * k[i]
        causal, part = 0.0, 0.0
        for c in range(pi.size):
            e = pi[c] * math.exp(half * (sigma2[c] - sigma2.max()))
            causal += e
            part += n_ref * own[r] * sigma2[c] * k[i] * e
        out[1, i] = part / max(causal, 1e-300) * out[2, i]
