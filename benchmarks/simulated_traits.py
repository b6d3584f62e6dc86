"""Fit the simulated traits of a folder through real LD and print truth beside 90% intervals.

    python benchmarks/simulated_traits.py PANEL_DIR [--shared ../shared] [--method laplace]
        [--traits mixer_pair_1/1 ...] [--work DIR] [--starts 20]

PANEL_DIR holds the unpacked 1000g_eur_hm3 panel. The reference is built as the data's README says:
LD blocks as windows, plain r^2. Times are wall and CPU seconds of this run; a fit is made once
before it is timed, so that compilation is not counted.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import bayesmixer as bm
from bayesmixer.io.saved import save

TRAITS = [
    f"{pair}/{t}" for pair in ("mixer_pair_1", "mixer_pair_2", "infinitesimal_1") for t in (1, 2)
]


def sumstats_of(panel: Path, folder: Path, trait: int) -> tuple[xr.Dataset, dict]:
    """The z file of one trait as a Sumstats dataset, and its truth."""
    truth = json.loads((folder / "truth.json").read_text())
    names = ["chrom", "snp", "cm", "pos", "a1", "a2"]
    bim = pd.concat(
        [
            pd.read_csv(
                panel / f"1000g_eur_hm3.chr{c}.bim",
                sep="\t",
                header=None,
                names=names,
                dtype={"chrom": str},
            )
            for c in truth["chromosomes"]
        ]
    )
    with gzip.open(folder / f"trait{trait}.z.gz", "rt") as file:
        z = np.loadtxt(file)
    data = {v: ("variant", bim[v].to_numpy(object)) for v in ("snp", "chrom", "a1", "a2")}
    data |= {
        "pos": ("variant", bim["pos"].to_numpy()),
        "z": ("variant", z),
        "n": ("variant", np.full(z.size, float(truth["n"][trait - 1]))),
    }
    attrs = {
        "kind": "sumstats",
        "source": f"{folder.name}/trait{trait}.z.gz",
        "trait": f"{folder.name}/{trait}",
        "build": "GRCh37",
        "sha256": "",
        "filters": "{}",
    }
    return xr.Dataset(data, attrs=attrs), truth


def timed(label: str, function, *args, **options):
    wall, cpu = time.perf_counter(), time.process_time()
    out = function(*args, **options)
    print(
        f"  {label}: {time.perf_counter() - wall:.1f} s wall, {time.process_time() - cpu:.1f} "
        "s CPU",
        flush=True,
    )
    return out


def line(name: str, results: xr.DataTree, truth: float) -> str:
    """Estimate, 90% interval (calibrated), the likelihood's own, and the truth."""
    text = f"  {name:9s} map {float(results['estimate'][name]):8.5f}"
    for group, label in (("posterior", "90%"), ("uncalibrated_posterior", "uncalibrated")):
        if group in results.children:
            low, high = np.quantile(results[group][name].values, [0.05, 0.95])
            text += (
                f"  {label} [{low:8.5f}, {high:8.5f}]  "
                f"{'inside' if low <= truth <= high else 'OUTSIDE'}"
            )
    return f"{text}  truth {truth:.5f}"


def ends_apart(results: xr.DataTree) -> str:
    """Distance of the ends of the draws' calibrated 90% intervals from those of the normal one
    around the mode (the coverage study's), in its own se.
    """
    estimate, out = results["estimate"], []
    sd = np.sqrt(np.diag(results["calibration"]["covariance"].values))
    for i, name in enumerate(estimate["parameter"].values):
        draws = results["unconstrained_posterior"][str(name)].values
        ends = (np.quantile(draws, [0.05, 0.95]) - float(estimate["mode"].values[i])) / sd[
            i
        ] - np.array([-1.645, 1.645])
        out.append(f"{name} {ends[0]:+.2f} {ends[1]:+.2f}")
    return ", ".join(out)


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("panel", type=Path)
    p.add_argument("--shared", type=Path, default=Path("../shared"))
    p.add_argument("--method", default="laplace")
    p.add_argument("--prior", default="weak")
    p.add_argument("--traits", nargs="+", default=TRAITS)
    p.add_argument("--work", type=Path, default=Path("demo_output"))
    p.add_argument(
        "--starts",
        type=int,
        default=0,
        help="also climb from this many scattered starts and compare the optima",
    )
    p.add_argument(
        "--two-component", action="store_true", help="fit two effect sizes as well, by MAP"
    )
    a = p.parse_args()
    warnings.simplefilter("always", bm.DataWarning)
    a.work.mkdir(parents=True, exist_ok=True)
    blocks = a.shared / "data/ld_blocks/eur_hg19.bed"
    reference = timed(
        "reference",
        bm.build_reference,
        str(a.panel / "1000g_eur_hm3.chr{chrom}"),
        a.work / "eur_blocks.zarr",
        window=blocks,
        r2_rule="plain",
    )
    warm = True
    for name in a.traits:
        pair, t = name.split("/")
        sumstats, truth = sumstats_of(a.panel, a.shared / "data/sumstats" / pair, int(t))
        print(name, flush=True)
        data = timed(
            "align",
            bm.align,
            sumstats,
            reference,
            blocks=blocks,
            ambiguous="keep",
            exclude_regions=(),
        )
        if warm:
            bm.fit(bm.models.univariate_mixer(data, prior=a.prior), "map")
            warm = False
        model = bm.models.univariate_mixer(data, prior=a.prior)
        mode = timed("map", bm.fit, model, "map")
        e = mode["estimate"].attrs
        print(
            f"  gradients {e['gradient_evaluations']}, converged {e['converged']}, BIC "
            f"{e['bic']:.2f}, of the infinitesimal model {e['bic_infinitesimal']:.2f}"
        )
        if a.starts:
            scattered = timed(
                f"{a.starts} scattered starts", bm.fit, model, "map", starts=a.starts
            )["estimate"]
            sd = np.sqrt(np.diag(scattered["covariance"].values))
            apart = np.abs(scattered["optimum"].values - mode["estimate"]["mode"].values) / sd
            print(
                f"  largest distance of an optimum from the mode: {apart.max():.2g} sd; all "
                f"converged: {bool(scattered['optimum_converged'].all())}"
            )
        if a.two_component:
            two = timed(
                "two components, map",
                bm.fit,
                bm.models.two_component_mixer(data, prior=a.prior),
                "map",
            )["estimate"].attrs
            print(f"  two components: BIC {two['bic']:.2f}, one {e['bic']:.2f}")
        results = mode if a.method == "map" else timed(a.method, bm.fit, model, a.method)
        for variable, value in (
            ("h2", truth["h2_realised"][int(t) - 1]),
            ("pi", truth["polygenicity"][int(t) - 1]),
            ("sigma2_0", truth["sigma2_zero"][int(t) - 1]),
        ):
            print(line(variable, results, value))
        if "uncalibrated_posterior" in results.children:
            print(f"  calibrated draws against the normal interval: {ends_apart(results)} se")
        if "sample_stats" in results.children:
            print(
                "  statistics",
                {
                    k: round(v, 3) if isinstance(v, float) else v
                    for k, v in results["sample_stats"].attrs.items()
                    if np.isscalar(v)
                },
            )
            if a.method == "nuts":
                print(bm.summary(results).to_string())
        save(results, a.work / f"{pair}_{t}_{a.method}.nc")


if __name__ == "__main__":
    main()
