"""GwasData from plain arrays: for simulations, tests, and those who bring their own LD (contract:
docs/reference/data_structures.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from bayesmixer.errors import InputError
from bayesmixer.variables import validate

N_H_BINS = 100


def heterozygosity_bins(heterozygosity: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Histogram of heterozygosity on 100 equal bins of [0, 1/2], polymorphic variants only.

    Parameters
    ----------
    heterozygosity
        H = 2 f (1 - f), any shape.

    Returns
    -------
    tuple of numpy.ndarray
        Mean H of each bin (its middle where empty) and number of variants in it, both of shape
        (100,).
    """
    h = np.asarray(heterozygosity, np.float64).ravel()
    h = h[h > 0]
    which = np.minimum((h * 2 * N_H_BINS).astype(np.int64), N_H_BINS - 1)
    count = np.bincount(which, minlength=N_H_BINS)
    total = np.bincount(which, weights=h, minlength=N_H_BINS)
    middle = (np.arange(N_H_BINS) + 0.5) / (2 * N_H_BINS)
    return np.where(count > 0, total / np.maximum(count, 1), middle), count.astype(np.int64)


def contiguous_labels(label: ArrayLike, where: str = "ld_block") -> NDArray[np.int32]:
    """Renumber block labels 0, 1, ... in the order in which they come.

    Parameters
    ----------
    label
        Any labels, shape (variant,), each block's variants side by side.
    where
        What to call the labels in the error.

    Returns
    -------
    numpy.ndarray
        int32, shape (variant,), non-decreasing, without holes.

    Raises
    ------
    InputError
        A label comes back after another one.
    """
    old = np.asarray(label)
    starts = (
        np.flatnonzero(np.concatenate([[True], old[1:] != old[:-1]]))
        if len(old)
        else np.zeros(0, np.int64)
    )
    values, count = np.unique(old[starts], return_counts=True)
    if (count > 1).any():
        raise InputError(
            where,
            f"label {values[count > 1][0]} comes back after another block",
            "Sort the variants in genome order.",
        )
    new = np.zeros(len(old), np.int32)
    new[starts[1:]] = 1
    return np.cumsum(new, dtype=np.int32)


