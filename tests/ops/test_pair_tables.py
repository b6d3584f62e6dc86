"""The table of g over two-dimensional frequencies, and what its derivatives are made of."""

import numpy as np
import pytest

from bayesmixer.ops.pair_tables import pair_table
from tests.ops.likelihood_cases import NODE_X

CASES = {
    "sparse": ((0.0015, 0.001, 0.0015), 1.0),
    "polygenic": ((0.2, 0.2, 0.3), 0.01),
    "nothing is without effect": ((0.3, 0.3, 0.4), 1.0),
    "strong": ((0.0, 0.0, 1e-5), 300.0),
}


@pytest.mark.parametrize("case", CASES)
def test_the_table_equals_its_formula_in_extended_precision(case):
    pi, scale = CASES[case]
    s = np.random.default_rng(0).normal(0, 2, (700, 2))  # more than one run
    s[0] = 0
    gamma = scale * np.array([[50, 0, 0], [0, 30, 0], [50, 30, 0.9 * np.sqrt(1500)]])
    shape = (3, NODE_X.size, len(s))
    g, share, less = np.empty((len(s), NODE_X.size + 1)), np.empty(shape), np.empty(shape)
    pair_table(NODE_X, s, np.array(pi), gamma, g, share, less)

    wide = np.column_stack([s**2 / 2, s[:, 0] * s[:, 1]]).astype(np.longdouble)
    q = (gamma @ wide.T)[:, None]
    x = NODE_X[None, :-1, None].astype(np.longdouble)  # the last is 0
    lost, weight = np.expm1(-x * q), np.array(pi, np.longdouble)[:, None, None]
    change = (weight * lost).sum(0)
    rest = max(0.0, 1 - float(np.sum(pi)))
    total = rest + (weight * np.exp(-x * q)).sum(0)
    log_t = np.where(change > -0.5, np.log1p(np.maximum(change, -0.5)), np.log(total))
    # some of the tiniest digits of e_c are those of 1 - e_c
    near = total > 1e-3
    np.testing.assert_allclose(g[:, :-2].T, log_t / x[0], rtol=1e-11, atol=1e-14)
    for found, expected in ((share, np.exp(-x * q) / total), (less, lost / x / total)):
        np.testing.assert_allclose(
            found[:, :-1][:, near], expected[:, near].astype(float), rtol=1e-11, atol=1e-12
        )
    np.testing.assert_allclose(g[:, -2], -(np.array(pi) @ q[:, 0]).astype(float), rtol=1e-12)
    np.testing.assert_array_equal(share[:, -1], 1.0)
    np.testing.assert_allclose(less[:, -1], -q[:, 0].astype(float), rtol=1e-12)
