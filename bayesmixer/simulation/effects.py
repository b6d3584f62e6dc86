"""Architectures of true effects, for one trait or two: mixtures of normals whose variance may
depend on heterozygosity; and what the models do not reckon with, heavier tails and causal variants
that crowd in some LD blocks.

A causal variant of component c has effects (beta_1, .., beta_d) ~ N(0, H^S Sigma_c); every variant
is of component c with probability pi_c and else not causal (Frei et al. 2019, eq. 1-4; H^S as in
Speed et al. 2017). On the scale of standardised genotypes the effect is sqrt(H) beta, so a
component's expected share of h2 is pi_c Sigma_c sum_i H_i^(1 + S).

Heavier tails: the normal effects of a causal variant, on both traits alike, are multiplied by the
root of a positive number W of mean 1, which leaves Sigma_c and rho as they are: W exponential makes
every effect Laplace, W inverse-gamma makes it Student t (Andrews and Mallows 1974, Journal of the
Royal Statistical Society B 36:99).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesmixer.arguments import choice
from bayesmixer.errors import InputError

MODELS = ("infinitesimal", "univariate", "two_component", "bivariate")
LAWS = {"gaussian": 0.0, "laplace": 3.0, "t5": 6.0}
"""Laws of effects, with their excess kurtosis."""
REGIONS = 0.1  # share of the LD blocks in which causal variants crowd


@dataclass(frozen=True)
class Component:
    """One kind of causal variant.

    Attributes
    ----------
    name
        "causal", "small", "large", "unique_1", "unique_2", "shared".
    pi
        Share of all variants.
    h2
        Expected heritability that it explains, per trait.
    rho
        Correlation of its effects on two traits.
    """

    name: str
    pi: float
    h2: tuple[float, ...]
    rho: float = 0.0


@dataclass(frozen=True)
class Architecture:
    """True effects of one or two traits.

    Attributes
    ----------
    components
        Kinds of causal variants; their `pi` add up to at most 1.
    maf_s
        S: effect variance is proportional to H^S.
    law
        Of the effects of a causal variant: "gaussian", "laplace" or "t5" (Student t with 5 degrees
        of freedom), of the same variance.
    enrichment
        How many times denser than on average the causal variants of all kinds are in a tenth of the
        LD blocks, drawn anew for every replicate and the same for both traits; 1 for even.
    """

    components: tuple[Component, ...]
    maf_s: float = 0.0
    law: str = "gaussian"
    enrichment: float = 1.0

    @property
    def traits(self) -> int:
        """Number of traits."""
        return len(self.components[0].h2)

    @property
    def pi(self) -> NDArray[np.float64]:
        """Share of the variants in each component."""
        return np.array([c.pi for c in self.components])

    @property
    def polygenicity(self) -> NDArray[np.float64]:
        """Share of the variants that are causal for each trait."""
        return np.array(
            [sum(c.pi for c in self.components if c.h2[t] > 0) for t in range(self.traits)]
        )

    def h_total(self, heterozygosity: NDArray[np.float64]) -> float:
        """Sum of H^(1 + S) over the polymorphic variants."""
        return float(_power(heterozygosity, 1 + self.maf_s).sum())

    def covariance(self, h_total: float) -> NDArray[np.float64]:
        """Covariance Sigma_c of the effects of each component at H = 1.

        Parameters
        ----------
        h_total
            Sum of H^(1 + S) over all variants of the panel.

        Returns
        -------
        ndarray
            (component, trait, trait).
        """
        out = np.empty((len(self.components), self.traits, self.traits))
        for c, component in enumerate(self.components):
            sd = np.sqrt(np.array(component.h2) / (component.pi * h_total))
            correlation = np.full((self.traits, self.traits), component.rho)
            np.fill_diagonal(correlation, 1)
            out[c] = correlation * np.outer(sd, sd)
        return out

    def genetic_covariance(self) -> NDArray[np.float64]:
        """Expected genetic covariance, h2 on its diagonal: (trait, trait)."""
        pi = self.pi[:, None, None]
        return np.asarray((pi * self.covariance(1.0)).sum(axis=0))

    def densities(
        self, sizes: NDArray[np.int64], replicates: int, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Draw where causal variants crowd.

        Parameters
        ----------
        sizes
            Number of variants of each LD block.
        replicates
            Independent draws.
        rng
            Source of randomness, left alone where the density is even.

        Returns
        -------
        ndarray
            (block, replicate) density of causal variants over that of the panel, of mean 1 over its
            variants.
        """
        out = np.ones((len(sizes), replicates))
        if self.enrichment == 1:
            return out
        crowded = max(round(REGIONS * len(sizes)), 1)
        order = rng.permuted(np.tile(np.arange(len(sizes))[:, None], replicates), axis=0)
        inside = order < crowded
        share = (inside * sizes[:, None]).sum(axis=0) / sizes.sum()
        # the rest has what is left, and nothing where the crowded blocks are large enough for all
        fold = np.minimum(self.enrichment, 1 / share)
        return np.where(inside, fold, (1 - fold * share) / np.maximum(1 - share, 1e-300))

    def draw(
        self,
        heterozygosity: NDArray[np.float64],
        h_total: float,
        replicates: int,
        rng: np.random.Generator,
        density: NDArray[np.float64] | float = 1.0,
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Draw per-allele effects of some variants.

        Parameters
        ----------
        heterozygosity
            H of the variants; 0 where monomorphic.
        h_total
            Sum of H^(1 + S) over all variants of the panel.
        replicates
            Independent draws.
        rng
            Source of randomness.
        density
            Of causal variants over the panel's, in each replicate.

        Returns
        -------
        beta, component
            Effects (variant, replicate, trait), and the component of each (variant, replicate), -1
            where not causal.
        """
        shape = (len(heterozygosity), replicates)
        place = rng.random(shape) / np.maximum(density, 1e-300)
        component = np.searchsorted(np.cumsum(self.pi), place, side="right")
        component[component == len(self.components)] = -1
        beta = np.zeros((*shape, self.traits))
        for c, sigma in enumerate(self.covariance(h_total)):
            chosen = component == c
            # sigma may be singular (a component without effect on one of the traits): root by
            # eigenvalues
            value, vector = np.linalg.eigh(sigma)
            root = vector * np.sqrt(np.maximum(value, 0))
            count = int(chosen.sum())
            beta[chosen] = rng.standard_normal((count, self.traits)) @ root.T
            if self.law != "gaussian":
                beta[chosen] *= np.sqrt(_scales(self.law, count, rng))[:, None]
        beta *= np.sqrt(_power(heterozygosity, self.maf_s))[:, None, None]
        return beta, component


def _scales(law: str, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Positive numbers of mean 1, by whose roots a normal becomes of another law."""
    return rng.exponential(size=count) if law == "laplace" else 3 / rng.chisquare(5, size=count)


def _power(heterozygosity: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """H^exponent, 0 where H = 0 whatever the exponent: a monomorphic variant has no effect."""
    polymorphic = heterozygosity > 0
    return np.where(polymorphic, np.where(polymorphic, heterozygosity, 1.0) ** exponent, 0.0)


def _numbers(
    name: str, value: float | Sequence[float] | None, counts: tuple[int, ...], model: str
) -> tuple[float, ...]:
    """Read one or several finite numbers; say which lengths the model takes."""
    expected = " or ".join(map(str, counts)) + (" value" if counts == (1,) else " values")
    if value is None:
        raise InputError(name, f"missing; model '{model}' takes {expected}")
    try:
        numbers = tuple(float(v) for v in np.atleast_1d(np.asarray(value, float)))
    except (TypeError, ValueError):
        raise InputError(name, f"found {value!r}, expected {expected}") from None
    if len(numbers) not in counts:
        raise InputError(name, f"found {len(numbers)} values, but model '{model}' takes {expected}")
    if not np.all(np.isfinite(numbers)):
        raise InputError(name, f"found {value!r}, expected finite numbers")
    return numbers


def _within(name: str, numbers: Sequence[float], low: float, high: float, text: str) -> None:
    for number in numbers:
        if not low <= number <= high:
            raise InputError(name, f"found {number:g}, expected {text}")


def architecture(
    model: str,
    h2: float | Sequence[float],
    pi: float | Sequence[float] | None = None,
    share_large: float | None = None,
    rho_beta: float | None = None,
    rg: float | None = None,
    maf_s: float = 0.0,
    law: str = "gaussian",
    enrichment: float = 1.0,
) -> Architecture:
    """Architecture of true effects under one of bayesmixer's models.

    Parameters
    ----------
    model
        "infinitesimal" (one or two traits), "univariate" (MiXeR: point-normal), "two_component"
        (small and large effects) or "bivariate" (MiXeR for two traits: variants unique to either
        and shared).
    h2
        Heritability that the panel's variants explain; one value, or one per trait.
    pi
        univariate: share of causal variants. two_component: shares of small and of large effects.
        bivariate: unique to trait 1, unique to trait 2, shared.
    share_large
        two_component: part of h2 that the large effects explain.
    rho_beta
        bivariate: correlation of effects at shared variants.
    rg
        infinitesimal with two traits: genetic correlation.
    maf_s
        S: effect variance is proportional to H^S; 0 for none.
    law
        Of the effects of a causal variant: "gaussian" as the models have it, "laplace" or "t5"
        (Student t with 5 degrees of freedom), of the same variance. Of a variant shared by two
        traits both effects are large together.
    enrichment
        How many times denser than on average causal variants are in a tenth of the LD blocks, from
        1 (even, as the models have it) to 10 (all are there); the same blocks for both traits.

    Returns
    -------
    Architecture

    Raises
    ------
    InputError
        An argument is missing, out of range, or not a parameter of the model.
    """
    choice("model", model, MODELS)
    given = {"pi": pi, "share_large": share_large, "rho_beta": rho_beta, "rg": rg}
    takes = {
        "infinitesimal": ("rg",),
        "univariate": ("pi",),
        "two_component": ("pi", "share_large"),
        "bivariate": ("pi", "rho_beta"),
    }[model]
    for name, value in given.items():
        if value is not None and name not in takes:
            raise InputError(
                name,
                f"not a parameter of model '{model}', which takes h2, {', '.join(takes)}",
                "Leave it out or choose another model.",
            )
    heritability = _numbers(
        "h2", h2, {"infinitesimal": (1, 2), "bivariate": (2,)}.get(model, (1,)), model
    )
    for value in heritability:
        if not 0 < value < 1:
            raise InputError("h2", f"found {value:g}, expected above 0 and below 1")
    (s,) = _numbers("maf_s", maf_s, (1,), model)
    _within("maf_s", (s,), -2, 2, "between -2 and 2")
    choice("law", law, LAWS)
    (fold,) = _numbers("enrichment", enrichment, (1,), model)
    _within("enrichment", (fold,), 1, 1 / REGIONS, f"between 1 and {1 / REGIONS:g}")
    if model == "infinitesimal":
        if len(heritability) == 1 and rg is not None:
            raise InputError(
                "rg", "needs two traits, but h2 has one value", "Give h2 twice or leave rg out."
            )
        correlation = _numbers("rg", 0.0 if rg is None else rg, (1,), model)
        _within("rg", correlation, -1, 1, "between -1 and 1")
        if fold > 1:
            raise InputError("enrichment", "every variant is causal", "Choose another model.")
        return Architecture((Component("causal", 1.0, heritability, correlation[0]),), s, law)
    shares = _numbers(
        "pi", pi, ({"univariate": 1, "two_component": 2, "bivariate": 3}[model],), model
    )
    for share in shares:
        if not 0 < share <= 1 and not (model == "bivariate" and share == 0):
            raise InputError(
                "pi", f"found {share:g}, expected a share of the variants above 0 and at most 1"
            )
    if sum(shares) > 1 + 1e-12:
        raise InputError("pi", f"the shares add up to {sum(shares):g}, expected at most 1")
    if fold * sum(shares) > 1:
        raise InputError(
            "enrichment",
            f"found {fold:g}, but {sum(shares):g} of all variants are causal",
            f"At most {1 / sum(shares):.3g} goes with that.",
        )
    if model == "univariate":
        return Architecture((Component("causal", shares[0], heritability),), s, law, fold)
    if model == "two_component":
        (large,) = _numbers("share_large", share_large, (1,), model)
        if not 0 < large < 1:
            raise InputError("share_large", f"found {large:g}, expected above 0 and below 1")
        total = heritability[0]
        return Architecture(
            (
                Component("small", shares[0], (total * (1 - large),)),
                Component("large", shares[1], (total * large,)),
            ),
            s,
            law,
            fold,
        )
    correlation = _numbers("rho_beta", 0.0 if rho_beta is None else rho_beta, (1,), model)
    _within("rho_beta", correlation, -1, 1, "between -1 and 1")
    unique_1, unique_2, shared = shares
    poly = (unique_1 + shared, unique_2 + shared)
    if min(poly) == 0:
        raise InputError(
            "pi",
            f"found {', '.join(f'{v:g}' for v in shares)}: one of the traits would have no "
            "causal variant",
        )
    kinds = (
        Component("unique_1", unique_1, (heritability[0] * unique_1 / poly[0], 0.0)),
        Component("unique_2", unique_2, (0.0, heritability[1] * unique_2 / poly[1])),
        Component(
            "shared",
            shared,
            (heritability[0] * shared / poly[0], heritability[1] * shared / poly[1]),
            correlation[0],
        ),
    )
    return Architecture(tuple(k for k in kinds if k.pi > 0), s, law, fold)
