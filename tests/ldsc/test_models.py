"""LD score regression as models: the density, its mode against the regression iterated to its end,
and all that stands behind a fit.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.special import stdtrit
from scipy.stats import multivariate_normal, norm, t

import bayesmixer as bm
from bayesmixer.cli.main import main
from bayesmixer.errors import InputError
from bayesmixer.jackknife import Estimate
from bayesmixer.ldsc.evidence import regressions
from bayesmixer.ldsc.exposure import exposed
from bayesmixer.ldsc.heritability import heritability
from bayesmixer.reporting import tables
from bayesmixer.style import as_interval, as_number
from tests.ldsc.conftest import Small

pytestmark = pytest.mark.filterwarnings("ignore::bayesmixer.DataWarning")

# Lee et al. 2011: K^2 (1 - K)^2 / (P (1 - P) phi^2), phi(2.3263) = .0266521
LIABILITY = 0.0099**2 / (0.25 * 0.02665214220345808**2)


@pytest.fixture(scope="module")
def data(small: Small) -> xr.Dataset:
    """Two traits, from LD scores alone."""
    folder = small[0]
    traits = {
        name: bm.read_sumstats(folder / f"{name}.sumstats", trait=name)
        for name in ("first", "second")
    }
    return bm.align(traits, bm.open_reference(folder / "ld"), weights="inverse_ld")


def test_density_is_that_of_weighted_normal_z(data: xr.Dataset) -> None:
    one = data.isel(trait=[0])
    model = bm.models.ldsc_h2(one, prior="flat")
    m, score = float(data.attrs["m_5_50"]), one["ld_score"].values
    for h2, b in ((0.3, 1.05), (1e-4, 0.9)):
        point = {"log_h2": np.log(h2), "log_intercept": np.log(b)}
        variance = b + h2 * one["n"].values[:, 0] * score / m
        each = norm.logpdf(one["z"].values[:, 0], scale=np.sqrt(variance))
        expected = (one["weight"].values * each).sum()
        assert model.compile_logp()(point) == pytest.approx(expected, rel=1e-12)


def test_density_of_two_traits_takes_what_each_has(data: xr.Dataset) -> None:
    z = data["z"].values.copy()
    z[:500, 0], z[500:900, 1] = np.nan, np.nan
    n = np.where(np.isfinite(z), data["n"].values, np.nan)
    part = data.assign(z=(data["z"].dims, z), n=(data["n"].dims, n)).isel(variant=slice(0, 1200))
    model = bm.models.ldsc_rg(part, prior="flat")
    h2, b, rg, rho = np.array([0.3, 0.2]), np.array([1.02, 0.97]), 0.5, 0.1
    exposure = part["ld_score"].values / float(data.attrs["m_5_50"])
    total = 0.0
    for j in range(1200):
        seen = np.flatnonzero(np.isfinite(z[j]))
        cross = rho * np.sqrt(b.prod()) + rg * np.sqrt((h2 * n[j]).prod()) * exposure[j]
        v = np.diag(b + h2 * n[j] * exposure[j])
        v[0, 1] = v[1, 0] = cross
        v = v[np.ix_(seen, seen)]
        total += part["weight"].values[j] * multivariate_normal.logpdf(z[j, seen], cov=v)
    point = {
        "log_h2": np.log(h2),
        "log_intercept": np.log(b),
        "atanh_rg": np.arctanh(rg),
        "atanh_rho_0": np.arctanh(rho / 0.995),
    }
    assert model.compile_logp()(point) == pytest.approx(total, rel=1e-10)


def test_the_ratio_is_the_share_of_inflation_that_does_not_follow_ld(data: xr.Dataset) -> None:
    one = data.isel(trait=[0])
    fit = bm.fit(bm.models.ldsc_h2(one), "laplace", draws=500, random_seed=1, progress=False)
    post = fit["posterior"].to_dataset()
    explained = float((one["n"][:, 0] * one["ld_score"]).mean()) / float(data.attrs["m_5_50"])
    above = post["intercept"] - 1
    np.testing.assert_allclose(
        post["attenuation_ratio"], above / (above + explained * post["h2"]), rtol=1e-10
    )
    # its error is that of the regression's own ratio
    joint = heritability_by_blocks(data)
    ratio = (joint.without[:, 1] - 1) / (joint.without[:, 1] - 1 + explained * joint.without[:, 0])
    expected = np.sqrt((len(ratio) - 1) * ratio.var())
    assert float(fit["estimate"]["attenuation_ratio_se"]) == pytest.approx(expected, rel=0.02)


def test_mode_is_the_regression_iterated_to_its_end(data: xr.Dataset) -> None:
    one = data.isel(trait=[0])
    fit = bm.fit(bm.models.ldsc_h2(one, prior="flat"), "map", progress=False)
    used = one["weight"].values > 0
    score = one["ld_score"].values[used]
    found = heritability(
        one["z"].values[used, 0] ** 2,
        score[:, None],
        score,
        one["n"].values[used, 0],
        np.array([float(data.attrs["m_5_50"])]),
        updates=60,
    )
    # the score sees l where the regression's weights see max(l, 1)
    assert float(fit["estimate"]["h2"]) == pytest.approx(float(found.total.value[0]), rel=1e-4)
    assert float(fit["estimate"]["intercept"]) == pytest.approx(found.fit.at, rel=1e-4)
    ratio = float(fit["estimate"]["h2_se"]) / float(found.total.error[0])
    # here weights follow each block too, and 13 effective blocks make it t
    assert 0.8 < ratio < 1.4


def test_posterior_of_two_traits_is_checked_saved_and_made_again(
    data: xr.Dataset, tmp_path: object
) -> None:
    fit = bm.fit(bm.models.ldsc_rg(data), "laplace", draws=400, random_seed=1, progress=False)
    rg = fit["posterior"]["rg"]
    assert abs(float(rg.mean()) - 0.6) < 4 * float(rg.std())
    assert set(fit["estimate"].data_vars) >= {"h2", "intercept", "rg", "gencov", "rho_0"}
    assert bm.check(fit, data, progress=False).dataset.sizes["view"] == 4
    again = bm.rebuild(fit, data)
    assert set(again.named_vars) >= {"log_h2", "log_intercept", "atanh_rg", "atanh_rho_0"}
    assert abs(float(bm.summary(fit).loc["rg", "map"]) - float(rg.mean())) < 0.1


def test_a_trait_without_heritability_has_an_upper_limit(small: Small) -> None:
    folder = small[0]
    none = bm.read_sumstats(folder / "none.sumstats")
    data = bm.align(none, bm.open_reference(folder / "ld"), weights="inverse_ld")
    fit = bm.fit(bm.models.ldsc_h2(data), "map", progress=False)
    table = bm.summary(fit)
    assert "No heritability seen" in table.attrs["note"]
    assert np.isfinite(table.loc["intercept", "map"])


def test_where_no_heritability_is_seen_the_intercept_is_the_regression_s_wherever_it_is_shown(
    small: Small, tmp_path: Path
) -> None:
    folder = small[0]
    none = bm.read_sumstats(folder / "none.sumstats")
    data = bm.align(none, bm.open_reference(folder / "ld"), weights="inverse_ld")
    fit = bm.fit(bm.models.ldsc_h2(data), "laplace", draws=500, progress=False)
    bm.save(fit, tmp_path / "fit.nc")
    fit = bm.load(tmp_path / "fit.nc")
    found = fit["h2_test"].to_dataset()
    freedom = float(found["intercept_blocks"]) - 1
    half = stdtrit(freedom, 0.95) * float(found["intercept_se"])
    ends = [float(found["intercept"]) - half, float(found["intercept"]) + half]
    row = bm.summary(fit).loc["intercept"]
    shown = row[[c for c in row.index if c.startswith("eti")]].to_numpy(float)
    # 500 even draws: their quantiles lie within a draw of those of the law
    np.testing.assert_allclose(shown, ends, atol=0.02 * half)
    assert row["mean"] == pytest.approx(float(found["intercept"]), abs=1e-9)
    records = {one["quantity"]: one for one in bm.to_json(fit)["estimates"]}
    np.testing.assert_allclose(records["intercept"]["intervals"]["0.9"], shown, rtol=1e-12)
    cells = {row[0]: row[4] for row in tables.parameter_table(fit).rows}
    assert cells["intercept"] == as_interval(*shown)
    assert cells["attenuation_ratio"] == "–"  # there is nothing to share out
    said = tables.headline(fit)
    assert said[0].startswith("No heritability seen") and len(said) == 2
    assert as_interval(*shown) in said[1] and said[1].startswith("intercept is")


def test_of_two_traits_the_intercept_of_one_without_heritability_is_the_regression_s(
    small: Small, tmp_path: Path
) -> None:
    folder = small[0]
    traits = {
        name: bm.read_sumstats(folder / f"{name}.sumstats", trait=name)
        for name in ("first", "none")
    }
    data = bm.align(traits, bm.open_reference(folder / "ld"), weights="inverse_ld")
    model = bm.models.ldsc_rg(data, samp_prev=[None, 0.5], pop_prev=[None, 0.01])
    fit = bm.fit(model, "laplace", draws=500, random_seed=1, progress=False)
    bm.save(fit, tmp_path / "fit.nc")
    fit = bm.load(tmp_path / "fit.nc")
    found = fit["regression"].to_dataset().sel(trait="none")
    half = stdtrit(float(found["intercept_blocks"]) - 1, 0.95) * float(found["intercept_se"])
    ends = [float(found["intercept"]) - half, float(found["intercept"]) + half]
    table = bm.summary(fit)
    columns = [c for c in table.columns if c.startswith("eti")]
    shown = table.loc["intercept[none]", columns].to_numpy(float)
    np.testing.assert_allclose(shown, ends, atol=0.02 * half)
    drawn = fit["posterior"]["intercept"].sel(trait="none")
    assert float(drawn.mean()) < float(found["intercept"])  # with h2 >= 0 it lies lower
    # nothing else is withheld but the mode, and the trait that shows heritability keeps its own
    hidden = table.index[table.isna().any(axis=1)]
    assert list(hidden) == ["h2[none]", "h2_liability[none]"]
    low, high = table.loc["h2[none]", columns]
    assert low == 0 and high > 0 and table.attrs["note"].startswith("none: no heritability seen")
    assert "Of rg -1 to 1 fit" in table.attrs["note"]
    first = fit["posterior"]["intercept"].sel(trait="first")
    assert table.loc["intercept[first]", "mean"] == pytest.approx(float(first.mean()))
    records = {(one["quantity"], one["component"]): one for one in bm.to_json(fit)["estimates"]}
    intervals = records["intercept", "none"]["intervals"]["0.9"]
    np.testing.assert_allclose(intervals, shown, rtol=1e-12)
    cells = {row[0]: row[4] for row in tables.parameter_table(fit).rows}
    assert cells["intercept [none]"] == as_interval(*shown)
    limit = records["h2_liability", "none"]["upper_limit"]
    drawn = fit["posterior"]["h2"].sel(trait="none")
    assert limit == pytest.approx(LIABILITY * float(drawn.quantile(0.95)), rel=1e-9)
    assert cells["h2_liability [none]"] == f"below {as_number(limit)} (95%)"
    said = tables.headline(fit)
    assert said[0] == table.attrs["note"]
    assert not any(one.startswith("h2 [none]") for one in said)
    assert any(one.startswith(f"intercept [none] is {as_number(float(found['intercept']))}")
               for one in said)  # fmt: skip


def test_a_mode_alone_of_a_pair_tells_no_rg_of_a_trait_without_heritability(
    small: Small,
) -> None:
    folder = small[0]
    traits = {
        name: bm.read_sumstats(folder / f"{name}.sumstats", trait=name)
        for name in ("first", "none")
    }
    data = bm.align(traits, bm.open_reference(folder / "ld"), weights="inverse_ld")
    model = bm.models.ldsc_rg(data, samp_prev=[None, 0.5], pop_prev=[None, 0.01])
    fit = bm.fit(model, "map", progress=False)
    table = bm.summary(fit)
    hidden = table.index[table["map"].isna()]
    assert set(hidden) == {"h2[none]", "h2_liability[none]", "rg"}
    note = table.attrs["note"]
    assert note.startswith("none: no heritability seen, h2 < ") and "Of rg -1 to 1 fit" in note
    records = {(one["quantity"], one["component"]): one for one in bm.to_json(fit)["estimates"]}
    assert "mode" not in records["rg", None] and "upper_limit" not in records["rg", None]
    limit = records["h2", "none"]["upper_limit"]
    found = fit["regression"].to_dataset().sel(trait="none")
    # t of the regression cut to h2 > 0; the prior, whose scale is far above, hardly counts
    law = t(float(found["blocks_effective"]), float(found["h2"]), float(found["h2_se"]))
    assert law.sf(limit) / law.sf(0) == pytest.approx(0.05, abs=0.002)
    of_liability = records["h2_liability", "none"]["upper_limit"]
    assert of_liability == pytest.approx(LIABILITY * limit)


def test_without_the_number_of_variants_there_is_no_model(data: xr.Dataset) -> None:
    bare = data.isel(trait=[0]).copy()
    del bare.attrs["m_5_50"]
    with pytest.raises(InputError, match="m_5_50"):
        bm.models.ldsc_h2(bare)
    assert exposed(exposed(data)) is not data
    assert exposed(exposed(data)).attrs["exposure"] == "ld_score"


@pytest.fixture(scope="module")
def annotated_data(small: Small) -> xr.Dataset:
    """One trait with three annotations."""
    folder = small[0]
    first = bm.read_sumstats(folder / "first.sumstats")
    return bm.align(first, bm.open_reference(folder / "annot"), weights="inverse_ld")


def test_heritability_of_liability_is_that_of_the_observed_scale_times_a_factor(
    data: xr.Dataset,
) -> None:
    model = bm.models.ldsc_h2(data.isel(trait=[0]), samp_prev=0.5, pop_prev=0.01)
    fit = bm.fit(model, "laplace", draws=200, progress=False)
    post = fit["posterior"].to_dataset()
    np.testing.assert_allclose(post["h2_liability"], LIABILITY * post["h2"], rtol=1e-12)
    assert set(bm.summary(fit).index) == {"h2", "h2_liability", "intercept", "attenuation_ratio"}
    # by the natural scale, as without prevalences
    assert float(fit["estimate"]["h2_se"]) == pytest.approx(
        float(heritability_by_blocks(data).error[0]), rel=1e-9
    )
    again = bm.rebuild(fit, data.isel(trait=[0]))
    assert "h2_liability" in again.named_vars
    with pytest.raises(InputError, match="pop_prev: missing"):
        bm.models.ldsc_h2(data.isel(trait=[0]), samp_prev=0.5)


@pytest.fixture(scope="module")
def without_prevalences(data: xr.Dataset) -> xr.Dataset:
    """The posterior of a pair."""
    model = bm.models.ldsc_rg(data)
    fit = bm.fit(model, "laplace", draws=200, random_seed=1, progress=False)
    return fit["posterior"].to_dataset()


@pytest.mark.parametrize("pop_prev", [(0.01, None), (0.01, 0.01)])
def test_a_pair_has_the_liability_scale_of_what_has_prevalences_and_the_same_rg(
    data: xr.Dataset, without_prevalences: xr.Dataset, pop_prev: tuple[float, float | None]
) -> None:
    share = [None if one is None else 0.5 for one in pop_prev]
    scale = np.array([1.0 if one is None else LIABILITY for one in pop_prev])
    # nan for a quantitative trait, as on the command line
    given = [np.nan if one is None else one for one in pop_prev]
    model = bm.models.ldsc_rg(data, samp_prev=share, pop_prev=given)
    fit = bm.fit(model, "laplace", draws=200, random_seed=1, progress=False)
    post = fit["posterior"].to_dataset()
    np.testing.assert_allclose(post["h2_liability"], scale * post["h2"], rtol=1e-12)
    np.testing.assert_allclose(
        post["gencov_liability"], np.sqrt(scale.prod()) * post["gencov"], rtol=1e-12
    )
    np.testing.assert_allclose(post["rg"], without_prevalences["rg"], rtol=1e-12)
    within = post["gencov_liability"] / np.sqrt(post["h2_liability"].prod("trait"))
    np.testing.assert_allclose(within, post["rg"], rtol=1e-9)
    estimate = fit["estimate"].to_dataset()
    np.testing.assert_allclose(estimate["h2_liability_se"], scale * estimate["h2_se"], rtol=1e-12)
    assert float(estimate["gencov_liability_se"]) == pytest.approx(
        np.sqrt(scale.prod()) * float(estimate["gencov_se"]), rel=1e-12
    )
    assert "gencov_liability" in bm.rebuild(fit, data).named_vars


def test_annotations_have_the_liability_scale(annotated_data: xr.Dataset) -> None:
    model = bm.models.ldsc_partitioned(annotated_data, samp_prev=0.5, pop_prev=0.01)
    fit = bm.fit(model, "map", progress=False)
    found = fit["estimate"].to_dataset()
    assert float(found["h2_liability"]) == pytest.approx(LIABILITY * float(found["h2"]))
    np.testing.assert_allclose(found["h2_category_liability"], LIABILITY * found["h2_category"])
    assert float(found["h2_category_liability"].sum()) == pytest.approx(
        float(found["h2_liability"]), rel=1e-9
    )
    assert "h2_category_liability" in bm.rebuild(fit, annotated_data).named_vars
    with pytest.raises(InputError, match="samp_prev: missing"):
        bm.models.ldsc_partitioned(annotated_data, pop_prev=0.01)


@pytest.mark.parametrize("kind", ["h2", "partitioned"])
def test_where_no_heritability_is_seen_that_of_liability_has_the_limit_too(
    small: Small, kind: str
) -> None:
    folder = small[0]
    none = bm.read_sumstats(folder / "none.sumstats")
    scores = bm.open_reference(folder / ("ld" if kind == "h2" else "annot"))
    data = bm.align(none, scores, weights="inverse_ld")
    model = getattr(bm.models, f"ldsc_{kind}")(data, samp_prev=0.5, pop_prev=0.01)
    fit = bm.fit(model, "laplace", draws=200, progress=False)
    estimate, table = fit["estimate"].to_dataset(), bm.summary(fit)
    assert "No heritability seen" in table.attrs["note"]
    ends = [c for c in table.columns if c.startswith("eti")]
    low, high = table.loc["h2_liability", ends]
    assert low == 0 and high == pytest.approx(LIABILITY * table.loc["h2", ends[1]], rel=1e-9)
    assert float(estimate["h2_liability_se"]) == pytest.approx(
        LIABILITY * float(estimate["h2_se"]), rel=1e-9
    )
    records = {one["quantity"]: one for one in bm.to_json(fit)["estimates"]}
    limit = LIABILITY * float(fit["h2_test"]["h2_upper"])
    assert records["h2_liability"]["upper_limit"] == pytest.approx(limit, rel=1e-12)
    cells = {row[0]: row[4] for row in tables.parameter_table(fit).rows}
    assert cells["h2_liability"] == f"below {as_number(limit)} (95%)"


def test_prevalences_are_options_of_the_fits_of_pairs_and_annotations(
    small: Small, tmp_path: Path
) -> None:
    folder, out = small[0], tmp_path / "fit.nc"
    files = [str(folder / f"{name}.sumstats") for name in ("first", "second")]
    words = ["--method", "map", "--quiet", "--out", str(out), "--force"]
    words += ["--samp-prev", "0.5,nan", "--pop-prev", "0.01,nan"]
    with pytest.raises(SystemExit) as done:
        main(["fit", "rg", *files, "--reference", str(folder / "ld"), *words])
    assert not done.value.code
    found = bm.load(out)["estimate"].to_dataset()
    np.testing.assert_allclose(found["h2_liability"] / found["h2"], [LIABILITY, 1.0], rtol=1e-9)
    annotated = ["fit", "partitioned", files[0], "--reference", str(folder / "annot")]
    with pytest.raises(SystemExit) as done:
        main([*annotated, *words[:-4], "--samp-prev", "0.5", "--pop-prev", "0.01"])
    assert not done.value.code
    assert "h2_category_liability" in bm.load(out)["estimate"].data_vars
    with pytest.raises(SystemExit) as done:
        main([*annotated, *words])
    assert done.value.code


def heritability_by_blocks(data: xr.Dataset) -> Estimate:
    """h2 of the first trait by the regression iterated to its end, with LD blocks as units."""
    found = regressions(exposed(data.isel(trait=[0])))
    assert found is not None
    return found[1].joint


def test_a_fit_by_annotation_is_a_command(small: Small, tmp_path: Path) -> None:
    out = tmp_path / "fit.nc"
    words = ["fit", "partitioned", str(small[0] / "first.sumstats"), "--method", "map", "--quiet"]
    with pytest.raises(SystemExit) as done:
        main([*words, "--reference", str(small[0] / "annot"), "--out", str(out)])
    assert not done.value.code
    assert list(bm.load(out)["estimate"]["annotation"].values) == ["base", "one", "two"]


def test_the_reference_of_a_fit_may_be_what_names_of_files_begin_with(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for c in (1, 2):
        for end in ("ldscore.gz", "M_5_50"):
            at = tmp_path / f"eur.{c}.l2.{end}"
            at.write_bytes((small[0] / f"ld/{c}.l2.{end}").read_bytes())
    words = ["fit", "h2", str(small[0] / "first.sumstats"), "--method", "map", "--quiet"]
    for reference, code in (("eur.", 0), ("eur.@", 0), ("asn.", 2)):
        place = ["--reference", str(tmp_path / reference), "--out", str(tmp_path / "fit.nc")]
        with pytest.raises(SystemExit) as done:
            main([*words, *place, "--force"])
        assert (done.value.code or 0) == code
    assert "no LD scores begin so" in capsys.readouterr().err


@pytest.mark.parametrize("shrinkage", ["none", "horseshoe"])
def test_density_by_annotation_adds_up_what_each_explains(
    annotated_data: xr.Dataset, shrinkage: str
) -> None:
    data = annotated_data
    model = bm.models.ldsc_partitioned(data, prior="flat", shrinkage=shrinkage)
    h2, b, added = 0.3, 1.1, np.array([0.5, -0.8])
    point = {"log_h2": np.log(h2), "log_intercept": np.log(b)}
    if shrinkage == "none":
        point["deviation"] = added
    else:
        local, overall = np.array([0.3, -0.2]), -0.5
        scale = np.exp(local + overall)
        scale = scale / np.sqrt(1 + (scale / 10) ** 2)
        point |= {"log_local": local, "log_global": overall, "deviation_raw": added / scale}
    m = data["m_5_50"].values
    first = (m.sum() - m[1:] @ added) / m[0]
    tau = h2 / m.sum() * np.append(first, added)
    assert m @ tau == pytest.approx(h2)
    explained = data["n"].values[:, 0] * (data["annotation_ld_score"].values @ tau)
    variance = np.maximum(b + explained, 0.1 * b)
    each = norm.logpdf(data["z"].values[:, 0], scale=np.sqrt(variance))
    expected = (data["weight"].values * each).sum()
    assert model.compile_logp()(point) == pytest.approx(expected, rel=1e-10)


def test_mode_by_annotation_is_near_the_regression(annotated_data: xr.Dataset) -> None:
    data = annotated_data
    fit = bm.fit(bm.models.ldsc_partitioned(data, prior="flat"), "map", progress=False)
    found = heritability(
        data["z"].values[:, 0] ** 2,
        data["annotation_ld_score"].values,
        1 / data["weight"].values,
        data["n"].values[:, 0],
        data["m_5_50"].values,
        updates=60,
    )
    estimate = fit["estimate"].to_dataset()
    apart = estimate["coef"].values - found.coefficient.value
    # the regression weighs as if heritability were spread evenly, the model by each tau
    assert (np.abs(apart) < 0.5 * found.coefficient.error).all()
    assert float(estimate["h2_category"].sum()) == pytest.approx(float(estimate["h2"]))


def test_what_no_annotated_model_can_be_of_is_one_line(
    data: xr.Dataset, annotated_data: xr.Dataset
) -> None:
    with pytest.raises(InputError, match="annotation_ld_score"):
        bm.models.ldsc_partitioned(data.isel(trait=[0]))
    with pytest.raises(InputError, match="expected several"):
        bm.models.ldsc_partitioned(annotated_data.isel(annotation=[0]))
    with pytest.raises(InputError, match="shrinkage"):
        bm.models.ldsc_partitioned(annotated_data, shrinkage="ridge")


@pytest.mark.parametrize("correlation", ["lkj", "factor"])
def test_many_traits_have_a_positive_definite_matrix_in_every_draw(
    small: Small, correlation: str
) -> None:
    folder, traits = small
    found = bm.ldsc.rg(list(traits.values()), folder / "ld")
    model = bm.models.ldsc_traits(found, correlation)
    import pymc as pm
    from scipy.stats import multivariate_t

    quick = {"mode": "FAST_COMPILE"}
    draws = pm.draw([model["gencov"], model["rg"], model["h2"]], draws=50, random_seed=1, **quick)
    assert np.linalg.eigvalsh(draws[0]).min() > 0
    np.testing.assert_allclose(np.diagonal(draws[1], axis1=1, axis2=2), 1)
    np.testing.assert_allclose(np.diagonal(draws[0], axis1=1, axis2=2), draws[2])
    assert list(model["powered"].get_value()) == [True, True, False]
    s, v, *_ = bm.ldsc.genomic_sem(found)
    column, row = np.triu_indices(3)
    point = model.initial_point()
    term = model.compile_logp(vars=[model["vech"]], **quick)(point)
    held = model.replace_rvs_by_values([model["gencov"]])
    values = model.value_vars
    of_point = model.compile_fn(
        held, inputs=values, point_fn=False, on_unused_input="ignore", **quick
    )
    g = of_point(*[point[value.name] for value in values])[0]
    expected = multivariate_t.logpdf(s[row, column], g[row, column], v, df=194)
    assert float(term) == pytest.approx(expected, rel=1e-6)  # V by eigenvalues there


def test_many_traits_need_every_pair(small: Small) -> None:
    folder, traits = small
    one = bm.ldsc.h2(traits["first"], folder / "ld")
    with pytest.raises(InputError):
        bm.models.ldsc_traits(one)
    found = bm.ldsc.rg(list(traits.values()), folder / "ld")
    with pytest.raises(InputError, match="correlation"):
        bm.models.ldsc_traits(found, "wishart")


@pytest.mark.parametrize(("size", "blocks", "few"), [(40, 200, 5), (20, 100, 3)])
def test_intervals_of_few_parameters_of_many_elements_hold(
    size: int, blocks: int, few: int
) -> None:
    from bayesmixer.models.ldsc_traits import _law

    rng, held = np.random.default_rng(1), []
    x = rng.standard_normal((size, few))
    freedom, wider = _law(size, blocks, few)
    for _ in range(600):  # flat priors: the posterior is a t of these numbers
        y, z = rng.standard_normal(size), rng.standard_normal((blocks - 1, size))
        inverse = np.linalg.inv(z.T @ z / (blocks - 1) * wider)
        spread = np.linalg.inv(x.T @ inverse @ x)
        found = spread @ x.T @ inverse @ y
        rest = y - x @ found
        scale = (freedom + rest @ inverse @ rest) / (freedom + size - few)
        half = t.ppf(0.95, freedom + size - few) * np.sqrt(scale * np.diag(spread))
        held.append(np.abs(found) <= half)
    # as V stands, without the law: 0.84; the error of the mean is 0.01
    assert abs(np.mean(held) - 0.9) < 0.025
    assert _law(size, blocks, size) == (blocks - size, 1.0)
