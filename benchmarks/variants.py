"""What is said of each variant: error against the sum over all causal configurations, and time.

    python benchmarks/variants.py [--quick]        two minutes on a quiet machine

Errors are of variants of six partners, three of them close. Times are CPU seconds of one thread, of
variants whose spectra are sums of real ones' sizes and 0.3% of which lie beyond |z| = 5.5.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from pair_variants import truth

from bayesmixer.ld.spectrum import nodes
from bayesmixer.ops.given_z import given_z
from bayesmixer.ops.pair_given_z import pair_given_z
from tests.ops.likelihood_cases import spectra
from tests.ops.test_given_z import CLOSE, K, cases, exact_of, found_of

POINTS = {
    "pi .02, N sigma2_beta 20": (np.array([0.02]), np.array([2e-4]), 1.05),
    "pi .001, N sigma2_beta 50": (np.array([1e-3]), np.array([5e-4]), 1.0),
    "pi .0001, N sigma2_beta 200": (np.array([1e-4]), np.array([2e-3]), 1.0),
    "pi .3 and .0001, N sigma2_beta 1 and 100": (
        np.array([0.3, 1e-4]), np.array([1e-5, 1e-3]), 1.0,
    ),
}  # fmt: skip


def errors(seeds: int) -> None:
    """Largest errors over variants by point and |z|."""
    print(
        "\n| point | |z| | signal / z | own part / z | causal | close | tail causal | tail close |"
    )
    print("| :-- | --: | --: | --: | --: | --: | --: | --: |")
    for name, draw in POINTS.items():
        for z in (1.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0):
            off = []
            for seed in range(seeds):
                x, _, n = cases(CLOSE.size, 100 + seed)
                at = np.full(n.size, z)
                off.append(found_of(x, at, n, [draw], CLOSE) - exact_of(x, at, n, draw, CLOSE))
            worst = np.abs(np.concatenate(off, axis=1)).max(1)
            worst[:2] /= z
            print(f"| {name} | {z:g} | " + " | ".join(f"{v:.0e}" for v in worst) + " |", flush=True)


def times(sizes: tuple[int, ...], draws: int) -> None:
    """CPU seconds by number of variants, for a hundred draws."""
    rng = np.random.default_rng(0)
    some, lists = spectra(rng, 3000)
    point = (np.array([3e-3]), np.array([2e-4]), 1.05)
    print("\n| variants | draws | CPU s, one thread | us a variant and draw |")
    print("| --: | --: | --: | --: |")
    for size in (1000, *sizes):  # the first compiles
        which = rng.integers(0, len(some), size)
        own = np.array([x[0] for x in lists])[which]
        z = np.clip(rng.normal(0, 1.3, size), -5.4, 5.4)
        out = rng.random(size) < 0.003
        z[out] = rng.uniform(5.6, 9, out.sum())
        args = (z, np.full(size, 1e5), some[which].astype(np.float32), nodes(K), own)
        close = ((0.5 * args[2]).astype(np.float32), np.full(size, 10.0))
        start = time.process_time()
        given_z(*args, [point] * draws, *close, threads=1)
        took = time.process_time() - start
        if size > 1000:
            print(
                f"| {size:,} | {draws} | {took:.1f} | {took / size / draws * 1e6:.2f} |", flush=True
            )


def times_of_pairs(size: int, draws: int) -> None:
    """CPU seconds a draw of two traits, the parameters those of mixer_pair_1."""
    rng = np.random.default_rng(0)
    some, lists = spectra(rng, 3000)
    which = rng.integers(0, len(some), size)
    z = rng.normal(0, 1.2, (size, 2))
    z[rng.random(size) < 0.003] *= 4
    args = (z, np.tile([1e5, 6e4], (size, 1)), some[which].astype(np.float32), nodes(K))
    own = np.array([x[0] for x in lists])[which]
    close = ((0.5 * args[2]).astype(np.float32), np.full(size, 10.0))
    sets = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 1]], bool)
    seconds = []
    for number in (1, 1, 1 + draws):  # the first compiles, and all prepare the data
        start = time.process_time()
        pair_given_z(*args, own, [truth()] * number, sets, *close, threads=1)
        seconds.append(time.process_time() - start)
    took = (seconds[2] - seconds[1]) / draws
    print(f"\nTwo traits, {size:,} variants: {took:.2f} CPU s a draw, {took / size * 1e6:.2f} us")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    errors(1 if quick else 8)
    times((30_000,) if quick else (100_000, 300_000), 10 if quick else 100)
    times_of_pairs(30_000 if quick else 300_000, 5)
