"""`coverage`: the study itself, in parallel, resumable, seeded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from bayesmixer import aside, workers
from bayesmixer.arguments import choice, whole_number
from bayesmixer.card import cards, studied
from bayesmixer.errors import InputError
from bayesmixer.kinds import json_object
from bayesmixer.laboratory import claims as claims_of
from bayesmixer.laboratory.cells import Cell, complete, kind_of, read_cells
from bayesmixer.laboratory.replicates import Settings, recalibrated, work
from bayesmixer.laboratory.table import coverage_table, markdown
from bayesmixer.progress import bar

OWN_NAMES = (
    "batches",
    "panel",
    "reference.zarr",
    "replicates.parquet",
    "table.csv",
    "held.csv",
    "claims.csv",
    "table.md",
    "index.html",
)
MODELS = studied()
METHODS = ("map", "laplace", "nuts")


def coverage(
    out: str | os.PathLike[str],
    *,
    genotypes: str | os.PathLike[str] | None = None,
    ld_blocks: str | os.PathLike[str] | None = None,
    reference: str | os.PathLike[str] | None = None,
    chromosomes: Iterable[int | str] | None = None,
    cells: Iterable[Cell | str | dict[str, Any]] | None = None,
    replicates: int = 200,
    model: str = MODELS[0],
    method: str = "map",
    prior: str = "weak",
    draws: int = 500,
    bootstrap: int = 0,
    seed: int = 1,
    processes: int | None = None,
    client: Any = None,
    alignment: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Coverage study: simulate many GWAS through a panel's LD, fit each, and count how often its
    intervals hold the truth.

    Every finished batch of five replicates is kept in `out`; the same call goes on from there, also
    with more replicates or other cells. The table holds the `replicates` asked of each cell asked,
    and all that are there of other cells. Results do not depend on how many processes ran, nor in
    which order.

    Parameters
    ----------
    out
        Directory: `batches/` while it runs, then `replicates.parquet`, `table.csv`, `table.md` and
        `index.html`; of a model judged by what it reports also `held.csv` and `claims.csv`.
    genotypes, ld_blocks
        Panel (prefix of PLINK files, {chrom} for the chromosome) and BED file of its LD blocks;
        both None for simulated ones.
    reference
        LD reference of that panel with the LD blocks as windows and plain r^2; made in `out` where
        None.
    chromosomes
        Which of the panel's chromosomes; None for all.
    cells
        Truths to simulate: texts like "pi=0.003,n=100000,h2=0.15,sigma2_0=1.05", or the same as
        dicts; None for those of docs/evidence/coverage.md.
    replicates
        A cell.
    model, prior
        Model of bayesmixer.models that is fitted, and its prior.
    method
        "map" (default): normal intervals on the unconstrained scale, from the mode and the
        calibrated covariance, which takes seconds a fit; of a model that is judged by what it
        reports, draws of that normal. "laplace", "nuts": quantiles of the draws.
    draws
        Of "laplace" or, a chain, "nuts"; of a model judged by what it reports, by any method.
    bootstrap
        Replicates of the LD-block bootstrap of every fit, 0 for none.
    seed
        Of everything random.
    processes
        Worker processes; None for one a core. Each holds the panel's genotypes and spectra.
    client
        A dask.distributed Client to run on instead; `out` and the panel must be visible to its
        workers.
    alignment
        Other options of `align` than those of a study, such as {"prune_iterations": 1}: an eighth
        of the variants has a weight, and a fit of two traits takes a fifth of the time.
    progress
        Progress bar; None shows it on a terminal.

    Returns
    -------
    pandas.DataFrame
        `coverage_table` of all replicates.

    Raises
    ------
    InputError
        An argument is unusable, or `out` holds a study of other settings.
    """
    _check(model, method, replicates, draws, bootstrap, seed, processes)
    kind = kind_of(model)
    chosen = read_cells(cells, kind)
    folder = Path(out)
    settings = _settings(
        folder,
        genotypes,
        ld_blocks,
        reference,
        chromosomes,
        model,
        method,
        prior,
        draws,
        bootstrap,
        seed,
        {},
        dict(alignment or {}),
    )
    _same_study(folder, settings)
    aside.make_folder(folder / "batches")
    aside.check(folder / "settings.json", aside.OWN, where=str(folder))
    with aside.claimed(folder):
        aside.write(folder / "settings.json", json.dumps(asdict(settings), indent=1) + "\n")
        _prepare(folder, settings, genotypes is None, reference is None, progress)
        _run_batches(folder, settings, chosen, replicates, processes, client, progress)
        parts = [
            (pd.read_parquet(path), path.with_suffix(".npz"))
            for path in sorted((folder / "batches").glob("*.parquet"))
        ]
        table = pd.concat(
            [
                recalibrated(rows, path) if method == "map" and path.exists() else rows
                for rows, path in parts
            ],
            ignore_index=True,
        )
        table = complete(table, kind)
        more = table["cell"].isin([cell.name for cell in chosen]) & (
            table["replicate"] >= replicates
        )
        table = table[~more].sort_values(
            [*kind.headings, "cell", "replicate"], kind="stable", ignore_index=True
        )
        return _write(folder, table, settings, kind)


