"""`bayesmixer fit`: summary statistics and an LD reference in, a posterior (and a report) out.

The verbs are those of the models' cards: one function serves all, with those of its options that
the model takes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from bayesmixer.card import Card, cards
from bayesmixer.cli.ldsc_options import numbers
from bayesmixer.cli.munge import how_read
from bayesmixer.cli.options import Draws, Force, How, Json, Quiet, Seed, Threads, Tsv
from bayesmixer.cli.output import (
    RESULTS,
    check_inputs,
    check_reference,
    claim,
    export,
    print_table,
    say,
    say_verdict,
)
from bayesmixer.errors import InputError
from bayesmixer.inference.limits import LEAST, Nuts

OWN = {option for card in cards().values() for option in card.options}

app = typer.Typer(add_completion=False)


Sumstats = Annotated[
    Path,
    typer.Argument(
        help=(
            "Summary statistics of any common format; those with odd column names pass through "
            "'bayesmixer munge' first."
        ),
        show_default=False,
    ),
]
Reference = Annotated[
    Path,
    typer.Option(
        help=(
            "LD reference made by 'bayesmixer ld build'; of ldsc models also LD scores in LDSC's "
            "files: a folder, or what their names begin with."
        ),
        show_default=False,
    ),
]
Out = Annotated[
    Path,
    typer.Option(help="Where the fit goes: a name ending in .nc or .zarr.", show_default=False),
]
Report = Annotated[
    Path | None,
    typer.Option(help="Where the HTML report goes; none is written without.", show_default=False),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--save-data",
        help="Also keep the aligned data here, for --data of 'bayesmixer report' and 'check'.",
        show_default=False,
    ),
]
Priors = Annotated[
    Literal["weak", "flat"], typer.Option(help="With flat priors the mode is the paper's estimate.")
]
MafS = Annotated[
    str | None,
    typer.Option(
        help=(
            "Exponent S, where effect variance is proportional to heterozygosity to the power S: a "
            "number, or free; 0 without."
        ),
        show_default=False,
    ),
]
Shrinkage = Annotated[
    Literal["none", "horseshoe"],
    typer.Option(help="Prior of annotations' coefficients; the horseshoe lets few be free (NUTS)."),
]
Share = Annotated[
    str | None,
    typer.Option(
        help="Share of cases in the sample, for the liability scale; 0.5 where N is the effective. "
        "Of two traits 0.5,0.5, or nan for one that is quantitative.",
        show_default=False,
    ),
]
OfAll = Annotated[
    str | None,
    typer.Option(help="Share of cases in the population, likewise.", show_default=False),
]
Censor = Annotated[
    float | None,
    typer.Option(
        help="|z| beyond which a variant only counts as exceeding it; none is without.",
        show_default=False,
    ),
]
Components = Annotated[
    int | None,
    typer.Option(min=2, help="Number of Gaussians, if not 8.", show_default=False),
]
Grid = Annotated[
    str | None,
    typer.Option(
        help="Their variances, rising, as 1e-5,1e-4,1e-3; evenly spaced without.",
        show_default=False,
    ),
]
Weights = Annotated[
    Literal["pruning", "inverse_ld", "none"], typer.Option(help="How variants in LD are counted.")
]
Blocks = Annotated[
    str | None,
    typer.Option(
        help="LD blocks: a BED file, eur_hg19 or gaps; the reference's own without.",
        show_default=False,
    ),
]
Match = Annotated[
    Literal["auto", "id", "position"],
    typer.Option(help="Match variants by identifier or position; auto: what matches more."),
]
Dominant = Annotated[
    Literal["exclude", "keep"],
    typer.Option(
        help=(
            "Loci so strong that they decide the estimates: weight 0 and a word on what they "
            "explain, or kept."
        )
    ),
]
Strand = Annotated[
    Literal["drop", "frequency", "keep"],
    typer.Option(help="A/T and C/G variants: drop, tell the strand by the frequency, or keep."),
]
Starts = Annotated[
    int | None,
    typer.Option(min=0, help="Scattered starts of the search besides its own.", show_default=False),
]
Tune = Annotated[int, typer.Option(min=LEAST["tune"], help="Tuning steps of a chain.")]
Chains = Annotated[int, typer.Option(min=LEAST["chains"], help="Chains of nuts, binned and smc.")]
Sampler = Annotated[Nuts, typer.Option(help="Whose NUTS samples, for nuts and binned.")]
Bins = Annotated[int, typer.Option(min=LEAST["bins"], help="Number of bins of binned.")]
Acceptance = Annotated[
    float | None,
    typer.Option(
        "--target-accept",
        min=0.01,
        max=0.999,
        help="Acceptance rate that NUTS tunes its steps to; 0.95 where there are divergences.",
        show_default=False,
    ),
]
Calibrate = Annotated[
    bool,
    typer.Option(
        "--calibrate/--no-calibrate",
        help="Whether intervals get the width that the LD blocks warrant, or the likelihood's own.",
    ),
]
SampleSize = Annotated[
    float | None,
    typer.Option(help="Sample size, where the file has no column of it.", show_default=False),
]
Trait = Annotated[
    str, typer.Option(help="Name of the trait; the file's name without.", show_default=False)
]


Second = Annotated[
    Path, typer.Argument(help="Summary statistics of the second trait.", show_default=False)
]
SecondSize = Annotated[
    float | None, typer.Option(help="Sample size of the second trait.", show_default=False)
]
SecondTrait = Annotated[
    str, typer.Option(help="Name of the second trait; the file's name without.", show_default=False)
]
Join = Annotated[
    Literal["inner", "outer"],
    typer.Option(help="Variants seen in both traits, or in either: then each tells of its own."),
]
Staged = Annotated[
    bool,
    typer.Option(
        "--staged/--joint",
        help="With --method map: the paper's staged estimate, in place of the joint mode.",
    ),
]
Place = Annotated[
    float | None,
    typer.Option(
        "--t",
        min=0.0,
        max=1.0,
        help="Hold the overlap: 0 the least that rg requires, 1 complete; estimated without.",
        show_default=False,
    ),
]
Univariate = Annotated[
    Literal["joint", "fixed"],
    typer.Option(
        help="Estimate each trait's own parameters too, or hold them at its univariate fit."
    ),
]
OF_PAIRS = ("second", "sample_size_2", "trait_2", "join", "staged")
"""Parameters that only models of two traits take."""


def _command(card: Card) -> Callable[..., None]:
    by_card: Any = card.weights

    def command(
        sumstats: Sumstats,
        reference: Reference,
        out: Out,
        second: Second = Path(),  # models of one trait are called without
        report: Report = None,
        json: Json = None,
        tsv: Tsv = None,
        save_data: Data = None,
        method: How = "laplace",
        prior: Priors = "weak",
        maf_s: MafS = None,
        censor: Censor = None,
        t: Place = None,
        univariate: Univariate = "joint",
        components: Components = None,
        grid: Grid = None,
        shrinkage: Shrinkage = "none",
        samp_prev: Share = None,
        pop_prev: OfAll = None,
        weights: Weights = by_card,
        blocks: Blocks = None,
        by: Match = "auto",
        ambiguous: Strand = "drop",
        dominant: Dominant = "exclude",
        sample_size: SampleSize = None,
        trait: Trait = "",
        sample_size_2: SecondSize = None,
        trait_2: SecondTrait = "",
        join: Join = "inner",
        staged: Staged = False,
        calibrate: Calibrate = True,
        draws: Draws = None,
        starts: Starts = None,
        chains: Chains = 4,
        tune: Tune = 300,
        target_accept: Acceptance = None,
        sampler: Sampler = "nutpie",
        bins: Bins = 1000,
        seed: Seed = 0,
        threads: Threads = None,
        quiet: Quiet = False,
        force: Force = False,
    ) -> None:
        claim(
            {
                "--out": (out, RESULTS),
                "--report": (report, (".html",)),
                "--json": (json, ()),
                "--tsv": (tsv, ()),
                "--save-data": (save_data, RESULTS),
            },
            force,
        )
        own: dict[str, Any] = {
            "censor": censor,
            "maf_s": _exponent(maf_s),
            "t": t,
            "univariate": univariate,
            "components": components,
            "grid": _variances(grid),
            "shrinkage": shrinkage,
            "samp_prev": _shares("--samp-prev", samp_prev, card.traits),
            "pop_prev": _shares("--pop-prev", pop_prev, card.traits),
        }
        files = [(sumstats, sample_size, trait), (second, sample_size_2, trait_2)][: card.traits]
        check_reference(reference)
        check_inputs(*(path for path, *_ in files))

        import xarray as xr

        import bayesmixer as bm
        from bayesmixer.checkpoint import Checkpoint
        from bayesmixer.io.saved import save_finished

        panel = bm.open_reference(reference)
        gwas = []
        for path, size, name in files:
            try:
                gwas.append(bm.read_sumstats(path, sample_size=size, trait=name))
            except InputError as error:
                raise (_of_second(error) if gwas else error) from None
            say(how_read(path, gwas[-1].attrs))
        names = [one.attrs["trait"] for one in gwas]
        if len({*names}) < len(names):
            raise InputError(
                "trait_2",
                f"both files are named '{names[0]}'",
                "Name one with trait= or trait_2=, and check that they are two traits.",
            )
        data = bm.align(
            gwas,
            panel,
            join=join,
            blocks=blocks,
            weights=weights,
            by=by,
            ambiguous=ambiguous,
            dominant=dominant,
            seed=seed,
        )
        if save_data is not None:
            bm.save(xr.DataTree(data), save_data, replace=force)
        own = {name: own[name] for name in card.options}
        parts = Checkpoint(f"{out}.partial")  # kept until the fit is saved
        results = bm.fit(
            getattr(bm.models, card.name)(data, prior=prior, **own),
            method=method,
            seed=seed,
            draws=draws,
            starts=starts,
            staged=staged,
            chains=chains,
            cores=threads,
            tune=tune,
            target_accept=target_accept,
            sampler=sampler,
            calibrate=calibrate,
            checkpoint=parts,
            bins=bins,
        )
        try:
            verdict = bm.verdict(results, data)
            verdict.store(results)
        finally:  # an interrupted check must not cost the fit
            save_finished(results, out, replace=force)
            parts.clear()
        export(results, json, tsv)
        print_table(bm.summary(results), f"{card.verb}: {' and '.join(p.name for p, *_ in files)}")
        say_verdict(verdict)
        say(f"fit: {out}")
        if report is not None:
            bm.report(results, data, report, verdict=verdict, replace=force)
            say(f"report: {report}")

    one = card.traits == 1
    left_out = (OWN - {*card.options}) | {*(OF_PAIRS if one else ())}
    signature = inspect.signature(command, eval_str=True)
    taken = [p for p in signature.parameters.values() if p.name not in left_out]
    if not one:  # the second file follows the first, and is required
        second = taken.pop([p.name for p in taken].index("second"))
        taken.insert(1, second.replace(default=inspect.Parameter.empty))
    command.__signature__ = signature.replace(parameters=taken)  # type: ignore[attr-defined]
    example = "height.txt.gz" if one else "height.txt.gz weight.txt.gz"
    fit = "height" if one else "both"
    command.__doc__ = f"""{card.summary}

    \b
    Example:
      bayesmixer fit {card.verb} {example} \\
        --reference panel.zarr --out {fit}.nc \\
        --report {fit}.html --json {fit}.json
    """
    return command


def _of_second(error: InputError) -> InputError:
    """An error of the second file, whose sample size has an option of its own."""
    remedy = error.remedy.replace("sample_size=", "sample_size_2=")
    return InputError(error.where, error.problem, remedy.replace("e-size)", "e-size-2)"))


def _exponent(text: str | None) -> float | str | None:
    """S as a number, or the word for one that is estimated."""
    try:
        return text if text in (None, "free") else float(text)
    except ValueError:
        raise InputError("--maf-s", f"'{text}', expected a number, or free") from None


def _shares(name: str, text: str | None, traits: int) -> Any:
    """A share, or one a trait."""
    found = numbers(name, text)
    if found is None:
        return None
    if len(found) != traits:
        expected = "one number" if traits == 1 else f"{traits} with a comma between"
        raise InputError(name, f"'{text}', expected {expected}")
    return found[0] if traits == 1 else found


def _variances(text: str | None) -> list[float] | None:
    """Numbers between commas."""
    try:
        return None if text is None else [float(one) for one in text.split(",")]
    except ValueError:
        raise InputError(
            "--grid", f"'{text}', expected numbers between commas, such as 1e-5,1e-4"
        ) from None


for _card in cards().values():
    if _card.verb:
        app.command(_card.verb)(_command(_card))
