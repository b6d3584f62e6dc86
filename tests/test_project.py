"""The project around the code: what is declared, documented and promised is what is there."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bayesmixer.card import cards, studied

# ground -> io -> ld -> ops -> simulation -> wings -> models -> inference -> checks -> reporting ->
# cli; what lies beside them at the top of the package has its place too
LAYERS = [
    "errors arguments interrupts interval progress aside kinds variables jackknife workers data",
    "checkpoint style card bound wings fingerprint identity facts results",
    "io",
    "ld",
    "ops",
    "simulation",
    "mixer",
    "pair",
    "ldsc",
    "mash",
    "models",
    "inference",
    "checks",
    "example",
    "reporting",
    "cli laboratory __main__",
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names.split()}


@pytest.fixture(scope="session")
def pyproject(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text())


def requirements(pyproject: dict[str, Any]) -> list[Requirement]:
    extras = pyproject["project"]["optional-dependencies"].values()
    return [
        Requirement(r) for group in [pyproject["project"]["dependencies"], *extras] for r in group
    ]


def sources(root: Path) -> list[Path]:
    return sorted(
        [
            *(
                p
                for p in root.glob("bayesmixer/**/*.py")
                if "models" not in p.relative_to(root).parts[:2]
            ),
            *root.glob("models/*.py"),
        ]
    )


def repository_files(root: Path) -> list[Path]:
    """Files that are, or would be, committed."""
    if not (root / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout: what belongs to the repository is not known")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    return [
        p for name in listed.stdout.decode().split("\0") if name and (p := root / name).is_file()
    ]


def test_declared_packages_are_those_on_disk(root: Path, pyproject: dict[str, Any]) -> None:
    on_disk = {
        ".".join(p.parent.relative_to(root).parts) for p in root.glob("bayesmixer/**/__init__.py")
    } | {"bayesmixer.models"}
    assert set(pyproject["tool"]["setuptools"]["packages"]) == on_disk
    assert pyproject["tool"]["setuptools"]["package-dir"] == {"bayesmixer.models": "models"}


def test_tests_are_packages_that_leave_the_search_path_alone(root: Path) -> None:
    modules = sorted((root / "tests").glob("**/*.py"))
    assert {p.parent for p in modules} == {p.parent for p in modules if p.name == "__init__.py"}
    assert [p for p in modules if "sys" + ".path" in p.read_text()] == []


def test_models_is_a_relative_link_in_the_package(root: Path) -> None:
    link = root / "bayesmixer/models"
    assert link.is_symlink()
    assert str(link.readlink()) == "../models"


def layer(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return "models" if parts[0] == "models" else parts[1]


def imported(path: Path) -> set[str]:
    """Dotted names that a module imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_imports_point_one_way(root: Path) -> None:
    wrong = []
    for path in sources(root):
        if path == root / "bayesmixer/__init__.py":
            continue  # the shop window: loads everything lazily
        rank = RANK[layer(root, path)]
        for name in imported(path):
            parts = name.split(".")
            if parts[0] != "bayesmixer" or name == "bayesmixer.__version__":
                continue
            target = (
                parts[1] if len(parts) > 1 else "cli"
            )  # `import bayesmixer` reaches everything: for the command line only
            if RANK.get(target, 0) > rank:
                wrong.append(f"{path.relative_to(root)} imports {name}")
    assert wrong == []


CIRCLE = ("np.pi", "math.pi")
HALLS = ("inference", "checks", "reporting", "laboratory")


def names_of_methods() -> re.Pattern[str]:
    """Names, verbs and titles of the models, and names of their parameters and quantities, as words
    of their own or parts of a name joined by underscores.
    """
    names: set[str] = set()
    for card in cards().values():
        names |= {card.name, card.verb, card.title}
        names |= {one.name for one in (*card.free, *card.reported)}
    words = "|".join(map(re.escape, sorted(names - {""}, key=len, reverse=True)))
    return re.compile(rf"(?<![A-Za-z0-9])(?<!<)(?<!</)({words})(?![A-Za-z0-9])")  # <h2> is a tag


