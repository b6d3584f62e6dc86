"""The Op with S as a parameter: against lists of partners of strengths H^(1+S) r^2, against spectra
built at that S, and its derivatives against the oracle's.
"""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

from bayesmixer.errors import InputError
from bayesmixer.ld.exponents import H_REF, lagrange, rescaling
from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs, x_max_of
from bayesmixer.ops import oracle
from bayesmixer.ops.layout import LikelihoodData
from bayesmixer.ops.likelihood import MixtureLogLik
from bayesmixer.ops.maf import MafMixtureLogLik
from bayesmixer.ops.maf_kernel import evaluate
from bayesmixer.ops.maf_layout import MafLikelihoodData
from tests.ops.likelihood_cases import assert_same_to_rounding

HELD = np.array([-1.0, -0.75, -0.5, -0.25, 0.0, 0.25])
K, X_MAX = 24, x_max_of(HELD)
PI, SIGMA2, ZERO, S = 0.01, 4e-5, 1.05, -0.6


class Panel:
    """Variants with a list of partners each: heterozygosities and r^2."""

    def __init__(self, variants=40, seed=3):
        rng = np.random.default_rng(seed)
        count = rng.integers(2, 50, variants)
        self.edge = np.concatenate([[0], np.cumsum(count)])
        self.h, self.r2 = rng.uniform(0.02, 0.5, count.sum()), rng.beta(0.4, 1.5, count.sum())
        self.r2[self.edge[:-1]] = 1.0
        self.spectra = np.stack([self.direct(s) for s in HELD])
        self.n = rng.uniform(0.5, 1.0, variants) * 2e5
        # from the bulk to the far tail
        self.z = np.concatenate(
            [rng.normal(0, 1.5, variants - 8), [4.6, -4.9, 5.2, 5.8, -6.5, 7.5, 9.0, 11.0]]
        )

    def direct(self, s):
        return spectrum_from_pairs(self.edge, self.h ** (1 + s) * self.r2, K, X_MAX)

    def data(self, block=None, spectra=None, **options):
        block = np.arange(self.z.size) if block is None else block
        return MafLikelihoodData(
            self.z,
            self.n,
            np.ones(self.z.size),
            self.spectra if spectra is None else spectra,
            nodes(K, X_MAX),
            block,
            HELD,
            **options,
        )


@pytest.fixture(scope="module")
def panel():
    return Panel()


@pytest.fixture(scope="module")
def op(panel):
    return MafMixtureLogLik(panel.data())


def interpolated(panel, s):
    """Spectra at s in strengths relative to H_REF, by the definition in ld/exponents.py, their
    nodes, and what divides sigma2_beta.
    """
    weight = lagrange(HELD, s)[0]
    node_x, matrices = rescaling(HELD, nodes(K, X_MAX))
    return (
        np.einsum("s,sjk,skl->jl", weight, panel.spectra, matrices),
        node_x,
        H_REF ** (HELD.min() - s),
    )


def by_oracle(panel, s, pi=PI, sigma2=SIGMA2, zero=ZERO):
    spectrum, node_x, scale = interpolated(panel, s)
    return oracle.log_density(panel.z, panel.n, spectrum, node_x, pi, sigma2 / scale, zero)


def test_lagrange_weights_reproduce_polynomials_and_their_derivatives():
    p = np.polynomial.Polynomial([0.3, -1.0, 2.0, 0.5, -0.2, 1.1])
    weight, slope = lagrange(HELD, -0.41)
    assert weight @ p(HELD) == pytest.approx(p(-0.41))
    assert slope @ p(HELD) == pytest.approx(p.deriv()(-0.41))
    np.testing.assert_allclose(lagrange(HELD, -0.5)[0], HELD == -0.5, atol=1e-14)


@pytest.mark.parametrize("s", [-0.9, -0.6, 0.1])
def test_log_density_is_that_of_the_list_of_partners_with_strengths_h_to_the_one_plus_s(
    panel, op, s
):
    found = op.evaluate([PI], [SIGMA2], ZERO, s)[0]
    bulk = np.flatnonzero(np.abs(panel.z) < 5)
    for j in bulk[::2]:
        here = slice(panel.edge[j], panel.edge[j + 1])
        x = panel.h[here] ** (1 + s) * panel.r2[here]
        expected = oracle.log_density(panel.z[j], panel.n[j], x[None], x, PI, SIGMA2, ZERO)[0]
        assert found[j] == pytest.approx(expected, abs=2e-3)


