"""Summary statistics by the rules of LDSC's munge_sumstats.py (1.0.1): its names of columns, its
filters in their order, |z| from P alone with the sign of one column, its N.

What it would stop at for no good reason is read: INFO as lists (their mean), a column Z_SCORE, and
reference and alternate alleles where there are no others.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bayesmixer.errors import DataWarning, InputError
from bayesmixer.io.columns import find_given
from bayesmixer.io.filters import Filters, count_first, ordered
from bayesmixer.io.given import Given
from bayesmixer.io.harmonise import mean_of_lists
from bayesmixer.io.names import shown
from bayesmixer.io.text import Table, open_table
from bayesmixer.io.zscores import abs_z, to_float

# role -> names, capitals with _ for - and .
NAMES: dict[str, str] = {
    "snp": "SNP MARKERNAME SNPID RS RSID RS_NUMBER RS_NUMBERS",
    "p": "P PVALUE P_VALUE PVAL P_VAL GC_PVALUE",
    "a1": "A1 ALLELE1 ALLELE_1 EFFECT_ALLELE REFERENCE_ALLELE INC_ALLELE EA",
    "a2": "A2 ALLELE2 ALLELE_2 OTHER_ALLELE NON_EFFECT_ALLELE DEC_ALLELE NEA",
    "n": "N WEIGHT",
    "n_case": "NCASE CASES_N N_CASE N_CASES N_CAS",
    "n_control": "NCONTROL CONTROLS_N N_CONTROL N_CONTROLS N_CON",
    "z": "ZSCORE Z_SCORE GC_ZSCORE Z",
    "odds_ratio": "OR",
    "beta": "B BETA EFFECT EFFECTS",
    "log_odds": "LOG_ODDS",
    "info": "INFO",
    "frq": "EAF FRQ MAF FRQ_U F_U",
    "nstudy": "NSTUDY N_STUDY NSTUDIES N_STUDIES",
}
SIGNED = {"z": 0.0, "odds_ratio": 1.0, "beta": 0.0, "log_odds": 0.0}  # their values without effect
_TAKEN = {"snp", "p", "a1", "a2", "n", "n_case", "n_control", "z", "odds_ratio", "beta", "info",
          "eaf", "maf"}  # fmt: skip
_MISSING = ["", ".", "NA", "N/A", "n/a", "#NA", "#N/A", "#N/A N/A", "NaN", "nan", "-NaN", "-nan",
            "NULL", "null", "-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN"]  # fmt: skip
_UNDERFLOW = 1e-300  # P below which LDSC's z is infinite
_BASES = pl.Enum(list("ACGT"))  # the places of a base and of its complement add up to 3


@dataclass(frozen=True)
class Extra:
    """What munge_sumstats.py has beyond the arguments of `read_sumstats`, under its own names.

    Parameters
    ----------
    signed_sumstats
        "NAME,VALUE": the signed column and its value without effect.
    info_list
        Names of columns of INFO with commas between; their mean counts.
    merge_alleles
        File with columns SNP, A1, A2: the result has all its variants in its order, blank where
        the file lacks one or has other alleles.
    nstudy, nstudy_min
        Column with the number of studies, and the least (the largest there without); where there
        is no N.
    ignore
        Names of columns with commas between.
    daner, daner_n
        Cases and controls in the names FRQ_A_n and FRQ_U_n, or in columns Nca and Nco.
    no_alleles
        Without alleles.
    keep_maf
        Keep the frequency.
    """

    signed_sumstats: str | None = None
    info_list: str | None = None
    merge_alleles: str | Path | None = None
    nstudy: str | None = None
    nstudy_min: float | None = None
    ignore: str | None = None
    daner: bool = False
    daner_n: bool = False
    no_alleles: bool = False
    keep_maf: bool = False

    @classmethod
    def of(cls, given: bool | Mapping[str, Any]) -> Extra:
        """Of the argument `like_ldsc`."""
        options = given if isinstance(given, Mapping) else {}
        known = [field.name for field in fields(cls)]
        if other := [name for name in options if name not in known]:
            raise InputError("like_ldsc", f"no option {other[0]}", f"There are {', '.join(known)}.")
        extra = cls(**options)
        if extra.no_alleles and extra.merge_alleles is not None:
            raise InputError("merge_alleles", "given together with no_alleles", "Give either.")
        return extra


def clean(name: str) -> str:
    """A name in capitals, with _ for - and ."""
    return re.sub(r"[-.]", "_", name.upper())


def read_like_ldsc(
    path: Path, given: Given, filters: Filters, extra: Extra, separator: str | None
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Read a file by LDSC's rules.

    Parameters
    ----------
    path, separator
        The file, and its separator if not found from it.
    given
        Names of columns and sample sizes that the user gave.
    filters
        `info_min`, `maf_min` and `n_min` count, the others do not.
    extra
        LDSC's further options.

    Returns
    -------
    frame, attributes
        Columns snp, a1, a2, z, n and eaf where asked for, in LDSC's order of rows, null where
        `merge_alleles` leaves a variant blank; attributes of the Sumstats dataset.

    Raises
    ------
    InputError
        A column that is needed is not there, or there twice; nothing is left; the signed column is
        not centred at its value without effect.
    """
    if other := sorted(set(given.columns) - _TAKEN):
        found = f"{other[0]} given, but LDSC takes |z| from P alone, and its sign from one column"
        raise InputError("like_ldsc", found, "Leave it out.")
    counts: dict[str, int] = {}
    merge = None if extra.merge_alleles is None else _merge_list(Path(extra.merge_alleles))
    with open_table(path, separator) as table:
        columns, null = _columns(table, given, extra)
        frames, rows = [], 0
        for chunk in table.chunks([i for several in columns.values() for i in several]):
            rows += chunk.height
            frames.append(_filtered(chunk, columns, filters, merge, counts))
        rows += len(table.broken)
        if table.broken:
            counts["broken_line"] = len(table.broken)
        digest, names = table.digest(), table.names
        n_given, n_words = _given_n(table, given, columns, extra)
    frame = pl.concat(frames) if frames else pl.DataFrame()
    if frame.height:
        before = frame.height
        frame = frame.unique("snp", keep="first", maintain_order=True)
        counts["duplicate"] = before - frame.height
    if not rows:
        raise InputError(path, "no rows, a header alone", "Download or make it again.")
    if not frame.height:
        taken = ", ".join(f"{name} {count:,}" for name, count in ordered(counts).items() if count)
        raise InputError(path, f"no variant left of {rows:,}; removed: {taken}")
    frame, limit = _sample_size(frame, filters, extra, n_given, counts)
    if not frame.height:
        raise InputError(path, f"no variant left of {rows:,}, all with a low N")
    frame = _with_z(path, frame, null, names, columns)
    if "eaf" in frame.columns and not extra.keep_maf:
        frame = frame.drop("eaf")
    if merge is not None:
        frame = _merged(path, frame, merge, counts)
    frame = frame.with_columns(chrom=pl.lit(""), pos=pl.lit(0, pl.Int64))
    told = {role: ", ".join(names[i] for i in several) for role, several in columns.items()}
    return frame, {
        "sha256": digest,
        "format": "LDSC's rules",
        "rows_read": rows,
        "rows_kept": int(frame["z"].is_not_null().sum()),
        "filters": json.dumps(ordered(counts)),
        "filters_skipped": "{}",
        "taken_as_unknown": "{}",
        "effect_allele": told.get("a1", "none"),
        "n_definition": n_words,
        "z_definition": f"{told['p']}, " + (f"sign of {told['signed']}" if null is not None else
                        "a1 increasing"),
        "n_min": float("nan") if limit is None else limit,
        "columns": json.dumps(told),
        "like_ldsc": 1,
    }  # fmt: skip


