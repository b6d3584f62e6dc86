"""CPU seconds and memory of `bayesmixer ldsc scores`, whole processes on one thread.

    python benchmarks/ldsc_scores.py PANEL [--annot FILE] [--floor "COMMAND"] [--times 3]

PANEL is the prefix of one chromosome's bed files with cM. Annotations are made: all of ones, then
random ones that hold a tenth of the variants each. FILE (an annot file of the chromosome) is
measured as it is. COMMAND, such as a program of another maker, is run in between, so that ratios
are of the same minutes. Medians of TIMES runs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

ANNOTATIONS = (1, 7, 53, 1000)
ONE = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"), "1"
)


def cost(words: list[str]) -> tuple[float, float]:
    """CPU seconds and peak memory (GiB) of one process."""
    run = subprocess.Popen(words, stdout=subprocess.DEVNULL, env=os.environ | ONE)
    _, status, usage = os.wait4(run.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(words)}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20


def make_annotations(panel: str, path: Path, count: int) -> None:
    """An annot file of as many random annotations."""
    bim = pd.read_csv(f"{panel}.bim", sep=r"\s+", header=None)
    rng = np.random.default_rng(1)
    values = (rng.random((len(bim), count)) < 0.1).astype(np.int8)
    values[:, 0] = 1
    place = pd.DataFrame({"CHR": bim[0], "BP": bim[3], "SNP": bim[1], "CM": bim[2]})
    table = pd.concat([place, pd.DataFrame(values).add_prefix("a")], axis=1)
    table.to_csv(path, sep="\t", index=False, compression={"method": "gzip", "compresslevel": 1})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("panel")
    parser.add_argument("--annot")
    parser.add_argument("--floor", action="append", default=[])
    parser.add_argument("--times", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = [sys.executable, "-m", "bayesmixer", "ldsc", "scores", "--bfile", args.panel]
        ours += ["--ld-wind-cm", "1", "--force", "--out", str(folder / "scores")]
        runs = {"no annotation": ours}
        for count in ANNOTATIONS:
            path = folder / f"{count}.annot.gz"
            # in a process of its own: a child's peak memory begins at its parent's
            make = multiprocessing.get_context("spawn").Process(
                target=make_annotations, args=(args.panel, path, count)
            )
            make.start()
            make.join()
            runs[f"{count:,} made"] = [*ours, "--annot", str(path)]
        if args.annot:
            runs[Path(args.annot).name] = [*ours, "--annot", args.annot]
        runs |= {command: shlex.split(command) for command in args.floor}
        costs: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
        for _ in range(args.times):
            for name, words in runs.items():
                costs[name].append(cost(words))
        print("| run | CPU s | GiB |\n|---|---|---|")
        for name, all_costs in costs.items():
            seconds, memory = (statistics.median(c) for c in zip(*all_costs, strict=True))
            print(f"| {name} | {seconds:.2f} | {memory:.2f} |")


if __name__ == "__main__":
    main()
