"""`bayesmixer simulate`: one or two GWAS with known truth, and genotypes to build their LD
reference from.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bayesmixer.cli.options import Quiet, Seed, Threads
from bayesmixer.cli.output import say
from bayesmixer.errors import InputError


class Model(StrEnum):
    """Architectures of true effects."""

    univariate = "univariate"
    infinitesimal = "infinitesimal"
    two_component = "two-component"
    bivariate = "bivariate"


class Law(StrEnum):
    """Laws of the effects of causal variants."""

    gaussian = "gaussian"
    laplace = "laplace"
    t5 = "t5"


def numbers(option: str, text: str | None) -> list[float] | None:
    """Read numbers separated by commas.

    Parameters
    ----------
    option
        The option they come from, for the error.
    text
        Such as "0.15,0.10"; None where the option was not given.
    """
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(
            option, f"found '{text}', expected a number, or several separated by commas"
        ) from None


def command(
    out: Annotated[
        Path, typer.Argument(help="Folder to write; made if need be.", show_default=False)
    ],
    model: Annotated[
        Model, typer.Option(help="Architecture of the true effects.")
    ] = Model.univariate,
    h2: Annotated[
        str,
        typer.Option(help="Heritability that the simulated variants explain; one value per trait."),
    ] = "0.02",
    pi: Annotated[
        str | None,
        typer.Option(
            help=(
                "Share of causal variants (univariate, 0.003 by default); small,large "
                "(two-component); unique 1,unique 2,shared (bivariate)."
            ),
            show_default=False,
        ),
    ] = None,
    share_large: Annotated[
        float | None,
        typer.Option(help="Part of h2 from large effects (two-component).", show_default=False),
    ] = None,
    rho_beta: Annotated[
        float | None,
        typer.Option(
            "--rho-beta",
            help="Correlation of effects at shared variants (bivariate).",
            show_default=False,
        ),
    ] = None,
    rg: Annotated[
        float | None,
        typer.Option(help="Genetic correlation of two infinitesimal traits.", show_default=False),
    ] = None,
    maf_s: Annotated[
        float,
        typer.Option(help="S: effect variance is proportional to heterozygosity to the power S."),
    ] = 0.0,
    law: Annotated[
        Law,
        typer.Option(
            help="Law of the effects of causal variants, of the same variance: t5 is Student's t."
        ),
    ] = Law.gaussian,
    enrichment: Annotated[
        float,
        typer.Option(
            help=(
                "How many times denser than on average causal variants are in a tenth of the LD "
                "blocks, the same for both traits."
            )
        ),
    ] = 1.0,
    sample_size: Annotated[
        str, typer.Option("--n", help="Sample size of the GWAS; one value, or one per trait.")
    ] = "100000",
    sigma2_0: Annotated[
        str, typer.Option("--sigma2-0", help="Variance of the noise; one value, or one per trait.")
    ] = "1",
    rho_0: Annotated[
        float,
        typer.Option(
            "--rho-0", help="Correlation of the noise of two traits (overlapping samples)."
        ),
    ] = 0.0,
    n_spread: Annotated[
        float, typer.Option(help="Sample sizes vary between variants over [N (1 - this), N].")
    ] = 0.0,
    traits: Annotated[
        str | None,
        typer.Option(help="Names of the traits, separated by commas.", show_default=False),
    ] = None,
    genotypes: Annotated[
        str | None,
        typer.Option(
            help=(
                "Simulate through this panel (prefix of bed or pgen files, {chrom} for the "
                "chromosome)."
            ),
            show_default=False,
        ),
    ] = None,
    ld_blocks: Annotated[
        str | None,
        typer.Option(
            help="LD blocks of --genotypes: a BED file or a named set (eur_hg19).",
            show_default=False,
        ),
    ] = None,
    chromosomes: Annotated[
        str | None,
        typer.Option(
            help="How many to simulate (12 by default); with --genotypes which to use, as 21,22.",
            show_default=False,
        ),
    ] = None,
    chromosome_length: Annotated[
        int, typer.Option(help="Length of a simulated chromosome in bp.")
    ] = 6_000_000,
    samples: Annotated[int, typer.Option(help="Simulated samples of the panel.")] = 300,
    density: Annotated[float, typer.Option(help="Simulated variants per Mb.")] = 400,
    min_maf: Annotated[
        float, typer.Option(help="Lowest minor allele frequency of simulated variants.")
    ] = 0.01,
    block_length: Annotated[
        float, typer.Option(help="Mean length of a simulated LD block in bp.")
    ] = 330_000,
    seed: Seed = 1,
    threads: Threads = None,
    quiet: Quiet = False,
    force: Annotated[
        bool,
        typer.Option("--force", "--overwrite", help="Replace a simulation that is already there."),
    ] = False,
) -> None:
    """Simulate one or two GWAS with known truth, and genotypes to build their LD reference from.

    \b
    Examples:
      bayesmixer simulate sim --pi 0.01 --h2 0.02 --n 100000 --seed 1
      bayesmixer ld build sim/genotypes --window sim/ld_blocks.bed \\
        --r2-rule plain --out sim/reference.zarr
      bayesmixer simulate pair --model bivariate --h2 0.02,0.03 \\
        --pi 0.002,0.001,0.003 --rho-beta 0.6

    Writes TRAIT.txt.gz, truth.json and, where simulated, genotypes.bed/bim/fam and ld_blocks.bed.
    """
    from bayesmixer.simulation.simulate import simulate

    size, noise = numbers("--n", sample_size), numbers("--sigma2-0", sigma2_0)
    made = simulate(
        out,
        model=model.value.replace("-", "_"),
        h2=numbers("--h2", h2) or [],
        pi=numbers("--pi", pi),
        share_large=share_large,
        rho_beta=rho_beta,
        rg=rg,
        maf_s=maf_s,
        law=law.value,
        enrichment=enrichment,
        n=size or [],
        sigma2_0=noise or [],
        rho_0=rho_0,
        n_spread=n_spread,
        traits=None if traits is None else traits.split(","),
        genotypes=genotypes,
        ld_blocks=ld_blocks,
        chromosomes=_chromosomes(chromosomes, genotypes),
        chromosome_length=chromosome_length,
        samples=samples,
        density=density,
        min_maf=min_maf,
        block_length=block_length,
        seed=seed,
        overwrite=force,
    )
    truth = made.read_truth()
    for t, (name, path) in enumerate(made.sumstats.items()):
        say(
            f"{name}: h2 {truth['h2_realised'][t]:.4g} (asked {truth['h2'][t]:.4g}), "
            f"polygenicity {truth['polygenicity'][t]:.3g}, "
            f"mean chi2 {truth['mean_chi2'][t]:.3g}: {path}"
        )
    say(f"genotypes: {made.genotypes}; LD blocks: {made.ld_blocks}; truth: {made.truth}")


def _chromosomes(text: str | None, genotypes: str | None) -> int | list[str] | None:
    """How many chromosomes to simulate, or the names of those to use of a panel."""
    if text is None:
        return None
    if genotypes is not None:
        return text.split(",")
    if not text.isdecimal():
        raise InputError(
            "--chromosomes",
            f"found '{text}', expected how many to simulate",
            "A list chooses among those of --genotypes.",
        )
    return int(text)
