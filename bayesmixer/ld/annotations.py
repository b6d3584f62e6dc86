"""LD scores of annotations: l_ja = sum_i a_i r_ij^2 over the window of j, all annotations in one
product a tile of correlations.

r^2 is LDSC's unbiased r^2 - (1 - r^2) / (n - 2), n being the samples called in both variants
(Finucane et al. 2015, Nature Genetics 47:1228). Estimators of partitioned heritability take them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.io.chromosomes import chromosome_name, chromosome_rank
from bayesmixer.io.genotypes import Panel, open_panels
from bayesmixer.ld.scores import correlations, genotype_counts, lookup, standardise
from bayesmixer.ld.window import bounds, check_window, default_window, parse_window, tiles
from bayesmixer.variables import validate

PLACE = ("CHR", "BP", "SNP", "CM")  # columns of an annot file that are no annotations
COMMON = 0.05  # MAF above which a variant counts in m_5_50

Float = NDArray[np.float64]


def annotation_ld_scores(
    genotypes: str | Path | Sequence[str | Path],
    annotations: pd.DataFrame | str | Path,
    *,
    window: str | Path | pd.DataFrame | None = None,
    keep: str | Path | Iterable[str] | None = None,
    chromosomes: Iterable[object] | None = None,
) -> xr.DataTree:
    """LD scores of every polymorphic variant of a panel with each of several annotations.

    Parameters
    ----------
    genotypes, window, keep, chromosomes
        As of `build_reference`.
    annotations
        A table with the column SNP and one column of numbers each annotation, or LDSC's annot files
        (`read_annotations`); every variant of the panel needs a row.

    Returns
    -------
    xarray.DataTree
        One child per chromosome: `snp`, `chrom`, `pos`, `cm`, `a1`, `a2`, `freq`,
        `heterozygosity` (variant), `annotation_ld_score` (variant, annotation), `m` and `m_5_50`
        (annotation: sums of a, over all variants and over those of MAF > 5%), and where an
        annotation is called base `ld_score` and the attributes `n_reference` and `m_5_50`.

    Raises
    ------
    InputError
        Genotypes or a window that cannot be used, or a variant without annotations.

    References
    ----------
    Finucane et al. 2015, Nature Genetics 47:1228.
    """
    panels = open_panels(genotypes, keep=keep, chromosomes=chromosomes)
    chosen = (
        default_window([p.variants["cm"].to_numpy() for p in panels])
        if window is None
        else parse_window(window)
    )
    children: dict[str, xr.Dataset] = {}
    for panel in sorted(panels, key=lambda p: chromosome_rank(p.chrom)):
        check_window(chosen, panel.chrom, panel.variants["cm"].to_numpy(), panel.files[1])
        table = (
            annotations
            if isinstance(annotations, pd.DataFrame)
            else read_annotations(annotations, panel.chrom)
        )
        freq, variance, value = lookup(genotype_counts(panel, lambda: None))
        rows = np.flatnonzero(variance > 0)
        variants, freq = panel.variants.iloc[rows].reset_index(drop=True), freq[rows]
        names, values = _of_variants(table, variants["snp"].to_numpy(str), panel)
        lo, hi, _ = bounds(
            chosen, panel.chrom, variants["pos"].to_numpy(), variants["cm"].to_numpy()
        )
        scores = weighted_sums(panel, rows, value[rows], values, lo, hi)
        panel.close()
        common = np.minimum(freq, 1 - freq) > COMMON
        ds = xr.Dataset(
            {
                **{
                    v: ("variant", variants[v].to_numpy(str if v in ("snp", "a1", "a2") else None))
                    for v in ("snp", "pos", "cm", "a1", "a2")
                },
                "chrom": ("variant", np.full(len(rows), panel.chrom)),
                "freq": ("variant", freq),
                "heterozygosity": ("variant", 2 * freq * (1 - freq)),
                "annotation_ld_score": (("variant", "annotation"), scores),
                "m": ("annotation", values.sum(0)),
                "m_5_50": ("annotation", values[common].sum(0)),
            },
            coords={"annotation": names},
            attrs={"chrom": panel.chrom},
        )
        if "base" in names:
            ds["ld_score"] = ds["annotation_ld_score"].sel(annotation="base", drop=True)
            ds.attrs |= {"n_reference": len(rows), "m_5_50": int(common.sum())}
        children[panel.chrom] = validate(ds, "reference", f"chromosome {panel.chrom}")
    root: dict[str, Any] = {"kind": "reference", "window": chosen.name, "window_unit": chosen.unit}
    root |= {"samples": panels[0].n_samples, "chromosomes": list(children)}
    return xr.DataTree.from_dict(
        {"/": xr.Dataset(attrs=root), **{f"/{c}": ds for c, ds in children.items()}}
    )


def weighted_sums(
    panel: Panel,
    rows: NDArray[np.int64],
    value: NDArray[np.float32],
    weights: Float,
    lo: NDArray[np.int64],
    hi: NDArray[np.int64],
) -> Float:
    """sum_i w_ia r_ij^2 of every variant j and column a, over its partners i and itself.

    Parameters
    ----------
    panel, rows, value, lo, hi
        As of `scores.chromosome_ld`.
    weights
        (variant, A).

    Returns
    -------
    numpy.ndarray
        (variant, A).
    """
    n = panel.n_samples
    edges = tiles(hi, int(np.clip(2**24 // n, 32, 256)))
    out = np.zeros_like(weights, dtype=np.float64)
    live: deque[tuple[slice, Any, Any]] = deque()
    loaded = 0
    for t in range(len(edges) - 1):
        reach = int(hi[edges[t + 1] - 1])
        while loaded < len(edges) - 1 and (loaded <= t or edges[loaded] < reach):
            a, b = int(edges[loaded]), int(edges[loaded + 1])
            g = panel.read(int(rows[a]), int(rows[b - 1]) + 1)[rows[a:b] - rows[a]]
            x = np.empty((b - a, n), np.float32)
            standardise(g, value[a:b], x)
            called = (g >= 0).astype(np.float32) if (g < 0).any() else None
            live.append((slice(a, b), x, called))
            loaded += 1
        here, x, called = live.popleft()
        for there, y, y_called in ((here, x, called), *live):
            if there.start >= reach:
                break
            r, shared = correlations(x, called, y, y_called)
            r2 = np.minimum(np.square(r, dtype=np.float64), 1.0)
            both = np.maximum(shared, 3.0) if shared.size else float(n)
            r2 -= (1 - r2) / (both - 2)
            column = np.arange(there.start, there.stop)
            r2[(column < lo[here, None]) | (column >= hi[here, None])] = 0.0
            out[here] += r2 @ weights[there]
            if there.start != here.start:
                out[there] += r2.T @ weights[here]
    return out


def read_annotations(path: str | Path, chrom: object) -> pd.DataFrame:
    """Annotations of one chromosome, of an annot file as LDSC has them.

    Parameters
    ----------
    path
        The file, or its name with `@` or `{chrom}` for the chromosome.
    chrom
        The chromosome.

    Returns
    -------
    pandas.DataFrame
        CHR, BP, SNP, CM and a column for each annotation.

    Raises
    ------
    InputError
        The file cannot be read, or has no column SNP.
    """
    name = chromosome_name(chrom)
    file = Path(str(path).replace("{chrom}", name).replace("@", name))
    try:
        table = pd.read_csv(file, sep=r"\s+", dtype={"CHR": str, "SNP": str})
    except Exception as error:
        raise InputError(file, f"cannot be read ({type(error).__name__}: {error})") from None
    if "SNP" not in table:
        raise InputError(file, f"no column SNP among {', '.join(map(str, table.columns))}")
    return table


def _of_variants(table: pd.DataFrame, snp: NDArray[Any], panel: Panel) -> tuple[list[str], Float]:
    """Names of the annotations, and their values (variant, annotation) of these variants."""
    names = [str(c) for c in table.columns if c not in PLACE]
    numbers = table.drop(columns=[c for c in PLACE if c in table])
    if "SNP" not in table or not names or not all(d.kind in "iufb" for d in numbers.dtypes):
        found = f"columns {', '.join(map(str, table.columns))}"
        raise InputError("annotations", f"{found}, expected SNP and columns of numbers")
    values = numbers.to_numpy(np.float64)
    at = pd.Index(table["SNP"].astype(str)).drop_duplicates()
    if len(at) < len(table):
        first = table["SNP"][table["SNP"].duplicated()].iloc[0]
        raise InputError("annotations", f"{first} has more than one row")
    where = at.get_indexer(pd.Index(snp))
    if (where < 0).any() or not np.isfinite(values[where]).all():
        lacks = snp[(where < 0) | ~np.isfinite(values[where]).all(axis=1)]
        found = f"{len(lacks):,} variants of {panel.files[1]} without, the first {lacks[0]}"
        raise InputError("annotations", found, "Give a row of numbers for every variant.")
    return names, values[where]
