"""How one file is to be read, decided from its header and its first rows before the long pass over it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from bayesmixer.errors import DataWarning, InputError
from bayesmixer.io import gwas_vcf
from bayesmixer.io.columns import SIGNED, assign, flag, normalise, shown
from bayesmixer.io.formats import Format, daner_counts, recognise
from bayesmixer.io.given import Given
from bayesmixer.io.harmonise import ROUTES, Plan, numbers
from bayesmixer.io.sample_size import Stated, choose_sample_size, ssf_metadata
from bayesmixer.io.text import Table
from bayesmixer.io.zscores import significant_digits, to_float

_COARSE = 2  # standard errors with so few digits make z worse than P does: .003 is .0025 to .0035
_PLACE_ID = r"(?i)^(chr)?([0-9]{1,2}|X|Y|XY|MT?)[:_-]\d+"


@dataclass(frozen=True)
class Recipe:
    """How to read one file.

    Parameters
    ----------
    format
        Name of the recognised format.
    columns
        Role -> index of its column.
    plan
        What to do with each chunk.
    vcf
        Layout of a GWAS-VCF, else None.
    build
        Genome build that the file names, or "".
    n_definition, z_definition
        Where N and z come from, in words.
    """

    format: str
    columns: dict[str, int]
    plan: Plan
    vcf: gwas_vcf.VcfLayout | None
    build: str
    n_definition: str
    z_definition: str

    def text(self, chunk: pl.DataFrame) -> pl.DataFrame:
        """Text columns named by index -> text columns named by role."""
        if self.vcf is not None:
            return gwas_vcf.expand(chunk, self.vcf)
        text = chunk.select(**{role: pl.col(str(i)) for role, i in self.columns.items()})
        if "a2" not in self.columns:
            # A1 is one of REF and ALT, row by row: a2 is the other
            a1, ref, alt = (pl.col(c).str.to_uppercase() for c in ("a1", "ref", "alt"))
            other = pl.when(a1 == alt).then(ref).when(a1 == ref).then(alt).when(alt.str.split(",").list.contains(a1)).then(ref)
            text = text.with_columns(a2=other).drop("ref", "alt")
        return text


def write_recipe(table: Table, given: Given) -> Recipe:
    """Decide how to read a table.

    Raises
    ------
    InputError
        Something that z-scores need is not there, or is there twice.
    """
    if given.z_from not in {"auto", *ROUTES}:
        raise InputError("z_from", f"'{given.z_from}' is not one of auto, {', '.join(ROUTES)}", "Choose one of them.")
    form = recognise(table.names)
    if form.name == "gwas-vcf":
        return _vcf_recipe(table, given)
    columns = assign(table.path, table.names, form.columns, given.columns, form.absent)
    _check_header(table, columns)
    stated, build = Stated(), ""
    if form.name == "daner":
        cases, controls, i = daner_counts(table.names)
        columns.setdefault("eaf", i)
        stated = Stated(cases, controls, where="the names of its columns")
    elif form.name.startswith("gwas-ssf"):
        stated, build = ssf_metadata(table.path)
    _settle_alleles(table, columns)
    _check_effect(table, columns, given)
    columns, rule, constant, n_words = choose_sample_size(table.path, table.names, columns, given, stated)
    if "a2" in columns:
        columns = {role: i for role, i in columns.items() if role not in {"ref", "alt"}}
    return _finish(table, form, columns, given, (rule, constant, n_words), None, _build(build, table, form, columns))


def _vcf_recipe(table: Table, given: Given) -> Recipe:
    index = [n.lower() for n in table.names].index("format")
    formats = table.preview([index])[str(index)].drop_nulls().unique().to_list()
    vcf = gwas_vcf.layout(table.path, table.names, table.meta, formats, given.trait)
    known = {role: -1 for role in vcf.roles}
    cases, controls = vcf.n_case or 0.0, vcf.n_control or 0.0
    # a quantitative trait counts everybody as a control
    stated = Stated(cases, controls, 0.0 if cases else controls, "the VCF header")
    _, rule, constant, words = choose_sample_size(table.path, table.names, known, given, stated)
    return _finish(table, Format("gwas-vcf", lambda _: True), dict(vcf.columns), given, (rule, constant, words), vcf, vcf.build)


def _check_header(table: Table, columns: Mapping[str, int]) -> None:
    if not set(columns) & {"a1", "z", "beta", "odds_ratio", "p"} and any(re.fullmatch(r"[-+]?[\d.]+([eE][-+]?\d+)?", n) for n in table.names):
        raise InputError(table.path, f"the first line looks like data ({shown(table.names)}), not column names", "Add a header line.")
    if "snp" not in columns and not {"chrom", "pos"} <= set(columns):
        raise InputError(
            table.path, f"no column with an identifier or a position (found: {shown(table.names)})", "Name it with snp= (--snp), or chrom= and pos=."
        )


def _settle_alleles(table: Table, columns: dict[str, int]) -> None:
    found = shown(table.names)
    if "a1" not in columns:
        if {"ref", "alt"} <= set(columns):
            ref, alt = table.names[columns["ref"]], table.names[columns["alt"]]
            raise InputError(
                table.path,
                f"columns {ref} and {alt} do not say which allele the effect refers to",
                f"Name the effect allele with a1=, e.g. a1={alt} (--a1 {alt}).",
            )
        raise InputError(
            table.path, f"no column with the effect allele (found: {found})", "Name it with a1= (--a1), and the other allele with a2= (--a2)."
        )
    if columns.get("a2") == columns["a1"]:
        raise InputError(table.path, f"a1 and a2 are the same column, {table.names[columns['a1']]}", "Give the other allele's column as a2= (--a2).")
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


def _check_effect(table: Table, columns: Mapping[str, int], given: Given) -> None:
    found = shown(table.names)
    has_p = "p" in columns or "log10p" in columns
    signed = [r for r in SIGNED if r in columns]
    if given.a1_increasing:
        if not has_p:
            raise InputError(table.path, f"a1_increasing needs P values, and there is no such column (found: {found})", "Name it with p= (--p).")
    elif not signed:
        more = " or, if a1 increases the trait in every row, give a1_increasing (--a1-increasing)" if has_p else ""
        raise InputError(
            table.path, f"no column with an effect size or z-score (found: {found})", f"Name it with z= (--z), or beta= and se= (--beta, --se){more}."
        )
    elif "z" not in columns and "se" not in columns and not has_p:
        name = table.names[columns[signed[0]]]
        raise InputError(
            table.path, f"effects ({name}) but neither standard errors nor P values (found: {found})", "Name them with se= or p= (--se, --p)."
        )


def _build(metadata: str, table: Table, form: Format, columns: Mapping[str, int]) -> str:
    """Genome build as far as the metadata beside the file or the name of its position column says."""
    text = metadata + " " + (table.names[columns["pos"]] if "pos" in columns else "")
    if form.name == "gwas-ssf-harmonised" or re.search(r"(?i)38", text):
        return "GRCh38"
    return "GRCh37" if re.search(r"(?i)37|hg19", text) else ""


def _finish(
    table: Table,
    form: Format,
    columns: dict[str, int],
    given: Given,
    n: tuple[str, float | None, str],
    vcf: gwas_vcf.VcfLayout | None,
    build: str,
) -> Recipe:
    """Look at the first rows: where z comes from, signs and scales that contradict a column's name."""
    rule, constant, n_words = n
    draft = Recipe(form.name, columns, Plan(ROUTES, rule, constant, given.a1_increasing, is_vcf=vcf is not None), vcf, build, n_words, "")
    first = draft.text(table.preview(list(columns.values())))
    value = {role: to_float(first[role]).to_numpy().astype(np.float64) for role in (*SIGNED, "se", "log10p") if role in first.columns}
    _check_scale(table, columns, value)
    sign = 1
    if (lp := value.get("log10p")) is not None and np.nanmin(lp, initial=0) < 0 and np.nanmax(lp, initial=-1) <= 0:
        sign = -1
    place = (
        "chrom" not in first.columns
        and "snp" in first.columns
        and float(first["snp"].str.contains(_PLACE_ID).fill_null(False).to_numpy().mean()) > 0.9
    )
    routes = _routes(first, given)
    plan = Plan(routes, rule, constant, given.a1_increasing, sign, place, vcf is not None)

    def name(role: str) -> str:
        return table.names[columns[role]] if vcf is None else gwas_vcf.KEYS[role]

    effect = next((r for r in ("beta", "odds_ratio", "z") if r in first.columns), None)
    p = next((r for r in ("p", "log10p") if r in first.columns), None)
    top = next(
        (r for r in routes if (r == "z" and "z" in value) or (r == "beta" and "se" in value and effect not in {None, "z"}) or (r == "p" and p)), "p"
    )
    if top == "z":
        words = f"column {name('z')}"
    elif top == "beta" and effect is not None:
        words = f"{'log ' if effect == 'odds_ratio' else ''}{name(effect)} / {name('se')}"
    else:
        words = f"{name(p) if p else 'P'}, " + ("a1 increasing" if given.a1_increasing or effect is None else f"sign of {name(effect)}")
    _check_agreement(table, first, plan, value)
    return Recipe(form.name, columns, plan, vcf, build, n_words, words)


