"""Which column of a table plays which role: the user's choice, the format's names, then the usual
ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bayesmixer.errors import InputError
from bayesmixer.io.analyses import STATISTICS, Analyses
from bayesmixer.io.names import NAMES, SIGNED, flag, index_by_spelling, normalise, shown


def find_given(path: object, names: Sequence[str], role: str, given: str) -> int:
    """Index of the column a user named for a role, by exact name first, then whatever the case.

    Raises
    ------
    InputError
        No such column, or several.
    """
    exact = [i for i, n in enumerate(names) if n == given or n.lstrip("#") == given]
    loose = [i for i, n in enumerate(names) if normalise(n) == normalise(given)]
    found = exact or loose
    if not found:
        raise InputError(
            path,
            f"no column '{given}' for {role} (found: {shown(names)})",
            f"Give {role}= (--{flag(role)}) one of these names.",
        )
    if len(found) > 1:
        raise InputError(
            path,
            f"{len(found)} columns are named '{given}', wanted for {role}",
            "Rename or remove all but one.",
        )
    return found[0]


def assign(
    path: object,
    names: Sequence[str],
    preferred: Mapping[str, Sequence[str]],
    given: Mapping[str, str],
    absent: Sequence[str] = (),
    numeric: Callable[[int], bool] = lambda _: True,
) -> dict[str, int]:
    """Give roles to columns.

    Parameters
    ----------
    path
        File name, for errors.
    names
        Column names as the file writes them.
    preferred
        Names (normalised) that the recognised format uses, by role; other roles fall back on
        `NAMES`.
    given
        Column names that the user chose, by role.
    absent
        Roles that the format does not have, whatever its names suggest.
    numeric
        Whether a column (by index) holds numbers; one that does not is no effect where another is.

    Returns
    -------
    dict
        Role -> index of the column.

    Raises
    ------
    InputError
        Two columns for one role, or two analyses, that cannot be told apart; a chosen column that
        is not there.
    """
    index = index_by_spelling(names)
    roles = {role: find_given(path, names, role, name) for role, name in given.items()}
    taken = set(roles.values())
    chosen = [roles[role] for role in SIGNED if role in given]
    analyses = Analyses(names, numeric)
    affix = analyses.affix(chosen[0]) if chosen else ""
    if not chosen and not set(SIGNED) & set(preferred):
        affix = _the_analysis(path, names, analyses, bool({"p", "log10p", "lnp"} & set(given)))
    # reference_allele is GWAMA's effect allele, but beside an alternate allele it is the
    # reference's
    skip = {"reference_allele"} if any(name in index for name in NAMES["alt"]) else set()
    for role, generic in NAMES.items():
        if role in roles or role in absent or (chosen and role in SIGNED):
            continue
        found = [
            (name, i)
            for name in preferred.get(role, generic)
            if name not in skip or role != "a1"
            for i in _spelled(index, name)
            if (i not in taken or role in {"ref", "alt"})
            and (role in preferred or not analyses.is_another(i, affix))
        ]
        if affix and role in STATISTICS:
            own = [(normalise(names[i]), i) for i in analyses.column(affix, role) if i not in taken]
            found = own or (found if analyses.serves(role, affix) else [])
        if role in SIGNED and len(found) > 1:
            found = [f for f in found if numeric(f[1])] or found
        if not found:
            continue
        first = names[found[0][1]]
        twice = [i for _, i in found if normalise(names[i]) == normalise(first)]
        if len(set(twice)) > 1:
            raise InputError(
                path,
                f"{len(set(twice))} columns are named '{first}'",
                "Rename or remove all but one.",
            )
        if role in SIGNED and len({i for _, i in found}) > 1 and role not in preferred:
            which = " and ".join(names[i] for _, i in found)
            raise InputError(
                path,
                f"two columns for {role}: {which}",
                f"Say which one to use with {role}= (--{flag(role)}).",
            )
        roles[role] = found[0][1]
    if len([r for r in SIGNED if r in roles]) > 1:
        # a column of words such as GWAMA's "effects" (++-) is no effect where another column is
        for role in [r for r in SIGNED if r in roles and r not in given and not numeric(roles[r])]:
            if any(numeric(roles[r]) for r in SIGNED if r in roles and r != role):
                del roles[role]
    return roles


def _spelled(index: Mapping[str, list[int]], name: str) -> list[int]:
    """Columns of a name; one that ends with * is the beginning of a name."""
    if not name.endswith("*"):
        return index.get(name, [])
    return [i for found in index if found.startswith(name[:-1]) for i in index[found]]


def _the_analysis(path: object, names: Sequence[str], analyses: Analyses, has_p: bool) -> str:
    """Affix of the analysis to read where the user named no effect: the one without affix, or the
    only one.

    Raises
    ------
    InputError
        Several that could be meant.
    """
    effects = analyses.effects
    others = [a for a in effects if a]
    if "" in effects:
        plain = analyses.members[""]
        poor = not has_p and not set(plain) & {"se", "p", "log10p", "lnp", "beta", "odds_ratio"}
        rich = [a for a in others if set(analyses.members[a]) & {"se", "p", "log10p", "lnp"}]
        if not (poor and rich):
            return ""
        others = ["", *rich]
    if "all_inv_var_meta" in others:  # FinnGen's meta-analysis, beside those that went into it
        return "all_inv_var_meta"
    if len(others) <= 1:
        return others[0] if others else ""
    found = shown([names[effects[a][0]] for a in others])
    first = next(r for r in SIGNED if analyses.column(others[-1], r))
    name = names[analyses.column(others[-1], first)[0]]
    raise InputError(
        path,
        f"effects of several analyses in one file ({found})",
        f"Name the effect to read, e.g. {first}={name} (--{flag(first)} {name}); its standard "
        "error, P and N are taken from the columns named alike.",
    )
