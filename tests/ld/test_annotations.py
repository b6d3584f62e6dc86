"""LD scores of annotations against brute force, and as files that LDSC reads."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest
from bed_reader import open_bed

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.ld.annotation_tables import read_annotations
from bayesmixer.ld.annotations import annotation_ld_scores
from bayesmixer.ld.ldsc_files import write_ldsc_scores
from tests.ld.small_panel import make_panel, unbiased, write_bed, write_pgen

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
    np.testing.assert_allclose(ds["annotation_ld_score"], (r2 * near) @ values, atol=1e-9)
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
    read = read_annotations(tmp_path / "x.@.annot.gz", 21)
    assert read.names == ["base", "third", "continuous"]
    np.testing.assert_array_equal(read.snp, annotations["SNP"])
    np.testing.assert_array_equal(read.values, annotations[read.names])
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


def whole(tree):
    return tree["21"]["annotation_ld_score"].values


@pytest.fixture(scope="module")
def ones(bed):
    return annotation_ld_scores(bed, window=WINDOW)["21"].to_dataset()


def test_without_annotations_all_partners_count(scores, ones):
    # one column is summed in another order than three
    np.testing.assert_allclose(ones["annotation_ld_score"][:, 0], whole(scores)[:, 0], rtol=1e-13)
    assert ones["annotation"].values.tolist() == ["base"]
    np.testing.assert_array_equal(ones["ld_score"], ones["annotation_ld_score"][:, 0])


def test_pgen_and_bed_give_the_same(panel, annotations, scores, tmp_path):
    pgen = write_pgen(panel, tmp_path / "chr21")
    made = annotation_ld_scores(pgen, annotations, window=WINDOW)
    np.testing.assert_array_equal(whole(made), whole(scores))


@pytest.mark.parametrize("blanks", ["\t", " "])
@pytest.mark.parametrize("thin", [False, True])
def test_thin_and_blank_separated_annot_files_give_the_same(
    bed, annotations, scores, tmp_path, thin, blanks
):
    table = annotations.drop(columns=["CHR", "BP", "SNP", "CM"]) if thin else annotations
    table.to_csv(tmp_path / "x.annot", sep=blanks, index=False)
    made = annotation_ld_scores(bed, tmp_path / "x.annot", thin_annot=thin, window=WINDOW)
    np.testing.assert_array_equal(whole(made), whole(scores))


def test_annotations_are_found_by_name_whatever_their_order(bed, annotations, scores):
    made = annotation_ld_scores(bed, annotations.iloc[::-1], window=WINDOW)
    np.testing.assert_array_equal(whole(made), whole(scores))


def test_text_is_parsed_in_pieces_and_held_in_small_types(annotations, tmp_path, monkeypatch):
    monkeypatch.setattr("bayesmixer.ld.annotation_tables.AT_ONCE", 1000)
    binary = annotations.drop(columns="continuous")
    for name, table in (("all", annotations), ("binary", binary)):
        table.to_csv(tmp_path / f"{name}.annot.gz", sep="\t", index=False)
        read = read_annotations(tmp_path / f"{name}.annot.gz", 21)
        np.testing.assert_array_equal(read.values, table[read.names])
        np.testing.assert_array_equal(read.snp, table["SNP"])
    assert read.values.dtype == np.int8


def test_regions_of_bed_files_are_binary_annotations(panel, bed, tmp_path):
    pos = panel.bim["pos"].to_numpy()
    a, b = int(pos[50]), int(pos[90])
    (tmp_path / "exons.bed").write_text(
        f"chr21\t{a - 1}\t{b - 1}\n21\t{pos[200] - 1}\t{pos[200]}\n"
    )
    inside = ((pos >= a) & (pos < b)) | (pos == pos[200])
    made = annotation_ld_scores(bed, beds=[tmp_path / "exons.bed"], window=WINDOW)
    table = pd.DataFrame({"SNP": panel.bim["snp"], "exons": inside.astype(int)})
    np.testing.assert_array_equal(
        whole(made), whole(annotation_ld_scores(bed, table, window=WINDOW))
    )
    assert made["21"]["annotation"].values.tolist() == ["exons"]
    assert float(made["21"]["m"][0]) == inside[panel.polymorphic].sum()


def test_pq_exp_weighs_partners_and_sums_by_their_variance(bed, annotations, ones):
    weight = (ones["freq"] * (1 - ones["freq"])).values ** 0.5
    table = pd.DataFrame({"SNP": annotations["SNP"], "w": 0.0})
    table.loc[table["SNP"].isin(ones["snp"].values), "w"] = weight
    made = annotation_ld_scores(bed, window=WINDOW, pq_exp=0.5)["21"]
    given = annotation_ld_scores(bed, table, window=WINDOW)["21"]
    for name in ("annotation_ld_score", "m", "m_5_50"):
        np.testing.assert_allclose(made[name], given[name], rtol=1e-12)


def test_variants_left_out_are_no_partners_those_not_printed_are(bed, panel, ones, tmp_path):
    some = panel.bim["snp"][::2].tolist()
    (tmp_path / "list").write_text("\n".join(some))
    fewer = annotation_ld_scores(bed, window=WINDOW, extract=tmp_path / "list")["21"]
    printed = annotation_ld_scores(bed, window=WINDOW, print_variants=some)["21"]
    np.testing.assert_array_equal(fewer["snp"], printed["snp"])
    at = np.isin(ones["snp"].values, some)
    np.testing.assert_array_equal(printed["ld_score"], ones["ld_score"][at])
    assert printed["m"].values == ones["m"].values == len(at)
    assert fewer["m"].values == at.sum()
    assert (fewer["ld_score"].values < printed["ld_score"].values).mean() > 0.9
    common = annotation_ld_scores(bed, window=WINDOW, min_maf=0.1)["21"]
    assert np.minimum(common["freq"], 1 - common["freq"]).min() > 0.1


def test_windows_of_ldsc_hold_those_of_its_chunks_and_the_mean_for_missing(panel, bed):
    keep, n, chunk = panel.polymorphic, len(panel.g), 50
    pos = panel.bim["pos"].to_numpy()[keep]
    g = np.where(np.isnan(panel.g), np.nanmean(panel.g, 0), panel.g)[:, keep]
    r2 = unbiased(np.corrcoef(g.T) ** 2, n)
    m = len(pos)
    lo = [int(np.flatnonzero(np.abs(pos - p) <= 150_000)[0]) for p in pos]
    first = next(j for j in range(m) if lo[j] > 0)
    first += -first % chunk
    near = np.zeros((m, m), bool)
    near[:first, :first] = True
    for start in range(first, m, chunk):
        left = start - lo[start]
        near[start - left - (-left % chunk) : start + chunk, start : start + chunk] = True
    near |= near.T
    made = annotation_ld_scores(bed, window=WINDOW, like_ldsc=True)
    np.testing.assert_allclose(whole(made)[:, 0], (r2 * near).sum(0), atol=1e-9)


def test_exact_windows_do_not_depend_on_the_size_of_chunks(bed, ones):
    one, other = (
        annotation_ld_scores(bed, window=WINDOW, like_ldsc=like, chunk_size=chunk)
        for like, chunk in ((False, 7), (True, 1))
    )
    np.testing.assert_array_equal(whole(one)[:, 0], ones["ld_score"])
    assert not np.allclose(whole(other)[:, 0], ones["ld_score"])  # the first block is whole


BAD = {
    "no MAF is left": (
        {"min_maf": 0.4, "extract": ["rs2100002", "rs2100003"]},
        r"no variant left of 300 .*MAF above 0.4, those to extract",
    ),
    "MAF": ({"min_maf": 0.5}, "min_maf: 0.5, expected 0 to below 0.5"),
    "window": ({"window": "1Mb"}, "1000kb is as wide as chromosome 21"),
    "extract": ({"extract": ["rs0"]}, "no variant left of 300 .*those to extract"),
    "print": ({"print_variants": ["rs0"]}, "none of them is on chromosome 21"),
    "list": ({"extract": "no_such"}, "no such file of variants"),
    "bed": ({"beds": ["no_such.bed"]}, "no such file of regions"),
    "chunks": ({"chunk_size": 0, "like_ldsc": True}, "chunk_size: 0, expected 1 or more"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_computed_is_refused_in_one_line(bed, case):
    options, words = BAD[case]
    with pytest.raises(InputError, match=words) as error:
        annotation_ld_scores(bed, **{"window": WINDOW} | options)
    assert "\n" not in str(error.value)


def test_a_window_as_wide_as_the_chromosome_is_taken_where_meant(bed, ones):
    made = annotation_ld_scores(bed, window="1Mb", whole_chromosome=True)
    assert whole(made).shape == (ones.sizes["variant"], 1)


FILES = {
    "not numbers": ("SNP base\nrs1 x\n", False, r"cannot be read \(.*'x'\). Expected numbers"),
    "not numbers by tabs": ("SNP\tbase\nrs1\tx\n", False, r"cannot be read \(.*x.*base"),
    "no SNP": ("base other\n1 0\n", False, r"no column SNP among base, other. .*thin_annot=True"),
    "nothing": ("SNP base\n", False, "no row below the header"),
    "no annotation": ("CHR SNP\n1 rs1\n", False, "no annotation, but CHR, SNP"),
    "length": ("base\n1\n0\n", True, "2 rows, but .*bim has 300 variants"),
    "other lines": ("SNP\tbase\nrs1\t1\t1\nrs2\n", False, "cannot be read"),
    "empty": ("", False, "the file is empty"),
}


@pytest.mark.parametrize("case", FILES)
def test_annot_files_that_cannot_be_used_are_refused_in_one_line(bed, case, tmp_path):
    text, thin, words = FILES[case]
    (tmp_path / "x.annot").write_text(text)
    with pytest.raises(InputError, match=words) as error:
        annotation_ld_scores(bed, tmp_path / "x.annot", thin_annot=thin, window=WINDOW)
    assert "\n" not in str(error.value)


def test_two_annotations_of_one_name_are_refused(bed, annotations, tmp_path):
    (tmp_path / "base.bed").write_text("21\t0\t2000000\n")
    with pytest.raises(InputError, match="two are called base"):
        annotation_ld_scores(bed, annotations, beds=[tmp_path / "base.bed"], window=WINDOW)


def test_a_replaced_set_of_files_may_be_other_than_the_one_before(bed, scores, ones, tmp_path):
    write_ldsc_scores(scores, tmp_path)
    made = annotation_ld_scores(bed, window="100kb")
    write_ldsc_scores(made, tmp_path)
    assert bm.open_reference(tmp_path)["21"]["ld_score"].mean() < ones["ld_score"].mean()
    (tmp_path / "21.l2.M").write_text("1\n")
    with pytest.raises(InputError, match="is not LD scores that bayesmixer wrote"):
        write_ldsc_scores(made, tmp_path)


# --- chromosomes 13 to 22 of 343 Europeans, without missing genotypes

LDSC = {
    "cm1": {"window": "1cM"},
    "kb1000": {"window": "1000kb"},
    "snps200": {"window": "200variants"},
    "perallele": {"window": "1cM", "pq_exp": 1},
    "pqexp0.5": {"window": "1cM", "pq_exp": 0.5},
    "maf0.1": {"window": "1cM", "min_maf": 0.1},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LDSC)
def test_scores_of_chromosome_22_are_those_of_ldsc(panel_343, shared, name):
    stem = shared / f"reference/ldsc/ldscores/chr22/l2_chr22_{name}"
    bed = panel_343 / "1000g_eur_hm3.chr22"
    ours = annotation_ld_scores(bed, like_ldsc=True, **LDSC[name])["22"].to_dataset()
    theirs = pd.read_csv(f"{stem}.l2.ldscore.gz", sep="\t")
    np.testing.assert_array_equal(ours["snp"], theirs["SNP"])
    # theirs are written with three decimals
    np.testing.assert_allclose(ours["annotation_ld_score"][:, 0], theirs.iloc[:, 3], atol=5.01e-4)
    for total, ending in (("m", "M"), ("m_5_50", "M_5_50")):
        np.testing.assert_allclose(ours[total], np.loadtxt(f"{stem}.l2.{ending}"), rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("chrom", range(13, 23))
def test_annotated_scores_are_those_of_ldsc(panel_343, shared, chrom):
    folder = shared / "reference/ldsc/ldscores/annotated"
    made = annotation_ld_scores(
        panel_343 / f"1000g_eur_hm3.chr{chrom}", folder / "annot.@.annot.gz", window="1cM",
        like_ldsc=True,
    )  # fmt: skip
    ours, theirs = made[str(chrom)], bm.open_reference(folder, [chrom])[str(chrom)]
    np.testing.assert_array_equal(ours["snp"], theirs["snp"])
    np.testing.assert_array_equal(ours["annotation"], theirs["annotation"])
    for name in ("m", "m_5_50"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-9)
    np.testing.assert_allclose(
        ours["annotation_ld_score"], theirs["annotation_ld_score"], atol=5.01e-4
    )


@pytest.mark.slow
def test_exact_windows_of_a_chromosome_are_those_of_brute_force(panel_343, shared):
    annot = shared / "reference/ldsc/ldscores/annotated/annot.22.annot.gz"
    ds = annotation_ld_scores(panel_343 / "1000g_eur_hm3.chr22", annot, window="1cM")["22"]
    raw = open_bed(panel_343 / "1000g_eur_hm3.chr22.bed").read(dtype="float64")
    vary = raw.std(0) > 0
    x = (raw[:, vary] - raw[:, vary].mean(0)) / raw[:, vary].std(0)
    table = pd.read_csv(annot, sep="\t")
    values = table.iloc[vary, 4:].to_numpy(float)
    cm = table["CM"].to_numpy()[vary]
    for at in np.array_split(np.arange(len(cm)), 20):
        partner = np.flatnonzero((cm >= cm[at[0]] - 1.01) & (cm <= cm[at[-1]] + 1.01))
        r = x[:, at].T @ x[:, partner] / len(x)
        r2 = unbiased(r**2, len(x)) * (np.abs(cm[at, None] - cm[partner]) <= 1)
        np.testing.assert_allclose(
            ds["annotation_ld_score"][at], r2 @ values[partner], rtol=0, atol=1e-6
        )
