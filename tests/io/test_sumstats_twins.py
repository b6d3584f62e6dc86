"""Other spellings, separators and programs of the same kinds of files: each gives the z, N, alleles
and frequency written into it.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.cli.main import main
from tests.io.gwas_table import exact, gwas, write

G = gwas(80)
OR = pd.Series(np.exp(G.beta))
LP, LN = pd.Series(-np.log10(G.p)), pd.Series(-np.log(G.p))
LOW, HIGH = pd.Series(np.exp(G.beta - 1.96 * G.se)), pd.Series(np.exp(G.beta + 1.96 * G.se))
NAMES = {"SNP": G.rsid, "CHR": G.chrom, "BP": G.pos, "A1": G.ea, "A2": G.oa}
BASE = {**NAMES, "BETA": G.beta, "SE": G.se, "P": G.p, "N": G.n}
QUIET = pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
EVERY = dict(n_min=None, maf_min=None)


def with_rows(values: pd.Series, changes: dict[int, str]) -> list[str]:
    out = exact(values)
    for i, value in changes.items():
        out[i] = value
    return out


def but(*without: str, **changes: object) -> dict[str, object]:
    """The usual table without some columns, and with others."""
    return {k: v for k, v in BASE.items() if k not in without} | changes


def check(ds: xr.Dataset, n: object = None, rtol: float = 1e-9, lost: int = 0) -> None:
    """z, alleles and N of the truth, whatever the names."""
    assert ds.sizes["variant"] == len(G) - lost, ds.attrs["filters"]
    by_name = {name: i for i, name in enumerate(G.rsid)}
    by_place = {int(pos): i for i, pos in enumerate(G.pos)}
    rows = [
        by_name.get(str(s), by_place.get(int(p), -1))
        for s, p in zip(ds["snp"].to_numpy(), ds["pos"].to_numpy(), strict=True)
    ]
    true = G.iloc[rows]
    assert min(rows) >= 0
    assert (ds["a1"].to_numpy() == true.ea.to_numpy()).all()
    assert (ds["a2"].to_numpy() == true.oa.to_numpy()).all()
    np.testing.assert_allclose(ds["z"], true.z, rtol=rtol, atol=1e-11)
    np.testing.assert_allclose(ds["n"], true.n if n is None else n)
    if "eaf" in ds:
        known = np.isfinite(ds["eaf"].to_numpy())
        np.testing.assert_allclose(ds["eaf"][known], true.freq[known], atol=1e-12)


def read(
    folder: Path,
    columns: dict[str, object],
    separator: str = "\t",
    before: str = "",
    **options: Any,
) -> xr.Dataset:
    return bm.read_sumstats(
        write(folder / "gwas.txt", columns, separator, before), **EVERY, **options
    )


# --- N

PAIRS_OF_COUNTS = [
    "ncases ncontrols", "N_CASES N_CONTROLS", "nCas nCon", "Cases Controls", "N.cases N.controls",
    "ns_case ns_ctrl", "num_cases num_controls", "case_N control_N", "TotalCases TotalControls",
    "n_affected n_unaffected", "CASES_N CTRLS_N", "N_Cases_Total N_Controls_Total", "N_ca N_co",
    "number_of_cases number_of_controls", "NrCases NrControls", "Nca Nco", "casesN controlsN",
    "N_AFF N_UNAFF", "cases_total controls_total",
]  # fmt: skip


@pytest.mark.parametrize("names", PAIRS_OF_COUNTS)
def test_cases_and_controls_go_before_their_total(names: str, tmp_path: Path) -> None:
    cases, controls = names.split()
    check(read(tmp_path, but(N=100_000, **{cases: 10_000, controls: 90_000})), 36_000)


@pytest.mark.parametrize("alone", ["Ncases", "Ncontrols"])
def test_total_and_one_of_cases_and_controls_give_the_other(alone: str, tmp_path: Path) -> None:
    check(read(tmp_path, but(N=100_000, **{alone: 10_000})), 36_000)


def test_counts_of_alleles_are_halved(tmp_path: Path) -> None:
    check(read(tmp_path, but(N=100_000, CASE_ALLELE_CT=20_000, CTRL_ALLELE_CT=180_000)), 36_000)


def test_empty_columns_of_cases_and_controls_are_none(tmp_path: Path) -> None:
    check(read(tmp_path, but(N_cases="NA", N_controls="NA")))


@pytest.mark.parametrize(
    "name", ["Neff_half", "NEFFDIV2", "Neff/2", "half_Neff", "NEFF_DIV_2", "N_eff_half"]
)
def test_columns_named_half_are_doubled_whatever_the_counts(name: str, tmp_path: Path) -> None:
    check(read(tmp_path, but(Nca=12_000, Nco=310_000, **{name: 13_973.5})), 27_947)


@pytest.mark.parametrize(
    "name", ["N_effective", "effectiveN", "EffectiveSampleSize", "N_eff", "NEFF"]
)
def test_effective_n_goes_before_the_total(name: str, tmp_path: Path) -> None:
    check(read(tmp_path, but(N=100_000, **{name: 20_000})), 20_000)


def test_neff_that_is_about_half_by_the_counts_is_doubled_and_said(tmp_path: Path) -> None:
    with pytest.warns(bm.DataWarning, match="taken as half"):
        check(read(tmp_path, but(NCAS=53_386, NCON=77_258, NEFF=58_749.0)), 117_498)
    header = '##nCase="53,386"\n##nControl="77,258"\n'
    with pytest.warns(bm.DataWarning, match="taken as half"):
        ds = read(tmp_path, but("N", NEFF=58_749.0), before=header)
    check(ds, 117_498)
    assert "half" in ds.attrs["n_definition"]
    check(read(tmp_path, but("N"), before=header), 4 / (1 / 53_386 + 1 / 77_258))
    check(
        read(tmp_path, but(NCAS=53_386, NCON=77_258, NEFF=117_000.0)), 117_000
    )  # more than half: the whole


def test_neff_that_may_be_whole_or_half_is_asked(tmp_path: Path) -> None:
    columns = but(NCAS=53_386, NCON=77_258, NEFF=40_000.0)
    with pytest.raises(bm.InputError, match="n_eff_half=NEFF"):
        read(tmp_path, columns)
    check(read(tmp_path, columns, n="NEFF"), 40_000)
    check(read(tmp_path, columns, n_eff_half="NEFF"), 80_000)
    with pytest.raises(bm.InputError, match="more than the 126,282"):
        read(tmp_path, but(NCAS=53_386, NCON=77_258, Neff_half=120_000.0))


STUDIES: dict[str, dict[str, object]] = {
    "few, varying": but(N=[1 + i % 30 for i in range(80)]),
    "constant 150": but(N=150),
    "METAL": {
        "MarkerName": G.rsid,
        "Allele1": G.ea,
        "Allele2": G.oa,
        "Weight": 3,
        "Zscore": G.z,
        "P-value": G.p,
        "Direction": "+++",
    },
    "PLINK effects": {
        **NAMES,
        "N": 2,
        "P": G.p,
        "P(R)": 0.5,
        "BETA": G.beta,
        "BETA(R)": 0.1,
        "Q": 0.5,
        "I": 0.0,
    },
    "PLINK weighted": {
        **NAMES,
        "N": 2,
        "P": G.p,
        "P(R)": 0.5,
        "OR": OR,
        "OR(R)": 1.0,
        "Q": 0.5,
        "I": 0.0,
        "WEIGHTED_Z": -G.z,
        "P(WZ)": 0.5,
    },
}


@pytest.mark.parametrize("name", STUDIES)
def test_number_of_studies_is_no_sample_size(name: str, tmp_path: Path) -> None:
    with pytest.raises(bm.InputError, match="number of studies") as caught:
        read(tmp_path, STUDIES[name])
    assert "--sample-size" in str(caught.value)
    check(read(tmp_path, STUDIES[name], sample_size=5_000), 5_000)


ONE_TOTAL: dict[str, dict[str, object]] = {
    "PLINK 2": {"#CHROM": 2, "POS": G.pos, "ID": G.rsid, "REF": G.oa, "ALT": G.ea, "A1": G.ea,
        "TEST": "ADD", "OBS_CT": 100_000, "OR": OR, "LOG(OR)_SE": G.se, "Z_STAT": G.z, "P": G.p},
    "log odds": {**NAMES, "log_odds": G.beta, "SE": G.se, "N": 100_000},
    "REGENIE": {"CHROM": 2, "GENPOS": G.pos, "ID": G.rsid, "ALLELE0": G.oa, "ALLELE1": G.ea,
        "A1FREQ": G.freq, "A1FREQ_CASES": 0.1, "A1FREQ_CONTROLS": 0.1, "N": 100_000, "TEST": "ADD",
        "BETA": G.beta, "SE": G.se, "CHISQ": 1.0, "LOG10P": LP},
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_TOTAL)
def test_a_total_beside_odds_ratios_is_warned_of_once_and_counts_given_put_it_right(
    name: str, tmp_path: Path
) -> None:
    with pytest.warns(
        bm.DataWarning,
        match=r"is the total of both.*n_case= and n_control= \(--n-case, --n-control\)",
    ) as caught:
        check(read(tmp_path, ONE_TOTAL[name]), 100_000)
    assert len(caught) == 1
    check(read(tmp_path, ONE_TOTAL[name], n_case=10_000, n_control=90_000), 36_000)


@pytest.mark.parametrize("nothing", ["NA", "", 0])
def test_columns_of_cases_that_hold_nothing_do_not_say_that_there_are_any(
    nothing: object, tmp_path: Path
) -> None:
    columns = {
        **NAMES,
        "beta": G.beta,
        "SE": G.se,
        "N": 100_000,
        "n_cases": nothing,
        "n_controls": nothing,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(read(tmp_path, columns), 100_000)


# --- two analyses in one file

LOCUS = {"rsid": G.rsid, "chr": 2, "pos": G.pos, "ea": G.ea, "nea": G.oa}


def analysis(write_name: str, sign: int = 1, n: object = None) -> dict[str, object]:
    """Columns of one analysis; `write_name` has a place for the statistic."""
    columns = {"beta": sign * G.beta, "se": G.se, "p": G.p, "n": G.n if n is None else n}
    return {write_name.format(k): v for k, v in columns.items()}


@pytest.mark.parametrize(
    "name",
    [
        "{}_EUR",
        "{}.EUR",
        "{}-EUR",
        "{}_male",
        "{}(EUR)",
        "{}_EUR_UKB",
        "EUR_{}",
        "EUR.{}",
        "meta_{}",
        "{}_meta_hq",
    ],
)
def test_columns_of_the_analysis_whose_effect_is_named(name: str, tmp_path: Path) -> None:
    other = analysis(
        name.replace("EUR", "AFR").replace("male", "female").replace("meta", "eas"), -1, 777_777
    )
    both = {**LOCUS, **other, **analysis(name)}
    with pytest.raises(bm.InputError, match="several analyses"):
        read(tmp_path, both)
    check(read(tmp_path, both, beta=name.format("beta")))
    check(read(tmp_path, {**LOCUS, **analysis(name)}))  # the only one
    check(read(tmp_path, {**LOCUS, **analysis("{}"), **other}))  # the one without affix
    no_n = {k: v for k, v in analysis(name).items() if k != name.format("n")}
    mixed = {**LOCUS, **analysis("{}", -1, 777_777), **no_n}
    with pytest.raises(bm.InputError, match="no sample size"):
        read(tmp_path, mixed, beta=name.format("beta"))
    check(read(tmp_path, mixed, beta=name.format("beta"), n="n"), 777_777)
    only_effect = {**LOCUS, **analysis("{}", -1), name.format("beta"): G.beta}
    with pytest.raises(bm.InputError, match="neither standard errors nor P values"):
        read(tmp_path, only_effect, beta=name.format("beta"), sample_size=1)


MTAG: dict[str, dict[str, object]] = {
    "as written": {
        **NAMES,
        "Z": -G.z,
        "N": G.n,
        "FRQ": G.freq,
        "mtag_beta": G.beta,
        "mtag_se": G.se,
        "mtag_z": G.z,
        "mtag_pval": G.p,
    },
    "capitals": {**NAMES, "Z": -G.z, "N": G.n, "MTAG_Z": G.z, "MTAG_PVAL": G.p},
    "beside effects": {
        **NAMES,
        "beta": -G.beta,
        "se": G.se,
        "pval": 0.5,
        "N": G.n,
        "mtag_beta": G.beta,
        "mtag_se": G.se,
        "mtag_pval": G.p,
    },
}


@pytest.mark.parametrize("name", MTAG)
def test_results_of_mtag_are_read_and_not_its_input(name: str, tmp_path: Path) -> None:
    check(read(tmp_path, MTAG[name]))


def test_a_poor_z_beside_a_full_analysis_is_asked(tmp_path: Path) -> None:
    columns = {**NAMES, "Z": -G.z, "N": G.n, "Z_gsem": G.z, "P_gsem": G.p}
    with pytest.raises(bm.InputError, match="several analyses"):
        read(tmp_path, columns)
    check(read(tmp_path, columns, z="Z_gsem", n="N"))


@pytest.mark.parametrize(
    "counts", [{"N_cases": G.n, "N_controls": 0}, {"N_cases": 0, "N_controls": G.n}]
)
def test_counts_of_no_cases_or_no_controls_leave_n_to_its_own_column(
    counts: dict[str, object], tmp_path: Path
) -> None:
    check(bm.read_sumstats(write(tmp_path / "quantitative.txt", BASE | counts), **EVERY))


def test_header_behind_a_hash_is_known_where_a_value_holds_commas(tmp_path: Path) -> None:
    columns = {
        "#chrom": G.chrom, "pos": G.pos, "ref": G.oa, "alt": G.ea,
        "rsids": [f"{name},rs7" for name in G.rsid], "nearest_genes": "A,B", "pval": G.p,
        "mlogp": LP, "beta": G.beta, "sebeta": G.se, "af_alt": G.freq,
    }  # fmt: skip
    path = write(tmp_path / "finngen.txt", columns)
    ds = bm.read_sumstats(path, sample_size=1000, **EVERY)
    assert ds.sizes["variant"] == len(G)
    np.testing.assert_allclose(ds["z"], G.z, rtol=1e-9)


def test_finngen_beside_uk_biobank_and_their_meta_analysis(tmp_path: Path) -> None:
    columns = {"#CHR": 2, "POS": G.pos, "REF": G.oa, "ALT": G.ea, "SNP": G.rsid}
    for name, sign in (("UKBB_", -1), ("all_inv_var_meta_", 1)):
        columns |= {
            f"{name}beta": sign * G.beta,
            f"{name}sebeta": G.se * (2 - sign),
            f"{name}p": G.p,
        }
    check(read(tmp_path, columns, a1="ALT", sample_size=9_000), 9_000)
    ds = read(tmp_path, columns, a1="ALT", beta="UKBB_beta", sample_size=9_000)
    np.testing.assert_allclose(ds["z"], -G.z / 3)


# --- a bad value beside a good one

FREQUENCIES = ["-9", "-1", "999", ".", "-99", "nan", "#NA", "2"]
STAYS: dict[str, dict[str, object]] = {
    "SE beside P": but(SE=with_rows(G.se, {0: "0", 1: "NA", 2: "-1", 3: "inf", 4: "0.0"})),
    "P beside SE": but(P=with_rows(G.p, {0: "<1e-300", 1: "0", 2: "1.2", 3: "-9", 4: "< 1E-300",
        5: "≤1e-300", 6: "NaN", 7: "1.2x10^-10"})),
    "P as a bound, limits": {**NAMES, "OR": OR, "L95": LOW, "U95": HIGH,
        "P": with_rows(G.p, {0: "<1e-300", 1: "0"}), "N": G.n},
    "z infinite": {**NAMES, "Z": with_rows(G.z, {0: "inf", 1: "-inf", 2: "NA"}), "P": G.p,
        "BETA": G.beta, "N": G.n},
    "-log10 P infinite": {"chromosome": 2, "base_pair_location": G.pos, "effect_allele": G.ea,
        "other_allele": G.oa, "beta": G.beta, "standard_error": G.se,
        "neg_log_10_p_value": with_rows(LP, {0: "inf", 1: "Infinity", 2: "Inf", 3: "#NA"}),
        "rsid": G.rsid, "n": G.n},
    "-log10 P infinite, limits": {"chromosome": 2, "base_pair_location": G.pos,
        "effect_allele": G.ea, "other_allele": G.oa, "odds_ratio": OR, "ci_lower": LOW,
        "ci_upper": HIGH, "neg_log_10_p_value": with_rows(LP, {0: "inf"}), "rsid": G.rsid,
        "n": G.n},
    "odds ratio of 0": {**NAMES, "OR": with_rows(OR, {0: "0", 1: "inf", 2: "NA"}), "Z": G.z,
        "P": G.p, "N": G.n},
    "frequency": but(EAF=with_rows(G.freq, dict(enumerate(FREQUENCIES)))),
    "minor frequency": but(MAF=with_rows(np.minimum(G.freq, 1 - G.freq), {0: "-9", 1: "-1"})),
    "quality": but(INFO=with_rows(G["info"], {0: "-9", 1: "-1", 2: "NA"})),
    "every standard error": but(SE="NA"),
    "P a little above 1": but(P=with_rows(G.p, {i: "1.0000001" for i in range(20)})),
}  # fmt: skip


@QUIET
@pytest.mark.parametrize("name", STAYS)
def test_a_bad_value_drops_no_row_that_another_column_serves(name: str, tmp_path: Path) -> None:
    check(read(tmp_path, STAYS[name]), rtol=1e-8)
    path = tmp_path / "gwas.txt"
    assert bm.read_sumstats(path, n_min=None, maf_min=0.01).sizes["variant"] == len(G)


def test_p_of_1e_400_and_standard_error_of_0_give_z_of_42(tmp_path: Path) -> None:
    ds = read(tmp_path, but(SE=with_rows(G.se, {0: "0"}), P=with_rows(G.p, {0: "2.2E-400"})))
    assert abs(float(ds["z"][0])) == pytest.approx(42.77, abs=0.1)
    assert json.loads(ds.attrs["taken_as_unknown"]) == {"se": 1}


def test_a_bound_of_p_alone_is_not_taken_for_p(tmp_path: Path) -> None:
    ds = read(tmp_path, but("SE", P=with_rows(G.p, {0: "<1e-300", 1: "0", 2: "<0.001"})))
    check(ds, lost=3, n=ds["n"])
    assert json.loads(ds.attrs["filters"])["p_zero"] == 3


LIMITS = [
    "L95 U95", "ci_lower ci_upper", "OR_95L OR_95U", "lower upper", "lower95 upper95",
    "CI_low CI_high", "LCI UCI", "OR_lower OR_upper", "95CI_lower 95CI_upper", "LowerCI UpperCI",
    "OR_L95 OR_U95", "l95CI u95CI", "conf.low conf.high", "LL UL", "2.5% 97.5%",
]  # fmt: skip


@QUIET
@pytest.mark.parametrize("names", LIMITS)
def test_confidence_limits_give_the_standard_error_of_odds_ratios(
    names: str, tmp_path: Path
) -> None:
    low, high = names.split()
    check(read(tmp_path, {**NAMES, "OR": OR, low: LOW, high: HIGH, "N": G.n}))


@QUIET
@pytest.mark.parametrize(
    "form",
    [
        "{:.12f}-{:.12f}",
        "({:.12f}, {:.12f})",
        "[{:.12f};{:.12f}]",
        "{:.12f}–{:.12f}",
        "{:.12f} to {:.12f}",
    ],
)
def test_confidence_limits_in_one_field(form: str, tmp_path: Path) -> None:
    check(
        read(
            tmp_path,
            {
                **NAMES,
                "OR": OR,
                "95%CI": [form.format(a, b) for a, b in zip(LOW, HIGH, strict=True)],
                "N": G.n,
            },
        ),
        rtol=1e-6,
    )


def test_confidence_limits_of_effects_and_named_ones(tmp_path: Path) -> None:
    low, high = G.beta - 1.96 * G.se, G.beta + 1.96 * G.se
    check(read(tmp_path, {**NAMES, "BETA": G.beta, "ci_lower": low, "ci_upper": high, "N": G.n}))
    check(
        read(
            tmp_path,
            {**NAMES, "BETA": G.beta, "from": low, "till": high, "N": G.n},
            ci_lower="from",
            ci_upper="till",
        )
    )


@QUIET
@pytest.mark.parametrize("of_ratio", [True, False])
def test_standard_errors_of_odds_ratios_without_p_are_told_by_allele_frequencies(
    of_ratio: bool, tmp_path: Path
) -> None:
    g, rng = gwas(4_000, seed=3), np.random.default_rng(1)
    se = np.sqrt(1 / (2 * g.freq * (1 - g.freq) * 2_000)) * rng.uniform(0.95, 1.05, len(g))
    ratio = np.exp(se * g.z)
    columns = {
        "SNP": g.rsid,
        "CHR": g.chrom,
        "BP": g.pos,
        "A1": g.ea,
        "A2": g.oa,
        "FRQ": g.freq,
        "OR": ratio,
        "SE": se * ratio if of_ratio else se,
    }
    path = write(tmp_path / "g.txt", columns)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = bm.read_sumstats(path, sample_size=2_000)
    assert [("grows with the odds ratio" in str(w.message)) for w in caught] == [True] * of_ratio
    z = dict(zip(found["snp"].values, found["z"].values, strict=True))
    np.testing.assert_allclose(np.abs([z[name] for name in g.rsid]), np.abs(g.z), rtol=1e-9)


def test_standard_errors_of_odds_ratios_are_told_by_p_and_divided(tmp_path: Path) -> None:
    wide = pd.Series(np.exp(10 * G.beta))
    columns = {**NAMES, "OR": wide, "SE": 10 * G.se * wide, "P": with_rows(G.p, {0: "0"}), "N": G.n}
    with pytest.warns(
        bm.DataWarning, match="SE is the standard error of the odds ratio, not of its logarithm"
    ):
        check(read(tmp_path, columns), rtol=1e-8)
    check(read(tmp_path, columns | {"SE": 10 * G.se}), rtol=1e-8)


# --- scales and signs


@pytest.mark.parametrize("name", ["P", "PVAL", "p.value"])
@pytest.mark.parametrize(
    ("values", "option"), [(LP, "log10p"), (-LP, "log10p"), (LN, "lnp"), (-LN, "lnp")]
)
def test_logarithms_called_p_are_told_by_the_effects_and_read_once_said(
    name: str, values: pd.Series, option: str, tmp_path: Path
) -> None:
    with pytest.raises(bm.InputError, match=rf"{option}={name} \(--{option} {name}\)"):
        read(tmp_path, but("P", **{name: values}))
    without = but("P", "SE", **{name: values})
    with pytest.raises(bm.InputError, match=rf"log10p={name}.*lnp={name}"):
        read(tmp_path, without)
    check(read(tmp_path, without, **{option: name}))


def test_a_logarithm_of_unknown_base_is_asked_and_a_natural_one_by_name_is_read(
    tmp_path: Path,
) -> None:
    with pytest.raises(bm.InputError, match=r"log10p= .* or lnp="):
        read(tmp_path, but("P", "SE", logP=LP))
    check(read(tmp_path, but("P", "SE", lnP=-LN)))


@pytest.mark.parametrize("minus", list("−–‐‑‒—﹣－"))
def test_every_kind_of_minus_is_one(minus: str, tmp_path: Path) -> None:
    check(
        read(
            tmp_path,
            but(
                BETA=[v.replace("-", minus) for v in exact(G.beta)],
                P=[v.replace("-", minus) for v in exact(G.p)],
            ),
        )
    )


def test_dash_of_windows_text_and_of_parquet(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", but(BETA=[v.replace("-", "–") for v in exact(G.beta)]))
    path.write_bytes(path.read_text().encode("cp1252"))
    check(bm.read_sumstats(path, **EVERY))
    pd.DataFrame(but(BETA=[v.replace("-", "−") for v in exact(G.beta)])).to_parquet(
        tmp_path / "a.parquet"
    )
    check(bm.read_sumstats(tmp_path / "a.parquet", **EVERY))


def test_frequencies_in_per_cent_are_not_used(tmp_path: Path) -> None:
    with pytest.warns(bm.DataWarning, match="per cent"):
        assert "eaf" not in read(tmp_path, but(EAF=G.freq * 100))


LOSSES: dict[str, tuple[dict[str, object], str]] = {
    "not_numeric": (
        but("P", BETA=with_rows(G.beta, {i: "x" for i in range(30)})),
        "'x' in column BETA",
    ),
    "not_acgt": (but(A2=["N" if i < 30 else a for i, a in enumerate(G.oa)]), "--a1, --a2"),
    "missing": (
        but(N=with_rows(G.n.astype(float), {i: "NA" for i in range(30)})),
        "missing takes 30 of 80",
    ),
}


@pytest.mark.parametrize("reason", LOSSES)
def test_a_reason_that_takes_much_is_an_error_unless_asked_for_and_more_than_a_trace_a_warning(
    reason: str, tmp_path: Path
) -> None:
    columns, words = LOSSES[reason]
    with pytest.raises(bm.InputError, match=f"{reason} takes 30 of 80 rows, 37.5%") as caught:
        read(tmp_path, columns)
    assert words in str(caught.value)
    assert "--max-loss 1" in str(caught.value)
    with pytest.warns(bm.DataWarning, match=f"{reason} takes 30 of 80 rows"):
        assert read(tmp_path, columns, max_loss=1).sizes["variant"] == 50


def test_rows_without_any_statistic_and_repeated_lines_are_no_error_but_contradictions_are(
    tmp_path: Path,
) -> None:
    blank = {i: "NA" for i in range(30)}
    with pytest.warns(bm.DataWarning, match="missing takes 30"):
        read(
            tmp_path,
            but(BETA=with_rows(G.beta, blank), SE=with_rows(G.se, blank), P=with_rows(G.p, blank)),
        )
    twice = {k: pd.concat([pd.Series(v), pd.Series(v)], ignore_index=True) for k, v in BASE.items()}
    with pytest.warns(bm.DataWarning, match="duplicate takes 80"):
        check(read(tmp_path, twice))
    twice["BETA"] = pd.concat([G.beta, -G.beta / 2], ignore_index=True)
    with pytest.raises(bm.InputError, match="several traits"):
        read(tmp_path, twice)


def test_much_lost_to_a_limit_that_nobody_gave_and_many_impossible_values_are_warned_of(
    tmp_path: Path,
) -> None:
    n = [1_000 if i % 3 == 0 else 100_000 for i in range(80)]
    with pytest.warns(bm.DataWarning, match="n_low takes 27 of 80 rows"):
        bm.read_sumstats(write(tmp_path / "a.txt", but(N=n)))
    with pytest.warns(bm.DataWarning, match="30 of 80 values of column SE cannot be"):
        check(read(tmp_path, but(SE=with_rows(G.se, {i: "0" for i in range(30)}))))


def test_z_of_0_in_every_row_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(bm.InputError, match="every z-score is 0"):
        read(tmp_path, but(BETA=0.0, P=1.0))


# --- alleles

REF_ALT = [
    "reference_allele alternate_allele",
    "ref_allele alt_allele",
    "RefAllele AltAllele",
    "reference_allele alternative_allele",
    "REF_BASE ALT_BASE",
]


@pytest.mark.parametrize("names", REF_ALT)
def test_reference_and_alternate_allele_are_asked_and_either_is_taken_when_named(
    names: str, tmp_path: Path
) -> None:
    ref, alt = names.split()
    columns = {"rsid": G.rsid, ref: G.oa, alt: G.ea, "beta": G.beta, "se": G.se, "n": G.n}
    with pytest.raises(bm.InputError, match=f"a1={alt} "):
        read(tmp_path, columns)
    check(read(tmp_path, columns, a1=alt))
    turned = read(tmp_path, columns, a1=ref)
    assert (turned["a1"].to_numpy() == G.oa.to_numpy()).all()
    np.testing.assert_allclose(turned["z"], G.z)


SAIGE = {
    "CHR": 2,
    "POS": G.pos,
    "SNPID": G.rsid,
    "Allele1": G.oa,
    "Allele2": G.ea,
    "N": G.n,
    "BETA": G.beta,
    "SE": G.se,
}


@pytest.mark.parametrize(
    "rest",
    [
        {"Tstat": G.beta * 1000},
        {"p.value.NA": 0.5},
        {"Tstat": G.beta * 9, "var": 900},
        {"AC_Allele2": 7},
        {"Is.SPA": "true"},
    ],
    ids=list,
)
def test_saige_is_known_by_any_of_its_columns(rest: dict[str, object], tmp_path: Path) -> None:
    check(read(tmp_path, {**SAIGE, "p.value": G.p, **rest}))


def test_allele1_and_allele2_with_nothing_that_says_saige(tmp_path: Path) -> None:
    with pytest.raises(bm.InputError, match="a1=Allele2"):
        read(tmp_path, {**SAIGE, "p.value": G.p})
    check(read(tmp_path, {**SAIGE, "p.value": G.p}, a1="Allele2"))
    # a Tstat that is beta / se is not SAIGE's score
    others = read(
        tmp_path, {**SAIGE, "Allele1": G.ea, "Allele2": G.oa, "Tstat": G.z, "p.value": G.p}
    )
    check(others)


def test_nothing_left_by_the_limit_on_quality_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        bm.InputError, match=r"no variant left of 80; removed: info 80 .*--info-min"
    ):
        read(tmp_path, but(Rsq=0.5, EAF=G.freq))


def test_minor_and_major_allele_are_a_pair(tmp_path: Path) -> None:
    check(
        read(
            tmp_path,
            {"SNP": G.rsid, "minor_allele": G.ea, "major_allele": G.oa, "Z": G.z, "N": G.n},
            a1="minor_allele",
        )
    )


def test_a2_named_as_effect_allele_makes_a1_the_other(tmp_path: Path) -> None:
    check(read(tmp_path, but(A1=G.oa, A2=G.ea), a1="A2"))


ALLELES_IN_NAMES = ["chr2:{p}:{o}:{e}", "2_{p}_{o}_{e}", "2:{p}_{o}/{e}", "chr2-{p}-{o}-{e}"]


def named(form: str) -> list[str]:
    return [form.format(p=p, o=o, e=e) for p, o, e in zip(G.pos, G.oa, G.ea, strict=True)]


@pytest.mark.parametrize("form", ALLELES_IN_NAMES)
def test_alleles_inside_names_alone_are_asked_for_by_part(form: str, tmp_path: Path) -> None:
    columns = {"SNP": named(form), "Z": G.z, "N": G.n}
    with pytest.raises(bm.InputError, match=r"a1=SNP:4 \(--a1 SNP:4\)"):
        read(tmp_path, columns)
    check(read(tmp_path, columns, a1="SNP:4"))
    assert (read(tmp_path, columns, a1="SNP:3")["a1"].to_numpy() == G.oa.to_numpy()).all()


def test_r_writes_the_allele_t_as_true(tmp_path: Path) -> None:
    check(read(tmp_path, but(A1=G.ea.replace("T", "TRUE"), A2=G.oa.replace("T", "TRUE"))))


# --- identifiers

PLACES = [
    *ALLELES_IN_NAMES,
    "2:{p}",
    "CHR2:{p}",
    "chr2_{p}",
    "02:{p}:{o}:{e}",
    "2:{p}[b37]{o},{e}",
    "2:{p}:SNP",
    "chr2:g.{p}{o}>{e}",
]


@pytest.mark.parametrize("form", PLACES)
def test_places_inside_names_are_read_row_by_row(form: str, tmp_path: Path) -> None:
    names = [
        place if i % 3 else rs
        for i, (place, rs) in enumerate(zip(named(form), G.rsid, strict=True))
    ]
    ds = read(tmp_path, {"SNP": names, "A1": G.ea, "A2": G.oa, "Z": G.z, "N": G.n})
    check(ds)
    assert (ds["pos"].to_numpy()[1:3] == G.pos[1:3]).all()
    assert int(ds["pos"][0]) == 0
    with_chr = read(
        tmp_path, {"CHR": "chr2", "SNP": names, "A1": G.ea, "A2": G.oa, "Z": G.z, "N": G.n}
    )
    assert (with_chr["pos"].to_numpy()[1:3] == G.pos[1:3]).all()


@pytest.mark.parametrize("none", ["---", ".", "NA", "-", "0", "?", "--", "none", "*", ""])
def test_what_stands_for_no_name_is_none(none: str, tmp_path: Path) -> None:
    check(read(tmp_path, but(SNP=[none if i % 4 == 0 else s for i, s in enumerate(G.rsid)])))


def test_equal_names_at_other_places_or_of_other_alleles_at_a_named_place_are_different_variants(
    tmp_path: Path,
) -> None:
    check(read(tmp_path, but(SNP="rs1")))
    ds = read(
        tmp_path,
        but(
            "CHR",
            "BP",
            SNP=["2:5000"] * 2 + list(G.rsid[2:]),
            A1=["A", "A", *G.ea[2:]],
            A2=["C", "G", *G.oa[2:]],
        ),
    )
    assert ds.sizes["variant"] == len(G)


@pytest.mark.parametrize("name", ["X", "23", "chrX", "chr23", "x", "X_PAR1"[:1]])
def test_names_of_chromosome_x_are_one(name: str, tmp_path: Path) -> None:
    assert set(read(tmp_path, but(CHR=name))["chrom"].to_numpy()) == {"X"}


BUILDS = [
    "chr PosGRCh37",
    "chr_hg19 pos_hg19",
    "Chr(GRCh38) Pos(GRCh38)",
    "hg38_chr hg38_pos",
    "chromosome_b37 position_b37",
    "CHR38 POS38",
]


@pytest.mark.parametrize("names", BUILDS)
def test_places_that_name_their_build(names: str, tmp_path: Path) -> None:
    chrom, pos = names.split()
    ds = read(
        tmp_path,
        {
            chrom: 2,
            pos: G.pos,
            "testedAllele": G.ea,
            "otherAllele": G.oa,
            "z": G.z,
            "p": G.p,
            "N": G.n,
        },
    )
    check(ds)
    assert ds.attrs["build"] == ("GRCh38" if "38" in names else "GRCh37")


def test_names_of_one_letter_words_are_not_run_together(tmp_path: Path) -> None:
    # P of overall survival is no position, and the number missing no sample size
    ds = read(tmp_path, but("CHR", "BP", "N", P_OS=0.5, n_miss=3, n_samples=G.n))
    check(ds)
    assert (ds["pos"] == 0).all()


# --- refused, or told untruly

COMMAS = {
    name: [v.replace(".", ",") for v in exact(BASE[name])]  # type: ignore[arg-type]
    for name in ("BETA", "SE", "P")
}


@pytest.mark.parametrize("separator", ["\t", ";", " ", ","])
def test_decimal_commas_are_named_and_read_once_said(separator: str, tmp_path: Path) -> None:
    columns = but(**COMMAS)
    with pytest.raises(
        bm.InputError, match=r"decimal commas \('.*,.*' in column BETA\).*--decimal comma"
    ):
        read(tmp_path, columns, separator)
    check(read(tmp_path, columns, separator, decimal="comma"))
    thousands = but(**COMMAS, N=[f"{v:,}".replace(",", ".") for v in G.n])
    check(read(tmp_path, thousands, separator, decimal=","))
    check(
        read(tmp_path, but(BETA=COMMAS["BETA"], SE=COMMAS["SE"]), separator, decimal="comma")
    )  # P as a program wrote it


def test_thousands_are_read(tmp_path: Path) -> None:
    columns = but(N=[f"{v:,}" for v in G.n], BP=[f"{v:,}" for v in G.pos])
    for separator in "\t,":
        ds = read(tmp_path, columns, separator)
        check(ds)
        assert (ds["pos"].to_numpy() == G.pos).all()


@pytest.mark.parametrize("separator", [",", "\t", " ", ";"])
def test_separators_inside_quotes_separate_nothing(separator: str, tmp_path: Path) -> None:
    genes = [f"A{separator}B" if i % 2 == 0 else 'the "C" gene' for i in range(80)]
    check(read(tmp_path, {**BASE, "gene": genes}, separator))
    check(read(tmp_path, {"gene": genes, **BASE}, separator))


def test_blanks_around_values_do_no_harm(tmp_path: Path) -> None:
    padded = {
        f" {k} ": [f"  {v}\u00a0" for v in (exact(c) if c.dtype.kind == "f" else c)]
        for k, c in ((k, pd.Series(c)) for k, c in BASE.items())
    }
    for separator in "\t,;":
        check(read(tmp_path, padded, separator))


def test_a_direction_string_is_no_effect(tmp_path: Path) -> None:
    gwama = {
        "rs_number": G.rsid,
        "reference_allele": G.ea,
        "other_allele": G.oa,
        "eaf": G.freq,
        "n_samples": G.n,
        "effects": "++-",
    }
    check(read(tmp_path, {**gwama, "beta": G.beta, "se": G.se}))
    with pytest.warns(bm.DataWarning, match="total"):
        check(read(tmp_path, {**gwama, "OR": OR, "OR_se": G.se, "z": G.z, "_-log10_p-value": LP}))


def test_alleles_and_frequency_of_the_neale_lab(tmp_path: Path) -> None:
    columns = {
        "variant": named("2:{p}:{o}:{e}"), "minor_allele": np.where(G.freq < 0.5, G.ea, G.oa),
        "minor_AF": np.minimum(G.freq, 1 - G.freq), "low_confidence_variant": "false",
        "n_complete_samples": G.n, "AC": 1, "ytx": 1, "beta": G.beta, "se": G.se, "tstat": G.z,
        "pval": G.p,
    }  # fmt: skip
    ds = read(tmp_path, columns)
    check(ds)
    assert np.isfinite(ds["eaf"]).all()


def test_snptest_25_names_its_model(tmp_path: Path) -> None:
    columns = {
        "alternate_ids": "---", "rsid": G.rsid, "chromosome": "NA", "position": G.pos,
        "alleleA": G.oa, "alleleB": G.ea, "info": 0.99, "all_total": 100_000, "cases_total": 10_000,
        "controls_total": 90_000, "frequentist_add_lrt_pvalue": G.p,
        "frequentist_add_beta_1:add/sle=1": G.beta, "frequentist_add_se_1": G.se,
        "frequentist_add_wald_pvalue_1": G.p, "comment": "NA",
    }  # fmt: skip
    check(read(tmp_path, columns, " ", before="# Analysis: add\n"), 36_000)


def archive(kind: str, member: Path) -> bytes:
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as z:
            z.write(member, "in/gwas.txt")
    else:
        mode: Any = f"w{kind}"
        with tarfile.open(fileobj=buffer, mode=mode, format=tarfile.PAX_FORMAT) as t:
            info = t.gettarinfo(member, "in/gwas.txt")
            info.pax_headers = {"comment": "x" * 600}
            with member.open("rb") as f:
                t.addfile(info, f)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["", ":gz", ":bz2", ":xz", "zip"])
def test_archives_are_named_as_such_with_what_is_in_them(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "gwas.bin"
    path.write_bytes(archive(kind, write(tmp_path / "gwas.txt", BASE)))
    with pytest.raises(bm.InputError, match=r"archive.*first file is in/gwas.txt.*Unpack it"):
        bm.read_sumstats(path)


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"7z\xbc\xaf\x27\x1c", "7z archive"),
        (b"Rar!\x1a\x07", "rar archive"),
        (b"\x1f\x9d\x90", "compress"),
        (b"RDX3\n", "R data"),
        (b"\xd0\xcf\x11\xe0", "Excel"),
    ],
)
def test_other_files_are_called_what_they_are(start: bytes, what: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(start + bytes(range(200)))
    with pytest.raises(bm.InputError, match=what):
        bm.read_sumstats(tmp_path / "x")
    (tmp_path / "y").write_bytes(gzip.compress(gzip.compress(b"SNP A1\n")))
    with pytest.raises(bm.InputError, match="compressed twice"):
        bm.read_sumstats(tmp_path / "y")


# --- remedies as they are typed

ASKED: dict[str, tuple[dict[str, object], Sequence[str]]] = {
    "logarithm": (but("SE", P=LP), ()),
    "half or whole": (but(NCAS=53_386, NCON=77_258, NEFF=40_000.0), ()),
    "analyses": ({**LOCUS, **analysis("{}_AFR", -1), **analysis("{}_EUR")}, ()),
    "reference": (
        {
            "rsid": G.rsid,
            "reference_allele": G.oa,
            "alternate_allele": G.ea,
            "beta": G.beta,
            "se": G.se,
            "n": G.n,
        },
        (),
    ),
    "part": ({"SNP": named("2:{p}:{o}:{e}"), "Z": G.z, "N": G.n}, ()),
    "decimals": (but(**COMMAS), ()),
    "loss": (but("P", BETA=with_rows(G.beta, {i: "x" for i in range(30)})), ()),
    "saige": ({**SAIGE, "p.value": G.p}, ()),
    "studies": (but(N=3), ("5000",)),
}


@QUIET
@pytest.mark.parametrize("name", ASKED)
def test_the_remedy_in_the_message_works_when_it_is_typed(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns, value = ASKED[name]
    path, out = write(tmp_path / "gwas.txt", columns), tmp_path / "out.parquet"
    with pytest.raises(bm.InputError) as caught:
        bm.read_sumstats(path)
    found = re.search(
        r"\b(sample_size)=" if value else r"\b([a-z_0-9]+)=('?)([^\s',;()]+)\2", str(caught.value)
    )
    assert found is not None
    typed = value[0] if value else found[3].rstrip(".:")
    number = found[1] in {"sample_size", "max_loss"}
    in_python = bm.read_sumstats(path, **EVERY, **{found[1]: float(typed) if number else typed})
    with pytest.raises(SystemExit) as end:
        main(["munge", str(path), "--out", str(out)])
    assert end.value.code == 2
    option = re.search(
        "(--sample-size)" if value else r"(--[a-z0-9-]+) '?([^\s',;()-][^\s',;()]*)(?<!or)",
        capsys.readouterr().err,
    )
    assert option is not None
    with pytest.raises(SystemExit) as end:
        main(
            [
                "munge",
                str(path),
                "--out",
                str(out),
                "--n-min",
                "0",
                "--maf-min",
                "0",
                option[1],
                *(value or [option[2].rstrip(".:")]),
            ]
        )
    assert not end.value.code
    on_command_line = pd.read_parquet(out)
    np.testing.assert_allclose(on_command_line["z"], in_python["z"])
    np.testing.assert_allclose(on_command_line["n"], in_python["n"])
