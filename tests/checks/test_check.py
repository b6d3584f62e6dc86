"""`check`: the transform is uniform under the truth, bands cover, faults are flagged and clean data
are not.
"""

import json
import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import bayesmixer as bm
from bayesmixer.checks.check import _table, check
from bayesmixer.checks.families import Row, _weight_of_locus
from bayesmixer.checks.moment_tests import levels, moment_test, stratum_scores
from bayesmixer.checks.moments import Point, effective_blocks, legendre, moments
from bayesmixer.checks.prior_sensitivity import log_prior, prior_sensitivity
from bayesmixer.checks.strata import plot_pit, plot_pit_strata, strata
from bayesmixer.errors import InputError
from bayesmixer.fingerprint import fingerprint
from bayesmixer.jackknife import spread
from bayesmixer.ld.gwas_data import gwas_data_from_arrays
from bayesmixer.mixer.prediction import variants
from bayesmixer.mixer.predictive import cumulative
from bayesmixer.ops.predict import survival
from tests.models.test_ld_mixture import like_ours
from tests.reporting.fabricate import H_TOTAL, TRUTH, deposit, make_data, make_fit, nodes

POLYGENIC = {"h2": 0.3, "pi": 0.02, "sigma2_0": 1.05}
MIXED = (np.array([0.01]), np.array([2e-4]), 1.05)


def drawn(m=4000, blocks=200, seed=0, n=1e5, truth=TRUTH, ld_factor=None, **kwargs):
    """GwasData whose z are drawn from the mixture, each variant's partners its own; `ld_factor`
    (m,) spoils the spectra that the fit sees.
    """
    rng = np.random.default_rng(seed)
    freq = rng.uniform(0.05, 0.95, m)
    h = 2 * freq * (1 - freq)
    size = np.broadcast_to(np.asarray(n, float), (m,))
    sd = np.sqrt(truth["h2"] / (truth["pi"] * H_TOTAL))
    spectrum, z = np.empty((m, 24)), rng.normal(0, np.sqrt(truth["sigma2_0"]), m)
    for j in range(m):
        x = np.concatenate(
            [[h[j]], rng.uniform(0.05, 0.5, rng.integers(1, 60)) * rng.beta(0.4, 1.2, 1)]
        )
        z[j] += np.sum(
            np.sqrt(size[j] * x) * rng.normal(0, sd, len(x)) * (rng.random(len(x)) < truth["pi"])
        )
        spectrum[j] = deposit(x if ld_factor is None else x * ld_factor[j])
    label = np.sort(rng.integers(0, blocks, m))
    options = {
        "weight": rng.uniform(0.2, 1, m),
        "freq": freq,
        "ld_block": label,
        "h_total": H_TOTAL,
        "n_reference": 400_000,
        **kwargs,
    }
    return gwas_data_from_arrays(z, size, spectrum, nodes(), h, **options)


def fitted(data, seed=0):
    """A quick posterior: the mode and Gaussian draws around it, on the free scale."""
    from bayesmixer.inference.density import LogDensity

    model = bm.models.univariate_mixer(data)
    results = bm.fit(model, "map", calibrate=False, progress=False)
    estimate, density = results["estimate"], LogDensity(model)
    normal = np.random.default_rng(seed).standard_normal((50, 3))
    x = estimate["mode"].values + normal @ np.linalg.cholesky(estimate["covariance"].values).T
    results["posterior"] = xr.DataTree(density.posterior(x[None]))
    results["unconstrained_posterior"] = xr.DataTree(density.unconstrained(x[None]))
    return results


def transform(v, draw, at):
    return cumulative(v.n, v.spectrum, v.node_x, draw, at)


@pytest.fixture(scope="module")
def checked(data, fit):
    return check(fit, data, progress=False)


def test_infinitesimal_transform_is_the_normal_s_whatever_the_sample_sizes(data):
    v = variants(data)
    n = np.random.default_rng(0).uniform(3e4, 1e5, len(v))
    v = type(v)(v.z, n, v.spectrum, v.node_x, v.weight, v.ld_score, v.maf, v.ld_block)
    beta = 2e-6
    ours = transform(
        v, (np.ones(1), np.array([beta]), 1.1), np.stack([v.z, np.full(len(v), 3.0)], axis=1)
    )
    sd = np.sqrt(1.1 + n * beta * v.spectrum.sum(axis=1, dtype=float))
    np.testing.assert_allclose(
        ours[:, 0], 2 * stats.norm.cdf(np.minimum(v.z, 12) / sd) - 1, atol=2e-6
    )
    np.testing.assert_allclose(ours[:, 1], 2 * stats.norm.cdf(3 / sd) - 1, atol=2e-6)


