"""Where N comes from: numbers given, columns, or counts stated beside them; effective for cases and
controls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bayesmixer.errors import InputError
from bayesmixer.io import gwas_vcf
from bayesmixer.io.given import Given
from bayesmixer.io.names import COUNTS, normalise, shown

_CASES = r"(?im)^##\s*n[_ ]?(?:cases?|cas|ca)\s*[=:]\s*\"?([\d,]+)"
_CONTROLS = r"(?im)^##\s*n[_ ]?(?:controls?|con|co)\s*[=:]\s*\"?([\d,]+)"
# Neff never exceeds what the counts give, so that a column above half of it cannot be half of it
_HALF = 0.51
_ABOUT_HALF = 0.4
_OF_CASES = {
    "case",
    "cases",
    "control",
    "controls",
    "ctrl",
    "ctrls",
    "fcas",
    "fcon",
    "affected",
    "unaffected",
}
_SMALLEST, _SMALLEST_CONSTANT, _FEW_ROWS = 100, 200, 20


@dataclass(frozen=True)
class Stated:
    """Counts that hold for the whole study, stated in a header or in metadata; 0 where not.

    Parameters
    ----------
    n_case, n_control, n_total
        Cases, controls, everybody.
    where
        Where they were found, in words.
    """

    n_case: float = 0.0
    n_control: float = 0.0
    n_total: float = 0.0
    where: str = ""


@dataclass(frozen=True)
class Size:
    """How N is made.

    Parameters
    ----------
    rule, constant
        See `Plan`.
    words
        Where N comes from.
    columns
        Role -> index of the columns that it needs (-1 for a field of a VCF).
    warning
        What the user should know of it, or "".
    """

    rule: str
    words: str
    columns: Mapping[str, int] = field(default_factory=dict)
    constant: float | None = None
    warning: str = ""


def effective(cases: float, controls: float) -> float:
    """Effective sample size of a case-control study, 4 / (1/cases + 1/controls)."""
    return 4.0 / (1.0 / cases + 1.0 / controls)


def ssf_metadata(path: Path) -> tuple[Stated, str]:
    """Counts and genome build in the metadata beside a GWAS-SSF file (FILE-meta.yaml); empty where
    there are none.
    """
    beside = path.with_name(path.name + "-meta.yaml")
    text = beside.read_text(errors="replace") if beside.is_file() else ""
    total = {
        key: sum(map(float, re.findall(rf"(?m)^[\s-]*{key}:\s*(\d+)\s*$", text)))
        for key in ("sample_size", "case_count", "control_count")
    }
    build = m[1] if (m := re.search(r"genome_assembly:\s*(\S+)", text)) else ""
    return Stated(
        total["case_count"], total["control_count"], total["sample_size"], beside.name
    ), build


def header_counts(meta: Sequence[str]) -> Stated:
    """Cases and controls in the lines above the table, as PGC writes them: ##nCase=53386."""
    text = "\n".join(meta)
    case, control = (re.search(pattern, text) for pattern in (_CASES, _CONTROLS))
    if not case or not control:
        return Stated()
    return Stated(
        float(case[1].replace(",", "")), float(control[1].replace(",", "")), where="the header"
    )


