"""What a z-score says of the effects behind it, against the sum over all causal configurations."""

import itertools

import numpy as np
import pytest
from scipy.stats import norm

from bayesmixer.errors import InputError
from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from bayesmixer.ops.given_z import given_z

K, N_REF = 24, 1e5
ONE = (np.array([0.02]), np.array([2e-4]), 1.05)
TWO = (np.array([0.03, 0.004]), np.array([4e-5, 6e-4]), 0.9)
ALL = (np.array([1.0]), np.array([3e-5]), 1.1)


def brute(z, n, x, close, draw):
    """Rows of `Given` of one variant, itself first of partners of strengths x (P,), `close` (P,)
    of which are close: the sum over who is of which component.
    """
    pi, beta, zero = draw
    weights, variances, own, causal, none_close = [], [], [], [], []
    for kind in itertools.product(range(len(pi) + 1), repeat=len(x)):
        share = np.array([1 - pi.sum(), *pi])[list(kind)]
        part = n * x * np.array([0.0, *beta])[list(kind)]
        weights.append(share.prod())
        variances.append(part.sum())
        own.append(part[0])
        causal.append(kind[0] > 0)
        none_close.append(not any(k > 0 and c for k, c in zip(kind, close, strict=True)))
    w, v, own, causal, near = map(np.array, (weights, variances, own, causal, none_close))
    density = w * norm.pdf(z, scale=np.sqrt(v + zero))
    tail = w * norm.sf(abs(z), scale=np.sqrt(v + zero))
    p, beyond = density.sum(), tail.sum()
    return np.array([
        (density * v / (v + zero)).sum() * z / p,
        (density * own / (v + zero)).sum() * z / p,
        density[causal].sum() / p,
        density[~near].sum() / p,
        tail[causal].sum() / beyond,
        tail[~near].sum() / beyond,
    ])  # fmt: skip


def cases(partners=8, seed=1):
    """Strengths of partners (J, P), the variant itself first, of which the first three are close;
    z and N.
    """
    rng = np.random.default_rng(seed)
    z = np.array([0.0, 0.3, -1.2, 2.5, -3.9, 4.5, 5.4, -6.5, 8.0, 12.0, -20.0, 0.7, 3.1, 9.0])
    x = rng.uniform(0.05, 0.5, (z.size, partners)) * rng.beta(0.5, 1.2, (z.size, partners))
    x[:, 0] = rng.uniform(0.02, 0.5, z.size)
    n = np.where(np.arange(z.size) < 11, N_REF, N_REF / 3)
    return x, z, n


def as_spectra(x, k=K):
    count, partners = x.shape
    return spectrum_from_pairs(np.arange(count + 1) * partners, x.ravel(), k)


def found_of(x, z, n, draws, close):
    count = np.full(z.size, close.sum())
    return np.array(
        given_z(z, n, as_spectra(x), nodes(K), x[:, 0], draws, as_spectra(x[:, close]), count)
    )


def exact_of(x, z, n, draw, close):
    return np.array([brute(*of, close, draw) for of in zip(z, n, x, strict=True)]).T


CLOSE = np.arange(6) < 3


@pytest.mark.parametrize("draw", [ONE, TWO, ALL], ids=["one", "two", "infinitesimal"])
def test_everything_is_the_sum_over_causal_configurations(draw):
    """Units of z for the first two, probabilities the others. 24 nodes give log p to 1e-6 in the
    bulk, and a shifted line to 1e-4 of a tail's p (docs/evidence/likelihood.md).
    """
    x, z, n = cases(CLOSE.size)
    found, exact = found_of(x, z, n, [draw], CLOSE), exact_of(x, z, n, draw, CLOSE)
    bulk = np.abs(z) < 6
    np.testing.assert_allclose(found[:, bulk], exact[:, bulk], atol=2e-6)
    np.testing.assert_allclose(found, exact, atol=3e-4)


@pytest.mark.parametrize("z", [12.0, 20.0, 30.0])
@pytest.mark.parametrize(
    "draw",
    [
        (np.array([1e-4]), np.array([2e-3]), 1.0),
        (np.array([0.02]), np.array([1e-4]), 1.0),
        (np.array([0.3, 1e-4]), np.array([1e-5, 1e-3]), 1.0),
    ],
    ids=["sparse", "many", "two"],
)
def test_saddle_points_of_the_far_tail_are_a_few_per_cent_off(draw, z):
    """Errors are 1% of z in the signal, 0.01 in probabilities, and more where few effects of 30
    standard errors stand among many small ones (docs/evidence/variants.md).
    """
    x, _, n = cases(CLOSE.size, 4)
    z = np.full(n.size, z)
    error = np.abs(found_of(x, z, n, [draw], CLOSE) - exact_of(x, z, n, draw, CLOSE))
    error[:2] /= z
    assert error[0].max() < 0.01
    assert error[1:].max() < 0.2
    assert np.median(error, axis=1).max() < 0.01


def test_draws_are_averaged():
    x, z, n = cases(CLOSE.size)
    each = [found_of(x, z, n, [draw], CLOSE) for draw in (ONE, TWO)]
    np.testing.assert_allclose(
        found_of(x, z, n, [ONE, TWO], CLOSE), np.mean(each, axis=0), atol=1e-12
    )


def test_without_close_partners_nothing_is_said_of_them_and_the_rest_is_the_same():
    x, z, n = cases(CLOSE.size)
    whole = found_of(x, z, n, [ONE], CLOSE)
    alone = np.array(given_z(z, n, as_spectra(x), nodes(K), x[:, 0], [ONE]))
    assert np.isnan(alone[[3, 5]]).all()
    np.testing.assert_array_equal(np.delete(alone, [3, 5], 0), np.delete(whole, [3, 5], 0))


def test_a_variant_with_no_other_close_partner_is_its_own_close_partner():
    x, z, n = cases(CLOSE.size)
    found = found_of(x, z, n, [ONE], np.arange(CLOSE.size) < 1)
    np.testing.assert_allclose(found[3], found[2], atol=2e-5)
    np.testing.assert_allclose(found[5], found[4], atol=2e-5)


def test_threads_change_nothing():
    x, z, n = (np.concatenate([a] * 400) for a in cases(CLOSE.size))
    spectrum, few = as_spectra(x), (z, n)
    one, two = (
        np.array(given_z(*few, spectrum, nodes(K), x[:, 0], [ONE], threads=k)) for k in (1, 2)
    )
    np.testing.assert_array_equal(one, two)


def test_everything_is_finite_and_a_probability_wherever_the_likelihood_is():
    rng = np.random.default_rng(5)
    for _ in range(20):
        x, _, n = cases(30, int(rng.integers(1 << 30)))
        draw = (
            np.array([10 ** rng.uniform(-5, 0)]),
            np.array([10 ** rng.uniform(-6, np.log10(4e-3))]),
            rng.uniform(0.5, 3),
        )
        z = rng.uniform(-40, 40, n.size)
        found = found_of(x, z, n, [draw], np.arange(30) < 5)
        assert np.isfinite(found).all()
        assert (np.abs(found[0]) <= np.abs(z) * (1 + 1e-9)).all()
        assert (found[2] <= found[3] + 0.05).all()


def test_no_draw_is_an_error_of_one_line():
    x, z, n = cases(CLOSE.size)
    with pytest.raises(InputError, match="draws: none"):
        given_z(z, n, as_spectra(x), nodes(K), x[:, 0], [])
