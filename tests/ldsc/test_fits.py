"""The public functions: what they return, that the default does the right thing, and one line for
each input that cannot be used.
"""

from __future__ import annotations

import gzip
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.io.alleles import match_alleles
from bayesmixer.io.ld_score_files import LDScores
from bayesmixer.ldsc import liability
from bayesmixer.ldsc.panel import rows_in
from bayesmixer.ldsc.traits import LETTERS, SIGNS, read_trait
from tests.ldsc.conftest import Small

pytestmark = pytest.mark.filterwarnings("ignore:.*estimates are rough")


def test_heritability_of_files_tables_and_datasets_is_the_same(small: Small) -> None:
    folder, traits = small
    prefix = f"{folder}/ld/"
    file = bm.ldsc.h2(folder / "first.sumstats", prefix, prefix)
    estimate = file["estimate"].to_dataset()
    assert abs(float(estimate["h2"]) - 0.4) < 4 * float(estimate["h2_se"])
    assert float(estimate["h2_lower"]) < float(estimate["h2"]) < float(estimate["h2_upper"])
    assert float(estimate["n_variants"]) == 6000
    table = traits["first"]
    dataset = xr.Dataset(
        {
            v: ("variant", table[c].to_numpy())
            for v, c in (("snp", "SNP"), ("a1", "A1"), ("a2", "A2"), ("z", "Z"), ("n", "N"))
        }
    )
    frame = pd.DataFrame({c: table[c].to_numpy() for c in table.columns})
    scores = bm.ldsc.read_ld_scores(prefix)
    reference = bm.open_reference(folder / "ld")
    for given, ld in ((table, scores), (dataset, prefix), (frame, reference)):
        other = bm.ldsc.h2(given, ld)
        xr.testing.assert_allclose(other["estimate"].to_dataset(), estimate, rtol=1e-12)
    assert file["jackknife"]["h2"].sizes == {"block": 200}


def test_results_are_saved_loaded_and_summed_up(small: Small, tmp_path: Path) -> None:
    folder, traits = small
    fit = bm.ldsc.rg(list(traits.values()), folder / "ld")
    again = bm.load(bm.save(fit, tmp_path / "rg.nc"))
    xr.testing.assert_identical(again["estimate"].to_dataset(), fit["estimate"].to_dataset())
    assert "h2[sumstats[0]]" in bm.summary(again).index


def test_traits_of_a_pair_have_the_heritability_of_all_their_variants(small: Small) -> None:
    folder, traits = small
    prefix = f"{folder}/ld/"
    part = traits["second"].sample(3000, seed=0)
    fit = bm.ldsc.rg([traits["first"], part], prefix)["estimate"].to_dataset()
    for i, given in enumerate((traits["first"], part)):
        alone = bm.ldsc.h2(given, prefix)["estimate"].to_dataset()
        assert float(fit["h2"][i]) == pytest.approx(float(alone["h2"]), rel=1e-12)
        assert float(fit["intercept"][i]) == pytest.approx(float(alone["intercept"]), rel=1e-12)
    like = bm.ldsc.rg([traits["first"], part], prefix, like_ldsc=True)["estimate"]
    assert int(like["n_variants"][0]) == int(fit["n_common"][0, 1]) == 3000
    assert float(like["h2"][0]) != pytest.approx(float(fit["h2"][0]), rel=1e-3)


