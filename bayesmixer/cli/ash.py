"""`bayesmixer ash`: effects in one condition in, the mixture that they come from and posteriors
out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bayesmixer.cli.options import Force, Json, Quiet, Threads, Tsv
from bayesmixer.cli.output import (
    check_inputs,
    claim,
    export,
    leave_out,
    say,
    say_verdict,
    say_wrapped,
)
from bayesmixer.errors import InputError

RESULTS = (".nc", ".zarr")


def _option(text: str, *names: str) -> Any:
    return typer.Option(*names, help=text, show_default=False)


def command(
    file: Annotated[
        Path,
        typer.Argument(
            help="Table of effects and their standard errors (.tsv, .csv, .parquet; a first column "
            "of text names the effects), or .npz with bhat and shat.",
            show_default=False,
        ),
    ],
    posterior: Annotated[
        Path | None,
        _option(
            "The posteriors as a table, a row an effect: .tsv, .tsv.gz, .parquet, .npz.",
            "--posterior",
        ),
    ] = None,
    out: Annotated[
        Path | None, _option("The result, prior and posteriors: .nc or .zarr.", "--out")
    ] = None,
    report: Annotated[Path | None, _option("Also write a report (HTML).", "--report")] = None,
    bhat: Annotated[
        str, _option("Column of the effects; without, one of a usual name (beta).", "--bhat")
    ] = "",
    shat: Annotated[
        str, _option("Column of their errors; without, one of a usual name (se).", "--shat")
    ] = "",
    mixture: Annotated[
        str | None,
        _option(
            "normal (without), uniform, half-uniform, half-normal, +uniform or -uniform.",
            "--mixture",
        ),
    ] = None,
    mode: Annotated[
        str | None,
        _option("What effects lie around: a number (0 without), or estimate.", "--mode"),
    ] = None,
    alpha: Annotated[
        float | None,
        _option("The effects that share the mixture are b / s^alpha; 0 without.", "--alpha"),
    ] = None,
    df: Annotated[float | None, _option("Degrees of freedom of t statistics.", "--df")] = None,
    prior: Annotated[
        str | None,
        _option("Penalty of the weights: nullbiased (without) or uniform.", "--prior"),
    ] = None,
    null_weight: Annotated[
        float | None,
        _option("What nullbiased gives the point mass; 10 without.", "--null-weight"),
    ] = None,
    point_mass: Annotated[
        bool | None,
        typer.Option(
            "--point-mass/--no-point-mass",
            help="Whether some effects are exactly the mode; some are without.",
            show_default=False,
        ),
    ] = None,
    given: Annotated[
        Path | None,
        _option("A saved result to take the prior from, in place of learning.", "--fit"),
    ] = None,
    json: Json = None,
    tsv: Tsv = None,
    threads: Threads = None,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Adaptive shrinkage (ash): effects in one condition, and how often their sign is wrong.

    \b
    Example:
      bayesmixer ash results.tsv --bhat beta --shat se --mixture half-uniform \\
        --posterior shrunk.tsv --report shrunk.html
    """
    check_inputs(file, given)
    _claim(posterior, out, report, json, tsv, force)

    import bayesmixer as bm
    from bayesmixer.io.effect_tables import read_columns
    from bayesmixer.io.posterior_tables import write_posterior

    asked: dict[str, Any] = {
        "mixture": mixture,
        "mode": _mode(mode),
        "alpha": alpha,
        "point_mass": point_mass,
    }
    if given is not None:
        leave_out("beside --fit", {"--prior": prior, "--null-weight": null_weight})
        asked["given"] = bm.load(given)
    if prior == "uniform":
        leave_out("beside --prior uniform", {"--null-weight": null_weight})
    weigh: Any = {"prior": prior, "null_weight": null_weight}
    asked |= {name: one for name, one in weigh.items() if one is not None}
    held = file.suffix == ".npz"
    data: Any = (file, None) if held else read_columns(file, bhat, shat)
    found = bm.ash(*data, df=df, **asked)
    verdict = bm.verdict(found)
    if posterior is not None:
        effects = found["effects"].to_dataset()
        name = "bhat" if held else data[0].columns[0]
        write_posterior(
            effects.expand_dims(condition=[str(name)], axis=1), posterior, replace=force
        )
    if out is not None:
        bm.save(found, out, replace=force)
    _show(found)
    if report is not None:
        bm.report(found, path=report, replace=force)
    export(found, json, tsv)
    say_verdict(verdict)
    written = [str(one) for one in (posterior, out, report) if one is not None]
    if written:
        say(f"written: {', '.join(written)}")


def _mode(mode: str | None) -> float | str | None:
    if mode is None or mode == "estimate":
        return mode
    try:
        return float(mode)
    except ValueError:
        raise InputError("--mode", f"{mode!r}, expected a number, or estimate") from None


def _claim(
    posterior: Path | None, out: Path | None, report: Path | None, json: Path | None,
    tsv: Path | None, force: bool,
) -> None:  # fmt: skip
    """Places of all that is to be written."""
    from bayesmixer import kinds

    known = {}
    if out is not None and out.suffix in RESULTS:
        known["--out"] = kinds.stored("estimate", out)
    if posterior is not None:
        from bayesmixer.io.posterior_tables import place_of

        known["--posterior"] = place_of(posterior)
    places = {
        "--posterior": (posterior, ()),
        "--out": (out, RESULTS),
        "--report": (report, ()),
        "--json": (json, ()),
        "--tsv": (tsv, ()),
    }
    claim(places, force, known)


def _show(found: Any) -> None:
    """The sentences on what was found."""
    from bayesmixer.wings import told_of

    for sentence in told_of(found).sentences:
        say_wrapped(sentence)
