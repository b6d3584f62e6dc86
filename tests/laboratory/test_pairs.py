"""Many pairs: what is fitted once, kept, found again and refused; the table, and its heat map."""

import shutil

import numpy as np
import pandas as pd
import pytest

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.laboratory import pairs
from bayesmixer.pair.heat_map import plot_pairs

NAMES = ["first", "second", "third"]
OPTIONS = {"method": "map", "processes": 1, "progress": False}


@pytest.fixture(scope="module")
def study(example_folder, tmp_path_factory):
    """Three traits on the first two chromosomes of the embedded panel, and one pair of them."""
    folder = tmp_path_factory.mktemp("pairs")
    traits = [
        bm.read_sumstats(example_folder / f"data/{name}.txt.gz")
        for name in ("polygenic", "infinitesimal")
    ]
    traits = [one.isel(variant=np.isin(one["chrom"].astype(int), [1, 2])) for one in traits]
    files = {"first": traits[0], "second": traits[0].assign(z=-traits[0]["z"]), "third": traits[1]}
    reference = example_folder / "panel.zarr"
    only = [("first", "third")]
    return folder / "out", files, reference, bm.fit_pairs(
        files, reference, folder / "out", pairs=only, **OPTIONS
    )  # fmt: skip


def counting(monkeypatch, made):
    """In place of fits: copies of one that is there, and which were asked."""

    def fake(settings, folder, traits, keys):
        made.append(traits)
        where = "traits/first" if len(traits) == 1 else "pairs/first__third"
        tree = bm.load(f"{folder}/{where}.nc")
        tree.attrs[pairs.KEY] = "-".join(keys)
        bm.save(tree, pairs._path(pairs.Path(folder), traits))

    monkeypatch.setattr(pairs, "_fit_and_save", fake)


def test_a_pair_is_held_at_the_fits_of_its_traits(study):
    out, _, _, table = study
    assert [*table.columns[:2], *table[["trait_1", "trait_2"]].iloc[0]] == [
        "trait_1", "trait_2", "first", "third",
    ]  # fmt: skip
    for i, name in enumerate(("first", "third"), 1):
        alone = bm.load(out / f"traits/{name}.nc")["estimate"]
        np.testing.assert_allclose(table[f"h2_{i}"], float(alone["h2"]), rtol=1e-9)
        np.testing.assert_allclose(table[f"n_causal_{i}"], float(alone["n_causal"]), rtol=1e-6)
    assert {"n_shared", "rg", "rho_0", "dice", "verdict"} <= {*table}
    np.testing.assert_allclose(pd.read_csv(out / "pairs.tsv", sep="\t")["rg"], table["rg"])


def test_what_is_there_is_not_made_again_and_more_pairs_add_theirs(study, tmp_path, monkeypatch):
    out, files, reference, first = study
    shutil.copytree(out, tmp_path / "out")
    made = []
    counting(monkeypatch, made)
    again = bm.fit_pairs(files, reference, tmp_path / "out", pairs=[("third", "first")], **OPTIONS)
    assert not made
    np.testing.assert_array_equal(again["rg"], first["rg"])
    (tmp_path / "out/pairs/first__third.nc").unlink()  # as after a killed worker
    shutil.copy(out / "pairs/first__third.nc", tmp_path / "out/pairs/first__third.nc")
    whole = bm.fit_pairs(files, reference, tmp_path / "out", **OPTIONS)
    assert made == [("first", "second"), ("second", "third")]
    assert whole[["trait_1", "trait_2"]].values.tolist() == [
        ["first", "second"], ["first", "third"], ["second", "third"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": 1}, "holds fits with seed = 0, asked is 1"),
        ({"joint": True}, "holds fits with joint = False, asked is True"),
        ({"method": "best"}, "method"),
        ({"model": "univariate_mixer"}, "model"),
        ({"alignment": {"jion": "outer"}}, "'jion', expected some of join"),
        ({"pairs": [("first", "fourth")]}, "expected two of first, second, third"),
    ],
)
def test_other_settings_are_refused_in_one_line(study, change, says):
    out, files, reference, _ = study
    with pytest.raises(InputError, match=says) as caught:
        bm.fit_pairs(files, reference, out, **(OPTIONS | change))
    assert "\n" not in str(caught.value)


def test_changed_summary_statistics_are_refused_and_stay(study):
    out, files, reference, _ = study
    before = (out / "traits/first.nc").read_bytes()
    with pytest.raises(InputError, match="is of other summary statistics"):
        bm.fit_pairs(files | {"first": files["second"]}, reference, out, **OPTIONS)
    assert (out / "traits/first.nc").read_bytes() == before


