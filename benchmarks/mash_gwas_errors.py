"""Correlation of errors of five GWAS that share samples, by each way of `bm.mash.read_gwas`.

    python benchmarks/mash_gwas_errors.py eur_w_ld_chr/

300,000 variants, errors correlated by .5; without effects, and with h2 .3 at N 50,000 and genetic
correlations of .3, z-scores drawn by the variants' LD scores.
"""

from __future__ import annotations

import sys
import warnings

import numpy as np
import xarray as xr

import bayesmixer as bm
from bayesmixer.io.ld_score_files import LDScores

K, N, VARIANTS, TRUE = 5, 50_000.0, 300_000, 0.5


def traits(scores: LDScores, h2: float, rg: float) -> dict[str, xr.Dataset]:
    """Sumstats of five traits."""
    rng = np.random.default_rng(1)
    kept = np.sort(rng.choice(len(scores), VARIANTS, replace=False))
    snp = scores.snp.gather(kept).to_numpy().astype(str)
    alike = np.ones((K, K))
    z = rng.multivariate_normal(np.zeros(K), TRUE * alike + (1 - TRUE) * np.eye(K), VARIANTS)
    spread = np.sqrt(N * h2 * np.maximum(scores.values[kept, 0], 0) / scores.totals["M_5_50"][0])
    effects = rng.multivariate_normal(np.zeros(K), rg * alike + (1 - rg) * np.eye(K), VARIANTS)
    z += spread[:, None] * effects
    shared = {
        "snp": snp, "chrom": scores.chrom[kept].astype(str), "pos": scores.pos[kept],
        "a1": np.full(VARIANTS, "A"), "a2": np.full(VARIANTS, "C"), "n": np.full(VARIANTS, N),
    }  # fmt: skip
    return {
        f"trait_{i}": xr.Dataset(
            {name: ("variant", x) for name, x in (shared | {"z": z[:, i]}).items()},
            attrs={"kind": "sumstats", "trait": f"trait_{i}", "source": "simulated"},
        )
        for i in range(K)
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore", bm.DataWarning)
    prefix = sys.argv[1]
    scores = bm.ldsc.read_ld_scores(prefix)
    off = ~np.eye(K, dtype=bool)
    for h2, rg in ((0.0, 0.0), (0.3, 0.3)):
        made = traits(scores, h2, rg)
        for way in ("simple", "pairwise", "ldsc"):
            v = bm.mash.read_gwas(made, ref_ld=prefix, v=way, progress=False)["v"].values[off]
            print(f"h2 {h2:g}, {way}: {v.mean():.3f} ({v.min():.3f} to {v.max():.3f})")