def test_transform_of_one_partner_is_a_mixture_of_two_normals():
    x = nodes()[3]
    one = gwas_data_from_arrays(
        np.linspace(-6, 6, 60),
        5e4,
        np.tile(deposit(np.array([x])), (60, 1)),
        nodes(),
        np.full(60, 0.4),
        h_total=1e3,
    )
    v = variants(one)
    pi, beta, zero = MIXED
    wide = np.sqrt(zero + 5e4 * x * beta[0])
    closed = (1 - pi[0]) * (2 * stats.norm.cdf(v.z / np.sqrt(zero)) - 1) + pi[0] * (
        2 * stats.norm.cdf(v.z / wide) - 1
    )
    np.testing.assert_allclose(transform(v, MIXED, v.z[:, None])[:, 0], closed, atol=2e-6)


def test_mean_beyond_a_threshold_agrees_with_the_shifted_line(data):
    v = variants(data)
    ours = 1 - np.average(
        transform(v, MIXED, np.tile([2.0, 4.0, 5.45], (len(v), 1))), axis=0, weights=v.weight
    )
    line = survival(
        np.array([2.0, 4.0, 5.45]),
        v.n,
        v.spectrum,
        v.node_x,
        *MIXED,
        weight=v.weight,
        clusters=None,
    )
    np.testing.assert_allclose(ours, line, atol=2e-6)


def test_transform_is_uniform_under_the_truth():
    data = drawn(m=6000, seed=5)
    v = variants(data)
    truth = (
        np.array([TRUTH["pi"]]),
        np.array([TRUTH["h2"] / (TRUTH["pi"] * H_TOTAL)]),
        TRUTH["sigma2_0"],
    )
    assert stats.kstest(transform(v, truth, v.z[:, None])[:, 0], "uniform").pvalue > 0.01


def test_polynomials_are_orthonormal():
    x, w = np.polynomial.legendre.leggauss(12)
    psi = np.concatenate([np.ones((1, 12)), legendre((x + 1) / 2)])
    np.testing.assert_allclose((psi * w / 2) @ psi.T, np.eye(5), atol=1e-12)


def test_scores_by_cell_sum_to_those_by_block_and_are_slopes(data):
    """Also of a free S: no parameter is taken for known."""
    point = Point(bm.models.two_component_mixer(data))
    x = np.array([np.log(0.3), 0.1, -5.5, 3.0, 0.05])
    cell = np.arange(len(point.weight)) % 3
    scores = point.by_cell(cell)(x)
    np.testing.assert_allclose(scores.sum(axis=1), point.density.scores(x)[0], atol=1e-9)
    for i, e in enumerate(1e-4 * np.eye(5)):
        high, low = (point.density.value_and_blocks(x + s)[1]["z"] for s in (e, -e))
        by_block, slope = scores.sum(axis=1)[:, i], (high - low) / 2e-4
        np.testing.assert_allclose(by_block, slope, atol=2e-4 * np.abs(scores).max())


TRUE = np.log([TRUTH["h2"], TRUTH["pi"] / (1 - TRUTH["pi"]), TRUTH["sigma2_0"]])
"""log h2, logit pi, log sigma2_0."""


def test_statistics_do_not_depend_on_where_near_the_mode_they_are_evaluated(data):
    """D H^-1 s carries a statistic from any point to the mode, to first order."""
    point = Point(bm.models.univariate_mixer(data))
    cell = np.zeros(len(point.weight), np.int64)
    raw, adjusted = [], []
    for factor in (1.0, 1.06):
        x = TRUE + np.log(factor) * np.array([1, 0, 0.5])
        [m] = moments(point, x, [point.there(x)], cell)
        raw.append(m.level[:, 0].sum(0))
        adjusted.append((m.level + m.influence(m.d_level))[:, 0].sum(0))
    assert np.abs(adjusted[1] - adjusted[0]).max() < 0.1 * np.abs(raw[1] - raw[0]).max()


