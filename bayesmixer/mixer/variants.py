"""A table of the variants of a fit: what the model makes of each z-score, averaged over the
posterior of its parameters.

Of each variant by itself, given its own z and its LD spectrum (`bayesmixer.ops.given_z`); nothing
is said of several variants together. The mathematics is in docs/ideas/variants.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.arguments import whole_number
from bayesmixer.errors import InputError
from bayesmixer.identity import check_results, data_of_fit, trait_names
from bayesmixer.ld.close import close_partners
from bayesmixer.ld.exponents import exponents, of_one_s
from bayesmixer.ld.scores import NEIGHBOUR_R2
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


def variants(
    results: xr.DataTree,
    data: xr.Dataset,
    reference: str | Path | xr.DataTree | None = None,
    *,
    r2_min: float = NEIGHBOUR_R2,
    draws: int = 100,
    trait: str | int | None = None,
    progress: bool | None = None,
) -> xr.Dataset:
    """What a fit makes of every variant: effects, probabilities to be causal, false discovery
    rates.

    Each follows from the variant's own z and LD, is averaged over draws of the posterior (the
    calibrated one where the fit has one), and holds for variants of weight 0 too.

    Parameters
    ----------
    results
        A fit of a MiXeR model of one trait, by any method.
    data
        The GwasData that was fitted.
    reference
        The LD reference that the data were aligned to, for what is said of partners; without it
        `p_partner` and `tail_fdr_partner` are left out.
    r2_min
        Plain r^2 in the reference from which another variant is a partner, 0.1 or more.
    draws
        Posterior draws, evenly spaced over all chains.
    trait
        Name or position; None takes the fitted trait.
    progress
        Show a progress bar; None: where standard error is a terminal.

    Returns
    -------
    xarray.Dataset
        Dim `variant`: the variants with a z-score, with `snp`, `chrom`, `pos`, `a1`, `a2`, `z`, `n`
        as in the data, `marginal_effect` and `causal_effect` (in sd of the trait a sd of the
        genotype: divide by sqrt(2 f (1 - f)) for those of an allele), `p_causal`, `p_partner`,
        `tail_fdr_causal`, `tail_fdr_partner`. The local false discovery rates are 1 - `p_causal`
        and 1 - `p_partner`. `to_dataframe()` gives a row a variant.

    Raises
    ------
    InputError
        Data or reference that are not the fit's, a fit of another kind, arguments out of range.

    References
    ----------
    Efron 2010, Large-Scale Inference, eq. 1.23 (Tweedie's formula), 2.7 and 5.6 (local and tail
    false discovery rate).
    """
    whole_number("draws", draws, 1)
    one = at_fitted_s(data_of_fit(check_results(results), data, trait=trait), results)
    require(one, NEEDS, "what is said of each variant needs")
    values = parameters(results, draws, one)
    z, n = (np.asarray(one[v], float).ravel() for v in ("z", "n"))
    one = one.isel(variant=np.flatnonzero(np.isfinite(z) & np.isfinite(n) & (n > 0)))
    if not one.sizes["variant"]:
        raise InputError("data", "no variant has a finite z-score", "Align them again.")
    close, count = (None, None) if reference is None else close_partners(one, reference, r2_min)
    z, n = (np.asarray(one[v], float).ravel() for v in ("z", "n"))
    h = np.asarray(one["heterozygosity"], float)
    strength = float(one.attrs.get("strength_scale", 1.0)) * h ** (1 + float(exponents(one)[0]))
    found = given_z(
        z,
        n,
        of_one_s(one, "spectrum"),
        np.asarray(one["node_x"], float),
        strength,
        track(map(values.draw, range(len(values))), "Variants", len(values), progress),
        close,
        count,
    )
    columns: dict[str, NDArray[Any]] = {
        "z": z,
        "n": n,
        "marginal_effect": found.signal / np.sqrt(n),
        "causal_effect": found.own / np.sqrt(n),
        "p_causal": found.causal,
        "p_partner": found.close,
        "tail_fdr_causal": 1 - found.tail_causal,
        "tail_fdr_partner": 1 - found.tail_close,
    }
    if reference is None:
        del columns["p_partner"], columns["tail_fdr_partner"]
    made = {
        name: ("variant", values, {"meaning": MEANING[name]}) for name, values in columns.items()
    }
    table = xr.Dataset({**{v: ("variant", one[v].values) for v in NAMED}, **made})
    return table.assign_attrs(
        kind="variants",
        model=str(results.attrs.get("model", "")),
        trait=next(iter(trait_names(one)), ""),
        draws=len(values),
        **({} if reference is None else {"r2_min": float(r2_min)}),
        left_out="p_partner, tail_fdr_partner: no reference was given" if reference is None else "",
    )
