"""Cards of the models of two traits: their truths in a simulation are the model's own at the true
parameters.
"""

import numpy as np
import pytest

from bayesmixer.pair.cards import BIVARIATE, INFINITESIMAL_PAIR
from bayesmixer.pair.search import ORDER, overlap_at
from bayesmixer.simulation.effects import architecture

PI = (0.0012, 0.0007, 0.0018)


def truth(**more):
    """As `bm.simulate` records it."""
    effects = architecture("bivariate", [0.15, 0.1], PI, rho_beta=0.6)
    g = effects.genetic_covariance()
    return {
        "h2": g.diagonal(),
        "polygenicity": effects.polygenicity,
        "components": [{"name": c.name, "pi": c.pi, "rho": c.rho} for c in effects.components],
        "sigma2_0": [1.05, 1.03],
        "rho_0": 0.12,
        "rg": g[0, 1] / np.sqrt(g[0, 0] * g[1, 1]),
        "variants": 300_000,
        "n_causal": {"unique_1": 360, "unique_2": 210, "shared": 540},
        **more,
    }


def test_true_parameters_lead_to_the_true_overlap():
    known = truth()
    flat = []
    for one in dict.fromkeys(ORDER):
        flat += list(np.atleast_1d(one.truth(known, None)))
    at, pi = overlap_at(np.array(flat))
    np.testing.assert_allclose(pi, [0.003, 0.0025])
    assert float(at.pi_shared) == pytest.approx(0.0018)
    assert float(at.rho_beta) == pytest.approx(0.6)
    assert float(at.rg) == pytest.approx(known["rg"])
    np.testing.assert_allclose(np.exp(flat[:2]), known["h2"])


def test_true_quantities_are_those_of_the_draws():
    known = truth()
    told = {one.name: one.truth(known) for one in BIVARIATE.reported if one.truth is not None}
    np.testing.assert_allclose(told["n_causal"], [900, 750])
    np.testing.assert_allclose(told["n_unique"], [360, 210])
    np.testing.assert_allclose(told["pi"], [0.003, 0.0025])
    assert told["n_shared"] == 540
    assert told["dice"] == pytest.approx(2 * 540 / 1650)
    assert told["jaccard"] == pytest.approx(540 / 1110)
    assert told["rho_beta"] == 0.6
    assert told["rho_0"] == 0.12


def test_of_nothing_shared_and_of_every_variant_causal_there_is_a_truth():
    none = truth(components=[{"name": "unique_1", "pi": 0.1, "rho": 0.0}], polygenicity=[0.1, 0.2])
    y = next(one for one in BIVARIATE.free if one.name == "logit_t").truth(none, None)
    assert y == -np.inf
    rg = next(one for one in INFINITESIMAL_PAIR.free if one.name == "atanh_rg")
    assert np.tanh(rg.truth(truth(rg=0.5), None)) == pytest.approx(0.5)
