"""The HTML report: what it holds, what it refuses, and that it is never half-written."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr

import bayesmixer as bm
from bayesmixer import facts
from bayesmixer.errors import InputError
from bayesmixer.identity import data_of_fit
from bayesmixer.mixer.heritability import HeritabilityTest
from bayesmixer.reporting import html, tables
from bayesmixer.reporting.export import to_json, to_tsv
from bayesmixer.reporting.figures import plan
from bayesmixer.reporting.load import open_data, open_results
from bayesmixer.reporting.posterior import plotted
from bayesmixer.reporting.trust import trust
from bayesmixer.style import as_middle, as_number, as_parameter, as_percent
from tests.reporting.fabricate import make_data, make_fit


class Page(HTMLParser):
    """Text, addresses and images of a page."""

    def __init__(self, text):
        super().__init__()
        self.words, self.addresses, self.images, self.open, self.silent = [], [], [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.silent = tag == "style" or (self.silent and tag != "style")
        attributes = dict(attrs)
        self.addresses += [
            v for k, v in attrs if k in ("src", "href", "action", "data", "poster", "srcset")
        ]
        if tag == "img":
            self.images.append(attributes)
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"{tag} closed out of order"
        if tag == "style":
            self.silent = False

    def handle_data(self, data):
        if not self.silent:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page(sampled_report):
    return Page(sampled_report.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def plain_page(fit, tmp_path_factory):
    return Page(
        bm.report(fit, path=tmp_path_factory.mktemp("plain") / "r.html").read_text(encoding="utf-8")
    )


def test_page_is_well_formed_and_asks_for_nothing_outside(page):
    assert page.open == []
    assert len(page.addresses) == len(page.images) + 1
    assert all(address.startswith("data:") for address in page.addresses)
    assert all(image["alt"] for image in page.images)
    assert (
        len(page.images) == 9
    )  # QQ, strata, power, Manhattan, spectrum, profile, pair, ranks, traces


def test_headline_gives_h2_polygenicity_and_n90_with_their_intervals(plain_page, fit):
    h2 = 100 * np.quantile(fit["posterior"]["h2"], [0.05, 0.95])
    assert f"({h2[0]:.1f} to {h2[1]:.1f}%) of the trait's variance" in plain_page.text
    assert "of the variants are causal (polygenicity pi)" in plain_page.text
    assert "explain 90% of the heritability (n90)" in plain_page.text
    assert "Pareto k-hat of the importance weights: 0.12" in plain_page.text


@pytest.mark.parametrize(
    "words",
    [
        "ab" * 32,  # checksum of the summary statistics
        "cd" * 32,  # and of the panel
        "duplicate 1,000",
        "ambiguous alleles 234",
        "not in reference 77",
        "rows in the file 12,345",
        "= kept 11,111",
        "pymc 6.4.0",
        "seed 11",
        "bayesmixer fit univariate height.txt.gz --reference panel.zarr --out height.nc",
        "random pruning, r2 < 0.1, 64 iterations",
        "sample sizes <differ> & so on",  # the fit's own warning, escaped in the file
        "Divergences: 0",
        "positions <differ>",  # align's
        "swapped 31",
        "1 -5,000.00 -1.20 -5.80 0.0500 yes 21.0",
        "2 of 3 starts met the best optimum",
        "LD blocks, the independent units: 250.",
        "10,115.00",
    ],
)
def test_page_tells_where_the_fit_came_from_and_how_it_went(page, words):
    assert words in page.text


def test_grave_findings_stand_under_the_result(tmp_path):
    data = make_data(m=300, blocks=30, chromosomes=1)
    path = bm.report(make_fit(data, draws=100), path=tmp_path / "one.html")
    text = Page(path.read_text()).text
    assert "Do not rely on this estimate" in text
    assert "Only chromosome 1 was used" in text
    assert text.index("Only chromosome 1") < text.index("How the fit went")


def test_what_is_fixed_has_no_interval(fit):
    held = fit.copy()
    held["posterior"] = xr.DataTree(
        fit["posterior"].to_dataset().assign(sigma2_0=0 * fit["posterior"]["h2"] + 1)
    )
    assert any("sigma2_0 is 1.00 (1 without" in sentence for sentence in tables.headline(held))
    row = next(row for row in tables.parameter_table(held).rows if row[0] == "sigma2_0")
    assert row[1:5] == ("1.00", "1.00", "–", "–") and row[6] == "–"
    assert as_percent(np.full(3, 0.2)) == "20.0%"


def test_files_that_each_chromosome_names_stand_once_among_the_inputs(fit):
    sources = {str(c): {"panel.bed": "ef" * 32, "panel.bim": "12" * 32} for c in range(1, 23)}
    data = json.loads(fit.attrs["data"]) | {"reference": {"sources": json.dumps(sources)}}
    held = fit.copy()
    held.attrs = fit.attrs | {"data": json.dumps(data)}
    rows = [row[1] for row in tables.input_table(held).rows if row[0] == "LD reference"]
    assert rows == ["panel.bed", "panel.bim"]


def test_free_parameters_are_named_without_the_scale_that_pymc_has_them_on(fit):
    held = fit.copy()
    names = ["effect_weights_simplex__[0]", "pi_logodds__", "sd_log_exp_m1__"]
    estimate = fit["estimate"].to_dataset().assign_coords(parameter=names)
    held["estimate"] = xr.DataTree(
        estimate.assign_attrs(fit["estimate"].attrs | {"at_bound": json.dumps(names)})
    )
    assert {"effect_weights[0]", "pi", "sd"} <= {*tables.optimum_table(held).columns}
    said = " ".join(finding.sentence for finding in trust(held))
    assert "(effect_weights[0], pi, sd): it is no maximum" in said
    assert as_parameter("log_h2") == "log_h2"


def test_profile_is_missed_only_in_fits_of_models_that_have_one(fit):
    estimate = fit["estimate"].to_dataset().drop_vars(["profile_pi", "profile_log_likelihood"])
    held = fit.copy()
    held["estimate"] = xr.DataTree(estimate)
    for model, missed in (("univariate_mixer", True), ("scale_mixture", False)):
        held.attrs = fit.attrs | {"model": model}
        assert missed == any("No profile" in one for one in plan(held, None)[1])


def test_parameter_table_holds_mean_median_sd_and_equal_tailed_interval(fit):
    table = tables.parameter_table(fit)
    rows = {row[0]: row for row in table.rows}
    draws = fit["posterior"]["h2"].values.ravel()
    expected = (
        draws.mean(),
        np.median(draws),
        draws.std(ddof=1),
        *np.quantile(draws, [0.05, 0.95]),
    )
    shown = [float(x) for cell in rows["h2"][1:5] for x in cell.split(" to ")]
    np.testing.assert_allclose(shown, expected, rtol=0.005)
    assert set(rows) == {"h2", "sigma2_0", "pi", "sigma2_beta", "n_causal", "n90"}


def test_without_heritability_the_headline_gives_its_limit_and_no_two_sided_interval(fit):
    test = HeritabilityTest(
        p=0.3,
        z=0.4,
        p_score=0.3,
        p_hits=1.0,
        h2=0.001,
        h2_se=0.002,
        h2_upper=0.0046,
        blocks=400,
        blocks_effective=90.0,
    )
    unseen = fit.copy()
    unseen["h2_test"] = xr.DataTree(test.dataset())
    said = tables.headline(unseen)
    assert said[0] == test.sentence and said[1].startswith("The inflation") and len(said) == 2
    intervals = {row[0]: row[4] for row in tables.parameter_table(unseen).rows}
    assert intervals["h2"] == "below 0.00460 (95%)" and " to " in intervals["sigma2_0"]
    assert {v for k, v in intervals.items() if k not in ("h2", "sigma2_0")} == {"–"}
    records = {one["quantity"]: one for one in to_json(unseen)["estimates"]}
    assert records["h2"]["intervals"]["0.9"] == [
        0.0,
        pytest.approx(np.quantile(fit["posterior"]["h2"], 0.9)),
    ]
    assert (
        records["h2"]["upper_limit"] == 0.0046
        and "intervals" not in records["pi"]
        and "mode" not in records["h2"]
    )
    assert (
        to_json(unseen)["h2_test"]["sentence"] == test.sentence and to_json(fit)["h2_test"] is None
    )
    row = to_tsv(unseen).set_index("quantity").loc["h2"]
    assert (
        row["q95"] == 0.0046
        and np.isnan(row["q5"])
        and list(to_tsv(unseen).columns) == list(to_tsv(fit).columns)
    )


def test_comparison_gives_the_infinitesimal_model_s_log_likelihood_from_its_aic(fit):
    rows = tables.comparison_table(fit).rows
    assert rows[1][2] == "-5,048.00"  # AIC = 2 k - 2 log L, k = 2, AIC 10,100
    assert rows[2][3:] == ("114.00", "107.00")


@pytest.mark.parametrize("model", ["infinitesimal", "two_component_mixer"])
@pytest.mark.parametrize("method", ["laplace", "nuts", "map"])
def test_every_model_and_method_has_a_report_without_data(data, model, method, tmp_path):
    fit = make_fit(data, model=model, method=method, draws=100)
    page = Page(bm.report(fit, path=tmp_path / "r.html").read_text())
    assert ("The model is infinitesimal" in page.text) == (model == "infinitesimal")
    assert ("with large effects" in page.text) == (model == "two_component_mixer")
    assert "need the data" in page.text
    assert len(page.images) == {"laplace": 1, "nuts": 3, "map": 0}[method]
    assert "nan" not in page.text


def test_a_model_without_a_wing_has_a_report_by_the_rules_that_hold_for_any(data, tmp_path):
    fit = make_fit(data, draws=100)
    one = fit["posterior"].to_dataset()[["h2", "pi"]].rename(h2="slope", pi="share")
    fit["posterior"] = xr.DataTree(one.isel(chain=0).expand_dims(chain=[0]))
    fit.attrs["model"] = "mine"
    page = Page(bm.report(fit, path=tmp_path / "r.html").read_text())
    assert "height: mine fit" in page.text and len(page.images) == 1
    for name in ("slope", "share"):
        mean = as_number(float(fit["posterior"][name].mean()))
        assert f"{name} is {mean} (" in page.text
    assert "Only 6 chromosomes" not in page.text and "sum to" in page.text
    assert "infinitesimal" not in page.text and "heritability" not in page.text.lower()
    assert list(plotted(fit)["posterior"].data_vars) == ["slope", "share"]
    named = fit.copy()
    named["posterior"] = xr.DataTree(one.rename(slope="h2", share="pi"))
    assert list(plotted(named)["posterior"].data_vars) == ["h2", "log10 pi"]
    assert tables.headline(named)[0].endswith(f": {facts.quantity_of(named, 'h2').meaning}.")


def test_a_model_built_on_the_likelihood_is_told_by_its_own_quantities(data):
    fit = make_fit(data, draws=50)
    mixtures = {"z": {"trait": "height", "pi": "share", "sigma2_beta": 1e-5, "sigma2_0": 1.0}}
    fit.attrs |= {"model": "ld_mixture", "mixtures": json.dumps(mixtures)}
    one = fit["posterior"].to_dataset()
    fit["posterior"] = xr.DataTree(one[["pi"]].rename(pi="share"))
    assert tables.headline(fit) == [f"share is {as_middle(one['pi'].values.ravel())}."]
    fit["posterior"] = xr.DataTree(one)
    assert tables.headline(fit) == tables.headline(make_fit(data, draws=50))


def test_components_that_stand_for_nothing_are_not_told_one_by_one(data):
    fit = make_fit(data, draws=50)
    for model, told in (("two_component_mixer", 2), ("scale_mixture", 0)):
        fit = make_fit(data, model="two_component_mixer", draws=50)
        fit.attrs["model"] = model
        wide = np.random.default_rng(0).lognormal(0, 2.0, (1, 50, 1))
        fit["posterior"]["pi"] = fit["posterior"]["pi"] * wide
        said = [s for s in tables.headline(fit) if "(polygenicity pi)" in s]
        assert len(said) == told
        assert any("of pi [" in f.sentence for f in trust(fit)) == bool(told)
        assert any("(n90)" in s for s in tables.headline(fit))


def test_the_same_fit_gives_the_same_bytes(data, fit, tmp_path):
    a, b = (bm.report(fit, path=tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert a == b


def test_an_interrupted_report_leaves_the_old_file_and_no_other(fit, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    before = b'<html><head><meta name="generator" content="bayesmixer 0.1.0"></head></html>'
    path.write_bytes(before)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(html, "page", interrupt)
    with pytest.raises(KeyboardInterrupt):
        bm.report(fit, path=path)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert path.read_bytes() == before


def test_a_report_replaces_a_report_but_no_fuller_one_and_no_other_file(
    data, fit, tmp_path, monkeypatch
):
    from bayesmixer.reporting import figures

    monkeypatch.setattr(figures, "plan", lambda *_: ([], []))
    path = bm.report(fit, path=tmp_path / "report.html")
    full = bm.report(fit, data, path).read_bytes()
    assert full != bm.report(fit, path=tmp_path / "poor.html").read_bytes()
    for replace, message in (
        (None, r"made with the data of its fit, this one would be poorer.*replace=True"),
        (False, "is there already"),
    ):
        with pytest.raises(InputError, match=message):
            bm.report(fit, path=path, replace=replace)
    with pytest.raises(InputError, match="is there already"):
        bm.report(fit, data, path, replace=False)
    assert path.read_bytes() == full
    assert (
        bm.report(fit, path=path, replace=True).read_bytes()
        == (tmp_path / "poor.html").read_bytes()
    )
    path.write_text("<html>my page</html>")
    for replace in (None, True, False):
        with pytest.raises(InputError, match="not a report that bayesmixer wrote: it stays"):
            bm.report(fit, data, path, replace=replace)
    assert path.read_text() == "<html>my page</html>"


def test_a_figure_that_cannot_be_drawn_is_named_and_the_report_still_written(
    data, fit, tmp_path, monkeypatch
):
    from bayesmixer.mixer import power
    from bayesmixer.reporting import figures

    monkeypatch.setattr(
        power, "predicted_power", lambda v, p, grid, *_: np.full((len(p), len(grid)), np.nan)
    )
    whole = figures.plan
    monkeypatch.setattr(
        figures, "plan", lambda *a: ([one for one in whole(*a)[0] if one.name == "power"], [])
    )
    page = Page(bm.report(fit, data, tmp_path / "r.html").read_text())
    assert page.images == []
    assert "No figure 'Power curve': results: the power curve is not finite" in page.text


def test_arviz_figures_do_not_pile_up_in_pyplot(data, tmp_path):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    bm.report(make_fit(data, method="nuts", draws=50), path=tmp_path / "r.html")
    assert plt.get_fignums() == before


def _without(fit, group):
    changed = fit.copy()
    del changed[group]
    return changed


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda fit: fit.to_dict(), "a dict, expected the DataTree"),
        (lambda fit: _without(fit, "posterior"), "no posterior group"),
        (lambda fit: fit["posterior"].to_dataset(), "not a fit: a Dataset, expected the DataTree"),
        (
            lambda fit: xr.DataTree.from_dict({"posterior": fit["posterior"].to_dataset()}),
            "no attribute 'kind'",
        ),
        (
            lambda fit: xr.DataTree(dataset=xr.Dataset(attrs={"kind": "reference"})),
            "'reference', expected 'fit'",
        ),
    ],
)
def test_what_is_not_a_fit_is_refused_in_one_line(fit, make, words, tmp_path):
    with pytest.raises(InputError, match=re.escape(words)) as error:
        bm.report(make(fit), path=tmp_path / "r.html")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda d: "data.nc", "a str, expected the GwasData"),
        (lambda d: d.drop_vars("weight"), "no variable 'weight'"),
        (
            lambda d: d.isel(variant=slice(0, 3000)),
            "not what this fit (trait 'height') was made with: variants differ in",
        ),
        (
            lambda d: d.assign(weight=d["weight"] * 2),
            "weights differ in 250 of 250 LD blocks: chr1",
        ),
    ],
)
def test_data_of_another_fit_are_refused_in_one_line(data, fit, make, words, tmp_path):
    with pytest.raises(InputError, match=re.escape(words)) as error:
        bm.report(fit, make(data), tmp_path / "r.html")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "words"), [("missing/r.html", "does not exist"), (".", "is a folder")]
)
def test_paths_that_cannot_be_written_are_refused_before_anything_is_drawn(
    fit, name, words, tmp_path
):
    with pytest.raises(InputError, match=words):
        bm.report(fit, path=tmp_path / name)


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_saved_fits_and_data_are_read_back(data, fit, suffix, tmp_path):
    one, two = tmp_path / f"fit{suffix}", tmp_path / f"data{suffix}"
    if suffix == ".nc":
        fit.to_netcdf(one, engine="h5netcdf")
        data.to_netcdf(two, engine="h5netcdf")
    else:
        fit.to_zarr(one)
        data.to_zarr(two)
    xr.testing.assert_equal(
        open_results(one)["posterior"].to_dataset(), fit["posterior"].to_dataset()
    )
    np.testing.assert_array_equal(open_data(two)["z"], data["z"])
    assert data_of_fit(open_results(one), open_data(two)).sizes == data.sizes


@pytest.mark.parametrize("content", [b"", b"not netCDF", b"\x89HDF\r\n\x1a\n truncated"])
def test_files_that_are_not_netcdf_are_refused_in_one_line(content, tmp_path):
    path = tmp_path / "fit.nc"
    path.write_bytes(content)
    for read in (open_results, open_data):
        with pytest.raises(InputError, match=r"not a saved fit|cannot be read as netCDF") as error:
            read(path)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="no such file"):
        open_results(tmp_path / "none.nc")


def test_a_folder_that_is_no_zarr_store_is_refused_in_one_line(tmp_path):
    with pytest.raises(InputError, match="not a saved fit") as error:
        open_results(tmp_path)
    assert "\n" not in str(error.value)


def test_command_writes_the_report_beside_the_fit(data, fit, tmp_path, capsys):
    from bayesmixer.cli.report import command

    fit.to_netcdf(tmp_path / "height.nc", engine="h5netcdf")
    command(tmp_path / "height.nc", title="Standing height")
    assert f"report: {tmp_path / 'height.html'}" in capsys.readouterr().out.splitlines()
    assert "<h1>Standing height</h1>" in (tmp_path / "height.html").read_text()


def test_sources_of_the_reference_are_read_as_list_or_mapping(fit):
    attrs = json.loads(fit.attrs["data"])
    reference = json.loads(attrs["reference"])
    for sources in (
        [{"file": "a.bed", "sha256": "11"}],
        {"a.bed": "11"},
        {"21": {"file": "a.bed", "sha256": "11"}},
        {"a.bed": {"sha256": "11"}},
    ):
        other = fit.copy()
        other.attrs["data"] = json.dumps(
            {**attrs, "reference": json.dumps({**reference, "sources": json.dumps(sources)})}
        )
        assert [(row[1], row[3]) for row in tables.input_table(other).rows[1:]] == [("a.bed", "11")]
