"""Models of a user's own that are built on `ld_mixture`: what their potentials remember, and from
it what a fit needs to know of them, also after PyMC changed them (`do`, `observe`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from pymc.model.fgraph import clone_model
from pytensor.graph.traversal import toposort

from bayesmixer.bound import Bound
from bayesmixer.card import UNIT
from bayesmixer.mixer.cards import LD_MIXTURE
from bayesmixer.mixer.laid_out import likelihood_data, maf_likelihood_data
from bayesmixer.models.identity import signature
from bayesmixer.models.own_start import by_moments
from bayesmixer.ops.block_loglik import BlockLogLik
from bayesmixer.ops.likelihood import MixtureLogLik
from bayesmixer.ops.maf import MafMixtureLogLik


@dataclass(frozen=True)
class Mixture:
    """What a potential of `ld_mixture` remembers.

    Attributes
    ----------
    data
        GwasData of one trait; of one S, unless S varies or lies between the exponents held.
    parameters
        Of `pi`, `sigma2_beta`, `sigma2_0` and `maf_s` (where S varies): the name of the model's
        variable, or the numbers themselves.
    censor
        |z| beyond which a variant only counts as exceeding it.
    digest
        Hash of the data as the likelihood holds them.
    """

    data: xr.Dataset
    parameters: dict[str, Any]
    censor: float | None
    digest: str

    @property
    def trait(self) -> str:
        """Name of the trait; "" where it has none."""
        return str(self.data["trait"].values[0]) if "trait" in self.data.coords else ""


def likelihood(
    data: xr.Dataset, several_s: bool, censor: float | None, n_blocks: int | None = None
) -> BlockLogLik:
    """The likelihood of the weighted variants of one trait, with S as an input or without."""
    if several_s:
        return MafMixtureLogLik(maf_likelihood_data(data, censor, n_blocks))
    return MixtureLogLik(likelihood_data(data, censor, n_blocks))


def evaluable(loglik: Any) -> Any:
    """Log-likelihood by unit, -inf where it is nan or +inf: parameters far beyond the search box,
    where a sampler must not stay.
    """
    return pt.switch(pt.lt(loglik, np.inf), loglik, -np.inf)


def mixtures_of(model: pm.Model) -> dict[str, Mixture]:
    """What the potentials of `ld_mixture` in a model remember, by their names."""
    found = {p.name: getattr(p.tag, "bayesmixer_mixture", None) for p in model.potentials}
    return {str(name): one for name, one in found.items() if one is not None}


def apart(model: pm.Model) -> str:
    """Why the likelihoods of a model's traits cannot be summed by unit; "" where they can."""
    dims = model.named_vars_to_dims
    other = [name for name in mixtures_of(model) if tuple(dims[name]) != (UNIT,)]
    if not other:
        return ""
    return (
        f"the LD blocks of {', '.join(other)} are others than those of the potentials by {UNIT} "
        "(align the traits together, join='inner', and give data.isel(trait=[k]) of each)"
    )


def own_bound(model: pm.Model) -> Bound | None:
    """Card and data of a model built on `ld_mixture`, as it now is; None for one that is not.

    Several traits are one GwasData where their variants, weights and LD blocks are the same; else
    the data are those of the first.
    """
    mixtures = mixtures_of(model)
    if not mixtures:
        return None
    data = _joined([one.data for one in mixtures.values()])
    whole = data is not None
    first = next(iter(mixtures.values()))
    censors = {one.censor for one in mixtures.values()}
    bound = Bound(
        LD_MIXTURE,
        {rv.name: rv for rv in model.free_RVs},
        first.data if data is None else data,
        partial(with_data, model) if whole else _cannot,
        (),
        {"censor": censors.pop() if len(censors) == 1 else None},
    )
    bound.record = {"mixtures": json.dumps({k: _recorded(model, m) for k, m in mixtures.items()})}
    if data is not None and data.sizes["trait"] > 1:
        bound.record["traits"] = json.dumps([str(t) for t in data["trait"].values])
    bound.signature = signature(model) if whole else ""
    bound.stand_in = partial(by_moments, model, mixtures.values())
    return bound


def _cannot(data: xr.Dataset) -> Any:
    raise NotImplementedError("a model of traits with other variants")


def _recorded(model: pm.Model, one: Mixture) -> dict[str, Any]:
    """A potential of `ld_mixture` as the attributes of a fit have it; a variable that was set to a
    value (`pm.do`, `pm.observe`) by its value.
    """
    reported = {v.name for v in [*model.free_RVs, *model.deterministics]}
    known = dict(one.parameters)
    for key, name in known.items():
        if isinstance(name, str) and name not in reported:
            # an observed variable itself would be drawn from its prior
            known[key] = model.rvs_to_values.get(model[name], model[name]).eval().tolist()
    return {"trait": one.trait, **known}


def with_data(model: pm.Model, data: xr.Dataset) -> pm.Model:
    """The same model of other data: other weights, or a subset of the variants.

    Parameters
    ----------
    model
        One built on `ld_mixture`.
    data
        GwasData with a trait for each of its potentials, in their order.
    """
    mixtures, starts = mixtures_of(model), dict(model.rvs_to_initial_values)
    try:  # PyMC copies no model that has initial values
        model.rvs_to_initial_values.update(dict.fromkeys(starts))
        again = clone_model(model)
    finally:
        model.rvs_to_initial_values.update(starts)
    order = [rv.name for rv in model.free_RVs]  # what a flat vector of parameters goes by
    again.free_RVs.sort(key=lambda rv: order.index(rv.name))
    for k, (name, one) in enumerate(mixtures.items()):
        part = data if data.sizes["trait"] == 1 else data.isel(trait=[k])
        (node,) = (
            node
            for node in toposort([again[name]])
            if getattr(node.op, "digest", None) == one.digest
        )
        dim, before = again.named_vars_to_dims[name][0], len(again.coords[UNIT])
        n_blocks = max(before, int(part["ld_block"].max()) + 1)
        if n_blocks > before:
            again.set_dim(dim, n_blocks, np.arange(n_blocks))
        again.potentials.remove(again[name])
        del again.named_vars[name], again.named_vars_to_dims[name]
        op = likelihood(part, isinstance(node.op, MafMixtureLogLik), one.censor, n_blocks)
        with again:
            potential = pm.Potential(name, evaluable(op(*node.inputs)[0]), dims=dim)
        potential.tag.bayesmixer_mixture = replace(one, data=part, digest=op.digest)
    return again


def same_variants(a: xr.Dataset, b: xr.Dataset) -> bool:
    """Whether two GwasData hold the same variants in the same LD blocks, weighted alike."""
    return a.sizes == b.sizes and all(
        np.array_equal(a[name].values, b[name].values)
        for name in ("snp", "chrom", "pos", "ld_block", "weight", "node_x")
    )


def _joined(parts: list[xr.Dataset]) -> xr.Dataset | None:
    """GwasData of several traits from those of each; None where their variants differ."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if not all(same_variants(first, one) for one in parts[1:]):
        return None
    names = [str(t) for one in parts for t in np.atleast_1d(one.coords.get("trait", ""))]
    both = {
        name: (first[name].dims, np.concatenate([one[name].values for one in parts], axis=1))
        for name in ("z", "n")
    }
    return (
        first.drop_vars(["z", "n", "trait"], errors="ignore")
        .assign(both)
        .assign_coords(trait=names)
    )
