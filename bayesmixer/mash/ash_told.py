"""What a report tells of adaptive shrinkage in one condition."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from bayesmixer.style import as_number
from bayesmixer.wings import Told

CALLED = 0.05
GAP = 0.01  # log-likelihood
CHOSEN = 0.05  # pi0, below which effects look chosen
Caution = tuple[str, str]


def told(results: xr.DataTree) -> Told:
    """What `report`, `verdict` and `to_json` say of `bayesmixer.ash` and of a model of it."""
    estimate = results["estimate"].to_dataset()
    attrs = results.attrs
    settings = [
        ("mixture", str(attrs["mixture"])),
        ("mode", as_number(float(estimate["mode"]))),
        ("alpha", as_number(float(attrs["alpha"]))),
    ]
    notes = []
    if "posterior" not in results.children:
        notes = [
            (
                "The weights of the mixture are plugged in as if they were known.",
                "bm.fit(bm.models.ash(...), 'gibbs') has a posterior of them.",
            )
        ]
    return Told(
        "adaptive shrinkage (ash)",
        list(_sentences(results, estimate)),
        list(_cautions(estimate)),
        settings=settings,
        notes=notes,
    )


def _percent(share: float) -> str:
    return f"{as_number(100 * share)}%"


def _sentences(results: xr.DataTree, estimate: xr.Dataset) -> Iterator[str]:
    lfsr = results["effects"].to_dataset()["lfsr"].values
    if "pi0" in estimate:
        mode = float(estimate["mode"])
        spread = ""
        if "pi0_sd" in estimate:
            spread = (
                f" (posterior mean {_percent(float(estimate['pi0_mean']))}, sd "
                f"{_percent(float(estimate['pi0_sd']))})"
            )
        yield f"{_percent(float(estimate['pi0']))} of effects are {as_number(mode)}{spread}."
    called = lfsr < CALLED
    sentence = f"Of {len(lfsr):,} effects {int(called.sum()):,} have lfsr < {CALLED:g}"
    if called.any():
        wrong = _percent(float(np.mean(lfsr[called])))
        sentence += f"; {wrong} of these are expected to have the wrong sign, or no effect"
    yield sentence + "."
    without = int(results.attrs.get("n_without_estimate", 0))
    if without:
        yield f"{without:,} effects without an estimate or an error have the prior for posterior."


def _cautions(estimate: xr.Dataset) -> Iterator[Caution]:
    gap = float(estimate["duality_gap"])
    if gap > GAP:
        yield (
            f"The weights may lie {as_number(gap)} log-likelihood units below their optimum.",
            "Do not compare log-likelihoods closer than that.",
        )
    if "pi0" in estimate and float(estimate["pi0"]) < CHOSEN:
        yield (
            f"Only {_percent(float(estimate['pi0']))} of effects are exactly the mode.",
            "Where they were chosen for their strength, learn from random ones and give the prior "
            "to the chosen ones (given=).",
        )
