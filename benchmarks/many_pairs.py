"""Ten traits, 45 pairs: a worker is killed on the way, the run goes on; nothing is computed twice,
nothing is lost.

    python benchmarks/many_pairs.py PANEL_PREFIX LD_BLOCKS [--work many_pairs] [--traits 10]
        [--chromosomes 21 22] [--method laplace] [--dask]

PANEL_PREFIX names PLINK files, {chrom} for the chromosome. Traits are simulated by twos through the
panel's LD: nothing, some, or all of their causal variants shared. `bayesmixer fit pairs` runs with
two processes; once a fifth of the pairs are there one worker gets SIGKILL, and what the command
then says and returns is printed. Alone, the command is given again; with --dask the cluster itself
gives the lost fit to another worker. At the end each file that was there at the kill is compared
with itself (bytes and time of writing), and the table's rows are counted.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

import bayesmixer as bm

PI = 0.004
SHARED = (0.0, 0.25, 0.5, 0.75, 1.0)  # of each couple's causal variants


def simulated(a: argparse.Namespace) -> Path:
    """A list of the traits' files."""
    lines = []
    for couple in range((a.traits + 1) // 2):
        folder, share = a.work / f"couple{couple}", SHARED[couple % len(SHARED)]
        made = bm.simulate(
            folder, model="bivariate", h2=[0.03, 0.03], n=100_000, sigma2_0=1.05,
            rho_0=0.1, rho_beta=0.5, pi=[PI * (1 - share), PI * (1 - share), PI * share],
            seed=couple + 1,
            genotypes=a.panel, ld_blocks=a.ld_blocks, chromosomes=a.chromosomes, overwrite=True,
            show=False,
        )  # fmt: skip
        lines += [
            f"t{2 * couple + i} {file.resolve()}" for i, file in enumerate(made.sumstats.values())
        ]
    listed = a.work / "traits.txt"
    listed.write_text("\n".join(lines[: a.traits]) + "\n")
    return listed


def fits(out: Path) -> dict[str, tuple[float, str]]:
    """Time of writing and hash of each finished fit."""
    return {
        str(path.relative_to(out)): (
            path.stat().st_mtime,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for kind in ("traits", "pairs")
        for path in sorted((out / kind).glob("*.nc"))
    }


def workers(process: int) -> list[int]:
    """Processes below one that have run for longest: descendants that fit."""
    children: dict[int, list[int]] = {}
    time_of: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        one = int(entry.parent.name)
        children.setdefault(int(fields[1]), []).append(one)
        time_of[one] = int(fields[11])
    found, todo = [], [process]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return sorted(found, key=lambda one: -time_of[one])


def run(command: list[str], out: Path, kill_at: int | None) -> tuple[int, str, dict]:
    """Exit code, last words, and the fits that were there as a worker was killed."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        there: dict = {}
        while kill_at is not None and process.poll() is None:
            if len(list((out / "pairs").glob("*.nc"))) >= kill_at:
                there = fits(out)
                os.kill(workers(process.pid)[0], signal.SIGKILL)
                break
            time.sleep(0.2)
        said = process.communicate()[0]
    return process.returncode, said, there


def main() -> None:
    """Simulate, run, kill, run again, compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("panel")
    parser.add_argument("ld_blocks", type=Path)
    parser.add_argument("--work", type=Path, default=Path("many_pairs"))
    parser.add_argument("--traits", type=int, default=10)
    parser.add_argument("--chromosomes", nargs="+", default=["21", "22"])
    parser.add_argument("--method", default="laplace")
    parser.add_argument("--dask", action="store_true")
    a = parser.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    out = a.work / ("dask" if a.dask else "alone")
    if out.exists():
        sys.exit(f"{out} is there: give another --work")
    listed = simulated(a)
    reference = a.work / "panel.zarr"
    bm.build_reference(
        a.panel, reference, chromosomes=a.chromosomes, window=a.ld_blocks, r2_rule="plain"
    )
    command = [sys.executable, "-m", "bayesmixer", "fit", "pairs", str(listed)]
    command += ["--reference", str(reference), "--out", str(out), "--method", a.method]
    command += ["--blocks", str(a.ld_blocks), "--processes", "2", "--quiet"]
    command += ["--dask", "local"] if a.dask else []
    pairs = a.traits * (a.traits - 1) // 2
    began, before = time.monotonic(), os.times()
    code, said, there = run(command, out, pairs // 5)
    print(f"killed a worker with {len(there)} fits there: exit code {code}")
    if code:
        print("  it said:", said.strip().splitlines()[-1])
        code, said, _ = run(command, out, None)
        print(f"again: exit code {code}")
    spent = os.times()
    found = fits(out)
    again = [name for name, one in there.items() if found.get(name) != one]
    table = pd.read_csv(out / "pairs.tsv", sep="\t")
    print(
        f"{len(found)} fits of {a.traits + pairs}; of the {len(there)} that were there "
        f"{len(again)} were written again; table of {len(table)} pairs, "
        f"{int(table['verdict'].str.startswith('not fitted').sum())} not fitted"
    )
    cpu = spent.children_user + spent.children_system
    cpu -= before.children_user + before.children_system
    print(f"{time.monotonic() - began:.0f} s on the clock, {cpu:.0f} CPU s")
    if again or len(found) != a.traits + pairs or len(table) != pairs:
        sys.exit("a fit was made twice, or is missing")


if __name__ == "__main__":
    main()