def _columns(table: Table, given: Given, extra: Extra) -> tuple[dict[str, list[int]], float | None]:
    """Role -> indices of its columns (several of INFO alone), and the signed column's value
    without effect; None where a1 always increases the trait.
    """
    path, names = table.path, table.names
    cleaned = [clean(name) for name in names]
    ignored = {clean(name) for name in (extra.ignore or "").split(",")} - {""}
    roles: dict[str, list[int]] = {}
    null: float | None = None
    chosen = {"frq" if r in ("eaf", "maf") else r: name for r, name in given.columns.items()}
    for role, name in chosen.items():
        roles[role] = [find_given(path, names, role, name)]
    if extra.nstudy:
        roles["nstudy"] = [find_given(path, names, "nstudy", extra.nstudy)]
    if extra.info_list:
        wanted = extra.info_list.split(",")
        roles["info"] = [find_given(path, names, "info_list", name) for name in wanted]
    if extra.signed_sumstats:
        name, _, value = extra.signed_sumstats.rpartition(",")
        try:
            null = float(value)
        except ValueError:
            raise InputError(
                "signed_sumstats", f"'{extra.signed_sumstats}', expected a name and a number: OR,1"
            ) from None
        roles["signed"] = [find_given(path, names, "signed_sumstats", name)]
    roles |= _daner(path, names, extra)
    taken = {i for several in roles.values() for i in several}
    signed_given = extra.signed_sumstats or given.a1_increasing or set(chosen) & set(SIGNED)
    for role, listed in NAMES.items():
        if role in roles or (role in SIGNED and signed_given):
            continue
        found = [i for i, name in enumerate(cleaned) if name in listed.split()
                 and name not in ignored and i not in taken]  # fmt: skip
        if len(found) > 1:
            several = shown([names[i] for i in found])
            raise InputError(
                path, f"{len(found)} columns for {role}: {several}", "Name those to ignore=."
            )
        if found:
            roles[role] = found
    signed = [role for role in SIGNED if role in roles]
    if len(signed) > 1 and not given.a1_increasing:
        several = shown([names[roles[role][0]] for role in signed])
        raise InputError(
            path, f"several signed columns: {several}", "Name those to ignore=, or the one to use."
        )
    if signed and not given.a1_increasing and "signed" not in roles:
        null, roles["signed"] = SIGNED[signed[0]], roles[signed[0]]
    roles = {role: several for role, several in roles.items() if role not in SIGNED}
    if given.a1_increasing:
        null = None
        roles.pop("signed", None)
    if {"n"} <= set(roles) or {"n_case", "n_control"} <= set(roles):
        roles.pop("nstudy", None)
    if extra.no_alleles:
        roles = {role: several for role, several in roles.items() if role not in ("a1", "a2")}
    elif not {"a1", "a2"} <= set(roles):
        _reference_alleles(path, names, cleaned, roles)
    needed = {"snp": "a name", "p": "P"} | ({} if given.a1_increasing else {"signed": "a sign"})
    for role, what in needed.items():
        if role not in roles:
            hint = "signed_sumstats= (--signed-sumstats)" if role == "signed" else f"{role}="
            found_names = f"no column with {what} (found: {shown(names)})"
            raise InputError(path, found_names, f"Name it with {hint}.")
    return roles, null