def written(tree: ast.AST) -> Iterator[str]:
    """Identifiers, attributes, keywords and strings of a module; not its docstrings, nor np.pi."""
    nodes = list(ast.walk(tree))
    docstrings = [n.value for n in nodes if isinstance(n, ast.Expr)]
    circle = [n for n in nodes if isinstance(n, ast.Attribute) and ast.unparse(n) in CIRCLE]
    passed = {id(n) for n in [*(d for d in docstrings if isinstance(d, ast.Constant)), *circle]}
    for node in nodes:
        if id(node) not in passed:
            found = (getattr(node, f, None) for f in ("id", "attr", "arg", "name", "value"))
            yield from (text for text in found if isinstance(text, str))


def test_one_model_is_the_usual_one_and_three_have_cells_of_a_coverage_study() -> None:
    # a card made by `replace` of another says `cell` and `usual` anew
    assert [card.name for card in cards().values() if card.usual] == ["univariate_mixer"]
    assert studied() == ("univariate_mixer", "infinitesimal", "bivariate_mixer")


def test_halls_name_no_model_parameter_or_quantity_of_a_method(root: Path) -> None:
    named = names_of_methods()
    found: dict[str, set[str]] = {}
    for path in [p for hall in HALLS for p in sorted((root / "bayesmixer" / hall).iterdir())]:
        if path.suffix in (".py", ".html"):
            text = path.read_text()
            words = written(ast.parse(text)) if path.suffix == ".py" else [text]
            if names := {m.group(1) for word in words for m in named.finditer(word)}:
                found["/".join(path.parts[-2:])] = names
    assert found == {}


def test_the_test_of_halls_sees_names_wherever_they_stand() -> None:
    named = names_of_methods()
    for code in ("x.h2", "f(pi=1)", "h2 = 1", "x['log_h2']", "f'{a} of pi'", "def pi(): ...",
                 "x['bic_infinitesimal']", "lambda sigma2_0: 0", "x = 'univariate MiXeR fit'",
                 "x.pi.real"):  # fmt: skip
        assert any(named.search(word) for word in written(ast.parse(code))), code
    for code in ("np.pi", "'the h2 of it'", "x['api']", "'<h2>Table</h2>'", "f(picks=1)"):
        assert not any(named.search(word) for word in written(ast.parse(code))), code


def test_models_know_no_files_and_ops_no_xarray(root: Path) -> None:
    wrong = []
    for path in sources(root):
        forbidden = {
            "models": ("bayesmixer.io", "zarr", "polars"),
            "ops": ("xarray", "bayesmixer.io"),
        }.get(layer(root, path), ())
        wrong += [
            f"{path.relative_to(root)} imports {n}"
            for n in imported(path)
            if n.startswith(forbidden) and forbidden
        ]
    assert wrong == []


def test_the_layering_test_sees_a_wrong_import(tmp_path: Path) -> None:
    module = tmp_path / "m.py"
    module.write_text("import numpy\ndef f():\n    from bayesmixer.cli import main\n")
    assert imported(module) == {"numpy", "bayesmixer.cli.main"}


def test_each_module_says_its_idea(root: Path) -> None:
    for path in sources(root):
        assert ast.get_docstring(ast.parse(path.read_text())), f"{path}: no docstring"


def test_every_public_name_can_be_imported() -> None:
    import bayesmixer as bm

    for name in bm.__all__:
        assert getattr(bm, name).__doc__, f"bm.{name} has no docstring"


def test_the_version_is_one_and_has_its_entry_in_the_changelog(
    root: Path, pyproject: dict[str, Any]
) -> None:
    import bayesmixer as bm

    version = pyproject["project"]["version"]
    assert bm.__version__ == version
    assert f"## {version}" in (root / "CHANGELOG.md").read_text()


def test_the_lock_pins_a_fitting_version_of_every_requirement(
    root: Path, pyproject: dict[str, Any]
) -> None:
    lines = [line for line in (root / "constraints.txt").read_text().splitlines() if line.strip()]
    pins: dict[str, list[str]] = {}
    for line in lines:
        requirement = Requirement(line)  # fails on comments, options and addresses
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        pins.setdefault(canonicalize_name(requirement.name), []).append(pin.version)
    for requirement in requirements(pyproject):
        versions = pins.get(canonicalize_name(requirement.name), [])
        assert versions, f"{requirement.name} is not in constraints.txt: make lock"
        assert all(requirement.specifier.contains(v) for v in versions), (
            f"{requirement}: constraints.txt has {versions}: make lock"
        )


