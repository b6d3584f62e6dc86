"""`bayesmixer fit`: summary statistics and an LD reference in, a posterior (and a report) out.

Every model has the same options, so that one function serves all; the verbs are made from the table `MODELS`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bayesmixer.cli.output import RESULTS, check_output, print_table
from bayesmixer.errors import InputError

MODELS = {
    "univariate": ("univariate_mixer", "Univariate MiXeR (Frei et al. 2019): polygenicity, discoverability, heritability."),
    "infinitesimal": ("infinitesimal", "The infinitesimal model, in which every variant is causal: heritability."),
    "two-component": ("two_component_mixer", "Two causal components: many small effects and few large ones."),
}

app = typer.Typer(add_completion=False)


class Method(StrEnum):
    """Ways to fit."""

    map = "map"
    laplace = "laplace"
    nuts = "nuts"
    binned = "binned"
    smc = "smc"


class Prior(StrEnum):
    """Sets of priors."""

    weak = "weak"
    flat = "flat"


Sumstats = Annotated[
    Path, typer.Argument(help="Summary statistics of any common format; for odd column names see 'bayesmixer munge'.", show_default=False)
]
Reference = Annotated[Path, typer.Option(help="LD reference made by 'bayesmixer ld build'.", show_default=False)]
Out = Annotated[Path, typer.Option(help="Where the posterior goes: a name ending in .nc or .zarr.", show_default=False)]
Report = Annotated[Path | None, typer.Option(help="Where the HTML report goes; none is written without.", show_default=False)]
Data = Annotated[
    Path | None, typer.Option("--save-data", help="Also keep the aligned data here, for 'bayesmixer report --data'.", show_default=False)
]
How = Annotated[
    Method,
    typer.Option(help="map: the estimate only; laplace: a posterior in seconds; nuts, smc: sampled; binned: nuts in minutes for a whole genome."),
]
Priors = Annotated[Prior, typer.Option(help="With flat priors the mode is the paper's estimate.")]
Weights = Annotated[str, typer.Option(help="How variants in LD are counted: pruning, inverse_ld or none.")]
Blocks = Annotated[str | None, typer.Option(help="LD blocks: a BED file, eur_hg19 or gaps; the reference's own without.", show_default=False)]
Calibrate = Annotated[
    bool, typer.Option("--calibrate/--no-calibrate", help="Whether intervals get the width that the LD blocks warrant, or the likelihood's own.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of whatever is random.")]
Draws = Annotated[int | None, typer.Option(min=100, help="Draws: 1500 in all (laplace), or a chain: 1000 (nuts), 500 (smc).", show_default=False)]
SampleSize = Annotated[float | None, typer.Option(help="Sample size, where the file has no column of it.", show_default=False)]
Trait = Annotated[str, typer.Option(help="Name of the trait; the file's name without.", show_default=False)]


def _command(verb: str, model: str, summary: str) -> Callable[..., None]:
    def command(
        sumstats: Sumstats,
        reference: Reference,
        out: Out,
        report: Report = None,
        save_data: Data = None,
        method: How = Method.laplace,
        prior: Priors = Prior.weak,
        weights: Weights = "pruning",
        blocks: Blocks = None,
        seed: Seed = 0,
        draws: Draws = None,
        sample_size: SampleSize = None,
        trait: Trait = "",
        calibrate: Calibrate = True,
    ) -> None:
        check_output(out, "--out", RESULTS)
        if report is not None:
            check_output(report, "--report", (".html",))
            if method is Method.map:
                raise InputError("--report", "a report needs a posterior, --method map makes none", "Use laplace, or leave --report out.")
        if save_data is not None:
            check_output(save_data, "--save-data", RESULTS)

        import xarray as xr

        import bayesmixer as bm
        from bayesmixer.inference.results import save

        panel = bm.open_reference(reference)
        data = bm.align(bm.read_sumstats(sumstats, sample_size=sample_size, trait=trait), panel, blocks=blocks, weights=weights, seed=seed)
        if save_data is not None:
            save(xr.DataTree(data), save_data)
        fitted = getattr(bm.models, model)(data, prior=prior.value)
        results = bm.fit(fitted, method=method.value, seed=seed, draws=draws, calibrate=calibrate, checkpoint=f"{out}.partial")
        save(results, out)
        print_table(bm.summary(results), f"{verb}: {sumstats.name}")
        typer.echo(f"posterior: {out}")
        if report is not None:
            bm.report(results, data, report)
            typer.echo(f"report: {report}")

    command.__doc__ = f"""{summary}

    \b
    Example:
      bayesmixer fit {verb} height.txt.gz --reference panel.zarr --out height.nc --report height.html
    """
    return command


for _verb, (_model, _summary) in MODELS.items():
    app.command(_verb)(_command(_verb, _model, _summary))
