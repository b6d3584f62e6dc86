"""Names that GWAS programs give their columns, and the role (snp, a1, beta, se, p, ...) each name stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bayesmixer.errors import InputError

# Role -> names in order of preference, as `normalise` writes them.
NAMES: dict[str, tuple[str, ...]] = {
    "snp": (
        *(
            "rsid",
            "rs_id",
            "hm_rsid",
            "snp",
            "snpid",
            "snp_id",
            "markername",
            "marker_name",
            "marker",
            "markerid",
            "rs",
            "rsids",
            "rs_number",
            "rs_numbers",
        ),
        *("id", "variant_id", "variantid", "variant", "chrpos", "chr_pos"),
    ),
    "chrom": ("chr", "chrom", "chromosome", "chr_id", "chr_name", "hg19chr", "hg19chrc", "chr_hg19", "chr_hg38", "chrom_hg19", "chrom_hg38"),
    "pos": (
        *("pos", "bp", "position", "base_pair_location", "base_pair_position", "base_pair", "basepair", "bp_hg19", "pos_hg19", "bp_hg38", "pos_hg38"),
        *("bpos", "ps", "pos_b37", "pos_b38", "chr_position", "position_hg19", "position_hg38"),
    ),
    "a1": (
        *("effect_allele", "effectallele", "effect_all", "ea", "a1", "allele1", "allele_1", "a_1", "tested_allele", "coded_allele", "codedallele"),
        *("inc_allele", "risk_allele", "riskallele", "reference_allele"),
    ),
    "a2": (
        *(
            "other_allele",
            "otherallele",
            "other_all",
            "oa",
            "nea",
            "non_effect_allele",
            "noneffect_allele",
            "noneffectallele",
            "a2",
            "allele2",
            "allele_2",
        ),
        *("a_2", "allele0", "allele_0", "a0", "noncoded_allele", "non_coded_allele", "dec_allele", "nonrisk_allele"),
    ),
    "z": ("z", "zscore", "z_score", "zstat", "z_stat", "gc_zscore", "z_statistic"),
    "beta": (
        "beta",
        "b",
        "effect",
        "effects",
        "log_odds",
        "logodds",
        "log_or",
        "logor",
        "ln_or",
        "lnor",
        "effect_size",
        "beta_effect",
        "all_inv_var_meta_beta",
    ),
    "odds_ratio": ("or", "odds_ratio", "oddsratio", "hazard_ratio", "hr", "hazardratio"),
    "se": (
        *(
            "se",
            "stderr",
            "std_err",
            "standard_error",
            "standarderror",
            "stderror",
            "std_error",
            "sebeta",
            "se_beta",
            "beta_se",
            "log_or_se",
            "logor_se",
        ),
        *("se_log_or", "effect_se", "se_effect", "all_inv_var_meta_sebeta"),
    ),
    "p": (
        *(
            "p",
            "pvalue",
            "p_value",
            "pval",
            "p_val",
            "p_wald",
            "gc_pvalue",
            "p_gc",
            "pvalue_gc",
            "frequentist_add_pvalue",
            "pval_nominal",
            "p_bolt_lmm_inf",
        ),
        *("all_inv_var_meta_p", "meta_p", "p_dgc"),
    ),
    "log10p": (
        *(
            "log10p",
            "log10_p",
            "mlog10p",
            "mlog10_p",
            "neg_log_10_p_value",
            "neg_log10_p_value",
            "neg_log10_p",
            "neglog10p",
            "neglog10_p",
            "neg_log10_pval",
        ),
        *(
            "nlog10p",
            "lp",
            "mlogp",
            "minus_log10_p",
            "minuslog10p",
            "log10_pvalue",
            "log10_p_value",
            "log10pvalue",
            "log10pval",
            "log10_pval",
            "neglog10_pval_eur",
        ),
    ),
    "n": (
        *("n", "n_total", "ntotal", "total_n", "totaln", "ntot", "n_tot", "obs_ct", "nmiss", "n_samples", "nsamples", "samplesize", "sample_size"),
        *("total_sample_size", "totalsamplesize", "n_analyzed", "n_complete_samples", "n_obs", "nobs", "n_sample", "weight", "n_weight"),
    ),
    "n_eff": ("neff", "n_eff", "n_effective", "effective_n", "effectiven", "eff_n", "effective_sample_size", "n_eff_total"),
    "n_eff_half": ("neff_half", "neffdiv2", "n_eff_half"),
    "n_case": ("n_case", "n_cases", "ncase", "ncases", "cases_n", "n_cas", "ncas", "nca", "num_cases", "case_n", "case_count", "total_ncase"),
    "n_control": (
        *("n_control", "n_controls", "ncontrol", "ncontrols", "controls_n", "n_con", "ncon", "nco", "n_ctrl", "n_ctrls", "num_controls"),
        *("control_n", "control_count", "total_ncontrol"),
    ),
    "eaf": (
        *(
            "eaf",
            "effect_allele_frequency",
            "effect_allele_freq",
            "effectallelefreq",
            "a1freq",
            "a1_freq",
            "freq_a1",
            "af1",
            "freq1",
            "freq",
            "frq",
            "frequency",
        ),
        *(
            "af",
            "freq_effect",
            "allele1_freq",
            "freq_allele1",
            "frq_u",
            "f_u",
            "freq_effect_allele",
            "coded_allele_frequency",
            "a1_frequency",
            "frq_a1",
        ),
    ),
    "maf": ("maf", "minor_allele_frequency", "minor_allele_freq", "minor_af"),
    "info": (
        "info",
        "imputationinfo",
        "imputation_info",
        "imputation_quality",
        "impinfo",
        "info_score",
        "imp_info",
        "minimac_r2",
        "rsq",
        "oevar_imp",
    ),
    "test": ("test",),
    "ref": ("ref", "ref_allele"),
    "alt": ("alt", "alt_allele"),
}
SIGNED = ("z", "beta", "odds_ratio")


def normalise(name: str) -> str:
    """Lower case, and one underscore for whatever is no letter or digit."""
    return re.sub(r"[^0-9a-z]+", "_", name.strip().lower()).strip("_")


def shown(names: Sequence[str]) -> str:
    """Column names for an error message, cut after twelve."""
    kept = [n for n in names if n]
    return ", ".join(kept[:12]) + (", ..." if len(kept) > 12 else "")


def find_given(path: object, names: Sequence[str], role: str, given: str) -> int:
    """Index of the column a user named for a role, by exact name first, then whatever the case.

    Raises
    ------
    InputError
        No such column, or several.
    """
    exact = [i for i, n in enumerate(names) if n == given or n.lstrip("#") == given]
    loose = [i for i, n in enumerate(names) if normalise(n) == normalise(given)]
    found = exact or loose
    if not found:
        raise InputError(path, f"no column '{given}' for {role} (found: {shown(names)})", f"Give {role}= (--{flag(role)}) one of these names.")
    if len(found) > 1:
        raise InputError(path, f"{len(found)} columns are named '{given}', wanted for {role}", "Rename or remove all but one.")
    return found[0]


def flag(role: str) -> str:
    """Name of the command-line option for a role."""
    return role.replace("_", "-")


def assign(
    path: object, names: Sequence[str], preferred: Mapping[str, Sequence[str]], given: Mapping[str, str], absent: Sequence[str] = ()
) -> dict[str, int]:
    """Give roles to columns.

    Parameters
    ----------
    path
        File name, for errors.
    names
        Column names as the file writes them.
    preferred
        Names (normalised) that the recognised format uses, by role; other roles fall back on `NAMES`.
    given
        Column names that the user chose, by role.
    absent
        Roles that the format does not have, whatever its names suggest.

    Returns
    -------
    dict
        Role -> index of the column.

    Raises
    ------
    InputError
        Two columns for one role that cannot be told apart, or a chosen column that is not there.
    """
    index: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        index.setdefault(normalise(name), []).append(i)
    roles = {role: find_given(path, names, role, name) for role, name in given.items()}
    taken = set(roles.values())
    chose_sign = any(role in given for role in SIGNED)
    for role, generic in NAMES.items():
        if role in roles or role in absent or (chose_sign and role in SIGNED):
            continue
        listed = preferred.get(role, generic)
        found = [(name, i) for name in listed for i in index.get(name, []) if i not in taken or role in {"ref", "alt"}]
        if not found:
            continue
        if len(found) > 1 and found[0][0] == found[1][0]:
            raise InputError(path, f"{len(index[found[0][0]])} columns are named '{names[found[0][1]]}'", "Rename or remove all but one.")
        if role in SIGNED and len(found) > 1 and role not in preferred:
            which = " and ".join(names[i] for _, i in found)
            raise InputError(path, f"two columns for {role}: {which}", f"Say which one to use with {role}= (--{flag(role)}).")
        roles[role] = found[0][1]
    return roles
