"""The command line as a user meets it: exit codes, one-line messages, quick help, nothing
half-written.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bayesmixer.card import cards

HEAVY = (
    "numpy",
    "pandas",
    "polars",
    "xarray",
    "scipy",
    "numba",
    "pytensor",
    "pymc",
    "arviz",
    "nutpie",
    "jax",
    "matplotlib",
    "zarr",
    "bed_reader",
)


def bayesmixer(*words: str, cwd: Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bayesmixer", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        **options,
    )  # type: ignore[call-overload, no-any-return]


def verbs() -> list[list[str]]:
    """Every command there is, from the application itself."""
    from typer.main import get_command

    from bayesmixer.cli.main import app

    found = []
    for name, command in get_command(app).commands.items():
        found += (
            [[name, sub] for sub in command.commands] if hasattr(command, "commands") else [[name]]
        )
    return found


def test_importing_the_command_line_loads_no_heavy_module() -> None:
    code = (
        f"import sys; import bayesmixer.cli.main; print([m for m in {HEAVY} if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_importing_bayesmixer_loads_no_heavy_module() -> None:
    code = (
        f"import sys; import bayesmixer as bm; dir(bm); print([m for m in {HEAVY} if m in "
        "sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_verbs_are_those_of_the_documented_interface(root: Path) -> None:
    names = {" ".join(v) for v in verbs()}
    assert names - {f"fit {card.verb}" for card in cards().values()} == {
        "demo", "munge", "ld build", "ld scores", "report", "check", "compare", "simulate",
        "coverage", "variants", "fit pairs", "ldsc h2", "ldsc rg", "ldsc partitioned", "ldsc cts",
        "ldsc scores", "mash", "ash",
    }  # fmt: skip
    page = (root / "docs/reference/cli.md").read_text()
    assert {m for m in names if f"`bayesmixer {m}`" in page} == names


@pytest.fixture(scope="module")
def helped() -> tuple[dict[str, str], list[str]]:
    """Help of the program and of every verb, as a terminal of 80 columns shows it, and the heavy
    modules that were loaded for all of it.
    """
    code = f"""
import json, sys, contextlib, io
from bayesmixer.cli.main import main
pages = {{}}
for words in {[[], ["fit"], ["ld"], ["ldsc"], *verbs()]}:
    page = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with contextlib.redirect_stdout(page), contextlib.suppress(SystemExit):
        main([*words, "--help"])
    page.seek(0)
    pages[" ".join(words)] = page.read()
