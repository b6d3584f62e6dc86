"""The families of checks: each a conditional moment test (`moment_tests`) or a fact about the fit
and its data, with a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayesmixer.card import View
from bayesmixer.checks.moment_tests import (
    ABSORBED,
    Statistic,
    levels,
    stratum_scores,
)
from bayesmixer.checks.moments import (
    BINS,
    TAILS,
    Floats,
    Moments,
    Point,
    effective_blocks,
)
from bayesmixer.checks.strata import Strata
from bayesmixer.facts import read_json
from bayesmixer.identity import of_trait
from bayesmixer.jackknife import spread
from bayesmixer.style import as_number
from bayesmixer.wings import card_of, offers

FEWEST_BLOCKS = 20
FEWEST_BEYOND = 10.0  # summed weights that must be expected beyond |z| for a threshold to count
NOTABLE, LOCUS = 4.0, 500_000  # |z| and distance by which variants are counted to one locus
FEWEST_FREQUENCIES = 1000
_FILTERS = "check the file's filters"
# allele frequencies: share that differs by 0.2, and their correlation; continents differ by far
# more, cohorts by less
DIFFERING, ALIKE = 0.01, 0.95
MISSING = 0.5  # share of the GWAS's variants that the reference lacks


class Row(NamedTuple):
    """One check: statistic, its degrees of freedom, p (nan: a fact, no test), sentence if flagged,
    and whether a fact flags it.
    """

    name: str
    statistic: float
    df: float
    p: float
    words: str
    fact: bool = False


@dataclass(frozen=True)
class Context:
    """What a family of checks may look at: the fit, its data, the moments of one of the model's
    views and their strata, the model and its mode `x`, the range of inflation that was asked for,
    the view and, where it is of one, its trait.
    """

    results: xr.DataTree
    data: xr.Dataset
    moments: Moments
    strata: Strata
    point: Point
    x: Floats
    inflation: tuple[float, float] | None
    view: View
    trait: str | None

    @property
    def there(self) -> xr.Dataset:
        """What the model reports at the mode `x`."""
        return self.point.there(self.x)

    def slope(self, of: Callable[[xr.Dataset], float]) -> Floats:
        """(P,) derivative at the mode of a function of what the model reports."""
        return self.point.slope(of, self.x)


def pit_shape(c: Context) -> Iterator[Row]:
    """All variants together: is u uniform?"""
    sums = levels(c.moments).summed(np.ones((1, c.moments.weight.shape[1])))
    usual = "check the reference's ancestry and the file's filters"
    words = (
        f"The fitted distribution of |z| has another shape than the data's: {_ends(c)}; "
        f"{_richer(c)}{c.view.deed or usual}."
    )
    yield Row("PIT, all variants", *sums.test(), words)


def _ends(c: Context) -> str:
    """How many variants lie at both ends of |z|, against the fit's prediction, and what makes it
    so.
    """
    small, large = (
        float(1 + BINS * c.moments.share[:, :, k].sum() / c.moments.weight.sum()) for k in (0, -1)
    )
    where = "its 90% quantile"
    if ratios := beyond_expected(c):
        large, where = ratios[-1][1], f"|z| {ratios[-1][0]:g}"
    return (
        f"{as_number(small)} times as many variants as predicted have a |z| below its 10% "
        f"quantile, {as_number(large)} times as many one beyond {where}: {_cause(c, large)}"
    )


def _cause(c: Context, beyond: float) -> str:
    """What makes so many times as many large |z| as predicted, beside what the smallest are."""
    if c.view.causes:
        return c.view.causes
    if beyond > 1:
        return (
            "effects of more scales than the model has, single loci, or LD that the reference does "
            "not have"
        )
    missing = "strong associations that are missing from the file, or |z| that was capped"
    fewer = "effects of fewer variants, or of more scales, than the model has, "
    return (fewer if c.moments.share[:, :, 0].sum() > 0 else "") + missing


def beyond_expected(c: Context) -> list[tuple[float, float]]:
    """(|z|, weighted number of variants beyond it over the expected), of the thresholds with enough
    variants, seen or expected.
    """
    m = c.moments
    expected = m.expected_beyond.sum(axis=0)
    seen = expected + m.beyond.sum(axis=(0, 1))
    return [
        (t, float(s / max(e, 1e-12)))
        for t, e, s in zip(TAILS, expected, seen, strict=True)
        if max(e, s) >= FEWEST_BEYOND
    ]


def _richer(c: Context) -> str:
    """Advice to fit the model that is richer by one step, where there is one."""
    card = card_of(c.results)
    return f"try {card.richer}, and " if card is not None and card.richer else ""


CAUSES = {
    "ld_score": "LD scores of another population or of a reference with too few variants, effects "
    "that depend on LD, or inflation that grows with LD; use a reference of the study's ancestry "
    "with all its variants",
    "maf": "effects whose size depends on allele frequency (S), rare variants of poor "
    "imputation, or another ancestry's frequencies; raise the MAF filter, or align with another S",
    "n": "sample sizes that are wrong for some of the variants, or cohorts of other quality; "
    "correct the column N or keep variants of one N",
}


def several(c: Context, traits: tuple[int, ...]) -> Iterator[tuple[str, list[str], str, Floats]]:
    """Quantities with several strata, of traits at these positions: name, labels, causes, and the
    cells (S, C) of each stratum.
    """
    for quantity in sorted(c.strata.of_traits(traits)):
        labels = c.strata.labels[quantity]
        if len(labels) > 1:
            yield (
                c.strata.names[quantity],
                labels,
                CAUSES.get(quantity, CAUSES["n"]),
                np.equal.outer(np.arange(len(labels)), c.strata.of_cell[quantity]).astype(float),
            )


def pit_strata(c: Context) -> Iterator[Row]:
    """By LD score, MAF and N: do level and spread of u differ between strata?"""
    total = c.moments.weight.sum(axis=0)
    for name, labels, causes, join in several(c, c.view.traits):
        # against what all variants show: their common misfit is the row above
        contrast = join - (join @ total / total.sum())[:, None]
        sums = levels(c.moments, 2).summed(contrast, join)
        z = sums.z[::2]
        worst = int(np.argmax(np.abs(z)))
        words = (
            f"|z| is mostly {'larger' if z[worst] > 0 else 'smaller'} than the fit predicts where "
            f"{labels[worst]} ({as_number(abs(z[worst]))} standard errors, against the other "
            f"strata of {name}): {causes}."
        )
        yield Row(f"PIT by {name}", *sums.test(), words)


def scores_by_stratum(c: Context) -> Iterator[Row]:
    """By LD score, MAF and N: would the likelihood of one stratum alone choose another value of the
    parameters that the wing names, or of any (Rao's score test)?
    """
    known, tested = offers(c.results, "stratum_scores"), c.point.parameters
    if known and any(of.name in known for of in tested):
        tested = [of for of in tested if of.name in known]
    everything = tuple(range(c.point.bound.data.sizes["trait"]))
    for name, labels, causes, join in several(c, everything):
        entries = [of.entry for of in tested]
        sums = stratum_scores(c.moments.whole, entries).summed(join)
        z = sums.z.reshape(len(labels), len(tested))
        stratum, parameter = np.unravel_index(int(np.argmax(np.abs(z))), z.shape)
        found = float(z[stratum, parameter])
        words = (
            f"{tested[parameter].said(known)} would be {'larger' if found > 0 else 'smaller'} "
            f"where {labels[stratum]} if these variants alone were fitted "
            f"({as_number(abs(found))} standard errors): {causes}."
        )
        yield Row(f"score by {name}", *sums.test(), words)


def pit_cells(c: Context) -> Iterator[Row]:
    """The worst cell of MAF x LD score x N, by Bonferroni."""
    from scipy.special import stdtr

    names, join = c.strata.crossed(c.strata.of_traits(c.view.traits))
    if len(names) < 2:
        return
    sums = levels(c.moments, 1).summed(join)
    weight = c.moments.weight @ join.T
    df = np.array([effective_blocks(w[:, None]) for w in weight.T]) - sums.lost
    # few blocks in a cell make a standard error of nothing
    use = (df >= FEWEST_BLOCKS - sums.lost) & (
        np.diag(spread(sums.adjusted)) > ABSORBED * np.diag(spread(sums.raw))
    )
    if not use.any():
        return
    z = np.where(use, sums.z, 0.0)
    p_each = np.where(use, 2 * stdtr(np.maximum(df - 1, 1), -np.abs(z)), 1.0)
    worst = int(np.argmin(p_each))
    p = min(1.0, float(p_each[worst]) * int(use.sum()))
    words = (
        f"|z| is mostly {'larger' if z[worst] > 0 else 'smaller'} than the fit predicts where "
        f"{names[worst]} ({as_number(abs(z[worst]))} standard errors): the pattern over "
        "strata is in plot_pit_strata; check sample sizes, allele frequencies and the reference "
        "there."
    )
    yield Row("PIT, worst stratum", float(abs(z[worst])), 1, p, words)


def tail(c: Context) -> Iterator[Row]:
    """QQ: are as many variants beyond |z| 3, 4 and 5.45 as predicted?"""
    expected = c.moments.expected_beyond.sum(axis=0)
    use = np.flatnonzero(expected >= FEWEST_BEYOND)
    if not len(use):
        return
    m = c.moments
    # counts beyond the farther of two thresholds are what both share
    far = m.expected_beyond[:, np.maximum.outer(use, use)]
    counts = Statistic(
        m.whole,
        m.weight,
        m.thinning,
        m.beyond[:, :, use],
        m.d_beyond[:, use],
        m.thinning[:, None, None] * far,
    )
    sums = counts.summed(np.ones((1, m.weight.shape[1])))
    ratios = beyond_expected(c)
    shown = ", ".join(f"{as_number(ratio)} times as many beyond {t:g}" for t, ratio in ratios)
    # what to do about more large |z| than predicted, by the model's wing
    against = offers(c.results, "against_tails")
    deed = against(c.results) if against is not None and ratios[-1][1] > 1 else ""
    deed = f"{_richer(c)}{c.view.deed or deed or _FILTERS}"
    words = (
        f"The number of large |z| is not the predicted one ({shown}): "
        f"{_cause(c, ratios[-1][1])}; {deed}."
    )
    yield Row("QQ, tail", *sums.test(), words)


def largest(c: Context) -> Iterator[Row]:
    """QQ: may the largest |z| be as small as it is? The number of loci beyond it is Poisson; a
    locus holds as much weight as those seen do. A file is of one trait.
    """
    expected = c.moments.expected_beyond_largest
    if not np.isfinite(expected) or len(c.view.traits) > 1:
        return
    loci = expected / _weight_of_locus(c.point.bound.data.isel(trait=[*c.view.traits]))
    words = (
        f"No |z| lies beyond {c.moments.largest:.3g}, where the fit expects {as_number(expected)} "
        "variants: strong associations are missing from the file, or |z| was capped, so that "
        "heritability is too small; check the file's filters, and use one with all variants."
    )
    yield Row("QQ, largest |z|", expected, 1, float(np.exp(-loci)), words)


def _weight_of_locus(data: xr.Dataset) -> float:
    """Mean summed weight of the variants beyond |z| 4 that lie within 500 kb of each other; 1 at
    least.
    """
    weight = np.asarray(data["weight"], float)
    rows = np.flatnonzero((weight > 0) & (np.abs(np.asarray(data["z"], float)[:, 0]) > NOTABLE))
    if not len(rows) or "pos" not in data:
        return 1.0
    pos, block = np.asarray(data["pos"], float)[rows], np.asarray(data["ld_block"])[rows]
    loci = 1 + int(np.sum((np.abs(np.diff(pos)) > LOCUS) | (np.diff(block) > 0)))
    return max(1.0, float(weight[rows].sum()) / loci)


def _overlap(c: Context) -> dict[str, float]:
    """What `align` counted of the trait; empty where the data were not made by it."""
    overlap = read_json(c.data.attrs.get("overlap"), {})
    by_trait = of_trait(overlap.get("traits", []) if isinstance(overlap, dict) else [], c.trait)
    return by_trait[0] if len(by_trait) == 1 else {}


def reference(c: Context) -> Iterator[Row]:
    """A fact: how much of the GWAS the reference lacks."""
    one = _overlap(c)
    inside, found = one.get("on_reference_chromosomes"), one.get("in_reference")
    if not inside or found is None:
        return
    missing = max(0.0, 1 - float(found) / float(inside))
    words = (
        f"The reference lacks {missing:.0%} of the GWAS's variants: their effects reach the others "
        "through LD that it does not count; use a reference with all common variants."
    )
    yield Row("reference's variants", missing, np.nan, np.nan, words, missing > MISSING)


def ancestry(c: Context) -> Iterator[Row]:
    """A fact: how many allele frequencies of the GWAS differ from the reference's by more than
    0.2.
    """
    one = _overlap(c)
    compared = float(one.get("frequencies_compared", 0))
    if compared < FEWEST_FREQUENCIES or "frequencies_differ" not in one:
        return
    differ = float(one["frequencies_differ"]) / compared
    r = float(one.get("frequency_correlation", 1.0))
    words = (
        f"{differ:.1%} of the GWAS's allele frequencies differ from the reference's by more than "
        f"0.2 (correlation {r:.2f}): the reference is of another ancestry, and so is its LD, or "
        "frequencies are of the other allele; use a reference of the study's ancestry."
    )
    yield Row(
        "reference's ancestry", differ, np.nan, np.nan, words, differ > DIFFERING or r < ALIKE
    )


Family = Callable[[Context], Iterator[Row]]
OF_FIT: tuple[Family, ...] = (pit_shape, pit_strata, pit_cells, scores_by_stratum, tail, largest)
OF_DATA: tuple[Family, ...] = (reference, ancestry)
OF_MODEL: tuple[Family, ...] = (scores_by_stratum,)
"""Those that look at the model as a whole, and not at one of its views."""


def rows(contexts: list[Context]) -> Iterator[Row]:
    """The checks of a fit, from what its views see: those of any fit, its wing's own, and facts
    about the data; where there are several views, rows and sentences say of which they are.
    """
    for family in OF_FIT:
        for c in contexts[:1] if family in OF_MODEL else contexts:
            yield from _labelled(c, family)
    for own in offers(contexts[0].results, "families") or ():
        yield from (Row(*row) for row in own(contexts[0]))
    for family in OF_DATA:
        for c in contexts:
            if len(c.view.traits) == 1:
                yield from _labelled(c, family)


def _labelled(c: Context, family: Family) -> Iterator[Row]:
    for row in family(c):
        if not c.view.label or family in OF_MODEL:
            yield row
        else:
            yield of_view(c.view.label, row)


def of_view(label: str, row: Row) -> Row:
    """A row that names its view."""
    words = row.words if row.words[:2].isupper() else row.words[0].lower() + row.words[1:]
    return row._replace(name=f"{label}: {row.name}", words=f"{label}: {words}")
