"""Data of the JAX likelihood: variants brought to one sample size, split into bulk and tails,
padded to whole chunks of fixed shape.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesmixer.errors import InputError
from bayesmixer.ops.oracle import as_model, cumulant

Array = NDArray[np.float64]

FREQUENCIES = 256
BULK_Z = 3.0
DECAY = 90.0  # the sum ends where the error's Gaussian is exp(-DECAY / 2)
BULK_CHUNK, TAIL_CHUNK = 1024, 32
# largest over smallest N: the number of frequencies is fixed here, and a small N needs more
MOST_UNEQUAL = 100.0


class JaxData(NamedTuple):
    """Data of `block_loglik`, padded to whole chunks: bulk arrays (chunks, BULK_CHUNK, ...), tail
    arrays (chunks, TAIL_CHUNK, ...).
    """

    bulk_z: Any
    bulk_inverse_nu: Any
    bulk_spectrum: Any
    tail_z: Any
    tail_inverse_nu: Any
    tail_spectrum: Any
    tail_censored: Any
    bulk_index: Any
    tail_index: Any
    half_log_nu: Any
    node_x: Any
    n_ref: float
    z_max: float
    weight: Any
    block: Any
    blocks: int
    frequencies: int


def _chunks(a: Array, index: NDArray[np.int64], size: int, fill: float) -> Array:
    count = -(-len(index) // size) if len(index) else 0
    out = np.full((count * size, *a.shape[1:]), fill, dtype=a.dtype)
    out[: len(index)] = a[index]
    return out.reshape(count, size, *a.shape[1:])


def prepare(
    z: ArrayLike,
    n: ArrayLike,
    spectrum: ArrayLike,
    node_x: ArrayLike,
    weight: ArrayLike | None = None,
    block: ArrayLike | None = None,
    *,
    n_blocks: int | None = None,
    censored: ArrayLike | None = None,
    frequencies: int = FREQUENCIES,
) -> JaxData:
    """Data in the layout of `block_loglik`.

    Parameters
    ----------
    z, n
        (J,) z-scores and sample sizes: concrete arrays, not traced.
    spectrum, node_x
        (J, K) LD spectrum and (K,) strengths of its nodes.
    weight
        (J,) weights of the composite likelihood, one by default.
    block
        (J,) LD block of each variant, 0 .. L - 1; one block by default.
    n_blocks
        L, the largest label + 1 by default.
    censored
        (J,) True where z is a threshold and the contribution log P(|Z| > |z|) (Frei et al 2019, eq.
        7).
    frequencies
        Points of the quadrature.

    Returns
    -------
    JaxData

    Raises
    ------
    InputError
        Shapes do not fit, sample sizes differ by more than a factor of 100, or the data are traced.
    """
    try:
        zj = np.abs(np.asarray(z, np.float64))
    except Exception as error:
        found = f"cannot be read as an array ({type(error).__name__})"
        raise InputError(
            "z", found, "Data are constants of the likelihood: pass NumPy arrays"
        ) from None
    s = np.asarray(spectrum, np.float64)
    if s.shape != (len(zj), len(np.asarray(node_x))):
        raise InputError(
            "spectrum", f"has shape {s.shape}, expected {(len(zj), len(np.asarray(node_x)))}"
        )
    nj = np.broadcast_to(np.asarray(n, np.float64), zj.shape)
    n_ref = float(nj.max())
    if not n_ref <= MOST_UNEQUAL * float(nj.min()):
        found = (
            f"from {nj.min():,.0f} to {n_ref:,.0f}, expected at most a factor of {MOST_UNEQUAL:g} "
            "between them with JAX"
        )
        raise InputError("n", found, "Drop variants of small N, or use the default sampler.")
    inverse = n_ref / nj
    cut = (
        np.zeros(len(zj), bool)
        if censored is None
        else np.broadcast_to(np.asarray(censored, bool), zj.shape)
    )
    tail = (zj > BULK_Z) | cut
    b, t = np.flatnonzero(~tail), np.flatnonzero(tail)
    scaled = zj * np.sqrt(inverse)
    labels = np.zeros(len(zj), np.int64) if block is None else np.asarray(block, np.int64)
    bulk = [
        _chunks(a, b, BULK_CHUNK, fill) for a, fill in ((scaled, 0.0), (inverse, 1.0), (s, 0.0))
    ]
    far = [
        _chunks(a, t, TAIL_CHUNK, fill)
        for a, fill in ((scaled, 5.0), (inverse, 1.0), (s, 0.0), (cut, False))
    ]
    return JaxData(
        bulk_z=bulk[0],
        bulk_inverse_nu=bulk[1],
        bulk_spectrum=bulk[2],
        tail_z=far[0],
        tail_inverse_nu=far[1],
        tail_spectrum=far[2],
        tail_censored=far[3],
        bulk_index=b,
        tail_index=t,
        half_log_nu=np.where(cut, 0.0, 0.5 * np.log(inverse)),
        node_x=np.asarray(node_x, np.float64),
        n_ref=n_ref,
        z_max=float(scaled.max(initial=BULK_Z)),
        weight=np.ones(len(zj)) if weight is None else np.asarray(weight, np.float64),
        block=labels,
        blocks=int(labels.max(initial=0)) + 1 if n_blocks is None else n_blocks,
        frequencies=int(frequencies),
    )


def frequencies_needed(
    z: ArrayLike,
    n: ArrayLike,
    spectrum: ArrayLike,
    node_x: ArrayLike,
    pi: ArrayLike,
    sigma2_beta: ArrayLike,
    sigma2_zero: float,
    log_error: float = -21.0,
) -> int:
    """Frequencies that keep aliasing below exp(log_error) of each density on the real line
    (Chernoff's bound over a grid of tilts).

    Parameters
    ----------
    z, n, spectrum, node_x
        As in `prepare`.
    pi, sigma2_beta, sigma2_zero
        (C,), (C,), scalar: the parameters of largest n sigma2_beta and smallest sigma2_zero that
        will be met.
    log_error
        Natural log of the relative error.

    Returns
    -------
    int
        Multiple of 32.
    """
    m = as_model(z, n, spectrum, node_x, pi, sigma2_beta, sigma2_zero)
    floor = log_error - 0.5 * np.minimum(np.abs(m.z), BULK_Z) ** 2 / m.sigma2_zero
    reach = np.full(len(m.z), np.inf)
    for k in np.geomspace(0.02, 20, 30):
        value, _ = cumulant(m, np.full(len(m.z), k))
        reach = np.minimum(reach, (value - floor) / k)
    period = (reach + np.abs(m.z)) * np.sqrt(m.n.max() / m.n)
    return int(32 * np.ceil(np.sqrt(DECAY / m.sigma2_zero) * period.max() / (2 * np.pi) / 32))
