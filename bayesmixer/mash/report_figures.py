"""The figures of mash in a report: those that need no data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def figures(results: xr.DataTree, estimate: xr.Dataset) -> Iterator[Any]:
    """What each shows and what draws it, or a sentence for one that there cannot be."""
    from bayesmixer.mash import effect_figures
    from bayesmixer.mash import figures as of_mixture

    def drawn(ax: Axes, alt: str) -> Any:
        return ax.figure, alt

    if "U" in estimate and "covariance_weight" in estimate:
        yield (
            "weights",
            "Weights of the covariances",
            "Share of effects that come from each covariance, all scales together; null: those "
            "that are 0 in all conditions.",
            lambda: drawn(of_mixture.plot_weights(results), "Bars of weights."),
        )
        if estimate["covariance_weight"].values.sum() > 0 and estimate.sizes["condition"] > 1:
            yield (
                "covariance",
                "The heaviest covariance",
                "Correlations of effects between conditions within it; at the right its "
                "eigenvectors, each with its share of the variance.",
                lambda: drawn(of_mixture.plot_covariance(results), "Heat map of a covariance."),
            )
    if "n_called" in estimate:
        posterior = results["effects"].to_dataset()
        at = float(estimate.attrs.get("threshold", 0.05))
        yield (
            "n_conditions",
            "In how many conditions effects are called",
            "Effects by the number of conditions in which their local false sign rate is below "
            f"{at:g}.",
            lambda: drawn(effect_figures.plot_n_conditions(posterior, at), "Bars of counts."),
        )
        if posterior.sizes["condition"] > 1 and estimate["n_called"].values.any():
            yield (
                "sharing",
                "Sharing of effects",
                "Of effects called in either of two conditions, the share whose posterior means "
                "have one sign and are within a factor of two; alike conditions stand beside each "
                "other.",
                lambda: drawn(
                    effect_figures.plot_sharing(posterior, threshold=at), "Heat map of sharing."
                ),
            )
        yield "Effective sample sizes need the effects: bayesmixer.mash.plot_effective_size."
