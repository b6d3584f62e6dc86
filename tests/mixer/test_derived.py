"""n90, the number of variants that explain 90% of h2: against chi-square integrals and against
drawn effects.
"""

import numpy as np
import pytensor
import pytest
from scipy.optimize import brentq
from scipy.stats import chi2

from bayesmixer.mixer.derived import n90_fraction, number_explaining
from tests.models.small_gwas import simulate_gwas

# panels of one frequency, of common variants, and of mostly rare ones
PANELS = {
    "one frequency": np.full(3000, 0.42),
    "uniform": np.random.default_rng(0).uniform(0.1, 0.5, 30_000),
    "mostly rare": np.random.default_rng(1).beta(0.5, 3, 30_000) / 2,
}
TWO = (np.array([0.01, 0.0005]), np.array([1.0, 40.0]) * 1e-5)


def with_panel(h):
    return simulate_gwas(reference_heterozygosity=h)


def evaluate(data, pi, sigma2):
    return float(
        pytensor.function(
            [],
            number_explaining(
                data, pytensor.tensor.as_tensor(pi), pytensor.tensor.as_tensor(sigma2)
            ),
            mode="FAST_COMPILE",
        )()
    )


def by_chi2(h, pi, sigma2):
    """(number, share): of causal variants above the threshold that leaves 90%, from tails of
    chi-square with 1 and 3 degrees of freedom.
    """
    strength = np.multiply.outer(sigma2, h)
    weight = np.broadcast_to(np.asarray(pi)[:, None], strength.shape)

    def left(log_t):
        return (weight * strength * chi2.sf(np.exp(log_t) / strength, 3)).sum() / (
            weight * strength
        ).sum() - 0.9

    t = np.exp(brentq(left, np.log(strength.max()) - 25, np.log(strength.max()) + 3, xtol=1e-10))
    return (weight * chi2.sf(t / strength, 1)).sum()


def drawn(h, pi, sigma2, copies, rng):
    """Fraction of the causal variants that explain 90% of h2, counted in effects drawn `copies`
    times over the panel: mean and standard error.
    """
    share = np.asarray(pi) / np.sum(pi)
    out = []
    for _ in range(copies):
        component = rng.choice(len(share), h.size, p=share)
        part = np.sort(h * np.asarray(sigma2)[component] * rng.chisquare(1, h.size))[::-1]
        out.append((np.searchsorted(np.cumsum(part), 0.9 * part.sum()) + 1) / h.size)
    return np.mean(out), np.std(out, ddof=1) / np.sqrt(copies)


@pytest.mark.parametrize("name", PANELS)
def test_fraction_of_one_component_equals_the_chi_square_integral(name):
    h = PANELS[name]
    assert n90_fraction(with_panel(h)) == pytest.approx(by_chi2(h, [1.0], [1.0]) / h.size, rel=2e-3)


@pytest.mark.parametrize("name", PANELS)
def test_fraction_of_one_component_equals_a_count_in_drawn_effects(name):
    h = np.resize(PANELS[name], 30_000)
    mean, error = drawn(h, [1.0], [1.0], 40, np.random.default_rng(2))
    assert n90_fraction(with_panel(h)) == pytest.approx(mean, abs=4 * error + 1e-3 * mean)


def test_fraction_depends_on_the_panel():
    assert n90_fraction(with_panel(PANELS["mostly rare"])) < 0.8 * n90_fraction(
        with_panel(PANELS["one frequency"])
    )


@pytest.mark.parametrize("name", PANELS)
def test_number_with_two_components_equals_the_chi_square_integral_and_drawn_effects(name):
    h = np.resize(PANELS[name], 30_000)
    found = evaluate(with_panel(h), *TWO)
    assert found == pytest.approx(by_chi2(h, *TWO), rel=1e-2)
    mean, error = drawn(h, *TWO, 40, np.random.default_rng(3))
    assert found / (TWO[0].sum() * h.size) == pytest.approx(mean, abs=4 * error + 1e-2 * mean)


@pytest.mark.parametrize("name", PANELS)
def test_symbolic_number_of_one_component_is_the_fraction_times_the_causal_variants(name):
    data = with_panel(PANELS[name])
    assert evaluate(data, np.array([0.02]), np.array([3e-5])) == pytest.approx(
        0.02 * PANELS[name].size * n90_fraction(data), rel=1e-2
    )


def test_number_does_not_depend_on_the_unit_of_the_effects():
    data = with_panel(PANELS["uniform"])
    assert evaluate(data, TWO[0], TWO[1] * 1e4) == pytest.approx(evaluate(data, *TWO), rel=1e-9)
