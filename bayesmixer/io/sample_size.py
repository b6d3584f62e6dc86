"""Where N comes from: numbers given, columns, or counts stated beside them; 4 / (1/cases + 1/controls) for cases and controls."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bayesmixer.errors import InputError
from bayesmixer.io import gwas_vcf
from bayesmixer.io.columns import shown
from bayesmixer.io.given import Given


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


def ssf_metadata(path: Path) -> tuple[Stated, str]:
    """Counts and genome build in the metadata beside a GWAS-SSF file (FILE-meta.yaml); empty where there are none."""
    beside = path.with_name(path.name + "-meta.yaml")
    text = beside.read_text(errors="replace") if beside.is_file() else ""
    total = {key: sum(map(float, re.findall(rf"(?m)^[\s-]*{key}:\s*(\d+)\s*$", text))) for key in ("sample_size", "case_count", "control_count")}
    build = m[1] if (m := re.search(r"genome_assembly:\s*(\S+)", text)) else ""
    return Stated(total["case_count"], total["control_count"], total["sample_size"], beside.name), build


def choose_sample_size(
    path: Path, names: Sequence[str], columns: Mapping[str, int], given: Given, stated: Stated
) -> tuple[dict[str, int], str, float | None, str]:
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

    Returns
    -------
    tuple
        The columns without counts that are not needed; the rule and its constant (see `Plan`); the source in words.

    Raises
    ------
    InputError
        There is none, or the numbers given make no sense.
    """
    for name in ("sample_size", "n_case", "n_control"):
        value = getattr(given, name)
        if value is not None and not (np.isfinite(value) and value > 0):
            raise InputError(name, f"{value} is no sample size", "Give a number above 0.")
    if (given.n_case is None) != (given.n_control is None):
        raise InputError("n_case, n_control", "only one of them is a number", "Give both, or sample_size= (--sample-size).")
    if given.n_case is not None and given.sample_size is not None:
        raise InputError("sample_size", "given together with n_case and n_control", "Give either.")
    roles = {r for r in ("n", "n_eff", "n_eff_half", "n_case", "n_control") if r in columns}

    def named(role: str) -> str:
        return names[columns[role]] if columns[role] >= 0 else gwas_vcf.KEYS[role]

    two = stated.n_case > 0 and stated.n_control > 0
    use: tuple[str, ...]
    constant = None
    if given.sample_size is not None:
        rule, use, constant, words = "constant", (), float(given.sample_size), f"given: {given.sample_size:g}"
    elif given.n_case is not None and given.n_control is not None:
        constant = 4.0 / (1.0 / given.n_case + 1.0 / given.n_control)
        rule, use, words = "constant", (), f"effective, of {given.n_case:g} cases and {given.n_control:g} controls given"
    elif "n" in given.columns:
        rule, use, words = "n", ("n",), f"column {named('n')}"
    elif {"n_case", "n_control"} <= roles:
        rule, use, words = "case_control", ("n_case", "n_control"), f"effective, 4 / (1 / {named('n_case')} + 1 / {named('n_control')}) by row"
    elif "n_eff" in roles:
        rule, use, words = "n_eff", ("n_eff",), f"column {named('n_eff')}"
    elif "n_eff_half" in roles:
        rule, use, words = "n_eff_half", ("n_eff_half",), f"2 x column {named('n_eff_half')}"
    elif {"n", "n_case"} <= roles:
        rule, use, words = "total_less_cases", ("n", "n_case"), f"effective, of {named('n_case')} cases out of {named('n')} by row"
    elif two and "n" in roles:
        share = stated.n_case / (stated.n_case + stated.n_control)
        constant = 4.0 * share * (1.0 - share)
        rule, use, words = "n_times", ("n",), f"effective, {constant:.4g} x {named('n')} by row ({share:.1%} cases by {stated.where})"
    elif two:
        constant = 4.0 / (1.0 / stated.n_case + 1.0 / stated.n_control)
        rule, use, words = "constant", (), f"effective, of {stated.n_case:g} cases and {stated.n_control:g} controls by {stated.where}"
    elif "n" in roles:
        rule, use, words = "n", ("n",), f"column {named('n')}"
    elif stated.n_total:
        rule, use, constant, words = "constant", (), stated.n_total, f"{stated.n_total:g} by {stated.where}"
    else:
        raise InputError(
            path,
            f"no sample size (found: {shown(names)})",
            "Give sample_size= (--sample-size), n_case= and n_control= (--n-case, --n-control), or the column's name with n= (--n).",
        )
    kept = {role: i for role, i in columns.items() if role not in roles or role in use}
    return kept, rule, constant, words