def test_blocks_by_position_are_as_long_as_each_other(small: Small) -> None:
    from bayesmixer.ldsc.panel import read_panel

    folder, traits = small
    panel = read_panel(f"{folder}/ld/")
    cuts = panel.cuts_by_position(60)
    # 3,000 variants a thousand base pairs apart on each of two chromosomes
    assert cuts.tolist() == list(range(0, 6001, 100))
    by_count = bm.ldsc.h2(traits["first"], panel.scores, n_blocks=60, two_step=None)
    by_position = bm.ldsc.h2(
        traits["first"], panel.scores, n_blocks=60, two_step=None, blocks="position"
    )
    xr.testing.assert_allclose(
        by_position["jackknife"].to_dataset(), by_count["jackknife"].to_dataset(), rtol=1e-12
    )
    uneven = traits["first"].filter(
        pl.Series(np.arange(6000) % 7 < 5) | (pl.Series(np.arange(6000)) > 3000)
    )
    of_pair = bm.ldsc.rg([uneven, traits["second"]], panel.scores, blocks="position")
    of_one = bm.ldsc.h2(uneven, panel.scores, blocks="position")
    assert float(of_pair["estimate"]["h2_se"][0]) == pytest.approx(
        float(of_one["estimate"]["h2_se"]), rel=1e-12
    )
    with pytest.raises(InputError, match="blocks"):
        bm.ldsc.h2(traits["first"], panel.scores, blocks="chromosome")


def test_correlation_is_symmetric_and_swapped_alleles_change_nothing(small: Small) -> None:
    folder, traits = small
    prefix = f"{folder}/ld/"
    first, second = traits["first"], traits["second"]
    fit = bm.ldsc.rg([first, second], prefix)["estimate"].to_dataset()
    assert abs(float(fit["rg"][0, 1]) - 0.6) < 4 * float(fit["rg_se"][0, 1])
    assert float(fit["rg"][0, 1]) == float(fit["rg"][1, 0])
    swap = np.arange(len(second)) % 3 == 0
    swapped = second.with_columns(
        A1=pl.Series(np.where(swap, "C", "A")),  # on the other strand
        A2=pl.Series(np.where(swap, "T", "G")),
        Z=pl.Series(np.where(swap, -1, 1) * second["Z"].to_numpy()),
    )
    for given in ([first, swapped], [second, first]):
        other = bm.ldsc.rg(given, prefix)["estimate"].to_dataset()
        assert float(other["rg"][0, 1]) == pytest.approx(float(fit["rg"][0, 1]), rel=1e-9)


def test_a_trait_without_heritability_has_an_interval_and_no_correlation_to_read(
    small: Small,
) -> None:
    folder, traits = small
    fit = bm.ldsc.rg([traits["first"], traits["none"]], folder / "ld")
    estimate = fit["estimate"].to_dataset()
    assert float(estimate["h2_lower"][1]) == 0
    assert (estimate["rg_lower"][0, 1], estimate["rg_upper"][0, 1]) == (-1, 1)
    said = json.loads(fit.attrs["said"])
    assert any("no heritability seen" in one["sentence"] for one in said)
    pair = [one for one in said if " and " in one["subject"]]
    assert pair[0]["level"] == "caution"


def test_an_error_of_rg_stands_also_where_a_block_holds_a_heritability() -> None:
    from bayesmixer.jackknife import Estimate
    from bayesmixer.ldsc.covariance import Pair

    rng = np.random.default_rng(3)
    rows = rng.normal([0.2, 0.1, 0.05], 0.05, (200, 3))

    class Part:
        def __init__(self, k: int, last: float) -> None:
            without = (rows[:, k].mean() + (rows[:, k].mean() - rows[:, k]) / 199)[:, None]
            without[-1] = last if last < 0 else without[-1]
            self.total = Estimate(rows[:, k].mean()[None], without)

    usual = Pair(Part(0, 1.0), Part(1, 1.0), Part(2, 1.0))  # type: ignore[arg-type]
    joint = usual.joint
    h1, h2, rho = joint.value
    slope = np.array([-rho / (2 * h1), -rho / (2 * h2), 1.0]) / np.sqrt(h1 * h2)
    delta = np.sqrt(slope @ joint.covariance @ slope)
    assert usual.tested[1] == pytest.approx(delta, rel=1e-2)
    held = Pair(Part(0, 1.0), Part(1, -0.01), Part(2, 1.0))  # type: ignore[arg-type]
    assert np.isnan(held.correlation.error[0])
    assert np.isfinite(held.tested).all()


