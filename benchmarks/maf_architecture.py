"""Effects that depend on allele frequency: simulate with several S through real LD, fit with S = 0 and with S free, print what that does.

    python benchmarks/maf_architecture.py PANEL_DIR [--blocks eur_hg19] [--chromosomes 20 21 22] [--true-s -0.75 -0.5 0] [--replicates 4] [--work DIR]

PANEL_DIR holds PLINK files whose names end in chr13.bed, .. (as 1000g_eur_hm3). The reference (`--exponents`, LD blocks as windows, plain r^2) and the alignment
are made once in --work; each replicate is a row of --work/maf_architecture.jsonl, and a call goes on where the last one stopped. pi and h2 are compared with
the model's parameters. With --error the interpolation in S is measured instead: log densities of chromosome 22 by interpolated spectra against spectra built at S.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import bayesmixer as bm
from bayesmixer.simulation_effects import architecture
from bayesmixer.simulation_panel import PanelBlocks, panel_blocks, simulate_z

EXPONENTS = (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25)
BETWEEN = (-0.93, -0.8, -0.6, -0.37, -0.12, 0.13)
SETTINGS = ((1e-3, 0.02, 1e5), (3e-3, 0.006, 2e5), (1e-2, 0.02, 5e5))  # pi, h2 of chromosome 22, N


def prefix_of(panel: Path) -> str:
    """Prefix of the panel's files with {chrom} in it."""
    found = sorted(panel.glob("*chr*.bed"))
    if not found:
        raise SystemExit(f"{panel}: no *chr*.bed files")
    return str(found[0]).rsplit("chr", 1)[0] + "chr{chrom}"


def aligned(prefix: str, a: argparse.Namespace, panel: PanelBlocks) -> tuple[xr.Dataset, np.ndarray]:
    """GwasData of the panel's own variants with any z, and their rows in the panel."""
    name = "-".join(map(str, a.chromosomes))
    reference = bm.build_reference(
        prefix, a.work / f"maf_{name}.zarr", window=a.blocks, r2_rule="plain", chromosomes=a.chromosomes, maf_s=a.exponents
    )
    v = panel.variants
    columns = {c: ("variant", v[c].to_numpy(object)) for c in ("snp", "chrom", "a1", "a2")}
    columns |= {"pos": ("variant", v["pos"].to_numpy()), "z": ("variant", np.zeros(len(v))), "n": ("variant", np.full(len(v), float(a.n)))}
    attrs = {"kind": "sumstats", "source": "simulated", "trait": "simulated", "build": "GRCh37", "sha256": "", "filters": "{}"}
    data = bm.align(xr.Dataset(columns, attrs=attrs), reference, blocks=a.blocks, ambiguous="keep", exclude_regions=())
    place = pd.Series(np.arange(len(v)), index=pd.MultiIndex.from_frame(v[["chrom", "pos", "a1", "a2"]]))
    rows = place.loc[list(zip(*(data[c].values for c in ("chrom", "pos", "a1", "a2")), strict=True))].to_numpy()
    return data, rows


def one(data: xr.Dataset, z: np.ndarray, method: str) -> dict[str, float]:
    """Estimates with S = 0 and S free, the 90% interval of the latter, and seconds."""
    here = data.assign(z=(data["z"].dims, z[:, None]))
    out: dict[str, float] = {}
    for label, s in (("fixed", 0.0), ("free", "free")):
        wall, cpu = time.perf_counter(), time.process_time()
        model = bm.models.univariate_mixer(here, maf_s=s)
        results = bm.fit(model, "map" if label == "fixed" else method, progress=False)
        out |= {f"{label}_wall": time.perf_counter() - wall, f"{label}_cpu": time.process_time() - cpu}
        e = results["estimate"]
        out |= {f"{label}_{v}": float(e[v]) for v in ("h2", "pi", "sigma2_0", "maf_s") if v in e}
        out |= {f"{label}_log_likelihood": e.attrs["log_likelihood"], f"{label}_converged": int(e.attrs["converged"])}
        if "posterior" in results.children:
            for v in ("h2", "pi", "maf_s"):
                low, high = np.quantile(results["posterior"][v].values, [0.05, 0.95])
                out |= {f"{label}_{v}_low": low, f"{label}_{v}_high": high}
            if "uncalibrated_posterior" in results.children:
                low, high = np.quantile(results["uncalibrated_posterior"]["maf_s"].values, [0.05, 0.95])
                out |= {"raw_maf_s_low": low, "raw_maf_s_high": high}
    return out


