"""Bins of alike variants: GwasData of a thousand mean variants in place of a million variants."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.bound import Bound
from bayesmixer.ld.exponents import totals
from bayesmixer.mixer.cards import UNIVARIATE
from bayesmixer.mixer.starts import moments_h2
from bayesmixer.ops.binned import features, partition, weighted_means
from bayesmixer.variables import evaluated

Array = NDArray[np.float64]

GUESS_PI = 0.01  # shape of the effects where a model does not say


def bins(bound: Bound, there: xr.Dataset, number: int) -> xr.Dataset:
    """Bins for a model near a point.

    Parameters
    ----------
    bound
        The model.
    there
        What it reports at the point (one chain, one draw).
    number
        Number of bins.
    """
    return bin_data(
        bound.data, *_mixture(bound, there), bins=number, censor=bound.options.get("censor")
    )


def bin_data(
    data: xr.Dataset,
    pi: Array,
    sigma2_beta: Array,
    sigma2_0: float,
    *,
    bins: int = 1000,
    censor: float | None = None,
) -> xr.Dataset:
    """GwasData of bins of alike variants, from which any model of one trait is built as from
    variants.

    Parameters
    ----------
    data
        GwasData of one trait.
    pi, sigma2_beta, sigma2_0
        (C,), (C,), scalar: the mixture near which the likelihood is needed (it decides which
        variants are alike).
    bins
        Number of bins.
    censor
        |z| from which variants are censored; they get bins of their own.

    Returns
    -------
    xarray.Dataset
        GwasData, dim `variant` of up to `bins` bins: `weight` sums of weights, `z` means of |z|,
        `n` means, `spectrum` and `ld_score_h` means weighted by n; all in one LD block. Attributes
        and `h_bin_*` as in `data`.
    """
    UNIVARIATE.require(data)
    used = evaluated(data)
    weight = data["weight"].values[used].astype(float)
    z = np.abs(data["z"].values[used, 0]).astype(float)
    n, node_x = data["n"].values[used, 0].astype(float), data["node_x"].values.astype(float)
    per_s = data["spectrum"].transpose("variant", "maf_s", "node").values[used]
    total = totals(data)
    group = None if censor is None else (z > censor).astype(np.int64)
    seen = z if censor is None else np.minimum(z, censor)
    # with several S, effects are scaled so that h2 stays
    parts = [
        features(
            seen, n, per_s[:, s], node_x, weight, pi, sigma2_beta * total[0] / total[s], sigma2_0
        )
        for s in range(per_s.shape[1])
    ]
    label = partition(
        np.column_stack([parts[0], *(p[:, 1:] for p in parts[1:])]), weight, bins, group
    )
    # N S is what the exponent is made of, and S its share of N's mean
    return of_label(data.assign(z=abs(data["z"])), used, label, weight, n)


def of_label(
    data: xr.Dataset, used: NDArray[np.int64], label: NDArray[np.int64], weight: Array, n: Array
) -> xr.Dataset:
    """GwasData of bins: weighted means of the variants that bear one label, in one LD block.

    Parameters
    ----------
    data
        GwasData.
    used
        (U,) rows of it that are binned.
    label, weight
        (U,) bin of each, and its weight.
    n
        (U,) sample size: by how much more LD spectra and LD scores weigh.
    """
    size = int(label.max()) + 1
    block: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name, v in data.data_vars.items():
        dims = tuple(map(str, v.dims))
        if "variant" not in dims:
            block[str(name)] = (dims, v.values)
        elif v.dtype.kind != "f":
            blank = (
                np.array([""] * size, object) if v.dtype.kind in "UOT" else np.zeros(size, v.dtype)
            )
            block[str(name)] = (dims, blank)
        else:
            values = v.transpose("variant", ...)
            flat = values.values[used].reshape(used.size, -1)
            by = weight * n if name in ("spectrum", "ld_score_h") else weight
            means = weighted_means(label, by, flat).reshape(size, *values.shape[1:]).astype(v.dtype)
            block[str(name)] = (
                dims,
                xr.DataArray(means, dims=values.dims).transpose(*v.dims).values,
            )
    block["weight"] = (("variant",), np.bincount(label, weight, size))
    return xr.Dataset(
        block,
        coords={c: data[c] for c in data.coords if "variant" not in data[c].dims},
        attrs=dict(data.attrs),
    )


def _mixture(bound: Bound, there: xr.Dataset) -> tuple[Array, Array, float]:
    """(pi, sigma2_beta, sigma2_0) at the mode, as far as the model reports them; else moments and a
    guess.
    """
    h2, zero = moments_h2(bound.data)
    if "sigma2_0" in there and there["sigma2_0"].size == 1:
        zero = there["sigma2_0"].values.item()
    total = float(totals(bound.data)[0])
    pi = np.array([1.0 if bound.card.quantity("pi") is None else GUESS_PI])
    sigma2 = np.array([h2 / (pi[0] * total)])
    if "sigma2_beta" in there:
        found = there["sigma2_beta"].values.ravel()
        found_pi = there["pi"].values.ravel() if "pi" in there else np.ones(found.size)
        if found.size == found_pi.size and found_pi.sum() <= 1 + 1e-9:
            pi, sigma2 = found_pi, found
            if (
                "h2" in there and there["h2"].size == 1
            ):  # whatever S it was said for, on the scale of the first
                sigma2 = sigma2 * there["h2"].values.item() / (pi @ sigma2 * total)
    return pi, sigma2, zero
