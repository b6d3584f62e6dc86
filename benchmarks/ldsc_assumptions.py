"""By how much the failure of each assumption of LD score regression moves its answer.

`python benchmarks/ldsc_assumptions.py PANEL --other PANEL`: z of two traits through the LD of a
panel's LD blocks, z = sqrt(N) R b + sqrt(c) e, with b as LD score regression assumes them (every
standardised variant of one variance, rg 0.5, true intercept 1) but for one thing; regressed on the
panel's own LD scores, so that nothing else is wrong. Estimates over the truth, over draws.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bayesmixer.ldsc.covariance import Pair, covariance
from bayesmixer.ldsc.heritability import heritability
from bayesmixer.ldsc.regression import equal_blocks
from bayesmixer.simulation.panel import PanelBlocks, panel_blocks

N, H2, RG = 1e5, 0.04, 0.5  # an eighth of a genome: its h2 would be 0.3
Array = np.ndarray


class Genome:
    """A panel's standardised genotypes by LD block, and LD scores within them."""

    def __init__(self, panel: PanelBlocks) -> None:
        self.panel, self.edges = panel, panel.edges
        self.x = [panel.standardised(b) for b in range(len(panel.edges) - 1)]
        self.samples, self.size = panel.samples, len(panel.variants)
        self.heterozygosity = panel.heterozygosity
        self.snp = panel.variants["snp"].to_numpy(str)
        plain, unbiased = [], []
        for x in self.x:
            r2 = (x @ x.T / self.samples) ** 2
            plain.append(r2.sum(axis=1))
            unbiased.append((r2 - (1 - r2) / (self.samples - 2)).sum(axis=1))
        self.ld = np.concatenate(plain).astype(float)
        self.unbiased = np.concatenate(unbiased).astype(float)

    def through(self, b: Array) -> Array:
        """(J, k) R b."""
        parts = zip(self.x, self.edges[:-1], self.edges[1:], strict=True)
        return np.concatenate([x @ (x.T @ b[i:j]) / self.samples for x, i, j in parts])

    def noise(self, rng: np.random.Generator, traits: int) -> Array:
        """(J, k) errors that follow the panel's LD."""
        return np.concatenate(
            [x @ rng.standard_normal((self.samples, traits)) for x in self.x]
        ) / np.sqrt(self.samples)


@dataclass
class World:
    """What one scenario draws: variances of standardised effects, (J,), the share of variants that
    are causal, what is added to z, and what the regression believes.
    """

    variance: Array
    pi: float = 1.0
    n: float = N
    rho_0: float = 0.0
    added: Callable[[np.random.Generator], Array] | None = None
    ld: Array | None = None
    n_said: float | None = None
    rows: Array | None = None


def estimates(genome: Genome, world: World, rng: np.random.Generator) -> dict[str, float]:
    """h2 and rg over the truth, intercept, and their errors."""
    j = genome.size
    effects = rng.standard_normal((j, 2))
    effects[:, 1] = RG * effects[:, 0] + np.sqrt(1 - RG**2) * effects[:, 1]
    scale = world.variance * (H2 / world.variance.sum() / world.pi)
    b = effects * np.sqrt(scale)[:, None] * (rng.random(j) < world.pi)[:, None]
    e = genome.noise(rng, 2)
    e[:, 1] = world.rho_0 * e[:, 0] + np.sqrt(1 - world.rho_0**2) * e[:, 1]
    z = np.sqrt(world.n) * genome.through(b.astype(np.float32)) + e
    if world.added is not None:
        z = z + world.added(rng)
    rows = np.arange(j) if world.rows is None else world.rows
    ld = (genome.ld if world.ld is None else world.ld)[rows]
    z = z[rows].astype(float)
    n, m = np.full(len(rows), world.n_said or world.n), np.array([float(j)])
    edges = equal_blocks(len(rows), 200)
    x, w = ld[:, None], np.maximum(ld, 1)
    fits = [heritability(one * one, x, w, n, m, two_step=30.0, edges=edges) for one in z.T]
    near = (z**2 < 30).all(axis=1)
    both = covariance(z[:, 0], z[:, 1], x, w, n, n, m, fits[0], fits[1], edges=edges, near=near)
    pair = Pair(fits[0], fits[1], both)
    rg, rg_se, *_ = pair.tested
    return {
        "h2": float(fits[0].total.value[0]) / H2,
        "h2_se": float(fits[0].total.error[0]) / H2,
        "intercept": fits[0].fit.at,
        "mean_chi2": fits[0].mean_chi2,
        "ratio": fits[0].ratio[0],
        "rg": rg,
        "rg_se": rg_se,
        "intercept_gencov": both.fit.at,
    }


