"""What is said of a heritability in two steps, where the variants that the first leaves out are a
polygenic trait's and where they are a few loci.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import bayesmixer as bm
from bayesmixer.io.ld_score_files import LDScores
from bayesmixer.ldsc.one_trait import scattered

pytestmark = pytest.mark.filterwarnings("ignore:.*estimates are rough")

M, INTERCEPT = 1.17e6, 1.03


class Drawn:
    """LD scores as spread as those of European HapMap3 variants, and z of traits from the model."""

    def __init__(self, seed: int, variants: int = 32_000) -> None:
        self.rng = np.random.default_rng(seed)
        self.ld = self.rng.lognormal(2.87, 0.75, variants)
        self.snp = pl.Series([f"rs{i}" for i in range(variants)])
        counts = {"M_5_50": np.array([M]), "M": np.array([M])}
        place = np.arange(variants)
        self.scores = LDScores(
            self.snp,
            np.ones(variants, int),
            place,
            ("L2",),
            self.ld[:, None],
            counts,
            "drawn",
            (0,),
        )
        self.ones = replace(self.scores, values=np.ones((variants, 1)))

    def trait(self, h2: float, n: float, loci: int = 0) -> pl.DataFrame:
        """Of intercept 1.03, and `loci` variants that explain 0.15% of the variance each."""
        size = len(self.ld)
        noise = np.sqrt(INTERCEPT) * self.rng.standard_normal(size)
        z = np.sqrt(n * h2 * self.ld / M) * self.rng.standard_normal(size) + noise
        at = self.rng.choice(size, loci, replace=False)
        z[at] += np.sqrt(0.0015 * n) * self.rng.choice([-1, 1], loci)
        return pl.DataFrame({"SNP": self.snp, "A1": "A", "A2": "G", "Z": z, "N": n})

    def said(self, trait: pl.DataFrame, **options: object) -> list[str]:
        """The cautions on one."""
        found = bm.ldsc.h2(trait, self.scores, self.ones, **options)  # type: ignore[arg-type]
        told = json.loads(found.attrs["said"])
        return [f"{s['sentence']}. {s['remedy']}" for s in told if s["level"] == "caution"]


@pytest.mark.parametrize(("h2", "n"), [(0.15, 500_000.0), (0.3, 300_000.0)])
def test_where_the_cut_of_two_steps_bends_a_polygenic_trait_one_step_is_taken(
    h2: float, n: float
) -> None:
    drawn = Drawn(1)
    trait = drawn.trait(h2, n)
    (told,) = (one for one in drawn.said(trait, two_step=30) if "loci" in one)
    assert "no few loci" in told and "Read h2 and intercept of one step (two_step=None)" in told
    found = {}
    for step in (30, None):
        one = bm.ldsc.h2(trait, drawn.scores, drawn.ones, two_step=step)["estimate"].to_dataset()
        found[step] = {name: float(one[name]) for name in ("h2", "h2_se", "intercept")}
        assert f"{found[step]['h2']:.3g}" in told and f"{found[step]['intercept']:.3f}" in told
    # the truth lies at one step, which is not cautioned of in turn
    assert abs(found[None]["h2"] - h2) < 3 * found[None]["h2_se"]
    assert h2 - found[30]["h2"] > found[30]["h2_se"]
    assert not any("loci" in one for one in drawn.said(trait, two_step=None))
    # and is taken unless two are asked for
    taken = bm.ldsc.h2(trait, drawn.scores, drawn.ones)
    assert {name: float(taken["estimate"][name]) for name in found[None]} == found[None]
    assert np.isnan(taken.attrs["two_step"])
    (note,) = (s for s in json.loads(taken.attrs["said"]) if "loci" in s["sentence"])
    assert note["level"] == "note" and f"bend it to {found[30]['h2']:.3g}" in note["sentence"]
    like = bm.ldsc.h2(trait, drawn.scores, drawn.ones, like_ldsc=True)["estimate"]
    assert abs(float(like["h2"]) - found[30]["h2"]) < 0.1 * found[30]["h2_se"]


def test_few_loci_are_told_of_as_such() -> None:
    drawn = Drawn(2)
    for loci in (20, 30):
        (told,) = (one for one in drawn.said(drawn.trait(0.15, 100_000.0, loci)) if "loci" in one)
        assert "a few loci hold much of it" in told


@pytest.mark.parametrize(
    ("h2", "n"), [(0.0, 1e5), (0.3, 2e4), (0.15, 1e5), (0.3, 1e5), (0.05, 5e5)]
)
def test_nothing_is_said_of_the_cut_of_ordinary_traits(h2: float, n: float) -> None:
    drawn = Drawn(3)
    for _ in range(8):
        assert not any("loci" in one for one in drawn.said(drawn.trait(h2, n)))


def test_products_of_a_trait_that_the_cut_bends_are_in_one_step() -> None:
    drawn = Drawn(4)
    bent, other, third = (drawn.trait(h2, n) for h2, n in ((0.3, 3e5), (0.15, 1e5), (0.1, 1e5)))
    traits = [other, bent, third]
    told = bm.ldsc.rg(traits, drawn.scores, drawn.ones, two_step=30).attrs["said"]
    of_pair = [s for s in json.loads(told) if "and rg with it" in s["sentence"]]
    assert [s["subject"] for s in of_pair] == [
        "sumstats[0] and sumstats[1]",
        "sumstats[1] and sumstats[2]",
    ]
    assert all("the heritability of sumstats[1], and rg" in s["sentence"] for s in of_pair)
    assert "two_step=None" in of_pair[0]["remedy"]
    found = {
        step: bm.ldsc.rg(traits, drawn.scores, drawn.ones, two_step=step)
        for step in ("auto", 30, None)
    }
    assert all("and rg with it" not in found[step].attrs["said"] for step in ("auto", None))
    gencov, h2 = (
        {k: v["estimate"][name].values for k, v in found.items()} for name in ("gencov", "h2")
    )
    # pairs of the bent trait are those of one step, others of two, whatever they stand beside
    np.testing.assert_array_equal(h2["auto"], [h2[30][0], h2[None][1], h2[30][2]])
    assert gencov["auto"][0, 2] == gencov[30][0, 2] != gencov[None][0, 2]
    alone = bm.ldsc.rg([other, bent], drawn.scores, drawn.ones)["estimate"]["gencov"].values
    np.testing.assert_allclose(gencov["auto"][0, 1], alone[0, 1], rtol=1e-9)
    assert abs(gencov["auto"][0, 1] - gencov[30][0, 1]) > 0


def test_blocks_count_by_what_they_hold_beyond_the_cut() -> None:
    edges = np.array([0, 10, 20, 30, 40])
    chi2 = np.ones(40)
    assert scattered(chi2, 30.0, edges) == 0.0
    chi2[[3, 15, 25, 39]] = 40.0
    assert scattered(chi2, 30.0, edges) == pytest.approx(4.0)
    chi2[0:10] = 40.0  # ten of thirteen in one block
    assert scattered(chi2, 30.0, edges) == pytest.approx(13**2 / (10**2 + 3))
