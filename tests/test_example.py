"""The embedded data set: whole, small, consistent with its own truth and human-like in its LD."""

import importlib.util
import os
import subprocess
import sys
import zipfile
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from bed_reader import open_bed

from bayesmixer.card import usual
from bayesmixer.errors import InputError
from bayesmixer.example import example_data
from bayesmixer.ld.blocks import label_blocks, read_blocks

BIM = ["chrom", "snp", "cm", "pos", "a1", "a2"]


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    return example_data(tmp_path_factory.mktemp("example") / "data")


@pytest.fixture(scope="module")
def bim(example):
    return pd.read_csv(f"{example.genotypes}.bim", sep="\t", header=None, names=BIM)


@pytest.fixture(scope="module")
def dosage(example):
    return open_bed(f"{example.genotypes}.bed").read(dtype="float64")


def test_archive_is_below_three_megabytes_and_all_of_it_is_unpacked(example):
    packed = files("bayesmixer.data") / "example.zip"
    assert len(packed.read_bytes()) < 3_000_000
    with packed.open("rb") as file, zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            assert (example.directory / name).read_bytes() == archive.read(name)
        assert {p.name for p in example.directory.iterdir()} == set(archive.namelist())


def test_panel_has_over_200_ld_blocks_and_all_variants_lie_in_one(example, bim, dosage):
    assert dosage.shape == (300, 28_800)
    blocks = read_blocks(example.ld_blocks)
    label = label_blocks(bim["chrom"].astype(str), bim["pos"], blocks)
    assert len(np.unique(label)) == len(blocks) == example.read_truth("polygenic")["ld_block_count"]
    assert len(blocks) > 200
    f = dosage.mean(axis=0) / 2
    assert f.min() >= 0.01
    assert f.max() <= 0.5


@pytest.mark.parametrize("trait", ["polygenic", "infinitesimal"])
def test_sumstats_match_the_panel_and_the_truth(example, bim, dosage, trait):
    table = pd.read_csv(example.sumstats[trait], sep="\t")
    truth = example.read_truth(trait)
    assert (
        table[["SNP", "CHR", "BP", "A1", "A2"]].to_numpy()
        == bim[["snp", "chrom", "pos", "a1", "a2"]].to_numpy()
    ).all()
    np.testing.assert_allclose(table["EAF"], dosage.mean(axis=0) / 2, rtol=1e-3)
    chi2 = (table["BETA"] / table["SE"]) ** 2
    assert chi2.mean() == pytest.approx(truth["mean_chi2"][0], rel=1e-3)
    h = dosage.mean(axis=0) / 2 * (1 - dosage.mean(axis=0) / 2) * 2
    assert h.sum() == pytest.approx(truth["h_total"])
    (component,) = truth["components"]
    assert component["sigma2_beta"][0] * component["pi"] * h.sum() == pytest.approx(truth["h2"][0])


def test_cards_tell_the_truth_of_the_data_and_the_demo_shows_it(example):
    truth = example.read_truth("polygenic")
    told = {one.name: one.truth(truth) for one in usual().reported if one.truth is not None}
    n_causal = truth["n_causal"]["causal"]
    assert told == {
        "h2": truth["h2_realised"][0],
        "pi": n_causal / truth["variants"],
        "sigma2_0": truth["sigma2_0"][0],
        "maf_s": truth["maf_s"],
        "sigma2_beta": truth["components"][0]["sigma2_beta"][0],
        "n_causal": n_causal,
    }


def test_mean_chi2_is_what_the_truth_and_the_panels_ld_predict(example, bim, dosage):
    """E z^2 = sigma2_0 + N pi sigma2_beta sum_i H_i r_ij^2 with LD computed here, block by
    block.
    """
    truth = example.read_truth("infinitesimal")
    label = label_blocks(bim["chrom"].astype(str), bim["pos"], read_blocks(example.ld_blocks))
    h = 2 * (dosage.mean(axis=0) / 2) * (1 - dosage.mean(axis=0) / 2)
    score = np.empty(len(h))
    for b in np.unique(label):
        j = label == b
        score[j] = np.corrcoef(dosage[:, j].T) ** 2 @ h[j]
    predicted = truth["sigma2_0"][0] + truth["n"][0] * truth["h2"][0] / h.sum() * score
    assert truth["mean_chi2"][0] == pytest.approx(predicted.mean(), rel=0.06)