def table(rows: pd.DataFrame, a: argparse.Namespace) -> None:
    """What S does to h2 and pi, and how S is recovered."""
    names = f"{'S':>6s} {'n':>3s}  {'h2: S=0':>8s} {'S free':>7s}  {'pi: S=0':>8s} {'S free':>7s}"
    print(f"\n{names}  {'S mean':>7s} {'sd':>6s} {'width':>6s} {'90% covers':>10s}  2 dlogL")
    for s, part in rows.groupby("true_s"):
        ratio = [100 * (np.median(part[f"{k}_{v}"]) / t - 1) for v, t in (("h2", a.h2), ("pi", a.pi)) for k in ("fixed", "free")]
        inside, width = "", np.nan
        if "free_maf_s_low" in part:
            covers = (part["free_maf_s_low"] <= s) & (s <= part["free_maf_s_high"])
            inside, width = f"{covers.sum()}/{len(part)}", np.median(part["free_maf_s_high"] - part["free_maf_s_low"])
        gain = 2 * np.median(part["free_log_likelihood"] - part["fixed_log_likelihood"])
        print(
            f"{s:6.2f} {len(part):3d}  {ratio[0]:+7.1f}% {ratio[1]:+6.1f}%  {ratio[2]:+7.1f}% {ratio[3]:+6.1f}%  {part['free_maf_s'].mean():7.3f} "
            f"{part['free_maf_s'].std():6.3f} {width:6.3f} {inside:>10s}  {gain:.1f}"
        )
    print(f"seconds a fit (median, wall / CPU): S = 0, map {rows['fixed_wall'].median():.1f} / {rows['fixed_cpu'].median():.1f}; ", end="")
    print(f"S free, {a.method} {rows['free_wall'].median():.1f} / {rows['free_cpu'].median():.1f}")


