"""What a fit of two traits found, in sentences: what is shared, genetic correlation,
heritabilities, shared samples.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayesmixer.mixer.words import settings
from bayesmixer.pair.cards import FROM_NOTHING
from bayesmixer.pair.prediction import draws_of, names_of
from bayesmixer.pair.statements import sentences
from bayesmixer.style import as_middle, as_number, as_percent

__all__ = ["headline", "settings"]


def headline(results: xr.DataTree) -> list[str]:
    """Sentences that say what was found, each quantity with its 90% interval."""
    one, two = names_of(results)
    held = results["posterior"].data_vars

    def said(name: str, trait: int | None = None) -> str:
        return as_middle(draws_of(results, name, trait))

    out = []
    if "n_shared" in held:
        shared, dice = draws_of(results, "n_shared"), draws_of(results, "dice")
        parts = [shared / draws_of(results, "n_causal", k) for k in (0, 1)]
        out.append(
            f"{one} and {two} share {as_middle(shared, FROM_NOTHING)} causal variants: "
            f"{as_percent(parts[0], FROM_NOTHING)} of those of {one}, "
            f"{as_percent(parts[1], FROM_NOTHING)} of those of {two} (Dice "
            f"{as_middle(dice, FROM_NOTHING)})."
        )
        chance = float(np.median(draws_of(results, "n_expected_overlap")))
        least = (
            draws_of(results, "pi_shared_min")
            * shared
            / np.maximum(draws_of(results, "pi_shared"), 1e-300)
        )
        out.append(
            f"Chance would let them share {as_number(chance)}, and their genetic correlation "
            f"requires {as_number(float(np.median(least)))}."
        )
        out += sentences(results)
    sentence = f"Their genetic correlation rg is {said('rg')}"
    if "rho_beta" in held:
        most = float(np.median(draws_of(results, "rg_max")))
        sentence += (
            f", where their polygenicities allow {as_number(most)} at most; effects of shared "
            f"variants correlate by {said('rho_beta')}, and "
            f"{as_percent(draws_of(results, 'fraction_concordant'))} of them agree in sign"
        )
    out.append(f"{sentence}.")
    for k, name in enumerate((one, two)):
        causal = f", of {said('n_causal', k)} causal variants" if "n_causal" in held else ""
        out.append(
            f"{name}: SNP heritability {as_percent(draws_of(results, 'h2', k))}{causal}; "
            f"inflation sigma2_0 {said('sigma2_0', k)}."
        )
    out.append(
        f"The errors of the two z-scores correlate by {said('rho_0')} (shared samples times the "
        "correlation of the phenotypes)."
    )
    return out
