"""The figures of two traits in a report: which are drawn for which fit, and their captions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayesmixer.mixer.figures import CAPTIONS as OF_ONE_TRAIT
from bayesmixer.mixer.manhattan import plot_manhattan
from bayesmixer.mixer.power import plot_power
from bayesmixer.mixer.qq import plot_qq_strata
from bayesmixer.pair.along_overlap import along, plot_along_overlap
from bayesmixer.pair.conditional_qq import plot_conditional_qq_both
from bayesmixer.pair.density import plot_effects, plot_z_density
from bayesmixer.pair.prediction import draws_of, names_of
from bayesmixer.pair.surface import plot_surface
from bayesmixer.pair.venn import plot_venn
from bayesmixer.style import as_number, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Planned = tuple[str, str, str, "Callable[[], tuple[Figure, str]]"]
"""Name, title, caption, and what draws the figure and says its alternative text."""

CAPTIONS = {
    "venn": (
        "Causal variants of both traits; areas are true to the posterior medians. Faint circles: "
        "the second trait where as few or as many variants are shared as the ends of the 90% "
        "interval have it. Below, medians with 90% intervals."
    ),
    "conditional_qq": (
        "QQ plots of each trait among all variants and among those whose P value in the other "
        "trait is at most 0.1, 0.01 and 0.001 (Frei et al. 2019, figure 5). Lines: the data, each "
        "variant counted by its weight, with bands of resampled LD blocks. Dashed: what the model "
        "expects of the same variants, with its credible bands. Curves that move to the left show "
        "enrichment; the model must follow them, or its overlap is not that of the data."
    ),
    "z_density": (
        "Density of the pairs of z-scores, by weight, and what the model expects averaged over "
        "posterior draws; contours, the same in both, are the model's at powers of ten. Arms along "
        "the axes are variants of one trait, along a diagonal shared ones; a tilted centre is "
        "shared samples (rho_0)."
    ),
    "effects": (
        "Expected number of causal variants by their effects on both traits. On the axes lie "
        "those of one trait alone, elsewhere the shared ones."
    ),
    "surface": (
        "Log-likelihood over the share of the less polygenic trait's causal variants that is "
        "shared and the correlation of shared effects, the other parameters at their medians and "
        "thinned variants, so that it shows a shape and no errors. Along the dashed ridge the "
        "genetic correlation is the same. Where the draws fill the ridge, the data know rg and not "
        "overlap; the diamond is the overlap whose fourth moments are the same as the median's."
    ),
    "along_overlap": (
        "Likelihood along overlap, from the least that the genetic correlation requires to "
        "complete overlap: profile, and with the other parameters integrated out and scaled to "
        "what LD blocks vary. Grey: the posterior's draws; bars: the share of draws at either end "
        "itself. There can be two valleys. MiXeR compares with the dotted edges in place of the "
        "ends."
    ),
    "power": OF_ONE_TRAIT["power"],
    "qq_strata": OF_ONE_TRAIT["qq_strata"],
    "manhattan": OF_ONE_TRAIT["manhattan"],
}


def figures(results: xr.DataTree, data: xr.Dataset | None) -> Iterator[Planned | str]:
    """Figures of a fit and its data, and a sentence for each that it cannot have."""
    one, two = names_of(results)
    mixture = "pi_shared" in results["posterior"]
    if mixture:
        yield ("venn", "What both traits share", CAPTIONS["venn"], lambda: _venn(results))
        if along(results) is None:
            yield "No likelihood along overlap: the fit did not store one."
        else:
            yield (
                "along_overlap",
                "Likelihood along overlap",
                CAPTIONS["along_overlap"],
                lambda: (
                    _figure(plot_along_overlap(results)),
                    "Log-likelihood and posterior from the least to complete overlap.",
                ),
            )
    if data is None:
        yield (
            "QQ plots, densities of z-scores, the surface of the likelihood and power curves need "
            "the data: give them to the report to have them drawn."
        )
    else:
        yield (
            "conditional_qq",
            "Conditional QQ plots",
            CAPTIONS["conditional_qq"],
            lambda: (
                _figure(plot_conditional_qq_both(data, results)),
                f"QQ plots of {one} given {two}, and of {two} given {one}, with the model's "
                "prediction.",
            ),
        )
        yield (
            "z_density",
            "Density of the z-scores",
            CAPTIONS["z_density"],
            lambda: (
                _figure(plot_z_density(data, results)),
                f"Observed and predicted density of the z-scores of {one} and {two}.",
            ),
        )
    if mixture:
        yield (
            "effects",
            "Density of the effects",
            CAPTIONS["effects"],
            lambda: (
                _figure(plot_effects(results)),
                f"Expected numbers of causal variants by their effects on {one} and {two}.",
            ),
        )
    if data is None:
        return
    if mixture:
        yield (
            "surface",
            "Likelihood over overlap and correlation of effects",
            CAPTIONS["surface"],
            lambda: (
                _figure(plot_surface(data, results)),
                "Contours of the log-likelihood over overlap and the correlation of shared "
                "effects, with posterior draws.",
            ),
        )
    yield (
        "power",
        "Power curves",
        CAPTIONS["power"],
        lambda: (
            _figure(_power(data, results)),
            f"Power curves of {one} and {two}.",
        ),
    )
    for k, name in enumerate((one, two)):
        yield (
            f"qq_strata_{k + 1}",
            f"QQ plots of {name} by allele frequency and LD score",
            CAPTIONS["qq_strata"],
            lambda k=k, name=name: (  # type: ignore[misc]
                _figure(plot_qq_strata(data, results, trait=k)),
                f"Nine QQ plots of {name}, by tertile of minor allele frequency and LD score.",
            ),
        )
    yield (
        "manhattan",
        "Overview of the z-scores",
        CAPTIONS["manhattan"],
        lambda: (_figure(_manhattan(data)), f"Manhattan plots of {one} and {two}."),
    )


def _venn(results: xr.DataTree) -> tuple[Figure, str]:
    one, two = names_of(results)
    numbers = [
        as_number(float(np.median(draws)))
        for draws in (
            draws_of(results, "n_unique", 0),
            draws_of(results, "n_shared"),
            draws_of(results, "n_unique", 1),
        )
    ]
    alt = (
        f"Venn diagram: {numbers[0]} causal variants of {one} alone, {numbers[1]} shared, "
        f"{numbers[2]} of {two} alone."
    )
    return _figure(plot_venn(results)), alt


def _power(data: xr.Dataset, results: xr.DataTree) -> Any:
    """Power curves of both traits, one above the other."""
    axes = new_figure(6.4, 8.6, 2, 1)[1]
    for k, (ax, name) in enumerate(zip(axes, names_of(results), strict=True)):
        plot_power(data, results, ax, trait=k)
        ax.set_title(name, loc="left", fontsize=10, pad=26)
    return axes


def _manhattan(data: xr.Dataset) -> Any:
    axes = new_figure(8.0, 5.6, 2, 1)[1]
    for k, ax in enumerate(axes):
        plot_manhattan(data, ax, trait=k)
        ax.set_title(str(data["trait"].values[k]), loc="left", fontsize=10)
    return axes


def _figure(axes: Any) -> Figure:
    figure: Figure = np.ravel(axes)[0].figure
    return figure
