"""The two statements about a pair's overlap: that there is more than the genetic correlation
requires (t > 0), and less than complete overlap (t < 1).

A continuous prior says both whatever the data, so that each end of t is a model of its own, of
eight parameters. Between them the excess e = (f - L) / (1 - L) is uniform, whatever rg; f, the
share of what can be shared, is the scale of calibration (bayesmixer/pair/chart.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from bayesmixer.bound import Bound
from bayesmixer.card import End, Ends
from bayesmixer.pair.cards import ATANH_U, LOGIT_PI_DIFFERENCE, LOGIT_PI_MEAN, LOGIT_T
from bayesmixer.pair.chart import overlap, place_of_excess, polygenicities, sigmoid

GROUP = "overlap"
LEAST = End(
    "least",
    -800.0,  # where the logistic function is 0, and its slope too
    "beyond_rg",
    "Overlap beyond what the genetic correlation requires",
)
COMPLETE = End("complete", 40.0, "less_than_complete", "Overlap less than complete")


def ends(bound: Bound) -> Ends | None:
    """The ends of t; None where it is held, or has a prior that is not that of a uniform excess."""
    own = isinstance(bound.prior, Mapping) and LOGIT_T.name in bound.prior
    weak = bound.prior == "weak" or (isinstance(bound.prior, Mapping) and not own)
    if LOGIT_T.name not in bound.free or not weak:
        return None
    held = bound.options.get("univariate")
    pi = held["pi"] if isinstance(held, Mapping) else None
    return Ends(
        LOGIT_T.name,
        LEAST,
        COMPLETE,
        GROUP,
        partial(excess, pi=pi),
        partial(place, pi=pi),
        partial(part_shared, pi=pi),
    )


def excess(at: Mapping[str, Any], pi: Any = None) -> Any:
    """e of the free parameters by name; `pi` (2,) where the polygenicities are held."""
    f, least = _point(at, pi)
    return np.clip((f - least) / (1 - least), 0.0, 1.0)


def place(e: Any, at: Mapping[str, Any], pi: Any = None) -> Any:
    """logit t of an excess between 0 and 1, given the other parameters."""
    return place_of_excess(e, _point(at, pi)[1])


def part_shared(at: Mapping[str, Any], pi: Any = None) -> Any:
    """f = pi_shared / min(pi)."""
    return _point(at, pi)[0]


def _point(at: Mapping[str, Any], pi: Any) -> tuple[Any, Any]:
    """(f, least f)."""
    if pi is None:
        pi = polygenicities(at[LOGIT_PI_MEAN.name], at[LOGIT_PI_DIFFERENCE.name])
    found = overlap(np.tanh(at[ATANH_U.name]), sigmoid(at[LOGIT_T.name]), *pi)
    return found.f, found.least
