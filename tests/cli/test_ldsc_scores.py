"""`bayesmixer ldsc scores`: LDSC's options in, LDSC's files out."""

from __future__ import annotations

import bz2
import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bed_reader import to_bed

import bayesmixer as bm
from bayesmixer.cli.main import main
from bayesmixer.ld.annotations import annotation_ld_scores
from tests.ld.small_panel import make_panel, write_bed, write_pgen

KB = ["--ld-wind-kb", "150"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A panel as bed (p.21) and pgen (q.21), one of two chromosomes (both), and annot files."""
    folder = tmp_path_factory.mktemp("panel")
    one, other = make_panel(variants=300), make_panel(variants=200, chrom="22", seed=5)
    write_bed(one, folder / "p.21")
    write_pgen(one, folder / "q.21")
    bim = pd.concat([one.bim, other.bim])
    to_bed(
        folder / "both.bed",
        np.hstack([one.g, other.g]),
        properties={
            "chromosome": bim["chrom"], "sid": bim["snp"], "cm_position": bim["cm"],
            "bp_position": bim["pos"], "allele_1": bim["a1"], "allele_2": bim["a2"],
        },
    )  # fmt: skip
    table = pd.DataFrame({"CHR": 21, "BP": one.bim["pos"], "SNP": one.bim["snp"], "CM": 0.0})
    table["base"], table["odd"] = 1, np.arange(len(table)) % 2
    table.to_csv(folder / "x.annot.gz", sep="\t", index=False)
    return folder


def scores(*words: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["ldsc", "scores", *map(str, words)])
    return int(caught.value.code or 0)


def read(stem: Path) -> tuple[pd.DataFrame, list[float], list[float]]:
    m, common = (np.loadtxt(f"{stem}.l2.{e}", ndmin=1).tolist() for e in ("M", "M_5_50"))
    return pd.read_csv(f"{stem}.l2.ldscore.gz", sep="\t"), m, common


def test_the_three_files_of_one_annotation_are_those_of_ldsc(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "eur.21"
    assert scores("--l2", "--bfile", folder / "p.21", *KB, "--out", out) == 0
    assert "297 variants, of 297 that count, 83 samples, window 150kb" in capsys.readouterr().out
    table, m, common = read(out)
    assert list(table) == ["CHR", "SNP", "BP", "L2"]
    ds = annotation_ld_scores(folder / "p.21", window="150kb")["21"]
    assert table["SNP"].tolist() == ds["snp"].values.tolist()
    np.testing.assert_allclose(table["L2"], ds["ld_score"], atol=5.01e-4)
    assert (m, common) == ([297], [ds.attrs["m_5_50"]])
    assert bm.open_reference(out)["21"].attrs["n_reference"] == 297
    with gzip.open(f"{out}.l2.ldscore.gz", "rt") as file:
        assert file.readlines()[1].split("\t")[3][-5] == "."  # three decimals and the line's end


def test_pgen_lists_and_several_annotations_are_taken(folder: Path, tmp_path: Path) -> None:
    names = pd.read_csv(folder / "x.annot.gz", sep="\t")["SNP"]
    (tmp_path / "print").write_text("\n".join(names[:100]))
    (tmp_path / "keep").write_text("\n".join(f"i{k} i{k}" for k in range(60)))
    (tmp_path / "some.bed").write_text("21\t0\t1100000\n")
    words = ["--annot", folder / "x.annot.gz", "--print-snps", tmp_path / "print"]
    words += ["--bed", f"early={tmp_path / 'some.bed'}", *KB]
    assert scores("--pfile", folder / "q.21", *words, "--out", tmp_path / "a") == 0
    table, m, common = read(tmp_path / "a")
    assert list(table)[3:] == ["baseL2", "oddL2", "earlyL2"]
    assert len(table) <= 100
    assert m[0] == 297
    assert common[0] <= m[0]
    back = bm.open_reference(tmp_path / "a")["21"]
    assert back["annotation"].values.tolist() == ["base", "odd", "early"]
    keep = ["--keep", tmp_path / "keep", "--extract", tmp_path / "print"]
    assert scores("--bfile", folder / "p.21", *keep, *KB, "--out", tmp_path / "b") == 0
    assert set(read(tmp_path / "b")[0]["SNP"]) <= set(names[:100])


def test_lists_and_regions_may_be_packed(folder: Path, tmp_path: Path) -> None:
    names = pd.read_csv(folder / "x.annot.gz", sep="\t")["SNP"]
    texts = {
        "print": "\n".join(names[:100]),
        "keep": "\n".join(f"i{k} i{k}" for k in range(60)),
        "bed": "21\t0\t1100000\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        (tmp_path / f"{name}.bz2").write_bytes(bz2.compress(text.encode()))
    tables = []
    for end in ("", ".gz", ".bz2"):
        words = ["--print-snps", tmp_path / f"print{end}", "--keep", tmp_path / f"keep{end}"]
        words += ["--bed", f"early={tmp_path / f'bed{end}'}", *KB, "--out", tmp_path / f"o{end}"]
        assert scores("--bfile", folder / "p.21", *words) == 0
        tables.append(read(tmp_path / f"o{end}")[0])
    assert 0 < len(tables[0]) <= 100
    for other in tables[1:]:
        pd.testing.assert_frame_equal(other, tables[0])


def backwards(tmp_path: Path) -> Path:
    (tmp_path / "back.bed").write_text("21\t1100000\t1000000\n")
    return tmp_path / "back.bed"


def other(tmp_path: Path) -> Path:
    (tmp_path / "other").write_text("rs0\n")
    return tmp_path / "other"


def test_exponents_of_pq_stand_in_the_names_of_columns(folder: Path, tmp_path: Path) -> None:
    for words, column in ((["--per-allele"], "L2_S1"), (["--pq-exp", "0.5"], "L2_S0.5")):
        assert scores("--bfile", folder / "p.21", *words, *KB, "--out", tmp_path / column) == 0
        assert list(read(tmp_path / column)[0])[3:] == [column]


def test_several_chromosomes_get_files_of_their_own(folder: Path, tmp_path: Path) -> None:
    for out in ("s.", "t.@.x"):
        assert scores("--bfile", folder / "both", *KB, "--out", tmp_path / out) == 0
    for stem in ("s.21", "s.22", "t.21.x", "t.22.x"):
        assert (tmp_path / f"{stem}.l2.ldscore.gz").is_file()
    assert list(bm.open_reference(tmp_path / "s.").children) == ["21", "22"]
    words = ["--chromosomes", "22", *KB, "--out", tmp_path / "one"]
    assert scores("--bfile", folder / "both", *words) == 0
    assert (read(tmp_path / "one")[0]["CHR"] == 22).all()


def test_what_is_there_is_replaced_only_where_it_is_ours_and_with_force(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--bfile", folder / "p.21", "--out", tmp_path / "a"]
    assert scores(*words, *KB) == 0
    assert scores(*words, *KB) == 2
    assert "is there already. Choose another name, or give --force" in capsys.readouterr().err
    before = (tmp_path / "a.l2.ldscore.gz").read_bytes()
    assert scores(*words, "--ld-wind-kb", "100", "--force") == 0
    assert (tmp_path / "a.l2.ldscore.gz").read_bytes() != before
    (tmp_path / "a.l2.M").write_text("1\n")
    assert scores(*words, *KB, "--force") == 2
    assert "is not LD scores that bayesmixer wrote" in capsys.readouterr().err


def bad_panel(folder: Path, tmp_path: Path) -> list[object]:
    (tmp_path / "x.bed").write_bytes((folder / "p.21.bed").read_bytes())
    return ["--bfile", tmp_path / "x"]


def rare(tmp_path: Path) -> Path:
    (tmp_path / "rare").write_text("rs2100002\nrs2100003\n")
    return tmp_path / "rare"


def thin(tmp_path: Path) -> Path:
    (tmp_path / "thin.annot").write_text("base\n1\n0\n")
    return tmp_path / "thin.annot"


BAD = {
    "no bim": (lambda f, t: [*bad_panel(f, t), *KB], r"x\.bim: no such file"),
    "no panel": (lambda f, t: ["--bfile", t / "none", *KB], r"neither .*none\.bed nor"),
    "two windows": (
        lambda f, t: ["--bfile", f / "p.21", *KB, "--ld-wind-cm", "1"],
        "--ld-wind-cm and --ld-wind-kb: several windows. Give one.",
    ),
    "no window": (
        lambda f, t: ["--bfile", f / "p.21", "--ld-wind-kb", "0"],
        "--ld-wind-kb: 0, expected a positive number",
    ),
    "wide window": (
        lambda f, t: ["--bfile", f / "p.21", "--ld-wind-kb", "5000"],
        "5000kb is as wide as chromosome 21 .*--yes-really",
    ),
    "exponents": (
        lambda f, t: ["--bfile", f / "p.21", *KB, "--per-allele", "--pq-exp", "1"],
        "--per-allele, --pq-exp: both given",
    ),
    "MAF": (
        lambda f, t: ["--bfile", f / "p.21", *KB, "--maf", "0.4", "--extract", rare(t)],
        r"no variant left of 300 on chromosome 21 .*MAF above 0\.4",
    ),
    "MAF of one": (
        lambda f, t: ["--bfile", f / "p.21", *KB, "--maf", "1"],
        "--maf: 1, expected 0 to below 0.5",
    ),
    "annot of another panel": (
        lambda f, t: ["--bfile", f / "both", *KB, "--annot", f / "x.annot.gz"],
        r"x\.annot\.gz: 200 variants of .*both\.bim without, the first rs2200000",
    ),
    "thin annot of another length": (
        lambda f, t: ["--bfile", f / "p.21", *KB, "--thin-annot", "--annot", thin(t)],
        r"thin\.annot: 2 rows, but .*p\.21\.bim has 300 variants",
    ),
    "no annot": (
        lambda f, t: ["--bfile", f / "p.21", *KB, "--annot", t / "none"],
        "none: no such file",
    ),
    "regions of one name": (
        lambda f, t: ["--bfile", f / "p.21", *KB, "--bed", "a.bed", "--bed", "x/a.bed"],
        "--bed: two annotations of one name",
    ),
    "no list": (
        lambda f, t: ["--bfile", f / "p.21", *KB, "--extract", t / "none"],
        "none: no such file",
    ),
    "an exponent that is none": (
        lambda f, t: ["--bfile", f / "p.21", *KB, "--pq-exp", "nan"],
        "--pq-exp: nan, expected a finite number",
    ),
    "list of another panel": (
        lambda f, t: ["--bfile", f / "p.21", *KB, "--print-snps", other(t)],
        "--print-snps: none of them is on chromosome 21",
    ),
    "regions that end before they start": (
        lambda f, t: ["--bfile", f / "p.21", *KB, "--bed", backwards(t)],
        r"back\.bed: line 1 ends before it starts",
    ),
    "no folder": (
        lambda f, t: ["--bfile", f / "p.21", *KB, "--out", t / "none/x"],
        "the folder .* does not exist",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(
    case: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, words = BAD[case]
    given = make(folder, tmp_path)
    out = [] if "--out" in given else ["--out", tmp_path / "out"]
    assert scores(*given, *out) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    assert re.search(words, error), error
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(("out.l2.ldscore", "."))]


def test_it_starts_without_what_it_does_not_need(folder: Path, tmp_path: Path) -> None:
    words = ["ldsc", "scores", "--bfile", str(folder / "p.21"), *KB, "--out", str(tmp_path / "a")]
    code = (
        "import json, sys; from bayesmixer.cli.main import main\n"
        f"try: main({words!r})\nexcept SystemExit: pass\n"
        "json.dump([m for m in ('pymc', 'arviz', 'numba', 'xarray', 'scipy') if m in sys.modules],"
        " sys.stderr)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(out.stderr) == []


def test_values_are_cut_into_bins(folder: Path, tmp_path: Path) -> None:
    table = pd.read_csv(folder / "x.annot.gz", sep="\t")
    rng = np.random.default_rng(1)
    value = rng.random(len(table))
    (tmp_path / "v").write_text(
        "".join(f"{s} {v}\n" for s, v in zip(table["SNP"], value, strict=True))
    )
    words = ("--cts-bin", tmp_path / "v", "--cts-breaks", "0.2,0.7", "--cts-names", "V")
    assert scores("--bfile", folder / "p.21", *KB, *words, "--out", tmp_path / "a") == 0
    found, m, _ = read(tmp_path / "a")
    assert list(found)[3:] == ["V_min_0.2L2", "V_0.2_0.7L2", "V_0.7_maxL2"]
    counted = value[table["SNP"].isin(found["SNP"])]  # those that vary
    assert m == np.histogram(counted, [0, 0.2, 0.7, 1])[0].tolist()
    assert scores("--bfile", folder / "p.21", *KB, "--out", tmp_path / "b") == 0
    whole = read(tmp_path / "b")[0]["L2"]
    # three sums of three decimals
    np.testing.assert_allclose(found.iloc[:, 3:].sum(axis=1), whole, atol=2.1e-3)