def _hotelling(x, least=None, scale=1.0, blocks=None):
    k = x.shape[1]
    return moment_test(
        scale,
        x,
        x,
        np.zeros((k, k)) if least is None else least,
        len(x) if blocks is None else blocks,
    )


def test_moment_test_is_hotelling_s():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 3)) @ rng.standard_normal((3, 3)) + 0.2
    mean = x.mean(0)
    t2 = 50 * mean @ np.linalg.solve(np.cov(x.T), mean)
    statistic, df, p = _hotelling(x)
    assert df == 3
    assert statistic == pytest.approx(t2 * 47 / (3 * 49))
    assert p == pytest.approx(stats.f.sf(t2 * 47 / (3 * 49), 3, 47))


def test_a_covariance_known_from_the_model_is_a_floor():
    x = np.random.default_rng(2).standard_normal((80, 2)) + 0.3
    mean, s = x.mean(0), np.cov(x.T)
    for least, wanted in ((np.eye(2), s), (80 * 9 * np.eye(2), 9 * np.eye(2))):
        t2 = 80 * mean @ np.linalg.solve(wanted, mean)
        assert _hotelling(x, least)[0] == pytest.approx(t2 * 78 / (2 * 79))


def test_directions_that_the_fit_absorbs_are_dropped():
    raw = np.random.default_rng(1).standard_normal((100, 2))
    adjusted = raw * [1.0, 0.1]
    adjusted[:, 1] += 5.0
    assert moment_test(1.0, adjusted, raw, np.zeros((2, 2)), 100)[1] == 1


def test_blocks_of_unequal_weight_count_for_fewer():
    assert effective_blocks(np.ones((40, 1))) == pytest.approx(40)
    assert effective_blocks(np.array([[1.0, 1], [1, 0], [2, 1]])) == pytest.approx(2)


def test_least_covariance_is_the_spread_between_blocks_of_independent_variants():
    """Of what the fit leaves of polynomials and scores, over six data sets."""
    ratio = []
    for seed in range(6):
        data = drawn(m=3000, seed=seed, truth=POLYGENIC)
        point = Point(bm.models.univariate_mixer(data))
        x = np.log([POLYGENIC["h2"], 0.02 / 0.98, POLYGENIC["sigma2_0"]])
        there = point.there(x)
        [m] = moments(point, x, [there], strata(point.at(there).data).cell)
        for statistic in (levels(m), stratum_scores(m.whole, ["log_h2", "log_sigma2_0"])):
            sums = statistic.summed(np.eye(9))
            ratio.append((np.diag(spread(sums.adjusted)) / np.diag(sums.least)).mean())
    assert np.reshape(ratio, (6, 2)).mean(0) == pytest.approx(1, abs=0.1)


def test_p_values_are_adjusted_by_holm_s_rule():
    rows = [Row(str(i), 0.0, 1, p, "x") for i, p in enumerate((0.01, 0.04, 0.03, 0.005))] + [
        Row("fact", 0.7, np.nan, np.nan, "y", True)
    ]
    table = _table(rows, 0.05)
    np.testing.assert_allclose(table["p_adjusted"], [0.03, 0.06, 0.06, 0.02, np.nan])
    assert table["flagged"].tolist() == [True, False, False, True, True]


def test_strata_are_tertiles_of_weight_and_collapse_where_n_is_constant(data):
    data = data.isel(variant=data["weight"].values > 0)
    s, weight = strata(data), data["weight"].values
    assert len(s.of_cell["maf"]) == 9
    assert [len(s.labels[q]) for q in ("maf", "ld_score", "n")] == [3, 3, 1]
    share = [weight[s.of_cell["ld_score"][s.cell] == k].sum() / weight.sum() for k in range(3)]
    np.testing.assert_allclose(share, 1 / 3, atol=0.01)
    n = data["n"].where(np.arange(weight.size)[:, None] % 4 > 0, data["n"] / 2)
    assert strata(data.assign(n=n)).labels["n"] == ["N ≤ 50,000", "N > 50,000"]


