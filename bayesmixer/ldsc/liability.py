"""From the observed scale of a case-control study to the liability scale.

Source: Lee et al. 2011, American Journal of Human Genetics 88:294 (equation 23).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bayesmixer.errors import InputError
from bayesmixer.ldsc.laws import normal_at
from bayesmixer.ldsc.many_traits import per_trait


def factor(samp_prev: Any, pop_prev: Any) -> float:
    """What heritability on the observed scale is multiplied by: K^2 (1 - K)^2 / (P (1 - P) phi^2).

    Parameters
    ----------
    samp_prev
        P, share of cases in the sample; .5 where N is the effective one of 4 / (1/cases +
        1/controls).
    pop_prev
        K, prevalence in the population.

    Returns
    -------
    float
        1 where both are None or nan.

    Raises
    ------
    InputError
        One is given without the other, or is not between 0 and 1.
    """
    given = [None if v is None or _is_nan(v) else v for v in (samp_prev, pop_prev)]
    if given == [None, None]:
        return 1.0
    for name, value in zip(("samp_prev", "pop_prev"), given, strict=True):
        if value is None:
            raise InputError(name, "missing beside the other prevalence", "Give both or neither.")
        if not isinstance(value, int | float | np.number) or not 0 < float(value) < 1:
            raise InputError(name, f"{value!r}, expected a share between 0 and 1")
    p, k = map(float, given)  # type: ignore[arg-type]
    height = math.exp(-(normal_at(k) ** 2) / 2) / math.sqrt(2 * math.pi)
    return (k * (1 - k) / height) ** 2 / (p * (1 - p))


def factors_of(samp_prev: Any, pop_prev: Any, count: int) -> list[float]:
    """Factor of each of several traits, 1 where there is none."""
    shares = zip(
        per_trait("samp_prev", samp_prev, count),
        per_trait("pop_prev", pop_prev, count),
        strict=True,
    )
    return [factor(p, k) for p, k in shares]


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and bool(np.isnan(value))
