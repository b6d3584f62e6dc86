"""Results in LDSC's own layout, since programs read it: the log, tables of annotations, covariances
and delete values, and the attributes of its result objects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from bayesmixer.jackknife import Estimate
from bayesmixer.ldsc.covariance import Covariance, Pair
from bayesmixer.ldsc.heritability import Heritability, PerAnnotation
from bayesmixer.ldsc.laws import beyond
from bayesmixer.ldsc.many_traits import ManyTraits
from bayesmixer.ldsc.one_trait import Counts, OneTrait
from bayesmixer.ldsc.overlap import Partition
from bayesmixer.ldsc.pairs import PairFit
from bayesmixer.ldsc.regression import Array

NA = "NA"


def text_of(value: Any) -> str:
    """Numbers as NumPy prints them at four digits, without brackets."""
    with np.printoptions(precision=4, linewidth=10_000, threshold=10_000):
        return re.sub(r"[\[\]]", "", str(np.atleast_2d(np.asarray(value, float)))).strip()


def _plain(estimate: Estimate) -> dict[str, Any]:
    """A jackknife by LDSC's names of its parts."""
    return {
        "est": estimate.value[None].tolist(),
        "jknife_est": estimate.unbiased[None].tolist(),
        "jknife_var": np.diag(estimate.covariance)[None].tolist(),
        "jknife_se": estimate.error[None].tolist(),
        "jknife_cov": estimate.covariance.tolist(),
        "delete_values": estimate.without.tolist(),
    }


def _common(fit: PerAnnotation) -> dict[str, Any]:
    regression = fit.fit
    joint = _plain(regression.joint)
    if regression.beyond_cut is None:
        joint["separators"] = regression.edges.astype(float).tolist()
    else:  # of two steps LDSC keeps a tuple
        joint = [
            joint[k]
            for k in ("est", "jknife_se", "jknife_est", "jknife_var", "jknife_cov", "delete_values")
        ]  # type: ignore[assignment]
    total = float(fit.total.covariance[0, 0])
    out: dict[str, Any] = {
        "n_annot": len(fit.m),
        "n_blocks": len(regression.edges) - 1,
        "constrain_intercept": int(regression.intercept is None),
        "intercept": regression.at,
        "intercept_se": NA
        if regression.intercept is None
        else float(regression.intercept.error[0]),
        "twostep_filtered": regression.beyond_cut,
        "M": fit.m[None].tolist(),
        "M_prop": fit.share_of_variants[None].tolist(),
        "coef": fit.coefficient.value.tolist(),
        "coef_se": fit.coefficient.error.tolist(),
        "coef_cov": fit.coefficient.covariance.tolist(),
        "cat": fit.category.value[None].tolist(),
        "cat_se": fit.category.error.tolist(),
        "cat_cov": fit.category.covariance.tolist(),
        "tot": float(fit.total.value[0]),
        "tot_se": total**0.5,
        "tot_cov": total,
        "prop": fit.proportion.value[None].tolist(),
        "prop_se": fit.proportion.error[None].tolist(),
        "prop_cov": fit.proportion.covariance.tolist(),
        "enrichment": fit.enrichment[None].tolist(),
        "part_delete_values": fit.coefficient.without.tolist(),
        "tot_delete_values": fit.total.without.tolist(),
        "jknife": joint,
    }
    if regression.intercept is not None:
        out["intercept_delete_values"] = regression.intercept.without[:, 0].tolist()
    return out


UNBOUNDED = {"ratio_lower": None, "ratio_upper": None}


def attributes(fit: Heritability) -> dict[str, Any]:
    """Attributes of LDSC's result of heritability, and the 90% set of the ratio, None at an end
    that it has not.
    """
    out = _common(fit) | {"lambda_gc": fit.lambda_gc, "mean_chisq": fit.mean_chi2}
    if fit.fit.intercept is not None:
        ratio, error = fit.ratio
        defined = np.isfinite(ratio)
        out |= {"ratio": ratio if defined else NA, "ratio_se": error if defined else NA}
        low, high = fit.ratio_set()
        bounded = bool(np.isfinite(low))
        out |= {"ratio_lower": low, "ratio_upper": high} if bounded else UNBOUNDED
    return out