def choose_sample_size(
    path: Path,
    names: Sequence[str],
    columns: Mapping[str, int],
    given: Given,
    stated: Stated,
    median: Callable[[str], float] = lambda _: float("nan"),
    note: str = "",
    empty: Collection[int] = (),
) -> Size:
    """Choose where N comes from.

    Parameters
    ----------
    path, names
        File and its column names, for errors.
    columns
        Role -> index of its column (-1 for a field of a VCF).
    given
        What the user said; goes before everything else.
    stated
        Counts of the whole study.
    median
        Median of a role's column in the first rows, NaN where unknown.
    note
        What the format says of its N, for the error.
    empty
        Columns that hold nothing but missing values and zeros: they say nothing of cases.

    Raises
    ------
    InputError
        There is none, it could mean two things, or the numbers given make no sense.

    Notes
    -----
    An effective N that the file states goes before one made of its counts: in a meta-analysis it is
    the sum over the cohorts, and 4 / (1/cases + 1/controls) of the totals is larger (Grotzinger et
    al. 2023, Biological Psychiatry 93:29).
    """
    _check_given(given)
    roles = {r for r in COUNTS if r in columns}
    if (
        "n" in roles
        and not {"n_case", "n_control"} & set(given.columns)
        and 0 in (median("n_case"), median("n_control"))
    ):
        roles -= {
            "n_case",
            "n_control",
        }  # a quantitative trait in a layout that has both: no cases, or no controls

    def named(role: str) -> str:
        return names[columns[role]] if columns[role] >= 0 else gwas_vcf.KEYS[role]

    def of(*used: str) -> dict[str, int]:
        return {role: columns[role] for role in used}

    two = stated.n_case > 0 and stated.n_control > 0
    if given.sample_size is not None:
        warning = (
            ""
            if given.sample_size >= _SMALLEST
            else f"a sample size of {given.sample_size:g} was given: no GWAS has so few"
        )
        return Size(
            "constant",
            f"given: {given.sample_size:g}",
            constant=float(given.sample_size),
            warning=warning,
        )
    if given.n_case is not None and given.n_control is not None:
        words = f"effective, of {given.n_case:g} cases and {given.n_control:g} controls given"
        return Size("constant", words, constant=effective(given.n_case, given.n_control))
    if "n" in given.columns:
        return Size("n", f"column {named('n')}", of("n"))
    if "n_eff_half" in given.columns:
        return Size("n_eff_half", f"2 x column {named('n_eff_half')}", of("n_eff_half"))
    by_count: Size | None = None
    total = float("nan")
    if {"n_case", "n_control"} <= roles:
        words = f"effective, 4 / (1 / {named('n_case')} + 1 / {named('n_control')}) by row"
        by_count = Size("case_control", words, of("n_case", "n_control"))
        total = _of_counts(median("n_case"), median("n_control"))
    elif {"case_alleles", "control_alleles"} <= roles:
        words = (
            f"effective, of half of {named('case_alleles')} and {named('control_alleles')} by row"
        )
        by_count = Size("case_control", words, of("case_alleles", "control_alleles"))
    elif two:
        total = effective(stated.n_case, stated.n_control)
    if {"n_case", "n_control"} & set(given.columns) and by_count:
        return by_count
    if "n_eff_half" in roles:
        if median("n_eff_half") * 2 > 1.1 * total:
            raise InputError(
                path,
                f"column {named('n_eff_half')} says half of the effective N, but twice its "
                f"median {median('n_eff_half'):g} "
                f"is more than the {total:,.0f} that cases and controls give",
                f"Say what it is: n={named('n_eff_half')} (--n) as it stands, "
                f"n_eff_half={named('n_eff_half')} (--n-eff-half) for its double.",
            )
        return Size("n_eff_half", f"2 x column {named('n_eff_half')}", of("n_eff_half"))
    if "n_eff" in roles and not (total and median("n_eff") > 1.1 * total):
        return _whole_or_half(path, named("n_eff"), columns["n_eff"], median("n_eff"), total)
    if by_count:
        return by_count
    if {"n", "n_case"} <= roles:
        return Size(
            "total_less_cases",
            f"effective, of {named('n_case')} cases out of {named('n')} by row",
            of("n", "n_case"),
        )
    if {"n", "n_control"} <= roles:
        return Size(
            "total_less_cases",
            f"effective, of {named('n_control')} controls out of {named('n')} by row",
            of("n", "n_control"),
        )
    if two and "n" in roles:
        share = stated.n_case / (stated.n_case + stated.n_control)
        constant = 4.0 * share * (1.0 - share)
        words = (
            f"effective, {constant:.4g} x {named('n')} by row ({share:.1%} cases by {stated.where})"
        )
        return Size("n_times", words, of("n"), constant)
    if two:
        words = (
            f"effective, of {stated.n_case:g} cases and {stated.n_control:g} controls by "
            f"{stated.where}"
        )
        return Size("constant", words, constant=total)
    if "n" in roles:
        return Size(
            "n", f"column {named('n')}", of("n"), warning=_total(columns, names, named("n"), empty)
        )
    if stated.n_total:
        return Size("constant", f"{stated.n_total:g} by {stated.where}", constant=stated.n_total)
    raise InputError(
        path,
        f"no sample size{f' ({note})' if note else ''} (found: {shown(names)})",
        "Give sample_size= (--sample-size), n_case= and n_control= (--n-case, --n-control), or "
        "the column's name with n= (--n).",
    )


