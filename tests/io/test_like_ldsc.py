"""`like_ldsc`: the rows, z and N of munge_sumstats.py, on its recorded runs to the byte and on
small tables by its rules.
"""

from __future__ import annotations

import gzip
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

import bayesmixer as bm
from bayesmixer.cli.main import main
from bayesmixer.ldsc.traits import read_trait

# the options recorded beside LDSC's outputs, but for --sumstats
RUNS = ["m1", "m2", "m5", "m6", "m7", "m8", "m9", "m10"]


@pytest.fixture
def folder(shared: Path) -> Path:
    path = shared / "reference/ldsc/munge"
    if not path.is_dir():
        pytest.skip(f"no {path}: it is not beside this checkout")
    return path


def munge(*words: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["munge", *map(str, words), "--like-ldsc"])
    return int(caught.value.code or 0)


def recorded(folder: Path, run: str) -> list[str]:
    """The command of a recorded run, in our words: the file comes first, and is compressed."""
    words = shlex.split((folder / f"{run}.cmd").read_text())
    return [
        str(folder / f"{word}.gz") if word.endswith(".txt") else word
        for word in words[1:]
        if word != "--sumstats"
    ]


@pytest.mark.parametrize("run", RUNS)
def test_recorded_runs_are_repeated_to_the_byte(run: str, folder: Path, tmp_path: Path) -> None:
    assert munge(*recorded(folder, run), "--out", tmp_path / "out") == 0
    ours = gzip.decompress((tmp_path / "out.sumstats.gz").read_bytes())
    assert ours == gzip.decompress((folder / f"out_{run}.sumstats.gz").read_bytes())


@pytest.mark.parametrize("run", RUNS)
def test_filters_count_what_ldsc_counted(run: str, folder: Path, tmp_path: Path) -> None:
    assert munge(*recorded(folder, run), "--out", tmp_path / "out") == 0
    counts = json.loads((tmp_path / "out.sumstats.gz.json").read_text())["filters"]
    said = (folder / f"{run}.stdout").read_text()
    removed = [line for line in said.splitlines() if line.startswith("Removed ")]
    names = {
        "not in": "not_listed", "missing": "missing", "INFO": "info", "MAF": "maf",
        "p-values": "p_out_of_range", "variants": "ambiguous", "duplicated": "duplicate",
        "with N <": "n_low", "did not match": "alleles_differ",
    }  # fmt: skip
    theirs = {
        next(ours for words, ours in names.items() if words in line): int(line.split()[1])
        for line in removed
    }
    assert {k: v for k, v in counts.items() if v} == {k: v for k, v in theirs.items() if v}


def test_files_on_which_ldsc_stops_are_read(folder: Path, tmp_path: Path) -> None:
    with pytest.warns(bm.DataWarning, match="ref taken for the allele of the sign"):
        m3 = bm.munge(
            folder / "m3_cascon.txt.gz", tmp_path / "m3.sumstats.gz", like_ldsc=True,
            n_case="N_CAS", n_control="N_CON",
        )  # fmt: skip
    raw = pd.read_csv(folder / "m3_cascon.txt.gz", sep="\t")
    np.testing.assert_allclose(m3["z"], raw.Z, atol=5e-4)  # P has five digits
    assert (m3["n"] == 50_000).all()
    assert (m3["a1"].to_numpy() == raw.ref.to_numpy()).all()
    m4 = bm.read_sumstats(
        folder / "m4_infolist_maf.txt.gz", like_ldsc={"info_list": "QUALS"}, info_min=0.85,
        maf_min=0.05,
    )  # fmt: skip
    raw = pd.read_csv(folder / "m4_infolist_maf.txt.gz", sep="\t", dtype={"QUALS": str})
    info = raw.QUALS.map(lambda text: np.mean([float(x) for x in text.split(",") if x != "NA"]))
    left = raw[(info >= 0.85) & (np.minimum(raw.MAF, 1 - raw.MAF) > 0.05)]
    left = left[left.N.quantile(0.9) / 1.5 <= left.N]
    assert m4["snp"].to_numpy().tolist() == left.SNP.tolist()


# --- small tables


def table(**columns: Any) -> pd.DataFrame:
    """Eight variants; columns given replace those there or come last, None takes one away."""
    frame = pd.DataFrame(
        {
            "SNP": [f"rs{i}" for i in range(8)],
            "A1": list("acgtACGT"),
            "A2": list("CAAGGTTC"),
            "P": [0.5, 0.1, 0.02, 1e-8, 0.9, 1.0, 1e-310, 0.3],
            "BETA": [0.01, -0.02, 0.03, -0.04, 0.0, 0.01, -0.02, 0.02],
            "N": 1000,
        }
    )
    for name, values in columns.items():
        frame = frame.drop(columns=name) if values is None else frame.assign(**{name: values})
    return frame


