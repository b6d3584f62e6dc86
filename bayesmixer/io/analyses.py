"""Several analyses in one table (beta_EUR beside beta_meta, mtag_z beside Z): which columns belong
together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bayesmixer.io.names import COUNTS, NAMES, SIGNED, normalise, spellings

STATISTICS = (
    *SIGNED,
    "se",
    "p",
    "log10p",
    "lnp",
    "ci_lower",
    "ci_upper",
    "ci",
    "eaf",
    "maf",
    *COUNTS,
)
_ROLE = {name: role for role in STATISTICS for name in NAMES[role]}
# These belong to an analysis of their own when the table has others beside it (FinnGen with UK
# Biobank).
_OF_META = {f"all_inv_var_meta_{stem}": stem for stem in ("beta", "sebeta", "p")}
# What follows or goes before an effect's name without making it the effect of another analysis
_NO_AFFIXES = (
    "z beta b or se p n sd ci l95 u95 95l 95u lower upper low high lo hi min max het hwe i2 q "
    "fdr allele freq type direction dir"
    " log log10 ln neg minus value chisq chi2 stat df test var r2 units unit"
)
_NOT_AFFIXES = frozenset(_NO_AFFIXES.split())


def place(name: str) -> tuple[str, str] | None:
    """Role and affix of a statistic's column: beta_EUR is ("beta", "eur"), SE is ("se", ""); None
    for anything else.
    """
    plain = normalise(name)
    if plain in _OF_META:
        return _ROLE[_OF_META[plain]], "all_inv_var_meta"
    if known := next((s for s in sorted(spellings(plain)) if s in _ROLE), None):
        return _ROLE[known], ""
    words = plain.split("_")
    # the longest name first, so that p_value_eur is the P of eur and not a P of value_eur
    for k in range(len(words) - 1, 0, -1):
        for stem, affix in ((words[:k], words[k:]), (words[-k:], words[:-k])):
            if set(affix) & _NOT_AFFIXES:
                continue
            if known := next((s for s in sorted(spellings("_".join(stem))) if s in _ROLE), None):
                return _ROLE[known], "_".join(affix)
    return None


class Analyses:
    """The analyses of one table.

    Parameters
    ----------
    names
        Column names as the file writes them.
    numeric
        Whether a column holds numbers.
    """

    def __init__(self, names: Sequence[str], numeric: Callable[[int], bool]) -> None:
        self.of = [place(n) if n else None for n in names]
        self.members: dict[str, dict[str, list[int]]] = {}
        for i, found in enumerate(self.of):
            if found is not None and (found[0] not in SIGNED or numeric(i)):
                self.members.setdefault(found[1], {}).setdefault(found[0], []).append(i)
        # an analysis is what has an effect
        self.effects = {
            a: [i for r in SIGNED for i in roles.get(r, [])]
            for a, roles in self.members.items()
            if set(roles) & set(SIGNED)
        }

    def affix(self, i: int) -> str:
        """Affix of a column; "" for what has none."""
        found = self.of[i]
        return found[1] if found else ""

    def column(self, affix: str, role: str) -> list[int]:
        """Columns of a role in an analysis."""
        return self.members.get(affix, {}).get(role, [])

    def is_another(self, i: int, affix: str) -> bool:
        """Whether a column belongs to another analysis than that of `affix`."""
        return (own := self.affix(i)) != affix and own != "" and own in self.effects

    def serves(self, role: str, affix: str) -> bool:
        """Whether a column without affix may serve the analysis of `affix`: where no other could
        claim it.
        """
        others = set(self.effects) - {affix}
        return "" not in others and (not others or role in {"eaf", "maf"})
