"""Whether P(both) of simulated pairs is calibrated and finds shared variants, beside conjunctional
FDR; and what it takes.

    python benchmarks/pair_variants.py PANEL OUT [--replicates 40] [--fits 8]

PANEL is a folder of `1000g_eur_hm3.chr{21,22}.bed`. Pairs are simulated through the panel's LD with
the effects of mixer_pair_1, and variants are judged at the true parameters; then, as by
`bm.variants`, over the posteriors (normal, calibrated) of `--fits` fits of variants pruned once, an
eighth of all: so what a fit does not know counts. Standard errors are of replicates. Rows go to
OUT/tenths.csv and OUT/ranking.csv; where they are, the tables are printed from them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.sparse import csr_matrix

import bayesmixer as bm
from bayesmixer.inference.density import LogDensity
from bayesmixer.inference.find_map import climb, covariance_of
from bayesmixer.inference.mode_covariance import covariance_of_mode
from bayesmixer.ld.close import close_partners
from bayesmixer.ld.exponents import of_one_s
from bayesmixer.ld.gwas_data import gwas_data_from_arrays
from bayesmixer.ld.weights import pruning_weights
from bayesmixer.mixer.variants import strength
from bayesmixer.ops.pair_given_z import pair_given_z
from bayesmixer.ops.pair_predict import PairMixture
from bayesmixer.ops.pytensor_doors import forget_ops
from bayesmixer.pair.cards import BIVARIATE
from bayesmixer.pair.conditional_fdr import conditional_fdr
from bayesmixer.pair.variants import QUESTIONS, mixtures
from bayesmixer.simulation.effects import architecture
from bayesmixer.simulation.panel import panel_blocks, simulate_z

PI, RHO, N = (0.0012, 0.0007, 0.0018), 0.6, (100_000, 60_000)
SIGMA_BETA, SIGMA_0, RHO_0 = (4.985e-4, 3.988e-4), (1.05, 1.03), 0.12
CHROMOSOMES = (21, 22)
AVERAGED = 25  # draws of a fit


def truth() -> PairMixture:
    v1, v2 = SIGMA_BETA
    e1, e2 = SIGMA_0
    both = RHO * np.sqrt(v1 * v2)
    return PairMixture(
        np.array(PI),
        np.array([[v1, 0, 0], [0, v2, 0], [v1, v2, both]]),
        np.array([e1, e2, RHO_0 * np.sqrt(e1 * e2)]),
    )


def precision(score: np.ndarray, true: np.ndarray) -> float:
    """Average precision of a ranking: the area under its precision against recall."""
    hit = true[np.argsort(-score, kind="stable")]
    return float((np.cumsum(hit) / np.arange(1, hit.size + 1))[hit].mean())


def tenths(
    judged: str, question: str, said: list[np.ndarray], true: list[np.ndarray]
) -> pd.DataFrame:
    """Predicted and realised numbers in tenths of the expected number, of each replicate."""
    order = np.sort(np.concatenate(said))
    total = np.cumsum(order)
    edges = order[np.searchsorted(total, total[-1] * np.arange(1, 10) / 10)]
    rows = []
    for r, (p, t) in enumerate(zip(said, true, strict=True)):
        tenth = np.searchsorted(edges, p, side="left")
        count, predicted, realised = (np.bincount(tenth, w, 10) for w in (None, p, t))
        made = {"tenth": np.arange(1, 11), "variants": count, "predicted": predicted}
        rows.append(pd.DataFrame(made | {"realised": realised.astype(int)}).assign(replicate=r))
    return pd.concat(rows).assign(judged=judged, question=question)


def ranking(
    judged: str, question: str, scores: dict[str, list[np.ndarray]], true: list[np.ndarray]
) -> pd.DataFrame:
    """Average precision of each score in each replicate."""
    rows = [
        {"replicate": r, "score": name, "average_precision": precision(one, t)}
        for name, of in scores.items()
        for r, (one, t) in enumerate(zip(of, true, strict=True))
    ]
    return pd.DataFrame(rows).assign(judged=judged, question=question)


def tell(tables: pd.DataFrame, ranks: pd.DataFrame) -> None:
    """Print both tables, each by what was judged and which question."""
    for (judged, question), part in tables.groupby(["judged", "question"], sort=False):
        title = f"{judged}: {question}, tenth of the expected"
        print(f"\n| {title} | variants | predicted | realised | z |")
        print("| --: | --: | --: | --: | --: |")
        for tenth, g in part.groupby("tenth"):
            off, n = g["realised"] - g["predicted"], g["variants"].sum()
            z = off.mean() / off.sem()
            mean, real = g["predicted"].sum() / n, g["realised"].sum() / n
            print(f"| {tenth} | {n:,} | {mean:.4f} | {real:.4f} | {z:+.1f} |")
        off = part.groupby("replicate")[["predicted", "realised"]].sum()
        each = off["realised"] - off["predicted"]
        print(
            f"\nOf all: predicted {off['predicted'].mean():.1f} a pair, realised "
            f"{off['realised'].mean():.1f}, z {each.mean() / each.sem():+.1f}"
        )
    for (judged, question), part in ranks.groupby(["judged", "question"], sort=False):
        title = f"{judged}: {question}, ranked by"
        print(f"\n| {title} | average precision | less than P(both) by (s.e.) |")
        print("| :-- | --: | --: |")
        wide = part.pivot_table("average_precision", "replicate", "score")
        for name in part["score"].unique():
            less = wide["P(both)"] - wide[name]
            print(f"| {name} | {wide[name].mean():.3f} | {less.mean():.3f} ({less.sem():.3f}) |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("panel", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--replicates", type=int, default=40)
    parser.add_argument("--fits", type=int, default=8)
    given = parser.parse_args()
    files = [given.out / name for name in ("tenths.csv", "ranking.csv")]
    if not all(f.exists() for f in files):
        given.out.mkdir(parents=True, exist_ok=True)
        prefix = str(given.panel / "1000g_eur_hm3.chr{chrom}")
        with tempfile.TemporaryDirectory() as folder:
            made = run(prefix, Path(folder) / "panel.zarr", given.replicates, given.fits)
        for file, rows in zip(files, made, strict=True):
            rows.to_csv(file, index=False, float_format="%.6g")
    tell(*map(pd.read_csv, files))


def run(prefix: str, store: Path, replicates: int, fits: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of both tables."""
    reference = bm.build_reference(
        prefix, store, window="eur_hg19", r2_rule="plain", chromosomes=CHROMOSOMES
    )
    panel = panel_blocks(prefix, "eur_hg19", list(CHROMOSOMES))
    h_total = float(panel.heterozygosity.sum())
    h2 = [(PI[t] + PI[2]) * SIGMA_BETA[t] * h_total for t in (0, 1)]
    simulated = simulate_z(
        panel, architecture("bivariate", h2, PI, rho_beta=RHO), N, SIGMA_0, RHO_0,
        rng=np.random.default_rng(1), replicates=replicates, keep_effects=True,
    )  # fmt: skip
    kept = np.flatnonzero(panel.heterozygosity > 0)
    parts = [reference[str(c)].to_dataset() for c in CHROMOSOMES]
    held = {
        v: np.concatenate([np.asarray(of_one_s(p, v) if v == "spectrum" else p[v]) for p in parts])
        for v in ("snp", "spectrum", "heterozygosity", "freq", "chrom", "pos", "ld_score")
    }
    block = np.concatenate([1000 * c + p["ld_block"].values for c, p in enumerate(parts)])
    names = panel.variants["snp"].to_numpy()[kept]
    assert (held["snp"] == names).all()
    neighbours = [[p[f"neighbour_{v}"].values for v in ("indptr", "index", "r2")] for p in parts]

    def pruned(rounds: int) -> np.ndarray:
        """Weights from so many rounds of pruning."""
        return np.concatenate([pruning_weights(*one, iterations=rounds) for one in neighbours])

    weight, once = pruned(64), pruned(1)

    def data_of(z: np.ndarray, weight: np.ndarray) -> xr.Dataset:
        return gwas_data_from_arrays(
            z, np.array(N, float), node_x=parts[0]["node_x"].values, ld_block=block,
            trait=["first", "second"], weight=weight, **held,
        )  # fmt: skip

    z = simulated["z"].values[:, kept]
    data = data_of(z[0], weight)
    close, count = close_partners(data, reference)
    start = np.cumsum([0, *(len(one[0]) - 1 for one in neighbours)])
    rows = np.concatenate(
        [
            s + np.repeat(np.arange(len(pointer) - 1), np.diff(pointer))
            for s, (pointer, _, _) in zip(start, neighbours, strict=False)
        ]
    )
    columns = np.concatenate([s + one[1] for s, one in zip(start, neighbours, strict=False)])
    graph = csr_matrix((np.ones(rows.size), (rows, columns)), (kept.size, kept.size))
    arrays = (of_one_s(data, "spectrum"), data["node_x"].values, strength(data))
    size = np.tile(np.array(N, float), (kept.size, 1))

    def said(r: int, mixtures: list[PairMixture]) -> list[np.ndarray]:
        """P(both) of every variant, itself and a partner, as `bm.variants` has it."""
        found = pair_given_z(z[r], size, *arrays, mixtures, QUESTIONS, close, count)
        return [found.causal[2], found.close[2]]

    beta = simulated["beta"].values[:, kept]
    true = [(b != 0).all(1) for b in beta]
    near = [(graph @ both > 0) | both for both in true]
    less = [-conditional_fdr(one, weight).max(1) for one in z]
    began = time.process_time()
    told = {"truth": [said(r, [truth()]) for r in range(replicates)]}
    took = (time.process_time() - began) / replicates
    print(f"{kept.size:,} variants, {replicates} pairs; {took:.2f} CPU s a pair and draw")
    made = architecture("bivariate", h2, PI, rho_beta=RHO)
    aim = {
        "h2": h2, "polygenicity": made.polygenicity, "rho_0": RHO_0, "sigma2_0": SIGMA_0,
        "components": [{"name": c.name, "pi": c.pi, "rho": c.rho} for c in made.components],
    }  # fmt: skip
    began = time.process_time()
    drawn = [posterior(data_of(z[r], once), aim, r) for r in range(fits)]
    if fits:
        print(f"{(time.process_time() - began) / fits:.0f} CPU s a fit")
        told["fits"] = [said(r, one) for r, one in enumerate(drawn)]
    tables, ranks = [], []
    for judged, of in told.items():
        for i, (question, answer) in enumerate((("this variant", true), ("a partner", near))):
            p, answer = [one[i] for one in of], answer[: len(of)]
            tables.append(tenths(judged, question, p, answer))
            scores = {"P(both)": p, "conjunctional FDR": less[: len(of)]}
            ranks.append(ranking(judged, question, scores, answer))
    return pd.concat(tables), pd.concat(ranks)


