"""LD scores of annotations against brute force, and as files that LDSC reads."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.ld.annotations import annotation_ld_scores, read_annotations
from bayesmixer.ld.ldsc_files import write_ldsc_scores
from tests.ld.small_panel import make_panel, unbiased, write_bed

WINDOW = "150kb"


@pytest.fixture(scope="module")
def panel():
    return make_panel(variants=300)


@pytest.fixture(scope="module")
def bed(panel, tmp_path_factory):
    return write_bed(panel, tmp_path_factory.mktemp("annotated") / "chr21")


@pytest.fixture(scope="module")
def annotations(panel):
    rng = np.random.default_rng(3)
    bim = panel.bim
    table = pd.DataFrame({"CHR": "21", "BP": bim["pos"], "SNP": bim["snp"], "CM": bim["cm"]})
    table["base"] = 1
    table["third"] = (rng.random(len(bim)) < 1 / 3).astype(int)
    table["continuous"] = rng.normal(0, 1, len(bim)).round(3)
    return table


@pytest.fixture(scope="module")
def scores(bed, annotations):
    return annotation_ld_scores(bed, annotations, window=WINDOW)


def test_scores_are_sums_of_unbiased_r2_times_the_partner_s_annotation(panel, annotations, scores):
    keep = panel.polymorphic
    pos = panel.bim["pos"].to_numpy()[keep]
    near = np.abs(pos[:, None] - pos) <= 150_000
    r2 = unbiased(panel.r()[np.ix_(keep, keep)] ** 2, panel.shared()[np.ix_(keep, keep)])
    values = annotations[["base", "third", "continuous"]].to_numpy(float)[keep]
    ds = scores["21"].to_dataset()
    np.testing.assert_array_equal(ds["snp"], panel.bim["snp"][keep])
    np.testing.assert_allclose(
        ds["annotation_ld_score"], (r2 * near) @ values, rtol=1e-4, atol=2e-4
    )
    np.testing.assert_allclose(ds["m"], values.sum(0))
    common = np.minimum(ds["freq"], 1 - ds["freq"]).values > 0.05
    np.testing.assert_allclose(ds["m_5_50"], values[common].sum(0))


def test_the_scores_of_base_are_those_of_the_reference(bed, scores, tmp_path):
    built = bm.build_reference(bed, tmp_path / "r.zarr", window=WINDOW)["21"]
    ds = scores["21"].to_dataset()
    np.testing.assert_allclose(ds["ld_score"], built["ld_score"], rtol=1e-4)
    for name in ("n_reference", "m_5_50"):
        assert ds.attrs[name] == built.attrs[name]


def test_they_are_written_as_ldsc_reads_them_and_come_back(scores, tmp_path):
    write_ldsc_scores(scores, tmp_path, prefix="a.")
    with gzip.open(tmp_path / "a.21.l2.ldscore.gz", "rt") as file:
        assert file.readline().split() == ["CHR", "SNP", "BP", "baseL2", "thirdL2", "continuousL2"]
    assert len((tmp_path / "a.21.l2.M").read_text().split()) == 3
    back, ds = bm.open_reference(tmp_path)["21"].to_dataset(), scores["21"].to_dataset()
    assert back["annotation"].values.tolist() == ["base", "third", "continuous"]
    for name in ("annotation_ld_score", "m", "m_5_50"):
        np.testing.assert_allclose(back[name], ds[name], atol=5.1e-4)
    assert back.attrs["m_5_50"] == ds.attrs["m_5_50"]


def test_annot_files_of_a_chromosome_are_read_by_their_pattern(bed, annotations, scores, tmp_path):
    annotations.to_csv(tmp_path / "x.21.annot.gz", sep="\t", index=False)
    assert list(read_annotations(tmp_path / "x.@.annot.gz", 21)) == list(annotations)
    again = annotation_ld_scores(bed, tmp_path / "x.{chrom}.annot.gz", window=WINDOW)
    np.testing.assert_array_equal(
        again["21"]["annotation_ld_score"], scores["21"]["annotation_ld_score"]
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.iloc[1:], "1 variants of .* without, the first rs2100000"),
        (lambda t: t.assign(third=np.nan), "variants of .* without"),
        (lambda t: t.assign(third="x"), "expected SNP and columns of numbers"),
        (lambda t: t[["CHR", "BP", "SNP"]], "expected SNP and columns of numbers"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "rs2100000 has more than one row"),
    ],
)
def test_annotations_that_do_not_fit_the_panel_are_refused_in_one_line(
    bed, annotations, change, words
):
    with pytest.raises(InputError, match=words) as error:
        annotation_ld_scores(bed, change(annotations), window=WINDOW)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_scores_of_chromosome_22_are_ldscs_but_for_its_chunks(panel_343, shared):
    folder = shared / "reference/ldsc/ldscores/annotated"
    made = annotation_ld_scores(
        panel_343 / "1000g_eur_hm3.chr22", folder / "annot.@.annot.gz", window="1cM"
    )
    ours, theirs = made["22"].to_dataset(), bm.open_reference(folder, [22])["22"].to_dataset()
    np.testing.assert_array_equal(ours["snp"], theirs["snp"])
    for name in ("m", "m_5_50"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-9)
    a, b = ours["annotation_ld_score"].values, theirs["annotation_ld_score"].values
    for k in range(a.shape[1]):  # ldsc's windows begin at chunks of 50 variants
        assert np.corrcoef(a[:, k], b[:, k])[0, 1] > 0.999
        assert a[:, k].mean() == pytest.approx(b[:, k].mean(), rel=0.02, abs=0.02)
