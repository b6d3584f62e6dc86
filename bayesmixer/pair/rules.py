"""When an estimate of two traits should not be trusted, in the form of
bayesmixer.reporting.trust's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import xarray as xr

from bayesmixer.facts import data_attributes, read_json
from bayesmixer.interval import interval
from bayesmixer.pair.along_overlap import along, excess_of
from bayesmixer.pair.cards import FROM_NOTHING
from bayesmixer.pair.ends import GROUP, LEAST
from bayesmixer.pair.prediction import draws_of, names_of
from bayesmixer.pair.statements import CLEAR
from bayesmixer.style import INTERVAL, TAILS, as_count, as_interval, as_number
from bayesmixer.variables import evaluated

Said = Iterator[tuple[Literal["stop", "caution", "note"], str, str]]

FEW_SD = 2.0  # of h2 from 0
SAME_GWAS = 0.9  # |rho_0|
FEW_PEOPLE = 50_000
NEARLY_INFINITESIMAL = 0.3  # pi
SOME_DRAWS = 0.05
WIDE = 0.75  # of the possible overlap, that the 90% interval spans; under the prior 0.9
TELLING = 3.0  # units of log-likelihood: a Bayes factor of 20
GROWTH = 2.5  # power of N by which the loss at an end grows (docs/methods/bivariate.md)
ONE_BLOCK = 0.2  # of what all LD blocks have of both traits in common
SEEN_IN_ONE = 0.2  # of the weight
WHOLE_REFERENCE = 5_000_000  # variants of a panel that holds most common ones
NEAR = 1_000_000  # base pairs between loci that count as one
REJECTS = 0.05  # p of the score test of what a Bayes factor denies


def unpowered(results: xr.DataTree, data: xr.Dataset | None) -> Said:
    """Overlap is of two traits' causal variants: each trait must show some."""
    for k, name in enumerate(names_of(results)):
        h2 = draws_of(results, "h2", k)
        if len(h2) > 1 and h2.mean() < FEW_SD * h2.std():
            yield (
                "stop",
                f"The heritability of {name} cannot be told from zero ({INTERVAL:.0%} interval "
                f"{as_interval(*np.quantile(h2, TAILS))}): nothing can be said of what it shares.",
                f"Use a larger study of {name}; read neither rg nor overlap of this pair.",
            )
        if data is None:
            continue
        n = np.asarray(data["n"], float)[evaluated(data), k]
        if (middle := float(np.nanmedian(n))) < FEW_PEOPLE:
            yield (
                "caution",
                f"The median N of {name} is {as_count(middle)}, below {as_count(FEW_PEOPLE)}: "
                "its effects are rarely strong enough to tell overlap from genetic correlation.",
                "Report rg, and the range of n_shared rather than its middle.",
            )


def polygenicity_near_one(results: xr.DataTree, data: xr.Dataset | None) -> Said:
    """Where nearly all variants are causal, all are shared whatever the biology."""
    if "pi" not in results["posterior"]:
        return
    pi = [draws_of(results, "pi", k) for k in (0, 1)]
    for name, one in zip(names_of(results), pi, strict=True):
        high = float(np.quantile(one, TAILS[1]))
        if high > NEARLY_INFINITESIMAL:
            yield (
                "caution",
                f"The interval of pi of {name} reaches {as_number(high)}, where the mixture can "
                "hardly be told from the infinitesimal model.",
                "Report rg; numbers of shared variants need a larger study.",
            )
    forced = float(np.mean(pi[0] + pi[1] > 1))
    if forced > SOME_DRAWS:
        yield (
            "caution",
            f"The two polygenicities sum to more than 1 in {forced:.0%} of the draws: overlap is "
            "then forced, whatever rg.",
            "Report rg, not overlap.",
        )


def overlap_not_identified(results: xr.DataTree, data: xr.Dataset | None) -> Said:
    """rg is known long before overlap is."""
    if "pi_shared_min" not in results["posterior"]:
        return
    e = excess_of(results)
    low, high = np.quantile(e, TAILS)
    if len(e) == 1 or high - low < WIDE:
        return
    shared = interval(draws_of(results, "n_shared"), INTERVAL, FROM_NOTHING)
    yield (
        "caution",
        f"Overlap is hardly identified: {as_interval(*shared)} variants are shared, from "
        f"{low:.0%} to {high:.0%} of the way from the least that rg requires to complete overlap "
        "(under the prior alone, 5% to 95%).",
        f"Report rg and this range.{_larger(results)}",
    )


def _larger(results: xr.DataTree) -> str:
    """How much larger the studies would have to be, by what the likelihood loses at the ends."""
    group = along(results)
    if group is None:
        return ""
    height = group["log_marginal_scaled"].to_numpy()
    lost = max(float(min(height.max() - height[0], height.max() - height[-1])), 0.05)
    if lost >= TELLING:
        return ""
    factor = (TELLING / lost) ** (1 / GROWTH)
    return (
        f" Samples about {as_number(factor)} times as large would tell it from both ends, which "
        f"today cost {as_number(lost)} units of log-likelihood."
    )


def claimed_by_shape_alone(results: xr.DataTree, data: xr.Dataset | None) -> Said:
    """A Bayes factor trusts the model; where the robust test does not follow, regions in which both
    traits are dense would look the same (docs/evidence/coverage_pairs.md, misfits).
    """
    if GROUP not in results.children:
        return
    group = results[GROUP].to_dataset()
    probability = float(group[f"p_{LEAST.statement}"])
    p = float(group[f"score_p_{LEAST.statement}"])
    if probability >= CLEAR and p > REJECTS:
        yield (
            "caution",
            f"{LEAST.claim} is claimed by the Bayes factor (probability {probability:.2g}) and not "
            f"by the score test (p = {as_number(p)}), which trusts the model less: regions where "
            "both traits have many causal variants would look the same.",
            "Report the claim with this doubt; larger studies decide.",
        )