@pytest.mark.parametrize(
    ("traits", "says"),
    [
        ("one.txt", "one file, expected two or more"),
        (["a.txt"], "1 traits, expected two or more"),
        (["a.txt", "b/a.tsv"], "two traits named 'a'"),
        ({"a/b": "x", "c": "y"}, "trait 'a/b', expected letters"),
        ({"a__b": "x", "c": "y"}, "trait 'a__b', expected letters"),
        (["none.txt", "nothing.txt"], "cannot be read"),
    ],
)
def test_bad_lists_of_traits_are_named(traits, says, tmp_path):
    with pytest.raises(InputError, match=says):
        bm.fit_pairs(traits, "panel.zarr", tmp_path / "out")


def test_a_folder_of_others_stays(tmp_path, study):
    _, files, reference, _ = study
    (tmp_path / "pairs").mkdir()
    with pytest.raises(InputError, match="not ours"):
        bm.fit_pairs(files, reference, tmp_path, **OPTIONS)


def test_one_trait_that_cannot_be_fitted_does_not_stop_the_others(study, tmp_path, monkeypatch):
    out, files, reference, _ = study
    shutil.copytree(out, tmp_path / "out")
    (tmp_path / "out/traits/second.nc").unlink()
    made = []
    counting(monkeypatch, made)
    fake = pairs._fit_and_save

    def failing(settings, folder, traits, keys):
        if traits == ("second",):
            raise InputError("data", "no variant has a positive weight")
        fake(settings, folder, traits, keys)

    monkeypatch.setattr(pairs, "_fit_and_save", failing)
    table = bm.fit_pairs(files, reference, tmp_path / "out", **OPTIONS)
    said = table["verdict"].str.startswith("not fitted: second: data: no variant")
    assert said.tolist() == [True, False, True]
    assert np.isfinite(table["rg"]).tolist() == [False, True, False]


def test_pairs_run_on_a_dask_cluster(study, tmp_path):
    distributed = pytest.importorskip("distributed")
    out, files, reference, _ = study
    shutil.copytree(out, tmp_path / "out")
    (tmp_path / "out/pairs/first__third.nc").unlink()
    only = {name: files[name] for name in ("first", "third")}
    with distributed.Client(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as client:
        table = bm.fit_pairs(
            only, reference, tmp_path / "out", method="map", client=client, progress=False
        )
    np.testing.assert_allclose(table["rg"], study[3]["rg"], rtol=1e-6)


def test_heat_map_has_one_quantity_above_and_another_below():
    rng = np.random.default_rng(1)
    rows = [("a", "b"), ("a", "c"), ("b", "c")]
    table = pd.DataFrame(rows, columns=["trait_1", "trait_2"]).assign(
        dice=[0.2, 0.5, 0.9], rg=[-0.3, 0.1, 0.6], rg_low=[-0.5, -0.1, 0.4],
        rg_high=rng.uniform(0.7, 1, 3) * [-0.1, 1, 1],
    )  # fmt: skip
    ax = plot_pairs(table)
    said = {(t.get_position(), t.get_text(), t.get_fontweight()) for t in ax.texts}
    assert ((1, 0), "-0.30", "bold") in said
    assert ((2, 0), "0.10", "normal") in said
    assert ((0, 1), "0.20", "normal") in said
    assert len(said) == 6
    with pytest.raises(InputError, match="no column jaccard"):
        plot_pairs(table, lower="jaccard")


def test_digest_tells_one_value(study):
    one = study[1]["first"]
    other = one.copy(deep=True)
    other["z"][7] += 1e-9
    assert pairs._digest(one) != pairs._digest(other)
    assert pairs._digest(one) == pairs._digest(one.copy())


def test_paths_of_a_list_of_traits_may_hold_spaces(tmp_path):
    from bayesmixer.cli.pairs import _listed

    (tmp_path / "traits.txt").write_text("one my first.txt\n# none\n\ntwo\tsecond.txt \n")
    files = {"one": tmp_path / "my first.txt", "two": tmp_path / "second.txt"}
    assert _listed(tmp_path / "traits.txt") == files


def test_a_pair_that_was_not_fitted_is_told_where_all_else_is_quiet(tmp_path, monkeypatch, capsys):
    from bayesmixer.cli.main import main

    for name in ("one.txt", "two.txt", "panel.zarr"):
        (tmp_path / name).touch()
    rows = [{"trait_1": "one", "trait_2": "two", "verdict": "not fitted: no variant is left"}]
    monkeypatch.setattr(bm, "fit_pairs", lambda *_, **__: pd.DataFrame(rows), raising=False)
    monkeypatch.chdir(tmp_path)
    words = ["one.txt", "two.txt", "--reference", "panel.zarr", "--out", "out", "--quiet"]
    with pytest.raises(SystemExit, match=r"^1$"):  # none was
        main(["fit", "pairs", *words])
    assert capsys.readouterr().err == "warning: one two: not fitted: no variant is left\n"
