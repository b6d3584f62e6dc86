"""GWAS file formats recognised by their columns: which allele the effect refers to, and which
column plays which role.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bayesmixer.io.names import normalise


@dataclass(frozen=True)
class Format:
    """One format: how its columns give it away, the names it uses by role, and roles it does not
    have whatever its names suggest.
    """

    name: str
    matches: Callable[[frozenset[str]], bool]
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    note: str = ""
    """What a user should know of its N, said where there is none or beside the one taken."""


def _has(*names: str) -> Callable[[frozenset[str]], bool]:
    needed = frozenset(names)
    return lambda found: needed <= found


def _is_daner(found: frozenset[str]) -> bool:
    return any(re.fullmatch(r"frq_a_\d+", n) for n in found) and any(
        re.fullmatch(r"frq_u_\d+", n) for n in found
    )


def _is_metal(found: frozenset[str]) -> bool:
    return {"markername", "allele1", "allele2"} <= found and (
        "direction" in found or {"weight", "zscore"} <= found or {"effect", "stderr"} <= found
    )


def _is_plink1_meta(found: frozenset[str]) -> bool:
    return "p_r" in found and bool({"or_r", "beta_r"} & found)


def _is_mtag(found: frozenset[str]) -> bool:
    return bool({"mtag_z", "mtag_beta"} & found)


def _is_saige(found: frozenset[str]) -> bool:
    sure = {
        "af_allele2",
        "ac_allele2",
        "af_allele2_case",
        "p_value_na",
        "is_spa",
        "is_spa_converge",
        "vart",
        "vartstar",
    }
    return {"allele1", "allele2"} <= found and bool(sure & found)


def _is_ldsc(found: frozenset[str]) -> bool:
    return (
        {"snp", "a1", "a2", "z", "n"} <= found <= {"snp", "a1", "a2", "z", "n", "chr", "bp", "frq"}
    )


SAIGE_CUT = "saige, cut down"
"""Allele1, Allele2, Tstat and p.value: SAIGE's, unless Tstat turns out to be beta / se."""

_BY_ALT = {"a1": ("alt",), "a2": ("ref",)}

