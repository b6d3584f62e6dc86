"""What a model tells about itself, in one declared object: its names, free parameters, reported
quantities and unit, and the wing that knows the rest.

Search, calibration, checks, report, laboratory and command line read cards and name no parameter.
Nothing here imports PyMC, so that saved results can be read and described without it.
"""

from __future__ import annotations

import math
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import xarray as xr

    from bayesmixer.bound import Bound


UNIT = "ld_block"
"""Dimension of the independent units where no card says otherwise."""


@dataclass(frozen=True)
class Prior:
    """The weak prior of one free parameter.

    Attributes
    ----------
    family
        "normal" (mean, sd) and "logistic" (location, scale) of the parameter itself;
        "log_half_normal" (scale): the parameter is the log of a half-normal quantity; "dirichlet"
        (one concentration each, or one for all); "excess": what lies beyond a least value, which
        the model computes, as a part of the possible is uniform.
    numbers
        The family's parameters.
    means
        What its middle 95% means, in words.
    """

    family: Literal["normal", "logistic", "log_half_normal", "dirichlet", "excess"]
    numbers: tuple[float, ...]
    means: str


@dataclass(frozen=True)
class Free:
    """One free parameter, of any shape.

    Attributes
    ----------
    name
        Of the PyMC variable.
    box
        Where a search may go, on the unconstrained scale; wide of anything that data can support.
    scatter
        Where scattered starts fall, on the same scale.
    weak
        Its weak prior.
    truth
        Its value in a simulation, from what that records and the data made of it; NaN where it has
        none. None: never one.
    realised
        What the draws of a simulation came to, from what it records, where that differs from
        `truth`; None where it does not.
    fold
        Place at which the density has slopes of its own on either side, so that a search that ends
        there is made anew on each; NaN for none.
    """

    name: str
    box: tuple[float, float]
    scatter: tuple[float, float]
    weak: Prior
    truth: Callable[[Mapping[str, Any], xr.Dataset], float] | None = None
    realised: Callable[[Mapping[str, Any]], float] | None = None
    fold: float = math.nan


@dataclass(frozen=True)
class Quantity:
    """One reported variable.

    Attributes
    ----------
    name
        Of the variable in `posterior` and `estimate`.
    meaning
        What it is, for tables and docs.
    log
        Whether a figure shows it on the log10 scale.
    shown
        Whether it is among the few that figures of the posterior show.
    nothing
        Its value where there is no signal; None where there is none such.
    truth
        Its value in a simulation, from what that records (truth.json): what was realised where it
        is recorded, else the parameter; None where it has none.
    ends
        Its least and largest value where draws can be densest there, so that intervals may reach
        them; infinite where not.
    """

    name: str
    meaning: str
    log: bool = False
    shown: bool = False
    nothing: float | None = None
    truth: Callable[[Mapping[str, Any]], Any] | None = None
    ends: tuple[float, float] = (-math.inf, math.inf)


@dataclass(frozen=True)
class Profile:
    """A parameter along which the likelihood is profiled, and the quantity it stands for."""

    parameter: str
    quantity: str
    natural: Callable[[Any], Any]


@dataclass(frozen=True)
class End:
    """An end of a parameter's range, which is a model of its own with one parameter less.

    Attributes
    ----------
    name
        Of that model.
    at
        The parameter's value there on the unconstrained scale, finite: one at which what the model
        reports is exactly that of the end.
    statement
        Name of the statement that the truth is not there: `p_<statement>`,
        `log10_bf_<statement>`.
    claim
        That statement in words.
    """

    name: str
    at: float
    statement: str
    claim: str


@dataclass(frozen=True)
class Ends:
    """A free parameter both ends of which are models that a user asks about, so that each gets a
    mass of its own: what a wing's `ends` returns.

    The functions take the entries of the flat vector by name (`LogDensity.names`), numbers or
    arrays of one shape.

    Attributes
    ----------
    parameter
        The parameter, a scalar whose weak prior is that of a uniform `excess`, whatever the
        others.
    low, high
        Where it goes to minus and to plus infinity.
    group
        Name of the results' group that holds what was found.
    excess
        Its place between the ends, from 0 to 1.
    place
        Its value at an excess, strictly between 0 and 1, given the others.
    natural
        A smooth function of the parameters, rising with this one, whose estimate is near normal:
        the scale on which the parameter is calibrated.
    """

    parameter: str
    low: End
    high: End
    group: str
    excess: Callable[[Mapping[str, Any]], Any]
    place: Callable[[Any, Mapping[str, Any]], Any]
    natural: Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class View:
    """A direction in which a model is held against its data: what a wing's `views` returns, one
    number and its predicted distribution for every variant.

    Attributes
    ----------
    label
        What names it among others; "" where it is the only one.
    z
        (J,) of the model's variants, in units of the errors' standard deviation where nothing
        inflates or correlates them; NaN where it was not seen.
    predictive
        `f(bound, there)`, as the wing's offer of that name; `bound` may hold some of the variants
        only.
    traits
        Positions in the model's data of the traits that it looks at.
    causes, deed
        What may lie behind a misfit that is this view's own, and what to do; "" for the hall's
        words.
    """

    label: str
    z: Any
    predictive: Callable[[Bound, xr.Dataset], Any]
    traits: tuple[int, ...] = (0,)
    causes: str = ""
    deed: str = ""


