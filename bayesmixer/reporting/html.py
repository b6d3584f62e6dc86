"""`report`: one self-contained HTML file that says what was found, how far to trust it, and what it
was made from.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from bayesmixer import aside
from bayesmixer.errors import InputError
from bayesmixer.kinds import POORER_REPORT, REPORT, is_report_with_data

if TYPE_CHECKING:
    import pymc as pm

    from bayesmixer.reporting.verdict import Verdict

SAID_BY_A_RULE = (
    "optimiser did not converge",
    "edge of the search box",
    "optima within",
    "Chains disagree",
    "divergent transitions",
)
"""Parts of a fit's warnings that rules of trust say."""


def report(
    results: xr.DataTree,
    data: xr.Dataset | None = None,
    path: str | Path = "report.html",
    title: str | None = None,
    progress: bool | None = None,
    verdict: Verdict | None = None,
    replace: bool | None = None,
    model: pm.Model | None = None,
) -> Path:
    """Write a fit as one HTML file that works offline and prints well.

    Parameters
    ----------
    results
        What `bayesmixer.fit` returned: any model, any method; or estimates without a model
        (`bayesmixer.ldsc`), with neither data nor model.
    data
        The data that the fit was made with, against which `check` holds it; without them there are
        no figures of data.
    path
        The file to write.
    title
        Heading; names the trait and the model where left out.
    progress
        Show a progress bar; None shows it on a terminal.
    verdict
        What `bayesmixer.verdict(results, data)` returned, so as not to run `check` again.
    replace
        Whether a report that is there already is replaced when the new one is complete; None:
        unless it was made with the data of its fit and this one is not. What is no report always
        stays.
    model
        The model, for those that cannot be made again of the fit and its data; `check` asks it.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    InputError
        Not a fit, no posterior group, data or a model of another fit, or a path that cannot be
        written.
    """
    from bayesmixer.identity import as_results, check_results, data_of_fit, is_estimates
    from bayesmixer.progress import track
    from bayesmixer.reporting.figures import of_views, plan, render
    from bayesmixer.reporting.verdict import verdict as judged

    kind = REPORT if replace is not None or data is not None else POORER_REPORT
    replace = replace is not False
    path = check_path(path, kind, replace)
    results = as_results(results)
    if is_estimates(results):
        if data is not None or model is not None:
            raise InputError("data", "given beside estimates, which no model was fitted for")
        return aside.write(path, page_of_estimates(results, title), kind, replace=replace)
    results = check_results(results)
    if data is not None:
        data = data_of_fit(results, data)
    verdict = verdict or judged(results, data, model=model, progress=progress)
    plans, skipped = plan(results, data)
    plans = [*plans, *of_views(verdict.pit)]
    images = []
    for one in track(plans, "Drawing figures", show=progress):
        try:
            images.append(render(one))
        except InputError as error:
            skipped.append(f"No figure '{one.title}': {error}")
    text = page(results, data, title, images, skipped, verdict)
    return aside.write(path, text, kind, replace=replace)


def check_path(path: str | Path, kind: aside.Kind = REPORT, replace: bool = True) -> Path:
    """Check, before anything is drawn, that the report can be written (see
    `bayesmixer.aside.check`).

    Raises
    ------
    InputError
        The folder does not exist or cannot be written to, the path is a folder, or what lies there
        stays.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(
            "path",
            f"'{path}' is a folder, expected a file name",
            f"For example '{path / 'report.html'}'.",
        )
    if kind is POORER_REPORT and path.is_file() and is_report_with_data(path):
        poorer = f"'{path}' is a report made with the data of its fit, this one would be poorer"
        raise InputError("path", poorer, "Give the data, or replace=True.")
    aside.check(path, kind, replace=replace, where="path")
    return path


def page(
    results: xr.DataTree,
    data: xr.Dataset | None,
    title: str | None,
    images: list[Any],
    skipped: list[str],
    verdict: Verdict,
) -> str:
    """The report's HTML from its parts."""
    from bayesmixer.facts import title_of
    from bayesmixer.reporting import tables
    from bayesmixer.wings import offers

    model = title_of(results)
    method = tables.METHODS.get(
        results.attrs.get("method", ""), str(results.attrs.get("method", ""))
    )
    estimates = [tables.parameter_table(results), tables.comparison_table(results)]
    provenance = [
        tables.input_table(results),
        tables.filter_table(results),
        tables.settings_table(results),
        tables.version_table(results),
    ]
    return _rendered(
        fitted=True,
        with_data=data is not None,
        title=title or f"{_trait(results, data)}: {model} fit",
        about=", ".join(
            part
            for part in (f"{model} model", method, str(results.attrs.get("created", "")))
            if part
        ),
        headline=tables.headline(results),
        looks_at=offers(results, "looks_at"),
        verdict=verdict,
        warnings=_not_said_above(results),
        estimates=[t for t in estimates if t is not None],
        diagnostics=tables.diagnostics(results, data),
        optima=tables.optimum_table(results),
        figures=images,
        skipped=skipped,
        provenance=[t for t in provenance if t.rows],
    )


