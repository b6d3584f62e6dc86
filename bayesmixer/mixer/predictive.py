r"""What the MiXeR models predict of every variant: P(|Z_j| <= c) at one point of the parameters.

By the cosine transform, P(|Z| <= c) = (2 / pi) int phi_j(s) sin(s c) / s ds, on one grid of
standardised frequencies for all variants (docs/ideas/likelihood.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.bound import Bound
from bayesmixer.ld.exponents import at_exponent, of_one_s
from bayesmixer.mixer.prediction import of_mixture
from bayesmixer.ops.blas import one_blas_thread
from bayesmixer.ops.elementary import FAST, exponential
from bayesmixer.variables import require

Floats = NDArray[np.float64]
Draw = tuple[Floats, Floats, float]

Z_MAX = 12.0  # beyond, |Z| is never for every purpose here
_DECAY = 18.0  # the grid ends where the noise's characteristic function is exp(-18)
_PERIOD = 45.0  # aliases lie at least so far away, in units of the noise's sd
_CHUNK = 512  # variants at a time: what stays in cache


@dataclass(frozen=True)
class Predictive:
    """Distribution of |z| of every variant at one point.

    Attributes
    ----------
    data
        The variants, of one trait and at the S of the point.
    draw
        pi (C,), sigma2_beta (C,), sigma2_0.
    """

    data: xr.Dataset
    draw: Draw

    def cdf(self, at: Floats) -> Floats:
        """P(|Z_j| <= at_jt), (J, T) as `at`; beyond 12, 12 stands in its place."""
        n = np.asarray(self.data["n"], float).ravel()
        node_x = np.asarray(self.data["node_x"], float)
        return cumulative(n, of_one_s(self.data, "spectrum"), node_x, self.draw, at)


def predictive(bound: Bound, there: xr.Dataset) -> Predictive:
    """The prediction of a model at a point.

    Parameters
    ----------
    bound
        The model, with the variants of one trait.
    there
        What it reports at the point.

    Raises
    ------
    InputError
        The data have no spectra.
    """
    require(bound.data, ("spectrum", "node_x"), "predictions need")
    there = reported(bound, there)
    beta = np.asarray(there["sigma2_beta"], float).ravel()
    # without pi every variant is causal
    pi = np.asarray(there["pi"], float).ravel() if "pi" in there else np.ones(beta.size)
    data = bound.data
    if data.sizes["maf_s"] > 1:
        asked = bound.options.get("maf_s")
        data = at_exponent(data, float(there.get("maf_s", 0.0 if asked is None else asked)))
    # strengths at an S between those held are on a scale of their own
    pi, beta = np.broadcast_arrays(pi, beta / data.attrs.get("strength_scale", 1.0))
    return Predictive(data, (pi, beta, float(there["sigma2_0"])))


def reported(bound: Bound, there: xr.Dataset) -> xr.Dataset:
    """What a model reports of its trait, under the names that the MiXeR models have for it."""
    return of_mixture(there, bound.record.get("mixtures"), bound.data)


@nb.njit(cache=True, nogil=True, fastmath=FAST)
def _transform(
    e: Floats, step: float, damp: float, c: Floats, root: Floats, out: Floats, work: Floats
) -> None:
    """out (T, J) = P(|Z_j| <= c_tj) from log phi_j without noise, e (M, J), which is overwritten;
    root = 1 / sqrt(nu), c already times it, and `work` (3, J).
    """
    m, rows = e.shape
    for a in range(1, m):
        s, of_s = a * step, e[a]
        weight = step * 2 / np.pi / s
        for j in range(rows):
            of_s[j] = weight * exponential(of_s[j] - damp * root[j] * root[j] * s * s)
    two_cos, before, now = work[0], work[1], work[2]
    for t in range(c.shape[0]):
        total = out[t]
        for j in range(rows):
            x = step * c[t, j]
            two_cos[j], before[j], now[j] = 2 * np.cos(x), 0.0, np.sin(x)
            total[j] = x / np.pi
        for a in range(1, m):
            of_s = e[a]
            for j in range(rows):
                total[j] += of_s[j] * now[j]
                following = two_cos[j] * now[j] - before[j]
                before[j] = now[j]
                now[j] = following
        for j in range(rows):
            total[j] = min(max(total[j], 0.0), 1.0)


def cumulative(n: Floats, spectrum: NDArray[Any], node_x: Floats, draw: Draw, at: Floats) -> Floats:
    """P(|Z_j| <= at_jt) of every variant under one draw of the parameters, absolute error below
    1e-6.

    Parameters
    ----------
    n, spectrum, node_x
        (J,) sample sizes, (J, K) LD spectra, (K,) strengths at their nodes.
    draw
        pi (C,), sigma2_beta (C,), sigma2_0.
    at
        (J, T) values of |z|; beyond 12 they count as 12.

    Returns
    -------
    numpy.ndarray
        (J, T).
    """
    pi, beta, zero = draw
    top = float(n.max())
    root = np.sqrt(top / n)
    c = np.minimum(at, Z_MAX) * root[:, None]
    sd = np.sqrt(zero)
    step = 2 * np.pi / (_PERIOD * sd * max(1.0, float(root.max()) / 2) + float(c.max()))
    s = step * np.arange(int(np.ceil(np.sqrt(2 * _DECAY) / sd / step)) + 1)
    q = 0.5 * top * beta[:, None] * s**2
    x = node_x[:, None]
    away = np.sum(pi[:, None, None] * np.expm1(-x[None] * q[:, None, :]), axis=0)
    with np.errstate(divide="ignore"):  # log 0 is right: every variant has an effect where pi = 1
        rest = np.log(max(1 - pi.sum(), 0.0))
        whole = np.logaddexp(
            rest, np.logaddexp.reduce(np.log(pi)[:, None, None] - x[None] * q[:, None, :], axis=0)
        )
    mixed = np.where(
        away > -0.5, np.log1p(np.maximum(away, -0.5)), whole
    )  # 1 + away has no digits left near -1
    table = np.where(x > 0, mixed / np.where(x > 0, x, 1.0), -np.sum(pi[:, None] * q, axis=0))
    out = np.empty(at.shape[::-1])
    work = np.empty((3, _CHUNK))
    table = np.ascontiguousarray(table.T)
    with one_blas_thread():
        for first in range(0, len(n), _CHUNK):
            rows = slice(first, first + _CHUNK)
            e = table @ spectrum[rows].astype(float).T
            part = np.empty((len(out), e.shape[1]))
            _transform(e, step, 0.5 * zero, np.ascontiguousarray(c[rows].T), root[rows], part, work)
            out[:, rows] = part
    return np.ascontiguousarray(out.T)
