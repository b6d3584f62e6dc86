"""What figures of mash show, read back from what was drawn."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.mash.effect_figures import HALF

Made = tuple[xr.Dataset, xr.DataTree, xr.Dataset]
U = {"equal": np.ones((3, 3)), "two": np.diag([2.0, 1.0, 0.0]), "rest": np.eye(3)}


@pytest.fixture(scope="module")
def made() -> Made:
    rng = np.random.default_rng(1)
    b = rng.normal(size=(300, 3)) * (rng.random((300, 1)) < 0.4) + 0.2 * rng.normal(size=(300, 3))
    effects = bm.read_effects(b, 0.2)
    fit = bm.mash.given(
        xr.Dataset(
            {"U": (("covariance", "condition", "condition_bis"), np.array([*U.values()]))},
            coords={"covariance": [*U], "condition": effects["condition"].values},
        ),
        [0.5, 1.0],
        [0.4, 0.1, 0.2, 0.05, 0.05, 0.2, 0.0],
    )
    return effects, fit, bm.mash.posterior(fit, effects)


def test_weights_are_summed_over_scales_and_the_rest_is_put_together(made: Made) -> None:
    ax = bm.mash.plot_weights(made[1], most=2)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["two", "equal", "1 others"]
    assert ax.get_title() == "0.4 are null"
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], [0.4, 0.15, 0.05])


def test_the_heaviest_covariance_has_its_correlations_and_eigenvectors(made: Made) -> None:
    ax = bm.mash.plot_covariance(made[1], cluster=False)
    assert ax.get_title().startswith("two")
    shown = np.asarray(ax.images[0].get_array().filled(np.nan))
    np.testing.assert_allclose(shown[:2, :2], np.eye(2))
    assert np.isnan(shown[2]).all()
    beside = ax.child_axes[0]
    np.testing.assert_allclose(beside.images[0].get_array(), [[1, 0], [0, 1], [0, 0]], atol=1e-12)
    assert [label.get_text() for label in beside.get_xticklabels()] == ["67%", "33%"]
    with pytest.raises(InputError, match="expected one of equal"):
        bm.mash.plot_covariance(made[1], "none")


def test_sharing_and_counts_are_those_of_the_posterior(made: Made) -> None:
    posterior = made[2]
    ax = bm.mash.plot_sharing(posterior)
    order = [label.get_text() for label in ax.get_yticklabels()]
    shared = bm.mash.sharing(posterior).sel(condition=order, condition_bis=order)
    np.testing.assert_allclose(ax.images[0].get_array(), shared)
    assert bm.mash.plot_sharing(shared).images
    bars = bm.mash.plot_n_conditions(posterior).patches
    called = (posterior["lfsr"].values < 0.05).sum(1)
    assert [bar.get_height() for bar in bars] == [(called == k).sum() for k in (1, 2, 3)]


def test_an_effect_is_shown_raw_and_shrunk(made: Made) -> None:
    effects, _, posterior = made
    ax = bm.mash.plot_effect(effects, posterior, "7", threshold=1.0)
    raw, shrunk = ax.lines[0].get_xdata(), [x for x in ax.lines if x.get_label() == "posterior"]
    np.testing.assert_allclose(raw, effects["bhat"].values[7])
    np.testing.assert_allclose(shrunk[0].get_xdata(), posterior["mean"].values[7])
    first = ax.collections[0].get_segments()[0][:, 0]
    assert np.diff(first)[0] == pytest.approx(2 * HALF * 0.2)
    with pytest.raises(InputError, match="no such effect"):
        bm.mash.plot_effect(effects, posterior, "none")


def test_effective_size_is_the_gain_in_precision_of_called_effects(made: Made) -> None:
    effects, _, posterior = made
    size = bm.mash.effective_size(posterior, effects, [10, 20, 30])
    for r, n in enumerate((10, 20, 30)):
        called = posterior["lfsr"].values[:, r] < 0.05
        ratio = (0.2 / posterior["sd"].values[called, r]) ** 2
        assert float(size[r]) == pytest.approx(n * np.median(ratio))
    ax = bm.mash.plot_effective_size(posterior, effects, [10, 20, 30])
    np.testing.assert_allclose([b.get_width() for b in ax.patches[:3]], size)
    with pytest.raises(InputError, match="one a condition"):
        bm.mash.effective_size(posterior, effects, [1, 2])


def test_the_report_holds_the_figures_that_need_no_data(made: Made, tmp_path: object) -> None:
    both = bm.mash.together(made[1], made[2], made[0])
    page = bm.report(both, path=f"{tmp_path}/it.html", progress=False).read_text()
    assert page.count("<img") == 4
    assert "plot_effective_size" in page
