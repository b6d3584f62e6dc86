"""exp, cos and sin of whole arrays without branches, so that the compiler vectorises them: range
reduction and Taylor polynomials, to about 1e-15.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

# infinities and NaN must keep their meaning (a rejected step), so not plain fastmath
FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}


ROUND = 1.5 * 2.0**52  # j + ROUND holds the integer j in its last bits


@intrinsic
def _bits_of(typing_context: Any, x: Any) -> Any:
    """The bits of a float64 as an int64, in its register: through memory loops would come apart."""

    def made(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], ir.IntType(64))

    return types.int64(types.float64), made


@intrinsic
def _of_bits(typing_context: Any, x: Any) -> Any:
    """The float64 of the bits of an int64."""

    def made(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], ir.DoubleType())

    return types.float64(types.int64), made


@intrinsic
def times_power_of_two(typing_context: Any, y: Any, t: Any) -> Any:
    """y 2^j of floats of one precision; the last bits of t hold the integer j."""
    width, fraction = {types.float32: (32, 23), types.float64: (64, 52)}[y]

    def made(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        whole = ir.IntType(width)
        one, power = (builder.bitcast(v, whole) for v in values)
        moved = builder.shl(power, ir.Constant(whole, fraction))
        return builder.bitcast(builder.add(one, moved), values[0].type)

    return y(y, y), made


@nb.njit(fastmath=FAST, nogil=True, forceinline=True)
def power_of_two(j):
    """2^j of a whole number j as a float, -1022 to 1023: few processors convert vectors of floats
    to integers.
    """
    return _of_bits((_bits_of(j + ROUND) + 1023) << 52)


@nb.njit(fastmath=FAST, nogil=True, forceinline=True)
def exponential(x):
    """exp(x) of one number, to 1e-13; beyond 700 and below -700 that of 700 and -700."""
    v = max(min(x, 700.0), -700.0)
    j = np.floor(v * 1.4426950408889634 + 0.5)
    r = v - j * 0.6931471805599453
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
    return (y * r + 1.0) * power_of_two(j)


@nb.njit(fastmath=FAST, nogil=True, forceinline=True)
def cos_sin(angle):
    """cos and sin of one number."""
    j = np.floor(angle * 0.3183098861837907 + 0.5)
    r = (angle - j * 3.141592653589793) - j * 1.2246467991473532e-16
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
    x = 1 / 2432902008176640000.0
    x = x * u - 1 / 6402373705728000.0
    x = x * u + 1 / 20922789888000.0
    x = x * u - 1 / 87178291200.0
    x = x * u + 1 / 479001600.0
    x = x * u - 1 / 3628800.0
    x = x * u + 1 / 40320.0
    x = x * u - 1 / 720.0
    x = x * u + 1 / 24.0
    x = x * u - 0.5
    return sign * (1.0 + u * x), sign * (r + r * u * y)


@nb.njit(fastmath=FAST, nogil=True, cache=True)
def exp_cos_sin(x, angle, e, c, s, m):
    """e = exp(x), c = cos(angle), s = sin(angle) over the first m entries, without branches."""
    for i in range(m):
        v = max(min(x[i], 700.0), -700.0)
        j = np.floor(v * 1.4426950408889634 + 0.5)
        r = (v - j * 0.693147180369123816490) - j * 1.90821492927058770002e-10
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
        e[i] = (y * r + 1.0) * power_of_two(j)
    for i in range(m):
        c[i], s[i] = cos_sin(angle[i])
