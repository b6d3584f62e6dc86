"""`bayesmixer.mash.read_gwas`: summary statistics of many traits as effects by condition, on one
list of variants, one allele and one scale.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.arguments import choice
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.io.effects import read_effects
from bayesmixer.mash.error_correlation import METHODS, correlation
from bayesmixer.mash.samples import random_rows
from bayesmixer.progress import track

Array = NDArray[np.float64]
WAYS = ("auto", "ldsc", *METHODS, "none")
RANDOM = 50_000  # variants from which the simple correlation is taken
LEAST = 1e-3  # smallest eigenvalue of a correlation of errors


def read_gwas(
    sumstats: Sequence[Any] | Mapping[str, Any],
    *,
    reference: Any = None,
    ref_ld: Any = None,
    w_ld: Any = None,
    v: Any = "auto",
    alpha: float = 1,
    join: str = "inner",
    seed: int = 0,
    progress: bool | None = None,
) -> xr.Dataset:
    """Effects of variants on many traits, in standard deviations of each trait a standard deviation
    of the genotype: z / sqrt(N), with standard error 1 / sqrt(N).

    Parameters
    ----------
    sumstats
        Files that `bayesmixer.read_sumstats` reads, or what it returned; a dict names the traits.
    reference
        LD reference (`bayesmixer.open_reference`, or its path) to whose variants and alleles they
        are aligned. Without, variants are matched by identifier (chromosome:position where a file
        has none), and alleles to those of the first
        trait that has the variant; a variant whose strand cannot be told is left out.
    ref_ld, w_ld
        LD scores, as in `bayesmixer.ldsc.rg`, for v.
    v
        Correlation of the errors of the traits, which share samples: "ldsc" takes the intercepts of
        cross-trait LD score regression as correlations, "pairwise", "simple" and "em" those of
        `correlation`, from random variants, "none" none; or a matrix. "auto": "ldsc" where ref_ld
        is given, else "pairwise".
    alpha
        What shares the mixture: 1 effects in units of their standard errors, z-scores; 0 the
        effects themselves.
    join
        Variants that all traits have ("inner"), or any ("outer", the others missing).
    seed
        Of the random variants.
    progress
        Show a progress bar; None shows it on a terminal.

    Returns
    -------
    xarray.Dataset
        As `bayesmixer.read_effects`, with `chrom`, `pos` (where they are known), `a1`, the allele
        that effects are of, and `a2` as coordinates of `effect`, and the median N of each
        condition, `n`.

    Raises
    ------
    InputError
        A file cannot be read or has no N, no variant is common, or LD scores are needed.

    Warns
    -----
    DataWarning
        Variants whose alleles do not fit were left out; correlations were pulled towards 0 to be
        possible together.

    References
    ----------
    Urbut 2017, thesis, chapter 5; Bulik-Sullivan et al. 2015, Nature Genetics 47:1236 (intercepts).
    """
    choice("join", join, ("inner", "outer"))
    if isinstance(v, str):
        choice("v", v, WAYS)
    names, read = _read(sumstats, progress)
    if reference is not None:
        frame, z, n = _by_reference(names, read, reference, join, progress)
    else:
        frame, z, n = _by_identifier(read, join)
    seen = np.isfinite(z)
    kept = seen.all(1) if join == "inner" else seen.any(1)
    if not kept.any():
        raise InputError("sumstats", "no variant that the traits have in common")
    frame, z, n = frame.filter(pl.Series(kept)), z[kept], n[kept]
    if not (frame["pos"] > 0).all() or (frame["chrom"] == "").any():
        frame = _placed(frame, ref_ld)
    root = np.sqrt(np.where(np.isfinite(z), n, np.nan))
    b, s = z / root, 1 / root
    options: dict[str, Any] = {"alpha": alpha}
    if (matrix := _errors(v, names, read, ref_ld, w_ld, b, s, seed)) is not None:
        options["v"] = matrix
    named = xr.DataArray(b, dims=("effect", "condition"), coords={"condition": names})
    effects = read_effects(named, s, **options)
    coords: dict[str, Any] = {
        column: ("effect", frame[column].to_numpy().astype(str if kind == pl.String else np.int64))
        for column, kind in frame.schema.items()
        if column != "snp"
    }
    coords |= {"effect": frame["snp"].to_numpy().astype(str), "condition": names}
    coords |= {"n": ("condition", np.nanmedian(np.where(np.isfinite(z), n, np.nan), axis=0))}
    if "v" in effects:
        coords["condition_bis"] = names
    effects = effects.assign_coords(coords)
    effects.attrs["source"] = ", ".join(str(one.attrs.get("source", "")) for one in read)
    return effects


def _read(sumstats: Any, progress: bool | None) -> tuple[list[str], list[xr.Dataset]]:
    """Names of the traits and their Sumstats."""
    from bayesmixer.io.sumstats import read_sumstats

    given = dict(sumstats) if isinstance(sumstats, Mapping) else {}
    items = [*given.values()] if given else sumstats
    if isinstance(items, (str, Path, xr.Dataset)) or len(items) < 2:
        raise InputError("sumstats", "one trait, expected two or more")
    read = []
    for one in track(items, "Reading traits", show=progress):
        if not isinstance(one, xr.Dataset):
            one = read_sumstats(one, progress=False)
        if lacking := [name for name in ("snp", "a1", "a2", "z", "n") if name not in one]:
            where = one.attrs.get("source") or "sumstats"
            remedy = "Give sample_size= to read_sumstats." if lacking == ["n"] else ""
            raise InputError(where, f"no {', '.join(lacking)}", remedy)
        read.append(one)
    names = [*map(str, given)] or [str(one.attrs.get("trait") or "") for one in read]
    names = [name or f"trait_{i + 1}" for i, name in enumerate(names)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError("sumstats", f"two traits are named {twice!r}", "Give a dict of names.")
    return names, read


def _by_identifier(read: Sequence[xr.Dataset], join: str) -> tuple[pl.DataFrame, Array, Array]:
    """Variants, z and N (variant, trait) by identifier, z of the first trait's allele."""
    from bayesmixer.ldsc.panel import rows_in
    from bayesmixer.ldsc.traits import OTHER, SIGNS, _codes

    frames = [_framed(one) for one in read]
    base = frames[0].drop("z", "n")
    for frame in frames[1:] if join == "outer" else ():
        new = frame.filter(pl.Series(rows_in(frame["snp"], base["snp"]) < 0))
        base = pl.concat([base, new.drop("z", "n")], how="diagonal")
    own = _codes(base["a1"], base["a2"])
    z, n = (np.full((len(base), len(read)), np.nan) for _ in range(2))
    place, chrom = base["pos"].to_numpy().copy(), base["chrom"].to_numpy().astype(object)
    against = 0
    for k, frame in enumerate(frames):
        found = rows_in(base["snp"], frame["snp"])
        there = np.flatnonzero(found >= 0)
        theirs = _codes(frame["a1"], frame["a2"])[found[there]]
        # a pair of bases that is its own complement is taken as the reader left it
        same = (own[there] == theirs) & (theirs != OTHER)
        sign = np.where(same, 1, SIGNS[own[there], theirs])
        against += int((sign == 0).sum())
        rows = there[sign != 0]
        z[rows, k] = frame["z"].to_numpy()[found[rows]] * sign[sign != 0]
        n[rows, k] = frame["n"].to_numpy()[found[rows]]
        place[rows] = np.where(place[rows] == 0, frame["pos"].to_numpy()[found[rows]], place[rows])
        on = frame["chrom"].to_numpy()[found[rows]]
        chrom[rows] = np.where(chrom[rows] == "", on, chrom[rows])
    if against:
        warnings.warn(
            f"{against:,} z-scores left out whose alleles do not fit the first trait's, or whose "
            "strand cannot be told",
            DataWarning,
            stacklevel=3,
        )
    n[~(n > 0)] = np.nan
    z[np.isnan(n)] = np.nan
    places = {"chrom": pl.Series(chrom.astype(str)), "pos": pl.Series(place)}
    return base.with_columns(**places), z, n


