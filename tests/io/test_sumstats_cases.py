"""Small inputs in the form of real files, each against the table of what it holds: z, alleles, N
and frequency.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.cli.main import main

EVERY = dict(
    n_min=None, maf_min=None, info_min=None, keep_ambiguous=True, keep_indels=True, keep_mhc=True
)
META = dict(a1="alt", beta="beta_meta_hq", se="se_meta_hq", sample_size=1000)


class Case(NamedTuple):
    """What a file must give: N ("truth", a number), options, rows whose z is another, tolerance of
    z, and what is otherwise.
    """

    n: str | float = "truth"
    options: dict[str, Any] = {}  # noqa: RUF012
    rtol: float = 1e-7
    atol: float = 1e-8
    strong: int = 0  # so many first rows have |z| of 45
    swapped: bool = False
    frequency: bool = False
    lost: int = 0


COARSE = dict(rtol=0.0, atol=0.02)  # five decimals of the effect
CASES: dict[str, Case] = {
    # N
    "snptest_cc.txt": Case(36_000),
    "cleansumstats.tsv": Case(36_000, frequency=True),
    "plink2.glm.logistic.hybrid": Case(36_000, frequency=True),
    "daner_neff_half.tsv": Case(27_947, frequency=True),
    "pgc_bip.tsv": Case(80_001, frequency=True),
    "pgc_neff_only.tsv": Case(2 * 22_842.43, frequency=True),
    "pgc3_scz_vcflike.tsv": Case(2 * 58_749.13, frequency=True),
    "plink1.meta": Case(1000, {"sample_size": 1000}),
    "n_missing.txt": Case(1000, {"sample_size": 1000}),
    # two analyses
    "mtag_trait_1.txt": Case(frequency=True),
    "panukb.tsv": Case(1000, META, frequency=True),
    "panukb3.tsv": Case(1000, META, rtol=2e-3),
    # a bad value beside a good one
    "inf_mlog10p_gwaslab.tsv": Case(strong=4, frequency=True),
    "saige_se0.txt": Case(strong=4, frequency=True),
    "eaf_minus9.txt": Case(),
    "gwama_or_noeffects.out": Case(),
    "p_lt.txt": Case(),
    "ssf_or_ci_p0.tsv": Case(frequency=True),
    "ssf_or_ci.tsv": Case(frequency=True),
    "or_ci_only.txt": Case(),
    "p_gt1_with_z.txt": Case(),
    # scales and signs
    "p_is_mlog10_se.txt": Case(options={"log10p": "P"}),
    "unicode_minus.csv": Case(**COARSE),
    # which allele
    "mungesumstats.tsv": Case(swapped=True, frequency=True),
    "popcorn.txt": Case(swapped=True, frequency=True),
    "saige_noaf.txt": Case(frequency=True),
    "ref_alternate.txt": Case(options={"a1": "alternate_allele"}),
    # identifiers
    "dash_ids.txt": Case(),
    "mixed_ids.txt": Case(),
    "chr_no_bp.txt": Case(),
    # refused before
    "gwama.out": Case(frequency=True),
    "gwama_or_eaf.out": Case(frequency=True),
    "quoted_gene.csv": Case(**COARSE),
    "padded.txt": Case(**COARSE),
    "decimal_comma.csv": Case(options={"decimal": "comma"}, **COARSE),
    "neale.tsv": Case(frequency=True),
    "bgenie.out": Case(1000, {"sample_size": 1000}, frequency=True),
    "mvp_quant.txt": Case(frequency=True),
    "wightman.txt": Case(),
    "plink2_mach.glm.linear": Case(frequency=True),
    "thousands_pos.csv": Case(**COARSE),
    "true_allele.txt": Case(),
    "diagram.txt": Case(),
    "dashti.txt": Case(1000, {"sample_size": 1000}, frequency=True),
    "usergwas.txt": Case(1000, {"sample_size": 1000}),
    "ldak.summaries": Case(),
    "minor_major.txt": Case(options={"a1": "minor_allele", "a2": "major_allele"}),
    # read rightly at first
    "GCST90000001.h.tsv": Case(frequency=True),
    "decode.txt": Case(),
    "fastgwa_glmm.fastGWA": Case(100_000, frequency=True),
    "finngen_meta.txt": Case(1000, {"a1": "ALT", "sample_size": 1000}),
    "gemma.assoc.txt": Case(1000, {"sample_size": 1000}, frequency=True),
    "gscan.txt": Case(0.9, {"a1": "ALT"}, frequency=True),
    "leading_tab.txt": Case(rtol=0.0, atol=1e-5),
    "metal_renamed.txt": Case(),
    "mvp_bin.txt": Case(36_000, frequency=True),
    "nmiss_b37.txt": Case(),
    "plink19.assoc": Case(1000, {"sample_size": 1000}),
    "regenie_bt.regenie": Case(36_000, frequency=True),
    "regenie_fail.regenie": Case(frequency=True, lost=1),
    "rs_alleles_id.txt": Case(),
    "sci.txt": Case(100_000),
}
# file -> what the line must say, and a remedy that must work when typed
REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "plink1.meta": ("number of studies", {"sample_size": 1000}),
    "n_missing.txt": ("column N gives an N of 1", {"sample_size": 1000}),
    "p_is_mlog10_se.txt": ("log10p=P", {"log10p": "P"}),
    "ref_alternate.txt": ("a1=alternate_allele", {"a1": "alternate_allele"}),
    "decimal_comma.csv": ("'-0,00032' in column BETA", {"decimal": "comma"}),
    "plink19.assoc.logistic": ("no column with the other allele", {}),
    "x.tar.gz": ("tar archive", {}),
}


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    path = shared / "cases/sumstats"
    if not path.is_dir():
        pytest.skip(f"no {path}: it is not beside this checkout")
    return path


def truth_of(folder: Path, name: str) -> pd.DataFrame:
    rows = (
        sum(
            1
            for line in (folder / name).read_text().splitlines()
            if line and not line.startswith("#")
        )
        - 1
    )
    truth = pd.read_csv(folder / ("truth400.tsv" if rows > 200 else "truth.tsv"), sep="\t")
    return truth.assign(key=truth.chrom.astype(str) + ":" + truth.pos.astype(str))


def matched(ds: xr.Dataset, truth: pd.DataFrame) -> pd.DataFrame:
    """Rows of the truth in the order of the dataset, by name where it is one of theirs, else by
    place.
    """
    by_name = {name: i for i, name in enumerate(truth.rsid)}
    by_place = {key: i for i, key in enumerate(truth.key)}
    names = [str(s).split(",")[0].split(":")[0] for s in ds["snp"].to_numpy()]
    places = [f"{c}:{p}" for c, p in zip(ds["chrom"].to_numpy(), ds["pos"].to_numpy(), strict=True)]
    return truth.iloc[
        [by_name.get(n, by_place.get(p, -1)) for n, p in zip(names, places, strict=True)]
    ].reset_index(drop=True)


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
@pytest.mark.parametrize("name", CASES)
def test_file_gives_the_z_alleles_n_and_frequency_it_holds(name: str, folder: Path) -> None:
    case = CASES[name]
    truth = truth_of(folder, name)
    ds = bm.read_sumstats(folder / name, **EVERY, **case.options)
    assert ds.sizes["variant"] == len(truth) - case.lost, ds.attrs["filters"]
    true = matched(ds, truth)
    assert true.rsid.is_unique
    a1, a2 = ("oa", "ea") if case.swapped else ("ea", "oa")
    assert (ds["a1"].to_numpy() == true[a1].to_numpy()).all()
    assert (ds["a2"].to_numpy() == true[a2].to_numpy()).all()
    z = true.z.to_numpy().copy()
    if case.strong:
        np.testing.assert_allclose(np.abs(ds["z"][: case.strong]), 45.0, rtol=1e-3)
        z[: case.strong] = ds["z"][: case.strong].to_numpy()
        assert (np.sign(z[: case.strong]) == [1, -1, 1, -1]).all()
    # limits of 1.96 standard errors are printed with 16 digits
    np.testing.assert_allclose(
        ds["z"], z, rtol=max(case.rtol, 2e-5 if "ci" in name else 0), atol=case.atol
    )
    n = true.n * case.n if case.n == 0.9 else true.n if case.n == "truth" else float(case.n)
    np.testing.assert_allclose(ds["n"], n)
    if case.frequency:
        np.testing.assert_allclose(ds["eaf"], true.f, atol=1e-9)
    placed = ds["pos"].to_numpy() > 0
    assert (ds["pos"].to_numpy()[placed] == true.pos.to_numpy()[placed]).all()


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
def test_standard_error_p_and_n_are_those_of_the_ancestry_whose_effect_is_named(
    folder: Path,
) -> None:
    truth = truth_of(folder, "multi_anc.txt")
    european = bm.read_sumstats(folder / "multi_anc.txt", beta="beta_EUR", se="se_EUR", **EVERY)
    np.testing.assert_allclose(european["z"], -truth.z, rtol=1e-7)
    np.testing.assert_allclose(european["n"], truth.n / 2)
    np.testing.assert_allclose(
        bm.read_sumstats(folder / "multi_anc.txt", beta="beta_EUR", **EVERY)["z"], european["z"]
    )
    everybody = bm.read_sumstats(folder / "multi_anc.txt", **EVERY)
    np.testing.assert_allclose(everybody["z"], truth.z, rtol=1e-7)
    np.testing.assert_allclose(everybody["n"], truth.n)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_decided_is_asked_in_one_line_whose_remedy_works(
    name: str, folder: Path
) -> None:
    cause, remedy = REFUSED[name]
    with pytest.raises(bm.InputError) as caught:
        bm.read_sumstats(folder / name)
    assert cause in str(caught.value) and "\n" not in str(caught.value)
    if remedy:
        assert next(iter(remedy)) in str(caught.value)
        assert bm.read_sumstats(folder / name, **EVERY, **remedy).sizes["variant"] >= 80


@pytest.mark.parametrize("name", ["mungesumstats.tsv", "saige_noaf.txt", "neale.tsv"])
def test_the_column_taken_as_effect_allele_is_on_the_summary_line(
    name: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["munge", str(folder / name), "--out", str(tmp_path / "x.tsv")])
    assert not end.value.code
    column = {
        "mungesumstats.tsv": "A1",
        "saige_noaf.txt": "Allele2",
        "neale.tsv": "part 4 of variant",
    }[name]
    assert f"effect allele {column}, " in capsys.readouterr().out
    assert json.loads((tmp_path / "x.tsv.json").read_text())["effect_allele"] == column


def test_mach_r2_is_the_imputation_quality(folder: Path) -> None:
    ds = bm.read_sumstats(folder / "plink2_mach.glm.linear")
    assert json.loads(ds.attrs["filters"])["info"] == 40
    assert (ds["info"] == 0.99).all()
