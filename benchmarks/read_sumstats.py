"""Time and peak memory of `read_sumstats` as the file grows: python benchmarks/read_sumstats.py
[--rows 1000000 10000000].

Writes a file in REGENIE-like columns (gzip) of the given number of rows in a temporary folder, and
reads each in a process of its own, so that the peak resident memory is that of one reading.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from scipy.special import ndtr

READ = """
import resource, sys, time, json
import bayesmixer as bm
bm.read_sumstats
start, cpu = time.perf_counter(), time.process_time()
ds = bm.read_sumstats(sys.argv[1], progress=False)
print(json.dumps({
    "seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu,
    "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    "kept": int(ds.sizes["variant"]),
}))
"""


def write(path: Path, rows: int, seed: int = 1) -> None:
    """A GWAS of `rows` variants: ten columns, about 95 bytes a row, sorted by chromosome and
    position.
    """
    rng = np.random.default_rng(seed)
    letters = np.array(["A", "C", "G", "T"])
    step, done = 500_000, 0
    with gzip.open(path, "wb", compresslevel=1) as f:
        while done < rows:
            m = min(step, rows - done)
            index = np.arange(done, done + m)
            first = rng.integers(0, 4, m)
            se = rng.uniform(0.002, 0.03, m)
            z = rng.standard_normal(m) * 1.2
            frame = pl.DataFrame(
                {
                    "CHR": 1 + index * 22 // rows,
                    "POS": 10_000 + (index * 22 % rows) * 250_000_000 // rows,
                    "SNP": pl.Series(index + 1_000_000).cast(pl.String),
                    "A1": letters[first],
                    "A2": letters[(first + rng.integers(1, 4, m)) % 4],
                    "EAF": rng.uniform(0.005, 0.995, m).round(6),
                    "N": rng.integers(300_000, 460_000, m),
                    "BETA": (z * se).round(8),
                    "SE": se.round(8),
                    "P": 2 * ndtr(-np.abs(z)),
                }
            ).with_columns(
                ("rs" + pl.col("SNP")).alias("SNP"),
                pl.col("P").map_elements(lambda p: f"{p:.6g}", return_dtype=pl.String),
            )
            f.write(
                frame.select("CHR", "SNP", "POS", "A1", "A2", "N", "EAF", "BETA", "SE", "P")
                .write_csv(separator="\t", include_header=done == 0)
                .encode()
            )
            done += m


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[250_000, 1_000_000, 10_000_000])
    parser.add_argument(
        "--folder", type=Path, help="keep the files here (and use those that are there)"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        print(
            f"{'rows':>12} {'file MB':>8} {'seconds':>8} {'CPU s':>8} {'us/row':>7} "
            f"{'peak GiB':>9} {'kept':>12}"
        )
        for rows in args.rows:
            path = folder / f"gwas_{rows}.tsv.gz"
            if not path.exists():
                start = time.perf_counter()
                write(path, rows)
                print(
                    f"(wrote {rows:,} rows in {time.perf_counter() - start:.0f} s)", file=sys.stderr
                )
            result = subprocess.run(
                [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True
            )
            r = json.loads(result.stdout)
            size = path.stat().st_size / 1e6
            print(
                f"{rows:>12,} {size:>8.1f} {r['seconds']:>8.1f} {r['cpu']:>8.1f} "
                f"{1e6 * r['seconds'] / rows:>7.2f} {r['gib']:>9.2f} {r['kept']:>12,}",
                flush=True,
            )
            if args.folder is None:
                path.unlink()
    print(
        f"(this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB)",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
