"""One trait from its files to heritability: which variants take part, and by which rules."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmixer.arguments import choice
from bayesmixer.errors import DataWarning, InputError
from bayesmixer.io.ld_score_files import LDScores
from bayesmixer.jackknife import Estimate
from bayesmixer.ldsc.heritability import CUT, Heritability, heritability
from bayesmixer.ldsc.intervals import heritable
from bayesmixer.ldsc.panel import Index, Panel, read_panel, rows_in
from bayesmixer.ldsc.regression import pieces
from bayesmixer.ldsc.traits import Origin, Trait, read_trait

Array = NDArray[np.float64]

FEW = 200_000  # variants, below which estimates are rough
FEWEST = 100  # and below which there is none
CONDITION = 1e5  # of the LD scores, above which annotations cannot be told apart
HUGE = 80.0  # chi-squared that a variant may have where there are annotations, N permitting
MANY = 20.0  # blocks, from which variants beyond the cut of two steps are no few loci
SURE = 1e-5  # p, below which one step and two differ
UPDATES = 2
BLOCKS = ("count", "position")


@dataclass(frozen=True)
class Counts:
    """Variants left after each step, as LDSC prints them."""

    sumstats: int
    reference: int
    weights: int
    with_reference: int
    with_weights: int
    cut: float | None = None
    beyond_cut: int = 0


@dataclass(frozen=True)
class OneTrait:
    """A trait's regression.

    Attributes
    ----------
    trait
        Where it is from.
    scores
        LD scores with the annotations that took part.
    m
        (A,) variants of each.
    fit
        Heritability.
    counts
        Variants left after each step.
    two_step
        The cut-off of the first of two steps, None where there was one step.
    without_strong
        Heritability without variants of chi-squared of 30 or more, where one has 80 or more: a few
        loci may hold much of it.
    once
        Heritability in one step, by the same blocks, where variants that the first of two steps
        leaves out lie in many blocks: they are then no few loci.
    aside
        Heritability in two steps, where `fit` is that of one because the cut bends it.
    """

    trait: Origin
    scores: LDScores
    m: Array
    fit: Heritability
    counts: Counts
    two_step: float | None
    without_strong: Heritability | None = None
    once: Heritability | None = None
    aside: Heritability | None = None


def chosen_m(scores: LDScores, m: Any) -> Array:
    """(A,) numbers of variants: M or M_5_50 of the files, or given.

    Raises
    ------
    InputError
        Neither, or the files lack them.
    """
    if isinstance(m, str):
        if m not in ("M", "M_5_50"):
            raise InputError("m", f"{m!r}, expected M_5_50, M, or numbers")
        found = scores.count(m)
    else:
        found = np.atleast_1d(np.asarray(m, float))
    if found.shape != (len(scores.names),) or not np.isfinite(found).all():
        told = f"{np.array2string(found, threshold=5)}, expected {len(scores.names)} numbers"
        raise InputError("m", f"{told}, one an annotation")
    return found


def informative(panel: Panel, m: Any, invert_anyway: bool) -> tuple[LDScores, Array, Array]:
    """Annotations whose LD scores vary, with their M, and LD scores (J, A) of the panel.

    Raises
    ------
    InputError
        None vary, or they are too nearly dependent.
    """
    scores, ld = panel.scores, panel.ld
    total = chosen_m(scores, m)
    square, vary = np.zeros((ld.shape[1],) * 2), np.zeros(ld.shape[1], bool)
    for part in pieces(len(ld)):
        here = ld[part]
        vary |= (here != ld[0]).any(axis=0)
        square += here.T @ here
    if not vary.any():
        raise InputError(scores.source, "LD scores do not vary", "Give those of all variants.")
    if not vary.all():
        kept = np.flatnonzero(vary)
        scores, ld, total = scores.of_annotations(kept), ld[:, kept], total[kept]
    # a sum over values of a continuous annotation may be negative
    if not total.all() or total.sum() <= 0:
        told = f"0 variants of annotation {scores.annotations[int(np.argmin(np.abs(total)))]}"
        told = f"{total.sum():g} variants in all" if total.all() else told
        raise InputError("m", f"{told}, expected more", "Count all variants (m='M')?")
    if ld.shape[1] > 1 and not invert_anyway:
        value = np.linalg.eigvalsh(square[np.ix_(vary, vary)])
        condition = np.sqrt(value[-1] / max(value[0], value[-1] * 1e-30))
        if condition > CONDITION:
            raise InputError(
                scores.source,
                f"LD scores of the annotations have condition number {condition:.2g}, expected at "
                f"most {CONDITION:.0e}: some add up to others",
                "Leave out one of them, or give invert_anyway=True.",
            )
    return scores, ld, total


def rows_of(trait: Trait, panel: Panel) -> tuple[Index, int]:
    """(J,) place of each variant of a panel in a trait, -1 where it is not, and how many of the
    trait's have an LD score of the reference.

    Raises
    ------
    InputError
        None is there.
    """
    snp = panel.scores.snp
    found = rows_in(snp, trait.snp)
    here = int((found >= 0).sum())
    found = found if panel.whole else found[panel.rows]
    if not (found >= 0).any():
        raise InputError(
            trait.source,
            f"none of its {len(trait):,} variants has an LD score: {trait.snp[0]} here, "
            f"{snp[0]} there",
            "Give both the same identifiers (rs numbers).",
        )
    return found, here


def step_of(two_step: Any, annotations: int, intercept: float | None) -> float | None:
    """Cut-off of the first of two steps, None for one step.

    Raises
    ------
    InputError
        It is no number above 0, or the intercept is fixed or there are annotations.
    """
    if isinstance(two_step, str):
        if two_step != "auto":
            raise InputError("two_step", f"{two_step!r}, expected auto, None or a number")
        return CUT if annotations == 1 and intercept is None else None
    if two_step is None or two_step is False:
        return None
    cut = number("two_step", two_step)
    assert cut is not None
    if intercept is not None or annotations > 1:
        raise InputError(
            "two_step",
            f"{cut:g} with {'a fixed intercept' if intercept is not None else 'annotations'}, "
            "expected None: the first step finds the intercept of one annotation",
        )
    return cut


def number(name: str, value: Any, above: float = 0.0) -> float | None:
    """A finite number above a bound, or None.

    Raises
    ------
    InputError
        It is another thing.
    """
    if value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = np.nan
    if not (np.isfinite(found) and found > above):
        bound = f"number above {above:g}" if np.isfinite(above) else "finite number"
        raise InputError(name, f"{value!r}, expected a {bound}")
    return found


def one_trait(
    sumstats: Any,
    ref_ld: Any,
    w_ld: Any = None,
    *,
    like_ldsc: bool = False,
    intercept: float | None = None,
    two_step: Any = "auto",
    chisq_max: float | None = None,
    n_blocks: int = 200,
    blocks: str = "count",
    m: Any = "M_5_50",
    invert_anyway: bool = False,
) -> OneTrait:
    """Heritability of a trait; arguments and errors as of `bayesmixer.ldsc.h2`."""
    panel = ref_ld if isinstance(ref_ld, Panel) else read_panel(ref_ld, w_ld)
    trait = read_trait(sumstats)
    found, here = rows_of(trait, panel)
    scores, ld, total = informative(panel, m, invert_anyway)
    choice("blocks", blocks, BLOCKS)
    cuts = None
    if blocks == "position":
        cuts = panel.cuts_by_position(whole("n_blocks", n_blocks, 2))
    rows = np.flatnonzero(found >= 0)
    own, origin = (
        trait.at(found[rows]),
        Origin(trait.name, trait.source, len(trait), here, len(rows)),
    )
    return on_rows(
        origin, own.z, own.n, rows, panel, scores, ld, total,
        like_ldsc=like_ldsc, intercept=intercept, two_step=two_step, chisq_max=chisq_max,
        n_blocks=n_blocks, cuts=cuts,
    )  # fmt: skip


def on_rows(
    origin: Origin,
    z: Array,
    n: Array,
    rows: Index,
    panel: Panel,
    scores: LDScores,
    ld: Array,
    total: Array,
    *,
    like_ldsc: bool,
    intercept: float | None,
    two_step: Any,
    chisq_max: float | None,
    n_blocks: int,
    cuts: NDArray[np.intp] | None = None,
) -> OneTrait:
    """Heritability of a trait with z and n (V,) of the `rows` (V,) of a panel; blocks cut before
    the panel's rows `cuts` (B + 1,) where given.
    """
    annotations = ld.shape[1]
    intercept = None if intercept is None else number("intercept", intercept, -np.inf)
    step = step_of(two_step, annotations, intercept)
    chi2 = z * z
    cut = number("chisq_max", chisq_max)
    if cut is None and annotations > 1:
        cut = max(0.001 * float(n.max()), HUGE)
    if cut is not None:
        kept = chi2 < cut
        rows, chi2, n = rows[kept], chi2[kept], n[kept]
    need = max(FEWEST, 2 * annotations)
    blocks = whole("n_blocks", n_blocks, 2)
    if len(rows) < need:
        raise InputError(
            origin.source,
            f"{len(rows)} variants with LD scores{'' if cut is None else f' and chi2 < {cut:g}'}, "
            f"expected at least {need}, and many more for a result",
            "Are they those of the same build and naming?",
        )
    if step is not None and (first := np.count_nonzero(chi2 < step)) < need:
        raise InputError(
            "two_step",
            f"{first} variants of chi-squared below {step:g} in {origin.source}, expected at least "
            f"{need}: they alone find the intercept",
        )
    if (largest := float(chi2.max())) == float(chi2.min()):
        told = f"every |z| is {np.sqrt(largest):g}" if largest else "every z is 0"
        raise InputError(origin.source, told, "Is the column of z the right one?")
    if len(rows) < FEW:
        warnings.warn(
            f"{origin.source}: {len(rows):,} variants with LD scores, expected at least {FEW:,}: "
            "estimates are rough",
            DataWarning,
            stacklevel=2,
        )

    def of(kept: Any, step: float | None = step, edges: Any = None) -> Heritability:
        at = rows[kept]
        every = len(at) == len(ld)
        return heritability(
            chi2[kept],
            ld,
            panel.weight if every else panel.weight[at],
            n[kept],
            total,
            intercept=intercept,
            two_step=step,
            n_blocks=blocks,
            edges=edges if cuts is None else np.searchsorted(at, cuts),
            rows=None if every else at,
            updates=0 if like_ldsc and annotations > 1 else UPDATES,
            by_first=like_ldsc,
        )

    fit = of(slice(None))
    many = scattered(chi2, step or CUT, fit.fit.edges) >= MANY
    strong = cut is None and not like_ldsc and largest >= HUGE
    counts = Counts(
        origin.n_read, len(panel.scores), panel.n_weights, origin.n_reference, origin.n_weights,
        cut, origin.n_weights - len(rows),
    )  # fmt: skip
    without = of(chi2 < CUT) if strong and not (many and step is None) else None
    once = of(slice(None), None, fit.fit.edges) if many and step is not None else None
    if once is not None and isinstance(two_step, str) and not like_ldsc and bends(fit, once):
        once = of(slice(None), None)  # with the blocks of one step
        return OneTrait(origin, scores, total, once, counts, None, aside=fit)
    return OneTrait(origin, scores, total, fit, counts, step, without, once)


def bends(two: Heritability, once: Heritability) -> bool:
    """Whether the cut of two steps leaves out what a polygenic trait of much power has where LD is
    high, so that the intercept is too high and h2 too low: surely other than in one step, by more
    than an error.
    """
    b, b_once = two.fit.intercept, once.fit.intercept
    assert b is not None and b_once is not None
    h2 = Estimate(once.total.value - two.total.value, once.total.without - two.total.without)
    raised = float(b.value[0] - b_once.value[0])
    small = h2.value[0] < two.total.error[0] and raised < float(b.error[0])
    return not small and bool(heritable(h2)[2] < SURE)


def scattered(chi2: Array, cut: float, edges: NDArray[np.intp]) -> float:
    """Effective number of the blocks between `edges` (B + 1,) that hold what variants of a
    chi-squared of `cut` and more have of it.
    """
    at = np.flatnonzero(chi2 >= cut)
    parts = np.bincount(np.searchsorted(edges, at, "right"), chi2[at])
    return float(parts.sum() ** 2 / max(float(parts @ parts), 1e-300))


def whole(name: str, value: Any, least: int) -> int:
    """A whole number of at least `least`.

    Raises
    ------
    InputError
        It is another thing.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(name, f"{value!r}, expected a whole number of at least {least}")
    return int(value)
