"""The exponents S (effect variance proportional to H^S) that a GwasData holds, and the same data at
an S between them.

A sum over partners F(S) = sum_i f(H_i^(1+S) r_ij^2 sigma2) is smooth in S, but the more so the less
a partner's strength moves with S. So spectra are first brought to strengths relative to a variant
of heterozygosity `H_REF`: x' = H^(1+S) r^2 H_REF^(bottom - S), with sigma2_beta H_REF^(S - bottom)
in place of sigma2_beta, and then interpolated by the Lagrange polynomial through the exponents.
`bottom` is the smallest exponent: strengths only grow, so that the nodes of the interpolated
spectra, more of them over a wider range, lie nowhere further apart than those of the spectra held.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.ld.spectrum import X0, check_nodes, moving, nodes

Array = NDArray[np.float64]

H_REF = 1 / 3  # a common variant's, of minor allele frequency 0.21
LEAST = 3  # exponents between which S may be anything
REMEDY = (
    "Build the reference with several: build_reference(..., maf_s=[-1, -0.75, -0.5, -0.25, 0, "
    "0.25]), then align(...)."
)


def exponents(data: xr.Dataset) -> Array:
    """Exponents S of a GwasData, in the order of its spectra.

    Parameters
    ----------
    data
        GwasData.
    """
    return np.asarray(data["maf_s"].values, np.float64)


def totals(data: xr.Dataset) -> Array:
    """H_total of each exponent of `exponents(data)`."""
    return np.asarray(data["h_total"].values, np.float64)


def of_one_s(data: xr.Dataset, name: str) -> NDArray[Any]:
    """Values of `spectrum` (variant, node) or `ld_score_h` (variant,) of data of one exponent S."""
    return np.asarray(data[name].squeeze("maf_s").values)


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def lagrange(held: Array, s: float) -> tuple[Array, Array]:
    """Weights (n,) of the Lagrange polynomial through the exponents `held` (n,) at s, and their
    derivatives in s.
    """
    n = held.size
    weight, slope = np.ones(n), np.zeros(n)
    for i in range(n):
        for j in range(n):
            if j != i:
                factor = 1.0 / (held[i] - held[j])
                slope[i] = (slope[i] * (s - held[j]) + weight[i]) * factor
                weight[i] *= (s - held[j]) * factor
    return weight, slope


def rescaling(held: Array, node_x: Array) -> tuple[Array, Array]:
    """Nodes (K',) for strengths x', and matrices (n, K, K') that bring spectra (J, K) of each
    exponent there: spectra[s] @ matrices[s].

    Raises
    ------
    InputError
        The nodes are not those of `ld.spectrum.nodes`.
    """
    x = np.asarray(node_x, np.float64)
    check_nodes(x, "spectra cannot be interpolated in S", "Make them with ld.spectrum.nodes.")
    scale = H_REF ** (held.min() - held)
    top = float(x[0] * scale.max())
    k = int(
        np.ceil(x.size * np.log1p(top / X0) / np.log1p(x[0] / X0))
    )  # as dense as the nodes held
    return nodes(k, top), moving(scale, x, k, top)


def pick(data: xr.Dataset, s: float) -> xr.Dataset:
    """GwasData of the exponent held that is nearest to `s`, as `align(..., maf_s=..)` would have
    returned it.
    """
    held, total = exponents(data), totals(data)
    if held.size == 1 and np.size(data.attrs.get("h_total", [])) == 1:
        return data
    i = int(np.argmin(np.abs(held - s)))
    one = data.isel(maf_s=[i])
    return one.assign_attrs(h_total=[float(total[i])], maf_s=[float(held[i])])


def is_held(data: xr.Dataset, s: float) -> bool:
    """Whether `s` is one of the exponents of the data."""
    return bool(np.abs(exponents(data) - s).min() < 1e-9)


def between(data: xr.Dataset, s: float, what: str = "maf_s") -> float:
    """`s`, checked to lie within the exponents of the data.

    Raises
    ------
    InputError
        It does not, or it lies between fewer than three exponents.
    """
    held = exponents(data)
    text = ", ".join(f"{v:g}" for v in held)
    if is_held(data, s):
        return float(s)
    if held.size == 1:
        raise InputError(what, f"{s:g}, but the data hold S = {text} only", REMEDY)
    if not held.min() <= s <= held.max():
        raise InputError(
            what,
            f"{s:g}, expected S between {held.min():g} and {held.max():g}, the exponents of "
            "the reference",
            REMEDY,
        )
    if held.size < LEAST:
        raise InputError(
            what,
            f"{s:g}, but the data hold S = {text} only, too few to interpolate between",
            REMEDY,
        )
    return float(s)


def at_exponent(data: xr.Dataset, s: float) -> xr.Dataset:
    """GwasData of one exponent S: picked where the data hold it, else interpolated.

    Parameters
    ----------
    data
        GwasData.
    s
        S, within the exponents of the data.

    Returns
    -------
    xarray.Dataset
        GwasData with `maf_s` of size 1. Where interpolated, it has more nodes, and all strengths
        (`spectrum`, `ld_score_h`, `h_total`) are multiplied by `attrs["strength_scale"]`, which
        divides sigma2_beta and changes nothing else (h2 = pi sigma2_beta h_total).

    Raises
    ------
    InputError
        S outside the exponents of the data, or too few of them.
    """
    between(data, s)
    if is_held(data, s):
        return pick(data, s)
    held = exponents(data)
    weight, scale = lagrange(held, s)[0], float(H_REF ** (held.min() - s))
    node_x, matrices = rescaling(held, np.asarray(data["node_x"].values, np.float64))
    spectrum: Any = 0.0
    for w, of_s, matrix in zip(weight, data["spectrum"].values, matrices, strict=True):
        spectrum = spectrum + w * (of_s @ matrix)
    score = ld_score_weights(data, s) @ np.asarray(data["ld_score_h"].values, np.float64)
    total = float(h_total_at(data, s)) * scale
    one = data.drop_dims("node").isel(maf_s=[0])
    one = one.assign(
        spectrum=(("maf_s", "variant", "node"), spectrum.astype(np.float32)[None]),
        node_x=("node", node_x),
        ld_score_h=(("maf_s", "variant"), (score * scale)[None]),
        h_total=("maf_s", [total]),
    )
    attrs = {"h_total": [total], "maf_s": [float(s)], "strength_scale": scale}
    return one.assign_coords(maf_s=[float(s)]).assign_attrs(attrs)


def ld_score_weights(data: xr.Dataset, s: Any) -> Any:
    """Weights (S,) of the exponents' ld_score_h in that of S, a number or a PyTensor scalar: by the
    polynomial of the scores relative to `H_REF`.
    """
    held = exponents(data)
    return _weights(held, s) * H_REF ** (s - held)


def h_total_at(data: xr.Dataset, s: Any) -> Any:
    """H_total(S) = sum of H^(1+S) over the reference's variants, exact at the exponents held; `s` a
    number or a PyTensor scalar.

    From the histogram of heterozygosities, times the polynomial through what it is off by at the
    exponents held.
    """
    held = exponents(data)
    h = np.asarray(data["h_bin_value"].values, np.float64)
    count = np.asarray(data["h_bin_count"].values, np.float64)
    h, count = h[count > 0], count[count > 0]
    off = np.log(totals(data) / (count * h ** (1 + held[:, None])).sum(1))
    return (count * h ** (1 + s)).sum() * np.exp((_weights(held, s) * off).sum())


def _weights(held: Array, s: Any) -> Any:
    """Lagrange weights (S,) at a number or a PyTensor scalar, as polynomials in the place of S in
    its range: few nodes of a graph.
    """
    low, span = held.min(), max(held.max() - held.min(), 1e-9)
    coefficients = np.linalg.inv(
        np.vander(2 * (held - low) / span - 1, increasing=True)
    )  # row k: of the k-th power
    t = 2 * (s - low) / span - 1
    out: Any = coefficients[-1]
    for row in coefficients[-2::-1]:
        out = out * t + row
    return out