def _infinitesimal_fit(data, h2, zero):
    """Maximum of the likelihood of normals, found by scipy, as a fit with two draws at one
    point.
    """
    from scipy.optimize import minimize

    z2, w = data["z"].values[:, 0] ** 2, data["weight"].values
    exposure = data["n"].values[:, 0] * data["ld_score_h"].values[0] / H_TOTAL

    def cost(x):
        v = np.exp(x[0]) * exposure + np.exp(x[1])
        return float(w @ (np.log(v) + z2 / v))

    x = minimize(
        cost,
        [np.log(h2), np.log(zero)],
        method="Nelder-Mead",
        options={"xatol": 1e-5, "fatol": 1e-6},
    ).x
    two = ("chain", "draw")
    posterior = xr.Dataset(
        {
            "h2": (two, np.full((1, 2), np.exp(x[0]))),
            "sigma2_0": (two, np.full((1, 2), np.exp(x[1]))),
            "sigma2_beta": (two, np.full((1, 2), np.exp(x[0]) / H_TOTAL)),
        }
    )
    plain = {k: (v.tolist() if isinstance(v, np.ndarray) else v) for k, v in data.attrs.items()}
    free = xr.Dataset({f"log_{name}": np.log(posterior[name]) for name in ("h2", "sigma2_0")})
    groups = {"posterior": posterior, "unconstrained_posterior": free}
    tree = xr.DataTree.from_dict({**groups, "constant_data": fingerprint(data)})
    about = {"model": "infinitesimal", "prior": "flat"}
    tree.attrs = {"kind": "fit", **about, "data": json.dumps(plain)}
    return tree


def test_bands_are_as_wide_as_shares_vary_over_refitted_data_and_false_alarms_are_few():
    """60 data sets in which neighbours share half of their z (LD within blocks): the band's sd
    against the empirical one.
    """
    base = make_data(m=2000, blocks=100, seed=3, weight=np.ones(2000))
    h2, zero = 0.3, 1.05
    sd = np.sqrt(zero + h2 * base["n"].values[:, 0] * base["ld_score_h"].values[0] / H_TOTAL)
    label = base["ld_block"].values
    rng = np.random.default_rng(0)
    share, half, flagged, z_level = [], [], [], []
    for _ in range(60):
        noise = rng.standard_normal(len(sd))
        shared = rng.standard_normal(label.max() + 1)[label]
        data = base.assign(
            z=(("variant", "trait"), (sd * (0.5 * shared + np.sqrt(0.75) * noise))[:, None])
        )
        c = check(_infinitesimal_fit(data, h2, zero), data, draws=1, progress=False)
        share.append(c.dataset["share"].values)
        half.append((c.dataset["high"] - 0.1).values)
        z_level.append(c.dataset["z_level"].values)
        flagged.append(not c.ok)
    share, half = np.array(share), np.array(half)
    assert np.mean(np.abs(share - 0.1) < half) == pytest.approx(0.95, abs=0.02)
    ratio = half.mean(0) / stats.t.ppf(0.975, label.max()) / share.std(0)
    assert ratio.mean() == pytest.approx(1, abs=0.06)
    assert np.std(z_level) == pytest.approx(1, abs=0.12)
    assert stats.binom.sf(np.sum(flagged) - 1, 60, 0.05) > 0.01


@pytest.mark.parametrize("seed", [2, 3])
def test_clean_data_of_two_sample_sizes_are_not_flagged(seed):
    data = drawn(seed=seed, n=np.where(np.arange(4000) % 2, 3e5, 1.5e5), truth=POLYGENIC)
    c = check(fitted(data), data, draws=4, progress=False)
    assert c.ok and c.sentences == []
    assert "Nothing speaks against the fit" in str(c)
    assert {"PIT by N", "score by N"} <= set(c.table.index)


def test_sample_size_wrong_by_half_for_some_variants_is_flagged():
    data = drawn(seed=1, n=3e5, truth=POLYGENIC)
    wrong = np.where(np.random.default_rng(0).random(4000) < 0.5, 1.5e5, 3e5)
    data = data.assign(n=(("variant", "trait"), wrong[:, None]))
    c = check(fitted(data), data, draws=4, progress=False)
    assert not c.ok and bool(c.table.loc["score by N", "flagged"])
    assert "sample sizes that are wrong" in " ".join(c.sentences)


