"""`bayesmixer.ldsc.h2`, `rg` and `partitioned`: from files or tables to a DataTree of estimates
with their jackknife.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmixer.errors import DataWarning, InputError
from bayesmixer.ldsc.liability import factor, factors_of
from bayesmixer.ldsc.many_traits import ManyTraits, many_traits, of_list
from bayesmixer.ldsc.one_trait import OneTrait, one_trait
from bayesmixer.ldsc.overlap import Partition, read_overlap
from bayesmixer.ldsc.panel import read_panel
from bayesmixer.ldsc.words import Said, of_annotations, of_bent, of_cut, of_pair, of_trait

if TYPE_CHECKING:
    import xarray as xr

UNLIKE = 1e-3  # share by which counts of variants may differ


def h2(
    sumstats: Any,
    ref_ld: Any,
    w_ld: Any = None,
    *,
    like_ldsc: bool = False,
    intercept: float | None = None,
    two_step: Any = "auto",
    chisq_max: float | None = None,
    n_blocks: int = 200,
    blocks: str = "count",
    m: Any = "M_5_50",
    samp_prev: float | None = None,
    pop_prev: float | None = None,
    invert_anyway: bool = False,
) -> xr.DataTree:
    """Heritability of a trait by LD score regression.

    Parameters
    ----------
    sumstats
        Path of summary statistics (LDSC's format; others as `bayesmixer.read_sumstats` reads them),
        what `read_sumstats` returned, or a table with the columns SNP, Z and N.
    ref_ld, w_ld
        LD scores of the reference and with the variants of the regression: prefixes in LDSC's
        syntax (`read_ld_scores`), what that returned, or a reference of this package. Without
        `w_ld` the reference's weigh.
    like_ldsc
        Do all as LDSC 1.0.1; see docs/methods/ldsc.md for where the default differs.
    intercept
        Fixed; None estimates it.
    two_step
        Chi-squared from which a variant takes no part in the first of two steps, which finds the
        intercept; "auto" is 30 with one annotation and a free intercept, unless the cut bends h2
        of a polygenic trait of much power, which is then fitted in one step and said to be; None
        is one step.
    chisq_max
        Variants of this chi-squared or more are left out; without, none with one annotation, with
        several those beyond the larger of 80 and max N / 1000.
    n_blocks, blocks
        Blocks of the jackknife, and what they have alike: the "count" of variants, or their length
        by "position" (not with `like_ldsc` in `rg`).
    m
        Variants that heritability is the sum over: "M_5_50" (MAF above 5%), "M", or numbers.
    samp_prev, pop_prev
        Share of cases in the sample and in the population, for the liability scale.
    invert_anyway
        Go on where annotations can hardly be told apart.

    Returns
    -------
    xarray.DataTree
        `estimate`: `h2`, `h2_se`, its 90% interval `h2_lower`, `h2_upper` (never below 0) and
        one-sided p of none `h2_p`, `intercept`, `intercept_se`, `ratio`, `ratio_se`, its 90% set
        `ratio_lower`, `ratio_upper` (Fieller's; infinite where mean chi-squared may be 1),
        `lambda_gc`, `mean_chi2`, `n_variants`, and `h2_liability` where asked for; with several
        annotations what `partitioned` returns. `jackknife`: `h2`, `intercept`, `coef` without each
        `block`.

    Raises
    ------
    InputError
        A file or argument cannot be used.

    Warns
    -----
    DataWarning
        Fewer than 200,000 variants.

    References
    ----------
    Bulik-Sullivan et al. 2015, Nature Genetics 47:291.

    Examples
    --------
    >>> bm.ldsc.h2("height.sumstats.gz", "eur_w_ld_chr/", "eur_w_ld_chr/")  # doctest: +SKIP
    """
    from bayesmixer.ldsc.trees import of_one

    scale = factor(samp_prev, pop_prev)
    one = one_trait(
        sumstats, ref_ld, w_ld,
        like_ldsc=like_ldsc, intercept=intercept, two_step=two_step, chisq_max=chisq_max,
        n_blocks=n_blocks, blocks=blocks, m=m, invert_anyway=invert_anyway,
    )  # fmt: skip
    return of_one(one, said_of_one(one, scale), factor=scale, like_ldsc=like_ldsc)


def said_of_one(one: OneTrait, factor: float = 1.0, apart: bool = True) -> list[Said]:
    """Sentences on a trait's heritability, on the liability scale beside the observed where
    `factor` is not 1; `apart` where annotations are taken to share no variant.
    """
    said = of_trait(one.trait.name, one.fit, one.without_strong, factor, one.once, one.aside)
    return said + (of_annotations(one.trait.name) if apart and len(one.m) > 1 else [])


def partitioned(
    sumstats: Any,
    ref_ld: Any,
    w_ld: Any = None,
    *,
    overlap: bool = True,
    annot: Any = None,
    frq: Any = None,
    like_ldsc: bool = False,
    intercept: float | None = None,
    chisq_max: float | None = None,
    n_blocks: int = 200,
    blocks: str = "count",
    m: Any = "M_5_50",
    samp_prev: float | None = None,
    pop_prev: float | None = None,
    invert_anyway: bool = False,
) -> xr.DataTree:
    """Heritability by annotation (stratified LD score regression).

    Parameters
    ----------
    sumstats, ref_ld, w_ld, intercept, chisq_max, n_blocks, blocks, m
        As of `h2`; `ref_ld` holds several annotations, one prefix or several.
    samp_prev, pop_prev, invert_anyway
        As of `h2`.
    overlap
        Whether annotations share variants; the overlap is counted in the annot files.
    annot
        Prefix of annot files (22.annot.gz); those beside the LD scores without.
    frq
        Prefix of the reference's frq files (22.frq), which `m="M_5_50"` needs with overlap.
    like_ldsc
        Weights as LDSC 1.0.1 has them with annotations: never updated from their start.

    Returns
    -------
    xarray.DataTree
        As of `h2`, and by annotation `coef` (tau), `coef_se`, `coef_covariance`, `h2_category`,
        `h2_category_se`, `share_of_variants`, `proportion` of the heritability, `proportion_se`,
        `enrichment`, `enrichment_se`; with overlap `enrichment_p`, `tau_star`, `tau_star_se`.

    Raises
    ------
    InputError
        A file or argument cannot be used; one annotation alone.

    References
    ----------
    Finucane et al. 2015, Nature Genetics 47:1228; 2018, 50:621. Gazal et al. 2017, 49:1421 (tau*).
    """
    from bayesmixer.ldsc.trees import of_one

    scale = factor(samp_prev, pop_prev)
    one, partition = partition_of(
        sumstats, ref_ld, w_ld, overlap=overlap, annot=annot, frq=frq, like_ldsc=like_ldsc,
        intercept=intercept, chisq_max=chisq_max, n_blocks=n_blocks, blocks=blocks, m=m,
        invert_anyway=invert_anyway,
    )  # fmt: skip
    return of_one(
        one,
        said_of_one(one, scale, partition is None),
        factor=scale,
        partition=partition,
        like_ldsc=like_ldsc,
        model="ldsc.partitioned",
    )


def partition_of(
    sumstats: Any,
    ref_ld: Any,
    w_ld: Any = None,
    *,
    overlap: bool = True,
    annot: Any = None,
    frq: Any = None,
    m: Any = "M_5_50",
    **options: Any,
) -> tuple[OneTrait, Partition | None]:
    """A trait's regression on several annotations, and their overlap."""
    panel = read_panel(ref_ld, w_ld)
    one = one_trait(sumstats, panel, m=m, **options)
    if len(one.m) < 2:
        raise InputError(
            "ref_ld", "one annotation, expected several", "Give those of all, or use h2."
        )
    if not overlap:
        return one, None
    given = ref_ld if annot is None else annot
    if not isinstance(given, str) and not _paths(given):
        raise InputError(
            "annot",
            "missing: the overlap of annotations is counted in annot files",
            "Give their prefix, or overlap=False for annotations that share no variant.",
        )
    whole = panel.scores
    counted = read_overlap(given, frq, whole.names, common=isinstance(m, str) and m == "M_5_50")
    kept = [
        i
        for i, key in enumerate(zip(whole.names, whole.sets, strict=True))
        if key in set(zip(one.scores.names, one.scores.sets, strict=True))
    ]
    counted = counted.of_annotations(kept)
    scale = np.maximum(np.abs(counted.sums), np.sqrt(counted.products.diagonal()))
    apart = np.abs(counted.sums - one.m) > UNLIKE * scale
    if apart.any():
        i = int(np.argmax(apart))
        warnings.warn(
            f"{given}: M of {one.scores.annotations[i]} is {one.m[i]:,.0f} beside the LD scores, "
            f"but {counted.sums[i]:,.0f} by annot files and frequencies: shares do not add up",
            DataWarning,
            stacklevel=2,
        )
    return one, Partition(one.fit, counted)


def _paths(given: Any) -> bool:
    return isinstance(given, os.PathLike) or (
        isinstance(given, list | tuple) and all(isinstance(v, str | os.PathLike) for v in given)
    )


def rg(
    sumstats: Sequence[Any],
    ref_ld: Any,
    w_ld: Any = None,
    *,
    like_ldsc: bool = False,
    intercept: Any = None,
    intercept_gencov: Any = None,
    two_step: Any = "auto",
    chisq_max: float | None = None,
    n_blocks: int = 200,
    blocks: str = "count",
    m: Any = "M_5_50",
    samp_prev: Any = None,
    pop_prev: Any = None,
    check_alleles: bool = True,
    invert_anyway: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    threads: int | None = None,
) -> xr.DataTree:
    """Genetic correlations of all pairs of traits by cross-trait LD score regression.

    Parameters
    ----------
    sumstats
        Two traits or more, each as of `h2`; with alleles (A1, A2).
    ref_ld, w_ld, two_step, chisq_max, n_blocks, blocks, m, invert_anyway
        As of `h2`, for each trait by itself; `chisq_max` leaves out of a pair variants of
        z1^2 z2^2 beyond its square. Products of a trait in one step are in one step.
    like_ldsc
        Fit both traits of a pair anew on the variants that they share, in one step.
    intercept, intercept_gencov
        Fixed intercepts: one for all traits or one a trait; one for all pairs or (k, k), nan where
        it is to be estimated.
    samp_prev, pop_prev
        As of `h2`, one a trait; None or nan where a trait is quantitative.
    check_alleles
        Whether alleles are compared; without, every z is of the same allele in all traits.
    checkpoint
        Folder for finished pairs of many traits, from which the same call goes on if it was
        interrupted; removed at the end. Pairs of other data or options there are refused.
    threads
        To compute pairs with; None takes OMP_NUM_THREADS, or the processors.

    Returns
    -------
    xarray.DataTree
        `estimate`: by `trait` what `h2` returns; by `trait` and `trait_bis` `rg`, `rg_se`, `rg_z`,
        `rg_p`, the 90% set `rg_lower`, `rg_upper` (Fieller's, within [-1, 1], at any power),
        `gencov`, `gencov_se` (their diagonals the heritabilities), `intercept_gencov`,
        `intercept_gencov_se`, `n_common`. rg is nan where a heritability is not above 0.
        `jackknife`: `h2` and `gencov` without each `block`.

    Raises
    ------
    InputError
        A file or argument cannot be used.

    References
    ----------
    Bulik-Sullivan et al. 2015, Nature Genetics 47:1236.
    """
    from bayesmixer.ldsc.trees import of_many

    of_list(sumstats)
    factors = factors_of(samp_prev, pop_prev, len(sumstats))
    many = many_traits(
        sumstats, ref_ld, w_ld, like_ldsc=like_ldsc, intercept=intercept,
        intercept_gencov=intercept_gencov, two_step=two_step, chisq_max=chisq_max,
        n_blocks=n_blocks, blocks=blocks, m=m, check_alleles=check_alleles,
        invert_anyway=invert_anyway, checkpoint=checkpoint, threads=threads,
    )  # fmt: skip
    return of_many(
        many,
        said_of_many(many, factors),
        factors=factors,
        like_ldsc=like_ldsc,
    )


def said_of_many(many: ManyTraits, factors: Sequence[float]) -> list[Said]:
    """Sentences on every trait, and on every pair where there are few; `factors` of each trait as
    of `said_of_one`.
    """
    names = [one.name for one in many.traits]
    each = zip(many.alone, factors, strict=True) if many.alone else ()
    out = [sentence for one, factor in each for sentence in said_of_one(one, factor, False)]
    bent = {
        one.trait.name
        for one in many.alone
        if one.once is not None and of_cut(one.trait.name, one.fit, one.once)
    }
    for pair in many.pairs if len(many.pairs) <= 50 else ():
        both = names[pair.i], names[pair.j]
        out += [*of_pair(both, pair.fit), *of_bent(both, bent)]
    return out
