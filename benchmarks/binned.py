"""Binned NUTS of ten chromosomes and of a whole genome: time, k-hat, effective draws, and how far
its posterior means are from the exact ones.

    python benchmarks/binned.py PANEL_DIR REFERENCE [--shared ../shared] [--tiles 1 4]
        [--bins 1000] [--referee 600]

PANEL_DIR holds the unpacked 1000g_eur_hm3 panel, REFERENCE its LD reference by LD blocks
(benchmarks/simulated_traits.py builds it). z-scores are simulated through the panel's LD; a genome
of t tiles is t copies of the ten chromosomes, each with z-scores of its own. The referee is
importance sampling (PSIS) of the exact posterior from the Laplace fit, independent of the bins.
Times: seconds on the clock and of CPU; on a busy machine only the latter mean much.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import bayesmixer as bm
from bayesmixer.inference import binned, laplace, sampling
from bayesmixer.inference.density import LogDensity
from bayesmixer.simulation.effects import architecture
from bayesmixer.simulation.panel import panel_blocks, simulate_z

N = 100_000


def tiles(
    panel_dir: Path, reference: Path, blocks: Path, count: int, h2: float, pi: float
) -> xr.Dataset:
    """GwasData of `count` copies of the ten chromosomes, h2 in each a quarter of the genome's."""
    panel = panel_blocks(panel_dir / "1000g_eur_hm3.chr{chrom}", blocks, range(13, 23))
    v = panel.variants
    effects = architecture("univariate", h2 / 4, pi)
    z = simulate_z(
        panel, effects, [N], [1.05], rng=np.random.default_rng(11), replicates=count, show=False
    )["z"].values[:, :, 0]
    columns = {
        name: ("variant", v[name].to_numpy()) for name in ("snp", "chrom", "pos", "a1", "a2")
    }
    columns |= {"z": ("variant", z[0]), "n": ("variant", np.full(len(v), float(N)))}
    sumstats = xr.Dataset(
        columns,
        attrs={
            "kind": "sumstats",
            "source": "simulated",
            "trait": "simulated",
            "build": "GRCh37",
            "sha256": "",
            "filters": "{}",
        },
    )
    one = bm.align(
        sumstats,
        bm.open_reference(reference),
        blocks=blocks,
        ambiguous="keep",
        exclude_regions=(),
        progress=False,
    )
    place = {snp: i for i, snp in enumerate(v["snp"])}
    row = np.array([place[snp] for snp in one["snp"].values])
    assert np.allclose(one["z"].values[:, 0], z[0, row])
    labels = int(one["ld_block"].max()) + 1
    each = [
        one.drop_vars(
            [c for c in one.variables if "variant" not in one[c].dims and c != "trait"]
        ).assign(
            z=(("variant", "trait"), z[t, row][:, None]),
            ld_block=("variant", (one["ld_block"].values + t * labels).astype(np.int32)),
        )
        for t in range(count)
    ]
    data = xr.concat(each, "variant").assign(
        node_x=one["node_x"], h_bin_value=one["h_bin_value"], h_bin_count=one["h_bin_count"] * count
    )
    data.attrs = one.attrs | {
        "h_total": [float(h) * count for h in one.attrs["h_total"]],
        "n_reference": one.attrs["n_reference"] * count,
    }
    return data


def timed(label: str, function: Any, *args: Any, **options: Any) -> Any:
    wall, cpu = time.perf_counter(), time.process_time()
    out = function(*args, **options)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"  {label:42s} {wall:7.1f} s wall {cpu:7.1f} s CPU", flush=True)
    total[0] += wall
    total[1] += cpu
    return out


total = [0.0, 0.0]


