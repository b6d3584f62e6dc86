"""Text columns by role -> z, N, alleles and positions as numbers, with the reason why a row cannot
be used.

A value that cannot be (an infinite P, a standard error of 0, a frequency of -9) is taken as
unknown; its row stays where another column serves.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from bayesmixer.io.regions import chromosome
from bayesmixer.io.zscores import LN10, MISSING, Floats, abs_z, is_missing, parse_p, to_float

_STATISTICS = ("z", "beta", "odds_ratio", "se", "ci_lower", "ci_upper", "log10p", "lnp")
_SIZES = ("n", "n_eff", "n_eff_half", "n_case", "n_control", "case_alleles", "control_alleles")
NUMERIC = (*_STATISTICS, *_SIZES, "eaf", "maf")
ROUTES = ("z", "beta", "p")  # where z comes from: a z column; beta / se; P and a sign
WIDTH_95 = 3.92  # of a 95% confidence interval, in standard errors, as programs print it
_BOUND = r"^\s*(<|>|≤|≥|&lt;|&gt;)"  # P printed as "<1e-300" is a bound, not a value
_PLACE = r"(?i)^(?:chr)?([0-9]{1,2}|X|Y|XY|MT?)[:_-](?:g\.)?(\d+)(?:\D.*)?$"


@dataclass(frozen=True)
class Plan:
    """What `numbers` does with every chunk of one file, decided once.

    Parameters
    ----------
    routes
        Where z comes from, in order of preference; later ones serve rows where the earlier have no
        value.
    n_rule
        "constant", "case_control", "total_less_cases", "n_times", "n_eff", "n_eff_half" or "n".
    n_constant
        Sample size of all variants ("constant"), or what N is multiplied with ("n_times": the
        effective share of it).
    a1_increasing
        Whether a1 is the allele that increases the trait in every row (no signed column needed).
    log10p_sign
        -1 where the column holds log10 P rather than -log10 P.
    is_vcf
        Whether the FILTER field is looked at.
    interval
        What the confidence limits are of: "ratio" (odds ratios), "effect", or "" where there are
        none to use.
    se_of_ratio
        Whether standard errors are those of odds ratios, not of their logarithms.
    """

    routes: tuple[str, ...]
    n_rule: str
    n_constant: float | None = None
    a1_increasing: bool = False
    log10p_sign: int = 1
    is_vcf: bool = False
    interval: str = ""
    se_of_ratio: bool = False


@dataclass
class Seen:
    """What was met on the way through a file.

    Parameters
    ----------
    aside
        Role -> values that cannot be and were taken as unknown.
    blank
        Rows in which the analysis gave no statistic at all.
    contradicting
        Duplicates with another z than the row that was kept.
    example
        The first text met where a number belongs, and its role.
    """

    aside: dict[str, int] = field(default_factory=dict)
    blank: int = 0
    contradicting: int = 0
    example: tuple[str, str] | None = None


def numbers(
    text: pl.DataFrame, plan: Plan, seen: Seen | None = None
) -> tuple[pl.DataFrame, dict[str, pl.Series | pl.Expr]]:
    """Convert one chunk.

    Parameters
    ----------
    text
        Text columns named by role.
    plan
        What to do.
    seen
        Where to note what was met.

    Returns
    -------
    frame, reasons
        Columns snp, chrom, pos, a1, a2, z, n and beta, se, p, eaf, maf, info, n_case, n_control
        where there are any; and for each filter that can fail here, which rows fail it.
    """
    seen = Seen() if seen is None else seen
    rows = text.height
    v = {role: to_float(text[role]) for role in NUMERIC if role in text.columns}
    reasons: dict[str, pl.Series | pl.Expr] = {}
    if "info" in text.columns:
        v["info"] = mean_of_lists(text["info"])
    if "test" in text.columns:
        test = text["test"].str.to_uppercase()
        additive = test.is_in(["ADD", "ADDITIVE", *(m.upper() for m in MISSING)])
        reasons["test_not_additive"] = (~additive & test.is_not_null()).fill_null(False)
    if plan.is_vcf:
        reasons["vcf_filter"] = (
            ~text["filter"].is_in(["PASS", "."]) & text["filter"].is_not_null()
        ).fill_null(False)
    place = _place(text)
    bad: dict[str, pl.Series] = {}
    log_p = _log_p(text, v, plan, bad)
    _effects(v, plan, bad)
    _unknown(v, "eaf", v["eaf"].is_between(0, 1) if "eaf" in v else None, seen)
    _unknown(v, "maf", v["maf"].is_between(0, 1) if "maf" in v else None, seen)
    _unknown(v, "info", v["info"] >= 0 if "info" in v else None, seen)
    n = _sample_size(v, plan, rows)
    z = _z(v, log_p, plan, rows)
    z_missing = z.is_null()
    bad["not_numeric"] = _not_numeric(text, v, z_missing, n.is_null(), seen)
    for name, mask in bad.items():
        if name in _ASIDE and (count := int(mask.fill_null(False).sum())):
            seen.aside[_ASIDE[name]] = seen.aside.get(_ASIDE[name], 0) + count
        # a bad value costs the row only where nothing else gives z
        bad[name] = mask if name == "not_numeric" else mask & z_missing
    if plan.n_rule != "constant":
        bad["n_not_positive"] = (n <= 0) | n.is_infinite()
    if log_p is not None:
        zero = pl.Series(np.isneginf(log_p))
        if "p" in text.columns and z_missing.any():
            zero = zero | text["p"].str.contains(_BOUND).fill_null(False)
        bad["p_zero"] = zero & z_missing
        if not plan.a1_increasing and "beta" in v:
            bad["sign_unknown"] = (v["beta"] == 0) & z_missing & pl.Series(log_p < 0)
    a1, a2 = (_letters(text[side]) for side in ("a1", "a2"))
    columns = {**place, "a1": a1, "a2": a2, "z": z, "n": n}
    no_allele = _missing(text["a1"]) | _missing(text["a2"])
    no_name = (place["snp"] == "") & (place["pos"] == 0)
    bad["missing"] = z_missing | n.is_null() | no_allele | no_name
    if z_missing.any():
        seen.blank += _blank(text, z_missing)
    named = (place["snp"] != "") | (place["pos"] == 0)
    if not named.all():
        parts = pl.concat_str(
            "chrom", pl.col("pos").cast(pl.String), "a2", "a1", separator=":", ignore_nulls=True
        )
        columns["snp"] = place["snp"].zip_with(
            named, pl.DataFrame(columns).select(parts).to_series()
        )
    for role in ("beta", "se", "p", "eaf", "maf", "info", "n_case", "n_control"):
        if role in v:
            columns[role] = v[role]
    reasons |= {name: mask.fill_null(False) for name, mask in bad.items()}
    return pl.DataFrame(columns), reasons


# reason -> role of the column whose values it takes as unknown
_ASIDE = {"p_out_of_range": "p", "se_not_positive": "se", "odds_ratio_not_positive": "odds_ratio"}


def _unknown(v: dict[str, pl.Series], role: str, possible: pl.Series | None, seen: Seen) -> None:
    """Take the impossible values of a column that z does not need as unknown."""
    if possible is None or possible.fill_null(True).all():
        return
    seen.aside[role] = seen.aside.get(role, 0) + int((~possible).fill_null(False).sum())
    v[role] = v[role].set(~possible.fill_null(False), None)


def _effects(v: dict[str, pl.Series], plan: Plan, bad: dict[str, pl.Series]) -> None:
    """Log odds ratios as effects, and standard errors out of confidence limits; what cannot be
    becomes unknown.
    """
    if "odds_ratio" in v:
        ratio = v["odds_ratio"]
        bad["odds_ratio_not_positive"] = (ratio <= 0) | ratio.is_infinite()
        log_ratio = _log(ratio)
        if plan.se_of_ratio and "se" in v:
            v["se"] = v["se"] / ratio
        v["beta"] = (
            v["beta"].zip_with(v["beta"].is_not_null(), log_ratio) if "beta" in v else log_ratio
        )
    if "se" in v:
        bad["se_not_positive"] = (v["se"] <= 0) | v["se"].is_infinite()
        if bad["se_not_positive"].any():
            v["se"] = v["se"].set(bad["se_not_positive"].fill_null(False), None)
    if plan.interval and ("se" not in v or v["se"].has_nulls()):
        low, high = v["ci_lower"], v["ci_upper"]
        se = (_log(high) - _log(low) if plan.interval == "ratio" else high - low) / WIDTH_95
        se = se.set((~(se > 0) | se.is_infinite()).fill_null(True), None)
        v["se"] = v["se"].zip_with(v["se"].is_not_null(), se) if "se" in v else se


def _log(x: pl.Series) -> pl.Series:
    """Natural logarithm; null where there is none (also of 0)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log = pl.Series(np.log(x.to_numpy().astype(np.float64))).fill_nan(None)
    return log.set(log.is_infinite().fill_null(False), None) if log.is_infinite().any() else log


