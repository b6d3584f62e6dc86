"""Text columns by role -> z, N, alleles and positions as numbers, with the reason why a row cannot be used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from bayesmixer.io.regions import chromosome
from bayesmixer.io.zscores import LN10, Floats, abs_z, parse_p, to_float

MISSING = ("", "na", "nan", ".", "null", "none", "n/a", "#n/a", "#na", "-", "-nan", "<na>", "#value!", "#div/0!")
NUMERIC = ("z", "beta", "odds_ratio", "se", "log10p", "n", "n_eff", "n_eff_half", "n_case", "n_control", "eaf", "maf")
ROUTES = ("z", "beta", "p")  # where z comes from: a z column; beta / se; P and a sign


@dataclass(frozen=True)
class Plan:
    """What `numbers` does with every chunk of one file, decided once.

    Parameters
    ----------
    routes
        Where z comes from, in order of preference; later ones serve rows where the earlier have no value.
    n_rule
        "constant", "case_control", "total_less_cases", "n_times", "n_eff", "n_eff_half" or "n".
    n_constant
        Sample size of all variants ("constant"), or what N is multiplied with ("n_times": the effective share of it).
    a1_increasing
        Whether a1 is the allele that increases the trait in every row (no signed column needed).
    log10p_sign
        -1 where the column holds log10 P rather than -log10 P.
    id_has_place
        Whether the identifier is chromosome:position... and the file has no columns for them.
    is_vcf
        Whether the FILTER field is looked at.
    """

    routes: tuple[str, ...]
    n_rule: str
    n_constant: float | None = None
    a1_increasing: bool = False
    log10p_sign: int = 1
    id_has_place: bool = False
    is_vcf: bool = False


def numbers(text: pl.DataFrame, plan: Plan) -> tuple[pl.DataFrame, dict[str, pl.Series | pl.Expr]]:
    """Convert one chunk.

    Parameters
    ----------
    text
        Text columns named by role.
    plan
        What to do.

    Returns
    -------
    frame, reasons
        Columns snp, chrom, pos, a1, a2, z, n and beta, se, p, eaf, maf, info, n_case, n_control where there are any;
        and for each filter that can fail here, which rows fail it.
    """
    v = {role: to_float(text[role]) for role in NUMERIC if role in text.columns}
    bad: dict[str, pl.Series] = {}
    _not_numeric(text, v, bad)
    if "info" in text.columns:
        v["info"] = _info(text["info"])
    if "test" in text.columns:
        test = text["test"].str.to_uppercase()
        bad["test_not_additive"] = ~test.is_in(["ADD", "ADDITIVE", *(m.upper() for m in MISSING)]) & test.is_not_null()
    if plan.is_vcf:
        bad["vcf_filter"] = ~text["filter"].is_in(["PASS", "."]) & text["filter"].is_not_null()
    rows = text.height
    place = _place(text, plan)
    log_p = _log_p(text, v, plan, bad)
    if "odds_ratio" in v:
        ratio = v["odds_ratio"]
        bad["odds_ratio_not_positive"] = (ratio <= 0) | ratio.is_infinite()
        with np.errstate(divide="ignore", invalid="ignore"):
            log_ratio = pl.Series(np.log(ratio.to_numpy().astype(np.float64))).fill_nan(None)
        v["beta"] = v["beta"].zip_with(v["beta"].is_not_null(), log_ratio) if "beta" in v else log_ratio
    if "se" in v:
        bad["se_not_positive"] = (v["se"] <= 0) | v["se"].is_infinite()
    for role in ("eaf", "maf"):
        if role in v:
            outside = (v[role] < 0) | (v[role] > 1)
            bad["eaf_out_of_range"] = bad["eaf_out_of_range"] | outside if "eaf_out_of_range" in bad else outside
    n = _sample_size(v, plan, rows)
    if plan.n_rule != "constant":
        bad["n_not_positive"] = (n <= 0) | n.is_infinite()
    z = _z(v, log_p, plan, rows)
    z_missing = z.is_null() | ~z.is_finite()
    if log_p is not None:
        zero = pl.Series(np.isneginf(log_p))
        bad["p_zero"] = zero & z_missing
        if not plan.a1_increasing and "beta" in v:
            bad["sign_unknown"] = (v["beta"] == 0) & z_missing & pl.Series(log_p < 0)
    columns = {**place, "a1": text["a1"].str.to_uppercase(), "a2": text["a2"].str.to_uppercase(), "z": z, "n": n}
    no_allele = _missing(text["a1"]) | _missing(text["a2"])
    no_name = (place["snp"] == "") & (place["pos"] == 0)
    bad["missing"] = z_missing | n.is_null() | no_allele | no_name
    named = (place["snp"] != "") | (place["pos"] == 0)
    if not named.all():
        made = (
            pl.DataFrame(columns)
            .select(pl.concat_str("chrom", pl.col("pos").cast(pl.String), "a2", "a1", separator=":", ignore_nulls=True))
            .to_series()
        )
        columns["snp"] = place["snp"].zip_with(named, made)
    for role in ("beta", "se", "p", "eaf", "maf", "info", "n_case", "n_control"):
        if role in v:
            columns[role] = v[role]
    reasons: dict[str, pl.Series | pl.Expr] = {name: mask.fill_null(False) for name, mask in bad.items()}
    return pl.DataFrame(columns), reasons


def _missing(text: pl.Series) -> pl.Series:
    # "-" is an allele (a deletion), not a missing value
    return text.is_null() | text.str.to_lowercase().is_in([m for m in MISSING if m != "-"])


def _not_numeric(text: pl.DataFrame, v: dict[str, pl.Series], bad: dict[str, pl.Series]) -> None:
    wrong = pl.Series(np.zeros(text.height, dtype=bool))
    for role in [*v, *(["p"] if "p" in text.columns else [])]:
        values = v[role] if role in v else to_float(text[role])
        lost = values.is_null() & text[role].is_not_null()
        if lost.any():
            wrong = wrong | (lost & ~text[role].str.strip_chars().str.to_lowercase().is_in(MISSING))
    bad["not_numeric"] = wrong


def _info(text: pl.Series) -> pl.Series:
    """INFO as a number; a list of numbers (one a study) as its mean."""
    values = to_float(text)
    listed = values.is_null() & text.str.contains(",", literal=True)
    if listed.fill_null(False).any():
        mean = text.str.split(",").list.eval(pl.element().cast(pl.Float64, strict=False).fill_nan(None)).list.mean()
        values = values.zip_with(~listed.fill_null(False), mean)
    return values


def _place(text: pl.DataFrame, plan: Plan) -> dict[str, pl.Series]:
    rows = text.height
    snp = text["snp"] if "snp" in text.columns else pl.Series([""], dtype=pl.String).new_from_index(0, rows)
    chrom: pl.Series | None
    pos: pl.Series | None
    if plan.id_has_place:
        part = snp.str.extract_groups(r"(?i)^(?:chr)?([0-9]{1,2}|X|Y|XY|MT?)[:_-](\d+)(?:[:_-].*)?$")
        chrom, pos = part.struct.field("1"), part.struct.field("2").cast(pl.Int64, strict=False)
    else:
        chrom = text["chrom"] if "chrom" in text.columns else None
        pos = to_float(text["pos"]).cast(pl.Int64, strict=False) if "pos" in text.columns else None
    if chrom is not None:
        unique = chrom.unique().to_list()
        chrom = chrom.replace_strict({u: "" if u is None else chromosome(u) for u in unique}, return_dtype=pl.String)
    empty = pl.Series([""], dtype=pl.String).new_from_index(0, rows)
    pos = pl.Series(np.zeros(rows, dtype=np.int64)) if pos is None or chrom is None else pos.fill_null(0).clip(0)
    missing_name = snp.is_null() | (snp.str.len_bytes() <= 7) & snp.str.to_lowercase().is_in([*MISSING, "0"])
    snp = snp.zip_with(~missing_name.fill_null(True), empty)
    return {"snp": snp, "chrom": empty if chrom is None else chrom.fill_null(""), "pos": pos}


def _log_p(text: pl.DataFrame, v: dict[str, pl.Series], plan: Plan, bad: dict[str, pl.Series]) -> Floats | None:
    """ln P from P and -log10 P; also sets v["p"]."""
    log_p: Floats | None = None
    if "p" in text.columns:
        p, log_p = parse_p(text["p"])
        v["p"] = pl.Series(p).fill_nan(None)
        bad["p_out_of_range"] = (v["p"] < 0) | (v["p"] > 1)
        log_p[p > 1] = np.nan
    if "log10p" in v:
        minus = v["log10p"].to_numpy().astype(np.float64) * plan.log10p_sign
        other = -LN10 * np.where(np.isfinite(minus), minus, np.nan)
        outside = (pl.Series(minus) < 0) | pl.Series(minus).is_infinite()
        bad["p_out_of_range"] = bad["p_out_of_range"] | outside if "p_out_of_range" in bad else outside
        other[minus < 0] = np.nan
        other = other + 0.0  # -0 to 0
        # P itself has more digits where it has not underflowed
        log_p = other if log_p is None else np.where(np.isfinite(log_p), log_p, other)
        with np.errstate(under="ignore"):
            v["p"] = pl.Series(np.exp(log_p)).fill_nan(None)
    return log_p


def _sample_size(v: dict[str, pl.Series], plan: Plan, rows: int) -> pl.Series:
    if plan.n_rule == "constant":
        return pl.Series(np.full(rows, float(plan.n_constant or 0.0)))
    if plan.n_rule == "total_less_cases":
        v["n_control"] = v["n"] - v["n_case"]
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
