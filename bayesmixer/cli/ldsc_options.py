"""Options of `bayesmixer ldsc`, each stated once with its default, and what their words mean."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from bayesmixer.cli.options import Force, Quiet, Threads
from bayesmixer.errors import InputError

NEEDED = inspect.Parameter.empty


def _option(text: str, *names: str) -> Any:
    return typer.Option(*names, help=text, show_default=False)


def _flag(text: str, name: str) -> Any:
    return typer.Option(name, help=text)


Text, Number = str | None, float | None
# parameter -> type and option, and the default
OPTIONS: dict[str, tuple[Any, Any]] = {
    "sumstats": (
        Annotated[
            Path,
            typer.Argument(
                help="Summary statistics: LDSC's .sumstats.gz, or any format that munge reads.",
                show_default=False,
            ),
        ],
        NEEDED,
    ),
    "out": (
        Annotated[
            Path,
            _option(
                "Prefix of the output: PREFIX.json, PREFIX.tsv; LDSC's with --like-ldsc.", "--out"
            ),
        ],
        NEEDED,
    ),
    "ref_ld_chr_cts": (
        Annotated[
            Path,
            _option("List of cell types: a name and prefixes a line (.ldcts).", "--ref-ld-chr-cts"),
        ],
        NEEDED,
    ),
    "ref_ld": (
        Annotated[
            Text,
            _option(
                "Prefix of the reference's LD scores, one file a chromosome (@ stands for it); "
                "several with commas between.",
                "--ref-ld-chr",
                "--ref-ld",
            ),
        ],
        None,
    ),
    "w_ld": (
        Annotated[
            Text,
            _option(
                "Prefix of the LD scores that weigh; the reference's without.",
                "--w-ld-chr",
                "--w-ld",
            ),
        ],
        None,
    ),
    "overlap": (
        Annotated[
            bool,
            _flag(
                "Whether annotations share variants; the overlap is counted in *.annot files.",
                "--overlap-annot/--no-overlap-annot",
            ),
        ],
        True,
    ),
    "annot": (
        Annotated[Text, _option("Prefix of *.annot.gz; beside the LD scores without.", "--annot")],
        None,
    ),
    "frq": (
        Annotated[
            Text, _option("Prefix of the reference's .frq files.", "--frqfile-chr", "--frqfile")
        ],
        None,
    ),
    "intercept_h2": (
        Annotated[
            Text,
            _option(
                "Fix the intercept of chi-squared; one a trait, with commas, for rg.",
                "--intercept-h2",
            ),
        ],
        None,
    ),
    "intercept_gencov": (
        Annotated[
            Text,
            _option(
                "Fix the intercept of products: one for all, or one a trait (with the first), as "
                "in LDSC.",
                "--intercept-gencov",
            ),
        ],
        None,
    ),
    "no_intercept": (
        Annotated[bool, _flag("Fix intercepts at 1 (products: 0).", "--no-intercept")],
        False,
    ),
    "two_step": (
        Annotated[
            str,
            _flag(
                "Chi-squared from which variants do not tell the intercept; auto: 30 with one "
                "annotation, none where that bends a polygenic trait; none.",
                "--two-step",
            ),
        ],
        "auto",
    ),
    "chisq_max": (
        Annotated[
            Number, _option("Leave out variants of this chi-squared or more.", "--chisq-max")
        ],
        None,
    ),
    "n_blocks": (Annotated[int, _flag("Blocks of the jackknife.", "--n-blocks")], 200),
    "blocks": (
        Annotated[
            Literal["count", "position"],
            _flag("Blocks of as many variants, or as long along the genome.", "--blocks"),
        ],
        "count",
    ),
    "m": (
        Annotated[
            Text, _option("Numbers of variants of each annotation, with commas between.", "--M")
        ],
        None,
    ),
    "not_m_5_50": (
        Annotated[
            bool,
            _flag(
                "Count all variants of the reference, not those of MAF above 5%.", "--not-M-5-50"
            ),
        ],
        False,
    ),
    "samp_prev": (
        Annotated[
            Text,
            _option("Share of cases in the sample (rg: with commas, nan for none).", "--samp-prev"),
        ],
        None,
    ),
    "pop_prev": (
        Annotated[Text, _option("Share of cases in the population (likewise).", "--pop-prev")],
        None,
    ),
    "check_alleles": (
        Annotated[
            bool,
            _flag(
                "Whether alleles are compared; without, all z-scores are of the same allele.",
                "--check-alleles/--no-check-alleles",
            ),
        ],
        True,
    ),
    "first": (
        Annotated[bool, _flag("Pairs of the first trait only, as LDSC does.", "--first")],
        False,
    ),
    "print_all_cts": (
        Annotated[bool, _flag("Every column of a cell type, not the first.", "--print-all-cts")],
        False,
    ),
    "invert_anyway": (
        Annotated[
            bool, _flag("Go on where annotations can hardly be told apart.", "--invert-anyway")
        ],
        False,
    ),
    "print_coefficients": (
        Annotated[bool, _flag("Coefficients in PREFIX.results too.", "--print-coefficients")],
        False,
    ),
    "print_cov": (
        Annotated[bool, _flag("Write PREFIX.cov, covariance of the coefficients.", "--print-cov")],
        False,
    ),
    "print_delete_vals": (
        Annotated[
            bool,
            _flag("Write PREFIX.delete: estimates without each block.", "--print-delete-vals"),
        ],
        False,
    ),
    "return_silly_things": (
        Annotated[
            bool,
            _flag("With --like-ldsc: print rg beyond 1.2 in the log too.", "--return-silly-things"),
        ],
        False,
    ),
    "like_ldsc": (
        Annotated[
            bool,
            _flag("All as LDSC 1.0.1 does it, and its .log and tables beside.", "--like-ldsc"),
        ],
        False,
    ),
    "force": (Force, False),
    "threads": (Threads, None),
    "quiet": (Quiet, False),
}


def taking(names: str, **own: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these options, in this order; `own` types in place of those of the table."""
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            annotation=own.get(name, OPTIONS[name][0]),
            default=OPTIONS[name][1],
        )
        for name in names.split()
    ]

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return command

    return with_options


