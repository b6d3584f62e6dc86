"""Against MiXeR 2.2.1 on the same z-scores, weights, N and LD: never a worse optimum, and the same infinitesimal fit (reference/mixer)."""

import json

import numpy as np
import pytest

import bayesmixer as bm
from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs


@pytest.fixture(scope="module")
def reference(shared):
    folder = shared / "reference/mixer"
    if not (folder / "inputs.npz").is_file():
        pytest.skip(f"no {folder}/inputs.npz")
    inputs = np.load(folder / "inputs.npz")
    h = inputs["H"].astype(float)
    spectrum = spectrum_from_pairs(inputs["indptr"], h[inputs["indices"]] * inputs["r2"].astype(float), 24)
    fits = json.loads((folder / "fits.json").read_text())["univariate"]

    def data(trait):
        z, n = inputs[f"z{trait}"].astype(float), inputs[f"n{trait}"].astype(float)
        return bm.gwas_data_from_arrays(z, n, spectrum, nodes(24), h, weight=inputs["weights"].astype(float), ld_block=np.arange(h.size) // 180)

    return data, fits


@pytest.mark.parametrize("trait", [1, 2])
def test_map_under_flat_priors_is_no_worse_than_the_best_optimum_of_mixers_exact_cost(reference, trait):
    data, fits = reference[0](trait), reference[1][f"trait{trait}"]
    results = bm.fit(bm.models.univariate_mixer(data, prior="flat"), "map", progress=False)
    optimum = fits["exact_optimum"]
    estimate = results["estimate"]
    assert -estimate.attrs["log_likelihood"] <= optimum["cost"] + 1e-3
    assert estimate.attrs["converged"]


@pytest.mark.parametrize("trait", [1, 2])
def test_infinitesimal_fit_and_its_criteria_are_mixers(reference, trait):
    data, fits = reference[0](trait), reference[1][f"trait{trait}"]
    estimate = bm.fit(bm.models.infinitesimal(data, prior="flat"), "map", progress=False)["estimate"]
    theirs = fits["inft_stages"][-1]
    assert -estimate.attrs["log_likelihood"] == pytest.approx(theirs["cost"], abs=5e-2)
    assert -estimate.attrs["log_likelihood"] <= theirs["cost"] + 1e-2
    assert estimate.attrs["aic"] == pytest.approx(theirs["AIC"], abs=0.1)
    assert estimate.attrs["bic"] == pytest.approx(theirs["BIC"], abs=0.1)
    assert float(estimate["sigma2_beta"]) == pytest.approx(theirs["params"]["sig2_beta"], rel=2e-2)
    assert float(estimate["sigma2_0"]) == pytest.approx(theirs["params"]["sig2_zero"], rel=5e-3)
