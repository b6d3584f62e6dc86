"""What takes the place of an option of LDSC 1.0.1 that a verb has not."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from bayesmixer.errors import InputError

VERBS = {"--h2": "h2", "--rg": "rg", "--h2-cts": "cts", "--l2": "scores"}
GENES = "Write their windows into a BED file and give that as --bed NAME=FILE."
ALIKE = [(one, f"{one}-chr") for one in ("--ref-ld", "--w-ld", "--frqfile")]
INSTEAD = {
    "--pickle": ("LD scores are written as text alone", "Leave it out."),
    "--bed-file": ("called --bed here", "Give --bed NAME=FILE."),
    "--gene-set-file": ("regions are given, not genes", GENES),
    "--gene-coord-file": ("regions are given, not genes", GENES),
    "--windowsize": ("regions are given with their windows", GENES),
    "--nomerge": ("a variant is in regions of --bed or not", "Give counts as --annot FILE."),
    "--bimfile": ("variants are those of --bfile", "Leave it out."),
    "--annot-file": ("regions of --bed are scored at once, without such a file", "Leave it out."),
}
# by LDSC's rules of munging alone, and what serves without them
MUNGED = {
    "signed_sumstats": "give --z, --beta or --odds-ratio NAME",
    "ignore": "name the column to use instead",
    "daner": "leave it out: such files are recognised",
    "daner_n": "leave it out: such files are recognised",
    "info_list": "leave it out: lists in a column are read",
    "nstudy": "give --n NAME",
    "nstudy_min": "give --n-min",
    "merge_alleles": "leave it out: alleles are compared where files meet",
    "no_alleles": "name their columns",
    "keep_maf": "leave it out: frequencies are kept",
}


def needs_rules(name: str) -> InputError:
    """The error of an option of `munge` that only LDSC's rules have."""
    remedy = f"Add --like-ldsc for LDSC's rules, or {MUNGED[name]}."
    return InputError(f"--{name.replace('_', '-')}", "without --like-ldsc", remedy)


def check_prefix(words: Sequence[str]) -> None:
    """Raises
    ------
    InputError
        `--out` is a folder, or nothing: a path has no slash at its end, and its files would lie
        beside the folder.
    """
    pairs = [*pairwise(words), *(word.split("=", 1) for word in words if "=" in word)]
    for option, value in pairs:
        if option == "--out" and (not value or value.endswith("/")):
            told = f"'{value}', expected what the names of the files begin with"
            raise InputError("--out", told, "Such as results/height.")


def refused(option: str, path: str, group: Any) -> InputError | None:
    """The error of an option that a verb has not; None where LDSC has it not either.

    Parameters
    ----------
    option
        As it was typed.
    path
        The verb, `bayesmixer ldsc h2`.
    group
        The command `bayesmixer ldsc`, with all its verbs.
    """
    verb = path.split()[-1]
    help_of = "See 'bayesmixer ldsc {} --help'."
    if option in VERBS:
        if VERBS[option] == verb or (option == "--h2" and verb == "partitioned"):
            found = f"the file stands alone here: '{path} FILE'"
            return InputError(option, found, help_of.format(verb))
        return of_verb(option)
    if option in INSTEAD:
        return InputError(option, *INSTEAD[option])
    owners = [
        name
        for name, one in group.commands.items()
        if any(option in (*given.opts, *given.secondary_opts) for given in one.params)
    ]
    if not owners:
        return None
    found = f"an option of 'bayesmixer ldsc {' | '.join(owners)}', not of '{path}'"
    return InputError(option, found, "Leave it out, or run the other.")


def of_verb(option: str) -> InputError:
    """The error of an option of LDSC that is a verb."""
    verb = VERBS[option]
    found = f"an option of LDSC, which is a verb here: bayesmixer ldsc {verb}"
    return InputError(option, found, f"See 'bayesmixer ldsc {verb} --help'.")
