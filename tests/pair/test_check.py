"""`check` of two traits: the law along each direction, what each view sees, and clean data."""

import numpy as np
import pytest
from scipy import stats

import bayesmixer as bm
from bayesmixer.bound import Bound
from bayesmixer.checks.strata import plot_pit, plot_pit_strata, plot_pit_views
from bayesmixer.errors import InputError
from bayesmixer.ld.gwas_data import gwas_data_from_arrays
from bayesmixer.ops.pair_predict import PairMixture
from bayesmixer.pair.cards import BIVARIATE
from bayesmixer.pair.views import Along, Direction, views
from tests.models.small_pair import simulate_pair
from tests.pair.faulty import checked, faulty, fit_from, flagged
from tests.reporting.fabricate import deposit, nodes

MIXTURE = PairMixture(
    np.array([0.1, 0.06, 0.15]),
    np.array([[2e-4, 0, 0], [0, 3e-4, 0], [2e-4, 3e-4, 0.7 * np.sqrt(6e-8)]]),
    np.array([1.1, 0.95, 0.3]),
)
PARTNERS = ([0.4], [0.3, 0.2, 0.1, 0.02], [0.45] + [0.05] * 12)
SIZES = np.array([[5e4, 3e4], [8e4, 1e4], [2e4, 4e4]])


@pytest.fixture(scope="module")
def three():
    """Three variants with sample sizes of other ratios, and 400,000 draws of each one's z, the
    allele counted at random: effects of every partner by the mixture, and errors.
    """
    rng = np.random.default_rng(0)
    z = np.empty((3, 400_000, 2))
    covariance = [np.diag(s[:2]) + np.array([[0, s[2]], [s[2], 0]]) for s in MIXTURE.sigma_beta]
    for j, x in enumerate(PARTNERS):
        error = np.diag(MIXTURE.sigma_0[:2]) + MIXTURE.sigma_0[2] * np.array([[0, 1], [1, 0]])
        z[j] = rng.multivariate_normal([0, 0], error, len(z[j]))
        for strength in x:
            which = rng.choice(4, len(z[j]), p=[*MIXTURE.pi, 1 - MIXTURE.pi.sum()])
            for c in range(3):
                rows = np.flatnonzero(which == c)
                effect = rng.multivariate_normal([0, 0], covariance[c], len(rows))
                z[j, rows] += np.sqrt(SIZES[j] * strength) * effect
    z *= rng.choice([-1, 1], z.shape[:2])[..., None]
    spectrum = np.array([deposit(np.array(x)) for x in PARTNERS])
    data = gwas_data_from_arrays(
        z[:, 0], SIZES, spectrum, nodes(), np.full(3, 0.4), h_total=1e3, trait=["a", "b"]
    )
    return data, z


@pytest.mark.parametrize("view", range(4))
def test_law_along_each_direction_is_that_of_pairs_drawn_from_the_model(three, view):
    data, z = three
    a = views(Bound(BIVARIATE, "flat", data, None, ()))[view].predictive.__self__
    at = np.tile([0.5, 1.0, 2.0, 3.0, 4.0, 5.45], (3, 1))
    ours = Along(data, a, MIXTURE).cdf(at)
    for j in range(3):
        one = data.isel(variant=np.full(z.shape[1], j)).assign(z=(("variant", "trait"), z[j]))
        found = np.abs(a.of(one))[:, None] <= at[j]
        error = np.sqrt(ours[j] * (1 - ours[j]) / len(found)) + 1e-6
        assert (np.abs(found.mean(axis=0) - ours[j]) < 4.5 * error).all()


def test_law_along_a_direction_is_normal_where_every_variant_has_an_effect(three):
    data, _ = three
    m = PairMixture(np.ones(1), MIXTURE.sigma_beta[2:], MIXTURE.sigma_0)
    a = Direction(np.array([200.0, -150.0]))
    step = a.a / np.sqrt(SIZES)
    score = np.array([sum(x) for x in PARTNERS])
    beta = a.a @ [
        [m.sigma_beta[0, 0], m.sigma_beta[0, 2]],
        [m.sigma_beta[0, 2], m.sigma_beta[0, 1]],
    ]
    zero = step**2 @ m.sigma_0[:2] + 2 * step.prod(axis=1) * m.sigma_0[2]
    sd = np.sqrt((zero + score * (beta @ a.a)) / np.square(step).sum(axis=1))
    ours = Along(data, a, m).cdf(np.full((3, 1), 2.0))[:, 0]
    np.testing.assert_allclose(ours, 2 * stats.norm.cdf(2 / sd) - 1, atol=2e-6)