def test_ld_is_like_that_of_europeans_at_hapmap3_variants(bim, dosage):
    # 1000 Genomes Europeans, chromosomes 15, 21 and 22, at 15% more variants per Mb: mean unbiased
    # LD score (1 cM) 16.6 to 19.7, neighbours with r^2 >= 0.1: 35 to 42
    score, near, r2_at = [], [], {20_000: [], 200_000: []}
    for c in (1, 5, 9):
        j = np.flatnonzero((bim["chrom"] == c).to_numpy())
        cm, pos = bim["cm"].to_numpy()[j], bim["pos"].to_numpy()[j]
        r2 = np.corrcoef(dosage[:, j].T) ** 2
        window = np.abs(cm[:, None] - cm) <= 1
        score.append(((r2 - (1 - r2) / 298) * window).sum(axis=1))
        near.append(((r2 >= 0.1) & window).sum(axis=1) - 1)
        distance = np.abs(pos[:, None] - pos)
        for limit, values in r2_at.items():
            values.append(r2[(distance > limit / 4) & (distance <= limit)].mean())
    assert 12 < np.concatenate(score).mean() < 22
    assert 25 < np.concatenate(near).mean() < 45
    # real: 0.20 between 5 and 20 kb, 0.03 between 50 and 200 kb
    assert 0.15 < np.mean(r2_at[20_000]) < 0.32
    assert 0.02 < np.mean(r2_at[200_000]) < 0.08


def test_whole_files_are_left_alone_and_a_damaged_one_is_mended(tmp_path):
    example = example_data(tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    bed = tmp_path / "genotypes.bed"
    content = bed.read_bytes()
    bed.write_bytes(content[:1000] + b"\xff" + content[1001:])
    assert example_data(tmp_path) == example
    assert bed.read_bytes() == content
    assert {p: p.stat().st_mtime_ns for p in tmp_path.iterdir() if p != bed} == {
        p: t for p, t in before.items() if p != bed
    }


def test_somebodys_own_file_of_the_same_name_stays(tmp_path):
    own = tmp_path / "polygenic.txt.gz"
    own.write_text("my GWAS")
    with pytest.raises(
        InputError, match=r"is there already and is not .* that bayesmixer wrote: it stays"
    ):
        example_data(tmp_path)
    assert own.read_text() == "my GWAS"


def test_by_default_the_files_lie_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert example_data().directory.parent == tmp_path / "bayesmixer"


def test_a_place_that_is_no_directory_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be made .*Choose another folder"):
        example_data(tmp_path / "file")


def test_an_unknown_trait_is_told(example):
    with pytest.raises(InputError, match="'height', expected one of polygenic, infinitesimal"):
        example.read_truth("height")


def test_example_needs_no_msprime(tmp_path):
    code = (
        "import sys; sys.modules['msprime'] = None; import bayesmixer as bm; "
        f"print(bm.example_data({str(tmp_path)!r}).genotypes)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    assert done.stdout.strip() == str(tmp_path / "genotypes")


def test_script_in_the_repository_makes_these_genotypes(root, bim, dosage):
    msprime = pytest.importorskip("msprime")
    spec = importlib.util.spec_from_file_location(
        "make_example_data", root / "scripts" / "make_example_data.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    if msprime.__version__ != script.MADE_WITH_MSPRIME:
        pytest.skip(
            f"msprime {msprime.__version__} draws other genealogies than "
            f"{script.MADE_WITH_MSPRIME}, with which the data set was made"
        )
    from bayesmixer.simulation.genotypes import simulate_chromosome

    g = script.GENOTYPES
    first = np.random.SeedSequence(script.SEED).spawn(2)[0].spawn(g["chromosomes"])[0]
    c = simulate_chromosome(
        g["chromosome_length"], g["samples"], g["density"], g["min_maf"], g["block_length"], first
    )
    rows = (bim["chrom"] == 1).to_numpy()
    assert np.array_equal(c.pos, bim["pos"][rows])
    assert np.array_equal(c.dosage.T, dosage[:, rows])
