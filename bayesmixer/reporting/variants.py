"""`variants`: a table of what a fit makes of every variant."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from bayesmixer.arguments import whole_number
from bayesmixer.errors import InputError
from bayesmixer.identity import check_results
from bayesmixer.ld.scores import NEIGHBOUR_R2
from bayesmixer.wings import offers


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

    Each follows from the variant's own z-scores and LD, is averaged over draws of the posterior
    (the calibrated one where the fit has one), and holds for variants of weight 0 too.

    Parameters
    ----------
    results
        A fit of one trait, or of two together, by any method.
    data
        The GwasData that was fitted.
    reference
        The LD reference that the data were aligned to, for what is said of partners; without it
        that is left out.
    r2_min
        Plain r^2 in the reference from which another variant is a partner, 0.1 or more.
    draws
        Posterior draws, evenly spaced over all chains.
    trait
        Name or position, where the fit is of one trait; None takes the fitted one.
    progress
        Show a progress bar; None: where standard error is a terminal.

    Returns
    -------
    xarray.Dataset
        Dim `variant`: the variants with a z-score (of two traits: with both), with `snp`, `chrom`,
        `pos`, `a1`, `a2`, `z`, `n` as in the data; `marginal_effect` and `causal_effect` (in sd of
        the trait a sd of the genotype: divide by sqrt(2 f (1 - f)) for those of an allele);
        `p_causal`, `p_partner`. The local false discovery rates are 1 - `p_causal` and 1 -
        `p_partner`. Of one trait also `tail_fdr_causal` and `tail_fdr_partner`. Of two traits these
        have dims variant and trait, and there are `p_causal_both`, `p_partner_both` and, from the P
        values alone, `conditional_fdr` (of a trait given the other) and `conjunctional_fdr`. Each
        says in its attribute `meaning` what it is. `to_dataframe()` gives a row a variant, or a row
        a variant and trait.

    Raises
    ------
    InputError
        Data or reference that are not the fit's, a fit of another kind, arguments out of range.

    References
    ----------
    Efron 2010, Large-Scale Inference, eq. 1.23 (Tweedie's formula), 2.7 and 5.6 (local and tail
    false discovery rate); Andreassen et al. 2013, PLoS Genetics 9:e1003455 (conditional and
    conjunctional).
    """
    whole_number("draws", draws, 1)
    make = offers(check_results(results), "variants")
    if make is None:
        raise InputError("results", "of a model that says nothing of single variants")
    made: xr.Dataset = make(results, data, reference, r2_min, draws, trait, progress)
    return made
