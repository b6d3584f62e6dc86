"""`bayesmixer ldsc`: LD score regression with the options of LDSC, its numbers in full, and with
--like-ldsc its files.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayesmixer.cli.ldsc_options import (
    counts_of,
    needed,
    numbers,
    one_number,
    regression_of,
    step_of,
    taking,
)
from bayesmixer.cli.output import check_inputs, columns_as_lines, number, say, say_wrapped
from bayesmixer.errors import InputError

if TYPE_CHECKING:
    from bayesmixer.ldsc.words import Said

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


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
    **more: Any,
) -> None:
    """Write the files, print the table and what it means."""
    from bayesmixer.ldsc.written import tidy, write

    found = {
        "command": f"bayesmixer {' '.join(sys.argv[1:])}" if sys.argv[1:] else f"ldsc {command}",
        "result": result,
        "said": [one._asdict() for one in said],
        **more,
    }
    paths = write(out, found, {".tsv": tidy(rows), **texts}, replace=force)
    for one in said:
        level = "caution: " if one.level == "caution" else ""
        remedy = f" {one.remedy}" if one.remedy else ""
        if "=" in remedy:  # an argument in Python
            from bayesmixer.cli.wording import spoken

            remedy = spoken(remedy)
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
@taking(
    "sumstats out ref_ld w_ld intercept_h2 no_intercept two_step chisq_max n_blocks blocks m "
    "not_m_5_50 samp_prev pop_prev invert_anyway print_cov print_delete_vals like_ldsc force "
    "threads quiet"
)
def h2(**given: Any) -> None:
    """Heritability of a trait.

    \b
    Example:
      bayesmixer ldsc h2 height.sumstats.gz --ref-ld-chr eur_w_ld_chr/ \\
        --w-ld-chr eur_w_ld_chr/ --out height
    """
    _one_trait("h2", given, two_step=step_of(given["two_step"]))


@app.command("partitioned")
@taking(
    "sumstats out ref_ld w_ld overlap annot frq intercept_h2 no_intercept chisq_max "
    "n_blocks blocks m not_m_5_50 samp_prev pop_prev invert_anyway print_coefficients print_cov "
    "print_delete_vals like_ldsc force threads quiet"
)
def partitioned(**given: Any) -> None:
    """Heritability by annotation.

    \b
    Example:
      bayesmixer ldsc partitioned height.sumstats.gz --ref-ld-chr baseline. \\
        --w-ld-chr weights. --frqfile-chr 1000G.EUR.QC. --out height
    """
    _one_trait("partitioned", given, **{name: given[name] for name in ("overlap", "annot", "frq")})


def _one_trait(verb: str, given: Mapping[str, Any], **more: Any) -> None:
    """`h2` and `partitioned`, from the command's own arguments and `more` of the regression's."""
    scores, sumstats, out, like_ldsc = (
        needed(given["ref_ld"]), given["sumstats"], given["out"], given["like_ldsc"]
    )  # fmt: skip
    print_cov, print_delete, force = (
        given[name] for name in ("print_cov", "print_delete_vals", "force")
    )
    w_ld, overlap = given["w_ld"], more.get("overlap", False)
    check_inputs(sumstats)
    endings = [".tsv", *([TOTAL] if verb == "partitioned" else [])]
    endings += [".log"] if like_ldsc else []
    endings += [".results"] if like_ldsc and overlap else []
    endings += [".cov"] if print_cov else []
    endings += [".delete", ".part_delete"] if print_delete else []
    _begin(out, endings, force)
    from bayesmixer.ldsc import fits, printed
    from bayesmixer.ldsc.liability import factor
    from bayesmixer.ldsc.one_trait import one_trait
    from bayesmixer.ldsc.rows import annotation_rows, numbers_of
    from bayesmixer.ldsc.written import tidy

    scale = factor(
        one_number("--samp-prev", given["samp_prev"]), one_number("--pop-prev", given["pop_prev"])
    )
    options = regression_of(given) | more
    if verb == "h2":
        one, partition = one_trait(sumstats, scores, w_ld, **options), None
    else:
        one, partition = fits.partition_of(sumstats, scores, w_ld, **options)
    fit, tau = one.fit, one.fit.coefficient
    said = fits.said_of_one(one, scale, partition is None)
    row = {"trait": one.trait.name, **numbers_of(fit, scale), "n_variants": fit.n_variants}
    names, rows = [one.trait.name], [row]
    h2 = "h2_liability" if scale != 1 else "h2"
    shown = [h2, f"{h2}_se", f"{h2}_lower", f"{h2}_upper", "intercept", "intercept_se"]
    shown += ["ratio", "ratio_lower", "ratio_upper", "lambda_gc", "mean_chi2"]
    _show(names, rows, shown)
    texts: dict[str, str] = {}
    if len(fit.m) > 1:
        texts[TOTAL] = tidy(rows)
        names = one.scores.annotations
        rows = annotation_rows(one, partition, like_ldsc, scale)
        columns = ["proportion", "proportion_se", "enrichment", "enrichment_se", "enrichment_p"]
        _show(names, rows, ["coef", "coef_se", *columns, "tau_star"])
    added = []
    if print_cov:
        texts[".cov"] = printed.matrix_text(tau.covariance)
        added.append(PRINTED["cov"].format(f"{out}.cov"))
    if print_delete:
        texts[".delete"] = printed.matrix_text(fit.total.without)
        added.append(PRINTED["delete"].format(f"{out}.delete"))
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
@taking(
    "sumstats out ref_ld w_ld intercept_h2 intercept_gencov no_intercept two_step chisq_max "
    "n_blocks blocks m not_m_5_50 samp_prev pop_prev check_alleles first invert_anyway "
    "print_cov print_delete_vals return_silly_things like_ldsc force threads quiet",
    sumstats=Annotated[
        list[Path],
        typer.Argument(help="Summary statistics of two traits or more.", show_default=False),
    ],
)
def rg(**given: Any) -> None:
    """Genetic correlations of all pairs of traits.

    A run of many traits that was stopped goes on where it was when the same command runs again.

    \b
    Example:
      bayesmixer ldsc rg height.sumstats.gz bmi.sumstats.gz t2d.sumstats.gz \\
        --ref-ld-chr eur_w_ld_chr/ --w-ld-chr eur_w_ld_chr/ --out three
    """
    import numpy as np

    o = SimpleNamespace(**given)
    scores = needed(o.ref_ld)
    files = [Path(p) for one in o.sumstats for p in map(str.strip, str(one).split(",")) if p]
    check_inputs(*files)
    pairs = list(combinations(range(len(files)), 2))
    pairs = [(i, j) for i, j in pairs if i == 0 or not (o.first or o.like_ldsc)]
    kinds = ["cov"] * o.print_cov + ["delete"] * o.print_delete_vals
    by_pair = [
        {
            f"{files[i].name}_{files[j].name}.{part}.{kind}": kind
            for kind in kinds
            for part in ("hsq1", "hsq2", "gencov")
        }
        for i, j in pairs
    ]
    beside = [name for names in by_pair for name in names]
    if len(set(beside)) < len(beside):
        raise InputError(
            "--print-cov, --print-delete-vals",
            "two pairs of files of the same names, by which theirs are called",
            "Give the files other names.",
        )
    endings = [".tsv", *([".log"] if o.like_ldsc else []), *beside]
    _begin(o.out, endings, o.force)
    from bayesmixer.checkpoint import Checkpoint
    from bayesmixer.ldsc import fits, printed
    from bayesmixer.ldsc.liability import factors_of
    from bayesmixer.ldsc.many_traits import many_traits
    from bayesmixer.ldsc.rows import pair_rows

    k = len(files)
    noise: Any = 1.0 if o.no_intercept else numbers("--intercept-h2", o.intercept_h2)
    if isinstance(noise, list) and len(noise) == 1:
        noise = noise[0]
    cross: Any = 0.0 if o.no_intercept else numbers("--intercept-gencov", o.intercept_gencov)
    if isinstance(cross, list):
        if len(cross) not in (1, k):
            raise InputError(
                "--intercept-gencov", f"{len(cross)} numbers, expected 1 or {k}, one a trait"
            )
        square = np.full((k, k), cross[0] if len(cross) == 1 else np.nan)
        if len(cross) == k:
            square[0], square[:, 0] = cross, cross
        cross = square
    factors = factors_of(numbers("--samp-prev", o.samp_prev), numbers("--pop-prev", o.pop_prev), k)
    parts = Checkpoint(f"{o.out}.partial")  # kept until all is written
    many = many_traits(
        files, scores, o.w_ld, like_ldsc=o.like_ldsc, intercept=noise, intercept_gencov=cross,
        two_step=step_of(o.two_step), chisq_max=o.chisq_max, n_blocks=o.n_blocks, blocks=o.blocks,
        m=counts_of(o.m, o.not_m_5_50), check_alleles=o.check_alleles,
        invert_anyway=o.invert_anyway, pairs=pairs if o.first or o.like_ldsc else None,
        checkpoint=parts, threads=o.threads,
    )  # fmt: skip
    rows = pair_rows(many, factors)
    shown = rows[:MOST]
    _show([f"{row['p1']} {row['p2']}" for row in shown], shown, SHOWN)
    if len(rows) > MOST:
        say(f"... and {len(rows) - MOST:,} pairs in {o.out}.tsv")
    matrices = [
        one.coefficient.covariance if kind == "cov" else one.total.without
        for pair in many.pairs
        for kind in kinds
        for one in (pair.fit.first, pair.fit.second, pair.fit.covariance)
    ]
    texts = dict(zip(beside, map(printed.matrix_text, matrices), strict=True))
    if o.like_ldsc:
        log = printed.log_of_many(
            many,
            o.w_ld or scores,
            factors,
            check=o.check_alleles,
            any_rg=o.return_silly_things,
            printed=[
                [PRINTED[kind].format(f"{o.out}{name}") for name, kind in names.items()]
                for names in by_pair
            ],
        )
        texts[".log"] = "\n".join(log) + "\n"
    apart = len(many.pairs) > MOST and bool(many.alone)  # else each trait is written 2 k times
    result = printed.attributes_of_pairs(many.pairs, apart)
    traits = {"traits": [printed.attributes(one.fit) for one in many.alone]} if apart else {}
    _finish(o.out, "rg", result, rows, fits.said_of_many(many, factors), texts, o.force, **traits)
    parts.clear()


PRINTED = {
    "cov": "Printing covariance matrix of the estimates to {}.",
    "delete": "Printing block jackknife delete values to {}.",
}
TOTAL = ".total.tsv"  # where PREFIX.tsv is by annotation, the trait as without annotations
MOST = 100  # pairs on the screen, and with both traits in full in PREFIX.json
SHOWN = ("rg", "rg_se", "rg_p", "rg_lower", "rg_upper", "gencov", "intercept_gencov")


@app.command("cts")
@taking(
    "sumstats out ref_ld_chr_cts ref_ld w_ld intercept_h2 no_intercept chisq_max n_blocks blocks m "
    "not_m_5_50 print_all_cts invert_anyway like_ldsc force threads quiet"
)
def cts(**given: Any) -> None:
    """Cell-type analysis: each annotation of a list beside a baseline.

    \b
    Example:
      bayesmixer ldsc cts height.sumstats.gz --ref-ld-chr baseline. \\
        --ref-ld-chr-cts tissues.ldcts --w-ld-chr weights. --out height
    """
    o, scores = SimpleNamespace(**given), needed(given["ref_ld"])
    check_inputs(o.sumstats, o.ref_ld_chr_cts)
    endings = [".tsv", *([".cell_type_results.txt"] if o.like_ldsc else [])]
    _begin(o.out, endings, o.force)
    from bayesmixer.ldsc import cell_types

    found, _ = cell_types.each(
        o.sumstats,
        scores,
        o.w_ld,
        o.ref_ld_chr_cts,
        all_columns=o.print_all_cts,
        **regression_of(given),
    )
    rows = cell_types.rows(found)
    _show([row["cell_type"] for row in rows], rows, ["coef", "coef_se", "coef_p"])
    texts = {".cell_type_results.txt": cell_types.table(found)} if o.like_ldsc else {}
    _finish(o.out, "cts", rows, rows, [], texts, o.force)
