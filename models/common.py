"""What the models share: the parts of GwasData they use, the priors, and the card that a fit
reads back from a model.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from bayesmixer.bound import Bound
from bayesmixer.card import Free, cards
from bayesmixer.errors import InputError
from bayesmixer.ld.exponents import LEAST, REMEDY, between, exponents, is_held, of_one_s, pick
from bayesmixer.mixer.cards import LOGIT_MAF_S
from bayesmixer.models.excess import Excess
from bayesmixer.models.half_normal import LogHalfNormal
from bayesmixer.models.identity import signature
from bayesmixer.models.own import own_bound
from bayesmixer.variables import OBSERVATIONS, evaluated, validate

PRIORS = ("weak", "flat")


def remember(model: pm.Model, bound: Bound) -> pm.Model:
    """The model, with its card on its first potential, where copies of the model keep it.

    Raises
    ------
    InputError
        A prior is given for what is not a free parameter of the model.
    """
    if isinstance(bound.prior, Mapping) and (unknown := set(bound.prior) - set(bound.free)):
        raise InputError(
            "prior",
            f"given for {', '.join(sorted(unknown))}, expected some of {', '.join(bound.free)}",
        )
    bound.signature = signature(model)
    model.potentials[0].tag.bayesmixer = bound
    return model


def origin_of(model: pm.Model) -> Bound | None:
    """The card of the model of this package that `model` is, or was made from by PyMC (`do`,
    `observe`, more variables), or that of models built on `ld_mixture`, with its data.
    """
    found = (getattr(p.tag, "bayesmixer", None) for p in model.potentials)
    return next((bound for bound in found if bound is not None), None) or own_bound(model)


def bound_of(model: pm.Model) -> Bound | None:
    """The card, with its data, of a model of this package as it was built, or of a copy, and of one
    built on `ld_mixture`; None for any other, or a changed one of ours.
    """
    bound = origin_of(model)
    return bound if bound is not None and bound.signature == signature(model) else None


def whole_of(model: pm.Model) -> Bound | None:
    """As `bound_of`, and of a changed model of ours that has its likelihood from `ld_mixture` the
    card of such models: it too can be made again of other data.
    """
    bound = bound_of(model) or own_bound(model)
    return bound if bound is not None and bound.signature else None


def in_one_line[**P, Made](build: Callable[P, Made]) -> Callable[P, Made]:
    """`build`, with arguments that it does not take refused in one line that names those it
    takes, and a call inside the context of another model too: PyMC would make one model of both.
    """
    parameters = inspect.signature(build)

    @functools.wraps(build)
    def checked(*args: P.args, **options: P.kwargs) -> Made:
        try:
            parameters.bind(*args, **options)
        except TypeError as error:
            where = next(
                (name for name in options if name not in parameters.parameters), build.__name__
            )
            problem = f"not an option of {build.__name__}" if where in options else str(error)
            raise InputError(
                where,
                f"{problem}, which takes {', '.join(parameters.parameters)}",
                "docs/methods/mixer.md has what each means.",
            ) from None
        outer = pm.Model.get_context(error_if_none=False)
        if outer is not None and origin_of(outer) is None:
            raise InputError(
                build.__name__,
                "called inside the context of another model, and it is a model of its own",
                "Call it outside; ld_mixture adds the likelihood to a model of yours.",
            )
        return build(*args, **options)

    return checked


def censoring_point(censor: Any) -> float | None:
    """`censor` as a number, or None for never."""
    if censor is None:
        return None
    if (
        isinstance(censor, bool)
        or not isinstance(censor, (int, float, np.number))
        or not 0 < censor < math.inf
    ):
        raise InputError("censor", f"{censor!r}, expected a positive |z|, or None")
    return float(censor)


def one_trait(data: xr.Dataset, model: str, several_s: bool = False) -> xr.Dataset:
    """Check that `data` is a GwasData of one trait with usable weights, and of one exponent S
    unless `several_s`.

    Raises
    ------
    InputError
        It is not GwasData, lacks what the model needs, has several traits, no variant has a
        positive weight, or a weighted one lacks z, n or an LD score.
    """
    data = _usable(data, model, 1, several_s)
    _finite(data, ("z", "n", "ld_score_h"))
    return data


def two_traits(data: xr.Dataset, model: str) -> xr.Dataset:
    """Check that `data` is a GwasData of two traits with usable weights; what neither trait has
    gets weight 0, what one has stays. Of several exponents S the spectra of S = 0 are taken.

    Raises
    ------
    InputError
        As `one_trait`, or no weighted variant is seen in both traits.
    """
    data, s, held = take_exponent(_usable(data, model, 2, several_s=True), None)
    if not held:
        found = f"spectra for several values of S, none of them {s:g}, but {model} takes one"
        raise InputError("data", found, "Choose one: align(..., maf_s=0).")
    _finite(data, ("ld_score_h",))
    used = evaluated(data)
    seen = np.isfinite(data["z"].values[used])
    other = int((seen != np.isfinite(data["n"].values[used])).sum()) + int((~seen.any(1)).sum())
    if other:
        raise InputError(
            "data",
            f"z and n: one without the other, or neither trait, for {other} weighted variants",
            "Drop them, or set their weight to 0.",
        )
    if not seen.all(axis=1).any():
        raise InputError(
            "data", "no weighted variant is seen in both traits", "Check what the files hold."
        )
    return data


def _usable(data: xr.Dataset, model: str, traits: int, several_s: bool = False) -> xr.Dataset:
    """GwasData of so many traits, with positive weights and sample sizes."""
    if not isinstance(data, xr.Dataset):
        raise InputError("data", f"{type(data).__name__}, expected the Dataset that align returns")
    card = cards().get(model)
    data = validate(data, "gwas_data", "data") if card is None else card.require(data)
    if data.sizes["trait"] != traits:
        wanted = ("one", "two")[traits - 1]
        choose = "Choose one: data.isel(trait=[0])."
        raise InputError(
            "data",
            f"{data.sizes['trait']} traits, but {model} is a model of {wanted}",
            choose if traits == 1 else "Align two: align([first, second], reference).",
        )
    data = OBSERVATIONS["gwas_data"].of_seen(data, in_all=traits == 1)
    if data.sizes.get("maf_s", 1) > 1 and not several_s:
        raise InputError(
            "data",
            f"spectra for {data.sizes['maf_s']} values of S, but {model} takes one",
            "Choose one: align(..., maf_s=0).",
        )
    used = evaluated(data)
    if not used.size:
        raise InputError(
            "data", "no variant has a positive weight", "Check the weights given to align."
        )
    n = data["n"].values[used]
    if not (n[np.isfinite(n)] > 0).all():
        raise InputError(
            "data",
            "n: sample sizes must be positive",
            "Drop these variants, or set their weight to 0.",
        )
    return data


def _finite(data: xr.Dataset, names: tuple[str, ...]) -> None:
    used = evaluated(data)
    for name in names:
        bad = int((~np.isfinite(data[name].isel(variant=used).values)).sum())
        if bad:
            raise InputError(
                "data",
                f"{name}: not finite for {bad} values of weighted variants",
                "Drop them, or set their weight to 0.",
            )


def exponent(data: xr.Dataset, maf_s: float | str | None) -> float | None:
    """What `maf_s` of a model means for these data: an exponent S, or None where it is free.

    None is the S of the data, and 0 where they hold several.

    Raises
    ------
    InputError
        Not a number or "free", outside the exponents of the data, or free between too few of them.
    """
    held = exponents(data)
    if isinstance(maf_s, str):
        if maf_s != "free":
            raise InputError("maf_s", f"{maf_s!r}, expected a number, 'free' or None")
        if held.size < LEAST:
            raise InputError(
                "maf_s",
                f"'free', but the data hold S = {', '.join(f'{v:g}' for v in held)} only",
                REMEDY,
            )
        return None
    if maf_s is not None and (
        isinstance(maf_s, bool)
        or not isinstance(maf_s, (int, float, np.number))
        or not math.isfinite(maf_s)
    ):
        raise InputError("maf_s", f"{maf_s!r}, expected a number, 'free' or None")
    if maf_s is None:
        return float(held[0]) if held.size == 1 else between(data, 0.0)
    return between(data, float(maf_s))


def s_option(maf_s: float | str | None) -> dict[str, Any]:
    """`maf_s` as an option of a model's record; nothing where it was left out, so that records of
    one S read as they always did.
    """
    return {} if maf_s is None else {"maf_s": maf_s if isinstance(maf_s, str) else float(maf_s)}


def take_exponent(
    data: xr.Dataset, maf_s: float | str | None
) -> tuple[xr.Dataset, float | None, bool]:
    """The data, S (None where it is free), and whether spectra of one exponent will do: the data
    then are of that one.
    """
    s = exponent(data, maf_s)
    if s is None or not is_held(data, s):
        return data, s, False
    return pick(data, s), s, True


def symbolic_exponent(data: xr.Dataset, s: float | None, prior: Any) -> Any:
    """S: a number as it is, or the deterministic `maf_s`, anywhere between the smallest and the
    largest exponent of the data; weak prior: uniform there.
    """
    if s is not None:
        return s
    held = exponents(data)
    return pm.Deterministic(
        "maf_s", held.min() + (held.max() - held.min()) * pt.sigmoid(free(LOGIT_MAF_S, prior))
    )


def coords(data: xr.Dataset, **more: Any) -> dict[str, Any]:
    """Coordinates of a model: its LD blocks, and what it adds."""
    return {"ld_block": np.arange(int(data["ld_block"].max()) + 1), **more}


def by_block(terms: Any, block: np.ndarray, n_blocks: int) -> Any:
    """Sums of symbolic terms (J,) over LD blocks; `block` (J,) is non-decreasing."""
    total = pt.concatenate([pt.zeros(1), pt.cumsum(terms)])
    edges = np.searchsorted(block, np.arange(n_blocks + 1))
    return total[edges[1:]] - total[edges[:-1]]


def gaussian(z2: Any, variance: Any, censor: float | None = None) -> Any:
    """Symbolic log density (J,) of normal z of the squares `z2` and variances, or log P(|Z| >
    censor) where |z| exceeds it.
    """
    terms = -0.5 * (np.log(2 * np.pi) + pt.log(variance) + z2 / variance)
    if censor is None:
        return terms
    away = censor / pt.sqrt(2 * variance)
    return pt.switch(z2 > censor**2, pt.log(pt.erfcx(away)) - away**2, terms)


def gaussian_pair(data: xr.Dataset, beta: Any, covariance: Any, sigma2_0: Any, error: Any) -> Any:
    """Symbolic log-likelihood by LD block of bivariate normal z, of one z where the other trait was
    not seen.
    """
    used = evaluated(data)
    used = used[np.argsort(data["ld_block"].values[used], kind="stable")]
    z, n, weight = (data[name].values[used].astype(float) for name in ("z", "n", "weight"))
    seen = np.isfinite(z)
    both = seen.all(axis=1)
    z, n = np.where(seen, z, 0.0), np.where(seen, n, 1.0)
    score = of_one_s(data, "ld_score_h")[used].astype(float)
    a, b = (sigma2_0[k] + beta[k] * (n[:, k] * score) for k in (0, 1))
    c = pt.where(both, error + covariance * np.sqrt(n.prod(axis=1)) * score, 0.0)
    # a trait not seen has variance 1, no covariance and z = 0, less its own constant
    a, b = (pt.where(seen[:, k], v, 1.0) for k, v in ((0, a), (1, b)))
    rest = a * b - c**2
    quadratic = (b * z[:, 0] ** 2 - 2 * c * z[:, 0] * z[:, 1] + a * z[:, 1] ** 2) / rest
    terms = -0.5 * (seen.sum(axis=1) * np.log(2 * np.pi) + pt.log(rest) + quadratic)
    return by_block(weight * terms, data["ld_block"].values[used], int(data["ld_block"].max()) + 1)


def free(one: Free, prior: Any, *given: Any, **shape: Any) -> Any:
    """A free parameter on the whole line.

    Parameters
    ----------
    one
        Its card.
    prior
        "weak" (what the card says), "flat", or the user's: a mapping from names to distributions
        (`pm.Normal.dist(...)`) or to functions of the name that make the variable, with the weak
        prior for names that it lacks; or one function of the name that returns either, or None for
        the weak prior.
    given
        What its weak prior depends on besides the card's numbers.
    shape
        `dims` or `shape` of a vector or matrix.

    Raises
    ------
    InputError
        `prior` is none of these.
    """
    if isinstance(prior, Mapping) or callable(prior):
        own = prior.get(one.name) if isinstance(prior, Mapping) else prior(one.name)
        if own is None:
            return free(one, "weak", *given, **shape)
        made = own(one.name, **shape) if callable(own) else own
        model = pm.modelcontext(None)
        if made is model.named_vars.get(one.name):
            return made
        if isinstance(made, pt.TensorVariable) and made.owner is not None:
            # a copy: a variable belongs to one model, and a fit builds its model more than once
            fresh = made.owner.clone().outputs[made.owner.outputs.index(made)]
            dims = shape.get("dims")
            dims = (dims,) if isinstance(dims, str) else dims
            size = shape.get("shape", tuple(len(model.coords[dim]) for dim in dims or ()))
            had = fresh.type.shape
            if len(had) != len(size) or any(
                a not in (None, b) for a, b in zip(had, size, strict=True)
            ):
                raise InputError("prior", f"of shape {had} for {one.name}, expected {size}")
            return model.register_rv(fresh, one.name, dims=dims)
        raise InputError(
            "prior",
            f"{own!r} for {one.name}, expected a distribution such as pm.Normal.dist(0, 1)",
        )
    if prior not in PRIORS:
        raise InputError(
            "prior",
            f"{prior!r}, expected one of {', '.join(PRIORS)}, {{name: distribution}}, or a "
            "function of the name",
        )
    if one.weak.family == "dirichlet":  # uniform on the simplex where all concentrations are 1
        size = len(pm.modelcontext(None).coords[shape["dims"]])
        concentration = 1.0 if prior == "flat" else one.weak.numbers
        return pm.Dirichlet(one.name, np.broadcast_to(concentration, size), **shape)
    # no initval: SMC would start all of its particles there, and PyMC copies no model that has one
    if prior == "flat":
        return pm.Flat(one.name, **shape)
    kinds = {
        "normal": pm.Normal,
        "logistic": pm.Logistic,
        "log_half_normal": LogHalfNormal,
        "excess": Excess,
    }
    return kinds[one.weak.family](one.name, *one.weak.numbers, *given, **shape)


def prior_in_words(prior: Any) -> str:
    """`prior` as a fit stores it: weak, flat, or what the user's priors are."""
    if callable(prior):
        return f"own: {_law(prior)}"
    if not isinstance(prior, Mapping):
        return str(prior)
    return f"own: {', '.join(f'{name} ~ {_law(one)}' for name, one in prior.items())}"


def _law(one: Any) -> str:
    """Name of a distribution; of a function its own."""
    if isinstance(one, pt.TensorVariable) and one.owner is not None:
        op = one.owner.op
        return str((getattr(op, "_print_name", None) or [type(op).__name__])[0])
    return str(getattr(one, "__name__", repr(one)))