def test_the_page_of_dependencies_lists_exactly_those_declared(
    root: Path, pyproject: dict[str, Any]
) -> None:
    rows = [
        line.split("|")[1:-1]
        for line in (root / "docs/ideas/dependencies.md").read_text().splitlines()
        if line.startswith("|")
    ]
    named = {word.strip() for row in rows for word in row[-2].split(",")} - {"package", "---"}
    assert named == {r.name for r in requirements(pyproject)}


def test_no_file_names_a_package_host_or_a_path_of_a_machine(root: Path) -> None:
    hosts = [
        "pypi" + ".org",
        "python" + "hosted.org",
        "conda." + "anaconda.org",
        "pypi/" + "simple",
    ]
    paths = [
        r"/wo" + r"rk/(main|shared)",
        r"/tmp" + r"/data",
        r"/ro" + r"ot/\.",
        r"/ho" + r"me/\w+/",
    ]
    pattern = re.compile("|".join([*map(re.escape, hosts), *paths]))
    found = []
    for path in repository_files(root):
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(root)}: {m.group()}" for m in pattern.finditer(text)]
    assert found == []


def test_no_file_is_larger_than_three_megabytes(root: Path) -> None:
    assert [p for p in repository_files(root) if p.stat().st_size > 3_000_000] == []


def pages_of(root: Path) -> list[Path]:
    """The pages of the documentation that stand in the repository."""
    return sorted(p for p in (root / "docs").rglob("*.md") if "_build" not in p.parts)


def test_every_page_is_in_the_table_of_contents_and_every_entry_is_a_page(root: Path) -> None:
    docs = root / "docs"
    pages = {p.relative_to(docs).as_posix() for p in pages_of(root)}
    entries = [
        (Path("/", page).parent / e).as_posix().lstrip("/")
        for page in pages
        for body in re.findall(r"```\{toctree\}\n(.*?)```", (docs / page).read_text(), re.S)
        for e in body.split("\n\n", 1)[1].split()
    ]
    notebooks = {f"notebooks/{p.stem}" for p in (root / "notebooks").glob("*.ipynb")}
    assert sorted(entries) == sorted({p.removesuffix(".md") for p in pages} - {"index"} | notebooks)


def test_links_between_pages_lead_somewhere(root: Path) -> None:
    for page in [*root.glob("*.md"), *pages_of(root)]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if not re.match(r"https?:|mailto:", target):
                assert (page.parent / target).exists(), f"{page.relative_to(root)}: {target}"


def test_pages_that_code_names_exist(root: Path) -> None:
    named = {
        (str(path.relative_to(root)), page)
        for path in repository_files(root)
        if path.suffix in {".py", ".toml", ".md"}
        for page in re.findall(r"docs/[\w/-]+\.md", path.read_text())
    }
    assert len(named) > 20
    assert [(path, page) for path, page in named if not (root / page).exists()] == []


def test_pages_made_from_code_hold_every_variable_parameter_quantity_and_verb(root: Path) -> None:
    code = """
import json, sys
from pathlib import Path
from generate import filled, verbs
from bayesmixer.card import cards
from bayesmixer.variables import KINDS
pages = {name: filled(Path(f"docs/reference/{name}.md").read_text())
         for name in ("data_structures", "models", "cli")}
wanted = {"data_structures": [f"| `{name}` |" for kind in KINDS.values() for name in kind],
          "models": [f"| `{one.name}` |" for c in cards().values() for one in c.free + c.reported]
                    + [one.weak.means for c in cards().values() for one in c.free],
          "cli": [f"Usage: {' '.join(words)} " for words, _ in verbs()]}
missing = [text for page, texts in wanted.items() for text in texts if text not in pages[page]]
left = [name for name, text in pages.items() if "generated:" in text]
print(json.dumps([missing, left, len(sum(wanted.values(), [])) > 80, "pymc" in sys.modules]))
"""
    places = os.pathsep.join(["docs", os.environ.get("PYTHONPATH", "")])
    out = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env=os.environ | {"PYTHONPATH": places},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(out.stdout) == [[], [], True, False]


