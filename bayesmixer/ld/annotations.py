"""LD scores of annotations as a reference: what `annotated` computes, in one dataset a chromosome.

Estimators of partitioned heritability take them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmixer.ld.annotated import ALL, COMMON, Rule, Scored, open_scored
from bayesmixer.variables import validate


def annotation_ld_scores(
    genotypes: str | Path | Sequence[str | Path],
    annotations: pd.DataFrame | str | Path | None = None,
    *,
    beds: Mapping[str, str | Path] | Sequence[str | Path] = (),
    thin_annot: bool = False,
    window: str | Path | pd.DataFrame | None = None,
    keep: str | Path | Iterable[str] | None = None,
    chromosomes: Iterable[object] | None = None,
    extract: str | Path | Iterable[str] | None = None,
    print_variants: str | Path | Iterable[str] | None = None,
    min_maf: float | None = None,
    pq_exp: float | None = None,
    whole_chromosome: bool = False,
    like_ldsc: bool = False,
    chunk_size: int = 50,
) -> xr.DataTree:
    """LD scores of every polymorphic variant of a panel with each of several annotations.

    Parameters
    ----------
    genotypes, window, keep, chromosomes
        As of `build_reference`.
    annotations
        A table with the column SNP and one column of numbers each annotation, or LDSC's annot files
        (a name, with `@` or `{chrom}` for the chromosome); every variant of the panel needs a row.
        None: one annotation of ones, called base.
    beds
        BED files of regions, by the names of the annotations that are 1 in them and 0 elsewhere;
        they come after `annotations`.
    thin_annot
        The annot files hold values alone: a row for each variant of the panel, in its order.
    extract, print_variants
        Ids of variants, or a file of them, one a line: those that are partners, and those among
        them whose scores are given. All by default.
    min_maf
        Leave variants of this MAF and below out altogether.
    pq_exp
        Multiply annotations by (p (1 - p))^pq_exp of the partner; 1: scores per allele.
    whole_chromosome
        Take a window as wide as a chromosome for meant.
    like_ldsc
        Compute as LDSC 1.0.1: windows in chunks of `chunk_size` variants, which hold variants
        beyond their limit, and the mean in place of missing genotypes. Otherwise windows are exact,
        and r and its n of the samples called in both variants.

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
        Genotypes or a window that cannot be used, a variant without annotations, or none left.

    References
    ----------
    Finucane et al. 2015, Nature Genetics 47:1228.
    """
    rule = Rule(annotations, beds, thin_annot, pq_exp, min_maf, extract, print_variants,
                whole_chromosome, like_ldsc, chunk_size)  # fmt: skip
    panels, chosen, scored = open_scored(genotypes, rule, window, keep, chromosomes)
    children = {one.chrom: _dataset(one, pq_exp) for one in scored}
    for panel in panels:
        panel.close()
    root: dict[str, Any] = {"kind": "reference", "window": chosen.name, "window_unit": chosen.unit}
    root |= {"samples": panels[0].n_samples, "chromosomes": list(children)}
    root |= {"pq_exp": pq_exp} if pq_exp is not None else {}
    return xr.DataTree.from_dict(
        {"/": xr.Dataset(attrs=root), **{f"/{c}": ds for c, ds in children.items()}}
    )


def _dataset(one: Scored, pq_exp: float | None) -> xr.Dataset:
    scores = np.concatenate([sums[one.printed[at]] for at, sums in one.sums])
    variants, freq = one.variants[one.printed], one.freq[one.printed]
    ds = xr.Dataset(
        {
            **{
                v: ("variant", variants[v].to_numpy(str if v in ("snp", "a1", "a2") else None))
                for v in ("snp", "pos", "cm", "a1", "a2")
            },
            "chrom": ("variant", np.full(len(freq), one.chrom)),
            "freq": ("variant", freq),
            "heterozygosity": ("variant", 2 * freq * (1 - freq)),
            "annotation_ld_score": (("variant", "annotation"), scores),
            "m": ("annotation", one.m),
            "m_5_50": ("annotation", one.m_5_50),
        },
        coords={"annotation": one.names},
        attrs={"chrom": one.chrom},
    )
    if ALL in one.names and pq_exp is None:
        ds["ld_score"] = ds["annotation_ld_score"].sel(annotation=ALL, drop=True)
        common = int((np.minimum(one.freq, 1 - one.freq) > COMMON).sum())
        ds.attrs |= {"n_reference": len(one.freq), "m_5_50": common}
    return validate(ds, "reference", f"chromosome {one.chrom}")
