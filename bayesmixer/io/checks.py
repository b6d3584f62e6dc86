"""Columns whose values contradict their names, found in the first rows before the long pass over a
file.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from bayesmixer.errors import DataWarning, InputError
from bayesmixer.io.harmonise import Plan, numbers
from bayesmixer.io.names import SIGNED, flag, normalise
from bayesmixer.io.zscores import LN10, Floats, abs_z, is_missing, to_float

_MUCH = 0.05  # of the P values above 1 or below 0: no accident but another scale
_SENTINELS = (-1.0, -9.0, -99.0, -999.0, -9999.0)  # codes of unknown values
_COMMA = r"^\s*[-+]?\d*,\d+([eE][-+]?\d+)?\s*$"


def looks_numeric(text: pl.Series) -> bool:
    """Whether at least half of the values that are there are numbers (also 0,05 and <1e-300)."""
    there = text.filter(~is_missing(text))
    if not len(there):
        return True
    plain = there.str.strip_chars(" <>=~≤≥").str.replace(",", ".", literal=True)
    return float(plain.cast(pl.Float64, strict=False).is_not_null().to_numpy().mean()) >= 0.5


def check_decimals(path: Path, name: str, text: pl.Series) -> None:
    """Refuse numbers written 0,05 where a point is expected.

    Raises
    ------
    InputError
        More than a few of them.
    """
    commas = text.str.contains(_COMMA).fill_null(False)
    if commas.sum() > 0.2 * max(1, int((~is_missing(text)).sum())):
        raise InputError(
            path,
            f"not_numeric: decimal commas ('{text.filter(commas)[0].strip()}' in column "
            f"{name}), expected points",
            "Say so with decimal='comma' (--decimal comma).",
        )


def check_scale(path: Path, names: Mapping[str, str], value: Mapping[str, Floats]) -> None:
    """Refuse columns whose values their names cannot have, and warn of signs that are never
    negative.
    """
    for role, x in value.items():
        x = x[np.isfinite(x)]
        if not x.size or role not in names:
            continue
        name = names[role]
        if role == "odds_ratio" and np.mean(x <= 0) > 0.1:
            raise InputError(
                path,
                f"'{name}' is zero or negative in {np.mean(x <= 0):.0%} of rows: no odds ratio",
                f"If it is a log odds ratio, give beta={name} (--beta).",
            )
        if role == "beta" and x.size >= 20 and x.min() > 0 and 0.8 < np.median(x) < 1.25:
            raise InputError(
                path,
                f"'{name}' is positive with median {np.median(x):.3g}: odds ratios, not effects",
                f"Give odds_ratio={name} (--odds-ratio).",
            )
        if role == "se" and np.mean(x < 0) > 0.2:
            raise InputError(
                path,
                f"column {name}: se_not_positive {int((x <= 0).sum())} of the first {x.size} "
                "rows (standard error zero or negative)",
                "Give the right column as se= (--se), or z from another with z= (--z).",
            )
        if (
            role in {"z", "beta"}
            and x.size >= 100
            and (x >= 0).all()
            and normalise(name) not in {"or", "odds_ratio"}
        ):
            warnings.warn(
                f"{path}: '{name}' is never negative in the first {x.size} rows; signs matter, "
                "check that it is not an absolute value",
                DataWarning,
                6,
            )


def not_a_frequency(path: Path, name: str, text: pl.Series) -> bool:
    """Whether a column of frequencies holds per cent or counts; a word if so.

    Taken value by value, 0.5% would pass for a frequency of a half.
    """
    x = to_float(text).to_numpy().astype(np.float64)
    known = np.isfinite(x) & (x >= 0) & ~np.isin(x, np.abs(_SENTINELS))
    if np.count_nonzero(x[known] > 1) <= 0.2 * float(np.count_nonzero(known)):
        return False
    found = (
        f"'{name}' is above 1 in {np.mean(x[known] > 1):.0%} of rows: per cent or counts, not "
        "frequencies; not used"
    )
    warnings.warn(f"{path}: {found}", DataWarning, 6)
    return True


def check_p_scale(path: Path, name: str, text: pl.Series, by_effect: Floats | None) -> None:
    """Refuse a column of P values that holds a logarithm of P or a test statistic.

    Parameters
    ----------
    path, name
        File and column, for the error.
    text
        The column's first rows.
    by_effect
        |z| of the same rows from elsewhere, None where there is none; it says which logarithm it
        is.

    Raises
    ------
    InputError
        More than a trace of the values lie outside 0 to 1.
    """
    x = to_float(text).to_numpy().astype(np.float64)
    x = np.where(np.isin(x, _SENTINELS), np.nan, x)
    known = np.isfinite(x)
    outside = known & ((x > 1.001) | (x < 0))
    if np.count_nonzero(outside) <= _MUCH * float(np.count_nonzero(known)):
        return
    log_p = {"log10p": -LN10 * np.abs(x), "lnp": -np.abs(x)}
    fits = [
        role for role, v in log_p.items() if by_effect is not None and _agree(by_effect, abs_z(v))
    ]
    say = " and ".join(f"{role}={name} (--{flag(role)} {name})" for role in fits)
    what = {"log10p": "-log10 P", "lnp": "-ln P"}
    if fits:
        remedy = f"By the effects it is {what[fits[0]]}: give {say}."
    else:
        remedy = (
            f"If it is log10 P give log10p={name} (--log10p {name}), if ln P lnp={name} (--lnp "
            f"{name})."
        )
    raise InputError(
        path,
        f"column {name}: p_out_of_range {int(outside.sum())} (P below 0 or above 1) of the "
        f"first {int(known.sum())} rows",
        f"{remedy} Otherwise name the right column with p= (--p).",
    )


def _agree(a: Floats, b: Floats) -> bool:
    use = np.isfinite(a) & np.isfinite(b) & (a > 0.5)
    return (
        bool(use.sum() >= 10)
        and abs(float(np.median(a[use] / np.maximum(b[use], 1e-9))) - 1) < 0.03
    )


def interval_is_of_ratio(value: Mapping[str, Floats]) -> bool | None:
    """Whether confidence limits hold the odds ratio (True) or the effect (False); None where they
    hold neither.
    """
    if not {"ci_lower", "ci_upper"} <= set(value):
        return None
    low, high = value["ci_lower"], value["ci_upper"]
    for role, answer in (("odds_ratio", True), ("beta", False)):
        if role in value:
            use = np.isfinite(low) & np.isfinite(high) & np.isfinite(value[role])
            if (
                use.any()
                and np.mean((low[use] <= value[role][use]) & (value[role][use] <= high[use])) > 0.9
            ):
                return answer
    return None


def check_agreement(
    path: Path, first: pl.DataFrame, plan: Plan, value: Mapping[str, Floats]
) -> None:
    """Two columns with a sign must agree, and so must beta / se and P."""
    finite = {r: np.where(np.isfinite(x), x, np.nan) for r, x in value.items() if r in SIGNED}
    sign = {
        r: np.sign(np.log(np.where(x > 0, x, np.nan)) if r == "odds_ratio" else x)
        for r, x in finite.items()
    }
    roles = list(sign)
    for i, r in enumerate(roles):
        for other in roles[i + 1 :]:
            both = (
                np.isfinite(sign[r])
                & np.isfinite(sign[other])
                & (sign[r] != 0)
                & (sign[other] != 0)
            )
            apart = np.mean(sign[r][both] != sign[other][both]) if both.any() else 0.0
            if apart > 0.01:
                raise InputError(
                    path,
                    f"two signed columns, {r} and {other}, differ in sign in {apart:.0%} of "
                    f"the first {int(both.sum())} rows",
                    f"Say which one to use, e.g. {r}= (--{flag(r)}).",
                )
    if (
        plan.a1_increasing
        or not ("se" in value or plan.interval)
        or not {"p", "log10p", "lnp"} & set(first.columns)
    ):
        return
    a, b = (np.abs(z_by(first, plan, route)) for route in ("beta", "p"))
    use = np.isfinite(a) & np.isfinite(b) & (a > 0.5) & (b > 0.5)
    if use.sum() >= 50 and not 0.8 < (ratio := float(np.median(a[use] / b[use]))) < 1.25:
        warnings.warn(
            f"{path}: |effect / standard error| is {ratio:.2f} times |z| from P in the median; "
            "one of the columns is not what its name says, or P was corrected. Choose with "
            "z_from= (--z-from)",
            DataWarning,
            6,
        )


def se_is_of_ratio(
    path: Path, name: str, first: pl.DataFrame, plan: Plan, value: Mapping[str, Floats]
) -> bool:
    """Whether P, or allele frequencies, show standard errors beside odds ratios to be those of
    the ratios, not of their logarithms; a word if so.
    """
    if not {"odds_ratio", "se"} <= set(value) or "beta" in value:
        return False
    if not {"p", "log10p", "lnp"} & set(first.columns):
        if not _grows_with_ratio(first, value):
            return False
        said = (
            f"{path}: {name} grows with the odds ratio at the same allele frequency: the standard "
            "error of the ratio, not of its logarithm; divided by it"
        )
        warnings.warn(said, DataWarning, 6)
        return True
    ratio, by_p = value["odds_ratio"], np.abs(z_by(first, plan, "p"))
    with np.errstate(divide="ignore", invalid="ignore"):
        of_log = np.abs(np.log(ratio)) / value["se"]
        use = np.isfinite(of_log) & np.isfinite(by_p) & (by_p > 0.5) & (np.abs(ratio - 1) > 0.05)
        apart = [
            float(np.median(np.abs(z[use] / by_p[use] - 1))) if use.sum() >= 20 else 0.0
            for z in (of_log, of_log * ratio)
        ]
    if not (apart[1] < 0.02 and apart[0] > 0.02 + 3 * apart[1]):
        return False
    warnings.warn(
        f"{path}: by P, {name} is the standard error of the odds ratio, not of its logarithm; "
        "divided by it",
        DataWarning,
        6,
    )
    return True


def _grows_with_ratio(first: pl.DataFrame, value: Mapping[str, Floats]) -> bool:
    """Whether log SE rises with log OR one to one, beside allele frequencies: that of log OR
    knows nothing of the effect's sign.
    """
    role = next((r for r in ("eaf", "maf") if r in first.columns), None)
    if role is None:
        return False
    f = to_float(first[role]).to_numpy().astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = np.log(value["odds_ratio"]), np.log(value["se"]) + 0.5 * np.log(f * (1 - f))
    use = np.isfinite(x) & np.isfinite(y) & (np.minimum(f, 1 - f) > 0.01)
    if use.sum() < 200 or not x[use].any():
        return False
    x, y = x[use], y[use] - np.median(y[use])
    slope = float(x @ y / (x @ x))
    error = float(np.sqrt((x * (y - slope * x)) @ (x * (y - slope * x)))) / float(x @ x)
    return (
        error < 0.04 and abs(slope - 1) < 0.25
    )  # far from 0 also where neighbours in LD count for a tenth each


def z_by(first: pl.DataFrame, plan: Plan, route: str) -> Floats:
    """z of the first rows by one route alone."""
    alone = replace(
        plan, routes=(route,), n_rule="constant", n_constant=1.0, a1_increasing=False, is_vcf=False
    )
    z: Floats = numbers(first, alone)[0]["z"].to_numpy().astype(np.float64)
    return z