def _routes(first: pl.DataFrame, given: Given) -> tuple[str, ...]:
    if given.a1_increasing:
        return ("p",)
    if given.z_from != "auto":
        return (given.z_from, *(r for r in ROUTES if r != given.z_from))
    p = next((r for r in ("p", "log10p") if r in first.columns), None)
    if p is not None and "se" in first.columns:
        digits = significant_digits(first["se"])
        if digits <= _COARSE and significant_digits(first[p]) > digits:
            return ("z", "p", "beta")
    return ROUTES


def _check_scale(table: Table, columns: Mapping[str, int], value: Mapping[str, np.ndarray]) -> None:
    """Columns whose values contradict their names."""
    for role, x in value.items():
        x = x[np.isfinite(x)]
        if not x.size or columns.get(role, -1) < 0:
            continue
        name = table.names[columns[role]]
        if role == "odds_ratio" and np.mean(x <= 0) > 0.1:
            raise InputError(
                table.path,
                f"'{name}' is zero or negative in {np.mean(x <= 0):.0%} of rows: no odds ratio",
                f"If it is a log odds ratio, give beta={name} (--beta).",
            )
        if role == "beta" and x.size >= 20 and x.min() > 0 and 0.8 < np.median(x) < 1.25:
            raise InputError(
                table.path,
                f"'{name}' is positive with median {np.median(x):.3g}: odds ratios, not effects",
                f"Give odds_ratio={name} (--odds-ratio).",
            )
        if role in {"z", "beta"} and x.size >= 100 and (x >= 0).all() and normalise(name) not in {"or", "odds_ratio"}:
            warnings.warn(
                f"{table.path}: '{name}' is never negative in the first {x.size} rows; signs matter, check that it is not an absolute value",
                DataWarning,
                4,
            )


