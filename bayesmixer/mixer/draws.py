"""z-scores drawn from what a MiXeR model predicts of each variant, and the true effects from which
a panel's LD makes others.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.ld.exponents import exponents
from bayesmixer.mixer.prediction import Parameters, at_fitted_s, fitted_s, parameters
from bayesmixer.mixer.predictive import Z_MAX, cumulative

Floats = NDArray[np.float64]
GRID = np.concatenate([np.arange(0, 6, 0.1), np.arange(6, Z_MAX + 0.1, 0.25)])
_CHUNK = 20_000


def parameters_of(
    results: xr.DataTree, data: xr.Dataset, draws: int
) -> tuple[xr.Dataset, Parameters, float]:
    """The data at one S, the parameters of so many draws at it, and S."""
    one = at_fitted_s(data, results)
    s = fitted_s(results)
    return one, parameters(results, draws, one), float(exponents(data)[0]) if s is None else s


def independent(
    results: xr.DataTree, data: xr.Dataset, draws: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draws of z, (draw, variant), of each variant by itself: by inversion of P(|Z_j| <= z), whose
    sign is a coin's; |z| beyond 12 counts as 12.
    """
    one, p, _ = parameters_of(results, data, draws)
    n = np.asarray(one["n"], float).ravel()
    spectrum, node_x = np.asarray(one["spectrum"]), np.asarray(one["node_x"], float)
    out = np.empty((len(p), n.size), np.float32)
    for first in range(0, n.size, _CHUNK):
        rows = slice(first, first + _CHUNK)
        at = np.broadcast_to(GRID, (len(n[rows]), GRID.size))
        for i in range(len(p)):
            below = cumulative(n[rows], spectrum[rows], node_x, p.draw(i), at)
            out[i, rows] = inverted(below, rng)
    return out


def inverted(below: Floats, rng: np.random.Generator) -> Floats:
    """Signed draws (J,) from distributions of |z| on `GRID`, (J, T)."""
    u = rng.random(len(below))
    k = np.clip((below < u[:, None]).sum(1), 1, GRID.size - 1)
    row = np.arange(len(below))
    low, high = below[row, k - 1], below[row, k]
    share = np.clip((u - low) / np.maximum(high - low, 1e-300), 0.0, 1.0)
    size = GRID[k - 1] + share * (GRID[k] - GRID[k - 1])
    return np.asarray(np.where(rng.random(len(below)) < 0.5, -size, size))


def architectures(
    results: xr.DataTree, data: xr.Dataset, draws: int
) -> list[tuple[Floats, Floats, float, float]]:
    """pi (C,), sigma2_beta (C,) at H = 1, sigma2_0 and S of so many draws."""
    one, p, s = parameters_of(results, data, draws)
    scale = float(one.attrs.get("strength_scale", 1.0))
    return [(pi, beta * scale, zero, s) for pi, beta, zero in map(p.draw, range(len(p)))]