def attributes_of_covariance(pair: Pair) -> dict[str, Any]:
    """Attributes of LDSC's result of genetic covariance."""
    both = pair.covariance
    z = float(both.total.value[0] / both.total.error[0])
    return _common(both) | {
        "mean_z1z2": both.mean_z1z2,
        "hsq1": float(pair.first.total.value[0]),
        "hsq2": float(pair.second.total.value[0]),
        "intercept_hsq1": pair.first.fit.at,
        "intercept_hsq2": pair.second.fit.at,
        "N1": None,
        "N2": None,
        "z": z,
        "p": beyond(z),
    }


def attributes_of_pairs(pairs: Sequence[PairFit], apart: bool = False) -> list[dict[str, Any]]:
    """Attributes of LDSC's results of genetic correlation; `apart` the places of the traits in
    place of theirs, which every pair would repeat.
    """
    fits = {id(one): one for pair in pairs for one in (pair.fit.first, pair.fit.second)}
    alone = {} if apart else {key: attributes(one) for key, one in fits.items()}
    return [
        {
            "hsq1": pair.i if apart else alone[id(pair.fit.first)],
            "hsq2": pair.j if apart else alone[id(pair.fit.second)],
        }
        | _attributes_of_pair(pair.fit, pair.fixed)
        for pair in pairs
    ]


def _attributes_of_pair(pair: Pair, fixed: float | None) -> dict[str, Any]:
    value, error, z, p = pair.tested
    defined, unbiased = pair.defined, float(pair.correlation.unbiased[0])
    return {
        "gencov": attributes_of_covariance(pair),
        "intercept_gencov": fixed,
        "_negative_hsq": None if defined else True,
        "rg_ratio": value if defined else NA,
        "rg_jknife": unbiased if defined and np.isfinite(unbiased) else NA,
        "rg_se": error if defined else NA,
        "z": z if defined else NA,
        "p": p if defined else NA,
    }


def _ref(source: str, chromosomes: bool = True) -> str:
    first = source.split(", ", maxsplit=1)[0]
    return f"{first}[1-22]" if chromosomes else first


def lines_of_reading(
    source: str, counts: Counts, scores: str, weights: str, pair: bool = False
) -> list[str]:
    """How many variants were read and remained, one step a line."""
    out = [
        f"Reading summary statistics from {source} ...",
        f"Read summary statistics for {counts.sumstats} SNPs.",
        f"Reading reference panel LD Score from {_ref(scores)} ... (ldscore_fromlist)",
        f"Read reference panel LD Scores for {counts.reference} SNPs.",
        "Removing partitioned LD Scores with zero variance.",
        f"Reading regression weight LD Score from {_ref(weights)} ... (ldscore_fromlist)",
        f"Read regression weight LD Scores for {counts.weights} SNPs.",
        f"After merging with reference panel LD, {counts.with_reference} SNPs remain.",
        f"After merging with regression SNP LD, {counts.with_weights} SNPs remain.",
    ]
    if counts.cut is not None and not pair:
        out.append(
            f"Removed {counts.beyond_cut} SNPs with chi^2 > {float(counts.cut)} "
            f"({counts.with_weights - counts.beyond_cut} SNPs remain)"
        )
    return out


def _scale(factor: float) -> str:
    return "Observed" if factor == 1 else "Liability"


def lines_of_heritability(
    fit: Heritability,
    names: Sequence[str],
    factor: float = 1.0,
    *,
    overlap: bool = False,
    detailed: bool = True,
) -> list[str]:
    """Summary of a trait's heritability."""
    scale, total, error = _scale(factor), fit.total.value * factor, fit.total.error * factor
    out = [f"Total {scale} scale h2: {text_of(total)} ({text_of(error)})"]
    if len(fit.m) > 1:
        out.append(f"Categories: {' '.join(names)}")
        if not overlap and detailed:
            out += [
                f"{scale} scale h2: {text_of(fit.category.value * factor)}",
                f"{scale} scale h2 SE: {text_of(fit.category.error * factor)}",
                f"Proportion of SNPs: {text_of(fit.share_of_variants)}",
                f"Proportion of h2g: {text_of(fit.proportion.value)}",
                f"Enrichment: {text_of(fit.enrichment)}",
                f"Coefficients: {text_of(fit.coefficient.value * factor)}",
                f"Coefficient SE: {text_of(fit.coefficient.error * factor)}",
            ]
    out += [f"Lambda GC: {text_of(fit.lambda_gc)}", f"Mean Chi^2: {text_of(fit.mean_chi2)}"]
    if fit.fit.intercept is None:
        return [*out, f"Intercept: constrained to {text_of(fit.fit.at).rstrip('.')}"]
    out.append(f"Intercept: {text_of(fit.fit.at)} ({text_of(fit.fit.intercept.error)})")
    ratio, error_of_ratio = fit.ratio
    if not np.isfinite(ratio):
        return [*out, "Ratio: NA (mean chi^2 < 1)"]
    if ratio < 0:
        return [*out, "Ratio < 0 (usually indicates GC correction)."]
    return [*out, f"Ratio: {text_of(ratio)} ({text_of(error_of_ratio)})"]