def page_of_estimates(results: xr.DataTree, title: str | None) -> str:
    """The HTML of estimates without a model: what their wing tells of them."""
    from bayesmixer.reporting import tables
    from bayesmixer.reporting.figures import Plan, render
    from bayesmixer.reporting.verdict import verdict
    from bayesmixer.wings import told_of

    told = told_of(results)
    settings = [*told.settings, *((k, results.attrs.get(k)) for k in ("command", "created"))]
    rows = [(str(k), str(v)) for k, v in settings if v not in (None, "")]
    return _rendered(
        fitted=False,
        with_data=False,
        title=title or _heading(str(results.attrs.get("trait") or ""), told.title),
        about=str(results.attrs.get("created", "")),
        headline=told.sentences,
        looks_at=None,
        verdict=verdict(results),
        warnings=[],
        estimates=[
            tables.Table(caption, columns, rows, tuple(range(1, len(columns))))
            for caption, columns, rows in told.tables
        ],
        diagnostics=[],
        optima=None,
        figures=[render(Plan(*one)) for one in told.figures if not isinstance(one, str)],
        skipped=[one for one in told.figures if isinstance(one, str)],
        provenance=[
            tables.Table("Settings", ("setting", "value"), rows),
            tables.version_table(results),
        ],
    )


def _heading(trait: str, title: str) -> str:
    """The title of estimates, of a trait where they are of one."""
    return f"{trait}: {title}" if trait else title[:1].upper() + title[1:]


def _rendered(**parts: Any) -> str:
    """The template with its parts."""
    from importlib.resources import files

    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    from bayesmixer import __version__
    from bayesmixer.reporting.verdict import WORDS

    here = files("bayesmixer.reporting")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    template = environment.from_string((here / "report.html").read_text(encoding="utf-8"))
    css = Markup((here / "report.css").read_text(encoding="utf-8"))
    return template.render(css=css, version=__version__, severity_word=WORDS, **parts)


def _trait(results: xr.DataTree, data: xr.Dataset | None) -> str:
    from bayesmixer.facts import data_attributes, read_json
    from bayesmixer.identity import of_trait, trait_names

    together = read_json(results.attrs.get("traits"), [])
    name = results.attrs.get("trait") or " and ".join(together)
    if name or (data is not None and (name := next(iter(trait_names(data)), None))):
        return str(name)
    recorded = of_trait(read_json(data_attributes(results).get("sumstats"), []), name)
    return (
        str(recorded[0].get("trait") or recorded[0].get("source", "Trait")) if recorded else "Trait"
    )


def _not_said_above(results: xr.DataTree) -> list[str]:
    """What the fit warned of, without what a rule of trust says in its own words."""
    from bayesmixer.facts import read_json
    from bayesmixer.wings import offers

    said = (*SAID_BY_A_RULE, *(offers(results, "said") or ()))
    concerns = (
        read_json(results["calibration"].attrs.get("concerns"), [])
        if "calibration" in results.children
        else []
    )
    return [
        str(w)
        for w in read_json(results.attrs.get("warnings"), [])
        if w not in concerns and not any(words in str(w) for words in said)
    ]