def test_annotations_add_up(small: Small) -> None:
    folder, traits = small
    prefix = f"{folder}/annot/"
    fit = bm.ldsc.partitioned(traits["first"], prefix, frq=prefix)["estimate"].to_dataset()
    assert list(fit["annotation"].values) == ["base", "one", "two"]
    assert float(fit["h2_category"].sum()) == pytest.approx(float(fit["h2"]))
    assert float(fit["proportion"][0]) == pytest.approx(1)
    assert np.isnan(fit["enrichment_p"][0])
    apart = bm.ldsc.partitioned(traits["first"], prefix, overlap=False)["estimate"]
    assert float(apart["proportion"].sum()) == pytest.approx(1)
    like = bm.ldsc.partitioned(traits["first"], prefix, overlap=False, like_ldsc=True)
    assert float(like["estimate"]["h2"]) != pytest.approx(float(fit["h2"]), rel=1e-6)


@pytest.fixture
def partition(small: Small) -> xr.Dataset:
    """The three annotations of the first trait."""
    prefix = f"{small[0]}/annot/"
    fit = bm.ldsc.partitioned(small[1]["first"], prefix, frq=prefix)
    return fit["estimate"].to_dataset()


@pytest.mark.parametrize("how", ["order", "blanks", "bz2"])
def test_annotations_of_other_forms_are_the_same(
    small: Small, tmp_path: Path, partition: xr.Dataset, how: str
) -> None:
    import bz2

    folder = copied(small[0] / "annot", tmp_path / "annot")
    for file in sorted(folder.glob("*.annot.gz")):
        table = pl.read_csv(file, separator="\t")
        if how == "order":
            table = table.select("CHR", "BP", "SNP", "CM", "two", "base", "one")
        raw = table.write_csv(separator=" " if how == "blanks" else "\t").encode()
        file.unlink()
        packed = bz2.compress(raw) if how == "bz2" else gzip.compress(raw)
        file.with_suffix(".bz2" if how == "bz2" else ".gz").write_bytes(packed)
    fit = bm.ldsc.partitioned(small[1]["first"], str(folder), frq=str(folder))
    xr.testing.assert_allclose(fit["estimate"].to_dataset(), partition, rtol=1e-12)


def test_a_continuous_annotation_may_have_a_sum_below_0(small: Small, tmp_path: Path) -> None:
    folder, lower = copied(small[0] / "annot", tmp_path / "annot"), 0.6
    sums, inside = np.zeros(3), np.zeros(3)
    for c in (1, 2):
        file = folder / f"{c}.annot.gz"
        table = pl.read_csv(file, separator="\t").with_columns(two=pl.col("two") - lower)
        file.write_bytes(gzip.compress(table.write_csv(separator="\t").encode()))
        m = table.select("base", "one", "two").sum().row(0)
        sums += m
        inside += table.filter(pl.col("one") == 1).select("base", "one", "two").sum().row(0)
        for ending in ("M", "M_5_50"):
            (folder / f"{c}.l2.{ending}").write_text("\t".join(map(str, m)) + "\n")
    assert sums[2] < 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*estimates are rough")
        fit = bm.ldsc.partitioned(small[1]["first"], str(folder), frq=str(folder))
    found = fit["estimate"].to_dataset()
    # heritability is the sum over variants of what annotations give, whatever their sign
    assert float(found["h2"]) == pytest.approx(float(found["coef"].values @ sums), rel=1e-12)
    share = found["coef"].values @ inside / float(found["h2"])
    one = found.sel(annotation="one")
    assert float(one["enrichment"]) == pytest.approx(share / (sums[1] / 6000), rel=1e-12)
    assert np.isfinite(found["enrichment"]).all()


