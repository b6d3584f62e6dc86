"""Names that GWAS programs give their columns, by the role (snp, a1, beta, se, p, ...) they stand
for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def _counts(of: str, alone: str) -> tuple[str, ...]:
    """Spellings of a number of people: n_cases, casesN, num_case, ns.case, cases_total,
    total_ncase, ...
    """
    before = ("n", "ns", "nr", "no", "num", "number", "number_of", "total", "total_n", "count")
    after = ("n", "total", "count", "num", "ct", "number")
    stems = of.split()
    made = [f"{b}_{s}" for s in stems for b in before] + [f"{s}_{a}" for s in stems for a in after]
    made += (
        [f"n{s}" for s in stems] + [f"n_{s}_total" for s in stems] + [f"n_total_{s}" for s in stems]
    )
    return (*made, *alone.split())


def _limits(side: str) -> tuple[str, ...]:
    """Spellings of one end of a 95% confidence interval: L95, ci_lower, OR_95L, lower95, ..."""
    word = {"l": ("lower", "low", "lo"), "u": ("upper", "up", "high", "hi")}[side]
    plain = [
        f"{side}95ci",
        f"ci{side}",
        {"l": "ll", "u": "ul"}[side],
        {"l": "2_5", "u": "97_5"}[side],
        f"{side}95",
        f"95{side}",
        f"{side}ci",
        f"{side}cl",
        f"ci_{side}",
        f"ci95_{side}",
        f"{side}_95",
        f"95_{side}",
    ]
    for w in word:
        plain += [
            w,
            f"{w}95",
            f"{w}_95",
            f"95{w}",
            f"{w}_ci",
            f"ci_{w}",
            f"95ci_{w}",
            f"ci95_{w}",
            f"ci_95_{w}",
            f"95_ci_{w}",
        ]
        plain += [
            f"{w}_95_ci",
            f"{w}_ci_95",
            f"{w}_95ci",
            f"{w}_95pct_ci",
            f"ci_{w}_95",
            f"conf_{w}",
            f"{w}_limit",
            f"{w}_cl",
            f"{w}_bound",
        ]
    return (
        *plain,
        f"hm_ci_{word[0]}",
        *(f"{effect}_{name}" for effect in ("or", "beta", "hr", "b") for name in plain),
    )


# Role -> names in order of preference, as `normalise` writes them.
_WRITTEN: dict[str, str | tuple[str, ...]] = {
    "snp": "rsid rs_id hm_rsid snp snpid snp_id markername marker_name marker markerid rs rsids"
    " rs_number rs_numbers id variant_id variantid variant predictor chrpos chr_pos chrpos_id cptid"
    " rsnum rsnumber",
    "chrom": "chr chrom chromosome chr_id chr_name hg19chr hg19chrc chromosome_name"
    " chromosome_number chrom_id",
    "pos": "pos bp position base_pair_location base_pair_position base_pair basepair bpos ps genpos"
    " chr_position position_bp pos_bp basepair_position base_position bp_position physical_position"
    " physpos",
    "a1": "effect_allele effectallele effect_all ea a1 allele1 allele_1 a_1 tested_allele"
    " coded_allele codedallele inc_allele risk_allele riskallele test_allele alleletested effallele"
    " eff_allele reference_allele",
    "a2": "other_allele otherallele other_all oa nea non_effect_allele noneffect_allele"
    " noneffectallele a2 allele2 allele_2 a_2 allele0 allele_0 a0 a_0 noncoded_allele"
    " non_coded_allele dec_allele nonrisk_allele non_risk_allele omitted untested_allele"
    " noneff_allele nontested_allele non_tested_allele",
    "z": "z zscore z_score zstat z_stat gc_zscore z_statistic",
    "beta": "beta b effect effects log_odds logodds log_or logor ln_or lnor effect_size beta_effect"
    " all_inv_var_meta_beta log_odds_ratio logoddsratio effectsize est_beta beta_hat betahat",
    "odds_ratio": "or odds_ratio oddsratio hazard_ratio hr hazardratio",
    "se": "se stderr std_err standard_error standarderror stderror std_error sebeta se_beta beta_se"
    " log_or_se logor_se se_log_or effect_se se_effect all_inv_var_meta_sebeta se_b b_se"
    " stderr_beta beta_stderr se_logor se_lnor lnor_se",
    "p": "p pvalue p_value pval p_val p_wald gc_pvalue p_gc pvalue_gc frequentist_add_pvalue"
    " pval_nominal p_bolt_lmm_inf all_inv_var_meta_p meta_p p_dgc p_values pvalues",
    "log10p": "log10p log10_p mlog10p mlog10_p neg_log_10_p_value neg_log10_p_value neg_log10_p"
    " neglog10p neglog10_p neg_log10_pval nlog10p lp mlogp minus_log10_p minuslog10p log10_pvalue"
    " log10_p_value log10pvalue log10pval log10_pval neglog10_pval neglog10_pvalue neglog10_p_value"
    " neg_log10_pvalue neglog10pval neglog10pvalue minus_log10_pval minus_log10_pvalue"
    " minus_log10_p_value mlog10_pval mlog10_pvalue mlog10pval mlog10pvalue nlog10_p nlog10_pval"
    " neg_log_10_p neg_log_p10 negative_log10_p negative_log10_p_value logp10 log_10_p"
    " log_10_p_value",
    "lnp": "lnp ln_p ln_pval ln_pvalue ln_p_value lnpval lnpvalue neg_ln_p minus_ln_p neg_ln_pval"
    " mlnp loge_p",
    "ci_lower": _limits("l"),
    "ci_upper": _limits("u"),
    "ci": "ci ci95 95ci ci_95 95_ci 95pct_ci or_ci or_95ci or_95_ci or_ci95 beta_ci beta_95ci"
    " confidence_interval conf_int",
    "n": "n n_total ntotal total_n totaln ntot n_tot obs_ct nmiss n_samples nsamples samplesize"
    " sample_size total_sample_size totalsamplesize n_analyzed n_complete_samples n_obs nobs"
    " n_sample nsample weight n_weight num_samples num_sample number_of_samples samples sample_n"
    " samplen n_ind n_inds n_indiv n_individuals num_individuals n_subjects n_participants"
    " n_analysed n_informative ns all_total n_all n_overall total_samples sampsize",
    "n_eff": "neff n_eff n_effective effective_n effectiven eff_n effective_sample_size n_eff_total"
    " neff_total effn eff_sample_size effective_samplesize total_neff neffective"
    " n_effective_samples sample_size_effective effectivesamplesize",
    "n_eff_half": "neff_half neffdiv2 n_eff_half neffhalf half_neff neff_div2 neff_div_2 n_eff_div2"
    " n_eff_div_2 neff_2 half_n_eff neff_by2 neff_by_2 neff_over_2 neff_halved",
    "n_case": _counts("case cases cas affected", "cases nca n_ca case n_aff naff number_cases"),
    "n_control": _counts(
        "control controls con ctrl ctrls ctl ctls cont unaffected",
        "controls nco n_co control ctrls n_unaff nunaff number_controls",
    ),
    "case_alleles": "case_allele_ct cases_allele_ct case_allele_count case_alleles",
    "control_alleles": "ctrl_allele_ct control_allele_ct controls_allele_ct ctrl_allele_count"
    " control_allele_count ctrl_alleles",
    "eaf": "eaf effect_allele_frequency effect_allele_freq effectallelefreq a1freq a1_freq freq_a1"
    " af1 freq1 freq frq frequency af freq_effect allele1_freq freq_allele1 frq_u f_u fcon"
    " freq_effect_allele coded_allele_frequency a1_frequency frq_a1 effectallelefrequency"
    " tested_allele_frequency coded_allele_freq coded_af a1_af eaf_ref effect_af alt_freq"
    " freq_tested_allele freq_tested_allele_in_hrs",
    "maf": "maf minor_allele_frequency minor_allele_freq minor_af",
    "info": "info imputationinfo imputation_info imputation_quality impinfo info_score imp_info"
    " minimac_r2 rsq oevar_imp mach_r2 machr2 minimac_rsq rsqr r2_imputation imputation_r2 imp_r2"
    " r2_imp imputation_rsq dr2 ar2 mean_info avg_info infoscore imputation_score imp_rsq"
    " info_imputation",
    "test": "test",
    "ref": "ref ref_allele reference_allele reference refallele ref_base allele_ref reference_base"
    " allele_reference",
    "alt": "alt alt_allele alternate_allele alternative_allele alternate alternative altallele"
    " alt_base allele_alt alternate_base alternative_base allele_alternate",
    "minor": "minor_allele minorallele",
}
NAMES = {
    role: tuple(names.split()) if isinstance(names, str) else names
    for role, names in _WRITTEN.items()
}
SIGNED = ("z", "beta", "odds_ratio")
COUNTS = ("n", "n_eff", "n_eff_half", "n_case", "n_control", "case_alleles", "control_alleles")
_BUILD = re.compile(
    r"(.*?)_?(?:hg|grch|build|ncbi|b)?_?(?:18|19|36|37|38)|"
    r"(?:hg|grch|build|ncbi|b)_?(?:18|19|36|37|38)_?(.*)"
)
_SQUEEZED = {
    role: {name.replace("_", ""): name for name in reversed(names)} for role, names in NAMES.items()
}


def normalise(name: str) -> str:
    """Lower case, and one underscore for whatever is no letter or digit."""
    return re.sub(r"[^0-9a-z]+", "_", name.strip().lower()).strip("_")


def spellings(name: str) -> set[str]:
    """The listed names that a normalised name may be another spelling of.

    Words may run together (EffectAllele) and places may name their build (PosGRCh37, bp_hg19). A
    word of one letter stays apart, so that P_OS is not a position and n_miss not PLINK's NMISS.
    """
    found = {name}
    if all(len(word) > 1 for word in name.split("_")):
        squeezed = name.replace("_", "")
        found |= {table[squeezed] for table in _SQUEEZED.values() if squeezed in table}
    if (m := _BUILD.fullmatch(name)) and (plain := m[1] or m[2]) in (
        *NAMES["chrom"],
        *NAMES["pos"],
        *NAMES["snp"],
    ):
        found.add(plain)
    return found


def shown(names: Iterable[str]) -> str:
    """Column names for an error message, cut after twelve."""
    kept = [n for n in names if n]
    return ", ".join(kept[:12]) + (", ..." if len(kept) > 12 else "")


def flag(role: str) -> str:
    """Name of the command-line option for a role."""
    return role.replace("_", "-")


def index_by_spelling(names: Sequence[str]) -> dict[str, list[int]]:
    """Listed name -> columns that are spelled so; those spelled exactly so go before the others."""
    index: dict[str, list[int]] = {}
    plain = [normalise(n) for n in names]
    for i, name in enumerate(plain):
        index.setdefault(name, []).append(i)
    for i, name in enumerate(plain):
        for other in spellings(name) - {name}:
            if other not in plain:
                index.setdefault(other, []).append(i)
    return index
