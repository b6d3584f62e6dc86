r"""The paper's fast model: each z-score a mixture of two Gaussians with the second and fourth
moments of the exact model (Frei et al 2019, eq. 5).

The genetic part delta_j = sqrt(n_j) sum_i sqrt(H_i) r_ij beta_i is, given the components of the
partners, Gaussian of variance n_j sum_i x_ij sigma2_c(i). With mu = sum_c pi_c sigma2_c and v =
sum_c pi_c sigma2_c^2 - mu^2 (mean and variance of a partner's sigma2), m1 = sum_i x_ij and m2 =
sum_i x_ij^2,

    A = E[delta^2] = n m1 mu,    B = E[delta^4] - 3 A^2 = 3 n^2 m2 v.

A part without genetic effect of weight B / (B + 3 A^2) and a Gaussian of variance A + B / (3 A) for
the rest have these moments. The two moments of the partners' strengths come from the LD spectrum
(`spectrum_moments`) or from the pairs themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def spectrum_moments(
    spectrum: ArrayLike, node_x: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First two moments of the partners' strengths, from the LD spectrum.

    Parameters
    ----------
    spectrum
        (J, K) LD spectrum S_jk.
    node_x
        (K,) strengths of its nodes.

    Returns
    -------
    tuple of numpy.ndarray
        (J,) m1 = sum_i x_ij = sum_k S_jk (the H-weighted LD score) and (J,) m2 = sum_i x_ij^2 =
        sum_k S_jk x_k.
    """
    s = np.asarray(spectrum, dtype=np.float64)
    return s.sum(axis=-1), s @ np.asarray(node_x, dtype=np.float64)


def fast_log_likelihood(
    z: Any, n: Any, m1: Any, m2: Any, pi: Any, sigma2_beta: Any, sigma2_zero: Any
) -> Any:
    """Log density of every z-score under the fast model, as a PyTensor expression.

    Parameters
    ----------
    z, n
        (J,) z-scores and sample sizes (arrays or tensors).
    m1, m2
        (J,) moments of the partners' strengths, as `spectrum_moments` gives them; where m1 is 0 the
        variant has no genetic part.
    pi, sigma2_beta
        Share of variants and variance of effects: scalars, or (C,) for several causal components.
    sigma2_zero
        Variance of z without genetic effects.

    Returns
    -------
    pytensor.tensor.TensorVariable
        (J,) log p_j(z_j). Smooth at pi = 1, where it is exact.

    References
    ----------
    Frei et al (2019), Nature Communications 10:2417, eq. 5.
    """
    import pytensor.tensor as pt

    z, n, m1, m2 = (
        pt.as_tensor_variable(np.asarray(a, np.float64) if isinstance(a, list | np.ndarray) else a)
        for a in (z, n, m1, m2)
    )
    p = pt.atleast_1d(pt.as_tensor_variable(pi))
    s = pt.atleast_1d(pt.as_tensor_variable(sigma2_beta))
    mu = (p * s).sum()
    v = (p * s**2).sum() - mu**2
    # clumping: excess variance relative to A^2; everything is finite where m1 = 0
    some = pt.gt(m1, 0)
    clumping = pt.switch(some, m2 / pt.switch(some, m1, 1.0) ** 2, 0.0) * v / mu**2
    variance = n * m1 * mu * (1 + clumping)
    causal = 1 / (1 + clumping)
    total = sigma2_zero + variance
    log_causal = -0.5 * (z**2 / total + pt.log(2 * np.pi * total))
    # density of the other part relative to this one: never above sqrt(total / sigma2_zero)
    ratio = pt.exp(-0.5 * (z**2 * variance / (sigma2_zero * total) - pt.log(total / sigma2_zero)))
    return log_causal + pt.log(causal + clumping * causal * ratio)