def worlds(genome: Genome, other: tuple[Array, Array] | None) -> dict[str, World]:
    """Scenarios by what fails."""
    j, ld, h = genome.size, genome.ld, genome.heterozygosity
    alike = np.ones(j)
    blocks = np.repeat(np.arange(len(genome.edges) - 1), np.diff(genome.edges))
    low = ld < np.quantile(ld, 0.25)
    shared = np.random.default_rng(5).standard_normal((j, 1))

    def everywhere(rng: np.random.Generator) -> Array:
        return np.sqrt(0.1) * genome.noise(rng, 2)

    def drifted(by: Array) -> Callable[[np.random.Generator], Array]:
        # one gradient that both traits follow: of variance 0.1 on average, at random signs
        return lambda rng: np.sqrt(0.1 * by / by.mean())[:, None] * shared

    out = {
        "as assumed": World(alike),
        "1% of variants causal": World(alike, pi=0.01),
        "0.1% of variants causal": World(alike, pi=0.001),
        "S = -0.75: variance by H^0.25": World(h**0.25),
        "S = -0.5: by H^0.5": World(h**0.5),
        "S = 0: by H (alleles of one variance)": World(h),
        "by 1 / l: causal where LD is low": World(1 / np.maximum(ld, 1)),
        "all in the quarter of lowest LD": World(low.astype(float)),
        "by l: causal where LD is high": World(ld),
        "half of it in 5% of LD blocks": World(
            np.where(np.isin(blocks, np.arange(0, len(genome.edges) - 1, 20)), 19.0, 1.0)
        ),
        "inflation of 0.1, even": World(alike, added=everywhere),
        "stratification of 0.1, even, both traits": World(alike, added=drifted(alike)),
        "stratification of 0.1, by l": World(alike, added=drifted(ld)),
        "stratification of 0.1, by 1 / l": World(alike, added=drifted(1 / np.maximum(ld, 1))),
        "samples shared: rho_0 0.3": World(alike, rho_0=0.3),
        "N of 10,000": World(alike, n=1e4),
        "N said half of what it is": World(alike, n_said=N / 2),
        "a tenth of the variants": World(
            alike, rows=np.sort(np.random.default_rng(6).choice(j, j // 10, replace=False))
        ),
        "LD scores unbiased by this panel's size": World(alike, ld=genome.unbiased),
    }
    if other is not None:
        rows, scores = other
        out["the other panel's variants alone"] = World(alike, rows=rows)
        out["and unbiased LD scores of this one"] = World(alike, ld=genome.unbiased, rows=rows)
        out["and unbiased LD scores of the other"] = World(alike, ld=scores, rows=rows)
    return out


def main() -> None:
    """Simulate, regress, write and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("panel", help="PLINK files, {chrom} for the chromosome")
    parser.add_argument("--other", help="another panel of the same variants")
    parser.add_argument("--chromosomes", default="17,18,19,20,21,22")
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/ldsc_assumptions.tsv"))
    given = parser.parse_args()
    chromosomes = given.chromosomes.split(",")
    genome = Genome(panel_blocks(given.panel, "eur_hg19", chromosomes))
    other = None
    if given.other:
        there = Genome(panel_blocks(given.other, "eur_hg19"))
        place = pd.Index(there.snp).get_indexer(pd.Index(genome.snp))
        rows = np.flatnonzero(place >= 0)
        scores = np.ones(genome.size)
        scores[rows] = there.unbiased[place[rows]]
        other = rows, scores
        print(f"other panel: {there.samples} people, {len(rows):,} variants in common")
        del there
    print(
        f"{genome.samples} people, {genome.size:,} variants, mean LD score {genome.ld.mean():.1f}"
    )
    table = []
    for at, (name, world) in enumerate(worlds(genome, other).items()):
        rng = np.random.default_rng([15, at])
        rows_of = pd.DataFrame([estimates(genome, world, rng) for _ in range(given.draws)])
        error = rows_of.std() / np.sqrt(given.draws)
        table.append(
            {"what fails": name, "draws": given.draws}
            | rows_of.mean().to_dict()
            | {f"{v}_error": error[v] for v in ("h2", "intercept", "rg")}
        )
        given.out.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(table).to_csv(given.out, sep="\t", index=False, float_format="%.4g")
        print(pd.DataFrame(table[-1:]).round(3).to_string(index=False, header=at == 0), flush=True)


if __name__ == "__main__":
    main()