def read(tmp_path: Path, frame: pd.DataFrame, like: Any = True, **options: Any) -> Any:
    path = tmp_path / "x.txt"
    frame.to_csv(path, sep="\t", index=False, na_rep="NA")
    return bm.read_sumstats(path, like_ldsc=like, **options)


def test_z_is_that_of_p_with_the_sign_of_the_effect_plus_where_it_is_0(tmp_path: Path) -> None:
    ds = read(tmp_path, table())
    frame = table()
    sign = np.where(frame.BETA < 0, -1, 1)
    usual = frame.P > 1e-300
    expected = sign * np.where(usual, -ndtri(frame.P / 2), np.inf)  # LDSC's underflows
    np.testing.assert_allclose(ds["z"], expected, rtol=1e-12, atol=1e-12)
    assert ds["a1"].to_numpy().tolist() == list("ACGTACGT")
    bm.munge(tmp_path / "x.txt", tmp_path / "out.sumstats.gz", like_ldsc=True)
    assert pd.read_csv(tmp_path / "out.sumstats.gz", sep="\t").Z[6] == -np.inf


def test_odd_rows_go_each_at_the_filter_of_its_own(tmp_path: Path) -> None:
    odd = table(
        P=[0.5, 0.0, 1.1, 0.1, 0.2, 0.3, 0.4, np.nan],
        A2=list("TAAGGTTC"),  # the first is A/T
        INFO=[1, 1, 1, 0.9, 0.89, np.nan, 1, 1],
        FRQ=[0.5, 0.5, 0.5, 0.995, 0.5, 0.5, -0.1, 0.5],
    )
    with pytest.raises(bm.InputError, match="no variant left of 8") as error:
        read(tmp_path, odd)
    assert "\n" not in str(error.value)
    more = pd.concat([odd, table().assign(INFO=0.9, FRQ=0.9, SNP=[f"s{i}" for i in range(8)])])
    counts = json.loads(read(tmp_path, more).attrs["filters"])
    assert counts == {
        "missing": 1, "info": 2, "maf": 2, "p_out_of_range": 2, "ambiguous": 1, "duplicate": 0,
        "n_low": 0,
    }  # fmt: skip


def test_cases_count_by_their_share_where_n_is_largest(tmp_path: Path) -> None:
    cases, controls = np.array([100] * 7 + [200]), np.array([300] * 7 + [400])
    frame = table(N=None, N_CAS=cases, N_CON=controls)
    ds = read(tmp_path, frame, n_min=None)
    np.testing.assert_allclose(ds["n"], cases * 3)


def test_numbers_of_studies_count_only_without_n(tmp_path: Path) -> None:
    studies = table(NSTUDIES=[1, 2, 3, 3, 3, 3, 3, 3])
    assert read(tmp_path, studies).sizes["variant"] == 8
    without = studies.drop(columns="N")
    for like, rows in ((True, 6), ({"nstudy_min": 2}, 7)):
        ds = read(tmp_path, without, like, sample_size=500)
        assert (ds.sizes["variant"], float(ds["n"][0])) == (rows, 500)


def test_a_list_to_merge_with_is_written_whole_and_blank_where_alleles_differ(
    tmp_path: Path,
) -> None:
    lines = (
        "SNP A1 A2\nrs3 C A\nnone A C\nrs0 T G\nrs1 A G\n"  # swapped, absent, other strand, other
    )
    (tmp_path / "list").write_text(lines)
    ds = read(tmp_path, table(), {"merge_alleles": tmp_path / "list"})
    assert ds["snp"].to_numpy().tolist() == ["rs3", "none", "rs0", "rs1"]
    assert np.isfinite(ds["z"]).values.tolist() == [True, False, True, False]
    assert ds["a1"].to_numpy().tolist() == ["T", "", "A", ""]
    assert json.loads(ds.attrs["filters"])["alleles_differ"] == 1
    assert ds.attrs["rows_kept"] == 2


def test_without_alleles_and_with_frequencies(tmp_path: Path) -> None:
    ds = read(tmp_path, table(A1=None, A2=None), {"no_alleles": True})
    assert ds.sizes["variant"] == 8
    ds = read(tmp_path, table(EAF=0.2), {"keep_maf": True})
    assert (ds["eaf"] == 0.2).all()
    assert "eaf" not in read(tmp_path, table(EAF=0.2))