def gwas_data_from_arrays(
    z: ArrayLike,
    n: ArrayLike | float,
    spectrum: ArrayLike,
    node_x: ArrayLike,
    heterozygosity: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ld_block: ArrayLike | None = None,
    ld_score: ArrayLike | None = None,
    ld_score_h: ArrayLike | None = None,
    freq: ArrayLike | None = None,
    h_total: float | Sequence[float] | None = None,
    n_reference: int | None = None,
    reference_heterozygosity: ArrayLike | None = None,
    maf_s: Sequence[float] | None = None,
    trait: str | Sequence[str] | None = None,
    snp: ArrayLike | None = None,
    chrom: ArrayLike | None = None,
    pos: ArrayLike | None = None,
    a1: ArrayLike | None = None,
    a2: ArrayLike | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Make a valid GwasData dataset from arrays in genome order.

    Parameters
    ----------
    z
        z-scores, shape (variant,) or (variant, trait).
    n
        Sample sizes: one number, shape (variant,), (trait,) or (variant, trait).
    spectrum
        LD spectrum, shape (variant, node), or (maf_s, variant, node).
    node_x
        Strengths x_k of the nodes, shape (node,).
    heterozygosity
        H of each variant, shape (variant,).
    weight
        Weight in the composite likelihood, shape (variant,); 1 where left out.
    ld_block
        Label of the LD block, shape (variant,), each block in one piece; where left out, runs of at
        most 200 variants within chromosomes.
    ld_score
        Sum of unbiased r^2; where left out, `ld_score_h` over the mean H (a rough stand-in, used by
        figures only).
    ld_score_h
        Sum of H^(1+S) r^2, shape (variant,) or (maf_s, variant); where left out, the sum of the
        spectrum, which it equals.
    freq
        Frequency of `a1`; where left out, the lower one of the two that H allows.
    h_total
        Sum of H^(1+S) over all reference variants (one number for each S); where left out, from
        `reference_heterozygosity`.
    n_reference
        Number of polymorphic reference variants; where left out, from `reference_heterozygosity`.
    reference_heterozygosity
        H of all reference variants when they are more than the rows; `heterozygosity` where left
        out.
    maf_s
        Exponents S when the spectrum has them as first dimension.
    trait
        Name of the trait, or names.
    snp, chrom, pos, a1, a2
        What is known of the variants; made up where left out.
    attrs
        More attributes, which win over those made here.

    Returns
    -------
    xarray.Dataset
        GwasData: the variables of docs/reference/data_structures.md with dims variant, trait,
        maf_s, node, h_bin.

    Raises
    ------
    InputError
        Shapes that do not fit, values that are not finite, negative weights, N <= 0, or variants
        out of genome order.
    """
    s = np.asarray(spectrum, np.float32)
    if s.ndim not in (2, 3) or (s.ndim == 3) != (maf_s is not None):
        raise InputError(
            "spectrum",
            f"shape {s.shape}, expected (variant, node), or (maf_s, variant, node) together "
            "with maf_s",
        )
    m, k = s.shape[-2:]
    exponents = [0.0] if maf_s is None else [float(v) for v in maf_s]
    if s.ndim == 3 and len(s) != len(exponents):
        raise InputError(
            "maf_s", f"{len(exponents)} exponents, expected {len(s)} as in the spectrum"
        )
    scores = _finite("z", z)
    scores = scores[:, None] if scores.ndim == 1 else scores
    if scores.ndim != 2 or len(scores) != m or m == 0:
        raise InputError(
            "z",
            f"shape {np.shape(z)}, expected ({m},) or ({m}, trait) with at least one variant, "
            "as in the spectrum",
        )
    traits = _traits(trait, scores.shape[1])
    size = _finite("n", n)
    size = size[:, None] if size.ndim == 1 and len(size) == m else size
    if size.shape not in ((), (m, 1), (len(traits),), scores.shape):
        raise InputError(
            "n", f"shape {np.shape(n)}, expected one number, ({m},) or ({m}, {len(traits)})"
        )
    if not (size > 0).all():
        raise InputError("n", f"smallest value {size.min():g}, expected sample sizes above 0")
    x = _finite("node_x", node_x, (k,))
    h = _finite("heterozygosity", heterozygosity, (m,))
    if not ((h > 0) & (h <= 0.5 + 1e-6)).all():
        raise InputError(
            "heterozygosity",
            f"values from {h.min():g} to {h.max():g}, expected in (0, 0.5]",
            "Drop monomorphic variants first.",
        )
    w = np.ones(m) if weight is None else _finite("weight", weight, (m,))
    if (w < 0).any():
        raise InputError("weight", f"{int((w < 0).sum())} negative value(s), expected 0 or more")
    reference_h = (
        h
        if reference_heterozygosity is None
        else _finite("reference_heterozygosity", reference_heterozygosity).ravel()
    )
    reference_h = reference_h[reference_h > 0]
    totals = (
        [float((reference_h ** (1 + e)).sum()) for e in exponents]
        if h_total is None
        else np.atleast_1d(_finite("h_total", h_total)).tolist()
    )
    if len(totals) != len(exponents) or min(totals) <= 0:
        raise InputError("h_total", f"{totals}, expected {len(exponents)} positive number(s)")
    chromosome = np.full(m, "1") if chrom is None else np.asarray(chrom).astype(str)
    position = np.arange(1, m + 1) if pos is None else np.asarray(pos, np.int64)
    _check_order(chromosome, position, m)
    lds_h = s.sum(-1) if ld_score_h is None else _finite("ld_score_h", ld_score_h, s.shape[:-1])
    s, lds_h = s.reshape(-1, m, k), lds_h.reshape(-1, m)
    lds = lds_h[0] / h.mean() if ld_score is None else _finite("ld_score", ld_score, (m,))
    label = _runs(chromosome) if ld_block is None else np.asarray(ld_block)
    if label.shape != (m,):
        raise InputError("ld_block", f"shape {label.shape}, expected ({m},)")
    bin_value, bin_count = heterozygosity_bins(reference_h)
    text = {"snp": snp, "a1": a1, "a2": a2}
    filler = {
        "snp": np.array([f"variant{i + 1}" for i in range(m)]),
        "a1": np.full(m, "A"),
        "a2": np.full(m, "C"),
    }
    variables: dict[str, tuple[tuple[str, ...], Any]] = {
        "z": (("variant", "trait"), scores),
        "n": (("variant", "trait"), np.broadcast_to(size, scores.shape).astype(np.float64)),
        "weight": (("variant",), w),
        "spectrum": (("maf_s", "variant", "node"), s),
        "h_total": (("maf_s",), np.asarray(totals)),
        "ld_score": (("variant",), lds.astype(np.float64)),
        "ld_score_h": (("maf_s", "variant"), lds_h.astype(np.float64)),
        "heterozygosity": (("variant",), h),
        "freq": (
            ("variant",),
            (1 - np.sqrt(np.maximum(1 - 2 * h, 0))) / 2
            if freq is None
            else _finite("freq", freq, (m,)),
        ),
        **{
            name: (("variant",), filler[name] if given is None else np.asarray(given).astype(str))
            for name, given in text.items()
        },
        "chrom": (("variant",), chromosome),
        "pos": (("variant",), position),
        "ld_block": (("variant",), contiguous_labels(label)),
        "node_x": (("node",), x),
        "h_bin_value": (("h_bin",), bin_value),
        "h_bin_count": (("h_bin",), bin_count),
    }
    for name in text:
        if variables[name][1].shape != (m,):
            raise InputError(name, f"shape {variables[name][1].shape}, expected ({m},)")
    coords = {"trait": traits, "maf_s": exponents}
    made = {
        "kind": "gwas_data",
        "h_total": totals,
        "n_reference": len(reference_h) if n_reference is None else int(n_reference),
        "chromosomes": json.dumps(list(dict.fromkeys(chromosome.tolist()))),
        "weights": "none" if weight is None else "given",
        "seed": 0,
        "filters": "{}",
        "sumstats": json.dumps(
            [{"kind": "sumstats", "source": "arrays", "trait": t, "rows_kept": m} for t in traits]
        ),
        "reference": json.dumps({"kind": "reference", "sources": "arrays"}),
        "overlap": json.dumps({"variants": m, "ld_blocks": len(np.unique(label))}),
    }
    return validate(
        xr.Dataset(variables, coords=coords, attrs={**made, **(attrs or {})}),
        "gwas_data",
        "gwas_data_from_arrays",
    )


def _finite(name: str, value: Any, shape: tuple[int, ...] | None = None) -> NDArray[np.float64]:
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise InputError(name, "not numbers, expected an array of numbers") from None
    if shape is not None and array.shape != shape:
        raise InputError(name, f"shape {array.shape}, expected {shape}")
    if not np.isfinite(array).all():
        raise InputError(
            name,
            f"{int((~np.isfinite(array)).sum()):,} value(s) missing or infinite",
            "Drop these variants first.",
        )
    return array


def _traits(trait: str | Sequence[str] | None, count: int) -> list[str]:
    names = (
        [trait]
        if isinstance(trait, str)
        else [f"trait{i + 1}" for i in range(count)]
        if trait is None
        else list(trait)
    )
    if len(names) != count or len(set(names)) != count:
        raise InputError("trait", f"names {names}, expected {count} different name(s)")
    return names


def _check_order(chrom: NDArray[Any], pos: NDArray[Any], m: int) -> None:
    for name, array in (("chrom", chrom), ("pos", pos)):
        if array.shape != (m,):
            raise InputError(name, f"shape {array.shape}, expected ({m},)")
    contiguous_labels(chrom, "chrom")
    backwards = (np.diff(pos) < 0) & (chrom[1:] == chrom[:-1])
    if backwards.any():
        raise InputError(
            "pos",
            f"position falls at variant {int(np.flatnonzero(backwards)[0]) + 2}",
            "Sort the variants in genome order.",
        )


def _runs(chrom: NDArray[Any], size: int = 200) -> NDArray[np.int64]:
    """Blocks of at most `size` variants side by side on a chromosome."""
    start = np.concatenate([[True], chrom[1:] != chrom[:-1]])
    index = np.arange(len(chrom))
    within = index - np.maximum.accumulate(np.where(start, index, 0))
    return np.cumsum(start | (within % size == 0), dtype=np.int64) - 1
