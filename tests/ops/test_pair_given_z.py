"""What pairs of z-scores say of the effects behind them, against the sum over all causal
configurations.
"""

import itertools

import numpy as np
import pytest

from bayesmixer.errors import InputError
from bayesmixer.ld.spectrum import nodes
from bayesmixer.ops.given_z import given_z
from bayesmixer.ops.pair_given_z import pair_given_z
from bayesmixer.ops.pair_predict import PairMixture
from tests.ops.test_given_z import K, as_spectra

QUESTIONS = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 1]], bool)  # of 1, of 2, of both
CLOSE = np.arange(5) < 3


def mixture(pi=(0.02, 0.01, 0.03), v=(2e-4, 3e-4), rho=0.6, zero=(1.05, 0.95), rho_0=0.2):
    v1, v2 = v
    both = rho * np.sqrt(v1 * v2)
    return PairMixture(
        np.array(pi),
        np.array([[v1, 0, 0], [0, v2, 0], [v1, v2, both]]),
        np.array([*zero, rho_0 * np.sqrt(zero[0] * zero[1])]),
    )


def square(v):
    return np.array([[v[0], v[2]], [v[2], v[1]]])


def brute(z, n, x, close, m):
    """Columns of `PairGiven` of one variant, itself first of partners of strengths x (P,)."""
    root_n = np.sqrt(np.outer(n, n))
    sigma = [np.zeros((2, 2)), *(square(v) * root_n for v in m.sigma_beta)]
    weight = np.array([1 - m.pi.sum(), *m.pi])
    zero = square(m.sigma_0)
    total, out = 0.0, np.zeros(4 + 2 * len(QUESTIONS))
    for kind in itertools.product(range(len(weight)), repeat=len(x)):
        v = sum(xi * sigma[k] for xi, k in zip(x, kind, strict=True))
        whole = np.linalg.inv(v + zero)
        density = weight[list(kind)].prod() * np.sqrt(np.linalg.det(whole))
        density *= np.exp(-0.5 * z @ whole @ z)
        asked = np.array([[k > 0 and q[k - 1] for k in kind] for q in QUESTIONS])
        out += density * np.concatenate([
            v @ whole @ z, x[0] * sigma[kind[0]] @ whole @ z, asked[:, 0],
            asked[:, close].any(1),
        ])  # fmt: skip
        total += density
    return out / total


def cases(seed=2):
    rng = np.random.default_rng(seed)
    z = np.array([
        [0.0, 0.0], [0.4, -1.2], [2.5, 0.1], [-3.3, 2.0], [3.0, 3.1], [-0.3, -4.4], [4.0, -3.0],
        [5.0, 0.5], [1.0, 1.0], [2.0, 2.2],
    ])  # fmt: skip
    x = rng.uniform(0.05, 0.5, (len(z), CLOSE.size)) * rng.beta(0.5, 1.2, (len(z), CLOSE.size))
    x[:, 0] = rng.uniform(0.02, 0.5, len(z))
    n = np.where(np.arange(len(z))[:, None] < 7, [1e5, 6e4], [5e4, 6e4])
    return x, z, n


def found_of(x, z, n, draws, close=CLOSE, **options):
    count = np.full(len(z), close.sum())
    given = pair_given_z(
        z, n, as_spectra(x), nodes(K), x[:, 0], draws, QUESTIONS, as_spectra(x[:, close]), count,
        **options,
    )  # fmt: skip
    return np.concatenate(given)


@pytest.mark.parametrize(
    "m",
    [
        mixture(),
        mixture(rho=-1.0, rho_0=-0.5),
        mixture(pi=(0.0, 0.0, 0.05), rho=0.0),
        mixture(pi=(0.02, 0.01, 0.0)),
        mixture(pi=(0.2, 0.3, 0.5), v=(2e-5, 3e-5)),
    ],
    ids=["some", "opposite", "all", "none", "polygenic"],
)
def test_everything_is_the_sum_over_causal_configurations(m):
    """Range and step of the lattice are each chosen for 1e-3 of the density."""
    x, z, n = cases()
    exact = np.array([brute(*of, CLOSE, m) for of in zip(z, n, x, strict=True)]).T
    np.testing.assert_allclose(found_of(x, z, n, [m]), exact, atol=4e-3)


def test_far_tails_are_a_few_per_cent_off_as_a_rule_and_draws_are_averaged():
    """By the saddle point, of which a density has several where two strong z-scores disagree with
    the effects' correlation: docs/evidence/variants.md.
    """
    x, _, n = cases()
    z = np.random.default_rng(1).choice([-1, 1], (len(x), 2)) * np.array([9.0, 7.0])
    each = []
    for m in (mixture(), mixture(pi=(0.02, 0.01, 0.002), rho=-0.3)):
        exact = np.array([brute(*of, CLOSE, m) for of in zip(z, n, x, strict=True)]).T
        error = np.abs((found := found_of(x, z, n, [m])) - exact)
        assert np.median(error[:2]) < 0.01 * 9
        assert np.median(error[4:]) < 0.1
        assert (found[4:] >= 0).all()
        assert (found[4:] <= 1).all()
        each.append((m, found))
    both = found_of(x, z, n, [m for m, _ in each])
    # probabilities are kept within 0 and 1 after they are averaged
    np.testing.assert_allclose(both, np.mean([f for _, f in each], axis=0), atol=5e-3)


def test_traits_that_share_nothing_are_those_of_one_trait():
    """No correlation of any kind, shared by chance alone: pi_shared = pi_1 pi_2."""
    x, z, n = cases()
    m = mixture(pi=(0.05 * 0.98, 0.95 * 0.02, 0.05 * 0.02), rho=0.0, rho_0=0.0)
    found = found_of(x, z, n, [m])
    for t, (share, v, zero) in enumerate(((0.05, 2e-4, 1.05), (0.02, 3e-4, 0.95))):
        one = given_z(
            z[:, t], n[:, t], as_spectra(x), nodes(K), x[:, 0],
            [(np.array([share]), np.array([v]), zero)], as_spectra(x[:, CLOSE]),
            np.full(len(z), CLOSE.sum()),
        )  # fmt: skip
        same = np.array([one.signal, one.own, one.causal, one.close])
        np.testing.assert_allclose(found[[t, 2 + t, 4 + t, 7 + t]], same, atol=4e-3)


def test_flipping_the_sign_of_a_trait_flips_its_effects_alone():
    x, z, n = cases()
    one = found_of(x, z, n, [mixture()])
    other = found_of(x, z * [1, -1], n, [mixture(rho=-0.6, rho_0=-0.2)])
    other[[1, 3]] *= -1
    np.testing.assert_allclose(one, other, atol=4e-3)


def test_without_close_partners_nothing_is_said_of_them_and_the_rest_is_the_same():
    x, z, n = cases()
    alone = np.concatenate(
        pair_given_z(z, n, as_spectra(x), nodes(K), x[:, 0], [mixture()], QUESTIONS)
    )
    assert np.isnan(alone[7:]).all()
    np.testing.assert_allclose(alone[:7], found_of(x, z, n, [mixture()])[:7], atol=1e-3)


def test_no_draw_is_an_error_of_one_line():
    x, z, n = cases()
    with pytest.raises(InputError, match="draws: none"):
        found_of(x, z, n, [])
