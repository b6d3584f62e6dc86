"""What the figures ask of a fit: the parameters of each posterior draw, and the model's
distribution of |z| (Frei et al. 2019, methods).

The predictions themselves are bayesmixer.ops.predict's; here the posterior of whatever model was
fitted is brought into their form (one causal component, two, or pi = 1 for the infinitesimal
model), and the variants are clustered so that a figure takes seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.facts import data_attributes, read_json
from bayesmixer.identity import check_results, data_of_fit, position_of, trait_names
from bayesmixer.ld.exponents import at_exponent, exponents, is_held, of_one_s, totals
from bayesmixer.mixer.cards import UNIVARIATE
from bayesmixer.style import TAILS
from bayesmixer.variables import along_s, evaluated, require

Floats = NDArray[np.float64]

CLUSTERS = 200
"""Variants are grouped into so many before a prediction; its relative error is then below 1%
(docs/ideas/prediction.md).
"""


@dataclass(frozen=True)
class Parameters:
    """Parameters of the marginal effects' distribution, one row a posterior draw.

    Attributes
    ----------
    pi, sigma2_beta
        (draw, component): share of causal variants, and variance of their effects.
    sigma2_zero
        (draw,): variance of z where nothing is causal.
    """

    pi: Floats
    sigma2_beta: Floats
    sigma2_zero: Floats

    def __len__(self) -> int:
        return len(self.sigma2_zero)

    def draw(self, i: int) -> tuple[Floats, Floats, float]:
        """pi, sigma2_beta and sigma2_zero of draw `i`."""
        return self.pi[i], self.sigma2_beta[i], float(self.sigma2_zero[i])

    def middle(self) -> tuple[Floats, Floats, float]:
        """Geometric means over the draws."""
        return tuple(
            np.exp(np.log(x).mean(axis=0)) for x in (self.pi, self.sigma2_beta, self.sigma2_zero)
        )  # type: ignore[return-value]

    def as_one(self) -> Parameters:
        """The geometric means as one draw."""
        pi, beta, zero = self.middle()
        return Parameters(pi[None], beta[None], np.array([zero]))


@dataclass(frozen=True)
class Variants:
    """The evaluated variants of a trait, as flat arrays: |z| and N (variant,), spectrum (variant,
    node), their weights and LD blocks.
    """

    z: Floats
    n: Floats
    spectrum: NDArray[Any]
    node_x: Floats
    weight: Floats
    ld_score: Floats
    maf: Floats
    ld_block: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.z)

    def __getitem__(self, rows: NDArray[Any]) -> Variants:
        """The chosen variants."""
        return Variants(
            self.z[rows],
            self.n[rows],
            self.spectrum[rows],
            self.node_x,
            self.weight[rows],
            self.ld_score[rows],
            self.maf[rows],
            self.ld_block[rows],
        )


def fitted_s(results: xr.DataTree) -> float | None:
    """Exponent S of a fit: its mode's where S was free, else the one that was set, or that of its
    data; None where nothing is recorded.
    """
    for group in ("estimate", "posterior"):
        if group in results.children and "maf_s" in results[group].data_vars:
            return float(results[group]["maf_s"].mean())
    own = [
        m["maf_s"] for m in read_json(results.attrs.get("mixtures"), {}).values() if "maf_s" in m
    ]
    if own:
        return float(results["estimate"][own[0]] if isinstance(own[0], str) else own[0])
    asked = read_json(results.attrs.get("options"), {}).get("maf_s")
    held = np.atleast_1d(data_attributes(results).get("maf_s", []))
    return float(asked) if asked is not None else float(held[0]) if held.size == 1 else None


def shown(data: xr.Dataset, results: xr.DataTree | None, trait: str | int | None) -> xr.Dataset:
    """What a figure of `data` shows: one trait, at one S; with a fit those of the fit, after their
    fingerprints were compared.

    Parameters
    ----------
    data
        GwasData.
    results
        A fit, or None.
    trait
        Name or position; None takes the fitted trait, without a fit the first.

    Raises
    ------
    InputError
        The data are not the fit's, or there is no such trait.
    """
    one = (
        data.isel(trait=[position_of(data, 0 if trait is None else trait)])
        if results is None
        else data_of_fit(check_results(results), data, trait=trait)
    )
    return at_fitted_s(one, results)


def at_fitted_s(data: xr.Dataset, results: xr.DataTree | None) -> xr.Dataset:
    """GwasData of one S, that of a fit (of no fit: 0 where the data hold it, else their first):
    figures and checks stand there.

    Raises
    ------
    InputError
        The data hold several exponents, but not the fit's.
    """
    data = along_s(data)
    if data.sizes.get("maf_s", 1) == 1:
        return data
    s = None if results is None else fitted_s(results)
    if s is None:
        s = 0.0 if is_held(data, 0.0) else float(exponents(data)[0])
    return at_exponent(data, s)


def parameters(
    results: xr.DataTree, draws: int | None = None, data: xr.Dataset | None = None
) -> Parameters:
    """Parameters of the posterior draws of any of the univariate models.

    Parameters
    ----------
    results
        What `bayesmixer.fit` returned.
    draws
        Keep this many, evenly spaced over all chains; None keeps all.
    data
        What `at_fitted_s` returned. Where S was free, or lies between the exponents held, effects
        are brought to the S of these data at the same h2.

    Raises
    ------
    InputError
        The posterior holds no `sigma2_0`, or nothing to make the effects' variance of.
    """
    posterior = of_mixture(stacked(results), results.attrs.get("mixtures"), data)
    if "trait" in posterior.sizes:
        posterior = _of_the_trait(posterior, data)
    rows = np.arange(posterior.sizes["sample"])
    if draws is not None and draws < len(rows):
        rows = rows[np.linspace(0, len(rows) - 1, draws).round().astype(int)]
    posterior = posterior.isel(sample=rows)
    if "sigma2_0" not in posterior:
        raise InputError(
            "results",
            "no 'sigma2_0' in the posterior group",
            "Only fits of the univariate models can be plotted.",
        )
    zero = np.asarray(posterior["sigma2_0"], dtype=float)
    pi = _by_component(posterior["pi"]) if "pi" in posterior else np.ones((len(rows), 1))
    if "mixtures" in results.attrs:
        beta = _by_component(posterior["sigma2_beta"])
        pi, beta = np.broadcast_arrays(pi, beta)
        if data is not None and "maf_s" in posterior:  # the same h2 of each component
            h, count = (np.asarray(data[f"h_bin_{of}"], float) for of in ("value", "count"))
            power = 1 + np.asarray(posterior["maf_s"], float)[:, None]
            beta = beta * ((count * h**power).sum(1) / float(totals(data)[0]))[:, None]
    elif data is not None and ("maf_s" in posterior or "strength_scale" in data.attrs):
        beta = _same_h2(posterior, pi, float(totals(data)[0]))
    elif "sigma2_beta" in posterior:
        beta = _by_component(posterior["sigma2_beta"])
    elif "h2" in posterior and pi.shape[1] == 1:
        beta = _same_h2(
            posterior, pi, float(np.ravel(data_attributes(results).get("h_total", np.nan))[0])
        )
    else:
        raise InputError(
            "results",
            "no 'sigma2_beta' in the posterior group",
            "Only fits of the univariate models can be plotted.",
        )
    if beta.shape != pi.shape:
        raise InputError(
            "results",
            f"'pi' has {pi.shape[1]} components and 'sigma2_beta' has {beta.shape[1]}, "
            "expected as many of each",
        )
    return Parameters(pi, beta, zero)


def of_mixture(
    draws: xr.Dataset, recorded: str | None, data: xr.Dataset | None = None
) -> xr.Dataset:
    """Draws or an estimate in which the parameters of a trait's mixture have their own names, also
    where a model of the user's names them otherwise, as the attribute `mixtures` of its fits has
    `recorded` (`bayesmixer.ld_mixture`).

    Raises
    ------
    InputError
        The fit is of several traits, and `data` are of none of them.
    """
    known = read_json(recorded, {})
    if not known:
        return draws
    trait = next(iter(trait_names(data)), None) if data is not None else None
    chosen = [m for m in known.values() if len(known) == 1 or m["trait"] == trait]
    if len(chosen) != 1:
        traits = ", ".join(m["trait"] for m in known.values())
        raise InputError("trait", f"{trait!r}, expected one of those fitted: {traits}")
    values = {key: v for key, v in chosen[0].items() if key != "trait"}
    names = (*(v for v in values.values() if isinstance(v, str)), *map(str, draws.data_vars))
    first = draws[names[0]]
    whole = xr.zeros_like(first.isel({d: 0 for d in first.dims if d != "sample"}, drop=True))
    renamed = {
        key: draws[v] if isinstance(v, str) else whole + _vector(v) for key, v in values.items()
    }
    return draws.drop_vars([n for n in ("pi", "maf_s") if n in draws]).assign(renamed)


def _of_the_trait(posterior: xr.Dataset, data: xr.Dataset | None) -> xr.Dataset:
    """What a posterior of several traits says of the one that the data are of.

    Raises
    ------
    InputError
        The data are of none of them.
    """
    known = [str(name) for name in posterior["trait"].values]
    trait = next(iter(trait_names(data)), None) if data is not None else None
    if trait not in known:
        raise InputError("trait", f"{trait!r}, expected one of {', '.join(known)}")
    return posterior.isel(trait=known.index(trait), drop=True)


def _vector(value: Any) -> Any:
    """Numbers of the components as an array that draws are added to."""
    return value if np.ndim(value) == 0 else xr.DataArray(np.asarray(value, float), dims="number")


def _same_h2(posterior: xr.Dataset, pi: Floats, h_total: float) -> Floats:
    """sigma2_beta (draw, 1) of one component that explains each draw's h2."""
    return np.asarray(np.asarray(posterior["h2"], dtype=float)[:, None] / (pi * h_total))