def _framed(one: xr.Dataset) -> pl.DataFrame:
    """A trait's variants, each once; chromosome "" and position 0 where they are not known."""
    columns = {c: pl.Series(one[c].values.astype(str)) for c in ("snp", "a1", "a2")}
    m = len(columns["snp"])
    columns["chrom"] = pl.Series(one["chrom"].values.astype(str) if "chrom" in one else [""] * m)
    pos = one["pos"].values.astype(np.int64) if "pos" in one else np.zeros(m, dtype=np.int64)
    columns["pos"] = pl.Series(pos)
    frame = pl.DataFrame(columns | {c: pl.Series(one[c].values.astype(float)) for c in ("z", "n")})
    unnamed = frame["snp"].is_in(["", "."]) & (frame["pos"] > 0)
    if unnamed.any():
        at = frame["chrom"] + ":" + frame["pos"].cast(pl.String)
        frame = frame.with_columns(snp=pl.Series(np.where(unnamed, at, frame["snp"])))
    return frame.filter(frame["snp"].is_first_distinct())


def _by_reference(
    names: list[str], read: Sequence[xr.Dataset], reference: Any, join: str, progress: bool | None
) -> tuple[pl.DataFrame, Array, Array]:
    """The same by a reference's variants and alleles."""
    from bayesmixer.ld.align import align

    data = align(
        dict(zip(names, read, strict=True)), reference, join=join, weights="none",
        dominant="keep", progress=progress,
    )  # fmt: skip
    columns = {
        c: data[c].values.astype(np.int64) if c == "pos" else data[c].values.astype(str)
        for c in ("snp", "chrom", "pos", "a1", "a2")
    }
    return pl.DataFrame(columns), data["z"].values.astype(float), data["n"].values.astype(float)