def _letters(allele: pl.Series) -> pl.Series:
    """Alleles in capitals; R writes a column of T as TRUE."""
    upper = allele.str.to_uppercase()
    true = (upper == "TRUE").fill_null(False)
    return upper.set(true, "T") if true.any() else upper


def _blank(text: pl.DataFrame, z_missing: pl.Series) -> int:
    """Rows without z in which every statistic is missing."""
    there = [text[r].filter(z_missing) for r in (*_STATISTICS, "p") if r in text.columns]
    blank = pl.Series(np.ones(int(z_missing.sum()), dtype=bool))
    for column in there:
        blank = blank & is_missing(column)
    return int(blank.sum())


def _missing(text: pl.Series) -> pl.Series:
    # "-" is an allele (a deletion), not a missing value
    return text.is_null() | text.str.to_lowercase().is_in([m for m in MISSING if m != "-"])


def _not_numeric(
    text: pl.DataFrame, v: dict[str, pl.Series], no_z: pl.Series, no_n: pl.Series, seen: Seen
) -> pl.Series:
    """Rows that lack z or N while text stands where a number belongs."""
    wrong = pl.Series(np.zeros(text.height, dtype=bool))
    for needed, roles in ((no_z, (*_STATISTICS, "p")), (no_n, _SIZES)):
        if not needed.any():
            continue
        for role in roles:
            if role not in text.columns:
                continue
            lost = (
                needed
                & to_float(text[role]).is_null()
                & ~is_missing(text[role])
                & ~text[role].str.contains(_BOUND).fill_null(False)
            )
            if lost.any():
                wrong = wrong | lost
                seen.example = seen.example or (role, str(text[role].filter(lost)[0]))
    return wrong


