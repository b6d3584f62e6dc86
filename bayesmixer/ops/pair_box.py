"""Right-censoring of two traits (Frei et al. 2019, eq. 7): the probability that either |z| exceeds
its point, one less that of the box between the points,

    P(box) = (1 / 4 pi^2) int phi(s) (2 sin(c_1 s_1) / s_1) (2 sin(c_2 s_2) / s_2) ds.

The lattice's sum is right to 1e-13. Where what is left of one is less than `LEAST`, the two traits'
own probabilities of exceeding are added instead: at most twice what it is.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np

from bayesmixer.ops import kernel
from bayesmixer.ops.elementary import FAST
from bayesmixer.ops.layout import Array, LikelihoodData
from bayesmixer.ops.pair_far import LOG_ERROR, MARGIN, needs
from bayesmixer.ops.pair_lattice import MAX_FREQUENCIES, classes, frame, frequencies, lattices
from bayesmixer.ops.pair_tables import pair_table

DIGITS = math.log(1e-13)
LEAST = 1e-9
CLASSES = 3


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def box_rows(members, rows, s, g, share, less, weight, pi, sigma_0, p, slope):
    """Fill p (R,), the probability of exceeding, and slope (R, 4C + 3), its derivatives in pi,
    gamma and the error covariance, for the rows `members`, whose z are the points.
    """
    m, k_n, c_n = s.shape[0], g.shape[1], pi.size
    y, wide = np.empty(m), np.empty(k_n)
    for r in members:
        wide[:] = rows.spectrum[r]
        e1, e2, e12 = sigma_0 * rows.error[r]
        z1, z2 = rows.z[r, 0], rows.z[r, 1]
        inside = 0.0
        for f in range(m):
            s1, s2 = s[f, 0], s[f, 1]
            t = -0.5 * (e1 * s1 * s1 + e2 * s2 * s2) - e12 * s1 * s2
            for k in range(k_n):
                t += wide[k] * g[f, k]
            a = math.sin(z1 * s1) / s1 if abs(s1) > 1e-9 else z1
            b = math.sin(z2 * s2) / s2 if abs(s2) > 1e-9 else z2
            y[f] = math.exp(max(t, -700.0)) * 4.0 * a * b * weight * (0.5 if f == 0 else 1.0)
            inside += y[f]
        p[r] = 1.0 - inside
        if not share.size:
            continue
        for c in range(c_n):
            for f in range(m):
                t, u = 0.0, 0.0
                for k in range(k_n):
                    t += wide[k] * less[c, k, f]
                    u += wide[k] * share[c, k, f]
                slope[r, c] -= t * y[f]
                u *= pi[c] * y[f]
                slope[r, c_n + 3 * c] += 0.5 * u * s[f, 0] ** 2
                slope[r, c_n + 3 * c + 1] += 0.5 * u * s[f, 1] ** 2
                slope[r, c_n + 3 * c + 2] += u * s[f, 0] * s[f, 1]
        for f in range(m):
            slope[r, 4 * c_n] += 0.5 * y[f] * s[f, 0] ** 2 * rows.error[r, 0]
            slope[r, 4 * c_n + 1] += 0.5 * y[f] * s[f, 1] ** 2 * rows.error[r, 1]
            slope[r, 4 * c_n + 2] += y[f] * s[f, 0] * s[f, 1] * rows.error[r, 2]


def exceeding(
    rows: Any, node_x: Array, pi: Array, gamma: Array, sigma_0: Array, gradient: bool
) -> tuple[Array, Array]:
    """Log probability that either |z| exceeds its point, which is `rows.z` (R, 2), (R,), and its
    derivatives (R, 4C + 3) in pi, gamma and the error covariance.
    """
    r_n, c_n, k_n = rows.weight.size, pi.size, node_x.size
    view = frame(
        node_x, rows.spectrum.mean(0, dtype=float), pi, gamma, (rows.error * sigma_0).mean(0)
    )
    log_p = np.full(r_n, DIGITS - LOG_ERROR + MARGIN)
    zero = np.zeros(2)
    need = np.max(
        [
            needs(
                rows._replace(z=rows.z * [1, sign]),
                np.arange(r_n),
                np.ones(r_n),
                log_p,
                zero,
                node_x,
                view,
                sigma_0,
                pi,
                gamma,
            )
            for sign in (1.0, -1.0)
        ],
        axis=0,
    )
    p, slope = np.empty(r_n), np.zeros((r_n, 4 * c_n + 3))
    label, wanted = classes(np.asarray(need, float), view.across, CLASSES)
    for i, one in enumerate(wanted):
        if frequencies(one, view.across) > MAX_FREQUENCIES:
            return np.full(r_n, -np.inf), slope
        lattice = lattices(one[None], view)
        g = np.empty((len(lattice.s), k_n))
        shape = (c_n, k_n, len(lattice.s)) if gradient else (0, 0, 0)
        share, less = np.empty(shape), np.empty(shape)
        pair_table(node_x, lattice.s, pi, gamma, g, share, less)
        members = np.flatnonzero(label == i)
        box_rows(members, rows, lattice.s, g, share, less, lattice.weight[0], pi, sigma_0, p, slope)
    few = np.flatnonzero(~(p > LEAST))
    p[few] = 1.0
    value, slope = np.log(p), slope / p[:, None]
    if few.size:
        value[few], slope[few] = _either(few, rows, node_x, pi, gamma, sigma_0, gradient)
    return value, slope


def _either(
    few: Any, rows: Any, node_x: Array, pi: Array, gamma: Array, sigma_0: Array, gradient: bool
) -> tuple[Array, Array]:
    """log(P(|z_1| > c_1) + P(|z_2| > c_2)) of the rows `few`, and its derivatives."""
    c_n, evaluate = pi.size, kernel.evaluate
    values, slopes = [], []
    for t in (0, 1):
        root = np.sqrt(rows.error[few, t])
        point = rows.z[few, t] / root
        each = []
        for c in np.unique(point):  # one point for all, but for rounding
            here = np.flatnonzero(point == c)
            one = LikelihoodData(
                np.full(here.size, 2 * c),
                1 / rows.error[few[here], t],
                np.ones(here.size),
                rows.spectrum[few[here]],
                node_x,
                np.arange(here.size),
                float(c),
            )
            found = evaluate(  # type: ignore[no-untyped-call]
                one.packed,
                one.tails,
                pi,
                np.ascontiguousarray(gamma[:, t]),
                float(sigma_0[t]),
                gradient,
                1,
            )
            each.append((here, *found))
        value, slope = np.empty(few.size), np.zeros((few.size, 4 * c_n + 3))
        for here, loglik, jac in each:
            value[here] = loglik
            if gradient:
                slope[here, :c_n] = jac[:, :c_n]
                slope[here[:, None], np.arange(c_n + t, 4 * c_n, 3)] = jac[:, c_n : 2 * c_n]
                slope[here, 4 * c_n + t] = jac[:, 2 * c_n]
        values.append(value)
        slopes.append(slope)
    total = np.logaddexp(*values)
    share = [np.exp(v - total)[:, None] for v in values]
    return total, share[0] * slopes[0] + share[1] * slopes[1]