def _check_given(given: Given) -> None:
    for name in ("sample_size", "n_case", "n_control"):
        value = getattr(given, name)
        if value is not None and not (np.isfinite(value) and value > 0):
            raise InputError(name, f"{value} is no sample size", "Give a number above 0.")
    if (given.n_case is None) != (given.n_control is None):
        raise InputError(
            "n_case, n_control",
            "only one of them is a number",
            "Give both, or sample_size= (--sample-size).",
        )
    if given.n_case is not None and given.sample_size is not None:
        raise InputError("sample_size", "given together with n_case and n_control", "Give either.")


def _of_counts(cases: float, controls: float) -> float:
    return effective(cases, controls) if cases > 0 and controls > 0 else float("nan")


def _whole_or_half(path: Path, name: str, column: int, value: float, total: float) -> Size:
    """An effective N as it stands, or PGC's half of it where cases and controls give about twice as
    much.
    """
    share = value / total
    if not share <= _HALF:  # also where there are no counts
        return Size("n_eff", f"column {name}", {"n_eff": column})
    found = (
        f"column {name} ({value:,.0f}) is {share:.0%} of the {total:,.0f} that 4 / (1/cases + "
        "1/controls) gives"
    )
    if share < _ABOUT_HALF:
        raise InputError(
            path,
            f"{found}: the effective N of many unequal cohorts, or half of it",
            f"Say which: n={name} (--n {name}) as it stands, n_eff_half={name} (--n-eff-half "
            f"{name}) for its double.",
        )
    return Size(
        "n_eff_half",
        f"2 x column {name}, which is half by the counts",
        {"n_eff_half": column},
        warning=(
            f"{found}: taken as half of the effective N, as PGC writes it, and doubled; n={name} "
            f"(--n {name}) takes it as it stands"
        ),
    )


def _total(columns: Mapping[str, int], names: Sequence[str], n: str, empty: Collection[int]) -> str:
    """A word where odds ratios say cases and controls while N counts everybody."""
    effect = next(
        (names[columns[r]] for r in ("odds_ratio", "beta") if columns.get(r, -1) >= 0), ""
    )
    plain = normalise(effect).replace("_", "")
    if plain.startswith(("hr", "hazard")):
        return ""
    if not ("odds_ratio" in columns or "odds" in plain or plain in {"logor", "lnor"}):
        effect = next(
            (
                name
                for i, name in enumerate(names)
                if i not in empty and set(normalise(name).split("_")) & _OF_CASES
            ),
            "",
        )
    if not effect:
        return ""
    return (
        f"{effect} says cases and controls, and column {n} is the total of both: too large "
        "unless they are equally many. "
        "Give n_case= and n_control= (--n-case, --n-control), numbers or columns"
    )


def check_plausible(
    path: Path, size: Size, names: Sequence[str], n: np.ndarray, given: Given
) -> str:
    """Refuse an N that counts something else; the warning instead where the user named it.

    Raises
    ------
    InputError
        A median that no GWAS has.
    """
    n = n[np.isfinite(n) & (n > 0)]
    if size.rule == "constant" or len(n) < _FEW_ROWS:
        return ""
    middle = float(np.median(n))
    if not (middle < _SMALLEST or (middle <= _SMALLEST_CONSTANT and n.min() == n.max())):
        return ""
    which = " and ".join(names[i] for i in size.columns.values() if i >= 0) or "N"
    found = (
        f"column {which} gives an N of {middle:g} in the median: no sample size of a GWAS, perhaps "
        "the number of studies"
    )
    if set(size.columns) & set(given.columns):
        return found
    raise InputError(
        path, found, "Give sample_size= (--sample-size), or the right column with n= (--n)."
    )
