"""A fit's model, made again of what the fit stores and the data, so that every verb after `fit`
needs results and data alone.
"""

from __future__ import annotations

import json
from typing import Any

import pymc as pm
import xarray as xr

from bayesmixer import models
from bayesmixer.errors import InputError
from bayesmixer.identity import check_fit, data_of_fit
from bayesmixer.models.common import PRIORS, bound_of, prior_in_words
from bayesmixer.wings import card_of

REMEDY = "Give the model itself: model=."


def rebuild(results: xr.DataTree, data: xr.Dataset) -> pm.Model:
    """The model that was fitted.

    Parameters
    ----------
    results
        What `fit` or `load` returned.
    data
        The data that were fitted, of one trait or of several; their fingerprint is compared with
        the fit's.

    Returns
    -------
    pymc.Model

    Raises
    ------
    InputError
        `results` is no fit, `data` are not those that were fitted, or the model cannot be made
        again: one of other makers, a changed one, or one with priors of one's own.
    """
    check_fit(results)
    if found := obstacle(results):
        raise InputError("results", found, REMEDY)
    return remade(results, data_of_fit(results, data))


def remade(results: xr.DataTree, data: xr.Dataset) -> pm.Model:
    """`rebuild` of data that are known to be the fit's.

    Raises
    ------
    InputError
        The model cannot be made again.
    """
    if found := obstacle(results):
        raise InputError("results", found, REMEDY)
    options = json.loads(results.attrs.get("options", "{}"))
    build = getattr(models, str(results.attrs["model"]))
    model: pm.Model = build(data, prior=results.attrs["prior"], **options)
    return model


def obstacle(results: xr.DataTree) -> str:
    """Why a fit's model cannot be made again of data; "" where it can."""
    card, prior = card_of(results), str(results.attrs.get("prior"))
    name = str(results.attrs.get("model", "unknown"))
    if card is None or name != card.name:
        return f"of the model {name!r}, which cannot be made again"
    if prior not in PRIORS:
        return f"of a model with priors of its own ({prior}), which are not stored"
    return ""


def model_of(
    results: xr.DataTree, data: xr.Dataset | None = None, model: pm.Model | None = None
) -> pm.Model:
    """The model of a fit: the given one, checked, or made again of the data.

    Raises
    ------
    InputError
        Neither is given, the model is another, or it cannot be made again.
    """
    if isinstance(data, pm.Model):
        raise InputError("data", "a model, expected data", "Give it as model=.")
    if model is not None:
        check_model(results, model)
        return model
    if data is None:
        raise InputError("data", "not given", "Give the data that were fitted, or model=.")
    return rebuild(results, data)


def check_model(results: xr.DataTree, model: Any, name: str = "model") -> None:
    """Check that a model of this package is the one that was fitted, by its name, prior, options
    and data; others are not looked at.

    Raises
    ------
    InputError
        It is another model, or one of other data.
    """
    bound = bound_of(model)
    if bound is None:
        return
    remedy = "Give the model that was fitted."
    fitted = tuple(str(results.attrs.get(key)) for key in ("model", "prior", "options"))
    given = (bound.name, prior_in_words(bound.prior), json.dumps(bound.options))
    if [_in_any_order(word) for word in fitted] != [_in_any_order(word) for word in given]:
        raise InputError(name, f"{', '.join(given)}, but the fit is of {', '.join(fitted)}", remedy)
    data_of_fit(results, bound.data, name, trait=0, remedy=remedy)


def _in_any_order(words: str) -> list[str]:
    """The priors that a text lists: PyMC's copies of a model have variables in another order."""
    return sorted(words.removeprefix("own: ").split(", "))
