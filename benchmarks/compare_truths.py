"""Which model do BIC and leave-one-block-out choose, under an infinitesimal, a point-normal and a
two-Gaussian truth, through real LD?

    python benchmarks/compare_truths.py PANEL --reference REF.zarr --ld-blocks BLOCKS.bed
        --replicates 50 --out choices.parquet

PANEL is the prefix of the panel's PLINK files with {chrom} in it; REF.zarr the reference built of
it with the LD blocks as windows and plain r^2. Each replicate is fitted by the three univariate
models (weak priors; mode, then Laplace draws), compared by bayesmixer.compare and written to --out
at once, so that the same command goes on where it was interrupted. LD, weights and spectra are the
same for all replicates: the data are aligned once and z replaced.

The infinitesimal truth asks that infinitesimal be chosen or tie; the others that the true model be
chosen. The printed shares have 95% Wilson intervals.
"""

from __future__ import annotations

import argparse
import time
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import bayesmixer as bm
from bayesmixer.errors import InputError
from bayesmixer.fingerprint import fingerprint
from bayesmixer.inference import laplace
from bayesmixer.inference.compare import TIE, compare
from bayesmixer.inference.density import LogDensity
from bayesmixer.progress import track
from bayesmixer.results import log_likelihood_group
from bayesmixer.simulation.effects import Architecture, architecture
from bayesmixer.simulation.panel import PanelBlocks, panel_blocks, simulate_z

MODELS = ("infinitesimal", "univariate_mixer", "two_component_mixer")
BATCH = 5  # replicates simulated together


@dataclass(frozen=True)
class Truth:
    """Effects, sample size and error variance."""

    effects: Architecture
    n: float
    sigma2_0: float = 1.05


MODEL_OF = {
    "infinitesimal": "infinitesimal",
    "point_normal": "univariate_mixer",
    "two_gaussian": "two_component_mixer",
}


def truth_of(name: str, h2: float) -> Truth:
    """The three truths, at a given h2."""
    effects, n = {
        "infinitesimal": (architecture("infinitesimal", h2), 100_000),
        "point_normal": (architecture("univariate", h2, 3e-3), 100_000),
        "two_gaussian": (architecture("two_component", h2, (1e-2, 3e-4), share_large=0.4), 200_000),
    }[name]
    return Truth(effects, n)


def aligned(panel: PanelBlocks, reference: str, ld_blocks: str) -> tuple[xr.Dataset, np.ndarray]:
    """GwasData of the panel's variants, z to be replaced, and the panel's row of each."""
    v = panel.variants
    columns = {
        name: ("variant", v[name].astype(str).to_numpy(object))
        for name in ("snp", "chrom", "a1", "a2")
    }
    columns |= {
        "pos": ("variant", v["pos"].to_numpy()),
        "z": ("variant", np.random.default_rng(0).standard_normal(len(v))),
        "n": ("variant", np.full(len(v), 1e5)),
    }
    attrs = {
        "kind": "sumstats",
        "source": "simulated",
        "trait": "simulated",
        "build": "",
        "sha256": "",
        "filters": "{}",
    }
    data = bm.align(
        xr.Dataset(columns, attrs=attrs),
        reference,
        blocks=ld_blocks,
        by="id",
        ambiguous="keep",
        exclude_regions=(),
    )
    return data, pd.Index(v["snp"]).get_indexer(data["snp"].values)


def posterior(name: str, data: xr.Dataset, draws: int, seed: int) -> xr.DataTree:
    """Mode and Laplace draws, as fit makes them but never NUTS; k-hat in sample_stats."""
    model = getattr(bm.models, name)(data)
    fit = bm.fit(model, "map", profile=False, calibrate=False, progress=False)
    density, e = LogDensity(model), fit["estimate"].to_dataset()
    bounds = density.box
    found = laplace.sample(
        density,
        e["mode"].values,
        e["covariance"].values,
        bounds,
        draws,
        np.random.default_rng(seed),
        False,
    )
    blocks = {k: v[found.rows] for k, v in found.blocks.items()}
    fit["log_likelihood"] = xr.DataTree(log_likelihood_group(blocks, (1, draws), density))
    fit["sample_stats"] = xr.DataTree(
        xr.Dataset(attrs={"pareto_k": found.pareto_k, "effective_draws": found.effective})
    )
    fit["constant_data"] = xr.DataTree(fingerprint(data))
    fit.attrs["method"] = "laplace"
    return fit


