"""What the rules of trust and the headline say of fits of two traits."""

import json

import numpy as np
import pytest

from bayesmixer.pair.rules import (
    GROWTH,
    RULES,
    TELLING,
    claimed_by_shape_alone,
    dominated,
    largest_part,
    numbers_not_shares,
    one_set_of_weights,
    overlap_not_identified,
    polygenicity_near_one,
    shared_samples,
    unpowered,
)
from bayesmixer.pair.words import headline
from bayesmixer.reporting.trust import low_power, unequal_n
from tests.pair.fabricate import make_pair_fit, with_overlap


def said(rule, fit, data=None):
    return list(rule(fit, data))


def test_nothing_but_the_panel_is_said_of_a_clean_fit(pair_data, pair_fit):
    found = [(rule.__name__, one[0]) for rule in RULES for one in rule(pair_fit, pair_data)]
    assert found == [("numbers_not_shares", "note")]
    (note,) = said(numbers_not_shares, pair_fit)
    assert "400,000 variants" in note[1]
    assert "n_shared" in note[2]


def test_a_trait_without_heritability_is_named(pair_data):
    fit = make_pair_fit(pair_data, draws=300)
    fit["posterior"]["h2"][..., 1] = np.random.default_rng(0).exponential(0.01, (1, 300))
    (one,) = said(unpowered, fit)
    assert one[0] == "stop"
    assert one[1].startswith("The heritability of asthma cannot be told from zero")


def test_a_small_study_is_named(pair_data, pair_fit):
    small = pair_data.assign(n=pair_data["n"] * np.array([1.0, 0.5]))
    (one,) = said(unpowered, pair_fit, small)
    assert one[:1] == ("caution",)
    assert "median N of asthma is 30,000" in one[1]


def test_polygenicity_near_one_and_forced_overlap(pair_data):
    fit = make_pair_fit(pair_data, draws=300, pi=np.array([0.7, 0.45]), t=0.5)
    sentences = [one[1] for one in said(polygenicity_near_one, fit)]
    assert sum("infinitesimal" in s for s in sentences) == 2
    assert any("sum to more than 1" in s for s in sentences)


def test_overlap_that_is_hardly_known_says_what_n_would_tell(pair_data):
    wide = make_pair_fit(pair_data, draws=800, spread=0.6)
    (alone,) = said(overlap_not_identified, wide)
    assert alone[0] == "caution"
    assert "hardly identified" in alone[1]
    assert "times as large" not in alone[2]
    known = with_overlap(wide, heights=(-1.5, 0.0, -0.5))
    ((_, _, remedy),) = said(overlap_not_identified, known)
    factor = (TELLING / 0.5) ** (1 / GROWTH)
    assert f"about {factor:.2f} times as large" in remedy
    assert "0.500 units" in remedy


@pytest.mark.parametrize(
    ("probability", "p", "doubts"), [(0.97, 0.2, 1), (0.97, 0.01, 0), (0.9, 0.2, 0)]
)
def test_a_claim_that_the_score_test_does_not_share_is_doubted(pair_fit, probability, p, doubts):
    """As where both traits are dense in the same regions and share nothing."""
    fit = with_overlap(pair_fit)
    fit["overlap"]["p_beyond_rg"] = probability
    fit["overlap"]["score_p_beyond_rg"] = p
    found = said(claimed_by_shape_alone, fit)
    assert len(found) == doubts
    assert all(one[0] == "caution" and f"p = {p:.3f}" in one[1] for one in found)
    assert said(claimed_by_shape_alone, pair_fit) == []


def test_errors_of_one_gwas_given_twice_stop(pair_data):
    (one,) = said(shared_samples, make_pair_fit(pair_data, rho_0=0.95, spread=0.01))
    assert one[0] == "stop"
    assert "twice" in one[1]


def test_rho_0_beyond_what_the_sample_sizes_allow(pair_data):
    """sqrt(60,000 / 100,000) = 0.775 where all people are shared and the phenotypes one."""
    fit = make_pair_fit(pair_data, rho_0=-0.84, spread=0.01)
    assert not said(shared_samples, fit)  # without data N is not known
    (one,) = said(shared_samples, fit, pair_data)
    assert one[0] == "caution"
    assert "more than 0.775" in one[1]
    assert not said(shared_samples, make_pair_fit(pair_data, rho_0=0.7), pair_data)


