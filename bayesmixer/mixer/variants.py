"""A table of the variants of a fit: what the model makes of each z-score, averaged over the
posterior of its parameters.

Of each variant by itself, given its own z and its LD spectrum (`bayesmixer.ops.given_z`); nothing
is said of several variants together. The mathematics is in docs/ideas/variants.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.identity import data_of_fit, trait_names
from bayesmixer.ld.close import close_partners
from bayesmixer.ld.exponents import exponents, of_one_s
from bayesmixer.mixer.prediction import at_fitted_s, parameters
from bayesmixer.ops.given_z import given_z
from bayesmixer.progress import track
from bayesmixer.variables import require

NAMED = ("snp", "chrom", "pos", "a1", "a2")
NEEDS = ("spectrum", "node_x", "heterozygosity")

MEANING = {
    "z": "z-score of a1",
    "n": "sample size",
    "marginal_effect": (
        "posterior mean of the effect that the variant shows, its own and its partners', on the "
        "trait in sd a sd of the genotype: z / sqrt(n), shrunk"
    ),
    "causal_effect": "posterior mean of the variant's own part of it",
    "p_causal": "P(the variant itself is causal)",
    "p_partner": "P(the variant, or one in LD r^2 >= r2_min with it, is causal)",
    "tail_fdr_causal": "P(the variant itself is not causal | |Z| >= |z|)",
    "tail_fdr_partner": "P(no variant in LD r^2 >= r2_min is causal, nor itself | |Z| >= |z|)",
}
"""Of the columns; the local false discovery rates are 1 - p_causal and 1 - p_partner."""


def table(
    results: xr.DataTree,
    data: xr.Dataset,
    reference: str | Path | xr.DataTree | None,
    r2_min: float,
    draws: int,
    trait: str | int | None,
    progress: bool | None,
) -> xr.Dataset:
    """The table of `bayesmixer.variants` for a fit of one trait; arguments as there."""
    one = usable(at_fitted_s(data_of_fit(results, data, trait=trait), results))
    values = parameters(results, draws, one)
    close, count = (None, None) if reference is None else close_partners(one, reference, r2_min)
    z, n = (np.asarray(one[v], float).ravel() for v in ("z", "n"))
    found = given_z(
        z,
        n,
        of_one_s(one, "spectrum"),
        np.asarray(one["node_x"], float),
        strength(one),
        track(map(values.draw, range(len(values))), "Variants", len(values), progress),
        close,
        count,
    )
    columns = {
        "z": z,
        "n": n,
        "marginal_effect": found.signal / np.sqrt(n),
        "causal_effect": found.own / np.sqrt(n),
        "p_causal": found.causal,
        "p_partner": found.close,
        "tail_fdr_causal": 1 - found.tail_causal,
        "tail_fdr_partner": 1 - found.tail_close,
    }
    made = {name: ("variant", value) for name, value in columns.items()}
    return labelled(one, made, MEANING, results, len(values), None if reference is None else r2_min)


def usable(data: xr.Dataset) -> xr.Dataset:
    """The variants with a z-score and an N, in every trait.

    Raises
    ------
    InputError
        There is none, or the data lack what is needed of them.
    """
    data = require(data, NEEDS, "what is said of each variant needs")
    z, n = (np.asarray(data[v], float) for v in ("z", "n"))
    seen = (np.isfinite(z) & np.isfinite(n) & (n > 0)).all(axis=1)
    if not seen.any():
        raise InputError("data", "no variant has a finite z-score", "Align them again.")
    return data.isel(variant=np.flatnonzero(seen))


def strength(data: xr.Dataset) -> NDArray[np.float64]:
    """(variant,) strength H^(1+S) of each variant itself, on the scale of the data's spectra."""
    h = np.asarray(data["heterozygosity"], float)
    scale = float(data.attrs.get("strength_scale", 1.0))
    return np.asarray(scale * h ** (1 + float(exponents(data)[0])))


def labelled(
    data: xr.Dataset,
    columns: Mapping[str, tuple[Any, NDArray[Any]]],
    meaning: Mapping[str, str],
    results: xr.DataTree,
    draws: int,
    r2_min: float | None,
) -> xr.Dataset:
    """Columns beside the variants' names, with what each means; without those of partners where no
    reference was given (`r2_min` None).
    """
    partners = [name for name in columns if "partner" in name]
    kept = [name for name in columns if r2_min is not None or name not in partners]
    made = {name: (*columns[name], {"meaning": meaning[name]}) for name in kept}
    names = {v: ("variant", data[v].values) for v in NAMED}
    attrs = {
        "kind": "variants",
        "model": str(results.attrs.get("model", "")),
        "trait": ", ".join(trait_names(data)),
        "draws": draws,
        "left_out": "",
    }
    if r2_min is None:
        attrs["left_out"] = f"{', '.join(partners)}: no reference was given"
    else:
        attrs["r2_min"] = float(r2_min)
    return xr.Dataset({**names, **made}, attrs=attrs)
