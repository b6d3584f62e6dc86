"""Time and memory of `build_reference`, and how they grow with variants, window and samples.

    python benchmarks/ld_build.py PANEL [--scores FOLDER] [--growth] [--genome]

PANEL is a pattern such as folder/1000g_eur_hm3.chr{chrom} (bed files with cM); FOLDER holds
published LD scores as CHROM.l2.ldscore. Each build runs in a process of its own: CPU seconds
include starting Python and loading compiled code. Wall-clock seconds mean something on a quiet
machine only.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayesmixer as bm
from bayesmixer.io.genotypes import Panel, open_panels


def measure(genotypes: object, out: Path, **arguments: Any) -> tuple[float, float, float]:
    """Wall-clock seconds, CPU seconds and peak memory (GiB) of one build in a fresh process."""
    shutil.rmtree(out, ignore_errors=True)
    program = (
        f"import bayesmixer as bm; bm.build_reference({genotypes!r}, {str(out)!r}, **{arguments!r})"
    )
    start = time.perf_counter()
    run = subprocess.Popen([sys.executable, "-c", program])
    _, status, usage = os.wait4(run.pid, 0)
    if status:
        raise SystemExit(f"the build failed: {program}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20


def line(
    name: str, variants: int, samples: int, cost: tuple[float, float, float], out: Path
) -> None:
    partners = "" if not out.is_dir() else f"{mean_partners(out):,.0f}"
    print(
        f"| {name} | {variants:,} | {samples:,} | {partners} | {cost[0]:.1f} | {cost[1]:.1f} | "
        f"{cost[2]:.2f} |",
        flush=True,
    )


def mean_partners(out: Path) -> float:
    """Mean number of partners of a variant, from windows stored or, for LD blocks, from their
    sizes.
    """
    ref = bm.open_reference(out)
    window, total, n = ref.attrs["window"], 0.0, 0
    for group in ref.children.values():
        ds = group.to_dataset()
        if ref.attrs["window_unit"] == "ld_blocks":
            size = np.unique(ds["ld_block"], return_counts=True)[1]
            total += float((size.astype(float) ** 2).sum())
        else:
            place = {"cM": ds["cm"], "kb": ds["pos"] / 1000}[ref.attrs["window_unit"]].to_numpy()
            reach = float(window.removesuffix(ref.attrs["window_unit"]))
            total += float(
                (
                    np.searchsorted(place, place + reach, "right")
                    - np.searchsorted(place, place - reach)
                ).sum()
            )
        n += ds.sizes["variant"]
    return total / n


def write_bed(prefix: Path, bim: pd.DataFrame, g: np.ndarray) -> None:
    """Write (variant, sample) int8 genotypes, negative where missing."""
    from bed_reader import to_bed

    columns = {
        "chromosome": "chrom",
        "sid": "snp",
        "cm_position": "cm",
        "bp_position": "pos",
        "allele_1": "a1",
        "allele_2": "a2",
    }
    genotypes = np.where(g < 0, -127, g).T.astype(np.int8)
    to_bed(
        prefix.with_name(prefix.name + ".bed"),
        genotypes,
        properties={name: bim[column] for name, column in columns.items()},
    )


def resample(panel: Panel, samples: int, prefix: Path) -> None:
    """Write the panel with its samples drawn again, with replacement."""
    rows = np.random.default_rng(1).integers(0, panel.n_samples, samples)
    write_bed(
        prefix,
        panel.variants.assign(chrom=panel.chrom),
        panel.read(0, len(panel.variants))[:, rows],
    )


def tile_genome(panels: list[Panel], folder: Path, variants: int) -> int:
    """Write 22 chromosomes of about `variants` in all: the panel's, over and over, end to end."""
    pieces: list[list[Panel]] = [[] for _ in range(22)]
    total = 0
    for i in range(10**6):
        panel = panels[i % len(panels)]
        if total >= variants:
            break
        min(pieces, key=lambda c: sum(len(p.variants) for p in c)).append(panel)
        total += len(panel.variants)
    for number, parts in enumerate(pieces, start=1):
        tables, genotypes, pos, cm = [], [], 0, 0.0
        for k, panel in enumerate(parts):
            table = panel.variants.assign(chrom=str(number))
            table["snp"] += f"_{k}"
            table["pos"] += pos
            table["cm"] += cm
            pos, cm = int(table["pos"].iloc[-1]) + 5_000_000, float(table["cm"].iloc[-1]) + 5
            tables.append(table)
            genotypes.append(panel.read(0, len(panel.variants)))
        write_bed(folder / f"genome.chr{number}", pd.concat(tables), np.concatenate(genotypes))
    return total


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("panel")
    parser.add_argument("--scores", type=Path)
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--genome", action="store_true")
    parser.add_argument("--blocks", default="eur_hg19")
    args = parser.parse_args()
    panels = open_panels(args.panel)
    n, total = panels[0].n_samples, sum(len(p.variants) for p in panels)
    folder = Path(tempfile.mkdtemp())
    out = folder / "reference.zarr"
    print(
        f"{os.cpu_count()} cores\n\n| build | variants | samples | partners | wall s | CPU s | "
        "GiB |\n|---|---|---|---|---|---|---|",
        flush=True,
    )
    try:
        measure(args.panel, out, chromosomes=[panels[-1].chrom])  # compiles, once for a machine
        line(
            "LD blocks, plain r^2",
            total,
            n,
            measure(args.panel, out, window=args.blocks, r2_rule="plain"),
            out,
        )
        line("LD blocks, unbiased", total, n, measure(args.panel, out, window=args.blocks), out)
        line(
            "1 cM, plain r^2",
            total,
            n,
            measure(args.panel, out, window="1cM", r2_rule="plain"),
            out,
        )
        line(
            "1 cM, five exponents S",
            total,
            n,
            measure(args.panel, out, window="1cM", maf_s=(0.0, -0.25, -0.5, -0.75, -1.0)),
            out,
        )
        line("1 cM, unbiased", total, n, measure(args.panel, out, window="1cM"), out)
        if args.scores:
            report_correlations(out, args.scores)
        if args.growth:
            growth(args, panels, folder, out)
        if args.genome:
            variants = tile_genome(panels, folder, 1_100_000)
            line(
                "genome, 1 cM",
                variants,
                n,
                measure(str(folder / "genome.chr@"), out, window="1cM"),
                out,
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def growth(args: argparse.Namespace, panels: list[Panel], folder: Path, out: Path) -> None:
    names = [p.chrom for p in panels]
    for k in (1, 2, 5):
        some = panels[-k:]
        cost = measure(args.panel, out, window="1cM", chromosomes=[p.chrom for p in some])
        line(
            f"variants: {k} chromosome(s)",
            sum(len(p.variants) for p in some),
            panels[0].n_samples,
            cost,
            out,
        )
    total = sum(len(p.variants) for p in panels)
    for window in ("0.25cM", "0.5cM", "2cM", "4cM"):
        line(
            f"window: {window}",
            total,
            panels[0].n_samples,
            measure(args.panel, out, window=window),
            out,
        )
    for samples in (100, 1_000, 4_000, 16_000):
        resample(panels[-1], samples, folder / "resampled")
        line(
            f"samples, chromosome {names[-1]}",
            len(panels[-1].variants),
            samples,
            measure(str(folder / "resampled"), out, window="1cM"),
            out,
        )


def report_correlations(out: Path, scores: Path) -> None:
    """Correlation with published LD scores, to standard error so that the table stays whole."""
    for chrom, group in bm.open_reference(out).children.items():
        ours = pd.DataFrame({"SNP": group["snp"].to_numpy(), "ours": group["ld_score"].to_numpy()})
        both = ours.merge(pd.read_csv(scores / f"{chrom}.l2.ldscore", sep="\t"), on="SNP")
        means = f"means {both['ours'].mean():.2f} and {both['L2'].mean():.2f}"
        print(
            f"chromosome {chrom}: {len(both):,} shared variants, correlation "
            f"{both['ours'].corr(both['L2']):.4f}, {means}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
