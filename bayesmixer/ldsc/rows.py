"""What is reported of a regression, as rows of tidy tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bayesmixer.jackknife import Estimate
from bayesmixer.ldsc.heritability import Heritability, PerAnnotation
from bayesmixer.ldsc.intervals import correlated, heritable
from bayesmixer.ldsc.many_traits import ManyTraits
from bayesmixer.ldsc.one_trait import OneTrait
from bayesmixer.ldsc.overlap import Partition
from bayesmixer.ldsc.pairs import PairFit
from bayesmixer.ldsc.regression import Array

PROB = 0.9


def numbers_of(fit: Heritability, factor: float = 1.0) -> dict[str, float]:
    """What is reported of a trait's heritability, on the liability scale beside it where `factor`
    is not 1.
    """
    total, error = float(fit.total.value[0]), float(fit.total.error[0])
    low, high, p = heritable(fit.total, PROB)
    ratio, ratio_error = fit.ratio
    ratio_low, ratio_high = fit.ratio_set(PROB)
    out = {
        "h2": total,
        "h2_se": error,
        "h2_lower": low,
        "h2_upper": high,
        "h2_p": p,
        "intercept": fit.fit.at,
        "intercept_se": np.nan if fit.fit.intercept is None else float(fit.fit.intercept.error[0]),
        "ratio": ratio,
        "ratio_se": ratio_error,
        "ratio_lower": ratio_low,
        "ratio_upper": ratio_high,
        "lambda_gc": fit.lambda_gc,
        "mean_chi2": fit.mean_chi2,
    }
    if factor != 1:
        ends = ("", "_se", "_lower", "_upper")
        out |= {f"h2_liability{end}": factor * out[f"h2{end}"] for end in ends}
    return out


def enriched(fit: PerAnnotation, partition: Partition | None) -> Estimate:
    """(A,) enrichment of annotations, which overlap where there is a partition."""
    if partition is not None:
        return partition.enrichment
    return fit.proportion.through(np.diag(1 / fit.share_of_variants))


def by_annotation(
    fit: PerAnnotation, partition: Partition | None, like_ldsc: bool, factor: float = 1.0
) -> dict[str, Array]:
    """What is reported by annotation, (A,) each; `factor` as of `numbers_of`."""
    blocks = len(fit.fit.edges) - 1
    out = {
        "coef": fit.coefficient.value,
        "coef_se": fit.coefficient.error,
        "h2_category": fit.category.value,
        "h2_category_se": fit.category.error,
        "m": fit.m,
    }
    if factor != 1:
        out |= {
            "h2_category_liability": factor * fit.category.value,
            "h2_category_liability_se": factor * fit.category.error,
        }
    found = enriched(fit, partition)
    if partition is None:
        return out | {
            "share_of_variants": fit.share_of_variants,
            "proportion": fit.proportion.value,
            "proportion_se": fit.proportion.error,
            "enrichment": found.value,
            "enrichment_se": found.error,
        }
    return out | {
        "share_of_variants": partition.share_of_variants,
        "proportion": partition.proportion.value,
        "proportion_se": partition.proportion.error,
        "enrichment": found.value,
        "enrichment_se": found.error,
        "enrichment_p": partition.tests(blocks, like_ldsc),
        "tau_star": partition.tau_star.value,
        "tau_star_se": partition.tau_star.error,
    }


def annotation_rows(
    one: OneTrait, partition: Partition | None, like_ldsc: bool, factor: float = 1.0
) -> list[dict[str, Any]]:
    """A row an annotation."""
    found = by_annotation(one.fit, partition, like_ldsc, factor)
    return [
        {"trait": one.trait.name, "annotation": name, **{k: v[i] for k, v in found.items()}}
        for i, name in enumerate(one.scores.annotations)
    ]


def numbers_of_pair(pair: PairFit) -> dict[str, float]:
    """What is reported of a pair."""
    both = pair.fit.covariance
    rg, error, z, p = pair.fit.tested
    low, high = correlated(pair.fit.joint, PROB)
    return {
        "rg": rg,
        "rg_se": error,
        "rg_z": z,
        "rg_p": p,
        "rg_lower": low,
        "rg_upper": high,
        "gencov": float(both.total.value[0]),
        "gencov_se": float(both.total.error[0]),
        "intercept_gencov": both.fit.at,
        "intercept_gencov_se": np.nan
        if both.fit.intercept is None
        else float(both.fit.intercept.error[0]),
        "n_common": both.n_variants,
    }


def pair_rows(many: ManyTraits, factors: Sequence[float]) -> list[dict[str, Any]]:
    """A row a pair, with each trait's own heritability."""
    out = []
    known: dict[int, dict[str, float]] = {}  # of a trait, that each of its pairs repeats
    for pair in many.pairs:
        row: dict[str, Any] = {
            "p1": many.traits[pair.i].name,
            "p2": many.traits[pair.j].name,
            **numbers_of_pair(pair),
        }
        for k, (fit, at) in enumerate(
            ((pair.fit.first, pair.i), (pair.fit.second, pair.j)), start=1
        ):
            if id(fit) not in known:
                known[id(fit)] = numbers_of(fit, factors[at])
            row |= {f"{name}_{k}": v for name, v in known[id(fit)].items()}
        scale = float(np.sqrt(factors[pair.i] * factors[pair.j]))
        if scale != 1:
            row |= {
                name.replace("gencov", "gencov_liability"): scale * row[name]
                for name in ("gencov", "gencov_se")
            }
        out.append(row)
    return out
