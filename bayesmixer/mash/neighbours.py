"""Called effects whose neighbours speak against them: two variants near each other, called in one
condition with signs that their LD does not allow.

mash takes effects one by one. Two variants in LD estimate one effect twice, so that signs which
contradict their correlation mean that one call is wrong, or that there are two effects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayesmixer.arguments import fraction
from bayesmixer.errors import InputError
from bayesmixer.mash.forced_signs import check_posterior

if TYPE_CHECKING:
    import pandas as pd

WITHIN = 100_000
R = 0.5


def opposed(
    posterior: xr.Dataset,
    *,
    chrom: Any = None,
    pos: Any = None,
    ld: Any = None,
    group: Any = None,
    within: float = WITHIN,
    least_r: float = R,
    threshold: float = 0.05,
) -> pd.DataFrame:
    """Pairs of neighbouring effects that are called with contradicting signs in one condition.

    Parameters
    ----------
    posterior
        What `bayesmixer.mash.posterior` returned.
    chrom, pos
        (effect) chromosome and position of each effect, where the posterior does not hold them as
        coordinates.
    ld
        (effect, effect) correlation r of the genotypes, with its sign for the alleles that the
        effects are of; dense or sparse. Without, near effects of opposite sign are listed, whose LD
        may well allow it: alleles must be coded so that most r are above 0.
    group
        (effect) what effects are on (genes): those on different things are not compared.
    within
        Base pairs up to which two effects are neighbours; of ld alone it does not matter.
    least_r
        |r| from which two effects must agree.
    threshold
        Called: a local false sign rate below it.

    Returns
    -------
    pandas.DataFrame
        A row a pair: `effect`, `neighbour`, `conditions` (names, with commas between), `distance`
        (base pairs) and `r`, NaN where not known.

    Raises
    ------
    InputError
        Neither positions nor LD, or of another length than the effects.
    """
    import pandas as pd

    posterior = check_posterior(posterior)
    fraction("threshold", threshold)
    n = posterior.sizes["effect"]
    chrom, pos = (_column(posterior, name, x, n) for name, x in (("chrom", chrom), ("pos", pos)))
    if pos is None and ld is None:
        raise InputError("pos", "neither positions nor ld", "Give chrom and pos, or ld.")
    if ld is not None and tuple(ld.shape) != (n, n):
        raise InputError("ld", f"of shape {tuple(ld.shape)}, expected {(n, n)}")
    of = None if group is None else _column(posterior, "group", group, n)
    called = posterior["lfsr"].values < threshold
    rows = np.flatnonzero(called.any(1))
    sign = np.where(called, np.sign(posterior["mean"].values), 0)
    names = posterior["effect"].values.astype(str)
    conditions = posterior["condition"].values.astype(str)
    found = []
    for i, j in _pairs(rows, chrom, pos, ld, within):
        r = float(ld[i, j]) if ld is not None else np.nan
        if abs(r) < least_r or (of is not None and of[i] != of[j]):
            continue
        against = sign[i] * sign[j] * (np.sign(r) if ld is not None else 1) < 0
        if against.any():
            apart = np.nan if pos is None else abs(float(pos[i]) - float(pos[j]))
            found.append((names[i], names[j], ", ".join(conditions[against]), apart, r))
    return pd.DataFrame(found, columns=["effect", "neighbour", "conditions", "distance", "r"])


def _column(posterior: xr.Dataset, name: str, given: Any, n: int) -> np.ndarray | None:
    if given is None:
        return posterior[name].values if name in posterior.coords else None
    found = np.asarray(given)
    if found.shape != (n,):
        raise InputError(name, f"of shape {found.shape}, expected ({n},), one an effect")
    return found


def _pairs(rows: np.ndarray, chrom: Any, pos: Any, ld: Any, within: float) -> Any:
    """Pairs of called effects to look at, each once."""
    if pos is None:
        if hasattr(ld, "tocoo"):
            some = ld.tocsr()[rows][:, rows].tocoo()
            yield from (
                (rows[a], rows[b]) for a, b in zip(some.row, some.col, strict=True) if a < b
            )
            return
        yield from ((i, j) for k, i in enumerate(rows) for j in rows[k + 1 :])
        return
    place = np.zeros(len(rows), int) if chrom is None else np.unique(chrom, return_inverse=True)[1]
    place = place if chrom is None else place[rows]
    order = np.lexsort((pos[rows], place))
    rows, place = rows[order], place[order]
    at = np.asarray(pos[rows], dtype=np.float64)
    for k in range(len(rows)):
        m = k + 1
        while m < len(rows) and place[m] == place[k] and at[m] - at[k] <= within:
            yield rows[k], rows[m]
            m += 1