def test_the_page_of_public_functions_lists_every_public_name(root: Path) -> None:
    import bayesmixer as bm

    page = (root / "docs/reference/api.md").read_text()
    listed = re.findall(r"^\.\. auto\w+:: (?:bayesmixer\.)?(\w+)$", page, re.M)
    assert set(bm.__all__) - {"ldsc", "mash", "models"} <= set(listed)
    wing = re.findall(r"^\.\. autofunction:: bayesmixer\.\w+\.\w+\.(\w+)$", page, re.M)
    assert {*bm.ldsc.__all__, *bm.mash.__all__} <= set(wing)


def test_every_offer_of_a_wing_is_documented(root: Path) -> None:
    page = (root / "docs/reference/models.md").read_text().split("## What a wing may offer")[1]
    all_cards = cards().values()
    by_card = {card.starts for card in all_cards} | {card.cell for card in all_cards}
    offered = {name for card in all_cards if card.wing for name in import_module(card.wing).OFFERS}
    assert [name for name in sorted(offered - by_card) if f"`{name}`" not in page] == []


def test_warnings_that_the_page_of_errors_names_are_in_the_code(root: Path) -> None:
    table = (
        (root / "docs/reference/errors.md")
        .read_text()
        .split("in the words of the warning |")[1]
        .split("\n\n")[0]
    )
    # a sentence may be broken over lines, and a number stand in it
    trees = [ast.parse(path.read_text()) for path in sources(root)]
    literals = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    code = "\n".join(n.value for n in literals if isinstance(n.value, str))
    promised = [
        part.strip()
        for quoted in re.findall(r'"([^"]+)"', table.replace('`overlap["warnings"]`', ""))
        for part in quoted.split("...")
    ]
    assert len(promised) > 15
    assert [words for words in promised if words not in code] == []


def test_readme_has_the_two_commands_and_make_knows_them(root: Path) -> None:
    readme, makefile = (root / "README.md").read_text(), (root / "Makefile").read_text()
    for target in ("demo", "test"):
        assert f"\n    make {target} " in readme
        assert re.search(rf"^{target}:", makefile, re.M)
    ci = (root / ".ci/run").read_text()
    assert re.findall(r"^make (\w+)", ci, re.M) == ["test", "lint", "types", "docs", "demo"]


# --- .ci/setup on machines that lack something: a PATH with the few tools it needs and Pythons made
# for the occasion

TOOLS = ["bash", "env", "dirname", "cat", "cksum", "sed", "grep", "tail", "cut", "sort", "mv", "rm"]


