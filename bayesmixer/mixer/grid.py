"""The fixed grid of effect variances of the scale mixture, and where its search starts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.arguments import whole_number
from bayesmixer.bound import Bound
from bayesmixer.errors import InputError
from bayesmixer.mixer.laid_out import h_total, largest_n
from bayesmixer.mixer.starts import mixer_starts

COMPONENTS = 8
WEAKEST, STRONGEST = 0.3, 1000.0  # what an effect adds to its variant's z^2


def grid_of_variances(
    data: xr.Dataset, components: int | None, grid: list[float] | None
) -> NDArray[np.float64]:
    """The grid (C,): the given one, checked, or one evenly spaced in its logarithm.

    Raises
    ------
    InputError
        Fewer than two components, variances that are not rising positive numbers, or both given.
    """
    if grid is not None:
        if components is not None:
            raise InputError("components", "given beside grid, expected one of them", "Drop one.")
        try:
            given = np.asarray(grid, float)
        except (TypeError, ValueError):
            given = np.empty(0)
        rising = given.ndim == 1 and given.size > 1 and np.isfinite(given).all()
        if not (rising and given[0] > 0 and (np.diff(given) > 0).all()):
            raise InputError("grid", f"{grid!r}, expected two or more rising positive variances")
        return given
    components = whole_number("components", COMPONENTS if components is None else components, 2)
    h = data["h_bin_value"].values.astype(float)
    mean_h = float(np.average(h, weights=data["h_bin_count"].values.astype(float)))
    largest = largest_n(data)
    return np.geomspace(WEAKEST, STRONGEST, components) / (largest * mean_h)


def starts(bound: Bound) -> list[dict[str, Any]]:
    """Weights spread about the one Gaussian that the scan along pi likes best, h2 kept."""
    best = mixer_starts(bound)[0]
    variance = np.asarray(bound.options["grid"])
    pi = 1 / (1 + math.exp(-best["logit_pi"]))
    centre = math.exp(best["log_h2"]) / (pi * h_total(bound.data))
    shares = np.exp(-0.5 * (np.log(variance / centre) / 1.5) ** 2) + 1e-3
    weights = math.exp(best["log_h2"]) * shares / shares.sum() / (variance * h_total(bound.data))
    weights = weights * min(1.0, 0.5 / weights.sum())
    logs = np.log(np.concatenate([[1 - weights.sum()], weights]))
    # the unconstrained scale of PyMC's simplex transform
    return [
        {
            "effect_weights_simplex__": logs[:-1] - logs.mean(),
            "log_sigma2_0": best["log_sigma2_0"],
        }
    ]