def test_an_annotation_without_variants_is_left_out_as_ldsc_does(
    small: Small, tmp_path: Path, partition: xr.Dataset
) -> None:
    folder = copied(small[0] / "annot", tmp_path / "annot")
    for c in (1, 2):
        for ending, name in ((".l2.ldscore.gz", "zeroL2"), (".annot.gz", "zero")):
            file = folder / f"{c}{ending}"
            table = pl.read_csv(file, separator="\t").with_columns(pl.lit(0.0).alias(name))
            file.write_bytes(gzip.compress(table.write_csv(separator="\t").encode()))
        for ending in ("M", "M_5_50"):
            file = folder / f"{c}.l2.{ending}"
            file.write_text(f"{file.read_text().strip()}\t0\n")
    fit = bm.ldsc.partitioned(small[1]["first"], str(folder), frq=str(folder))
    xr.testing.assert_allclose(fit["estimate"].to_dataset(), partition, rtol=1e-12)


def test_frequencies_are_found_by_their_chromosome_whatever_else_their_names_say(
    small: Small, tmp_path: Path
) -> None:
    folder, traits = small
    prefix = f"{folder}/annot/"
    for c in (1, 2):
        text = (folder / f"annot/{c}.frq").read_bytes()
        (tmp_path / f"1000G.mac5eur.{c}.frq").write_bytes(text)
        (tmp_path / f"packed.{c}.frq.gz").write_bytes(gzip.compress(text))
    usual = bm.ldsc.partitioned(traits["first"], prefix, frq=prefix)["estimate"]
    for other in ("1000G.mac5eur.", "packed."):
        found = bm.ldsc.partitioned(traits["first"], prefix, frq=tmp_path / other)["estimate"]
        xr.testing.assert_identical(found.to_dataset(), usual.to_dataset())
    m = bm.ldsc.read_ld_scores(prefix).count("M")
    bm.ldsc.partitioned(traits["first"], prefix, m=m)  # numbers need no frequencies


def test_liability_scale_follows_the_prevalences(small: Small) -> None:
    folder, traits = small
    fit = bm.ldsc.h2(traits["first"], folder / "ld", samp_prev=0.5, pop_prev=0.01)["estimate"]
    # Lee et al. 2011: K^2 (1 - K)^2 / (P (1 - P) phi^2), phi(2.3263) = .0266521
    factor = 0.0099**2 / (0.25 * 0.02665214220345808**2)
    assert float(fit["h2_liability"]) == pytest.approx(factor * float(fit["h2"]), rel=1e-12)
    # the rarest of traits; K / phi goes to 1 / x, of the quantile x = 37.0471
    rare = liability.factor(0.5, 1e-300)
    assert rare == pytest.approx(4 / 37.0471**2, rel=2e-3)
    annot = f"{folder}/annot/"
    parts = bm.ldsc.partitioned(traits["first"], annot, frq=annot, samp_prev=0.5, pop_prev=0.01)
    found = parts["estimate"].to_dataset()
    for end in ("", "_se"):
        np.testing.assert_allclose(
            found[f"h2_category_liability{end}"], factor * found[f"h2_category{end}"], rtol=1e-12
        )


def test_wrong_prevalences_are_told_before_the_work(small: Small) -> None:
    folder = small[0]
    with pytest.raises(InputError, match="samp_prev"):  # the files are not looked for
        bm.ldsc.rg([folder / "none", folder / "gone"], folder, samp_prev=[0.5], pop_prev=[0.1])


def test_ld_scores_by_allele_frequency_do_not_weigh(small: Small, small_scores: LDScores) -> None:
    folder, traits = small
    scaled = replace(small_scores, names=("L2_S0.5",))
    with pytest.raises(InputError, match="missing beside L2_S0"):
        bm.ldsc.h2(traits["first"], scaled)
    bm.ldsc.h2(traits["first"], scaled, folder / "ld")


def test_arguments_of_the_wrong_kind_are_one_line(small: Small) -> None:
    folder, traits = small
    with pytest.raises(InputError, match="samp_prev"):
        bm.ldsc.h2(traits["first"], folder / "ld", samp_prev=[0.5], pop_prev=[0.1])
    with pytest.raises(InputError, match="list of two traits"):
        bm.ldsc.rg(iter(traits.values()), folder / "ld")


