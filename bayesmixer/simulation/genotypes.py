"""Human-like genotypes by coalescent simulation: the demography of Europeans (Tennessen et al.
2012) and recombination in hotspots.

Variants are common and thinned to about the density of HapMap3, the more common ones kept more
often (proportionally to MAF^0.3), which makes the minor allele frequencies nearly uniform, as they
are in HapMap3. LD blocks end in the hottest hotspot near where they would end at equal length.
msprime (optional extra `simulate`) is imported when a chromosome is simulated, not before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmixer.errors import InputError

# Tennessen et al. 2012 (Science 337:64; parameters as in Fig. S5 of Fu et al. 2013, Nature
# 493:216), European branch without migration. Times in generations ago, sizes in diploid
# individuals, growth per generation, mutations per bp and generation.
ANCESTRAL_SIZE, AFRICAN_SIZE, AFRICAN_TIME = 7310, 14474, 5920
OUT_OF_AFRICA_SIZE, OUT_OF_AFRICA_TIME = 1861, 2040
EUROPEAN_SIZE, EUROPEAN_TIME, SLOW_GROWTH = 1032, 920, 0.00307
FAST_GROWTH_TIME, FAST_GROWTH = 204.6, 0.0195
MUTATION_RATE = 2.36e-8

# Recombination: 1.2 cM per Mb; 60% of it in hotspots (Coop et al. 2008, Science 319:1395) of about
# 2 kb that lie some 50 kb apart (McVean et al. 2004, Science 304:581; Myers et al. 2005, Science
# 310:321). Intensities are spread as a gamma of shape 0.6, and log-normally between regions of 1
# Mb.
RECOMBINATION_RATE = 1.2e-8
HOTSPOT_SHARE, HOTSPOT_WIDTH, HOTSPOT_SPACING, HOTSPOT_SHAPE = 0.6, 2_000, 50_000, 0.6
REGION_LENGTH, REGION_SD = 1_000_000, 0.6

# Exponent of MAF in the probability that a common variant is kept
ASCERTAINMENT = 0.3

# No A/T and C/G, which no reader could tell apart from the other strand; two transitions for each
# transversion.
_ALLELES = np.array(["AG", "GA", "CT", "TC", "AG", "GA", "CT", "TC", "AC", "CA", "GT", "TG"])


@dataclass(frozen=True)
class Chromosome:
    """Genotypes of one simulated chromosome.

    Attributes
    ----------
    pos, cm, a1, a2
        Position (bp, from 1), genetic position (cM), counted and other allele of each variant.
    dosage
        int8 (variant, sample): copies of `a1`.
    block_ends
        Last position of each LD block; the last is the length of the chromosome.
    """

    pos: NDArray[np.int64]
    cm: NDArray[np.float64]
    a1: NDArray[np.str_]
    a2: NDArray[np.str_]
    dosage: NDArray[np.int8]
    block_ends: NDArray[np.int64]


def require_msprime() -> Any:
    """Return msprime, or say in one line how to install it."""
    try:
        import msprime
    except ImportError as error:
        raise InputError(
            "simulate",
            "genotypes are simulated with msprime, which is not installed",
            "Install it: pip install 'bayesmixer[simulate]'",
        ) from error
    return msprime


def demography() -> Any:
    """European history as an `msprime.Demography` with one population, "EUR" (Tennessen et al.
    2012).
    """
    msprime = require_msprime()
    before_fast = EUROPEAN_SIZE * np.exp(SLOW_GROWTH * (EUROPEAN_TIME - FAST_GROWTH_TIME))
    history = msprime.Demography()
    history.add_population(
        name="EUR",
        initial_size=before_fast * np.exp(FAST_GROWTH * FAST_GROWTH_TIME),
        growth_rate=FAST_GROWTH,
    )
    changes: tuple[tuple[float, float, float], ...] = (
        (FAST_GROWTH_TIME, before_fast, SLOW_GROWTH),
        (EUROPEAN_TIME, OUT_OF_AFRICA_SIZE, 0),
        (OUT_OF_AFRICA_TIME, AFRICAN_SIZE, 0),
        (AFRICAN_TIME, ANCESTRAL_SIZE, 0),
    )
    for time, size, growth in changes:
        history.add_population_parameters_change(
            time=time, initial_size=size, growth_rate=growth, population="EUR"
        )
    return history


def recombination_map(
    length: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw a recombination map: a background, and hotspots that hold 60% of the recombination in
    about 4% of the sequence.

    Parameters
    ----------
    length
        Length of the chromosome in bp.
    rng
        Source of randomness.

    Returns
    -------
    position, rate
        Breakpoints (from 0 to `length`) and the rate per bp and generation between them; the mean
        rate is exactly 1.2e-8.
    """
    gaps = HOTSPOT_WIDTH + rng.exponential(
        HOTSPOT_SPACING - HOTSPOT_WIDTH, size=int(3 * length / HOTSPOT_SPACING) + 20
    )
    start = np.round(np.cumsum(gaps))
    start = start[start + HOTSPOT_WIDTH < length]
    if len(start) == 0:
        return np.array([0.0, length]), np.array([RECOMBINATION_RATE])
    region = rng.lognormal(sigma=REGION_SD, size=int(length // REGION_LENGTH) + 1)
    heat = rng.gamma(HOTSPOT_SHAPE, size=len(start)) * region[(start // REGION_LENGTH).astype(int)]
    total = RECOMBINATION_RATE * length
    background = (1 - HOTSPOT_SHARE) * total / length
    hot = HOTSPOT_SHARE * total * heat / heat.sum() / HOTSPOT_WIDTH
    position = np.concatenate(
        [[0.0], np.column_stack([start, start + HOTSPOT_WIDTH]).ravel(), [length]]
    )
    rate = np.full(len(position) - 1, background)
    rate[1::2] += hot
    keep = np.concatenate([[True], np.diff(position) > 0])  # two hotspots may touch
    return position[keep], rate[keep[1:]]


def block_ends(
    position: NDArray[np.float64], rate: NDArray[np.float64], block_length: float
) -> NDArray[np.int64]:
    """End each LD block in the middle of the hottest interval within a third of a block of where it
    would end at equal length.

    Parameters
    ----------
    position, rate
        Recombination map as `recombination_map` returns it.
    block_length
        Wanted mean length in bp.

    Returns
    -------
    ndarray
        Last position of each block; the last is the length of the chromosome.
    """
    length = position[-1]
    count = max(1, round(length / block_length))
    middle = (position[:-1] + position[1:]) / 2
    ends = []
    for target in np.arange(1, count) * length / count:
        near = np.flatnonzero(np.abs(middle - target) <= length / count / 3)
        ends.append(middle[near[np.argmax(rate[near])]] if len(near) else target)
    return np.unique(np.round([*ends, length]).astype(np.int64))


def simulate_chromosome(
    length: int,
    samples: int,
    density: float,
    min_maf: float,
    block_length: float,
    seed: np.random.SeedSequence,
    name: str = "simulate",
) -> Chromosome:
    """Simulate the common variants of one chromosome in a sample of Europeans.

    Parameters
    ----------
    length
        Length in bp.
    samples
        Diploid individuals.
    density
        Variants kept per Mb.
    min_maf
        Lowest minor allele frequency in the sample.
    block_length
        Mean length of an LD block in bp.
    seed
        Everything random comes from it.
    name
        What to call the chromosome in an error.

    Returns
    -------
    Chromosome

    Raises
    ------
    InputError
        msprime is missing, or the chromosome has fewer common variants than asked for.
    """
    msprime = require_msprime()
    rng = np.random.default_rng(seed)
    position, rate = recombination_map(length, rng)
    rate_map = msprime.RateMap(position=position, rate=rate)
    ancestry_seed, mutation_seed = (int(s) for s in rng.integers(1, 2**31, size=2))
    trees = msprime.sim_ancestry(
        samples, demography=demography(), recombination_rate=rate_map, random_seed=ancestry_seed
    )
    trees = msprime.sim_mutations(
        trees, rate=MUTATION_RATE, model=msprime.BinaryMutationModel(), random_seed=mutation_seed
    )
    site = trees.tables.sites.position
    derived = np.empty(len(site), np.int64)
    for variant in trees.variants(copy=False):
        derived[variant.site.id] = int((variant.genotypes > 0).sum())
    maf = np.minimum(derived, 2 * samples - derived) / (2 * samples)
    common = np.flatnonzero((maf >= min_maf) & (maf > 0))
    wanted = max(1, round(density * length / 1e6))
    if wanted > len(common):
        raise InputError(
            name,
            f"{wanted} variants asked for (density {density:g} per Mb), but only {len(common)} "
            f"have a minor allele frequency of at least {min_maf:g}",
            f"Ask for a density of at most {int(len(common) / (length / 1e6))}, or lower min_maf.",
        )
    kept = np.sort(
        rng.choice(
            common,
            size=wanted,
            replace=False,
            p=maf[common] ** ASCERTAINMENT / (maf[common] ** ASCERTAINMENT).sum(),
        )
    )
    dosage = np.empty((wanted, samples), np.int8)
    row = {int(s): i for i, s in enumerate(kept)}
    for variant in trees.variants(copy=False):
        i = row.get(variant.site.id)
        if i is not None:
            dosage[i] = (variant.genotypes > 0).reshape(samples, 2).sum(axis=1)
    # PLINK's habit: the counted allele is the minor one
    minor = derived[kept] > samples
    dosage[minor] = 2 - dosage[minor]
    alleles = rng.choice(_ALLELES, size=wanted)
    return Chromosome(
        pos=site[kept].astype(np.int64) + 1,
        cm=np.round(100 * rate_map.get_cumulative_mass(site[kept]), 5),
        a1=np.array([a[0] for a in alleles]),
        a2=np.array([a[1] for a in alleles]),
        dosage=dosage,
        block_ends=block_ends(position, rate, block_length),
    )
