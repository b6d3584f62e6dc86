"""`bayesmixer simulate`: writes what it says, and names bad input in one line with exit code 2."""

import json

import pandas as pd
import pytest

from bayesmixer.cli.main import main
from bayesmixer.cli.simulate import Law, Model
from bayesmixer.simulation.effects import LAWS, MODELS
from bayesmixer.simulation.simulate import simulate

SMALL = [
    "--chromosomes",
    "1",
    "--chromosome-length",
    "300000",
    "--samples",
    "40",
    "--density",
    "200",
    "--block-length",
    "100000",
]


def test_the_verb_offers_every_architecture():
    assert {model.name for model in Model} == set(MODELS)
    assert {model.value.replace("-", "_") for model in Model} == set(MODELS)
    assert {law.value for law in Law} == set(LAWS)


def run(*words):
    with pytest.raises(SystemExit) as stopped:
        main(["simulate", *map(str, words)])
    return stopped.value.code


def test_command_writes_the_same_files_as_the_function(tmp_path, capsys):
    assert (
        run(
            tmp_path / "a",
            *SMALL,
            "--pi",
            "0.3",
            "--h2",
            "0.1",
            "--n",
            "5000",
            "--sigma2-0",
            "1.1",
            "--seed",
            "7",
            "--traits",
            "height",
        )
        == 0
    )
    made = simulate(
        tmp_path / "b", chromosomes=1, chromosome_length=300_000, samples=40, density=200,
        block_length=100_000, pi=0.3, h2=0.1, n=5000, sigma2_0=1.1, seed=7, traits="height",
    )  # fmt: skip
    assert {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()} == {
        p.name: p.read_bytes() for p in made.directory.iterdir()
    }
    out = capsys.readouterr().out
    assert str(tmp_path / "a" / "height.txt.gz") in out
    assert str(tmp_path / "a" / "truth.json") in out


def test_two_traits_and_values_by_comma(tmp_path):
    words = [
        "--model",
        "bivariate",
        "--h2",
        "0.2,0.1",
        "--pi",
        "0.1,0.1,0.2",
        "--rho-beta",
        "0.5",
        "--n",
        "5000,3000",
        "--rho-0",
        "0.1",
        "--law",
        "t5",
        "--enrichment",
        "2",
    ]
    assert run(tmp_path, *SMALL, *words) == 0
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert (truth["law"], truth["enrichment"]) == ("t5", 2)
    assert truth["n"] == [5000, 3000]
    assert truth["pi"] == [0.1, 0.1, 0.2]
    assert truth["rho_0"] == 0.1
    assert len(pd.read_csv(tmp_path / "trait2.txt.gz", sep="\t")) == 60


def test_model_with_a_dash_and_an_existing_panel(tmp_path):
    assert run(tmp_path / "a", *SMALL, "--pi", "0.3") == 0
    panel = [
        "--genotypes",
        tmp_path / "a" / "genotypes",
        "--ld-blocks",
        tmp_path / "a" / "ld_blocks.bed",
        "--chromosomes",
        "1",
    ]
    assert (
        run(
            tmp_path / "b",
            *panel,
            "--model",
            "two-component",
            "--pi",
            "0.3,0.1",
            "--share-large",
            "0.5",
        )
        == 0
    )
    assert {p.name for p in (tmp_path / "b").iterdir()} == {"trait1.txt.gz", "truth.json"}
    assert json.loads((tmp_path / "b" / "truth.json").read_text())["model"] == "two_component"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--h2", "a lot"], "--h2: found 'a lot', expected a number"),
        (["--pi", "0.1;0.2"], "--pi: found '0.1;0.2'"),
        (["--h2", "2"], "h2: found 2, expected above 0 and below 1"),
        (["--model", "mash"], "mash"),
        (["--chromosomes", "21,22"], "--chromosomes: found '21,22', expected how many"),
        (["--genotypes", "panel"], "--ld-blocks: missing"),
        (["--samples", "many"], "--samples"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, capsys, words, message):
    assert run(tmp_path / "out", *SMALL, *words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
