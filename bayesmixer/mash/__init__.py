"""mash, multivariate adaptive shrinkage: effects in many conditions under a mixture of normals,
learned from all of them (Urbut et al. 2019).

The functions are imported when first used; none of them needs PyMC.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayesmixer.io.effect_stores import open_effects as open_effects
    from bayesmixer.io.effect_stores import write_effects as write_effects
    from bayesmixer.mash.counted import by_effect as by_effect
    from bayesmixer.mash.counted import svalues as svalues
    from bayesmixer.mash.drawn_effects import components as components
    from bayesmixer.mash.drawn_effects import sample as sample
    from bayesmixer.mash.effect_figures import plot_effect as plot_effect
    from bayesmixer.mash.effect_figures import plot_effective_size as plot_effective_size
    from bayesmixer.mash.effect_figures import plot_n_conditions as plot_n_conditions
    from bayesmixer.mash.effect_figures import plot_sharing as plot_sharing
    from bayesmixer.mash.error_correlation import correlation as correlation
    from bayesmixer.mash.figures import plot_covariance as plot_covariance
    from bayesmixer.mash.figures import plot_weights as plot_weights
    from bayesmixer.mash.fits import fit as fit
    from bayesmixer.mash.fits import given as given
    from bayesmixer.mash.forced_signs import rank_one as rank_one
    from bayesmixer.mash.gwas import intercepts_as_correlation as intercepts_as_correlation
    from bayesmixer.mash.gwas import read_gwas as read_gwas
    from bayesmixer.mash.independent_loci import loci as loci
    from bayesmixer.mash.independent_loci import thinned as thinned
    from bayesmixer.mash.log_signs import log_lfsr as log_lfsr
    from bayesmixer.mash.neighbours import opposed as opposed
    from bayesmixer.mash.posteriors import posterior as posterior
    from bayesmixer.mash.precision_gain import effective_size as effective_size
    from bayesmixer.mash.prior_covariances import covariances as covariances
    from bayesmixer.mash.reported import together as together
    from bayesmixer.mash.runs import run as run
    from bayesmixer.mash.sampled_mixture import sample_mixture as sample_mixture
    from bayesmixer.mash.samples import fit_sample as fit_sample
    from bayesmixer.mash.samples import largest as largest
    from bayesmixer.mash.samples import random_rows as random_rows
    from bayesmixer.mash.shared_effects import sharing as sharing
    from bayesmixer.mash.streaming import posterior_to as posterior_to
    from bayesmixer.mash.strong_effects import strong as strong
    from bayesmixer.mash.validation import cross_validate as cross_validate

_HOME = {
    "by_effect": "counted",
    "components": "drawn_effects",
    "correlation": "error_correlation",
    "cross_validate": "validation",
    "covariances": "prior_covariances",
    "effective_size": "precision_gain",
    "fit": "fits",
    "given": "fits",
    "intercepts_as_correlation": "gwas",
    "fit_sample": "samples",
    "largest": "samples",
    "loci": "independent_loci",
    "log_lfsr": "log_signs",
    "open_effects": "io.effect_stores",
    "opposed": "neighbours",
    "plot_covariance": "figures",
    "plot_effect": "effect_figures",
    "plot_effective_size": "effect_figures",
    "plot_n_conditions": "effect_figures",
    "plot_sharing": "effect_figures",
    "plot_weights": "figures",
    "posterior": "posteriors",
    "posterior_to": "streaming",
    "random_rows": "samples",
    "read_gwas": "gwas",
    "rank_one": "forced_signs",
    "run": "runs",
    "sample": "drawn_effects",
    "sample_mixture": "sampled_mixture",
    "sharing": "shared_effects",
    "strong": "strong_effects",
    "svalues": "counted",
    "thinned": "independent_loci",
    "together": "reported",
    "write_effects": "io.effect_stores",
}

OFFERS = {
    "fitted": "sampled_weights:fitted",
    "told": "told:told",
    "tree": "reported:tree",
}
"""What halls may ask of this wing (`bayesmixer.card`): docs/reference/models.md."""

__all__ = [*sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        home = _HOME[name]
        home = home if home.startswith("io.") else f"mash.{home}"
        return getattr(import_module(f"bayesmixer.{home}"), name)
    raise AttributeError(f"module 'bayesmixer.mash' has no attribute {name!r}")