def gradient_cpu(density: LogDensity, x: np.ndarray, repeats: int) -> float:
    """CPU seconds of one value and gradient."""
    density.value_and_gradient(x)
    began = time.process_time()
    for _ in range(repeats):
        density.value_and_gradient(x)
    return (time.process_time() - began) / repeats


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("panel", type=Path)
    p.add_argument("reference", type=Path)
    p.add_argument("--shared", type=Path, default=Path("../shared"))
    p.add_argument("--tiles", type=int, nargs="+", default=[1, 4])
    p.add_argument("--h2", type=float, default=0.5)
    p.add_argument("--pi", type=float, default=0.003)
    p.add_argument("--bins", type=int, default=binned.BINS)
    p.add_argument("--exact", type=int, default=binned.EXACT)
    p.add_argument(
        "--referee",
        type=int,
        default=600,
        help="draws of the exact posterior to compare with; 0 for none",
    )
    a = p.parse_args()
    for count in a.tiles:
        data = tiles(
            a.panel, a.reference, a.shared / "data/ld_blocks/eur_hg19.bed", count, a.h2, a.pi
        )
        print(
            f"{data.sizes['variant']:,} variants, {int((data['weight'] > 0).sum()):,} of "
            f"positive weight, {a.bins} bins",
            flush=True,
        )
        total[:] = 0.0, 0.0
        model = bm.models.univariate_mixer(data)
        found = timed("mode, exact (bm.fit, map)", bm.fit, model, "map", progress=False)["estimate"]
        density = LogDensity(model)
        mode = found["mode"].values
        covariance = found["covariance"].values
        surrogate = timed(
            "bins and expansion at the mode",
            binned.binned_density,
            density,
            mode,
            covariance,
            a.bins,
        )
        draws, stats = timed(
            "NUTS on the bins, 4 x 1,000 (compiling too)",
            sampling.run,
            surrogate,
            mode,
            covariance,
            sampler="nutpie",
            draws=1000,
            tune=300,
            chains=4,
            cores=2,
            seed=1,
            show=False,
        )
        result = timed(
            f"exact likelihood of {a.exact} draws",
            binned.reweight,
            density,
            surrogate,
            draws,
            a.exact,
            show=False,
        )
        print(f"  {'in all':42s} {total[0]:7.1f} s wall {total[1]:7.1f} s CPU")
        exact_s, bins_s = gradient_cpu(density, mode, 5), gradient_cpu(surrogate, mode, 200)
        print(
            f"  gradient: exact {exact_s * 1e3:.1f} ms CPU, binned {bins_s * 1e3:.2f} ms, "
            f"ratio {exact_s / bins_s:.0f}"
        )
        print(
            f"  leapfrog steps a draw {float(stats['n_steps'].mean()):.1f}, divergent "
            f"{int(stats['diverging'].sum())}"
        )
        print(
            f"  k-hat {result.pareto_k:.2f}, effective {result.effective:.1f} of "
            f"{len(result.proposals)}; sd of log p - log q {result.log_ratio_sd:.4f}"
        )
        print(
            "  shift of the means by re-weighting, sd:",
            " ".join(f"{n} {s:+.4f}" for n, s in zip(density.names, result.shift, strict=True)),
            flush=True,
        )
        if a.referee:
            bounds = density.box
            exact = timed(
                f"referee: {a.referee} exact draws",
                laplace.sample,
                density,
                mode,
                covariance,
                bounds,
                a.referee,
                np.random.default_rng(5),
                False,
            )
            w = np.exp(exact.log_weight)
            mean = w @ exact.proposals
            sd = np.sqrt(w @ (exact.proposals - mean) ** 2)
            ours = np.exp(result.log_weight) @ result.proposals
            print(
                "  binned, re-weighted minus exact mean, sd:",
                " ".join(
                    f"{n} {s:+.3f}" for n, s in zip(density.names, (ours - mean) / sd, strict=True)
                ),
            )
            print(
                "  all binned draws minus exact mean, sd:",
                " ".join(
                    f"{n} {s:+.3f}"
                    for n, s in zip(
                        density.names,
                        (draws.reshape(-1, mode.size).mean(0) - mean) / sd,
                        strict=True,
                    )
                ),
                f"(Monte-Carlo error of the referee {1 / np.sqrt(exact.effective):.3f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
