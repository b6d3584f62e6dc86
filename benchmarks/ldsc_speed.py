"""CPU time and memory of LD score regression as whole processes, one thread, beside the least that
the same work takes in NumPy and polars.

    python benchmarks/ldsc_speed.py DATA [--floors ../shared/prototypes/floors] [--runs 3] [--out F]
        [--only WORK] [--pyldsc PROGRAM]

DATA holds what `ldsc_prepare.py DATA` of the floors writes: eur/ (LD scores of 22 chromosomes),
annot/ and frq/ (seven annotations of chromosomes 13-22), traits/T1..T10.sumstats.gz of 773,476
variants, pair1.trait1.sumstats.gz, and raw.txt.gz, 1.2 million rows to munge. PROGRAM is that of
pyldsc 0.1.0, in an environment of its own with numpy below 2.3: h2 and rg are run by it as well,
from LD scores in one file. Each pair of programs runs in turns; the least of the runs counts.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "NUMBA_NUM_THREADS"), "1"
)


def measured(command: list[str], data: Path) -> tuple[float, float]:
    """CPU seconds and peak memory in MB of a process."""
    code = (
        "import json, resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(done.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss)"
    )
    env = os.environ | ONE_THREAD | {"LDSC_DATA": str(data)}
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, env=env, check=True
    )
    status, seconds, peak = done.stdout.split()
    if status != "0":
        raise SystemExit(f"{' '.join(command)} ended with {status}: {done.stderr[-500:]}")
    return float(seconds), float(peak) * resource.getpagesize() / 4096 / 1024


def joined(folder: Path, out: Path) -> str:
    """Prefix of the LD scores of 22 chromosomes in one file."""
    each = [folder / f"{chrom}.l2.ldscore" for chrom in range(1, 23)]
    lines = [one.read_text().splitlines() for one in each]
    whole = [lines[0][0], *(line for part in lines for line in part[1:])]
    (out / "all.l2.ldscore").write_text("\n".join(whole) + "\n")
    m = sum(float((folder / f"{chrom}.l2.M_5_50").read_text()) for chrom in range(1, 23))
    (out / "all.l2.M_5_50").write_text(f"{m:.0f}\n")
    return str(out / "all")


def main() -> None:
    """Run, print a table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--floors", type=Path, default=Path("../shared/prototypes/floors"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", default="", help="part of a work's name")
    parser.add_argument("--pyldsc", help="the program")
    given = parser.parse_args()
    data, traits = given.data.resolve(), given.data.resolve() / "traits"
    trait = [str(traits / f"T{i}.sumstats.gz") for i in range(1, 11)]
    ld = ["--ref-ld-chr", f"{data}/eur/", "--w-ld-chr", f"{data}/eur/"]
    annotated = ["--ref-ld-chr", f"{data}/annot/annot.", "--w-ld-chr", f"{data}/eur/"]
    annotated += ["--frqfile-chr", f"{data}/frq/annot."]
    floor = str(given.floors / "ldsc_h2_rg.py")
    names = [f"T{i}" for i in range(1, 11)]
    works = {
        "h2, 773,476 variants": (["ldsc", "h2", trait[0], *ld], [floor, "h2", "text", "T1"]),
        "rg of two traits": (["ldsc", "rg", *trait[:2], *ld], [floor, "rg", "text", "T1", "T2"]),
        "45 pairs of ten traits": (["ldsc", "rg", *trait, *ld], [floor, "rg", "text", *names]),
        "seven annotations": (
            ["ldsc", "partitioned", str(data / "pair1.trait1.sumstats.gz"), *annotated],
            [str(given.floors / "ldsc_partitioned.py")],
        ),
        "munge of 1.2 million rows": (
            ["munge", str(data / "raw.txt.gz"), "--like-ldsc"],
            [str(given.floors / "ldsc_munge.py")],
        ),
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        end = ["--out", f"{folder}/x", "--force", "--quiet", "--threads", "1"]
        for work, (ours, theirs) in works.items():
            if given.only not in work:
                continue
            command = [sys.executable, "-m", "bayesmixer", *ours, *end]
            least = [(float("inf"), float("inf"))] * 2
            for _ in range(given.runs):
                for k, words in enumerate((command, [sys.executable, *theirs])):
                    if k == 0 or given.floors.is_dir():
                        least[k] = min(least[k], measured(words, data))
            (seconds, peak), (floor_seconds, floor_peak) = least
            rows.append(
                {
                    "work": work,
                    "CPU s": round(seconds, 2),
                    "floor, CPU s": round(floor_seconds, 2),
                    "ratio": round(seconds / floor_seconds, 2),
                    "MB": round(peak),
                    "floor, MB": round(floor_peak) if floor_peak < float("inf") else None,
                }
            )
            print(rows[-1], flush=True)
        if given.pyldsc:
            one = joined(data / "eur", Path(folder))
            ld = ["--ref-ld", one, "--w-ld", one, "--out", f"{folder}/p"]
            for work, words in (("h2", ["--h2", trait[0]]), ("rg", ["--rg", ",".join(trait[:2])])):
                runs = [
                    measured([given.pyldsc, work, *words, *ld], data) for _ in range(given.runs)
                ]
                seconds, peak = min(runs)
                rows.append({"work": f"{work} by pyldsc", "CPU s": round(seconds, 2),
                             "MB": round(peak)})  # fmt: skip
                print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    if given.out is not None:
        table.to_csv(given.out, sep="\t", index=False)


if __name__ == "__main__":
    main()
