"""The NumPy oracle against multiprecision quadrature, enumeration of causal configurations and the
reference densities.
"""

import mpmath as mp
import numpy as np
import pytest

from bayesmixer.errors import InputError
from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from bayesmixer.ops.oracle import (
    as_model,
    branch_constant,
    branch_height,
    cumulant,
    log_characteristic,
    log_density,
    log_density_gradient,
)
from tests.fixtures import mixer
from tests.ops.mp_oracle import (
    configurations,
    enumerated_log_density,
    gradient,
    spectrum_log_density,
)

PARTNERS = np.array([0.48, 0.31, 0.12, 0.03, 0.004, 0.0])
CASES = {
    "sparse": ([0.004], [0.00048], 1.05, 80_000),
    "strong": ([1e-5], [0.005], 0.9, 80_000),
    "rare and tiny error": ([1e-6], [0.002], 0.3, 100_000),
    "polygenic": ([0.3], [6e-6], 1.2, 80_000),
    "everyone": ([1.0], [1e-6], 5.0, 80_000),
    "two components": ([0.01, 0.0005], [5e-5, 0.002], 1.1, 60_000),
    "two components, all causal": ([0.99, 0.01], [1e-6, 4e-4], 1.0, 60_000),
}
Z = [0.0, 0.7, -2.5, 6.0, -13.0, 40.0]


@pytest.mark.parametrize("case", CASES)
def test_list_of_partners_equals_enumeration_of_causal_configurations(case):
    pi, sigma2, zero, n = CASES[case]
    x = PARTNERS[PARTNERS > 0]
    with mp.workdps(30):
        truth = [float(enumerated_log_density(z, n, x, pi, sigma2, zero)) for z in Z]
    found = log_density(Z, n, np.tile(x, (len(Z), 1)), x, pi, sigma2, zero)
    np.testing.assert_allclose(found, truth, rtol=1e-12, atol=1e-11)


def test_far_tail_of_a_variant_with_little_signal_is_relative_to_the_density():
    x = np.array([0.02])
    with mp.workdps(30):
        truth = float(enumerated_log_density(40, 1000, x, [0.1], [1e-5], 1.0))
    assert truth < -799
    np.testing.assert_allclose(
        log_density(40.0, 1000, x[None], x, 0.1, 1e-5, 1.0)[0], truth, rtol=1e-12
    )


@pytest.mark.parametrize("case", CASES)
def test_gradient_equals_multiprecision_differences_of_the_enumeration(case):
    pi, sigma2, zero, n = CASES[case]
    x = PARTNERS[[0, 2, 3]]
    zs = [0.4, 5.0, 25.0]
    _, found = log_density_gradient(zs, n, np.tile(x, (3, 1)), x, pi, sigma2, zero)
    free = (
        slice(None) if sum(pi) < 1 else slice(len(pi), None)
    )  # at sum(pi) = 1 the share of no effect cannot move both ways
    for z, row in zip(zs, found, strict=True):
        with mp.workdps(40):
            truth = _gradient_of_enumeration(z, n, x, pi, sigma2, zero)
        np.testing.assert_allclose(
            row[free], np.array(truth)[free], rtol=1e-9, atol=1e-12 * np.abs(truth).max()
        )


def _gradient_of_enumeration(z, n, x, pi, sigma2, zero):
    return gradient(lambda p, v, s: enumerated_log_density(z, n, x, p, v, s), pi, sigma2, zero)


@pytest.mark.parametrize("censor", [0.5, 5.45, 20.0])
@pytest.mark.parametrize("case", ["sparse", "strong", "two components", "everyone"])
def test_censored_z_contributes_the_probability_beyond_and_others_their_density(case, censor):
    pi, sigma2, zero, n = CASES[case]
    x, zs = PARTNERS[[0, 1, 3]], [0.3, 21.0]
    with mp.workdps(40):
        truth = [
            float(enumerated_log_density(z, n, x, pi, sigma2, zero, censor=censor)) for z in zs
        ]
        slope = gradient(
            lambda p, v, s: enumerated_log_density(21, n, x, p, v, s, censor=censor),
            pi,
            sigma2,
            zero,
        )
    value, grad = log_density_gradient(
        zs, n, np.tile(x, (2, 1)), x, pi, sigma2, zero, censor=censor
    )
    np.testing.assert_allclose(value, truth, rtol=1e-11, atol=1e-11)
    free = slice(None) if sum(pi) < 1 else slice(len(pi), None)
    np.testing.assert_allclose(
        grad[1, free], np.array(slope)[free], rtol=1e-8, atol=1e-10 * np.abs(slope).max()
    )


@pytest.fixture(scope="module")
def toy():
    """A spectrum with powers that are not whole numbers: 40 partners on 12 nodes."""
    rng = np.random.default_rng(1)
    x = np.append(rng.beta(0.3, 3, 40) / 2, 0.45)
    return spectrum_from_pairs(np.array([0, len(x)]), x, 12), nodes(12), x