def _reference_alleles(
    path: Path, names: list[str], cleaned: list[str], roles: dict[str, list[int]]
) -> None:
    """Take REF for A1, which LDSC's log calls the ref allele, and ALT for A2; a word."""
    if {"REF", "ALT"} <= set(cleaned) and not {"a1", "a2"} & set(roles):
        roles["a1"], roles["a2"] = [cleaned.index("REF")], [cleaned.index("ALT")]
        said = (
            f"{path}: {names[roles['a1'][0]]} taken for the allele of the sign, as LDSC calls A1; "
            "if it is the other's, name it with a1= and a2= (--a1, --a2)"
        )
        warnings.warn(said, DataWarning, 6)
        return
    raise InputError(
        path,
        f"no columns of both alleles (found: {shown(names)})",
        "Name them with a1= and a2= (--a1, --a2), or read without: no_alleles (--no-alleles).",
    )


def _daner(path: Path, names: list[str], extra: Extra) -> dict[str, list[int]]:
    """Columns of PGC's daner files."""
    if not (extra.daner or extra.daner_n):
        return {}
    wanted = ["FRQ_A_", "FRQ_U_"] if extra.daner else ["FRQ_U_", "NCA", "NCO"]
    found = {
        start: next((i for i, name in enumerate(names) if name.upper().startswith(start)), None)
        for start in wanted
    }
    if lacks := [start for start, i in found.items() if i is None]:
        raise InputError(path, f"no column {lacks[0]}.., expected in a daner file")
    roles = {"FRQ_U_": "frq", "NCA": "n_case", "NCO": "n_control"}
    return {role: [int(found[start] or 0)] for start, role in roles.items() if start in found}


