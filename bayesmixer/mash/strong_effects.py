"""Effects that covariances are learned from: those that are significant somewhere by each condition
on its own, by adaptive shrinkage (Stephens 2017), which is mash in one condition; or the largest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.arguments import choice, fraction, whole_number
from bayesmixer.errors import InputError
from bayesmixer.mash.grid import default_grid
from bayesmixer.mash.learning import learn
from bayesmixer.mash.mixture import Mixture
from bayesmixer.mash.moments import moments
from bayesmixer.mash.rows import Rows, in_condition, rows_of

Array = NDArray[np.float64]


RULES = ("ash", "top", "top_per_gene")
TOP = 2_000


def strong(
    effects: xr.Dataset,
    rule: str = "ash",
    *,
    threshold: float = 0.05,
    n: int = TOP,
    gene: Any = None,
) -> NDArray[np.intp]:
    """Positions of effects to learn covariances from, ascending.

    Parameters
    ----------
    effects
        What `bayesmixer.read_effects` returned.
    rule
        "ash": with a local false sign rate below the threshold in some condition, each condition
        looked at by itself. "top": the n with the largest |z| in any condition. "top_per_gene": of
        each gene the effect with the largest |z|, as Urbut et al. 2019 took eQTLs.
    threshold
        Of the local false sign rate, for "ash".
    n
        How many, for "top"; all there are where there are fewer.
    gene
        (effect) names of genes, for "top_per_gene"; None takes the coordinate `gene`.

    Raises
    ------
    InputError
        These are not effects, an unknown rule, the threshold is no probability, or there are no
        genes.

    References
    ----------
    Urbut et al. 2019, Nature Genetics 51:187.
    """
    choice("rule", rule, RULES)
    threshold = fraction("threshold", threshold)
    rows = rows_of(effects)
    if rule == "ash":
        least = np.ones(len(rows.b))
        for r in range(rows.b.shape[1]):
            index = np.flatnonzero(rows.seen[:, r])
            if not len(index):
                continue
            least[index] = np.minimum(least[index], alone(rows, r, index))
        return np.flatnonzero(least < threshold)
    z = np.max(np.abs(rows.b / rows.s), axis=1, where=rows.seen, initial=0)
    order = np.argsort(-z, kind="stable")
    if rule == "top":
        return np.sort(order[: whole_number("n", n, 1)])
    if gene is None and "gene" not in effects.coords:
        raise InputError("gene", "neither given nor a coordinate of the effects")
    names = np.asarray(effects["gene"].values if gene is None else gene).astype(str)
    if names.shape != z.shape:
        raise InputError("gene", f"of shape {names.shape}, expected {z.shape}, one an effect")
    # the first of each gene in this order
    _, first = np.unique(names[order], return_index=True)
    return np.sort(order[first])


def alone(rows: Rows, condition: int, index: NDArray[np.intp]) -> Array:
    """Local false sign rates in one condition, by a mixture of its own."""
    one = in_condition(rows, condition, index)
    mixture = Mixture(np.ones((1, 1, 1)), default_grid(one), True)
    return moments(one, learn(one, mixture, "nullbiased").mixture).lfsr[:, 0]


def positions(chosen: Any, effects: xr.Dataset) -> NDArray[np.intp]:
    """Positions of effects that somebody chose by position, name or mask, or as other effects.

    Raises
    ------
    InputError
        There are no such effects.
    """
    n = effects.sizes["effect"]
    if isinstance(chosen, xr.Dataset) and "effect" in chosen.coords:
        chosen = chosen["effect"].values
    try:
        given = np.asarray(chosen)
    except (TypeError, ValueError):
        raise InputError("strong", "expected positions, names or a mask of effects") from None
    if not given.size:
        return np.zeros(0, dtype=np.intp)
    if given.dtype == bool:
        if given.shape != (n,):
            raise InputError("strong", f"a mask of shape {given.shape} for {n:,} effects")
        return np.flatnonzero(given)
    if given.ndim != 1:
        raise InputError("strong", "expected positions, names or a mask of effects")
    if given.dtype.kind in "UO":
        place = {str(name): i for i, name in enumerate(effects["effect"].values)}
        lacking = [str(name) for name in given if str(name) not in place]
        if lacking:
            raise InputError("strong", f"no effect is named {lacking[0]!r}")
        return np.array([place[str(name)] for name in given], dtype=np.intp)
    if given.dtype.kind not in "iu" or (len(given) and (given.min() < 0 or given.max() >= n)):
        raise InputError("strong", f"expected positions from 0 to {n - 1:,}")
    return given.astype(np.intp)
