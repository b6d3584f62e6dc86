"""Messages name what whoever reads them has: on the command line options, of the verb that runs or
of the one before it.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from bayesmixer.cli.wording import message_of, on_command_line, options_of
from bayesmixer.errors import InputError

FIT, MUNGE = ["fit", "univariate", "height.txt"], ["munge", "height.txt"]
# arguments of functions that no verb has an option for, each with why its message is not met there
PYTHON_ONLY = {
    "adjust": "another calibration",
    "isel": "choice among traits",
    "likelihood": "the paper's two-moment model",
    "trait": "",
}


@pytest.mark.parametrize(
    ("words", "text", "expected"),
    [
        (
            FIT,
            "report the posterior (method='nuts'), not the estimate.",
            "report the posterior (--method nuts), not the estimate.",
        ),
        (FIT, "Use by='position'.", "Use --by position."),
        (FIT, "Fit with calibrate=True (the default).", "Fit with --calibrate (the default)."),
        (FIT, "Fit with calibrate=False.", "Fit with --no-calibrate."),
        (FIT, "Raise target_accept=0.95.", "Raise --target-accept 0.95."),
        (FIT, "Choose one: align(..., maf_s=0).", "Choose one: --maf-s 0."),
        (FIT, "Name it with p= (--p).", "Name it with --p of 'bayesmixer munge'."),
        (MUNGE, "Name it with p= (--p).", "Name it with --p."),
        (
            MUNGE,
            "Name it with z= (--z), or beta= and se= (--beta, --se).",
            "Name it with --z, or --beta and --se.",
        ),
        (
            MUNGE,
            "Name the effect allele with a1=, e.g. a1=ALT (--a1 ALT).",
            "Name the effect allele with --a1, e.g. --a1 ALT.",
        ),
        (MUNGE, "Keep them with keep_mhc (--keep-mhc).", "Keep them with --keep-mhc."),
        (["ld", "build"], "replace it with resume=False (--force).", "replace it with --force."),
        (
            ["simulate"],
            "Give another directory, or overwrite=True (--force).",
            "Give another directory, or --force.",
        ),
        (
            ["compare"],
            "Pass data= to refit without them",
            "Pass --data to refit without them",
        ),
        (["check"], "Fit with method 'laplace' or 'nuts'.", "Fit with --method laplace or nuts."),
        (
            ["report"],
            "Run check (bm.check), which tells.",
            "Run check ('bayesmixer check'), which tells.",
        ),
        (["check"], "Fit with more draws (draws=).", "Fit with more draws (--draws)."),
        (
            FIT,
            "Fit univariate_mixer, and compare h2.",
            "Run 'bayesmixer fit univariate', and compare h2.",
        ),
        (
            ["coverage"],
            "model: 'x', expected one of univariate_mixer, infinitesimal",
            "model: 'x', expected one of univariate_mixer, infinitesimal",
        ),
        (["report"], "Give what bayesmixer.fit returned.", "Give what 'bayesmixer fit' saved."),
        (
            ["coverage"],
            "expected key=value pairs such as pi=0.003,n=100000",
            "expected key=value pairs such as pi=0.003,n=100000",
        ),
        (
            ["fit", "pairs"],
            "Give sample_size= (--sample-size), or the column's name with n= (--n).",
            "Give --sample-size, or the column's name with --n of 'bayesmixer munge'.",
        ),
        (
            ["fit", "pairs"],
            "Give sample_size= (--sample-size).",
            "Give --sample-size of 'bayesmixer munge'.",
        ),
        (
            ["fit", "pairs"],
            "Name it: {name: file}.",
            "Name it in a text file of lines 'name path', given in place of the files.",
        ),
    ],
)
def test_arguments_become_the_options_of_the_verb(
    words: list[str], text: str, expected: str
) -> None:
    assert on_command_line(text, options_of(words)) == expected


def test_an_error_begins_with_the_option_and_leaves_file_names_alone() -> None:
    options = options_of(FIT)
    assert (
        message_of(InputError("draws", "3, expected more"), options) == "--draws: 3, expected more"
    )
    assert (
        message_of(InputError("by=id.txt", "cannot be read", "Use by='id'."), options)
        == "by=id.txt: cannot be read. Use --by id."
    )


def _messages(root: Path) -> set[str]:
    """Texts of the library with an argument in them: everything that looks like `name=` outside
    docstrings.
    """
    found = set()
    for path in [*root.glob("bayesmixer/**/*.py"), *root.glob("models/*.py")]:
        if {"cli", "ops"} & set(
            path.parts
        ) or path.name == "page.py":  # ops: for those who write models
            continue
        tree = ast.parse(path.read_text())
        with_body = (ast.Module, ast.FunctionDef, ast.ClassDef)
        docs = {
            id(b.value)
            for n in ast.walk(tree)
            if isinstance(n, with_body)
            for b in n.body
            if isinstance(b, ast.Expr)
        }
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in docs
                and " " in node.value
            ):
                found.add(node.value)
    return found


def test_no_message_names_an_argument_where_the_command_line_has_an_option(root: Path) -> None:
    options = options_of(FIT)
    left = {}
    for text in _messages(root):
        names = (
            set(re.findall(r"(?<![\w,.])([a-z][a-z0-9_]*)=", on_command_line(text, options)))
            - PYTHON_ONLY.keys()
        )
        if names & options.keys() and not re.search(r",\w+=", text):
            left[text] = names
    assert left == {}


def test_every_option_that_a_message_names_is_there(root: Path) -> None:
    flags = {option.flag for option in options_of(FIT).values()} | {"--fresh", "--overwrite"}
    of_plink = {"--make-bed", "--make-pgen", "--sort-vars", "--cm-map", "--max-alleles"}
    named = {
        flag
        for text in _messages(root)
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text)
    }
    assert named - of_plink - flags == set()