def test_interpolated_spectra_give_the_densities_of_spectra_built_at_that_s(panel, op):
    for s in (-0.9, -0.6, -0.1, 0.1):
        direct = LikelihoodData(
            panel.z,
            panel.n,
            np.ones(panel.z.size),
            panel.direct(s),
            nodes(K, X_MAX),
            np.arange(panel.z.size),
        )
        expected = MixtureLogLik(direct, gradient=False).evaluate([PI], [SIGMA2], ZERO)[0]
        found = op.evaluate([PI], [SIGMA2], ZERO, s)[0]
        bulk = np.abs(panel.z) < 4
        np.testing.assert_allclose(found[bulk], expected[bulk], atol=1e-3)
        assert np.median(np.abs(found - expected)[bulk]) < 1e-4


@pytest.mark.parametrize("s", HELD)
def test_at_an_exponent_that_is_held_it_is_the_likelihood_of_that_exponent(panel, op, s):
    i = int(np.flatnonzero(s == HELD)[0])
    data = LikelihoodData(
        panel.z,
        panel.n,
        np.ones(panel.z.size),
        panel.spectra[i],
        nodes(K, X_MAX),
        np.arange(panel.z.size),
    )
    value, jacobian = MixtureLogLik(data).evaluate([PI], [SIGMA2], ZERO)
    found, slope = op.evaluate([PI], [SIGMA2], ZERO, s)
    bulk = np.abs(panel.z) < 6
    np.testing.assert_allclose(found[bulk], value[bulk], atol=2e-5)
    size = np.abs(jacobian).max(0)
    np.testing.assert_allclose(slope[bulk, :3] / size, jacobian[bulk] / size, rtol=1e-3, atol=1e-4)


def test_value_and_jacobian_are_those_of_the_oracle_on_the_interpolated_spectrum(panel, op):
    value, jacobian = op.evaluate([PI], [SIGMA2], ZERO, S)
    rows = np.abs(panel.z) < 5.6  # beyond, the saddle point may have a share
    np.testing.assert_allclose(value[rows], by_oracle(panel, S)[rows], atol=1e-6)
    size = np.abs(jacobian[rows]).max(0)
    for column, (name, at, h) in enumerate(
        (("pi", PI, 1e-5), ("sigma2", SIGMA2, 1e-8), ("zero", ZERO, 1e-4), ("s", S, 1e-4))
    ):
        up, down = (by_oracle(panel, **{"s": S, name: at + step}) for step in (h, -h))
        far_up, far_down = (
            by_oracle(panel, **{"s": S, name: at + step}) for step in (2 * h, -2 * h)
        )
        expected = (8 * (up - down) - (far_up - far_down)) / (12 * h)  # of fourth order
        np.testing.assert_allclose(
            jacobian[rows, column] / size[column],
            expected[rows] / size[column],
            atol=1e-6,
            err_msg=name,
        )


def test_derivative_in_s_is_that_of_the_op_itself_in_the_far_tail_too(panel, op):
    jacobian = op.evaluate([PI], [SIGMA2], ZERO, S)[1]
    up, down = (op.evaluate([PI], [SIGMA2], ZERO, S + h)[0] for h in (1e-4, -1e-4))
    np.testing.assert_allclose(jacobian[:, 3], (up - down) / 2e-4, rtol=1e-4, atol=1e-4)


