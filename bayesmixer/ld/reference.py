"""The LD reference: genotypes of a panel in, a Zarr store with the LD of every tag variant out
(contract: docs/reference/data_structures.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmixer import aside
from bayesmixer.arguments import choice, whole_number
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.io import stores
from bayesmixer.io.chromosomes import chromosome_name, chromosome_rank
from bayesmixer.io.genotypes import Panel, open_panels, sha256
from bayesmixer.io.ld_score_files import ldsc_files
from bayesmixer.ld.gwas_data import heterozygosity_bins
from bayesmixer.ld.ldsc_files import read_ldsc_scores
from bayesmixer.ld.scores import ChromosomeLD, Rule, chromosome_ld, genotype_counts, lookup
from bayesmixer.ld.spectrum import K_DEFAULT, nodes
from bayesmixer.ld.tags import is_tag_of, tag_ids
from bayesmixer.ld.window import Window, bounds, check_window, default_window, parse_window
from bayesmixer.progress import bar
from bayesmixer.variables import require, validate

FEW_SAMPLES = 50
LEAST_CALLED, MUCH_MISSING = (
    0.5,
    0.03,
)  # call rate below which a variant is left out; share of missing genotypes that is worth a word
LAYOUT = 2  # raised whenever the same arguments would give other numbers


@dataclass(frozen=True)
class _Job:
    """What is the same for every chromosome."""

    out: Path
    window: Window
    rule: Rule
    tags: frozenset[str] | None
    min_maf: float


def build_reference(
    genotypes: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    window: str | Path | pd.DataFrame | None = None,
    k: int = K_DEFAULT,
    maf_s: Sequence[float] = (0.0,),
    r2_rule: str = "unbiased",
    r2_cutoff: float | None = None,
    tags: str | Path | Iterable[str] | None = None,
    keep: str | Path | Iterable[str] | None = None,
    min_maf: float | None = None,
    chromosomes: Iterable[object] | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    resume: bool = True,
) -> xr.DataTree:
    """Build an LD reference from PLINK bed or PLINK2 pgen genotypes.

    Each chromosome is written when it is complete. A build that was interrupted is taken up again
    by the same call, and the store has the same bytes as if it had never stopped.

    Parameters
    ----------
    genotypes
        A prefix, a .bed or .pgen file, a pattern with `{chrom}`, `@` or `*` in place of the
        chromosome, or a list of these.
    out
        Folder of the Zarr store, by custom ending in .zarr.
    window
        Partners of a variant: "1cM", "1000kb", "500variants" (on either side), LD blocks as
        "eur_hg19", a BED file or a table. None: 1 cM where the panel has genetic positions, else
        1000 kb.
    k
        Nodes of the LD spectrum.
    maf_s
        Exponents S of a MAF-dependent architecture, -1 or more: a spectrum with strengths H^(1+S)
        r^2 for each.
    r2_rule
        "unbiased" (r^2 - (1 - r^2) / (n - 2): for a GWAS of other people than the panel) or "plain"
        (the panel's own LD as it is).
    r2_cutoff
        Pairs with smaller plain r^2 enter the spectrum as one deposit of their sum, none is
        dropped. None: 1 / (n - 1), where corrected r^2 changes sign; 0 where it is plain.
    tags
        Variants that get a row: a file with ids in the first column, or the ids (also as
        `chrom:pos`). None: all. All variants, tags or not, count as partners.
    keep
        Samples to use: a file (id, or family and id) or ids. None: all.
    min_maf
        Leave variants of lower minor allele frequency out altogether (as LDSC's --maf).
    chromosomes
        Which chromosomes; None: the autosomes that are there.
    workers
        Chromosomes in work at the same time; None: the number of cores.
    progress
        Show a progress bar; None: where standard error is a terminal.
    resume
        Keep finished chromosomes of an earlier call with the same arguments and files; False
        replaces the store when the new one is complete. That is built in OUT.partial, from which
        the same call goes on.

    Returns
    -------
    xarray.DataTree
        The reference, as `open_reference` opens it: `snp`, `freq`, `ld_score`, `ld_score_h`,
        `spectrum`, neighbours, ... for each chromosome.

    Raises
    ------
    InputError
        Genotypes or arguments that cannot be used, or a store built with other arguments.

    References
    ----------
    Bulik-Sullivan et al. 2015, Nature Genetics 47:291 (LD score, unbiased r^2); Frei et al. 2019,
    Nature Communications 10:2417.
    """
    _check_numbers(k, maf_s, r2_rule, r2_cutoff, min_maf, workers)
    chosen = None if window is None else parse_window(window)
    wanted = None if tags is None else tag_ids(tags)
    panels = open_panels(genotypes, keep=keep, chromosomes=chromosomes)
    n = panels[0].n_samples
    other = next((p for p in panels if p.n_samples != n), None)
    if other is not None:
        raise InputError(
            other.files[2],
            f"{other.n_samples:,} samples, but {n:,} in {panels[0].files[2]}",
            "Use the same samples on every chromosome.",
        )
    if chosen is None:
        chosen = default_window([p.variants["cm"].to_numpy() for p in panels])
    for panel in panels:
        check_window(chosen, panel.chrom, panel.variants["cm"].to_numpy(), panel.files[1])
    cutoff = _cutoff(r2_rule, r2_cutoff, n)
    if wanted is not None and not any(is_tag_of(p.variants, p.chrom, wanted).any() for p in panels):
        raise InputError(
            "tags",
            f"none of {len(wanted):,} ids is in the panel",
            f"Ids there look like {panels[0].variants['snp'].iloc[0]}.",
        )
    _warn(panels)
    rule = Rule(int(k), tuple(float(s) for s in maf_s), r2_rule, cutoff)
    out = Path(out)
    stores.prepare(out, "reference")
    replaces = not resume and stores.root_attributes(out) is not None
    job = _Job(stores.beside(out) if replaces else out, chosen, rule, wanted, float(min_maf or 0.0))
    with aside.claimed(out):
        if replaces:
            stores.prepare(job.out, "reference")
        stores.clear_up(job.out)
        todo = _begin(job, panels, keep, replaces)
        cores = (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count() or 1
        )
        _run(job, panels, todo, workers or cores, progress)
        if replaces:
            stores.replace(out)
    return _warned_of_missing(open_reference(out, [p.chrom for p in panels]), out)


def open_reference(path: str | Path, chromosomes: Iterable[object] | None = None) -> xr.DataTree:
    """Open an LD reference; arrays are read from disk when they are used.

    Published LD scores are a reference too, of LD scores alone: enough for what asks for no more.

    Parameters
    ----------
    path
        Folder of the store, or LDSC's files of LD scores (a file, a folder of files, or what their
        names begin with: `bayesmixer.ld.ldsc_files.read_ldsc_scores`).
    chromosomes
        Which chromosomes; None: all.

    Returns
    -------
    xarray.DataTree
        One child per chromosome, in genome order (docs/reference/data_structures.md).

    Raises
    ------
    InputError
        Not a reference, one that is not finished, or without a chromosome that was asked for.
    """
    root = Path(path)
    if stores.root_attributes(root) is None and ldsc_files(path):
        return read_ldsc_scores(path, chromosomes)
    if not root.exists():
        raise InputError(
            root,
            "no such folder",
            "Expected an LD reference: build one with `bayesmixer ld build`.",
        )
    attributes = stores.root_attributes(root)
    if attributes is None or attributes.get("kind") != "reference":
        raise InputError(
            root, "not an LD reference", "Expected the folder that `bayesmixer ld build` wrote."
        )
    planned = [str(c) for c in attributes["chromosomes"]]
    finished = set(stores.group_names(root))
    wanted = planned
    if chromosomes is not None:
        wanted = [
            chromosome_name(c)
            for c in ([chromosomes] if isinstance(chromosomes, str | int) else chromosomes)
        ]
        absent = [c for c in wanted if c not in planned]
        if absent or not wanted:
            raise InputError(
                root,
                f"no chromosome {', '.join(absent) or 'asked for'} in it (it has "
                f"{', '.join(planned)})",
            )
    unfinished = [c for c in wanted if c not in finished]
    if unfinished:
        raise InputError(
            root,
            f"not finished: chromosome {', '.join(unfinished)} is missing",
            "Run the same `bayesmixer ld build` again to complete it.",
        )
    groups = {f"/{c}": stores.open_group(root, c) for c in sorted(set(wanted), key=chromosome_rank)}
    for name, ds in groups.items():
        # what `ld build` wrote has spectra; scores alone are of LDSC's files
        require(ds, ["spectrum"], "a built reference has", "reference", f"{root}{name}")
        groups[name] = validate(ds, "reference", f"{root}{name}")
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), **groups})


def _check_numbers(
    k: int,
    maf_s: Sequence[float],
    r2_rule: str,
    r2_cutoff: float | None,
    min_maf: float | None,
    workers: int | None,
) -> None:
    whole_number("k", k, 4, 128)
    if not len(maf_s) or not all(-1 <= s <= 3 for s in maf_s) or len(set(maf_s)) < len(maf_s):
        raise InputError("maf_s", f"{list(maf_s)}, expected different exponents from -1 to 3")
    choice("r2_rule", r2_rule, ("plain", "unbiased"))
    if r2_cutoff is not None and not 0 <= r2_cutoff < 1:
        raise InputError("r2_cutoff", f"{r2_cutoff}, expected 0 <= r^2 < 1")
    if min_maf is not None and not 0 <= min_maf < 0.5:
        raise InputError("min_maf", f"{min_maf}, expected 0 <= MAF < 0.5")
    if workers is not None:
        whole_number("workers", workers, 1)


def _cutoff(r2_rule: str, r2_cutoff: float | None, n: int) -> float:
    if r2_rule == "plain":
        return 0.0 if r2_cutoff is None else float(r2_cutoff)
    # a corrected r^2 is negative below 1 / (n - 1), and a deposit must not be; higher cut-offs do
    # no better (benchmarks/ld_weak_pairs.py)
    return max(float(r2_cutoff or 0.0), 1 / (n - 1))


def _warn(panels: list[Panel]) -> None:
    n = panels[0].n_samples
    if n < FEW_SAMPLES:
        warnings.warn(
            f"{panels[0].files[2]}: {n} samples; LD from fewer than {FEW_SAMPLES} is mostly noise",
            DataWarning,
            stacklevel=3,
        )
    repeated = sum(
        int(p.variants["snp"][p.variants["snp"] != "."].duplicated().sum()) for p in panels
    )
    if repeated:
        warnings.warn(
            f"{repeated:,} variants of the panel repeat an id; align by position, or make ids "
            "unique",
            DataWarning,
            stacklevel=3,
        )


def _warned_of_missing(made: xr.DataTree, out: Path) -> xr.DataTree:
    """The reference; a word on missing genotypes, where they are more than a trace."""
    parts = [child.attrs for child in made.children.values()]
    rate = float(np.mean([a["missing_rate"] for a in parts]))
    dropped = sum(int(a.get("low_call_rate", 0)) for a in parts)
    if rate > MUCH_MISSING or dropped:
        left_out = (
            f"; {dropped:,} variants with fewer than {LEAST_CALLED:.0%} of them are left out"
            if dropped
            else ""
        )
        warnings.warn(
            f"{out}: {rate:.1%} of the panel's genotypes are missing{left_out}. r^2 is that of "
            "the samples called in both variants, less certain than with all",
            DataWarning,
            stacklevel=3,
        )
    return made


def _begin(job: _Job, panels: list[Panel], keep: Any, replaces: bool) -> dict[str, str]:
    """Write the root's attributes; returns the fingerprint of each chromosome that is still to be
    done.

    Of an unfinished store that is to replace another (`replaces`) nothing is kept if it was of
    other arguments or chromosomes.
    """
    from bayesmixer import __version__

    blocks = (
        None
        if job.window.blocks is None
        else hashlib.sha256(job.window.blocks.to_csv(index=False).encode()).hexdigest()
    )
    tags = (
        "all"
        if job.tags is None
        else hashlib.sha256("\n".join(sorted(job.tags)).encode()).hexdigest()
    )
    arguments = {
        "samples": panels[0].n_samples, "window": job.window.name, "window_unit": job.window.unit,
        "r2_rule": job.rule.r2_rule, "r2_cutoff": job.rule.r2_cutoff, "k": job.rule.k,
        "maf_s": list(job.rule.maf_s), "min_maf": job.min_maf, "tags": tags,
        "keep": "all" if keep is None else "some", "ld_blocks": blocks or "", "layout": LAYOUT,
    }  # fmt: skip
    earlier = stores.root_attributes(job.out)
    if earlier is not None:
        differs = [
            f"{name} {earlier.get(name)} there, {value} now"
            for name, value in arguments.items()
            if earlier.get(name) != value
        ]
        if replaces and (
            differs or set(json.loads(earlier["sources"])) != {p.chrom for p in panels}
        ):
            earlier = None
        elif differs:
            raise InputError(
                job.out,
                f"a reference built with other arguments ({'; '.join(differs)})",
                "Choose another path, or replace it with resume=False (--force).",
            )
    sums: dict[Path, str] = {}
    for panel in panels:
        for file in panel.files:
            if file not in sums:
                sums[file] = sha256(file)
    planned = {} if earlier is None else json.loads(earlier["sources"])
    planned |= {p.chrom: {f.name: sums[f] for f in p.files} for p in panels}
    names = sorted(planned, key=chromosome_rank)
    if earlier is None:
        for name in (stores.root_attributes(job.out) or {}).get("chromosomes", []):
            stores.remove_group(job.out, str(name))
    stores.write_root(
        job.out,
        {
            "kind": "reference",
            **arguments,
            "chromosomes": names,
            "sources": json.dumps({c: planned[c] for c in names}),
            "version": __version__,
        },
    )
    todo = {}
    for panel in panels:
        print_of = hashlib.sha256(
            json.dumps(
                [
                    arguments,
                    panel.chrom,
                    planned[panel.chrom],
                    [] if panel.keep is None else panel.keep.tolist(),
                ],
                sort_keys=True,
            ).encode()
        ).hexdigest()
        done = stores.root_attributes(job.out / panel.chrom)
        if done is None or done.get("fingerprint") != print_of:
            todo[panel.chrom] = print_of
    return todo


class _Stopped(Exception):
    """Raised inside a worker when the build was interrupted."""


def _run(
    job: _Job, panels: list[Panel], todo: dict[str, str], workers: int, progress: bool | None
) -> None:
    """Do the chromosomes that are left, the largest first."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    work = sorted((p for p in panels if p.chrom in todo), key=lambda p: -len(p.variants))
    if not work:
        return
    stop = threading.Event()
    with (
        bar(
            f"LD of {len(work)} chromosome(s)", sum(len(p.variants) for p in work), progress
        ) as shown,
        threadpool_limits(limits=1, user_api="blas"),
        ThreadPoolExecutor(min(workers, len(work)), thread_name_prefix="ld") as pool,
    ):

        def advance(variants: int) -> None:
            if stop.is_set():
                raise _Stopped
            if variants:
                shown.advance(variants)

        futures = [pool.submit(_chromosome, job, p, todo[p.chrom], advance) for p in work]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            raise


def _chromosome(job: _Job, panel: Panel, fingerprint: str, advance: Any) -> None:
    """Build and write one chromosome."""
    counts = genotype_counts(panel, partial(advance, 0))
    freq, variance, value = lookup(counts)
    uncalled = counts[:, 3] > (1 - LEAST_CALLED) * panel.n_samples
    low = (variance > 0) & ~uncalled & (np.minimum(freq, 1 - freq) < job.min_maf)
    rows = np.flatnonzero((variance > 0) & ~low & ~uncalled)
    if not len(rows):
        raise InputError(
            panel.files[0],
            f"no polymorphic variant on chromosome {panel.chrom}"
            + (f" with MAF >= {job.min_maf}" if job.min_maf else ""),
        )
    advance(len(counts) - len(rows))
    variants, freq = panel.variants.iloc[rows].reset_index(drop=True), freq[rows]
    h = 2 * freq * (1 - freq)
    lo, hi, label = bounds(
        job.window, panel.chrom, variants["pos"].to_numpy(), variants["cm"].to_numpy()
    )
    is_tag = is_tag_of(variants, panel.chrom, job.tags)
    ld = chromosome_ld(panel, rows, value[rows], h, is_tag, lo, hi, job.rule, advance)
    panel.close()
    made = _dataset(
        panel.chrom, variants[is_tag], freq[is_tag], h, is_tag, label[is_tag], ld, job.rule
    )
    attributes = {
        "chrom": panel.chrom, "h_total": made["h_total"].values.tolist(),
        "n_reference": len(rows),
        "m_5_50": int((np.minimum(freq, 1 - freq) > 0.05).sum()),
        "monomorphic": int(((variance == 0) & ~uncalled).sum()),
        "low_call_rate": int(uncalled.sum()), "maf_filtered": int(low.sum()),
        "missing_rate": float(counts[:, 3].sum() / counts.sum()), "x_below": ld.x_below.tolist(),
        "fingerprint": fingerprint,
    }  # fmt: skip
    advance(0)
    stores.write_group(job.out, panel.chrom, made.assign_attrs(attributes))


def _dataset(
    chrom: str, variants: pd.DataFrame, freq: NDArray[np.float64], h: NDArray[np.float64],
    is_tag: NDArray[np.bool_], label: NDArray[np.int32], ld: ChromosomeLD, rule: Rule,
) -> xr.Dataset:  # fmt: skip
    value, count = heterozygosity_bins(h)
    h_total = [float((h ** (1 + s)).sum()) for s in rule.maf_s]
    by_s = ("maf_s", "variant")
    return xr.Dataset(
        {
            "snp": ("variant", stores.text(variants["snp"])),
            "chrom": ("variant", stores.text(np.full(len(variants), chrom))),
            "pos": ("variant", variants["pos"].to_numpy(np.int64)),
            "cm": ("variant", variants["cm"].to_numpy(np.float64)),
            "a1": ("variant", stores.text(variants["a1"])),
            "a2": ("variant", stores.text(variants["a2"])),
            "freq": ("variant", freq),
            "heterozygosity": ("variant", h[is_tag]),
            "ld_score": ("variant", ld.ld_score),
            "h_total": ("maf_s", h_total),
            "ld_score_h": (by_s, ld.ld_score_h),
            "spectrum": ((*by_s, "node"), ld.spectrum),
            "ld_below": (by_s, ld.ld_below),
            "ld_block": ("variant", label),
            "neighbour_indptr": ("variant_edge", ld.neighbour_indptr),
            "neighbour_index": ("edge", ld.neighbour_index),
            "neighbour_r2": ("edge", ld.neighbour_r2),
            "h_bin_value": ("h_bin", value),
            "h_bin_count": ("h_bin", count),
        },
        coords={
            "node_x": ("node", nodes(rule.k, rule.x_max)),
            "maf_s": ("maf_s", np.asarray(rule.maf_s)),
        },
    )
