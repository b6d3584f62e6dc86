"""`bayesmixer mash`: effects in many conditions in, the mixture that they come from and posteriors
out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayesmixer.cli.options import Force, Json, Quiet, Seed, Threads, Tsv
from bayesmixer.cli.output import (
    check_inputs,
    claim,
    columns_as_lines,
    export,
    number,
    say,
    say_verdict,
    say_wrapped,
)
from bayesmixer.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

MANY = 50_000  # effects, above which the mixture is learned from some
LEARN = 20_000
LARGEST = 2_000
RESULTS = (".nc", ".zarr")


def _option(text: str, *names: str) -> Any:
    return typer.Option(*names, help=text, show_default=False)


def command(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Effects and their standard errors, effect x condition: two tables (.tsv, .csv, "
            ".parquet, .npy), or one .npz or .zarr of both.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, _option("The result, fit and posteriors: .nc or .zarr.", "--out")],
    posterior: Annotated[
        Path | None,
        _option(
            "Also write the posteriors as a table: .tsv, .tsv.gz, .parquet, .npz; or alone, block "
            "by block, as .zarr (--out then holds the fit).",
            "--posterior",
        ),
    ] = None,
    report: Annotated[Path | None, _option("Also write a report (HTML).", "--report")] = None,
    z: Annotated[
        bool, typer.Option("--z", help="The second file holds z-scores; the only one: z alone.")
    ] = False,
    p: Annotated[
        bool, typer.Option("--p", help="The second file holds two-sided P values.")
    ] = False,
    v: Annotated[
        str,
        typer.Option(
            "--v", help="Correlation of errors between conditions: none, simple, or a table."
        ),
    ] = "none",
    alpha: Annotated[
        float, typer.Option(help="The effects that share the mixture are b / s^alpha.")
    ] = 0.0,
    df: Annotated[float | None, _option("Degrees of freedom of t statistics.", "--df")] = None,
    baseline: Annotated[
        str | None, _option("Condition (or mean) to subtract from all.", "--baseline")
    ] = None,
    contrasts: Annotated[
        Path | None, _option("Table of contrasts, conditions as columns.", "--contrasts")
    ] = None,
    kinds: Annotated[
        str | None,
        _option(
            "Kinds of covariances, with commas between: canonical, pca, ed; canonical and ed "
            "without, canonical alone where no effect is strong.",
            "--kinds",
        ),
    ] = None,
    components: Annotated[
        int, typer.Option(min=1, help="Covariances that strong effects tell.")
    ] = 5,
    strong: Annotated[
        Path | None,
        _option("Names of the effects that covariances are learned from, one a line.", "--strong"),
    ] = None,
    learn: Annotated[
        int | None,
        _option(
            f"Learn the mixture from so many random effects; above {MANY:,} effects {LEARN:,}, "
            "else all.",
            "--learn",
        ),
    ] = None,
    given: Annotated[
        Path | None, _option("A saved fit to take the mixture from, in place of learning.", "--fit")
    ] = None,
    prior: Annotated[
        str, typer.Option(help="Penalty of the weights: nullbiased or uniform.")
    ] = "nullbiased",
    threshold: Annotated[
        float, typer.Option(help="Called: a local false sign rate below it.")
    ] = 0.05,
    json: Json = None,
    tsv: Tsv = None,
    seed: Seed = 0,
    threads: Threads = None,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Multivariate adaptive shrinkage (mash): effects in many conditions, learned together.

    \b
    Example:
      bayesmixer mash bhat.tsv shat.tsv --v simple --out tissues.nc \\
        --posterior tissues.parquet --report tissues.html
    """
    check_inputs(*files, contrasts, strong, given)
    _claim(out, posterior, report, json, tsv, force)

    import bayesmixer as bm

    effects = _read(files, z, p, v, alpha, df, baseline, contrasts)
    if given is not None:
        fit = bm.load(given)
    else:
        fit = _learned(effects, kinds, components, strong, learn, prior, seed, _on_disk(files))
    if posterior is not None and posterior.suffix == ".zarr":
        bm.mash.posterior_to(fit, effects, posterior, replace=force)
        found = fit
    else:
        made = bm.mash.posterior(fit, effects.load())
        found = bm.mash.together(fit, made, effects, threshold=threshold)
        if posterior is not None:
            from bayesmixer.io.posterior_tables import write_posterior

            write_posterior(made, posterior, replace=force)
    verdict = bm.verdict(found)
    bm.save(found, out, replace=force)
    _show(found)
    if report is not None:
        bm.report(found, path=report, replace=force)
    export(found, json, tsv)
    say_verdict(verdict)
    say(f"written: {', '.join(str(one) for one in (out, posterior, report) if one is not None)}")


