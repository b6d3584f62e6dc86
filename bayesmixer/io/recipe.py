"""How one file is to be read, decided from its header and its first rows before the long pass over
it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from bayesmixer.errors import DataWarning, InputError
from bayesmixer.io import gwas_vcf
from bayesmixer.io.allele_columns import AlleleParts, check_effect, parts_given, settle_alleles
from bayesmixer.io.checks import (
    check_agreement,
    check_decimals,
    check_p_scale,
    check_scale,
    interval_is_of_ratio,
    looks_numeric,
    not_a_frequency,
    se_is_of_ratio,
    z_by,
)
from bayesmixer.io.columns import assign
from bayesmixer.io.formats import SAIGE_CUT, Format, daner_counts, recognise, table_format
from bayesmixer.io.given import Given
from bayesmixer.io.harmonise import NUMERIC, ROUTES, WIDTH_95, Plan, numbers
from bayesmixer.io.names import COUNTS, SIGNED, normalise, shown
from bayesmixer.io.sample_size import (
    Size,
    Stated,
    check_plausible,
    choose_sample_size,
    header_counts,
    ssf_metadata,
)
from bayesmixer.io.text import Table
from bayesmixer.io.zscores import Floats, is_missing, significant_digits, to_float

_COARSE = 2  # standard errors with so few digits make z worse than P does: .003 is .0025 to .0035
_THOUSANDS = r"^\s*\d{1,3}(?:[,' ]\d{3})+\s*$"
# "0.97-1.02", "(0.97, 1.02)"
_BOUND = r"([-+]?[\d.]+(?:[eE][-+]?\d+)?)"
_INTERVAL = rf"^[\[(\s]*{_BOUND}\s*(?:,|;|-|/|to|\s)\s*{_BOUND}[\])\s]*$"
_PS = ("p", "log10p", "lnp")


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
    n_definition, z_definition, effect_allele
        Where N and z come from and which column a1 is, in words.
    parts
        Where alleles are parts of an identifier, which.
    decimal_comma
        Whether numbers are written 0,05.
    thousands
        Roles whose numbers are written 1,000.
    """

    format: str
    columns: dict[str, int]
    plan: Plan
    vcf: gwas_vcf.VcfLayout | None = None
    build: str = ""
    n_definition: str = ""
    z_definition: str = ""
    effect_allele: str = ""
    parts: AlleleParts | None = None
    decimal_comma: bool = False
    thousands: tuple[str, ...] = ()

    def text(self, chunk: pl.DataFrame) -> pl.DataFrame:
        """Text columns named by index -> text columns named by role."""
        if self.vcf is not None:
            return gwas_vcf.expand(chunk, self.vcf)
        text = chunk.select(**{role: pl.col(str(i)) for role, i in self.columns.items()})
        for role in self.thousands:
            text = text.with_columns(
                pl.when(pl.col(role).str.contains(_THOUSANDS))
                .then(pl.col(role).str.replace_all(r"[,' ]", ""))
                .otherwise(role)
            )
        if self.decimal_comma:
            text = text.with_columns(
                _points(r) for r in text.columns if r in {*NUMERIC, "p", "info", "pos"}
            )
        if "ci" in text.columns:
            ends = pl.col("ci").str.extract_groups(_INTERVAL)
            text = text.with_columns(
                ci_lower=ends.struct.field("1"), ci_upper=ends.struct.field("2")
            ).drop("ci")
        if self.parts is not None:
            text = self.parts.split(text)
        elif "a2" not in self.columns:
            # A1 is one of REF and ALT, row by row: a2 is the other
            a1, ref, alt = (pl.col(c).str.to_uppercase() for c in ("a1", "ref", "alt"))
            other = (
                pl.when(a1 == alt)
                .then(ref)
                .when(a1 == ref)
                .then(alt)
                .when(alt.str.split(",").list.contains(a1))
                .then(ref)
            )
            text = text.with_columns(a2=other).drop("ref", "alt")
        if "minor" in text.columns:
            same = pl.col("a1").str.to_uppercase() == pl.col("minor").str.to_uppercase()
            number = pl.col("eaf").cast(pl.Float64, strict=False)
            text = text.with_columns(
                eaf=pl.when(same).then(number).otherwise(1 - number).cast(pl.String)
            ).drop("minor")
        return text