def _placed(frame: pl.DataFrame, ref_ld: Any) -> pl.DataFrame:
    """With the places of the LD scores, or without places where not all are known."""
    from bayesmixer.ldsc.panel import as_scores, rows_in

    if ref_ld is None:
        return frame.drop("chrom", "pos")
    scores = as_scores(ref_ld, "ref_ld")
    found = rows_in(frame["snp"], scores.snp)
    if (found < 0).any():
        return frame.drop("chrom", "pos")
    places = {"chrom": scores.chrom[found].astype(str), "pos": scores.pos[found]}
    return frame.with_columns(**{name: pl.Series(x) for name, x in places.items()})


def _errors(
    v: Any, names: list[str], read: Sequence[xr.Dataset], ref_ld: Any, w_ld: Any,
    b: Array, s: Array, seed: int,
) -> Any:  # fmt: skip
    """The correlation of errors, or None."""
    if not isinstance(v, str):
        return v
    if v == "ldsc" or (v == "auto" and ref_ld is not None):
        if ref_ld is None:
            raise InputError("ref_ld", "not given, which v='ldsc' needs")
        return intercepts_as_correlation(read, ref_ld, w_ld)
    if v == "none":
        return None
    plain = read_effects(b, s)
    some = plain.isel(effect=random_rows(plain, RANDOM, seed))
    return correlation(some, "pairwise" if v == "auto" else v).values


def intercepts_as_correlation(sumstats: Sequence[Any], ref_ld: Any, w_ld: Any = None) -> Array:
    """Intercepts of products of z-scores over the roots of the traits' own, (trait, trait): what
    errors share where samples are shared, whatever the effects.

    Warns
    -----
    DataWarning
        They are not possible together, and were pulled towards 0.
    """
    from bayesmixer.ldsc.fits import rg

    estimate = rg(list(sumstats), ref_ld, w_ld)["estimate"].to_dataset()
    cross = estimate["intercept_gencov"].values
    own = np.sqrt(np.clip(np.diag(cross), LEAST, None))
    found: Array = np.nan_to_num(cross / np.outer(own, own))
    np.fill_diagonal(found, 1.0)
    found = np.clip((found + found.T) / 2, -1, 1)
    least = float(np.linalg.eigvalsh(found)[0])
    if least < LEAST:
        part = (LEAST - least) / (1 - least)
        found = (1 - part) * found + part * np.eye(len(found))
        warnings.warn(
            f"intercepts of LD score regression pulled to 0 by {part:.2%} to be possible together",
            DataWarning,
            stacklevel=3,
        )
    return found