def _claim(
    out: Path, posterior: Path | None, report: Path | None, json: Path | None, tsv: Path | None,
    force: bool,
) -> None:  # fmt: skip
    """Places of all that is to be written."""
    from bayesmixer import kinds

    known = {"--out": kinds.stored("estimate", out)} if out.suffix in RESULTS else {}
    if posterior is not None:
        if posterior.suffix == ".zarr":
            known["--posterior"] = kinds.stored("mash_posterior", posterior)
        else:
            from bayesmixer.io.posterior_tables import place_of

            known["--posterior"] = place_of(posterior)
    claim(
        {
            "--out": (out, RESULTS),
            "--posterior": (posterior, ()),
            "--report": (report, ()),
            "--json": (json, ()),
            "--tsv": (tsv, ()),
        },
        force,
        known,
    )


def _on_disk(files: list[Path]) -> bool:
    return files[0].suffix in (".npy", ".zarr")


def _read(
    files: list[Path], z: bool, p: bool, v: str, alpha: float, df: float | None,
    baseline: str | None, contrasts: Path | None,
) -> xr.Dataset:  # fmt: skip
    """The effects; v by what was asked for."""
    import bayesmixer as bm

    if len(files) > 2:
        raise InputError("FILES", f"{len(files)}, expected effects and their standard errors")
    if z and p:
        raise InputError("--z", "given beside --p", "Give one of them.")
    first, second = files[0], files[1] if len(files) > 1 else None
    if _on_disk(files):
        if z or p or df is not None or baseline is not None or contrasts is not None:
            raise InputError("FILES", "of .npy and .zarr only effects and standard errors are read")
        known = None if v in ("none", "simple") else Path(v)
        effects = bm.mash.open_effects(first, second, v=known, alpha=alpha)
        if v != "simple":
            return effects
        rows = bm.mash.random_rows(effects, LEARN)
        told = bm.mash.correlation(effects.isel(effect=rows).load())
        return effects.assign(v=told)
    from bayesmixer.io.effect_tables import read_table

    matrix = None if contrasts is None else read_table(contrasts, "contrasts").values
    options: dict[str, Any] = {"alpha": alpha, "df": df}
    if second is None:
        options |= {"z": first} if z else {"bhat": first}
    else:
        options |= {"bhat": first, "z" if z else "p" if p else "shat": second}
    if v not in ("none", "simple"):
        check_inputs(Path(v))
        options["v"] = Path(v)
    elif v == "simple":
        options["v"] = bm.mash.correlation(bm.read_effects(**options))
    return bm.read_effects(**options, baseline=_place(baseline), contrasts=matrix)


def _place(baseline: str | None) -> Any:
    return int(baseline) if baseline is not None and baseline.isdigit() else baseline


def _learned(
    effects: xr.Dataset, kinds: str | None, components: int, strong: Path | None,
    learn: int | None, prior: str, seed: int, on_disk: bool,
) -> xr.DataTree:  # fmt: skip
    """The mixture, learned from all effects or from some."""
    import numpy as np

    import bayesmixer as bm
    from bayesmixer.mash.prior_covariances import DEFAULT
    from bayesmixer.mash.strong_effects import positions

    asked = [one.strip() for one in kinds.split(",")] if kinds else [*DEFAULT]
    names = None if strong is None else np.array(strong.read_text().split())
    source = effects
    if set(asked) == {"canonical"}:
        rows = np.zeros(0, dtype=int)
    elif names is not None:
        rows = positions(names, effects)
    elif on_disk:
        rows = bm.mash.largest(effects, LARGEST)
    else:
        rows = bm.mash.strong(effects)
        if not len(rows) and kinds is None:
            say_wrapped("no strong effect to learn covariances from: canonical ones alone")
            asked = ["canonical"]
    if on_disk:
        source, rows = effects.isel(effect=rows).load(), np.arange(len(rows))
    covariances = bm.mash.covariances(source, asked, strong=rows, n_components=components)
    n = effects.sizes["effect"]
    rows_to_learn = learn if learn is not None else LEARN if n > MANY else n
    if rows_to_learn < n:
        say_wrapped(f"learning from {rows_to_learn:,} of {n:,} effects, drawn at random")
    return bm.mash.fit_sample(effects, covariances, rows=rows_to_learn, seed=seed, prior=prior)


def _show(found: xr.DataTree) -> None:
    """What was called, by condition, and the sentences on it."""
    from bayesmixer.card import told_of

    told = told_of(found)
    for sentence in told.sentences:
        say_wrapped(sentence)
    estimate = found["estimate"].to_dataset()
    if "n_called" in estimate:
        names = [str(name) for name in estimate[estimate["n_called"].dims[0]].values]
        columns = [
            ("called", [f"{int(n):,}" for n in estimate["n_called"].values]),
            ("expected wrong", [number(float(x)) for x in estimate["promised_wrong"].values]),
        ]
        for line in columns_as_lines([("", names), *columns], 80):
            say(line)
