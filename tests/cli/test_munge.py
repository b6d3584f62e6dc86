"""`bayesmixer munge`: what it writes, in what form, and that it writes all or nothing."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesmixer as bm
from bayesmixer.cli.main import main
from tests.io.gwas_table import gwas, plain

G = gwas()


def munge(*words: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["munge", *map(str, words)])
    return int(caught.value.code or 0)


def test_sumstats_gz_has_the_columns_of_ldsc_and_reads_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "height.sumstats.gz"
    assert munge(plain(tmp_path / "a.txt"), "--out", out, "--trait", "height") == 0
    assert "kept 60 of 60 variants" in capsys.readouterr().out
    table = pd.read_csv(out, sep="\t")
    assert list(table.columns) == ["SNP", "A1", "A2", "Z", "N", "CHR", "BP"]
    np.testing.assert_allclose(table.Z, G.z, atol=5.1e-7)
    assert (G.n == table.N).all()
    assert (G.rsid == table.SNP).all()
    again = bm.read_sumstats(out)
    assert again.attrs["format"] == "ldsc"
    np.testing.assert_allclose(again["z"], G.z, atol=5.1e-7)
    assert (again["pos"].to_numpy() == G.pos).all()


def test_parquet_keeps_every_variable_exactly(tmp_path: Path) -> None:
    out = tmp_path / "height.parquet"
    assert munge(plain(tmp_path / "a.txt"), "--out", out) == 0
    ds = bm.read_sumstats(tmp_path / "a.txt")
    table = pd.read_parquet(out)
    assert list(table.columns) == list(ds.data_vars)
    for name in ("z", "n", "beta", "se", "p"):
        np.testing.assert_array_equal(table[name], ds[name])
    back = bm.read_sumstats(out)
    np.testing.assert_array_equal(back["z"], ds["z"])


def test_provenance_lies_beside_with_hash_counts_and_options(tmp_path: Path) -> None:
    source = plain(
        tmp_path / "a.txt", P=["2" if i == 0 else repr(float(x)) for i, x in enumerate(G.p)]
    )
    assert (
        munge(
            source,
            "--out",
            tmp_path / "b.tsv",
            "--build",
            "hg19",
            "--info-min",
            "0",
            "--exclude",
            "2:100000-101000",
        )
        == 0
    )
    note = json.loads((tmp_path / "b.tsv.json").read_text())
    assert note["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert note["taken_as_unknown"] == {"p": 1}
    assert note["filters"]["region"] == 2
    assert "info" not in note["filters_skipped"]
    assert (note["rows_read"], note["rows_kept"], note["build"], note["format"]) == (
        60,
        58,
        "GRCh37",
        "table",
    )
    assert note["columns"]["beta"] == "BETA"
    assert note["options"]["exclude"] == ["2:100000-101000"]
    z2 = G.z[2:] ** 2
    assert note["mean_chi2"] == pytest.approx(z2.mean())
    assert note["lambda_gc"] == pytest.approx(np.median(z2) / 0.4549)


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    source = plain(tmp_path / "a.txt")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        assert munge(source, "--out", tmp_path / name / "x.sumstats.gz") == 0
    assert (tmp_path / "one/x.sumstats.gz").read_bytes() == (
        tmp_path / "two/x.sumstats.gz"
    ).read_bytes()
    assert gzip.decompress((tmp_path / "one/x.sumstats.gz").read_bytes()).startswith(
        b"SNP\tA1\tA2\tZ\tN\tCHR\tBP\n"
    )


def test_interrupted_writing_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = plain(tmp_path / "a.txt"), tmp_path / "x.sumstats.gz"
    bm.munge(source, out)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bayesmixer.io.munged._text", interrupt)
    with pytest.raises(KeyboardInterrupt):
        bm.munge(source, out)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert set(before) == {"a.txt", "x.sumstats.gz", "x.sumstats.gz.json"}


@pytest.mark.parametrize("name", ["x.sumstats.gz", "x.sumstats.gz.json"])
def test_a_file_that_munge_did_not_write_stays(name: str, tmp_path: Path) -> None:
    source = plain(tmp_path / "a.txt")
    (tmp_path / name).write_text("{}")
    with pytest.raises(
        bm.InputError, match=r"is not .*munged summary statistics that bayesmixer wrote: it stays"
    ):
        bm.munge(source, tmp_path / "x.sumstats.gz", overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", name]
    assert (tmp_path / name).read_text() == "{}"


@pytest.mark.parametrize(
    ("out", "cause"),
    [
        ("x.csv", "unknown kind of output"),
        ("none/x.tsv", "does not exist. Make it first"),
        ("folder.tsv", "is a folder"),
        ("a.txt", "is the input itself"),
    ],
)
def test_outputs_that_cannot_be_are_refused_before_reading(
    out: str, cause: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = plain(tmp_path / "a.txt")
    (tmp_path / "folder.tsv").mkdir()
    assert munge(source, "--out", tmp_path / out) == 2
    assert cause in capsys.readouterr().err


def test_existing_output_stays_where_overwriting_is_refused(tmp_path: Path) -> None:
    source, out = plain(tmp_path / "a.txt"), tmp_path / "x.tsv"
    bm.munge(source, out)
    with pytest.raises(bm.InputError, match="is there already"):
        bm.munge(source, out, overwrite=False)


def test_the_file_may_be_named_as_ldsc_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, one, two = plain(tmp_path / "a.txt"), tmp_path / "1.tsv", tmp_path / "2.tsv"
    assert munge(source, "--out", one) == 0
    assert munge("--sumstats", source, "--chunksize", "100000", "--out", two) == 0
    assert one.read_bytes() == two.read_bytes()
    capsys.readouterr()
    for words in (["--out", one], [source, "--sumstats", source, "--out", one]):
        assert munge(*words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(("error: SUMSTATS: missing", "error: --sumstats: "))
    assert munge("--help") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "--chunksize <int> Taken as LDSC has it; the result does not depend on it." in told


# munge_sumstats.py's options, and a value where they take one
LDSC = {
    "--sumstats": "x", "--N": "5", "--N-cas": "5", "--N-con": "5", "--out": "x", "--info-min": ".9",
    "--maf-min": ".01", "--daner": "", "--daner-n": "", "--no-alleles": "", "--merge-alleles": "x",
    "--n-min": "5", "--chunksize": "5", "--snp": "x", "--N-col": "x", "--N-cas-col": "x",
    "--N-con-col": "x", "--a1": "x", "--a2": "x", "--p": "x", "--frq": "x",
    "--signed-sumstats": "x,0", "--info": "x", "--info-list": "x", "--nstudy": "x",
    "--nstudy-min": "5", "--ignore": "x", "--a1-inc": "", "--keep-maf": "",
}  # fmt: skip


@pytest.mark.parametrize("option", LDSC)
def test_options_of_ldsc_are_known(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, value = plain(tmp_path / "a.txt"), LDSC[option]
    words = [option, value] if value else [option]
    if option not in ("--sumstats", "--out"):
        words += ["--out", str(tmp_path / "x.tsv")]
    assert munge(*([] if option == "--sumstats" else [source]), *words) in (0, 2)
    printed = capsys.readouterr().err
    assert "No such option" not in printed
    if "without --like-ldsc" in printed:
        assert printed.startswith(f"error: {option}: without --like-ldsc. Add --like-ldsc for ")


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert munge("--help") == 0
    assert "bayesmixer munge height.fastGWA.gz --out height.sumstats.gz" in capsys.readouterr().out