def error(prefix: str, a: argparse.Namespace) -> None:
    """Error of log p from interpolated spectra, by the exponents that the reference holds."""
    from bayesmixer.ld.exponents import at_exponent
    from bayesmixer.ld.gwas_data import gwas_data_from_arrays
    from bayesmixer.ops.likelihood import log_density

    def chebyshev(n: int) -> np.ndarray:
        return np.round(-0.375 - 0.625 * np.cos(np.pi * np.arange(n) / (n - 1)), 6)

    sets = {"0.25 apart, -1 to 0": EXPONENTS[:-1], "0.25 apart, -1 to 0.25": EXPONENTS} | {
        f"{n} Chebyshev, -1 to 0.25": chebyshev(n) for n in range(3, 9)
    }
    every = sorted({float(s) for held in sets.values() for s in held} | set(BETWEEN))
    tree = bm.build_reference(prefix, a.work / "maf_error_22.zarr", window=a.blocks, r2_rule="plain", chromosomes=[22], maf_s=every)
    ds = tree["22"].to_dataset().isel(variant=slice(None, None, 3)).load()
    x, h, variants = ds["node_x"].values, ds["heterozygosity"].values, ds.sizes["variant"]
    total = np.asarray(ds.attrs["h_total"])
    rng = np.random.default_rng(a.seed)
    z = rng.standard_normal((len(SETTINGS), variants))
    print(f"|d log p| where p > 1e-9, {variants} variants of chromosome 22, S in {', '.join(map(str, BETWEEN))}; median / 99% / 99.9% / largest")
    for label, held in sets.items():
        which = [every.index(float(s)) for s in held]
        data = gwas_data_from_arrays(
            z[0], 1e5, ds["spectrum"].values[which], x, h, maf_s=[every[i] for i in which], h_total=total[which], reference_heterozygosity=h
        )
        print(f"{label:26s}", end="")
        for (pi, h2, n), draw in zip(SETTINGS, z, strict=True):
            off = []
            for s in (v for v in BETWEEN if v < held[-1]):
                true = every.index(s)
                spectrum, sigma2 = ds["spectrum"].values[true], h2 / (pi * total[true])
                at = draw * np.sqrt(1.05 + n * pi * sigma2 * spectrum.sum(1))
                one_s = at_exponent(data, s)
                size = np.full(variants, n)
                direct = log_density(at, size, spectrum, x, [pi], [sigma2], 1.05)
                found = log_density(at, size, one_s["spectrum"].values, x, [pi], [sigma2 / one_s.attrs["strength_scale"]], 1.05)
                off.append(np.abs(found - direct)[direct > np.log(1e-9)])
            e = np.concatenate(off)
            print("  " + " ".join(f"{v:.0e}" for v in (*np.quantile(e, [0.5, 0.99, 0.999]), e.max())), end="", flush=True)
        print()


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("panel", type=Path)
    p.add_argument("--blocks", default="eur_hg19")
    p.add_argument("--chromosomes", nargs="+", default=["20", "21", "22"])
    p.add_argument("--exponents", type=float, nargs="+", default=list(EXPONENTS))
    p.add_argument("--true-s", type=float, nargs="+", default=[-0.75, -0.5, 0.0])
    p.add_argument("--replicates", type=int, default=4)
    p.add_argument("--pi", type=float, default=3e-3)
    p.add_argument("--h2", type=float, default=0.05)
    p.add_argument("--n", type=float, default=300_000)
    p.add_argument("--sigma2-0", type=float, default=1.05)
    p.add_argument("--method", default="laplace")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--work", type=Path, default=Path("demo_output"))
    p.add_argument("--error", action="store_true")
    a = p.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    prefix = prefix_of(a.panel)
    if a.error:
        error(prefix, a)
        return
    warnings.simplefilter("ignore", bm.DataWarning)
    blocks = panel_blocks(prefix, a.blocks, a.chromosomes)
    data, rows = aligned(prefix, a, blocks)
    print(
        f"{data.sizes['variant']:,} variants, effective {float(data['weight'].sum()):,.0f}, {int(data['ld_block'].max()) + 1} LD blocks", flush=True
    )
    file = a.work / "maf_architecture.jsonl"
    cell = {
        "chromosomes": "-".join(map(str, a.chromosomes)),
        "pi": a.pi,
        "h2": a.h2,
        "n": a.n,
        "sigma2_0": a.sigma2_0,
        "method": a.method,
        "seed": a.seed,
    }
    done = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = [row for row in done if all(row[k] == v for k, v in cell.items())]
    for replicate in range(a.replicates):
        for s in a.true_s:
            if any(row["true_s"] == s and row["replicate"] == replicate for row in done):
                continue
            rng = np.random.default_rng([a.seed, replicate, round(1000 * (s + 2))])
            z = simulate_z(blocks, architecture("univariate", a.h2, a.pi, maf_s=s), [a.n], [a.sigma2_0], rng=rng, show=False)["z"].values[0, rows, 0]
            row = {**cell, "true_s": s, "replicate": replicate, **one(data, z, a.method)}
            done.append(row)
            with file.open("a") as out:
                out.write(json.dumps(row) + "\n")
            low, high = row.get("free_maf_s_low", np.nan), row.get("free_maf_s_high", np.nan)
            print(f"replicate {replicate}, S {s:5.2f}: S {row['free_maf_s']:6.3f} [{low:6.3f}, {high:6.3f}]  {row['free_cpu']:.0f} s CPU", flush=True)
    table(pd.DataFrame([row for row in done if row["true_s"] in a.true_s and row["replicate"] < a.replicates]), a)


if __name__ == "__main__":
    main()
