"""`bayesmixer ldsc`: LD score regression with the options of LDSC, its numbers in full, and with
--like-ldsc its files.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bayesmixer.cli.options import Force, Quiet, Threads
from bayesmixer.cli.output import check_inputs, columns_as_lines, number, say, say_wrapped
from bayesmixer.errors import InputError

if TYPE_CHECKING:
    from bayesmixer.ldsc.words import Said

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


def _option(text: str, *names: str) -> Any:
    return typer.Option(*names, help=text, show_default=False)


Sumstats = Annotated[
    Path,
    typer.Argument(
        help="Summary statistics: LDSC's .sumstats.gz, or any format that munge reads.",
        show_default=False,
    ),
]
RefLd = Annotated[
    str | None,
    _option(
        "Prefix of the reference's LD scores, one file a chromosome (@ stands for it); several "
        "with commas between.",
        "--ref-ld-chr",
        "--ref-ld",
    ),
]
WLd = Annotated[
    str | None,
    _option("Prefix of the LD scores that weigh; the reference's without.", "--w-ld-chr", "--w-ld"),
]
Out = Annotated[
    Path,
    _option("Prefix of the output: PREFIX.json, PREFIX.tsv; LDSC's with --like-ldsc.", "--out"),
]
Intercept = Annotated[
    str | None,
    _option(
        "Fix the intercept of chi-squared; one a trait, with commas, for rg.", "--intercept-h2"
    ),
]
NoIntercept = Annotated[
    bool, typer.Option("--no-intercept", help="Fix intercepts at 1 (products: 0).")
]
TwoStep = Annotated[
    str,
    typer.Option(
        "--two-step",
        help="Chi-squared from which variants do not tell the intercept; auto: 30 with one "
        "annotation; none.",
    ),
]
ChisqMax = Annotated[
    float | None, _option("Leave out variants of this chi-squared or more.", "--chisq-max")
]
Blocks = Annotated[int, typer.Option("--n-blocks", help="Blocks of the jackknife.")]
Alike = Annotated[
    Literal["count", "position"],
    typer.Option("--blocks", help="Blocks of as many variants, or as long along the genome."),
]
M = Annotated[
    str | None, _option("Numbers of variants of each annotation, with commas between.", "--M")
]
NotCommon = Annotated[
    bool,
    typer.Option(
        "--not-M-5-50", help="Count all variants of the reference, not those of MAF above 5%."
    ),
]
Invert = Annotated[
    bool,
    typer.Option("--invert-anyway", help="Go on where annotations can hardly be told apart."),
]
SampPrev = Annotated[
    str | None,
    _option("Share of cases in the sample (rg: with commas, nan for none).", "--samp-prev"),
]
PopPrev = Annotated[
    str | None, _option("Share of cases in the population (likewise).", "--pop-prev")
]
Like = Annotated[
    bool,
    typer.Option("--like-ldsc", help="All as LDSC 1.0.1 does it, and its .log and tables beside."),
]
PrintCov = Annotated[
    bool, typer.Option("--print-cov", help="Write PREFIX.cov, covariance of the coefficients.")
]
PrintDelete = Annotated[
    bool,
    typer.Option("--print-delete-vals", help="Write PREFIX.delete: estimates without each block."),
]


def _numbers(name: str, given: str | None) -> list[float] | None:
    """Numbers with commas between."""
    if given is None:
        return None
    try:
        # LDSC's users write N for a minus sign, which begins an option
        return [float(v.replace("N", "-") if v[:1] == "N" else v) for v in given.split(",")]
    except ValueError:
        raise InputError(name, f"'{given}', expected numbers with commas between") from None


def _number(name: str, given: str | None) -> float | None:
    found = _numbers(name, given)
    if found is not None and len(found) != 1:
        raise InputError(name, f"'{given}', expected one number")
    return None if found is None else found[0]


def _m(given: str | None, not_common: bool) -> Any:
    return _numbers("--M", given) or ("M" if not_common else "M_5_50")


def _step(given: str) -> Any:
    """`--two-step`: auto, none or a number."""
    if given.lower() in ("auto", "none"):
        return "auto" if given.lower() == "auto" else None
    return _number("--two-step", given)


def _need(ref_ld: str | None) -> str:
    if ref_ld is None:
        raise InputError("--ref-ld-chr", "missing", "Give the prefix of the LD scores.")
    return ref_ld


def _begin(out: Path, endings: Sequence[str], force: bool) -> None:
    from bayesmixer.ldsc.written import check_places

    check_places(out, [".json", *endings], force)


def _finish(
    out: Path,
    command: str,
    result: Any,
    rows: Sequence[Mapping[str, Any]],
    said: Sequence[Said],
    texts: Mapping[str, str],
    force: bool,
) -> None:
    """Write the files, print the table and what it means."""
    from bayesmixer.ldsc.written import tidy, write

    found = {
        "command": f"bayesmixer {' '.join(sys.argv[1:])}" if sys.argv[1:] else f"ldsc {command}",
        "result": result,
        "said": [one._asdict() for one in said],
    }
    paths = write(out, found, {".tsv": tidy(rows), **texts}, replace=force)
    for one in said:
        level = "caution: " if one.level == "caution" else ""
        remedy = f" {one.remedy}" if one.remedy else ""
        say_wrapped(f"{level}{one.subject}: {one.sentence}.{remedy}")
    say(f"written: {', '.join(str(p) for p in paths)}")


def _show(names: Sequence[str], rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    cells = [
        (c, [number(float(row[c])) if c in row else "" for row in rows])
        for c in columns
        if any(c in row for row in rows)
    ]
    for line in columns_as_lines([("", list(names)), *cells], 80):
        say(line)


@app.command("h2")
def h2(
    sumstats: Sumstats,
    out: Out,
    ref_ld: RefLd = None,
    w_ld: WLd = None,
    intercept_h2: Intercept = None,
    no_intercept: NoIntercept = False,
    two_step: TwoStep = "auto",
    chisq_max: ChisqMax = None,
    n_blocks: Blocks = 200,
    blocks: Alike = "count",
    m: M = None,
    not_m_5_50: NotCommon = False,
    samp_prev: SampPrev = None,
    pop_prev: PopPrev = None,
    invert_anyway: Invert = False,
    print_cov: PrintCov = False,
    print_delete_vals: PrintDelete = False,
    like_ldsc: Like = False,
    force: Force = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Heritability of a trait.

    \b
    Example:
      bayesmixer ldsc h2 height.sumstats.gz --ref-ld-chr eur_w_ld_chr/ \\
        --w-ld-chr eur_w_ld_chr/ --out height
    """
    _one_trait("h2", locals(), two_step=_step(two_step))


