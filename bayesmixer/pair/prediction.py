"""What the figures of a pair ask of a fit and its data: the mixture of each posterior draw, and the
variants that were seen in both traits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.identity import data_of_fit, trait_names
from bayesmixer.mixer.prediction import Floats, Variants, at_fitted_s, stacked, variants
from bayesmixer.ops.pair_predict import CLUSTERS, PairClusters, PairMixture, cluster_pairs

TRAITS = 2


@dataclass(frozen=True)
class Pair:
    """The evaluated variants that both traits have.

    Attributes
    ----------
    names
        Of the traits.
    z
        (variant, 2) z-scores with their signs.
    traits
        The same variants as one-trait predictions take them.
    """

    names: tuple[str, str]
    z: Floats
    traits: tuple[Variants, Variants]

    @property
    def weight(self) -> Floats:
        """(variant,) weights."""
        return self.traits[0].weight

    def clusters(self, m: PairMixture, number: int | None = CLUSTERS) -> PairClusters:
        """Groups of similar variants."""
        one, two = self.traits
        n = np.column_stack([one.n, two.n])
        return cluster_pairs(n, one.spectrum, one.node_x, m, one.weight, number)

    @property
    def node_x(self) -> Floats:
        """(node,) strengths of the spectrum's nodes."""
        return self.traits[0].node_x


def names_of(results: xr.DataTree, data: xr.Dataset | None = None) -> tuple[str, str]:
    """Names of the two traits of a fit, or of data.

    Raises
    ------
    InputError
        They are not two.
    """
    posterior = results["posterior"] if "posterior" in results.children else results["estimate"]
    known = trait_names(data) if data is not None else []
    if not known and "trait" in posterior.coords:
        known = [str(name) for name in posterior["trait"].to_numpy()]
    if len(known) != TRAITS:
        found = f"of {len(known)} traits, expected a fit of two"
        raise InputError("results", found, "Fit bayesmixer.models.bivariate_mixer.")
    return known[0], known[1]


def pair(data: xr.Dataset, results: xr.DataTree | None = None) -> Pair:
    """The variants of two-trait GwasData that have a positive weight, z and N in both traits; with
    a fit, after the data were compared with those that it was made with.

    Raises
    ------
    InputError
        The data are not the fit's, not of two traits, or no variant was seen in both.
    """
    if results is not None:
        data = data_of_fit(results, data)
    if data.sizes.get("trait") != TRAITS:
        found = f"{data.sizes.get('trait', 0)} traits, expected two"
        raise InputError("data", found, "Align both GWAS together.")
    data = at_fitted_s(data, results)
    z, n = (np.asarray(data[name], float) for name in ("z", "n"))
    seen = np.isfinite(z).all(axis=1) & np.isfinite(n).all(axis=1)
    kept = np.flatnonzero(seen & (np.asarray(data["weight"]) > 0))
    if not kept.size:
        raise InputError("data", "no variant of positive weight was seen in both traits")
    both = data.isel(variant=kept)
    known = trait_names(data) or ["trait 1", "trait 2"]
    one, two = (variants(both.isel(trait=[k])) for k in range(TRAITS))
    return Pair((known[0], known[1]), z[kept], (one, two))


def mixtures(results: xr.DataTree, draws: int | None = None) -> list[PairMixture]:
    """The mixture of each posterior draw.

    Parameters
    ----------
    results
        A fit of two traits; of the infinitesimal model all variants are causal for both.
    draws
        Keep this many, evenly spaced over all chains; None keeps all.

    Raises
    ------
    InputError
        The posterior lacks what makes a mixture of two traits.
    """
    flat = stacked(results)
    if draws is not None and draws < flat.sizes["sample"]:
        flat = flat.isel(sample=np.linspace(0, flat.sizes["sample"] - 1, draws).round().astype(int))
    return of_draws(flat)


def of_draws(flat: xr.Dataset) -> list[PairMixture]:
    """The mixtures of what a model of two traits reports along `sample`, the first dimension.

    Raises
    ------
    InputError
        As of `mixtures`.
    """
    infinitesimal = "pi_shared" not in flat
    needs = ("sigma2_beta", "sigma2_0", "rho_0", *(("rg",) if infinitesimal else PARTS))
    lacking = [name for name in needs if name not in flat]
    if lacking or flat.sizes.get("trait") != TRAITS:
        found = f"no {', '.join(lacking)} in the posterior" if lacking else "not of two traits"
        raise InputError("results", found, "Give a fit of a model of two traits.")
    beta, zero = (np.asarray(flat[name], float) for name in ("sigma2_beta", "sigma2_0"))
    rho_0 = np.asarray(flat["rho_0"], float)
    rho = np.asarray(flat["rg" if infinitesimal else "rho_beta"], float)
    sigma_0 = np.column_stack([zero, rho_0 * np.sqrt(zero.prod(axis=1))])
    shared = np.column_stack([beta, rho * np.sqrt(beta.prod(axis=1))])
    if infinitesimal:
        return [
            PairMixture(np.ones(1), both[None], e) for both, e in zip(shared, sigma_0, strict=True)
        ]
    unique = np.maximum(np.asarray(flat["pi_unique"], float), 0.0)
    pi = np.column_stack([unique, np.asarray(flat["pi_shared"], float)])
    alone = np.zeros((len(pi), TRAITS, 3))
    alone[:, 0, 0], alone[:, 1, 1] = beta.T
    covariance = np.concatenate([alone, shared[:, None]], axis=1)
    return [PairMixture(*one) for one in zip(pi, covariance, sigma_0, strict=True)]


PARTS = ("pi_shared", "pi_unique", "rho_beta")


def middle(of: list[PairMixture]) -> PairMixture:
    """The mean mixture, near which variants are grouped."""
    return PairMixture(*(np.mean(column, axis=0) for column in zip(*of, strict=True)))


def draws_of(results: xr.DataTree, name: str, trait: int | None = None) -> NDArray[np.float64]:
    """Draws of a quantity, (sample,), of a trait where it has one for each."""
    values = stacked(results)[name]
    return np.asarray(values if trait is None else values.isel(trait=trait), float)
