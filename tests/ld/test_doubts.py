"""What is no GWAS is refused before it is fitted, what will hardly do is said, each with its cause;
whole GWAS pass in silence.
"""

import numpy as np
import pytest
from scipy.stats import norm

from bayesmixer import read_sumstats
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.io.plausible import cut_off
from bayesmixer.ld.align import align
from bayesmixer.ld.doubts import doubts
from tests.ld.align_panel import panel, sumstats

REFERENCE = panel({"21": 3000})
PLAIN = sumstats(REFERENCE)


def whole(kind, m, seed):
    """z-scores of a whole GWAS."""
    rng = np.random.default_rng(seed)
    scale = {
        "noise": np.ones(m),
        "infinitesimal": np.sqrt(1 + rng.exponential(1.0, m)),
        "sparse": np.where(rng.random(m) < 0.01, 15.0, 1.0),
        "powered": np.sqrt(1 + rng.exponential(10.0, m)),
        "deflated": np.full(m, 0.8),
    }[kind]
    return np.round(rng.standard_normal(m) * scale, 3)


@pytest.mark.parametrize("kind", ["noise", "infinitesimal", "sparse", "powered", "deflated"])
@pytest.mark.parametrize("m", [12, 400, 20_000])
def test_whole_gwas_are_not_taken_for_chosen_variants(kind, m):
    assert [cut_off(whole(kind, m, seed)) for seed in range(10)] == [None] * 10


@pytest.mark.parametrize("kind", ["infinitesimal", "sparse", "powered"])
@pytest.mark.parametrize(("p", "m"), [(5e-8, 40), (1e-3, 73), (0.05, 300), (0.5, 1000)])
def test_files_cut_at_any_p_are_recognised_however_few(kind, p, m):
    z = whole(kind, 400_000, 1)
    found = cut_off(z[2 * norm.sf(np.abs(z)) < p][:m])
    assert found is not None
    assert "chosen by their P value" in found


def test_top_hits_are_warned_of_when_read_and_refused_when_aligned(tmp_path):
    keep = np.arange(0, 3000, 40)
    z = np.random.default_rng(0).choice([-1, 1], keep.size) * (
        5.5 + np.random.default_rng(1).exponential(1.5, keep.size)
    )
    hits = PLAIN.isel(variant=keep).assign(z=("variant", z))
    with pytest.raises(
        InputError,
        match=r"made.txt: next to no variant has P above .* top hits.*full summary statistics",
    ):
        align(hits, REFERENCE)
    path = tmp_path / "hits.tsv"
    hits.to_dataframe()[["snp", "a1", "a2", "z", "n"]].to_csv(path, sep="\t", index=False)
    with pytest.warns(DataWarning, match="hits.tsv: next to no variant has P above"):
        read_sumstats(path, keep_ambiguous=True)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("z", 0.0, "z-scores are 0"),
        ("z", 1.3, "z-scores are 1.3"),
        ("n", 3.0, "median sample size is 3"),
    ],
)
def test_constant_z_and_tiny_n_are_refused_by_name(column, value, words):
    with pytest.raises(InputError, match=f"made.txt.*{words}"):
        align(PLAIN.assign({column: ("variant", np.full(3000, value))}), REFERENCE)


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (0.75**0.5, "mean of z.2 is 0.7.*genomic control"),
        (1.0, r"mean of z.2 is (0.9|1.0)\d+, hardly above"),
    ],
)
def test_z_scores_of_no_more_variance_than_chance_are_warned_of(factor, words):
    with pytest.warns(DataWarning, match=words):
        data = align(PLAIN.assign(z=PLAIN["z"] * factor), REFERENCE, weights="none")
    assert "mean of z^2" in data.attrs["overlap"]


def test_alignment_that_keeps_a_handful_says_so_with_the_reasons():
    said = doubts(
        np.ones((40, 1)),
        np.zeros(40),
        {"a": 5000},
        {"not_in_reference": 4900, "ambiguous": 60, "duplicate": 0},
        ["a"],
    )
    assert said[0].startswith(
        "Only 40 of 5,000 variants that could be shared are left (not_in_reference 4,900, "
        "ambiguous 60)"
    )
    assert said[1].startswith(
        "Only 40 variants are left (not_in_reference 4,900, ambiguous 60), too few"
    )
    assert doubts(np.ones((4000, 1)), np.zeros(4000), {"a": 5000}, {}, ["a"]) == []


def test_one_gwas_given_twice_is_said_and_two_are_not():
    z = np.random.default_rng(3).standard_normal((500, 2))
    told = {"possible": {"a": 500, "b": 500}, "filters": {}, "traits": ["a", "b"]}
    assert not doubts(z, np.ones(500), **told)
    z[:, 1] = z[:, 0]
    z[:9, 1] = np.nan  # seen in one alone
    (said,) = doubts(z, np.ones(500), **told)
    assert said.startswith("a and b have the same z-score at every variant")
    assert not doubts(-z * [1, -1], np.ones(500), **told)
