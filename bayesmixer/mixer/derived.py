"""Quantities that people report, derived from the parameters: numbers of causal variants, and of
those that explain 90% of h2.

A causal variant of heterozygosity H explains H beta^2 with beta ~ N(0, sigma2_c), that is H
sigma2_c chi2_1; where effect variance is proportional to H^S, H^(1+S) stands in place of H. The
variants above a threshold t explain sum_c pi_c sigma2_c sum_H count_H H E[chi2; chi2 > t / (H
sigma2_c)] and number sum_c pi_c sum_H count_H P(chi2 > t / (H sigma2_c)); n90 is their number at
the t that leaves 90% of h2. The distribution of H is the reference panel's own, not a fixed factor
of one panel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
import xarray as xr
from numpy.typing import NDArray
from scipy.special import erfc

from bayesmixer.ld.exponents import exponents

SHARE = 0.9
_GRID = np.linspace(np.log(1e-9), np.log(60.0), 240)  # log of t / max_c sigma2_c


def _bins(
    data: xr.Dataset, s: float | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """H^(1+S) and number of variants of each bin, S being that of the data unless given."""
    h, count = data["h_bin_value"].values.astype(float), data["h_bin_count"].values.astype(float)
    return h[count > 0] ** (1 + (float(exponents(data)[0]) if s is None else s)), count[count > 0]


def n90_fraction_at(data: xr.Dataset, s: Any) -> Any:
    """`n90_fraction` at a symbolic S: the polynomial through nine of its values over the exponents
    of the data (off by less than 3e-4).
    """
    held = exponents(data)
    at = (held.max() + held.min()) / 2 - (held.max() - held.min()) / 2 * np.cos(
        np.pi * np.arange(9) / 8
    )
    t = (2 * s - held.max() - held.min()) / (held.max() - held.min())
    x = (2 * at - held.max() - held.min()) / (held.max() - held.min())
    power = np.polynomial.chebyshev.cheb2poly(
        np.polynomial.chebyshev.chebfit(x, [n90_fraction(data, v) for v in at], 8)
    )
    return sum(float(c) * t**i for i, c in enumerate(power))


def n90_fraction(data: xr.Dataset, s: float | None = None, part: float = SHARE) -> float:
    """Number of variants that explain 90% of h2, or another part of it, as a fraction of the causal
    ones, for one Gaussian component; at S, by default that of the data.

    0.319 for 90% in MiXeR, whatever the panel; here from the panel's heterozygosities.
    """
    h, count = _bins(data, s)
    root = np.sqrt(np.exp(_GRID)[:, None] / h)
    tail = erfc(root / np.sqrt(2))
    share = ((2 * root * np.exp(-(root**2) / 2) / np.sqrt(2 * np.pi) + tail) * h * count).sum(1) / (
        h * count
    ).sum()
    number = (tail * count).sum(1) / count.sum()
    return float(np.interp(part, share[::-1], number[::-1]))


def number_explaining(data: xr.Dataset, pi: Any, sigma2_beta: Any, part: float = SHARE) -> Any:
    """Symbolic number of variants that explain `part` of h2, strongest first, for any number of
    components; pi, sigma2_beta (C,).
    """
    h, count = _bins(data)
    group = np.minimum(
        (np.cumsum(count) / count.sum() * 20).astype(int), 19
    )  # 20 groups of variants suffice
    weight = np.bincount(group, count, minlength=20)
    centre = np.bincount(group, count * h, minlength=20)[weight > 0] / weight[weight > 0]
    weight = weight[weight > 0]
    scale = sigma2_beta / pt.max(sigma2_beta)
    root = pt.sqrt(
        np.exp(_GRID)[:, None, None] / (centre[None, None, :] * scale[None, :, None])
    )  # grid, component, group
    tail = pt.erfc(root / np.sqrt(2))
    explained = (2 * root * pt.exp(-(root**2) / 2) / np.sqrt(2 * np.pi) + tail) * (centre * weight)[
        None, None, :
    ]
    share = (explained * (pi * scale)[None, :, None]).sum((1, 2)) / (
        (pi * scale).sum() * (centre * weight).sum()
    )
    number = (tail * weight[None, None, :] * pi[None, :, None]).sum((1, 2))
    last = pt.clip((share > part).sum() - 1, 0, _GRID.size - 2)  # share falls along the grid
    u = (share[last] - part) / (share[last] - share[last + 1])
    return number[last] + u * (number[last + 1] - number[last])


def effective_polygenicity(data: xr.Dataset, pi: Any, sigma2_beta: Any) -> Any:
    """Symbolic effective polygenicity: 3 M E[h]^2 / E[h^2], h a variant's part of h2 (O'Connor et
    al. 2019, equation 1); the number of causal variants where all explain the same in expectation
    and effects are Gaussian.
    """
    h, count = _bins(data)
    first, second = (count * h).sum(), (count * h**2).sum()
    return first**2 / second * pt.dot(pi, sigma2_beta) ** 2 / pt.dot(pi, sigma2_beta**2)
