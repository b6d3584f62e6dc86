"""Effects that stand for their neighbours: the strongest significant one of each locus, and random
ones to learn from, far from each other or not in LD.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.arguments import fraction
from bayesmixer.errors import InputError
from bayesmixer.mash.forced_signs import check_posterior

if TYPE_CHECKING:
    import pandas as pd

Index = NDArray[np.intp]
Near = Callable[[int], Any]
DISTANCE = 500_000
R2 = 0.1


def thinned(
    effects: xr.Dataset, *, distance: float | None = None, reference: Any = None, r2: float = R2,
    order: Any = None, seed: int = 0,
) -> Index:  # fmt: skip
    """Positions of effects in random order of which none is near one kept before, ascending.

    Parameters
    ----------
    effects
        With coordinates `chrom` and `pos`, as `read_gwas` returns them; or named by a reference's
        identifiers.
    distance
        Base pairs, within which two are near; 500 kb where there is no reference.
    reference
        LD reference, by which two are near whose r^2 is at least `r2` (0.1 or more); effects that
        it does not have are left out.
    r2
        Of the reference.
    order
        Positions of effects, the ones to keep first; all in random order without.
    seed
        Of that.

    Raises
    ------
    InputError
        Neither positions nor a reference.
    """
    n = effects.sizes["effect"]
    order = np.random.default_rng(seed).permutation(n) if order is None else np.asarray(order)
    near, known = _near(effects, distance, reference, r2)
    return np.sort(_apart(order[known[order]], near, n))


def loci(
    posterior: xr.Dataset, *, threshold: float = 0.05, distance: float | None = None,
    reference: Any = None, r2: float = R2, known: Iterable[str | os.PathLike[str]] = (),
    known_distance: float = DISTANCE,
) -> pd.DataFrame:  # fmt: skip
    """The strongest called effect of each locus, those near it taken off.

    Parameters
    ----------
    posterior
        What `bayesmixer.mash.posterior` made of effects with coordinates `chrom` and `pos`, or
        named by a reference's identifiers.
    threshold
        Called: a local false sign rate below it in some condition.
    distance, reference, r2
        As in `thinned`: what is near.
    known
        Loci to leave out: "6:25000000-35000000", or paths of BED files; with what lies within
        `known_distance` base pairs of them.
    known_distance
        Base pairs.

    Returns
    -------
    pandas.DataFrame
        A row a locus, the strongest first (smallest lfsr, then largest |mean| / sd): `effect`,
        `chrom`, `pos` where they are known, `lfsr` (smallest), `condition` (where), `n_conditions`
        in which it is called, `conditions`, `n_near` (other called effects near it).

    Raises
    ------
    InputError
        Neither positions nor a reference, or known loci without positions.
    """
    import pandas as pd

    posterior = check_posterior(posterior)
    threshold = fraction("threshold", threshold)
    lfsr = posterior["lfsr"].values
    least = lfsr.min(1)
    called = least < threshold
    if known := list(known):
        called &= ~_within(posterior, known, known_distance)
    near, there = _near(posterior, distance, reference, r2)
    rows = np.flatnonzero(called & there)
    sd = posterior["sd"].values[rows]
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.nanmax(np.abs(posterior["mean"].values[rows]) / np.where(sd > 0, sd, np.nan), 1)
    order = rows[np.lexsort((-size, least[rows]))]
    kept = _apart(order, near, len(called))
    names = posterior["condition"].values.astype(str)
    place = [c for c in ("chrom", "pos") if c in posterior.coords]
    chosen = called & there
    out = []
    for i in kept:
        below = lfsr[i] < threshold
        out.append(
            {
                "effect": str(posterior["effect"].values[i]),
                **{c: posterior[c].values[i] for c in place},
                "lfsr": least[i],
                "condition": names[int(lfsr[i].argmin())],
                "n_conditions": int(below.sum()),
                "conditions": ", ".join(names[below]),
                "n_near": int(chosen[near(i)].sum()) - 1,
            }
        )
    columns = ["effect", *place, "lfsr", "condition", "n_conditions", "conditions", "n_near"]
    return pd.DataFrame(out, columns=columns)


def _apart(order: Index, near: Near, n: int) -> Index:
    """Of positions in this order those that are not near one kept before."""
    gone = np.zeros(n, dtype=bool)
    kept = []
    for i in order:
        if not gone[i]:
            kept.append(i)
            gone[near(int(i))] = True
    return np.array(kept, dtype=np.intp)


def _near(
    data: xr.Dataset, distance: float | None, reference: Any, r2: float
) -> tuple[Near, NDArray[np.bool_]]:
    """What is near an effect, itself too, and for which effects that is known."""
    placed = {"chrom", "pos"} <= set(data.coords)
    if reference is not None:
        fraction("r2", r2)
        by_ld, known = _by_reference(data, reference, r2)
        if distance is None or not placed:
            return by_ld, known
        by_place = _by_place(data, distance)
        return lambda i: np.union1d(by_ld(i), by_place(i)), known
    if not placed:
        found = "neither coordinates chrom and pos nor a reference"
        raise InputError("effects", found, "Read them with bm.mash.read_gwas, or assign_coords.")
    return _by_place(data, DISTANCE if distance is None else distance), np.ones(
        data.sizes["effect"], dtype=bool
    )


def _by_place(data: xr.Dataset, distance: float) -> Near:
    if not distance >= 0:
        raise InputError("distance", f"{distance!r}, expected base pairs")
    chrom = np.unique(data["chrom"].values.astype(str), return_inverse=True)[1]
    pos = data["pos"].values.astype(np.int64)
    order = np.lexsort((pos, chrom))
    # one axis for all chromosomes, too far apart to be near
    far = int(pos.max(initial=0)) + int(distance) + 1
    place = chrom.astype(np.int64) * far * 2 + pos
    along = place[order]

    def near(i: int) -> Any:
        first = np.searchsorted(along, place[i] - distance)
        return order[first : np.searchsorted(along, place[i] + distance, side="right")]

    return near


def _by_reference(data: xr.Dataset, reference: Any, r2: float) -> tuple[Near, NDArray[np.bool_]]:
    import polars as pl

    from bayesmixer.ld.align_inputs import chromosomes_of
    from bayesmixer.ldsc.panel import rows_in

    n = data.sizes["effect"]
    names = pl.Series(data["effect"].values.astype(str))
    group, row = np.full(n, -1), np.full(n, -1)
    graphs, back = [], []
    for k, (name, ds) in enumerate(chromosomes_of(reference)[1].items()):
        if "neighbour_indptr" not in ds:
            raise InputError(
                f"reference, chromosome {name}", "no neighbours in it", "Give an LD reference."
            )
        snp = pl.Series(ds["snp"].values.astype(str))
        found = rows_in(names, snp)
        group[found >= 0], row[found >= 0] = k, found[found >= 0]
        place = np.full(len(snp), -1)
        place[found[found >= 0]] = np.flatnonzero(found >= 0)
        graphs.append(tuple(ds[f"neighbour_{x}"].values for x in ("indptr", "index", "r2")))
        back.append(place)

    def near(i: int) -> Any:
        indptr, index, value = graphs[group[i]]
        part = slice(indptr[row[i]], indptr[row[i] + 1])
        found = back[group[i]][index[part][value[part] >= r2]]
        return np.r_[i, found[found >= 0]]

    return near, group >= 0


def _within(data: xr.Dataset, known: list[Any], distance: float) -> NDArray[np.bool_]:
    """Effects in or near known loci."""
    import polars as pl

    from bayesmixer.io.regions import Regions, _parse

    if not {"chrom", "pos"} <= set(data.coords):
        raise InputError("known", "given for effects without coordinates chrom and pos")
    wide = [
        f"{chrom}:{max(1, int(first - distance))}-{int(last + distance)}"
        for one in known
        for chrom, first, last in _parse(one)
    ]
    chrom = pl.Series(data["chrom"].values.astype(str))
    inside = Regions(wide).contains(chrom, pl.Series(data["pos"].values.astype(np.int64)))
    return np.asarray(inside.to_numpy())
