"""Results of mash in the halls: told, exported and reported as what they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.errors import InputError


@pytest.fixture(scope="module")
def made() -> tuple[xr.Dataset, xr.DataTree, xr.Dataset]:
    rng = np.random.default_rng(0)
    true = rng.normal(size=(800, 1)) * (rng.random((800, 1)) < 0.1) * np.ones((1, 3))
    effects = bm.read_effects(true + 0.3 * rng.normal(size=(800, 3)), 0.3)
    fit = bm.mash.fit(effects, bm.mash.covariances(effects))
    return effects, fit, bm.mash.posterior(fit, effects)


def test_a_fit_a_posterior_and_both_are_summarised_told_and_reported(
    made: tuple[xr.Dataset, xr.DataTree, xr.Dataset], tmp_path: Path
) -> None:
    effects, fit, posterior = made
    both = bm.mash.together(fit, posterior, effects)
    called = (posterior["lfsr"].values < 0.05).sum(0)
    for name, one in {"fit": fit, "posterior": posterior, "both": both}.items():
        again = bm.load(bm.save(one, tmp_path / f"{name}.nc"))
        table = bm.summary(again)
        assert ("pi0" in table.index) == (name != "posterior")
        assert not any(label.startswith(("U[", "weights[")) for label in table.index)
        if name != "fit":
            assert table.loc["n_called[condition_1]", "estimate"] == called[0]
        found = bm.to_json(again, tmp_path / f"{name}.json")
        assert json.loads((tmp_path / f"{name}.json").read_text()) == found
        assert any("plugged in" in note["sentence"] for note in found["notes"])
        page = bm.report(again, path=tmp_path / f"{name}.html").read_text()
        assert "plugged in" in page
    wrong = (posterior["lfsr"].where(posterior["lfsr"] < 0.05)).mean("effect")
    np.testing.assert_allclose(both["estimate"]["promised_wrong"], wrong)


def test_calls_that_rest_on_rank_one_are_counted(
    made: tuple[xr.Dataset, xr.DataTree, xr.Dataset],
) -> None:
    effects = made[0]
    whole = {"equal": np.ones((3, 3)), "identity": np.eye(3)}
    for weight, share in (([0.5, 0.5, 0.0], 1.0), ([0.5, 0.0, 0.5], 0.0)):
        fit = bm.mash.given(whole, [1.0], weight)
        posterior = bm.mash.posterior(fit, effects)
        both = bm.mash.together(fit, posterior, effects)
        assert float(both["estimate"]["calls_on_rank_one"]) == pytest.approx(share)
        said = " ".join(f.sentence for f in bm.verdict(both).findings)
        assert ("rank one" in said) == (share == 1)
        assert ("independent between conditions or in one alone" in said) == (share == 0)


def test_of_two_components_rank_one_has_its_posterior_share() -> None:
    effects = bm.read_effects([[1.0, 1.1]], 0.1)
    u = {"equal": np.ones((2, 2)), "identity": np.eye(2)}
    fit = bm.mash.given(u, [1.0], [0.0, 0.5, 0.5])
    posterior = bm.mash.posterior(fit, effects)
    b = effects["bhat"].values[0]
    density = [
        np.exp(-0.5 * b @ np.linalg.solve(v, b)) / np.sqrt(np.linalg.det(v))
        for v in (np.ones((2, 2)) + 0.01 * np.eye(2), 1.01 * np.eye(2))
    ]
    found = bm.mash.rank_one(fit, effects, posterior)
    assert float(found[0]) == pytest.approx(density[0] / sum(density), rel=1e-9)


def test_neighbours_whose_ld_contradicts_their_signs_are_named() -> None:
    b = [[3.0, 3.0], [-3.0, 3.0], [-3.0, -3.0], [3.0, 0.0]]
    effects = bm.read_effects(b, 0.1).assign_coords(
        chrom=("effect", ["1", "1", "1", "2"]), pos=("effect", [100, 200, 5_000_000, 100])
    )
    fit = bm.mash.given({"identity": np.eye(2)}, [3.0], [0.1, 0.9])
    posterior = bm.mash.posterior(fit, effects)
    near = bm.mash.opposed(posterior)
    assert near[["effect", "neighbour", "conditions"]].values.tolist() == [
        ["0", "1", "condition_1"]
    ]
    assert near["distance"][0] == 100
    r = np.eye(4)
    r[0, 1] = r[1, 0] = -0.9  # right in the first condition, wrong in the second
    r[0, 2] = r[2, 0] = 0.2
    by_ld = bm.mash.opposed(posterior, ld=r)
    assert by_ld["conditions"].tolist() == ["condition_2"]
    assert not len(bm.mash.opposed(posterior, ld=r, group=["a", "b", "a", "a"]))
    assert "opposed" not in bm.mash.together(fit, posterior, effects).children
    both = bm.mash.together(fit, posterior, effects, ld=r)
    assert "0 and 1 (r -0.900, condition_2)" in str(bm.verdict(both))
    assert "Count loci" in str(bm.verdict(both))
    assert bm.verdict(both).level == "caution"
    with pytest.raises(InputError, match="neither positions nor ld"):
        bm.mash.opposed(posterior.drop_vars(["chrom", "pos"]))


def test_other_effects_than_the_posteriors_are_refused(
    made: tuple[xr.Dataset, xr.DataTree, xr.Dataset],
) -> None:
    effects, fit, posterior = made
    with pytest.raises(InputError, match="other effects"):
        bm.mash.rank_one(fit, effects.isel(effect=slice(5)), posterior)


def test_the_component_of_independent_effects_is_told_and_counts_for_no_sign(
    made: tuple[xr.Dataset, xr.DataTree, xr.Dataset], tmp_path: Path
) -> None:
    effects = made[0]
    rng = np.random.default_rng(2)
    apart = bm.read_effects(
        np.where(rng.random((800, 3)) < 0.2, rng.normal(size=(800, 3)), 0)
        + 0.2 * rng.normal(size=(800, 3)),
        0.2,
    )
    u = {"equal": np.ones((3, 3)), "identity": np.eye(3)}
    fit = bm.mash.fit(apart, u, independent=True)
    weight = float(fit["estimate"]["independent_weight"])
    assert weight > 0.5
    posterior = bm.mash.posterior(fit, apart)
    both = bm.mash.together(fit, posterior, apart)
    assert float(both["estimate"]["calls_on_rank_one"]) < 0.2
    assert "independent effects" in " ".join(bm.to_json(both)["said"])
    assert "independent between conditions or in one alone" not in str(bm.verdict(both))
    bars = bm.mash.plot_weights(fit)
    names = [label.get_text() for label in bars.get_yticklabels()]
    assert bars.patches[names.index("independent")].get_width() == pytest.approx(weight)
    null = float(fit["estimate"]["weights"][0])
    assert sum(bar.get_width() for bar in bars.patches) == pytest.approx(1 - null)
    path = bm.mash.posterior_to(fit, apart, tmp_path / "p.zarr")
    xr.testing.assert_allclose(bm.load(path), posterior, rtol=1e-9)
    sample = bm.mash.fit_sample(effects, u, rows=400, independent=True)
    assert np.isfinite(float(sample["estimate"]["gain_others"]))


def test_weights_with_draws_are_not_called_plugged_in(
    made: tuple[xr.Dataset, xr.DataTree, xr.Dataset],
) -> None:
    effects, fit, _ = made
    rng = np.random.default_rng(3)
    weights = fit["estimate"]["weights"].values
    draws = rng.dirichlet(1000 * weights + 0.01, (1, 50))
    group = xr.Dataset(
        {
            "weights": (("chain", "draw", "component"), draws),
            "pi0": (("chain", "draw"), draws[..., 0]),
        }
    )
    drawn = fit.copy()
    drawn["posterior"] = xr.DataTree(group)
    posterior = bm.mash.posterior(drawn, effects)
    both = bm.mash.together(drawn, posterior, effects)
    said = str(bm.verdict(both))
    assert "Covariances and the correlation of errors are plugged in" in said
    assert "Weights, covariances" not in said
    low, high = 100 * np.quantile(draws[..., 0], [0.05, 0.95])
    assert f"{low:.1f} to {high:.1f}% of effects are exactly 0" in " ".join(
        bm.to_json(both)["said"]
    )
    again = bm.mash.posterior(both, effects)
    np.testing.assert_allclose(again["lfsr"], posterior["lfsr"])
