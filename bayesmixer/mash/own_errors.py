"""Log-likelihoods of rows that each have a covariance of errors of their own, all scales of a U at
once, in compiled loops over rows.

U = delta C^2 + F F', C one of few diagonals, F of low rank: with C^-1 V_j C^-1 = Q T Q', T
tridiagonal, V_j + w delta C^2 is C Q (T + w delta) Q' C, so that one tridiagonal form of a row
serves all such U at all scales, a few operations a condition each, and w F F' is a change of low
rank. A U without such a diagonal adds to V_j = L_j L_j' what

    log|I + w H' H|  and  w y' (I + w H' H)^-1 y,   H = L_j^-1 F,   y = H' L_j^-1 b

say, with a tridiagonal form of H' H: no eigenvalues, no vectors. Independent errors are T as they
are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from bayesmixer.mash.diagonal_errors import LOW_RANK, ridge
from bayesmixer.mash.rows import Index, Rows

Array = NDArray[np.float64]
FAST = {"reassoc", "contract", "arcp", "nsz"}

WIDEST = 1e6  # condition of a row's V_j in units of C up to which T tells its smallest errors
FARTHEST = 1e12  # variance of effects over that of errors up to which T tells its smallest part
RANGE = 280.0  # decimal exponents that a product may have
LOG_2PI = float(np.log(2 * np.pi))


class Plan(NamedTuple):
    """Covariances as the loops take them: columns of F over C, side by side (R, columns), of those
    with a diagonal, by rank and diagonal; and of those without (R, columns).
    """

    units: Array  # (diagonal, R)
    ridged: Array  # (R, column)
    group: NDArray[np.int64]  # (group, 4): diagonal, rank, first member, first column
    member: NDArray[np.int64]  # which covariance
    delta: Array  # (member)
    plain: Array  # (column, R)
    single: NDArray[np.int64]  # (covariance without, 3): which, rank, first column


def planned(u: Array, factors: list[Array], typical: Array) -> Plan:
    """A plan for covariances (K, R, R) = F F', in conditions of some typical errors."""
    diagonals: list[Array] = []
    found: dict[tuple[int, int], list[tuple[int, float, Array]]] = {}
    single, plain, at = [], [np.zeros((len(typical), 0))], 0
    for k, (one, f) in enumerate(zip(u, factors, strict=True)):
        delta, low = ridge(one, typical)
        if not delta.any() or low.shape[1] > LOW_RANK:
            single.append((k, f.shape[1], at))
            plain.append(f)
            at += f.shape[1]
            continue
        size = float(np.sqrt(delta.max()))
        c = np.sqrt(delta) / size
        same = [i for i, one in enumerate(diagonals) if np.allclose(one, c, rtol=1e-12, atol=0)]
        if not same:
            diagonals.append(c)
        place = same[0] if same else len(diagonals) - 1
        own = (k, size**2, low / diagonals[place][:, None])
        found.setdefault((place, low.shape[1]), []).append(own)
    group: list[tuple[int, int, int, int]] = []
    member: list[int] = []
    deltas: list[float] = []
    ridged, column = [np.zeros((len(typical), 0))], 0
    for (place, rank), members in sorted(found.items(), key=lambda one: one[0]):
        group.append((place, rank, len(member), column))
        member += [k for k, _, _ in members]
        deltas += [delta for _, delta, _ in members]
        # first columns of all, then their second ones
        ridged += [f[:, a : a + 1] for a in range(rank) for _, _, f in members]
        column += rank * len(members)
    ends = [(-1, 0, len(member), column)]
    return Plan(
        np.array(diagonals).reshape(-1, len(typical)),
        np.ascontiguousarray(np.hstack(ridged)),
        np.array(group + ends, dtype=np.int64),
        np.array(member, dtype=np.int64),
        np.array(deltas, dtype=np.float64),
        np.ascontiguousarray(np.hstack(plain).T),
        np.array(single, dtype=np.int64).reshape(-1, 3),
    )


def log_likelihoods(rows: Rows, plan: Plan, w: Array, index: Index, out: Array) -> Index:
    """Write log-likelihoods of some rows, of no effect (1, row) and of every scale and covariance
    (scale x covariance, row) below it; positions of rows that are too ill-conditioned for it.
    """
    v = np.eye(1)[None] if rows.v is None else rows.v if rows.v.ndim == 3 else rows.v[None]
    bad = np.zeros(len(index), dtype=np.bool_)
    root = np.zeros((0, 0))
    if rows.v is not None and rows.v.ndim == 2:
        root = np.ascontiguousarray(np.linalg.inv(np.linalg.cholesky(rows.v)).T)
    _rows(rows.b, rows.s, rows.seen, v, root, rows.v is None, index, plan, w, out, bad)
    return np.flatnonzero(bad)


