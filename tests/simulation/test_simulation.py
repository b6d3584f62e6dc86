"""Simulated z-scores against the moments and identities that define them, genotypes against the map
and frequencies asked for, and files.
"""

import gzip
import math
import sys
from pathlib import Path

import mpmath
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from bed_reader import open_bed, to_bed

import bayesmixer.simulation.files as simulation_files
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.simulation.effects import LAWS, architecture
from bayesmixer.simulation.files import sumstats_bytes
from bayesmixer.simulation.genotypes import (
    block_ends,
    demography,
    recombination_map,
    simulate_chromosome,
)
from bayesmixer.simulation.panel import PanelBlocks, panel_blocks, simulate_z
from bayesmixer.simulation.simulate import simulate

SMALL = {
    "chromosomes": 2,
    "chromosome_length": 400_000,
    "samples": 50,
    "density": 200,
    "block_length": 100_000,
    "show": False,
}
BIM = ["chrom", "snp", "cm", "pos", "a1", "a2"]


def panel_of(dosage, edges):
    """A panel from dosages (variant, sample), negative where missing."""
    called = np.where(dosage < 0, np.nan, dosage)
    freq = np.nanmean(called, axis=1) / 2
    m = len(dosage)
    variants = pd.DataFrame(
        {
            "snp": [f"v{i}" for i in range(m)],
            "chrom": "1",
            "pos": 100 * np.arange(1, m + 1),
            "cm": 0.0,
            "a1": "A",
            "a2": "G",
            "freq": freq,
            "heterozygosity": 2 * freq * (1 - freq),
        }
    )
    return PanelBlocks(variants, dosage.astype(np.int8), np.asarray(edges))


@pytest.fixture(scope="module")
def panel():
    """24 variants in two LD blocks of 12, 80 samples, in strong LD with neighbours of very
    different frequencies.
    """
    rng = np.random.default_rng(5)
    shared = (
        rng.standard_normal((2, 12, 2, 80)).cumsum(axis=1)
        / np.sqrt(np.arange(1, 13))[:, None, None]
    )
    threshold = np.linspace(-1.3, 0.9, 12)[:, None, None]
    dosage = (shared > threshold).sum(axis=2).reshape(24, 80)
    assert (dosage.std(axis=1) > 0).all()
    return panel_of(dosage, [0, 12, 24])


@pytest.fixture(scope="module")
def correlation(panel):
    """In-sample LD of the two blocks, 0 between them."""
    r = np.corrcoef(panel.dosage.astype(float))
    r[:12, 12:] = r[12:, :12] = 0
    return r


@pytest.mark.parametrize(("maf_s", "n_spread"), [(0.0, 0.0), (-0.7, 0.0), (0.4, 0.5)])
def test_mean_square_of_z_is_noise_plus_n_times_the_causal_variance_of_the_partners(
    panel, correlation, maf_s, n_spread
):
    h2, pi, n, sigma2_0 = 0.3, 0.2, 500.0, 1.3
    sim = simulate_z(
        panel,
        architecture("univariate", h2, pi, maf_s=maf_s),
        [n],
        [sigma2_0],
        rng=np.random.default_rng(1),
        n_spread=n_spread,
        replicates=6000,
    )
    h = panel.heterozygosity
    sigma2_beta = h2 / (pi * (h ** (1 + maf_s)).sum())
    size = sim["n"].to_numpy()[:, 0]
    expected = sigma2_0 + size * (pi * sigma2_beta * (correlation**2 @ h ** (1 + maf_s)))
    square = sim["z"].to_numpy()[:, :, 0] ** 2
    error = (square.mean(axis=0) - expected) / (square.std(axis=0) / np.sqrt(len(square)))
    assert np.abs(error).max() < 4.5
    # the test can tell S apart: the variance under S = 0 is far off
    if maf_s:
        wrong = sigma2_0 + size * h2 / h.sum() * (correlation**2 @ h)
        assert (
            np.abs(
                (square.mean(axis=0) - wrong) / (square.std(axis=0) / np.sqrt(len(square)))
            ).max()
            > 6
        )
    assert np.all(size <= n)
    assert np.all(size >= n * (1 - n_spread))
    assert (np.ptp(size) > 0.3 * n) == (n_spread > 0)