def setup(
    root: Path,
    tmp_path: Path,
    pythons: dict[str, str],
    *words: str,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.CompletedProcess[str]:
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in TOOLS:
        (tools / tool).symlink_to(str(shutil.which(tool)))
    for name, script in pythons.items():
        (tools / name).write_text(f"#!{shutil.which('sh')}\n{script}\n")
        (tools / name).chmod(0o755)
    command = [str(root / ".ci/setup"), str(tmp_path / "venv"), "none", *words]
    return subprocess.run(
        command,
        env={"PATH": str(tools), "HOME": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


OLD = 'case "$2" in *version_info*) exit 1 ;; *) echo 3.10.4 ;; esac'
NO_VENV = 'case "$2" in *ensurepip*) exit 1 ;; *python_version*) echo 3.12.3 ;; esac'
SHIM = 'echo "no such version" >&2; exit 127'
MISSING = {
    "old Python": (
        {"python3": OLD},
        [],
        r"no Python 3\.12 or newer \(python3 is 3\.10\.4\); install one, or name it with PYTHON=",
    ),
    "no Python": ({}, [], r"no Python 3\.12 or newer \(no python3 at all\)"),
    "a version manager's shim that fails": (
        {"python3.13": SHIM, "python3": OLD},
        [],
        r"no Python 3\.12 or newer \(python3 is 3\.10\.4\)",
    ),
    "no venv module": (
        {"python3": NO_VENV},
        [],
        r"python3 has no venv module; install it .*apt-get install python3-venv",
    ),
    "PYTHON is too old": (
        {"mine": OLD},
        ["mine"],
        r"PYTHON=mine: found Python 3\.10\.4, expected 3\.12 or newer",
    ),
    "PYTHON is not there": ({}, ["mine"], r"PYTHON=mine: no such program"),
    "PYTHON is a shim that fails": (
        {"mine": SHIM},
        ["mine"],
        r"PYTHON=mine: found one that does not run \(no such version\), expected 3\.12",
    ),
    "nothing but a shim that fails": (
        {"python3": SHIM},
        [],
        r"no Python 3\.12 or newer \(python3 is one that does not run \(no such version\)\)",
    ),
    "PYTHON is a silent failure": (
        {"mine": "exit 3"},
        ["mine"],
        r"PYTHON=mine: found one that does not run \(it says nothing\)",
    ),
    "PYTHON is empty": (
        {"python3": OLD},
        [""],
        r"PYTHON= is empty; give the path of a Python 3\.12 or newer, or leave PYTHON out",
    ),
    "PYTHON is a blank": ({"python3": OLD}, [" "], r"PYTHON= is empty"),
}


@pytest.mark.parametrize(("pythons", "words", "message"), MISSING.values(), ids=MISSING.keys())
def test_setup_says_in_one_line_what_is_missing(
    pythons: dict[str, str], words: list[str], message: str, root: Path, tmp_path: Path
) -> None:
    out = setup(root, tmp_path, pythons, *words)
    assert out.returncode == 1
    assert out.stderr.count("\n") == 1, out.stderr
    assert re.match("setup: " + message, out.stderr), out.stderr
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize(
    ("words", "environment", "last"),
    [
        ([], {}, "none"),
        (["PYTHON="], {}, "none,"),
        ([], {"PYTHON": ""}, "none,"),
        (["PYTHON=mine"], {}, "none,mine"),
        ([], {"PYTHON": "mine"}, "none,mine"),
    ],
)
def test_make_tells_setup_which_python_was_named_also_where_that_is_empty(
    words: list[str], environment: dict[str, str], last: str, root: Path, tmp_path: Path
) -> None:
    if shutil.which("make") is None:
        pytest.skip("no make")
    told = tmp_path / "told"
    told.write_text('#!/bin/sh\nshift\nIFS=,\nprintf "%s" "$*" >&2\nexit 9\n')
    told.chmod(0o755)
    plain = {k: v for k, v in os.environ.items() if k not in ("PYTHON", "MAKEFLAGS", "MAKELEVEL")}
    command = ["make", "-s", "demo", f"SETUP={told} venv", *words]
    out = subprocess.run(
        command,
        cwd=root,
        env=plain | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert out.stderr.splitlines()[0].split("make:")[0] == last


def test_setup_passes_over_a_failing_shim_and_says_when_it_is_offline(
    root: Path, tmp_path: Path
) -> None:
    # its environments borrow pip, which takes longer to unpack than all the rest
    made = f"{sys.executable} -m venv --without-pip --system-site-packages"
    venv = f'if [ "$2" = venv ]; then exec {made} "$3"; fi'
    pythons = {"python3.13": SHIM, "python3.12": f'{venv}\nexec {sys.executable} "$@"'}
    nowhere = "http://127.0.0.1:9/"  # nothing answers there
    offline = {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": nowhere,
        "UV_DEFAULT_INDEX": nowhere,
        "PIP_NO_CACHE_DIR": "1",
        "UV_NO_CACHE": "1",
    }
    out = setup(root, tmp_path, pythons, environment=offline)
    assert out.returncode == 1
    assert "with python3.12" in out.stdout
    assert re.match(
        r"setup: packages could not be installed \(is the machine offline\?\)", out.stderr
    ), out.stderr
    assert out.stderr.count("\n") == 1
    assert not (tmp_path / "venv/.installed").exists()