def _points(role: str) -> pl.Expr:
    """Numbers written 1.234,5 as 1234.5; a program's 1.5e-300 among them stays, while 97.074 people
    are thousands.
    """
    x = pl.col(role)
    whole = (
        x.str.contains(r"^\s*\d{1,3}(\.\d{3})+\s*$") if role in {*COUNTS, "pos"} else pl.lit(False)
    )
    plain = x.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return pl.when(x.str.contains(",", literal=True) | whole).then(plain).otherwise(x).alias(role)


def write_recipe(table: Table, given: Given) -> Recipe:
    """Decide how to read a table.

    Raises
    ------
    InputError
        Something that z-scores need is not there, is there twice, or could mean two things.
    """
    if given.z_from not in {"auto", *ROUTES}:
        raise InputError(
            "z_from",
            f"'{given.z_from}' is not one of auto, {', '.join(ROUTES)}",
            "Choose one of them.",
        )
    form = recognise(table.names)
    if form.name == "gwas-vcf":
        return _vcf_recipe(table, given)
    path, names = table.path, table.names
    rows = table.preview(range(len(names)))

    def numeric(i: int) -> bool:
        return looks_numeric(rows[str(i)])

    if form.name == SAIGE_CUT:
        form = table_format() if _is_t_of_effect(rows, names) else replace(form, name="saige")
    parts, given = parts_given(path, names, given)
    columns = assign(path, names, form.columns, given.columns, form.absent, numeric)
    _places(rows, columns)
    _check_header(table, columns)
    _drop_empty_counts(rows, columns, given)
    if {"ci_lower", "ci_upper"} <= set(columns):
        columns.pop("ci", None)
    stated, build = header_counts(table.meta), ""
    if form.name == "daner":
        cases, controls, i = daner_counts(names)
        columns.setdefault("eaf", i)
        stated = Stated(cases, controls, where="the names of its columns")
    elif form.name.startswith("gwas-ssf"):
        stated, build = ssf_metadata(path)
    parts = settle_alleles(table, form, columns, rows, parts, given)
    check_effect(table, columns, given)
    if not given.decimal_comma:
        for role in (*SIGNED, "se", *_PS, "ci_lower", "ci_upper", "eaf", "maf"):
            if role in columns:
                check_decimals(path, names[columns[role]], rows[str(columns[role])])
    draft = Recipe(
        form.name,
        columns,
        Plan(ROUTES, "constant", 1.0),
        parts=parts,
        decimal_comma=given.decimal_comma,
    )
    draft = replace(
        draft,
        thousands=tuple(
            r for r in ("pos", *COUNTS) if r in columns and _has_thousands(rows[str(columns[r])])
        ),
    )
    plain = draft.text(rows)

    def median(role: str) -> float:
        value = to_float(plain[role]).median() if role in plain.columns else None
        return float(value) if isinstance(value, int | float) else float("nan")

    empty = [
        i
        for i in range(len(names))
        if (is_missing(rows[str(i)]) | (to_float(rows[str(i)]) == 0).fill_null(False)).all()
    ]
    size = choose_sample_size(path, names, columns, given, stated, median, form.note, empty)
    columns = {r: i for r, i in columns.items() if r not in COUNTS} | dict(size.columns)
    if "a2" in columns or parts is not None:
        columns = {role: i for role, i in columns.items() if role not in {"ref", "alt"}}
    if "minor" in columns and form.name != "neale":
        del columns["minor"]
    draft = replace(
        draft,
        columns=columns,
        build=_build(build, table, form, columns),
        effect_allele=parts.words(names) if parts else names[columns["a1"]],
        thousands=tuple(r for r in draft.thousands if r in columns),
    )
    return _finish(table, draft, given, size, draft.text(rows))


def _vcf_recipe(table: Table, given: Given) -> Recipe:
    index = [n.lower() for n in table.names].index("format")
    formats = table.preview([index])[str(index)].drop_nulls().unique().to_list()
    vcf = gwas_vcf.layout(table.path, table.names, table.meta, formats, given.trait)
    known = {role: -1 for role in vcf.roles}
    cases, controls = vcf.n_case or 0.0, vcf.n_control or 0.0
    # a quantitative trait counts everybody as a control
    stated = Stated(cases, controls, 0.0 if cases else controls, "the VCF header")
    size = choose_sample_size(table.path, table.names, known, given, stated)
    draft = Recipe(
        "gwas-vcf",
        dict(vcf.columns),
        Plan(ROUTES, "constant", is_vcf=True),
        vcf,
        vcf.build,
        effect_allele="ALT",
    )
    return _finish(table, draft, given, size, draft.text(table.preview(list(vcf.columns.values()))))


