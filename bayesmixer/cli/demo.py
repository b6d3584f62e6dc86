"""`bayesmixer demo`: the main job on the embedded data set, from raw files to a posterior and a
report, beside the truth.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from bayesmixer.card import usual
from bayesmixer.cli.options import Draws, Force, How, Json, Quiet, Seed, Threads, Tsv
from bayesmixer.cli.output import (
    RESULTS,
    check_folder,
    claim,
    export,
    print_table,
    say,
    say_verdict,
)
from bayesmixer.progress import is_quiet

TRAIT = "polygenic"


def command(
    out: Annotated[Path, typer.Option(help="Folder for everything that the demo writes.")] = Path(
        "demo_output"
    ),
    json: Json = None,
    tsv: Tsv = None,
    method: How = "laplace",
    draws: Draws = None,
    seed: Seed = 0,
    threads: Threads = None,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Run the main job on the embedded data set: genotypes and summary statistics in, posterior and
    report out.

    \b
    Example:
      bayesmixer demo --out demo_output
    """
    check_folder(out, "--out")
    posterior, page = out / "posterior.nc", out / "report.html"
    claim({"--json": (json, ()), "--tsv": (tsv, ())}, force)
    claim({"--out": (posterior, RESULTS)}, force)
    claim({"--out": (page, (".html",))}, force)
    card = usual()
    start = time.perf_counter()
    with _step("unpacking the embedded data set"):
        import bayesmixer as bm
        from bayesmixer.io.saved import save_finished

        example = bm.example_data(out / "data")
        truth = example.read_truth(TRAIT)
    with _step("reading summary statistics"):
        sumstats = bm.read_sumstats(example.sumstats[TRAIT], trait=TRAIT)
    with _step("building the LD reference"):
        # the data were simulated with the panel's own LD within these blocks
        reference = bm.build_reference(
            example.genotypes,
            out / "panel.zarr",
            window=example.ld_blocks,
            r2_rule="plain",
            workers=threads,
        )
    with _step("aligning"):
        data = bm.align(sumstats, reference, blocks=example.ld_blocks, seed=seed)
    with _step(f"fitting {card.title}"):
        model = getattr(bm.models, card.name)(data)
        results = bm.fit(model, method=method, draws=draws, seed=seed, cores=threads)
        save_finished(results, posterior, replace=force)
    with _step("checking the fit against its data"):
        verdict = bm.verdict(results, data)
        verdict.store(results)
        bm.save(results, posterior)
        export(results, json, tsv)
    with _step("writing the report"):
        report = bm.report(results, data, page, verdict=verdict, replace=force)

    print_table(
        bm.summary(results),
        f"{card.title}, {sumstats.sizes['variant']:,} variants, truth beside the estimates",
        {one.name: one.truth(truth) for one in card.reported if one.truth is not None},
    )
    say_verdict(verdict)
    say(f"posterior: {posterior}")
    say(f"done in {time.perf_counter() - start:.0f} s")
    say(f"report: {report}")


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Say what is going on, and how long it took; bars of the work itself appear below the line."""
    start = time.perf_counter()
    if not is_quiet():
        typer.echo(f"{what} ...", err=True)
    yield
    if not is_quiet():
        typer.echo(f"{what}: {time.perf_counter() - start:.1f} s", err=True)