def test_codes_of_alleles_agree_with_the_general_comparison() -> None:
    pairs = [(a, b) for a in LETTERS for b in LETTERS]
    for i, first in enumerate(pairs):
        for j, second in enumerate(pairs):
            match = match_alleles([second[0]], [second[1]], [first[0]], [first[1]])
            expected = 0 if match.ambiguous[0] else int(match.sign[0])
            assert SIGNS[i, j] == expected, (first, second)


def test_repeated_missing_and_unusable_rows_take_no_part() -> None:
    table = pl.DataFrame(
        {
            "SNP": ["a", "b", "a", "c", "d", "e"],
            "A1": ["A", "g", "C", "A", "A", "AT"],
            "A2": ["G", "a", "T", "G", "G", "A"],
            "Z": [1.0, 2.0, 9.0, None, np.inf, 3.0],
            "N": [10.0] * 6,
        }
    )
    with pytest.warns(DataWarning, match="1 of 5 rows left out"):
        trait = read_trait(table)
    assert trait.snp.to_list() == ["a", "b", "a", "e"]
    assert trait.alleles is not None
    assert trait.alleles.tolist() == [2, 8, 7, 16]
    assert rows_in(pl.Series(["b", "x", "a", "b"]), trait.snp).tolist() == [1, -1, 0, -1]


@pytest.mark.parametrize("word", ["NA", "nan", "NaN", "."])
def test_words_for_missing_are_known_in_every_column_of_a_file(tmp_path: Path, word: str) -> None:
    row = ["rs1", "A", "G", "1.5", "100"]
    lines = [row, *([*row[:i], word, *row[i + 1 :]] for i in range(5)), ["rs2", "A", "G", "", ""]]
    path = tmp_path / "some.sumstats"
    text = "\n".join(map("\t".join, [["SNP", "A1", "A2", "Z", "N"], *lines]))
    path.write_text(text)
    found = read_trait(path)
    # z without alleles has a heritability, but no correlation
    assert len(found) == 3 and found.alleles is not None
    assert found.alleles.tolist() == [2, 16, 16]
    assert found.snp.to_list() == ["rs1"] * 3


@pytest.mark.parametrize(
    ("line", "variants"),
    [
        ("rs9\tA\tG\t1.0\t1500\t7", 6000),  # a field too many: left out, and said
        ("rs\xe9\tA\tG\t1.0\t1500", 6001),  # not UTF-8
    ],
)
@pytest.mark.parametrize("name", ["odd.sumstats", "odd.sumstats.gz"])  # neither is packed
def test_files_that_are_not_quite_in_ldsc_s_format_are_read_as_any_other(
    small: Small, tmp_path: Path, line: str, variants: int, name: str
) -> None:
    text = (small[0] / "first.sumstats").read_text()
    (tmp_path / name).write_bytes((text.rstrip("\n") + "\n" + line + "\n").encode("latin1"))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = read_trait(tmp_path / name)
    assert len(found) == variants
    assert any("another number of columns" in str(w.message) for w in said) == (variants == 6000)
    np.testing.assert_array_equal(found.z[:6000], read_trait(small[1]["first"]).z)


def test_a_chromosome_missing_between_others_is_told_of(small: Small, tmp_path: Path) -> None:
    for chrom, to in ((1, 3), (2, 4), (2, 6)):
        table = pl.read_csv(small[0] / f"ld/{chrom}.l2.ldscore.gz", separator="\t")
        table.with_columns(CHR=pl.lit(to)).write_csv(tmp_path / f"{to}.l2.ldscore", separator="\t")
    with pytest.warns(DataWarning, match="no LD scores of chromosome 5, though of 3 to 6"):
        bm.ldsc.read_ld_scores(f"{tmp_path}/")


def test_a_first_step_without_variants_finds_no_intercept(small: Small) -> None:
    with pytest.raises(InputError, match=r"two_step: .* variants of chi-squared below 1e-05"):
        bm.ldsc.h2(small[1]["first"], small[0] / "ld", two_step=1e-5)