def mean_of_lists(text: pl.Series) -> pl.Series:
    """INFO as a number; a list of numbers (one a study) as its mean."""
    values = to_float(text)
    listed = values.is_null() & text.str.contains(",", literal=True)
    if listed.fill_null(False).any():
        mean = (
            text.str.split(",")
            .list.eval(pl.element().cast(pl.Float64, strict=False).fill_nan(None))
            .list.mean()
        )
        values = values.zip_with(~listed.fill_null(False), mean)
    return values


def _place(text: pl.DataFrame) -> dict[str, pl.Series]:
    """Identifier, chromosome and position; places out of identifiers such as chr2:1000:A:G where
    the columns have none.
    """
    rows = text.height
    empty = pl.Series([""], dtype=pl.String).new_from_index(0, rows)
    snp = text["snp"] if "snp" in text.columns else empty
    chrom = _chromosomes(text["chrom"]) if "chrom" in text.columns else empty
    if "pos" in text.columns and "chrom" in text.columns:
        pos = to_float(text["pos"]).cast(pl.Int64, strict=False).fill_null(0).clip(0)
    else:
        pos = pl.Series(np.zeros(rows, dtype=np.int64))
    if "snp" in text.columns and (nowhere := ((pos == 0) | (chrom == "")).arg_true()).len():
        part = snp.gather(nowhere).str.extract_groups(_PLACE)
        found = part.struct.field("2").cast(pl.Int64, strict=False).fill_null(0)
        if (found > 0).any():
            there, known = _chromosomes(part.struct.field("1")), chrom.gather(nowhere)
            agree = (there != "") & (found > 0) & ((known == "") | (known == there))
            at = nowhere.filter(agree)
            chrom = chrom.clone().scatter(at, there.filter(agree))
            pos = pos.scatter(at, found.filter(agree))
    no_name = snp.is_null() | (snp.str.len_bytes() <= 7) & snp.str.to_lowercase().is_in(
        [*MISSING, "0", "unknown"]
    )
    no_name = no_name | snp.str.contains(r"^[-_.?*\s]+$")
    return {"snp": snp.zip_with(~no_name.fill_null(True), empty), "chrom": chrom, "pos": pos}