json.dump([pages, [m for m in {HEAVY} if m in sys.modules]], sys.stdout)
"""
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "80"},
    )
    assert out.stderr == ""
    found, heavy = json.loads(out.stdout)
    return found, heavy


@pytest.fixture(scope="module")
def pages(helped: tuple[dict[str, str], list[str]]) -> dict[str, str]:
    return helped[0]


def test_help_of_no_verb_loads_a_heavy_module(helped: tuple[dict[str, str], list[str]]) -> None:
    assert helped[1] == []


@pytest.mark.parametrize("verb", verbs(), ids=" ".join)
def test_help_of_each_verb_has_an_example_of_itself(verb: list[str], pages: dict[str, str]) -> None:
    assert (
        f"bayesmixer {' '.join(verb)}" in pages[" ".join(verb)].split("Usage:")[1].split("\n", 1)[1]
    )


def test_help_fits_80_columns_and_cuts_no_word(pages: dict[str, str]) -> None:
    for page in pages.values():
        assert max(map(len, page.splitlines())) <= 80
        assert not re.search(r"\w\.\.\.$", page, re.MULTILINE)


def test_the_list_of_verbs_describes_each_in_full(pages: dict[str, str]) -> None:
    listed = " ".join(pages[""].split())
    for verb in verbs():
        own = pages[" ".join(verb)].split("\n\n")[1]
        place = listed if len(verb) == 1 else " ".join(pages[verb[0]].split())
        assert " ".join(own.split()) in place


@pytest.mark.parametrize("verb", verbs(), ids=" ".join)
def test_every_verb_can_be_quiet_bounded_and_told_to_replace(
    verb: list[str], pages: dict[str, str]
) -> None:
    wanted = {"--quiet", "--threads"}
    if verb != ["fit", "pairs"]:  # which replaces nothing: it goes on from what is there
        wanted.add("--force")
    assert wanted <= set(re.findall(r"--[a-z-]+", pages[" ".join(verb)]))


def test_without_words_the_help_is_shown(tmp_path: Path) -> None:
    out = bayesmixer(cwd=tmp_path)
    assert out.returncode == 0
    assert out.stdout.startswith("Usage: bayesmixer")


def test_version_is_that_of_the_package(tmp_path: Path) -> None:
    import bayesmixer as package

    assert bayesmixer("--version", cwd=tmp_path).stdout.strip() == package.__version__


FIT = ["fit", "univariate"]
OUT = ["--reference", "panel.zarr", "--out", "r.nc"]
BAD = {
    "no such verb": (["plot"], r"No such command 'plot'.*--help"),
    "group without a verb": (["fit"], r"Missing command.*fit --help"),
    "no such model": (["fit", "mash"], r"No such command 'mash'"),
    "no such option": ([*FIT, "height.txt", *OUT, "--sigma", "3"], r"No such option.*--sigma"),
    "no sumstats": ([*FIT, *OUT], r"Missing argument 'sumstats'"),
    "no reference": ([*FIT, "height.txt", "--out", "r.nc"], r"Missing option '--reference'"),
    "no such method": (
        [*FIT, "height.txt", *OUT, "--method", "simplex"],
        r"--method.*simplex.*map.*laplace",
    ),
    "no such prior": (
        [*FIT, "height.txt", *OUT, "--prior", "strong"],
        r"--prior.*strong.*weak.*flat",
    ),
    "draws not a number": ([*FIT, "height.txt", *OUT, "--draws", "many"], r"--draws"),
    "too few draws": ([*FIT, "height.txt", *OUT, "--draws", "49"], r"--draws.*50"),
    "no such weights": (
        [*FIT, "height.txt", *OUT, "--weights", "prunning"],
        r"--weights.*prunning.*pruning",
    ),
    "S that is no number": (
        [*FIT, "height.txt", *OUT, "--maf-s", "high"],
        r"--maf-s: 'high', expected a number, or free",
    ),
    "threads that are none": ([*FIT, "height.txt", *OUT, "--threads", "0"], r"--threads"),
    "an option of another model": (
        ["fit", "two-component", "height.txt", *OUT, "--maf-s", "0"],
        r"No such option.*--maf-s",
    ),
    "negative seed": ([*FIT, "height.txt", *OUT, "--seed", "-1"], r"--seed"),
    "results of another kind": (
        [*FIT, "height.txt", "--reference", "panel.zarr", "--out", "r.csv"],
        r"--out: 'r.csv'.*\.nc or \.zarr",
    ),
    "results in no folder": (
        [*FIT, "height.txt", "--reference", "panel.zarr", "--out", "no/r.nc"],
        r"--out: the folder 'no'.*Make it first",
    ),
    "report of another kind": (
        [*FIT, "height.txt", *OUT, "--report", "r.pdf"],
        r"--report: 'r.pdf'.*\.html",
    ),
    "one place for two files": (
        [*FIT, "height.txt", *OUT, "--json", "x", "--tsv", "x"],
        r"--tsv: 'x' is also what --json writes",
    ),
    "check of nothing": (["check", "no.nc", "--data", "no_data.nc"], r"no\.nc: no such file"),
    "comparison of nothing": (["compare", "no.nc", "one.nc"], r"no\.nc: no such file"),
    "variants of nothing": (
        ["variants", "no.nc", "--data", "no_data.nc", "--tsv", "v.tsv"],
        r"no\.nc: no such file",
    ),
    "one fit twice": (["compare", "no.nc", "no.nc"], r"results: 'no.nc' is there twice"),
    "reference that is not there": ([*FIT, "height.txt", *OUT], r"panel\.zarr"),
    "report of nothing": (["report", "no.nc"], r"no\.nc|Missing"),
    "panel that is not there": (["ld", "build", "no.bed", "--out", "panel.zarr"], r"no\.bed"),
    "sumstats that are not there": (
        ["munge", "no.txt.gz", "--out", "clean.tsv.gz"],
        r"no\.txt\.gz",
    ),
}


@pytest.mark.parametrize(("words", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_line_and_exit_code_2_and_leaves_no_file(
    words: list[str], message: str, tmp_path: Path
) -> None:
    out = bayesmixer(*words, cwd=tmp_path)
    assert out.returncode == 2, out.stderr
    assert out.stderr.count("\n") == 1, out.stderr
    assert out.stderr.startswith("error: ")
    assert re.search(message, out.stderr), out.stderr
    assert out.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_two_files_of_a_pair_are_two_traits_and_the_second_has_its_own_options(
    example_folder: Path, tmp_path: Path
) -> None:
    first = str(example_folder / "data/polygenic.txt.gz")
    (tmp_path / "no_n.txt").write_text("SNP A1 A2 BETA SE\nrs1 A C 0.1 0.1\n")
    given = ["--reference", str(example_folder / "panel.zarr"), "--out", "r.nc", "--quiet"]
    for second, said in (
        (first, "error: --trait-2: both .* 'polygenic'. Name one with --trait or --trait-2, and"),
        ("no_n.txt", r"error: no_n.txt: no sample size .*Give --sample-size-2, "),
    ):
        out = bayesmixer("fit", "bivariate", first, second, *given, cwd=tmp_path)
        assert out.returncode == 2 and re.match(said, out.stderr), out.stderr
        assert out.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["no_n.txt"]


def _main_with(body: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line with a verb `trial` whose body is given."""
    code = f"""
import sys, warnings
from bayesmixer.cli.main import app, main
from bayesmixer.errors import DataWarning, InputError
@app.command("trial")
def trial() -> None:
    {body}
main(["trial"])
"""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, timeout=60
    )