def test_daner_n_takes_cases_and_controls_of_their_columns(tmp_path: Path) -> None:
    frame = table(N=None, FRQ_U_300=0.3, Nca=100, Nco=300)
    np.testing.assert_allclose(read(tmp_path, frame, {"daner_n": True})["n"], 400)


BAD: dict[str, tuple[dict[str, Any], Any, dict[str, Any], str]] = {
    "no P": ({"P": None}, True, {}, r"no column with P \(found: SNP"),
    "no name": ({"SNP": None}, True, {}, "no column with a name"),
    "no sign": ({"BETA": None}, True, {}, "no column with a sign .*signed_sumstats="),
    "no N": ({"N": None}, True, {}, "no sample size"),
    "no alleles": ({"A2": None}, True, {}, "no columns of both alleles .*no_alleles"),
    "two signs": ({"Z": 1.0}, True, {}, "several signed columns: Z, BETA"),
    "two of a kind": ({"PVAL": 0.5}, True, {}, "2 columns for p: P, PVAL. Name those to ignore"),
    "no such column": ({}, {"nstudy": "K"}, {}, "no column 'K' for nstudy"),
    "ratios for effects": ({"BETA": 1.0}, True, {}, "median of BETA is 1, expected 0"),
    "sign of words": ({}, {"signed_sumstats": "OR"}, {}, "signed_sumstats: 'OR', expected a name"),
    "unknown option": ({}, {"chunks": 5}, {}, "like_ldsc: no option chunks. There are signed_"),
    "ours": ({}, True, {"keep_mhc": True}, "which LDSC has not"),
    "our columns": ({"se": 1.0}, True, {"se": "se"}, "se given, but LDSC takes |z| from P alone"),
    "daner": ({}, {"daner": True}, {}, "no column FRQ_A_.., expected in a daner file"),
    "merge without alleles": (
        {}, {"no_alleles": True, "merge_alleles": "x"}, {}, "given together with no_alleles"
    ),
    "no list": ({}, {"merge_alleles": "no_such"}, {}, "no_such: no such file"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    columns, like, options, words = BAD[case]
    with pytest.raises(bm.InputError, match=words) as error:
        read(tmp_path, table(**columns), like, **options)
    assert "\n" not in str(error.value)


def test_a_list_that_none_matches_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("SNP A1 A2\nrs1 A G\n")
    with pytest.raises(bm.InputError, match="none of 1 variants has the alleles"):
        read(tmp_path, table(), {"merge_alleles": tmp_path / "list"})
    (tmp_path / "list").write_text("SNP A1\nrs1 A\n")
    with pytest.raises(bm.InputError, match="no column A2 among SNP, A1"):
        read(tmp_path, table(), {"merge_alleles": tmp_path / "list"})


def test_without_alleles_a_heritability_is_found_of_what_is_written(tmp_path: Path) -> None:
    table(A1=None, A2=None, P=0.5).to_csv(tmp_path / "x.txt", sep="\t", index=False)
    assert munge(tmp_path / "x.txt", "--no-alleles", "--out", tmp_path / "out") == 0
    text = gzip.decompress((tmp_path / "out.sumstats.gz").read_bytes()).decode()
    assert text.splitlines()[0] == "SNP\tZ\tN"
    assert len(read_trait(tmp_path / "out.sumstats.gz")) == len(text.splitlines()) - 1


def test_a_limit_of_0_is_what_it_is_in_ldsc(tmp_path: Path) -> None:
    frequency = [-9.0, 0.0, *np.full(len(table()) - 2, 0.3)]
    table(FRQ=frequency).to_csv(tmp_path / "x.txt", sep="\t", index=False)
    words = ("--out", tmp_path / "out", "--maf-min", "0", "--n-min", "0")
    assert munge(tmp_path / "x.txt", *words) == 0
    note = json.loads((tmp_path / "out.sumstats.gz.json").read_text())
    assert note["filters"]["maf"] == 2  # out of range, and not above 0
    assert note["n_min"] > 0  # its own


def test_a_header_alone_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(bm.InputError, match="no rows, a header alone"):
        read(tmp_path, table()[:0], True)


def test_options_of_ldsc_need_its_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table().to_csv(tmp_path / "x.txt", sep="\t", index=False)
    with pytest.raises(SystemExit):
        main(["munge", str(tmp_path / "x.txt"), "--keep-maf", "--out", str(tmp_path / "o.tsv")])
    assert capsys.readouterr().err.startswith("error: --keep-maf: without --like-ldsc. Add ")