@nb.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _rows(
    b: Any, s: Any, seen: Any, v: Any, root: Any, diagonal: Any, index: Any, plan: Any, w: Any,
    out: Any, bad: Any,
) -> None:  # fmt: skip
    r, scales = b.shape[1], len(w)
    covariances = (len(out) - 1) // scales
    c, inverse, a = np.empty(r), np.zeros((r, r)), np.empty((r, r))
    d, e = np.empty(r), np.zeros(r)
    own = np.empty((r, plan.ridged.shape[1] + 1))
    at = np.empty(r, dtype=np.int64)
    gain = np.empty((covariances, scales))
    for n in range(len(index)):
        j = index[n]
        o = _positions(seen[j], at)
        vj = v[min(j, len(v) - 1)]
        if diagonal:
            log_det = 0.0
            for i in range(o):
                c[i] = b[j, at[i]] / s[j, at[i]]
                log_det += 2 * np.log(s[j, at[i]])
        else:
            if o == len(root):
                log_det = 0.0
                for i in range(o):
                    log_det += 2 * np.log(s[j, i] / root[i, i])
                    x = 1 / s[j, i]
                    for k in range(i, o):
                        inverse[i, k] = root[i, k] * x
            else:
                for i in range(o):
                    for k in range(i, o):
                        a[i, k] = vj[at[i], at[k]] * s[j, at[i]] * s[j, at[k]]
                log_det = _inverse_root(a, inverse, o)
            if not np.isfinite(log_det):
                bad[n] = True
                continue
            c[:o] = 0
            for i in range(o):  # L^-1 is stored by columns
                x = b[j, at[i]]
                for k in range(i, o):
                    c[k] += inverse[i, k] * x
        squares = 0.0
        for i in range(o):
            squares += c[i] * c[i]
        null = -0.5 * (o * LOG_2PI + log_det + squares)
        fine = _plain(plan, s[j], diagonal, inverse, at, o, c, w, gain)
        for place in range(len(plan.units)):
            unit = plan.units[place]
            largest, least, in_units = 0.0, 0.0, log_det
            for i in range(o):
                q = at[i]
                in_units -= 2 * np.log(unit[q])
                x = 1 / unit[q]
                own[i, -1] = b[j, q] * x
                own[i, :-1] = plan.ridged[q]
                if diagonal:
                    d[i] = (s[j, q] * x) ** 2
                    continue
                size = 0.0
                for k in range(i, o):
                    a[i, k] = vj[q, at[k]] * s[j, q] * s[j, at[k]] * x / unit[at[k]]
                    size += inverse[i, k] ** 2
                largest = max(largest, a[i, i])
                least = max(least, size / x**2)
            if largest * least > WIDEST:
                fine = False
                break
            if not diagonal:
                _tridiagonal(a, own, d, e, o)
            for g in range(len(plan.group) - 1):
                if plan.group[g, 0] == place:
                    _ridged(plan, g, own, d, e, o, w, in_units, squares, gain)
        if not fine:
            bad[n] = True
            continue
        out[0, n] = null
        for scale in range(scales):
            for k in range(covariances):
                out[1 + scale * covariances + k, n] = null + gain[k, scale]


@nb.njit(cache=True, nogil=True)
def _positions(seen: Any, at: Any) -> Any:
    """Where cells are seen, and how many."""
    n = 0
    for i in range(len(seen)):
        if seen[i]:
            at[n] = i
            n += 1
    return n


@nb.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _inverse_root(a: Any, inverse: Any, o: Any) -> Any:
    """Columns of L^-1 as rows, of A = L L' given above its diagonal, which is overwritten; and the
    log-determinant of A.
    """
    log_det = 0.0
    for i in range(o):  # rows of L' in place
        if not a[i, i] > 0:
            return np.nan
        log_det += np.log(a[i, i])
        x = 1 / np.sqrt(a[i, i])
        for k in range(i, o):
            a[i, k] *= x
        for m in range(i + 1, o):
            x, row, above = a[i, m], a[m, m:o], a[i, m:o]
            for k in range(len(row)):
                row[k] -= x * above[k]
    for i in range(o):
        inverse[i, :o] = 0
        inverse[i, i] = 1
        for m in range(i, o):
            inverse[i, m] /= a[m, m]
            x, row, below = inverse[i, m], inverse[i, m + 1 : o], a[m, m + 1 : o]
            for k in range(len(row)):
                row[k] -= below[k] * x
    return log_det


