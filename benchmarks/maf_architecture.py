"""Effects that depend on allele frequency: simulate with several S through real LD, fit with S = 0
and with S free, print what that does.

    python benchmarks/maf_architecture.py PANEL_DIR [--chromosomes 20 21 22]
        [--true-s -0.75 -0.5 0] [--replicates 4] [--work DIR]
    python benchmarks/maf_architecture.py PANEL_DIR --error [--work DIR]
    python benchmarks/maf_architecture.py PANEL_DIR --study [--replicates 200] [--processes 2]
        [--work DIR]

PANEL_DIR holds PLINK files whose names end in chr13.bed, .. (as 1000g_eur_hm3). The reference
(`--exponents`, LD blocks as windows, plain r^2) and the alignment are made once in --work; each
replicate is a row of --work/maf_architecture.jsonl, and a call goes on where the last one stopped.
pi and h2 are compared with the model's parameters.

With --error the interpolation in S is measured instead: log densities of chromosome 22 by
interpolated spectra against spectra built at S. With --study coverage is: modes with S free and
calibrated normal intervals on the unconstrained scale, as `bayesmixer coverage` makes them, by
default for S = -0.5 on all chromosomes of the panel; each replicate is a file in --work/study, and
a call goes on where the last one stopped.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import bayesmixer as bm
from bayesmixer.simulation.effects import architecture
from bayesmixer.simulation.panel import PanelBlocks, panel_blocks, simulate_z

EXPONENTS = (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25)
BETWEEN = (-0.93, -0.8, -0.6, -0.37, -0.12, 0.13)
SETTINGS = ((1e-3, 0.02, 1e5), (3e-3, 0.006, 2e5), (1e-2, 0.02, 5e5))  # pi, h2 of chromosome 22, N


def prefix_of(panel: Path) -> str:
    """Prefix of the panel's files with {chrom} in it."""
    found = sorted(panel.glob("*chr*.bed"))
    if not found:
        raise SystemExit(f"{panel}: no *chr*.bed files")
    return str(found[0]).rsplit("chr", 1)[0] + "chr{chrom}"


def built(prefix: str, a: argparse.Namespace) -> Path:
    """LD reference of the panel, made where it is not there or not complete."""
    path = Path(a.work / f"maf_{'-'.join(map(str, a.chromosomes))}.zarr")
    bm.build_reference(
        prefix, path, window=a.blocks, r2_rule="plain", chromosomes=a.chromosomes, maf_s=a.exponents
    )
    return path


def aligned(
    prefix: str, a: argparse.Namespace, panel: PanelBlocks
) -> tuple[xr.Dataset, np.ndarray]:
    """GwasData of the panel's own variants with any z, and their rows in the panel."""
    reference = built(prefix, a)
    v = panel.variants
    columns = {c: ("variant", v[c].to_numpy(object)) for c in ("snp", "chrom", "a1", "a2")}
    columns |= {
        "pos": ("variant", v["pos"].to_numpy()),
        "z": ("variant", np.random.default_rng(0).standard_normal(len(v))),
        "n": ("variant", np.full(len(v), float(a.n))),
    }
    attrs = {
        "kind": "sumstats",
        "source": "simulated",
        "trait": "simulated",
        "build": "GRCh37",
        "sha256": "",
        "filters": "{}",
    }
    data = bm.align(
        xr.Dataset(columns, attrs=attrs),
        reference,
        blocks=a.blocks,
        ambiguous="keep",
        exclude_regions=(),
    )
    place = pd.Series(
        np.arange(len(v)), index=pd.MultiIndex.from_frame(v[["chrom", "pos", "a1", "a2"]])
    )
    rows = place.loc[
        list(zip(*(data[c].values for c in ("chrom", "pos", "a1", "a2")), strict=True))
    ].to_numpy()
    return data, rows


