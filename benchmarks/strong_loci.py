"""What loci of |z| 20 to 100 do to a polygenic and to a moderately sparse trait, with `align`'s
default (`dominant="exclude"`) and without it.

    python benchmarks/strong_loci.py PANEL --reference REF.zarr
        --chromosomes 16 17 18 19 20 21 22 --out ROWS.csv --replicates 20

PANEL is the panel's prefix with {chrom} in place of the chromosome; REF.zarr its LD reference,
built with the same LD blocks as windows and plain r^2. z-scores are simulated through the panel's
LD; 1, 3 or 10 loci are added in LD blocks drawn at random: a variant of minor allele frequency 0.3
to 0.5 gets |z| more, its neighbours that times r. What is to be recovered are the parameters of the
trait without these loci. Rows without loci count what is excluded of clean traits, sparse and
highly powered ones among them. For speed variants of weight below 1/2 are thinned at random and
their weight raised to 1/2. Every row is written at once, so that the same command goes on where it
was stopped, and prints the table.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from compare_truths import aligned

import bayesmixer as bm
from bayesmixer.inference.density import LogDensity
from bayesmixer.inference.find_map import covariance_of, find_modes
from bayesmixer.inference.mode_covariance import Calibration, covariance_of_mode
from bayesmixer.ld.dominant import LOOKED_AT, find_dominant
from bayesmixer.ops.pytensor_doors import forget_ops
from bayesmixer.progress import track
from bayesmixer.simulation.effects import Architecture, architecture
from bayesmixer.simulation.panel import PanelBlocks, panel_blocks, simulate_z

H2, SIGMA2_0 = 0.09, 1.05
TRAITS: dict[str, tuple[Architecture, float]] = {
    "polygenic": (architecture("univariate", H2, 0.01), 1e5),
    "sparser": (architecture("univariate", H2, 0.001), 1e5),
    "infinitesimal": (architecture("infinitesimal", H2), 1e5),
    "sparse": (architecture("univariate", H2, 1e-4), 1e5),
    "N 1,000,000": (architecture("univariate", H2, 0.003), 1e6),
    "two components, N 1,000,000": (
        architecture("two_component", H2, (1e-2, 3e-4), share_large=0.4),
        1e6,
    ),
}
FITTED = ("polygenic", "sparser")
LOCI, SIZES = (1, 3, 10), (20, 40, 60, 100)
NORMAL90 = 1.6449
KEYS = ["trait", "loci", "z", "replicate", "treatment"]


def add_loci(
    z: np.ndarray,
    panel: PanelBlocks,
    row: np.ndarray,
    data: xr.Dataset,
    loci: int,
    size: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """z (variant,) of the data with `loci` loci of |z| `size` in LD blocks drawn at random; `row`
    (variant,) is the panel's row of each.
    """
    out = z.copy()
    maf = np.minimum(data["freq"].values, 1 - data["freq"].values)
    block = data["ld_block"].values
    for b in rng.choice(int(block[-1]) + 1, loci, replace=False):
        here = np.flatnonzero(block == b)
        common = here[maf[here] > 0.3]
        lead = rng.choice(common if common.size else here)
        of_panel = int(np.searchsorted(panel.edges, row[lead], "right")) - 1
        x, at = panel.standardised(of_panel), row[here] - panel.edges[of_panel]
        out[here] += (
            rng.choice([-1, 1])
            * size
            * (x[at] @ x[row[lead] - panel.edges[of_panel]])
            / panel.samples
        )
    return out


def fitted(data: xr.Dataset, truth: dict[str, float]) -> dict[str, float]:
    """Mode of univariate MiXeR as `fit` finds it from two starts, and whether 90% intervals about
    it, calibrated and raw, hold the truth.
    """
    density = LogDensity(bm.models.univariate_mixer(data))
    bounds = density.box
    starts = [
        {"log_h2": -2.5, "logit_pi": -6.0, "log_sigma2_0": 0.05},
        {"log_h2": -1.5, "logit_pi": -8.5, "log_sigma2_0": 0.1},
    ]
    best = find_modes(density, [density.flatten(s) for s in starts], bounds).best
    raw = covariance_of(best.hessian)
    found = covariance_of_mode(density, best.x, raw, best.at_bound)
    out: dict[str, float] = {}
    for i, name in enumerate(density.names):
        out |= {
            name: float(best.x[i]),
            f"raw_sd {name}": float(np.sqrt(raw[i, i])),
            f"sd {name}": np.nan,
            f"held {name}": np.nan,
        }
        if isinstance(found, Calibration):
            out[f"sd {name}"] = float(np.sqrt(found.covariance[i, i]))
            out[f"held {name}"] = float(abs(best.x[i] - truth[name]) < NORMAL90 * out[f"sd {name}"])
            out["cautioned"] = float(any("makes up much" in c for c in found.concerns))
    forget_ops()
    return out


def replicate(
    z: np.ndarray,
    data: xr.Dataset,
    n: float,
    keys: dict[str, object],
    fit: bool,
    truth: dict[str, float],
) -> list[dict[str, object]]:
    """Rows of one data set: kept as it is, and without what is dominant."""
    data = data.assign(
        z=(("variant", "trait"), z[:, None]), n=(("variant", "trait"), np.full((z.size, 1), n))
    )
    loci, inside = find_dominant({v: data[v].values for v in LOOKED_AT}, ["trait"])
    rows: list[dict[str, object]] = []
    for treatment in ("keep", "exclude") if fit else ("exclude",):
        began = time.process_time()
        excluding = treatment == "exclude"
        row = {
            **keys,
            "treatment": treatment,
            "excluded": len(loci),
            "h2_excluded": sum(x.h2 for x in loci),
            "variants_excluded": int(inside.sum()),
        }
        if fit:
            row |= fitted(
                data.assign(weight=data["weight"].where(~xr.DataArray(inside, dims="variant"), 0))
                if excluding
                else data,
                truth,
            )
        rows.append(row | {"cpu_s": round(time.process_time() - began, 2)})
        if fit and not loci:
            rows.append({**row, "treatment": "exclude"})  # nothing excluded: the same fit
            break
    return rows


def table(rows: pd.DataFrame) -> str:
    """Markdown: bias of the mode and coverage of calibrated 90% intervals by cell, kept and
    excluded, and what was excluded of clean traits.
    """
    of_two = "h2 / true | pi / true | h2, pi, sigma2_0 held | sd log h2, logit pi |"
    lines = [
        f"| trait | loci | z | n | kept: {of_two} excluded | then: {of_two}",
        "|---" * 13 + "|",
    ]
    done = rows.dropna(subset=["log_h2"])
    for (trait, loci, z), g in done.groupby(["trait", "loci", "z"]):
        cells = []
        for treatment in ("keep", "exclude"):
            part = g[g["treatment"] == treatment]
            pi = np.median(1 / (1 + np.exp(-part["logit_pi"]))) / TRAITS[trait][0].components[0].pi
            held = ", ".join(
                f"{part[f'held {p}'].fillna(0).mean():.0%}"
                for p in ("log_h2", "logit_pi", "log_sigma2_0")
            )
            sd = ", ".join(f"{part[f'sd {p}'].median():.2f}" for p in ("log_h2", "logit_pi"))
            cells.append(f"{np.exp(part['log_h2'].median()) / H2:.2f} | {pi:.2f} | {held} | {sd}")
        excluded = g.loc[g["treatment"] == "exclude", "excluded"].mean()
        lines.append(
            f"| {trait} | {loci} | {z} | {g['replicate'].nunique()} | {cells[0]} | "
            f"{excluded:.1f} | {cells[1]} |"
        )
    lines += [
        "",
        "| clean trait | replicates | with a locus excluded | h2 excluded, mean |",
        "|---|---|---|---|",
    ]
    for trait, g in rows[(rows["loci"] == 0) & (rows["treatment"] == "exclude")].groupby(
        "trait", sort=False
    ):
        lines.append(
            f"| {trait} | {len(g)} | {(g['excluded'] > 0).sum()} | {g['h2_excluded'].mean():.4f} |"
        )
    return "\n".join(lines)


def main() -> None:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("panel")
    p.add_argument("--reference", required=True)
    p.add_argument("--blocks", default="eur_hg19")
    p.add_argument("--chromosomes", nargs="+", default=None)
    p.add_argument("--replicates", type=int, default=20)
    p.add_argument(
        "--loci",
        nargs="*",
        type=int,
        default=list(LOCI),
        help="numbers of loci added; none of them: clean traits only",
    )
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--seed", type=int, default=0)
    a = p.parse_args()
    kept = pd.read_csv(a.out) if a.out.exists() else pd.DataFrame(columns=KEYS)
    done = set(kept[["trait", "loci", "z", "replicate"]].itertuples(index=False, name=None))
    kinds = [(t, 0, 0) for t in TRAITS] + [(t, k, s) for k in a.loci for s in SIZES for t in FITTED]
    cells = [(r, *kind) for r in range(a.replicates) for kind in kinds]
    todo = [c for c in cells if (c[1], c[2], c[3], c[0]) not in done]
    if todo:
        panel = panel_blocks(a.panel, a.blocks, a.chromosomes)
        data, row = aligned(panel, a.reference, a.blocks)
        weight = data["weight"].values
        lucky = np.random.default_rng(a.seed).random(weight.size) < 2 * weight
        data = data.assign(weight=("variant", np.where(lucky, np.maximum(weight, 0.5), 0.0)))
        scores: dict[str, np.ndarray] = {}
        for r, trait, loci, size in track(todo, "data sets"):
            effects, n = TRAITS[trait]
            if trait not in scores:
                rng = np.random.default_rng([a.seed, *map(ord, trait)])
                made = simulate_z(
                    panel,
                    effects,
                    [n],
                    [SIGMA2_0, 1.0],
                    rng=rng,
                    replicates=a.replicates,
                    show=False,
                )["z"].values[:, :, 0]
                scores[trait] = made[:, row].astype(np.float32)
            z = scores[trait][r].astype(float)
            if loci:
                z = add_loci(
                    z, panel, row, data, loci, size, np.random.default_rng([a.seed, r, loci, size])
                )
            pi = effects.components[0].pi
            truth = {
                "log_h2": np.log(H2),
                "logit_pi": np.log(pi / (1 - pi)) if pi < 1 else 0.0,
                "log_sigma2_0": np.log(SIGMA2_0),
            }
            keys = {"trait": trait, "loci": loci, "z": size, "replicate": r}
            kept = pd.concat(
                [kept, pd.DataFrame(replicate(z, data, n, keys, trait in FITTED, truth))],
                ignore_index=True,
            )
            aside = a.out.with_suffix(f".{os.getpid()}.tmp")
            kept.to_csv(aside, index=False, float_format="%.5g")
            os.replace(aside, a.out)
    print(table(kept))


if __name__ == "__main__":
    main()
