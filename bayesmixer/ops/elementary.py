"""exp, cos and sin of whole arrays without branches, so that the compiler vectorises them: range
reduction and Taylor polynomials, to about 1e-15.
"""

from __future__ import annotations

import numba as nb
import numpy as np

# infinities and NaN must keep their meaning (a rejected step), so not plain fastmath
FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def exp_cos_sin(x, angle, e, c, s, m):
    """e = exp(x), c = cos(angle), s = sin(angle) over the first m entries, without branches."""
    bits = np.empty(m, np.int64)
    pow2 = bits.view(np.float64)
    for i in range(m):
        v = max(min(x[i], 700.0), -700.0)
        j = np.floor(v * 1.4426950408889634 + 0.5)
        r = (v - j * 0.693147180369123816490) - j * 1.90821492927058770002e-10
        bits[i] = (np.int64(j) + 1023) << 52
        y = 1 / 6227020800.0
        y = y * r + 1 / 479001600.0
        y = y * r + 1 / 39916800.0
        y = y * r + 1 / 3628800.0
        y = y * r + 1 / 362880.0
        y = y * r + 1 / 40320.0
        y = y * r + 1 / 5040.0
        y = y * r + 1 / 720.0
        y = y * r + 1 / 120.0
        y = y * r + 1 / 24.0
        y = y * r + 1 / 6.0
        y = y * r + 0.5
        y = y * r + 1.0
        e[i] = y * r + 1.0
    for i in range(m):
        e[i] *= pow2[i]
    for i in range(m):
        j = np.floor(angle[i] * 0.3183098861837907 + 0.5)
        r = (angle[i] - j * 3.141592653589793) - j * 1.2246467991473532e-16
        sign = 1.0 - 2.0 * np.float64(np.int64(j) & 1)
        u = r * r
        y = -1 / 121645100408832000.0
        y = y * u + 1 / 355687428096000.0
        y = y * u - 1 / 1307674368000.0
        y = y * u + 1 / 6227020800.0
        y = y * u - 1 / 39916800.0
        y = y * u + 1 / 362880.0
        y = y * u - 1 / 5040.0
        y = y * u + 1 / 120.0
        y = y * u - 1 / 6.0
        s[i] = sign * (r + r * u * y)
        y = 1 / 2432902008176640000.0
        y = y * u - 1 / 6402373705728000.0
        y = y * u + 1 / 20922789888000.0
        y = y * u - 1 / 87178291200.0
        y = y * u + 1 / 479001600.0
        y = y * u - 1 / 3628800.0
        y = y * u + 1 / 40320.0
        y = y * u - 1 / 720.0
        y = y * u + 1 / 24.0
        y = y * u - 0.5
        c[i] = sign * (1.0 + u * y)


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def exponential(x, bits, m):
    """x = exp(x) over the first m entries, without branches, to 1e-13; `bits` (m,) int64 is
    scratch.
    """
    pow2 = bits.view(np.float64)
    for i in range(m):
        v = max(min(x[i], 700.0), -700.0)
        j = np.floor(v * 1.4426950408889634 + 0.5)
        r = v - j * 0.6931471805599453
        bits[i] = (np.int64(j) + 1023) << 52
        y = 1 / 39916800.0
        y = y * r + 1 / 3628800.0
        y = y * r + 1 / 362880.0
        y = y * r + 1 / 40320.0
        y = y * r + 1 / 5040.0
        y = y * r + 1 / 720.0
        y = y * r + 1 / 120.0
        y = y * r + 1 / 24.0
        y = y * r + 1 / 6.0
        y = y * r + 0.5
        y = y * r + 1.0
        x[i] = y * r + 1.0
    for i in range(m):
        x[i] *= pow2[i]
