"""Estimates in one condition as adaptive shrinkage takes them: those that cannot tell anything set
aside, the others on the scale of the mixture.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.io.effect_tables import is_path, read_archive, read_columns
from bayesmixer.io.effects import effects_and_errors, in_range, names_of
from bayesmixer.io.t_errors import normal_errors
from bayesmixer.mash.rows import rows_of

Array = NDArray[np.float64]
AS_COLUMNS = "Give two columns of a table in its place: bhat and shat."


@dataclass(frozen=True)
class Estimates:
    """Names of all effects and which are `used`; of those b / s^alpha, s^(1 - alpha), s^alpha and
    degrees of freedom (None: normal errors).
    """

    names: list[str]
    used: NDArray[np.bool_]
    x: Array
    s: Array
    unit: Array
    df: Array | float | None
    alpha: float

    @property
    def jacobian(self) -> Array:
        """What densities of b have besides those of b / s^alpha, in logs."""
        return -np.log(self.unit)


def estimates(bhat: Any, shat: Any, alpha: Any, df: Any, adjust: bool) -> Estimates:
    """Estimates from whatever `bayesmixer.read_effects` takes, or what it returned.

    Parameters
    ----------
    bhat, shat, alpha, df
        As of `bayesmixer.ash`.
    adjust
        Whether t statistics become normal ones by other errors, as `read_effects` does it.

    Raises
    ------
    InputError
        There is more than one condition, an effect is infinite or an error negative, or nothing is
        left.
    """
    read = isinstance(bhat, xr.Dataset) and bhat.attrs.get("kind") == "effects"
    if alpha is None:
        alpha = bhat.attrs["alpha"] if read else 0
    if isinstance(alpha, bool) or not isinstance(alpha, Real) or not 0 <= float(alpha) <= 1:
        raise InputError("alpha", f"{alpha!r}, expected a number from 0 to 1")
    alpha = float(alpha)
    if read:
        if shat is not None:
            raise InputError("shat", "given beside effects that have errors")
        rows_of(bhat, "bhat")
        if alpha != float(bhat.attrs["alpha"]):
            found = f"{alpha:g}, but the effects were read with {bhat.attrs['alpha']:g}"
            raise InputError("alpha", found, "Read them with that alpha.")
        b, s = bhat["bhat"].values, bhat["shat"].values
        if "v" in bhat:
            s = s * np.sqrt(np.diagonal(bhat["v"].values, axis1=-2, axis2=-1))
        names = [str(name) for name in bhat["effect"].values]
    else:
        if is_path(bhat) and str(bhat).endswith(".npz"):
            held = read_archive(Path(bhat))
            bhat, shat = held.get("bhat"), held.get("shat") if shat is None else shat
        elif is_path(bhat) and shat is None:
            bhat, shat = read_columns(Path(bhat), remedy=AS_COLUMNS)
        b, s, table = effects_and_errors(_unnamed(bhat), _unnamed(shat), None, None)
        names = names_of(None, table.effects, len(b), "effect", "")
    if b.shape[1] != 1:
        found = f"{b.shape[1]} conditions, expected one"
        raise InputError("bhat", found, "Several are for bm.mash.")
    b, s = b[:, 0], s[:, 0]
    for name, bad, what in (("bhat", np.isinf(b), "infinite"), ("shat", s < 0, "negative")):
        if bad.any():
            found = f"{int(bad.sum()):,} are {what} (first: {names[int(np.argmax(bad))]})"
            raise InputError(name, found)
    used = np.isfinite(b) & np.isfinite(s) & (s > 0)
    in_range(b[used], s[used])
    if not used.any():
        found = f"none of {len(b):,} effects has a value and a standard error"
        raise InputError("bhat", found)
    degrees = _degrees(df, used)
    b, s = b[used], s[used]
    if degrees is not None and adjust:
        s = normal_errors(b, s, np.broadcast_to(degrees, b.shape).astype(np.float64))
        degrees = None
    unit = s**alpha
    return Estimates(names, used, b / unit, s ** (1 - alpha), unit, degrees, alpha)


def _unnamed(column: Any) -> Any:
    """One column of a frame under a name that effects and errors share; anything else as it is."""
    if hasattr(column, "iloc"):
        frame = column.to_frame() if column.ndim == 1 else column
        return frame.set_axis(["bhat"], axis=1) if frame.shape[1] == 1 else frame
    return column


def _degrees(df: Any, used: NDArray[np.bool_]) -> Array | float | None:
    """Degrees of freedom of the effects that are used; None where they are infinite."""
    if df is None:
        return None
    try:
        degrees = np.asarray(df, dtype=np.float64)
        one = degrees if degrees.ndim == 0 else np.broadcast_to(degrees.ravel(), used.shape)[used]
    except (TypeError, ValueError):
        found = f"of shape {np.shape(df)}" if np.ndim(df) else repr(df)
        raise InputError("df", f"{found}, expected one number, or one an effect") from None
    if not (one > 0).all():
        raise InputError("df", "holds what is no positive number")
    if np.isinf(one).all():
        return None
    if np.isinf(one).any():
        raise InputError("df", "finite for some effects alone", "Use a large number for others.")
    return float(one) if one.ndim == 0 else np.asarray(one)