def test_sum_and_difference_are_those_of_z_scores_and_nothing_where_one_was_not_seen():
    data = simulate_pair(blocks=4)
    z = data["z"].values.copy()
    z[:5, 1] = np.nan
    seen = views(Bound(BIVARIATE, "flat", data.assign(z=(data["z"].dims, z)), None, ()))
    assert [v.label for v in seen] == ["first", "second", "first + second", "first - second"]
    np.testing.assert_allclose(seen[0].z, z[:, 0])
    np.testing.assert_allclose(seen[2].z, z.sum(axis=1) / np.sqrt(2), rtol=1e-12)
    np.testing.assert_allclose(seen[3].z, (z[:, 0] - z[:, 1]) / np.sqrt(2), rtol=1e-12)
    assert [int(np.isnan(v.z).sum()) for v in seen] == [0, 5, 5, 5]


def test_clean_pairs_are_not_flagged():
    found = checked(faulty("clean", 4))
    assert found.ok and "Nothing speaks against the fit" in str(found)
    assert {"a: PIT, all variants", "a - b: PIT by MAF", "score by MAF", "b: inflation"} <= set(
        found.table.index
    )


def test_swapped_alleles_of_one_file_are_seen_along_sum_and_difference_alone():
    """With each trait's own parameters held, which a joint fit would bend towards the fault."""
    found = checked(faulty("swapped", 4, rho_0=0.6), held=True)
    rows = flagged(found)
    assert "a - b: PIT, all variants" in rows
    assert all(row.startswith(("a + b", "a - b")) for row in rows)
    assert "effect alleles that one of the files has swapped" in " ".join(found.sentences)


def test_samples_shared_at_some_variants_only_are_seen():
    found = checked(faulty("shared", 4, rho_0=0.8), held=True)
    assert "a - b: PIT, all variants" in flagged(found)


def test_sample_sizes_of_one_trait_wrong_for_half_of_the_variants_are_seen_in_it():
    found = checked(faulty("n_half", 4, rho_0=0.1))
    assert "score by N of a" in flagged(found)
    assert "The effects (a) would be" in " ".join(found.sentences)


def test_variants_seen_in_one_trait_count_in_its_view(kernel):
    """The model itself, of traits joined by "outer"."""
    data = simulate_pair(seed=2)
    n, z = (data[name].values.copy() for name in ("n", "z"))
    z[:150, 1] = n[:150, 1] = np.nan
    data = data.assign(z=(data["z"].dims, z), n=(data["n"].dims, n)).assign_attrs(join="outer")
    start = {"log_h2": [-1.2, -1.4], "log_sigma2_0": [0.05, 0.02], "atanh_rg": 0.4}
    fit = fit_from(data, start | {"atanh_rho_0": 0.2}, "infinitesimal_pair")
    dataset = bm.check(fit, data, progress=False).dataset
    assert np.isnan(dataset["pit"]).sum("variant").values.tolist() == [0, 150, 150, 150]
    total = dataset["weight"].sum("stratum").values
    np.testing.assert_allclose(total[1:], data["weight"].values[150:].sum())
    np.testing.assert_allclose(total[0], data["weight"].values.sum())
    with pytest.raises(InputError, match=r"of 4 views .*dataset.sel\(view='first'\)"):
        plot_pit(dataset)
    axes = np.ravel(plot_pit_views(dataset))
    assert [ax.get_title() for ax in axes] == dataset["view"].values.tolist()
    assert plot_pit_strata(dataset.sel(view="second")).shape == (3, 3)
    with pytest.raises(InputError, match="trait: 'first', but the traits of this fit are checked"):
        bm.check(fit, data, trait="first")
