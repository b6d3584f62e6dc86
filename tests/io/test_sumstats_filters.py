"""Each filter removes exactly the rows it should, counts them, and the counts add up."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayesmixer as bm
from bayesmixer.io.filters import ORDER
from bayesmixer.io.regions import Regions
from tests.io.gwas_table import gwas, plain, write

G = gwas()


def with_rows(values: pd.Series, changes: dict[int, object]) -> list[object]:
    out = [repr(float(v)) if values.dtype.kind == "f" else v for v in values]
    for i, value in changes.items():
        out[i] = value
    return out


# filter -> column, row -> value; every changed row must go, and no other
CASES: dict[str, tuple[str, dict[int, object]]] = {
    "not_numeric": ("BETA", {3: "abc", 9: "1,5"}),
    "n_not_positive": ("N", {7: 0, 8: -5}),
    "missing": ("N", {7: "NA", 8: "", 11: "."}),
    "indel": ("A1", {0: "ACG", 1: "I", 59: "D"}),
    "not_acgt": ("A2", {0: "N", 3: "0"}),
}


@pytest.mark.parametrize("name", CASES)
def test_filter_removes_and_counts_the_bad_rows_alone(name: str, tmp_path: Path) -> None:
    column, changes = CASES[name]
    source = {"BETA": G.beta, "P": G.p, "SE": G.se, "N": G.n, "A1": G.ea, "A2": G.oa}[column]
    ds = bm.read_sumstats(plain(tmp_path / "a.txt", **{column: with_rows(source, changes)}))
    counts = json.loads(ds.attrs["filters"])
    assert {k: v for k, v in counts.items() if v} == {name: len(changes)}
    assert ds["snp"].to_numpy().tolist() == [s for i, s in enumerate(G.rsid) if i not in changes]


def test_counts_add_up_in_a_stated_order_and_each_row_counts_once(tmp_path: Path) -> None:
    p = with_rows(G.p, {0: "2", 1: "2", 2: "NA"})
    se = with_rows(G.se, {0: "-1", 1: "NA", 2: "0"})  # row 0 fails two filters, the first counts
    a1 = with_rows(G.ea, {2: "AT", 3: "AT"})
    snp, pos = with_rows(G.rsid, {11: "rs1010"}), with_rows(G.pos, {11: G.pos[10]})
    n = with_rows(G.n, {20: 10, 21: 20})
    ds = bm.read_sumstats(plain(tmp_path / "a.txt", P=p, SE=se, A1=a1, SNP=snp, BP=pos, N=n))
    counts = json.loads(ds.attrs["filters"])
    assert {k: v for k, v in counts.items() if v} == {
        "p_out_of_range": 2,
        "se_not_positive": 1,
        "indel": 1,
        "duplicate": 1,
        "n_low": 2,
    }
    assert list(counts) == [k for k in ORDER if k in counts]
    assert (
        ds.attrs["rows_read"] - sum(counts.values()) == ds.attrs["rows_kept"] == ds.sizes["variant"]
    )


def test_ambiguous_and_identical_alleles(tmp_path: Path) -> None:
    a1 = with_rows(G.ea, {0: "A", 1: "G", 2: "t", 3: "C"})
    a2 = with_rows(G.oa, {0: "T", 1: "C", 2: "a", 3: "C"})
    ds = bm.read_sumstats(plain(tmp_path / "a.txt", A1=a1, A2=a2))
    assert {k: v for k, v in json.loads(ds.attrs["filters"]).items() if v} == {
        "same_alleles": 1,
        "ambiguous": 3,
    }
    kept = bm.read_sumstats(plain(tmp_path / "a.txt", A1=a1, A2=a2), keep_ambiguous=True)
    assert kept.sizes["variant"] == len(G) - 1


def test_indels_are_kept_when_asked(tmp_path: Path) -> None:
    a1, a2 = with_rows(G.ea, {0: "ATG", 1: "I", 2: "AN"}), with_rows(G.oa, {0: "A", 1: "D"})
    ds = bm.read_sumstats(plain(tmp_path / "a.txt", A1=a1, A2=a2), keep_indels=True)
    assert ds["a1"].to_numpy()[:2].tolist() == ["ATG", "I"]
    assert json.loads(ds.attrs["filters"])["not_acgt"] == 1


def test_first_of_duplicates_stays_by_name_and_by_position_with_alleles_in_either_order(
    tmp_path: Path,
) -> None:
    snp = with_rows(G.rsid, {5: "rs1001", 6: "rs1001"})
    pos = with_rows(G.pos, {5: G.pos[1], 6: G.pos[1], 20: G.pos[21]})
    a1, a2 = with_rows(G.ea, {20: G.oa[21]}), with_rows(G.oa, {20: G.ea[21]})
    ds = bm.read_sumstats(plain(tmp_path / "a.txt", SNP=snp, BP=pos, A1=a1, A2=a2))
    assert json.loads(ds.attrs["filters"])["duplicate"] == 3
    assert ds["snp"].to_numpy().tolist() == [s for i, s in enumerate(G.rsid) if i not in {5, 6, 21}]
    np.testing.assert_allclose(ds["z"][1], G.z[1])


def test_same_position_with_other_alleles_is_another_variant(tmp_path: Path) -> None:
    pos = with_rows(G.pos, {20: G.pos[21]})
    a1, a2 = with_rows(G.ea, {20: "A", 21: "A"}), with_rows(G.oa, {20: "C", 21: "G"})
    for options in ({}, {"keep_indels": True}):
        assert bm.read_sumstats(plain(tmp_path / "a.txt", BP=pos, A1=a1, A2=a2), **options).sizes[
            "variant"
        ] == len(G)


def test_info_maf_and_n_limits_and_their_switches(tmp_path: Path) -> None:
    info = with_rows(G["info"], {0: "0.9", 1: "0.5", 2: "NA"})
    eaf = with_rows(G.freq, {3: "0.005", 4: "0.995", 5: "NA", 6: "1.3"})
    n = with_rows(G.n, {10: 1000, 11: 2000})
    path = plain(tmp_path / "a.txt", INFO=info, EAF=eaf, N=n)
    found = {k: v for k, v in json.loads(bm.read_sumstats(path).attrs["filters"]).items() if v}
    assert found == {
        "info": 2,
        "maf": 2,
        "n_low": 2,
    }  # unknown INFO and frequency stay, impossible ones are unknown
    off = bm.read_sumstats(path, info_min=None, maf_min=None, n_min=None)
    assert off.sizes["variant"] == len(G)
    assert bm.read_sumstats(path, n_min=1500).sizes["variant"] == len(G) - 5
    strict = bm.read_sumstats(path, maf_min=0.3)
    folded = np.minimum(strict["eaf"], 1 - strict["eaf"])
    assert float(folded.min()) > 0.3


def test_limit_on_n_is_the_90th_percentile_over_one_and_a_half(tmp_path: Path) -> None:
    n = np.linspace(10_000, 100_000, len(G)).round()
    ds = bm.read_sumstats(plain(tmp_path / "a.txt", N=n.astype(int)))
    limit = np.percentile(n.astype(int), 90) / 1.5
    assert ds.attrs["n_min"] == pytest.approx(limit)
    assert ds.sizes["variant"] == (n >= limit).sum()


def test_mhc_and_regions_are_left_out_with_both_ends(tmp_path: Path) -> None:
    pos = np.array([24_999_999, 25_000_000, 30_000_000, 35_000_000, 35_000_001])
    path = write(
        tmp_path / "a.txt",
        {
            "SNP": list("abcde"),
            "CHR": "chr6",
            "BP": pos,
            "A1": "A",
            "A2": "C",
            "Z": 1.0,
            "N": 9,
            "P": 0.3,
        },
    )
    ds = bm.read_sumstats(path)
    assert ds["snp"].to_numpy().tolist() == ["a", "e"]
    assert json.loads(ds.attrs["filters"])["mhc"] == 3
    assert bm.read_sumstats(path, keep_mhc=True).sizes["variant"] == 5
    assert bm.read_sumstats(path, exclude=["6:35,000,001-40000000"])["snp"].to_numpy().tolist() == [
        "a"
    ]
    bed = tmp_path / "out.bed"
    bed.write_text(
        "chrom start end\nchr6 24999998 24999999\nchr6\t30000000\t40000000\n"
    )  # 0-based, half-open
    kept = bm.read_sumstats(path, keep_mhc=True, exclude=[bed])
    assert kept["snp"].to_numpy().tolist() == ["b", "c"]


def test_overlapping_regions_agree_with_brute_force() -> None:
    import polars as pl

    rng = np.random.default_rng(3)
    intervals = [
        (str(c), int(s), int(s + w))
        for c, s, w in zip(
            rng.integers(1, 4, 40), rng.integers(1, 900, 40), rng.integers(0, 80, 40), strict=True
        )
    ]
    chrom, pos = rng.integers(1, 5, 3000).astype(str), rng.integers(0, 1000, 3000)
    expected = [
        p > 0 and any(c == k and s <= p <= e for k, s, e in intervals)
        for c, p in zip(chrom, pos, strict=True)
    ]
    found = Regions([f"{c}:{s}-{e}" for c, s, e in intervals]).contains(
        pl.Series(chrom), pl.Series(pos)
    )
    assert found.to_list() == expected


def test_filters_without_their_columns_are_named_as_skipped(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.txt", {"SNP": G.rsid, "A1": G.ea, "A2": G.oa, "Z": G.z, "P": G.p, "N": 1000}
    )
    ds = bm.read_sumstats(path)
    assert set(json.loads(ds.attrs["filters_skipped"])) == {"mhc", "info", "maf"}


def test_munged_files_are_not_cut_by_n_twice(tmp_path: Path) -> None:
    n = np.linspace(10_000, 100_000, len(G)).round().astype(int)
    once = bm.munge(plain(tmp_path / "a.txt", N=n), tmp_path / "b.sumstats.gz")
    twice = bm.read_sumstats(tmp_path / "b.sumstats.gz")
    assert twice.attrs["format"] == "ldsc"
    assert twice.sizes["variant"] == once.sizes["variant"] < len(G)


def test_a_few_broken_lines_are_left_out_counted_and_warned_of(tmp_path: Path) -> None:
    g = gwas(400)
    path = write(
        tmp_path / "a.txt", {"SNP": g.rsid, "A1": g.ea, "A2": g.oa, "Z": g.z, "P": g.p, "N": g.n}
    )
    lines = path.read_text().splitlines()
    lines[7] = "rs1006\tA"
    path.write_text("\n".join(lines) + "\n")
    with pytest.warns(bm.DataWarning, match="line 8"):
        ds = bm.read_sumstats(path)
    assert json.loads(ds.attrs["filters"])["broken_line"] == 1
    assert ds["snp"].to_numpy().tolist() == [s for i, s in enumerate(g.rsid) if i != 6]
    assert ds.attrs["rows_read"] == 400


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"P": "corrected"}, "times .z. from P"),
        ({"BETA": "unsigned"}, "never negative"),
        ({"BETA": "shifted"}, "median z-score"),
    ],
)
def test_suspicious_columns_are_warned_of(
    changes: dict[str, str], words: str, tmp_path: Path
) -> None:
    from scipy.stats import norm

    g = gwas(1200)
    columns = {
        "SNP": g.rsid,
        "A1": g.ea,
        "A2": g.oa,
        "BETA": g.beta,
        "SE": g.se,
        "P": g.p,
        "N": g.n,
    }
    if "P" in changes:
        columns["P"] = pd.Series(2 * norm.sf(np.abs(g.z) / 2))
    elif changes["BETA"] == "unsigned":
        columns["BETA"] = g.beta.abs()
    else:
        columns |= {"BETA": g.beta + g.se, "P": None}
    path = write(tmp_path / "a.txt", {k: c for k, c in columns.items() if c is not None})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bm.read_sumstats(path)
    assert any(
        words.split(" .")[0] in str(w.message)
        for w in caught
        if issubclass(w.category, bm.DataWarning)
    )


def test_half_effective_sample_size_is_doubled_and_effective_preferred_to_total(
    tmp_path: Path,
) -> None:
    half = bm.read_sumstats(plain(tmp_path / "a.txt", Neff_half=20_000))
    np.testing.assert_allclose(half["n"], 40_000)
    assert "Neff_half" in half.attrs["n_definition"]
    np.testing.assert_allclose(
        bm.read_sumstats(plain(tmp_path / "b.txt", Neff=30_000))["n"], 30_000
    )
    np.testing.assert_allclose(
        bm.read_sumstats(plain(tmp_path / "c.txt", N_cases=2_000, N=5_000))["n"],
        4 / (1 / 2000 + 1 / 3000),
    )
    np.testing.assert_allclose(
        bm.read_sumstats(plain(tmp_path / "c.txt", N_cases=2_000, N=5_000), n="N")["n"], 5000
    )