def stacked(results: xr.DataTree) -> xr.Dataset:
    """The posterior with chain and draw stacked as `sample`, that dimension first."""
    posterior = check_results(results)["posterior"].to_dataset()
    flat = posterior.stack(sample=("chain", "draw"), create_index=False)
    return flat.transpose("sample", ...)


def _by_component(values: xr.DataArray) -> Floats:
    array = np.asarray(values, dtype=float)
    return array[:, None] if array.ndim == 1 else array


def variants(data: xr.Dataset, trait: str | int = 0) -> Variants:
    """The variants of a GwasData that count in the likelihood: positive weight and a finite z.

    Parameters
    ----------
    data
        GwasData (see docs/reference/data_structures.md); of several S, that of `at_fitted_s`
        without a fit.
    trait
        Name or position of the trait.
    """
    data = require(data, (*UNIVARIATE.needs, "freq"), "predictions need")
    data = at_fitted_s(data, None)
    one = data.isel(trait=position_of(data, trait))
    z, n, weight = (np.asarray(one[v], dtype=float) for v in ("z", "n", "weight"))
    kept = evaluated(one)
    kept = kept[np.isfinite(z[kept]) & np.isfinite(n[kept])]
    if not len(kept):
        raise InputError(
            "data",
            "no variant has a positive weight and a finite z-score",
            "Align the summary statistics with the reference again.",
        )
    freq = np.asarray(one["freq"], dtype=float)[kept]
    return Variants(
        z=np.abs(z[kept]),
        n=n[kept],
        spectrum=of_one_s(one, "spectrum")[kept],
        node_x=np.asarray(one["node_x"], dtype=float),
        weight=weight[kept],
        ld_score=of_one_s(one, "ld_score_h").astype(float)[kept],
        maf=np.minimum(freq, 1 - freq),
        ld_block=np.asarray(one["ld_block"], dtype=np.int64)[kept],
    )


