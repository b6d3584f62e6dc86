"""z-scores from what a GWAS file has: z = beta / se, or sign x Phi^-1(1 - P / 2) with P as small as
text can write it.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtri, ndtri_exp

Floats = NDArray[np.float64]

MISSING = (
    "",
    "na",
    "nan",
    ".",
    "null",
    "none",
    "n/a",
    "#n/a",
    "#na",
    "-",
    "-nan",
    "<na>",
    "#value!",
    "#div/0!",
    "--",
    "---",
)
LN10 = float(np.log(10.0))
# below this a double loses digits of P, so the text is read by mantissa and exponent
_UNDERFLOW = 1e-290
_SCIENTIFIC = r"^\+?(\d*\.?\d*)[eE]([+-]?\d+)$"


def abs_z(log_p: Floats) -> Floats:
    """|z| of a two-sided P value given as its natural logarithm.

    Parameters
    ----------
    log_p
        ln P, any shape; NaN stays NaN, -inf (P = 0) gives NaN.

    Returns
    -------
    numpy.ndarray
        -Phi^-1(P / 2), accurate to a few units in the last place however small P is.
    """
    log_p = np.asarray(log_p, dtype=np.float64)
    z = np.full(log_p.shape, np.nan)
    with np.errstate(invalid="ignore"):
        bulk = log_p > np.log(_UNDERFLOW)
        tail = ~bulk & np.isfinite(log_p)
    z[bulk] = -ndtri(0.5 * np.exp(np.minimum(log_p[bulk], 0.0)))
    z[tail] = -ndtri_exp(log_p[tail] - np.log(2.0))
    return np.abs(z)


def parse_p(text: pl.Series) -> tuple[Floats, Floats]:
    """Read P values from text.

    Parameters
    ----------
    text
        P values as written, e.g. "0.05", "3e-420".

    Returns
    -------
    p, log_p
        P as a double (0 where it underflows), and ln P (-inf only where the text says 0); NaN where
        there is no number.
    """
    p = to_float(text).to_numpy().astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_p = np.log(p)
        small = np.flatnonzero(np.abs(p) < _UNDERFLOW)
    if small.size:
        parts = pl.DataFrame({"t": text.gather(small)}).select(
            pl.col("t")
            .str.extract(_SCIENTIFIC, 1)
            .cast(pl.Float64, strict=False)
            .alias("mantissa"),
            pl.col("t")
            .str.extract(_SCIENTIFIC, 2)
            .cast(pl.Float64, strict=False)
            .alias("exponent"),
        )
        mantissa, exponent = parts["mantissa"].to_numpy(), parts["exponent"].to_numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            exact = np.log(mantissa.astype(np.float64)) + exponent.astype(np.float64) * LN10
        log_p[small] = np.where(np.isnan(exact), log_p[small], exact)
    return p, log_p


def to_float(text: pl.Series) -> pl.Series:
    """Text to doubles; null (not NaN) where there is no number."""
    return text.cast(pl.Float64, strict=False).fill_nan(None)


def is_missing(text: pl.Series) -> pl.Series:
    """Which values stand for no value."""
    return text.is_null() | (
        text.str.len_bytes() <= 7
    ) & text.str.strip_chars().str.to_lowercase().is_in(MISSING)


def significant_digits(text: pl.Series) -> float:
    """How many significant digits a column is printed with: the 90th percentile over its rows."""
    digits = (
        text.drop_nulls()
        .str.replace(r"[eE].*$", "")
        .str.replace_all(r"[^0-9]", "")
        .str.strip_chars_start("0")
        .str.len_chars()
    )
    quantile = digits.filter(digits > 0).quantile(0.9)
    return float(quantile) if quantile is not None else 0.0
