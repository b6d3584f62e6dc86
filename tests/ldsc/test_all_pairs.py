"""All pairs in one pass are each pair by itself; LD scores kept in the cache are the text's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import bayesmixer as bm
from bayesmixer.io import ld_score_cache
from bayesmixer.io.ld_score_files import LDScores, read_ld_scores
from bayesmixer.ldsc import pairs as of_pairs
from bayesmixer.ldsc.many_traits import ManyTraits, many_traits
from bayesmixer.ldsc.panel import Panel, read_panel
from bayesmixer.ldsc.printed import attributes_of_pairs
from tests.ldsc.conftest import Small

pytestmark = pytest.mark.filterwarnings("ignore::bayesmixer.DataWarning")


def changed(table: pl.DataFrame, seed: int, odd: bool) -> pl.DataFrame:
    """A trait that lacks variants, with alleles swapped, some of no use, and N that vary."""
    rng = np.random.default_rng(seed)
    size = len(table)
    swapped, useless = rng.random(size) < 0.3, rng.random(size) < 0.02
    a1 = np.where(swapped, "G", "A").astype(object)
    a1[useless] = "T"
    a2 = np.where(swapped, "A", "G").astype(object)
    a2[useless & ~swapped] = "A"  # A and T: the strand cannot be told
    if odd:
        other = rng.random(size) < 0.05
        a1[other], a2[other] = "A", "C"
    z = np.where(swapped, -1, 1) * table["Z"].to_numpy()
    made = pl.DataFrame(
        {"SNP": table["SNP"], "A1": a1.astype(str), "A2": a2.astype(str), "Z": z}
    ).with_columns(N=pl.Series(1500 * rng.uniform(0.4, 1, size)))
    return made.filter(pl.Series(rng.random(size) < 0.9))


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("thinned", [False, True])
@pytest.mark.parametrize("step", [None, 9.0])
def test_pairs_together_are_pairs_by_themselves(
    small: Small, odd: bool, thinned: bool, step: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = read_panel(small[0] / "ld")
    tables = [*small[1].values(), small[1]["first"].with_columns(Z=-pl.col("Z") / 2)]
    if thinned:
        tables = [changed(one, i, odd) for i, one in enumerate(tables)]
    found: list[ManyTraits] = []
    for least in (10**6, 1):
        monkeypatch.setattr(of_pairs, "MANY", least)
        found.append(many_traits(tables, panel, two_step=step))
    for one, other in zip(found[0].pairs, found[1].pairs, strict=True):
        assert (one.n_common, one.n_alleles) == (other.n_common, other.n_alleles)
        a, b = one.fit.covariance, other.fit.covariance
        assert a.n_variants == b.n_variants
        for x, y in (
            (a.total.value, b.total.value),
            (a.total.without, b.total.without),
            (a.fit.joint.without, b.fit.joint.without),
            (a.total.error, b.total.error),
            (a.mean_n, b.mean_n),
            (a.mean_z1z2, b.mean_z1z2),
        ):
            # sums in another order, and a covariance that is a difference of them
            np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"chisq_max": 60.0}, {"like_ldsc": True}])
def test_an_interrupted_run_goes_on_and_computes_no_pair_twice(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    panel, folder = read_panel(small[0] / "ld"), tmp_path / "parts"
    tables = [changed(one, i, False) for i, one in enumerate(small[1].values())]
    tables += [changed(one, i + 5, True) for i, one in enumerate(tables)]
    whole = many_traits(tables, panel, **options)
    monkeypatch.setattr(of_pairs, "TOGETHER", 4)
    monkeypatch.setattr(of_pairs, "APART", 2)
    together = not options
    method = "_together" if together else "_pair"
    compute, done, room = getattr(of_pairs.Pairs, method), [], [2 if together else 5]

    def counted(self: of_pairs.Pairs, *at: Any) -> Any:
        if len(done) == room[0]:
            raise KeyboardInterrupt
        done.append(at)
        return compute(self, *at)

    monkeypatch.setattr(of_pairs.Pairs, method, counted)
    with pytest.raises(KeyboardInterrupt):
        many_traits(tables, panel, checkpoint=folder, **options)
    assert len(list(folder.glob("*.npz"))) == 2
    with pytest.raises(bm.InputError, match="other summary statistics"):
        many_traits(tables[::-1], panel, checkpoint=folder, **options)
    with pytest.raises(bm.InputError, match="or options"):
        many_traits(tables, panel, checkpoint=folder, n_blocks=50, **options)
    room[0] = 100
    again = many_traits(tables, panel, checkpoint=folder, **options)
    # of pairs one by one the fifth was under way in a part of two
    assert len(set(done)) == len(done) - (not together)
    assert not folder.exists()
    for one, other in zip(whole.pairs, again.pairs, strict=True):
        assert (one.i, one.j, one.n_common, one.n_alleles, one.fixed) == (
            other.i, other.j, other.n_common, other.n_alleles, other.fixed
        )  # fmt: skip
        np.testing.assert_allclose(one.fit.joint.without, other.fit.joint.without, rtol=1e-12)
        a, b = (attributes_of_pairs([v])[0] for v in (one, other))
        assert a.keys() == b.keys()
        assert a["gencov"]["twostep_filtered"] == b["gencov"]["twostep_filtered"]
        assert a["hsq2"]["tot"] == b["hsq2"]["tot"]


def test_kept_ld_scores_are_those_of_the_text_until_it_changes(
    small_scores: LDScores, small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ld_score_cache, "WORTH", 0)
    monkeypatch.setenv("BAYESMIXER_CACHE", str(tmp_path / "cache"))
    own = tmp_path / "ld"
    own.mkdir()
    for file in (small[0] / "ld").iterdir():
        (own / file.name).write_bytes(file.read_bytes())
    kept = tmp_path / "cache/ld_scores"

    def same(found: LDScores) -> bool:
        return (
            found.snp.equals(small_scores.snp)
            and np.array_equal(found.values, small_scores.values)
            and np.array_equal(found.chrom, small_scores.chrom)
            and np.array_equal(found.pos, small_scores.pos)
            and all(np.array_equal(found.totals[k], v) for k, v in small_scores.totals.items())
        )

    assert same(read_ld_scores(own))
    (first,) = kept.iterdir()
    assert same(read_ld_scores(own))
    # the text changes: what was kept is not used, and replaced; what is another's stays
    monkeypatch.setattr(ld_score_cache, "SETS", 1)
    foreign = kept / "mine.parquet"
    foreign.write_bytes(b"of the user")
    os.utime(foreign, (0, 0))
    file = own / "1.l2.M_5_50"
    file.write_text("123\n")
    assert read_ld_scores(own).totals["M_5_50"] != small_scores.totals["M_5_50"]
    (second,) = set(kept.iterdir()) - {foreign}
    assert second != first
    assert foreign.read_bytes() == b"of the user"
    foreign.unlink()
    # a half-written or foreign file is as if it were not there
    second.write_bytes(b"PAR1 not")
    assert len(read_ld_scores(own)) == len(small_scores)
    # another time alone makes it stale
    scores = own / "1.l2.ldscore.gz"
    os.utime(scores, (1, 1))
    read_ld_scores(own)
    (third,) = kept.iterdir()
    assert third != second
    monkeypatch.setenv("BAYESMIXER_CACHE", "off")
    assert ld_score_cache.place_of([scores], []) is None


def test_nothing_is_kept_where_the_cache_cannot_be_written(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ld_score_cache, "WORTH", 0)
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("BAYESMIXER_CACHE", str(tmp_path / "cache"))
    assert len(read_ld_scores(small[0] / "ld")) == 6000


def test_weights_are_found_by_position_and_by_name(small_scores: LDScores) -> None:
    rng = np.random.default_rng(4)
    kept = np.sort(rng.choice(len(small_scores), 5000, replace=False))
    names = small_scores.snp.gather(kept).to_list()
    names[10], names[11] = names[11], names[10]  # of other positions there
    names[20] = "rs_other"
    weights = LDScores(
        pl.Series(names),
        small_scores.chrom[kept],
        small_scores.pos[kept],
        ("L2",),
        small_scores.values[kept],
        {},
        "weights",
        (0,),
    )
    found: Panel = read_panel(small_scores, weights)
    place = {name: i for i, name in enumerate(names)}
    expected = [place.get(name, -1) for name in small_scores.snp.to_list()]
    there = np.array([i for i in expected if i >= 0])
    np.testing.assert_array_equal(found.rows, np.flatnonzero(np.array(expected) >= 0))
    np.testing.assert_array_equal(found.weight, weights.values[there, 0])
