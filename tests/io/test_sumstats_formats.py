"""Every format is recognised by its columns, and its effect allele, z and N are those that were
written into it.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesmixer as bm
from bayesmixer.variables import validate
from tests.io.gwas_table import exact, gwas, plain, write

G = gwas()
LP = [repr(float(x)) for x in -np.log10(G.p)]
OR = pd.Series(np.exp(G.beta))
# PLINK 2 tests either allele: A1 is ALT in even rows, REF in odd ones
EVEN = np.arange(len(G)) % 2 == 0

FORMATS: dict[str, dict[str, object]] = {
    "ldsc": {"SNP": G.rsid, "A1": G.ea, "A2": G.oa, "Z": G.z, "N": G.n},
    "gwas-ssf": {
        "chromosome": G.chrom, "base_pair_location": G.pos, "effect_allele": G.ea,
        "other_allele": G.oa, "beta": G.beta, "standard_error": G.se,
        "effect_allele_frequency": G.freq, "p_value": G.p, "rsid": G.rsid, "n": G.n,
    },
    "gwas-ssf odds ratio, -log10 P": {
        "chromosome": G.chrom, "base_pair_location": G.pos, "effect_allele": G.ea,
        "other_allele": G.oa, "odds_ratio": OR, "standard_error": G.se,
        "effect_allele_frequency": G.freq, "neg_log_10_p_value": LP, "rs_id": G.rsid, "n": G.n,
    },
    "gwas-ssf-harmonised": {
        "hm_variant_id": "NA", "hm_rsid": G.rsid, "hm_chrom": G.chrom, "hm_pos": G.pos,
        "hm_other_allele": G.oa, "hm_effect_allele": G.ea, "hm_beta": G.beta, "hm_odds_ratio": "NA",
        "hm_effect_allele_frequency": G.freq, "chromosome": 1, "base_pair_location": 1,
        "effect_allele": G.oa, "other_allele": G.ea, "beta": -G.beta, "standard_error": G.se,
        "p_value": G.p, "n": G.n,
    },
    "plink2": {
        "#CHROM": G.chrom, "POS": G.pos, "ID": G.rsid, "REF": np.where(EVEN, G.oa, G.ea),
        "ALT": np.where(EVEN, G.ea, G.oa), "A1": G.ea, "A1_FREQ": G.freq, "TEST": "ADD",
        "OBS_CT": G.n, "BETA": G.beta, "SE": G.se, "T_STAT": G.z, "P": G.p, "ERRCODE": ".",
    },
    "plink2 logistic": {
        "#CHROM": G.chrom, "POS": G.pos, "ID": G.rsid, "REF": G.oa, "ALT": G.ea,
        "PROVISIONAL_REF?": "N", "A1": G.ea, "OMITTED": G.oa, "FIRTH?": "N", "TEST": "ADD",
        "OBS_CT": G.n, "OR": OR, "LOG(OR)_SE": G.se, "Z_STAT": G.z, "P": G.p, "ERRCODE": ".",
    },
    "regenie": {
        "CHROM": G.chrom, "GENPOS": G.pos, "ID": G.rsid, "ALLELE0": G.oa, "ALLELE1": G.ea,
        "A1FREQ": G.freq, "INFO": G["info"], "N": G.n, "TEST": "ADD", "BETA": G.beta, "SE": G.se,
        "CHISQ": G.z**2, "LOG10P": LP, "EXTRA": "NA",
    },
    "saige": {
        "CHR": G.chrom, "POS": G.pos, "MarkerID": G.rsid, "Allele1": G.oa, "Allele2": G.ea,
        "AC_Allele2": 7, "AF_Allele2": G.freq, "MissingRate": 0, "BETA": G.beta, "SE": G.se,
        "Tstat": G.beta * 1e3, "var": 900, "p.value": G.p, "N": G.n,
    },
    "bolt-lmm": {
        "SNP": G.rsid, "CHR": G.chrom, "BP": G.pos, "GENPOS": 0.1, "ALLELE1": G.ea, "ALLELE0": G.oa,
        "A1FREQ": G.freq, "INFO": G["info"], "CHISQ_LINREG": 3, "P_LINREG": 0.9, "BETA": G.beta,
        "SE": G.se, "CHISQ_BOLT_LMM_INF": G.z**2, "P_BOLT_LMM_INF": G.p, "CHISQ_BOLT_LMM": 1,
        "P_BOLT_LMM": 0.5, "N": G.n,
    },
    "daner": {
        "CHR": G.chrom, "SNP": G.rsid, "BP": G.pos, "A1": G.ea, "A2": G.oa, "FRQ_A_20000": G.freq,
        "FRQ_U_30000": G.freq, "INFO": G["info"], "OR": OR, "SE": G.se, "P": G.p, "ngt": 0,
        "Direction": "++", "HetISqt": 0,
    },
    "daner by row": {
        "CHR": G.chrom, "SNP": G.rsid, "BP": G.pos, "A1": G.ea, "A2": G.oa, "FRQ_A_9": G.freq,
        "FRQ_U_9": G.freq, "INFO": G["info"], "OR": OR, "SE": G.se, "P": G.p, "Nca": 20_000,
        "Nco": 30_000,
    },
    "fastgwa": {
        "CHR": G.chrom, "SNP": G.rsid, "POS": G.pos, "A1": G.ea, "A2": G.oa, "N": G.n,
        "AF1": G.freq, "BETA": G.beta, "SE": G.se, "P": G.p,
    },
    "gcta-ma": {"SNP": G.rsid, "A1": G.ea, "A2": G.oa, "freq": G.freq, "b": G.beta, "se": G.se,
        "p": G.p, "N": G.n},
    "metal effects": {
        "MarkerName": G.rsid, "Allele1": G.ea.str.lower(), "Allele2": G.oa.str.lower(),
        "Freq1": G.freq, "Effect": G.beta, "StdErr": G.se, "P-value": G.p, "Direction": "++?",
        "TotalSampleSize": G.n,
    },
    "metal z": {
        "MarkerName": G.rsid, "Allele1": G.ea.str.lower(), "Allele2": G.oa.str.lower(),
        "Weight": G.n, "Zscore": G.z, "P-value": G.p, "Direction": "++",
    },
    "finngen": {
        "#chrom": G.chrom, "pos": G.pos, "ref": G.oa, "alt": G.ea, "rsids": G.rsid, "pval": G.p,
        "mlogp": LP, "beta": G.beta, "sebeta": G.se, "af_alt": G.freq, "n": G.n,
    },
    "snptest": {
        "rsid": G.rsid, "chromosome": G.chrom, "position": G.pos, "alleleA": G.oa, "alleleB": G.ea,
        "all_total": G.n, "frequentist_add_pvalue": G.p, "frequentist_add_beta_1": G.beta,
        "frequentist_add_se_1": G.se,
    },
    "table": {"rs_number": G.rsid, "Effect_Allele": G.ea, "NEA": G.oa, "Log_Odds": G.beta,
        "StdErr": G.se, "N_total": G.n},
    "table, P and sign": {"SNP": G.rsid, "A1": G.ea, "A2": G.oa, "BETA": G.beta, "P": G.p,
        "N": G.n},
    "table, odds ratio and P": {"SNP": G.rsid, "A1": G.ea, "A2": G.oa, "OR": OR, "Pval": G.p,
        "N": G.n},
    "table, -log10 P and sign": {"SNP": G.rsid, "A1": G.ea, "A2": G.oa, "B": G.beta,
        "-log10(P)": LP, "N": G.n},
    "table, log10 P and sign": {"SNP": G.rsid, "A1": G.ea, "A2": G.oa, "B": G.beta,
        "log10(P)": ["-" + x for x in LP], "N": G.n},
    "table, P and z": {"SNP": G.rsid, "A1": G.ea, "A2": G.oa, "Zscore": G.z, "P": G.p, "N": G.n},
    "table, cases and controls": {"SNP": G.rsid, "A1": G.ea, "A2": G.oa, "Z": G.z, "N_cas": 20_000,
        "N_con": 30_000},
    "table, position in the name": {
        "MarkerName": "chr2:" + G.pos.astype(str) + ":" + G.oa + ":" + G.ea, "A1": G.ea,
        "A2": G.oa, "Z": G.z, "N": G.n, "P": G.p,
    },
    "table, no name": {"CHR": "chr02", "POS": G.pos, "A1": G.ea, "A2": G.oa, "Z": G.z, "N": G.n,
        "P": G.p},
    "table, A1 with REF and ALT": {"CHR": 2, "POS": G.pos, "SNP": G.rsid,
        "REF": np.where(EVEN, G.oa, G.ea), "ALT": np.where(EVEN, G.ea, G.oa), "A1": G.ea, "Z": G.z,
        "N": G.n},
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_format_is_recognised_and_gives_the_z_and_alleles_written_into_it(
    name: str, tmp_path: Path
) -> None:
    separator = " " if name == "regenie" else "\t"
    ds = bm.read_sumstats(write(tmp_path / "gwas.txt", FORMATS[name], separator))
    validate(ds, "sumstats")
    assert ds.attrs["format"] == name.split(",")[0].split(" ")[0]
    assert ds.sizes["variant"] == len(G), ds.attrs["filters"]
    assert (ds["a1"].to_numpy() == G.ea.to_numpy()).all()
    assert (ds["a2"].to_numpy() == G.oa.to_numpy()).all()
    np.testing.assert_allclose(ds["z"], G.z, rtol=1e-9, atol=1e-11)
    effective = "daner" in name or "cases" in name
    np.testing.assert_allclose(ds["n"], 48_000 if effective else G.n)
    if "no name" not in name and "in the name" not in name:
        assert ds["snp"].to_numpy().tolist() == G.rsid.tolist()
    if "chrom" in {c.lower().strip("#") for c in FORMATS[name]} or "name" in name:
        assert (ds["chrom"].to_numpy() == "2").all()
        assert (ds["pos"].to_numpy() == G.pos.to_numpy()).all()
    if "eaf" in ds:
        np.testing.assert_allclose(ds["eaf"], G.freq)


@pytest.mark.parametrize("separator", ["\t", ",", ";", " ", "   ", "\r\n"])
def test_separator_is_found(separator: str, tmp_path: Path) -> None:
    path = plain(tmp_path / "gwas.txt")
    text = path.read_text()
    text = text.replace("\n", "\r\n") if separator == "\r\n" else text.replace("\t", separator)
    if separator == "   ":  # aligned as PLINK 1 writes it: blanks at both ends of a line
        text = "".join(f"  {line}  \n" for line in text.splitlines())
    path.write_bytes(text.encode())
    np.testing.assert_allclose(bm.read_sumstats(path)["z"], G.z)


def test_quotes_byte_order_mark_comments_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    text = plain(tmp_path / "gwas.txt").read_text().replace("\t", ",")
    lines = [",".join(f'"{x}"' for x in line.split(",")) for line in text.splitlines()]
    body = (
        "\ufeff## made by us\n# not the header\n\n"
        + "\n".join(lines[:10])
        + "\n\n"
        + "\n".join(lines[10:])
        + "\n\n"
    )
    path = tmp_path / "quoted.csv"
    path.write_text(body, encoding="utf-8")
    np.testing.assert_allclose(bm.read_sumstats(path)["z"], G.z)


def test_trailing_separator_and_row_names_of_r_are_understood(tmp_path: Path) -> None:
    lines = plain(tmp_path / "gwas.txt").read_text().splitlines()
    trailing = tmp_path / "trailing.txt"
    trailing.write_text("\n".join([lines[0], *(line + "\t" for line in lines[1:])]) + "\n")
    numbered = tmp_path / "numbered.txt"
    numbered.write_text(
        "\n".join([lines[0], *(f"{i}\t{line}" for i, line in enumerate(lines[1:]))]) + "\n"
    )
    for path in (trailing, numbered):
        np.testing.assert_allclose(bm.read_sumstats(path)["z"], G.z)


@pytest.mark.parametrize(
    "kind", ["plain", "gz", "bgz", "zst", "bz2", "xz", "parquet", "wrong suffix"]
)
def test_compression_is_told_from_the_bytes_and_the_hash_is_of_the_file_as_it_lies(
    kind: str, tmp_path: Path
) -> None:
    plain_path = plain(tmp_path / "gwas.txt")
    raw = plain_path.read_bytes()
    path = tmp_path / f"gwas.{kind}"
    if kind == "bgz":  # bgzip: many members, the last one empty
        path.write_bytes(gzip.compress(raw[:1000]) + gzip.compress(raw[1000:]) + gzip.compress(b""))
    elif kind == "zst":
        import pyarrow as pa

        path.write_bytes(pa.compress(raw, codec="zstd", asbytes=True))
    elif kind == "parquet":
        pd.read_csv(plain_path, sep="\t").to_parquet(path)
    elif kind == "wrong suffix":
        path = tmp_path / "gwas.zip"
        path.write_bytes(gzip.compress(raw))
    else:
        path.write_bytes(
            {"plain": lambda b: b, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[
                kind
            ](raw)
        )
    ds = bm.read_sumstats(path)
    np.testing.assert_allclose(ds["z"], G.z)
    assert ds.attrs["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (
        ds.attrs["sha256"]
        == subprocess.run(
            ["sha256sum", str(path)], capture_output=True, text=True, check=True
        ).stdout.split()[0]
    )


def test_files_larger_than_a_chunk_give_the_same_as_in_one_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = plain(tmp_path / "gwas.txt")
    whole = bm.read_sumstats(path)
    monkeypatch.setattr("bayesmixer.io.text.CHUNK", 97)
    monkeypatch.setattr("bayesmixer.io.text._FIRST", 300)
    pieces = bm.read_sumstats(path)
    assert pieces.identical(whole)


def test_dataset_survives_netcdf_and_zarr(tmp_path: Path) -> None:
    import xarray as xr

    ds = bm.read_sumstats(plain(tmp_path / "gwas.txt"), trait="height", build="hg19")
    assert (ds.attrs["trait"], ds.attrs["build"], ds.attrs["source"]) == (
        "height",
        "GRCh37",
        "gwas.txt",
    )
    ds.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    back = xr.load_dataset(tmp_path / "a.nc", engine="h5netcdf")
    np.testing.assert_array_equal(back["z"], ds["z"])
    assert back["snp"].to_numpy().tolist() == ds["snp"].to_numpy().tolist()
    assert json.loads(back.attrs["filters"]) == json.loads(ds.attrs["filters"])


VCF_HEADER = (
    "##fileformat=VCFv4.2\n##contig=<ID=1,length=249250621>\n"
    "##SAMPLE=<ID=trait_1,TotalCases=20000,TotalControls=30000,StudyType=CaseControl>\n"
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ttrait_1\n"
)


def test_gwas_vcf_effect_is_that_of_alt_and_multi_allelic_rows_are_split(tmp_path: Path) -> None:
    rows = [
        "1\t100\trs1\tA\tC\t.\tPASS\t.\tES:SE:LP:AF:SS:ID\t0.2:0.1:1.342:0.3:1000:rs1",
        "1\t200\t.\tA\tC,G\t.\tPASS\t.\tES:SE:LP:AF:SS:ID"
        "\t0.1,-0.3:0.1,0.1:0.498,2.57:0.3,0.2:1000:rs2",
        "1\t300\trs3\tA\tG\t.\tLOWQ\t.\tES:SE:LP:AF:SS:ID\t0.2:0.1:1.342:0.3:1000:rs3",
        "1\t400\trs4\tG\tA\t.\t.\t.\tSE:ES:LP:AF:ID:SS\t0.1:-0.25:1.9:0.3:rs4:1000",
        "1\t500\trs5\tG\tA\t.\tPASS\t.\tES:SE:LP:AF\t0.4:0.1:4.2:0.3",
    ]
    path = tmp_path / "a.vcf.gz"
    path.write_bytes(gzip.compress((VCF_HEADER + "\n".join(rows) + "\n").encode()))
    ds = bm.read_sumstats(path, n_min=None, z_from="beta")  # one-digit standard errors
    counts = json.loads(ds.attrs["filters"])
    assert ds.attrs["rows_read"] == 6  # one a variant allele
    assert counts["vcf_filter"] == 1
    assert counts["missing"] == 1  # rs5 has no SS
    assert counts["duplicate"] == 1  # rs2's second allele has the same name
    assert ds["snp"].to_numpy().tolist() == ["rs1", "rs2", "rs4"]
    np.testing.assert_allclose(ds["z"], [2.0, 1.0, -2.5])
    assert (ds["a1"].to_numpy().tolist(), ds["a2"].to_numpy().tolist()) == (
        ["C", "C", "A"],
        ["A", "A", "G"],
    )
    assert ds.attrs["build"] == "GRCh37"
    np.testing.assert_allclose(ds["n"], 1000 * 4 * 0.4 * 0.6)  # the header counts 40% cases


def test_gwas_vcf_without_ss_takes_cases_and_controls_from_its_header_and_with_nc_by_row(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.vcf"
    path.write_text(VCF_HEADER + "1\t100\trs1\tA\tC\t.\tPASS\t.\tES:SE\t0.2:0.1\n")
    np.testing.assert_allclose(bm.read_sumstats(path)["n"], 48_000)
    quantitative = VCF_HEADER.replace("TotalCases=20000,", "").replace("30000", "50000")
    path.write_text(quantitative + "1\t100\trs1\tA\tC\t.\tPASS\t.\tES:SE\t0.2:0.1\n")
    np.testing.assert_allclose(bm.read_sumstats(path)["n"], 50_000)
    path.write_text(VCF_HEADER + "1\t100\trs1\tA\tC\t.\tPASS\t.\tES:SE:SS:NC\t0.2:0.1:10000:2000\n")
    np.testing.assert_allclose(bm.read_sumstats(path)["n"], 4 / (1 / 2000 + 1 / 8000))


def test_gwas_vcf_with_several_traits_wants_one_named(tmp_path: Path) -> None:
    path = tmp_path / "a.vcf"
    path.write_text(
        VCF_HEADER.rstrip("\n")
        + "\ttrait_2\n1\t100\trs1\tA\tC\t.\tPASS\t.\tES:SE:SS\t0.2:0.1:1000\t0.4:0.1:1000\n"
    )
    with pytest.raises(bm.InputError, match="trait_1, trait_2"):
        bm.read_sumstats(path)
    np.testing.assert_allclose(bm.read_sumstats(path, trait="trait_2")["z"], [4.0])


def test_columns_can_be_named_and_numbers_given(tmp_path: Path) -> None:
    g = G
    path = write(
        tmp_path / "odd.txt",
        {"x1": g.rsid, "x2": g.ea, "x3": g.oa, "x4": g.beta, "x5": g.se, "x6": g.n, "x7": g.freq},
    )
    ds = bm.read_sumstats(path, snp="x1", a1="x2", a2="x3", beta="x4", se="x5", n="x6", eaf="x7")
    np.testing.assert_allclose(ds["z"], g.z)
    np.testing.assert_allclose(ds["n"], g.n)
    np.testing.assert_allclose(ds["eaf"], g.freq)
    named = {"snp": "x1", "a1": "x2", "a2": "x3", "beta": "x4", "se": "x5"}
    np.testing.assert_allclose(bm.read_sumstats(path, sample_size=5000, **named)["n"], 5000)
    np.testing.assert_allclose(bm.read_sumstats(path, n="5000", **named)["n"], 5000)
    np.testing.assert_allclose(
        bm.read_sumstats(path, n_case=2000, n_control=3000, **named)["n"], 4800
    )


def test_gwas_ssf_metadata_beside_the_file_give_build_and_sample_size(tmp_path: Path) -> None:
    columns = {name: c for name, c in FORMATS["gwas-ssf"].items() if name != "n"}
    path = write(tmp_path / "GCST1.tsv", columns)
    with pytest.raises(bm.InputError, match="no sample size"):
        bm.read_sumstats(path)
    meta = tmp_path / "GCST1.tsv-meta.yaml"
    meta.write_text(
        "gwas_id: GCST1\nsamples:\n  - sample_size: 700\n    sample_ancestry: European\n  - "
        "sample_size: 300\ngenome_assembly: GRCh37\n"
    )
    ds = bm.read_sumstats(path)
    assert ds.attrs["build"] == "GRCh37"
    np.testing.assert_allclose(ds["n"], 1000)
    meta.write_text(
        "samples:\n  - sample_size: 1000\n    case_control_study: true\n    case_count: 200\n  "
        "  control_count: 800\ngenome_assembly: GRCh38\n"
    )
    ds = bm.read_sumstats(path)
    assert ds.attrs["build"] == "GRCh38"
    np.testing.assert_allclose(ds["n"], 4 / (1 / 200 + 1 / 800))


def test_plink_rows_of_other_tests_are_left_out(tmp_path: Path) -> None:
    columns = dict(FORMATS["plink2"])
    columns["TEST"] = np.where(np.arange(len(G)) % 3 == 0, "COVAR1", "ADD")
    ds = bm.read_sumstats(write(tmp_path / "a.glm.linear", columns))
    assert json.loads(ds.attrs["filters"])["test_not_additive"] == 20
    assert ds.sizes["variant"] == 40


def test_info_lists_are_averaged(tmp_path: Path) -> None:
    info = ["0.95,0.97,NA" if i % 2 else "0.9,0.7" for i in range(len(G))]
    ds = bm.read_sumstats(plain(tmp_path / "a.txt", QUALS=info), info="QUALS")
    assert json.loads(ds.attrs["filters"])["info"] == 30
    np.testing.assert_allclose(ds["info"], 0.96)


def test_exact_text_of_doubles_is_read_back() -> None:
    assert exact(pd.Series([0.1, 1e-300])) == ["0.1", "1e-300"]
