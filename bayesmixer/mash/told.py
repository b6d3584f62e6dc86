"""What a report tells of mash: what was found, what is taken as known, and where calls rest on
little.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from bayesmixer.mash.ash_told import told as of_one_condition
from bayesmixer.mash.forced_signs import forced
from bayesmixer.mash.report_figures import figures
from bayesmixer.style import INTERVAL, TAILS, as_number
from bayesmixer.wings import Told

MUCH = 0.2  # share of calls on covariances of rank one, above which it is a caution
MOSTLY = 0.5  # of the weight beside the point mass, on covariances of independent effects
CHOSEN = 0.05  # pi0, below which effects look chosen
GAP = 0.01  # log-likelihood
NAMED = 3  # of pairs and covariances in a sentence
ROWS = 30  # of a table
Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]
Caution = tuple[str, str]


def told(results: xr.DataTree) -> Told:
    """What `report`, `verdict` and `to_json` say of results of this wing."""
    estimate = results["estimate"].to_dataset()
    if results.attrs.get("model") == "ash":
        return of_one_condition(results)
    return Told(
        "multivariate adaptive shrinkage (mash)",
        list(_sentences(results, estimate)),
        list(_cautions(results, estimate)),
        list(_tables(estimate)),
        list(figures(results, estimate)),
        [(k, v) for k, v in _settings(results).items() if v not in (None, "")],
        list(_notes(results, estimate)),
    )


def _percent(share: float) -> str:
    return f"{as_number(100 * share)}%"


def _settings(results: xr.DataTree) -> dict[str, Any]:
    attrs = results.attrs
    learned, reported = attrs.get("n_effects"), attrs.get("n_posterior")
    return {
        "effects": attrs.get("sources"),
        "effects that the mixture was learned from": f"{learned:,}" if learned else None,
        "effects with a posterior": f"{reported:,}" if reported else None,
        "alpha": as_number(float(attrs["alpha"])) if "alpha" in attrs else None,
        "errors between conditions": attrs.get("errors"),
    }


def _sentences(results: xr.DataTree, estimate: xr.Dataset) -> Iterator[str]:
    if "U" in estimate:
        k, r = estimate.sizes["covariance"], estimate.sizes["condition"]
        told_pi0 = ""
        if "pi0" in estimate:
            told_pi0 = f"; {_percent(float(estimate['pi0']))} of effects are 0 in all conditions"
        yield f"{k} covariances of {r} conditions at {estimate.sizes['scale']} scales{told_pi0}."
        weight = estimate["covariance_weight"].values
        names = estimate["covariance"].values.astype(str)
        if "independent_weight" in estimate:
            weight = np.r_[weight, float(estimate["independent_weight"])]
            names = np.r_[names, ["independent effects"]]
        if weight.sum() > 0:
            order = np.argsort(-weight, kind="stable")[:NAMED]
            parts = [
                f"{names[i]} {_percent(weight[i] / weight.sum())}" for i in order if weight[i] > 0
            ]
            yield f"Of the other effects most come from {', '.join(parts)}."
    if "posterior" in results.children:
        yield from _drawn(results["posterior"].to_dataset())
    if "log_likelihood_others" in estimate:
        own, mean, se = (
            float(estimate[name])
            for name in (
                "mean_log_likelihood",
                "mean_log_likelihood_others",
                "mean_log_likelihood_others_se",
            )
        )
        yield (
            f"The mean log-likelihood of the effects that were learned from is {own:.4g}, of the "
            f"other {int(estimate['n_others']):,} {mean:.4g} (standard error {as_number(se)}); "
            f"the weights that are best for as many of these gain "
            f"{as_number(float(estimate['gain_others']))}."
        )
    if "n_effects_by_conditions" in estimate:
        count = estimate["n_effects_by_conditions"].values
        threshold = f"{float(estimate.attrs.get('threshold', 0.05)):g}"
        total = int(count.sum())
        each = f", {int(count[-1]):,} in all {len(count) - 1}" if len(count) > 2 else ""
        yield (
            f"Of {total:,} effects {total - int(count[0]):,} have lfsr < {threshold} in some "
            f"condition{each}."
        )
        called = estimate["n_called"].values
        if called.sum():
            wrong = float(np.nansum(estimate["promised_wrong"].values * called) / called.sum())
            yield (
                f"Given the mixture, {_percent(wrong)} of these {int(called.sum()):,} calls are "
                "expected to have the wrong sign, or no effect."
            )


def _drawn(posterior: xr.Dataset) -> Iterator[str]:
    for name, what in (
        ("pi0", "are exactly 0"),
        ("near_null", "are 0, or of a scale below half a standard error"),
    ):
        if name in posterior:
            low, high = np.quantile(posterior[name].values, TAILS)
            yield (
                f"By the posterior of the weights {100 * low:.1f} to {100 * high:.1f}% of effects "
                f"{what} ({INTERVAL:.0%})."
            )
    if "effect_sd" in posterior:
        each = posterior["effect_sd"]
        low, high = np.quantile(each.values, TAILS, axis=(0, 1))
        if each.ndim == 2:
            spread = f" {low:.3g} to {high:.3g}"
        else:
            middle = each.mean(("chain", "draw")).values
            ends = dict.fromkeys((int(middle.argmin()), int(middle.argmax())))
            names = each["condition"].values
            spread = ", from the least to the largest," * (len(ends) > 1) + " and".join(
                f" {low[i]:.3g} to {high[i]:.3g} in {names[i]}" for i in ends
            )
        yield f"The root mean square of all effects is{spread} ({INTERVAL:.0%})."


def _notes(results: xr.DataTree, estimate: xr.Dataset) -> Iterator[Caution]:
    if "U" in estimate or "n_called" in estimate:
        held = results["posterior"].variables if "posterior" in results.children else ()
        what = "Weights, covariances and the correlation of errors are"
        if "U" in held:
            what = "" if "error_correlation" in held else "The correlation of errors is"
        elif "weights" in held:
            what = "Covariances and the correlation of errors are"
        if what:
            yield (
                f"{what} plugged in as if known: lfsr, sd and Bayes factors hold nothing of the "
                "uncertainty.",
                "Draw all of it by bm.mash.sample_mixture, or fit again with covariances learned "
                "otherwise (canonical alone, other strong effects), and look at single conditions "
                "by bm.ash.",
            )
    if results.attrs.get("errors") == "independent" and estimate.sizes.get("condition", 1) > 1:
        yield (
            "Errors were taken as independent between conditions.",
            "Where conditions share samples, give their correlation: bm.mash.run estimates it.",
        )
    if "effects" in results.children and "pos" in results["effects"].coords:
        yield (
            "Variants were taken one by one: one in LD with another that has an effect is called "
            "too.",
            "Count loci (bm.mash.loci), and look for causes by fine-mapping.",
        )
    if "opposed" in results.children and not _known(pairs := results["opposed"].to_dataset()):
        yield _of_neighbours(pairs)


def _cautions(results: xr.DataTree, estimate: xr.Dataset) -> Iterator[Caution]:
    gap = float(estimate.get("duality_gap", 0))
    if gap > GAP:
        yield (
            f"The weights may lie {as_number(gap)} log-likelihood units below their optimum.",
            "Do not compare log-likelihoods closer than that.",
        )
    if "pi0" in estimate and float(estimate["pi0"]) < CHOSEN:
        yield (
            f"Only {_percent(float(estimate['pi0']))} of the effects that the mixture was learned "
            "from are 0 in all conditions.",
            "Where they were chosen for their strength, learn from random ones and give the chosen "
            "ones to posterior alone.",
        )
    for sentence in json.loads(results.attrs.get("warnings", "[]")):
        yield f"{sentence[0].upper()}{sentence[1:].rstrip('.')}.", "See bm.fit."
    share = _independent(estimate)
    if share > MOSTLY:
        yield (
            f"{_percent(share)} of the weight beside the point mass lies on effects that are "
            "independent between conditions or in one alone, where lfsr can be far too small.",
            "Fit with independent=True, and look at each condition by itself with bm.ash.",
        )
    on = float(estimate.get("calls_on_rank_one", 0))
    if on > MUCH:
        yield (
            f"{_percent(on)} of the calls rest on covariances of rank one, which force the signs "
            "of all conditions together.",
            "Believe such a call where the condition's own estimate shows it too "
            "(bm.mash.rank_one names the effects); add full-rank covariances.",
        )
    if "opposed" in results.children and _known(pairs := results["opposed"].to_dataset()):
        yield _of_neighbours(pairs)


def _known(pairs: xr.Dataset) -> bool:
    """Whether the LD of all pairs is known: opposite signs alone may well be right."""
    return bool(np.isfinite(pairs["r"].values).all())


def _of_neighbours(pairs: xr.Dataset) -> Caution:
    first = [
        f"{pairs['effect'].values[i]} and {pairs['neighbour'].values[i]} ("
        + (f"r {as_number(r)}, " if np.isfinite(r := float(pairs["r"].values[i])) else "")
        + f"{pairs['conditions'].values[i]})"
        for i in range(min(NAMED, pairs.sizes["pair"]))
    ]
    n = pairs.sizes["pair"]
    known = _known(pairs)
    how = "signs that their LD contradicts" if known else "opposite signs (their LD is not known)"
    more = ", ..." if n > NAMED else ""
    return (
        f"{n:,} {'pair' if n == 1 else 'pairs'} of neighbours {'is' if n == 1 else 'are'} called "
        f"with {how}: {'; '.join(first)}{more}.",
        "One of the two is wrong, or there are two effects: look at both loci's own estimates."
        if known
        else "Where r of two is well above 0 one call is wrong, or there are two effects.",
    )


def _independent(estimate: xr.Dataset) -> float:
    """Share of the weight beside the point mass on `identity` and `only_...`, where no component
    takes care of independent effects.
    """
    if "covariance_weight" not in estimate or "independent_weight" in estimate:
        return 0.0
    if estimate.sizes.get("condition", 1) < 2:
        return 0.0
    weight = estimate["covariance_weight"].values
    off = estimate["U"].values - np.einsum("krr->kr", estimate["U"].values)[:, None] * np.eye(
        estimate.sizes["condition"]
    )
    alone = np.abs(off).max((1, 2)) == 0
    return float(weight[alone].sum() / weight.sum()) if weight.sum() > 0 else 0.0


def _tables(estimate: xr.Dataset) -> Iterator[Table]:
    if "n_called" in estimate:
        dim = str(estimate["n_called"].dims[0])
        rows: list[tuple[str, ...]] = [
            (str(name), f"{int(n):,}", as_number(float(wrong)))
            for name, n, wrong in zip(
                estimate[dim].values,
                estimate["n_called"].values,
                estimate["promised_wrong"].values,
                strict=True,
            )
        ]
        yield (
            "Calls by condition",
            ("condition", "called", "expected wrong, given the mixture"),
            rows,
        )
    if "U" in estimate and "covariance_weight" in estimate:
        u, weight = estimate["U"].values, estimate["covariance_weight"].values
        kept = [int(i) for i in np.argsort(-weight, kind="stable") if weight[i] > 0][:ROWS]
        rank, forces = np.linalg.matrix_rank(u[kept], hermitian=True), forced(u[kept])
        names = estimate["covariance"].values
        yield (
            "Covariances by weight",
            ("covariance", "weight", "rank", "forces signs"),
            [
                (str(names[i]), as_number(float(weight[i])), str(int(a)), "yes" if b else "")
                for i, a, b in zip(kept, rank, forces, strict=True)
            ],
        )