@app.command("partitioned")
def partitioned(
    sumstats: Sumstats,
    out: Out,
    ref_ld: RefLd = None,
    w_ld: WLd = None,
    overlap_annot: Annotated[
        bool,
        typer.Option(
            "--overlap-annot/--no-overlap-annot",
            help="Whether annotations share variants; the overlap is counted in *.annot files.",
        ),
    ] = True,
    annot: Annotated[
        str | None, _option("Prefix of *.annot.gz; beside the LD scores without.", "--annot")
    ] = None,
    frqfile_chr: Annotated[
        str | None,
        _option("Prefix of the reference's .frq files.", "--frqfile-chr", "--frqfile"),
    ] = None,
    intercept_h2: Intercept = None,
    no_intercept: NoIntercept = False,
    chisq_max: ChisqMax = None,
    n_blocks: Blocks = 200,
    blocks: Alike = "count",
    m: M = None,
    not_m_5_50: NotCommon = False,
    samp_prev: SampPrev = None,
    pop_prev: PopPrev = None,
    invert_anyway: Invert = False,
    print_coefficients: Annotated[
        bool, typer.Option("--print-coefficients", help="Coefficients in PREFIX.results too.")
    ] = False,
    print_cov: PrintCov = False,
    print_delete_vals: PrintDelete = False,
    like_ldsc: Like = False,
    force: Force = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Heritability by annotation.

    \b
    Example:
      bayesmixer ldsc partitioned height.sumstats.gz --ref-ld-chr baseline. \\
        --w-ld-chr weights. --frqfile-chr 1000G.EUR.QC. --out height
    """
    _one_trait(
        "partitioned", locals(), overlap=overlap_annot, annot=annot, frq=frqfile_chr,
    )  # fmt: skip


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    """What every regression of one trait takes, from a command's own arguments."""
    same = ("like_ldsc", "chisq_max", "n_blocks", "blocks", "invert_anyway")
    fixed = 1.0 if given["no_intercept"] else _number("--intercept-h2", given["intercept_h2"])
    m = _m(given["m"], given["not_m_5_50"])
    return {"intercept": fixed, "m": m, **{name: given[name] for name in same}}


def _one_trait(verb: str, given: Mapping[str, Any], **more: Any) -> None:
    """`h2` and `partitioned`, from the command's own arguments and `more` of the regression's."""
    scores, sumstats, out, like_ldsc = (
        _need(given["ref_ld"]), given["sumstats"], given["out"], given["like_ldsc"]
    )  # fmt: skip
    print_cov, print_delete, force = (
        given[name] for name in ("print_cov", "print_delete_vals", "force")
    )
    w_ld, overlap = given["w_ld"], more.get("overlap", False)
    check_inputs(sumstats)
    endings = [".tsv"]
    endings += [".log"] if like_ldsc else []
    endings += [".results"] if like_ldsc and overlap else []
    endings += [".cov"] if print_cov else []
    endings += [".delete", ".part_delete"] if print_delete else []
    _begin(out, endings, force)
    from bayesmixer.ldsc import fits, printed
    from bayesmixer.ldsc.liability import factor
    from bayesmixer.ldsc.one_trait import one_trait
    from bayesmixer.ldsc.rows import annotation_rows, numbers_of

    scale = factor(
        _number("--samp-prev", given["samp_prev"]), _number("--pop-prev", given["pop_prev"])
    )
    options = _options(given) | more
    if verb == "h2":
        one, partition = one_trait(sumstats, scores, w_ld, **options), None
    else:
        one, partition = fits.partition_of(sumstats, scores, w_ld, **options)
    fit, tau = one.fit, one.fit.coefficient
    said = fits.said_of_one(one)
    row = {"trait": one.trait.name, **numbers_of(fit, scale), "n_variants": fit.n_variants}
    names, rows = [one.trait.name], [row]
    shown = ["h2_liability" if scale != 1 else "h2", "h2_se", "h2_lower", "h2_upper", "intercept"]
    shown += ["intercept_se", "ratio", "lambda_gc", "mean_chi2"]
    _show(names, rows, shown)
    if len(fit.m) > 1:
        names = one.scores.annotations
        rows = annotation_rows(one, partition, like_ldsc)
        columns = ["proportion", "proportion_se", "enrichment", "enrichment_se", "enrichment_p"]
        _show(names, rows, ["coef", "coef_se", *columns, "tau_star"])
    texts: dict[str, str] = {}
    added = []
    if print_cov:
        texts[".cov"] = printed.matrix_text(tau.covariance)
        added.append(f"Printing covariance matrix of the estimates to {out}.cov.")
    if print_delete:
        texts[".delete"] = printed.matrix_text(fit.total.without)
        added.append(f"Printing block jackknife delete values to {out}.delete.")
        texts[".part_delete"] = printed.matrix_text(tau.without)
        added.append(f"Printing partitioned block jackknife delete values to {out}.part_delete.")
    if like_ldsc:
        log = printed.log_of_one(
            one, w_ld or scores, scale, overlap=partition is not None, printed=lambda: added
        )
        if partition is not None:
            texts[".results"] = printed.results_table(
                printed.names_of(one), partition, given["print_coefficients"]
            )
            log += [f"Reading annot matrix from {more['annot'] or scores}[1-22] ... (annot)"]
            log += [f"Results printed to {out}.results"]
        texts[".log"] = "\n".join(log) + "\n"
    _finish(out, verb, printed.attributes(fit), rows, said, texts, force)


@app.command("rg")
def rg(
    sumstats: Annotated[
        list[Path],
        typer.Argument(help="Summary statistics of two traits or more.", show_default=False),
    ],
    out: Out,
    ref_ld: RefLd = None,
    w_ld: WLd = None,
    intercept_h2: Intercept = None,
    intercept_gencov: Annotated[
        str | None,
        _option(
            "Fix the intercept of products: one for all, or one a trait (with the first), as "
            "in LDSC.",
            "--intercept-gencov",
        ),
    ] = None,
    no_intercept: NoIntercept = False,
    two_step: TwoStep = "auto",
    chisq_max: ChisqMax = None,
    n_blocks: Blocks = 200,
    blocks: Alike = "count",
    m: M = None,
    not_m_5_50: NotCommon = False,
    samp_prev: SampPrev = None,
    pop_prev: PopPrev = None,
    no_check_alleles: Annotated[
        bool,
        typer.Option("--no-check-alleles", help="All z-scores are of the same allele already."),
    ] = False,
    first: Annotated[
        bool,
        typer.Option("--first", help="Pairs of the first trait only, as LDSC does."),
    ] = False,
    invert_anyway: Invert = False,
    print_cov: PrintCov = False,
    print_delete_vals: PrintDelete = False,
    return_silly_things: Annotated[
        bool,
        typer.Option(
            "--return-silly-things", help="With --like-ldsc: print rg beyond 1.2 in the log too."
        ),
    ] = False,
    like_ldsc: Like = False,
    force: Force = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Genetic correlations of all pairs of traits.

    \b
    Example:
      bayesmixer ldsc rg height.sumstats.gz bmi.sumstats.gz t2d.sumstats.gz \\
        --ref-ld-chr eur_w_ld_chr/ --w-ld-chr eur_w_ld_chr/ --out three
    """
    import numpy as np

    scores = _need(ref_ld)
    files = [Path(p) for one in sumstats for p in str(one).split(",")]
    check_inputs(*files)
    pairs = list(combinations(range(len(files)), 2))
    pairs = [(i, j) for i, j in pairs if i == 0 or not (first or like_ldsc)]
    kinds = ["cov"] * print_cov + ["delete"] * print_delete_vals
    beside = [
        f"{files[i].name}_{files[j].name}.{part}.{kind}"
        for i, j in pairs
        for kind in kinds
        for part in ("hsq1", "hsq2", "gencov")
    ]
    endings = [".tsv", *([".log"] if like_ldsc else []), *beside]
    _begin(out, endings, force)
    from bayesmixer.ldsc import fits, printed
    from bayesmixer.ldsc.many_traits import many_traits
    from bayesmixer.ldsc.rows import pair_rows

    k = len(files)
    noise: Any = 1.0 if no_intercept else _numbers("--intercept-h2", intercept_h2)
    if isinstance(noise, list) and len(noise) == 1:
        noise = noise[0]
    cross: Any = 0.0 if no_intercept else _numbers("--intercept-gencov", intercept_gencov)
    if isinstance(cross, list):
        if len(cross) not in (1, k):
            raise InputError(
                "--intercept-gencov", f"{len(cross)} numbers, expected 1 or {k}, one a trait"
            )
        square = np.full((k, k), cross[0] if len(cross) == 1 else np.nan)
        if len(cross) == k:
            square[0], square[:, 0] = cross, cross
        cross = square
    many = many_traits(
        files, scores, w_ld, like_ldsc=like_ldsc, intercept=noise, intercept_gencov=cross,
        two_step=_step(two_step), chisq_max=chisq_max, n_blocks=n_blocks, blocks=blocks,
        m=_m(m, not_m_5_50), check_alleles=not no_check_alleles, invert_anyway=invert_anyway,
        pairs=pairs if first or like_ldsc else None,
    )  # fmt: skip
    factors = fits.factors_of(
        _numbers("--samp-prev", samp_prev), _numbers("--pop-prev", pop_prev), k
    )
    rows = pair_rows(many, factors)
    shown = rows[:MOST]
    _show([f"{row['p1']} {row['p2']}" for row in shown], shown, SHOWN)
    if len(rows) > MOST:
        say(f"... and {len(rows) - MOST:,} pairs in {out}.tsv")
    matrices = [
        one.coefficient.covariance if kind == "cov" else one.total.without
        for pair in many.pairs
        for kind in kinds
        for one in (pair.fit.first, pair.fit.second, pair.fit.covariance)
    ]
    texts = dict(zip(beside, map(printed.matrix_text, matrices), strict=True))
    if like_ldsc:
        log = printed.log_of_many(
            many, w_ld or scores, factors, check=not no_check_alleles, any_rg=return_silly_things
        )
        texts[".log"] = "\n".join(log) + "\n"
    result = printed.attributes_of_pairs(many.pairs)
    _finish(out, "rg", result, rows, fits.said_of_many(many), texts, force)


MOST = 100  # pairs on the screen
SHOWN = ("rg", "rg_se", "rg_p", "rg_lower", "rg_upper", "gencov", "intercept_gencov")


@app.command("cts")
def cts(
    sumstats: Sumstats,
    out: Out,
    ref_ld_chr_cts: Annotated[
        Path,
        _option("List of cell types: a name and prefixes a line (.ldcts).", "--ref-ld-chr-cts"),
    ],
    ref_ld: RefLd = None,
    w_ld: WLd = None,
    intercept_h2: Intercept = None,
    no_intercept: NoIntercept = False,
    chisq_max: ChisqMax = None,
    n_blocks: Blocks = 200,
    blocks: Alike = "count",
    m: M = None,
    not_m_5_50: NotCommon = False,
    print_all_cts: Annotated[
        bool, typer.Option("--print-all-cts", help="Every column of a cell type, not the first.")
    ] = False,
    invert_anyway: Invert = False,
    like_ldsc: Like = False,
    force: Force = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Cell-type analysis: each annotation of a list beside a baseline.

    \b
    Example:
      bayesmixer ldsc cts height.sumstats.gz --ref-ld-chr baseline. \\
        --ref-ld-chr-cts tissues.ldcts --w-ld-chr weights. --out height
    """
    given, scores = locals(), _need(ref_ld)
    check_inputs(sumstats, ref_ld_chr_cts)
    endings = [".tsv", *([".cell_type_results.txt"] if like_ldsc else [])]
    _begin(out, endings, force)
    from bayesmixer.ldsc import cell_types

    found, _ = cell_types.each(
        sumstats, scores, w_ld, ref_ld_chr_cts, all_columns=print_all_cts, **_options(given)
    )
    rows = cell_types.rows(found)
    _show([row["cell_type"] for row in rows], rows, ["coef", "coef_se", "coef_p"])
    texts = {".cell_type_results.txt": cell_types.table(found)} if like_ldsc else {}
    _finish(out, "cts", rows, rows, [], texts, force)
