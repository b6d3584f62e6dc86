"""`bayesmixer mash`: effects in many conditions in, the mixture that they come from and posteriors
out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bayesmixer.cli.options import Force, Json, Quiet, Seed, Threads, Tsv
from bayesmixer.cli.output import (
    check_inputs,
    claim,
    columns_as_lines,
    export,
    leave_out,
    number,
    say,
    say_verdict,
    say_wrapped,
)
from bayesmixer.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

MANY = 50_000  # effects, above which the mixture is learned from some
LEARN = 20_000
RESULTS = (".nc", ".zarr")


def _option(text: str, *names: str) -> Any:
    return typer.Option(*names, help=text, show_default=False)


def command(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Effects and their standard errors, effect x condition: two tables (.tsv, .csv, "
            ".parquet, .npy), or one .npz or .zarr of both; with --gwas summary statistics.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, _option("The result, fit and posteriors: .nc or .zarr.", "--out")],
    posterior: Annotated[
        Path | None,
        _option(
            "Also write the posteriors as a table: .tsv, .tsv.gz, .parquet, .npz; or alone, block "
            "by block, as .zarr (--out then holds the fit).",
            "--posterior",
        ),
    ] = None,
    report: Annotated[Path | None, _option("Also write a report (HTML).", "--report")] = None,
    z: Annotated[
        bool, typer.Option("--z", help="The second file holds z-scores; the only one: z alone.")
    ] = False,
    p: Annotated[
        bool, typer.Option("--p", help="The second file holds two-sided P values.")
    ] = False,
    v: Annotated[
        str | None,
        _option(
            "Correlation of errors between conditions: auto (the default: pairwise, where it is "
            "beyond chance; with --fit as it was there), none, pairwise, simple, em, or a table; "
            "with --gwas ldsc too (the default where LD scores are given).",
            "--v",
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        _option(
            "The effects that share the mixture are b / s^alpha; 0 without, 1 with --gwas.",
            "--alpha",
        ),
    ] = None,
    df: Annotated[float | None, _option("Degrees of freedom of t statistics.", "--df")] = None,
    baseline: Annotated[
        str | None, _option("Condition (or mean) to subtract from all.", "--baseline")
    ] = None,
    contrasts: Annotated[
        Path | None, _option("Table of contrasts, conditions as columns.", "--contrasts")
    ] = None,
    kinds: Annotated[
        str | None,
        _option(
            "Kinds of covariances, with commas between: canonical, carried (of contrasts), pca, "
            "sparse, ed (and lists of meta-analyses: bmalite, fixed, random, binary); canonical, "
            "carried and ed without, and no ed where no effect is strong.",
            "--kinds",
        ),
    ] = None,
    components: Annotated[
        int | None,
        typer.Option(
            min=1, help="Covariances that strong effects tell; 5 without.", show_default=False
        ),
    ] = None,
    strong: Annotated[
        str | None,
        _option(
            "Effects that covariances are learned from: ash (the default; of effects on disk top), "
            "top, or a file of names, one a line; with --random all of FILES.",
            "--strong",
        ),
    ] = None,
    random: Annotated[
        list[Path] | None,
        _option(
            "Effects drawn at random, in files as FILES (once for each of two): weights and the "
            "correlation of errors are learned from these, covariances from FILES, which are "
            "strong effects, and the posteriors are of FILES.",
            "--random",
        ),
    ] = None,
    learn: Annotated[
        int | None,
        typer.Option(
            "--learn",
            min=1,
            help=f"Learn the mixture from so many random effects; above {MANY:,} effects "
            f"{LEARN:,}, else all.",
            show_default=False,
        ),
    ] = None,
    given: Annotated[
        Path | None, _option("A saved fit to take the mixture from, in place of learning.", "--fit")
    ] = None,
    independent: Annotated[
        bool | None,
        typer.Option(
            "--independent/--no-independent",
            help="Whether there is a component of effects independent between conditions; there is "
            "without.",
            show_default=False,
        ),
    ] = None,
    prior: Annotated[
        str | None,
        _option("Penalty of the weights: nullbiased (without) or uniform.", "--prior"),
    ] = None,
    gwas: Annotated[
        bool,
        typer.Option("--gwas", help="FILES are GWAS summary statistics, one a trait."),
    ] = False,
    ref_ld: Annotated[
        str | None, _option("GWAS: prefix of LD scores, for --v ldsc.", "--ref-ld-chr", "--ref-ld")
    ] = None,
    w_ld: Annotated[
        str | None, _option("GWAS: prefix of the LD scores that weigh.", "--w-ld-chr", "--w-ld")
    ] = None,
    reference: Annotated[
        Path | None,
        _option(
            "LD reference: GWAS are aligned to it, variants in LD thinned by it.", "--reference"
        ),
    ] = None,
    join: Annotated[
        Literal["inner", "outer"] | None,
        _option("GWAS: variants that all traits have (inner; without), or any.", "--join"),
    ] = None,
    thin: Annotated[
        float | None,
        _option(
            "Learn from effects that many base pairs apart; GWAS: 500000 where there is no "
            "reference.",
            "--thin",
        ),
    ] = None,
    r2: Annotated[
        float | None,
        _option("r^2 in the reference from which two variants are near; 0.1 without.", "--r2"),
    ] = None,
    loci: Annotated[
        Path | None,
        _option("Also write the strongest called effect of each locus (.tsv).", "--loci"),
    ] = None,
    locus_distance: Annotated[
        float | None,
        _option(
            "Base pairs within which called effects are one locus; 500000, or by the reference.",
            "--locus-distance",
        ),
    ] = None,
    known_loci: Annotated[
        list[Path] | None, _option("BED files of loci to leave out of --loci.", "--known-loci")
    ] = None,
    threshold: Annotated[
        float | None,
        _option("Called: a local false sign rate below it; 0.05 without.", "--threshold"),
    ] = None,
    json: Json = None,
    tsv: Tsv = None,
    seed: Seed = 0,
    threads: Threads = None,
    quiet: Quiet = False,
    force: Force = False,
) -> None:
    """Multivariate adaptive shrinkage (mash): effects in many conditions, learned together.

    \b
    Example:
      bayesmixer mash bhat.tsv shat.tsv --out tissues.nc \\
        --posterior tissues.parquet --report tissues.html
      bayesmixer mash strong.npz --random random.npz --out strong.nc
      bayesmixer mash --gwas height.gz bmi.gz t2d.gz --ref-ld-chr eur_w_ld_chr/ \\
        --out traits.nc --loci loci.tsv
    """
    check_inputs(*files, contrasts, given, reference, *(random or []), *(known_loci or []))
    _claim(out, posterior, report, json, tsv, loci, force)

    import bayesmixer as bm
    from bayesmixer.cli import mash_steps as steps
    from bayesmixer.mash.runs import under_errors_of

    if z and p:
        raise InputError("--z", "given beside --p", "Give one of them.")
    stored = posterior is not None and posterior.suffix == ".zarr"
    if loci is not None and stored:
        raise InputError("--loci", "given beside a store of posteriors", "Leave out one of them.")
    if gwas:
        tables: dict[str, Any] = {"--z": z, "--p": p, "--df": df, "--random": random}
        tables |= {"--baseline": baseline, "--contrasts": contrasts}
        leave_out("beside --gwas", tables)
    else:
        lds: dict[str, Any] = {"--ref-ld-chr": ref_ld, "--w-ld-chr": w_ld, "--join": join}
        leave_out("with tables of effects", lds)
        if thin is None and loci is None:
            leave_out("with tables, without --thin or --loci", {"--reference": reference})
    if given is not None:
        how: dict[str, Any] = {"--kinds": kinds, "--components": components, "--strong": strong}
        how |= {"--random": random, "--learn": learn, "--thin": thin, "--prior": prior}
        how |= {"--independent": independent is not None}
        leave_out("beside --fit", how)
    if loci is None:
        places: dict[str, Any] = {"--locus-distance": locus_distance, "--known-loci": known_loci}
        leave_out("without --loci", places)
    if reference is None:
        leave_out("without --reference", {"--r2": r2})
    if stored:
        leave_out("with a store of posteriors", {"--threshold": threshold})
    level = 0.05 if threshold is None else threshold
    nearest = 0.1 if r2 is None else r2
    others = None
    if gwas:
        effects = steps.read_gwas(files, reference, ref_ld, w_ld, v, alpha, join or "inner", seed)
    else:
        asked = steps.Asked(z, p, v, alpha, df, baseline, contrasts)
        known = steps.errors_of(random or files, asked, given is not None)
        effects = steps.read(files, asked, known)
        if random:
            others = steps.read(random, asked, known)
            effects = under_errors_of(others, effects)
    if loci is not None and reference is None and "pos" not in effects.coords:
        remedy = "Give a --reference, or summary statistics by --gwas."
        raise InputError("--loci", "effects of tables have no positions", remedy)
    if given is not None:
        fit = bm.load(given)
    else:
        near = steps.Near(thin, reference, nearest) if gwas or thin is not None else None
        options: dict[str, Any] = {"prior": prior or "nullbiased", "seed": seed}
        options["independent"] = independent is not False
        fit = steps.learned(effects, others, files, kinds, components, strong, learn, near, options)
    if posterior is not None and stored:
        bm.mash.posterior_to(fit, effects, posterior, replace=force)
        found = fit
    else:
        made = steps.posterior(fit, effects.load())
        found = bm.mash.together(fit, made, effects, threshold=level)
        if posterior is not None:
            from bayesmixer.io.posterior_tables import write_posterior

            write_posterior(made, posterior, replace=force)
        if loci is not None:
            near = steps.Near(locus_distance, reference, nearest)
            steps.write_loci(made, loci, level, near, known_loci, force)
    verdict = bm.verdict(found)
    bm.save(found, out, replace=force)
    _show(found)
    if report is not None:
        bm.report(found, path=report, replace=force)
    export(found, json, tsv)
    say_verdict(verdict)
    say(f"written: {', '.join(str(one) for one in (out, posterior, report) if one is not None)}")


def _claim(
    out: Path, posterior: Path | None, report: Path | None, json: Path | None, tsv: Path | None,
    loci: Path | None, force: bool,
) -> None:  # fmt: skip
    """Places of all that is to be written."""
    from bayesmixer import kinds

    known = {"--out": kinds.stored("estimate", out)} if out.suffix in RESULTS else {}
    if loci is not None:
        from bayesmixer.io.posterior_tables import LOCI

        known["--loci"] = LOCI
    if posterior is not None:
        if posterior.suffix == ".zarr":
            known["--posterior"] = kinds.stored("mash_posterior", posterior)
        else:
            from bayesmixer.io.posterior_tables import place_of

            known["--posterior"] = place_of(posterior)
    claim(
        {
            "--out": (out, RESULTS),
            "--posterior": (posterior, ()),
            "--report": (report, ()),
            "--loci": (loci, (".tsv",)),
            "--json": (json, ()),
            "--tsv": (tsv, ()),
        },
        force,
        known,
    )


def _show(found: xr.DataTree) -> None:
    """What was called, by condition, and the sentences on it."""
    from bayesmixer.wings import told_of

    told = told_of(found)
    for sentence in told.sentences:
        say_wrapped(sentence)
    estimate = found["estimate"].to_dataset()
    if "n_called" in estimate:
        names = [str(name) for name in estimate[estimate["n_called"].dims[0]].values]
        columns = [
            ("called", [f"{int(n):,}" for n in estimate["n_called"].values]),
            ("expected wrong", [number(float(x)) for x in estimate["promised_wrong"].values]),
        ]
        for line in columns_as_lines([("", names), *columns], 80):
            say(line)