@nb.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _tridiagonal(a: Any, y: Any, d: Any, e: Any, n: Any) -> None:
    """Diagonals d and e of T = Q' A Q, of A given above its diagonal, and Q' y in the place of y.

    Householder's reflections, each of A and of y at once.
    """
    v, p = np.empty(n), np.empty(n)
    columns = y.shape[1]
    z = np.empty(columns)
    for k in range(n):
        d[k] = a[k, k]
        if k == n - 1:
            break
        first = k + 1
        norm = 0.0
        for i in range(first + 1, n):
            norm += a[k, i] ** 2
        if norm == 0:
            e[k] = a[k, first]
            continue
        norm = np.sqrt(norm + a[k, first] ** 2)
        alpha = -norm if a[k, first] > 0 else norm
        e[k] = alpha
        for i in range(first, n):
            v[i] = a[k, i]
            p[i] = 0
        v[first] -= alpha
        beta = 1 / (norm * (norm + abs(a[k, first])))
        for i in range(first, n):
            x, total = v[i], a[i, i] * v[i]
            row, vs, ps = a[i, i + 1 : n], v[i + 1 :], p[i + 1 :]
            for m in range(len(row)):
                total += row[m] * vs[m]
                ps[m] += row[m] * x
            p[i] += total
        total = 0.0
        for i in range(first, n):
            p[i] *= beta
            total += p[i] * v[i]
        total *= beta / 2
        for i in range(first, n):
            p[i] -= total * v[i]
        for i in range(first, n):
            x, q = v[i], p[i]
            row, vs, ps = a[i, i:n], v[i:], p[i:]
            for m in range(len(row)):
                row[m] -= x * ps[m] + q * vs[m]
        z[:] = 0
        for i in range(first, n):
            x, row = v[i], y[i]
            for m in range(columns):
                z[m] += x * row[m]
        for i in range(first, n):
            x, row = v[i] * beta, y[i]
            for m in range(columns):
                row[m] -= x * z[m]


@nb.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _plain(
    plan: Any, s: Any, diagonal: Any, inverse: Any, at: Any, o: Any, c: Any, w: Any, gain: Any,
) -> Any:  # fmt: skip
    """What covariances without a diagonal add (covariance, scale); whether T tells it."""
    scales = len(w)
    most = 0
    for number in range(len(plan.single)):
        most = max(most, plan.single[number, 1])
    white, a, y = np.empty((most, len(c))), np.empty((most, most)), np.empty((most, 1))
    d, e = np.empty(most), np.empty(most)
    for number in range(len(plan.single)):
        which, rank, first = plan.single[number]
        trace = 0.0
        for k in range(rank):
            _whitened(plan.plain[first + k], s, diagonal, inverse, at, o, white[k])
            y[k, 0] = _product(white[k], c, o)
            for m in range(k + 1):
                a[m, k] = _product(white[k], white[m], o)
            trace += a[k, k]
        if rank > 1 and not trace * w.max() < FARTHEST:
            return False
        if rank == 1:
            d[0] = a[0, 0]
        else:
            _tridiagonal(a, y, d, e, rank)
        for scale in range(scales):
            x, fit, det, value, pivot = 0.0, 0.0, 1.0, 0.0, 1.0
            for k in range(rank):
                off = w[scale] * e[k - 1] if k else 0.0
                x = y[k, 0] - off * x / pivot
                pivot = 1 + w[scale] * d[k] - off * off / pivot
                if not pivot > 0:
                    return False
                fit += x * x / pivot
                det *= pivot
                if k % 16 == 15:
                    value += np.log(det)
                    det = 1.0
            gain[which, scale] = 0.5 * (w[scale] * fit - value - np.log(det))
    return True


@nb.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _whitened(f: Any, s: Any, diagonal: Any, inverse: Any, at: Any, o: Any, out: Any) -> None:
    """L^-1 f."""
    if diagonal:
        for i in range(o):
            out[i] = f[at[i]] / s[at[i]]
        return
    out[:o] = 0
    for i in range(o):
        x = f[at[i]]
        if x != 0:
            row, below = inverse[i, i:o], out[i:o]
            for k in range(len(row)):
                below[k] += row[k] * x


@nb.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _product(one: Any, two: Any, o: Any) -> Any:
    total = 0.0
    for i in range(o):
        total += one[i] * two[i]
    return total


