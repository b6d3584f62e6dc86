"""What a fit found, in sentences: h2, polygenicity, n90, S, inflation; and its settings."""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayesmixer.facts import data_attributes, quantities, quantity_of, read_json
from bayesmixer.style import as_count, as_middle, as_percent
from bayesmixer.wings import withheld


def headline(results: xr.DataTree) -> list[str]:
    """Sentences that say what was found, each quantity with its 90% interval; none of a model of
    the user's that reports other quantities.
    """
    draws, own = quantities(results), "mixtures" in results.attrs
    if own and not {"h2", "pi"} <= draws.keys():
        return []
    share = quantity_of(results, "pi")
    sentences = []
    if (test := withheld(results)) is not None:
        sentences.append(test.sentence)
        draws = {name: x for name, x in draws.items() if test.keeps(name)}
    elif "h2" in draws:
        sentences.append(
            f"The variants of the reference explain {as_percent(draws['h2'])} of the trait's "
            "variance (SNP heritability h2)."
        )
    pi = {name: x for name, x in draws.items() if name == "pi" or name.startswith("pi [")}
    # where the card does not show it, pi is that of components which stand for nothing
    pi = pi if share is None or share.shown else {}
    for name, x in pi.items():
        if np.ptp(x) == 0 and len(x) > 1:
            continue
        which = name.removeprefix("pi").strip(" []")
        effect = f" with {which} effects" if which else ""
        count = draws.get("n_causal" + name.removeprefix("pi"))
        sentence = f"{as_percent(x)} of the variants are causal{effect} (polygenicity pi)"
        sentences.append(
            sentence + (f": about {as_middle(count)} variants." if count is not None else ".")
        )
    if test is None and share is None:
        sentences.append(
            "The model is infinitesimal: every variant has an effect, and polygenicity is not "
            "estimated."
        )
    elif len(pi) > 1 and "n_causal" in draws:
        sentences.append(f"Together these are about {as_middle(draws['n_causal'])} variants.")
    if "n50" in draws:
        sentences.append(f"{as_middle(draws['n50'])} variants explain half of the heritability.")
    if "n90" in draws:
        sentences.append(
            f"{as_middle(draws['n90'])} variants explain 90% of the heritability (n90)."
        )
    if "maf_s" in draws:
        sentences.append(
            "Effect variance is proportional to heterozygosity to the power S = "
            f"{as_middle(draws['maf_s'])}."
        )
    if "sigma2_0" in draws:
        sentences.append(
            f"The inflation sigma2_0 is {as_middle(draws['sigma2_0'])} (1 without stratification "
            "or relatedness)."
        )
    return sentences


def settings(results: xr.DataTree) -> list[tuple[str, str]]:
    """(name, value) of the settings that only these models have: S, and what h2 is scaled by."""
    attrs = data_attributes(results)
    h_total = np.atleast_1d(np.asarray(attrs.get("h_total", np.nan), dtype=float))
    asked = read_json(results.attrs.get("options"), {}).get("maf_s")
    held = np.atleast_1d(attrs.get("maf_s", 0.0))
    s = asked if asked is not None else float(held[0]) if held.size == 1 else None
    out = []
    if h_total.size == 1 and s in (None, 0.0) and np.isfinite(h_total[0]):
        out.append(("sum of their heterozygosities", as_count(h_total[0])))
    if s:
        shown = f"{s:g}" if isinstance(s, float) else str(s)
        out.append(("S (effect variance by heterozygosity to the power S)", shown))
    return out