def shared_samples(results: xr.DataTree, data: xr.Dataset | None) -> Said:
    """|rho_0| is at most sqrt(N_small / N_large): all people of the smaller study in the larger,
    and one phenotype.
    """
    rho = draws_of(results, "rho_0")
    low, high = np.quantile(rho, TAILS) if len(rho) > 1 else (rho[0], rho[0])
    least = 0.0 if low * high <= 0 else float(min(abs(low), abs(high)))
    if least > SAME_GWAS:
        yield (
            "stop",
            f"rho_0 is {as_number(float(np.median(rho)))}: the errors of the two z-scores are "
            "nearly the same, as of one GWAS given twice.",
            "Check that the two files are of two traits.",
        )
        return
    if data is None:
        return
    n = np.nanmedian(np.asarray(data["n"], float)[evaluated(data)], axis=0)
    most = float(np.sqrt(n.min() / n.max()))
    if least > most:
        yield (
            "caution",
            f"rho_0 is {as_number(float(np.median(rho)))} ({as_interval(low, high)}), more than "
            f"{as_number(most)}, which N of {as_count(n[0])} and {as_count(n[1])} allow if all "
            "people were shared and the phenotypes one.",
            "Check both N, and whether one of the files was made by MTAG, genomic SEM or a "
            "meta-analysis with the other.",
        )


def dominated(results: xr.DataTree, data: xr.Dataset | None) -> Said:
    """One locus that is strong in both traits may decide what they share."""
    attrs = data_attributes(results)
    loci = read_json(attrs.get("dominant_loci"), [])
    names = names_of(results)
    one, two = ([x for x in loci if x.get("trait") == name] for name in names)
    common = [
        x
        for x in one
        if any(x["chrom"] == y["chrom"] and abs(x["pos"] - y["pos"]) < NEAR for y in two)
    ]
    if common and attrs.get("dominant") != "exclude":
        where = ", ".join(f"{x['chrom']}:{x['pos']} ({x['snp']})" for x in common[:3])
        yield (
            "caution",
            f"A locus dominates both traits and was kept ({where}): it alone may make rg and "
            "overlap.",
            "Align with dominant='exclude' (--dominant exclude), and compare.",
        )
        return
    if data is None:
        return
    share, label, place = largest_part(data, float(np.median(draws_of(results, "rho_0"))))
    if share > ONE_BLOCK:
        yield (
            "caution",
            f"LD block {label} ({place}) holds {share:.0%} of what the z-scores of both traits "
            "have in common: it may decide rg and overlap.",
            "Leave it out (exclude_regions of align), and compare.",
        )


def largest_part(data: xr.Dataset, rho_0: float) -> tuple[float, int, str]:
    """Share of one LD block in the sum of |weighted z1 z2, less what shared samples give| over the
    blocks; its label, and where it lies.
    """
    rows = evaluated(data)
    z = np.asarray(data["z"], float)[rows]
    product = np.where(np.isfinite(z).all(axis=1), z.prod(axis=1) - rho_0, 0.0)
    label = np.asarray(data["ld_block"])[rows]
    _, block = np.unique(label, return_inverse=True)
    part = np.abs(np.bincount(block, np.asarray(data["weight"], float)[rows] * product))
    most = int(np.argmax(part))
    here = rows[block == most]
    pos = np.asarray(data["pos"])[here]
    place = f"{data['chrom'].values[here[0]]}:{pos.min()}-{pos.max()}"
    return float(part[most] / max(part.sum(), 1e-300)), int(label[block == most][0]), place


def one_set_of_weights(results: xr.DataTree, data: xr.Dataset | None) -> Said:
    """Weights serve both traits, and what one of them lacks tells nothing of both."""
    if data is None:
        return
    rows = evaluated(data)
    seen, w = np.isfinite(data["z"].values[rows]), data["weight"].values[rows]
    for k, name in enumerate(names_of(results)):
        lacking = float(w @ ~seen[:, k] / w.sum())
        if lacking > SEEN_IN_ONE:
            yield (
                "note",
                f"{lacking:.0%} of the weight lies on variants that {name} lacks: one set of "
                "weights, pruned among the variants of both, serves both traits.",
                "Compare with join='inner', where all variants tell of overlap.",
            )


def numbers_not_shares(results: xr.DataTree, data: xr.Dataset | None) -> Said:
    """pi is a share of the panel's variants, numbers hardly depend on the panel."""
    m = data_attributes(results).get("n_reference")
    if m is not None and float(m) < WHOLE_REFERENCE and "n_shared" in results["posterior"]:
        yield (
            "note",
            f"The reference holds {as_count(float(m))} variants, part of those that people carry: "
            "pi and pi_shared are shares of these.",
            "Report numbers (n_causal, n_shared, Dice), not pi.",
        )


RULES = (
    unpowered,
    polygenicity_near_one,
    overlap_not_identified,
    claimed_by_shape_alone,
    shared_samples,
    dominated,
    one_set_of_weights,
    numbers_not_shares,
)
LOOKS_AT = (
    "power of both traits; polygenicity near 1; whether overlap is identified, and claimed by the "
    "Bayes factor alone; shared samples against N; loci that dominate both; weights and reference"
)
"""What the rules look at, in words."""
