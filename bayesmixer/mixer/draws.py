"""z-scores drawn from what a MiXeR model predicts: of each variant by itself, or through the LD of
a panel.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.ld.exponents import exponents, of_one_s
from bayesmixer.mixer.prediction import Parameters, at_fitted_s, fitted_s, parameters
from bayesmixer.mixer.predictive import Z_MAX, cumulative
from bayesmixer.simulation.effects import Architecture, Component
from bayesmixer.simulation.panel import PanelBlocks, simulate_z

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


def predicted(
    results: xr.DataTree,
    data: xr.Dataset,
    draws: int,
    rng: np.random.Generator,
    panel: PanelBlocks | None = None,
) -> NDArray[np.float32]:
    """Draws of z, (draw, variant), with the parameters of so many draws of a posterior: of each
    variant by itself, or through the LD of a panel.
    """
    if panel is None:
        return independent(results, data, draws, rng)
    return through(panel, results, data, draws, rng)


def independent(
    results: xr.DataTree, data: xr.Dataset, draws: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draws of z, (draw, variant), of each variant by itself: by inversion of P(|Z_j| <= z), whose
    sign is a coin's; |z| beyond 12 counts as 12.
    """
    one, p, _ = parameters_of(results, data, draws)
    n = np.asarray(one["n"], float).ravel()
    spectrum, node_x = of_one_s(one, "spectrum"), np.asarray(one["node_x"], float)
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


def through(
    panel: PanelBlocks,
    results: xr.DataTree,
    data: xr.Dataset,
    draws: int,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """z (draw, variant) through the panel's LD: signal and noise apart, as N is each variant's."""
    row, sign = _matched(panel, data)
    one, p, s = parameters_of(results, data, draws)
    scale = float(one.attrs.get("strength_scale", 1.0))
    root_n = np.sqrt(np.asarray(data["n"], float).ravel())
    out = np.empty((len(p), row.size), np.float32)
    total = Architecture((), s).h_total(panel.heterozygosity) * scale
    for i, (pi, beta, zero) in enumerate(map(p.draw, range(len(p)))):
        kinds = [
            Component(f"component {c}", float(share), (float(share * variance * total),))
            for c, (share, variance) in enumerate(zip(pi, beta, strict=True))
        ]
        silent = [Component(one.name, one.pi, (0.0,)) for one in kinds]
        signal, noise = (
            simulate_z(panel, Architecture(tuple(of), s), [1.0], [variance], rng=rng, show=False)[
                "z"
            ].values[0, :, 0]
            for of, variance in ((kinds, 0.0), (silent, zero))
        )
        out[i] = sign * (root_n * signal[row] + noise[row])
    return out


def _matched(panel: PanelBlocks, data: xr.Dataset) -> tuple[NDArray[np.int64], Floats]:
    """Rows of the panel that the variants are, and the sign of z where other alleles count."""
    place = {str(name): i for i, name in enumerate(panel.variants["snp"])}
    names = data["snp"].values.astype(str)
    row = np.array([place.get(name, -1) for name in names], np.int64)
    if (row < 0).any():
        raise InputError(
            "panel",
            f"lacks {int((row < 0).sum()):,} of the {row.size:,} weighted variants",
            "Give the panel that the reference was built from.",
        )
    same = panel.variants["a1"].to_numpy().astype(str)[row] == data["a1"].values.astype(str)
    return row, np.where(same, 1.0, -1.0)
