"""Models of other makers, and ours once changed: calibrated where they have a likelihood by LD
block, and told why not where they have none.
"""

import json
import warnings

import numpy as np
import pymc as pm
import pytest

import bayesmixer as bm
from bayesmixer.errors import DataWarning
from tests.inference import toys
from tests.inference.test_calibration import counted
from tests.models.small_gwas import simulate_gwas


def heard(call):
    """What a call returns, and the warnings it raised."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", DataWarning)
        out = call()
    return out, " ".join(str(w.message) for w in said)


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
def test_own_model_with_a_likelihood_by_ld_block_gets_the_sandwichs_widths():
    """Each value counts four times: the likelihood states half of the standard error s /
    sqrt(n).
    """
    model, y = counted(4)
    fit = bm.fit(model, draws=1000, seed=1, progress=False)
    assert fit.attrs["calibrated"] == "affine"
    error = y.std() / np.sqrt(len(y))
    assert float(fit["unconstrained_posterior"]["mean"].std()) == pytest.approx(error, rel=0.1)
    assert float(fit["uncalibrated_unconstrained_posterior"]["mean"].std()) == pytest.approx(
        error / 2, rel=0.1
    )
    assert float(fit["estimate"]["sd_se"]) > 0


def test_own_model_without_ld_blocks_is_told_why_it_is_not_calibrated():
    fit, words = heard(lambda: bm.fit(toys.gaussian(), draws=100, seed=1, progress=False))
    assert fit.attrs["calibrated"] == "no"
    assert (
        "Not calibrated: the model has no log-likelihood by LD block (a potential with dim "
        "ld_block)" in words
    )
    assert "Not calibrated" in json.loads(fit.attrs["warnings"])[0]


def test_own_model_of_few_ld_blocks_is_told_how_many_are_needed():
    _, words = heard(lambda: bm.fit(counted(1, blocks=5)[0], "map", progress=False))
    assert "Not calibrated: 5 LD blocks hold data, fewer than 6" in words


def test_who_does_not_want_calibration_is_told_nothing():
    _, words = heard(lambda: bm.fit(toys.gaussian(), "map", calibrate=False, progress=False))
    assert words == ""


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
@pytest.mark.parametrize("change", [pm.do, pm.observe])
def test_model_with_a_parameter_held_is_calibrated_in_the_rest_and_shows_no_null_of_more_parameters(
    change,
):
    data = simulate_gwas(h2=0.3, n=20_000, seed=4)
    fit = bm.fit(
        change(bm.models.infinitesimal(data), {"log_sigma2_0": 0.05}),
        draws=200,
        seed=1,
        progress=False,
    )
    estimate = fit["estimate"]
    assert fit.attrs["calibrated"] == "affine"
    assert fit.attrs["model"] == "infinitesimal (changed)"
    assert list(estimate["parameter"].values) == ["log_h2"]
    assert float(estimate["sigma2_0"]) == pytest.approx(np.exp(0.05))
    assert float(estimate["h2_se"]) > 0
    assert "bic_infinitesimal" not in estimate.attrs
    assert estimate.attrs["aic"] == pytest.approx(2 - 2 * estimate.attrs["log_likelihood"])
    assert fit["constant_data"].sizes["ld_block"] == 60  # the fingerprint of the data


@pytest.mark.filterwarnings("ignore::bayesmixer.errors.DataWarning")
def test_parameter_that_only_the_prior_tells_of_keeps_the_priors_width_and_spoils_no_other():
    """What `pm.do` leaves of log sigma2_0 when the variable made of it is held."""
    data = simulate_gwas(h2=0.3, n=20_000, seed=4)
    fit, held = (
        bm.fit(
            pm.do(bm.models.infinitesimal(data), {name: value}), draws=200, seed=1, progress=False
        )
        for name, value in (("sigma2_0", 1.05), ("log_sigma2_0", np.log(1.05)))
    )
    calibrated = fit["estimate"]["covariance_calibrated"].to_numpy()
    raw = fit["estimate"]["covariance"].to_numpy()
    assert calibrated[1, 1] == pytest.approx(raw[1, 1], rel=0.05)
    assert float(fit["estimate"]["h2_se"]) == pytest.approx(
        float(held["estimate"]["h2_se"]), rel=0.02
    )
    assert np.isfinite(bm.summary(fit).loc["h2"]).all()
