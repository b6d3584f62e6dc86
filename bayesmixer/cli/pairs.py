"""`bayesmixer fit pairs`: many traits, each fitted once, and every pair of them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from bayesmixer.cli.fit import Blocks, Dominant, Join, Match, Priors, Reference, Strand, Weights
from bayesmixer.cli.options import How, Quiet, Seed, Threads
from bayesmixer.cli.output import check_inputs, print_table, say
from bayesmixer.errors import DataWarning, InputError

SHOWN = ("n_causal_1", "n_causal_2", "n_shared", "dice", "rho_beta", "rg")


def command(
    sumstats: Annotated[
        list[Path],
        typer.Argument(
            help=(
                "Summary statistics of the traits, or one text file with a line 'name path' for "
                "each."
            ),
            show_default=False,
        ),
    ],
    reference: Reference,
    out: Annotated[
        Path,
        typer.Option(
            help="Directory of the fits; a second run goes on from what is there.",
            show_default=False,
        ),
    ],
    method: How = "laplace",
    prior: Priors = "weak",
    univariate: Annotated[
        Literal["fixed", "joint"],
        typer.Option(
            help="Hold each trait's own parameters at its fit by itself, or estimate them anew."
        ),
    ] = "fixed",
    join: Join = "inner",
    weights: Weights = "pruning",
    blocks: Blocks = None,
    by: Match = "auto",
    ambiguous: Strand = "drop",
    dominant: Dominant = "exclude",
    processes: Annotated[
        int | None,
        typer.Option(min=1, help="Worker processes; one a core without.", show_default=False),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            help=(
                "Run on dask: 'local', or the address of a scheduler (tcp://host:8786) whose "
                "workers see the same files."
            ),
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Bivariate MiXeR of every pair of many traits, each trait fitted once: one table and a heat
    map.

    \b
    Example:
      bayesmixer fit pairs height.txt.gz weight.txt.gz asthma.txt.gz \\
        --reference panel.zarr --out pairs
    """
    files = _listed(sumstats[0]) if len(sumstats) == 1 else sumstats
    check_inputs(reference, *(files.values() if isinstance(files, dict) else files))

    import bayesmixer as bm
    from bayesmixer import aside

    with _client(dask, processes) as client:
        table = bm.fit_pairs(
            files,
            reference,
            out,
            method=method,
            prior=prior,
            joint=univariate == "joint",
            alignment={
                "join": join,
                "weights": weights,
                "blocks": blocks,
                "by": by,
                "ambiguous": ambiguous,
                "dominant": dominant,
            },
            seed=seed,
            processes=processes or threads,
            client=client,
        )
    shown = table.set_index(table["trait_1"] + " " + table["trait_2"])
    if found := [name for name in SHOWN if name in shown]:
        print_table(shown[found], "pairs")
    failed = shown["verdict"].astype(str).str.startswith("not fitted")
    for pair, said in shown["verdict"][failed].items():  # said with --quiet too
        warnings.warn(f"{pair}: {said}", DataWarning, stacklevel=1)
    say(f"table: {out / 'pairs.tsv'}")
    if failed.all():
        raise typer.Exit(1)
    if "dice" in table:
        from matplotlib.figure import Figure

        from bayesmixer.pair.heat_map import plot_pairs

        side = 1.6 + 0.55 * len({*table["trait_1"], *table["trait_2"]})
        figure = Figure(figsize=(side + 1.4, side), layout="constrained")
        plot_pairs(table, ax=figure.subplots())
        with aside.writing(out / "pairs.png") as beside:
            figure.savefig(beside, format="png", dpi=150)
        say(f"figure: {out / 'pairs.png'}")


def _listed(path: Path) -> dict[str, Path]:
    """{trait: file} of a list of them."""
    found: dict[str, Path] = {}
    check_inputs(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (UnicodeDecodeError, OSError):
        lines = []
    for line in lines:
        words = line.strip().split(maxsplit=1)  # a path may hold spaces
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2 or words[0] in found:
            raise InputError(path, f"line '{line.strip()[:40]}', expected a new name and a file")
        found[words[0]] = path.parent / words[1]
    if len(found) < 2:
        raise InputError(
            path, "one file, expected several, or a list with a line 'name path' for each trait"
        )
    return found


def _client(dask: str | None, processes: int | None) -> Any:
    """A client of dask as a context manager; of nothing where none is asked for."""
    from contextlib import nullcontext

    if dask is None:
        return nullcontext()
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise InputError(
            "dask", "dask.distributed is not installed", "pip install 'bayesmixer[cluster]'"
        ) from None
    if dask == "local":
        return Client(LocalCluster(n_workers=processes, threads_per_worker=1))
    try:
        return Client(dask, timeout=20)
    except (OSError, ValueError) as error:
        raise InputError("dask", f"no scheduler at {dask} ({error})") from None