def test_noise_of_two_traits_has_the_panels_ld_within_blocks_and_none_between(panel, correlation):
    sigma2_0, rho_0, count = np.array([1.4, 0.8]), 0.35, 5_000
    sim = simulate_z(
        panel,
        architecture("infinitesimal", [1e-9, 1e-9]),
        [10, 10],
        sigma2_0,
        rho_0,
        rng=np.random.default_rng(2),
        replicates=count,
        show=False,
    )
    z = sim["z"].to_numpy()
    cross = np.array([[1, rho_0], [rho_0, 1]])
    for t in (0, 1):
        for u in (0, 1):
            scale = np.sqrt(sigma2_0[t] * sigma2_0[u])
            found = z[:, :, t].T @ z[:, :, u] / count
            expected = scale * cross[t, u] * correlation
            se = scale * np.sqrt((1 + (cross[t, u] * correlation) ** 2) / count)
            assert np.abs((found - expected) / se).max() < 5


def test_without_noise_z_is_root_n_times_ld_times_scaled_effects(panel, correlation):
    sim = simulate_z(
        panel, architecture("two_component", 0.4, [0.3, 0.1], share_large=0.6), [900.0], [1e-16],
        rng=np.random.default_rng(3), n_spread=0.4, replicates=5, keep_effects=True,
    )  # fmt: skip
    beta, size = sim["beta"].to_numpy()[:, :, 0], sim["n"].to_numpy()[:, 0]
    expected = np.sqrt(size) * ((np.sqrt(panel.heterozygosity) * beta) @ correlation)
    np.testing.assert_allclose(sim["z"].to_numpy()[:, :, 0], expected, atol=2e-5)
    gamma = np.sqrt(panel.heterozygosity) * beta
    np.testing.assert_allclose(
        sim["h2_realised"].to_numpy()[:, 0],
        np.einsum("ri,ij,rj->r", gamma, correlation, gamma),
        rtol=1e-4,
    )
    assert np.array_equal((beta != 0).sum(axis=1), sim["n_causal"].to_numpy().sum(axis=1))


@pytest.mark.parametrize("flipped", [False, True])
def test_a_lone_causal_variant_gives_each_variant_its_correlation_with_the_effect_alleles_count(
    flipped,
):
    rng = np.random.default_rng(4)
    first = rng.binomial(2, 0.3, 200)
    dosage = np.array(
        [
            np.where(rng.random(200) < keep, first, rng.binomial(2, 0.3, 200))
            for keep in (1, 0.9, 0.7, 0.5, 0.3)
        ]
    )
    if flipped:  # counting the other allele turns the sign of its correlations
        dosage[1] = 2 - dosage[1]
    r, sample = np.corrcoef(dosage), panel_of(dosage, [0, 5])
    sim = simulate_z(
        sample,
        architecture("univariate", 0.5, 0.1),
        [100.0],
        [1e-16],
        rng=rng,
        replicates=200,
        keep_effects=True,
    )
    lone = np.flatnonzero(sim["n_causal"].to_numpy()[:, 0] == 1)
    seen = set()
    for k in lone:
        beta = sim["beta"].to_numpy()[k, :, 0]
        causal = int(np.flatnonzero(beta)[0])
        seen.add((causal, bool(beta[causal] > 0)))
        scale = 10 * beta[causal] * np.sqrt(sample.heterozygosity[causal])
        np.testing.assert_allclose(sim["z"].to_numpy()[k, :, 0] / scale, r[causal], atol=1e-5)
    assert (r[1, 0] > 0) != flipped
    assert len(seen) == 10  # every variant, with effects of both signs


