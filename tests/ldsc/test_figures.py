"""What figures of LD score regressions show, read back from what was drawn."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.io.ld_score_files import LDScores
from bayesmixer.ldsc.figures import FAINT, HALF
from bayesmixer.style import DATA
from tests.ldsc.conftest import Small

pytestmark = pytest.mark.filterwarnings("ignore:.*estimates are rough")


@pytest.fixture(scope="module")
def h2(small: Small) -> xr.DataTree:
    return bm.ldsc.h2(small[1]["first"], small[0] / "ld")


@pytest.fixture(scope="module")
def rg(small: Small) -> xr.DataTree:
    traits = [table for _, table in sorted(small[1].items())]
    return bm.ldsc.rg([traits[0], traits[1], traits[2]], small[0] / "ld")


@pytest.fixture(scope="module")
def parts(small: Small) -> xr.DataTree:
    prefix = f"{small[0]}/annot/"
    return bm.ldsc.partitioned(small[1]["first"], prefix, f"{small[0]}/ld/", frq=prefix)


def test_regression_shows_bins_of_variants_the_line_and_its_band(
    small: Small, small_scores: LDScores, h2: xr.DataTree
) -> None:
    ax = bm.ldsc.plot_regression(h2, small[1]["first"], small[0] / "ld", bins=50)
    l2, chi2 = small_scores.values[:, 0], small[1]["first"]["Z"].to_numpy() ** 2
    edges = np.quantile(l2, [0.2, 0.22])
    part = (l2 >= edges[0]) & (l2 < edges[1])
    dots = np.asarray(ax.collections[1].get_offsets())
    assert len(dots) == 50
    np.testing.assert_allclose(dots[10], [l2[part].mean(), chi2[part].mean()], rtol=1e-9)
    x, y = ax.lines[0].get_data()
    estimate, m = h2["estimate"].to_dataset(), h2.attrs["m"]
    at = float(x[-1]) * 1500 / m
    assert y[0] == pytest.approx(float(estimate["intercept"]))
    assert y[-1] == pytest.approx(float(estimate["intercept"] + estimate["h2"] * at))
    left = h2["jackknife"].to_dataset()
    moved = (left["intercept"] + at * left["h2"]).values
    error = np.sqrt((len(moved) - 1) / len(moved) * ((moved - moved.mean()) ** 2).sum())
    band = ax.collections[0].get_paths()[0].vertices
    right = band[np.isclose(band[:, 0], x[-1])][:, 1]
    assert right.max() == pytest.approx(y[-1] + HALF * error)
    assert right.min() == pytest.approx(y[-1] - HALF * error)
    # the points lie around the line
    near = np.interp(dots[:, 0], x, y)
    assert np.corrcoef(near, dots[:, 1])[0, 1] > 0.8


def test_regression_knows_the_variants_of_its_results(small: Small, h2: xr.DataTree) -> None:
    folder, traits = small
    with pytest.raises(InputError, match=r"variants of mean chi2 .* in the results 6,000"):
        bm.ldsc.plot_regression(h2, traits["second"], folder / "ld")
    cut = bm.ldsc.h2(traits["first"], folder / "ld", chisq_max=9)
    bm.ldsc.plot_regression(cut, traits["first"], folder / "ld")
    fixed = bm.ldsc.h2(traits["first"], folder / "ld", intercept=1)
    ax = bm.ldsc.plot_regression(fixed, traits["first"], folder / "ld")
    band = ax.collections[0].get_paths()[0].vertices
    assert band[band[:, 0] == 0][:, 1] == pytest.approx(1)


def test_forest_shows_correlations_with_their_sets_grey_without_power(rg: xr.DataTree) -> None:
    ax = bm.ldsc.plot_rg(rg)
    estimate = rg["estimate"].to_dataset()
    labels = [label.get_text() for label in ax.get_yticklabels()]
    for k, (i, j) in enumerate(((0, 1), (0, 2), (1, 2))):
        interval, dot = ax.lines[2 * k], ax.lines[2 * k + 1]
        ends = [float(estimate[v][i, j]) for v in ("rg_lower", "rg_upper")]
        assert list(interval.get_xdata()) == ends
        assert dot.get_xdata()[0] == float(estimate["rg"][i, j]) or not estimate["rg"][i, j] > -9
        weak = "sumstats[1]" in labels[k]  # "none" stands second
        assert interval.get_color() == (FAINT if weak else DATA)
    ax = bm.ldsc.plot_rg(rg, "sumstats[2]")
    assert [t.get_text() for t in ax.get_yticklabels()] == ["sumstats[0]", "sumstats[1]"]
    with pytest.raises(InputError, match="expected one of sumstats"):
        bm.ldsc.plot_rg(rg, "height")


def test_matrix_puts_alike_traits_together_and_leaves_out_weak_ones(rg: xr.DataTree) -> None:
    ax = bm.ldsc.plot_rg_matrix(rg)
    names = [t.get_text() for t in ax.get_yticklabels()]
    shown = np.ma.filled(ax.images[0].get_array().astype(float), np.nan)
    rg_of = rg["estimate"]["rg"].sel(trait=names, trait_bis=names).values
    weak = names.index("sumstats[1]")
    kept = [i for i in range(3) if i != weak]
    np.testing.assert_array_equal(shown[np.ix_(kept, kept)], rg_of[np.ix_(kept, kept)])
    assert np.isnan(shown[weak, kept]).all()
    assert abs(names.index("sumstats[0]") - names.index("sumstats[2]")) == 1
    assert [t.get_text() for t in ax.texts] == [f"{rg_of[kept[0], kept[1]]:.2f}"] * 2
    assert {t.get_fontweight() for t in ax.texts} == {"bold"}
    ax = bm.ldsc.plot_rg_matrix(rg, cluster=False)
    assert [t.get_text() for t in ax.get_xticklabels()] == [f"sumstats[{i}]" for i in range(3)]


def test_enrichments_are_drawn_with_intervals_and_p(parts: xr.DataTree) -> None:
    ax = bm.ldsc.plot_enrichment(parts)
    estimate = parts["estimate"].to_dataset()
    value, error = estimate["enrichment"].values, estimate["enrichment_se"].values
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), value)
    ends = np.array(ax.collections[0].get_segments())[:, :, 0]
    np.testing.assert_allclose(ends, np.column_stack([value - HALF * error, value + HALF * error]))
    p = estimate["enrichment_p"].values
    assert [t.get_text() for t in ax.texts] == [f"p {v:.2g}" for v in p[np.isfinite(p)]]


def test_intercepts_of_traits_and_pairs(h2: xr.DataTree, rg: xr.DataTree) -> None:
    (one,) = bm.ldsc.intercepts(h2).to_dict("records")
    estimate = h2["estimate"].to_dataset()
    assert one["intercept"] == float(estimate["intercept"])
    assert one["z"] == (one["intercept"] - 1) / float(estimate["intercept_se"])
    table = bm.ldsc.intercepts(rg)
    assert list(table["nothing"]) == [1, 1, 1, 0, 0, 0]
    row = table.iloc[4]
    assert (row["trait"], row["trait_bis"]) == ("sumstats[0]", "sumstats[2]")
    assert row["intercept"] == float(rg["estimate"]["intercept_gencov"][0, 2])
    assert row["z"] == row["intercept"] / float(rg["estimate"]["intercept_gencov_se"][0, 2])


def test_results_of_another_kind_are_told_in_one_line(
    small: Small, h2: xr.DataTree, rg: xr.DataTree, parts: xr.DataTree
) -> None:
    given = small[1]["first"], small[0] / "ld"
    with pytest.raises(InputError, match="of several traits, expected one"):
        bm.ldsc.plot_regression(rg, *given)
    with pytest.raises(InputError, match="of several annotations, expected one"):
        bm.ldsc.plot_regression(parts, *given)
    for draw in (bm.ldsc.plot_rg, bm.ldsc.plot_rg_matrix):
        with pytest.raises(InputError, match=r"no rg in them.*bayesmixer\.ldsc\.rg"):
            draw(h2)
    with pytest.raises(InputError, match="no enrichment in them"):
        bm.ldsc.plot_enrichment(h2)
    with pytest.raises(InputError, match="not a fit"):
        bm.ldsc.intercepts({"h2": 0.4})
