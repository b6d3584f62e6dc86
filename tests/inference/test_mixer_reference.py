"""Against MiXeR 2.2.1 on the same z-scores, weights, N and LD: never a worse optimum, and the same
infinitesimal fit (reference/mixer).
"""

import json

import numpy as np
import pytest

import bayesmixer as bm
from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from tests.fixtures import mixer


@pytest.fixture(scope="module")
def reference(shared):
    folder = shared / "reference/mixer"
    if not (folder / "inputs.npz").is_file():
        pytest.skip(f"no {folder}/inputs.npz: it is not beside this checkout")
    inputs = np.load(folder / "inputs.npz")
    h = inputs["H"].astype(float)
    spectrum = spectrum_from_pairs(
        inputs["indptr"], h[inputs["indices"]] * inputs["r2"].astype(float), 24
    )
    fits = json.loads((folder / "fits.json").read_text())["univariate"]

    def data(trait):
        z, n = inputs[f"z{trait}"].astype(float), inputs[f"n{trait}"].astype(float)
        return bm.gwas_data_from_arrays(
            z,
            n,
            spectrum,
            nodes(24),
            h,
            weight=inputs["weights"].astype(float),
            ld_block=np.arange(h.size) // 180,
        )

    return data, fits


def test_map_under_flat_priors_is_the_exact_optimum_of_the_variants_with_large_weights():
    """The gradient of the exact cost vanishes there (largest slope in mixer.json), so that a cost
    this close is the same optimum.
    """
    kept, optimum = mixer.kept(), mixer.table()["optimum_of_heavy"]
    j = kept.heavy
    block = np.arange(j.sum()) // 30
    data = bm.gwas_data_from_arrays(
        kept.z[1][j],
        kept.n[1][j],
        kept.spectrum()[j],
        nodes(24),
        kept.h[j],
        weight=kept.weight[j],
        ld_block=block,
    )
    with pytest.warns(bm.DataWarning, match="No heritability seen"):  # in 1,600 variants
        estimate = bm.fit(bm.models.univariate_mixer(data, prior="flat"), "map", progress=False)[
            "estimate"
        ]
    assert abs(optimum["largest_slope"]) < 0.01
    assert -estimate.attrs["log_likelihood"] == pytest.approx(optimum["cost"], abs=1e-3)
    for name, theirs in {"pi": "pi", "sigma2_beta": "sig2_beta", "sigma2_0": "sig2_zero"}.items():
        assert float(estimate[name]) == pytest.approx(optimum[theirs], rel=0.01)


def test_infinitesimal_fit_and_its_criteria_are_mixers_without_the_lists_of_partners():
    d, known = mixer.whole(), mixer.table()
    h = np.full(d.z.size, known["h_total"] / d.z.size)
    spectrum = np.zeros((d.z.size, 24))  # the infinitesimal model needs its sum alone
    data = bm.gwas_data_from_arrays(
        d.z,
        d.n,
        spectrum,
        nodes(24),
        h,
        weight=d.weight,
        ld_block=np.arange(d.z.size) // 180,
        ld_score_h=d.strength,
    )
    agrees_with(
        bm.fit(bm.models.infinitesimal(data, prior="flat"), "map", progress=False)["estimate"],
        known["infinitesimal"],
    )


@pytest.mark.parametrize("trait", [1, 2])
def test_map_under_flat_priors_is_no_worse_than_the_best_optimum_of_mixers_exact_cost(
    reference, trait
):
    data, fits = reference[0](trait), reference[1][f"trait{trait}"]
    results = bm.fit(bm.models.univariate_mixer(data, prior="flat"), "map", progress=False)
    optimum = fits["exact_optimum"]
    estimate = results["estimate"]
    assert -estimate.attrs["log_likelihood"] <= optimum["cost"] + 1e-3
    assert estimate.attrs["converged"]


@pytest.mark.parametrize("trait", [1, 2])
def test_infinitesimal_fit_and_its_criteria_are_mixers(reference, trait):
    data, fits = reference[0](trait), reference[1][f"trait{trait}"]
    agrees_with(
        bm.fit(bm.models.infinitesimal(data, prior="flat"), "map", progress=False)["estimate"],
        fits["inft_stages"][-1],
    )


def agrees_with(estimate, theirs):
    """To where MiXeR's Nelder-Mead stopped, at a cost that is no better."""
    assert -estimate.attrs["log_likelihood"] == pytest.approx(theirs["cost"], abs=5e-2)
    assert -estimate.attrs["log_likelihood"] <= theirs["cost"] + 1e-2
    assert estimate.attrs["aic"] == pytest.approx(theirs["AIC"], abs=0.1)
    assert estimate.attrs["bic"] == pytest.approx(theirs["BIC"], abs=0.1)
    assert float(estimate["sigma2_beta"]) == pytest.approx(theirs["params"]["sig2_beta"], rel=2e-2)
    assert float(estimate["sigma2_0"]) == pytest.approx(theirs["params"]["sig2_zero"], rel=5e-3)