def _chromosomes(text: pl.Series) -> pl.Series:
    names = {u: "" if u is None else chromosome(u) for u in text.unique().to_list()}
    return text.replace_strict(names, return_dtype=pl.String).fill_null("")


def _log_p(
    text: pl.DataFrame, v: dict[str, pl.Series], plan: Plan, bad: dict[str, pl.Series]
) -> Floats | None:
    """ln P from P, -log10 P and ln P; also sets v["p"]."""
    log_p: Floats | None = None
    outside = pl.Series(np.zeros(text.height, dtype=bool))
    if "p" in text.columns:
        p, log_p = parse_p(text["p"])
        outside = pl.Series((p < 0) | (p > 1))
        log_p[(p < 0) | (p > 1)] = np.nan
        v["p"] = pl.Series(np.where((p < 0) | (p > 1), np.nan, p)).fill_nan(None)
    for role, scale in (("log10p", -LN10 * plan.log10p_sign), ("lnp", -1.0)):
        if role not in v:
            continue
        written = v[role].to_numpy().astype(np.float64)
        other = scale * (written if role == "log10p" else np.abs(written))
        outside = outside | pl.Series(other > 0)
        other = np.where(other > 0, np.nan, other) + 0.0  # -0 to 0
        # P itself has more digits where it has not underflowed
        log_p = (
            other if log_p is None else np.where(np.isfinite(log_p) | np.isnan(other), log_p, other)
        )
        with np.errstate(under="ignore"):
            v["p"] = pl.Series(np.exp(log_p)).fill_nan(None)
    if log_p is not None:
        bad["p_out_of_range"] = outside
    return log_p


def _sample_size(v: dict[str, pl.Series], plan: Plan, rows: int) -> pl.Series:
    if plan.n_rule == "constant":
        return pl.Series(np.full(rows, float(plan.n_constant or 0.0)))
    for count in ("case", "control"):
        if f"{count}_alleles" in v:
            v[f"n_{count}"] = 0.5 * v[f"{count}_alleles"]
    if plan.n_rule == "total_less_cases":
        known, other = ("n_case", "n_control") if "n_case" in v else ("n_control", "n_case")
        v[other] = v["n"] - v[known]
    if plan.n_rule in {"case_control", "total_less_cases"}:
        case, control = v["n_case"], v["n_control"]
        n = 4.0 * case * control / (case + control)
        n = n.zip_with(((case > 0) & (control > 0)).fill_null(True), pl.Series(np.zeros(rows)))
    elif plan.n_rule == "n_times":
        n = v["n"] * float(plan.n_constant or 0.0)
    elif plan.n_rule == "n_eff_half":
        n = 2.0 * v["n_eff_half"]
    else:
        n = v[plan.n_rule]
    return n.fill_nan(None)


def _z(v: dict[str, pl.Series], log_p: Floats | None, plan: Plan, rows: int) -> pl.Series:
    z = pl.Series([None], dtype=pl.Float64).new_from_index(0, rows)
    for route in plan.routes:
        if not z.has_nulls():
            break
        value: pl.Series | None
        if route == "z" and "z" in v:
            value = v["z"]
        elif route == "beta" and "beta" in v and "se" in v:
            value = v["beta"] / v["se"]
        elif route == "p" and log_p is not None:
            value = _from_p(v, log_p, plan)
            if value is None:
                continue
        else:
            continue
        value = value.fill_nan(None)
        value = value.set(value.is_infinite().fill_null(False), None)
        z = z.zip_with(z.is_not_null(), value)
    return z


def _from_p(v: dict[str, pl.Series], log_p: Floats, plan: Plan) -> pl.Series | None:
    size = pl.Series(abs_z(log_p)).fill_nan(None)
    if plan.a1_increasing:
        return size
    sign = None
    for role in ("beta", "z"):
        if role in v:
            s = v[role].sign()
            sign = s if sign is None else sign.zip_with(sign.is_not_null(), s)
    if sign is None:
        return None
    # an effect printed as 0 has no sign, unless P = 1
    return (sign * size).set(((sign == 0) & (size > 0)).fill_null(False), None)