def folder_with(tmp_path: Path, head: str, row: str, m: str | None = "10") -> str:
    (tmp_path / "22.l2.ldscore").write_text(head + "\n" + (row + "\n" if row else ""))
    if m is not None:
        (tmp_path / "22.l2.M_5_50").write_text(m)
    return f"{tmp_path}/"


HEAD, ROW = "CHR\tSNP\tBP\tL2", "22\trs1\t100\t3.5"


@pytest.mark.parametrize(
    ("head", "row", "m", "said"),
    [
        ("CHR\tSNP\tL2", "22\trs1\t3.5", "10", "no column BP"),
        ("chr\tsnp\tbp\tL2", ROW, "10", "no column CHR, SNP, BP among chr, snp, bp, L2"),
        ("CHR\tSNP\tBP", "22\trs1\t100", "10", "no column of LD scores"),
        (HEAD, "22\trs1\t100\tx", "10", "cannot be read"),
        (HEAD, "22\trs1\t100\tNA", "10", "is missing"),
        (HEAD, "22\trs1\t100\tinf", "10", "not finite"),
        (HEAD, "", "10", "no variants"),
        (HEAD, ROW, "10 20", "2 numbers"),
        (HEAD, ROW, "ten", "not numbers"),
    ],
)
def test_each_malformed_file_of_ld_scores_is_one_line(
    tmp_path: Path, head: str, row: str, m: str, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        bm.ldsc.read_ld_scores(folder_with(tmp_path, head, row, m))


def copied(folder: Path, to: Path) -> Path:
    """A folder's files in another."""
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


def test_of_a_file_packed_and_unpacked_one_is_read(small: Small, tmp_path: Path) -> None:
    folder = copied(small[0] / "ld", tmp_path / "ld")
    before = bm.ldsc.read_ld_scores(folder)
    for file in sorted(folder.glob("*.gz")):
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
    again = bm.ldsc.read_ld_scores(folder)
    assert again.snp.equals(before.snp)
    assert again.count("M_5_50").tolist() == before.count("M_5_50").tolist()


def test_weights_of_a_part_of_the_reference_weigh_that_part(small: Small, tmp_path: Path) -> None:
    folder, traits = small
    part = copied(folder / "ld", tmp_path / "w")
    (part / "2.l2.ldscore.gz").unlink()
    found = bm.ldsc.h2(traits["first"], folder / "ld", part)["estimate"].to_dataset()
    scores = bm.ldsc.read_ld_scores(folder / "ld")
    first = traits["first"].filter(pl.col("SNP").is_in(scores.snp.head(3000).implode()))
    expected = bm.ldsc.h2(first, folder / "ld")["estimate"].to_dataset()
    xr.testing.assert_allclose(found, expected, rtol=1e-12)


def test_lists_of_prefixes_may_have_blanks_and_a_comma_at_their_end(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small[0]
    monkeypatch.setenv("HOME", str(folder))
    both = bm.ldsc.read_ld_scores(f"{folder}/ld/, ~/annot/,")
    assert both.names == ("L2", "baseL2", "oneL2", "twoL2")


def test_a_file_of_summary_statistics_that_cannot_be_is_one_line(
    small: Small, tmp_path: Path
) -> None:
    table = small[1]["first"]
    twice = table.with_columns(Z2=pl.col("Z")).write_csv(separator="\t").replace("Z2", "Z", 1)
    (tmp_path / "x.sumstats").write_text(twice)
    with pytest.raises(InputError, match="2 columns are named 'Z'"):
        read_trait(tmp_path / "x.sumstats")
    endless = pl.Series(np.where(np.arange(6000) < 7, np.inf, 1500.0))
    with pytest.warns(DataWarning, match="7 of 6,000 rows left out"):
        assert len(read_trait(table.with_columns(N=endless))) == 5993


def test_few_variants_give_no_result_and_rows_without_z_are_told_of(small: Small) -> None:
    folder, traits = small
    with pytest.raises(InputError, match="99 variants with LD scores, expected at least 100"):
        bm.ldsc.h2(traits["first"][:99], folder / "ld")
    table = traits["first"].with_columns(
        Z=pl.Series(np.where(np.arange(6000) < 30, np.inf, traits["first"]["Z"].to_numpy()))
    )
    with pytest.warns(DataWarning, match="30 of 6,000 rows left out"):
        bm.ldsc.h2(table, folder / "ld")


@pytest.mark.parametrize(
    "row", ["22\trs1\t100.0\t3.5", "22\trs1\t100\t3.5\n\n", "22\trs1\t100\t3.5\r"]
)
def test_positions_of_decimals_and_blank_lines_at_the_end_are_read(
    tmp_path: Path, row: str
) -> None:
    scores = bm.ldsc.read_ld_scores(folder_with(tmp_path, HEAD, row))
    assert (scores.snp.to_list(), scores.pos.tolist()) == (["rs1"], [100])
    assert scores.values.tolist() == [[3.5]]


def test_columns_with_any_blanks_are_read(tmp_path: Path) -> None:
    prefix = folder_with(tmp_path, "CHR   SNP  BP   L2", " 22   rs1   100   3.5")
    scores = bm.ldsc.read_ld_scores(prefix)
    assert (scores.snp.to_list(), scores.values.tolist()) == (["rs1"], [[3.5]])


def test_files_out_of_order_come_in_genome_order(tmp_path: Path) -> None:
    (tmp_path / "all.l2.ldscore").write_text(
        f"{HEAD}\n10\trs3\t5\t1\n2\trs2\t9\t2\n2\trs1\t4\t3\nX\trs4\t1\t4\n"
    )
    scores = bm.ldsc.read_ld_scores(tmp_path / "all")
    assert scores.snp.to_list() == ["rs1", "rs2", "rs3", "rs4"]
    assert scores.values[:, 0].tolist() == [3, 2, 1, 4]


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({"SNP": None}, {}, "no column SNP"),
        ({"N": None}, {}, "no column N"),
        ({"SNP": "other"}, {}, "has an LD score"),
        ({"N": 0.0}, {}, "no variant with both z and N"),
        ({"Z": 0.0}, {}, "every z is 0"),
        ({"Z": -1.5}, {}, r"every \|z\| is 1\.5"),
        ({}, {"two_step": "often"}, "two_step"),
        ({}, {"two_step": 30, "intercept": 1.0}, "a fixed intercept"),
        ({}, {"two_step": -1}, "above 0"),
        ({}, {"n_blocks": 1}, "n_blocks"),
        ({}, {"chisq_max": 0}, "chisq_max"),
        ({}, {"chisq_max": 1e-9}, "variants with LD scores and chi2"),
        ({}, {"m": "M_10"}, "M_5_50, M"),
        ({}, {"m": [1.0, 2.0]}, "expected 1 numbers"),
        ({}, {"m": 0}, "m: 0 variants of annotation L2"),
        ({}, {"m": -3}, "m: -3 variants in all"),
        ({}, {"intercept": np.nan}, "expected a finite number"),
        ({}, {"samp_prev": 0.5}, "pop_prev"),
        ({}, {"samp_prev": 0.5, "pop_prev": 1.5}, "between 0 and 1"),
        ({}, {"intercept": "free"}, "intercept"),
    ],
)
def test_each_unusable_input_is_one_line(
    small: Small, change: dict[str, Any], options: dict[str, Any], said: str
) -> None:
    folder, traits = small
    table = traits["first"]
    for column, value in change.items():
        kept = table.drop(column)
        table = kept if value is None else kept.with_columns(pl.lit(value).alias(column))
        if value == "other":
            table = table.with_row_index().with_columns(SNP="other" + pl.col("index").cast(str))
    with pytest.raises(InputError, match=said) as error:
        bm.ldsc.h2(table, folder / "ld", **options)
    assert "\n" not in str(error.value)