def test_sample_size_wrong_by_half_for_all_variants_only_moves_h2():
    """The likelihood depends on N h2 alone, so no check of one trait can see it."""
    data = drawn(seed=1, n=3e5, truth=POLYGENIC)
    halved = data.assign(n=data["n"] / 2)
    fit = fitted(data)
    moved = fit.copy()
    moved["constant_data"] = xr.DataTree(fingerprint(halved))
    for group in ("posterior", "estimate"):
        old = fit[group].to_dataset()
        moved[group] = xr.DataTree(old.assign(h2=old["h2"] * 2, sigma2_beta=old["sigma2_beta"] * 2))
    mode = moved["estimate"]["mode"] + np.log(2) * np.array([1, 0, 0])
    moved["estimate"] = xr.DataTree(moved["estimate"].to_dataset().assign(mode=mode))
    a, b = (check(f, d, draws=2, progress=False).table for f, d in ((fit, data), (moved, halved)))
    np.testing.assert_allclose(a["p"], b["p"], rtol=1e-5)


def test_inflation_that_was_not_removed_is_flagged():
    data = drawn(seed=1, n=3e5, truth={**POLYGENIC, "sigma2_0": 1.4})
    fit = fitted(data)
    c = check(fit, data, draws=4, progress=False)
    assert bool(c.table.loc["inflation", "flagged"])
    assert "not removed" in " ".join(c.sentences)
    assert check(fit, data, draws=4, inflation=(0.95, 1.5), progress=False).ok


def test_z_scores_that_were_over_corrected_are_flagged():
    data = drawn(seed=1, n=3e5, truth={**POLYGENIC, "sigma2_0": 0.7})
    assert "over-corrected" in " ".join(
        check(fitted(data), data, draws=4, progress=False).sentences
    )


def test_a_file_without_its_hits_is_flagged_by_what_the_fit_expects_beyond_them():
    data = drawn(seed=1, m=6000)
    z = np.abs(data["z"].values[:, 0])
    kept = data.isel(variant=z < 5.45)
    fit = fitted(kept)
    row = check(fit, kept, draws=2, progress=False).table.loc["QQ, largest |z|"]
    v = variants(kept)
    draw = (
        *(np.atleast_1d(fit["estimate"][name].values) for name in ("pi", "sigma2_beta")),
        float(fit["estimate"]["sigma2_0"]),
    )
    expected = (
        survival(
            np.array([v.z.max()]), v.n, v.spectrum, v.node_x, *draw, weight=v.weight, clusters=None
        )[0]
        * v.weight.sum()
    )
    assert row["statistic"] == pytest.approx(expected, rel=1e-3)
    assert row["flagged"] and "strong associations are missing from the file" in row["in_words"]


def test_a_locus_counts_once_however_many_variants_it_has():
    """20 loci of 5 variants beyond 4: weight 5 a locus; neighbours 600 kb away or in another LD
    block are another locus.
    """
    data = make_data(
        m=400, blocks=4, chromosomes=2, weight=np.ones(400), pos=1 + 200_000 * np.arange(400)
    )
    z = np.zeros((400, 1))
    z[(np.arange(400) % 20) < 5] = 6.0
    blocks = np.repeat([0, 1, 2, 3], 100)
    assert _weight_of_locus(data.assign(z=(data["z"].dims, z), ld_block=("variant", blocks))) == 5
    apart = data.assign(z=(data["z"].dims, z), pos=("variant", 1 + 600_000 * np.arange(400)))
    assert _weight_of_locus(apart) == _weight_of_locus(data.assign(z=data["z"] * 0)) == 1


def test_words_tell_the_excess_at_both_ends_from_the_counts():
    """An infinitesimal fit of a trait with few causal variants: too many small and too many large
    |z|.
    """
    data = drawn(seed=5)
    fit = _infinitesimal_fit(data, 0.3, 1.05)
    words = check(fit, data, draws=1, progress=False).table.loc["PIT, all variants", "in_words"]
    small, large, at = (
        float(x)
        for x in re.match(
            r".*data's: (\S+) times .* 10% quantile, (\S+) times .* beyond \|z\| (\S+): "
            r"effects of more",
            words,
        ).groups()
    )
    v = variants(data)
    h2, zero = (float(fit["posterior"][name][0, 0]) for name in ("h2", "sigma2_0"))
    sd = np.sqrt(zero + h2 * v.n * v.spectrum.sum(1, dtype=float) / H_TOTAL)
    w = v.weight / v.weight.sum()
    assert (
        small == pytest.approx(10 * w[2 * stats.norm.cdf(v.z / sd) - 1 < 0.1].sum(), rel=0.02)
        and small > 1.05
    )
    assert (
        large == pytest.approx(w[v.z > at].sum() / (w @ (2 * stats.norm.sf(at / sd))), rel=0.02)
        and large > 1.5
    )


