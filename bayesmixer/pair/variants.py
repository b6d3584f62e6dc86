"""A table of the variants of a fit of two traits: as `mixer.variants`, with what is said of both
together, and beside it the false discovery rates that P values alone give.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from bayesmixer.identity import data_of_fit, trait_names
from bayesmixer.ld.close import close_partners
from bayesmixer.ld.exponents import of_one_s
from bayesmixer.mixer.prediction import at_fitted_s, stacked
from bayesmixer.mixer.variants import MEANING, labelled, strength, usable
from bayesmixer.ops.pair_given_z import pair_given_z
from bayesmixer.ops.pair_predict import PairMixture
from bayesmixer.pair.conditional_fdr import conditional_fdr
from bayesmixer.progress import track

QUESTIONS = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 1]], bool)
"""Components (first trait, second, both) that make a variant causal for the first, the second,
both.
"""

MEANING_OF_BOTH = {
    **MEANING,
    "p_causal_both": "P(the variant itself is causal for both traits)",
    "p_partner_both": (
        "P(the variant, or one in LD r^2 >= r2_min with it, is itself causal for both traits)"
    ),
    "conditional_fdr": "FDR of the trait given the other's P value, from P values alone",
    "conjunctional_fdr": "the larger of the two conditional FDR",
}


def mixtures(results: xr.DataTree, draws: int) -> list[PairMixture]:
    """The mixture of so many posterior draws, evenly spaced over all chains; of the infinitesimal
    model all variants are causal for both.
    """
    flat = stacked(results)
    size = flat.sizes["sample"]
    flat = flat.isel(sample=np.linspace(0, size - 1, min(draws, size)).round().astype(int))
    v, zero = (np.asarray(flat[name], float) for name in ("sigma2_beta", "sigma2_0"))
    every = "pi_shared" not in flat
    rho, rho_0 = (np.asarray(flat[x], float) for x in ("rg" if every else "rho_beta", "rho_0"))
    beta = np.zeros((len(v), 3, 3))
    beta[:, 0, 0], beta[:, 1, 1] = v.T
    beta[:, 2] = np.column_stack([v, rho * np.sqrt(v.prod(axis=1))])
    pi = np.tile([0.0, 0.0, 1.0], (len(v), 1))
    if not every:
        pi[:, :2] = np.maximum(np.asarray(flat["pi_unique"], float), 0.0)
        pi[:, 2] = flat["pi_shared"]
    sigma_0 = np.column_stack([zero, rho_0 * np.sqrt(zero.prod(axis=1))])
    return [PairMixture(*one) for one in zip(pi, beta, sigma_0, strict=True)]


def table(
    results: xr.DataTree,
    data: xr.Dataset,
    reference: str | Path | xr.DataTree | None,
    r2_min: float,
    draws: int,
    trait: str | int | None,
    progress: bool | None,
) -> xr.Dataset:
    """The table of `bayesmixer.variants` for a fit of two traits; arguments as there, but `trait`,
    which is not read.
    """
    one = usable(at_fitted_s(data_of_fit(results, data), results))
    close, count = (None, None) if reference is None else close_partners(one, reference, r2_min)
    z, n = (np.asarray(one[v], float) for v in ("z", "n"))
    of = mixtures(results, draws)
    found = pair_given_z(
        z,
        n,
        of_one_s(one, "spectrum"),
        np.asarray(one["node_x"], float),
        strength(one),
        track(of, "Variants", len(of), progress),
        QUESTIONS,
        close,
        count,
    )
    conditional = conditional_fdr(z, np.asarray(one["weight"], float))
    each, joint = ("variant", "trait"), "variant"
    columns = {
        "z": (each, z),
        "n": (each, n),
        "marginal_effect": (each, found.signal.T / np.sqrt(n)),
        "causal_effect": (each, found.own.T / np.sqrt(n)),
        "p_causal": (each, found.causal[:2].T),
        "p_partner": (each, found.close[:2].T),
        "p_causal_both": (joint, found.causal[2]),
        "p_partner_both": (joint, found.close[2]),
        "conditional_fdr": (each, conditional),
        "conjunctional_fdr": (joint, conditional.max(axis=1)),
    }
    kept = None if reference is None else r2_min
    made = labelled(one, columns, MEANING_OF_BOTH, results, len(of), kept)
    return made.assign_coords(trait=trait_names(one) or [0, 1])
