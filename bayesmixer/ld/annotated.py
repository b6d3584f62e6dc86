"""LD scores of annotations, chromosome by chromosome as they are computed: l_ja = sum_i a_i r_ij^2
over the window of j (Finucane et al. 2015, Nature Genetics 47:1228).

No more than a window of genotypes and scores is in memory, beside the annotations themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.io.chromosomes import chromosome_rank
from bayesmixer.io.compression import lines_of
from bayesmixer.io.genotypes import Panel, open_panels
from bayesmixer.ld.annotation_tables import (
    Annotations,
    from_table,
    of_regions,
    of_variants,
    read_annotations,
)
from bayesmixer.ld.partner_sums import genotype_moments, partner_sums
from bayesmixer.ld.window import (
    Window,
    bounds,
    check_window,
    default_window,
    ldsc_bounds,
    parse_window,
)

COMMON = 0.05  # MAF above which a variant counts in m_5_50
ALL = "base"  # the annotation of all variants, where none is given
_ROWS = 1 << 12

Float = NDArray[np.float64]


@dataclass
class Scored:
    """One chromosome.

    Attributes
    ----------
    chrom, variants, freq
        Its name; `snp`, `cm`, `pos`, `a1`, `a2` and frequencies of a1 (variant,) of all that are
        partners.
    names, m, m_5_50
        (annotation,) names, and sums over the variants, all and those of MAF above 5%.
    printed
        (variant,) whether its score is asked for.
    sums
        The next variants, in order, and their scores (variants, annotation).
    """

    chrom: str
    variants: pd.DataFrame
    freq: Float
    names: list[str]
    m: Float
    m_5_50: Float
    printed: NDArray[np.bool_]
    sums: Iterator[tuple[slice, Float]]


@dataclass(frozen=True)
class Rule:
    """Which variants of a panel are partners and how they count; arguments as of
    `annotation_ld_scores`.
    """

    annotations: pd.DataFrame | str | Path | None = None
    beds: Mapping[str, str | Path] | Sequence[str | Path] = ()
    thin_annot: bool = False
    pq_exp: float | None = None
    min_maf: float | None = None
    extract: str | Path | Iterable[str] | None = None
    print_variants: str | Path | Iterable[str] | None = None
    whole_chromosome: bool = False
    like_ldsc: bool = False
    chunk_size: int = 50


def open_scored(
    genotypes: str | Path | Sequence[str | Path],
    rule: Rule,
    window: str | Path | pd.DataFrame | None = None,
    keep: str | Path | Iterable[str] | None = None,
    chromosomes: Iterable[object] | None = None,
) -> tuple[list[Panel], Window, Iterator[Scored]]:
    """The panels, the window, and the scores of one chromosome after the other.

    Raises
    ------
    InputError
        As `annotation_ld_scores`.
    """
    if rule.min_maf is not None and not 0 <= rule.min_maf < 0.5:
        raise InputError("min_maf", f"{rule.min_maf:g}, expected 0 to below 0.5")
    if rule.pq_exp is not None and not np.isfinite(rule.pq_exp):
        raise InputError("pq_exp", f"{rule.pq_exp:g}, expected a finite number")
    if rule.chunk_size < 1:
        raise InputError("chunk_size", f"{rule.chunk_size}, expected 1 or more")
    panels = open_panels(genotypes, keep=keep, chromosomes=chromosomes)
    panels.sort(key=lambda p: chromosome_rank(p.chrom))
    chosen = (
        default_window([p.variants["cm"].to_numpy() for p in panels])
        if window is None
        else parse_window(window)
    )
    for panel in panels:
        check_window(chosen, panel.chrom, panel.variants["cm"].to_numpy(), panel.files[1])
    wanted = {name: _ids(getattr(rule, name), name) for name in ("extract", "print_variants")}
    return panels, chosen, (_scored(panel, chosen, rule, **wanted) for panel in panels)


def _scored(
    panel: Panel,
    window: Window,
    rule: Rule,
    extract: NDArray[Any] | None,
    print_variants: NDArray[Any] | None,
) -> Scored:
    snp = panel.variants["snp"].to_numpy(str)
    names, parts = _annotations(panel, snp, rule)
    moments = genotype_moments(panel)
    varies = moments.squares > 0
    maf = np.minimum(moments.freq, 1 - moments.freq)
    kept = varies & (maf > (rule.min_maf or 0.0))
    if extract is not None:
        kept &= np.isin(snp, extract)
    rows = np.flatnonzero(kept)
    if not len(rows):
        found = f"no variant left of {len(snp):,} on chromosome {panel.chrom} ({varies.sum():,} "
        maf_of = "" if rule.min_maf is None else f", MAF above {rule.min_maf:g}"
        list_of = "" if extract is None else ", those to extract"
        raise InputError(panel.files[1], f"{found}vary{maf_of}{list_of})")
    printed = np.ones(len(rows), bool)
    if print_variants is not None:
        printed = np.isin(snp[rows], print_variants)
        if not printed.any():
            raise InputError("print_variants", f"none of them is on chromosome {panel.chrom}")
    variants, freq = panel.variants.iloc[rows].reset_index(drop=True), moments.freq[rows]
    lo, hi, _ = bounds(window, panel.chrom, variants["pos"].to_numpy(), variants["cm"].to_numpy())
    if len(rows) > 1 and lo[-1] == 0 and window.blocks is None and not rule.whole_chromosome:
        found = f"{window.name} is as wide as chromosome {panel.chrom} in {panel.files[1]}"
        raise InputError(
            "window", found, "Narrow it, or say so with whole_chromosome=True (--yes-really)."
        )
    if rule.like_ldsc:
        lo, hi = ldsc_bounds(lo, rule.chunk_size)

    def weights(a: int, b: int) -> Float:
        values = [part[rows[a:b]].astype(np.float64) for part in parts]
        w = np.concatenate(values, 1) if len(values) > 1 else values[0]
        if rule.pq_exp is not None:
            w *= ((freq[a:b] * (1 - freq[a:b])) ** rule.pq_exp)[:, None]
        return w

    m, m_5_50 = np.zeros((2, len(names)))
    for a in range(0, len(rows), _ROWS):
        w = weights(a, min(a + _ROWS, len(rows)))
        m += w.sum(0)
        m_5_50 += w[maf[rows[a : a + _ROWS]] > COMMON].sum(0)
    sums = partner_sums(panel, rows, moments, weights, lo, hi, mean_for_missing=rule.like_ldsc)
    return Scored(panel.chrom, variants, freq, names, m, m_5_50, printed, sums)


def _annotations(
    panel: Panel, snp: NDArray[Any], rule: Rule
) -> tuple[list[str], list[NDArray[Any]]]:
    """Names of the annotations and their values, by columns (panel's variant, some of them)."""
    found: list[tuple[Annotations, object]] = []
    given = rule.annotations
    if isinstance(given, pd.DataFrame):
        found.append((from_table(given), "annotations"))
    elif given is not None:
        found.append((read_annotations(given, panel.chrom, thin=rule.thin_annot), given))
    if rule.beds:
        found.append((of_regions(rule.beds, panel.chrom, panel.variants["pos"].to_numpy()), "bed"))
    if not found:
        found.append((Annotations([ALL], np.ones((len(snp), 1), np.int8)), "annotations"))
    names = [name for one, _ in found for name in one.names]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError("annotations", f"two are called {twice}", "Name them apart.")
    whose = f"chromosome {panel.chrom} of {panel.files[1]}"
    parts = [of_variants(one, snp, what, whose) for one, what in found]
    return names, parts


def _ids(given: str | Path | Iterable[str] | None, name: str) -> NDArray[Any] | None:
    """Ids of variants: those given, or the first word of each line of a file."""
    if given is None:
        return None
    if not isinstance(given, str | Path):
        return np.array(sorted({str(i) for i in given}))
    path = Path(given)
    if not path.is_file():
        raise InputError(path, "no such file of variants", "One variant a line: its id.")
    ids = {words[0] for line in lines_of(path) if (words := line.split())}
    if not ids:
        raise InputError(path, "no variant in it", "One variant a line: its id.")
    return np.array(sorted(ids))