def predicted_survival(
    v: Variants, p: Parameters, thresholds: Floats, clusters: int | None = CLUSTERS
) -> Floats:
    """Weighted mean over variants of P(|Z| > c) under each draw: (draw, threshold)."""
    from bayesmixer.ops.predict import cluster_variants, survival

    group = cluster_variants(
        v.n, v.spectrum, v.node_x, *p.middle(), weight=v.weight, clusters=clusters
    )
    rows = [
        survival(thresholds, group.n, group.spectrum, v.node_x, *p.draw(i), weight=group.weight)
        for i in range(len(p))
    ]
    return np.asarray(rows, dtype=float)


def predicted_power(
    v: Variants, p: Parameters, n_grid: Floats, z_threshold: float, clusters: int | None = CLUSTERS
) -> Floats:
    """Share of h2 in genome-wide significant variants at each sample size under each draw: (draw,
    n).
    """
    from bayesmixer.ops.predict import cluster_variants, power_curve

    # one n for all: the curve is that of a study in which every variant has the sample size of the
    # abscissa
    n_now = float(np.average(v.n, weights=v.weight))
    group = cluster_variants(
        n_now, v.spectrum, v.node_x, *p.middle(), weight=v.weight, clusters=clusters
    )
    rows = [
        power_curve(
            n_grid,
            group.spectrum,
            v.node_x,
            *p.draw(i),
            weight=group.weight,
            z_threshold=z_threshold,
        )
        for i in range(len(p))
    ]
    return np.asarray(rows, dtype=float)


def band(draws: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean and the two ends of the 90% interval over the first axis."""
    low, high = np.quantile(draws, TAILS, axis=0)
    return draws.mean(axis=0), low, high
