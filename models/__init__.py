"""One file for one PyMC model, each readable on a page; installed as `bayesmixer.models`."""

from bayesmixer.models.ash import ash
from bayesmixer.models.bivariate_mixer import bivariate_mixer
from bayesmixer.models.infinitesimal import infinitesimal
from bayesmixer.models.infinitesimal_pair import infinitesimal_pair
from bayesmixer.models.ldsc import ldsc_h2, ldsc_partitioned, ldsc_rg
from bayesmixer.models.ldsc_traits import ldsc_traits
from bayesmixer.models.mash import mash
from bayesmixer.models.scale_mixture import scale_mixture
from bayesmixer.models.two_component_mixer import two_component_mixer
from bayesmixer.models.univariate_mixer import univariate_mixer

__all__ = [
    "ash",
    "bivariate_mixer",
    "infinitesimal",
    "infinitesimal_pair",
    "ldsc_h2",
    "ldsc_partitioned",
    "ldsc_rg",
    "ldsc_traits",
    "mash",
    "scale_mixture",
    "two_component_mixer",
    "univariate_mixer",
]