@nb.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _ridged(
    plan: Any, g: Any, own: Any, d: Any, e: Any, o: Any, w: Any, log_det: Any, squares: Any,
    gain: Any,
) -> None:  # fmt: skip
    """What covariances of a diagonal and one low rank add (covariance, scale), all of them and
    their scales side by side.
    """
    _, rank, start, column = plan.group[g]
    members, scales = plan.group[g + 1, 2] - start, len(w)
    lanes = members * scales
    extra, ratio = np.empty((members, scales)), np.empty((members, scales))
    x = np.empty((rank + 1, members, scales))
    inverse, det = np.zeros(lanes), np.ones(lanes)
    logs, scaled = np.zeros(lanes), np.empty(lanes)
    known = np.zeros(((rank + 1) * (rank + 2) // 2, lanes))
    highest, lowest = 1.0, 1.0
    for m in range(members):
        for n in range(scales):
            extra[m, n] = w[n] * plan.delta[start + m]
        lowest = min(lowest, extra[m].min())
        highest = max(highest, extra[m].max())
    spread = 0.0
    for i in range(o):
        spread = max(spread, d[i])
    together = max(1, int(RANGE / max(np.log10(highest + spread), -np.log10(lowest), 1.0)))
    flat_extra, flat_ratio = extra.reshape(lanes), ratio.reshape(lanes)
    flat_x = x.reshape(rank + 1, lanes)
    values = np.empty((rank + 1, members))
    for i in range(o):
        off = e[i - 1] if i else 0.0
        for n in range(lanes):
            beside = off * inverse[n]
            pivot = d[i] + flat_extra[n] - off * beside
            flat_ratio[n] = beside
            inverse[n] = 1 / pivot
            det[n] *= pivot
        for a in range(rank):
            for m in range(members):
                values[a, m] = own[i, column + a * members + m]
        values[rank] = own[i, -1]
        if off != 0:
            for a in range(rank + 1):
                for m in range(members):
                    value = values[a, m]
                    for n in range(scales):
                        x[a, m, n] = value - ratio[m, n] * x[a, m, n]
        else:
            for a in range(rank + 1):
                for m in range(members):
                    value = values[a, m]
                    for n in range(scales):
                        x[a, m, n] = value
        at = 0
        for a in range(rank + 1):
            one = flat_x[a]
            for n in range(lanes):
                scaled[n] = one[n] * inverse[n]
            for k in range(a + 1):
                other, sums = flat_x[k], known[at]
                for n in range(lanes):
                    sums[n] += scaled[n] * other[n]
                at += 1
        if i % together == together - 1 or i == o - 1:
            for n in range(lanes):
                logs[n] += np.log(det[n])
                det[n] = 1.0
    fit = _cholesky(known, rank, w, members, det)
    for m in range(members):
        for n in range(scales):
            at = m * scales + n
            value = log_det - logs[at] - np.log(det[at]) + squares + fit[at]
            gain[plan.member[start + m], n] = 0.5 * value


@nb.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _cholesky(known: Any, rank: Any, w: Any, members: Any, det: Any) -> Any:
    """w y' K^-1 y - q, K = I + w A, from rows of A below its diagonal, y, and q (entry, lane),
    which are overwritten; det is multiplied by |K|.
    """
    lanes = len(det)
    scale = np.empty(lanes)
    for m in range(members):
        scale[m * len(w) : (m + 1) * len(w)] = w
    fit, total = np.zeros(lanes), np.empty(lanes)
    for i in range(rank + 1):
        own = i * (i + 1) // 2
        for k in range(i):
            other = k * (k + 1) // 2
            entry, pivot = known[own + k], known[other + k]
            if i < rank:
                for n in range(lanes):
                    entry[n] *= scale[n]
            for m in range(k):
                one, two = known[own + m], known[other + m]
                for n in range(lanes):
                    entry[n] -= one[n] * two[n]
            for n in range(lanes):
                entry[n] *= pivot[n]
        entry = known[own + i]
        if i < rank:
            for n in range(lanes):
                total[n] = 1 + scale[n] * entry[n]
            for m in range(i):
                one = known[own + m]
                for n in range(lanes):
                    total[n] -= one[n] * one[n]
            for n in range(lanes):
                det[n] *= total[n]
                entry[n] = 1 / np.sqrt(total[n])
        else:
            for m in range(i):
                one = known[own + m]
                for n in range(lanes):
                    fit[n] += one[n] * one[n]
            for n in range(lanes):
                fit[n] = scale[n] * fit[n] - entry[n]
    return fit
