"""The statements of a fit of a pair of independent variants: the group is whole, its ends exact,
its factors those of its probabilities.
"""

import numpy as np
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.inference import mode_covariance, points
from bayesmixer.inference.density import LogDensity
from bayesmixer.inference.find_map import covariance_of, find_modes
from bayesmixer.models.common import bound_of
from bayesmixer.ops.pair import PairLogLik
from bayesmixer.pair import statements
from bayesmixer.pair.laid_out import pair_data
from tests.pair.independent import STRENGTH, Independent, N, Rows, closed_form, simulate, truth

CELL = (0.4, 0.5, (0.04, 0.04), 8.0)


@pytest.fixture(scope="module")
def weighed():
    """Group `overlap`, and standard errors at the mode, as `fit` makes them."""
    with closed_form([]):
        model = bm.models.bivariate_mixer(simulate(*CELL, 4000, 1))
    density, bound = LogDensity(model), bound_of(model)
    best = find_modes(density, [density.flatten(truth(*CELL))], density.box).best
    raw = covariance_of(best.hessian)
    info = mode_covariance.information(density, best.x, np.sqrt(np.diag(raw)))
    found = mode_covariance.from_information(info, raw, density.names, [], bound=bound)
    found, three = points.of_mode(density, bound, best.x, raw, found, [], "jackknife", True, False)
    errors = mode_covariance.standard_errors(density, best.x, found.covariance)
    return three.dataset(density, 0), errors


def test_the_closed_form_of_independent_variants_is_what_the_op_computes():
    data = simulate(*CELL, 320, 2)
    parameters = (
        np.array([0.02, 0.03, 0.02]),
        8 * np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0.7]]) / (N * STRENGTH),
        np.array([1.05, 1.02, 0.1]),
    )
    ours = Independent(Rows(data)).evaluate(*parameters)
    op = PairLogLik(pair_data(data)).evaluate(*parameters)
    assert ours[0] == pytest.approx(op[0], abs=1e-4)
    assert ours[1] == pytest.approx(op[1], rel=1e-3, abs=1e-3 * np.abs(op[1]).max(0).min())


def test_the_group_runs_from_the_least_to_complete_overlap_with_exact_ends(weighed):
    group, _ = weighed
    assert group["excess"].values[[0, -1]].tolist() == [0.0, 1.0]
    assert (np.diff(group["excess"]) > 0).all()
    assert np.isfinite(group["log_marginal"]).all() and np.isfinite(group["log_likelihood"]).all()
    assert np.abs(group["rho_beta"].values[0]) == 1
    smaller = np.minimum(*group["pi"].values.T)
    assert group["pi_shared"].values[-1] == pytest.approx(smaller[-1], rel=1e-12)
    assert group["pi_shared"].values[0] == pytest.approx(group["pi_shared_min"].values[0], rel=1e-9)


def test_probabilities_are_their_bayes_factors_and_are_exported_with_them(weighed):
    group, _ = weighed
    for name in ("beyond_rg", "less_than_complete"):
        factor = 10 ** float(group[f"log10_bf_{name}"])
        assert float(group[f"p_{name}"]) == pytest.approx(factor / (1 + factor))
    assert float(group["p_model"].sum()) == pytest.approx(1)
    assert 0 < float(group["scaling"]) < 3
    fit = xr.DataTree.from_dict({"/overlap": group})
    told = statements.record(fit)["overlap"]
    assert told["log10_bf_beyond_rg"] == float(group["log10_bf_beyond_rg"])
    assert len(statements.sentences(fit)) == 2


def test_standard_errors_of_a_pair_are_finite_at_any_overlap(weighed):
    _, errors = weighed
    for name in ("n_shared", "dice", "rg", "rho_beta"):
        assert np.isfinite(errors[f"{name}_se"]) and errors[f"{name}_se"] > 0
