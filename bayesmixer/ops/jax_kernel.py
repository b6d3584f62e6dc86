r"""The LD-convolved likelihood as plain JAX array code: the same formula as `oracle`, for JAX
samplers and GPUs.

z-scores are brought to one sample size, z / sqrt(nu) with nu = n / n_ref and error variance
sigma2_zero / nu, so that g(x_k; n_ref s^2 / 2) is one small table for all variants. The bulk, |z|
<= 3, is a cosine sum on the real line. The rest goes by a shifted line, its height chosen per
variant from a fixed ladder: the least cancellation below the first branch point, or the saddle
point where that would lose more than `SAFE_LOSS`. Variants are mapped over in chunks with
checkpoints, so that nothing of size variants x frequencies is held.

The step is s_max / frequencies with s_max = sqrt(DECAY / sigma2_zero);
`jax_data.frequencies_needed` tells from a Chernoff bound on the aliased density how many keep the
error below 1e-9. JAX is an optional dependency (`pip install bayesmixer[jax]`), imported on first
use; it must run in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesmixer.errors import InputError
from bayesmixer.ops.jax_data import DECAY, FREQUENCIES, JaxData, prepare
from bayesmixer.ops.oracle import HEIGHT_SHARE, SAFE_LOSS, branch_constant

if TYPE_CHECKING:
    from bayesmixer.ops.layout import LikelihoodData

Array = NDArray[np.float64]

LADDER, RATIO = 44, 1.2  # lines, and ratio of their heights
CLEARANCE = 5.0  # steps between a line and a branch point: exp(-10 pi) is the quadrature's error


def _jax() -> Any:
    try:
        import jax
    except ImportError:
        raise InputError(
            "jax", "is not installed", "pip install 'bayesmixer[jax]', or use the numba backend"
        ) from None
    if not jax.config.jax_enable_x64:
        raise InputError(
            "jax",
            "runs in single precision, expected float64",
            "Call jax.config.update('jax_enable_x64', True) first",
        )
    return jax


def _unwrap_turns(jnp: Any, angle: Any) -> Any:
    """Whole turns to add to principal angles so that they are continuous along the last axis."""
    return -jnp.cumsum(
        jnp.round(jnp.diff(angle, axis=-1, prepend=angle[..., :1]) / (2 * jnp.pi)), axis=-1
    )


def _line_table(jax: Any, d: JaxData, t: Any, k: Any, pi: Any, sigma2: Any) -> Any:
    """g(x; n_ref (t - i k)^2 / 2) at every node, (lines, K, M) complex, log continued along t; t
    (M,), k (lines,).
    """
    jnp, stop = jax.numpy, jax.lax.stop_gradient
    x = d.node_x[None, :, None]
    k3, t3 = k[:, None, None], t[None, None, :]
    scale = sigma2[:, None, None, None] * (d.n_ref * x)[None]
    real, imag = 0.5 * scale * (k3 - t3) * (k3 + t3), scale * k3 * t3
    rest = 1 - pi.sum()
    logs = jnp.concatenate(
        [
            jnp.broadcast_to(jnp.log(jnp.maximum(rest, 0.0)), (1, *real.shape[1:])),
            jnp.log(pi)[:, None, None, None] + real,
        ]
    )
    top = jnp.argmax(logs, axis=0)
    size = stop(jnp.max(logs, axis=0))
    rates = jnp.concatenate([jnp.zeros((1, *scale.shape[1:])), scale])
    order = jnp.take_along_axis(jnp.broadcast_to(rates, logs.shape), top[None], 0)[0]
    lead = stop(k3 * jnp.cumsum(order * jnp.diff(t, prepend=0.0), axis=-1))
    total = rest * jnp.exp(-size - 1j * lead) + (
        pi[:, None, None, None] * jnp.exp(real - size + 1j * (imag - lead))
    ).sum(0)
    turns = stop(_unwrap_turns(jnp, jnp.angle(total)))
    f = size + 1j * (lead + 2 * jnp.pi * turns) + jnp.log(total)
    limit = -0.5 * (pi * sigma2).sum() * d.n_ref * jnp.square(t3 - 1j * k3)
    return jnp.where(x > 1e-300, f / jnp.where(x > 1e-300, x, 1.0), limit)


def _real_table(jax: Any, d: JaxData, half: Any, pi: Any, sigma2: Any) -> Any:
    """g(x; -half) at every node for real half (M,) of either sign, (K, M): bulk frequencies (half <
    0) and cumulants (half > 0).
    """
    jnp, stop = jax.numpy, jax.lax.stop_gradient
    x = d.node_x[:, None]
    y = sigma2[:, None, None] * (x * half)[None]
    rest = 1 - pi.sum()
    size = stop(
        jnp.maximum(
            jnp.max(jnp.log(pi)[:, None, None] + y, axis=0), jnp.log(jnp.maximum(rest, 0.0))
        )
    )
    big = size + jnp.log(rest * jnp.exp(-size) + (pi[:, None, None] * jnp.exp(y - size)).sum(0))
    near = jnp.max(jnp.abs(y), axis=0) < 0.5
    small = jnp.log1p((pi[:, None, None] * jnp.expm1(jnp.where(near, y, 0.0))).sum(0))
    g = jnp.where(near, small, big) / jnp.where(x > 1e-300, x, 1.0)
    return jnp.where(x > 1e-300, g, (pi * sigma2).sum() * half)


def _bulk(jax: Any, d: JaxData, pi: Any, sigma2: Any, zero: Any) -> Any:
    jnp, stop = jax.numpy, jax.lax.stop_gradient
    m = d.frequencies
    ds = stop(jnp.sqrt(DECAY / zero)) / m
    s = ds * jnp.arange(m + 1)
    table = _real_table(jax, d, -0.5 * d.n_ref * s * s, pi, sigma2)
    quadrature = (ds / jnp.pi) * jnp.where(jnp.arange(m + 1) == 0, 0.5, 1.0)

    @jax.checkpoint
    def chunk(a: Any) -> Any:
        z, inverse, spectrum = a
        phi = jnp.exp(spectrum @ table - 0.5 * zero * inverse[:, None] * s * s)
        return jnp.log(jnp.maximum((phi * jnp.cos(z[:, None] * s)) @ quadrature, 1e-300))

    return jax.lax.map(chunk, (d.bulk_z, d.bulk_inverse_nu, d.bulk_spectrum)).reshape(-1)


def _ladder(jax: Any, d: JaxData, ds: Any, pi: Any, sigma2: Any, zero: Any) -> tuple[Any, Any]:
    """Heights of the lines, (LADDER + 2,): 0, geometric up to the highest saddle point, and the
    highest the step can serve below branch points.
    """
    jnp = jax.numpy
    height = _branch_constant(jax, pi, sigma2) * jnp.sqrt(2 / (d.n_ref * d.node_x.max()))
    cap = jnp.maximum(jnp.minimum(HEIGHT_SHARE * height, height - CLEARANCE * ds), 0.0)
    top = (d.z_max + 1) / zero + 1 / jnp.sqrt(zero)
    k = top * RATIO ** -jnp.arange(LADDER, dtype=float)
    return jnp.concatenate([jnp.zeros(1), k, jnp.minimum(cap, top)[None]]), cap


def _branch_constant(jax: Any, pi: Any, sigma2: Any) -> Any:
    """`oracle.branch_constant` on the host: it needs no derivative."""
    jnp = jax.numpy

    def host(p: Any, v: Any) -> Array:
        return np.asarray(
            min(branch_constant(np.asarray(p, np.float64), np.asarray(v, np.float64)), 1e150)
        )

    if pi.shape[0] == 1:
        p = jnp.clip(pi[0], 1e-300, 1.0)
        odds = jnp.log(jnp.maximum(1 - p, 1e-300) / p)
        return jnp.where(
            p < 1 - 1e-12, jnp.sqrt((jnp.hypot(odds, jnp.pi) + odds) / (2 * sigma2[0])), 1e150
        )
    return jax.pure_callback(
        host, jax.ShapeDtypeStruct((), jnp.float64), pi, sigma2, vmap_method="sequential"
    )


def _tail(jax: Any, d: JaxData, pi: Any, sigma2: Any, zero: Any) -> Any:
    jnp, stop = jax.numpy, jax.lax.stop_gradient
    m = d.frequencies
    ds = stop(jnp.sqrt(DECAY / zero)) / m
    t = ds * jnp.arange(m + 1)
    heights, cap = _ladder(jax, d, ds, *map(stop, (pi, sigma2, zero)))
    table = _line_table(jax, d, t, heights, pi, sigma2)
    cumulants = stop(_real_table(jax, d, 0.5 * d.n_ref * heights**2, stop(pi), stop(sigma2)))
    quadrature = (ds / jnp.pi) * jnp.where(jnp.arange(m + 1) == 0, 0.5, 1.0)
    below = heights <= cap * (1 + 1e-12)

    @jax.checkpoint
    def chunk(a: Any) -> Any:
        z, inverse, spectrum, censored = a
        size = (
            spectrum @ cumulants
            + 0.5 * stop(zero) * inverse[:, None] * heights**2
            - z[:, None] * heights
        )
        size = jnp.where(
            censored[:, None],
            jnp.where(heights > ds, size - jnp.log(jnp.maximum(heights, ds)), 1e200),
            size,
        )  # 0 is a pole there
        low = jnp.where(below, size, jnp.inf)
        line = jnp.where(
            low.min(1) - size.min(1) < SAFE_LOSS, jnp.argmin(low, axis=1), jnp.argmin(size, axis=1)
        )
        k = heights[line][:, None]
        exponent = jnp.einsum("bk,bkm->bm", spectrum, table[line]) - (k + 1j * t) * z[:, None]
        exponent = exponent - 0.5 * zero * inverse[:, None] * jnp.square(t - 1j * k)
        factor = jnp.where(
            censored[:, None], 2 / jnp.where(censored[:, None], k + 1j * t, 1.0), 1.0
        )
        peak = stop(exponent.real.max(1))
        total = jnp.real(jnp.exp(exponent - peak[:, None]) * factor) @ quadrature
        # aliases of a tail probability, P(Z > c - m period) = 1 at m = 1, 2, ..., are known: the
        # pole's geometric series
        alias = 2 * jnp.exp(-peak) / jnp.expm1(jnp.where(censored, k[:, 0], 1.0) * 2 * jnp.pi / ds)
        total = total - jnp.where(censored, alias, 0.0)
        return peak + jnp.log(jnp.maximum(total, 1e-30))

    return jax.lax.map(
        chunk, (d.tail_z, d.tail_inverse_nu, d.tail_spectrum, d.tail_censored)
    ).reshape(-1)


def variant_loglik(data: JaxData, pi: Any, sigma2_beta: Any, sigma2_zero: Any) -> Any:
    """Log density of every variant, (J,), at traced parameters; differentiable in either mode.

    Parameters
    ----------
    data
        From `prepare`.
    pi, sigma2_beta, sigma2_zero
        (C,), (C,), scalar.

    Returns
    -------
    jax.Array
        (J,) log p_j(z_j), or log P(|Z_j| > |z_j|) where censored.
    """
    jax = _jax()
    jnp = jax.numpy
    p, v = jnp.atleast_1d(jnp.asarray(pi, float)), jnp.atleast_1d(jnp.asarray(sigma2_beta, float))
    zero = jnp.asarray(sigma2_zero, float)
    out = jnp.array(data.half_log_nu)
    if len(data.bulk_index):
        out = out.at[data.bulk_index].add(_bulk(jax, data, p, v, zero)[: len(data.bulk_index)])
    if len(data.tail_index):
        out = out.at[data.tail_index].add(_tail(jax, data, p, v, zero)[: len(data.tail_index)])
    return out


def log_density(
    z: ArrayLike,
    n: ArrayLike,
    spectrum: ArrayLike,
    node_x: ArrayLike,
    pi: Any,
    sigma2_beta: Any,
    sigma2_zero: Any,
    *,
    censored: ArrayLike | None = None,
    frequencies: int = FREQUENCIES,
) -> Any:
    """Log density of every variant, (J,): `variant_loglik` of `prepare`, for arguments as in
    `oracle.log_density`.

    Parameters
    ----------
    z, n, spectrum, node_x, censored, frequencies
        As in `prepare`.
    pi, sigma2_beta, sigma2_zero
        (C,), (C,), scalar; may be traced.

    Returns
    -------
    jax.Array
        (J,).
    """
    return variant_loglik(
        prepare(z, n, spectrum, node_x, censored=censored, frequencies=frequencies),
        pi,
        sigma2_beta,
        sigma2_zero,
    )


def block_loglik(data: JaxData, pi: Any, sigma2_beta: Any, sigma2_zero: Any) -> tuple[Any, Any]:
    """Weighted log-likelihood of every LD block and its derivatives.

    Parameters
    ----------
    data
        From `prepare`, with weights and blocks.
    pi, sigma2_beta, sigma2_zero
        (C,), (C,), scalar.

    Returns
    -------
    tuple of jax.Array
        (L,) sums of weight x log density, and (L, 2 C + 1) derivatives in pi (C), sigma2_beta (C),
        sigma2_zero.
    """
    jax = _jax()
    jnp = jax.numpy
    c = jnp.atleast_1d(jnp.asarray(pi)).shape[0]
    flat = jnp.concatenate(
        [jnp.atleast_1d(jnp.asarray(a, float)) for a in (pi, sigma2_beta, sigma2_zero)]
    )

    def blocks(theta: Any) -> tuple[Any, Any]:
        value = data.weight * variant_loglik(data, theta[:c], theta[c : 2 * c], theta[2 * c])
        out = jax.ops.segment_sum(value, data.block, num_segments=data.blocks)
        return out, out

    jacobian, value = jax.jacfwd(blocks, has_aux=True)(flat)
    return value, jacobian


def block_function(
    data: LikelihoodData, gradient: bool = True, frequencies: int = FREQUENCIES
) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """The likelihood Op's JAX implementation.

    Parameters
    ----------
    data
        The Op's data.
    gradient
        Whether to compute the Jacobian; an (L, 0) array takes its place otherwise.
    frequencies
        Points of the quadrature.

    Returns
    -------
    callable
        (pi (C,), sigma2_beta (C,), sigma2_zero ()) -> loglik (L,), jacobian (L, 2 C + 1); -inf and
        0 where the parameters are impossible.
    """
    jax = _jax()
    jnp = jax.numpy
    cut = np.zeros(data.z.shape, bool) if data.censor is None else data.z > data.censor
    z = data.z if data.censor is None else np.minimum(data.z, data.censor)
    ready = prepare(
        z,
        data.n,
        data.spectrum,
        data.node_x,
        data.weight,
        data.block,
        n_blocks=data.n_blocks,
        censored=cut,
        frequencies=frequencies,
    )

    def function(pi: Any, sigma2_beta: Any, sigma2_zero: Any) -> tuple[Any, Any]:
        valid = (
            (pi >= 0).all()
            & (pi.sum() <= 1 + 1e-9)
            & (sigma2_beta >= 0).all()
            & (sigma2_zero > 1e-3)
        )
        valid &= (
            jnp.isfinite(pi).all() & jnp.isfinite(sigma2_beta).all() & jnp.isfinite(sigma2_zero)
        )
        # impossible parameters are replaced before the sum, so that no NaN reaches a derivative
        p = jnp.where(valid, pi, 0.5 / pi.shape[0])
        v = jnp.where(valid, sigma2_beta, 1.0 / ready.n_ref)
        zero = jnp.where(valid, sigma2_zero, 1.0)
        if gradient:
            loglik, jacobian = block_loglik(ready, p, v, zero)
        else:
            loglik = jax.ops.segment_sum(
                ready.weight * variant_loglik(ready, p, v, zero),
                ready.block,
                num_segments=ready.blocks,
            )
            jacobian = jnp.zeros((ready.blocks, 0))
        return jnp.where(valid, loglik, -jnp.inf), jnp.where(valid, jacobian, 0.0)

    return function