def _check_agreement(table: Table, first: pl.DataFrame, plan: Plan, value: Mapping[str, np.ndarray]) -> None:
    """Two columns with a sign must agree, and so must beta / se and P."""
    sign = {r: np.sign(np.log(np.where(x > 0, x, np.nan)) if r == "odds_ratio" else x) for r, x in value.items() if r in SIGNED}
    roles = list(sign)
    for i, r in enumerate(roles):
        for other in roles[i + 1 :]:
            both = np.isfinite(sign[r]) & np.isfinite(sign[other]) & (sign[r] != 0) & (sign[other] != 0)
            apart = np.mean(sign[r][both] != sign[other][both]) if both.any() else 0.0
            if apart > 0.01:
                raise InputError(
                    table.path,
                    f"two signed columns, {r} and {other}, differ in sign in {apart:.0%} of the first {int(both.sum())} rows",
                    f"Say which one to use, e.g. {r}= (--{flag(r)}).",
                )
    if plan.a1_increasing or "se" not in value or not {"p", "log10p"} & set(first.columns):
        return
    by_beta, _ = numbers(first, Plan(("beta",), "constant", 1.0, log10p_sign=plan.log10p_sign))
    by_p, _ = numbers(first, Plan(("p",), "constant", 1.0, log10p_sign=plan.log10p_sign))
    a, b = np.abs(by_beta["z"].to_numpy().astype(float)), np.abs(by_p["z"].to_numpy().astype(float))
    use = np.isfinite(a) & np.isfinite(b) & (a > 0.5) & (b > 0.5)
    if use.sum() >= 50 and not 0.8 < (ratio := float(np.median(a[use] / b[use]))) < 1.25:
        warnings.warn(
            f"{table.path}: |effect / standard error| is {ratio:.2f} times |z| from P in the median; "
            "one of the columns is not what its name says, or P was corrected. Choose with z_from= (--z-from)",
            DataWarning,
            4,
        )
