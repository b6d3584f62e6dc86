"""Strata of MAF, LD score and sample size: tertiles of the evaluated variants' weight, fewer where
a quantity hardly varies.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.ld.exponents import of_one_s
from bayesmixer.style import DATA, GREY, VERMILION, as_number, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SAME = 0.05  # a quantity whose 5% and 95% quantiles differ by less, relatively, is one stratum
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Strata:
    """Cells of the cross of MAF, LD score and N.

    Attributes
    ----------
    cell
        (J,) cell of each variant, in the order of `of_cell`.
    of_cell
        By quantity ("maf", "ld_score", "n"; of several traits "n_0", "n_1" for "n"), (C,): the
        stratum of each cell.
    names
        By quantity: its name in sentences.
    labels
        By quantity: a label per stratum, such as "MAF < 0.14".
    """

    cell: NDArray[np.int64]
    of_cell: dict[str, NDArray[np.int64]]
    names: dict[str, str]
    labels: dict[str, list[str]]

    def of_traits(self, traits: tuple[int, ...]) -> list[str]:
        """Quantities that concern traits at these positions."""
        others = [q for q in self.of_cell if q.startswith("n_") and int(q[2:]) not in traits]
        return [q for q in self.of_cell if q not in others]

    def crossed(self, quantities: list[str]) -> tuple[list[str], Floats]:
        """The cells of some of the quantities (S): one label each, of those that have several
        strata, and which of the cells they join (S, C).
        """
        codes, which = np.unique([self.of_cell[q] for q in quantities], axis=1, return_inverse=True)
        several = [(q, k) for k, q in enumerate(quantities) if len(self.labels[q]) > 1]
        names = [
            ", ".join(self.labels[q][code[k]] for q, k in several) or "all variants"
            for code in codes.T
        ]
        return names, np.equal.outer(np.arange(len(names)), which.ravel()).astype(float)


def strata(data: xr.Dataset) -> Strata:
    """Cross the weighted tertiles of MAF, LD score and N; cells without variants are left out.

    Parameters
    ----------
    data
        GwasData of one S; variants of positive weight. What lacks N of a trait counts to the
        largest N.
    """
    weight = np.asarray(data["weight"], float)
    quantities = {
        "maf": _maf(data),
        "ld_score": of_one_s(data, "ld_score_h").astype(float),
    }
    names = {"maf": "MAF", "ld_score": "LD score"}
    of = [f" of {name}" for name in data["trait"].values] if data.sizes["trait"] > 1 else [""]
    for k, n in enumerate(np.asarray(data["n"], float).T):
        key = f"n_{k}" if len(of) > 1 else "n"
        quantities[key], names[key] = n, f"N{of[k]}"
    level, labels = {}, {}
    for key, values in quantities.items():
        level[key], labels[key] = _tertiles(values, weight, names[key])
    sizes = [len(labels[q]) for q in level]
    code = np.ravel_multi_index([level[q] for q in level], sizes)
    there, cell = np.unique(code, return_inverse=True)
    of_cell = dict(
        zip(level, (a.astype(np.int64) for a in np.unravel_index(there, sizes)), strict=True)
    )
    return Strata(cell.astype(np.int64), of_cell, names, labels)


def _maf(data: xr.Dataset) -> Floats:
    """(J,) minor allele frequency; the same of all where the data do not tell."""
    if "freq" in data:
        freq = np.asarray(data["freq"], float)
        return np.asarray(np.minimum(freq, 1 - freq))
    if "heterozygosity" not in data:
        return np.full(data.sizes["variant"], 0.5)
    return np.asarray((1 - np.sqrt(1 - 2 * np.asarray(data["heterozygosity"], float))) / 2)


def _tertiles(x: Floats, weight: Floats, name: str) -> tuple[NDArray[np.int64], list[str]]:
    """Stratum of each value, and labels."""
    at = (0.05, 1 / 3, 2 / 3, 0.95)
    seen = np.isfinite(x)
    x = np.where(seen, x, np.inf)
    low, *edges, high = np.quantile(
        x[seen], at, weights=weight[seen], method="inverted_cdf"
    ).tolist()
    if high - low <= SAME * abs(high):
        return np.zeros(len(x), np.int64), [name]
    # the largest value is no edge: it would leave the last stratum empty
    cuts = np.array(sorted({e for e in edges if e < x[seen].max()}))
    if not len(cuts):
        cuts = np.array([float(x[x < x[seen].max()].max())])
    text = [f"{name} ≤ {as_number(cuts[0])}"]
    text += [f"{name} {as_number(a)}–{as_number(b)}" for a, b in pairwise(cuts)]
    return np.searchsorted(cuts, x, side="left").astype(np.int64), [
        *text,
        f"{name} > {as_number(cuts[-1])}",
    ]


def plot_pit(dataset: xr.Dataset, ax: Axes | None = None, stratum: int | str | None = None) -> Axes:
    """Histogram of the predictive probability integral transform, with the band that chance allows.

    Parameters
    ----------
    dataset
        `Check.dataset`; of several views one of them, `dataset.sel(view="height")`.
    ax
        Axes to draw in; a new figure where None.
    stratum
        Number or label of a stratum; None draws all variants together.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        It is of several views.
    """
    _one_view(dataset)
    if ax is None:
        ax = new_figure(4.2, 3.2)[1]
    if stratum is None:
        one = xr.Dataset({k: dataset[f"all_{k}"] for k in ("share", "low", "high")})
        title = str(dataset["view"].values) if "view" in dataset.coords else "all variants"
    else:
        one = (
            dataset.isel(stratum=stratum)
            if isinstance(stratum, int)
            else dataset.sel(stratum=stratum)
        )
        title = str(one["stratum"].values)
    _draw(ax, dataset["bin"].values, one, title)
    ax.set_xlabel("P(|Z| ≤ |z|) under the fit")
    ax.set_ylabel("share of weight × bins")
    return ax


def plot_pit_strata(dataset: xr.Dataset, axes: Any = None) -> Any:
    """Histograms of the predictive probability integral transform in every stratum of MAF x LD
    score (x N).

    Parameters
    ----------
    dataset
        `Check.dataset`, as of `plot_pit`.
    axes
        Array of axes, at least as many as there are strata; a new figure where None (columns: LD
        score).

    Returns
    -------
    numpy.ndarray
        The axes.

    Raises
    ------
    InputError
        It is of several views.
    """
    _one_view(dataset)
    count = dataset.sizes["stratum"]
    if axes is None:
        columns = min(count, max(1, int(dataset["stratum_ld_score"].max()) + 1))
        rows = -(-count // columns)
        axes = new_figure(
            2.9 * columns, 2.0 * rows + 0.4, rows, columns, sharex=True, sharey=True, squeeze=False
        )[1]
    flat = np.ravel(axes)
    # rows run over N and MAF, columns over the LD score
    n = [q for q in map(str, dataset.data_vars) if q.startswith("stratum_n")]
    order = np.lexsort([dataset[q].values for q in ("stratum_ld_score", "stratum_maf", *n)])
    for ax, i in zip(flat, order, strict=False):
        _draw(
            ax,
            dataset["bin"].values,
            dataset.isel(stratum=int(i)),
            str(dataset["stratum"].values[i]),
        )
    for ax in flat[count:]:
        ax.set_visible(False)
    for ax in np.atleast_2d(axes)[-1]:
        ax.set_xlabel("P(|Z| ≤ |z|) under the fit", fontsize=8)
    return axes


def plot_pit_views(dataset: xr.Dataset, axes: Any = None) -> Any:
    """Histograms of the predictive probability integral transform of all variants, one a view.

    Parameters
    ----------
    dataset
        `Check.dataset`.
    axes
        Array of axes, as many as there are views; a new figure where None.

    Returns
    -------
    numpy.ndarray
        The axes.
    """
    views = [dataset]
    if "view" in dataset.dims:
        views = [dataset.isel(view=k) for k in range(dataset.sizes["view"])]
    if axes is None:
        columns = min(len(views), 2)
        rows = -(-len(views) // columns)
        axes = new_figure(
            3.3 * columns, 2.3 * rows + 0.4, rows, columns, sharex=True, sharey=True, squeeze=False
        )[1]
    for ax, one in zip(np.ravel(axes), views, strict=True):
        plot_pit(one, ax)
    return axes


def _one_view(dataset: xr.Dataset) -> None:
    if "view" in dataset.dims:
        names = dataset["view"].values.tolist()
        raise InputError(
            "dataset",
            f"of {len(names)} views ({', '.join(names)})",
            f"Choose one: dataset.sel(view={names[0]!r}).",
        )


def _draw(ax: Axes, bins: Floats, one: xr.Dataset, title: str) -> None:
    """One histogram: bars relative to the uniform, band around 1."""
    k = len(bins)
    edges = np.linspace(0, 1, k + 1)
    share, low, high = (np.asarray(one[name], float) * k for name in ("share", "low", "high"))
    ax.fill_between(
        edges,
        np.append(low, low[-1]),
        np.append(high, high[-1]),
        step="post",
        color=GREY,
        alpha=0.3,
        lw=0,
    )
    ax.axhline(1.0, color=GREY, lw=0.8)
    outside = (share < low) | (share > high)
    ax.stairs(share, edges, color=DATA, lw=1.3)
    ax.plot(bins[outside], share[outside], "o", ms=3.5, color=VERMILION)
    ax.set_ylim(0, 2)
    ax.set_title(title, fontsize=8)
