"""The compiled loops of `pair_given_z`: sums over the lattice of a chunk of variants, and the
saddle points beyond its reach.

The own factor f of a variant, and what stands over it, are smooth in its strength x. A chunk holds
variants of nearly one x, at whose two ends they are tabulated; between them the sums are
interpolated.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from bayesmixer.ops.elementary import FAST
from bayesmixer.ops.frequencies import log_total
from bayesmixer.ops.pair_kernel import _exp, _phases
from bayesmixer.ops.pair_saddle import saddle_point
from bayesmixer.ops.pair_tables import form


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def own_table(x, s, pi, gamma, sets, out):
    """Fill out (M, Q + 2): over the own factor, sum over the components of each set of pi_c exp(-x
    q_c), then sum_c pi_c exp(-x q_c) (gamma_c s) of either trait.
    """
    q_n = sets.shape[0]
    rest = max(1.0 - pi.sum(), 0.0)
    q = np.empty(pi.size)
    for j in range(s.shape[0]):
        form(gamma, s[j, 0], s[j, 1], q)
        total = rest
        out[j] = 0.0
        for c in range(pi.size):
            e = pi[c] * math.exp(max(-x * q[c], -700.0))
            total += e
            for k in range(q_n):
                if sets[k, c]:
                    out[j, k] += e
            out[j, q_n] += e * (gamma[c, 0] * s[j, 0] + gamma[c, 2] * s[j, 1])
            out[j, q_n + 1] += e * (gamma[c, 2] * s[j, 0] + gamma[c, 1] * s[j, 1])
        for k in range(q_n + 2):
            out[j, k] /= total


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def cosine_chunks(
    lo, hi, edge, label, ends, order, rows, whole, close, count, own, a, lattice, table, less,
    log_none, pi, gamma, sets, sigma_0, constants, out
):  # fmt: skip
    """Add what chunks lo .. hi - 1 of `order` say to `out` (4 + 2Q, J): signal and own part of both
    traits, the sets' probabilities of the variant and of the close ones.

    Chunk c is of class `label[c]`, its own strengths lie between `ends[c]`. `whole` (J, r) and
    `close` (J, r) are spectra in a basis, `table` (F, r + 3) the exponents of it and of the errors;
    `less` (Q, F, r) is what `close` gains where its partners are of none of a set's components (r =
    0: there is nothing to say of them), `log_none` (Q,) log P(that). The type of `table` is that of
    the computation.
    """
    kind, half = table.dtype, table.dtype.type(0.5)
    q_n, k_n, close_n = sets.shape[0], whole.shape[1], less.shape[2]
    m_max, most = 0, 0
    for i in range(lattice.start.size - 1):
        m_max = max(m_max, lattice.start[i + 1] - lattice.start[i])
    for c in range(lo, hi):
        most = max(most, edge[c + 1] - edge[c])
    room = 0
    for c in range(lo, hi):
        i = label[c]
        m = lattice.start[i + 1] - lattice.start[i]
        room = max(room, m * (edge[c + 1] - edge[c]))
    log_phi, work = np.empty(room, kind), np.empty(room, kind)
    even, odd = np.empty(room, kind), np.empty(room, kind)
    held = np.empty((k_n + 3) * most, kind)
    phase = lattice.most.max() + 1
    c1, s1 = np.empty((phase, most), kind), np.empty((phase, most), kind)
    c2, s2 = np.empty((phase, most), kind), np.empty((phase, most), kind)
    u1, u2, turns = np.empty(most), np.empty(most), np.empty((4, most))
    more, left = np.empty(most, kind), np.empty(most, kind)
    over = np.empty((2, m_max, q_n + 2))
    # rows of the sums: of cosines, one and the sets at both ends; of sines, s and own at both ends
    of_even, of_odd = np.empty((1 + 2 * q_n, m_max), kind), np.empty((6, m_max), kind)
    before = -1
    for chunk in range(lo, hi):
        i = label[chunk]
        first, m = lattice.start[i], lattice.start[i + 1] - lattice.start[i]
        m1, m2 = lattice.most[i, 0], lattice.most[i, 1]
        at, n = edge[chunk], edge[chunk + 1] - edge[chunk]
        low, high = ends[chunk, 0], ends[chunk, 1]
        if before < 0 or i != label[before] or low != ends[before, 0]:
            own_table(low, lattice.s[first : first + m], pi, gamma, sets, over[0])
            own_table(high, lattice.s[first : first + m], pi, gamma, sets, over[1])
            for j in range(m):
                of_even[0, j] = 1.0
                of_odd[0, j], of_odd[1, j] = lattice.s[first + j, 0], lattice.s[first + j, 1]
                for end in range(2):
                    for k in range(q_n):
                        of_even[1 + end * q_n + k, j] = over[end, j, k]
                    for k in range(2):
                        of_odd[2 + 2 * end + k, j] = over[end, j, q_n + k]
        before = chunk
        h = held[: (k_n + 3) * n].reshape(k_n + 3, n)
        for v in range(n):
            r = order[at + v]
            for k in range(k_n):
                h[k, v] = whole[r, k]
            for k in range(3):
                h[k_n + k, v] = rows.error[r, k]
            u1[v] = a[0, 0] * rows.z[r, 0] + a[1, 0] * rows.z[r, 1]
            u2[v] = a[0, 1] * rows.z[r, 0] + a[1, 1] * rows.z[r, 1]
        _phases(u1[:n], lattice.step[i, 0], c1, s1, m1, turns)
        _phases(u2[:n], lattice.step[i, 1], c2, s2, m2, turns)
        size = m * n
        flat, phase_log = work[:size], log_phi[:size]
        e, phi = phase_log.reshape(m, n), flat.reshape(m, n)
        np.dot(table[first : first + m], h, e)
        for j in range(size):
            flat[j] = phase_log[j]
        _exp(flat, 0, size, constants)
        cosine, sine = even[:size].reshape(m, n), odd[:size].reshape(m, n)
        for j in range(m):
            ca, sa = c1[lattice.a[first + j]], s1[lattice.a[first + j]]
            ib = lattice.b[first + j]
            cb, sb, sign = c2[abs(ib)], s2[abs(ib)], half + half if ib >= 0 else -half - half
            cj, sj, pj = cosine[j], sine[j], phi[j]
            for v in range(n):
                sine_b = sign * sb[v]
                t = ca[v] * cb[v] - sa[v] * sine_b
                sj[v] = (sa[v] * cb[v] + ca[v] * sine_b) * pj[v]
                cj[v] = t
                pj[v] *= t
            if j == 0:  # frequency 0 stands for itself alone
                for v in range(n):
                    cj[v] *= half
                    pj[v] *= half
        total = np.dot(np.ascontiguousarray(of_even[:, :m]), phi)
        slope = np.dot(np.ascontiguousarray(of_odd[:, :m]), sine)
        for v in range(n):
            r = order[at + v]
            t = (own[r] - low) / (high - low)
            p = 1.0 / max(np.float64(total[0, v]), 1e-300)
            u1[v] = p
            e1 = sigma_0[0] * rows.error[r, 0]
            e2 = sigma_0[1] * rows.error[r, 1]
            e12 = sigma_0[2] * rows.error[r, 2]
            out[0, r] += rows.z[r, 0] - (e1 * slope[0, v] + e12 * slope[1, v]) * p
            out[1, r] += rows.z[r, 1] - (e12 * slope[0, v] + e2 * slope[1, v]) * p
            for k in range(2):
                out[2 + k, r] += own[r] * p * ((1 - t) * slope[2 + k, v] + t * slope[4 + k, v])
            for k in range(q_n):
                mean = (1 - t) * total[1 + k, v] + t * total[1 + q_n + k, v]
                out[4 + k, r] += mean * p
        if close_n == 0:
            continue
        s = held[: close_n * n].reshape(close_n, n)
        for v in range(n):
            for k in range(close_n):
                s[k, v] = close[order[at + v], k]
        for k in range(q_n):
            np.dot(less[k, first : first + m], s, phi)
            for v in range(n):
                more[v], left[v] = log_none[k] * count[order[at + v]], 0.0
            for j in range(m):
                pj, ej = phi[j], e[j]
                for v in range(n):
                    pj[v] += ej[v] + more[v]
            _exp(flat, 0, size, constants)
            for j in range(m):
                pj, cj = phi[j], cosine[j]
                for v in range(n):
                    left[v] += pj[v] * cj[v]
            for v in range(n):
                out[4 + q_n + k, order[at + v]] += 1.0 - left[v] * u1[v]


@nb.njit(nogil=True, cache=True)
def saddle_rows(
    lo, hi, far, rows, node_x, close, count, own, log_none, pi, gamma, sets, sigma_0, out
):
    """As `cosine_chunks`, of the rows `far`: ratios of the integrands at the saddle point."""
    q_n, k_n, c_n = sets.shape[0], node_x.size, pi.size
    wide, error, slope = np.empty(k_n), np.empty(3), np.empty(2)
    q, weight, left = np.empty(c_n), np.empty(c_n), np.empty(c_n)
    rest = max(1.0 - pi.sum(), 0.0)
    for i in range(lo, hi):
        r = far[i]
        wide[:] = rows.spectrum[r]
        error[:] = sigma_0 * rows.error[r]
        _, k1, k2, _ = saddle_point(rows.z[r, 0], rows.z[r, 1], wide, node_x, error, pi, gamma)
        form(gamma, k1, k2, q)
        top = 0.0
        for c in range(c_n):
            top = max(top, own[r] * q[c])
        total = rest * math.exp(-top)
        for c in range(c_n):
            weight[c] = pi[c] * math.exp(own[r] * q[c] - top)
            total += weight[c]
        # of log p itself, not of its leading term -k
        z1, z2 = rows.z[r, 0], rows.z[r, 1]
        for t in range(2):
            step = 1e-3 * math.sqrt(error[t])
            slope[t] = 0.0
            for sign in (-1.0, 1.0):
                slope[t] += sign * (
                    saddle_point(
                        z1 + sign * step * (1 - t), z2 + sign * step * t, wide, node_x, error, pi,
                        gamma,
                    )[0]
                ) / (2 * step)  # fmt: skip
        out[0, r] += z1 + error[0] * slope[0] + error[2] * slope[1]
        out[1, r] += z2 + error[2] * slope[0] + error[1] * slope[1]
        for c in range(c_n):
            share = weight[c] / total
            out[2, r] += own[r] * share * (gamma[c, 0] * k1 + gamma[c, 2] * k2)
            out[3, r] += own[r] * share * (gamma[c, 2] * k1 + gamma[c, 1] * k2)
            for k in range(q_n):
                if sets[k, c]:
                    out[4 + k, r] += share
        if close.shape[1] != k_n:
            continue
        for k in range(q_n):
            none, kept = log_none[k] * count[r], 0.0
            for c in range(c_n):
                left[c] = 0.0 if sets[k, c] else pi[c] / math.exp(max(log_none[k], -600.0))
                kept += left[c]
            for node in range(k_n):
                x = node_x[node]
                if x == 0.0:
                    none += close[r, node] * ((left - pi) * q).sum()
                    continue
                gain = log_total(x, 1.0, left, q, max(1.0 - kept, 0.0))
                none += close[r, node] * (gain - log_total(x, 1.0, pi, q, rest)) / x
            out[4 + q_n + k, r] += 1.0 - math.exp(min(none, 0.0))