def one(data: xr.Dataset, z: np.ndarray, method: str) -> dict[str, float]:
    """Estimates with S = 0 and S free, the 90% interval of the latter, and seconds."""
    here = data.assign(z=(data["z"].dims, z[:, None]))
    out: dict[str, float] = {}
    for label, s in (("fixed", 0.0), ("free", "free")):
        wall, cpu = time.perf_counter(), time.process_time()
        model = bm.models.univariate_mixer(here, maf_s=s)
        results = bm.fit(model, "map" if label == "fixed" else method, progress=False)
        out |= {
            f"{label}_wall": time.perf_counter() - wall,
            f"{label}_cpu": time.process_time() - cpu,
        }
        e = results["estimate"]
        out |= {f"{label}_{v}": float(e[v]) for v in ("h2", "pi", "sigma2_0", "maf_s") if v in e}
        out |= {
            f"{label}_log_likelihood": e.attrs["log_likelihood"],
            f"{label}_converged": int(e.attrs["converged"]),
        }
        if "posterior" in results.children:
            for v in ("h2", "pi", "maf_s"):
                low, high = np.quantile(results["posterior"][v].values, [0.05, 0.95])
                out |= {f"{label}_{v}_low": low, f"{label}_{v}_high": high}
            if "uncalibrated_posterior" in results.children:
                low, high = np.quantile(
                    results["uncalibrated_posterior"]["maf_s"].values, [0.05, 0.95]
                )
                out |= {"raw_maf_s_low": low, "raw_maf_s_high": high}
    return out


