"""How well a mixture predicts effects that it was not learned from: cross-validation, by blocks of
effects that depend on each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from bayesmixer.arguments import whole_number
from bayesmixer.errors import InputError
from bayesmixer.mash.fits import fit
from bayesmixer.mash.posteriors import posterior
from bayesmixer.mash.prior_covariances import DEFAULT, PLAIN, covariances
from bayesmixer.mash.rows import rows_of
from bayesmixer.mash.strong_effects import strong


def cross_validate(
    effects: xr.Dataset,
    given: Any = None,
    *,
    folds: int = 5,
    blocks: Any = None,
    seed: int = 0,
    independent: bool = True,
    **options: Any,
) -> xr.Dataset:
    """Log-likelihood of effects under mixtures learned from others.

    Parameters
    ----------
    effects
        What `bayesmixer.read_effects` returned.
    given
        Covariances, as in `bayesmixer.mash.fit`; None learns the default ones anew in every fold.
    folds
        Number of parts, each predicted from the others.
    blocks
        A label for each effect (its gene, its LD block): those of one label are in one fold. None:
        each effect by itself.
    seed
        Of the folds.
    independent, options
        Of `bayesmixer.mash.fit`.

    Returns
    -------
    xarray.Dataset
        `log_likelihood` and `fold` (effect); `total` (fold); `mean` of an effect and its `se`, from
        the spread over blocks.

    Raises
    ------
    InputError
        As `bayesmixer.mash.fit`, or there are fewer blocks than folds.

    Examples
    --------
    >>> import numpy as np, bayesmixer as bm
    >>> z = np.random.default_rng(0).standard_normal((50, 2))
    >>> bm.mash.cross_validate(bm.read_effects(z=z), folds=2)["total"].shape
    (2,)
    """
    n = len(rows_of(effects).b)
    folds = whole_number("folds", folds, 2)
    labels = np.arange(n) if blocks is None else np.asarray(blocks)
    if labels.shape != (n,):
        raise InputError("blocks", f"of shape {labels.shape}, expected a label for {n:,} effects")
    _, block = np.unique(labels, return_inverse=True)
    count = int(block.max()) + 1
    if count < folds:
        raise InputError("folds", f"{folds} of {count} blocks", "Take fewer folds.")
    of_block = np.arange(count) % folds
    np.random.default_rng(seed).shuffle(of_block)
    fold = of_block[block]
    height = np.empty(n)
    for i in range(folds):
        rest, held = effects.isel(effect=fold != i), effects.isel(effect=fold == i)
        learned = fit(rest, _known(rest, given), independent=independent, **options)
        height[fold == i] = posterior(learned, held)["log_likelihood"].values
    sums, sizes = np.bincount(block, height), np.bincount(block)
    mean = float(height.mean())
    se = float(np.sqrt(np.square(sums - mean * sizes).sum() * count / max(count - 1, 1)) / n)
    return xr.Dataset(
        {
            "log_likelihood": ("effect", height),
            "total": ("fold_number", np.bincount(fold, height)),
            "mean": mean,
            "se": se,
        },
        coords={"effect": effects["effect"].values, "fold": ("effect", fold)},
    )


def _known(effects: xr.Dataset, given: Any) -> Any:
    if given is not None:
        return given
    chosen = strong(effects)
    kinds = DEFAULT if len(chosen) and effects.sizes["condition"] > 1 else PLAIN
    return covariances(effects, kinds, strong=chosen)