def judged(data: xr.Dataset, draws: int, seed: int, reloo: bool) -> pd.DataFrame:
    """One row a model: its line in the table of compare, k-hat of its Laplace posterior, seconds of
    its fit, and what is chosen.
    """
    fits, seconds = {}, {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in MODELS:
            began = time.perf_counter()
            fits[name] = posterior(name, data, draws, seed)
            seconds[name] = time.perf_counter() - began
        table = compare(
            fits,
            data if reloo else None,
            reloo=reloo,
        )
    table["laplace_k"] = [fits[str(name)]["sample_stats"].attrs["pareto_k"] for name in table.index]
    table["seconds"] = [seconds[str(name)] for name in table.index]
    table["tied"] = table["elpd_diff"].abs() < np.maximum(2 * table["dse"], TIE)
    table["loo_choice"], table["bic_choice"], table["aic_choice"] = (
        table.attrs["choice"],
        table["bic"].idxmin(),
        table["aic"].idxmin(),
    )
    return table.drop(columns=["prior", "method", "verdict"]).reset_index(drop=True)


def wilson(share: float, n: int) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927, JASA 22:209)."""
    z = 1.96
    middle, half = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return float((middle - half) / (1 + z**2 / n)), float((middle + half) / (1 + z**2 / n))


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a truth and criterion: how often each model is chosen, and how often the answer is
    the one asked for.
    """
    out = []
    for truth, part in rows.groupby("truth", sort=False):
        model = MODEL_OF[str(truth)]
        own = part[part["model"] == model]
        for criterion in ("loo", "bic", "aic"):
            choice = own[f"{criterion}_choice"]
            right = choice == model
            if criterion == "loo" and truth == "infinitesimal":
                right = right | own["tied"]
            low, high = wilson(float(right.mean()), len(own))
            shares = {f"chose_{m}": float((choice == m).mean()) for m in MODELS}
            out.append(
                {
                    "truth": truth,
                    "criterion": criterion,
                    "replicates": len(own),
                    **shares,
                    "right": right.mean(),
                    "low": low,
                    "high": high,
                }
            )
    return pd.DataFrame(out)


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("panel", help="prefix of the panel's PLINK files, {chrom} for the chromosome")
    p.add_argument("--reference", required=True)
    p.add_argument("--ld-blocks", required=True)
    p.add_argument("--replicates", type=int, default=20, help="of each truth")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--truths", nargs="+", default=list(MODEL_OF), choices=list(MODEL_OF))
    p.add_argument(
        "--chromosomes", nargs="+", help="some of the panel's and the reference's (default: all)"
    )
    p.add_argument("--h2", type=float, default=0.15, help="of the chromosomes in use")
    p.add_argument("--draws", type=int, default=300)
    p.add_argument("--reloo", action="store_true", help="refit without LD blocks of k-hat > 0.7")
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    warnings.simplefilter("ignore", bm.DataWarning)
    settings = repr((a.chromosomes, a.h2, a.draws, a.reloo, a.seed))
    rows = pd.read_parquet(a.out) if a.out.exists() else pd.DataFrame()
    if len(rows) and set(rows["settings"]) != {settings}:
        raise InputError(a.out, "holds replicates of other settings", "Give another --out.")
    done = set(zip(rows["truth"], rows["replicate"], strict=True)) if len(rows) else set()
    todo = [(name, r) for r in range(a.replicates) for name in a.truths if (name, r) not in done]
    if todo:
        panel = panel_blocks(a.panel, a.ld_blocks, a.chromosomes)
        template, row_of = aligned(panel, a.reference, a.ld_blocks)
    held: dict[str, tuple[int, xr.Dataset]] = {}
    for name, r in track(todo, "replicates"):
        began, truth = time.perf_counter(), truth_of(name, a.h2)
        if name not in held or held[name][0] != r // BATCH:
            rng = np.random.default_rng([a.seed, zlib.crc32(name.encode()), r // BATCH])
            held[name] = (
                r // BATCH,
                simulate_z(
                    panel,
                    truth.effects,
                    [truth.n],
                    [truth.sigma2_0],
                    rng=rng,
                    replicates=BATCH,
                    show=False,
                ),
            )
        one = held[name][1].isel(replicate=r % BATCH)
        data = template.assign({v: (template[v].dims, one[v].values[row_of]) for v in ("z", "n")})
        fresh = judged(data, a.draws, a.seed, a.reloo)
        fresh = fresh.assign(
            truth=name,
            replicate=r,
            h2_realised=float(one["h2_realised"][0]),
            wall=time.perf_counter() - began,
            settings=settings,
        )
        rows = pd.concat([rows, fresh], ignore_index=True)
        aside = a.out.with_suffix(".tmp")
        rows.to_parquet(aside, index=False)
        aside.replace(a.out)
    pd.set_option("display.width", 200)
    print(summary(rows).to_string(index=False, float_format=lambda v: f"{v:.2f}"))
    shown = ["elpd_diff", "dse", "p_loo", "k_high", "laplace_k", "seconds"]
    print(rows.groupby(["truth", "model"], sort=False)[shown].mean().round(2).to_string())
    print(f"{rows.drop_duplicates(['truth', 'replicate'])['wall'].mean():.0f} s a replicate")


if __name__ == "__main__":
    main()