def test_unusable_pairs_and_annotations_are_one_line(small: Small, tmp_path: Path) -> None:
    folder, traits = small
    first, second = traits["first"], traits["second"]
    ld, annot = folder / "ld", f"{folder}/annot/"
    with pytest.raises(InputError, match="two traits or more"):
        bm.ldsc.rg([first], ld)
    with pytest.raises(InputError, match="no alleles"):
        bm.ldsc.rg([first, second.drop("A1")], ld)
    with pytest.raises(InputError, match="matching alleles"):
        bm.ldsc.rg([first, second.with_columns(A2=pl.lit("T"))], ld)
    with pytest.raises(InputError, match="one a trait"):
        bm.ldsc.rg([first, second], ld, intercept=[1.0])
    with pytest.raises(InputError, match="intercept_gencov: inf, expected a finite number"):
        bm.ldsc.rg([first, second], ld, intercept_gencov=np.inf)
    with pytest.raises(InputError, match="two_step: 30 with a fixed intercept"):
        bm.ldsc.rg([first, second], ld, intercept=1.0, two_step=30, like_ldsc=True)
    none = pl.lit(None, pl.String)
    with pytest.raises(InputError, match="no alleles"):
        bm.ldsc.rg([first, second.with_columns(A1=none)], ld)
    apart = [first.gather_every(2), second.gather_every(2, 1)]
    for traits_ in (apart, [*apart, first]):
        with pytest.raises(InputError, match=r"sumstats\[0\] and sumstats\[1\]: 0 common variants"):
            bm.ldsc.rg(traits_, ld)
    with pytest.raises(InputError, match="shape"):
        bm.ldsc.rg([first, second], ld, intercept_gencov=[0.0, 0.0])
    with pytest.raises(InputError, match="frequencies"):
        bm.ldsc.partitioned(first, annot)
    with pytest.raises(InputError, match="one annotation"):
        bm.ldsc.partitioned(first, ld)
    with pytest.raises(InputError, match="no annotations"):
        bm.ldsc.partitioned(first, annot, annot=tmp_path, m="M")
    with pytest.raises(InputError, match="expected one"):
        bm.ldsc.h2(first, ld, annot)
    with pytest.raises(InputError, match="no LD scores"):
        bm.ldsc.h2(first, tmp_path)
    for c in (1, 2):
        rare = pl.read_csv(folder / f"annot/{c}.frq", separator=" ").with_columns(MAF=pl.lit(0.01))
        rare[:2000].write_csv(tmp_path / f"{c}.frq", separator=" ")
    with pytest.raises(InputError, match="lacks variants"):
        bm.ldsc.partitioned(first, annot, frq=f"{tmp_path}/")
    for c in (1, 2):
        table = pl.read_csv(folder / f"annot/{c}.frq", separator=" ")
        half = table.with_columns(MAF=pl.Series(np.where(np.arange(3000) % 2, 0.01, 0.3)))
        half.write_csv(tmp_path / f"{c}.frq", separator=" ")
    with pytest.warns(DataWarning, match="M of base is"):
        bm.ldsc.partitioned(first, annot, frq=f"{tmp_path}/")


def test_annotations_that_add_up_are_refused(small: Small, small_scores: LDScores) -> None:
    from dataclasses import replace

    base = small_scores.values
    twice = replace(
        small_scores,
        names=("oneL2", "twoL2"),
        values=np.column_stack([base[:, 0], 2 * base[:, 0]]),
        totals={k: np.array([1e3, 2e3]) for k in ("M", "M_5_50")},
        sets=(0, 0),
    )
    with pytest.raises(InputError, match="condition number"):
        bm.ldsc.h2(small[1]["first"], twice, small_scores)
    still = replace(twice, values=np.column_stack([base[:, 0], np.full(len(base), 3.0)]))
    fit = bm.ldsc.h2(small[1]["first"], still, small_scores)
    assert "annotation" not in fit["estimate"].dims  # the one that does not vary has gone


@pytest.mark.filterwarnings("default:.*estimates are rough")
def test_few_variants_are_warned_of(small: Small) -> None:
    with pytest.warns(DataWarning, match="6,000 variants with LD scores"):
        bm.ldsc.h2(small[1]["first"], small[0] / "ld")