def _check_header(table: Table, columns: Mapping[str, int]) -> None:
    number = r"[-+]?[\d.]+([eE][-+]?\d+)?"
    if not set(columns) & {"a1", "z", "beta", "odds_ratio", "p"} and any(
        re.fullmatch(number, n) for n in table.names
    ):
        raise InputError(
            table.path,
            f"the first line looks like data ({shown(table.names)}), not column names",
            "Add a header line.",
        )
    if "snp" not in columns and not {"chrom", "pos"} <= set(columns):
        raise InputError(
            table.path,
            f"no column with an identifier or a position (found: {shown(table.names)})",
            "Name it with snp= (--snp), or chrom= and pos=.",
        )


def _drop_empty_counts(rows: pl.DataFrame, columns: dict[str, int], given: Given) -> None:
    """Forget counts of which the file has the column but no value."""
    for role in [r for r in COUNTS if r in columns and r != "n" and r not in given.columns]:
        if is_missing(rows[str(columns[role])]).all():
            del columns[role]


def _places(rows: pl.DataFrame, columns: dict[str, int]) -> None:
    """A column of places (Chr:Position) is an identifier, whatever its name."""
    if "pos" in columns and "snp" not in columns:
        there = rows[str(columns["pos"])].drop_nulls()
        place = there.str.contains(r"(?i)^(chr)?[0-9XYM]{1,2}[:_-]\d+")
        if len(there) and place.mean() > 0.9:  # type: ignore[operator]
            columns["snp"] = columns.pop("pos")


def _has_thousands(text: pl.Series) -> bool:
    return bool(text.str.contains(_THOUSANDS).any())


