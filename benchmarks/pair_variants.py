"""Whether P(both) of simulated pairs is calibrated and finds shared variants, beside conjunctional
FDR; and what it takes.

    python benchmarks/pair_variants.py PANEL [--replicates 40] [--fits 4]

PANEL is a folder of `1000g_eur_hm3.chr{21,22}.bed`. Pairs are simulated through the panel's LD with
the effects of mixer_pair_1, and variants are judged at the true parameters; then at draws of
`--fits` fits. Standard errors are of replicates.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.sparse import csr_matrix

import bayesmixer as bm
from bayesmixer.ld.close import close_partners
from bayesmixer.ld.exponents import of_one_s
from bayesmixer.ld.gwas_data import gwas_data_from_arrays
from bayesmixer.mixer.variants import strength
from bayesmixer.ops.pair_given_z import pair_given_z
from bayesmixer.ops.pair_predict import PairMixture
from bayesmixer.pair.conditional_fdr import conditional_fdr
from bayesmixer.pair.variants import QUESTIONS
from bayesmixer.simulation.effects import architecture
from bayesmixer.simulation.panel import panel_blocks, simulate_z

PI, RHO, N = (0.0012, 0.0007, 0.0018), 0.6, (100_000, 60_000)
SIGMA_BETA, SIGMA_0, RHO_0 = (4.985e-4, 3.988e-4), (1.05, 1.03), 0.12
CHROMOSOMES = (21, 22)


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
    """Average precision of a ranking."""
    hit = true[np.argsort(-score, kind="stable")]
    return float((np.cumsum(hit) / np.arange(1, hit.size + 1))[hit].mean())


def tenths(title: str, said: list[np.ndarray], true: list[np.ndarray]) -> None:
    """Predicted and realised share in tenths of the expected number."""
    p = np.concatenate(said)
    order = np.sort(p)
    total = np.cumsum(order)
    edges = order[np.searchsorted(total, total[-1] * np.arange(1, 10) / 10)]
    print(f"\n| {title}, tenth of the expected | variants | predicted | realised | z |")
    print("| --: | --: | --: | --: | --: |")
    for b in range(10):
        inside = [np.searchsorted(edges, v, side="left") == b for v in said]
        count = sum(int(i.sum()) for i in inside)
        off = np.array([(t[i] - v[i]).sum() for v, t, i in zip(said, true, inside, strict=True)])
        mean = sum(v[i].sum() for v, i in zip(said, inside, strict=True)) / count
        real = sum(t[i].sum() for t, i in zip(true, inside, strict=True)) / count
        z = off.mean() / (off.std(ddof=1) / np.sqrt(len(off)))
        print(f"| {b + 1} | {count:,} | {mean:.4f} | {real:.4f} | {z:+.1f} |")


def ranked(title: str, scores: dict[str, list[np.ndarray]], true: list[np.ndarray]) -> None:
    """Average precision of each score, and the difference to the first."""
    found = {
        name: np.array([precision(s, t) for s, t in zip(of, true, strict=True)])
        for name, of in scores.items()
    }
    first = next(iter(found.values()))
    print(f"\n| {title}, ranked by | average precision | less than the first by (s.e.) |")
    print("| :-- | --: | --: |")
    for name, value in found.items():
        less = first - value
        error = less.std(ddof=1) / np.sqrt(less.size)
        print(f"| {name} | {value.mean():.3f} | {less.mean():.3f} ({error:.3f}) |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("panel", type=Path)
    parser.add_argument("--replicates", type=int, default=40)
    parser.add_argument("--fits", type=int, default=4)
    given = parser.parse_args()
    prefix = str(given.panel / "1000g_eur_hm3.chr{chrom}")
    with tempfile.TemporaryDirectory() as folder:
        run(prefix, Path(folder) / "panel.zarr", given.replicates, given.fits)


def run(prefix: str, store: Path, replicates: int, fits: int) -> None:
    reference = bm.build_reference(
        prefix, store, window="eur_hg19", r2_rule="plain", chromosomes=CHROMOSOMES
    )
    panel = panel_blocks(prefix, "eur_hg19", list(CHROMOSOMES))
    h_total = float(panel.heterozygosity.sum())
    h2 = [(PI[t] + PI[2]) * SIGMA_BETA[t] * h_total for t in (0, 1)]
    simulated = simulate_z(
        panel, architecture("bivariate", h2, PI, rho_12=RHO), N, SIGMA_0, RHO_0,
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

    def data_of(z: np.ndarray) -> xr.Dataset:
        return gwas_data_from_arrays(
            z, np.array(N, float), node_x=parts[0]["node_x"].values, ld_block=block,
            trait=["first", "second"], weight=weight, **held,
        )  # fmt: skip

    weight = np.ones(kept.size)
    z = simulated["z"].values[:, kept]
    data = data_of(z[0])
    close, count = close_partners(data, reference)
    size = np.cumsum([0, *(reference[str(c)].sizes["variant"] for c in CHROMOSOMES)])
    rows = np.concatenate([
        start + np.repeat(np.arange(n.size - 1), np.diff(n))
        for start, c in zip(size, CHROMOSOMES, strict=False)
        if (n := reference[str(c)]["neighbour_indptr"].values).size
    ])  # fmt: skip
    columns = np.concatenate([
        start + reference[str(c)]["neighbour_index"].values
        for start, c in zip(size, CHROMOSOMES, strict=False)
    ])  # fmt: skip
    graph = csr_matrix((np.ones(rows.size), (rows, columns)), (kept.size, kept.size))
    # pruning by LD: what P values alone are usually given
    rng = np.random.default_rng(2)
    for _ in range(64):
        free, take = rng.permutation(kept.size), np.zeros(kept.size, bool)
        blocked = np.zeros(kept.size, bool)
        for j in free:
            if not blocked[j]:
                take[j] = True
                blocked[graph.indices[graph.indptr[j] : graph.indptr[j + 1]]] = True
        weight = weight + take if _ else take.astype(float)
    weight = weight / 64
    arrays = (of_one_s(data, "spectrum"), data["node_x"].values, strength(data))
    own_said, own_true, near_said, near_true, conj = [], [], [], [], []
    start = time.process_time()
    for r in range(replicates):
        beta = simulated["beta"].values[r, kept]
        both = (beta != 0).all(1)
        found = pair_given_z(
            z[r], np.tile(np.array(N, float), (kept.size, 1)), *arrays, [truth()], QUESTIONS,
            close, count,
        )  # fmt: skip
        own_said.append(found.causal[2])
        near_said.append(found.close[2])
        own_true.append(both)
        near_true.append((graph @ both > 0) | both)
        conj.append(conditional_fdr(z[r], weight).max(1))
    took = (time.process_time() - start) / replicates
    print(f"{kept.size:,} variants, {replicates} pairs; {took:.2f} CPU s a pair and draw")
    tenths("this variant", own_said, own_true)
    tenths("a partner", near_said, near_true)
    less = [-c for c in conj]
    ranked("this variant", {"P(both)": own_said, "conjunctional FDR": less}, own_true)
    ranked("a partner", {"P(both)": near_said, "conjunctional FDR": less}, near_true)
    if not fits:
        return
    own_said, near_said = [], []
    for r in range(fits):
        data = data_of(z[r])
        fit = bm.fit(bm.models.bivariate_mixer(data), seed=r)
        table = bm.variants(fit, data, reference)
        own_said.append(table["p_causal_both"].values)
        near_said.append(table["p_partner_both"].values)
    tenths(f"this variant, {fits} fits", own_said, own_true[:fits])
    tenths(f"a partner, {fits} fits", near_said, near_true[:fits])


if __name__ == "__main__":
    main()
