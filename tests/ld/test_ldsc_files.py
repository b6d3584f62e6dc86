"""Published LD scores are a reference of LD scores alone: read, aligned to, and refused by name
where a model needs more.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.ld.align import align
from bayesmixer.ld.ldsc_files import read_ldsc_scores, write_ldsc_scores
from bayesmixer.variables import validate
from tests.ld.align_panel import panel, sumstats

SIZES = {"21": 300, "22": 200}


@pytest.fixture(scope="module")
def reference():
    return panel(SIZES)


@pytest.fixture(scope="module")
def folder(reference, tmp_path_factory):
    out = tmp_path_factory.mktemp("scores")
    write_ldsc_scores(reference, out, prefix="eur.")
    return out


@pytest.fixture(scope="module")
def published(folder):
    return bm.open_reference(folder)


def table(columns="L2", chrom="22", rows=3):
    head = pd.DataFrame({"CHR": chrom, "SNP": [f"rs{i}" for i in range(rows)]})
    head["BP"] = np.arange(rows)[::-1] * 10 + 1
    for k, name in enumerate(columns.split()):
        head[name] = np.arange(rows) + 10.0 * k
    return head


def write(path, frame, **totals):
    frame.to_csv(path, sep="\t", index=False)
    stem = path.name.split(".l2.")[0]
    for ending, text in totals.items():
        path.with_name(f"{stem}.l2.{ending}").write_text(text)


def test_scores_positions_and_numbers_of_variants_come_back_by_chromosome(reference, published):
    assert list(published.children) == ["21", "22"]
    for name, group in published.children.items():
        built, ds = reference[name], group.to_dataset()
        assert set(ds.data_vars) == {"snp", "chrom", "pos", "ld_score"}
        for v in ("snp", "pos"):
            np.testing.assert_array_equal(ds[v], built[v])
        np.testing.assert_allclose(ds["ld_score"], built["ld_score"], atol=5.1e-4)
        assert (ds.attrs["n_reference"], ds.attrs["m_5_50"]) == (SIZES[name], SIZES[name])


@pytest.mark.parametrize("path", ["", "eur.", "eur.@", "eur.{chrom}"])
def test_a_set_is_named_by_its_folder_or_by_what_its_names_begin_with(folder, path):
    assert list(read_ldsc_scores(folder / path).children) == ["21", "22"]
    assert list(bm.open_reference(folder / path, [22]).children) == ["22"]


def test_one_file_holds_one_chromosome_or_several_with_their_common_numbers(folder, tmp_path):
    one = bm.open_reference(folder / "eur.22.l2.ldscore.gz")
    assert one["22"].attrs["n_reference"] == 200
    frame = pd.concat([table(), table(chrom="chr3")])
    write(tmp_path / "all.l2.ldscore", frame, M="60\n", M_5_50="50\n")
    both = read_ldsc_scores(tmp_path / "all")
    assert list(both.children) == ["3", "22"]
    assert (both.attrs["n_reference"], both.attrs["m_5_50"]) == (60, 50)
    assert "m_5_50" not in read_ldsc_scores(tmp_path / "all", ["3"]).attrs


def test_scores_of_annotations_come_with_their_numbers_and_base_counts_all_partners(tmp_path):
    frame = table("baseL2 codingL2").assign(CM=0.5, MAF=0.5)
    write(tmp_path / "a.22.l2.ldscore.gz", frame, M="30 4.5", M_5_50="20 3")
    ds = bm.open_reference(tmp_path)["22"].to_dataset()
    assert ds["annotation"].values.tolist() == ["base", "coding"]
    assert ds["pos"].values.tolist() == [1, 11, 21]
    assert ds["ld_score"].values.tolist() == [2, 1, 0]
    assert ds["annotation_ld_score"].values.tolist() == [[2, 12], [1, 11], [0, 10]]
    assert (ds["m"].values.tolist(), ds["m_5_50"].values.tolist()) == ([30, 4.5], [20, 3])
    assert (ds.attrs["n_reference"], ds.attrs["m_5_50"]) == (30, 20)
    assert (ds["heterozygosity"] == 0.5).all()
    assert "ld_score" not in _read(tmp_path / "b", table("codingL2 otherL2"))


def _read(folder, frame):
    folder.mkdir()
    write(folder / "22.l2.ldscore", frame)
    return read_ldsc_scores(folder)["22"].to_dataset()


BAD = {
    "no score": (lambda: table(""), {}, "one column of LD scores"),
    "no position": (lambda: table().drop(columns="BP"), {}, "no column BP among CHR, SNP, L2"),
    "text": (lambda: table().assign(L2="x"), {}, "expected numbers"),
    "missing": (lambda: table().assign(L2=[1, np.nan, 2]), {}, "LD score is missing"),
    "other M": (table, {"M": "1 2"}, "2 numbers, but 22.l2.ldscore has 1 LD scores"),
    "M of words": (table, {"M": "many"}, "22.l2.M: not numbers"),
}


@pytest.mark.parametrize("case", BAD)
def test_files_that_are_no_ld_scores_are_refused_in_one_line(case, tmp_path):
    make, totals, words = BAD[case]
    write(tmp_path / "22.l2.ldscore", make(), **totals)
    with pytest.raises(InputError, match=words) as error:
        bm.open_reference(tmp_path)
    assert "\n" not in str(error.value)


def test_absent_files_chromosomes_and_several_sets_are_named(folder, tmp_path):
    with pytest.raises(InputError, match="no LD scores"):
        read_ldsc_scores(tmp_path / "none.")
    with pytest.raises(InputError, match="no chromosome 5"):
        bm.open_reference(folder, [5])
    write(tmp_path / "a.1.l2.ldscore", table())
    write(tmp_path / "b.1.l2.ldscore", table())
    with pytest.raises(InputError, match=r"2 sets of LD scores: .*a\., .*b\. Give one"):
        bm.open_reference(tmp_path)


def test_a_gwas_aligned_to_published_scores_has_them_and_its_own_alleles(reference, published):
    gwas = sumstats(reference)
    data = align(gwas, published, weights="inverse_ld", exclude_regions=())
    known = align(gwas, reference, weights="inverse_ld", exclude_regions=())
    for v in ("snp", "pos", "a1", "a2", "z", "n"):
        np.testing.assert_array_equal(data[v], known[v])
    np.testing.assert_allclose(data["ld_score"], known["ld_score"], atol=5.1e-4)
    assert "spectrum" not in data
    assert "h_total" not in data.attrs
    assert (data.attrs["n_reference"], data.attrs["m_5_50"]) == (500, 500)
    assert known.attrs["m_5_50"] == 500
    # neither blocks nor neighbours: 200 pieces of alike numbers of variants
    assert json.loads(data.attrs["overlap"])["ld_blocks_from"] == "count"
    assert np.bincount(data["ld_block"]).size == 200
    assert np.ptp(np.bincount(data["ld_block"])) <= 1


def test_two_gwas_are_turned_to_the_alleles_of_the_first(reference, published):
    one = sumstats(reference)
    turned = one.assign(a1=one["a2"], a2=one["a1"], z=-2 * one["z"])
    options = {"weights": "inverse_ld", "exclude_regions": ()}
    data = align({"a": one, "b": turned}, published, **options)
    np.testing.assert_array_equal(2 * data["z"][:, 0], data["z"][:, 1])


def test_scores_of_annotations_are_aligned_with_sums_over_the_chromosomes_used(reference):
    gwas = sumstats(reference)
    tree = {"/": xr.Dataset(attrs={"kind": "reference"})}
    for name, child in reference.children.items():
        ds = child.to_dataset()[["snp", "chrom", "pos", "ld_score"]]
        by = np.stack([ds["ld_score"], 2 * ds["ld_score"]], 1)
        ds = ds.assign(annotation_ld_score=(("variant", "annotation"), by))
        ds = ds.assign(m=("annotation", [3.0, 4.0])).assign_coords(annotation=["base", "x"])
        tree[f"/{name}"] = validate(ds, "reference")
    data = align(gwas, xr.DataTree.from_dict(tree), weights="inverse_ld", exclude_regions=())
    assert data["m"].values.tolist() == [6.0, 8.0]
    np.testing.assert_array_equal(data["annotation_ld_score"][:, 1], 2 * data["ld_score"])


def test_what_needs_more_than_ld_scores_says_what_and_what_gives_it(reference, published):
    gwas = sumstats(reference)
    with pytest.raises(InputError, match=r"^weights: 'pruning' goes by neighbours .*inverse_ld"):
        align(gwas, published)
    with pytest.raises(InputError, match=r"^blocks: 'gaps' goes by neighbours"):
        align(gwas, published, weights="none", blocks="gaps")
    data = align(gwas, published, weights="none", exclude_regions=())
    for model in ("univariate_mixer", "infinitesimal"):
        words = f"^data: no variable 'ld_score_h' .*, which {model} needs"
        with pytest.raises(InputError, match=words) as e:
            getattr(bm.models, model)(data)
        assert "build_reference" in str(e.value)
        assert "\n" not in str(e.value)


@pytest.mark.slow
def test_the_scores_of_eur_w_ld_chr_open_whole(eur_w_ld_chr):
    published = bm.open_reference(next(eur_w_ld_chr.rglob("22.l2.ldscore*")).parent)
    assert len(published.children) == 22
    assert sum(child.sizes["variant"] for child in published.children.values()) == 1_290_028
    assert published["22"].attrs["m_5_50"] == 16_885