def _is_t_of_effect(rows: pl.DataFrame, names: list[str]) -> bool:
    """Whether Tstat is beta / se: then the table is not SAIGE's, whose Tstat is a score."""
    at = {normalise(n): str(i) for i, n in enumerate(names)}
    if not {"tstat", "beta", "se"} <= set(at):
        return False
    t, beta, se = (
        to_float(rows[at[name]]).to_numpy().astype(np.float64) for name in ("tstat", "beta", "se")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.abs(t - beta / se) / np.maximum(np.abs(t), 0.05)
    return bool(np.nanmedian(apart) < 0.1) if np.isfinite(apart).any() else False


def _build(metadata: str, table: Table, form: Format, columns: Mapping[str, int]) -> str:
    """Genome build as far as the metadata beside the file or the name of its position column
    says.
    """
    text = metadata + " " + (table.names[columns["pos"]] if "pos" in columns else "")
    if form.name == "gwas-ssf-harmonised" or re.search(r"(?i)38", text):
        return "GRCh38"
    return "GRCh37" if re.search(r"(?i)37|hg19", text) else ""


def _finish(table: Table, draft: Recipe, given: Given, size: Size, first: pl.DataFrame) -> Recipe:
    """Look at the first rows: where z comes from, signs, scales and an N that contradict a column's
    name.
    """
    columns, vcf = draft.columns, draft.vcf

    def name(role: str) -> str:
        return table.names[columns[role]] if vcf is None else gwas_vcf.KEYS[role]

    first, columns, interval = _with_interval(first, dict(columns))
    wanted = (*SIGNED, "se", "log10p", "lnp", "ci_lower", "ci_upper")
    value = {
        role: to_float(first[role]).to_numpy().astype(np.float64)
        for role in wanted
        if role in first.columns
    }
    for role in ("eaf", "maf"):
        if role in columns and not_a_frequency(table.path, name(role), first[role]):
            del columns[role]
            first = first.drop(role)
    check_scale(
        table.path,
        {r: table.names[i] for r, i in columns.items() if i >= 0} if vcf is None else {},
        value,
    )
    lp = value.get("log10p", np.zeros(0))
    lp = lp[np.isfinite(lp)]
    plan = Plan(
        ROUTES,
        size.rule,
        size.constant,
        given.a1_increasing,
        -1 if lp.size and lp.min() < 0 and lp.max() <= 0 else 1,
        vcf is not None,
        interval,
    )
    by_effect = next(
        (z_by(first, plan, r) for r in ("z", "beta") if _can(r, value, interval)), None
    )
    if "p" in first.columns:
        check_p_scale(
            table.path, name("p"), first["p"], None if by_effect is None else np.abs(by_effect)
        )
    if (
        not given.a1_increasing
        and vcf is None
        and se_is_of_ratio(table.path, name("se") if "se" in columns else "", first, plan, value)
    ):
        plan = replace(plan, se_of_ratio=True)
    plan = replace(plan, routes=_routes(first, given, value, interval))
    warning = check_plausible(
        table.path,
        size,
        table.names,
        numbers(first, plan)[0]["n"].to_numpy().astype(np.float64),
        given,
    )
    check_agreement(table.path, first, plan, value)
    for text in (warning, size.warning):
        if text:
            warnings.warn(f"{table.path}: {text}", DataWarning, 5)
    return replace(
        draft,
        columns=columns,
        plan=plan,
        n_definition=size.words,
        z_definition=_z_words(columns, first, plan, given, value, name),
    )


def _can(route: str, value: Mapping[str, Floats], interval: str) -> bool:
    if route == "z":
        return "z" in value
    has_se = interval != "" or ("se" in value and not np.isnan(value["se"]).all())
    return has_se and bool({"beta", "odds_ratio"} & set(value))


def _with_interval(
    first: pl.DataFrame, columns: dict[str, int]
) -> tuple[pl.DataFrame, dict[str, int], str]:
    """Keep confidence limits where they serve and say what they are of: "ratio", "effect" or ""."""
    wanted = {"odds_ratio", "beta", "ci_lower", "ci_upper"}
    value = {
        r: to_float(first[r]).to_numpy().astype(np.float64) for r in wanted if r in first.columns
    }
    of_ratio = interval_is_of_ratio(value)
    if of_ratio is None:
        columns = {r: i for r, i in columns.items() if r not in {"ci", "ci_lower", "ci_upper"}}
        return first.drop("ci_lower", "ci_upper", strict=False), columns, ""
    return first, columns, "ratio" if of_ratio else "effect"


def _routes(
    first: pl.DataFrame, given: Given, value: Mapping[str, Floats], interval: str
) -> tuple[str, ...]:
    if given.a1_increasing:
        return ("p",)
    if given.z_from != "auto":
        return (given.z_from, *(r for r in ROUTES if r != given.z_from))
    p = next((r for r in _PS if r in first.columns), None)
    if p is not None and "se" in first.columns and not is_missing(first["se"]).all():
        digits = significant_digits(first["se"])
        if digits <= _COARSE and significant_digits(first[p]) > digits:
            return ("z", "p", "beta")
    elif (
        p is not None
        and interval
        and significant_digits(first[p]) > _digits_of_interval(first, value, interval)
    ):
        return ("z", "p", "beta")
    return ROUTES


def _digits_of_interval(first: pl.DataFrame, value: Mapping[str, Floats], interval: str) -> float:
    """Significant digits of a standard error made of confidence limits as they are printed."""
    decimals = (
        first["ci_lower"].drop_nulls().str.extract(r"\.(\d+)$", 1).str.len_chars().quantile(0.9)
        or 0.0
    )
    with np.errstate(invalid="ignore"):
        width = np.nanmedian(value["ci_upper"] - value["ci_lower"]) / WIDTH_95
    return float(decimals + np.log10(width)) + 1 if width > 0 else 0.0


def _z_words(
    columns: Mapping[str, int],
    first: pl.DataFrame,
    plan: Plan,
    given: Given,
    value: Mapping[str, Floats],
    name: Callable[[str], str],
) -> str:
    effect = next((r for r in ("beta", "odds_ratio", "z") if r in first.columns), None)
    p = next((r for r in _PS if r in first.columns), None)
    has = {"z": "z" in value, "beta": _can("beta", value, plan.interval), "p": p is not None}
    top = next((r for r in plan.routes if has[r]), "p")
    if top == "z":
        return f"column {name('z')}"
    if top == "beta" and effect is not None:
        of = f"{'log ' if effect == 'odds_ratio' else ''}{name(effect)}"
        if "se" in value and (not plan.interval or np.isfinite(value["se"]).any()):
            return f"{of} / {name('se')}"
        limits = name("ci") if "ci" in columns else f"{name('ci_lower')} and {name('ci_upper')}"
        return f"{of} / standard error by the 95% limits {limits}"
    sign = "a1 increasing" if given.a1_increasing or effect is None else f"sign of {name(effect)}"
    return f"{name(p) if p else 'P'}, {sign}"
