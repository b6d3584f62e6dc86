"""CPU seconds of adaptive shrinkage, one thread.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/ash.py [effects]

A fifth of effects is not null; errors differ by effect. Each line is the least of three calls.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

import bayesmixer as bm

CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("normal", {}),
    ("uniform", {}),
    ("half-uniform", {}),
    ("half-normal", {}),
    ("uniform", {"df": 5}),
    ("half-uniform", {"df": 5}),
    ("normal", {"mode": "estimate"}),
)


def main(n: int) -> None:
    """Print a line for each mixture."""
    rng = np.random.default_rng(1)
    s = rng.uniform(0.5, 2, n)
    x = np.where(rng.random(n) < 0.2, rng.normal(0, 3, n), 0.0) + s * rng.standard_normal(n)
    for mixture, options in CASES:
        least = np.inf
        for _ in range(3):
            began = time.process_time()
            found = bm.ash(x, s, mixture, **options)
            least = min(least, time.process_time() - began)
        estimate = found["estimate"]
        size, gap = estimate.sizes["component"], float(estimate["duality_gap"])
        print(f"{n:,} {mixture} {options or ''}: {size} components, {least:.3f} s, gap {gap:.0e}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