def locus(trait, pos):
    return {"trait": trait, "chrom": "19", "pos": pos, "snp": "rs1", "z": 40.0, "ld_block": 3}


@pytest.mark.parametrize(
    ("kept", "places", "heard"),
    [("keep", (100, 5000), True), ("exclude", (100, 5000), False), ("keep", (0, 9e6), False)],
)
def test_a_locus_that_dominates_both_traits(pair_data, kept, places, heard):
    loci = [locus(trait, pos) for trait, pos in zip(("height", "asthma"), places, strict=True)]
    data = pair_data.assign_attrs(dominant=kept, dominant_loci=json.dumps(loci))
    found = said(dominated, make_pair_fit(data, draws=50))
    assert bool(found) == heard
    if heard:
        assert "dominates both traits" in found[0][1]


def test_one_block_that_holds_most_of_what_is_common(pair_data, pair_fit):
    z = pair_data["z"].values.copy()
    block = int(pair_data["ld_block"].values[2000])
    inside = pair_data["ld_block"].values == block
    z[inside] = 25.0
    strong = pair_data.assign(z=(("variant", "trait"), z))
    share, label, place = largest_part(strong, 0.1)
    assert label == block
    assert share > 0.5
    (one,) = said(dominated, pair_fit, strong)
    assert f"LD block {block} ({place})" in one[1]
    w, product = pair_data["weight"].values, z.prod(axis=1) - 0.1
    part = np.abs(np.bincount(pair_data["ld_block"].values, w * product))
    assert share == pytest.approx(part[block] / part.sum())


def test_weight_of_variants_that_one_trait_lacks(pair_data, pair_fit):
    z = pair_data["z"].values.copy()
    z[::3, 1] = np.nan
    outer = pair_data.assign(z=(("variant", "trait"), z))
    (one,) = said(one_set_of_weights, pair_fit, outer)
    assert "asthma lacks" in one[1]
    for rule in RULES:  # none fails where a trait lacks variants
        said(rule, pair_fit, outer)


def test_rules_on_z_and_n_look_at_each_trait(pair_data, pair_fit):
    z = pair_data["z"].values.copy()
    z[:, 1] = np.random.default_rng(0).normal(size=len(z))
    quiet = pair_data.assign(z=(("variant", "trait"), z))
    (one,) = said(low_power, pair_fit, quiet)
    assert "z squared of asthma is" in one[1]
    n = pair_data["n"].values.copy()
    n[:1000, 0] = 20_000
    (one,) = said(unequal_n, pair_fit, pair_data.assign(n=(("variant", "trait"), n)))
    assert "of the variants of height have" in one[1]


def test_headline_tells_what_is_shared_and_claims_come_with_their_factor(pair_fit):
    sentences = headline(pair_fit)
    shared = pair_fit["posterior"]["n_shared"]
    assert sentences[0].startswith(f"height and asthma share {float(shared.mean()):,.0f} (")
    assert "requires" in sentences[1]
    assert sentences[2].startswith("Overlap beyond what the genetic correlation requires: ")
    assert "(probability 0.93, Bayes factor 13.2, prior 1/2)" in sentences[2]
    assert sum("SNP heritability" in s for s in sentences) == 2
    assert "rho_0" not in sentences[-1]
    assert "shared samples" in sentences[-1]


def test_without_weighed_ends_nothing_is_claimed(pair_data):
    assert not any("probability" in s for s in headline(make_pair_fit(pair_data, draws=20)))


def test_headline_of_the_infinitesimal_pair(pair_data):
    fit = make_pair_fit(pair_data, draws=20)
    kept = fit["posterior"].to_dataset()[["h2", "sigma2_0", "sigma2_beta", "rg", "rho_0"]]
    fit["posterior"] = fit["posterior"].__class__(kept)
    sentences = headline(fit)
    assert sentences[0].startswith("Their genetic correlation rg is")
    assert not any("causal" in s for s in sentences)
