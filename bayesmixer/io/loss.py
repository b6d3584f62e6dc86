"""What a file loses to values that cannot be: a word where it is more than a trace, an error where
it is much.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from bayesmixer.errors import DataWarning, InputError
from bayesmixer.io.filters import ORDER
from bayesmixer.io.harmonise import Seen
from bayesmixer.io.names import flag

# Filters that do what the user or a usual limit asks, or what the kind of file brings with it, are
# no loss.
_EXPECTED = {
    "test_not_additive",
    "vcf_filter",
    "indel",
    "ambiguous",
    "info",
    "maf",
    "mhc",
    "region",
    "n_low",
    "not_listed",
    "alleles_differ",
}
# ... but these take much only where something is odd: N of many kinds, alleles in the wrong column
_ODD_IF_MUCH = {"vcf_filter", "indel", "n_low"}
LOSSES = tuple(name for name in ORDER if name not in _EXPECTED)
_TRACE, _MUCH, _FEW, _SMALL_FILE = 0.01, 0.2, 4, 20


def check_max_loss(max_loss: float) -> None:
    """Refuse a share that is none."""
    if not 0 <= max_loss <= 1:
        raise InputError(
            "max_loss",
            f"{max_loss} is outside 0 to 1",
            "Give the share of rows that one reason may take, e.g. 0.2.",
        )


def check_loss(
    path: Path,
    counts: Mapping[str, int],
    rows: int,
    seen: Seen,
    max_loss: float,
    name: Mapping[str, str],
) -> None:
    """Warn of a reason that takes more than 1% of the rows, refuse one that takes more than
    `max_loss`.

    Parameters
    ----------
    path
        File name, for messages.
    counts
        Rows that each filter removed.
    rows
        Rows read.
    seen
        What was met on the way.
    max_loss
        Largest share of the rows that one reason may take.
    name
        Role -> column, for messages.

    Raises
    ------
    InputError
        A reason takes more.
    """
    tests = rows - counts.get("test_not_additive", 0)
    for reason in LOSSES:
        lost = counts.get(reason, 0)
        share = lost / max(1, tests)
        if lost < _FEW or share <= _TRACE:
            continue
        found = (
            f"{reason} takes {lost:,} of {tests:,} rows, {share:.1%} "
            f"({ORDER[reason]}{_example(reason, seen, name)})"
        )
        # rows without any statistic, and repeated lines, are lost to nobody
        real = (
            seen.contradicting
            if reason == "duplicate"
            else lost - (seen.blank if reason == "missing" else 0)
        )
        much = real / max(1, tests)
        if much > max_loss and tests >= _SMALL_FILE:
            raise InputError(
                path, found, f"{remedy(reason)} Or accept the loss with max_loss=1 (--max-loss 1)."
            )
        warnings.warn(f"{path}: {found}", DataWarning, 5)
    for reason in sorted(_ODD_IF_MUCH):
        if (lost := counts.get(reason, 0)) > _MUCH * tests and tests >= _SMALL_FILE:
            found = (
                f"{reason} takes {lost:,} of {tests:,} rows, {lost / tests:.1%} ({ORDER[reason]})"
            )
            warnings.warn(f"{path}: {found}. {remedy(reason)}", DataWarning, 5)
    for role, values in seen.aside.items():
        if values > _MUCH * rows and role in {"p", "se", "odds_ratio"} and rows >= _SMALL_FILE:
            found = (
                f"{values:,} of {rows:,} values of column {name.get(role, role)} cannot be "
                f"({values / rows:.1%})"
            )
            warnings.warn(
                f"{path}: {found}; taken as unknown. Check that it is the right one, {role}= "
                f"(--{flag(role)})",
                DataWarning,
                5,
            )


def refuse_empty(
    path: Path, counts: Mapping[str, int], rows: int, seen: Seen, name: Mapping[str, str]
) -> None:
    """Say why no variant is left.

    Raises
    ------
    InputError
        Always.
    """
    worst: Sequence[tuple[int, str]] = sorted(
        ((v, k) for k, v in counts.items() if v), reverse=True
    )[:3]
    what = ", ".join(f"{k} {v:,} ({ORDER[k]}{_example(k, seen, name)})" for v, k in worst)
    raise InputError(path, f"no variant left of {rows:,}; removed: {what}", remedy(worst[0][1]))


def _example(reason: str, seen: Seen, name: Mapping[str, str]) -> str:
    if reason != "not_numeric" or seen.example is None:
        return ""
    role, text = seen.example
    return f": '{text.strip()[:40]}' in column {name.get(role, role)}"


def remedy(reason: str) -> str:
    """What to do about a filter that takes much."""
    return {
        "p_out_of_range": "If P is -log10 P give its name as log10p= (--log10p).",
        "se_not_positive": "Give the right column as se= (--se), or z from another with z= (--z).",
        "n_low": "Lower n_min (--n-min); 0 keeps all.",
        "info": "Lower info_min (--info-min).",
        "maf": "Lower maf_min (--maf-min).",
        "indel": "Check a1= and a2= (--a1, --a2), or keep indels with keep_indels (--keep-indels).",
        "ambiguous": "Keep them with keep_ambiguous (--keep-ambiguous).",
        "mhc": "Keep them with keep_mhc (--keep-mhc).",
        "region": "Check exclude= (--exclude).",
        "not_acgt": "Check a1= and a2= (--a1, --a2).",
        "same_alleles": "Check a1= and a2= (--a1, --a2).",
        "duplicate": (
            "If the file holds several traits, write one of them to a file of its own; if the "
            "names are wrong, give snp= (--snp)."
        ),
    }.get(
        reason,
        "Check the file's columns and name the right ones, e.g. z=, beta=, se=, p=, n= (--z, "
        "--beta, ...).",
    )