def test_mean_square_effect_is_proportional_to_heterozygosity_to_the_power_s():
    h = np.array([0.02, 0.1, 0.25, 0.5])
    pi, s, h_total = 0.5, -0.8, 7.0
    beta, component = architecture("univariate", 0.2, pi, maf_s=s).draw(
        h, h_total, 40_000, np.random.default_rng(6)
    )
    square = beta[:, :, 0] ** 2
    expected = 0.2 / h_total * h**s
    se = square.std(axis=1) / np.sqrt(square.shape[1])
    assert np.abs((square.mean(axis=1) - expected) / se).max() < 4.5
    assert np.array_equal(component == -1, square == 0)


def test_bivariate_effects_have_the_asked_genetic_covariance_and_unique_variants_touch_one_trait(
    panel,
):
    pi, h2, rho = (0.1, 0.05, 0.2), (0.3, 0.2), -0.5
    effects = architecture("bivariate", h2, pi, rho_beta=rho)
    rg = rho * pi[2] / math.sqrt((pi[0] + pi[2]) * (pi[1] + pi[2]))
    expected = np.array(
        [[h2[0], rg * math.sqrt(h2[0] * h2[1])], [rg * math.sqrt(h2[0] * h2[1]), h2[1]]]
    )
    np.testing.assert_allclose(effects.genetic_covariance(), expected)
    sim = simulate_z(panel, effects, [100, 100], rng=np.random.default_rng(7), replicates=8000)
    realised = sim["genetic_covariance"].to_numpy()
    assert (
        np.abs(
            (realised.mean(axis=0) - expected) / (realised.std(axis=0) / np.sqrt(len(realised)))
        ).max()
        < 4.5
    )
    beta, component = effects.draw(panel.heterozygosity, 10.0, 500, np.random.default_rng(8))
    touched = beta != 0
    for c, pattern in enumerate([(True, False), (False, True), (True, True)]):
        assert (touched[component == c] == pattern).all()
        assert abs((component == c).mean() - pi[c]) < 5 * math.sqrt(pi[c] / component.size)


@pytest.mark.parametrize(
    ("law", "whole"),
    [
        ("gaussian", scipy.stats.norm()),
        ("laplace", scipy.stats.laplace(scale=math.sqrt(0.5))),
        ("t5", scipy.stats.t(5, scale=math.sqrt(0.6))),
    ],
)
def test_effects_of_every_law_have_its_distribution_the_same_variance_and_correlation(law, whole):
    pi, h2, rho = (0.1, 0.05, 0.4), (0.3, 0.2), -0.5
    effects = architecture("bivariate", h2, pi, rho_beta=rho, law=law)
    h_total, h = 7.0, np.full(400, 0.3)
    beta, component = effects.draw(h, h_total, 300, np.random.default_rng(11))
    unit = beta / np.sqrt(np.array(h2) / ((pi[2] + np.array(pi[:2])) * h_total))
    for trait, of in ((0, (0, 2)), (1, (1, 2))):
        mine = unit[np.isin(component, of), trait]
        assert scipy.stats.kstest(mine, whole.cdf).pvalue > 1e-3
        assert abs(np.mean(mine**2) - 1) < 4.5 * np.std(mine**2) / math.sqrt(mine.size)
        if law == "laplace":  # the fourth moment of t5 has no variance
            fourth = mine**4
            assert abs(fourth.mean() - 6) < 4.5 * fourth.std() / math.sqrt(mine.size)
    product = unit[component == 2].prod(axis=1)
    assert abs(product.mean() - rho) < 4.5 * product.std() / math.sqrt(product.size)
    kurtosis = {name: 3 + excess for name, excess in LAWS.items()}[law]
    assert 3 + float(whole.stats("k")) == pytest.approx(kurtosis)


