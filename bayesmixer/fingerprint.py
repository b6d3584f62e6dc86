"""Fingerprint of GwasData: a few hashes per LD block, by which two fits know whether they saw the
same variants, z-scores, weights and LD scores.

Each variant is hashed on its own and a block adds up its variants' hashes modulo 2^64, so that the
sum over all blocks does not depend on how the genome was cut: the same variants in other LD blocks
are told from other variants.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.card import UNIT, unit_in_words
from bayesmixer.variables import OBSERVATIONS

HASHES = ("variant_hash", "data_hash", "weight_hash")
PLACES = ("n_variants", "chrom", "pos_first", "pos_last")
VARIABLES = (*HASHES, *PLACES, "n_weighted", "ld_hash")
NAMED = 3  # units named one by one in a message

Words = NDArray[np.uint64]


def fingerprint(data: xr.Dataset, unit: str = UNIT) -> xr.Dataset:
    """Fingerprint of the data of a fit.

    Parameters
    ----------
    data
        GwasData (docs/reference/data_structures.md).
    unit
        Dimension of the independent units, whose label each variant has in the variable of that
        name.

    Returns
    -------
    xarray.Dataset
        Dim `unit`: `n_variants` (of the block), `n_weighted` (of weight above 0), `chrom`,
        `pos_first`, `pos_last`, and uint64 sums over the block's variants of hashes of the
        identifier (`variant_hash`), of identifier, z and N (`data_hash`), of identifier and weight
        (`weight_hash`) and, where the data hold LD scores, of identifier and LD score (`ld_hash`).
    """
    rows = OBSERVATIONS["gwas_data"]
    block = data[unit].values.astype(np.int64)
    count = int(block.max()) + 1 if block.size else 0
    name = _identifiers(data)
    both = name
    for key in rows.seen:
        values = np.asarray(data[key].values, float)
        for column in values.reshape(len(values), -1).T:
            both = _mix(both, _bits(column))
    weight = np.asarray(data[rows.weight].values, float)
    chrom, pos = data["chrom"].values.astype(str), np.asarray(data["pos"].values, np.int64)
    order = np.lexsort((pos, block))  # variants may come in any order
    first = order[np.searchsorted(block[order], np.arange(count))]
    last = order[np.searchsorted(block[order], np.arange(count), side="right") - 1]
    out = xr.Dataset(
        {
            "n_variants": (unit, np.bincount(block, minlength=count).astype(np.int64)),
            "n_weighted": (
                unit,
                np.bincount(block[rows.evaluated(data)], minlength=count).astype(np.int64),
            ),
            "chrom": (unit, chrom[first]),
            "pos_first": (unit, pos[first]),
            "pos_last": (unit, pos[last]),
            "variant_hash": (unit, _sums(name, block, count)),
            "data_hash": (unit, _sums(both, block, count)),
            "weight_hash": (unit, _sums(_mix(name, _bits(weight)), block, count)),
        },
        coords={unit: np.arange(count)},
    )
    if "ld_score" in data:
        ld = np.asarray(data["ld_score"].values, float)
        out["ld_hash"] = (unit, _sums(_mix(name, _bits(ld)), block, count))
    return out


def differences(a: xr.Dataset, b: xr.Dataset, model: bool = True) -> str:
    """What differs between the data of two fits, in one line.

    Parameters
    ----------
    a, b
        Fingerprints, of `fingerprint` (or the `constant_data` group of a fit, which holds one).
    model
        Whether weights and LD scores are compared besides variants, z and N: what a model makes of
        its data, in which fits of the same GWAS may differ (`same_weights`).

    Returns
    -------
    str
        Which LD blocks differ (chromosome, Mb, numbers of variants) and in what; "" where nothing
        does.
    """
    left, right = _table(a), _table(b)
    units = f"{unit_in_words(str(a['data_hash'].dims[0]))}s"
    if (
        len(left) == len(right)
        and (left["data_hash"].to_numpy() == right["data_hash"].to_numpy()).all()
    ):
        return _other_model(a, b, units) if model else ""
    total = [
        tuple(int(t[h].to_numpy().sum(dtype=np.uint64)) for h in HASHES[:2]) for t in (left, right)
    ]
    if total[0] == total[1]:
        return (
            f"the same {int(left['n_variants'].sum()):,} variants are cut into {len(left)} "
            f"{units} and into {len(right)}"
        )
    pairs = _matched(left, right)
    rows, other = [], 0
    for i, j in pairs:
        one = left.iloc[i] if i is not None else None
        two = right.iloc[j] if j is not None else None
        if one is not None and two is not None and one["data_hash"] == two["data_hash"]:
            continue
        if one is None or two is None:
            there = one if one is not None else two
            which = "first" if two is None else "second"
            rows.append(f"{_place(there)} (only the {which} has its {_n(there)} variants)")
        elif one["variant_hash"] == two["variant_hash"]:
            rows.append(f"{_place(one)} (other z or N among its {_n(one)} variants)")
            other += 1
        elif one["n_variants"] != two["n_variants"]:
            rows.append(f"{_place(one)} ({_n(one)} against {_n(two)} variants)")
        else:
            rows.append(f"{_place(one)} (other ones among its {_n(one)} variants)")
    what = "z or N" if other == len(rows) else "variants" if not other else "variants, z or N"
    return f"{what} differ in {len(rows)} of {len(pairs)} {units}: {_some(rows)}"


def _other_model(a: xr.Dataset, b: xr.Dataset, units: str) -> str:
    """What differs between weights and LD scores of the same variants, z and N; earlier fits hold
    no hash of LD scores.
    """
    for key, what in (
        ("weight_hash", "weights differ"),
        ("ld_hash", "LD scores (the reference) differ"),
    ):
        if key in a and key in b:
            other = np.flatnonzero(
                a[key].values.astype(np.uint64) != b[key].values.astype(np.uint64)
            )
            if other.size:
                places = [_place(_table(a).iloc[int(i)]) for i in other[: NAMED + 1]]
                return (
                    f"{what} in {other.size} of {a[key].size} {units}: {_some(places, other.size)}"
                )
    return ""


def _some(rows: list[str], count: int | None = None) -> str:
    """The first few of `count` rows."""
    count = len(rows) if count is None else count
    return "; ".join(rows[:NAMED]) + (f"; and {count - NAMED} more" if count > NAMED else "")


def same_weights(a: xr.Dataset, b: xr.Dataset) -> bool:
    """Whether two fingerprints of the same data have the same weights."""
    return bool(
        np.array_equal(
            a["weight_hash"].values.astype(np.uint64), b["weight_hash"].values.astype(np.uint64)
        )
    )


def has_fingerprint(group: xr.Dataset) -> bool:
    """Whether a dataset (the `constant_data` of a fit) holds a fingerprint."""
    return all(name in group for name in (*HASHES, *PLACES))


def fingerprint_of(results: Any) -> xr.Dataset | None:
    """The fingerprint that a fit, or what was made of it, holds; None where it holds none."""
    if "constant_data" not in results.children:
        return None
    kept = results["constant_data"].to_dataset()
    return kept[[name for name in VARIABLES if name in kept]] if has_fingerprint(kept) else None


def place(group: xr.Dataset, i: int) -> str:
    """Where unit `i` of a fingerprint lies: chr22 16.123-18.345 Mb."""
    return _place({name: group[name].values[i] for name in ("chrom", "pos_first", "pos_last")})


def _identifiers(data: xr.Dataset) -> Words:
    """A hash per variant of its identifier, or of chromosome:position where it has none."""
    snp = data["snp"].values.astype(str).astype(object)
    nameless = (snp == "") | (snp == ".")
    if nameless.any():
        at = np.char.add(
            np.char.add(data["chrom"].values.astype(str), ":"), data["pos"].values.astype(str)
        )
        snp = np.where(nameless, at.astype(object), snp)
    return np.asarray(pd.util.hash_array(snp, categorize=False), np.uint64)


def _bits(values: NDArray[np.float64]) -> Words:
    """The bits of floats; one pattern for all NaN and one for both zeros."""
    tidy = np.where(np.isnan(values), np.nan, values + 0.0)
    return np.ascontiguousarray(tidy).view(np.uint64)


def _mix(a: Words, b: Words) -> Words:
    """Hash of pairs of words, by the finaliser of splitmix64 (Steele, Lea & Flood 2014, OOPSLA, p.
    453).
    """
    x = a * np.uint64(0x9E3779B97F4A7C15) + b
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(x ^ (x >> np.uint64(31)), np.uint64)


def _sums(words: Words, block: NDArray[np.int64], count: int) -> Words:
    """Sums modulo 2^64 by block."""
    out = np.zeros(count, np.uint64)
    np.add.at(out, block, words)
    return out


def _table(group: xr.Dataset) -> pd.DataFrame:
    """The fingerprint, one row a block."""
    return pd.DataFrame({name: np.asarray(group[name].values) for name in (*HASHES, *PLACES)})


def _matched(a: pd.DataFrame, b: pd.DataFrame) -> list[tuple[int | None, int | None]]:
    """Rows that are the same LD block: equal data first, then the first that overlaps on the same
    chromosome; None where there is no partner.
    """
    by_hash = {h: j for j, h in enumerate(b["data_hash"])}
    partner: dict[int, int] = {i: by_hash[h] for i, h in enumerate(a["data_hash"]) if h in by_hash}
    taken = set(partner.values())
    start, stop = (b[name].to_numpy() for name in ("pos_first", "pos_last"))
    for i in range(len(a)):
        if i in partner:
            continue
        row = a.iloc[i]
        overlap = (
            (b["chrom"].to_numpy() == row["chrom"])
            & (start <= row["pos_last"])
            & (stop >= row["pos_first"])
        )
        j = next((int(j) for j in np.flatnonzero(overlap) if int(j) not in taken), None)
        if j is not None:
            partner[i] = j
            taken.add(j)
    pairs: list[tuple[int | None, int | None]] = [(i, partner.get(i)) for i in range(len(a))]
    return pairs + [(None, j) for j in range(len(b)) if j not in taken]


def _n(row: Any) -> str:
    return f"{int(row['n_variants']):,}"


def _place(row: Any) -> str:
    """chr22 16.1-18.3 Mb."""
    chrom = str(row["chrom"])
    low, high = float(row["pos_first"]) / 1e6, float(row["pos_last"]) / 1e6
    return f"chr{chrom} {low:.3f}-{high:.3f} Mb" if chrom else f"{low:.3f}-{high:.3f} Mb"
