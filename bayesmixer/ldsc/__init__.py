"""LD score regression: the published estimators of heritability, genetic correlation and
partitioned heritability (Bulik-Sullivan et al. 2015, Finucane et al. 2015 and 2018).

The functions are imported when first used; none of them needs PyMC.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayesmixer.io.ld_score_files import read_ld_scores as read_ld_scores
    from bayesmixer.ldsc.cell_types import cts as cts
    from bayesmixer.ldsc.contrasts import differences as differences
    from bayesmixer.ldsc.contrasts import genomic_sem as genomic_sem
    from bayesmixer.ldsc.figures import intercepts as intercepts
    from bayesmixer.ldsc.figures import plot_enrichment as plot_enrichment
    from bayesmixer.ldsc.figures import plot_regression as plot_regression
    from bayesmixer.ldsc.figures import plot_rg as plot_rg
    from bayesmixer.ldsc.figures import plot_rg_matrix as plot_rg_matrix
    from bayesmixer.ldsc.fits import h2 as h2
    from bayesmixer.ldsc.fits import partitioned as partitioned
    from bayesmixer.ldsc.fits import rg as rg

_HOME = {
    "cts": "ldsc.cell_types",
    "differences": "ldsc.contrasts",
    "genomic_sem": "ldsc.contrasts",
    "h2": "ldsc.fits",
    "intercepts": "ldsc.figures",
    "partitioned": "ldsc.fits",
    "plot_enrichment": "ldsc.figures",
    "plot_regression": "ldsc.figures",
    "plot_rg": "ldsc.figures",
    "plot_rg_matrix": "ldsc.figures",
    "read_ld_scores": "io.ld_score_files",
    "rg": "ldsc.fits",
}

OFFERS = {
    "h2_starts": "model_offers:h2_starts",
    "partitioned_starts": "model_offers:partitioned_starts",
    "rg_starts": "model_offers:rg_starts",
    "evidence": "evidence:evidence",
    "record": "model_offers:record",
    "withheld": "model_offers:withheld",
    "predictive": "model_offers:predictive",
    "told": "told:told",
    "views": "model_offers:views",
}
"""What halls may ask of this wing (`bayesmixer.card.Card.ask`): docs/reference/models.md."""

__all__ = [*sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"bayesmixer.{_HOME[name]}"), name)
    raise AttributeError(f"module 'bayesmixer.ldsc' has no attribute {name!r}")