def test_mode_alone_can_be_checked(data):
    assert {"QQ, tail", "inflation"} <= set(
        check(make_fit(data, method="map"), data, progress=False).table.index
    )


def test_transform_of_strong_infinitesimal_effects_is_the_normal_s_too(data):
    """Where partners' factors exp(-x q) vanish, and log(1 + pi (exp(-x q) - 1)) with them."""
    v = variants(data)
    v = v[v.spectrum.sum(axis=1) < 10]
    sd = np.sqrt(1.1 + v.n * 6e-5 * v.spectrum.sum(axis=1, dtype=float))
    ours = transform(v, (np.ones(1), np.array([6e-5]), 1.1), np.full((len(v), 1), 3.0))[:, 0]
    np.testing.assert_allclose(ours, 2 * stats.norm.cdf(3 / sd) - 1, atol=1e-5)


def test_ld_of_another_population_is_flagged():
    """Half of the variants have LD that the fitted spectra put ten times too low."""
    factor = np.where(np.random.default_rng(4).random(4000) < 0.5, 0.1, 1)
    data = drawn(seed=1, n=1e6, truth=POLYGENIC, ld_factor=factor)
    c = check(fitted(data), data, draws=4, progress=False)
    assert bool(c.table.loc["score by LD score", "flagged"])
    assert "reference of the study's ancestry" in " ".join(c.sentences)


def test_reference_that_lacks_most_of_the_gwas_is_flagged(data, fit):
    overlap = {
        "variants": 4000,
        "traits": [{"on_reference_chromosomes": 12_000, "in_reference": 4000}],
    }
    few = data.assign_attrs(overlap=json.dumps(overlap))
    c = check(fit, few, draws=2, progress=False)
    assert "lacks 67% of the GWAS's variants" in c.table.loc["reference's variants", "in_words"]
    overlap["traits"][0]["on_reference_chromosomes"] = 4100
    assert not check(
        fit, few.assign_attrs(overlap=json.dumps(overlap)), draws=2, progress=False
    ).table.loc["reference's variants", "flagged"]


@pytest.mark.parametrize(
    ("differ", "r", "flagged"), [(3, 0.995, False), (200, 0.97, True), (3, 0.9, True)]
)
def test_reference_of_another_ancestry_is_told_by_its_frequencies(data, fit, differ, r, flagged):
    overlap = {
        "traits": [
            {"frequencies_compared": 4000, "frequencies_differ": differ, "frequency_correlation": r}
        ]
    }
    row = check(
        fit, data.assign_attrs(overlap=json.dumps(overlap)), draws=1, progress=False
    ).table.loc["reference's ancestry"]
    assert row["flagged"] == flagged
    assert ("use a reference of the study's ancestry" in row["in_words"]) == flagged


def test_two_component_and_infinitesimal_fits_can_be_checked(data):
    for model in ("two_component_mixer", "infinitesimal"):
        c = check(make_fit(data, model=model), data, draws=2, progress=False)
        assert {"PIT, all variants", "PIT by LD score", "PIT by MAF", "inflation"} <= set(
            c.table.index
        )


def test_a_model_of_ones_own_equal_to_ours_is_checked_equally(data):
    tables = []
    for model in (like_ours(data), bm.models.univariate_mixer(data)):
        fit = bm.fit(model, "map", starts=2, calibrate=False, progress=False)
        tables.append(check(fit, data, model=model, progress=False).table)
    np.testing.assert_allclose(tables[0]["p"], tables[1]["p"], rtol=1e-3)
    assert tables[0].index.tolist() == tables[1].index.tolist()
    assert tables[0].loc["inflation", "p"] > 0
    with pytest.raises(InputError, match=r"results: of a model with priors of its own.*model="):
        check(bm.fit(like_ours(data), "map", starts=1, calibrate=False, progress=False), data)


