"""Each trait of a pair by itself: its univariate maximum-likelihood fit, and the values that a pair
holds its univariate parameters at.

With them held a trait's totals are the same in every pair, as in Frei et al. 2019, Table 1, where
the univariate fits come first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.bound import Bound
from bayesmixer.errors import InputError
from bayesmixer.identity import check_fit, trait_names
from bayesmixer.mixer.cards import UNIVARIATE
from bayesmixer.mixer.rivals import climb
from bayesmixer.pair.chart import sigmoid
from bayesmixer.variables import OBSERVATIONS

HELD = ("h2", "pi", "sigma2_0")
RANGE = {"h2": (0.0, np.inf), "pi": (0.0, 1.0), "sigma2_0": (0.0, np.inf)}


def alone(data: xr.Dataset, trait: int, censor: float | None = None) -> Bound:
    """One of the traits as univariate MiXeR has it, with weight 0 where it was not seen."""
    rows = OBSERVATIONS["gwas_data"]
    one = data.isel(trait=[trait])
    seen = np.all([np.isfinite(one[name].values[:, 0]) for name in rows.seen], axis=0)
    one = one.assign({rows.weight: one[rows.weight].where(xr.DataArray(seen, dims=rows.row), 0.0)})
    return Bound(UNIVARIATE, "flat", one, _cannot, (), {"censor": censor})


def _cannot(data: xr.Dataset) -> Any:
    raise NotImplementedError("one trait of a pair is climbed directly")


def fitted_alone(data: xr.Dataset, censor: float | None = None) -> dict[str, list[float]]:
    """Univariate maximum-likelihood estimates of both traits: `h2`, `pi`, `sigma2_0`, (2,) each."""
    found = np.array([climb(alone(data, k, censor))[0] for k in (0, 1)])
    return {
        "h2": np.exp(found[:, 1]).tolist(),
        "pi": sigmoid(found[:, 0]).tolist(),
        "sigma2_0": np.exp(found[:, 2]).tolist(),
    }


def apart(bound: Bound, estimate: xr.Dataset) -> xr.Dataset:
    """What each trait's univariate fit says where a pair estimates all together: `h2_univariate`,
    `pi_univariate`, `sigma2_0_univariate` (dim trait), so that a reader sees how far they move.
    """
    if bound.options.get("univariate") != "joint":
        return xr.Dataset()
    found = fitted_alone(bound.data, bound.options.get("censor"))
    return xr.Dataset({f"{name}_univariate": ("trait", found[name]) for name in HELD})


def held_values(
    univariate: Any, data: xr.Dataset, censor: float | None = None
) -> dict[str, list[float]] | None:
    """What `univariate` of a pair's model holds; None where everything is estimated.

    Raises
    ------
    InputError
        It is neither "joint" nor "fixed", nor two fits, nor {"h2": [.., ..], "pi": .., "sigma2_0":
        ..} in their ranges.
    """
    if isinstance(univariate, str):
        if univariate == "fixed":
            return fitted_alone(data, censor)
        if univariate == "joint":
            return None
    elif isinstance(univariate, Mapping):
        return _in_range(univariate)
    elif isinstance(univariate, Sequence) and len(univariate) == 2:
        return _in_range(_of_fits(univariate, trait_names(data)))
    raise InputError(
        "univariate",
        f"{univariate!r}, expected 'joint', 'fixed', two univariate fits, or a mapping of "
        f"{', '.join(HELD)} to two numbers each",
    )


def _of_fits(fits: Sequence[Any], names: list[str]) -> dict[str, NDArray[np.float64]]:
    """The estimates of two univariate fits, in the order of the data's traits."""
    for k, one in enumerate(fits):
        where = f"univariate[{k}]"
        estimate = check_fit(one, where, needs=("estimate",))["estimate"]
        of = str(one.attrs.get("trait", ""))
        if names and of in names and of != names[k]:
            raise InputError(where, f"a fit of {of}, expected one of {names[k]}", "Swap them.")
        if any(name not in estimate or estimate[name].size != 1 for name in HELD):
            raise InputError(where, f"no estimates of {', '.join(HELD)} of one trait in this fit")
    return {name: np.array([float(one["estimate"][name]) for one in fits]) for name in HELD}


def _in_range(values: Mapping[str, Any]) -> dict[str, list[float]]:
    if set(values) != set(HELD):
        raise InputError("univariate", f"names {sorted(values)}, expected {', '.join(HELD)}")
    out = {}
    for name, (low, high) in RANGE.items():
        given = np.asarray(values[name], float)
        if given.shape != (2,) or not ((low < given) & (given <= high)).all():
            raise InputError(
                f"univariate[{name!r}]",
                f"{values[name]!r}, expected two numbers above {low:g}"
                + ("" if np.isinf(high) else f" and at most {high:g}"),
            )
        out[name] = given.tolist()
    return out
