"""What the models share: the parts of GwasData they use, the priors, and the record that a fit reads back from a model."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.ld.exponents import LEAST, REMEDY, between, exponents, is_held, pick, totals
from bayesmixer.models.half_normal import LogHalfNormal, log_density
from bayesmixer.models.identity import signature
from bayesmixer.ops.layout import LikelihoodData
from bayesmixer.ops.maf_layout import MafLikelihoodData
from bayesmixer.variables import validate

PRIORS = ("weak", "flat")

# mean and sd of the weak normal priors on the unconstrained scale; every line says what it means
WEAK = {
    "logit_pi": (-5.5, 2.5),  # 95% of pi between 3e-5 and 0.35
    "log_sigma2_0": (0.0, 0.25),  # 95% of sigma2_0 between 0.61 and 1.63: stratification, cryptic relatedness, genomic control
    "logit_share_large": (0.0, 1.5),  # 95% of the large effects' share of h2 between 0.05 and 0.95
    "log_pi_ratio": (3.0, 1.0),  # the large effects' pi is 3 to 140 times smaller than the small effects'
}
UNIFORM = ("logit_maf_s",)  # logits of what the weak prior is uniform in
# scale of the half-normal prior of what these are logs of: h2 = 0 can be reached, 95% of h2 below 0.98
HALF_NORMAL = {"log_h2": 0.5}

# where a search may go; wide of anything that summary statistics can support
BOUNDS = {
    "log_h2": (math.log(1e-6), math.log(20.0)),
    "logit_pi": (-13.8, 9.2),  # pi from 1e-6 to 0.9999
    "log_sigma2_0": (math.log(0.3), math.log(20.0)),
    "logit_share_large": (-7.0, 7.0),
    "log_pi_ratio": (0.0, 9.0),
    "logit_maf_s": (-5.0, 5.0),  # S within 0.7% of the ends of its range
}


@dataclass
class Record:
    """What `bayesmixer.fit` needs to know of a model beyond its graph (`remember`).

    `build(data)` makes the same model of other data (a subset of variants, other weights);
    `starts(record)` proposes starting points; `signature` is that of the model as it was built.
    """

    name: str
    prior: str
    data: xr.Dataset
    build: Callable[[xr.Dataset], pm.Model]
    free: tuple[str, ...]
    starts: Callable[[Record], list[dict[str, float]]] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    signature: str = ""

    @property
    def bounds(self) -> list[tuple[float, float]]:
        """Search box of the free parameters."""
        return [BOUNDS[name] for name in self.free]

    @property
    def effective_variants(self) -> float:
        """Sum of the weights."""
        return float(self.data["weight"].sum())


def remember(model: pm.Model, record: Record) -> pm.Model:
    """The model, with its record on the potential `z`, where copies of the model keep it."""
    record.signature = signature(model)
    model["z"].tag.bayesmixer = record
    return model


def origin_of(model: pm.Model) -> Record | None:
    """The record of the model of this package that `model` is, or was made from by PyMC (`do`, `observe`, more variables)."""
    found = (getattr(p.tag, "bayesmixer", None) for p in model.potentials)
    return next((record for record in found if record is not None), None)


def record_of(model: pm.Model) -> Record | None:
    """The record of a model of this package as it was built, or of a copy; None for any other, or a changed one."""
    record = origin_of(model)
    return record if record is not None and record.signature == signature(model) else None


def in_one_line[**P, Made](build: Callable[P, Made]) -> Callable[P, Made]:
    """`build`, with arguments that it does not take refused in one line that names those it takes."""
    parameters = inspect.signature(build)

    @functools.wraps(build)
    def checked(*args: P.args, **options: P.kwargs) -> Made:
        try:
            parameters.bind(*args, **options)
        except TypeError as error:
            where = next((name for name in options if name not in parameters.parameters), build.__name__)
            problem = f"not an option of {build.__name__}" if where in options else str(error)
            raise InputError(where, f"{problem}, which takes {', '.join(parameters.parameters)}", "docs/models.md has what each means.") from None
        return build(*args, **options)

    return checked


def censoring_point(censor: Any) -> float | None:
    """`censor` as a number, or None for never."""
    if censor is None:
        return None
    if isinstance(censor, bool) or not isinstance(censor, (int, float, np.number)) or not 0 < censor < math.inf:
        raise InputError("censor", f"{censor!r}, expected a positive |z|, or None")
    return float(censor)


def one_trait(data: xr.Dataset, model: str, several_s: bool = False) -> xr.Dataset:
    """Check that `data` is a GwasData of one trait with usable weights, and of one exponent S unless `several_s`.

    Raises
    ------
    InputError
        It is not GwasData, has several traits, no variant has a positive weight, or a weighted one lacks z, n or an LD score.
    """
    if not isinstance(data, xr.Dataset):
        raise InputError("data", f"{type(data).__name__}, expected the Dataset that align returns")
    validate(data, "gwas_data", "data")
    if data.sizes["trait"] != 1:
        raise InputError("data", f"{data.sizes['trait']} traits, but {model} is a model of one", "Choose one: data.isel(trait=[0]).")
    if data["spectrum"].ndim != 2 and not several_s:
        raise InputError("data", f"spectra for {data.sizes['maf_s']} values of S, but {model} takes one", "Choose one: align(..., maf_s=0).")
    used = data["weight"].values > 0
    if not used.any():
        raise InputError("data", "no variant has a positive weight", "Check the weights given to align.")
    for name in ("z", "n", "ld_score_h"):
        bad = int((~np.isfinite(data[name].isel(variant=used).values)).sum())
        if bad:
            raise InputError("data", f"{name}: not finite for {bad} values of weighted variants", "Drop them, or set their weight to 0.")
    if not (data["n"].values[used] > 0).all():
        raise InputError("data", "n: sample sizes must be positive", "Drop these variants, or set their weight to 0.")
    return data


def likelihood_data(data: xr.Dataset, censor: float | None = None) -> LikelihoodData:
    """The weighted variants of a one-trait GwasData of one S, as `MixtureLogLik` takes them."""
    return _laid_out(LikelihoodData, data, censor=censor)


def maf_likelihood_data(data: xr.Dataset, censor: float | None = None) -> MafLikelihoodData:
    """The weighted variants with the spectra of all exponents, as `MafMixtureLogLik` takes them."""
    return _laid_out(MafLikelihoodData, data, censor=censor, held=exponents(data))


def _laid_out[Layout](layout: Callable[..., Layout], data: xr.Dataset, **more: Any) -> Layout:
    """The variants of a one-trait GwasData in a memory layout, what is wrong with them said in one line."""
    try:
        return layout(
            z=data["z"].values[:, 0],
            n=data["n"].values[:, 0],
            weight=data["weight"].values,
            spectrum=data["spectrum"].values,
            node_x=data["node_x"].values,
            ld_block=data["ld_block"].values,
            **more,
        )
    except ValueError as error:
        raise InputError("data", str(error)) from None


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
            raise InputError("maf_s", f"'free', but the data hold S = {', '.join(f'{v:g}' for v in held)} only", REMEDY)
        return None
    if maf_s is not None and (isinstance(maf_s, bool) or not isinstance(maf_s, (int, float, np.number)) or not math.isfinite(maf_s)):
        raise InputError("maf_s", f"{maf_s!r}, expected a number, 'free' or None")
    if maf_s is None:
        return float(held[0]) if held.size == 1 else between(data, 0.0)
    return between(data, float(maf_s))


def s_option(maf_s: float | str | None) -> dict[str, Any]:
    """`maf_s` as an option of a model's record; nothing where it was left out, so that records of one S read as they always did."""
    return {} if maf_s is None else {"maf_s": maf_s if isinstance(maf_s, str) else float(maf_s)}