def test_prior_of_a_fit_without_its_group_is_made_again_of_the_model(laplace_like):
    results, model = laplace_like
    older = results.copy()
    del older["log_prior"]
    assert log_prior(older) is None and prior_sensitivity(older)[0] is None
    for name, terms in log_prior(older, model).items():
        np.testing.assert_allclose(terms, results["log_prior"][name], rtol=1e-9)
    table, (sentence, flagged) = prior_sensitivity(results)
    assert list(table.index) == ["log_h2", "logit_pi", "log_sigma2_0"]
    assert flagged == (table["prior"].max() > 0.05) == bool(sentence)
    np.testing.assert_allclose(prior_sensitivity(older, model)[0]["prior"], table["prior"])


@pytest.fixture(scope="module")
def laplace_like():
    data = drawn(m=2500, seed=2)
    model = bm.models.univariate_mixer(data)
    return bm.fit(model, draws=300, calibrate=False, progress=False), model


def test_a_prior_that_disagrees_with_the_data_is_said(laplace_like):
    """The log prior replaced by one that pulls log h2 hard."""
    results, _ = laplace_like
    moved = results.copy()
    pull = -0.5 * ((results["unconstrained_posterior"]["log_h2"] - 3.0) / 0.3) ** 2
    moved["log_prior"] = xr.DataTree(xr.Dataset({"log_h2": pull}))
    _, (sentence, flagged) = prior_sensitivity(moved)
    assert flagged and "log_h2" in sentence


def test_figures_take_and_return_axes(checked):
    axes = plot_pit_strata(checked.dataset)
    assert axes.shape == (3, 3)
    assert axes[0, 0].get_title().startswith("MAF ≤")
    ax = plot_pit(checked.dataset)
    assert plot_pit(checked.dataset, ax, stratum=2) is ax
    assert "LD score >" in ax.get_title()


def test_dataset_shares_sum_to_one_in_every_stratum(checked, data):
    np.testing.assert_allclose(checked.dataset["share"].sum("bin"), 1)
    np.testing.assert_allclose(checked.dataset["weight"].sum(), data["weight"].sum())
    assert isinstance(checked.table, pd.DataFrame) and "<table" in checked._repr_html_()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d, f: check(d, d), "results: not a fit: a Dataset"),
        (lambda d, f: check(f, f), "data: a DataTree, expected the GwasData dataset"),
        (
            lambda d, f: check(f, d.isel(variant=slice(0, 3000))),
            "data: not what this fit (trait 'height') was made with: variants differ",
        ),
        (lambda d, f: check(f, d, trait="weight"), "trait: 'weight', expected one of height"),
        (lambda d, f: check(f, d, trait=3), "trait: 3, expected"),
        (lambda d, f: check(f, d, draws=0), "draws: 0"),
        (lambda d, f: check(f, d, level=2), "level: 2"),
        (lambda d, f: check(f, d, inflation=(1.2, 1.0)), "inflation: "),
    ],
)
def test_what_cannot_be_checked_is_said_in_one_line(data, fit, change, words):
    with pytest.raises(InputError, match=r"^[^\n]+$") as error:
        change(data, fit)
    assert str(error.value).startswith(words)


def test_too_few_ld_blocks_are_said(data, fit):
    few = data.assign(ld_block=("variant", (data["ld_block"].values // 25).astype(np.int32)))
    with pytest.raises(InputError, match="10 LD blocks, expected at least 20"):
        check(make_fit(few), few)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("univariate_mixer", "compare prior='flat'."),
        ("ld_mixture", "compare wider priors."),
        ("of other makers", "compare wider priors."),
    ],
)
def test_who_leans_on_the_prior_is_told_what_to_compare(model, words):
    two = ("chain", "draw")
    x = np.random.default_rng(1).normal(size=(4, 250))
    groups = {
        "unconstrained_posterior": xr.Dataset({"h2_logodds__": (two, x)}),
        "log_prior": xr.Dataset({"h2": (two, -0.4 * x**2)}),
        "log_likelihood": xr.Dataset({"z": ((*two, "ld_block"), -0.1 * x[..., None] ** 2)}),
    }
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = {"model": model, "prior": "weak"}
    sentence, flagged = prior_sensitivity(tree)[1]
    assert flagged and sentence.startswith("The posterior of h2 (") and sentence.endswith(words)