def lines_of_covariance(fit: Covariance, names: Sequence[str], factor: float) -> list[str]:
    """Summary of a genetic covariance."""
    scale = _scale(factor)
    out = [
        f"Total {scale} scale gencov: {text_of(fit.total.value * factor)} "
        f"({text_of(fit.total.error * factor)})"
    ]
    if len(fit.m) > 1:
        out += [
            f"Categories: {' '.join(names)}",
            f"{scale} scale gencov: {text_of(fit.category.value * factor)}",
            f"{scale} scale gencov SE: {text_of(fit.category.error * factor)}",
            f"Proportion of SNPs: {text_of(fit.share_of_variants)}",
            f"Proportion of gencov: {text_of(fit.proportion.value)}",
            f"Enrichment: {text_of(fit.enrichment)}",
        ]
    out.append(f"Mean z1*z2: {text_of(fit.mean_z1z2)}")
    if fit.fit.intercept is None:
        return [*out, f"Intercept: constrained to {text_of(fit.fit.at).rstrip('.')}"]
    return [*out, f"Intercept: {text_of(fit.fit.at)} ({text_of(fit.fit.intercept.error)})"]


def lines_of_correlation(pair: Pair, any_rg: bool = False) -> list[str]:
    """Summary of a genetic correlation; `any_rg` of one beyond 1.2 too."""
    value, error, z, p = pair.tested
    if not pair.defined:
        return [
            "Genetic Correlation: nan (nan) (h2  out of bounds) ",
            "Z-score: nan (nan) (h2  out of bounds)",
            "P: nan (nan) (h2  out of bounds)",
            "WARNING: One of the h2's was out of bounds.",
        ]
    if abs(value) > 1.2 and not any_rg:
        return [
            "Genetic Correlation: nan (nan) (rg out of bounds) ",
            "Z-score: nan (nan) (rg out of bounds)",
            "P: nan (nan) (rg out of bounds)",
            "WARNING: rg was out of bounds.",
        ]
    return [
        f"Genetic Correlation: {text_of(value)} ({text_of(error)})",
        f"Z-score: {text_of(z)}",
        f"P: {text_of(p)}",
    ]


def table_of_pairs(sources: Sequence[str], many: ManyTraits, factors: Sequence[float]) -> list[str]:
    """The closing table of all pairs."""
    import pandas as pd

    scale = "obs" if all(f == 1 for f in factors) else "liab"
    rows = []
    for pair in many.pairs:
        value, error, z, p = pair.fit.tested
        second, cross = pair.fit.second, pair.fit.covariance.fit
        rows.append(
            {
                "p1": sources[pair.i],
                "p2": sources[pair.j],
                "rg": value,
                "se": error,
                "z": z,
                "p": p,
                f"h2_{scale}": float(second.total.value[0]) * factors[pair.j],
                f"h2_{scale}_se": float(second.total.error[0]) * factors[pair.j],
                "h2_int": second.fit.at,
                "h2_int_se": _error(second.fit.intercept),
                "gcov_int": cross.at,
                "gcov_int_se": _error(cross.intercept),
            }
        )
    with pd.option_context(
        "display.precision", 4, "display.width", 1000, "display.max_columns", 100
    ):
        table = pd.DataFrame(rows).to_string(header=True, index=False, na_rep=NA)
    return ["Summary of Genetic Correlation Results", *table.splitlines()]


def _error(estimate: Estimate | None) -> Any:
    return NA if estimate is None else float(estimate.error[0])


