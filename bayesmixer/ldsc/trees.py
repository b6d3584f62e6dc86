"""Regressions as a DataTree: `estimate` with standard errors, `jackknife` with what they come to
without each block.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from bayesmixer.ldsc.heritability import Heritability
from bayesmixer.ldsc.many_traits import ManyTraits
from bayesmixer.ldsc.one_trait import OneTrait
from bayesmixer.ldsc.overlap import Partition
from bayesmixer.ldsc.rows import by_annotation, enriched, numbers_of, numbers_of_pair
from bayesmixer.ldsc.words import Said
from bayesmixer.results import assemble

MADE_BY = {"kind": "estimate", "method": "ldsc", "wing": "bayesmixer.ldsc"}
"""Attributes of results that are no fit of a model: `bayesmixer.report` asks this wing."""


def of_one(
    one: OneTrait,
    said: Sequence[Said],
    *,
    factor: float = 1.0,
    partition: Partition | None = None,
    like_ldsc: bool = False,
    model: str = "ldsc.h2",
) -> xr.DataTree:
    """Results of one trait."""
    fit = one.fit
    estimate: dict[str, Any] = dict(numbers_of(fit, factor))
    estimate |= {"n_variants": fit.n_variants, "mean_n": fit.mean_n}
    jackknife: dict[str, Any] = {"h2": ("block", fit.total.without[:, 0])}
    if fit.fit.intercept is not None:
        jackknife["intercept"] = ("block", fit.fit.intercept.without[:, 0])
    coords: dict[str, Any] = {}
    if len(fit.m) > 1:
        coords["annotation"] = one.scores.annotations
        found = by_annotation(fit, partition, like_ldsc, factor)
        estimate |= {name: ("annotation", v) for name, v in found.items()}
        estimate["coef_covariance"] = (("annotation", "annotation_bis"), fit.coefficient.covariance)
        jackknife["coef"] = (("block", "annotation"), fit.coefficient.without)
        jackknife["enrichment"] = (("block", "annotation"), enriched(fit, partition).without)
    return _tree(
        xr.Dataset(estimate, coords=coords),
        xr.Dataset(jackknife, coords=coords),
        said,
        {
            "model": model,
            "trait": one.trait.name,
            "sources": one.trait.source,
            "ld_scores": one.scores.source,
            "like_ldsc": int(like_ldsc),
            "two_step": np.nan if one.two_step is None else one.two_step,
            "chisq_max": np.nan if one.counts.cut is None else one.counts.cut,
            "m": float(one.m.sum()),
        },
    )


def of_many(
    many: ManyTraits, said: Sequence[Said], *, factors: Sequence[float], like_ldsc: bool
) -> xr.DataTree:
    """Results of several traits and their pairs."""
    names = [one.name for one in many.traits]
    k, annotations = len(names), len(many.m)
    alone: list[Heritability | None] = [one.fit for one in many.alone] or [None] * k
    for pair in many.pairs:
        for place, fit in ((pair.i, pair.fit.first), (pair.j, pair.fit.second)):
            alone[place] = alone[place] or fit
    rows = [
        {} if fit is None else numbers_of(fit, f) | {"n_variants": fit.n_variants}
        for fit, f in zip(alone, factors, strict=True)
    ]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    estimate: dict[str, Any] = {
        name: ("trait", np.array([row.get(name, np.nan) for row in rows])) for name in columns
    }
    blocks = max(len(p.fit.covariance.total.without) for p in many.pairs)
    square = {
        name: np.full((k, k), np.nan)
        for name in (
            "rg", "rg_se", "rg_z", "rg_p", "rg_lower", "rg_upper", "gencov", "gencov_se",
            "intercept_gencov", "intercept_gencov_se", "n_common", "mean_n",
        )
    }  # fmt: skip
    moved = np.full((k, k, blocks), np.nan)
    for i, own in enumerate(alone):
        square["rg"][i, i], square["rg_se"][i, i] = 1.0, 0.0
        square["rg_lower"][i, i] = square["rg_upper"][i, i] = 1.0
        if own is not None:
            square["gencov"][i, i], square["gencov_se"][i, i] = rows[i]["h2"], rows[i]["h2_se"]
            square["intercept_gencov"][i, i] = own.fit.at
            square["n_common"][i, i], square["mean_n"][i, i] = own.n_variants, own.mean_n
    for pair in many.pairs:
        both = pair.fit.covariance
        for a, b in ((pair.i, pair.j), (pair.j, pair.i)):
            for name, value in numbers_of_pair(pair).items():
                square[name][a, b] = value
            square["mean_n"][a, b] = both.mean_n
            moved[a, b, : len(both.total.without)] = both.total.without[:, 0]
    estimate |= {name: (("trait", "trait_bis"), v) for name, v in square.items()}
    if any(f != 1 for f in factors):
        scale = np.sqrt(np.outer(factors, factors))
        for name in ("gencov", "gencov_se"):
            liability = name.replace("gencov", "gencov_liability")
            estimate[liability] = (("trait", "trait_bis"), square[name] * scale)
    coords = {"trait": names, "trait_bis": names}
    jackknife: dict[str, Any] = {"gencov": (("trait", "trait_bis", "block"), moved)}
    if many.alone:
        by_block = np.stack([one.fit.total.without[:, 0] for one in many.alone])
        jackknife["h2"] = (("trait", "block"), by_block)
        moved[range(k), range(k)] = by_block
    return _tree(
        xr.Dataset(estimate, coords=coords),
        xr.Dataset(jackknife, coords=coords),
        said,
        {
            "model": "ldsc.rg",
            "trait": " and ".join(names) if k < 4 else f"{k} traits",
            "sources": json.dumps([one.source for one in many.traits]),
            "ld_scores": many.scores.source,
            "like_ldsc": int(like_ldsc),
            "m": float(many.m.sum()),
            "annotations": annotations,
        },
    )


def _tree(
    estimate: xr.Dataset, jackknife: xr.Dataset, said: Sequence[Said], attrs: dict[str, Any]
) -> xr.DataTree:
    verdict = json.dumps([one._asdict() for one in said])
    return assemble(
        {"estimate": estimate, "jackknife": jackknife},
        attrs | MADE_BY | {"said": verdict},
    )
