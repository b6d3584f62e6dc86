"""`coverage`: the study itself, in parallel, resumable, seeded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd

from bayesmixer.errors import InputError
from bayesmixer.laboratory.cells import Cell, read_cells
from bayesmixer.laboratory.replicates import Settings, recalibrated, work
from bayesmixer.laboratory.table import coverage_table, markdown
from bayesmixer.progress import bar

BATCH = 5
MODELS = ("univariate_mixer", "infinitesimal")
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
    model: str = "univariate_mixer",
    method: str = "map",
    prior: str = "weak",
    draws: int = 500,
    bootstrap: int = 0,
    seed: int = 1,
    processes: int | None = None,
    client: Any = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Coverage study: simulate many GWAS through a panel's LD, fit each, and count how often its intervals hold the truth.

    Every finished batch of five replicates is kept in `out`; the same call goes on from there, also with more replicates or other cells, and
    tabulates all that are there. Results do not depend on
    how many processes ran, nor in which order.

    Parameters
    ----------
    out
        Directory: `batches/` while it runs, then `replicates.parquet`, `table.csv`, `table.md` and `index.html`.
    genotypes, ld_blocks
        Panel (prefix of PLINK files, {chrom} for the chromosome) and BED file of its LD blocks; both None for simulated ones.
    reference
        LD reference of that panel with the LD blocks as windows and plain r^2; made in `out` where None.
    chromosomes
        Which of the panel's chromosomes; None for all.
    cells
        Truths to simulate: `Cell`s, or texts like "pi=0.003,n=100000,h2=0.15,sigma2_0=1.05"; None for `standard_cells`.
    replicates
        A cell; rounded up to a multiple of 5.
    model, prior
        Model of bayesmixer.models that is fitted, and its prior.
    method
        "map" (default): normal intervals on the unconstrained scale, from the mode and the calibrated covariance, which takes seconds a fit.
        "laplace", "nuts": quantiles of the draws.
    draws
        Of "laplace" or, a chain, "nuts".
    bootstrap
        Replicates of the LD-block bootstrap of every fit, 0 for none.
    seed
        Of everything random.
    processes
        Worker processes; None for one a core. Each holds the panel's genotypes and spectra.
    client
        A dask.distributed Client to run on instead; `out` and the panel must be visible to its workers.
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
    chosen = read_cells(cells)
    _check(model, method, replicates, draws, bootstrap, seed, processes)
    folder = Path(out)
    settings = _prepare(folder, genotypes, ld_blocks, reference, chromosomes, model, method, prior, draws, bootstrap, seed, progress)
    _same_study(folder, settings)
    (folder / "batches").mkdir(exist_ok=True)
    jobs = [(cell, b, folder / "batches" / f"{cell.name}-{b:04d}.parquet") for b in range(-(-replicates // BATCH)) for cell in chosen]
    todo = [(cell, b, path) for cell, b, path in jobs if not path.exists()]
    with bar("replicates", len(jobs) * BATCH, progress) as show:
        show.advance((len(jobs) - len(todo)) * BATCH)
        for _ in run([(settings, cell, b, BATCH, str(path)) for cell, b, path in todo], processes, client):
            show.advance(BATCH)
    parts = [(pd.read_parquet(path), path.with_suffix(".npz")) for path in sorted((folder / "batches").glob("*.parquet"))]
    table = pd.concat([recalibrated(rows, path) if method == "map" and path.exists() else rows for rows, path in parts], ignore_index=True)
    table = table.sort_values(["pi", "n", "cell", "replicate"], kind="stable", ignore_index=True)
    return _write(folder, table, settings)


def run(arguments: list[tuple[Settings, Cell, int, int, str]], processes: int | None = None, client: Any = None) -> Iterator[str]:
    """Run `work` on each of `arguments`, yielding as each ends; on Ctrl-C those that have not begun are dropped and finished ones kept.

    Parameters
    ----------
    arguments
        Of `bayesmixer.laboratory.replicates.work`: settings, cell, number and size of the batch, path of its file.
    processes, client
        As in `coverage`.

    Raises
    ------
    InputError
        A worker was killed.
    """
    if not arguments:
        return
    if client is not None:
        from distributed import as_completed as as_completed_there

        for future in as_completed_there([client.submit(work, *a, pure=False) for a in arguments]):
            yield future.result()
        return
    processes = min(processes or os.cpu_count() or 1, len(arguments))
    if processes == 1:
        for a in arguments:
            yield work(*a)
        return
    # one thread a process: the parallelism is over replicates
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    os.environ.update(dict.fromkeys(before, "1"))
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"))
    try:
        for future in as_completed([pool.submit(work, *a) for a in arguments]):
            yield future.result()
    except BrokenExecutor:
        raise InputError(
            "processes", f"one of {processes} workers was killed, perhaps for want of memory", "Run again with fewer; what was finished is kept."
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _prepare(
    folder: Path,
    genotypes: Any,
    ld_blocks: Any,
    reference: Any,
    chromosomes: Any,
    model: str,
    method: str,
    prior: str,
    draws: int,
    bootstrap: int,
    seed: int,
    progress: bool | None,
) -> Settings:
    """Panel and reference, simulated and built where not given."""
    import bayesmixer as bm

    if (genotypes is None) != (ld_blocks is None):
        raise InputError("genotypes" if genotypes is None else "ld_blocks", "missing; a panel needs both genotypes and ld_blocks")
    folder.mkdir(parents=True, exist_ok=True)
    if genotypes is None:
        panel = folder / "panel"
        if not (panel / "truth.json").exists():
            bm.simulate(panel, seed=seed, show=progress)
        genotypes, ld_blocks = panel / "genotypes", panel / "ld_blocks.bed"
    named = None if chromosomes is None else tuple(str(c) for c in chromosomes)
    if reference is None:
        reference = folder / "reference.zarr"
        bm.build_reference(
            genotypes, reference, window=ld_blocks, r2_rule="plain", chromosomes=None if named is None else list(named), progress=progress
        )
    return Settings(str(genotypes), str(ld_blocks), str(reference), named, model, method, prior, draws, bootstrap, seed)


def _same_study(folder: Path, settings: Settings) -> None:
    """Refuse to mix replicates of other settings."""
    path, here = folder / "settings.json", json.loads(json.dumps(asdict(settings)))
    if path.exists():
        there = json.loads(path.read_text())
        differ = [k for k in here if there.get(k) != here[k]]
        if differ:
            k = differ[0]
            raise InputError(folder, f"holds a study with {k} = {there.get(k)!r}, asked is {here[k]!r}", "Give another directory.")
        return
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps(here, indent=1) + "\n")
    aside.replace(path)


def _write(folder: Path, replicates: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Write the study's results, each aside first."""
    from bayesmixer.laboratory.page import page

    table = coverage_table(replicates)
    for name, write in (
        ("replicates.parquet", lambda p: replicates.to_parquet(p, index=False)),
        ("table.csv", lambda p: table.to_csv(p, index=False, float_format="%.5g")),
        ("table.md", lambda p: p.write_text(markdown(table))),
        ("index.html", lambda p: p.write_text(page(replicates, table, asdict(settings)), encoding="utf-8")),
    ):
        aside = folder / f".{name}.tmp"
        write(aside)
        aside.replace(folder / name)
    return table


def _check(model: str, method: str, replicates: int, draws: int, bootstrap: int, seed: int, processes: int | None) -> None:
    if model not in MODELS:
        raise InputError("model", f"{model!r}, expected one of {', '.join(MODELS)}")
    if method not in METHODS:
        raise InputError("method", f"{method!r}, expected one of {', '.join(METHODS)}")
    limits = (("replicates", replicates, 2), ("draws", draws, 50), ("seed", seed, 0), ("processes", 1 if processes is None else processes, 1))
    for name, value, least in (*limits, ("bootstrap", bootstrap if bootstrap else 10, 10)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(name, f"{value!r}, expected a whole number of at least {least}")
