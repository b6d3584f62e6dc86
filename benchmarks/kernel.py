"""Speed and memory of the likelihood kernel: value and gradient per variant, threads, growth,
memory, number of parameters.

    python benchmarks/kernel.py [--quick]        two minutes; a shared machine wants a quiet moment

Times are the least of several interleaved runs, in microseconds per variant: CPU time where one
thread runs, time on the clock where several do. The first table runs the whole likelihood with the
frequencies that it chooses itself; the others the bulk alone (cosine sums, K = 24, 64 frequencies),
beside the prototype in ../shared/prototypes where that folder is there.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np

from bayesmixer.ld.spectrum import nodes
from bayesmixer.ops import kernel
from bayesmixer.ops.layout import LikelihoodData
from bayesmixer.ops.tables import real_table

PROTOTYPES = Path(__file__).parents[2] / "shared/prototypes"
N_REF, K, FREQUENCIES = 1e5, 24, 64
POINT = (np.array([3e-3]), np.array([2e-4]), 1.0)


def synthetic(variants: int, k: int = K, tail: float = 0.0) -> LikelihoodData:
    """Variants in blocks of 1,024, |z| < 4 but for a share `tail`."""
    rng = np.random.default_rng(0)
    z = np.clip(rng.normal(0, 1.3, variants), -3.99, 3.99)
    out = rng.random(variants) < tail
    z[out] = rng.uniform(5.6, 9, out.sum())
    spectrum = rng.gamma(1, 0.1, (variants, k)).astype(np.float32)
    return LikelihoodData(
        z,
        np.full(variants, N_REF),
        np.ones(variants),
        spectrum,
        nodes(k),
        np.arange(variants) // 1024,
    )


def fixed_frequencies(
    data: LikelihoodData, components: int, frequencies: int = FREQUENCIES
) -> Callable[[int], None]:
    """Value and gradient of the bulk with a given number of frequencies; the argument is the number
    of threads.
    """
    pi = np.repeat(POINT[0] / components, components)
    sigma2 = POINT[1] * np.arange(1, components + 1)
    bands = data.bands.z_limit.size
    m, ds = np.full(bands, frequencies), np.full(bands, 7.0 / frequencies)
    tables = np.zeros((bands, frequencies, data.node_x.size))
    d_tables = np.zeros((bands, 2 * components, frequencies, data.node_x.size))
    chunks, parts = data.chunks, data.parts

    def run(threads: int) -> None:
        for b in range(bands):
            real_table(
                data.node_x,
                ds[b] * np.arange(frequencies),
                N_REF,
                pi,
                sigma2,
                tables[b],
                d_tables[b],
            )
        loglik, jac = np.zeros(data.n_blocks), np.zeros((data.n_blocks, 2 * components + 1))

        def part(lo: int, hi: int) -> None:
            kernel.cosine_blocks(
                lo, hi, chunks, data.bands, m, ds, tables, d_tables, POINT[2], True, loglik, jac
            )

        if threads == 1:
            part(0, data.n_blocks)
        else:
            kernel.share_parts(part, parts, threads)

    return run


def prototype(
    variants: int, k: int = K, frequencies: int = FREQUENCIES
) -> Callable[[int], None] | None:
    """The prototype's kernel on data of the same size."""
    if not PROTOTYPES.is_dir():
        return None
    sys.path.insert(0, str(PROTOTYPES))
    from spectrum import nodes as prototype_nodes
    from spectrum import table
    from univariate_kernel import loglik_and_gradient

    rng, size = np.random.default_rng(0), 128
    blocks = variants // size
    spectra = rng.gamma(1, 0.1, (blocks, k, size))
    z = rng.normal(0, 1.3, (blocks, size))
    one = np.ones((blocks, size))
    ds = 7.0 / frequencies
    s, q = ds * np.arange(frequencies), np.full(frequencies, ds / np.pi)
    q[0] /= 2
    t = np.ascontiguousarray(table(prototype_nodes(k), s, 3e-3, 20.0).T)

    def run(threads: int) -> None:
        nb.set_num_threads(threads)
        loglik_and_gradient(spectra, z, one, one, t, 1.0, ds, q)

    return run