def _given_n(
    table: Table, given: Given, columns: dict[str, list[int]], extra: Extra
) -> tuple[float | None, str]:
    """N where the file has no column of it, and where N comes from in words."""
    names = table.names
    if "n" in columns:
        return None, f"column {names[columns['n'][0]]}"
    if {"n_case", "n_control"} <= set(columns):
        return None, " + ".join(names[columns[r][0]] for r in ("n_case", "n_control"))
    if given.sample_size:
        return given.sample_size, f"given: {given.sample_size:g}"
    case, control = given.n_case, given.n_control
    if extra.daner:
        counts = {n[4]: n[6:] for n in names if n.upper().startswith(("FRQ_A_", "FRQ_U_"))}
        try:
            case, control = float(counts["A"]), float(counts["U"])
        except (KeyError, ValueError):
            raise InputError(table.path, "no numbers in the names FRQ_A_.. and FRQ_U_..") from None
    if case and control:
        return case + control, f"{case:g} cases + {control:g} controls"
    raise InputError(
        table.path,
        f"no sample size (found: {shown(names)})",
        "Give sample_size= (--sample-size), n_case= and n_control= (--n-case, --n-control), or "
        "the column's name with n= (--n).",
    )


def _filtered(
    chunk: pl.DataFrame,
    columns: dict[str, list[int]],
    filters: Filters,
    merge: pl.DataFrame | None,
    counts: dict[str, int],
) -> pl.DataFrame:
    """The rows of a chunk that pass LDSC's filters of rows, in its order."""
    text = {r: chunk[str(several[0])] for r, several in columns.items()}
    numeric = [r for r in ("p", "signed", "n", "n_case", "n_control", "nstudy", "frq") if r in text]
    texts = [r for r in ("snp", "a1", "a2") if r in text]
    frame = pl.DataFrame(
        {r: to_float(text[r]) for r in numeric}
        | {r: text[r].set(text[r].is_in(_MISSING).fill_null(True), None) for r in texts}
    )
    if "info" in columns:
        parts = [mean_of_lists(chunk[str(i)]) for i in columns["info"]]
        whole: Any = (
            parts[0] if len(parts) == 1 else sum(p.fill_null(0) for p in parts) / len(parts)
        )
        frame = frame.with_columns(pl.Series("info", whole))
    stays = {"missing": pl.all_horizontal(pl.exclude("info").is_not_null())}
    if merge is not None:
        stays["not_listed"] = pl.col("snp").is_in(merge["SNP"].implode())
    if "info" in columns and filters.info_min is not None:
        stays["info"] = pl.col("info") >= filters.info_min
    if "frq" in columns and filters.maf_min is not None:
        folded = pl.min_horizontal("frq", 1 - pl.col("frq"))
        stays["maf"] = pl.col("frq").is_between(0, 1) & (folded > filters.maf_min)
    stays["p_out_of_range"] = (pl.col("p") > 0) & (pl.col("p") <= 1)
    if "a1" in columns:
        frame = frame.with_columns(_capitals(frame["a1"]), _capitals(frame["a2"]))
        one, two = (pl.col(a).cast(_BASES, strict=False).to_physical() for a in ("a1", "a2"))
        stays["ambiguous"] = (one != two) & (one + two != 3)
    fails: dict[str, pl.Series | pl.Expr] = {
        name: ~passes.fill_null(False) for name, passes in stays.items()
    }
    return count_first(frame, fails, counts, list(fails)).drop("info", strict=False)


def _capitals(alleles: pl.Series) -> pl.Series:
    """Alleles in capitals; as they are where all are bases already."""
    bases = alleles.cast(_BASES, strict=False)
    return alleles if bases.null_count() == alleles.null_count() else alleles.str.to_uppercase()


def _count(frame: pl.DataFrame, name: str, stays: pl.Expr, counts: dict[str, int]) -> pl.DataFrame:
    kept = frame.filter(stays.fill_null(False))
    counts[name] = counts.get(name, 0) + frame.height - kept.height
    return kept


