"""`read_effects`: effects of many units (variants, gene-variant pairs) in several conditions with
their standard errors, from arrays, tables or files.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtri_exp

from bayesmixer.errors import InputError
from bayesmixer.io.contrasts import against, apply, given
from bayesmixer.io.effect_tables import (
    Table,
    is_path,
    numbers,
    read_archive,
    read_layers,
    read_table,
)
from bayesmixer.io.singular_errors import carrying, refuse_singular
from bayesmixer.io.t_errors import normal_errors

Array = NDArray[np.float64]
UNITS = 1e8  # ratio of the standard errors of two conditions
MOST = 1e30  # of effects and errors: products of eight of them are floats still


def read_effects(
    bhat: Any = None,
    shat: Any = None,
    *,
    z: Any = None,
    p: Any = None,
    v: Any = None,
    alpha: float = 0,
    df: Any = None,
    baseline: Any = None,
    contrasts: Any = None,
) -> xr.Dataset:
    """Effects by condition, with the standard errors and the correlation of their errors.

    Parameters
    ----------
    bhat
        Estimated effects (effect x condition): an array, a pandas, polars or xarray table, or the
        path of a table (.tsv, .csv, .txt, .parquet; the first column of text names the effects).
        The path of an .npz file whose arrays have the names of these arguments (and `effect`,
        `condition`) gives all at once; so does an xarray.Dataset of such variables, what this
        function returned among them, and an object with the `layers`, `obs_names` (effects) and
        `var_names` of AnnData. NaN, an empty cell, is missing.
    shat
        Standard errors in the same form, or one number. Without shat, z and p: 1.
    z
        z-scores: with bhat instead of shat, or alone (effects in units of their errors).
    p
        Two-sided p values: with bhat, which gives the signs, instead of shat.
    v
        Correlation of the errors of an effect between conditions: (condition, condition), or
        (effect, condition, condition); a table that names the conditions in another order is put
        into theirs. Where it is singular, as a mean that was subtracted or a condition that is
        there twice leaves it, the conditions that determine the others carry the mixture, and all
        are reported. Without, none.
    alpha
        The effects that share a prior are b / shat^alpha: 0 the effects themselves (EE), 1 effects
        in units of their errors (EZ). Whatever it is, results are of b.
    df
        Degrees of freedom where bhat / shat are t statistics: one number, one a condition, or one
        a cell. The standard errors are replaced by those that make them normal (infinite: as they
        are).
    baseline
        Name or position (from 0) of a condition, or "mean": what to subtract from every effect.
    contrasts
        Matrix (contrast, condition), or a table with conditions as columns: what to work on
        instead of the conditions. Rows that depend on others are reported all the same.

    Returns
    -------
    xarray.Dataset
        `bhat`, `shat` (effect, condition), NaN where missing; `v` (condition, condition_bis), with
        `effect` before where it differs by effect, absent where errors are independent; `reported`
        (reported_condition, condition) where conditions or contrasts depend on each other: those
        that others determine are not among `condition`; `contrast` (condition, contrasted), what
        contrasts are of the conditions that were read. Attribute `alpha`.

    Raises
    ------
    InputError
        Tables that do not fit each other, entries that are infinite or missing in one of two,
        errors that are not positive, v with a negative eigenvalue, or singular while the effects
        do not obey it, an effect without any value, two of one name.

    References
    ----------
    Urbut, Wang, Carbonetto and Stephens 2019, Nature Genetics 51:187.

    Examples
    --------
    >>> import bayesmixer as bm
    >>> effects = bm.read_effects([[0.5, 0.1], [-0.2, 0.4]], 0.1)
    >>> dict(effects.sizes)
    {'effect': 2, 'condition': 2}
    """
    names: dict[str, Any] = {}
    source = str(bhat) if is_path(bhat) else ""
    if layered := hasattr(bhat, "layers") and hasattr(bhat, "obs_names"):
        source = type(bhat).__name__
    if isinstance(bhat, xr.Dataset):
        held, source = _variables(bhat, alpha), str(bhat.attrs.get("source", "Dataset"))
    elif layered:
        held = read_layers(bhat)
    else:
        held = read_archive(Path(bhat)) if is_path(bhat) and str(bhat).endswith(".npz") else {}
    if held:
        bhat = held.get("bhat")
        shat, z, p = (_one_of(a, held, n) for a, n in ((shat, "shat"), (z, "z"), (p, "p")))
        v, df = _one_of(v, held, "v"), _one_of(df, held, "df")
        names = {name: held.get(name) for name in ("effect", "condition")}
        if bhat is None and z is None:
            raise InputError(source, f"no array bhat or z (found: {', '.join(map(str, held))})")
    if isinstance(alpha, bool) or not isinstance(alpha, Real) or not 0 <= float(alpha) <= 1:
        raise InputError("alpha", f"{alpha!r}, expected a number from 0 to 1")
    if baseline is not None and contrasts is not None:
        raise InputError("contrasts", "given beside baseline", "Give one of them.")
    b, s, table = effects_and_errors(bhat, shat, z, p)
    effect = names_of(names.get("effect"), table.effects, len(b), "effect", "")
    condition = names_of(
        names.get("condition"), table.conditions, len(b.T), "condition", "condition_"
    )
    _check(b, s, effect, condition)
    if df is not None:
        s = normal_errors(b, s, _degrees(df, b.shape))
    correlation = None if v is None else _correlation(v, b.shape, condition)
    more: dict[str, Any] = {}
    chosen = None
    read = condition
    if baseline is not None or contrasts is not None:
        chosen = against(baseline, condition) if contrasts is None else given(contrasts, condition)
        b, s, correlation = apply(chosen.of_conditions, b, s, correlation)
        condition = chosen.names
        empty = np.flatnonzero(np.isnan(b).all(1))
        if len(empty):
            asked = "baseline" if contrasts is None else "contrasts"
            found = f"{len(empty):,} effects lack a part of every one (first: {effect[empty[0]]})"
            raise InputError(asked, found, "Leave them out.")
        if (s == 0).any():
            known = condition[int(np.argmax((s == 0).any(0)))]
            found = f"{known!r} has no error, as its conditions have the same"
            raise InputError("baseline" if contrasts is None else "contrasts", found)
        _check(b, s, effect, condition)
    if correlation is not None:
        whole = [(b, s, effect)]
        part = carrying(lambda: whole, correlation, condition)
        if part is not None:
            b, s, correlation = apply(part.of_conditions, b, s, correlation)
            refuse_singular(correlation)
            condition = part.names
            chosen = part if chosen is None else part.after(chosen)
    if chosen is not None and (baseline is not None or contrasts is not None):
        more["contrast"] = (("condition", "contrasted"), chosen.of_conditions)
        more["contrasted"] = read
    if chosen is not None and len(chosen.every) > len(condition):
        more["reported"] = (("reported_condition", "condition"), chosen.every)
        more["reported_condition"] = chosen.every_name
    check_units(s, alpha, condition)
    if correlation is not None:
        dims = ("condition", "condition_bis")
        more["v"] = (dims if correlation.ndim == 2 else ("effect", *dims), correlation)
        more["condition_bis"] = condition
    both = ("effect", "condition")
    return xr.Dataset(
        {"bhat": (both, b), "shat": (both, s)} | more,
        coords={"effect": effect, "condition": condition},
        attrs={"kind": "effects", "alpha": float(alpha), "source": source},
    )


def _variables(given: xr.Dataset, alpha: Any) -> dict[str, Any]:
    """Variables of a Dataset; of effects that were read before, with the same alpha."""
    if given.attrs.get("kind") == "effects" and given.attrs["alpha"] != alpha:
        asked = f"{alpha!r}, the effects were read with {given.attrs['alpha']:g}"
        raise InputError("alpha", asked, "Give that.")
    if "reported" in given:
        raise InputError("bhat", "conditions that depend on each other cannot be read again")
    held = {str(name): one for name, one in given.data_vars.items()}
    if not held:
        raise InputError("bhat", "a Dataset without variables")
    return held


def _one_of(argument: Any, held: dict[str, Any], name: str) -> Any:
    return held.get(name) if argument is None else argument


def effects_and_errors(bhat: Any, shat: Any, z: Any, p: Any) -> tuple[Array, Array, Table]:
    """Effects, their standard errors and the table that names them."""
    told = [name for name, one in (("shat", shat), ("z", z), ("p", p)) if one is not None]
    if len(told) > 1:
        raise InputError(told[1], f"given beside {told[0]}", "Give one of shat, z and p.")
    if bhat is None:
        if z is None:
            told_z = "no effects: give bhat, or z"
            raise InputError("bhat", told_z + (" (p has no signs)" if p is not None else ""))
        table = read_table(z, "z")
        return table.values, np.where(np.isnan(table.values), np.nan, 1.0), table
    table = read_table(bhat, "bhat")
    b = table.values
    if not told:
        return b, np.where(np.isnan(b), np.nan, 1.0), table
    name = told[0]
    other = {"shat": shat, "z": z, "p": p}[name]
    if name == "shat" and np.ndim(other) == 0 and isinstance(other, (Real, np.ndarray)):
        return b, np.where(np.isnan(b), np.nan, float(other)), table
    values = _matched(table, read_table(other, name), name)
    if name == "shat":
        return b, values, table
    if (np.isnan(values) != np.isnan(b)).any():
        raise InputError(name, "missing in other cells than bhat")
    if name == "p":
        if not ((values > 0) & (values <= 1) | np.isnan(values)).all():
            raise InputError("p", "holds values outside 0 < p <= 1", "Give z in their place.")
        with np.errstate(divide="ignore"):
            values = np.copysign(-ndtri_exp(np.log(values / 2)), b)
    zero = (values == 0) | (b == 0)
    if zero.any():
        found = f"{int(zero.sum())} cells where the effect or its z is 0 do not tell their error"
        raise InputError(name, found, "Give shat.")
    if (np.sign(values) != np.sign(b))[~np.isnan(b)].any():
        raise InputError(name, "has other signs than bhat")
    return b, b / values, table


def _matched(table: Table, other: Table, name: str) -> Array:
    """Values of another table in the order of the first."""
    values = other.values
    if values.shape != table.values.shape:
        found = f"of shape {values.shape}, expected that of bhat, {table.values.shape}"
        raise InputError(name, found)
    for axis, (own, its) in enumerate(
        ((table.effects, other.effects), (table.conditions, other.conditions))
    ):
        if own is None and its is not None and {*its} == {str(i) for i in range(len(its))}:
            own = [str(i) for i in range(len(its))]  # as what has no names is called
        if own is None or its is None or list(own) == list(its):
            continue
        place = {one: i for i, one in enumerate(its)}
        lacking = [one for one in own if one not in place]
        if lacking or len(place) < len(its):
            what = ("effects", "conditions")[axis]
            raise InputError(name, f"has not the {what} of bhat (such as {(lacking or own)[0]!r})")
        values = np.take(values, [place[one] for one in own], axis)
    return values


def names_of(given: Any, read: Sequence[str] | None, n: int, what: str, stem: str) -> list[str]:
    """Names of n rows or columns: those given, those read, or numbers behind a stem."""
    names = list(np.asarray(given).astype(str)) if given is not None else read
    if names is None:
        return [f"{stem}{i + 1}" if stem else str(i) for i in range(n)]
    names = [str(name) for name in names]
    if len(names) != n:
        raise InputError(what, f"{len(names):,} names for {n:,} {what}s")
    if len(set(names)) < n:
        unique, count = np.unique(names, return_counts=True)
        raise InputError(what, f"{str(unique[np.argmax(count)])!r} names {count.max()} {what}s")
    return names


def _check(b: Array, s: Array, effect: Sequence[str], condition: Sequence[str]) -> None:
    """Refuse what no likelihood can take."""
    if not b.size:
        raise InputError("bhat", f"of shape {b.shape}: no effects")

    def refuse(name: str, bad: NDArray[np.bool_], what: str, remedy: str = "") -> None:
        if bad.any():
            i, r = np.argwhere(bad)[0]
            place = f"{int(bad.sum()):,} cells {what} (first: {effect[i]}, {condition[r]})"
            raise InputError(name, place, remedy)

    missing = "Leave a missing cell empty (NaN)."
    refuse("bhat", np.isinf(b), "are infinite", missing)
    refuse("shat", np.isinf(s), "are infinite", missing)
    refuse("shat", s < 0, "are negative")
    refuse("shat", s == 0, "are zero", missing)
    refuse("shat", np.isnan(s) & ~np.isnan(b), "have an effect but no standard error", missing)
    in_range(b, s)
    seen = ~np.isnan(b)
    if not seen.any(1).all():
        empty = np.flatnonzero(~seen.any(1))
        found = f"{len(empty):,} effects have no value in any condition (first: {effect[empty[0]]})"
        raise InputError("bhat", found, "Leave them out.")


def in_range(b: Array, s: Array) -> None:
    """Refuse numbers whose squares would leave the range of floats."""
    if (np.abs(b) > MOST).any() or (s > MOST).any() or (s < 1 / MOST).any():
        found = f"effects or standard errors beyond {1 / MOST:g} to {MOST:g}"
        raise InputError("bhat", found, "Take other units.")


def check_units(s: Array, alpha: float, condition: Sequence[str]) -> None:
    """Refuse conditions in units so different that no scale of effects serves both."""
    if alpha == 1 or np.nanmax(s) < UNITS * np.nanmin(s):
        return
    typical = np.array([np.median(column[~np.isnan(column)]) for column in s.T])
    low, high = int(np.nanargmin(typical)), int(np.nanargmax(typical))
    if typical[high] > UNITS * typical[low]:
        found = f"{typical[low]:.3g} in {condition[low]}, {typical[high]:.3g} in {condition[high]}"
        raise InputError("shat", found, "Take one unit for all conditions, or alpha=1.")


def _degrees(df: Any, shape: tuple[int, ...]) -> Array:
    try:
        degrees = np.broadcast_to(np.asarray(df, dtype=np.float64), shape)
    except ValueError:
        found = f"of shape {np.shape(df)}, expected one number, one a condition or one a cell"
        raise InputError("df", found) from None
    if not (degrees > 0).all():
        raise InputError("df", "holds what is no positive number")
    return degrees


def _correlation(v: Any, shape: tuple[int, ...], condition: Sequence[str] = ()) -> Array:
    """Correlation of errors, symmetric, in the order of the conditions."""
    n, r = shape
    names = None
    if hasattr(v, "columns") or is_path(v):
        table = read_table(v, "v")
        v, names = table.values, table.conditions
    elif isinstance(v, xr.DataArray) and v.ndim and v.dims[-1] in v.coords:
        names = [str(name) for name in v[v.dims[-1]].values]
    v = numbers(v, "v")
    if v.shape not in ((r, r), (n, r, r)):
        raise InputError("v", f"of shape {v.shape}, expected {(r, r)} or {(n, r, r)}")
    if not np.isfinite(v).all():
        raise InputError("v", "holds entries that are not finite")
    if np.abs(v - np.swapaxes(v, -1, -2)).max() > 1e-8 * np.abs(v).max():
        raise InputError("v", "not symmetric")
    if names is not None and not set(names).isdisjoint(condition):
        if sorted(names) != sorted(condition):
            other = next(name for name in names if name not in condition)
            raise InputError("v", f"names {other!r}, which is no condition")
        order = [names.index(name) for name in condition]
        v = v[..., order, :][..., order]
    both: Array = (v + np.swapaxes(v, -1, -2)) / 2
    return both