@pytest.mark.parametrize("case", ["sparse", "polygenic", "two components"])
def test_spectrum_density_equals_multiprecision_quadrature_on_the_real_line(toy, case):
    spectrum, x, _ = toy
    pi, sigma2, zero, n = CASES[case]
    zs = [0.0, 3.0, 9.0]
    with mp.workdps(40):
        truth = [float(spectrum_log_density(z, n, spectrum[0], x, pi, sigma2, zero)) for z in zs]
        tail = float(spectrum_log_density(9, n, spectrum[0], x, pi, sigma2, zero, censor=6))
    tile = np.tile(spectrum, (3, 1))
    np.testing.assert_allclose(
        log_density(zs, n, tile, x, pi, sigma2, zero), truth, rtol=1e-11, atol=1e-11
    )
    np.testing.assert_allclose(
        log_density(9.0, n, spectrum, x, pi, sigma2, zero, censor=6.0)[0], tail, atol=1e-10
    )


def test_spectrum_density_does_not_depend_on_the_line_below_the_branch_points(toy):
    spectrum, x, _ = toy
    pi, sigma2, zero, n = CASES["sparse"]
    height = branch_height(as_model(0.0, n, spectrum, x, pi, sigma2, zero))[0]
    values = [
        log_density(8.0, n, spectrum, x, pi, sigma2, zero, shift=share * height)[0]
        for share in (0.4, 0.6, 0.9)
    ]
    np.testing.assert_allclose(values, values[0], atol=1e-10)


@pytest.mark.parametrize(
    ("pi", "sigma2"),
    [
        ([0.004], [0.00048]),
        ([0.01, 0.0005], [5e-5, 0.002]),
        ([0.2, 0.1], [1e-5, 3e-5]),
        ([0.6, 0.4], [1e-6, 1e-4]),
    ],
)
def test_branch_constant_is_the_lowest_zero_of_the_mixture(pi, sigma2):
    """Search for zeros by Newton's method from many starts."""

    def f(u):
        return 1 - sum(pi) + sum(p * np.exp(v * u) for p, v in zip(pi, sigma2, strict=True))

    def slope(u):
        return sum(p * v * np.exp(v * u) for p, v in zip(pi, sigma2, strict=True))

    size = 30 / max(sigma2) * np.logspace(-1.5, 1, 60)
    u = (size[:, None] * np.exp(1j * np.linspace(0.02, 3.12, 60))).ravel()
    with np.errstate(all="ignore"):
        for _ in range(200):
            step = f(u) / slope(u)
            u = u - step * np.minimum(1, 0.3 / max(sigma2) / np.abs(step))
        zeros = u[(np.abs(f(u)) < 1e-10) & (np.abs(f(u) / slope(u) / u) < 1e-8)]
    np.testing.assert_allclose(
        branch_constant(np.array(pi), np.array(sigma2)), np.sqrt(zeros).real.min(), rtol=1e-6
    )


def test_no_component_has_zeros_when_every_variant_is_causal():
    assert branch_constant(np.array([1.0]), np.array([1e-6])) == np.inf


def test_cumulant_generates_the_moments_of_the_enumeration():
    pi, sigma2, zero, n = CASES["two components"]
    x, k = PARTNERS[[0, 2, 3]], 0.4
    m = as_model(0.0, n, x[None], x, pi, sigma2, zero)
    with mp.workdps(30):
        pairs = list(configurations(x, n, pi, sigma2, zero))
        total = mp.fsum(p * mp.exp(v * k * k / 2) for p, v in pairs)
        slope = mp.fsum(p * v * k * mp.exp(v * k * k / 2) for p, v in pairs) / total
    value, derivative = cumulant(m, np.array([k]))
    np.testing.assert_allclose(
        [value[0], derivative[0]], [float(mp.log(total)), float(slope)], rtol=1e-12
    )
    np.testing.assert_allclose(
        log_characteristic(m, np.array([0.0]), np.array([k]))[0, 0], value[0], rtol=1e-12
    )


def test_bad_arguments_are_named():
    x = PARTNERS[:3]
    with pytest.raises(InputError, match="pi"):
        log_density(0.0, 1.0, x[None], x, [0.6, 0.6], [1.0, 1.0], 1.0)
    with pytest.raises(InputError, match="columns"):
        log_density(0.0, 1.0, x[None], x[:2], 0.1, 1.0, 1.0)


@pytest.mark.parametrize("point", ["U0", "U1", "U2", "U3", "U4", "U5_inf"])
def test_reference_densities(point):
    """Full lists agree to rounding; spectra of 24 nodes to the interpolation error."""
    kept, p = mixer.kept(), mixer.table()["points"][point]["params"]
    exact, z, n = kept.exact[point, 1], kept.z[1], kept.n[1]
    rng = np.random.default_rng(2)
    some = np.unique(
        np.concatenate([rng.choice(len(exact), 15, replace=False), np.argsort(exact)[:12]])
    )
    worst = np.zeros(2)
    for j in some:
        x = kept.partners(j)
        spectrum = spectrum_from_pairs(np.array([0, len(x)]), x, 24)
        args = (p["pi"], p["sig2_beta"], p["sig2_zero"])
        full = log_density(z[j], n[j], x[None], x, *args)[0]
        short = log_density(z[j], n[j], spectrum, nodes(24), *args)[0]
        worst = np.maximum(worst, [abs(full - exact[j]), abs(short - exact[j])])
    assert worst[0] < 1e-10  # both stop where halving the step changes 1e-11
    assert worst[1] < 1e-5
