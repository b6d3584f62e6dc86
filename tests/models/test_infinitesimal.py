"""The infinitesimal model against scipy's normal densities and NumPy's arithmetic."""

import numpy as np
import pytest
from scipy.stats import norm

from bayesmixer.inference.density import LogDensity
from bayesmixer.models import infinitesimal
from tests.models.small_gwas import simulate_gwas

POINTS = [(-1.5, 0.1), (-6.0, -0.2), (0.5, 0.4)]


@pytest.fixture(scope="module")
def data():
    made = simulate_gwas(pi=1.0)
    made["weight"][::7] = 0.0  # some variants count for nothing
    return made


@pytest.fixture(scope="module")
def density(data):
    return LogDensity(infinitesimal(data, prior="flat"))


@pytest.mark.parametrize("point", POINTS)
def test_log_likelihood_of_each_ld_block_is_the_weighted_sum_of_normal_log_densities(
    data, density, point
):
    h2, zero = np.exp(point)
    variance = (
        zero + data["n"].values[:, 0] * data["ld_score_h"].values[0] * h2 / data.attrs["h_total"][0]
    )
    each = data["weight"].values * norm.logpdf(data["z"].values[:, 0], scale=np.sqrt(variance))
    expected = np.bincount(data["ld_block"].values, each)
    found = density.value_and_blocks(np.array(point))[1]["z"]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("censor", [2.0, 5.0, 60.0])
@pytest.mark.parametrize("point", POINTS)
def test_censored_variant_counts_as_the_probability_of_exceeding_the_threshold(data, point, censor):
    """Frei et al. 2019, eq. 7: log P(|Z| > censor), also where that underflows (beyond 38 sd)."""
    h2, zero = np.exp(point)
    z = np.where(np.arange(data.sizes["variant"]) % 5 == 0, 70.0, data["z"].values[:, 0])
    sd = np.sqrt(
        zero + data["n"].values[:, 0] * data["ld_score_h"].values[0] * h2 / data.attrs["h_total"][0]
    )
    each = np.where(
        np.abs(z) > censor, np.log(2) + norm.logsf(censor / sd), norm.logpdf(z, scale=sd)
    )
    expected = np.bincount(data["ld_block"].values, data["weight"].values * each)
    density = LogDensity(
        infinitesimal(
            data.assign(z=(("variant", "trait"), z[:, None])), prior="flat", censor=censor
        )
    )
    np.testing.assert_allclose(
        density.value_and_blocks(np.array(point))[1]["z"], expected, rtol=1e-9, atol=1e-9
    )
    h = 1e-5 * np.eye(2)
    slopes = [
        (density.value_and_gradient(point + e)[0] - density.value_and_gradient(point - e)[0]) / 2e-5
        for e in h
    ]
    np.testing.assert_allclose(
        density.value_and_gradient(np.array(point))[1], slopes, rtol=1e-5, atol=1e-3
    )


def test_ld_block_without_weighted_variants_has_log_likelihood_zero(data):
    emptied = data.copy(deep=True)
    emptied["weight"][emptied["ld_block"].values == 3] = 0.0
    found = LogDensity(infinitesimal(emptied, prior="flat")).value_and_blocks(np.array(POINTS[0]))[
        1
    ]["z"]
    assert found.shape == (60,)
    assert found[3] == pytest.approx(0.0, abs=1e-9)
    assert abs(found[4]) > 1


def test_names_dims_and_derived_quantities(data, density):
    model = density.model
    assert density.names == ["log_h2", "log_sigma2_0"]
    assert [v.name for v in model.deterministics] == ["h2", "sigma2_0", "sigma2_beta"]
    assert model.named_vars_to_dims["z"] == ("ld_block",)
    assert list(model.coords["ld_block"]) == list(range(60))
    draws = density.posterior(np.array([POINTS]))
    h2, zero = np.exp(np.array(POINTS)).T
    np.testing.assert_allclose(draws["h2"].values[0], h2)
    np.testing.assert_allclose(draws["sigma2_0"].values[0], zero)
    np.testing.assert_allclose(
        draws["sigma2_beta"].values[0], h2 / data["heterozygosity"].values.sum(), rtol=1e-6
    )