def results_table(names: Sequence[str], partition: Partition, coefficients: bool) -> str:
    """The .results table of overlapping annotations."""
    fit = partition.fit
    head: tuple[str, ...] = (
        "Category", "Prop._SNPs", "Prop._h2", "Prop._h2_std_error", "Enrichment",
        "Enrichment_std_error", "Enrichment_p",
    )  # fmt: skip
    blocks = len(fit.fit.edges) - 1
    columns: list[Iterable[Any]] = [
        names,
        partition.share_of_variants,
        partition.proportion.value,
        partition.proportion.error,
        partition.enrichment.value,
        partition.enrichment.error,
        partition.tests(blocks, like_ldsc=True),
    ]
    if coefficients:
        tau = fit.coefficient
        head += ("Coefficient", "Coefficient_std_error", "Coefficient_z-score")
        columns += [tau.value, tau.error, tau.value / tau.error]
    lines = ["\t".join(head)]
    for row in zip(*columns, strict=True):
        lines.append("\t".join(v if isinstance(v, str) else _full(float(v)) for v in row))
    return "\n".join(lines) + "\n"


def _full(value: float) -> str:
    return NA if np.isnan(value) else repr(value)


def matrix_text(matrix: Array) -> str:
    """Rows of numbers with blanks between, as NumPy's savetxt writes them."""
    return "".join(" ".join(f"{v:.18e}" for v in row) + "\n" for row in np.atleast_2d(matrix))


def heading(text: str) -> list[str]:
    """A blank line, a title and a line under it."""
    return ["", text, "-" * len(text)]


def log_of_one(
    one: OneTrait,
    weights: str,
    factor: float,
    *,
    overlap: bool,
    printed: Callable[[], list[str]] = list,
) -> list[str]:
    """The log of one trait."""
    out = lines_of_reading(one.trait.source, one.counts, one.scores.source, weights)
    if one.two_step is not None:
        out.append(f"Using two-step estimator with cutoff at {one.two_step:g}.")
    out += printed()
    return out + lines_of_heritability(
        one.fit, names_of(one), factor, overlap=overlap, detailed=not overlap
    )


def names_of(one: OneTrait | ManyTraits) -> list[str]:
    """Names of annotations as LDSC prints them: the column and its set."""
    return [f"{n}_{k}" for n, k in zip(one.scores.names, one.scores.sets, strict=True)]


def log_of_many(
    many: ManyTraits,
    weights: str,
    factors: Sequence[float],
    *,
    check: bool,
    any_rg: bool = False,
    printed: Sequence[Sequence[str]] = (),
) -> list[str]:
    """The log of the pairs of the first trait with others; `check` where alleles were compared,
    `printed` what is said of files of each pair.
    """
    names, k = names_of(many), len(many.traits)
    sources = [one.source for one in many.traits]
    first, panel = many.traits[0], many.panel
    counts = Counts(
        first.n_read, len(panel.scores), panel.n_weights, first.n_reference, first.n_weights,
    )  # fmt: skip
    out = lines_of_reading(sources[0], counts, many.scores.source, weights, pair=True)
    for at, pair in enumerate(many.pairs):
        other = many.traits[pair.j]
        label = f"{pair.j + 1}/{k}"
        out += [
            f"Computing rg for phenotype {label}",
            f"Reading summary statistics from {other.source} ...",
            f"Read summary statistics for {other.n_read} SNPs.",
            f"After merging with summary statistics, {pair.n_common} SNPs remain.",
        ]
        out += [f"{pair.n_alleles} SNPs with valid alleles."] if check else []
        if at == 0:
            out += heading("Heritability of phenotype 1")
            out += lines_of_heritability(pair.fit.first, names, factors[pair.i])
        out += heading(f"Heritability of phenotype {label}")
        out += lines_of_heritability(pair.fit.second, names, factors[pair.j])
        factor = float(np.sqrt(factors[pair.i] * factors[pair.j]))
        out += heading("Genetic Covariance")
        out += lines_of_covariance(pair.fit.covariance, names, factor)
        out += [*heading("Genetic Correlation"), *lines_of_correlation(pair.fit, any_rg), ""]
        out += printed[at] if printed else []
    return [*out, "", *table_of_pairs(sources, many, factors)]
