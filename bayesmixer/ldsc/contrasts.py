"""What several results of one regression say together: tests of differences, and the matrices that
GenomicSEM takes, from what all of them come to without each block.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import stdtr

from bayesmixer.errors import InputError
from bayesmixer.identity import check_estimates
from bayesmixer.jackknife import Estimate
from bayesmixer.ldsc.regression import Array

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

ROUNDING = 1e-12  # share of an estimate
MOST = 100  # quantities whose differences are all made
OF_RG, OF_ANNOTATIONS = ("rg", "h2", "gencov"), ("enrichment", "coef")


def differences(
    results: xr.DataTree, quantity: str | None = None, of: Sequence[Any] | None = None
) -> pd.DataFrame:
    """Tests of differences within one result, whose estimates share their variants' noise.

    Parameters
    ----------
    results
        What `bayesmixer.ldsc.rg` or `partitioned` returned.
    quantity
        Of `rg`: "rg" (default; each is also held against 1 and -1), "gencov" or "h2"; of
        `partitioned`: "enrichment" (default) or "coef".
    of
        Which: pairs of names of traits, or names of traits (h2) or annotations; all without, at
        most 100.

    Returns
    -------
    pandas.DataFrame
        A row a difference: `quantity`, `first`, `second`, `difference`, its jackknife error `se`,
        `z` and two-sided `p`, on t of the effective number of blocks. rg against r = 1 or -1 is
        tested by gencov - r sqrt(h2_1 h2_2), as the set `rg_lower` to `rg_upper` is, and
        enrichments by their difference times h2, which is linear in the coefficients: these hold
        at low power too, where a ratio's error does not. What is not defined is nan.

    Raises
    ------
    InputError
        Results of another kind, an unknown name, or too many.
    """
    import pandas as pd

    estimate = check_estimates(results, needs=("estimate",))["estimate"].to_dataset()
    known = (
        OF_RG if "trait_bis" in estimate.dims
        else OF_ANNOTATIONS if "annotation" in estimate.dims
        else ()
    )  # fmt: skip
    if not known:
        raise InputError(
            "results", "of one trait and annotation", "Give what ldsc.rg or partitioned returned."
        )
    quantity = known[0] if quantity is None else quantity
    if quantity not in known:
        raise InputError("quantity", f"{quantity!r}, expected {', '.join(known)}")
    make = _of_traits if known is OF_RG else _of_annotations
    names, one, tested, at_ends = make(results, quantity, of)
    i, j = np.triu_indices(len(names), 1)
    labels = [(names[a], names[b]) for a, b in zip(i, j, strict=True)]
    parts = [(labels, _minus(one, i, j), _minus(tested, i, j))]
    for r, by in at_ends.items():
        to = [(name, str(r)) for name in names]
        parts.insert(0, (to, Estimate(one.value - r, one.without - r), by))
    size = float(np.abs(tested.value).max(where=np.isfinite(tested.value), initial=0))
    rows = []
    for labels, difference, by in parts:
        found = (difference.value, _errors(difference), *_tested(by, size))
        for (a, b), *numbers in zip(labels, *found, strict=True):
            rows.append([quantity, a, b, *numbers])
    columns = ["quantity", "first", "second", "difference", "se", "z", "p"]
    return pd.DataFrame(rows, columns=columns)


def _errors(one: Estimate) -> Array:
    """(Q,) standard errors, without the covariance that `Estimate.error` makes of them."""
    return np.asarray(np.sqrt((len(one.without) - 1) * one.without.var(axis=0)))


def _minus(one: Estimate, i: Any, j: Any) -> Estimate:
    return Estimate(one.value[i] - one.value[j], one.without[:, i] - one.without[:, j])


def _tested(one: Estimate, size: float) -> tuple[Array, Array]:
    """z and two-sided p (Q,) of differences; nan of those that no block moves by more than rounding
    of numbers of a `size`.
    """
    error = _errors(one)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(error > ROUNDING * size, one.value / error, np.nan)
    freedom = np.maximum(one.influence.effective - 1, 1.0)
    return z, np.asarray(2 * stdtr(freedom, -np.abs(z)))


Found = tuple[list[str], Estimate, Estimate, dict[int, Estimate]]
"""Names; estimates (Q,); what stands for them in tests of differences; and in those of each end."""


def _few(names: list[str]) -> list[str]:
    if len(names) > MOST:
        raise InputError("of", f"{len(names):,} of them, expected at most {MOST}", "Choose some.")
    return names


def _places(of: Sequence[Any], known: Sequence[str]) -> list[int]:
    for name in of:
        if name not in known:
            raise InputError("of", f"{name!r}, expected some of {', '.join(known[:10])}")
    return [list(known).index(name) for name in of]


def _of_traits(results: xr.DataTree, quantity: str, of: Sequence[Any] | None) -> Found:
    traits, h2, gencov = _of_pairs(results)
    if quantity == "h2":
        names = traits if of is None else list(of)
        at = _places(_few(names), traits)
        one = Estimate(h2.value[at], h2.without[:, at])
        return names, one, one, {}
    if of is not None and any(isinstance(p, str) or len(p) != 2 for p in of):
        raise InputError("of", f"{list(of)[:3]}, expected pairs of traits", "[('a', 'b'), ...]")
    pairs = list(combinations(traits, 2)) if of is None else [tuple(p) for p in of]
    names = _few([f"{a}, {b}" for a, b in pairs])
    i, j = (_places([p[k] for p in pairs], traits) for k in (0, 1))
    rho = Estimate(gencov.value[i, j], gencov.without[:, i, j])
    if quantity == "gencov":
        return names, rho, rho, {}
    with np.errstate(invalid="ignore"):
        scale = Estimate(
            np.sqrt(h2.value[i] * np.where(h2.value[j] > 0, h2.value[j], np.nan)),
            np.sqrt(h2.without[:, i] * h2.without[:, j]),
        )
    ends = {
        r: Estimate(rho.value - r * scale.value, rho.without - r * scale.without) for r in (-1, 1)
    }
    rg = rho.over(scale)
    return names, rg, rg, ends


def _of_annotations(results: xr.DataTree, quantity: str, of: Sequence[Any] | None) -> Found:
    estimate, left = results["estimate"].to_dataset(), results["jackknife"].to_dataset()
    if quantity not in left:
        raise InputError(
            "results", f"no {quantity} without each block", "Give what ldsc.partitioned returned."
        )
    known = [str(name) for name in estimate["annotation"].values]
    names = _few(known if of is None else list(of))
    at = _places(names, known)
    one = Estimate(estimate[quantity].values[at], left[quantity].values[:, at])
    if quantity == "coef":
        return names, one, one, {}
    h2, moved = float(estimate["h2"]), left["h2"].values
    return names, one, Estimate(one.value * h2, one.without * moved[:, None]), {}


def _of_pairs(results: xr.DataTree) -> tuple[list[str], Estimate, Estimate]:
    """Names of traits, heritabilities (k,) and covariances (k, k), with the heritabilities on the
    diagonal.

    Raises
    ------
    InputError
        Traits have no heritability of their own, as with `like_ldsc`.
    """
    estimate = check_estimates(results, needs=("estimate",))["estimate"].to_dataset()
    left = results["jackknife"].to_dataset() if "jackknife" in results.children else {}
    if "gencov" not in left:
        raise InputError("results", "not of pairs of traits", "Give what ldsc.rg returned.")
    if "h2" not in left:
        raise InputError(
            "results",
            "made with like_ldsc: every pair has heritabilities and blocks of its own",
            "Make them without.",
        )
    names = [str(name) for name in estimate["trait"].values]
    h2 = Estimate(estimate["h2"].values, left["h2"].transpose("block", "trait").values)
    without = left["gencov"].transpose("block", "trait", "trait_bis").values
    return names, h2, Estimate(estimate["gencov"].values, without)


class GenomicSEM(NamedTuple):
    """What GenomicSEM's `ldsc` returns, as arrays of k traits and q = k (k + 1) / 2 elements: the
    lower triangle of a (k, k) matrix with its diagonal, column by column.
    """

    S: Array
    """(k, k) genetic covariances, on the liability scale where prevalences were given."""
    V: Array
    """(q, q) sampling covariance of the elements of S."""
    I: Array
    """(k, k) intercepts."""
    N: Array
    """(1, q) mean sqrt(N1 N2) of each element."""
    m: float
    """Number of variants that heritability is summed over."""


def genomic_sem(results: xr.DataTree, posterior: xr.DataTree | None = None) -> GenomicSEM:
    """Genetic covariances of traits and their sampling covariance in the form that GenomicSEM
    takes.

    V is the block jackknife's, of blocks of the same variants for all elements. Nothing is
    smoothed: where traits are weak, S may not be positive definite.

    Parameters
    ----------
    results
        What `bayesmixer.ldsc.rg` returned, without `like_ldsc`.
    posterior
        Draws of `bayesmixer.models.ldsc_traits` of these results: S and V are then their mean,
        positive definite, and their covariance.

    Returns
    -------
    GenomicSEM
        S, V, I, N, m.

    Raises
    ------
    InputError
        Results of another kind, or a posterior of other traits, or of too few draws.

    References
    ----------
    Grotzinger et al. 2019, Nature Human Behaviour 3:513.

    Examples
    --------
    >>> S, V, I, N, m = bm.ldsc.genomic_sem(results)  # doctest: +SKIP
    """
    names, _, covariance = _of_pairs(results)
    estimate = results["estimate"].to_dataset()
    factor = np.ones(len(names))
    if "h2_liability_se" in estimate:  # nan where a trait is quantitative
        ratio = (estimate["h2_liability_se"] / estimate["h2_se"]).values
        factor = np.where(np.isfinite(ratio), ratio, 1.0)
    scale = np.sqrt(np.outer(factor, factor))
    column, row = np.triu_indices(len(names))  # the lower triangle, column by column
    if posterior is None:
        moved = covariance.without[:, row, column] * scale[row, column]
        s = covariance.value * scale
        v = Estimate(s[row, column], moved).covariance
    else:
        draws = _drawn(posterior, names)
        s, v = draws.mean(axis=0), np.cov(draws[:, row, column].T)
    return GenomicSEM(
        s,
        v,
        estimate["intercept_gencov"].values,
        estimate["mean_n"].values[row, column][None],
        float(results.attrs["m"]),
    )


def _drawn(posterior: xr.DataTree, names: Sequence[str]) -> Array:
    """(draws, k, k) of the genetic covariance matrix of traits.

    Raises
    ------
    InputError
        There are none, of other traits, or fewer than elements.
    """
    there = posterior["posterior"].to_dataset() if "posterior" in posterior.children else {}
    if "gencov" not in there:
        raise InputError("posterior", "no draws of gencov", "Sample ldsc_traits(results).")
    found = there["gencov"].transpose("chain", "draw", "trait", "trait_bis")
    if [str(name) for name in found["trait"].values] != list(names):
        raise InputError("posterior", "of other traits than the results, or in another order")
    draws = found.values.reshape(-1, len(names), len(names))
    need = len(names) * (len(names) + 1) // 2
    if len(draws) <= need:
        raise InputError(
            "posterior", f"{len(draws)} draws, expected more than the {need} elements of S"
        )
    return np.asarray(draws, float)
