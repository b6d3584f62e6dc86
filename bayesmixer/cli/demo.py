"""`bayesmixer demo`: the main job on the embedded data set, from raw files to a posterior and a report, beside the truth."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from bayesmixer.cli.fit import Draws, Method, Seed
from bayesmixer.cli.output import check_folder, print_table
from bayesmixer.errors import InputError

TRAIT = "polygenic"


def command(
    out: Annotated[Path, typer.Option(help="Folder for everything that the demo writes.")] = Path("demo_output"),
    method: Annotated[Method, typer.Option(help="How the model is fitted.")] = Method.laplace,
    draws: Draws = None,
    seed: Seed = 0,
) -> None:
    """Run the main job on the embedded data set: genotypes and summary statistics in, posterior and report out.

    \b
    Example:
      bayesmixer demo --out demo_output
    """
    if method is Method.map:
        raise InputError("--method", "map makes no posterior to report", "Use laplace, nuts or smc.")
    check_folder(out, "--out")
    start = time.perf_counter()
    with _step("unpacking the embedded data set"):
        import bayesmixer as bm
        from bayesmixer.inference.results import save

        example = bm.example_data(out / "data")
        truth = example.read_truth(TRAIT)
    with _step("reading summary statistics"):
        sumstats = bm.read_sumstats(example.sumstats[TRAIT], trait=TRAIT)
    with _step("building the LD reference"):
        # the data were simulated with the panel's own LD within these blocks
        reference = bm.build_reference(example.genotypes, out / "panel.zarr", window=example.ld_blocks, r2_rule="plain")
    with _step("aligning"):
        data = bm.align(sumstats, reference, blocks=example.ld_blocks, seed=seed)
    with _step("fitting univariate MiXeR"):
        results = bm.fit(bm.models.univariate_mixer(data), method=method.value, draws=draws, seed=seed)
        save(results, out / "posterior.nc")
    with _step("writing the report"):
        report = bm.report(results, data, out / "report.html")

    print_table(bm.summary(results), f"univariate MiXeR, {sumstats.sizes['variant']:,} variants, truth beside the estimates", _true_values(truth))
    typer.echo(f"posterior: {out / 'posterior.nc'}")
    typer.echo(f"done in {time.perf_counter() - start:.0f} s")
    typer.echo(f"report: {report}")


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Say what is going on, and how long it took; bars of the work itself appear below the line."""
    start = time.perf_counter()
    typer.echo(f"{what} ...", err=True)
    yield
    typer.echo(f"{what}: {time.perf_counter() - start:.1f} s", err=True)


def _true_values(truth: dict[str, Any]) -> dict[str, float]:
    """True values under the names of the posterior: what this simulation realised where it is recorded, else the parameter."""
    n_causal = sum(truth["n_causal"].values())
    return {
        "h2": truth["h2_realised"][0],
        "pi": n_causal / truth["variants"],
        "sigma2_0": truth["sigma2_0"][0],
        "sigma2_beta": truth["components"][0]["sigma2_beta"][0],
        "n_causal": n_causal,
    }
