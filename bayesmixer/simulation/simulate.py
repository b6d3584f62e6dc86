"""Simulated GWAS: genotypes, LD blocks, summary statistics and the truth behind them, as files.

Genotypes are simulated (`bayesmixer.simulation.genotypes`) or an existing panel's; effects are of
any of bayesmixer's models (`bayesmixer.simulation.effects`); z-scores have the panel's own LD
(`bayesmixer.simulation.panel`).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmixer import aside
from bayesmixer.arguments import whole_number
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.simulation.effects import Architecture, architecture

if TYPE_CHECKING:
    import xarray as xr

    from bayesmixer.simulation.panel import PanelBlocks

DENSITY = 400.0
CHROMOSOME_LENGTH = 6_000_000
SAMPLES = 300
MIN_MAF = 0.01
BLOCK_LENGTH = 330_000.0
CHROMOSOMES = 12


@dataclass(frozen=True)
class SimulatedData:
    """Where the files of a simulation are.

    Attributes
    ----------
    directory
        Directory of the files.
    genotypes
        Prefix of the PLINK bed/bim/fam files.
    ld_blocks
        BED file of the LD blocks.
    sumstats
        Summary statistics by name of the trait.
    truth
        JSON file with all parameters, and what was realised.
    """

    directory: Path
    genotypes: Path
    ld_blocks: Path
    sumstats: dict[str, Path]
    truth: Path

    def read_truth(self) -> dict[str, Any]:
        """Return the contents of the truth file."""
        return dict(json.loads(self.truth.read_text()))


def simulate(
    out: str | Path,
    *,
    model: str = "univariate",
    h2: float | Sequence[float] = 0.02,
    pi: float | Sequence[float] | None = None,
    share_large: float | None = None,
    rho_beta: float | None = None,
    rg: float | None = None,
    maf_s: float = 0.0,
    law: str = "gaussian",
    enrichment: float = 1.0,
    n: float | Sequence[float] = 100_000,
    sigma2_0: float | Sequence[float] = 1.0,
    rho_0: float = 0.0,
    n_spread: float = 0.0,
    traits: str | Sequence[str] | None = None,
    genotypes: str | Path | None = None,
    ld_blocks: str | Path | None = None,
    chromosomes: int | Sequence[int | str] | None = None,
    chromosome_length: int = CHROMOSOME_LENGTH,
    samples: int = SAMPLES,
    density: float = DENSITY,
    min_maf: float = MIN_MAF,
    block_length: float = BLOCK_LENGTH,
    seed: int = 1,
    digits: int = 6,
    overwrite: bool = False,
    show: bool | None = None,
) -> SimulatedData:
    """Simulate one or two GWAS, with genotypes for the LD reference, and write them as files.

    z = sqrt(N) R (sqrt(H) beta) + sqrt(sigma2_0) X' g / sqrt(samples) within each LD block of the
    panel; the phenotype has variance 1. A reference built with the LD blocks as windows and plain
    r^2 fits these data exactly. Simulated genotypes of finished chromosomes are kept until all is
    written, so that a run that was interrupted goes on where it stopped; the same seed gives the
    same files.

    Parameters
    ----------
    out
        Directory to write; made if need be.
    model, h2, pi, share_large, rho_beta, rg, maf_s, law, enrichment
        True effects: see `bayesmixer.simulation.effects.architecture`. By default, for model
        "univariate", pi is 0.003.
    n
        Sample size of the GWAS; one value, or one per trait.
    sigma2_0
        Variance of the noise; one value, or one per trait.
    rho_0
        Correlation of the noise of two traits (overlapping samples).
    n_spread
        Sample sizes vary between variants uniformly over [n (1 - n_spread), n].
    traits
        Names; "trait1", "trait2" by default.
    genotypes, ld_blocks
        An existing panel (prefix of PLINK files, {chrom} for the chromosome) and BED file of its LD
        blocks, instead of simulated ones.
    chromosomes
        How many to simulate (12 by default), or which of the panel's to use.
    chromosome_length
        Length of a simulated chromosome in bp.
    samples
        Simulated samples of the panel.
    density
        Simulated variants per Mb.
    min_maf
        Lowest minor allele frequency of simulated variants.
    block_length
        Mean length of an LD block of simulated genotypes in bp.
    seed
        Everything random comes from it.
    digits
        Significant digits of BETA, SE and EAF.
    overwrite
        Replace a simulation that is already in `out`.
    show
        Progress bars; None for automatic.

    Returns
    -------
    SimulatedData
        Paths of `TRAIT.txt.gz` (SNP CHR BP A1 A2 EAF BETA SE P N; A1 is the effect allele and the
        panel's counted allele), `truth.json` and, where simulated, `genotypes.{bed,bim,fam}` and
        `ld_blocks.bed`.

    Raises
    ------
    InputError
        An argument is out of range or does not fit the others; a file cannot be used; msprime is
        missing.
    """
    from bayesmixer.simulation.files import (
        begin,
        check_files,
        file_names,
        finish,
        sumstats_bytes,
        write_genotypes,
    )
    from bayesmixer.simulation.panel import panel_blocks, simulate_z

    out = Path(out)
    if model == "univariate" and pi is None:
        pi = 0.003
    effects = architecture(model, h2, pi, share_large, rho_beta, rg, maf_s, law, enrichment)
    d = effects.traits
    sizes = _per_trait("n", n, d, lambda v: v >= 2, "a sample size of at least 2")
    noise = _per_trait("sigma2_0", sigma2_0, d, lambda v: 0 < v <= 100, "a variance above 0")
    correlation = _number("rho_0", rho_0, lambda v: -1 <= v <= 1, "between -1 and 1")
    if d == 1 and correlation != 0:
        raise InputError(
            "rho_0",
            f"found {correlation:g}, but there is one trait",
            "Leave it out or simulate two traits.",
        )
    spread = _number("n_spread", n_spread, lambda v: 0 <= v < 1, "from 0 to below 1")
    names = _trait_names(traits, d)
    seed = _integer("seed", seed, 0, 2**63 - 1)
    digits = _integer("digits", digits, 3, 17)
    writes = file_names(names, genotypes is None)
    check_files(out, writes, overwrite)
    if (genotypes is None) != (ld_blocks is None):
        raise InputError(
            "genotypes" if genotypes is None else "ld_blocks",
            "missing; a panel needs both genotypes and ld_blocks",
        )
    streams = np.random.SeedSequence(seed).spawn(2)

    made: dict[str, Any] = {}
    if genotypes is None or ld_blocks is None:
        count = CHROMOSOMES if chromosomes is None else chromosomes
        if not isinstance(count, (int, np.integer)):
            raise InputError(
                "chromosomes",
                f"found {chromosomes!r}, expected how many to simulate",
                "A list chooses among those of `genotypes`.",
            )
        made = {
            "chromosomes": _integer("chromosomes", count, 1, 22),
            "chromosome_length": _integer(
                "chromosome_length", chromosome_length, 10_000, 300_000_000
            ),
            "samples": _integer("samples", samples, 10, 1_000_000),
            "density": _number(
                "density", density, lambda v: 0 < v <= 1e6, "a number of variants per Mb above 0"
            ),
            "min_maf": _number("min_maf", min_maf, lambda v: 0 <= v < 0.5, "from 0 to below 0.5"),
            "block_length": _number(
                "block_length", block_length, lambda v: v >= 1_000, "at least 1,000 bp"
            ),
        }
        prefix, blocks = out / "genotypes", out / "ld_blocks.bed"
    else:
        if isinstance(chromosomes, (int, np.integer)):
            chromosomes = [int(chromosomes)]
        prefix, blocks = Path(genotypes), Path(ld_blocks)
        panel = panel_blocks(prefix, blocks, chromosomes)
    aside.make_folder(out)
    aside.check(out / "truth.json", aside.OWN, where=str(out))
    with aside.claimed(out):
        if made:
            write_genotypes(
                prefix, blocks, made, seed, streams[0], show, lambda: begin(out, writes)
            )
            panel = panel_blocks(prefix, blocks)
        rng = np.random.default_rng(streams[1])
        simulated = simulate_z(
            panel, effects, sizes, noise, correlation, rng=rng, n_spread=spread, show=show
        ).isel(replicate=0)
        if int(simulated["n_causal"].sum()) == 0:
            warnings.warn(
                "simulate: no causal variant was drawn; the traits are noise only. Raise pi.",
                DataWarning,
                stacklevel=2,
            )
        begin(out, writes)
        files = {}
        for t, name in enumerate(names):
            files[name] = out / f"{name}.txt.gz"
            aside.write(
                files[name],
                sumstats_bytes(
                    panel, simulated["z"].to_numpy()[:, t], simulated["n"].to_numpy()[:, t], digits
                ),
            )
        given = {
            "seed": seed,
            "model": model,
            "traits": names,
            "h2": effects.genetic_covariance().diagonal(),
            "pi": effects.pi,
            "maf_s": effects.maf_s,
            "law": effects.law,
            "enrichment": effects.enrichment,
            "n": sizes,
            "n_spread": spread,
            "sigma2_0": noise,
            "rho_0": correlation,
            "genotypes": made or {"genotypes": prefix.name, "ld_blocks": blocks.name},
        }
        truth = {**given, **realised(panel, effects, simulated)}
        # last: its presence says that the simulation is complete
        aside.write(
            out / "truth.json", (json.dumps(truth, indent=1, default=_plain) + "\n").encode()
        )
        finish(out)
    return SimulatedData(out, prefix, blocks, files, out / "truth.json")


def realised(panel: PanelBlocks, effects: Architecture, simulated: xr.Dataset) -> dict[str, Any]:
    """Truth of one replicate of `simulate_z`: derived parameters, and what the draws came to.

    Parameters
    ----------
    panel
        The panel.
    effects
        Its true architecture.
    simulated
        One replicate of `simulate_z`.

    Returns
    -------
    dict
        variants, h_total, polygenicity, components (pi, h2, sigma2_beta), h2_realised, n_causal,
        mean_chi2 and, for two traits, rg and rg_realised.
    """
    h_total = float(simulated.attrs["h_total"])
    covariance = effects.covariance(h_total)
    keep = panel.heterozygosity > 0
    chi2 = simulated["z"].to_numpy()[keep] ** 2
    out: dict[str, Any] = {
        "variants": int(keep.sum()),
        "monomorphic": int((~keep).sum()),
        "ld_block_count": len(panel.edges) - 1,
        "samples": panel.samples,
        "h_total": h_total,
        "polygenicity": effects.polygenicity,
        "components": [
            {**asdict(c), "sigma2_beta": covariance[i].diagonal()}
            for i, c in enumerate(effects.components)
        ],
        "h2_realised": simulated["h2_realised"].to_numpy(),
        "n_causal": {
            c.name: int(v)
            for c, v in zip(effects.components, simulated["n_causal"].to_numpy(), strict=True)
        },
        "mean_chi2": chi2.mean(axis=0),
        "lambda_gc": np.median(chi2, axis=0) / 0.4549364,
        "max_abs_z": np.sqrt(chi2.max(axis=0)),
    }
    if effects.traits == 2:
        for name, g in (
            ("rg", effects.genetic_covariance()),
            ("rg_realised", simulated["genetic_covariance"].to_numpy()),
        ):
            scale = np.sqrt(g[0, 0] * g[1, 1])
            out[name] = float(g[0, 1] / scale) if scale > 0 else None
    return out


def _number(name: str, value: Any, good: Callable[[float], bool], expected: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(name, f"found {value!r}, expected {expected}") from None
    if not np.isfinite(number) or not good(number):
        raise InputError(name, f"found {value!r}, expected {expected}")
    return number


def _integer(name: str, value: Any, low: int, high: int) -> int:
    """A whole number; 3e6 is one."""
    whole = isinstance(value, float) and value.is_integer()
    return whole_number(name, int(value) if whole else value, low, high)


def _per_trait(
    name: str, value: Any, d: int, good: Callable[[float], bool], expected: str
) -> list[float]:
    values = list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value] * d
    if len(values) == 1:
        values = values * d
    if len(values) != d:
        raise InputError(
            name,
            f"found {len(values)} values, but there "
            f"{'is one trait' if d == 1 else f'are {d} traits'}",
        )
    return [_number(name, v, good, expected) for v in values]


def _trait_names(traits: str | Sequence[str] | None, d: int) -> list[str]:
    names = (
        [f"trait{t}" for t in range(1, d + 1)]
        if traits is None
        else [traits]
        if isinstance(traits, str)
        else [str(t) for t in traits]
    )
    if len(names) != d or len(set(names)) != d:
        raise InputError(
            "traits",
            f"found {', '.join(names) or 'none'}, expected {d} different "
            f"name{'s' if d > 1 else ''}",
        )
    for name in names:
        if not name or name.startswith(".") or not all(c.isalnum() or c in "._-" for c in name):
            raise InputError(
                "traits",
                f"found {name!r}, expected letters, digits, '.', '_' and '-' (it names a file)",
            )
    return names


def _plain(value: Any) -> Any:
    """NumPy to JSON."""
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)
