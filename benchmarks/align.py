"""Time and memory of align against the number of variants, on a made-up reference of human shape.

    python benchmarks/align.py [--variants 100000 300000 1100000] [--neighbours 30] [--traits 1]

The reference has 22 chromosomes, spectra of 24 nodes and, for each variant, neighbours on both
sides with r^2 >= 0.1. Prints one line a size: wall time of each rule of matching (and CPU time of
the first), of the pruning alone, and the process's peak memory (the made-up reference included).
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import xarray as xr

from bayesmixer.ld.align import align
from bayesmixer.ld.weights import pruning_weights

K = 24
LENGTHS = np.array(
    [
        249,
        243,
        198,
        191,
        181,
        171,
        159,
        146,
        141,
        136,
        135,
        134,
        115,
        107,
        103,
        90,
        81,
        78,
        59,
        63,
        48,
        51,
    ]
)


def chromosome(name: str, m: int, neighbours: int, rng: np.random.Generator) -> xr.Dataset:
    pos = np.sort(rng.choice(int(LENGTHS[int(name) - 1] * 1e6), m, replace=False)) + 1
    freq = rng.uniform(0.01, 0.99, m)
    offsets = np.concatenate([np.arange(-(neighbours // 2), 0), np.arange(1, neighbours // 2 + 1)])
    columns = np.arange(m)[:, None] + offsets
    inside = (columns >= 0) & (columns < m)
    r2 = np.broadcast_to(np.maximum(0.9 ** np.abs(offsets), 0.1).astype(np.float32), columns.shape)[
        inside
    ]
    spectrum = rng.random((1, m, K), dtype=np.float32)
    letters = np.array(["A", "C", "G", "T"], dtype=object)
    first = rng.integers(0, 4, m)
    h = 2 * freq * (1 - freq)
    v = "variant"
    data = {
        "snp": (v, np.array([f"rs{name}{i:06d}" for i in range(m)], dtype=object)),
        "chrom": (v, np.full(m, name, dtype=object)),
        "pos": (v, pos.astype(np.int64)),
        "cm": (v, pos / 1e6),
        "a1": (v, letters[first]),
        "a2": (v, letters[(first + rng.integers(1, 4, m)) % 4]),
        "freq": (v, freq),
        "heterozygosity": (v, h),
        "ld_score": (v, rng.uniform(1, 200, m)),
        "ld_score_h": (("maf_s", v), spectrum.sum(-1).astype(float)),
        "spectrum": (("maf_s", v, "node"), spectrum),
        "ld_below": (("maf_s", v), np.zeros((1, m))),
        "ld_block": (v, np.full(m, -1, np.int32)),
        "neighbour_indptr": ("variant_edge", np.concatenate([[0], np.cumsum(inside.sum(1))])),
        "neighbour_index": ("edge", columns[inside].astype(np.int32)),
        "neighbour_r2": ("edge", r2),
        "h_bin_value": ("h_bin", np.linspace(0.0025, 0.4975, 100)),
        "h_bin_count": ("h_bin", np.full(100, m // 100)),
    }
    coords = {"node_x": ("node", np.linspace(0.5, 0, K)), "maf_s": [0.0]}
    return xr.Dataset(data, coords=coords, attrs={"h_total": [float(h.sum())], "n_reference": m})


def make(
    variants: int, neighbours: int, rng: np.random.Generator
) -> tuple[xr.DataTree, xr.Dataset]:
    shares = np.maximum(1, np.round(variants * LENGTHS / LENGTHS.sum())).astype(int)
    tree = {
        f"/{c + 1}": chromosome(str(c + 1), int(m), neighbours, rng) for c, m in enumerate(shares)
    }
    columns = {
        v: np.concatenate([ds[v].values for ds in tree.values()])
        for v in ("snp", "chrom", "pos", "a1", "a2", "freq")
    }
    m = len(columns["pos"])
    # a GWAS in its own order, half of its alleles swapped
    order, swapped = rng.permutation(m), rng.random(m) < 0.5
    a1 = np.where(swapped, columns["a2"], columns["a1"])
    a2 = np.where(swapped, columns["a1"], columns["a2"])
    eaf = np.where(swapped, 1 - columns["freq"], columns["freq"])
    gwas = {
        **{v: columns[v] for v in ("snp", "chrom", "pos")},
        "a1": a1,
        "a2": a2,
        "eaf": eaf,
        "z": rng.standard_normal(m),
        "n": np.full(m, 1e5),
    }
    sumstats = xr.Dataset(
        {k: ("variant", a[order]) for k, a in gwas.items()},
        attrs={"source": "made.txt", "trait": "made"},
    )
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs={"kind": "reference"}), **tree}), sumstats


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variants", type=int, nargs="+", default=[100_000, 300_000, 1_100_000])
    parser.add_argument("--neighbours", type=int, default=30)
    parser.add_argument("--traits", type=int, default=1)
    options = parser.parse_args()
    align(*reversed(make(2000, 4, np.random.default_rng(0))))  # compile
    print(
        "variants  pairs      auto s  CPU s   id s   position s  no pruning s  pruning alone s "
        " peak GiB"
    )
    for variants in options.variants:
        reference, sumstats = make(variants, options.neighbours, np.random.default_rng(1))
        gwas = {f"t{i}": sumstats for i in range(options.traits)}
        seconds, cpu = [], []
        for arguments in ({}, {"by": "id"}, {"by": "position"}, {"weights": "none"}):
            start, busy = time.perf_counter(), time.process_time()
            align(gwas, reference, **arguments)
            seconds.append(time.perf_counter() - start)
            cpu.append(time.process_time() - busy)
        start = time.perf_counter()
        for ds in reference.children.values():
            pruning_weights(
                ds["neighbour_indptr"].values,
                ds["neighbour_index"].values,
                ds["neighbour_r2"].values,
            )
        alone = time.perf_counter() - start
        pairs = sum(ds.sizes["edge"] for ds in reference.children.values())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        times = (
            f"{seconds[0]:6.1f} {cpu[0]:6.1f} {seconds[1]:6.1f} {seconds[2]:8.1f} "
            f"{seconds[3]:12.1f} {alone:15.1f}"
        )
        print(f"{variants:9,} {pairs:10,} {times} {peak:13.2f}", flush=True)


if __name__ == "__main__":
    main()
