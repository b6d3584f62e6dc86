"""`bayesmixer mash`: what it writes is what the functions return, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.cli.main import main

N, R = 400, 3


def run(*words: object) -> int:
    """Exit code of a command."""
    with pytest.raises(SystemExit) as done:
        main([str(word) for word in words])
    return int(done.value.code or 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("mash")
    rng = np.random.default_rng(0)
    true = rng.normal(size=(N, 1)) * (rng.random((N, 1)) < 0.3) * np.array([1, 1, 0.5])
    s = np.full((N, R), 0.3)
    for name, x in (("b", true + s * rng.normal(size=(N, R))), ("s", s)):
        frame = pd.DataFrame(x, columns=["brain", "liver", "skin"])
        np.save(place / f"{name}.npy", x)
        frame.insert(0, "snp", [f"rs{i}" for i in range(N)])
        frame.to_csv(place / f"{name}.tsv", sep="\t", index=False)
    return place


def test_results_tables_and_report_are_of_the_same_posteriors(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("mash", folder / "b.tsv", folder / "s.tsv", "--alpha", "1")
    out = ("--out", tmp_path / "r.nc", "--posterior", tmp_path / "p.tsv")
    also = ("--report", tmp_path / "r.html", "--json", tmp_path / "r.json")
    assert run(*words, *out, *also) == 0
    shown = capsys.readouterr().out
    assert "brain" in shown
    assert "plugged in" in shown
    effects = bm.read_effects(folder / "b.tsv", folder / "s.tsv", alpha=1)
    known = bm.mash.run(effects)["effects"].to_dataset()
    found = bm.load(tmp_path / "r.nc")
    xr.testing.assert_allclose(found["effects"].to_dataset(), known, rtol=1e-9)
    table = pd.read_csv(tmp_path / "p.tsv", sep="\t")
    assert table.loc[4, ["effect", "condition"]].tolist() == ["rs1", "liver"]
    np.testing.assert_allclose(table["lfsr"], known["lfsr"].values.ravel(), rtol=1e-9)
    called = int((known["lfsr"].values[:, 0] < 0.05).sum())
    estimates = json.loads((tmp_path / "r.json").read_text())["estimates"]
    assert {"quantity": "n_called", "component": "brain", "mode": called} in [
        {k: one[k] for k in ("quantity", "component", "mode")} for one in estimates
    ]
    assert "plugged in" in (tmp_path / "r.html").read_text()
    v = bm.mash.correlation(effects)
    alone = (*words, "--v", "simple", "--no-independent", "--kinds", "canonical", "-q")
    assert run(*alone, "--out", tmp_path / "s.nc") == 0
    effects = bm.read_effects(folder / "b.tsv", folder / "s.tsv", alpha=1, v=v)
    fit = bm.mash.fit(effects, bm.mash.covariances(effects, "canonical"))
    weights = bm.load(tmp_path / "s.nc")["estimate"]["weights"]
    np.testing.assert_allclose(weights, fit["estimate"]["weights"], atol=1e-9)
    assert run(*words, *out) == 2
    assert "--force" in capsys.readouterr().err
    assert run(*words, *out, "--force", "--quiet") == 0


@pytest.mark.parametrize("ending", ["npz", "parquet", "zarr"])
def test_a_saved_mixture_gives_posteriors_in_every_form(
    folder: Path, tmp_path: Path, ending: str
) -> None:
    arrays = (folder / "b.npy", folder / "s.npy")
    assert run("mash", *arrays, "--kinds", "canonical", "--out", tmp_path / "fit.nc", "-q") == 0
    place = tmp_path / f"p.{ending}"
    words = ("--fit", tmp_path / "fit.nc", "--out", tmp_path / "again.nc", "--posterior", place)
    assert run("mash", *arrays, *words, "-q") == 0
    fit = bm.load(tmp_path / "fit.nc")
    known = bm.mash.posterior(fit, bm.mash.open_effects(*arrays))
    if ending == "zarr":
        found: Any = bm.load(place)["mean"].values
    elif ending == "npz":
        found = np.load(place)["mean"]
    else:
        found = pd.read_parquet(place)["mean"].to_numpy().reshape(N, R)
    np.testing.assert_allclose(found, known["mean"], rtol=1e-12)


def test_a_sample_is_learned_from_and_names_of_strong_effects_are_taken(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "strong.txt").write_text("\n".join(f"rs{i}" for i in range(0, N, 4)))
    words = ("--strong", tmp_path / "strong.txt", "--learn", 200, "--components", 2)
    words = (*words, "--no-independent", "--v", "none")
    out = ("--out", tmp_path / "r.nc")
    assert run("mash", folder / "b.tsv", folder / "s.tsv", *words, *out) == 0
    assert "learning from 200 of 400" in capsys.readouterr().out
    effects = bm.read_effects(folder / "b.tsv", folder / "s.tsv")
    covariances = bm.mash.covariances(effects, strong=np.arange(0, N, 4), n_components=2)
    known = bm.mash.fit(effects.isel(effect=bm.mash.random_rows(effects, 200)), covariances)
    found = bm.load(tmp_path / "r.nc")["estimate"]
    np.testing.assert_allclose(found["weights"], known["estimate"]["weights"], atol=1e-9)
    assert int(found["n_others"]) == 200


@pytest.mark.parametrize("ending", ["tsv", "npy"])
def test_strong_and_random_effects_of_two_sets_are_the_published_workflow(
    tmp_path: Path, ending: str
) -> None:
    """Covariances of the strong, weights and errors of the random, posteriors of the strong."""
    rng = np.random.default_rng(6)
    v = np.full((R, R), 0.5) + 0.5 * np.eye(R)
    true = rng.normal(size=(N, 1)) * (rng.random((N, 1)) < 0.1) * np.array([1, 1, -0.5])
    strong = rng.normal(size=(60, 1)) * np.array([1, 1, -0.5])
    both = {}
    for name, b in (("random", true), ("strong", strong)):
        b = b + 0.2 * rng.multivariate_normal(np.zeros(R), v, len(b))
        both[name] = bm.read_effects(b, 0.2)
        for file, x in ((f"{name}.{ending}", b), (f"{name}_s.{ending}", np.full(b.shape, 0.2))):
            if ending == "npy":
                np.save(tmp_path / file, x)
            else:
                pd.DataFrame(x, columns=["a", "b", "c"]).to_csv(
                    tmp_path / file, sep="\t", index=False
                )
    files = [tmp_path / f"{name}.{ending}" for name in ("strong", "strong_s")]
    others = [tmp_path / f"{name}.{ending}" for name in ("random", "random_s")]
    words = (*files, "--random", others[0], "--random", others[1])
    assert run("mash", *words, "--out", tmp_path / "r.nc", "-q") == 0
    found = bm.load(tmp_path / "r.nc")
    known = bm.mash.run(both["strong"], random=both["random"])
    np.testing.assert_allclose(found["effects"]["lfsr"], known["effects"]["lfsr"], rtol=1e-6)
    # step by step
    plain = both["random"].isel(effect=np.setdiff1d(range(N), bm.mash.strong(both["random"])))
    errors = bm.mash.correlation(plain, "pairwise")
    random, strong = (bm.read_effects(one, v=errors) for one in (both["random"], both["strong"]))
    u = bm.mash.covariances(strong, strong=range(60))
    fit = bm.mash.fit(random, u, independent=True)
    mean = bm.mash.posterior(fit, strong)["mean"]
    np.testing.assert_allclose(known["effects"]["mean"], mean, atol=1e-9)
    assert int(known["estimate"]["n_strong"]) == 60
    assert known.attrs["n_effects"] == N
    if ending == "tsv":  # the random ones bring the correlation of all
        b = both["random"]["bhat"].values
        np.savez(tmp_path / "held.npz", bhat=b, shat=0.2 + 0 * b, v=v, condition=["a", "b", "c"])
        one = (*files, "--random", tmp_path / "held.npz", "--out", tmp_path / "o.nc", "-q")
        assert run("mash", *one) == 0
        random = bm.read_effects(both["random"], v=v)
        mean = bm.mash.run(both["strong"], random=random)["effects"]["mean"]
        found = bm.load(tmp_path / "o.nc")["effects"]["mean"]
        np.testing.assert_allclose(found, mean, atol=1e-9)


def test_contrasts_are_taken_by_the_names_of_the_conditions(folder: Path, tmp_path: Path) -> None:
    both = (folder / "b.tsv", folder / "s.tsv")
    names = bm.read_effects(*both)["condition"].values[::-1]
    table = pd.DataFrame(np.eye(R)[:2] - np.eye(R)[2:3], ["x", "y"], names)
    table.to_csv(tmp_path / "l.tsv", sep="\t")
    words = ("--contrasts", tmp_path / "l.tsv", "--v", "none", "--kinds", "canonical", "-q")
    assert run("mash", *both, *words, "--out", tmp_path / "r.nc") == 0
    found = bm.load(tmp_path / "r.nc")
    assert found["effects"]["condition"].values.tolist() == ["x", "y"]
    effects = bm.read_effects(*both, contrasts=table)
    known = bm.mash.posterior(found, effects)
    np.testing.assert_allclose(found["effects"]["mean"], known["mean"], atol=1e-12)


def test_what_cannot_be_used_is_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = (folder / "b.tsv", folder / "s.tsv")
    mine = tmp_path / "mine.tsv"
    mine.write_text("mine\n")
    (tmp_path / "none.txt").write_text("rs999999")
    for words, told in (
        ((*both, "--posterior", mine, "--force"), "it stays"),
        ((*both, "--kinds", "canonical,none"), "expected one of canonical"),
        ((*both, "--strong", tmp_path / "none.txt"), "no effect is named 'rs999999'"),
        ((*both, "--z", "--p"), "Give one of them"),
        ((*both, both[0]), "expected effects and their standard errors"),
        ((*both, "--baseline", "lung"), "lung"),
        ((*both, "--posterior", tmp_path / "p.xlsx"), "expected a name ending in"),
    ):
        assert run("mash", *words, "--out", tmp_path / "r.nc") == 2
        error = capsys.readouterr().err
        assert told in error
        assert len(error.strip().splitlines()) == 1
    assert mine.read_text() == "mine\n"
    assert not (tmp_path / "r.nc").exists()


def test_many_effects_have_the_posteriors_of_few(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bayesmixer.cli import mash_steps
    from bayesmixer.mash import samples

    monkeypatch.setattr(mash_steps, "MANY", 100)
    monkeypatch.setattr(samples.row_blocks, "__defaults__", (150,))
    effects = bm.read_effects(folder / "b.tsv", folder / "s.tsv")
    effects = effects.assign_coords(pos=("effect", np.arange(N)))
    fit = bm.mash.fit(effects, bm.mash.covariances(effects, "canonical"))
    xr.testing.assert_allclose(
        mash_steps.posterior(fit, effects), bm.mash.posterior(fit, effects), rtol=1e-10
    )


def test_effects_of_a_saved_mixture_are_under_the_errors_it_was_learned_under(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(5)
    true = rng.normal(size=(N, 1)) * (rng.random((N, 1)) < 0.1) * np.ones(R)
    v = np.full((R, R), 0.6) + 0.4 * np.eye(R)
    b = true + 0.3 * rng.multivariate_normal(np.zeros(R), v, N)
    top = np.argsort(-np.abs(b).max(1))[:30]
    for name, some in (("all", slice(None)), ("top", top)):
        pd.DataFrame(b[some]).to_csv(tmp_path / f"{name}.tsv", sep="\t", index=False)
        pd.DataFrame(np.full(b[some].shape, 0.3)).to_csv(
            tmp_path / f"{name}_s.tsv", sep="\t", index=False
        )
    words = ("mash", tmp_path / "all.tsv", tmp_path / "all_s.tsv")
    assert run(*words, "--out", tmp_path / "all.nc") == 0
    learned = bm.load(tmp_path / "all.nc")
    words = ("mash", tmp_path / "top.tsv", tmp_path / "top_s.tsv", "--fit", tmp_path / "all.nc")
    assert run(*words, "--out", tmp_path / "top.nc") == 0
    own, chosen = learned["effects"], bm.load(tmp_path / "top.nc")["effects"]
    np.testing.assert_allclose(chosen["lfsr"], own["lfsr"][top], rtol=1e-6)
    assert "independent" not in capsys.readouterr().out.replace("independent_", "")
    assert run(*words, "--v", "none", "--out", tmp_path / "alone.nc") == 0
    alone = bm.read_effects(b[top], 0.3, v=np.eye(R)).assign_coords(
        condition=learned["estimate"]["condition"].values,
        condition_bis=learned["estimate"]["condition"].values,
    )
    known = bm.mash.posterior(learned, alone)
    np.testing.assert_allclose(
        bm.load(tmp_path / "alone.nc")["effects"]["mean"], known["mean"], rtol=1e-9
    )
    assert np.abs(known["mean"].values - own["mean"].values[top]).max() > 0.01


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("store.zarr", "--alpha", "1"), "was stored with 0"),
        (("store.zarr", "--v", "v.tsv"), "a store that has its own"),
        (("held.npz", "--v", "none"), "holds v"),
        (("held.npz", "--random", "b.tsv", "--random", "s.tsv", "--v", "pairwise"), "holds v"),
        (("b.tsv", "s.tsv", "--loci", "l.tsv"), "no positions"),
        (("b.tsv", "s.tsv", "--ref-ld-chr", "ld"), "with tables of effects"),
        (("b.tsv", "s.tsv", "--locus-distance", "9"), "without --loci"),
        (("--gwas", "b.tsv", "s.tsv", "--baseline", "skin"), "beside --gwas"),
        (("b.tsv", "s.tsv", "--fit", "s.tsv", "--kinds", "ed"), "beside --fit"),
        (("b.tsv", "s.tsv", "--fit", "s.tsv", "--prior", "uniform"), "--prior: given beside --fit"),
        (("b.tsv", "s.tsv", "--fit", "s.tsv", "--thin", "0"), "--thin: given beside --fit"),
        (("b.tsv", "s.tsv", "--fit", "s.tsv", "--components", "5"), "beside --fit"),
        (("b.tsv", "s.tsv", "--fit", "s.tsv", "--independent"), "beside --fit"),
        (("b.tsv", "s.tsv", "--fit", "s.tsv", "--random", "b.tsv"), "beside --fit"),
        (("b.tsv", "s.tsv", "--join", "inner"), "with tables of effects"),
        (("b.tsv", "s.tsv", "--r2", "1"), "without --reference"),
        (("b.tsv", "s.tsv", "--reference", "s.tsv"), "without --thin or --loci"),
        (
            ("b.tsv", "s.tsv", "--kinds", "canonical", "--strong", "top"),
            "no covariances are learned",
        ),
        (("b.tsv", "s.tsv", "--posterior", "p.zarr", "--threshold", "1"), "store of posteriors"),
    ],
)
def test_options_that_would_say_nothing_are_not_passed_over(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: Any, said: str
) -> None:
    b = np.load(folder / "b.npy")
    np.savez(tmp_path / "held.npz", bhat=b, shat=np.full_like(b, 0.3), v=np.eye(R) + 0.0)
    v = pd.DataFrame(np.eye(R), columns=["brain", "liver", "skin"])
    v.to_csv(tmp_path / "v.tsv", sep="\t", index=False)
    bm.mash.write_effects(folder / "b.npy", folder / "s.npy", tmp_path / "store.zarr")
    here = {"b.tsv": folder, "s.tsv": folder}
    made = [here.get(w, tmp_path) / w if "." in w and w != "--" else w for w in words]
    assert run("mash", *made, "--out", tmp_path / "out.nc") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out.nc").exists()