def table(rows: pd.DataFrame, a: argparse.Namespace) -> None:
    """What S does to h2 and pi, and how S is recovered."""
    names = f"{'S':>6s} {'n':>3s}  {'h2: S=0':>8s} {'S free':>7s}  {'pi: S=0':>8s} {'S free':>7s}"
    print(f"\n{names}  {'S mean':>7s} {'sd':>6s} {'width':>6s} {'90% covers':>10s}  2 dlogL")
    for s, part in rows.groupby("true_s"):
        ratio = [
            100 * (np.median(part[f"{k}_{v}"]) / t - 1)
            for v, t in (("h2", a.h2), ("pi", a.pi))
            for k in ("fixed", "free")
        ]
        inside, width = "", np.nan
        if "free_maf_s_low" in part:
            covers = (part["free_maf_s_low"] <= s) & (s <= part["free_maf_s_high"])
            inside = f"{covers.sum()}/{len(part)}"
            width = np.median(part["free_maf_s_high"] - part["free_maf_s_low"])
        gain = 2 * np.median(part["free_log_likelihood"] - part["fixed_log_likelihood"])
        print(
            f"{s:6.2f} {len(part):3d}  {ratio[0]:+7.1f}% {ratio[1]:+6.1f}%  {ratio[2]:+7.1f}% "
            f"{ratio[3]:+6.1f}%  {part['free_maf_s'].mean():7.3f} "
            f"{part['free_maf_s'].std():6.3f} {width:6.3f} {inside:>10s}  {gain:.1f}"
        )
    print(
        f"seconds a fit (median, wall / CPU): S = 0, map {rows['fixed_wall'].median():.1f} / "
        f"{rows['fixed_cpu'].median():.1f}; ",
        end="",
    )
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
    tree = bm.build_reference(
        prefix,
        a.work / "maf_error_22.zarr",
        window=a.blocks,
        r2_rule="plain",
        chromosomes=[22],
        maf_s=every,
    )
    ds = tree["22"].to_dataset().isel(variant=slice(None, None, 3)).load()
    x, h, variants = ds["node_x"].values, ds["heterozygosity"].values, ds.sizes["variant"]
    total = np.asarray(ds.attrs["h_total"])
    rng = np.random.default_rng(a.seed)
    z = rng.standard_normal((len(SETTINGS), variants))
    print(
        f"|d log p| where p > 1e-9, {variants} variants of chromosome 22, S in "
        f"{', '.join(map(str, BETWEEN))}; median / 99% / 99.9% / largest"
    )
    for label, held in sets.items():
        which = [every.index(float(s)) for s in held]
        data = gwas_data_from_arrays(
            z[0],
            1e5,
            ds["spectrum"].values[which],
            x,
            h,
            maf_s=[every[i] for i in which],
            h_total=total[which],
            reference_heterozygosity=h,
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
                found = log_density(
                    at,
                    size,
                    one_s["spectrum"].values[0],
                    one_s["node_x"].values,
                    [pi],
                    [sigma2 / one_s.attrs["strength_scale"]],
                    1.05,
                )
                off.append(np.abs(found - direct)[direct > np.log(1e-9)])
            e = np.concatenate(off)
            print(
                "  " + " ".join(f"{v:.0e}" for v in (*np.quantile(e, [0.5, 0.99, 0.999]), e.max())),
                end="",
                flush=True,
            )
        print()


def study(prefix: str, a: argparse.Namespace) -> None:
    """Coverage of intervals with S free, at one truth."""
    from scipy.stats import binomtest

    from bayesmixer.laboratory.replicates import Settings, recalibrated, work
    from bayesmixer.laboratory.table import coverage_table
    from bayesmixer.mixer.cell import Cell
    from bayesmixer.workers import run

    if len(a.true_s) > 1:
        raise SystemExit("--study: one --true-s at a time")
    cell = Cell(a.pi, a.n, a.h2, a.sigma2_0, a.true_s[0])
    reference, folder = built(prefix, a), a.work / "study"
    folder.mkdir(exist_ok=True)
    settings = Settings(
        prefix,
        a.blocks,
        str(reference),
        tuple(a.chromosomes),
        "univariate_mixer",
        "map",
        "weak",
        0,
        0,
        a.seed,
        {"maf_s": "free"},
    )
    name = f"{cell.name}-{'-'.join(map(str, a.chromosomes))}-seed{a.seed}"
    files = [folder / f"{name}-{r:04d}.parquet" for r in range(a.replicates)]
    todo = [(settings, cell, r, 1, str(file)) for r, file in enumerate(files) if not file.exists()]
    began = time.perf_counter()
    for i, path in enumerate(run(work, todo, a.processes), 1):
        row = pd.read_parquet(path).set_index("parameter")
        each = (time.perf_counter() - began) / i
        print(
            f"{Path(path).stem}: S {s_of(row.loc['logit_maf_s', 'estimate'], a):.3f}, "
            f"{row['seconds'].iloc[0]:.0f} s; {each:.0f} s each so far",
            flush=True,
        )
    rows = pd.concat(
        [
            recalibrated(pd.read_parquet(file), file.with_suffix(".npz"))
            for file in files
            if file.exists()
        ],
        ignore_index=True,
    )
    t = coverage_table(rows, Cell).set_index("parameter")
    print(
        f"\n{cell.name}, chromosomes {' '.join(map(str, a.chromosomes))}, mean chi2 "
        f"{t['mean_chi2'].iloc[0]:.2f}"
    )
    print(
        f"{'parameter':16s} {'n':>4s} {'bias/sd':>8s} {'width':>6s}  {'90% covers':>10s} "
        f"{'95% Wilson':>14s}  {'raw covers':>10s}"
    )
    for parameter, row in t.iterrows():
        n, k = int(row["replicates"]), round(row["cover90"] * row["replicates"])
        low, high = binomtest(k, n).proportion_ci(method="wilson")
        ratio = f"{row['bias'] / row['sampling_sd']:+8.2f} {row['width_ratio']:6.2f}"
        print(
            f"{parameter:16s} {n:4d} {ratio}  {100 * k / n:9.1f}% {100 * low:6.1f} to "
            f"{100 * high:5.1f}  {100 * row['raw_cover90']:9.1f}%"
        )
    of_s = rows[rows["parameter"] == "logit_maf_s"]
    s, low, high = (s_of(of_s[c].to_numpy(), a) for c in ("estimate", "low90", "high90"))
    print(
        f"S: mean {s.mean():.3f}, sd {s.std(ddof=1):.3f}, true {cell.maf_s:g}; median width of "
        f"the 90% interval {np.median(high - low):.3f}"
    )
    once = rows.drop_duplicates("replicate")
    print(
        f"converged {once['converged'].mean():.0%}, flagged "
        f"{(once['concerns'] != '').mean():.0%}, at the edge "
        f"{(once['at_bound'] != '').mean():.0%}; "
        f"seconds a fit (median, wall / CPU) {once['seconds'].median():.1f} / "
        f"{once['cpu_seconds'].median():.1f}"
    )


def s_of(logit: Any, a: argparse.Namespace) -> Any:
    """S from its place in the range of the exponents on the logit scale."""
    return min(a.exponents) + (max(a.exponents) - min(a.exponents)) / (1 + np.exp(-logit))


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("panel", type=Path)
    p.add_argument("--blocks", default="eur_hg19")
    p.add_argument("--chromosomes", nargs="+", help="default 20 21 22; --study: all of the panel")
    p.add_argument("--exponents", type=float, nargs="+", default=list(EXPONENTS))
    p.add_argument("--true-s", type=float, nargs="+", help="default -0.75 -0.5 0; --study: -0.5")
    p.add_argument("--replicates", type=int, help="default 4; --study: 200")
    p.add_argument("--pi", type=float, default=3e-3)
    p.add_argument("--h2", type=float, help="default 0.05; --study: 0.3")
    p.add_argument("--n", type=float, help="default 300,000; --study: 100,000")
    p.add_argument("--sigma2-0", type=float, default=1.05)
    p.add_argument("--method", default="laplace")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--processes", type=int, help="of --study; one a core by default")
    p.add_argument("--work", type=Path, default=Path("demo_output"))
    p.add_argument("--error", action="store_true")
    p.add_argument("--study", action="store_true")
    a = p.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    prefix = prefix_of(a.panel)
    every = sorted(
        (path.stem.rsplit("chr", 1)[1] for path in a.panel.glob("*chr*.bed")),
        key=lambda c: (len(c), c),
    )
    defaults = (
        (every, [-0.5], 200, 0.3, 1e5)
        if a.study
        else (["20", "21", "22"], [-0.75, -0.5, 0.0], 4, 0.05, 3e5)
    )
    for name, value in zip(
        ("chromosomes", "true_s", "replicates", "h2", "n"), defaults, strict=True
    ):
        setattr(a, name, value if getattr(a, name) is None else getattr(a, name))
    if a.error or a.study:
        (error if a.error else study)(prefix, a)
        return
    warnings.simplefilter("ignore", bm.DataWarning)
    blocks = panel_blocks(prefix, a.blocks, a.chromosomes)
    data, rows = aligned(prefix, a, blocks)
    print(
        f"{data.sizes['variant']:,} variants, effective {float(data['weight'].sum()):,.0f}, "
        f"{int(data['ld_block'].max()) + 1} LD blocks",
        flush=True,
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
            z = simulate_z(
                blocks,
                architecture("univariate", a.h2, a.pi, maf_s=s),
                [a.n],
                [a.sigma2_0],
                rng=rng,
                show=False,
            )["z"].values[0, rows, 0]
            row = {**cell, "true_s": s, "replicate": replicate, **one(data, z, a.method)}
            done.append(row)
            with file.open("a") as out:
                out.write(json.dumps(row) + "\n")
            low, high = row.get("free_maf_s_low", np.nan), row.get("free_maf_s_high", np.nan)
            print(
                f"replicate {replicate}, S {s:5.2f}: S {row['free_maf_s']:6.3f} [{low:6.3f}, "
                f"{high:6.3f}]  {row['free_cpu']:.0f} s CPU",
                flush=True,
            )
    table(
        pd.DataFrame(
            [row for row in done if row["true_s"] in a.true_s and row["replicate"] < a.replicates]
        ),
        a,
    )


if __name__ == "__main__":
    main()