def least(
    runs: dict[Any, Callable[[], object]],
    repeats: int,
    clock: Callable[[], float] = time.process_time,
) -> dict[Any, float]:
    """Least time of each, all of them in turn so that a busy machine troubles them alike.

    A pause before each: threads of OpenMP, which the prototype may run on, go on spinning for some
    milliseconds after their work.
    """
    best = dict.fromkeys(runs, np.inf)
    for run in runs.values():
        run()
    for _ in range(repeats):
        for name, run in runs.items():
            time.sleep(0.02)
            start = clock()
            run()
            best[name] = min(best[name], clock() - start)
    return best


def beside_the_prototype(variants: int, repeats: int) -> None:
    run, other = fixed_frequencies(synthetic(variants), 1), prototype(variants)
    print(f"\nvalue and gradient, K = {K}, {FREQUENCIES} frequencies, {variants:,} variants\n")
    print("| threads | bayesmixer, us | prototype, us | ratio |\n| --: | --: | --: | --: |")
    for threads in (1, 2):
        runs: dict[Any, Callable[[], object]] = {"ours": partial(run, threads)}
        if other is not None:
            runs["prototype"] = partial(other, threads)
        best = {
            name: t / variants * 1e6
            for name, t in least(
                runs, repeats, time.process_time if threads == 1 else time.perf_counter
            ).items()
        }
        ratio = (
            f"{best['prototype']:.3f} | {best['ours'] / best['prototype']:.2f}"
            if other is not None
            else "absent | -"
        )
        print(f"| {threads} | {best['ours']:.3f} | {ratio} |", flush=True)


def by_parameters(variants: int, repeats: int) -> None:
    data = synthetic(variants)
    runs = {c: partial(fixed_frequencies(data, c), 1) for c in (1, 2, 4)}
    best = least(runs, repeats)
    print(f"\nparameters, K = {K}, {FREQUENCIES} frequencies, {variants:,} variants, one thread\n")
    print("| components | parameters | us | more than one component |\n| --: | --: | --: | --: |")
    for c, t in best.items():
        print(f"| {c} | {2 * c + 1} | {t / variants * 1e6:.3f} | {100 * (t / best[1] - 1):+.1f}% |")


def memory(reset: bool = False) -> float:
    """Peak resident memory in MB since the last reset (Linux), which starts the peak from what is
    held now.
    """
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1e3


def growth(sizes: tuple[int, ...], repeats: int) -> None:
    print("\nwhole likelihood, 0.3% of the variants beyond |z| = 5.5, value and gradient\n")
    print(
        f"| variants | one thread, us | {nb.get_num_threads()} threads, us | memory of the "
        "data, MB | added by evaluations, MB |\n| --: | --: | --: | --: | --: |"
    )
    for variants in sizes:
        data = synthetic(variants, tail=0.003)
        arguments = data.packed, data.tails, *POINT, True
        held, before = sum(v.nbytes for v in data.chunks) / 1e6, memory(reset=True)
        serial = least({0: partial(kernel.evaluate, *arguments, 1)}, repeats)[0]
        parallel = least(
            {0: partial(kernel.evaluate, *arguments, nb.get_num_threads())},
            repeats,
            time.perf_counter,
        )[0]
        best = [t / variants * 1e6 for t in (serial, parallel)]
        added = memory() - before
        print(
            f"| {variants:,} | {best[0]:.3f} | {best[1]:.3f} | {held:.0f} | {added:.0f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer repeats and variants")
    quick = parser.parse_args().quick
    small = synthetic(2048, tail=0.01)  # compile, so that this is not counted as memory
    kernel.evaluate(small.packed, small.tails, *POINT, True, 1)
    growth((75_000, 150_000) if quick else (75_000, 300_000, 1_200_000), 2 if quick else 6)
    beside_the_prototype(100_000 // 128 * 128, 5 if quick else 60)
    by_parameters(100_000 if quick else 400_000, 3 if quick else 12)


if __name__ == "__main__":
    main()