def _sample_size(
    frame: pl.DataFrame,
    filters: Filters,
    extra: Extra,
    given: float | None,
    counts: dict[str, int],
) -> tuple[pl.DataFrame, float | None]:
    """N of every variant, those with little of it dropped; the limit, None where none applies."""
    if {"n_case", "n_control"} <= set(frame.columns):
        # cases by the share of them where N is largest: N of a study with that share
        total = pl.col("n_case") + pl.col("n_control")
        share = (pl.col("n_case") / total).filter(total == total.max()).mean()
        frame = frame.with_columns(n=pl.col("n_case") / share)
    if "n" in frame.columns:
        limit = filters.n_min
        if limit == "auto":
            limit = float(frame["n"].quantile(0.9, "linear") or 0.0) / 1.5
    elif "nstudy" in frame.columns:
        least = extra.nstudy_min or frame["nstudy"].max()
        frame = _count(frame, "n_low", pl.col("nstudy") >= least, counts)
        limit = None
    else:
        limit = None
    if limit is not None:
        frame = _count(frame, "n_low", pl.col("n") >= float(limit), counts)
    if given is not None:
        frame = frame.with_columns(n=pl.lit(given))
    return frame, None if limit is None else float(limit)


def _with_z(
    path: Path,
    frame: pl.DataFrame,
    null: float | None,
    names: list[str],
    columns: dict[str, list[int]],
) -> pl.DataFrame:
    p = frame["p"].to_numpy()
    z = np.where(p < _UNDERFLOW, np.inf, abs_z(np.log(p)))
    if null is not None:
        signed = frame["signed"].to_numpy()
        median, name = float(np.median(signed)), names[columns["signed"][0]]
        if abs(median - null) > 0.1:
            found = f"the median of {name} is {median:.3g}, expected {null:g}: not a signed column"
            raise InputError(path, found, "Name it with signed_sumstats= (--signed-sumstats).")
        z = np.where(signed < null, -z, z)
    frame = frame.with_columns(z=pl.Series(z))
    if "a1" not in frame.columns:
        frame = frame.with_columns(a1=pl.lit(""), a2=pl.lit(""))
    kept = ["snp", "a1", "a2", "z", "n", *(["frq"] if "frq" in frame.columns else [])]
    return frame.select(kept).rename({"frq": "eaf"}, strict=False)


def _merge_list(path: Path) -> pl.DataFrame:
    """SNP, A1 and A2 of the variants to merge with."""
    with open_table(path) as table:
        if lacks := [name for name in ("SNP", "A1", "A2") if name not in table.names]:
            raise InputError(path, f"no column {lacks[0]} among {shown(table.names)}")
        at = {name: table.names.index(name) for name in ("SNP", "A1", "A2")}
        frames = [
            chunk.select(**{name: pl.col(str(i)) for name, i in at.items()})
            for chunk in table.chunks(list(at.values()))
        ]
    if not frames:
        raise InputError(path, "no variant in it")
    return pl.concat(frames)


def _merged(
    path: Path, frame: pl.DataFrame, merge: pl.DataFrame, counts: dict[str, int]
) -> pl.DataFrame:
    """All variants of the list in its order, blank where the alleles differ."""
    from bayesmixer.io.alleles import match_alleles  # pandas

    joined = merge.rename({"SNP": "snp"}).join(frame, on="snp", how="left", maintain_order="left")
    sides = (joined[name].fill_null("").to_numpy() for name in ("a1", "a2", "A1", "A2"))
    fits = pl.Series(match_alleles(*sides).sign != 0) & joined["z"].is_not_null()
    there = int(joined["z"].is_not_null().sum())
    counts["alleles_differ"] = there - int(fits.sum())
    if not fits.any():
        raise InputError(path, f"none of {there:,} variants has the alleles of merge_alleles")
    blank = [name for name in frame.columns if name != "snp"]
    return joined.select(
        "snp", *(pl.when(fits).then(pl.col(name)).alias(name) for name in blank)
    ).with_columns(pl.col("a1", "a2").fill_null(""))