@dataclass(frozen=True)
class Card:
    """A model's card.

    Attributes
    ----------
    name, title, verb
        The model's three spellings: of the function in `bayesmixer.models`, in sentences, and on
        the command line ("" where it has no place there).
    summary
        The model in one sentence.
    free
        Every free parameter that it can have, in the order of the flat vector.
    reported
        What it reports.
    kind, needs
        Kind of the data it takes, and the variables that it needs of them besides what every model
        of that kind does.
    traits
        How many traits it is of.
    each
        Of a model of two: the model of each trait by itself, and its own option that takes those
        two fits and holds at them what belongs to one trait.
    unit
        Dimension of the independent units: their log-likelihoods add up.
    wing
        The package that knows what only this method knows (`ask`); "" for none.
    null, rivals, richer
        Models fitted beside it: the null model of AIC and BIC, others shown with them (models, or
        itself with something held), and the one to try where this one is too poor.
    profile
        Along what the likelihood is profiled.
    keeps
        Variables of the data that a fit keeps in `constant_data`.
    staged
        Whether the search begins on the wing's cheap stand-in for the data (`coarse`).
    starts
        The wing's offer that proposes starting points.
    cell
        The wing's offer of what its coverage is studied with; "" where it is not.
    judged
        The reported quantities whose intervals such a study judges, from draws; where there are
        none, those of the free parameters, on the unconstrained scale.
    usual
        Whether it is the model that is meant where none is named.
    options
        What the model's function takes besides the data and the prior.
    observed_by
        Those of the options that change what is observed: likelihoods under different values are
        not comparable.
    weights
        The rule of `align` by which its likelihood counts variants in LD where nothing else is
        asked.
    """

    name: str
    title: str
    verb: str
    summary: str
    free: tuple[Free, ...]
    reported: tuple[Quantity, ...]
    kind: str = "gwas_data"
    needs: tuple[str, ...] = ()
    traits: int = 1
    each: tuple[str, str] | None = None
    unit: str = UNIT
    wing: str = ""
    null: str = ""
    rivals: tuple[str, ...] = ()
    richer: str = ""
    profile: Profile | None = None
    keeps: tuple[str, ...] = ()
    staged: bool = False
    starts: str = "starts"
    cell: str = ""
    judged: tuple[str, ...] = ()
    usual: bool = False
    options: tuple[str, ...] = ()
    observed_by: tuple[str, ...] = ()
    weights: str = "pruning"

    def __reduce__(self) -> Any:
        """A card travels between processes by its model's name."""
        if cards().get(self.name) is self:
            return _named, (self.name,)
        return super().__reduce__()

    def parameter(self, name: str) -> Free | None:
        """A free parameter by name."""
        return next((one for one in self.free if one.name == name), None)

    def quantity(self, name: str) -> Quantity | None:
        """A reported quantity by name."""
        return next((one for one in self.reported if one.name == name), None)

    def require(self, data: xr.Dataset, name: str = "data") -> xr.Dataset:
        """Data of its kind, checked to hold what it needs, in the form in which data come in.

        Raises
        ------
        InputError
            They do not; `name` is what to call them.
        """
        from bayesmixer.variables import OBSERVATIONS, require

        needs = (*OBSERVATIONS[self.kind].variables, self.unit, *self.needs)
        return require(data, needs, f"{self.name} needs", self.kind, name)

    def ask(self, offer: str) -> Any:
        """What the wing offers under a name (a function, a list); None where it offers nothing.

        The wing's `OFFERS` maps names to "module:object" within it: docs/reference/models.md says
        which names are asked for, and with what arguments.
        """
        if not self.wing:
            return None
        found = import_module(self.wing).OFFERS.get(offer)
        if found is None:
            return None
        module, _, name = found.partition(":")
        return getattr(import_module(f"{self.wing}.{module}"), name)


@cache
def cards() -> Mapping[str, Card]:
    """Every card by its model's name: those that stand in the `cards` modules of the wings."""
    found: dict[str, Card] = {}
    for package in pkgutil.iter_modules(import_module("bayesmixer").__path__, "bayesmixer."):
        if package.ispkg and _has_cards(package.name):
            module = import_module(f"{package.name}.cards")
            found |= {one.name: one for one in vars(module).values() if isinstance(one, Card)}
    return MappingProxyType(found)


def _has_cards(package: str) -> bool:
    """Whether there is a module `cards` in a package, which is not imported for it: the models are
    one and load PyMC.
    """
    spec = find_spec(package)
    paths = None if spec is None else spec.submodule_search_locations
    return paths is not None and any(m.name == "cards" for m in pkgutil.iter_modules(paths))


def _named(name: str) -> Card:
    return cards()[name]


def usual() -> Card:
    """The card of the model that is meant where none is named."""
    return next(card for card in cards().values() if card.usual)


def studied() -> tuple[str, ...]:
    """Names of the models whose coverage can be studied, the usual one first."""
    found = [card for card in cards().values() if card.cell]
    return tuple(card.name for card in sorted(found, key=lambda card: not card.usual))


def unit_in_words(unit: str) -> str:
    """`ld_block` as LD block, `gene` as gene."""
    return unit.replace("_", " ").replace("ld ", "LD ")


def each_quantity() -> Iterator[Quantity]:
    """The reported quantities of all models, each name once."""
    seen: dict[str, Quantity] = {}
    for card in cards().values():
        for one in card.reported:
            seen.setdefault(one.name, one)
    return iter(seen.values())