def test_both_traits_crowd_in_the_same_tenth_of_the_blocks_and_pi_and_h2_stay():
    rng = np.random.default_rng(12)
    sizes = rng.integers(4, 9, 60)
    panel = panel_of(rng.binomial(2, 0.4, (sizes.sum(), 40)), np.r_[0, sizes.cumsum()])
    pi, count, fold = (0.03, 0.02, 0.05), 400, 5.0
    effects = architecture("bivariate", [0.3, 0.2], pi, enrichment=fold)
    sim = simulate_z(
        panel, effects, [100, 100], rng=rng, replicates=count, keep_effects=True, show=False
    )
    density = sim["density"].to_numpy()
    inside = density > 1
    assert (inside.sum(axis=1) == 6).all()
    np.testing.assert_allclose(density[inside], fold)
    np.testing.assert_allclose(density @ sizes, sizes.sum())
    assert len(np.unique(inside, axis=0)) > count / 2  # other blocks in other replicates
    causal = sim["beta"].to_numpy() != 0
    share = np.repeat(inside, sizes, axis=1)
    for trait, total in enumerate((0.08, 0.07)):
        crowd = causal[:, :, trait][share].mean()
        assert abs(crowd - fold * total) < 5 * math.sqrt(fold * total / share.sum())
        whole = causal[:, :, trait].mean(axis=1)
        assert abs(whole.mean() - total) < 4.5 * whole.std() / math.sqrt(count)
    h2 = sim["h2_realised"].to_numpy()
    assert (np.abs(h2.mean(axis=0) - [0.3, 0.2]) < 4.5 * h2.std(axis=0) / math.sqrt(count)).all()
    even = simulate_z(panel, architecture("univariate", 0.3, 0.1), [100], rng=rng, show=False)
    assert (even["density"] == 1).all()


def test_two_component_effects_share_h2_as_asked():
    effects = architecture("two_component", 0.5, [0.02, 0.001], share_large=0.3)
    sigma2 = effects.covariance(20.0)[:, 0, 0]
    np.testing.assert_allclose(sigma2 * effects.pi * 20.0, [0.35, 0.15])
    assert effects.polygenicity == pytest.approx([0.021])


def test_realised_h2_is_the_asked_one_within_its_error(panel):
    realised = simulate_z(
        panel,
        architecture("infinitesimal", 0.3),
        [100],
        rng=np.random.default_rng(9),
        replicates=3000,
    )["h2_realised"].to_numpy()
    assert abs(realised.mean() - 0.3) < 4.5 * realised.std() / math.sqrt(realised.size)


def test_missing_genotypes_count_as_the_mean_and_monomorphic_variants_get_zero():
    rng = np.random.default_rng(10)
    dosage = rng.binomial(2, 0.4, (4, 30))
    dosage[1] = 2
    dosage[2, :7] = -127
    panel = panel_of(dosage, [0, 4])
    x = np.where(dosage < 0, np.nan, dosage).astype(float)
    x = np.nan_to_num(x - np.nanmean(x, axis=1, keepdims=True))
    expected = x / np.where(x.std(axis=1) > 0, x.std(axis=1), 1)[:, None]
    np.testing.assert_allclose(panel.standardised(0), expected, atol=1e-6)
    sim = simulate_z(panel, architecture("infinitesimal", 0.5), [1000], rng=rng)
    z = sim["z"].to_numpy()[0, :, 0]
    assert z[1] == 0
    assert (z[[0, 2, 3]] != 0).all()
    assert int(sim["n_causal"][0, 0]) == 3
    text = gzip.decompress(sumstats_bytes(panel, z, sim["n"].to_numpy()[:, 0])).decode()
    assert [line.split("\t")[0] for line in text.splitlines()] == ["SNP", "v0", "v2", "v3"]


@pytest.mark.parametrize("z", [0.0, 1.96, -8.5, 37.0, 60.0, -120.0])
def test_p_of_the_file_is_the_two_sided_normal_p_even_where_a_double_underflows(panel, z):
    one = panel_of(panel.dosage[:1], [0, 1])
    row = (
        gzip.decompress(sumstats_bytes(one, np.array([z]), np.array([5e4])))
        .decode()
        .splitlines()[1]
        .split("\t")
    )
    mpmath.mp.dps = 30
    truth = mpmath.erfc(abs(z) / mpmath.sqrt(2))
    assert abs(mpmath.mpf(row[8]) / truth - 1) < 1e-4
    assert float(row[6]) / float(row[7]) == pytest.approx(z, rel=1e-5)
    f = one.variants["freq"][0]
    assert float(row[7]) == pytest.approx(1 / math.sqrt(5e4 * 2 * f * (1 - f)), rel=1e-5)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    out = tmp_path_factory.mktemp("simulated")
    return simulate(
        out,
        model="bivariate",
        h2=[0.3, 0.2],
        pi=[0.05, 0.05, 0.1],
        rho_beta=0.4,
        n=[5000, 3000],
        n_spread=0.2,
        seed=3,
        **SMALL,
    )


