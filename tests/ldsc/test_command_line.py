"""`bayesmixer ldsc`: its files, LDSC's own layout, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from bayesmixer.cli.main import main
from tests.ldsc.conftest import Small

pytestmark = pytest.mark.filterwarnings("ignore:.*estimates are rough")

LD_TO_X = ("--ref-ld-chr", "LD", "--out", "x")


def run(*words: object) -> int:
    """Exit code of a command."""
    with pytest.raises(SystemExit) as done:
        main([str(word) for word in words])
    return int(done.value.code or 0)


def test_heritability_writes_what_it_found(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = small[0], tmp_path / "h2"
    words = ("ldsc", "h2", folder / "first.sumstats", "--ref-ld-chr", f"{folder}/ld/", "--out", out)
    assert run(*words, "--print-delete-vals", "--like-ldsc") == 0
    assert "first" in capsys.readouterr().out
    found = json.loads(Path(f"{out}.json").read_text())
    table = pl.read_csv(f"{out}.tsv", separator="\t", null_values="NA")
    assert table["h2"][0] == found["result"]["tot"]
    low, high = (found["result"][f"ratio_{end}"] for end in ("lower", "upper"))
    assert low < found["result"]["ratio"] < high
    assert [table[f"ratio_{end}"][0] for end in ("lower", "upper")] == [low, high]
    for kind, per in ("delete", "tot_delete_values"), ("part_delete", "part_delete_values"):
        rows = Path(f"{out}.{kind}").read_text().splitlines()
        assert [float(row) for row in rows] == pytest.approx(
            [v for (v,) in found["result"][per]], rel=1e-15
        )
    log = Path(f"{out}.log").read_text()
    assert f"Printing partitioned block jackknife delete values to {out}.part_delete.\n" in log
    assert f"Total Observed scale h2: {found['result']['tot']:.4f}" in log
    assert run(*words) == 2
    assert "--force" in capsys.readouterr().err
    assert run(*words, "--force", "--two-step", "20") == 0
    stepped = json.loads(Path(f"{out}.json").read_text())["result"]
    assert stepped["twostep_filtered"] > found["result"]["twostep_filtered"]
    assert run(*words, "--force", "--no-intercept") == 0
    assert json.loads(Path(f"{out}.json").read_text())["result"]["intercept_se"] == "NA"
    Path(f"{out}.tsv").write_text("mine")
    assert run(*words, "--force") == 2
    assert Path(f"{out}.tsv").read_text() == "mine"


def test_a_ratio_without_bounds_is_said_to_be_so(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = small[0], tmp_path / "h2"
    words = ("ldsc", "h2", folder / "none.sumstats", "--ref-ld-chr", f"{folder}/ld/", "--out", out)
    assert run(*words) == 0
    assert "the ratio is unbounded" in " ".join(capsys.readouterr().out.split())
    found = json.loads(Path(f"{out}.json").read_text())["result"]
    assert found["ratio_lower"] is None and found["ratio_upper"] is None
    table = pl.read_csv(f"{out}.tsv", separator="\t", null_values="NA")
    assert table["ratio_upper"][0] == float("inf")


def test_correlations_without_each_block_and_their_covariances_are_written_by_pair(
    small: Small, tmp_path: Path
) -> None:
    folder = small[0]
    files = [folder / f"{name}.sumstats" for name in ("first", "second", "none")]
    words = ("ldsc", "rg", *files, "--ref-ld-chr", f"{folder}/ld/", "--quiet")
    out = tmp_path / "x_"
    assert run(*words, "--like-ldsc", "--print-delete-vals", "--print-cov", "--out", out) == 0
    found = json.loads(Path(f"{out}.json").read_text())["result"]
    for result, other in zip(found, ("second", "none"), strict=True):
        stem = f"{out}first.sumstats_{other}.sumstats"
        for part in ("hsq1", "hsq2", "gencov"):
            rows = Path(f"{stem}.{part}.delete").read_text().splitlines()
            assert [float(row) for row in rows] == pytest.approx(
                [v for (v,) in result[part]["tot_delete_values"]], rel=1e-15
            )
            assert float(Path(f"{stem}.{part}.cov").read_text()) > 0
            log = Path(f"{out}.log").read_text()
            assert f"Printing block jackknife delete values to {stem}.{part}.delete.\n" in log
            assert f"Printing covariance matrix of the estimates to {stem}.{part}.cov.\n" in log
    words = ("ldsc", "rg", *files[:2], files[1], "--ref-ld-chr", f"{folder}/ld/", "--print-cov")
    assert run(*words, "--out", tmp_path / "twice") == 2


def test_of_many_pairs_each_trait_is_written_once(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bayesmixer.cli import ldsc

    files = [small[0] / f"{name}.sumstats" for name in ("first", "second", "none")]
    words = ("ldsc", "rg", *files, "--ref-ld-chr", f"{small[0]}/ld/", "--quiet", "--out")
    assert run(*words, tmp_path / "few") == 0
    monkeypatch.setattr(ldsc, "MOST", 2)
    assert run(*words, tmp_path / "many") == 0
    few, many = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("few", "many"))
    for full, short in zip(few["result"], many["result"], strict=True):
        of = {which: many["traits"][short[which]] for which in ("hsq1", "hsq2")}
        assert short | of == full


def test_a_run_of_many_pairs_that_was_stopped_goes_on(
    small: Small,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from bayesmixer.ldsc import pairs as of_pairs

    folder, out = small[0], tmp_path / "x"
    files = [folder / f"{name}.sumstats" for name in ("first", "second", "none", "first")]
    words = ("ldsc", "rg", *files, "--ref-ld-chr", f"{folder}/ld/", "--quiet", "--out", out)
    monkeypatch.setattr(of_pairs, "TOGETHER", 2)
    whole, begun = of_pairs.Pairs._together, []

    def stopped(self: of_pairs.Pairs, firsts: range) -> object:
        begun.append(firsts)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return whole(self, firsts)

    monkeypatch.setattr(of_pairs.Pairs, "_together", stopped)
    assert run(*words) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["x.partial"]
    capsys.readouterr()
    assert run(*words, "--n-blocks", "100") == 2
    assert "other summary statistics" in capsys.readouterr().err.splitlines()[-1]
    assert run(*words) == 0
    assert begun == [range(1), range(1, 2), range(1, 2), range(2, 3)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.json", "x.tsv"]


def test_correlations_of_all_pairs_or_of_the_first(small: Small, tmp_path: Path) -> None:
    folder = small[0]
    files = [folder / f"{name}.sumstats" for name in ("first", "second", "none")]
    words = ("ldsc", "rg", *files, "--ref-ld-chr", f"{folder}/ld/", "--quiet")
    assert run(*words, "--out", tmp_path / "all") == 0
    table = pl.read_csv(tmp_path / "all.tsv", separator="\t", null_values="NA")
    # strict JSON, though rg of the third has no error by blocks
    json.loads((tmp_path / "all.json").read_text(), parse_constant=pytest.fail)
    pairs = list(zip(table["p1"], table["p2"], strict=True))
    assert pairs == [("first", "second"), ("first", "none"), ("second", "none")]
    fixed = ("--intercept-h2", "1,1,1", "--intercept-gencov", "0,0.1,N0.1")
    assert run(*words, "--like-ldsc", *fixed, "--out", tmp_path / "like") == 0
    result = json.loads((tmp_path / "like.json").read_text())["result"]
    assert [one["gencov"]["intercept"] for one in result] == [0.1, -0.1]
    assert "Summary of Genetic Correlation Results" in (tmp_path / "like.log").read_text()


def test_what_is_printed_beside_heritability_of_liability_is_of_that_scale(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = small[0], tmp_path / "h2"
    words = ("ldsc", "h2", folder / "first.sumstats", "--ref-ld-chr", f"{folder}/ld/", "--out", out)
    assert run(*words, "--samp-prev", "0.5", "--pop-prev", "0.01") == 0
    printed = " ".join(capsys.readouterr().out.split())
    row = pl.read_csv(f"{out}.tsv", separator="\t", null_values="NA").row(0, named=True)
    factor = row["h2_liability"] / row["h2"]
    ends = [f"h2_liability{end}" for end in ("_se", "_lower", "_upper")]
    assert " ".join(["h2_liability", *ends]) in printed
    for end in ends:
        assert row[end] == pytest.approx(factor * row[end.replace("_liability", "")])
    assert f"on the liability scale {row['h2_liability']:.3g}" in printed


@pytest.mark.parametrize("word", ["nan", "NaN", "NA"])
def test_a_trait_may_have_no_prevalence(small: Small, tmp_path: Path, word: str) -> None:
    folder = small[0]
    files = [folder / f"{name}.sumstats" for name in ("first", "second")]
    words = ("ldsc", "rg", *files, "--ref-ld-chr", f"{folder}/ld/", "--quiet")
    words += ("--samp-prev", f"{word},0.5", "--pop-prev", f"{word}, 0.01", "--out", tmp_path / "x")
    assert run(*words) == 0
    row = pl.read_csv(tmp_path / "x.tsv", separator="\t", null_values="NA").row(0, named=True)
    assert "h2_liability_1" not in row
    assert row["h2_liability_2"] < row["h2_2"]


def test_traits_of_files_of_one_name_are_told_apart(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        files.append(tmp_path / name / "x.sumstats")
        small[1][name].write_csv(files[-1], separator="\t")
    words = ("--ref-ld-chr", f"{small[0]}/ld/", "--out", tmp_path / "x")
    assert run("ldsc", "rg", *files, *words) == 0
    table = pl.read_csv(tmp_path / "x.tsv", separator="\t")
    assert table.select("p1", "p2").row(0) == ("x (1)", "x (2)")
    printed = capsys.readouterr().out
    assert "x (1): h2 " in printed and "x (2): h2 " in printed


def test_lists_of_traits_may_have_blanks_and_a_comma_at_their_end(
    small: Small, tmp_path: Path
) -> None:
    folder = small[0]
    both = f"{folder}/first.sumstats, {folder}/second.sumstats,"
    assert run("ldsc", "rg", both, "--ref-ld-chr", f"{folder}/ld/", "--out", tmp_path / "x") == 0
    assert pl.read_csv(tmp_path / "x.tsv", separator="\t").height == 1


def test_who_types_ldsc_s_own_words_is_told_the_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ldsc", "--ref-ld-chr", "x/", "--h2-cts", "y", "--out", "z") == 2
    assert "bayesmixer ldsc cts" in capsys.readouterr().err


REGRESSIONS = (
    "--out --ref-ld --ref-ld-chr --w-ld --w-ld-chr --no-intercept --intercept-h2 --M --chisq-max "
    "--invert-anyway --n-blocks --not-M-5-50"
)
PREVALENCES = "--samp-prev --pop-prev --print-cov --print-delete-vals"
TAKEN = {  # of ldsc.py, by the verb that takes its place
    "h2": f"{REGRESSIONS} {PREVALENCES} --two-step",
    "partitioned": f"{REGRESSIONS} {PREVALENCES} --overlap-annot --frqfile --frqfile-chr "
    "--print-coefficients --annot",
    "rg": f"{REGRESSIONS} {PREVALENCES} --two-step --intercept-gencov --return-silly-things "
    "--no-check-alleles",
    "cts": f"{REGRESSIONS} --ref-ld-chr-cts --print-all-cts",
    "scores": "--out --bfile --l2 --extract --keep --ld-wind-snps --ld-wind-kb --ld-wind-cm "
    "--print-snps --annot --thin-annot --cts-bin --cts-breaks --cts-names --per-allele --pq-exp "
    "--no-print-annot --maf --chunk-size --yes-really",
}
NOWHERE = "--h2 --rg --h2-cts --pickle"
MAKE_ANNOT = (
    "--gene-set-file --gene-coord-file --windowsize --bed-file --nomerge --bimfile --annot-file"
)


def test_one_option_under_two_of_its_names_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ldsc", "h2", "x", "--ref-ld", "a", "--ref-ld-chr=b", "--out", "y") == 2
    assert "error: --ref-ld, --ref-ld-chr: both given" in capsys.readouterr().err


def test_files_of_an_earlier_run_stay_this_program_s_own(small: Small, tmp_path: Path) -> None:
    folder, out = small[0], tmp_path / "x"
    words = ("ldsc", "h2", folder / "first.sumstats", "--ref-ld-chr", f"{folder}/ld/", "--out", out)
    assert run(*words, "--like-ldsc") == 0
    assert run(*words, "--force") == 0  # writes no .log
    assert run(*words, "--force", "--like-ldsc") == 0
    assert run(*words, "--force") == 0
    Path(f"{out}.log").write_text("mine")
    assert run(*words, "--force", "--like-ldsc") == 2
    assert Path(f"{out}.log").read_text() == "mine"


def test_a_list_of_many_files_is_known_again(tmp_path: Path) -> None:
    from bayesmixer.ldsc.written import check_places, write

    texts = {f".{'x' * 60}{i}": f"{i}\n" for i in range(300)}  # of one pair there are six
    for _ in range(2):
        write(tmp_path / "a", {"result": 1}, texts, replace=True)
    check_places(tmp_path / "a", [".json", *texts], True)


@pytest.mark.parametrize("verb", TAKEN)
def test_an_option_of_ldsc_is_taken_or_answered_with_what_takes_its_place(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    every = {*" ".join(TAKEN.values()).split(), *NOWHERE.split()}
    own = set(TAKEN[verb].split())
    for option in sorted(every | set(MAKE_ANNOT.split() if verb == "scores" else ())):
        assert run("ldsc", verb, option) == 2
        (line,) = capsys.readouterr().err.splitlines()
        if option in own:  # what is missing is its value, the file, or another option
            assert "No such option" not in line and f"error: {option}: " not in line, line
        else:
            assert line.startswith(f"error: {option}: "), line
            assert line.count(".") >= 1 and "No such option" not in line
    assert run("ldsc", verb, "--no-such-thing") == 2
    assert "No such option: --no-such-thing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("h2 --h2 x", "the file stands alone here: 'bayesmixer ldsc h2 FILE'"),
        ("partitioned --h2 x", "'bayesmixer ldsc partitioned FILE'"),
        ("h2 --rg x,y", "a verb here: bayesmixer ldsc rg"),
        ("rg x y --overlap-annot", "an option of 'bayesmixer ldsc partitioned', not of"),
        ("cts x --two-step 30", "an option of 'bayesmixer ldsc h2 | rg', not of"),
        ("scores --bed-file x", "Give --bed NAME=FILE"),
    ],
)
def test_what_takes_the_place_of_an_option_is_named(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("ldsc", *words.split()) == 2
    assert said in capsys.readouterr().err


def test_shares_of_annotations_whose_overlap_is_not_counted_are_said_to_be_so(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    annot = f"{small[0]}/annot/"
    words = (small[0] / "first.sumstats", "--ref-ld-chr", annot, "--out", tmp_path / "x", "--force")
    assert run("ldsc", "h2", *words) == 0
    assert "taken to share no variant" in " ".join(capsys.readouterr().out.split())
    # what a message calls M is taken
    assert run("ldsc", "partitioned", *words, "--M", "M") == 0
    assert "taken to share no variant" not in " ".join(capsys.readouterr().out.split())


def test_annotations_and_cell_types(small: Small, tmp_path: Path) -> None:
    folder = small[0]
    prefix = f"{folder}/annot/"
    trait = folder / "first.sumstats"
    like = ("--like-ldsc", "--print-coefficients", "--print-cov", "--frqfile-chr", prefix)
    words = ("ldsc", "partitioned", trait, "--ref-ld-chr", prefix, "--w-ld-chr", f"{folder}/ld/")
    assert run(*words, *like, "--out", tmp_path / "part") == 0
    results = pl.read_csv(tmp_path / "part.results", separator="\t", null_values="NA")
    assert results["Category"].to_list() == ["baseL2_0", "oneL2_0", "twoL2_0"]
    tidy = pl.read_csv(tmp_path / "part.tsv", separator="\t", null_values="NA")
    assert tidy["coef"].to_list() == results["Coefficient"].to_list()
    # the trait as a whole in the columns that h2 has, and the same number in PREFIX.json
    total = pl.read_csv(tmp_path / "part.total.tsv", separator="\t", null_values="NA")
    found = json.loads((tmp_path / "part.json").read_text())["result"]
    assert total.select("trait", "h2", "intercept_se").rows() == [
        ("first", found["tot"], found["intercept_se"])
    ]
    assert total["h2"][0] == pytest.approx(tidy["h2_category"].sum(), rel=1e-12)
    assert run("ldsc", "h2", *words[2:], "--quiet", "--out", tmp_path / "alone") == 0
    alone = pl.read_csv(tmp_path / "alone.total.tsv", separator="\t", null_values="NA")
    assert alone.columns == total.columns
    assert run("ldsc", "h2", trait, "--ref-ld-chr", f"{folder}/ld/", "--out", tmp_path / "h2") == 0
    assert pl.read_csv(tmp_path / "h2.tsv", separator="\t").columns == total.columns
    assert not (tmp_path / "h2.total.tsv").exists()
    for c in (1, 2):
        scores = pl.read_csv(folder / f"annot/{c}.l2.ldscore.gz", separator="\t")
        one = scores.select("CHR", "SNP", "BP", "oneL2")
        one.write_csv(tmp_path / f"cells.{c}.l2.ldscore", separator="\t")
        (tmp_path / f"cells.{c}.l2.M_5_50").write_text("900\n")
    (tmp_path / "cells.ldcts").write_text("cells cells.\n")
    words = ("ldsc", "cts", trait, "--ref-ld-chr", f"{folder}/ld/", "--ref-ld-chr-cts")
    rest = ("--like-ldsc", "--out", tmp_path / "cts")
    assert run(*words, tmp_path / "cells.ldcts", *rest) == 0
    table = pl.read_csv(tmp_path / "cts.cell_type_results.txt", separator="\t")
    assert table["Name"].to_list() == ["cells"]
    # numbers that are given are the baseline's, as in LDSC
    m = sum(float((folder / f"ld/{c}.l2.M_5_50").read_text()) for c in (1, 2))
    rest = ("--M", m, "--quiet", "--out", tmp_path / "given")
    assert run(*words, tmp_path / "cells.ldcts", *rest, "--like-ldsc") == 0
    again = pl.read_csv(tmp_path / "given.cell_type_results.txt", separator="\t")
    assert again.equals(table)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("h2", "none.sumstats", "--out", "x"), "--ref-ld-chr"),
        (("h2", "none.sumstats", "--ref-ld-chr", "ld/", "--out", "x"), "no such file"),
        (("rg", "FIRST", "SECOND", *LD_TO_X, "--intercept-gencov", "1,2,3"), "expected 1 or 2"),
        (("h2", "FIRST", *LD_TO_X, "--samp-prev", "half"), "samp-prev"),
        (("h2", "FIRST", "--ref-ld-chr", "LD", "--out", "results/"), "--out: 'results/'"),
        (("h2", "FIRST", "--ref-ld-chr", "LD", "--out="), "--out: ''"),
        (("h2", "FIRST", "--ref-ld-chr", ",", "--out", "x"), "no prefix of files"),
        (("h2", "FIRST", "--ref-ld-chr", "LD", "--w-ld-chr", " ", "--out", "x"), "no prefix"),
        (("h2", "FIRST", "--ref-ld-chr", "LD", "--out", "none/x"), "none"),
        (("rg", "FIRST", "BARE", *LD_TO_X), "or --no-check-alleles where all"),
        (("partitioned", "FIRST", "--ref-ld-chr", "ANNOT", "--out", "x"), "--frqfile-chr: missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line(
    small: Small,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = small[0]
    known = {
        "FIRST": folder / "first.sumstats",
        "SECOND": folder / "second.sumstats",
        "LD": f"{folder}/ld/",
        "ANNOT": f"{folder}/annot/",
        "BARE": tmp_path / "bare.sumstats",
    }
    small[1]["second"].select("SNP", "Z", "N").write_csv(known["BARE"], separator="\t")
    assert run("ldsc", *(known.get(word, word) for word in words)) == 2
    printed = capsys.readouterr().err.strip().splitlines()
    lines = [line for line in printed if not line.startswith("warning: ")]  # few variants
    assert len(lines) == 1
    assert said in lines[0]


def test_neither_pymc_nor_xarray_nor_pandas_nor_scipy_is_imported(
    small: Small, tmp_path: Path
) -> None:
    import subprocess
    import sys

    folder = small[0]
    words = ["ldsc", "h2", str(folder / "first.sumstats"), "--ref-ld-chr", f"{folder}/ld/"]
    code = (
        "import sys; from bayesmixer.cli.main import main\n"
        f"try: main({[*words, '--out', str(tmp_path / 'x')]!r})\n"
        "except SystemExit as done: assert not done.code, done.code\n"
        "print([m for m in ('pymc', 'arviz', 'numba', 'xarray', 'pandas', 'scipy', 'jax')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
