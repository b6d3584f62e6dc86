"""Very unequal sample sizes and very strong effects, held against multiprecision: right, or refused
in one line.
"""

import mpmath as mp
import numpy as np
import pytest

from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from bayesmixer.ops import kernel
from bayesmixer.ops.layout import LikelihoodData
from bayesmixer.ops.likelihood import log_density
from tests.ops.likelihood_cases import partners
from tests.ops.mp_oracle import enumerated_log_density, spectrum_log_density

NODE_X = nodes(6)
X = partners(np.random.default_rng(5))
SPECTRUM = spectrum_from_pairs([0, len(X)], X, 6)[0]
THETA = ([0.01], [1e-3], 1.05)


def at(z, n, spectrum=SPECTRUM, theta=THETA, node_x=NODE_X, censor=None):
    z = np.asarray(z, float)
    return log_density(
        z, np.broadcast_to(n, z.shape), np.tile(spectrum, (z.size, 1)), node_x, *theta, censor
    )


@pytest.mark.parametrize("ratio", [3e4, 9e4])
@pytest.mark.parametrize("share", [0.01, 0.5])
def test_variants_of_a_small_n_beside_those_of_a_large_one_have_their_density(ratio, share):
    """Few of them are left to the shifted line, many share the cosine sum."""
    size = 200
    z, n = np.tile([0.2, 2.9, 4.4, 6.5], size // 4), np.full(size, 1e5)
    low = np.arange(0, size, int(1 / share))[:, None] + np.arange(1)
    n[low] = 1e5 / ratio
    z[low[:4, 0]] = [0.2, 2.9, 4.4, 6.5][: low[:4].size]
    found = at(z, n)
    for i in [*low[:4, 0], 1, 3]:
        with mp.workdps(25):
            truth = float(spectrum_log_density(z[i], n[i], SPECTRUM, NODE_X, *THETA))
        assert found[i] == pytest.approx(truth, abs=1e-6), (z[i], n[i])


def test_jacobian_of_variants_of_very_unequal_n_is_the_slope_of_the_value():
    z, n = np.tile([0.4, 3.0, 6.2], 40), np.full(120, 1e5)
    n[[0, 1, 2, 50]] = 2.0
    data = LikelihoodData(z, n, np.ones(120), np.tile(SPECTRUM, (120, 1)), NODE_X, np.arange(120))
    theta = np.array([0.01, 1e-3, 1.05])

    def value(t):
        return kernel.evaluate(data.packed, data.tails, t[:1], t[1:2], t[2], True, 1)

    jacobian = value(theta)[1]
    for i in range(3):
        h = 1e-3 * theta[i] * np.eye(3)[i]
        slope = (
            8 * (value(theta + h)[0] - value(theta - h)[0])
            - (value(theta + 2 * h)[0] - value(theta - 2 * h)[0])
        ) / (12 * h[i])
        np.testing.assert_allclose(
            jacobian[:, i], slope, rtol=1e-4, atol=1e-4 * np.abs(slope).max()
        )


@pytest.mark.parametrize("strength", [300.0, 5e3, 2e5])
@pytest.mark.parametrize("pi", [1e-3, 0.3])
@pytest.mark.parametrize("censor", [None, 5.0])
def test_effects_of_up_to_hundreds_of_standard_errors_have_the_density_of_their_mixture(
    strength, pi, censor
):
    """One partner at a node of its own, so that the spectrum says the same as the list: N
    sigma2_beta H = strength.
    """
    node_x = nodes(24)
    spectrum = np.zeros(24)
    spectrum[0] = node_x[0]
    z = np.array([0.0, 1.5, 4.5, 5.2, 9.0, 30.0, 150.0])
    theta = ([pi], [strength / (1e5 * node_x[0])], 1.05)
    found = at(z, 1e5, spectrum, theta, node_x, censor)
    truth = [float(enumerated_log_density(v, 1e5, [node_x[0]], *theta, censor)) for v in z]
    computed = np.isfinite(found)
    np.testing.assert_allclose(found[computed], np.array(truth)[computed], atol=0.02)
    assert (found[~computed] == -np.inf).all()
    assert computed.all() or strength > 5e3


@pytest.mark.parametrize("censor", [None, 5.0])
def test_no_density_is_above_that_of_the_error_alone_however_strong_the_effects(censor):
    """Where the spectrum's nodes are too few, the likelihood is minus infinity, not an impossible
    density: censored h2 = 20 once had log P = 8,300.
    """
    rng = np.random.default_rng(0)
    z = np.array([0.0, 2.0, 4.5, 5.5, 12.0, 40.0])
    node_x = nodes(24)
    for strength in (2e2, 2e3, 2e4, 2e6):
        for pi in (1e-4, 0.01, 0.9):
            x = partners(rng, 12)
            found = at(
                z,
                1e5,
                spectrum_from_pairs([0, len(x)], x, 24)[0],
                ([pi], [strength / 5e4], 1.05),
                node_x,
                censor,
            )
            assert not np.isnan(found).any()
            limit = np.where((z > 5.0) & (censor is not None), 0.0, -0.5 * np.log(2 * np.pi * 1.05))
            assert (found < limit + 0.051).all()
            assert np.isfinite(found).all() or strength > 2e2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n": [1e5, 0.05]}, "n: from 0.05 to 100000"),
        ({"spectrum": 1e30}, "spectrum: up to 1e\\+30"),
        ({"spectrum": -1e30}, "spectrum: up to 1e\\+30"),
        ({"spectrum": np.inf}, "spectrum: not finite"),
        ({"spectrum": np.nan}, "spectrum: not finite"),
        ({"z": [1e300, 0.0]}, "z: up to 1e\\+300"),
    ],
)
def test_what_no_quadrature_could_serve_is_refused(change, words):
    spectrum = np.tile(SPECTRUM, (2, 1))
    spectrum[1, 2] = change.get("spectrum", spectrum[1, 2])
    with pytest.raises(ValueError, match=words) as caught:
        LikelihoodData(
            change.get("z", [0.1, 0.2]),
            change.get("n", [1e5, 1e5]),
            [1.0, 1.0],
            spectrum,
            NODE_X,
            [0, 1],
        )
    assert "\n" not in str(caught.value)
