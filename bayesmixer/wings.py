"""What halls ask of the wing behind results or estimates, and the forms in which it answers."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from bayesmixer.card import UNIT, Card, cards

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from numpy.typing import NDArray


class Evidence(Protocol):
    """What a wing's `evidence` returns: whether the data show anything of what the model is
    about.
    """

    group: str
    """Name of the results' group that holds it."""

    whole: bool
    """Whether `moved` takes nothing from the draws: they need not describe the posterior then."""

    @property
    def seen(self) -> bool:
        """Whether there is a signal."""

    @property
    def sentence(self) -> str:
        """What to say where there is none."""

    @property
    def errors(self) -> Mapping[str, Any]:
        """Standard errors that stand in place of those of the calibrated covariance, by the name of
        the variable (`h2_se`).
        """

    def dataset(self) -> xr.Dataset:
        """It as a group of the results."""

    def moved(self, draws: Any, names: list[str]) -> Any:
        """Calibrated draws (..., P) of the parameters `names`, those that it knows better moved."""


@dataclass(frozen=True)
class Withheld:
    """What a fit must not tell, since the data do not show what it is about.

    Attributes
    ----------
    sentence
        Why; "" where all is told.
    kept
        Quantities that are told all the same; None for all that have no limit.
    limits
        95% upper limits of quantities, or components (`h2 [height]`), whose interval begins where
        nothing is; None of one that is not told at all.
    instead
        Of quantities that are kept, or a component (`intercept [height]`), draws of what is told in
        place of their posterior, which rests on what the data do not show.
    """

    sentence: str
    kept: tuple[str, ...] | None
    limits: Mapping[str, float | None]
    instead: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def keeps(self, label: str) -> bool:
        """Whether a quantity, or a component of one, is told as it is."""
        if self.kept is None:
            return label not in self.limits
        return label.split(" [")[0] in self.kept


@dataclass(frozen=True)
class Told:
    """What a wing tells of estimates that no model was fitted for.

    Attributes
    ----------
    title
        What made them, in words.
    sentences
        What was found.
    cautions
        (sentence, remedy) of each number that is not to be read as it stands.
    tables
        (caption, columns, rows of text).
    figures
        (name, title, caption, what draws it and says its alternative text), or a sentence for one
        that there cannot be.
    settings
        (name, value).
    notes
        (sentence, remedy) of what to keep in mind with any such result.
    """

    title: str
    sentences: Sequence[str]
    cautions: Sequence[tuple[str, str]] = ()
    tables: Sequence[tuple[str, tuple[str, ...], Sequence[tuple[str, ...]]]] = ()
    figures: Sequence[Any] = ()
    settings: Sequence[tuple[str, Any]] = ()
    notes: Sequence[tuple[str, str]] = ()


def card_of(results: Any) -> Card | None:
    """The card of the model that a fit is of; None for a model of other makers."""
    return cards().get(str(results.attrs.get("model", "")).removesuffix(" (changed)"))


def offers(results: Any, offer: str) -> Any:
    """What the wing of a fit's model offers under a name; None where there is none."""
    card = card_of(results)
    return None if card is None else card.ask(offer)


def told_of(results: Any) -> Told:
    """What the wing that made estimates tells of them: its offer `told`; nothing where no wing of
    ours made them.
    """
    tell = of_wing(results, "told")
    if tell is None:
        return Told(str(results.attrs.get("model", "Estimates")), ())
    found: Told = tell(results)
    return found


def of_wing(results: Any, offer: str) -> Any:
    """What the wing that estimates name offers under a name; None where it is no wing of ours or
    offers nothing such.
    """
    wing = str(results.attrs.get("wing", ""))
    if wing not in _wings():
        return None
    found = getattr(import_module(wing), "OFFERS", {}).get(offer)
    if found is None:
        return None
    module, _, name = found.partition(":")
    return getattr(import_module(f"{wing}.{module}"), name)


@cache
def _wings() -> frozenset[str]:
    """The packages of this one; nothing else that a file names is imported."""
    inner = pkgutil.iter_modules(import_module("bayesmixer").__path__, "bayesmixer.")
    return frozenset(one.name for one in inner if one.ispkg)


def unit_of(results: Any) -> str:
    """Dimension of a fit's independent units."""
    card = card_of(results)
    return UNIT if card is None else card.unit


def withheld(results: Any) -> Withheld | None:
    """What a fit must not tell; None where it may tell all."""
    known = offers(results, "withheld")
    found: Withheld | None = None if known is None else known(results)
    return found
