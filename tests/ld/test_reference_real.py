"""The LD reference on real genotypes, against what other programs computed from the same ones."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bed_reader import open_bed

import bayesmixer as bm
from tests.ld.small_panel import unbiased


@pytest.fixture(scope="module")
def one_cm(panel_343, tmp_path_factory):
    """All ten chromosomes with the default window, 1 cM."""
    return bm.build_reference(
        panel_343 / "1000g_eur_hm3.chr{chrom}", tmp_path_factory.mktemp("ref") / "eur.zarr"
    )


def ldsc_scores(x: np.ndarray, cm: np.ndarray, limit: float, chunk: int | None) -> np.ndarray:
    """LD scores by LDSC's rule (sum of unbiased r^2 within a window): with its windows, cut in
    chunks, or (None) with exact ones.
    """
    m, n = x.shape[1], len(x)
    left = np.searchsorted(cm, cm - limit, "left")
    out = np.zeros(m)
    for start in range(0, m, 50):
        stop = min(start + 50, m)
        first = (
            max(0, start - math.ceil((start - left[start]) / chunk) * chunk)
            if chunk
            else left[start]
        )
        r2 = unbiased((x[:, first:stop].T @ x[:, start:stop] / n) ** 2, n)
        if chunk is None:
            r2[np.abs(cm[first:stop, None] - cm[start:stop]) > limit] = 0
        out[start:stop] += r2.sum(0)
        out[first:start] += r2[: start - first].sum(1)
    return out


@pytest.mark.slow
def test_ld_scores_of_chromosome_22_are_ldscs_with_exact_windows(one_cm, panel_343, shared):
    """LDSC rounds windows up to whole chunks of 50 variants; with that quirk brute force gives its
    file, without it ours.
    """
    prefix = panel_343 / "1000g_eur_hm3.chr22"
    x = open_bed(prefix.with_name(prefix.name + ".bed")).read(dtype="float32", num_threads=1)
    x -= x.mean(0)
    keep = x.std(0) > 0
    x = x[:, keep] / x[:, keep].std(0)
    cm = pd.read_csv(prefix.with_name(prefix.name + ".bim"), sep="\t", header=None)[2].to_numpy()[
        keep
    ]
    theirs = pd.read_csv(
        shared / "reference/ldsc/ldscores/chr22/l2_chr22_cm1.l2.ldscore.gz", sep="\t"
    )
    ours = one_cm["22"].to_dataset()
    np.testing.assert_array_equal(ours.snp, theirs.SNP)
    assert (
        np.abs(ldsc_scores(x, cm, 1.0, 50) - theirs.L2).max() < 1e-3
    )  # three decimals in the file
    np.testing.assert_allclose(ours.ld_score, ldsc_scores(x, cm, 1.0, None), atol=2e-3, rtol=1e-5)
    # what the quirk adds is up to 49 distant variants: noise around their weak LD
    assert np.corrcoef(ours.ld_score, theirs.L2)[0, 1] > 0.9999
    assert ours.attrs["n_reference"] == int(
        (shared / "reference/ldsc/ldscores/chr22/l2_chr22_cm1.l2.M").read_text()
    )
    assert ours.attrs["m_5_50"] == int(
        (shared / "reference/ldsc/ldscores/chr22/l2_chr22_cm1.l2.M_5_50").read_text()
    )


@pytest.mark.slow
def test_ld_scores_correlate_above_099_with_published_ones_on_every_chromosome(
    one_cm, eur_w_ld_chr
):
    files = {p.name.split(".")[0]: p for p in Path(eur_w_ld_chr).rglob("*.l2.ldscore*")}
    for chrom, group in one_cm.children.items():
        ours = pd.DataFrame({"SNP": group["snp"].to_numpy(), "ours": group["ld_score"].to_numpy()})
        both = ours.merge(pd.read_csv(files[chrom], sep="\t"), on="SNP")
        assert len(both) > 0.9 * len(ours)
        assert both["ours"].corr(both["L2"]) > 0.99, chrom
    assert sum(g.attrs["monomorphic"] for g in one_cm.children.values()) == 10


@pytest.mark.slow
def test_spectra_of_a_real_panel_sum_to_the_weighted_ld_score(one_cm):
    for group in one_cm.children.values():
        np.testing.assert_allclose(group["spectrum"].sum("node"), group["ld_score_h"], rtol=3e-6)
        assert (group["ld_below"].to_numpy() >= 0).all()
        assert (
            group["ld_score_h"].to_numpy()[0] >= group["heterozygosity"].to_numpy() * (1 - 1e-9)
        ).all()


@pytest.mark.slow
def test_r2_and_heterozygosity_are_mixers(panel_503, shared, tmp_path):
    """MiXeR's LD files: r is kept in 16 bits, so r^2 differs by up to 2 r 2^-16."""
    d = np.load(shared / "reference/mixer/inputs.npz")
    ref = bm.build_reference(
        panel_503 / "g1000_eur_hm3_chr@",
        tmp_path / "r.zarr",
        window="3000kb",
        r2_rule="plain",
        r2_cutoff=0.05,
    )
    offset = 0
    for chrom in ("21", "22"):
        ds = ref[chrom].to_dataset().load()
        m, pos = ds.sizes["variant"], ds.pos.to_numpy()
        rows = slice(offset, offset + m)
        np.testing.assert_array_equal(pos, d["bp"][rows])
        np.testing.assert_allclose(ds.heterozygosity, d["H"][rows], atol=1e-6)
        a, b = d["indptr"][rows.start], d["indptr"][rows.stop]
        row = np.repeat(np.arange(m), np.diff(d["indptr"][rows.start : rows.stop + 1]))
        column, r2 = d["indices"][a:b].astype(np.int64) - offset, d["r2"][a:b].astype(float)
        inside = np.abs(pos[row] - pos[column]) <= 3_000_000
        row, column, r2 = row[inside], column[inside], r2[inside]
        theirs = row != column
        left = row[theirs] * m + column[theirs]
        right = (
            np.repeat(np.arange(m), np.diff(ds.neighbour_indptr)) * m
            + ds.neighbour_index.to_numpy()
        )
        shared_pairs, i, j = np.intersect1d(left, right, assume_unique=True, return_indices=True)
        assert np.abs(r2[theirs][i] - ds.neighbour_r2.to_numpy()[j]).max() < 5e-5
        assert (
            np.abs(ds.neighbour_r2.to_numpy()[~np.isin(right, shared_pairs)] - 0.1).max(initial=0)
            < 5e-5
        )
        assert r2[theirs][~np.isin(left, shared_pairs)].max() < 0.1 + 5e-5
        # strengths above MiXeR's cut-off: ours without the weak deposit
        strong = np.bincount(row, d["H"][rows].astype(float)[column] * r2, minlength=m)
        gap = np.abs(ds.ld_score_h[0].to_numpy() - ds.ld_below[0].to_numpy() - strong)
        assert np.median(gap) < 1e-3
        assert np.quantile(gap, 0.999) < 0.06  # a pair or two on the other side of 0.05 by rounding
        offset += m


def test_sources_name_the_files_and_their_checksums(panel_343, tmp_path):
    import hashlib

    ref = bm.build_reference(
        panel_343 / "1000g_eur_hm3.chr22", tmp_path / "r.zarr", window="100variants"
    )
    listed = json.loads(ref.attrs["sources"])["22"]
    for name in ("1000g_eur_hm3.chr22.bed", "1000g_eur_hm3.chr22.bim", "1000g_eur_hm3.chr22.fam"):
        assert listed[name] == hashlib.sha256((panel_343 / name).read_bytes()).hexdigest()