def test_files_agree_with_the_panel_and_the_truth(files):
    bim = pd.read_csv(f"{files.genotypes}.bim", sep="\t", header=None, names=BIM)
    dosage = open_bed(f"{files.genotypes}.bed").read(dtype="float64")
    assert dosage.shape == (50, 160)
    assert bim["chrom"].value_counts().to_dict() == {1: 80, 2: 80}
    truth = files.read_truth()
    for t, path in enumerate(files.sumstats.values()):
        table = pd.read_csv(path, sep="\t")
        assert list(table.columns) == [
            "SNP",
            "CHR",
            "BP",
            "A1",
            "A2",
            "EAF",
            "BETA",
            "SE",
            "P",
            "N",
        ]
        assert (
            table[["SNP", "A1", "A2", "BP"]].to_numpy()
            == bim[["snp", "a1", "a2", "pos"]].to_numpy()
        ).all()
        # the effect allele is the one that the bed file counts
        np.testing.assert_allclose(table["EAF"], dosage.mean(axis=0) / 2, rtol=1e-5)
        assert np.mean((table["BETA"] / table["SE"]) ** 2) == pytest.approx(
            truth["mean_chi2"][t], rel=1e-4
        )
        assert table["N"].between(*[(4000, 5000), (2400, 3000)][t]).all()
        assert table["N"].nunique() > 20
    assert truth["polygenicity"] == pytest.approx([0.15, 0.15])
    assert truth["rg"] == pytest.approx(0.4 * 0.1 / 0.15)


def test_z_of_the_file_is_what_the_panel_and_the_effects_make_of_it(tmp_path, files):
    """Simulating with almost no noise: z must lie in the span of the panel's LD with the sign of
    the counted allele.
    """
    made = simulate(
        tmp_path,
        model="infinitesimal",
        h2=0.5,
        n=1e6,
        sigma2_0=1e-12,
        genotypes=files.genotypes,
        ld_blocks=files.ld_blocks,
        seed=2,
        digits=12,
    )
    table = pd.read_csv(made.sumstats["trait1"], sep="\t")
    panel = panel_blocks(files.genotypes, files.ld_blocks)
    dosage = open_bed(f"{files.genotypes}.bed").read(dtype="float64")
    z = (table["BETA"] / table["SE"]).to_numpy()
    total = 0.0
    for start, stop in zip(panel.edges[:-1], panel.edges[1:], strict=True):
        x = dosage[:, start:stop] - dosage[:, start:stop].mean(axis=0)
        x /= x.std(axis=0)
        r = x.T @ x / 50
        gamma = np.linalg.pinv(r, rcond=1e-6) @ z[start:stop] / 1e3
        np.testing.assert_allclose(r @ gamma * 1e3, z[start:stop], atol=0.02 * np.abs(z).max())
        total += gamma @ r @ gamma
    assert total == pytest.approx(made.read_truth()["h2_realised"][0], rel=0.02)
    assert {p.name for p in tmp_path.iterdir()} == {"trait1.txt.gz", "truth.json"}