# Tried in this order; the first that matches is the file's format.
FORMATS: tuple[Format, ...] = (
    Format(
        "gwas-vcf",
        _has("chrom", "pos", "id", "ref", "alt", "qual", "filter", "info", "format"),
        _BY_ALT,
    ),
    # PLINK 2: A1 is the tested allele, REF or ALT the other one; T_STAT is as good as a z-score at
    # GWAS sample sizes
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
        {
            "snp": ("id",),
            "pos": ("genpos",),
            "a1": ("allele1",),
            "a2": ("allele0",),
            "eaf": ("a1freq",),
            "n": ("n",),
        },
    ),
    # SAIGE: Allele2 is the effect allele; Tstat is the score statistic, not a z-score
    *(
        Format(
            name,
            matches,
            {
                "snp": ("rsid", "markerid", "snpid", "snp"),
                "a1": ("allele2",),
                "a2": ("allele1",),
                "eaf": ("af_allele2", "af"),
                "info": ("imputationinfo",),
                "p": ("p_value",),
            },
            absent=("z",),
        )
        for name, matches in (
            ("saige", _is_saige),
            (SAIGE_CUT, _has("allele1", "allele2", "tstat", "p_value")),
        )
    ),
    # BOLT-LMM: BETA and SE belong to the infinitesimal model, so its P does too; GENPOS is in
    # Morgans
    Format(
        "bolt-lmm",
        _has("bp", "genpos", "allele1", "allele0", "a1freq"),
        {
            "pos": ("bp",),
            "a1": ("allele1",),
            "a2": ("allele0",),
            "eaf": ("a1freq",),
            "p": ("p_bolt_lmm_inf", "p_linreg"),
        },
    ),
    # The control frequency stands for the effect allele's, as in LDSC
    Format(
        "daner",
        _is_daner,
        {"a1": ("a1",), "a2": ("a2",), "n_case": ("nca",), "n_control": ("nco",), "eaf": ()},
    ),
    Format("fastgwa", _has("snp", "a1", "a2", "n", "af1", "beta", "se", "p"), {"eaf": ("af1",)}),
    Format(
        "gcta-ma",
        lambda found: found == {"snp", "a1", "a2", "freq", "b", "se", "p", "n"},
        {"eaf": ("freq",), "beta": ("b",)},
    ),
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
        {
            "a1": ("allele1",),
            "a2": ("allele2",),
            "z": ("zscore",),
            "beta": ("effect",),
            "se": ("stderr",),
            "eaf": ("freq1",),
            "p": ("p_value",),
        },
    ),
    # PLINK 1.9 --meta-analysis: N counts studies; P(R) and OR(R) are the random effects
    Format(
        "plink1-meta",
        _is_plink1_meta,
        {"p": ("p",), "odds_ratio": ("or",), "beta": ("beta",)},
        absent=("n", "z"),
        note="its column N is the number of studies",
    ),
    # MTAG: Z, beta and P without prefix are those of the input GWAS
    Format(
        "mtag",
        _is_mtag,
        {
            "z": ("mtag_z",),
            "beta": ("mtag_beta",),
            "odds_ratio": (),
            "se": ("mtag_se",),
            "p": ("mtag_pval", "mtag_p"),
            "log10p": (),
            "eaf": ("meta_freq", "frq", "freq", "eaf"),
        },
        note=(
            "N of the GWAS that MTAG was given; its results amount to N x (mean mtag_z^2 - 1) / "
            "(mean z^2 - 1)"
        ),
    ),
    # Neale lab: alleles stand inside `variant` (chromosome:position:ref:alt), the effect is that of
    # alt
    Format(
        "neale",
        _has("variant", "minor_allele", "minor_af", "ac", "ytx", "beta"),
        {"snp": ("variant",), "a1": (), "a2": (), "maf": (), "eaf": ("minor_af",)},
    ),
    Format("mvp", _has("snp_id", "ref", "alt", "ea", "r2", "af"), {"a1": ("ea",), "info": ("r2",)}),
    Format("ldsc", _is_ldsc, {"a1": ("a1",), "a2": ("a2",), "z": ("z",)}),
    Format(
        "finngen",
        _has("ref", "alt", "af_alt", "beta", "sebeta"),
        {
            **_BY_ALT,
            "snp": ("rsids",),
            "chrom": ("chrom",),
            "se": ("sebeta",),
            "p": ("pval",),
            "log10p": ("mlogp",),
            "eaf": ("af_alt",),
        },
    ),
    Format(
        "snptest",
        lambda found: (
            {"allelea", "alleleb"} <= found and any(n.startswith("frequentist_add") for n in found)
        ),
        {
            "a1": ("alleleb",),
            "a2": ("allelea",),
            # 2.5 adds the model and the phenotype: frequentist_add_beta_1:add/sle=1
            "beta": ("frequentist_add_beta_1", "frequentist_add_beta_1_add_*"),
            "se": ("frequentist_add_se_1", "frequentist_add_se_1_add_*"),
            "p": (
                "frequentist_add_pvalue",
                "frequentist_add_lrt_pvalue",
                "frequentist_add_wald_pvalue_1",
                "frequentist_add_score_pvalue",
            ),
            "n": ("all_total",),
            "n_case": ("cases_total",),
            "n_control": ("controls_total",),
        },
    ),
    Format("table", lambda _: True),
)


def recognise(names: Sequence[str]) -> Format:
    """Return the first of `FORMATS` whose columns are among `names`."""
    found = frozenset(normalise(n) for n in names)
    return next(f for f in FORMATS if f.matches(found))


def table_format() -> Format:
    """What is no other format."""
    return FORMATS[-1]


def daner_counts(names: Sequence[str]) -> tuple[int, int, int]:
    """Cases and controls from a daner header's FRQ_A_n and FRQ_U_n, and the index of the latter
    column.
    """
    cases = next(int(m[1]) for n in names if (m := re.fullmatch(r"frq_a_(\d+)", normalise(n))))
    i, controls = next(
        (i, int(m[1]))
        for i, n in enumerate(names)
        if (m := re.fullmatch(r"frq_u_(\d+)", normalise(n)))
    )
    return cases, controls, i
