r"""The density of one z-score by brute quadrature: the slow, accurate answer that every fast kernel
is tested against.

With the LD spectrum S_jk the characteristic function of z_j (Frei et al 2019, eq. 4, summed over
partners by strength) is

    log phi_j(s) = -sigma2_zero s^2 / 2 + sum_k S_jk g(x_k; n_j s^2 / 2),
    g(x; q) = log(1 + sum_c pi_c (exp(-x q sigma2_c) - 1)) / x

and p_j(z) = (1 / 2 pi) int phi_j(t - i k) exp(-(k + i t) z) dt for any shift k of the line up to
the first branch point. Through the saddle point, K'(k) = |z| with K(k) = log phi_j(-i k), the
integrand has one scale at the centre and in the far tail alike, so that the trapezoid sum is
accurate relative to p.

1 + sum(...) has zeros at |Im s| >= `branch_height`. For a true list of partners they do no harm
(each enters with a whole power). The powers S_jk / x_k of a spectrum are not whole: there they are
branch points, and a line beyond them measures something else, off by up to 0.3 in log p where the
line just below is right to 1e-6. The line therefore stays below them (`HEIGHT_SHARE`) as long as
the loss of digits is bearable. Only in tails so far that it is not, it goes through the saddle
point, with the logarithm continued along the line from t = 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesmixer.errors import InputError

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

CHUNK = 1_000_000  # complex numbers held at a time
POINTS = 64  # trapezoid intervals of the first pass
MAX_POINTS = 1 << 13
DECAY = 110.0  # the line ends where the error's Gaussian is exp(-DECAY / 2)
HEIGHT_SHARE = 0.9  # of the height of the first branch point: the highest line that is used
# log of the cancellation, relative to the saddle point's line, up to which that line is used
SAFE_LOSS = 12.0


class Model(NamedTuple):
    """Arguments as float64 arrays: z (J,), n (J,), spectrum (J, K), node_x (K,), pi (C,),
    sigma2_beta (C,), sigma2_zero.
    """

    z: Array
    n: Array
    spectrum: Array
    node_x: Array
    pi: Array
    sigma2_beta: Array
    sigma2_zero: float

    def rows(self, index: NDArray[np.int64] | slice) -> Model:
        """The model of some variants."""
        return self._replace(z=self.z[index], n=self.n[index], spectrum=self.spectrum[index])


def as_model(
    z: ArrayLike,
    n: ArrayLike,
    spectrum: ArrayLike,
    node_x: ArrayLike,
    pi: ArrayLike,
    sigma2_beta: ArrayLike,
    sigma2_zero: float,
) -> Model:
    """Check shapes and ranges; scalars of `z` and `n` are repeated for every row of `spectrum`."""
    s, x = np.atleast_2d(np.asarray(spectrum, np.float64)), np.asarray(node_x, np.float64)
    p = np.atleast_1d(np.asarray(pi, np.float64))
    v = np.atleast_1d(np.asarray(sigma2_beta, np.float64))
    if s.shape[1] != len(x):
        raise InputError(
            "spectrum", f"has {s.shape[1]} columns, expected one for each of the {len(x)} nodes"
        )
    if p.shape != v.shape:
        raise InputError(
            "pi, sigma2_beta",
            f"have shapes {p.shape} and {v.shape}, expected one value each per component",
        )
    if (p < 0).any() or p.sum() > 1 + 1e-12 or (v < 0).any() or sigma2_zero <= 0:
        raise InputError(
            "pi, sigma2_beta, sigma2_zero",
            f"are {p}, {v}, {sigma2_zero}; expected pi >= 0 of sum <= 1, sigma2_beta >= 0, "
            "sigma2_zero > 0",
        )
    shape = (len(s),)
    zj = np.broadcast_to(np.asarray(z, np.float64), shape)
    nj = np.broadcast_to(np.asarray(n, np.float64), shape)
    return Model(zj, nj, s, x, p, v, float(sigma2_zero))


def log_mixture(m: Model, t: Array, shift: Array) -> tuple[Complex, Complex]:
    """Continuous log(1 + sum_c pi_c (exp(y_c) - 1)) and y_c, shapes (J, K, M) and (C, J, K, M),
    along t (M,) or (J, M) at shift (J,).
    """
    t = np.broadcast_to(t, (len(m.n), t.shape[-1]))[:, None, :]
    k = shift[:, None, None]
    scale = m.sigma2_beta[:, None, None, None] * (m.n[:, None] * m.node_x)[None, :, :, None]
    y = (0.5 * scale * ((k - t) * (k + t) + 2j * k * t)).astype(np.complex128)
    small = np.tensordot(m.pi, np.expm1(np.where(y.real > 300, 300, y.real) + 1j * y.imag), 1)
    rest = max(0.0, 1 - m.pi.sum())
    with np.errstate(divide="ignore"):
        logs = np.concatenate(
            [np.full((1, *y.shape[1:]), np.log(rest)), np.log(m.pi)[:, None, None, None] + y]
        )
    rates = np.concatenate(
        [np.zeros((1, *scale.shape[1:])), scale]
    )  # of the phase, in units of k t
    top = np.argmax(logs.real, axis=0)
    size = np.take_along_axis(logs.real, top[None], 0)[0]
    # the phase follows the largest term; what is left of it moves slowly and is unwrapped
    order = np.take_along_axis(np.broadcast_to(rates, logs.shape), top[None], 0)[0]
    step = np.diff(t, axis=-1, prepend=0.0)
    lead = k * np.cumsum(order * step, axis=-1)
    with np.errstate(under="ignore"):
        total = np.exp(logs - size - 1j * lead).sum(0)
    left = np.unwrap(np.angle(total), axis=-1)
    big = size + np.log(np.abs(total)) + 1j * (lead + left)
    a, b = small.real, small.imag
    near = (np.abs(a) < 0.5) & (np.abs(b) < 0.5)
    a, b = np.where(near, a, 0), np.where(near, b, 0)
    fine = 0.5 * np.log1p(a * (2 + a) + b * b) + 1j * (
        np.arctan2(b, 1 + a) + 2 * np.pi * np.round((lead + left) / (2 * np.pi))
    )
    out: Complex = np.where(near, fine, big)
    return out, y


def log_characteristic(m: Model, t: Array, shift: Array) -> Complex:
    """log phi_j(t - i k), (J, M), continued along t (increasing from 0; (M,) or (J, M)) at shift k
    (J,).
    """
    f, _ = log_mixture(m, t, shift)
    at_zero = m.node_x < 1e-300
    s2 = np.square(t - 1j * shift[:, None])
    inverse = np.where(at_zero, 0, 1 / np.where(at_zero, 1, m.node_x))
    out: Complex = np.einsum("jk,jkm->jm", m.spectrum * inverse, f)
    limit = (m.pi * m.sigma2_beta).sum() * m.n * m.spectrum[:, at_zero].sum(1)
    return out - 0.5 * s2 * (m.sigma2_zero + limit[:, None])


def _derivatives(m: Model, t: Array, shift: Array) -> tuple[Complex, Complex]:
    """log phi (J, M) and its derivatives in pi_c, sigma2_beta_c, sigma2_zero, (2 C + 1, J, M)."""
    f, y = log_mixture(m, t, shift)
    at_zero = m.node_x < 1e-300
    inverse = np.where(at_zero, 0, 1 / np.where(at_zero, 1, m.node_x))
    weight, rest = m.spectrum * inverse, m.spectrum[:, at_zero].sum(1)
    s2 = np.square(t - 1j * shift[:, None])
    q = 0.5 * m.n[:, None] * s2
    value = (
        np.einsum("jk,jkm->jm", weight, f)
        - 0.5 * s2 * m.sigma2_zero
        - (m.pi * m.sigma2_beta).sum() * q * rest[:, None]
    )
    parts = []
    for c, (p, v) in enumerate(zip(m.pi, m.sigma2_beta, strict=True)):
        with np.errstate(over="ignore", invalid="ignore"):
            ratio = np.where(
                y[c].real > 1,
                np.exp(y[c] - f) - np.exp(-f),
                np.expm1(np.where(y[c].real > 1, 0, y[c])) * np.exp(-f),
            )
        parts.append(np.einsum("jk,jkm->jm", weight, ratio) - v * q * rest[:, None])
        parts.append(
            -p
            * q
            * (np.einsum("jk,jkm->jm", m.spectrum * ~at_zero, np.exp(y[c] - f)) + rest[:, None])
        )
    return value, np.stack([*parts[0::2], *parts[1::2], -0.5 * s2 * np.ones_like(value)])


def cumulant(m: Model, k: Array) -> tuple[Array, Array]:
    """K_j(k) = log phi_j(-i k) and its derivative, each (J,), at k (J,) >= 0."""
    x = m.node_x
    y = 0.5 * m.sigma2_beta[:, None, None] * (m.n * k * k)[:, None] * x
    with np.errstate(divide="ignore"):
        logs = np.concatenate(
            [
                np.full((1, *y.shape[1:]), np.log(max(0.0, 1 - m.pi.sum()))),
                np.log(m.pi)[:, None, None] + y,
            ]
        )
    f = np.logaddexp.reduce(logs, axis=0)
    small = y.max(0) < 0.5
    f = np.where(small, np.log1p(np.tensordot(m.pi, np.expm1(np.minimum(y, 1)), 1)), f)
    share = np.exp(logs[1:] - f)  # of each component, given the tilt
    slope = (m.n * k)[:, None] * np.tensordot(m.sigma2_beta, share, 1)
    limit = (m.pi * m.sigma2_beta).sum() * 0.5 * (m.n * k * k)[:, None]
    g = np.where(x > 1e-300, f / np.where(x > 1e-300, x, 1), limit)
    return 0.5 * m.sigma2_zero * k * k + (m.spectrum * g).sum(1), m.sigma2_zero * k + (
        m.spectrum * slope
    ).sum(1)


def saddle_point(m: Model, tail: NDArray[np.bool_]) -> Array:
    """k (J,) with K'(k) = |z|, or K'(k) - 1/k = |z| where the tail's probability is wanted;
    bisection, since K is convex.
    """
    z = np.abs(m.z)
    low, high = np.zeros_like(z), (z + np.sqrt(z * z + 4 * m.sigma2_zero)) / (2 * m.sigma2_zero)
    for _ in range(60):
        k = 0.5 * (low + high)
        above = cumulant(m, k)[1] - np.where(tail, 1 / k, 0) > z
        low, high = np.where(above, low, k), np.where(above, k, high)
    return 0.5 * (low + high)


def branch_constant(pi: Array, sigma2_beta: Array) -> float:
    """Smallest Re sqrt(u) over the zeros u of 1 + sum_c pi_c (exp(sigma2_c u) - 1): `branch_height`
    is this times sqrt(2 / (n x)).

    Known exactly for one component, u = (log((1 - pi) / pi) + i pi) / sigma2_beta; for several by
    bisection on the number of zeros (the winding number of the function along Re sqrt(u) =
    constant). Infinite where there is none (pi = 1).
    """
    use = (pi > 0) & (sigma2_beta > 0)
    p, v = pi[use], sigma2_beta[use]
    rest = 1 - p.sum()
    if (
        rest < 1e-12
    ):  # no exact zeros: measure from the smallest component, of which everyone then has some
        small = np.argmin(v)
        rest, p, v = p[small], np.delete(p, small), np.delete(v, small) - v[small]
        p, v = p[v > 0], v[v > 0]
    if len(p) == 0:
        return float("inf")
    single = np.sqrt((np.log(rest / p) + 1j * np.pi) / v).real
    if len(p) == 1:
        return float(single[0])

    def zeros_below(height: float) -> bool:
        tau = np.unique(
            np.concatenate([np.linspace(0, np.sqrt(height**2 + 45 / c), 4000) for c in v])
        )
        logs = np.log(p)[:, None] + v[:, None] * np.square(height + 1j * tau)
        peak = np.maximum(logs.real.max(0), np.log(rest))
        f = np.exp(np.log(rest) - peak) + np.exp(logs - peak).sum(0)
        return bool(abs(np.unwrap(np.angle(f))[-1]) > np.pi)

    low, high = 0.0, float(single.min())
    while not zeros_below(high) and high < 16 * single.max():
        low, high = high, 1.25 * high
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if zeros_below(middle) else (middle, high)
    return low


def branch_height(m: Model) -> Array:
    """Smallest |Im s| (J,) of a branch point of log phi; infinite where every power S_jk / x_k is
    whole, as in a list of partners.
    """
    power = m.spectrum / np.where(m.node_x > 1e-300, m.node_x, np.inf)
    whole = np.abs(power - np.round(power)).max(1) < 1e-12
    return np.where(
        whole, np.inf, branch_constant(m.pi, m.sigma2_beta) * np.sqrt(2 / (m.n * m.node_x.max()))
    )


def _integrate(
    m: Model, shift: Array, tail: NDArray[np.bool_], points: int, gradient: bool
) -> Array:
    """Trapezoid sums with `points` intervals: log p (J,) in row 0, log of sum |f| / |sum f| in row
    1, then the derivatives.
    """
    out = np.empty((2 + (2 * len(m.pi) + 1) * gradient, len(m.n)))
    t = np.sqrt(DECAY / m.sigma2_zero) * np.arange(points + 1) / points
    weight = np.full(points + 1, t[1] / np.pi)
    weight[0] /= 2
    z, k = np.abs(m.z), shift
    block = max(1, CHUNK // (len(t) * len(m.node_x) * (len(m.pi) + 1)))
    for start in range(0, len(z), block):
        r = slice(start, start + block)
        b, kb = m.rows(r), k[r, None]
        value, parts = (
            _derivatives(b, t, k[r]) if gradient else (log_characteristic(b, t, k[r]), None)
        )
        value = value - kb * z[r, None] - 1j * t * z[r, None]
        value = np.where(
            tail[r, None], value - np.log(np.where(kb + t > 0, kb + 1j * t, 1)) + np.log(2), value
        )
        peak = value.real.max(1)
        f = np.exp(value - peak[:, None]) * weight
        total = f.real.sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            out[0, r] = peak + np.log(total)
            out[1, r] = np.log(np.abs(f).sum(1) / np.abs(total))
            if parts is not None:
                out[2:, r] = np.einsum("cjm,jm->cj", parts, f).real / total
    return out


def integrate(
    m: Model, censor: ArrayLike | None, shift: ArrayLike | None, gradient: bool, tolerance: float
) -> Array:
    """Rows as `_integrate` gives them, on the line that the module's docstring describes, or at
    `shift` where given.
    """
    tail = np.zeros(len(m.z), bool)
    if censor is not None:
        c = np.broadcast_to(np.asarray(censor, np.float64), m.z.shape)
        tail = np.abs(m.z) > c
        m = m._replace(z=np.where(tail, c, m.z))
    if shift is None:
        shift = saddle = saddle_point(m, tail)
        low = np.minimum(saddle, HEIGHT_SHARE * branch_height(m))

        def size(k: Array) -> Array:  # log of the integrand's largest value
            k = np.maximum(k, 1e-300)
            return cumulant(m, k)[0] - k * np.abs(m.z) - np.where(tail, np.log(k), 0)

        shift = np.where(size(low) - size(saddle) < SAFE_LOSS, low, saddle)
        out = _converge(m, shift, tail, gradient, tolerance)
        again = np.flatnonzero(~np.isfinite(out[0]) & (shift < saddle))
        if len(again):
            out[:, again] = _converge(
                m.rows(again), saddle[again], tail[again], gradient, tolerance
            )
    else:
        out = _converge(
            m, np.broadcast_to(np.asarray(shift, np.float64), m.z.shape), tail, gradient, tolerance
        )
    return out


def _converge(
    m: Model, shift: Array, tail: NDArray[np.bool_], gradient: bool, tolerance: float
) -> Array:
    """Halve the step until no entry changes by more than `tolerance` (relative, for the
    derivatives) or by what cancellation leaves.
    """
    points, todo = POINTS, np.arange(len(m.z))
    old = _integrate(m, shift, tail, points, gradient)
    while len(todo) and points < MAX_POINTS:
        points *= 2
        new = _integrate(m.rows(todo), shift[todo], tail[todo], points, gradient)
        last = old[:, todo]
        noise = tolerance + 1e-15 * np.exp(np.minimum(new[1], 40))
        change = np.abs(new - last)
        done = (change[0] <= noise) & (
            change[2:] <= noise * np.maximum(1, np.abs(new[2:])) * 10
        ).all(0)
        old[:, todo] = new
        todo = todo[~done]
    return old


def log_density(
    z: ArrayLike,
    n: ArrayLike,
    spectrum: ArrayLike,
    node_x: ArrayLike,
    pi: ArrayLike,
    sigma2_beta: ArrayLike,
    sigma2_zero: float,
    censor: ArrayLike | None = None,
    shift: ArrayLike | None = None,
    tolerance: float = 1e-13,
) -> Array:
    """Natural log density of each z-score, accurate to about 1e-12 plus 1e-15 times the
    cancellation on its line.

    Parameters
    ----------
    z, n
        (J,) z-scores and sample sizes.
    spectrum
        (J, K) LD spectrum; a true list of partners is a spectrum too (row and `node_x` both the
        strengths x_ij = H_i r_ij^2).
    node_x
        (K,) strengths of the nodes.
    pi, sigma2_beta
        (C,) share of variants and variance of effects of each causal component; scalars for one.
    sigma2_zero
        Variance of z without genetic effects.
    censor
        Where |z| exceeds it, the probability of |Z| > censor replaces the density (Frei et al 2019,
        eq. 7).
    shift
        (J,) height k of the line, to compare kernels on the same line; by default chosen per
        variant.
    tolerance
        Change of log p at which halving of the step stops.

    Returns
    -------
    numpy.ndarray
        (J,) log p_j(z_j).

    Raises
    ------
    InputError
        Shapes or ranges do not fit.
    """
    m = as_model(z, n, spectrum, node_x, pi, sigma2_beta, sigma2_zero)
    out: Array = integrate(m, censor, shift, False, tolerance)[0]
    return out


def log_density_gradient(
    z: ArrayLike,
    n: ArrayLike,
    spectrum: ArrayLike,
    node_x: ArrayLike,
    pi: ArrayLike,
    sigma2_beta: ArrayLike,
    sigma2_zero: float,
    censor: ArrayLike | None = None,
    shift: ArrayLike | None = None,
    tolerance: float = 1e-13,
) -> tuple[Array, Array]:
    """Log density of each z-score and its derivatives by the same quadrature.

    Parameters
    ----------
    z, n
        (J,) z-scores and sample sizes.
    spectrum
        (J, K) LD spectrum; a true list of partners is a spectrum too (row and `node_x` both the
        strengths x_ij = H_i r_ij^2).
    node_x
        (K,) strengths of the nodes.
    pi, sigma2_beta
        (C,) share of variants and variance of effects of each causal component; scalars for one.
    sigma2_zero
        Variance of z without genetic effects.
    censor
        Where |z| exceeds it, the probability of |Z| > censor replaces the density (Frei et al 2019,
        eq. 7).
    shift
        (J,) height k of the line, to compare kernels on the same line; by default chosen per
        variant.
    tolerance
        Change of log p at which halving of the step stops.

    Returns
    -------
    tuple of numpy.ndarray
        (J,) log p_j(z_j), and (J, 2 C + 1) its derivatives in pi (C), sigma2_beta (C), sigma2_zero.

    Raises
    ------
    InputError
        Shapes or ranges do not fit.
    """
    m = as_model(z, n, spectrum, node_x, pi, sigma2_beta, sigma2_zero)
    out = integrate(m, censor, shift, True, tolerance)
    return out[0], out[2:].T.copy()