def test_blocks_add_up_and_values_alone_agree_whatever_the_number_of_threads(panel):
    spectra = np.tile(panel.spectra, (1, 12, 1))
    j = spectra.shape[1]
    block, weight = np.arange(j) // 60, np.random.default_rng(0).uniform(0, 1, j)
    data = MafLikelihoodData(
        np.tile(panel.z, 12), np.tile(panel.n, 12), weight, spectra, nodes(K, X_MAX), block, HELD
    )
    args = (np.array([PI]), np.array([SIGMA2]), ZERO, S)
    value, jacobian = evaluate(data.packed, data.tails, *args, True, 1)
    for other in (evaluate(data.packed, data.tails, *args, True, threads) for threads in (2, 3)):
        np.testing.assert_array_equal(other[0], value)  # a block is one thread's
        np.testing.assert_array_equal(other[1], jacobian)
    assert_same_to_rounding(evaluate(data.packed, data.tails, *args, False, 1)[:1], [value])
    each, slopes = MafMixtureLogLik(panel.data()).evaluate(*args)
    # other blocks have other bands, and those other frequencies: the error of the quadrature, 1e-9
    # of the least density of a band
    np.testing.assert_allclose(np.bincount(block, weight * np.tile(each, 12)), value, rtol=1e-7)
    np.testing.assert_allclose(
        (weight[:, None] * np.tile(slopes, (12, 1))).sum(0), jacobian.sum(0), rtol=1e-6
    )


def test_scores_by_ld_block_come_by_pushforward_and_gradients_by_pullback(op):
    pi, sigma2, zero, s = pt.dvector(), pt.dvector(), pt.dscalar(), pt.dscalar()
    loglik = op(pi, sigma2, zero, s)[0]
    score = pytensor.gradient.pushforward(loglik, s, pt.constant(1.0))
    mode = Mode(linker="py", optimizer="fast_compile")
    outputs = pytensor.function(
        [pi, sigma2, zero, s],
        [score, *pytensor.grad(loglik.sum(), [pi, sigma2, zero, s])],
        mode=mode,
    )
    args = ([PI], [SIGMA2], ZERO, S)
    jacobian = op.evaluate(*args)[1]
    found = outputs(*args)
    np.testing.assert_allclose(found[0], jacobian[:, 3], rtol=1e-12)
    np.testing.assert_allclose(
        np.concatenate([np.ravel(v) for v in found[1:]]), jacobian.sum(0), rtol=1e-12
    )


@pytest.mark.parametrize(
    "args",
    [
        ([PI], [SIGMA2], ZERO, -1.01),
        ([PI], [SIGMA2], ZERO, 0.26),
        ([PI], [SIGMA2], ZERO, np.nan),
        ([-0.1], [SIGMA2], ZERO, S),
    ],
)
def test_outside_the_exponents_held_the_log_likelihood_is_minus_infinity(op, args):
    value, jacobian = op.evaluate(*args)
    assert (value == -np.inf).all()
    assert (jacobian == 0).all()


def test_censored_variants_count_with_their_tail_probability(panel):
    op = MafMixtureLogLik(panel.data(censor=4.0))
    value, jacobian = op.evaluate([PI], [SIGMA2], ZERO, S)
    spectrum, node_x, scale = interpolated(panel, S)
    expected = oracle.log_density(
        panel.z, panel.n, spectrum, node_x, PI, SIGMA2 / scale, ZERO, censor=4.0
    )
    np.testing.assert_allclose(value, expected, atol=1e-5)
    up, down = (op.evaluate([PI], [SIGMA2], ZERO, S + h)[0] for h in (1e-4, -1e-4))
    np.testing.assert_allclose(jacobian[:, 3], (up - down) / 2e-4, rtol=1e-4, atol=1e-4)


def test_shapes_exponents_and_nodes_that_do_not_fit_are_refused(panel):
    size = panel.z.size
    with pytest.raises(ValueError, match="different exponents"):
        MafLikelihoodData(
            panel.z,
            panel.n,
            np.ones(size),
            panel.spectra,
            nodes(K, X_MAX),
            np.arange(size),
            HELD[:4],
        )
    broken = panel.spectra.copy()
    broken[2, 5] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        panel.data(spectra=broken)
    with pytest.raises(InputError, match="nodes of an LD spectrum"):
        MafLikelihoodData(
            panel.z,
            panel.n,
            np.ones(size),
            panel.spectra,
            np.linspace(1, 0, K),
            np.arange(size),
            HELD,
        )


def test_jax_calls_the_kernels_and_has_their_slopes(op):
    from tests.ops.under_jax import same_under_jax

    same_under_jax(op, (np.array([0.01]), np.array([1e-4]), 1.05, -0.4))
