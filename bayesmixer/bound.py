"""A card together with data and options: what `bayesmixer.fit` needs to know of a model beyond its
graph.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bayesmixer.card import Card, Free, unit_in_words

if TYPE_CHECKING:
    import xarray as xr

    from bayesmixer.variables import Observations


@dataclass
class Bound:
    """A card together with data and options: what `bayesmixer.fit` needs to know of a model beyond
    its graph.

    Attributes
    ----------
    card
        The model's card.
    prior
        What the model's function was given as `prior`.
    data
        The data that the model is of.
    build
        Makes the same model of other data (a subset of variants, other weights).
    free
        Names of the free parameters, in the order of the flat vector.
    options
        Options that the model was made with.
    signature
        That of the model as it was built; a changed model has another.
    record
        What a fit's attributes say of the model besides.
    stand_in
        Makes a cheap stand-in for the log posterior, a graph of the model's value variables, whose
        mode is a start where the model has no density at its own; None where nothing does.
    """

    card: Card
    prior: Any
    data: xr.Dataset
    build: Callable[[xr.Dataset], Any]
    free: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)
    signature: str = ""
    record: dict[str, str] = field(default_factory=dict)
    stand_in: Callable[[], Any] | None = None

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.card.name

    @property
    def parameters(self) -> tuple[Free, ...]:
        """The free parameters."""
        known = {one.name: one for one in self.card.free}
        return tuple(known[name] for name in self.free if name in known)

    @property
    def effective_size(self) -> float:
        """What the data count for, the sum of their weights: n of BIC."""
        return self._rows.size(self.data)

    @property
    def _rows(self) -> Observations:
        from bayesmixer.variables import OBSERVATIONS

        return OBSERVATIONS[self.card.kind]

    def counted(self, label: Any, share: float) -> xr.Dataset:
        """The data with one unit counted by a share of its weight: 0 leaves it out."""
        return self._rows.counted(self.data, self.card.unit, label, share)

    def alone(self, label: Any, data: xr.Dataset | None = None) -> xr.Dataset:
        """The data of one unit, or that part of other `data`."""
        return self._rows.alone(self.data if data is None else data, self.card.unit, label)

    def count(self, data: xr.Dataset) -> int:
        """Number of observations of data of this kind."""
        return int(data.sizes[self._rows.row])

    def place(self, label: Any) -> str:
        """A unit in words, with where it lies and what is strongest in it."""
        here = self._rows.weighted(self.alone(label))
        return f"{unit_in_words(self.card.unit)} {label} ({self._rows.describe(here)})"

    def reweighted(self, other: xr.Dataset, where: str) -> xr.Dataset:
        """The data with the weights of `other`, which hold the same observations.

        Raises
        ------
        InputError
            They hold them in another order.
        """
        return self._rows.reweighted(self.data, other, where)

    def starts(self) -> list[dict[str, Any]]:
        """Starting points that the wing proposes; none where it proposes none."""
        propose = self.card.ask(self.card.starts)
        return [] if propose is None else list(propose(self))
