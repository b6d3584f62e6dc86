"""Quantities of a pair that people report, each one line of the parameters.

Numbers are of the panel's variants: n_causal = pi M. With one Gaussian component a trait the same
fraction of its causal variants explains 90% of h2 whether they are shared or not, so n90_shared is
n_shared times that fraction, and n90_unique the rest of n90: the paper's n1, n12 and n2 (Frei et
al. 2019, Table 1). Shared effects agree in sign with probability 1/2 + asin(rho_beta) / pi, the
orthant probability of two standard normals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bayesmixer.pair.chart import Overlap


def quantities(
    at: Overlap,
    pi: Any,
    h2: Any,
    *,
    h_total: float,
    n_reference: float,
    explaining: Mapping[str, float],
    of: Any = np,
) -> dict[str, Any]:
    """What a pair reports besides its parameters, by its fixed names.

    Parameters
    ----------
    at
        The overlap.
    pi, h2
        (2,) polygenicity and SNP heritability of each trait, dim `trait`.
    h_total, n_reference
        Sum of H, and number, of the reference variants.
    explaining
        {"n90": .., "n50": ..}: fraction of a trait's causal variants that explain 90% and 50% of
        its h2.
    of
        numpy or pytensor.tensor.

    Returns
    -------
    dict
        Dim `trait`: `sigma2_beta`, `n_causal`, `n90`, `n50`, `n_unique`, `n90_unique`,
        `n90_shared`, `pi_unique`. Scalars: `rg_max`, `dice`, `jaccard`, `fraction_concordant`,
        `n_concordant`, `n_discordant`, `n_shared`, `pi_shared_min`, `n_expected_overlap`.
    """
    n_causal, n_shared = pi * n_reference, at.pi_shared * n_reference
    n90 = n_causal * explaining["n90"]
    n90_shared = n_shared * explaining["n90"] + of.zeros(2)  # the same of both traits
    concordant = 0.5 + of.arcsin(at.rho_beta) / math.pi
    total = pi[0] + pi[1]
    return {
        "sigma2_beta": h2 / (pi * h_total),
        "n_causal": n_causal,
        "n90": n90,
        "n50": n_causal * explaining["n50"],
        "n_unique": n_causal - n_shared,
        "n90_unique": n90 - n90_shared,
        "n90_shared": n90_shared,
        "pi_unique": pi - at.pi_shared,
        "n_shared": n_shared,
        "rg_max": at.rg_max,
        "dice": 2 * at.pi_shared / total,
        "jaccard": at.pi_shared / (total - at.pi_shared),
        "fraction_concordant": concordant,
        "n_concordant": n_shared * concordant,
        "n_discordant": n_shared * (1 - concordant),
        "pi_shared_min": at.least * of.minimum(pi[0], pi[1]),
        "n_expected_overlap": n_reference * pi[0] * pi[1],
    }