def numbers(name: str, given: str | None) -> list[float] | None:
    """Numbers with commas between."""
    if given is None:
        return None
    try:
        return [_number(v.strip()) for v in given.split(",")]
    except ValueError:
        raise InputError(name, f"'{given}', expected numbers with commas between") from None


def _number(text: str) -> float:
    """LDSC's users write N for a minus sign, which begins an option."""
    if text.lower() in ("nan", "na"):
        return float("nan")
    return float(text.replace("N", "-") if text[:1] == "N" else text)


def one_number(name: str, given: str | None) -> float | None:
    """A number."""
    found = numbers(name, given)
    if found is not None and len(found) != 1:
        raise InputError(name, f"'{given}', expected one number")
    return None if found is None else found[0]


def counts_of(given: str | None, not_common: bool) -> Any:
    """`--M` and `--not-M-5-50`: numbers, or the name of those of the files, as messages have it."""
    if given in ("M", "M_5_50"):
        return given
    return numbers("--M", given) or ("M" if not_common else "M_5_50")


def step_of(given: str) -> Any:
    """`--two-step`: auto, none or a number."""
    if given.lower() in ("auto", "none"):
        return "auto" if given.lower() == "auto" else None
    return one_number("--two-step", given)


def needed(ref_ld: str | None) -> str:
    """The prefix of the LD scores, which every regression needs."""
    if not ref_ld:
        raise InputError("--ref-ld-chr", "missing", "Give the prefix of the LD scores.")
    return ref_ld


def regression_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """What every regression of one trait takes, from a command's own arguments."""
    same = ("like_ldsc", "chisq_max", "n_blocks", "blocks", "invert_anyway")
    fixed = 1.0 if given["no_intercept"] else one_number("--intercept-h2", given["intercept_h2"])
    m = counts_of(given["m"], given["not_m_5_50"])
    return {"intercept": fixed, "m": m, **{name: given[name] for name in same}}
