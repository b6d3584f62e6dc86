"""Figures of LD score regressions: chi-squared against LD score, genetic correlations, enrichments;
and a table of intercepts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from bayesmixer.errors import InputError
from bayesmixer.identity import check_estimates
from bayesmixer.jackknife import Estimate
from bayesmixer.ldsc.regression import Array
from bayesmixer.ldsc.words import POWERED
from bayesmixer.style import DATA, GREY, INTERVAL, MODEL, NULL, TAILS, axes_or_new, clustered

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

HALF = float(ndtri(TAILS[1]))  # standard errors from the estimate to an end of its interval
MOST_NUMBERS = 25  # traits of a matrix whose cells hold numbers
FAINT = "#b5b5b5"  # of what power does not allow to read
SIGNED = "RdBu_r"


def _estimate(results: Any, needs: tuple[str, ...], made_by: str) -> xr.Dataset:
    """The estimates, which hold what is needed.

    Raises
    ------
    InputError
        They do not.
    """
    found = check_estimates(results, needs=("estimate",))["estimate"].to_dataset()
    if lacking := [name for name in needs if name not in found]:
        raise InputError("results", f"no {lacking[0]} in them", f"Give what {made_by} returned.")
    return found


def plot_regression(
    results: xr.DataTree,
    sumstats: Any,
    ref_ld: Any,
    w_ld: Any = None,
    bins: int = 50,
    ax: Axes | None = None,
) -> Axes:
    """Mean chi-squared against mean LD score of variants in quantiles of the LD score, darker where
    they weigh more, with the fitted line and its 90% band.

    Parameters
    ----------
    results
        What `bayesmixer.ldsc.h2` returned, of one annotation.
    sumstats, ref_ld, w_ld
        What it was given. Where N varies, an LD score is that times N / mean N.
    bins
        Number of quantiles.
    ax
        Axes to draw on; a new figure's where None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Results of another kind, or not of these summary statistics and LD scores.

    References
    ----------
    Bulik-Sullivan et al. 2015, Nature Genetics 47:291 (figure 2).
    """
    from bayesmixer.ldsc.one_trait import rows_of, whole
    from bayesmixer.ldsc.panel import read_panel
    from bayesmixer.ldsc.traits import read_trait

    estimate = _estimate(results, ("h2", "intercept", "n_variants"), "bayesmixer.ldsc.h2")
    if estimate["h2"].ndim or "annotation" in estimate.dims:
        several = "traits" if estimate["h2"].ndim else "annotations"
        raise InputError("results", f"of several {several}, expected one of one annotation")
    bins = whole("bins", bins, 2)
    panel, trait = read_panel(ref_ld, w_ld), read_trait(sumstats)
    if panel.ld.shape[1] > 1:
        raise InputError("ref_ld", f"{panel.ld.shape[1]} annotations, expected one")
    found, _ = rows_of(trait, panel)
    rows = np.flatnonzero(found >= 0)
    cut = results.attrs.get("chisq_max", np.nan)
    rows = rows[~(trait.z[found[rows]] ** 2 >= cut)]  # without a cut nan, which nothing exceeds
    chi2, n = trait.z[found[rows]] ** 2, trait.n[found[rows]]
    count = int(estimate["n_variants"])
    if len(rows) != count or not np.isclose(chi2.mean(), estimate["mean_chi2"], rtol=1e-9, atol=0):
        raise InputError(
            trait.source,
            f"{len(rows):,} variants of mean chi2 {chi2.mean():.6g}, in the results {count:,} of "
            f"{float(estimate['mean_chi2']):.6g}",
            "Give the summary statistics and LD scores that the results are of.",
        )
    h2, b = float(estimate["h2"]), float(estimate["intercept"])
    ld, m = panel.ld[rows, 0], float(results.attrs["m"])
    mean_n = n.mean()
    expected = b + min(max(h2, 0.0), 1.0) * n * np.maximum(ld, 1.0) / m
    weight = 1 / (np.maximum(panel.weight[rows], 1.0) * expected**2)
    x = ld * n / mean_n
    order = np.argsort(x, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    at, seen, weighs = (np.array([v[part].mean() for part in parts]) for v in (x, chi2, weight))
    line = np.linspace(0, at[-1], 100)
    slope = line[:, None] * mean_n / m
    both = Estimate(np.array([b, h2]), _without(results, b)).through(
        np.hstack([np.ones_like(slope), slope])
    )
    ax = axes_or_new(ax)
    half = HALF * both.error
    ax.fill_between(line, both.value - half, both.value + half, color=MODEL, alpha=0.2, lw=0)
    ax.plot(line, both.value, color=MODEL, label=f"h2 {h2:.3g}, intercept {b:.3g}")
    ax.axhline(1, color=NULL, lw=0.8, ls=":")
    dots = ax.scatter(
        at, seen, c=weighs / weighs.max(), cmap="Greys", vmin=0, vmax=1, s=26, lw=0.5,
        edgecolors=DATA, zorder=3,
    )  # fmt: skip
    if ax.figure is not None:
        ax.figure.colorbar(dots, ax=ax, label="weight (largest 1)", shrink=0.6)
    varies = n.min() < n.max()
    ax.set_xlabel("mean LD score, times N / mean N" if varies else "mean LD score")
    ax.set_ylabel("mean chi-squared")
    ax.set_title(f"{results.attrs.get('trait', '')}: {len(parts)} quantiles of the LD score")
    ax.legend(loc="upper left")
    return ax


def _without(results: xr.DataTree, intercept: float) -> Array:
    """(B, 2) intercept and heritability without each block."""
    left = results["jackknife"].to_dataset()
    h2 = left["h2"].values
    b = left["intercept"].values if "intercept" in left else np.full(len(h2), intercept)
    return np.column_stack([b, h2])


def _powered(estimate: xr.Dataset) -> np.ndarray:
    """(k,) traits whose heritability is far enough from 0 for correlations to be read."""
    return np.asarray((estimate["h2"] / estimate["h2_se"]).values >= POWERED)


def plot_rg(results: xr.DataTree, trait: str | None = None, ax: Axes | None = None) -> Axes:
    """Genetic correlations with their 90% sets, a line a pair; grey where the heritability of a
    trait is less than four standard errors above 0.

    Parameters
    ----------
    results
        What `bayesmixer.ldsc.rg` returned.
    trait
        The trait whose pairs are shown; all pairs without.
    ax
        Axes to draw on; a new figure's where None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Results of another kind, or no such trait.
    """
    estimate = _estimate(results, ("rg", "rg_lower", "h2"), "bayesmixer.ldsc.rg")
    names = [str(name) for name in estimate["trait"].values]
    if trait is not None and trait not in names:
        raise InputError("trait", f"{trait!r}, expected one of {', '.join(names[:10])}")
    pairs = [
        (i, j)
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if trait is None or trait in (names[i], names[j])
    ]
    powered = _powered(estimate)
    labels = []
    ax = axes_or_new(ax, 6.0, 1.4 + 0.3 * len(pairs))
    for y, (i, j) in enumerate(pairs):
        value, low, high = (float(estimate[v][i, j]) for v in ("rg", "rg_lower", "rg_upper"))
        colour = DATA if powered[i] and powered[j] else FAINT
        ax.plot([low, high], [y, y], color=colour, lw=1.6, solid_capstyle="butt")
        ax.plot([value], [y], "o", color=colour, ms=5)
        one, two = names[i], names[j]
        labels.append(f"{one}, {two}" if trait is None else (two if one == trait else one))
    ax.axvline(0, color=NULL, lw=0.8)
    for end in (-1, 1):
        ax.axvline(end, color=NULL, lw=0.8, ls=":")
    ax.set_yticks(range(len(pairs)), labels)
    ax.set_ylim(len(pairs) - 0.5, -0.5)
    about = "" if trait is None else f" with {trait}"
    ax.set_xlabel(f"genetic correlation{about} ({INTERVAL:.0%} set)")
    if FAINT in {line.get_color() for line in ax.get_lines()}:
        ax.set_title("grey: too little power to read", fontsize=9, color=GREY)
    return ax


def plot_rg_matrix(results: xr.DataTree, cluster: bool = True, ax: Axes | None = None) -> Axes:
    """Genetic correlations of many traits as a heat map, alike traits beside each other.

    Bold numbers: the 90% set excludes 0. Cells of traits whose heritability is less than four
    standard errors above 0 are empty.

    Parameters
    ----------
    results
        What `bayesmixer.ldsc.rg` returned.
    cluster
        Whether traits are put in the order of a tree of average linkage, by 1 - rg; as they were
        given without.
    ax
        Axes to draw on; a new figure's where None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Results of another kind.
    """
    estimate = _estimate(results, ("rg", "rg_lower", "h2"), "bayesmixer.ldsc.rg")
    powered = _powered(estimate)
    rg, low, high = (estimate[v].values for v in ("rg", "rg_lower", "rg_upper"))
    shown = np.where(np.outer(powered, powered), rg, np.nan)
    np.fill_diagonal(shown, 1.0)
    order = clustered(shown) if cluster else np.arange(len(shown))
    names = estimate["trait"].values[order].astype(str)
    shown, low, high = (v[np.ix_(order, order)] for v in (shown, low, high))
    side = 1.6 + (0.55 if len(order) <= MOST_NUMBERS else 0.2) * len(order)
    ax = axes_or_new(ax, side + 1.4, side)
    image = ax.imshow(shown, cmap=SIGNED, vmin=-1, vmax=1)
    if ax.figure is not None:
        ax.figure.colorbar(image, ax=ax, label="rg", shrink=0.6)
    ax.grid(False)
    for i, j in np.argwhere(np.isfinite(shown)) if len(order) <= MOST_NUMBERS else ():
        if i != j:
            ax.text(
                j, i, f"{shown[i, j]:.2f}", ha="center", va="center", fontsize=8,
                color="white" if abs(shown[i, j]) > 0.6 else "black",
                fontweight="bold" if low[i, j] > 0 or high[i, j] < 0 else "normal",
            )  # fmt: skip
    ax.set_xticks(range(len(order)), names, rotation=45, ha="right")
    ax.set_yticks(range(len(order)), names)
    return ax


def plot_enrichment(results: xr.DataTree, ax: Axes | None = None) -> Axes:
    """Enrichment of annotations with 90% intervals, and at the right the p of inside as outside.

    Parameters
    ----------
    results
        What `bayesmixer.ldsc.partitioned` returned.
    ax
        Axes to draw on; a new figure's where None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Results of another kind.
    """
    estimate = _estimate(results, ("enrichment",), "bayesmixer.ldsc.partitioned")
    names = estimate["annotation"].values.astype(str)
    value, half = estimate["enrichment"].values, HALF * estimate["enrichment_se"].values
    p = (
        estimate["enrichment_p"].values
        if "enrichment_p" in estimate
        else np.full(len(names), np.nan)
    )
    ax = axes_or_new(ax, 6.4, 1.4 + 0.26 * len(names))
    y = np.arange(len(names))
    ax.errorbar(value, y, xerr=half, fmt="o", color=DATA, ms=4, lw=1.4)
    ax.axvline(1, color=NULL, lw=0.8)
    for at, one in zip(y, p, strict=True):
        if np.isfinite(one):
            ax.text(
                1.01, float(at), f"p {one:.2g}", transform=ax.get_yaxis_transform(), va="center",
                fontsize=8, color=DATA if one < 0.05 / np.isfinite(p).sum() else GREY,
            )  # fmt: skip
    ax.set_yticks(y, names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel(f"enrichment: share of heritability over share of variants ({INTERVAL:.0%})")
    ax.set_title(str(results.attrs.get("trait", "")))
    return ax


OF_INTERCEPT = (
    "intercept", "ratio", "ratio_se", "ratio_lower", "ratio_upper", "mean_chi2", "lambda_gc"
)  # fmt: skip


def intercepts(results: xr.DataTree) -> pd.DataFrame:
    """Intercepts of traits and of products of their z-scores, with what they would be without
    confounding and shared samples.

    Parameters
    ----------
    results
        What `bayesmixer.ldsc.h2`, `partitioned` or `rg` returned.

    Returns
    -------
    pandas.DataFrame
        A row a trait, then a row a pair: `trait`, `trait_bis`, `intercept`, `se` (nan where it was
        fixed), `nothing` (1, of pairs 0), `z` and two-sided `p` of that, and of traits `ratio`,
        `ratio_se`, its 90% set `ratio_lower`, `ratio_upper`, `mean_chi2`, `lambda_gc`.

    Raises
    ------
    InputError
        Results of another kind.
    """
    import pandas as pd
    from scipy.special import ndtr

    estimate = _estimate(results, ("intercept",), "bayesmixer.ldsc.h2, partitioned or rg")
    several = "trait" in estimate.dims
    names = estimate["trait"].values.astype(str) if several else [str(results.attrs.get("trait"))]
    rows: list[dict[str, Any]] = [
        {
            "trait": name,
            "trait_bis": name,
            "nothing": 1.0,
            "se": float(one["intercept_se"]),
            **{v: float(one[v]) for v in OF_INTERCEPT if v in one},
        }
        for i, name in enumerate(names)
        for one in [estimate.isel(trait=i, trait_bis=i) if several else estimate]
    ]
    for i, j in zip(*np.triu_indices(len(names), 1), strict=True):
        rows.append(
            {
                "trait": names[i],
                "trait_bis": names[j],
                "nothing": 0.0,
                "intercept": float(estimate["intercept_gencov"][i, j]),
                "se": float(estimate["intercept_gencov_se"][i, j]),
            }
        )
    table = pd.DataFrame(rows)
    table["z"] = (table["intercept"] - table["nothing"]) / table["se"]
    table["p"] = 2 * ndtr(-table["z"].abs())
    first = ["trait", "trait_bis", "intercept", "se", "nothing", "z", "p"]
    return table[[*first, *(c for c in table.columns if c not in first)]]