def posterior(data: xr.Dataset, aim: dict[str, Any], seed: int) -> list[PairMixture]:
    """Mixtures at draws of a fit: normal about the mode, calibrated. `aim` is what a simulation
    records; the search starts there.
    """
    density = LogDensity(bm.models.bivariate_mixer(data))
    known = {one.name: one.truth(aim, data) for one in BIVARIATE.free if one.truth is not None}
    start = density.flatten({name: known[name] for name in density.variables})
    scores = density.scores(start)[0]
    # their spread is about the curvature: good enough for the first steps
    best = climb(density, start, density.box, scores.T @ scores + np.eye(density.size))
    raw = covariance_of(best.hessian)
    found = covariance_of_mode(density, best.x, raw, best.at_bound)
    covariance = raw if isinstance(found, str) else found.covariance
    draws = np.random.default_rng(seed).multivariate_normal(best.x, covariance, (1, AVERAGED))
    drawn = density.posterior(draws)
    forget_ops()
    dice, mode = drawn["dice"].values, density.posterior(best.x[None, None])["dice"].item()
    print(f"fit {seed}: dice {mode:.2f} at the mode, sd {dice.std():.2f}", flush=True)
    tree = xr.DataTree.from_dict({"posterior": drawn})
    tree.attrs["kind"] = "fit"
    return mixtures(tree, AVERAGED)


if __name__ == "__main__":
    main()
