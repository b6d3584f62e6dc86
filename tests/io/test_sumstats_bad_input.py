"""Malformed files and arguments: one line each that names the cause and the remedy, exit code 2,
nothing written.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bayesmixer as bm
from bayesmixer.cli.main import main
from tests.io.gwas_table import gwas, plain, write

G = gwas()
NOT = {"A1": "A", "A2": "C", "N": 1000}
VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT"


def made(build: Callable[[Path], Any]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "gwas.txt"
        build(path)
        return path

    return make


def text(value: str | bytes) -> Callable[[Path], Path]:
    return made(
        lambda path: path.write_bytes(value if isinstance(value, bytes) else value.encode())
    )


def table(**changes: Any) -> Callable[[Path], Path]:
    return made(lambda path: plain(path, **changes))


def bare(columns: dict[str, Any]) -> Callable[[Path], Path]:
    return made(lambda path: write(path, columns))


def edited(edit: Callable[[list[str]], list[str]]) -> Callable[[Path], Path]:
    return made(
        lambda path: path.write_text("\n".join(edit(plain(path).read_text().splitlines())) + "\n")
    )


def parquet_cut(path: Path) -> None:
    import pandas as pd

    plain(path)
    pd.read_csv(path, sep="\t").to_parquet(path)
    path.write_bytes(path.read_bytes()[:-200])


# name -> file, options of read_sumstats, options of the command line, what the line must say
# (cause, remedy)
CASES: dict[str, tuple[Callable[[Path], Path], dict[str, Any], list[str], tuple[str, str]]] = {
    "missing file": (lambda folder: folder / "none.txt", {}, [],
        ("no such file", "Check the name")),
    "directory": (lambda folder: folder, {}, [], ("is a directory", "Name the file")),
    "empty file": (text(""), {}, [], ("file is empty", "again")),
    "blank lines only": (text("\n\n\n"), {}, [], ("no header", "first line names its columns")),
    "comments only": (text("## a\n## b\n"), {}, [], ("no header", "first line names its columns")),
    "header only": (edited(lambda lines: lines[:1]), {}, [], ("no row below the header", "again")),
    "headerless": (edited(lambda lines: lines[1:]), {}, [],
        ("first line looks like data", "Add a header")),
    "one column": (edited(lambda lines: [line.replace("\t", "|") for line in lines]), {}, [],
        ("one column", "--separator")),
    "wrong separator given": (table(), {"separator": ","}, ["--separator", ","],
        ("one column", "separator=")),
    "separator of two characters": (table(), {"separator": "||"}, ["--separator", "||"],
        ("not one character", "tab, comma")),
    "header by comma, rows by tab": (
        edited(lambda lines: [lines[0].replace("\t", ","), *lines[1:]]), {}, [],
        ("9 columns by comma but line 2 has 1", "alike"),
    ),
    "ragged line": (edited(lambda lines: [*lines[:5], lines[5] + "\t1", *lines[6:]]), {}, [],
        ("line 6 has 10 columns", "Repair")),
    "cut in the last line": (made(lambda p: p.write_bytes(plain(p).read_bytes()[:-40])), {}, [],
        ("cut short", "download it again")),
    "truncated gzip": (made(lambda p: p.write_bytes(gzip.compress(plain(p).read_bytes())[:-300])),
        {}, [], ("gzip data are damaged or cut short", "again")),
    "damaged gzip": (
        made(lambda p: p.write_bytes(
            (b := bytearray(gzip.compress(plain(p).read_bytes())))
            and bytes(b[:900] + bytes(40) + b[940:])
        )),
        {}, [], ("gzip data are damaged", "again"),
    ),
    "truncated zstd": (made(lambda p: p.write_bytes(b"\x28\xb5\x2f\xfd\x04\x58")), {}, [],
        ("zstd data are damaged or cut short", "again")),
    "truncated parquet": (made(parquet_cut), {}, [], ("not a whole Parquet file", "again")),
    "zip archive": (text(b"PK\x03\x04" + bytes(50)), {}, [],
        ("zip archive or a spreadsheet", "Unpack")),
    "binary file": (text(bytes(range(256)) * 20), {}, [],
        ("binary file", "Give the summary statistics as text")),
    "utf-16": (made(lambda p: p.write_bytes(plain(p).read_text().encode("utf-16"))), {}, [],
        ("UTF-16", "UTF-8")),
    "web page": (text("<!DOCTYPE html><html><body>404</body></html>\n"), {}, [],
        ("web page", "fetch the file again")),
    "old Macintosh lines": (
        made(lambda p: p.write_bytes(plain(p).read_bytes().replace(b"\n", b"\r"))), {}, [],
        ("carriage return", "Convert"),
    ),
    "no effect column": (bare({"SNP": G.rsid, **NOT, "P": G.p}), {}, [],
        ("no column with an effect size or z-score (found: SNP, A1, A2, N, P)", "--beta, --se")),
    "effect without error or P": (table(SE=None, P=None), {}, [],
        ("neither standard errors nor P values", "--se, --p")),
    "two effect columns": (table(EFFECT=G.beta), {}, [],
        ("two columns for beta: BETA and EFFECT", "beta=")),
    "two z columns": (bare({"SNP": G.rsid, **NOT, "Z": G.z, "ZSCORE": G.z}), {}, [],
        ("two columns for z", "z=")),
    "two signed columns that disagree": (table(Z=-G.z), {}, [],
        ("two signed columns, z and beta, differ in sign in 100%", "--z")),
    "effect and odds ratio that disagree": (table(OR=np.exp(-G.beta)), {}, [],
        ("two signed columns, beta and odds_ratio", "Say which")),
    "no alleles": (table(A1=None, A2=None), {}, [], ("no column with the effect allele", "--a1")),
    "one allele": (table(A2=None), {}, [], ("no column with the other allele", "--a2")),
    "REF and ALT only": (table(A1=None, A2=None, REF="A", ALT="C"), {}, [],
        ("do not say which allele the effect refers to", "--a1 ALT")),
    "alleles in one column": (table(), {"a1": "A1", "a2": "A1"}, ["--a1", "A1", "--a2", "A1"],
        ("same column", "a2=")),
    "no identifier": (table(SNP=None, CHR=None, BP=None), {}, [],
        ("no column with an identifier", "--snp")),
    "no sample size": (table(N=None), {}, [], ("no sample size", "--sample-size")),
    "cases alone": (table(N=None), {"n_case": 100}, ["--n-case", "100"],
        ("only one of them", "Give both")),
    "negative sample size given": (table(), {"sample_size": -3}, ["--sample-size", "-3"],
        ("no sample size", "above 0")),
    "sample size twice": (table(), {"sample_size": 9, "n_case": 1, "n_control": 2},
        ["--sample-size", "9", "--n-case", "1", "--n-control", "2"], ("together", "either")),
    "named column is not there": (table(), {"beta": "LOGOR"}, ["--beta", "LOGOR"],
        ("no column 'LOGOR' for beta (found: SNP", "--beta")),
    "column names twice": (
        edited(lambda lines: [lines[0].replace("\tP\t", "\tBETA\t"), *lines[1:]]), {}, [],
        ("2 columns are named 'BETA'", "Rename"),
    ),
    "all effects missing": (table(BETA="NA", P="NA"), {}, [],
        ("no variant left of 60; removed: missing 60", "Check")),
    "negative standard errors": (table(SE=-G.se), {}, [], ("se_not_positive 60", "--se")),
    "P above 1": (table(P=3 + G.p), {}, [],
        ("p_out_of_range 60 (P below 0 or above 1)", "--log10p")),
    "sample sizes of 0": (table(N=0), {}, [], ("n_not_positive 60", "Check")),
    "effects are text": (table(BETA="up", P="low"), {}, [], ("not_numeric 60", "Check")),
    "all P are 0": (table(P="0", SE=None), {}, [], ("p_zero 60", "z=")),
    "all ambiguous": (table(A1="A", A2="T"), {}, [], ("ambiguous 60", "keep_ambiguous")),
    "odds ratios called effects": (table(BETA=np.exp(G.beta), SE=None), {}, [],
        ("odds ratios, not effects", "odds_ratio=BETA")),
    "log odds ratios called OR": (table(BETA=None, OR=G.beta), {}, [],
        ("no odds ratio", "beta=OR")),
    "unknown build": (table(), {"build": "hg99"}, ["--build", "hg99"],
        ("no known genome build", "GRCh37")),
    "bad region": (table(), {"exclude": ["6:x-y"]}, ["--exclude", "6:x-y"],
        ("neither a region nor a BED file", "6:25000000-35000000")),
    "region backwards": (table(), {"exclude": ["6:9-3"]}, ["--exclude", "6:9-3"],
        ("ends before it starts", "chromosome:start-end")),
    "n_min is a word": (table(), {"n_min": "many"}, ["--n-min", "many"],
        ("neither a number nor 'auto'", "Give a number")),
    "a1_increasing without P": (bare({"SNP": G.rsid, **NOT, "Z": G.z}), {"a1_increasing": True},
        ["--a1-increasing"], ("needs P values", "--p")),
    "genotype VCF": (text(f"{VCF}\tNA1\n1\t9\trs1\tA\tC\t.\tPASS\t.\tGT\t0/1\n"), {}, [],
        ("VCF without effects", "GWAS-VCF")),
    "VCF without samples": (text(f"{VCF}\n1\t9\trs1\tA\tC\t.\tPASS\t.\tES\n"), {}, [],
        ("without a sample column", "GWAS-VCF")),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_line_with_cause_and_remedy(name: str, tmp_path: Path) -> None:
    make, options, _, (cause, remedy) = CASES[name]
    with pytest.raises(bm.InputError) as caught:
        bm.read_sumstats(make(tmp_path), **options)
    message = str(caught.value)
    assert "\n" not in message
    assert cause in message
    assert remedy in message


@pytest.mark.parametrize("name", CASES)
def test_command_line_exits_with_2_one_line_and_writes_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, _, words, (cause, _) = CASES[name]
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    with pytest.raises(SystemExit) as caught:
        main(["munge", str(make(source)), "--out", str(out / "x.sumstats.gz"), *words])
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert [line.startswith("error: ") for line in captured.err.splitlines()] == [True]
    assert cause in captured.err
    assert captured.out == ""
    assert list(out.iterdir()) == []


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plain(tmp_path / "a.txt")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root, as tests often run, reads files of any mode
    with pytest.raises(bm.InputError, match=r"cannot be read \(Permission denied\)"):
        bm.read_sumstats(path)


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"info_min": 3}, "info_min"),
        ({"maf_min": 0.5}, "maf_min"),
        ({"n_min": -1}, "n_min"),
        ({"z_from": "chi2"}, "z_from"),
        ({"n": ""}, "n"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, Any], cause: str, tmp_path: Path) -> None:
    with pytest.raises(bm.InputError, match=f"^{cause}: "):
        bm.read_sumstats(plain(tmp_path / "a.txt"), **options)
