"""The jackknife against least squares fitted again without each unit, and Tukey's pseudo-values."""

import numpy as np

from bayesmixer.jackknife import Influence, delete_units, spread


def regression(units=12, seed=0):
    """Design (L, 5, 3) and response (L, 5) by unit."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(units, 5, 3))
    return x, x @ [1.0, -2.0, 0.5] + rng.normal(size=(units, 5))


def test_delete_units_are_least_squares_without_each_unit():
    x, y = regression()
    estimate, influence = delete_units(x.swapaxes(1, 2) @ x, np.einsum("lnp,ln->lp", x, y))
    np.testing.assert_allclose(
        estimate, np.linalg.lstsq(x.reshape(-1, 3), y.ravel(), rcond=None)[0], rtol=1e-12
    )
    for b in (0, 7):
        rest_x, rest_y = np.delete(x, b, 0).reshape(-1, 3), np.delete(y, b, 0).ravel()
        np.testing.assert_allclose(
            estimate + influence.move[b], np.linalg.lstsq(rest_x, rest_y, rcond=None)[0], rtol=1e-10
        )


def test_covariance_is_that_of_the_pseudovalues_over_their_number():
    x, y = regression()
    estimate, influence = delete_units(x.swapaxes(1, 2) @ x, np.einsum("lnp,ln->lp", x, y))
    pseudo = influence.pseudovalues(estimate)
    np.testing.assert_allclose(influence.covariance, np.cov(pseudo.T, ddof=1) / 12, rtol=1e-12)
    np.testing.assert_allclose(
        pseudo[3], 12 * estimate - 11 * (estimate + influence.move[3]), rtol=1e-12
    )


def test_jackknife_of_a_mean_is_its_variance_and_equal_units_are_all_effective():
    y = np.array([1.0, -1.0, 1.0, -1.0])
    influence = delete_units(np.ones((4, 1, 1)), y[:, None])[1]
    assert influence.covariance[0, 0] == np.float64(y.var(ddof=1) / 4)
    assert influence.effective.tolist() == [4.0]
    assert influence.share.ravel().tolist() == [0.25] * 4
    np.testing.assert_allclose(spread(y[:, None]), 16 / 3)


def test_one_heavy_unit_is_all_there_is_and_an_estimate_without_units_has_them_all():
    influence = Influence(np.array([[10.0, 0.0], [0.0, 0.0], [0.0, 0.0]]))
    assert influence.effective.tolist() == [1.0, 3.0]
    assert influence.share[:, 0].tolist() == [1.0, 0.0, 0.0]
    assert not influence.share[:, 1].any()
