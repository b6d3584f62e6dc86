"""Which columns hold the effect allele and the other one, and where z can come from; what is
undecidable is asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from bayesmixer.errors import InputError
from bayesmixer.io.formats import Format
from bayesmixer.io.given import Given
from bayesmixer.io.names import NAMES, SIGNED, normalise, shown, spellings
from bayesmixer.io.text import Table

_ID_ALLELES = r"(?i)^(?:chr)?[0-9XYM]{1,2}[:_-]\d+[:_/|-][ACGT]+[:_/|,-][ACGT]+$"


@dataclass(frozen=True)
class AlleleParts:
    """Alleles that are parts of a column such as chromosome:position:ref:alt.

    Parameters
    ----------
    column
        Index of the column.
    effect, other
        Number of the part that is the effect allele, and the other allele; from 1.
    """

    column: int
    effect: int
    other: int

    def split(self, text: pl.DataFrame) -> pl.DataFrame:
        """Add a1 and a2 to text columns by role (the column is among them as `parts`)."""
        parts = pl.col("parts").str.replace_all(r"[_/|,\-\[\]]+", ":").str.split(":")
        alleles = {
            side: parts.list.get(k - 1, null_on_oob=True)
            for side, k in (("a1", self.effect), ("a2", self.other))
        }
        return text.with_columns(**alleles).drop("parts")

    def words(self, names: Sequence[str]) -> str:
        """What the effect allele is, for people."""
        return f"part {self.effect} of {names[self.column]}"


def parts_given(
    path: object, names: Sequence[str], given: Given
) -> tuple[AlleleParts | None, Given]:
    """Alleles named as a part of a column: a1="variant:4"."""
    m = re.fullmatch(r"(.+):(\d+)", given.columns.get("a1", ""))
    if m is None or given.columns["a1"] in names or m[1] not in names:
        return None, given
    effect = int(m[2])
    n = re.fullmatch(rf"{re.escape(m[1])}:(\d+)", given.columns.get("a2", ""))
    other = int(n[1]) if n else effect - 1 if effect % 2 == 0 else effect + 1
    kept = {role: name for role, name in given.columns.items() if role not in {"a1", "a2"}}
    return AlleleParts(names.index(m[1]), effect, other), replace(given, columns=kept)


def settle_alleles(
    table: Table,
    form: Format,
    columns: dict[str, int],
    rows: pl.DataFrame,
    parts: AlleleParts | None,
    given: Given,
) -> AlleleParts | None:
    """Find a1 and a2 among the columns, or say what is missing.

    Raises
    ------
    InputError
        No effect allele, no other allele, or names that do not say which is which.
    """
    names = table.names
    if form.name == "neale" and "a1" not in columns and parts is None:
        parts = AlleleParts(columns["snp"], 4, 3)
    if parts is not None:
        columns["parts"] = parts.column
        for role in ("a1", "a2"):
            columns.pop(role, None)
        return parts
    if ("a1" in given.columns) != ("a2" in given.columns):
        _partner(names, columns, *(("a1", "a2") if "a1" in given.columns else ("a2", "a1")))
    elif "a1" not in given.columns:
        _check_saige(table, form, columns)
    found = shown(names)
    if "a1" not in columns:
        if {"ref", "alt"} <= set(columns):
            ref, alt = names[columns["ref"]], names[columns["alt"]]
            raise InputError(
                table.path,
                f"columns {ref} and {alt} do not say which allele the effect refers to",
                f"Name the effect allele with a1=, e.g. a1={alt} (--a1 {alt}).",
            )
        holder = next(
            (
                i
                for i in (columns.get("snp"), *range(len(names)))
                if i is not None and _holds_alleles(rows[str(i)])
            ),
            None,
        )
        if holder is not None and "a2" not in columns:
            name = names[holder]
            raise InputError(
                table.path,
                f"the alleles stand inside {name} alone ({rows[str(holder)].drop_nulls()[0]}), "
                "and nothing says which the effect refers to",
                f"Name the part that is the effect allele: a1={name}:4 (--a1 {name}:4) for the "
                f"last, a1={name}:3 for the one before.",
            )
        raise InputError(
            table.path,
            f"no column with the effect allele (found: {found})",
            "Name it with a1= (--a1), and the other allele with a2= (--a2).",
        )
    if columns.get("a2") == columns["a1"]:
        raise InputError(
            table.path,
            f"a1 and a2 are the same column, {names[columns['a1']]}",
            "Give the other allele's column as a2= (--a2).",
        )
    if "a2" not in columns:
        sides = [columns[r] for r in ("ref", "alt") if r in columns]
        if len(sides) < 2:
            raise InputError(
                table.path,
                f"no column with the other allele (found: {found})",
                "Name it with a2= (--a2); without it strands and signs cannot be checked.",
            )
        if columns["a1"] in sides:
            columns["a2"] = next(i for i in sides if i != columns["a1"])
    return None


def _partner(names: Sequence[str], columns: dict[str, int], named: str, other: str) -> None:
    """Where the user named one allele, the other is the one that is left: of A1 and A2, Allele1 and
    Allele2, REF and ALT.
    """
    if other in columns:
        return
    usual = {*NAMES["a1"], *NAMES["a2"], "minor_allele", "major_allele"}
    left = [
        i for i, n in enumerate(names) if i != columns[named] and spellings(normalise(n)) & usual
    ]
    if len(left) == 1 and columns[named] not in {columns.get("ref"), columns.get("alt")}:
        columns[other] = left[0]


def _holds_alleles(text: pl.Series) -> bool:
    there = text.drop_nulls()
    return len(there) > 0 and bool(there.str.contains(_ID_ALLELES).to_numpy().mean() > 0.9)


def _check_saige(table: Table, form: Format, columns: Mapping[str, int]) -> None:
    """Allele1, Allele2 and p.value without the columns that tell SAIGE (effect of Allele2) from
    others (of Allele1).
    """
    names = table.names
    if (
        form.name != "table"
        or not {"a1", "a2", "p"} <= set(columns)
        or names[columns["p"]] != "p.value"
    ):
        return
    if (
        (names[columns["a1"]], names[columns["a2"]]) == ("Allele1", "Allele2")
        and "z" not in columns
        and "Tstat" not in names
    ):
        raise InputError(
            table.path,
            "Allele1, Allele2 and p.value: SAIGE's effects refer to Allele2, other programs' "
            "to Allele1",
            "Say which allele the effect refers to: a1=Allele2 (--a1 Allele2) or a1=Allele1 "
            "(--a1 Allele1).",
        )


def check_effect(table: Table, columns: Mapping[str, int], given: Given) -> None:
    """Say what is missing for a z-score.

    Raises
    ------
    InputError
        No effect, or nothing that says how sure it is.
    """
    found = shown(table.names)
    has_p = bool({"p", "log10p", "lnp"} & set(columns))
    signed = [r for r in SIGNED if r in columns]
    if given.a1_increasing:
        if not has_p:
            raise InputError(
                table.path,
                f"a1_increasing needs P values, and there is no such column (found: {found})",
                "Name it with p= (--p).",
            )
    elif not signed:
        more = (
            " or, if a1 increases the trait in every row, give a1_increasing (--a1-increasing)"
            if has_p
            else ""
        )
        raise InputError(
            table.path,
            f"no column with an effect size or z-score (found: {found})",
            f"Name it with z= (--z), or beta= and se= (--beta, --se){more}.",
        )
    elif (
        "z" not in columns
        and "se" not in columns
        and not has_p
        and not ({"ci_lower", "ci_upper"} <= set(columns) or "ci" in columns)
    ):
        name = table.names[columns[signed[0]]]
        logs = [n for n in table.names if re.search(r"log.*p|p.*log", normalise(n))]
        hint = f" ({logs[0]}: log10p= (--log10p) or lnp= (--lnp), as its base is)" if logs else ""
        raise InputError(
            table.path,
            f"effects ({name}) but neither standard errors nor P values (found: {found})",
            f"Name them with se= or p= (--se, --p){hint}.",
        )
