"""z-scores through the LD of a panel of genotypes: z = sqrt(N) R (sqrt(H) beta) + sqrt(sigma2_0) X'
g / sqrt(n), LD block by LD block.

X are the standardised genotypes of a block (n samples), R = X'X / n its in-sample LD and g ~ N(0,
I_n), so signal and noise both have exactly that LD, and blocks are independent. The model that fits
such z-scores uses the LD blocks as windows and plain r^2. Genotypes are read once and kept as int8;
replicates share the matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.io.genotypes import open_panels
from bayesmixer.ld.blocks import label_blocks, read_blocks
from bayesmixer.progress import bar
from bayesmixer.simulation.effects import Architecture


@dataclass(frozen=True)
class PanelBlocks:
    """Genotypes of a panel cut into LD blocks, ready to simulate through.

    Attributes
    ----------
    variants
        One row per variant, in genome order: snp, chrom, pos, cm, a1 (counted allele), a2, freq (of
        a1), heterozygosity.
    dosage
        int8 (variant, sample): copies of a1, negative where missing.
    edges
        Row at which each LD block starts, and the number of variants.
    """

    variants: pd.DataFrame
    dosage: NDArray[np.int8]
    edges: NDArray[np.int64]

    @property
    def samples(self) -> int:
        """Number of samples."""
        return int(self.dosage.shape[1])

    @property
    def heterozygosity(self) -> NDArray[np.float64]:
        """H = 2 f (1 - f) of each variant."""
        return self.variants["heterozygosity"].to_numpy(dtype=float)

    def standardised(self, block: int) -> NDArray[np.float32]:
        """Standardised genotypes of one LD block (variant, sample): mean 0, variance 1; missing
        ones and monomorphic variants are 0.
        """
        raw = self.dosage[self.edges[block] : self.edges[block + 1]]
        x = raw.astype(np.float32) - _mean_of_called(raw).astype(np.float32)
        # a missing genotype is the mean, as in building the reference
        x[raw < 0] = 0
        sd = np.sqrt(np.mean(np.square(x), axis=1, dtype=np.float64, keepdims=True))
        x /= np.where(sd > 1e-6, sd, 1)
        return x


def _mean_of_called(dosage: NDArray[np.int8]) -> NDArray[np.float64]:
    """Mean dosage over the samples that are not missing, 0 where all are: (variant, 1)."""
    total = np.maximum(dosage, 0).sum(axis=1, dtype=np.int64, keepdims=True)
    return np.asarray(total / np.maximum((dosage >= 0).sum(axis=1, keepdims=True), 1))


def panel_blocks(
    genotypes: str | Path, ld_blocks: str | Path, chromosomes: Sequence[int | str] | None = None
) -> PanelBlocks:
    """Read a panel's genotypes into LD blocks.

    Parameters
    ----------
    genotypes
        Prefix of PLINK bed/bim/fam or PLINK2 pgen/pvar/psam files, with {chrom} in place of the
        chromosome.
    ld_blocks
        BED file of LD blocks, or the name of a set ("eur_hg19").
    chromosomes
        Which to read; None for all autosomes there are.

    Returns
    -------
    PanelBlocks
        About one byte per genotype in memory.

    Raises
    ------
    InputError
        A file is missing or malformed, or a chromosome has no variants or no LD blocks.
    """
    blocks = read_blocks(ld_blocks)
    tables, dosages = [], []
    for part in open_panels(genotypes, chromosomes=chromosomes):
        dosages.append(part.read(0, len(part.variants)))
        part.close()
        tables.append(part.variants.assign(chrom=part.chrom))
        if dosages[-1].shape[1] != dosages[0].shape[1]:
            raise InputError(
                part.files[0],
                f"{dosages[-1].shape[1]} samples, but the chromosomes before it have "
                f"{dosages[0].shape[1]}",
            )
    variants = pd.concat(tables, ignore_index=True)
    dosage = np.concatenate(dosages) if len(dosages) > 1 else dosages[0]
    variants["freq"] = _mean_of_called(dosage)[:, 0] / 2
    variants["heterozygosity"] = 2 * variants["freq"] * (1 - variants["freq"])
    label = label_blocks(variants["chrom"], variants["pos"], blocks)
    first = np.flatnonzero(np.r_[True, np.diff(label) != 0])
    return PanelBlocks(variants, dosage, np.r_[first, len(label)])


def simulate_z(
    panel: PanelBlocks,
    architecture: Architecture,
    n: Sequence[float] | NDArray[np.float64],
    sigma2_0: Sequence[float] = (1.0, 1.0),
    rho_0: float = 0.0,
    *,
    rng: np.random.Generator,
    n_spread: float = 0.0,
    replicates: int = 1,
    keep_effects: bool = False,
    show: bool | None = None,
) -> xr.Dataset:
    """Simulate z-scores through the LD of a panel, many replicates at a time.

    z_t = sqrt(N_t) R (sqrt(H) beta_t) + sqrt(sigma2_0t) X' g_t / sqrt(n), corr(g_1, g_2) = rho_0,
    within each LD block.

    Parameters
    ----------
    panel
        Genotypes by LD block, of `panel_blocks`.
    architecture
        True effects, of `bayesmixer.simulation.effects.architecture`.
    n
        Sample size of the GWAS of each trait.
    sigma2_0
        Variance of the noise of each trait.
    rho_0
        Correlation of the noise of two traits.
    rng
        Source of randomness.
    n_spread
        Sample sizes vary between variants, uniformly over [N (1 - n_spread), N]; the same in all
        replicates.
    replicates
        Independent simulations. Memory: 8 bytes x replicates x variants x traits.
    keep_effects
        Also return the true effects.
    show
        Progress bar; None for automatic.

    Returns
    -------
    xarray.Dataset
        `z` (replicate, variant, trait), `n` (variant, trait), `n_causal` (replicate, component),
        `genetic_covariance` (replicate, trait, trait_bis: covariance of the realised genetic
        values), `h2_realised` (replicate, trait: its diagonal), `density` (replicate, ld_block: of
        causal variants, over the panel's; 1 where even) and, if asked, `beta` (replicate, variant,
        trait: per-allele effects).
    """
    d, m, samples = architecture.traits, len(panel.variants), panel.samples
    size, noise_sd = np.asarray(n, float)[:d], np.sqrt(np.asarray(sigma2_0, float)[:d])
    n_variant = size * (1 - n_spread * rng.random((m, d)))
    root_n = np.sqrt(n_variant)[:, None, :]
    h, noise_root = panel.heterozygosity, np.linalg.cholesky(_correlation(rho_0, d))
    h_total = architecture.h_total(h)
    if h_total == 0:
        raise InputError("genotypes", "every variant is monomorphic, nothing to simulate")
    z = np.empty((replicates, m, d))
    effects = np.empty((replicates, m, d)) if keep_effects else None
    covariance = np.zeros((replicates, d, d))
    causal = np.zeros((replicates, len(architecture.components)), np.int64)
    density = architecture.densities(np.diff(panel.edges), replicates, rng)
    with bar("z-scores by LD block", len(panel.edges) - 1, show) as progress:
        for b, (start, stop) in enumerate(zip(panel.edges[:-1], panel.edges[1:], strict=True)):
            x, width = panel.standardised(b), replicates * d
            beta, component = architecture.draw(h[start:stop], h_total, replicates, rng, density[b])
            # a monomorphic variant cannot be causal, whatever was drawn
            component[h[start:stop] == 0] = -1
            for c in range(len(architecture.components)):
                causal[:, c] += (component == c).sum(axis=0)
            gamma = beta * np.sqrt(h[start:stop])[:, None, None]
            value = x.T @ gamma.reshape(-1, width).astype(np.float32)
            noise = rng.standard_normal((samples, replicates, d), dtype=np.float32) @ (
                noise_sd[:, None] * noise_root
            ).T.astype(np.float32)
            both = x @ np.concatenate(
                [value / samples, noise.reshape(samples, width) / np.float32(np.sqrt(samples))],
                axis=1,
            )
            signal, error = (
                part.reshape(-1, replicates, d).astype(np.float64)
                for part in (both[:, :width], both[:, width:])
            )
            z[:, start:stop] = (root_n[start:stop] * signal + error).transpose(1, 0, 2)
            if effects is not None:
                effects[:, start:stop] = beta.transpose(1, 0, 2)
            genetic = value.reshape(samples, replicates, d).astype(np.float64)
            covariance += np.einsum("srt,sru->rtu", genetic, genetic) / samples
            progress.advance()
    out = xr.Dataset(
        {
            "z": (("replicate", "variant", "trait"), z),
            "n": (("variant", "trait"), n_variant),
            "n_causal": (("replicate", "component"), causal),
            "genetic_covariance": (("replicate", "trait", "trait_bis"), covariance),
            "h2_realised": (
                ("replicate", "trait"),
                np.diagonal(covariance, axis1=1, axis2=2).copy(),
            ),
            "density": (("replicate", "ld_block"), density.T),
        },
        coords={"component": [c.name for c in architecture.components]},
        attrs={"kind": "simulated_z", "h_total": h_total, "samples": samples},
    )
    if effects is not None:
        out["beta"] = (("replicate", "variant", "trait"), effects)
    return out


def _correlation(rho: float, d: int) -> NDArray[np.float64]:
    """Correlation matrix of d traits; a correlation of +-1 is taken a hair inside so that it has a
    Cholesky root.
    """
    out = np.full((d, d), float(np.clip(rho, -1 + 1e-12, 1 - 1e-12)))
    np.fill_diagonal(out, 1)
    return out
