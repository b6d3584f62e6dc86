"""Local false sign rates on the log scale, where floats hold them no longer: an effect 38 errors
from 0 has one of 1e-316.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import log_ndtr

from bayesmixer.errors import InputError
from bayesmixer.mash.independent import log_signs as log_signs_alone
from bayesmixer.mash.likelihood import blocks
from bayesmixer.mash.mixture import shares
from bayesmixer.mash.moments import KEPT
from bayesmixer.mash.posteriors import of_fit
from bayesmixer.mash.rows import Index, Rows
from bayesmixer.mash.within import Whitened, Within, within

Array = NDArray[np.float64]


def log_lfsr(fit: xr.DataTree, effects: xr.Dataset) -> xr.DataArray:
    """log10 of the local false sign rate, without underflow.

    Parameters
    ----------
    fit, effects
        As in `bayesmixer.mash.posterior`.

    Returns
    -------
    xarray.DataArray
        (effect, condition), 0 at most.

    Raises
    ------
    InputError
        They do not belong together, or conditions depend on each other.
    """
    rows, mixture, _ = of_fit(fit, effects)
    if "reported" in effects:
        found = "conditions that others determine have no rate on the log scale"
        raise InputError("effects", found, "Leave them out.")
    part_mixture, weighted = mixture.active(KEPT)
    assert part_mixture.weights is not None
    log_weights = np.log(part_mixture.weights)[:, None]
    null = part_mixture.point_mass and weighted[0] == 0
    normal = weighted[(weighted >= part_mixture.point_mass) & (weighted < part_mixture.normals)]
    out, last, whitened = np.empty(rows.b.shape), None, Whitened(rows)
    for part, index, block in blocks(rows, part_mixture):
        whitened.block = index
        if part is not last:
            last = part
            inside = [within(rows, part_mixture, int(at), part, True, whitened) for at in normal]
        likely = block[weighted] + log_weights
        log_share = likely - np.logaddexp.reduce(likely, axis=0)
        if part_mixture.draws is not None:
            with np.errstate(divide="ignore"):
                log_share = np.log(shares(likely, part_mixture.weights, part_mixture.draws))
        # logs of P(< 0), P(> 0), P(= 0)
        logs = np.full((3, len(index), rows.b.shape[1]), -np.inf)
        if null:
            logs[2] = log_share[0][:, None]
        for one, share in zip(inside, log_share[int(null) :], strict=False):
            _add(logs, one, rows, index, share)
        if part_mixture.alone is not None and weighted[-1] == part_mixture.normals:
            own = log_signs_alone(rows, part_mixture.alone, index)
            np.logaddexp(logs, own + log_share[-1][:, None], out=logs)
        out[index] = np.logaddexp(logs[2], np.minimum(logs[0], logs[1])) / np.log(10)
    coords = {name: effects[name].values for name in ("effect", "condition")}
    return xr.DataArray(
        np.minimum(out, 0), dims=("effect", "condition"), coords=coords, name="log10_lfsr"
    )


def _add(logs: Array, one: Within, rows: Rows, index: Index, share: Array) -> None:
    """A component that is a normal, of so much of each row (row)."""
    zero = np.diag(one.u) == 0
    for first in range(0, len(index), one.step):
        part = slice(first, first + one.step)
        known = one.of(rows, index[part])
        z = known.mean / np.sqrt(np.where(zero, 1, known.variance))
        own = share[part, None]
        for into, sign in ((0, -1), (1, 1)):
            tail = np.where(zero, -np.inf, log_ndtr(sign * z) + own)
            logs[into, part] = np.logaddexp(logs[into, part], tail)
        logs[2, part] = np.logaddexp(logs[2, part], np.where(zero, own, -np.inf))