def take_exponent(data: xr.Dataset, maf_s: float | str | None) -> tuple[xr.Dataset, float | None, bool]:
    """The data, S (None where it is free), and whether spectra of one exponent will do: the data then are of that one."""
    s = exponent(data, maf_s)
    if s is None or not is_held(data, s):
        return data, s, False
    return pick(data, s), s, True


def symbolic_exponent(data: xr.Dataset, s: float | None, prior: str) -> Any:
    """S: a number as it is, or the deterministic `maf_s`, anywhere between the smallest and the largest exponent of the data; weak prior: uniform there."""
    if s is not None:
        return s
    held = exponents(data)
    return pm.Deterministic("maf_s", held.min() + (held.max() - held.min()) * pt.sigmoid(free("logit_maf_s", prior)))


def evaluable(loglik: Any) -> Any:
    """Log-likelihood (ld_block), -inf where it is nan or +inf: parameters far beyond the search box, where a sampler must not stay."""
    return pt.switch(pt.lt(loglik, np.inf), loglik, -np.inf)


def h_total(data: xr.Dataset) -> float:
    """Sum of H^(1+S) over all reference variants, S being that of the data: h2 = pi sigma2_beta h_total."""
    return float(totals(data)[0])


def coords(data: xr.Dataset, **more: Any) -> dict[str, Any]:
    """Coordinates of a model: its LD blocks, and what it adds."""
    return {"ld_block": np.arange(int(data["ld_block"].max()) + 1), **more}


def by_block(terms: Any, block: np.ndarray, n_blocks: int) -> Any:
    """Sums of symbolic terms (J,) over LD blocks; `block` (J,) is non-decreasing."""
    total = pt.concatenate([pt.zeros(1), pt.cumsum(terms)])
    edges = np.searchsorted(block, np.arange(n_blocks + 1))
    return total[edges[1:]] - total[edges[:-1]]


def free(name: str, prior: str) -> Any:
    """A free parameter on the whole line, with a flat prior or its weak one.

    Weak: half-normal on h2, uniform on what a logit of UNIFORM is the logit of, normal on every other parameter.
    """
    if prior not in PRIORS:
        raise InputError("prior", f"{prior!r}, expected one of {', '.join(PRIORS)}")
    if name in HALF_NORMAL:
        # no initval for the weak one: SMC would start all of its particles there, not from the prior
        return pm.Flat(name) if prior == "flat" else LogHalfNormal(name, HALF_NORMAL[name])
    mean, sd = (0.0, 1.0) if name in UNIFORM else WEAK[name]
    if prior == "flat":
        return pm.Flat(name)  # no initval: PyMC copies no model that has one
    return pm.Logistic(name, mean, sd) if name in UNIFORM else pm.Normal(name, mean, sd)


def weak_log_density(name: str, x: Any) -> Any:
    """Log density of a parameter's weak prior at an array of its values, up to a constant."""
    if name in HALF_NORMAL:
        return log_density(x, HALF_NORMAL[name])
    if name in UNIFORM:
        return -abs(x) - 2 * np.log1p(np.exp(-abs(x)))
    mean, sd = WEAK[name]
    return -0.5 * ((x - mean) / sd) ** 2
