"""GWAS file formats recognised by their columns: which allele the effect refers to, and which column plays which role."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bayesmixer.io.columns import normalise


@dataclass(frozen=True)
class Format:
    """One format: how its columns give it away, the names it uses by role, and roles it does not have whatever its names suggest."""

    name: str
    matches: Callable[[frozenset[str]], bool]
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    absent: tuple[str, ...] = ()


def _has(*names: str) -> Callable[[frozenset[str]], bool]:
    needed = frozenset(names)
    return lambda found: needed <= found


def _is_daner(found: frozenset[str]) -> bool:
    return any(re.fullmatch(r"frq_a_\d+", n) for n in found) and any(re.fullmatch(r"frq_u_\d+", n) for n in found)


def _is_metal(found: frozenset[str]) -> bool:
    return {"markername", "allele1", "allele2"} <= found and ("direction" in found or {"weight", "zscore"} <= found or {"effect", "stderr"} <= found)


def _is_ldsc(found: frozenset[str]) -> bool:
    return {"snp", "a1", "a2", "z", "n"} <= found <= {"snp", "a1", "a2", "z", "n", "chr", "bp", "frq"}


_BY_ALT = {"a1": ("alt",), "a2": ("ref",)}

# Tried in this order; the first that matches is the file's format.
FORMATS: tuple[Format, ...] = (
    Format("gwas-vcf", _has("chrom", "pos", "id", "ref", "alt", "qual", "filter", "info", "format"), _BY_ALT),
    # PLINK 2: A1 is the tested allele, REF or ALT the other one; T_STAT is as good as a z-score at GWAS sample sizes
    Format(
        "plink2",
        _has("id", "ref", "alt", "a1", "obs_ct"),
        {
            "snp": ("id",),
            "a1": ("a1",),
            "a2": ("omitted",),
            "z": ("z_stat", "t_stat", "z_or_f_stat", "t_or_f_stat"),
            "n": ("obs_ct",),
            "se": ("log_or_se", "se"),
        },
    ),
    Format(
        "regenie",
        _has("genpos", "id", "allele0", "allele1", "log10p"),
        {"snp": ("id",), "pos": ("genpos",), "a1": ("allele1",), "a2": ("allele0",), "eaf": ("a1freq",), "n": ("n",)},
    ),
    # SAIGE: Allele2 is the effect allele; Tstat is the score statistic, not a z-score
    *(
        Format(
            "saige",
            _has("allele1", "allele2", marker),
            {
                "snp": ("rsid", "markerid", "snpid"),
                "a1": ("allele2",),
                "a2": ("allele1",),
                "eaf": ("af_allele2",),
                "info": ("imputationinfo",),
                "p": ("p_value",),
            },
            absent=("z",),
        )
        for marker in ("af_allele2", "ac_allele2")
    ),
    # BOLT-LMM: BETA and SE belong to the infinitesimal model, so its P does too; GENPOS is in Morgans
    Format(
        "bolt-lmm",
        _has("genpos", "allele1", "allele0", "a1freq"),
        {"pos": ("bp",), "a1": ("allele1",), "a2": ("allele0",), "eaf": ("a1freq",), "p": ("p_bolt_lmm_inf", "p_linreg")},
    ),
    # The control frequency stands for the effect allele's, as in LDSC
    Format("daner", _is_daner, {"a1": ("a1",), "a2": ("a2",), "n_case": ("nca",), "n_control": ("nco",), "eaf": ()}),
    Format("fastgwa", _has("snp", "a1", "a2", "n", "af1", "beta", "se", "p"), {"eaf": ("af1",)}),
    Format("gcta-ma", lambda found: found == {"snp", "a1", "a2", "freq", "b", "se", "p", "n"}, {"eaf": ("freq",), "beta": ("b",)}),
    Format(
        "gwas-ssf-harmonised",
        _has("hm_effect_allele", "hm_other_allele"),
        {
            "snp": ("hm_rsid",),
            "chrom": ("hm_chrom",),
            "pos": ("hm_pos",),
            "a1": ("hm_effect_allele",),
            "a2": ("hm_other_allele",),
            "beta": ("hm_beta",),
            "odds_ratio": ("hm_odds_ratio",),
            "eaf": ("hm_effect_allele_frequency",),
        },
    ),
    Format(
        "gwas-ssf",
        _has("chromosome", "base_pair_location", "effect_allele", "other_allele"),
        {
            "snp": ("rsid", "rs_id", "variant_id"),
            "a1": ("effect_allele",),
            "a2": ("other_allele",),
            "beta": ("beta",),
            "odds_ratio": ("odds_ratio", "hazard_ratio"),
        },
    ),
    Format(
        "metal",
        _is_metal,
        {"a1": ("allele1",), "a2": ("allele2",), "z": ("zscore",), "beta": ("effect",), "se": ("stderr",), "eaf": ("freq1",), "p": ("p_value",)},
    ),
    Format("ldsc", _is_ldsc, {"a1": ("a1",), "a2": ("a2",), "z": ("z",)}),
    Format(
        "finngen",
        _has("ref", "alt", "af_alt", "beta", "sebeta"),
        {**_BY_ALT, "snp": ("rsids",), "chrom": ("chrom",), "se": ("sebeta",), "p": ("pval",), "log10p": ("mlogp",), "eaf": ("af_alt",)},
    ),
    Format(
        "snptest",
        _has("allelea", "alleleb", "frequentist_add_beta_1"),
        {
            "a1": ("alleleb",),
            "a2": ("allelea",),
            "beta": ("frequentist_add_beta_1",),
            "se": ("frequentist_add_se_1",),
            "p": ("frequentist_add_pvalue",),
            "n": ("all_total",),
        },
    ),
    Format("table", lambda _: True),
)


def recognise(names: Sequence[str]) -> Format:
    """Return the first of `FORMATS` whose columns are among `names`."""
    found = frozenset(normalise(n) for n in names)
    return next(f for f in FORMATS if f.matches(found))


def daner_counts(names: Sequence[str]) -> tuple[int, int, int]:
    """Cases and controls from a daner header's FRQ_A_n and FRQ_U_n, and the index of the latter column."""
    cases = next(int(m[1]) for n in names if (m := re.fullmatch(r"frq_a_(\d+)", normalise(n))))
    i, controls = next((i, int(m[1])) for i, n in enumerate(names) if (m := re.fullmatch(r"frq_u_(\d+)", normalise(n))))
    return cases, controls, i
