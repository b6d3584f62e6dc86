"""Draws of effects from their posterior, and the probability of each component for each effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayesmixer.arguments import whole_number
from bayesmixer.mash.independent import drawn
from bayesmixer.mash.likelihood import blocks
from bayesmixer.mash.mixture import Mixture, shares
from bayesmixer.mash.moments import KEPT
from bayesmixer.mash.posteriors import of_fit
from bayesmixer.mash.rows import Array, Index, Part, Rows
from bayesmixer.mash.within import within


class _Shared(NamedTuple):
    """Rows of a part and the probabilities of components (component, row), which stand `at` there
    in the part of the mixture that carries weight, at `component` in the whole.
    """

    part: Part
    members: Index
    at: Index
    component: Index
    share: Array
    mixture: Mixture


def components(fit: xr.DataTree, effects: xr.Dataset) -> xr.DataArray:
    """Probability that an effect comes from each component of the mixture.

    Parameters
    ----------
    fit, effects
        As of `bayesmixer.mash.posterior`; with draws of the weights, averaged over them.

    Returns
    -------
    xarray.DataArray
        (effect, component), in the order of `weights`; those of weight 1e-10 or less have 0.

    Raises
    ------
    InputError
        Fit and effects do not belong together.
    """
    rows, mixture, estimate = of_fit(fit, effects)
    out = np.zeros((len(rows.b), mixture.size))
    for one in _shared(rows, mixture):
        out[np.ix_(one.members, one.component)] = one.share.T
    names = {"effect": effects["effect"].values}
    if "component" in estimate.coords:
        names["component"] = estimate["component"].values
    return xr.DataArray(out, dims=("effect", "component"), coords=names, name="probability")


def sample(
    fit: xr.DataTree, effects: xr.Dataset, draws: int = 100, *, seed: int = 0
) -> xr.DataArray:
    """Draws from the joint posterior of each effect over its conditions, in the units of bhat.

    Parameters
    ----------
    fit, effects
        As of `bayesmixer.mash.posterior`. All draws are held in memory: pick effects before.
    draws
        How many of each effect.
    seed
        Of the draws.

    Returns
    -------
    xarray.DataArray
        (draw, effect, condition). Within the component of independent effects conditions are drawn
        by themselves.

    Raises
    ------
    InputError
        Fit and effects do not belong together.
    """
    draws, rng = whole_number("draws", draws, 1), np.random.default_rng(seed)
    rows, mixture, _ = of_fit(fit, effects)
    out = np.zeros((draws, *rows.b.shape))
    for one in _shared(rows, mixture):
        share = one.share / one.share.sum(0)
        counts = rng.multinomial(draws, share.T)
        first = np.cumsum(counts, 1) - counts
        n = len(one.members)
        block = np.zeros((n, draws, rows.b.shape[1]))
        for k, at in enumerate(one.at):
            own = np.repeat(np.arange(n), counts[:, k])
            if at < one.mixture.point_mass or not len(own):
                continue
            slot = np.arange(len(own)) - np.repeat(
                np.cumsum(counts[:, k]) - counts[:, k] - first[:, k], counts[:, k]
            )
            if at >= one.mixture.normals:
                assert one.mixture.alone is not None
                block[own, slot] = drawn(rows, one.mixture.alone, one.members[own], rng)
                continue
            made = within(rows, one.mixture, int(at), one.part, plain=False)
            few, place = np.unique(own, return_inverse=True)
            for begin in range(0, len(few), made.step):
                # draws of the same rows together, as rows may each have a matrix of their own
                here = (place >= begin) & (place < begin + made.step)
                known = made.of(rows, one.members[few[begin : begin + made.step]])
                assert known.root is not None
                root = np.broadcast_to(known.root, (len(known.mean), *known.root.shape[-2:]))
                x = rng.standard_normal((int(here.sum()), root.shape[2]))
                at_row = place[here] - begin
                spread = np.einsum("nra,na->nr", root[at_row], x)
                block[own[here], slot[here]] = known.mean[at_row] + spread
        order = rng.random((n, draws)).argsort(1)
        out[:, one.members] = np.take_along_axis(block, order[:, :, None], 1).swapaxes(0, 1)
    out *= rows.unit
    names = effects["condition"].values
    if "reported" in effects:
        out, names = out @ effects["reported"].values.T, effects["reported_condition"].values
    return xr.DataArray(
        out,
        dims=("draw", "effect", "condition"),
        coords={"effect": effects["effect"].values, "condition": names},
        name="effects",
        attrs={"seed": int(seed)},
    )


def _shared(rows: Rows, mixture: Mixture) -> Iterator[_Shared]:
    """Rows, block by block, and the probabilities of the components of more than no weight."""
    assert mixture.weights is not None
    component = np.flatnonzero(mixture.weights > KEPT)
    part_mixture, at = mixture.active(KEPT)
    assert part_mixture.weights is not None
    log_weights = np.log(part_mixture.weights)[:, None]
    for part, index, block in blocks(rows, part_mixture):
        likely = block[at] + log_weights
        share = shares(likely, part_mixture.weights, part_mixture.draws)
        yield _Shared(part, index, at, component, share, part_mixture)
