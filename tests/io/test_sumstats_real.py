"""Real GWAS files read without options, or one line says what they lack."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesmixer as bm


@pytest.fixture
def real(shared: Path) -> Path:
    path = shared / "data/sumstats/real"
    if not path.is_dir():
        pytest.skip(f"no {path}: it is not beside this checkout")
    return path


def test_height_of_uk_biobank(real: Path) -> None:
    path = real / "ukb_height_chr22.fastGWA.gz"
    ds = bm.read_sumstats(path)
    raw = pd.read_csv(path, sep="\t").set_index("SNP")
    assert ds.attrs["format"] == "fastgwa"
    ambiguous = (raw.A1 + raw.A2).isin(["AT", "TA", "CG", "GC"]).sum()
    assert ds.sizes["variant"] == len(raw) - ambiguous
    kept = raw.loc[ds["snp"].to_numpy()]
    np.testing.assert_allclose(ds["z"], kept.BETA / kept.SE, rtol=1e-12)
    np.testing.assert_allclose(ds["n"], kept.N)
    np.testing.assert_allclose(ds["pos"], kept.POS)
    assert 4.0 < float((ds["z"] ** 2).mean()) < 4.3  # data/README.md: 4.14 before filters


def test_height_by_p_agrees_with_beta_over_se(real: Path) -> None:
    path = real / "ukb_height_chr22.fastGWA.gz"
    by_beta, by_p = bm.read_sumstats(path), bm.read_sumstats(path, z_from="p")
    np.testing.assert_allclose(by_p["z"], by_beta["z"], atol=2e-5, rtol=2e-5)


def test_als_in_gwas_vcf_takes_cases_and_controls_from_the_header(real: Path) -> None:
    ds = bm.read_sumstats(real / "ALSvcf.vcf")
    assert (ds.attrs["format"], ds.attrs["build"], ds.attrs["trait"]) == (
        "gwas-vcf",
        "GRCh37",
        "ALSvcf",
    )
    np.testing.assert_allclose(ds["n"], 4 / (1 / 20806 + 1 / 59804))
    counts = json.loads(ds.attrs["filters"])
    assert ds.attrs["rows_read"] == 415 == ds.sizes["variant"] + sum(counts.values())
    lines = [
        line.split("\t")
        for line in (real / "ALSvcf.vcf").read_text().splitlines()
        if not line.startswith("#")
    ]
    for i in (0, 17, 60):
        line = next(x for x in lines if x[2] == str(ds["snp"].to_numpy()[i]))
        beta, se, *_ = line[9].split(":")
        assert float(ds["z"][i]) == pytest.approx(float(beta) / float(se))
        assert (str(ds["a1"].to_numpy()[i]), str(ds["a2"].to_numpy()[i])) == (line[4], line[3])


def test_alzheimers_excerpt_is_read_but_for_a_torn_line(real: Path) -> None:
    with (
        pytest.warns(bm.DataWarning, match="chosen by their P"),
        pytest.warns(bm.DataWarning, match="2 lines .* line 408"),
    ):
        ds = bm.read_sumstats(real / "ieu-a-298.tsv.gz")
    assert json.loads(ds.attrs["filters"])["broken_line"] == 2
    assert ds.sizes["variant"] > 350
    np.testing.assert_allclose(ds["z"][0], 0.0389 / 0.0175)


@pytest.mark.parametrize(
    ("name", "format_"), [("boltlmm_5000rows.txt.gz", "bolt-lmm"), ("eduAttainOkbay.txt", "table")]
)
def test_files_without_n_say_so_in_one_line_and_read_once_it_is_given(
    name: str, format_: str, real: Path
) -> None:
    with pytest.raises(bm.InputError, match="no sample size") as caught:
        bm.read_sumstats(real / name)
    assert "sample_size=" in str(caught.value)
    assert "\n" not in str(caught.value)
    said = (
        pytest.warns(bm.DataWarning, match="chosen by their P")
        if name == "eduAttainOkbay.txt"
        else nullcontext()
    )
    with said:
        ds = bm.read_sumstats(real / name, sample_size=300_000)
    assert ds.attrs["format"] == format_
    assert (ds["n"] == 300_000).all()


def test_bolt_z_is_that_of_the_infinitesimal_model(real: Path) -> None:
    ds = bm.read_sumstats(real / "boltlmm_5000rows.txt.gz", sample_size=300_000)
    raw = (
        pd.read_csv(real / "boltlmm_5000rows.txt.gz", sep="\t")
        .drop_duplicates("SNP")
        .set_index("SNP")
        .loc[ds["snp"].to_numpy()]
    )
    np.testing.assert_allclose(ds["z"] ** 2, raw.CHISQ_BOLT_LMM_INF, rtol=1e-4, atol=1e-6)
    assert (ds["a1"].to_numpy() == raw.ALLELE1.to_numpy()).all()


def test_education_takes_z_from_p_as_its_standard_errors_have_one_digit(real: Path) -> None:
    with pytest.warns(bm.DataWarning, match="chosen by their P"):  # it is a list of hits
        ds = bm.read_sumstats(real / "eduAttainOkbay.txt", sample_size=293_723)
    assert ds.attrs["z_definition"] == "Pval, sign of Beta"
    first = int(np.flatnonzero(ds["snp"].to_numpy() == "rs12987662")[0])
    assert float(ds["z"][first]) == pytest.approx(
        10.2, abs=0.05
    )  # P 2.7e-24, where .027 / .003 would be 9.0