def test_ctrl_c_is_one_line_and_exit_code_130(tmp_path: Path) -> None:
    code = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(5)"
    out = _main_with(code, tmp_path)
    assert out.returncode == 128 + signal.SIGINT
    assert out.stderr.startswith("stopped: interrupted")
    assert out.stderr.count("\n") == 1


def test_the_same_warning_is_shown_once(tmp_path: Path) -> None:
    out = _main_with("[warnings.warn(text, DataWarning) for text in ('a', 'b', 'a')]", tmp_path)
    assert out.stderr == "warning: a\nwarning: b\n"


def test_a_character_that_the_terminal_lacks_is_no_traceback(tmp_path: Path) -> None:
    code = (
        "from bayesmixer.cli.main import main, app\napp.command('trial')(lambda: print('k\u0302 "
        "\u2264 0.7'))\nmain(['trial'])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        cwd=tmp_path,
    )
    assert (out.returncode, out.stdout, out.stderr) == (0, b"k\\u0302 \\u2264 0.7\n", b"")


def test_completion_of_a_shell_knows_the_verbs(tmp_path: Path) -> None:
    env = os.environ | {
        "_BAYESMIXER_COMPLETE": "complete_bash",
        "COMP_WORDS": "bayesmixer com",
        "COMP_CWORD": "1",
    }
    assert bayesmixer(cwd=tmp_path, env=env).stdout.split() == ["compare"]
    assert "--show-completion" in bayesmixer("--help", cwd=tmp_path).stdout


def test_threads_bound_numba_and_what_reads_its_number_from_the_environment(tmp_path: Path) -> None:
    code = """
import os, sys
from bayesmixer.cli.main import app, main
from bayesmixer.cli.options import Threads
@app.command("trial")
def trial(threads: Threads = None) -> None:
    import numba
    import threadpoolctl
    import numpy
    most = max(p["num_threads"] for p in threadpoolctl.threadpool_info())
    print(numba.config.NUMBA_NUM_THREADS, os.environ["OMP_NUM_THREADS"], most)
main(["trial", "--threads", "1"])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert out.stdout == "1 1 1\n", out.stderr


def test_a_data_warning_is_one_line_and_others_are_silent(tmp_path: Path) -> None:
    out = _main_with(
        "warnings.warn('two\\nlines', DataWarning); warnings.warn('old', FutureWarning); "
        "print('done')",
        tmp_path,
    )
    assert (out.returncode, out.stdout, out.stderr) == (0, "done\n", "warning: two lines\n")


def test_an_unreadable_file_is_one_line_that_names_it(tmp_path: Path) -> None:
    out = _main_with("open('absent.txt')", tmp_path)
    assert (out.returncode, out.stderr) == (2, f"error: absent.txt: {os.strerror(2)}\n")


def test_a_defect_keeps_its_traceback_and_exit_code_1(tmp_path: Path) -> None:
    out = _main_with("1 / 0", tmp_path)
    assert out.returncode == 1
    assert "Traceback" in out.stderr
