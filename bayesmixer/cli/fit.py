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
from bayesmixer.cli.munge import how_read
from bayesmixer.cli.options import Draws, Force, How, Json, Quiet, Seed, Threads, Tsv
from bayesmixer.cli.output import (
    RESULTS,
    check_inputs,
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
    Path, typer.Option(help="LD reference made by 'bayesmixer ld build'.", show_default=False)
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
Censor = Annotated[
    float | None,
    typer.Option(
        help="|z| beyond which a variant only counts as exceeding it; none is without.",
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


def _command(card: Card) -> Callable[..., None]:
    def command(
        sumstats: Sumstats,
        reference: Reference,
        out: Out,
        report: Report = None,
        json: Json = None,
        tsv: Tsv = None,
        save_data: Data = None,
        method: How = "laplace",
        prior: Priors = "weak",
        maf_s: MafS = None,
        censor: Censor = None,
        weights: Weights = "pruning",
        blocks: Blocks = None,
        by: Match = "auto",
        ambiguous: Strand = "drop",
        dominant: Dominant = "exclude",
        sample_size: SampleSize = None,
        trait: Trait = "",
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
        own: dict[str, Any] = {"censor": censor, "maf_s": _exponent(maf_s)}
        check_inputs(reference, sumstats)

        import xarray as xr

        import bayesmixer as bm
        from bayesmixer.inference.checkpoint import Checkpoint
        from bayesmixer.io.saved import save_finished

        panel = bm.open_reference(reference)
        gwas = bm.read_sumstats(sumstats, sample_size=sample_size, trait=trait)
        say(how_read(sumstats, gwas.attrs))
        data = bm.align(
            gwas,
            panel,
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
            chains=chains,
            cores=threads,
            tune=tune,
            target_accept=target_accept,
            sampler=sampler,
            calibrate=calibrate,
            checkpoint=parts,
            bins=bins,
        )
        save_finished(results, out, replace=force)
        parts.clear()
        verdict = bm.verdict(results, data)
        verdict.store(results)
        bm.save(results, out)
        export(results, json, tsv)
        print_table(bm.summary(results), f"{card.verb}: {sumstats.name}")
        say_verdict(verdict)
        say(f"fit: {out}")
        if report is not None:
            bm.report(results, data, report, verdict=verdict, replace=force)
            say(f"report: {report}")

    signature = inspect.signature(command, eval_str=True)
    taken = [p for p in signature.parameters.values() if p.name not in OWN - {*card.options}]
    command.__signature__ = signature.replace(parameters=taken)  # type: ignore[attr-defined]
    command.__doc__ = f"""{card.summary}

    \b
    Example:
      bayesmixer fit {card.verb} height.txt.gz --reference panel.zarr \\
        --out height.nc --report height.html --json height.json
    """
    return command


def _exponent(text: str | None) -> float | str | None:
    """S as a number, or the word for one that is estimated."""
    try:
        return text if text in (None, "free") else float(text)
    except ValueError:
        raise InputError("--maf-s", f"'{text}', expected a number, or free") from None


for _card in cards().values():
    if _card.verb:
        app.command(_card.verb)(_command(_card))
