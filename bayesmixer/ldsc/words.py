"""What an LD score regression says, and what it does not: sentences on each result, with a remedy
where something is wrong.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from bayesmixer.ldsc.covariance import Pair
from bayesmixer.ldsc.heritability import Heritability
from bayesmixer.ldsc.intervals import correlated, heritable
from bayesmixer.ldsc.one_trait import bends

POWERED = 4.0  # z of heritability, below which rg is not read
LOW = 1.02  # mean chi-squared, below which there is hardly anything to regress
INFLATED = 0.2  # attenuation ratio
MOST = 1.0


class Said(NamedTuple):
    """A sentence about one subject, and what to do."""

    subject: str
    level: str
    """"note", or "caution" where a number is not to be read as it stands."""
    sentence: str
    remedy: str = ""


def of_trait(
    name: str,
    fit: Heritability,
    strong: Heritability | None = None,
    factor: float = 1.0,
    once: Heritability | None = None,
    aside: Heritability | None = None,
) -> list[Said]:
    """On a trait's heritability; `strong` is the fit without variants of large chi-squared,
    `factor` what makes h2 that of liability, `once` the fit in one step where variants beyond the
    cut of two are no few loci, `aside` that of two where one was taken therefore.
    """
    value, error = float(fit.total.value[0]), float(fit.total.error[0])
    low, high, p = heritable(fit.total)
    out = []
    seen = f"h2 {value:.3g} (standard error {error:.2g})"
    if value <= 0 or p > 0.05:
        weak = ""
        if fit.mean_chi2 < LOW:
            weak = f"The mean chi-squared of {fit.mean_chi2:.3f} leaves little to explain. "
        out.append(
            Said(
                name,
                "caution",
                f"no heritability seen: {seen}, 95% sure below {high:.3g}"
                + (f" ({factor * high:.3g} of liability)" if factor != 1 else ""),
                f"{weak}More samples would tell; check N, effect alleles, and that the LD "
                "scores are of the same ancestry.",
            )
        )
    elif value > MOST:
        out.append(
            Said(
                name,
                "caution",
                f"{seen} is above 1, which no trait can have",
                "N may be too small by a factor (cases alone, half the effective N), z-scores "
                "inflated beyond N, or a fixed intercept too low: check N and leave the intercept "
                "free.",
            )
        )
    else:
        told = f"{seen}, 90% interval {low:.3g} to {high:.3g}, p of none {p:.2g}"
        if factor != 1:
            told += (
                f"; on the liability scale {factor * value:.3g} (standard error "
                f"{factor * error:.2g}), {factor * low:.3g} to {factor * high:.3g}"
            )
        out.append(Said(name, "note", told))
    ratio, (low_ratio, high_ratio) = fit.ratio[0], fit.ratio_set()
    if fit.fit.intercept is not None:
        b, b_error = fit.fit.at, float(fit.fit.intercept.error[0])
        if b + 2 * b_error < 1:
            out.append(
                Said(
                    name,
                    "caution",
                    f"intercept {b:.3f} (standard error {b_error:.2g}) is below 1",
                    "The statistics were corrected (genomic control), or N is larger than was "
                    "used: ask for uncorrected ones.",
                )
            )
        elif not np.isfinite(low_ratio):
            told = (
                f"mean chi-squared {fit.mean_chi2:.3f} is not seen above 1: there is no telling "
                "what share of its inflation follows LD (the ratio is unbounded)"
            )
            out.append(Said(name, "note", told))
        elif value / error > 2:
            share = (
                f"{100 * ratio:.0f}% (90% set {100 * low_ratio:.0f}% to {100 * high_ratio:.0f}%)"
            )
            if low_ratio > INFLATED:
                out.append(
                    Said(
                        name,
                        "caution",
                        f"{share} of the inflation of chi-squared does not follow LD: confounding, "
                        "LD scores of another ancestry, or very large N",
                        "Compare panels; adjust for relatedness and principal components.",
                    )
                )
            else:
                told = f"{share} of the inflation of chi-squared does not follow LD"
                out.append(Said(name, "note", told))
    # loci raise h2 of two steps; many variants beyond the cut without that are a polygenic trait's
    few = once is None or value - float(once.total.value[0]) > error
    if strong is not None and few:
        away = float(strong.total.value[0]) - value
        if abs(away) > 2 * error:
            out.append(
                Said(
                    name,
                    "caution",
                    f"{fit.n_variants - strong.n_variants} variants of chi-squared above 30 move "
                    f"h2 from {float(strong.total.value[0]):.3g} to {value:.3g}",
                    "Report both: a few loci hold much of it (chisq_max=30). Or count each only as "
                    "exceeding it: 'bayesmixer fit h2 --censor 5.5'.",
                )
            )
    if aside is not None:
        out.append(_taken(name, fit, aside))
    return out if once is None else [*out, *of_cut(name, fit, once)]


POLYGENIC = (
    "{:,} variants beyond the cut of two steps are what power gives a polygenic trait where LD is "
    "high, no few loci"
)


def of_cut(name: str, fit: Heritability, once: Heritability) -> list[Said]:
    """On the cut of two steps (`fit`) that bends h2; `once` has one step."""
    if not bends(fit, once):
        return []
    told = (
        f"{POLYGENIC.format(fit.fit.beyond_cut)}; without them the first step bends h2 from "
        f"{float(once.total.value[0]):.3g} (standard error {float(once.total.error[0]):.2g}) to "
        f"{float(fit.total.value[0]):.3g}, the intercept from {once.fit.at:.3f} to "
        f"{fit.fit.at:.3f}"
    )
    return [Said(name, "caution", told, "Read h2 and intercept of one step (two_step=None).")]


def _taken(name: str, fit: Heritability, aside: Heritability) -> Said:
    told = (
        f"{POLYGENIC.format(aside.fit.beyond_cut)}: h2 {float(fit.total.value[0]):.3g} is of one "
        f"step; two would bend it to {float(aside.total.value[0]):.3g}, the intercept from "
        f"{fit.fit.at:.3f} to {aside.fit.at:.3f}"
    )
    return Said(name, "note", told, "two_step=30 has them, as LDSC does.")


def of_annotations(name: str) -> list[Said]:
    """On shares of annotations whose overlap was not counted."""
    told = "annotations are taken to share no variant: shares and enrichments are wrong of others"
    return [Said(name, "note", f"{told}, whose overlap 'ldsc partitioned' counts")]


def of_pair(names: tuple[str, str], pair: Pair) -> list[Said]:
    """On a genetic correlation."""
    subject = f"{names[0]} and {names[1]}"
    z = [float(one.total.value[0] / one.total.error[0]) for one in (pair.first, pair.second)]
    low, high = correlated(pair.joint)
    weak = [name for name, one in zip(names, z, strict=True) if not one >= POWERED]
    value, error, _, p = pair.tested
    out = []
    if not pair.defined:
        negative = [
            name
            for name, one in zip(names, (pair.first, pair.second), strict=True)
            if one.total.value[0] <= 0
        ]
        return [
            Said(
                subject,
                "caution",
                f"no rg: the heritability of {' and '.join(negative)} is not above 0",
                "A trait without visible heritability has no correlation to tell.",
            )
        ]
    if weak:
        out.append(
            Said(
                subject,
                "caution",
                f"rg {value:.2f} is not to be read: z of the heritability of "
                f"{' and '.join(weak)} is below {POWERED:g}; all of {low:.2f} to {high:.2f} fit",
                "A larger GWAS would tell.",
            )
        )
    elif abs(value) > 1:
        out.append(
            Said(
                subject,
                "caution",
                f"rg {value:.2f} (standard error {error:.2f}) is beyond 1, from {low:.2f} to "
                f"{high:.2f} fit",
                "Sampling error where 1 fits; else an intercept fixed while samples overlap, "
                "a wrong N, or heritabilities of different variants.",
            )
        )
    else:
        out.append(
            Said(
                subject,
                "note",
                f"rg {value:.2f} (standard error {error:.2f}), 90% set {low:.2f} to {high:.2f}, p "
                f"of none {f'{p:.2g}' if p else 'below 1e-300'}",
            )
        )
    cross = pair.covariance.fit
    if cross.intercept is not None and not weak:
        at, at_error = cross.at, float(cross.intercept.error[0])
        told = "overlap of samples" if abs(at) > 3 * at_error else "no overlap of samples seen"
        out.append(
            Said(
                subject,
                "note",
                f"intercept of products {at:.3f} (standard error {at_error:.2g}): {told}",
            )
        )
    return out


def of_bent(names: tuple[str, str], bent: Collection[str]) -> list[Said]:
    """On a genetic correlation of two steps, whose cut bends the heritability of traits `bent`."""
    named = " and ".join(name for name in names if name in bent)
    told = f"the cut of two steps bends the heritability of {named}, and rg with it"
    remedy = "Read rg of one step (two_step=None)."
    return [Said(f"{names[0]} and {names[1]}", "caution", told, remedy)] if named else []
