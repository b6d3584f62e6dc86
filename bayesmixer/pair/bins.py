"""Bins of alike variants of two traits (docs/ideas/binned.md): a few thousand mean variants in
place of a million.

Alike are variants whose z lie close along the density's own axes, and whose characteristic
functions are alike along these and between them. A variant and its mirror image (both z of the
other sign) have one density, so that they share a bin.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.bound import Bound
from bayesmixer.mixer.bins import of_label
from bayesmixer.ops.binned import FREQUENCIES, PHI_SCALE, Z_SPREAD, partition
from bayesmixer.ops.pair_evaluate import tables
from bayesmixer.ops.pair_lattice import axes
from bayesmixer.pair.laid_out import pair_data
from bayesmixer.variables import evaluated

Array = NDArray[np.float64]

DIRECTIONS = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, -1.0]])
AXES = 5  # principal axes of the characteristic function to split along
PER_TRAIT = 4  # bins for each of one trait's: as many more as a second z asks for
LARGEST = 30.0  # z^2 from which a bin's LD matters no more than there


def bins(bound: Bound, there: xr.Dataset, number: int) -> xr.Dataset:
    """GwasData of bins for a model of two traits near a point.

    Parameters
    ----------
    bound
        The model.
    there
        What it reports at the point (one chain, one draw).
    number
        Number of bins of one trait, which stands for `PER_TRAIT` times as many.

    Returns
    -------
    xarray.Dataset
        GwasData of two traits, all in one LD block: `weight` sums of weights, `z` means after one
        of each pair of mirror images was turned (NaN where the bin's variants were not seen in a
        trait), `n` means, `spectrum` and `ld_score_h` means weighted by the geometric mean of n.
    """
    data, censor = bound.data, bound.options.get("censor")
    v = pair_data(data, censor)
    n = np.where(v.seen, v.n, v.n_ref)
    size = np.sqrt(n.prod(1))
    pi, gamma, sigma_0 = _mixture(there, v.n_ref)
    a = axes(sigma_0, pi @ gamma)
    z = np.where(v.seen, v.z, 0.0)
    sign = np.where(np.where(v.seen.all(1), z @ a[:, 0], z.sum(1)) < 0, -1.0, 1.0)
    z *= sign[:, None]
    place = np.where(v.seen.all(1)[:, None], z @ a, z)
    s = (FREQUENCIES[:, None, None] * (DIRECTIONS @ a.T)).reshape(-1, 2)
    table = tables(s, v.node_x, pi, gamma, sigma_0, False)[0]
    exponent = (v.spectrum @ table[:, : v.node_x.size].T.astype(v.spectrum.dtype)).astype(float)
    exponent *= (size / np.sqrt(v.n_ref.prod()))[:, None]
    away = np.exp(exponent + table[:, v.node_x.size :].sum(1))
    away -= np.average(away, axis=0, weights=v.weight)
    _, turn = np.linalg.eigh((away * v.weight[:, None]).T @ away / v.weight.sum())
    scores = away @ turn[:, ::-1][:, :AXES]
    far = np.minimum((place**2).sum(1) / 2, LARGEST)
    scores *= PHI_SCALE / np.sqrt(2) * np.sqrt(0.5 + 0.5 * far)[:, None]
    spread = Z_SPREAD * np.arcsinh(place / Z_SPREAD)
    unlike = np.log(n / v.n_ref)  # beside what its exponent says: errors differ as well
    group = v.seen @ np.array([1, 2]) + 4 * v.exceeds.astype(np.int64)
    label = partition(
        np.column_stack([spread, scores, unlike]), v.weight, PER_TRAIT * number, group
    )
    used = evaluated(data)[v.variant]
    folded = data["z"].values.copy()
    folded[used] *= sign[:, None]  # NaN where a trait was not seen
    return of_label(data.assign(z=(data["z"].dims, folded)), used, label, v.weight, size)


def _mixture(there: xr.Dataset, n_ref: Array) -> tuple[Array, Array, Array]:
    """(C,) weights, (C, 3) variances and covariance of the components in units of z, and (3,) of
    the errors, at the point; effects of all variants where the model has no polygenicity.
    """
    at = {name: there[name].values[0, 0] for name in there.data_vars}
    e1, e2 = at["sigma2_0"]
    sigma_0 = np.array([e1, e2, at["rho_0"] * np.sqrt(e1 * e2)])
    scale = np.array([*n_ref, np.sqrt(n_ref.prod())])
    s1, s2 = at["sigma2_beta"]
    if "pi_shared" not in at:
        return np.ones(1), np.array([[s1, s2, at["rg"] * np.sqrt(s1 * s2)]]) * scale, sigma_0
    shared = at["rho_beta"] * np.sqrt(s1 * s2)
    pi = np.array([*np.maximum(at["pi"] - at["pi_shared"], 0.0), at["pi_shared"]])
    return pi, np.array([[s1, 0, 0], [0, s2, 0], [s1, s2, shared]]) * scale, sigma_0
