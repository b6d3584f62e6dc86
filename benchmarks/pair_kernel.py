"""Speed of the two-trait likelihood: value and gradient per variant beside the prototype at the
same number of frequencies, the value alone, growth, memory, and what the lattices save.

    python benchmarks/pair_kernel.py [--quick]   minutes; a shared machine wants a quiet moment

CPU time of one thread, the least of several interleaved runs, in microseconds per variant. |z| <= 4
throughout, blocks of 512 variants, spectra of random lists of partners.
"""

from __future__ import annotations

import argparse
import math
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bayesmixer.ld.spectrum import nodes, spectrum_from_pairs
from bayesmixer.ops import pair_evaluate
from bayesmixer.ops.pair import PairLogLik
from bayesmixer.ops.pair_evaluate import BLOCK as PER_BLOCK
from bayesmixer.ops.pair_evaluate import CLASSES, COSINE_LOSS, SINGLE_LOSS, TABLE
from bayesmixer.ops.pair_lattice import classes, frequencies
from bayesmixer.ops.pair_layout import PairData

PROTOTYPES = Path(__file__).parents[2] / "shared/prototypes"
K, BLOCK = 24, 512


def point(pi: Any, v1: float, v2: float, rho_beta: float, errors: Any) -> tuple[Any, Any, Any]:
    """pi, sigma_beta, sigma_0 of bivariate MiXeR."""
    covariance = rho_beta * math.sqrt(v1 * v2)
    sigma_beta = np.array([[v1, 0, 0], [0, v2, 0], [v1, v2, covariance]])
    return np.array(pi), sigma_beta, np.array(errors)


POINTS = {
    "sparse": point((0.0025, 0.0015, 0.0015), 4.8e-4, 5.6e-4, 0.5, (1.05, 1.02, 0.1)),
    "polygenic": point((0.015, 0.005, 0.005), 1e-4, 1.7e-4, 0.9, (1.1, 1.0, 0.3)),
}


def synthetic(variants: int) -> PairData:
    """Variants of two traits with N of 80,000 and 50,000."""
    rng = np.random.default_rng(0)
    lists = []
    for _ in range(2000):
        count = int(rng.integers(1, 120))
        lists.append(rng.uniform(0.02, 0.5, count) * np.r_[1.0, rng.beta(0.4, 1.5, count - 1)])
    s = spectrum_from_pairs(np.cumsum([0, *map(len, lists)]), np.concatenate(lists), K)
    z = np.clip(rng.normal(0, 1.2, (variants, 2)), -3.99, 3.99)
    n = np.array([80_000.0, 50_000.0]) * rng.uniform(0.85, 1, (variants, 2))
    spectrum = s[rng.integers(0, 2000, variants)].astype(np.float32)
    return PairData(z, n, np.ones(variants), spectrum, nodes(K), np.arange(variants) // BLOCK)


def least(*functions: Callable[[], object], runs: int = 4) -> list[float]:
    """Least CPU seconds of each, called by turns."""
    best = [math.inf] * len(functions)
    for _ in range(runs):
        for i, f in enumerate(functions):
            start = time.process_time()
            f()
            best[i] = min(best[i], time.process_time() - start)
    return best


def lattice_sizes(data: PairData, theta: Any) -> tuple[float, float, float]:
    """Mean frequencies of a variant: with one lattice for all, with the classes, with its own."""
    at = pair_evaluate.turned(data, *theta)
    view, need, loss = pair_evaluate.plan(at.data, at.data.rows, at.pi, at.gamma, at.sigma_0)
    need, loss = need[loss <= COSINE_LOSS], loss[loss <= COSINE_LOSS]
    total = 0.0
    for most, chosen in zip(CLASSES, (loss <= SINGLE_LOSS, loss > SINGLE_LOSS), strict=True):
        table = TABLE + PER_BLOCK * data.n_blocks
        label, wanted = classes(need[chosen], view.across, most, table)
        total += float((np.bincount(label) * frequencies(wanted, view.across)).sum())
    one = float(frequencies(need.max(0), view.across))
    return one, total / len(need), float(frequencies(need, view.across).mean())


def prototype(data: PairData, size: float) -> Callable[[], object]:
    """The prototype's value and gradient of the same variants with about `size` frequencies."""
    sys.path.insert(0, str(PROTOTYPES))
    import bivariate_kernel as old

    step = 0.35
    radius = math.sqrt(2 * size / math.pi) * step
    a, b, q = old.lattice(step, radius)
    s1, s2 = a * step, b * step
    table = old.table(data.node_x, s1, s2, (1e-3, 1e-3, 2e-3), (20.0, 10.0), 0.5)
    damp = -0.5 * (s1**2 + s2**2 + 0.2 * s1 * s2)
    blocks = len(data.z) // 128
    spectra = np.ascontiguousarray(
        data.spectrum.astype(float).reshape(blocks, 128, K).transpose(0, 2, 1)
    )
    z1, z2 = (np.ascontiguousarray(data.z[:, t].reshape(blocks, 128)) for t in (0, 1))
    args = spectra, z1, z2, np.ones_like(z1), table, damp, a, b, step, q, int(radius / step)
    old.loglik_and_gradient(*args)
    return lambda: old.loglik_and_gradient(*args)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer variants")
    quick = parser.parse_args().quick
    size = 12_800 if quick else 51_200
    data = synthetic(size)
    print(
        "| point | frequencies: one lattice | classes | its own | value + gradient | value |",
        end="",
    )
    print(" prototype | ratio |\n| :-- | --: | --: | --: | --: | --: | --: | --: |")
    for name, theta in POINTS.items():
        both, value = PairLogLik(data), PairLogLik(data, gradient=False)
        one, mean, own = lattice_sizes(data, theta)
        runs = [lambda o=o, t=theta: o.evaluate(*t, threads=1) for o in (both, value)]
        if PROTOTYPES.is_dir():
            runs.append(prototype(data, mean))
        for f in runs:
            f()
        found = least(*runs)
        seconds = [f"{t / size * 1e6:.2f}" for t in found]
        old = [*seconds[2:], f"{found[0] / found[2]:.2f}"] if len(found) > 2 else ["", ""]
        print(
            f"| {name} | {one:.0f} | {mean:.0f} | {own:.0f} | {' | '.join([*seconds[:2], *old])} |"
        )
    print("\n| variants | value + gradient | value | peak memory, GB |\n| --: | --: | --: | --: |")
    theta = POINTS["polygenic"]
    for variants in (25_600, 102_400) if quick else (76_800, 307_200, 1_228_800):
        many = synthetic(variants)
        both, value = PairLogLik(many), PairLogLik(many, gradient=False)
        runs = [lambda o=o: o.evaluate(*theta, threads=1) for o in (both, value)]
        seconds = [f"{t / variants * 1e6:.2f}" for t in least(*runs, runs=3)]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"| {variants:,} | {' | '.join(seconds)} | {peak:.2f} |")


if __name__ == "__main__":
    main()
