"""mash of effects that lie on disk: CPU seconds of each step and peak memory, one thread.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/mash_large.py FOLDER [effects] [R]

A tenth of effects is not null, from eight covariances of rank 3, errors alike. Learned from 20,000
random effects, covariances from the 2,000 largest; the others are predicted; posteriors of all go
into a Zarr store of 4-byte numbers. FOLDER needs 3.4 GB for a million effects in 44 conditions.
"""

from __future__ import annotations

import resource
import shutil
import sys
import time
from pathlib import Path

import numpy as np

import bayesmixer as bm

BLOCK = 20_000


def simulate(folder: Path, n: int, r: int) -> Path:
    """Effects as an .npy array, written block by block."""
    rng = np.random.default_rng(1)
    roots = rng.standard_normal((8, r, 3)) / np.sqrt(3)
    path = folder / "bhat.npy"
    b = np.lib.format.open_memmap(path, mode="w+", dtype=np.float64, shape=(n, r))
    for first in range(0, n, BLOCK):
        m = min(BLOCK, n - first)
        scale = 0.3 * rng.random((m, 1)) * (rng.random((m, 1)) < 0.1)
        true = np.einsum("jra,ja->jr", roots[rng.integers(8, size=m)], rng.standard_normal((m, 3)))
        b[first : first + m] = scale * true + 0.1 * rng.standard_normal((m, r))
    b.flush()
    return path


def peak() -> float:
    """MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(folder: Path, n: int, r: int) -> None:
    """Print seconds and memory of each step."""
    arrays = simulate(folder, n, r)
    clock, name = [time.process_time()], [""]
    memory = [peak()]

    def step(what: str) -> None:
        clock.append(time.process_time())
        memory.append(peak())
        name.append(what)

    effects = bm.mash.open_effects(bm.mash.write_effects(arrays, 0.1, folder / "effects.zarr"))
    step("store")
    top = bm.mash.largest(effects, 2_000)
    covariances = bm.mash.covariances(effects.isel(effect=top).load(), strong=np.arange(len(top)))
    step("covariances")
    fit = bm.mash.fit_sample(effects, covariances, others=False)
    step("fit")
    fit = bm.mash.fit_sample(effects, covariances)
    step("fit and others")
    bm.mash.posterior_to(fit, effects, folder / "posterior.zarr", dtype="float32")
    step("posterior")
    print(f"{n:,} x {r}, {fit['estimate'].sizes['component']:,} components")
    for i in range(1, len(clock)):
        print(f"  {name[i]}: {clock[i] - clock[i - 1]:.1f} s, peak {memory[i]:.0f} MB")
    for one in fit["estimate"].data_vars:
        if "others" in str(one) or str(one) == "mean_log_likelihood":
            print(f"  {one}: {float(fit['estimate'][one]):.6g}")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    n, r = (int(x) for x in (*sys.argv[2:], "200000", "44")[:2])
    try:
        measure(folder, n, r)
    finally:
        shutil.rmtree(folder)