def contents(folder):
    return {p.name: p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def test_same_seed_gives_the_same_bytes_also_after_an_interruption_and_another_seed_does_not(
    tmp_path, monkeypatch
):
    whole = simulate(tmp_path / "a", seed=1, pi=0.2, **SMALL).directory
    finished = []

    def interrupted(*arguments, **named):
        if finished:
            raise KeyboardInterrupt
        finished.append(1)
        return simulate_chromosome(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr("bayesmixer.simulation.genotypes.simulate_chromosome", interrupted)
        with pytest.raises(KeyboardInterrupt):
            simulate(tmp_path / "b", seed=1, pi=0.2, **SMALL)
    assert [p.name for p in (tmp_path / "b").iterdir()] == [".partial"]
    calls = []
    with monkeypatch.context() as patch:
        patch.setattr(
            "bayesmixer.simulation.genotypes.simulate_chromosome",
            lambda *a, **k: calls.append(1) or simulate_chromosome(*a, **k),
        )
        simulate(tmp_path / "b", seed=1, pi=0.2, **SMALL)
    assert len(calls) == 1
    assert contents(whole) == contents(tmp_path / "b")
    other = contents(simulate(tmp_path / "c", seed=2, pi=0.2, **SMALL).directory)
    assert all(
        other[name] != content
        for name, content in contents(whole).items()
        if name != "genotypes.fam"
    )


def test_a_panel_cut_into_a_fileset_per_chromosome_gives_the_same_z(tmp_path, files):
    bim = pd.read_csv(f"{files.genotypes}.bim", sep="\t", header=None, names=BIM)
    dosage = open_bed(f"{files.genotypes}.bed").read(dtype="int8")
    for c in (1, 2):
        rows = (bim["chrom"] == c).to_numpy()
        part = bim[rows]
        to_bed(
            tmp_path / f"part{c}.bed",
            dosage[:, rows],
            properties={
                "sid": part["snp"].to_numpy(), "chromosome": part["chrom"].astype(str).to_numpy(),
                "bp_position": part["pos"].to_numpy(), "allele_1": part["a1"].to_numpy(),
                "allele_2": part["a2"].to_numpy(),
            },
        )  # fmt: skip
    one = simulate(
        tmp_path / "one", pi=0.2, genotypes=files.genotypes, ld_blocks=files.ld_blocks, seed=4
    )
    two = simulate(
        tmp_path / "two",
        pi=0.2,
        genotypes=str(tmp_path / "part{chrom}"),
        ld_blocks=files.ld_blocks,
        seed=4,
    )
    assert one.sumstats["trait1"].read_bytes() == two.sumstats["trait1"].read_bytes()
    third = simulate(
        tmp_path / "three",
        pi=0.2,
        genotypes=files.genotypes,
        ld_blocks=files.ld_blocks,
        chromosomes=[2],
        seed=4,
    )
    assert set(pd.read_csv(third.sumstats["trait1"], sep="\t")["CHR"]) == {2}


def test_no_causal_variant_is_said_in_a_warning(tmp_path, files):
    with pytest.warns(DataWarning, match="no causal variant"):
        simulate(tmp_path, pi=1e-9, genotypes=files.genotypes, ld_blocks=files.ld_blocks)


def test_nothing_is_left_half_written_when_writing_fails(tmp_path, files, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(simulation_files.os, "replace", full)
    with pytest.raises(InputError, match="No space"):
        simulate(tmp_path, pi=0.2, genotypes=files.genotypes, ld_blocks=files.ld_blocks)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["truth.json", "trait1.txt.gz", "genotypes.bed", "ld_blocks.bed"])
def test_files_that_no_simulation_wrote_stay(tmp_path, name):
    (tmp_path / name).write_text('{"somebody": "else"}')
    for overwrite in (False, True):
        with pytest.raises(
            InputError, match=f"{name}: is there already and no simulation wrote it: it stays"
        ):
            simulate(tmp_path, overwrite=overwrite, **SMALL)
    assert contents(tmp_path) == {name: b'{"somebody": "else"}'}


# genotypes


def test_recombination_map_has_the_human_mean_rate_and_most_of_it_in_hotspots():
    length = 20_000_000
    position, rate = recombination_map(length, np.random.default_rng(1))
    width = np.diff(position)
    assert position[0] == 0
    assert position[-1] == length
    assert (rate * width).sum() == pytest.approx(1.2e-8 * length, rel=1e-12)
    hot = rate > 1.01 * rate.min()
    background = rate.min() * length
    assert 1 - background / (rate * width).sum() == pytest.approx(0.6, rel=1e-9)
    assert 0.02 < width[hot].sum() / length < 0.06
    assert width[hot] == pytest.approx(np.full(hot.sum(), 2000))


def test_ld_blocks_end_in_the_hottest_interval_near_their_equal_division():
    position = np.array([0, 40_000, 42_000, 95_000, 97_000, 200_000.0])
    rate = np.array([1, 9, 1, 30, 1.0]) * 1e-8
    assert block_ends(position, rate, 100_000).tolist() == [96_000, 200_000]
    assert block_ends(position, rate, 1e9).tolist() == [200_000]


def test_demography_is_that_of_tennessen_2012():
    size = {
        t: demography().debug().population_size_trajectory([t])[0, 0]
        for t in (0, 204.7, 919, 921, 2039, 2041, 5919, 5921)
    }
    # Tennessen et al. 2012: 1,032 Europeans at 920 generations ago, 9,279 when fast growth sets in,
    # some 512,000 today
    assert size[919] == pytest.approx(1032, rel=0.01)
    assert size[204.7] == pytest.approx(9279, rel=0.01)
    assert size[0] == pytest.approx(501_436, rel=0.01)
    assert (size[921], size[2039], size[2041], size[5919], size[5921]) == (
        1861,
        1861,
        14474,
        14474,
        7310,
    )


def test_chromosome_has_the_asked_density_and_frequencies_and_ld_that_decays():
    c = simulate_chromosome(2_000_000, 150, 300, 0.05, 250_000, np.random.SeedSequence(3))
    assert c.dosage.shape == (600, 150)
    f = c.dosage.mean(axis=1) / 2
    assert ((f >= 0.05) & (f <= 0.5)).all()  # the counted allele is the minor one
    assert (np.diff(c.pos) > 0).all()
    assert (np.diff(c.cm) >= 0).all()
    assert c.cm[-1] <= 2.4 + 1e-9
    assert not {"AT", "TA", "CG", "GC"} & {a + b for a, b in zip(c.a1, c.a2, strict=True)}
    r2 = np.corrcoef(c.dosage.astype(float)) ** 2
    distance = np.abs(c.pos[:, None] - c.pos)
    near, far = r2[(distance > 0) & (distance < 20_000)].mean(), r2[distance > 1_000_000].mean()
    assert near > 0.15  # 1000 Genomes Europeans at HapMap3 variants: 0.2 to 0.3
    assert far < 2 / 150  # 1/n by chance
    assert c.block_ends[-1] == 2_000_000
    assert len(c.block_ends) == 8


# bad input


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model": "mixer"}, "model: 'mixer', expected one of infinitesimal, univariate"),
        ({"h2": 0}, "h2: found 0, expected above 0"),
        ({"h2": 1.2}, "h2: found 1.2"),
        ({"h2": "much"}, "h2: found 'much'"),
        ({"h2": [0.1, 0.2]}, "h2: found 2 values, but model 'univariate' takes 1 value"),
        ({"h2": float("nan")}, "h2: found nan, expected finite"),
        ({"law": "cauchy"}, "law: 'cauchy', expected one of gaussian, laplace, t5"),
        ({"enrichment": 0.5}, "enrichment: found 0.5, expected between 1 and 10"),
        ({"pi": 0.3, "enrichment": 5}, "enrichment: found 5, but 0.3 of all variants are causal"),
        (
            {"model": "infinitesimal", "enrichment": 2},
            "enrichment: every variant is causal",
        ),
        ({"pi": 0}, "pi: found 0, expected a share"),
        ({"pi": 1.5}, "pi: found 1.5"),
        ({"model": "infinitesimal", "pi": 0.1}, "pi: not a parameter of model 'infinitesimal'"),
        ({"model": "two_component", "pi": [0.1, 0.2]}, "share_large: missing"),
        (
            {"model": "two_component", "pi": [0.6, 0.6], "share_large": 0.5},
            "pi: the shares add up to 1.2",
        ),
        ({"model": "two_component", "pi": [0.1, 0.2], "share_large": 1}, "share_large: found 1"),
        (
            {"model": "bivariate", "h2": [0.1, 0.1], "pi": [0.1, 0.1]},
            "pi: found 2 values, but model 'bivariate' takes 3",
        ),
        (
            {"model": "bivariate", "h2": [0.1, 0.1], "pi": [0.1, 0, 0]},
            "one of the traits would have no causal",
        ),
        (
            {"model": "bivariate", "h2": [0.1, 0.1], "pi": [0.1, 0.1, 0.1], "rho_beta": 2},
            "rho_beta: found 2, expected between",
        ),
        ({"model": "infinitesimal", "h2": [0.1, 0.1], "rg": -1.1}, "rg: found -1.1"),
        ({"model": "infinitesimal", "rg": 0.2}, "rg: needs two traits"),
        ({"maf_s": 9}, "maf_s: found 9, expected between -2 and 2"),
        ({"n": -5}, "n: found -5, expected a sample size"),
        ({"n": [10, 20]}, "n: found 2 values, but there is one trait"),
        ({"sigma2_0": 0}, "sigma2_0: found 0, expected a variance above 0"),
        ({"rho_0": 0.2}, "rho_0: found 0.2, but there is one trait"),
        ({"n_spread": 1}, "n_spread: found 1, expected from 0 to below 1"),
        ({"traits": ["a", "b"]}, "traits: found a, b, expected 1 different name"),
        ({"traits": "../evil"}, "traits: found '../evil'"),
        ({"seed": -1}, "seed: -1, expected a whole number"),
        ({"seed": 1.5}, "seed: 1.5"),
        ({"chromosomes": 0}, "chromosomes: 0, expected a whole number from 1 to 22"),
        ({"chromosomes": [21, 22]}, "expected how many to simulate"),
        ({"samples": 3}, "samples: 3"),
        ({"density": 0}, "density: found 0"),
        ({"density": 50_000}, "density: 20000 variants asked for (density 50000 per Mb), but only"),
        ({"min_maf": 0.6}, "min_maf: found 0.6, expected from 0 to below 0.5"),
        ({"block_length": 10}, "block_length: found 10"),
        ({"genotypes": "panel"}, "ld_blocks: missing"),
        ({"genotypes": "nowhere/panel", "ld_blocks": "nowhere.bed"}, "nowhere.bed: no such file"),
    ],
)
def test_bad_arguments_are_told_in_one_line_and_nothing_is_written(tmp_path, arguments, words):
    given = SMALL | arguments
    with pytest.raises(InputError) as caught:
        simulate(tmp_path / "out", **given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_a_simulation_is_not_replaced_unless_asked(files):
    before = contents(files.directory)
    with pytest.raises(InputError, match="already holds a simulation"):
        simulate(files.directory, **SMALL)
    assert contents(files.directory) == before


def test_an_interrupted_replacement_does_not_pass_for_a_complete_simulation(
    tmp_path, files, monkeypatch
):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    panel = {"genotypes": files.genotypes, "ld_blocks": files.ld_blocks, "pi": 0.2}
    simulate(tmp_path, **panel)
    with monkeypatch.context() as patch:
        patch.setattr("bayesmixer.simulation.files.sumstats_bytes", interrupted)
        with pytest.raises(KeyboardInterrupt):
            simulate(tmp_path, overwrite=True, seed=2, **panel)
    assert not (tmp_path / "truth.json").exists()
    second = simulate(tmp_path, seed=2, **panel)
    assert second.read_truth()["seed"] == 2


def test_missing_msprime_is_told_with_its_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "msprime", None)
    with pytest.raises(InputError, match=r"pip install 'bayesmixer\[simulate\]'"):
        simulate(tmp_path / "out", **SMALL)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_blocks_that_miss_a_chromosome_are_told(tmp_path, files):
    blocks = tmp_path / "blocks.bed"
    blocks.write_text("chr1 0 500000\n")
    with pytest.raises(InputError, match="no LD block on chromosome 2"):
        simulate(tmp_path / "out", genotypes=files.genotypes, ld_blocks=blocks)
