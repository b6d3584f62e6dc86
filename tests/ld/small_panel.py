"""A small panel with LD and missing genotypes, written as bed and as pgen, and its LD by brute
force.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from bed_reader import to_bed
from pgenlib import PgenWriter


@dataclass
class SmallPanel:
    """Genotypes (sample, variant) as floats with NaN, and what the bim file says of the
    variants.
    """

    g: np.ndarray
    bim: pd.DataFrame

    @property
    def polymorphic(self) -> np.ndarray:
        return np.array([len(np.unique(c[~np.isnan(c)])) > 1 for c in self.g.T])

    def r(self) -> np.ndarray:
        """Correlations over the samples called in both, with each variant's own mean and
        variance.
        """
        called = ~np.isnan(self.g)
        x = np.where(called, self.g - np.nanmean(self.g, 0), 0)
        sd = np.sqrt((x**2).sum(0) / called.sum(0))
        return np.clip(
            x.T @ x / self.shared() / np.where(sd > 0, sd, 1) / np.where(sd > 0, sd, 1)[:, None],
            -1,
            1,
        )

    def shared(self) -> np.ndarray:
        """Number of samples called in both of each pair."""
        called = (~np.isnan(self.g)).astype(float)
        return called.T @ called

    def h(self) -> np.ndarray:
        f = np.nanmean(self.g, 0) / 2
        return 2 * f * (1 - f)


def make_panel(
    seed: int = 0,
    samples: int = 83,
    variants: int = 400,
    chrom: str = "21",
    missing: float = 0.02,
    constant: int = 3,
) -> SmallPanel:
    """Two haplotypes a sample, each a thresholded autoregression along the chromosome; `constant`
    variants are monomorphic.
    """
    rng = np.random.default_rng(seed)
    g = np.zeros((samples, variants))
    frequency = rng.uniform(0.05, 0.95, variants)
    for _ in range(2):
        z = rng.standard_normal((samples, variants))
        for j in range(1, variants):
            a = 0.97 if rng.random() > 0.03 else 0.2
            z[:, j] = a * z[:, j - 1] + np.sqrt(1 - a * a) * z[:, j]
        g += z < np.quantile(z, frequency)
    g[rng.random(g.shape) < missing] = np.nan
    for j in rng.choice(variants, constant, replace=False):
        g[:, j] = 2.0 if j % 2 else 0.0
    step = rng.integers(200, 4000, variants)
    pos = 1_000_000 + np.cumsum(step)
    names = [f"rs{chrom}{j:05d}" for j in range(variants)]
    cm = np.round(np.cumsum(step) / 4e5, 5)
    bim = pd.DataFrame({"chrom": chrom, "snp": names, "cm": cm, "pos": pos, "a1": "A", "a2": "G"})
    return SmallPanel(g, bim)


def write_bed(panel: SmallPanel, prefix: Path) -> Path:
    """Write bed, bim and fam."""
    to_bed(
        prefix.with_name(prefix.name + ".bed"),
        panel.g,
        properties={
            "iid": [f"i{i}" for i in range(len(panel.g))], "chromosome": panel.bim["chrom"],
            "sid": panel.bim["snp"], "cm_position": panel.bim["cm"],
            "bp_position": panel.bim["pos"], "allele_1": panel.bim["a1"],
            "allele_2": panel.bim["a2"],
        },
    )  # fmt: skip
    return prefix


def write_pgen(panel: SmallPanel, prefix: Path) -> Path:
    """Write pgen, pvar and psam; ALT is allele 1."""
    n, m = panel.g.shape
    with PgenWriter(
        bytes(prefix.with_name(prefix.name + ".pgen")), n, variant_ct=m, nonref_flags=False
    ) as writer:
        writer.append_biallelic_batch(
            np.ascontiguousarray(np.nan_to_num(panel.g, nan=-9).astype(np.int8).T)
        )
    b = panel.bim
    rows = [
        f"{c}\t{p}\t{s}\t{a2}\t{a1}\t{cm}"
        for c, p, s, a2, a1, cm in zip(b.chrom, b.pos, b.snp, b.a2, b.a1, b.cm, strict=True)
    ]
    prefix.with_name(prefix.name + ".pvar").write_text(
        "##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\tCM\n" + "\n".join(rows) + "\n"
    )
    prefix.with_name(prefix.name + ".psam").write_text(
        "#IID\tSEX\n" + "".join(f"i{i}\tNA\n" for i in range(n))
    )
    return prefix


def unbiased(r2: np.ndarray, n: int | np.ndarray) -> np.ndarray:
    """LDSC's estimator of rho^2."""
    return r2 - (1 - r2) / (n - 2)