def _run_batches(
    folder: Path,
    settings: Settings,
    cells: list[Cell],
    replicates: int,
    processes: int | None,
    client: Any,
    progress: bool | None,
) -> None:
    """Run the batches that are not there; the last of a cell holds fewer replicates where that is
    what was asked.
    """
    jobs = []
    batch = cells[0].batch
    for first in range(0, replicates, batch):
        size = min(batch, replicates - first)
        jobs += [
            (
                cell,
                first // batch,
                size,
                folder / "batches" / f"{cell.name}-{first // batch:04d}.parquet",
            )
            for cell in cells
        ]
    todo = [job for job in jobs if _replicates_in(job[3]) < job[2]]
    sizes = {str(path): size for _, _, size, path in jobs}
    with bar("replicates", sum(sizes.values()), progress) as show:
        show.advance(sum(sizes.values()) - sum(size for _, _, size, _ in todo))
        for path in workers.run(
            work,
            [(settings, cell, b, size, str(path)) for cell, b, size, path in todo],
            processes,
            client,
        ):
            show.advance(sizes[path])


def _replicates_in(path: Path) -> int:
    """Replicates of a finished batch; 0 where it is not there or damaged."""
    if not path.exists():
        return 0
    try:
        return int(pd.read_parquet(path, columns=["replicate"])["replicate"].nunique())
    except (OSError, ValueError, KeyError):
        return 0


def _settings(
    folder: Path, genotypes: Any, ld_blocks: Any, reference: Any, chromosomes: Any, *rest: Any
) -> Settings:
    """What every replicate shares; panel and reference lie in the study's folder where none are
    given.
    """
    if (genotypes is None) != (ld_blocks is None):
        raise InputError(
            "genotypes" if genotypes is None else "ld_blocks",
            "missing; a panel needs both genotypes and ld_blocks",
        )
    if genotypes is None:
        genotypes, ld_blocks = folder / "panel" / "genotypes", folder / "panel" / "ld_blocks.bed"
    named = None if chromosomes is None else tuple(str(c) for c in chromosomes)
    return Settings(
        str(genotypes),
        str(ld_blocks),
        str(folder / "reference.zarr" if reference is None else reference),
        named,
        *rest,
    )


def _prepare(
    folder: Path, settings: Settings, simulated: bool, built: bool, progress: bool | None
) -> None:
    """Panel and reference, simulated and built where not given."""
    import bayesmixer as bm

    if simulated and not (folder / "panel" / "truth.json").exists():
        bm.simulate(folder / "panel", seed=settings.seed, show=progress)
    if built:
        chromosomes = None if settings.chromosomes is None else list(settings.chromosomes)
        bm.build_reference(
            settings.genotypes,
            settings.reference,
            window=settings.ld_blocks,
            r2_rule="plain",
            chromosomes=chromosomes,
            progress=progress,
        )


def _same_study(folder: Path, settings: Settings) -> None:
    """Refuse to mix replicates of other settings, and a folder that holds files of a study's names
    which no study wrote.
    """
    path, here = folder / "settings.json", json.loads(json.dumps(asdict(settings)))
    there = json_object(path)
    if not there:
        foreign = [name for name in (*OWN_NAMES, path.name) if os.path.lexists(folder / name)]
        if foreign:
            raise InputError(
                folder / foreign[0],
                "is there already and no study wrote it: it stays",
                "Give another directory.",
            )
        return
    there = {"options": {}, "alignment": {}} | there  # which earlier studies did not write
    if differ := [k for k in here if there.get(k) != here[k]]:
        k = differ[0]
        raise InputError(
            folder,
            f"holds a study with {k} = {there.get(k)!r}, asked is {here[k]!r}",
            "Give another directory.",
        )


def _write(
    folder: Path, replicates: pd.DataFrame, settings: Settings, kind: type[Cell]
) -> pd.DataFrame:
    """Write the study's results, each aside first."""
    from bayesmixer.laboratory.page import page

    table = coverage_table(replicates, kind)
    if cards()[settings.model].judged:
        reported: Any = kind
        held = claims_of.held_table(replicates, reported)
        claims = claims_of.claims_table(replicates, reported)
        said = claims_of.markdown(held, claims, reported)
        for name, one in (("held.csv", held), ("claims.csv", claims)):
            aside.write(folder / name, one.to_csv(index=False, float_format="%.5g"))
    else:
        said = markdown(table)
    with aside.writing(folder / "replicates.parquet") as beside:
        replicates.to_parquet(beside, index=False)
    aside.write(folder / "table.csv", table.to_csv(index=False, float_format="%.5g"))
    aside.write(folder / "table.md", said)
    aside.write(folder / "index.html", page(replicates, table, asdict(settings)))
    return table


def _check(
    model: str,
    method: str,
    replicates: int,
    draws: int,
    bootstrap: int,
    seed: int,
    processes: int | None,
) -> None:
    choice("model", model, MODELS)
    choice("method", method, METHODS)
    limits = (
        ("replicates", replicates, 2),
        ("draws", draws, 50),
        ("seed", seed, 0),
        ("processes", 1 if processes is None else processes, 1),
    )
    for name, value, least in (*limits, ("bootstrap", bootstrap if bootstrap else 10, 10)):
        whole_number(name, value, least)
