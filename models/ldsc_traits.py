"""Genetic covariances of many traits together: positive definite in every draw, given what LD score
regression found of every pair and how these findings vary together.

    vech(S-hat) ~ t(vech(G), V),  G = diag(h) R diag(h)

with R a correlation matrix. In place of smoothing an S that is not positive definite.
"""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from bayesmixer.arguments import choice, whole_number
from bayesmixer.errors import InputError
from bayesmixer.ldsc.contrasts import genomic_sem
from bayesmixer.ldsc.words import POWERED

H2_SCALE = 0.5  # of the half-normal prior of h2, as in every model of this package
FACTORS = 3
MANY = 10  # traits, above which LKJ(1) pulls correlations to 0: their prior sd is 1 / sqrt(k + 1)


def ldsc_traits(
    results: xr.DataTree, correlation: str = "auto", factors: int = FACTORS
) -> pm.Model:
    """Joint model of the genetic covariance matrix of k traits.

    Parameters
    ----------
    results
        What `bm.ldsc.rg` returned for k traits, without `like_ldsc`.
    correlation
        Prior of the matrix of rg: "lkj" (LKJ(1), uniform over correlation matrices), "factor" (its
        loadings on `factors` factors, under which the prior of each rg does not depend on k), or
        "auto": LKJ up to ten traits.
    factors
        Number of factors.

    Returns
    -------
    pymc.Model
        For `pm.sample`, `bm.fit(model, "nuts")` or any sampler. Deterministic: `h2` (trait), `rg`
        and `gencov` (trait, trait_bis), on the observed scale (liability where `rg` had
        prevalences). Data: `powered` (trait), whether the heritability lies four standard errors
        above 0; the rg of other traits are the prior's. `S`, the estimates (lower triangle by
        columns), and `V`, their covariance.

    Raises
    ------
    InputError
        `results` are of another kind, or `correlation` is unknown.

    References
    ----------
    Lewandowski, Kurowicka & Joe 2009, Journal of Multivariate Analysis 100:1989 (LKJ). Grotzinger
    et al. 2019, Nature Human Behaviour 3:513 (the smoothed matrix). Sellentin & Heavens 2016,
    Monthly Notices of the Royal Astronomical Society 456:L132 (t where V is estimated). Percival et
    al. 2022, 510:3207 (its degrees of freedom where parameters are fewer than elements).
    """
    choice("correlation", correlation, ("auto", "lkj", "factor"))
    whole_number("factors", factors, 1)
    found = genomic_sem(results)
    names = [str(t) for t in results["estimate"].to_dataset()["trait"].values]
    k, blocks = len(names), results["jackknife"].sizes["block"]
    column, row = np.triu_indices(k)
    spread = _shrunk(np.asarray(found.V), blocks)
    at_diagonal = np.flatnonzero(column == row)
    z = np.diag(found.S) / np.sqrt(np.diag(found.V)[at_diagonal])
    with pm.Model(coords={"trait": names, "trait_bis": names}, model=None) as model:
        pm.Data("powered", z >= POWERED, dims="trait")
        h2 = pm.HalfNormal("h2", H2_SCALE, dims="trait")
        saturated = correlation == "lkj" or (correlation == "auto" and k <= MANY)
        if saturated:
            root = pm.LKJCorr("rg_root", n=k, eta=1.0)
            matrix = pt.dot(root, root.T)
        else:
            loading = pm.Normal("loading", shape=(k, factors))
            unique = pm.Exponential("unique", 1.0, shape=k)
            whole = pt.dot(loading, loading.T) + pt.diag(unique)
            sd = pt.sqrt(pt.diag(whole))
            matrix = whole / pt.outer(sd, sd)
        parameters = len(row) if saturated else k * (factors + 2) - factors * (factors - 1) // 2
        freedom, wider = _law(len(row), blocks, parameters)
        rg = pm.Deterministic("rg", matrix, dims=("trait", "trait_bis"))
        h = pt.sqrt(h2)
        gencov = pm.Deterministic("gencov", rg * pt.outer(h, h), dims=("trait", "trait_bis"))
        pm.MvStudentT(
            "vech",
            nu=freedom,
            mu=gencov[row, column],
            scale=pm.Data("V", spread) * wider,
            observed=pm.Data("S", found.S[row, column]),
        )
    return model


def _law(size: int, blocks: int, parameters: int) -> tuple[float, float]:
    """Degrees of freedom of the t of `size` elements whose V is of so many blocks, and what V is
    multiplied by, so that intervals of so many parameters hold: what few parameters share of many
    elements rests on the inverse of V, which is too large, and noisy.
    """
    if parameters >= size or _few(blocks, size):
        return max(blocks - size, 5), 1.0
    noise = (blocks - size - 2) / ((blocks - size - 1) * (blocks - size - 4))
    beyond = noise * (size - parameters)
    freedom = parameters + 2 + (blocks - 1 + beyond) / (1 + beyond) - size
    return freedom, (blocks - 1) / freedom


def _few(blocks: int, size: int) -> bool:
    """Whether V of so many elements is singular, or nearly so."""
    return 4 * size > blocks


def _shrunk(v: np.ndarray, blocks: int) -> np.ndarray:
    """V (q, q) with its correlations shrunk where its elements are not few against the blocks that
    tell of them.
    """
    size = len(v)
    if not (np.isfinite(v).all() and (np.diag(v) > 0).all()):
        raise InputError("results", "a genetic covariance of a pair is missing, or does not vary")
    share = size / (size + blocks) if _few(blocks, size) else 0.0
    return np.asarray((1 - share) * v + share * np.diag(np.diag(v)))
