"""Learning a mixture from some of many effects, which lie on disk, and predicting the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesmixer.arguments import whole_number
from bayesmixer.errors import InputError
from bayesmixer.io.stores import CHUNK_ROWS
from bayesmixer.mash.fits import fit
from bayesmixer.mash.likelihood import blocks, relative
from bayesmixer.mash.rows import rows_of
from bayesmixer.mash.strong_effects import positions
from bayesmixer.mash.trees import mixture_of
from bayesmixer.mash.weights import optimal_weights
from bayesmixer.progress import bar

LEARN = 20_000
Array = NDArray[np.float64]


def row_blocks(effects: xr.Dataset, size: int = CHUNK_ROWS) -> Iterator[tuple[slice, xr.Dataset]]:
    """Effects in memory, block by block."""
    n = effects.sizes["effect"]
    for first in range(0, n, size):
        part = slice(first, min(first + size, n))
        yield part, effects.isel(effect=part).load()


def random_rows(effects: xr.Dataset, n: int, seed: int = 0, without: Any = ()) -> np.ndarray:
    """Positions of n effects drawn at random, ascending; all there are where there are fewer.

    Parameters
    ----------
    effects
        What `bayesmixer.read_effects` or `open_effects` returned.
    n
        How many.
    seed
        Of the draw.
    without
        Effects to leave out (strong ones), by position, name or mask.

    Raises
    ------
    InputError
        These are no effects, or there are no such ones to leave out.
    """
    n = whole_number("n", n, 1)
    if not isinstance(effects, xr.Dataset) or effects.attrs.get("kind") != "effects":
        raise InputError("effects", "not effects", "Make them with bm.read_effects.")
    left = np.ones(effects.sizes["effect"], dtype=bool)
    left[positions(without, effects)] = False
    candidates = np.flatnonzero(left)
    if n >= len(candidates):
        return candidates
    chosen = np.random.default_rng(seed).choice(len(candidates), n, replace=False)
    return candidates[np.sort(chosen)]


def largest(effects: xr.Dataset, n: int, progress: bool | None = None) -> np.ndarray:
    """Positions of the n effects with the largest |z| in any condition, ascending; read block by
    block.
    """
    top = np.empty(effects.sizes["effect"])
    with bar("Looking for strong effects", len(top), progress) as b:
        for part, block in row_blocks(effects):
            top[part] = np.nanmax(np.abs(block["bhat"].values / block["shat"].values), axis=1)
            b.advance(part.stop - part.start)
    n = min(whole_number("n", n, 1), len(top))
    return np.sort(np.argpartition(-top, n - 1)[:n])


def fit_sample(
    effects: xr.Dataset,
    covariances: Any,
    *,
    rows: Any = LEARN,
    seed: int = 0,
    others: bool = True,
    progress: bool | None = None,
    **options: Any,
) -> xr.DataTree:
    """The mixture learned from some effects, and how well it predicts the others.

    Parameters
    ----------
    effects
        What `bayesmixer.read_effects` or `open_effects` returned; read block by block.
    covariances
        As in `bayesmixer.mash.fit`.
    rows
        How many effects to learn from, drawn at random; or which, by position.
    seed
        Of the draw.
    others
        Whether the others are gone through.
    progress
        Show a progress bar; None shows it on a terminal.
    options
        Of `bayesmixer.mash.fit`.

    Returns
    -------
    xarray.DataTree
        As `bayesmixer.mash.fit`. With others, `estimate` also holds `n_others`,
        `log_likelihood_others`, the mean log-likelihood of an effect learned from
        (`mean_log_likelihood`) and of the others with its standard error
        (`mean_log_likelihood_others`, `_se`), and `gain_others`: by how much the
        weights that are best for as many of the others, drawn at random, exceed those learned, per
        effect; what overfitting these would gain is part of it.

    Raises
    ------
    InputError
        As `bayesmixer.mash.fit`.
    """
    n = effects.sizes["effect"]
    whole = isinstance(rows, (int, np.integer)) and not isinstance(rows, bool)
    chosen = random_rows(effects, int(rows), seed) if whole else np.sort(positions(rows, effects))
    sample = effects.isel(effect=chosen).load()
    found = fit(sample, covariances, **options)
    estimate = found["estimate"]
    estimate["mean_log_likelihood"] = float(estimate["log_likelihood"]) / len(chosen)
    found.attrs |= {"n_all": n, "seed": int(seed)}
    if not others or len(chosen) == n:
        return found
    left = np.ones(n, dtype=bool)
    left[chosen] = False
    height = np.full(n, np.nan)
    with bar("Predicting the other effects", n, progress) as b:
        for part, block in row_blocks(effects):
            own = np.flatnonzero(left[part])
            if len(own):
                height[part.start + own] = _heights(found, block.isel(effect=own))
            b.advance(part.stop - part.start)
    known = height[left]
    estimate["n_others"] = len(known)
    estimate["log_likelihood_others"] = known.sum()
    estimate["mean_log_likelihood_others"] = known.mean()
    estimate["mean_log_likelihood_others_se"] = known.std() / np.sqrt(len(known))
    again = random_rows(effects, len(chosen), seed + 1, without=chosen)
    best = _best(found, effects.isel(effect=again).load())
    estimate["gain_others"] = max((best - height[again].sum()) / len(again), 0.0)
    return found


def _heights(fit: xr.DataTree, effects: xr.Dataset) -> Array:
    """Log-likelihood of each effect under the mixture."""
    mixture, weighted = mixture_of(fit)[0].active(0)
    assert mixture.weights is not None
    out = np.empty(effects.sizes["effect"])
    for _, index, block in blocks(rows_of(effects), mixture):
        out[index] = logsumexp(block[weighted] + np.log(mixture.weights)[:, None], axis=0)
    return out


def _best(fit: xr.DataTree, effects: xr.Dataset) -> float:
    """The largest log-likelihood that any weights give these effects."""
    mixture, _ = mixture_of(fit)
    matrix, top = relative(rows_of(effects), mixture)
    found = optimal_weights(matrix, np.zeros(mixture.size))
    return found.height + float(top.sum())
