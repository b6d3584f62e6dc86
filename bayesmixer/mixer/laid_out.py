"""The weighted variants of a one-trait GwasData as the likelihoods take them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.ld.exponents import exponents, of_one_s, totals
from bayesmixer.ops.layout import LikelihoodData
from bayesmixer.ops.maf_layout import MafLikelihoodData
from bayesmixer.variables import evaluated


def likelihood_data(
    data: xr.Dataset, censor: float | None = None, n_blocks: int | None = None
) -> LikelihoodData:
    """The weighted variants of a one-trait GwasData of one S, as `MixtureLogLik` takes them;
    `n_blocks` LD blocks where the last ones may hold none.
    """
    spectrum = of_one_s(data, "spectrum")
    return _laid_out(LikelihoodData, data, spectrum, censor=censor, n_blocks=n_blocks)


def maf_likelihood_data(
    data: xr.Dataset, censor: float | None = None, n_blocks: int | None = None
) -> MafLikelihoodData:
    """The same with the spectra of all exponents, as `MafMixtureLogLik` takes them."""
    more = {"censor": censor, "n_blocks": n_blocks, "held": exponents(data)}
    return _laid_out(MafLikelihoodData, data, data["spectrum"].values, **more)


def _laid_out[Layout](
    layout: Callable[..., Layout], data: xr.Dataset, spectrum: Any, **more: Any
) -> Layout:
    """The variants of a one-trait GwasData in a memory layout, what is wrong with them said in one
    line.
    """
    try:
        return layout(
            z=data["z"].values[:, 0],
            n=data["n"].values[:, 0],
            weight=data["weight"].values,
            spectrum=spectrum,
            node_x=data["node_x"].values,
            ld_block=data["ld_block"].values,
            **more,
        )
    except ValueError as error:
        raise InputError("data", str(error)) from None


def largest_n(data: xr.Dataset) -> float:
    """The largest sample size of a weighted variant."""
    return float(data["n"].values[evaluated(data)].max())


def h_total(data: xr.Dataset) -> float:
    """Sum of H^(1+S) over all reference variants, S being that of the data: h2 = pi sigma2_beta
    h_total.
    """
    return totals(data).item()
