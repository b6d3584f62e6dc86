"""The part of each variant's LD spectrum that is of its close partners, r^2 above a limit: from the
reference's neighbours, the variant itself among them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.ld.align_inputs import chromosomes_of
from bayesmixer.ld.exponents import exponents
from bayesmixer.ld.scores import NEIGHBOUR_R2
from bayesmixer.ld.spectrum import check_nodes, spectrum_from_pairs
from bayesmixer.variables import require

NEEDS = ("snp", "pos", "heterozygosity", "neighbour_indptr", "neighbour_index", "neighbour_r2")
REMEDY = "Give the reference that the data were aligned to."


def close_partners(
    data: xr.Dataset, reference: str | Path | xr.DataTree, r2_min: float = NEIGHBOUR_R2
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Spectrum and number of the close partners of every variant.

    Parameters
    ----------
    data
        GwasData of one S (`ld.exponents.at_exponent`).
    reference
        What the data were aligned to: its folder, or what `open_reference` returned.
    r2_min
        Plain r^2 in the reference from which a partner is close, at least what the reference keeps
        neighbours from (0.1). Partners are the variants with a row of the reference.

    Returns
    -------
    tuple of numpy.ndarray
        (variant, node) the part of `spectrum` that is of close partners and of the variant itself,
        by the reference's r^2 rule; (variant,) their number, 1 or more.

    Raises
    ------
    InputError
        `r2_min` out of range, a reference without neighbours, or one that lacks variants of the
        data.
    """
    x = np.asarray(data["node_x"].values, float)
    check_nodes(x, "the part of close partners cannot be told", "Align to a built reference.")
    tree, chromosomes = chromosomes_of(reference)
    power = 1 + float(exponents(data)[0])
    scale = float(data.attrs.get("strength_scale", 1.0))
    plain = tree.attrs.get("r2_rule") == "plain"
    chrom = data["chrom"].values.astype(str)
    spectrum = np.zeros((chrom.size, x.size), np.float32)
    count = np.zeros(chrom.size, np.int64)
    for name in dict.fromkeys(chrom.tolist()):
        here = np.flatnonzero(chrom == name)
        if name not in chromosomes:
            raise InputError("reference", f"no chromosome {name}, which the data have", REMEDY)
        ds = require(
            chromosomes[name], NEEDS, "close partners need", "reference", f"reference/{name}"
        )
        least = float(ds.attrs.get("neighbour_r2_min", NEIGHBOUR_R2))
        if not least - 1e-9 <= r2_min <= 1:
            raise InputError(
                "r2_min",
                f"{r2_min:g}, expected between {least:g}, from which the reference holds "
                "neighbours, and 1",
            )
        rows = _rows(data.isel(variant=here), ds, name)
        if not np.allclose(ds["ld_score"].values[rows], data["ld_score"].values[here], rtol=1e-6):
            raise InputError("reference", f"other LD scores on chromosome {name}", REMEDY)
        bias = 0.0 if plain else 1 / (float(tree.attrs["samples"]) - 2)
        strength = scale * ds["heterozygosity"].values.astype(float) ** power
        indptr, index, r2 = (ds[f"neighbour_{v}"].values for v in ("indptr", "index", "r2"))
        size = np.diff(indptr)[rows]
        first = np.repeat(indptr[rows] - np.cumsum(size) + size, size)
        edge = first + np.arange(size.sum())
        owner = np.repeat(np.arange(rows.size), size)
        kept = r2[edge] >= r2_min
        edge, owner = edge[kept], owner[kept]
        r2_kept = r2[edge].astype(float)
        part = strength[index[edge]] * np.maximum(r2_kept - (1 - r2_kept) * bias, 0.0)
        count[here] = 1 + np.bincount(owner, minlength=rows.size)
        ends = np.concatenate([[0], np.cumsum(count[here])])
        # itself first
        whole = np.empty(ends[-1])
        whole[ends[:-1]] = strength[rows]
        own = np.zeros(ends[-1], bool)
        own[ends[:-1]] = True
        whole[~own] = part
        spectrum[here] = spectrum_from_pairs(ends, np.minimum(whole, x[0]), x.size, x[0])
    return spectrum, count


def _rows(data: xr.Dataset, ds: xr.Dataset, name: str) -> NDArray[np.int64]:
    """Rows of a chromosome of the reference that the variants are."""
    table, wanted = (
        pd.MultiIndex.from_arrays([of["snp"].values.astype(str), of["pos"].values])
        for of in (ds, data)
    )
    first = np.flatnonzero(~table.duplicated())
    found = table[first].get_indexer(wanted)
    if lacking := int((found < 0).sum()):
        raise InputError(
            "reference",
            f"lacks {lacking:,} of the {len(wanted):,} variants of chromosome {name}",
            REMEDY,
        )
    return first[found]
