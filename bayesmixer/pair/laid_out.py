"""The weighted variants of a two-trait GwasData as the likelihood takes them."""

from __future__ import annotations

import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.ld.exponents import of_one_s
from bayesmixer.ops.pair_layout import PairData
from bayesmixer.variables import evaluated


def pair_data(data: xr.Dataset, censor: float | None = None) -> PairData:
    """The weighted variants of both traits, as `PairLogLik` takes them: NaN where a trait lacks
    one, which then tells of the other alone.
    """
    used = evaluated(data)
    try:
        return PairData(
            z=data["z"].values[used].astype(float),
            n=data["n"].values[used].astype(float),
            weight=data["weight"].values[used].astype(float),
            spectrum=of_one_s(data, "spectrum")[used],
            node_x=data["node_x"].values,
            ld_block=data["ld_block"].values[used],
            censor=censor,
            n_blocks=int(data["ld_block"].max()) + 1,
        )
    except ValueError as error:
        raise InputError("data", str(error)) from None
