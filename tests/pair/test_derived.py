"""Derived quantities of a pair: against counting in drawn architectures, each other, and the counts
of Frei et al. 2019.
"""

import numpy as np
import pytest

from bayesmixer.pair.chart import overlap
from bayesmixer.pair.derived import quantities

M, H = 1e6, 3e5
EXPLAINING = {"n90": 0.3, "n50": 0.07}


def of(pi1, pi2, pi_shared, rho_beta, h2=(0.4, 0.3)):
    """Quantities of a pair, and its point of the chart."""
    f = pi_shared / min(pi1, pi2)
    u = rho_beta * f
    least = overlap(u, 0.0, pi1, pi2).least
    t = (f**2 - least**2) / (1 - least**2)
    at, pi = overlap(u, t, pi1, pi2), np.array([pi1, pi2])
    found = quantities(at, pi, np.array(h2), h_total=H, n_reference=M, explaining=EXPLAINING)
    return found, at


def test_they_are_what_counting_gives_in_a_drawn_architecture():
    rng = np.random.default_rng(1)
    pi, rho, size = (0.02, 0.01, 0.03), -0.7, 2_000_000
    which = rng.choice(4, size, p=[*pi, 1 - sum(pi)])
    beta = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], size)
    one, two, both = (np.isin(which, w) for w in ([0, 2], [1, 2], [2]))
    found, at = of(0.05, 0.04, 0.03, rho)
    share = M / size
    counted = {
        "n_causal": [one.sum() * share, two.sum() * share],
        "n_unique": [(which == 0).sum() * share, (which == 1).sum() * share],
        "n_shared": both.sum() * share,
        "dice": 2 * both.sum() / (one.sum() + two.sum()),
        "jaccard": both.sum() / (one | two).sum(),
        "fraction_concordant": (beta[both].prod(1) > 0).mean(),
        "n_discordant": (beta[both].prod(1) < 0).sum() * share,
    }
    for name, value in counted.items():
        np.testing.assert_allclose(found[name], value, rtol=0.015, err_msg=name)
    effects = beta * np.column_stack([one, two])
    assert at.rg == pytest.approx(np.corrcoef(effects.T)[0, 1], abs=0.005)


def test_parts_add_up_and_bounds_are_met():
    found, at = of(0.012, 0.007, 0.004, 0.5)
    np.testing.assert_allclose(found["n_unique"] + found["n_shared"], found["n_causal"])
    np.testing.assert_allclose(found["n90_unique"] + found["n90_shared"], found["n90"])
    np.testing.assert_allclose(found["n_concordant"] + found["n_discordant"], found["n_shared"])
    np.testing.assert_allclose(found["n90"], 0.3 * found["n_causal"])
    np.testing.assert_allclose(found["n50"], 0.07 * found["n_causal"])
    np.testing.assert_allclose(found["sigma2_beta"] * [0.012, 0.007] * H, [0.4, 0.3])
    assert found["pi_shared_min"] == pytest.approx(abs(at.rg) * np.sqrt(0.012 * 0.007))
    assert found["rg_max"] == pytest.approx(np.sqrt(0.007 / 0.012))
    assert found["n_expected_overlap"] == pytest.approx(M * 0.012 * 0.007)
    assert found["jaccard"] == pytest.approx(found["dice"] / (2 - found["dice"]))


@pytest.mark.parametrize(
    ("first", "second", "shared", "dice"),
    [(8.3, 6.4, 6.2, 0.843), (8.3, 10.8, 8.3, 0.867)],
    ids=["schizophrenia and bipolar disorder", "schizophrenia and education"],
)
def test_dice_is_that_of_the_papers_counts(first, second, shared, dice):
    """In thousands, of the abstract, rounded there to a hundred."""
    found, _ = of(first / 1e3, second / 1e3, shared / 1e3, 0.5)
    assert found["dice"] == pytest.approx(dice, abs=0.003)
